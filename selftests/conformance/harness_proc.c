/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_proc.c - children of a case: start, talk, stop, kill, wait.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define T_CHILDREN 512

/* Small enough for a pipe to take it whole. */
struct t_word {
	char word[24];
	uint64_t number;
};

static struct t_peer t_children[T_CHILDREN];
static unsigned int t_children_nr;
static struct t_peer t_up;
static bool t_is_child;

struct t_peer *t_parent(void)
{
	return t_is_child ? &t_up : NULL;
}

bool t_others_run(void)
{
	DIR *tasks = opendir("/proc/self/task");
	bool run = false;
	struct dirent *d;

	CHECK(tasks);
	while ((d = readdir(tasks))) {
		char path[300], state = 'S';
		FILE *file;

		if (d->d_name[0] == '.' || atoi(d->d_name) == gettid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", d->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		/* Names of threads have no ')' here. */
		if (fscanf(file, "%*[^)]) %c", &state) == 1 && state != 'S')
			run = true;
		fclose(file);
	}
	closedir(tasks);
	return run;
}

pid_t t_fork(void)
{
	while (T_SANITIZED && t_others_run() && t_left_ns())
		sched_yield();
	return fork();
}

static void t_become_child(const char *name, int in, int out, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* So that the end of a sibling is seen at once. */
	for (unsigned int i = 0; i < t_children_nr; i++) {
		close(t_children[i].in);
		close(t_children[i].out);
	}
	t_children_nr = 0;
	if (t_is_child) {
		close(t_up.in);
		close(t_up.out);
	}
	t_is_child = true;
	memset(&t_up, 0, sizeof(t_up));
	snprintf(t_up.name, sizeof(t_up.name), "%s", name);
	t_up.pid = parent;
	t_up.in = in;
	t_up.out = out;
}

struct t_peer *t_spawn(const char *name, void (*fn)(void *arg), void *arg)
{
	struct t_peer *child = NULL;
	pid_t parent = getpid();
	int down[2], up[2];

	for (unsigned int i = 0; i < t_children_nr && !child; i++)
		if (t_children[i].gone && t_children[i].in < 0)
			child = &t_children[i];
	if (!child) {
		CHECK(t_children_nr < T_CHILDREN);
		child = &t_children[t_children_nr++];
	}
	memset(child, 0, sizeof(*child));
	child->gone = true;
	child->in = child->out = -1;
	if (pipe(down) || pipe(up))
		T_FAIL("pipe: %s", strerror(errno));
	snprintf(child->name, sizeof(child->name), "%s", name);
	child->pid = fork();
	if (child->pid < 0)
		T_FAIL("fork: %s", strerror(errno));
	if (!child->pid) {
		close(down[1]);
		close(up[0]);
		t_become_child(name, down[0], up[1], parent);
		fn(arg);
		exit(0);
	}
	close(down[0]);
	close(up[1]);
	child->in = up[0];
	child->out = down[1];
	child->gone = false;
	return child;
}

static bool t_wait(struct t_peer *child, int flags)
{
	struct timespec ts = { 0, 100000 };

	while (t_left_ns()) {
		pid_t pid = waitpid(child->pid, &child->status, WNOHANG | flags);

		if (pid == child->pid)
			return true;
		if (pid < 0 && errno != EINTR)
			T_FAIL("waitpid(%s): %s", child->name, strerror(errno));
		nanosleep(&ts, NULL);
	}
	return false;
}

/* A child that skipped says so for the whole case. */
static void t_look_for_skip(struct t_peer *child)
{
	if (WIFEXITED(child->status) && WEXITSTATUS(child->status) == T_EXIT_SKIP)
		t_skip(NULL);
}

__attribute__((noreturn))
static void t_ended_early(struct t_peer *peer, const char *word)
{
	if (peer != &t_up && t_wait(peer, 0)) {
		peer->gone = true;
		t_look_for_skip(peer);
	}
	T_FAIL("%s ended before it said \"%s\"", peer->name, word);
}

void t_say_number(struct t_peer *peer, const char *word, uint64_t number)
{
	struct t_word w = { .number = number };
	ssize_t nr;

	snprintf(w.word, sizeof(w.word), "%s", word);
	do {
		nr = write(peer->out, &w, sizeof(w));
	} while (nr < 0 && errno == EINTR);
	if (nr != (ssize_t)sizeof(w))
		T_FAIL("cannot say \"%s\" to %s: %s", word, peer->name,
		       strerror(errno));
}

uint64_t t_hear_number(struct t_peer *peer, const char *word)
{
	struct t_word w;
	size_t have = 0;

	while (have < sizeof(w)) {
		struct pollfd pfd = { .fd = peer->in, .events = POLLIN };
		uint64_t left = t_left_ns();
		ssize_t nr;

		if (!left)
			T_FAIL("waited in vain for \"%s\" from %s", word,
			       peer->name);
		nr = poll(&pfd, 1, (int)(left / 1000000) + 1);
		if (nr <= 0)
			continue;
		nr = read(peer->in, (char *)&w + have, sizeof(w) - have);
		if (nr < 0 && errno == EINTR)
			continue;
		if (nr <= 0)
			t_ended_early(peer, word);
		have += (size_t)nr;
	}
	if (strncmp(w.word, word, sizeof(w.word)))
		T_FAIL("%s said \"%.24s\" (%llu), expected \"%s\"", peer->name,
		       w.word, (unsigned long long)w.number, word);
	return w.number;
}

void t_say(struct t_peer *peer, const char *word)
{
	t_say_number(peer, word, 0);
}

void t_hear(struct t_peer *peer, const char *word)
{
	t_hear_number(peer, word);
}

bool t_can_hear(struct t_peer *peer)
{
	struct pollfd pfd = { .fd = peer->in, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN);
}

static void t_forget(struct t_peer *child)
{
	child->gone = true;
	close(child->in);
	close(child->out);
	child->in = child->out = -1;
}

__attribute__((noreturn))
static void t_ended_by_signal(const struct t_peer *child)
{
	T_FAIL("%s was ended by signal %d (%s)", child->name,
	       WTERMSIG(child->status), strsignal(WTERMSIG(child->status)));
}

/* A child whose check failed, or that crashed, before the kill must not go unnoticed. */
static void t_look_at_death(const struct t_peer *child)
{
	if (WIFSIGNALED(child->status) && WTERMSIG(child->status) != SIGKILL)
		t_ended_by_signal(child);
	if (WIFEXITED(child->status) && WEXITSTATUS(child->status))
		T_FAIL("%s failed", child->name);
}

void t_join(struct t_peer *child)
{
	CHECK(!child->gone);
	if (!t_wait(child, 0))
		T_FAIL("%s did not end in time", child->name);
	t_forget(child);
	t_look_for_skip(child);
	if (WIFSIGNALED(child->status))
		t_ended_by_signal(child);
	t_look_at_death(child);
}

void t_kill_only(struct t_peer *child)
{
	CHECK(!child->gone);
	if (kill(child->pid, SIGKILL))
		T_FAIL("kill(%s): %s", child->name, strerror(errno));
}

void t_reap(struct t_peer *child)
{
	CHECK(!child->gone);
	if (!t_wait(child, 0))
		T_FAIL("%s did not die", child->name);
	t_forget(child);
	t_look_at_death(child);
}

void t_kill(struct t_peer *child)
{
	t_kill_only(child);
	t_reap(child);
}

bool t_stop_or_ended(struct t_peer *child)
{
	struct timespec ts = { 0, 100000 };

	CHECK(!child->gone);
	if (kill(child->pid, SIGSTOP))
		T_FAIL("kill(%s): %s", child->name, strerror(errno));
	while (t_left_ns()) {
		siginfo_t info = { .si_pid = 0 };

		/* An end is left to whoever reaps it. */
		if (waitid(P_PID, (id_t)child->pid, &info,
			   WEXITED | WSTOPPED | WNOHANG | WNOWAIT))
			T_FAIL("waitid(%s): %s", child->name, strerror(errno));
		if (info.si_pid == child->pid)
			return info.si_code == CLD_STOPPED && t_wait(child, WUNTRACED) &&
			       WIFSTOPPED(child->status);
		nanosleep(&ts, NULL);
	}
	T_FAIL("%s neither stopped nor ended", child->name);
}

void t_stop(struct t_peer *child)
{
	if (!t_stop_or_ended(child))
		T_FAIL("%s did not stop", child->name);
}

bool t_asleep(struct t_peer *child)
{
	char path[64], state = 0;
	FILE *file;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child->pid);
	file = fopen(path, "re");
	if (!file)
		T_FAIL("%s: %s", path, strerror(errno));
	/* The names of these programs have no ')'. */
	while ((c = fgetc(file)) != EOF && c != ')')
		;
	if (fscanf(file, " %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

bool t_ended(struct t_peer *child)
{
	siginfo_t info = { .si_pid = 0 };

	return child->gone ||
	       (!waitid(P_PID, (id_t)child->pid, &info,
			WEXITED | WNOHANG | WNOWAIT) &&
		info.si_pid == child->pid);
}

bool t_wait_stopped(struct t_peer *child)
{
	CHECK(!child->gone);
	if (!t_wait(child, WUNTRACED))
		T_FAIL("%s neither stopped nor ended", child->name);
	if (WIFSTOPPED(child->status))
		return true;
	t_forget(child);
	t_look_at_death(child);
	return false;
}

void t_continue(struct t_peer *child)
{
	CHECK(!child->gone);
	if (kill(child->pid, SIGCONT))
		T_FAIL("kill(%s): %s", child->name, strerror(errno));
}

void t_proc_end(void)
{
	for (unsigned int i = 0; i < t_children_nr; i++) {
		struct t_peer *child = &t_children[i];

		if (!child->gone) {
			kill(child->pid, SIGKILL);
			waitpid(child->pid, &child->status, 0);
			t_forget(child);
			if (WIFSIGNALED(child->status) &&
			    WTERMSIG(child->status) != SIGKILL)
				t_ended_by_signal(child);
		}
	}
}
