// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_reclaim.c - a writer takes back its own messages.
 *
 * The four steps of DESIGN section 4, a bounded batch at a time.
 */
#include "core/moves.h"
#include "role.h"

#define ZC_RECLAIM_BATCH 64U

/* May blocks be kept for reuse, or does somebody need the memory more? */
static bool zc_may_keep(const struct zc_writer *w, bool starving)
{
	return !starving &&
	       !zc_load_relaxed(&w->pool->view.header->waiting_writers);
}

/*
 * Go round in at least 128 blocks, so that a generation does not wrap within a
 * minute.  Payloads of half a page and more go round in 8 MiB, past the
 * second-level cache: storing to lines that another core has just read is slow.
 * But never in more than a part of a small pool.
 */
static u64 zc_footprint_of(const struct zc_writer *w, u32 granules)
{
	u64 bytes = 128ULL * granules << w->granule_shift;
	u64 most = zc_granules(&w->pool->view) / 128 << w->granule_shift;

	if ((u64)granules << w->granule_shift >= 2048 && bytes < (8u << 20))
		bytes = 8u << 20;
	if (bytes > (64u << 20))
		bytes = 64u << 20;
	if (bytes > most)
		bytes = most;
	return bytes >> w->granule_shift;
}

static inline u64 zc_footprint(struct zc_writer *w, u32 granules)
{
	if (zc_likely(w->footprint_for == granules))
		return w->footprint_now;
	w->footprint_for = granules;
	w->footprint_now = w->footprint_granules ?
				   w->footprint_granules :
				   zc_footprint_of(w, granules);
	return w->footprint_now;
}

bool zc_below_footprint(struct zc_writer *w, u32 granules)
{
	return w->used_granules + granules <= zc_footprint(w, granules);
}

/* What the quota is charged with; numbers from shared memory may be wrong. */
static void zc_discharge(struct zc_writer *w, u64 granules)
{
	w->used_granules -= granules < w->used_granules ? granules :
							  w->used_granules;
}

/* A block is CLEAN, mine, and held by nobody. */
static inline void zc_finish(struct zc_writer *w, u32 granule, u64 word,
			     bool keep)
{
	u64 *p = &w->descs[granule].word;
	u32 n = zc_word_length(word);

	if (zc_likely(keep && w->kept_granules + n <= zc_footprint(w, n))) {
		word = zc_move_keep(p, word, ZC_OWNER_WRITER(w->id));
		if (zc_kept_push(w, granule, word))
			return;
	}
	zc_discharge(w, n);
	zc_writer_give_back(w, granule);
}

/* A held block leaves the ring. Returns false when the array is full. */
static bool zc_defer(struct zc_writer *w, u32 granule, u32 generation,
		     u64 sequence, u32 charge)
{
	struct zc_view *v = &w->pool->view;
	struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 i;

	for (i = 0; i < v->deferred_entries; i++)
		if (!zc_load_relaxed(&d[i].sequence))
			break;
	if (i == v->deferred_entries)
		return false;
	zc_store_relaxed(&d[i].granule, granule);
	zc_store_relaxed(&d[i].generation, generation);
	zc_store_relaxed(&d[i].bytes, charge);
	/* [D1] the entry before its sequence, and before the ring slot is used
	 * again; pairs with [D1] in zc_slot_reclaim() and zc_adopt(). */
	zc_store_release(&d[i].sequence, sequence);
	if (i >= zc_load_relaxed(&w->area->deferred_nr))
		zc_store_release(&w->area->deferred_nr, i + 1);
	w->deferred_used++;
	ZC_KILLPOINT(reclaim_deferred);
	return true;
}

