/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * pub.c - one message of `zerocore pub`.
 *
 * A file goes into its block by read(2): the kernel writes into pool memory,
 * and this program never touches the bytes.
 */
#include "pub.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file_message.h"

/* For what does not say its size; files of /proc are seldom larger. */
#define ROOM_LEAST 65536

static void wait_for_turn(struct pub *pub)
{
	struct timespec due;
	uint64_t now = zc_timestamp();

	if (!pub->rate)
		return;
	/* Whoever was held up does not make up for it in one burst. */
	if (pub->due_ns + 1000000000ULL < now)
		pub->due_ns = now;
	due.tv_sec = (time_t)(pub->due_ns / 1000000000ULL);
	due.tv_nsec = (long)(pub->due_ns % 1000000000ULL);
	pub->due_ns += 1000000000ULL / pub->rate;
	/* What is left of a nanosecond counts, too. */
	pub->due_rest += 1000000000ULL % pub->rate;
	if (pub->due_rest >= pub->rate) {
		pub->due_rest -= pub->rate;
		pub->due_ns++;
	}
	while (!cli_stopped() &&
	       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) ==
		       EINTR)
		;
}

/* In slices, so that Ctrl-C and the progress line go on while it waits. */
static zc_result_t acquire(struct pub *pub, size_t bytes, zc_handle_t *block)
{
	uint64_t start_ns = zc_timestamp();
	uint64_t left_ns = pub->timeout_ns;
	uint64_t waited_ns;
	zc_result_t result;

	for (;;) {
		result = zc_writer_acquire_block(
			pub->writer, bytes, block,
			left_ns < CLI_SLICE_NS ? left_ns : CLI_SLICE_NS);
		if (result != ZC_ERROR_TIMEOUT || cli_stopped())
			return result;
		waited_ns = zc_timestamp() - start_ns;
		if (waited_ns >= pub->timeout_ns)
			return result;
		left_ns = pub->timeout_ns - waited_ns;
		progress_tick(&pub->line, pub->messages, pub->bytes, true);
	}
}

static int acquire_failed(struct pub *pub, zc_result_t result,
			  const char *what, size_t bytes)
{
	char text[CLI_TEXT];
	char time[CLI_TEXT];

	if (cli_stopped())
		return cli_error("stopped by a signal before %s was published",
				 what);
	if (result == ZC_ERROR_TIMEOUT)
		return cli_fail(result, "no block of %s for %s within %s",
				cli_format_bytes(bytes, text), what,
				cli_format_age(pub->timeout_ns, time));
	if (result == ZC_ERROR_SIZE) {
		cli_fail(result, "%s skipped", what);
		pub->skipped++;
		return CLI_OK;
	}
	return cli_fail(result, "no block of %s for %s",
			cli_format_bytes(bytes, text), what);
}

static int commit(struct pub *pub, zc_handle_t block, const char *what)
{
	zc_result_t result = zc_writer_commit_block(pub->writer, block);

	if (result)
		return cli_fail(result, "%s", what);
	pub->messages++;
	return CLI_OK;
}

/* Up to @bytes into pool memory, fewer at the end of the file; 0, or an errno. */
static int read_up_to(int fd, unsigned char *at, size_t bytes, size_t *got)
{
	ssize_t n;

	*got = 0;
	while (*got < bytes) {
		n = read(fd, at + *got, bytes - *got);
		if (n < 0 && errno == EINTR && !cli_stopped())
			continue;
		if (n < 0)
			return errno;
		if (!n)
			break;
		*got += (size_t)n;
	}
	return 0;
}

static int skip(struct pub *pub, const char *path, const char *why)
{
	char clean[512];

	cli_error("%s skipped: %s",
		  cli_printable(path, clean, sizeof(clean)), why);
	pub->skipped++;
	return CLI_OK;
}

/* What the largest block has room for behind a header of @off bytes. */
static uint64_t room_most(struct pub *pub, size_t off)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	/* What a guard keeps behind a payload, and more. */
	uint64_t behind = off + 64;

	if (zc_pool_get_info(pub->pool, &info) || info.segment_bytes < behind)
		return 0;
	return info.segment_bytes - behind;
}

/*
 * A file that says less than it has: one of /proc, or one that grows.  More room for it,
 * from its beginning; 0: there is none, or it cannot be read again.
 */
static size_t more_room(struct pub *pub, int fd, size_t off, size_t room)
{
	uint64_t most = room_most(pub, off);
	uint64_t more = room < ROOM_LEAST / 2 ? ROOM_LEAST : 2 * (uint64_t)room;

	if (more > most)
		more = most;
	return more > room && !lseek(fd, 0, SEEK_SET) ? (size_t)more : 0;
}

