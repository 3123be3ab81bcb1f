// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * hooks.c - a program's functions are called when something happens.
 */
#include "internal.h"
#include "role.h"

_Thread_local const struct zc_hooked *zc_hooked;

static zc_hooks_t zc_hooks_since(struct zc_pool *pool, u64 *since_ns)
{
	zc_hooks_t h = ZC_HOOKS_INIT;

	*since_ns = 0;
	if (!zc_load_acquire(&pool->hooked))
		return h;
	pthread_mutex_lock(&pool->lock);
	h = pool->hooks;
	*since_ns = pool->hooked_ns;
	pthread_mutex_unlock(&pool->lock);
	return h;
}

static zc_hooks_t zc_hooks_of(struct zc_pool *pool)
{
	u64 since_ns;

	return zc_hooks_since(pool, &since_ns);
}

zc_result_t zc_set_hooks(zc_pool_t *pool, const zc_hooks_t *hooks)
{
	zc_hooks_t h = ZC_HOOKS_INIT;
	zc_result_t result;

	if (!pool)
		return zc_fail(ZC_ERROR_INVALID, "pool is NULL");
	result = zc_pool_usable(pool);
	if (result == ZC_OK)
		result = zc_pool_joined(pool);
	if (result == ZC_OK && hooks)
		result = zc_options_copy(&h, sizeof(h), hooks, hooks->sz,
					 "zc_hooks_t");
	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&pool->lock);
	pool->hooks = h;
	pool->hooked_ns = zc_timestamp();
	pthread_mutex_unlock(&pool->lock);
	zc_store_release(&pool->hooked, hooks != NULL);
	return ZC_OK;
}

void zc_hook_corrupted(struct zc_pool *pool, u32 service, u64 sequence)
{
	zc_hooks_t h = zc_hooks_of(pool);
	char name[200];

	if (!h.corrupted_block)
		return;
	zc_service_text(&pool->view, service, name);
	h.corrupted_block(pool, name, sequence, h.ctx);
}

void zc_hook_missing(struct zc_pool *pool, u32 service, u64 sequence, u64 age_ns)
{
	zc_hooks_t h = zc_hooks_of(pool);
	char name[200];

	if (!h.missing_block)
		return;
	zc_service_text(&pool->view, service, name);
	h.missing_block(pool, name, sequence, age_ns, h.ctx);
}

void zc_hook_event(struct zc_pool *pool, const struct zc_event_record *r)
{
	u64 since_ns;
	zc_hooks_t h = zc_hooks_since(pool, &since_ns);
	struct zc_hooked here = { pool, zc_hooked };
	zc_event_t event = { .sz = sizeof(event) };
	const struct zc_view *v = &pool->view;

	/* What was before the hooks were set is not told, whoever reads it when. */
	if (r->time_ns < since_ns)
		return;
	zc_hooked = &here;
	if (r->type == ZC_EVENT_MEMBER_DIED && h.member_died) {
		/* On /dev/zerocore two threads may be here. */
		pthread_mutex_lock(&pool->lock);
		zc_event_out(pool, &pool->hook_listener, &event, r);
		pthread_mutex_unlock(&pool->lock);
		h.member_died(pool, &event, h.ctx);
	} else if ((r->type == ZC_EVENT_SEGMENT_ADDED ||
		    r->type == ZC_EVENT_SEGMENT_REMOVED) && h.pool_resized) {
		h.pool_resized(pool, zc_granules_live(v) << v->granule_shift, h.ctx);
	}
	zc_hooked = here.outer;
}

static void zc_hook_pressure(struct zc_pool *pool, const zc_hooks_t *h)
{
	const struct zc_view *v = &pool->view;
	struct zc_room room = zc_room_now(v);
	zc_pressure_t before = pool->pressure, level;
	struct zc_strategies s;

	if (!room.granules)
		return;		/* somebody wrote that there is nothing */
	zc_strategies_fetch(pool, &s);
	level = zc_level_now(&s, v, before);
	pool->pressure = level;
	if (level != before && (zc_ask_relief(&s, level) |
				zc_ask_relief(&s, before)) & ZC_RELIEF_HOOK)
		h->backpressure(pool, level,
				(u32)((room.granules - room.free) * 100 /
				      room.granules),
				h->ctx);
}

void zc_hook_tick(struct zc_pool *pool, bool listen)
{
	struct zc_listener *l = &pool->hook_listener;
	zc_hooks_t h = zc_hooks_of(pool);
	struct zc_event_record r;
	u32 n;

	if (!zc_load_acquire(&pool->hooked)) {
		pool->pressure = ZC_PRESSURE_NONE;
		return;
	}
	/*
	 * From where the pool was opened on: a death may be told by several, and is
	 * known by the first.
	 */
	for (n = 0; listen && n < 2 * ZC_EVENTS && zc_listener_next(pool, l, &r); n++)
		zc_hook_event(pool, &r);
	if (h.backpressure)
		zc_hook_pressure(pool, &h);
}
