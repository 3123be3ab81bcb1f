// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * cleaner.c - threads that keep a pool in shape.
 *
 * What a cleaner does with memory is in core/clean.c and core/reclaim.c; here is
 * when: a slice, then a sleep, short while the pool is in motion, ever longer while it
 * is not.  A pass begins when something changed since the last.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend.h"
#include "cleaner.h"
#include "core/killpoint.h"

#define ZC_CLEAN_PERIOD_NS	1000000ULL
#define ZC_CLEAN_IDLE_NS	1000000000ULL
#define ZC_CLEAN_SLICE		4096U
#define ZC_CLEAN_UNREAD_NS	1000000000ULL
#define ZC_CLEAN_KEYS_NS	5000000000ULL
/* Messages of each topic that one slice takes back. */
#define ZC_CLEAN_MESSAGES	1024U
/* A live writer takes its own back, unless it has done nothing for so long. */
#define ZC_CLEAN_REST_NS	20000000ULL
/* A topic of which nothing changed is tried again after so long. */
#define ZC_CLEAN_VAIN_NS	1000000000ULL

/* A number that changes with every message and every death. */
static u64 zc_motion(const struct zc_view *v)
{
	u64 sum = zc_load_relaxed(&v->header->epoch);
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		const struct zc_writer_slot *slot = &v->writer_slots[w];

		if (!zc_life_incarnation(zc_load_relaxed(&slot->life)))
			continue;	/* its region may not be there */
		sum += zc_load_relaxed(&zc_writer_area(v, w)->head) +
		       zc_load_relaxed(&zc_writer_area(v, w)->tail);
	}
	return sum + zc_load_relaxed(&v->hints->free_granules);
}

static void zc_clean_offer(void *ctx, u32 granule, u32 granules)
{
	struct zc_cleaner *c = ctx;

	zc_offer(c->pool, granule, granules);
}

static bool zc_topic_is_due(struct zc_cleaner *c, u32 w, u64 life, bool scarce, u64 now)
{
	const struct zc_topic *t = &c->topic[w];
	bool live = zc_life_state(life) == ZC_LIFE_LIVE;
	zc_topic_stats_t stats = {
		.sz = sizeof(stats),
		.writer = w,
		.has_writer = live,
		.messages = t->head ? t->head - 1 : 0,
		.rest_ns = now - t->moved_ns,
		.level = c->level,
		.usual = !live || scarce || now - t->moved_ns >= ZC_CLEAN_REST_NS,
	};

	return zc_ask_reclaim(&c->strategies, &stats);
}

static zc_clean_stats_t zc_clean_stats(const struct zc_cleaner *c, u64 usual)
{
	const struct zc_view *v = &c->pool->view;
	struct zc_room room = zc_room_now(v);

	return (zc_clean_stats_t){
		.sz = sizeof(zc_clean_stats_t),
		.cleaner = c->id,
		.total_bytes = room.granules << v->granule_shift,
		.free_bytes = room.free << v->granule_shift,
		.waiting_writers = (u32)zc_load_relaxed(&v->hints->waiting_writers),
		.level = c->level,
		.moved = zc_motion(v) != c->seen,
		.busy = c->busy,
		.usual = usual,
	};
}

static u64 zc_mix(u64 h, u64 x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 32;
}

/* What taking back depends on, as one number. */
static u64 zc_topic_stamp(const struct zc_view *v, u32 w, u64 life, u64 now)
{
	const struct zc_writer_area *wa = zc_writer_area(v, w);
	u64 active = zc_load_acquire(&v->writer_slots[w].active);
	u64 h = zc_mix(zc_mix(life, active), zc_load_acquire(&wa->head));
	u32 mask = zc_mask_bits(active), i;

	h = zc_mix(zc_mix(h, zc_load_relaxed(&wa->tail)),
		   zc_load_relaxed(&wa->deferred_nr));
	for (; mask; mask &= mask - 1) {
		u32 r = (u32)__builtin_ctz(mask);
		struct zc_reader_area *ra = zc_reader_area(v, w, r);

		h = zc_mix(h, zc_load_relaxed(&wa->floor[r].floor));
		h = zc_mix(h, zc_load_relaxed(&wa->floor[r].cut_incarnation));
		/* Who is not known, or holds very much, may change anything. */
		if (!zc_reader_seen(v, w, r) ||
		    zc_load_relaxed(&ra->overflow_high))
			return zc_mix(h, now);
		h = zc_mix(h, zc_load_relaxed(&ra->cursor));
		for (i = 0; i < ZC_FAST_HOLDS; i++)
			h = zc_mix(h, zc_load_relaxed(&ra->hold[i]));
	}
	return h;
}

