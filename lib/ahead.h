/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * ahead.h - a reader asks for what it comes to next, behind its writer or ahead of it
 *
 * A payload's line takes longer to come from the writer's processor than all else that a
 * message costs, and a processor that goes ahead by itself gets two or three
 * messages far.  Who found message after message asks for the one ZC_AHEAD further on.
 * Who is at the writer's heels does not: it would take the line that is just written.
 *
 * Who waits asks for the next payload while it asks for its entry, so that both lines are
 * on their way at once.  Where it will be is in no entry yet; but large blocks mostly lie
 * side by side, and the others go round: what came after this one last time comes again.
 * To find that out is done with while nothing is there to be done.
 *
 * What is asked for is not looked at, and a line of nowhere can be asked for.
 */
#ifndef ZC_AHEAD_H
#define ZC_AHEAD_H

#include "core/ring.h"
#include "role.h"

/* Messages: two lines of the ring. */
#define ZC_AHEAD 8U

/* Polls that find nothing, until a reader is one that waits: some 50 ns. */
#define ZC_AT_HEELS 8U

/* --- ahead.c: a reader that waits ----------------------------------------- */

/* What seems to come next, by all that came; when there is nothing else to do. */
void zc_guess_learn(struct zc_reader *r);
/* A poll found nothing, once more or for the first time; says so: callers need no frame. */
zc_result_t zc_poll_nothing(struct zc_reader *r);

/*
 * The lines in which it begins and ends, which are looked at first.  Inline whatever gcc
 * makes of it: it takes a function that only prefetches for one that does nothing, and
 * leaves out calls of it.
 */
static inline __attribute__((always_inline)) void zc_fetch_guess(const struct zc_reader *r)
{
	/* What is not mapped would be looked for each time. */
	if (!r->guess.begin)
		return;
	zc_prefetch(r->guess.begin);
	zc_prefetch(r->guess.end);
}

/*
 * It found @s at @place: that payload can come while all else is looked at, unless it was
 * asked for already.  @record: the descriptor is looked at, too.
 */
static inline void zc_fetch_ahead(struct zc_reader *r, u64 s, u64 place, bool record)
{
	if (zc_unlikely(r->streak < ZC_AHEAD)) {
		zc_prefetch(r->data + ((place >> 32) << r->granule_shift));
		r->streak++;
		return;
	}
	place = zc_load_relaxed(&r->ring[(s + ZC_AHEAD) & r->ring_mask].place);
	if (zc_entry_ahead(place, s + ZC_AHEAD))
		return;
	zc_prefetch(r->data + ((place >> 32) << r->granule_shift));
	if (record)
		zc_prefetch(r->pool->view.descs + (place >> 32));
}

#endif /* ZC_AHEAD_H */
