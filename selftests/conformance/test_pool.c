/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_pool.c - create, open, close, remove, list; names, geometry, options.
 */
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

static zc_pool_info_t info_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info;
}

static void pool_create_open_close_remove(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool = NULL;
	zc_pool_info_t info;

	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK(!strcmp(zc_pool_name(pool), t_name(0)));
	info = info_of(pool);
	CHECK(!strcmp(info.name, t_name(0)));
	CHECK_OP(info.bytes, >=, options.bytes);
	CHECK_EQ(info.bytes, info.segment_bytes * info.segments);
	CHECK_EQ(info.granule_bytes, 512);
	CHECK_EQ(info.ring_entries, 64);
	CHECK_EQ(info.max_holds, 16);
	CHECK_EQ(info.members, 1);
	CHECK_EQ(info.writers, 0);
	CHECK_EQ(info.readers, 0);
	CHECK_EQ(info.creator_pid, getpid());
	CHECK_EQ(info.free_bytes, info.bytes);
	zc_pool_close(pool);
	pool = t_pool_open();
	CHECK_EQ(info_of(pool).members, 1);
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_NOT_FOUND);
}

static void pool_default_options(void)
{
	zc_pool_t *pool = NULL;

	CHECK_OK(zc_pool_create(t_name(0), NULL, &pool));
	CHECK_OP(info_of(pool).bytes, >=, 64U << 20);
	zc_pool_close(pool);
}

static void pool_huge_pages_are_tried(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool;
	zc_result_t result;

	options.huge = ZC_HUGE_TRANSPARENT;
	options.prefault = true;
	pool = t_pool_create(&options);
	CHECK(info_of(pool).pages != ZC_PAGES_GOT_HUGETLB);
	/* Reserved huge pages or a clean refusal; what is got is reported. */
	options.huge = ZC_HUGE_REQUIRE;
	result = zc_pool_create(t_name(1), &options, &pool);
	if (result == ZC_OK) {
		CHECK(info_of(pool).pages == ZC_PAGES_GOT_HUGETLB);
		zc_pool_close(pool);
	} else {
		CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
	}
}

static void pool_missing_not_found(void)
{
	zc_pool_t *pool = NULL;

	CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_NOT_FOUND);
	CHECK(!pool);
	CHECK(*zc_last_error());
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_NOT_FOUND);
}

static void pool_exists_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL), *other = NULL;
	zc_pool_options_t options = t_pool_options();
	struct t_writer writer;

	CHECK_RESULT(zc_pool_create(t_name(0), &options, &other),
		     ZC_ERROR_EXISTS);
	CHECK(!other);
	t_writer_open(&writer, pool, "a/b/c", NULL);
	t_write(&writer, 100);
}

static void pool_names_validated(void)
{
	static const char *const bad[] = {
		"", ".", "..", ".hidden", "-a", "_a", "a/b", "/a", "../a",
		"a b", "a\n", "a\tb", "\xc3\xa4", "a\xff", "a:b", "a*", "a%s",
		"1234567890123456789012345678901234567890123456789",
	};
	static const char *const good[] = {
		"a", "9", "A-b_c.9", "z.",
		"123456789012345678901234567890123456789012345678",
	};
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		CHECK_RESULT(zc_pool_create(bad[i], &options, &pool),
			     ZC_ERROR_INVALID);
		CHECK_RESULT(zc_pool_open(bad[i], &pool), ZC_ERROR_INVALID);
		CHECK_RESULT(zc_pool_remove(bad[i]), ZC_ERROR_INVALID);
		CHECK(*zc_last_error());
	}
	CHECK_RESULT(zc_pool_create(NULL, &options, &pool), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_pool_open(NULL, &pool), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_pool_remove(NULL), ZC_ERROR_INVALID);
	CHECK(!pool);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		CHECK_OK(zc_pool_create(good[i], &options, &pool));
		zc_pool_close(pool);
		CHECK_OK(zc_pool_open(good[i], &pool));
		zc_pool_close(pool);
		CHECK_OK(zc_pool_remove(good[i]));
	}
}

