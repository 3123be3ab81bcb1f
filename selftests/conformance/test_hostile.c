/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_hostile.c - words that somebody else wrote.
 *
 * Plain shared memory only: there every member may write all of control memory.
 * What is promised whatever it writes: nobody else crashes, nobody hangs, and a
 * reader that spoils its own words harms only itself.
 */
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "hostile/test/one"
#define OTHER_SERVICE "hostile/test/two"

static struct zc_pool_header *control;
static size_t control_bytes;

static void map_control(void)
{
	char path[8192];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(),
		 t_name(0));
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && !fstat(fd, &st));
	control_bytes = (size_t)st.st_size;
	control = mmap(NULL, control_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	CHECK(control != MAP_FAILED);
	close(fd);
}

static void *at(uint64_t offset)
{
	CHECK(offset < control_bytes);
	return (char *)control + offset;
}

static uint64_t any_word(void)
{
	switch (t_rand_below(6)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return t_rand_below(64);
	case 3:
		return 1ULL << t_rand_below(64);
	case 4: {
		uint64_t *from = at(t_rand_below(control_bytes / 8) * 8);

		return __atomic_load_n(from, __ATOMIC_RELAXED);
	}
	default:
		return t_rand() << 32 ^ t_rand();
	}
}

struct spoil {
	uint64_t seed;
	uint64_t from, to;	/* of control memory */
	uint64_t done;		/* players that came to their end */
};

static void spoils(void *arg)
{
	struct spoil *spoil = arg;

	t_hear(t_parent(), "go");
	map_control();
	t_srand(spoil->seed);
	for (;;) {
		uint64_t *to = at(spoil->from +
				  t_rand_below((spoil->to - spoil->from) / 8) *
					  8);

		__atomic_store_n(to, any_word(), __ATOMIC_RELAXED);
		for (uint64_t spin = t_rand_below(300); spin; spin--)
			__asm__ __volatile__("");
	}
}

/* Reads every byte that it is given: it must be there. */
static uint64_t touch(const void *data, size_t bytes)
{
	const volatile unsigned char *p = data;
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes; i += 64)
		sum += p[i];
	if (bytes)
		sum += p[bytes - 1];
	return sum;
}

static void plays_writer(void *arg)
{
	struct spoil *spoil = arg;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *role = NULL;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_srand(spoil->seed + 1);
	options.service = SERVICE;
	options.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	CHECK_OK(zc_writer_register(pool, &options, &role));
	t_say(t_parent(), "ready");
	for (int i = 0; i < 3000; i++) {
		zc_handle_t handle;
		size_t bytes = 0;
		void *data;

		if (zc_writer_acquire_block(role, t_rand_size(5000), &handle,
					    i % 64 ? 0 : 100000) != ZC_OK)
			continue;
		data = zc_writer_block_data(role, handle, &bytes);
		if (data)
			memset(data, i, bytes);
		zc_writer_commit_block(role, handle);
	}
	__atomic_fetch_add(&spoil->done, 1, __ATOMIC_SEQ_CST);
	t_leave();
}

static void plays_reader(void *arg)
{
	struct spoil *spoil = arg;
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *role = NULL;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_srand(spoil->seed + 2);
	options.service = SERVICE;
	options.max_holds = 4;
	options.best_effort = spoil->seed % 2;
	CHECK_OK(zc_reader_register(pool, &options, &role));
	t_say(t_parent(), "ready");
	for (int i = 0; i < 3000; i++) {
		zc_handle_t handle;
		size_t bytes = 0;
		const void *data;

		if (zc_reader_poll_block(role, 64, &handle,
					 i % 64 ? 0 : 100000) != ZC_OK)
			continue;
		data = zc_reader_block_data(role, handle, &bytes);
		if (data)
			touch(data, bytes);
		zc_reader_release_block(role, handle);
	}
	__atomic_fetch_add(&spoil->done, 1, __ATOMIC_SEQ_CST);
	t_leave();
}

static int visit(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *runs = ctx;

	(void)block;
	return ++*runs > 1000000;
}

/* What the tools do: look at everything, and come to an end. */
static void plays_onlooker(void *arg)
{
	struct spoil *spoil = arg;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "ready");
	for (int i = 0; i < 20; i++) {
		zc_check_report_t report = { .sz = sizeof(report) };
		zc_service_info_t service = { .sz = sizeof(service) };
		zc_reader_info_t reader = { .sz = sizeof(reader) };
		zc_member_info_t member = { .sz = sizeof(member) };
		zc_pool_info_t info = { .sz = sizeof(info) };
		zc_event_t event = { .sz = sizeof(event) };
		uint64_t runs = 0;

		zc_pool_get_info(pool, &info);
		zc_inspect_blocks(pool, visit, &runs);
		zc_pool_check(pool, &report);
		for (uint32_t n = 0; n < 33; n++) {
			zc_inspect_service(pool, n, &service);
			zc_inspect_reader(pool, n, n, &reader);
			zc_inspect_member(pool, n, &member);
		}
		for (int n = 0; n < 300; n++)
			zc_pool_next_event(pool, &event, 0);
	}
	__atomic_fetch_add(&spoil->done, 1, __ATOMIC_SEQ_CST);
	t_leave();
}

