// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * check.c - fsck for a pool.
 *
 * One pass over all runs counts, and notes what it finds wrong.  What is wrong
 * in a pool at rest is wrong again in a second pass: the same defect, at the same
 * granule, with the same word.  In a pool in motion only such defects count, for a
 * granule's word never takes a value twice (but for commit and reclaim, which a
 * defect names apart).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/reclaim.h"
#include "core/ring.h"
#include "core/segment.h"
#include "backend.h"

#define ZC_DEFECTS_MAX 512U
#define ZC_SEGMENT_TRIES 16U
#define ZC_PASS_WAIT_NS 20000000L

enum zc_defect_kind {
	ZC_DEFECT_INSIDE,
	ZC_DEFECT_LENGTH,
	ZC_DEFECT_STRIPE,
	ZC_DEFECT_OWNER,
	ZC_DEFECT_CLAIM_OWNER_GONE,
	ZC_DEFECT_CLEAN_OWNER_GONE,
	ZC_DEFECT_USING_OWNER,
	ZC_DEFECT_USING_WRITER,
	ZC_DEFECT_USING_INCARNATION,
	ZC_DEFECT_USING_BYTES,
	ZC_DEFECT_USING_SEQUENCE,
	ZC_DEFECT_USING_UNPUBLISHED,
	ZC_DEFECT_USING_LEAKED,
	ZC_DEFECT_RETIRED,
	/* From here on @where is a slot. */
	ZC_DEFECT_SWALLOWED,
	ZC_DEFECT_ROLE_MEMBER,
	ZC_DEFECT_MASK,
	ZC_DEFECT_LIFE,
};

static const char *const zc_defect_texts[] = {
	[ZC_DEFECT_INSIDE] = "the run before it ends here, but no run begins",
	[ZC_DEFECT_LENGTH] = "the run is longer than what is left of its segment",
	[ZC_DEFECT_STRIPE] = "the run crosses a stripe and does not start on one",
	[ZC_DEFECT_OWNER] = "the run has an owner that it cannot have",
	[ZC_DEFECT_CLAIM_OWNER_GONE] = "it is claimed by a role that is gone",
	[ZC_DEFECT_CLEAN_OWNER_GONE] = "it is being cleaned by a role that is gone",
	[ZC_DEFECT_USING_OWNER] = "it is committed, but its owner is no writer",
	[ZC_DEFECT_USING_WRITER] = "it is committed by another writer than its owner",
	[ZC_DEFECT_USING_INCARNATION] = "it is committed by a writer that never was",
	[ZC_DEFECT_USING_BYTES] = "its payload is empty or longer than the block",
	[ZC_DEFECT_USING_SEQUENCE] = "it is committed without a sequence",
	[ZC_DEFECT_USING_UNPUBLISHED] = "it was committed by a writer that is gone "
		"and never published",
	[ZC_DEFECT_USING_LEAKED] = "it is committed, but neither in its writer's ring "
		"nor deferred: nobody will take it back",
	[ZC_DEFECT_SWALLOWED] = "its ring and deferred array name more committed "
		"blocks than there are: some lie inside of other runs",
	[ZC_DEFECT_RETIRED] = "it is in a segment without memory, and not the "
		"remover's: whoever gets it writes into nothing",
	[ZC_DEFECT_ROLE_MEMBER] = "a role belongs to a member that is not there",
	[ZC_DEFECT_MASK] = "a reader that is not there is in an active mask",
	[ZC_DEFECT_LIFE] = "a life word has a state that does not exist",
};

struct zc_defect {
	enum zc_defect_kind kind;
	u64 where;		/* granule, or index of a slot */
	u64 word;
};

struct zc_check_pass {
	struct zc_view *v;
	zc_check_report_t report;
	struct zc_defect defects[ZC_DEFECTS_MAX];
	u32 defects_nr;
	u64 defects_all;	/* also those that were not noted */
	u64 published[ZC_MAX_WRITERS];	/* committed blocks met on the way */
};

