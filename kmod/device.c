// SPDX-License-Identifier: GPL-2.0
/*
 * device.c - /dev/zerocore itself: features, create, open, unlink, list.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "zerocore.h"

static int zc_device_features(struct zc_ioc_features *arg)
{
	memset(arg, 0, sizeof(*arg));
	arg->uapi_version = ZC_UAPI_VERSION;
	arg->layout_version = ZC_LAYOUT_VERSION;
	arg->features = zc_memory_features();
	arg->pools_max = zc_pools_max();
	arg->pool_bytes_max = zc_pool_bytes_max();
	return 0;
}

/* A descriptor that is not there before its number has reached its caller. */
struct zc_opened {
	struct file *file;
	int fd;
	bool created;
};

static int zc_opened_file(struct zc_opened *opened, struct zc_pool *pool)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = zc_pool_file(pool);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	opened->file = file;
	opened->fd = fd;
	return 0;
}

static void zc_opened_end(struct zc_opened *opened, bool installs)
{
	struct zc_file *zf;

	if (!opened->file)
		return;
	if (installs) {
		fd_install(opened->fd, opened->file);
		return;
	}
	zf = opened->file->private_data;
	if (opened->created)
		zc_pool_forget(zf->pool);
	put_unused_fd(opened->fd);
	fput(opened->file);
}

static int zc_device_create(struct zc_ioc_create *arg, struct zc_opened *opened)
{
	struct zc_pool *pool;
	int err = zc_pool_create(arg, &pool);

	if (err)
		return err;
	err = zc_opened_file(opened, pool);
	if (err)
		zc_pool_forget(pool);
	zc_pool_file_closed(pool);	/* zc_pool_create() counted one */
	zc_pool_put(pool);
	arg->fd = opened->fd;
	opened->created = true;
	return err;
}

static int zc_device_open_pool(struct zc_ioc_open *arg, struct zc_opened *opened)
{
	struct zc_pool *pool;
	int err;

	if (arg->flags || memchr_inv(arg->reserved, 0, sizeof(arg->reserved)))
		return -EINVAL;
	pool = zc_pool_find(arg->name);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	memcpy(arg->creation_id, pool->view.header->creation_id,
	       sizeof(arg->creation_id));
	err = zc_opened_file(opened, pool);
	zc_pool_put(pool);
	arg->fd = opened->fd;
	return err;
}

union zc_ioc_arg {
	struct zc_ioc_features features;
	struct zc_ioc_create create;
	struct zc_ioc_open open;
	struct zc_ioc_unlink unlink;
	struct zc_ioc_list list;
};

static int zc_device_call(unsigned int cmd, union zc_ioc_arg *arg,
			  struct zc_opened *opened)
{
	switch (cmd) {
	case ZC_IOC_FEATURES:
		return zc_device_features(&arg->features);
	case ZC_IOC_CREATE:
		return zc_device_create(&arg->create, opened);
	case ZC_IOC_OPEN:
		return zc_device_open_pool(&arg->open, opened);
	case ZC_IOC_UNLINK:
		if (arg->unlink.flags & ~ZC_UNLINK_FLAGS ||
		    memchr_inv(arg->unlink.reserved, 0,
			       sizeof(arg->unlink.reserved)))
			return -EINVAL;
		return zc_pool_unlink(&arg->unlink);
	case ZC_IOC_LIST:
		if (memchr_inv(arg->list.reserved, 0,
			       sizeof(arg->list.reserved)))
			return -EINVAL;
		return zc_pool_next(&arg->list);
	default:
		return -ENOTTY;
	}
}

static long zc_device_ioctl(struct file *file, unsigned int cmd,
			    unsigned long user)
{
	void __user *from = (void __user *)user;
	u32 bytes = _IOC_SIZE(cmd);
	struct zc_opened opened = { .fd = -1 };
	union zc_ioc_arg arg;
	int err;

	if (in_compat_syscall())
		return -EOPNOTSUPP;
	switch (cmd) {
	case ZC_IOC_FEATURES:
	case ZC_IOC_CREATE:
	case ZC_IOC_OPEN:
	case ZC_IOC_UNLINK:
	case ZC_IOC_LIST:
		break;
	default:
		return -ENOTTY;
	}
	memset(&arg, 0, sizeof(arg));
	if (_IOC_DIR(cmd) & _IOC_WRITE && copy_from_user(&arg, from, bytes))
		return -EFAULT;
	err = zc_device_call(cmd, &arg, &opened);
	if (!err && copy_to_user(from, &arg, bytes))
		err = -EFAULT;
	zc_opened_end(&opened, !err);
	return err;
}

const struct file_operations zc_device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = zc_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
