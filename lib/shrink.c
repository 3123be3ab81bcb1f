// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shrink.c - segments are emptied, and their memory goes back to the machine.
 *
 * The emptiest is marked as draining: writers take nothing there any more, and give back
 * what they keep for reuse.  Once nobody has anything there it goes.  The mark is a
 * lease: whoever set it may die.  If readers hold on to what is there, another is tried.
 */
#include <string.h>

#include "core/segment.h"
#include "cleaner.h"
#include "role_mail.h"

#define ZC_DRAIN_LEASE_NS	200000000ULL
/* However long a lease somebody wrote there. */
#define ZC_DRAIN_LEASE_MAX_NS	10000000000ULL
/* A segment that is not empty by then is left alone. */
#define ZC_DRAIN_PATIENCE_NS	1000000000ULL
/* The count of what is free may be wrong: it is tried all the same. */
#define ZC_DRAIN_TRY_NS		20000000ULL

u32 zc_draining_now(const struct zc_view *v)
{
	u32 draining = zc_load_relaxed(&v->hints->draining);
	u64 left = zc_load_relaxed(&v->hints->drain_until_ns) - zc_timestamp();

	return left - 1 < ZC_DRAIN_LEASE_MAX_NS ? draining & ZC_DRAINING_SEGMENT : 0;
}

static u64 zc_segment_free(const struct zc_view *v, u32 segment)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < ZC_STRIPES; i++) {
		u32 hint = zc_load_relaxed(&v->free_hint[segment * ZC_STRIPES + i]);

		sum += hint < v->stripe_granules ? hint : v->stripe_granules;
	}
	return sum;
}

static bool zc_drain_refused(const struct zc_drain *d, u32 segment)
{
	return d->refused[segment / 64] >> segment % 64 & 1;
}

/*
 * Of huge pages that are gone there may be no others, for whoever is led there by what a
 * hostile writer wrote: on /dev/zerocore, where that is promised, they stay.
 */
static bool zc_drain_never(const struct zc_pool *pool, u32 segment)
{
	return pool->backend->id == ZC_BACKEND_DEVICE &&
	       zc_load_relaxed(&pool->view.segments[segment].page_kind) ==
		       ZC_PAGES_HUGETLB;
}

static bool zc_drain_possible(const struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 s;

	for (s = 0; s < zc_segments(v); s++)
		if (zc_segment_state(v, s) == ZC_SEGMENT_READY &&
		    !zc_drain_never(pool, s))
			return true;
	return false;
}

/* The emptiest that was not tried yet, + 1; of two the last. */
static u32 zc_drain_pick(const struct zc_pool *pool, const struct zc_drain *d)
{
	const struct zc_view *v = &pool->view;
	u64 most = 0;
	u32 s, best = 0;

	for (s = 0; s < zc_segments(v); s++) {
		u64 free;

		if (zc_segment_state(v, s) != ZC_SEGMENT_READY ||
		    zc_drain_refused(d, s) || zc_drain_never(pool, s))
			continue;
		free = zc_segment_free(v, s) + 1;
		if (free >= most) {
			most = free;
			best = s + 1;
		}
	}
	return best;
}

/* Whoever writes leaves the fast path once, and sees that something drains. */
static void zc_drain_tell(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++)
		if (zc_life_state(zc_load_acquire(&v->writer_slots[w].life)) ==
		    ZC_LIFE_LIVE)
			zc_peer_ring(pool, ZC_PEER_WRITER(w));
}

static bool zc_drain_begin(struct zc_pool *pool, struct zc_drain *d, u64 now)
{
	const struct zc_view *v = &pool->view;
	u32 draining = zc_load_relaxed(&v->hints->draining);

	if (zc_draining_now(v))
		return false;		/* somebody else is at it */
	/* Another number: who has seen the same segment drain before looks again. */
	d->mark = ((draining & ~ZC_DRAINING_SEGMENT) + ZC_DRAINING_ONE) | d->segment;
	zc_store_relaxed(&v->hints->drain_until_ns, now + d->lease_ns);
	if (!zc_cas32(&v->hints->draining, &draining, d->mark))
		return false;
	d->begun_ns = now;
	d->tried_ns = 0;
	zc_drain_tell(pool);
	return true;
}

void zc_drain_end(struct zc_pool *pool, struct zc_drain *d)
{
	u32 mine = d->mark;

	if (d->segment)
		zc_cas32(&pool->view.hints->draining, &mine,
			 mine & ~ZC_DRAINING_SEGMENT);
	d->segment = 0;
}

enum zc_drained zc_drain_step(struct zc_pool *pool, struct zc_drain *d, u64 now)
{
	const struct zc_view *v = &pool->view;
	zc_result_t result;
	u32 segment;