static void zc_defect(struct zc_check_pass *p, enum zc_defect_kind kind,
		      u64 where, u64 word)
{
	p->defects_all++;
	if (p->defects_nr < ZC_DEFECTS_MAX)
		p->defects[p->defects_nr++] = (struct zc_defect){
			.kind = kind, .where = where, .word = word,
		};
}

/* --- a run --------------------------------------------------------------------- */

static bool zc_deferred_has(const struct zc_view *v, u32 w, u64 sequence,
			    u32 granule)
{
	struct zc_deferred_entry *d = zc_deferred(v, w);
	u32 nr = zc_load_acquire(&zc_writer_area(v, w)->deferred_nr), i;

	if (nr > v->deferred_entries)
		nr = v->deferred_entries;
	for (i = 0; i < nr; i++)
		if (zc_load_acquire(&d[i].sequence) == sequence &&
		    zc_load_relaxed(&d[i].granule) == granule)
			return true;
	return false;
}

/* Is there anything from which the block will be found when it is let go? */
static bool zc_block_known(const struct zc_view *v, u32 w, u64 sequence,
			   u32 granule, u32 generation, bool live)
{
	struct zc_entry e;

	if (zc_entry_load(&zc_ring(v, w)[sequence & v->ring_mask], sequence,
			  &e) &&
	    e.granule == granule && e.generation == generation &&
	    (!live || sequence >= zc_load_acquire(&zc_writer_area(v, w)->tail)))
		return true;
	return zc_deferred_has(v, w, sequence, granule);
}

static void zc_check_using(struct zc_check_pass *p, u32 granule, u64 word)
{
	const struct zc_view *v = p->v;
	const struct zc_block_desc *d = &v->descs[granule];
	u64 sequence = zc_load_relaxed(&d->sequence);
	u64 bytes = zc_load_relaxed(&d->bytes);
	u32 w = zc_word_owner(word) - 1;
	u64 life, head;
	bool live;

	if (w >= ZC_MAX_WRITERS) {
		zc_defect(p, ZC_DEFECT_USING_OWNER, granule, word);
		return;
	}
	life = zc_load_acquire(&v->writer_slots[w].life);
	live = zc_life_state(life) == ZC_LIFE_LIVE;
	if (zc_load_relaxed(&d->writer) != w)
		zc_defect(p, ZC_DEFECT_USING_WRITER, granule, word);
	if (!bytes ||
	    bytes > (u64)zc_word_length(word) << v->granule_shift)
		zc_defect(p, ZC_DEFECT_USING_BYTES, granule, word);
	/* Region of a writer that never was: not allocated, do not look. */
	if (!zc_life_incarnation(life)) {
		zc_defect(p, ZC_DEFECT_USING_INCARNATION, granule, word);
		return;
	}
	head = zc_load_acquire(&zc_writer_area(v, w)->head);
	if (!sequence)
		zc_defect(p, ZC_DEFECT_USING_SEQUENCE, granule, word);
	else if (sequence >= head) {
		/* In the middle of its commit, or of being reaped. */
		if (zc_life_state(life) == ZC_LIFE_IDLE)
			zc_defect(p, ZC_DEFECT_USING_UNPUBLISHED, granule, word);
	} else if (zc_block_known(v, w, sequence, granule,
				  zc_word_generation(word), live)) {
		p->published[w]++;
	} else {
		zc_defect(p, ZC_DEFECT_USING_LEAKED, granule, word);
	}
}

