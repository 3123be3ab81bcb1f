// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * team.c - cleaners among themselves: who leads, how many they are.
 *
 * The word of duty is the truth; packets tell of it.  Whoever sees that the one on duty
 * is not there names the lowest that is, by CAS: any cleaner is the guardian of the
 * others.  One that was stopped, and goes on, finds another term.
 *
 * The leader counts votes: a cleaner asks the policy at the end of each pass.  A vote is
 * good for a second; more than half of all decide.
 */
#include "cleaner.h"
#include "core/killpoint.h"
#include "zora.h"

#define ZC_TEAM_BEAT_NS		100000000ULL
/* Of one that has nothing to tell: that it is there is in its region. */
#define ZC_TEAM_REST_BEAT_NS	5000000000ULL
#define ZC_TEAM_VOTE_NS		1000000000ULL
#define ZC_TEAM_SETTLE_NS	200000000ULL
#define ZC_TEAM_HURRY_NS	10000000ULL
#define ZC_TEAM_SCAN_GOAL_NS	100000000ULL
/* However many come and go. */
#define ZC_TEAM_KEYS_NS		100000000ULL
#define ZC_TEAM_SPARE_NS	1000000000ULL
#define ZC_TEAM_PAUSE_MAX_NS	60000000000ULL

static u32 zc_duty_node(u64 duty)
{
	return (u32)duty - 1;
}

static bool zc_cleaner_there(const struct zc_view *v, u32 c, u64 now)
{
	return c < ZC_MAX_CLEANERS && zc_node_there(v, c, now) &&
	       zc_load_relaxed(&zc_node_area(v, c)->flags) & ZC_NODE_CLEANER;
}

bool zc_team_leads(const struct zc_cleaner *c)
{
	return zc_duty_node(c->team.duty) == c->id;
}

/* Who asks is there, however late it comes. */
static u32 zc_team_count(const struct zc_cleaner *c, u64 now)
{
	u32 i, n = 0;

	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		n += i == c->id || zc_cleaner_there(&c->pool->view, i, now);
	return n;
}

/* Is one there that the team may end? */
static bool zc_team_hot(const struct zc_view *v, u64 now)
{
	u32 i;

	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		if (zc_cleaner_there(v, i, now) &&
		    zc_load_relaxed(&zc_node_area(v, i)->flags) & ZC_NODE_HOT)
			return true;
	return false;
}

/* --- duty -------------------------------------------------------------------------- */

static void zc_team_name(struct zc_cleaner *c, u64 duty, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u64 term = (duty >> ZC_DUTY_TERM_SHIFT) + 1;
	u64 news[2];
	u32 node = 0;

	while (node < ZC_MAX_CLEANERS && !zc_cleaner_there(v, node, now))
		node++;
	if (node == ZC_MAX_CLEANERS)
		node = c->id;
	if (!zc_cas64(&v->hints->duty, &duty,
		      term << ZC_DUTY_TERM_SHIFT | (node + 1)))
		return;		/* somebody else was faster */
	ZC_KILLPOINT(duty_named);
	news[0] = term;
	news[1] = node;
	zc_messagering_send(&c->ring, ZC_PEER_ALL, ZC_MSG_DUTY, news,
			    sizeof(news), ZC_MESSAGE_CRITICAL, now);
	ZC_KILLPOINT(duty_told);
}

/* --- scaling ------------------------------------------------------------------------ */

static void zc_team_vote(struct zc_cleaner *c, u32 from, bool up, u64 now)
{
	c->team.up_ns[from] = up ? now : 0;
	c->team.down_ns[from] = up ? 0 : now;
}

/* Where the largest part of the pool lies that nobody is about to come to. */
static u64 zc_team_gap(const struct zc_view *v, u32 except, u64 now)
{
	u64 total = zc_granules(v), widest = 0, middle = 0;
	u32 i, j;

	if (!total)
		return 0;	/* somebody wrote that there is nothing */
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		u64 at, gap = total;

		if (i == except || !zc_cleaner_there(v, i, now))
			continue;
		at = zc_load_relaxed(&zc_node_area(v, i)->position) % total;
		for (j = 0; j < ZC_MAX_CLEANERS; j++) {
			u64 other;

			if (j == i || j == except || !zc_cleaner_there(v, j, now))
				continue;
			other = zc_load_relaxed(&zc_node_area(v, j)->position);
			other = (other % total + total - at) % total;
			if (other && other < gap)
				gap = other;
		}
		if (gap > widest) {
			widest = gap;
			middle = (at + gap / 2) % total;
		}
	}
	return middle;
}

