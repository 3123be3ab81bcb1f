// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault_room.c - machines that have too little memory, or pages of another kind.
 *
 * What the kernel says of itself is said by files of the test.  Plain shared memory only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness_fault.h"

#define SEGMENT (256U << 10)
#define THP (2U << 20)

static zc_pool_options_t options;
static zc_pool_t *pool;

static void begin(void)
{
	if (!t_backend_is_shm())
		t_skip("the device's memory is the kernel's");
	options = t_pool_options();
	options.bytes = SEGMENT;
	options.ring_entries = 16;
}

static void made(zc_pages_t pages)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_EQ(info.pages, pages);
	t_pool_check_rest(pool);
}

static void unmade(void)
{
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void fits(void)
{
	made(ZC_PAGES_GOT_SMALL);
	unmade();
	t_fault_files_end();
}

#define refused(word) refused_at(__LINE__, word)
static void refused_at(int line, const char *word)
{
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_NO_MEMORY);
	if (!strstr(zc_last_error(), word))
		T_FAIL("line %d: the sentence does not say \"%s\"", line, word);
	t_fault_files_end();
}

/* --- room ---------------------------------------------------------------------- */

static void room_of_the_machine(void)
{
	begin();
	t_fault_file("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable:  1000 kB\nSwapFree: 0 kB\n");
	refused("this machine has 1000 KiB");
	/* What can be swapped out makes room. */
	t_fault_file("/proc/meminfo", "MemAvailable:  1000 kB\nSwapFree: 100000 kB\n");
	fits();
	t_fault_file("/proc/meminfo", "MemAvailable:  1000 kB\n");
	refused("this machine has 1000 KiB");
	/* Who cannot be asked does not stand in the way. */
	t_fault_file("/proc/meminfo", "MemAvailable: lots\nSwapFree: 1 kB\n");
	fits();
	t_fault_file("/proc/meminfo", NULL);
	fits();
}

/* Data that goes to small pages for want of huge ones is needed with the rest. */
static void room_for_all_is_named(void)
{
	unsigned long long kib[2];
	char whole[200];

	begin();
	for (int i = 0; i < 2; i++) {
		options.bytes = (i + 1) * SEGMENT;
		t_fault_file("/proc/meminfo", "MemAvailable: 1000 kB\n");
		refused("KiB are needed");
		CHECK(sscanf(zc_last_error(), "%llu KiB are needed", &kib[i]) == 1);
	}
	CHECK_OP(kib[1], >=, kib[0] + (SEGMENT >> 10));
	for (int i = 0; i < 3; i++) {
		options.huge = i ? ZC_HUGE_TRY : ZC_HUGE_NEVER;
		t_fault_file("/proc/meminfo", "MemAvailable: 1000 kB\n");
		t_fault_file("/proc/self/mounts", i == 1 ? NULL : "none / tmpfs rw 0 0\n");
		refused("KiB are needed");
		if (!i)
			snprintf(whole, sizeof(whole), "%s", zc_last_error());
		CHECK(!strcmp(whole, zc_last_error()));
	}
}

static void cgroup(const char *max, const char *now, const char *stat)
{
	t_fault_file("/proc/self/cgroup", "5:cpu:/else\n0::/a/b\n");
	t_fault_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
	t_fault_file("/sys/fs/cgroup/a/memory.max", max);
	t_fault_file("/sys/fs/cgroup/a/memory.current", now);
	t_fault_file("/sys/fs/cgroup/a/memory.stat", stat);
	t_fault_file("/sys/fs/cgroup/memory.max", "100000000000\n");
}

