// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs.c - /sys/kernel/debug/zerocore/NAME.ID: what `zerocore pool info` shows.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "zerocore.h"

static struct dentry *zc_debugfs_root;

static const char *zc_kind_name(u32 kind)
{
	switch (kind) {
	case ZC_PAGES_HUGETLB:
		return "hugetlb";
	case ZC_PAGES_TRANSPARENT:
		return "transparent";
	default:
		return "small";
	}
}

static void zc_show_members(struct seq_file *s, struct zc_pool *pool)
{
	struct zc_member *m;
	u64 now = ktime_get_ns();

	list_for_each_entry(m, &pool->members, list) {
		const struct zc_member_record *r = &pool->view.members[m->index];

		seq_printf(s, "member %u pid %u comm %.16s state %s lease %s write %d alive %llu ms ago\n",
			   m->index, pid_nr(m->pid), r->comm,
			   m->state == ZC_MEMBER_ALIVE ? "alive" : "dying",
			   m->lease_over ? "over" : m->leased ? "held" : "none",
			   m->may_write,
			   (now - READ_ONCE(r->alive_ns)) / NSEC_PER_MSEC);
	}
}

static void zc_show_services(struct seq_file *s, struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		const struct zc_writer_slot *slot = &v->writer_slots[w];

		if (zc_service_state(slot->service) != ZC_SERVICE_READY)
			continue;
		seq_printf(s, "service %u %.64s/%.64s/%.64s writer %s readers 0x%x head %llu\n",
			   w, slot->name[0], slot->name[1], slot->name[2],
			   zc_life_state(slot->life) == ZC_LIFE_LIVE ? "live" :
			   zc_life_state(slot->life) == ZC_LIFE_REAPING ?
								   "reaping" :
								   "none",
			   zc_mask_bits(slot->active),
			   READ_ONCE(zc_writer_area(v, w)->head));
	}
}

static int zc_debug_show(struct seq_file *s, void *unused)
{
	struct zc_pool *pool = s->private;
	u32 i;

	mutex_lock(&pool->lock);
	seq_printf(s, "name %s\nmode %04o\nsegment_bytes %llu\ngranule_bytes %u\n",
		   pool->name, pool->mode, pool->geometry.segment_bytes,
		   1u << pool->geometry.granule_shift);
	for (i = 0; i < pool->segments; i++)
		seq_printf(s, "segment %u %s pages %s\n", i,
			   pool->segment[i].retired ? "retired" : "ready",
			   zc_kind_name(pool->segment[i].page_kind));
	seq_printf(s, "free_granules %llu\ndeaths %llu\nreap_last_ns %llu\nreap_max_ns %llu\nquarantined %u\n",
		   READ_ONCE(pool->view.hints->free_granules), pool->deaths,
		   pool->reap_last_ns, pool->reap_max_ns, pool->quarantined);
	zc_show_members(s, pool);
	zc_show_services(s, pool);
	mutex_unlock(&pool->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(zc_debug);

void zc_debugfs_pool(struct zc_pool *pool)
{
	char name[ZC_NAME_BYTES + 9];

	/* A name may be there more than once: unlinked, in other namespaces. */
	snprintf(name, sizeof(name), "%s.%4phN", pool->name,
		 pool->view.header->creation_id);
	pool->debugfs = debugfs_create_file(name, 0400, zc_debugfs_root, pool,
					    &zc_debug_fops);
}

void zc_debugfs_remove(struct zc_pool *pool)
{
	debugfs_remove(pool->debugfs);
}

void zc_debugfs_init(void)
{
	zc_debugfs_root = debugfs_create_dir("zerocore", NULL);
}

void zc_debugfs_exit(void)
{
	debugfs_remove(zc_debugfs_root);
}
