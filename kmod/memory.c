// SPDX-License-Identifier: GPL-2.0
/*
 * memory.c - the files that a pool's memory is in, and the kernel's view of them.
 *
 * Each rights class, each reader's region and each data segment is a file of its
 * own on a private mount: what a process can reach from a mapping it was given
 * ends with that file, however it grows, moves or remaps it.  Files are sealed once
 * they are complete, so that nobody who maps one can take its pages away.
 *
 * Pages that the kernel looks at are held: they are neither reclaimed nor
 * migrated under it.  Payloads the kernel never looks at.
 */
#include <linux/err.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/fcntl.h>
#include <linux/freezer.h>
#include <linux/hugetlb.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "zerocore.h"

/* Allocated at a time, between looks at signals and at what is left. */
#define ZC_CHUNK_BYTES	(64ULL << 20)
/* What an allocation leaves to the rest of the machine. */
#define ZC_SPARE_BYTES	(32ULL << 20)

/* Of pages: rather fail than wake the OOM killer, which would take a member's life. */
#define ZC_GFP		(GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

static struct vfsmount *zc_small;	/* tmpfs */
static struct vfsmount *zc_within;	/* tmpfs, huge pages inside of the file */
static struct vfsmount *zc_huge;	/* tmpfs, huge pages always */
static struct vfsmount *zc_hugetlb;	/* hugetlbfs, default page size */
static struct vfsmount *zc_gigantic;	/* hugetlbfs, 1 GiB pages */

/*
 * What files of tmpfs do, but that only we can map them: remap_file_pages() would not ask
 * what a member may, nor would it know of the mapping's rules.  Each file holds the
 * module, whose tables it and its mappings have.
 */
static const struct file_operations *zc_tmpfs_plain;
static struct file *zc_plain[3];	/* empty, one of each tmpfs */
static struct file_operations zc_tmpfs_fops;

/* NULL where the kernel has no such file system or refuses the options. */
static struct vfsmount *zc_mount(const char *type, const char *options)
{
	struct file_system_type *fs = get_fs_type(type);
	struct vfsmount *mnt;
	char *text;

	if (!fs)
		return NULL;
	/* The parser writes into it. */
	text = kstrdup(options, GFP_KERNEL);
	mnt = text ? vfs_kern_mount(fs, SB_KERNMOUNT, "zerocore", text) : NULL;
	kfree(text);
	module_put(fs->owner);	/* as put_filesystem(), which is not for us */
	if (IS_ERR_OR_NULL(mnt))
		return NULL;
	/* No mapping of these files is code, whatever mprotect() is asked. */
	mnt->mnt_sb->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	return mnt;
}

/*
 * One that is as tmpfs made it: its operations are known from a file only, and those
 * that look for an address accept no other.
 */
static struct vfsmount *zc_mount_tmpfs(const char *options, struct file **plain)
{
	struct vfsmount *mnt = zc_mount("tmpfs", options);
	struct file *file;

	if (!mnt)
		return NULL;
	file = shmem_file_setup_with_mnt(mnt, "zerocore", 0, VM_NORESERVE);
	if (IS_ERR(file)) {
		kern_unmount(mnt);
		return NULL;
	}
	*plain = file;
	return mnt;
}

struct file *zc_file_plain(struct file *file)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(zc_plain); i++)
		if (zc_plain[i] && zc_plain[i]->f_path.mnt == file->f_path.mnt)
			return zc_plain[i];
	return file;
}

