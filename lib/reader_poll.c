// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * reader_poll.c - what happens for each message on the reader's side.
 *
 * Poll: the ring entry at my cursor carries my sequence; hold, then cursor.
 * Release: clear the hold.  Plain stores to the reader's own lines.
 *
 * What is guarded is verified while it is held, before anybody gets its handle.
 */
#include "ahead.h"
#include "guard.h"
#include "role_mail.h"

#define ZC_PREFETCH_MAX 4096U

static ZC_SLOW zc_result_t zc_reader_stale(struct zc_reader *r, zc_handle_t handle)
{
	return zc_handle_fail(r->pool, &r->seal, handle, r->held, r->held_nr);
}

static inline struct zc_held *zc_held_of(struct zc_reader *r, zc_handle_t handle)
{
	return (void *)zc_unseal_place(&r->seal, handle, r->held, r->held_nr);
}

static bool zc_floor_passed(const struct zc_reader *r, u64 sequence)
{
	return sequence < zc_load_relaxed(&r->floor->floor) ||
	       zc_load_relaxed(&r->floor->cut_incarnation) == r->incarnation;
}

static void zc_cursor_store(struct zc_reader *r, u64 cursor)
{
	/* [R2] hold before cursor; pairs with [R2] in zc_snapshot_take(). */
	zc_store_release(&r->area->cursor, cursor);
	r->cursor = cursor;
}

static void zc_count_lost(struct zc_reader *r, u64 nr)
{
	r->lost += nr;
	zc_store_relaxed(&r->area->stat_lost, r->lost);
}

static inline void zc_fence_if_wanted(struct zc_reader *r)
{
	if (zc_unlikely(!r->fencing &&
			zc_load_relaxed(&r->floor->fence_wanted))) {
		r->fencing = 1;
		/* [F1] published before the next poll's fence. */
		zc_store_release(&r->area->fencing, 1);
		zc_fence_full();
	}
}

/* It begins later than it said: what it had no claim to is not lost. */
static zc_result_t zc_begin_at(struct zc_reader *r, u64 to)
{
	r->begin = to;
	zc_store_relaxed(&r->area->begin, to);
	zc_cursor_store(r, to);
	return ZC_OK;
}

/*
 * The entry at the cursor is not mine any more, or the writer said that it is not kept for me:
 * go on at the oldest that may be there.  A floor within history may be a predecessor's.
 */
static ZC_SLOW zc_result_t zc_reader_jump(struct zc_reader *r)
{
	const struct zc_writer_slot *slot = &r->pool->view.writer_slots[r->writer];
	u64 floor = zc_load_acquire(&r->floor->floor);
	u64 to = r->cursor + 1;

	/* Who is asked is one that is pushed: it may never find the ring empty. */
	zc_fence_if_wanted(r);
	if (zc_load_acquire(&r->floor->cut_incarnation) == r->incarnation)
		return zc_fail(ZC_ERROR_DISCONNECTED,
			       "this reader was cut off: it was more than the topic's lag limit behind, or takes another type than its new writer's: release what it holds, unregister, register anew");
	if (r->cursor < floor && floor > r->hazard_below) {
		to = floor;
		/*
		 * A topic that disconnects passes nobody over but a joiner whose cursor
		 * was not there yet: it begins now, after all that was committed before.
		 */
		if (r->cursor == r->begin &&
		    zc_load_relaxed(&slot->on_slow) == ZC_SLOW_DISCONNECT)
			return zc_begin_at(r, to);
	} else {
		/* Nobody keeps it for me: where the writer has not reclaimed yet. */
		u64 head = zc_load_acquire(&r->writer_area->head);
		u64 tail = zc_load_acquire(&r->writer_area->tail);

		if (tail > to && tail <= head)
			to = tail;
		/* History, as far as it is still there when it is first looked at. */
		if (r->cursor == r->begin && to <= zc_load_relaxed(&r->area->join))
			return zc_begin_at(r, to);
	}
	zc_count_lost(r, to - r->cursor);
	zc_cursor_store(r, to);
	return ZC_OK;
}

static u64 *zc_hold_take(struct zc_reader *r, u32 idx)
{
	if (zc_unlikely(idx >= ZC_FAST_HOLDS &&
			idx - ZC_FAST_HOLDS >= r->overflow_high)) {
		r->overflow_high = idx - ZC_FAST_HOLDS + 1;
		/* [H1] the high-water mark before the hold; pairs with [H1] in
		 * zc_holds_gather(). */
		zc_store_release(&r->area->overflow_high, r->overflow_high);
	}
	return r->held[idx].hold;
}

