// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * type_block.c - the type tags of one block: put there, found, believed as far as it goes.
 *
 * They are behind the room of the payload's trailer, where they stay when the payload is
 * made smaller.  Put there while the block is claimed, from acquire on; commit makes them
 * readable with everything else.
 */
#include <stdlib.h>
#include <string.h>

#include "role.h"
#include "type.h"

/* --- the writer ---------------------------------------------------------------------- */

/* Tags of @parts; free(*@out) is the caller's. */
static zc_result_t zc_tags_make(const zc_type_part_t *parts, size_t nr, u8 **out, u32 *out_nr)
{
	struct zc_lut_entry e;
	zc_result_t result;
	struct zc_pen pen;
	u8 *bytes;
	size_t i;

	bytes = malloc(ZC_TYPE_TAGS_MAX);
	if (!bytes)
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	zc_pen_begin(&pen, bytes, ZC_TYPE_TAGS_MAX);
	pen.nr = nr * sizeof(e);
	for (i = 0; i < nr; i++) {
		e.data_offset = parts[i].offset;
		e.desc_offset = pen.nr;
		memcpy(bytes + i * sizeof(e), &e, sizeof(e));
		result = zc_type_write(&pen, parts[i].type, parts[i].count);
		if (result == ZC_OK && pen.nr > ZC_TYPE_TAGS_MAX)
			result = zc_fail(ZC_ERROR_SIZE,
					 "the type tags of a message have at most %u bytes",
					 ZC_TYPE_TAGS_MAX);
		if (result != ZC_OK) {
			free(bytes);
			return result;
		}
	}
	*out = bytes;
	*out_nr = (u32)pen.nr;
	return ZC_OK;
}

zc_result_t zc_writer_tags_init(struct zc_writer *w, const struct zc_type *type, size_t room)
{
	const zc_type_part_t part = { 0, type, 0 };
	struct zc_own_tags *t = &w->tags;
	zc_result_t result;

	if (type) {
		result = zc_tags_make(&part, 1, &t->bytes, &t->nr);
		if (result != ZC_OK)
			return result;
		t->type = zc_type_fingerprint(type);
		t->least = type->bytes;
	}
	if (room > ZC_TYPE_TAGS_MAX - t->nr)
		return zc_fail(ZC_ERROR_INVALID,
			       "type_room is %zu: the tags of a message have at most %u bytes, and its type needs %u",
			       room, ZC_TYPE_TAGS_MAX, t->nr);
	t->room = t->nr + (u32)room;
	if (!t->room)
		return ZC_OK;
	t->behind = (u32)zc_tags_begin(0) + 7 + t->room;
	t->on = true;
	w->max_bytes += w->guard_bytes;
	if (w->max_bytes < t->behind || w->max_bytes - t->behind < t->least)
		return zc_fail(ZC_ERROR_SIZE,
			       "a message of that type and its %u bytes of tags are more than a segment",
			       t->room);
	w->max_bytes -= t->behind;
	w->behind = t->behind;
	w->fast_bytes = 0;
	return ZC_OK;
}

static void zc_desc_type(struct zc_block_desc *d, u64 type, u32 parts, u32 bytes, u64 off)
{
	zc_store_relaxed(&d->type, type);
	zc_store_relaxed(&d->type_lut_nr, parts);
	zc_store_relaxed(&d->type_bytes, bytes);
	zc_store_relaxed(&d->type_lut_off, off);
}

void zc_writer_tag(struct zc_writer *w, struct zc_claim *c)
{
	struct zc_block_desc *d = &w->descs[c->granule];
	struct zc_own_tags *t = &w->tags;
	u64 off = zc_tags_begin(c->size);

	c->described = t->least;
	if (!t->type) {
		zc_desc_untype(d);
		return;
	}
	memcpy(c->place.data + off, t->bytes, t->nr);
	zc_desc_type(d, t->type, 1, t->nr, off);
}

/* Are they by offset and within @bytes?  *@end: of the last. */
static zc_result_t zc_parts_check(const zc_type_part_t *parts, size_t nr, u64 bytes, u32 *end)
{
	u64 at = 0, size;
	size_t i;

	if (nr > ZC_TYPE_PARTS_MAX || (nr && !parts))
		return zc_fail(ZC_ERROR_INVALID, "a message has at most %u parts",
			       ZC_TYPE_PARTS_MAX);
	for (i = 0; i < nr; i++) {
		if (!parts[i].type || parts[i].count > ZC_NUMBER_MAX)
			return zc_fail(ZC_ERROR_INVALID,
				       "part %zu has no type, or too many elements", i);
		size = zc_part_bytes(parts[i].type, parts[i].count);
		if (parts[i].offset < at)
			return zc_fail(ZC_ERROR_INVALID,
				       "part %zu begins within the one before: name them by offset", i);
		if (parts[i].offset > bytes || size > bytes - parts[i].offset ||
		    parts[i].offset + size > UINT32_MAX)
			return zc_fail(ZC_ERROR_SIZE,
				       "part %zu has %llu bytes at %zu: not within a block of %llu, or past 4 GiB",
				       i, (unsigned long long)size, parts[i].offset,
				       (unsigned long long)bytes);
		at = parts[i].offset + size;
	}
	*end = (u32)at;
	return ZC_OK;
}

