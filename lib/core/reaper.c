// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * reaper.c - take back what dead members held.
 *
 * Many may reap one dead member at a time, and be killed or stopped on the way.
 * Three rules make it sound: the walk starts at the first granule after the
 * death is known; a block's word is loaded, *then* its owner's slot is looked at
 * (still the incarnation that died?), then exactly that word is changed by CAS;
 * a slot is reused only after one full pass.  A reaper never writes an id of its
 * own, so that its own death leaves nothing behind.
 *
 * Order within a death: readers leave the active mask, then their slot; a
 * writer's head is advanced over what it had entered into the ring, then its
 * blocks are walked; its slot becomes IDLE (adoptable); when no role is left,
 * the member's slot does, and whoever does that tells the peers.
 */
#include "reaper.h"
#include "killpoint.h"
#include "moves.h"
#include "reclaim.h"
#include "ring.h"
#include "service.h"

bool zc_member_declare_dead(const struct zc_view *v, u32 m, u64 life, u64 now_ns)
{
	struct zc_member_record *record = &v->members[m];
	u64 old = life, none = 0;

	if (zc_life_state(life) != ZC_LIFE_LIVE)
		return false;
	if (!zc_cas64(&record->life, &old,
		      zc_life(zc_life_incarnation(life), m, ZC_LIFE_REAPING)))
		return false;
	ZC_KILLPOINT(death_declared);
	/*
	 * After the CAS, so that no life is dated that is not over.  Who is stopped here may
	 * date the next one in this slot: see zc_quarantined().
	 */
	zc_cas64(&record->death_ns, &none, now_ns);
	return true;
}

bool zc_reap_wanted(const struct zc_view *v)
{
	u32 m;

	for (m = 0; m < ZC_MAX_MEMBERS; m++)
		if (zc_life_state(zc_load_relaxed(&v->members[m].life)) ==
		    ZC_LIFE_REAPING)
			return true;
	return false;
}

/* Is member @m being reaped, and may memory that was in I/O be taken? */
static bool zc_member_reaping(const struct zc_view *v, u32 m)
{
	return m < ZC_MAX_MEMBERS &&
	       zc_life_state(zc_load_acquire(&v->members[m].life)) ==
		       ZC_LIFE_REAPING;
}

/* Not knowing which pages are pinned, a time has to do. */
static bool zc_quarantined(const struct zc_view *v, u32 m, u32 io_nr,
			   const struct zc_reaper_ops *ops)
{
	struct zc_member_record *record;
	u64 now, alive, died = 0;

	/* Block by block, where that can be known. */
	if (!io_nr || ops->pinned)
		return false;
	record = &v->members[m];
	now = ops->now_ns(ops->ctx);
	/* Who declared it may have died before it set the time. */
	if (zc_cas64(&record->death_ns, &died, now))
		return true;
	/*
	 * Or whoever declared an earlier death in this slot was stopped, and set his time
	 * since: nobody died before he said that he lived.  A stamp of a time to come is
	 * a scribble.
	 */
	alive = zc_load_relaxed(&record->alive_ns);
	if (died < alive && alive <= now) {
		zc_cas64(&record->death_ns, &died, now);
		return true;
	}
	/* Or another reaper set it since, by a later clock. */
	return now < died || now - died < ZC_QUARANTINE_NS;
}

/* Deferred entries that are looked through for what one dead reader held. */
#define ZC_REAP_HOLDS_BUDGET 65536U

/* Where the published block with this sequence is; granules of it, 0: not found. */
static u32 zc_reap_held(const struct zc_view *v, u32 w, u64 sequence,
			u32 *budget, u32 *granule)
{
	struct zc_deferred_entry *d = zc_deferred(v, w);
	u32 nr = zc_load_relaxed(&zc_writer_area(v, w)->deferred_nr);
	u64 found = ~0ULL, word;
	struct zc_entry e;
	u32 i;

	if (zc_entry_load(&zc_ring(v, w)[sequence & v->ring_mask], sequence,
			  &e))
		found = e.granule;
	for (i = 0; i < nr && i < v->deferred_entries; i++, (*budget)--) {
		if (found != ~0ULL || !*budget)
			break;
		if (zc_load_acquire(&d[i].sequence) == sequence)
			found = zc_load_relaxed(&d[i].granule);
	}
	if (found >= zc_granules(v))
		return 0;
	*granule = (u32)found;
	word = zc_load_relaxed(&zc_desc(v, *granule)->word);
	return zc_run_sane(v, *granule, word) ? zc_word_length(word) : 0;
}

