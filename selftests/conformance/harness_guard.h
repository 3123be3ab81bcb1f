/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_guard.h - a guarded writer, its reader, and what is to come of a message.
 *
 * Whoever damages something is a writer: data and records are mapped writable where it is.
 */
#ifndef ZC_HARNESS_GUARD_H
#define ZC_HARNESS_GUARD_H

#include <linux/zerocore_layout.h>

#include "harness.h"

#define T_GUARD_SERVICE "guard/test/one"
#define T_GUARD_PAYLOAD 1000U

/* Of one process. */
struct t_guard {
	zc_pool_t *pool;
	struct t_writer writer;
	struct t_reader reader;
	unsigned int hooked;		/* times that the hook was called */
	uint64_t sequence;		/* of which message, last */
	uint64_t corrupt;		/* what the reader has counted */
};
extern struct t_guard t_guard;

/* A pool, its writer, and a reader that verifies at release or not; with the hook. */
void t_guard_begin(zc_guard_t guard, bool release);
void t_guard_finish(void);
void t_guard_writer(zc_guard_t guard);
void t_guard_hook(void);

/* Commits a message; where its payload lies. */
unsigned char *t_guard_send(size_t bytes);
struct zc_block_desc *t_guard_record(uint64_t sequence);

/* The next message is fine; or is not, and told of. */
void t_guard_delivered(void);
void t_guard_withheld(uint64_t sequence);
void t_guard_next(void);
/* The next event about a corrupt block. */
zc_event_t t_guard_told(void);

#endif /* ZC_HARNESS_GUARD_H */
