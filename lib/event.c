// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * event.c - the ring of events: who came, left, died.
 *
 * An emitter takes a number, claims its record, fills it, and stores the number + 1
 * in it last.  One that dies in between leaves a hole, which listeners step over
 * once a later event is there and the hole is old.  Whoever is more than a ring
 * behind, or stepped over a hole, has missed some and is told how many.
 *
 * An emitter may also be stopped, and find that the ring has gone round: then its
 * number is nobody's any more, and it tells with another.  And while it fills a
 * record nobody else does: who comes to that record in the next round says that
 * this number is void, and takes another.
 */
#define _GNU_SOURCE
#include <string.h>

#include "backend.h"

#define ZC_HOLE_NS 100000000ULL
#define ZC_SLICE_NS 100000000ULL

/* In a record's sequence, beside number + 1. */
#define ZC_EVENT_BUSY (1ULL << 63)	/* somebody fills it in, or died of it */
#define ZC_EVENT_VOID (1ULL << 62)	/* that number's event has another one */
#define ZC_EVENT_NUMBER (ZC_EVENT_VOID - 1)
#define ZC_EVENT_TRIES 8U

void zc_epoch_bump(struct zc_pool *pool)
{
	u32 *epoch = &pool->view.header->epoch;

	/* With the module the kernel has done it, but cannot wake. */
	if (pool->backend->id == ZC_BACKEND_SHM)
		zc_fetch_add32(epoch, 1);
	zc_futex_wake(epoch);
	zc_wake_any(pool, ~0U);
}

const char *zc_event_name(zc_event_type_t type)
{
	switch (type) {
	case ZC_EVENT_MEMBER_JOINED:		return "member joined";
	case ZC_EVENT_MEMBER_LEFT:		return "member left";
	case ZC_EVENT_MEMBER_DIED:		return "member died";
	case ZC_EVENT_SERVICE_ADDED:		return "service added";
	case ZC_EVENT_SERVICE_REMOVED:		return "service removed";
	case ZC_EVENT_WRITER_JOINED:		return "writer joined";
	case ZC_EVENT_WRITER_LEFT:		return "writer left";
	case ZC_EVENT_READER_JOINED:		return "reader joined";
	case ZC_EVENT_READER_LEFT:		return "reader left";
	case ZC_EVENT_READER_DISCONNECTED:	return "reader disconnected";
	case ZC_EVENT_MEMBER_SUSPECT:		return "member suspect";
	case ZC_EVENT_OVERFLOW:			return "events missed";
	case ZC_EVENT_SEGMENT_ADDED:		return "segment added";
	case ZC_EVENT_SEGMENT_REMOVED:		return "segment removed";
	case ZC_EVENT_BLOCK_CORRUPTED:		return "block corrupted";
	}
	return "unknown event";
}

static struct zc_event_record *zc_event_slot(struct zc_pool *pool, u64 n)
{
	return &pool->view.events[n % ZC_EVENTS];
}

/* Fields of a record in shared memory, word by word. */
static void zc_event_store(struct zc_event_record *e,
			   const struct zc_event_record *from)
{
	u32 i;

	zc_store_relaxed(&e->time_ns, from->time_ns);
	zc_store_relaxed(&e->type, from->type);
	zc_store_relaxed(&e->member, from->member);
	zc_store_relaxed(&e->pid, from->pid);
	zc_store_relaxed(&e->role, from->role);
	zc_store_relaxed(&e->blocks, from->blocks);
	zc_store_relaxed(&e->bytes, from->bytes);
	zc_store_relaxed(&e->service, from->service);
	zc_store_relaxed(&e->reader, from->reader);
	zc_store_relaxed(&e->incarnation, from->incarnation);
	zc_store_relaxed(&e->fault, from->fault);
	zc_store_relaxed(&e->message, from->message);
	zc_store_relaxed(&e->suspect, from->suspect);
	for (i = 0; i < sizeof(e->comm); i++)
		zc_store_relaxed(&e->comm[i], from->comm[i]);
}

static void zc_event_load(struct zc_event_record *to,
			  const struct zc_event_record *e)
{
	u32 i;

	to->time_ns = zc_load_relaxed(&e->time_ns);
	to->type = zc_load_relaxed(&e->type);
	to->member = zc_load_relaxed(&e->member);
	to->pid = zc_load_relaxed(&e->pid);
	to->role = zc_load_relaxed(&e->role);
	to->blocks = zc_load_relaxed(&e->blocks);
	to->bytes = zc_load_relaxed(&e->bytes);
	to->service = zc_load_relaxed(&e->service);
	to->reader = zc_load_relaxed(&e->reader);
	to->incarnation = zc_load_relaxed(&e->incarnation);
	to->fault = zc_load_relaxed(&e->fault);
	to->message = zc_load_relaxed(&e->message);
	to->suspect = zc_load_relaxed(&e->suspect);
	for (i = 0; i < sizeof(e->comm); i++)
		to->comm[i] = zc_load_relaxed(&e->comm[i]);
}