/* The other way round: whatever ring and deferred array name was met. */
static void zc_check_rings(struct zc_check_pass *p, u32 w)
{
	const struct zc_view *v = p->v;
	struct zc_writer_area *a = zc_writer_area(v, w);
	struct zc_deferred_entry *d = zc_deferred(v, w);
	u64 head, tail, s, word, named = 0;
	u32 i, nr;

	/* No writer yet: nothing is committed, its region not allocated. */
	if (!zc_life_incarnation(zc_load_acquire(&v->writer_slots[w].life)))
		return;
	head = zc_load_acquire(&a->head);
	tail = zc_load_acquire(&a->tail);
	s = head > v->ring_mask ? head - v->ring_mask - 1 : 1;
	if (s < tail)
		s = tail;
	for (; s < head; s++) {
		struct zc_entry e;

		named += zc_entry_load(&zc_ring(v, w)[s & v->ring_mask], s,
				       &e) &&
			 zc_block_is(v, w, e.granule, e.generation, s, &word);
	}
	nr = zc_load_acquire(&a->deferred_nr);
	for (i = 0; i < nr && i < v->deferred_entries; i++) {
		s = zc_load_acquire(&d[i].sequence);
		named += s && s < tail &&
			 zc_block_is(v, w, zc_load_relaxed(&d[i].granule),
				     zc_load_relaxed(&d[i].generation), s, &word);
	}
	/* With the head, so that it is not "the same again" in motion. */
	if (named > p->published[w])
		zc_defect(p, ZC_DEFECT_SWALLOWED, w, head);
}

/* Is the role LIVE, or just being reaped? */
static bool zc_owner_there(const struct zc_view *v, u32 owner)
{
	u32 i = owner - 1;
	u64 life = zc_load_acquire(
		i < ZC_MAX_WRITERS ? &v->writer_slots[i].life :
				     &v->cleaner_slots[i - ZC_MAX_WRITERS].life);

	return zc_life_state(life) != ZC_LIFE_IDLE;
}

/* Where there is no memory, all is the remover's. */
static bool zc_check_retired(struct zc_check_pass *p, u32 granule, u64 word)
{
	const struct zc_view *v = p->v;

	if (zc_segment_state(v, granule >> v->segment_shift) == ZC_SEGMENT_READY)
		return false;
	if (zc_word_state(word) != ZC_STATE_FREE ||
	    zc_word_owner(word) != ZC_OWNER_REMOVER)
		zc_defect(p, ZC_DEFECT_RETIRED, granule, word);
	p->report.granules -= zc_word_length(word);
	return true;
}

static void zc_check_run(struct zc_check_pass *p, u32 granule, u64 word)
{
	const struct zc_view *v = p->v;
	zc_check_report_t *r = &p->report;
	u32 length = zc_word_length(word), owner = zc_word_owner(word);
	u32 pos = granule & (v->segment_granules - 1);
	u32 in_stripe = pos % v->stripe_granules;
	bool role = owner != ZC_OWNER_NONE && owner < ZC_OWNER_ORPHAN;
	/* Before the segment's state: a remover that ends in between was there. */
	u32 removing = zc_load_acquire(&v->hints->removing);

	if (zc_check_retired(p, granule, word))
		return;
	r->runs++;
	if (in_stripe && in_stripe + length > v->stripe_granules)
		zc_defect(p, ZC_DEFECT_STRIPE, granule, word);
	switch (zc_word_state(word)) {
	case ZC_STATE_FREE:
		if (owner == ZC_OWNER_NONE) {
			r->free += length;
			if (length > r->largest_free)
				r->largest_free = length;
			return;
		}
		r->claimed += length;
		/* Whoever died at that was cleared away before. */
		if (owner == ZC_OWNER_REMOVER &&
		    removing == (granule >> v->segment_shift) + 1)
			return;
		if (!role)
			zc_defect(p, ZC_DEFECT_OWNER, granule, word);
		else if (!zc_owner_there(v, owner))
			zc_defect(p, ZC_DEFECT_CLAIM_OWNER_GONE, granule, word);
		return;
	case ZC_STATE_USING:
		r->committed += length;
		zc_check_using(p, granule, word);
		return;
	default:
		r->cleaning += length;
		if (owner == ZC_OWNER_ORPHAN)
			return;
		if (!role)
			zc_defect(p, ZC_DEFECT_OWNER, granule, word);
		else if (!zc_owner_there(v, owner))
			zc_defect(p, ZC_DEFECT_CLEAN_OWNER_GONE, granule, word);
	}
}

/* --- a segment: exactly tiled by runs -------------------------------------------- */