/* Do @bytes, at least one, and @behind more lie in one mapped segment? */
static bool zc_place_sane(const struct zc_reader *r, u64 granule, u64 bytes, u64 behind)
{
	u64 room;

	if (granule >= r->granules)
		return false;
	room = (r->segment_mask + 1 - (granule & r->segment_mask))
	       << r->granule_shift;
	return bytes && bytes <= room - behind;
}

static inline struct zc_held *zc_fill(struct zc_reader *r, u32 idx, u64 sequence,
				      u32 granule, u64 bytes, size_t hint)
{
	struct zc_held *h = &r->held[idx];

	h->place.data = (char *)(uintptr_t)(r->data +
					    ((u64)granule << r->granule_shift));
	h->place.bytes = bytes;
	h->sequence = sequence;
	zc_store_relaxed(&h->place.location, zc_location_next(h->place.location));
	if (hint) {
		const char *p = h->place.data;
		size_t off;

		if (hint > bytes)
			hint = bytes;
		if (hint > ZC_PREFETCH_MAX)
			hint = ZC_PREFETCH_MAX;
		for (off = 0; off < hint; off += ZC_CACHE_LINE)
			zc_prefetch(p + off);
	}
	return h;
}

static inline void zc_let_go(struct zc_reader *r, struct zc_held *h)
{
	u32 idx = h->place.location & ZC_HANDLE_INDEX_MASK;

	zc_store_relaxed(&h->place.location, zc_location_end(h->place.location));
	/* [R3] our accesses before the release; pairs with [R3] in
	 * zc_holds_gather(). */
	zc_store_release(h->hold, 0);
	if (zc_unlikely(r->free_held[r->free_held_nr] != idx))
		r->free_held[r->free_held_nr] = idx;
	r->free_held_nr++;
}

/* Counts and tells; the cursor is past it, nothing is held: who is called may poll. */
static ZC_SLOW void zc_refuse(struct zc_reader *r, u64 s, u64 granule, u32 fault)
{
	r->corrupt++;
	zc_store_relaxed(&r->area->stat_corrupt, r->corrupt);
	zc_guard_tell(r->pool, &r->mail->handlers, r->writer, s, granule, fault);
}

/* A message that failed its guard: nobody gets it. */
static ZC_SLOW zc_result_t zc_withhold(struct zc_reader *r, struct zc_held *h, u32 fault)
{
	u64 granule = (u64)(h->place.data - r->data) >> r->granule_shift;
	u64 s = h->sequence;

	zc_let_go(r, h);
	zc_refuse(r, s, granule, fault);
	return zc_fail(ZC_ERROR_CORRUPT_BLOCK,
		       "message %llu failed its guard (%s) and was skipped: see `zerocore events` for who wrote it",
		       (unsigned long long)s,
		       zc_guard_fault_name((zc_guard_fault_t)fault));
}

/* Nobody keeps this block for me: hold, fence, then look whether it is there. */
static __attribute__((noinline)) bool
zc_poll_hazard(struct zc_reader *r, u32 idx, u64 s, const struct zc_entry *e,
	       size_t hint)
{
	const struct zc_block_desc *d = &r->pool->view.descs[e->granule];
	u64 *hold = zc_hold_take(r, idx);
	u64 word, bytes;
	bool taken;

	zc_store_release(hold, s);
	ZC_KILLPOINT(hazard_held);
	/* [R4] hold before the word; pairs with [R4]: CLEAN before holds. */
	zc_fence_full();
	/* [R5] that before the word, which has all that one did who is gone by then. */
	taken = zc_writer_takes(&r->pool->view, r->writer, s);
	ZC_KILLPOINT(hazard_asked);
	word = zc_load_acquire(&d->word);
	bytes = zc_load_relaxed(&d->bytes);
	if (zc_unlikely(taken) || zc_word_state(word) != ZC_STATE_USING ||
	    zc_word_generation(word) != e->generation ||
	    zc_word_owner(word) != ZC_OWNER_WRITER(r->writer) ||
	    zc_load_relaxed(&d->sequence) != s ||
	    !zc_place_sane(r, e->granule, bytes, 0)) {
		zc_store_release(hold, 0);
		return false;
	}
	ZC_KILLPOINT(hazard_checked);
	zc_cursor_store(r, s + 1);
	zc_fill(r, idx, s, e->granule, bytes, hint)->word = word;
	return true;
}

