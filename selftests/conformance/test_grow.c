/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_grow.c - a pool grows by segments, and its members go on.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "harness.h"

#define SEGMENT (1ULL << 20)

/* 2 MiB of segments of 1 MiB, up to 8. */
static zc_pool_options_t growing(void)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = 2 * SEGMENT;
	options.segment_bytes = SEGMENT;
	options.max_bytes = 8 * SEGMENT;
	options.ring_entries = 1024;
	return options;
}

static uint64_t bytes_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.bytes;
}

static zc_pool_t *growing_pool(void)
{
	zc_pool_options_t options = growing();

	return t_pool_create(&options);
}

/* Writes until the pool is full; nobody reads. */
static uint64_t fill(struct t_writer *writer, size_t bytes)
{
	uint64_t nr = 0;

	while (t_try_write(writer, bytes, 0) == ZC_OK)
		nr++;
	return nr;
}

static void pool_grows_when_asked(void)
{
	zc_pool_t *pool = growing_pool();
	struct t_writer writer;
	struct t_reader reader;
	uint64_t some, more;

	t_writer_open(&writer, pool, "grow/asked/main", NULL);
	t_reader_open(&reader, pool, "grow/asked/main", NULL);
	some = fill(&writer, 60000);
	CHECK_OP(some, >=, 30);
	CHECK_EQ(bytes_of(pool), 2 * SEGMENT);
	CHECK_OK(zc_pool_grow(pool, 3));
	CHECK_EQ(bytes_of(pool), 5 * SEGMENT);
	more = fill(&writer, 60000);
	CHECK_OP(more, >=, 3 * 16);
	CHECK_OK(zc_pool_grow(pool, 3));
	more += fill(&writer, 60000);
	CHECK_EQ(bytes_of(pool), 8 * SEGMENT);
	CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NO_MEMORY);
	CHECK_OP(strlen(zc_last_error()), >, 20);
	/* A reader from before reads what is in segments that came since. */
	t_read_many(&reader, some + more);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "grow/all/main");
	t_pool_close(pool);
}

static void bad_growth_is_refused(void)
{
	zc_pool_options_t options = growing();
	zc_pool_t *pool;

	CHECK_RESULT(zc_pool_grow(NULL, 1), ZC_ERROR_INVALID);
	options.max_bytes = SEGMENT;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	options.max_bytes = 2000 * SEGMENT;
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	/* One that was not made for it does not. */
	pool = t_pool_create(NULL);
	CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NO_MEMORY);
	CHECK_OK(zc_pool_grow(pool, 0));
	t_pool_close(pool);
}

/* Without segment_bytes it begins with four. */
static void growing_pool_has_small_segments(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool;

	options.bytes = 4 * SEGMENT;
	options.segment_bytes = 0;
	options.max_bytes = 16 * SEGMENT;
	pool = t_pool_create(&options);
	CHECK_EQ(t_segment_bytes(pool), SEGMENT);
	CHECK_EQ(bytes_of(pool), 4 * SEGMENT);
	t_pool_close(pool);
}

/* What a file of this process may have: told, and not killed for. */
static void limit_of_files_is_told(void)
{
	struct rlimit limit = { SEGMENT / 2, SEGMENT / 2 };
	zc_pool_options_t options = growing();
	zc_pool_t *pool = growing_pool(), *other;

	CHECK(!setrlimit(RLIMIT_FSIZE, &limit));
	if (t_backend_is_shm()) {
		CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NO_MEMORY);
		CHECK(strstr(zc_last_error(), "ulimit"));
		CHECK_RESULT(zc_pool_create(t_name(1), &options, &other),
			     ZC_ERROR_NO_MEMORY);
		CHECK_EQ(bytes_of(pool), 2 * SEGMENT);
	} else {
		CHECK_OK(zc_pool_grow(pool, 1));
	}
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

/*
 * Its name is gone, and whoever removed it has deleted its files: what came now would
 * stay behind, and the harness would find it.
 */
static void grow_removed(bool shrunk)
{
	zc_pool_t *pool = growing_pool();
	struct t_writer writer;
	struct t_reader reader;
	uint64_t nr;

	t_writer_open(&writer, pool, "grow/removed/main", NULL);
	t_reader_open(&reader, pool, "grow/removed/main", NULL);
	CHECK_OK(zc_pool_grow(pool, 2));
	if (shrunk)
		CHECK_OK(zc_pool_shrink(pool, 1, t_wait_ns()));
	CHECK_OK(zc_pool_remove(t_name(0)));
	if (t_backend_is_shm()) {
		CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NOT_FOUND);
		CHECK(strstr(zc_last_error(), "was removed"));
		CHECK_EQ(bytes_of(pool), (shrunk ? 3 : 4) * SEGMENT);
	} else {
		CHECK_OK(zc_pool_grow(pool, 1));
	}
	nr = fill(&writer, 60000);
	CHECK_OP(nr, >=, 3 * 16);
	t_read_many(&reader, nr);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void removed_pool_grows_no_file(void)
{
	grow_removed(false);
}

static void removed_pool_fills_no_file(void)
{
	grow_removed(true);
}

/* --- others ---------------------------------------------------------------------------- */

static void reads_all(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "grow/others/main", NULL);
	t_say(t_parent(), "there");
	t_read_many(&reader, t_hear_number(t_parent(), "read"));
	t_reader_close(&reader);
	t_pool_close(pool);
	t_say(t_parent(), "done");
}

