// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * guard.c - the trailer behind a payload: set, verified, told of.
 *
 * Whatever a record says, what is read lies in the run that its word says, and that in
 * the segment: a forged record leads nobody past what is mapped.
 */
#include "backend.h"
#include "core/killpoint.h"
#include "guard.h"
#include "role_mail.h"

/* Of these one is looked for that lies before another. */
#define ZC_SUSPECT_RUNS 65536U

u32 zc_guard_mode_of(u32 flags)
{
	u32 mode;

	for (mode = ZC_MODE_OFF; mode <= ZC_MODE_FULL; mode++)
		if ((flags & ZC_BLOCK_GUARD_MASK) == zc_guard_code(mode))
			return mode;
	return ~0U;
}

u32 zc_guard_choose(zc_guard_t asked, u32 otherwise)
{
	if (asked == ZC_GUARD_DEFAULT)
		return otherwise <= ZC_MODE_FULL ? otherwise : ZC_MODE_FULL;
	return (u32)asked <= ZC_GUARD_FULL ? (u32)asked - ZC_GUARD_OFF : ~0U;
}

const char *zc_guard_name(zc_guard_t guard)
{
	static const char *const names[] = { "default", "off", "magic", "header",
					     "full" };

	return (u32)guard < sizeof(names) / sizeof(*names) ? names[guard] : "unknown";
}

const char *zc_guard_fault_name(zc_guard_fault_t fault)
{
	static const char *const names[] = { "none", "trailer", "record", "checksum",
					     "overrun" };

	return (u32)fault < sizeof(names) / sizeof(*names) ? names[fault] : "unknown";
}

/* --- checksums -------------------------------------------------------------------- */

/* A record, as it is or will be; each word of it loaded once. */
struct zc_record {
	u64 word;
	u64 sequence;
	u64 time;
	u64 bytes;
	u64 still[ZC_CRC_STILL];	/* writer, bytes of tags; flags, parts; place; type */
	const char *data;
	u64 tags_off;
	u64 tags_bytes;
};

static void zc_record_load(struct zc_record *r, const struct zc_block_desc *d)
{
	const u64 *still = (const u64 *)d + ZC_CRC_MOVING;
	u32 i;

	r->sequence = zc_load_relaxed(&d->sequence);
	r->time = zc_load_relaxed(&d->timestamp_ns);
	r->bytes = zc_load_relaxed(&d->bytes);
	for (i = 0; i < ZC_CRC_STILL; i++)
		r->still[i] = zc_load_relaxed(&still[i]);
}

/* Where the tags are, behind the trailer.  false: not in @room. */
static bool zc_tags_place(struct zc_record *r, u64 room)
{
	u64 parts = r->still[1] >> 32, nr = r->still[0] >> 32, off = r->still[2];

	r->tags_bytes = 0;
	if (!parts)
		return true;
	if (off < r->bytes + sizeof(struct zc_block_trailer) || off > room ||
	    nr > room - off)
		return false;
	r->tags_off = off;
	r->tags_bytes = nr;
	return true;
}

/* The first half of a trailer. */
static u64 zc_trailer_of(const struct zc_record *r, u32 mode)
{
	u64 sum = zc_crc_record(zc_crc_still(r->still), r->word, r->sequence, r->time,
				r->bytes) |
		  (u64)mode << 32;

	if (mode != ZC_MODE_FULL)
		return sum;
	sum ^= zc_crc(r->data, r->bytes);
	return r->tags_bytes ? sum ^ zc_crc(r->data + r->tags_off, r->tags_bytes) : sum;
}

/* Of @nr bytes at @off of a block, piece by piece; where that fails the peek knows. */
static u32 zc_guarded_crc(const struct zc_guarded *g, u64 off, u64 nr)
{
	u32 crc = 0;

	while (nr) {
		u64 one = nr < ZC_PEEK_BYTES ? nr : ZC_PEEK_BYTES;
		const char *at = zc_peek_at(g->peek, g->off + off, one, one);

		if (!at)
			break;
		crc = zc_crc_more(crc, at, one);
		off += one;
		nr -= one;
	}
	return crc;
}

/* As zc_trailer_of(). */
static u64 zc_trailer_peeked(const struct zc_guarded *g, const struct zc_record *r)
{
	u64 sum = zc_crc_record(zc_crc_still(r->still), r->word, r->sequence, r->time,
				r->bytes) |
		  (u64)g->mode << 32;

	if (g->mode != ZC_MODE_FULL)
		return sum;
	sum ^= zc_guarded_crc(g, 0, r->bytes);
	return sum ^ zc_guarded_crc(g, r->tags_off, r->tags_bytes);
}

