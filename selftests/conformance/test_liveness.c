/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_liveness.c - who is dead and who is not, where it is hard to tell:
 * forked children that keep every file open, daemons that close every file,
 * memory that is still in I/O.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "live/test/one"

static uint32_t members_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.members;
}

static void died_event(zc_pool_t *pool, pid_t pid)
{
	zc_event_t event = { .sz = sizeof(event) };

	do {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
	} while (event.type != ZC_EVENT_MEMBER_DIED ||
		 event.pid != (uint32_t)pid);
	CHECK_OP(event.blocks, >, 0);
	CHECK_OP(event.bytes, >, 0);
}

static void claims_and_forks(void *arg)
{
	struct t_writer writer;
	zc_handle_t handle;
	zc_pool_t *pool;
	pid_t pid;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 1000);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle, 0));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		/* Keeps every file of its parent's open, for ever. */
		for (;;)
			pause();
	}
	t_say_number(t_parent(), "forked", (uint64_t)pid);
	t_hear(t_parent(), "never");
}

static void forked_child_does_not_hide_a_death(void)
{
	struct t_peer *child = t_spawn("forker", claims_and_forks, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;
	pid_t orphan;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	orphan = (pid_t)t_hear_number(child, "forked");
	t_kill(child);
	died_event(pool, child->pid);
	CHECK(!kill(orphan, 0));
	CHECK_EQ(members_of(pool), 1);
	t_read_many(&reader, 3);
	t_reader_close(&reader);
	t_pool_acquire_all(pool, SERVICE);
	/* A grandchild of this case. */
	CHECK(!kill(orphan, SIGKILL));
}

struct board {
	uint64_t go;		/* messages that it may send */
	uint64_t sent;
	uint64_t ready;
	uint64_t end;
};

static uint64_t load(uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* What daemon(3) look-alikes do, with the pool already open. */
static void closes_all_files(void *arg)
{
	struct board *board = arg;
	struct t_writer writer;
	zc_handle_t claimed;
	zc_pool_t *pool;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 100);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &claimed, 0));
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	store(&board->ready, 1);
	while (!load(&board->end)) {
		T_UNTIL(load(&board->sent) < load(&board->go) ||
			load(&board->end));
		while (board->sent < load(&board->go)) {
			t_write(&writer, 100);
			store(&board->sent, board->sent + 1);
		}
	}
	/* What it claimed before is still its own. */
	t_commit(&writer, claimed);
	store(&board->sent, board->sent + 1);
	if (load(&board->end) == 1)
		zc_pool_close(pool);
	else
		for (;;)
			pause();
}

static void daemonised(bool killed)
{
	struct board *board = t_shared(sizeof(*board));
	struct t_peer *child = t_spawn("daemon", closes_all_files, board);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;

	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	T_UNTIL(load(&board->ready));
	t_read_many(&reader, 1);
	/* Every look at the pool is a chance to take it for dead. */
	for (uint64_t round = 1; round <= 60; round++) {
		store(&board->go, round);
		t_read_many(&reader, 1);
		t_pool_check(pool);
		CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_LIVE);
		CHECK_EQ(members_of(pool), 2);
	}
	store(&board->end, killed ? 2 : 1);
	t_read_many(&reader, 1);
	if (killed) {
		T_UNTIL(load(&board->sent) == 61);
		t_kill(child);
	} else {
		t_join(child);
	}
	T_UNTIL(members_of(pool) == 1);
	t_reader_close(&reader);
	t_pool_acquire_all(pool, SERVICE);
}

static void daemonised_member_is_not_declared_dead(void)
{
	daemonised(false);
}

static void daemonised_member_is_seen_to_die(void)
{
	daemonised(true);
}

static void *waits_for_ever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static void main_thread_ends(void *arg)
{
	struct t_writer writer;
	zc_pool_t *pool;
	pthread_t thread;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 100);
	CHECK(!pthread_create(&thread, NULL, waits_for_ever, NULL));
	t_say(t_parent(), "ready");
	pthread_exit(NULL);
}

