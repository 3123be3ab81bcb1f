/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_observe.c - who only looks: sees all, writes nothing, needs permission to read
 * and no more; cleaners, runs, load as they are shown.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "observe/it/main"

static zc_pool_t *observe(void)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	zc_pool_t *pool = NULL;

	options.observe = true;
	CHECK_OK(zc_pool_open_with(t_name(0), &options, &pool));
	return pool;
}

static zc_pool_load_t load_of(zc_pool_t *pool)
{
	zc_pool_load_t load = { .sz = sizeof(load) };

	CHECK_OK(zc_pool_get_load(pool, &load));
	return load;
}

struct sum {
	uint64_t next;
	uint64_t granules;
	uint64_t free;
	uint64_t committed;
	bool gap;
};

static int add(const zc_inspect_block_t *run, void *ctx)
{
	struct sum *sum = ctx;

	CHECK(!run->sequence && !run->bytes && !run->held_by && !run->age_ns);
	sum->gap |= run->granule != sum->next || !run->granules;
	sum->next = run->granule + run->granules;
	sum->granules += run->granules;
	if (run->state == 0 && run->owner == 0)
		sum->free += run->granules;
	if (run->state == 1)
		sum->committed += run->granules;
	return 0;
}

/* The sum of the runs is the pool, and what the other calls say of it. */
static struct sum sum_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct sum sum = { 0 };

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_inspect_runs(pool, add, &sum));
	CHECK(!sum.gap);
	CHECK_EQ(sum.granules * 512, info.bytes);
	CHECK_EQ(sum.free * 512, info.free_bytes);
	CHECK_EQ(load_of(pool).bytes, info.bytes);
	CHECK_EQ(load_of(pool).free_bytes, info.free_bytes);
	CHECK_EQ(load_of(pool).members, info.members);
	return sum;
}

struct verified {
	uint64_t guarded;
	uint64_t faults;
};

static int verify(const zc_inspect_block_t *block, void *ctx)
{
	struct verified *verified = ctx;

	verified->guarded += block->guard == ZC_GUARD_FULL;
	verified->faults += !!block->fault;
	return 0;
}

/* How many messages are guarded and whole. */
static uint64_t verified_of(zc_pool_t *pool)
{
	struct verified verified = { 0 };

	CHECK_OK(zc_inspect_verified(pool, verify, &verified));
	CHECK_EQ(verified.faults, 0);
	return verified.guarded;
}

/* No line of the process's map is a pool's and writable. */
static bool maps_nothing_writable(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	bool found = false, writable = false;
	char line[512];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "/zerocore."))
			continue;
		found = true;
		writable |= !!strstr(line, " rw");
	}
	fclose(f);
	CHECK(found);
	return !writable;
}

static void looks(void *arg)
{
	zc_reader_options_t reader = ZC_READER_OPTIONS_INIT;
	zc_writer_options_t writer = ZC_WRITER_OPTIONS_INIT;
	zc_check_report_t report = { .sz = sizeof(report) };
	zc_service_info_t service = { .sz = sizeof(service) };
	zc_reader_info_t info = { .sz = sizeof(info) };
	zc_reader_t *as_reader = NULL;
	zc_writer_t *as_writer = NULL;
	zc_cleaner_t *as_cleaner = NULL;
	zc_messagering_t *as_node = NULL;
	zc_pool_t *pool;
	uint64_t w;

	(void)arg;
	w = t_hear_number(t_parent(), "go");
	pool = observe();
	CHECK_EQ(sum_of(pool).committed, 7 * 2);
	CHECK_EQ(verified_of(pool), 7);
	CHECK_EQ(load_of(pool).writers, 1);
	CHECK_EQ(load_of(pool).readers, 1);
	CHECK(!load_of(pool).removed);
	CHECK_OK(zc_inspect_service(pool, (uint32_t)w, &service));
	CHECK_EQ(service.next_sequence, 8);
	CHECK_EQ(service.writer_incarnation, 1);
	CHECK(!service.wanted_bytes);
	CHECK_OK(zc_inspect_reader(pool, (uint32_t)w, 0, &info));
	CHECK_EQ(info.lag, 7);
	CHECK_EQ(info.state, ZC_PEER_LIVE);
	if (t_backend_is_shm()) {
		CHECK(maps_nothing_writable());
		CHECK_EQ(load_of(pool).members, 1);
	}

	reader.service = writer.service = "observe/it/not";
	CHECK_RESULT(zc_reader_register(pool, &reader, &as_reader),
		     ZC_ERROR_PERMISSION);
	CHECK_RESULT(zc_writer_register(pool, &writer, &as_writer),
		     ZC_ERROR_PERMISSION);
	CHECK_RESULT(zc_cleaner_start(pool, NULL, &as_cleaner),
		     ZC_ERROR_PERMISSION);
	CHECK_RESULT(zc_messagering_register(pool, &as_node),
		     ZC_ERROR_PERMISSION);
	CHECK_RESULT(zc_pool_check(pool, &report), ZC_ERROR_PERMISSION);
	CHECK(!as_reader && !as_writer && !as_cleaner && !as_node);

	t_say(t_parent(), "seen");
	t_hear(t_parent(), "removed");
	CHECK(load_of(pool).removed);
	CHECK_EQ(sum_of(pool).committed, 7 * 2);
	/* The names of the files are gone, and here nothing of them is mapped. */
	CHECK_EQ(verified_of(pool), t_backend_is_shm() ? 0 : 7);
	zc_pool_close(pool);
}