/* May number @n be written?  @force: though another has not come back from there. */
static bool zc_event_claim(struct zc_pool *pool, struct zc_event_record *e, u64 n,
			   bool force)
{
	u64 old = zc_load_acquire(&e->sequence);
	u32 tries;

	for (tries = 0; tries < ZC_EVENT_TRIES; tries++) {
		u64 number = old & ZC_EVENT_NUMBER;
		bool busy = old & ZC_EVENT_BUSY && !force;

		/* A round ahead of us.  What no head has reached is a scribble. */
		if (number > n + 1 &&
		    number <= zc_load_acquire(&pool->view.header->event_head))
			return false;
		if (zc_cas64(&e->sequence, &old,
			     ZC_EVENT_BUSY | (busy ? ZC_EVENT_VOID : 0) | (n + 1)))
			return !busy;
	}
	return false;
}

/* It is filled in.  False: listeners may have given it up. */
static bool zc_event_complete(struct zc_event_record *e, u64 n)
{
	u64 old = ZC_EVENT_BUSY | (n + 1);
	u32 tries;

	/* [E2] the fields before the sequence; pairs with zc_event_take(). */
	if (zc_cas64(&e->sequence, &old, n + 1))
		return true;
	/* From the next round on it is anybody's again. */
	for (tries = 0; tries < ZC_EVENT_TRIES; tries++)
		if ((old & ~ZC_EVENT_NUMBER) != (ZC_EVENT_BUSY | ZC_EVENT_VOID) ||
		    zc_cas64(&e->sequence, &old, old & ~ZC_EVENT_BUSY))
			break;
	return false;
}

void zc_shm_event_tell(struct zc_pool *pool, const struct zc_event_record *event)
{
	u32 turn;

	for (turn = 0; turn <= ZC_EVENTS; turn++) {
		u64 n = zc_fetch_add64(&pool->view.header->event_head, 1);
		struct zc_event_record *e = zc_event_slot(pool, n);

		ZC_KILLPOINT(event_claimed);
		/* At last: somebody died in each of them. */
		if (!zc_event_claim(pool, e, n, turn == ZC_EVENTS))
			continue;
		/* [E1] the record is no event while it is being changed; pairs with
		 * the second load of the sequence in zc_event_take(). */
		zc_fence_full();
		zc_event_store(e, event);
		if (zc_event_complete(e, n))
			break;
	}
	ZC_KILLPOINT(event_written);
	zc_epoch_bump(pool);
}

/* Who member @m is, from its record.  Returns its life word. */
static u64 zc_event_describe(struct zc_pool *pool, struct zc_event_record *event,
			     u32 m)
{
	struct zc_member_record *r;
	u32 i;

	event->member = m;
	event->time_ns = zc_timestamp();
	if (m >= ZC_MAX_MEMBERS)
		return 0;
	r = &pool->view.members[m];
	event->pid = zc_load_relaxed(&r->pid);
	for (i = 0; i < sizeof(event->comm); i++)
		event->comm[i] = zc_load_relaxed(&r->comm[i]);
	event->comm[sizeof(event->comm) - 1] = 0;
	return zc_load_acquire(&r->life);
}

void zc_event_emit(struct zc_pool *pool, u32 type, u32 member, u32 role,
		   u32 service, u32 reader, u64 blocks, u64 bytes)
{
	struct zc_event_record event = {
		.type = type, .role = role, .service = service,
		.reader = reader, .blocks = blocks, .bytes = bytes,
	};

	event.incarnation =
		zc_life_incarnation(zc_event_describe(pool, &event, member));
	pool->backend->tell(pool, &event);
}

/* Is that corrupt message among the events that are still there?  Mostly. */
static bool zc_shm_event_told(struct zc_pool *pool, const struct zc_event_record *event)
{
	u32 i;

	for (i = 0; i < ZC_EVENTS; i++) {
		const struct zc_event_record *e = &pool->view.events[i];
		u64 sequence = zc_load_acquire(&e->sequence);

		if (sequence && !(sequence & ~ZC_EVENT_NUMBER) &&
		    zc_load_relaxed(&e->type) == event->type &&
		    zc_load_relaxed(&e->service) == event->service &&
		    zc_load_relaxed(&e->message) == event->message &&
		    zc_load_relaxed(&e->fault) == event->fault)
			return true;
	}
	return false;
}

