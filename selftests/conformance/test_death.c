/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_death.c - members that are killed with -9, one at a time: what they
 * held comes back, what they committed stays, and the others hear of it.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "death/test/one"

/* The next event of a type about a process; others are passed over. */
static zc_event_t event_about(zc_pool_t *pool, zc_event_type_t type, pid_t pid)
{
	zc_event_t event = { .sz = sizeof(event) };

	for (;;) {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		CHECK(event.type != ZC_EVENT_OVERFLOW);
		if (event.type == type && event.pid == (uint32_t)pid)
			return event;
	}
}

static void died_event(zc_pool_t *pool, pid_t pid, uint64_t blocks,
		       uint64_t bytes)
{
	zc_event_t event = event_about(pool, ZC_EVENT_MEMBER_DIED, pid);

	CHECK_OP(event.blocks, >=, blocks);
	CHECK_OP(event.bytes, >=, bytes);
	CHECK(*event.comm);
	CHECK(event.time_ns && event.time_ns <= zc_timestamp());
}

static void holds_blocks(void *arg)
{
	uint64_t nr = *(uint64_t *)arg;
	zc_pool_t *pool;
	struct t_reader reader;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	while (nr--)
		t_read(&reader);
	t_say(t_parent(), "holding");
	t_hear(t_parent(), "never");
}

static void death_of_a_reader_gives_its_holds_back(void)
{
	uint64_t nr = 8;
	struct t_peer *child = t_spawn("holder", holds_blocks, &nr);
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t segment = t_segment_bytes(pool);
	struct t_writer writer;
	struct t_reader other;
	zc_handle_t handle = 0;

	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&other, pool, SERVICE, NULL);
	other.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, nr + 5, 10000);
	t_hear(child, "holding");
	t_read_many(&other, nr);
	CHECK_RESULT(zc_writer_acquire_block(writer.role, segment, &handle, 0),
		     ZC_ERROR_NO_MEMORY);
	t_kill(child);
	died_event(pool, child->pid, nr, nr * 10000);
	/* The other reader loses nothing with it. */
	t_write_many(&writer, 10, 10000);
	t_read_many(&other, 15);
	CHECK_OK(zc_writer_acquire_block(writer.role, segment, &handle,
					 t_wait_ns()));
}

struct inflight {
	uint64_t committed;
	uint64_t claimed;
};

static void dies_while_writing(void *arg)
{
	struct inflight *nr = arg;
	zc_pool_t *pool;
	struct t_writer writer;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, nr->committed, 3000);
	for (uint64_t i = 0; i < nr->claimed; i++) {
		zc_handle_t handle;
		void *data;

		CHECK_OK(zc_writer_acquire_block(writer.role, 20000, &handle,
						 t_wait_ns()));
		data = zc_writer_block_data(writer.role, handle, NULL);
		memset(data, 0xee, 10000);
	}
	t_say(t_parent(), "holding");
	t_hear(t_parent(), "never");
}

static void death_of_a_writer_leaves_what_it_committed(void)
{
	struct inflight nr = { 10, 5 };
	struct t_peer *child = t_spawn("writer", dies_while_writing, &nr);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;
	struct t_writer next;
	zc_handle_t handle;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	t_hear(child, "holding");
	t_read_many(&reader, 3);
	t_kill(child);
	died_event(pool, child->pid, nr.claimed, nr.claimed * 20000);
	T_UNTIL(zc_reader_writer_state(reader.role) == ZC_PEER_NONE);
	t_read_many(&reader, 4);
	/* Its successor goes on where it was. */
	t_writer_open(&next, pool, SERVICE, NULL);
	CHECK_EQ(next.next, 11);
	t_write(&next, 100);
	t_read_many(&reader, 4);
	CHECK_RESULT(t_try_read(&reader, &handle, 0), ZC_ERROR_TIMEOUT);
	CHECK_OK(zc_writer_acquire_block(next.role, t_segment_bytes(pool),
					 &handle, t_wait_ns()));
}

/* The writer's successor is itself killed, again and again. */
static void death_of_each_successor_loses_nothing(void)
{
	enum { NR = 5 };
	struct inflight nr = { 6, 3 };
	struct t_peer *child[NR];
	struct t_reader reader;
	zc_pool_t *pool;

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("writer", dies_while_writing, &nr);
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "go");
		t_hear(child[i], "holding");
		t_kill(child[i]);
	}
	t_read_many(&reader, NR * 6);
	CHECK_EQ(reader.next, NR * 6 + 1);
	t_reader_close(&reader);
	t_pool_acquire_all(pool, SERVICE);
}

