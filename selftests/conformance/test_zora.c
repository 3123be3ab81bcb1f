/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_zora.c - what is wrong with a handle has a name; checked access; keys that change.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define SERVICE "zora/test/one"
#define TABLE "zora/test/two"

/* One role of each kind, bound to this thread. */
static struct {
	zc_pool_t *pool;
	struct t_writer writer, other;
	struct t_reader reader;
	zora_id_t w, o, r;
} at;

static void begin(void)
{
	at.pool = t_pool_create(NULL);
	t_writer_open(&at.writer, at.pool, SERVICE, NULL);
	t_reader_open(&at.reader, at.pool, SERVICE, NULL);
	t_writer_open(&at.other, at.pool, TABLE, NULL);
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	CHECK_OK(zora_register_writer(at.other.role, &at.o));
	CHECK_OK(zora_register_reader(at.reader.role, &at.r));
	CHECK(at.w && at.o && at.r && at.w != at.o && at.o != at.r);
}

static void finish(void)
{
	t_reader_close(&at.reader);
	t_writer_close(&at.writer);
	t_writer_close(&at.other);
	t_pool_check_rest(at.pool);
	t_pool_close(at.pool);
}

static zc_handle_t acquire(struct t_writer *writer, size_t bytes)
{
	zc_handle_t handle;

	CHECK_OK(zc_writer_acquire_block(writer->role, bytes, &handle, 0));
	return handle;
}

static void refused(zora_id_t id, zc_handle_t handle, zc_result_t want)
{
	char bytes[8] = "unharme";
	size_t size = 4711;

	CHECK(!zora_data(id, handle));
	CHECK_RESULT(zora_error(), want);
	CHECK(!zora_data_mut(id, handle));
	CHECK_RESULT(zora_error(), want);
	CHECK(!zora_slice(id, handle, 0, 1));
	CHECK(!zora_slice_mut(id, handle, 0, 0));
	CHECK_RESULT(zora_error(), want);
	CHECK_RESULT(zora_size(id, handle, &size), want);
	CHECK_RESULT(zora_copy_out(id, handle, 0, bytes, 8), want);
	CHECK_RESULT(zora_copy_in(id, handle, 0, bytes, 8), want);
	CHECK_EQ(size, 4711);
	CHECK(!strcmp(bytes, "unharme"));
}

/* The handle's own verbs say the same. */
static void writer_refused(zc_handle_t handle, zc_result_t want)
{
	refused(at.w, handle, want);
	CHECK_RESULT(zc_writer_commit_block(at.writer.role, handle), want);
	CHECK_RESULT(zc_writer_cancel_block(at.writer.role, handle), want);
	CHECK(strlen(zc_last_error()) > 20);
}

static void reader_refused(zc_handle_t handle, zc_result_t want)
{
	refused(at.r, handle, want);
	CHECK_RESULT(zc_reader_release_block(at.reader.role, handle), want);
}

static void wrong_handles_have_names(void)
{
	zc_handle_t handle, foreign, held;

	begin();
	handle = acquire(&at.writer, 100);
	foreign = acquire(&at.other, 100);
	writer_refused(foreign, ZC_ERROR_FOREIGN_HANDLE);
	reader_refused(handle, ZC_ERROR_FOREIGN_HANDLE);
	writer_refused(0, ZC_ERROR_FORGED_HANDLE);
	writer_refused(UINT64_MAX, ZC_ERROR_FORGED_HANDLE);
	for (unsigned int bit = 0; bit < 64; bit++)
		writer_refused(handle ^ 1ULL << bit, ZC_ERROR_FORGED_HANDLE);
	CHECK(zora_data_mut(at.w, handle));
	t_commit(&at.writer, handle);
	writer_refused(handle, ZC_ERROR_STALE_HANDLE);
	CHECK_OK(zc_writer_cancel_block(at.other.role, foreign));
	/* It is still known whose it was. */
	writer_refused(foreign, ZC_ERROR_FOREIGN_HANDLE);
	held = t_read(&at.reader);
	writer_refused(held, ZC_ERROR_FOREIGN_HANDLE);
	t_release(&at.reader, held);
	reader_refused(held, ZC_ERROR_STALE_HANDLE);
	/* Many uses later it is what it was. */
	for (int i = 0; i < 100; i++) {
		t_write(&at.writer, 10);
		t_read_many(&at.reader, 1);
	}
	writer_refused(handle, ZC_ERROR_STALE_HANDLE);
	reader_refused(held, ZC_ERROR_STALE_HANDLE);
	finish();
}

