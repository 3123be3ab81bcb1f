// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer.c - becoming and ceasing to be a writer.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/moves.h"
#include "backend.h"
#include "guard.h"
#include "role_mail.h"
#include "zora.h"

/* The deferred blocks of an earlier writer of this slot; its tail is known. */
static void zc_adopt_deferred(struct zc_writer *w)
{
	struct zc_view *v = &w->pool->view;
	struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 nr = zc_load_relaxed(&w->area->deferred_nr);
	u64 word;
	u32 i;

	/* Nothing was ever published: there may be no memory behind the array. */
	if (w->head == 1)
		return;
	for (i = 0; i < v->deferred_entries; i++) {
		u64 s = zc_load_acquire(&d[i].sequence);	/* [D1] */

		if (!s) {
			if (i < nr)
				continue;
			break;
		}
		if (i < nr && s < w->tail &&
		    zc_block_is(v, w->id, zc_load_relaxed(&d[i].granule),
				zc_load_relaxed(&d[i].generation), s, &word)) {
			zc_store_relaxed(&d[i].bytes, zc_word_length(word));
			w->used_granules += zc_word_length(word);
			w->deferred_used++;
		} else {
			/*
			 * Gone, or still in the ring: the writer died between
			 * deferring it and moving its tail.  An earlier version
			 * of the library may have died before it said that it
			 * uses the entry, too.
			 */
			zc_store_release(&d[i].sequence, 0);
		}
	}
}

/*
 * What an earlier writer of this slot left: head, unread blocks, deferred ones.
 * It inherits nothing claimed: the reaper, or the leaver himself, returned that.
 */
static void zc_adopt(struct zc_writer *w)
{
	struct zc_view *v = &w->pool->view;
	u32 entries = w->ring_mask + 1;
	u64 head, s, word;

	head = zc_load_acquire(&w->area->head);
	if (!head) {
		head = 1;
		zc_store_release(&w->area->head, head);
	}
	/* This one fences; its predecessor's word does not count. */
	zc_store_release(&w->area->unfenced, 0);
	w->head = head;
	w->first = head;
	w->tail = head;
	/* A slot may have been entered past a head that nobody advanced yet only
	 * if its writer died, and then the reaper has advanced it. */
	for (s = head > entries ? head - entries : 1; s < head; s++) {
		struct zc_entry e;

		w->sent[s & w->ring_mask] = (struct zc_sent){ 0 };
		if (!zc_entry_load(&w->ring[s & w->ring_mask], s, &e) ||
		    !zc_block_is(v, w->id, e.granule, e.generation, s, &word))
			continue;
		if (w->tail == head)
			w->tail = s;
		w->sent[s & w->ring_mask].word = word;
		w->sent[s & w->ring_mask].granule = e.granule;
		w->used_granules += zc_word_length(word);
	}
	/* Before a deferred one is left to the ring: whoever dies between must not
	 * leave it to neither.  Too low does no harm. */
	zc_store_release(&w->area->tail, w->tail);
	zc_adopt_deferred(w);
	/* A dead predecessor was alone with no more than a batch. */
	zc_store_release(&w->area->own_below, w->tail);
	zc_store_relaxed(&w->area->io_nr, 0);
	zc_store_relaxed(&w->area->wanted_granules, 0);
	zc_and64(&v->hints->waiting_writers, ~(1ULL << w->id));
	w->keep_pos = w->tail;
	w->room = 0;		/* the first acquire looks */
}

static zc_result_t zc_writer_alloc(struct zc_pool *pool,
				   const zc_writer_options_t *o,
				   struct zc_writer **out)
{
	struct zc_view *v = &pool->view;
	struct zc_writer *w;
	zc_result_t result;
	u32 i;

