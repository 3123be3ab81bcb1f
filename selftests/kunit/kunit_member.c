// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_member.c - members: join, leave, lease, death, eviction, what peers are told.
 */
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "kunit.h"

#define UID 1000
#define OTHER_UID 1001

static u32 members_nr(struct zc_pool *pool)
{
	struct zc_member *m;
	u32 n = 0;

	mutex_lock(&pool->lock);
	list_for_each_entry(m, &pool->members, list)
		n++;
	mutex_unlock(&pool->lock);
	return n;
}

static u64 life_of(struct zc_pool *pool, u32 index)
{
	return READ_ONCE(pool->view.members[index].life);
}

static u32 epoch_of(struct zc_pool *pool)
{
	return READ_ONCE(pool->view.header->epoch);
}

/* --- join --------------------------------------------------------------------------- */

static void join_refuses_what_it_does_not_know(struct kunit *test)
{
	static const struct zc_ioc_join wrong[] = {
		{ .flags = ZC_JOIN_EVICTABLE << 1 },
		{ .flags = 1U << 31 },
		{ .flags = ZC_JOIN_WRITE | ZC_JOIN_TRY_WRITE },
		{ .caps = ZC_CAP_WRITE },
		{ .caps = 1U << 31 },
		{ .comm = "0123456789abcdef" },		/* no end */
	};
	struct zc_pool *pool = zk_pool(test, "kunit-wrong");
	struct file *file = zk_open(test, pool);
	struct zk_process *p = zk_process(test);
	u32 refs = kref_read(&pool->ref), epoch = epoch_of(pool), i;
	struct zc_ioc_join join;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		join = wrong[i];
		must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), -EINVAL);
	}
	/* A thread that has no address space is nobody's process. */
	memset(&join, 0, sizeof(join));
	must_eq(test, zc_member_join(zk_zf(file), &join), -EINVAL);
	must_eq(test, members_nr(pool), 0);
	must_eq(test, kref_read(&pool->ref), refs);
	must_eq(test, epoch_of(pool), epoch);
}

static void join_writes_its_record(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-record");
	struct file *file = zk_open(test, pool);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = {
		.flags = ZC_JOIN_WRITE, .caps = ZC_CAP_MEMBARRIER, .comm = "somebody",
		.start_ticks = 4711, .pid_ns = 815,
	};
	u64 before = ktime_get_ns(), after;
	u32 epoch = epoch_of(pool);
	const struct zc_member_record *r;

	/* What the one before left there is nothing of it. */
	memset_after(&pool->view.members[0], 0xa5, life);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	after = ktime_get_ns();
	must_eq(test, join.member, 0);
	must_eq(test, join.granted, ZC_CAP_WRITE);
	must_eq(test, join.life, zc_life(1, 0, ZC_LIFE_LIVE));
	r = &pool->view.members[0];
	must_eq(test, r->life, join.life);
	must_eq(test, r->pid, pid_nr(zk_pid(p)));
	must_eq(test, r->uid, 0);
	must_eq(test, r->start_ticks, 4711);
	must_eq(test, r->pid_ns, 815);
	must_eq(test, r->caps, ZC_CAP_MEMBARRIER | ZC_CAP_WRITE);
	must(test, r->alive_ns >= before && r->alive_ns <= after);
	must_eq(test, r->progress_ns, r->alive_ns);
	must_eq(test, r->death_ns | r->reaped_blocks | r->reaped_bytes | r->lost_blocks, 0);
	must_eq(test, r->suspect_ns | r->map_token, 0);
	must(test, !strcmp(r->comm, "somebody"));
	must(test, epoch_of(pool) > epoch);
	/* Without a name it is the task's. */
	must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), 0);
	memset(&join, 0, sizeof(join));
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must(test, !strncmp(r->comm, "zk_process", 10));
	must_eq(test, r->caps, 0);
}

