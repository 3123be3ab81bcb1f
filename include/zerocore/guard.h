/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * guard.h - corruption noticed: a trailer behind each payload.
 *
 * A writer whose service is guarded puts 16 bytes directly behind each payload when it
 * acquires the block, looks at them when it commits, and puts a mark or a checksum there
 * that says which message it ends.  Who polls the message verifies it; so do, on the
 * way, cleaners, and readers that ask for it when they release it.  A message that fails
 * is not delivered: the poll says ZC_ERROR_CORRUPT_BLOCK, the next one goes on; the hook
 * corrupted_block is called, an event names the process that wrote it.
 *
 * A writer says how its service is guarded (zc_writer_options_t.guard), else the pool
 * does (zc_pool_options_t.guard), which is not at all unless somebody chose.
 * Documentation/guard.rst says what each costs and finds.  (Reference 1.3.1 section 8.)
 */
#ifndef ZEROCORE_GUARD_H
#define ZEROCORE_GUARD_H

#include <zerocore/base.h>

ZC_BEGIN_DECLS

/* Each finds what the one above it finds, and more. */
typedef enum zc_guard {
	ZC_GUARD_DEFAULT = 0,	/* a writer: as the pool says; a pool: off */
	ZC_GUARD_OFF = 1,
	ZC_GUARD_MAGIC = 2,	/* overruns; that the trailer is this message's */
	ZC_GUARD_HEADER = 3,	/* changes of the block's record, out of band */
	ZC_GUARD_FULL = 4	/* changes of payload and type tags */
} zc_guard_t;

/* Bytes behind each payload of a guarded service; the largest message is so much less. */
#define ZC_GUARD_BYTES 16U

/* What is wrong with a block. */
typedef enum zc_guard_fault {
	ZC_FAULT_NONE = 0,
	ZC_FAULT_TRAILER = 1,	/* what is behind the payload is not its trailer */
	ZC_FAULT_RECORD = 2,	/* the record contradicts the ring or the memory */
	ZC_FAULT_CHECKSUM = 3,	/* record, payload or tags changed since the commit */
	ZC_FAULT_OVERRUN = 4	/* the writer wrote past the end, before the commit */
} zc_guard_fault_t;

/* "off", "magic", "header", "full", "default"; static. */
ZC_API const char *zc_guard_name(zc_guard_t guard);

/* "trailer", "record", "checksum", "overrun", "none"; static. */
ZC_API const char *zc_guard_fault_name(zc_guard_fault_t fault);

ZC_END_DECLS

#endif /* ZEROCORE_GUARD_H */
