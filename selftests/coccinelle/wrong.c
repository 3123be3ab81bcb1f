/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * wrong.c - what each rule must find: never compiled.  A comment on the line names it.
 */
#include "core/view.h"

static int wrong_access(struct zc_reader_area *ra)
{
	if (ra->cursor) /* plain_access */
		return 1;
	return zc_load_relaxed(&ra->cursor) != 0;
}

static u64 wrong_entry(struct zc_deferred_entry *d, u32 i)
{
	if (!zc_load_relaxed(&d[i].sequence))
		return 0;
	return d[i].bytes; /* plain_access */
}

static int wrong_index(const int *table, struct zc_reader_area *ra)
{
	u64 i = zc_load_relaxed(&ra->cursor);

	if (i < 8)
		return table[i];
	return table[zc_load_acquire(&ra->join)]; /* loaded_index */
}

static int wrong_lock(pthread_mutex_t *lock, int way)
{
	pthread_mutex_lock(lock);
	if (way)
		return way; /* unlock */
	pthread_mutex_unlock(lock);
	return 0;
}

static int wrong_kernel_lock(struct mutex *lock, int way)
{
	mutex_lock(lock);
	if (way)
		return way; /* unlock */
	mutex_unlock(lock);
	return 0;
}

static void wrong_free(struct zc_reader *r)
{
	free(r);
	r->next = NULL; /* after_free */
}

static void wrong_kfree(struct zc_pool *pool)
{
	kfree(pool);
	kfree(pool); /* after_free */
}

static u32 wrong_record(struct zc_member_record *r)
{
	return zc_load_relaxed(&r->uid) ? r->pid : 0; /* plain_record */
}

static int wrong_twice(const int *table, struct zc_reader_area *ra)
{
	u64 was = zc_load_acquire(&ra->cursor);

	if (was >= 8 || zc_load_relaxed(&ra->cursor) != was)
		return 0;
	was = zc_load_relaxed(&ra->cursor); /* double_load */
	return table[was];
}

static u64 wrong_most(struct zc_reader_area *ra, u64 most)
{
	return zc_load_relaxed(&ra->join) < most ?
		       zc_load_relaxed(&ra->join) : most; /* double_load */
}

static u64 wrong_both(struct zc_reader_area *ra, u64 table)
{
	return zc_load_relaxed(&ra->join) < 64 &&
	       table >> zc_load_relaxed(&ra->join) & 1; /* double_load */
}

static u64 right_twice(struct zc_reader_area *ra, u64 *into, u32 nr)
{
	u64 was = zc_load_acquire(&ra->cursor);
	u32 i;

	for (i = 0; i < nr; i++)
		into[i] = zc_load_relaxed(&ra->hold[i]);
	return zc_load_acquire(&ra->cursor) == was ? was : 0;
}
