// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * role_mail.c - writers and readers send and get short messages.
 *
 * A role looks when its bell changed and it holds nothing: what a message changes must
 * not change under a message that is being written or read.
 */
#include <stdlib.h>

#include "backend.h"
#include "guard.h"
#include "role_mail.h"

#define ZC_ALL_NODES(c, v)                                                     \
	for (c = 0; c < ZC_MAX_CLEANERS; c++)                                  \
		if (zc_life_incarnation(zc_load_acquire(                       \
			    &(v)->cleaner_slots[c].life)))

u32 zc_peer_incarnation(const struct zc_view *v, u32 peer)
{
	u64 life = 0;

	if (zc_peer_is_writer(peer)) {
		life = zc_load_acquire(
			&v->writer_slots[peer - ZC_PEER_WRITER(0)].life);
	} else if (zc_peer_is_reader(peer)) {
		u32 n = peer - ZC_PEER_READER(0, 0);

		life = zc_load_acquire(&v->reader_slots[n].life);
	}
	return zc_life_state(life) == ZC_LIFE_LIVE ? zc_life_incarnation(life) : 0;
}

/* The cleaner on duty, ~0: there is none. */
static u32 zc_on_duty(const struct zc_view *v)
{
	u32 c = (u32)zc_load_acquire(&v->hints->duty) - 1;

	return c < ZC_MAX_CLEANERS && zc_node_there(v, c, zc_timestamp()) ? c : ~0U;
}

void zc_team_ring(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 c = zc_on_duty(v);

	if (c == ~0U) {
		/* So that they see it, too. */
		zc_nodes_ring(pool);
		return;
	}
	if (pool->may_write)
		zc_node_ring(v, c);
	else if (zc_load_relaxed(&zc_node_area(v, c)->bell))
		zc_futex_wake(&zc_node_area(v, c)->bell);
}

void zc_peer_ring(struct zc_pool *pool, u32 peer)
{
	const struct zc_view *v = &pool->view;

	if (!pool->may_write) {
		/* The one on duty may. */
		zc_team_ring(pool);
		return;
	}
	if (zc_peer_is_writer(peer)) {
		u32 w = peer - ZC_PEER_WRITER(0);

		zc_fetch_add32(&zc_writer_mail(v, w)->bell, 1);
	} else {
		u32 n = peer - ZC_PEER_READER(0, 0);
		u32 w = n / ZC_MAX_READERS_PER;

		zc_fetch_add32(&zc_writer_mail(v, w)->reader_bell[
				       n % ZC_MAX_READERS_PER], 1);
		/* It may sleep until there is a message of the other kind. */
		zc_futex_wake((u32 *)&zc_writer_area(v, w)->head);
		zc_wake_any(pool, ~0U);
	}
}

/* --- opening ------------------------------------------------------------------------- */

static struct zc_role_mail *zc_role_mail_new(struct zc_pool *pool, u32 self,
					     u32 writer, u32 reader)
{
	struct zc_role_mail *m = calloc(1, sizeof(*m));

	if (!m) {
		zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a role's messages");
		return NULL;
	}
	m->pool = pool;
	m->self = self;
	m->writer = writer;
	m->reader = reader;
	zc_handlers_init(&m->handlers);
	return m;
}

void zc_role_mail_free(struct zc_role_mail *m)
{
	if (!m)
		return;
	zc_handlers_free(&m->handlers);
	free(m);
}

zc_result_t zc_writer_mail_open(struct zc_writer *w)
{
	const struct zc_view *v = &w->pool->view;
	struct zc_writer_mail *wm = zc_writer_mail(v, w->id);
	struct zc_role_mail *m;
	u32 i;

	m = zc_role_mail_new(w->pool, ZC_PEER_WRITER(w->id), w->id, ~0U);
	if (!m)
		return ZC_ERROR_NO_MEMORY;
	w->mail = m;
	w->bell = &wm->bell;
	w->bell_seen = zc_load_acquire(w->bell);
	ZC_ALL_NODES(i, v)
		zc_mail_skip(&zc_node_area(v, i)->to_writer[w->id],
			     &wm->read_node[i]);
	for (i = 0; i < ZC_MAX_READERS_PER; i++)
		if (zc_peer_incarnation(v, ZC_PEER_READER(w->id, i)) &&
		    zc_reader_seen(v, w->id, i))
			zc_mail_skip(&zc_reader_mail(v, w->id, i)->writer,
				     &wm->read_reader[i]);
	zc_mail_begin(&m->team, &wm->team, &wm->team_read, w->incarnation);
	return ZC_OK;
}