static void room_of_the_container(void)
{
	char line[600];

	begin();
	cgroup("50000000\n", "49000000\n", "anon 1\ninactive_file 0\n");
	refused("limit of this container or service (memory.max) leaves 976 KiB");
	/* The kernel drops what was read from files. */
	cgroup("50000000\n", "49000000\n", "anon 1\ninactive_file 48000000\n");
	fits();
	cgroup("50000000\n", "60000000\n", NULL);
	refused("leaves 0 KiB");
	cgroup("50000000\n", NULL, "anon 1\n");
	fits();
	cgroup("nonsense\n", "1\n", "anon 1\n");
	fits();
	/* A container's own root. */
	t_fault_file("/proc/self/cgroup", "0::/\n");
	t_fault_file("/sys/fs/cgroup/memory.max", "1000000\n");
	refused("container");
	t_fault_file("/proc/self/cgroup", NULL);
	t_fault_file("/sys/fs/cgroup/memory.max", "1000000\n");
	refused("container");
	/* A name that is too long for a path. */
	memset(line, 'x', sizeof(line));
	memcpy(line, "0::/", 4);
	strcpy(line + 390, "\n");
	t_fault_file("/proc/self/cgroup", line);
	t_fault_file("/sys/fs/cgroup/memory.max", "max\n");
	fits();
	memset(line, 'x', sizeof(line));
	memcpy(line, "0::/", 4);
	strcpy(line + 590, "\n");
	t_fault_file("/proc/self/cgroup", line);
	fits();
}

/* Files of a disk are not memory. */
static void room_of_another_file_system(void)
{
	begin();
	t_fault_statfs(t_folder(), 0xef53, 4096);
	t_fault_file("/proc/meminfo", "MemAvailable: 1 kB\n");
	fits();
	t_fault_statfs(t_folder(), RAMFS_MAGIC, 4096);
	t_fault_file("/proc/meminfo", "MemAvailable: 1 kB\n");
	refused("this machine");
}

/* A timer's signals, at each call. */
static void room_is_allocated_though_interrupted(void)
{
	begin();
	options.bytes = options.segment_bytes = 64U << 20;
	for (unsigned int n = 1; n < 6; n++) {
		t_fault_call("posix_fallocate", n, EINTR);
		made(ZC_PAGES_GOT_SMALL);
		CHECK(t_fault_end());
		unmade();
	}
	t_fault_each("posix_fallocate", 0, EINTR);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_SYSTEM);
	CHECK(t_fault_end());
	CHECK(strstr(zc_last_error(), "cannot allocate"));
}

/* --- huge pages ----------------------------------------------------------------- */

static char huge_folder[2][4200];

static void mounts(const char *more)
{
	char text[10000];

	for (unsigned int i = 0; i < 2; i++) {
		snprintf(huge_folder[i], sizeof(huge_folder[i]), "%s/a b%u", t_folder(), i);
		mkdir(huge_folder[i], 0700);
	}
	snprintf(text, sizeof(text),
		 "none\nnone /\nnone / tmpfs rw\nnone /no/such hugetlbfs rw\nnone %s hugetlbfs rw\n"
		 "none %s/a\\040b0 hugetlbfs rw\n%s", t_folder(), t_folder(), more);
	t_fault_file("/proc/self/mounts", text);
	t_fault_statfs(huge_folder[0], HUGETLBFS_MAGIC, 64 << 10);
}

#define COUNTERS "/sys/kernel/mm/hugepages/hugepages-64kB/"

static void pages(const char *free, const char *reserved)
{
	t_fault_file(COUNTERS "free_hugepages", free);
	t_fault_file(COUNTERS "resv_hugepages", reserved);
}

static unsigned int files_in(const char *folder)
{
	char command[4400];
	unsigned int nr = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls '%s' | wc -l", folder);
	p = popen(command, "re");
	CHECK(p && fscanf(p, "%u", &nr) == 1);
	pclose(p);
	return nr;
}

static void mounts_end(void)
{
	t_fault_files_end();
	for (unsigned int i = 0; i < 2; i++)
		CHECK(!rmdir(huge_folder[i]));
}

