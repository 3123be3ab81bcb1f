// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * messagering.c - nodes that are not cleaners, and what all nodes do with packets.
 */
#include <stdlib.h>

#include "backend.h"
#include "messagering.h"
#include "role.h"

#define ZC_RING_SPIN_NS 20000ULL
/* Looks between two looks at the clock. */
#define ZC_RING_SPINS 32U
#define ZC_RING_SLICE_NS 100000000ULL
#define ZC_RING_BATCH 64U

void zc_handlers_init(struct zc_handlers *h)
{
	pthread_mutex_init(&h->lock, NULL);
}

void zc_handlers_free(struct zc_handlers *h)
{
	pthread_mutex_destroy(&h->lock);
}

void zc_handlers_set(struct zc_handlers *h, u32 type, zc_message_handler_t fn,
		     void *ctx)
{
	pthread_mutex_lock(&h->lock);
	h->by[type].fn = fn;
	h->by[type].ctx = ctx;
	pthread_mutex_unlock(&h->lock);
}

bool zc_handlers_call(struct zc_handlers *h, const zc_message_t *m)
{
	struct zc_handler by = { NULL, NULL };

	pthread_mutex_lock(&h->lock);
	if (m->type <= ZC_MSG_MAX)
		by = h->by[m->type];
	if (!by.fn)
		by = h->by[ZC_MSG_DEFAULT];
	pthread_mutex_unlock(&h->lock);
	if (by.fn) {
		uintptr_t before = zc_handlers_enter(h);

		by.fn(m, by.ctx);
		zc_handlers_leave(h, before);
	}
	return by.fn;
}

bool zc_handlers_run(const struct zc_handlers *h)
{
	if (!zc_handlers_in(h))
		return false;
	zc_fail(ZC_ERROR_BUSY,
		"a handler or hook cannot end what called it: do that when the call has returned");
	return true;
}

u32 zc_messagering_work(struct zc_messagering *m, u64 now, u32 *mine)
{
	struct zc_packet p;
	u32 n;

	*mine = 0;
	for (n = 0; n < ZC_RING_BATCH && zc_node_take(&m->node, &p); n++) {
		zc_message_t message = { .type = p.type,
					 .src = ZC_PEER_NODE(p.src),
					 .create_ns = p.create_ns,
					 .bytes = p.bytes,
					 .payload = p.payload };

		if (!zc_node_fresh(&m->node, &p))
			continue;
		/* On it goes first: a handler takes its time. */
		zc_node_forward(&m->node, &p, now);
		if (p.dst != m->node.id && p.dst != ZC_PEER_ALL)
			continue;
		zc_store_relaxed(&m->node.area->received, ++m->node.received);
		++*mine;
		zc_handlers_call(&m->handlers, &message);
	}
	return n;
}

bool zc_messagering_send(struct zc_messagering *m, u32 dst, u32 type,
			 const void *payload, size_t bytes, u32 flags, u64 now)
{
	struct zc_packet p = { .create_ns = now,
			       .type = (__u16)type,
			       .dst = (__u16)dst,
			       .bytes = (u8)bytes };

	if (bytes)
		memcpy(p.payload, payload, bytes);
	return zc_node_send(&m->node, &p, flags & ZC_MESSAGE_CRITICAL ? 2 : 1,
			    now);
}

/* --- for programs -------------------------------------------------------------------- */

static zc_result_t zc_messagering_usable(const zc_messagering_t *m)
{
	static const u32 open;

	if (!m)
		return zc_fail(ZC_ERROR_INVALID, "node is NULL");
	if (!zc_role_usable(m->alive, &open) || zc_load_relaxed(&m->pool->evicted))
		return zc_role_fail(m->pool, m->alive);
	return ZC_OK;
}

zc_result_t zc_messagering_register(zc_pool_t *pool, zc_messagering_t **out)
{
	struct zc_messagering *m;
	zc_result_t result;
	u32 id, incarnation;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "pool or output is NULL");
	result = zc_pool_usable(pool);
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s: a node of its ring must be permitted to write",
			       pool->name);
	m = calloc(1, sizeof(*m));
	if (!m)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a node");
	m->pool = pool;
	m->alive = pool->alive;
	result = pool->backend->cleaner_join(pool, &id, &incarnation);
	if (result != ZC_OK) {
		free(m);
		return result;
	}
	zc_handlers_init(&m->handlers);
	zc_node_begin(&m->node, &pool->view, id, incarnation, 0, zc_timestamp());
	pthread_mutex_lock(&pool->lock);
	m->next = pool->rings;
	pool->rings = m;
	pthread_mutex_unlock(&pool->lock);
	*out = m;
	return ZC_OK;
}

void zc_messagering_unregister(zc_messagering_t *m)
{
	struct zc_messagering **at;

	if (!m || zc_handlers_run(&m->handlers))
		return;
	if (zc_load_relaxed(m->alive)) {
		pthread_mutex_lock(&m->pool->lock);
		for (at = &m->pool->rings; *at && *at != m; at = &(*at)->next)
			;
		if (*at)
			*at = m->next;
		pthread_mutex_unlock(&m->pool->lock);
		if (!zc_load_relaxed(&m->pool->evicted))
			m->pool->backend->cleaner_leave(m->pool, m->node.id,
							m->node.incarnation);
	}
	zc_handlers_free(&m->handlers);
	free(m);
}

