// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * seal.c - keys of handles, and what is wrong with a handle.
 */
#include <string.h>
#include <sys/random.h>

#include "internal.h"
#include "seal.h"

static bool zc_seal_draw(struct zc_seal *s)
{
	ssize_t got = getrandom(s->spare, sizeof(s->spare), 0);

	s->spare_nr = got > 0 ? (u32)((size_t)got / sizeof(s->spare[0])) : 0;
	return s->spare_nr;
}

static u64 zc_seal_take(struct zc_seal *s)
{
	u64 key = s->spare[--s->spare_nr];

	s->spare[s->spare_nr] = 0;
	return key;
}

static void zc_seal_key(struct zc_seal *s, u32 epoch)
{
	u64 key = (u64)epoch << ZC_HANDLE_BITS | (zc_seal_take(s) & ZC_HANDLE_MASK);

	/* Whoever looks what is wrong with a handle may be another thread. */
	zc_store_relaxed(&s->key[epoch], key);
}

static void zc_seal_enter(struct zc_seal *s, u32 epoch)
{
	zc_store_relaxed(&s->epoch, epoch);
	zc_store_relaxed(&s->known, s->known | 1u << epoch);
	s->now = s->key[epoch];
}

zc_result_t zc_seal_init(struct zc_seal *s)
{
	u32 i;

	memset(s, 0, sizeof(*s));
	if (!zc_seal_draw(s) || s->spare_nr <= ZC_HANDLE_EPOCHS)
		return zc_fail_errno("cannot get random bytes for the keys of handles");
	s->first = zc_seal_take(s);
	for (i = 1; i < ZC_HANDLE_EPOCHS; i++)
		zc_seal_key(s, i);
	s->key[0] = ZC_HANDLE_MASK + 1;
	zc_seal_enter(s, 1);
	return ZC_OK;
}

u64 zc_location_first(const struct zc_seal *s, u32 idx)
{
	u64 tag = s->first + idx * 0x9e3779b97f4a7c15ULL;

	return zc_location_end(((tag << ZC_HANDLE_INDEX_BITS) | idx) & ZC_HANDLE_MASK);
}

static struct zc_place *zc_place_at(void *places, u32 idx)
{
	return (void *)((char *)places + (size_t)idx * ZC_PLACE_BYTES);
}

/*
 * Which epochs have handles, and which handle has which: those that are not marked got
 * theirs since the last time.  No handle that is made costs anything for it.
 */
static u32 zc_seal_live(const struct zc_seal *s, void *places, u32 nr, u32 used)
{
	u32 i, live = 1u << s->epoch;

	for (i = 0; i < nr && used; i++) {
		struct zc_place *p = zc_place_at(places, i);

		if (!zc_location_in_use(p->location))
			continue;
		used--;
		if (p->marked != p->location) {
			p->marked = p->location;
			p->epoch = s->epoch;
		}
		live |= 1u << p->epoch;
	}
	return live;
}

void zc_seal_rotate(struct zc_seal *s, void *places, u32 nr, u32 used)
{
	u32 next = s->epoch % (ZC_HANDLE_EPOCHS - 1) + 1;

	if (zc_seal_live(s, places, nr, used) & 1u << next)
		return;
	if (!s->spare_nr && !zc_seal_draw(s))
		return;
	zc_seal_key(s, next);
	zc_seal_enter(s, next);
}

enum zc_handle_is zc_handle_look(const struct zc_seal *s, zc_handle_t handle,
				 const void *places, u32 nr)
{
	u32 epoch = handle >> ZC_HANDLE_BITS;
	u64 location = handle ^ zc_load_relaxed(&s->key[epoch]), now, first;
	u32 idx = location & ZC_HANDLE_INDEX_MASK;

	if (!(zc_load_relaxed(&s->known) & 1u << epoch) || idx >= nr)
		return ZC_HANDLE_UNKNOWN;
	now = zc_load_relaxed(&((const struct zc_place *)((const char *)places +
				(size_t)idx * ZC_PLACE_BYTES))->location);
	if (location == now)
		return ZC_HANDLE_HELD;
	/* Since it was there the place has had all tags from the first to this. */
	first = zc_location_first(s, idx);
	if (location == (first & ZC_HANDLE_MASK) ||
	    ((location - first) & ZC_HANDLE_MASK) > ((now - first) & ZC_HANDLE_MASK))
		return ZC_HANDLE_UNKNOWN;
	return epoch == zc_load_relaxed(&s->epoch) ? ZC_HANDLE_ENDED :
						     ZC_HANDLE_REPLAYED;
}
