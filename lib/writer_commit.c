// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_commit.c - what happens for each message on the writer's side.
 *
 * Commit is five steps: descriptor, word, ring entry, head, wake.  Death after
 * the entry's sequence was stored: a reaper advances the head, the message is
 * published.  Death before: the block is taken back, nobody saw the message.
 */
#include "core/moves.h"
#include "role.h"

#define ZC_WAKE_MISSES 1000U
#define ZC_COMMIT_BATCH 32U

static struct zc_claim *zc_claim_of(struct zc_writer *w, zc_handle_t handle)
{
	u32 idx = handle & ZC_HANDLE_INDEX_MASK;
	struct zc_claim *c = &w->claims[idx];

	if (zc_unlikely(idx >= w->claims_nr || !handle || c->handle != handle))
		return NULL;
	return c;
}

static ZC_SLOW zc_result_t zc_stale(void)
{
	return zc_fail(ZC_ERROR_STALE_HANDLE,
		       "this handle is not of a block that this role holds: it was ended, forged, or is another role's");
}

static void zc_claim_end(struct zc_writer *w, struct zc_claim *c,
			 zc_handle_t handle)
{
	c->handle = 0;
	w->free_claims[w->free_claims_nr++] = handle & ZC_HANDLE_INDEX_MASK;
	w->inflight--;
}

/* Which readers can sleep: looked up again when the active mask changes. */
static ZC_SLOW void zc_tickets_refresh(struct zc_writer *w, u64 mask)
{
	u32 bits = zc_mask_bits(mask);
	u32 nr = 0;

	while (bits) {
		struct zc_sleeper *s = &w->tickets[nr++];

		*s = (struct zc_sleeper){ 0 };
		s->area = zc_reader_area(&w->pool->view, w->id,
					 __builtin_ctz(bits));
		bits &= bits - 1;
	}
	w->tickets_nr = nr;
	w->tickets_mask = mask;
	/* A reader that joined has a lag limit, too: the next acquire looks. */
	w->credit = 0;
}

/*
 * A reader that stores tickets and never sleeps must not buy a system call a
 * message.  One that does sleep misses now and then, because it saw the message
 * before it slept, but not a thousand times on end.
 */
static ZC_SLOW bool zc_sleeper_limited(struct zc_sleeper *s)
{
	if (s->skip) {
		s->skip--;
		return true;	/* not burnt: the next commit asks again */
	}
	s->skip = 63;
	return false;
}

static inline bool zc_sleeper_wants(struct zc_sleeper *s, u64 sequence)
{
	u64 ticket = zc_load_relaxed(&s->area->ticket);
	u64 feed = zc_load_relaxed(&s->area->feed_ticket);

	/* Nobody slept since the last wake: the usual case. */
	if (zc_likely(ticket == s->burnt && feed == s->feed_burnt))
		return false;
	/* Tickets start at 1: 0 is none, and nothing that was burnt. */
	if (ticket > sequence || !ticket)
		ticket = s->burnt;
	if (feed > sequence || !feed)
		feed = s->feed_burnt;
	if (ticket == s->burnt && feed == s->feed_burnt)
		return false;
	if (zc_unlikely(s->misses >= ZC_WAKE_MISSES) && zc_sleeper_limited(s))
		return false;
	s->burnt = ticket;
	s->feed_burnt = feed;
	return true;
}

static ZC_SLOW void zc_wake_readers(struct zc_writer *w, u32 wanted)
{
	bool found = zc_futex_wake((u32 *)&w->area->head) > 0;

	w->stat_wakes++;
	for (; wanted; wanted &= wanted - 1) {
		struct zc_sleeper *s = &w->tickets[__builtin_ctz(wanted)];

		if (found)
			s->misses = 0;
		else if (s->misses < ZC_WAKE_MISSES)
			s->misses++;
	}
}

/*
 * The sleeper stores its ticket, calls membarrier, looks again, sleeps.  So
 * either it saw this commit, or the load here sees its ticket.  The ticket is the
 * sequence waited for: only a commit that covers it burns it.
 */
static inline void zc_writer_wake(struct zc_writer *w, u64 sequence)
{
	u32 wanted = 0;
	u64 mask;
	u32 i;

	/* [W1] head before tickets; pairs with [W1] in zc_reader_sleep(). */
	if (zc_unlikely(w->fence_commits))
		zc_fence_full();
	else
		zc_fence_compiler();
	mask = zc_load_relaxed(&w->slot->active);
	if (zc_unlikely(mask != w->tickets_mask))
		zc_tickets_refresh(w, mask);
	for (i = 0; i < w->tickets_nr; i++)
		wanted |= (u32)zc_sleeper_wants(&w->tickets[i], sequence) << i;
	if (zc_unlikely(wanted))
		zc_wake_readers(w, wanted);
}

/*
 * Now that the message is on its way, and not when the next is wanted, is the
 * time to see what can be used again.  The newer half stays for readers that
 * nobody waits for.
 */
static ZC_SLOW void zc_reclaim_ahead(struct zc_writer *w)
{
	u64 half = (w->head - w->tail) / 2;

	zc_writer_reclaim_batch(w, false,
				half < ZC_COMMIT_BATCH ? half : ZC_COMMIT_BATCH);
}

