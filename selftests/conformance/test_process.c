/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_process.c - fork, exec, threads, exit without closing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "process/test/one"

static uint32_t members_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.members;
}

/* Waits for a forked child that speaks no protocol. */
static void wait_for(pid_t pid)
{
	int status = 0;

	CHECK(pid > 0);
	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* What a forked child may not do with its parent's roles. */
static void everything_says_forked(zc_pool_t *pool, zc_writer_t *writer,
				   zc_handle_t claimed, zc_reader_t *reader,
				   zc_handle_t held)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	zc_event_t event = { .sz = sizeof(event) };
	zc_writer_t *more_writer = NULL;
	zc_reader_t *more_reader = NULL;
	zc_handle_t handle = 0;
	uint32_t index;

	writing.service = reading.service = "process/test/new";
	CHECK_RESULT(zc_writer_acquire_block(writer, 100, &handle, 0),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_writer_commit_block(writer, claimed), ZC_ERROR_FORKED);
	CHECK_RESULT(zc_writer_cancel_block(writer, claimed), ZC_ERROR_FORKED);
	CHECK_RESULT(zc_reader_poll_block(reader, 0, &handle, 0),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_reader_poll_block(reader, 0, &handle,
					  ZC_TIMEOUT_FOREVER),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_reader_release_block(reader, held), ZC_ERROR_FORKED);
	CHECK_RESULT(zc_wait_any(&reader, 1, &index, ZC_TIMEOUT_FOREVER),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_writer_register(pool, &writing, &more_writer),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_reader_register(pool, &reading, &more_reader),
		     ZC_ERROR_FORKED);
	CHECK_RESULT(zc_pool_next_event(pool, &event, ZC_TIMEOUT_FOREVER),
		     ZC_ERROR_FORKED);
	CHECK(!handle && !more_writer && !more_reader);
	CHECK(*zc_last_error());
	/* The data is not mapped here, either: no pointer into it. */
	CHECK(!zc_writer_block_data(writer, claimed, NULL));
	CHECK(!zc_reader_block_data(reader, held, NULL));
}

static void fork_child_may_not_use_the_pool(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t claimed, held;
	pid_t pid;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 5, 1000);
	held = t_read(&reader);
	for (int round = 0; round < 3; round++) {
		CHECK_OK(zc_writer_acquire_block(writer.role, 1000, &claimed,
						 0));
		pid = t_fork();
		if (!pid) {
			everything_says_forked(pool, writer.role, claimed,
					       reader.role, held);
			/* Closing ends the child's copies, not the roles. */
			if (round == 0) {
				zc_writer_unregister(writer.role);
				zc_reader_unregister(reader.role);
				zc_pool_close(pool);
			}
			if (round == 1 && !T_SANITIZED)
				exit(0);
			t_leave();
		}
		wait_for(pid);
		CHECK_EQ(members_of(pool), 1);
		t_commit(&writer, claimed);
		t_read_many(&reader, 1);
	}
	t_release(&reader, held);
	t_read_many(&reader, 4);
	t_pool_check(pool);
}

/* A forked child that opens the pool anew is a member of its own. */
static void fork_child_may_open_it_anew(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	int ready[2];
	pid_t pid;
	char byte;

	CHECK(!pipe(ready));
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, "process/test/two", NULL);
	pid = t_fork();
	if (!pid) {
		zc_pool_t *mine = t_pool_open();
		struct t_writer other;
		struct t_reader from;

		CHECK(mine != pool);
		CHECK_EQ(members_of(mine), 2);
		t_writer_open(&other, mine, SERVICE, NULL);
		t_reader_open(&from, mine, "process/test/two", NULL);
		CHECK(write(ready[1], "x", 1) == 1);
		for (int i = 0; i < 500; i++) {
			t_write(&other, 1000);
			t_read_many(&from, 1);
		}
		zc_pool_close(mine);
		t_leave();
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	for (int i = 0; i < 500; i++) {
		t_read_many(&reader, 1);
		t_write(&writer, 1000);
	}
	wait_for(pid);
	T_UNTIL(members_of(pool) == 1);
}

static void exits(void *arg)
{
	int how = *(int *)arg;
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 4, 10000);
	t_read(&reader);
	CHECK_OK(zc_writer_acquire_block(writer.role, 100000, &handle, 0));
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	if (how == 0)
		exit(0);
	if (how == 1)
		_exit(0);
	zc_pool_close(pool);
}

static void exit_without_closing_gives_everything_back(void)
{
	static int how[] = { 0, 1, 2 };
	struct t_peer *child[3];
	zc_pool_t *pool;

	for (int i = 0; i < 3; i++)
		child[i] = t_spawn("leaver", exits, &how[i]);
	pool = t_pool_create(NULL);
	for (int i = 0; i < 3; i++) {
		t_say(child[i], "go");
		t_hear(child[i], "ready");
		t_say(child[i], "end");
		t_join(child[i]);
		T_UNTIL(members_of(pool) == 1);
		t_pool_acquire_all(pool, SERVICE);
	}
}

