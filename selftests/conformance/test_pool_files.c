/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_pool_files.c - files that are not, or no longer, a pool.
 *
 * Plain shared memory only: the device has no files.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "harness.h"

static char path[8192];
static char *backup;
static size_t backup_bytes;

static void load_backup(void)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && !fstat(fd, &st) && st.st_size > 4096);
	backup_bytes = (size_t)st.st_size;
	backup = malloc(backup_bytes);
	CHECK(backup);
	for (size_t at = 0; at < backup_bytes;) {
		ssize_t nr = read(fd, backup + at, backup_bytes - at);

		CHECK(nr > 0);
		at += (size_t)nr;
	}
	close(fd);
}

static void write_file(const char *to, const void *from, size_t bytes)
{
	int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	for (size_t at = 0; at < bytes;) {
		ssize_t nr = write(fd, (const char *)from + at, bytes - at);

		CHECK(nr > 0);
		at += (size_t)nr;
	}
	close(fd);
}

static void patch(size_t offset, const void *value, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, value, bytes, (off_t)offset) == (ssize_t)bytes);
	close(fd);
}

#define PATCH(field, ...)                                                      \
	do {                                                                   \
		__typeof__(((struct zc_pool_header *)0)->field) v_ =           \
			__VA_ARGS__;                                           \
		patch(offsetof(struct zc_pool_header, field), &v_,             \
		      sizeof(v_));                                             \
	} while (0)

/* A pool that nobody is attached to, and its control file. */
static void make_pool(void)
{
	zc_pool_options_t options = t_pool_options();

	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	options.bytes = 256U << 10;
	options.ring_entries = 16;
	t_pool_close(t_pool_create(&options));
	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(),
		 t_name(0));
	load_backup();
}

static void refused(zc_result_t expected, const char *word)
{
	zc_pool_t *pool = NULL;

	CHECK_RESULT(zc_pool_open(t_name(0), &pool), expected);
	CHECK(!pool);
	if (!strcasestr(zc_last_error(), word))
		T_FAIL("the sentence does not say \"%s\"", word);
}

/* What was damaged is mended: the pool is as good as before. */
static void mended(void)
{
	zc_pool_t *pool;

	write_file(path, backup, backup_bytes);
	pool = t_pool_open();
	t_pool_check_rest(pool);
	zc_pool_close(pool);
}

static void file_of_newer_version_refused(void)
{
	make_pool();
	PATCH(layout_version, ZC_LAYOUT_VERSION + 1);
	refused(ZC_ERROR_VERSION, "version");
	PATCH(layout_version, 0);
	refused(ZC_ERROR_VERSION, "version");
	mended();
}

static void file_with_unknown_feature_refused(void)
{
	make_pool();
	PATCH(feature_incompat, 1ULL << 63);
	refused(ZC_ERROR_VERSION, "feature");
	PATCH(feature_incompat, 0);
	/* A compatible feature may be ignored. */
	PATCH(feature_compat, 1ULL << 63);
	zc_pool_close(t_pool_open());
	mended();
}

static void file_truncated_refused(void)
{
	static const unsigned int percent[] = { 99, 50, 1 };

	make_pool();
	for (size_t i = 0; i < sizeof(percent) / sizeof(*percent); i++) {
		CHECK(!truncate(path, (off_t)(backup_bytes * percent[i] / 100)));
		refused(ZC_ERROR_CORRUPT_POOL, "truncated");
	}
	CHECK(!truncate(path, 100));
	refused(ZC_ERROR_CORRUPT_POOL, "truncated");
	CHECK(!truncate(path, 1));
	refused(ZC_ERROR_CORRUPT_POOL, "truncated");
	mended();
}

static void file_empty_refused(void)
{
	make_pool();
	CHECK(!truncate(path, 0));
	refused(ZC_ERROR_CORRUPT_POOL, "");
	CHECK(*zc_last_error());
	mended();
}

