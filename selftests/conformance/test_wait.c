/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_wait.c - sleeping readers and writers are woken; event loops; kernels
 * and containers that refuse membarrier; signals.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

#define PING "wait/test/ping"
#define PONG "wait/test/pong"

struct rounds {
	uint64_t nr;
	uint64_t spin_ns;
	unsigned int refuse_here;	/* in the ponging child */
	unsigned int refuse_there;	/* in the pinging child */
	uint64_t slept;
};

static void open_pair(struct t_writer *writer, struct t_reader *reader,
		      const char *out, const char *in, uint64_t spin_ns)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool;

	t_hear(t_parent(), "open");
	pool = t_pool_open();
	options.max_holds = 2;
	options.spin_ns = spin_ns;
	t_reader_open(reader, pool, in, &options);
	t_writer_open(writer, pool, out, NULL);
	reader->next = 1;
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "go");
}

static void pings(void *arg)
{
	struct rounds *rounds = arg;
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;
	struct t_reader reader;

	t_refuse(rounds->refuse_there);
	open_pair(&writer, &reader, PING, PONG, rounds->spin_ns);
	for (uint64_t i = 0; i < rounds->nr; i++) {
		t_write(&writer, 64);
		t_read_many(&reader, 1);
	}
	CHECK_OK(zc_reader_get_stats(reader.role, &stats));
	rounds->slept = stats.sleeps;
}

static void pongs(void *arg)
{
	struct rounds *rounds = arg;
	struct t_writer writer;
	struct t_reader reader;

	t_refuse(rounds->refuse_here);
	open_pair(&writer, &reader, PONG, PING, rounds->spin_ns);
	for (uint64_t i = 0; i < rounds->nr; i++) {
		t_read_many(&reader, 1);
		t_write(&writer, 64);
	}
}

static uint64_t ping_pong(uint64_t nr, uint64_t spin_ns, unsigned int here,
			  unsigned int there)
{
	struct rounds *rounds = t_shared(sizeof(*rounds));
	struct t_peer *ping, *pong;

	rounds->nr = nr;
	rounds->spin_ns = spin_ns;
	rounds->refuse_here = here;
	rounds->refuse_there = there;
	ping = t_spawn("ping", pings, rounds);
	pong = t_spawn("pong", pongs, rounds);
	/* Children open it on their own: this process has no pool open. */
	t_pool_close(t_pool_create(NULL));
	t_say(ping, "open");
	t_say(pong, "open");
	t_hear(ping, "ready");
	t_hear(pong, "ready");
	t_say(ping, "go");
	t_say(pong, "go");
	t_join(ping);
	t_join(pong);
	return rounds->slept;
}

static void wait_spinning_sees_each_commit(void)
{
	ping_pong(3000, 0, 0, 0);
}

static void wait_sleeping_is_woken_by_each_commit(void)
{
	/* Hardly any spin: nearly every round sleeps. */
	CHECK_OP(ping_pong(1500, 1, 0, 0), >, 0);
}

static void sleeps_for_each(void *arg)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	uint64_t rounds = *(uint64_t *)arg;
	struct t_reader reader;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	options.spin_ns = 1;
	options.max_holds = 2;
	t_reader_open(&reader, pool, PING, &options);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (uint64_t i = 0; i < rounds; i++) {
		t_read_many(&reader, 1);
		t_say(t_parent(), "read");
	}
	CHECK_OK(zc_reader_get_stats(reader.role, &stats));
	CHECK_OP(stats.sleeps, >=, rounds);
	zc_pool_close(pool);
}

/*
 * Committed only when the reader is asleep.  Sleeps are slices: a reader that
 * is not woken comes back by itself, but so late that the deadline ends this.
 */
static void wait_asleep_is_woken_by_each_commit(void)
{
	uint64_t rounds = 1200;
	struct t_peer *child = t_spawn("sleeper", sleeps_for_each, &rounds);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct t_writer writer;

	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, PING, NULL);
	for (uint64_t i = 0; i < rounds; i++) {
		T_UNTIL(t_asleep(child));
		t_write(&writer, 64);
		t_hear(child, "read");
	}
	t_join(child);
	CHECK_OK(zc_writer_get_stats(writer.role, &stats));
	CHECK_OP(stats.wakes, >, rounds / 2);
}

