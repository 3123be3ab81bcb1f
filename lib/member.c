// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * member.c - joining and leaving a pool as a process.
 *
 * Joining, and what a death in between leaves:
 *
 *   lock byte (m, inc + 1)		nothing: the lock goes with the process
 *   (IDLE, inc) -> (LIVE, inc + 1, JOINING)	a slot that whoever sees the lock
 *					gone may declare dead: it has no roles
 *   the record: pid and so on		the same
 *   JOINING -> joined			a member, judged by lock and process
 *
 * Both CASes are of exactly that word, so that a joiner who was declared dead
 * meanwhile (its lock was lost: see liveness.c) notices and tries elsewhere.  By then
 * it may have described itself in the record of whoever has the slot now, who would be
 * judged by a process that is not its own: so each member looks at its record whenever
 * it stamps, and writes it again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shm.h"

/* Who this process is; what else is in a record changes as it lives. */
static void zc_member_identify(struct zc_member_record *r,
			       const struct zc_member_record *self)
{
	u32 i;

	zc_store_relaxed(&r->pid, self->pid);
	zc_store_relaxed(&r->uid, self->uid);
	zc_store_relaxed(&r->pid_ns, self->pid_ns);
	zc_store_relaxed(&r->start_ticks, self->start_ticks);
	zc_store_relaxed(&r->caps, self->caps);
	zc_store_relaxed(&r->map_token, self->map_token);
	for (i = 0; i < sizeof(r->comm); i++)
		zc_store_relaxed(&r->comm[i], self->comm[i]);
}

static bool zc_member_is(const struct zc_member_record *r,
			 const struct zc_member_record *self)
{
	u32 i;

	for (i = 0; i < sizeof(r->comm); i++)
		if (zc_load_relaxed(&r->comm[i]) != self->comm[i])
			return false;
	return zc_load_relaxed(&r->pid) == self->pid &&
	       zc_load_relaxed(&r->uid) == self->uid &&
	       zc_load_relaxed(&r->pid_ns) == self->pid_ns &&
	       zc_load_relaxed(&r->start_ticks) == self->start_ticks &&
	       zc_load_relaxed(&r->caps) == self->caps &&
	       zc_load_relaxed(&r->map_token) == self->map_token;
}

static void zc_member_describe(struct zc_pool *pool, struct zc_member_record *r)
{
	struct zc_member_record *self = &pool->self;
	u64 now = zc_timestamp();

	memset(self, 0, sizeof(*self));
	self->pid = (u32)getpid();
	self->uid = (u32)geteuid();
	self->pid_ns = pool->pid_ns;
	self->start_ticks = zc_proc_start_ticks(getpid());
	self->caps = pool->caps;
	self->map_token = zc_live_map_token(pool, (uintptr_t)pool->control);
	snprintf((char *)self->comm, sizeof(self->comm), "%s",
		 program_invocation_short_name);
	zc_member_identify(r, self);
	zc_store_relaxed(&r->alive_ns, now);
	zc_store_relaxed(&r->progress_ns, now);
	zc_store_relaxed(&r->death_ns, 0);
	zc_store_relaxed(&r->reaped_blocks, 0);
	zc_store_relaxed(&r->reaped_bytes, 0);
	zc_store_relaxed(&r->lost_blocks, 0);
	zc_store_relaxed(&r->suspect_ns, 0);
}

/* For want of descriptors this may have failed when the process attached. */
static void zc_member_be_seen(struct zc_pool *pool, struct zc_member_record *r)
{
	struct zc_member_record *self = &pool->self;

	if (!pool->pid_ns)
		return;
	/* Here and there: else what is said now is taken for what another one wrote. */
	if (!self->start_ticks) {
		self->start_ticks = zc_proc_start_ticks(getpid());
		zc_store_relaxed(&r->start_ticks, self->start_ticks);
	}
	if (!zc_load_relaxed(&pool->map_known))
		zc_shm_map_id(pool);
}

void zc_member_mend(struct zc_pool *pool)
{
	struct zc_member_record *r = &pool->view.members[pool->member];

	if (zc_load_acquire(&r->life) != pool->life)
		return;
	zc_member_be_seen(pool, r);
	if (zc_member_is(r, &pool->self))
		return;
	zc_member_identify(r, &pool->self);
	zc_log(ZC_LOG_WARN, "another process wrote over what pool %s says of this one; "
	       "written again", pool->name);
}

static bool zc_member_take(struct zc_pool *pool, u32 m)
{
	struct zc_member_record *r = &pool->view.members[m];
	u64 life = zc_load_acquire(&r->life);
	u32 incarnation = zc_life_incarnation(life) + 1;
	u64 joining = zc_life(incarnation, ZC_MEMBER_JOINING, ZC_LIFE_LIVE);
	u64 joined = zc_life(incarnation, 0, ZC_LIFE_LIVE);

	/* Incarnation 0 is no member's: its bytes are the creator's. */
	if (zc_life_state(life) != ZC_LIFE_IDLE || !incarnation ||
	    !zc_live_lock(pool, m, incarnation))
		return false;
	ZC_KILLPOINT(member_locked);
	if (!zc_cas64(&r->life, &life, joining)) {
		/*
		 * Another copy of this library in this very process may have won,
		 * with this lock: record locks are the process's.
		 */
		if (zc_life_incarnation(life) != incarnation)
			zc_live_unlock(pool, m, incarnation);
		return false;
	}
	ZC_KILLPOINT(member_live);
	zc_member_describe(pool, r);
	life = joining;
	/* [L1] the record before the word that says so. */
	if (!zc_cas64(&r->life, &life, joined)) {
		zc_live_unlock(pool, m, incarnation);
		return false;
	}
	pool->member = m;
	pool->life = joined;
	return true;
}

zc_result_t zc_member_join(struct zc_pool *pool)
{
	u32 pass, m;

	pool->member = ZC_MAX_MEMBERS;
	pool->life = 0;
	if (pool->observer)
		return ZC_OK;
	pool->pid_ns = zc_proc_pid_ns();
	pool->caps = pool->may_write ? ZC_CAP_WRITE : 0;
	if (zc_membarrier_register())
		pool->caps |= ZC_CAP_MEMBARRIER;
	for (pass = 0; pass < 2; pass++) {
		for (m = 0; m < ZC_MAX_MEMBERS; m++)
			if (zc_member_take(pool, m))
				return ZC_OK;
		/* Full, perhaps of the dead. */
		zc_live_scan(pool);
		zc_reap_all(pool);
	}
	return zc_fail(ZC_ERROR_SLOTS, "pool %s has %u processes attached, or its file "
		       "system refuses record locks: end some", pool->name,
		       ZC_MAX_MEMBERS);
}

void zc_member_leave(struct zc_pool *pool)
{
	struct zc_member_record *r = &pool->view.members[pool->member];
	u32 incarnation = zc_life_incarnation(pool->life);
	u64 life = zc_load_acquire(&r->life);

	/* Not if the peers have taken it away: the slot may be another's. */
	if (life == pool->life) {
		zc_event_emit(pool, ZC_EVENT_MEMBER_LEFT, pool->member, 0, ~0U,
			      ~0U, 0, 0);
		ZC_KILLPOINT(member_leaving);
		/* First the slot, then the lock: LIVE without a lock is dead. */
		zc_cas64(&r->life, &life, zc_life(incarnation, 0, ZC_LIFE_IDLE));
		ZC_KILLPOINT(member_idle);
	}
	zc_live_unlock(pool, pool->member, incarnation);
	zc_epoch_bump(pool);
}
