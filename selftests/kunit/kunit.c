// SPDX-License-Identifier: GPL-2.0
/*
 * kunit.c - pools of the module's, users, processes.
 */
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "kunit.h"

/* --- pools --------------------------------------------------------------------------- */

struct zc_ioc_create *zk_wish(struct kunit *test, const char *name)
{
	struct zc_ioc_create *wish = zk_alloc(test, sizeof(*wish));

	strscpy(wish->name, name, sizeof(wish->name));
	wish->bytes = ZK_SEGMENT * 64;
	wish->segment_bytes = ZK_SEGMENT * 64;
	wish->granule_bytes = 64;
	wish->ring_entries = ZK_RING;
	wish->max_holds = ZK_HOLDS;
	wish->max_segments = 3;
	wish->page_wish = ZC_PAGE_WISH_SMALL;
	return wish;
}

void zk_flush(void)
{
	flush_workqueue(zc_urgent_wq);
	flush_workqueue(zc_wq);
}

/* Each slice queues the next. */
static void zk_reaped(struct zc_pool *pool)
{
	flush_work(&pool->urgent_work);
	while (flush_work(&pool->reap_work) || flush_delayed_work(&pool->anew_work))
		;
}

/* The one that is flushed may have begun before. */
void zk_watched(struct zc_pool *pool)
{
	flush_delayed_work(&pool->watchdog);
	flush_delayed_work(&pool->watchdog);
}

void zk_settle(struct zc_pool *pool)
{
	u32 i;

	flush_delayed_fput();
	zk_reaped(pool);
	/* One may have queued itself again for what went meanwhile. */
	for (i = 0; i < 3; i++)
		flush_delayed_work(&pool->watchdog);
	zk_reaped(pool);
}

/* Does nobody but the test have anything of it? */
static bool zk_alone(struct zc_pool *pool)
{
	bool alone = kref_read(&pool->ref) == 1 && file_count(pool->writers) == 1 &&
		     file_count(pool->kernel.file) == 1;
	u32 i;

	for (i = 0; i < pool->segments; i++)
		if (pool->segment[i].file && file_count(pool->segment[i].file) > 1)
			alone = false;
	return alone;
}

static void zk_pool_undo(void *arg)
{
	unsigned long until = jiffies + 10 * HZ;
	struct zc_pool *pool = arg;

	zc_pool_file_closed(pool);
	zc_pool_forget(pool);
	/* What was mapped is let go of by others, in their time. */
	for (zk_settle(pool); !zk_alone(pool) && time_before(jiffies, until);
	     zk_settle(pool))
		schedule_timeout_uninterruptible(1);
	zc_pool_put(pool);
	zk_flush();
}

struct zc_pool *zk_pool_make(struct kunit *test, struct zc_ioc_create *wish)
{
	struct zc_pool *pool = NULL;

	must_eq(test, zc_pool_create(wish, &pool), 0);
	must(test, !kunit_add_action_or_reset(test, zk_pool_undo, pool));
	return pool;
}

struct zc_pool *zk_pool(struct kunit *test, const char *name)
{
	return zk_pool_make(test, zk_wish(test, name));
}

static void zk_file_undo(void *file)
{
	/* fput() of a kernel thread takes its time. */
	__fput_sync(file);
}

struct file *zk_open(struct kunit *test, struct zc_pool *pool)
{
	struct file *file = zc_pool_file(pool);

	must(test, !IS_ERR(file));
	must(test, !kunit_add_action_or_reset(test, zk_file_undo, file));
	return file;
}

void zk_close(struct kunit *test, struct file *file)
{
	kunit_release_action(test, zk_file_undo, file);
}

u32 zk_users(struct zc_pool *pool)
{
	struct list_head *at;
	u32 n = 0;

	/* The list's head is one of those that are passed, the pool's own is not. */
	mutex_lock(&zc_pools_lock);
	list_for_each(at, &pool->user->list)
		n++;
	mutex_unlock(&zc_pools_lock);
	return n;
}

struct zk_param {
	const struct kernel_param *kp;
	char was[64];
};

static void zk_param_undo(void *arg)
{
	struct zk_param *p = arg;

	p->kp->ops->set(p->was, p->kp);
}

void zk_param(struct kunit *test, const char *name, const char *value)
{
	struct zk_param *p = zk_alloc(test, sizeof(*p));
	char *text = zk_alloc(test, PAGE_SIZE);
	u32 i;

	for (i = 0; i < THIS_MODULE->num_kp; i++)
		if (!strcmp(THIS_MODULE->kp[i].name, name))
			p->kp = &THIS_MODULE->kp[i];
	must(test, p->kp);
	must(test, p->kp->ops->get(text, p->kp) > 0);
	strscpy(p->was, text, sizeof(p->was));
	must(test, !kunit_add_action_or_reset(test, zk_param_undo, p));
	must_eq(test, p->kp->ops->set(value, p->kp), 0);
}

