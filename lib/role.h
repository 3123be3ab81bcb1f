/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * role.h - writers and readers as their own process knows them.
 */
#ifndef ZC_LIB_ROLE_H
#define ZC_LIB_ROLE_H

#include "internal.h"
#include "core/reclaim.h"
#include "core/ring.h"
#include "core/service.h"
#include "seal.h"

/* Kept out of the functions that run for each message: their frames stay small. */
#define ZC_SLOW __attribute__((noinline, cold))

/* A block that the writer has claimed and not yet committed. */
struct zc_claim {
	struct zc_place place;	/* first of all; payload as it will be committed */
	u64 word;		/* of the descriptor, FREE and mine */
	u64 size;		/* payload asked for */
	u32 granule;
	u32 described;		/* bytes that have type tags (a line each, by a shift) */
};

/*
 * A published message as its writer remembers it: no need to believe the ring.
 * Taken back, its block waits here to be used again.
 */
struct zc_sent {
	u64 word;	/* at and above tail USING, below FREE and mine; 0: gone */
	u32 granule;
};

/* Blocks kept for reuse, by size class, each a first-in first-out ring. */
struct zc_kept {
	u64 word;
	u32 granule;
};

#define ZC_BINS 192
struct zc_bin {
	struct zc_kept *kept;
	u32 first;
	u32 nr;
	u32 cap;		/* a power of two */
};

/*
 * A stripe as the writer last saw all of it: @hint is the least that it had free since,
 * and as long as it has no more, no run there is longer than @longest.
 */
struct zc_stripe_seen {
	u32 stripe;	/* + 1 */
	u32 hint;
	u32 longest;
};

#define ZC_SEEN 1024U

struct zc_writer {
	/* What acquire and commit look at comes first. */
	const u32 *alive;	/* zc_not_forked */
	u32 closed;
	u32 id;
	u64 head;		/* next sequence */
	u64 room;		/* ring: head and what is in flight stay below */
	u64 credit;		/* readers: the head stays below */
	struct zc_ring_entry *ring;
	struct zc_block_desc *descs;
	struct zc_writer_area *area;
	struct zc_writer_slot *slot;
	struct zc_claim *claims;
	u32 *free_claims;	/* stack */
	u32 free_claims_nr;
	u32 claims_nr;
	char *data;
	struct zc_pool *pool;
	u64 keep_pos;		/* first that is taken back and not used again */
	u64 tail;
	struct zc_sent *sent;	/* by ring slot: keep_pos <= tail <= head */
	u64 stat_bytes;		/* the background thread publishes it */
	u64 tickets_mask;
	u32 tickets_nr;
	u32 ring_mask;
	u32 granule_shift;
	bool timestamps;
	bool framed;		/* a commit has more to do: time, guard */
	bool guarded;		/* the guard: its own, or a predecessor's flags */
	bool marked;		/* nothing but the guard's mark */
	bool fence_commits;	/* a full fence a commit: somebody slept just now */
	bool membarrier;	/* there is one: in the end it may go without */
	u32 quiet;		/* looks on end at which nobody slept */
	u64 max_bytes;
	u64 fast_bytes;		/* the same for the fastest path; 0: something stands behind */
	const u32 *bell;	/* of messages to this role */
	u32 bell_seen;
	struct zc_role_mail *mail;
	struct zc_seal seal;
	u64 zora;		/* its id when it is bound to a thread */
	u32 behind;		/* bytes that are kept behind each payload: trailer, tags */
	u32 guard;		/* enum zc_guard_mode */
	u32 guard_bytes;	/* behind each payload */
	u32 guard_still;	/* of what stays in its records: see crc.h */
	u64 guard_plain;	/* flags of what has a trailer and no tags */
	u64 guard_none;		/* ~0: nothing has, or no instruction sums it; else 0 */
	struct zc_own_tags {
		u8 *bytes;	/* what each message gets */
		u64 type;	/* fingerprint, 0: messages have none by themselves */
		u32 nr;		/* of bytes */
		u32 least;	/* bytes of a message: of that type */
		u32 room;	/* for tags */
		u32 behind;	/* bytes that are kept behind each payload */
		bool on;	/* has room, or a predecessor had */
	} tags;
	u64 kept_granules;

