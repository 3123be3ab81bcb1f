// SPDX-License-Identifier: GPL-2.0
/*
 * pool.c - pools: made, found by name, undone.
 *
 * Names are scoped by network namespace, as containers have them: an IPC
 * namespace would fit better, but modules cannot hold one on 6.1.
 */
#include <linux/module.h>
#include <linux/pid_namespace.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "zerocore.h"

/* The pools of all namespaces, their names, and the users that pay for them. */
DEFINE_MUTEX(zc_pools_lock);
static unsigned int zc_net_id;

struct zc_net {
	struct list_head pools;	/* (under zc_pools_lock) in order of names */
};

static struct zc_net *zc_net_current(void)
{
	return net_generic(current->nsproxy->net_ns, zc_net_id);
}

/* --- rights ------------------------------------------------------------------------- */

/* May the caller do that, by the rules of a file's mode? (MAY_READ, MAY_WRITE) */
bool zc_pool_may(const struct zc_pool *pool, int mask)
{
	umode_t mode = pool->mode;

	if (uid_eq(current_fsuid(), pool->uid))
		mode >>= 6;
	else if (in_group_p(pool->gid))
		mode >>= 3;
	if (!(mask & ~mode & (MAY_READ | MAY_WRITE)))
		return true;
	return ns_capable(pool->cred->user_ns, CAP_DAC_OVERRIDE);
}

/* --- names ----------------------------------------------------------------------------- */

