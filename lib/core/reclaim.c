// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * reclaim.c - when may a published block be taken back?
 *
 * required(r, s) = r is an active, required reader and s >= floor.  Each such
 * reader must have its cursor above s, and no active reader may hold s.  (join is
 * where its lag counts from; history before it is required like the rest.)  The
 * order of the loads is the protocol: see DESIGN section 4 and the models
 * holds.pml, tso.pml, demote.pml, torn_reclaim.pml.
 */
#include "reclaim.h"
#include "killpoint.h"
#include "moves.h"
#include "ring.h"
#include "run.h"

void zc_snapshot_take(const struct zc_view *v, u32 w, u64 head,
		      const struct zc_floor *fenced, struct zc_snapshot *snap)
{
	const struct zc_writer_slot *slot = &v->writer_slots[w];
	struct zc_writer_area *wa = zc_writer_area(v, w);
	u32 mask;

	/*
	 * [R1] head before the active mask; pairs with [R1] in
	 * zc_reader_register(): active before head is loaded.
	 */
	zc_fence_full();
	mask = zc_mask_bits(zc_load_acquire(&slot->active));
	snap->active = mask;
	snap->unfenced = 0;
	snap->limit = head;
	snap->lag_from = ~0ULL;
	snap->slowest = ~0U;
	while (mask) {
		u32 r = __builtin_ctz(mask);
		struct zc_reader_slot *rs = zc_reader_slot(v, w, r);
		struct zc_reader_area *ra = zc_reader_area(v, w, r);
		u32 incarnation = zc_life_incarnation(zc_load_acquire(&rs->life));
		u64 from = 0, lag = 0, floor;
		bool known;

		mask &= mask - 1;
		if (zc_load_relaxed(&rs->flags) & ZC_READER_HAZARD)
			continue;
		if (zc_reader_seen(v, w, r) &&
		    zc_load_acquire(&ra->incarnation) == incarnation) {
			/*
			 * [R2] cursor before holds; pairs with [R2] in
			 * zc_reader_poll_block(): hold before cursor.
			 */
			from = zc_load_acquire(&ra->cursor);
			lag = zc_load_relaxed(&ra->join);
		}
		floor = zc_load_acquire(&wa->floor[r].floor);
		known = fenced && floor <= fenced[r].floor;
		if (zc_load_acquire(&wa->floor[r].cut_incarnation) ==
		    incarnation) {
			floor = ~0ULL;
			known = fenced &&
				fenced[r].cut_incarnation == incarnation;
		}
		if (lag < from)
			lag = from;
		if (floor > lag)
			lag = floor;
		if (floor > from) {
			from = floor;
			/*
			 * [F1] a reader that fences each poll needs no
			 * membarrier; pairs with [F1] in poll.
			 */
			if (!known && !zc_load_acquire(&ra->fencing))
				snap->unfenced |= 1u << r;
		}
		if (from < snap->limit) {
			snap->limit = from;
			snap->slowest = r;
		}
		/* Lag counts from join: history is none, a joiner has none yet. */
		if (from && lag < snap->lag_from)
			snap->lag_from = lag;
	}
	ZC_KILLPOINT(reclaim_snapshot);
}

u32 zc_holds_nr(const struct zc_view *v, const struct zc_reader_area *ra)
{
	u32 high = zc_load_acquire(&ra->overflow_high);
	u32 most = v->max_holds > ZC_FAST_HOLDS ?
			   v->max_holds - ZC_FAST_HOLDS : 0;

	return ZC_FAST_HOLDS + (high < most ? high : most);
}

bool zc_holds_gather(const struct zc_view *v, u32 w, u32 mask, u64 base,
		     struct zc_holds *holds)
{
	bool any = false;
	u32 i;

	holds->base = base;
	for (i = 0; i < ZC_HOLDS_SPAN / 64; i++)
		holds->bits[i] = 0;
	while (mask) {
		u32 r = __builtin_ctz(mask);
		struct zc_reader_area *ra = zc_reader_area(v, w, r);
		u32 nr = zc_holds_nr(v, ra);

		mask &= mask - 1;
		zc_relax();
		if (zc_unlikely(!zc_reader_seen(v, w, r))) {
			for (i = 0; i < ZC_HOLDS_SPAN / 64; i++)
				holds->bits[i] = ~0ULL;
			return true;
		}
		for (i = 0; i < nr; i++) {
			/*
			 * [R3] the reader's accesses before its release;
			 * pairs with [R3] in zc_reader_release_block().
			 */
			u64 d = zc_load_acquire(zc_hold_slot(ra, i)) - base;

			if (d < ZC_HOLDS_SPAN) {
				holds->bits[d / 64] |= 1ULL << d % 64;
				any = true;
			}
		}
	}
	return any;
}

