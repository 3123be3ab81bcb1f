/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * snapshot.c - all that is to be seen of a pool at one time.
 */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Owners as inspect.h numbers them. */
#define OWNER_ORPHAN 41U

const char *const memory_names[MEMORY_STATES + 1] = {
	"free", "claimed", "committed", "cleaning", "orphaned", NULL
};
const char *const pressure_names[] = { "ok", "low", "high", "critical", NULL };

struct snapshot *snapshot_new(void)
{
	return calloc(1, sizeof(struct snapshot));
}

void snapshot_free(struct snapshot *s)
{
	if (s)
		free(s->cells);
	free(s);
}

enum memory_state memory_state_of(const zc_inspect_block_t *run)
{
	if (run->owner == OWNER_ORPHAN)
		return MEMORY_ORPHANED;
	if (run->state == 1)
		return MEMORY_COMMITTED;
	if (run->state == 2 || run->owner > OWNER_ORPHAN)
		return MEMORY_CLEANING;
	return run->owner ? MEMORY_CLAIMED : MEMORY_FREE;
}

/* --- reading ------------------------------------------------------------------ */

static const zc_member_info_t *member_at(const struct snapshot *s, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < s->members_nr; i++)
		if (s->member[i].info.index == index)
			return &s->member[i].info;
	return NULL;
}

/* What a role of @member is shown as. */
static uint32_t state_at(const struct snapshot *s, uint32_t state, uint32_t member)
{
	const zc_member_info_t *m = member_at(s, member);

	return rows_state(state, m ? m->alive_age_ns : 0);
}

static zc_result_t read_members(struct snapshot *s, zc_pool_t *pool)
{
	zc_result_t result;
	uint32_t i;

	s->members_nr = 0;
	s->silent = 0;
	for (i = 0; s->members_nr < SNAPSHOT_MEMBERS; i++) {
		struct rows_member *m = &s->member[s->members_nr];

		memset(m, 0, sizeof(*m));
		m->info.sz = sizeof(m->info);
		result = zc_inspect_member(pool, i, &m->info);
		if (result == ZC_ERROR_INVALID)
			break;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return result;
		m->state = rows_member_state(&m->info);
		s->silent += m->state == ROWS_SILENT;
		s->members_nr++;
	}
	return ZC_OK;
}

static zc_result_t read_cleaners(struct snapshot *s, zc_pool_t *pool)
{
	zc_result_t result;
	uint32_t i;

	s->cleaners_nr = 0;
	for (i = 0; s->cleaners_nr < SNAPSHOT_CLEANERS; i++) {
		zc_cleaner_info_t *c = &s->cleaner[s->cleaners_nr];

		memset(c, 0, sizeof(*c));
		c->sz = sizeof(*c);
		result = zc_inspect_cleaner(pool, i, c);
		if (result == ZC_ERROR_INVALID)
			break;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return result;
		c->state = state_at(s, c->state, c->member);
		s->cleaners_nr++;
	}
	return ZC_OK;
}

static void describe_reader(const struct snapshot *s, struct snapshot_reader *r,
			    const struct snapshot_service *w)
{
	const zc_member_info_t *m = member_at(s, r->info.member);

	memcpy(r->service, w->info.service, sizeof(r->service));
	if (m)
		memcpy(r->comm, m->comm, sizeof(r->comm));
	r->info.state = state_at(s, r->info.state, r->info.member);
	if (r->info.disconnected)
		strcpy(r->state, "disconnected");
	else if (r->info.state == ROWS_SILENT)
		strcpy(r->state, "silent");
	else if (w->info.lag_limit && r->info.lag >= w->info.lag_limit)
		strcpy(r->state, r->info.best_effort ? "behind" : "at the limit");
	else
		strcpy(r->state, r->info.best_effort ? "best effort" : "reliable");
}

static zc_result_t read_readers(struct snapshot *s, zc_pool_t *pool,
				struct snapshot_service *w)
{
	uint32_t slowest = 0, i;
	zc_result_t result;

	for (i = 0; i < SNAPSHOT_READERS; i++) {
		struct snapshot_reader *r = &s->reader[s->readers_nr];

		if (!(w->info.reader_mask & 1U << i))
			continue;
		memset(r, 0, sizeof(*r));
		r->info.sz = sizeof(r->info);
		result = zc_inspect_reader(pool, w->info.index, i, &r->info);
		if (result == ZC_ERROR_NOT_FOUND || (!result && !r->info.active))
			continue;
		if (result)
			return result;
		describe_reader(s, r, w);
		if (!r->info.best_effort && !r->info.disconnected &&
		    r->info.lag > w->lag) {
			w->lag = r->info.lag;
			slowest = i;
		}
		s->readers_nr++;
	}
	/* Policy "block": at the limit the next acquire waits. */
	if (w->info.writer_state == ZC_PEER_LIVE && w->info.on_slow == 0 &&
	    !w->info.overwrite && w->info.lag_limit &&
	    w->lag >= w->info.lag_limit) {
		snprintf(w->waits, sizeof(w->waits), "reader %u", slowest);
		s->blocked++;
	}
	return ZC_OK;
}