/* One deferred block. Returns 1 when its entry is free again. */
static bool zc_deferred_one(struct zc_writer *w, struct zc_deferred_entry *d,
			    bool keep)
{
	struct zc_view *v = &w->pool->view;
	u64 s = zc_load_relaxed(&d->sequence);
	u32 granule = zc_load_relaxed(&d->granule);
	u32 generation = zc_load_relaxed(&d->generation);
	u64 word;

	if (granule >= zc_granules(v))
		goto gone;
	word = zc_load_acquire(&w->descs[granule].word);
	if (zc_word_generation(word) != generation ||
	    zc_word_owner(word) != ZC_OWNER_WRITER(w->id) ||
	    zc_load_relaxed(&w->descs[granule].sequence) != s)
		goto gone;
	if (zc_sequence_held(v, w->id, s))
		return false;
	if (zc_word_state(word) == ZC_STATE_USING) {
		if (!zc_move_reclaim(&w->descs[granule].word, &word,
				     ZC_OWNER_WRITER(w->id)))
			goto gone;
		ZC_KILLPOINT(deferred_clean);
		zc_fence_full();	/* [R4] */
		if (zc_sequence_held(v, w->id, s))
			return false;	/* stays CLEAN until it lets go */
	} else if (zc_word_state(word) != ZC_STATE_CLEAN) {
		goto gone;
	}
	zc_finish(w, granule, word, keep);
	ZC_KILLPOINT(deferred_freed);
	zc_store_release(&d->sequence, 0);
	return true;
gone:
	zc_discharge(w, zc_load_relaxed(&d->bytes));
	zc_store_release(&d->sequence, 0);
	return true;
}

void zc_deferred_leave(struct zc_writer *w)
{
	struct zc_view *v = &w->pool->view;
	struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 nr = zc_load_relaxed(&w->area->deferred_nr);
	u32 i;

	for (i = 0; i < nr && i < v->deferred_entries; i++) {
		u32 granule = zc_load_relaxed(&d[i].granule);
		u64 word;

		if (!zc_load_relaxed(&d[i].sequence) ||
		    granule >= zc_granules(v))
			continue;
		word = zc_load_acquire(&w->descs[granule].word);
		if (zc_word_state(word) != ZC_STATE_CLEAN ||
		    zc_word_owner(word) != ZC_OWNER_WRITER(w->id) ||
		    zc_word_generation(word) != zc_load_relaxed(&d[i].generation))
			continue;
		zc_move_orphan(&w->descs[granule].word, word);
		word = zc_load_acquire(&w->descs[granule].word);
		if (zc_word_owner(word) == ZC_OWNER_ORPHAN)
			zc_orphan_finish(v, granule, word);
	}
}

static u32 zc_reclaim_deferred(struct zc_writer *w, bool keep, u32 budget)
{
	struct zc_view *v = &w->pool->view;
	struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 nr = zc_load_relaxed(&w->area->deferred_nr);
	u32 done = 0, i;

	if (nr > v->deferred_entries)
		nr = v->deferred_entries;
	for (i = 0; i < nr && w->deferred_used && budget; i++) {
		struct zc_deferred_entry *e;

		if (w->deferred_next >= nr)
			w->deferred_next = 0;
		e = &d[w->deferred_next++];
		if (!zc_load_relaxed(&e->sequence))
			continue;
		budget--;
		if (zc_deferred_one(w, e, keep)) {
			w->deferred_used--;
			done++;
		}
	}
	while (nr && !zc_load_relaxed(&d[nr - 1].sequence))
		nr--;
	zc_store_release(&w->area->deferred_nr, nr);
	return done;
}

/* Remembers that what the snapshot relied on is fenced now. */
static void zc_note_fenced(struct zc_writer *w)
{
	u32 r;

	for (r = 0; r < ZC_MAX_READERS_PER; r++) {
		const struct zc_floor *f = &w->area->floor[r];

		w->fenced[r].floor = zc_load_acquire(&f->floor);
		w->fenced[r].cut_incarnation =
			zc_load_acquire(&f->cut_incarnation);
	}
}

