// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * peek.c - what is in blocks that nobody holds, whose memory may just be going.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend.h"
#include "core/segment.h"
#include "peek.h"

static void zc_peek_close(struct zc_peek *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->segment = 0;
}

/*
 * A pool that was removed: nobody opens the file any more to empty it, so that what has
 * memory now keeps it.  Who opened it before said so before.
 */
static bool zc_peek_stays(const struct zc_view *v, u32 segment)
{
	return zc_load_acquire(&v->hints->removing) != segment + 1 &&
	       zc_segment_state(v, segment) == ZC_SEGMENT_READY;
}

bool zc_peek_block(struct zc_peek *p, u32 segment)
{
	const struct zc_backend_ops *ops = p->pool->backend;

	p->nr = 0;
	p->failed = false;
	if (p->segment == segment + 1)
		return true;
	zc_peek_close(p);
	if (ops->data_open) {
		p->fd = ops->data_open(p->pool, segment);
		/* Who only looks has no data mapped. */
		if (p->fd < 0 &&
		    (p->fd != -ENOENT || !p->pool->data ||
		     !zc_peek_stays(&p->pool->view, segment))) {
			p->fd = -1;
			return false;
		}
		if (p->fd >= 0 && !p->copy)
			p->copy = malloc(ZC_PEEK_BYTES);
		if (p->fd >= 0 && !p->copy) {
			zc_peek_close(p);
			return false;
		}
		if (p->fd < 0)
			p->fd = -1;
	}
	p->segment = segment + 1;
	return true;
}

const char *zc_peek_at(struct zc_peek *p, u64 off, u64 nr, u64 ahead)
{
	const struct zc_view *v = &p->pool->view;
	u64 granule = (u64)(p->segment - 1) << v->segment_shift;
	ssize_t got;

	if (p->fd < 0)
		return p->pool->data + (granule << v->granule_shift) + off;
	if (off >= p->off && off - p->off < p->nr && nr <= p->nr - (off - p->off))
		return p->copy + (off - p->off);
	if (ahead > ZC_PEEK_BYTES)
		ahead = ZC_PEEK_BYTES;
	if (ahead < nr)
		ahead = nr;
	p->off = off;
	p->nr = 0;
	got = nr <= ZC_PEEK_BYTES ? pread(p->fd, p->copy, ahead, (off_t)off) : -1;
	if (got < 0 || (u64)got < nr) {
		p->failed = true;
		return NULL;
	}
	p->nr = (u64)got;
	return p->copy;
}

void zc_peek_end(struct zc_peek *p)
{
	zc_peek_close(p);
	free(p->copy);
	p->copy = NULL;
}
