/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_service.c - services: names, limits, who comes first, who takes over.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define SERVICE "service/test/one"

static zc_result_t try_writer(zc_pool_t *pool, const char *service,
			      zc_writer_t **out)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.service = service;
	return zc_writer_register(pool, &options, out);
}

static zc_result_t try_reader(zc_pool_t *pool, const char *service,
			      zc_reader_t **out)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.service = service;
	return zc_reader_register(pool, &options, out);
}

static void service_names_validated(void)
{
	static const char *const bad[] = {
		"", "a", "a/b", "a/b/", "/a/b", "//", "a//c", "a/b/c/",
		"/a/b/c", "a/b/c/d", "a b/c/d", "a/b/c\n", "a/b\t/c", "a/*/c",
		"a/b/c:d", "\xc3\xa4/b/c", "a/b/%s",
		"a/b/1234567890123456789012345678901234567890123456789012345678901234",
	};
	static const char *const good[] = {
		"a/b/c", "A-1/b_2/c.3", "0/0/0",
		"a/b/123456789012345678901234567890123456789012345678901234567890123",
	};
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer = NULL;
	zc_reader_t *reader = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_RESULT(try_writer(pool, bad[i], &writer),
			     ZC_ERROR_INVALID);
		CHECK_RESULT(try_reader(pool, bad[i], &reader),
			     ZC_ERROR_INVALID);
		CHECK(*zc_last_error());
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK_OK(try_writer(pool, good[i], &writer));
		CHECK_OK(try_reader(pool, good[i], &reader));
	}
}

/* Names that differ in one place only are different services. */
static void service_names_are_told_apart(void)
{
	static const char *const names[] = {
		"a/b/c", "a/b/C", "a/bc/c", "ab/b/c", "a.b/b/c", "a/b/cc",
		"b/a/c", "c/b/a",
		/* of one hash */
		"a/b/zkfeli", "a/b/ufxqpw",
	};
	enum { NR = sizeof(names) / sizeof(*names) };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer[NR];
	struct t_reader reader[NR];
	zc_handle_t handle;

	for (int i = 0; i < NR; i++) {
		t_writer_open(&writer[i], pool, names[i], NULL);
		t_reader_open(&reader[i], pool, names[i], NULL);
	}
	for (int i = 0; i < NR; i++)
		t_write_many(&writer[i], (uint64_t)i + 1, 100);
	for (int i = 0; i < NR; i++) {
		t_read_many(&reader[i], (uint64_t)i + 1);
		CHECK_RESULT(t_try_read(&reader[i], &handle, 0),
			     ZC_ERROR_TIMEOUT);
	}
}

static void service_limit_is_32(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer[32];
	struct t_reader reader;
	zc_writer_t *more = NULL;
	zc_reader_t *reads = NULL;
	uint32_t seen = 0;
	char name[32];

	for (int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "limit/%d/x", i);
		t_writer_open(&writer[i], pool, name, NULL);
		CHECK_OP(zc_writer_id(writer[i].role), <, 32);
		seen |= 1U << zc_writer_id(writer[i].role);
		t_write(&writer[i], 100);
	}
	CHECK_EQ(seen, UINT32_MAX);
	CHECK_RESULT(try_writer(pool, "limit/32/x", &more), ZC_ERROR_SLOTS);
	CHECK_RESULT(try_reader(pool, "limit/32/x", &reads), ZC_ERROR_SLOTS);
	CHECK(!more && !reads);
	/* A reader of a service that is there fits. */
	t_reader_open(&reader, pool, "limit/31/x", NULL);
	t_write(&writer[31], 100);
	t_read_many(&reader, 1);
	/* A service that nobody uses any more makes room for another name. */
	t_writer_close(&writer[7]);
	t_writer_open(&writer[7], pool, "limit/32/x", NULL);
	CHECK_RESULT(try_writer(pool, "limit/7/x", &more), ZC_ERROR_SLOTS);
	t_write(&writer[7], 100);
}

/* New names go on for ever, one after the other; unread messages or not. */
static void service_slots_are_reused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	char name[32];

	for (int i = 0; i < 100; i++) {
		struct t_writer writer;
		struct t_reader reader;

		snprintf(name, sizeof(name), "reuse/%d/x", i);
		t_reader_open(&reader, pool, name, NULL);
		t_writer_open(&writer, pool, name, NULL);
		reader.next = writer.next;
		t_write_many(&writer, 5, 100);
		t_read_many(&reader, 3);
		t_writer_close(&writer);
		t_reader_close(&reader);
	}
}

