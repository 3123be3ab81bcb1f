// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * service.c - the registry of services.
 *
 * | move     | from         | to           | who                           |
 * |----------|--------------|--------------|-------------------------------|
 * | claim    | EMPTY        | CLAIMING     | anybody                       |
 * | abort    | CLAIMING     | ABORTED      | a rival for the same name     |
 * | clear    | ABORTED      | EMPTY        | the claimant, or its reaper   |
 * | withdraw | CLAIMING     | EMPTY        | the claimant, or its reaper   |
 * | confirm  | CLAIMING     | READY        | the claimant                  |
 * | retire   | READY        | RETIRING     | who needs an entry            |
 * | rescue   | RETIRING     | READY        | a joiner, the retirer, reaper |
 * | reuse    | RETIRING     | CLAIMING     | the retirer                   |
 *
 * Every move is a CAS and makes the version grow.  An aborted entry stays its
 * claimant's until that one clears it: it may be in the middle of writing the
 * name, and must not write it into somebody else's entry.
 */
#include "service.h"
#include "killpoint.h"
#include "reclaim.h"

/* Entries of services that nobody uses: more are left to the next call. */
#define ZC_SERVICE_LOOKS 524288U

static bool zc_service_move(u64 *entry, u64 *word, u32 hash, u32 member,
			    u32 state)
{
	u64 new = zc_service_word(hash, zc_service_version(*word) + 1, member,
				  state);
	u64 old = *word;

	/* [V1] my entry before I look at the others; pairs with itself. */
	if (!zc_cas64(entry, &old, new))
		return false;
	*word = new;
	return true;
}

static bool zc_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

const char *zc_service_parse(struct zc_service_name *name, const char *text)
{
	static const char says[] =
		"a service name has three parts of A-Z a-z 0-9 _ . - : service/instance/event";
	u32 part, i;

	if (!text)
		return "a service name is needed: service/instance/event";
	memset(name, 0, sizeof(*name));
	for (part = 0; part < 3; part++) {
		for (i = 0; zc_name_char(*text); i++, text++) {
			if (i == ZC_NAME_BYTES - 1)
				return "a part of a service name has at most 63 characters";
			name->part[part][i] = *text;
		}
		if (!i)
			return says;
		if (*text != (part < 2 ? '/' : '\0'))
			return says;
		text++;
	}
	return NULL;
}

static u32 zc_service_hash_of(const struct zc_service_name *name)
{
	u32 h = 2166136261u;
	u32 i;

	for (i = 0; i < sizeof(*name); i++)
		h = (h ^ ((const u8 *)name)[i]) * 16777619u;
	return h;
}

static bool zc_service_same(const struct zc_view *v, u32 i,
			    const struct zc_service_name *name)
{
	const u8 *stored = (const u8 *)v->writer_slots[i].name;
	const u8 *wanted = (const u8 *)name;
	u32 k;

	for (k = 0; k < sizeof(*name); k++)
		if (zc_load_relaxed(&stored[k]) != wanted[k])
			return false;
	return true;
}

int zc_service_find(const struct zc_view *v, const struct zc_service_name *name,
		    u64 *word)
{
	u32 hash = zc_service_hash_of(name);
	u32 i;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		u64 *entry = &v->writer_slots[i].service;
		u64 w = zc_load_acquire(entry);

		if (zc_service_hash(w) != hash ||
		    (zc_service_state(w) != ZC_SERVICE_READY &&
		     zc_service_state(w) != ZC_SERVICE_RETIRING) ||
		    !zc_service_same(v, i, name))
			continue;
		if (zc_load_acquire(entry) != w)
			continue;
		*word = w;
		return (int)i;
	}
	return -1;
}

/* Nobody reads what a service without roles has left: give it back. */
static void zc_service_drain(const struct zc_view *v, u32 i)
{
	u64 cursor = 0;

	zc_slot_reclaim(v, i, ZC_OWNER_ORPHAN, NULL,
			v->ring_mask + 1 + v->deferred_entries, &cursor);
}