/* All of it was looked at, nothing came back, and nothing has changed since. */
static bool zc_topic_in_vain(const struct zc_view *v, struct zc_topic *t, u64 stamp,
			     u64 now)
{
	if (t->stamp != stamp) {
		t->stamp = stamp;
		t->vain = 0;
	}
	return t->vain > (v->ring_mask + 1) / ZC_CLEAN_MESSAGES + 1 &&
	       now - t->tried_ns < ZC_CLEAN_VAIN_NS;
}

static u64 zc_clean_topic(struct zc_cleaner *c, u32 w, u64 life, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	struct zc_topic *t = &c->topic[w];
	u64 freed;

	if (v->reader_mapped)
		c->pool->backend->readers_map(c->pool, w);
	if (zc_topic_in_vain(v, t, zc_topic_stamp(v, w, life, now), now))
		return 0;
	freed = zc_slot_reclaim(v, w, c->clean.owner, zc_membarrier,
				ZC_CLEAN_MESSAGES, &t->cursor);
	t->tried_ns = now;
	t->vain = freed ? 0 : t->vain + 1;
	return freed;
}

static u64 zc_clean_topics(struct zc_cleaner *c, u64 now)
{
	const struct zc_view *v = &c->pool->view;
	bool scarce = zc_ask_relief(&c->strategies, c->level) & ZC_RELIEF_RECLAIM;
	u64 freed = 0;
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		u64 life = zc_load_acquire(&v->writer_slots[w].life);
		struct zc_topic *t = &c->topic[w];
		u64 head;

		if (!zc_life_incarnation(life))
			continue;
		head = zc_load_relaxed(&zc_writer_area(v, w)->head);
		if (head != t->head) {
			t->head = head;
			t->moved_ns = now;
		}
		if (!zc_topic_is_due(c, w, life, scarce, now))
			continue;
		freed += zc_clean_topic(c, w, life, now);
	}
	return freed;
}

static void zc_cleaner_count(struct zc_cleaner *c, u64 now)
{
	const struct zc_clean_pass *p = &c->clean.last;
	u32 shift = c->pool->view.granule_shift;
	zc_cleaner_stats_t *s = &c->stats;
	struct zc_node_area *a = c->ring.node.area;
	struct timespec cpu;
	u64 busy, load;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	pthread_mutex_lock(&c->lock);
	s->passes++;
	s->runs = p->runs;
	s->free_bytes = p->free << shift;
	s->claimed_bytes = p->claimed << shift;
	s->committed_bytes = p->committed << shift;
	s->largest_free_bytes = p->largest_free << shift;
	s->merged += p->merged;
	s->adopted += p->adopted;
	s->reclaimed_bytes = c->reclaimed << shift;
	s->pass_ns = now - c->began_ns;
	s->scan_ns = c->scan_ns;
	busy = (u64)cpu.tv_sec * 1000000000ULL + (u64)cpu.tv_nsec;
	load = (busy - s->busy_ns) * 100 / (now - c->counted_ns + 1);
	c->counted_ns = now;
	s->busy_ns = busy;
	zc_store_relaxed(&a->load, (u32)load);
	zc_store_relaxed(&a->passes, s->passes);
	zc_store_relaxed(&a->pass_ns, s->pass_ns);
	zc_store_relaxed(&a->busy_ns, s->busy_ns);
	zc_store_relaxed(&a->merged, s->merged);
	zc_store_relaxed(&a->adopted, s->adopted);
	zc_store_relaxed(&a->reclaimed, c->reclaimed);
	pthread_mutex_unlock(&c->lock);
}

