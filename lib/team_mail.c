// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * team_mail.c - the cleaner on duty gets messages of writers and readers, passes on what
 * is for others, and warns readers of what they have not read for long.
 *
 * Its mailboxes are its own: one that was on duty, was stopped, and goes on, disturbs
 * nobody.
 */
#include <stdlib.h>

#include "backend.h"
#include "cleaner.h"
#include "role_mail.h"

#define ZC_READERS (ZC_MAX_WRITERS * ZC_MAX_READERS_PER)
#define ZC_MISSING_LOOK_NS 20000000ULL
/* A lower level is told when it has lasted. */
#define ZC_CALM_NS 100000000ULL

struct zc_post {
	/* To writers, then readers. */
	struct zc_mail_out out[ZC_MAX_WRITERS + ZC_READERS];
	u32 incarnation[ZC_MAX_WRITERS + ZC_READERS];
	bool collected;
	u64 looked_ns;
	/* Backpressure: what is to be told, since when it is less than that, and what
	 * each knows. */
	zc_pressure_t level;
	bool settled;		/* all that were there are known */
	u64 calm_ns;
	u64 used_percent;
	u8 told[ZC_MAX_WRITERS + ZC_READERS];
	u32 told_incarnation[ZC_MAX_WRITERS + ZC_READERS];
	/* Of each reader: what it has not read, since when, and what was said. */
	struct {
		u64 cursor;
		u64 since_ns;
		bool warned;
		u32 relayed;	/* version of its mail to the writer */
	} reader[ZC_READERS];
};

void zc_team_mail_close(struct zc_cleaner *c)
{
	free(c->post);
	c->post = NULL;
}

static u32 zc_post_place(u32 peer)
{
	return zc_peer_is_writer(peer) ?
		       peer - ZC_PEER_WRITER(0) :
		       ZC_MAX_WRITERS + peer - ZC_PEER_READER(0, 0);
}

static u32 zc_post_peer(u32 place)
{
	return place < ZC_MAX_WRITERS ?
		       ZC_PEER_WRITER(place) :
		       ZC_PEER_READER(0, 0) + place - ZC_MAX_WRITERS;
}

/* The box to @peer; NULL: nobody is there. */
static struct zc_mail_out *zc_post_open(struct zc_cleaner *c, u32 place)
{
	const struct zc_view *v = &c->pool->view;
	u32 peer = zc_post_peer(place), incarnation = zc_peer_incarnation(v, peer);
	struct zc_node_area *a = c->ring.node.area;
	struct zc_mail_out *out = &c->post->out[place];
	u32 n = place - ZC_MAX_WRITERS, w = n / ZC_MAX_READERS_PER;
	u32 r = n % ZC_MAX_READERS_PER;

	if (!incarnation)
		return NULL;
	if (c->post->incarnation[place] == incarnation)
		return out;
	if (place < ZC_MAX_WRITERS) {
		zc_mail_resume(out, &a->to_writer[place],
			       &zc_writer_mail(v, place)->read_node[c->id]);
	} else {
		if (!zc_reader_seen(v, w, r))
			return NULL;
		zc_mail_resume(out, &a->to_reader[w][r],
			       &zc_reader_mail(v, w, r)->read_node[c->id]);
	}
	c->post->incarnation[place] = incarnation;
	return out;
}

static void zc_post_flush(struct zc_cleaner *c)
{
	u32 i;

	if (!c->post->collected)
		return;
	c->post->collected = false;
	for (i = 0; i < ZC_MAX_WRITERS + ZC_READERS; i++) {
		struct zc_mail_out *out = &c->post->out[i];

		if (!out->collected)
			continue;
		if (!zc_post_open(c, i))
			out->collected = 0;
		else if (zc_mail_flush(out))
			zc_peer_ring(c->pool, zc_post_peer(i));
		c->post->collected |= out->collected != 0;
	}
}