/*
 * A free entry of those of @may becomes CLAIMING of @member.  What services have left, and
 * writers said how much that is, is not all looked at in one call: the next begins where
 * this one ended.
 */
static int zc_service_claim(const struct zc_view *v, u32 hash, u32 member,
			    u32 may, u64 *word, u32 *removed)
{
	u32 i, k, from = zc_load_relaxed(&v->hints->retire_from);
	u64 looks = 0, more;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		u64 *entry = &v->writer_slots[i].service;
		u64 w = zc_load_acquire(entry);

		if (may >> i & 1 && zc_service_state(w) == ZC_SERVICE_EMPTY &&
		    zc_service_move(entry, &w, hash, member,
				    ZC_SERVICE_CLAIMING)) {
			*word = w;
			return (int)i;
		}
	}
	/* None: one that nobody uses and that holds nothing changes its name. */
	for (k = 0; k < ZC_MAX_WRITERS; k++) {
		struct zc_writer_slot *slot;
		u32 r, used = 0, old;
		u64 w;

		i = (from + k) % ZC_MAX_WRITERS;
		slot = &v->writer_slots[i];
		w = zc_load_acquire(&slot->service);
		old = zc_service_hash(w);
		if (!(may >> i & 1) || zc_service_state(w) != ZC_SERVICE_READY ||
		    zc_life_state(zc_load_acquire(&slot->life)) != ZC_LIFE_IDLE)
			continue;
		more = zc_slot_looks(v, i);
		if (looks && looks + more > ZC_SERVICE_LOOKS) {
			zc_store_relaxed(&v->hints->retire_from, i);
			return -1;
		}
		looks += more;
		if (!zc_service_move(&slot->service, &w, old, member,
				     ZC_SERVICE_RETIRING))
			continue;
		/*
		 * [V3] RETIRING before the lives; pairs with [V3] in
		 * zc_service_unchanged().
		 */
		zc_fence_after_cas();
		ZC_KILLPOINT(service_retiring);
		for (r = 0; r < ZC_MAX_READERS_PER; r++)
			used |= zc_life_state(zc_load_acquire(&zc_reader_slot(v, i, r)->life)) !=
				ZC_LIFE_IDLE;
		if (!used)
			zc_service_drain(v, i);
		if (!used &&
		    zc_life_state(zc_load_acquire(&slot->life)) == ZC_LIFE_IDLE &&
		    zc_slot_empty(v, i) &&
		    zc_service_move(&slot->service, &w, hash, member,
				    ZC_SERVICE_CLAIMING)) {
			*word = w;
			*removed = i;
			return (int)i;
		}
		zc_service_move(&slot->service, &w, old, 0, ZC_SERVICE_READY);
	}
	return -1;
}

