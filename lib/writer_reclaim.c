// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_reclaim.c - a writer takes back its own messages.
 *
 * The four steps of DESIGN section 4, a bounded batch at a time.
 */
#include "backend.h"
#include "core/moves.h"
#include "role.h"

#define ZC_RECLAIM_BATCH 64U
#define ZC_DRAIN_NS 100000000ULL
/* Fewer are sooner taken back one by one. */
#define ZC_BULK_LEAST 4U

/*
 * Has it more than it goes round in, because readers were behind?  Not if all of it is
 * still before them, or held.
 */
static bool zc_still_ahead(const struct zc_writer *w)
{
	return w->used_granules > w->footprint_now &&
	       (w->slowest_at < w->head - 1 || w->tail < w->slowest_at ||
		w->keep_pos != w->tail || w->kept_granules);
}

/* May blocks be kept for reuse, or does somebody need the memory more? */
static bool zc_may_keep(struct zc_writer *w, bool starving)
{
	const struct zc_view *v = &w->pool->view;

	w->ahead = zc_unlikely(w->ahead) && zc_still_ahead(w);
	return !starving && !(w->ahead && w->ahead_drop) &&
	       !zc_load_relaxed(&v->hints->waiting_writers) && !zc_draining(v);
}

/*
 * Go round in at least 128 blocks, so that a generation does not wrap within a
 * minute.  Payloads of half a page and more go round in 8 MiB, past the
 * second-level cache: storing to lines that another core has just read is slow.
 * More than that leaves the next cache, too; so large ones go round in four blocks:
 * one is written, one read, and the newer half stays for readers that nobody waits for.
 * But an idle writer must not sit on more than a small part of the pool, or on eight
 * blocks.
 */
static u64 zc_footprint_of(const struct zc_writer *w, u32 granules)
{
	u64 total = zc_granules_live(&w->pool->view) << w->granule_shift;
	u64 block = (u64)granules << w->granule_shift;
	u64 few = 8 * block < total / 8 ? 8 * block : total / 8;
	u64 most = total / 128 > few ? total / 128 : few;
	u64 bytes = 128 * block;

	if (block >= 2048)
		bytes = 4 * block > (8u << 20) ? 4 * block : 8u << 20;
	if (bytes > most)
		bytes = most;
	return bytes >> w->granule_shift;
}

u64 zc_footprint(struct zc_writer *w, u32 granules)
{
	if (zc_likely(w->footprint_for == granules))
		return w->footprint_now;
	w->footprint_for = granules;
	w->footprint_now = w->footprint_granules;
	if (!w->footprint_now) {
		zc_alloc_stats_t stats = zc_alloc_stats(w, granules, 0,
			zc_footprint_of(w, granules) << w->granule_shift);

		w->footprint_now = zc_ask_footprint(&w->strategies, &stats) >>
				   w->granule_shift;
	}
	return w->footprint_now;
}

bool zc_kept_fits(struct zc_writer *w, u32 granules)
{
	return w->kept_granules + granules <= zc_footprint(w, granules);
}

bool zc_below_footprint(struct zc_writer *w, u32 granules)
{
	return w->used_granules + granules <= zc_footprint(w, granules);
}

/* A block is CLEAN, mine, and held by nobody. */
static void zc_finish(struct zc_writer *w, u32 granule, u64 word, bool keep)
{
	u64 *p = &w->descs[granule].word;
	u32 n = zc_word_length(word);

	if (keep && zc_kept_fits(w, n)) {
		word = zc_move_keep(p, word, ZC_OWNER_WRITER(w->id));
		if (zc_kept_push(w, granule, word))
			return;
	}
	zc_discharge(w, n);
	zc_writer_give_back(w, granule);
}

/* A held block leaves the ring. Returns false when the array is full. */
static bool zc_defer(struct zc_writer *w, u32 granule, u64 word, u64 sequence)
{
	struct zc_view *v = &w->pool->view;
	struct zc_deferred_entry *d = zc_deferred(v, w->id);
	u32 i, tries;

	for (tries = 0, i = w->deferred_free; tries < v->deferred_entries;
	     tries++, i++) {
		if (i >= v->deferred_entries)
			i = 0;
		if (!zc_load_relaxed(&d[i].sequence))
			break;
	}
	if (tries == v->deferred_entries)
		return false;
	w->deferred_free = i + 1;
	zc_store_relaxed(&d[i].granule, granule);
	zc_store_relaxed(&d[i].generation, zc_word_generation(word));
	zc_store_relaxed(&d[i].bytes, zc_word_length(word));
	/* First how many there are: whoever dies before the sequence leaves an entry
	 * that is free, and not a name that its successor does not see. */
	if (i >= zc_load_relaxed(&w->area->deferred_nr))
		zc_store_release(&w->area->deferred_nr, i + 1);
	ZC_KILLPOINT(reclaim_deferring);
	/* [D1] the entry before its sequence, and before the ring slot is used
	 * again; pairs with [D1] in zc_slot_reclaim() and zc_adopt(). */
	zc_store_release(&d[i].sequence, sequence);
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
	    !zc_run_sane(v, granule, word) ||
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
			if (e - d < w->deferred_free)
				w->deferred_free = (u32)(e - d);
		}
	}
	while (nr && !zc_load_relaxed(&d[nr - 1].sequence))
		nr--;
	zc_store_release(&w->area->deferred_nr, nr);
	if (w->deferred_free > nr)
		w->deferred_free = nr;
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
	w->blocked_by = snap->slowest;
	w->room = w->keep_pos + w->ring_mask;
	w->slowest_at = snap->lag_from;
	/* A place near the end of all numbers is a reader's own nonsense. */
	w->credit = snap->lag_from > ~0ULL - w->lag_limit ?
			    ~0ULL : snap->lag_from + w->lag_limit;
}

