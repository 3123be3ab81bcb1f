/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_recovery.c - "zerocore bench recovery": kill -9, and then?
 *
 * Three moments of each kill are reported.  Kill: the signal is sent.  Dead:
 * the kernel closes the victim's files, which is what drops its record lock
 * (seen as end-of-file on a pipe that the victim opened before its pool, so a
 * little before the lock is gone).  Free: another process has acquired every
 * block of the pool.  From kill to dead is the kernel's own teardown; from dead
 * to free is ours.
 */
#include "bench_recovery.h"
#include "bench_clock.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define RANDOM_KILL_NS 4000000	/* longest life in --random */

void recovery_enter(struct recovery *rc, uint64_t kill,
		    enum recovery_stage stage)
{
	uint32_t step = (uint32_t)(kill * RECOVERY_STAGES + stage);

	__atomic_store_n(&rc->step, step, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &rc->step, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool recovery_reached(const struct recovery *rc, uint64_t kill,
		      enum recovery_stage stage)
{
	uint32_t step = (uint32_t)(kill * RECOVERY_STAGES + stage);

	/* As a difference: with many kills the step wraps. */
	return (int32_t)(__atomic_load_n(&rc->step, __ATOMIC_SEQ_CST) - step) >=
	       0;
}

bool recovery_wait(struct recovery *rc, uint64_t kill,
		   enum recovery_stage stage, uint64_t limit_ns)
{
	struct timespec slice = { .tv_nsec = 50000000 };
	uint64_t deadline = bench_now_ns() + limit_ns;

	for (;;) {
		uint32_t seen = __atomic_load_n(&rc->step, __ATOMIC_SEQ_CST);

		if (recovery_reached(rc, kill, stage))
			return true;
		if (__atomic_load_n(&rc->failed, __ATOMIC_RELAXED) ||
		    bench_guard_signal() != 0 || bench_now_ns() > deadline)
			return false;
		syscall(SYS_futex, &rc->step, FUTEX_WAIT, seen, &slice, NULL,
			0);
	}
}

void recovery_fail(struct recovery *rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (__atomic_exchange_n(&rc->failed, 1, __ATOMIC_ACQ_REL) == 0)
		vsnprintf(rc->error, sizeof(rc->error), fmt, ap);
	va_end(ap);
	_exit(1);
}

void recovery_zc_fail(struct recovery *rc, const char *what, zc_result_t result)
{
	recovery_fail(rc, "%s: %s: %s", what, zc_strerror(result),
		      zc_last_error());
}

static void note(struct recovery *rc, const char *error)
{
	if (rc->error[0] == '\0')
		snprintf(rc->error, sizeof(rc->error), "%s", error);
}

/* Waits until the other end of the pipe is gone. */
static void wait_hangup(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (poll(&pfd, 1, -1) < 0 && errno == EINTR)
		;
}

static uint32_t sample(uint64_t from_ns, uint64_t to_ns)
{
	double units = to_ns > from_ns ? (double)(to_ns - from_ns) / RECOVERY_UNIT_NS : 0;

	return units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
}

static pid_t fork_victim(struct recovery *rc, uint64_t kill, int *fd)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		recovery_victim(rc, kill);
	}
	close(ends[1]);
	if (pid < 0)
		close(ends[0]);
	*fd = ends[0];
	return pid;
}

/* Until the moment has come to kill it. */
static bool live(struct recovery *rc, uint64_t number, uint64_t *random)
{
	uint64_t r = recovery_random(random);
	struct timespec life = { .tv_nsec = (long)(r % RANDOM_KILL_NS) };

	if (!rc->random)
		return recovery_wait(rc, number, RECOVERY_FULL,
				     RECOVERY_PATIENCE_NS);
	/* One in four dies while it opens the pool, or joins. */
	if ((r >> 32) % 4 != 0 &&
	    !recovery_wait(rc, number, RECOVERY_READY, RECOVERY_PATIENCE_NS))
		return false;
	nanosleep(&life, NULL);
	return true;
}

/* One victim from birth to death. */
static bool kill_one(struct recovery *rc, uint64_t number, uint64_t *random,
		     const struct recovery_samples *samples)
{
	uint64_t kill_ns, dead_ns, free_ns;
	int fd, status;
	bool ready;
	pid_t pid;

	recovery_enter(rc, number, RECOVERY_START);
	pid = fork_victim(rc, number, &fd);
	if (pid < 0) {
		note(rc, "cannot fork");
		return false;
	}
	rc->victim_pid = (uint32_t)pid;
	ready = live(rc, number, random);
	kill_ns = bench_now_ns();
	kill(pid, SIGKILL);
	wait_hangup(fd);
	dead_ns = bench_now_ns();
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(fd);
	if (!ready || !WIFSIGNALED(status)) {
		note(rc, "a victim did not get as far as it should");
		return false;
	}
	recovery_enter(rc, number, RECOVERY_DEAD);
	if (!recovery_wait(rc, number, RECOVERY_DONE, 2 * RECOVERY_PATIENCE_NS))
		return false;
	free_ns = __atomic_load_n(&rc->free_ns, __ATOMIC_ACQUIRE);
	samples->kill_to_dead[number - 1] = sample(kill_ns, dead_ns);
	samples->dead_to_free[number - 1] = sample(dead_ns, free_ns);
	samples->kill_to_free[number - 1] = sample(kill_ns, free_ns);
	return true;
}

