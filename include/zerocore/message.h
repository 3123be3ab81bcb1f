/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * message.h - short messages between those who keep a pool in shape, and who use it.
 *
 * Data goes through blocks.  What goes here is about them: hints, votes, warnings.
 * (Reference 1.3.1 section 5, 1.4 sections 6.3 and 7.)
 */
#ifndef ZEROCORE_MESSAGE_H
#define ZEROCORE_MESSAGE_H

#include <zerocore/pool.h>
#include <zerocore/reader.h>
#include <zerocore/writer.h>

ZC_BEGIN_DECLS

/**
 * enum zc_message_type - what a message is about
 *
 * From ZC_MSG_USER to ZC_MSG_MAX they are the program's own.
 */
typedef enum zc_message_type {
	ZC_MSG_DEFAULT = 0,		/* as a handler's type: all without one */
	ZC_MSG_CLEAN_HINT = 1,		/* u64 granule, u64 granules: free there */
	ZC_MSG_MERGE_COMPLETE = 2,	/* u64 bytes that became part of a larger run */
	ZC_MSG_HEARTBEAT = 3,		/* u64 position, u64 pass_ns, u64 load in % */
	ZC_MSG_MISSING_BLOCK = 4,	/* u64 sequence, u64 age in ns: not yet read */
	ZC_MSG_MERGE_REQ = 5,		/* u64 granule: scan there next */
	ZC_MSG_SCALE_UP = 6,		/* a vote for one more cleaner */
	ZC_MSG_SCALE_DOWN = 7,		/* a vote for one less */
	ZC_MSG_REQ_TRANSPOND = 8,	/* to be passed on: see zc_writer_send_message() */
	ZC_MSG_DUTY = 9,		/* u64 term, u64 node: who leads from now on */
	ZC_MSG_OFFSET = 10,		/* u64 granule: begin there */
	ZC_MSG_STOP = 11,		/* a cleaner that the team started shall end */
	ZC_MSG_BACKPRESSURE = 12,	/* u64 zc_pressure_t, u64 used in %: now */
	ZC_MSG_USER = 64,
	ZC_MSG_MAX = 255
} zc_message_type_t;

/* Who a message is from, or for. */
#define ZC_NODE(id) ((uint32_t)(id))			/* of the MessageRing */
#define ZC_WRITER(id) (0x100U + (uint32_t)(id))		/* zc_writer_id() */
/* zc_reader_id(), and the id of its writer */
#define ZC_READER(writer, id) (0x1000U + 32U * (uint32_t)(writer) + (uint32_t)(id))
#define ZC_ALL 0xffffU					/* nodes, but for the sender */

/**
 * struct zc_message - a message as its handler sees it
 * @type: enum zc_message_type, or the program's
 * @src: who sent it first
 * @create_ns: when, zc_timestamp()
 * @bytes: of @payload
 * @payload: valid until the handler returns
 */
typedef struct zc_message {
	uint32_t type;
	uint32_t src;
	uint64_t create_ns;
	uint32_t bytes;
	const void *payload;
} zc_message_t;

/*
 * Runs in the thread that looked, which holds no lock: for a role, also within acquire or
 * poll.  It may use that role, acquire, commit, poll and release; it must not unregister
 * it (nor the node, nor stop the cleaner) nor close the pool: that is refused, as
 * zc_last_error() then says, and nothing happens.
 */
typedef void (*zc_message_handler_t)(const zc_message_t *message, void *ctx);

/* --- the MessageRing ------------------------------------------------------------ */

typedef struct zc_messagering zc_messagering_t;

/* A packet carries so much. */
#define ZC_MESSAGERING_BYTES 32U

/* Both ways round the ring: it arrives though a node on one of them is dead. */
#define ZC_MESSAGE_CRITICAL (1U << 0)