	/* Readers as of tickets_mask. */
	struct zc_sleeper {
		struct zc_reader_area *area;
		u64 burnt;	/* last ticket that was woken */
		u64 feed_burnt;
		u32 wake_bit;	/* the one of the pool's wake_word that is its own */
		__u16 misses;	/* wakes on end that did not find it */
		u8 skip;
		u8 reader;	/* its bit of who sleeps on the head */
	} tickets[ZC_MAX_READERS_PER];

	u64 look_limit;		/* what the last look at the readers allows */
	bool look_held;
	struct zc_holds look_holds;
	u64 used_granules;	/* claimed, published, deferred, kept */
	u64 footprint_granules;	/* 0: by block size */
	struct zc_strategies strategies;	/* a copy */
	u32 footprint_for;	/* last block size asked about, */
	u64 footprint_now;	/* and its answer */
	u64 quota_granules;
	u64 lag_limit;
	u64 history;
	u32 on_slow;
	u32 last_not_for;	/* commits until it looks for the last large block again */
	bool ahead;		/* it has more than it goes round in: readers were behind */
	bool ahead_drop;	/* of what comes back then every other batch is not kept */
	u32 written_not_for;	/* acquires until it asks again whether all is written */
	u64 written_at;		/* when it last did, or had waited, 0: never; */
	u64 written_head;	/* head, */
	u64 written_bytes;	/* and stat_bytes then */
	u64 slowest_at;		/* place of the slowest reader at the last look, or ~0 */
	u64 stopped_at;		/* the same when it had been waited for long enough */
	struct zc_floor fenced[ZC_MAX_READERS_PER];	/* decisions, fenced */
	u64 unfenced_since;	/* when the last floor was raised, or reader cut off */
	u32 cached;		/* run of mine to split from, granule + 1 */
	u32 rotor;		/* stripe where the next search begins */
	u32 recount;		/* stripe whose hint is looked after next */
	struct zc_walk deep;	/* bounded walk when nothing else helped */
	u64 idle_cursor[ZC_MAX_WRITERS];
	u32 drained;		/* hints->draining when it last looked */
	u32 deferred_used;
	u32 deferred_next;
	u32 deferred_free;	/* where the search for a free entry begins */
	u32 blocked_by;		/* slowest reader at the last look, or ~0 */

	u64 fresh;		/* small blocks not yet shuffled, times two */
	u32 random;
	u64 first;		/* head when it registered */
	u64 stat_cancelled;
	u64 stat_dropped;
	u64 stat_disconnected;
	u64 stat_timeouts;
	u64 stat_wakes;

	/* What is large and seldom looked at comes last: the rest is in one page. */
	struct zc_bin bins[ZC_BINS];
	struct zc_stripe_seen seen[ZC_SEEN];	/* by the stripe's low bits */

	u32 incarnation;
	struct zc_writer *next;	/* in pool->writers */
};

/* A message that the reader holds. */
struct zc_held {
	struct zc_place place;	/* first of all */
	u64 *hold;		/* the shared word */
	u64 sequence;
	u64 word;		/* as it was committed, where it is guarded; a line each */
};

#define ZC_GUESSES 1024U	/* a power of two */

/* Which block comes after which: see ahead.h.  Blocks are named by their first granules. */
struct zc_guess {
	const char *begin;	/* what to ask for; NULL: nothing, the last guess was wrong */
	const char *end;
	u64 seen;		/* all messages below it are known */
	u32 empty;		/* polls that found nothing, up to ZC_AT_HEELS */
	u32 next;		/* the block that comes next, it seems */
	u32 last;
	u32 step;		/* from the one before to the last one */
	u32 after[ZC_GUESSES];
};

struct zc_reader {
	/* A line of all that a wait for several looks at: who wakes up finds it cold. */
	struct zc_pool *pool;
	u32 closed;
	u32 fencing;		/* a full fence each poll */
	u64 cursor;
	struct zc_writer_area *writer_area;
	struct zc_floor *floor;
	struct zc_reader_area *area;
	u64 ticket;		/* what the region says */
	u32 wake_bits;
	u32 incarnation;