bool zc_sequence_held(const struct zc_view *v, u32 w, u64 sequence)
{
	u32 mask = zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active));

	if (!sequence)
		return false;	/* never published; 0 is a hold of nothing */
	while (mask) {
		u32 r = __builtin_ctz(mask);
		struct zc_reader_area *ra = zc_reader_area(v, w, r);
		u32 nr = zc_holds_nr(v, ra);
		u32 i;

		mask &= mask - 1;
		zc_relax();
		if (zc_unlikely(!zc_reader_seen(v, w, r)))
			return true;
		for (i = 0; i < nr; i++)
			if (zc_load_acquire(zc_hold_slot(ra, i)) == sequence)
				return true;
	}
	return false;
}

bool zc_block_is(const struct zc_view *v, u32 w, u64 granule, u32 generation,
		 u64 sequence, u64 *word)
{
	const struct zc_block_desc *d;
	u64 value;

	if (granule >= zc_granules(v))
		return false;
	d = zc_desc(v, granule);
	value = zc_load_acquire(&d->word);	/* [C2] */
	if (zc_word_state(value) != ZC_STATE_USING ||
	    zc_word_owner(value) != ZC_OWNER_WRITER(w) ||
	    zc_word_generation(value) != generation ||
	    !zc_run_sane(v, (u32)granule, value) ||
	    zc_load_relaxed(&d->sequence) != sequence)
		return false;
	*word = value;
	return true;
}

bool zc_block_reclaim(const struct zc_view *v, u32 w, u64 granule,
		      u32 generation, u64 sequence, u32 owner, u64 *word)
{
	if (!zc_block_is(v, w, granule, generation, sequence, word) ||
	    !zc_move_reclaim(&zc_desc(v, granule)->word, word, owner))
		return false;
	ZC_KILLPOINT(reclaim_clean);
	return true;
}

bool zc_orphan_finish(const struct zc_view *v, u32 granule, u64 word)
{
	return !(zc_load_relaxed(&zc_desc(v, granule)->flags) & ZC_BLOCK_IO) &&
	       zc_orphan_end(v, granule, word);
}

bool zc_orphan_end(const struct zc_view *v, u32 granule, u64 word)
{
	struct zc_block_desc *d = zc_desc(v, granule);
	u32 w = zc_load_relaxed(&d->writer);
	u64 sequence = zc_load_relaxed(&d->sequence);

	zc_fence_full();	/* [R4] CLEAN before the holds */
	if (!zc_run_sane(v, granule, word) ||
	    (w < ZC_MAX_WRITERS && zc_sequence_held(v, w, sequence)))
		return false;
	return zc_orphan_free(v, granule, word);
}

bool zc_orphan_free(const struct zc_view *v, u32 granule, u64 word)
{
	zc_run_normalise(v, granule, word);
	if (!zc_move_reap(&zc_desc(v, granule)->word, word))
		return false;
	zc_hint_add(v, granule, zc_word_length(word));
	return true;
}

/* One published block of another's topic. Returns its granules. */
static u32 zc_slot_one(const struct zc_view *v, u32 w, u32 owner, u64 granule,
		       u32 generation, u64 sequence)
{
	u32 granules;
	u64 word;

	if (zc_sequence_held(v, w, sequence) ||
	    !zc_block_reclaim(v, w, granule, generation, sequence, owner,
			      &word))
		return 0;
	granules = zc_word_length(word);
	if (owner == ZC_OWNER_ORPHAN) {
		/* A caller without a role: nobody's, so anybody may end it. */
		zc_fence_full();	/* [R4] */
		return zc_orphan_finish(v, granule, word) ? granules : 0;
	}
	/*
	 * [R4] CLEAN before the holds; pairs with [R4] in the hazard path of
	 * zc_reader_poll_block(): hold before the word is looked at.
	 */
	zc_fence_full();
	if (zc_sequence_held(v, w, sequence)) {
		zc_move_orphan(&zc_desc(v, granule)->word, word);
		return 0;
	}
	ZC_KILLPOINT(reclaim_checked);
	zc_run_free(v, (u32)granule, owner);
	ZC_KILLPOINT(reclaim_freed);
	return granules;
}