/* Both halves of the trailer. */
static bool zc_guarded_trailer(const struct zc_guarded *g, u64 half[2])
{
	const u64 bytes = sizeof(struct zc_block_trailer);
	const char *at;

	if (g->peek) {
		/* What is small is copied once, and all of it. */
		if (g->mode == ZC_MODE_FULL && g->bytes + bytes <= ZC_PEEK_BYTES)
			zc_peek_at(g->peek, g->off, g->bytes + bytes, g->room);
		at = zc_peek_at(g->peek, g->off + g->bytes, bytes, bytes);
	} else {
		at = g->data + g->bytes;
	}
	if (!at)
		return false;
	half[0] = zc_trailer_load(at);
	half[1] = zc_trailer_load(at + sizeof(u64));
	return true;
}

/* Also where somebody may just be writing: see zc_guard_peek(). */
__attribute__((no_sanitize("thread"))) u32 zc_guard_fault(const struct zc_guarded *g)
{
	struct zc_record r = { .word = g->word, .data = g->data };
	u64 half[2];

	if (g->bytes > g->room ||
	    g->room - g->bytes < sizeof(struct zc_block_trailer))
		return ZC_FAULT_RECORD;
	if (!zc_guarded_trailer(g, half))
		return ZC_FAULT_NONE;
	if (g->mode == ZC_MODE_MAGIC)
		return half[0] == zc_trailer_mark(g->sequence, g->bytes) &&
				       half[1] == ZC_TRAILER_MAGIC ?
			       ZC_FAULT_NONE : ZC_FAULT_TRAILER;
	zc_record_load(&r, g->desc);
	if (r.sequence != g->sequence || r.bytes != g->bytes ||
	    !zc_tags_place(&r, g->room))
		return ZC_FAULT_RECORD;
	if (half[1] != ZC_TRAILER_MAGIC)
		return ZC_FAULT_TRAILER;
	if (half[0] != (g->peek ? zc_trailer_peeked(g, &r) : zc_trailer_of(&r, g->mode)))
		return ZC_FAULT_CHECKSUM;
	return ZC_FAULT_NONE;
}

/*
 * What stays of the records of a writer without tags.  *@none: there is nothing to
 * verify, or no instruction to do it by, whatever a record looks like.
 */
static u32 zc_guard_still(u32 writer, u32 mode, u64 stays[2], u64 *none)
{
	u64 still[ZC_CRC_STILL] = { writer, zc_guard_code(mode) };

	stays[0] = still[0];
	stays[1] = still[1];
	*none = mode == ZC_MODE_OFF || (mode != ZC_MODE_MAGIC && !zc_crc_has_fast()) ?
			~0ULL : 0;
	return zc_crc_still(still);
}

/* --- the writer ---------------------------------------------------------------------- */

void zc_guard_publish(struct zc_writer *w)
{
	const struct zc_view *v = &w->pool->view;
	struct zc_writer_mail *mail = zc_writer_mail(v, w->id);
	u64 stays[2];
	u32 r;

	if (w->guard != ZC_MODE_OFF)
		zc_store_relaxed(&w->area->guarded, 1);
	w->guard_still = zc_guard_still(w->id, w->guard, stays, &w->guard_none);
	w->guard_plain = stays[1];
	/* What is used again may have the flags of a predecessor. */
	w->guarded = zc_load_relaxed(&w->area->guarded);
	w->framed = w->timestamps || w->guarded;
	w->marked = w->guard == ZC_MODE_MAGIC && !w->timestamps;
	zc_store_relaxed(&w->area->guard_since, w->head);
	/* [Y2] where it begins before what it is; pairs with [Y2] in
	 * zc_guard_look(). */
	zc_store_release(&w->area->guard, w->guard);
	/* Who is there looks again; who joins looks when it is active. */
	zc_fence_full();
	for (r = 0; r < ZC_MAX_READERS_PER; r++)
		if (zc_life_state(zc_load_acquire(&zc_reader_slot(v, w->id, r)->life)) ==
		    ZC_LIFE_LIVE)
			zc_fetch_add32(&mail->reader_bell[r], ZC_BELL_KEY);
}