static void observer_sees_all_and_may_nothing(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_peer *child = t_spawn("observer", looks, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;

	t_reader_open(&reader, pool, SERVICE, NULL);
	options.guard = ZC_GUARD_FULL;
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 7, 1000);
	t_say_number(child, "go", zc_writer_id(writer.role));
	t_hear(child, "seen");
	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK(load_of(pool).removed);
	t_say(child, "removed");
	t_join(child);
}

static void looks_as_nobody(void *arg)
{
	zc_pool_t *pool = NULL;
	gid_t group = 65534;
	struct stat st;

	(void)arg;
	t_hear(t_parent(), "go");
	/* One who may use the device. */
	if (!t_backend_is_shm() && !stat("/dev/zerocore", &st))
		group = st.st_gid;
	if (setgroups(0, NULL) || setgid(group) || setuid(65534))
		T_FAIL("cannot drop root: %s", strerror(errno));
	if (t_backend_is_shm())
		CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_PERMISSION);
	pool = observe();
	CHECK_EQ(sum_of(pool).granules * 512, load_of(pool).bytes);
	zc_pool_close(pool);
}

static void observer_needs_permission_to_read(void)
{
	zc_pool_options_t options = t_pool_options();
	struct t_peer *child;

	if (geteuid())
		t_skip("needs root to become somebody else");
	child = t_spawn("nobody", looks_as_nobody, NULL);
	options.mode = 0644;
	t_pool_create(&options);
	t_say(child, "go");
	t_join(child);
}

static void looks_and_joins(void *arg)
{
	zc_pool_t *seen, *again, *joined;
	struct t_reader reader;

	(void)arg;
	t_hear(t_parent(), "go");
	seen = observe();
	again = observe();
	CHECK_EQ(load_of(again).members, 1);
	zc_pool_close(again);
	joined = t_pool_open();
	CHECK_EQ(load_of(seen).members, 2);
	t_reader_open(&reader, joined, SERVICE, NULL);
	CHECK_EQ(load_of(seen).readers, 1);
	/* It is attached: who looks is given that. */
	again = observe();
	CHECK(again == joined);
	zc_pool_close(again);
	t_reader_close(&reader);
	zc_pool_close(joined);
	CHECK_EQ(load_of(seen).members, 1);
	zc_pool_close(seen);
}

/* On the device an observer is the process's one member. */
static void observer_may_join_beside(void)
{
	struct t_peer *child;

	if (!t_backend_is_shm())
		t_skip("plain shared memory only");
	child = t_spawn("both", looks_and_joins, NULL);
	t_pool_create(NULL);
	t_say(child, "go");
	t_join(child);
}

