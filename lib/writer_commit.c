// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * writer_commit.c - what happens for each message on the writer's side.
 *
 * Commit is five steps: descriptor, word, ring entry, head, wake.  Death after
 * the entry's sequence was stored: a reaper advances the head, the message is
 * published.  Death before: the block is taken back, nobody saw the message.
 */
#include "backend.h"
#include "core/moves.h"
#include "guard.h"
#include "role_mail.h"

#define ZC_WAKE_MISSES 1000U
#define ZC_COMMIT_BATCH 32U
/* Looks on end at which nobody slept, one for each batch: then commits go unfenced. */
#define ZC_QUIET_LOOKS 32U
#define ZC_LARGE_BYTES (64U << 10)
#define ZC_LINE_ENTRIES (ZC_CACHE_LINE / sizeof(struct zc_ring_entry))

static inline struct zc_claim *zc_claim_of(struct zc_writer *w, zc_handle_t handle)
{
	return (void *)zc_unseal_place(&w->seal, handle, w->claims, w->claims_nr);
}

static ZC_SLOW zc_result_t zc_stale(struct zc_writer *w, zc_handle_t handle)
{
	return zc_handle_fail(w->pool, &w->seal, handle, w->claims, w->claims_nr);
}

static inline void zc_claim_end(struct zc_writer *w, struct zc_claim *c)
{
	u32 idx = c->place.location & ZC_HANDLE_INDEX_MASK;

	zc_store_relaxed(&c->place.location, zc_location_end(c->place.location));
	/* One at a time is the usual case: then it is there already. */
	if (zc_unlikely(w->free_claims[w->free_claims_nr] != idx))
		w->free_claims[w->free_claims_nr] = idx;
	w->free_claims_nr++;
}

