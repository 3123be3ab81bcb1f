/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * progress.h - a live line on stderr: messages/s, GiB/s, blocks in use.
 */
#ifndef ZEROCORE_PROGRESS_H
#define ZEROCORE_PROGRESS_H

#include "cli.h"

struct progress {
	bool wanted;
	bool terminal;		/* one line that changes; else a line a second */
	zc_pool_t *pool;
	uint64_t start_ns;
	uint64_t shown_ns;
	uint64_t shown_messages;
	uint64_t shown_bytes;
};

void progress_start(struct progress *progress, zc_pool_t *pool, bool wanted);

/* Cheap while it is not yet time for the next line. */
void progress_tick(struct progress *progress, uint64_t messages,
		   uint64_t bytes, bool waiting);

/* The last line, with the means of the whole run. */
void progress_end(struct progress *progress, uint64_t messages,
		  uint64_t bytes);

#endif /* ZEROCORE_PROGRESS_H */
