/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * node.h - a node of the MessageRing: lanes, neighbours, a bell.
 *
 * The ring has no links that a death could break: the next node is the next cleaner
 * slot that lives and has looked at its lanes lately.  From each node to each other
 * there is a lane, which one thread fills and one empties.
 */
#ifndef ZC_LIB_NODE_H
#define ZC_LIB_NODE_H

#include "core/view.h"

/* So long after it was due a node counts as gone, until it comes back. */
#define ZC_NODE_STALE_NS 250000000ULL

struct zc_node {
	const struct zc_view *v;
	struct zc_node_area *area;
	u32 id;
	u32 incarnation;
	u64 head[ZC_MAX_CLEANERS];	/* of my lanes */
	u64 tail[ZC_MAX_CLEANERS];	/* of those to me */
	u32 next_id;
	u32 turn;			/* lane that is looked at first */
	/* Ids that came from each node, of the last 64. */
	struct zc_seen {
		u32 incarnation;
		u32 top;
		u64 bits;
	} seen[ZC_MAX_CLEANERS];
	u64 sent, received, forwarded, dropped;
};

/* The slot is mine: what a predecessor left in its lanes stays, what came for it not. */
void zc_node_begin(struct zc_node *n, const struct zc_view *v, u32 id,
		   u32 incarnation, u32 flags, u64 now_ns);
/* Is somebody there who looks at his lanes? */
bool zc_node_there(const struct zc_view *v, u32 c, u64 now_ns);
/* The neighbour, @n itself if it is alone. */
u32 zc_node_neighbour(const struct zc_node *n, bool backward, u64 now_ns);
/* I am alive, and look again by then. */
void zc_node_alive(struct zc_node *n, u64 now_ns, u64 due_ns);

/* Puts @p into the lane to @to and wakes it; false: the lane is full. */
bool zc_node_put(struct zc_node *n, u32 to, const struct zc_packet *p);
/* The next packet from any lane; checked, but for whether it came before. */
bool zc_node_take(struct zc_node *n, struct zc_packet *p);
/* Did this one not come before? */
bool zc_node_fresh(struct zc_node *n, const struct zc_packet *p);

/* Sends one of mine to its first neighbours; @ways: 1, or 2: both. */
bool zc_node_send(struct zc_node *n, struct zc_packet *p, u32 ways, u64 now_ns);
/* One that came: on it goes, unless it is for me alone or has been everywhere. */
void zc_node_forward(struct zc_node *n, struct zc_packet *p, u64 now_ns);

/* Sleeps until the bell, or @deadline_ns; not at all if a packet is there or
 * @awake is not 0. */
void zc_node_sleep(struct zc_node *n, const u32 *awake, u64 deadline_ns);
/* Wakes node @c if it sleeps. What it is woken for was stored before. */
void zc_node_ring(const struct zc_view *v, u32 c);
/* The same of all that there are, if this process may write. */
struct zc_pool;
void zc_nodes_ring(struct zc_pool *pool);

#endif /* ZC_LIB_NODE_H */
