/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_handle.c - handles that ended, were forged, or belong to another role
 * are refused, and do no harm; arguments that make no sense are refused.
 */
#include <string.h>

#include "harness.h"

#define SERVICE "handle/test/one"

/* Which kind is test_zora.c's business. */
static bool refused(zc_result_t result)
{
	return result == ZC_ERROR_STALE_HANDLE || result == ZC_ERROR_FORGED_HANDLE ||
	       result == ZC_ERROR_FOREIGN_HANDLE || result == ZC_ERROR_REPLAYED_HANDLE;
}

#define CHECK_REFUSED(call) CHECK(refused(call))

static void writer_refuses(zc_writer_t *role, zc_handle_t handle)
{
	size_t bytes = 4711;

	CHECK_REFUSED(zc_writer_commit_block(role, handle));
	CHECK_REFUSED(zc_writer_cancel_block(role, handle));
	CHECK_REFUSED(zc_writer_resize_block(role, handle, 1));
	CHECK_REFUSED(zc_writer_io_begin(role, handle));
	CHECK_REFUSED(zc_writer_io_end(role, handle));
	CHECK(!zc_writer_block_data(role, handle, &bytes));
	CHECK(!zc_writer_block_data(role, handle, NULL));
	CHECK_EQ(bytes, 4711);
}

static void reader_refuses(zc_reader_t *role, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info), .sequence = 4711 };
	size_t bytes = 4711;

	CHECK_REFUSED(zc_reader_release_block(role, handle));
	CHECK_REFUSED(zc_reader_block_info(role, handle, &info));
	CHECK_REFUSED(zc_reader_io_begin(role, handle));
	CHECK_REFUSED(zc_reader_io_end(role, handle));
	CHECK(!zc_reader_block_data(role, handle, &bytes));
	CHECK(!zc_reader_block_data(role, handle, NULL));
	CHECK_EQ(bytes, 4711);
	CHECK_EQ(info.sequence, 4711);
}

static void handle_ends_once(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, got;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, 3000, &handle, 0));
	t_commit(&writer, handle);
	writer_refuses(writer.role, handle);
	got = t_read(&reader);
	t_release(&reader, got);
	reader_refuses(reader.role, got);
	CHECK_OK(zc_writer_acquire_block(writer.role, 3000, &handle, 0));
	CHECK_OK(zc_writer_cancel_block(writer.role, handle));
	writer_refuses(writer.role, handle);
	/* Neither was counted twice. */
	t_write(&writer, 10);
	t_read_many(&reader, 1);
	CHECK_RESULT(t_try_read(&reader, &got, 0), ZC_ERROR_TIMEOUT);
}

static void handle_forged_is_refused(void)
{
	static const zc_handle_t forged[] = {
		0, 1, 2, 255, 65535, UINT32_MAX, 1ULL << 32, 1ULL << 63,
		UINT64_MAX, UINT64_MAX - 1, 0x0101010101010101ULL,
	};
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, got;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
		writer_refuses(writer.role, forged[i]);
		reader_refuses(reader.role, forged[i]);
	}
	for (int round = 0; round < 3; round++) {
		void *data;

		CHECK_OK(zc_writer_acquire_block(writer.role, 3000, &handle,
						 0));
		data = zc_writer_block_data(writer.role, handle, NULL);
		t_fill(data, 3000, 1, 2);
		for (unsigned int bit = 0; bit < 64; bit++)
			writer_refuses(writer.role, handle ^ 1ULL << bit);
		for (zc_handle_t d = 1; d < 100; d++) {
			writer_refuses(writer.role, handle + d);
			writer_refuses(writer.role, handle - d);
		}
		CHECK(t_matches(data, 3000, 1, 2));
		t_commit(&writer, handle);
		got = t_read(&reader);
		for (unsigned int bit = 0; bit < 64; bit++)
			reader_refuses(reader.role, got ^ 1ULL << bit);
		for (zc_handle_t d = 1; d < 100; d++) {
			reader_refuses(reader.role, got + d);
			reader_refuses(reader.role, got - d);
		}
		t_release(&reader, got);
	}
}

static void handle_of_another_role_is_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer one, two;
	struct t_reader reader, other;
	zc_handle_t handle[8], got[8];

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_reader_open(&other, pool, SERVICE, NULL);
	t_writer_open(&one, pool, SERVICE, NULL);
	t_writer_open(&two, pool, "handle/test/two", NULL);
	for (int i = 0; i < 8; i++) {
		CHECK_OK(zc_writer_acquire_block(one.role, 1000, &handle[i],
						 0));
		writer_refuses(two.role, handle[i]);
		reader_refuses(reader.role, handle[i]);
	}
	for (int i = 0; i < 8; i++) {
		t_commit(&one, handle[i]);
		got[i] = t_read(&reader);
		writer_refuses(one.role, got[i]);
		writer_refuses(two.role, got[i]);
		/* It has not polled: it holds nothing. */
		reader_refuses(other.role, got[i]);
	}
	for (int i = 0; i < 8; i++)
		t_release(&reader, got[i]);
	t_read_many(&other, 8);
}