/* Returns true if there was something to do. */
static bool zc_cleaner_slice(struct zc_cleaner *c)
{
	const struct zc_view *v = &c->pool->view;
	bool waits = zc_load_relaxed(&v->hints->waiting_writers);
	u64 now = zc_timestamp(), motion, freed;
	zc_clean_stats_t stats;

	zc_strategies_look(c->pool, &c->strategies);
	c->level = zc_level_now(&c->strategies, v, c->level);
	freed = zc_clean_topics(c, now);
	c->reclaimed += freed;
	if (waits && !c->waited)
		c->seen = 0;
	c->waited = waits;
	if (!c->passing) {
		motion = zc_motion(v);
		stats = zc_clean_stats(c, motion != c->seen || freed);
		if (!zc_ask_scan(&c->strategies, &stats))
			return freed;
		c->seen = motion;
		c->began_ns = now;
		zc_clean_begin(v, &c->clean);
		c->passing = true;
	}
	stats = zc_clean_stats(c, c->slice);
	if (zc_clean_slice(v, &c->clean, zc_ask_slice(&c->strategies, &stats))) {
		c->passing = false;
		/* There may be more: a claim merges no more than a batch. */
		if (c->clean.last.merged || c->clean.last.adopted)
			c->seen = 0;
		now = zc_timestamp();
		zc_team_pass(c, now);
		zc_cleaner_count(c, now);
	}
	zc_store_relaxed(&c->ring.node.area->position,
			 ((u64)c->clean.walk.segment << v->segment_shift) +
				 c->clean.walk.pos);
	return true;
}

/* One turn; true: there is more. */
static bool zc_cleaner_turn(struct zc_cleaner *c, u64 *sleep_ns)
{
	u64 most = c->idle_ns, now;
	zc_clean_stats_t stats;
	u32 packets, mine;

	c->busy = zc_cleaner_slice(c);
	now = zc_timestamp();
	zc_node_alive(&c->ring.node, now, now);
	packets = zc_messagering_work(&c->ring, now, &mine);
	zc_team_step(c, now);
	zc_patrol_slice(c->pool, &c->ring.handlers, &c->patrol);
	if (packets)
		return true;
	if (c->team.restless && most > ZC_RESTLESS_NS)
		most = ZC_RESTLESS_NS;
	if (c->waited && most > ZC_WAITED_NS)
		most = ZC_WAITED_NS;
	if (c->busy)
		*sleep_ns = c->period_ns;
	else
		*sleep_ns = *sleep_ns > UINT64_MAX / 2 ? UINT64_MAX : 2 * *sleep_ns;
	if (*sleep_ns > most)
		*sleep_ns = most > c->period_ns ? most : c->period_ns;
	stats = zc_clean_stats(c, *sleep_ns);
	*sleep_ns = zc_ask_pause(&c->strategies, &stats);
	pthread_mutex_lock(&c->lock);
	c->stats.resting = !c->busy && c->stats.passes;
	c->stats.leads = zc_team_leads(c);
	c->stats.verified = c->patrol.verified;
	c->stats.corrupt = c->patrol.corrupt;
	c->stats.rounds = c->patrol.rounds;
	pthread_mutex_unlock(&c->lock);
	zc_node_alive(&c->ring.node, now, zc_deadline(*sleep_ns));
	return false;
}

static void *zc_cleaner_main(void *arg)
{
	struct zc_cleaner *c = arg;
	u64 sleep_ns = c->period_ns;

	zc_thread_of = c->pool;
	zc_thread_cleans = true;
	pthread_setname_np(pthread_self(), "zc-clean");
	while (!zc_load_acquire(&c->stop) && !zc_load_relaxed(&c->pool->evicted))
		if (!zc_cleaner_turn(c, &sleep_ns))
			zc_node_sleep(&c->ring.node, &c->stop,
				      zc_deadline(sleep_ns));
	if (c->hot && !zc_load_relaxed(&c->pool->evicted)) {
		c->pool->backend->cleaner_leave(c->pool, c->id, c->incarnation);
		zc_store_release(&c->ended, 1);
	}
	return NULL;
}

