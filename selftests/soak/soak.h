/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * soak.h - everything at once, at random.
 *
 * Each part sits on a seat: a process, or a thread of one process.  What it does follows
 * from the seed, its seat and how many sat there before it: the same seed gives the same
 * calls in each, though not the same order between them.  It notes each step, so that a
 * failure can tell what was going on.
 */
#ifndef ZC_SOAK_H
#define ZC_SOAK_H

#include "harness.h"

#define SEATS_MAX 32
#define STEPS 12		/* that are remembered */

struct soak_seat {
	uint64_t steps;
	uint32_t lives;		/* that sat here */
	uint32_t pid;
	char step[STEPS];	/* what it did last; steps % STEPS is the oldest */
};

struct soak_board {
	uint64_t seed;
	uint64_t limit;		/* steps after which a writer leaves by itself; 0: none */
	uint32_t writers_end, end;
	uint64_t arrived;	/* messages of the pulse */
	uint64_t messages, mails, packets, checks, pools, segments;
	struct soak_seat seat[SEATS_MAX];
};

extern struct soak_board *soak;

/* A part: sits on @seat until soak->end. Its @nr says which topic. */
typedef void (*soak_part_t)(struct soak_seat *seat, uint32_t nr);

/* Begins a life on a seat: its random numbers. */
void soak_sit(struct soak_seat *seat);
/* Notes a step; false: time to leave. */
bool soak_step(struct soak_seat *seat, char what);
bool soak_ends(const uint32_t *flag);
void soak_count(uint64_t *counter, uint64_t by);
uint64_t soak_load(const uint64_t *counter);
/* What this process did last; the others, if it sits nowhere. */
void soak_report(void);

#define SOAK_TOPICS 4
/* The first seats are those of who writes to these, and to the pulse. */
#define SOAK_WRITERS (SOAK_TOPICS + 1)
void soak_topic(char name[40], uint32_t nr);

/* Data (soak_data.c). */
void soak_writes(struct soak_seat *seat, uint32_t nr);
void soak_reads(struct soak_seat *seat, uint32_t nr);
void soak_pulse(struct soak_seat *seat, uint32_t nr);
void soak_listens(struct soak_seat *seat, uint32_t nr);

/* Care (soak_care.c). */
void soak_cleans(struct soak_seat *seat, uint32_t nr);
void soak_grows(struct soak_seat *seat, uint32_t nr);
void soak_rings(struct soak_seat *seat, uint32_t nr);
void soak_checks(struct soak_seat *seat, uint32_t nr);
void soak_makes(struct soak_seat *seat, uint32_t nr);

#endif /* ZC_SOAK_H */