void zc_event_emit_corrupt(struct zc_pool *pool, struct zc_event_record *event,
			   u32 member)
{
	event->incarnation = zc_life_incarnation(zc_event_describe(pool, event, member));
	/* The kernel looks by itself. */
	if (pool->backend->id == ZC_BACKEND_SHM &&
	    (pool->observer || zc_shm_event_told(pool, event)))
		return;
	pool->backend->tell(pool, event);
}

void zc_event_emit_death(struct zc_pool *pool, u32 m, u32 incarnation)
{
	struct zc_member_record *r = &pool->view.members[m];
	struct zc_event_record event = {
		.type = ZC_EVENT_MEMBER_DIED, .service = ~0U, .reader = ~0U,
		.blocks = zc_load_relaxed(&r->reaped_blocks),
		.bytes = zc_load_relaxed(&r->reaped_bytes),
		.incarnation = incarnation,
	};
	u64 life = zc_event_describe(pool, &event, m);

	/* Somebody else has told it, and the slot is somebody else's by now. */
	if (zc_life_incarnation(life) != incarnation ||
	    zc_life_state(life) != ZC_LIFE_REAPING)
		return;
	pool->backend->tell(pool, &event);
}

/* --- listening ------------------------------------------------------------------------ */

enum zc_event_look { ZC_EVENT_NONE, ZC_EVENT_TAKEN, ZC_EVENT_AGAIN };

/* Is any event after number @n complete? */
static bool zc_event_later(struct zc_pool *pool, u64 n, u64 head)
{
	for (n++; n < head; n++)
		if (zc_load_relaxed(&zc_event_slot(pool, n)->sequence) == n + 1)
			return true;
	return false;
}

static enum zc_event_look zc_event_take(struct zc_pool *pool,
					struct zc_listener *l,
					struct zc_event_record *out)
{
	u64 head = zc_load_acquire(&pool->view.header->event_head);
	u64 n = l->cursor, sequence;
	struct zc_event_record *e;

	if (n >= head) {
		/* Nobody's head goes back; a spoilt one must not stop us. */
		if (n - head > ZC_EVENTS)
			l->cursor = head;
		return ZC_EVENT_NONE;
	}
	if (head - n > ZC_EVENTS) {
		l->lost += head - n - ZC_EVENTS;
		l->cursor = head - ZC_EVENTS;
		l->hole_ns = 0;
		return ZC_EVENT_AGAIN;
	}
	e = zc_event_slot(pool, n);
	/* [E2] */
	sequence = zc_load_acquire(&e->sequence);
	if (sequence == n + 1) {
		zc_event_load(out, e);
		/* [E1] */
		zc_fence_full();
		if (zc_load_relaxed(&e->sequence) == n + 1) {
			l->cursor = n + 1;
			l->hole_ns = 0;
			return ZC_EVENT_TAKEN;
		}
		return ZC_EVENT_AGAIN;	/* overtaken: the head says so, too */
	}
	if ((sequence & ~ZC_EVENT_BUSY) == (ZC_EVENT_VOID | (n + 1))) {
		l->cursor = n + 1;
		l->hole_ns = 0;
		return ZC_EVENT_AGAIN;
	}
	/* Not written yet, or never will be. */
	if (!zc_event_later(pool, n, head))
		return ZC_EVENT_NONE;
	if (!l->hole_ns)
		l->hole_ns = zc_timestamp();
	if (zc_timestamp() - l->hole_ns < ZC_HOLE_NS)
		return ZC_EVENT_NONE;
	/* It may come yet, and have been a death. */
	l->lost++;
	l->cursor = n + 1;
	l->hole_ns = 0;
	return ZC_EVENT_AGAIN;
}

/*
 * A death may be told more than once: by all who reaped at the same time.  And
 * nobody needs to be told that he joined himself.
 */
static bool zc_event_told(struct zc_pool *pool, struct zc_listener *l,
			  const struct zc_event_record *r)
{
	if (r->type == ZC_EVENT_MEMBER_JOINED && r->member == pool->member &&
	    r->incarnation == zc_life_incarnation(pool->life))
		return true;
	if (r->type != ZC_EVENT_MEMBER_DIED || r->member >= ZC_MAX_MEMBERS)
		return false;
	if (l->died[r->member] == r->incarnation)
		return true;
	l->died[r->member] = r->incarnation;
	return false;
}

/* The text of an event's service.  One that was removed has another name by now. */
static void zc_event_service(struct zc_pool *pool, struct zc_listener *l,
			     const struct zc_event_record *r, char out[200])
{
	out[0] = '\0';
	if (r->type == ZC_EVENT_OVERFLOW || r->service >= ZC_MAX_WRITERS)
		return;
	if (r->type != ZC_EVENT_SERVICE_REMOVED)
		zc_service_text(&pool->view, r->service, l->service[r->service]);
	memcpy(out, l->service[r->service], sizeof(l->service[0]));
}

