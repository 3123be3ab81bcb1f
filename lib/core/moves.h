/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * moves.h - every legal change of a descriptor's word, and nothing else.
 *
 * The word is {generation, length, owner, state}.  "gen" says whether the move
 * makes the granule's generation grow; it does in every move but commit and
 * reclaim, so that no compare-and-swap with a stale word can succeed.
 *
 * | move    | from          | to            | who               | how   | gen |
 * |---------|---------------|---------------|-------------------|-------|-----|
 * | claim   | FREE, none    | FREE, w       | any writer        | CAS   | yes |
 * | unclaim | FREE, w       | FREE, none    | w                 | store | yes |
 * | resize  | FREE, w       | FREE, w       | w: split, merge   | store | yes |
 * | absorb  | FREE, w       | INSIDE        | w: merge          | store | yes |
 * | commit  | FREE, w       | USING, w      | w                 | store | no  |
 * | reclaim | USING, w      | CLEAN, x      | w, another, nobody| CAS   | no  |
 * | retake  | USING, w      | FREE, w       | w, alone          | store | yes |
 * | keep    | CLEAN, w      | FREE, w       | w                 | store | yes |
 * | done    | CLEAN, x      | FREE, none    | x                 | store | yes |
 * | reap    | FREE, dead    | FREE, none    | any reaper        | CAS   | yes |
 * | reap    | CLEAN, dead   | FREE, none    | any reaper        | CAS   | yes |
 * | reap    | USING, dead   | CLEAN, dead   | any reaper        | CAS   | no  |
 * | orphan  | CLEAN, x      | CLEAN, ORPHAN | x, or any reaper  | CAS   | yes |
 * | orphan  | FREE, dead    | CLEAN, ORPHAN | the kernel: in I/O| CAS   | yes |
 * | adopt   | CLEAN, ORPHAN | FREE, none    | who needs memory  | CAS   | yes |
 * | inside  | stale         | INSIDE        | reaper, see run.c | CAS   | yes |
 *
 * "Another" is a writer short of memory; "nobody" somebody without a role, who
 * makes it an orphan (x = ORPHAN).  A plain store is enough where the caller is the
 * live owner of a FREE or CLEAN word: everybody else changes those only after that
 * owner's proven death.  USING is everybody's who can show that no reader needs
 * it, so that leaving USING is a CAS for its writer, too; or a store, where it has seen
 * to it that nobody else looks at these blocks: see zc_bulk_begin().
 *
 * If death falls before a move, the word says what it was; after it, what it
 * became: the reaper's pass takes FREE and CLEAN words of the dead owner, and
 * USING words whose sequence was not published.  Inside commit, merge and split
 * see writer_commit.c and run.c.
 */
#ifndef ZC_CORE_MOVES_H
#define ZC_CORE_MOVES_H

#include "word.h"

static inline bool zc_move_claim(u64 *word, u64 *value, u32 owner)
{
	u64 old = *value;
	u64 new = zc_word_next(old, owner, ZC_STATE_FREE);

	if (zc_word_state(old) != ZC_STATE_FREE ||
	    zc_word_owner(old) != ZC_OWNER_NONE)
		return false;
	/*
	 * [A1] the last owner's accesses before ours; pairs with [A1] in
	 * zc_move_unclaim() and zc_move_done().
	 */
	if (!zc_cas64(word, &old, new))
		return false;
	*value = new;
	return true;
}

static inline void zc_move_unclaim(u64 *word, u64 value)
{
	/* [A1] */
	zc_store_release(word, zc_word_next(value, ZC_OWNER_NONE,
					    ZC_STATE_FREE));
}

/* A new length for a run of mine; the granule need not have been a head. */
static inline u64 zc_move_resize(u64 *word, u32 length, u32 owner)
{
	u32 generation = zc_word_generation(zc_load_relaxed(word)) + 1;
	u64 new = zc_word(generation, length, owner, ZC_STATE_FREE);

	/*
	 * [S1] split: the remainder before the shortened head, merge: the
	 * extended head before the absorbed word; pairs with the acquire in
	 * zc_walk_step().
	 */
	zc_store_release(word, new);
	return new;
}

static inline void zc_move_absorb(u64 *word, u64 value)
{
	/* [S1] */
	zc_store_release(word, zc_word_next(value, ZC_OWNER_NONE,
					    ZC_STATE_INSIDE));
}

static inline u64 zc_move_commit(u64 *word, u64 value, u32 owner)
{
	u64 new = zc_word_same(value, owner, ZC_STATE_USING);

	/*
	 * [C2] payload and descriptor before USING; pairs with [C2] in the
	 * hazard path of zc_reader_poll_block() and in zc_block_reclaim().
	 */
	zc_store_release(word, new);
	return new;
}

static inline bool zc_move_reclaim(u64 *word, u64 *value, u32 owner)
{
	u64 old = *value;
	u64 new = zc_word_same(old, owner, ZC_STATE_CLEAN);

	if (!zc_cas64(word, &old, new))
		return false;
	*value = new;
	return true;
}

/* Nobody else takes it back, and nobody reads it: see zc_bulk_begin(). */
static inline u64 zc_move_retake(u64 *word, u64 value, u32 owner)
{
	u64 new = zc_word_next(value, owner, ZC_STATE_FREE);

	zc_store_release(word, new);
	return new;
}

static inline u64 zc_move_keep(u64 *word, u64 value, u32 owner)
{
	u64 new = zc_word_next(value, owner, ZC_STATE_FREE);

	zc_store_release(word, new);
	return new;
}

static inline void zc_move_done(u64 *word, u64 value)
{
	/* [A1] */
	zc_store_release(word, zc_word_next(value, ZC_OWNER_NONE,
					    ZC_STATE_FREE));
}

/* For those who are not the live owner. */
static inline bool zc_move_reap(u64 *word, u64 value)
{
	return zc_cas64(word, &value,
			zc_word_next(value, ZC_OWNER_NONE, ZC_STATE_FREE));
}

static inline bool zc_move_orphan(u64 *word, u64 value)
{
	return zc_cas64(word, &value,
			zc_word_next(value, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN));
}

static inline bool zc_move_inside(u64 *word, u64 value)
{
	return zc_cas64(word, &value,
			zc_word_next(value, ZC_OWNER_NONE, ZC_STATE_INSIDE));
}

#endif /* ZC_CORE_MOVES_H */
