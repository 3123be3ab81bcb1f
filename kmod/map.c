// SPDX-License-Identifier: GPL-2.0
/*
 * map.c - what of a pool a member may map, and how.
 *
 * Every mapping becomes one of the region's own file, so that huge pages, futexes,
 * O_DIRECT and io_uring work in it as in any file's; only the lease has operations
 * of ours.  What a mapping can do is fixed here: no growth, no inheritance, no
 * execution, and no way from read-only to writable.
 */
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>

#include "compat.h"
#include "zerocore.h"

/* Where a mapping leads. */
struct zc_place {
	struct file *file;	/* held; NULL: the lease */
	u64 off;		/* in the file */
	u64 bytes;		/* exactly so many, 0: any up to @most */
	u64 most;
	bool may_write;
	struct zc_pool *control;	/* whose descriptors are in it; NULL: nobody's */
};

static int zc_place_reader(struct zc_pool *pool, struct zc_member *m, u64 off,
			   struct zc_place *place)
{
	u64 bytes = pool->geometry.reader_area_bytes;
	u64 n = div64_u64(off, bytes), life;

	if (n >= ZC_READERS || n * bytes != off)
		return -EINVAL;
	life = pool->view.reader_slots[n].life;
	if (zc_life_state(life) == ZC_LIFE_IDLE || !pool->reader[n].file)
		return -ENXIO;
	place->file = get_file(pool->reader[n].file);
	place->bytes = bytes;
	place->may_write = zc_life_state(life) == ZC_LIFE_LIVE &&
			   zc_life_member(life) == m->index;
	return 0;
}

static int zc_place_data(struct zc_pool *pool, struct zc_member *m, u64 off,
			 struct zc_place *place)
{
	u64 bytes = pool->geometry.segment_bytes;
	u64 n = div64_u64(off, bytes);

	if (n >= pool->segments || n * bytes != off)
		return -EINVAL;
	place->file = get_file(pool->segment[n].file);
	place->bytes = bytes;
	place->may_write = m->may_write;
	return 0;
}

/* The caller's place at an offset of the descriptor; places are held. */
static int zc_place_find(struct zc_file *zf, unsigned long pgoff,
			 struct zc_place *place, struct zc_member **member)
{
	u64 off = (u64)pgoff << PAGE_SHIFT;
	u32 region = off >> ZC_MAP_SHIFT;
	struct zc_pool *pool = zf->pool;
	struct zc_member *m;
	int err = 0;

	off &= (1ULL << ZC_MAP_SHIFT) - 1;
	memset(place, 0, sizeof(*place));
	/* mmap_lock is held: who waits here must be killable. */
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	m = zc_member_current(zf);
	if (!m)
		err = -EPERM;
	else if (READ_ONCE(m->lease_over) ||
		 (region != ZC_MAP_LEASE && !m->leased))
		err = -ENXIO;
	if (err)
		goto out;
	if (off && region != ZC_MAP_READERS && region != ZC_MAP_DATA) {
		err = -EINVAL;
		goto out;
	}
	switch (region) {
	case ZC_MAP_KERNEL:
		place->file = get_file(pool->kernel.file);
		place->most = pool->geometry.off_reader_areas;
		break;
	case ZC_MAP_WRITERS:
		place->file = get_file(pool->writers);
		place->most = pool->geometry.control_bytes -
			      pool->geometry.off_hints;
		place->control = pool;
		place->may_write = m->may_write;
		break;
	case ZC_MAP_READERS:
		err = zc_place_reader(pool, m, off, place);
		break;
	case ZC_MAP_DATA:
		err = zc_place_data(pool, m, off, place);
		break;
	case ZC_MAP_LEASE:
		place->bytes = PAGE_SIZE;
		break;
	case ZC_MAP_STAMPS:
		place->file = get_file(m->stamps.file);
		place->bytes = PAGE_SIZE;
		place->may_write = true;
		break;
	default:
		err = -EINVAL;
	}
	if (!err && member) {
		zc_member_get(m);
		*member = m;
	}
out:
	mutex_unlock(&pool->lock);
	return err;
}

