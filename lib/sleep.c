// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * sleep.c - waiting for a message without a cost to the writer.
 *
 * The sleeper stores its ticket (the sequence that it waits for), makes a fence,
 * loads the writer's head, looks again, sleeps while the head still is what it
 * was.  The writer stores its head, makes a fence, loads the tickets; one whose
 * readers have not slept for long makes none and says so: then they call
 * membarrier.  Each return to sleep does all of it again.  A reader that would have
 * to call membarrier and cannot sleeps in slices of 1 ms; every other sleep is a loop
 * of slices of at most 100 ms, so that nothing hangs on a lost wake.
 *
 * Who waits for several readers sleeps on one word of the pool, by bits of its
 * own: its tickets say so, and that word is woken instead of a head.  What such a wait
 * costs does not grow with the readers but by a look at each.
 */
#include <errno.h>
#include <time.h>

#include "ahead.h"

#define ZC_SLEEP_SLICE_NS 100000000ULL
#define ZC_BLIND_SLICE_NS 1000000ULL

bool zc_reader_ready(const struct zc_reader *r)
{
	u64 s = r->cursor;

	/*
	 * [C4] what the head covers is in the ring.  The head first: beside it lies
	 * all else that a wait looks at.  But a head alone, with nothing in the ring,
	 * would keep everybody awake for what no poll will ever find.
	 */
	if (zc_load_acquire(&r->writer_area->head) > s) {
		zc_fetch_guess(r);	/* while its entry comes */
		if (zc_entry_ahead(zc_load_acquire(&r->ring[s & r->ring_mask].place), s) >= 0 ||
		    zc_lapped(r, s))
			return true;
	}
	return zc_load_relaxed(&r->floor->floor) > s ||
	       zc_load_relaxed(&r->floor->cut_incarnation) == r->incarnation;
}

static u64 zc_slice(u64 now_ns, u64 deadline_ns, bool blind)
{
	u64 slice = now_ns + (blind ? ZC_BLIND_SLICE_NS : ZC_SLEEP_SLICE_NS);

	return slice < deadline_ns ? slice : deadline_ns;
}

/* @wake_bits: 0: the head is what it sleeps on. */
static void zc_ticket_store(struct zc_reader *r, u32 wake_bits)
{
	/* Stored as they are, its lines would only go to and fro. */
	if (r->wake_bits != wake_bits) {
		r->wake_bits = wake_bits;
		zc_store_release(&r->area->wake_bits, wake_bits);
	}
	if (r->ticket != r->cursor) {
		zc_guess_learn(r);
		r->ticket = r->cursor;
		/* [W1] ticket before the look; pairs with [W1] in
		 * zc_fence_before_tickets(). */
		zc_store_release(&r->area->ticket, r->cursor);
	}
}

/*
 * Its writer makes no fence for who sleeps.  [W2] our fence before this, this before
 * the look; pairs with [W2] in zc_fence_commits().
 */
static bool zc_writer_unfenced(const struct zc_reader *r)
{
	return zc_load_acquire(&r->writer_area->unfenced);
}

void zc_reader_sleep(struct zc_reader *r, u32 bell, u64 deadline_ns)
{
	bool blind;
	u64 head;

	zc_ticket_store(r, 0);
	ZC_KILLPOINT(sleep_ticket);
	zc_fence_full();
	blind = zc_writer_unfenced(r) && !zc_membarrier();
	/*
	 * [C4] head before the look: a commit that the look misses stores a head
	 * after this one, so that the futex refuses to sleep, or finds our
	 * ticket.  Not the cursor: a writer that was stopped between entry and
	 * head leaves the head behind it, and we would never sleep.
	 */
	head = zc_load_acquire(&r->writer_area->head);
	ZC_KILLPOINT(sleep_look);
	if (zc_reader_ready(r))
		return;
	/*
	 * Who rings for a message to this role wakes a head that stays as it is: between
	 * here and the sleep that is lost until the slice ends.  So here, not earlier.
	 */
	if (zc_load_relaxed(r->bell) != bell)
		return;
	zc_futex_wait_bits((u32 *)&r->writer_area->head, (u32)head, 1U << r->id,
			   zc_slice(zc_timestamp(), deadline_ns, blind));
	zc_fetch_guess(r);
}