static void wait_without_membarrier(void)
{
	ping_pong(100, 1, T_REFUSE_MEMBARRIER, T_REFUSE_MEMBARRIER);
}

static void wait_without_membarrier_on_one_side(void)
{
	ping_pong(100, 1, T_REFUSE_MEMBARRIER, 0);
}

struct burst {
	char service[24];
	uint64_t messages;
	unsigned int refuse;
};

static void writes_bursts(void *arg)
{
	struct burst *burst = arg;
	struct t_writer writer;
	zc_pool_t *pool;

	t_refuse(burst->refuse);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, burst->service, NULL);
	for (uint64_t i = 0; i < burst->messages; i++) {
		t_write(&writer, 1 + i % 2000);
		/* Lets the reader run dry, so that it sleeps. */
		if (i % 16 == 15)
			sched_yield();
	}
	t_say(t_parent(), "written");
	t_hear(t_parent(), "end");
}

static void waits_for_any(void *arg)
{
	enum { NR = 4 };
	struct burst *burst = arg;
	zc_reader_t *role[NR];
	struct t_reader reader[NR];
	uint64_t left = NR * burst[0].messages;
	zc_pool_t *pool;

	t_refuse(burst[0].refuse);
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	for (int i = 0; i < NR; i++) {
		t_reader_open(&reader[i], pool, burst[i].service, NULL);
		reader[i].next = 1;
		role[i] = reader[i].role;
	}
	t_say(t_parent(), "ready");
	while (left) {
		uint32_t index = UINT32_MAX;
		zc_handle_t handle;

		CHECK_OK(zc_wait_any(role, NR, &index, t_wait_ns()));
		CHECK_OP(index, <=, NR);
		if (index == NR)
			continue;
		CHECK_OK(t_try_read(&reader[index], &handle, 0));
		do {
			t_release(&reader[index], handle);
			left--;
		} while (t_try_read(&reader[index], &handle, 0) == ZC_OK);
	}
	for (int i = 0; i < NR; i++) {
		CHECK_EQ(reader[i].received, burst[0].messages);
		CHECK_EQ(reader[i].lost, 0);
	}
	t_say(t_parent(), "read");
	t_hear(t_parent(), "end");
}

static void wait_for_any(unsigned int refuse, uint64_t messages)
{
	enum { NR = 4 };
	struct burst *burst = t_shared(NR * sizeof(*burst));
	struct t_peer *writer[NR], *reader;

	for (int i = 0; i < NR; i++) {
		snprintf(burst[i].service, sizeof(burst[i].service),
			 "wait/any/%d", i);
		burst[i].messages = messages;
		burst[i].refuse = refuse;
		writer[i] = t_spawn(burst[i].service, writes_bursts, &burst[i]);
	}
	reader = t_spawn("reader", waits_for_any, burst);
	t_pool_close(t_pool_create(NULL));
	t_say(reader, "go");
	t_hear(reader, "ready");
	for (int i = 0; i < NR; i++)
		t_say(writer[i], "go");
	for (int i = 0; i < NR; i++)
		t_hear(writer[i], "written");
	t_hear(reader, "read");
	t_say(reader, "end");
	t_join(reader);
	for (int i = 0; i < NR; i++) {
		t_say(writer[i], "end");
		t_join(writer[i]);
	}
}

static void wait_any_wakes_for_each_writer(void)
{
	wait_for_any(0, 500);
}

static void wait_any_without_membarrier(void)
{
	wait_for_any(T_REFUSE_MEMBARRIER, 200);
}

