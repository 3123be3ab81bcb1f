// SPDX-License-Identifier: MIT OR LGPL-2.1
#include "core/killpoint.h"
#include "internal.h"
#include "node.h"

#define ZC_NODE_HOPS (2U * ZC_MAX_CLEANERS)

static bool zc_node_ever(const struct zc_view *v, u32 c)
{
	/* Else its region may not be there. */
	return zc_life_incarnation(zc_load_acquire(&v->cleaner_slots[c].life));
}

bool zc_node_there(const struct zc_view *v, u32 c, u64 now_ns)
{
	u64 life = zc_load_acquire(&v->cleaner_slots[c].life);
	const struct zc_node_area *a = zc_node_area(v, c);
	u64 due;

	if (zc_life_state(life) != ZC_LIFE_LIVE ||
	    zc_load_acquire(&a->incarnation) != zc_life_incarnation(life))
		return false;
	due = zc_load_relaxed(&a->due_ns);
	return now_ns < due || now_ns - due < ZC_NODE_STALE_NS;
}

u32 zc_node_neighbour(const struct zc_node *n, bool backward, u64 now_ns)
{
	u32 step = backward ? ZC_MAX_CLEANERS - 1 : 1, c = n->id;

	do {
		c = (c + step) % ZC_MAX_CLEANERS;
	} while (c != n->id && !zc_node_there(n->v, c, now_ns));
	return c;
}

void zc_node_alive(struct zc_node *n, u64 now_ns, u64 due_ns)
{
	zc_store_relaxed(&n->area->alive_ns, now_ns);
	zc_store_relaxed(&n->area->due_ns, due_ns);
}

static struct zc_packet *zc_lane(const struct zc_view *v, u32 from, u32 to,
				 u64 sequence)
{
	return &zc_node_area(v, from)
			->lane[to][sequence & (ZC_LANE_PACKETS - 1)];
}

/* What came for whoever was here before is not for me. */
static void zc_node_skip(struct zc_node *n, u32 from)
{
	n->tail[from] = zc_load_acquire(
		&zc_node_area(n->v, from)->head[n->id]);
	zc_store_release(&n->area->tail[from], n->tail[from]);
}

void zc_node_begin(struct zc_node *n, const struct zc_view *v, u32 id,
		   u32 incarnation, u32 flags, u64 now_ns)
{
	struct zc_node_area *a = zc_node_area(v, id);
	u32 c;

	memset(n, 0, sizeof(*n));
	n->v = v;
	n->area = a;
	n->id = id;
	n->incarnation = incarnation;
	n->next_id = zc_load_relaxed(&a->next_id) + 1;
	for (c = 0; c < ZC_MAX_CLEANERS; c++) {
		u64 head = zc_load_relaxed(&a->head[c]);

		/* It died between the packet and its head. */
		if (zc_load_relaxed(&zc_lane(v, id, c, head)->sequence) ==
		    head + 1)
			head++;
		n->head[c] = head;
		zc_store_relaxed(&a->head[c], head);
		if (zc_node_ever(v, c))
			zc_node_skip(n, c);
	}
	zc_store_relaxed(&a->bell, 0);
	zc_store_relaxed(&a->flags, flags);
	zc_store_relaxed(&a->load, 0);
	zc_store_relaxed(&a->passes, 0);
	zc_store_relaxed(&a->pass_ns, 0);
	zc_store_relaxed(&a->busy_ns, 0);
	zc_store_relaxed(&a->merged, 0);
	zc_store_relaxed(&a->adopted, 0);
	zc_store_relaxed(&a->reclaimed, 0);
	zc_store_relaxed(&a->sent, 0);
	zc_store_relaxed(&a->received, 0);
	zc_store_relaxed(&a->forwarded, 0);
	zc_store_relaxed(&a->dropped, 0);
	zc_node_alive(n, now_ns, now_ns);
	/* [N4] a region in order before its incarnation; pairs with [N4] in
	 * zc_node_there(). */
	zc_store_release(&a->incarnation, incarnation);
	ZC_KILLPOINT(node_begun);
}

/* --- lanes ------------------------------------------------------------------------ */

#define ZC_PACKET_WORDS (sizeof(struct zc_packet) / sizeof(u64))

bool zc_node_put(struct zc_node *n, u32 to, const struct zc_packet *p)
{
	const struct zc_node_area *other = zc_node_area(n->v, to);
	u64 head = n->head[to], words[ZC_PACKET_WORDS];
	struct zc_packet *e = zc_lane(n->v, n->id, to, head);
	u32 i;

	/* [N2] what was copied there before what is stored now. */
	if (head - zc_load_acquire(&other->tail[n->id]) >= ZC_LANE_PACKETS)
		return false;
	memcpy(words, p, sizeof(words));
	for (i = 1; i < ZC_PACKET_WORDS; i++)
		zc_store_relaxed((u64 *)e + i, words[i]);
	ZC_KILLPOINT(packet_filled);
	/* [N1] the packet before its sequence; pairs with [N1] in zc_node_take(). */
	zc_store_release(&e->sequence, head + 1);
	ZC_KILLPOINT(packet_put);
	n->head[to] = head + 1;
	zc_store_relaxed(&n->area->head[to], head + 1);
	zc_node_ring(n->v, to);
	return true;
}

static bool zc_packet_sane(const struct zc_packet *p)
{
	return p->src < ZC_MAX_CLEANERS && p->bytes <= ZC_PACKET_BYTES &&
	       p->type && p->type <= ZC_MSG_MAX &&
	       (p->dst < ZC_MAX_CLEANERS || p->dst == ZC_PEER_ALL);
}

