// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * role.c - what writers and readers share.
 */
#include <stdlib.h>

#include "cleaner.h"
#include "role_mail.h"
#include "zora.h"

/* No option struct will ever be larger: a larger size is no size. */
#define ZC_OPTIONS_MAX 4096

/*
 * Roles that ended last.  Their memory goes later, so that who still uses such a pointer
 * as a rule is told, and harms nobody: what it looks at first says that it is closed.
 */
#define ZC_ENDED_ROLES 16U

static void *zc_ended[ZC_ENDED_ROLES];
static u32 zc_ended_nr;

void zc_role_end(void *role)
{
	u32 i = __atomic_fetch_add(&zc_ended_nr, 1, __ATOMIC_RELAXED) % ZC_ENDED_ROLES;

	free(__atomic_exchange_n(&zc_ended[i], role, __ATOMIC_ACQ_REL));
}

zc_result_t zc_role_fail(struct zc_pool *pool, const u32 *alive)
{
	if (alive && !*alive)
		return zc_fail(ZC_ERROR_FORKED,
			       "this is a forked child: pools and roles are its parent's; open the pool anew");
	if (pool && alive && zc_load_relaxed(&pool->evicted))
		return zc_fail(ZC_ERROR_EVICTED,
			       "the peers took this process for dead and reaped it: close pool %s and open it anew",
			       pool->name);
	return zc_fail(ZC_ERROR_CLOSED,
		       "this role is NULL or has ended: it was unregistered, or its pool closed");
}

/* Did another role of this process give it away? */
static bool zc_handle_foreign(struct zc_pool *pool, const struct zc_seal *mine,
			      zc_handle_t handle)
{
	enum zc_handle_is is = ZC_HANDLE_UNKNOWN;
	struct zc_writer *w;
	struct zc_reader *r;

	pthread_mutex_lock(&pool->lock);
	for (w = pool->writers; w && is == ZC_HANDLE_UNKNOWN; w = w->next)
		if (&w->seal != mine)
			is = zc_handle_look(&w->seal, handle, w->claims, w->claims_nr);
	for (r = pool->readers; r && is == ZC_HANDLE_UNKNOWN; r = r->next)
		if (&r->seal != mine)
			is = zc_handle_look(&r->seal, handle, r->held, r->held_nr);
	pthread_mutex_unlock(&pool->lock);
	return is != ZC_HANDLE_UNKNOWN;
}

zc_result_t zc_handle_fail(struct zc_pool *pool, const struct zc_seal *seal,
			   zc_handle_t handle, const void *places, u32 nr)
{
	switch (zc_handle_look(seal, handle, places, nr)) {
	case ZC_HANDLE_ENDED:
		return zc_fail(ZC_ERROR_STALE_HANDLE,
			       "this handle ended with the commit, cancel or release of its block");
	case ZC_HANDLE_REPLAYED:
		return zc_fail(ZC_ERROR_REPLAYED_HANDLE,
			       "this handle ended long ago, and its key was changed since");
	default:
		break;
	}
	if (zc_handle_foreign(pool, seal, handle))
		return zc_fail(ZC_ERROR_FOREIGN_HANDLE,
			       "this handle is another role's: each writer and reader has handles of its own");
	return zc_fail(ZC_ERROR_FORGED_HANDLE,
		       "this is no handle that a role of this process got");
}

zc_result_t zc_options_copy(void *to, size_t size, const void *from, size_t sz,
			    const char *what)
{
	const unsigned char *tail = from;
	size_t i;

	/* No struct ends within a pointer or a number. */
	if (sz < sizeof(size_t) || sz > ZC_OPTIONS_MAX || sz % sizeof(size_t))
		return zc_fail(ZC_ERROR_INVALID,
			       "%s.sz is %zu: initialise it with its _INIT macro",
			       what, sz);
	for (i = size; i < sz; i++)
		if (tail[i])
			return zc_fail(ZC_ERROR_INVALID,
				       "%s has a field set that this library (%s) does not know",
				       what, zc_version());
	memcpy(to, from, sz < size ? sz : size);
	memcpy(to, &size, sizeof(size));
	return ZC_OK;
}

zc_result_t zc_info_copy(void *to, size_t sz, const void *from, size_t size)
{
	return zc_copy_out(to, from, size) ? ZC_OK :
		zc_fail(ZC_ERROR_INVALID,
			"the output's sz is %zu: set it to the sizeof its type", sz);
}

void zc_roles_close(struct zc_pool *pool)
{
	zc_cleaners_close(pool);
	while (pool->rings)
		zc_messagering_unregister(pool->rings);
	while (pool->readers)
		zc_reader_unregister(pool->readers);
	while (pool->writers)
		zc_writer_unregister(pool->writers);
}

bool zc_roles_in(struct zc_pool *pool)
{
	const struct zc_messagering *m;
	const struct zc_writer *w;
	const struct zc_reader *r;
	/* A cleaner that is being stopped is in no list any more. */
	bool run = zc_thread_of == pool;
	const struct zc_hooked *h;

	for (h = zc_hooked; h; h = h->outer)
		run |= h->pool == pool;
	pthread_mutex_lock(&pool->lock);
	for (w = pool->writers; w && !run; w = w->next)
		run = zc_handlers_in(&w->mail->handlers);
	for (r = pool->readers; r && !run; r = r->next)
		run = zc_handlers_in(&r->mail->handlers);
	for (m = pool->rings; m && !run; m = m->next)
		run = zc_handlers_in(&m->handlers);
	pthread_mutex_unlock(&pool->lock);
	return run;
}

void zc_roles_evict(struct zc_pool *pool)
{
	struct zc_writer *w;
	struct zc_reader *r;

	zc_store_release(&pool->evicted, 1);
	pthread_mutex_lock(&pool->lock);
	for (w = pool->writers; w; w = w->next) {
		zc_store_release(&w->closed, 1);
		zora_evict(&w->zora);
	}
	for (r = pool->readers; r; r = r->next) {
		zc_store_release(&r->closed, 1);
		zora_evict(&r->zora);
	}
	pthread_mutex_unlock(&pool->lock);
}
