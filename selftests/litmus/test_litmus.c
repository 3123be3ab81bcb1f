// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_litmus.c - each pair of barriers, by two processors, some million times.
 *
 * litmus_table.h is made of the *.litmus files by convert.py: what herd7 is asked
 * about the language's model is here asked of the machine, by the functions that
 * the library uses.  Each comes as it is, where the forbidden outcome must never be
 * seen, and without its barriers, where it must be seen if this processor is one
 * that can: else the test could not fail.  x86 only delays stores behind loads, so
 * that what passes messages cannot fail here; see Documentation/memory-model.rst.
 *
 * The two pairs with membarrier are written out: no litmus language has it.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/atomic.h"

/* Instances of a test that go by at a time; each has its own variables. */
#define INSTANCES 4096U
#define VARIABLES 4
#define REGISTERS 4

/* One to a cache line, so that each is delayed by itself. */
struct variable {
	u64 value;
	u64 rest[7];
};

typedef void (*thread_fn)(struct variable *c, u64 *r);
typedef bool (*exists_fn)(const struct variable *c, u64 r[2][REGISTERS]);

struct litmus {
	const char *name;
	u64 init[VARIABLES];
	thread_fn strong[2];
	thread_fn weak[2];
	exists_fn exists;
};

static inline u64 strong_cas(u64 *p, u64 expected, u64 desired)
{
	return zc_cas64(p, &expected, desired);
}

/* What a compare-and-swap would be without being one. */
static inline u64 weak_cas(u64 *p, u64 expected, u64 desired)
{
	if (zc_load_relaxed(p) != expected)
		return 0;
	zc_store_relaxed(p, desired);
	return 1;
}

#include "litmus_table.h"

/* --- against a membarrier -------------------------------------------------------- */

static void membarrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
		abort();
}

/* [W1] head, then ticket; [F1] hold, then floor: the same shape. */
static void cheap_side(struct variable *c, u64 *r)
{
	zc_store_release(&c[0].value, 1);
	zc_fence_compiler();
	r[0] = zc_load_relaxed(&c[1].value);
}

static void dear_side(struct variable *c, u64 *r)
{
	zc_store_release(&c[1].value, 1);
	membarrier();
	r[0] = zc_load_acquire(&c[0].value);
}

static void dear_side_weak(struct variable *c, u64 *r)
{
	zc_store_release(&c[1].value, 1);
	zc_fence_compiler();
	r[0] = zc_load_acquire(&c[0].value);
}

static bool neither_saw(const struct variable *c, u64 r[2][REGISTERS])
{
	(void)c;
	return r[0][0] == 0 && r[1][0] == 0;
}

static const struct litmus with_membarrier[] = {
	{ "f1_hold_against_floor", { 0 }, { cheap_side, dear_side },
	  { cheap_side, dear_side_weak }, neither_saw },
	{ "w1_head_against_ticket", { 0 }, { cheap_side, dear_side },
	  { cheap_side, dear_side_weak }, neither_saw },
};

#ifdef __x86_64__
#define IS_X86 true
#else
#define IS_X86 false
#endif

/* Those that x86 fails without their barriers: a store, then a load. */
static const char *const shown_by_x86[] = {
	"f1_hold_against_floor", "w1_head_against_ticket", "n3_sleeper_against_sender",
	"r1_join_against_reclaim", "r4_hold_against_clean", "r5_below_against_hazard",
	"r5_below_against_taking", "v1_rivals_see_each_other", "v3_joiner_against_retirer",
	"w2_unfenced_against_ticket",
};

/* --- two processors ---------------------------------------------------------------- */

struct run {
	const struct litmus *test;
	const thread_fn *threads;
	u64 batches;
	struct variable *variables;
	u64 (*registers)[2][REGISTERS];
	u64 seen;
	u32 at[2];	/* batches that a thread is ready for */
};

static int processors[2];

