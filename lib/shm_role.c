// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_role.c - becoming and ceasing to be a writer or reader on plain shared memory.
 *
 * There is no steward: a slot is taken by CAS, a service is made by CAS, whoever
 * finds a dead one in the way reaps it.
 */
#include "backend.h"
#include "role.h"
#include "shm.h"

/* --- services ------------------------------------------------------------------ */

/* Finds or makes the service; its writer region has memory then. */
static zc_result_t zc_service_enter(struct zc_pool *pool,
			     const struct zc_service_name *name, u32 *idx,
			     u64 *word)
{
	struct zc_view *v = &pool->view;
	u32 tries, removed;
	bool created;

	for (tries = 0; tries < 1000; tries++) {
		int i = zc_service_open(v, name, pool->member, ~0U, word, &created,
					&removed);
		zc_result_t result;

		if (removed != ~0U)
			zc_event_emit(pool, ZC_EVENT_SERVICE_REMOVED,
				      pool->member, 0, removed, ~0U, 0, 0);
		if (i == -1)
			return zc_fail(ZC_ERROR_SLOTS,
				       "all %u services of pool %s are in use: end the roles of one, or "
				       "make another pool",
				       ZC_MAX_WRITERS, pool->name);
		if (i < 0) {
			/* Rivals may abort each other: drift apart. */
			u32 spins = (pool->member * 7 + tries * 13) % 64;

			while (spins--)
				zc_pause();
			continue;
		}
		result = zc_shm_control_allocate(
			pool,
			(u64)((char *)zc_writer_area(v, i) -
			      (char *)pool->control),
			v->writer_area_bytes);
		if (result)
			return result;
		if (created) {
			zc_event_emit(pool, ZC_EVENT_SERVICE_ADDED,
				      pool->member, 0, i, ~0U, 0, 0);
			zc_epoch_bump(pool);
		}
		*idx = (u32)i;
		return ZC_OK;
	}
	return zc_fail(ZC_ERROR_BUSY,
		       "too many processes make services at a time: try again");
}

/* --- writers -------------------------------------------------------------------- */

/* Takes the slot of service @idx. */
static zc_result_t zc_writer_take_slot(struct zc_writer *w, u32 idx,
				       const char *service)
{
	struct zc_pool *pool = w->pool;
	struct zc_view *v = &pool->view;
	u64 *word = &v->writer_slots[idx].life;
	u32 tries;

	for (tries = 0; tries < 8; tries++) {
		u64 life = zc_load_acquire(word);
		u32 m = zc_life_member(life);

		if (zc_life_state(life) == ZC_LIFE_IDLE) {
			u32 inc = zc_life_incarnation(life) + 1;

			if (zc_cas64(word, &life,
				     zc_life(inc, pool->member, ZC_LIFE_LIVE))) {
				w->incarnation = inc;
				ZC_KILLPOINT(writer_slot);
				return ZC_OK;
			}
			continue;
		}
		/* Dead, and nobody has seen it yet? */
		if (m < ZC_MAX_MEMBERS && m != pool->member) {
			u64 ml = zc_load_acquire(&v->members[m].life);

			if (zc_life_state(ml) == ZC_LIFE_LIVE &&
			    zc_live_proven_dead(pool, m, ml))
				zc_member_declare_dead(v, m, ml, zc_timestamp());
		}
		zc_reap_all(pool);
		if (zc_load_acquire(word) == life)
			break;
	}
	return zc_fail(ZC_ERROR_BUSY,
		       "service %s has a live writer already, or its dead one is still being reaped",
		       service);
}

static zc_result_t zc_shm_writer_join(struct zc_writer *w,
				      const struct zc_service_name *name,
				      const zc_writer_options_t *o)
{
	struct zc_pool *pool = w->pool;
	struct zc_view *v = &pool->view;
	struct zc_writer_slot *slot;
	zc_result_t result;
	u64 word;
	u32 idx;

	for (;;) {
		result = zc_service_enter(pool, name, &idx, &word);
		if (result)
			return result;
		result = zc_writer_take_slot(w, idx, o->service);
		if (result)
			return result;
		if (zc_service_unchanged(v, idx, name, word))
			break;
		/* The entry changed its name under us: not this one. */
		word = zc_life(w->incarnation, pool->member, ZC_LIFE_LIVE);
		zc_cas64(&v->writer_slots[idx].life, &word,
			 zc_life(w->incarnation, 0, ZC_LIFE_IDLE));
	}
	w->id = idx;
	w->area = zc_writer_area(v, idx);
	w->ring = zc_ring(v, idx);
	slot = w->slot = &v->writer_slots[idx];
	zc_store_relaxed(&slot->on_slow, w->on_slow);
	zc_store_relaxed(&slot->flags, o->overwrite ? ZC_SERVICE_OVERWRITE : 0);
	zc_store_relaxed(&slot->history, (u32)w->history);
	zc_store_relaxed(&slot->lag_limit, (u32)w->lag_limit);
	zc_store_relaxed(&slot->quota_bytes, o->quota_bytes);
	zc_store_release(&slot->caps, pool->caps);
	return ZC_OK;
}