uint32_t zc_messagering_id(const zc_messagering_t *m)
{
	return m ? m->node.id : ~0U;
}

uint32_t zc_messagering_nodes(const zc_messagering_t *m)
{
	u64 now = zc_timestamp();
	u32 c, there = 0;

	if (zc_messagering_usable(m) != ZC_OK)
		return 0;
	for (c = 0; c < ZC_MAX_CLEANERS; c++)
		there |= (u32)(c == m->node.id ||
			       zc_node_there(m->node.v, c, now)) << c;
	return there;
}

zc_result_t zc_messagering_handle(zc_messagering_t *m, uint32_t type,
				  zc_message_handler_t handler, void *ctx)
{
	zc_result_t result = zc_messagering_usable(m);

	if (result != ZC_OK)
		return result;
	if (type > ZC_MSG_MAX)
		return zc_fail(ZC_ERROR_INVALID,
			       "message type %u: there are %u", type, ZC_MSG_MAX);
	zc_handlers_set(&m->handlers, type, handler, ctx);
	return ZC_OK;
}

static zc_result_t zc_packet_check(u32 dst, u32 type, const void *payload,
				   size_t bytes, u32 flags)
{
	if (dst >= ZC_MAX_CLEANERS && dst != ZC_PEER_ALL)
		return zc_fail(ZC_ERROR_INVALID,
			       "0x%x is no node: there are %u", dst, ZC_MAX_CLEANERS);
	if (!type || type > ZC_MSG_MAX)
		return zc_fail(ZC_ERROR_INVALID,
			       "message type %u: they go from 1 to %u", type,
			       ZC_MSG_MAX);
	if (bytes > ZC_PACKET_BYTES || (bytes && !payload))
		return zc_fail(ZC_ERROR_INVALID,
			       "a packet carries up to %u bytes, not %zu%s",
			       ZC_PACKET_BYTES, bytes, payload ? "" : " of NULL");
	if (flags & ~ZC_MESSAGE_CRITICAL)
		return zc_fail(ZC_ERROR_INVALID, "unknown flags 0x%x", flags);
	return ZC_OK;
}

zc_result_t zc_messagering_post(zc_messagering_t *m, uint32_t dst, uint32_t type,
				const void *payload, size_t bytes, uint32_t flags)
{
	zc_result_t result = zc_messagering_usable(m);
	u64 now;

	if (result == ZC_OK)
		result = zc_packet_check(dst, type, payload, bytes, flags);
	if (result != ZC_OK)
		return result;
	if (dst == m->node.id)
		return zc_fail(ZC_ERROR_INVALID, "a node does not post to itself");
	now = zc_timestamp();
	if (dst == ZC_PEER_ALL ? zc_node_neighbour(&m->node, false, now) == m->node.id :
				 !zc_node_there(m->node.v, dst, now))
		return zc_fail(ZC_ERROR_NOT_FOUND,
			       dst == ZC_PEER_ALL ? "no other node is there" :
						    "node %u is not there", dst);
	if (!zc_messagering_send(m, dst, type, payload, bytes, flags, now))
		return zc_fail(ZC_ERROR_BUSY,
			       "the neighbour has not yet taken the last %u packets",
			       ZC_LANE_PACKETS);
	return ZC_OK;
}

zc_result_t zc_messagering_broadcast(zc_messagering_t *m, uint32_t type,
				     const void *payload, size_t bytes,
				     uint32_t flags)
{
	return zc_messagering_post(m, ZC_PEER_ALL, type, payload, bytes, flags);
}

/* Sleeps at most a slice; the node is out of nobody's ring meanwhile. */
static void zc_messagering_rest(struct zc_messagering *m, u64 now, u64 deadline)
{
	u64 due = now + ZC_RING_SLICE_NS;

	if (due > deadline)
		due = deadline;
	zc_node_alive(&m->node, now, due);
	zc_node_sleep(&m->node, &m->pool->evicted, due);
}

zc_result_t zc_messagering_on_message(zc_messagering_t *m, uint64_t timeout_ns,
				      uint32_t *handled)
{
	u64 deadline = zc_deadline(timeout_ns);
	u64 spin = zc_deadline(timeout_ns < ZC_RING_SPIN_NS ? timeout_ns :
							      ZC_RING_SPIN_NS);
	u32 spins, mine;
	u64 now;

	for (;;) {
		zc_result_t result = zc_messagering_usable(m);

		if (result != ZC_OK)
			return result;
		now = zc_timestamp();
		zc_node_alive(&m->node, now, now);
		for (spins = 0; spins < ZC_RING_SPINS; spins++) {
			if (zc_messagering_work(m, now, &mine)) {
				if (handled)
					*handled = mine;
				return ZC_OK;
			}
			zc_pause();
		}
		if (now >= deadline)
			return zc_fail(ZC_ERROR_TIMEOUT, "no packet came");
		if (now >= spin)
			zc_messagering_rest(m, now, deadline);
	}
}