static void dies_at_its_quota(void *arg)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_pool_t *pool;
	struct t_writer writer;
	zc_result_t result;

	(void)arg;
	options.quota_bytes = 64U << 10;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, &options);
	while ((result = t_try_write(&writer, 4096, 0)) == ZC_OK)
		;
	CHECK_RESULT(result, ZC_ERROR_QUOTA);
	t_say_number(t_parent(), "full", writer.next - 1);
	t_hear(t_parent(), "never");
}

/* What is published is charged to the successor; what was not, to nobody. */
static void death_leaves_the_quota_right(void)
{
	struct t_peer *child = t_spawn("writer", dies_at_its_quota, NULL);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;
	struct t_writer next;
	uint64_t nr;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	nr = t_hear_number(child, "full");
	CHECK_OP(nr, >=, 8);
	t_kill(child);
	options.quota_bytes = 64U << 10;
	t_writer_open(&next, pool, SERVICE, &options);
	CHECK_EQ(next.next, nr + 1);
	CHECK_OK(zc_writer_get_stats(next.role, &stats));
	CHECK_OP(stats.held_bytes, >=, nr * 4096);
	CHECK_OP(stats.held_bytes, <=, options.quota_bytes);
	CHECK_RESULT(t_try_write(&next, 32768, 0), ZC_ERROR_QUOTA);
	t_read_many(&reader, nr);
	t_write(&next, 32768);
	t_read_many(&reader, 1);
	for (int i = 0; i < 200; i++) {
		t_write(&next, 4096);
		t_read_many(&reader, 1);
	}
	CHECK_OK(zc_writer_get_stats(next.role, &stats));
	CHECK_OP(stats.held_bytes, <=, options.quota_bytes);
	t_writer_close(&next);
}

static void waits_for_a_dead_writer(void *arg)
{
	zc_pool_t *pool;
	struct t_reader reader;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	/* Sleeps over the death of one writer and the birth of another. */
	t_read_many(&reader, 11);
	zc_pool_close(pool);
}

static void death_does_not_disturb_a_sleeping_reader(void)
{
	struct inflight nr = { 10, 1 };
	struct t_peer *reader = t_spawn("reader", waits_for_a_dead_writer, NULL);
	struct t_peer *first = t_spawn("first", dies_while_writing, &nr);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_say(reader, "go");
	t_hear(reader, "ready");
	t_say(first, "go");
	t_hear(first, "holding");
	t_kill(first);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 100);
	t_join(reader);
}

static void waits_for_room(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	while (t_try_write(&writer, 1000, 0) == ZC_OK)
		;
	t_say(t_parent(), "full");
	CHECK_OK(t_try_write(&writer, 1000, ZC_TIMEOUT_FOREVER));
	t_say(t_parent(), "written");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

/* (I5) Whoever waits for the dead one goes on. */
static void death_frees_a_writer_that_waits(void)
{
	uint64_t nr = 0;
	struct t_peer *reader = t_spawn("reader", holds_blocks, &nr);
	struct t_peer *writer = t_spawn("writer", waits_for_room, NULL);

	t_pool_create(NULL);
	t_say(reader, "go");
	t_hear(reader, "ready");
	t_hear(reader, "holding");
	t_say(writer, "go");
	t_hear(writer, "full");
	T_UNTIL(t_asleep(writer));
	CHECK(!t_can_hear(writer));
	t_kill(reader);
	t_hear(writer, "written");
	t_say(writer, "end");
	t_join(writer);
}

static void holds_and_writes(void *arg)
{
	const char *service = arg;
	zc_pool_t *pool;
	struct t_reader reader;
	struct t_writer writer;
	zc_handle_t handle;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, service, NULL);
	t_write_many(&writer, 5, 2000);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle,
					 t_wait_ns()));
	t_say(t_parent(), "ready");
	t_read(&reader);
	t_read(&reader);
	t_say(t_parent(), "holding");
	t_hear(t_parent(), "never");
}

