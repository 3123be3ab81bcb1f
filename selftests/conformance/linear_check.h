/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear_check.h - what the parts of the checker share: linear.c, linear_reader.c,
 * linear_place.c.
 */
#ifndef ZC_LINEAR_CHECK_H
#define ZC_LINEAR_CHECK_H

#include "linear.h"

struct lin_bound {
	uint64_t at;
	enum lin_rule rule;	/* that is broken when it is the one that does not fit */
	uint32_t log;
};

struct lin_message {
	const struct lin_op *commit;
	struct lin_bound lower, upper;		/* when it becomes readable */
	struct lin_bound past_lower, past_upper;	/* when it is past for who joins */
	uint64_t last_use;
	uint32_t life;
	uint32_t granule;
};

/* A writer from its registration to its end. */
struct lin_life {
	uint32_t log;
	uint32_t first, end;	/* its calls */
	uint64_t from, to;	/* certainly there: in between */
	uint64_t next;		/* number of its first commit */
};

struct lin_check {
	const struct lin_history *h;
	struct lin_verdict *v;
	const struct lin_topic *topic;
	uint32_t topic_idx;
	struct lin_message *m;	/* from 1 */
	uint64_t nr;
	struct lin_life *life;
	uint32_t lives;
};

/* What is broken, and where; false. */
bool lin_breaks(struct lin_check *c, enum lin_rule rule, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
bool lin_breaks_at(struct lin_check *c, enum lin_rule rule, uint32_t log, uint32_t op,
		   const char *what);

/* A moment was not before, or not after. */
void lin_lower(struct lin_bound *b, uint64_t at, enum lin_rule rule, uint32_t log);
void lin_upper(struct lin_bound *b, uint64_t at, enum lin_rule rule, uint32_t log);

/* The readers of one process. */
bool lin_readers_check(struct lin_check *c, uint32_t l);

/* A block's granules, and when it certainly was in use. */
struct lin_use {
	uint64_t from, to;
	uint32_t granule, granules;
	uint64_t tag;
};

/* Adds the uses of one topic's blocks; returns how many. */
size_t lin_uses_add(struct lin_check *c, struct lin_use *use);
bool lin_uses_check(struct lin_check *c, struct lin_use *use, size_t nr);

#endif /* ZC_LINEAR_CHECK_H */
