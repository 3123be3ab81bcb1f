/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * scribble_lives.c - those that go on while somebody scribbles.
 *
 * They may get nothing, or nonsense; but each call comes back, and what a call says
 * is theirs lies in one data segment and is there.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scribble.h"

#define SEGMENTS 64
#define HOLDS 6
#define SHORT_NS 500000U

/* --- where data is, as the kernel sees it --------------------------------------------- */

static struct {
	uintptr_t at[SEGMENTS];
	unsigned int nr;
	size_t bytes;
} segments;

/* Too small for huge pages: files of that name. */
static void find_segments(zc_pool_t *pool)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512], mode[8];
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OP(info.segments, <=, SEGMENTS);
	CHECK(maps);
	segments.bytes = info.segment_bytes;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) == 3 &&
		    mode[3] == 's' && strstr(line, "zerocore-data") &&
		    to - from == segments.bytes) {
			CHECK_OP(segments.nr, <, SEGMENTS);
			segments.at[segments.nr++] = from;
		}
	fclose(maps);
	CHECK_EQ(segments.nr, info.segments);
}

static void check_place(const void *data, size_t bytes)
{
	for (unsigned int i = 0; i < segments.nr; i++) {
		uintptr_t off = (uintptr_t)data - segments.at[i];

		if (off < segments.bytes && bytes <= segments.bytes - off)
			return;
	}
	T_FAIL("%zu bytes at %p are not in a data segment", bytes, data);
}

static uint64_t read_whole(const void *data, size_t bytes)
{
	const volatile unsigned char *p = data;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8)
		sum += *(const volatile uint64_t *)(p + i);
	for (; i < bytes; i++)
		sum += p[i];
	return sum;
}

/* Only the kernel says who is there; and what is there is not said by who scribbles. */
static zc_result_t any(zc_result_t result)
{
	CHECK(result != ZC_ERROR_EVICTED && result != ZC_ERROR_FORKED &&
	      result != ZC_ERROR_CLOSED);
	return result;
}

static zc_pool_t *opens(struct scribble_seat *seat)
{
	zc_pool_t *pool;

	setenv("ZEROCORE_BACKEND", "device", 1);
	pool = t_pool_open();
	__atomic_store_n(&seat->opened, 1, __ATOMIC_SEQ_CST);
	find_segments(pool);
	scribble_step(seat);
	return pool;
}

static uint64_t a_timeout(void)
{
	return t_rand_below(4) ? 0 : SHORT_NS;
}

/* --- writers ------------------------------------------------------------------------------ */

static zc_writer_t *registers_writer(struct scribble_seat *seat, zc_pool_t *pool,
				     unsigned int n)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *role = NULL;
	zc_result_t result;

	options.service = topic(n);
	options.on_slow = (zc_on_slow_t)t_rand_below(3);
	options.overwrite = t_rand_below(4) == 0;
	options.history = (uint32_t)t_rand_below(8);
	options.lag_limit = (uint32_t)t_rand_below(16);
	options.quota_bytes = t_rand_below(3) ? 0 : 2 * segments.bytes;
	/* Another one writes there, or died and is being reaped. */
	while ((result = zc_writer_register(pool, &options, &role)) == ZC_ERROR_BUSY) {
		options.service = topic(++n);
		scribble_step(seat);
	}
	CHECK_RESULT(result, ZC_OK);
	return role;
}

static bool gets_block(zc_writer_t *role, zc_handle_t *handle)
{
	size_t want = t_rand_size(segments.bytes), bytes = 0;
	void *data;

	if (any(zc_writer_acquire_block(role, want, handle, a_timeout())) != ZC_OK)
		return false;
	data = zc_writer_block_data(role, *handle, &bytes);
	CHECK(data);
	CHECK_EQ(bytes, want);
	check_place(data, bytes);
	memset(data, (int)bytes, bytes);
	scribble_count(&scribble->blocks, 1);
	return true;
}

static void ends_block(zc_writer_t *role, zc_handle_t handle)
{
	size_t bytes = 0;

	zc_writer_block_data(role, handle, &bytes);
	switch (t_rand_below(8)) {
	case 0:
		CHECK_OK(zc_writer_cancel_block(role, handle));
		return;
	case 1:
		CHECK_OK(zc_writer_io_begin(role, handle));
		CHECK_OK(zc_writer_io_end(role, handle));
		break;
	case 2:
		CHECK_OK(zc_writer_resize_block(role, handle, 1 + t_rand_below(bytes)));
		break;
	}
	CHECK_OK(zc_writer_commit_block(role, handle));
}

void goes_on_writing(void *arg)
{
	struct scribble_seat *seat = scribble_begin(WRITER);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_pool_t *pool = opens(seat);
	zc_handle_t block[HOLDS];

	(void)arg;
	for (unsigned int life = (unsigned int)t_rand();; life++) {
		zc_writer_t *role = registers_writer(seat, pool, life);
		unsigned int nr = 0;

		for (int i = 0; i < 2000; i++) {
			if (nr < HOLDS && gets_block(role, &block[nr]))
				nr++;
			while (nr && t_rand_below(2))
				ends_block(role, block[--nr]);
			scribble_step(seat);
		}
		CHECK_OK(zc_writer_get_stats(role, &stats));
		zc_writer_unregister(role);
	}
}

