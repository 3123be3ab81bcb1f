/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * rows.c - services, readers, cleaners and members, as JSON and as lines.
 */
#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As enum zc_peer_state, and ROWS_SILENT. */
const char *const rows_peer_states[] = { "none", "live", "reaping", "silent", NULL };
const char *const rows_member_states[] = { "none", "live", "dead", "silent", NULL };
const char *const rows_on_slow[] = { "block", "drop", "disconnect", NULL };

/* As enum zc_guard. */
static const char *const rows_guards[] = { "default", "off", "magic", "header", "full",
					   NULL };

#define SERVICE(member) FIELD_AT(zc_service_info_t, member)
#define READER(member) FIELD_AT(zc_reader_info_t, member)
#define CLEANER(member) FIELD_AT(zc_cleaner_info_t, member)
#define MEMBER(member) FIELD_AT(struct rows_member, info.member)

/* A heartbeat is due every 250 ms at least: one that is missing four times is told. */
#define SILENT_NS 1000000000ULL

const struct field service_fields[] = {
	{ "service", NULL, 0, FIELD_TEXT, SERVICE(service), NULL },
	{ "index", NULL, 0, FIELD_U32, SERVICE(index), NULL },
	{ "writer", NULL, 0, FIELD_NAME, SERVICE(writer_state),
	  rows_peer_states },
	{ "writer_pid", NULL, 0, FIELD_U32, SERVICE(writer_pid), NULL },
	{ "writer_member", NULL, 0, FIELD_U32, SERVICE(writer_member), NULL },
	{ "writer_incarnation", NULL, 0, FIELD_U32,
	  SERVICE(writer_incarnation), NULL },
	{ "on_slow", NULL, 0, FIELD_NAME, SERVICE(on_slow), rows_on_slow },
	{ "overwrite", NULL, 0, FIELD_BOOL, SERVICE(overwrite), NULL },
	{ "guard", NULL, 0, FIELD_NAME, SERVICE(guard), rows_guards },
	{ "type", NULL, 0, FIELD_TEXT, SERVICE(type), NULL },
	{ "type_fingerprint", NULL, 0, FIELD_HEX, SERVICE(type_fingerprint), NULL },
	{ "history", NULL, 0, FIELD_U32, SERVICE(history), NULL },
	{ "lag_limit", NULL, 0, FIELD_U32, SERVICE(lag_limit), NULL },
	{ "readers", NULL, 0, FIELD_U32, SERVICE(readers), NULL },
	{ "reader_indexes", NULL, 0, FIELD_MASK, SERVICE(reader_mask), NULL },
	{ "quota_bytes", NULL, 0, FIELD_BYTES, SERVICE(quota_bytes), NULL },
	{ "used_bytes", NULL, 0, FIELD_BYTES, SERVICE(used_bytes), NULL },
	{ "wanted_bytes", NULL, 0, FIELD_BYTES, SERVICE(wanted_bytes), NULL },
	{ "next_sequence", NULL, 0, FIELD_U64, SERVICE(next_sequence), NULL },
	{ "oldest_sequence", NULL, 0, FIELD_U64, SERVICE(oldest_sequence),
	  NULL },
	{ "committed_bytes", NULL, 0, FIELD_BYTES, SERVICE(committed_bytes),
	  NULL },
	{ "acquired", NULL, 0, FIELD_U64, SERVICE(acquired), NULL },
	{ "cancelled", NULL, 0, FIELD_U64, SERVICE(cancelled), NULL },
	{ "io_blocks", NULL, 0, FIELD_U32, SERVICE(io_blocks), NULL },
	{ "dropped", NULL, 0, FIELD_U64, SERVICE(dropped), NULL },
	{ "disconnected", NULL, 0, FIELD_U64, SERVICE(disconnected), NULL },
	{ "timeouts", NULL, 0, FIELD_U64, SERVICE(timeouts), NULL },
	{ "wakes", NULL, 0, FIELD_U64, SERVICE(wakes), NULL },
	{ 0 }
};

const struct field reader_fields[] = {
	{ "reader", NULL, 0, FIELD_U32, READER(index), NULL },
	{ "service_index", NULL, 0, FIELD_U32, READER(service), NULL },
	{ "member", NULL, 0, FIELD_U32, READER(member), NULL },
	{ "pid", NULL, 0, FIELD_U32, READER(pid), NULL },
	{ "state", NULL, 0, FIELD_NAME, READER(state), rows_peer_states },
	{ "incarnation", NULL, 0, FIELD_U32, READER(incarnation), NULL },
	{ "best_effort", NULL, 0, FIELD_BOOL, READER(best_effort), NULL },
	{ "disconnected", NULL, 0, FIELD_BOOL, READER(disconnected), NULL },
	{ "cursor", NULL, 0, FIELD_U64, READER(cursor), NULL },
	{ "lag", NULL, 0, FIELD_U64, READER(lag), NULL },
	{ "holds", NULL, 0, FIELD_U32, READER(holds), NULL },
	{ "oldest_hold", NULL, 0, FIELD_U64, READER(oldest_hold), NULL },
	{ "io_blocks", NULL, 0, FIELD_U32, READER(io_blocks), NULL },
	{ "received", NULL, 0, FIELD_U64, READER(received), NULL },
	{ "lost", NULL, 0, FIELD_U64, READER(lost), NULL },
	{ "corrupt", NULL, 0, FIELD_U64, READER(corrupt), NULL },
	{ "sleeps", NULL, 0, FIELD_U64, READER(sleeps), NULL },
	{ 0 }
};

