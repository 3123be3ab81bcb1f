/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * reaper.h - take back what dead members held.
 *
 * No lock: any number of processes may reap the same dead member, and die or
 * stop on the way.  What makes that sound is in reaper.c.
 */
#ifndef ZC_CORE_REAPER_H
#define ZC_CORE_REAPER_H

#include "run.h"
#include "view.h"

/* What the reaper needs from its surroundings. */
struct zc_reaper_ops {
	/* The head of writer @w moved: wake whoever sleeps on it. */
	void (*wake)(void *ctx, u32 w);
	/* Everything of member @m is back: tell the peers.  At least once a death. */
	void (*reaped)(void *ctx, u32 m, u32 incarnation);
	u64 (*now_ns)(void *ctx);
	/*
	 * Is any page of a run still pinned?  Asked of what the dead member @m had
	 * claimed as a writer, or held as a reader, and declared to be in I/O.  NULL:
	 * cannot be known; then ZC_QUARANTINE_NS have to do.
	 */
	bool (*pinned)(void *ctx, u32 m, u32 granule, u32 length);
	void *ctx;
};

/* A pass, resumable: its position is private, a dead passer's work is redone. */
struct zc_reaper {
	u32 incarnation[ZC_MAX_WRITERS + ZC_MAX_CLEANERS + 1];
	u64 owners;		/* bit ZC_OWNER_*: roles of this pass */
	u64 head[ZC_MAX_WRITERS];
	struct zc_walk walk;
	bool walking;
	u32 skipping;		/* passes in a row that gave a segment up */
	u32 partial;		/* passes that ended without having seen all */
	bool waiting;		/* something is still in quarantine */
	u64 blocks;
	u32 quarantined;	/* blocks that became orphans: they are in I/O */
};

/*
 * After so many passes in a row in which a segment could not be seen to its end, one
 * counts all the same: somebody scribbled over its descriptors, which must not keep
 * the dead for ever.
 */
#define ZC_REAP_SKIPPING_MAX 16U

/* How often a pass tries to say for a dead role that it takes back nothing any more. */
#define ZC_REAP_TAKING_TRIES 64U

/* Quarantine of memory in I/O on plain shared memory: a time, not a proof. */
#define ZC_QUARANTINE_NS 1000000000ULL

/**
 * zc_member_declare_dead() - one sticky CAS, by whoever has proof
 * @v: the pool
 * @m: member index
 * @life: its life word as it was when it was alive
 * @now_ns: CLOCK_MONOTONIC
 * Return: true if this call did it; false if somebody else did or it left.
 */
bool zc_member_declare_dead(const struct zc_view *v, u32 m, u64 life,
			    u64 now_ns);

/**
 * zc_reap() - go on reaping whatever is dead
 * @v: the pool
 * @reaper: private state; all zero at first
 * @ops: surroundings
 * @budget: heads of runs to look at in this slice
 * Return: true: nothing is left to do; false: call again (or later, when
 * @reaper->waiting: something is in quarantine).
 */
bool zc_reap(const struct zc_view *v, struct zc_reaper *reaper,
	     const struct zc_reaper_ops *ops, u32 budget);

/* Any member REAPING? */
bool zc_reap_wanted(const struct zc_view *v);

#endif /* ZC_CORE_REAPER_H */