static void wait_any_times_out(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader[3];
	zc_reader_t *role[3];
	uint32_t index = 77;
	zc_result_t result;
	uint64_t begin;

	for (int i = 0; i < 3; i++) {
		t_reader_open(&reader[i], pool, i ? PING : PONG, NULL);
		role[i] = reader[i].role;
	}
	CHECK_RESULT(zc_wait_any(role, 3, &index, 0), ZC_ERROR_TIMEOUT);
	begin = zc_timestamp();
	/* The pool may have news; but it runs out of them. */
	T_UNTIL((result = zc_wait_any(role, 3, &index, 3000000)) != ZC_OK);
	CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	CHECK_OP(zc_timestamp() - begin, >=, 3000000);
}

/*
 * The pool may change between a look and the wait that follows: for that it ends soon.
 * How often did it return before?
 */
static unsigned int waits_until(struct t_reader *reader, zc_peer_state_t state)
{
	unsigned int changes = 0;

	while (zc_reader_writer_state(reader->role) != state) {
		uint32_t index = 0;
		zc_result_t result = zc_wait_any(&reader->role, 1, &index, 100000000);

		CHECK(t_left_ns());
		if (result == ZC_ERROR_TIMEOUT)
			continue;
		CHECK_OK(result);
		CHECK_EQ(index, 1);
		changes++;
	}
	return changes;
}

/* A new writer, a death: the pool changed, though nothing can be read. */
static void wait_any_returns_when_the_pool_changes(void)
{
	enum { NR = 5 };
	struct burst burst = { .messages = 0 };
	struct t_peer *child[NR];
	unsigned int changes = 0;
	struct t_reader reader;
	zc_pool_t *pool;

	snprintf(burst.service, sizeof(burst.service), PING);
	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("writer", writes_bursts, &burst);
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, PING, NULL);
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "go");
		changes += waits_until(&reader, ZC_PEER_LIVE);
		t_hear(child[i], "written");
		t_kill(child[i]);
		changes += waits_until(&reader, ZC_PEER_NONE);
	}
	CHECK_OP(changes, >, 0);
}

/* As many as one thread may wait for: the last one is seen as well. */
static void wait_any_of_the_most(void)
{
	enum { NR = 127 };
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader[NR];
	struct t_writer writer[4];
	zc_reader_t *role[NR + 1];
	char name[32];

	for (int i = 0; i < NR; i++) {
		snprintf(name, sizeof(name), "wait/most/%d", i / 32);
		t_reader_open(&reader[i], pool, name, NULL);
		role[i] = reader[i].role;
	}
	role[NR] = role[0];
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "wait/most/%d", i);
		t_writer_open(&writer[i], pool, name, NULL);
	}
	for (int round = 0; round < 8; round++) {
		uint32_t index = NR;

		t_write(&writer[3 - round % 4], 100);
		while (index == NR)
			CHECK_OK(zc_wait_any(role, NR, &index, t_wait_ns()));
		CHECK_EQ(index / 32, 3 - round % 4);
		for (int i = 0; i < NR; i++)
			if (i / 32 == 3 - round % 4)
				t_read_many(&reader[i], 1);
	}
	CHECK_RESULT(zc_wait_any(role, NR + 1, NULL, 0), ZC_ERROR_INVALID);
}

static void wait_poll_times_out(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_reader reader;
	struct t_writer writer;
	zc_handle_t handle;
	uint64_t begin;

	options.spin_ns = 1;
	options.max_holds = 1;
	t_reader_open(&reader, pool, PING, &options);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			t_writer_open(&writer, pool, PING, NULL);
		if (i == 2)
			t_writer_close(&writer);
		begin = zc_timestamp();
		CHECK_RESULT(t_try_read(&reader, &handle, 2000000),
			     ZC_ERROR_TIMEOUT);
		CHECK_OP(zc_timestamp() - begin, >=, 2000000);
	}
}