/* --- readers ------------------------------------------------------------------------------ */

struct reading {
	zc_reader_t *role;
	zc_handle_t held[HOLDS];
	unsigned int nr;
};

static void registers_reader(struct reading *r, zc_pool_t *pool, unsigned int n)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.service = topic(n);
	options.best_effort = t_rand_below(3) == 0;
	options.history = (uint32_t)(t_rand_below(2) * t_rand_below(20));
	options.max_holds = 1 + (uint32_t)t_rand_below(HOLDS);
	memset(r, 0, sizeof(*r));
	CHECK_OK(zc_reader_register(pool, &options, &r->role));
}

static void looks_at(struct reading *r, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	size_t bytes = 0;
	const void *data = zc_reader_block_data(r->role, handle, &bytes);

	CHECK(data && bytes);
	check_place(data, bytes);
	read_whole(data, bytes);
	CHECK_OK(zc_reader_block_info(r->role, handle, &info));
	CHECK_EQ(info.bytes, bytes);
	if (t_rand_below(16) == 0) {
		CHECK_OK(zc_reader_io_begin(r->role, handle));
		CHECK_OK(zc_reader_io_end(r->role, handle));
	}
}

/* False: it is of no use any more, and has to be taken anew. */
static bool reads(struct reading *r)
{
	zc_handle_t handle = 0;

	switch (any(zc_reader_poll_block(r->role, 64, &handle, a_timeout()))) {
	case ZC_OK:
		CHECK_OP(r->nr, <, HOLDS);
		r->held[r->nr++] = handle;
		looks_at(r, handle);
		scribble_count(&scribble->messages, 1);
		break;
	case ZC_ERROR_CORRUPT_BLOCK:
		scribble_count(&scribble->corrupt, 1);
		break;
	case ZC_ERROR_DISCONNECTED:
		return false;
	default:
		break;
	}
	while (r->nr && (r->nr == HOLDS || t_rand_below(2))) {
		unsigned int pick = (unsigned int)t_rand_below(r->nr);

		looks_at(r, r->held[pick]);
		CHECK_OK(zc_reader_release_block(r->role, r->held[pick]));
		r->held[pick] = r->held[--r->nr];
	}
	return true;
}

void goes_on_reading(void *arg)
{
	struct scribble_seat *seat = scribble_begin(READER);
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_pool_t *pool = opens(seat);
	struct reading r[2];

	(void)arg;
	for (unsigned int life = (unsigned int)t_rand();; life++) {
		zc_reader_t *both[2];
		int event;

		for (unsigned int i = 0; i < 2; i++) {
			registers_reader(&r[i], pool, life + i);
			both[i] = r[i].role;
		}
		if (t_rand_below(3) == 0)
			CHECK_OK(zc_reader_get_fd(r[0].role, &event));
		for (int i = 0; i < 2000; i++) {
			uint32_t which;

			if (t_rand_below(16) == 0)
				any(zc_wait_any(both, 2, &which, SHORT_NS));
			if (!reads(&r[i % 2]))
				break;
			scribble_step(seat);
		}
		for (unsigned int i = 0; i < 2; i++) {
			CHECK_OK(zc_reader_get_stats(r[i].role, &stats));
			zc_reader_writer_state(r[i].role);
			zc_reader_unregister(r[i].role);
		}
		scribble_step(seat);
	}
}

/* --- what the tools do ------------------------------------------------------------------------ */

static int visit(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *runs = ctx;

	(void)block;
	return ++*runs > 1000000;
}

static void looks_at_all(struct scribble_seat *seat, zc_pool_t *pool)
{
	zc_check_report_t report = { .sz = sizeof(report) };
	zc_service_info_t service = { .sz = sizeof(service) };
	zc_reader_info_t reader = { .sz = sizeof(reader) };
	zc_member_info_t member = { .sz = sizeof(member) };
	zc_pool_info_t info = { .sz = sizeof(info) };
	uint64_t runs = 0;

	CHECK_OK(zc_pool_get_info(pool, &info));
	scribble_step(seat);
	any(zc_inspect_blocks(pool, visit, &runs));
	scribble_step(seat);
	CHECK_OK(zc_pool_check(pool, &report));
	scribble_step(seat);
	for (uint32_t n = 0; n < ZC_MAX_WRITERS; n++) {
		any(zc_inspect_member(pool, n, &member));
		any(zc_inspect_service(pool, n, &service));
		for (uint32_t k = 0; k < 4; k++)
			any(zc_inspect_reader(pool, n, k, &reader));
	}
	scribble_step(seat);
}