/* Positions at which a walk may go on after it was lost: the next stripe's run. */
static u32 zc_next_stripe(const struct zc_view *v, u32 base, u32 pos)
{
	u32 stripe = v->stripe_granules;

	for (pos = pos - pos % stripe + stripe; pos < v->segment_granules;
	     pos += stripe) {
		u64 word = zc_load_acquire(&v->descs[base + pos].word);

		if (zc_word_state(word) != ZC_STATE_INSIDE &&
		    zc_word_length(word) <= v->segment_granules - pos)
			return pos;
	}
	return v->segment_granules;
}

/* Returns the number of times that the way was lost. */
static u32 zc_check_segment_once(struct zc_check_pass *p, u32 segment)
{
	const struct zc_view *v = p->v;
	u32 base = segment << v->segment_shift, pos = 0, lost = 0;

	while (pos < v->segment_granules) {
		u64 word = zc_load_acquire(&v->descs[base + pos].word);
		bool inside = zc_word_state(word) == ZC_STATE_INSIDE;
		u32 next;

		if (!inside &&
		    zc_word_length(word) <= v->segment_granules - pos) {
			zc_check_run(p, base + pos, word);
			pos += zc_word_length(word);
			continue;
		}
		lost++;
		zc_defect(p, inside ? ZC_DEFECT_INSIDE : ZC_DEFECT_LENGTH,
			  base + pos, word);
		next = zc_next_stripe(v, base, pos);
		p->report.lost += next - pos;
		pos = next;
	}
	return lost;
}

/* Where somebody splits or joins runs under the walk it begins anew. */
static void zc_check_segment(struct zc_check_pass *p, u32 segment)
{
	zc_check_report_t report = p->report;
	u32 defects_nr = p->defects_nr, tries;
	u64 defects_all = p->defects_all;
	u64 published[ZC_MAX_WRITERS];

	memcpy(published, p->published, sizeof(published));
	for (tries = 0; zc_check_segment_once(p, segment) &&
	     tries < ZC_SEGMENT_TRIES; tries++) {
		memcpy(p->published, published, sizeof(published));
		p->report = report;
		p->defects_nr = defects_nr;
		p->defects_all = defects_all;
	}
}

/* --- slots --------------------------------------------------------------------------- */

static void zc_check_role(struct zc_check_pass *p, u64 where, u64 life)
{
	u32 m = zc_life_member(life);

	if (zc_life_state(life) > ZC_LIFE_REAPING)
		zc_defect(p, ZC_DEFECT_LIFE, where, life);
	else if (zc_life_state(life) != ZC_LIFE_IDLE &&
		 (m >= ZC_MAX_MEMBERS ||
		  zc_life_state(zc_load_acquire(&p->v->members[m].life)) ==
			  ZC_LIFE_IDLE))
		zc_defect(p, ZC_DEFECT_ROLE_MEMBER, where, life);
}

static void zc_check_slots(struct zc_check_pass *p)
{
	const struct zc_view *v = p->v;
	u32 i, r;

	for (i = 0; i < ZC_MAX_MEMBERS; i++) {
		u64 life = zc_load_acquire(&v->members[i].life);

		if (zc_life_state(life) == ZC_LIFE_LIVE)
			p->report.members++;
		else if (zc_life_state(life) == ZC_LIFE_REAPING)
			p->report.dead_members++;
		else if (zc_life_state(life) != ZC_LIFE_IDLE)
			zc_defect(p, ZC_DEFECT_LIFE, i, life);
	}
	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		u32 mask = zc_mask_bits(
			zc_load_acquire(&v->writer_slots[i].active));

		zc_check_role(p, i, zc_load_acquire(&v->writer_slots[i].life));
		for (r = 0; r < ZC_MAX_READERS_PER; r++) {
			u64 where = i * ZC_MAX_READERS_PER + r;
			u64 life = zc_load_acquire(&zc_reader_slot(v, i, r)->life);

			zc_check_role(p, where, life);
			if (mask >> r & 1 &&
			    zc_life_state(life) == ZC_LIFE_IDLE)
				zc_defect(p, ZC_DEFECT_MASK, where, life);
		}
	}
	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		zc_check_role(p, i, zc_load_acquire(&v->cleaner_slots[i].life));
}