static void describe_service(const struct snapshot *s, struct snapshot_service *w)
{
	const zc_member_info_t *m = member_at(s, w->info.writer_member);
	char used[CLI_TEXT], quota[CLI_TEXT];

	if (m && w->info.writer_state != ZC_PEER_NONE)
		memcpy(w->comm, m->comm, sizeof(w->comm));
	w->info.writer_state = state_at(s, w->info.writer_state, w->info.writer_member);
	strcpy(w->waits, "-");
	if (w->info.writer_state == ZC_PEER_NONE)
		strcpy(w->waits, "gone");
	else if (w->info.writer_state == ZC_PEER_REAPING)
		strcpy(w->waits, "died");
	else if (w->info.wanted_bytes)
		snprintf(w->waits, sizeof(w->waits), "room %s",
			 cli_format_bytes(w->info.wanted_bytes, used));
	else if (w->info.writer_state == ROWS_SILENT)
		strcpy(w->waits, "silent");
	if (w->info.quota_bytes && w->info.quota_bytes != UINT64_MAX)
		snprintf(w->uses, sizeof(w->uses), "%s/%s",
			 cli_format_bytes(w->info.used_bytes, used),
			 cli_format_bytes(w->info.quota_bytes, quota));
	else
		snprintf(w->uses, sizeof(w->uses), "%s",
			 cli_format_bytes(w->info.used_bytes, used));
	snprintf(w->keeps, sizeof(w->keeps), "%s %u",
		 w->info.overwrite ? "last" : rows_name(rows_on_slow,
							w->info.on_slow),
		 w->info.history);
}

static zc_result_t read_services(struct snapshot *s, zc_pool_t *pool)
{
	zc_result_t result;
	uint32_t i;

	s->services_nr = 0;
	s->readers_nr = 0;
	s->blocked = 0;
	for (i = 0; s->services_nr < SNAPSHOT_SERVICES; i++) {
		struct snapshot_service *w = &s->service[s->services_nr];

		memset(w, 0, sizeof(*w));
		w->info.sz = sizeof(w->info);
		result = zc_inspect_service(pool, i, &w->info);
		if (result == ZC_ERROR_INVALID)
			break;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return result;
		describe_service(s, w);
		result = read_readers(s, pool, w);
		if (result)
			return result;
		s->services_nr++;
	}
	return ZC_OK;
}

static void judge(struct snapshot *s)
{
	const zc_pool_load_t *l = &s->load;

	s->used_percent = l->bytes ? 100.0 * (double)(l->bytes - l->free_bytes) /
				     (double)l->bytes : 0;
	/* As the library's own levels are. */
	if (l->waiting_writers || l->free_bytes < l->bytes / 32)
		s->pressure = PRESSURE_CRITICAL;
	else if (l->free_bytes < l->bytes / 8)
		s->pressure = PRESSURE_HIGH;
	else if (l->free_bytes < l->bytes / 4)
		s->pressure = PRESSURE_LOW;
	else
		s->pressure = PRESSURE_OK;
}

zc_result_t snapshot_read(struct snapshot *s, zc_pool_t *pool)
{
	zc_result_t result;

	s->time_ns = zc_timestamp();
	s->interval_ns = 0;
	memset(&s->load, 0, sizeof(s->load));
	s->load.sz = sizeof(s->load);
	result = zc_pool_get_load(pool, &s->load);
	if (!result)
		result = read_members(s, pool);
	if (!result)
		result = read_services(s, pool);
	if (!result)
		result = read_cleaners(s, pool);
	if (!result)
		judge(s);
	return result;
}

/* --- the walk ------------------------------------------------------------------- */

/*
 * Where a run lies when those segments are left out that are not there: they keep
 * their numbers.  The walk goes from one segment to the next.
 */
static uint64_t place_of(struct snapshot *s, const zc_inspect_block_t *run)
{
	uint64_t size = s->pool.segment_bytes / s->pool.granule_bytes;

	if (!s->runs || run->granule / size != s->segment) {
		s->segment = run->granule / size;
		s->before = s->runs ? s->before + size : 0;
	}
	return s->before + run->granule % size;
}