/* Which readers can sleep: looked up again when the active mask changes. */
static ZC_SLOW void zc_tickets_refresh(struct zc_writer *w, u64 mask)
{
	u32 bits = zc_mask_bits(mask);
	u32 nr = 0;

	w->pool->backend->readers_map(w->pool, w->id);

	while (bits) {
		struct zc_sleeper *s = &w->tickets[nr++];
		u32 r = __builtin_ctz(bits);
		u64 life = zc_load_relaxed(&zc_reader_slot(&w->pool->view, w->id,
							   r)->life);

		*s = (struct zc_sleeper){ 0 };
		s->area = zc_reader_area(&w->pool->view, w->id, r);
		s->wake_bit = 1U << (zc_life_member(life) & 31);
		s->reader = (u8)r;
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

/* Nobody slept since the last wake: the usual case. */
static inline bool zc_sleeper_burnt(const struct zc_sleeper *s)
{
	return zc_load_relaxed(&s->area->ticket) == s->burnt &&
	       zc_load_relaxed(&s->area->feed_ticket) == s->feed_burnt;
}

static bool zc_sleeper_wants(struct zc_sleeper *s, u64 sequence)
{
	u64 ticket = zc_load_relaxed(&s->area->ticket);
	u64 feed = zc_load_relaxed(&s->area->feed_ticket);

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

/*
 * One at the limit is asked for alone, by a bit of its own, and before anybody else is
 * woken: else another one that never sleeps, and says that it waits for the same, would
 * keep it at the limit.
 */
static void zc_wake_limited(struct zc_writer *w, struct zc_sleeper *s, u32 own)
{
	int found = own ? zc_wake_any(w->pool, own) : 0;

	if (!own || s->feed_burnt)
		found += zc_futex_wake_bits((u32 *)&w->area->head, 1U << s->reader);
	if (found)
		s->misses = 0;
}

/*
 * What a region says that its reader sleeps on is the reader's to write.  So it can have
 * no more woken than who waits by its own member's bit; and that somebody was found does
 * not count for it as long as that may be another one: as many must be found as are
 * looked for.
 */
static ZC_SLOW void zc_wake_readers(struct zc_writer *w, u32 wanted)
{
	u32 bits = 0, by_head = 0, by_bits = 0, there = 0, some = 0, left;
	int found;

	for (left = wanted; left; left &= left - 1) {
		u32 i = __builtin_ctz(left);
		struct zc_sleeper *s = &w->tickets[i];
		u32 own = zc_load_relaxed(&s->area->wake_bits) & s->wake_bit;

		if (zc_unlikely(s->misses >= ZC_WAKE_MISSES)) {
			zc_wake_limited(w, s, own);
			wanted &= ~(1U << i);
			continue;
		}
		bits |= own;
		if (own)
			by_bits |= 1U << i;
		if (!own || s->feed_burnt)
			by_head |= 1U << i;
	}
	if (by_head) {
		found = zc_futex_wake((u32 *)&w->area->head);
		some |= found ? by_head : 0;
		there |= found >= __builtin_popcount(by_head) ? by_head : 0;
	}
	if (bits) {
		found = zc_wake_any(w->pool, bits);
		some |= found ? by_bits : 0;
		there |= found >= __builtin_popcount(bits) ? by_bits : 0;
	}
	w->stat_wakes++;
	for (left = wanted; left; left &= left - 1) {
		u32 i = __builtin_ctz(left);
		struct zc_sleeper *s = &w->tickets[i];

		if (there >> i & 1)
			s->misses = 0;
		else if (!(some >> i & 1) && s->misses < ZC_WAKE_MISSES)
			s->misses++;
	}
}

/*
 * While readers sleep, a fence a commit is cheaper than their membarrier, which
 * interrupts this processor for each sleep.  While none does, it is the other way
 * round.  A reader looks behind its own fence which it is.
 */
static void zc_fence_commits(struct zc_writer *w)
{
	w->quiet = 0;
	if (w->fence_commits)
		return;
	w->fence_commits = true;
	/* [W2] the last head without a fence before the word; pairs with [W2] in
	 * zc_writer_unfenced(). */
	zc_store_release(&w->area->unfenced, 0);
}

static void zc_unfence_commits(struct zc_writer *w)
{
	if (!w->membarrier || !w->fence_commits || ++w->quiet < ZC_QUIET_LOOKS)
		return;
	w->fence_commits = false;
	zc_store_relaxed(&w->area->unfenced, 1);
	/* [W2] the word before the first load of a ticket without a fence. */
	zc_fence_full();
}

/*
 * The sleeper stores its ticket, makes a fence, or has membarrier make one here,
 * looks again, sleeps.  So either it saw this commit, or the load here sees its ticket.
 * The ticket is the sequence waited for: only a commit that covers it burns it.
 */
static inline void zc_fence_before_tickets(const struct zc_writer *w)
{
	/* [W1] head before tickets; pairs with [W1] in zc_reader_sleep(). */
	if (zc_unlikely(w->fence_commits))
		zc_fence_full();
	else
		zc_fence_compiler();
}

/* Is there anything to do after a commit?  Most of the time there is not. */
static inline bool zc_commit_more(const struct zc_writer *w)
{
	u32 i;

	if (zc_unlikely(zc_load_relaxed(&w->slot->active) != w->tickets_mask))
		return true;
	for (i = 0; i < w->tickets_nr; i++)
		if (zc_unlikely(!zc_sleeper_burnt(&w->tickets[i])))
			return true;
	return w->keep_pos == w->tail;
}

/*
 * Small blocks that lie one behind the other are used in that order, and the
 * prefetcher of a reader's processor goes for what the writer is about to write.
 * They go round first in, first out: so it is enough to mix them in the beginning.
 */
static ZC_SLOW void zc_shuffle(struct zc_writer *w)
{
	u64 s;

	for (s = w->keep_pos; s != w->tail && w->fresh; s++, w->fresh--) {
		struct zc_sent *a = &w->sent[s & w->ring_mask], *b;
		struct zc_sent sent = *a;

		w->random = w->random * 1103515245U + 12345U;
		b = &w->sent[(s + (w->random >> 8) % (w->tail - s)) &
			     w->ring_mask];
		*a = *b;
		*b = sent;
	}
}

/*
 * The first line of a claimed block, and the last of what was in it: what is written next
 * mostly begins and ends there.  What is in such a block does not matter.
 */
static inline void zc_take_ends_back(struct zc_writer *w, const struct zc_sent *sent)
{
	u64 room = (u64)zc_word_length(sent->word) << w->granule_shift;
	char *data = w->data + ((u64)sent->granule << w->granule_shift);
	u64 bytes = zc_load_relaxed(&w->descs[sent->granule].bytes);

	zc_store_relaxed((u64 *)data, 0);
	if (bytes > ZC_CACHE_LINE && zc_likely(bytes <= room))
		zc_store_relaxed((u64 *)(data + ((bytes - 1) &
						 ~(ZC_CACHE_LINE - 1ULL))), 0);
}

/*
 * The lines of what comes next are still at the readers' processors.  A store
 * that waits for one holds up all stores behind it, and few processors ask for the
 * next before they have the first, unless such stores come in a row.  So they do,
 * here.  Entries keep what they have.
 */
static void zc_take_lines_back(struct zc_writer *w)
{
	u64 s;

	for (s = w->keep_pos; s != w->tail; s++) {
		const struct zc_sent *sent = &w->sent[s & w->ring_mask];

		if (sent->word)
			zc_take_ends_back(w, sent);
	}
	for (s = w->head; s < w->head + ZC_COMMIT_BATCH; s += ZC_LINE_ENTRIES) {
		struct zc_ring_entry *e = &w->ring[s & w->ring_mask];

		zc_store_relaxed(&e->run, zc_load_relaxed(&e->run));
	}
}

/*
 * Now that the message is on its way, and not when the next is wanted, is the
 * time to see what can be used again.  The newer half stays for readers that
 * nobody waits for.
 */
static void zc_reclaim_ahead(struct zc_writer *w)
{
	u64 half = (w->head - w->tail) / 2;

	zc_writer_reclaim_batch(w, false,
				half < ZC_COMMIT_BATCH ? half : ZC_COMMIT_BATCH);
	if (zc_unlikely(w->fresh))
		zc_shuffle(w);
	zc_take_lines_back(w);
}

/* The newest block that came back is the next; the others are kept as well. */
static void zc_newest_first(struct zc_writer *w)
{
	struct zc_sent newest = { 0 };
	u64 s;

	for (s = w->tail; s != w->keep_pos && !newest.word; s--) {
		struct zc_sent *sent = &w->sent[(s - 1) & w->ring_mask];

		newest = *sent;
		sent->word = 0;
	}
	if (!newest.word)
		return;
	zc_kept_spill(w);
	w->keep_pos = w->tail - 1;
	w->sent[w->keep_pos & w->ring_mask] = newest;
	zc_take_ends_back(w, &newest);
}

/*
 * What does not fit the nearer caches is best written where the last one was: the
 * caches behind them still have it.  So each commit of such a message takes back all that
 * its readers have left, if they keep up.  Who is behind is not asked at each message;
 * and readers that nobody waits for live on what goes round.
 */
static void zc_reclaim_last(struct zc_writer *w)
{
	if (w->last_not_for) {
		w->last_not_for--;
		return;
	}
	if (zc_hazard_readers(w->slot))
		return;
	zc_writer_look(w);
	if (w->look_limit + 1 < w->head) {
		w->last_not_for = ZC_COMMIT_BATCH;
		return;
	}
	zc_writer_reclaim_batch(w, false, ZC_COMMIT_BATCH);
	zc_newest_first(w);
}

static __attribute__((noinline)) zc_result_t
zc_commit_rest(struct zc_writer *w, u64 sequence, u64 word)
{
	/* Who is active has said before whose it is. */
	u64 mask = zc_load_acquire(&w->slot->active);
	u32 wanted = 0;
	u32 i, n;

	if (zc_unlikely(mask != w->tickets_mask))
		zc_tickets_refresh(w, mask);
	for (i = 0; i < w->tickets_nr; i++)
		wanted |= (u32)zc_sleeper_wants(&w->tickets[i], sequence) << i;
	if (wanted) {
		zc_fence_commits(w);
		zc_wake_readers(w, wanted);
	} else {
		zc_unfence_commits(w);
	}
	ZC_KILLPOINT(commit_wake);
	zc_store_relaxed(&w->area->stat_bytes, zc_load_relaxed(&w->stat_bytes));
	n = zc_word_length(word);
	if (w->keep_pos == w->tail && (u64)n << w->granule_shift >= ZC_LARGE_BYTES)
		zc_reclaim_last(w);
	if (w->keep_pos == w->tail && !zc_below_footprint(w, n))
		zc_reclaim_ahead(w);
	return ZC_OK;
}

/* The claim is there and complete. */
static inline __attribute__((always_inline)) zc_result_t
zc_commit(struct zc_writer *w, struct zc_claim *c, u64 now)
{
	struct zc_block_desc *d = &w->descs[c->granule];
	u64 seq = w->head;
	struct zc_ring_entry *e = &w->ring[seq & w->ring_mask];
	struct zc_sent *sent = &w->sent[seq & w->ring_mask];
	u64 word = c->word, bytes = c->place.bytes, using;

	zc_store_relaxed(&d->sequence, seq);
	/* Only this writer stores these: what is there need not be stored. */
	if (zc_load_relaxed(&d->timestamp_ns) != now)
		zc_store_relaxed(&d->timestamp_ns, now);
	if (zc_load_relaxed(&d->bytes) != bytes)
		zc_store_relaxed(&d->bytes, bytes);
	ZC_KILLPOINT(commit_described);
	using = zc_move_commit(&d->word, word, ZC_OWNER_WRITER(w->id));
	ZC_KILLPOINT(commit_using);

	zc_store_relaxed(&e->run, zc_entry_run(zc_word_generation(word), bytes));
	ZC_KILLPOINT(commit_entry_body);
	/* [C3] all of the above before the entry's place; pairs with [C3]
	 * in zc_reader_poll_block(). */
	zc_store_release(&e->place, zc_entry_place(seq, c->granule));
	ZC_KILLPOINT(commit_entry);
	sent->word = using;
	sent->granule = c->granule;
	w->head = seq + 1;
	zc_store_relaxed(&w->stat_bytes, w->stat_bytes + bytes);
	/* [C4] the entry before the head; pairs with [C4] in sleep and join. */
	zc_store_release(&w->area->head, seq + 1);
	ZC_KILLPOINT(commit_head);
	zc_claim_end(w, c);
	zc_fence_before_tickets(w);
	if (zc_unlikely(zc_commit_more(w)))
		return zc_commit_rest(w, seq, word);
	ZC_KILLPOINT(commit_wake);
	return ZC_OK;
}

static void zc_cancel(struct zc_writer *w, struct zc_claim *c)
{
	u32 n = zc_word_length(c->word);

	zc_store_relaxed(&w->area->stat_cancelled, ++w->stat_cancelled);
	/* It does not sit on what somebody else waits for. */
	if (zc_load_relaxed(&w->pool->view.hints->waiting_writers) ||
	    !zc_kept_fits(w, n) || !zc_kept_push(w, c->granule, c->word)) {
		zc_discharge(w, n);
		zc_writer_give_back(w, c->granule);
	}
	zc_claim_end(w, c);
}

/* The program wrote past the end: nobody is to read that. */
static ZC_SLOW zc_result_t zc_commit_overrun(struct zc_writer *w, struct zc_claim *c)
{
	u64 size = c->size, granule = c->granule;

	zc_cancel(w, c);
	zc_guard_tell(w->pool, &w->mail->handlers, w->id, w->head, granule,
		      ZC_FAULT_OVERRUN);
	return zc_fail(ZC_ERROR_CORRUPT_BLOCK,
		       "this program wrote past the end of a block of %llu bytes: the block was cancelled",
		       (unsigned long long)size);
}

static ZC_SLOW zc_result_t zc_commit_refuse(struct zc_writer *w, zc_handle_t handle)
{
	if (!w)
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (!zc_role_usable(w->alive, &w->closed))
		return zc_role_fail(w->pool, w->alive);
	if (!zc_claim_of(w, handle))
		return zc_stale(w, handle);
	return zc_fail(ZC_ERROR_BUSY,
		       "the block is still in I/O: call zc_writer_io_end() first");
}

/* With a frame of its own. */
static __attribute__((noinline)) zc_result_t zc_commit_summed(struct zc_writer *w,
							      struct zc_claim *c, u64 now)
{
	if (zc_unlikely(!zc_guard_commit(w, c, now, w->guard)))
		return zc_commit_overrun(w, c);
	return zc_commit(w, c, now);
}

static __attribute__((noinline)) zc_result_t zc_commit_timed(struct zc_writer *w,
							     struct zc_claim *c)
{
	u64 now = zc_timestamp();

	return w->guarded ? zc_commit_summed(w, c, now) : zc_commit(w, c, now);
}

/* A leaf, as without a guard. */
static __attribute__((noinline)) zc_result_t zc_commit_marked(struct zc_writer *w,
							      struct zc_claim *c)
{
	if (zc_unlikely(!zc_guard_commit(w, c, 0, ZC_MODE_MAGIC)))
		return zc_commit_overrun(w, c);
	return zc_commit(w, c, 0);
}

zc_result_t zc_writer_commit_block(zc_writer_t *w, zc_handle_t handle)
{
	struct zc_claim *c;

	if (zc_unlikely(!w || !zc_role_usable(w->alive, &w->closed)))
		return zc_commit_refuse(w, handle);
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c || c->place.in_io))
		return zc_commit_refuse(w, handle);
	if (!w->framed)
		return zc_commit(w, c, 0);
	if (w->timestamps)
		return zc_commit_timed(w, c);
	return w->marked ? zc_commit_marked(w, c) : zc_commit_summed(w, c, 0);
}

zc_result_t zc_writer_cancel_block(zc_writer_t *w, zc_handle_t handle)
{
	struct zc_claim *c;

	if (zc_unlikely(!w))
		return zc_fail(ZC_ERROR_INVALID, "writer is NULL");
	if (zc_unlikely(!zc_role_usable(w->alive, &w->closed)))
		return zc_role_fail(w->pool, w->alive);
	c = zc_claim_of(w, handle);
	if (zc_unlikely(!c))
		return zc_stale(w, handle);
	if (zc_unlikely(c->place.in_io))
		return zc_fail(ZC_ERROR_BUSY,
			       "the block is still in I/O: call zc_writer_io_end() first");
	ZC_KILLPOINT(cancel_begin);
	zc_cancel(w, c);
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
		zc_stale(w, handle);
		return NULL;
	}
	if (out_bytes)
		*out_bytes = c->place.bytes;
	return c->place.data;
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
		return zc_stale(w, handle);
	if (!bytes || bytes > c->size)
		return zc_fail(ZC_ERROR_SIZE,
			       "a block of %llu bytes cannot be resized to %zu",
			       (unsigned long long)c->size, bytes);
	if (w->tags.on && bytes < c->described)
		return zc_fail(ZC_ERROR_SIZE,
			       "the first %u bytes of this block are described: it cannot be resized to %zu",
			       c->described, bytes);
	c->place.bytes = bytes;
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
		return zc_stale(w, handle);
	if (!begin && !c->place.in_io)
		return zc_fail(ZC_ERROR_INVALID, "the block is not in I/O");
	c->place.in_io += begin ? 1 : -1;
	zc_store_relaxed(&w->descs[c->granule].flags,
			 c->place.in_io ? ZC_BLOCK_IO : 0);
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