int zc_memory_init(void)
{
	zc_small = zc_mount_tmpfs("", &zc_plain[0]);
	if (!zc_small)
		return -ENODEV;
	zc_tmpfs_plain = zc_plain[0]->f_op;
	zc_tmpfs_fops = *zc_tmpfs_plain;
	zc_tmpfs_fops.owner = THIS_MODULE;
	zc_fops_no_mmap(&zc_tmpfs_fops);
	/* Nor is there an address for who opens one in /proc/PID/map_files and tries. */
	zc_tmpfs_fops.get_unmapped_area = NULL;
	zc_within = zc_mount_tmpfs("huge=within_size", &zc_plain[1]);
	zc_huge = zc_mount_tmpfs("huge=always", &zc_plain[2]);
	/* Whoever creates a pool makes files there, whoever that is. */
	zc_hugetlb = zc_mount("hugetlbfs", "mode=1777");
	zc_gigantic = zc_mount("hugetlbfs", "mode=1777,pagesize=1G");
	return 0;
}

static void zc_unmount(struct vfsmount *mnt)
{
	if (mnt)
		kern_unmount(mnt);
}

void zc_memory_exit(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(zc_plain); i++)
		if (zc_plain[i])
			fput(zc_plain[i]);
	zc_unmount(zc_gigantic);
	zc_unmount(zc_hugetlb);
	zc_unmount(zc_huge);
	zc_unmount(zc_within);
	zc_unmount(zc_small);
}

u64 zc_memory_features(void)
{
	return ZC_DEVICE_SEGMENTS | (zc_hugetlb ? ZC_DEVICE_HUGETLB : 0) |
	       (zc_huge ? ZC_DEVICE_THP : 0) |
	       (zc_gigantic ? ZC_DEVICE_GIGANTIC : 0);
}

/* A full memory cgroup or machine: these file systems call it a full disk. */
static int zc_no_memory(int err)
{
	return err == -ENOSPC ? -ENOMEM : err;
}

/* Would so much more leave the rest of the machine too little? */
static bool zc_memory_low(u64 bytes)
{
	return (u64)si_mem_available() << PAGE_SHIFT < bytes + ZC_SPARE_BYTES;
}

static struct file *zc_tmpfs_file(struct vfsmount *mnt, const char *name,
				  u64 bytes)
{
	struct file *file = shmem_file_setup_with_mnt(mnt, name, bytes,
						      VM_NORESERVE);

	if (IS_ERR(file))
		return ERR_PTR(zc_no_memory(PTR_ERR(file)));
	/* As fops_get(), which cannot fail here; and for whoever opens it by a mapping. */
	__module_get(THIS_MODULE);
	file->f_op = &zc_tmpfs_fops;
	file_inode(file)->i_fop = &zc_tmpfs_fops;
	/* Where the kernel looks stays where it is. */
	mapping_set_gfp_mask(file->f_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(file->f_mapping);
	/* No less, no more, and no writing but by mappings that we hand out. */
	SHMEM_I(file_inode(file))->seals = F_SEAL_SEAL | F_SEAL_SHRINK |
					   F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
	return file;
}

int zc_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct file_operations *fops = file->f_op;

	return zc_fops_mmap(fops == &zc_tmpfs_fops ? zc_tmpfs_plain : fops, file, vma);
}

struct file *zc_file_small(const char *name, u64 bytes)
{
	return zc_tmpfs_file(zc_small, name, bytes);
}

struct file *zc_file_within(const char *name, u64 bytes)
{
	return zc_tmpfs_file(zc_within ? zc_within : zc_small, name, bytes);
}

/* --- pages that the kernel looks at ------------------------------------------- */

int zc_pages_get(struct zc_pages *p, struct file *file, u64 off, u64 bytes)
{
	u32 nr = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct page **page = kvcalloc(nr, sizeof(*page), GFP_KERNEL_ACCOUNT);
	int err = 0;
	u32 i;

	if (!page)
		return -ENOMEM;
	p->page = page;
	for (i = 0; i < nr; i++) {
		page[i] = shmem_read_mapping_page_gfp(file->f_mapping,
						      (off >> PAGE_SHIFT) + i,
						      ZC_GFP);
		if (IS_ERR(page[i])) {
			err = zc_no_memory(PTR_ERR(page[i]));
			goto out;
		}
		set_page_dirty(page[i]);
		p->nr = i + 1;
		if (!(i & 255)) {
			cond_resched();
			if (fatal_signal_pending(current))
				err = -EINTR;
			/* Not for what a role needs: nobody is kept out for that. */
			else if (i && zc_memory_low(256 << PAGE_SHIFT))
				err = -ENOMEM;
			if (err)
				goto out;
		}
	}
	p->addr = vmap(page, nr, VM_MAP, PAGE_KERNEL);
	if (p->addr)
		return 0;
	err = -ENOMEM;
out:
	/* What it got stays in the file: another one may have it, too. */
	zc_pages_put(p);
	return err;
}

