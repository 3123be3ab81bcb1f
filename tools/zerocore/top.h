/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * top.h - one run of `zerocore top`: what was asked for, and the last two readings.
 */
#ifndef ZEROCORE_TOP_H
#define ZEROCORE_TOP_H

#include <signal.h>

#include "frame.h"

#define TOP_INTERVAL_MIN_NS 10000000ULL
#define TOP_INTERVAL_MAX_NS 3600000000000ULL

struct top {
	/* asked for */
	const char *pool_name;
	uint64_t count;			/* frames, 0: until it is stopped */
	bool once;
	struct frame_options frame;

	/* at work */
	zc_pool_t *pool;
	sigset_t mask;			/* of signals, while it waits */
	struct snapshot *now;
	struct snapshot *before;
	bool began;			/* @now is a reading */
	uint64_t due_ns;		/* of the next one */
};

/* The next reading, with a map of @cells slices: @top->now. */
zc_result_t top_read(struct top *top, uint32_t cells);
/* Another map of the same reading. */
zc_result_t top_map(struct top *top, uint32_t cells);
/* Why it ends: @result of a call, or the pool was removed. */
int top_failed(const struct top *top, zc_result_t result);

/* The live screen.  Returns the exit code. */
int top_screen(struct top *top);
/* Of no effect where there is none. */
void top_screen_leave(void);

#endif /* ZEROCORE_TOP_H */