static void members_meet_new_segments(void)
{
	struct t_peer *old = t_spawn("old", reads_all, NULL);
	struct t_peer *late = t_spawn("late", reads_all, NULL);
	struct t_writer writer;
	uint64_t nr, all;
	zc_pool_t *pool = growing_pool();

	t_writer_open(&writer, pool, "grow/others/main", NULL);
	t_say(old, "open");
	t_hear(old, "there");
	all = fill(&writer, 30000);
	CHECK_OK(zc_pool_grow(pool, 2));
	all += fill(&writer, 30000);
	/* Who comes late finds it grown. */
	t_say(late, "open");
	t_hear(late, "there");
	CHECK_OK(zc_pool_grow(pool, 2));
	nr = fill(&writer, 30000);
	t_say_number(old, "read", all + nr);
	t_say_number(late, "read", nr);
	t_hear(old, "done");
	t_hear(late, "done");
	t_join(old);
	t_join(late);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static bool is_mapped(const char *what)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];
	bool found = false;

	CHECK(maps);
	while (!found && fgets(line, sizeof(line), maps))
		found = strstr(line, what) != NULL;
	fclose(maps);
	return found;
}

static void reads_what_was_removed(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "grow/gone/main", NULL);
	t_say(t_parent(), "there");
	t_hear(t_parent(), "grown");
	CHECK(!is_mapped(".data4"));
	/* It asks for nothing. */
	T_UNTIL(is_mapped(".data3"));
	t_say(t_parent(), "mapped");
	t_read_many(&reader, t_hear_number(t_parent(), "read"));
	t_reader_close(&reader);
	t_pool_close(pool);
}

/* What was committed to a new segment is there for who had not come there yet. */
static void members_map_what_is_new_while_it_has_a_name(void)
{
	struct t_peer *old = t_spawn("old", reads_what_was_removed, NULL);
	struct t_writer writer;
	zc_pool_t *pool;
	uint64_t nr;

	if (!t_backend_is_shm())
		t_skip("segments of the device need no name");
	pool = growing_pool();
	t_writer_open(&writer, pool, "grow/gone/main", NULL);
	t_say(old, "open");
	t_hear(old, "there");
	CHECK_OK(zc_pool_grow(pool, 2));
	t_say(old, "grown");
	t_hear(old, "mapped");
	nr = fill(&writer, 60000);
	CHECK_OP(nr, >=, 3 * 16);
	CHECK_OK(zc_pool_remove(t_name(0)));
	t_say_number(old, "read", nr);
	t_join(old);
	t_writer_close(&writer);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void grows_by_one(void *arg)
{
	zc_pool_t *pool;
	zc_result_t result;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_say(t_parent(), "there");
	t_hear(t_parent(), "go");
	do
		result = zc_pool_grow(pool, 1);
	while (result == ZC_ERROR_BUSY);
	CHECK_OK(result);
	t_pool_close(pool);
	t_say(t_parent(), "done");
}

/* Several at once: each adds one. */
static void rivals_add_a_segment_each(void)
{
	zc_pool_t *pool;
	struct t_peer *child[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		child[i] = t_spawn("grower", grows_by_one, NULL);
	pool = growing_pool();
	for (i = 0; i < 4; i++) {
		t_say(child[i], "open");
		t_hear(child[i], "there");
	}
	for (i = 0; i < 4; i++)
		t_say(child[i], "go");
	for (i = 0; i < 4; i++) {
		t_hear(child[i], "done");
		t_join(child[i]);
	}
	CHECK_EQ(bytes_of(pool), 6 * SEGMENT);
	t_pool_check_rest(pool);
	t_pool_acquire_all(pool, "grow/rivals/main");
	t_pool_close(pool);
}

/* --- by itself ------------------------------------------------------------------------- */

/*
 * A burst that needs three times the pool, on a reliable topic: a cleaner has it grow, a
 * writer that waits gets its memory, and nothing is lost.
 */
static void burst_makes_a_pool_grow(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_writer_options_t reliable = ZC_WRITER_OPTIONS_INIT;
	zc_pool_t *pool = growing_pool();
	zc_cleaner_t *cleaner;
	struct t_writer writer;
	struct t_reader reader;
	uint64_t i;

	options.idle_ns = 2000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	t_writer_open(&writer, pool, "grow/burst/main", &reliable);
	t_reader_open(&reader, pool, "grow/burst/main", NULL);
	for (i = 0; i < 200; i++)
		t_write(&writer, 32000);
	CHECK_OP(bytes_of(pool), >=, 6 * SEGMENT);
	t_note("%llu bytes after a burst of %llu", (unsigned long long)bytes_of(pool),
	       200ULL * 32000);
	t_read_many(&reader, 200);
	t_reader_close(&reader);
	t_writer_close(&writer);
	zc_cleaner_stop(cleaner);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(pool_grows_when_asked),
		T_CASE(bad_growth_is_refused),
		T_CASE(growing_pool_has_small_segments),
		T_CASE(limit_of_files_is_told),
		T_CASE(removed_pool_grows_no_file),
		T_CASE(removed_pool_fills_no_file),
		T_CASE(members_meet_new_segments),
		T_CASE(members_map_what_is_new_while_it_has_a_name),
		T_CASE(rivals_add_a_segment_each),
		T_CASE(burst_makes_a_pool_grow),
		T_END
	};

	return t_main(argc, argv, cases);
}