zc_result_t zc_reader_mail_open(struct zc_reader *r)
{
	const struct zc_view *v = &r->pool->view;
	struct zc_writer_mail *wm = zc_writer_mail(v, r->writer);
	struct zc_reader_mail *rm = zc_reader_mail(v, r->writer, r->id);
	struct zc_role_mail *m;
	u32 i;

	m = zc_role_mail_new(r->pool, ZC_PEER_READER(r->writer, r->id), r->writer,
			     r->id);
	if (!m)
		return ZC_ERROR_NO_MEMORY;
	r->mail = m;
	r->bell = &wm->reader_bell[r->id];
	r->bell_seen = zc_load_acquire(r->bell);
	ZC_ALL_NODES(i, v)
		zc_mail_skip(&zc_node_area(v, i)->to_reader[r->writer][r->id],
			     &rm->read_node[i]);
	zc_mail_skip(&wm->reader[r->id], &rm->read_writer);
	zc_mail_begin(&m->team, &rm->team, &wm->team_read_reader[r->id],
		      r->incarnation);
	zc_mail_begin(&m->peer[0], &rm->writer, &wm->read_reader[r->id],
		      r->incarnation);
	return ZC_OK;
}

/* A bell of which one half says of keys what @keys says, the other of mail. */
static u32 zc_bell_mix(u32 keys, u32 mail)
{
	return (keys & ~(ZC_BELL_KEY - 1)) | (mail & (ZC_BELL_KEY - 1));
}

/* --- receiving -------------------------------------------------------------------------- */

/* A box of the cleaners', in which whose message it is stands as they checked it. */
#define ZC_AS_IT_SAYS ~0U

/* Not of what a role sends, whatever type it gives it. */
static bool zc_is_level(const struct zc_mail_head *head)
{
	return head->type == ZC_MSG_BACKPRESSURE && head->src < ZC_MAX_CLEANERS;
}

/* Of levels that nobody asked for only the last counts. */
static bool zc_role_queue_newer(struct zc_role_mail *m, const struct zc_mail_head *head,
				const void *payload)
{
	u32 pos = 0;

	while (pos < m->queued) {
		struct zc_mail_head *old = (void *)((char *)m->queue + pos);

		if (zc_is_level(old) && old->bytes == head->bytes) {
			memcpy(old, head, sizeof(*head));
			memcpy(old + 1, payload, head->bytes);
			return true;
		}
		pos += (u32)(sizeof(*old) + old->bytes + 7) & ~7u;
	}
	return false;
}

static void zc_role_queue(struct zc_role_mail *m, const struct zc_mail_head *head,
			  const void *payload)
{
	u32 bytes = (u32)(sizeof(*head) + head->bytes + 7) & ~7u;
	char *to = (char *)m->queue + m->queued;

	if (zc_is_level(head) && zc_role_queue_newer(m, head, payload))
		return;
	if (m->queued + bytes > ZC_MAIL_QUEUE)
		return;
	memset(to, 0, bytes);
	memcpy(to, head, sizeof(*head));
	memcpy(to + sizeof(*head), payload, head->bytes);
	m->queued += bytes;
	m->queued_nr++;
}

/* @from: whose box it is, who may write there what he likes. */
static void zc_role_take(struct zc_role_mail *m, u32 from, const struct zc_mailbox *box,
			 u32 *read)
{
	struct zc_mail_head head;
	struct zc_mail_in in;
	const void *payload;
	uintptr_t before;

	if (!zc_mail_waits(box, read) || !zc_mail_take(box, read, &in))
		return;
	while (zc_mail_next(&in, &head, &payload)) {
		zc_message_t message = { .type = head.type,
					 .create_ns = head.create_ns,
					 .bytes = head.bytes,
					 .payload = payload };

		/* There are no others: a program may have a table of them. */
		if (!head.type || head.type > ZC_MSG_MAX)
			continue;
		if (from != ZC_AS_IT_SAYS)
			head.src = from;
		message.src = head.src;
		m->received++;
		if (head.type == ZC_MSG_MISSING_BLOCK && head.bytes == 16 &&
		    head.src < ZC_MAX_CLEANERS) {
			u64 news[2];

			memcpy(news, payload, sizeof(news));
			before = zc_handlers_enter(&m->handlers);
			zc_hook_missing(m->pool, m->writer, news[0], news[1]);
			zc_handlers_leave(&m->handlers, before);
		}
		if (!zc_handlers_call(&m->handlers, &message))
			zc_role_queue(m, &head, payload);
	}
}