static void zc_shm_writer_leave(struct zc_writer *w)
{
	u64 life = zc_life(w->incarnation, w->pool->member, ZC_LIFE_LIVE);

	zc_cas64(&w->slot->life, &life,
		 zc_life(w->incarnation, 0, ZC_LIFE_IDLE));
}

/* --- readers -------------------------------------------------------------------- */

/*
 * ZC_ERROR_SLOTS: without a sentence.  The region is there before the reader is: its
 * writer, who looks at the readers that live, allocates nothing.
 */
static zc_result_t zc_reader_take_slot(struct zc_reader *r, u32 w)
{
	struct zc_pool *pool = r->pool;
	struct zc_view *v = &pool->view;
	zc_result_t result;
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
		result = zc_shm_control_allocate(
			pool,
			(u64)((char *)zc_reader_area(v, w, i) - (char *)pool->control),
			v->reader_area_bytes);
		if (result)
			return result;
		if (zc_cas64(word, &life,
			     zc_life(inc, pool->member, ZC_LIFE_LIVE))) {
			r->id = i;
			r->writer = w;
			r->incarnation = inc;
			ZC_KILLPOINT(reader_slot);
			return ZC_OK;
		}
	}
	return ZC_ERROR_SLOTS;
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
	zc_store_relaxed(&a->wake_bits, 0);
	/* What its predecessor did at each poll says nothing of it. */
	zc_store_relaxed(&a->fencing, 0);
	zc_store_relaxed(&a->overflow_high, 0);
	zc_store_relaxed(&a->io_nr, 0);
	zc_store_relaxed(&a->begin, 0);
	zc_store_relaxed(&a->stat_lost, 0);
	zc_store_relaxed(&a->stat_sleeps, 0);
	zc_store_relaxed(&a->stat_corrupt, 0);
	/* [J1] a clean region before its incarnation; pairs with [J1] in
	 * zc_snapshot_take(). */
	zc_store_release(&a->incarnation, r->incarnation);
	ZC_KILLPOINT(reader_zeroed);
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
		result = zc_reader_take_slot(r, idx);
		if (result == ZC_ERROR_SLOTS) {
			if (!reaped) {
				reaped = true;
				zc_live_scan(pool);
				zc_reap_all(pool);
				continue;
			}
			return zc_fail(ZC_ERROR_SLOTS,
				       "service %s has %u readers, which is all it can: end one of them",
				       service, ZC_MAX_READERS_PER);
		}
		if (result)
			return result;
		i = r->id;
		r->writer_area = zc_writer_area(v, idx);
		r->ring = zc_ring(v, idx);
		r->floor = &r->writer_area->floor[i];
		r->area = zc_reader_area(v, idx, i);
		if (zc_service_unchanged(v, idx, name, word))
			return ZC_OK;
		/* The entry changed its name under us. */
		word = zc_life(r->incarnation, pool->member, ZC_LIFE_LIVE);
		zc_cas64(&zc_reader_slot(v, idx, i)->life, &word,
			 zc_life(r->incarnation, 0, ZC_LIFE_IDLE));
	}
}

static zc_result_t zc_shm_reader_join(struct zc_reader *r,
				      const struct zc_service_name *name,
				      const zc_reader_options_t *o, bool *hazard)
{
	zc_result_t result = zc_reader_enter(r, name, o->service);
	struct zc_view *v = &r->pool->view;
	struct zc_writer_slot *slot;
	struct zc_reader_slot *rs;

	if (result)
		return result;
	zc_reader_region_init(r);
	slot = &v->writer_slots[r->writer];
	rs = zc_reader_slot(v, r->writer, r->id);
	*hazard = o->best_effort ||
		  zc_load_acquire(&slot->flags) & ZC_SERVICE_OVERWRITE;
	zc_store_relaxed(&rs->flags, *hazard ? ZC_READER_HAZARD :
				     o->history ? ZC_READER_HISTORY : 0);
	zc_store_relaxed(&rs->caps, r->pool->caps);
	if (*hazard || o->history)
		zc_mask_set(&slot->hazard, r->id);
	zc_mask_set(&slot->active, r->id);
	ZC_KILLPOINT(reader_active);
	return ZC_OK;
}

