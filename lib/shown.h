/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * shown.h - how the tools see words of shared memory.
 */
#ifndef ZC_LIB_SHOWN_H
#define ZC_LIB_SHOWN_H

#include "internal.h"

/* More than two clocks' readings may be out of order by. */
#define ZC_AGE_SLACK_NS 1000000000ULL

/* A stamp of before the machine was started is at least as old as that. */
static inline u64 zc_age(u64 now, u64 then)
{
	if (then > now && then - now > ZC_AGE_SLACK_NS)
		return now;
	return then && then < now ? now - then : 0;
}

static inline zc_guard_t zc_guard_shown(u32 mode)
{
	return mode <= ZC_MODE_FULL ? (zc_guard_t)(mode + ZC_GUARD_OFF) : ZC_GUARD_FULL;
}

/* Holds that may be in use: who writes there says how many. */
static inline u32 zc_holds_used(const struct zc_view *v, const struct zc_reader_area *a)
{
	u32 high = zc_load_acquire(&a->overflow_high);
	u32 most = v->max_holds > ZC_FAST_HOLDS ?
			   v->max_holds - ZC_FAST_HOLDS : 0;

	return ZC_FAST_HOLDS + (high < most ? high : most);
}

#endif /* ZC_LIB_SHOWN_H */
