// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * type_walk.c - from type tags to the values in a payload.
 *
 * The tags are a private copy.  The payload is where any writer may write at any time:
 * only sizes and offsets of the copy say where to look, and a value is loaded once.
 */
#include <string.h>

#include "type.h"

bool zc_tags_check(const struct zc_tags *t)
{
	u64 end = 0, size;
	u32 i;

	if (!t->parts || t->parts > ZC_TYPE_PARTS_MAX || t->nr > ZC_TYPE_TAGS_MAX ||
	    t->nr < t->parts * sizeof(struct zc_lut_entry))
		return false;
	for (i = 0; i < t->parts; i++) {
		struct zc_lut_entry e;

		memcpy(&e, t->bytes + i * sizeof(e), sizeof(e));
		if (e.desc_offset < t->parts * sizeof(e) || e.desc_offset >= t->nr ||
		    !zc_descriptor_check(t->bytes + e.desc_offset,
					 t->nr - (size_t)e.desc_offset, &size))
			return false;
		if (e.data_offset < end || e.data_offset > t->payload_bytes ||
		    size > t->payload_bytes - e.data_offset)
			return false;
		end = e.data_offset + size;
	}
	return true;
}

struct zc_walker {
	const struct zc_tags *tags;
	zc_type_visit_t visit;
	void *ctx;
	u32 depth;
	bool ended;
};

/* A name behind its length, as a string. */
struct zc_name_text {
	char text[ZC_TYPE_NAME_MAX + 1];
};

static void zc_name_take(struct zc_cursor *c, struct zc_name_text *name)
{
	u32 n = 0;

	zc_read_number(c, &n);
	if (n > ZC_TYPE_NAME_MAX)
		n = ZC_TYPE_NAME_MAX;
	memcpy(name->text, c->at, n);
	name->text[n] = '\0';
	c->at += n;
}

static void zc_tell(struct zc_walker *v, zc_type_node_t node)
{
	if (v->ended)
		return;
	node.data = v->tags->payload + node.offset;
	node.depth = v->depth;
	v->ended = v->visit(&node, v->ctx) != 0;
}

static void zc_tell_end(struct zc_walker *v, zc_type_node_t node)
{
	v->depth--;
	node.what = ZC_VISIT_END;
	zc_tell(v, node);
}

/* The value as the machine has it, sign and all. */
static int64_t zc_integer_load(const u8 *data, u32 element)
{
	int64_t value = 0;

	switch (element) {
#define ZC_LOAD(what, type)                                                    \
	case what: {                                                           \
		type loaded;                                                   \
		memcpy(&loaded, data, sizeof(loaded));                         \
		value = (int64_t)loaded;                                       \
		break;                                                         \
	}
	ZC_LOAD(ZC_TYPE_I8, int8_t)
	ZC_LOAD(ZC_TYPE_U8, uint8_t)
	ZC_LOAD(ZC_TYPE_I16, int16_t)
	ZC_LOAD(ZC_TYPE_U16, uint16_t)
	ZC_LOAD(ZC_TYPE_I32, int32_t)
	ZC_LOAD(ZC_TYPE_U32, uint32_t)
	ZC_LOAD(ZC_TYPE_I64, int64_t)
	ZC_LOAD(ZC_TYPE_U64, uint64_t)
#undef ZC_LOAD
	}
	return value;
}

static void zc_visit_enum(struct zc_walker *v, struct zc_cursor *c, const char *name,
			  u64 offset)
{
	u32 underlying = *c->at++, nr = 0;
	struct zc_name_text type, found = { "" }, value_name;
	int64_t value = zc_integer_load(v->tags->payload + offset, underlying), one;

	zc_name_take(c, &type);
	zc_read_number(c, &nr);
	for (; nr; nr--) {
		zc_name_take(c, &value_name);
		memcpy(&one, c->at, sizeof(one));
		c->at += sizeof(one);
		if (one == value && !found.text[0])
			found = value_name;
	}
	zc_tell(v, (zc_type_node_t){ .what = ZC_VISIT_VALUE,
				.element = (zc_element_t)underlying,
				.name = name,
				.type_name = type.text,
				.value_name = found.text,
				.bytes = zc_element_bytes(underlying),
				.offset = offset });
}

static void zc_visit_type(struct zc_walker *v, struct zc_cursor *c, const char *name,
			  u64 offset);

