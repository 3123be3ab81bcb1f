// SPDX-License-Identifier: GPL-2.0
/*
 * file.c - a pool's descriptor: ioctl, read, poll, mmap.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/pid_namespace.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "zerocore.h"

/* A file of the pool; the caller installs it, or puts it. */
struct file *zc_pool_file(struct zc_pool *pool)
{
	struct zc_file *zf = kzalloc(sizeof(*zf), GFP_KERNEL_ACCOUNT);
	struct file *file;

	if (!zf)
		return ERR_PTR(-ENOMEM);
	zf->pool = pool;
	INIT_LIST_HEAD(&zf->members);
	init_waitqueue_head(&zf->wait);
	file = anon_inode_getfile("[zerocore]", &zc_pool_fops, zf,
				  O_RDWR | O_CLOEXEC);
	if (IS_ERR(file)) {
		kfree(zf);
		return file;
	}
	/* From here on release() does the rest. */
	zc_pool_get(pool);
	zc_pool_file_opened(pool);
	return file;
}

static int zc_file_release(struct inode *inode, struct file *file)
{
	struct zc_file *zf = file->private_data;

	zc_members_forget(zf);
	zc_pool_file_closed(zf->pool);
	zc_pool_put(zf->pool);
	kfree(zf);
	return 0;
}

static int zc_pool_stat(struct zc_file *zf, struct zc_ioc_stat *stat)
{
	struct zc_pool *pool = zf->pool;
	struct user_namespace *ns = current_user_ns();
	struct zc_member *m;
	u32 i, shift = PAGE_SHIFT;

	stat->owner = from_kuid_munged(ns, pool->uid);
	stat->group = from_kgid_munged(ns, pool->gid);
	stat->mode = pool->mode;
	if (mutex_lock_killable(&zc_pools_lock))
		return -EINTR;
	stat->flags = (pool->linked ? 0 : ZC_STAT_UNLINKED) |
		      (pool->flags & ZC_CREATE_PERSIST ? ZC_STAT_PERSIST : 0);
	mutex_unlock(&zc_pools_lock);
	memcpy(stat->creation_id, pool->view.header->creation_id,
	       sizeof(stat->creation_id));
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	m = zc_member_current(zf);
	stat->member = m ? m->index : ~0U;
	zc_members_bury(pool);
	stat->page_kind = pool->view.header->page_kind;
	stat->quarantined = pool->quarantined;
	list_for_each_entry(m, &pool->members, list) {
		stat->members += m->state == ZC_MEMBER_ALIVE;
		stat->reaping += m->state == ZC_MEMBER_DYING;
	}
	stat->kernel_bytes = ((u64)pool->kernel.pages.nr + pool->hints.nr)
			     << PAGE_SHIFT;
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		stat->kernel_bytes += (u64)pool->writer_area[i].nr << PAGE_SHIFT;
	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		stat->kernel_bytes += (u64)pool->node_area[i].nr << PAGE_SHIFT;
	for (i = 0; i < ZC_READERS; i++)
		stat->kernel_bytes += (u64)pool->reader[i].pages.nr << PAGE_SHIFT;
	for (i = 0; i < pool->segments; i++) {
		stat->kernel_bytes += (u64)pool->segment[i].descs.nr
				      << PAGE_SHIFT;
		if (pool->segment[i].retired)
			continue;
		stat->segments++;
		stat->data_bytes += pool->geometry.segment_bytes;
		shift = max(shift, pool->segment[i].page_shift);
	}
	stat->page_bytes = 1ULL << shift;
	stat->deaths = pool->deaths;
	stat->reap_last_ns = pool->reap_last_ns;
	stat->reap_max_ns = pool->reap_max_ns;
	mutex_unlock(&pool->lock);
	return 0;
}

/*
 * Each call: the argument is copied in, checked for what must be zero, used, and
 * copied out.  The buffer is on the stack: the largest is 256 bytes.
 */
union zc_ioc_arg {
	struct zc_ioc_join join;
	struct zc_ioc_stat stat;
	struct zc_ioc_writer writer;
	struct zc_ioc_reader reader;
	struct zc_ioc_cleaner cleaner;
	struct zc_ioc_segment segment;
	struct zc_ioc_evict evict;
	struct zc_ioc_notify notify;
};

#define zc_reserved_zero(arg) \
	(!memchr_inv((arg)->reserved, 0, sizeof((arg)->reserved)))

static int zc_segment_call(struct zc_file *zf, unsigned int cmd,
			   struct zc_ioc_segment *arg)
{
	struct zc_member *m = zc_member_leased(zf);
	int err;

	if (IS_ERR(m))
		return PTR_ERR(m);
	if (!m->may_write)
		err = -EACCES;
	else if (cmd == ZC_IOC_SEGMENT_ADD)
		err = zc_segment_add(zf->pool, &arg->segment, &arg->page_kind);
	else
		err = zc_segment_remove(zf->pool, arg->segment);
	zc_member_put(m);
	return err;
}