static void zc_role_look(struct zc_role_mail *m)
{
	const struct zc_view *v = &m->pool->view;
	struct zc_writer_mail *wm = zc_writer_mail(v, m->writer);
	u32 i;

	if (m->reader != ~0U) {
		struct zc_reader_mail *rm = zc_reader_mail(v, m->writer, m->reader);

		ZC_ALL_NODES(i, v)
			zc_role_take(m, ZC_AS_IT_SAYS,
				     &zc_node_area(v, i)->to_reader[m->writer]
								   [m->reader],
				     &rm->read_node[i]);
		zc_role_take(m, ZC_PEER_WRITER(m->writer), &wm->reader[m->reader],
			     &rm->read_writer);
		return;
	}
	ZC_ALL_NODES(i, v)
		zc_role_take(m, ZC_AS_IT_SAYS, &zc_node_area(v, i)->to_writer[m->writer],
			     &wm->read_node[i]);
	m->pool->backend->readers_map(m->pool, m->writer);
	for (i = 0; i < ZC_MAX_READERS_PER; i++)
		if (zc_peer_incarnation(v, ZC_PEER_READER(m->writer, i)) &&
		    zc_reader_seen(v, m->writer, i))
			zc_role_take(m, ZC_PEER_READER(m->writer, i),
				     &zc_reader_mail(v, m->writer, i)->writer,
				     &wm->read_reader[i]);
}

/* --- sending ------------------------------------------------------------------------------ */

static u32 zc_role_peer(const struct zc_role_mail *m, u32 i)
{
	return m->reader != ~0U ? ZC_PEER_WRITER(m->writer) :
				  ZC_PEER_READER(m->writer, i);
}

/* The box to a peer of this service; false: nobody is there. */
static bool zc_role_peer_open(struct zc_role_mail *m, u32 i)
{
	const struct zc_view *v = &m->pool->view;
	u32 incarnation = zc_peer_incarnation(v, zc_role_peer(m, i));

	if (!incarnation)
		return false;
	if (m->reader != ~0U || m->peer_incarnation[i] == incarnation)
		return true;
	/* What collected was for another. */
	if (!zc_reader_seen(v, m->writer, i))
		m->pool->backend->readers_map(m->pool, m->writer);
	if (!zc_reader_seen(v, m->writer, i))
		return false;
	zc_mail_resume(&m->peer[i], &zc_writer_mail(v, m->writer)->reader[i],
		       &zc_reader_mail(v, m->writer, i)->read_writer);
	m->peer_incarnation[i] = incarnation;
	return true;
}

static void zc_role_flush(struct zc_role_mail *m)
{
	u32 i, most = m->reader != ~0U ? 1 : ZC_MAX_READERS_PER;

	if (zc_mail_flush(&m->team))
		zc_team_ring(m->pool);
	m->collected = m->team.collected;
	for (i = 0; i < most; i++) {
		if (!m->peer[i].collected)
			continue;
		if (!zc_role_peer_open(m, i))
			m->peer[i].collected = 0;
		else if (zc_mail_flush(&m->peer[i]))
			zc_peer_ring(m->pool, zc_role_peer(m, i));
		m->collected |= m->peer[i].collected != 0;
	}
}

/*
 * While something waits to be handed over it is looked after at each verb.  Back, not
 * on: one ring more and the bell would be what was "seen", and nobody would look.
 */
static void zc_role_look_again(const struct zc_role_mail *m, u32 *seen)
{
	if (m->collected)
		*seen = zc_bell_mix(*seen, *seen - 1);
}

void zc_role_mail_turn(struct zc_role_mail *m, u32 *seen)
{
	const struct zc_view *v = &m->pool->view;
	struct zc_writer_mail *wm = zc_writer_mail(v, m->writer);
	u32 bell;

	if (m->inside)
		return;		/* a handler of ours called this */
	m->inside = true;
	/* Before the look: what comes later changes it again. */
	bell = zc_load_acquire(m->reader != ~0U ? &wm->reader_bell[m->reader] :
						  &wm->bell);
	zc_role_look(m);
	zc_role_flush(m);
	*seen = zc_bell_mix(*seen, bell);
	zc_role_look_again(m, seen);
	m->inside = false;
}

