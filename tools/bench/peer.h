/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer.h - one way to get messages across, as the work loads see it.
 *
 * A peer is one file: peer_NAME.c.  It knows nothing of what is measured, and
 * the loads know nothing of it but what is here.
 */
#ifndef ZEROCORE_BENCH_PEER_H
#define ZEROCORE_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* What a load wants; the same for all processes of a measurement. */
struct peer_plan {
	uint32_t channels;	/* each has one writer */
	uint32_t readers;	/* of each channel; all get all messages */
	size_t size;		/* of each message, 8 bytes or more */
	bool whole;		/* all of it is written and read */
	bool block;		/* who finds nothing sleeps */
	bool many;		/* a process waits for many readers: @watch */
	uint32_t group;		/* channels that one process writes; 0: any */
	bool starts;		/* starts are measured: nothing in advance */
	uint64_t pool_bytes;	/* where there are pools: of one; 0: what suits */
	char run[32];		/* a part of names that no other run has */
};

/*
 * What happens for each message.  Waiting where there is no room, or no
 * message, is the loop's (loop.h), unless the peer has a wait of its own.
 */
struct peer_verbs {
	/* Memory for the next message; NULL: no room just now. */
	void *(*reserve)(void *end);
	/* Sends what was reserved; may sleep until there is room. */
	void (*send)(void *end);
	/* The next message; NULL: none.  Sleeps for it where the plan blocks. */
	const void *(*receive)(void *end, size_t *bytes);
	/* Done with what was received. */
	void (*release)(void *end);
};

/* The loops of loop.h with a peer's verbs inside. */
struct peer_loops {
	void (*ask)(void *out, void *in, struct loop *loop, uint64_t count);
	void (*answer)(void *out, void *in, struct loop *loop, uint64_t count);
	void (*write)(void *out, struct loop *loop, uint64_t count);
	void (*read)(void *in, struct loop *loop, uint64_t count);
	void (*gather)(void *const *in, uint32_t nr, struct loop *loop,
		       uint64_t count);
	uint64_t (*take)(void *in, struct loop *loop);
	void (*put)(void *out, struct loop *loop, uint64_t number);
	/* One message, if there is one; @ticks: when it was there. */
	bool (*look)(void *in, struct loop *loop, uint64_t *number,
		     uint64_t *ticks);
};

enum {
	PEER_THREADS = 1,	/* threads of its own carry the messages */
	PEER_YARDSTICK = 2,	/* not somebody to be faster than */
	PEER_POLLS = 4,		/* who finds nothing cannot sleep */
	PEER_LOSES = 8,	/* a reader that is slow misses messages */
	PEER_TELLS_ONCE = 16,	/* @await does not tell again of what was left */
	PEER_OUTLIVES = 32,	/* either side can go on when the other was killed */
};

/**
 * struct peer - one way to get messages across
 * @name: as on the command line, and in the output
 * @title: in words
 * @left_out: why it cannot take part; NULL: it can
 * @traits: PEER_*
 * @size_max: of a message; 0: any
 * @channels_max: 0: any
 * @version: of what is measured, static
 * @begin: by the command, once before all (a daemon); false: @why says why not.
 *	May be NULL, as may @finish and @daemon
 * @finish: by the command, once after all
 * @daemon: pid of what @begin started, 0: nothing
 * @begin_again: by the command: what @begin started hangs, and a new one is to
 *	take its place; nobody uses it.  NULL: @begin starts nothing
 * @prepare: by the command, before the processes of a measurement are forked;
 *	what it returns goes to the functions below; NULL: @why says why not
 * @drop: by the command, after their end
 * @open_reader: in a process: one end of a channel; all readers are open
 *	before any writer is
 * @open_writer: the other
 * @ready: of either end, when all are open: returns when what is sent will
 *	arrive; may be NULL
 * @watch: in a process: its readers, whose receive() then never sleeps, for
 *	@await; NULL: cannot sleep until one of several has something
 * @await: sleeps until some have, fills in which (indices, @max at most), and
 *	how many; tells again of those that still have something (but see
 *	PEER_TELLS_ONCE)
 * @close: an end of either kind
 * @leave: what a process does when all its ends are closed; may be NULL
 * @loops: its verbs, at work
 */
struct peer {
	const char *name;
	const char *title;
	const char *left_out;
	unsigned int traits;
	size_t size_max;
	uint32_t channels_max;
	const char *(*version)(void);
	bool (*begin)(char *why, size_t bytes);
	void (*finish)(void);
	int (*daemon)(void);
	bool (*begin_again)(char *why, size_t bytes);
	void *(*prepare)(const struct peer_plan *plan, char *why, size_t bytes);
	void (*drop)(void *ctx);
	void *(*open_reader)(void *ctx, const struct peer_plan *plan,
			     uint32_t channel, uint32_t reader);
	void *(*open_writer)(void *ctx, const struct peer_plan *plan,
			     uint32_t channel);
	void (*ready)(void *end);
	void *(*watch)(void *const *in, uint32_t nr);
	uint32_t (*await)(void *watch, uint32_t *ready, uint32_t max);
	void (*close)(void *end);
	void (*leave)(void);
	struct peer_loops loops;
};

/* All of them, the yardstick first; peers.c. */
extern const struct peer *const peers[];
extern const uint32_t peers_nr;

extern const struct peer peer_ring, peer_zerocore, peer_ck, peer_iceoryx,
	peer_cyclone, peer_cyclone_shm, peer_zmq, peer_nng, peer_pipe,
	peer_socket, peer_mq, peer_futex;

#endif /* ZEROCORE_BENCH_PEER_H */
