/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * service.h - the registry: 32 entries, each a service and its writer slot.
 */
#ifndef ZC_CORE_SERVICE_H
#define ZC_CORE_SERVICE_H

#include "view.h"

struct zc_service_name {
	char part[3][ZC_NAME_BYTES];
};

/* The service word: hash 32 | version 18 | member 11 | state 3. */
static inline u64 zc_service_word(u32 hash, u32 version, u32 member, u32 state)
{
	return (u64)hash << 32 | (u64)(version & 0x3ffff) << 14 |
	       (u64)(member & 0x7ff) << 3 | (state & 7);
}

static inline u32 zc_service_state(u64 word)
{
	return word & 7;
}

static inline u32 zc_service_member(u64 word)
{
	return word >> 3 & 0x7ff;
}

static inline u32 zc_service_version(u64 word)
{
	return word >> 14 & 0x3ffff;
}

static inline u32 zc_service_hash(u64 word)
{
	return word >> 32;
}

/* Splits and validates "a/b/c". Return: NULL or a sentence. */
const char *zc_service_parse(struct zc_service_name *name, const char *text);

/**
 * zc_service_find() - the entry of a name
 * Return: index, or -1.  *word is the entry's word, for zc_service_unchanged().
 */
int zc_service_find(const struct zc_view *v, const struct zc_service_name *name,
		    u64 *word);

/**
 * zc_service_open() - find a service or create it
 * @v: the pool
 * @name: which
 * @member: the caller's index
 * @may: a bit for each entry that it may make a service of, and take the service there
 *	away for it when nobody uses that
 * @word: gets the entry's word
 * @created: gets whether this call made it
 * @removed: gets the entry whose service had to go for it, ~0: none; also when this call
 *	made nothing after that
 *
 * Obstruction-free: nobody waits for a claimant that stopped; of two that claim
 * one name, or names of one hash, at a time, one aborts the other (model: service_registry.pml).
 * Return: index; -1: all entries of @may are in use; -2: contention, try again.
 */
int zc_service_open(const struct zc_view *v, const struct zc_service_name *name,
		    u32 member, u32 may, u64 *word, bool *created, u32 *removed);

/*
 * After a role became live in entry @idx: is it still the service @name that was
 * found there with @word?  If somebody was looking at it for reuse he is stopped.
 */
bool zc_service_unchanged(const struct zc_view *v, u32 idx,
			  const struct zc_service_name *name, u64 word);

/* By a reaper: entries that member @m, if REAPING, was about to claim. */
void zc_service_reap(const struct zc_view *v, u32 m);

#endif /* ZC_CORE_SERVICE_H */