static void tells_a_handle(void *arg)
{
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t mine, held;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 500);
	held = t_read(&reader);
	CHECK_OK(zc_writer_acquire_block(writer.role, 500, &mine, 0));
	t_say_number(t_parent(), "claimed", mine);
	t_say_number(t_parent(), "held", held);
	t_hear(t_parent(), "tried");
	t_commit(&writer, mine);
	t_release(&reader, held);
	t_read_many(&reader, 1);
	zc_pool_close(pool);
}

static void handle_of_another_process_is_refused(void)
{
	struct t_peer *child = t_spawn("owner", tells_a_handle, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t claimed, held;

	t_say(child, "go");
	claimed = t_hear_number(child, "claimed");
	held = t_hear_number(child, "held");
	t_writer_open(&writer, pool, "handle/test/two", NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	writer_refuses(writer.role, claimed);
	writer_refuses(writer.role, held);
	reader_refuses(reader.role, claimed);
	reader_refuses(reader.role, held);
	t_say(child, "tried");
	t_join(child);
}

/* The same memory comes back again and again; old names of it do not. */
static void handle_stays_stale_after_reuse(void)
{
	enum { NR = 500 };
	static zc_handle_t old_claim[NR], old_hold[NR];
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, got;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int i = 0; i < NR; i++) {
		CHECK_OK(zc_writer_acquire_block(writer.role, 100, &handle, 0));
		old_claim[i] = handle;
		t_commit(&writer, handle);
		old_hold[i] = t_read(&reader);
		t_release(&reader, old_hold[i]);
	}
	CHECK_OK(zc_writer_acquire_block(writer.role, 100, &handle, 0));
	t_write(&writer, 100);
	got = t_read(&reader);
	for (int i = 0; i < NR; i++) {
		writer_refuses(writer.role, old_claim[i]);
		reader_refuses(reader.role, old_hold[i]);
	}
	t_commit(&writer, handle);
	t_release(&reader, got);
	t_read_many(&reader, 1);
}

#define CHECK_ENDED(call)                                                      \
	do {                                                                   \
		CHECK_RESULT(call, ZC_ERROR_CLOSED);                           \
		CHECK(strstr(zc_last_error(), "ended"));                       \
	} while (0)

static void ended_roles_refuse(zc_writer_t *w, zc_reader_t *r, zc_handle_t claimed,
			       zc_handle_t held)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_handle_t handle = 4711;

	for (int i = 0; i < 2; i++) {
		CHECK_ENDED(zc_writer_acquire_block(w, 100, &handle, 0));
		CHECK_ENDED(zc_writer_commit_block(w, claimed));
		CHECK_ENDED(zc_writer_cancel_block(w, claimed));
		CHECK(!zc_writer_block_data(w, claimed, NULL));
		CHECK_ENDED(zc_reader_poll_block(r, 0, &handle, ZC_TIMEOUT_FOREVER));
		CHECK_ENDED(zc_wait_any(&r, 1, NULL, ZC_TIMEOUT_FOREVER));
		CHECK_ENDED(zc_reader_release_block(r, held));
		CHECK(!zc_reader_block_data(r, held, NULL));
		CHECK_ENDED(zc_reader_get_stats(r, &stats));
		CHECK(zc_reader_writer_state(r) == ZC_PEER_NONE);
		/* Once more is nothing. */
		zc_writer_unregister(w);
		zc_reader_unregister(r);
	}
	CHECK_EQ(handle, 4711);
}

/* Unregistered, or closed with its pool: not "a forked child", and no harm. */
static void role_after_its_end_is_refused(void)
{
	for (int with_pool = 0; with_pool < 2; with_pool++) {
		zc_pool_t *pool = with_pool ? t_pool_open() : t_pool_create(NULL);
		zc_handle_t claimed, held;
		struct t_writer writer;
		struct t_reader reader;

		t_reader_open(&reader, pool, SERVICE, NULL);
		t_writer_open(&writer, pool, SERVICE, NULL);
		t_write(&writer, 100);
		held = t_read(&reader);
		CHECK_OK(zc_writer_acquire_block(writer.role, 100, &claimed, 0));
		if (!with_pool) {
			zc_writer_unregister(writer.role);
			zc_reader_unregister(reader.role);
		}
		t_pool_close(pool);
		ended_roles_refuse(writer.role, reader.role, claimed, held);
	}
}

