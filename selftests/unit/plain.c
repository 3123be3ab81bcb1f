/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * plain.c - runs the tests without Criterion, each in a process of its own.
 *
 * Where Criterion cannot: see unit.h.  What steps through functions is skipped
 * there.  Arguments: parts of the names to run.
 */
#include "unit.h"

#ifdef ZC_PLAIN
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct unit_test *const __start_unit_tests[];
extern const struct unit_test *const __stop_unit_tests[];

static bool wanted(const char *name, char **words)
{
	if (!*words)
		return true;
	for (; *words; words++)
		if (strstr(name, *words))
			return true;
	return false;
}

static bool run(const struct unit_test *test, u32 number)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		test->run();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		printf("not ok %u - %s # cannot be run\n", number, test->name);
		return false;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("ok %u - %s # SKIP\n", number, test->name);
	else
		printf("%sok %u - %s\n", status ? "not " : "", number,
		       test->name);
	return !status || (WIFEXITED(status) && WEXITSTATUS(status) == 77);
}

int main(int argc, char **argv)
{
	const struct unit_test *const *t;
	u32 number = 0;
	bool all = true;

	(void)argc;
	for (t = __start_unit_tests; t < __stop_unit_tests; t++)
		if (wanted((*t)->name, argv + 1))
			all &= run(*t, ++number);
	printf("1..%u\n", number);
	return all && number ? 0 : 1;
}
#endif
