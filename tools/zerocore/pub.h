/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * pub.h - one run of `zerocore pub`: what was asked for and what was done.
 */
#ifndef ZEROCORE_PUB_H
#define ZEROCORE_PUB_H

#include "cli.h"
#include "path_source.h"
#include "progress.h"

struct pub {
	/* asked for */
	const char *pool_name;
	zc_writer_options_t writer_options;
	uint64_t timeout_ns;
	uint64_t rate;		/* messages a second, 0: as fast as it goes */
	uint64_t repeat;	/* times, 0: for ever */
	uint64_t wait_readers;
	bool progress;
	bool quiet;
	bool from_stdin;
	bool end;		/* send the end marker */
	struct path_source source;

	/* at work */
	zc_pool_t *pool;
	zc_writer_t *writer;
	struct progress line;
	uint64_t due_ns;	/* --rate: when the next message may go */
	uint64_t due_rest;	/* and how many parts of @rate of a nanosecond later */

	/* done */
	uint64_t messages;
	uint64_t files;
	uint64_t bytes;		/* of files or lines, without headers */
	uint64_t skipped;
	uint64_t copies;	/* payloads that this program copied */
	uint64_t start_ns;
};

/* One message.  CLI_OK, also for a file that was skipped; else said why. */
int pub_file(struct pub *pub, const char *path);
int pub_line(struct pub *pub, const char *line, size_t bytes);
int pub_end(struct pub *pub);

#endif /* ZEROCORE_PUB_H */