/* More than an entry has room for: its descriptor says how much. */
static ZC_SLOW u64 zc_bytes_of(const struct zc_reader *r, u32 granule)
{
	return granule < r->granules ?
		       zc_load_relaxed(&r->pool->view.descs[granule].bytes) : 0;
}

/*
 * A granule past what was there when it last looked: the pool may have grown.  Where
 * that cannot be mapped now the message stays, and the next poll tries again.  A
 * place that is none is for whoever checks it to complain about.
 */
static ZC_SLOW zc_result_t zc_reader_meet(struct zc_reader *r, u32 granule)
{
	const struct zc_view *v = &r->pool->view;
	zc_result_t result = ZC_OK;

	if (granule < zc_granules(v))
		result = zc_pool_meet(r->pool, granule);
	if (result == ZC_ERROR_CORRUPT_BLOCK)
		result = ZC_OK;
	r->granules = (u64)zc_load_acquire(&v->segments_mapped) << v->segment_shift;
	return result;
}

/* The message is held: is it as it was committed?  Then @out names it. */
static ZC_SLOW zc_result_t zc_poll_got(struct zc_reader *r, struct zc_held *h,
				       bool required, u32 generation, zc_handle_t *out)
{
	u32 fault;

	zc_guard_look(r);
	fault = zc_guard_held(r, h, required, generation);
	if (fault)
		return zc_withhold(r, h, fault);
	*out = zc_seal(&r->seal, h->place.location);
	return ZC_OK;
}

/* Not what most messages look like. */
static ZC_SLOW zc_result_t zc_poll_judge(struct zc_reader *r, struct zc_held *h,
					 u32 generation, zc_handle_t *out)
{
	return zc_poll_got(r, h, true, generation, out);
}

enum zc_poll { ZC_POLL_GOT, ZC_POLL_EMPTY, ZC_POLL_AGAIN, ZC_POLL_FAILED };

static inline __attribute__((always_inline)) enum zc_poll
zc_poll_once(struct zc_reader *r, size_t hint, zc_handle_t *out,
	     zc_result_t *result)
{
	u64 s = r->cursor;
	struct zc_ring_entry *e = &r->ring[s & r->ring_mask];
	/* [C3] place before the rest of the entry and the payload. */
	u64 place = zc_load_acquire(&e->place);
	struct zc_entry entry;
	u64 bytes, *hold;
	u32 idx;

	if (zc_unlikely(zc_entry_ahead(place, s))) {
		if (zc_unlikely(zc_entry_ahead(place, s) > 0 ||
				zc_floor_passed(r, s) || zc_lapped(r, s))) {
			*result = zc_reader_jump(r);
			return *result ? ZC_POLL_FAILED : ZC_POLL_AGAIN;
		}
		zc_poll_nothing(r);
		return ZC_POLL_EMPTY;
	}
	zc_fetch_ahead(r, s, place, s < r->hazard_below);
	zc_entry_rest(e, place, &entry);
	if (zc_unlikely(entry.granule >= r->granules)) {
		*result = zc_reader_meet(r, entry.granule);
		if (*result)
			return ZC_POLL_FAILED;
	}
	bytes = entry.bytes;
	if (zc_unlikely(!r->free_held_nr)) {
		*result = zc_fail(ZC_ERROR_HOLDS,
				  "this reader holds %u messages, which is all it may: release one",
				  r->held_nr);
		return ZC_POLL_FAILED;
	}
	idx = r->free_held[r->free_held_nr - 1];
	if (zc_unlikely(bytes == ZC_ENTRY_BYTES_MAX))
		bytes = zc_bytes_of(r, entry.granule);
	if (zc_unlikely(!zc_place_sane(r, entry.granule, bytes, 0))) {
		if (zc_floor_passed(r, s) || s < r->hazard_below) {
			*result = zc_reader_jump(r);
			return *result ? ZC_POLL_FAILED : ZC_POLL_AGAIN;
		}
		zc_cursor_store(r, s + 1);
		zc_refuse(r, s, entry.granule, ZC_FAULT_RECORD);
		*result = zc_fail(ZC_ERROR_CORRUPT_BLOCK,
				  "message %llu names granule %u and %llu bytes, outside the pool: skipped",
				  (unsigned long long)s, entry.granule,
				  (unsigned long long)bytes);
		return ZC_POLL_FAILED;
	}
	if (zc_unlikely(s < r->hazard_below)) {
		if (zc_poll_hazard(r, idx, s, &entry, hint)) {
			r->free_held_nr--;
			*result = zc_poll_got(r, &r->held[idx], false, 0, out);
			return *result ? ZC_POLL_FAILED : ZC_POLL_GOT;
		}
		*result = zc_reader_jump(r);
		return *result ? ZC_POLL_FAILED : ZC_POLL_AGAIN;
	}
	hold = zc_hold_take(r, idx);
	zc_store_release(hold, s);
	ZC_KILLPOINT(poll_held);
	/* [F1] hold before floor; the demoter calls membarrier between raising
	 * the floor and reading holds, or we fence ourselves. */
	if (zc_unlikely(r->fencing))
		zc_fence_full();
	else
		zc_fence_compiler();
	if (zc_unlikely(zc_floor_passed(r, s))) {
		zc_store_release(hold, 0);
		*result = zc_reader_jump(r);
		return *result ? ZC_POLL_FAILED : ZC_POLL_AGAIN;
	}
	r->free_held_nr--;
	zc_cursor_store(r, s + 1);
	ZC_KILLPOINT(poll_cursor);
	*result = zc_poll_got(r, zc_fill(r, idx, s, entry.granule, bytes, hint), true,
			      entry.generation, out);
	return *result ? ZC_POLL_FAILED : ZC_POLL_GOT;
}