static void zc_team_start(struct zc_cleaner *c)
{
	const zc_cleaner_options_t o = { .sz = sizeof(o),
					 .period_ns = c->period_ns,
					 .idle_ns = c->idle_ns,
					 .slice = c->slice,
					 .unread_ns = c->unread_ns,
					 .key_period_ns = c->key_period_ns };
	struct zc_cleaner *more;

	zc_cleaners_sweep(c->pool, false);
	/* No place, no memory: it goes on with less. */
	zc_cleaner_new(c->pool, &o, ZC_CLEANER_HOT, &more);
}

static void zc_team_stop(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u32 i = ZC_MAX_CLEANERS;

	while (i--) {
		if (!zc_cleaner_there(v, i, now) ||
		    !(zc_load_relaxed(&zc_node_area(v, i)->flags) & ZC_NODE_HOT))
			continue;
		if (i == c->id)
			zc_store_release(&c->stop, 1);
		else
			zc_messagering_send(&c->ring, i, ZC_MSG_STOP, NULL, 0,
					    ZC_MESSAGE_CRITICAL, now);
		zc_log(ZC_LOG_INFO, "pool %s: one cleaner less, %u",
		       c->pool->name, i);
		return;
	}
}

static void zc_team_scale(struct zc_cleaner *c, u64 now)
{
	struct zc_team *t = &c->team;
	const struct zc_view *v = &c->pool->view;
	zc_scaling_policy_t policy;
	u32 i, up = 0, down = 0, all;

	if (now - t->scaled_ns < ZC_TEAM_SETTLE_NS)
		return;
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		if (!zc_cleaner_there(v, i, now))
			continue;
		up += t->up_ns[i] && now - t->up_ns[i] < ZC_TEAM_VOTE_NS;
		down += t->down_ns[i] && now - t->down_ns[i] < ZC_TEAM_VOTE_NS;
	}
	if (!up && !down)
		return;
	all = zc_team_count(c, now);
	policy = zc_scaling(c->pool);
	if (2 * up > all && (int)all < policy.max_cleaners)
		zc_team_start(c);
	else if (2 * down > all && all > 1)
		zc_team_stop(c, now);
	else
		return;
	/* Who voted thought of another number of cleaners. */
	memset(t->up_ns, 0, sizeof(t->up_ns));
	memset(t->down_ns, 0, sizeof(t->down_ns));
	t->scaled_ns = now;
}

/* --- packets ------------------------------------------------------------------------- */

static void zc_on_vote(const zc_message_t *m, void *ctx)
{
	struct zc_cleaner *c = ctx;

	zc_team_vote(c, m->src, m->type == ZC_MSG_SCALE_UP, zc_timestamp());
}

static void zc_on_stop(const zc_message_t *m, void *ctx)
{
	struct zc_cleaner *c = ctx;

	(void)m;
	if (c->hot)
		zc_store_release(&c->stop, 1);
}

static void zc_begin_at(struct zc_cleaner *c, const zc_message_t *m)
{
	u64 granule;

	if (m->bytes != sizeof(granule))
		return;
	memcpy(&granule, m->payload, sizeof(granule));
	if (granule < zc_granules(&c->pool->view))
		c->clean.first = (u32)(granule >> c->pool->view.segment_shift);
}

/* Writers wait: all of the pool is to be seen soon, beginning there. */
static void zc_on_merge_request(const zc_message_t *m, void *ctx)
{
	struct zc_cleaner *c = ctx;

	zc_begin_at(c, m);
	c->seen = 0;
}

/* Where the leader has its passes begin. */
static void zc_on_offset(const zc_message_t *m, void *ctx)
{
	zc_begin_at(ctx, m);
}

/* That it came is all that is in it. */
static void zc_on_news(const zc_message_t *m, void *ctx)
{
	(void)m;
	(void)ctx;
}

void zc_team_enter(struct zc_cleaner *c)
{
	static const struct {
		u32 type;
		zc_message_handler_t fn;
	} table[] = {
		{ ZC_MSG_SCALE_UP, zc_on_vote },
		{ ZC_MSG_SCALE_DOWN, zc_on_vote },
		{ ZC_MSG_STOP, zc_on_stop },
		{ ZC_MSG_MERGE_REQ, zc_on_merge_request },
		{ ZC_MSG_OFFSET, zc_on_offset },
		{ ZC_MSG_HEARTBEAT, zc_on_news },
		{ ZC_MSG_MERGE_COMPLETE, zc_on_news },
		{ ZC_MSG_DUTY, zc_on_news },
	};
	u32 i;

	for (i = 0; i < sizeof(table) / sizeof(*table); i++) {
		c->ring.handlers.by[table[i].type].fn = table[i].fn;
		c->ring.handlers.by[table[i].type].ctx = c;
	}
}

/* --- at each turn --------------------------------------------------------------------- */