static bool zc_lane_take(struct zc_node *n, u32 from, struct zc_packet *p)
{
	struct zc_packet *e = zc_lane(n->v, from, n->id, n->tail[from]);
	u64 words[ZC_PACKET_WORDS];
	u32 i;

	/* [N1] sequence before the packet. */
	if (zc_load_acquire(&e->sequence) != n->tail[from] + 1)
		return false;
	for (i = 1; i < ZC_PACKET_WORDS; i++)
		words[i] = zc_load_relaxed((u64 *)e + i);
	words[0] = ++n->tail[from];
	/* [N2] the copy before its place is somebody else's; pairs with [N2] in
	 * zc_node_put(). */
	zc_store_release(&n->area->tail[from], n->tail[from]);
	memcpy(p, words, sizeof(*p));
	return true;
}

bool zc_node_take(struct zc_node *n, struct zc_packet *p)
{
	u32 i;

	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		u32 from = (n->turn + i) % ZC_MAX_CLEANERS;

		if (from == n->id || !zc_node_ever(n->v, from))
			continue;
		while (zc_lane_take(n, from, p)) {
			n->turn = from;
			if (zc_packet_sane(p))
				return true;
			n->dropped++;
		}
	}
	n->turn = (n->turn + 1) % ZC_MAX_CLEANERS;
	return false;
}

bool zc_node_fresh(struct zc_node *n, const struct zc_packet *p)
{
	struct zc_seen *s = &n->seen[p->src];
	u32 incarnation = zc_life_incarnation(
		zc_load_relaxed(&n->v->cleaner_slots[p->src].life));
	u32 ahead = p->id - s->top;

	if (p->src == n->id)
		return false;
	if (s->incarnation != incarnation || !s->bits) {
		s->incarnation = incarnation;
		s->top = p->id;
		s->bits = 1;
		return true;
	}
	if (ahead && ahead < 1U << 31) {
		s->bits = ahead < 64 ? s->bits << ahead | 1 : 1;
		s->top = p->id;
		return true;
	}
	if (-ahead > 63 || s->bits >> -ahead & 1)
		return false;
	s->bits |= 1ULL << -ahead;
	return true;
}

/* --- round the ring ---------------------------------------------------------------- */

bool zc_node_send(struct zc_node *n, struct zc_packet *p, u32 ways, u64 now_ns)
{
	u32 w, sent = 0;

	p->src = (u8)n->id;
	p->id = n->next_id++;
	p->hops = 0;
	zc_store_relaxed(&n->area->next_id, n->next_id);
	for (w = 0; w < ways; w++) {
		u32 to = zc_node_neighbour(n, w, now_ns);

		p->flags = w ? ZC_PACKET_BACKWARD : 0;
		if (to != n->id && zc_node_put(n, to, p))
			sent++;
	}
	if (!sent) {
		n->dropped++;
		return false;
	}
	zc_store_relaxed(&n->area->sent, ++n->sent);
	return true;
}

void zc_node_forward(struct zc_node *n, struct zc_packet *p, u64 now_ns)
{
	u32 to;

	if (p->dst == n->id)
		return;
	to = zc_node_neighbour(n, p->flags & ZC_PACKET_BACKWARD, now_ns);
	if (to == n->id || to == p->src)
		return;		/* it was everywhere */
	if (++p->hops >= ZC_NODE_HOPS || !zc_node_put(n, to, p)) {
		zc_store_relaxed(&n->area->dropped, ++n->dropped);
		return;
	}
	zc_store_relaxed(&n->area->forwarded, ++n->forwarded);
}

/* --- the bell ------------------------------------------------------------------------ */

static bool zc_node_ready(struct zc_node *n)
{
	u32 c;

	for (c = 0; c < ZC_MAX_CLEANERS; c++) {
		u64 head;

		if (c == n->id || !zc_node_ever(n->v, c))
			continue;
		if (zc_load_acquire(&zc_lane(n->v, c, n->id, n->tail[c])
					     ->sequence) == n->tail[c] + 1)
			return true;
		/* Somebody wrote what is nobody's lane: start where its owner is. */
		head = zc_load_acquire(&zc_node_area(n->v, c)->head[n->id]);
		if (head - n->tail[c] > ZC_LANE_PACKETS)
			zc_node_skip(n, c);
	}
	return false;
}

void zc_node_sleep(struct zc_node *n, const u32 *awake, u64 deadline_ns)
{
	u32 *bell = &n->area->bell;

	zc_exchange32(bell, 1);
	ZC_KILLPOINT(node_sleeps);
	/* [N3] the bell is set before the look, and what we are woken for is stored
	 * before the look at the bell; pairs with [N3] in zc_node_ring(). */
	zc_fence_full();
	if (!zc_load_relaxed(awake) && !zc_node_ready(n))
		zc_futex_wait(bell, 1, deadline_ns);
	zc_store_relaxed(bell, 0);
}

void zc_node_ring(const struct zc_view *v, u32 c)
{
	u32 *bell = &zc_node_area(v, c)->bell;

	zc_fence_full();	/* [N3] */
	if (zc_load_relaxed(bell) && zc_exchange32(bell, 0))
		zc_futex_wake(bell);
}

void zc_nodes_ring(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 c;

	for (c = 0; pool->may_write && c < ZC_MAX_CLEANERS; c++)
		if (zc_life_state(zc_load_acquire(&v->cleaner_slots[c].life)) ==
		    ZC_LIFE_LIVE)
			zc_node_ring(v, c);
}
