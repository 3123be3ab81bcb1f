// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_room.c - is there room for a pool?
 *
 * The kernel refuses pages of a full file system, but where only the machine (or
 * the container) is full it kills somebody.  So look first, then allocate.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shm.h"

/* Left for everybody else: page tables, and what was forgotten. */
#define ZC_ROOM_SPARE (16ULL << 20)
#define ZC_ALLOCATE_SLICE (32ULL << 20)

static u64 zc_sat_sub(u64 a, u64 b)
{
	return a > b ? a - b : 0;
}

/* "Name:   123 kB" in /proc/meminfo, in bytes; UINT64_MAX: not there. */
static u64 zc_meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib;
	u64 bytes = UINT64_MAX;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)) &&
		    sscanf(line + strlen(name), ": %llu kB", &kib) == 1)
			bytes = (u64)kib << 10;
	if (f)
		fclose(f);
	return bytes;
}

/* One number of a cgroup file; UINT64_MAX: "max", or not there. */
static u64 zc_cgroup_number(const char *cgroup, const char *file,
			    const char *key)
{
	char path[512], line[128];
	unsigned long long value;
	u64 number = UINT64_MAX;
	FILE *f;

	if (snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", cgroup, file) >=
	    (int)sizeof(path))
		return UINT64_MAX;
	f = fopen(path, "re");
	while (f && number == UINT64_MAX && fgets(line, sizeof(line), f)) {
		const char *digits = line;

		if (key) {
			if (strncmp(line, key, strlen(key)))
				continue;
			digits += strlen(key);
		}
		if (sscanf(digits, " %llu", &value) == 1)
			number = value;
	}
	if (f)
		fclose(f);
	return number;
}

/* What the tightest of our memory cgroups (version 2) still allows. */
static u64 zc_cgroup_room(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[400], cgroup[400] = "";
	u64 room = UINT64_MAX;
	char *slash;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = '\0';
		strcpy(cgroup, line + 3);
	}
	if (f)
		fclose(f);
	/* From the leaf to the root; a container's own root has limits, too. */
	for (;;) {
		u64 max, now, file, left;

		if (!strcmp(cgroup, "/"))
			cgroup[0] = '\0';
		max = zc_cgroup_number(cgroup, "memory.max", NULL);
		if (max != UINT64_MAX) {
			now = zc_cgroup_number(cgroup, "memory.current", NULL);
			file = zc_cgroup_number(cgroup, "memory.stat",
						"inactive_file ");
			left = zc_sat_sub(max, now == UINT64_MAX ? 0 : now);
			left += file == UINT64_MAX ? 0 : file;
			if (left < room)
				room = left;
		}
		slash = strrchr(cgroup, '/');
		if (!slash)
			return room;
		*slash = '\0';
	}
}

zc_result_t zc_room_check(const char *dir, u64 bytes)
{
	struct statvfs fs;
	struct statfs kind;
	u64 available, swap, left;

	if (statvfs(dir, &fs) || statfs(dir, &kind))
		return zc_fail_errno("cannot look at the file system of %s", dir);
	left = (u64)fs.f_bavail * fs.f_frsize;
	/* A tmpfs without a limit has 0 blocks. */
	if (fs.f_blocks && left < bytes)
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "%llu KiB are needed in %s and %llu KiB are free: "
			       "remove pools, ask for less, or make that file system "
			       "larger", bytes >> 10, dir, left >> 10);
	if (kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC)
		return ZC_OK;

	available = zc_meminfo("MemAvailable");
	swap = zc_meminfo("SwapFree");
	if (available != UINT64_MAX && swap != UINT64_MAX)
		available += swap;
	if (available < bytes + ZC_ROOM_SPARE)
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "%llu KiB are needed and this machine has %llu KiB of "
			       "memory available: remove pools or ask for less",
			       (bytes + ZC_ROOM_SPARE) >> 10, available >> 10);
	available = zc_cgroup_room();
	if (available < bytes + ZC_ROOM_SPARE)
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "%llu KiB are needed and the limit of this container "
			       "or service (memory.max) leaves %llu KiB: raise it or "
			       "ask for less",
			       (bytes + ZC_ROOM_SPARE) >> 10, available >> 10);
	return ZC_OK;
}

int zc_file_size(int fd, u64 bytes)
{
	const struct timespec now = { 0, 0 };
	sigset_t limit, old, pending;
	int error;

	/* Past ulimit -f the kernel sends a signal, too, which kills whoever does not ignore it. */
	sigemptyset(&limit);
	sigaddset(&limit, SIGXFSZ);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &limit, &old);
	error = ftruncate(fd, (off_t)bytes) ? errno : 0;
	if (error == EFBIG && !sigismember(&pending, SIGXFSZ))
		sigtimedwait(&limit, NULL, &now);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return error;
}

zc_result_t zc_file_fail(int error, u64 bytes, const char *what, const char *dir)
{
	if (error == EFBIG)
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "a file of %llu KiB is larger than this process may make: "
			       "raise its limit (ulimit -f), or ask for less",
			       bytes >> 10);
	errno = error;
	return zc_fail_errno("cannot allocate %llu MiB of %s memory in %s", bytes >> 20,
			     what, dir);
}

int zc_allocate(int fd, u64 off, u64 bytes)
{
	u64 slice = ZC_ALLOCATE_SLICE;
	u32 interrupted = 0;

	while (bytes) {
		u64 n = bytes < slice ? bytes : slice;
		int error = posix_fallocate(fd, (off_t)off, (off_t)n);

		if (error == EINTR && ++interrupted < 10000) {
			/* A profiler's timer: less at a time gets through. */
			if (slice > ZC_THP_BYTES)
				slice /= 2;
			continue;
		}
		if (error)
			return error;
		off += n;
		bytes -= n;
	}
	return 0;
}