/* An event loop sees each message by poll(2) on the descriptor. */
static void waits_by_fd(void *arg)
{
	struct burst *burst = arg;
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;
	int fd = -1, same = -1;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, burst->service, NULL);
	reader.next = 1;
	CHECK_OK(zc_reader_get_fd(reader.role, &fd));
	CHECK(fd >= 0);
	CHECK_OK(zc_reader_get_fd(reader.role, &same));
	CHECK_EQ(fd, same);
	t_say(t_parent(), "ready");
	while (reader.received < burst->messages) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		uint64_t count;
		int nr = poll(&pfd, 1, (int)(t_wait_ns() / 1000000));

		CHECK_EQ(nr, 1);
		CHECK(read(fd, &count, sizeof(count)) == sizeof(count) ||
		      errno == EAGAIN);
		while (t_try_read(&reader, &handle, 0) == ZC_OK)
			t_release(&reader, handle);
	}
	CHECK_EQ(reader.lost, 0);
	zc_pool_close(pool);
	t_say(t_parent(), "read");
	t_hear(t_parent(), "end");
}

static void wait_by_file_descriptor(void)
{
	struct burst *burst = t_shared(sizeof(*burst));
	struct t_peer *writer, *reader;

	snprintf(burst->service, sizeof(burst->service), PING);
	burst->messages = 1000;
	writer = t_spawn("writer", writes_bursts, burst);
	reader = t_spawn("reader", waits_by_fd, burst);
	t_pool_close(t_pool_create(NULL));
	t_say(reader, "go");
	t_hear(reader, "ready");
	t_say(writer, "go");
	t_hear(writer, "written");
	t_hear(reader, "read");
	t_say(writer, "end");
	t_say(reader, "end");
	t_join(writer);
	t_join(reader);
}

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void sleeps_through_signals(void *arg)
{
	struct sigaction action = { .sa_handler = on_signal };
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_reader reader;
	zc_handle_t handle;
	zc_pool_t *pool;

	(void)arg;
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	options.spin_ns = 1;
	options.max_holds = 2;
	t_reader_open(&reader, pool, PING, &options);
	reader.next = 1;
	t_say(t_parent(), "ready");
	for (int i = 0; i < 20; i++) {
		CHECK_OK(t_try_read(&reader, &handle, ZC_TIMEOUT_FOREVER));
		t_release(&reader, handle);
		t_say(t_parent(), "read");
	}
	t_hear(t_parent(), "signalled");
	CHECK_OP(signals, >, 0);
	zc_pool_close(pool);
}

static void wait_survives_signals(void)
{
	struct t_peer *child = t_spawn("reader", sleeps_through_signals, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;

	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, PING, NULL);
	for (int i = 0; i < 20; i++) {
		/* How many of them arrive does not matter. */
		for (int n = 0; n < 20; n++) {
			kill(child->pid, SIGUSR1);
			sched_yield();
		}
		t_write(&writer, 100);
		t_hear(child, "read");
	}
	t_say(child, "signalled");
	t_join(child);
}

static void waits_before_the_service_exists(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, PING, NULL);
	reader.next = 1;
	t_say(t_parent(), "ready");
	t_read_many(&reader, 5);
	zc_pool_close(pool);
}

static void wait_for_a_writer_that_comes_later(void)
{
	struct t_peer *child = t_spawn("early",
				       waits_before_the_service_exists, NULL);
	zc_pool_t *pool = t_pool_create(NULL);

	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 5; i++) {
		struct t_writer writer;

		t_writer_open(&writer, pool, PING, NULL);
		t_write(&writer, 100);
		t_writer_close(&writer);
	}
	t_join(child);
}

static const struct t_case cases[] = {
	T_CASE(wait_spinning_sees_each_commit),
	T_CASE(wait_sleeping_is_woken_by_each_commit),
	T_CASE(wait_asleep_is_woken_by_each_commit),
	T_CASE(wait_without_membarrier),
	T_CASE(wait_without_membarrier_on_one_side),
	T_CASE(wait_any_wakes_for_each_writer),
	T_CASE(wait_any_without_membarrier),
	T_CASE(wait_any_times_out),
	T_CASE(wait_any_of_the_most),
	T_CASE(wait_any_returns_when_the_pool_changes),
	T_CASE(wait_poll_times_out),
	T_CASE(wait_by_file_descriptor),
	T_CASE(wait_survives_signals),
	T_CASE(wait_for_a_writer_that_comes_later),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
