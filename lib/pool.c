// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * pool.c - pools as this process has them: created, opened, closed, listed.
 *
 * One process, one member: a pool that is opened again is the same with one more
 * reference.  All that opens or closes pool files happens under zc_pools_lock,
 * because closing any descriptor of a lock file drops this process's locks in it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "device.h"
#include "role.h"
#include "shm.h"
#include "zora.h"

#define ZC_OPEN_TRIES 16

_Thread_local const struct zc_pool *zc_thread_of;
_Thread_local bool zc_thread_cleans;

static pthread_mutex_t zc_pools_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t zc_pools_closed = PTHREAD_COND_INITIALIZER;
static struct zc_pool *zc_pools;	/* (under zc_pools_lock) */
static struct zc_pool *zc_pools_inherited;	/* a forked child's, closed never */

zc_result_t zc_pool_usable(const struct zc_pool *pool)
{
	if (!zc_load_relaxed(pool->alive))
		return zc_fail(ZC_ERROR_FORKED, "this is a forked child: open pool %s "
			       "anew here", pool->name);
	if (zc_load_relaxed(&pool->evicted))
		return zc_fail(ZC_ERROR_EVICTED, "the peers took this process for dead: "
			       "close pool %s and open it again", pool->name);
	return ZC_OK;
}

zc_result_t zc_pool_joined(const struct zc_pool *pool)
{
	if (!pool->observer)
		return ZC_OK;
	return zc_fail(ZC_ERROR_PERMISSION, "pool %s was opened with .observe, which only "
		       "looks: open it without", pool->name);
}

struct zc_pool *zc_pool_find(const u8 creation_id[16])
{
	struct zc_pool *pool;

	for (pool = zc_pools; pool; pool = pool->next)
		if (pool->member < ZC_MAX_MEMBERS &&
		    !memcmp(pool->creation_id, creation_id,
			    sizeof(pool->creation_id)))
			return pool;
	return NULL;
}

/*
 * The mappings are not here (MADV_DONTFORK), the threads are not, a lock may be
 * held by one of those.  Descriptors are: closing them in the child does nothing
 * to the parent's locks.  The structs stay, because the program may still have
 * handles of them and is to get ZC_ERROR_FORKED.
 */
void zc_pools_after_fork(void)
{
	struct zc_pool *pool, *next;

	pthread_mutex_init(&zc_pools_lock, NULL);
	pthread_cond_init(&zc_pools_closed, NULL);
	zc_thread_of = NULL;
	zc_awaits_after_fork();
	zora_after_fork();
	for (pool = zc_pools; pool; pool = next) {
		next = pool->next;
		zc_fd_close(&pool->control_fd, pool->control_dev,
			    pool->control_ino);
		zc_fd_close(&pool->lock_fd, pool->lock_dev, pool->lock_ino);
		if (pool->device)
			zc_device_after_fork(pool);
		zc_background_after_fork(pool);
		zc_reader_fds_after_fork(pool);
		pool->next = zc_pools_inherited;
		zc_pools_inherited = pool;
	}
	zc_pools = NULL;
}

/* --- options ------------------------------------------------------------------- */

static zc_result_t zc_options_read(const zc_pool_options_t *in,
				   zc_pool_options_t *out)
{
	static const zc_pool_options_t defaults = ZC_POOL_OPTIONS_INIT;
	zc_result_t result;

	*out = defaults;
	if (!in)
		return ZC_OK;
	result = zc_options_copy(out, sizeof(*out), in, in->sz,
				 "zc_pool_options_t");
	if (result)
		return result;
	if ((unsigned int)out->huge > ZC_HUGE_GIGANTIC)
		return zc_fail(ZC_ERROR_INVALID, "pool options: .huge is none of "
			       "ZC_HUGE_*");
	if ((unsigned int)out->numa > ZC_NUMA_INTERLEAVE)
		return zc_fail(ZC_ERROR_INVALID, "pool options: .numa is none of "
			       "ZC_NUMA_*");
	if (out->numa_node && out->numa != ZC_NUMA_NODE)
		return zc_fail(ZC_ERROR_INVALID, "pool options: .numa_node is %u, but "
			       ".numa is not ZC_NUMA_NODE", out->numa_node);
	if ((unsigned int)out->guard > ZC_GUARD_FULL)
		return zc_fail(ZC_ERROR_INVALID, "pool options: .guard is none of "
			       "ZC_GUARD_*");
	/* A segment is at least a page. */
	if (out->huge == ZC_HUGE_GIGANTIC && !out->segment_bytes)
		out->segment_bytes = 1ULL << 30;
	return ZC_OK;
}

