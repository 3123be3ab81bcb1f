// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault.c - pools are made, opened and removed while calls fail.
 *
 * Plain shared memory only: on the device the kernel makes pools.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness_fault.h"

#define SEGMENT (256U << 10)

static zc_pool_t *pool;
static zc_pool_options_t options;

static void small(void)
{
	options = t_pool_options();
	options.bytes = SEGMENT;
	options.ring_entries = 16;
}

static zc_result_t create(void)
{
	return zc_pool_create(t_name(0), &options, &pool);
}

static void destroy(void)
{
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* The lock file is made empty, which no limit of sizes forbids; no locks is a file system
 * that has none. */
static bool excused_create(const char *call, zc_result_t result)
{
	return (!strcmp(call, "ftruncate") || !strcmp(call, "fcntl")) &&
	       result == ZC_ERROR_SYSTEM;
}

static void fault_while_a_pool_is_created(void)
{
	const struct t_attempt a = { .name = "create", .act = create, .undo = destroy,
				     .excused = excused_create };

	small();
	t_attempt(&a);
}

static void make(void)
{
	zc_pool_t *made;

	CHECK_OK(zc_pool_create(t_name(0), &options, &made));
	zc_pool_close(made);
}

static void unmake(void)
{
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static zc_result_t open_it(void)
{
	return zc_pool_open(t_name(0), &pool);
}

static void close_it(void)
{
	zc_pool_close(pool);
}

/* Its last member takes its name away, also where it was the first one's end. */
static zc_result_t create_transient(void)
{
	zc_result_t result = zc_pool_create(t_name(0), &options, &pool);

	if (result != ZC_OK && strstr(zc_last_error(), "there is no pool"))
		T_FAIL("%s: %s", zc_strerror(result), zc_last_error());
	return result;
}

static void fault_while_a_transient_pool_is_created(void)
{
	const struct t_attempt a = { .name = "create transient", .act = create_transient,
				     .undo = close_it, .excused = excused_create };

	small();
	options.transient = true;
	t_attempt(&a);
}

static void fault_while_a_pool_is_opened(void)
{
	const struct t_attempt a = { .name = "open", .before = make, .act = open_it,
				     .undo = close_it, .after = unmake };

	small();
	t_attempt(&a);
}

static zc_result_t observe(void)
{
	zc_open_options_t o = ZC_OPEN_OPTIONS_INIT;

	o.observe = true;
	return zc_pool_open_with(t_name(0), &o, &pool);
}

static void fault_while_a_pool_is_observed(void)
{
	const struct t_attempt a = { .name = "observe", .before = make, .act = observe,
				     .undo = close_it, .after = unmake };

	small();
	t_attempt(&a);
}

static zc_result_t remove_it(void)
{
	return zc_pool_remove(t_name(0));
}

static void fault_while_a_pool_is_removed(void)
{
	const struct t_attempt a = { .name = "remove", .before = make, .act = remove_it,
				     .removes = true };

	small();
	t_attempt(&a);
}

static zc_result_t remove_all(void)
{
	uint32_t removed = 4711;
	zc_result_t result = zc_pool_remove_all(&removed);

	CHECK_EQ(removed != 4711, result == ZC_OK);
	return result;
}

static void fault_while_all_pools_are_removed(void)
{
	const struct t_attempt a = { .name = "remove all", .before = make,
				     .act = remove_all, .after = (void (*)(void))remove_all,
				     .removes = true };

	small();
	t_attempt(&a);
}

static int count(const char *name, void *ctx)
{
	(void)name;
	++*(unsigned int *)ctx;
	return 0;
}

static zc_result_t list(void)
{
	unsigned int nr = 0;
	zc_result_t result = zc_pool_list(count, &nr);

	if (result == ZC_OK)
		CHECK_EQ(nr, 1);
	return result;
}

static void fault_while_pools_are_listed(void)
{
	const struct t_attempt a = { .name = "list", .before = make, .act = list,
				     .after = unmake };

	small();
	t_attempt(&a);
}

static zc_result_t check(void)
{
	zc_check_report_t report = { .sz = sizeof(report) };

	return zc_pool_check(pool, &report);
}

static void create_it(void)
{
	CHECK_OK(create());
}

static void fault_while_a_pool_is_checked(void)
{
	const struct t_attempt a = { .name = "check", .before = create_it, .act = check,
				     .after = destroy };

	small();
	t_attempt(&a);
}

/* --- segments ------------------------------------------------------------------ */

static unsigned int segments(void)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.segments;
}

/* How many data files there are. */
static unsigned int data_files(void)
{
	DIR *dir = opendir(t_folder());
	unsigned int nr = 0;
	struct dirent *e;

	CHECK(dir);
	while ((e = readdir(dir)))
		nr += strstr(e->d_name, ".data") != NULL;
	closedir(dir);
	return nr;
}

static zc_result_t revive(void)
{
	return zc_pool_grow(pool, 1);
}

/* A segment that everybody has, but that was not mapped here, is there. */
static zc_result_t grow(void)
{
	zc_result_t result = revive();

	t_fault_rest(true);
	CHECK_EQ(data_files(), segments());
	t_fault_rest(false);
	return result;
}

static bool excused_grow(const char *call, zc_result_t result)
{
	/* Whoever cannot lock, or see who is at it, does not know that nobody is. */
	return (!strcmp(call, "fcntl") &&
		(result == ZC_ERROR_BUSY || result == ZC_ERROR_TIMEOUT)) ||
	       (!strcmp(call, "ftruncate") && result == ZC_ERROR_SYSTEM);
}

static void growing(void)
{
	small();
	options.segment_bytes = SEGMENT;
	options.max_bytes = 4 * SEGMENT;
}

static void fault_while_a_pool_grows(void)
{
	const struct t_attempt a = { .name = "grow", .before = create_it, .act = grow,
				     .after = destroy, .excused = excused_grow,
				     .partly = true };

	growing();
	t_attempt(&a);
}

static zc_result_t shrink(void)
{
	return zc_pool_shrink(pool, 1, 0);
}

static void create_two(void)
{
	create_it();
	CHECK_OK(grow());
}

static void fault_while_a_pool_shrinks(void)
{
	const struct t_attempt a = { .name = "shrink", .before = create_two, .act = shrink,
				     .after = destroy, .excused = excused_grow,
				     .partly = true };

	growing();
	t_attempt(&a);
}

static void create_shrunk(void)
{
	create_two();
	CHECK_OK(shrink());
}

static void fault_while_a_segment_comes_back(void)
{
	const struct t_attempt a = { .name = "revive", .before = create_shrunk, .act = revive,
				     .after = destroy, .excused = excused_grow,
				     .partly = true };

	growing();
	t_attempt(&a);
}

/* --- pages -------------------------------------------------------------------- */

static char huge_folder[4200];

/* A folder is said to be a hugetlbfs with @pages pages of 64 KiB. */
static void huge_begin(unsigned int pages)
{
	char text[4400];

	snprintf(huge_folder, sizeof(huge_folder), "%s/huge", t_folder());
	CHECK(!mkdir(huge_folder, 0700));
	t_fault_statfs(huge_folder, HUGETLBFS_MAGIC, 64 << 10);
	snprintf(text, sizeof(text), "none / tmpfs rw 0 0\nnone %s hugetlbfs rw 0 0\n",
		 huge_folder);
	t_fault_file("/proc/self/mounts", text);
	snprintf(text, sizeof(text), "%u\n", pages);
	t_fault_file("/sys/kernel/mm/hugepages/hugepages-64kB/free_hugepages", text);
}

static void huge_end(void)
{
	t_fault_files_end();
	CHECK(!rmdir(huge_folder));
}

static bool excused_huge(const char *call, zc_result_t result)
{
	/* What cannot be looked at is no hugetlbfs with free pages. */
	return excused_create(call, result) ||
	       ((!strcmp(call, "fopen") || !strcmp(call, "statfs") ||
		 !strcmp(call, "faccessat")) && result == ZC_ERROR_NO_MEMORY);
}

static void huge_options(void)
{
	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	small();
	options.huge = ZC_HUGE_REQUIRE;
	options.prefault = true;
	options.bytes = 2 * SEGMENT;
	options.segment_bytes = SEGMENT;
	huge_begin(100);
}

static void fault_while_a_pool_of_huge_pages_is_created(void)
{
	const struct t_attempt a = { .name = "huge", .act = create, .undo = destroy,
				     .excused = excused_huge, .folder = huge_folder };

	huge_options();
	t_attempt(&a);
	huge_end();
}

static void share(const char *name, const char *suffix)
{
	char path[4400];

	snprintf(path, sizeof(path), "%s/zerocore.%s.%s", t_folder(), name, suffix);
	CHECK(!chmod(path, 0660));
}

/* Only what is in the pool's own folder was shared, so that the pool is none: its huge
 * pages come back all the same. */
static void huge_pages_that_were_not_shared_come_back(void)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	huge_options();
	CHECK_OK(create());
	CHECK_OK(zc_pool_get_info(pool, &info));
	zc_pool_close(pool);
	share(t_name(0), "pool");
	share(info.creation_id, "lock");
	CHECK_RESULT(open_it(), ZC_ERROR_CORRUPT_POOL);
	CHECK_OK(zc_pool_remove(t_name(0)));
	/* Of all that was in it nothing is left. */
	huge_end();
}

static const struct t_case cases[] = {
	T_CASE(fault_while_a_pool_is_created),
	T_CASE(fault_while_a_transient_pool_is_created),
	T_CASE(fault_while_a_pool_is_opened),
	T_CASE(fault_while_a_pool_is_observed),
	T_CASE(fault_while_a_pool_is_removed),
	T_CASE(fault_while_all_pools_are_removed),
	T_CASE(fault_while_pools_are_listed),
	T_CASE(fault_while_a_pool_is_checked),
	T_CASE(fault_while_a_pool_grows),
	T_CASE(fault_while_a_pool_shrinks),
	T_CASE(fault_while_a_segment_comes_back),
	T_CASE(fault_while_a_pool_of_huge_pages_is_created),
	T_CASE(huge_pages_that_were_not_shared_come_back),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
