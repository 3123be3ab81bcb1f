// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault_files.c - pool files of another kind, names that are taken, locks that are held.
 *
 * Plain shared memory only: the device has no files.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness_fault.h"

#define SEGMENT (256U << 10)

static zc_pool_options_t options;
static zc_pool_t *pool;
static zc_pool_info_t info;
static char control[4400], lock[4400], data[4400];

static void begin(void)
{
	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	options = t_pool_options();
	options.bytes = options.segment_bytes = SEGMENT;
	options.max_bytes = 4 * SEGMENT;
	options.ring_entries = 16;
}

/* A pool that this process has open, and what its files are named. */
static void make(void)
{
	begin();
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	info.sz = sizeof(info);
	CHECK_OK(zc_pool_get_info(pool, &info));
	snprintf(control, sizeof(control), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	snprintf(lock, sizeof(lock), "%s/zerocore.%s.lock", t_folder(), info.creation_id);
	snprintf(data, sizeof(data), "%s/zerocore.%s.data0", t_folder(), info.creation_id);
}

static void make_closed(void)
{
	make();
	zc_pool_close(pool);
}

static void unmake(void)
{
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void refused(zc_result_t expected, const char *word)
{
	zc_pool_t *other = NULL;

	CHECK_RESULT(zc_pool_open(t_name(0), &other), expected);
	CHECK(!other);
	if (!strstr(zc_last_error(), word))
		T_FAIL("the sentence does not say \"%s\"", word);
}

static void good(void)
{
	CHECK_OK(zc_pool_open(t_name(0), &pool));
	t_pool_check_rest(pool);
	zc_pool_close(pool);
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	close(fd);
}

static unsigned int files(void)
{
	char command[4500];
	unsigned int nr = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", t_folder());
	p = popen(command, "re");
	CHECK(p && fscanf(p, "%u", &nr) == 1);
	pclose(p);
	return nr;
}

/* --- files of another kind ------------------------------------------------------ */

/* @path is away, and then a folder, a link, a pipe, and a socket or device by its error. */
static void kinds(const char *path, const char *missing, const char *other)
{
	char aside[4500];

	snprintf(aside, sizeof(aside), "%s/aside", t_folder());
	CHECK(!rename(path, aside));
	refused(ZC_ERROR_CORRUPT_POOL, missing);
	CHECK(!mkdir(path, 0700));
	refused(ZC_ERROR_CORRUPT_POOL, other);
	CHECK(!rmdir(path) && !symlink(aside, path));
	refused(ZC_ERROR_CORRUPT_POOL, "");
	CHECK(!unlink(path) && !mkfifo(path, 0600));
	refused(ZC_ERROR_CORRUPT_POOL, other);
	CHECK(!unlink(path) && !rename(aside, path));
	good();
}

/* Control, lock, data: else the device would be the first. */
static void files_alone_are_opened(void)
{
	CHECK(!setenv("ZEROCORE_BACKEND", "shm", 1));
}

static void lock_file_of_another_kind_refused(void)
{
	static const int kind[] = { ENXIO, ENODEV, EISDIR, ELOOP };

	make_closed();
	kinds(lock, "its lock file is missing", "its lock file is not a regular file");
	files_alone_are_opened();
	for (unsigned int i = 0; i < 4; i++) {
		t_fault_call("open", 2, kind[i]);
		refused(ZC_ERROR_CORRUPT_POOL, "its lock file is not a regular file");
		CHECK(t_fault_end());
	}
	for (unsigned int i = 0; i < 2; i++) {
		t_fault_call("open", 1, kind[i]);
		refused(ZC_ERROR_CORRUPT_POOL, "its control is not a regular file");
		CHECK(t_fault_end());
	}
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static void data_file_of_another_kind_refused(void)
{
	make_closed();
	kinds(data, "is missing", "");
	files_alone_are_opened();
	t_fault_call("open", 3, ENOTDIR);
	refused(ZC_ERROR_CORRUPT_POOL, "is missing");
	CHECK(t_fault_end());
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* Whoever puts something else in its place takes it away himself; the rest is rubbish. */
static void control_file_of_another_kind_is_not_removed(void)
{
	char aside[4500];

	make_closed();
	snprintf(aside, sizeof(aside), "%s/aside", t_folder());
	CHECK(!rename(control, aside));
	CHECK(!symlink(aside, control));
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_CORRUPT_POOL);
	CHECK(strstr(zc_last_error(), "is a link and not a pool"));
	CHECK_OK(zc_pool_remove_all(NULL));
	CHECK_EQ(files(), 2);
	CHECK(!unlink(control) && !mkdir(control, 0700));
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_CORRUPT_POOL);
	CHECK(strstr(zc_last_error(), "is not a regular file"));
	CHECK_OK(zc_pool_remove_all(NULL));
	CHECK_EQ(files(), 2);
	CHECK(!rmdir(control) && !unlink(aside));
}

#define PATCH(field, value)                                                    \
	do {                                                                   \
		__typeof__(((struct zc_pool_header *)0)->field) v_ = (value), was_; \
		off_t at_ = offsetof(struct zc_pool_header, field);            \
		int fd_ = open(control, O_RDWR | O_CLOEXEC);                   \
                                                                               \
		CHECK(fd_ >= 0 && pread(fd_, &was_, sizeof(was_), at_) == sizeof(was_)); \
		CHECK(pwrite(fd_, &v_, sizeof(v_), at_) == sizeof(v_));        \
		refused(ZC_ERROR_CORRUPT_POOL, "");                            \
		CHECK(pwrite(fd_, &was_, sizeof(was_), at_) == sizeof(was_));  \
		close(fd_);                                                    \
	} while (0)

static void header_that_makes_no_sense_refused(void)
{
	make_closed();
	PATCH(header_bytes, 64);
	PATCH(segments, 0);
	PATCH(segments, 5);
	PATCH(data_dir[0], 'x');
	good();
	/* A folder without an end. */
	int fd = open(control, O_RDWR | O_CLOEXEC);
	char whole[sizeof(((struct zc_pool_header *)0)->data_dir)], was[sizeof(whole)];
	off_t at = offsetof(struct zc_pool_header, data_dir);

	memset(whole, '/', sizeof(whole));
	CHECK(fd >= 0 && pread(fd, was, sizeof(was), at) == sizeof(was));
	CHECK(pwrite(fd, whole, sizeof(whole), at) == sizeof(whole));
	refused(ZC_ERROR_CORRUPT_POOL, "does not say where its data is");
	CHECK(pwrite(fd, was, sizeof(was), at) == sizeof(was));
	close(fd);
	good();
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* --- names and numbers ------------------------------------------------------------ */

static void permissions_that_lock_the_owner_out_refused(void)
{
	static const uint32_t modes[] = { 0400, 0200, 01600, 0100000 | 0600, 0060 };

	begin();
	for (unsigned int i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		options.mode = modes[i];
		CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
		CHECK(strstr(zc_last_error(), "0600 must be among them"));
	}
}

static void folder_that_is_none_refused(void)
{
	char deep[5000], was[4200];

	begin();
	snprintf(was, sizeof(was), "%s", t_folder());
	snprintf(deep, sizeof(deep), "%s/file", was);
	put(deep);
	setenv("ZEROCORE_DIR", deep, 1);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	CHECK(strstr(zc_last_error(), "is no folder for pools"));
	CHECK(!unlink(deep));
	/* A path that the files' names would not fit behind. */
	snprintf(deep, sizeof(deep), "%s/%0200d", was, 0);
	CHECK(!mkdir(deep, 0700));
	snprintf(deep, sizeof(deep), "%s/%0200d/%0200d", was, 0, 0);
	CHECK(!mkdir(deep, 0700));
	setenv("ZEROCORE_DIR", deep, 1);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	CHECK(strstr(zc_last_error(), "below 256 bytes"));
	CHECK(!rmdir(deep));
	deep[strlen(deep) - 201] = '\0';
	CHECK(!rmdir(deep));
	setenv("ZEROCORE_DIR", "", 1);
	CHECK_RESULT(zc_pool_open("there-is-no-such-pool", &pool), ZC_ERROR_NOT_FOUND);
	CHECK(strstr(zc_last_error(), "/dev/shm"));
	setenv("ZEROCORE_DIR", was, 1);
}

static void backend_of_the_environment(void)
{
	begin();
	setenv("ZEROCORE_BACKEND", "floppy", 1);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_INVALID);
	CHECK(strstr(zc_last_error(), "floppy: it must be shm, device or auto"));
	CHECK_RESULT(zc_pool_remove_all(NULL), ZC_ERROR_INVALID);
	setenv("ZEROCORE_BACKEND", "", 1);
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	unmake();
	setenv("ZEROCORE_BACKEND", "shm", 1);
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	unmake();
	unsetenv("ZEROCORE_BACKEND");
}

/* A pool of that name on plain shared memory would be another one than the device's. */
static void device_that_cannot_be_opened_now_is_told(void)
{
	static const struct {
		int error;
		zc_result_t result;	/* ZC_OK: plain shared memory is taken */
	} now[] = {
		{ EMFILE, ZC_ERROR_SYSTEM },   { ENFILE, ZC_ERROR_SYSTEM },
		{ ENOMEM, ZC_ERROR_NO_MEMORY }, { EINTR, ZC_ERROR_SYSTEM },
		{ ENOENT, ZC_OK },	       { ENXIO, ZC_OK },
		{ ENODEV, ZC_OK },	       { EACCES, ZC_OK },
		{ EPERM, ZC_OK },
	};

	begin();
	unsetenv("ZEROCORE_BACKEND");
	for (unsigned int i = 0; i < sizeof(now) / sizeof(*now); i++) {
		t_fault_call("open", 1, now[i].error);
		CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), now[i].result);
		CHECK(t_fault_end());
		if (now[i].result == ZC_OK) {
			unmake();
			continue;
		}
		CHECK(strstr(zc_last_error(), "cannot open "));
		CHECK_EQ(files(), 0);
		t_fault_call("open", 1, now[i].error);
		CHECK_RESULT(zc_pool_open(t_name(0), &pool), now[i].result);
		t_fault_call("open", 1, now[i].error);
		CHECK_RESULT(zc_pool_remove(t_name(0)), now[i].result);
		CHECK(strstr(zc_last_error(), "cannot open "));
		t_fault_end();
	}
}

