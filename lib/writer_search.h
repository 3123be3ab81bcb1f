/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * writer_search.h - which free run a writer takes.
 */
#ifndef ZC_LIB_WRITER_SEARCH_H
#define ZC_LIB_WRITER_SEARCH_H

#include "role.h"

/*
 * Is a block of @n granules one of many from one run?  Up to a page: what a search
 * costs is shared by all that come from what it found.
 */
static inline bool zc_is_chunked(const struct zc_writer *w, u32 n)
{
	return (u64)n << w->granule_shift <= 4096;
}

/**
 * zc_run_reach() - how long would a run be that somebody claims here and grows?
 * @v: the pool
 * @granule: below zc_granules()
 * @want: more is not asked about
 *
 * Looks at a bounded number of heads, and changes nothing.
 * Return: granules from here on that are free and nobody's; 0: no such run.
 */
u32 zc_run_reach(const struct zc_view *v, u32 granule, u32 want);

/* Tries the run whose head may be at *@at; there is the block then. */
bool zc_try_run(struct zc_writer *w, u32 *at, u32 n);
/* Of a run that was claimed: where the block of @n granules is; see writer_pool.c. */
u32 zc_run_share(struct zc_writer *w, u32 granule, u32 n);

/* A run of @n granules or more, by what is known of the stripes. */
bool zc_search(struct zc_writer *w, u32 n, u32 *granule);
/* The same by looking at every head, a bounded number at a time. */
bool zc_search_deep(struct zc_writer *w, u32 n, u32 *granule);

#endif /* ZC_LIB_WRITER_SEARCH_H */