static void zc_team_beat(struct zc_cleaner *c, u32 leader, u64 now)
{
	const struct zc_node_area *a = c->ring.node.area;
	u64 news[3];

	if (now - c->team.beat_ns <
	    (c->busy || c->passing ? ZC_TEAM_BEAT_NS : ZC_TEAM_REST_BEAT_NS))
		return;
	c->team.beat_ns = now;
	news[0] = zc_load_relaxed(&a->position);
	news[1] = zc_load_relaxed(&a->pass_ns);
	news[2] = zc_load_relaxed(&a->load);
	zc_messagering_send(&c->ring, leader, ZC_MSG_HEARTBEAT, news,
			    sizeof(news), 0, now);
}

/* Who is new begins where nobody is about to come. */
static void zc_team_welcome(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u32 i;

	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		u32 incarnation;
		u64 offset;

		/* Else its region may not be there. */
		if (i == c->id || !zc_cleaner_there(v, i, now))
			continue;
		incarnation = zc_load_relaxed(&zc_node_area(v, i)->incarnation);
		if (c->team.known[i] == incarnation)
			continue;
		offset = zc_team_gap(v, i, now);
		if (zc_messagering_send(&c->ring, i, ZC_MSG_OFFSET, &offset,
					sizeof(offset), 0, now))
			c->team.known[i] = incarnation;
	}
}

/* While writers wait, all look for memory: each in another part of the pool. */
static void zc_team_hurry(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u32 i, n = 1, all;

	if (!zc_load_relaxed(&v->hints->waiting_writers) ||
	    now - c->team.hurried_ns < ZC_TEAM_HURRY_NS)
		return;
	c->team.hurried_ns = now;
	c->seen = 0;
	all = zc_team_count(c, now);
	for (i = 0; i < ZC_MAX_CLEANERS; i++) {
		u64 granule = zc_granules(v) * n / all;

		if (i == c->id || !zc_cleaner_there(v, i, now))
			continue;
		zc_messagering_send(&c->ring, i, ZC_MSG_MERGE_REQ, &granule,
				    sizeof(granule), 0, now);
		n++;
	}
}

/* What a policy is told; @used: granules. */
static zc_stats_t zc_team_stats(const struct zc_cleaner *c, const struct zc_room *room,
				u64 used)
{
	const struct zc_view *v = &c->pool->view;
	u32 shift = v->granule_shift;

	return (zc_stats_t){
		.total_bytes = room->granules << shift,
		.used_bytes = (used < room->granules ? used : room->granules) << shift,
		.largest_free_bytes = c->clean.last.largest_free << shift,
		.waiting_writers = (u32)zc_load_relaxed(&v->hints->waiting_writers),
		.scan_ns = c->scan_ns,
		.scan_goal_ns = ZC_TEAM_SCAN_GOAL_NS,
		.segment_bytes = (u64)v->segment_granules << shift,
		.segments = room->segments,
		.least_segments = zc_load_relaxed(&v->header->least_segments),
		.max_segments = v->max_segments,
	};
}

/* In use by the members' count. */
static zc_stats_t zc_team_memory_stats(const struct zc_cleaner *c)
{
	struct zc_room room = zc_room_now(&c->pool->view);

	return zc_team_stats(c, &room, room.granules - room.free);
}

/* More memory: nearly all is in use, or somebody waits for some. */
static void zc_team_memory(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	zc_stats_t stats = zc_team_memory_stats(c);
	zc_scaling_policy_t policy;

	if (stats.segments >= v->max_segments || now < c->team.grow_ns)
		return;
	policy = zc_scaling(c->pool);
	if (!zc_ask_grow(&policy, &stats))
		return;
	if (zc_pool_grow(c->pool, 1) == ZC_OK)
		zc_log(ZC_LOG_INFO, "pool %s: grew to %u segments", c->pool->name,
		       zc_segments_live(v));
	else
		/* Another one is at it, or the machine is full. */
		c->team.grow_ns = now + ZC_TEAM_SETTLE_NS;
}

/* So little is in use, and for so long, that it is not again too much with less. */
static bool zc_team_has_spare(struct zc_cleaner *c, u64 now)
{
	zc_stats_t stats = zc_team_memory_stats(c);
	zc_scaling_policy_t policy;
	bool spare = false;

	if (stats.segments > stats.least_segments) {
		policy = zc_scaling(c->pool);
		spare = zc_ask_shrink(&policy, &stats) &&
			!zc_ask_grow(&policy, &stats);
	}
	if (!spare) {
		c->team.spare_ns = 0;
		return false;
	}
	if (!c->team.spare_ns)
		c->team.spare_ns = now;
	c->team.restless |= now >= c->team.shrink_ns;
	return now - c->team.spare_ns >= ZC_TEAM_SPARE_NS;
}

