/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_holes.c - a reader that has a place, and is stopped there: its region is there,
 * and its writer allocates nothing by a look at it.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SERVICE "holes/stopped/main"

static void stops(enum zc_killpoint point, void *ctx)
{
	(void)ctx;
	if (point == ZC_KP_reader_slot)
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
}

static void becomes_a_reader(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	zc_killpoint_set(stops, NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(t_parent(), "reads");
	t_read_many(&reader, 1);
	t_reader_close(&reader);
	zc_pool_close(pool);
}

static long long blocks_of_control(void)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	CHECK(!stat(path, &st));
	return st.st_blocks;
}

static void writer_looks_at_no_reader_without_a_region(void)
{
	struct t_peer *child;
	struct t_writer writer;
	long long before;
	zc_pool_t *pool;

	if (!t_backend_is_shm())
		t_skip("the kernel does it");
	child = t_spawn("reader", becomes_a_reader, NULL);
	pool = t_pool_create(NULL);
	t_say(child, "go");
	CHECK(t_wait_stopped(child));
	before = blocks_of_control();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 1000);
	CHECK(!zc_writer_check_message(writer.role, NULL, NULL, NULL, 0));
	CHECK_EQ(blocks_of_control(), before);
	t_continue(child);
	t_hear(child, "reads");
	t_write_many(&writer, 1, 1000);
	t_join(child);
	t_writer_close(&writer);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(writer_looks_at_no_reader_without_a_region), T_END
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
