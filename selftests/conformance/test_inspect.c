/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_inspect.c - what the tools show: members, services, readers, blocks.
 */
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "inspect/test/one"

struct sum {
	uint64_t granules, next;
	uint64_t free, claimed, committed, cleaning;
	uint64_t blocks_committed;
	uint64_t sequences;		/* bit s: sequence s was seen */
	uint32_t held[64], unvisited[64];
	bool gap;
};

static int add(const zc_inspect_block_t *block, void *ctx)
{
	struct sum *sum = ctx;

	sum->gap |= block->granule != sum->next || !block->granules;
	sum->next = block->granule + block->granules;
	sum->granules += block->granules;
	if (block->state == 0 && block->owner == 0)
		sum->free += block->granules;
	else if (block->state == 0)
		sum->claimed += block->granules;
	else if (block->state == 1)
		sum->committed += block->granules;
	else
		sum->cleaning += block->granules;
	if (block->state == 1) {
		CHECK(block->bytes && block->sequence < 64);
		CHECK_OP(block->bytes, <=, block->granules * 512ULL);
		CHECK(!(sum->sequences & 1ULL << block->sequence));
		sum->blocks_committed++;
		sum->sequences |= 1ULL << block->sequence;
		sum->held[block->sequence] = block->held_by;
		sum->unvisited[block->sequence] = block->unvisited_by;
	} else {
		CHECK(!block->held_by && !block->bytes && !block->sequence);
	}
	return 0;
}

static struct sum sum_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct sum sum = { 0 };

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_inspect_blocks(pool, add, &sum));
	CHECK(!sum.gap);
	CHECK_EQ(sum.granules * 512, info.bytes);
	CHECK_EQ(sum.free + sum.claimed + sum.committed + sum.cleaning,
		 sum.granules);
	CHECK_EQ(sum.cleaning, 0);
	return sum;
}

static void blocks_add_up_to_the_pool(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader, idle;
	zc_handle_t claimed, held;
	struct sum sum = sum_of(pool);
	uint32_t r, i;

	CHECK_EQ(sum.free, sum.granules);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_reader_open(&idle, pool, SERVICE, NULL);
	r = 1U << zc_reader_id(reader.role);
	i = 1U << zc_reader_id(idle.role);
	CHECK(r != i);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 5, 3000);
	CHECK_OK(zc_writer_acquire_block(writer.role, 6000, &claimed, 0));
	t_read_many(&reader, 2);
	held = t_read(&reader);
	sum = sum_of(pool);
	CHECK_EQ(sum.sequences, 0x3e);
	CHECK_EQ(sum.committed, 5 * 6);
	CHECK_OP(sum.claimed, >=, 12);
	for (int s = 1; s <= 5; s++) {
		CHECK_EQ(sum.held[s], s == 3 ? r : 0);
		CHECK_EQ(sum.unvisited[s], s <= 3 ? i : (i | r));
	}
	t_release(&reader, held);
	sum = sum_of(pool);
	CHECK_EQ(sum.held[3], 0);
	CHECK_OK(zc_writer_cancel_block(writer.role, claimed));
	t_writer_close(&writer);
	sum = sum_of(pool);
	CHECK_EQ(sum.claimed, 0);
}

static int stop_at_once(const zc_inspect_block_t *block, void *ctx)
{
	(void)block;
	++*(int *)ctx;
	return 1;
}

static void blocks_visit_can_be_stopped(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	int calls = 0;

	CHECK_OK(zc_inspect_blocks(pool, stop_at_once, &calls));
	CHECK_EQ(calls, 1);
}

