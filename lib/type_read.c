// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * type_read.c - descriptors that came with a message: do they make sense, what do they
 * say?
 *
 * The bytes are in private memory; any process that may write the pool may have made them
 * up.  What passes zc_descriptor_check() has an end, is at most ZC_TYPE_DEPTH_MAX deep,
 * and describes no byte of the payload twice, so that looking at all that it describes
 * is bounded by the payload.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "type.h"

#define ZC_SIZE_MAX (1ULL << 48)

/* --- is it sound? -------------------------------------------------------------------- */

static bool zc_check_name(struct zc_cursor *c)
{
	u32 n, i;

	if (!zc_read_number(c, &n) || !n || n > ZC_TYPE_NAME_MAX ||
	    n > (size_t)(c->end - c->at))
		return false;
	for (i = 0; i < n; i++)
		if (!zc_name_character(c->at[i]))
			return false;
	c->at += n;
	return true;
}

static bool zc_check(struct zc_cursor *c, u32 depth, u64 *size);

static bool zc_check_array(struct zc_cursor *c, u32 depth, u64 *size)
{
	u32 rank, n;

	if (depth >= ZC_TYPE_DEPTH_MAX || !zc_check(c, depth + 1, size) ||
	    !zc_read_number(c, &rank) || rank < 1 || rank > 2)
		return false;
	for (; rank; rank--) {
		if (!zc_read_number(c, &n) || !n || *size > ZC_SIZE_MAX / n)
			return false;
		*size *= n;
	}
	return true;
}

static bool zc_check_enum(struct zc_cursor *c, u64 *size)
{
	u32 nr;

	if (c->at == c->end || !zc_element_is_integer(*c->at))
		return false;
	*size = zc_element_bytes(*c->at++);
	if (!zc_check_name(c) || !zc_read_number(c, &nr))
		return false;
	/* Each takes some bytes of what is there: this ends. */
	for (; nr; nr--) {
		if (!zc_check_name(c) || c->end - c->at < 8)
			return false;
		c->at += 8;
	}
	return true;
}

static bool zc_check_struct(struct zc_cursor *c, u32 depth, u64 *size)
{
	u32 bytes, align, nr, offset;
	u64 end = 0, field;

	if (depth >= ZC_TYPE_DEPTH_MAX || !zc_check_name(c) ||
	    !zc_read_number(c, &bytes) || !bytes || !zc_read_number(c, &align) ||
	    !align || align & (align - 1) || !zc_read_number(c, &nr))
		return false;
	for (; nr; nr--) {
		if (!zc_check_name(c) || !zc_read_number(c, &offset) || offset < end ||
		    !zc_check(c, depth + 1, &field))
			return false;
		end = offset + field;
		if (end > bytes)
			return false;
	}
	*size = bytes;
	return true;
}

static bool zc_check(struct zc_cursor *c, u32 depth, u64 *size)
{
	u32 element, n;

	if (c->at == c->end)
		return false;
	element = *c->at++;
	switch (element) {
	case ZC_TYPE_STRING:
	case ZC_TYPE_UNTYPED:
		if (!zc_read_number(c, &n) || !n)
			return false;
		*size = n;
		return true;
	case ZC_TYPE_ARRAY:
		return zc_check_array(c, depth, size);
	case ZC_TYPE_ENUM:
		return zc_check_enum(c, size);
	case ZC_TYPE_STRUCT:
		return zc_check_struct(c, depth, size);
	default:
		*size = zc_element_bytes(element);
		return *size != 0;
	}
}

size_t zc_descriptor_check(const u8 *at, size_t room, u64 *size)
{
	struct zc_cursor c = { at, at + room };

	return zc_check(&c, 0, size) ? (size_t)(c.at - at) : 0;
}

/* --- for people ---------------------------------------------------------------------- */

/* Like snprintf(), on and on. */
struct zc_text {
	char *to;
	size_t room;
	size_t nr;
};

static ZC_PRINTF(2, 3) void zc_say(struct zc_text *t, const char *fmt, ...)
{
	size_t room = t->nr < t->room ? t->room - t->nr : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room ? t->to + t->nr : NULL, room, fmt, args);
	va_end(args);
	t->nr += n > 0 ? (size_t)n : 0;
}

static const char *zc_element_name(u32 element)
{
	switch (element) {
	case ZC_TYPE_BOOL:	return "bool";
	case ZC_TYPE_CHAR:	return "char";
	case ZC_TYPE_I8:	return "i8";
	case ZC_TYPE_U8:	return "u8";
	case ZC_TYPE_I16:	return "i16";
	case ZC_TYPE_U16:	return "u16";
	case ZC_TYPE_I32:	return "i32";
	case ZC_TYPE_U32:	return "u32";
	case ZC_TYPE_I64:	return "i64";
	case ZC_TYPE_U64:	return "u64";
	case ZC_TYPE_F32:	return "f32";
	case ZC_TYPE_F64:	return "f64";
	case ZC_TYPE_STRING:	return "string";
	default:		return "untyped";
	}
}

