/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * hooks.h - to be called when something happens, instead of asking.
 *
 * (Reference 1.3.1 section 8, 1.4 section 6.2.)
 */
#ifndef ZEROCORE_HOOKS_H
#define ZEROCORE_HOOKS_H

#include <zerocore/event.h>
#include <zerocore/pool.h>

ZC_BEGIN_DECLS

/* How scarce memory is, unless a program says what a level is: see strategy.h. */
typedef enum zc_pressure {
	ZC_PRESSURE_NONE = 0,
	ZC_PRESSURE_LOW = 1,		/* less than a quarter is free */
	ZC_PRESSURE_HIGH = 2,		/* less than an eighth */
	ZC_PRESSURE_CRITICAL = 3	/* less than 1/32, or a writer waits for memory */
} zc_pressure_t;

/**
 * struct zc_hooks - what a program wants to be called for
 * @sz: sizeof(struct zc_hooks): set by ZC_HOOKS_INIT
 * @ctx: for all of them
 * @corrupted_block: a message failed validation: in the thread that found it, which
 *	polled, released or committed it, or is a cleaner of this process; perhaps more
 *	than once for one message
 * @missing_block: a reader of this process has left a message unread for long
 *	(zc_cleaner_options_t.unread_ns), says the cleaner on duty: in the reader's thread
 * @backpressure: another level than before; @used_percent of the data memory is in use
 * @member_died: all that it held has come back; @event as zc_pool_next_event() gives it
 * @pool_resized: it has grown or shrunk: @bytes of data memory now
 *
 * NULL: none. The last three run in a thread of the library, of which a pool has one in
 * a process, or in a thread that is in zc_pool_next_event(); backpressure is looked at
 * ten times a second. No lock is held, and the first two may use the role that called
 * them, as a handler may. A hook must not close the pool, unregister that role, nor stop a
 * cleaner of the pool in a cleaner's thread: this is refused where it is noticed
 * (ZC_ERROR_BUSY in zc_last_error()'s words, and nothing happens). Other pools: see
 * zc_pool_close(). While one runs in the library's thread deaths of others are not seen: be
 * short.
 */
typedef struct zc_hooks {
	size_t sz;
	void *ctx;
	void (*corrupted_block)(zc_pool_t *pool, const char *service,
				uint64_t sequence, void *ctx);
	void (*missing_block)(zc_pool_t *pool, const char *service,
			      uint64_t sequence, uint64_t age_ns, void *ctx);
	void (*backpressure)(zc_pool_t *pool, zc_pressure_t level,
			     uint32_t used_percent, void *ctx);
	void (*member_died)(zc_pool_t *pool, const zc_event_t *event, void *ctx);
	void (*pool_resized)(zc_pool_t *pool, uint64_t bytes, void *ctx);
} zc_hooks_t;

#define ZC_HOOKS_INIT { sizeof(zc_hooks_t), NULL, NULL, NULL, NULL, NULL, NULL }

/**
 * zc_set_hooks() - be called when something happens
 * @pool: the pool
 * @hooks: copied; NULL: none any more, though one may still be running
 *
 * What happens from now on is told.
 *
 * Threads: any. Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_PERMISSION: a pool that was
 * opened to look only; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_set_hooks(zc_pool_t *pool, const zc_hooks_t *hooks);

ZC_END_DECLS

#endif /* ZEROCORE_HOOKS_H */
