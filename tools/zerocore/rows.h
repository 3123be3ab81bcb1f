/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * rows.h - what is shown of services, readers, cleaners and members, as tables: one
 * line here is a field of the JSON and a column of the list.
 */
#ifndef ZEROCORE_ROWS_H
#define ZEROCORE_ROWS_H

#include "cli.h"

enum field_kind {
	FIELD_U32,
	FIELD_U64,
	FIELD_BOOL,	/* true, false; in a column yes, - */
	FIELD_BYTES,	/* uint64_t; in a column 1.50 MiB */
	FIELD_AGE,	/* uint64_t of ns; in a column 12.3 ms */
	FIELD_RATE,	/* double, a second */
	FIELD_BYTE_RATE,
	FIELD_TEXT,	/* char[], at most @bytes of it */
	FIELD_NAME,	/* uint32_t, an index of @names */
	FIELD_MASK,	/* uint32_t; JSON only */
	FIELD_HEX,	/* uint64_t, a text of 16 digits; 0: empty, in a column - */
};

struct field {
	const char *key;	/* in the JSON; NULL: not there */
	const char *title;	/* of its column; NULL: none */
	int width;		/* of that; negative: to the left */
	enum field_kind kind;
	size_t off;		/* in the row */
	size_t bytes;
	const char *const *names;	/* ends with NULL */
};

#define FIELD_AT(type, member) \
	offsetof(type, member), sizeof(((type *)0)->member)

/* A table ends with a field that has neither key nor title. */
extern const struct field service_fields[];	/* of zc_service_info_t */
extern const struct field reader_fields[];	/* of zc_reader_info_t */
extern const struct field cleaner_fields[];	/* of zc_cleaner_info_t */
extern const struct field member_fields[];	/* of struct rows_member */

/*
 * Beside enum zc_peer_state, in what is shown only: live as the pool has it, and its
 * process was not heard of for a second.  It is stopped, or it was killed and nobody
 * attached since who would have buried it: who only looks does not.
 */
#define ROWS_SILENT 3U

struct rows_member {
	zc_member_info_t info;		/* first */
	uint32_t state;			/* rows_member_state() */
};

/* @state with ROWS_SILENT; @alive_age_ns: of the heartbeat of its process. */
uint32_t rows_state(uint32_t state, uint64_t alive_age_ns);
uint32_t rows_member_state(const zc_member_info_t *info);

extern const char *const rows_peer_states[];
extern const char *const rows_member_states[];
extern const char *const rows_on_slow[];

const char *rows_name(const char *const *names, uint32_t index);

/* 16 digits, as FIELD_HEX is. */
const char *rows_hex(uint64_t value, char text[CLI_TEXT]);

/* Adds the fields that have a key to @object. */
void rows_json(struct json_object *object, const struct field *fields,
	       const void *row);

/* One line of a table, without a newline; what is too long is cut. */
void rows_titles(const struct field *fields, char *out, size_t out_bytes);
void rows_line(const struct field *fields, const void *row, char *out,
	       size_t out_bytes);

#endif /* ZEROCORE_ROWS_H */
