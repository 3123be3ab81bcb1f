/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * frame.c - a snapshot as lines.
 */
#include "frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd_pool.h"

#define BAR 24

const char frame_letters[MEMORY_STATES + 1] = ".c#~!";
const char *const frame_sorts[SORTS + 1] = { "index", "rate", "lag", "memory",
					     "name", NULL };

#define SERVICE(member) FIELD_AT(struct snapshot_service, member)
#define READER(member) FIELD_AT(struct snapshot_reader, member)

static const struct field service_columns[] = {
	{ NULL, "WRITER OF", -24, FIELD_TEXT, SERVICE(info.service), NULL },
	{ NULL, "PID", 8, FIELD_U32, SERVICE(info.writer_pid), NULL },
	{ NULL, "PROGRAM", -10, FIELD_TEXT, SERVICE(comm), NULL },
	{ NULL, "MSG/S", 9, FIELD_RATE, SERVICE(messages_per_s), NULL },
	{ NULL, "RATE", 13, FIELD_BYTE_RATE, SERVICE(bytes_per_s), NULL },
	{ NULL, "WAITS FOR", -16, FIELD_TEXT, SERVICE(waits), NULL },
	{ NULL, "USED/QUOTA", 21, FIELD_TEXT, SERVICE(uses), NULL },
	{ NULL, "SLOW, HISTORY", -14, FIELD_TEXT, SERVICE(keeps), NULL },
	{ NULL, "READERS", 7, FIELD_U32, SERVICE(info.readers), NULL },
	{ NULL, "DROPPED", 8, FIELD_U64, SERVICE(info.dropped), NULL },
	{ NULL, "CUT", 5, FIELD_U64, SERVICE(info.disconnected), NULL },
	{ NULL, "TIMEOUTS", 8, FIELD_U64, SERVICE(info.timeouts), NULL },
	{ NULL, "SEQUENCE", 12, FIELD_U64, SERVICE(info.next_sequence), NULL },
	{ NULL, "TYPE", -24, FIELD_TEXT, SERVICE(info.type), NULL },
	{ NULL, "FINGERPRINT", -16, FIELD_HEX, SERVICE(info.type_fingerprint), NULL },
	{ 0 }
};

static const struct field reader_columns[] = {
	{ NULL, "READER OF", -24, FIELD_TEXT, READER(service), NULL },
	{ NULL, "PID", 8, FIELD_U32, READER(info.pid), NULL },
	{ NULL, "PROGRAM", -10, FIELD_TEXT, READER(comm), NULL },
	{ NULL, "MSG/S", 9, FIELD_RATE, READER(messages_per_s), NULL },
	{ NULL, "LAG", 8, FIELD_U64, READER(info.lag), NULL },
	{ NULL, "HOLDS", 6, FIELD_U32, READER(info.holds), NULL },
	{ NULL, "LOST", 8, FIELD_U64, READER(info.lost), NULL },
	{ NULL, "STATE", -12, FIELD_TEXT, READER(state), NULL },
	{ NULL, "ID", 3, FIELD_U32, READER(info.index), NULL },
	{ NULL, "CORRUPT", 7, FIELD_U64, READER(info.corrupt), NULL },
	{ NULL, "SLEEPS", 10, FIELD_U64, READER(info.sleeps), NULL },
	{ NULL, "CURSOR", 12, FIELD_U64, READER(info.cursor), NULL },
	{ 0 }
};

static bool add(struct frame *f, enum look look, const char *fmt, ...)
	ZC_PRINTF(3, 4);

static bool add(struct frame *f, enum look look, const char *fmt, ...)
{
	struct frame_line *more;
	va_list args;

	if (f->nr == f->room) {
		size_t room = f->room ? 2 * f->room : 64;

		more = realloc(f->line, room * sizeof(*more));
		if (!more)
			return false;
		f->line = more;
		f->room = room;
	}
	f->line[f->nr].look = look;
	f->line[f->nr].frozen = 0;
	va_start(args, fmt);
	vsnprintf(f->line[f->nr].text, sizeof(f->line[0].text), fmt, args);
	va_end(args);
	f->nr++;
	return true;
}

void frame_free(struct frame *f)
{
	free(f->line);
	memset(f, 0, sizeof(*f));
}

/* --- above the tables ------------------------------------------------------------ */

static bool add_title(struct frame *f, const struct snapshot *s,
		      const struct frame_options *o)
{
	time_t now = time(NULL);
	char every[CLI_TEXT];
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	return add(f, LOOK_TITLE, "pool %s on %s  %s  every %s, by %s%s",
		   s->pool.name, cmd_pool_backend(s->pool.backend), clock,
		   cli_format_age(o->interval_ns, every), frame_sorts[o->sort],
		   o->paused ? "  PAUSED" : "");
}

static const char *plural(uint32_t nr)
{
	return nr == 1 ? "" : "s";
}