/* Forks a process that runs @body; returns its exit code, 0 is good. */
static int in_child(struct recovery *rc, void (*body)(struct recovery *rc))
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0) {
		bench_child_init(rc->parent_pid);
		body(rc);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		note(rc, "a process of the benchmark ended early");
	return status;
}

/* One process makes the pool, and ends: nobody but the survivor stays. */
static void create_pool(struct recovery *rc)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool;
	zc_result_t result;

	options.bytes = rc->bytes;
	if (rc->held > 448)
		options.max_holds = rc->held;
	result = zc_pool_create(rc->pool, &options, &pool);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "pool create", result);
	result = zc_pool_get_info(pool, &info);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "pool info", result);
	/* A stripe, the longest run that is always joined again: an idle pool
	 * has the same number of them at any time. */
	rc->size = info.segment_bytes / 64;
	rc->bytes = info.bytes;
	zc_pool_close(pool);
}

static void check_pool(struct recovery *rc)
{
	zc_pool_t *pool;
	zc_result_t result = zc_pool_open(rc->pool, &pool);

	if (result != ZC_OK)
		recovery_zc_fail(rc, "check: pool open", result);
	rc->check.sz = sizeof(rc->check);
	result = zc_pool_check(pool, &rc->check);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "check", result);
	zc_pool_close(pool);
}

static bool all_kills(struct recovery *rc, const struct recovery_samples *samples)
{
	uint64_t random = 1;
	pid_t pid = fork();
	int status = 0;
	bool good;

	if (pid == 0)
		recovery_survivor(rc);
	good = pid > 0 && recovery_wait(rc, 0, RECOVERY_DONE,
					RECOVERY_PATIENCE_NS);
	for (uint64_t i = 1; i <= rc->kills && good; i++)
		good = kill_one(rc, i, &random, samples);
	if (pid > 0) {
		if (!good)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	if (good && status != 0)
		note(rc, "the survivor did not survive");
	return good && status == 0;
}

bool recovery_clean(const struct recovery *rc)
{
	const zc_check_report_t *c = &rc->check;

	return rc->lost == 0 && rc->wrong == 0 && c->errors == 0 &&
	       c->lost == 0 && c->claimed == 0 && c->cleaning == 0 &&
	       c->free + c->committed == c->granules && c->dead_members == 0;
}

static void print_row(const char *what, const struct bench_percentiles *p)
{
	printf("  %-13s min %8.1f  p50 %8.1f  p99 %8.1f  p99.9 %8.1f  "
	       "max %8.1f us\n", what, p->min_ns / 1e3, p->p50_ns / 1e3,
	       p->p99_ns / 1e3, p->p999_ns / 1e3, p->max_ns / 1e3);
}

static void print_report(const struct recovery *rc,
			 const struct bench_percentiles *p)
{
	const zc_check_report_t *c = &rc->check;

	printf("recovery: %llu kills of a %s %s\n",
	       (unsigned long long)rc->kills, rc->writer ? "writer" : "reader",
	       rc->random ? "at random moments" : "that holds blocks");
	if (!rc->random)
		printf("  %u blocks of %llu bytes held, of %llu in the pool\n",
		       rc->held, (unsigned long long)rc->size,
		       (unsigned long long)rc->whole);
	print_row("dead to free:", &p[0]);
	print_row("kill to dead:", &p[1]);
	print_row("kill to free:", &p[2]);
	printf("  %llu messages read, %llu lost, %llu wrong; %llu deaths told, "
	       "%llu blocks came back\n",
	       (unsigned long long)rc->messages, (unsigned long long)rc->lost,
	       (unsigned long long)rc->wrong, (unsigned long long)rc->events,
	       (unsigned long long)rc->event_blocks);
	printf("  pool check: %llu errors, %llu of %llu granules free, %llu "
	       "committed, %llu claimed, %llu lost%s%s\n",
	       (unsigned long long)c->errors, (unsigned long long)c->free,
	       (unsigned long long)c->granules,
	       (unsigned long long)c->committed,
	       (unsigned long long)c->claimed, (unsigned long long)c->lost,
	       c->first_error[0] != '\0' ? ": " : "", c->first_error);
}

static void add_count(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key,
			       json_object_new_int64((int64_t)value));
}