/* The random name of its files is taken, as if by chance. */
static void name_by_chance_taken_is_drawn_again(void)
{
	unsigned int refused = 0;
	zc_result_t result;

	begin();
	files_alone_are_opened();
	/*
	 * What looks for memory opens files, too.  The lock file comes
	 * first, and is drawn again; the three that are opened when the name is its own
	 * are not there, unless somebody put them there.
	 */
	for (unsigned int n = 1; n < 12; n++) {
		t_fault_call("open", n, EEXIST);
		result = zc_pool_create(t_name(0), &options, &pool);
		t_fault_end();
		if (result == ZC_OK) {
			unmake();
			continue;
		}
		CHECK_RESULT(result, ZC_ERROR_SYSTEM);
		CHECK(strstr(zc_last_error(), "File exists"));
		refused++;
	}
	CHECK_EQ(refused, 3);
	t_fault_each("fcntl", 0, ENOLCK);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_SYSTEM);
	CHECK(strstr(zc_last_error(), "does that file system have record locks?"));
	t_fault_end();
}

/* --- what is left behind ------------------------------------------------------------ */

/* Files that look as if a killed creator had left them, and some that do not. */
static void rubbish_is_swept_and_nothing_else(void)
{
	static const char *const gone[] = {
		"0123456789abcdef0123456789abcdef.data0",
		"0123456789abcdef0123456789abcdef.new",
		"00000000000000000000000000000001.lock",
		"00000000000000000000000000000001.data7",
	}, *const stay[] = {
		"0123456789ABCDEF0123456789abcdef.data0",
		"0123456789abcdef0123456789abcdef-data0",
		"0123456789abcdef0123456789abcdef.other",
		".pool", "+bad+.pool",
		"0123456789012345678901234567890123456789012345678.pool",
	};
	char path[4500];

	begin();
	for (unsigned int i = 0; i < sizeof(gone) / sizeof(*gone); i++) {
		snprintf(path, sizeof(path), "%s/zerocore.%s", t_folder(), gone[i]);
		put(path);
	}
	for (unsigned int i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
		snprintf(path, sizeof(path), "%s/zerocore.%s", t_folder(), stay[i]);
		put(path);
	}
	CHECK_RESULT(zc_pool_remove("none"), ZC_ERROR_NOT_FOUND);
	CHECK_EQ(files(), sizeof(stay) / sizeof(*stay));
	for (unsigned int i = 0; i < sizeof(stay) / sizeof(*stay); i++) {
		snprintf(path, sizeof(path), "%s/zerocore.%s", t_folder(), stay[i]);
		CHECK(!unlink(path));
	}
}

