/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_type.c - descriptions as any program may make them, type tags as any member may
 * write them.
 *
 * What is sound can be put behind a payload, and whoever walks there comes to it.
 * Whatever stands there, a walk stays in the payload, and ends.
 */
#include <stdio.h>
#include <string.h>

#include "fuzz.h"

#define TYPES 4
#define FIELDS 5
#define ROOM 4096
#define LONG_NAME (ZC_TYPE_NAME_MAX + 2)

static struct {
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zora_id_t id;
	struct fuzz_control control;
} at;

static zc_type_t type[TYPES];
static zc_type_field_t field[TYPES][FIELDS];
static zc_type_value_t value[TYPES][FIELDS];
static char name[TYPES][FIELDS + 1][LONG_NAME];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;

	(void)argc;
	(void)argv;
	fuzz_folder();
	at.pool = fuzz_create("type");
	at.control = fuzz_map("type");
	writing.service = reading.service = "fuzz/type/one";
	writing.type_room = ROOM;
	FUZZ_MUST(zc_writer_register(at.pool, &writing, &at.writer) == ZC_OK);
	FUZZ_MUST(zc_reader_register(at.pool, &reading, &at.reader) == ZC_OK);
	FUZZ_MUST(zora_register_reader(at.reader, &at.id) == ZC_OK);
	return 0;
}

/* --- descriptions ------------------------------------------------------------------- */

static const zc_type_t *of_0(void)
{
	return &type[0];
}

static const zc_type_t *of_1(void)
{
	return &type[1];
}

static const zc_type_t *of_2(void)
{
	return &type[2];
}

static const zc_type_t *of_3(void)
{
	return &type[3];
}

static const zc_type_t *of_none(void)
{
	return NULL;
}

/* Mostly one that is allowed, and no other's. */
static const char *make_name(struct fuzz_in *in, unsigned int of, unsigned int nr)
{
	char *text = name[of][nr];
	uint8_t how = fuzz_u8(in);

	memset(text, 0, LONG_NAME);
	if (how == 255)
		return NULL;
	if (how == 254)
		memset(text, 'x', LONG_NAME - 1);
	else if (how >= 240)
		fuzz_take(in, text, how - 240U);
	else
		snprintf(text, LONG_NAME, "%c%u_%u", 'a' + how % 26, of, nr);
	return text;
}

static void make_field(struct fuzz_in *in, unsigned int of, unsigned int nr, uint32_t *end)
{
	static const uint32_t elements[] = {
		ZC_TYPE_BOOL, ZC_TYPE_CHAR, ZC_TYPE_I8, ZC_TYPE_U16, ZC_TYPE_I32, ZC_TYPE_U64,
		ZC_TYPE_F32, ZC_TYPE_F64, ZC_TYPE_STRING, ZC_TYPE_UNTYPED, ZC_TYPE_STRUCT,
		ZC_TYPE_ENUM, ZC_TYPE_STRUCT, ZC_TYPE_ARRAY, 0x77,
	};
	static const zc_type_t *(*const gives[])(void) = { of_0, of_1, of_2, of_3 };
	uint8_t what = fuzz_u8(in), how = fuzz_u8(in);
	uint32_t element = elements[what % (sizeof(elements) / sizeof(*elements))];
	const zc_type_t *basic = zc_type_basic((zc_element_t)element);
	zc_type_field_t *f = &field[of][nr];
	uint64_t bytes;

	memset(f, 0, sizeof(*f));
	f->name = make_name(in, of, nr + 1);
	f->element = element;
	f->bytes = basic ? basic->bytes : 1;
	if (element == ZC_TYPE_STRING || element == ZC_TYPE_UNTYPED)
		f->bytes = 1 + how % 32;
	if (element == ZC_TYPE_STRUCT || element == ZC_TYPE_ENUM) {
		/* Those behind it are there already; others may lead back to it. */
		unsigned int which = how & 1 || of + 1 == TYPES ?
					     how / 2 % TYPES : of + 1 + how / 2 % (TYPES - of - 1);

		f->of = how == 255 ? of_none : gives[which];
		f->element = type[which].element;
		f->bytes = type[which].bytes;
	}
	f->count = what & 64 ? 1 + how % 5 : 0;
	f->inner = what & 128 ? 1 + how % 3 : 0;
	f->offset = *end;
	bytes = (uint64_t)f->bytes * (f->count ? f->count : 1) * (f->inner ? f->inner : 1);
	*end += bytes < 4096 ? (uint32_t)bytes : 4096;
}