/* Takes the new key: the next handle has it. */
static zc_handle_t rotate(struct t_writer *writer)
{
	zc_handle_t handle;

	CHECK_OK(zora_rotate_keys(at.pool));
	handle = acquire(writer, 100);
	CHECK_OK(zc_writer_cancel_block(writer->role, handle));
	return handle;
}

static unsigned int epoch(zc_handle_t handle)
{
	return (unsigned int)(handle >> 60);
}

static void keys_change_and_handles_stay(void)
{
	zc_handle_t ended, held = 0, now;
	unsigned int first;

	begin();
	ended = acquire(&at.writer, 100);
	CHECK_OK(zc_writer_cancel_block(at.writer.role, ended));
	writer_refused(ended, ZC_ERROR_STALE_HANDLE);
	held = acquire(&at.writer, 100);
	first = epoch(held);
	CHECK_EQ(epoch(ended), first);
	/* Each time another, until the oldest that has a handle would be next. */
	for (unsigned int i = 1; i < 40; i++) {
		now = rotate(&at.writer);
		CHECK_EQ(epoch(now), (first - 1 + (i < 15 ? i : 14)) % 15 + 1);
		writer_refused(ended, ZC_ERROR_REPLAYED_HANDLE);
		CHECK(zora_data(at.w, held));
	}
	t_commit(&at.writer, held);
	writer_refused(held, ZC_ERROR_REPLAYED_HANDLE);
	for (unsigned int i = 0; i < 40; i++) {
		now = rotate(&at.writer);
		CHECK_EQ(epoch(now), (first - 1 + i) % 15 + 1);
		/* Once round, its key is no more: nobody knows it now. */
		CHECK(!zora_data(at.w, ended));
		CHECK(!zora_data(at.w, held));
	}
	/* Of a reader, too. */
	CHECK_OK(zora_rotate_keys(at.pool));
	held = t_read(&at.reader);
	CHECK_OK(zora_rotate_keys(at.pool));
	CHECK(zora_data(at.r, held));
	t_write(&at.writer, 10);
	now = t_read(&at.reader);
	CHECK(epoch(now) != epoch(held));
	CHECK(zora_data(at.r, held) && zora_data(at.r, now));
	t_release(&at.reader, held);
	reader_refused(held, ZC_ERROR_REPLAYED_HANDLE);
	t_release(&at.reader, now);
	reader_refused(now, ZC_ERROR_STALE_HANDLE);
	finish();
}

/* A cleaner does it by itself. */
static void cleaner_changes_keys(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	unsigned int seen = 0;
	zc_cleaner_t *cleaner;
	zc_handle_t handle;

	begin();
	options.key_period_ns = 1000000;
	options.idle_ns = 1000000;
	CHECK_OK(zc_cleaner_start(at.pool, &options, &cleaner));
	while (seen != 0xfffe) {
		handle = acquire(&at.writer, 50);
		seen |= 1u << epoch(handle);
		CHECK(zora_data(at.w, handle));
		t_commit(&at.writer, handle);
		CHECK(!zora_data(at.w, handle));
		handle = t_read(&at.reader);
		CHECK(zora_data(at.r, handle));
		t_release(&at.reader, handle);
		CHECK(!zora_data(at.r, handle));
		t_nap(__FILE__, __LINE__, "all epochs");
	}
	zc_cleaner_stop(cleaner);
	finish();
}