/* The columns are those of `cleaner list' and of `top'. */
const struct field cleaner_fields[] = {
	{ "cleaner", "CLEANER", 7, FIELD_U32, CLEANER(index), NULL },
	{ "pid", "PID", 8, FIELD_U32, CLEANER(pid), NULL },
	{ "member", "MEMBER", 6, FIELD_U32, CLEANER(member), NULL },
	{ "comm", "PROGRAM", -15, FIELD_TEXT, CLEANER(comm), NULL },
	{ "state", "STATE", -7, FIELD_NAME, CLEANER(state), rows_peer_states },
	{ "incarnation", "INCARN", 6, FIELD_U32, CLEANER(incarnation), NULL },
	{ "monitor", "MONITOR", 7, FIELD_BOOL, CLEANER(monitor), NULL },
	{ "leads", "LEADS", 5, FIELD_BOOL, CLEANER(leads), NULL },
	{ "alive_age_ns", "ALIVE", 9, FIELD_AGE, CLEANER(alive_age_ns), NULL },
	{ "process_age_ns", "SINCE", 9, FIELD_AGE, CLEANER(process_age_ns),
	  NULL },
	{ "busy_percent", "BUSY%", 5, FIELD_U32, CLEANER(busy_percent), NULL },
	{ "passes", "PASSES", 8, FIELD_U64, CLEANER(passes), NULL },
	{ "pass_ns", "PASS", 9, FIELD_AGE, CLEANER(pass_ns), NULL },
	{ "busy_ns", NULL, 0, FIELD_AGE, CLEANER(busy_ns), NULL },
	{ "position", NULL, 0, FIELD_U64, CLEANER(position), NULL },
	{ "merged", "MERGED", 8, FIELD_U64, CLEANER(merged), NULL },
	{ "adopted", "ADOPTED", 8, FIELD_U64, CLEANER(adopted), NULL },
	{ "reclaimed_bytes", "RECLAIMED", 11, FIELD_BYTES,
	  CLEANER(reclaimed_bytes), NULL },
	{ "sent", NULL, 0, FIELD_U64, CLEANER(sent), NULL },
	{ "received", NULL, 0, FIELD_U64, CLEANER(received), NULL },
	{ "forwarded", NULL, 0, FIELD_U64, CLEANER(forwarded), NULL },
	{ "packets_dropped", NULL, 0, FIELD_U64, CLEANER(packets_dropped),
	  NULL },
	{ 0 }
};

const struct field member_fields[] = {
	{ "member", NULL, 0, FIELD_U32, MEMBER(index), NULL },
	{ "incarnation", NULL, 0, FIELD_U32, MEMBER(incarnation), NULL },
	{ "pid", NULL, 0, FIELD_U32, MEMBER(pid), NULL },
	{ "uid", NULL, 0, FIELD_U32, MEMBER(uid), NULL },
	{ "state", NULL, 0, FIELD_NAME, FIELD_AT(struct rows_member, state),
	  rows_member_states },
	{ "live", NULL, 0, FIELD_BOOL, MEMBER(live), NULL },
	{ "self", NULL, 0, FIELD_BOOL, MEMBER(self), NULL },
	{ "comm", NULL, 0, FIELD_TEXT, MEMBER(comm), NULL },
	{ "may_write", NULL, 0, FIELD_BOOL, MEMBER(may_write), NULL },
	{ "alive_age_ns", NULL, 0, FIELD_AGE, MEMBER(alive_age_ns), NULL },
	{ "progress_age_ns", NULL, 0, FIELD_AGE, MEMBER(progress_age_ns), NULL },
	{ "process_age_ns", NULL, 0, FIELD_AGE, MEMBER(process_age_ns), NULL },
	{ "reaped_blocks", NULL, 0, FIELD_U64, MEMBER(reaped_blocks), NULL },
	{ "reaped_bytes", NULL, 0, FIELD_BYTES, MEMBER(reaped_bytes), NULL },
	{ "lost_blocks", NULL, 0, FIELD_U64, MEMBER(lost_blocks), NULL },
	{ 0 }
};

uint32_t rows_state(uint32_t state, uint64_t alive_age_ns)
{
	return state == ZC_PEER_LIVE && alive_age_ns > SILENT_NS ? ROWS_SILENT : state;
}

uint32_t rows_member_state(const zc_member_info_t *info)
{
	return rows_state(info->live ? ZC_PEER_LIVE : ZC_PEER_REAPING,
			  info->alive_age_ns);
}

