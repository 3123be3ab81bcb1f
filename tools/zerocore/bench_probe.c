/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_probe.c - how far apart are the two cores just now?
 *
 * One word in one cache line goes to and fro between two cores.  Half a round
 * trip is what the hardware takes to carry one line one way: no protocol can
 * be faster, and when it changes, every other figure changes with it.
 */
#include "bench_clock.h"
#include "bench_run.h"

enum {
	PROBE_BATCHES = 15,
	PROBE_TRIPS = 200,	/* 20 us near, 80 us far: shorter than a tick */
};

/* The median of the batches: an interrupt spoils one of them at most. */
double bench_probe_ping(struct bench_probe *probe)
{
	double batch_ns[PROBE_BATCHES];
	uint64_t trip = 0;

	for (int b = 0; b < PROBE_BATCHES; b++) {
		uint64_t start = bench_ticks();

		for (int k = 0; k < PROBE_TRIPS; k++) {
			trip += 2;
			__atomic_store_n(&probe->word, trip - 1,
					 __ATOMIC_RELEASE);
			while (__atomic_load_n(&probe->word,
					       __ATOMIC_ACQUIRE) != trip)
				;
		}
		batch_ns[b] = (double)(bench_ticks() - start) *
			      bench_ns_per_tick() / PROBE_TRIPS / 2;
	}
	/* For the next time: the other side has made its last store. */
	__atomic_store_n(&probe->word, 0, __ATOMIC_RELEASE);
	return bench_median(batch_ns, PROBE_BATCHES);
}

/* The other side; between two probes lies a bench_sync(). */
void bench_probe_pong(struct bench_probe *probe)
{
	uint64_t trip = 0;

	while (trip < 2ULL * PROBE_BATCHES * PROBE_TRIPS) {
		trip += 2;
		while (__atomic_load_n(&probe->word, __ATOMIC_ACQUIRE) !=
		       trip - 1)
			;
		__atomic_store_n(&probe->word, trip, __ATOMIC_RELEASE);
	}
}
