/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_guard.c - leave the machine as it was: children, pools, priorities.
 */
#include "bench_run.h"

#include <zerocore/pool.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SCHED_RESET_ON_FORK
#define SCHED_RESET_ON_FORK 0x40000000
#endif

#define TURN_NAME "zerocore-bench"

static volatile sig_atomic_t guard_signal;
static int turn = -1;	/* held until the command ends, by it alone */
static struct sigaction saved_int, saved_term, saved_alrm;
static uint32_t depth;	/* of guards inside each other, at most two */
static struct itimerval outer;

static void on_signal(int number)
{
	guard_signal = number;
}

/*
 * Two benchmarks at the same time measure each other.  An abstract socket
 * name is a lock that leaves no file and goes with its process.
 */
static void wait_for_turn(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	bool said = false;

	if (turn >= 0)
		return;
	turn = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (turn < 0)
		return;
	memcpy(addr.sun_path + 1, TURN_NAME, sizeof(TURN_NAME) - 1);
	while (bind(turn, (struct sockaddr *)&addr,
		    offsetof(struct sockaddr_un, sun_path) +
			    sizeof(TURN_NAME)) != 0) {
		if (errno != EADDRINUSE || guard_signal != 0)
			return;
		if (!said)
			fputs("zerocore: another benchmark runs here; this one "
			      "waits for it to end\n", stderr);
		said = true;
		poll(NULL, 0, 100);
	}
}

void bench_guard_begin(uint32_t limit_s)
{
	struct itimerval timer = { .it_interval.tv_sec = 1,
				   .it_value.tv_sec = limit_s };
	struct sigaction sa;

	if (depth++ > 0) {
		setitimer(ITIMER_REAL, &timer, &outer);
		return;
	}
	/* No SA_RESTART: waitpid() and poll() come back to look at the flag;
	 * the timer repeats, in case it fires just before they sleep. */
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	guard_signal = 0;
	sigaction(SIGINT, &sa, &saved_int);
	sigaction(SIGTERM, &sa, &saved_term);
	sigaction(SIGALRM, &sa, &saved_alrm);
	wait_for_turn();
	setitimer(ITIMER_REAL, &timer, NULL);
}

void bench_guard_end(void)
{
	struct itimerval timer;

	if (--depth > 0) {
		/* Its own limit is over with it, and not the outer one's. */
		if (guard_signal == SIGALRM)
			guard_signal = 0;
		setitimer(ITIMER_REAL, &outer, NULL);
		return;
	}
	memset(&timer, 0, sizeof(timer));
	setitimer(ITIMER_REAL, &timer, NULL);
	sigaction(SIGINT, &saved_int, NULL);
	sigaction(SIGTERM, &saved_term, NULL);
	sigaction(SIGALRM, &saved_alrm, NULL);
}

int bench_guard_signal(void)
{
	return guard_signal;
}

/* A child outlives neither its parent nor the run; Ctrl-C is the parent's. */
void bench_child_init(int parent_pid)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent_pid)
		_exit(1);
	if (turn >= 0)
		close(turn);
}

bool bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool bench_realtime(bool children)
{
	struct sched_param param = { .sched_priority = 10 };
	int reset = children ? 0 : SCHED_RESET_ON_FORK;

	/* Round robin, not FIFO: two benchmarks at the same time would each
	 * wait for ever for the half that the other keeps from running. */
	return sched_setscheduler(0, SCHED_RR | reset, &param) == 0;
}

void bench_normal(void)
{
	struct sched_param param = { .sched_priority = 0 };

	(void)sched_setscheduler(0, SCHED_OTHER, &param);
}

void *bench_shared_map(size_t bytes, bool huge)
{
	void *addr = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (addr == MAP_FAILED) {
		fprintf(stderr,
			"zerocore: no %zu bytes of memory for the benchmark; "
			"ask for fewer --count, --reps or --footprint\n",
			bytes);
		exit(1);
	}
	/* As a pool does: where it is refused, small pages do as well. */
	if (huge)
		(void)madvise(addr, bytes, MADV_HUGEPAGE);
	return addr;
}

void bench_shared_unmap(void *addr, size_t bytes)
{
	munmap(addr, bytes);
}

/* The pid of the command: children call this with their parent's. */
static int command_pid;

void bench_pool_name(uint32_t index, char *name, size_t bytes)
{
	if (command_pid == 0)
		command_pid = (int)getpid();
	snprintf(name, bytes, "bench-%d-%u", command_pid, index);
}

void bench_pools_remove(void)
{
	char name[48];

	for (uint32_t i = 0; i < BENCH_POOLS_MAX; i++) {
		bench_pool_name(i, name, sizeof(name));
		(void)zc_pool_remove(name);
	}
}
