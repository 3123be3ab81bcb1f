// SPDX-License-Identifier: MIT OR LGPL-2.1
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#define ZC_FUTEX2_SIZE_U32 2
#define ZC_WAITV_MAX 128

/* As in linux/futex.h of 5.16, which older headers lack. */
struct zc_futex_waiter {
	u64 val;
	u64 uaddr;
	u32 flags;
	u32 reserved;
};

uint64_t zc_timestamp(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

u64 zc_deadline(u64 timeout_ns)
{
	u64 now = zc_timestamp();

	return timeout_ns > UINT64_MAX - now ? UINT64_MAX : now + timeout_ns;
}

static struct timespec zc_timespec(u64 ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000ULL),
			       .tv_nsec = (long)(ns % 1000000000ULL) };

	return ts;
}

int zc_futex_wait(const u32 *word, u32 expected, u64 deadline_ns)
{
	struct timespec ts = zc_timespec(deadline_ns);

	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
		     deadline_ns == UINT64_MAX ? NULL : &ts, NULL,
		     FUTEX_BITSET_MATCH_ANY))
		return 0;
	return -errno;
}

int zc_futex_wake(const u32 *word)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL,
			     0);

	return woken < 0 ? 0 : (int)woken;
}

int zc_futex_waitv(const u32 *const *words, const u32 *expected, u32 nr,
		   u64 deadline_ns)
{
	static u32 refused;
	struct zc_futex_waiter waiters[ZC_WAITV_MAX];
	struct timespec ts = zc_timespec(deadline_ns);
	u32 i;

	if (zc_load_relaxed(&refused))
		return -ENOSYS;
	if (nr > ZC_WAITV_MAX)
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		waiters[i].val = expected[i];
		waiters[i].uaddr = (uintptr_t)words[i];
		waiters[i].flags = ZC_FUTEX2_SIZE_U32;
		waiters[i].reserved = 0;
	}
	if (syscall(SYS_futex_waitv, waiters, nr, 0,
		    deadline_ns == UINT64_MAX ? NULL : &ts,
		    CLOCK_MONOTONIC) >= 0)
		return 0;
	if (errno == ENOSYS || errno == EPERM || errno == EACCES) {
		zc_store_relaxed(&refused, 1);
		return -ENOSYS;
	}
	return -errno;
}

bool zc_membarrier_register(void)
{
	return !syscall(SYS_membarrier,
			MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

bool zc_membarrier(void)
{
	return !syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}