static void huge_pages_of_a_mount(void)
{
	begin();
	options.huge = ZC_HUGE_TRY;
	mounts("");
	pages("8\n", "2\n");
	made(ZC_PAGES_GOT_HUGETLB);
	CHECK_EQ(files_in(huge_folder[0]), 1);
	unmade();
	CHECK_EQ(files_in(huge_folder[0]), 0);
	mounts_end();
	/* All but two are promised to others. */
	mounts("");
	pages("8\n", "6\n");
	made(ZC_PAGES_GOT_SMALL);
	unmade();
	options.huge = ZC_HUGE_REQUIRE;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_NO_MEMORY);
	CHECK(strstr(zc_last_error(), "4 huge pages of 64 KiB are needed and 2 are free"));
	mounts_end();
	mounts("");
	pages("8\n", "9\n");
	refused("and 0 are free");
	mounts("");
	pages("no number\n", NULL);
	refused("and 0 are free");
	mounts_end();
}

static void huge_pages_that_do_not_fit(void)
{
	begin();
	options.huge = ZC_HUGE_REQUIRE;
	options.prefault = true;
	mounts("");
	t_fault_statfs(huge_folder[0], HUGETLBFS_MAGIC, 1 << 30);
	refused("mount -t hugetlbfs");
	mounts("");
	t_fault_statfs(huge_folder[0], HUGETLBFS_MAGIC, 0);
	refused("mount -t hugetlbfs");
	options.huge = ZC_HUGE_GIGANTIC;
	options.segment_bytes = SEGMENT;
	mounts("");
	refused("pagesize=1G");
	options.huge = ZC_HUGE_REQUIRE;
	mounts("");
	t_fault_each("faccessat", 0, EACCES);
	refused("mount -t hugetlbfs");
	t_fault_end();
	t_fault_file("/proc/self/mounts", NULL);
	refused("mount -t hugetlbfs");
	mounts("");
	mounts_end();
}

/* Somebody took them meanwhile: others will do, unless it must be those. */
static void huge_pages_that_are_gone_meanwhile(void)
{
	begin();
	options.bytes = 3 * SEGMENT;
	options.segment_bytes = SEGMENT;
	mounts("");
	pages("100\n", "0\n");
	for (unsigned int n = 4; n <= 6; n++) {
		options.huge = ZC_HUGE_TRY;
		t_fault_call("posix_fallocate", n, ENOSPC);
		made(ZC_PAGES_GOT_SMALL);
		CHECK(t_fault_end());
		CHECK_EQ(files_in(huge_folder[0]), 0);
		unmade();
		options.huge = ZC_HUGE_REQUIRE;
		t_fault_each("posix_fallocate", 0, ENOSPC);
		CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool),
			     ZC_ERROR_NO_MEMORY);
		CHECK(t_fault_end());
		CHECK_EQ(files_in(huge_folder[0]), 0);
		t_fault_call("posix_fallocate", n, EIO);
		CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_SYSTEM);
		CHECK(t_fault_end());
		CHECK_EQ(files_in(huge_folder[0]), 0);
	}
	mounts_end();
}

/* The mount with more free pages is taken, the first of two that have as many. */
static void huge_pages_of_the_emptier_mount(void)
{
	char more[4400];

	begin();
	options.huge = ZC_HUGE_REQUIRE;
	snprintf(more, sizeof(more), "none %s/a\\040b0 hugetlbfs rw\nnone %s/a\\04 hugetlbfs rw\n",
		 t_folder(), t_folder());
	mounts(more);
	pages("100\n", "0\n");
	made(ZC_PAGES_GOT_HUGETLB);
	CHECK_EQ(files_in(huge_folder[0]), 1);
	unmade();
	mounts_end();
}

static void transparent(const char *smaps)
{
	begin();
	options.huge = ZC_HUGE_TRANSPARENT;
	options.bytes = options.segment_bytes = THP;
	options.max_bytes = 3 * THP;
	t_fault_file("/proc/self/smaps", smaps);
}

#define ALL_OF_IT "1-2 rw-s\nShmemPmdMapped: 1 kB\n0-ffffffffffffffff rw-s\nRss: 1 kB\n"

