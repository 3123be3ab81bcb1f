/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * event.h - what happened to a pool: who came, left or died, what came back.
 */
#ifndef ZEROCORE_EVENT_H
#define ZEROCORE_EVENT_H

#include <zerocore/pool.h>

ZC_BEGIN_DECLS

typedef enum zc_event_type {
	ZC_EVENT_MEMBER_JOINED = 1,
	ZC_EVENT_MEMBER_LEFT = 2,
	ZC_EVENT_MEMBER_DIED = 3,	/* all that it held has come back */
	ZC_EVENT_SERVICE_ADDED = 4,
	ZC_EVENT_SERVICE_REMOVED = 5,	/* nobody used it, and its place was needed */
	ZC_EVENT_WRITER_JOINED = 6,
	ZC_EVENT_WRITER_LEFT = 7,	/* unregistered; one that died: ZC_EVENT_MEMBER_DIED alone */
	ZC_EVENT_READER_JOINED = 8,	/* has its place: zc_service_info.readers when it begins */
	ZC_EVENT_READER_LEFT = 9,	/* likewise */
	ZC_EVENT_READER_DISCONNECTED = 10,
	ZC_EVENT_MEMBER_SUSPECT = 11,	/* no sign of life for a second */
	ZC_EVENT_OVERFLOW = 12,		/* .blocks events were missed */
	ZC_EVENT_SEGMENT_ADDED = 13,
	ZC_EVENT_SEGMENT_REMOVED = 14,
	ZC_EVENT_BLOCK_CORRUPTED = 15	/* a message failed its guard, or made no sense */
} zc_event_type_t;

/**
 * struct zc_event - one event
 * @sz: sizeof(struct zc_event), set by the caller
 * @type: what
 * @time_ns: zc_timestamp() then
 * @member: index of the process in the pool; corrupted: of who wrote it, ~0: its
 *	writer is another by now
 * @pid: the process
 * @blocks: how many blocks came back (died), were missed (overflow)
 * @bytes: their memory in bytes
 * @service: "a/b/c" or ""
 * @comm: the program's name
 * @sequence: corrupted: of the message
 * @fault: corrupted: enum zc_guard_fault, what is wrong with it
 * @suspect: corrupted: "a/b/c" whose writer may have overrun it, from the block that
 *	lies before it: that one's guard fails, too, or it is not committed yet; or ""
 */
typedef struct zc_event {
	size_t sz;
	zc_event_type_t type;
	uint64_t time_ns;
	uint32_t member;
	uint32_t pid;
	uint64_t blocks;
	uint64_t bytes;
	char service[200];
	char comm[16];
	uint64_t sequence;
	uint32_t fault;
	char suspect[200];
} zc_event_t;

/**
 * zc_pool_next_event() - the next event since this process attached
 * @pool: the pool
 * @event: with .sz set
 * @timeout_ns: how long to wait
 *
 * Threads: one at a time for one pool.
 * Return: ZC_OK; ZC_ERROR_TIMEOUT; ZC_ERROR_INVALID; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_pool_next_event(zc_pool_t *pool, zc_event_t *event,
				      uint64_t timeout_ns);

/* "member died" and so on; static. */
ZC_API const char *zc_event_name(zc_event_type_t type);

ZC_END_DECLS

#endif /* ZEROCORE_EVENT_H */
