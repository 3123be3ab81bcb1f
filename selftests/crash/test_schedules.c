/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_schedules.c - interleavings that were counterexamples, forced: at a kill
 * point inside one role's call, the other role makes its own.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "core/killpoint.h"

#define SERVICE "schedule/test/one"

static struct {
	enum zc_killpoint point;
	void (*fn)(void);
	pthread_t thread;
	unsigned int times;
} plan;

static struct t_writer out;
static struct t_reader in;

static void on_point(enum zc_killpoint point, void *ctx)
{
	(void)ctx;
	/* Once, and not again while it is done. */
	if (plan.times || point != plan.point ||
	    !pthread_equal(pthread_self(), plan.thread))
		return;
	plan.times++;
	plan.fn();
}

static void when_at(enum zc_killpoint point, void (*fn)(void))
{
	plan.point = point;
	plan.fn = fn;
	plan.thread = pthread_self();
	plan.times = 0;
	zc_killpoint_set(on_point, NULL);
}

static void it_came_there(void)
{
	zc_killpoint_set(NULL, NULL);
	CHECK_EQ(plan.times, 1);
}

static zc_pool_t *small_pool(void)
{
	zc_pool_options_t geometry = t_pool_options();

	geometry.bytes = 64U << 10;
	geometry.ring_entries = 16;
	return t_pool_create(&geometry);
}

static void commit_one(void)
{
	t_write(&out, 100);
}

static void go_round(void)
{
	t_write_many(&out, 100, 2000);
}

/* --- sleep: the look comes after the ticket ------------------------------------- */

static enum zc_killpoint sleep_point;

static void finds_what_came_meanwhile(void *arg)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_open();

	(void)arg;
	options.spin_ns = 1;
	options.max_holds = 4;
	t_reader_open(&in, pool, SERVICE, &options);
	t_writer_open(&out, pool, SERVICE, NULL);
	in.next = 1;
	t_refuse_sleep();
	when_at(sleep_point, commit_one);
	t_read_many(&in, 1);
	it_came_there();
	t_leave();
}

static void sleep_after_a_commit(enum zc_killpoint point)
{
	sleep_point = point;
	t_pool_close(small_pool());
	t_join(t_spawn("sleeper", finds_what_came_meanwhile, NULL));
}

static void commit_between_ticket_and_head_is_seen(void)
{
	sleep_after_a_commit(ZC_KP_sleep_ticket);
}

static void commit_between_head_and_look_is_seen(void)
{
	sleep_after_a_commit(ZC_KP_sleep_look);
}

/* --- a reader in the middle of a poll is lapped ---------------------------------- */

static void lapped_at(enum zc_killpoint point, const zc_writer_options_t *writing,
		      bool best_effort)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_handle_t handle;

	options.max_holds = 4;
	options.best_effort = best_effort;
	t_writer_open(&out, small_pool(), SERVICE, writing);
	t_reader_open(&in, t_pool_open(), SERVICE, &options);
	in.next = 1;
	t_write_many(&out, 3, 2000);
	when_at(point, go_round);
	/* The content is looked at when it comes and when it goes. */
	CHECK_OK(t_try_read(&in, &handle, 0));
	it_came_there();
	go_round();
	t_release(&in, handle);
	while (t_try_read(&in, &handle, 0) == ZC_OK)
		t_release(&in, handle);
	CHECK_EQ(in.received + in.lost, 203);
	t_reader_close(&in);
	t_writer_close(&out);
}

static zc_writer_options_t dropping(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	options.lag_limit = 5;
	return options;
}

static void reader_lapped_before_it_looks_at_the_floor(void)
{
	zc_writer_options_t options = dropping();

	lapped_at(ZC_KP_poll_held, &options, false);
}

static void reader_lapped_after_its_cursor(void)
{
	zc_writer_options_t options = dropping();

	lapped_at(ZC_KP_poll_cursor, &options, false);
	CHECK_OP(in.received, >, 0);
}

static void hazard_reader_lapped_before_it_looks_at_the_word(void)
{
	lapped_at(ZC_KP_hazard_held, NULL, true);
}

static void hazard_reader_lapped_after_it_looked(void)
{
	lapped_at(ZC_KP_hazard_checked, NULL, true);
}

/* --- a writer in the middle of taking back is asked for the block -------------------- */

static zc_handle_t grabbed;

static void grab(void)
{
	if (t_try_read(&in, &grabbed, 0) != ZC_OK)
		grabbed = 0;
}

