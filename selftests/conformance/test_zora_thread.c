/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_zora_thread.c - bound roles, and threads and processes that end.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "zora/thread/one"
#define TABLE "zora/thread/two"

static struct {
	zc_pool_t *pool;
	struct t_writer writer, other;
	zora_id_t w;
	zc_handle_t block;
} at;

static void begin(void)
{
	at.pool = t_pool_create(NULL);
	t_writer_open(&at.writer, at.pool, SERVICE, NULL);
	t_writer_open(&at.other, at.pool, TABLE, NULL);
	CHECK_OK(zc_writer_acquire_block(at.writer.role, 100, &at.block, 0));
}

static void finish(void)
{
	CHECK_OK(zc_writer_cancel_block(at.writer.role, at.block));
	t_writer_close(&at.writer);
	t_writer_close(&at.other);
	t_pool_check_rest(at.pool);
	t_pool_close(at.pool);
}

static void start(pthread_t *thread, void *(*fn)(void *))
{
	CHECK(!pthread_create(thread, NULL, fn, NULL));
}

static void join(pthread_t thread)
{
	CHECK(!pthread_join(thread, NULL));
}

static void run(void *(*fn)(void *))
{
	pthread_t thread;

	start(&thread, fn);
	join(thread);
}

/* --- the last that a thread does -------------------------------------------------------- */

static pthread_key_t late_key;
static unsigned int rounds;
static zc_result_t late[16];
static zora_id_t late_id;

/* In each round that there is, and so in the last. */
static void binds_late(void *arg)
{
	CHECK_OP(rounds, <, 16);
	pthread_setspecific(late_key, arg);
	late[rounds] = zora_register_writer(at.writer.role, &late_id);
	if (late[rounds] == ZC_OK)
		CHECK(zora_data(late_id, at.block));
	rounds++;
}

static void *binds_and_ends(void *arg)
{
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	CHECK(!pthread_setspecific(late_key, &late_key));
	return arg;
}

static void need_all_rounds(void)
{
#ifdef ZC_TSAN
	t_skip("ThreadSanitizer forgets a thread before its last round of destructors");
#endif
}

/* What is bound when the thread's ids have ended would never end. */
static void thread_that_ends_binds_nothing(void)
{
	zora_id_t id;

	need_all_rounds();
	begin();
	/* The library's key is older: its destructor runs first, in each round. */
	CHECK_OK(zora_register_writer(at.other.role, &id));
	CHECK(!pthread_key_create(&late_key, binds_late));
	for (int i = 0; i < 5000; i++) {
		rounds = 0;
		run(binds_and_ends);
		CHECK_OP(rounds, >, 1);
		for (unsigned int r = 0; r < rounds; r++)
			CHECK_RESULT(late[r], ZC_ERROR_THREAD);
	}
	CHECK_OK(zora_register_writer(at.writer.role, &id));
	CHECK(zora_data(id, at.block));
	CHECK(!zora_data(at.w, at.block));
	CHECK_RESULT(zora_error(), ZC_ERROR_CLOSED);
	finish();
}

static bool last_only;

static void binds_at_last(void *arg)
{
	CHECK_OP(rounds, <, 16);
	pthread_setspecific(late_key, arg);
	late[rounds] = ZC_ERROR_THREAD;
	if (++rounds == PTHREAD_DESTRUCTOR_ITERATIONS || !last_only)
		late[rounds - 1] = zora_register_writer(at.writer.role, &late_id);
}

static void *only_ends(void *arg)
{
	CHECK(!pthread_setspecific(late_key, &late_key));
	return arg;
}

