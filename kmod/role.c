// SPDX-License-Identifier: GPL-2.0
/*
 * role.c - writers, readers and cleaners: becoming one, ceasing to be one.
 *
 * The slots are in the kernel region, which nobody else writes: under pool->lock
 * plain stores in the right order are enough.  That order is the protocol's: a
 * joiner's life before its bit in the masks, a leaver's bit before its life.
 */
#include <linux/poll.h>
#include <linux/slab.h>

#include "zerocore.h"
#include "reclaim.h"
#include "trace.h"

static int zc_name_copy(struct zc_service_name *to,
			const u8 from[3][ZC_NAME_BYTES])
{
	char *text = kmalloc(3 * ZC_NAME_BYTES, GFP_KERNEL);
	int n = 0, part, err = 0;

	if (!text)
		return -ENOMEM;
	for (part = 0; part < 3 && !err; part++) {
		size_t bytes = strnlen((const char *)from[part], ZC_NAME_BYTES);

		if (bytes == ZC_NAME_BYTES ||
		    memchr_inv(from[part] + bytes, 0, ZC_NAME_BYTES - bytes) ||
		    memchr(from[part], '/', bytes))
			err = -EINVAL;
		else
			n += scnprintf(text + n, 3 * ZC_NAME_BYTES - n, "%s%s",
				       part ? "/" : "", from[part]);
	}
	/* One place says what a name may be: the library's. */
	if (!err && zc_service_parse(to, text))
		err = -EINVAL;
	kfree(text);
	return err;
}

int zc_full(struct zc_pool *pool, int err)
{
	lockdep_assert_held(&pool->lock);
	if (!zc_reap_wanted(&pool->view))
		return err;
	zc_reap_kick(pool);
	return -EAGAIN;
}

/*
 * The entries that a service may be made of.  A reader may be there before its writer,
 * and so makes the service.  Who may only read has half of the entries for that, all
 * such members together, in use or not: nobody can lock writers out by looking.  And
 * none goes for it that somebody else made, or that ever had a writer: what that left
 * there is for those who have not come yet.
 */
static u32 zc_service_may(const struct zc_pool *pool, const struct zc_member *m)
{
	u32 i, may = pool->by_readers;

	lockdep_assert_held(&pool->lock);
	if (m->may_write)
		return ~0U;
	if (hweight32(may) < ZC_MAX_WRITERS / 2)
		for (i = 0; i < ZC_MAX_WRITERS; i++)
			if (zc_service_state(pool->view.writer_slots[i].service) ==
			    ZC_SERVICE_EMPTY)
				may |= 1U << i;
	return may;
}

/* Finds or makes the service. */
static int zc_service_enter(struct zc_pool *pool, struct zc_member *m,
			    const struct zc_service_name *name)
{
	bool created;
	u32 removed;
	u64 word;
	int i;

	lockdep_assert_held(&pool->lock);
	/* Nobody else claims: it ends at the first try. */
	i = zc_service_open(&pool->view, name, m->index, zc_service_may(pool, m),
			    &word, &created, &removed);
	if (removed != ~0U) {
		pool->by_readers &= ~(1U << removed);
		zc_event_about(pool, ZC_DEVICE_EVENT_SERVICE_REMOVED, m->index,
			       removed, ~0U);
	}
	if (i < 0)
		return zc_full(pool, -ENOSPC);
	if (created) {
		pool->by_readers &= ~(1U << i);
		pool->by_readers |= (u32)!m->may_write << i;
		/* Before what can fail: the service is there then, too. */
		zc_event_about(pool, ZC_DEVICE_EVENT_SERVICE_ADDED, m->index, i,
			       ~0U);
	}
	return i;
}

/* The caller, who has a lease; pool->lock is held when it is there. */
static struct zc_member *zc_role_begin(struct zc_file *file)
{
	struct zc_member *m;

	if (mutex_lock_killable(&file->pool->lock))
		return ERR_PTR(-EINTR);
	/* Who is gone by now must not look alive to whoever takes his place. */
	zc_members_bury(file->pool);
	m = zc_member_current(file);
	if (!m)
		m = ERR_PTR(-EPERM);
	else if (!m->leased || READ_ONCE(m->lease_over))
		m = ERR_PTR(-ENXIO);
	if (IS_ERR(m))
		mutex_unlock(&file->pool->lock);
	return m;
}

