/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * guard.h - the trailer behind a payload: set, verified, told of.
 *
 * From acquire to commit it says that nobody wrote past the end; from commit on, which
 * message it ends.  It is not aligned: one byte too many hits it.
 */
#ifndef ZC_LIB_GUARD_H
#define ZC_LIB_GUARD_H

#include <string.h>

#include "crc.h"
#include "peek.h"
#include "role.h"

struct zc_handlers;

/* Before the commit.  No byte is NUL or a letter: what overruns most often is text. */
#define ZC_TRAILER_ARMED 0x8d9ba7b9c5d3e1f7ULL

/* A block, as whoever verifies it knows it; what its record says is loaded once. */
struct zc_guarded {
	const struct zc_block_desc *desc;
	const char *data;	/* NULL: by @peek, at @off */
	struct zc_peek *peek;
	u64 off;
	u64 word;		/* USING, as it was committed */
	u64 sequence;
	u64 bytes;		/* of payload, in the memory that is mapped */
	u64 room;		/* from @data to the end of the segment */
	u32 mode;		/* enum zc_guard_mode */
};

static inline u64 zc_trailer_load(const char *at)
{
	u64 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static inline void zc_trailer_store(char *at, u64 first, u64 second)
{
	memcpy(at, &first, sizeof(first));
	memcpy(at + sizeof(first), &second, sizeof(second));
}

/* The first half of a trailer of mode MAGIC; its first byte is not NUL, nor a letter. */
static inline u64 zc_trailer_mark(u64 sequence, u64 bytes)
{
	u64 mark = (sequence ^ bytes << 20) * 0x9e3779b97f4a7c15ULL >> 32;

	return (mark | 0x80) | (u64)ZC_MODE_MAGIC << 32;
}

static inline bool zc_trailer_marked(const char *at, u64 sequence, u64 bytes)
{
	return zc_trailer_load(at) == zc_trailer_mark(sequence, bytes) &&
	       zc_trailer_load(at + sizeof(u64)) == ZC_TRAILER_MAGIC;
}

/* A block's flags. */
static inline u32 zc_guard_code(u32 mode)
{
	/* 0000, 0011, 0101, 0110 */
	return (0x6530U >> 4 * mode & 0xf) << ZC_BLOCK_GUARD_SHIFT;
}

/* The mode that a block's flags say; ~0: that is none. */
u32 zc_guard_mode_of(u32 flags);

/* What is wrong with it: enum zc_guard_fault.  Reads nothing past @room. */
u32 zc_guard_fault(const struct zc_guarded *g);

/* --- the writer -------------------------------------------------------------- */

/* How this writer's messages are guarded, for itself and for all who read them. */
void zc_guard_publish(struct zc_writer *w);

static inline void zc_guard_arm(char *data, u64 size)
{
	zc_trailer_store(data + size, ZC_TRAILER_ARMED, ZC_TRAILER_MAGIC);
}

/* The same for all blocks: the type tags, or flags of another mode. */
bool zc_guard_commit_other(struct zc_writer *w, struct zc_claim *c, u64 now);

/* The first half of a trailer, where zc_crc_has_fast(). */
static inline __attribute__((always_inline)) u64
zc_trailer_sum(u32 mode, u32 still, u64 word, u64 sequence, u64 time, u64 bytes,
	       const char *data)
{
	/* Before the call, which would have to leave all of it in registers. */
	u64 sum = zc_crc_record_fast(still, word, sequence, time, bytes) |
		  (u64)mode << 32;

	return mode == ZC_MODE_FULL ? sum ^ zc_crc_fast(data, bytes) : sum;
}

/*
 * Before the commit of @c at @now: false: the program wrote past the end of what it
 * acquired.
 */
static inline __attribute__((always_inline)) bool
zc_guard_commit(struct zc_writer *w, struct zc_claim *c, u64 now, u32 guard)
{
	struct zc_block_desc *d = &w->descs[c->granule];
	const u64 *still = (const u64 *)d + ZC_CRC_MOVING;
	char *data = c->place.data, *armed = data + c->size;
	u64 bytes = c->place.bytes, first;

	/* Flags, and no tags. */
	if (zc_unlikely((zc_load_relaxed(&still[1]) ^ w->guard_plain) | w->guard_none))
		return zc_guard_commit_other(w, c, now);
	if (zc_unlikely(zc_trailer_load(armed) != ZC_TRAILER_ARMED ||
			zc_trailer_load(armed + sizeof(u64)) != ZC_TRAILER_MAGIC))
		return false;
	if (guard == ZC_MODE_MAGIC)
		first = zc_trailer_mark(w->head, bytes);
	else
		first = zc_trailer_sum(guard, w->guard_still,
				       zc_word_same(c->word, ZC_OWNER_WRITER(w->id),
						    ZC_STATE_USING),
				       w->head, now, bytes, data);
	zc_trailer_store(data + bytes, first, ZC_TRAILER_MAGIC);
	ZC_KILLPOINT(guard_set);
	return true;
}

/* --- the reader -------------------------------------------------------------- */

/* How what comes next is guarded; after the entry, or the bell, was loaded. */
void zc_guard_look(struct zc_reader *r);
/* What is wrong with a message that the reader holds in @h: enum zc_guard_fault. */
u32 zc_guard_held(struct zc_reader *r, struct zc_held *h, bool required, u32 generation);
/* The same again, before it is let go. */
u32 zc_guard_again(struct zc_reader *r, struct zc_held *h);

/*
 * Is a required message in @h of mode HEADER or FULL, whose payload and trailer lie in the segment, as it was
 * committed?  false also of what zc_guard_held() is to look at.  The payload last: there is
 * little to keep over the call.
 */
static inline __attribute__((always_inline)) bool
zc_guard_fine(struct zc_reader *r, struct zc_held *h, u32 granule, u32 generation,
	      u32 mode)
{
	const struct zc_block_desc *d = &r->pool->view.descs[granule];
	const char *trailer = h->place.data + h->place.bytes;
	const u64 *still = (const u64 *)d + ZC_CRC_MOVING;
	u64 s = h->sequence, bytes = h->place.bytes, word, other, left;

	word = zc_load_relaxed(&d->word);
	h->word = word;
	/* Generation, owner and state. */
	other = word ^ ((u64)generation << ZC_WORD_GENERATION_SHIFT | r->guard_word);
	other &= ~((1ULL << ZC_WORD_GENERATION_SHIFT) - (1ULL << ZC_WORD_LENGTH_SHIFT));
	if (zc_unlikely(other |
			((zc_load_relaxed(&still[0]) ^ r->guard_stays[0]) |
			 (zc_load_relaxed(&still[1]) ^ r->guard_stays[1]) |
			 zc_load_relaxed(&still[2]) | zc_load_relaxed(&still[3]) |
			 r->guard_none) ||
			(u64)zc_word_length(word) << r->granule_shift <
				bytes + sizeof(struct zc_block_trailer) ||
			zc_trailer_load(trailer + sizeof(u64)) != ZC_TRAILER_MAGIC ||
			zc_load_relaxed(&d->sequence) != s ||
			zc_load_relaxed(&d->bytes) != bytes))
		return false;
	left = zc_trailer_load(trailer) ^
	       zc_trailer_sum(mode, r->guard_still, word, s,
			      zc_load_relaxed(&d->timestamp_ns), bytes, h->place.data);
	return zc_likely(!left);
}

/* --- anybody ----------------------------------------------------------------- */

/*
 * A block that looked committed, with @word: ZC_FAULT_NONE also where it is not any
 * more, is not guarded or cannot be read; *@mode: enum zc_guard_mode, 0 then.
 */
u32 zc_guard_peek(struct zc_peek *peek, u32 granule, u64 word, u32 *mode);
/* The same of one block. */
u32 zc_guard_look_at(const struct zc_pool *pool, u32 granule, u64 word, u32 *mode);

/* Log, hook and event; @whose: handlers of the role or cleaner that found it. */
void zc_guard_tell(struct zc_pool *pool, struct zc_handlers *whose, u32 service, u64 sequence, u64 granule,
		   u32 fault);

/* Does anybody in the pool guard anything? */
bool zc_guard_anywhere(const struct zc_view *v);

#endif /* ZC_LIB_GUARD_H */
