// SPDX-License-Identifier: GPL-2.0
/*
 * member.c - processes attached to a pool: joined, left, gone, evicted.
 *
 * A member is an address space.  Its lease is a mapping in there that is not
 * inherited: when the last of it goes (exit, kill, exec, munmap), nobody can reach
 * the pool's memory by this membership any more, whoever else has descriptors, and
 * what the member held is taken back.  A process that ends while another shares its
 * memory (vfork) is dead when that one has let go, too.  The wait queue of the
 * pid tells of the end of those that never got as far as a lease.
 */
#include <linux/hashtable.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "zerocore.h"
#include "trace.h"

static void zc_member_release(struct kref *ref)
{
	struct zc_member *m = container_of(ref, struct zc_member, ref);

	zc_region_free(&m->stamps);
	zc_events_free(&m->events);
	put_pid(m->pid);
	mmdrop(m->mm);
	zc_pool_put(m->pool);
	kfree(m);
}

void zc_member_get(struct zc_member *m)
{
	kref_get(&m->ref);
}

void zc_member_put(struct zc_member *m)
{
	kref_put(&m->ref, zc_member_release);
}

struct zc_member *zc_member_at(struct zc_pool *pool, u32 index)
{
	struct zc_member *m;

	lockdep_assert_held(&pool->lock);
	list_for_each_entry(m, &pool->members, list)
		if (m->index == index && m->state != ZC_MEMBER_GONE)
			return m;
	return NULL;
}

struct zc_member *zc_member_current(struct zc_file *file)
{
	struct zc_member *m;

	lockdep_assert_held(&file->pool->lock);
	list_for_each_entry(m, &file->members, file_list)
		if (m->mm == current->mm && m->state == ZC_MEMBER_ALIVE)
			return m;
	return NULL;
}

struct zc_member *zc_member_leased(struct zc_file *file)
{
	struct zc_member *m;

	if (mutex_lock_killable(&file->pool->lock))
		return ERR_PTR(-EINTR);
	m = zc_member_current(file);
	if (!m)
		m = ERR_PTR(-EPERM);	/* whoever has it did not join */
	else if (!m->leased || READ_ONCE(m->lease_over))
		m = ERR_PTR(-ENXIO);
	else
		zc_member_get(m);
	mutex_unlock(&file->pool->lock);
	return m;
}

/* --- joining -------------------------------------------------------------------- */

/* In the context of whoever wakes the queue: atomic. */
static int zc_member_exits(wait_queue_entry_t *entry, unsigned int mode,
			   int flags, void *key)
{
	struct zc_member *m = container_of(entry, struct zc_member, exit);

	zc_reap_kick(m->pool);
	return 0;
}

/*
 * Who may only read, and does not own the pool, gets half of the records at most:
 * nobody can lock writers out by looking.
 */
static bool zc_member_crowds(const struct zc_pool *pool,
			     const struct zc_member *m)
{
	const struct zc_member *other;
	u32 n = 0;

	lockdep_assert_held(&pool->lock);
	if (m->may_write || uid_eq(m->uid, pool->uid))
		return false;
	list_for_each_entry(other, &pool->members, list)
		n += !other->may_write && !uid_eq(other->uid, pool->uid);
	return n >= ZC_MAX_MEMBERS / 2;
}

