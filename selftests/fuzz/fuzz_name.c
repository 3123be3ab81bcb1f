/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_name.c - names of pools and services, and option structs, as a program may get
 * them from anywhere.
 *
 * A pool whose name was taken is there under it and no other; a file outside the folder is
 * never made.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static zc_pool_t *steady;	/* for services */

static int count(const char *name, void *ctx)
{
	unsigned int *nr = ctx;

	FUZZ_MUST(strlen(name) <= 48 && !strchr(name, '/') && name[0] != '.');
	++*nr;
	return 0;
}

static unsigned int pools(void)
{
	unsigned int nr = 0;

	FUZZ_MUST(zc_pool_list(count, &nr) == ZC_OK);
	return nr;
}

static void end(void)
{
	zc_pool_close(steady);
	zc_pool_remove("steady");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_folder();
	steady = fuzz_create("steady");
	atexit(end);
	return 0;
}

/* A string of the input, of any bytes; up to @room with its end. */
static void text(struct fuzz_in *in, char *to, size_t room)
{
	size_t bytes = fuzz_u8(in);

	if (bytes >= room)
		bytes = room - 1;
	fuzz_take(in, to, bytes);
	to[bytes] = 0;
}

/* Where it is allowed, so little that a pool of small segments is soon made and removed. */
static void spoil_pool(struct fuzz_in *in, zc_pool_options_t *o)
{
	uint8_t which = fuzz_u8(in);
	uint64_t value = fuzz_u64(in);

	switch (which % 10) {
	case 0:
		o->bytes = value % (1U << 20);
		break;
	case 1:
		o->segment_bytes = value;
		break;
	case 2:
		o->granule_bytes = (uint32_t)value;
		break;
	case 3:
		o->ring_entries = (uint32_t)(value % 100000);
		break;
	case 4:
		o->max_holds = (uint32_t)value;
		break;
	case 5:
		o->huge = (zc_huge_t)(value % 3);
		break;
	case 6:
		o->max_bytes = value % (2U << 20);
		break;
	case 7:
		o->mode = (uint32_t)value & 0777;
		break;
	case 8:
		o->sz = value % 256;
		break;
	default:
		o->transient = value & 1;
		break;
	}
}

static void try_pool(struct fuzz_in *in)
{
	struct {
		zc_pool_options_t o;
		uint8_t more[256];	/* of a program that is newer */
	} options;
	char name[300], rest[300];
	zc_pool_t *pool = NULL, *again = NULL;
	unsigned int before = pools();
	uint8_t wishes;

	memset(&options, 0, sizeof(options));
	options.o = fuzz_options();
	text(in, name, sizeof(name));
	for (wishes = fuzz_u8(in) % 4; wishes; wishes--)
		spoil_pool(in, &options.o);
	if (!strcmp(name, "steady"))
		return;
	if (zc_pool_create(name, &options.o, &pool) != ZC_OK) {
		FUZZ_MUST(!pool && pools() == before);
		/* What cannot be made cannot be opened. */
		FUZZ_MUST(zc_pool_open(name, &again) != ZC_OK && !again);
		return;
	}
	FUZZ_MUST(!strcmp(zc_pool_name(pool), name));
	FUZZ_MUST(pools() == before + 1);
	FUZZ_MUST(zc_pool_open(name, &again) == ZC_OK && again == pool);
	zc_pool_close(again);
	text(in, rest, sizeof(rest));
	if (strcmp(rest, name) && strcmp(rest, "steady"))
		FUZZ_MUST(zc_pool_remove(rest) != ZC_OK);
	zc_pool_close(pool);
	zc_pool_remove(name);
	FUZZ_MUST(pools() == before);
}

static void try_writer(struct fuzz_in *in)
{
	static const zc_writer_options_t init = ZC_WRITER_OPTIONS_INIT;
	struct {
		zc_writer_options_t o;
		uint8_t more[256];	/* of a program that is newer */
	} options;
	zc_writer_t *writer = NULL;
	zc_handle_t handle;
	char service[300];
	uint8_t which;

	memset(&options, 0, sizeof(options));
	options.o = init;
	text(in, service, sizeof(service));
	options.o.service = service;
	which = fuzz_u8(in);
	if (which & 1)
		options.o.on_slow = (zc_on_slow_t)(fuzz_u8(in) % 5);
	if (which & 2)
		options.o.history = fuzz_u32(in);
	if (which & 4)
		options.o.lag_limit = fuzz_u32(in);
	if (which & 8)
		options.o.quota_bytes = fuzz_u64(in);
	if (which & 16)
		options.o.footprint_bytes = fuzz_u64(in);
	if (which & 32)
		options.o.max_inflight = fuzz_u32(in);
	if (which & 64)
		options.o.overwrite = true;
	if (which & 128)
		options.o.sz = fuzz_u8(in);
	if (zc_writer_register(steady, &options.o, &writer) != ZC_OK) {
		FUZZ_MUST(!writer);
		return;
	}
	for (int i = 0; i < 3; i++)
		if (zc_writer_acquire_block(writer, 1 + fuzz_u32(in) % 10000, &handle, 0) ==
		    ZC_OK)
			zc_writer_commit_block(writer, handle);
	zc_writer_unregister(writer);
}

static void try_reader(struct fuzz_in *in)
{
	static const zc_reader_options_t init = ZC_READER_OPTIONS_INIT;
	struct {
		zc_reader_options_t o;
		uint8_t more[256];	/* of a program that is newer */
	} options;
	zc_reader_t *reader = NULL;
	zc_handle_t handle;
	char service[300];
	uint8_t which;

	memset(&options, 0, sizeof(options));
	options.o = init;
	text(in, service, sizeof(service));
	options.o.service = service;
	which = fuzz_u8(in);
	if (which & 1)
		options.o.best_effort = true;
	if (which & 2)
		options.o.history = fuzz_u32(in);
	if (which & 4)
		options.o.max_holds = fuzz_u32(in);
	if (which & 8)
		options.o.spin_ns = fuzz_u64(in);
	if (which & 16)
		options.o.sz = fuzz_u8(in);
	if (zc_reader_register(steady, &options.o, &reader) != ZC_OK) {
		FUZZ_MUST(!reader);
		return;
	}
	for (int i = 0; i < 3; i++)
		if (zc_reader_poll_block(reader, 64, &handle, 0) == ZC_OK) {
			size_t bytes;
			const void *data = zc_reader_block_data(reader, handle, &bytes);

			FUZZ_MUST(data);
			fuzz_touch(data, bytes);
			FUZZ_MUST(zc_reader_release_block(reader, handle) == ZC_OK);
		}
	zc_reader_unregister(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };

	while (in.left)
		switch (fuzz_u8(&in) % 4) {
		case 0:
			try_pool(&in);
			break;
		case 1:
			try_reader(&in);
			break;
		default:
			try_writer(&in);
			break;
		}
	return 0;
}