static void access_stays_within_the_block(void)
{
	zc_handle_t handle, held;
	char in[100], out[100];
	uint64_t u64;
	int16_t i16;
	size_t size;
	double f64;
	char *p;

	begin();
	for (unsigned int i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7);
	handle = acquire(&at.writer, 1000);
	CHECK_OK(zora_size(at.w, handle, &size));
	CHECK_EQ(size, 1000);
	p = zora_data_mut(at.w, handle);
	CHECK(p == zc_writer_block_data(at.writer.role, handle, NULL));
	memset(p, 0xaa, 1000);
	CHECK_OK(zora_copy_in(at.w, handle, 900, in, 100));
	CHECK_RESULT(zora_copy_in(at.w, handle, 901, in, 100), ZC_ERROR_SIZE);
	CHECK_RESULT(zora_copy_in(at.w, handle, 1000, in, 1), ZC_ERROR_SIZE);
	CHECK_RESULT(zora_copy_in(at.w, handle, SIZE_MAX, in, 2), ZC_ERROR_SIZE);
	CHECK_RESULT(zora_copy_in(at.w, handle, 1, in, SIZE_MAX), ZC_ERROR_SIZE);
	CHECK_RESULT(zora_copy_in(at.w, handle, 0, NULL, 1), ZC_ERROR_INVALID);
	CHECK_OK(zora_copy_in(at.w, handle, 1000, NULL, 0));
	CHECK(!memcmp(p + 900, in, 100) && p[899] == (char)0xaa);
	/* From one part of it to another. */
	CHECK_OK(zora_copy_in(at.w, handle, 901, p + 900, 99));
	CHECK(!memcmp(p + 901, in, 99) && p[900] == in[0]);
	CHECK_OK(zora_copy_out(at.w, handle, 901, p + 900, 99));
	CHECK(!memcmp(p + 900, in, 99));
	CHECK_OK(zora_copy_in(at.w, handle, 900, in, 100));
	CHECK_OK(zora_store_u64(at.w, handle, 3, 0x0123456789abcdefULL));
	CHECK_OK(zora_store_i16(at.w, handle, 998, -5));
	CHECK_RESULT(zora_store_i16(at.w, handle, 999, -5), ZC_ERROR_SIZE);
	CHECK_OK(zora_store_f64(at.w, handle, 101, 0.1));
	CHECK(zora_slice_mut(at.w, handle, 10, 990) == p + 10);
	CHECK(!zora_slice_mut(at.w, handle, 10, 991));
	CHECK_RESULT(zora_error(), ZC_ERROR_SIZE);
	CHECK(zora_slice(at.w, handle, 1000, 0) == p + 1000);
	CHECK_RESULT(zora_size(at.w, handle, NULL), ZC_ERROR_INVALID);
	CHECK_OK(zc_writer_resize_block(at.writer.role, handle, 999));
	CHECK(!zora_slice(at.w, handle, 10, 990));
	CHECK_OK(zc_writer_resize_block(at.writer.role, handle, 1000));
	CHECK_OK(zc_writer_commit_block(at.writer.role, handle));

	CHECK_OK(zc_reader_poll_block(at.reader.role, 0, &held, t_wait_ns()));
	CHECK_OK(zora_size(at.r, held, &size));
	CHECK_EQ(size, 1000);
	CHECK_OK(zora_copy_out(at.r, held, 900, out, 98));
	CHECK(!memcmp(in, out, 98));
	CHECK_RESULT(zora_copy_out(at.r, held, 990, out, 11), ZC_ERROR_SIZE);
	CHECK_RESULT(zora_copy_out(at.r, held, 0, NULL, 1), ZC_ERROR_INVALID);
	CHECK_OK(zora_load_u64(at.r, held, 3, &u64));
	CHECK_EQ(u64, 0x0123456789abcdefULL);
	CHECK_OK(zora_load_i16(at.r, held, 998, &i16));
	CHECK(i16 == -5);
	CHECK_OK(zora_load_f64(at.r, held, 101, &f64));
	CHECK(f64 == 0.1);
	/* It is the writer's to write. */
	CHECK(!zora_data_mut(at.r, held));
	CHECK_RESULT(zora_error(), ZC_ERROR_PERMISSION);
	CHECK_RESULT(zora_store_u8(at.r, held, 0, 1), ZC_ERROR_PERMISSION);
	CHECK(zora_data(at.r, held) ==
	      zc_reader_block_data(at.reader.role, held, NULL));
	CHECK_OK(zc_reader_release_block(at.reader.role, held));
	finish();
}