static zc_result_t zc_cleaner_run(struct zc_cleaner *c)
{
	sigset_t all, old;
	int error;

	/* The program's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&c->thread, NULL, zc_cleaner_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		return ZC_OK;
	errno = error;
	return zc_fail_errno("cannot start a thread");
}

static void zc_cleaner_free(struct zc_cleaner *c)
{
	zc_team_mail_close(c);
	zc_handlers_free(&c->ring.handlers);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

zc_result_t zc_cleaner_new(struct zc_pool *pool, const zc_cleaner_options_t *o,
			   enum zc_cleaner_kind kind, struct zc_cleaner **out)
{
	struct zc_cleaner *c = calloc(1, sizeof(*c));
	zc_result_t result;
	u32 id;

	if (!c)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a cleaner");
	c->pool = pool;
	c->alive = pool->alive;
	c->hot = kind == ZC_CLEANER_HOT;
	c->guest = kind == ZC_CLEANER_GUEST;
	c->period_ns = o->period_ns ? o->period_ns : ZC_CLEAN_PERIOD_NS;
	c->idle_ns = o->idle_ns ? o->idle_ns : ZC_CLEAN_IDLE_NS;
	if (c->idle_ns < c->period_ns)
		c->idle_ns = c->period_ns;
	c->slice = o->slice ? o->slice : ZC_CLEAN_SLICE;
	c->key_period_ns = o->key_period_ns ? o->key_period_ns : ZC_CLEAN_KEYS_NS;
	c->unread_ns = o->unread_ns ? o->unread_ns : ZC_CLEAN_UNREAD_NS;
	pthread_mutex_init(&c->lock, NULL);
	zc_handlers_init(&c->ring.handlers);
	result = pool->backend->cleaner_join(pool, &c->id, &c->incarnation);
	if (result != ZC_OK) {
		zc_cleaner_free(c);
		return result;
	}
	c->ring.pool = pool;
	c->ring.alive = pool->alive;
	zc_team_enter(c);
	zc_node_begin(&c->ring.node, &pool->view, c->id, c->incarnation,
		      ZC_NODE_CLEANER | (c->hot ? ZC_NODE_HOT : 0), zc_timestamp());
	c->clean.owner = ZC_OWNER_CLEANER(c->id);
	/* Several begin in different places. */
	c->clean.first = c->id * zc_segments(&pool->view) / ZC_MAX_CLEANERS;
	c->clean.offer = zc_clean_offer;
	c->clean.ctx = c;
	result = zc_cleaner_run(c);
	if (result != ZC_OK) {
		pool->backend->cleaner_leave(pool, c->id, c->incarnation);
		zc_cleaner_free(c);
		return result;
	}
	id = c->id;
	*out = c;
	/* One of the team is freed by whoever closes the pool, who finds it from here on. */
	pthread_mutex_lock(&pool->lock);
	c->next = pool->cleaners;
	pool->cleaners = c;
	pthread_mutex_unlock(&pool->lock);
	if (kind == ZC_CLEANER_HOT)
		zc_log(ZC_LOG_INFO, "pool %s: one more cleaner, %u", pool->name, id);
	return ZC_OK;
}

zc_result_t zc_cleaner_start(zc_pool_t *pool,
			     const zc_cleaner_options_t *options,
			     zc_cleaner_t **out)
{
	zc_cleaner_options_t o = ZC_CLEANER_OPTIONS_INIT;
	struct zc_cleaner *c = NULL;
	zc_result_t result;

	if (!pool || !out)
		return zc_fail(ZC_ERROR_INVALID, "pool or output is NULL");
	result = zc_pool_usable(pool);
	if (result == ZC_OK && options)
		result = zc_options_copy(&o, sizeof(o), options, options->sz,
					 "zc_cleaner_options_t");
	if (result != ZC_OK)
		return result;
	if (!pool->may_write)
		return zc_fail(ZC_ERROR_PERMISSION, "pool %s: who cleans must be "
			       "permitted to write", pool->name);
	result = zc_cleaner_new(pool, &o, ZC_CLEANER_OWN, &c);
	if (result == ZC_OK)
		*out = c;
	return result;
}

