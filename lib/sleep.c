// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * sleep.c - waiting for a message without a cost to the writer.
 *
 * The sleeper stores its ticket (the sequence that it waits for), calls
 * membarrier, loads the writer's head, looks again, sleeps while the head still
 * is what it was.  The writer stores its head, and behind a compiler barrier loads the
 * tickets.  Each return to sleep does all of it again.  A reader that cannot
 * call membarrier sleeps in slices of 1 ms; every other sleep is a loop of slices
 * of at most 100 ms, so that nothing hangs on a lost wake.
 */
#include <errno.h>
#include <time.h>

#include "role.h"

#define ZC_SLEEP_SLICE_NS 100000000ULL
#define ZC_BLIND_SLICE_NS 1000000ULL

bool zc_reader_ready(const struct zc_reader *r)
{
	u64 s = r->cursor;
	/* [C4] what the head covers is in the ring. */
	u64 place = zc_load_acquire(&r->ring[s & r->ring_mask].place);

	return zc_entry_ahead(place, s) >= 0 ||
	       zc_load_relaxed(&r->floor->floor) > s ||
	       zc_load_relaxed(&r->floor->cut_incarnation) == r->incarnation;
}

static u64 zc_slice(u64 deadline_ns, bool blind)
{
	u64 slice = zc_timestamp() +
		    (blind ? ZC_BLIND_SLICE_NS : ZC_SLEEP_SLICE_NS);

	return slice < deadline_ns ? slice : deadline_ns;
}

static void zc_ticket_store(struct zc_reader *r)
{
	/* [W1] ticket before the look; pairs with [W1] in zc_fence_before_tickets(). */
	zc_store_release(&r->area->ticket, r->cursor);
}

void zc_reader_sleep(struct zc_reader *r, u64 deadline_ns)
{
	bool blind;
	u64 head;

	zc_ticket_store(r);
	ZC_KILLPOINT(sleep_ticket);
	blind = !zc_membarrier();
	zc_fence_full();
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
	zc_futex_wait((u32 *)&r->writer_area->head, (u32)head,
		      zc_slice(deadline_ns, blind));
}

static zc_result_t zc_wait_check(zc_reader_t *const *readers, u32 nr)
{
	u32 i;

	if (!readers || !nr || nr > 127)
		return zc_fail(ZC_ERROR_INVALID,
			       "zc_wait_any() takes 1 to 127 readers, not %u", nr);
	for (i = 0; i < nr; i++) {
		if (!readers[i])
			return zc_fail(ZC_ERROR_INVALID, "reader %u is NULL", i);
		if (!zc_role_usable(readers[i]->alive, &readers[i]->closed))
			return zc_role_fail(readers[i]->pool,
					    readers[i]->alive);
		if (readers[i]->pool != readers[0]->pool)
			return zc_fail(ZC_ERROR_INVALID,
				       "reader %u is of another pool", i);
	}
	return ZC_OK;
}

static bool zc_any_ready(zc_reader_t *const *readers, u32 nr, u32 *idx)
{
	u32 i;

	for (i = 0; i < nr; i++)
		if (zc_reader_ready(readers[i])) {
			*idx = i;
			return true;
		}
	return false;
}

static void zc_wait_slice_any(zc_reader_t *const *readers, u32 nr,
			      const u32 *epoch, u32 seen, u64 deadline)
{
	const u32 *words[128];
	u32 expected[128];
	bool blind;
	u32 i;

	for (i = 0; i < nr; i++) {
		zc_ticket_store(readers[i]);
		words[i] = (u32 *)&readers[i]->writer_area->head;
	}
	words[nr] = epoch;
	expected[nr] = seen;
	blind = !zc_membarrier();
	zc_fence_full();
	for (i = 0; i < nr; i++)	/* [C4] head before the look */
		expected[i] = (u32)zc_load_acquire(
			&readers[i]->writer_area->head);
	if (zc_any_ready(readers, nr, &i))
		return;
	if (zc_futex_waitv(words, expected, nr + 1,
			   zc_slice(deadline, blind)) == -ENOSYS)
		/* Not in this kernel or container: look every millisecond. */
		zc_futex_wait(epoch, seen, zc_slice(deadline, true));
}

zc_result_t zc_wait_any(zc_reader_t *const *readers, uint32_t nr,
			uint32_t *out_index, uint64_t timeout_ns)
{
	zc_result_t result = zc_wait_check(readers, nr);
	const u32 *epoch;
	u64 deadline;
	u32 seen, idx;

	if (result)
		return result;
	deadline = zc_deadline(timeout_ns);
	epoch = &readers[0]->pool->view.header->epoch;
	seen = zc_load_acquire(epoch);
	for (;;) {
		if (zc_any_ready(readers, nr, &idx))
			break;
		if (zc_load_acquire(epoch) != seen) {
			idx = nr;
			break;
		}
		if (!timeout_ns || zc_timestamp() >= deadline)
			return zc_fail(ZC_ERROR_TIMEOUT,
				       "none of %u readers got a message", nr);
		zc_wait_slice_any(readers, nr, epoch, seen, deadline);
		result = zc_wait_check(readers, nr);
		if (result)
			return result;
	}
	if (out_index)
		*out_index = idx;
	return ZC_OK;
}
