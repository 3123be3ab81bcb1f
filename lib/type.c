// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * type.c - descriptions: are they sound, what bytes do they come to?
 *
 * A description is the program's own and is believed as memory; what it says is checked
 * while it is written.  Whatever would make a reader refuse the tags is refused here.
 */
#include <stdlib.h>
#include <string.h>

#include "type.h"

#define ZC_FNV_START 0xcbf29ce484222325ULL
#define ZC_FNV_PRIME 0x100000001b3ULL
#define ZC_FIELDS_MAX 1024U
#define ZC_STRUCT_ALIGN_MAX 4096U

void zc_pen_begin(struct zc_pen *pen, u8 *to, size_t room)
{
	*pen = (struct zc_pen){ .to = to, .room = room, .hash = ZC_FNV_START };
}

static void zc_put(struct zc_pen *pen, u8 byte)
{
	if (pen->nr < pen->room)
		pen->to[pen->nr] = byte;
	pen->nr++;
	pen->hash = (pen->hash ^ byte) * ZC_FNV_PRIME;
}

static void zc_put_number(struct zc_pen *pen, u32 n)
{
	if (n < 0x80) {
		zc_put(pen, (u8)n);
	} else if (n < 0x4000) {
		zc_put(pen, (u8)(0x80 | n >> 8));
		zc_put(pen, (u8)n);
	} else {
		zc_put(pen, (u8)(0xc0 | n >> 24));
		zc_put(pen, (u8)(n >> 16));
		zc_put(pen, (u8)(n >> 8));
		zc_put(pen, (u8)n);
	}
}

static zc_result_t zc_put_name(struct zc_pen *pen, const char *name, const char *of)
{
	size_t n = name ? strnlen(name, ZC_TYPE_NAME_MAX + 1) : 0, i;

	if (!n || n > ZC_TYPE_NAME_MAX)
		return zc_fail(ZC_ERROR_INVALID,
			       "a name in the type %s has 1 to %u characters", of,
			       ZC_TYPE_NAME_MAX);
	for (i = 0; i < n; i++)
		if (!zc_name_character((u8)name[i]))
			return zc_fail(ZC_ERROR_INVALID,
				       "a name in the type %s has a character that is none of a name",
				       of);
	zc_put_number(pen, (u32)n);
	for (i = 0; i < n; i++)
		zc_put(pen, (u8)name[i]);
	return ZC_OK;
}

static zc_result_t zc_put_enum(struct zc_pen *pen, const zc_type_t *t)
{
	const char *of = t->name ? t->name : "(null)";
	zc_result_t result;
	u32 i, k;

	if (!zc_element_is_integer(t->underlying) ||
	    zc_element_bytes(t->underlying) != t->bytes)
		return zc_fail(ZC_ERROR_INVALID,
			       "the enum %s has %u bytes and is no integer of that size",
			       of, t->bytes);
	if (t->nr > ZC_FIELDS_MAX || (t->nr && !t->values))
		return zc_fail(ZC_ERROR_INVALID, "the enum %s has at most %u values", of,
			       ZC_FIELDS_MAX);
	zc_put(pen, ZC_TYPE_ENUM);
	zc_put(pen, (u8)t->underlying);
	result = zc_put_name(pen, t->name, of);
	zc_put_number(pen, t->nr);
	for (i = 0; i < t->nr && result == ZC_OK; i++) {
		u8 bytes[8];

		result = zc_put_name(pen, t->values[i].name, of);
		/* As the machine has it, like the payload. */
		memcpy(bytes, &t->values[i].value, sizeof(bytes));
		for (k = 0; k < sizeof(bytes); k++)
			zc_put(pen, bytes[k]);
	}
	return result;
}

static zc_result_t zc_put_type(struct zc_pen *pen, const zc_type_t *t, u32 depth);

/* Also what contains itself ends somewhere. */
static zc_result_t zc_put_fits(const struct zc_pen *pen, const char *name, u32 depth)
{
	if (depth < ZC_TYPE_DEPTH_MAX && pen->nr - pen->from <= ZC_DESCRIPTION_MAX)
		return ZC_OK;
	return zc_fail(ZC_ERROR_INVALID,
		       "%s is too large to be described: it may have %u structs and arrays in each other, and %u bytes of tags",
		       name && name[0] ? name : "this", ZC_TYPE_DEPTH_MAX,
		       ZC_DESCRIPTION_MAX);
}