static void zc_reap_spend(struct zc_reaper *reaper, u64 looks)
{
	reaper->left -= looks < reaper->left ? looks : reaper->left;
}

/* Pages of @n granules, or what costs as much. */
static u64 zc_reap_pages(const struct zc_view *v, u32 n)
{
	return 1 + ((u64)n << v->granule_shift) / ZC_LAYOUT_PAGE;
}

enum zc_reaped {
	ZC_REAPED,		/* done with it */
	ZC_REAP_AGAIN,		/* it changed under us */
	ZC_REAP_WAIT,		/* it is in quarantine */
	ZC_REAP_LATER,		/* the slice is over */
};

/*
 * Does I/O go on in what the dead reader declared, where that can be known?  Blocks do not
 * overlap: who holds more than there is holds the same again and again, so that we look
 * for ever, and nothing waits for its I/O.  Nor does anything wait for very long: a reader
 * that lives can pin the same pages for as long as it likes, or make it look so, and I/O of
 * one that only reads does no harm to what comes there next.
 */
static enum zc_reaped zc_reap_reader_io(const struct zc_view *v, struct zc_reaper *reaper,
					u32 m, u64 life,
					const struct zc_reaper_ops *ops)
{
	u32 w = reaper->role / ZC_MAX_READERS_PER, r = reaper->role % ZC_MAX_READERS_PER;
	struct zc_reader_area *ra = zc_reader_area(v, w, r);
	struct zc_reaper_io *io = &reaper->io;
	u32 nr = zc_holds_nr(v, ra);

	if (!ops->pinned || !zc_load_relaxed(&ra->io_nr) ||
	    ops->now_ns(ops->ctx) - zc_load_relaxed(&v->members[m].death_ns) >=
		    ZC_READER_IO_NS)
		return ZC_REAPED;
	if (io->life != life)
		*io = (struct zc_reaper_io){ .life = life, .granules = zc_granules(v),
					     .deferred = ZC_REAP_HOLDS_BUDGET };
	for (; io->hold < nr; io->hold++) {
		u64 sequence = zc_load_acquire(zc_hold_slot(ra, io->hold));
		u32 granule, n, deferred = io->deferred;

		if (!reaper->left)
			return ZC_REAP_LATER;
		zc_relax();
		zc_reap_spend(reaper, 1);
		if (!sequence)
			continue;
		n = zc_reap_held(v, w, sequence, &io->deferred, &granule);
		zc_reap_spend(reaper, deferred - io->deferred +
				      ZC_REAP_LOOKS * zc_reap_pages(v, n));
		if (n > io->granules)
			return ZC_REAPED;
		io->granules -= n;
		if (n && ops->pinned(ops->ctx, m, granule, n))
			return ZC_REAP_WAIT;
	}
	return ZC_REAPED;
}

/* What the dead reader kept from being reused counts as come back. */
static void zc_reap_count_holds(const struct zc_view *v, struct zc_reaper *reaper, u32 m)
{
	u32 w = reaper->role / ZC_MAX_READERS_PER, r = reaper->role % ZC_MAX_READERS_PER;
	struct zc_reader_area *ra = zc_reader_area(v, w, r);
	u32 nr = zc_holds_nr(v, ra), budget = ZC_REAP_HOLDS_BUDGET;
	u64 blocks = 0, granules = 0;
	u32 i, granule;

	for (i = 0; i < nr; i++) {
		u64 sequence = zc_load_acquire(zc_hold_slot(ra, i));

		if (!sequence)
			continue;
		zc_relax();
		blocks++;
		granules += zc_reap_held(v, w, sequence, &budget, &granule);
	}
	zc_reap_spend(reaper, nr + ZC_REAP_LOOKS / 4 * blocks +
			      ZC_REAP_HOLDS_BUDGET - budget);
	if (!blocks)
		return;
	zc_add64(&v->members[m].reaped_blocks, blocks);
	zc_add64(&v->members[m].reaped_bytes, granules << v->granule_shift);
}

