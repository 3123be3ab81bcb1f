// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * inspect.c - what the tools show of a pool in motion.
 *
 * Regions of roles are looked at only where a role has been: they are not
 * allocated before, and to read a hole could be SIGBUS on a full file system.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "guard.h"
#include "role.h"
#include "shm.h"
#include "shown.h"

#define ZC_INFO_RUNS_MAX 1000000U

static zc_result_t zc_inspect_check(zc_pool_t *pool, const void *out)
{
	size_t sz;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "pool or output is NULL");
	sz = *(const size_t *)out;
	if (sz <= sizeof(size_t) || sz > 1 << 20)
		return zc_fail(ZC_ERROR_INVALID, "the output's .sz is %zu: set it to the "
			       "sizeof of its type", sz);
	return zc_pool_usable(pool);
}

static u32 zc_member_pid(const struct zc_view *v, u32 m)
{
	return m < ZC_MAX_MEMBERS ? zc_load_relaxed(&v->members[m].pid) : 0;
}

/* Has there been a role, so that the writer's region is allocated? */
static bool zc_writer_area_used(const struct zc_view *v, u32 w)
{
	const struct zc_writer_slot *slot = &v->writer_slots[w];

	return zc_life_incarnation(zc_load_acquire(&slot->life)) ||
	       zc_mask_bits(zc_load_acquire(&slot->active));
}

/* --- pool ---------------------------------------------------------------------- */

static bool zc_is_live(const u64 *life)
{
	return zc_life_state(zc_load_relaxed(life)) == ZC_LIFE_LIVE;
}

static void zc_count_roles(const struct zc_view *v, zc_pool_load_t *l)
{
	u32 m, w, c;

	for (m = 0; m < ZC_MAX_MEMBERS; m++)
		l->members += zc_is_live(&v->members[m].life);
	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		const struct zc_writer_slot *slot = &v->writer_slots[w];

		l->writers += zc_is_live(&slot->life);
		l->readers += (u32)__builtin_popcount(
			zc_mask_bits(zc_load_relaxed(&slot->active)));
	}
	for (c = 0; c < ZC_MAX_CLEANERS; c++)
		l->cleaners += zc_is_live(&v->cleaner_slots[c].life);
}

struct zc_room zc_room_now(const struct zc_view *v)
{
	u64 free = zc_load_relaxed(&v->hints->free_granules);
	u32 segments = zc_segments_live(v);
	u64 granules = (u64)segments << v->segment_shift;

	if ((int64_t)free < 0)
		free = 0;
	return (struct zc_room){ segments, granules, free < granules ? free : granules };
}

/* So count, unless the pool is in very many pieces. */
static u64 zc_free_granules(const struct zc_view *v, const struct zc_room *room)
{
	u64 sum = 0, seen = 0, word;
	struct zc_walk walk = { 0 };
	u32 granule, runs;

	for (runs = 0; runs < ZC_INFO_RUNS_MAX; runs++) {
		if (!zc_walk_step(v, &walk, &granule, &word))
			return sum < room->granules ? sum : room->granules;
		if (granule < seen)
			continue;
		seen = (u64)granule + zc_word_length(word);
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE)
			sum += zc_word_length(word);
	}
	return room->free;
}

zc_result_t zc_pool_get_load(zc_pool_t *pool, zc_pool_load_t *load)
{
	zc_result_t result = zc_inspect_check(pool, load);
	const struct zc_view *v;
	zc_pool_load_t l = { 0 };
	struct zc_room room;

	if (result != ZC_OK)
		return result;
	v = &pool->view;
	room = zc_room_now(v);
	l.bytes = room.granules << v->granule_shift;
	l.free_bytes = room.free << v->granule_shift;
	l.segments = room.segments;
	zc_count_roles(v, &l);
	l.waiting_writers = (u32)zc_load_relaxed(&v->hints->waiting_writers);
	l.removed = !pool->backend->still_named(pool);
	zc_copy_out(load, &l, sizeof(l));
	return ZC_OK;
}

