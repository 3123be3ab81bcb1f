/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * reaper.h - take back what dead members held.
 *
 * No lock: any number of processes may reap the same dead member, and die or
 * stop on the way.  What makes that sound is in reaper.c.
 */
#ifndef ZC_CORE_REAPER_H
#define ZC_CORE_REAPER_H

#include "batch.h"
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

/* How far the look at what one dead reader held has come. */
struct zc_reaper_io {
	u64 life;		/* of its slot; 0: at none */
	u64 granules;		/* that may still be asked for */
	u32 hold;		/* next one */
	u32 deferred;		/* entries that may still be looked through */
};

/* A pass, resumable: its position is private, a dead passer's work is redone. */
struct zc_reaper {
	u32 incarnation[ZC_MAX_WRITERS + ZC_MAX_CLEANERS + 1];
	u64 owners;		/* bit ZC_OWNER_*: roles of this pass */
	u64 head[ZC_MAX_WRITERS];
	bool walking;		/* a pass is under way */
	bool at_roles;		/* before its walk: at these of this member */
	u32 member;
	u32 role;		/* slot of a reader, counted over all writers */
	struct zc_reaper_io io;
	struct zc_walk walk;
	struct zc_batch batch;	/* what came by that is CLEAN */
	u64 left;		/* of this slice, in looks at a hold */
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

/*
 * What a slice may cost is counted in looks at a hold, which are a load each.  The head of
 * a run is worth so many, or a page that is asked for.
 */
#define ZC_REAP_LOOKS 256U

/* Quarantine of memory in I/O on plain shared memory: a time, not a proof. */
#define ZC_QUARANTINE_NS 1000000000ULL

/* Where it can be known what is pinned: so long a dead reader's I/O is waited for at most. */
#define ZC_READER_IO_NS (10 * ZC_QUARANTINE_NS)

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
 * @budget: what this slice may cost: heads of runs, or ZC_REAP_LOOKS holds each.  It is
 *	exceeded by what belongs together: the holds of one writer's readers, or one block
 * Return: true: nothing is left to do; false: call again (or later, when
 * @reaper->waiting: something is in quarantine).
 */
bool zc_reap(const struct zc_view *v, struct zc_reaper *reaper,
	     const struct zc_reaper_ops *ops, u32 budget);

/* Any member REAPING? */
bool zc_reap_wanted(const struct zc_view *v);

#endif /* ZC_CORE_REAPER_H */