static void reads_as_one_of_many(void *arg)
{
	zc_pool_t *pool;
	struct t_reader reader;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say_number(t_parent(), "ready", zc_reader_id(reader.role));
	t_read_many(&reader, 200);
	t_say(t_parent(), "read");
	t_hear(t_parent(), "leave");
	zc_pool_close(pool);
	t_say(t_parent(), "left");
}

static void service_readers_limit_is_32(void)
{
	enum { NR = 32 };
	struct t_peer *child[NR];
	struct t_writer writer;
	struct t_reader reader;
	zc_reader_t *more = NULL;
	uint32_t seen = 0;
	zc_pool_t *pool;

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("reader", reads_as_one_of_many, NULL);
	pool = t_pool_create(NULL);
	for (int i = 0; i < NR; i++)
		t_say(child[i], "go");
	for (int i = 0; i < NR; i++) {
		uint64_t id = t_hear_number(child[i], "ready");

		CHECK_OP(id, <, 32);
		seen |= 1U << id;
	}
	CHECK_EQ(seen, UINT32_MAX);
	CHECK_RESULT(try_reader(pool, SERVICE, &more), ZC_ERROR_SLOTS);
	CHECK(!more);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 200, 1000);
	for (int i = 0; i < NR; i++)
		t_hear(child[i], "read");
	/* One leaves, one comes. */
	t_say(child[17], "leave");
	t_hear(child[17], "left");
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 201;
	t_write(&writer, 10);
	t_read_many(&reader, 1);
	for (int i = 0; i < NR; i++) {
		if (i != 17)
			t_say(child[i], "leave");
		t_join(child[i]);
	}
}

static void service_reader_may_come_first(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;
	struct t_writer writer;
	zc_handle_t handle;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_NONE);
	CHECK_RESULT(t_try_read(&reader, &handle, 0), ZC_ERROR_TIMEOUT);
	CHECK_RESULT(t_try_read(&reader, &handle, 1000000), ZC_ERROR_TIMEOUT);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_LIVE);
	t_write_many(&writer, 3, 100);
	t_read_many(&reader, 3);
	t_writer_close(&writer);
	CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_NONE);
}

static void writes_then_leaves(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_say(t_parent(), "ready");
	t_write_many(&writer, 7, 100);
	t_hear(t_parent(), "leave");
	t_writer_close(&writer);
	t_say(t_parent(), "left");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void service_has_one_writer(void)
{
	struct t_peer *child = t_spawn("writer", writes_then_leaves, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	zc_writer_t *second = NULL;

	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 10; i++)
		CHECK_RESULT(try_writer(pool, SERVICE, &second),
			     ZC_ERROR_BUSY);
	CHECK(!second);
	CHECK(*zc_last_error());
	t_say(child, "leave");
	t_hear(child, "left");
	CHECK_OK(try_writer(pool, SERVICE, &second));
	t_say(child, "end");
	t_join(child);
	CHECK_RESULT(try_writer(pool, SERVICE, &writer.role), ZC_ERROR_BUSY);
	zc_writer_unregister(second);
}

static void service_goes_on_with_the_next_writer(void)
{
	enum { NR = 3 };
	struct t_peer *child[NR];
	zc_pool_t *pool;
	struct t_reader reader;
	struct t_writer writer;

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("writer", writes_then_leaves, NULL);
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "go");
		t_hear(child[i], "ready");
		/* What its predecessors wrote is still unread. */
		t_say(child[i], "leave");
		t_hear(child[i], "left");
	}
	t_read_many(&reader, 10);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_EQ(writer.next, 7 * NR + 1);
	t_write_many(&writer, 30, 2000);
	t_read_many(&reader, 7 * NR - 10 + 30);
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "end");
		t_join(child[i]);
	}
}

static void service_changes_its_policy_with_its_writer(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_reader reader;
	struct t_writer writer;

	options.lag_limit = 4;
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 4, 100);
	CHECK(t_try_write(&writer, 100, 0) != ZC_OK);
	t_writer_close(&writer);
	options.lag_limit = 20;
	t_writer_open(&writer, pool, SERVICE, &options);
	t_write_many(&writer, 10, 100);
	reader.next = 1;
	t_read_many(&reader, 14);
}

static const struct t_case cases[] = {
	T_CASE(service_names_validated),
	T_CASE(service_names_are_told_apart),
	T_CASE(service_limit_is_32),
	T_CASE(service_slots_are_reused),
	T_CASE(service_readers_limit_is_32),
	T_CASE(service_reader_may_come_first),
	T_CASE(service_has_one_writer),
	T_CASE(service_goes_on_with_the_next_writer),
	T_CASE(service_changes_its_policy_with_its_writer),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
