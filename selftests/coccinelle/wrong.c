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

static int wrong_index(const int *table, struct zc_reader_area *ra)
{
	u64 i = zc_load_relaxed(&ra->cursor);

	if (i < 8)
		return table[i];
	return table[zc_load_acquire(&ra->cursor)]; /* loaded_index */
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