/* A thread that never bound anything, until nobody could be told of its end. */
static void first_binding_in_the_last_round_holds_nobody_up(void)
{
	zc_result_t result;
	zora_id_t id, gone;

	need_all_rounds();
	begin();
	CHECK_OK(zora_register_writer(at.other.role, &id));
	CHECK(!pthread_key_create(&late_key, binds_at_last));
	for (int i = 0; i < 5000; i++) {
		last_only = i % 2;
		rounds = 0;
		run(only_ends);
		CHECK_EQ(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
	}
	gone = late_id;
	/* A thread that was joined may still be there for a moment, as the kernel sees it. */
	T_UNTIL((result = zora_register_writer(at.writer.role, &id)) != ZC_ERROR_BUSY);
	CHECK_OK(result);
	CHECK(id != gone && zora_data(id, at.block));
	CHECK(!zora_data(gone, at.block));
	CHECK_RESULT(zora_error(), ZC_ERROR_CLOSED);
	finish();
}

/* --- two threads at one id ---------------------------------------------------------------- */

static void *binds_for_a_while(void *arg)
{
	zora_id_t id;

	CHECK_OK(zora_register_writer(at.writer.role, &id));
	__atomic_store_n(&at.w, id, __ATOMIC_RELEASE);
	CHECK(zora_data(id, at.block));
	return arg;
}

/* Another thread looks at an id, and asks for its end, while its thread ends. */
static void id_ends_while_others_ask_for_it(void)
{
	int turns = T_SANITIZED ? 300 : 3000;
	pthread_t thread;

	begin();
	for (int i = 0; i < turns; i++) {
		zora_id_t id, was = at.w;
		zc_result_t result;

		start(&thread, binds_for_a_while);
		do {
			id = __atomic_load_n(&at.w, __ATOMIC_ACQUIRE);
			if (was)
				CHECK_RESULT(zora_unregister(was), ZC_ERROR_CLOSED);
		} while (id == was);
		do {
			CHECK(!zora_data(id, at.block));
			CHECK(zora_error() == ZC_ERROR_THREAD ||
			      zora_error() == ZC_ERROR_CLOSED);
			result = zora_unregister(id);
		} while (result == ZC_ERROR_THREAD);
		CHECK_RESULT(result, ZC_ERROR_CLOSED);
		join(thread);
	}
	finish();
}

static void *closes_the_role(void *arg)
{
	t_writer_close(&at.other);
	return arg;
}

/* A role is closed elsewhere while the thread that it is bound to unregisters it. */
static void id_ends_while_its_role_does(void)
{
	int turns = T_SANITIZED ? 100 : 1000;
	pthread_t thread;

	begin();
	for (int i = 0; i < turns; i++) {
		zc_result_t result;
		zora_id_t id;

		CHECK_OK(zora_register_writer(at.other.role, &id));
		start(&thread, closes_the_role);
		result = zora_unregister(id);
		CHECK(result == ZC_OK || result == ZC_ERROR_CLOSED);
		join(thread);
		t_writer_open(&at.other, at.pool, TABLE, NULL);
	}
	finish();
}

/* --- what is logged --------------------------------------------------------------------------- */

static unsigned int logged;

static void *binds_the_other(void *arg)
{
	zora_id_t id;

	CHECK_OK(zora_register_writer(at.other.role, &id));
	CHECK_OK(zora_unregister(id));
	return arg;
}

static void log_waits_for_a_thread(zc_log_level_t level, const char *text, void *ctx)
{
	(void)level;
	(void)ctx;
	if (!strstr(text, "bound to a thread already"))
		return;
	logged++;
	run(binds_the_other);
}

/* Whoever gets the lines may have to wait for a thread that binds. */
static void refusal_is_logged_without_a_lock(void)
{
	zora_id_t id;

	begin();
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	zc_set_log(log_waits_for_a_thread, ZC_LOG_DEBUG, NULL);
	CHECK_RESULT(zora_register_writer(at.writer.role, &id), ZC_ERROR_BUSY);
	zc_set_log(NULL, ZC_LOG_ERROR, NULL);
	CHECK_EQ(logged, 1);
	finish();
}

/* --- processes ---------------------------------------------------------------------------------- */

static unsigned int stop;
static uint64_t accesses;

static void *binds_on_and_on(void *arg)
{
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		zora_id_t id;

		CHECK_OK(zora_register_writer(at.other.role, &id));
		CHECK_OK(zora_unregister(id));
	}
	return arg;
}

