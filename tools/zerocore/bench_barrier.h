/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_barrier.h - several processes go on together.
 */
#ifndef ZEROCORE_TOOL_BENCH_BARRIER_H
#define ZEROCORE_TOOL_BENCH_BARRIER_H

#include <stdbool.h>
#include <stdint.h>

/* In memory that they share, zeroed; @workers is set before they start. */
struct bench_barrier {
	_Alignas(64) uint32_t arrived;
	uint32_t workers;
	_Alignas(64) uint32_t step;	/* futex word */
};

/*
 * Waits until all are here.  @spin: look for a while before sleeping, which
 * nobody may who shares its processor with others of them.
 */
void bench_barrier_wait(struct bench_barrier *barrier, bool spin);

#endif /* ZEROCORE_TOOL_BENCH_BARRIER_H */
