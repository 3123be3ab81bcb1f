/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_clock.h - a stamp cheap enough to take around one message.
 */
#ifndef ZEROCORE_TOOL_BENCH_CLOCK_H
#define ZEROCORE_TOOL_BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/*
 * Ticks of the cheapest clock.  rdtscp, not rdtsc: it waits for the loads
 * before it, so the stamp cannot be taken before the message was seen.
 */
static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi, aux;

	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux) : : "memory");
	return (uint64_t)hi << 32 | lo;
#else
	return bench_now_ns();
#endif
}

/* Ticks as a sample: what does not fit is as long as can be. */
static inline uint32_t bench_sample(uint64_t ticks)
{
	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

/* Nanoseconds of one tick, measured once against CLOCK_MONOTONIC. */
double bench_ns_per_tick(void);

/* What one stamp costs, in nanoseconds: reported, never subtracted. */
double bench_timer_cost_ns(void);

#endif /* ZEROCORE_TOOL_BENCH_CLOCK_H */
