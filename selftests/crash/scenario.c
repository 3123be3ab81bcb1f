/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * scenario.c - lives that lead past every kill point.
 *
 * Each is a function that a victim process runs from birth to an orderly end;
 * the hook ends it before that, or stops it for a while.
 */
#ifdef ZC_KILLPOINTS
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crash.h"

/* Of this process alone: several threads may come along. */
static uint64_t hits_here;

static void act(enum action action)
{
	/* To this very thread: it goes no step further. */
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid),
		action == ACT_KILL ? SIGKILL : SIGSTOP);
}

static void on_point(enum zc_killpoint point, void *ctx)
{
	(void)ctx;
	__atomic_fetch_add(&board->hits[point], 1, __ATOMIC_SEQ_CST);
	if (point == board->point &&
	    __atomic_add_fetch(&hits_here, 1, __ATOMIC_SEQ_CST) == board->nth)
		act(board->action);
}

static zc_pool_t *begin(void)
{
	t_srand(board->seed);
	zc_killpoint_set(on_point, NULL);
	return t_pool_open();
}

static void commit_main(struct t_writer *writer, zc_handle_t handle)
{
	t_commit(writer, handle);
	board_store(&board->committed, writer->next - 1);
}

/* One message, written and read. */
static void one_through(struct t_writer *writer, struct t_reader *reader)
{
	t_write(writer, t_rand_size(3000));
	t_read_many(reader, 1);
}

/* --- a writer: all sizes, any order, cancels, long holds, big blocks ------- */

static void some_in_flight(struct t_writer *writer, struct t_reader *keeper)
{
	zc_handle_t handle[3];
	unsigned int nr = 1 + (unsigned int)t_rand_below(3);

	for (unsigned int i = 0; i < nr; i++)
		CHECK_OK(zc_writer_acquire_block(writer->role,
						 t_rand_size(12000), &handle[i],
						 t_wait_ns()));
	while (nr--) {
		if (t_rand_below(4) == 0) {
			CHECK_OK(zc_writer_cancel_block(writer->role,
							handle[nr]));
			continue;
		}
		commit_main(writer, handle[nr]);
		t_read_many(keeper, 1);
	}
}

/* Free pieces must be joined for these; it does not matter whether they come. */
static void ask_for_much(struct t_writer *writer, size_t segment)
{
	zc_handle_t handle;

	for (unsigned int shift = 0; shift < 4; shift++)
		if (zc_writer_acquire_block(writer->role, segment >> shift,
					    &handle, 0) == ZC_OK)
			CHECK_OK(zc_writer_cancel_block(writer->role, handle));
}

static void lives_as_writer(void *arg)
{
	zc_pool_t *pool = begin();
	uint64_t segment = t_segment_bytes(pool);
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	struct t_reader keeper;

	(void)arg;
	/* Verified by all who read it; who comes after it guards nothing. */
	options.guard = ZC_GUARD_FULL;
	t_reader_open(&keeper, pool, MAIN, NULL);
	t_writer_open(&writer, pool, MAIN, &options);
	for (int round = 0; round < 4; round++) {
		zc_handle_t handle, kept, first;

		/* Held until the writer is round its ring, then let go. */
		CHECK_OK(zc_writer_acquire_block(writer.role, 1500, &handle,
						 t_wait_ns()));
		commit_main(&writer, handle);
		first = t_read(&keeper);
		for (int i = 0; i < 15; i++)
			some_in_flight(&writer, &keeper);
		CHECK_OK(zc_writer_acquire_block(writer.role, 900, &handle,
						 t_wait_ns()));
		commit_main(&writer, handle);
		kept = t_read(&keeper);
		t_release(&keeper, first);
		ask_for_much(&writer, segment);
		for (int i = 0; i < 15; i++)
			some_in_flight(&writer, &keeper);
		t_release(&keeper, kept);
		ask_for_much(&writer, segment);
		/* The watcher has caught up, and sleeps again. */
		for (int i = 0; i < 3; i++) {
			T_UNTIL(board_load(&board->watched) ==
				board_load(&board->committed));
			CHECK_OK(zc_writer_acquire_block(writer.role, 100,
							 &handle,
							 t_wait_ns()));
			commit_main(&writer, handle);
			t_read_many(&keeper, 1);
		}
	}
	t_writer_close(&writer);
	t_reader_close(&keeper);
	zc_pool_close(pool);
}

/* --- a reader: required, best effort, with history; sleeps ------------------ */

