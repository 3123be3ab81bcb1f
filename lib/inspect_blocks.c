// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * inspect_blocks.c - each block of a pool in motion: whose it is, and who holds it.
 */
#include "guard.h"
#include "role.h"
#include "shown.h"

#define ZC_BLOCK_TRIES 8

/* Which readers hold a committed block, and which have not been there? */
static void zc_block_readers(const struct zc_view *v, u32 w, u64 sequence,
			     zc_inspect_block_t *b)
{
	u32 mask = zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active));

	while (mask) {
		u32 r = (u32)__builtin_ctz(mask), k, nr;
		struct zc_reader_slot *slot = zc_reader_slot(v, w, r);
		struct zc_reader_area *a = zc_reader_area(v, w, r);
		const struct zc_floor *f = &zc_writer_area(v, w)->floor[r];
		u32 incarnation = zc_life_incarnation(
			zc_load_acquire(&slot->life));
		u64 from, floor;

		mask &= mask - 1;
		nr = zc_holds_used(v, a);
		for (k = 0; k < nr; k++)
			if (zc_load_acquire(zc_hold_slot(a, k)) == sequence)
				b->held_by |= 1U << r;
		if (zc_load_relaxed(&slot->flags) & ZC_READER_HAZARD ||
		    zc_load_acquire(&f->cut_incarnation) == incarnation)
			continue;
		from = zc_load_acquire(&a->join);
		floor = zc_load_acquire(&f->floor);
		if (floor > from)
			from = floor;
		if (zc_load_acquire(&a->incarnation) != incarnation ||
		    (sequence >= from && zc_load_acquire(&a->cursor) <= sequence))
			b->unvisited_by |= 1U << r;
	}
}

static bool zc_run_describe(const struct zc_pool *pool, u32 granule, u64 word,
			    zc_inspect_block_t *out)
{
	(void)pool;
	*out = (zc_inspect_block_t){
		.sz = sizeof(*out),
		.granule = granule,
		.granules = zc_word_length(word),
		.generation = zc_word_generation(word),
		.state = zc_word_state(word),
		.owner = zc_word_owner(word),
	};
	return true;
}

static bool zc_block_describe(const struct zc_pool *pool, u32 granule, u64 word,
			      zc_inspect_block_t *out)
{
	const struct zc_view *v = &pool->view;
	const struct zc_block_desc *d = &v->descs[granule];
	u32 length = zc_word_length(word), tries;

	for (tries = 0; tries < ZC_BLOCK_TRIES; tries++) {
		zc_inspect_block_t b;
		u64 again;

		zc_run_describe(pool, granule, word, &b);
		/* The record is kept from commit until FREE. */
		if (b.state == ZC_STATE_USING || b.state == ZC_STATE_CLEAN) {
			u32 w = zc_load_relaxed(&d->writer);

			b.sequence = zc_load_relaxed(&d->sequence);
			if (w < ZC_MAX_WRITERS)
				zc_block_readers(v, w, b.sequence, &b);
		}
		if (b.state == ZC_STATE_USING) {
			b.bytes = zc_load_relaxed(&d->bytes);
			b.age_ns = zc_age(zc_timestamp(),
					  zc_load_relaxed(&d->timestamp_ns));
		} else {
			b.sequence = 0;
			b.unvisited_by = 0;
		}
		/* Loads before the second look; a block that changed is redone. */
		zc_fence_full();
		again = zc_load_acquire(&d->word);
		if (again == word) {
			*out = b;
			return true;
		}
		word = again;
		if (zc_word_state(word) == ZC_STATE_INSIDE ||
		    zc_word_length(word) != length)
			return false;
	}
	return false;
}

static bool zc_block_verify(const struct zc_pool *pool, u32 granule, u64 word,
			    zc_inspect_block_t *out)
{
	u32 mode, fault;

	if (!zc_block_describe(pool, granule, word, out))
		return false;
	if (out->state != ZC_STATE_USING)
		return true;
	word = zc_word(out->generation, out->granules, out->owner, out->state);
	fault = zc_guard_look_at(pool, granule, word, &mode);
	out->guard = zc_guard_shown(mode);
	out->fault = fault;
	return true;
}

/* From run to run; @describe: false: the run is not there any more. */
static zc_result_t zc_inspect_walk(
	zc_pool_t *pool,
	bool (*describe)(const struct zc_pool *pool, u32 granule, u64 word,
			 zc_inspect_block_t *out),
	int (*visit)(const zc_inspect_block_t *block, void *ctx), void *ctx)
{
	struct zc_walk walk = { 0 };
	zc_inspect_block_t b;
	const struct zc_view *v;
	zc_result_t result;
	u64 word, seen = 0, missed = 0, total;
	u32 granule;

	if (!pool || !visit)
		return zc_fail(ZC_ERROR_INVALID, "pool or visit is NULL");
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	v = &pool->view;
	total = zc_granules(v);
	while (zc_walk_step(v, &walk, &granule, &word) && granule < total) {
		/* The walk lost its way and was here before. */
		if (granule < seen)
			continue;
		missed += granule - seen;
		seen = (u64)granule + zc_word_length(word);
		if (zc_word_owner(word) == ZC_OWNER_REMOVER)
			continue;	/* no memory there */
		if (!describe(pool, granule, word, &b))
			missed += zc_word_length(word);
		else if (visit(&b, ctx))
			return ZC_OK;
	}
	if (seen < total)
		missed += total - seen;
	/* Some always slip through while others split and join. */
	if (missed > total / 8)
		return zc_fail(ZC_ERROR_BUSY, "the pool changes quickly: %llu of "
			       "%llu granules were not seen", missed, total);
	return ZC_OK;
}

zc_result_t zc_inspect_blocks(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *block, void *ctx), void *ctx)
{
	return zc_inspect_walk(pool, zc_block_describe, visit, ctx);
}

zc_result_t zc_inspect_verified(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *block, void *ctx), void *ctx)
{
	return zc_inspect_walk(pool, zc_block_verify, visit, ctx);
}

zc_result_t zc_inspect_runs(
	zc_pool_t *pool,
	int (*visit)(const zc_inspect_block_t *run, void *ctx), void *ctx)
{
	return zc_inspect_walk(pool, zc_run_describe, visit, ctx);
}
