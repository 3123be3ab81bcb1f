/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * ahead.h - a reader that is behind asks for what it comes to next
 *
 * A payload's line takes longer to come from the writer's processor than all else that a
 * message costs, and a processor that goes ahead by itself gets two or three
 * messages far.  Who found message after message asks for the one ZC_AHEAD further on.
 * Who is at the writer's heels does not: it would take the line that is just written.
 */
#ifndef ZC_AHEAD_H
#define ZC_AHEAD_H

#include "core/ring.h"
#include "role.h"

/* Messages: two lines of the ring. */
#define ZC_AHEAD 8U

/* It found nothing. */
static inline void zc_streak_end(struct zc_reader *r)
{
	r->streak = 0;
}

/*
 * It found @s at @place: that payload can come while all else is looked at, unless it was
 * asked for already.  What stands in an entry is no more than a hint here, and a line of
 * nowhere can be asked for.  @record: the descriptor is looked at, too.
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