/* One element of a field, however many it has. */
static zc_result_t zc_put_element(struct zc_pen *pen, const zc_type_field_t *f,
				  const char *of, u32 depth)
{
	const zc_type_t *nested;

	if (f->of) {
		nested = f->of();
		if (!nested || nested->bytes != f->bytes)
			return zc_fail(ZC_ERROR_INVALID,
				       "field %s of %s has another size than its type",
				       f->name, of);
		return zc_put_type(pen, nested, depth);
	}
	if (f->element == ZC_TYPE_STRING || f->element == ZC_TYPE_UNTYPED) {
		zc_put(pen, (u8)f->element);
		zc_put_number(pen, f->bytes);
		return ZC_OK;
	}
	if (!f->bytes || zc_element_bytes(f->element) != f->bytes)
		return zc_fail(ZC_ERROR_INVALID,
			       "field %s of %s is no element of %u bytes", f->name, of,
			       f->bytes);
	zc_put(pen, (u8)f->element);
	return ZC_OK;
}

static zc_result_t zc_put_field(struct zc_pen *pen, const zc_type_field_t *f,
				const char *of, u32 depth)
{
	zc_result_t result = zc_put_name(pen, f->name, of);

	if (result != ZC_OK)
		return result;
	if (f->bytes > ZC_NUMBER_MAX || f->count > ZC_NUMBER_MAX ||
	    f->inner > ZC_NUMBER_MAX || (f->inner && !f->count) || !f->bytes)
		return zc_fail(ZC_ERROR_INVALID, "field %s of %s has no size", f->name, of);
	zc_put_number(pen, f->offset);
	if (!f->count)
		return zc_put_element(pen, f, of, depth);
	result = zc_put_fits(pen, f->name, depth);
	if (result != ZC_OK)
		return result;
	zc_put(pen, ZC_TYPE_ARRAY);
	result = zc_put_element(pen, f, of, depth + 1);
	zc_put_number(pen, f->inner ? 2 : 1);
	zc_put_number(pen, f->count);
	if (f->inner)
		zc_put_number(pen, f->inner);
	return result;
}

static u64 zc_field_bytes(const zc_type_field_t *f)
{
	u64 count = f->count ? f->count : 1;

	/* 2^29 of 2^29: its product with another is for whoever asks for a matrix. */
	count *= f->inner ? f->inner : 1;
	return count > ZC_NUMBER_MAX ? ~0ULL : count * f->bytes;
}

static bool zc_name_is_new(const zc_type_t *t, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (!strcmp(t->fields[i].name, t->fields[nr].name))
			return false;
	return true;
}

static zc_result_t zc_put_struct(struct zc_pen *pen, const zc_type_t *t, u32 depth)
{
	const char *of = t->name ? t->name : "(null)";
	zc_result_t result;
	u64 end = 0;
	u32 i;

	if (!t->bytes || t->bytes > ZC_NUMBER_MAX || !t->align ||
	    t->align > ZC_STRUCT_ALIGN_MAX || t->align & (t->align - 1))
		return zc_fail(ZC_ERROR_INVALID,
			       "the type %s has no size or no alignment that a struct can have",
			       of);
	if (!t->nr || t->nr > ZC_FIELDS_MAX || !t->fields)
		return zc_fail(ZC_ERROR_INVALID, "the type %s has 1 to %u fields", of,
			       ZC_FIELDS_MAX);
	zc_put(pen, ZC_TYPE_STRUCT);
	result = zc_put_name(pen, t->name, of);
	zc_put_number(pen, t->bytes);
	zc_put_number(pen, t->align);
	zc_put_number(pen, t->nr);
	for (i = 0; i < t->nr && result == ZC_OK; i++) {
		const zc_type_field_t *f = &t->fields[i];

		result = zc_put_field(pen, f, of, depth);
		if (result != ZC_OK)
			break;
		if (!zc_name_is_new(t, i))
			return zc_fail(ZC_ERROR_INVALID, "the type %s has two fields %s",
				       of, f->name);
		if (f->offset < end)
			return zc_fail(ZC_ERROR_INVALID,
				       "field %s of %s begins within the one before: describe them by offset, and a union as untyped",
				       f->name, of);
		end = f->offset + zc_field_bytes(f);
		if (end > t->bytes || end < f->offset)
			return zc_fail(ZC_ERROR_INVALID,
				       "field %s of %s ends behind the %u bytes of the type",
				       f->name, of, t->bytes);
	}
	return result;
}

static zc_result_t zc_put_type(struct zc_pen *pen, const zc_type_t *t, u32 depth)
{
	zc_result_t result;

	if (!t || t->sz < sizeof(*t))
		return zc_fail(ZC_ERROR_INVALID,
			       "a description of a type is needed: see ZC_TYPE()");
	result = zc_put_fits(pen, t->name, depth);
	if (result != ZC_OK)
		return result;
	switch (t->element) {
	case ZC_TYPE_STRUCT:
		return zc_put_struct(pen, t, depth + 1);
	case ZC_TYPE_ENUM:
		return zc_put_enum(pen, t);
	default:
		if (!zc_element_bytes(t->element))
			return zc_fail(ZC_ERROR_INVALID, "there is no type of element %u",
				       t->element);
		zc_put(pen, (u8)t->element);
		return ZC_OK;
	}
}