static void joins_and_grabs(void)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.max_holds = 4;
	options.history = 12;
	t_reader_open(&in, t_pool_open(), SERVICE, &options);
	grab();
}

static void grabbed_at(enum zc_killpoint point, void (*fn)(void))
{
	grabbed = 0;
	when_at(point, fn);
	go_round();
	it_came_there();
	go_round();
	if (grabbed)
		t_release(&in, grabbed);
	t_reader_close(&in);
	t_writer_close(&out);
}

static void hazard_hold_while_reclaimed(enum zc_killpoint point)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.max_holds = 4;
	options.best_effort = true;
	t_writer_open(&out, small_pool(), SERVICE, NULL);
	t_reader_open(&in, t_pool_open(), SERVICE, &options);
	grabbed_at(point, grab);
}

static void hazard_hold_after_the_snapshot(void)
{
	hazard_hold_while_reclaimed(ZC_KP_reclaim_snapshot);
}

static void hazard_hold_of_a_block_that_is_clean(void)
{
	hazard_hold_while_reclaimed(ZC_KP_reclaim_clean);
}

static void hazard_hold_after_the_holds_were_read(void)
{
	hazard_hold_while_reclaimed(ZC_KP_reclaim_checked);
}

static void joining_while_reclaimed(enum zc_killpoint point)
{
	zc_writer_options_t options = dropping();

	t_writer_open(&out, small_pool(), SERVICE, &options);
	grabbed_at(point, joins_and_grabs);
}

static void join_after_the_snapshot(void)
{
	joining_while_reclaimed(ZC_KP_reclaim_snapshot);
}

static void join_when_a_block_is_clean(void)
{
	joining_while_reclaimed(ZC_KP_reclaim_clean);
}

/* --- a batch that the writer takes back, and its end, within one look -------------------- */

static struct {
	pthread_t reader, writer;
	sem_t alone, go;
	bool stopped, asked;
} batch;

/* The writer stops in its batch; the reader, between its two looks, lets it go to its end. */
static void on_batch(enum zc_killpoint point, void *ctx)
{
	bool reads = pthread_equal(pthread_self(), batch.reader);

	(void)ctx;
	if (point == ZC_KP_bulk_alone && !reads && !batch.stopped) {
		batch.stopped = true;
		sem_post(&batch.alone);
		sem_wait(&batch.go);
	} else if (point == ZC_KP_hazard_asked && reads && !batch.asked) {
		batch.asked = true;
		sem_post(&batch.go);
		CHECK_EQ(pthread_join(batch.writer, NULL), 0);
	}
}

/* Writes over what it took back, commits none of it, and leaves. */
static void *takes_back_and_leaves(void *arg)
{
	zc_handle_t handle;
	size_t bytes;

	t_write_many(&out, 15, 2000);
	for (int i = 0; i < 8; i++) {
		if (zc_writer_acquire_block(out.role, 2000, &handle, 0) != ZC_OK)
			break;
		memset(zc_writer_block_data(out.role, handle, &bytes), 0xee, 2000);
	}
	t_writer_close(&out);
	return arg;
}

/* lib/reader_poll.c, [R5]: model bulk/word_first. */
static void hazard_reader_believes_no_word_from_before(void)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t handle;

	/* Not before the ring is full, and then all of it. */
	writing.footprint_bytes = 64U << 10;
	t_writer_open(&out, small_pool(), SERVICE, &writing);
	batch.reader = pthread_self();
	CHECK(!sem_init(&batch.alone, 0, 0) && !sem_init(&batch.go, 0, 0));
	zc_killpoint_set(on_batch, NULL);
	CHECK_EQ(pthread_create(&batch.writer, NULL, takes_back_and_leaves, NULL), 0);
	CHECK_EQ(sem_wait(&batch.alone), 0);
	options.max_holds = 4;
	options.history = 12;
	t_reader_open(&in, t_pool_open(), SERVICE, &options);
	while (t_try_read(&in, &handle, 0) == ZC_OK)
		t_release(&in, handle);
	zc_killpoint_set(NULL, NULL);
	CHECK(batch.asked);
	/* All had been taken back. */
	CHECK_EQ(in.received, 0);
	t_reader_close(&in);
}

/* --- a joiner meets a writer ------------------------------------------------------------ */

static void commit_three(void)
{
	t_write_many(&out, 3, 1000);
}