/* --- users ----------------------------------------------------------------------------- */

KUNIT_DEFINE_ACTION_WRAPPER(zk_put_cred, put_cred, const struct cred *);

struct cred *zk_cred(struct kunit *test, u32 uid, u32 gid, u32 group, int cap)
{
	struct group_info *groups = groups_alloc(1);
	struct cred *cred = prepare_creds();

	must(test, groups);
	must(test, cred);
	groups->gid[0] = KGIDT_INIT(group);
	set_groups(cred, groups);
	put_group_info(groups);
	cred->uid = KUIDT_INIT(uid);
	cred->suid = cred->uid;
	cred->euid = cred->uid;
	cred->fsuid = cred->uid;
	cred->gid = KGIDT_INIT(gid);
	cred->sgid = cred->gid;
	cred->egid = cred->gid;
	cred->fsgid = cred->gid;
	cap_clear(cred->cap_permitted);
	cap_clear(cred->cap_effective);
	if (cap >= 0) {
		cap_raise(cred->cap_permitted, cap);
		cap_raise(cred->cap_effective, cap);
	}
	must(test, !kunit_add_action_or_reset(test, zk_put_cred, cred));
	return cred;
}

void zk_become(struct kunit *test, const struct cred *cred)
{
	/* What the thread has by itself was kept when it became another. */
	if (current_cred() != current_real_cred())
		revert_creds(current_real_cred());
	if (cred)
		override_creds(cred);
}

/* --- processes ---------------------------------------------------------------------------- */

struct zk_process {
	struct kunit *test;
	struct kthread_worker *worker;
	char __user *scratch;		/* a page of it */
};

struct zk_work {
	struct kthread_work work;
	long (*call)(void *arg);
	void *arg;
	const struct cred *cred;
	long result;
};

static void zk_work(struct kthread_work *work)
{
	struct zk_work *w = container_of(work, struct zk_work, work);
	const struct cred *saved = override_creds(w->cred);

	w->result = w->call(w->arg);
	revert_creds(saved);
}

long zk_in(struct zk_process *p, long (*call)(void *arg), void *arg)
{
	struct zk_work w = { .call = call, .arg = arg, .cred = current_cred() };

	kthread_init_work(&w.work, zk_work);
	kthread_queue_work(p->worker, &w.work);
	kthread_flush_work(&w.work);
	return w.result;
}

struct pid *zk_pid(const struct zk_process *p)
{
	return task_tgid(p->worker->task);
}

static long zk_begin(void *arg)
{
	struct zk_process *p = arg;

	/* KUnit gives a thread that has none an address space. */
	p->scratch = (char __user *)kunit_vm_mmap(p->test, NULL, 0, PAGE_SIZE,
						  PROT_READ | PROT_WRITE,
						  MAP_ANONYMOUS | MAP_PRIVATE, 0);
	allow_signal(SIGKILL);
	return !current->mm || IS_ERR_VALUE((unsigned long)p->scratch);
}

static long zk_exec_call(void *unused)
{
	struct mm_struct *mm = current->mm;

	if (mm) {
		kthread_unuse_mm(mm);
		mmput(mm);
	}
	return 0;
}

void zk_exec(struct zk_process *p)
{
	zk_in(p, zk_exec_call, NULL);
	flush_delayed_fput();
}

static void zk_process_undo(void *arg)
{
	struct zk_process *p = arg;

	/* Here it is known when its mappings have gone; not so when it ends. */
	zk_exec(p);
	kthread_destroy_worker(p->worker);
}

struct zk_process *zk_process(struct kunit *test)
{
	struct zk_process *p = zk_alloc(test, sizeof(*p));

	p->test = test;
	p->worker = kthread_create_worker(0, "zk_process");
	must(test, !IS_ERR(p->worker));
	must(test, !kunit_add_action_or_reset(test, zk_process_undo, p));
	must_eq(test, zk_in(p, zk_begin, p), 0);
	return p;
}

void zk_exit(struct kunit *test, struct zk_process *p)
{
	kunit_remove_action(test, zk_process_undo, p);
	/* With all that it has: what comes of that comes by itself. */
	kthread_destroy_worker(p->worker);
}

struct zk_ioctl {
	struct zc_file *zf;
	unsigned int cmd;
	void *arg;
};