static void pin(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Both get here before one goes on. */
static void meet(struct run *run, int me, u32 batch)
{
	u32 spins = 0;

	zc_store_release(&run->at[me], batch);
	while (zc_load_acquire(&run->at[!me]) < batch)
		if (++spins % 1024)
			zc_pause();
		else
			sched_yield();
}

static void set_up(struct run *run)
{
	u32 i, k;

	for (i = 0; i < INSTANCES; i++)
		for (k = 0; k < VARIABLES; k++)
			run->variables[i * VARIABLES + k].value = run->test->init[k];
	memset(run->registers, 0, INSTANCES * sizeof(*run->registers));
}

static void look(struct run *run)
{
	u32 i;

	for (i = 0; i < INSTANCES; i++)
		run->seen += run->test->exists(&run->variables[i * VARIABLES],
					       run->registers[i]);
}

static void go(struct run *run, int me)
{
	thread_fn fn = run->threads[me];
	u32 batch, i;

	pin(processors[me]);
	for (batch = 0; batch < run->batches; batch++) {
		if (!me) {
			if (batch)
				look(run);
			set_up(run);
		}
		meet(run, me, 2 * batch + 1);
		for (i = 0; i < INSTANCES; i++)
			fn(&run->variables[i * VARIABLES], run->registers[i][me]);
		meet(run, me, 2 * batch + 2);
	}
	if (!me)
		look(run);
}

static void *second(void *run)
{
	go(run, 1);
	return NULL;
}

static u64 run_test(const struct litmus *test, bool weak, u64 rounds)
{
	struct run run = {
		.test = test,
		.threads = weak ? test->weak : test->strong,
		.batches = rounds / INSTANCES,
	};
	pthread_t thread;

	run.variables = aligned_alloc(64, INSTANCES * VARIABLES * sizeof(struct variable));
	run.registers = malloc(INSTANCES * sizeof(*run.registers));
	if (!run.variables || !run.registers ||
	    pthread_create(&thread, NULL, second, &run)) {
		puts("Bail out! no memory or no thread");
		exit(1);
	}
	go(&run, 0);
	pthread_join(thread, NULL);
	free(run.variables);
	free(run.registers);
	return run.seen;
}

/* --- points ------------------------------------------------------------------------ */

static u32 points, failures;

static void point(bool ok, const char *name, const char *suffix)
{
	failures += !ok;
	printf("%sok %u - litmus_%s%s\n", ok ? "" : "not ", ++points, name, suffix);
	fflush(stdout);
}

static bool is_shown(const char *name)
{
	size_t i;

	if (!IS_X86)
		return false;
	for (i = 0; i < sizeof(shown_by_x86) / sizeof(*shown_by_x86); i++)
		if (!strcmp(name, shown_by_x86[i]))
			return true;
	return false;
}

static void check(const struct litmus *test, u64 rounds)
{
	u64 seen = run_test(test, false, rounds), tried = 0;

	if (seen)
		printf("# the forbidden outcome was seen %llu times in %llu rounds\n",
		       (unsigned long long)seen, (unsigned long long)rounds);
	point(!seen, test->name, "");
	if (!is_shown(test->name))
		return;
	/* Two threads must be at it at a time, which a busy machine may deny for long. */
	for (seen = 0; !seen && tried < 100 * rounds; tried += INSTANCES * 16)
		seen = run_test(test, true, INSTANCES * 16);
	printf("# without barriers: %llu times in %llu rounds\n",
	       (unsigned long long)seen, (unsigned long long)tried);
	point(seen, test->name, "_fails_without");
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	u64 rounds = getenv("ZC_TEST_LONG") ? 100000000 : 1000000;
	int i, found = 0;
	cpu_set_t set;
	size_t k;

	sched_getaffinity(0, sizeof(set), &set);
	for (i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET(i, &set))
			processors[found++] = i;
	if (found < 2) {
		puts("1..0 # SKIP two processors are needed, and this process may use one");
		return 0;
	}
	for (k = 0; k < sizeof(litmus_table) / sizeof(*litmus_table); k++)
		if (strstr(litmus_table[k].name, only))
			check(&litmus_table[k], rounds);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)) {
		printf("ok %u # SKIP this kernel has no membarrier: %s\n", ++points,
		       strerror(errno));
	} else {
		for (k = 0; k < sizeof(with_membarrier) / sizeof(*with_membarrier); k++)
			if (strstr(with_membarrier[k].name, only))
				check(&with_membarrier[k], rounds / 16);
	}
	printf("1..%u\n", points);
	return failures != 0;
}