const char *rows_name(const char *const *names, uint32_t index)
{
	uint32_t i;

	for (i = 0; names[i]; i++)
		if (i == index)
			return names[i];
	return "unknown";
}

static bool last(const struct field *field)
{
	return !field->key && !field->title;
}

/* A row has its values where the table says. */
static uint64_t u64_of(const struct field *field, const void *row)
{
	const char *at = (const char *)row + field->off;
	uint64_t value;

	if (field->kind == FIELD_U32 || field->kind == FIELD_NAME ||
	    field->kind == FIELD_MASK) {
		uint32_t small;

		memcpy(&small, at, sizeof(small));
		return small;
	}
	memcpy(&value, at, sizeof(value));
	return value;
}

static double double_of(const struct field *field, const void *row)
{
	double value;

	memcpy(&value, (const char *)row + field->off, sizeof(value));
	return value;
}

static bool bool_of(const struct field *field, const void *row)
{
	bool value;

	memcpy(&value, (const char *)row + field->off, sizeof(value));
	return value;
}

static const char *text_of(const struct field *field, const void *row)
{
	return (const char *)row + field->off;
}

const char *rows_hex(uint64_t value, char text[CLI_TEXT])
{
	snprintf(text, CLI_TEXT, "%016llx", (unsigned long long)value);
	return text;
}

void rows_json(struct json_object *object, const struct field *f,
	       const void *row)
{
	char hex[CLI_TEXT];

	for (; !last(f); f++) {
		if (!f->key)
			continue;
		switch (f->kind) {
		case FIELD_BOOL:
			cli_json_bool(object, f->key, bool_of(f, row));
			break;
		case FIELD_RATE:
		case FIELD_BYTE_RATE:
			cli_json_double(object, f->key, double_of(f, row));
			break;
		case FIELD_TEXT:
			cli_json_text(object, f->key, text_of(f, row),
				      strnlen(text_of(f, row), f->bytes));
			break;
		case FIELD_NAME:
			cli_json_string(object, f->key,
					rows_name(f->names,
						  (uint32_t)u64_of(f, row)));
			break;
		case FIELD_MASK:
			json_object_object_add(object, f->key,
					       cli_json_mask((uint32_t)u64_of(
						       f, row)));
			break;
		case FIELD_HEX:
			cli_json_string(object, f->key,
					u64_of(f, row) ? rows_hex(u64_of(f, row), hex) : "");
			break;
		default:
			cli_json_u64(object, f->key, u64_of(f, row));
		}
	}
}

/* Its value as a column shows it. */
static const char *cell(const struct field *f, const void *row, char *out,
			size_t out_bytes)
{
	char text[CLI_TEXT];

	switch (f->kind) {
	case FIELD_BOOL:
		return bool_of(f, row) ? "yes" : "-";
	case FIELD_BYTES:
		return cli_format_bytes(u64_of(f, row), out);
	case FIELD_AGE:
		return cli_format_age(u64_of(f, row), out);
	case FIELD_RATE:
		snprintf(out, out_bytes, "%.0f", double_of(f, row));
		return out;
	case FIELD_BYTE_RATE:
		snprintf(out, out_bytes, "%s/s",
			 cli_format_bytes((uint64_t)double_of(f, row), text));
		return out;
	case FIELD_TEXT:
		return cli_printable(text_of(f, row), out,
				     f->bytes < out_bytes ? f->bytes :
							    out_bytes);
	case FIELD_NAME:
		return rows_name(f->names, (uint32_t)u64_of(f, row));
	case FIELD_HEX:
		return u64_of(f, row) ? rows_hex(u64_of(f, row), out) : "-";
	default:
		snprintf(out, out_bytes, "%llu",
			 (unsigned long long)u64_of(f, row));
		return out;
	}
}

/* Appends one column; returns how long the line is. */
static size_t put(const char *text, int width, char *out, size_t used,
		  size_t out_bytes)
{
	int most = abs(width);
	bool cut = strlen(text) > (size_t)most;

	if (used >= out_bytes)
		return used;
	/* Numbers are never cut: a wrong one is worse than a crooked table. */
	if (width > 0)
		return used + (size_t)snprintf(out + used, out_bytes - used,
					       "%s%*s", used ? " " : "", width,
					       text);
	return used + (size_t)snprintf(out + used, out_bytes - used,
				       "%s%-*.*s%s", used ? " " : "",
				       cut ? most - 1 : most,
				       cut ? most - 1 : most, text,
				       cut ? "~" : "");
}

void rows_titles(const struct field *f, char *out, size_t out_bytes)
{
	size_t used = 0;

	out[0] = '\0';
	for (; !last(f); f++)
		if (f->title)
			used = put(f->title, f->width, out, used, out_bytes);
}

void rows_line(const struct field *f, const void *row, char *out,
	       size_t out_bytes)
{
	size_t used = 0;
	char text[256];

	out[0] = '\0';
	for (; !last(f); f++)
		if (f->title)
			used = put(cell(f, row, text, sizeof(text)), f->width,
				   out, used, out_bytes);
}
