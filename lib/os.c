// SPDX-License-Identifier: MIT OR LGPL-2.1
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

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

int zc_futex_wait_bits(const u32 *word, u32 expected, u32 bits, u64 deadline_ns)
{
	struct timespec ts = zc_timespec(deadline_ns);

	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
		     deadline_ns == UINT64_MAX ? NULL : &ts, NULL, bits))
		return 0;
	return -errno;
}

int zc_futex_wait(const u32 *word, u32 expected, u64 deadline_ns)
{
	return zc_futex_wait_bits(word, expected, FUTEX_BITSET_MATCH_ANY,
				  deadline_ns);
}

int zc_futex_wake_bits(const u32 *word, u32 bits)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE_BITSET, INT32_MAX, NULL,
			     NULL, bits);

	return woken < 0 ? 0 : (int)woken;
}

int zc_futex_wake(const u32 *word)
{
	return zc_futex_wake_bits(word, FUTEX_BITSET_MATCH_ANY);
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

int zc_fd_keep(int fd)
{
	int error = errno, other;

	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	other = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (other >= 0)
		close(fd);
	errno = error;
	return other >= 0 ? other : fd;
}

int zc_open(const char *path, int flags, unsigned int mode)
{
	return zc_fd_keep(open(path, flags, mode));
}
