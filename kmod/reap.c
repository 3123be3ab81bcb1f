// SPDX-License-Identifier: GPL-2.0
/*
 * reap.c - the steward: declares deaths, takes back what the dead held, watches.
 *
 * On the device the kernel alone does this.  The walk is lib/core's, a slice at a
 * time under pool->lock; in between others may join, leave, map.  What a slice costs is
 * bounded, but members decide how many there are: so only the first after a death is
 * done at a high priority.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "compat.h"
#include "zerocore.h"
#include "moves.h"
#include "reclaim.h"

/* Runs, or what costs as much: some 100 us, and 10 ms at most. */
#define ZC_REAP_SLICE		4096U
/* What is repeated, or urgent, rests so many times as long as it took. */
#define ZC_REAP_REST		16U
/* Time for a look at what waits for its I/O, each ZC_WATCH_MS. */
#define ZC_QUARANTINE_LOOK_NS	(5 * NSEC_PER_MSEC)
/* Passes without an end: somebody writes over descriptors while we walk. */
#define ZC_REAP_PASSES		64U
#define ZC_WATCH_MS		100U
#define ZC_SUSPECT_NS		1000000000ULL
/* A blocked walk is tried again, more and more seldom. */
#define ZC_REAP_BACKOFF_MAX	100U

static void zc_ops_wake(void *ctx, u32 w)
{
	/* Members do, when the event or the epoch tells them. */
}

static void zc_ops_reaped(void *ctx, u32 m, u32 incarnation)
{
	zc_member_reaped(ctx, m, incarnation);
}

static u64 zc_ops_now(void *ctx)
{
	return ktime_get_ns();
}

static bool zc_run_pinned(const struct zc_pool *pool, u32 granule, u32 length)
{
	const struct zc_view *v = &pool->view;
	u32 segment = granule >> v->segment_shift;
	u64 off = (u64)(granule & v->segment_mask) << v->granule_shift;

	return zc_segment_pinned(&pool->segment[segment], off,
				 (u64)length << v->granule_shift);
}

/* In a block that somebody who is dead since then declared to be in I/O. */
static bool zc_io_goes_on(const struct zc_pool *pool, u64 since_ns, u32 granule,
			  u32 length)
{
	/* Where not all I/O pins what it reads into: a time, not a proof. */
	if (ZC_IO_UNSEEN && ktime_get_ns() - since_ns < ZC_QUARANTINE_NS)
		return true;
	return zc_run_pinned(pool, granule, length);
}

/* Since that one's death: who dies meanwhile has nothing to do with it. */
static bool zc_ops_pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	const struct zc_pool *pool = ctx;

	return zc_io_goes_on(pool, READ_ONCE(pool->view.members[m].death_ns), granule,
			     length);
}

static void zc_quarantine_begin(struct zc_pool *pool)
{
	struct zc_quarantine *q = &pool->quarantine;

	memset(q, 0, sizeof(*q));
	q->walking = true;
	q->was = pool->quarantined;
}

/* Those in the batch that nobody holds are free. (under pool->lock) */
static bool zc_quarantine_batch(struct zc_pool *pool)
{
	struct zc_quarantine *q = &pool->quarantine;
	const struct zc_view *v = &pool->view;
	u32 first, n;

	while ((n = zc_batch_look(v, &q->batch, &first, &q->spent))) {
		for (; n--; first++) {
			const struct zc_batch_block *b = &q->batch.block[first];

			if (b->held || !zc_orphan_free(v, b->granule, b->word))
				q->left++;
		}
		if (q->spent >= ZC_REAP_SLICE * ZC_REAP_LOOKS)
			return false;
	}
	return true;
}

/* (under pool->lock) */
static void zc_quarantine_run(struct zc_pool *pool, u32 granule, u64 word)
{
	struct zc_quarantine *q = &pool->quarantine;
	const struct zc_view *v = &pool->view;

	/* It may be another's by now: nothing of it is changed but by its word. */
	if (zc_word_state(word) != ZC_STATE_CLEAN ||
	    zc_word_owner(word) != ZC_OWNER_ORPHAN ||
	    !(READ_ONCE(zc_desc(v, granule)->flags) & ZC_BLOCK_IO) ||
	    !zc_run_sane(v, granule, word))
		return;
	q->spent += ZC_REAP_LOOKS *
		    (((u64)zc_word_length(word) << v->granule_shift) / PAGE_SIZE);
	if (zc_io_goes_on(pool, pool->quarantine_ns, granule, zc_word_length(word)))
		q->left++;
	else
		zc_batch_add(v, &q->batch, granule, word);
}