/*
 * Without membarrier, and with a reader that does not poll and so cannot be asked
 * to fence: what a processor had in its store buffer when the last floor was raised is
 * in memory long after.  A time, not a proof; with membarrier it is one.
 */
static bool zc_store_buffers_drained(const struct zc_writer *w)
{
	return w->unfenced_since &&
	       zc_timestamp() - w->unfenced_since > ZC_DRAIN_NS;
}

/*
 * These have a floor and make no fence.  Whether membarrier works is known when it is
 * called and not before: a filter may have come since the writer registered.
 */
static void zc_ask_for_fences(struct zc_writer *w, u32 readers)
{
	for (; readers; readers &= readers - 1) {
		u32 *wanted = &w->area->floor[__builtin_ctz(readers)].fence_wanted;

		/* It lies where the reader looks at each poll. */
		if (!zc_load_relaxed(wanted))
			zc_store_relaxed(wanted, 1);
	}
}

/* Steps 1 and 2 of reclaim. */
static void zc_look(struct zc_writer *w, struct zc_snapshot *snap)
{
	struct zc_view *v = &w->pool->view;

	if (zc_unlikely(v->reader_mapped))
		w->pool->backend->readers_map(w->pool, w->id);
	zc_snapshot_take(v, w->id, w->head, w->fenced, snap);
	if (zc_unlikely(snap->unfenced)) {
		struct zc_floor before[ZC_MAX_READERS_PER];

		memcpy(before, w->fenced, sizeof(before));
		zc_note_fenced(w);
		/* [F1] floors before holds. */
		if (zc_membarrier() || zc_store_buffers_drained(w)) {
			zc_snapshot_take(v, w->id, w->head, w->fenced, snap);
		} else {
			memcpy(w->fenced, before, sizeof(before));
			zc_ask_for_fences(w, snap->unfenced);
		}
		/* What a predecessor decided: from now on at the latest. */
		if (snap->unfenced && !w->unfenced_since)
			w->unfenced_since = zc_timestamp();
		if (snap->unfenced)
			snap->limit = w->tail;
	}
	zc_set_credit(w, snap);
}

/* Sequences that a batch may take back. */
static u64 zc_reclaim_limit(const struct zc_writer *w,
			    const struct zc_snapshot *snap, bool starving,
			    u32 batch)
{
	u64 limit = snap->limit;

	if (w->history && !starving) {
		u64 oldest = w->head > w->history ? w->head - w->history : 1;

		if (limit > oldest)
			limit = oldest;
	}
	return limit < w->tail + batch ? limit : w->tail + batch;
}

/* Step 3 for one block that nobody required holds.  True: it came back. */
static inline bool zc_reclaim_one(struct zc_writer *w, u64 s,
				  struct zc_sent *sent, bool keep)
{
	u64 word = sent->word;

	/* The generation makes this word the message's, and nobody else's. */
	if (zc_unlikely(!word || !zc_move_reclaim(&w->descs[sent->granule].word,
						  &word,
						  ZC_OWNER_WRITER(w->id)))) {
		zc_discharge(w, word ? zc_word_length(word) : 0);
		sent->word = 0;
		return false;	/* somebody else did */
	}
	ZC_KILLPOINT(reclaim_clean);
	/* [R4] CLEAN before the active mask and the holds. */
	zc_fence_after_cas();
	if (zc_unlikely(zc_hazard_readers(w->slot)) &&
	    zc_sequence_held(&w->pool->view, w->id, s)) {
		/* Stays CLEAN until it lets go. */
		if (!zc_defer(w, sent->granule, word, s)) {
			zc_move_orphan(&w->descs[sent->granule].word, word);
			zc_discharge(w, zc_word_length(word));
		}
		sent->word = 0;
		return false;
	}
	ZC_KILLPOINT(reclaim_checked);
	if (zc_likely(keep)) {
		sent->word = zc_move_keep(&w->descs[sent->granule].word, word,
					  ZC_OWNER_WRITER(w->id));
	} else {
		zc_discharge(w, zc_word_length(word));
		zc_writer_give_back(w, sent->granule);
		sent->word = 0;
	}
	ZC_KILLPOINT(reclaim_freed);
	return true;
}