static void death_of_several_at_once(void)
{
	enum { NR = 6 };
	static char names[NR][24];
	struct t_peer *child[NR];
	unsigned int heard = 0;
	zc_event_t event = { .sz = sizeof(event) };
	struct t_reader survivor;
	struct t_writer writer;
	zc_pool_t *pool;

	for (int i = 0; i < NR; i++) {
		strcpy(names[i], "death/several/0");
		names[i][14] = (char)('0' + i);
		child[i] = t_spawn(names[i], holds_and_writes, names[i]);
	}
	pool = t_pool_create(NULL);
	t_reader_open(&survivor, pool, SERVICE, NULL);
	survivor.next = 1;
	t_writer_open(&writer, pool, SERVICE, NULL);
	for (int i = 0; i < NR; i++)
		t_say(child[i], "go");
	for (int i = 0; i < NR; i++)
		t_hear(child[i], "ready");
	t_write_many(&writer, 4, 20000);
	for (int i = 0; i < NR; i++)
		t_hear(child[i], "holding");
	/* None of them is at work on the death of another when it dies. */
	for (int i = 0; i < NR; i++)
		t_stop(child[i]);
	for (int i = 0; i < NR; i++)
		t_kill_only(child[i]);
	/* Each of them is reported, and reported once. */
	while (heard != (1U << NR) - 1) {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		if (event.type != ZC_EVENT_MEMBER_DIED)
			continue;
		for (int i = 0; i < NR; i++)
			if (event.pid == (uint32_t)child[i]->pid) {
				CHECK(!(heard & 1U << i));
				heard |= 1U << i;
				CHECK_OP(event.blocks, >=, 3);
				CHECK_OP(event.bytes, >=, 2 * 20000 + 5000);
			}
	}
	for (int i = 0; i < NR; i++)
		t_reap(child[i]);
	t_read_many(&survivor, 4);
	t_writer_close(&writer);
	for (int i = 0; i < NR; i++) {
		struct t_writer next;

		t_writer_open(&next, pool, names[i], NULL);
		CHECK_EQ(next.next, 6);
		t_writer_close(&next);
	}
	t_pool_acquire_all(pool, SERVICE);
}

static void creates_and_dies(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;
	zc_handle_t handle;

	(void)arg;
	pool = t_pool_create(NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle, 0));
	t_say(t_parent(), "created");
	t_hear(t_parent(), "write");
	t_write_many(&writer, 2, 8000);
	t_say(t_parent(), "written");
	t_hear(t_parent(), "never");
}

/* Nobody is left; the next one who opens it finds everything in order. */
static void death_of_all_leaves_a_clean_pool(void)
{
	struct t_peer *creator = t_spawn("creator", creates_and_dies, NULL);
	struct t_peer *member[4];
	uint64_t nr = 2;
	zc_pool_t *pool;

	for (int i = 0; i < 4; i++)
		member[i] = t_spawn("member", holds_blocks, &nr);
	t_hear(creator, "created");
	for (int i = 0; i < 4; i++) {
		t_say(member[i], "go");
		t_hear(member[i], "ready");
	}
	t_say(creator, "write");
	t_hear(creator, "written");
	for (int i = 0; i < 4; i++)
		t_hear(member[i], "holding");
	t_kill_only(creator);
	for (int i = 0; i < 4; i++)
		t_kill_only(member[i]);
	t_reap(creator);
	for (int i = 0; i < 4; i++)
		t_reap(member[i]);
	pool = t_pool_open();
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, SERVICE);
	zc_pool_close(pool);
}

/* A zombie is dead, though its parent has not looked yet. */
static void death_of_an_unwaited_child_is_seen(void)
{
	uint64_t nr = 3;
	struct t_peer *child = t_spawn("holder", holds_blocks, &nr);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, nr, 1000);
	t_hear(child, "holding");
	t_kill_only(child);
	died_event(pool, child->pid, nr, nr * 1000);
	t_reap(child);
}

static void stopped_member_stops_nobody_and_may_be_killed(void)
{
	static char other[] = "death/test/three";
	struct t_peer *child = t_spawn("stopped", holds_and_writes, other);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer, elsewhere;
	struct t_reader reader;

	t_writer_open(&writer, pool, SERVICE, NULL);
	t_writer_open(&elsewhere, pool, "death/test/four", NULL);
	t_reader_open(&reader, pool, "death/test/four", NULL);
	reader.next = 1;
	t_say(child, "go");
	t_hear(child, "ready");
	t_write_many(&writer, 2, 1000);
	t_hear(child, "holding");
	t_stop(child);
	for (int i = 0; i < 2000; i++) {
		t_write(&elsewhere, 1 + (size_t)i * 7 % 20000);
		t_read_many(&reader, 1);
	}
	t_pool_check(pool);
	/* Stopped is not dead. */
	CHECK(kill(child->pid, 0) == 0);
	t_kill(child);
	died_event(pool, child->pid, 3, 5000 + 2 * 1000);
	t_writer_close(&elsewhere);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_acquire_all(pool, SERVICE);
}

static const struct t_case cases[] = {
	T_CASE(death_of_a_reader_gives_its_holds_back),
	T_CASE(death_of_a_writer_leaves_what_it_committed),
	T_CASE(death_of_each_successor_loses_nothing),
	T_CASE(death_leaves_the_quota_right),
	T_CASE(death_does_not_disturb_a_sleeping_reader),
	T_CASE(death_frees_a_writer_that_waits),
	T_CASE(death_of_several_at_once),
	T_CASE(death_of_all_leaves_a_clean_pool),
	T_CASE(death_of_an_unwaited_child_is_seen),
	T_CASE(stopped_member_stops_nobody_and_may_be_killed),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