	const u32 *alive;
	u64 slow_below;		/* sequences that nobody keeps for me, or that are guarded */
	struct zc_ring_entry *ring;
	struct zc_held *held;
	u32 *free_held;		/* stack */
	u32 free_held_nr;
	u32 held_nr;
	const char *data;
	u32 bell_seen;
	u32 streak;		/* messages that it found since there was none; see ahead.h */

	const u32 *bell;	/* of messages to this role */
	u64 granules;		/* mapped */
	u64 segment_mask;	/* granules of a segment - 1 */
	u32 ring_mask;
	u32 granule_shift;
	u32 guard;		/* enum zc_guard_mode of what comes from @guard_since on */
	bool guard_release;	/* verify once more when it is let go */
	u64 hazard_below;	/* sequences below it nobody keeps for me */
	struct zc_role_mail *mail;
	u64 spin_ns;
	struct zc_seal seal;
	u64 zora;		/* its id when it is bound to a thread */
	u64 guard_since;
	u64 guard_stays[2];	/* what stays in the records */
	u64 guard_none;		/* ~0: there are none, or no instruction sums them; else 0 */
	u64 guard_word;		/* owner and state of what this reader may read */
	u32 guard_still;	/* checksum of what stays: see crc.h */
	u32 writer;		/* slot */
	u32 id;
	u32 overflow_high;
	u64 begin;		/* cursor when it registered */
	u64 lost;
	u64 corrupt;
	u64 changed;		/* corrupt when they were let go */
	u64 sleeps;
	struct zc_event_fd *event;	/* NULL: none */
	pthread_t fd_thread;
	u32 fd_stop;
	struct zc_reader *next;	/* in pool->readers */
	struct zc_guess guess;
};

_Static_assert(offsetof(struct zc_reader, alive) == ZC_CACHE_LINE, "a wait takes one line");

/* Blocks acquired and not yet committed. */
static inline u32 zc_inflight(const struct zc_writer *w)
{
	return w->claims_nr - w->free_claims_nr;
}

static inline bool zc_has_credit(const struct zc_writer *w)
{
	return w->head + zc_inflight(w) < w->room && w->head < w->credit;
}

static inline bool zc_role_usable(const u32 *alive, const u32 *closed)
{
	return zc_likely(*alive && !zc_load_relaxed(closed));
}

/* What is wrong with a handle of a role with these places: one sentence for each kind. */
zc_result_t zc_handle_fail(struct zc_pool *pool, const struct zc_seal *seal,
			   zc_handle_t handle, const void *places, u32 nr);
/* Frees what was unregistered, later; its .closed is set, its .pool NULL. */
void zc_role_end(void *role);
/* Why a role is not usable: FORKED, EVICTED or CLOSED, with a sentence. */
zc_result_t zc_role_fail(struct zc_pool *pool, const u32 *alive);

/* A caller's growable options: unknown fields must be zero. */
zc_result_t zc_options_copy(void *to, size_t size, const void *from, size_t sz,
			    const char *what);
/* zc_copy_out() to a caller who set @sz, with a sentence. */
zc_result_t zc_info_copy(void *to, size_t sz, const void *from, size_t size);
/* --- writer_pool.c: memory ---------------------------------------------- */

/* Up to here a block has just the granules that it needs. */
#define ZC_EXACT_GRANULES 16U

/* Is a block of @n granules a page or more: written in a row, prefetched far? */
static inline bool zc_is_paged(const struct zc_writer *w, u32 n)
{
	return (u64)n << w->granule_shift >= 4096;
}

/* Granules for @bytes, rounded up to a size class; its bin. */
u32 zc_size_class_large(const struct zc_view *v, u32 n, u32 *bin);

static inline u32 zc_size_class(const struct zc_writer *w, u64 bytes, u32 *bin)
{
	u32 n = (u32)((bytes + (1ULL << w->granule_shift) - 1) >>
		      w->granule_shift);

	if (zc_likely(n <= ZC_EXACT_GRANULES)) {
		*bin = n - 1;
		return n;
	}
	return zc_size_class_large(&w->pool->view, n, bin);
}

