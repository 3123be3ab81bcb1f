/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_place.c - how long a pool is there, where its memory is, who may be evicted.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness.h"

#define PAGE 4096U

/* --- lifetime ------------------------------------------------------------------ */

static void comes_and_stays(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "open");
	t_hear(t_parent(), "close");
	zc_pool_close(pool);
	t_say(t_parent(), "closed");
	t_hear(t_parent(), "end");
}

static bool is_there(unsigned int index)
{
	zc_pool_t *pool;
	zc_result_t result = zc_pool_open(t_name(index), &pool);

	if (result == ZC_OK)
		zc_pool_close(pool);
	else
		CHECK_RESULT(result, ZC_ERROR_NOT_FOUND);
	return result == ZC_OK;
}

static zc_pool_t *transient(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool;

	options.transient = true;
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK(info.transient);
	return pool;
}

static void transient_goes_with_its_last_member(void)
{
	struct t_peer *peer = t_spawn("other", comes_and_stays, NULL);
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = transient();

	t_say(peer, "go");
	t_hear(peer, "open");
	/* Who made it goes: others stay. */
	zc_pool_close(pool);
	CHECK_OK(zc_pool_open(t_name(0), &pool));
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_EQ(info.members, 2);
	zc_pool_close(pool);
	t_say(peer, "close");
	t_hear(peer, "closed");
	T_UNTIL(!is_there(0));
	t_say(peer, "end");
	t_join(peer);
}

static void transient_goes_though_one_was_killed(void)
{
	struct t_peer *peer = t_spawn("other", comes_and_stays, NULL);
	zc_pool_t *pool = transient();

	t_say(peer, "go");
	t_hear(peer, "open");
	t_kill(peer);
	zc_pool_close(pool);
	T_UNTIL(!is_there(0));
}

static void transient_name_of_another_is_left_alone(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool = transient(), *other;

	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK_OK(zc_pool_create(t_name(0), &options, &other));
	zc_pool_close(pool);
	zc_pool_close(other);
	CHECK(is_there(0));
}

static void persistent_stays(void)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = t_pool_create(NULL);

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK(!info.transient);
	t_pool_close(pool);
	CHECK(is_there(0));
}

static void remove_all_takes_all(void)
{
	zc_pool_options_t options = t_pool_options();
	uint32_t removed = 77;
	zc_pool_t *pool;

	/* Not those of whoever runs this: a folder is this program's own. */
	if (!t_backend_is_shm() && !t_env("ZC_TEST_GUEST", 0))
		t_skip("the device has pools of others");
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_OK(zc_pool_create(t_name(i), &options, &pool));
		zc_pool_close(pool);
	}
	/* One that is in use loses its name like the others. */
	CHECK_OK(zc_pool_open(t_name(2), &pool));
	CHECK_OK(zc_pool_remove_all(&removed));
	CHECK_OP(removed, >=, 3);
	for (unsigned int i = 0; i < 3; i++)
		CHECK(!is_there(i));
	CHECK_OK(zc_pool_remove_all(&removed));
	CHECK_EQ(removed, 0);
	CHECK_OK(zc_pool_remove_all(NULL));
	t_pool_check_rest(pool);
	zc_pool_close(pool);
}

/* --- pages and nodes ------------------------------------------------------------- */

static void gigantic_or_a_sentence(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool;
	zc_result_t result;

	options.huge = ZC_HUGE_GIGANTIC;
	options.segment_bytes = 0;
	result = zc_pool_create(t_name(0), &options, &pool);
	if (result != ZC_OK) {
		CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
		CHECK(strstr(zc_last_error(), "1 GiB"));
		return;
	}
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_EQ(info.segment_bytes, 1U << 30);
	CHECK(info.pages == ZC_PAGES_GOT_HUGETLB);
	t_pool_close(pool);
}

static bool node_has_memory(unsigned int node)
{
	char path[80];

	snprintf(path, sizeof(path),
		 "/sys/devices/system/node/node%u/meminfo", node);
	return !access(path, R_OK);
}