bool zc_guard_commit_other(struct zc_writer *w, struct zc_claim *c, u64 now)
{
	struct zc_block_desc *d = &w->descs[c->granule];
	u32 flags = zc_load_relaxed(&d->flags), code = zc_guard_code(w->guard);
	char *armed = c->place.data + c->size;
	struct zc_record r = { .data = c->place.data };
	u64 first;

	if ((flags & ZC_BLOCK_GUARD_MASK) != code)
		zc_store_relaxed(&d->flags, (flags & ~ZC_BLOCK_GUARD_MASK) | code);
	if (w->guard == ZC_MODE_OFF)
		return true;
	if (zc_trailer_load(armed) != ZC_TRAILER_ARMED ||
	    zc_trailer_load(armed + sizeof(u64)) != ZC_TRAILER_MAGIC)
		return false;
	zc_record_load(&r, d);
	r.word = zc_word_same(c->word, ZC_OWNER_WRITER(w->id), ZC_STATE_USING);
	r.sequence = w->head;
	r.time = now;
	r.bytes = c->place.bytes;
	/* Tags that are nowhere are no part of it; a reader says so. */
	zc_tags_place(&r, (u64)zc_word_length(c->word) << w->granule_shift);
	first = w->guard == ZC_MODE_MAGIC ? zc_trailer_mark(r.sequence, r.bytes) :
					    zc_trailer_of(&r, w->guard);
	zc_trailer_store(c->place.data + r.bytes, first, ZC_TRAILER_MAGIC);
	ZC_KILLPOINT(guard_set);
	return true;
}

/* --- the reader ---------------------------------------------------------------------- */

void zc_guard_look(struct zc_reader *r)
{
	/* [Y2] */
	u32 mode = zc_load_acquire(&r->writer_area->guard);
	u64 since = zc_load_relaxed(&r->writer_area->guard_since);

	if (mode > ZC_MODE_FULL)
		mode = ZC_MODE_FULL;
	if (r->guard != mode || !r->guard_still)
		r->guard_still = zc_guard_still(r->writer, mode, r->guard_stays,
						&r->guard_none);
	r->guard_word = zc_word_same(0, ZC_OWNER_WRITER(r->writer), ZC_STATE_USING);
	r->guard = mode;
	r->guard_since = since;
	r->slow_below = since > r->hazard_below ? since : r->hazard_below;
}

/* The mode of message @sequence of a writer whose own is @mode from @since on. */
static u32 zc_guard_mode(const struct zc_block_desc *d, u64 sequence, u32 mode,
			 u64 since)
{
	u32 said;

	if (mode == ZC_MODE_OFF && sequence >= since)
		return ZC_MODE_OFF;
	said = zc_guard_mode_of(zc_load_relaxed(&d->flags));
	if (sequence < since)
		return said;
	return mode == ZC_MODE_MAGIC || said == mode ? mode : ~0U;
}

static u32 zc_guard_examine(struct zc_reader *r, struct zc_held *h, u32 granule)
{
	const struct zc_view *v = &r->pool->view;
	struct zc_guarded g = {
		.desc = &v->descs[granule],
		.data = h->place.data,
		.word = h->word,
		.sequence = h->sequence,
		.bytes = h->place.bytes,
	};

	g.mode = zc_guard_mode(g.desc, g.sequence, r->guard, r->guard_since);
	if (g.mode == ZC_MODE_OFF)
		return ZC_FAULT_NONE;
	if (g.mode == ~0U || !zc_run_sane(v, granule, g.word))
		return ZC_FAULT_RECORD;
	g.room = (u64)zc_word_length(g.word) << v->granule_shift;
	return zc_guard_fault(&g);
}

static u32 zc_held_granule(const struct zc_reader *r, const struct zc_held *h)
{
	return (u32)((u64)(h->place.data - r->data) >> r->granule_shift);
}

u32 zc_guard_held(struct zc_reader *r, struct zc_held *h, bool required, u32 generation)
{
	u32 granule = zc_held_granule(r, h);

	if (r->guard == ZC_MODE_OFF && h->sequence >= r->guard_since)
		return ZC_FAULT_NONE;
	/* Nobody takes back what is required, so that this is the word of its commit. */
	if (required) {
		h->word = zc_load_relaxed(&r->pool->view.descs[granule].word);
		if (zc_word_state(h->word) != ZC_STATE_USING ||
		    zc_word_owner(h->word) != ZC_OWNER_WRITER(r->writer) ||
		    zc_word_generation(h->word) != generation)
			return ZC_FAULT_RECORD;
	}
	return zc_guard_examine(r, h, granule);
}

u32 zc_guard_again(struct zc_reader *r, struct zc_held *h)
{
	return zc_guard_examine(r, h, zc_held_granule(r, h));
}

/* --- anybody -------------------------------------------------------------------------- */

