/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear.h - histories of real runs, and whether a topic may have such a history.
 *
 * Each process writes down its calls in a log of its own, which outlives it: when a call
 * began, when it returned, and what came of it.  One that was killed has at most one call
 * without a return, and whoever killed it says between which two moments that was.
 * linear.c compares the logs with what a topic promises.
 */
#ifndef ZC_LINEAR_H
#define ZC_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zerocore/zerocore.h>

enum lin_kind {
	LIN_NONE,
	LIN_WRITER,	/* register; sequence: of its next commit */
	LIN_ACQUIRE,	/* granule, bytes: where; tag: what will be written there */
	LIN_COMMIT,	/* sequence: that it got; tag: of the acquire; found: just before */
	LIN_CANCEL,	/* tag: of the acquire */
	LIN_READER,	/* register; bytes: history asked for; hazard */
	LIN_POLL,	/* sequence, granule, bytes; found: content; lost: so far */
	LIN_RELEASE,	/* sequence; found: content, just before */
	LIN_LEAVE,	/* unregister */
};

/* Content that is no message's: some of it is, or none. */
#define LIN_TORN 0ULL

struct lin_op {
	uint64_t call;		/* CLOCK_MONOTONIC, before */
	uint64_t ret;		/* after; 0: it did not return */
	uint64_t sequence;
	uint64_t tag;
	uint64_t found;
	uint64_t lost;
	uint32_t granule;
	uint32_t bytes;
	int16_t result;		/* zc_result_t */
	uint8_t kind;		/* enum lin_kind */
	bool loose;		/* returned without a fence: seen a little later */
	bool hazard;
};

/* What one process did, with one role at a time. */
struct lin_log {
	uint32_t topic;
	uint32_t cap;
	uint32_t nr;		/* calls that began */
	uint64_t kill_call;	/* 0: it ended by itself */
	uint64_t kill_ret;
	struct lin_op *op;
};

struct lin_topic {
	zc_on_slow_t on_slow;
	bool overwrite;
	uint32_t history;	/* that the writer keeps */
};

struct lin_history {
	const struct lin_topic *topic;
	uint32_t topics;
	struct lin_log *log;
	uint32_t logs;
	uint32_t granules;
	uint32_t granule_bytes;
};

/* What a history can break. */
enum lin_rule {
	LIN_OK,
	LIN_RECORD,		/* the logs themselves make no sense */
	LIN_RESULT,		/* a call came to what it must not */
	LIN_TWO_WRITERS,	/* of one topic at a time */
	LIN_NUMBER,		/* commits are numbered without a gap, across deaths */
	LIN_CONTENT,		/* a message is what was committed under its number */
	LIN_AGAIN,		/* a number at or below one that the reader had */
	LIN_UNCOUNTED,		/* a gap, or a loss, that is not the other */
	LIN_GAP,		/* a loss where nothing may be lost */
	LIN_KEPT,		/* a loss of what an overwrite topic keeps */
	LIN_EARLY,		/* seen before its commit began */
	LIN_UNSEEN,		/* nothing to poll, though it was there */
	LIN_JOIN_OLD,		/* more from before the join than asked for */
	LIN_JOIN_LATE,		/* a message from after the join is left out */
	LIN_CHANGED,		/* a claimed block, or a held message, was written to */
	LIN_TWICE,		/* memory that two have at a time */
	LIN_RULES
};

struct lin_verdict {
	enum lin_rule rule;
	char text[400];		/* what breaks it */
	uint64_t calls;
	uint64_t messages;
	uint64_t polled;
	uint64_t empty;
	uint64_t lost;
	uint64_t joins;
	uint64_t deaths;
	uint64_t cut_there;	/* commits without a return that are there */
	uint64_t cut_gone;	/* and that are not */
};

/* Judges a history; true: it is one that the topics may have. */
bool lin_check(const struct lin_history *history, struct lin_verdict *verdict);
const char *lin_rule_name(enum lin_rule rule);

/* --- recording (linear_log.c) ---------------------------------------------------- */

/* The next call, where its arguments are to be put.  A full log ends the case. */
struct lin_op *lin_next(struct lin_log *log, enum lin_kind kind);
/* It begins: from here on it is in the log. */
void lin_call(struct lin_log *log);
/* Takes the time of its return, which lin_done() writes down: what is not done did not
 * return. */
uint64_t lin_now(struct lin_op *op);
void lin_done(struct lin_op *op, zc_result_t result, uint64_t ret);
uint32_t lin_nr(const struct lin_log *log);

/* The tag of what log @log writes by its @op'th call. */
static inline uint64_t lin_tag(uint64_t log, uint64_t op)
{
	return (log + 1) << 32 | (op + 1);
}

/* Smallest payload. */
#define LIN_BYTES 16U
void lin_fill(void *data, size_t bytes, uint64_t tag);
/* Whose content it is, all of it; LIN_TORN: nobody's. */
uint64_t lin_look(const void *data, size_t bytes);

#endif /* ZC_LINEAR_H */