static inline bool zc_kept_pop(struct zc_writer *w, u32 bin, u32 granules,
			       struct zc_claim *c)
{
	struct zc_bin *b = &w->bins[bin];
	struct zc_kept *k;

	if (zc_unlikely(!b->nr))
		return false;
	k = &b->kept[b->first++ & (b->cap - 1)];
	b->nr--;
	c->word = k->word;
	c->granule = k->granule;
	w->kept_granules -= granules;
	return true;
}

/* Makes room for one more; false: no memory. */
bool zc_bin_grow(struct zc_bin *b);

/* Keeps an owned FREE block for reuse; false: give it back instead. */
static inline bool zc_kept_push(struct zc_writer *w, u32 granule, u64 word)
{
	u32 n = zc_word_length(word);
	u32 bin = n - 1;
	struct zc_bin *b;
	struct zc_kept *k;

	if (zc_unlikely(n > ZC_EXACT_GRANULES) &&
	    zc_size_class_large(&w->pool->view, n, &bin) != n)
		return false;
	b = &w->bins[bin];
	if (zc_unlikely(b->nr == b->cap) && !zc_bin_grow(b))
		return false;
	k = &b->kept[(b->first + b->nr++) & (b->cap - 1)];
	k->word = word;
	k->granule = granule;
	w->kept_granules += n;
	return true;
}

/* What the quota is charged with; numbers from shared memory may be wrong. */
static inline void zc_discharge(struct zc_writer *w, u64 granules)
{
	w->used_granules -= granules < w->used_granules ? granules :
							  w->used_granules;
}

void zc_kept_flush(struct zc_writer *w);
/* Blocks that wait in ring slots go to their bins, or back to everybody. */
void zc_kept_spill(struct zc_writer *w);
bool zc_reuse_slow(struct zc_writer *w, u32 bin, u32 granules,
		   struct zc_claim *c);

/* A block that this writer had before, of just this size. */
static inline bool zc_reuse(struct zc_writer *w, u32 bin, u32 granules,
			    struct zc_claim *c)
{
	struct zc_sent *s = &w->sent[w->keep_pos & w->ring_mask];

	if (zc_unlikely(w->keep_pos == w->tail))
		return zc_kept_pop(w, bin, granules, c);
	if (zc_unlikely(!s->word || zc_word_length(s->word) != granules))
		return zc_reuse_slow(w, bin, granules, c);
	c->word = s->word;
	c->granule = s->granule;
	w->keep_pos++;
	return true;
}
/* A block of exactly @granules from the pool, owned by @w. */
bool zc_writer_take(struct zc_writer *w, u32 granules, bool deep, u32 *granule);
void zc_cached_return(struct zc_writer *w);
/* Gives back what is kept for reuse, so that a segment becomes empty. */
void zc_drain_leave(struct zc_writer *w);
static inline void zc_drain_look(struct zc_writer *w)
{
	if (zc_unlikely(zc_load_relaxed(&w->pool->view.hints->draining) != w->drained))
		zc_drain_leave(w);
}
/* Segment + 1 that is to become empty, 0: none. */
u32 zc_draining_now(const struct zc_view *v);
static inline u32 zc_draining(const struct zc_view *v)
{
	u32 word = zc_load_relaxed(&v->hints->draining);

	return zc_likely(!(word & ZC_DRAINING_SEGMENT)) ? 0 : zc_draining_now(v);
}
/* The pool's memory as one look saw it, for segments come and go: @free <= @granules. */
struct zc_room {
	u32 segments;
	u64 granules;
	u64 free;	/* as members count them: a hint that drifts with deaths */
};
struct zc_room zc_room_now(const struct zc_view *v);
/* What a strategy of allocation is told; @run: granules left of a run that is split. */
zc_alloc_stats_t zc_alloc_stats(const struct zc_writer *w, u32 n, u32 run, u64 usual);
/* Counts what is free in one more stripe. */
void zc_recount(struct zc_writer *w);
/* Gives an owned run, FREE or CLEAN, back to everybody, and says so. */
void zc_writer_give_back(struct zc_writer *w, u32 granule);
/* After memory went back to everybody: tell who waits for it. */
void zc_offer(struct zc_pool *pool, u32 granule, u32 granules);