static void zc_role_end(struct zc_file *file)
{
	mutex_unlock(&file->pool->lock);
}

/*
 * Memory for a role, of the writers' file, without pool->lock: whose memory cgroup is
 * full waits, and nobody else does.  Two may be at it at a time.  They get the same
 * pages, and the second finds them there.
 */
static int zc_area_make(struct zc_pool *pool, struct zc_pages *area,
			struct zc_writer_area **seen, u64 off, u64 bytes)
{
	struct zc_pages made = { 0 };
	int err = zc_pages_get(&made, pool->writers, off - pool->geometry.off_hints,
			       bytes);

	if (err)
		return err;
	if (mutex_lock_killable(&pool->lock)) {
		err = -EINTR;
	} else {
		if (!area->addr) {
			swap(*area, made);
			if (seen)
				*seen = area->addr;
		}
		mutex_unlock(&pool->lock);
	}
	zc_pages_put(&made);
	return err;
}

/*
 * As zc_role_begin(), and in the service, whose writer region has memory then.  Returns
 * its index, or an error without the lock.
 */
static int zc_service_begin(struct zc_file *file, const struct zc_service_name *name,
			    bool write, struct zc_member **member)
{
	struct zc_pool *pool = file->pool;
	const struct zc_geometry *g = &pool->geometry;
	int i, err;

	for (;;) {
		struct zc_member *m = zc_role_begin(file);

		if (IS_ERR(m))
			return PTR_ERR(m);
		*member = m;
		i = write && !m->may_write ? -EACCES :
					     zc_service_enter(pool, m, name);
		if (i >= 0 && pool->writer_area[i].addr)
			return i;
		zc_role_end(file);
		if (i < 0)
			return i;
		/* Each round gives another service its memory: they end. */
		err = zc_area_make(pool, &pool->writer_area[i],
				   &pool->view.writer_area[i],
				   g->off_writer_areas + i * g->writer_area_bytes,
				   g->writer_area_bytes);
		if (err)
			return err;
	}
}

/* Is that slot of that incarnation the caller's? */
static bool zc_role_mine(u64 life, const struct zc_member *m, u32 incarnation)
{
	return zc_life_state(life) == ZC_LIFE_LIVE &&
	       zc_life_member(life) == m->index &&
	       zc_life_incarnation(life) == incarnation;
}

/* --- writers ---------------------------------------------------------------------- */

static int zc_writer_check(const struct zc_pool *pool,
			   const struct zc_ioc_writer *arg)
{
	if (arg->on_slow > ZC_SLOW_DISCONNECT ||
	    arg->flags & ~ZC_SERVICE_OVERWRITE ||
	    arg->lag_limit >= pool->geometry.ring_entries ||
	    arg->history >= pool->geometry.ring_entries)
		return -EINVAL;
	return 0;
}

int zc_writer_join(struct zc_file *file, struct zc_ioc_writer *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_service_name name;
	struct zc_writer_slot *slot;
	struct zc_member *m;
	int i, err;
	u32 inc;

	err = zc_name_copy(&name, arg->name);
	if (!err)
		err = zc_writer_check(pool, arg);
	if (err)
		return err;
	i = zc_service_begin(file, &name, true, &m);
	if (i < 0)
		return i;
	pool->by_readers &= ~(1U << i);
	slot = &pool->view.writer_slots[i];
	switch (zc_life_state(slot->life)) {
	case ZC_LIFE_LIVE:
		err = -EBUSY;
		goto out;
	case ZC_LIFE_REAPING:
		zc_reap_kick(pool);
		err = -EAGAIN;
		goto out;
	}
	inc = zc_life_incarnation(slot->life) + 1;
	if (!inc)
		inc = 1;
	WRITE_ONCE(slot->on_slow, arg->on_slow);
	WRITE_ONCE(slot->flags, arg->flags);
	WRITE_ONCE(slot->history, arg->history);
	WRITE_ONCE(slot->lag_limit, arg->lag_limit);
	WRITE_ONCE(slot->quota_bytes, arg->quota_bytes);
	WRITE_ONCE(slot->caps, pool->view.members[m->index].caps);
	/* The slot's record before the word that says so. */
	smp_store_release(&slot->life, zc_life(inc, m->index, ZC_LIFE_LIVE));
	arg->service = i;
	arg->incarnation = inc;
	zc_event_about(pool, ZC_DEVICE_EVENT_WRITER_JOINED, m->index, i, ~0U);
	trace_zerocore_writer(pool->name, m->index, i, true);
	err = 0;
out:
	zc_role_end(file);
	return err;
}

