/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_type.c - type tags that anybody may have made up: read, and bounded.
 */
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "type.h"

#define PAYLOAD 4096U

struct seen {
	const struct zc_tags *tags;
	u64 nr;
	u64 end;
	u32 depth;
};

static int look(const zc_type_node_t *n, void *ctx)
{
	struct seen *s = ctx;

	must(n->offset <= s->tags->payload_bytes);
	must(n->bytes <= s->tags->payload_bytes - n->offset);
	must((const u8 *)n->data == s->tags->payload + n->offset);
	must(n->depth <= 2 * ZC_TYPE_DEPTH_MAX);
	must(strlen(n->name) <= ZC_TYPE_NAME_MAX);
	if (n->what == ZC_VISIT_END)
		must_eq(n->depth + 1, s->depth);
	else
		must_eq(n->depth, s->depth);
	if (n->what == ZC_VISIT_STRUCT || n->what == ZC_VISIT_ARRAY)
		s->depth++;
	else if (n->what == ZC_VISIT_END)
		s->depth--;
	/* By offset, and no byte twice. */
	if (n->what == ZC_VISIT_VALUE) {
		must(n->offset >= s->end && n->bytes);
		s->end = n->offset + n->bytes;
	}
	s->nr++;
	must(s->nr <= 2 * (ZC_TYPE_DEPTH_MAX + 2) * (u64)PAYLOAD);
	return 0;
}

/* In memory of just that size.  True: it made sense. */
static bool walk(const u8 *bytes, u32 nr, u32 parts)
{
	struct zc_tags t = { .payload_bytes = PAYLOAD, .nr = nr, .parts = parts };
	struct seen seen = { .tags = &t };
	u8 *copy = malloc(nr ? nr : 1), *payload = calloc(1, PAYLOAD);
	char shape[256], name[ZC_TYPE_NAME_MAX + 1];
	struct zc_lut_entry e;
	bool sound;

	must(copy && payload);
	memcpy(copy, bytes, nr);
	t.bytes = copy;
	t.payload = payload;
	sound = zc_tags_check(&t);
	if (sound) {
		zc_tags_walk(&t, look, &seen);
		must_eq(seen.depth, 0);
		memcpy(&e, copy, sizeof(e));
		zc_descriptor_shape(copy + e.desc_offset, shape, sizeof(shape));
		zc_descriptor_name(copy + e.desc_offset, name);
	}
	free(copy);
	free(payload);
	return sound;
}

static const u8 elements[] = { 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x11,
			       0x11, 0x14, 0x14, 0x55, 0x5c, 1, 0, 0xff };

/* A descriptor that is often sound. */
static u32 invent(u8 *to, u32 room, u32 depth, struct unit_random *random)
{
	u8 element = elements[(u32)unit_random_next(random) % sizeof(elements)];
	u32 at = 0, nr, i;

	if (room < 64)
		return 0;
	to[at++] = element;
	switch (element) {
	case ZC_TYPE_STRING:
	case ZC_TYPE_UNTYPED:
		to[at++] = (u8)((u32)unit_random_next(random) % 20);
		break;
	case ZC_TYPE_ARRAY:
		if (depth < 20)
			at += invent(to + at, room - at - 3, depth + 1, random);
		to[at++] = 1;
		to[at++] = (u8)((u32)unit_random_next(random) % 5);
		break;
	case ZC_TYPE_ENUM:
		memcpy(to + at, "\x05\x01" "e\x01\x01" "v\0\0\0\0\0\0\0", 13);
		at += 13;
		break;
	case ZC_TYPE_STRUCT:
		nr = (u32)unit_random_next(random) % 3;
		memcpy(to + at, "\x01" "s\x7f\x08", 4);
		at += 4;
		to[at++] = (u8)nr;
		for (i = 0; i < nr && room - at > 80; i++) {
			to[at++] = 1;
			to[at++] = 'f';
			to[at++] = (u8)(32 * i);
			at += invent(to + at, room - at, depth + 1, random);
		}
		break;
	}
	return at;
}

Test(type_tags, made_up_are_bounded)
{
	struct unit_random random;
	u64 sound = 0;
	u8 bytes[2048];
	u32 turn, nr, i;

	unit_random_init(&random);
	for (turn = 0; turn < 200000; turn++) {
		struct zc_lut_entry e = { (u32)unit_random_next(&random) % 5, sizeof(e) };

		memcpy(bytes, &e, sizeof(e));
		nr = (u32)sizeof(e);
		nr += invent(bytes + nr, sizeof(bytes) - nr, 0, &random);
		if (turn % 2)
			for (i = (u32)unit_random_next(&random) % 3; i; i--)
				bytes[(u32)unit_random_next(&random) % nr] = (u8)(u32)unit_random_next(&random);
		if (turn % 5 == 4)
			nr = (u32)unit_random_next(&random) % (nr + 1);
		sound += walk(bytes, nr, 1 + (turn % 11 == 10));
	}
	must(sound > 1000 && sound < turn);
	/* Nothing but noise. */
	for (turn = 0; turn < 100000; turn++) {
		nr = (u32)unit_random_next(&random) % 200;
		for (i = 0; i < nr; i++)
			bytes[i] = (u8)(u32)unit_random_next(&random);
		walk(bytes, nr, (u32)unit_random_next(&random) % 70);
	}
}