/* zc_cleaner_send_message_to_writer() and _to_reader() of the reference. */
static bool zc_post_put(struct zc_cleaner *c, u32 peer,
			const struct zc_mail_head *head, const void *payload)
{
	struct zc_mail_out *out = zc_post_open(c, zc_post_place(peer));

	if (!out)
		return false;
	if (!zc_mail_put(out, head, payload)) {
		if (!zc_mail_flush(out))
			return false;
		zc_peer_ring(c->pool, peer);
		if (!zc_mail_put(out, head, payload))
			return false;
	}
	c->post->collected = true;
	return true;
}

/* Passed on: from whom, and when, stays as it was. */
static void zc_post_transpond(struct zc_cleaner *c, const struct zc_mail_head *head,
			      const char *payload)
{
	struct zc_mail_head on = *head;
	struct zc_transpond t;

	if (head->bytes < sizeof(t))
		return;
	memcpy(&t, payload, sizeof(t));
	if ((!zc_peer_is_writer(t.dst) && !zc_peer_is_reader(t.dst)) ||
	    !t.type || t.type > ZC_MSG_MAX)
		return;
	on.type = (__u16)t.type;
	on.bytes = (__u16)(head->bytes - sizeof(t));
	if (!zc_post_put(c, t.dst, &on, payload + sizeof(t)))
		c->ring.node.dropped++;
}

static void zc_post_take(struct zc_cleaner *c, u32 from,
			 const struct zc_mailbox *box, u32 *read)
{
	struct zc_mail_head head;
	struct zc_mail_in in;
	const void *payload;

	if (!zc_mail_waits(box, read) || !zc_mail_take(box, read, &in))
		return;
	while (zc_mail_next(&in, &head, &payload)) {
		zc_message_t message = { .type = head.type,
					 .src = from,
					 .create_ns = head.create_ns,
					 .bytes = head.bytes,
					 .payload = payload };

		/* Whose box it is, not what it says. */
		head.src = from;
		if (head.type == ZC_MSG_REQ_TRANSPOND)
			zc_post_transpond(c, &head, payload);
		else if (head.type >= ZC_MSG_USER)
			zc_handlers_call(&c->ring.handlers, &message);
	}
}

/* A reader that has had something to read for long, and does not. */
static void zc_post_missing(struct zc_cleaner *c, u32 w, u32 r, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u64 cursor = zc_load_acquire(&zc_reader_area(v, w, r)->cursor);
	u64 head = zc_load_acquire(&zc_writer_area(v, w)->head);
	u32 n = w * ZC_MAX_READERS_PER + r;
	struct zc_mail_head mail = { .type = ZC_MSG_MISSING_BLOCK,
				     .bytes = 2 * sizeof(u64),
				     .src = ZC_PEER_NODE(c->id),
				     .create_ns = now };
	u64 news[2];

	c->team.restless |= cursor && cursor < head && !c->post->reader[n].warned;
	if (!cursor || cursor >= head || cursor != c->post->reader[n].cursor) {
		c->post->reader[n].cursor = cursor;
		c->post->reader[n].since_ns = now;
		c->post->reader[n].warned = false;
		return;
	}
	news[0] = cursor;
	news[1] = now - c->post->reader[n].since_ns;
	if (news[1] < c->unread_ns || c->post->reader[n].warned)
		return;
	c->post->reader[n].warned = zc_post_put(c, ZC_PEER_READER(w, r), &mail, news);
}