/* How far the writer may go before it has to look at its readers again. */
static void zc_set_credit(struct zc_writer *w, const struct zc_snapshot *snap)
{
	u64 room = snap->lag_from + w->lag_limit;

	w->blocked_by = snap->slowest;
	w->credit = w->tail + w->ring_mask;
	if (room < w->credit)
		w->credit = room;
}

/* Steps 1 and 2 of reclaim. */
static void zc_look(struct zc_writer *w, struct zc_snapshot *snap)
{
	struct zc_view *v = &w->pool->view;

	zc_snapshot_take(v, w->id, w->head, w->fenced, snap);
	if (zc_unlikely(snap->unfenced)) {
		struct zc_floor before[ZC_MAX_READERS_PER];

		memcpy(before, w->fenced, sizeof(before));
		zc_note_fenced(w);
		/* [F1] floors before holds. */
		if (zc_membarrier()) {
			zc_snapshot_take(v, w->id, w->head, w->fenced, snap);
		} else {
			memcpy(w->fenced, before, sizeof(before));
		}
		if (snap->unfenced)
			snap->limit = w->tail;
	}
	zc_set_credit(w, snap);
}

u32 zc_writer_reclaim(struct zc_writer *w, bool starving)
{
	struct zc_view *v = &w->pool->view;
	bool keep = zc_may_keep(w, starving);
	struct { u64 word; u64 sequence; u32 granule; u32 charge; }
		clean[ZC_RECLAIM_BATCH];
	struct zc_snapshot snap;
	struct zc_holds holds;
	u64 limit, s;
	u32 done = 0, nr = 0, hazard, i;

	zc_writer_publish_stats(w);
	if (w->deferred_used)
		done = zc_reclaim_deferred(w, keep, starving ? 256 : 16);
	zc_look(w, &snap);
	limit = snap.limit;
	if (w->history && !starving) {
		u64 oldest = w->head > w->history ? w->head - w->history : 1;

		if (limit > oldest)
			limit = oldest;
	}
	if (limit > w->tail + ZC_RECLAIM_BATCH)
		limit = w->tail + ZC_RECLAIM_BATCH;
	if (limit <= w->tail)
		return done;
	zc_holds_gather(v, w->id, snap.active, w->tail, &holds);

	/* Step 3: CLEAN, all of the batch; then one fence, one more look. */
	for (s = w->tail; s < limit; s++) {
		struct zc_ring_entry *e = &w->ring[s & w->ring_mask];
		u32 granule = zc_load_relaxed(&e->granule);
		u32 generation = zc_load_relaxed(&e->generation);
		u32 charge = w->charge[s & w->ring_mask];
		u64 word;

		if (zc_holds_test(&holds, s)) {
			if (!zc_block_is(v, w->id, granule, generation, s,
					 &word))
				zc_discharge(w, charge);
			else if (!zc_defer(w, granule, generation, s, charge))
				break;
			continue;
		}
		if (!zc_block_reclaim(v, w->id, granule, generation, s,
				      ZC_OWNER_WRITER(w->id), &word)) {
			zc_discharge(w, charge);	/* somebody else did */
			continue;
		}
		clean[nr].word = word;
		clean[nr].sequence = s;
		clean[nr].granule = granule;
		clean[nr++].charge = charge;
	}
	limit = s;
	zc_fence_full();	/* [R4] CLEAN before the holds */
	hazard = zc_hazard_readers(v, w->id);
	if (zc_unlikely(hazard))
		zc_holds_gather(v, w->id, hazard, w->tail, &holds);
	ZC_KILLPOINT(reclaim_checked);
	for (i = 0; i < nr; i++) {
		if (zc_unlikely(hazard) &&
		    zc_holds_test(&holds, clean[i].sequence)) {
			/* Stays CLEAN until it lets go. */
			if (!zc_defer(w, clean[i].granule,
				      zc_word_generation(clean[i].word),
				      clean[i].sequence, clean[i].charge)) {
				zc_move_orphan(&w->descs[clean[i].granule].word,
					       clean[i].word);
				zc_discharge(w, clean[i].charge);
			}
			continue;
		}
		zc_finish(w, clean[i].granule, clean[i].word, keep);
		done++;
		ZC_KILLPOINT(reclaim_freed);
	}
	/* Step 4: only now may the ring slots be used again. */
	w->tail = limit;
	zc_store_release(&w->area->tail, limit);
	ZC_KILLPOINT(reclaim_tail);
	zc_set_credit(w, &snap);
	return done;
}