static void print_json(const struct recovery *rc,
		       const struct bench_percentiles *p)
{
	struct json_object *line = json_object_new_object();
	const zc_check_report_t *c = &rc->check;

	json_object_object_add(line, "bench",
			       json_object_new_string("recovery"));
	json_object_object_add(line, "role",
			       json_object_new_string(rc->writer ? "writer" :
								   "reader"));
	json_object_object_add(line, "random",
			       json_object_new_boolean(rc->random));
	add_count(line, "kills", rc->kills);
	add_count(line, "held", rc->random ? 0 : rc->held);
	add_count(line, "size", rc->size);
	add_count(line, "readers", 1);
	json_object_object_add(line, "payload",
			       json_object_new_string("touch"));
	add_count(line, "pool_bytes", rc->bytes);
	add_count(line, "pool_blocks", rc->whole);
	bench_json_percentiles(line, "", &p[0]);
	bench_json_percentiles(line, "kill_to_dead_", &p[1]);
	bench_json_percentiles(line, "kill_to_free_", &p[2]);
	add_count(line, "messages", rc->messages);
	add_count(line, "lost", rc->lost);
	add_count(line, "wrong", rc->wrong);
	add_count(line, "deaths_told", rc->events);
	add_count(line, "blocks_told", rc->event_blocks);
	add_count(line, "bytes_told", rc->event_bytes);
	add_count(line, "check_errors", c->errors);
	add_count(line, "check_granules", c->granules);
	add_count(line, "check_free", c->free);
	add_count(line, "check_committed", c->committed);
	add_count(line, "check_claimed", c->claimed);
	add_count(line, "check_cleaning", c->cleaning);
	add_count(line, "check_lost", c->lost);
	json_object_object_add(line, "realtime",
			       json_object_new_boolean(rc->realtime));
	json_object_object_add(line, "clean",
			       json_object_new_boolean(recovery_clean(rc)));
	bench_json_print(line);
}

static int report(struct recovery *rc, bool json,
		  const struct recovery_samples *samples)
{
	struct bench_percentiles p[3];

	bench_percentiles_of(samples->dead_to_free, rc->kills, RECOVERY_UNIT_NS,
			     &p[0]);
	bench_percentiles_of(samples->kill_to_dead, rc->kills, RECOVERY_UNIT_NS,
			     &p[1]);
	bench_percentiles_of(samples->kill_to_free, rc->kills, RECOVERY_UNIT_NS,
			     &p[2]);
	if (json)
		print_json(rc, p);
	else
		print_report(rc, p);
	if (recovery_clean(rc))
		return 0;
	fprintf(stderr, "zerocore: the pool is not clean after the kills\n");
	return 1;
}

static int run(struct recovery *rc, const struct recovery_samples *samples)
{
	int code = 1;

	fflush(NULL);
	/* A second for each kill is ten times what it takes. */
	bench_guard_begin((uint32_t)(60 + rc->kills));
	(void)bench_realtime(false);
	if (in_child(rc, create_pool) == 0 && all_kills(rc, samples) &&
	    in_child(rc, check_pool) == 0)
		code = 0;
	else if (bench_guard_signal() == SIGINT ||
		 bench_guard_signal() == SIGTERM)
		code = 128 + bench_guard_signal();
	else
		fprintf(stderr, "zerocore: %s\n", rc->error[0] != '\0' ?
			rc->error : "the kills took too long");
	bench_normal();
	bench_guard_end();
	bench_pools_remove();
	return code;
}

int recovery_measure(const struct bench_options *o, struct recovery **out,
		     struct recovery_samples *samples)
{
	struct recovery *rc = bench_shared_map(sizeof(*rc), false);

	*out = rc;
	rc->bytes = o->pool_bytes != 0 ? o->pool_bytes : 1ULL << 30;
	rc->writer = o->kills_writer;
	rc->random = o->kills_random;
	rc->kills = o->kills != 0 ? o->kills : 1000;
	rc->held = o->held != 0 ? (uint32_t)o->held : 100;
	rc->parent_pid = (int)getpid();
	bench_pool_name(0, rc->pool, sizeof(rc->pool));
	samples->kill_to_dead = calloc(rc->kills, sizeof(uint32_t));
	samples->dead_to_free = calloc(rc->kills, sizeof(uint32_t));
	samples->kill_to_free = calloc(rc->kills, sizeof(uint32_t));
	if (samples->kill_to_dead == NULL || samples->dead_to_free == NULL ||
	    samples->kill_to_free == NULL) {
		fprintf(stderr, "zerocore: no memory for so many kills\n");
		return 1;
	}
	return run(rc, samples);
}

void recovery_drop(struct recovery *rc, struct recovery_samples *samples)
{
	free(samples->kill_to_dead);
	free(samples->dead_to_free);
	free(samples->kill_to_free);
	bench_shared_unmap(rc, sizeof(*rc));
}

int bench_recovery(const struct bench_options *o)
{
	struct recovery_samples samples;
	struct recovery *rc;
	int code = recovery_measure(o, &rc, &samples);

	if (code == 0)
		code = report(rc, o->json, &samples);
	recovery_drop(rc, &samples);
	return code;
}