static void transparent_pages_that_come(void)
{
	transparent(ALL_OF_IT "ShmemPmdMapped:     2048 kB\n1-2 r--p\nFilePmdMapped: 7 kB\n");
	made(ZC_PAGES_GOT_TRANSPARENT);
	CHECK_OK(zc_pool_grow(pool, 1));
	CHECK_OK(zc_pool_shrink(pool, 1, 0));
	CHECK_OK(zc_pool_grow(pool, 1));
	t_pool_check_rest(pool);
	t_fault_files_end();
	/* None is left: the new one has small ones, and so the pool. */
	t_fault_file("/proc/self/smaps", NULL);
	CHECK_OK(zc_pool_grow(pool, 1));
	unmade();
	t_fault_files_end();
}

static void transparent_pages_of_files(void)
{
	transparent(ALL_OF_IT "FilePmdMapped:     2048 kB\n");
	made(ZC_PAGES_GOT_TRANSPARENT);
	unmade();
	t_fault_files_end();
}

static void transparent_pages_that_do_not_come(void)
{
	transparent(ALL_OF_IT "ShmemPmdMapped:     0 kB\n");
	fits();
	/* One came, and then no more. */
	transparent(ALL_OF_IT "ShmemPmdMapped:     4 kB\n");
	options.bytes = options.segment_bytes = 2 * THP;
	fits();
	transparent(NULL);
	options.bytes = options.segment_bytes = SEGMENT;
	options.max_bytes = 0;
	fits();
}

static zc_result_t create(void)
{
	return zc_pool_create(t_name(0), &options, &pool);
}

/* Each call fails; pages that do not come are no reason to refuse a pool. */
static bool excused(const char *call, zc_result_t result)
{
	return (!strcmp(call, "ftruncate") || !strcmp(call, "fcntl") ||
		!strcmp(call, "madvise")) &&
	       (result == ZC_ERROR_SYSTEM || result == ZC_ERROR_NOT_SUPPORTED ||
		result == ZC_ERROR_NO_MEMORY);
}

static void fault_while_transparent_pages_are_made(void)
{
	const struct t_attempt a = { .name = "transparent", .act = create, .undo = unmade,
				     .excused = excused };

	transparent(ALL_OF_IT "ShmemPmdMapped:     2048 kB\n");
	options.prefault = true;
	options.max_bytes = 0;
	t_attempt(&a);
	t_fault_files_end();
}

/* Pages that this process touched first while it made a pool. */
static uint64_t pages_of_making(void)
{
	struct rusage before, after;

	CHECK(!getrusage(RUSAGE_SELF, &before));
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK(!getrusage(RUSAGE_SELF, &after));
	t_pool_check_rest(pool);
	unmade();
	return (uint64_t)(after.ru_minflt - before.ru_minflt);
}

/* Before Linux 5.14 each page is touched; who was interrupted asks again. */
static void pages_are_touched_by_hand(void)
{
	uint64_t least = UINT64_MAX, pages;

	begin();
	/* The first times an emulator needs some for itself. */
	for (unsigned int i = 0; i < 16; i++) {
		pages = pages_of_making();
		least = pages < least ? pages : least;
	}
	/* And all of the data; a sanitizer's heap does not always grow by as much. */
	least = least / 2 + SEGMENT / (uint64_t)sysconf(_SC_PAGESIZE);
	options.prefault = true;
	t_fault_each("madvise", 0, EINVAL);
	CHECK_OP(pages_of_making(), >=, least);
	CHECK(t_fault_end());
	for (unsigned int n = 1; n < 6; n++) {
		t_fault_call("madvise", n, n & 1 ? EINVAL : EAGAIN);
		CHECK_OP(pages_of_making(), >=, least);
		t_fault_end();
	}
}

/* --- nodes --------------------------------------------------------------------- */

static void numa_begin(int get, int set)
{
	t_fault_end();
	t_fault_each("syscall", SYS_get_mempolicy, get);
	t_fault_each("syscall", SYS_set_mempolicy, set);
}

static void numa_refused(zc_result_t expected, const char *word)
{
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), expected);
	if (!strstr(zc_last_error(), word))
		T_FAIL("the sentence does not say \"%s\"", word);
}

