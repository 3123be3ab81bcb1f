// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - the kernel side of ZeroCore, as far as it goes today.
 *
 * There is no /dev/zerocore yet.  What is here shows that lib/core/, the code
 * that will reap dead members in the kernel, builds and runs there: at load it
 * lays out a small pool in kernel memory, lets a writer claim, split and commit,
 * declares it dead, reaps it, and refuses to load if one granule is missing.
 */
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "geometry.h"
#include "moves.h"
#include "reaper.h"

static void zc_kernel_wake(void *ctx, u32 w)
{
}

static void zc_kernel_reaped(void *ctx, u32 m, u32 incarnation)
{
	++*(u32 *)ctx;
}

static u64 zc_kernel_now(void *ctx)
{
	return ktime_get_ns();
}

/* Granules that nobody owns, by a walk. */
static u64 zc_free_granules(const struct zc_view *v)
{
	struct zc_walk walk = { 0 };
	u64 word, free = 0;
	u32 granule;

	while (zc_walk_step(v, &walk, &granule, &word))
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE)
			free += zc_word_length(word);
	return free;
}

static int zc_selfcheck_pool(const struct zc_view *v, struct zc_reaper *reaper)
{
	u32 told = 0, owner = ZC_OWNER_WRITER(0), rest;
	struct zc_reaper_ops ops = {
		.wake = zc_kernel_wake,
		.reaped = zc_kernel_reaped,
		.now_ns = zc_kernel_now,
		.ctx = &told,
	};
	u64 total = zc_granules(v), life = zc_life(1, 0, ZC_LIFE_LIVE);
	u64 word = zc_load_acquire(&v->descs[0].word);

	if (zc_free_granules(v) != total)
		return -EIO;
	zc_store_release(&v->members[0].life, life);
	zc_store_release(&v->writer_slots[0].life, life);
	zc_store_release(&zc_writer_area(v, 0)->head, 1);
	if (!zc_run_claim(v, 0, &word, owner))
		return -EIO;
	rest = zc_run_split(v, 0, 1, owner);
	/* A commit that never came to its ring entry: nobody saw it. */
	zc_store_relaxed(&v->descs[0].sequence, 1);
	zc_move_commit(&v->descs[0].word, zc_load_relaxed(&v->descs[0].word),
		       owner);
	if (rest != 1 || zc_free_granules(v) != total - v->stripe_granules)
		return -EIO;
	if (!zc_member_declare_dead(v, 0, life, ktime_get_ns()))
		return -EIO;
	while (!zc_reap(v, reaper, &ops, 16))
		cond_resched();
	return told == 1 && zc_free_granules(v) == total ? 0 : -EIO;
}

static int zc_selfcheck(void)
{
	struct zc_geometry_request want = {
		.bytes = 1 << 20,
		.granule_bytes = 512,
		.ring_entries = 16,
		.max_holds = 7,
	};
	struct zc_geometry *g = kzalloc(sizeof(*g), GFP_KERNEL);
	struct zc_reaper *reaper = kzalloc(sizeof(*reaper), GFP_KERNEL);
	struct zc_view *v = kzalloc(sizeof(*v), GFP_KERNEL);
	struct zc_reader_area **areas;
	struct zc_block_desc *descs;
	char *control = NULL;
	u32 segments, i;
	int err = -ENOMEM;

	areas = kcalloc(ZC_MAX_WRITERS * ZC_MAX_READERS_PER, sizeof(*areas),
			GFP_KERNEL);
	if (!g || !reaper || !v || !areas)
		goto out;
	if (zc_geometry_compute(g, &segments, &want)) {
		err = -EINVAL;
		goto out;
	}
	control = vzalloc(g->control_bytes);
	if (!control)
		goto out;
	for (i = 0; i < ZC_MAX_WRITERS * ZC_MAX_READERS_PER; i++)
		areas[i] = (void *)(control + g->off_reader_areas +
				    i * g->reader_area_bytes);
	descs = (void *)(control + g->off_descs);
	v->reader_area = areas;
	v->segment_descs = &descs;
	zc_view_place(v, control, control + g->off_hints, g);
	zc_pool_format(v, g, segments);
	err = zc_selfcheck_pool(v, reaper);
out:
	vfree(control);
	kfree(areas);
	kfree(v);
	kfree(reaper);
	kfree(g);
	return err;
}

static int __init zc_init(void)
{
	int err = zc_selfcheck();

	if (err)
		pr_err("zerocore: the self check of lib/core failed (%d)\n", err);
	else
		pr_info("zerocore: layout %u, self check passed; no device yet\n",
			ZC_LAYOUT_VERSION);
	return err;
}

static void __exit zc_exit(void)
{
}

module_init(zc_init);
module_exit(zc_exit);
MODULE_DESCRIPTION("ZeroCore shared memory messages");
MODULE_LICENSE("GPL");