/*
 * Which backends may be asked, in that order; the first that has the pool, or can
 * make it, is taken.
 */
struct zc_choice {
	const struct zc_backend_ops *backend[2];
	u32 nr;
};

static zc_result_t zc_backend_choose(zc_backend_t wish, struct zc_choice *choice)
{
	const char *text = secure_getenv("ZEROCORE_BACKEND");
	zc_result_t result;

	if ((unsigned int)wish > ZC_BACKEND_DEVICE)
		return zc_fail(ZC_ERROR_INVALID, "pool options: .backend is none of "
			       "ZC_BACKEND_*");
	if (wish == ZC_BACKEND_AUTO && text && text[0]) {
		if (!strcmp(text, "device"))
			wish = ZC_BACKEND_DEVICE;
		else if (!strcmp(text, "shm"))
			wish = ZC_BACKEND_SHM;
		else if (strcmp(text, "auto"))
			return zc_fail(ZC_ERROR_INVALID,
				       "ZEROCORE_BACKEND is %.32s: it must be shm, "
				       "device or auto", text);
	}
	choice->nr = 0;
	if (wish != ZC_BACKEND_SHM) {
		result = zc_device_usable();
		if (result == ZC_OK)
			choice->backend[choice->nr++] = &zc_device_backend;
		/* What is there and cannot be opened now may have the pool. */
		else if (wish == ZC_BACKEND_DEVICE ||
			 (result != ZC_ERROR_NOT_SUPPORTED &&
			  result != ZC_ERROR_PERMISSION && result != ZC_ERROR_VERSION))
			return result;
		else
			zc_log(ZC_LOG_INFO, "plain shared memory, because: %s",
			       zc_last_error());
	}
	if (wish != ZC_BACKEND_DEVICE)
		choice->backend[choice->nr++] = &zc_shm_backend;
	return ZC_OK;
}

static zc_result_t zc_name_check(const char *name)
{
	if (zc_pool_name_valid(name))
		return ZC_OK;
	return zc_fail(ZC_ERROR_INVALID, "a pool's name has 1 to 48 of A-Z a-z 0-9 _ . - "
		       "and starts with a letter or digit");
}

/* --- attach --------------------------------------------------------------------- */

static struct zc_pool *zc_pool_alloc(const struct zc_backend_ops *backend)
{
	struct zc_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->backend = backend;
	pool->control_fd = -1;
	pool->lock_fd = -1;
	pool->refs = 1;
	pool->alive = zc_not_forked;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_mutex_init(&pool->map_lock, NULL);
	pthread_mutex_init(&pool->segment_lock, NULL);
	return pool;
}

static void zc_pool_free(struct zc_pool *pool)
{
	pthread_mutex_destroy(&pool->lock);
	pthread_mutex_destroy(&pool->map_lock);
	pthread_mutex_destroy(&pool->segment_lock);
	free(pool);
}

static void zc_pool_leave(struct zc_pool *pool)
{
	zc_background_stop(pool);
	pool->backend->leave(pool);
	pool->backend->detach(pool);
}