static void zc_shm_reader_leave(struct zc_reader *r)
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

/* --- cleaners ------------------------------------------------------------------- */

/* Its region is there before it is: who looks at it allocates nothing. */
static zc_result_t zc_node_area_make(struct zc_pool *pool, u32 c)
{
	const struct zc_view *v = &pool->view;

	return zc_shm_control_allocate(pool,
				       (u64)((char *)zc_node_area(v, c) -
					     (char *)pool->control),
				       v->node_area_bytes);
}

/* ZC_ERROR_SLOTS: without a sentence. */
static zc_result_t zc_cleaner_take_slot(struct zc_pool *pool, u32 *id,
					u32 *incarnation)
{
	zc_result_t result;
	u32 i;

	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		u64 *word = &pool->view.cleaner_slots[i].life;
		u64 life = zc_load_acquire(word);
		u32 inc = zc_life_incarnation(life) + 1;

		if (zc_life_state(life) != ZC_LIFE_IDLE)
			continue;
		/* Who was there before had one, and it stays. */
		result = zc_life_incarnation(life) ? ZC_OK : zc_node_area_make(pool, i);
		if (result)
			return result;
		if (zc_cas64(word, &life,
			     zc_life(inc, pool->member, ZC_LIFE_LIVE))) {
			*id = i;
			*incarnation = inc;
			ZC_KILLPOINT(cleaner_slot);
			return ZC_OK;
		}
	}
	return ZC_ERROR_SLOTS;
}

static zc_result_t zc_shm_cleaner_join(struct zc_pool *pool, u32 *id,
				       u32 *incarnation)
{
	zc_result_t result = zc_cleaner_take_slot(pool, id, incarnation);

	if (result == ZC_ERROR_SLOTS) {
		/* Some may be dead, and nobody has seen it yet. */
		zc_live_scan(pool);
		zc_reap_all(pool);
		result = zc_cleaner_take_slot(pool, id, incarnation);
	}
	if (result != ZC_ERROR_SLOTS)
		return result;
	return zc_fail(ZC_ERROR_SLOTS, "pool %s has %u cleaners, which is all it can: stop one",
		       pool->name, ZC_MAX_CLEANERS);
}

static void zc_shm_cleaner_leave(struct zc_pool *pool, u32 id, u32 incarnation)
{
	u64 life = zc_life(incarnation, pool->member, ZC_LIFE_LIVE);

	zc_cas64(&pool->view.cleaner_slots[id].life, &life,
		 zc_life(incarnation, 0, ZC_LIFE_IDLE));
	ZC_KILLPOINT(cleaner_left);
}

/* All regions are in the one control file. */
static void zc_shm_readers_map(struct zc_pool *pool, u32 w)
{
	(void)pool;
	(void)w;
}

/* --- the backend ----------------------------------------------------------------- */

static void zc_shm_bury(struct zc_pool *pool)
{
	zc_live_scan(pool);
	if (zc_reap_wanted(&pool->view))
		zc_reap_all(pool);
	zc_shm_segments_bury(pool);
}

const struct zc_backend_ops zc_shm_backend = {
	.id = ZC_BACKEND_SHM,
	.name = "plain shared memory",
	.create = zc_shm_create,
	.open = zc_shm_open,
	.still_named = zc_shm_still_named,
	.detach = zc_shm_detach,
	.remove = zc_shm_remove,
	.unname = zc_shm_unname,
	.remove_all = zc_shm_remove_all,
	.evict = zc_shm_evict,
	.list = zc_shm_list,
	.grow = zc_shm_grow,
	.shrink = zc_shm_shrink,
	.map_more = zc_shm_data_map_more,
	.data_open = zc_shm_data_open,
	.join = zc_member_join,
	.leave = zc_shm_leave,
	.writer_join = zc_shm_writer_join,
	.writer_leave = zc_shm_writer_leave,
	.reader_join = zc_shm_reader_join,
	.reader_leave = zc_shm_reader_leave,
	.cleaner_join = zc_shm_cleaner_join,
	.cleaner_leave = zc_shm_cleaner_leave,
	.readers_map = zc_shm_readers_map,
	.bury = zc_shm_bury,
	.watch = zc_shm_watch,
	.tell = zc_shm_event_tell,
	.next_event = zc_shm_event_next,
	.event_word = zc_shm_event_word,
};