static bool add_memory(struct frame *f, const struct snapshot *s)
{
	uint64_t used = s->load.bytes - s->load.free_bytes;
	char text[4][CLI_TEXT];
	char bar[BAR + 1];
	int full = (int)(s->used_percent * BAR / 100.0 + 0.5), i;

	for (i = 0; i < BAR; i++)
		bar[i] = i < full ? '|' : ' ';
	bar[BAR] = '\0';
	return add(f, LOOK_PLAIN,
		   "memory    [%s] %.1f %%: %s of %s used, %s free, the longest run %s",
		   bar, s->used_percent, cli_format_bytes(used, text[0]),
		   cli_format_bytes(s->load.bytes, text[1]),
		   cli_format_bytes(s->load.free_bytes, text[2]),
		   cli_format_bytes(s->largest_free * s->pool.granule_bytes,
				    text[3])) &&
	       add(f, LOOK_PLAIN,
		   "pages     %s, granule %u B, %u segment%s of %s, %llu runs",
		   cmd_pool_pages(s->pool.pages), s->pool.granule_bytes,
		   s->load.segments, plural(s->load.segments),
		   cli_format_bytes(s->pool.segment_bytes, text[0]),
		   (unsigned long long)s->runs);
}

static bool add_attached(struct frame *f, const struct snapshot *s)
{
	const zc_pool_load_t *l = &s->load;
	char silent[32] = "";

	if (s->silent)
		snprintf(silent, sizeof(silent), " (%u silent)", s->silent);
	return add(f, s->silent ? LOOK_WARN : LOOK_PLAIN,
		   "attached  %u member%s%s, %u writer%s, %u reader%s, %u cleaner%s",
		   l->members, plural(l->members), silent, l->writers,
		   plural(l->writers), l->readers, plural(l->readers),
		   l->cleaners, plural(l->cleaners));
}

static bool add_pressure(struct frame *f, const struct snapshot *s)
{
	static const enum look looks[] = { LOOK_GOOD, LOOK_WARN, LOOK_WARN,
					   LOOK_BAD };
	uint32_t waiting =
		(uint32_t)__builtin_popcount(s->load.waiting_writers);
	enum look look = looks[s->pressure];
	char names[200] = "", name[200], blocked[48] = "";
	size_t used = 0;
	uint32_t i;

	if (s->blocked) {
		snprintf(blocked, sizeof(blocked), "; %u for a reader", s->blocked);
		if (look == LOOK_GOOD)
			look = LOOK_WARN;
	}
	for (i = 0; i < s->services_nr && used < sizeof(names); i++)
		if (s->load.waiting_writers & 1U << s->service[i].info.index)
			used += (size_t)snprintf(
				names + used, sizeof(names) - used, "%s%s",
				used ? ", " : " (",
				cli_printable(s->service[i].info.service, name,
					      sizeof(name)));
	return add(f, look, "pressure  %s, %.0f %%: %u writer%s for memory%s%s%s",
		   pressure_names[s->pressure], s->used_percent, waiting,
		   waiting == 1 ? " waits" : "s wait", names, used ? ")" : "",
		   blocked);
}

static char letter_of(const struct memory_cell *cell)
{
	uint64_t all = 0, most = 0;
	int best = MEMORY_FREE, i;

	for (i = 0; i < MEMORY_STATES; i++) {
		all += cell->granules[i];
		if (i != MEMORY_FREE && cell->granules[i] > most) {
			most = cell->granules[i];
			best = i;
		}
	}
	if (!all)
		return MAP_UNSEEN;
	if (best != MEMORY_FREE && 2 * cell->granules[MEMORY_FREE] >= all)
		return MAP_MOSTLY_FREE;
	return frame_letters[best];
}

static bool add_map(struct frame *f, const struct snapshot *s, uint32_t width)
{
	char line[FRAME_WIDTH], slice[CLI_TEXT], old[64] = "", age[CLI_TEXT];
	uint32_t at = 0, n;

	while (at < s->cells_nr) {
		for (n = 0; n < width && n + 1 < sizeof(line) &&
			    at < s->cells_nr; n++)
			line[n] = letter_of(&s->cells[at++]);
		line[n] = '\0';
		if (!add(f, LOOK_MAP, "%s", line))
			return false;
	}
	if (!s->cells_nr)
		return true;
	/* A pool in very many pieces is not walked through each time. */
	if (s->walked_ns + 2000000000ULL < s->time_ns)
		snprintf(old, sizeof(old), ", %s old",
			 cli_format_age(s->time_ns - s->walked_ns, age));
	return add(f, LOOK_LEGEND,
		   ". free  : mostly free  c claimed  # committed  ~ cleaning  ! orphaned  (%s each%s%s)",
		   cli_format_bytes(s->load.bytes / s->cells_nr, slice), old,
		   s->whole ? "" : ", ? not seen");
}

/* --- tables ------------------------------------------------------------------------ */

static int more_first(double a, double b)
{
	return a < b ? 1 : a > b ? -1 : 0;
}