/* A free record becomes LIVE; -EUSERS, -EAGAIN. */
static int zc_member_record(struct zc_pool *pool, struct zc_member *m,
			    const struct zc_ioc_join *arg)
{
	struct zc_view *v = &pool->view;
	u32 i, k;

	lockdep_assert_held(&pool->lock);
	if (zc_member_crowds(pool, m))
		return zc_full(pool, -EUSERS);
	for (i = 0; i < ZC_MAX_MEMBERS; i++) {
		struct zc_member_record *r = &v->members[i];
		u64 now = ktime_get_ns();
		u32 inc = zc_life_incarnation(r->life) + 1;

		if (zc_life_state(r->life) != ZC_LIFE_IDLE || !inc)
			continue;
		WRITE_ONCE(r->pid, pid_nr_ns(m->pid, pool->pid_ns));
		WRITE_ONCE(r->uid, from_kuid_munged(pool->cred->user_ns,
						    m->uid));
		WRITE_ONCE(r->pid_ns, arg->pid_ns);
		WRITE_ONCE(r->start_ticks, arg->start_ticks);
		WRITE_ONCE(r->caps, arg->caps | (m->may_write ? ZC_CAP_WRITE : 0));
		WRITE_ONCE(r->alive_ns, now);
		WRITE_ONCE(r->progress_ns, now);
		WRITE_ONCE(r->death_ns, 0);
		WRITE_ONCE(r->reaped_blocks, 0);
		WRITE_ONCE(r->reaped_bytes, 0);
		WRITE_ONCE(r->lost_blocks, 0);
		WRITE_ONCE(r->suspect_ns, 0);
		WRITE_ONCE(r->map_token, 0);
		for (k = 0; k < sizeof(r->comm); k++)
			WRITE_ONCE(r->comm[k], arg->comm[k]);
		m->index = i;
		m->life = zc_life(inc, 0, ZC_LIFE_LIVE);
		/* [L1] the record before the word that says so. */
		smp_store_release(&r->life, m->life);
		if (i >= pool->member_high)
			pool->member_high = i + 1;
		return 0;
	}
	return zc_full(pool, -EUSERS);
}

static struct zc_member *zc_member_alloc(struct zc_pool *pool)
{
	struct zc_member *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);

	if (!m)
		return ERR_PTR(-ENOMEM);
	kref_init(&m->ref);
	INIT_LIST_HEAD(&m->list);
	INIT_LIST_HEAD(&m->file_list);
	zc_pool_get(pool);
	m->pool = pool;
	m->mm = current->mm;
	mmgrab(m->mm);
	m->pid = get_pid(task_tgid(current));
	m->uid = current_euid();
	init_waitqueue_func_entry(&m->exit, zc_member_exits);
	return m;
}

static int zc_join_check(const struct zc_ioc_join *arg)
{
	if (arg->flags & ~ZC_JOIN_FLAGS ||
	    (arg->flags & ZC_JOIN_WRITE && arg->flags & ZC_JOIN_TRY_WRITE) ||
	    arg->caps & ~ZC_CAP_MEMBARRIER || arg->comm[15])
		return -EINVAL;
	return 0;
}

int zc_member_join(struct zc_file *file, struct zc_ioc_join *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_member *m;
	int err = zc_join_check(arg);

	if (err)
		return err;
	if (!current->mm)
		return -EINVAL;
	if (!zc_pool_may(pool, MAY_READ))
		return -EACCES;
	if (arg->flags & ZC_JOIN_WRITE && !zc_pool_may(pool, MAY_WRITE))
		return -EACCES;
	if (!arg->comm[0])
		get_task_comm(arg->comm, current);
	m = zc_member_alloc(pool);
	if (IS_ERR(m))
		return PTR_ERR(m);
	m->may_write = arg->flags & (ZC_JOIN_WRITE | ZC_JOIN_TRY_WRITE) &&
		       zc_pool_may(pool, MAY_WRITE);
	m->evictable = arg->flags & ZC_JOIN_EVICTABLE;
	err = zc_events_init(&m->events);
	if (!err)
		err = zc_region_make(&m->stamps, "zerocore-stamps", PAGE_SIZE);
	if (!err && mutex_lock_killable(&pool->lock))
		err = -EINTR;
	if (err)
		goto out;
	/* Who is gone by now must not keep others out. */
	zc_members_bury(pool);
	if (zc_member_current(file))
		err = -EALREADY;
	else
		err = zc_member_record(pool, m, arg);
	if (!err) {
		struct zc_stamps *stamps = m->stamps.pages.addr;

		WRITE_ONCE(stamps->alive_ns, ktime_get_ns());
		list_add_tail(&m->list, &pool->members);
		zc_member_get(m);
		list_add_tail(&m->file_list, &file->members);
		m->file = file;
		arg->member = m->index;
		arg->life = m->life;
		arg->granted = m->may_write ? ZC_CAP_WRITE : 0;
		zc_event_about(pool, ZC_DEVICE_EVENT_MEMBER_JOINED, m->index,
			       ~0U, ~0U);
		trace_zerocore_join(pool->name, m->index, pid_nr(m->pid),
				    m->may_write);
		zc_watchdog_start(pool);
		/* Now that it can be found; if it has ended meanwhile nobody told us. */
		add_wait_queue(&m->pid->wait_pidfd, &m->exit);
		zc_reap_kick(pool);
	}
	mutex_unlock(&pool->lock);
	if (err)
		goto out;
	return 0;
out:
	zc_member_put(m);
	return err;
}

