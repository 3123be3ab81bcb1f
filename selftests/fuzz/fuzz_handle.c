/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_handle.c - random and mutated handles and ids against roles that hold some blocks.
 *
 * The target keeps books of what each role holds: what is not in them opens nothing,
 * changes nothing, and has an error of its own; what is, opens.
 */
#include <string.h>

#include "fuzz.h"

#define HELD 6
#define GONE 16
#define SIZE 200U

enum { WRITER, OTHER, READER, ROLES };

static struct {
	zc_pool_t *pool;
	zc_writer_t *writer[2];
	zc_reader_t *reader;
	zora_id_t id[ROLES];
	zc_handle_t held[ROLES][HELD];	/* 0: none */
	zc_handle_t gone[GONE];
	unsigned int gone_nr;
} at;

static void held_add(int role, zc_handle_t handle)
{
	for (int i = 0; i < HELD; i++) {
		FUZZ_MUST(at.held[role][i] != handle);
		if (!at.held[role][i]) {
			at.held[role][i] = handle;
			return;
		}
	}
	FUZZ_MUST(!"a place for a handle");
}

static bool held_any_room(int role)
{
	for (int i = 0; i < HELD; i++)
		if (!at.held[role][i])
			return true;
	return false;
}

static zc_handle_t *held_find(int role, zc_handle_t handle)
{
	for (int i = 0; handle && i < HELD; i++)
		if (at.held[role][i] == handle)
			return &at.held[role][i];
	return NULL;
}

static void held_end(zc_handle_t *handle)
{
	at.gone[at.gone_nr++ % GONE] = *handle;
	*handle = 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_folder();
	return 0;
}

static void open_all(void)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;

	memset(&at, 0, sizeof(at));
	at.pool = fuzz_create("handle");
	writing.max_inflight = HELD;
	for (int i = 0; i < 2; i++) {
		writing.service = i ? "fuzz/handle/two" : "fuzz/handle/one";
		FUZZ_MUST(zc_writer_register(at.pool, &writing, &at.writer[i]) == ZC_OK);
		FUZZ_MUST(zora_register_writer(at.writer[i], &at.id[i]) == ZC_OK);
	}
	reading.service = "fuzz/handle/one";
	reading.max_holds = HELD;
	FUZZ_MUST(zc_reader_register(at.pool, &reading, &at.reader) == ZC_OK);
	FUZZ_MUST(zora_register_reader(at.reader, &at.id[READER]) == ZC_OK);
}

static void get(int role)
{
	zc_handle_t handle;
	zc_result_t result;

	if (!held_any_room(role))
		return;
	result = role == READER ?
			 zc_reader_poll_block(at.reader, 0, &handle, 0) :
			 zc_writer_acquire_block(at.writer[role], SIZE, &handle, 0);
	if (result == ZC_OK)
		held_add(role, handle);
}

/* A real one, perhaps another role's or one that ended, and what is done to it. */
static zc_handle_t any_handle(struct fuzz_in *in)
{
	uint8_t from = fuzz_u8(in), how = fuzz_u8(in);
	zc_handle_t handle = 0, more;

	if (from % 4 < ROLES)
		handle = at.held[from % 4][from / 4 % HELD];
	else
		handle = at.gone[from / 4 % GONE];
	switch (how % 8) {
	case 0:
	case 1:
		return handle;
	case 2:
		return handle ^ 1ULL << (how / 8 % 32) << (fuzz_u8(in) % 33);
	case 3:
		return handle + (uint64_t)(int8_t)fuzz_u8(in);
	case 4:
		return handle ^ (uint64_t)fuzz_u8(in) << 60;
	case 5:
		more = at.held[how / 8 % ROLES][fuzz_u8(in) % HELD];
		return handle ^ more ^ at.gone[fuzz_u8(in) % GONE];
	case 6:
		return handle + (uint64_t)fuzz_u8(in) * (1ULL << 20);
	default:
		return fuzz_u64(in);
	}
}

/* Bytes that no refusal may touch. */
static const char untouched[16] = "as it was before";