/* Of a name that does not fit behind the folder's nothing is known. */
static void rubbish_with_too_long_a_name_stays(void)
{
	char folder[4500], path[5000], was[4200];

	begin();
	snprintf(was, sizeof(was), "%s", t_folder());
	snprintf(folder, sizeof(folder), "%s/%0150d", was, 0);
	snprintf(path, sizeof(path), "%s/zerocore.0123456789abcdef0123456789abcdef.data%0200d",
		 folder, 0);
	CHECK(!mkdir(folder, 0700));
	put(path);
	setenv("ZEROCORE_DIR", folder, 1);
	CHECK_RESULT(zc_pool_remove("none"), ZC_ERROR_NOT_FOUND);
	setenv("ZEROCORE_DIR", was, 1);
	CHECK(!unlink(path) && !rmdir(folder));
}

/* Who cannot read a control file does not know that rubbish is rubbish. */
static void rubbish_beside_what_cannot_be_read_stays(void)
{
	char rubbish[4500], unreadable[4500];

	begin();
	snprintf(rubbish, sizeof(rubbish),
		 "%s/zerocore.0123456789abcdef0123456789abcdef.data0", t_folder());
	snprintf(unreadable, sizeof(unreadable), "%s/zerocore.other.pool", t_folder());
	put(rubbish);
	put(unreadable);
	CHECK(!truncate(unreadable, 4096));
	t_fault_each("pread", 0, EIO);
	CHECK_RESULT(zc_pool_remove("none"), ZC_ERROR_NOT_FOUND);
	t_fault_end();
	CHECK_EQ(files(), 2);
	/* One that is too short to be a pool is none. */
	CHECK(!truncate(unreadable, 8));
	CHECK_RESULT(zc_pool_remove("none"), ZC_ERROR_NOT_FOUND);
	CHECK_EQ(files(), 1);
	CHECK(!unlink(unreadable));
}