/* --- leaving ------------------------------------------------------------------------ */

static bool zc_member_has_roles(const struct zc_view *v, u32 m)
{
	u32 i, r;

	for (i = 0; i < ZC_MAX_WRITERS + ZC_MAX_CLEANERS; i++) {
		u64 life = i < ZC_MAX_WRITERS ?
				   v->writer_slots[i].life :
				   v->cleaner_slots[i - ZC_MAX_WRITERS].life;

		if (zc_life_state(life) != ZC_LIFE_IDLE &&
		    zc_life_member(life) == m)
			return true;
	}
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		for (r = 0; r < ZC_MAX_READERS_PER; r++) {
			u64 life = zc_reader_slot(v, i, r)->life;

			if (zc_life_state(life) != ZC_LIFE_IDLE &&
			    zc_life_member(life) == m)
				return true;
		}
	return false;
}

/*
 * Nothing of it is left in the pool: its references go, and what only a member needs. The
 * rest lives as long as its lease is mapped, of which a process may have many.
 */
static void zc_member_gone(struct zc_pool *pool, struct zc_member *m)
{
	lockdep_assert_held(&pool->lock);
	m->state = ZC_MEMBER_GONE;
	remove_wait_queue(&m->pid->wait_pidfd, &m->exit);
	zc_region_free(&m->stamps);
	zc_events_free(&m->events);
	list_del_init(&m->list);
	if (!list_empty(&m->file_list)) {
		list_del_init(&m->file_list);
		zc_member_put(m);
	}
	if (m->file)
		wake_up_all(&m->file->wait);
	m->file = NULL;
	zc_member_put(m);
}

static void zc_member_dies(struct zc_pool *pool, struct zc_member *m)
{
	lockdep_assert_held(&pool->lock);
	m->state = ZC_MEMBER_DYING;
	m->died_ns = ktime_get_ns();
	pool->deaths++;
	zc_member_declare_dead(&pool->view, m->index, m->life, m->died_ns);
	trace_zerocore_death(pool->name, m->index, pid_nr(m->pid));
	zc_epoch_bump(pool);
	/* Who waits for its events has no more to wait for; the reaping may take long. */
	if (m->file)
		wake_up_all(&m->file->wait);
}

static void zc_member_leaves(struct zc_pool *pool, struct zc_member *m)
{
	u64 *life = &pool->view.members[m->index].life;

	lockdep_assert_held(&pool->lock);
	/* Who leaves with roles left does not get away with what they hold. */
	if (zc_member_has_roles(&pool->view, m->index)) {
		zc_member_dies(pool, m);
		zc_reap_kick(pool);
		return;
	}
	zc_event_about(pool, ZC_DEVICE_EVENT_MEMBER_LEFT, m->index, ~0U, ~0U);
	trace_zerocore_leave(pool->name, m->index, pid_nr(m->pid));
	/* What the member did, before its slot is another's. */
	smp_store_release(life, zc_life(zc_life_incarnation(m->life), 0,
					ZC_LIFE_IDLE));
	zc_epoch_bump(pool);
	zc_member_gone(pool, m);
}

int zc_member_leave(struct zc_file *file)
{
	struct zc_pool *pool = file->pool;
	struct zc_member *m;
	int err = 0;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	m = zc_member_current(file);
	if (m)
		zc_member_leaves(pool, m);
	else
		err = -EPERM;
	mutex_unlock(&pool->lock);
	return err;
}

/* The descriptor is closed; with a lease a member goes on without one. */
void zc_members_forget(struct zc_file *file)
{
	struct zc_pool *pool = file->pool;
	struct zc_member *m, *next;

	mutex_lock(&pool->lock);
	list_for_each_entry_safe(m, next, &file->members, file_list) {
		list_del_init(&m->file_list);
		m->file = NULL;
		if (m->state == ZC_MEMBER_ALIVE && !m->leased)
			zc_member_leaves(pool, m);
		zc_member_put(m);
	}
	mutex_unlock(&pool->lock);
}

/* --- death ------------------------------------------------------------------------------ */

void zc_member_lease_open(struct zc_member *m)
{
	zc_member_get(m);
	atomic_inc(&m->lease);
}