static void join_is_once_a_process_and_descriptor(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-once");
	struct file *file = zk_open(test, pool), *again = zk_open(test, pool);
	struct zk_process *p = zk_process(test), *other = zk_process(test);
	struct zc_ioc_join join = { 0 };
	u32 refs;

	must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), -EPERM);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, join.member, 0);
	zk_settle(pool);
	refs = kref_read(&pool->ref);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), -EALREADY);
	must_eq(test, members_nr(pool), 1);
	zk_settle(pool);
	must_eq(test, kref_read(&pool->ref), refs);
	/* Who has the descriptor, too, is nobody by that. */
	must_eq(test, zk_call(other, file, ZC_IOC_LEAVE, NULL), -EPERM);
	must_eq(test, zk_call(other, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, join.member, 1);
	must_eq(test, zk_call(p, again, ZC_IOC_LEAVE, NULL), -EPERM);
	must_eq(test, zk_call(p, again, ZC_IOC_JOIN, &join), 0);
	must_eq(test, join.member, 2);
	must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), 0);
	must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), -EPERM);
	must_eq(test, members_nr(pool), 2);
	must_eq(test, zc_life_state(life_of(pool, 0)), ZC_LIFE_IDLE);
	must_eq(test, zc_life_state(life_of(pool, 1)), ZC_LIFE_LIVE);
	must_eq(test, zc_life_state(life_of(pool, 2)), ZC_LIFE_LIVE);
}

static void record_has_a_new_incarnation_each_time(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-lives");
	struct file *file = zk_open(test, pool);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { 0 };
	u32 i;

	for (i = 1; i < 5; i++) {
		must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
		must_eq(test, join.member, 0);
		must_eq(test, join.life, zc_life(i, 0, ZC_LIFE_LIVE));
		must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), 0);
		must_eq(test, life_of(pool, 0), zc_life(i, 0, ZC_LIFE_IDLE));
	}
	/* One that has no next: its lives are used up. */
	pool->view.members[0].life = zc_life(~0U, 0, ZC_LIFE_IDLE);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, join.member, 1);
	must_eq(test, join.life, zc_life(1, 0, ZC_LIFE_LIVE));
}

static void records_may_all_be_taken(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-full");
	struct file *file = zk_open(test, pool);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { 0 };
	u32 refs = kref_read(&pool->ref), i;

	for (i = 0; i < ZC_MAX_MEMBERS; i++)
		pool->view.members[i].life = zc_life(1, 0, ZC_LIFE_LIVE);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), -EUSERS);
	must_eq(test, members_nr(pool), 0);
	zk_settle(pool);
	must_eq(test, kref_read(&pool->ref), refs);
	/* One that is on its way out: for a moment only. */
	pool->view.members[ZC_MAX_MEMBERS - 1].life = zc_life(1, 0, ZC_LIFE_REAPING);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), -EAGAIN);
	zk_settle(pool);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, join.member, ZC_MAX_MEMBERS - 1);
	must_eq(test, join.life, zc_life(2, 0, ZC_LIFE_LIVE));
	must_eq(test, pool->member_high, ZC_MAX_MEMBERS);
}

/* Who may only read does not get the last half of the records. */
static void readers_do_not_lock_writers_out(struct kunit *test)
{
	struct zc_member *crowd = zk_alloc(test, ZC_MAX_MEMBERS / 2 * sizeof(*crowd));
	struct zc_ioc_create *wish = zk_wish(test, "kunit-crowd");
	const struct cred *reader = zk_cred(test, UID, UID, UID, -1);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { 0 }, writes = { .flags = ZC_JOIN_WRITE };
	struct zc_pool *pool;
	struct file *file;
	int first, second, writer, owner;
	u32 i;

	wish->mode = 0666;
	pool = zk_pool_make(test, wish);
	file = zk_open(test, pool);
	mutex_lock(&pool->lock);
	for (i = 0; i < ZC_MAX_MEMBERS / 2 - 1; i++) {
		crowd[i].state = ZC_MEMBER_DYING;
		crowd[i].index = ZC_MAX_MEMBERS + i;
		crowd[i].uid = KUIDT_INIT(OTHER_UID);
		list_add_tail(&crowd[i].list, &pool->members);
	}
	mutex_unlock(&pool->lock);
	zk_become(test, reader);
	first = zk_call(p, file, ZC_IOC_JOIN, &join);
	file = zk_open(test, pool);
	second = zk_call(p, file, ZC_IOC_JOIN, &join);
	writer = zk_call(p, file, ZC_IOC_JOIN, &writes);
	zk_become(test, NULL);
	file = zk_open(test, pool);
	owner = zk_call(p, file, ZC_IOC_JOIN, &join);
	mutex_lock(&pool->lock);
	while (i--)
		list_del(&crowd[i].list);
	mutex_unlock(&pool->lock);
	must_eq(test, first, 0);
	must_eq(test, second, -EUSERS);
	must_eq(test, writer, 0);
	must_eq(test, owner, 0);
}

/* --- leave ------------------------------------------------------------------------------ */

