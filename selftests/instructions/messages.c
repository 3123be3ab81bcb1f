/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * messages.c - POOL READERS MESSAGES: messages of 64 bytes, all in one thread
 *
 * The steps are functions of their own, never inlined: callgrind sums up what is
 * done below each of them.  Whose messages are wrong counts for nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zerocore/zerocore.h>

#define BYTES 64
#define READERS_MAX 8

#define STEP __attribute__((noinline, noclone))

STEP static zc_result_t step_acquire(zc_writer_t *writer, zc_handle_t *block)
{
	return zc_writer_acquire_block(writer, BYTES, block, 0);
}

STEP static zc_result_t step_commit(zc_writer_t *writer, zc_handle_t block)
{
	return zc_writer_commit_block(writer, block);
}

STEP static zc_result_t step_poll(zc_reader_t *reader, zc_handle_t *block)
{
	return zc_reader_poll_block(reader, BYTES, block, 0);
}

STEP static zc_result_t step_release(zc_reader_t *reader, zc_handle_t block)
{
	return zc_reader_release_block(reader, block);
}

static void must(zc_result_t result, const char *what)
{
	if (result == ZC_OK)
		return;
	fprintf(stderr, "messages: %s: %s\n", what, zc_last_error());
	exit(1);
}

static void hand_over(zc_reader_t *reader, uint64_t number)
{
	zc_handle_t block;
	const void *data;
	size_t bytes;
	uint64_t got;

	must(step_poll(reader, &block), "poll");
	data = zc_reader_block_data(reader, block, &bytes);
	if (!data || bytes != BYTES) {
		fprintf(stderr, "messages: %zu bytes, not %d\n", bytes, BYTES);
		exit(1);
	}
	memcpy(&got, data, sizeof(got));
	if (got != number) {
		fprintf(stderr, "messages: %llu came, not %llu\n",
			(unsigned long long)got, (unsigned long long)number);
		exit(1);
	}
	must(step_release(reader, block), "release");
}

int main(int argc, char **argv)
{
	zc_pool_options_t pool_options = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t writer_options = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reader_options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *readers[READERS_MAX];
	zc_writer_t *writer = NULL;
	zc_pool_t *pool = NULL;
	zc_handle_t block;
	unsigned int readers_nr;
	uint64_t messages;
	void *data;

	if (argc != 4)
		return 2;
	readers_nr = (unsigned int)strtoul(argv[2], NULL, 10);
	messages = strtoull(argv[3], NULL, 10);
	if (readers_nr < 1 || readers_nr > READERS_MAX)
		return 2;

	pool_options.bytes = 16 << 20;
	must(zc_pool_create(argv[1], &pool_options, &pool), "create");
	/* The clock is the C library's. */
	writer_options.no_timestamp = true;
	writer_options.service = "test/instructions/messages";
	must(zc_writer_register(pool, &writer_options, &writer), "writer");
	reader_options.service = "test/instructions/messages";
	for (unsigned int i = 0; i < readers_nr; i++)
		must(zc_reader_register(pool, &reader_options, &readers[i]), "reader");

	for (uint64_t number = 0; number < messages; number++) {
		must(step_acquire(writer, &block), "acquire");
		data = zc_writer_block_data(writer, block, NULL);
		if (!data)
			return 1;
		memset(data, 0, BYTES);
		memcpy(data, &number, sizeof(number));
		must(step_commit(writer, block), "commit");
		for (unsigned int i = 0; i < readers_nr; i++)
			hand_over(readers[i], number);
	}

	for (unsigned int i = 0; i < readers_nr; i++)
		zc_reader_unregister(readers[i]);
	zc_writer_unregister(writer);
	zc_pool_close(pool);
	return 0;
}
