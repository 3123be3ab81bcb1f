// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * reader.c - becoming and ceasing to be a reader.
 *
 * Joining: zero cursor, holds, join, ticket; become active (join = 0: everything
 * is required); full fence; load head; join = head, then the cursor (history: below).
 */
#include <stdlib.h>

#include "backend.h"
#include "guard.h"
#include "role_mail.h"
#include "type.h"
#include "zora.h"

static zc_result_t zc_reader_alloc(struct zc_pool *pool, u32 max_holds,
				   struct zc_reader **out)
{
	struct zc_view *v = &pool->view;
	struct zc_reader *r;
	zc_result_t result;
	u32 i;

	r = aligned_alloc(ZC_CACHE_LINE,
			  (sizeof(*r) + ZC_CACHE_LINE - 1) & ~(ZC_CACHE_LINE - 1UL));
	if (!r)
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	memset(r, 0, sizeof(*r));
	result = zc_seal_init(&r->seal);
	if (result != ZC_OK) {
		free(r);
		return result;
	}
	r->alive = pool->alive;
	r->pool = pool;
	r->data = pool->data;
	r->granules = (u64)zc_load_acquire(&v->segments_mapped) << v->segment_shift;
	r->segment_mask = v->segment_granules - 1;
	r->granule_shift = v->granule_shift;
	r->ring_mask = v->ring_mask;
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
		r->held[i].place.location = zc_location_first(&r->seal, i);
		r->free_held[i] = max_holds - 1 - i;
	}
	r->free_held_nr = max_holds;
	*out = r;
	return ZC_OK;
}

static void zc_reader_strip(struct zc_reader *r)
{
	zc_role_mail_free(r->mail);
	free(r->held);
	free(r->free_held);
}

static void zc_reader_free(struct zc_reader *r)
{
	zc_reader_strip(r);
	free(r);
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

/*
 * Active, and everything is required: now to where it begins.  History is required
 * like everything else from here on, but somebody who looked before we were active
 * may be taking it back just now: what was published before is polled as a hazard
 * reader polls.
 */
static void zc_reader_begin(struct zc_reader *r, const zc_reader_options_t *o,
			    bool hazard)
{
	u64 head, begin;
	u32 i;

	for (i = 0; i < r->held_nr; i++)
		r->held[i].hold = zc_hold_slot(r->area, i);
	r->fencing = !(r->pool->caps & ZC_CAP_MEMBARRIER);
	zc_store_relaxed(&r->area->fencing, r->fencing);
	/* [R1] active before head; pairs with [R1] in zc_snapshot_take(). */
	zc_fence_full();
	head = zc_load_acquire(&r->writer_area->head);
	ZC_KILLPOINT(reader_headed);
	if (!head)
		head = 1;
	begin = head;
	if (o->history) {
		begin = head > o->history ? head - o->history : 1;
		if (head - begin > r->ring_mask)
			begin = head - r->ring_mask;
	}
	r->hazard_below = hazard ? ~0ULL : head;
	r->cursor = begin;
	r->begin = begin;
	zc_store_relaxed(&r->area->begin, begin);
	zc_store_relaxed(&r->area->join, head);
	zc_store_release(&r->area->cursor, begin);
	/* Who says later how it is guarded finds a reader and rings. */
	zc_guard_look(r);
	ZC_KILLPOINT(reader_joined);
}

zc_result_t zc_reader_register(zc_pool_t *pool,
			       const zc_reader_options_t *options,
			       zc_reader_t **out)
{
	struct zc_service_name name;
	zc_reader_options_t o;
	struct zc_reader *r = NULL;
	bool hazard = false;
	const char *bad;
	zc_result_t result;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       pool ? "out" : "pool");
	if (!zc_role_usable(pool->alive, &pool->evicted))
		return zc_role_fail(pool, pool->alive);
	result = zc_pool_joined(pool);
	if (result == ZC_OK)
		result = zc_reader_options_check(&pool->view, &o, options);
	if (result)
		return result;
	bad = zc_service_parse(&name, o.service);
	if (bad && !o.service)
		return zc_fail(ZC_ERROR_INVALID, "options: .service is NULL: %s", bad);
	if (bad)
		return zc_fail(ZC_ERROR_INVALID, "service \"%s\": %s", o.service, bad);
	if (o.type) {
		result = zc_type_check(o.type);
		if (result)
			return result;
	}
	result = zc_reader_alloc(pool, o.max_holds, &r);
	if (result)
		return result;
	result = pool->backend->reader_join(r, &name, &o, &hazard);
	if (result) {
		zc_reader_free(r);
		return result;
	}
	result = zc_reader_type_join(r, o.type, o.service);
	if (!result)
		result = zc_reader_mail_open(r);
	if (result) {
		pool->backend->reader_leave(r);
		zc_reader_free(r);
		return result;
	}
	r->spin_ns = o.spin_ns;
	r->guard_release = o.guard_release;
	zc_reader_begin(r, &o, hazard);

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

	if (!r || !r->pool || zc_handlers_run(&r->mail->handlers))
		return;
	zc_store_release(&r->closed, 1);
	zora_forget(&r->zora, r->alive);
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
			r->pool->backend->reader_leave(r);
			zc_event_emit(r->pool, ZC_EVENT_READER_LEFT,
				      r->pool->member, 0, r->writer, r->id, 0,
				      0);
			zc_epoch_bump(r->pool);
		}
	}
	zc_reader_strip(r);
	r->pool = NULL;
	zc_role_end(r);
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
	s.changed = r->changed;
	s.held = r->held_nr - r->free_held_nr;
	s.lag = head > r->cursor ? head - r->cursor : 0;
	return zc_info_copy(stats, stats->sz, &s, sizeof(s));
}

uint32_t zc_reader_id(const zc_reader_t *r)
{
	return r ? r->id : ~0U;
}