/* --- passes --------------------------------------------------------------------------- */

static void zc_check_pass(struct zc_check_pass *p, struct zc_pool *pool)
{
	u32 s, segments = zc_segments(&pool->view);

	memset(p, 0, sizeof(*p));
	p->v = &pool->view;
	p->report.granules = (u64)segments << pool->view.segment_shift;
	zc_check_slots(p);
	for (s = 0; s < segments; s++)
		zc_check_segment(p, s);
	for (s = 0; s < ZC_MAX_WRITERS; s++)
		zc_check_rings(p, s);
}

static bool zc_defect_again(const struct zc_check_pass *before,
			    const struct zc_defect *d)
{
	u32 i;

	for (i = 0; i < before->defects_nr; i++) {
		const struct zc_defect *b = &before->defects[i];

		if (b->kind == d->kind && b->where == d->where &&
		    b->word == d->word)
			return true;
	}
	return false;
}

/* Leaves in @p what both passes have. */
static void zc_check_confirm(struct zc_check_pass *p,
			     const struct zc_check_pass *before)
{
	bool structure = false;
	u32 i, kept = 0;

	for (i = 0; i < p->defects_nr; i++)
		if (zc_defect_again(before, &p->defects[i])) {
			structure |= p->defects[i].kind <= ZC_DEFECT_LENGTH;
			p->defects[kept++] = p->defects[i];
		}
	/* Else it was the walk that was lost, in a pool in motion. */
	if (!structure)
		p->report.lost = 0;
	/* More than were noted: only where all that were noted are true. */
	if (kept < p->defects_nr || p->defects_nr < ZC_DEFECTS_MAX)
		p->defects_all = kept;
	p->defects_nr = kept;
}

static void zc_check_describe(const struct zc_check_pass *p, char text[256])
{
	const struct zc_defect *d = &p->defects[0];

	text[0] = '\0';
	if (!p->defects_nr)
		return;
	if (d->kind >= ZC_DEFECT_SWALLOWED)
		snprintf(text, 256, "slot %llu (0x%llx): %s", d->where,
			 d->word, zc_defect_texts[d->kind]);
	else
		snprintf(text, 256,
			 "granule %llu (state %u, owner %u, %u granules, generation "
			 "%u): %s", d->where, zc_word_state(d->word),
			 zc_word_owner(d->word), zc_word_length(d->word),
			 zc_word_generation(d->word), zc_defect_texts[d->kind]);
}

zc_result_t zc_pool_check(zc_pool_t *pool, zc_check_report_t *report)
{
	struct timespec wait = { 0, ZC_PASS_WAIT_NS };
	struct zc_check_pass *first, *last;
	zc_result_t result;

	if (!pool || !report || report->sz <= sizeof(size_t) ||
	    report->sz > 1 << 20)
		return zc_fail(ZC_ERROR_INVALID, "a report needs .sz = sizeof(struct "
			       "zc_check_report)");
	result = zc_pool_usable(pool);
	if (result == ZC_OK)
		result = zc_pool_joined(pool);
	if (result != ZC_OK)
		return result;
	first = malloc(2 * sizeof(*first));
	if (!first)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a check");
	last = first + 1;

	pool->backend->bury(pool);
	zc_check_pass(last, pool);
	/* Nothing wrong in one pass is nothing wrong; the counts are of that one. */
	if (last->defects_nr) {
		*first = *last;
		nanosleep(&wait, NULL);
		zc_check_pass(last, pool);
		zc_check_confirm(last, first);
	}
	last->report.in_motion = last->report.members > 1;
	last->report.errors = last->defects_all;
	zc_check_describe(last, last->report.first_error);
	zc_copy_out(report, &last->report, sizeof(last->report));
	free(first);
	return ZC_OK;
}