static void looks_until_it_is_gone(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = observe();
	CHECK(!load_of(pool).removed);
	t_say(t_parent(), "seen");
	t_hear(t_parent(), "left");
	if (t_backend_is_shm())
		CHECK(load_of(pool).removed);
	zc_pool_close(pool);
	CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_NOT_FOUND);
}

static void observer_keeps_no_transient_pool(void)
{
	struct t_peer *child = t_spawn("observer", looks_until_it_is_gone, NULL);
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool;

	options.transient = true;
	pool = t_pool_create(&options);
	t_say(child, "go");
	t_hear(child, "seen");
	t_pool_close(pool);
	t_say(child, "left");
	t_join(child);
}

static void cleaners_are_shown(void)
{
	zc_cleaner_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner[2];
	zc_messagering_t *node;

	t_no_more_cleaners(pool);
	CHECK_RESULT(zc_inspect_cleaner(pool, 0, &info), ZC_ERROR_NOT_FOUND);
	CHECK_EQ(load_of(pool).cleaners, 0);
	for (int i = 0; i < 2; i++)
		CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner[i]));
	CHECK_EQ(load_of(pool).cleaners, 2);
	for (uint32_t i = 0; i < 2; i++) {
		CHECK_OK(zc_inspect_cleaner(pool, i, &info));
		CHECK_EQ(info.index, i);
		CHECK_EQ(info.state, ZC_PEER_LIVE);
		CHECK_EQ(info.incarnation, 1);
		CHECK_EQ(info.pid, getpid());
		CHECK(info.self && *info.comm && !info.monitor);
	}
	/* It tells of them one by one. */
	T_UNTIL(zc_inspect_cleaner(pool, 1, &info) == ZC_OK && info.passes &&
		info.pass_ns);
	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zc_inspect_cleaner(pool, zc_messagering_id(node), &info));
	CHECK(info.monitor && !info.passes);
	zc_messagering_unregister(node);
	zc_cleaner_stop(cleaner[0]);
	CHECK_RESULT(zc_inspect_cleaner(pool, 0, &info), ZC_ERROR_NOT_FOUND);
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner[0]));
	CHECK_OK(zc_inspect_cleaner(pool, 0, &info));
	CHECK_EQ(info.incarnation, 2);
	CHECK_RESULT(zc_inspect_cleaner(pool, 8, &info), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_inspect_cleaner(NULL, 0, &info), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_inspect_cleaner(pool, 0, NULL), ZC_ERROR_INVALID);
	zc_cleaner_stop(cleaner[1]);
	zc_cleaner_stop(cleaner[0]);
	t_pool_close(pool);
}

static void waits_for_memory(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;
	zc_handle_t handle;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_say_number(t_parent(), "writer", zc_writer_id(writer.role));
	CHECK_OK(zc_writer_acquire_block(writer.role, 100000, &handle, t_wait_ns()));
	t_say(t_parent(), "served");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void waiting_writers_are_shown(void)
{
	struct t_peer *child = t_spawn("waits", waits_for_memory, NULL);
	zc_service_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	zc_handle_t handle;
	uint32_t w;

	t_writer_open(&writer, pool, "observe/full/main", NULL);
	while (zc_writer_acquire_block(writer.role, t_segment_bytes(pool), &handle,
				       0) == ZC_OK)
		;
	CHECK_EQ(load_of(pool).waiting_writers, 0);
	t_say(child, "go");
	w = (uint32_t)t_hear_number(child, "writer");
	T_UNTIL(load_of(pool).waiting_writers == 1U << w);
	CHECK_OK(zc_inspect_service(pool, w, &info));
	CHECK_OP(info.wanted_bytes, >=, 100000);
	t_writer_close(&writer);
	t_hear(child, "served");
	CHECK_EQ(load_of(pool).waiting_writers, 0);
	CHECK_OK(zc_inspect_service(pool, w, &info));
	CHECK_EQ(info.wanted_bytes, 0);
	t_say(child, "end");
	t_join(child);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(observer_sees_all_and_may_nothing),
	T_CASE(observer_needs_permission_to_read),
	T_CASE(observer_may_join_beside),
	T_CASE(observer_keeps_no_transient_pool),
	T_CASE(cleaners_are_shown),
	T_CASE(waiting_writers_are_shown),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