/* On which nodes @pages of a block are. */
static void count_pages(char *data, unsigned int pages, unsigned int nodes[64])
{
	memset(nodes, 0, 64 * sizeof(*nodes));
	data += -(uintptr_t)data % PAGE;
	for (unsigned int i = 0; i < pages; i++) {
		void *page = data + (size_t)i * PAGE;
		int status = -1;

		*(volatile char *)page = 1;
		CHECK(!syscall(SYS_move_pages, 0, 1UL, &page, NULL, &status, 0));
		CHECK(status >= 0 && status < 64);
		nodes[status]++;
	}
}

/* Pages of a new pool's block that each node has. */
static void count_nodes(const zc_pool_options_t *options, unsigned int nodes[64])
{
	zc_pool_t *pool;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_handle_t handle;

	CHECK_OK(zc_pool_create(t_name(0), options, &pool));
	wo.service = "place/of/memory";
	CHECK_OK(zc_writer_register(pool, &wo, &writer));
	CHECK_OK(zc_writer_acquire_block(writer, t_segment_bytes(pool) / 2, &handle,
					 0));
	count_pages(zc_writer_block_data(writer, handle, NULL), 64, nodes);
	zc_writer_unregister(writer);
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void memory_is_on_the_node_that_was_asked_for(void)
{
	zc_pool_options_t options = t_pool_options();
	unsigned int nodes[64], got = 0, n = 0;
	int mode = -1;

	for (unsigned int node = 0; node < 64; node++) {
		if (!node_has_memory(node))
			continue;
		options.numa = ZC_NUMA_NODE;
		options.numa_node = node;
		count_nodes(&options, nodes);
		CHECK_EQ(nodes[node], 64);
		n++;
	}
	if (!n)
		t_skip("this kernel says nothing of NUMA nodes");
	options.numa = ZC_NUMA_INTERLEAVE;
	options.numa_node = 0;
	count_nodes(&options, nodes);
	for (unsigned int node = 0; node < 64; node++)
		got += nodes[node] > 0;
	CHECK_EQ(got, n);
	t_note("%u nodes", n);
	/* The thread's own policy is as it was. */
	CHECK(!syscall(SYS_get_mempolicy, &mode, NULL, 0UL, NULL, 0UL));
	CHECK_EQ(mode, MPOL_DEFAULT);
}

/* This thread, to processors of a node; false: it has none. */
static bool run_on_node(unsigned int node)
{
	cpu_set_t set;
	char path[64];
	FILE *list;
	unsigned int from, to;
	int n;

	CPU_ZERO(&set);
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/cpulist", node);
	list = fopen(path, "re");
	while (list && (n = fscanf(list, "%u-%u", &from, &to)) >= 1) {
		for (to = n == 1 ? from : to; from <= to; from++)
			CPU_SET(from, &set);
		if (fgetc(list) != ',')
			break;
	}
	if (list)
		fclose(list);
	return CPU_COUNT(&set) && !sched_setaffinity(0, sizeof(set), &set);
}

/* Not as soon as nearly all is in use: then it is near the cleaner. */
static bool when_somebody_waits(const zc_stats_t *stats, int segments, void *ctx)
{
	(void)segments;
	(void)ctx;
	return stats->waiting_writers;
}

/* The cleaner runs on @anywhere. */
static void grow_on_node(unsigned int node, const cpu_set_t *anywhere)
{
	zc_pool_options_t options = t_pool_options();
	zc_cleaner_options_t co = ZC_CLEANER_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_load_t load = { .sz = sizeof(load) };
	zc_cleaner_t *cleaner;
	zc_writer_t *writer;
	unsigned int nodes[64];
	zc_handle_t handle;
	zc_pool_t *pool;

	options.bytes = options.segment_bytes = 2 << 20;
	options.max_bytes = 4 << 20;
	pool = t_pool_create(&options);
	co.idle_ns = 1000000;
	policy.should_grow = when_somebody_waits;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	CHECK(!sched_setaffinity(0, sizeof(*anywhere), anywhere));
	CHECK_OK(zc_cleaner_start(pool, &co, &cleaner));
	CHECK(run_on_node(node));
	wo.service = "place/of/growth";
	CHECK_OK(zc_writer_register(pool, &wo, &writer));
	/* The second one waits for memory, which comes. */
	for (int i = 0; i < 2; i++)
		CHECK_OK(zc_writer_acquire_block(writer, 2 << 20, &handle,
						 t_wait_ns()));
	CHECK_OK(zc_pool_get_load(pool, &load));
	CHECK_EQ(load.segments, 2);
	count_pages(zc_writer_block_data(writer, handle, NULL), 64, nodes);
	CHECK_EQ(nodes[node], 64);
	zc_writer_unregister(writer);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* Grows where the writer runs that waits, though the cleaner may run elsewhere. */
static void new_segment_is_near_who_waits(void)
{
	unsigned int n = 0;
	cpu_set_t all;

	CHECK(!sched_getaffinity(0, sizeof(all), &all));
	for (unsigned int node = 0; node < 64; node++) {
		if (!node_has_memory(node) || !run_on_node(node))
			continue;
		grow_on_node(node, &all);
		n++;
	}
	if (!n)
		t_skip("this kernel says nothing of NUMA nodes");
	t_note("%u nodes with processors", n);
}

static void nodes_that_are_not_there_are_refused(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool;

	options.numa = ZC_NUMA_NODE;
	options.numa_node = 1022;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	CHECK(strstr(zc_last_error(), "1022"));
	options.numa_node = 1U << 31;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	options.numa = ZC_NUMA_DEFAULT;
	options.numa_node = 1;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	options.numa = (zc_numa_t)3;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	CHECK(!is_there(0));
}

/* --- where blocks go ---------------------------------------------------------------- */

#define MESSAGES 2048U

/* Sizes from 64 bytes up, each twice as long as the last as likely as that. */
static uint32_t any_size(uint32_t most, uint32_t *seed)
{
	uint32_t octave = 0;

	while (64U << (octave + 1) < most)
		octave++;
	*seed = *seed * 1664525 + 1013904223;
	octave = (*seed >> 8) % (octave + 1);
	*seed = *seed * 1664525 + 1013904223;
	return (64U << octave) + (*seed >> 8) % (64U << octave);
}

/*
 * Blocks of all sizes come and go at random, in half of the pool: when it has been
 * round many times a long run is still there, which is longer than a stripe.
 */
static void fragmented_pool_has_a_long_run(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	struct {
		zc_handle_t handle;
		uint32_t bytes;
	} held[MESSAGES];
	uint32_t nr = 0, live = 0, seed = 1, longest, bytes;
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_handle_t run;

	options.bytes = options.segment_bytes = 16 << 20;
	options.granule_bytes = 64;
	options.ring_entries = 2 * MESSAGES;
	pool = t_pool_create(&options);
	wo.service = "place/of/blocks";
	wo.max_inflight = MESSAGES;
	wo.footprint_bytes = 64;
	CHECK_OK(zc_writer_register(pool, &wo, &writer));
	longest = (uint32_t)t_segment_bytes(pool) / 16;
	for (uint32_t i = 0; i < 40000; i++) {
		bytes = any_size(longest / 8, &seed);
		while (nr && (live + bytes > 8 << 20 || nr == MESSAGES - 1)) {
			uint32_t which = (seed >> 8) % nr;

			seed = seed * 1664525 + 1013904223;
			CHECK_OK(zc_writer_cancel_block(writer, held[which].handle));
			live -= held[which].bytes;
			held[which] = held[--nr];
		}
		CHECK_OK(zc_writer_acquire_block(writer, bytes, &held[nr].handle, 0));
		held[nr++].bytes = bytes;
		live += bytes;
		if (i % 1000 < 999)
			continue;
		CHECK_OK(zc_writer_acquire_block(writer, longest, &run, 0));
		CHECK_OK(zc_writer_cancel_block(writer, run));
	}
	zc_writer_unregister(writer);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

/* --- opening with options; eviction ------------------------------------------------- */

static void open_options_are_looked_at(void)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_create(NULL), *again;

	options.backend = (zc_backend_t)9;
	CHECK_RESULT(zc_pool_open_with(t_name(0), &options, &again),
		     ZC_ERROR_INVALID);
	options.backend = t_backend_is_shm() ? ZC_BACKEND_SHM : ZC_BACKEND_DEVICE;
	CHECK_OK(zc_pool_open_with(t_name(0), &options, &again));
	CHECK(again == pool);
	zc_pool_close(again);
	options.sz = 1;
	CHECK_RESULT(zc_pool_open_with(t_name(0), &options, &again),
		     ZC_ERROR_INVALID);
	CHECK_OK(zc_pool_open_with(t_name(0), NULL, &again));
	zc_pool_close(again);
	t_pool_close(pool);
}

static void hangs(void *arg)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	zc_pool_t *pool;

	options.evictable = arg;
	t_hear(t_parent(), "go");
	CHECK_OK(zc_pool_open_with(t_name(0), &options, &pool));
	t_say_number(t_parent(), "pid", (uint64_t)getpid());
	t_hear(t_parent(), "end");
}

static zc_member_info_t member_of(zc_pool_t *pool, uint64_t pid)
{
	zc_member_info_t info = { .sz = sizeof(info) };

	for (uint32_t i = 0;; i++) {
		zc_result_t result = zc_inspect_member(pool, i, &info);

		if (result == ZC_OK && info.pid == pid)
			return info;
		CHECK(result == ZC_OK || result == ZC_ERROR_NOT_FOUND);
	}
}

static void eviction_ends_a_member_that_agreed(void)
{
	struct t_peer *willing = t_spawn("willing", hangs, (void *)1);
	struct t_peer *other = t_spawn("other", hangs, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_member_info_t member;

	t_say(willing, "go");
	member = member_of(pool, t_hear_number(willing, "pid"));
	if (t_backend_is_shm()) {
		CHECK_RESULT(zc_pool_evict(pool, member.index, member.incarnation),
			     ZC_ERROR_NOT_SUPPORTED);
		t_kill(willing);
		t_kill(other);
		t_pool_close(pool);
		return;
	}
	CHECK_RESULT(zc_pool_evict(pool, member.index, member.incarnation + 1),
		     ZC_ERROR_NOT_FOUND);
	CHECK_OK(zc_pool_evict(pool, member.index, member.incarnation));
	t_reap(willing);
	T_UNTIL(zc_pool_evict(pool, member.index, member.incarnation) ==
		ZC_ERROR_NOT_FOUND);
	t_say(other, "go");
	member = member_of(pool, t_hear_number(other, "pid"));
	CHECK_RESULT(zc_pool_evict(pool, member.index, member.incarnation),
		     ZC_ERROR_PERMISSION);
	CHECK(strstr(zc_last_error(), "agree"));
	t_say(other, "end");
	t_join(other);
	CHECK_RESULT(zc_pool_evict(NULL, 0, 0), ZC_ERROR_INVALID);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(transient_goes_with_its_last_member),
	T_CASE(transient_goes_though_one_was_killed),
	T_CASE(transient_name_of_another_is_left_alone),
	T_CASE(persistent_stays),
	T_CASE(remove_all_takes_all),
	T_CASE(gigantic_or_a_sentence),
	T_CASE(memory_is_on_the_node_that_was_asked_for),
	T_CASE(new_segment_is_near_who_waits),
	T_CASE(nodes_that_are_not_there_are_refused),
	T_CASE(fragmented_pool_has_a_long_run),
	T_CASE(open_options_are_looked_at),
	T_CASE(eviction_ends_a_member_that_agreed),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