void zc_pages_drop(struct file *file, u64 off, u64 bytes)
{
	shmem_truncate_range(file_inode(file), off, off + PAGE_ALIGN(bytes) - 1);
}

int zc_pages_zero(struct zc_pages *p, u64 bytes)
{
	u32 nr = DIV_ROUND_UP(bytes, PAGE_SIZE), i;
	struct page **page = kvcalloc(nr, sizeof(*page), GFP_KERNEL_ACCOUNT);

	if (!page)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		page[i] = ZERO_PAGE(0);
	p->addr = vmap(page, nr, VM_MAP, PAGE_KERNEL_RO);
	kvfree(page);
	return p->addr ? 0 : -ENOMEM;
}

void zc_pages_put(struct zc_pages *p)
{
	u32 i;

	if (p->addr)
		vunmap(p->addr);
	for (i = 0; i < p->nr; i++)
		put_page(p->page[i]);
	kvfree(p->page);
	memset(p, 0, sizeof(*p));
}

int zc_region_make(struct zc_region *r, const char *name, u64 bytes)
{
	struct file *file = zc_file_small(name, bytes);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = zc_pages_get(&r->pages, file, 0, bytes);
	if (err) {
		fput(file);
		return err;
	}
	r->file = file;
	return 0;
}

void zc_region_free(struct zc_region *r)
{
	zc_pages_put(&r->pages);
	if (r->file)
		fput(r->file);
	r->file = NULL;
}

/* --- data segments --------------------------------------------------------------- */

/* Nobody but the caller changes which one is his. */
static spinlock_t *zc_signal_lock(void)
{
	return &rcu_dereference_protected(current->sighand, true)->siglock;
}

/*
 * Is all that the caller is told something else than its end?  Then for the time being it
 * is told nothing: io_uring's work, a freezer or a tracer wait until it is back.
 */
static bool zc_is_not_ended(bool *notified)
{
	spinlock_t *lock = zc_signal_lock();
	bool ended;

	spin_lock_irq(lock);
	ended = __fatal_signal_pending(current);
	if (!ended) {
		*notified |= test_and_clear_thread_flag(TIF_NOTIFY_SIGNAL);
		clear_thread_flag(TIF_SIGPENDING);
	}
	spin_unlock_irq(lock);
	return !ended;
}

/* Now it may know. */
static void zc_is_told(bool notified)
{
	spinlock_t *lock = zc_signal_lock();

	spin_lock_irq(lock);
	if (notified)
		set_thread_flag(TIF_NOTIFY_SIGNAL);
	recalc_sigpending();
	/* Of a freezer the flag is all that it was told. */
	if (freezing(current))
		set_thread_flag(TIF_SIGPENDING);
	spin_unlock_irq(lock);
}

/*
 * Told only that it is to end: hugetlbfs stops for any signal, and who makes the call anew
 * finds his own first half, which is undone behind his back, in his way.
 */