/* A process whose first thread is gone shows as a zombie, and is alive. */
static void main_thread_gone_is_not_dead(void)
{
	struct t_peer *child = t_spawn("leaderless", main_thread_ends, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_reader reader;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 30; i++) {
		t_pool_check(pool);
		CHECK_EQ(members_of(pool), 2);
		CHECK_EQ(zc_reader_writer_state(reader.role), ZC_PEER_LIVE);
	}
	t_kill(child);
	T_UNTIL(members_of(pool) == 1);
	t_read_many(&reader, 1);
}

static void dies_with_io(void *arg)
{
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle, held;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle, 0));
	/* Over is over. */
	CHECK_OK(zc_writer_io_begin(writer.role, handle));
	CHECK_OK(zc_writer_io_end(writer.role, handle));
	t_commit(&writer, handle);
	held = t_read(&reader);
	CHECK_OK(zc_reader_io_begin(reader.role, held));
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle, 0));
	CHECK_OK(zc_writer_io_begin(writer.role, handle));
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "never");
}

/* The kernel may still write there: what is in I/O comes back later. */
static void memory_in_io_waits_in_quarantine(void)
{
	struct t_peer *child = t_spawn("writer", dies_with_io, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t begin;

	t_say(child, "go");
	t_hear(child, "ready");
	begin = zc_timestamp();
	t_kill(child);
	died_event(pool, child->pid);
	t_pool_acquire_all(pool, SERVICE);
	if (t_backend_is_shm())
		CHECK_OP(zc_timestamp() - begin, >=, 1000000000);
}

/* In a namespace of its own its number means nothing to the others. */
static void lives_in_a_container(void *arg)
{
	struct t_writer writer;
	zc_handle_t handle;
	zc_pool_t *pool;
	int told[2];
	pid_t pid;
	char byte;

	(void)arg;
	CHECK(!pipe(told));
	if (unshare(CLONE_NEWPID))
		t_skip("may not make a pid namespace");
	t_say(t_parent(), "willing");
	t_hear(t_parent(), "go");
	pid = fork();
	CHECK(pid >= 0);
	if (pid) {
		t_say_number(t_parent(), "inside", (uint64_t)pid);
		CHECK(write(told[1], "", 1) == 1);
		while (waitpid(pid, NULL, 0) < 0)
			;
		t_leave();
	}
	CHECK(getpid() == 1);
	CHECK(read(told[0], &byte, 1) == 1);
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 1000);
	CHECK_OK(zc_writer_acquire_block(writer.role, 5000, &handle, 0));
	t_say(t_parent(), "ready");
	for (;;)
		pause();
}

static void death_in_another_pid_namespace_is_seen(void)
{
	struct t_peer *child = t_spawn("container", lives_in_a_container, NULL);
	struct t_reader reader;
	zc_pool_t *pool;
	pid_t inside;

	t_hear(child, "willing");
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	t_say(child, "go");
	inside = (pid_t)t_hear_number(child, "inside");
	t_hear(child, "ready");
	t_pool_check(pool);
	CHECK_EQ(members_of(pool), 2);
	/* A grandchild of ours, by the number that it has out here. */
	CHECK(!kill(inside, SIGKILL));
	t_join(child);
	T_UNTIL(members_of(pool) == 1);
	t_read_many(&reader, 3);
	t_reader_close(&reader);
	t_pool_acquire_all(pool, SERVICE);
}

static void joins_with_a_number(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write(&writer, 100);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "never");
}

/* Slots come round: who has one now is never mistaken for who had it. */
static void member_slots_are_reused_after_each_death(void)
{
	enum { NR = 30 };
	struct t_peer *child[NR];
	zc_pool_t *pool;
	struct t_reader reader;

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("member", joins_with_a_number, NULL);
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	reader.next = 1;
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "go");
		t_hear(child[i], "ready");
		t_kill(child[i]);
		t_read_many(&reader, 1);
	}
	T_UNTIL(members_of(pool) == 1);
}

static const struct t_case cases[] = {
	T_CASE(forked_child_does_not_hide_a_death),
	T_CASE(daemonised_member_is_not_declared_dead),
	T_CASE(daemonised_member_is_seen_to_die),
	T_CASE(main_thread_gone_is_not_dead),
	T_CASE(memory_in_io_waits_in_quarantine),
	T_CASE(death_in_another_pid_namespace_is_seen),
	T_CASE(member_slots_are_reused_after_each_death),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