/* From a mapped pool to a member of it. */
static zc_result_t zc_pool_attach(struct zc_pool *pool)
{
	zc_result_t result = pool->backend->join(pool);

	if (result != ZC_OK)
		return result;
	zc_listener_begin(pool, &pool->listener);
	zc_listener_begin(pool, &pool->hook_listener);
	/* Who only looks has nothing to say, and no peer to watch. */
	if (pool->member == ZC_MAX_MEMBERS)
		return ZC_OK;
	result = zc_background_start(pool);
	if (result != ZC_OK) {
		pool->backend->leave(pool);
		return result;
	}
	zc_log(ZC_LOG_INFO, "pool %s: %s", pool->name, pool->backend->name);
	zc_event_emit(pool, ZC_EVENT_MEMBER_JOINED, pool->member, 0, ~0U, ~0U, 0,
		      0);
	return ZC_OK;
}

static zc_result_t zc_pool_create_locked(struct zc_pool *pool, const char *name,
					 const zc_pool_options_t *options)
{
	struct zc_numa_saved saved;
	zc_result_t result;
	char why[512];

	result = zc_numa_begin(&saved, options,
			       pool->backend->id == ZC_BACKEND_DEVICE);
	if (result != ZC_OK)
		return result;
	pool->evictable = options->evictable;
	result = pool->backend->create(pool, name, options);
	zc_numa_end(&saved);
	if (result != ZC_OK)
		return result;
	result = zc_pool_attach(pool);
	if (result == ZC_OK) {
		zc_store_relaxed(&pool->view.hints->placement,
				 (u32)options->numa | options->numa_node << 8);
		return ZC_OK;
	}
	/* What follows may fail, too, and say so: the last of a transient pool has removed it. */
	snprintf(why, sizeof(why), "%s", zc_last_error());
	/* Somebody may have removed it, and made another. */
	pool->backend->unname(pool);
	pool->backend->detach(pool);
	return zc_fail(result, "%s", why);
}

zc_result_t zc_pool_create(const char *name, const zc_pool_options_t *options,
			   zc_pool_t **out)
{
	struct zc_choice choice;
	zc_pool_options_t o;
	struct zc_pool *pool;
	struct zc_said said;
	zc_result_t result;

	zc_said_keep(&said);
	if (!out)
		return zc_fail(ZC_ERROR_INVALID, "no place for the pool (out is NULL)");
	result = zc_name_check(name);
	if (result == ZC_OK)
		result = zc_options_read(options, &o);
	if (result == ZC_OK)
		result = zc_backend_choose(o.backend, &choice);
	if (result == ZC_OK)
		result = zc_fork_guard();
	if (result != ZC_OK)
		return result;
	pool = zc_pool_alloc(choice.backend[0]);
	if (!pool)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a pool handle");
	pthread_mutex_lock(&zc_pools_lock);
	result = zc_pool_create_locked(pool, name, &o);
	if (result == ZC_OK) {
		pool->next = zc_pools;
		zc_pools = pool;
	}
	pthread_mutex_unlock(&zc_pools_lock);
	if (result != ZC_OK) {
		zc_pool_free(pool);
		return result;
	}
	*out = pool;
	return zc_said_of(&said, ZC_OK);
}

/* One try; BUSY: attached already, with @pool->creation_id; NOT_FOUND: removed. */
static zc_result_t zc_pool_open_once(struct zc_pool *pool, const char *name,
				     bool *again)
{
	zc_result_t result = pool->backend->open(pool, name);

	*again = false;
	if (result != ZC_OK)
		return result;
	result = zc_pool_attach(pool);
	if (result != ZC_OK) {
		pool->backend->detach(pool);
		return result;
	}
	/* Removed while we joined?  Then the name may be another pool's by now. */
	if (!pool->backend->still_named(pool)) {
		zc_pool_leave(pool);
		*again = true;
		return zc_fail(ZC_ERROR_NOT_FOUND, "pool %s was removed just now",
			       name);
	}
	if (!pool->observer)
		pool->backend->bury(pool);
	return ZC_OK;
}

