/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear_place.c - no memory belongs to two at a time.
 *
 * A use is a rectangle: granules, and the time from the return of the acquire to the last
 * moment at which the block certainly was in use: as a claim, or as a message, by its
 * last reader.  No two rectangles may meet.  In the order of their beginnings it is enough
 * to remember, for each granule, which of those that came by ends last.
 */
#include <stdlib.h>

#include "linear_check.h"

static int by_from(const void *a, const void *b)
{
	const struct lin_use *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

static bool alone(struct lin_use *use, size_t nr, uint32_t granules,
		  const struct lin_use **first, const struct lin_use **second)
{
	const struct lin_use **last = calloc(granules, sizeof(*last));
	bool good = last;

	qsort(use, nr, sizeof(*use), by_from);
	for (size_t i = 0; good && i < nr; i++) {
		for (uint32_t g = 0; g < use[i].granules; g++) {
			const struct lin_use **at = &last[use[i].granule + g];

			if (*at && (*at)->to > use[i].from) {
				*first = *at;
				*second = &use[i];
				good = false;
				break;
			}
			if (!*at || use[i].to > (*at)->to)
				*at = &use[i];
		}
	}
	free(last);
	return good;
}

/* All claims of one topic's writers, each until the last that certainly used it. */
size_t lin_uses_add(struct lin_check *c, struct lin_use *use)
{
	uint64_t s = 0;
	size_t nr = 0;

	for (uint32_t k = 0; k < c->lives; k++) {
		const struct lin_life *life = &c->life[k];
		const struct lin_log *log = &c->h->log[life->log];
		size_t *of = calloc(log->nr + 1, sizeof(*of));

		for (uint32_t i = life->first + 1; i < life->end; i++) {
			const struct lin_op *op = &log->op[i];
			uint32_t acquire = (uint32_t)op->tag - 1;

			if (op->kind == LIN_ACQUIRE && op->ret && op->result == ZC_OK) {
				of[i] = nr;
				use[nr++] = (struct lin_use){
					op->ret, life->to, op->granule,
					(op->bytes + c->h->granule_bytes - 1) /
						c->h->granule_bytes,
					op->tag
				};
			}
			if ((op->kind != LIN_CANCEL && op->kind != LIN_COMMIT) ||
			    acquire >= i)
				continue;
			use[of[acquire]].to = op->call;
			if (op->kind == LIN_COMMIT && s < c->nr &&
			    c->m[s + 1].commit == op)
				use[of[acquire]].to = c->m[++s].last_use;
		}
		free(of);
	}
	return nr;
}

bool lin_uses_check(struct lin_check *c, struct lin_use *use, size_t nr)
{
	const struct lin_use *a = NULL, *b = NULL;

	for (size_t i = 0; i < nr; i++)
		if (use[i].granule >= c->h->granules ||
		    use[i].granules > c->h->granules - use[i].granule)
			return lin_breaks(c, LIN_TWICE, "block %llx is outside the pool",
					  (unsigned long long)use[i].tag);
	if (alone(use, nr, c->h->granules, &a, &b))
		return true;
	if (!a)
		return lin_breaks(c, LIN_RECORD, "no memory to check with");
	return lin_breaks(c, LIN_TWICE,
			  "block %llx, granules %u + %u, from %llu, while %llx had %u + %u from %llu to %llu",
			  (unsigned long long)b->tag, b->granule, b->granules,
			  (unsigned long long)b->from, (unsigned long long)a->tag, a->granule,
			  a->granules, (unsigned long long)a->from, (unsigned long long)a->to);
}