zc_result_t zc_type_write(struct zc_pen *pen, const zc_type_t *t, size_t count)
{
	zc_result_t result;

	pen->from = pen->nr;
	if (count > ZC_NUMBER_MAX)
		return zc_fail(ZC_ERROR_INVALID, "a part has at most %u elements",
			       ZC_NUMBER_MAX);
	if (t && (t->element == ZC_TYPE_STRING || t->element == ZC_TYPE_UNTYPED)) {
		if (!count)
			return zc_fail(ZC_ERROR_INVALID,
				       "of a string or untyped bytes, .count is how many");
		zc_put(pen, (u8)t->element);
		zc_put_number(pen, (u32)count);
		return ZC_OK;
	}
	if (count)
		zc_put(pen, ZC_TYPE_ARRAY);
	result = zc_put_type(pen, t, count ? 1 : 0);
	if (count) {
		zc_put_number(pen, 1);
		zc_put_number(pen, (u32)count);
	}
	return result == ZC_OK ? zc_put_fits(pen, t->name, 0) : result;
}

u64 zc_part_bytes(const zc_type_t *t, size_t count)
{
	return count ? (u64)count * (t->bytes ? t->bytes : 1) : t->bytes;
}

zc_result_t zc_type_check(const zc_type_t *type)
{
	struct zc_pen pen;

	zc_pen_begin(&pen, NULL, 0);
	return zc_type_write(&pen, type, 0);
}

uint64_t zc_type_fingerprint(const zc_type_t *type)
{
	struct zc_pen pen;
	u64 known = type && type->sz >= sizeof(*type) && type->known ?
			    zc_load_relaxed((u64 *)type->known) : 0;

	if (known)
		return known;
	zc_pen_begin(&pen, NULL, 0);
	if (zc_type_write(&pen, type, 0) != ZC_OK)
		return 0;
	/* 0 is none, and what is described but of no type is ZC_TYPE_UNTYPED. */
	if (pen.hash <= ZC_TYPE_UNTYPED)
		pen.hash += ZC_FNV_PRIME;
	if (type->known)
		zc_store_relaxed((u64 *)type->known, pen.hash);
	return pen.hash;
}

size_t zc_type_shape(const zc_type_t *type, char *text, size_t bytes)
{
	struct zc_pen pen;
	size_t nr;
	u8 *desc;

	zc_pen_begin(&pen, NULL, 0);
	if (!text || !bytes || zc_type_write(&pen, type, 0) != ZC_OK)
		return 0;
	desc = malloc(pen.nr);
	if (!desc) {
		zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
		return 0;
	}
	zc_pen_begin(&pen, desc, pen.nr);
	zc_type_write(&pen, type, 0);
	nr = zc_descriptor_shape(desc, text, bytes);
	free(desc);
	return nr;
}

const zc_type_t *zc_type_basic(zc_element_t element)
{
#define ZC_BASIC(what, nr)                                                     \
	[what] = { sizeof(zc_type_t), "", NULL, NULL, NULL, what, nr, nr, 0, 0 }
	static const zc_type_t basic[] = {
		ZC_BASIC(ZC_TYPE_BOOL, 1), ZC_BASIC(ZC_TYPE_CHAR, 1),
		ZC_BASIC(ZC_TYPE_I8, 1),   ZC_BASIC(ZC_TYPE_U8, 1),
		ZC_BASIC(ZC_TYPE_I16, 2),  ZC_BASIC(ZC_TYPE_U16, 2),
		ZC_BASIC(ZC_TYPE_I32, 4),  ZC_BASIC(ZC_TYPE_U32, 4),
		ZC_BASIC(ZC_TYPE_I64, 8),  ZC_BASIC(ZC_TYPE_U64, 8),
		ZC_BASIC(ZC_TYPE_F32, 4),  ZC_BASIC(ZC_TYPE_F64, 8),
		ZC_BASIC(ZC_TYPE_STRING, 0),
	};
	static const zc_type_t none = { sizeof(zc_type_t), "", NULL, NULL, NULL,
					ZC_TYPE_UNTYPED, 0, 0, 0, 0 };

	if (element == ZC_TYPE_UNTYPED)
		return &none;
	if ((u32)element >= sizeof(basic) / sizeof(basic[0]) || !basic[element].sz)
		return NULL;
	return &basic[element];
#undef ZC_BASIC
}
