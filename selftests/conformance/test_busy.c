/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_busy.c - who is busy makes no system call: each one would end the case.
 */
#include "harness.h"

#define SERVICE "busy/test/one"
#define MESSAGES 20000

static void skip_if_sanitized(void)
{
	if (T_SANITIZED)
		t_skip("a sanitizer makes calls of its own");
}

static void open_roles(struct t_writer *writer, struct t_reader *reader,
		       const zc_writer_options_t *options)
{
	zc_pool_t *pool = t_pool_open();

	t_reader_open(reader, pool, SERVICE, NULL);
	reader->next = 1;
	t_writer_open(writer, pool, SERVICE, options);
}

/* Acquire, commit, poll, release, in one thread: nothing to wait for. */
static void goes_round(void *arg)
{
	const zc_writer_options_t *options = arg;
	struct t_writer writer;
	struct t_reader reader;

	open_roles(&writer, &reader, options);
	/* Round the memory once, so that every page is mapped. */
	for (int i = 0; i < 3000; i++) {
		t_write(&writer, 3000);
		t_read_many(&reader, 1);
	}
	t_refuse_all();
	t_srand(1);
	for (int i = 0; i < MESSAGES; i++) {
		t_write(&writer, t_rand_size(3000));
		t_read_many(&reader, 1);
	}
	t_say(t_parent(), "done");
	t_leave();
}

static void go_round(zc_writer_options_t *options)
{
	struct t_peer *child;

	skip_if_sanitized();
	t_pool_close(t_pool_create(NULL));
	child = t_spawn("busy", goes_round, options);
	t_hear(child, "done");
	t_join(child);
}

static void busy_round_makes_no_system_call(void)
{
	go_round(NULL);
}

static void busy_round_of_an_overwriting_topic_makes_no_system_call(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.overwrite = true;
	options.history = 8;
	go_round(&options);
}

static void writes_without_calls(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_refuse_all();
	/* Waiting would be a call: it asks again instead. */
	while (writer.next <= MESSAGES)
		t_try_write(&writer, 64, ZC_TIMEOUT_TRY);
	t_say(t_parent(), "done");
	for (;;)
		;
}

static void reads_without_calls(void *arg)
{
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	t_refuse_all();
	while (reader.next <= MESSAGES)
		if (t_try_read(&reader, &handle, ZC_TIMEOUT_TRY) == ZC_OK)
			t_release(&reader, handle);
	t_say(t_parent(), "done");
	for (;;)
		;
}

/* Two processes, both busy. A sleeper at another topic costs them nothing. */
static void sleeps_elsewhere(void *arg)
{
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "busy/test/two", NULL);
	t_say(t_parent(), "ready");
	t_try_read(&reader, &handle, ZC_TIMEOUT_FOREVER);
}

static void busy_pair_makes_no_system_call(void)
{
	struct t_peer *reader, *writer, *sleeper;

	skip_if_sanitized();
	reader = t_spawn("reader", reads_without_calls, NULL);
	writer = t_spawn("writer", writes_without_calls, NULL);
	sleeper = t_spawn("sleeper", sleeps_elsewhere, NULL);
	t_pool_close(t_pool_create(NULL));
	t_say(sleeper, "go");
	t_hear(sleeper, "ready");
	t_say(reader, "go");
	t_hear(reader, "ready");
	t_say(writer, "go");
	t_hear(reader, "done");
	t_hear(writer, "done");
	t_kill(writer);
	t_kill(reader);
	t_kill(sleeper);
}

static const struct t_case cases[] = {
	T_CASE(busy_round_makes_no_system_call),
	T_CASE(busy_round_of_an_overwriting_topic_makes_no_system_call),
	T_CASE(busy_pair_makes_no_system_call),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
