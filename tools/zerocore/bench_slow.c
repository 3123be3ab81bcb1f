/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_slow.c - "zerocore bench slow": one reader misbehaves; what do the
 * others see?
 *
 * A writer and a good reader carry on while a second reader holds one block
 * for ever, is stopped, or never polls; once for each policy of the topic.  The
 * writer does not outrun who behaves, so what is lost is lost to the policy.
 */
#include "bench_clock.h"
#include "bench_payload.h"
#include "bench_run.h"

#include <zerocore/zerocore.h>

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOW_SERVICE "bench/slow/data"
/* Who waits longer for room is blocked: by a policy that says so. */
#define SLOW_PATIENCE_NS 200000000ULL
#define SLOW_JOIN_NS 20000000000ULL
#define SLOW_READ_FIRST 1000	/* messages before a reader is stopped */
#define SLOW_AHEAD 1000		/* the writer is ahead of who behaves */

enum slow_kind { SLOW_HOLDS, SLOW_STOPPED, SLOW_NEVER, SLOW_KINDS };

static const char *const kind_name[SLOW_KINDS] = { "holds", "stopped",
						   "never moves" };
static const char *const policy_name[] = { "block", "drop oldest",
					   "disconnect" };
#define POLICIES (sizeof(policy_name) / sizeof(policy_name[0]))

/* In shared memory. */
struct slow {
	const struct bench_options *options;
	char pool[48];
	int parent_pid;
	zc_on_slow_t policy;
	enum slow_kind kind;
	uint32_t created;	/* the pool is there */
	uint32_t joined;	/* readers that are */
	uint32_t finished;	/* the writer has written its last */

	/* Messages read so far; each on a line of its own. */
	_Alignas(64) uint64_t good_at;
	_Alignas(64) uint64_t bad_at;

	_Alignas(64) uint64_t written;
	uint64_t time_ns;
	uint64_t timeouts;
	uint64_t dropped;
	uint64_t disconnected;
	uint64_t good_received;
	uint64_t good_lost;
	uint64_t good_wrong;
	uint32_t bad_id;
	uint64_t bad_lag;
	uint32_t bad_cut;
	char error[512];
};

static void slow_fail(struct slow *sl, const char *what, zc_result_t result)
	__attribute__((noreturn));

static void slow_fail(struct slow *sl, const char *what, zc_result_t result)
{
	snprintf(sl->error, sizeof(sl->error), "%s: %s: %s", what,
		 zc_strerror(result), zc_last_error());
	_exit(1);
}

/* Waits until @count is @wanted; false when it takes too long. */
static bool wait_count(const uint32_t *count, uint32_t wanted)
{
	uint64_t deadline = bench_now_ns() + SLOW_JOIN_NS;

	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < wanted) {
		if (bench_now_ns() > deadline || bench_guard_signal() != 0)
			return false;
		poll(NULL, 0, 1);
	}
	return true;
}

static void count_up(uint32_t *count)
{
	__atomic_add_fetch(count, 1, __ATOMIC_ACQ_REL);
}

static zc_reader_t *join_reader(struct slow *sl)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *reader;
	zc_pool_t *pool;
	zc_result_t result = zc_pool_open(sl->pool, &pool);

	if (result != ZC_OK)
		slow_fail(sl, "pool open", result);
	options.service = SLOW_SERVICE;
	result = zc_reader_register(pool, &options, &reader);
	if (result != ZC_OK)
		slow_fail(sl, "reader register", result);
	return reader;
}

