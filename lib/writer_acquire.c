// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_acquire.c - get a block to fill.
 *
 * In order: blocks kept for reuse, the cached run and its right neighbour, the
 * guide, the writer's own oldest, one CAS a candidate; then wait in slices.
 */
#include "backend.h"
#include "core/moves.h"
#include "guard.h"
#include "role_mail.h"

/*
 * A reader that is only a little behind is back sooner than a sleep ends: spin
 * first, then sleep in slices that grow.
 */
#define ZC_WAIT_SPIN_NS 30000ULL
#define ZC_WAIT_SLICE_MIN_NS 50000ULL
#define ZC_WAIT_SLICE_MAX_NS 1000000ULL

/*
 * A writer that is faster than its readers waits for them in the end, wherever it may go:
 * behind some blocks, or behind all of the pool.  But what was written long ago has left
 * the caches when it is read.  So who may wait at all waits behind a footprint of blocks
 * of a page and more, as long as the slowest reader moves; one that does not move by the
 * time that all readers need for a footprint, one after the other on one processor, is
 * stopped, and all of the pool is there for that.  It is nothing for who does not write
 * all that he sends, which is seen by his being quicker than any processor writes.
 */
#define ZC_AHEAD_LEAST 4U		/* blocks */
#define ZC_AHEAD_BYTES_PER_NS 4U
#define ZC_AHEAD_MOST_NS 20000000ULL
#define ZC_WRITTEN_BYTES_PER_NS 32U
/* Acquires until it is asked again how quick that is; and by twice as many it is forgotten. */
#define ZC_WRITTEN_NOT_FOR 32U

/* Messages of each other topic that are looked at in one attempt. */
#define ZC_OTHERS_BUDGET 256U

/* Why an attempt found nothing. */
enum zc_lack {
	ZC_LACK_NOTHING,
	ZC_LACK_READERS,	/* ring or lag limit */
	ZC_LACK_PATIENCE,	/* there is memory, but it is far ahead of its readers */
	ZC_LACK_QUOTA,
	ZC_LACK_MEMORY
};

static inline zc_result_t zc_claim_out(struct zc_writer *w, u64 word, u32 granule,
				       u64 bytes, zc_handle_t *out)
{
	struct zc_claim *c = &w->claims[w->free_claims[--w->free_claims_nr]];

	c->word = word;
	c->granule = granule;
	c->place.bytes = bytes;
	c->size = bytes;
	c->place.data = w->data + ((u64)granule << w->granule_shift);
	zc_store_relaxed(&c->place.location, zc_location_next(c->place.location));
	*out = zc_seal(&w->seal, c->place.location);
	return ZC_OK;
}

/* What is behind the payload of a claim: the mark of nobody's overrun, type tags. */
static inline void zc_claim_dress(struct zc_writer *w)
{
	struct zc_claim *c = &w->claims[w->free_claims[w->free_claims_nr]];

	if (w->guard != ZC_MODE_OFF)
		zc_guard_arm(c->place.data, c->size);
	if (w->tags.on)
		zc_writer_tag(w, c);
}

static zc_result_t zc_claim_dressed(struct zc_writer *w, u64 word, u32 granule, u64 bytes,
				    zc_handle_t *out)
{
	zc_result_t result = zc_claim_out(w, word, granule, bytes, out);

	if (w->behind || w->tags.on)
		zc_claim_dress(w);
	return result;
}

/* Would so little be left that it is kept?  Who waits is another question. */
static bool zc_reserves(const struct zc_writer *w, u64 free, u32 n)
{
	const struct zc_view *v = &w->pool->view;
	zc_pressure_t level;

	free = free > n ? free - n : 0;
	if (free >= zc_granules_live(v) / 4)
		return false;
	level = zc_ask_level(&w->strategies, v, free, 0, ZC_PRESSURE_NONE);
	return zc_ask_relief(&w->strategies, level) & ZC_RELIEF_RESERVE;
}

/* The last part of the pool is kept for the lower half of the ids. */
static bool zc_reserved(struct zc_writer *w, u32 n)
{
	const struct zc_view *v = &w->pool->view;
	u32 i;

	if (w->id < ZC_MAX_WRITERS / 2 || !zc_reserves(w, zc_room_now(v).free, n) ||
	    !zc_reserves(w, zc_hint_sum(v), n))
		return false;
	for (i = 0; i < ZC_MAX_WRITERS / 2; i++)
		if (zc_life_state(zc_load_relaxed(
			    &v->writer_slots[i].life)) == ZC_LIFE_LIVE) {
			/* The count is a hint: it must not deny for ever. */
			zc_recount(w);
			return true;
		}
	return false;
}