/* The one thread of a child that was forked while another was binding. */
static void child_lives(zora_id_t mine)
{
	zora_id_t id;

	CHECK(!zora_data(mine, at.block));
	CHECK_RESULT(zora_error(), ZC_ERROR_CLOSED);
	CHECK_RESULT(zora_unregister(mine), ZC_ERROR_CLOSED);
	CHECK_RESULT(zora_register_writer(at.writer.role, &id), ZC_ERROR_FORKED);
	/* A sanitizer's runtime has locks of its own. */
	if (!T_SANITIZED) {
		zc_handle_t handle;
		struct t_writer writer;
		zc_pool_t *pool = t_pool_open();

		t_writer_open(&writer, pool, "zora/thread/child", NULL);
		CHECK_OK(zora_register_writer(writer.role, &id));
		/* More than what the parent has given away meanwhile. */
		CHECK_OP(id >> 18, >, (mine >> 18) + (1U << 20));
		CHECK_OK(zc_writer_acquire_block(writer.role, 100, &handle, 0));
		CHECK(zora_data(id, handle));
		CHECK(!zora_data(mine, handle));
		CHECK_RESULT(zora_error(), ZC_ERROR_CLOSED);
		CHECK_OK(zc_writer_cancel_block(writer.role, handle));
		t_writer_close(&writer);
		CHECK(!zora_data(id, handle));
		zc_pool_close(pool);
	}
}

static void *forks(void *arg)
{
	zora_id_t mine;

	CHECK_OK(zora_register_writer(at.writer.role, &mine));
	for (int i = 0; i < 100; i++) {
		pid_t pid = fork();
		int status;

		CHECK(pid >= 0);
		if (!pid) {
			if (i % 2)
				child_lives(mine);
			if (i % 4 < 2 || T_SANITIZED)
				t_leave();
			/* As any thread ends: this one has an id. */
			CHECK(!atexit(t_leave));
			return arg;
		}
		CHECK(waitpid(pid, &status, 0) == pid);
		CHECK_EQ(status, 0);
		CHECK(zora_data(mine, at.block));
	}
	return arg;
}

static void child_of_a_binding_process_starts_over(void)
{
	pthread_t binder;

	begin();
	start(&binder, binds_on_and_on);
	run(forks);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	join(binder);
	finish();
}

static unsigned int exiting;

/* After the library's own, which have the default priority. */
static __attribute__((destructor(101))) void last_of_all(void)
{
	uint64_t was = __atomic_load_n(&accesses, __ATOMIC_ACQUIRE);

	while (exiting && __atomic_load_n(&accesses, __ATOMIC_ACQUIRE) < was + 1000)
		sched_yield();
}

static void *accesses_until_the_end(void *arg)
{
	CHECK_OK(zora_register_writer(at.writer.role, &at.w));
	for (;;) {
		CHECK(zora_data(at.w, at.block));
		__atomic_add_fetch(&accesses, 1, __ATOMIC_RELEASE);
	}
	return arg;
}

static void exits(void *arg)
{
	pthread_t thread;

	(void)arg;
	begin();
	start(&thread, accesses_until_the_end);
	while (__atomic_load_n(&accesses, __ATOMIC_ACQUIRE) < 100)
		sched_yield();
	t_say(t_parent(), "exits");
	exiting = 1;
	exit(0);
}

/* A thread that is not asked goes on while its process exits. */
static void exit_takes_nothing_from_a_thread(void)
{
	struct t_peer *child = t_spawn("exits", exits, NULL);

	t_hear(child, "exits");
	t_join(child);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(thread_that_ends_binds_nothing),
		T_CASE(first_binding_in_the_last_round_holds_nobody_up),
		T_CASE(id_ends_while_others_ask_for_it),
		T_CASE(id_ends_while_its_role_does),
		T_CASE(refusal_is_logged_without_a_lock),
		T_CASE(child_of_a_binding_process_starts_over),
		T_CASE(exit_takes_nothing_from_a_thread),
		T_END
	};

	return t_main(argc, argv, cases);
}