static void rubbish_that_cannot_be_deleted_is_told(void)
{
	make_closed();
	t_fault_each("unlink", 0, EPERM);
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_PERMISSION);
	CHECK(t_fault_end());
	t_fault_each("unlink", 0, EBUSY);
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_BUSY);
	CHECK(t_fault_end());
	/* Its name goes, and the rest does not: a later sweep has it. */
	for (unsigned int n = 2; n < 4; n++) {
		t_fault_call("unlink", n, EPERM);
		CHECK_OK(zc_pool_remove(t_name(0)));
		CHECK(t_fault_end());
		CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_NOT_FOUND);
		CHECK_EQ(files(), 0);
		make_closed();
	}
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* --- locks ----------------------------------------------------------------------- */

static void holds_the_removers_lock(void *arg)
{
	struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1,
			      .l_len = 1 };
	char path[4500];
	int fd;

	(void)arg;
	t_hear(t_parent(), "lock");
	snprintf(path, sizeof(path), "ls %s/*.lock", t_folder());
	FILE *p = popen(path, "re");

	CHECK(p && fscanf(p, "%4499s", path) == 1);
	pclose(p);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && !fcntl(fd, F_OFD_SETLK, &byte));
	t_say(t_parent(), "locked");
	t_hear(t_parent(), "end");
}