static bool zc_take_fresh(struct zc_writer *w, u32 n, bool deep,
			  struct zc_claim *c)
{
	if (zc_reserved(w, n) || !zc_writer_take(w, n, deep, &c->granule))
		return false;
	/* All but the generation is known: what is there need not be believed. */
	c->word = zc_word(zc_word_generation(zc_load_relaxed(
				  &w->descs[c->granule].word)),
			  n, ZC_OWNER_WRITER(w->id), ZC_STATE_FREE);
	/* Stays true as long as the block is this writer's to reuse. */
	zc_store_relaxed(&w->descs[c->granule].writer, w->id);
	zc_store_relaxed(&w->descs[c->granule].flags, 0);
	if (zc_unlikely(zc_load_relaxed(&w->descs[c->granule].type)))
		zc_desc_untype(&w->descs[c->granule]);
	w->used_granules += n;
	if (!zc_is_paged(w, n))
		w->fresh += 2;
	return true;
}

/* Other topics' blocks that their readers are done with. */
static void zc_reclaim_others(struct zc_writer *w)
{
	const struct zc_view *v = &w->pool->view;
	u32 i;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		if (i == w->id)
			continue;
		/* Readers that it cannot see need everything. */
		if (v->reader_mapped)
			w->pool->backend->readers_map(w->pool, i);
		zc_slot_reclaim(v, i, ZC_OWNER_WRITER(w->id), zc_membarrier,
				ZC_OTHERS_BUDGET, &w->idle_cursor[i]);
	}
}

static void zc_tables_look(struct zc_writer *w)
{
	u32 version = w->strategies.version;

	zc_strategies_look(w->pool, &w->strategies);
	if (zc_unlikely(version != w->strategies.version))
		w->footprint_for = 0;
}

/* May it take from readers that are behind?  @none: it found no memory, and waits. */
static bool zc_may_push(const struct zc_writer *w, bool none)
{
	const struct zc_view *v = &w->pool->view;
	const zc_backpressure_strategy_t *b = &w->strategies.backpressure;
	u32 waiting = (u32)zc_load_relaxed(&v->hints->waiting_writers);
	zc_pressure_t level;

	/* What the default does not do need not be asked for. */
	if (!none && zc_likely(!b->relief))
		return false;
	level = zc_ask_level(&w->strategies, v, zc_room_now(v).free,
			     none ? waiting | 1U << w->id : waiting,
			     ZC_PRESSURE_NONE);
	return zc_ask_relief(&w->strategies, level) &
	       (none ? ZC_RELIEF_PUSH : ZC_RELIEF_PUSH_EARLY);
}

/* Granules that readers may have before them. */
static u64 zc_ahead_most(struct zc_writer *w, u32 n)
{
	u64 most = zc_footprint(w, n), least = (u64)ZC_AHEAD_LEAST * n;

	return most > least ? most : least;
}

/* Is the slowest reader a footprint of such blocks behind? */
static bool zc_is_ahead(struct zc_writer *w, u32 n)
{
	return w->on_slow == ZC_SLOW_BLOCK &&
	       zc_is_paged(w, n) && w->slowest_at < w->head &&
	       (w->head - w->slowest_at) * n >= zc_ahead_most(w, n);
}

static void zc_written_from(struct zc_writer *w, u64 now)
{
	w->written_at = now;
	w->written_head = w->head;
	w->written_bytes = w->stat_bytes;
}

/*
 * May all have been written that was sent since the last question, or wait?  The first
 * question of a burst is where it begins to count: before that nobody knows who idled.
 */
static bool zc_is_written(struct zc_writer *w)
{
	bool burst = w->written_at && w->head - w->written_head <= 2 * ZC_WRITTEN_NOT_FOR;
	u64 bytes = w->stat_bytes - w->written_bytes, ns, now;

	if (w->written_not_for) {
		w->written_not_for--;
		return false;
	}
	now = zc_timestamp();
	ns = now - w->written_at;
	zc_written_from(w, now);
	if (bytes / ZC_WRITTEN_BYTES_PER_NS > ns)
		w->written_not_for = ZC_WRITTEN_NOT_FOR;
	return burst && !w->written_not_for;
}