static void try_access(int role, zc_handle_t handle, struct fuzz_in *in)
{
	bool held = held_find(role, handle);
	uint32_t offset = fuzz_u32(in), bytes = fuzz_u8(in) % 16;
	const char *data = zora_data(at.id[role], handle);
	bool within = offset <= SIZE && bytes <= SIZE - offset;
	char copy[16];
	size_t size;

	FUZZ_MUST(!data == !held);
	FUZZ_MUST(!zora_data_mut(at.id[role], handle) == !(held && role != READER));
	memcpy(copy, untouched, sizeof(copy));
	FUZZ_MUST((zora_copy_out(at.id[role], handle, offset, copy, bytes) == ZC_OK) ==
		  (held && within));
	if (!held || !within)
		FUZZ_MUST(!memcmp(copy, untouched, sizeof(copy)));
	FUZZ_MUST((zora_copy_in(at.id[role], handle, offset, copy, bytes) == ZC_OK) ==
		  (held && within && role != READER));
	if (!held) {
		zc_result_t how = zora_size(at.id[role], handle, &size);

		FUZZ_MUST(how == ZC_ERROR_FORGED_HANDLE || how == ZC_ERROR_STALE_HANDLE ||
			  how == ZC_ERROR_REPLAYED_HANDLE || how == ZC_ERROR_FOREIGN_HANDLE);
		return;
	}
	FUZZ_MUST(zora_size(at.id[role], handle, &size) == ZC_OK && size == SIZE);
	fuzz_touch(data, size);
}

static void try_end(int role, zc_handle_t handle, bool cancel)
{
	zc_handle_t *held = held_find(role, handle);
	zc_result_t result;

	if (role == READER)
		result = zc_reader_release_block(at.reader, handle);
	else if (cancel)
		result = zc_writer_cancel_block(at.writer[role], handle);
	else
		result = zc_writer_commit_block(at.writer[role], handle);
	FUZZ_MUST((result == ZC_OK) == (held != NULL));
	if (held)
		held_end(held);
}

static void try_io(int role, zc_handle_t handle)
{
	bool held = held_find(role, handle);
	zc_result_t begun, ended;

	begun = role == READER ? zc_reader_io_begin(at.reader, handle) :
				 zc_writer_io_begin(at.writer[role], handle);
	ended = role == READER ? zc_reader_io_end(at.reader, handle) :
				 zc_writer_io_end(at.writer[role], handle);
	FUZZ_MUST((begun == ZC_OK) == held && (ended == ZC_OK) == held);
}

/* What is no role's of this process opens nothing, whatever the handle. */
static void try_id(struct fuzz_in *in, zc_handle_t handle)
{
	zora_id_t id = at.id[fuzz_u8(in) % ROLES] ^ fuzz_u64(in);

	for (int i = 0; i < ROLES; i++)
		if (id == at.id[i])
			return;
	FUZZ_MUST(!zora_data(id, handle));
	FUZZ_MUST(zora_error() == ZC_ERROR_CLOSED || zora_error() == ZC_ERROR_FORGED_HANDLE);
	FUZZ_MUST(zora_unregister(id) != ZC_OK || !id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };

	open_all();
	while (in.left) {
		uint8_t op = fuzz_u8(&in);
		int role = op / 8 % ROLES;
		zc_handle_t handle;

		switch (op % 8) {
		case 0:
		case 1:
			get(role);
			break;
		case 2:
			zora_rotate_keys(at.pool);
			break;
		case 3:
			try_end(role, any_handle(&in), op & 128);
			break;
		case 4:
			try_io(role, any_handle(&in));
			break;
		case 5:
			handle = any_handle(&in);
			try_id(&in, handle);
			break;
		default:
			handle = any_handle(&in);
			try_access(role, handle, &in);
			break;
		}
	}
	/* What is held still is. */
	for (int role = 0; role < ROLES; role++)
		for (int i = 0; i < HELD; i++)
			if (at.held[role][i])
				FUZZ_MUST(zora_data(at.id[role], at.held[role][i]));
	zc_pool_close(at.pool);
	zc_pool_remove("handle");
	return 0;
}