zc_result_t zc_pool_get_info(zc_pool_t *pool, zc_pool_info_t *info)
{
	zc_result_t result = zc_inspect_check(pool, info);
	const struct zc_pool_header *h;
	const struct zc_view *v;
	zc_pool_info_t i = { 0 };
	zc_pool_load_t l = { 0 };
	struct zc_room room;

	if (result != ZC_OK)
		return result;
	v = &pool->view;
	room = zc_room_now(v);
	h = v->header;
	strcpy(i.name, pool->name);
	zc_id_text(pool->creation_id, i.creation_id);
	i.backend = pool->backend->id;
	switch (zc_load_relaxed(&h->page_kind)) {
	case ZC_PAGES_TRANSPARENT:
		i.pages = ZC_PAGES_GOT_TRANSPARENT;
		break;
	case ZC_PAGES_HUGETLB:
		i.pages = ZC_PAGES_GOT_HUGETLB;
		break;
	default:
		i.pages = ZC_PAGES_GOT_SMALL;
	}
	i.layout_version = ZC_LAYOUT_VERSION;
	i.mode = zc_load_relaxed(&h->mode);
	i.transient = zc_load_relaxed(&h->flags) & ZC_POOL_TRANSIENT;
	i.creator_pid = zc_load_relaxed(&h->creator_pid);
	i.creator_uid = zc_load_relaxed(&h->creator_uid);
	i.created_unix_ns = zc_load_relaxed(&h->created_ns);
	i.bytes = room.granules << v->granule_shift;
	i.control_bytes = pool->control_bytes;
	i.segment_bytes = (u64)v->segment_granules << v->granule_shift;
	i.segments = room.segments;
	i.max_segments = v->max_segments;
	i.granule_bytes = 1U << v->granule_shift;
	i.ring_entries = v->ring_mask + 1;
	i.max_holds = v->max_holds;
	i.guard = zc_guard_shown(zc_load_relaxed(&h->guard));
	zc_count_roles(v, &l);
	i.members = l.members;
	i.writers = l.writers;
	i.readers = l.readers;
	i.free_bytes = zc_free_granules(v, &room) << v->granule_shift;
	zc_copy_out(info, &i, sizeof(i));
	return ZC_OK;
}

/* --- members, cleaners, services, readers -------------------------------------------- */

static void zc_member_comm(const struct zc_member_record *r, char comm[16])
{
	u32 k;

	for (k = 0; k < 15; k++)
		comm[k] = (char)zc_load_relaxed(&r->comm[k]);
}

/* /proc counts from the boot on, in ticks. */
static u64 zc_process_age(const struct zc_member_record *r)
{
	u64 ticks = zc_load_relaxed(&r->start_ticks), now;
	long hz = sysconf(_SC_CLK_TCK);
	struct timespec ts;

	if (!ticks || hz <= 0 || ticks > ~0ULL / 1000000000ULL ||
	    clock_gettime(CLOCK_BOOTTIME, &ts))
		return 0;
	now = (u64)ts.tv_sec * 1000000000ULL + (u64)ts.tv_nsec;
	return zc_age(now, ticks * 1000000000ULL / (u64)hz);
}