int zc_writer_leave(struct zc_file *file, const struct zc_ioc_writer *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_writer_slot *slot;
	struct zc_member *m;
	int err = -ESRCH;

	if (arg->service >= ZC_MAX_WRITERS)
		return -EINVAL;
	m = zc_role_begin(file);
	if (IS_ERR(m))
		return PTR_ERR(m);
	slot = &pool->view.writer_slots[arg->service];
	if (zc_role_mine(slot->life, m, arg->incarnation)) {
		zc_event_about(pool, ZC_DEVICE_EVENT_WRITER_LEFT, m->index,
			       arg->service, ~0U);
		trace_zerocore_writer(pool->name, m->index, arg->service, false);
		/* What the role did, before its slot is another's. */
		smp_store_release(&slot->life,
				  zc_life(arg->incarnation, 0, ZC_LIFE_IDLE));
		zc_epoch_bump(pool);
		err = 0;
	}
	zc_role_end(file);
	return err;
}

/* The caller, who must be the writer of that service, tells its readers. */
static int zc_writer_notify(struct zc_pool *pool, struct zc_member *m,
			    const struct zc_ioc_notify *arg)
{
	struct zc_view *v = &pool->view;
	struct zc_member *other;
	u32 mask, r;
	u64 life;

	life = v->writer_slots[arg->service].life;
	if (zc_life_state(life) != ZC_LIFE_LIVE ||
	    zc_life_member(life) != m->index)
		return -EPERM;
	if (arg->flags & ZC_NOTIFY_DISCONNECTED) {
		life = zc_reader_slot(v, arg->service, arg->reader)->life;
		if (zc_life_state(life) == ZC_LIFE_LIVE)
			zc_event_about(pool,
				       ZC_DEVICE_EVENT_READER_DISCONNECTED,
				       zc_life_member(life), arg->service,
				       arg->reader);
	}
	mask = zc_mask_bits(v->writer_slots[arg->service].active);
	if (!(arg->flags & ZC_NOTIFY_MESSAGES))
		mask = 0;
	for (r = 0; mask; r++, mask >>= 1) {
		if (!(mask & 1))
			continue;
		life = zc_reader_slot(v, arg->service, r)->life;
		other = zc_member_at(pool, zc_life_member(life));
		if (!other || !other->file)
			continue;
		spin_lock(&other->events.lock);
		other->events.notified = true;
		spin_unlock(&other->events.lock);
		wake_up_interruptible_poll(&other->file->wait, EPOLLPRI);
	}
	return 0;
}

static int zc_notify_check(const struct zc_ioc_notify *arg)
{
	if (arg->service >= ZC_MAX_WRITERS || arg->flags & ~ZC_NOTIFY_FLAGS ||
	    !arg->flags || arg->padding || arg->reader >= ZC_MAX_READERS_PER ||
	    (arg->reader && !(arg->flags & ZC_NOTIFY_DISCONNECTED)))
		return -EINVAL;
	if (!(arg->flags & ZC_NOTIFY_CORRUPTED))
		return arg->fault || arg->sequence || arg->suspect ? -EINVAL : 0;
	return arg->flags != ZC_NOTIFY_CORRUPTED || !arg->fault ||
	       arg->fault > ZC_FAULTS_MAX || arg->suspect > ZC_MAX_WRITERS ?
		       -EINVAL : 0;
}

int zc_notify(struct zc_file *file, const struct zc_ioc_notify *arg)
{
	int err = zc_notify_check(arg);
	struct zc_member *m;

	if (err)
		return err;
	m = zc_role_begin(file);
	if (IS_ERR(m))
		return PTR_ERR(m);
	if (arg->flags & ZC_NOTIFY_CORRUPTED)
		err = zc_corrupt_tell(file->pool, m, arg);
	else
		err = zc_writer_notify(file->pool, m, arg);
	zc_role_end(file);
	return err;
}