void zc_member_lease_close(struct zc_member *m)
{
	struct zc_pool *pool = m->pool;

	if (atomic_dec_and_test(&m->lease)) {
		WRITE_ONCE(m->lease_over, true);
		zc_reap_kick(pool);
	}
	zc_member_put(m);
}

/* Has the last thread of the process ended? */
static bool zc_process_ended(struct pid *pid)
{
	struct task_struct *task;
	bool ended;

	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	ended = !task ||
		(READ_ONCE(task->exit_state) && thread_group_empty(task));
	rcu_read_unlock();
	return ended;
}

void zc_members_bury(struct zc_pool *pool)
{
	struct zc_member *m, *next;

	lockdep_assert_held(&pool->lock);
	list_for_each_entry_safe(m, next, &pool->members, list) {
		if (m->state != ZC_MEMBER_ALIVE)
			continue;
		if (READ_ONCE(m->lease_over) ||
		    (!m->leased && zc_process_ended(m->pid)))
			zc_member_dies(pool, m);
	}
}

void zc_member_reaped(struct zc_pool *pool, u32 index, u32 incarnation)
{
	const struct zc_member_record *r = &pool->view.members[index];
	struct zc_member *m = zc_member_at(pool, index);
	struct zc_device_event event = {
		.type = ZC_DEVICE_EVENT_MEMBER_DIED,
		.member = index,
		.incarnation = incarnation,
		.pid = r->pid,
		.service = ~0U,
		.reader = ~0U,
		.segment = ~0U,
		.blocks = r->reaped_blocks,
		.payload_bytes = r->reaped_bytes,
		.lost_blocks = r->lost_blocks,
	};

	lockdep_assert_held(&pool->lock);
	memcpy(event.comm, r->comm, sizeof(event.comm));
	if (m && m->state == ZC_MEMBER_DYING) {
		event.reap_ns = ktime_get_ns() - m->died_ns;
		pool->reap_last_ns = event.reap_ns;
		if (event.reap_ns > pool->reap_max_ns)
			pool->reap_max_ns = event.reap_ns;
	}
	zc_event_tell(pool, &event);
	trace_zerocore_reaped(pool->name, index, event.blocks,
			      event.payload_bytes, event.reap_ns);
	if (m)
		zc_member_gone(pool, m);
}

/* --- eviction -------------------------------------------------------------------------------- */

/*
 * Is it still this process, and not what it has become by exec?  Any thread tells: the
 * first may have ended, and has no memory then.
 */
static bool zc_member_here(const struct zc_member *m)
{
	struct task_struct *task, *thread;
	bool same = false;

	if (m->state != ZC_MEMBER_ALIVE || READ_ONCE(m->lease_over))
		return false;
	rcu_read_lock();
	task = pid_task(m->pid, PIDTYPE_TGID);
	if (task)
		for_each_thread(task, thread) {
			task_lock(thread);
			same = thread->mm == m->mm;
			task_unlock(thread);
			if (same)
				break;
		}
	rcu_read_unlock();
	return same;
}

/* The kernel's own rules say who may kill whom; the owner may what the creator may. */
static int zc_member_kill(const struct zc_pool *pool, struct pid *pid)
{
	const struct cred *saved;
	int err = kill_pid(pid, SIGKILL, 0);

	if (err != -EPERM || !uid_eq(current_euid(), pool->uid))
		return err;
	saved = override_creds(pool->cred);
	err = kill_pid(pid, SIGKILL, 0);
	revert_creds(saved);
	return err;
}

int zc_member_evict(struct zc_file *file, const struct zc_ioc_evict *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_member *m;
	struct pid *pid = NULL;
	int err = 0;

	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	m = zc_member_current(file);
	if (!m) {
		err = -EPERM;
	} else {
		m = zc_member_at(pool, arg->member);
		if (!m || zc_life_incarnation(m->life) != arg->incarnation ||
		    !zc_member_here(m))
			err = -ESRCH;
		else if (!m->evictable || !m->leased)
			err = -EPERM;
		else
			pid = get_pid(m->pid);
	}
	mutex_unlock(&pool->lock);
	if (err)
		return err;
	err = zc_member_kill(pool, pid);
	if (!err)
		trace_zerocore_evict(pool->name, arg->member, pid_nr(pid));
	put_pid(pid);
	/* Its memory comes back when it is gone, as after any death. */
	return err;
}
