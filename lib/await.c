// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * await.c - threads of the library that wait for others of the library's.
 *
 * A hook or handler may close a pool, stop a cleaner, or open a pool that is just being
 * closed: then its thread waits for the end of other threads, which may be in hooks and
 * handlers that do the same.  Each wait is written down before it begins, and what would
 * close a circle is refused.  A program's own threads are waited for by nobody.
 */
#include "internal.h"

static pthread_mutex_t zc_awaits_lock = PTHREAD_MUTEX_INITIALIZER;	/* leaf */
static struct zc_await *zc_awaits;	/* (under zc_awaits_lock) */

/*
 * Does whoever waits for @pool's cleaners, or @all of its threads, wait for a thread of
 * @who's?  Ends: what is written down has no circle.
 */
static bool zc_await_comes_to(const struct zc_pool *pool, bool all,
			      const struct zc_pool *who, bool cleans)
{
	const struct zc_await *a;

	if (pool == who && (all || cleans))
		return true;
	for (a = zc_awaits; a; a = a->next)
		if (a->who == pool && (all || a->cleans) &&
		    zc_await_comes_to(a->whom, a->all, who, cleans))
			return true;
	return false;
}

zc_result_t zc_await_begin(struct zc_await *a, const struct zc_pool *whom, bool all)
{
	bool circle;

	a->who = zc_thread_of;
	a->cleans = zc_thread_cleans;
	a->whom = whom;
	a->all = all;
	if (!a->who)
		return ZC_OK;
	pthread_mutex_lock(&zc_awaits_lock);
	circle = zc_await_comes_to(whom, all, a->who, a->cleans);
	if (!circle) {
		a->next = zc_awaits;
		zc_awaits = a;
	}
	pthread_mutex_unlock(&zc_awaits_lock);
	if (!circle)
		return ZC_OK;
	return zc_fail(ZC_ERROR_BUSY,
		       "a handler or hook cannot wait for threads of pool %s, which wait for it: do that when the call has returned",
		       whom->name);
}

void zc_await_end(struct zc_await *a)
{
	struct zc_await **at;

	if (!a->who)
		return;
	pthread_mutex_lock(&zc_awaits_lock);
	for (at = &zc_awaits; *at && *at != a; at = &(*at)->next)
		;
	if (*at)
		*at = a->next;
	pthread_mutex_unlock(&zc_awaits_lock);
}

void zc_awaits_over(const struct zc_pool *whom)
{
	struct zc_await *a;

	pthread_mutex_lock(&zc_awaits_lock);
	for (a = zc_awaits; a; a = a->next)
		if (a->whom == whom)
			a->whom = NULL;
	pthread_mutex_unlock(&zc_awaits_lock);
}

void zc_awaits_after_fork(void)
{
	pthread_mutex_init(&zc_awaits_lock, NULL);
	zc_awaits = NULL;
}