/* --- readers -------------------------------------------------------------------------- */

/*
 * A region of its own file for each reader: the one of before may still be mapped
 * writable by a process that let go of its role.  It becomes @region, to be freed.
 */
static void zc_reader_region(struct zc_pool *pool, u32 n, u32 incarnation,
			     struct zc_region *region)
{
	struct zc_reader_area *area = region->pages.addr;

	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(area->incarnation, incarnation);
	swap(pool->reader[n], *region);
	pool->view.reader_area[n] = area;
}

/*
 * Has the user of @m half of a service's places for readers?  More has none who may only
 * read, and does not own the pool: nobody can lock other readers out by looking.
 */
static bool zc_reader_crowds(const struct zc_pool *pool, const struct zc_member *m,
			     u32 w)
{
	DECLARE_BITMAP(same, ZC_MAX_MEMBERS) = { 0 };
	const struct zc_member *other;
	u32 r, n = 0;

	lockdep_assert_held(&pool->lock);
	if (m->may_write || uid_eq(m->uid, pool->uid))
		return false;
	list_for_each_entry(other, &pool->members, list)
		if (uid_eq(other->uid, m->uid))
			__set_bit(other->index, same);
	for (r = 0; r < ZC_MAX_READERS_PER; r++) {
		u64 life = zc_reader_slot(&pool->view, w, r)->life;

		n += zc_life_state(life) != ZC_LIFE_IDLE &&
		     test_bit(zc_life_member(life), same);
	}
	return n >= ZC_MAX_READERS_PER / 2;
}

static int zc_reader_take(struct zc_pool *pool, struct zc_member *m, u32 w,
			  struct zc_ioc_reader *arg, struct zc_region *region)
{
	struct zc_view *v = &pool->view;
	struct zc_writer_slot *slot = &v->writer_slots[w];
	struct zc_reader_slot *rs;
	u32 r, inc;

	for (r = 0; r < ZC_MAX_READERS_PER; r++)
		if (zc_life_state(zc_reader_slot(v, w, r)->life) == ZC_LIFE_IDLE)
			break;
	if (r == ZC_MAX_READERS_PER || zc_reader_crowds(pool, m, w))
		return zc_full(pool, -EUSERS);
	rs = zc_reader_slot(v, w, r);
	inc = zc_life_incarnation(rs->life) + 1;
	if (!inc)
		inc = 1;
	zc_reader_region(pool, w * ZC_MAX_READERS_PER + r, inc, region);
	if (slot->flags & ZC_SERVICE_OVERWRITE)
		arg->flags |= ZC_READER_HAZARD;
	WRITE_ONCE(rs->flags, arg->flags);
	WRITE_ONCE(rs->caps, v->members[m->index].caps);
	/* The slot's record before the word that says so. */
	smp_store_release(&rs->life, zc_life(inc, m->index, ZC_LIFE_LIVE));
	if (arg->flags)
		zc_mask_set(&slot->hazard, r);
	zc_mask_set(&slot->active, r);
	arg->service = w;
	arg->reader = r;
	arg->incarnation = inc;
	return 0;
}

int zc_reader_join(struct zc_file *file, struct zc_ioc_reader *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_service_name name;
	struct zc_region region = { 0 };
	struct zc_member *m;
	int i, err;

	if (arg->flags & ~(ZC_READER_HAZARD | ZC_READER_HISTORY))
		return -EINVAL;
	err = zc_name_copy(&name, arg->name);
	if (err)
		return err;
	/* Before the lock, as zc_area_make(). */
	err = zc_region_make(&region, "zerocore-reader",
			     pool->geometry.reader_area_bytes);
	if (err)
		return err;
	i = zc_service_begin(file, &name, false, &m);
	if (i < 0) {
		err = i;
		goto out;
	}
	err = zc_reader_take(pool, m, i, arg, &region);
	if (!err) {
		zc_event_about(pool, ZC_DEVICE_EVENT_READER_JOINED, m->index, i,
			       arg->reader);
		trace_zerocore_reader(pool->name, m->index, i, arg->reader, true);
	}
	zc_role_end(file);
out:
	zc_region_free(&region);
	return err;
}