void zc_writer_hear(struct zc_writer *w)
{
	u32 bell = zc_load_relaxed(w->bell);

	if (zc_bell_mix(bell, 0) != zc_bell_mix(w->bell_seen, 0)) {
		w->bell_seen = zc_bell_mix(bell, w->bell_seen);
		zc_seal_rotate(&w->seal, w->claims, w->claims_nr, zc_inflight(w));
	}
	if (bell != w->bell_seen && !zc_inflight(w))
		zc_role_mail_turn(w->mail, &w->bell_seen);
}

void zc_reader_hear(struct zc_reader *r)
{
	/* [Y2] the bell before how it is guarded, which may be what it rings for. */
	u32 bell = zc_load_acquire(r->bell), held = r->held_nr - r->free_held_nr;

	if (zc_bell_mix(bell, 0) != zc_bell_mix(r->bell_seen, 0)) {
		r->bell_seen = zc_bell_mix(bell, r->bell_seen);
		zc_seal_rotate(&r->seal, r->held, r->held_nr, held);
		/* No poll looks for it again that finds the bell as it was heard. */
		zc_guard_look(r);
	}
	if (bell != r->bell_seen && !held)
		zc_role_mail_turn(r->mail, &r->bell_seen);
}

static zc_result_t zc_role_send_check(const struct zc_role_mail *m, u32 dst,
				      u32 type, const void *payload, size_t bytes)
{
	if (dst == m->self)
		return zc_fail(ZC_ERROR_INVALID, "a role does not write to itself");
	if (dst != ZC_TEAM && !zc_peer_is_writer(dst) && !zc_peer_is_reader(dst))
		return zc_fail(ZC_ERROR_INVALID,
			       "0x%x is no writer, reader or ZC_TEAM", dst);
	if (!type || type > ZC_MSG_MAX || type == ZC_MSG_REQ_TRANSPOND)
		return zc_fail(ZC_ERROR_INVALID,
			       "message type %u: they go from 1 to %u, without %u",
			       type, ZC_MSG_MAX, ZC_MSG_REQ_TRANSPOND);
	if (bytes > ZC_MESSAGE_BYTES || (bytes && !payload))
		return zc_fail(ZC_ERROR_INVALID,
			       "a message carries up to %u bytes, not %zu%s",
			       ZC_MESSAGE_BYTES, bytes, payload ? "" : " of NULL");
	if (dst != ZC_TEAM && !zc_peer_incarnation(&m->pool->view, dst))
		return zc_fail(ZC_ERROR_NOT_FOUND, "role 0x%x is not there", dst);
	return ZC_OK;
}

/* @dst's place among the peers of this service, or ~0: by the cleaners. */
static u32 zc_role_place(const struct zc_role_mail *m, u32 dst)
{
	u32 first = ZC_PEER_READER(m->writer, 0);

	if (m->reader != ~0U)
		return dst == ZC_PEER_WRITER(m->writer) ? 0 : ~0U;
	return dst - first < ZC_MAX_READERS_PER ? dst - first : ~0U;
}

static zc_result_t zc_role_send(struct zc_role_mail *m, u32 *seen, u32 dst,
				u32 type, const void *payload, size_t bytes)
{
	struct zc_mail_head head = { .type = (__u16)type,
				     .bytes = (__u16)bytes,
				     .src = m->self,
				     .create_ns = zc_timestamp() };
	char wrapped[sizeof(struct zc_transpond) + ZC_MESSAGE_BYTES];
	zc_result_t result = zc_role_send_check(m, dst, type, payload, bytes);
	struct zc_mail_out *out = &m->team;
	u32 place;

	if (result != ZC_OK)
		return result;
	place = zc_role_place(m, dst);
	if (place != ~0U) {
		if (!zc_role_peer_open(m, place))
			return zc_fail(ZC_ERROR_NOT_FOUND,
				       "role 0x%x is not there", dst);
		out = &m->peer[place];
	} else if (zc_on_duty(&m->pool->view) == ~0U) {
		return zc_fail(ZC_ERROR_NOT_FOUND,
			       "pool %s has no cleaner, who would %s: start one",
			       m->pool->name,
			       dst == ZC_TEAM ? "get it" : "pass it on");
	} else if (dst != ZC_TEAM) {
		struct zc_transpond t = { .dst = dst, .type = type };

		memcpy(wrapped, &t, sizeof(t));
		if (bytes)
			memcpy(wrapped + sizeof(t), payload, bytes);
		payload = wrapped;
		head.type = ZC_MSG_REQ_TRANSPOND;
		head.bytes = (__u16)(bytes + sizeof(t));
	}
	if (!zc_mail_put(out, &head, payload)) {
		zc_role_flush(m);
		if (!zc_mail_put(out, &head, payload))
			return zc_fail(ZC_ERROR_BUSY,
				       "role 0x%x has not read what was sent before: try again",
				       dst);
	}
	zc_role_flush(m);
	zc_role_look_again(m, seen);
	return ZC_OK;
}