void zc_listener_begin(struct zc_pool *pool, struct zc_listener *l)
{
	u32 i;

	l->cursor = zc_load_acquire(&pool->view.header->event_head);
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		zc_service_text(&pool->view, i, l->service[i]);
}

void zc_event_out(struct zc_pool *pool, struct zc_listener *l, zc_event_t *event,
		  const struct zc_event_record *r)
{
	zc_event_t e = {
		.type = (zc_event_type_t)r->type,
		.time_ns = r->time_ns,
		.member = r->member,
		.pid = r->pid,
		.blocks = r->blocks,
		.bytes = r->bytes,
		.sequence = r->message,
		.fault = r->fault,
	};

	if (r->type == ZC_EVENT_BLOCK_CORRUPTED && r->suspect)
		zc_service_text(&pool->view, r->suspect - 1, e.suspect);
	memcpy(e.comm, r->comm, sizeof(e.comm));
	e.comm[sizeof(e.comm) - 1] = '\0';
	zc_event_service(pool, l, r, e.service);
	zc_copy_out(event, &e, sizeof(e));
}

/* One try.  Bounded: each turn moves the cursor, or ends. */
bool zc_listener_next(struct zc_pool *pool, struct zc_listener *l,
		      struct zc_event_record *r)
{
	u32 turn;

	for (turn = 0; turn < 4 * ZC_EVENTS; turn++) {
		enum zc_event_look look;

		if (l->lost) {
			memset(r, 0, sizeof(*r));
			r->type = ZC_EVENT_OVERFLOW;
			r->time_ns = zc_timestamp();
			r->member = pool->member;
			r->service = ~0U;
			r->blocks = l->lost;
			l->lost = 0;
			return true;
		}
		memset(r, 0, sizeof(*r));
		look = zc_event_take(pool, l, r);
		if (look == ZC_EVENT_TAKEN && !zc_event_told(pool, l, r))
			return true;
		if (look == ZC_EVENT_NONE)
			return false;
	}
	return false;
}

bool zc_shm_event_next(struct zc_pool *pool, struct zc_event_record *r)
{
	return zc_listener_next(pool, &pool->listener, r);
}

const u32 *zc_shm_event_word(struct zc_pool *pool)
{
	return &pool->view.header->epoch;
}

zc_result_t zc_pool_next_event(zc_pool_t *pool, zc_event_t *event,
			       uint64_t timeout_ns)
{
	struct zc_event_record r;
	u64 deadline, now, slice;
	zc_result_t usable;
	const u32 *word;
	u32 seen;

	if (!pool || !event || event->sz <= sizeof(size_t) ||
	    event->sz > 1 << 20)
		return zc_fail(ZC_ERROR_INVALID,
			       "an event needs .sz = sizeof(struct zc_event)");
	deadline = zc_deadline(timeout_ns);
	for (;;) {
		usable = zc_pool_usable(pool);
		if (usable != ZC_OK)
			return usable;
		word = pool->backend->event_word(pool);
		seen = zc_load_acquire(word);
		if (pool->backend->next_event(pool, &r)) {
			zc_event_out(pool, &pool->listener, event, &r);
			return ZC_OK;
		}
		now = zc_timestamp();
		if (!timeout_ns || now >= deadline)
			return zc_fail(ZC_ERROR_TIMEOUT, "no event in time");
		slice = pool->listener.hole_ns ? ZC_HOLE_NS / 10 : ZC_SLICE_NS;
		if (deadline - now > slice)
			now += slice;
		else
			now = deadline;
		zc_futex_wait(word, seen, now);
	}
}

void zc_service_text(const struct zc_view *v, u32 service, char out[200])
{
	u32 part, i, n = 0;

	out[0] = '\0';
	if (service >= ZC_MAX_WRITERS ||
	    zc_service_state(zc_load_acquire(
		    &v->writer_slots[service].service)) == ZC_SERVICE_EMPTY)
		return;
	for (part = 0; part < 3; part++) {
		if (part)
			out[n++] = '/';
		for (i = 0; i < ZC_NAME_BYTES - 1; i++) {
			u8 c = zc_load_relaxed(
				&v->writer_slots[service].name[part][i]);

			if (!c)
				break;
			/* Whatever a member wrote, no terminal sees it raw. */
			out[n++] = c > ' ' && c < 127 ? (char)c : '?';
		}
	}
	out[n] = '\0';
	if (n == 2)
		out[0] = '\0';
}