/* Spreads a run over the cells that it lies in. */
static void spread(struct snapshot *s, const zc_inspect_block_t *run,
		   enum memory_state state)
{
	uint64_t at = place_of(s, run), end = at + run->granules;

	while (at < end) {
		uint64_t cell = at * s->cells_nr / s->granules;
		/* The first granule of the next one. */
		uint64_t next = ((cell + 1) * s->granules + s->cells_nr - 1) /
				s->cells_nr;

		if (cell >= s->cells_nr)
			return;
		if (next > end)
			next = end;
		s->cells[cell].granules[state] += next - at;
		at = next;
	}
}

static int visit(const zc_inspect_block_t *run, void *ctx)
{
	enum memory_state state = memory_state_of(run);
	struct snapshot *s = ctx;

	s->memory.granules[state] += run->granules;
	if (state == MEMORY_FREE && run->granules > s->largest_free)
		s->largest_free = run->granules;
	if (s->cells_nr)
		spread(s, run, state);
	s->runs++;
	return 0;
}

zc_result_t snapshot_walk(struct snapshot *s, zc_pool_t *pool, uint32_t cells)
{
	uint64_t began_ns = zc_timestamp();
	zc_result_t result;

	s->runs = 0;
	s->largest_free = 0;
	s->granules = s->pool.granule_bytes ?
			      s->load.bytes / s->pool.granule_bytes : 0;
	memset(&s->memory, 0, sizeof(s->memory));
	if (cells > s->granules)
		cells = (uint32_t)s->granules;
	free(s->cells);
	s->cells = cells ? calloc(cells, sizeof(*s->cells)) : NULL;
	s->cells_nr = s->cells ? cells : 0;
	result = zc_inspect_runs(pool, visit, s);
	if (result && result != ZC_ERROR_BUSY)
		return result;
	s->whole = !result;
	s->walked_ns = zc_timestamp();
	s->walk_ns = s->walked_ns - began_ns;
	return ZC_OK;
}

void snapshot_walk_move(struct snapshot *s, struct snapshot *from)
{
	free(s->cells);
	s->walked_ns = from->walked_ns;
	s->walk_ns = from->walk_ns;
	s->whole = from->whole;
	s->runs = from->runs;
	s->largest_free = from->largest_free;
	s->granules = from->granules;
	s->memory = from->memory;
	s->cells = from->cells;
	s->cells_nr = from->cells_nr;
	from->cells = NULL;
	from->cells_nr = 0;
}

zc_result_t snapshot_take(struct snapshot *s, zc_pool_t *pool)
{
	zc_result_t result;

	s->pool.sz = sizeof(s->pool);
	result = zc_pool_get_info(pool, &s->pool);
	if (!result)
		result = snapshot_read(s, pool);
	return result ? result : snapshot_walk(s, pool, 0);
}

/* --- rates ------------------------------------------------------------------------ */

/* A counter that went back began anew. */
static double rate(uint64_t now, uint64_t then, uint64_t ns)
{
	return ns && now > then ? (double)(now - then) * 1e9 / (double)ns : 0;
}

static void service_rates(struct snapshot_service *w,
			  const struct snapshot *before, uint64_t ns)
{
	uint32_t i;

	for (i = 0; i < before->services_nr; i++) {
		const zc_service_info_t *was = &before->service[i].info;

		if (was->index != w->info.index ||
		    strcmp(was->service, w->info.service))
			continue;
		w->messages_per_s = rate(w->info.next_sequence,
					 was->next_sequence, ns);
		w->bytes_per_s = rate(w->info.committed_bytes,
				      was->committed_bytes, ns);
	}
}

static void reader_rates(struct snapshot_reader *r,
			 const struct snapshot *before, uint64_t ns)
{
	uint32_t i;

	for (i = 0; i < before->readers_nr; i++) {
		const zc_reader_info_t *was = &before->reader[i].info;

		if (was->service == r->info.service &&
		    was->index == r->info.index &&
		    was->incarnation == r->info.incarnation)
			r->messages_per_s = rate(r->info.received,
						 was->received, ns);
	}
}

void snapshot_rates(struct snapshot *s, const struct snapshot *before)
{
	uint32_t i;

	s->interval_ns = s->time_ns - before->time_ns;
	for (i = 0; i < s->services_nr; i++)
		service_rates(&s->service[i], before, s->interval_ns);
	for (i = 0; i < s->readers_nr; i++)
		reader_rates(&s->reader[i], before, s->interval_ns);
}

/* --- JSON --------------------------------------------------------------------------- */