static void becomes_another_program(void *arg)
{
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_write_many(&writer, 3, 10000);
	t_read(&reader);
	CHECK_OK(zc_writer_acquire_block(writer.role, 100000, &handle, 0));
	/* cat ends when the other side of its pipe is closed. */
	CHECK(dup2(t_parent()->in, STDIN_FILENO) == STDIN_FILENO);
	CHECK(dup2(t_parent()->out, STDOUT_FILENO) == STDOUT_FILENO);
	t_say(t_parent(), "ready");
	execlp("cat", "cat", (char *)NULL);
	_exit(1);
}

/* exec ends the member, though the process lives. */
static void exec_ends_the_member(void)
{
	struct t_peer *child = t_spawn("exec", becomes_another_program, NULL);
	zc_pool_t *pool = t_pool_create(NULL);

	t_say(child, "go");
	t_hear(child, "ready");
	T_UNTIL(members_of(pool) == 1);
	t_pool_acquire_all(pool, SERVICE);
	/* It is there, and is another program now: it echoes. */
	t_say_number(child, "echo", 42);
	CHECK_EQ(t_hear_number(child, "echo"), 42);
	t_kill(child);
}

struct roles {
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t claimed, held;
};

static void *opens_roles(void *arg)
{
	struct roles *roles = arg;

	roles->pool = t_pool_create(NULL);
	t_reader_open(&roles->reader, roles->pool, SERVICE, NULL);
	t_writer_open(&roles->writer, roles->pool, SERVICE, NULL);
	t_write_many(&roles->writer, 2, 1000);
	roles->held = t_read(&roles->reader);
	CHECK_OK(zc_writer_acquire_block(roles->writer.role, 500,
					 &roles->claimed, 0));
	return NULL;
}

static void *uses_roles(void *arg)
{
	struct roles *roles = arg;

	t_commit(&roles->writer, roles->claimed);
	t_release(&roles->reader, roles->held);
	t_read_many(&roles->reader, 2);
	for (int i = 0; i < 100; i++) {
		t_write(&roles->writer, 5000);
		t_read_many(&roles->reader, 1);
	}
	return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, fn, arg));
	CHECK(!pthread_join(thread, NULL));
}

static void looks_on(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say_number(t_parent(), "members", members_of(pool));
	t_pool_check(pool);
	t_say_number(t_parent(), "members", members_of(pool));
	zc_pool_close(pool);
}

/* A member is a process: threads come and go, and hand roles on. */
static void thread_exit_ends_nothing(void)
{
	struct t_peer *child = t_spawn("onlooker", looks_on, NULL);
	struct roles roles = { 0 };

	in_a_thread(opens_roles, &roles);
	t_say(child, "go");
	CHECK_EQ(t_hear_number(child, "members"), 2);
	CHECK_EQ(t_hear_number(child, "members"), 2);
	t_join(child);
	in_a_thread(uses_roles, &roles);
	t_writer_close(&roles.writer);
	t_reader_close(&roles.reader);
}

static void *last_error_here(void *arg)
{
	zc_pool_t *pool = NULL;

	(void)arg;
	CHECK(!*zc_last_error());
	CHECK(zc_pool_open("-bad-", &pool) == ZC_ERROR_INVALID);
	CHECK(*zc_last_error());
	return NULL;
}

static void last_error_is_a_threads_own(void)
{
	zc_pool_t *pool = NULL;
	char mine[256];

	CHECK(!*zc_last_error());
	in_a_thread(last_error_here, NULL);
	CHECK(!*zc_last_error());
	CHECK_RESULT(zc_pool_open(t_name(7), &pool), ZC_ERROR_NOT_FOUND);
	strncpy(mine, zc_last_error(), sizeof(mine) - 1);
	mine[255] = 0;
	in_a_thread(last_error_here, NULL);
	CHECK(!strcmp(mine, zc_last_error()));
}

static int log_lines;

static void on_log(zc_log_level_t level, const char *message, void *ctx)
{
	CHECK(level >= ZC_LOG_ERROR && level <= ZC_LOG_DEBUG);
	CHECK(message && *message && message[strlen(message) - 1] != '\n');
	CHECK(ctx == &log_lines);
	__atomic_fetch_add(&log_lines, 1, __ATOMIC_SEQ_CST);
}

static void dies_soon(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "never");
	zc_pool_close(pool);
}

