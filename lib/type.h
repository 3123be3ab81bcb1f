/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * type.h - descriptions, and type tags as bytes.
 *
 * Type tags are a table of parts, each with an offset into the payload and one to its
 * descriptor, and the descriptors (Documentation/types.rst).  What a description comes to
 * is written with a pen; what was read from a message is checked as a whole, in a private
 * copy, before anything in it is used.
 */
#ifndef ZC_LIB_TYPE_H
#define ZC_LIB_TYPE_H

#include "internal.h"
#include <zerocore/type.h>

/* Of one description; tags may have several. */
#define ZC_DESCRIPTION_MAX (ZC_TYPE_TAGS_MAX / 2)

/* A part, as it lies in front of the descriptors. */
struct zc_lut_entry {
	u64 data_offset;	/* from the start of the payload */
	u64 desc_offset;	/* from the start of the tags */
};

/* Writes as much as there is room for, and counts all of it. */
struct zc_pen {
	u8 *to;
	size_t room;
	size_t nr;
	size_t from;		/* where this description begins */
	u64 hash;
};

void zc_pen_begin(struct zc_pen *pen, u8 *to, size_t room);

/* Of what a record or a sentence says; longer ones are cut. */
#define ZC_SHAPE_BYTES sizeof(((struct zc_type_record *)0)->shape)

/* --- type.c: from a description to bytes ------------------------------------------- */

/* A descriptor of @type, or of an array of @count; ZC_ERROR_INVALID: @type is unsound. */
zc_result_t zc_type_write(struct zc_pen *pen, const zc_type_t *type, size_t count);
/* Bytes of @count of it. */
u64 zc_part_bytes(const zc_type_t *type, size_t count);

/* --- type_read.c: from bytes that anybody may have written ------------------------- */

/* Bytes of the descriptor at @at, 0: it makes no sense; *@size: of what it describes. */
size_t zc_descriptor_check(const u8 *at, size_t room, u64 *size);
/* For people; of a descriptor that was checked.  As snprintf(). */
size_t zc_descriptor_shape(const u8 *at, char *text, size_t bytes);
/* The name of a struct or enum, "" of others; @name has ZC_TYPE_NAME_MAX + 1. */
void zc_descriptor_name(const u8 *at, char *name);

/* --- type_walk.c ------------------------------------------------------------------- */

/* Tags in private memory, and the payload that they describe. */
struct zc_tags {
	const u8 *payload;
	u64 payload_bytes;
	const u8 *bytes;
	u32 nr;			/* bytes */
	u32 parts;
};

/* Is all of it sound, within the payload, by offset, and without overlap? */
bool zc_tags_check(const struct zc_tags *tags);
/* Visits what was checked. */
void zc_tags_walk(const struct zc_tags *tags, zc_type_visit_t visit, void *ctx);

struct zc_cursor {
	const u8 *at, *end;
};

/* ECMA-335 II.23.2: an unsigned number of 1, 2 or 4 bytes. */
static inline bool zc_read_number(struct zc_cursor *c, u32 *n)
{
	size_t room = (size_t)(c->end - c->at);
	const u8 *p = c->at;

	if (room >= 1 && p[0] < 0x80) {
		*n = p[0];
		c->at += 1;
	} else if (room >= 2 && p[0] < 0xc0) {
		*n = (p[0] & 0x3fu) << 8 | p[1];
		c->at += 2;
	} else if (room >= 4 && p[0] < 0xe0) {
		*n = (p[0] & 0x1fu) << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
		c->at += 4;
	} else {
		return false;
	}
	return true;
}

/* The largest that there is. */
#define ZC_NUMBER_MAX 0x1fffffffU

/* Printable, and nothing that a quoted text would need to escape. */
static inline bool zc_name_character(u8 c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes of a basic element, 0: it is none. */
static inline u32 zc_element_bytes(u32 element)
{
	switch (element) {
	case ZC_TYPE_BOOL:
	case ZC_TYPE_CHAR:
	case ZC_TYPE_I8:
	case ZC_TYPE_U8:
		return 1;
	case ZC_TYPE_I16:
	case ZC_TYPE_U16:
		return 2;
	case ZC_TYPE_I32:
	case ZC_TYPE_U32:
	case ZC_TYPE_F32:
		return 4;
	case ZC_TYPE_I64:
	case ZC_TYPE_U64:
	case ZC_TYPE_F64:
		return 8;
	default:
		return 0;
	}
}

static inline bool zc_element_is_integer(u32 element)
{
	return element >= ZC_TYPE_I8 && element <= ZC_TYPE_U64;
}

#endif /* ZC_LIB_TYPE_H */
