/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat.h - all that differs between the kernels that the module is built for.
 *
 * 6.1 and 6.12 are what it is tested on.  No other file asks for a version.
 */
#ifndef ZC_KMOD_COMPAT_H
#define ZC_KMOD_COMPAT_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/version.h>

/* 6.3: flags of a mapping are changed by calls that know about its lock. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void zc_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void zc_vm_flags_clear(struct vm_area_struct *vma,
				     vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#else
static inline void zc_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vm_flags_set(vma, flags);
}

static inline void zc_vm_flags_clear(struct vm_area_struct *vma,
				     vm_flags_t flags)
{
	vm_flags_clear(vma, flags);
}
#endif

/* 6.3: user_namespace to mnt_idmap; 6.6: another name. */
static inline struct file *zc_tmpfile_open(const struct path *parent,
					   umode_t mode, int flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	return vfs_tmpfile_open(&init_user_ns, parent, mode, flags,
				current_cred());
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	return vfs_tmpfile_open(&nop_mnt_idmap, parent, mode, flags,
				current_cred());
#else
	return kernel_tmpfile_open(&nop_mnt_idmap, parent, mode, flags,
				   current_cred());
#endif
}

/* 6.10: the method of the address space has a function in front of it. */
static inline unsigned long
zc_mm_get_unmapped_area(struct file *file, unsigned long addr,
			unsigned long len, unsigned long pgoff,
			unsigned long flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	return current->mm->get_unmapped_area(file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags);
#endif
}

/* 6.16: some file systems have .mmap_prepare instead of .mmap. */
static inline int zc_fops_mmap(const struct file_operations *fops, struct file *file,
			       struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	if (fops->mmap_prepare)
		return __compat_vma_mmap_prepare(fops, file, vma);
#endif
	return fops->mmap(file, vma);
}

static inline void zc_fops_no_mmap(struct file_operations *fops)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	fops->mmap_prepare = NULL;
#endif
	fops->mmap = NULL;
}

/* 6.10: the string of a trace event is known from its declaration. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define zc_trace_string(dst, src) __assign_str(dst, src)
#else
#define zc_trace_string(dst, src) __assign_str(dst)
#endif

/* 6.7: the page cache of hugetlbfs counts in small pages, like any other. */
static inline pgoff_t zc_hugetlb_index(pgoff_t index, unsigned int page_shift)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
	return index >> (page_shift - PAGE_SHIFT);
#else
	return index;
#endif
}

/* 6.5: O_DIRECT pins what it reads into; before, it held pages like anybody else. */
#define ZC_IO_UNSEEN (LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0))

#endif /* ZC_KMOD_COMPAT_H */