static void file_foreign_refused(void)
{
	char *noise;

	make_pool();
	noise = malloc(backup_bytes);
	CHECK(noise);
	t_fill(noise, backup_bytes, 1, 1);
	write_file(path, noise, backup_bytes);
	refused(ZC_ERROR_CORRUPT_POOL, "magic");
	write_file(path, "#!/bin/sh\necho hello\n", 21);
	refused(ZC_ERROR_CORRUPT_POOL, "");
	memset(noise, 0, backup_bytes);
	write_file(path, noise, backup_bytes);
	refused(ZC_ERROR_CORRUPT_POOL, "");
	free(noise);
	mended();
}

static void file_half_created_refused(void)
{
	make_pool();
	PATCH(state, ZC_POOL_CREATING);
	refused(ZC_ERROR_CORRUPT_POOL, "creat");
	PATCH(magic, 0);
	refused(ZC_ERROR_CORRUPT_POOL, "");
	CHECK(*zc_last_error());
	mended();
}

static void file_of_another_kind_refused(void)
{
	zc_pool_t *pool = NULL;

	make_pool();
	CHECK(!unlink(path));
	CHECK(!mkdir(path, 0700));
	CHECK(zc_pool_open(t_name(0), &pool) != ZC_OK);
	CHECK(!rmdir(path));
	CHECK(!mkfifo(path, 0600));
	CHECK(zc_pool_open(t_name(0), &pool) != ZC_OK);
	CHECK(!unlink(path));
	CHECK(!symlink("/dev/zero", path));
	CHECK(zc_pool_open(t_name(0), &pool) != ZC_OK);
	CHECK(!unlink(path));
	CHECK(!pool);
	mended();
}

/* Each other file of the pool: cut, then taken away. */
static void file_of_data_or_lock_missing_refused(void)
{
	char names[8][300];
	unsigned int nr = 0;
	struct dirent *entry;
	DIR *dir;

	make_pool();
	dir = opendir(t_folder());
	CHECK(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !strstr(path, entry->d_name)) {
			CHECK(nr < 8);
			snprintf(names[nr++], sizeof(names[0]), "%s",
				 entry->d_name);
		}
	closedir(dir);
	CHECK_OP(nr, >=, 2);
	for (unsigned int i = 0; i < nr; i++) {
		char from[8192], to[8192];
		struct stat st;

		snprintf(from, sizeof(from), "%s/%s", t_folder(), names[i]);
		snprintf(to, sizeof(to), "%s/%s.away", t_folder(), names[i]);
		CHECK(!rename(from, to));
		refused(ZC_ERROR_CORRUPT_POOL, "missing");
		CHECK(!rename(to, from));
		CHECK(!stat(from, &st));
		if (st.st_size >= 8192) {
			CHECK(!truncate(from, st.st_size / 2));
			refused(ZC_ERROR_CORRUPT_POOL, "bytes");
			/* A hole would be SIGBUS on a full machine. */
			int fd = open(from, O_RDWR | O_CLOEXEC);

			CHECK(fd >= 0);
			CHECK(!posix_fallocate(fd, 0, st.st_size));
			close(fd);
		}
		zc_pool_close(t_pool_open());
	}
	mended();
}

/* What cannot be opened can still be taken away, and nothing of it stays. */
static void file_damaged_can_be_removed(void)
{
	char noise[8192];

	for (int how = 0; how < 5; how++) {
		make_pool();
		switch (how) {
		case 0:
			CHECK(!truncate(path, 0));
			break;
		case 1:
			CHECK(!truncate(path, 5000));
			break;
		case 2:
			t_fill(noise, sizeof(noise), 1, 1);
			write_file(path, noise, sizeof(noise));
			break;
		case 3:
			PATCH(state, ZC_POOL_CREATING);
			break;
		case 4:
			PATCH(layout_version, ZC_LAYOUT_VERSION + 1);
			break;
		}
		CHECK_OK(zc_pool_remove(t_name(0)));
		CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_NOT_FOUND);
		free(backup);
	}
}