static void scribble(uint64_t seed)
{
	static void (*const players[])(void *) = { plays_writer, plays_reader,
						   plays_reader,
						   plays_onlooker };
	enum { NR = sizeof(players) / sizeof(*players) };
	struct spoil *spoil = t_shared(sizeof(*spoil));
	struct t_peer *player[NR], *spoiler;
	zc_pool_options_t geometry = t_pool_options();

	spoil->seed = seed;
	geometry.bytes = 256U << 10;
	geometry.ring_entries = 16;
	for (int i = 0; i < NR; i++)
		player[i] = t_spawn("player", players[i], spoil);
	spoiler = t_spawn("spoiler", spoils, spoil);
	t_pool_close(t_pool_create(&geometry));
	map_control();
	/* All but the invariants, which nobody loads twice. */
	spoil->from = control->geometry.off_writer_slots;
	spoil->to = control_bytes;
	for (int i = 0; i < NR; i++) {
		t_say(player[i], "go");
		t_hear(player[i], "ready");
	}
	t_say(spoiler, "go");
	for (int i = 0; i < NR; i++)
		t_join(player[i]);
	t_kill(spoiler);
	munmap(control, control_bytes);
	/* Nothing in there makes sense any more; it can still be taken away. */
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void need_files(void)
{
	if (!t_backend_is_shm())
		t_skip("with the device nobody can write there");
}

static void scribbled_control_crashes_nobody(void)
{
	uint64_t seed;

	need_files();
	seed = t_seed();
	for (uint64_t i = 0; i < (t_long() ? 200 : 4); i++)
		scribble(seed + i);
}

static void reads_strictly(void *arg)
{
	uint64_t messages = *(uint64_t *)arg;
	struct t_reader reader;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (uint64_t i = 0; i < messages; i++) {
		t_read_many(&reader, 1);
		if (i % 4 == 3)
			t_say(t_parent(), "read");
	}
	zc_pool_close(pool);
}

static void joins_only(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say_number(t_parent(), "ready", zc_reader_id(reader.role));
	t_hear(t_parent(), "never");
}

/* Everything in the region of one reader is noise; the other loses nothing. */
static void scribbled_reader_harms_only_itself(void)
{
	uint64_t messages = 4000;
	struct spoil *spoil = t_shared(sizeof(*spoil));
	struct t_peer *strict, *victim, *spoiler;
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	zc_pool_t *pool;
	uint64_t id, area;

	need_files();
	spoil->seed = t_seed();
	strict = t_spawn("strict", reads_strictly, &messages);
	victim = t_spawn("spoiled", joins_only, NULL);
	spoiler = t_spawn("spoiler", spoils, spoil);
	pool = t_pool_create(NULL);
	t_say(strict, "go");
	t_hear(strict, "ready");
	t_say(victim, "go");
	id = t_hear_number(victim, "ready");
	options.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	options.lag_limit = 32;
	t_writer_open(&writer, pool, SERVICE, &options);
	map_control();
	area = (uint64_t)zc_writer_id(writer.role) * ZC_MAX_READERS_PER + id;
	spoil->from = control->geometry.off_reader_areas +
		      area * control->geometry.reader_area_bytes;
	spoil->to = spoil->from + control->geometry.reader_area_bytes;
	t_say(spoiler, "go");
	for (uint64_t i = 0; i < messages; i++) {
		t_write(&writer, 1 + i * 11 % 2000);
		if (i % 4 == 3)
			t_hear(strict, "read");
	}
	t_join(strict);
	t_kill(spoiler);
	t_kill(victim);
	t_writer_close(&writer);
	t_pool_acquire_all(pool, SERVICE);
}

/* Taken for dead by mistake: it must stop, and may come again. */
static void member_evicted_stops(void)
{
	zc_member_info_t info = { .sz = sizeof(info) };
	struct zc_member_record *record;
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, held;
	zc_result_t result;
	uint32_t index = 0;
	__u64 life;

	need_files();
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 1000);
	held = t_read(&reader);
	while (zc_inspect_member(pool, index, &info) != ZC_OK)
		index++;
	map_control();
	record = at(control->geometry.off_members + index * sizeof(*record));
	life = __atomic_load_n(&record->life, __ATOMIC_SEQ_CST);
	CHECK_EQ(life & 0xffff, ZC_LIFE_LIVE);
	CHECK(__atomic_compare_exchange_n(&record->life, &life,
					  (life & ~0xffffULL) | ZC_LIFE_REAPING,
					  false, __ATOMIC_SEQ_CST,
					  __ATOMIC_SEQ_CST));
	/* Its own thread notices, sooner or later. */
	T_UNTIL((result = zc_writer_acquire_block(writer.role, 100, &handle,
						  0)) != ZC_OK ||
		(result = zc_writer_cancel_block(writer.role, handle)) !=
			ZC_OK);
	CHECK_RESULT(result, ZC_ERROR_EVICTED);
	T_UNTIL((result = zc_reader_poll_block(reader.role, 0, &handle, 0)) !=
		ZC_ERROR_TIMEOUT && result != ZC_OK);
	CHECK_RESULT(result, ZC_ERROR_EVICTED);
	CHECK_RESULT(zc_reader_release_block(reader.role, held),
		     ZC_ERROR_EVICTED);
	munmap(control, control_bytes);
	t_pool_close(pool);
	/* Anew. */
	pool = t_pool_open();
	t_pool_check_rest(pool);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_OP(writer.next, >=, 4);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = writer.next;
	t_write(&writer, 100);
	t_read_many(&reader, 1);
	zc_pool_close(pool);
}

