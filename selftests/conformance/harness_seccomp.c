/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_seccomp.c - kernels and containers that refuse system calls.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "harness.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define LOAD_NUMBER                                                            \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define IF_CALL(number, action)                                                \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                   \
		BPF_STMT(BPF_RET | BPF_K, (action))
#define ELSE(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define NO_CALL ~0U

bool t_all_refused;

static void install(struct sock_filter *filter, unsigned short length)
{
	struct sock_fprog program = { .len = length, .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		t_skip("no seccomp filters here");
}

static void on_refused(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	T_FAIL("system call %d was made", info->si_syscall);
}

static void catch_refused(void)
{
	struct sigaction action = { .sa_sigaction = on_refused,
				    .sa_flags = SA_SIGINFO };

	if (sigaction(SIGSYS, &action, NULL))
		T_FAIL("sigaction failed");
}

void t_refuse(unsigned int which)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		IF_CALL(which & T_REFUSE_MEMBARRIER ? SYS_membarrier : NO_CALL,
			SECCOMP_RET_ERRNO | EPERM),
		ELSE(SECCOMP_RET_ALLOW),
	};

	if (which)
		install(filter, sizeof(filter) / sizeof(*filter));
}

void t_refuse_all(void)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		/* Where the clock cannot be read without one. */
		IF_CALL(SYS_clock_gettime, SECCOMP_RET_ALLOW),
		IF_CALL(SYS_exit, SECCOMP_RET_ALLOW),
		IF_CALL(SYS_exit_group, SECCOMP_RET_ALLOW),
		IF_CALL(SYS_rt_sigreturn, SECCOMP_RET_ALLOW),
		IF_CALL(SYS_write, SECCOMP_RET_ALLOW),
		ELSE(SECCOMP_RET_TRAP),
	};

	catch_refused();
	t_all_refused = true;
	install(filter, sizeof(filter) / sizeof(*filter));
}

void t_refuse_sleep(void)
{
	struct sock_filter filter[] = {
		LOAD_NUMBER,
		IF_CALL(SYS_futex_waitv, SECCOMP_RET_TRAP),
		IF_CALL(SYS_nanosleep, SECCOMP_RET_TRAP),
		IF_CALL(SYS_clock_nanosleep, SECCOMP_RET_TRAP),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 1, 0),
		ELSE(SECCOMP_RET_ALLOW),
		/* FUTEX_WAKE_BITSET is 10; its flags are above the lowest seven bits. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 127),
		IF_CALL(10, SECCOMP_RET_ALLOW),
		ELSE(SECCOMP_RET_TRAP),
	};

	catch_refused();
	install(filter, sizeof(filter) / sizeof(*filter));
}
