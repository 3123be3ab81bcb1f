// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * reader.c - becoming and ceasing to be a reader.
 *
 * Joining: zero cursor, holds, join, ticket; become active (join = 0: everything
 * is required); full fence; load head; join = head, then the cursor (history: below).
 */
#include <stdlib.h>

#include "role.h"

static zc_result_t zc_reader_alloc(struct zc_pool *pool, u32 max_holds,
				   struct zc_reader **out)
{
	struct zc_view *v = &pool->view;
	struct zc_reader *r;
	u32 i;

	r = aligned_alloc(ZC_CACHE_LINE,
			  (sizeof(*r) + ZC_CACHE_LINE - 1) & ~(ZC_CACHE_LINE - 1UL));
	if (!r)
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	memset(r, 0, sizeof(*r));
	r->alive = pool->alive;
	r->pool = pool;
	r->data = pool->data;
	r->granules = zc_granules(v);
	r->segment_mask = v->segment_granules - 1;
	r->granule_shift = v->granule_shift;
	r->ring_mask = v->ring_mask;
	r->event_fd = -1;
	r->held_nr = max_holds;
	r->held = aligned_alloc(ZC_CACHE_LINE, max_holds * sizeof(*r->held));
	r->free_held = calloc(max_holds, sizeof(*r->free_held));
	if (!r->held || !r->free_held) {
		free(r->held);
		free(r->free_held);
		free(r);
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	}
	/* The stack's top is hold 0: the line of the cursor is used first. */
	memset(r->held, 0, max_holds * sizeof(*r->held));
	for (i = 0; i < max_holds; i++) {
		r->held[i].handle = zc_handle_init(i);
		r->free_held[i] = max_holds - 1 - i;
	}
	r->free_held_nr = max_holds;
	*out = r;
	return ZC_OK;
}

static void zc_reader_free(struct zc_reader *r)
{
	free(r->held);
	free(r->free_held);
	free(r);
}

static bool zc_reader_take_slot(struct zc_reader *r, u32 w)
{
	struct zc_pool *pool = r->pool;
	struct zc_view *v = &pool->view;
	u32 i;

	for (i = 0; i < ZC_MAX_READERS_PER; i++) {
		u64 *word = &zc_reader_slot(v, w, i)->life;
		u64 life = zc_load_acquire(word);
		u32 inc = zc_life_incarnation(life) + 1;

		/* 0 means "not known" in a region and "nobody" in a cut. */
		if (!inc)
			inc = 1;
		if (zc_life_state(life) != ZC_LIFE_IDLE)
			continue;
		if (zc_cas64(word, &life,
			     zc_life(inc, pool->member, ZC_LIFE_LIVE))) {
			r->id = i;
			r->writer = w;
			r->incarnation = inc;
			ZC_KILLPOINT(reader_slot);
			return true;
		}
	}
	return false;
}

/* The slot is mine: its masks are clear, nobody else writes its region. */
static void zc_reader_region_init(struct zc_reader *r)
{
	struct zc_view *v = &r->pool->view;
	struct zc_reader_area *a = zc_reader_area(v, r->writer, r->id);
	u32 i;

	zc_store_release(&a->cursor, 0);
	for (i = 0; i < v->max_holds; i++)
		zc_store_relaxed(zc_hold_slot(a, i), 0);
	zc_store_relaxed(&a->join, 0);
	zc_store_relaxed(&a->ticket, 0);
	zc_store_relaxed(&a->feed_ticket, 0);
	zc_store_relaxed(&a->overflow_high, 0);
	zc_store_relaxed(&a->io_nr, 0);
	zc_store_relaxed(&a->begin, 0);
	zc_store_relaxed(&a->stat_lost, 0);
	zc_store_relaxed(&a->stat_sleeps, 0);
	zc_store_relaxed(&a->stat_corrupt, 0);
	r->fencing = !(r->pool->caps & ZC_CAP_MEMBARRIER);
	zc_store_relaxed(&a->fencing, r->fencing);
	/* [J1] a clean region before its incarnation; pairs with [J1] in
	 * zc_snapshot_take(). */
	zc_store_release(&a->incarnation, r->incarnation);
	for (i = 0; i < r->held_nr; i++)
		r->held[i].hold = zc_hold_slot(a, i);
	ZC_KILLPOINT(reader_zeroed);
}