static int compare_services(const void *left, const void *right, void *ctx)
{
	const struct snapshot_service *a = *(void *const *)left;
	const struct snapshot_service *b = *(void *const *)right;
	int order = 0;

	switch (*(enum frame_sort *)ctx) {
	case SORT_RATE:
		order = more_first(a->messages_per_s, b->messages_per_s);
		break;
	case SORT_LAG:
		order = more_first((double)a->lag, (double)b->lag);
		break;
	case SORT_MEMORY:
		order = more_first((double)a->info.used_bytes,
				   (double)b->info.used_bytes);
		break;
	case SORT_NAME:
		order = strcmp(a->info.service, b->info.service);
		break;
	default:
		break;
	}
	return order ? order : a->info.index < b->info.index ? -1 : 1;
}

static int compare_readers(const void *left, const void *right, void *ctx)
{
	const struct snapshot_reader *a = *(void *const *)left;
	const struct snapshot_reader *b = *(void *const *)right;
	int order = 0;

	switch (*(enum frame_sort *)ctx) {
	case SORT_RATE:
		order = more_first(a->messages_per_s, b->messages_per_s);
		break;
	case SORT_LAG:
		order = more_first((double)a->info.lag, (double)b->info.lag);
		break;
	case SORT_MEMORY:
		order = more_first(a->info.holds, b->info.holds);
		break;
	case SORT_NAME:
		order = strcmp(a->service, b->service);
		break;
	default:
		break;
	}
	if (!order && a->info.service != b->info.service)
		order = a->info.service < b->info.service ? -1 : 1;
	return order ? order : a->info.index < b->info.index ? -1 : 1;
}

static bool add_head(struct frame *f, const struct field *columns)
{
	char line[FRAME_WIDTH];

	rows_titles(columns, line, sizeof(line));
	if (!add(f, LOOK_HEAD, "%s", line))
		return false;
	f->line[f->nr - 1].frozen = abs(columns->width);
	return true;
}

static bool add_row(struct frame *f, enum look look,
		    const struct field *columns, const void *row)
{
	char line[FRAME_WIDTH];

	rows_line(columns, row, line, sizeof(line));
	if (!add(f, look, "%s", line))
		return false;
	f->line[f->nr - 1].frozen = abs(columns->width);
	return true;
}

static enum look service_look(const struct snapshot_service *w)
{
	if (w->info.writer_state == ZC_PEER_NONE)
		return LOOK_DIM;
	if (w->info.writer_state == ZC_PEER_REAPING)
		return LOOK_BAD;
	return strcmp(w->waits, "-") ? LOOK_WARN : LOOK_PLAIN;
}

static bool add_services(struct frame *f, const struct snapshot *s,
			 enum frame_sort sort)
{
	const struct snapshot_service *row[SNAPSHOT_SERVICES];
	uint32_t i;

	for (i = 0; i < s->services_nr; i++)
		row[i] = &s->service[i];
	qsort_r(row, s->services_nr, sizeof(row[0]), compare_services, &sort);
	if (!add_head(f, service_columns))
		return false;
	for (i = 0; i < s->services_nr; i++)
		if (!add_row(f, service_look(row[i]), service_columns, row[i]))
			return false;
	return true;
}

static enum look reader_look(const struct snapshot_reader *r)
{
	if (r->info.disconnected)
		return LOOK_DIM;
	return strcmp(r->state, "reliable") && strcmp(r->state, "best effort") ?
		       LOOK_WARN : LOOK_PLAIN;
}

static bool add_readers(struct frame *f, const struct snapshot *s,
			enum frame_sort sort)
{
	const struct snapshot_reader *row[SNAPSHOT_SERVICES * SNAPSHOT_READERS];
	uint32_t i;

	for (i = 0; i < s->readers_nr; i++)
		row[i] = &s->reader[i];
	qsort_r(row, s->readers_nr, sizeof(row[0]), compare_readers, &sort);
	if (!add_head(f, reader_columns))
		return false;
	for (i = 0; i < s->readers_nr; i++)
		if (!add_row(f, reader_look(row[i]), reader_columns, row[i]))
			return false;
	return true;
}

static bool add_cleaners(struct frame *f, const struct snapshot *s)
{
	uint32_t i;

	if (!add_head(f, cleaner_fields))
		return false;
	for (i = 0; i < s->cleaners_nr; i++)
		if (!add_row(f, s->cleaner[i].state == ZC_PEER_LIVE ?
					LOOK_PLAIN : LOOK_BAD,
			     cleaner_fields, &s->cleaner[i]))
			return false;
	return true;
}

bool frame_build(struct frame *f, const struct snapshot *s,
		 const struct frame_options *o)
{
	f->nr = 0;
	if (!add_title(f, s, o) || !add_memory(f, s) || !add_attached(f, s) ||
	    !add_pressure(f, s) || !add_map(f, s, o->map_width))
		return false;
	f->fixed = f->nr;
	return add(f, LOOK_PLAIN, "%s", "") && add_services(f, s, o->sort) &&
	       add(f, LOOK_PLAIN, "%s", "") && add_readers(f, s, o->sort) &&
	       add(f, LOOK_PLAIN, "%s", "") && add_cleaners(f, s);
}