u32 zc_guard_peek(struct zc_peek *peek, u32 granule, u64 word, u32 *mode)
{
	const struct zc_view *v = &peek->pool->view;
	u32 segment = granule >> v->segment_shift;
	u32 w = zc_word_owner(word) - ZC_OWNER_WRITER(0), own, fault;
	const struct zc_block_desc *d = &v->descs[granule];
	const struct zc_writer_area *a;
	struct zc_guarded g;

	*mode = ZC_MODE_OFF;
	if (zc_word_state(word) != ZC_STATE_USING || w >= ZC_MAX_WRITERS ||
	    !zc_run_sane(v, granule, word) ||
	    segment >= zc_load_acquire(&v->segments_mapped))
		return ZC_FAULT_NONE;
	a = zc_writer_area(v, w);
	g = (struct zc_guarded){
		.desc = d,
		.peek = peek,
		.off = (u64)(granule & (v->segment_granules - 1)) << v->granule_shift,
		.word = word,
		.sequence = zc_load_relaxed(&d->sequence),
		.bytes = zc_load_relaxed(&d->bytes),
		.room = (u64)zc_word_length(word) << v->granule_shift,
	};
	/* [Y2] after the word: who committed it had said how it is guarded. */
	own = zc_load_acquire(&a->guard);
	g.mode = zc_guard_mode(d, g.sequence, own <= ZC_MODE_FULL ? own : ZC_MODE_FULL,
			       zc_load_relaxed(&a->guard_since));
	if (g.mode == ZC_MODE_OFF || !zc_peek_block(peek, segment))
		return ZC_FAULT_NONE;
	fault = g.mode == ~0U ? ZC_FAULT_RECORD : zc_guard_fault(&g);
	ZC_KILLPOINT(guard_looked);
	/*
	 * [Y1] all of it before the second look at the word: as long as that is the same
	 * nobody has written there; pairs with the fence of
	 * reclaim: CLEAN before whatever comes after.
	 */
	zc_fence_full();
	if (zc_load_relaxed(&d->word) != word || peek->failed)
		return ZC_FAULT_NONE;
	*mode = g.mode == ~0U ? own : g.mode;
	return fault;
}

u32 zc_guard_look_at(const struct zc_pool *pool, u32 granule, u64 word, u32 *mode)
{
	struct zc_peek peek = zc_peek_begin(pool);
	u32 fault = zc_guard_peek(&peek, granule, word, mode);

	zc_peek_end(&peek);
	return fault;
}

bool zc_guard_anywhere(const struct zc_view *v)
{
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++)
		/* Its region is there once it had a role. */
		if (zc_life_incarnation(zc_load_acquire(&v->writer_slots[w].life)) &&
		    zc_load_relaxed(&zc_writer_area(v, w)->guarded))
			return true;
	return false;
}

/*
 * Whose run ends where the one at @granule begins: writer + 1, 0: nobody's.  Only if its
 * own guard fails, too, or it is not committed yet.
 */
static u32 zc_guard_suspect(const struct zc_pool *pool, u64 granule)
{
	const struct zc_view *v = &pool->view;
	struct zc_walk walk = { .segment = (u32)(granule >> v->segment_shift) };
	u32 at, before = 0, steps, mode, w;
	u64 word, said = 0;

	if (granule >= zc_granules(v))
		return 0;
	for (steps = 0; steps < ZC_SUSPECT_RUNS; steps++) {
		if (!zc_walk_segment(v, &walk, &at, &word) || at >= granule)
			break;
		before = at;
		said = word;
	}
	w = zc_word_owner(said) - ZC_OWNER_WRITER(0);
	if (w >= ZC_MAX_WRITERS || (u64)before + zc_word_length(said) != granule)
		return 0;
	if (zc_word_state(said) == ZC_STATE_FREE ||
	    zc_guard_look_at(pool, before, said, &mode))
		return w + 1;
	return 0;
}

void zc_guard_tell(struct zc_pool *pool, struct zc_handlers *whose, u32 service,
		   u64 sequence, u64 granule, u32 fault)
{
	const struct zc_view *v = &pool->view;
	const struct zc_writer_area *a = zc_writer_area(v, service);
	u64 life = zc_load_acquire(&v->writer_slots[service].life);
	struct zc_event_record event = {
		.type = ZC_EVENT_BLOCK_CORRUPTED, .service = service, .reader = ~0U,
		.role = ZC_OWNER_WRITER(service), .blocks = 1,
		.fault = fault, .message = sequence,
	};
	uintptr_t before;
	u32 member = ~0U;
	char name[200];

	/* A message of its predecessors nobody knows the writer of. */
	if (zc_life_state(life) != ZC_LIFE_IDLE &&
	    sequence >= zc_load_relaxed(&a->guard_since))
		member = zc_life_member(life);
	if (fault == ZC_FAULT_TRAILER || fault == ZC_FAULT_CHECKSUM)
		event.suspect = zc_guard_suspect(pool, granule);
	zc_service_text(v, service, name);
	zc_log(ZC_LOG_WARN, "pool %s: message %llu of %s is corrupt (%s)%s", pool->name,
	       (unsigned long long)sequence, name,
	       zc_guard_fault_name((zc_guard_fault_t)fault),
	       event.suspect ? ", and so may be what is before it in memory" : "");
	before = zc_handlers_enter(whose);
	zc_hook_corrupted(pool, service, sequence);
	zc_handlers_leave(whose, before);
	zc_event_emit_corrupt(pool, &event, member);
}