zc_result_t zc_inspect_member(zc_pool_t *pool, uint32_t index,
			      zc_member_info_t *info)
{
	zc_result_t result = zc_inspect_check(pool, info);
	const struct zc_member_record *r;
	zc_member_info_t i = { 0 };
	u64 life, now;

	if (result != ZC_OK)
		return result;
	if (index >= ZC_MAX_MEMBERS)
		return zc_fail(ZC_ERROR_INVALID, "members have indexes 0 to %u",
			       ZC_MAX_MEMBERS - 1);
	r = &pool->view.members[index];
	life = zc_load_acquire(&r->life);
	if (zc_life_state(life) == ZC_LIFE_IDLE ||
	    (zc_life_state(life) == ZC_LIFE_LIVE &&
	     zc_life_member(life) == ZC_MEMBER_JOINING))
		return zc_fail(ZC_ERROR_NOT_FOUND, "there is no member %u", index);
	now = zc_timestamp();
	i.index = index;
	i.incarnation = zc_life_incarnation(life);
	i.pid = zc_load_relaxed(&r->pid);
	i.uid = zc_load_relaxed(&r->uid);
	i.live = zc_life_state(life) == ZC_LIFE_LIVE;
	i.self = index == pool->member && life == pool->life;
	i.alive_age_ns = zc_age(now, zc_load_relaxed(&r->alive_ns));
	i.progress_age_ns = zc_age(now, zc_load_relaxed(&r->progress_ns));
	zc_member_comm(r, i.comm);
	i.may_write = zc_load_relaxed(&r->caps) & ZC_CAP_WRITE;
	i.process_age_ns = zc_process_age(r);
	i.reaped_blocks = zc_load_relaxed(&r->reaped_blocks);
	i.reaped_bytes = zc_load_relaxed(&r->reaped_bytes);
	i.lost_blocks = zc_load_relaxed(&r->lost_blocks);
	zc_copy_out(info, &i, sizeof(i));
	return ZC_OK;
}

static u32 zc_peer_state_of(u64 life)
{
	switch (zc_life_state(life)) {
	case ZC_LIFE_LIVE:
		return ZC_PEER_LIVE;
	case ZC_LIFE_REAPING:
		return ZC_PEER_REAPING;
	default:
		return ZC_PEER_NONE;
	}
}

static void zc_node_info(const struct zc_view *v, u32 c, u32 incarnation,
			 zc_cleaner_info_t *i)
{
	const struct zc_node_area *a = zc_node_area(v, c);

	i->leads = (u32)zc_load_relaxed(&v->hints->duty) == c + 1;
	/* Another's values: it has not written its own yet. */
	if (zc_load_acquire(&a->incarnation) != incarnation)
		return;
	i->alive_age_ns = zc_age(zc_timestamp(), zc_load_relaxed(&a->alive_ns));
	i->monitor = !(zc_load_relaxed(&a->flags) & ZC_NODE_CLEANER);
	i->busy_percent = zc_load_relaxed(&a->load);
	i->position = zc_load_relaxed(&a->position);
	i->passes = zc_load_relaxed(&a->passes);
	i->pass_ns = zc_load_relaxed(&a->pass_ns);
	i->busy_ns = zc_load_relaxed(&a->busy_ns);
	i->merged = zc_load_relaxed(&a->merged);
	i->adopted = zc_load_relaxed(&a->adopted);
	i->reclaimed_bytes = zc_load_relaxed(&a->reclaimed) << v->granule_shift;
	i->sent = zc_load_relaxed(&a->sent);
	i->received = zc_load_relaxed(&a->received);
	i->forwarded = zc_load_relaxed(&a->forwarded);
	i->packets_dropped = zc_load_relaxed(&a->dropped);
}

zc_result_t zc_inspect_cleaner(zc_pool_t *pool, uint32_t index,
			       zc_cleaner_info_t *info)
{
	zc_result_t result = zc_inspect_check(pool, info);
	const struct zc_member_record *r;
	zc_cleaner_info_t i = { 0 };
	u64 life;

	if (result != ZC_OK)
		return result;
	if (index >= ZC_MAX_CLEANERS)
		return zc_fail(ZC_ERROR_INVALID, "cleaners have indexes 0 to %u",
			       ZC_MAX_CLEANERS - 1);
	life = zc_load_acquire(&pool->view.cleaner_slots[index].life);
	i.state = zc_peer_state_of(life);
	if (i.state == ZC_PEER_NONE)
		return zc_fail(ZC_ERROR_NOT_FOUND, "there is no cleaner %u", index);
	i.index = index;
	i.incarnation = zc_life_incarnation(life);
	i.member = zc_life_member(life);
	if (i.member < ZC_MAX_MEMBERS) {
		r = &pool->view.members[i.member];
		i.pid = zc_load_relaxed(&r->pid);
		i.self = i.member == pool->member;
		zc_member_comm(r, i.comm);
		i.process_age_ns = zc_process_age(r);
	}
	/* It has a place: its region is allocated. */
	zc_node_info(&pool->view, index, i.incarnation, &i);
	zc_copy_out(info, &i, sizeof(i));
	return ZC_OK;
}