static int zc_file_call(struct zc_file *zf, unsigned int cmd,
			union zc_ioc_arg *arg)
{
	switch (cmd) {
	case ZC_IOC_JOIN:
		return zc_reserved_zero(&arg->join) ?
			       zc_member_join(zf, &arg->join) : -EINVAL;
	case ZC_IOC_LEAVE:
		return zc_member_leave(zf);
	case ZC_IOC_STAT:
		memset(&arg->stat, 0, sizeof(arg->stat));
		return zc_pool_stat(zf, &arg->stat);
	case ZC_IOC_WRITER_JOIN:
		return zc_reserved_zero(&arg->writer) ?
			       zc_writer_join(zf, &arg->writer) : -EINVAL;
	case ZC_IOC_WRITER_LEAVE:
		return zc_reserved_zero(&arg->writer) && !arg->writer.flags ?
			       zc_writer_leave(zf, &arg->writer) : -EINVAL;
	case ZC_IOC_READER_JOIN:
		return zc_reserved_zero(&arg->reader) ?
			       zc_reader_join(zf, &arg->reader) : -EINVAL;
	case ZC_IOC_READER_LEAVE:
		return zc_reserved_zero(&arg->reader) && !arg->reader.flags ?
			       zc_reader_leave(zf, &arg->reader) : -EINVAL;
	case ZC_IOC_CLEANER_JOIN:
		return zc_reserved_zero(&arg->cleaner) ?
			       zc_cleaner_join(zf, &arg->cleaner) : -EINVAL;
	case ZC_IOC_CLEANER_LEAVE:
		return zc_reserved_zero(&arg->cleaner) ?
			       zc_cleaner_leave(zf, &arg->cleaner) : -EINVAL;
	case ZC_IOC_SEGMENT_ADD:
	case ZC_IOC_SEGMENT_REMOVE:
		return zc_reserved_zero(&arg->segment) ?
			       zc_segment_call(zf, cmd, &arg->segment) : -EINVAL;
	case ZC_IOC_EVICT:
		return zc_reserved_zero(&arg->evict) ?
			       zc_member_evict(zf, &arg->evict) : -EINVAL;
	case ZC_IOC_NOTIFY:
		return zc_notify(zf, &arg->notify);
	case ZC_IOC_NOTIFIED: {
		struct zc_member *m = zc_member_leased(zf);

		if (IS_ERR(m))
			return PTR_ERR(m);
		spin_lock(&m->events.lock);
		m->events.notified = false;
		spin_unlock(&m->events.lock);
		zc_member_put(m);
		return 0;
	}
	default:
		return -ENOTTY;
	}
}

/* What the caller could not be told of was not done. */
static void zc_file_undo(struct zc_file *zf, unsigned int cmd,
			 union zc_ioc_arg *arg)
{
	switch (cmd) {
	case ZC_IOC_JOIN:
		zc_member_leave(zf);
		break;
	case ZC_IOC_WRITER_JOIN:
		zc_writer_leave(zf, &arg->writer);
		break;
	case ZC_IOC_READER_JOIN:
		zc_reader_leave(zf, &arg->reader);
		break;
	case ZC_IOC_CLEANER_JOIN:
		zc_cleaner_leave(zf, &arg->cleaner);
		break;
	case ZC_IOC_SEGMENT_ADD:
		zc_segment_call(zf, ZC_IOC_SEGMENT_REMOVE, &arg->segment);
		break;
	}
}

static bool zc_file_knows(unsigned int cmd)
{
	switch (cmd) {
	case ZC_IOC_JOIN:
	case ZC_IOC_LEAVE:
	case ZC_IOC_STAT:
	case ZC_IOC_WRITER_JOIN:
	case ZC_IOC_WRITER_LEAVE:
	case ZC_IOC_READER_JOIN:
	case ZC_IOC_READER_LEAVE:
	case ZC_IOC_CLEANER_JOIN:
	case ZC_IOC_CLEANER_LEAVE:
	case ZC_IOC_SEGMENT_ADD:
	case ZC_IOC_SEGMENT_REMOVE:
	case ZC_IOC_EVICT:
	case ZC_IOC_NOTIFY:
	case ZC_IOC_NOTIFIED:
		return true;
	default:
		return false;
	}
}

static long zc_file_ioctl(struct file *file, unsigned int cmd,
			  unsigned long user)
{
	struct zc_file *zf = file->private_data;
	void __user *from = (void __user *)user;
	u32 bytes = _IOC_SIZE(cmd);
	union zc_ioc_arg arg;
	int err;

	if (in_compat_syscall())
		return -EOPNOTSUPP;
	if (!zc_file_knows(cmd))
		return -ENOTTY;
	memset(&arg, 0, sizeof(arg));
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(&arg, from, bytes))
		return -EFAULT;
	err = zc_file_call(zf, cmd, &arg);
	if (!err && _IOC_DIR(cmd) & _IOC_READ && copy_to_user(from, &arg, bytes)) {
		zc_file_undo(zf, cmd, &arg);
		err = -EFAULT;
	}
	return err;
}

static ssize_t zc_file_read(struct file *file, char __user *buf, size_t bytes,
			    loff_t *pos)
{
	return zc_events_read(file->private_data, buf, bytes,
			      file->f_flags & O_NONBLOCK);
}

static __poll_t zc_file_poll(struct file *file, struct poll_table_struct *wait)
{
	return zc_events_poll(file->private_data, file, wait);
}

const struct file_operations zc_pool_fops = {
	.owner = THIS_MODULE,
	.release = zc_file_release,
	.unlocked_ioctl = zc_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = zc_file_read,
	.poll = zc_file_poll,
	.mmap = zc_pool_mmap,
	.get_unmapped_area = zc_pool_get_unmapped_area,
	.llseek = noop_llseek,
};