/* Less memory: much of it has been free for a while. */
static void zc_team_shrink(struct zc_cleaner *c, u64 now)
{
	struct zc_team *t = &c->team;

	if (!zc_team_has_spare(c, now)) {
		zc_drain_end(c->pool, &t->drain);
		t->shrink_pause_ns = 0;
		t->shrink_ns = 0;
		return;
	}
	if (now < t->shrink_ns)
		return;
	t->drain.turn_ns = c->idle_ns < ZC_RESTLESS_NS ? c->idle_ns : ZC_RESTLESS_NS;
	switch (zc_drain_step(c->pool, &t->drain, now)) {
	case ZC_DRAINED_ONE:
		t->shrink_pause_ns = 0;
		zc_log(ZC_LOG_INFO, "pool %s: shrank to %u segments", c->pool->name,
		       zc_segments_live(&c->pool->view));
		break;
	case ZC_DRAINED_ALL_TRIED:
		/* Somebody has something everywhere: ever more seldom. */
		memset(t->drain.refused, 0, sizeof(t->drain.refused));
		t->shrink_pause_ns = 2 * t->shrink_pause_ns + ZC_TEAM_SPARE_NS;
		if (t->shrink_pause_ns > ZC_TEAM_PAUSE_MAX_NS)
			t->shrink_pause_ns = ZC_TEAM_PAUSE_MAX_NS;
		t->shrink_ns = now + t->shrink_pause_ns;
		break;
	case ZC_DRAINED_NOT_YET:
		break;
	}
}

/* All take another key: it is time, or somebody came, went, died. */
static void zc_team_keys(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u32 epoch = zc_load_relaxed(&v->header->epoch);
	u64 since = now - c->team.keys_ns;

	if (since < c->key_period_ns &&
	    (epoch == c->team.keys_epoch || since < ZC_TEAM_KEYS_NS))
		return;
	c->team.keys_ns = now;
	c->team.keys_epoch = epoch;
	zora_ring_keys(v);
	ZC_KILLPOINT(keys_rung);
}

static void zc_team_ask(struct zc_cleaner *c, u64 scan_ns, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	const struct zc_clean_pass *p = &c->clean.last;
	zc_scaling_policy_t policy = zc_scaling(c->pool);
	struct zc_room room = zc_room_now(v);
	zc_stats_t s = zc_team_stats(c, &room, p->claimed + p->committed);
	u32 all = zc_team_count(c, now);
	bool up, down = false;

	c->team.asked_ns = now;
	c->team.voted = false;
	s.scan_ns = scan_ns / all;
	c->scan_ns = s.scan_ns;
	up = zc_ask_up(&policy, &s, all);
	if (!up)
		down = zc_ask_down(&policy, &s, all);
	/* A wish that cannot come true is not told. */
	if (up ? (int)all >= policy.max_cleaners : !down || !zc_team_hot(v, now))
		return;
	c->team.voted = true;
	if (zc_team_leads(c))
		zc_team_vote(c, c->id, up, now);
	else
		zc_messagering_send(&c->ring, zc_duty_node(c->team.duty),
				    up ? ZC_MSG_SCALE_UP : ZC_MSG_SCALE_DOWN,
				    NULL, 0, 0, now);
}

void zc_team_step(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	u64 duty = zc_load_acquire(&v->hints->duty);

	if (!zc_cleaner_there(v, zc_duty_node(duty), now)) {
		zc_team_name(c, duty, now);
		duty = zc_load_acquire(&v->hints->duty);
	}
	if (duty != c->team.duty) {
		memset(&c->team, 0, sizeof(c->team));
		c->team.duty = duty;
	}
	/* Nothing to scan is an opinion, too. */
	if (!c->passing && now - c->team.asked_ns > ZC_TEAM_VOTE_NS / 2)
		zc_team_ask(c, 0, now);
	c->team.restless = c->team.voted;
	if (!zc_team_leads(c)) {
		zc_team_beat(c, zc_duty_node(duty), now);
		return;
	}
	zc_team_mail(c, now);
	zc_team_welcome(c, now);
	zc_team_hurry(c, now);
	zc_team_keys(c, now);
	if (!c->guest) {
		zc_team_memory(c, now);
		zc_team_shrink(c, now);
		zc_team_scale(c, now);
	}
	ZC_KILLPOINT(duty_served);
}

void zc_team_pass(struct zc_cleaner *c, u64 now)
{
	const struct zc_clean_pass *p = &c->clean.last;
	u64 bytes = p->merged_granules << c->pool->view.granule_shift;

	if (p->merged && now - c->team.told_ns > ZC_TEAM_BEAT_NS) {
		c->team.told_ns = now;
		zc_messagering_send(&c->ring, ZC_PEER_ALL, ZC_MSG_MERGE_COMPLETE,
				    &bytes, sizeof(bytes), 0, now);
	}
	zc_team_ask(c, now - c->began_ns, now);
}
