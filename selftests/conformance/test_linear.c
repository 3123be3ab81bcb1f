/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_linear.c - writers and readers of all policies are killed and stopped at random, in a
 * pool that is too small for them; what each of them saw, and when, must be something that
 * a topic may show: see linear.h.
 *
 * $ZC_LINEAR: how many histories; $ZC_SEED: which.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"
#include "linear.h"

#define TOPICS 4
#define READERS 2	/* of each topic */
#define SEATS (TOPICS * (1 + READERS))
#define CALLS 6000	/* of one process, at most */
#define EVENTS 40	/* kills and stops of one history */
#define LOGS (SEATS + EVENTS + 1)
#define HOLDS 4
#define LARGEST 12000U

static const struct lin_topic topics[TOPICS] = {
	{ ZC_ON_SLOW_BLOCK, false, 3 },
	{ ZC_ON_SLOW_DROP_OLDEST, false, 0 },
	{ ZC_ON_SLOW_DISCONNECT, false, 0 },
	{ ZC_ON_SLOW_BLOCK, true, 8 },
};

struct board {
	uint64_t seed;
	uint32_t writers_end, readers_end;
	uint32_t granules, granule_bytes;
	uint32_t started;		/* logs in use */
	uint32_t die_ns[LOGS];		/* how soon its process is to die; 0: not yet */
	struct lin_log log[LOGS];
};

static struct board *board;

static uint32_t load(uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void service_of(char name[40], uint32_t topic, const char *what)
{
	snprintf(name, 40, "linear/%s/%u", what, topic);
}

/*
 * A kill from outside finds a process in a system call more often than not.  A timer ends it
 * wherever it is, in the middle of a commit, too.
 */
static void die_if_told(struct lin_log *log)
{
	uint32_t *die_ns = &board->die_ns[log - board->log];
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct itimerspec in = { 0 };
	struct lin_op stamp = { 0 };
	timer_t timer;

	if (!load(die_ns) || log->kill_call)
		return;
	in.it_value.tv_nsec = load(die_ns);
	CHECK(!timer_create(CLOCK_MONOTONIC, &event, &timer));
	log->kill_call = lin_now(&stamp);
	CHECK(!timer_settime(timer, 0, &in, NULL));
}

/* --- writers ----------------------------------------------------------------------------- */

/*
 * Where this process has the pool's first granule.  Readers are told where a message is,
 * writers are not: so one message is both.
 */
static char *find_base(zc_pool_t *pool, uint32_t topic)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t handle;
	char name[40], *at;

	service_of(name, topic, "place");
	t_reader_open(&reader, pool, name, NULL);
	t_writer_open(&writer, pool, name, NULL);
	CHECK_OK(zc_writer_acquire_block(writer.role, 1, &handle, t_wait_ns()));
	at = zc_writer_block_data(writer.role, handle, NULL);
	CHECK(at);
	t_commit(&writer, handle);
	handle = t_read(&reader);
	CHECK_OK(zc_reader_block_info(reader.role, handle, &info));
	t_release(&reader, handle);
	t_writer_close(&writer);
	t_reader_close(&reader);
	return at - info.granule * board->granule_bytes;
}

struct claim {
	zc_handle_t handle;
	uint64_t tag;
	char *data;
	size_t bytes;
};

struct writing {
	struct lin_log *log;
	zc_writer_t *role;
	char *base;
	struct claim claim[3];
	uint32_t nr;
};

static bool begin_writing(struct writing *w, zc_pool_t *pool)
{
	const struct lin_topic *topic = &topics[w->log->topic];
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	struct lin_op *op;
	zc_result_t result;
	uint64_t ret;
	char name[40];

	service_of(name, w->log->topic, "run");
	options.service = name;
	options.on_slow = topic->on_slow;
	options.overwrite = topic->overwrite;
	options.history = topic->history;
	op = lin_next(w->log, LIN_WRITER);
	lin_call(w->log);
	result = zc_writer_register(pool, &options, &w->role);
	ret = lin_now(op);
	if (!result) {
		CHECK_OK(zc_writer_get_stats(w->role, &stats));
		op->sequence = stats.next_sequence;
	}
	lin_done(op, result, ret);
	if (result)
		CHECK_RESULT(result, ZC_ERROR_BUSY);
	return result == ZC_OK;
}