static int zc_allocate(struct file *file, u64 bytes, bool hugetlb)
{
	gfp_t faults = mapping_gfp_mask(file->f_mapping);
	u64 chunk = ZC_CHUNK_BYTES, off, n;
	bool notified = false;
	sigset_t kill, told;
	int err = 0;

	/*
	 * Not for faults, which would be tried again and again: whoever is led to memory that
	 * went ends by the OOM killer where he may have no more.
	 */
	if (!hugetlb)
		mapping_set_gfp_mask(file->f_mapping, ZC_GFP);
	siginitsetinv(&kill, sigmask(SIGKILL));
	sigprocmask(SIG_SETMASK, &kill, &told);
	for (off = 0; !err && off < bytes; off += n) {
		n = min(bytes - off, chunk);
		/* Reserved huge pages are nobody else's memory. */
		if (!hugetlb && zc_memory_low(n))
			err = -ENOMEM;
		else
			err = zc_no_memory(vfs_fallocate(file, 0, off, n));
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		/* tmpfs undoes all of it: a freezer tells anew every few ms. */
		if (err == -EINTR && zc_is_not_ended(&notified)) {
			if (!hugetlb)
				chunk = PMD_SIZE;
			err = 0;
			n = 0;
		}
		cond_resched();
	}
	sigprocmask(SIG_SETMASK, &told, NULL);
	zc_is_told(notified);
	mapping_set_gfp_mask(file->f_mapping, faults);
	return err;
}

static int zc_segment_hugetlb(struct zc_segment *s, struct vfsmount *mnt,
			      u64 bytes)
{
	struct path root = { .mnt = mnt };
	struct hstate *h;
	struct file *file;
	int err;

	if (!mnt)
		return -ENOMEM;
	root.dentry = mnt->mnt_root;
	h = hstate_inode(d_inode(mnt->mnt_root));
	if (bytes & (huge_page_size(h) - 1))
		return -EINVAL;
	file = zc_tmpfile_open(&root, S_IFREG | 0600,
			       O_RDWR | O_LARGEFILE | O_TMPFILE);
	if (IS_ERR(file))
		return zc_no_memory(PTR_ERR(file));
	/* It does not grow: what a file of the caller may have is no limit for it. */
	i_size_write(file_inode(file), bytes);
	err = zc_allocate(file, bytes, true);
	if (err) {
		fput(file);
		return err;
	}
	HUGETLBFS_I(file_inode(file))->seals =
		F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;
	s->file = file;
	s->page_kind = ZC_PAGES_HUGETLB;
	s->page_shift = huge_page_shift(h);
	return 0;
}

/* Did tmpfs give huge pages?  It falls back without a word. */
static u32 zc_tmpfs_kind(struct file *file, u64 bytes)
{
	u64 huge = 0, seen = 0, off;

	for (off = 0; off < bytes; off += PMD_SIZE) {
		struct page *page = shmem_read_mapping_page_gfp(file->f_mapping,
								off >> PAGE_SHIFT, ZC_GFP);

		if (IS_ERR(page))
			continue;
		seen++;
		huge += folio_size(page_folio(page)) >= PMD_SIZE;
		put_page(page);
		cond_resched();
	}
	return seen && huge * 2 >= seen ? ZC_PAGES_TRANSPARENT : ZC_PAGES_SMALL;
}

static int zc_segment_tmpfs(struct zc_segment *s, struct vfsmount *mnt,
			    u64 bytes)
{
	struct file *file = zc_tmpfs_file(mnt, "zerocore-data", bytes);
	unsigned int *seals, sealed;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	/* To allocate is to write, as seals see it. */
	seals = &SHMEM_I(file_inode(file))->seals;
	sealed = *seals;
	*seals = F_SEAL_SEAL;
	err = zc_allocate(file, bytes, false);
	*seals = sealed;
	if (err) {
		fput(file);
		return err;
	}
	s->file = file;
	s->page_kind = zc_tmpfs_kind(file, bytes);
	s->page_shift = s->page_kind == ZC_PAGES_SMALL ? PAGE_SHIFT : PMD_SHIFT;
	return 0;
}