static void leaving_is_told_and_leaves_nothing(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-leave");
	struct file *file = zk_open(test, pool), *other = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zc_device_event event;
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { .comm = "guest" };
	u64 deaths = pool->deaths;
	u32 refs, epoch;

	zk_settle(pool);
	refs = kref_read(&pool->ref);
	must_eq(test, zk_call(p, other, ZC_IOC_JOIN, &join), 0);
	epoch = epoch_of(pool);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_JOINED, &event);
	must_eq(test, event.member, join.member);
	must_eq(test, event.incarnation, 1);
	must_eq(test, event.pid, pid_nr(zk_pid(p)));
	must(test, !strcmp(event.comm, "guest"));
	must_eq(test, event.service, ~0U);
	must_eq(test, event.reader, ~0U);
	must_eq(test, event.segment, ~0U);
	must_eq(test, zk_call(p, other, ZC_IOC_LEAVE, NULL), 0);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_LEFT, &event);
	must_eq(test, event.member, join.member);
	must_eq(test, event.incarnation, 1);
	must(test, epoch_of(pool) > epoch);
	must_eq(test, pool->deaths, deaths);
	must(test, !zk_member_at(pool, join.member));
	zk_settle(pool);
	/* Its record, its queue, its hold of the pool: but for the watchdog's. */
	must_eq(test, kref_read(&pool->ref), refs);
}

/* Before it had a lease, the descriptor is all that held it. */
static void closing_is_leaving_without_a_lease(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-close");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, zk_open(test, pool), 0);
	struct zk_process *p = zk_process(test), *other = zk_process(test);
	struct zc_ioc_join join = { 0 };
	struct zc_device_event event;

	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, zk_call(other, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, members_nr(pool), 3);
	zk_close(test, file);
	must_eq(test, members_nr(pool), 1);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_LEFT, &event);
	must_eq(test, event.member, 1);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_LEFT, &event);
	must_eq(test, event.member, 2);
	must_eq(test, pool->deaths, 0);
}

/* --- the lease --------------------------------------------------------------------------- */

static void lease_holds_the_descriptor(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-held");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, 0);
	u32 files = pool->files;

	zk_close(test, file);
	must_eq(test, pool->files, files);
	must_eq(test, members_nr(pool), 1);
	must_eq(test, atomic_read(&zk_member_at(pool, 0)->lease), 1);
	must_eq(test, zk_unmap(m->p, m->lease, PAGE_SIZE), 0);
	must_come(test, pool->files == files - 1);
	zk_settle(pool);
	must_eq(test, members_nr(pool), 0);
}

static void end_of_the_lease_is_a_death(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-death");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zk_member *goes = zk_member(test, file, 0);
	u32 index = goes->join.member, epoch = epoch_of(pool);
	struct zc_device_event event;
	u64 before = ktime_get_ns();

	zk_die(test, goes);
	must_eq(test, life_of(pool, index), zc_life(1, 0, ZC_LIFE_IDLE));
	must(test, pool->view.members[index].death_ns >= before);
	must(test, !zk_member_at(pool, index));
	must_eq(test, pool->deaths, 1);
	must(test, pool->reap_last_ns && pool->reap_last_ns <= pool->reap_max_ns);
	must(test, epoch_of(pool) > epoch);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_DIED, &event);
	must_eq(test, event.member, index);
	must_eq(test, event.incarnation, 1);
	must_eq(test, event.pid, pid_nr(zk_pid(goes->p)));
	must_eq(test, event.reap_ns, pool->reap_last_ns);
	must_eq(test, event.blocks | event.payload_bytes | event.lost_blocks, 0);
	/* Once.  And who is dead reads nothing more. */
	must_eq(test, zk_read(stays->p, file, &event, sizeof(event)), -EAGAIN);
	must_eq(test, zk_read(goes->p, file, &event, sizeof(event)), -EPERM);
	must_eq(test, zk_call(goes->p, file, ZC_IOC_LEAVE, NULL), -EPERM);
	/* It may come again, as another. */
	must_eq(test, zk_call(goes->p, file, ZC_IOC_JOIN, &goes->join), 0);
	must_eq(test, goes->join.member, index);
	must_eq(test, goes->join.life, zc_life(2, 0, ZC_LIFE_LIVE));
}

