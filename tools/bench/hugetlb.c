/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * hugetlb.c - huge pages of the kernel's pool for a while.
 */
#include "hugetlb.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define FOLDER "/sys/kernel/mm/hugepages/hugepages-2048kB/"
#define PAGE_BYTES (2ULL << 20)
/* Where nothing lies that is needed meanwhile. */
#define MOUNT "/mnt"

static uint64_t before;		/* pages that there were */
static bool reserved;

static bool get(const char *name, uint64_t *value)
{
	char path[128];
	unsigned long long n;
	bool good;
	FILE *f;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	good = fscanf(f, "%llu", &n) == 1;
	fclose(f);
	*value = n;
	return good;
}

static bool set(uint64_t pages)
{
	FILE *f = fopen(FOLDER "nr_hugepages", "we");

	if (f == NULL)
		return false;
	fprintf(f, "%llu\n", (unsigned long long)pages);
	return fclose(f) == 0;
}

bool hugetlb_reserve(uint64_t bytes, char *why, size_t why_bytes)
{
	uint64_t want = (bytes + PAGE_BYTES - 1) / PAGE_BYTES, now = 0;

	if (reserved)
		return true;
	if (!get("nr_hugepages", &before)) {
		snprintf(why, why_bytes, "this kernel has no pages of 2 MiB");
		return false;
	}
	if (!set(before + want)) {
		snprintf(why, why_bytes, "cannot reserve pages: %s",
			 errno == EACCES || errno == EPERM ? "be root" :
							     strerror(errno));
		return false;
	}
	reserved = true;
	if (get("nr_hugepages", &now) && now >= before + want)
		return true;
	snprintf(why, why_bytes, "of %llu pages of 2 MiB the kernel found %llu",
		 (unsigned long long)want,
		 (unsigned long long)(now > before ? now - before : 0));
	hugetlb_give_back();
	return false;
}

void hugetlb_give_back(void)
{
	if (!reserved)
		return;
	reserved = false;
	if (!set(before))
		fprintf(stderr, "zerocore: cannot give back pages of 2 MiB: echo "
			"%llu >" FOLDER "nr_hugepages\n",
			(unsigned long long)before);
}

bool hugetlb_mount(char *why, size_t why_bytes)
{
	if (unshare(CLONE_NEWNS) == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", MOUNT, "hugetlbfs", 0, "pagesize=2M") == 0)
		return true;
	snprintf(why, why_bytes, "cannot mount a hugetlbfs: %s",
		 strerror(errno));
	return false;
}