/* Something worth a line happens: a peer dies. */
static void something_happens(struct t_peer *peer)
{
	zc_pool_t *pool = t_pool_create(NULL);

	t_say(peer, "go");
	t_hear(peer, "ready");
	t_kill(peer);
	T_UNTIL(members_of(pool) == 1);
	t_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void log_is_silent_unless_asked_for(void)
{
	struct t_peer *peer[3];
	int err[2];
	char byte;

	for (int i = 0; i < 3; i++)
		peer[i] = t_spawn("mortal", dies_soon, NULL);
	CHECK(!pipe2(err, O_NONBLOCK));
	CHECK(dup2(err[1], STDERR_FILENO) == STDERR_FILENO);
	CHECK(!unsetenv("ZEROCORE_LOG"));
	something_happens(peer[0]);
	CHECK(read(err[0], &byte, 1) < 0 && errno == EAGAIN);
	/* To a function, and nowhere else. */
	zc_set_log(on_log, ZC_LOG_DEBUG, &log_lines);
	something_happens(peer[1]);
	CHECK_OP(__atomic_load_n(&log_lines, __ATOMIC_SEQ_CST), >, 0);
	CHECK(read(err[0], &byte, 1) < 0 && errno == EAGAIN);
	/* Back to the default. */
	zc_set_log(NULL, ZC_LOG_DEBUG, NULL);
	log_lines = 0;
	something_happens(peer[2]);
	CHECK_EQ(log_lines, 0);
	CHECK(read(err[0], &byte, 1) < 0 && errno == EAGAIN);
}

static void log_is_asked_for_by_the_environment(void)
{
	struct t_peer *peer = t_spawn("mortal", dies_soon, NULL);
	int err[2];
	char byte;

	CHECK(!pipe2(err, O_NONBLOCK));
	CHECK(dup2(err[1], STDERR_FILENO) == STDERR_FILENO);
	CHECK(!setenv("ZEROCORE_LOG", "debug", 1));
	something_happens(peer);
	CHECK_EQ(read(err[0], &byte, 1), 1);
}

static void log_that_there_is_not_is_told(void)
{
	char line[200] = "";
	int err[2];

	CHECK(!pipe2(err, O_NONBLOCK));
	CHECK(dup2(err[1], STDERR_FILENO) == STDERR_FILENO);
	CHECK(!setenv("ZEROCORE_LOG", "loud", 1));
	t_pool_create(NULL);
	CHECK_OP(read(err[0], line, sizeof(line) - 1), >, 0);
	CHECK(strstr(line, "ZEROCORE_LOG is loud"));
	/* Once. */
	CHECK(read(err[0], line, 1) < 0 && errno == EAGAIN);
}

static void takes_no_signals(void *arg)
{
	struct t_reader reader;
	sigset_t set;
	zc_pool_t *pool;
	int fd, sig;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, NULL));
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	CHECK_OK(zc_reader_get_fd(reader.role, &fd));
	t_say(t_parent(), "ready");
	for (int i = 0; i < 20; i++) {
		/* An unblocked one in a thread of the library's would kill. */
		CHECK(!sigwait(&set, &sig));
		t_say(t_parent(), "taken");
	}
	zc_pool_close(pool);
}

static void signals_are_left_to_the_program(void)
{
	struct t_peer *child = t_spawn("signalled", takes_no_signals, NULL);

	t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	for (int i = 0; i < 20; i++) {
		CHECK(!kill(child->pid, i % 2 ? SIGUSR1 : SIGUSR2));
		t_hear(child, "taken");
	}
	t_join(child);
}

static void crashes(void *arg)
{
	(void)arg;
	t_hear(t_parent(), "crash");
	abort();
}

/* How a case ends whose child crashed before it was killed, or looked for. */
static void crash_before(void (*end)(struct t_peer *child))
{
	pid_t pid = t_fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		struct t_peer *child;

		/* What it says is not this case's. */
		if (dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO) < 0)
			_exit(0);
		child = t_spawn("crash", crashes, NULL);
		t_say(child, "crash");
		T_UNTIL(t_ended(child));
		end(child);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		CHECK(errno == EINTR);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 1);
}

static void stops_or_ends(struct t_peer *child)
{
	t_wait_stopped(child);
}

static void is_left(struct t_peer *child)
{
	(void)child;
	t_proc_end();
}

static void crash_is_no_kill(void)
{
	crash_before(t_kill);
	crash_before(t_reap);
	crash_before(stops_or_ends);
	crash_before(is_left);
}

static const struct t_case cases[] = {
	T_CASE(fork_child_may_not_use_the_pool),
	T_CASE(fork_child_may_open_it_anew),
	T_CASE(exit_without_closing_gives_everything_back),
	T_CASE(exec_ends_the_member),
	T_CASE(thread_exit_ends_nothing),
	T_CASE(last_error_is_a_threads_own),
	T_CASE(log_is_silent_unless_asked_for),
	T_CASE(log_is_asked_for_by_the_environment),
	T_CASE(log_that_there_is_not_is_told),
	T_CASE(signals_are_left_to_the_program),
	T_CASE(crash_is_no_kill),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
