/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_barrier.c - several processes go on together.
 */
#include "bench_barrier.h"

#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void futex_wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void bench_barrier_wait(struct bench_barrier *barrier, bool spin)
{
	uint32_t step = __atomic_load_n(&barrier->step, __ATOMIC_ACQUIRE);

	if (__atomic_add_fetch(&barrier->arrived, 1, __ATOMIC_ACQ_REL) ==
	    barrier->workers) {
		__atomic_store_n(&barrier->arrived, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&barrier->step, step + 1, __ATOMIC_RELEASE);
		futex_wake_all(&barrier->step);
		return;
	}
	for (int k = 0; spin && k < 20000; k++) {
		if (__atomic_load_n(&barrier->step, __ATOMIC_ACQUIRE) != step)
			return;
	}
	while (__atomic_load_n(&barrier->step, __ATOMIC_ACQUIRE) == step)
		futex_wait(&barrier->step, step);
}