/* The address space is what is a member: exec, and exit, end it. */
static void address_space_goes_with_its_member(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-exec");
	struct file *file = zk_open(test, pool);
	struct zk_member *first = zk_member(test, file, 0);
	struct zk_member *second = zk_member(test, file, 0);

	zk_exec(first->p);
	zk_settle(pool);
	must_eq(test, pool->deaths, 1);
	must_eq(test, zc_life_state(life_of(pool, first->join.member)), ZC_LIFE_IDLE);
	must_eq(test, members_nr(pool), 1);
	zk_exit(test, second->p);
	must_come(test, !members_nr(pool));
	must_eq(test, pool->deaths, 2);
}

/* Joined, no lease yet, and gone: the process is what is watched. */
static void process_that_ends_before_its_lease_is_dead(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-early");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { 0 };
	struct zc_device_event event;

	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	zk_settle(pool);
	must_eq(test, members_nr(pool), 2);
	zk_exit(test, p);
	must_come(test, members_nr(pool) == 1);
	must_eq(test, pool->deaths, 1);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_DIED, &event);
	must_eq(test, event.member, join.member);
}

/* --- what is watched ---------------------------------------------------------------------- */

/* It also looks by itself, and the machine may be slow: what is old is told, or was. */
static void stamps_are_watched(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-stamps");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, 0);
	struct zc_member_record *r = &pool->view.members[m->join.member];
	struct zc_device_event event;
	u64 now = ktime_get_ns();

	zk_stamp(m, now, now - 5);
	must_eq(test, r->alive_ns, now);
	must_eq(test, r->progress_ns, now - 5);
	/* Of the future: no sign of life. */
	zk_stamp(m, now + 3600 * NSEC_PER_SEC, ~0ULL);
	must_eq(test, r->alive_ns, now);
	must_eq(test, r->progress_ns, now - 5);
	/* Silent for too long: told once. */
	zk_stamp(m, now - 2 * NSEC_PER_SEC, now - 3 * NSEC_PER_SEC);
	must_eq(test, r->alive_ns, now - 2 * NSEC_PER_SEC);
	must_eq(test, r->suspect_ns, now - 2 * NSEC_PER_SEC);
	zk_event(test, m, ZC_DEVICE_EVENT_MEMBER_SUSPECT, &event);
	must_eq(test, event.member, m->join.member);
	zk_drain(m);
	zk_stamp(m, now - 2 * NSEC_PER_SEC, now - 3 * NSEC_PER_SEC);
	must_eq(test, zk_read(m->p, file, &event, sizeof(event)), -EAGAIN);
	/* Then alive, then silent again: told again. */
	zk_stamp(m, ktime_get_ns(), now);
	zk_drain(m);
	zk_stamp(m, now - 4 * NSEC_PER_SEC, now);
	zk_event(test, m, ZC_DEVICE_EVENT_MEMBER_SUSPECT, &event);
	must_eq(test, pool->deaths, 0);
}

/* --- eviction ------------------------------------------------------------------------------- */

static long signalled(void *unused)
{
	long pending = signal_pending(current);

	flush_signals(current);
	return pending;
}

static int evict(struct zk_process *p, struct file *file, u32 member, u32 incarnation)
{
	struct zc_ioc_evict arg = { .member = member, .incarnation = incarnation };

	return zk_call(p, file, ZC_IOC_EVICT, &arg);
}

static void eviction_is_of_who_agreed(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-evict");
	struct file *file = zk_open(test, pool);
	struct zk_member *by = zk_member(test, file, 0);
	struct zk_member *may = zk_member(test, file, ZC_JOIN_EVICTABLE);
	struct zk_member *not = zk_member(test, file, 0);
	struct zk_process *stranger = zk_process(test);
	u32 index = may->join.member;

	must_eq(test, evict(stranger, file, index, 1), -EPERM);
	must_eq(test, evict(by->p, file, index, 2), -ESRCH);
	must_eq(test, evict(by->p, file, index, 0), -ESRCH);
	must_eq(test, evict(by->p, file, 77, 1), -ESRCH);
	must_eq(test, evict(by->p, file, ~0U, 1), -ESRCH);
	must_eq(test, evict(by->p, file, not->join.member, 1), -EPERM);
	must_eq(test, zk_in(may->p, signalled, NULL), 0);
	must_eq(test, zk_in(not->p, signalled, NULL), 0);
	must_eq(test, evict(by->p, file, index, 1), 0);
	must_eq(test, zk_in(may->p, signalled, NULL), 1);
	must_eq(test, zk_in(by->p, signalled, NULL), 0);
	/* It is dead when it has gone, not before. */
	must_eq(test, pool->deaths, 0);
	zk_die(test, may);
	must_eq(test, pool->deaths, 1);
	must_eq(test, evict(by->p, file, index, 1), -ESRCH);
}