static void acquire_one(struct writing *w)
{
	struct claim *claim = &w->claim[w->nr];
	struct lin_op *op;
	zc_result_t result;
	uint64_t ret;

	claim->bytes = LIN_BYTES + t_rand_size(LARGEST);
	claim->tag = lin_tag((uint64_t)(w->log - board->log), lin_nr(w->log));
	op = lin_next(w->log, LIN_ACQUIRE);
	op->tag = claim->tag;
	lin_call(w->log);
	result = zc_writer_acquire_block(w->role, claim->bytes, &claim->handle,
					 w->nr ? 0 : 500000);
	ret = lin_now(op);
	if (!result) {
		claim->data = zc_writer_block_data(w->role, claim->handle, NULL);
		CHECK(claim->data);
		op->granule = (uint32_t)((claim->data - w->base) / board->granule_bytes);
		op->bytes = (uint32_t)claim->bytes;
		lin_fill(claim->data, claim->bytes, claim->tag);
		w->nr++;
	} else if (!w->nr) {
		CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	}
	lin_done(op, result, ret);
}

static void end_one(struct writing *w)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	uint32_t pick = (uint32_t)t_rand_below(w->nr);
	struct claim claim = w->claim[pick];
	bool commits = t_rand_below(8) != 0;
	uint64_t found = lin_look(claim.data, claim.bytes), ret;
	struct lin_op *op;

	w->claim[pick] = w->claim[--w->nr];
	op = lin_next(w->log, commits ? LIN_COMMIT : LIN_CANCEL);
	op->tag = claim.tag;
	op->found = found;
	op->bytes = (uint32_t)claim.bytes;
	lin_call(w->log);
	CHECK_OK(commits ? zc_writer_commit_block(w->role, claim.handle) :
			   zc_writer_cancel_block(w->role, claim.handle));
	ret = lin_now(op);
	if (commits) {
		CHECK_OK(zc_writer_get_stats(w->role, &stats));
		op->sequence = stats.next_sequence - 1;
	}
	lin_done(op, ZC_OK, ret);
}

static void stop_writing(struct writing *w)
{
	struct lin_op *op = lin_next(w->log, LIN_LEAVE);

	lin_call(w->log);
	zc_writer_unregister(w->role);
	w->nr = 0;
	lin_done(op, ZC_OK, lin_now(op));
}

static bool is_full(const struct lin_log *log)
{
	return lin_nr(log) + 4 > log->cap;
}

static void writes(void *arg)
{
	struct writing w = { .log = arg };
	zc_pool_t *pool = t_pool_open();

	t_srand(board->seed + (uint64_t)(w.log - board->log));
	w.base = find_base(pool, w.log->topic);
	while (!load(&board->writers_end) && !is_full(w.log)) {
		if (!begin_writing(&w, pool)) {
			t_nap(__FILE__, __LINE__, "the last writer is gone");
			continue;
		}
		do {
			die_if_told(w.log);
			if (!w.nr || (w.nr < 3 && t_rand_below(2)))
				acquire_one(&w);
			else
				end_one(&w);
		} while (!load(&board->writers_end) && !is_full(w.log) &&
			 t_rand_below(400));
		stop_writing(&w);
	}
	zc_pool_close(pool);
}

/* --- readers ----------------------------------------------------------------------------- */

struct reading {
	struct lin_log *log;
	zc_reader_t *role;
	zc_handle_t held[HOLDS];
	uint64_t sequence[HOLDS];
	uint32_t nr;
};

static void begin_reading(struct reading *r, zc_pool_t *pool)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct lin_op *op;
	char name[40];

	service_of(name, r->log->topic, "run");
	options.service = name;
	options.max_holds = HOLDS;
	options.best_effort = t_rand_below(4) == 0;
	options.history = t_rand_below(2) ? 0 : (uint32_t)t_rand_below(12);
	op = lin_next(r->log, LIN_READER);
	op->bytes = options.history;
	op->hazard = options.best_effort;
	lin_call(r->log);
	CHECK_OK(zc_reader_register(pool, &options, &r->role));
	lin_done(op, ZC_OK, lin_now(op));
}

static zc_result_t poll_one(struct reading *r)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_block_info_t info = { .sz = sizeof(info) };
	struct lin_op *op = lin_next(r->log, LIN_POLL);
	zc_handle_t handle;
	zc_result_t result;
	uint64_t ret;

	lin_call(r->log);
	result = zc_reader_poll_block(r->role, 0, &handle,
				      t_rand_below(3) ? 0 : 50000);
	ret = lin_now(op);
	CHECK_OK(zc_reader_get_stats(r->role, &stats));
	op->lost = stats.lost;
	if (!result) {
		size_t bytes = 0;
		const void *data = zc_reader_block_data(r->role, handle, &bytes);

		CHECK_OK(zc_reader_block_info(r->role, handle, &info));
		op->sequence = info.sequence;
		op->granule = (uint32_t)info.granule;
		op->bytes = (uint32_t)bytes;
		op->found = lin_look(data, bytes);
		r->held[r->nr] = handle;
		r->sequence[r->nr++] = info.sequence;
	}
	lin_done(op, result, ret);
	return result;
}