/* How long the slowest may stay where it is. */
static u64 zc_ahead_ns(struct zc_writer *w, u32 n)
{
	u64 ns = (zc_ahead_most(w, n) << w->granule_shift) * w->tickets_nr /
		 ZC_AHEAD_BYTES_PER_NS;

	return ns < ZC_AHEAD_MOST_NS ? ns : ZC_AHEAD_MOST_NS;
}

/* @patient: it may wait for readers that it need not wait for. */
static __attribute__((noinline)) enum zc_lack
zc_attempt(struct zc_writer *w, u32 n, u32 bin, bool patient, struct zc_claim *c)
{
	u32 rounds;

	zc_tables_look(w);
	/* A reader may move while we look: then it is no push that helps. */
	for (rounds = 0; zc_unlikely(!zc_has_credit(w)); rounds++) {
		/* Blocks that wait in ring slots make room first. */
		if (w->head + zc_inflight(w) >= w->room)
			zc_kept_spill(w);
		/* A full ring has no room for history either. */
		if (w->head + zc_inflight(w) >= w->room)
			zc_writer_reclaim(w, rounds);
		else
			zc_writer_look(w);
		if (zc_has_credit(w))
			break;
		if (!zc_writer_push_slow(w, false) && rounds)
			return ZC_LACK_READERS;
		if (rounds == 8)
			return ZC_LACK_READERS;
	}
	if (zc_reuse(w, bin, n, c))
		return ZC_LACK_NOTHING;
	if (!zc_below_footprint(w, n)) {
		zc_writer_reclaim(w, false);
		if (zc_reuse(w, bin, n, c))
			return ZC_LACK_NOTHING;
		if (zc_is_ahead(w, n) && zc_is_written(w)) {
			if (patient && w->slowest_at != w->stopped_at)
				return ZC_LACK_PATIENCE;
			w->ahead = true;
		}
	}
	if (zc_may_push(w, false) && zc_writer_push_slow(w, true)) {
		zc_writer_reclaim(w, true);
		if (zc_reuse(w, bin, n, c))
			return ZC_LACK_NOTHING;
	}
	if (w->used_granules + n <= w->quota_granules &&
	    zc_take_fresh(w, n, false, c))
		return ZC_LACK_NOTHING;

	/* Scarce: give back what is kept, take back what can be taken back.  Each
	 * round but the first takes back something, or is the last. */
	for (rounds = 0;; rounds++) {
		u32 got = zc_writer_reclaim(w, rounds > 0);

		if (zc_reuse(w, bin, n, c))
			return ZC_LACK_NOTHING;
		zc_kept_flush(w);
		if (w->used_granules + n <= w->quota_granules &&
		    zc_take_fresh(w, n, !got && rounds, c))
			return ZC_LACK_NOTHING;
		if (!got && rounds)
			break;
	}
	zc_reclaim_others(w);
	if (w->used_granules + n <= w->quota_granules &&
	    zc_take_fresh(w, n, true, c))
		return ZC_LACK_NOTHING;
	if (zc_may_push(w, true) && zc_writer_push_slow(w, true)) {
		zc_writer_reclaim(w, true);
		zc_kept_flush(w);
		if (w->used_granules + n <= w->quota_granules &&
		    zc_take_fresh(w, n, true, c))
			return ZC_LACK_NOTHING;
	}
	return w->used_granules + n > w->quota_granules ? ZC_LACK_QUOTA :
							  ZC_LACK_MEMORY;
}

static ZC_SLOW zc_result_t zc_lack_fail(struct zc_writer *w, enum zc_lack lack, u64 bytes,
				bool tried_once)
{
	const struct zc_view *v = &w->pool->view;
	unsigned long long need = bytes;

	w->stat_timeouts++;
	switch (lack) {
	case ZC_LACK_READERS:
		if (w->blocked_by == ~0U)
			return zc_fail(ZC_ERROR_TIMEOUT,
				       "the ring is full: %llu blocks acquired and not committed",
				       (unsigned long long)zc_inflight(w));
		return zc_fail(ZC_ERROR_TIMEOUT,
			       "reader %u of this service is %llu messages behind: release or unregister it, or choose another on_slow",
			       w->blocked_by,
			       (unsigned long long)(w->head -
				       zc_load_relaxed(&zc_reader_area(v, w->id,
						w->blocked_by)->cursor)));
	case ZC_LACK_QUOTA:
		return zc_fail(tried_once ? ZC_ERROR_QUOTA : ZC_ERROR_TIMEOUT,
			       "the writer's quota has no room for %llu bytes: readers still hold or have not read %llu bytes",
			       need,
			       (unsigned long long)w->used_granules
				       << v->granule_shift);
	default:
		return zc_fail(tried_once ? ZC_ERROR_NO_MEMORY :
					    ZC_ERROR_TIMEOUT,
			       "the pool has no run of %llu bytes free (about %llu bytes are free): see `zerocore blocks %s`, make the pool larger, or give writers a quota",
			       need,
			       (unsigned long long)zc_load_relaxed(
				       &v->hints->free_granules)
				       << v->granule_shift,
			       w->pool->name);
	}
}

