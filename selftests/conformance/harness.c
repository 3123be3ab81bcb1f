/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness.c - runs the cases one by one and cleans up behind each.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define T_CASE_SECONDS 60

static char t_dir[4096];
static char *t_skip_reason;	/* shared with the supervisor */
static uint64_t t_deadline_ns;
static __thread uint64_t t_random = 88172645463325252ULL;

static uint64_t t_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t t_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	char *end;
	uint64_t value;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || !value) {
		t_note("%s=%s is not a positive number", name, text);
		exit(2);
	}
	return value;
}

uint64_t t_left_ns(void)
{
	uint64_t now = t_now_ns();

	return now < t_deadline_ns ? t_deadline_ns - now : 0;
}

uint64_t t_wait_ns(void)
{
	return 30ULL * 1000000000ULL * t_env("ZC_TEST_SLOW", 1);
}

/* One write(2) a line: lines of several processes must not mix. */
static void t_print(int fd, const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];
	int at = snprintf(line, sizeof(line), "%s", prefix);
	int nr = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	size_t bytes;

	if (nr < 0)
		return;
	bytes = strnlen(line, sizeof(line) - 2);
	for (size_t i = 0; i < bytes; i++)
		if (line[i] == '\n')
			line[i] = ' ';
	line[bytes++] = '\n';
	while (write(fd, line, bytes) < 0 && errno == EINTR)
		;
}

void t_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t_print(STDOUT_FILENO, "# ", fmt, ap);
	va_end(ap);
}

static void (*t_fail_fn)(void);

void t_on_fail(void (*fn)(void))
{
	t_fail_fn = fn;
}

void t_fail(const char *file, int line, const char *fmt, ...)
{
	struct t_peer *parent = t_parent();
	const char *base = strrchr(file, '/');
	char where[256];
	va_list ap;

	snprintf(where, sizeof(where), "# %s:%d: [%s %d] ",
		 base ? base + 1 : file, line, parent ? parent->name : "case",
		 (int)getpid());
	va_start(ap, fmt);
	t_print(STDOUT_FILENO, where, fmt, ap);
	va_end(ap);
	if (t_fail_fn)
		t_fail_fn();
	if (*zc_last_error())
		t_note("  last error: %s", zc_last_error());
	_exit(1);
}

void t_fail_result(const char *file, int line, const char *call,
		   zc_result_t got, zc_result_t expected)
{
	t_fail(file, line, "%s: got %d (%s), expected %d (%s)", call, (int)got,
	       zc_strerror(got), (int)expected, zc_strerror(expected));
}

void t_skip(const char *why)
{
	if (why)
		snprintf(t_skip_reason, 200, "%s", why);
	t_proc_end();
	_exit(T_EXIT_SKIP);
}

/* Of the coverage build, which writes its counters at exit() else. */
int __llvm_profile_write_file(void) __attribute__((weak));

void t_leave(void)
{
	if (__llvm_profile_write_file && !t_all_refused)
		__llvm_profile_write_file();
	for (;;)
		syscall(SYS_exit_group, 0);
}

void t_nap(const char *file, int line, const char *cond)
{
	struct timespec ts = { 0, 100000 };

	if (!t_left_ns())
		t_fail(file, line, "did not become true in time: %s", cond);
	nanosleep(&ts, NULL);
}

bool t_backend_is_shm(void)
{
	const char *backend = getenv("ZEROCORE_BACKEND");

	if (backend && *backend)
		return !strcmp(backend, "shm");
	return access("/dev/zerocore", F_OK) != 0;
}

const char *t_folder(void)
{
	return t_dir;
}

void *t_shared(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		T_FAIL("mmap: %s", strerror(errno));
	return memory;
}

uint64_t t_seed(void)
{
	uint64_t seed = t_env("ZC_SEED", t_now_ns() ^ (uint64_t)getpid() << 40);

	t_note("seed: ZC_SEED=%llu", (unsigned long long)seed);
	return seed;
}

void t_srand(uint64_t seed)
{
	t_random = (seed ^ 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL | 1;
}

uint64_t t_rand(void)
{
	t_random ^= t_random << 13;
	t_random ^= t_random >> 7;
	t_random ^= t_random << 17;
	return t_random * 0x2545f4914f6cdd1dULL >> 11;
}

uint64_t t_rand_below(uint64_t limit)
{
	return t_rand() % limit;
}

size_t t_rand_size(size_t max)
{
	unsigned int bits = 0;
	size_t size;

	while (max >> bits)
		bits++;
	bits = (unsigned int)t_rand_below(bits);
	size = ((size_t)1 << bits) + t_rand_below((size_t)1 << bits);
	return size > max ? max : size;
}

/* Removes what is in a folder; returns how many things were there. */
static unsigned int t_sweep(const char *path, bool tell)
{
	DIR *dir = opendir(path);
	unsigned int nr = 0;
	struct dirent *entry;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		nr++;
		if (tell)
			t_note("left behind: %s", entry->d_name);
		if (unlinkat(dirfd(dir), entry->d_name, 0) &&
		    unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR))
			t_note("cannot remove %s: %s", entry->d_name,
			       strerror(errno));
	}
	closedir(dir);
	return nr;
}