/*
 * May what is below @limit be taken back by plain stores?  A CAS a block waits for all
 * stores before it, payload and all.  So the writer says what it takes, and looks whether
 * anybody is there who could take the same, or look at it without being waited for: such
 * ones say so first, and then leave alone what is below own_below.  What an earlier
 * writer of the slot left, somebody without a role may be taking: never that.
 */
static bool zc_bulk_begin(struct zc_writer *w, u64 limit)
{
	const struct zc_view *v = &w->pool->view;

	if (w->tail < w->first || limit - w->tail < ZC_BULK_LEAST ||
	    zc_unlikely(zc_anybody_takes(v) || zc_hazard_readers(w->slot)))
		return false;
	zc_store_relaxed(&w->area->own_below, limit);
	ZC_KILLPOINT(bulk_said);
	/*
	 * [R5] own_below before the masks; pairs with [R5] in zc_slot_reclaim() and in
	 * the hazard path of zc_reader_poll_block(): mask before own_below.
	 */
	zc_fence_full();
	if (zc_unlikely(zc_anybody_takes(v) || zc_hazard_readers(w->slot))) {
		zc_store_release(&w->area->own_below, w->tail);
		return false;
	}
	ZC_KILLPOINT(bulk_alone);
	return true;
}

/* Step 3 where nobody else takes it back.  True: it came back. */
static inline bool zc_bulk_one(struct zc_writer *w, struct zc_sent *sent, bool keep)
{
	u64 *p = &w->descs[sent->granule].word, word = sent->word;

	/* Somebody may have, before. */
	if (zc_unlikely(!word || zc_load_relaxed(p) != word)) {
		zc_discharge(w, word ? zc_word_length(word) : 0);
		sent->word = 0;
		return false;
	}
	sent->word = zc_move_retake(p, word, ZC_OWNER_WRITER(w->id));
	ZC_KILLPOINT(bulk_freed);
	if (zc_unlikely(!keep)) {
		zc_discharge(w, zc_word_length(word));
		zc_writer_give_back(w, sent->granule);
		sent->word = 0;
	}
	return true;
}

/* After the last of the batch, which ended at @s. */
static void zc_bulk_end(struct zc_writer *w, u64 s, u64 limit)
{
	/* [Y1] FREE before what is filled in next; pairs with [Y1] in zc_guard_peek(). */
	zc_fence_store();
	if (zc_unlikely(s < limit))
		zc_store_release(&w->area->own_below, s);
}

/*
 * What one look finds out stays true: a required reader that is past a sequence
 * and does not hold it will not hold it again, and who joins later requires only
 * what comes later (but for hazard readers, whom zc_reclaim_one() looks for).  So
 * the readers' lines are fetched once for up to ZC_HOLDS_SPAN messages.
 */
static bool zc_look_afresh(struct zc_writer *w, bool starving)
{
	struct zc_snapshot snap;

	zc_look(w, &snap);
	w->look_limit = zc_reclaim_limit(w, &snap, starving, ZC_HOLDS_SPAN);
	if (w->look_limit <= w->tail)
		return false;
	w->look_held = zc_holds_gather(&w->pool->view, w->id, snap.active,
				       w->tail, &w->look_holds);
	return true;
}

u32 zc_writer_reclaim_batch(struct zc_writer *w, bool starving, u32 batch)
{
	bool keep = zc_may_keep(w, starving), bulk;
	u64 limit, s;
	u32 done = 0;

	if (zc_unlikely(w->deferred_used))
		done = zc_reclaim_deferred(w, keep, starving ? 256 : 16);
	if ((w->look_limit <= w->tail || !zc_has_credit(w) || starving) &&
	    !zc_look_afresh(w, starving))
		return done;
	limit = w->look_limit < w->tail + batch ? w->look_limit :
						  w->tail + batch;
	if (!keep)
		zc_kept_spill(w);
	bulk = zc_bulk_begin(w, limit);
	for (s = w->tail; s < limit; s++) {
		struct zc_sent *sent = &w->sent[s & w->ring_mask];

		if (zc_likely(!w->look_held ||
			      !zc_holds_test(&w->look_holds, s))) {
			done += bulk ? zc_bulk_one(w, sent, keep) :
				       zc_reclaim_one(w, s, sent, keep);
			continue;
		}
		if (sent->word && !zc_defer(w, sent->granule, sent->word, s))
			break;
		sent->word = 0;
	}
	if (bulk)
		zc_bulk_end(w, s, limit);
	if (zc_unlikely(w->ahead) && s != w->tail)
		w->ahead_drop = !w->ahead_drop;
	/* Step 4: only now may the ring slots be used again. */
	w->tail = s;
	zc_store_release(&w->area->tail, s);
	ZC_KILLPOINT(reclaim_tail);
	w->room = w->keep_pos + w->ring_mask;
	return done;
}