/* The slot of a reader that @reaper is at, if that reader is one of member @m. */
static enum zc_reaped zc_reap_reader(const struct zc_view *v, struct zc_reaper *reaper,
				     u32 m, const struct zc_reaper_ops *ops)
{
	u32 w = reaper->role / ZC_MAX_READERS_PER, r = reaper->role % ZC_MAX_READERS_PER;
	struct zc_floor *floor = &zc_writer_area(v, w)->floor[r];
	struct zc_reader_slot *rs = zc_reader_slot(v, w, r);
	struct zc_writer_slot *slot = &v->writer_slots[w];
	u64 life = zc_load_acquire(&rs->life);
	enum zc_reaped io = ZC_REAPED;
	struct zc_reader_area *ra;
	u64 idle, mask, hazard;
	u32 cut;

	if (zc_life_state(life) != ZC_LIFE_LIVE || zc_life_member(life) != m)
		return ZC_REAPED;
	/*
	 * The masks before the slot is looked at again: their version tells a stale
	 * reaper that time has passed.
	 */
	mask = zc_load_acquire(&slot->active);
	hazard = zc_load_acquire(&slot->hazard);
	cut = zc_load_acquire(&floor->cut_incarnation);
	if (zc_load_acquire(&rs->life) != life || !zc_member_reaping(v, m))
		return ZC_REAPED;
	ra = zc_reader_area(v, w, r);
	if (zc_mask_bits(mask) >> r & 1 &&
	    zc_load_acquire(&ra->incarnation) == zc_life_incarnation(life))
		io = zc_quarantined(v, m, zc_load_relaxed(&ra->io_nr), ops) ?
			     ZC_REAP_WAIT : zc_reap_reader_io(v, reaper, m, life, ops);
	if (io == ZC_REAP_WAIT)
		/* Nothing is required of it; holds count. */
		zc_cas32(&floor->cut_incarnation, &cut, zc_life_incarnation(life));
	if (io != ZC_REAPED)
		return io;
	/* [M1] exactly this mask, or look again: a bit set since is of one who lives. */
	if (zc_mask_bits(mask) >> r & 1) {
		if (!zc_cas64(&slot->active, &mask,
			      ((mask >> 32) + 1) << 32 | ((u32)mask & ~(1u << r))))
			return ZC_REAP_AGAIN;
		zc_reap_count_holds(v, reaper, m);
		ZC_KILLPOINT(reap_mask);
	}
	if (zc_mask_bits(hazard) >> r & 1 &&
	    !zc_cas64(&slot->hazard, &hazard,
		      ((hazard >> 32) + 1) << 32 | ((u32)hazard & ~(1u << r))))
		return ZC_REAP_AGAIN;
	idle = zc_life(zc_life_incarnation(life), 0, ZC_LIFE_IDLE);
	zc_cas64(&rs->life, &life, idle);
	ZC_KILLPOINT(reap_reader);
	return ZC_REAPED;
}

/* The readers of member @m leave.  Returns false when the slice is over. */
static bool zc_reap_readers(const struct zc_view *v, struct zc_reaper *reaper, u32 m,
			    const struct zc_reaper_ops *ops)
{
	while (reaper->role < ZC_MAX_WRITERS * ZC_MAX_READERS_PER) {
		enum zc_reaped done = ZC_REAP_LATER;

		if (reaper->left)
			done = zc_reap_reader(v, reaper, m, ops);
		if (done == ZC_REAP_LATER)
			return false;
		if (done == ZC_REAP_AGAIN)
			continue;
		if (done == ZC_REAP_WAIT)
			reaper->waiting = true;
		reaper->role++;
		reaper->io.life = 0;
	}
	return true;
}

/* What the writer had entered into its ring counts as published. */
static void zc_reap_head(const struct zc_view *v, u32 w, u64 life,
			 const struct zc_reaper_ops *ops)
{
	struct zc_writer_area *wa = zc_writer_area(v, w);
	struct zc_ring_entry *ring = zc_ring(v, w);
	u32 i;

	/* One at a time is all that a writer can leave, many may do it. */
	for (i = 0; i < 2; i++) {
		u64 head = zc_load_acquire(&wa->head);
		u64 old = head;

		if (!head ||
		    zc_entry_ahead(zc_load_acquire(&ring[head & v->ring_mask]
							    .place), head))
			break;
		if (zc_load_acquire(&v->writer_slots[w].life) != life)
			break;
		zc_cas64(&wa->head, &old, head + 1);
		ZC_KILLPOINT(reap_head);
	}
	ops->wake(ops->ctx, w);
}