/* Somebody else is removing it, and does not come to an end. */
static void remover_that_is_stopped_is_told(void)
{
	struct t_peer *other = t_spawn("remover", holds_the_removers_lock, NULL);

	make_closed();
	t_say(other, "lock");
	t_hear(other, "locked");
	CHECK_RESULT(zc_pool_remove(t_name(0)), ZC_ERROR_BUSY);
	CHECK(strstr(zc_last_error(), "is it stopped?"));
	t_say(other, "end");
	t_join(other);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* A program that closed all its descriptors goes on, as long as the files are there. */
static void descriptors_that_were_closed_are_opened_again(void)
{
	struct t_writer writer;

	make();
	for (int fd = 3; fd < 200; fd++) {
		char link[100], at[5000];
		ssize_t nr;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		nr = readlink(link, at, sizeof(at) - 1);
		at[nr > 0 ? nr : 0] = '\0';
		if (strstr(at, "zerocore."))
			close(fd);
	}
	t_writer_open(&writer, pool, "fault/files/main", NULL);
	t_write(&writer, 100);
	t_writer_close(&writer);
	CHECK_OK(zc_pool_grow(pool, 1));
	t_fault_call("posix_fallocate", 1, ENOSPC);
	CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NO_MEMORY);
	t_fault_end();
	/* And when they are not, that is said. */
	CHECK_OK(zc_pool_remove(t_name(0)));
	for (int fd = 3; fd < 200; fd++) {
		char link[100], at[5000];
		ssize_t nr;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		nr = readlink(link, at, sizeof(at) - 1);
		at[nr > 0 ? nr : 0] = '\0';
		if (strstr(at, "zerocore."))
			close(fd);
	}
	CHECK_RESULT(zc_writer_register(pool, &(zc_writer_options_t){
			.sz = sizeof(zc_writer_options_t), .service = "fault/files/two" },
			&writer.role), ZC_ERROR_SYSTEM);
	CHECK(strstr(zc_last_error(), "closed the descriptors"));
	CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_NOT_FOUND);
	/* Nobody is at it: to wait would be in vain. */
	CHECK_RESULT(zc_pool_shrink(pool, 1, t_wait_ns()), ZC_ERROR_SYSTEM);
	zc_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(lock_file_of_another_kind_refused),
	T_CASE(data_file_of_another_kind_refused),
	T_CASE(control_file_of_another_kind_is_not_removed),
	T_CASE(header_that_makes_no_sense_refused),
	T_CASE(permissions_that_lock_the_owner_out_refused),
	T_CASE(folder_that_is_none_refused),
	T_CASE(backend_of_the_environment),
	T_CASE(device_that_cannot_be_opened_now_is_told),
	T_CASE(name_by_chance_taken_is_drawn_again),
	T_CASE(rubbish_is_swept_and_nothing_else),
	T_CASE(rubbish_with_too_long_a_name_stays),
	T_CASE(rubbish_beside_what_cannot_be_read_stays),
	T_CASE(rubbish_that_cannot_be_deleted_is_told),
	T_CASE(remover_that_is_stopped_is_told),
	T_CASE(descriptors_that_were_closed_are_opened_again),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