int zc_service_open(const struct zc_view *v, const struct zc_service_name *name,
		    u32 member, u32 may, u64 *word, bool *created, u32 *removed)
{
	u32 hash = zc_service_hash_of(name);
	int found = zc_service_find(v, name, word);
	struct zc_writer_slot *slot;
	u64 *mine, w;
	int me;
	u32 i;

	*created = false;
	*removed = ~0U;
	if (found >= 0)
		return found;
	me = zc_service_claim(v, hash, member, may, &w, removed);
	if (me < 0)
		return -1;
	ZC_KILLPOINT(service_claimed);
	slot = &v->writer_slots[me];
	mine = &slot->service;
	for (i = 0; i < sizeof(*name); i++)
		zc_store_relaxed(&((u8 *)slot->name)[i],
				 ((const u8 *)name)[i]);
	zc_store_relaxed(&slot->on_slow, 0);
	zc_store_relaxed(&slot->flags, 0);
	zc_store_relaxed(&slot->history, 0);
	zc_store_relaxed(&slot->lag_limit, 0);
	zc_store_relaxed(&slot->quota_bytes, 0);
	ZC_KILLPOINT(service_named);
	zc_fence_full();	/* [V1] */
	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		u64 *other = &v->writer_slots[i].service;
		u64 o = zc_load_acquire(other);

		if (i == (u32)me || zc_service_hash(o) != hash)
			continue;
		/* By its hash: its name may not be there yet. */
		if (zc_service_state(o) == ZC_SERVICE_CLAIMING) {
			u64 was = o;

			if (zc_service_move(other, &was, hash,
					    zc_service_member(o),
					    ZC_SERVICE_ABORTED))
				continue;
			o = zc_load_acquire(other);
		}
		/*
		 * Another name of the same hash is another service.  If the entry gets mine
		 * after this look, its claimant comes behind me, and sees my claim [V1].
		 */
		if (zc_service_hash(o) == hash &&
		    (zc_service_state(o) == ZC_SERVICE_READY ||
		     zc_service_state(o) == ZC_SERVICE_RETIRING) &&
		    zc_service_same(v, i, name)) {
			/* Somebody has the name: withdraw. */
			if (!zc_service_move(mine, &w, 0, 0, ZC_SERVICE_EMPTY))
				goto aborted;
			found = zc_service_find(v, name, word);
			return found >= 0 ? found : -2;
		}
	}
	/* [V2] the name before READY; pairs with the acquire of whoever compares it. */
	if (!zc_service_move(mine, &w, hash, 0, ZC_SERVICE_READY))
		goto aborted;
	ZC_KILLPOINT(service_ready);
	*word = w;
	*created = true;
	return me;

aborted:
	w = zc_load_acquire(mine);
	if (zc_service_state(w) == ZC_SERVICE_ABORTED &&
	    zc_service_member(w) == member)
		zc_service_move(mine, &w, 0, 0, ZC_SERVICE_EMPTY);
	found = zc_service_find(v, name, word);
	return found >= 0 ? found : -2;
}

bool zc_service_unchanged(const struct zc_view *v, u32 idx,
			  const struct zc_service_name *name, u64 word)
{
	u64 *entry = &v->writer_slots[idx].service;
	u32 hash = zc_service_hash(word);
	u32 i;

	/* [V3] my role's life before the word; pairs with the retirer's. */
	zc_fence_full();
	for (i = 0; i < 16; i++) {
		u64 w = zc_load_acquire(entry);

		/* It may have got another name of the same hash meanwhile. */
		if (zc_service_hash(w) != hash || !zc_service_same(v, idx, name))
			return false;
		if (zc_service_state(w) == ZC_SERVICE_READY)
			return true;
		if (zc_service_state(w) != ZC_SERVICE_RETIRING)
			return false;
		zc_service_move(entry, &w, hash, 0, ZC_SERVICE_READY);
	}
	return false;
}

#define ZC_SERVICE_TRIES 64U

/* False: somebody moved the word meanwhile, and it may still be @m's. */
static bool zc_service_reap_one(const struct zc_view *v, u64 *entry, u32 m)
{
	u64 w = zc_load_acquire(entry);

	/* The word was loaded; now: is that member still the dead one? */
	if (zc_service_member(w) != m ||
	    zc_life_state(zc_load_acquire(&v->members[m].life)) != ZC_LIFE_REAPING)
		return true;
	switch (zc_service_state(w)) {
	case ZC_SERVICE_CLAIMING:
	case ZC_SERVICE_ABORTED:
		return zc_service_move(entry, &w, 0, 0, ZC_SERVICE_EMPTY);
	case ZC_SERVICE_RETIRING:
		return zc_service_move(entry, &w, zc_service_hash(w), 0,
				       ZC_SERVICE_READY);
	default:
		return true;
	}
}

void zc_service_reap(const struct zc_view *v, u32 m)
{
	u32 i, tries;

	/* A word that others moved is looked at again; each of them goes on with his. */
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		for (tries = ZC_SERVICE_TRIES; tries; tries--)
			if (zc_service_reap_one(v, &v->writer_slots[i].service, m))
				break;
}
