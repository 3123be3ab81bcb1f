/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * scribble.h - who writes what is not true, and those who have to live with it.
 */
#ifndef ZC_SELFTESTS_SCRIBBLE_H
#define ZC_SELFTESTS_SCRIBBLE_H

#include "device.h"

#define TOPICS 3

/* What whoever sits there says of itself. */
struct scribble_seat {
	uint64_t spawned;
	uint64_t opened;	/* it is a member */
	uint64_t steps;
};

enum { SCRIBBLER, WRITER, READER, OTHER, SCRIBBLE_SEATS };

struct scribble {
	uint64_t seed;
	uint64_t words;		/* that were written, all in all */
	uint64_t blocks;	/* that writers filled */
	uint64_t messages;	/* that readers read */
	uint64_t corrupt;	/* that they were not given */
	struct scribble_seat seat[SCRIBBLE_SEATS];
};

extern struct scribble *scribble;
/* The judge's descriptor, which is nobody else's. */
extern int judge_fd;

/* Seeds, and tells of a fault before it kills; the seat. */
struct scribble_seat *scribble_begin(unsigned int seat);
void scribble_step(struct scribble_seat *seat);
void scribble_count(uint64_t *what, uint64_t n);
/* "device/NUMBER/event", and what d_service() makes it of. */
const char *topic(unsigned int n);
const char *topic_instance(unsigned int n);

/* Lives; none ends by itself.  @arg is nothing, but for the others' kind. */
void scribbles(void *arg);
void goes_on_writing(void *arg);
void goes_on_reading(void *arg);
void goes_on_looking(void *arg);
void goes_on_by_hand(void *arg);
/* Those that come afterwards, and leave: into what is left, and to a new pool. */
void comes_afterwards(void *arg);
void begins_anew(void *arg);

#endif /* ZC_SELFTESTS_SCRIBBLE_H */