static u32 zc_number(struct zc_cursor *c)
{
	u32 n = 0;

	zc_read_number(c, &n);
	return n;
}

static const char *zc_name(struct zc_cursor *c, int *n)
{
	const char *name;

	*n = (int)zc_number(c);
	name = (const char *)c->at;
	c->at += *n;
	return name;
}

/* What stands behind a field's name. */
struct zc_dims {
	u32 first, second;	/* 0: it is no array */
	u32 align;
	u64 size;
};

static void zc_say_type(struct zc_text *t, struct zc_cursor *c, struct zc_dims *d);

static void zc_say_enum(struct zc_text *t, struct zc_cursor *c, struct zc_dims *d)
{
	u32 underlying = *c->at++, nr, i;
	const char *name;
	int64_t value;
	int n;

	d->align = zc_element_bytes(underlying);
	d->size = d->align;
	name = zc_name(c, &n);
	zc_say(t, "enum %.*s:%s { ", n, name, zc_element_name(underlying));
	nr = zc_number(c);
	for (i = 0; i < nr; i++) {
		name = zc_name(c, &n);
		memcpy(&value, c->at, sizeof(value));
		c->at += sizeof(value);
		zc_say(t, "%s%.*s = %" PRId64, i ? ", " : "", n, name, value);
	}
	zc_say(t, " }");
}

static void zc_say_struct(struct zc_text *t, struct zc_cursor *c, struct zc_dims *d)
{
	u32 bytes, align, nr, i;
	const char *name;
	u64 end = 0;
	int n;

	name = zc_name(c, &n);
	bytes = zc_number(c);
	align = zc_number(c);
	zc_say(t, "struct %.*s { ", n, name);
	nr = zc_number(c);
	for (i = 0; i < nr; i++) {
		struct zc_dims of = { 0 };
		u32 offset;

		name = zc_name(c, &n);
		offset = zc_number(c);
		zc_say_type(t, c, &of);
		zc_say(t, " %.*s", n, name);
		if (of.first)
			zc_say(t, "[%u]", of.first);
		if (of.second)
			zc_say(t, "[%u]", of.second);
		/* Where one expects it, it need not be said. */
		end = (end + of.align - 1) & ~(u64)(of.align - 1);
		if (offset != end)
			zc_say(t, " at %u", offset);
		zc_say(t, "; ");
		end = offset + of.size;
	}
	zc_say(t, "}");
	if (((end + align - 1) & ~(u64)(align - 1)) != bytes)
		zc_say(t, " of %u", bytes);
	d->align = align;
	d->size = bytes;
}

static void zc_say_type(struct zc_text *t, struct zc_cursor *c, struct zc_dims *d)
{
	u32 element = *c->at++, rank;

	switch (element) {
	case ZC_TYPE_ARRAY:
		zc_say_type(t, c, d);
		if (d->first) {
			/* Of arrays, or of strings: their own length comes last. */
			d->second = d->first;
		}
		rank = zc_number(c);
		d->first = zc_number(c);
		d->size *= d->first;
		if (rank == 2) {
			d->second = zc_number(c);
			d->size *= d->second;
		}
		break;
	case ZC_TYPE_STRING:
	case ZC_TYPE_UNTYPED:
		zc_say(t, "%s", zc_element_name(element));
		d->first = zc_number(c);
		d->align = 1;
		d->size = d->first;
		break;
	case ZC_TYPE_ENUM:
		zc_say_enum(t, c, d);
		break;
	case ZC_TYPE_STRUCT:
		zc_say_struct(t, c, d);
		break;
	default:
		zc_say(t, "%s", zc_element_name(element));
		d->align = zc_element_bytes(element);
		d->size = d->align;
	}
}

size_t zc_descriptor_shape(const u8 *at, char *text, size_t bytes)
{
	/* It was checked: it ends where it must. */
	struct zc_cursor c = { at, at + ZC_TYPE_TAGS_MAX };
	struct zc_text t = { text, bytes, 0 };
	struct zc_dims d = { 0 };

	zc_say_type(&t, &c, &d);
	if (d.first)
		zc_say(&t, "[%u]", d.first);
	if (d.second)
		zc_say(&t, "[%u]", d.second);
	zc_say(&t, " (%llu bytes)", (unsigned long long)d.size);
	return t.nr;
}

void zc_descriptor_name(const u8 *at, char *name)
{
	struct zc_cursor c = { at + 1, at + ZC_TYPE_TAGS_MAX };
	const char *from;
	int n;

	name[0] = '\0';
	if (*at == ZC_TYPE_ENUM)
		c.at++;
	else if (*at != ZC_TYPE_STRUCT)
		return;
	from = zc_name(&c, &n);
	memcpy(name, from, (size_t)n);
	name[n] = '\0';
}