/* --- the lease --------------------------------------------------------------------- */

static void zc_lease_open(struct vm_area_struct *vma)
{
	zc_member_lease_open(vma->vm_private_data);
}

static void zc_lease_close(struct vm_area_struct *vma)
{
	zc_member_lease_close(vma->vm_private_data);
}

static vm_fault_t zc_lease_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct zc_lease_ops = {
	.open = zc_lease_open,
	.close = zc_lease_close,
	.fault = zc_lease_fault,
};

static int zc_map_lease(struct zc_member *m, struct vm_area_struct *vma)
{
	struct zc_pool *pool = m->pool;
	int err = 0;

	if (vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC))
		return -EACCES;
	/* As in zc_place_find(). */
	if (mutex_lock_killable(&pool->lock))
		return -EINTR;
	/* One: so that it can be counted on being the last. */
	if (m->leased)
		err = -EBUSY;
	else
		m->leased = true;
	mutex_unlock(&pool->lock);
	if (err)
		return err;
	/* VM_IO: MADV_DOFORK cannot undo VM_DONTCOPY. */
	zc_vm_flags_clear(vma, VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC);
	zc_vm_flags_set(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = m;
	vma->vm_ops = &zc_lease_ops;
	zc_member_lease_open(m);
	return 0;
}

/* --- what mappings of tmpfs do ------------------------------------------------------ */

static DEFINE_SPINLOCK(zc_ops_lock);
/* The file system's own. (written once, under @zc_ops_lock) */
static const struct vm_operations_struct *zc_plain_ops;
/* Of who may not write: any file but writers', and that one; and of who may. */
static struct vm_operations_struct zc_read_ops;
static struct vm_operations_struct zc_control_read_ops;
static struct vm_operations_struct zc_control_ops;

/* The NUMA policy of a file is not for who may only read it to set: mbind() does not ask. */
static void zc_ops_no_policy(struct vm_operations_struct *ops)
{
#ifdef CONFIG_NUMA
	ops->set_policy = NULL;
#endif
}

/*
 * While memory goes, fallocate() has whoever touches it wait in the fault; but pages around
 * a fault would be mapped without one.
 */
static vm_fault_t zc_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	if (READ_ONCE(file_inode(vmf->vma->vm_file)->i_private))
		return 0;
	return zc_plain_ops->map_pages(vmf, start, end);
}

/*
 * Behind it are descriptors of segments that are not there.  The pool is there as long as
 * the mapping: see zc_pool_in_use().
 */
static pgoff_t zc_control_end(const struct vm_area_struct *vma)
{
	const struct zc_pool *pool = vma->vm_private_data;

	return PFN_UP(pool->geometry.off_descs - pool->geometry.off_hints +
		      READ_ONCE(pool->segments) * zc_pool_descs_bytes(pool));
}

/*
 * Nobody gets memory by looking for descriptors of a segment that never was: he would pay
 * for none of it.  Nor does he map what a segment that comes gets just now: if it does not
 * come, each of his mappings would be looked for, for each page.  Regions of roles are few,
 * and any number that a writer wrote leads there.
 */
static vm_fault_t zc_control_fault(struct vm_fault *vmf)
{
	if (vmf->pgoff >= zc_control_end(vmf->vma))
		return VM_FAULT_SIGBUS;
	return zc_plain_ops->fault(vmf);
}

static vm_fault_t zc_control_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	pgoff_t most = zc_control_end(vmf->vma);

	if (start >= most)
		return 0;
	return zc_plain_ops->map_pages(vmf, start, min(end, most - 1));
}