/**
 * zc_messagering_register() - become a node of the ring that a pool's cleaners form
 * @pool: the pool, which this process may write
 * @out: the node; give it to zc_messagering_unregister()
 *
 * Cleaners are nodes by themselves; this is for whoever watches, or talks to them.
 * A node passes on what is for others, in zc_messagering_on_message(): one that has
 * not called that for a quarter of a second is left out until it does.
 *
 * Context: may sleep. Threads: any. Up to 8 nodes a pool, cleaners included.
 * Return: ZC_OK; ZC_ERROR_PERMISSION: a pool that one may only read; ZC_ERROR_SLOTS;
 * ZC_ERROR_INVALID; ZC_ERROR_NO_MEMORY; ZC_ERROR_SYSTEM; ZC_ERROR_FORKED;
 * ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_messagering_register(zc_pool_t *pool,
					   zc_messagering_t **out);

/* zc_messagering_unregister() - NULL: nothing happens. zc_pool_close() does it, too. */
ZC_API void zc_messagering_unregister(zc_messagering_t *node);

/* zc_messagering_id() - for ZC_NODE(). ~0: @node is NULL. */
ZC_API uint32_t zc_messagering_id(const zc_messagering_t *node);

/* zc_messagering_nodes() - bit n: node n is there, and looks at its packets. */
ZC_API uint32_t zc_messagering_nodes(const zc_messagering_t *node);

/**
 * zc_messagering_handle() - say what happens with a type of message
 * @node: the node
 * @type: enum zc_message_type, up to ZC_MSG_MAX; ZC_MSG_DEFAULT: all without a handler
 * @handler: NULL: none; what has no handler is dropped
 * @ctx: for the handler
 *
 * Threads: the node's own. Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_FORKED;
 * ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_messagering_handle(zc_messagering_t *node, uint32_t type,
					 zc_message_handler_t handler, void *ctx);

/**
 * zc_messagering_post() - send a packet
 * @node: the sender
 * @dst: ZC_NODE(id)
 * @type: enum zc_message_type, up to ZC_MSG_MAX, not ZC_MSG_DEFAULT
 * @payload: copied; may be NULL when @bytes is 0
 * @bytes: up to ZC_MESSAGERING_BYTES
 * @flags: 0: one way, a node after the other; ZC_MESSAGE_CRITICAL: both ways, and
 *	the first to arrive counts
 *
 * It never waits.  Packets one way from one node to another arrive in order; one is
 * lost with a node that dies or stops on its way.
 *
 * Threads: the node's own. Return: ZC_OK: on its way; ZC_ERROR_NOT_FOUND: nobody is
 * there; ZC_ERROR_BUSY: the neighbour has not taken the last 16; ZC_ERROR_INVALID;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_messagering_post(zc_messagering_t *node, uint32_t dst,
				       uint32_t type, const void *payload,
				       size_t bytes, uint32_t flags);

/* zc_messagering_broadcast() - zc_messagering_post() to all but oneself. */
ZC_API zc_result_t zc_messagering_broadcast(zc_messagering_t *node, uint32_t type,
					    const void *payload, size_t bytes,
					    uint32_t flags);

/**
 * zc_messagering_on_message() - take what came, pass on what is for others
 * @node: the node
 * @timeout_ns: how long to wait for the first packet; it spins a little, then sleeps
 * @handled: NULL, or gets how many were for this node
 *
 * Threads: the node's own. Return: ZC_OK: at least one came; ZC_ERROR_TIMEOUT;
 * ZC_ERROR_INVALID; ZC_ERROR_FORKED; ZC_ERROR_EVICTED.
 */
ZC_API zc_result_t zc_messagering_on_message(zc_messagering_t *node,
					     uint64_t timeout_ns,
					     uint32_t *handled);

/* --- between writers, readers and cleaners --------------------------------------- */

/* As a destination: the cleaners, of whom the one on duty gets it. */
#define ZC_TEAM 0xfffeU

/* A message carries so much. */
#define ZC_MESSAGE_BYTES 200U