static void commits_while_joining(enum zc_killpoint point, uint32_t history)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	uint64_t first;

	options.max_holds = 4;
	options.history = history;
	t_writer_open(&out, small_pool(), SERVICE, NULL);
	when_at(point, commit_three);
	t_reader_open(&in, t_pool_open(), SERVICE, &options);
	it_came_there();
	t_write_many(&out, 3, 1000);
	/* Nothing between its first message and the last is missing. */
	t_release(&in, t_read(&in));
	first = in.next - 1;
	CHECK_OP(first, <=, 4);
	t_read_many(&in, 6 - first);
	CHECK_EQ(in.next, 7);
	t_reader_close(&in);
	t_writer_close(&out);
}

static void join_commits_before_it_is_active(void)
{
	commits_while_joining(ZC_KP_reader_zeroed, 0);
}

static void join_commits_before_the_head(void)
{
	commits_while_joining(ZC_KP_reader_active, 0);
}

static void join_commits_after_the_cursor(void)
{
	commits_while_joining(ZC_KP_reader_joined, 0);
}

static void join_commits_with_history(void)
{
	commits_while_joining(ZC_KP_reader_active, 3);
}

/* More than it may be behind: it has not joined yet, and so lost nothing. */
static void joiner_that_is_slow_begins_later(void)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	uint64_t first;

	options.on_slow = ZC_ON_SLOW_DISCONNECT;
	options.lag_limit = 4;
	t_writer_open(&out, small_pool(), SERVICE, &options);
	when_at(ZC_KP_reader_headed, go_round);
	t_reader_open(&in, t_pool_open(), SERVICE, NULL);
	it_came_there();
	t_release(&in, t_read(&in));
	first = in.next - 1;
	CHECK_OP(first, >, 1);
	t_read_many(&in, 100 - first);
	CHECK_OK(zc_reader_get_stats(in.role, &stats));
	CHECK_EQ(stats.lost, 0);
	CHECK_EQ(stats.received, 101 - first);
	t_reader_close(&in);
	t_writer_close(&out);
}

/* --- a box that goes over to another sender -------------------------------------------- */

static uint64_t heard_nr, heard_sum;

static void hears(const zc_message_t *message, void *ctx)
{
	uint64_t number;

	(void)ctx;
	CHECK_EQ(message->bytes, sizeof(number));
	memcpy(&number, message->payload, sizeof(number));
	heard_nr++;
	heard_sum += number;
}

static void reader_says(uint64_t number)
{
	CHECK_OK(zc_reader_send_message(in.role, ZC_WRITER(0), ZC_MSG_USER, &number,
					sizeof(number)));
}

static void another_reader_says_two(void)
{
	t_reader_close(&in);
	t_reader_open(&in, t_pool_open(), SERVICE, NULL);
	reader_says(2);
}

/* lib/mail.c, [P3]: model mail/no_second_look. */
static void message_of_the_next_sender_is_heard_once(void)
{
	t_writer_open(&out, small_pool(), SERVICE, NULL);
	CHECK_OK(zc_writer_handle_message(out.role, ZC_MSG_USER, hears, NULL));
	t_reader_open(&in, t_pool_open(), SERVICE, NULL);
	reader_says(1);
	when_at(ZC_KP_mail_found, another_reader_says_two);
	for (int i = 0; i < 3; i++)
		CHECK_OK(zc_writer_check_message(out.role, NULL, NULL, NULL, 0));
	it_came_there();
	CHECK_EQ(heard_nr, 1);
	CHECK_EQ(heard_sum, 2);
	t_reader_close(&in);
	t_writer_close(&out);
}

static const struct t_case cases[] = {
	T_CASE(commit_between_ticket_and_head_is_seen),
	T_CASE(commit_between_head_and_look_is_seen),
	T_CASE(reader_lapped_before_it_looks_at_the_floor),
	T_CASE(reader_lapped_after_its_cursor),
	T_CASE(hazard_reader_lapped_before_it_looks_at_the_word),
	T_CASE(hazard_reader_lapped_after_it_looked),
	T_CASE(hazard_hold_after_the_snapshot),
	T_CASE(hazard_hold_of_a_block_that_is_clean),
	T_CASE(hazard_hold_after_the_holds_were_read),
	T_CASE(hazard_reader_believes_no_word_from_before),
	T_CASE(join_after_the_snapshot),
	T_CASE(join_when_a_block_is_clean),
	T_CASE(join_commits_before_it_is_active),
	T_CASE(join_commits_before_the_head),
	T_CASE(join_commits_after_the_cursor),
	T_CASE(join_commits_with_history),
	T_CASE(joiner_that_is_slow_begins_later),
	T_CASE(message_of_the_next_sender_is_heard_once),
	T_END,
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