	w = aligned_alloc(ZC_CACHE_LINE,
			  (sizeof(*w) + ZC_CACHE_LINE - 1) & ~(ZC_CACHE_LINE - 1UL));
	if (!w)
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	memset(w, 0, sizeof(*w));
	result = zc_seal_init(&w->seal);
	if (result != ZC_OK) {
		free(w);
		return result;
	}
	w->alive = pool->alive;
	w->pool = pool;
	w->ring_mask = v->ring_mask;
	w->granule_shift = v->granule_shift;
	w->descs = v->descs;
	w->data = pool->data;
	w->guard = zc_guard_choose(o->guard, zc_load_relaxed(&v->header->guard));
	w->guard_bytes = w->guard != ZC_MODE_OFF ? ZC_GUARD_BYTES : 0;
	w->behind = w->guard_bytes;
	w->max_bytes = ((u64)v->segment_granules << v->granule_shift) - w->guard_bytes;
	w->fast_bytes = w->guard == ZC_MODE_OFF ? w->max_bytes : 0;
	w->timestamps = !o->no_timestamp;
	w->fence_commits = true;
	w->membarrier = pool->caps & ZC_CAP_MEMBARRIER;
	w->footprint_granules = o->footprint_bytes >> v->granule_shift;
	w->quota_granules = o->quota_bytes ? o->quota_bytes >> v->granule_shift :
					     ~0ULL >> 1;
	w->lag_limit = o->lag_limit ? o->lag_limit : (v->ring_mask + 1) / 4 * 3;
	w->history = o->overwrite && !o->history ? 1 : o->history;
	w->on_slow = o->overwrite ? ZC_SLOW_DROP_OLDEST : (u32)o->on_slow;
	w->claims_nr = o->max_inflight ? o->max_inflight :
					 (v->ring_mask + 1) / 2;
	w->tickets_mask = ~0ULL;
	w->claims = aligned_alloc(ZC_CACHE_LINE,
				  w->claims_nr * sizeof(*w->claims));
	w->free_claims = calloc(w->claims_nr, sizeof(*w->free_claims));
	w->sent = calloc(v->ring_mask + 1, sizeof(*w->sent));
	if (!w->claims || !w->free_claims || !w->sent) {
		free(w->claims);
		free(w->free_claims);
		free(w->sent);
		free(w);
		return zc_fail(ZC_ERROR_NO_MEMORY, "out of memory");
	}
	memset(w->claims, 0, w->claims_nr * sizeof(*w->claims));
	for (i = 0; i < w->claims_nr; i++) {
		w->claims[i].place.location = zc_location_first(&w->seal, i);
		w->free_claims[i] = w->claims_nr - 1 - i;
	}
	w->free_claims_nr = w->claims_nr;
	*out = w;
	return ZC_OK;
}

static void zc_writer_strip(struct zc_writer *w)
{
	u32 i;

	zc_role_mail_free(w->mail);
	free(w->tags.bytes);
	free(w->claims);
	free(w->free_claims);
	free(w->sent);
	for (i = 0; i < ZC_BINS; i++)
		free(w->bins[i].kept);
}

static void zc_writer_free(struct zc_writer *w)
{
	zc_writer_strip(w);
	free(w);
}

static zc_result_t zc_writer_options_check(const struct zc_view *v,
					   zc_writer_options_t *to,
					   const zc_writer_options_t *from)
{
	const zc_writer_options_t init = ZC_WRITER_OPTIONS_INIT;
	zc_result_t result;

	*to = init;
	if (!from)
		return zc_fail(ZC_ERROR_INVALID,
			       "options are needed: set .service");
	result = zc_options_copy(to, sizeof(*to), from, from->sz,
				 "zc_writer_options_t");
	if (result)
		return result;
	if ((u32)to->on_slow > ZC_ON_SLOW_DISCONNECT)
		return zc_fail(ZC_ERROR_INVALID, "on_slow is %d: unknown",
			       (int)to->on_slow);
	if (zc_guard_choose(to->guard, ZC_MODE_OFF) == ~0U)
		return zc_fail(ZC_ERROR_INVALID, "guard is %d: unknown", (int)to->guard);
	if (to->lag_limit > v->ring_mask)
		return zc_fail(ZC_ERROR_INVALID,
			       "lag_limit is %u: it must be below the ring's %u entries",
			       to->lag_limit, v->ring_mask + 1);
	if (to->history >= v->ring_mask)
		return zc_fail(ZC_ERROR_INVALID,
			       "history is %u: it may be %u at most, the ring's entries less two",
			       to->history, v->ring_mask - 1);
	if (to->max_inflight > v->ring_mask)
		return zc_fail(ZC_ERROR_INVALID,
			       "max_inflight is %u: it must be below the ring's %u entries",
			       to->max_inflight, v->ring_mask + 1);
	if (to->max_inflight > ZC_HANDLE_INDEX_MASK)
		to->max_inflight = ZC_HANDLE_INDEX_MASK;
	return ZC_OK;
}

