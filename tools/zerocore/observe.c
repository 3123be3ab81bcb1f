/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * observe.c - look at a pool, whoever's it is.
 *
 * On plain shared memory its owner can cut the file while somebody looks: what is mapped
 * and not there is SIGBUS.  Then this look ends, and says of which pool.  The library was
 * left in the middle, perhaps with a lock: this process calls it no more, and a child has
 * each look that is still to come.
 */
#include "observe.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf lost;
static volatile sig_atomic_t looking;
static bool left_in_the_middle;

static void on_bus(int number)
{
	if (looking)
		siglongjmp(lost, 1);
	/* Not ours: it comes again at once. */
	signal(number, SIG_DFL);
}

static int fail(zc_result_t result, const char *name, const char *why,
		const struct observe *how)
{
	if (how->failed)
		return how->failed(result, name, why ? why : zc_last_error(), how->ctx);
	return why ? cli_error("%s", why) : cli_fail_pool(result, name);
}

static int look_at(const char *name, const struct observe *how)
{
	zc_open_options_t open = ZC_OPEN_OPTIONS_INIT;
	zc_result_t result;
	zc_pool_t *pool;
	int status;

	open.observe = true;
	result = zc_pool_open_with(name, &open, &pool);
	if (result)
		return fail(result, name, NULL, how);
	status = how->look(pool, name, how->ctx);
	zc_pool_close(pool);
	return status;
}

static int lose(const char *name, const struct observe *how)
{
	char why[200];

	left_in_the_middle = true;
	if (how->lost)
		how->lost();
	snprintf(why, sizeof(why), "pool %s has no memory where it says: its file was cut, "
		 "or its file system is full", name);
	return fail(ZC_ERROR_CORRUPT_POOL, name, why, how);
}

static int look_guarded(const char *name, const struct observe *how)
{
	struct sigaction action = { .sa_handler = on_bus }, before;
	int status;

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, &before);
	if (sigsetjmp(lost, 1)) {
		looking = 0;
		status = lose(name, how);
	} else {
		looking = 1;
		status = look_at(name, how);
		looking = 0;
	}
	sigaction(SIGBUS, &before, NULL);
	return status;
}

static int look_in_child(const char *name, const struct observe *how)
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		return cli_error("pool %s: cannot fork", name);
	if (!child) {
		status = look_guarded(name, how);
		if (fflush(stdout))
			status = CLI_FAILED;
		_exit(status);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return cli_error("pool %s: whoever looked at it was killed", name);
	return WEXITSTATUS(status);
}

int observe(const char *name, const struct observe *how)
{
	return left_in_the_middle ? look_in_child(name, how) : look_guarded(name, how);
}