/**
 * zc_writer_send_message() - send a short message
 * @writer: the sender
 * @dst: ZC_TEAM; ZC_READER() of this writer, directly; any other ZC_READER() or
 *	ZC_WRITER() of the pool, by the cleaners, which pass it on (ZC_MSG_REQ_TRANSPOND)
 *	with the time at which it was sent
 * @type: 1 to ZC_MSG_MAX, not ZC_MSG_REQ_TRANSPOND
 * @payload: copied; may be NULL when @bytes is 0
 * @bytes: up to ZC_MESSAGE_BYTES
 *
 * Messages collect while the receiver has not read the last ones, and are handed over
 * when it has: at this role's next verb at the earliest, so call one now and then.
 * It never waits.  A message is lost with a receiver, or a cleaner, that took it and
 * died.
 *
 * Context: a system call if the receiver sleeps. Threads: the role's own.
 * Return: ZC_OK: sent, or collected; ZC_ERROR_NOT_FOUND: nobody is there, or no cleaner
 * that would take it or pass it on;
 * ZC_ERROR_BUSY: what has collected fills the buffer; ZC_ERROR_INVALID;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED; ZC_ERROR_CLOSED. (Reference 1.4, 7.2.)
 */
ZC_API zc_result_t zc_writer_send_message(zc_writer_t *writer, uint32_t dst,
					  uint32_t type, const void *payload,
					  size_t bytes);

/* zc_reader_send_message() - the same of a reader, to its writer directly. */
ZC_API zc_result_t zc_reader_send_message(zc_reader_t *reader, uint32_t dst,
					  uint32_t type, const void *payload,
					  size_t bytes);

/**
 * zc_writer_handle_message() - say what happens with a type of message
 * @writer: the receiver
 * @type: up to ZC_MSG_MAX; ZC_MSG_DEFAULT: all without a handler of their own
 * @handler: NULL: none: such messages wait for zc_writer_check_message()
 * @ctx: for the handler
 *
 * Handlers run in zc_writer_acquire_block(), when no block is in flight, and in
 * zc_writer_check_message().
 *
 * Threads: the role's own. Return: ZC_OK; ZC_ERROR_INVALID; ZC_ERROR_FORKED;
 * ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_writer_handle_message(zc_writer_t *writer, uint32_t type,
					    zc_message_handler_t handler, void *ctx);

/* zc_reader_handle_message() - the same; in zc_reader_poll_block(), when nothing is
 * held, and in zc_reader_check_message(). */
ZC_API zc_result_t zc_reader_handle_message(zc_reader_t *reader, uint32_t type,
					    zc_message_handler_t handler, void *ctx);

/**
 * struct zc_message_record - a message that no handler took, as it is handed out
 * @bytes: of the payload, which follows: zc_message_payload(); the next record is at
 *	the next multiple of 8 behind that
 */
typedef struct zc_message_record {
	uint16_t type;
	uint16_t bytes;
	uint32_t src;
	uint64_t create_ns;
} zc_message_record_t;

static inline const void *zc_message_payload(const zc_message_record_t *record)
{
	return record + 1;
}

/**
 * zc_writer_check_message() - look for messages now
 * @writer: the receiver
 * @received: NULL, or gets how many came, handlers' included
 * @unprocessed: NULL, or gets how many records are in @stream
 * @stream: NULL, or gets messages without a handler, one struct zc_message_record
 *	after the other, aligned to 8
 * @stream_bytes: room in @stream; what does not fit stays for the next call
 *
 * Up to 4 KiB of messages without a handler are kept; then they are dropped.
 *
 * Threads: the role's own. Return: ZC_OK, also when nothing came; ZC_ERROR_INVALID;
 * ZC_ERROR_FORKED; ZC_ERROR_EVICTED; ZC_ERROR_CLOSED.
 */
ZC_API zc_result_t zc_writer_check_message(zc_writer_t *writer, size_t *received,
					   size_t *unprocessed, void *stream,
					   size_t stream_bytes);

/* zc_reader_check_message() - the same of a reader. */
ZC_API zc_result_t zc_reader_check_message(zc_reader_t *reader, size_t *received,
					   size_t *unprocessed, void *stream,
					   size_t stream_bytes);

ZC_END_DECLS

#endif /* ZEROCORE_MESSAGE_H */