/* One wait of acquire, from its first attempt to its last. */
struct zc_wait {
	u64 deadline;	/* 0: not waiting yet */
	u64 spin_until;
	u64 patient_until;
	u64 slice_ns;
	bool told;	/* cleaners know */
};

/* Waits a slice for memory or readers; nobody spins on anybody for long. */
static void zc_wait_slice(struct zc_writer *w, u32 n, enum zc_lack lack,
			  struct zc_wait *wait)
{
	struct zc_hints *h = w->pool->view.hints;
	u32 seen = zc_load_acquire(&w->area->wait_word);
	u64 now = zc_timestamp();
	u64 until;

	if (now < wait->spin_until) {
		u32 i;

		for (i = 0; i < 16; i++)
			zc_pause();
		return;
	}
	if (lack == ZC_LACK_MEMORY) {
		zc_store_relaxed(&w->area->wait_node, zc_numa_here());
		zc_store_release(&w->area->wanted_granules, n);
		zc_or64(&h->waiting_writers, 1ULL << w->id);
		/* Where nothing happened for long they sleep for long. */
		if (!wait->told)
			zc_team_ring(w->pool);
		wait->told = true;
	}
	until = now + wait->slice_ns;
	zc_futex_wait(&w->area->wait_word, seen,
		      until < wait->deadline ? until : wait->deadline);
	if (wait->slice_ns < ZC_WAIT_SLICE_MAX_NS)
		wait->slice_ns *= 2;
}

/* May it go on waiting for readers that it need not wait for?  Not past its deadline. */
static bool zc_patient(struct zc_writer *w, u32 n, struct zc_wait *wait)
{
	u64 now;

	if (!wait->deadline)
		return true;
	now = zc_timestamp();
	if (!wait->patient_until)
		wait->patient_until = now + zc_ahead_ns(w, n);
	if (now < wait->patient_until && now < wait->deadline)
		return true;
	w->stopped_at = w->slowest_at;
	return false;
}

static void zc_wait_end(struct zc_writer *w)
{
	struct zc_hints *h = w->pool->view.hints;

	if (zc_load_relaxed(&w->area->wanted_granules)) {
		zc_store_release(&w->area->wanted_granules, 0);
		zc_and64(&h->waiting_writers, ~(1ULL << w->id));
	}
}

static ZC_SLOW zc_result_t zc_acquire_wait(struct zc_writer *w, u32 n, u32 bin,
					   u64 bytes, zc_handle_t *out,
					   u64 timeout_ns)
{
	struct zc_wait wait = { .slice_ns = ZC_WAIT_SLICE_MIN_NS };
	struct zc_claim c;

	for (;;) {
		bool patient = timeout_ns && zc_patient(w, n, &wait);
		enum zc_lack lack = zc_attempt(w, n, bin, patient, &c);

		if (lack == ZC_LACK_NOTHING) {
			if (zc_unlikely(wait.deadline))
				zc_wait_end(w);
			zc_written_from(w, zc_timestamp());
			ZC_KILLPOINT(acquire_ready);
			return zc_claim_dressed(w, c.word, c.granule, bytes, out);
		}
		if (!timeout_ns)
			return zc_lack_fail(w, lack, bytes, true);
		if (!wait.deadline) {
			wait.deadline = zc_deadline(timeout_ns);
			wait.spin_until = zc_deadline(ZC_WAIT_SPIN_NS);
		}
		if (lack != ZC_LACK_PATIENCE && zc_timestamp() >= wait.deadline) {
			zc_wait_end(w);
			return zc_lack_fail(w, lack, bytes, false);
		}
		zc_wait_slice(w, n, lack, &wait);
		if (!zc_role_usable(w->alive, &w->closed))
			return zc_role_fail(w->pool, w->alive);
	}
}