/* Seen at the first mapping: all of our files have the same. */
static void zc_ops_learn(const struct vm_operations_struct *ops)
{
	spin_lock(&zc_ops_lock);
	if (!zc_plain_ops) {
		zc_plain_ops = ops;
		zc_read_ops = *ops;
		zc_read_ops.map_pages = zc_map_pages;
		zc_ops_no_policy(&zc_read_ops);
		zc_control_ops = *ops;
		zc_control_ops.fault = zc_control_fault;
		zc_control_ops.map_pages = zc_control_map_pages;
		zc_control_read_ops = zc_control_ops;
		zc_ops_no_policy(&zc_control_read_ops);
	}
	spin_unlock(&zc_ops_lock);
}

/* Whoever may write can do as much harm in other ways. */
static void zc_map_ops(const struct zc_place *place, struct vm_area_struct *vma)
{
	if (is_vm_hugetlb_page(vma))
		return;
	zc_ops_learn(vma->vm_ops);
	if (place->control) {
		vma->vm_ops = place->may_write ? &zc_control_ops : &zc_control_read_ops;
		vma->vm_private_data = place->control;
	} else if (!place->may_write) {
		vma->vm_ops = &zc_read_ops;
	}
}

/* --- the rest ------------------------------------------------------------------------ */

static int zc_map_place(const struct zc_place *place, struct vm_area_struct *vma)
{
	u64 bytes = vma->vm_end - vma->vm_start;
	bool write = vma->vm_flags & VM_WRITE;
	int err;

	if (place->bytes ? bytes != place->bytes :
			   !bytes || bytes > place->most)
		return -EINVAL;
	if (write && !place->may_write)
		return -EACCES;
	zc_vm_flags_clear(vma, VM_MAYEXEC);
	zc_vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_pgoff = place->off >> PAGE_SHIFT;
	vma_set_file(vma, place->file);
	/*
	 * The file is sealed against writing by mappings; ours are the exception.
	 * (Nobody else can map it: it is on no mount that anybody sees.)
	 */
	zc_vm_flags_clear(vma, VM_WRITE);
	err = zc_file_mmap(place->file, vma);
	if (err)
		return err;
	zc_map_ops(place, vma);
	if (place->may_write)
		zc_vm_flags_set(vma, VM_MAYWRITE);
	else
		zc_vm_flags_clear(vma, VM_MAYWRITE);
	if (write)
		zc_vm_flags_set(vma, VM_WRITE);
	return 0;
}

int zc_pool_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct zc_file *zf = file->private_data;
	struct zc_member *m = NULL;
	struct zc_place place;
	int err;

	/* A private copy, or code, of messages makes no sense. */
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	err = zc_place_find(zf, vma->vm_pgoff, &place, &m);
	if (err)
		return err;
	if (place.file)
		err = zc_map_place(&place, vma);
	else if (vma->vm_end - vma->vm_start != place.bytes)
		err = -EINVAL;
	else
		err = zc_map_lease(m, vma);
	if (place.file)
		fput(place.file);
	zc_member_put(m);
	return err;
}

/* Huge pages want aligned addresses: the file that is mapped knows. */
unsigned long zc_pool_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long len, unsigned long pgoff,
					unsigned long flags)
{
	struct zc_file *zf = file->private_data;
	struct file *plain;
	struct zc_place place;
	unsigned long found;
	int err = zc_place_find(zf, pgoff, &place, NULL);

	if (err)
		return err;
	if (!place.file)
		return zc_mm_get_unmapped_area(file, addr, len, pgoff, flags);
	plain = zc_file_plain(place.file);
	if (place.bytes && len != place.bytes)
		found = -EINVAL;
	else if (plain->f_op->get_unmapped_area)
		found = plain->f_op->get_unmapped_area(plain, addr, len,
						       place.off >> PAGE_SHIFT, flags);
	else
		found = zc_mm_get_unmapped_area(plain, addr, len,
						place.off >> PAGE_SHIFT, flags);
	fput(place.file);
	return found;
}