static __attribute__((noinline)) zc_result_t zc_poll_wait(struct zc_reader *r, size_t hint,
				zc_handle_t *out, uint64_t timeout_ns)
{
	u64 deadline = zc_deadline(timeout_ns);
	u64 spin_until = zc_deadline(r->spin_ns);
	zc_result_t result = ZC_OK;
	u32 spins = 0, bell;

	for (;;) {
		switch (zc_poll_once(r, hint, out, &result)) {
		case ZC_POLL_GOT:
			return ZC_OK;
		case ZC_POLL_FAILED:
			return result;
		case ZC_POLL_AGAIN:	/* a writer that laps us is no message */
		case ZC_POLL_EMPTY:
			break;
		}
		zc_fence_if_wanted(r);
		if (spins < 64 || (spins % 64)) {
			spins++;
			zc_pause();
			continue;
		}
		spins++;
		if (!zc_role_usable(r->alive, &r->closed))
			return zc_role_fail(r->pool, r->alive);
		bell = zc_load_relaxed(r->bell);
		if (bell != r->bell_seen)
			zc_reader_hear(r);
		if (zc_timestamp() >= deadline)
			return zc_fail(ZC_ERROR_TIMEOUT, "no message came");
		if (zc_timestamp() < spin_until)
			continue;
		zc_store_relaxed(&r->area->stat_sleeps, ++r->sleeps);
		zc_reader_sleep(r, bell, deadline);
	}
}

/* Everything but what zc_reader_poll_block() does by itself. */
static __attribute__((noinline)) zc_result_t
zc_poll_slow(struct zc_reader *r, size_t hint, zc_handle_t *out,
	     uint64_t timeout_ns)
{
	zc_result_t result = ZC_OK;
	u32 jumps;

	if (zc_unlikely(!r || !out))
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "out_handle" : "reader");
	if (zc_unlikely(!zc_role_usable(r->alive, &r->closed)))
		return zc_role_fail(r->pool, r->alive);
	if (zc_unlikely(zc_load_relaxed(r->bell) != r->bell_seen))
		zc_reader_hear(r);	/* whose handlers may have polled: nothing is kept */
	/* A writer that laps us again and again must not keep us here. */
	for (jumps = 0; jumps < 4096; jumps++) {
		switch (zc_poll_once(r, hint, out, &result)) {
		case ZC_POLL_GOT:
			return ZC_OK;
		case ZC_POLL_FAILED:
			return result;
		case ZC_POLL_AGAIN:
			continue;
		case ZC_POLL_EMPTY:
			break;
		}
		break;
	}
	zc_fence_if_wanted(r);
	if (timeout_ns)
		return zc_poll_wait(r, hint, out, timeout_ns);
	return ZC_ERROR_TIMEOUT;
}

/*
 * What nearly all calls do: a reader that the writer waits for finds the next
 * message, or nothing.  A leaf without a frame, like acquire and commit.
 */