static zc_result_t zc_role_check(struct zc_role_mail *m, u32 *seen,
				 size_t *received, size_t *unprocessed,
				 void *stream, size_t stream_bytes)
{
	u32 pos = 0, nr = 0;

	if (m->inside)
		return zc_fail(ZC_ERROR_BUSY, "a handler of this role is running");
	if (stream && (uintptr_t)stream % 8)
		return zc_fail(ZC_ERROR_INVALID, "stream is not aligned to 8");
	zc_role_mail_turn(m, seen);
	while (stream && pos < m->queued) {
		const struct zc_mail_head *head =
			(const void *)((const char *)m->queue + pos);
		u32 bytes = (u32)(sizeof(*head) + head->bytes + 7) & ~7u;

		if (pos + bytes > stream_bytes)
			break;
		pos += bytes;
		nr++;
	}
	if (pos)
		memcpy(stream, m->queue, pos);
	memmove(m->queue, (const char *)m->queue + pos, m->queued - pos);
	m->queued -= pos;
	m->queued_nr -= nr;
	if (received)
		*received = m->received;
	m->received = 0;
	if (unprocessed)
		*unprocessed = nr;
	return ZC_OK;
}

static zc_result_t zc_role_handle(struct zc_role_mail *m, u32 type,
				  zc_message_handler_t handler, void *ctx)
{
	if (type > ZC_MSG_MAX)
		return zc_fail(ZC_ERROR_INVALID, "message type %u: there are %u",
			       type, ZC_MSG_MAX);
	zc_handlers_set(&m->handlers, type, handler, ctx);
	return ZC_OK;
}

/* --- the verbs, of both roles ------------------------------------------------------------- */

#define ZC_ROLE_USABLE(role, what)                                             \
	do {                                                                   \
		if (!(role))                                                   \
			return zc_fail(ZC_ERROR_INVALID, what " is NULL");     \
		if (!zc_role_usable((role)->alive, &(role)->closed))           \
			return zc_role_fail((role)->pool, (role)->alive);      \
	} while (0)

zc_result_t zc_writer_send_message(zc_writer_t *w, uint32_t dst, uint32_t type,
				   const void *payload, size_t bytes)
{
	ZC_ROLE_USABLE(w, "writer");
	return zc_role_send(w->mail, &w->bell_seen, dst, type, payload, bytes);
}

zc_result_t zc_reader_send_message(zc_reader_t *r, uint32_t dst, uint32_t type,
				   const void *payload, size_t bytes)
{
	ZC_ROLE_USABLE(r, "reader");
	return zc_role_send(r->mail, &r->bell_seen, dst, type, payload, bytes);
}

zc_result_t zc_writer_handle_message(zc_writer_t *w, uint32_t type,
				     zc_message_handler_t handler, void *ctx)
{
	ZC_ROLE_USABLE(w, "writer");
	return zc_role_handle(w->mail, type, handler, ctx);
}

zc_result_t zc_reader_handle_message(zc_reader_t *r, uint32_t type,
				     zc_message_handler_t handler, void *ctx)
{
	ZC_ROLE_USABLE(r, "reader");
	return zc_role_handle(r->mail, type, handler, ctx);
}

zc_result_t zc_writer_check_message(zc_writer_t *w, size_t *received,
				    size_t *unprocessed, void *stream,
				    size_t stream_bytes)
{
	zc_result_t result;

	ZC_ROLE_USABLE(w, "writer");
	zc_writer_hear(w);
	result = zc_role_check(w->mail, &w->bell_seen, received, unprocessed, stream,
			       stream_bytes);
	/* The bell may have rung for that: it is heard, and acquire looks no more. */
	if (zc_role_usable(w->alive, &w->closed))
		zc_drain_look(w);
	return result;
}

zc_result_t zc_reader_check_message(zc_reader_t *r, size_t *received,
				    size_t *unprocessed, void *stream,
				    size_t stream_bytes)
{
	ZC_ROLE_USABLE(r, "reader");
	zc_reader_hear(r);
	return zc_role_check(r->mail, &r->bell_seen, received, unprocessed, stream,
			     stream_bytes);
}