static void zc_reader_become_active(struct zc_reader *r,
				    const zc_reader_options_t *o)
{
	struct zc_view *v = &r->pool->view;
	struct zc_writer_slot *slot = &v->writer_slots[r->writer];
	struct zc_reader_slot *rs = zc_reader_slot(v, r->writer, r->id);
	bool overwrite = zc_load_acquire(&slot->flags) & ZC_SERVICE_OVERWRITE;
	bool hazard = o->best_effort || overwrite;
	u64 head, begin;

	zc_store_relaxed(&rs->flags, hazard ? ZC_READER_HAZARD :
				     o->history ? ZC_READER_HISTORY : 0);
	zc_store_relaxed(&rs->caps, r->pool->caps);
	if (hazard || o->history)
		zc_mask_set(&slot->hazard, r->id);
	zc_mask_set(&slot->active, r->id);
	ZC_KILLPOINT(reader_active);
	/* [R1] active before head; pairs with [R1] in zc_snapshot_take(). */
	zc_fence_full();
	head = zc_load_acquire(&r->writer_area->head);
	if (!head)
		head = 1;
	begin = head;
	if (o->history) {
		begin = head > o->history ? head - o->history : 1;
		if (head - begin > r->ring_mask)
			begin = head - r->ring_mask;
	}
	/*
	 * History is required like everything else from here on, but somebody
	 * who looked before we were active may be taking it back just now: what
	 * was published before is polled as a hazard reader polls.
	 */
	r->hazard_below = hazard ? ~0ULL : head;
	r->cursor = begin;
	r->begin = begin;
	zc_store_relaxed(&r->area->begin, begin);
	zc_store_relaxed(&r->area->join, head);
	zc_store_release(&r->area->cursor, begin);
	ZC_KILLPOINT(reader_joined);
}

static void zc_reader_give_slot(struct zc_reader *r)
{
	struct zc_view *v = &r->pool->view;
	struct zc_writer_slot *slot = &v->writer_slots[r->writer];
	u64 life = zc_life(r->incarnation, r->pool->member, ZC_LIFE_LIVE);

	zc_mask_clear(&slot->active, r->id);
	ZC_KILLPOINT(reader_inactive);
	if (zc_mask_bits(zc_load_relaxed(&slot->hazard)) >> r->id & 1)
		zc_mask_clear(&slot->hazard, r->id);
	zc_cas64(&zc_reader_slot(v, r->writer, r->id)->life, &life,
		 zc_life(r->incarnation, 0, ZC_LIFE_IDLE));
	ZC_KILLPOINT(reader_left);
}

static zc_result_t zc_reader_options_check(const struct zc_view *v,
					   zc_reader_options_t *to,
					   const zc_reader_options_t *from)
{
	const zc_reader_options_t init = ZC_READER_OPTIONS_INIT;
	zc_result_t result;

	*to = init;
	if (!from)
		return zc_fail(ZC_ERROR_INVALID,
			       "options are needed: set .service");
	result = zc_options_copy(to, sizeof(*to), from, from->sz,
				 "zc_reader_options_t");
	if (result)
		return result;
	if (!to->max_holds)
		to->max_holds = v->max_holds < 64 ? v->max_holds : 64;
	if (to->max_holds > v->max_holds)
		return zc_fail(ZC_ERROR_INVALID,
			       "max_holds is %u: this pool allows %u (see pool create --max-holds)",
			       to->max_holds, v->max_holds);
	if (!to->spin_ns)
		to->spin_ns = 20000;
	return ZC_OK;
}

static zc_result_t zc_reader_enter(struct zc_reader *r,
				   const struct zc_service_name *name,
				   const char *service)
{
	struct zc_pool *pool = r->pool;
	struct zc_view *v = &pool->view;
	bool reaped = false;

	for (;;) {
		zc_result_t result;
		u64 word;
		u32 idx, i;

		result = zc_service_enter(pool, name, &idx, &word);
		if (result)
			return result;
		if (!zc_reader_take_slot(r, idx)) {
			if (!reaped) {
				reaped = true;
				zc_live_scan(pool);
				zc_reap_all(pool);
				continue;
			}
			return zc_fail(ZC_ERROR_SLOTS,
				       "service %s has %u readers, which is all it can",
				       service, ZC_MAX_READERS_PER);
		}
		i = r->id;
		r->writer_area = zc_writer_area(v, idx);
		r->ring = zc_ring(v, idx);
		r->floor = &r->writer_area->floor[i];
		r->area = zc_reader_area(v, idx, i);
		result = zc_shm_control_allocate(
			pool, (u64)((char *)r->area - (char *)pool->control),
			v->reader_area_bytes);
		if (!result && zc_service_unchanged(v, idx, word))
			return ZC_OK;
		/* No memory, or the entry changed its name under us. */
		word = zc_life(r->incarnation, pool->member, ZC_LIFE_LIVE);
		zc_cas64(&zc_reader_slot(v, idx, i)->life, &word,
			 zc_life(r->incarnation, 0, ZC_LIFE_IDLE));
		if (result)
			return result;
	}
}