static void zc_service_area(const struct zc_view *v, u32 w,
			    zc_service_info_t *i)
{
	const struct zc_writer_area *a = zc_writer_area(v, w);

	i->used_bytes = zc_load_relaxed(&a->used_bytes);
	i->next_sequence = zc_load_acquire(&a->head);
	i->oldest_sequence = zc_load_relaxed(&a->tail);
	i->dropped = zc_load_relaxed(&a->stat_dropped);
	i->disconnected = zc_load_relaxed(&a->stat_disconnected);
	i->timeouts = zc_load_relaxed(&a->stat_timeouts);
	i->wakes = zc_load_relaxed(&a->stat_wakes);
	i->committed_bytes = zc_load_relaxed(&a->stat_bytes);
	i->io_blocks = zc_load_relaxed(&a->io_nr);
	i->acquired = zc_load_relaxed(&a->stat_acquired);
	i->cancelled = zc_load_relaxed(&a->stat_cancelled);
	i->guard = zc_guard_shown(zc_load_relaxed(&a->guard));
	i->wanted_bytes = (u64)zc_load_relaxed(&a->wanted_granules)
			  << v->granule_shift;
}

/*
 * Who is active, and knows where it begins: from the head as it was before that on.  One
 * that only is active may begin after what is committed next.
 */
static u32 zc_readers_begun(struct zc_pool *pool, u32 w, u32 active)
{
	const struct zc_view *v = &pool->view;
	u32 nr = 0;

	if (active)
		pool->backend->readers_map(pool, w);
	for (; active; active &= active - 1) {
		u32 r = (u32)__builtin_ctz(active);
		const struct zc_reader_area *a = zc_reader_area(v, w, r);
		u64 life = zc_load_acquire(&zc_reader_slot(v, w, r)->life);

		/* [J1] its incarnation before its cursor; else that is a predecessor's. */
		nr += zc_load_acquire(&a->incarnation) == zc_life_incarnation(life) &&
		      zc_load_acquire(&a->cursor);
	}
	return nr;
}

zc_result_t zc_inspect_service(zc_pool_t *pool, uint32_t index,
			       zc_service_info_t *info)
{
	zc_result_t result = zc_inspect_check(pool, info);
	const struct zc_writer_slot *slot;
	zc_service_info_t i = { 0 };
	u64 life;

	if (result != ZC_OK)
		return result;
	if (index >= ZC_MAX_WRITERS)
		return zc_fail(ZC_ERROR_INVALID, "services have indexes 0 to %u",
			       ZC_MAX_WRITERS - 1);
	slot = &pool->view.writer_slots[index];
	if (zc_service_state(zc_load_acquire(&slot->service)) !=
	    ZC_SERVICE_READY)
		return zc_fail(ZC_ERROR_NOT_FOUND, "there is no service %u", index);
	life = zc_load_acquire(&slot->life);
	i.index = index;
	i.writer_incarnation = zc_life_incarnation(life);
	zc_service_text(&pool->view, index, i.service);
	i.writer_state = zc_peer_state_of(life);
	if (i.writer_state != ZC_PEER_NONE) {
		i.writer_member = zc_life_member(life);
		i.writer_pid = zc_member_pid(&pool->view, i.writer_member);
	}
	i.on_slow = zc_load_relaxed(&slot->on_slow);
	i.overwrite = zc_load_relaxed(&slot->flags) & ZC_SERVICE_OVERWRITE;
	i.history = zc_load_relaxed(&slot->history);
	i.lag_limit = zc_load_relaxed(&slot->lag_limit);
	i.quota_bytes = zc_load_relaxed(&slot->quota_bytes);
	i.reader_mask = zc_mask_bits(zc_load_acquire(&slot->active));
	i.readers = zc_readers_begun(pool, index, i.reader_mask);
	if (zc_writer_area_used(&pool->view, index)) {
		zc_service_area(&pool->view, index, &i);
		i.type_fingerprint = zc_type_named(&pool->view, index, life, i.type,
						   sizeof(i.type));
	}
	zc_copy_out(info, &i, sizeof(i));
	return ZC_OK;
}

