/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * crash.h - a victim that dies or stops at a named step, and the others, who
 * must go on.
 */
#ifndef ZC_CRASH_H
#define ZC_CRASH_H

#include <stdio.h>

#include "core/killpoint.h"
#include "harness.h"

/* Written by the victim, watched to the last message by somebody else. */
#define MAIN "crash/victim/main"
/* Between the others: must flow whatever happens. */
#define PULSE "crash/others/pulse"
/* From the others to the victim; drops its oldest. */
#define FEED "crash/others/feed"
/* Of whoever dies before the eyes of the victim. */
#define SACRIFICE "crash/sacrifice/main"

enum action { ACT_COUNT, ACT_KILL, ACT_STOP };

struct crash_board {
	enum zc_killpoint point;	/* at which the victim acts */
	enum action action;
	uint64_t nth;			/* hit at which it acts, from 1 */
	uint64_t hits[ZC_KP_COUNT];	/* of the victim */
	uint64_t committed;		/* on MAIN, by the victim */
	uint64_t deaths;		/* that may have cut a commit off */
	uint64_t watched;		/* on MAIN, seen by the watcher */
	uint64_t pulses;		/* seen by the listener */
	uint64_t rounds;		/* of names that were used up */
	uint64_t end;
	uint64_t seed;
};

extern struct crash_board *board;

/* A way to spend a victim's life; others_late: they come after its end. */
struct scenario {
	const char *name;
	void (*live)(void *arg);
	bool others_late;
};

/* Most likely one first for @point; NULL at the end of the list. */
const struct scenario *const *scenarios_for(const char *point);

/* There a victim never comes to it: it has no such step on this backend. */
bool step_is_the_kernels(enum zc_killpoint point);

/* --- roles of the others (others.c) ---------------------------------------- */

void talker(void *arg);
void listener(void *arg);
void watcher(void *arg);
/* Adopts MAIN and writes three messages. */
void successor(void *arg);
/* Comes, reads a few pulses, checks the pool, leaves. */
void visitor(void *arg);

/* --- the world of a victim (world.c) ---------------------------------------- */

struct others {
	struct t_peer *talker, *listener, *watcher;
};

/* A pool, and who waits for it; returns the successor. */
struct t_peer *world_make(struct others *others, struct t_peer **guest);
void others_start(struct others *others);
/* @acted: it died or was stopped where it should, else it came to its end. */
struct t_peer *victim_lives(const struct scenario *scenario, bool *acted);
void pulses_flow(void);
/* What is true after every death. */
void others_go_on(struct t_peer *next, struct t_peer *guest);
/* The same while a victim is stopped. */
void others_go_on_beside(struct t_peer *guest);
/* Everybody leaves: nothing was lost, nothing has leaked. */
void others_end(struct others *others);

static inline uint64_t board_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void board_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* The end of a test; without kill points there is none. */
#define CRASH_MAIN(cases)                                                      \
	int main(int argc, char **argv)                                        \
	{                                                                      \
		return t_main(argc, argv, cases);                              \
	}
#define CRASH_SKIP()                                                           \
	int main(void)                                                         \
	{                                                                      \
		puts("1..0 # SKIP built without kill points");                 \
		return 0;                                                      \
	}

#endif /* ZC_CRASH_H */
