/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * storm.h - those who are killed, and those who go on beside them.
 */
#ifndef ZC_SELFTESTS_STORM_H
#define ZC_SELFTESTS_STORM_H

#include <sys/uio.h>

#include "device.h"

#define SEATS 2
#define SERVICES (SEATS + 1)	/* a victim's each, and the survivor's */
#define LIVE SEATS
#define HOLDS 6
#define MOST 8192U
#define IO_BLOCKS 4

enum variant { PLAIN, CHILD, IO };

/* What whoever sits there says of itself; what it commits outlives it. */
struct seat {
	uint64_t committed;	/* by all that sat here */
	uint64_t read;		/* the survivor's next */
	uint64_t spawned;
	uint64_t keep;		/* it shall leave a child behind */
	uint64_t steps;
	uint64_t opened;
	uint64_t child;
	uint64_t pinned;	/* blocks that are in I/O, and registered */
	uint64_t declared;	/* a message that it holds may be in I/O */
	uint64_t held;		/* and is registered */
	struct iovec iov[IO_BLOCKS + 1];
};

struct board {
	enum variant variant;
	uint64_t seed;
	uint64_t stop;
	struct seat seat[SERVICES];
};

extern struct board *board;
extern const char *const services[SERVICES];
/* Pipes that the victims' I/O reads from. */
extern int feed[SEATS][2];
extern int killer_fd;

/* Something to read for the I/O of a seat. */
void pour(uintptr_t seat, size_t bytes);
/* Lives: @arg is the seat; of the others it is nothing. */
void is_a_victim(void *arg);
void survives_as_reader(void *arg);
void survives_as_writer(void *arg);

static inline uint64_t load(uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

#endif /* ZC_SELFTESTS_STORM_H */