/*
 * The file into a block of @room bytes behind a header of @off.  *got: what it has; more
 * than @room: it goes on, and @block is gone.  0, or an errno.
 */
static int fill(struct pub *pub, int fd, zc_handle_t block, size_t off, size_t room,
		size_t *got)
{
	unsigned char *payload = zc_writer_block_data(pub->writer, block, NULL);
	unsigned char beyond;
	size_t one = 0;
	int err = read_up_to(fd, payload + off, room, got);

	/* Its end is where nothing more is read, whatever its size was. */
	if (!err && *got == room)
		err = read_up_to(fd, &beyond, 1, &one);
	*got += one;
	if (err || one)
		zc_writer_cancel_block(pub->writer, block);
	return err;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/*
 * Attributes of /sys say that they have a page, and have less: that is all there is.  A
 * file that was cut, and has been written again since, may be as long as before.
 */
static bool became_shorter(int fd, const struct stat *before)
{
	struct stat now;

	return fstat(fd, &now) || now.st_size != before->st_size ||
	       !same_time(&now.st_mtim, &before->st_mtim);
}

static int publish_open_file(struct pub *pub, const char *path, int fd,
			     const struct stat *st)
{
	size_t off = file_message_data_off(strlen(path));
	struct file_message header = {
		.magic = FILE_MESSAGE_MAGIC,
		.type = FILE_MESSAGE_FILE,
		.name_bytes = (uint32_t)strlen(path),
		.data_off = (uint32_t)off,
		.number = pub->files + 1,
		.mode = st->st_mode & 07777,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000LL +
			    st->st_mtim.tv_nsec,
	};
	size_t room = (size_t)st->st_size, got;
	zc_handle_t block;
	zc_result_t result;
	int status;
	int err;

	wait_for_turn(pub);
	for (;;) {
		result = acquire(pub, off + room, &block);
		if (result)
			return acquire_failed(pub, result, path, off + room);
		err = fill(pub, fd, block, off, room, &got);
		if (err || got <= room)
			break;
		room = more_room(pub, fd, off, room);
		if (!room)
			return skip(pub, path, "it has more than its size says, and no block is large enough");
	}
	if (err && cli_stopped())
		return cli_error("stopped by a signal before %s was published", path);
	if (err)
		return skip(pub, path, strerror(err));
	if (got < (size_t)st->st_size && became_shorter(fd, st)) {
		zc_writer_cancel_block(pub->writer, block);
		return skip(pub, path, "it became shorter while it was read");
	}
	header.data_bytes = got;
	header.total_bytes = pub->bytes + got;
	file_message_write(zc_writer_block_data(pub->writer, block, NULL), &header, path);
	if (got < room) {
		result = zc_writer_resize_block(pub->writer, block, off + got);
		if (result)
			return cli_fail(result, "%s", path);
	}
	status = commit(pub, block, path);
	if (status == CLI_OK) {
		pub->files++;
		pub->bytes = header.total_bytes;
	}
	return status;
}

int pub_file(struct pub *pub, const char *path)
{
	struct stat st;
	int status;
	int fd;

	if (strlen(path) > FILE_MESSAGE_NAME_MAX)
		return skip(pub, path, "its name is too long");
	/* O_NONBLOCK: a FIFO by that name must not stop the stream. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return skip(pub, path, strerror(errno));
	if (fstat(fd, &st))
		status = skip(pub, path, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		status = skip(pub, path, "not a regular file");
	else
		status = publish_open_file(pub, path, fd, &st);
	close(fd);
	progress_tick(&pub->line, pub->messages, pub->bytes, false);
	return status;
}

int pub_line(struct pub *pub, const char *line, size_t bytes)
{
	zc_handle_t block;
	zc_result_t result;
	int status;

	wait_for_turn(pub);
	result = acquire(pub, bytes, &block);
	if (result)
		return acquire_failed(pub, result, "a line", bytes);
	memcpy(zc_writer_block_data(pub->writer, block, NULL), line, bytes);
	pub->copies++;
	status = commit(pub, block, "a line");
	if (status == CLI_OK)
		pub->bytes += bytes;
	progress_tick(&pub->line, pub->messages, pub->bytes, false);
	return status;
}

int pub_end(struct pub *pub)
{
	struct file_message header = {
		.magic = FILE_MESSAGE_MAGIC,
		.type = FILE_MESSAGE_END,
		.data_off = sizeof(header),
		.number = pub->files,
		.total_bytes = pub->bytes,
	};
	zc_handle_t block;
	zc_result_t result = acquire(pub, sizeof(header), &block);

	if (result)
		return acquire_failed(pub, result, "the end marker",
				      sizeof(header));
	file_message_write(zc_writer_block_data(pub->writer, block, NULL),
			   &header, NULL);
	return commit(pub, block, "the end marker");
}