static int visit_none(const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	return 1;
}

/* What is tried on the way, and got over, is not said. */
static void pool_success_says_nothing(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool = NULL, *again = NULL;

	/* The device is asked first, and is not there. */
	CHECK(!setenv("ZEROCORE_BACKEND", "auto", 1));
	CHECK(!setenv("ZEROCORE_DEVICE", "/nowhere/zerocore", 1));
	CHECK(!*zc_last_error());
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK_OK(zc_pool_open(t_name(0), &again));
	zc_pool_close(again);
	zc_pool_close(pool);
	CHECK_OK(zc_pool_open(t_name(0), &pool));
	CHECK_OK(zc_pool_list(visit_none, NULL));
	CHECK(!*zc_last_error());

	/* Nor is what failed before forgotten. */
	CHECK_RESULT(zc_pool_open(t_name(1), &again), ZC_ERROR_NOT_FOUND);
	CHECK_OK(zc_pool_remove(t_name(0)));
	zc_pool_close(pool);
	options.transient = true;
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK_OK(zc_pool_remove(t_name(0)));
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove_all(NULL));
	CHECK(strstr(zc_last_error(), t_name(1)));
}

static void refuse(const zc_pool_options_t *options, zc_result_t expected)
{
	zc_pool_t *pool = NULL;

	CHECK_RESULT(zc_pool_create(t_name(0), options, &pool), expected);
	CHECK(!pool);
	CHECK(*zc_last_error());
	CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_NOT_FOUND);
}

static void pool_geometry_refused(void)
{
	static const uint32_t granules[] = { 1, 32, 63, 65, 513, 768, 131072,
					     UINT32_MAX };
	static const uint32_t rings[] = { 1, 8, 15, 17, 4095, 1U << 21,
					  UINT32_MAX };
	static const uint32_t holds[] = { 65537, UINT32_MAX };
	zc_pool_options_t options = t_pool_options();

	options.bytes = 0;
	refuse(&options, ZC_ERROR_INVALID);
	options = t_pool_options();
	for (size_t i = 0; i < sizeof(granules) / sizeof(*granules); i++) {
		options.granule_bytes = granules[i];
		refuse(&options, ZC_ERROR_INVALID);
	}
	options = t_pool_options();
	for (size_t i = 0; i < sizeof(rings) / sizeof(*rings); i++) {
		options.ring_entries = rings[i];
		refuse(&options, ZC_ERROR_INVALID);
	}
	options = t_pool_options();
	for (size_t i = 0; i < sizeof(holds) / sizeof(*holds); i++) {
		options.max_holds = holds[i];
		refuse(&options, ZC_ERROR_INVALID);
	}
	options = t_pool_options();
	options.huge = (zc_huge_t)99;
	refuse(&options, ZC_ERROR_INVALID);
	options = t_pool_options();
	options.backend = (zc_backend_t)99;
	refuse(&options, ZC_ERROR_INVALID);
}

static void pool_too_large_leaves_nothing(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_t *pool = NULL;
	zc_result_t result;

	options.bytes = 1ULL << 40;
	refuse(&options, ZC_ERROR_NO_MEMORY);
	options.segment_bytes = 1ULL << 32;
	refuse(&options, ZC_ERROR_NO_MEMORY);
	/* More than any machine: an argument that makes no sense, or too much. */
	options = t_pool_options();
	for (unsigned int shift = 48; shift < 64; shift++) {
		options.bytes = 1ULL << shift;
		result = zc_pool_create(t_name(0), &options, &pool);
		CHECK(result == ZC_ERROR_NO_MEMORY ||
		      result == ZC_ERROR_INVALID);
	}
	options.bytes = UINT64_MAX;
	result = zc_pool_create(t_name(0), &options, &pool);
	CHECK(result == ZC_ERROR_NO_MEMORY || result == ZC_ERROR_INVALID);
	options = t_pool_options();
	options.segment_bytes = UINT64_MAX;
	result = zc_pool_create(t_name(0), &options, &pool);
	CHECK(result == ZC_ERROR_NO_MEMORY || result == ZC_ERROR_INVALID);
	CHECK(!pool);
}