/* Raises the floor of one reader, or cuts it off. */
static bool zc_push_reader(struct zc_writer *w, u32 r, u64 target)
{
	struct zc_view *v = &w->pool->view;
	struct zc_reader_slot *rs = zc_reader_slot(v, w->id, r);
	struct zc_reader_area *ra = zc_reader_area(v, w->id, r);
	struct zc_floor *f = &w->area->floor[r];
	u32 incarnation = zc_life_incarnation(zc_load_acquire(&rs->life));
	u64 floor = zc_load_acquire(&f->floor);
	u64 from = 0;

	if (zc_load_acquire(&ra->incarnation) == incarnation)
		from = zc_load_acquire(&ra->cursor);
	if (from && from < zc_load_relaxed(&ra->join))
		from = zc_load_relaxed(&ra->join);
	if (from >= target || floor >= target ||
	    zc_load_relaxed(&f->cut_incarnation) == incarnation)
		return false;
	if (w->fence_commits && !zc_load_acquire(&ra->fencing)) {
		/* No membarrier here: ask it to fence its polls. */
		zc_store_release(&f->fence_wanted, 1);
		return false;
	}
	/* A joiner that does not get on is no slow reader: floor it, uncounted. */
	if (w->on_slow == ZC_SLOW_DISCONNECT && from) {
		zc_store_release(&f->cut_incarnation, incarnation);
		ZC_KILLPOINT(cut_stored);
		w->stat_disconnected++;
		zc_event_emit(w->pool, ZC_EVENT_READER_DISCONNECTED,
			      zc_life_member(zc_load_relaxed(&rs->life)),
			      ZC_OWNER_WRITER(w->id), w->id, r, 0, 0);
		return true;
	}
	while (floor < target)
		if (zc_cas64(&f->floor, &floor, target)) {
			ZC_KILLPOINT(floor_raised);
			if (from)
				w->stat_dropped += target -
					(from > floor ? from : floor);
			return true;
		}
	return false;
}

bool zc_writer_push_slow(struct zc_writer *w, bool memory)
{
	struct zc_view *v = &w->pool->view;
	struct zc_snapshot snap;
	bool pushed = false;
	u64 target;
	u32 mask;

	/* Scarce memory may be anybody's fault: it cuts nobody off. */
	if (w->on_slow == ZC_SLOW_BLOCK ||
	    (memory && w->on_slow == ZC_SLOW_DISCONNECT))
		return false;
	zc_look(w, &snap);
	if (snap.slowest == ~0U || snap.limit >= w->head)
		return false;
	/* A little more than needed, so that it is not done for each message. */
	target = w->head + w->inflight + 1 + w->lag_limit / 32;
	target = target > w->lag_limit ? target - w->lag_limit : 1;
	if (memory && target < snap.limit + (w->head - snap.limit) / 8 + 1)
		target = snap.limit + (w->head - snap.limit) / 8 + 1;
	if (target > w->head)
		target = w->head;
	for (mask = snap.active; mask; mask &= mask - 1) {
		u32 r = __builtin_ctz(mask);

		if (!(zc_load_relaxed(&zc_reader_slot(v, w->id, r)->flags) &
		      ZC_READER_HAZARD) &&
		    zc_push_reader(w, r, target))
			pushed = true;
	}
	/* The membarrier is in zc_look(), before holds are read. */
	ZC_KILLPOINT(floor_fenced);
	return pushed;
}