static inline __attribute__((always_inline)) zc_result_t
zc_poll_fast(struct zc_reader *r, size_t hint_size, zc_handle_t *out_handle,
	     uint64_t timeout_ns, u32 guard)
{
	u64 behind = guard ? sizeof(struct zc_block_trailer) : 0;
	struct zc_ring_entry *e;
	struct zc_entry entry;
	struct zc_held *h;
	u64 s, place;
	u32 idx;

	s = r->cursor;
	e = &r->ring[s & r->ring_mask];
	/* [C3] place before the rest of the entry and the payload. */
	place = zc_load_acquire(&e->place);
	if (zc_unlikely(s < r->slow_below || r->fencing ||
			zc_load_relaxed(r->bell) != r->bell_seen))
		return zc_poll_slow(r, hint_size, out_handle, timeout_ns);
	if (zc_entry_ahead(place, s)) {
		if (zc_entry_ahead(place, s) > 0 || timeout_ns ||
		    zc_floor_passed(r, s) ||
		    zc_load_relaxed(&r->floor->fence_wanted))
			return zc_poll_slow(r, hint_size, out_handle,
					    timeout_ns);
		return zc_poll_nothing(r);
	}
	zc_fetch_ahead(r, s, place, false);
	if (zc_unlikely(!r->free_held_nr))
		return zc_poll_slow(r, hint_size, out_handle, timeout_ns);
	idx = r->free_held[r->free_held_nr - 1];
	zc_entry_rest(e, place, &entry);
	if (zc_unlikely(idx >= ZC_FAST_HOLDS ||
			entry.bytes == ZC_ENTRY_BYTES_MAX ||
			!zc_place_sane(r, entry.granule, entry.bytes, behind)))
		return zc_poll_slow(r, hint_size, out_handle, timeout_ns);
	zc_store_release(&r->area->hold[idx], s);
	ZC_KILLPOINT(poll_held);
	zc_fence_compiler();	/* [F1] as in zc_poll_once() */
	if (zc_unlikely(zc_floor_passed(r, s))) {
		zc_store_release(&r->area->hold[idx], 0);
		return zc_poll_slow(r, hint_size, out_handle, timeout_ns);
	}
	r->free_held_nr--;
	zc_cursor_store(r, s + 1);
	ZC_KILLPOINT(poll_cursor);
	h = zc_fill(r, idx, s, entry.granule, entry.bytes, hint_size);
	if (guard == ZC_MODE_MAGIC) {
		if (zc_unlikely(r->guard_release ||
				!zc_trailer_marked(h->place.data + entry.bytes, s,
						   entry.bytes)))
			return zc_poll_judge(r, h, entry.generation, out_handle);
	} else if (guard) {
		if (zc_unlikely(!zc_guard_fine(r, h, entry.granule, entry.generation,
					       guard)))
			return zc_poll_judge(r, h, entry.generation, out_handle);
	}
	*out_handle = zc_seal(&r->seal, h->place.location);
	return ZC_OK;
}

static __attribute__((noinline)) zc_result_t
zc_poll_marked(struct zc_reader *r, size_t hint_size, zc_handle_t *out_handle,
	       uint64_t timeout_ns)
{
	return zc_poll_fast(r, hint_size, out_handle, timeout_ns, ZC_MODE_MAGIC);
}

static __attribute__((noinline)) zc_result_t
zc_poll_summed(struct zc_reader *r, size_t hint_size, zc_handle_t *out_handle,
	       uint64_t timeout_ns)
{
	return zc_poll_fast(r, hint_size, out_handle, timeout_ns, ZC_MODE_HEADER);
}

static __attribute__((noinline)) zc_result_t
zc_poll_whole(struct zc_reader *r, size_t hint_size, zc_handle_t *out_handle,
	      uint64_t timeout_ns)
{
	return zc_poll_fast(r, hint_size, out_handle, timeout_ns, ZC_MODE_FULL);
}

zc_result_t zc_reader_poll_block(zc_reader_t *r, size_t hint_size,
				 zc_handle_t *out_handle, uint64_t timeout_ns)
{
	if (zc_unlikely(!r || !out_handle ||
			!zc_role_usable(r->alive, &r->closed)))
		return zc_poll_slow(r, hint_size, out_handle, timeout_ns);
	if (zc_unlikely(r->guard != ZC_MODE_OFF)) {
		if (r->guard == ZC_MODE_FULL)
			return zc_poll_whole(r, hint_size, out_handle, timeout_ns);
		if (r->guard == ZC_MODE_MAGIC)
			return zc_poll_marked(r, hint_size, out_handle, timeout_ns);
		return zc_poll_summed(r, hint_size, out_handle, timeout_ns);
	}
	return zc_poll_fast(r, hint_size, out_handle, timeout_ns, ZC_MODE_OFF);
}

