/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_soak.c - writers, readers, cleaners, growth, messages, checks and other pools at a
 * time; as processes, which are killed and stopped at random, and as threads of one.
 *
 * $ZC_SOAK_MINUTES: how long, in rounds of a pool each; else one short round, which ends
 * by counts. $ZC_SEED: which.
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "soak.h"

struct part {
	const char *name;
	soak_part_t run;
	uint32_t nr;
	bool mortal;
};

static const struct part parts[] = {
	{ "writer 0", soak_writes, 0, true },
	{ "writer 1", soak_writes, 1, true },
	{ "writer 2", soak_writes, 2, true },
	{ "writer 3", soak_writes, 3, true },
	{ "pulse", soak_pulse, 0, false },
	{ "listener", soak_listens, 0, false },
	{ "reader 0", soak_reads, 0, true },
	{ "reader 0 too", soak_reads, 0, true },
	{ "reader 1", soak_reads, 1, true },
	{ "reader 1 too", soak_reads, 1, true },
	{ "reader 2", soak_reads, 2, true },
	{ "reader 3", soak_reads, 3, true },
	{ "cleaner", soak_cleans, 0, true },
	{ "growth", soak_grows, 0, true },
	{ "node", soak_rings, 0, true },
	{ "node too", soak_rings, 0, true },
	{ "checker", soak_checks, 0, true },
	{ "maker", soak_makes, 0, true },
};

#define PARTS (sizeof(parts) / sizeof(*parts))
#define PULSE SOAK_TOPICS
#define LISTENER (PULSE + 1)

static struct t_peer *peer[PARTS], *command;
static bool stopped[PARTS];