int zc_wake_any(struct zc_pool *pool, u32 bits)
{
	u32 *word = &pool->view.hints->wake_word;

	/* [W3] the head before the word; pairs with [W3] in zc_wait_slice_any().
	 * Who may not write here is no writer: others look when their slice ends. */
	if (pool->may_write)
		zc_fetch_add32(word, 1);
	return zc_futex_wake_bits(word, bits);
}

static zc_result_t zc_wait_refuse(zc_reader_t *const *readers, u32 nr, u32 i)
{
	if (!readers[i])
		return zc_fail(ZC_ERROR_INVALID, "reader %u is NULL", i);
	if (!zc_role_usable(readers[i]->alive, &readers[i]->closed))
		return zc_role_fail(readers[i]->pool, readers[i]->alive);
	return zc_fail(ZC_ERROR_INVALID, "reader %u of %u is of another pool", i, nr);
}

/* Checks all, and finds the first that is ready; @nr: none is. */
static zc_result_t zc_wait_look(zc_reader_t *const *readers, u32 nr, u32 *idx)
{
	const struct zc_pool *pool;
	u32 i;

	*idx = nr;
	/* All of a pool are alive, or none is. */
	if (zc_unlikely(!readers[0] || !*readers[0]->alive))
		return zc_wait_refuse(readers, nr, 0);
	pool = readers[0]->pool;
	for (i = 0; i < nr; i++) {
		const struct zc_reader *r = readers[i];

		if (zc_unlikely(!r || zc_load_relaxed(&r->closed) || r->pool != pool))
			return zc_wait_refuse(readers, nr, i);
		if (*idx == nr && zc_reader_ready(r))
			*idx = i;
	}
	return ZC_OK;
}

/* With all tickets stored.  False: a membarrier has to come first. */
static bool zc_wait_look_again(zc_reader_t *const *readers, u32 nr, bool fenced,
			       bool *ready)
{
	u32 i;

	for (i = 0; i < nr && !*ready; i++) {
		if (zc_unlikely(!fenced && zc_writer_unfenced(readers[i])))
			return false;
		*ready = zc_reader_ready(readers[i]);
	}
	return true;
}

static void zc_wait_slice_any(zc_reader_t *const *readers, u32 nr,
			      const u32 *epoch, u32 seen, u64 now, u64 deadline)
{
	const struct zc_pool *pool = readers[0]->pool;
	const u32 *word = &pool->view.hints->wake_word;
	u32 bits = 1U << (pool->member & 31);
	bool ready = false, blind = false;
	u32 i, expected;

	for (i = 0; i < nr; i++)
		zc_ticket_store(readers[i], bits);
	zc_fence_full();
	/* [W3] the word before the look; pairs with [W3] in zc_wake_any(): a commit
	 * that the look misses finds our ticket, and changes the word after this. */
	expected = zc_load_acquire(word);
	if (!zc_wait_look_again(readers, nr, false, &ready)) {
		blind = !zc_membarrier();
		expected = zc_load_acquire(word);	/* [W3] */
		zc_wait_look_again(readers, nr, true, &ready);
	}
	if (ready || zc_load_acquire(epoch) != seen)
		return;
	zc_futex_wait_bits(word, expected, bits, zc_slice(now, deadline, blind));
}

zc_result_t zc_wait_any(zc_reader_t *const *readers, uint32_t nr,
			uint32_t *out_index, uint64_t timeout_ns)
{
	u64 now, deadline = 0;
	const u32 *epoch;
	u32 seen = 0, idx;

	if (!readers || !nr || nr > 127)
		return zc_fail(ZC_ERROR_INVALID,
			       "zc_wait_any() takes 1 to 127 readers, not %u", nr);
	for (epoch = NULL;;) {
		zc_result_t result = zc_wait_look(readers, nr, &idx);

		if (result)
			return result;
		if (idx != nr)
			break;
		now = zc_timestamp();
		if (!epoch) {
			deadline = timeout_ns > UINT64_MAX - now ?
					   UINT64_MAX : now + timeout_ns;
			epoch = &readers[0]->pool->view.header->epoch;
			seen = zc_load_acquire(epoch);
		}
		if (zc_load_acquire(epoch) != seen)
			break;
		if (!timeout_ns || now >= deadline)
			return zc_fail(ZC_ERROR_TIMEOUT,
				       "none of %u readers got a message", nr);
		zc_wait_slice_any(readers, nr, epoch, seen, now, deadline);
	}
	if (out_index)
		*out_index = idx;
	return ZC_OK;
}
