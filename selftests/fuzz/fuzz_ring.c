/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_ring.c - garbage in rings, descriptors and regions of a pool that is in use.
 *
 * Between two calls of a writer or a reader somebody overwrites a word of control memory.
 * What a reader is given lies in the pool, and every call comes to its end.
 */
#include <string.h>

#include "fuzz.h"

#define FEW 4

static struct {
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader[2];		/* required; best effort */
	zc_handle_t claim[FEW], held[2][FEW];
	zora_id_t id;
} at;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_folder();
	return 0;
}

static void corrupted(zc_pool_t *pool, const char *service, uint64_t sequence, void *ctx)
{
	uint32_t *calls = ctx;

	(void)pool;
	(void)service;
	(void)sequence;
	++*calls;
}

static void heard(const zc_message_t *message, void *ctx)
{
	(void)ctx;
	fuzz_touch(message->payload, message->bytes);
}

static void open_all(uint8_t how, uint32_t *calls)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	zc_hooks_t hooks = ZC_HOOKS_INIT;

	memset(&at, 0, sizeof(at));
	at.pool = fuzz_create("ring");
	hooks.corrupted_block = corrupted;
	hooks.ctx = calls;
	FUZZ_MUST(zc_set_hooks(at.pool, &hooks) == ZC_OK);
	writing.service = reading.service = "fuzz/ring/one";
	writing.on_slow = (zc_on_slow_t)(how % 3);
	writing.history = how & 4 ? 5 : 0;
	FUZZ_MUST(zc_writer_register(at.pool, &writing, &at.writer) == ZC_OK);
	for (int i = 0; i < 2; i++) {
		reading.best_effort = i;
		reading.max_holds = FEW;
		FUZZ_MUST(zc_reader_register(at.pool, &reading, &at.reader[i]) == ZC_OK);
		zc_reader_handle_message(at.reader[i], ZC_MSG_DEFAULT, heard, NULL);
	}
	zc_writer_handle_message(at.writer, ZC_MSG_DEFAULT, heard, NULL);
	FUZZ_MUST(zora_register_reader(at.reader[0], &at.id) == ZC_OK);
}

static void write_some(struct fuzz_in *in)
{
	uint8_t which = fuzz_u8(in) % FEW, size = fuzz_u8(in);
	size_t bytes;
	void *data;

	if (!at.claim[which]) {
		if (zc_writer_acquire_block(at.writer, 1 + size * 40U, &at.claim[which],
					    0) != ZC_OK)
			at.claim[which] = 0;
		return;
	}
	data = zc_writer_block_data(at.writer, at.claim[which], &bytes);
	if (data)
		memset(data, size, bytes);
	if (size % 8)
		zc_writer_commit_block(at.writer, at.claim[which]);
	else
		zc_writer_cancel_block(at.writer, at.claim[which]);
	at.claim[which] = 0;
}

static void read_some(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	zc_reader_t *reader = at.reader[what & 1];
	zc_handle_t *held = &at.held[what & 1][what / 2 % FEW];
	zc_block_info_t info = { .sz = sizeof(info) };
	const void *data;
	size_t bytes;

	if (*held) {
		zc_reader_block_info(reader, *held, &info);
		data = zc_reader_block_data(reader, *held, &bytes);
		FUZZ_MUST(data);
		fuzz_touch(data, bytes);
		FUZZ_MUST(zc_reader_release_block(reader, *held) == ZC_OK);
		FUZZ_MUST(zc_reader_release_block(reader, *held) != ZC_OK);
		*held = 0;
		return;
	}
	if (zc_reader_poll_block(reader, what, held, 0) != ZC_OK) {
		*held = 0;
		return;
	}
	data = zc_reader_block_data(reader, *held, &bytes);
	FUZZ_MUST(data);
	fuzz_touch(data, bytes);
	if (!(what & 1))
		FUZZ_MUST(zora_data(at.id, *held) == data);
}

static void talk(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	uint64_t stream[32];
	size_t nr;

	switch (what % 4) {
	case 0:
		zc_writer_send_message(at.writer,
				       ZC_READER(zc_writer_id(at.writer),
						 zc_reader_id(at.reader[what / 4 % 2])),
				       ZC_MSG_USER + what / 8, stream, 0);
		break;
	case 1:
		memset(stream, what, sizeof(stream));
		zc_reader_send_message(at.reader[what / 4 % 2],
				       ZC_WRITER(zc_writer_id(at.writer)),
				       ZC_MSG_USER, stream, what);
		break;
	case 2:
		zc_writer_check_message(at.writer, NULL, &nr, stream, sizeof(stream));
		break;
	default:
		zc_reader_check_message(at.reader[what / 4 % 2], NULL, &nr, stream,
					sizeof(stream));
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };
	struct fuzz_control control;
	unsigned int looks = 0;
	uint32_t calls = 0;

	open_all(fuzz_u8(&in), &calls);
	control = fuzz_map("ring");
	while (in.left)
		switch (fuzz_u8(&in) % 8) {
		case 0:
		case 1:
			write_some(&in);
			break;
		case 2:
		case 3:
			read_some(&in);
			break;
		case 4:
			talk(&in);
			break;
		case 5:
			if (looks++ < 4)
				fuzz_inspect(at.pool);
			break;
		default:
			fuzz_spoil(&control, &in);
			break;
		}
	zc_pool_close(at.pool);
	fuzz_unmap(&control);
	zc_pool_remove("ring");
	return 0;
}