static void pool_geometry_corners_work(void)
{
	static const struct {
		uint64_t bytes, segment;
		uint32_t granule, ring, holds;
	} table[] = {
		{ 1, 0, 512, 16, 1 },
		{ 65536, 0, 64, 16, 7 },
		{ 1U << 20, 0, 64, 128, 8 },
		{ 8U << 20, 0, 65536, 16, 64 },
		{ 8U << 20, 4U << 20, 4096, 1024, 100 },
		{ (4U << 20) + 1, 0, 512, 64, 2 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		zc_pool_options_t options = t_pool_options();
		struct t_writer writer;
		struct t_reader reader;
		zc_pool_info_t info;
		zc_pool_t *pool;

		options.bytes = table[i].bytes;
		options.segment_bytes = table[i].segment;
		options.granule_bytes = table[i].granule;
		options.ring_entries = table[i].ring;
		options.max_holds = table[i].holds;
		pool = t_pool_create(&options);
		info = info_of(pool);
		CHECK_OP(info.bytes, >=, table[i].bytes);
		CHECK_EQ(info.granule_bytes, table[i].granule);
		CHECK_EQ(info.ring_entries, table[i].ring);
		t_reader_open(&reader, pool, "a/b/c",
			      &(zc_reader_options_t){
				      .sz = sizeof(zc_reader_options_t),
				      .max_holds = 1 });
		t_writer_open(&writer, pool, "a/b/c", NULL);
		for (unsigned int n = 0; n < 100; n++) {
			t_write(&writer, 1 + n);
			t_read_many(&reader, 1);
		}
		t_write(&writer, info.segment_bytes);
		t_read_many(&reader, 1);
		t_pool_close(pool);
		CHECK_OK(zc_pool_remove(t_name(0)));
	}
}

static void pool_options_grow(void)
{
	struct {
		zc_pool_options_t known;
		uint64_t later[4];
	} newer = { .known = t_pool_options() };
	zc_pool_options_t older = t_pool_options();
	zc_pool_t *pool = NULL;

	/* A program built against a shorter struct: what lies behind is 0. */
	older.mode = 0xdeadbeef;
	older.sz = offsetof(zc_pool_options_t, mode);
	CHECK_OK(zc_pool_create(t_name(0), &older, &pool));
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));

	newer.known.sz = sizeof(newer);
	CHECK_OK(zc_pool_create(t_name(0), &newer.known, &pool));
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
	pool = NULL;
	newer.later[3] = 1;
	refuse(&newer.known, ZC_ERROR_INVALID);
	newer.later[3] = 0;
	newer.known.sz = 0;
	refuse(&newer.known, ZC_ERROR_INVALID);
	newer.known.sz = 1;
	refuse(&newer.known, ZC_ERROR_INVALID);
	newer.known.sz = SIZE_MAX;
	refuse(&newer.known, ZC_ERROR_INVALID);
}

static void pool_opened_twice_is_one_member(void)
{
	zc_pool_t *first = t_pool_create(NULL), *second = t_pool_open();
	struct t_writer writer;
	struct t_reader reader;

	CHECK_EQ(info_of(first).members, 1);
	CHECK_EQ(info_of(second).members, 1);
	t_writer_open(&writer, first, "a/b/c", NULL);
	t_reader_open(&reader, second, "a/b/c", NULL);
	t_write(&writer, 1000);
	t_read_many(&reader, 1);
	t_reader_close(&reader);
	zc_pool_close(second);
	t_write(&writer, 1000);
	CHECK_EQ(info_of(first).members, 1);
	zc_pool_close(NULL);
}