static void numa_of_a_node(void)
{
	begin();
	options.numa = ZC_NUMA_NODE;
	options.numa_node = 3;
	numa_begin(T_FAULT_WELL, T_FAULT_WELL);
	fits();
	numa_begin(T_FAULT_WELL, EINVAL);
	numa_refused(ZC_ERROR_INVALID, "there is no NUMA node 3");
	numa_begin(EPERM, T_FAULT_WELL);
	numa_refused(ZC_ERROR_PERMISSION, "cannot place");
	options.numa_node = 100000;
	numa_refused(ZC_ERROR_INVALID, "there is no NUMA node 100000");
}

static void numa_of_all_nodes(void)
{
	begin();
	options.numa = ZC_NUMA_INTERLEAVE;
	numa_begin(T_FAULT_WELL, T_FAULT_WELL);
	t_fault_file("/sys/devices/system/node/has_memory", "0-1,3,2000-2001\n");
	fits();
	/* One node, or none that one may see: there is nothing to place. */
	numa_begin(ENOSYS, ENOSYS);
	t_fault_file("/sys/devices/system/node/has_memory", "none\n");
	fits();
	t_fault_file("/sys/devices/system/node/has_memory", NULL);
	fits();
	t_fault_file("/sys/devices/system/node/has_memory", "0\n");
	numa_refused(ZC_ERROR_SYSTEM, "cannot place");
	numa_begin(EINVAL, EINVAL);
	numa_refused(ZC_ERROR_SYSTEM, "cannot place");
	t_fault_files_end();
}

static char logged[400];

static void log_it(zc_log_level_t level, const char *text, void *ctx)
{
	(void)level;
	(void)ctx;
	if (strstr(text, "memory policy"))
		snprintf(logged, sizeof(logged), "%s", text);
}

/* The policy was changed and cannot be put back: that is said. */
static void numa_that_stays(void)
{
	begin();
	zc_set_log(log_it, ZC_LOG_WARN, NULL);
	options.numa = ZC_NUMA_NODE;
	if (zc_pool_create(t_name(0), &options, &pool) != ZC_OK)
		t_skip("this kernel has no NUMA");
	unmade();
	t_fault_nth_syscall(SYS_set_mempolicy, 2, EPERM);
	made(ZC_PAGES_GOT_SMALL);
	CHECK(t_fault_end());
	CHECK(strstr(logged, "cannot put the thread's memory policy back"));
	unmade();
}

/* Where nobody can say on which node one is, it is the first. */
static void numa_unknown(void)
{
	zc_writer_options_t w = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_handle_t handle;

	begin();
	w.max_inflight = 64;
	options.ring_entries = 128;
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	t_writer_open(&writer, pool, "fault/numa/main", &w);
	t_fault_each("getcpu", 0, ENOSYS);
	/* It asks when it has to wait, but for one that comes to its deadline before. */
	T_UNTIL(zc_writer_acquire_block(writer.role, 10000, &handle, 200000000) != ZC_OK &&
		t_fault_met());
	CHECK(t_fault_end());
	t_writer_close(&writer);
	unmade();
}

static const struct t_case cases[] = {
	T_CASE(room_of_the_machine),
	T_CASE(room_for_all_is_named),
	T_CASE(room_of_the_container),
	T_CASE(room_of_another_file_system),
	T_CASE(room_is_allocated_though_interrupted),
	T_CASE(huge_pages_of_a_mount),
	T_CASE(huge_pages_that_do_not_fit),
	T_CASE(huge_pages_that_are_gone_meanwhile),
	T_CASE(huge_pages_of_the_emptier_mount),
	T_CASE(transparent_pages_that_come),
	T_CASE(transparent_pages_of_files),
	T_CASE(transparent_pages_that_do_not_come),
	T_CASE(fault_while_transparent_pages_are_made),
	T_CASE(pages_are_touched_by_hand),
	T_CASE(numa_of_a_node),
	T_CASE(numa_of_all_nodes),
	T_CASE(numa_that_stays),
	T_CASE(numa_unknown),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
