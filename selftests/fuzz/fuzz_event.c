/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_event.c - garbage in what is told of a pool: events, and who is at it.
 *
 * Whoever listens hears something or nothing, soon; what is text ends.
 */
#include <string.h>

#include "fuzz.h"

#define ROLES 4
#define RECORDS 12	/* of events, that so few roles come to */

static zc_pool_t *pool;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_folder();
	return 0;
}

static void come_or_go(zc_writer_t **writer, zc_reader_t **reader, struct fuzz_in *in)
{
	static const char *const services[] = { "fuzz/event/one", "fuzz/event/two" };
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;
	uint8_t which = fuzz_u8(in);

	writing.service = reading.service = services[which / 16 % 2];
	if (which & 1) {
		writer += which / 2 % ROLES;
		if (*writer) {
			zc_writer_unregister(*writer);
			*writer = NULL;
		} else if (zc_writer_register(pool, &writing, writer) != ZC_OK) {
			*writer = NULL;
		}
		return;
	}
	reader += which / 2 % ROLES;
	if (*reader) {
		zc_reader_unregister(*reader);
		*reader = NULL;
	} else if (zc_reader_register(pool, &reading, reader) != ZC_OK) {
		*reader = NULL;
	}
}

static void listen(void)
{
	zc_event_t event = { .sz = sizeof(event) };

	for (unsigned int n = 0; n < 300; n++) {
		memset(event.service, 'x', sizeof(event.service));
		memset(event.suspect, 'x', sizeof(event.suspect));
		memset(event.comm, 'x', sizeof(event.comm));
		if (zc_pool_next_event(pool, &event, 0) != ZC_OK)
			return;
		FUZZ_MUST(zc_event_name(event.type));
		FUZZ_MUST(memchr(event.service, 0, sizeof(event.service)));
		FUZZ_MUST(memchr(event.suspect, 0, sizeof(event.suspect)));
		FUZZ_MUST(memchr(event.comm, 0, sizeof(event.comm)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };
	zc_writer_t *writer[ROLES] = { NULL };
	zc_reader_t *reader[ROLES] = { NULL };
	struct fuzz_control control;
	const struct zc_geometry *g = &control.geometry;
	unsigned int looks = 0;

	pool = fuzz_create("event");
	control = fuzz_map("event");
	while (in.left)
		switch (fuzz_u8(&in) % 8) {
		case 0:
		case 1:
			come_or_go(writer, reader, &in);
			break;
		case 2:
		case 3:
			listen();
			break;
		case 4:
			if (looks++ < 4)
				fuzz_inspect(pool);
			break;
		case 5:
			fuzz_spoil_in(&control, g->off_members,
				      g->off_writer_slots - g->off_members, &in);
			break;
		default:
			fuzz_spoil_in(&control, g->off_events,
				      RECORDS * sizeof(struct zc_event_record), &in);
			break;
		}
	listen();
	zc_pool_close(pool);
	fuzz_unmap(&control);
	zc_pool_remove("event");
	return 0;
}