/* Waits for @who, but not for ever. */
#define UNTIL(who, cond)                                                       \
	do {                                                                   \
		uint64_t end_ = zc_timestamp() + t_wait_ns();                  \
		while (!(cond)) {                                              \
			if (zc_timestamp() > end_)                             \
				T_FAIL("%s does not go on: %s", who, #cond);   \
			t_nap(__FILE__, __LINE__, #cond);                      \
		}                                                              \
	} while (0)

static zc_pool_options_t geometry(void)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = 2U << 20;
	options.segment_bytes = 512U << 10;
	options.max_bytes = 4U << 20;
	options.ring_entries = t_rand_below(2) ? 64 : 256;
	return options;
}

static void keeps(void *arg)
{
	zc_pool_options_t options;
	zc_pool_t *pool;

	(void)arg;
	t_srand(soak->seed);
	options = geometry();
	pool = t_pool_create(&options);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	t_pool_close(pool);
}

static void begin_round(uint64_t seed, uint64_t limit)
{
	memset(soak->seat, 0, sizeof(soak->seat));
	soak->seed = seed;
	soak->limit = limit;
	soak->writers_end = soak->end = 0;
	t_srand(seed);
}

static void raise_flag(uint32_t *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* Nobody is left: nothing may be damaged, nothing leaked, all memory be had. */
static void end_round(void)
{
	zc_result_t result = zc_pool_remove(t_name(1));
	zc_pool_t *pool;

	if (result != ZC_ERROR_NOT_FOUND)
		CHECK_OK(result);
	pool = t_pool_open();
	t_pool_check_left(pool);
	t_pool_acquire_all(pool, "soak/topic/0");
	t_pool_check_rest(pool);
	t_pool_register_all(pool);
	zc_pool_close(pool);
	t_pool_end();
}

/* --- processes ------------------------------------------------------------------------ */

static void lives(void *arg)
{
	const struct part *part = arg;
	struct soak_seat *seat = &soak->seat[part - parts];

	soak_sit(seat);
	part->run(seat, part->nr);
}

static void sit_down(uint32_t i)
{
	peer[i] = t_spawn(parts[i].name, lives, (void *)&parts[i]);
	stopped[i] = false;
}

/* The command's own cleaner, where it has been built. */
static void runs_command(void *arg)
{
	char path[PATH_MAX + 32];
	ssize_t nr = readlink("/proc/self/exe", path, PATH_MAX);

	(void)arg;
	CHECK(nr > 0);
	path[nr] = 0;
	for (int up = 0; up < 3 && strrchr(path, '/'); up++)
		*strrchr(path, '/') = 0;
	strcat(path, "/bin/zerocore");
	if (access(path, X_OK))
		return;
	execl(path, "zerocore", "clean", t_name(0), "--quiet", "--json",
	      "--timeout=3600s", (char *)NULL);
	T_FAIL("cannot run %s", path);
}

static void end_command(void)
{
	if (command && !command->gone) {
		t_kill_only(command);
		t_reap(command);
	}
	command = NULL;
}

static void go_on(uint32_t i)
{
	if (stopped[i])
		t_continue(peer[i]);
	stopped[i] = false;
}

static void all_are_there(void)
{
	for (uint32_t i = 0; i < PARTS; i++) {
		if (!t_ended(peer[i]))
			continue;
		t_reap(peer[i]);
		T_FAIL("%s ended by itself", parts[i].name);
	}
}

/* Whatever happened to one: messages come, and whoever is not stopped does something. */
static void others_go_on(bool all)
{
	uint64_t before[PARTS], arrived = soak_load(&soak->arrived);

	for (uint32_t i = 0; i < PARTS; i++)
		before[i] = soak_load(&soak->seat[i].steps);
	UNTIL("pulse", soak_load(&soak->arrived) > arrived || t_ended(peer[PULSE]) ||
	      t_ended(peer[LISTENER]));
	for (uint32_t i = 0; all && i < PARTS; i++)
		if (!stopped[i])
			UNTIL(parts[i].name, soak_load(&soak->seat[i].steps) > before[i] ||
			      t_ended(peer[i]));
	all_are_there();
}

static void one_event(uint64_t nr)
{
	uint32_t i = (uint32_t)t_rand_below(PARTS);
	uint64_t from, steps = t_rand_below(20), spin = t_rand_below(30000);

	if (!parts[i].mortal)
		return;
	if (stopped[i]) {
		go_on(i);
		return;
	}
	/* Anywhere: while it opens, registers, or is in full swing. */
	from = soak_load(&soak->seat[i].steps);
	UNTIL(parts[i].name, soak_load(&soak->seat[i].steps) >= from + steps ||
	      t_ended(peer[i]));
	while (spin--)
		__asm__ __volatile__("");
	all_are_there();
	switch (t_rand_below(8)) {
	case 0:
	case 1:
		t_stop(peer[i]);
		stopped[i] = true;
		break;
	case 2:
		end_command();
		command = t_spawn("command", runs_command, NULL);
		break;
	default:
		t_kill(peer[i]);
		sit_down(i);
	}
	others_go_on(nr % 16 == 0);
}

/* When no more happens; each round says how much does. */
static uint64_t until_ns = UINT64_MAX;

static uint64_t round_of_processes(uint64_t seed, uint64_t events)
{
	struct t_peer *keeper;
	uint64_t steps = 0;

	begin_round(seed, 0);
	keeper = t_spawn("keeper", keeps, NULL);
	t_hear(keeper, "ready");
	for (uint32_t i = 0; i < PARTS; i++)
		sit_down(i);
	/* The last round may be a shorter one: on a slow machine one takes an hour. */
	for (uint64_t nr = 0; nr < events && zc_timestamp() < until_ns; nr++)
		one_event(nr);
	for (uint32_t i = 0; i < PARTS; i++)
		go_on(i);
	others_go_on(true);
	raise_flag(&soak->writers_end);
	for (uint32_t i = 0; i < SOAK_WRITERS; i++)
		t_join(peer[i]);
	raise_flag(&soak->end);
	for (uint32_t i = SOAK_WRITERS; i < PARTS; i++)
		t_join(peer[i]);
	end_command();
	t_say(keeper, "end");
	t_join(keeper);
	end_round();
	for (uint32_t i = 0; i < PARTS; i++)
		steps += soak->seat[i].steps;
	return steps;
}

/* --- threads ---------------------------------------------------------------------------- */

static void *lives_here(void *arg)
{
	lives(arg);
	return NULL;
}

static uint64_t round_of_threads(uint64_t seed, uint64_t limit)
{
	zc_pool_options_t options;
	pthread_t thread[PARTS];
	uint64_t steps = 0;
	zc_pool_t *pool;

	begin_round(seed, limit);
	options = geometry();
	pool = t_pool_create(&options);
	/* The writers come last, and find somebody who listens. */
	for (uint32_t i = PARTS; i-- > 0;) {
		CHECK(!pthread_create(&thread[i], NULL, lives_here, (void *)&parts[i]));
		if (i == LISTENER)
			UNTIL(parts[i].name, soak_load(&soak->seat[i].steps));
	}
	/* The writers leave when they have written enough, the others then. */
	for (uint32_t i = 0; i < SOAK_WRITERS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	raise_flag(&soak->end);
	for (uint32_t i = SOAK_WRITERS; i < PARTS; i++)
		CHECK(!pthread_join(thread[i], NULL));
	t_pool_close(pool);
	end_round();
	for (uint32_t i = 0; i < PARTS; i++)
		steps += soak->seat[i].steps;
	return steps;
}

/* --- rounds ------------------------------------------------------------------------------- */

static void rounds(uint64_t (*round)(uint64_t seed, uint64_t much), uint64_t little,
		   uint64_t much)
{
	uint64_t minutes = getenv("ZC_SOAK_MINUTES") ? t_env("ZC_SOAK_MINUTES", 1) : 0;
	uint64_t end = zc_timestamp() + minutes * 60000000000ULL;
	uint64_t steps = 0, nr = 0, seed;

	if (minutes)
		until_ns = end;
	soak = t_shared(sizeof(*soak));
	t_on_fail(soak_report);
	seed = t_seed();
	/* A round's seed is the one that begins with it. */
	do {
		steps += round(seed + nr++, minutes ? much : little);
		if (minutes)
			t_note("round %llu: %llu steps", (unsigned long long)nr,
			       (unsigned long long)steps);
	} while (zc_timestamp() < end);
	t_note("%llu rounds, %llu steps: %llu messages, %llu by the pulse, %llu mails, %llu packets",
	       (unsigned long long)nr, (unsigned long long)steps,
	       (unsigned long long)soak->messages, (unsigned long long)soak->arrived,
	       (unsigned long long)soak->mails, (unsigned long long)soak->packets);
	t_note("%llu checks, %llu pools, %llu times segments came or went",
	       (unsigned long long)soak->checks, (unsigned long long)soak->pools,
	       (unsigned long long)soak->segments);
	CHECK_OP(soak->messages, >, 0);
	CHECK_OP(soak->arrived, >, 0);
}

static void soak_of_processes(void)
{
	rounds(round_of_processes, 60, 600);
}

static void soak_of_threads(void)
{
	rounds(round_of_threads, 1500, 20000);
}

static const struct t_case cases[] = {
	T_CASE(soak_of_processes),
	T_CASE(soak_of_threads),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