/* Names that look like the files of a pool that is not there: whoever sweeps lets them. */
static void file_of_a_strange_name_is_kept(void)
{
	static const char *const names[] = {
		"00112233445566778899aabbccddeeff.data",
		"00112233445566778899aabbccddeeff.data0",
		"00112233445566778899aabbccddeeff.new",
		"00112233445566778899aabbccddeeff.lock",
	};
	char rubbish[8192];
	zc_pool_t *pool;

	make_pool();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		zc_pool_options_t options = t_pool_options();

		CHECK_OK(zc_pool_create(names[i], &options, &pool));
		zc_pool_close(pool);
	}
	snprintf(rubbish, sizeof(rubbish), "%s/zerocore.%s", t_folder(), names[1]);
	write_file(rubbish, "", 0);
	/* This sweeps. */
	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK(access(rubbish, F_OK));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		CHECK_OK(zc_pool_open(names[i], &pool));
		zc_pool_close(pool);
		CHECK_OK(zc_pool_remove(names[i]));
	}
	free(backup);
}

/* A folder with room for the small files, but not for the data. */
static void file_system_too_full_is_refused(void)
{
	static const unsigned int kib[] = { 4, 64, 1024, 4000, 8000, 20000 };
	zc_pool_options_t options = t_pool_options();
	unsigned int refusals = 0;
	char folder[4200], mount_options[64];

	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		t_skip("may not mount");
	snprintf(folder, sizeof(folder), "%s/small", t_folder());
	CHECK(!mkdir(folder, 0700));
	CHECK(!setenv("ZEROCORE_DIR", folder, 1));
	for (size_t i = 0; i < sizeof(kib) / sizeof(*kib); i++) {
		zc_pool_t *pool = NULL;
		zc_result_t result;
		struct statfs before, after;

		snprintf(mount_options, sizeof(mount_options), "size=%uk",
			 kib[i]);
		if (mount("none", folder, "tmpfs", 0, mount_options))
			t_skip("may not mount");
		CHECK(!statfs(folder, &before));
		result = zc_pool_create(t_name(0), &options, &pool);
		if (result == ZC_OK) {
			zc_pool_close(pool);
			CHECK_OK(zc_pool_remove(t_name(0)));
		} else {
			CHECK_RESULT(result, ZC_ERROR_NO_MEMORY);
			CHECK(*zc_last_error());
			refusals++;
		}
		CHECK(!statfs(folder, &after));
		CHECK_EQ(before.f_bfree, after.f_bfree);
		CHECK_EQ(before.f_ffree, after.f_ffree);
		CHECK(!umount(folder));
	}
	CHECK_OP(refusals, >=, 4);
	CHECK(!rmdir(folder));
	CHECK(!setenv("ZEROCORE_DIR", t_folder(), 1));
}

/* Whatever the geometry says, opening must not crash or read outside. */
static void file_with_absurd_geometry_is_survived(void)
{
	size_t base = offsetof(struct zc_pool_header, geometry);
	static const uint32_t words[] = { 0, 1, 63, 0x1000, 0x7fffffff,
					  0x80000000, 0xfffff000, 0xffffffff };
	unsigned int refusals = 0;

	make_pool();
	for (size_t at = 0; at < sizeof(struct zc_geometry); at += 4)
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			zc_pool_t *pool = NULL;
			zc_result_t result;

			if (!memcmp(backup + base + at, &words[i], 4))
				continue;
			patch(base + at, &words[i], 4);
			result = zc_pool_open(t_name(0), &pool);
			refusals += result == ZC_ERROR_CORRUPT_POOL;
			if (result == ZC_OK)
				T_FAIL("geometry with %#x at %zu was accepted",
				       words[i], at);
			patch(base + at, backup + base + at, 4);
		}
	CHECK_OP(refusals, >, 0);
	mended();
}

static const struct t_case cases[] = {
	T_CASE(file_of_newer_version_refused),
	T_CASE(file_with_unknown_feature_refused),
	T_CASE(file_truncated_refused),
	T_CASE(file_empty_refused),
	T_CASE(file_foreign_refused),
	T_CASE(file_half_created_refused),
	T_CASE(file_of_another_kind_refused),
	T_CASE(file_of_data_or_lock_missing_refused),
	T_CASE(file_damaged_can_be_removed),
	T_CASE(file_of_a_strange_name_is_kept),
	T_CASE(file_system_too_full_is_refused),
	T_CASE(file_with_absurd_geometry_is_survived),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