/* Everything but what zc_writer_acquire_block() does by itself. */
static __attribute__((noinline)) zc_result_t
zc_acquire_slow(struct zc_writer *w, u64 bytes, zc_handle_t *out,
		u64 timeout_ns)
{
	struct zc_claim c;
	u32 n, bin;

	if (zc_unlikely(!w || !out))
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       w ? "out_handle" : "writer");
	/* First of all: handlers may acquire, too, and take their time. */
	if (zc_unlikely(zc_role_usable(w->alive, &w->closed) &&
			zc_load_relaxed(w->bell) != w->bell_seen))
		zc_writer_hear(w);
	if (zc_unlikely(!zc_role_usable(w->alive, &w->closed)))
		return zc_role_fail(w->pool, w->alive);
	if (zc_unlikely(bytes - 1 >= w->max_bytes))
		return zc_fail(ZC_ERROR_SIZE,
			       "a block has 1 to %llu bytes (one segment%s), not %zu: for larger ones create the pool with larger segments (segment_bytes, --segment)",
			       (unsigned long long)w->max_bytes,
			       w->behind ? " without what stands behind a payload" : "",
			       (size_t)bytes);
	if (zc_unlikely(bytes < w->tags.least))
		return zc_fail(ZC_ERROR_SIZE,
			       "a message of this writer's type has at least %u bytes, not %zu",
			       w->tags.least, (size_t)bytes);
	if (zc_unlikely(!w->free_claims_nr))
		return zc_fail(ZC_ERROR_BUSY,
			       "%u blocks are in flight: commit or cancel one, or raise max_inflight",
			       w->claims_nr);
	zc_drain_look(w);
	n = zc_size_class(w, bytes + w->behind, &bin);
	if (zc_unlikely(n > w->quota_granules))
		return zc_fail(ZC_ERROR_QUOTA,
			       "a block of %zu bytes is more than this writer's whole quota",
			       (size_t)bytes);
	if ((zc_has_credit(w) && zc_reuse(w, bin, n, &c)) ||
	    zc_attempt(w, n, bin, timeout_ns, &c) == ZC_LACK_NOTHING) {
		ZC_KILLPOINT(acquire_ready);
		return zc_claim_dressed(w, c.word, c.granule, bytes, out);
	}
	return zc_acquire_wait(w, n, bin, bytes, out, timeout_ns);
}

/*
 * What nearly all calls do: the oldest block that came back is of the right size.
 * A leaf without a frame: while another core gives up the payload's line, what a
 * processor can do in advance ends where its store buffer is full.
 */
static inline __attribute__((always_inline)) bool
zc_acquire_fast(struct zc_writer *w, u64 bytes, u64 most, u64 behind, zc_handle_t *out)
{
	u64 n = (bytes + behind + (1ULL << w->granule_shift) - 1) >> w->granule_shift;
	struct zc_sent *s = &w->sent[w->keep_pos & w->ring_mask];

	if (zc_unlikely(bytes - 1 >= most || n > ZC_EXACT_GRANULES ||
			w->keep_pos == w->tail || !s->word ||
			zc_word_length(s->word) != n || !w->free_claims_nr ||
			zc_load_relaxed(w->bell) != w->bell_seen ||
			!zc_has_credit(w)))
		return false;
	w->keep_pos++;
	ZC_KILLPOINT(acquire_reused);
	zc_claim_out(w, s->word, s->granule, bytes, out);
	return true;
}

static __attribute__((noinline)) zc_result_t
zc_acquire_other(struct zc_writer *w, u64 bytes, zc_handle_t *out, u64 timeout_ns)
{
	/* Without either it is a size that is none. */
	if (zc_unlikely((!w->behind && !w->tags.on) || bytes < w->tags.least ||
			!zc_acquire_fast(w, bytes, w->max_bytes, w->behind, out)))
		return zc_acquire_slow(w, bytes, out, timeout_ns);
	zc_claim_dress(w);
	return ZC_OK;
}

zc_result_t zc_writer_acquire_block(zc_writer_t *w, size_t bytes,
				    zc_handle_t *out_handle, uint64_t timeout_ns)
{
	if (zc_unlikely(!w || !out_handle ||
			!zc_role_usable(w->alive, &w->closed)))
		return zc_acquire_slow(w, bytes, out_handle, timeout_ns);
	if (zc_unlikely(bytes - 1 >= w->fast_bytes))
		return zc_acquire_other(w, bytes, out_handle, timeout_ns);
	if (zc_likely(zc_acquire_fast(w, bytes, w->fast_bytes, 0, out_handle)))
		return ZC_OK;
	return zc_acquire_slow(w, bytes, out_handle, timeout_ns);
}