static long zk_ioctl(void *arg)
{
	struct zk_ioctl *call = arg;
	struct zc_file *zf = call->zf;

	switch (call->cmd) {
	case ZC_IOC_JOIN:
		return zc_member_join(zf, call->arg);
	case ZC_IOC_LEAVE:
		return zc_member_leave(zf);
	case ZC_IOC_WRITER_JOIN:
		return zc_writer_join(zf, call->arg);
	case ZC_IOC_WRITER_LEAVE:
		return zc_writer_leave(zf, call->arg);
	case ZC_IOC_READER_JOIN:
		return zc_reader_join(zf, call->arg);
	case ZC_IOC_READER_LEAVE:
		return zc_reader_leave(zf, call->arg);
	case ZC_IOC_CLEANER_JOIN:
		return zc_cleaner_join(zf, call->arg);
	case ZC_IOC_CLEANER_LEAVE:
		return zc_cleaner_leave(zf, call->arg);
	case ZC_IOC_EVICT:
		return zc_member_evict(zf, call->arg);
	case ZC_IOC_NOTIFY:
		return zc_notify(zf, call->arg);
	default:
		return -ENOTTY;
	}
}

long zk_call(struct zk_process *p, struct file *file, unsigned int cmd, void *arg)
{
	struct zk_ioctl call = { .zf = zk_zf(file), .cmd = cmd, .arg = arg };

	return zk_in(p, zk_ioctl, &call);
}

struct zk_mmap {
	struct file *file;
	unsigned long address;
	u64 off;
	u64 bytes;
	unsigned long prot;
};

static long zk_mmap(void *arg)
{
	const struct zk_mmap *m = arg;

	return vm_mmap(m->file, 0, m->bytes, m->prot, MAP_SHARED, m->off);
}

static long zk_munmap(void *arg)
{
	const struct zk_mmap *m = arg;

	return vm_munmap(m->address, m->bytes);
}

long zk_map(struct zk_process *p, struct file *file, u64 off, u64 bytes,
	    unsigned long prot)
{
	struct zk_mmap m = {
		.file = file, .off = off, .bytes = bytes, .prot = prot,
	};

	return zk_in(p, zk_mmap, &m);
}

long zk_unmap(struct zk_process *p, unsigned long address, u64 bytes)
{
	struct zk_mmap m = { .address = address, .bytes = bytes };
	long err = zk_in(p, zk_munmap, &m);

	flush_delayed_fput();
	return err;
}

struct zk_reading {
	struct zk_process *p;
	struct zc_file *zf;
	struct zc_device_event *events;
	size_t bytes;
};

static long zk_reading(void *arg)
{
	struct zk_reading *r = arg;
	ssize_t n = zc_events_read(r->zf, r->p->scratch, r->bytes, true);

	if (n > 0 && copy_from_user(r->events, r->p->scratch, n))
		return -EFAULT;
	return n;
}

ssize_t zk_read(struct zk_process *p, struct file *file,
		struct zc_device_event *events, size_t bytes)
{
	struct zk_reading r = {
		.p = p, .zf = zk_zf(file), .events = events, .bytes = bytes,
	};

	return zk_in(p, zk_reading, &r);
}

/* --- members ------------------------------------------------------------------------------- */

struct zc_member *zk_member_at(struct zc_pool *pool, u32 index)
{
	struct zc_member *m;

	mutex_lock(&pool->lock);
	m = zc_member_at(pool, index);
	mutex_unlock(&pool->lock);
	return m;
}

void zk_stamp(struct zk_member *m, u64 alive, u64 progress)
{
	struct zc_pool *pool = zk_zf(m->file)->pool;
	struct zc_stamps *stamps = zk_member_at(pool, m->join.member)->stamps.pages.addr;

	WRITE_ONCE(stamps->alive_ns, alive);
	WRITE_ONCE(stamps->progress_ns, progress);
	zk_watched(pool);
}

void zk_drain(struct zk_member *m)
{
	struct zc_device_event event;

	while (zk_read(m->p, m->file, &event, sizeof(event)) > 0)
		;
}

struct zk_member *zk_member(struct kunit *test, struct file *file, u32 flags)
{
	struct zk_member *m = zk_alloc(test, sizeof(*m));
	long lease;

	m->p = zk_process(test);
	m->file = file;
	m->join.flags = flags;
	must_eq(test, zk_call(m->p, file, ZC_IOC_JOIN, &m->join), 0);
	lease = zk_map(m->p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), PAGE_SIZE, PROT_NONE);
	must(test, !IS_ERR_VALUE(lease));
	m->lease = lease;
	/* That it is silent is told now, not when the machine is slow. */
	zk_stamp(m, 1, 1);
	zk_drain(m);
	return m;
}

void zk_event(struct kunit *test, struct zk_member *m, u32 type,
	      struct zc_device_event *event)
{
	do {
		ssize_t n = zk_read(m->p, m->file, event, sizeof(*event));

		if (n != sizeof(*event))
			zk_fail(test, __FILE__, __LINE__,
				"no event of type %u: %zd", type, n);
	} while (event->type != type);
	must_eq(test, event->bytes, sizeof(*event));
}

void zk_die(struct kunit *test, struct zk_member *m)
{
	must_eq(test, zk_unmap(m->p, m->lease, PAGE_SIZE), 0);
	zk_settle(zk_zf(m->file)->pool);
}