struct corrupted {
	uint64_t nr, sequence;
};

static void note_corrupted(zc_pool_t *pool, const char *service, uint64_t sequence,
			   void *ctx)
{
	struct corrupted *corrupted = ctx;

	(void)pool;
	CHECK(!strcmp(service, SERVICE));
	corrupted->nr++;
	corrupted->sequence = sequence;
}

/* An entry that leads out of the pool: skipped, counted, told, and that was all. */
static void corrupted_block_is_told(void)
{
	struct corrupted corrupted = { 0 };
	zc_hooks_t hooks = ZC_HOOKS_INIT;
	struct zc_ring_entry *entry, right[2];
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	need_files();
	pool = t_pool_create(NULL);
	map_control();
	hooks.corrupted_block = note_corrupted;
	hooks.ctx = &corrupted;
	CHECK_OK(zc_set_hooks(pool, &hooks));
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 100);
	entry = at(control->geometry.off_writer_areas + sizeof(struct zc_writer_area) +
		   2 * sizeof(*entry));
	memcpy(right, entry, sizeof(right));
	entry->place |= 0xffffffffULL << 32;
	t_read_many(&reader, 1);
	CHECK_RESULT(zc_reader_poll_block(reader.role, 0, &handle, 0),
		     ZC_ERROR_CORRUPT_BLOCK);
	CHECK_EQ(corrupted.nr, 1);
	CHECK_EQ(corrupted.sequence, 2);
	/* In the pool, and a byte longer than what is left of its segment. */
	entry++;
	entry->place = (control->geometry.segment_granules - 1ULL) << 32 |
		       (entry->place & UINT32_MAX);
	entry->run = ((1ULL << control->geometry.granule_shift) + 1) << 32 |
		     (entry->run & UINT32_MAX);
	CHECK_RESULT(zc_reader_poll_block(reader.role, 0, &handle, 0),
		     ZC_ERROR_CORRUPT_BLOCK);
	CHECK_EQ(corrupted.nr, 2);
	CHECK_EQ(corrupted.sequence, 3);
	memcpy(entry - 1, right, sizeof(right));
	t_write_many(&writer, 1, 100);
	reader.next = 4;
	t_read_many(&reader, 1);
	CHECK_EQ(corrupted.nr, 2);
	t_reader_close(&reader);
	t_writer_close(&writer);
	munmap(control, control_bytes);
	t_pool_close(pool);
}

/* A head with nothing in the ring: nobody is told that there is something to read. */
static void head_alone_keeps_nobody_awake(void)
{
	struct t_writer spoilt, writer;
	struct t_reader deceived, reader;
	struct zc_writer_area *area;
	zc_reader_t *both[2];
	zc_handle_t handle;
	uint32_t index;
	zc_pool_t *pool;

	need_files();
	pool = t_pool_create(NULL);
	map_control();
	t_writer_open(&spoilt, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, OTHER_SERVICE, NULL);
	t_reader_open(&deceived, pool, SERVICE, NULL);
	t_reader_open(&reader, pool, OTHER_SERVICE, NULL);
	area = at(control->geometry.off_writer_areas +
		  zc_writer_id(spoilt.role) * control->geometry.writer_area_bytes);
	__atomic_fetch_add(&area->head, 1000, __ATOMIC_SEQ_CST);
	both[0] = deceived.role;
	both[1] = reader.role;
	CHECK_RESULT(zc_reader_poll_block(deceived.role, 0, &handle, 0), ZC_ERROR_TIMEOUT);
	CHECK_RESULT(zc_wait_any(both, 1, &index, 0), ZC_ERROR_TIMEOUT);
	t_write(&writer, 100);
	CHECK_OK(zc_wait_any(both, 2, &index, t_wait_ns()));
	CHECK_EQ(index, 1);
	t_read_many(&reader, 1);
	__atomic_fetch_sub(&area->head, 1000, __ATOMIC_SEQ_CST);
	t_write(&spoilt, 100);
	CHECK_OK(zc_wait_any(both, 2, &index, t_wait_ns()));
	CHECK_EQ(index, 0);
	t_read_many(&deceived, 1);
	t_reader_close(&deceived);
	t_reader_close(&reader);
	t_writer_close(&spoilt);
	t_writer_close(&writer);
	munmap(control, control_bytes);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(scribbled_control_crashes_nobody),
	T_CASE(scribbled_reader_harms_only_itself),
	T_CASE(member_evicted_stops),
	T_CASE(corrupted_block_is_told),
	T_CASE(head_alone_keeps_nobody_awake),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
