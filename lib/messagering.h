/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * messagering.h - a node with its handlers.
 */
#ifndef ZC_LIB_MESSAGERING_H
#define ZC_LIB_MESSAGERING_H

#include "internal.h"
#include "node.h"

struct zc_handlers {
	struct zc_handler {
		zc_message_handler_t fn;
		void *ctx;
	} by[ZC_MSG_MAX + 1];
	pthread_mutex_t lock;	/* not held while a handler runs */
	uintptr_t caller;	/* thread that is in one: not the one to end whose it is */
};

void zc_handlers_init(struct zc_handlers *h);
void zc_handlers_free(struct zc_handlers *h);
void zc_handlers_set(struct zc_handlers *h, u32 type, zc_message_handler_t fn,
		     void *ctx);
/* The program's functions run between these. */
static inline uintptr_t zc_handlers_enter(struct zc_handlers *h)
{
	uintptr_t before = zc_load_relaxed(&h->caller);

	zc_store_relaxed(&h->caller, zc_thread_self());
	return before;
}

static inline void zc_handlers_leave(struct zc_handlers *h, uintptr_t before)
{
	zc_store_relaxed(&h->caller, before);
}

/* Is this thread in one of them? */
static inline bool zc_handlers_in(const struct zc_handlers *h)
{
	return zc_load_relaxed(&h->caller) == zc_thread_self();
}

/* Then with a sentence: whose they are is still needed when they return. */
bool zc_handlers_run(const struct zc_handlers *h);
/* The handler of that type, or the default, is called; false: there is none. */
bool zc_handlers_call(struct zc_handlers *h, const zc_message_t *m);

struct zc_messagering {
	struct zc_node node;
	struct zc_handlers handlers;
	const u32 *alive;		/* zc_not_forked */
	struct zc_pool *pool;
	struct zc_messagering *next;	/* in pool->rings */
};

/* Takes up to 64 packets; how many, and how many of them were for this node. */
u32 zc_messagering_work(struct zc_messagering *m, u64 now_ns, u32 *mine);
/* One of this node's: see zc_messagering_post(). */
bool zc_messagering_send(struct zc_messagering *m, u32 dst, u32 type,
			 const void *payload, size_t bytes, u32 flags,
			 u64 now_ns);

#endif /* ZC_LIB_MESSAGERING_H */
