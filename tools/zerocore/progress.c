/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * progress.c - a live line on stderr.
 */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define GIB 1073741824.0
#define TERMINAL_NS 200000000ULL
#define PLAIN_NS 1000000000ULL

static int count_block(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *blocks = ctx;

	/* Free ones without an owner are nobody's. */
	if (block->state || block->owner)
		++*blocks;
	return 0;
}

static void show(struct progress *progress, uint64_t messages, uint64_t bytes,
		 double seconds, uint64_t new_messages, uint64_t new_bytes,
		 const char *state)
{
	uint64_t blocks = 0;
	char size[CLI_TEXT];

	/* ZC_ERROR_BUSY: what was seen is still a fair figure. */
	zc_inspect_blocks(progress->pool, count_block, &blocks);
	if (seconds < 1e-9)
		seconds = 1e-9;
	fprintf(stderr,
		"%s%8llu messages %12s  %9.0f messages/s  %6.2f GiB/s  %5llu blocks in use%s%s",
		progress->terminal ? "\r\033[K" : "",
		(unsigned long long)messages, cli_format_bytes(bytes, size),
		(double)new_messages / seconds,
		(double)new_bytes / GIB / seconds, (unsigned long long)blocks,
		state, progress->terminal ? "" : "\n");
	fflush(stderr);
}

void progress_start(struct progress *progress, zc_pool_t *pool, bool wanted)
{
	progress->wanted = wanted;
	progress->terminal = wanted && isatty(STDERR_FILENO);
	progress->pool = pool;
	progress->start_ns = zc_timestamp();
	progress->shown_ns = progress->start_ns;
	progress->shown_messages = 0;
	progress->shown_bytes = 0;
}

void progress_tick(struct progress *progress, uint64_t messages,
		   uint64_t bytes, bool waiting)
{
	uint64_t period = progress->terminal ? TERMINAL_NS : PLAIN_NS;
	uint64_t now;

	if (!progress->wanted)
		return;
	now = zc_timestamp();
	if (now - progress->shown_ns < period)
		return;
	show(progress, messages, bytes,
	     (double)(now - progress->shown_ns) / 1e9,
	     messages - progress->shown_messages,
	     bytes - progress->shown_bytes,
	     waiting ? "  waiting for room" : "");
	progress->shown_ns = now;
	progress->shown_messages = messages;
	progress->shown_bytes = bytes;
}

void progress_end(struct progress *progress, uint64_t messages, uint64_t bytes)
{
	if (!progress->wanted)
		return;
	show(progress, messages, bytes,
	     (double)(zc_timestamp() - progress->start_ns) / 1e9, messages,
	     bytes, "  done");
	if (progress->terminal)
		fputc('\n', stderr);
}