/* Whoever is new thinks that there is none, others what the last on duty told. */
static void zc_post_pressure(struct zc_cleaner *c, u32 peer, u64 now)
{
	u32 place = zc_post_place(peer);
	u32 incarnation = zc_peer_incarnation(&c->pool->view, peer);
	struct zc_post *post = c->post;
	struct zc_mail_head mail = { .type = ZC_MSG_BACKPRESSURE,
				     .bytes = 2 * sizeof(u64),
				     .src = ZC_PEER_NODE(c->id),
				     .create_ns = now };
	u64 news[2] = { post->level, post->used_percent };

	if (!incarnation)
		return;
	if (post->told_incarnation[place] != incarnation) {
		if (post->settled)
			post->told[place] = ZC_PRESSURE_NONE;
		post->told_incarnation[place] = incarnation;
	}
	if (post->told[place] != (u8)post->level &&
	    zc_post_put(c, peer, &mail, news))
		post->told[place] = (u8)post->level;
}

/* Up at once; down when it has lasted. */
static void zc_post_level(struct zc_cleaner *c, u64 now)
{
	struct zc_hints *h = c->pool->view.hints;
	struct zc_room room = zc_room_now(&c->pool->view);
	zc_pressure_t before = c->post->level;

	if (c->level >= before || !c->post->calm_ns)
		c->post->calm_ns = now;
	c->team.restless |= c->level < before;
	if (c->level == before ||
	    (c->level < before && now - c->post->calm_ns < ZC_CALM_NS))
		return;
	if (!((zc_ask_relief(&c->strategies, c->level) |
	       zc_ask_relief(&c->strategies, before)) & ZC_RELIEF_TELL))
		return;
	c->post->level = c->level;
	c->post->used_percent = room.granules ?
		(room.granules - room.free) * 100 / room.granules : 0;
	zc_store_relaxed(&h->pressure, (u32)c->level);
}

static bool zc_post_begin(struct zc_cleaner *c)
{
	u32 told = zc_load_relaxed(&c->pool->view.hints->pressure);

	c->post = calloc(1, sizeof(*c->post));
	if (!c->post)
		return false;
	c->post->level = told <= ZC_PRESSURE_CRITICAL ? (zc_pressure_t)told :
							ZC_PRESSURE_NONE;
	memset(c->post->told, c->post->level, sizeof(c->post->told));
	return true;
}

static void zc_post_service(struct zc_cleaner *c, u32 w, bool look, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	struct zc_writer_mail *wm = zc_writer_mail(v, w);
	u32 mask = zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active));

	zc_post_take(c, ZC_PEER_WRITER(w), &wm->team, &wm->team_read);
	zc_post_pressure(c, ZC_PEER_WRITER(w), now);
	if (v->reader_mapped && mask)
		c->pool->backend->readers_map(c->pool, w);
	while (mask) {
		u32 r = (u32)__builtin_ctz(mask), n = w * ZC_MAX_READERS_PER + r;
		struct zc_reader_mail *rm = zc_reader_mail(v, w, r);
		u32 version;

		mask &= mask - 1;
		if (!zc_reader_seen(v, w, r))
			continue;
		zc_post_take(c, ZC_PEER_READER(w, r), &rm->team,
			     &wm->team_read_reader[r]);
		/* A reader cannot ring its writer's bell: it may not write there. */
		version = zc_load_relaxed(&rm->writer.version);
		if (version != c->post->reader[n].relayed &&
		    zc_mail_waits(&rm->writer, &wm->read_reader[r])) {
			c->post->reader[n].relayed = version;
			zc_peer_ring(c->pool, ZC_PEER_WRITER(w));
		}
		zc_post_pressure(c, ZC_PEER_READER(w, r), now);
		if (look)
			zc_post_missing(c, w, r, now);
	}
}

void zc_team_mail(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	bool look;
	u32 w;

	if (!c->post && !zc_post_begin(c))
		return;
	zc_post_level(c, now);
	look = now - c->post->looked_ns >= ZC_MISSING_LOOK_NS;
	if (look)
		c->post->looked_ns = now;
	for (w = 0; w < ZC_MAX_WRITERS; w++)
		if (zc_life_incarnation(zc_load_acquire(&v->writer_slots[w].life)))
			zc_post_service(c, w, look, now);
	c->post->settled = true;
	zc_post_flush(c);
}