/*
 * Frees what waited for the end of its I/O, a slice at a time.  Returns true when
 * everything was looked at. (under pool->lock)
 */
static bool zc_quarantine_slice(struct zc_pool *pool)
{
	struct zc_quarantine *q = &pool->quarantine;
	u32 granule;
	u64 word;

	if (!q->walking)
		zc_quarantine_begin(pool);
	q->spent = 0;
	while (q->spent < ZC_REAP_SLICE * ZC_REAP_LOOKS) {
		if (zc_batch_full(&q->batch) && !zc_quarantine_batch(pool))
			return false;
		q->spent += ZC_REAP_LOOKS;
		if (zc_walk_step(&pool->view, &q->walk, &granule, &word)) {
			zc_quarantine_run(pool, granule, word);
			continue;
		}
		if (!zc_quarantine_batch(pool))
			return false;
		/*
		 * A reaper may have added some meanwhile, behind this walk or ahead of
		 * it: what is counted twice is put right by the next look.
		 */
		pool->quarantined = q->left + (pool->quarantined - q->was);
		q->walking = false;
		return true;
	}
	return false;
}

/* Everything that waits, or as much as there is time for now. */
static void zc_quarantine_end(struct zc_pool *pool)
{
	u64 until_ns = ktime_get_ns() + ZC_QUARANTINE_LOOK_NS;
	bool done;

	do {
		mutex_lock(&pool->lock);
		done = !pool->quarantined || zc_quarantine_slice(pool);
		mutex_unlock(&pool->lock);
		cond_resched();
	} while (!done && ktime_get_ns() < until_ns);
}

/* What a slice comes to. */
enum zc_reap_next {
	ZC_REAP_DONE,		/* nothing is left, or nothing that helps now */
	ZC_REAP_GO_ON,
	ZC_REAP_ANEW,		/* a pass has not seen everything */
};

/* (under pool->lock) */
static enum zc_reap_next zc_reap_some(struct zc_pool *pool)
{
	struct zc_reaper_ops ops = {
		.wake = zc_ops_wake,
		.reaped = zc_ops_reaped,
		.now_ns = zc_ops_now,
		.pinned = zc_ops_pinned,
		.ctx = pool,
	};
	bool done;

	if (!pool->reaper.walking) {
		pool->pass_deaths = pool->deaths;
		pool->pass_ns = 0;
	}
	done = zc_reap(&pool->view, &pool->reaper, &ops, ZC_REAP_SLICE);
	pool->quarantined += pool->reaper.quarantined;
	if (pool->reaper.quarantined)
		pool->quarantine_ns = ktime_get_ns();
	pool->reaper.quarantined = 0;
	if (done) {
		memset(&pool->reaper, 0, sizeof(pool->reaper));
		pool->reap_passes = 0;
		zc_epoch_bump(pool);
		return ZC_REAP_DONE;
	}
	/* Who died behind the pass is not made to wait for what keeps others. */
	if (pool->reaper.walking || pool->deaths != pool->pass_deaths)
		return ZC_REAP_GO_ON;
	/* The watchdog tries again. */
	if (pool->reaper.waiting || ++pool->reap_passes % ZC_REAP_PASSES == 0)
		return ZC_REAP_DONE;
	return ZC_REAP_ANEW;
}

/*
 * One slice.  @urgent: only if no slice was urgent lately: who makes others die, one
 * after the other, has no more than a part of a processor at that priority.
 */
static enum zc_reap_next zc_reap_slice(struct zc_pool *pool, bool urgent)
{
	enum zc_reap_next next = ZC_REAP_GO_ON;
	u64 began, took;

	mutex_lock(&pool->lock);
	zc_members_bury(pool);
	began = ktime_get_ns();
	if (!urgent || began >= pool->urgent_ns) {
		next = zc_reap_some(pool);
		took = ktime_get_ns() - began;
		pool->pass_ns += took;
		if (urgent)
			pool->urgent_ns = began + took * ZC_REAP_REST;
		if (next != ZC_REAP_GO_ON)
			pool->again_ns = began + pool->pass_ns * ZC_REAP_REST;
	}
	mutex_unlock(&pool->lock);
	return next;
}

/* The rest of it, on the other queue.  Takes the caller's reference along. */
static void zc_reap_later(struct zc_pool *pool, enum zc_reap_next next)
{
	bool queued = false;

	/* Apart: what is to go on does not wait for what is to come later. */
	if (next == ZC_REAP_GO_ON)
		queued = queue_work(zc_wq, &pool->reap_work);
	else if (next == ZC_REAP_ANEW)
		queued = queue_delayed_work(zc_wq, &pool->anew_work,
					    msecs_to_jiffies(ZC_WATCH_MS));
	if (!queued)
		zc_pool_put(pool);
}

