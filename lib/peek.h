/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peek.h - what is in blocks that nobody holds, whose memory may just be going.
 *
 * A load from memory that went brings it back, or, where there is none left, kills the
 * process (SIGBUS).  So on plain shared memory it is copied out of the data file: a hole
 * is zeros there and stays a hole.  /dev/zerocore keeps what somebody might touch.
 */
#ifndef ZC_LIB_PEEK_H
#define ZC_LIB_PEEK_H

#include "internal.h"

/* Of one thread, and short: others may remove the file. */
struct zc_peek {
	const struct zc_pool *pool;
	u32 segment;		/* + 1; 0: none is open */
	int fd;			/* -1: its memory stays, and is looked at itself */
	u64 off;		/* in the segment, of what was copied */
	u64 nr;
	char *copy;
	bool failed;		/* something could not be read: what was found is nothing */
};

/* Copied at a time, and the most that zc_peek_at() gives. */
#define ZC_PEEK_BYTES (32U << 10)

static inline struct zc_peek zc_peek_begin(const struct zc_pool *pool)
{
	return (struct zc_peek){ .pool = pool, .fd = -1 };
}

/* Another block, in that segment; false: it cannot be looked at. */
bool zc_peek_block(struct zc_peek *p, u32 segment);
/* @nr bytes at @off in the segment, and up to @ahead with them; NULL: @p->failed. */
const char *zc_peek_at(struct zc_peek *p, u64 off, u64 nr, u64 ahead);
void zc_peek_end(struct zc_peek *p);

#endif /* ZC_LIB_PEEK_H */