zc_result_t zc_writer_describe_block(zc_writer_t *w, zc_handle_t handle,
				     const zc_type_part_t *parts, size_t nr)
{
	zc_result_t result;
	struct zc_claim *c;
	u64 type = 0;
	u32 tags_nr = 0, end = 0;
	u8 *tags = NULL;

	if (!w)
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (!zc_role_usable(w->alive, &w->closed))
		return zc_role_fail(w->pool, w->alive);
	c = (void *)zc_unseal_place(&w->seal, handle, w->claims, w->claims_nr);
	if (!c)
		return zc_handle_fail(w->pool, &w->seal, handle, w->claims, w->claims_nr);
	if (!w->tags.room)
		return zc_fail(ZC_ERROR_SIZE,
			       "there is no room for type tags: register with options.type or .type_room");
	result = zc_parts_check(parts, nr, c->place.bytes, &end);
	if (result != ZC_OK)
		return result;
	if (nr) {
		type = ZC_TYPE_OTHER;
		if (!parts[0].offset && !parts[0].count)
			type = zc_type_fingerprint(parts[0].type);
	}
	if (w->tags.type && type != w->tags.type)
		return zc_fail(ZC_ERROR_TYPE,
			       "part 0 of a message of this writer is of its options.type, at 0");
	if (!nr) {
		c->described = 0;
		zc_desc_untype(&w->descs[c->granule]);
		return ZC_OK;
	}
	result = zc_tags_make(parts, nr, &tags, &tags_nr);
	if (result != ZC_OK)
		return result;
	if (tags_nr > w->tags.room) {
		result = zc_fail(ZC_ERROR_SIZE,
				 "these type tags have %u bytes, and there is room for %u: raise options.type_room",
				 tags_nr, w->tags.room);
	} else {
		memcpy(c->place.data + zc_tags_begin(c->size), tags, tags_nr);
		zc_desc_type(&w->descs[c->granule], type, (u32)nr, tags_nr,
			     zc_tags_begin(c->size));
		c->described = end;
	}
	free(tags);
	return result;
}

/* --- whoever looks at it --------------------------------------------------------------- */

/* The record of a block that somebody here holds; its fields once. */
static struct zc_block_desc zc_desc_load(const struct zc_pool *pool, const char *data)
{
	const struct zc_view *v = &pool->view;
	const struct zc_block_desc *d =
		zc_desc(v, (u32)((u64)(data - pool->data) >> v->granule_shift));

	return (struct zc_block_desc){
		.type_bytes = zc_load_relaxed(&d->type_bytes),
		.type_lut_nr = zc_load_relaxed(&d->type_lut_nr),
		.type_lut_off = zc_load_relaxed(&d->type_lut_off),
		.type = zc_load_relaxed(&d->type),
	};
}

/* A private copy of the tags, checked: free(t->bytes).  t->parts is 0: there are none. */
static zc_result_t zc_tags_load(const struct zc_pool *pool, const char *data, u64 bytes,
				const struct zc_block_desc *d, struct zc_tags *t)
{
	u64 segment = (u64)pool->view.segment_granules << pool->view.granule_shift;
	u64 room = segment - (u64)(data - pool->data) % segment;
	u8 *copy;

	*t = (struct zc_tags){ .payload = (const u8 *)data, .payload_bytes = bytes };
	if (!d->type_lut_nr)
		return ZC_OK;
	if (!d->type_bytes || d->type_bytes > ZC_TYPE_TAGS_MAX ||
	    d->type_lut_off < bytes || d->type_lut_off > room ||
	    d->type_bytes > room - d->type_lut_off)
		return zc_fail(ZC_ERROR_CORRUPT_BLOCK,
			       "the message says that its type tags are %u bytes at %llu, where they cannot be",
			       d->type_bytes, (unsigned long long)d->type_lut_off);
	copy = malloc(d->type_bytes);
	if (!copy)
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	memcpy(copy, data + d->type_lut_off, d->type_bytes);
	t->bytes = copy;
	t->nr = d->type_bytes;
	t->parts = d->type_lut_nr;
	if (zc_tags_check(t))
		return ZC_OK;
	free(copy);
	*t = (struct zc_tags){ 0 };
	return zc_fail(ZC_ERROR_CORRUPT_BLOCK, "the type tags of this message make no sense");
}