static void spoil_field(struct fuzz_in *in, zc_type_field_t *f)
{
	uint32_t *const words[] = { &f->offset, &f->bytes, &f->count, &f->inner, &f->element };
	uint8_t which = fuzz_u8(in);

	*words[which % 5] = which & 128 ? fuzz_u32(in) : *words[which % 5] + which / 8 % 16 - 8U;
}

static void make_type(struct fuzz_in *in, unsigned int of)
{
	static const uint32_t under[] = { ZC_TYPE_I8, ZC_TYPE_U16, ZC_TYPE_I32, ZC_TYPE_U64 };
	uint8_t how = fuzz_u8(in);
	zc_type_t *t = &type[of];
	uint32_t end = 0;

	memset(t, 0, sizeof(*t));
	t->sz = sizeof(*t);
	t->name = make_name(in, of, 0);
	t->nr = 1 + how / 2 % FIELDS;
	if (how & 1) {
		t->element = ZC_TYPE_ENUM;
		t->values = value[of];
		t->underlying = under[how / 32 % 4];
		t->bytes = t->align = 1U << how / 32 % 4;
		for (unsigned int i = 0; i < t->nr; i++) {
			value[of][i].name = make_name(in, of, i + 1);
			value[of][i].value = (int64_t)(how & 16 ? fuzz_u64(in) : i);
		}
	} else {
		t->element = ZC_TYPE_STRUCT;
		t->fields = field[of];
		for (unsigned int i = 0; i < t->nr; i++)
			make_field(in, of, i, &end);
		t->bytes = end;
		t->align = 1;
	}
	how = fuzz_u8(in);
	if (how < 16)
		spoil_field(in, &field[of][how % FIELDS]);
	else if (how < 32)
		*(how & 1 ? &t->bytes : how & 2 ? &t->align : how & 4 ? &t->nr : &t->underlying) =
			how & 8 ? fuzz_u8(in) % (FIELDS + 1) : fuzz_u8(in) % FIELDS;
}

/* Sound for one is sound for all. */
static bool sound(const zc_type_t *t)
{
	bool is = zc_type_check(t) == ZC_OK;
	char text[40];
	size_t bytes = zc_type_shape(t, text, sizeof(text));

	FUZZ_MUST(is == (zc_type_fingerprint(t) != 0));
	FUZZ_MUST(is == (bytes != 0));
	FUZZ_MUST(!is || memchr(text, 0, sizeof(text)));
	return is;
}

/* --- messages ------------------------------------------------------------------------ */

struct walk {
	const char *data;
	size_t bytes;
	uint64_t visits;
	uint32_t depth;
};

static void check_name(const char *text)
{
	size_t i;

	for (i = 0; text[i]; i++)
		FUZZ_MUST(text[i] > 0x1f && text[i] < 0x7f);
	FUZZ_MUST(i <= ZC_TYPE_NAME_MAX);
}

static int visit(const zc_type_node_t *node, void *ctx)
{
	struct walk *w = ctx;

	w->visits++;
	if (node->what == ZC_VISIT_END) {
		FUZZ_MUST(w->depth);
		FUZZ_MUST(node->depth == --w->depth);
		return 0;
	}
	FUZZ_MUST(node->depth == w->depth);
	FUZZ_MUST(node->offset <= w->bytes && node->bytes <= w->bytes - node->offset);
	FUZZ_MUST(node->data == w->data + node->offset);
	fuzz_touch(node->data, node->bytes);
	check_name(node->name);
	check_name(node->type_name);
	check_name(node->value_name);
	if (node->what != ZC_VISIT_VALUE)
		FUZZ_MUST(++w->depth <= ZC_TYPE_DEPTH_MAX);
	return 0;
}

static zc_result_t look(zc_handle_t handle, zc_block_type_t *says)
{
	struct walk w = { .visits = 0 };
	zc_result_t result, walked;
	char copy[4096];

	w.data = zc_reader_block_data(at.reader, handle, &w.bytes);
	FUZZ_MUST(w.data);
	says->sz = sizeof(*says);
	result = zc_reader_block_type(at.reader, handle, says);
	walked = zc_reader_walk_block(at.reader, handle, visit, &w);
	FUZZ_MUST(result == walked);
	FUZZ_MUST(result == ZC_OK || result == ZC_ERROR_CORRUPT_BLOCK);
	FUZZ_MUST(result != ZC_OK || !w.depth);
	/* Each begins, and all but values end. */
	FUZZ_MUST(w.visits <= 2 * (w.bytes + 1) * ZC_TYPE_DEPTH_MAX);
	if (result == ZC_OK)
		check_name(says->name);
	for (unsigned int i = 0; i < TYPES; i++) {
		const void *data = zc_reader_typed_data(at.reader, handle, &type[i]);

		FUZZ_MUST(!data || (data == w.data && type[i].bytes <= w.bytes));
		if (type[i].bytes <= sizeof(copy))
			FUZZ_MUST((zora_load_typed(at.id, handle, &type[i], copy) == ZC_OK) ==
				  (data != NULL));
	}
	return result;
}