static void arguments_without_sense_are_refused(void)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer = NULL;
	zc_reader_t *reader = NULL;
	uint32_t index = 7;

	CHECK_RESULT(zc_pool_open(t_name(0), NULL), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_register(pool, NULL, &writer), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_register(pool, NULL, &reader), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_register(pool, &writing, &writer),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_register(pool, &reading, &reader),
		     ZC_ERROR_INVALID);
	writing.service = reading.service = SERVICE;
	CHECK_RESULT(zc_writer_register(pool, &writing, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_register(pool, &reading, NULL),
		     ZC_ERROR_INVALID);
	writing.on_slow = (zc_on_slow_t)77;
	CHECK_RESULT(zc_writer_register(pool, &writing, &writer),
		     ZC_ERROR_INVALID);
	writing.on_slow = ZC_ON_SLOW_BLOCK;
	writing.lag_limit = 64;	/* not below the ring's entries */
	CHECK_RESULT(zc_writer_register(pool, &writing, &writer),
		     ZC_ERROR_INVALID);
	writing.lag_limit = 0;
	writing.history = 1U << 30;
	CHECK_RESULT(zc_writer_register(pool, &writing, &writer),
		     ZC_ERROR_INVALID);
	reading.max_holds = 1U << 20;
	CHECK_RESULT(zc_reader_register(pool, &reading, &reader),
		     ZC_ERROR_INVALID);
	CHECK(!writer && !reader);
	CHECK_RESULT(zc_wait_any(NULL, 1, &index, 0), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_wait_any(&reader, 0, &index, 0), ZC_ERROR_INVALID);
	CHECK_EQ(index, 7);
	zc_writer_unregister(NULL);
	zc_reader_unregister(NULL);
	zc_pool_close(NULL);
}

static void options_of_roles_grow(void)
{
	struct {
		zc_writer_options_t known;
		uint64_t later[3];
	} writing = { .known = ZC_WRITER_OPTIONS_INIT };
	struct {
		zc_reader_options_t known;
		uint64_t later[3];
	} reading = { .known = ZC_READER_OPTIONS_INIT };
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer = NULL;
	zc_reader_t *reader = NULL;

	writing.known.service = reading.known.service = SERVICE;
	reading.known.max_holds = 4;
	writing.known.sz = sizeof(writing);
	reading.known.sz = sizeof(reading);
	CHECK_OK(zc_writer_register(pool, &writing.known, &writer));
	CHECK_OK(zc_reader_register(pool, &reading.known, &reader));
	zc_writer_unregister(writer);
	zc_reader_unregister(reader);
	writer = NULL;
	reader = NULL;
	writing.later[2] = reading.later[2] = 1;
	CHECK_RESULT(zc_writer_register(pool, &writing.known, &writer),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_register(pool, &reading.known, &reader),
		     ZC_ERROR_INVALID);
	CHECK(!writer && !reader);
	/* Shorter structs: the rest counts as 0. */
	writing.known.sz = offsetof(zc_writer_options_t, quota_bytes);
	reading.known.sz = offsetof(zc_reader_options_t, spin_ns);
	CHECK_OK(zc_writer_register(pool, &writing.known, &writer));
	CHECK_OK(zc_reader_register(pool, &reading.known, &reader));
}

static void words_for_results_and_events(void)
{
	for (int r = ZC_OK; r >= ZC_ERROR_CLOSED; r--) {
		CHECK(*zc_strerror((zc_result_t)r));
		for (int q = ZC_OK; q > r; q--)
			CHECK(strcmp(zc_strerror((zc_result_t)q),
				     zc_strerror((zc_result_t)r)));
	}
	CHECK(zc_strerror((zc_result_t)-1000));
	CHECK(zc_strerror((zc_result_t)1000));
	for (int e = ZC_EVENT_MEMBER_JOINED; e <= ZC_EVENT_OVERFLOW; e++)
		CHECK(*zc_event_name((zc_event_type_t)e));
	CHECK(zc_event_name((zc_event_type_t)1000));
	CHECK(*zc_version());
	CHECK(zc_last_error());
}

static const struct t_case cases[] = {
	T_CASE(handle_ends_once),
	T_CASE(handle_forged_is_refused),
	T_CASE(handle_of_another_role_is_refused),
	T_CASE(handle_of_another_process_is_refused),
	T_CASE(handle_stays_stale_after_reuse),
	T_CASE(role_after_its_end_is_refused),
	T_CASE(arguments_without_sense_are_refused),
	T_CASE(options_of_roles_grow),
	T_CASE(words_for_results_and_events),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