static u64 zc_slot_reclaim_said(const struct zc_view *v, u32 w, u32 owner,
				bool (*may_fence)(void), u32 budget, u64 *cursor)
{
	struct zc_writer_area *wa = zc_writer_area(v, w);
	struct zc_ring_entry *ring = zc_ring(v, w);
	struct zc_deferred_entry *deferred = zc_deferred(v, w);
	u64 history = zc_load_relaxed(&v->writer_slots[w].history);
	/*
	 * Head before life: what a writer commits that adopts the slot later is not
	 * below this head, and it takes back all the rest by CAS.
	 */
	u64 head = zc_load_acquire(&wa->head);
	u64 life = zc_load_acquire(&v->writer_slots[w].life);
	bool live = zc_life_state(life) == ZC_LIFE_LIVE;
	u64 oldest, s, freed = 0;
	u32 entries = v->ring_mask + 1;
	struct zc_snapshot snap;
	u32 i, nr;

	if (zc_life_state(life) == ZC_LIFE_REAPING)
		return 0;	/* its head may still be advanced */
	if (live && owner == ZC_OWNER_ORPHAN)
		return 0;	/* nobody could tell it that somebody is here */
	zc_snapshot_take(v, w, head, NULL, &snap);
	if (snap.unfenced && !(may_fence && may_fence()))
		return 0;
	/* A live writer's history is its own to give up. */
	if (live && history) {
		history = head > history ? head - history : 1;
		if (snap.limit > history)
			snap.limit = history;
	}
	/* What its writer said it has seen to (a hint) need not be seen again. */
	oldest = zc_load_acquire(&wa->tail);
	if (!oldest || oldest > head || oldest + entries < head)
		oldest = head > entries ? head - entries : 1;
	if (live) {
		/* What it may be taking back right now is its own. */
		u64 own = zc_load_acquire(&wa->own_below);

		if (own > oldest && own <= head)
			oldest = own;
	}
	if (*cursor < oldest || *cursor >= snap.limit)
		*cursor = oldest;
	for (s = *cursor; s < snap.limit && budget; s++, budget--) {
		struct zc_entry e;

		zc_relax();
		if (zc_entry_load(&ring[s & v->ring_mask], s, &e))
			freed += zc_slot_one(v, w, owner, e.granule,
					     e.generation, s);
	}
	*cursor = s;
	nr = zc_load_relaxed(&wa->deferred_nr);
	if (nr > v->deferred_entries)
		nr = v->deferred_entries;
	for (i = 0; i < nr && budget; i++, budget--) {
		zc_relax();
		s = zc_load_acquire(&deferred[i].sequence);
		if (s && s < snap.limit)
			freed += zc_slot_one(v, w, owner,
					     zc_load_relaxed(&deferred[i].granule),
					     zc_load_relaxed(&deferred[i].generation), s);
	}
	return freed;
}

/* Else there may be no memory behind its region, and a look would allocate some. */
static bool zc_writer_ever(const struct zc_view *v, u32 w)
{
	return zc_life_incarnation(zc_load_acquire(&v->writer_slots[w].life));
}

u64 zc_slot_reclaim(const struct zc_view *v, u32 w, u32 owner,
		    bool (*may_fence)(void), u32 budget, u64 *cursor)
{
	const struct zc_writer_area *wa = zc_writer_area(v, w);
	u64 freed, *mask, head;
	u32 bit;

	if (!zc_writer_ever(v, w))
		return 0;
	head = zc_load_acquire(&wa->head);
	/* Nothing was ever there, or its writer has seen to all: not worth a word. */
	if (head <= 1 || (zc_load_acquire(&wa->tail) == head &&
			  !zc_load_relaxed(&wa->deferred_nr)))
		return 0;
	if (owner == ZC_OWNER_ORPHAN)
		return zc_slot_reclaim_said(v, w, owner, may_fence, budget, cursor);
	/*
	 * [R5] it is said before own_below is loaded; pairs with [R5] in
	 * zc_bulk_begin().  A death in here: zc_reap_taking().
	 */
	mask = zc_taking(v, owner, &bit);
	zc_mask_set(mask, bit);
	zc_fence_full();
	ZC_KILLPOINT(taking_said);
	freed = zc_slot_reclaim_said(v, w, owner, may_fence, budget, cursor);
	zc_mask_clear(mask, bit);
	ZC_KILLPOINT(taking_done);
	return freed;
}

bool zc_slot_empty(const struct zc_view *v, u32 w)
{
	struct zc_writer_area *wa = zc_writer_area(v, w);
	struct zc_ring_entry *ring = zc_ring(v, w);
	struct zc_deferred_entry *deferred = zc_deferred(v, w);
	u32 i, nr, entries = v->ring_mask + 1;
	u64 head, s, word;

	if (!zc_writer_ever(v, w))
		return true;
	head = zc_load_acquire(&wa->head);
	for (s = head > entries ? head - entries : 1; s < head; s++) {
		struct zc_entry e;

		zc_relax();
		if (zc_entry_load(&ring[s & v->ring_mask], s, &e) &&
		    zc_block_is(v, w, e.granule, e.generation, s, &word))
			return false;
	}
	nr = zc_load_relaxed(&wa->deferred_nr);
	for (i = 0; i < nr && i < v->deferred_entries; i++) {
		zc_relax();
		s = zc_load_acquire(&deferred[i].sequence);
		/* From the head on there is nothing: that is garbage. */
		if (s && s < head &&
		    zc_block_is(v, w, zc_load_relaxed(&deferred[i].granule),
				zc_load_relaxed(&deferred[i].generation), s,
				&word))
			return false;
	}
	return true;
}

u64 zc_slot_looks(const struct zc_view *v, u32 w)
{
	const struct zc_writer_area *wa = zc_writer_area(v, w);
	u64 most = v->ring_mask + 1, head;
	u32 nr;

	if (!zc_writer_ever(v, w))
		return 0;
	head = zc_load_relaxed(&wa->head);
	nr = zc_load_relaxed(&wa->deferred_nr);
	return 2 * ((head < most ? head : most) +
		    (nr < v->deferred_entries ? nr : v->deferred_entries));
}