static void zc_visit_struct(struct zc_walker *v, struct zc_cursor *c, const char *name,
			    u64 offset)
{
	struct zc_name_text type, field;
	zc_type_node_t node = { .what = ZC_VISIT_STRUCT,
			   .element = ZC_TYPE_STRUCT,
			   .name = name,
			   .type_name = type.text,
			   .value_name = "",
			   .offset = offset };
	u32 bytes = 0, align = 0, nr = 0, at = 0;

	zc_name_take(c, &type);
	zc_read_number(c, &bytes);
	zc_read_number(c, &align);
	zc_read_number(c, &nr);
	node.bytes = bytes;
	zc_tell(v, node);
	v->depth++;
	for (; nr && !v->ended; nr--) {
		zc_name_take(c, &field);
		zc_read_number(c, &at);
		zc_visit_type(v, c, field.text, offset + at);
	}
	zc_tell_end(v, node);
}

/* @c: in front of the elements' descriptor; afterwards behind it. */
static void zc_visit_row(struct zc_walker *v, struct zc_cursor *c, zc_type_node_t node,
			 u64 size)
{
	struct zc_cursor begin = *c;
	size_t i;

	zc_tell(v, node);
	v->depth++;
	for (i = 0; i < node.count && !v->ended; i++) {
		*c = begin;
		zc_visit_type(v, c, "", node.offset + i * size);
	}
	zc_tell_end(v, node);
}

static void zc_visit_array(struct zc_walker *v, struct zc_cursor *c, const char *name,
			   u64 offset)
{
	struct zc_name_text type;
	struct zc_cursor dims = *c;
	u32 rank = 0, first = 0, second = 0, i;
	zc_type_node_t node;
	u64 size = 0;

	/* How many there are stands behind what they are. */
	dims.at += zc_descriptor_check(c->at, (size_t)(c->end - c->at), &size);
	zc_read_number(&dims, &rank);
	zc_read_number(&dims, &first);
	if (rank == 2)
		zc_read_number(&dims, &second);
	zc_descriptor_name(c->at, type.text);
	node = (zc_type_node_t){ .what = ZC_VISIT_ARRAY,
			    .element = (zc_element_t)*c->at,
			    .name = name,
			    .type_name = type.text,
			    .value_name = "",
			    .bytes = size * first * (rank == 2 ? second : 1),
			    .offset = offset,
			    .count = first };
	if (rank == 1) {
		zc_visit_row(v, c, node, size);
	} else {
		zc_type_node_t row = node;

		row.name = "";
		row.bytes = size * second;
		row.count = second;
		node.element = ZC_TYPE_ARRAY;
		zc_tell(v, node);
		v->depth++;
		for (i = 0; i < first && !v->ended; i++) {
			struct zc_cursor begin = *c;

			row.offset = offset + i * row.bytes;
			zc_visit_row(v, &begin, row, size);
		}
		zc_tell_end(v, node);
	}
	*c = dims;
}

static void zc_visit_type(struct zc_walker *v, struct zc_cursor *c, const char *name,
			  u64 offset)
{
	u32 element = *c->at++, bytes = zc_element_bytes(element);

	switch (element) {
	case ZC_TYPE_STRUCT:
		zc_visit_struct(v, c, name, offset);
		return;
	case ZC_TYPE_ARRAY:
		zc_visit_array(v, c, name, offset);
		return;
	case ZC_TYPE_ENUM:
		zc_visit_enum(v, c, name, offset);
		return;
	case ZC_TYPE_STRING:
	case ZC_TYPE_UNTYPED:
		zc_read_number(c, &bytes);
		break;
	}
	zc_tell(v, (zc_type_node_t){ .what = ZC_VISIT_VALUE,
				.element = (zc_element_t)element,
				.name = name,
				.type_name = "",
				.value_name = "",
				.bytes = bytes,
				.offset = offset });
}

void zc_tags_walk(const struct zc_tags *t, zc_type_visit_t visit, void *ctx)
{
	struct zc_walker v = { .tags = t, .visit = visit, .ctx = ctx };
	u32 i;

	for (i = 0; i < t->parts && !v.ended; i++) {
		struct zc_lut_entry e;
		struct zc_cursor c;

		memcpy(&e, t->bytes + i * sizeof(e), sizeof(e));
		c.at = t->bytes + e.desc_offset;
		c.end = t->bytes + t->nr;
		zc_visit_type(&v, &c, "", e.data_offset);
	}
}