static void lives_as_reader(void *arg)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = begin();
	struct t_reader feed, pulse, late, silence;

	(void)arg;
	options.max_holds = 12;
	options.spin_ns = 1;
	t_reader_open(&feed, pool, FEED, &options);
	options.best_effort = true;
	t_reader_open(&pulse, pool, PULSE, &options);
	options.best_effort = false;
	t_reader_open(&silence, pool, MAIN, &options);
	options.history = 3;
	t_reader_open(&late, pool, FEED, &options);
	for (int round = 0; round < 12; round++) {
		struct t_reader *reader[] = { &feed, &pulse, &late };
		zc_reader_t *role[] = { feed.role, pulse.role, silence.role };
		zc_handle_t held[3][10], handle;
		unsigned int nr[3] = { 0 };
		uint32_t index;

		for (int i = 0; i < 30; i++) {
			int r = i % 3;

			if (t_try_read(reader[r], &held[r][nr[r]], 1000000) ==
			    ZC_OK)
				nr[r]++;
		}
		CHECK_RESULT(t_try_read(&silence, &handle, 500000),
			     ZC_ERROR_TIMEOUT);
		zc_wait_any(role, 3, &index, 500000);
		for (int r = 0; r < 3; r++)
			while (nr[r])
				t_release(reader[r], held[r][--nr[r]]);
		/* Leaves a topic in full flow, and joins it again. */
		t_reader_close(&feed);
		options.best_effort = false;
		options.history = 0;
		t_reader_open(&feed, pool, FEED, &options);
	}
	t_reader_close(&late);
	t_reader_close(&silence);
	t_reader_close(&pulse);
	t_reader_close(&feed);
	zc_pool_close(pool);
}

/* --- a writer with readers that are too slow ---------------------------------- */

static void lives_with_slow_readers(void *arg)
{
	static const char *const names[] = { "crash/policy/drop",
					     "crash/policy/cut",
					     "crash/policy/over" };
	zc_pool_t *pool = begin();

	(void)arg;
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 3; i++) {
			zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
			struct t_writer writer;
			struct t_reader slow, fast;
			zc_handle_t held, handle;

			options.on_slow = i == 1 ? ZC_ON_SLOW_DISCONNECT :
						   ZC_ON_SLOW_DROP_OLDEST;
			options.overwrite = i == 2;
			options.history = i == 2 ? 4 : 0;
			options.lag_limit = 5;
			t_writer_open(&writer, pool, names[i], &options);
			t_reader_open(&slow, pool, names[i], NULL);
			t_reader_open(&fast, pool, names[i], NULL);
			t_write(&writer, 2000);
			CHECK_OK(t_try_read(&slow, &held, 0));
			CHECK_OK(t_try_read(&fast, &handle, 0));
			t_release(&fast, handle);
			for (int n = 0; n < 40; n++)
				one_through(&writer, &fast);
			t_release(&slow, held);
			while (t_try_read(&slow, &handle, 0) == ZC_OK)
				t_release(&slow, handle);
			for (int n = 0; n < 3; n++)
				one_through(&writer, &fast);
			t_reader_close(&fast);
			t_reader_close(&slow);
			t_writer_close(&writer);
		}
	zc_pool_close(pool);
}

/* --- one who joins and leaves, under ever new names ------------------------------ */

static void lives_as_visitor(void *arg)
{
	(void)arg;
	for (int visit = 0; visit < 3; visit++) {
		zc_pool_t *pool = begin();

		for (int i = 0; i < 14; i++) {
			uint64_t number = __atomic_fetch_add(&board->rounds, 1,
							     __ATOMIC_SEQ_CST);
			struct t_writer writer;
			struct t_reader reader;
			char name[40];

			snprintf(name, sizeof(name), "crash/name/%u",
				 (unsigned int)number);
			if (i % 2)
				t_reader_open(&reader, pool, name, NULL);
			t_writer_open(&writer, pool, name, NULL);
			if (i % 2 == 0)
				t_reader_open(&reader, pool, name, NULL);
			reader.next = writer.next;
			for (int n = 0; n < 3; n++)
				one_through(&writer, &reader);
			/* Somebody leaves something unread. */
			t_write(&writer, 100);
			t_writer_close(&writer);
			/* And is followed by another. */
			t_writer_open(&writer, pool, name, NULL);
			t_write(&writer, 100);
			t_read_many(&reader, 1);
			t_reader_close(&reader);
			t_writer_close(&writer);
		}
		zc_pool_close(pool);
	}
}

/* --- one who sees others die ------------------------------------------------------- */

struct death {
	enum zc_killpoint point;	/* ZC_KP_COUNT: in between */
	enum zc_killpoint pause;	/* stops here once, before */
};

static struct death death;

static void on_death(enum zc_killpoint point, void *ctx)
{
	static bool paused;

	(void)ctx;
	if (point == death.pause && !paused) {
		paused = true;
		act(ACT_STOP);
	} else if (point == death.point &&
		   (paused || death.pause == ZC_KP_COUNT)) {
		act(ACT_KILL);
	}
}

