/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_control.c - a control file of any content is opened, looked at, joined, polled.
 *
 * A child makes a pool and leaves messages, a held one and a claimed one in it.  Each run
 * begins with that file, changes what the input says, also what never changes in a live
 * pool, and opens it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define SERVICE "fuzz/control/one"

static struct fuzz_control control;
static void *fresh;		/* its content, as the child left it */

static void leave_something(void)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = fuzz_create("control");
	zc_writer_t *writer = NULL;
	zc_reader_t *reader = NULL;
	zc_handle_t handle;

	writing.service = reading.service = SERVICE;
	writing.history = 8;
	FUZZ_MUST(zc_writer_register(pool, &writing, &writer) == ZC_OK);
	FUZZ_MUST(zc_reader_register(pool, &reading, &reader) == ZC_OK);
	for (int i = 0; i < 10; i++) {
		FUZZ_MUST(zc_writer_acquire_block(writer, 700, &handle, 0) == ZC_OK);
		FUZZ_MUST(zc_writer_commit_block(writer, handle) == ZC_OK);
	}
	for (int i = 0; i < 3; i++)
		FUZZ_MUST(zc_reader_poll_block(reader, 0, &handle, 0) == ZC_OK);
	FUZZ_MUST(zc_writer_acquire_block(writer, 700, &handle, 0) == ZC_OK);
	_exit(0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int status;
	pid_t pid;

	(void)argc;
	(void)argv;
	fuzz_folder();
	pid = fork();
	FUZZ_MUST(pid >= 0);
	if (!pid)
		leave_something();
	FUZZ_MUST(waitpid(pid, &status, 0) == pid && !status);
	control = fuzz_map("control");
	fresh = malloc(control.bytes);
	FUZZ_MUST(fresh);
	memcpy(fresh, control.header, control.bytes);
	return 0;
}

/* A header's word, too. */
static void spoil_any(struct fuzz_in *in)
{
	uint32_t at = fuzz_u32(in) % sizeof(struct zc_pool_header);

	if (fuzz_u8(in) % 2)
		fuzz_take(in, (char *)control.header + at, 1);
	else
		fuzz_take(in, (char *)control.header + at / 8 * 8, 8);
}

static void use(zc_pool_t *pool, struct fuzz_in *in)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	zc_writer_t *writer = NULL;
	zc_reader_t *reader = NULL;
	zc_handle_t handle;
	size_t bytes;

	writing.service = reading.service = SERVICE;
	reading.history = fuzz_u8(in) % 20;
	reading.best_effort = fuzz_u8(in) % 2;
	if (zc_reader_register(pool, &reading, &reader) != ZC_OK)
		reader = NULL;
	if (zc_writer_register(pool, &writing, &writer) != ZC_OK)
		writer = NULL;
	for (int i = 0; i < 20; i++) {
		if (writer && zc_writer_acquire_block(writer, 300, &handle, 0) == ZC_OK) {
			void *data = zc_writer_block_data(writer, handle, &bytes);

			if (data)
				memset(data, i, bytes);
			zc_writer_commit_block(writer, handle);
		}
		if (reader && zc_reader_poll_block(reader, 64, &handle, 0) == ZC_OK) {
			const void *data = zc_reader_block_data(reader, handle, &bytes);

			fuzz_touch(data, data ? bytes : 0);
			zc_reader_release_block(reader, handle);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	struct fuzz_in in = { data, bytes };
	zc_pool_t *pool = NULL;
	uint8_t how, nr;

	memcpy(control.header, fresh, control.bytes);
	how = fuzz_u8(&in);
	for (nr = fuzz_u8(&in) % 16; nr && in.left; nr--)
		if (fuzz_u8(&in) % 2)
			spoil_any(&in);
		else
			fuzz_spoil(&control, &in);
	options.observe = how & 1;
	if (zc_pool_open_with("control", &options, &pool) != ZC_OK) {
		FUZZ_MUST(!pool);
		return 0;
	}
	fuzz_inspect(pool);
	if (!options.observe)
		use(pool, &in);
	fuzz_inspect(pool);
	zc_pool_close(pool);
	return 0;
}