int zc_segment_make(struct zc_segment *s, u64 bytes, u32 wish)
{
	int err;

	if (wish == ZC_PAGE_WISH_GIGANTIC)
		return zc_segment_hugetlb(s, zc_gigantic, bytes);
	if (wish == ZC_PAGE_WISH_BEST || wish == ZC_PAGE_WISH_HUGETLB) {
		err = zc_segment_hugetlb(s, zc_hugetlb, bytes);
		if (!err || wish == ZC_PAGE_WISH_HUGETLB || err == -EINTR)
			return err;
	}
	if (wish != ZC_PAGE_WISH_SMALL && zc_huge && bytes >= PMD_SIZE)
		return zc_segment_tmpfs(s, zc_huge, bytes);
	return zc_segment_tmpfs(s, zc_small, bytes);
}

void zc_segment_free(struct zc_segment *s)
{
	zc_pages_put(&s->descs);
	if (s->file)
		fput(s->file);
	s->file = NULL;
}

/*
 * A hole, by fallocate(), which lets wait who touches it meanwhile: else he would have
 * each page unmapped from all mappings again, however many he has made.  The seal is off
 * for that; nobody gets a mapping but from us.  Afterwards whoever touches it has memory
 * there, as he has where a caller was killed who took it away.  (tmpfs only: segments of
 * hugetlb pages stay.)
 */
void zc_segment_empty(struct zc_segment *s, u64 bytes)
{
	unsigned int *seals = &SHMEM_I(file_inode(s->file))->seals;
	unsigned int sealed = *seals;
	u64 off, n;

	WRITE_ONCE(*seals, sealed & ~F_SEAL_FUTURE_WRITE);
	for (off = 0; off < bytes && !(off && fatal_signal_pending(current)); off += n) {
		n = min(bytes - off, ZC_CHUNK_BYTES);
		vfs_fallocate(s->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, n);
		cond_resched();
	}
	WRITE_ONCE(*seals, sealed);
}

/* Sealed all the while: it does not grow, and nobody makes holes in what is filled. */
int zc_segment_fill(struct zc_segment *s, u64 bytes)
{
	bool hugetlb = s->page_kind == ZC_PAGES_HUGETLB;
	int err = zc_allocate(s->file, bytes, hugetlb);

	if (err)
		return err;
	if (!hugetlb) {
		s->page_kind = zc_tmpfs_kind(s->file, bytes);
		s->page_shift = s->page_kind == ZC_PAGES_SMALL ? PAGE_SHIFT : PMD_SHIFT;
	}
	return 0;
}

bool zc_file_in_use(const struct file *file)
{
	return file_count(file) > 1;
}

/*
 * As folio_maybe_dma_pinned(), but that whoever maps a small page a thousand times
 * does not make it look pinned.
 */
static bool zc_folio_pinned(struct folio *folio)
{
	int mapped;

	if (folio_test_large(folio))
		return folio_maybe_dma_pinned(folio);
	/* Before the references: a mapping that goes meanwhile errs upwards. */
	mapped = atomic_read(&folio->_mapcount) + 1;
	return folio_ref_count(folio) - mapped >= GUP_PIN_COUNTING_BIAS;
}

bool zc_segment_pinned(const struct zc_segment *s, u64 off, u64 bytes)
{
	pgoff_t index = off >> PAGE_SHIFT;
	pgoff_t end = (off + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;

	if (!s->file)
		return false;
	while (index < end) {
		struct folio *folio;
		pgoff_t at = index;
		bool pinned;

		cond_resched();
		/* The page cache of hugetlbfs counts in huge pages before 6.7. */
		if (s->page_kind == ZC_PAGES_HUGETLB)
			at = zc_hugetlb_index(index, s->page_shift);
		folio = filemap_get_folio(s->file->f_mapping, at);
		if (IS_ERR_OR_NULL(folio)) {
			index++;
			continue;
		}
		pinned = zc_folio_pinned(folio);
		index = round_down(index, folio_nr_pages(folio)) +
			folio_nr_pages(folio);
		folio_put(folio);
		if (pinned)
			return true;
	}
	return false;
}
