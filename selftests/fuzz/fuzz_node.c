/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_node.c - garbage in what the nodes of a MessageRing send each other.
 *
 * A packet that is handed out is as short as all are, and each look comes to its end.
 */
#include <string.h>

#include "fuzz.h"

#define NODES 3

static zc_messagering_t *node[NODES];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_folder();
	return 0;
}

static void heard(const zc_message_t *message, void *ctx)
{
	(void)ctx;
	FUZZ_MUST(message->bytes <= ZC_MESSAGERING_BYTES);
	FUZZ_MUST(message->type <= ZC_MSG_MAX);
	fuzz_touch(message->payload, message->bytes);
}

static void post(struct fuzz_in *in)
{
	uint8_t which = fuzz_u8(in), what = fuzz_u8(in);
	char payload[ZC_MESSAGERING_BYTES + 8];
	size_t bytes = fuzz_u8(in) % sizeof(payload);
	uint32_t flags = which & 32 ? ZC_MESSAGE_CRITICAL : 0;

	fuzz_take(in, payload, bytes);
	if (which & 64)
		zc_messagering_broadcast(node[which % NODES], ZC_MSG_USER + what, payload, bytes,
					 flags);
	else
		zc_messagering_post(node[which % NODES], ZC_NODE(which / 4 % 8U),
				    ZC_MSG_USER + what, payload, bytes, flags);
}

/* Of the packets that so few are in, or anything else that a node says. */
static void spoil(const struct fuzz_control *control, struct fuzz_in *in)
{
	const struct zc_geometry *g = &control->geometry;
	uint8_t which = fuzz_u8(in), to = fuzz_u8(in);
	uint64_t area = g->off_nodes + which % NODES * g->node_area_bytes;

	if (which & 128)
		fuzz_spoil_in(control, area, g->node_area_bytes, in);
	else
		fuzz_spoil_in(control, area + offsetof(struct zc_node_area, lane[to % NODES]),
			      4 * sizeof(struct zc_packet), in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };
	struct fuzz_control control;
	const struct zc_geometry *g = &control.geometry;
	zc_pool_t *pool = fuzz_create("node");

	control = fuzz_map("node");
	for (int i = 0; i < NODES; i++) {
		FUZZ_MUST(zc_messagering_register(pool, &node[i]) == ZC_OK);
		FUZZ_MUST(zc_messagering_handle(node[i], ZC_MSG_DEFAULT, heard, NULL) == ZC_OK);
	}
	while (in.left) {
		uint8_t what = fuzz_u8(&in);

		switch (what % 8) {
		case 0:
		case 1:
			post(&in);
			break;
		case 2:
		case 3:
			zc_messagering_on_message(node[what / 8 % NODES], 0, NULL);
			break;
		case 4:
			zc_messagering_nodes(node[what / 8 % NODES]);
			break;
		case 5:
			fuzz_spoil_in(&control, g->off_cleaner_slots,
				      g->off_segments - g->off_cleaner_slots, &in);
			break;
		default:
			spoil(&control, &in);
			break;
		}
	}
	for (int i = 0; i < NODES; i++)
		zc_messagering_unregister(node[i]);
	zc_pool_close(pool);
	fuzz_unmap(&control);
	zc_pool_remove("node");
	return 0;
}