zc_result_t zc_writer_register(zc_pool_t *pool,
			       const zc_writer_options_t *options,
			       zc_writer_t **out)
{
	struct zc_service_name name;
	zc_writer_options_t o;
	struct zc_writer *w = NULL;
	const char *bad;
	zc_result_t result;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       pool ? "out" : "pool");
	if (!zc_role_usable(pool->alive, &pool->evicted))
		return zc_role_fail(pool, pool->alive);
	result = zc_writer_options_check(&pool->view, &o, options);
	if (result)
		return result;
	bad = zc_service_parse(&name, o.service);
	if (bad && !o.service)
		return zc_fail(ZC_ERROR_INVALID, "options: .service is NULL: %s", bad);
	if (bad)
		return zc_fail(ZC_ERROR_INVALID, "service \"%s\": %s", o.service, bad);
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s was opened without write permission",
			       pool->name);
	result = zc_data_writable(pool);
	if (result)
		return result;
	result = zc_writer_alloc(pool, &o, &w);
	if (result)
		return result;
	result = zc_writer_tags_init(w, o.type, o.type_room);
	if (result == ZC_OK)
		result = pool->backend->writer_join(w, &name, &o);
	if (result) {
		zc_writer_free(w);
		return result;
	}
	/* Who is there already costs the first messages no system call. */
	pool->backend->readers_map(pool, w->id);
	w->rotor = w->id * (zc_segments(&pool->view) * ZC_STRIPES /
			    ZC_MAX_WRITERS);
	/* What its predecessor had may be anywhere. */
	result = pool->backend->map_more(pool);
	if (!result)
		result = zc_writer_type_join(w, o.type, o.service);
	if (!result)
		result = zc_writer_mail_open(w);
	if (result) {
		pool->backend->writer_leave(w);
		zc_writer_free(w);
		return result;
	}
	zc_adopt(w);
	zc_guard_publish(w);
	zc_store_release(&w->area->incarnation, w->incarnation);
	ZC_KILLPOINT(writer_adopted);

	pthread_mutex_lock(&pool->lock);
	w->next = pool->writers;
	pool->writers = w;
	pthread_mutex_unlock(&pool->lock);
	zc_event_emit(pool, ZC_EVENT_WRITER_JOINED, pool->member,
		      ZC_OWNER_WRITER(w->id), w->id, ~0U, 0, 0);
	zc_futex_wake((u32 *)&w->area->head);
	zc_epoch_bump(pool);
	*out = w;
	return ZC_OK;
}

static void zc_writer_leave(struct zc_writer *w)
{
	struct zc_pool *pool = w->pool;
	u32 i;

	if (!zc_role_usable(w->alive, &pool->evicted))
		return;		/* nothing here is ours any more */
	for (i = 0; i < w->claims_nr; i++)
		if (zc_location_in_use(w->claims[i].place.location))
			zc_writer_give_back(w, w->claims[i].granule);
	zc_kept_flush(w);
	zc_cached_return(w);
	zc_deferred_leave(w);
	ZC_KILLPOINT(writer_returning);
	zc_store_release(&w->area->wanted_granules, 0);
	zc_and64(&pool->view.hints->waiting_writers, ~(1ULL << w->id));
	zc_writer_publish_stats(w);
	pool->backend->writer_leave(w);
	ZC_KILLPOINT(writer_left);
	zc_event_emit(pool, ZC_EVENT_WRITER_LEFT, pool->member,
		      ZC_OWNER_WRITER(w->id), w->id, ~0U, 0, 0);
	zc_epoch_bump(pool);
}

void zc_writer_unregister(zc_writer_t *w)
{
	struct zc_writer **p;

	if (!w || !w->pool || zc_handlers_run(&w->mail->handlers))
		return;
	zc_store_release(&w->closed, 1);
	zora_forget(&w->zora, w->alive);
	if (*w->alive) {
		pthread_mutex_lock(&w->pool->lock);
		for (p = &w->pool->writers; *p; p = &(*p)->next)
			if (*p == w) {
				*p = w->next;
				break;
			}
		pthread_mutex_unlock(&w->pool->lock);
	}
	zc_writer_leave(w);
	zc_writer_strip(w);
	w->pool = NULL;
	zc_role_end(w);
}

static u64 zc_acquired(const struct zc_writer *w)
{
	return w->head - w->first + w->stat_cancelled + zc_inflight(w);
}

void zc_writer_publish_stats(struct zc_writer *w)
{
	zc_store_relaxed(&w->area->used_bytes,
			 w->used_granules << w->granule_shift);
	zc_store_relaxed(&w->area->stat_acquired, zc_acquired(w));
	zc_store_relaxed(&w->area->stat_cancelled, w->stat_cancelled);
	zc_store_relaxed(&w->area->stat_dropped, w->stat_dropped);
	zc_store_relaxed(&w->area->stat_disconnected, w->stat_disconnected);
	zc_store_relaxed(&w->area->stat_timeouts, w->stat_timeouts);
	zc_store_relaxed(&w->area->stat_wakes, w->stat_wakes);
	zc_store_relaxed(&w->area->stat_bytes, w->stat_bytes);
}

zc_result_t zc_writer_get_stats(const zc_writer_t *w, zc_writer_stats_t *stats)
{
	zc_writer_stats_t s = { 0 };

	if (!w || !stats)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       w ? "stats" : "writer");
	s.committed = w->head - w->first;
	s.committed_bytes = w->stat_bytes;
	s.acquired = zc_acquired(w);
	s.cancelled = w->stat_cancelled;
	s.dropped = w->stat_dropped;
	s.disconnected = w->stat_disconnected;
	s.timeouts = w->stat_timeouts;
	s.wakes = w->stat_wakes;
	s.held_bytes = w->used_granules << w->granule_shift;
	s.inflight = zc_inflight(w);
	s.next_sequence = w->head;
	return zc_info_copy(stats, stats->sz, &s, sizeof(s));
}

uint32_t zc_writer_id(const zc_writer_t *w)
{
	return w ? w->id : ~0U;
}