/*
 * Processes are root's, whoever they act for: to kill them is root's.  @maker makes
 * the pool, @caller asks for the eviction.  Return: what comes of it.
 */
static int evict_as(struct kunit *test, const char *name, const struct cred *maker,
		    const struct cred *caller)
{
	struct zc_ioc_create *wish = zk_wish(test, name);
	struct zk_member *victim, *by;
	struct file *file;
	int err;

	wish->mode = 0666;
	zk_become(test, maker);
	file = zk_open(test, zk_pool_make(test, wish));
	victim = zk_member(test, file, ZC_JOIN_EVICTABLE);
	zk_become(test, caller);
	by = zk_member(test, file, 0);
	err = evict(by->p, file, victim->join.member, 1);
	zk_become(test, NULL);
	must_eq(test, zk_in(victim->p, signalled, NULL), !err);
	return err;
}

static void eviction_is_a_kill(struct kunit *test)
{
	const struct cred *user = zk_cred(test, UID, UID, UID, -1);
	const struct cred *killer = zk_cred(test, UID, UID, UID, CAP_KILL);
	const struct cred *other = zk_cred(test, OTHER_UID, UID, UID, -1);

	must_eq(test, evict_as(test, "kunit-1", user, user), -EPERM);
	must_eq(test, evict_as(test, "kunit-2", NULL, user), -EPERM);
	must_eq(test, evict_as(test, "kunit-3", user, killer), 0);
	/* The owner may what the creator might; nobody else may by that. */
	must_eq(test, evict_as(test, "kunit-4", killer, user), 0);
	must_eq(test, evict_as(test, "kunit-5", killer, other), -EPERM);
}

/* --- events --------------------------------------------------------------------------------- */

static void queue_loses_the_oldest_and_says_so(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-queue");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, 0);
	struct zc_device_event *event = zk_alloc(test, 3 * sizeof(*event));
	u32 i;

	must_eq(test, zk_read(m->p, file, event, sizeof(*event)), -EAGAIN);
	must_eq(test, zk_read(m->p, file, event, sizeof(*event) - 1), -EINVAL);
	mutex_lock(&pool->lock);
	for (i = 0; i < ZC_DEVICE_EVENTS + 7; i++)
		zc_event_about(pool, ZC_DEVICE_EVENT_WRITER_JOINED, ~0U, i, i);
	mutex_unlock(&pool->lock);
	must_eq(test, zk_read(m->p, file, event, 3 * sizeof(*event) + 5), 3 * sizeof(*event));
	must_eq(test, event[0].type, ZC_DEVICE_EVENT_OVERFLOW);
	must_eq(test, event[0].blocks, 7);
	must_eq(test, event[0].member, ~0U);
	must_eq(test, event[1].service, 7);
	must_eq(test, event[2].service, 8);
	for (i = 9; i < ZC_DEVICE_EVENTS + 7; i++) {
		zk_event(test, m, ZC_DEVICE_EVENT_WRITER_JOINED, event);
		must_eq(test, event->service, i);
		must_eq(test, event->pid | event->incarnation | event->blocks, 0);
	}
	must_eq(test, zk_read(m->p, file, event, sizeof(*event)), -EAGAIN);
}

static struct kunit_case member_cases[] = {
	KUNIT_CASE(join_refuses_what_it_does_not_know),
	KUNIT_CASE(join_writes_its_record),
	KUNIT_CASE(join_is_once_a_process_and_descriptor),
	KUNIT_CASE(record_has_a_new_incarnation_each_time),
	KUNIT_CASE(records_may_all_be_taken),
	KUNIT_CASE(readers_do_not_lock_writers_out),
	KUNIT_CASE(leaving_is_told_and_leaves_nothing),
	KUNIT_CASE(closing_is_leaving_without_a_lease),
	KUNIT_CASE(lease_holds_the_descriptor),
	KUNIT_CASE(end_of_the_lease_is_a_death),
	KUNIT_CASE(address_space_goes_with_its_member),
	KUNIT_CASE(process_that_ends_before_its_lease_is_dead),
	KUNIT_CASE(stamps_are_watched),
	KUNIT_CASE(eviction_is_of_who_agreed),
	KUNIT_CASE(eviction_is_a_kill),
	KUNIT_CASE(queue_loses_the_oldest_and_says_so),
	{}
};

static struct kunit_suite member_suite = {
	.name = "zerocore_member",
	.test_cases = member_cases,
};

kunit_test_suite(member_suite);