/* Reads, verifies, counts what is missing. */
static void good_reader(struct slow *sl)
{
	const struct bench_options *o = sl->options;
	zc_block_info_t info = { .sz = sizeof(info) };
	zc_reader_t *reader = join_reader(sl);
	uint64_t next = 1;
	zc_handle_t handle;
	size_t bytes;

	count_up(&sl->joined);
	for (;;) {
		bool last = __atomic_load_n(&sl->finished, __ATOMIC_ACQUIRE);
		zc_result_t result = zc_reader_poll_block(reader, 0, &handle,
							  ZC_TIMEOUT_TRY);
		const void *data;

		if (result == ZC_ERROR_TIMEOUT) {
			if (last)
				break;
			continue;
		}
		if (result != ZC_OK)
			slow_fail(sl, "good reader: poll", result);
		data = zc_reader_block_data(reader, handle, &bytes);
		result = zc_reader_block_info(reader, handle, &info);
		if (data == NULL || result != ZC_OK)
			slow_fail(sl, "good reader: block info", result);
		sl->good_lost += info.sequence - next;
		next = info.sequence + 1;
		sl->good_wrong += bytes != o->size ||
				  !bench_check(data, bytes, info.sequence,
					       o->whole);
		sl->good_received++;
		zc_reader_release_block(reader, handle);
		__atomic_store_n(&sl->good_at, info.sequence, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static void bad_reader(struct slow *sl)
{
	zc_reader_t *reader = join_reader(sl);
	zc_handle_t handle;
	uint64_t got = 0;

	sl->bad_id = zc_reader_id(reader);
	count_up(&sl->joined);
	while (sl->kind != SLOW_NEVER) {
		zc_result_t result = zc_reader_poll_block(reader, 0, &handle,
							  1000000);

		if (result == ZC_ERROR_DISCONNECTED)
			break;
		if (result == ZC_ERROR_TIMEOUT)
			continue;
		if (result != ZC_OK)
			slow_fail(sl, "bad reader: poll", result);
		/* The first one is never released. */
		if (sl->kind == SLOW_STOPPED || got > 0)
			zc_reader_release_block(reader, handle);
		__atomic_store_n(&sl->bad_at, got + 1, __ATOMIC_RELEASE);
		if (++got == SLOW_READ_FIRST && sl->kind == SLOW_STOPPED)
			raise(SIGSTOP);
	}
	for (;;)
		pause();
}

/* What the tools say about the bad reader, which cannot speak for itself. */
static void look_at_bad(struct slow *sl, zc_pool_t *pool)
{
	zc_reader_info_t info = { .sz = sizeof(info) };
	zc_service_info_t service = { .sz = sizeof(service) };

	for (uint32_t i = 0;; i++) {
		zc_result_t result = zc_inspect_service(pool, i, &service);

		if (result == ZC_ERROR_INVALID)
			return;
		if (result != ZC_OK ||
		    strcmp(service.service, SLOW_SERVICE) != 0)
			continue;
		if (zc_inspect_reader(pool, i, sl->bad_id, &info) != ZC_OK)
			return;
		sl->bad_lag = info.lag;
		sl->bad_cut = info.disconnected;
		return;
	}
}

static zc_writer_t *open_writer(struct slow *sl, zc_pool_t **pool)
{
	zc_pool_options_t po = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_result_t result;

	po.bytes = sl->options->pool_bytes;
	po.prefault = true;
	result = zc_pool_create(sl->pool, &po, pool);
	if (result != ZC_OK)
		slow_fail(sl, "pool create", result);
	wo.service = SLOW_SERVICE;
	wo.on_slow = sl->policy;
	wo.no_timestamp = true;
	result = zc_writer_register(*pool, &wo, &writer);
	if (result != ZC_OK)
		slow_fail(sl, "writer register", result);
	return writer;
}

/* Is everybody who behaves within reach? */
static bool in_reach(const struct slow *sl)
{
	if (sl->written > __atomic_load_n(&sl->good_at, __ATOMIC_ACQUIRE) +
				  SLOW_AHEAD)
		return false;
	return sl->kind != SLOW_HOLDS ||
	       sl->written <= __atomic_load_n(&sl->bad_at, __ATOMIC_ACQUIRE) +
				      SLOW_AHEAD;
}

static void writer(struct slow *sl)
{
	const struct bench_options *o = sl->options;
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_pool_t *pool;
	zc_writer_t *w = open_writer(sl, &pool);
	zc_result_t result = ZC_OK;
	uint64_t start, blocked = 0;

	count_up(&sl->created);
	if (!wait_count(&sl->joined, 2))
		_exit(1);
	start = bench_now_ns();
	while (sl->written < o->count) {
		zc_handle_t handle;

		if (!in_reach(sl))
			continue;
		result = zc_writer_acquire_block(w, o->size, &handle,
						 SLOW_PATIENCE_NS);
		if (result == ZC_ERROR_TIMEOUT) {
			blocked = SLOW_PATIENCE_NS;
			break;
		}
		if (result != ZC_OK)
			slow_fail(sl, "acquire", result);
		bench_fill(zc_writer_block_data(w, handle, NULL), o->size,
			   sl->written + 1, o->whole);
		result = zc_writer_commit_block(w, handle);
		if (result != ZC_OK)
			slow_fail(sl, "commit", result);
		sl->written++;
	}
	sl->time_ns = bench_now_ns() - start - blocked;
	result = zc_writer_get_stats(w, &stats);
	if (result != ZC_OK)
		slow_fail(sl, "stats", result);
	sl->timeouts = stats.timeouts;
	sl->dropped = stats.dropped;
	sl->disconnected = stats.disconnected;
	look_at_bad(sl, pool);
	__atomic_store_n(&sl->finished, 1, __ATOMIC_RELEASE);
	_exit(0);
}

static pid_t fork_one(struct slow *sl, void (*body)(struct slow *sl), int cpu)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bench_child_init(sl->parent_pid);
		(void)bench_pin(cpu);
		body(sl);
		_exit(0);
	}
	return pid;
}

/* The writer and the good reader end by themselves; the bad one is killed. */
static bool wait_two(pid_t *pid)
{
	bool fine = true;

	for (int left = 2; left > 0 && fine;) {
		int status;
		pid_t who = waitpid(-1, &status, 0);

		if (who < 0)
			fine = errno == EINTR && bench_guard_signal() == 0;
		for (int i = 0; i < 3 && who > 0; i++) {
			if (pid[i] != who)
				continue;
			pid[i] = 0;
			fine = status == 0;
			left--;
		}
	}
	for (int i = 0; i < 3; i++) {
		if (pid[i] <= 0)
			continue;
		kill(pid[i], SIGKILL);
		while (waitpid(pid[i], NULL, 0) < 0 && errno == EINTR)
			;
	}
	return fine;
}

/* One policy, one kind of misbehaviour. */
static bool one(struct slow *sl)
{
	const int *pin = sl->options->pin;
	pid_t pid[3] = { 0, 0, 0 };

	pid[0] = fork_one(sl, writer, pin[0]);
	if (pid[0] > 0 && wait_count(&sl->created, 1)) {
		pid[1] = fork_one(sl, good_reader, pin[1]);
		pid[2] = fork_one(sl, bad_reader, pin[1]);
	}
	return wait_two(pid) && pid[1] >= 0 && pid[2] >= 0;
}

static void add_count(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key,
			       json_object_new_int64((int64_t)value));
}