/* What the record says of the tags, or the tags. */
static void spoil_tags(struct fuzz_in *in, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	const struct zc_geometry *g = &at.control.geometry;
	struct zc_block_desc *d;
	uint8_t what = fuzz_u8(in);
	uint32_t off;
	char *data;

	FUZZ_MUST(zc_reader_block_info(at.reader, handle, &info) == ZC_OK);
	d = (struct zc_block_desc *)((char *)at.control.header + g->off_descs) + info.granule;
	/* Writable: this process is its writer, too. */
	data = (char *)(uintptr_t)zc_reader_block_data(at.reader, handle, NULL);
	switch (what % 8) {
	case 0:
		d->type_lut_off += fuzz_u8(in) - 128U;
		break;
	case 1:
		d->type_lut_off = fuzz_u64(in);
		break;
	case 2:
		d->type_lut_nr = what & 8 ? fuzz_u32(in) : fuzz_u8(in);
		break;
	case 3:
		d->type_bytes = what & 8 ? fuzz_u32(in) : d->type_bytes + what / 16 - 8U;
		break;
	case 4:
		d->type = what & 8 ? zc_type_fingerprint(&type[what / 16 % TYPES]) :
				     fuzz_u64(in);
		break;
	default:
		/* Within what is this block's, whatever its record says by now. */
		off = fuzz_u32(in) % (what & 8 ? 256 : ROOM);
		data[info.bytes + off] = (char)fuzz_u8(in);
		break;
	}
}

static size_t make_parts(struct fuzz_in *in, zc_type_part_t part[3], size_t *end)
{
	size_t nr = fuzz_u8(in) % 4;

	*end = 0;
	for (size_t i = 0; i < nr; i++) {
		uint8_t what = fuzz_u8(in);
		const zc_type_t *t = &type[what % TYPES];

		if (what & 8)
			t = zc_type_basic((zc_element_t)(ZC_TYPE_BOOL + what / 16 % 13));
		part[i].offset = *end + (what >= 250 ? fuzz_u8(in) - 100U : 0);
		part[i].type = t;
		part[i].count = what & 4 ? fuzz_u8(in) % 4 : 0;
		*end += t->bytes * (part[i].count ? part[i].count : 1);
		if (*end > 8192)
			*end = 8192;
	}
	return nr;
}

static void message(struct fuzz_in *in)
{
	zc_type_part_t part[3];
	zc_block_type_t says;
	zc_handle_t handle;
	size_t nr, bytes;
	bool described;
	void *data;

	nr = make_parts(in, part, &bytes);
	bytes += fuzz_u8(in) % 16;
	if (zc_writer_acquire_block(at.writer, bytes ? bytes : 1, &handle, 0) != ZC_OK)
		return;
	data = zc_writer_block_data(at.writer, handle, &bytes);
	FUZZ_MUST(data);
	memset(data, fuzz_u8(in), bytes);
	described = zc_writer_describe_block(at.writer, handle, part, nr) == ZC_OK;
	/* Of those without a description, some are sound in a part alone: it says how long. */
	for (size_t i = 0; described && i < nr; i++)
		FUZZ_MUST(zc_type_basic((zc_element_t)part[i].type->element) == part[i].type ||
			  sound(part[i].type));
	FUZZ_MUST(zc_writer_commit_block(at.writer, handle) == ZC_OK);
	FUZZ_MUST(zc_reader_poll_block(at.reader, 0, &handle, 0) == ZC_OK);
	FUZZ_MUST(look(handle, &says) == ZC_OK);
	FUZZ_MUST(says.parts == (described ? nr : 0));
	for (uint8_t n = fuzz_u8(in) % 8; n; n--) {
		spoil_tags(in, handle);
		look(handle, &says);
	}
	FUZZ_MUST(zc_reader_release_block(at.reader, handle) == ZC_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };

	memset(type, 0, sizeof(type));
	memset(field, 0, sizeof(field));
	memset(value, 0, sizeof(value));
	for (unsigned int of = TYPES; of-- > 0;)
		make_type(&in, of);
	for (unsigned int of = 0; of < TYPES; of++)
		sound(&type[of]);
	for (unsigned int n = 0; n < 4 && in.left; n++)
		message(&in);
	return 0;
}