/* --- threads ------------------------------------------------------------------------------ */

static zc_handle_t block;

static void *tries_others(void *arg)
{
	zora_id_t mine;

	(void)arg;
	refused(at.w, block, ZC_ERROR_THREAD);
	CHECK_RESULT(zora_unregister(at.w), ZC_ERROR_THREAD);
	CHECK_RESULT(zora_register_writer(at.writer.role, &mine), ZC_ERROR_BUSY);
	return NULL;
}

static void *takes_over(void *arg)
{
	(void)arg;
	refused(at.w, block, ZC_ERROR_CLOSED);
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	CHECK(zora_data(at.w, block));
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, fn, NULL));
	CHECK(!pthread_join(thread, NULL));
}

static void ids_are_a_threads_own(void)
{
	zora_id_t id = at.w, old;

	begin();
	block = acquire(&at.writer, 100);
	run(tries_others);
	CHECK(zora_data(at.w, block));
	old = at.w;
	CHECK_OK(zora_unregister(at.w));
	refused(old, block, ZC_ERROR_CLOSED);
	run(takes_over);
	/* It ended with its thread. */
	CHECK(at.w != old);
	refused(at.w, block, ZC_ERROR_CLOSED);
	refused(old, block, ZC_ERROR_CLOSED);
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	/* Numbers that nobody got: too small, too large, or between two entries. */
	for (id = 0; id < 10000; id += 37)
		if (id != at.w && id != at.o && id != at.r)
			refused(id, block, ZC_ERROR_FORGED_HANDLE);
	refused(at.w + 1, block, ZC_ERROR_FORGED_HANDLE);
	refused(at.w + (1ULL << 18), block, ZC_ERROR_FORGED_HANDLE);
	refused(UINT64_MAX, block, ZC_ERROR_FORGED_HANDLE);
	CHECK_RESULT(zora_unregister(UINT64_MAX), ZC_ERROR_FORGED_HANDLE);
	CHECK_OK(zora_unregister(0));
	/* The id goes with the role. */
	CHECK_OK(zc_writer_cancel_block(at.writer.role, block));
	t_writer_close(&at.writer);
	refused(at.w, block, ZC_ERROR_CLOSED);
	CHECK_RESULT(zora_register_writer(NULL, &id), ZC_ERROR_INVALID);
	CHECK_RESULT(zora_register_reader(at.reader.role, NULL), ZC_ERROR_INVALID);
	CHECK_RESULT(zora_rotate_keys(NULL), ZC_ERROR_INVALID);
	t_writer_open(&at.writer, at.pool, SERVICE, NULL);
	finish();
}

/* --- brute force -------------------------------------------------------------------------- */

/*
 * Random handles, and real ones with random changes, against roles that hold some: what
 * opens is a block that this very role holds, and only by the handle that it got.
 */