/*
 * Roles of members that are being reaped: readers out, writers REAPING.  Returns false
 * when the slice is over.
 */
static bool zc_reap_roles(const struct zc_view *v, struct zc_reaper *reaper,
			  const struct zc_reaper_ops *ops)
{
	u32 m, i;

	for (; reaper->member < ZC_MAX_MEMBERS; reaper->member++, reaper->role = 0) {
		if (!zc_member_reaping(v, reaper->member))
			continue;
		if (!zc_reap_readers(v, reaper, reaper->member, ops))
			return false;
		zc_service_reap(v, reaper->member);
	}
	for (i = 0; i < ZC_MAX_WRITERS + ZC_MAX_CLEANERS; i++) {
		bool writer = i < ZC_MAX_WRITERS;
		u64 *word = writer ? &v->writer_slots[i].life :
				     &v->cleaner_slots[i - ZC_MAX_WRITERS].life;
		u64 life = zc_load_acquire(word);
		u32 inc = zc_life_incarnation(life);

		m = zc_life_member(life);
		if (zc_life_state(life) == ZC_LIFE_IDLE ||
		    !zc_member_reaping(v, m))
			continue;
		if (writer &&
		    zc_quarantined(v, m, zc_load_relaxed(&zc_writer_area(v, i)->io_nr),
				   ops)) {
			reaper->waiting = true;
			continue;
		}
		if (zc_life_state(life) == ZC_LIFE_LIVE) {
			u64 reaping = zc_life(inc, m, ZC_LIFE_REAPING);

			if (!zc_cas64(word, &life, reaping) && life != reaping)
				continue;
			life = reaping;
			ZC_KILLPOINT(reap_role);
		}
		if (writer) {
			zc_reap_head(v, i, life, ops);
			reaper->head[i] =
				zc_load_acquire(&zc_writer_area(v, i)->head);
		}
		reaper->owners |= 1ULL << (i + 1);
		reaper->incarnation[i + 1] = inc;
	}
	return true;
}

static u64 *zc_owner_life(const struct zc_view *v, u32 owner)
{
	u32 i = owner - 1;

	return i < ZC_MAX_WRITERS ? &v->writer_slots[i].life :
				    &v->cleaner_slots[i - ZC_MAX_WRITERS].life;
}

static void zc_reap_count(const struct zc_view *v, u32 owner, u64 word)
{
	u32 m = zc_life_member(zc_load_relaxed(zc_owner_life(v, owner)));

	if (m >= ZC_MAX_MEMBERS)
		return;
	zc_add64(&v->members[m].reaped_blocks, 1);
	zc_add64(&v->members[m].reaped_bytes,
		 (u64)zc_word_length(word) << v->granule_shift);
}

/*
 * A CLEAN block of a dead owner: free, or an orphan while somebody holds it.  Where the
 * word changed under us another reaper was as far, and had no other way either.
 */
static void zc_reap_clean(const struct zc_view *v, struct zc_reaper *reaper,
			  const struct zc_batch_block *b)
{
	u64 *word = &zc_desc(v, b->granule)->word;

	if (b->held) {
		zc_move_orphan(word, b->word);
		ZC_KILLPOINT(reap_orphan);
		return;
	}
	zc_run_normalise(v, b->granule, b->word);
	if (!zc_move_reap(word, b->word))
		return;
	zc_reap_count(v, zc_word_owner(b->word), b->word);
	zc_hint_add(v, b->granule, zc_word_length(b->word));
	reaper->blocks++;
	ZC_KILLPOINT(reap_freed);
}

/* All that are in the batch.  Returns false when the slice is over. */
static bool zc_reap_batch(const struct zc_view *v, struct zc_reaper *reaper)
{
	u64 looks = 0;
	u32 first, n;

	while ((n = zc_batch_look(v, &reaper->batch, &first, &looks))) {
		zc_reap_spend(reaper, looks);
		looks = 0;
		while (n--)
			zc_reap_clean(v, reaper, &reaper->batch.block[first++]);
		if (!reaper->left)
			return false;
	}
	return true;
}