static unsigned int entries(const char *path)
{
	DIR *dir = opendir(path);
	unsigned int nr = 0;

	CHECK(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static unsigned int lines(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned int nr = 0;
	int c;

	CHECK(file);
	while ((c = fgetc(file)) != EOF)
		nr += c == '\n';
	fclose(file);
	return nr;
}

/* Files, mappings and threads: what comes goes. */
static void pool_closed_leaves_nothing_open(void)
{
	unsigned int fds = 0, maps = 0;

	t_pool_close(t_pool_create(NULL));
	for (int i = 0; i < 60; i++) {
		zc_pool_t *pool = t_pool_open();
		struct t_writer writer;
		struct t_reader reader;
		int fd;

		t_writer_open(&writer, pool, "a/b/c", NULL);
		t_reader_open(&reader, pool, "a/b/c", NULL);
		CHECK_OK(zc_reader_get_fd(reader.role, &fd));
		t_write(&writer, 1000);
		t_read_many(&reader, 1);
		zc_pool_close(pool);
		/* A thread that was joined is listed for a moment more. */
		T_UNTIL(entries("/proc/self/task") == 1 + 2);
		if (i == 10) {
			fds = entries("/proc/self/fd");
			maps = lines("/proc/self/maps");
		}
	}
	CHECK_OP(entries("/proc/self/fd"), <=, fds);
	/* The C library may have made an arena of its own. */
	CHECK_OP(lines("/proc/self/maps"), <=, maps + 4);
}

static int remember(const char *name, void *ctx)
{
	unsigned int *seen = ctx;

	for (unsigned int i = 0; i < 3; i++)
		if (!strcmp(name, t_name(i)))
			seen[i]++;
	seen[3]++;
	return 0;
}

static int stop_at_first(const char *name, void *ctx)
{
	(void)name;
	++*(unsigned int *)ctx;
	return 1;
}

static void pool_list_shows_each_once(void)
{
	unsigned int seen[4] = { 0 }, calls = 0;

	t_pool_create_at(0, NULL);
	t_pool_create_at(1, NULL);
	CHECK_OK(zc_pool_list(remember, seen));
	CHECK(seen[0] == 1 && seen[1] == 1 && seen[2] == 0);
	CHECK_OK(zc_pool_list(stop_at_first, &calls));
	CHECK_EQ(calls, 1);
	if (t_backend_is_shm())
		CHECK_EQ(seen[3], 2);
}

static void pools_are_separate(void)
{
	zc_pool_t *a = t_pool_create_at(0, NULL), *b = t_pool_create_at(1, NULL);
	struct t_writer in_a, in_b;
	struct t_reader from_a, from_b;

	t_reader_open(&from_a, a, "same/name/here", NULL);
	t_reader_open(&from_b, b, "same/name/here", NULL);
	t_writer_open(&in_a, a, "same/name/here", NULL);
	t_writer_open(&in_b, b, "same/name/here", NULL);
	t_write_many(&in_a, 5, 100);
	t_write_many(&in_b, 3, 100);
	t_read_many(&from_a, 5);
	t_read_many(&from_b, 3);
	t_pool_close(a);
	t_write(&in_b, 100);
	t_read_many(&from_b, 1);
}

static void reads_after_removal(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "a/b/c", NULL);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "removed");
	t_read_many(&reader, 300);
	t_say(t_parent(), "done");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void pool_removed_while_attached_goes_on(void)
{
	struct t_peer *child = t_spawn("reader", reads_after_removal, NULL);
	zc_pool_t *pool, *other = NULL;
	zc_pool_options_t options = t_pool_options();
	struct t_writer writer, fresh;

	pool = t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, "a/b/c", NULL);
	t_write_many(&writer, 10, 100);
	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_NOT_FOUND);
	t_say(child, "removed");
	t_write_many(&writer, 140, 100);
	/* The name is free again, and means another pool. */
	CHECK_OK(zc_pool_create(t_name(0), &options, &other));
	CHECK(other != pool);
	t_writer_open(&fresh, other, "a/b/c", NULL);
	CHECK_EQ(fresh.next, 1);
	t_write_many(&writer, 150, 100);
	t_hear(child, "done");
	t_say(child, "end");
	t_join(child);
	zc_pool_close(other);
}

