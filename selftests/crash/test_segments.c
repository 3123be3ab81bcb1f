/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_segments.c - somebody dies, stops, or loses his lock at each step of growing and
 * shrinking.  The others write and read all the while; what was there is there again,
 * without anybody who comes and looks; and no file keeps memory that the pool has not.
 */
#include "crash.h"

#ifdef ZC_KILLPOINTS
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SEGMENT (256U << 10)
#define SEGMENTS 2U
#define SEGMENTS_MAX 4U
#define FLOW "segments/flow/main"

enum fate { DIES, STOPS, STOPS_AND_DIES, LOSES_ITS_LOCK };

static struct {
	enum zc_killpoint point;
	enum fate fate;
	uint64_t hits;
	uint64_t flowed;
	uint64_t end;
} *stage;

/* --- the victim ---------------------------------------------------------------------- */

/* As a program does that closes all descriptors which it does not know. */
static void close_the_lock(void)
{
	char link[64], path[512];
	ssize_t bytes;

	for (int fd = 3; fd < 256; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		bytes = readlink(link, path, sizeof(path) - 1);
		if (bytes <= 5)
			continue;
		path[bytes] = '\0';
		if (strstr(path, "zerocore.") && !strcmp(path + bytes - 5, ".lock"))
			close(fd);
	}
}

static void meets_its_fate(enum zc_killpoint point, void *ctx)
{
	(void)ctx;
	if (point != stage->point ||
	    __atomic_fetch_add(&stage->hits, 1, __ATOMIC_SEQ_CST))
		return;
	if (stage->fate == LOSES_ITS_LOCK)
		close_the_lock();
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid),
		stage->fate == DIES ? SIGKILL : SIGSTOP);
}

static void comes_and_goes(void *arg)
{
	zc_result_t result;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	zc_killpoint_set(meets_its_fate, NULL);
	for (int i = 0; i < 2; i++) {
		do
			result = zc_pool_grow(pool, 1);
		while (result == ZC_ERROR_BUSY);
		CHECK(result == ZC_OK || result == ZC_ERROR_NO_MEMORY);
		result = zc_pool_shrink(pool, 1, t_wait_ns());
		CHECK(result == ZC_OK || result == ZC_ERROR_INVALID);
	}
	zc_pool_close(pool);
}

/* --- the others ------------------------------------------------------------------------ */

static void flows(void *arg)
{
	struct t_writer writer;
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_writer_open(&writer, pool, FLOW, NULL);
	t_reader_open(&reader, pool, FLOW, NULL);
	t_say(t_parent(), "flows");
	while (!board_load(&stage->end)) {
		uint64_t nr = 1 + t_rand_below(6);

		for (uint64_t i = 0; i < nr; i++)
			t_write(&writer, t_rand_size(20000));
		t_read_many(&reader, nr);
		board_store(&stage->flowed, reader.received);
	}
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_pool_close(pool);
}

static uint64_t in_files(void)
{
	DIR *dir = opendir(t_folder());
	char path[512];
	uint64_t bytes = 0;
	struct dirent *e;
	struct stat st;

	CHECK(dir);
	while ((e = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", t_folder(), e->d_name);
		if (strstr(e->d_name, ".data") && !stat(path, &st))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(dir);
	return bytes;
}

static int adds_up(const zc_inspect_block_t *run, void *ctx)
{
	*(uint64_t *)ctx += run->granules;
	return 0;
}

/* What has memory is somebody's or free, not the remover's; and no more has any. */
static bool all_is_there(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	uint64_t granules = 0;

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_inspect_runs(pool, adds_up, &granules));
	return granules * info.granule_bytes == info.bytes && in_files() == info.bytes;
}

/* Was there before, and asks nobody: it sees what its library does by itself. */
static void looks_on(void *arg)
{
	uint64_t stopped;
	zc_result_t result;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "looks");
	stopped = t_hear_number(t_parent(), "acted");
	if (stopped) {
		result = zc_pool_grow(pool, 1);
		CHECK_RESULT(result, ZC_ERROR_BUSY);
		CHECK_RESULT(zc_pool_shrink(pool, 1, 3000000), ZC_ERROR_TIMEOUT);
		t_pool_check(pool);
	}
	t_say(t_parent(), "seen");
	t_hear(t_parent(), "quiet");
	T_UNTIL(all_is_there(pool));
	t_pool_check_rest(pool);
	while ((result = zc_pool_grow(pool, 1)) == ZC_OK)
		;
	CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
	CHECK(all_is_there(pool));
	t_pool_acquire_all(pool, FLOW);
	CHECK_OK(zc_pool_shrink(pool, SEGMENTS_MAX - 1, t_wait_ns()));
	T_UNTIL(all_is_there(pool));
	t_pool_acquire_all(pool, FLOW);
	t_pool_check_rest(pool);
	zc_pool_close(pool);
	t_say(t_parent(), "well");
}

static void makes_the_pool(void *arg)
{
	zc_pool_options_t options = t_pool_options();

	(void)arg;
	options.bytes = SEGMENTS * SEGMENT;
	options.segment_bytes = SEGMENT;
	options.max_bytes = SEGMENTS_MAX * SEGMENT;
	t_pool_close(t_pool_create(&options));
}