/*
 * One step with one run.  Returns false when the word changed under us: another
 * reaper was here, and may have died half way, so the same word is looked at
 * again (death_commit.pml).
 */
static bool zc_reap_step(const struct zc_view *v, struct zc_reaper *reaper,
			 const struct zc_reaper_ops *ops, u32 granule, u64 word)
{
	struct zc_block_desc *d = zc_desc(v, granule);
	u32 owner = zc_word_owner(word), m;
	u64 life;

	if (!(reaper->owners >> owner & 1))
		return true;
	/* The word was loaded; now: is its owner's slot still the one that died? */
	life = zc_load_acquire(zc_owner_life(v, owner));
	if (zc_life_state(life) != ZC_LIFE_REAPING ||
	    zc_life_incarnation(life) != reaper->incarnation[owner])
		return true;
	m = zc_life_member(life);
	switch (zc_word_state(word)) {
	case ZC_STATE_FREE:
		zc_run_normalise(v, granule, word);
		/* They stay: the block may be another's by now, who has its own. */
		if (zc_load_relaxed(&d->flags) & ZC_BLOCK_IO && ops->pinned) {
			u32 n = zc_word_length(word);

			zc_reap_spend(reaper, ZC_REAP_LOOKS * zc_reap_pages(v, n));
			if (ops->pinned(ops->ctx, m, granule, n)) {
				reaper->quarantined++;
				return zc_move_orphan(&d->word, word);
			}
		}
		if (!zc_move_reap(&d->word, word))
			return false;
		zc_reap_count(v, owner, word);
		zc_hint_add(v, granule, zc_word_length(word));
		reaper->blocks++;
		ZC_KILLPOINT(reap_claimed);
		return true;
	case ZC_STATE_USING:
		if (owner > ZC_MAX_WRITERS ||
		    zc_load_relaxed(&d->sequence) < reaper->head[owner - 1])
			return true;	/* published: it stays readable */
		if (!zc_move_reclaim(&d->word, &word, owner))
			return false;
		zc_add64(&v->members[m % ZC_MAX_MEMBERS].lost_blocks, 1);
		ZC_KILLPOINT(reap_clean);
		zc_batch_add(v, &reaper->batch, granule, word);
		return true;
	case ZC_STATE_CLEAN:
		zc_batch_add(v, &reaper->batch, granule, word);
		return true;
	default:
		return true;
	}
}

static void zc_reap_run(const struct zc_view *v, struct zc_reaper *reaper,
			const struct zc_reaper_ops *ops, u32 granule, u64 word)
{
	u32 tries;

	/* A dead owner's run changes at most four times: USING, CLEAN, free. */
	for (tries = 0; tries < 8 && zc_run_sane(v, granule, word); tries++) {
		if (zc_reap_step(v, reaper, ops, granule, word))
			return;
		word = zc_load_acquire(&zc_desc(v, granule)->word);
	}
}

/* Is any role of member @m left? */
static bool zc_member_has_roles(const struct zc_view *v, u32 m)
{
	u32 i, r;

	for (i = 0; i < ZC_MAX_WRITERS + ZC_MAX_CLEANERS; i++) {
		u64 life = zc_load_acquire(zc_owner_life(v, i + 1));

		if (zc_life_state(life) != ZC_LIFE_IDLE &&
		    zc_life_member(life) == m)
			return true;
	}
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		for (r = 0; r < ZC_MAX_READERS_PER; r++) {
			u64 life = zc_load_acquire(&zc_reader_slot(v, i, r)->life);

			if (zc_life_state(life) != ZC_LIFE_IDLE &&
			    zc_life_member(life) == m)
				return true;
		}
	return false;
}

/*
 * The dead role takes back nothing any more; before its slot may be used again.  [M1]
 * exactly this mask, or look again: a bit that was set since may be a successor's.
 * Returns false where others changed the mask all the time: a slot that is free with
 * the bit set would keep all writers from taking back in bulk.
 */
