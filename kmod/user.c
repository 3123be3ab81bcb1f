// SPDX-License-Identifier: GPL-2.0
/*
 * user.c - what users have, and what they may: limits on pools and bytes.
 *
 * A pool is counted against the user that made it, until nobody has any of its
 * memory any more.
 */
#include <linux/module.h>
#include <linux/slab.h>

#include "zerocore.h"

static unsigned int pools_max = 256;
module_param(pools_max, uint, 0644);
MODULE_PARM_DESC(pools_max, "Pools that one user may have at a time, 0: no limit (256)");

static unsigned int persistent_max = 64;
module_param(persistent_max, uint, 0644);
MODULE_PARM_DESC(persistent_max, "Pools without members that one user may leave behind, 0: no limit (64)");

static unsigned long pool_mbytes_max;
module_param(pool_mbytes_max, ulong, 0644);
MODULE_PARM_DESC(pool_mbytes_max, "MiB that all pools of one user may have, 0: no limit but memory (0)");

static LIST_HEAD(zc_users);	/* (under zc_pools_lock) */

u64 zc_pools_max(void)
{
	return READ_ONCE(pools_max);
}

u64 zc_pool_bytes_max(void)
{
	return (u64)READ_ONCE(pool_mbytes_max) << 20;
}

static struct zc_user *zc_user_get(kuid_t uid)
{
	struct zc_user *user;

	lockdep_assert_held(&zc_pools_lock);
	list_for_each_entry(user, &zc_users, list)
		if (uid_eq(user->uid, uid))
			return user;
	/* Not charged, for that might take time.  There is one a user with pools. */
	user = kzalloc(sizeof(*user), GFP_KERNEL);
	if (!user)
		return NULL;
	user->uid = uid;
	list_add(&user->list, &zc_users);
	return user;
}

static void zc_user_check(struct zc_user *user)
{
	lockdep_assert_held(&zc_pools_lock);
	if (user->pools)
		return;
	list_del(&user->list);
	kfree(user);
}

int zc_user_charge(struct zc_pool *pool, u64 bytes)
{
	struct zc_user *user = zc_user_get(pool->uid);
	unsigned int pools = READ_ONCE(pools_max), left = READ_ONCE(persistent_max);
	u64 most = zc_pool_bytes_max();
	bool persist = pool->flags & ZC_CREATE_PERSIST;

	if (!user)
		return -ENOMEM;
	if (!capable(CAP_SYS_RESOURCE) &&
	    ((pools && user->pools >= pools) ||
	     (persist && left && user->persistent >= left) ||
	     (most && user->bytes + bytes > most))) {
		zc_user_check(user);
		return -EDQUOT;
	}
	user->pools++;
	user->persistent += persist;
	user->bytes += bytes;
	pool->user = user;
	pool->charged_bytes = bytes;
	return 0;
}

int zc_pool_charge(struct zc_pool *pool, u64 bytes)
{
	u64 most = zc_pool_bytes_max();
	int err = 0;

	mutex_lock(&zc_pools_lock);
	if (most && !capable(CAP_SYS_RESOURCE) &&
	    pool->user->bytes + bytes > most) {
		err = -EDQUOT;
	} else {
		pool->user->bytes += bytes;
		pool->charged_bytes += bytes;
	}
	mutex_unlock(&zc_pools_lock);
	return err;
}

void zc_pool_uncharge(struct zc_pool *pool, u64 bytes)
{
	mutex_lock(&zc_pools_lock);
	pool->user->bytes -= bytes;
	pool->charged_bytes -= bytes;
	mutex_unlock(&zc_pools_lock);
}

void zc_user_discharge(struct zc_pool *pool)
{
	mutex_lock(&zc_pools_lock);
	if (pool->user) {
		pool->user->pools--;
		pool->user->persistent -= !!(pool->flags & ZC_CREATE_PERSIST);
		pool->user->bytes -= pool->charged_bytes;
		zc_user_check(pool->user);
	}
	mutex_unlock(&zc_pools_lock);
}
