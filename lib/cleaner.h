/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cleaner.h - a cleaner as its own process knows it, and the team that it is in.
 */
#ifndef ZC_LIB_CLEANER_H
#define ZC_LIB_CLEANER_H

#include "core/clean.h"
#include "messagering.h"
#include "patrol.h"
#include "role.h"
#include "shrink.h"

/* The others, as this cleaner knows them. */
struct zc_team {
	u64 duty;		/* word, as last seen */
	u64 beat_ns;		/* last heartbeat to the leader */
	u64 told_ns;		/* last news of merging */
	u64 asked_ns;		/* the policy, last */
	u64 hurried_ns;		/* the others, last */
	u64 keys_ns;		/* last time that all were told to change their keys */
	u32 keys_epoch;
	u64 grow_ns;		/* the pool does not grow before */
	u64 spare_ns;		/* since when it has more memory than it needs */
	u64 shrink_ns;		/* it does not shrink before */
	u64 shrink_pause_ns;
	struct zc_drain drain;
	u64 scaled_ns;		/* last cleaner started or ended */
	bool voted;		/* at the last question */
	bool restless;		/* something is to be decided soon: no long sleep */
	u32 known[ZC_MAX_CLEANERS];	/* incarnations that have their offset */
	u64 up_ns[ZC_MAX_CLEANERS];	/* last votes, as the leader got them */
	u64 down_ns[ZC_MAX_CLEANERS];
};

/* A topic as the cleaner knows it. */
struct zc_topic {
	u64 cursor;		/* of zc_slot_reclaim() */
	u64 head;		/* when it was last seen to move */
	u64 moved_ns;
	u64 stamp;		/* of what taking back depends on, */
	u32 vain;		/* how often it gave nothing since that changed, */
	u64 tried_ns;		/* and when it was tried last */
};

struct zc_cleaner {
	struct zc_pool *pool;
	struct zc_cleaner *next;	/* in pool->cleaners */
	u32 id;
	u32 incarnation;
	u64 period_ns;
	u64 idle_ns;
	u32 slice;
	pthread_t thread;
	const u32 *alive;	/* zc_not_forked */
	u32 stop;
	u32 ended;		/* by the team: its place is given back */
	bool hot;		/* started by the team */
	bool guest;		/* it does not decide how large team and pool are */

	pthread_mutex_t lock;
	zc_cleaner_stats_t stats;	/* (under @lock) */

	/* Of the thread alone. */
	struct zc_messagering ring;
	struct zc_clean clean;
	struct zc_topic topic[ZC_MAX_WRITERS];
	struct zc_strategies strategies;	/* a copy */
	zc_pressure_t level;
	u64 seen;		/* what the pool had come to when the pass began */
	u64 began_ns;
	u64 counted_ns;		/* last pass that was counted */
	u64 reclaimed;		/* granules */
	u64 scan_ns;		/* longest time that any block goes unscanned */
	bool passing;
	bool busy;		/* there was something to do in this turn */
	bool waited;		/* a writer waits for memory, and all is looked through */
	struct zc_patrol patrol;
	struct zc_team team;
	struct zc_post *post;	/* when it leads */
	u64 unread_ns;
	u64 key_period_ns;
};

/* Longest sleep of one that has something to decide, or where a writer waits. */
#define ZC_RESTLESS_NS 100000000ULL
#define ZC_WAITED_NS 10000000ULL

enum zc_cleaner_kind {
	ZC_CLEANER_OWN,		/* somebody started it, and will end it */
	ZC_CLEANER_HOT,		/* the team's, which may end it */
	ZC_CLEANER_GUEST,	/* helps, and decides nothing */
};

/* A thread that cleans. */
zc_result_t zc_cleaner_new(struct zc_pool *pool, const zc_cleaner_options_t *o,
			   enum zc_cleaner_kind kind, struct zc_cleaner **out);

/* Is this thread one of that pool's cleaners? */
static inline bool zc_in_cleaner_of(const struct zc_pool *pool)
{
	return zc_thread_cleans && zc_thread_of == pool;
}

/* Ends it, and the team's if no other is left in this process. */
void zc_cleaner_finish(struct zc_cleaner *c);

/* Ends cleaners of the team that were told to, or all of them if no other is left. */
void zc_cleaners_sweep(struct zc_pool *pool, bool all);

/* --- team.c ------------------------------------------------------------------- */

/* Registers what a cleaner does with messages of the team. */
void zc_team_enter(struct zc_cleaner *c);
/* Who leads, and what the leader does; at each turn of the thread. */
void zc_team_step(struct zc_cleaner *c, u64 now_ns);
/* A pass is over: votes, and news. */
void zc_team_pass(struct zc_cleaner *c, u64 now_ns);
bool zc_team_leads(const struct zc_cleaner *c);

/* --- team_mail.c -------------------------------------------------------------- */

/* Of the one on duty: messages of writers and readers. */
void zc_team_mail(struct zc_cleaner *c, u64 now_ns);
void zc_team_mail_close(struct zc_cleaner *c);

#endif /* ZC_LIB_CLEANER_H */
