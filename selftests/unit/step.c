/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * step.c - stop or kill a function at each of its instructions.
 */
#include "step.h"

#if defined(__x86_64__) && !defined(ZC_TSAN)
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define STEP_TRAP_FLAG 0x100		/* in EFLAGS */

#if defined(__SANITIZE_ADDRESS__)
#define STEP_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define STEP_SANITIZED 1
#endif
#endif
#ifdef STEP_SANITIZED
/* Forks are dear there: a sample. */
#define STEP_PER_PLACE 1
#define STEP_SAMPLE 4U
#else
#define STEP_PER_PLACE 5
#define STEP_SAMPLE 1U
#endif

#define STEP_PLACES 32768U		/* a power of two, many more than needed */

static struct {
	const struct step_case *c;
	bool child;
	bool on;
	u32 tried;
	u32 failed_at;
	char why[512];
	struct {
		greg_t place;
		u32 nr;
	} places[STEP_PLACES];
} step;

/* Was this instruction tried often enough? */
static bool step_known(greg_t place)
{
	u32 i = (u32)((u64)place * 0x9e3779b97f4a7c15ULL >> 49);

	if (i % STEP_SAMPLE)
		return true;
	while (step.places[i].place && step.places[i].place != place)
		i = (i + 1) % STEP_PLACES;
	step.places[i].place = place;
	return ++step.places[i].nr > STEP_PER_PLACE;
}

/* Not in the middle of libc: a child could not use it then. */
static bool step_ours(greg_t place)
{
	extern const char __executable_start[], etext[];

	return place >= (greg_t)__executable_start && place < (greg_t)etext;
}

/*
 * Of the coverage build.  Who dies in the middle of a function is not counted: it
 * came in and took no branch, which would look like the branch that has no counter.
 */
int __llvm_profile_write_file(void) __attribute__((weak));

static void step_end(void)
{
	step.c->check(step.c->world);
	if (__llvm_profile_write_file && !step.c->dies)
		__llvm_profile_write_file();
	_exit(0);
}

/* In the parent: a child for the world as it is. Returns true in the child. */
static bool step_fork(void)
{
	int fds[2], status = 0;
	ssize_t got = 0;
	pid_t pid;

	step.tried++;
	if (pipe(fds) || (pid = fork()) < 0) {
		snprintf(step.why, sizeof(step.why), "cannot fork");
		return false;
	}
	if (!pid) {
		close(fds[0]);
		unit_fail_fd = fds[1];
		step.child = true;
		alarm(60);		/* a victim that spins for ever */
		if (step.c->rivals)
			step.c->rivals(step.c->world);
		if (step.c->dies)
			step_end();
		return true;
	}
	close(fds[1]);
	do
		got = read(fds[0], step.why, sizeof(step.why) - 1);
	while (got < 0 && errno == EINTR);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	step.why[got > 0 ? got : 0] = '\0';
	if (status && !step.why[0])
		snprintf(step.why, sizeof(step.why),
			 WIFSIGNALED(status) ? "signal %d" : "exit status %d",
			 WIFSIGNALED(status) ? WTERMSIG(status) :
					       WEXITSTATUS(status));
	if (step.why[0])
		step.failed_at = step.tried;
	return false;
}

static void step_trap(int signo, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	int saved = errno;

	(void)signo;
	if (info->si_code == SI_KERNEL) {
		/* int3: stepping begins, or ends. */
		step.on = !step.on && !step.child;
		if (step.on)
			regs[REG_EFL] |= STEP_TRAP_FLAG;
		else
			regs[REG_EFL] &= ~(greg_t)STEP_TRAP_FLAG;
		return;
	}
	/*
	 * A step, whatever the reason is called: under a hypervisor that catches
	 * the trap the processor's word for it (TRAP_TRACE) may be missing.
	 */
	if (!step.why[0] && step_ours(regs[REG_RIP]) &&
	    !step_known(regs[REG_RIP]) && step_fork())
		regs[REG_EFL] &= ~(greg_t)STEP_TRAP_FLAG;
	errno = saved;
}

static __attribute__((noinline)) void step_victim(void)
{
	__asm__ __volatile__("int3" ::: "memory");
	step.c->victim(step.c->world);
	__asm__ __volatile__("int3" ::: "memory");
	if (step.child)
		step_end();
}

u32 step_every(const struct step_case *c)
{
	struct sigaction action = { .sa_sigaction = step_trap,
				    .sa_flags = SA_SIGINFO };
	struct sigaction saved;

#ifdef STEP_SANITIZED
	if (c->allocates)
		unit_skip("a sanitizer's allocator is not to be stopped");
#endif
	memset(&step, 0, sizeof(step));
	step.c = c;
	must(!sigaction(SIGTRAP, &action, &saved));
	step_victim();
	must(!sigaction(SIGTRAP, &saved, NULL));
	if (step.why[0])
		unit_fail(__FILE__, __LINE__, "stopped at instruction %u: %s",
			  step.failed_at, step.why);
	must(step.tried > 1);
	return step.tried * STEP_SAMPLE;
}

#else

u32 step_every(const struct step_case *c)
{
	(void)c;
	unit_skip("needs a processor that can trap after each instruction");
}
#endif