/* Part 0 for people. */
static void zc_tags_shape(const struct zc_tags *t, char *text, size_t bytes)
{
	struct zc_lut_entry e;

	memcpy(&e, t->bytes, sizeof(e));
	zc_descriptor_shape(t->bytes + e.desc_offset, text, bytes);
}

static ZC_SLOW zc_result_t zc_block_is_not(const struct zc_pool *pool, const char *data,
					   u64 bytes, const struct zc_block_desc *d,
					   const zc_type_t *type)
{
	char have[ZC_SHAPE_BYTES] = "untyped", want[ZC_SHAPE_BYTES];
	zc_result_t result = zc_type_check(type);
	struct zc_tags t;

	if (result != ZC_OK)
		return result;
	if (zc_tags_load(pool, data, bytes, d, &t) != ZC_OK)
		strcpy(have, "nothing that makes sense");
	else if (t.parts)
		zc_tags_shape(&t, have, sizeof(have));
	free((void *)(uintptr_t)t.bytes);
	if (!zc_type_shape(type, want, sizeof(want)))
		strcpy(want, "what was asked for");
	return zc_fail(ZC_ERROR_TYPE, "this message of %llu bytes is %s, not %s",
		       (unsigned long long)bytes, have, want);
}

zc_result_t zc_block_is_of(const struct zc_pool *pool, const char *data, u64 bytes,
			   const struct zc_type *type)
{
	struct zc_block_desc d = zc_desc_load(pool, data);
	u64 want = zc_type_fingerprint(type);

	if (zc_likely(want && d.type == want && type->bytes <= bytes))
		return ZC_OK;
	return zc_block_is_not(pool, data, bytes, &d, type);
}

void *zc_writer_typed_data(zc_writer_t *w, zc_handle_t handle, const zc_type_t *type)
{
	size_t bytes;
	char *data = zc_writer_block_data(w, handle, &bytes);

	return data && zc_block_is_of(w->pool, data, bytes, type) == ZC_OK ? data : NULL;
}

const void *zc_reader_typed_data(zc_reader_t *r, zc_handle_t handle, const zc_type_t *type)
{
	size_t bytes;
	const char *data = zc_reader_block_data(r, handle, &bytes);

	return data && zc_block_is_of(r->pool, data, bytes, type) == ZC_OK ? data : NULL;
}

static zc_result_t zc_reader_tags(zc_reader_t *r, zc_handle_t handle,
				  struct zc_block_desc *d, struct zc_tags *t)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_reader_block_info(r, handle, &info);
	const char *data;

	if (result != ZC_OK)
		return result;
	data = r->data + (info.granule << r->granule_shift);
	*d = zc_desc_load(r->pool, data);
	return zc_tags_load(r->pool, data, info.bytes, d, t);
}

zc_result_t zc_reader_block_type(zc_reader_t *r, zc_handle_t handle, zc_block_type_t *out)
{
	zc_block_type_t type = { 0 };
	struct zc_block_desc d;
	struct zc_lut_entry e;
	zc_result_t result;
	struct zc_tags t;

	if (!r || !out)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL", r ? "out" : "reader");
	result = zc_reader_tags(r, handle, &d, &t);
	if (result != ZC_OK)
		return result;
	if (t.parts) {
		memcpy(&e, t.bytes, sizeof(e));
		type.parts = t.parts;
		type.tags_bytes = t.nr;
		type.fingerprint = d.type == ZC_TYPE_OTHER ? 0 : d.type;
		if (!e.data_offset)
			zc_descriptor_name(t.bytes + e.desc_offset, type.name);
	}
	free((void *)(uintptr_t)t.bytes);
	return zc_info_copy(out, out->sz, &type, sizeof(type));
}

zc_result_t zc_reader_walk_block(zc_reader_t *r, zc_handle_t handle, zc_type_visit_t visit,
				 void *ctx)
{
	struct zc_block_desc d;
	zc_result_t result;
	struct zc_tags t;

	if (!r || !visit)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL", r ? "visit" : "reader");
	result = zc_reader_tags(r, handle, &d, &t);
	if (result != ZC_OK)
		return result;
	if (t.parts)
		zc_tags_walk(&t, visit, ctx);
	free((void *)(uintptr_t)t.bytes);
	return ZC_OK;
}