static void brute_force_opens_nothing(void)
{
	enum { HELD = 16 };
	uint64_t rounds = t_env("ZC_HANDLES", t_long() ? 1000000000 : T_SANITIZED ? 300000 : 3000000);
	zc_handle_t mine[HELD], gone[HELD];
	uint64_t opened = 0;

	begin();
	t_srand(t_seed());
	for (int i = 0; i < HELD; i++) {
		gone[i] = acquire(&at.writer, 100);
		t_commit(&at.writer, gone[i]);
		t_read_many(&at.reader, 1);
	}
	for (int i = 0; i < HELD; i++)
		mine[i] = acquire(&at.writer, 100);
	for (uint64_t n = 0; n < rounds; n++) {
		zc_handle_t h = t_rand();
		bool good = false;

		switch (h & 7) {
		case 0:			/* a bit or two */
			h = mine[n % HELD] ^ 1ULL << (h >> 8 & 63) ^ 1ULL << (h >> 16 & 63);
			break;
		case 1:			/* a little more or less */
			h = mine[n % HELD] + (int8_t)(h >> 8);
			break;
		case 2:			/* one's place, another's tag */
			h = mine[n % HELD] ^ mine[(h >> 8) % HELD] ^ gone[(h >> 16) % HELD];
			break;
		case 3:			/* another epoch */
			h = mine[n % HELD] ^ (h & 0xfULL << 60);
			break;
		case 4:
			h = gone[n % HELD] + (h >> 8 & 0xffff) * (1ULL << 20);
			break;
		}
		for (int i = 0; i < HELD && !good; i++)
			good = h == mine[i];
		if (!zora_data(at.w, h) == good)
			T_FAIL("handle %#llx: %s", (unsigned long long)h,
			       good ? "refused" : "opens something");
		opened += good;
		if (zora_data(at.r, h))
			T_FAIL("handle %#llx opens what a reader holds",
			       (unsigned long long)h);
		if (n % 100000 == 0)
			CHECK_OK(zora_rotate_keys(at.pool));
	}
	t_note("%llu handles; of these %llu were real ones", (unsigned long long)rounds,
	       (unsigned long long)opened);
	for (int i = 0; i < HELD; i++)
		CHECK_OK(zc_writer_cancel_block(at.writer.role, mine[i]));
	finish();
}

/*
 * Keys that change all the time, under load, several in flight: no handle that is held is
 * refused, none that ended is accepted.
 */
static void keys_change_under_load(void)
{
	enum { FLIGHT = 5, ROUNDS = 20000 };
	zc_handle_t ended[64] = { 0 };
	unsigned int was = 0;
	uint64_t epochs = 0;
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	begin();
	options.key_period_ns = 1000000;
	options.period_ns = options.idle_ns = 1000000;
	CHECK_OK(zc_cleaner_start(at.pool, &options, &cleaner));
	t_srand(t_seed());
	for (unsigned int n = 0; n < ROUNDS || epochs < 32; n++) {
		zc_handle_t flight[FLIGHT];
		unsigned int nr = 1 + (unsigned int)t_rand_below(FLIGHT);

		if (n == 100 * ROUNDS)
			T_FAIL("keys do not change");
		if (n % 64 == 0)
			CHECK_OK(zora_rotate_keys(at.pool));
		for (unsigned int i = 0; i < nr; i++) {
			flight[i] = acquire(&at.writer, 100);
			epochs += epoch(flight[i]) != was;
			was = epoch(flight[i]);
			CHECK(zora_data_mut(at.w, flight[i]));
		}
		for (unsigned int i = 0; i < nr; i++) {
			CHECK(zora_data(at.w, flight[i]));
			t_commit(&at.writer, flight[i]);
			ended[t_rand_below(64)] = flight[i];
		}
		t_read_many(&at.reader, nr);
		CHECK(!zora_data(at.w, ended[n % 64]));
	}
	zc_cleaner_stop(cleaner);
	finish();
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(wrong_handles_have_names),
		T_CASE(keys_change_and_handles_stay),
		T_CASE(cleaner_changes_keys),
		T_CASE(access_stays_within_the_block),
		T_CASE(ids_are_a_threads_own),
		T_CASE(brute_force_opens_nothing),
		T_CASE(keys_change_under_load),
		T_END
	};

	return t_main(argc, argv, cases);
}