static zc_result_t zc_pool_open_locked(const struct zc_backend_ops *backend,
				       const char *name,
				       const zc_open_options_t *options,
				       struct zc_pool **out)
{
	zc_result_t result = ZC_ERROR_NOT_FOUND;
	struct zc_await await;
	bool again = true;
	u32 i;

	for (i = 0; again && i < ZC_OPEN_TRIES; i++) {
		struct zc_pool *pool = zc_pool_alloc(backend), *attached;

		if (!pool)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "no memory for a pool handle");
		pool->evictable = options->evictable;
		pool->observer = options->observe;
		result = zc_pool_open_once(pool, name, &again);
		if (result == ZC_OK) {
			pool->next = zc_pools;
			zc_pools = pool;
			*out = pool;
			return ZC_OK;
		}
		attached = result == ZC_ERROR_BUSY ?
				   zc_pool_find(pool->creation_id) : NULL;
		zc_pool_free(pool);
		if (attached && !attached->refs) {
			/* Its end may wait for this thread. */
			if (zc_await_begin(&await, attached, true) != ZC_OK)
				return zc_fail(ZC_ERROR_BUSY, "pool %s is being closed by "
					       "this process, which waits for this handler "
					       "or hook", name);
			pthread_cond_wait(&zc_pools_closed, &zc_pools_lock);
			zc_await_end(&await);
			again = true;
			i = 0;
			continue;
		}
		if (attached) {
			result = zc_pool_usable(attached);
			if (result != ZC_OK)
				return result;
			attached->refs++;
			*out = attached;
			return ZC_OK;
		}
	}
	return result;
}

zc_result_t zc_pool_open_with(const char *name,
			      const zc_open_options_t *options, zc_pool_t **out)
{
	zc_open_options_t o = ZC_OPEN_OPTIONS_INIT;
	struct zc_choice choice;
	struct zc_said said;
	zc_result_t result;
	u32 i;

	zc_said_keep(&said);
	if (!out)
		return zc_fail(ZC_ERROR_INVALID, "no place for the pool (out is NULL)");
	result = zc_name_check(name);
	if (result == ZC_OK && options)
		result = zc_options_copy(&o, sizeof(o), options, options->sz,
					 "zc_open_options_t");
	if (result == ZC_OK)
		result = zc_backend_choose(o.backend, &choice);
	if (result == ZC_OK)
		result = zc_fork_guard();
	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&zc_pools_lock);
	for (i = 0; i < choice.nr; i++) {
		result = zc_pool_open_locked(choice.backend[i], name, &o, out);
		if (result != ZC_ERROR_NOT_FOUND)
			break;
	}
	pthread_mutex_unlock(&zc_pools_lock);
	return zc_said_of(&said, result);
}

zc_result_t zc_pool_open(const char *name, zc_pool_t **out)
{
	return zc_pool_open_with(name, NULL, out);
}

zc_result_t zc_pool_evict(zc_pool_t *pool, uint32_t member, uint32_t incarnation)
{
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	return pool->backend->evict(pool, member, incarnation);
}

void zc_pool_close(zc_pool_t *pool)
{
	struct zc_pool **at;
	struct zc_await await;
	struct zc_said said;
	bool last;

	if (!pool)
		return;
	/* A forked child has nothing of it, and never will. */
	if (!zc_load_relaxed(pool->alive))
		return;
	if (zc_roles_in(pool)) {
		zc_fail(ZC_ERROR_BUSY,
			"a handler or hook cannot close the pool that called it: do that when the call has returned");
		return;
	}
	pthread_mutex_lock(&zc_pools_lock);
	last = pool->refs == 1;
	if (last && zc_await_begin(&await, pool, true) != ZC_OK) {
		pthread_mutex_unlock(&zc_pools_lock);
		return;
	}
	pool->refs--;
	pthread_mutex_unlock(&zc_pools_lock);
	if (!last)
		return;
	/* Threads end that may be in a hook or handler, which may open another pool. */
	zc_roles_close(pool);
	zc_background_join(pool);
	zc_await_end(&await);
	/* Until here it is in the list: nobody opens its lock file and drops our locks. */
	pthread_mutex_lock(&zc_pools_lock);
	for (at = &zc_pools; *at && *at != pool; at = &(*at)->next)
		;
	if (*at)
		*at = pool->next;
	zc_said_keep(&said);
	zc_pool_leave(pool);
	zc_said_again(&said);
	zc_awaits_over(pool);
	zc_pool_free(pool);
	pthread_cond_broadcast(&zc_pools_closed);
	pthread_mutex_unlock(&zc_pools_lock);
}

