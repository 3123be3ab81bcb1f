/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * seal.h - handles: places of a role's table, sealed by a key of that role.
 *
 * What a role knows is the location: tag 40 | index 20.  Each place has a tag of its
 * own, which grows each time that the place is taken; once it is given back, its location
 * is marked as ended.  So a handle ends with its commit, cancel or release.
 *
 * What a program gets is epoch 4 | location 60, the location under the key of the epoch.
 * There is no epoch 0, so that no handle is 0.  The seal hides, it does not authenticate:
 * what does is that a decoded location must be, tag and all, the one that its place has
 * just now.  Whatever a handle's bits are, what is decoded has no bit above the location
 * that a place in use could have: no other check is needed.
 */
#ifndef ZC_LIB_SEAL_H
#define ZC_LIB_SEAL_H

#include <zerocore/zora.h>

#include "core/atomic.h"

#define ZC_HANDLE_INDEX_BITS 20
#define ZC_HANDLE_INDEX_MASK ((1u << ZC_HANDLE_INDEX_BITS) - 1)
#define ZC_HANDLE_STEP (1ULL << ZC_HANDLE_INDEX_BITS)
#define ZC_HANDLE_BITS ZORA_EPOCH_SHIFT
#define ZC_HANDLE_MASK ((1ULL << ZC_HANDLE_BITS) - 1)
#define ZC_HANDLE_EPOCHS ZORA_EPOCHS
#define ZC_LOCATION_ENDED (1ULL << 63)
/* Keys that one system call brings. */
#define ZC_SEAL_SPARE 32U

/* Where a handle leads to: the beginning of each entry of a role's table. */
struct zc_place {
	u64 location;
	char *data;		/* of the block */
	u64 bytes;		/* its payload */
	u64 marked;		/* this location got its handle in @epoch */
	u32 epoch;
	u32 in_io;		/* 0: it is in no I/O */
};

/* Entries are a cache line each. */
#define ZC_PLACE_BYTES 64U

struct zc_seal {
	u64 now;		/* the key that new handles get */
	/* By epoch, with the epoch in its upper bits; that of 0 fits none. */
	uint64_t key[ZC_HANDLE_EPOCHS];
	u32 epoch;
	u32 known;		/* bit e: handles had epoch e */
	u64 first;		/* where the tags began */
	u64 spare[ZC_SEAL_SPARE];
	u32 spare_nr;
};

/* The location of a place that is taken once more. */
static inline u64 zc_location_next(u64 location)
{
	return (location + ZC_HANDLE_STEP) << 4 >> 4;
}

static inline u64 zc_location_end(u64 location)
{
	return location | ZC_LOCATION_ENDED;
}

static inline bool zc_location_in_use(u64 location)
{
	return !(location & ZC_LOCATION_ENDED);
}

static inline zc_handle_t zc_seal(const struct zc_seal *s, u64 location)
{
	return location ^ s->now;
}

static inline u64 zc_unseal(const struct zc_seal *s, zc_handle_t handle)
{
	return zora_decode(s->key, handle);
}

/* The place of @nr that a handle leads to; NULL: it is not one that is held. */
static inline struct zc_place *zc_unseal_place(const struct zc_seal *s,
					       zc_handle_t handle, void *places,
					       u32 nr)
{
	u64 location = zc_unseal(s, handle);
	u32 idx = location & ZC_HANDLE_INDEX_MASK;
	struct zc_place *p = (void *)((char *)places + (size_t)idx * ZC_PLACE_BYTES);

	return zc_likely(idx < nr && p->location == location) ? p : NULL;
}

/* A first key, and where tags begin.  ZC_ERROR_SYSTEM: there is no randomness. */
zc_result_t zc_seal_init(struct zc_seal *s);
/* The location of place @idx before it is used. */
u64 zc_location_first(const struct zc_seal *s, u32 idx);

/*
 * Another key from now on, unless there is still a handle under the one whose epoch it
 * would get.  @used: how many of the @nr places are in use.
 */
void zc_seal_rotate(struct zc_seal *s, void *places, u32 nr, u32 used);

/* What @handle is to a role with that seal and those places. */
enum zc_handle_is {
	ZC_HANDLE_UNKNOWN,	/* nothing it ever gave away */
	ZC_HANDLE_ENDED,	/* its block was committed, cancelled or released */
	ZC_HANDLE_REPLAYED,	/* the same, and the key is an earlier one */
	ZC_HANDLE_HELD,
};

enum zc_handle_is zc_handle_look(const struct zc_seal *s, zc_handle_t handle,
				 const void *places, u32 nr);

#endif /* ZC_LIB_SEAL_H */