void goes_on_looking(void *arg)
{
	struct scribble_seat *seat = scribble_begin(OTHER);
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_pool_t *pool = opens(seat);
	zc_event_t event = { .sz = sizeof(event) };

	(void)arg;
	for (;;) {
		zc_cleaner_stats_t stats = { .sz = sizeof(stats) };
		zc_cleaner_t *cleaner = NULL;

		/* All of them may be somebody's. */
		any(zc_cleaner_start(pool, &options, &cleaner));
		for (int i = 0; i < 10; i++) {
			looks_at_all(seat, pool);
			while (any(zc_pool_next_event(pool, &event, 0)) == ZC_OK)
				;
			if (cleaner)
				CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
		}
		zc_cleaner_stop(cleaner);
	}
}

/* --- by hand -------------------------------------------------------------------------------- */

/* Takes roles and lets go of them; what it held of them is nobody's business. */
static void changes_roles(struct d_member *m)
{
	struct zc_ioc_writer writer = { .lag_limit = 8 };
	struct zc_ioc_cleaner cleaner = { .cleaner = 0 };
	struct zc_ioc_notify notify = { .flags = ZC_NOTIFY_MESSAGES };
	struct zc_ioc_reader reader =
		d_reader(m, topic_instance((unsigned int)t_rand()), 0);
	struct zc_reader_area *area =
		d_reader_region(m, &reader, PROT_READ | PROT_WRITE);

	CHECK(area != MAP_FAILED);
	area->cursor = 1ULL << 40;
	area->hold[t_rand_below(ZC_FAST_HOLDS)] = 1 + t_rand_below(100);
	munmap(area, m->g.reader_area_bytes);
	d_service(writer.name, topic_instance((unsigned int)t_rand()));
	if (!d_call(m->fd, ZC_IOC_WRITER_JOIN, &writer)) {
		notify.service = writer.service;
		CHECK_CALL(m->fd, ZC_IOC_NOTIFY, &notify, 0);
		if (t_rand_below(2))
			CHECK_CALL(m->fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
	}
	CHECK_CALL(m->fd, ZC_IOC_NOTIFIED, NULL, 0);
	if (!d_call(m->fd, ZC_IOC_CLEANER_JOIN, &cleaner))
		CHECK_CALL(m->fd, ZC_IOC_CLEANER_LEAVE, &cleaner, 0);
	reader.flags = 0;	/* what it got is not what it says now */
	CHECK_CALL(m->fd, ZC_IOC_READER_LEAVE, &reader, 0);
}

void goes_on_by_hand(void *arg)
{
	struct scribble_seat *seat = scribble_begin(OTHER);
	struct zc_device_event event[16];
	struct d_member m;

	(void)arg;
	d_enter(&m, ZC_JOIN_WRITE);
	__atomic_store_n(&seat->opened, 1, __ATOMIC_SEQ_CST);
	d_reader(&m, topic_instance((unsigned int)t_rand()), ZC_READER_HAZARD);
	for (;;) {
		struct pollfd p = { .fd = m.fd, .events = POLLIN };
		struct zc_ioc_stat stat;

		changes_roles(&m);
		/* Its own joining and leaving is there to be read. */
		CHECK(poll(&p, 1, -1) == 1);
		CHECK(read(m.fd, event, sizeof(event)) > 0);
		CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
		CHECK_EQ(stat.member, m.index);
		for (int i = 0; i < 50; i++) {
			char *data = d_data(&m, (uint32_t)t_rand_below(stat.segments),
					    PROT_READ);

			read_whole(data, m.g.segment_bytes);
			munmap(data, m.g.segment_bytes);
			scribble_step(seat);
		}
	}
}

/* --- afterwards -------------------------------------------------------------------------- */

/* Nothing in there need make sense any more; but it is no worse than that. */
void comes_afterwards(void *arg)
{
	zc_writer_t *writer[TOPICS];
	struct reading r[TOPICS];
	struct scribble_seat *seat = scribble_begin(OTHER);
	zc_pool_t *pool = opens(seat);

	(void)arg;
	for (unsigned int i = 0; i < TOPICS; i++) {
		zc_handle_t handle;

		registers_reader(&r[i], pool, i);
		writer[i] = registers_writer(seat, pool, i);
		for (int n = 0; n < 20; n++) {
			if (gets_block(writer[i], &handle))
				ends_block(writer[i], handle);
			reads(&r[i]);
		}
	}
	looks_at_all(seat, pool);
	for (unsigned int i = 0; i < TOPICS; i++) {
		zc_writer_unregister(writer[i]);
		zc_reader_unregister(r[i].role);
	}
	zc_pool_close(pool);
}

void begins_anew(void *arg)
{
	struct t_writer writer;
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	close(judge_fd);
	setenv("ZEROCORE_BACKEND", "device", 1);
	pool = t_pool_create(NULL);
	t_pool_check_rest(pool);
	t_reader_open(&reader, pool, topic(0), NULL);
	reader.next = 1;
	t_writer_open(&writer, pool, topic(0), NULL);
	for (int i = 0; i < 100; i++) {
		t_write(&writer, t_rand_size(8192));
		t_read_many(&reader, 1);
	}
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_acquire_all(pool, topic(0));
	t_pool_check_rest(pool);
	t_pool_register_all(pool);
	t_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}