/* The handle has ended; what was read meanwhile is not what was committed. */
static ZC_SLOW zc_result_t zc_release_changed(struct zc_reader *r, u64 s, u64 granule,
					      u32 fault)
{
	r->changed++;
	zc_guard_tell(r->pool, &r->mail->handlers, r->writer, s, granule, fault);
	return zc_fail(ZC_ERROR_CORRUPT_BLOCK,
		       "message %llu changed while it was held (%s): it is released, do not use what was read",
		       (unsigned long long)s,
		       zc_guard_fault_name((zc_guard_fault_t)fault));
}

static ZC_SLOW zc_result_t zc_release_verified(struct zc_reader *r, struct zc_held *h)
{
	u64 granule = (u64)(h->place.data - r->data) >> r->granule_shift;
	u64 s = h->sequence;
	u32 fault = zc_guard_again(r, h);

	zc_let_go(r, h);
	return fault ? zc_release_changed(r, s, granule, fault) : ZC_OK;
}

zc_result_t zc_reader_release_block(zc_reader_t *r, zc_handle_t handle)
{
	struct zc_held *h;

	if (zc_unlikely(!r))
		return zc_fail(ZC_ERROR_INVALID, "reader is NULL");
	if (zc_unlikely(!zc_role_usable(r->alive, &r->closed)))
		return zc_role_fail(r->pool, r->alive);
	h = zc_held_of(r, handle);
	if (zc_unlikely(!h))
		return zc_reader_stale(r, handle);
	if (zc_unlikely(h->place.in_io))
		return zc_fail(ZC_ERROR_BUSY,
			       "the block is still in I/O: call zc_reader_io_end() first");
	ZC_KILLPOINT(release_begin);
	if (zc_unlikely(r->guard_release))
		return zc_release_verified(r, h);
	zc_let_go(r, h);
	ZC_KILLPOINT(release_done);
	return ZC_OK;
}

const void *zc_reader_block_data(zc_reader_t *r, zc_handle_t handle,
				 size_t *out_bytes)
{
	struct zc_held *h;

	if (zc_unlikely(!r || !zc_role_usable(r->alive, &r->closed))) {
		zc_role_fail(r ? r->pool : NULL, r ? r->alive : NULL);
		return NULL;
	}
	h = zc_held_of(r, handle);
	if (zc_unlikely(!h)) {
		zc_reader_stale(r, handle);
		return NULL;
	}
	if (out_bytes)
		*out_bytes = h->place.bytes;
	return h->place.data;
}

zc_result_t zc_reader_block_info(zc_reader_t *r, zc_handle_t handle,
				 zc_block_info_t *info)
{
	zc_block_info_t i = { 0 };
	struct zc_held *h;

	if (!r || !info)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "info" : "reader");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	h = zc_held_of(r, handle);
	if (!h)
		return zc_reader_stale(r, handle);
	i.granule = (u64)((const char *)h->place.data - r->data) >> r->granule_shift;
	i.sequence = h->sequence;
	i.timestamp_ns = zc_load_relaxed(
		&r->pool->view.descs[i.granule].timestamp_ns);
	i.bytes = h->place.bytes;
	return zc_info_copy(info, info->sz, &i, sizeof(i));
}

static zc_result_t zc_reader_io(zc_reader_t *r, zc_handle_t handle, bool begin)
{
	struct zc_held *h;

	if (!r)
		return zc_fail(ZC_ERROR_INVALID, "reader is NULL");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	h = zc_held_of(r, handle);
	if (!h)
		return zc_reader_stale(r, handle);
	if (!begin && !h->place.in_io)
		return zc_fail(ZC_ERROR_INVALID, "the block is not in I/O");
	h->place.in_io += begin ? 1 : -1;
	/* [Q1] declared before the I/O is submitted (a system call). */
	zc_store_release(&r->area->io_nr,
			 zc_load_relaxed(&r->area->io_nr) + (begin ? 1 : -1));
	return ZC_OK;
}

zc_result_t zc_reader_io_begin(zc_reader_t *r, zc_handle_t handle)
{
	return zc_reader_io(r, handle, true);
}

zc_result_t zc_reader_io_end(zc_reader_t *r, zc_handle_t handle)
{
	return zc_reader_io(r, handle, false);
}