/* --- writer_reclaim.c ------------------------------------------------------ */

/* Takes back what the readers are done with; returns blocks that came back. */
u32 zc_writer_reclaim(struct zc_writer *w, bool starving);
u32 zc_writer_reclaim_batch(struct zc_writer *w, bool starving, u32 batch);
/* How far its readers are; takes nothing back. */
void zc_writer_look(struct zc_writer *w);
/* Granules to go round in, with blocks of so many. */
u64 zc_footprint(struct zc_writer *w, u32 granules);
/* May it take @granules more before it reuses its oldest? */
bool zc_below_footprint(struct zc_writer *w, u32 granules);
/* May it keep @granules more in its bins? */
bool zc_kept_fits(struct zc_writer *w, u32 granules);
/* Applies on_slow to whoever stands in the way; true: try again. */
bool zc_writer_push_slow(struct zc_writer *w, bool memory);
void zc_writer_publish_stats(struct zc_writer *w);
/* At leaving: deferred blocks that are CLEAN become everybody's to end. */
void zc_deferred_leave(struct zc_writer *w);

/* --- type_block.c ---------------------------------------------------------- */

/* Bytes that are kept between a payload and its tags, for a trailer. */
#define ZC_TRAILER_ROOM 16U

/* Where the tags of a block begin that was acquired with so many bytes. */
static inline u64 zc_tags_begin(u64 bytes)
{
	return (bytes + ZC_TRAILER_ROOM + 7) & ~7ULL;
}

static inline void zc_desc_untype(struct zc_block_desc *d)
{
	zc_store_relaxed(&d->type, 0);
	zc_store_relaxed(&d->type_lut_nr, 0);
	zc_store_relaxed(&d->type_bytes, 0);
	zc_store_relaxed(&d->type_lut_off, 0);
}

/* What is behind each payload, by the options; w->tags.bytes is to be freed. */
zc_result_t zc_writer_tags_init(struct zc_writer *w, const struct zc_type *type,
				size_t room);
/* It was claimed just now: gets its tags, or loses those that it had. */
void zc_writer_tag(struct zc_writer *w, struct zc_claim *c);
/* Says ZC_ERROR_TYPE, and what it is, unless the block at @data is of @type. */
zc_result_t zc_block_is_of(const struct zc_pool *pool, const char *data, u64 bytes,
			   const struct zc_type *type);

/* --- type_role.c ----------------------------------------------------------- */

/* Says what the messages are, and asks the readers that are there: ZC_ERROR_TYPE. */
zc_result_t zc_writer_type_join(struct zc_writer *w, const struct zc_type *type,
				const char *service);
/* Says what it takes, and asks the writer. */
zc_result_t zc_reader_type_join(struct zc_reader *r, const struct zc_type *type,
				const char *service);
/* The name of what a live writer says it writes; returns its fingerprint, 0: untyped. */
u64 zc_type_named(const struct zc_view *v, u32 w, u64 life, char *name, size_t bytes);

/* --- sleep.c ------------------------------------------------------------------ */

/* Sleeps until there may be something at the cursor. */
/* @bell: as it was before it was heard last. */
void zc_reader_sleep(struct zc_reader *r, u32 bell, u64 deadline_ns);
/* Is there something at the cursor, or something to tell? */
/*
 * An entry that looks older than the cursor is 2^31 messages newer where nobody
 * waits for this reader, and it was away for that long.
 */
static inline bool zc_lapped(const struct zc_reader *r, u64 s)
{
	u64 head;

	if (zc_likely(s >= r->hazard_below))
		return false;
	head = zc_load_acquire(&r->writer_area->head);
	return head > s && head - s > r->ring_mask;
}

bool zc_reader_ready(const struct zc_reader *r);

/* --- reader_fd.c ----------------------------------------------------------- */
void zc_reader_fd_close(struct zc_reader *r);
/* A forked child: its copies go.  It may have freed readers, but none of what is listed. */
void zc_reader_fds_after_fork(struct zc_pool *pool);

#endif /* ZC_LIB_ROLE_H */
