// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_huge.c - which huge pages are there, and were they got?
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shm.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

bool zc_is_hugetlbfs(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && fs.f_type == HUGETLBFS_MAGIC;
}

static u64 zc_huge_counter(u64 page_bytes, const char *counter)
{
	unsigned long long value = 0;
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%llukB/%s",
		 page_bytes >> 10, counter);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

/* /proc/self/mounts writes blank, tab, newline and backslash as \ooo. */
static void zc_unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (*s == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				     (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

bool zc_hugetlbfs_find(struct zc_hugetlbfs *fs, u64 segment_bytes,
		       u64 page_bytes)
{
	FILE *f = fopen("/proc/self/mounts", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (f && getline(&line, &room, f) > 0) {
		char *save = NULL, *dir, *type;
		struct statfs st;
		u64 page, free_pages, reserved;

		strtok_r(line, " ", &save);
		dir = strtok_r(NULL, " ", &save);
		type = strtok_r(NULL, " ", &save);
		if (!dir || !type || strcmp(type, "hugetlbfs"))
			continue;
		zc_unescape(dir);
		if (strlen(dir) >= ZC_PATH_BYTES)
			continue;
		if (statfs(dir, &st) || st.f_type != HUGETLBFS_MAGIC ||
		    faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS))
			continue;
		page = (u64)st.f_bsize;
		if (!page || segment_bytes % page ||
		    (page_bytes && page != page_bytes))
			continue;
		free_pages = zc_huge_counter(page, "free_hugepages");
		reserved = zc_huge_counter(page, "resv_hugepages");
		free_pages = free_pages > reserved ? free_pages - reserved : 0;
		if (found && free_pages * page <= fs->free_bytes)
			continue;
		strcpy(fs->dir, dir);
		fs->page_bytes = page;
		fs->free_bytes = free_pages * page;
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

u64 zc_huge_mapped(const void *address)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long from, to, kib;
	bool inside = false;
	char line[512];
	u64 bytes = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2) {
			if (inside)
				break;
			inside = from <= (uintptr_t)address &&
				 (uintptr_t)address < to;
		} else if (inside &&
			   (sscanf(line, "ShmemPmdMapped: %llu", &kib) == 1 ||
			    sscanf(line, "FilePmdMapped: %llu", &kib) == 1)) {
			bytes += (u64)kib << 10;
		}
	}
	if (f)
		fclose(f);
	return bytes;
}

int zc_populate(void *address, u64 bytes, u64 page_bytes)
{
	u64 done = 0;

	while (done < bytes) {
		u64 n = bytes - done < ZC_THP_BYTES * 16 ? bytes - done :
							   ZC_THP_BYTES * 16;

		if (!madvise((char *)address + done, n, MADV_POPULATE_WRITE)) {
			done += n;
			continue;
		}
		if (errno == EINTR || errno == EAGAIN)
			continue;
		if (errno != EINVAL)
			return errno == EFAULT ? ENOMEM : errno;
		/* Before Linux 5.14.  The file is new: its bytes are 0. */
		for (; done < bytes; done += page_bytes)
			zc_store_relaxed((char *)address + done, 0);
	}
	return 0;
}