static void release_one(struct reading *r)
{
	uint32_t pick = (uint32_t)t_rand_below(r->nr);
	zc_handle_t handle = r->held[pick];
	uint64_t sequence = r->sequence[pick], found;
	struct lin_op *op;
	zc_result_t result;
	const void *data;
	size_t bytes;

	data = zc_reader_block_data(r->role, handle, &bytes);
	CHECK(data);
	found = lin_look(data, bytes);
	r->held[pick] = r->held[--r->nr];
	r->sequence[pick] = r->sequence[r->nr];
	op = lin_next(r->log, LIN_RELEASE);
	op->sequence = sequence;
	op->found = found;
	lin_call(r->log);
	result = zc_reader_release_block(r->role, handle);
	lin_done(op, result, lin_now(op));
}

static void stop_reading(struct reading *r)
{
	struct lin_op *op = lin_next(r->log, LIN_LEAVE);

	lin_call(r->log);
	zc_reader_unregister(r->role);
	r->nr = 0;
	lin_done(op, ZC_OK, lin_now(op));
}

/* One that leaves by itself does so with what it holds; at last it reads all there is. */
static void reads(void *arg)
{
	struct reading r = { .log = arg };
	zc_pool_t *pool = t_pool_open();
	zc_result_t result = ZC_OK;
	bool last = false;

	t_srand(board->seed + (uint64_t)(r.log - board->log));
	while (!last && !is_full(r.log)) {
		begin_reading(&r, pool);
		do {
			last = load(&board->readers_end);
			die_if_told(r.log);
			if (r.nr == HOLDS || (r.nr && t_rand_below(2)))
				release_one(&r);
			else
				result = poll_one(&r);
		} while (!is_full(r.log) && result != ZC_ERROR_DISCONNECTED &&
			 (last ? result == ZC_OK : t_rand_below(300) != 0));
		stop_reading(&r);
	}
	zc_pool_close(pool);
}

/* --- the run ------------------------------------------------------------------------------ */

static void keeps(void *arg)
{
	zc_pool_options_t geometry = t_pool_options();
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner = NULL;
	zc_pool_t *pool;

	geometry.bytes = 1U << 20;
	geometry.segment_bytes = 1U << 20;
	geometry.ring_entries = 32;
	pool = t_pool_create(&geometry);
	CHECK_OK(zc_pool_get_info(pool, &info));
	board->granule_bytes = info.granule_bytes;
	store(&board->granules, (uint32_t)(info.bytes / info.granule_bytes));
	options.period_ns = 100000;
	options.key_period_ns = 1000000;
	if (arg)
		CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	t_pool_close(pool);
}

static struct lin_log *new_log(uint32_t topic)
{
	struct lin_log *log = &board->log[board->started];

	CHECK_OP(board->started, <, LOGS);
	log->topic = topic;
	log->nr = 0;
	log->cap = CALLS;
	log->kill_call = log->kill_ret = 0;
	board->die_ns[board->started] = 0;
	board->started++;
	return log;
}

struct seat {
	struct t_peer *peer;
	struct lin_log *log;
};

static void sit_down(struct seat *seat, uint32_t index)
{
	bool writer = index < TOPICS;

	seat->log = new_log(index % TOPICS);
	seat->peer = t_spawn(writer ? "writer" : "reader", writer ? writes : reads,
			     seat->log);
}

/* Anywhere: in the first calls, or in full swing. */
static void let_run(struct seat *seat)
{
	uint32_t calls = (uint32_t)t_rand_below(t_rand_below(3) ? 300 : 12);
	uint64_t spin = t_rand_below(20000);
	uint32_t from = lin_nr(seat->log);

	T_UNTIL(lin_nr(seat->log) >= from + calls || t_ended(seat->peer));
	while (spin--)
		__asm__ __volatile__("");
}