static void zc_urgent_work(struct work_struct *work)
{
	struct zc_pool *pool = container_of(work, struct zc_pool, urgent_work);

	zc_reap_later(pool, zc_reap_slice(pool, true));
}

/* A slice, and then behind those of the other pools again. */
static void zc_reap_work(struct work_struct *work)
{
	struct zc_pool *pool = container_of(work, struct zc_pool, reap_work);

	zc_reap_later(pool, zc_reap_slice(pool, false));
}

static void zc_anew_work(struct work_struct *work)
{
	struct zc_pool *pool = container_of(to_delayed_work(work), struct zc_pool,
					    anew_work);

	zc_reap_later(pool, zc_reap_slice(pool, false));
}

void zc_reap_kick(struct zc_pool *pool)
{
	zc_pool_get(pool);
	if (!queue_work(zc_urgent_wq, &pool->urgent_work))
		zc_pool_put(pool);
}

/* --- watchdog ----------------------------------------------------------------------- */

/* What the owner says of itself, copied to where peers can read it. */
static void zc_watch_member(struct zc_pool *pool, struct zc_member *m, u64 now)
{
	const struct zc_stamps *stamps = m->stamps.pages.addr;
	struct zc_member_record *r = &pool->view.members[m->index];
	u64 alive = READ_ONCE(stamps->alive_ns);
	u64 progress = READ_ONCE(stamps->progress_ns);

	/* A clock that is ahead of ours is no sign of life. */
	if (alive > now)
		alive = READ_ONCE(r->alive_ns);
	if (progress > now)
		progress = READ_ONCE(r->progress_ns);
	WRITE_ONCE(r->alive_ns, alive);
	WRITE_ONCE(r->progress_ns, progress);
	if (now - alive < ZC_SUSPECT_NS || m->suspect_ns == alive)
		return;
	m->suspect_ns = alive;
	WRITE_ONCE(r->suspect_ns, alive);
	zc_event_about(pool, ZC_DEVICE_EVENT_MEMBER_SUSPECT, m->index, ~0U, ~0U);
}

static void zc_watchdog(struct work_struct *work)
{
	struct zc_pool *pool = container_of(to_delayed_work(work),
					    struct zc_pool, watchdog);
	struct zc_member *m;
	bool again, reap;

	mutex_lock(&pool->lock);
	list_for_each_entry(m, &pool->members, list)
		if (m->state == ZC_MEMBER_ALIVE && m->leased)
			zc_watch_member(pool, m, ktime_get_ns());
	again = !list_empty(&pool->members) || pool->quarantined;
	/* A pass that is under way goes on by itself. */
	reap = zc_reap_wanted(&pool->view) && !pool->reaper.walking &&
	       ktime_get_ns() >= pool->again_ns &&
	       (pool->reap_passes < ZC_REAP_PASSES ||
		pool->reap_passes++ % ZC_REAP_BACKOFF_MAX == 0);
	if (reap)
		zc_pool_get(pool);
	mutex_unlock(&pool->lock);
	zc_quarantine_end(pool);
	if (reap)
		zc_reap_later(pool, ZC_REAP_GO_ON);
	if (!again || !queue_delayed_work(zc_wq, &pool->watchdog,
					  msecs_to_jiffies(ZC_WATCH_MS)))
		zc_pool_put(pool);	/* that of zc_watchdog_start() */
}

void zc_watchdog_start(struct zc_pool *pool)
{
	zc_pool_get(pool);
	if (!queue_delayed_work(zc_wq, &pool->watchdog,
				msecs_to_jiffies(ZC_WATCH_MS)))
		zc_pool_put(pool);
}

void zc_reap_init(struct zc_pool *pool)
{
	INIT_WORK(&pool->urgent_work, zc_urgent_work);
	INIT_WORK(&pool->reap_work, zc_reap_work);
	INIT_DELAYED_WORK(&pool->anew_work, zc_anew_work);
	INIT_DELAYED_WORK(&pool->watchdog, zc_watchdog);
}

void zc_reap_stop(struct zc_pool *pool)
{
	/* Each holds the pool: none is there any more. */
	WARN_ON_ONCE(work_pending(&pool->urgent_work));
	WARN_ON_ONCE(work_pending(&pool->reap_work));
	WARN_ON_ONCE(delayed_work_pending(&pool->anew_work));
	WARN_ON_ONCE(delayed_work_pending(&pool->watchdog));
}