u32 zc_writer_reclaim(struct zc_writer *w, bool starving)
{
	zc_writer_publish_stats(w);
	return zc_writer_reclaim_batch(w, starving, ZC_RECLAIM_BATCH);
}

void zc_writer_look(struct zc_writer *w)
{
	zc_writer_publish_stats(w);
	zc_look_afresh(w, false);
}

/* What a push is to achieve, in sequences; 0: nothing. */
struct zc_push {
	u64 lag;	/* nobody is to be further behind, counted from where he joined */
	u64 keep;	/* nobody is to keep what is below: room, or memory */
};

/* Raises the floor of one reader, or cuts it off. */
static bool zc_push_reader(struct zc_writer *w, u32 r, const struct zc_push *push)
{
	struct zc_view *v = &w->pool->view;
	struct zc_reader_slot *rs = zc_reader_slot(v, w->id, r);
	struct zc_reader_area *ra = zc_reader_area(v, w->id, r);
	struct zc_floor *f = &w->area->floor[r];
	u64 life = zc_load_acquire(&rs->life);
	u32 incarnation = zc_life_incarnation(life);
	u64 floor = zc_load_acquire(&f->floor);
	u64 from = 0, lag, target;
	bool slow;

	if (zc_load_acquire(&ra->incarnation) == incarnation)
		from = zc_load_acquire(&ra->cursor);
	/* History is no lag; but it is in the ring, and is memory. */
	lag = zc_load_relaxed(&ra->join);
	if (!from || lag < from)
		lag = from;
	slow = lag < push->lag;
	target = slow ? push->lag : 0;
	if (from < push->keep && target < push->keep)
		target = push->keep;
	if (floor >= target || zc_load_relaxed(&f->cut_incarnation) == incarnation)
		return false;
	/* A joiner that does not get on is no slow reader: floor it, uncounted. */
	if (w->on_slow == ZC_SLOW_DISCONNECT && from && slow) {
		zc_store_release(&f->cut_incarnation, incarnation);
		ZC_KILLPOINT(cut_stored);
		w->unfenced_since = zc_timestamp();
		w->stat_disconnected++;
		zc_event_emit(w->pool, ZC_EVENT_READER_DISCONNECTED,
			      zc_life_member(life), ZC_OWNER_WRITER(w->id), w->id, r, 0,
			      0);
		return true;
	}
	while (floor < target)
		if (zc_cas64(&f->floor, &floor, target)) {
			ZC_KILLPOINT(floor_raised);
			/* Each anew: what was drained before the last one is not now. */
			w->unfenced_since = zc_timestamp();
			if (from)
				w->stat_dropped += target -
					(from > floor ? from : floor);
			return true;
		}
	return false;
}

static u64 zc_sequence_to(const struct zc_writer *w, u64 sequence)
{
	return sequence < w->head ? sequence : w->head;
}

bool zc_writer_push_slow(struct zc_writer *w, bool memory)
{
	struct zc_view *v = &w->pool->view;
	struct zc_snapshot snap;
	struct zc_push push = { 0 };
	bool pushed = false;
	u64 next;
	u32 mask;

	/* Scarce memory may be anybody's fault: it cuts nobody off. */
	if (w->on_slow == ZC_SLOW_BLOCK ||
	    (memory && w->on_slow == ZC_SLOW_DISCONNECT))
		return false;
	zc_look(w, &snap);
	if (snap.slowest == ~0U || snap.limit >= w->head)
		return false;
	/* A little more than needed, so that it is not done for each message. */
	next = w->head + zc_inflight(w) + 1 + w->lag_limit / 32;
	push.lag = zc_sequence_to(w, next > w->lag_limit ? next - w->lag_limit : 1);
	if (memory)
		push.keep = zc_sequence_to(w, snap.limit + (w->head - snap.limit) / 8 + 1);
	else if (w->head + zc_inflight(w) >= w->room && next > w->ring_mask)
		push.keep = zc_sequence_to(w, next - w->ring_mask);
	for (mask = snap.active; mask; mask &= mask - 1) {
		u32 r = __builtin_ctz(mask);

		if (!(zc_load_relaxed(&zc_reader_slot(v, w->id, r)->flags) &
		      ZC_READER_HAZARD) &&
		    zc_push_reader(w, r, &push))
			pushed = true;
	}
	/* The membarrier is in zc_look(), before holds are read. */
	ZC_KILLPOINT(floor_fenced);
	return pushed;
}