static void kill_one(struct seat *seat)
{
	struct lin_op stamp = { 0 };

	/* Nobody sat down there any more. */
	if (seat->peer->gone)
		return;
	if (t_rand_below(3)) {
		store(&board->die_ns[seat->log - board->log],
		      1 + (uint32_t)t_rand_below(40000));
	} else if (!t_ended(seat->peer)) {
		seat->log->kill_call = lin_now(&stamp);
		t_kill_only(seat->peer);
	}
	/* It may have ended by itself just before: then nothing of it breaks off. */
	t_reap(seat->peer);
	seat->log->kill_ret = lin_now(&stamp);
}

/* The others go on while one stands still. */
static void stop_one(struct seat *seat, struct seat *other)
{
	/* It may end by itself: what it writes down in has an end. */
	if (t_ended(seat->peer) || !t_stop_or_ended(seat->peer))
		return;
	if (other != seat)
		let_run(other);
	t_continue(seat->peer);
}

/* What the last of a topic's writers left open, its successor's number tells. */
static void close_topics(void)
{
	zc_pool_t *pool = t_pool_open();

	for (uint32_t t = 0; t < TOPICS; t++) {
		struct writing w = { .log = new_log(t) };

		T_UNTIL(begin_writing(&w, pool));
		stop_writing(&w);
	}
	zc_pool_close(pool);
}

static void judge(struct lin_verdict *sum)
{
	struct lin_history history = { topics, TOPICS, board->log, board->started,
				       board->granules, board->granule_bytes };
	struct lin_verdict v;

	if (!lin_check(&history, &v))
		T_FAIL("%s", v.text);
	sum->calls += v.calls;
	sum->messages += v.messages;
	sum->polled += v.polled;
	sum->empty += v.empty;
	sum->lost += v.lost;
	sum->joins += v.joins;
	sum->deaths += v.deaths;
	sum->cut_there += v.cut_there;
	sum->cut_gone += v.cut_gone;
}

static void one_history(struct lin_verdict *sum)
{
	bool cleans = t_rand_below(2);
	struct t_peer *keeper;
	struct seat seat[SEATS];

	board->writers_end = board->readers_end = board->started = 0;
	keeper = t_spawn("keeper", keeps, cleans ? board : NULL);
	t_hear(keeper, "ready");
	for (uint32_t i = 0; i < SEATS; i++)
		sit_down(&seat[i], i);
	for (int i = 0; i < EVENTS; i++) {
		uint32_t which = (uint32_t)t_rand_below(SEATS);

		let_run(&seat[which]);
		if (t_rand_below(4) == 0) {
			stop_one(&seat[which], &seat[t_rand_below(SEATS)]);
			continue;
		}
		kill_one(&seat[which]);
		if (board->started + TOPICS < LOGS)
			sit_down(&seat[which], which);
	}
	store(&board->writers_end, 1);
	for (uint32_t i = 0; i < TOPICS; i++)
		if (!seat[i].peer->gone)
			t_join(seat[i].peer);
	store(&board->readers_end, 1);
	for (uint32_t i = TOPICS; i < SEATS; i++)
		if (!seat[i].peer->gone)
			t_join(seat[i].peer);
	close_topics();
	t_say(keeper, "end");
	t_join(keeper);
	judge(sum);
}

static void histories_are_those_of_topics(void)
{
	uint64_t nr = t_env("ZC_LINEAR", t_long() ? 300 : 5);
	struct lin_verdict sum = { 0 };
	struct lin_op *ops;

	board = t_shared(sizeof(*board));
	ops = t_shared(sizeof(*ops) * LOGS * CALLS);
	for (uint32_t l = 0; l < LOGS; l++)
		board->log[l].op = ops + (size_t)l * CALLS;
	board->seed = t_seed();
	for (uint64_t i = 0; i < nr; i++) {
		t_srand(board->seed + (i << 32));
		one_history(&sum);
		t_pool_end();
	}
	t_note("%llu histories: %llu calls, %llu messages, %llu polled, %llu times nothing, %llu lost",
	       (unsigned long long)nr, (unsigned long long)sum.calls,
	       (unsigned long long)sum.messages, (unsigned long long)sum.polled,
	       (unsigned long long)sum.empty, (unsigned long long)sum.lost);
	t_note("%llu joins, %llu deaths; commits cut off by one: %llu there, %llu not",
	       (unsigned long long)sum.joins, (unsigned long long)sum.deaths,
	       (unsigned long long)sum.cut_there, (unsigned long long)sum.cut_gone);
	CHECK_OP(sum.deaths, >, 0);
	CHECK_OP(sum.messages, >, nr * 100);
}

static const struct t_case cases[] = {
	T_CASE(histories_are_those_of_topics),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