/* Holds, has written and claimed; then dies at its point. */
static void is_sacrificed(void *arg)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	struct t_writer writer;
	struct t_reader reader;
	zc_handle_t claimed;
	zc_pool_t *pool;

	(void)arg;
	pool = t_pool_open();
	/* Who is to die when it claims more must not run into a quota before. */
	options.quota_bytes = death.pause != ZC_KP_COUNT ? 12000 : 0;
	t_reader_open(&reader, pool, SACRIFICE, NULL);
	t_writer_open(&writer, pool, SACRIFICE, &options);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "write");
	t_write_many(&writer, 3, 1000);
	t_read(&reader);
	CHECK_OK(zc_writer_acquire_block(writer.role, 1500, &claimed, 0));
	t_say(t_parent(), "written");
	t_hear(t_parent(), "die");
	zc_killpoint_set(on_death, NULL);
	if (death.point == ZC_KP_COUNT)
		act(ACT_KILL);
	t_reader_close(&reader);
	/* Its reader reads no more: what it has at hand must soon be too small. */
	for (size_t size = 1000;; size *= death.pause != ZC_KP_COUNT ? 1 : 2)
		t_write(&writer, size);
}

/* No member any more. (Others may have come in the meantime.) */
static bool gone(zc_pool_t *pool, pid_t pid)
{
	zc_member_info_t info = { .sz = sizeof(info) };
	zc_result_t result;

	for (uint32_t i = 0;; i++) {
		result = zc_inspect_member(pool, i, &info);
		if (result == ZC_ERROR_INVALID)
			return true;
		if (result == ZC_OK && info.pid == (uint32_t)pid)
			return false;
	}
}

static void see_one_die(enum zc_killpoint point, enum zc_killpoint pause)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct t_reader reader;
	struct t_peer *child;
	zc_handle_t held = 0;
	zc_pool_t *pool;
	uint64_t first;

	death = (struct death){ point, pause };
	child = t_spawn("sacrifice", is_sacrificed, NULL);
	t_hear(child, "ready");
	pool = begin();
	options.max_holds = 4;
	options.best_effort = pause != ZC_KP_COUNT;
	t_reader_open(&reader, pool, SACRIFICE, &options);
	t_say(child, "write");
	t_hear(child, "written");
	t_say(child, "die");
	if (pause != ZC_KP_COUNT) {
		/* It took one back, and is about to take the next: held. */
		CHECK(t_wait_stopped(child));
		CHECK_OK(t_try_read(&reader, &held, 0));
		t_continue(child);
	} else {
		held = t_read(&reader);
	}
	first = t_sequence(&reader, held);
	CHECK(!t_wait_stopped(child));
	T_UNTIL(gone(pool, child->pid));
	t_pool_check(pool);
	/* What was held is as it was; what was committed is there. */
	if (!options.best_effort) {
		t_read_many(&reader, 2);
		CHECK_EQ(reader.next, first + 3);
	}
	t_release(&reader, held);
	t_reader_close(&reader);
	zc_pool_close(pool);
}

static void lives_as_witness(void *arg)
{
	(void)arg;
	see_one_die(ZC_KP_COUNT, ZC_KP_COUNT);
	see_one_die(ZC_KP_commit_entry, ZC_KP_COUNT);
	see_one_die(ZC_KP_commit_using, ZC_KP_COUNT);
	see_one_die(ZC_KP_commit_described, ZC_KP_COUNT);
	see_one_die(ZC_KP_claim_done, ZC_KP_COUNT);
	see_one_die(ZC_KP_split_remainder, ZC_KP_COUNT);
	see_one_die(ZC_KP_reclaim_clean, ZC_KP_reclaim_clean);
}

/* --- a cleaner, and what it has to clean ------------------------------------------------- */

#define CRUMBS 8

static void crumble(struct t_writer *writer)
{
	zc_handle_t handle[CRUMBS];
	unsigned int nr = 0;

	while (nr < CRUMBS)
		CHECK_OK(zc_writer_acquire_block(writer->role, t_rand_size(9000),
						 &handle[nr++], t_wait_ns()));
	while (nr) {
		unsigned int pick = (unsigned int)t_rand_below(nr);

		CHECK_OK(zc_writer_cancel_block(writer->role, handle[pick]));
		handle[pick] = handle[--nr];
	}
}

/* A segment comes, goes, comes again, and goes, unless somebody has something in each. */
static void come_and_go(zc_pool_t *pool)
{
	for (int i = 0; i < 2; i++) {
		zc_result_t result;

		/*
		 * It may be there, if somebody died here, and others may just be clearing
		 * away after that.
		 */
		T_UNTIL((result = zc_pool_grow(pool, 1)) != ZC_ERROR_BUSY);
		if (result != ZC_OK)
			CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
		T_UNTIL((result = zc_pool_shrink(pool, 1, 100000000)) != ZC_ERROR_BUSY);
		/* Another that comes and goes may have taken away the one that there was. */
		if (result == ZC_ERROR_INVALID)
			CHECK(strstr(zc_last_error(), "one segment left"));
		else if (result != ZC_OK)
			CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	}
}