	if (!d->segment) {
		d->lease_ns = d->turn_ns * 2 + ZC_DRAIN_LEASE_NS;
		if (d->lease_ns > ZC_DRAIN_LEASE_MAX_NS)
			d->lease_ns = ZC_DRAIN_LEASE_MAX_NS;
		d->segment = zc_drain_pick(pool, d);
		if (!d->segment)
			return ZC_DRAINED_ALL_TRIED;
		if (!zc_drain_begin(pool, d, now)) {
			d->segment = 0;
			return ZC_DRAINED_NOT_YET;
		}
	}
	segment = d->segment - 1;
	/* Stopped for longer than the lease: somebody else is at it, or was. */
	if (zc_load_relaxed(&v->hints->draining) != d->mark) {
		d->segment = 0;
		return ZC_DRAINED_NOT_YET;
	}
	zc_store_relaxed(&v->hints->drain_until_ns, now + d->lease_ns);
	if (zc_segment_free(v, segment) == v->segment_granules ||
	    now - d->tried_ns > ZC_DRAIN_TRY_NS) {
		d->tried_ns = now;
		ZC_KILLPOINT(drain_asked);
		result = pool->backend->shrink(pool, segment);
		if (result == ZC_OK) {
			zc_drain_end(pool, d);
			return ZC_DRAINED_ONE;
		}
		d->failed = result == ZC_ERROR_BUSY ? ZC_OK : result;
	}
	if (now - d->begun_ns > ZC_DRAIN_PATIENCE_NS) {
		d->refused[segment / 64] |= 1ULL << segment % 64;
		zc_drain_end(pool, d);
	}
	return ZC_DRAINED_NOT_YET;
}

/* --- when somebody asks ------------------------------------------------------------------ */

#define ZC_SHRINK_TURN_NS 1000000ULL

static zc_result_t zc_shrink_one(struct zc_pool *pool, u64 deadline)
{
	struct zc_drain d = { .turn_ns = ZC_SHRINK_TURN_NS };
	const u32 *epoch = &pool->view.header->epoch;
	bool once = false;
	u64 now;

	for (;; once = true) {
		enum zc_drained drained;
		u32 seen = zc_load_acquire(epoch);

		now = zc_timestamp();
		if (once && now >= deadline)
			break;
		/* Others may shrink it, too. */
		if (zc_segments_live(&pool->view) <= 1) {
			zc_drain_end(pool, &d);
			return zc_fail(ZC_ERROR_INVALID,
				       "pool %s has one segment left, which it keeps",
				       pool->name);
		}
		drained = zc_drain_step(pool, &d, now);
		if (drained == ZC_DRAINED_ONE)
			return ZC_OK;
		if (drained == ZC_DRAINED_ALL_TRIED)
			memset(d.refused, 0, sizeof(d.refused));
		if (now < deadline)
			zc_futex_wait(epoch, seen, now + ZC_SHRINK_TURN_NS);
	}
	zc_drain_end(pool, &d);
	if (d.failed != ZC_OK)
		return zc_fail(d.failed, "the memory of a segment of pool %s could not be "
			       "given back: %s", pool->name, zc_strerror(d.failed));
	return zc_fail(ZC_ERROR_TIMEOUT,
		       "in each segment of pool %s somebody has a block, or keeps memory "
		       "for the next: see `zerocore blocks %s`, or wait longer",
		       pool->name, pool->name);
}

/*
 * Somebody must take back what was read; a pool may have no cleaner.  This thread will
 * wait for it.  If it is a cleaner of this pool: the guest waits for nobody who waits for
 * one of those.
 */
static struct zc_cleaner *zc_guest_begin(struct zc_pool *pool, struct zc_await *await)
{
	const zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	struct zc_cleaner *guest;

	*await = (struct zc_await){ .who = NULL };
	if (!zc_in_cleaner_of(pool) && zc_await_begin(await, pool, false) != ZC_OK)
		return NULL;
	if (zc_cleaner_new(pool, &options, ZC_CLEANER_GUEST, &guest) == ZC_OK)
		return guest;
	zc_await_end(await);
	return NULL;
}

static void zc_guest_end(struct zc_cleaner *guest, struct zc_await *await)
{
	if (!guest)
		return;
	zc_cleaner_finish(guest);
	zc_await_end(await);
}

zc_result_t zc_pool_shrink(zc_pool_t *pool, uint32_t segments, uint64_t timeout_ns)
{
	u64 deadline = zc_deadline(timeout_ns);
	struct zc_cleaner *guest = NULL;
	struct zc_await await;
	struct zc_said said;
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	zc_said_keep(&said);
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s was opened without write permission",
			       pool->name);
	if (segments && !zc_drain_possible(pool))
		return zc_fail(ZC_ERROR_NOT_SUPPORTED,
			       "pool %s has huge pages of the kernel's reserve, which "
			       "stay as long as it does: one that is to shrink is "
			       "created with ZC_HUGE_TRANSPARENT (--huge transparent)", pool->name);
	if (segments && timeout_ns)
		guest = zc_guest_begin(pool, &await);
	while (segments-- && result == ZC_OK)
		result = zc_shrink_one(pool, deadline);
	zc_guest_end(guest, &await);
	return zc_said_of(&said, result);
}