static void services_and_readers_are_shown(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_service_info_t service = { .sz = sizeof(service) };
	zc_reader_info_t info = { .sz = sizeof(info) };
	zc_pool_info_t pool_info = { .sz = sizeof(pool_info) };
	zc_pool_t *pool = t_pool_create(NULL);
	uint32_t found = UINT32_MAX, nr = 0;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t held;

	options.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	options.history = 3;
	options.lag_limit = 20;
	options.quota_bytes = 1U << 20;
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 7, 1000);
	t_read_many(&reader, 2);
	held = t_read(&reader);
	for (uint32_t i = 0;; i++) {
		zc_result_t result = zc_inspect_service(pool, i, &service);

		if (result == ZC_ERROR_INVALID)
			break;
		nr++;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		CHECK_RESULT(result, ZC_OK);
		CHECK(found == UINT32_MAX);
		found = i;
	}
	CHECK_EQ(nr, 32);
	CHECK_EQ(found, zc_writer_id(writer.role));
	CHECK_OK(zc_inspect_service(pool, found, &service));
	CHECK(!strcmp(service.service, SERVICE));
	CHECK_EQ(service.writer_state, ZC_PEER_LIVE);
	CHECK_EQ(service.writer_pid, getpid());
	CHECK_EQ(service.on_slow, ZC_ON_SLOW_DROP_OLDEST);
	CHECK_EQ(service.history, 3);
	CHECK_EQ(service.lag_limit, 20);
	CHECK_EQ(service.quota_bytes, 1U << 20);
	CHECK_EQ(service.readers, 1);
	CHECK_EQ(service.reader_mask, 1U << zc_reader_id(reader.role));
	CHECK_EQ(service.next_sequence, 8);
	CHECK_EQ(service.oldest_sequence, 1);
	CHECK_EQ(service.committed_bytes, 7000);
	CHECK_OK(zc_inspect_reader(pool, found, zc_reader_id(reader.role),
				   &info));
	CHECK(info.active && !info.best_effort && !info.disconnected);
	CHECK_EQ(info.pid, getpid());
	CHECK_EQ(info.cursor, 4);
	CHECK_EQ(info.lag, 4);
	CHECK_EQ(info.holds, 1);
	CHECK_EQ(info.oldest_hold, 3);
	CHECK_EQ(info.received, 3);
	CHECK_EQ(info.lost, 0);
	CHECK_RESULT(zc_inspect_reader(pool, found,
				       (zc_reader_id(reader.role) + 1) % 32,
				       &info),
		     ZC_ERROR_NOT_FOUND);
	CHECK_RESULT(zc_inspect_reader(pool, found, 32, &info),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_inspect_reader(pool, 32, 0, &info), ZC_ERROR_INVALID);
	CHECK_OK(zc_pool_get_info(pool, &pool_info));
	CHECK_EQ(pool_info.writers, 1);
	CHECK_EQ(pool_info.readers, 1);
	t_release(&reader, held);
	t_writer_close(&writer);
	CHECK_OK(zc_inspect_service(pool, found, &service));
	CHECK_EQ(service.writer_state, ZC_PEER_NONE);
}

static void joins(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void members_are_shown(void)
{
	struct t_peer *child = t_spawn("member", joins, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_member_info_t info = { .sz = sizeof(info) };
	bool me = false, other = false;

	t_say(child, "go");
	t_hear(child, "ready");
	for (uint32_t i = 0;; i++) {
		zc_result_t result = zc_inspect_member(pool, i, &info);

		if (result == ZC_ERROR_INVALID)
			break;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		CHECK_RESULT(result, ZC_OK);
		CHECK(info.live && *info.comm);
		CHECK_EQ(info.uid, geteuid());
		CHECK_EQ(info.self, info.pid == (uint32_t)getpid());
		me |= info.pid == (uint32_t)getpid();
		other |= info.pid == (uint32_t)child->pid;
	}
	CHECK(me && other);
	t_say(child, "end");
	t_join(child);
}

static void streams(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;

	(void)arg;
	t_srand(1);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_say(t_parent(), "ready");
	while (!t_can_hear(t_parent()))
		t_write(&writer, t_rand_size(60000));
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static int visit(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *runs = ctx;

	CHECK(block->granules && block->state <= 2 && block->owner <= 42);
	++*runs;
	return 0;
}

/* Looking on disturbs nobody, and finds no defect in a pool in motion. */
static void pool_in_motion_is_looked_at(void)
{
	struct t_peer *child = t_spawn("writer", streams, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_check_report_t report = { .sz = sizeof(report) };
	struct t_reader reader;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 100; i++) {
		uint64_t runs = 0;
		zc_result_t result = zc_inspect_blocks(pool, visit, &runs);

		CHECK(result == ZC_OK || result == ZC_ERROR_BUSY);
		CHECK_OP(runs, >, 0);
		t_pool_check(pool);
		CHECK_OK(zc_pool_check(pool, &report));
		CHECK(report.in_motion);
		CHECK_EQ(report.members, 2);
		t_read_many(&reader, 20);
	}
	t_say(child, "end");
	/* It may wait for room: read on until it has left. */
	while (zc_reader_writer_state(reader.role) == ZC_PEER_LIVE) {
		zc_handle_t handle;

		if (t_try_read(&reader, &handle, 100000) == ZC_OK)
			t_release(&reader, handle);
	}
	t_join(child);
}

static const struct t_case cases[] = {
	T_CASE(blocks_add_up_to_the_pool),
	T_CASE(blocks_visit_can_be_stopped),
	T_CASE(services_and_readers_are_shown),
	T_CASE(members_are_shown),
	T_CASE(pool_in_motion_is_looked_at),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