/* Deeper than it may be, and as large as it can be said to be. */
Test(type_tags, limits_hold)
{
	struct zc_lut_entry e = { 0, sizeof(e) };
	u8 bytes[256];
	u32 depth, nr, i;

	memcpy(bytes, &e, sizeof(e));
	for (depth = 1; depth < 40; depth++) {
		nr = sizeof(e);
		for (i = 0; i < depth; i++)
			bytes[nr++] = ZC_TYPE_ARRAY;
		bytes[nr++] = ZC_TYPE_U8;
		for (i = 0; i < depth; i++) {
			bytes[nr++] = 1;
			bytes[nr++] = 1;
		}
		must_eq(walk(bytes, nr, 1), depth <= ZC_TYPE_DEPTH_MAX);
		for (i = 0; i < nr; i++)
			must(!walk(bytes, i, 1));
	}
	/* 2^29 of 2^29 of 2^29. */
	nr = sizeof(e);
	memset(bytes + nr, ZC_TYPE_ARRAY, 3);
	nr += 3;
	bytes[nr++] = ZC_TYPE_U8;
	for (i = 0; i < 3; i++) {
		memcpy(bytes + nr, "\x01\xdf\xff\xff\xff", 5);
		nr += 5;
	}
	must(!walk(bytes, nr, 1));
}

static u32 put(u8 *to, u32 nr, const char *what, u32 bytes)
{
	memcpy(to + nr, what, bytes);
	return nr + bytes;
}

/* No byte of a payload is described twice. */
Test(type_tags, what_overlaps_is_refused)
{
	struct zc_lut_entry part[2] = { { 0, sizeof(part) }, { 0, sizeof(part) } };
	struct zc_lut_entry one = { 0, sizeof(one) };
	u8 bytes[256];
	u32 at, nr;

	for (at = 0; at <= PAYLOAD; at++) {
		part[1].data_offset = at;
		memcpy(bytes, part, sizeof(part));
		nr = sizeof(part);
		bytes[nr++] = ZC_TYPE_U32;
		must_eq(walk(bytes, nr, 2), at >= 4 && at <= PAYLOAD - 4);
	}
	/* struct s { u32 f; u32 g; } of 12 bytes, g anywhere. */
	for (at = 0; at < 16; at++) {
		memcpy(bytes, &one, sizeof(one));
		nr = put(bytes, sizeof(one), "\x11\x01s\x0c\x04\x02\x01" "f\0\x09\x01g", 12);
		bytes[nr++] = (u8)at;
		bytes[nr++] = ZC_TYPE_U32;
		must_eq(walk(bytes, nr, 1), at >= 4 && at <= 8);
	}
}

/* A description ends where its bytes do, whatever it is of. */
Test(type_tags, what_is_cut_short_is_refused)
{
	static const char value[] = "\x01v\x01\0\0\0\0\0\0\0";
	struct zc_lut_entry e = { 0, sizeof(e) };
	u8 bytes[256];
	u32 nr, i;

	memcpy(bytes, &e, sizeof(e));
	nr = sizeof(e);
	bytes[nr++] = ZC_TYPE_ENUM;
	bytes[nr++] = ZC_TYPE_U8;
	nr = put(bytes, nr, "\x01" "e\x02", 3);
	nr = put(bytes, nr, value, sizeof(value) - 1);
	nr = put(bytes, nr, value, sizeof(value) - 1);
	must(walk(bytes, nr, 1));
	for (i = 0; i < nr; i++)
		must(!walk(bytes, i, 1));
}

struct pair {
	u64 first, second;
};
ZC_TYPE(struct pair, ZC_FIELD(u64, first), ZC_FIELD(u64, second));

/* Who says that a block is of a type may have made it too small for one. */
Test(lib_type, block_that_is_too_small_is_not_of_the_type)
{
	const zc_type_t *type = ZC_TYPE_OF(struct pair);
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t handle;
	zc_writer_t *w;
	struct lib l;
	char *data;
	u64 bytes;

	lib_open(&l, 64 << 10);
	o.service = SERVICE;
	o.type = type;
	w = lib_writer(&l, &o);
	must_zc(zc_writer_acquire_block(w, sizeof(struct pair), &handle, 0));
	data = zc_writer_block_data(w, handle, NULL);
	for (bytes = 0; bytes <= 2 * sizeof(struct pair); bytes++)
		must_eq(zc_block_is_of(l.pool, data, bytes, type),
			bytes < sizeof(struct pair) ? ZC_ERROR_TYPE : ZC_OK);
	must_zc(zc_writer_cancel_block(w, handle));
	zc_writer_unregister(w);
	lib_close(&l);
}