zc_result_t zc_reader_register(zc_pool_t *pool,
			       const zc_reader_options_t *options,
			       zc_reader_t **out)
{
	struct zc_service_name name;
	zc_reader_options_t o;
	struct zc_reader *r = NULL;
	const char *bad;
	zc_result_t result;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       pool ? "out" : "pool");
	if (!zc_role_usable(pool->alive, &pool->evicted))
		return zc_role_fail(pool, pool->alive);
	result = zc_reader_options_check(&pool->view, &o, options);
	if (result)
		return result;
	bad = zc_service_parse(&name, o.service);
	if (bad)
		return zc_fail(ZC_ERROR_INVALID, "service \"%s\": %s",
			       o.service ? o.service : "(null)", bad);
	result = zc_reader_alloc(pool, o.max_holds, &r);
	if (result)
		return result;
	result = zc_reader_enter(r, &name, o.service);
	if (result) {
		zc_reader_free(r);
		return result;
	}
	r->spin_ns = o.spin_ns;
	zc_reader_region_init(r);
	zc_reader_become_active(r, &o);

	pthread_mutex_lock(&pool->lock);
	r->next = pool->readers;
	pool->readers = r;
	pthread_mutex_unlock(&pool->lock);
	zc_event_emit(pool, ZC_EVENT_READER_JOINED, pool->member, 0, r->writer,
		      r->id, 0, 0);
	zc_epoch_bump(pool);
	*out = r;
	return ZC_OK;
}

void zc_reader_unregister(zc_reader_t *r)
{
	struct zc_reader **p;

	if (!r)
		return;
	zc_store_release(&r->closed, 1);
	if (*r->alive) {
		zc_reader_fd_close(r);
		pthread_mutex_lock(&r->pool->lock);
		for (p = &r->pool->readers; *p; p = &(*p)->next)
			if (*p == r) {
				*p = r->next;
				break;
			}
		pthread_mutex_unlock(&r->pool->lock);
		if (!zc_load_relaxed(&r->pool->evicted)) {
			zc_reader_give_slot(r);
			zc_event_emit(r->pool, ZC_EVENT_READER_LEFT,
				      r->pool->member, 0, r->writer, r->id, 0,
				      0);
			zc_epoch_bump(r->pool);
		}
	}
	zc_reader_free(r);
}

zc_peer_state_t zc_reader_writer_state(const zc_reader_t *r)
{
	if (!r || !zc_role_usable(r->alive, &r->closed))
		return ZC_PEER_NONE;
	switch (zc_life_state(zc_load_acquire(
			&r->pool->view.writer_slots[r->writer].life))) {
	case ZC_LIFE_LIVE:
		return ZC_PEER_LIVE;
	case ZC_LIFE_REAPING:
		return ZC_PEER_REAPING;
	default:
		return ZC_PEER_NONE;
	}
}

zc_result_t zc_reader_get_stats(const zc_reader_t *r, zc_reader_stats_t *stats)
{
	zc_reader_stats_t s = { 0 };
	u64 head;

	if (!r || !stats)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "stats" : "reader");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	head = zc_load_acquire(&r->writer_area->head);
	s.received = r->cursor - r->begin - r->lost - r->corrupt;
	s.lost = r->lost;
	s.corrupt = r->corrupt;
	s.sleeps = r->sleeps;
	s.held = r->held_nr - r->free_held_nr;
	s.lag = head > r->cursor ? head - r->cursor : 0;
	return zc_info_copy(stats, stats->sz, &s, sizeof(s));
}

uint32_t zc_reader_id(const zc_reader_t *r)
{
	return r ? r->id : ~0U;
}