/* Out of the list: whoever takes it from there ends it. */
static void zc_cleaner_unlink(struct zc_cleaner *c)
{
	struct zc_cleaner **at;

	for (at = &c->pool->cleaners; *at && *at != c; at = &(*at)->next)
		;
	if (*at)
		*at = c->next;
}

static void zc_cleaner_end(struct zc_cleaner *c)
{
	struct zc_pool *pool = c->pool;

	zc_store_release(&c->stop, 1);
	zc_node_ring(&pool->view, c->id);
	pthread_join(c->thread, NULL);
	if (!c->ended && !zc_load_relaxed(&pool->evicted))
		pool->backend->cleaner_leave(pool, c->id, c->incarnation);
	zc_cleaner_free(c);
}

/*
 * Takes one out of the list: any but a guest, which is ended by the call that began it,
 * and who closes the pool waits for that; or one of the team that has ended; or, if
 * @alone, one of the team if nobody else is left.
 */
static struct zc_cleaner *zc_cleaner_take(struct zc_pool *pool, bool any, bool alone)
{
	struct zc_cleaner *c;

	pthread_mutex_lock(&pool->lock);
	for (c = pool->cleaners; c; c = c->next)
		if (!c->hot)
			alone = false;
	for (c = pool->cleaners; c; c = c->next)
		if ((any && !c->guest) || (c->hot && (alone || zc_load_acquire(&c->ended))))
			break;
	if (c)
		zc_cleaner_unlink(c);
	pthread_mutex_unlock(&pool->lock);
	return c;
}

void zc_cleaners_sweep(struct zc_pool *pool, bool all)
{
	struct zc_cleaner *c;

	while ((c = zc_cleaner_take(pool, false, all)))
		zc_cleaner_end(c);
}

void zc_cleaners_close(struct zc_pool *pool)
{
	struct zc_cleaner *c;

	while ((c = zc_cleaner_take(pool, true, true)))
		zc_cleaner_end(c);
}

void zc_cleaner_finish(struct zc_cleaner *c)
{
	struct zc_pool *pool = c->pool;

	pthread_mutex_lock(&pool->lock);
	zc_cleaner_unlink(c);
	pthread_mutex_unlock(&pool->lock);
	zc_cleaner_end(c);
	/* Those of the team are not left alone in this process; this may be one's thread. */
	if (!zc_in_cleaner_of(pool))
		zc_cleaners_sweep(pool, true);
}

void zc_cleaner_stop(zc_cleaner_t *c)
{
	struct zc_await await;

	/* No cleaner waits for one of its pool: it may be the same, or one of the team. */
	if (!c || !zc_load_relaxed(c->alive) ||
	    zc_await_begin(&await, c->pool, false) != ZC_OK)
		return;
	zc_cleaner_finish(c);
	zc_await_end(&await);
}

zc_result_t zc_cleaner_get_stats(zc_cleaner_t *c, zc_cleaner_stats_t *stats)
{
	zc_cleaner_stats_t s;

	if (!c || !stats)
		return zc_fail(ZC_ERROR_INVALID, "cleaner or output is NULL");
	if (!zc_load_relaxed(c->alive))
		return zc_role_fail(c->pool, c->alive);
	pthread_mutex_lock(&c->lock);
	s = c->stats;
	pthread_mutex_unlock(&c->lock);
	s.id = c->id;
	return zc_info_copy(stats, stats->sz, &s, sizeof(s));
}

zc_result_t zc_cleaner_handle(zc_cleaner_t *c, uint32_t type,
			      zc_message_handler_t handler, void *ctx)
{
	if (!c)
		return zc_fail(ZC_ERROR_INVALID, "cleaner is NULL");
	if (!zc_load_relaxed(c->alive))
		return zc_role_fail(c->pool, c->alive);
	if (type > ZC_MSG_MAX || (type && type < ZC_MSG_USER))
		return zc_fail(ZC_ERROR_INVALID,
			       "message type %u is the cleaner's own: yours go from %u to %u",
			       type, ZC_MSG_USER, ZC_MSG_MAX);
	zc_handlers_set(&c->ring.handlers, type, handler, ctx);
	return ZC_OK;
}