static int sound(const zc_inspect_block_t *block, void *ctx)
{
	(void)ctx;
	CHECK_EQ(block->fault, ZC_FAULT_NONE);
	return 0;
}

static void lives_as_cleaner(void *arg)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_writer_options_t guarded = ZC_WRITER_OPTIONS_INIT;
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };
	zc_pool_t *pool = begin();
	zc_messagering_t *node;
	zc_cleaner_t *cleaner;

	(void)arg;
	options.period_ns = 10000;
	guarded.guard = ZC_GUARD_FULL;
	guarded.history = 4;
	come_and_go(pool);
	for (int round = 0; round < 6; round++) {
		struct t_writer writer;
		struct t_reader reader;
		uint64_t merged;

		CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
		CHECK_OK(zc_messagering_register(pool, &node));
		for (int i = 0; i < 4; i++) {
			CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
			merged = stats.merged;
			t_writer_open(&writer, pool, "crash/crumbs/main", &guarded);
			crumble(&writer);
			t_reader_open(&reader, pool, "crash/crumbs/main", NULL);
			one_through(&writer, &reader);
			/* To the reader, and to the cleaner, if it leads by now. */
			zc_writer_send_message(writer.role,
					       ZC_READER(zc_writer_id(writer.role),
							 zc_reader_id(reader.role)),
					       ZC_MSG_USER, NULL, 0);
			zc_writer_send_message(writer.role, ZC_TEAM, ZC_MSG_USER,
					       NULL, 0);
			one_through(&writer, &reader);
			zc_inspect_verified(pool, sound, NULL);
			t_reader_close(&reader);
			t_writer_close(&writer);
			/* The cleaner is there, and may have much to do. */
			zc_messagering_broadcast(node, ZC_MSG_USER, NULL, 0, 0);
			zc_messagering_on_message(node, 0, NULL);
			do
				CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
			while (stats.merged == merged);
		}
		zc_messagering_unregister(node);
		zc_cleaner_stop(cleaner);
	}
	zc_pool_close(pool);
}

/* --- which one for which point ---------------------------------------------------------- */

static const struct scenario writer = { "writer", lives_as_writer, false };
static const struct scenario reader = { "reader", lives_as_reader, false };
static const struct scenario slow = { "slow", lives_with_slow_readers, false };
static const struct scenario visits = { "visitor", lives_as_visitor, false };
static const struct scenario cleans = { "cleaner", lives_as_cleaner, false };
static const struct scenario witness = { "witness", lives_as_witness, true };

static const struct scenario *const writer_first[] = {
	&writer, &slow, &reader, &visits, &cleans, &witness, NULL
};
static const struct scenario *const reader_first[] = {
	&reader, &slow, &writer, &visits, &cleans, &witness, NULL
};
static const struct scenario *const slow_first[] = {
	&slow, &writer, &reader, &visits, &cleans, &witness, NULL
};
static const struct scenario *const visits_first[] = {
	&visits, &writer, &reader, &slow, &cleans, &witness, NULL
};
static const struct scenario *const witness_first[] = {
	&witness, &visits, &writer, &reader, &slow, &cleans, NULL
};

static const struct scenario *const cleaner_first[] = {
	&cleans, &writer, &slow, &reader, &visits, &witness, NULL
};

const struct scenario *const *scenarios_for(const char *point)
{
	static const struct {
		const char *prefix;
		const struct scenario *const *first;
	} table[] = {
		{ "poll_", reader_first },	{ "release_", reader_first },
		{ "hazard_", reader_first },	{ "sleep_", reader_first },
		{ "floor_", slow_first },	{ "cut_", slow_first },
		{ "member_", visits_first },	{ "reader_", reader_first },
		{ "writer_", visits_first },	{ "service_", visits_first },
		{ "event_", visits_first },	{ "death_", witness_first },
		{ "reap_", witness_first },	{ "clean", cleaner_first },
		{ "node_", cleaner_first },	{ "packet_", cleaner_first },
		{ "duty_", cleaner_first },	{ "mail_", cleaner_first },
		{ "grow_", cleaner_first },	{ "segment_", cleaner_first },
		{ "remover_", cleaner_first },
		{ "revive_", cleaner_first },	{ "shrink_", cleaner_first },
		{ "drain_", cleaner_first },
		{ "keys_", cleaner_first },	{ "guard_looked", cleaner_first },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (!strncmp(point, table[i].prefix, strlen(table[i].prefix)))
			return table[i].first;
	return writer_first;
}
#else
/* ISO C forbids an empty translation unit. */
typedef int crash_scenario_unused;
#endif
