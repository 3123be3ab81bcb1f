/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * outlive.h - one side of a channel is killed with -9, over and over; how soon does
 * the other side go on?
 *
 * Of every peer alike, by its verbs.  A reader is killed when it has stopped
 * reading and the writer, which loses nothing, waits for it: how long until a
 * message is sent again?  A writer is killed in the middle of a stream, and a
 * process that stood by attaches in its place: how long until the reader, which
 * stays, gets its first message?
 */
#ifndef ZEROCORE_BENCH_OUTLIVE_H
#define ZEROCORE_BENCH_OUTLIVE_H

#include "study.h"

#define OUTLIVE_UNIT_NS 1000.0	/* of a sample: more than an hour fits */

struct outlive {
	const struct compare *compare;
	const struct peer *peer;
	bool writer;		/* is who is killed */
	uint32_t kills;
	uint64_t pool_bytes;
	uint64_t limit_ns;	/* who has not gone on by then never will */

	uint32_t *samples;	/* of those kills after which it went on */
	uint32_t samples_nr;
	uint32_t never;
	uint32_t restarts;	/* of the peer's daemon, and of all that used it */
	uint64_t checked, wrong;
	uint64_t lost;		/* that a new writer sent, and the old reader missed */
	char first_never[256];	/* what was seen */
};

/* Returns false, with a sentence on stderr, when it could not be measured. */
bool outlive_measure(struct outlive *o);

#endif /* ZEROCORE_BENCH_OUTLIVE_H */