zc_result_t zc_writer_commit_block(zc_writer_t *w, zc_handle_t handle)
{
	struct zc_block_desc *d;
	struct zc_ring_entry *e;
	struct zc_sent *sent;
	struct zc_claim *c;
	u64 seq, now = 0;

	if (zc_unlikely(!w))
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (zc_unlikely(!zc_role_usable(w->alive, &w->closed)))
		return zc_role_fail(w->pool, w->alive);
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c))
		return zc_stale();
	if (zc_unlikely(c->in_io))
		return zc_fail(ZC_ERROR_BUSY,
			       "the block is still in I/O: call zc_writer_io_end() first");
	seq = w->head;
	if (w->timestamps)
		now = zc_timestamp();
	d = &w->descs[c->granule];
	zc_store_relaxed(&d->sequence, seq);
	zc_store_relaxed(&d->timestamp_ns, now);
	zc_store_relaxed(&d->bytes, c->bytes);
	ZC_KILLPOINT(commit_described);
	zc_move_commit(&d->word, c->word, ZC_OWNER_WRITER(w->id));
	ZC_KILLPOINT(commit_using);

	e = &w->ring[seq & w->ring_mask];
	zc_store_relaxed(&e->granule, c->granule);
	zc_store_relaxed(&e->generation, zc_word_generation(c->word));
	zc_store_relaxed(&e->bytes, c->bytes);
	zc_store_relaxed(&e->timestamp_ns, now);
	ZC_KILLPOINT(commit_entry_body);
	/* [C3] all of the above before the entry's sequence; pairs with [C3]
	 * in zc_reader_poll_block(). */
	zc_store_release(&e->sequence, seq);
	ZC_KILLPOINT(commit_entry);
	sent = &w->sent[seq & w->ring_mask];
	sent->word = zc_word_same(c->word, ZC_OWNER_WRITER(w->id),
				  ZC_STATE_USING);
	sent->granule = c->granule;
	w->head = seq + 1;
	w->stat_bytes += c->bytes;
	zc_store_relaxed(&w->area->stat_bytes, w->stat_bytes);
	/* [C4] the entry before the head; pairs with [C4] in sleep and join. */
	zc_store_release(&w->area->head, seq + 1);
	ZC_KILLPOINT(commit_head);
	zc_claim_end(w, c, handle);
	zc_writer_wake(w, seq);
	ZC_KILLPOINT(commit_wake);
	if (zc_unlikely(w->keep_pos == w->tail) &&
	    !zc_below_footprint(w, zc_word_length(c->word)))
		zc_reclaim_ahead(w);
	return ZC_OK;
}

zc_result_t zc_writer_cancel_block(zc_writer_t *w, zc_handle_t handle)
{
	struct zc_claim *c;
	u32 n;

	if (zc_unlikely(!w))
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (zc_unlikely(!zc_role_usable(w->alive, &w->closed)))
		return zc_role_fail(w->pool, w->alive);
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c))
		return zc_stale();
	if (zc_unlikely(c->in_io))
		return zc_fail(ZC_ERROR_BUSY,
			       "the block is still in I/O: call zc_writer_io_end() first");
	ZC_KILLPOINT(cancel_begin);
	n = zc_word_length(c->word);
	zc_store_relaxed(&w->area->stat_cancelled, ++w->stat_cancelled);
	if (!zc_kept_fits(w, n) || !zc_kept_push(w, c->granule, c->word)) {
		w->used_granules -= n;
		zc_writer_give_back(w, c->granule);
	}
	zc_claim_end(w, c, handle);
	return ZC_OK;
}

void *zc_writer_block_data(zc_writer_t *w, zc_handle_t handle,
			   size_t *out_bytes)
{
	struct zc_claim *c;

	if (zc_unlikely(!w || !zc_role_usable(w->alive, &w->closed))) {
		zc_role_fail(w ? w->pool : NULL, w ? w->alive : NULL);
		return NULL;
	}
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c)) {
		zc_stale();
		return NULL;
	}
	if (out_bytes)
		*out_bytes = c->bytes;
	return w->data + ((u64)c->granule << w->granule_shift);
}

zc_result_t zc_writer_resize_block(zc_writer_t *w, zc_handle_t handle,
				   size_t bytes)
{
	struct zc_claim *c;

	if (zc_unlikely(!w))
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (zc_unlikely(!zc_role_usable(w->alive, &w->closed)))
		return zc_role_fail(w->pool, w->alive);
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c))
		return zc_stale();
	if (!bytes || bytes > c->size)
		return zc_fail(ZC_ERROR_SIZE,
			       "a block of %llu bytes cannot be resized to %zu",
			       (unsigned long long)c->size, bytes);
	c->bytes = bytes;
	return ZC_OK;
}

static zc_result_t zc_writer_io(zc_writer_t *w, zc_handle_t handle, bool begin)
{
	struct zc_claim *c;

	if (!w)
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (!zc_role_usable(w->alive, &w->closed))
		return zc_role_fail(w->pool, w->alive);
	c = zc_claim_of(w, handle);
	if (!c)
		return zc_stale();
	if (!begin && !c->in_io)
		return zc_fail(ZC_ERROR_INVALID, "the block is not in I/O");
	c->in_io += begin ? 1 : -1;
	/* [Q1] declared before the I/O is submitted (a system call). */
	zc_store_release(&w->area->io_nr,
			 zc_load_relaxed(&w->area->io_nr) + (begin ? 1 : -1));
	return ZC_OK;
}

zc_result_t zc_writer_io_begin(zc_writer_t *w, zc_handle_t handle)
{
	return zc_writer_io(w, handle, true);
}

zc_result_t zc_writer_io_end(zc_writer_t *w, zc_handle_t handle)
{
	return zc_writer_io(w, handle, false);
}