/* Ends everything that the case started and that is still there. */
static void t_end_descendants(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
		 (int)getpid());
	for (;;) {
		FILE *file = fopen(path, "re");
		int pid, nr = 0;

		while (file && fscanf(file, "%d", &pid) == 1) {
			kill(pid, SIGKILL);
			nr++;
		}
		if (file)
			fclose(file);
		if (waitpid(-1, NULL, nr ? 0 : WNOHANG) < 0 && errno == ECHILD)
			return;
	}
}

bool t_long(void)
{
	const char *text = getenv("ZC_TEST_LONG");

	return text && *text && strcmp(text, "0");
}

static void t_run_case(const struct t_case *test)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	t_names_fix();
	test->run();
	t_proc_end();
	t_pool_end();
	exit(0);
}

/* Returns the exit status, or -1 when the case had to be killed. */
static int t_supervise(const struct t_case *test)
{
	uint64_t limit = T_CASE_SECONDS * 1000000000ULL *
			 t_env("ZC_TEST_SLOW", 1) * (t_long() ? 60 : 1);
	siginfo_t info;
	int status;
	pid_t pid;

	t_deadline_ns = t_now_ns() + limit;
	t_skip_reason[0] = 0;
	pid = fork();
	if (!pid)
		t_run_case(test);
	if (pid < 0) {
		t_note("fork: %s", strerror(errno));
		return -1;
	}
	setpgid(pid, pid);
	for (;;) {
		struct timespec ts = { 0, 500000 };

		memset(&info, 0, sizeof(info));
		if (!waitid(P_PID, (id_t)pid, &info,
			    WEXITED | WNOWAIT | WNOHANG) && info.si_pid)
			break;
		/* The case ends itself at its deadline, unless it hangs. */
		if (t_now_ns() > t_deadline_ns + 3000000000ULL) {
			t_note("%s hangs: killed", test->name);
			kill(pid, SIGKILL);
		}
		nanosleep(&ts, NULL);
	}
	/* The group's leader is still a zombie: its number is still ours. */
	kill(-pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	t_end_descendants();
	if (WIFSIGNALED(status)) {
		t_note("%s ended by signal %d (%s)", test->name,
		       WTERMSIG(status), strsignal(WTERMSIG(status)));
		return -1;
	}
	return WEXITSTATUS(status);
}

static bool t_wanted(const char *name, int argc, char **argv)
{
	if (argc < 2)
		return true;
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return false;
}

static void t_on_signal(int sig)
{
	t_sweep(t_dir, false);
	rmdir(t_dir);
	_exit(128 + sig);
}

static int t_make_folder(void)
{
	const char *base = getenv("ZEROCORE_DIR");

	snprintf(t_dir, sizeof(t_dir), "%s/zerocore-test-XXXXXX",
		 base && *base ? base : "/dev/shm");
	if (!mkdtemp(t_dir)) {
		t_note("cannot make %s: %s", t_dir, strerror(errno));
		return -1;
	}
	/* Cases drop their rights: others must be able to get in. */
	chmod(t_dir, 01777);
	return setenv("ZEROCORE_DIR", t_dir, 1);
}

int t_main(int argc, char **argv, const struct t_case *cases)
{
	unsigned int nr = 0, at = 0, failed = 0;

	for (const struct t_case *test = cases; test->name; test++)
		nr += t_wanted(test->name, argc, argv);
	dprintf(STDOUT_FILENO, "1..%u\n", nr);
	t_skip_reason = t_shared(4096);
	if (t_make_folder())
		return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGINT, t_on_signal);
	signal(SIGTERM, t_on_signal);
	for (const struct t_case *test = cases; test->name; test++) {
		int status;

		if (!t_wanted(test->name, argc, argv))
			continue;
		at++;
		status = t_supervise(test);
		if (status && status != T_EXIT_SKIP && getenv("ZC_TEST_KEEP")) {
			t_note("its pools are kept: ZEROCORE_DIR=%s", t_dir);
			dprintf(STDOUT_FILENO, "not ok %u - %s\nBail out!\n",
				at, test->name);
			return 1;
		}
		if (t_sweep(t_dir, true) && !status)
			status = -1;
		if (status == T_EXIT_SKIP) {
			dprintf(STDOUT_FILENO, "ok %u - %s # SKIP %s\n", at,
				test->name, t_skip_reason);
			continue;
		}
		failed += status != 0;
		dprintf(STDOUT_FILENO, "%sok %u - %s\n", status ? "not " : "",
			at, test->name);
	}
	rmdir(t_dir);
	return failed ? 1 : 0;
}
