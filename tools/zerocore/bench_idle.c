/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_idle.c - "zerocore bench idle": what a pool costs in which nothing happens, with
 * 0, 1 and 4 cleaners.
 *
 * Each has a process and a pool of its own, with a topic that was used and rests; all
 * rest in the same seconds.  What counts is the processor time of the process, by
 * getrusage(): its background thread is in it.
 */
#include "bench_clock.h"
#include "bench_run.h"

#include <zerocore/zerocore.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDES = 3, REPS_MAX = 64, MESSAGES = 1000 };

static const uint32_t cleaners_of[SIDES] = { 0, 1, 4 };

/* In shared memory. */
struct idle {
	const struct bench_options *options;
	int parent_pid;
	struct {
		double percent[REPS_MAX];	/* of a core */
		double wakes[REPS_MAX];		/* a second */
		char error[512];
	} side[SIDES];
};

struct usage {
	uint64_t at_ns, busy_ns, wakes;
};

static void idle_fail(struct idle *idle, uint32_t side, const char *what,
		      zc_result_t result)
{
	snprintf(idle->side[side].error, sizeof(idle->side[side].error),
		 "%s: %s: %s", what, zc_strerror(result), zc_last_error());
	_exit(1);
}

static struct usage usage_now(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (struct usage){
		.at_ns = bench_now_ns(),
		.busy_ns = (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) *
				   1000000000 +
			   (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) *
				   1000,
		.wakes = (uint64_t)r.ru_nvcsw,
	};
}

static void sleep_until(uint64_t end_ns)
{
	for (uint64_t now = bench_now_ns(); now < end_ns; now = bench_now_ns())
		poll(NULL, 0, (int)((end_ns - now) / 1000000 + 1));
}

/* A topic whose messages were all read, and a writer and a reader that rest. */
static void use(struct idle *idle, uint32_t side, zc_pool_t *pool)
{
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	zc_handle_t handle;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_result_t result;

	wo.service = ro.service = "bench/idle/data";
	result = zc_writer_register(pool, &wo, &writer);
	if (result == ZC_OK)
		result = zc_reader_register(pool, &ro, &reader);
	for (uint32_t i = 0; i < MESSAGES && result == ZC_OK; i++) {
		result = zc_writer_acquire_block(writer, 100, &handle, 0);
		if (result == ZC_OK)
			result = zc_writer_commit_block(writer, handle);
		if (result == ZC_OK)
			result = zc_reader_poll_block(reader, 0, &handle, 0);
		if (result == ZC_OK)
			result = zc_reader_release_block(reader, handle);
	}
	if (result != ZC_OK)
		idle_fail(idle, side, "topic", result);
}

static void rests(struct idle *idle, uint32_t side)
{
	const struct bench_options *o = idle->options;
	zc_pool_options_t po = ZC_POOL_OPTIONS_INIT;
	zc_cleaner_t *cleaner;
	zc_result_t result;
	zc_pool_t *pool;
	uint64_t end_ns;
	char name[48];

	bench_pool_name(side, name, sizeof(name));
	po.bytes = o->pool_bytes;
	result = zc_pool_create(name, &po, &pool);
	if (result != ZC_OK)
		idle_fail(idle, side, "pool create", result);
	use(idle, side, pool);
	for (uint32_t i = 0; i < cleaners_of[side]; i++) {
		result = zc_cleaner_start(pool, NULL, &cleaner);
		if (result != ZC_OK)
			idle_fail(idle, side, "cleaner start", result);
	}
	end_ns = bench_now_ns() + o->warmup * 1000000000;
	sleep_until(end_ns);
	for (uint64_t i = 0; i < o->reps; i++) {
		struct usage from = usage_now(), to;

		end_ns += o->seconds * 1000000000;
		sleep_until(end_ns);
		to = usage_now();
		idle->side[side].percent[i] = 100.0 *
			(double)(to.busy_ns - from.busy_ns) /
			(double)(to.at_ns - from.at_ns);
		idle->side[side].wakes[i] = 1e9 *
			(double)(to.wakes - from.wakes) /
			(double)(to.at_ns - from.at_ns);
	}
	zc_pool_close(pool);
}

/* True: all ended well. */
static bool wait_all(const pid_t *pid)
{
	bool fine = true;

	for (uint32_t i = 0; i < SIDES; i++) {
		int status = -1;

		while (pid[i] > 0 && waitpid(pid[i], &status, 0) < 0)
			if (errno != EINTR || bench_guard_signal() != 0)
				break;
		fine = fine && status == 0;
		/* The others are of no use. */
		for (uint32_t k = 0; k < SIDES && !fine; k++)
			if (k > i && pid[k] > 0)
				kill(pid[k], SIGKILL);
		if (status == -1 && pid[i] > 0) {
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
		}
	}
	return fine;
}

static void report(struct idle *idle, uint32_t side)
{
	const struct bench_options *o = idle->options;
	double *percent = idle->side[side].percent;
	double median = bench_median(percent, o->reps);
	double low = bench_quantile(percent, o->reps, 0.1);
	double high = bench_quantile(percent, o->reps, 0.9);
	double wakes = bench_median(idle->side[side].wakes, o->reps);
	struct json_object *line;

	if (!o->json) {
		printf("idle pool, %u cleaners: %.3f %% of a core (%.3f to %.3f), "
		       "%.0f wake-ups a second\n", cleaners_of[side], median, low,
		       high, wakes);
		return;
	}
	line = json_object_new_object();
	json_object_object_add(line, "bench", json_object_new_string("idle"));
	json_object_object_add(line, "cleaners",
			       json_object_new_int((int)cleaners_of[side]));
	json_object_object_add(line, "seconds",
			       json_object_new_int64((int64_t)o->seconds));
	json_object_object_add(line, "reps",
			       json_object_new_int64((int64_t)o->reps));
	bench_json_number(line, "percent_of_core", median);
	bench_json_number(line, "percent_low", low);
	bench_json_number(line, "percent_high", high);
	bench_json_number(line, "wakes_per_s", wakes);
	bench_json_print(line);
}

int bench_idle_pool(const struct bench_options *options)
{
	struct idle *idle = bench_shared_map(sizeof(*idle), false);
	struct bench_options o = *options;
	pid_t pid[SIDES];
	bool fine;
	int signal;

	if (o.reps == 0)
		o.reps = 3;
	if (o.reps > REPS_MAX)
		o.reps = REPS_MAX;
	if (o.seconds == 0)
		o.seconds = 10;
	if (!o.warmup_set)
		o.warmup = 8;
	if (o.pool_bytes == 0)
		o.pool_bytes = 64ULL << 20;
	idle->options = &o;
	idle->parent_pid = (int)getpid();
	bench_pool_name(0, (char[48]){ 0 }, 48);
	bench_guard_begin((uint32_t)(o.warmup + o.reps * o.seconds) + 60);
	fflush(NULL);
	for (uint32_t i = 0; i < SIDES; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			bench_child_init(idle->parent_pid);
			rests(idle, i);
			_exit(0);
		}
	}
	fine = wait_all(pid);
	signal = bench_guard_signal();
	bench_guard_end();
	bench_pools_remove();
	for (uint32_t i = 0; i < SIDES; i++) {
		if (fine)
			report(idle, i);
		else if (idle->side[i].error[0] != '\0')
			fprintf(stderr, "zerocore: %s\n", idle->side[i].error);
	}
	bench_shared_unmap(idle, sizeof(*idle));
	if (signal == SIGINT || signal == SIGTERM)
		return 128 + signal;
	return fine ? 0 : 1;
}