static const struct field service_more[] = {
	{ "comm", NULL, 0, FIELD_TEXT, FIELD_AT(struct snapshot_service, comm),
	  NULL },
	{ "slowest_lag", NULL, 0, FIELD_U64,
	  FIELD_AT(struct snapshot_service, lag), NULL },
	{ "waits_for", NULL, 0, FIELD_TEXT,
	  FIELD_AT(struct snapshot_service, waits), NULL },
	{ 0 }
};

static const struct field service_speed[] = {
	{ "messages_per_s", NULL, 0, FIELD_RATE,
	  FIELD_AT(struct snapshot_service, messages_per_s), NULL },
	{ "bytes_per_s", NULL, 0, FIELD_BYTE_RATE,
	  FIELD_AT(struct snapshot_service, bytes_per_s), NULL },
	{ 0 }
};

static const struct field reader_more[] = {
	{ "service", NULL, 0, FIELD_TEXT,
	  FIELD_AT(struct snapshot_reader, service), NULL },
	{ "comm", NULL, 0, FIELD_TEXT, FIELD_AT(struct snapshot_reader, comm),
	  NULL },
	{ 0 }
};

static const struct field reader_speed[] = {
	{ "messages_per_s", NULL, 0, FIELD_RATE,
	  FIELD_AT(struct snapshot_reader, messages_per_s), NULL },
	{ 0 }
};

/* @tables: of the same rows, up to a NULL. */
static void add_rows(struct json_object *o, const char *key,
		     const struct field *const *tables, const void *rows,
		     size_t row_bytes, uint32_t nr)
{
	struct json_object *array = json_object_new_array();
	const struct field *const *table;
	const char *row = rows;
	uint32_t i;

	for (i = 0; i < nr; i++, row += row_bytes) {
		struct json_object *one = json_object_new_object();

		for (table = tables; *table; table++)
			rows_json(one, *table, row);
		json_object_array_add(array, one);
	}
	json_object_object_add(o, key, array);
}

static struct json_object *load_json(const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	const zc_pool_load_t *l = &s->load;

	cli_json_u64(o, "bytes", l->bytes);
	cli_json_u64(o, "free_bytes", l->free_bytes);
	cli_json_double(o, "used_percent", s->used_percent);
	cli_json_string(o, "pressure", pressure_names[s->pressure]);
	json_object_object_add(o, "waiting_writers",
			       cli_json_mask(l->waiting_writers));
	cli_json_u64(o, "blocked_writers", s->blocked);
	cli_json_u64(o, "segments", l->segments);
	cli_json_u64(o, "members", l->members);
	cli_json_u64(o, "silent_members", s->silent);
	cli_json_u64(o, "writers", l->writers);
	cli_json_u64(o, "readers", l->readers);
	cli_json_u64(o, "cleaners", l->cleaners);
	cli_json_bool(o, "removed", l->removed);
	return o;
}

static struct json_object *memory_json(const struct snapshot *s)
{
	struct json_object *o = json_object_new_object();
	uint64_t granule = s->pool.granule_bytes;
	char key[32];
	int i;

	for (i = 0; i < MEMORY_STATES; i++) {
		snprintf(key, sizeof(key), "%s_bytes", memory_names[i]);
		cli_json_u64(o, key, s->memory.granules[i] * granule);
	}
	cli_json_u64(o, "largest_free_bytes", s->largest_free * granule);
	cli_json_u64(o, "runs", s->runs);
	cli_json_bool(o, "whole", s->whole);
	cli_json_u64(o, "walk_ns", s->walk_ns);
	cli_json_u64(o, "walk_age_ns", s->walked_ns < s->time_ns ?
					       s->time_ns - s->walked_ns : 0);
	return o;
}

void snapshot_json(const struct snapshot *s, struct json_object *o)
{
	/* There is no speed without a reading before. */
	bool again = s->interval_ns;
	const struct field *const services[] = {
		service_fields, service_more, again ? service_speed : NULL, NULL
	};
	const struct field *const readers[] = {
		reader_fields, reader_more, again ? reader_speed : NULL, NULL
	};
	const struct field *const cleaners[] = { cleaner_fields, NULL };
	const struct field *const members[] = { member_fields, NULL };

	json_object_object_add(o, "load", load_json(s));
	json_object_object_add(o, "memory", memory_json(s));
	add_rows(o, "services", services, s->service, sizeof(s->service[0]),
		 s->services_nr);
	add_rows(o, "readers", readers, s->reader, sizeof(s->reader[0]),
		 s->readers_nr);
	add_rows(o, "cleaners", cleaners, s->cleaner, sizeof(s->cleaner[0]),
		 s->cleaners_nr);
	add_rows(o, "members", members, s->member, sizeof(s->member[0]),
		 s->members_nr);
}