static void it_flows(void)
{
	uint64_t from = board_load(&stage->flowed);

	T_UNTIL(board_load(&stage->flowed) > from + 50);
}

static void play(enum zc_killpoint point, enum fate fate)
{
	struct t_peer *victim, *flow, *looker;
	bool inside = point != ZC_KP_remover_left;

	if (!t_backend_is_shm())
		t_skip("the kernel does it");
	stage = t_shared(sizeof(*stage));
	stage->point = point;
	stage->fate = fate;
	victim = t_spawn("victim", comes_and_goes, NULL);
	flow = t_spawn("flow", flows, NULL);
	looker = t_spawn("looker", looks_on, NULL);
	t_join(t_spawn("maker", makes_the_pool, NULL));
	t_say(flow, "go");
	t_hear(flow, "flows");
	t_say(looker, "go");
	t_hear(looker, "looks");
	t_say(victim, "go");
	CHECK_EQ(t_wait_stopped(victim), fate != DIES);
	CHECK_OP(board_load(&stage->hits), >, 0);
	it_flows();
	t_say_number(looker, "acted", fate != DIES && inside);
	t_hear(looker, "seen");
	it_flows();
	if (fate == STOPS_AND_DIES) {
		t_kill(victim);
	} else if (fate != DIES) {
		t_continue(victim);
		t_join(victim);
	}
	it_flows();
	board_store(&stage->end, 1);
	t_join(flow);
	t_say(looker, "quiet");
	t_hear(looker, "well");
	t_join(looker);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void grows_a_removed_one(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	zc_killpoint_set(meets_its_fate, NULL);
	CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NOT_FOUND);
	t_pool_check_rest(pool);
	zc_pool_close(pool);
}

static void removed_while_it_grows(enum zc_killpoint point)
{
	struct t_peer *victim;

	if (!t_backend_is_shm())
		t_skip("the kernel does it");
	stage = t_shared(sizeof(*stage));
	stage->point = point;
	stage->fate = STOPS;
	victim = t_spawn("victim", grows_a_removed_one, NULL);
	t_join(t_spawn("maker", makes_the_pool, NULL));
	t_say(victim, "go");
	CHECK(t_wait_stopped(victim));
	CHECK_OK(zc_pool_remove(t_name(0)));
	t_continue(victim);
	t_join(victim);
}

/* Whoever removes it takes this one along. */
static void grow_made_while_removed(void) { removed_while_it_grows(ZC_KP_grow_made); }

/* He has looked at all files before this one came: it goes by itself. */
static void grow_begun_while_removed(void) { removed_while_it_grows(ZC_KP_remover_came); }

static void is_late(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	zc_killpoint_set(meets_its_fate, NULL);
	/* It is told that this one did not go, not that anything is broken. */
	CHECK_RESULT(zc_pool_shrink(pool, 1, 0), ZC_ERROR_TIMEOUT);
	t_say(t_parent(), "told");
	CHECK_OK(zc_pool_shrink(pool, 1, t_wait_ns()));
	t_pool_check(pool);
	zc_pool_close(pool);
}

/* Stopped for longer than its lease: somebody else removes the segment that it drains. */
static void drainer_comes_late(void)
{
	zc_pool_options_t options = t_pool_options();
	struct t_peer *late;
	zc_pool_t *pool;

	stage = t_shared(sizeof(*stage));
	stage->point = ZC_KP_drain_asked;
	stage->fate = STOPS;
	late = t_spawn("late", is_late, NULL);
	options.bytes = 3 * SEGMENT;
	options.segment_bytes = SEGMENT;
	pool = t_pool_create(&options);
	t_say(late, "go");
	CHECK(t_wait_stopped(late));
	CHECK_OK(zc_pool_shrink(pool, 1, t_wait_ns()));
	t_continue(late);
	t_hear(late, "told");
	t_join(late);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, FLOW);
	t_pool_close(pool);
}

#define POINTS(X)                                                              \
	X(remover_came) X(grow_made) X(grow_formatted) X(grow_published)       \
	X(segment_claimed) X(segment_given) X(revive_begun) X(revive_filled)   \
	X(revive_ready) X(revive_done) X(shrink_taken) X(shrink_marked)        \
	X(shrink_emptied) X(shrink_done) X(remover_left)

#define CASES_OF(name)                                                         \
	static void name##_dies(void) { play(ZC_KP_##name, DIES); }            \
	static void name##_stops(void) { play(ZC_KP_##name, STOPS); }          \
	static void name##_stops_and_dies(void)                                \
	{                                                                      \
		play(ZC_KP_##name, STOPS_AND_DIES);                            \
	}                                                                      \
	static void name##_loses_its_lock(void)                                \
	{                                                                      \
		play(ZC_KP_##name, LOSES_ITS_LOCK);                            \
	}
POINTS(CASES_OF)

#define ROWS_OF(name)                                                          \
	T_CASE(name##_dies), T_CASE(name##_stops), T_CASE(name##_stops_and_dies), \
	T_CASE(name##_loses_its_lock),

static const struct t_case cases[] = {
	POINTS(ROWS_OF) T_CASE(grow_made_while_removed),
	T_CASE(grow_begun_while_removed), T_CASE(drainer_comes_late), T_END
};

CRASH_MAIN(cases)
#else
CRASH_SKIP()
#endif