static void opens_and_waits(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "open");
	t_hear(t_parent(), "close");
	zc_pool_close(pool);
	t_say(t_parent(), "closed");
	t_hear(t_parent(), "end");
}

static void pool_counts_its_members(void)
{
	enum { NR = 40 };
	struct t_peer *child[NR];
	zc_pool_t *pool;

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("member", opens_and_waits, NULL);
	pool = t_pool_create(NULL);
	for (int i = 0; i < NR; i++)
		t_say(child[i], "go");
	for (int i = 0; i < NR; i++)
		t_hear(child[i], "open");
	CHECK_EQ(info_of(pool).members, NR + 1);
	t_pool_check(pool);
	for (int i = 0; i < NR; i++)
		t_say(child[i], "close");
	for (int i = 0; i < NR; i++)
		t_hear(child[i], "closed");
	CHECK_EQ(info_of(pool).members, 1);
	for (int i = 0; i < NR; i++) {
		t_say(child[i], "end");
		t_join(child[i]);
	}
}

static void tries_as_nobody(void *arg)
{
	zc_pool_t *pool = NULL;
	struct t_reader reader;
	gid_t group = 65534;
	struct stat st;

	(void)arg;
	t_hear(t_parent(), "private");
	/* One who may use the device. */
	if (!t_backend_is_shm() && !stat("/dev/zerocore", &st))
		group = st.st_gid;
	if (setgroups(0, NULL) || setgid(group) || setuid(65534))
		T_FAIL("cannot drop root: %s", strerror(errno));
	CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_PERMISSION);
	CHECK(*zc_last_error());
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_PERMISSION);
	CHECK(!pool);
	CHECK_OK(zc_pool_open(t_name(1), &pool));
	t_reader_open(&reader, pool, "a/b/c", NULL);
	t_say(t_parent(), "ready");
	t_read_many(&reader, 1);
	zc_pool_close(pool);
	CHECK_RESULT(zc_pool_remove(t_name(1)), ZC_ERROR_PERMISSION);
}

static void pool_permission_refused(void)
{
	struct t_peer *child;
	zc_pool_options_t options = t_pool_options();
	struct t_writer writer;
	zc_pool_t *pool;

	if (geteuid())
		t_skip("needs root to become somebody else");
	child = t_spawn("nobody", tries_as_nobody, NULL);
	umask(077);
	t_pool_create_at(0, NULL);
	options.mode = 0666;
	pool = t_pool_create_at(1, &options);
	t_say(child, "private");
	t_hear(child, "ready");
	t_writer_open(&writer, pool, "a/b/c", NULL);
	t_write(&writer, 5000);
	t_join(child);
}

static const struct t_case cases[] = {
	T_CASE(pool_create_open_close_remove),
	T_CASE(pool_default_options),
	T_CASE(pool_huge_pages_are_tried),
	T_CASE(pool_missing_not_found),
	T_CASE(pool_exists_refused),
	T_CASE(pool_names_validated),
	T_CASE(pool_success_says_nothing),
	T_CASE(pool_geometry_refused),
	T_CASE(pool_too_large_leaves_nothing),
	T_CASE(pool_geometry_corners_work),
	T_CASE(pool_options_grow),
	T_CASE(pool_opened_twice_is_one_member),
	T_CASE(pool_closed_leaves_nothing_open),
	T_CASE(pool_list_shows_each_once),
	T_CASE(pools_are_separate),
	T_CASE(pool_removed_while_attached_goes_on),
	T_CASE(pool_counts_its_members),
	T_CASE(pool_permission_refused),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