static bool zc_name_valid(const u8 *name)
{
	u32 i;

	for (i = 0; i < ZC_NAME_BYTES && name[i]; i++) {
		u8 c = name[i];

		if (!(isalnum(c) && c < 128) &&
		    (!i || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	/* All that follows the name is zero: it may mean something later. */
	return i && i <= 48 && !memchr_inv(name + i, 0, ZC_NAME_BYTES - i);
}

static struct zc_pool *zc_pool_named(const u8 *name)
{
	struct zc_pool *pool;

	lockdep_assert_held(&zc_pools_lock);
	list_for_each_entry(pool, &zc_net_current()->pools, list)
		if (!strcmp(pool->name, name))
			return pool;
	return NULL;
}

static int zc_pool_link(struct zc_pool *pool)
{
	struct zc_pool *next;
	struct list_head *at = &zc_net_current()->pools;

	lockdep_assert_held(&zc_pools_lock);
	list_for_each_entry(next, &zc_net_current()->pools, list) {
		int order = strcmp(next->name, pool->name);

		if (!order)
			return -EEXIST;
		if (order > 0) {
			at = &next->list;
			break;
		}
	}
	list_add_tail(&pool->list, at);
	pool->linked = true;
	zc_pool_get(pool);	/* the name's */
	return 0;
}

/* The name's reference is the caller's to put, without the lock. */
static bool zc_pool_unname(struct zc_pool *pool)
{
	lockdep_assert_held(&zc_pools_lock);
	if (!pool->linked)
		return false;
	list_del(&pool->list);
	pool->linked = false;
	return true;
}

/* Takes the name of a pool that could not be handed to its creator. */
void zc_pool_forget(struct zc_pool *pool)
{
	bool unnamed;

	mutex_lock(&zc_pools_lock);
	unnamed = zc_pool_unname(pool);
	mutex_unlock(&zc_pools_lock);
	if (unnamed)
		zc_pool_put(pool);
}

struct zc_pool *zc_pool_find(const u8 *name)
{
	struct zc_pool *pool;

	if (!zc_name_valid(name))
		return ERR_PTR(-EINVAL);
	mutex_lock(&zc_pools_lock);
	pool = zc_pool_named(name);
	if (pool)
		zc_pool_get(pool);
	mutex_unlock(&zc_pools_lock);
	if (!pool)
		return ERR_PTR(-ENOENT);
	if (!zc_pool_may(pool, MAY_READ)) {
		zc_pool_put(pool);
		return ERR_PTR(-EACCES);
	}
	return pool;
}

/* As of a file in a sticky folder: its owner, or who may do everything. */
static bool zc_pool_may_unlink(const struct zc_pool *pool)
{
	return uid_eq(current_fsuid(), pool->uid) ||
	       ns_capable(pool->cred->user_ns, CAP_FOWNER);
}

int zc_pool_unlink(struct zc_ioc_unlink *arg)
{
	bool all = arg->flags & ZC_UNLINK_ALL;
	struct zc_pool *pool, *next;
	LIST_HEAD(gone);
	int err = 0;

	if (all ? !!memchr_inv(arg->name, 0, sizeof(arg->name)) :
		  !zc_name_valid(arg->name))
		return -EINVAL;
	arg->unlinked = 0;
	mutex_lock(&zc_pools_lock);
	if (!all) {
		pool = zc_pool_named(arg->name);
		if (!pool)
			err = -ENOENT;
		else if (!zc_pool_may_unlink(pool))
			err = -EPERM;
	}
	list_for_each_entry_safe(pool, next, &zc_net_current()->pools, list) {
		if (err)
			break;
		if (all ? !uid_eq(current_fsuid(), pool->uid) :
			  strcmp(pool->name, arg->name))
			continue;
		zc_pool_unname(pool);
		list_add(&pool->list, &gone);
		arg->unlinked++;
	}
	mutex_unlock(&zc_pools_lock);
	list_for_each_entry_safe(pool, next, &gone, list) {
		list_del(&pool->list);
		zc_pool_put(pool);
	}
	return err;
}

int zc_pool_next(struct zc_ioc_list *arg)
{
	struct zc_pool *pool;
	int err = -ENOENT;

	if (arg->name[0] ? !zc_name_valid(arg->name) :
			   !!memchr_inv(arg->name, 0, sizeof(arg->name)))
		return -EINVAL;
	mutex_lock(&zc_pools_lock);
	list_for_each_entry(pool, &zc_net_current()->pools, list)
		if (strcmp(pool->name, arg->name) > 0 &&
		    zc_pool_may(pool, MAY_READ)) {
			memcpy(arg->name, pool->name, sizeof(arg->name));
			err = 0;
			break;
		}
	mutex_unlock(&zc_pools_lock);
	return err;
}

/* --- creation ------------------------------------------------------------------------------ */

/* All memory of the pool but the regions of roles. */
static int zc_pool_memory(struct zc_pool *pool, u32 segments)
{
	const struct zc_geometry *g = &pool->geometry;
	struct zc_view *v = &pool->view;
	u64 descs = zc_pool_descs_bytes(pool);
	u32 i;
	int err;

	pool->reader = kvcalloc(ZC_READERS, sizeof(*pool->reader), GFP_KERNEL_ACCOUNT);
	pool->segment = kvcalloc(g->max_segments, sizeof(*pool->segment),
				 GFP_KERNEL_ACCOUNT);
	v->reader_area = kvcalloc(ZC_READERS, sizeof(*v->reader_area),
				  GFP_KERNEL_ACCOUNT);
	v->writer_area = kcalloc(ZC_MAX_WRITERS, sizeof(*v->writer_area),
				 GFP_KERNEL_ACCOUNT);
	v->segment_descs = kvcalloc(g->max_segments, sizeof(*v->segment_descs),
				    GFP_KERNEL_ACCOUNT);
	if (!pool->reader || !pool->segment || !v->reader_area ||
	    !v->writer_area || !v->segment_descs)
		return -ENOMEM;
	err = zc_region_make(&pool->kernel, "zerocore-kernel",
			     g->off_reader_areas);
	if (err)
		return err;
	pool->writers = zc_file_within("zerocore-writers",
				       g->control_bytes - g->off_hints);
	if (IS_ERR(pool->writers)) {
		err = PTR_ERR(pool->writers);
		pool->writers = NULL;
		return err;
	}
	err = zc_pages_get(&pool->hints, pool->writers, 0,
			   g->off_writer_areas - g->off_hints);
	if (!err)
		err = zc_pages_zero(&pool->nobody, max(g->writer_area_bytes,
						       g->reader_area_bytes));
	for (i = 0; !err && i < segments; i++) {
		struct zc_segment *s = &pool->segment[i];

		err = zc_pages_get(&s->descs, pool->writers,
				   g->off_descs - g->off_hints + i * descs,
				   descs);
		if (!err)
			err = zc_segment_make(s, g->segment_bytes,
					      pool->page_wish);
	}
	if (err)
		return err;
	zc_view_place(v, pool->kernel.pages.addr, pool->hints.addr, g);
	v->readers_lock = &pool->lock;
	for (i = 0; i < ZC_READERS; i++)
		v->reader_area[i] = pool->nobody.addr;
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		v->writer_area[i] = pool->nobody.addr;
	for (i = 0; i < segments; i++)
		v->segment_descs[i] = pool->segment[i].descs.addr;
	pool->segments = segments;
	zc_pool_format(v, g, segments);
	return 0;
}

static void zc_pool_header(struct zc_pool *pool, struct zc_ioc_create *arg)
{
	struct zc_pool_header *h = pool->view.header;
	u32 worst = ZC_PAGES_HUGETLB, i;

	for (i = 0; i < pool->segments; i++) {
		u32 kind = pool->segment[i].page_kind;

		pool->view.segments[i].page_kind = kind;
		if (kind < worst)
			worst = kind;
	}
	h->page_kind = worst;
	get_random_bytes(h->creation_id, sizeof(h->creation_id));
	memcpy(h->name, pool->name, sizeof(h->name));
	h->created_ns = ktime_get_real_ns();
	h->creator_pid = task_tgid_vnr(current);
	h->creator_uid = from_kuid_munged(current_user_ns(), pool->uid);
	h->mode = pool->mode;
	h->flags = pool->flags & ZC_CREATE_PERSIST ? 0 : ZC_POOL_TRANSIENT;
	h->guard = arg->guard;
	h->state = ZC_POOL_READY;
	h->magic = ZC_LAYOUT_MAGIC;
	memcpy(arg->creation_id, h->creation_id, sizeof(arg->creation_id));
	arg->page_kind = worst;
}

static void zc_pool_free_memory(struct zc_pool *pool)
{
	u32 i;

	for (i = 0; pool->segment && i < pool->geometry.max_segments; i++)
		zc_segment_free(&pool->segment[i]);
	for (i = 0; pool->reader && i < ZC_READERS; i++)
		zc_region_free(&pool->reader[i]);
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		zc_pages_put(&pool->writer_area[i]);
	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		zc_pages_put(&pool->node_area[i]);
	zc_pages_put(&pool->nobody);
	zc_pages_put(&pool->hints);
	if (pool->writers)
		fput(pool->writers);
	zc_region_free(&pool->kernel);
	kvfree(pool->view.segment_descs);
	kfree(pool->view.writer_area);
	kvfree(pool->view.reader_area);
	kvfree(pool->segment);
	kvfree(pool->reader);
}

/* Whose memory some process still maps, though it is no member any more? */
static bool zc_pool_in_use(const struct zc_pool *pool)
{
	u32 i;

	if (pool->writers && zc_file_in_use(pool->writers))
		return true;
	if (pool->kernel.file && zc_file_in_use(pool->kernel.file))
		return true;
	for (i = 0; i < pool->segments; i++) {
		if (zc_file_in_use(pool->segment[i].file))
			return true;
	}
	return false;
}

static void zc_pool_free(struct work_struct *work)
{
	struct zc_pool *pool = container_of(to_delayed_work(work),
					    struct zc_pool, free_work);

	/* It is counted against its user for as long as there is a mapping. */
	if (zc_pool_in_use(pool)) {
		pool->free_delay = min_t(unsigned long, HZ,
					 2 * pool->free_delay + 1);
		queue_delayed_work(zc_wq, &pool->free_work, pool->free_delay);
		return;
	}
	zc_debugfs_remove(pool);
	zc_reap_stop(pool);
	zc_pool_free_memory(pool);
	zc_user_discharge(pool);
	put_pid_ns(pool->pid_ns);
	put_cred(pool->cred);
	mutex_destroy(&pool->lock);
	kfree(pool);
	module_put(THIS_MODULE);
}

static struct zc_pool *zc_pool_alloc(const struct zc_ioc_create *arg)
{
	struct zc_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);

	if (!pool)
		return NULL;
	kref_init(&pool->ref);
	mutex_init(&pool->segment_lock);
	mutex_init(&pool->lock);
	INIT_LIST_HEAD(&pool->list);
	INIT_LIST_HEAD(&pool->members);
	INIT_DELAYED_WORK(&pool->free_work, zc_pool_free);
	zc_reap_init(pool);
	pool->cred = get_current_cred();
	pool->pid_ns = get_pid_ns(task_active_pid_ns(current));
	pool->uid = current_fsuid();
	pool->gid = current_fsgid();
	pool->mode = arg->mode ? arg->mode : 0600;
	pool->flags = arg->flags;
	pool->page_wish = arg->page_wish;
	memcpy(pool->name, arg->name, sizeof(pool->name));
	__module_get(THIS_MODULE);
	return pool;
}

static int zc_create_check(const struct zc_ioc_create *arg)
{
	if (!zc_name_valid(arg->name) || arg->flags & ~ZC_CREATE_FLAGS ||
	    arg->page_wish > ZC_PAGE_WISH_GIGANTIC || arg->mode & ~0777 ||
	    upper_32_bits(arg->granule_bytes) ||
	    (arg->mode && (arg->mode & 0600) != 0600) ||
	    arg->guard > ZC_MODE_FULL || arg->padding ||
	    memchr_inv(arg->reserved, 0, sizeof(arg->reserved)))
		return -EINVAL;
	return 0;
}

static int zc_pool_geometry(struct zc_pool *pool,
			    const struct zc_ioc_create *arg, u32 *segments)
{
	struct zc_geometry_request request = {
		.bytes = arg->bytes,
		.segment_bytes = arg->segment_bytes,
		.granule_bytes = arg->granule_bytes,
		.ring_entries = arg->ring_entries,
		.max_holds = arg->max_holds,
		.max_segments = arg->max_segments,
	};

	/* A segment is at least a page of the kind that it must have. */
	if (!request.segment_bytes && arg->page_wish == ZC_PAGE_WISH_GIGANTIC)
		request.segment_bytes = 1ULL << 30;
	if (!request.segment_bytes && arg->page_wish == ZC_PAGE_WISH_HUGETLB &&
	    request.bytes < PMD_SIZE)
		request.segment_bytes = PMD_SIZE;
	if (zc_geometry_compute(&pool->geometry, segments, &request))
		return -EINVAL;
	BUILD_BUG_ON(PAGE_SIZE != ZC_LAYOUT_PAGE);
	/* Segments are mapped one by one. */
	if (pool->geometry.segment_bytes & ~PAGE_MASK)
		return -EINVAL;
	return 0;
}

u64 zc_pool_descs_bytes(const struct zc_pool *pool)
{
	return (u64)pool->geometry.segment_granules *
	       sizeof(struct zc_block_desc);
}

/*
 * What a pool costs its user: data, and control but for the regions of roles, of
 * which there are a few, made when they are needed.
 */
static u64 zc_pool_cost(const struct zc_pool *pool, u32 segments)
{
	const struct zc_geometry *g = &pool->geometry;

	return g->off_reader_areas + g->off_writer_areas - g->off_hints +
	       segments * (g->segment_bytes + zc_pool_descs_bytes(pool));
}

int zc_pool_create(struct zc_ioc_create *arg, struct zc_pool **out)
{
	struct zc_pool *pool;
	u32 segments;
	u64 bytes;
	int err = zc_create_check(arg);

	if (err)
		return err;
	pool = zc_pool_alloc(arg);
	if (!pool)
		return -ENOMEM;
	err = zc_pool_geometry(pool, arg, &segments);
	if (err)
		goto out;
	bytes = zc_pool_cost(pool, segments);
	mutex_lock(&zc_pools_lock);
	err = zc_pool_named(arg->name) ? -EEXIST : zc_user_charge(pool, bytes);
	mutex_unlock(&zc_pools_lock);
	if (err)
		goto out;
	err = zc_pool_memory(pool, segments);
	if (err)
		goto out;
	zc_pool_header(pool, arg);
	/*
	 * Everything is there: now it gets its name.  Until the creator has his
	 * descriptor he counts as one: others may come and go meanwhile.
	 */
	mutex_lock(&zc_pools_lock);
	pool->files = 1;
	err = zc_pool_link(pool);
	mutex_unlock(&zc_pools_lock);
	if (err)
		goto out;
	zc_debugfs_pool(pool);
	*out = pool;
	return 0;
out:
	zc_pool_put(pool);
	return err;
}

/* --- references ------------------------------------------------------------------------------ */

void zc_pool_get(struct zc_pool *pool)
{
	kref_get(&pool->ref);
}

static void zc_pool_release(struct kref *ref)
{
	struct zc_pool *pool = container_of(ref, struct zc_pool, ref);

	/* Not here: what calls us may hold anything, and be called by the pool. */
	queue_delayed_work(zc_wq, &pool->free_work, 0);
}

void zc_pool_put(struct zc_pool *pool)
{
	kref_put(&pool->ref, zc_pool_release);
}

void zc_pool_file_opened(struct zc_pool *pool)
{
	mutex_lock(&zc_pools_lock);
	pool->files++;
	mutex_unlock(&zc_pools_lock);
}

void zc_pool_file_closed(struct zc_pool *pool)
{
	bool unnamed = false;

	mutex_lock(&zc_pools_lock);
	if (!--pool->files && !(pool->flags & ZC_CREATE_PERSIST))
		unnamed = zc_pool_unname(pool);
	mutex_unlock(&zc_pools_lock);
	if (unnamed)
		zc_pool_put(pool);
}

/* --- namespaces ------------------------------------------------------------------------------- */

static int __net_init zc_net_init(struct net *net)
{
	struct zc_net *zn = net_generic(net, zc_net_id);

	INIT_LIST_HEAD(&zn->pools);
	return 0;
}

/* Names go with their namespace; members go on. */
static void __net_exit zc_net_exit(struct net *net)
{
	struct zc_net *zn = net_generic(net, zc_net_id);
	struct zc_pool *pool;

	for (;;) {
		mutex_lock(&zc_pools_lock);
		pool = list_first_entry_or_null(&zn->pools, struct zc_pool,
						list);
		if (pool)
			zc_pool_unname(pool);
		mutex_unlock(&zc_pools_lock);
		if (!pool)
			return;
		zc_pool_put(pool);
	}
}

static struct pernet_operations zc_net_ops = {
	.init = zc_net_init,
	.exit = zc_net_exit,
	.id = &zc_net_id,
	.size = sizeof(struct zc_net),
};

int zc_pools_init(void)
{
	return register_pernet_subsys(&zc_net_ops);
}

void zc_pools_exit(void)
{
	unregister_pernet_subsys(&zc_net_ops);
}
