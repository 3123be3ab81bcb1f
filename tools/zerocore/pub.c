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

/* Exactly @bytes into pool memory; 0, or an errno, ENODATA when it shrank. */
static int read_whole(int fd, unsigned char *at, size_t bytes)
{
	ssize_t got;

	while (bytes) {
		got = read(fd, at, bytes);
		if (got < 0 && errno == EINTR && !cli_stopped())
			continue;
		if (got < 0)
			return errno;
		if (!got)
			return ENODATA;
		at += got;
		bytes -= (size_t)got;
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

static int publish_open_file(struct pub *pub, const char *path, int fd,
			     const struct stat *st)
{
	struct file_message header = {
		.magic = FILE_MESSAGE_MAGIC,
		.type = FILE_MESSAGE_FILE,
		.name_bytes = (uint32_t)strlen(path),
		.data_off = (uint32_t)file_message_data_off(strlen(path)),
		.data_bytes = (uint64_t)st->st_size,
		.number = pub->files + 1,
		.total_bytes = pub->bytes + (uint64_t)st->st_size,
		.mode = st->st_mode & 07777,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000LL +
			    st->st_mtim.tv_nsec,
	};
	size_t bytes = header.data_off + (size_t)st->st_size;
	unsigned char *payload;
	zc_handle_t block;
	zc_result_t result;
	int status;
	int err;

	wait_for_turn(pub);
	result = acquire(pub, bytes, &block);
	if (result)
		return acquire_failed(pub, result, path, bytes);
	payload = zc_writer_block_data(pub->writer, block, NULL);
	file_message_write(payload, &header, path);
	err = read_whole(fd, payload + header.data_off, (size_t)st->st_size);
	if (err) {
		zc_writer_cancel_block(pub->writer, block);
		if (cli_stopped())
			return cli_error("stopped by a signal before %s was published",
					 path);
		return skip(pub, path, err == ENODATA ?
					       "it became shorter while it was read" :
					       strerror(err));
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