static bool zc_reap_taking(const struct zc_view *v, u32 owner, u64 life)
{
	u32 bit, tries;
	u64 *mask = zc_taking(v, owner, &bit);

	for (tries = 0; tries < ZC_REAP_TAKING_TRIES; tries++) {
		u64 old = zc_load_acquire(mask);

		if (!(zc_mask_bits(old) >> bit & 1) ||
		    zc_load_acquire(zc_owner_life(v, owner)) != life ||
		    zc_cas64(mask, &old,
			     ((old >> 32) + 1) << 32 | ((u32)old & ~(1u << bit)))) {
			ZC_KILLPOINT(reap_taking);
			return true;
		}
	}
	return false;
}

static void zc_reap_finish(const struct zc_view *v, struct zc_reaper *reaper,
			   const struct zc_reaper_ops *ops)
{
	u32 owner, m;

	for (owner = 1; owner <= ZC_MAX_WRITERS + ZC_MAX_CLEANERS; owner++) {
		u64 *word = zc_owner_life(v, owner);
		u64 life = zc_load_acquire(word);
		u32 inc = reaper->incarnation[owner];

		if (!(reaper->owners >> owner & 1) ||
		    zc_life_state(life) != ZC_LIFE_REAPING ||
		    zc_life_incarnation(life) != inc)
			continue;
		/* A hint that an adopter sets again when it waits, too. */
		if (owner <= ZC_MAX_WRITERS)
			zc_and64(&v->hints->waiting_writers,
				 ~(1ULL << (owner - 1)));
		/* Else it stays REAPING, and the next pass ends it. */
		if (!zc_reap_taking(v, owner, life))
			continue;
		zc_cas64(word, &life, zc_life(inc, 0, ZC_LIFE_IDLE));
		ZC_KILLPOINT(reap_writer);
	}
	for (m = 0; m < ZC_MAX_MEMBERS; m++) {
		u64 *word = &v->members[m].life;
		u64 life = zc_load_acquire(word);

		if (zc_life_state(life) != ZC_LIFE_REAPING)
			continue;
		zc_service_reap(v, m);
		if (zc_member_has_roles(v, m))
			continue;
		/*
		 * Told before the slot is free: whoever dies in between leaves
		 * it to the next reaper to tell again, and listeners drop what
		 * they heard of that incarnation before.
		 */
		if (ops->reaped)
			ops->reaped(ops->ctx, m, zc_life_incarnation(life));
		zc_cas64(word, &life,
			 zc_life(zc_life_incarnation(life), 0, ZC_LIFE_IDLE));
		ZC_KILLPOINT(reap_member);
	}
}

/* Returns false when the slice is over before the walk is. */
static bool zc_reap_walk(const struct zc_view *v, struct zc_reaper *reaper,
			 const struct zc_reaper_ops *ops)
{
	u32 granule;
	u64 word;

	for (;;) {
		/* Or the last slice has left some. */
		if (zc_batch_full(&reaper->batch) && !zc_reap_batch(v, reaper))
			return false;
		if (!reaper->left)
			return false;
		zc_reap_spend(reaper, ZC_REAP_LOOKS);
		if (!zc_walk_step(v, &reaper->walk, &granule, &word))
			return zc_reap_batch(v, reaper);
		if (reaper->owners >> zc_word_owner(word) & 1)
			zc_reap_run(v, reaper, ops, granule, word);
	}
}

bool zc_reap(const struct zc_view *v, struct zc_reaper *reaper,
	     const struct zc_reaper_ops *ops, u32 budget)
{
	reaper->left = (u64)budget * ZC_REAP_LOOKS;
	if (!reaper->walking) {
		if (!zc_reap_wanted(v))
			return true;
		reaper->walking = true;
		reaper->at_roles = true;
		reaper->member = 0;
		reaper->role = 0;
		reaper->io.life = 0;
		reaper->owners = 0;
		reaper->waiting = false;
		reaper->walk = (struct zc_walk){ 0 };
	}
	if (reaper->at_roles) {
		if (!zc_reap_roles(v, reaper, ops))
			return false;
		reaper->at_roles = false;
	}
	if (reaper->owners && !zc_reap_walk(v, reaper, ops))
		return false;
	reaper->walking = false;
	if (reaper->walk.skipped) {
		if (++reaper->skipping < ZC_REAP_SKIPPING_MAX)
			return false;	/* not everything was seen: not a pass */
		reaper->partial++;
	}
	reaper->skipping = 0;
	zc_reap_finish(v, reaper, ops);
	return !zc_reap_wanted(v);
}