static void zc_reader_area_info(const struct zc_view *v, u32 w, u32 r,
				u32 incarnation, zc_reader_info_t *i)
{
	struct zc_reader_area *a = zc_reader_area(v, w, r);
	u64 head = zc_load_acquire(&zc_writer_area(v, w)->head);
	u64 passed;
	u32 k, nr;

	/* Another's values: it has not written its own yet. */
	if (zc_load_acquire(&a->incarnation) != incarnation)
		return;
	i->cursor = zc_load_acquire(&a->cursor);
	i->lag = i->cursor && head > i->cursor ? head - i->cursor : 0;
	nr = zc_holds_used(v, a);
	for (k = 0; k < nr; k++) {
		u64 s = zc_load_acquire(zc_hold_slot(a, k));

		if (!s)
			continue;
		i->holds++;
		if (!i->oldest_hold || s < i->oldest_hold)
			i->oldest_hold = s;
	}
	i->lost = zc_load_relaxed(&a->stat_lost);
	i->corrupt = zc_load_relaxed(&a->stat_corrupt);
	i->sleeps = zc_load_relaxed(&a->stat_sleeps);
	i->io_blocks = zc_load_relaxed(&a->io_nr);
	passed = zc_load_relaxed(&a->begin) + i->lost + i->corrupt;
	i->received = i->cursor > passed ? i->cursor - passed : 0;
}

zc_result_t zc_inspect_reader(zc_pool_t *pool, uint32_t service, uint32_t index,
			      zc_reader_info_t *info)
{
	zc_result_t result = zc_inspect_check(pool, info);
	const struct zc_reader_slot *slot;
	zc_reader_info_t i = { 0 };
	const struct zc_view *v;
	u32 incarnation;
	u64 life;

	if (result != ZC_OK)
		return result;
	if (service >= ZC_MAX_WRITERS || index >= ZC_MAX_READERS_PER)
		return zc_fail(ZC_ERROR_INVALID, "services have indexes 0 to %u, their "
			       "readers 0 to %u", ZC_MAX_WRITERS - 1,
			       ZC_MAX_READERS_PER - 1);
	v = &pool->view;
	slot = zc_reader_slot(v, service, index);
	life = zc_load_acquire(&slot->life);
	if (zc_life_state(life) == ZC_LIFE_IDLE)
		return zc_fail(ZC_ERROR_NOT_FOUND, "service %u has no reader %u",
			       service, index);
	incarnation = zc_life_incarnation(life);
	i.service = service;
	i.index = index;
	i.state = zc_peer_state_of(life);
	i.incarnation = incarnation;
	i.member = zc_life_member(life);
	i.pid = zc_member_pid(v, i.member);
	i.active = zc_mask_bits(zc_load_acquire(
			   &v->writer_slots[service].active)) >> index & 1;
	i.best_effort = zc_load_relaxed(&slot->flags) & ZC_READER_HAZARD;
	/* Active: its region is allocated, and so is the writer's. */
	if (i.active) {
		pool->backend->readers_map(pool, service);
		i.disconnected = zc_load_acquire(
					 &zc_writer_area(v, service)
						  ->floor[index]
						  .cut_incarnation) == incarnation;
		zc_reader_area_info(v, service, index, incarnation, &i);
	}
	zc_copy_out(info, &i, sizeof(i));
	return ZC_OK;
}