static void print_json(const struct slow *sl)
{
	struct json_object *line = json_object_new_object();
	double ns = (double)sl->time_ns / (double)sl->written;

	json_object_object_add(line, "bench", json_object_new_string("slow"));
	json_object_object_add(line, "on_slow",
			       json_object_new_string(policy_name[sl->policy]));
	json_object_object_add(line, "reader",
			       json_object_new_string(kind_name[sl->kind]));
	add_count(line, "size", sl->options->size);
	add_count(line, "readers", 2);
	json_object_object_add(line, "payload",
			       json_object_new_string(sl->options->whole ?
							      "whole" :
							      "touch"));
	add_count(line, "count", sl->options->count);
	bench_json_rate(line, "", ns, sl->options->size);
	add_count(line, "written", sl->written);
	add_count(line, "timeouts", sl->timeouts);
	add_count(line, "dropped", sl->dropped);
	add_count(line, "disconnected", sl->disconnected);
	add_count(line, "good_received", sl->good_received);
	add_count(line, "good_lost", sl->good_lost);
	add_count(line, "good_wrong", sl->good_wrong);
	add_count(line, "bad_lag", sl->bad_lag);
	json_object_object_add(line, "bad_cut",
			       json_object_new_boolean(sl->bad_cut != 0));
	bench_json_print(line);
}

static void print_row(const struct slow *sl)
{
	printf("%-12s %-12s %9llu %8.1f %9llu %6llu %6llu %9llu %9llu  %s\n",
	       policy_name[sl->policy], kind_name[sl->kind],
	       (unsigned long long)sl->written,
	       (double)sl->time_ns / (double)sl->written,
	       (unsigned long long)sl->good_received,
	       (unsigned long long)sl->good_lost,
	       (unsigned long long)sl->good_wrong,
	       (unsigned long long)sl->dropped,
	       (unsigned long long)sl->bad_lag,
	       sl->timeouts > 0 ? "the writer waits for it" :
	       sl->bad_cut ? "cut off" : "all go on");
	fflush(stdout);
}

static bool run_one(struct slow *sl, const struct bench_options *o,
		    uint32_t policy, uint32_t kind)
{
	bool fine;

	memset(sl, 0, sizeof(*sl));
	sl->options = o;
	sl->parent_pid = (int)getpid();
	sl->policy = (zc_on_slow_t)policy;
	sl->kind = (enum slow_kind)kind;
	bench_pool_name(0, sl->pool, sizeof(sl->pool));
	fine = one(sl);
	bench_pools_remove();
	if (!fine || sl->written == 0) {
		fprintf(stderr, "zerocore: %s\n", sl->error[0] != '\0' ?
			sl->error : "a process of the benchmark ended early");
		return false;
	}
	if (o->json)
		print_json(sl);
	else
		print_row(sl);
	if (sl->good_wrong == 0 &&
	    sl->good_received + sl->good_lost == sl->written)
		return true;
	fprintf(stderr, "zerocore: the good reader did not get what was "
			"written\n");
	return false;
}

int bench_slow(const struct bench_options *options)
{
	struct slow *sl = bench_shared_map(sizeof(*sl), false);
	struct bench_options o = *options;
	bool fine = true;

	if (o.count == 0)
		o.count = 200000;
	if (o.pool_bytes == 0)
		o.pool_bytes = 64ULL << 20;
	bench_guard_begin(300);
	if (!o.json)
		printf("%-12s %-12s %9s %8s %9s %6s %6s %9s %9s\n", "on slow",
		       "a reader", "written", "ns each", "received", "lost",
		       "wrong", "dropped", "its lag");
	for (uint32_t p = 0; p < POLICIES && fine; p++) {
		for (uint32_t k = 0; k < SLOW_KINDS && fine; k++)
			fine = run_one(sl, &o, p, k);
	}
	if (bench_guard_signal() == SIGINT || bench_guard_signal() == SIGTERM) {
		bench_guard_end();
		return 128 + bench_guard_signal();
	}
	bench_guard_end();
	bench_shared_unmap(sl, sizeof(*sl));
	return fine ? 0 : 1;
}
