// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - load and unload.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "zerocore.h"

#define CREATE_TRACE_POINTS
#include "compat.h"
#include "trace.h"

struct workqueue_struct *zc_wq, *zc_urgent_wq;

static struct miscdevice zc_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = ZC_DEVICE_NAME,
	.fops = &zc_device_fops,
	.mode = 0660,
};

static int __init zc_init(void)
{
	int err;

	/*
	 * A death is to be seen at once.  What takes longer is no more urgent than what
	 * users do: they can make it long.
	 */
	zc_urgent_wq = alloc_workqueue("zerocore_urgent", WQ_UNBOUND | WQ_HIGHPRI,
				       WQ_MAX_ACTIVE);
	if (!zc_urgent_wq)
		return -ENOMEM;
	err = -ENOMEM;
	zc_wq = alloc_workqueue("zerocore", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (!zc_wq)
		goto out_urgent;
	err = zc_memory_init();
	if (err)
		goto out_wq;
	err = zc_pools_init();
	if (err)
		goto out_memory;
	zc_debugfs_init();
	err = misc_register(&zc_misc);
	if (err)
		goto out_debugfs;
	return 0;

out_debugfs:
	zc_debugfs_exit();
	zc_pools_exit();
out_memory:
	zc_memory_exit();
out_wq:
	destroy_workqueue(zc_wq);
out_urgent:
	destroy_workqueue(zc_urgent_wq);
	return err;
}

/* No pool is left: each holds the module. */
static void __exit zc_exit(void)
{
	misc_deregister(&zc_misc);
	/* The last pools may be on their way out, put by what is urgent. */
	destroy_workqueue(zc_urgent_wq);
	destroy_workqueue(zc_wq);
	zc_debugfs_exit();
	zc_pools_exit();
	zc_memory_exit();
}

module_init(zc_init);
module_exit(zc_exit);
MODULE_DESCRIPTION("ZeroCore shared memory messages");
MODULE_LICENSE("GPL");