int zc_reader_leave(struct zc_file *file, const struct zc_ioc_reader *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_view *v = &pool->view;
	struct zc_writer_slot *slot;
	struct zc_region region = { 0 };
	struct zc_reader_slot *rs;
	struct zc_member *m;
	int err = -ESRCH;

	if (arg->service >= ZC_MAX_WRITERS || arg->reader >= ZC_MAX_READERS_PER)
		return -EINVAL;
	m = zc_role_begin(file);
	if (IS_ERR(m))
		return PTR_ERR(m);
	slot = &v->writer_slots[arg->service];
	rs = zc_reader_slot(v, arg->service, arg->reader);
	if (zc_role_mine(rs->life, m, arg->incarnation)) {
		u32 n = arg->service * ZC_MAX_READERS_PER + arg->reader;

		zc_event_about(pool, ZC_DEVICE_EVENT_READER_LEFT, m->index,
			       arg->service, arg->reader);
		trace_zerocore_reader(pool->name, m->index, arg->service,
				      arg->reader, false);
		zc_mask_clear(&slot->active, arg->reader);
		if (zc_mask_bits(slot->hazard) >> arg->reader & 1)
			zc_mask_clear(&slot->hazard, arg->reader);
		/* What the role did, before its slot is another's. */
		smp_store_release(&rs->life,
				  zc_life(arg->incarnation, 0, ZC_LIFE_IDLE));
		v->reader_area[n] = pool->nobody.addr;
		swap(pool->reader[n], region);
		zc_epoch_bump(pool);
		err = 0;
	}
	zc_role_end(file);
	zc_region_free(&region);
	return err;
}

/* --- cleaners ---------------------------------------------------------------------------- */

/* The first free place, or an error. */
static int zc_cleaner_place(struct zc_pool *pool, const struct zc_member *m)
{
	int c;

	lockdep_assert_held(&pool->lock);
	if (!m->may_write)
		return -EACCES;
	for (c = 0; c < ZC_MAX_CLEANERS; c++)
		if (zc_life_state(pool->view.cleaner_slots[c].life) == ZC_LIFE_IDLE)
			return c;
	return zc_full(pool, -EUSERS);
}

int zc_cleaner_join(struct zc_file *file, struct zc_ioc_cleaner *arg)
{
	struct zc_pool *pool = file->pool;
	const struct zc_geometry *g = &pool->geometry;
	struct zc_member *m;
	u32 inc;
	u64 *life;
	int c, err;

	for (;;) {
		m = zc_role_begin(file);
		if (IS_ERR(m))
			return PTR_ERR(m);
		c = zc_cleaner_place(pool, m);
		/* Its region is there before it is: who looks at it allocates nothing. */
		if (c < 0 || pool->node_area[c].addr)
			break;
		zc_role_end(file);
		err = zc_area_make(pool, &pool->node_area[c], NULL,
				   g->off_nodes + c * g->node_area_bytes,
				   g->node_area_bytes);
		if (err)
			return err;
	}
	if (c >= 0) {
		life = &pool->view.cleaner_slots[c].life;
		inc = zc_life_incarnation(*life) + 1;
		if (!inc)
			inc = 1;
		/* As with writers and readers. */
		smp_store_release(life, zc_life(inc, m->index, ZC_LIFE_LIVE));
		arg->cleaner = c;
		arg->incarnation = inc;
	}
	zc_role_end(file);
	return c < 0 ? c : 0;
}

int zc_cleaner_leave(struct zc_file *file, const struct zc_ioc_cleaner *arg)
{
	struct zc_pool *pool = file->pool;
	struct zc_member *m;
	int err = -ESRCH;
	u64 *life;

	if (arg->cleaner >= ZC_MAX_CLEANERS)
		return -EINVAL;
	m = zc_role_begin(file);
	if (IS_ERR(m))
		return PTR_ERR(m);
	life = &pool->view.cleaner_slots[arg->cleaner].life;
	if (zc_role_mine(*life, m, arg->incarnation)) {
		/* What the role did, before its slot is another's. */
		smp_store_release(life,
				  zc_life(arg->incarnation, 0, ZC_LIFE_IDLE));
		err = 0;
	}
	zc_role_end(file);
	return err;
}