zc_result_t zc_pool_remove(const char *name)
{
	zc_result_t result = zc_name_check(name);
	struct zc_choice choice;
	struct zc_said said;
	u32 i;

	zc_said_keep(&said);
	if (result == ZC_OK)
		result = zc_backend_choose(ZC_BACKEND_AUTO, &choice);
	if (result == ZC_OK)
		result = zc_fork_guard();
	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&zc_pools_lock);
	for (i = 0; i < choice.nr; i++) {
		result = choice.backend[i]->remove(name);
		if (result != ZC_ERROR_NOT_FOUND)
			break;
	}
	pthread_mutex_unlock(&zc_pools_lock);
	return zc_said_of(&said, result);
}

zc_result_t zc_pool_remove_all(uint32_t *removed)
{
	struct zc_choice choice = { 0 };
	struct zc_said said;
	zc_result_t result;
	u32 n = 0, i;

	zc_said_keep(&said);
	result = zc_backend_choose(ZC_BACKEND_AUTO, &choice);
	if (result == ZC_OK)
		result = zc_fork_guard();
	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&zc_pools_lock);
	for (i = 0; result == ZC_OK && i < choice.nr; i++)
		result = choice.backend[i]->remove_all(&n);
	pthread_mutex_unlock(&zc_pools_lock);
	if (removed && result == ZC_OK)
		*removed = n;
	return zc_said_of(&said, result);
}

const char *zc_pool_name(const zc_pool_t *pool)
{
	return pool ? pool->name : "";
}

/* --- list -------------------------------------------------------------------------- */

static int zc_name_compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

zc_result_t zc_names_add(struct zc_names *names, const char *name)
{
	if (names->nr == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		void *more = realloc(names->name, room * sizeof(*names->name));

		if (!more)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "no memory for %zu names", room);
		names->name = more;
		names->room = room;
	}
	memset(names->name[names->nr], 0, sizeof(*names->name));
	strncpy(names->name[names->nr++], name, ZC_NAME_BYTES - 1);
	return ZC_OK;
}

zc_result_t zc_pool_list(int (*visit)(const char *name, void *ctx), void *ctx)
{
	struct zc_names names = { NULL, 0, 0 };
	struct zc_choice choice;
	struct zc_said said;
	zc_result_t result;
	size_t n;
	u32 i;

	if (!visit)
		return zc_fail(ZC_ERROR_INVALID, "nobody to visit (visit is NULL)");
	zc_said_keep(&said);
	result = zc_backend_choose(ZC_BACKEND_AUTO, &choice);
	for (i = 0; result == ZC_OK && i < choice.nr; i++)
		result = choice.backend[i]->list(&names);
	/* Before the visits, which may fail at something of their own. */
	zc_said_of(&said, result);
	if (names.nr)
		qsort(names.name, names.nr, sizeof(*names.name),
		      zc_name_compare);
	for (n = 0; result == ZC_OK && n < names.nr; n++) {
		/* One on each backend may have the name: open takes the first. */
		if (n && !strcmp(names.name[n], names.name[n - 1]))
			continue;
		if (visit(names.name[n], ctx))
			break;
	}
	free(names.name);
	return result;
}
