// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_rights.c - who may do what with a pool: by its mode, by capabilities, by
 * what a member joined as.
 */
#include <linux/mman.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "kunit.h"

#define UID 1000
#define GID 1100
#define OTHER_UID 1001
#define OTHER_GID 1101

/* A pool that is nothing but its rights. */
static struct zc_pool *bare_pool(struct kunit *test)
{
	struct zc_pool *pool = zk_alloc(test, sizeof(*pool));

	pool->uid = KUIDT_INIT(UID);
	pool->gid = KGIDT_INIT(GID);
	pool->cred = current_cred();
	return pool;
}

static void rows_of_modes(struct kunit *test)
{
	static const struct {
		u32 uid, gid, group;
		umode_t mode;
		int may;	/* MAY_READ, MAY_WRITE */
	} rows[] = {
		{ UID, GID, GID, 0600, MAY_READ | MAY_WRITE },
		{ UID, OTHER_GID, OTHER_GID, 0400, MAY_READ },
		{ UID, OTHER_GID, OTHER_GID, 0200, MAY_WRITE },
		/* The owner is not of the group, the group not of the others. */
		{ UID, GID, GID, 0066, 0 },
		{ OTHER_UID, GID, OTHER_GID, 0606, 0 },
		{ OTHER_UID, OTHER_GID, GID, 0606, 0 },
		{ OTHER_UID, GID, OTHER_GID, 0640, MAY_READ },
		{ OTHER_UID, OTHER_GID, GID, 0660, MAY_READ | MAY_WRITE },
		{ OTHER_UID, OTHER_GID, GID, 0620, MAY_WRITE },
		{ OTHER_UID, OTHER_GID, OTHER_GID, 0660, 0 },
		{ OTHER_UID, OTHER_GID, OTHER_GID, 0664, MAY_READ },
		{ OTHER_UID, OTHER_GID, OTHER_GID, 0602, MAY_WRITE },
		/* Root's number alone is nobody's. */
		{ 0, 0, 0, 0660, 0 },
		/* To execute is nothing. */
		{ OTHER_UID, OTHER_GID, OTHER_GID, 0111, 0 },
	};
	struct zc_pool *pool = bare_pool(test);
	u32 i, mask;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		zk_become(test, zk_cred(test, rows[i].uid, rows[i].gid, rows[i].group, -1));
		pool->mode = rows[i].mode;
		for (mask = 0; mask < 8; mask++) {
			bool may = zc_pool_may(pool, mask);

			if (may == !(mask & (MAY_READ | MAY_WRITE) & ~rows[i].may))
				continue;
			zk_become(test, NULL);
			zk_fail(test, __FILE__, __LINE__, "row %u, mask %u: %d", i, mask, may);
		}
	}
	zk_become(test, NULL);
}

/* Every mode, and everybody: a file of that mode is asked, too. */
static void may_is_what_a_file_says(struct kunit *test)
{
	const struct cred *who[] = {
		zk_cred(test, UID, GID, GID, -1),
		zk_cred(test, UID, OTHER_GID, OTHER_GID, -1),
		zk_cred(test, OTHER_UID, GID, OTHER_GID, -1),
		zk_cred(test, OTHER_UID, OTHER_GID, GID, -1),
		zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, -1),
		zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, CAP_FOWNER),
		zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, CAP_DAC_OVERRIDE),
	};
	struct zc_pool *pool = bare_pool(test);
	struct file *file = zc_file_small("kunit", PAGE_SIZE);
	u32 i, mode, mask, wrong = 0, yes = 0;
	struct inode *inode;

	must(test, !IS_ERR(file));
	inode = file_inode(file);
	inode->i_uid = pool->uid;
	inode->i_gid = pool->gid;
	for (i = 0; i < ARRAY_SIZE(who); i++) {
		zk_become(test, who[i]);
		for (mode = 0; mode < 01000; mode++) {
			pool->mode = mode;
			inode->i_mode = S_IFREG | mode;
			for (mask = 0; mask < 8; mask += MAY_WRITE) {
				bool may = zc_pool_may(pool, mask);

				yes += may;
				wrong += may != !inode_permission(&nop_mnt_idmap, inode,
								  mask & ~MAY_EXEC);
			}
		}
	}
	zk_become(test, NULL);
	__fput_sync(file);
	must_eq(test, wrong, 0);
	/* The one with the capability may all, the rest of them not. */
	must(test, yes > 4 * 512 && yes < ARRAY_SIZE(who) * 4 * 512);
}

static void may_is_asked_of_fsuid(struct kunit *test)
{
	struct cred *cred = zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, -1);
	struct zc_pool *pool = bare_pool(test);
	bool may;

	pool->mode = 0600;
	cred->fsuid = KUIDT_INIT(UID);
	zk_become(test, cred);
	may = zc_pool_may(pool, MAY_READ | MAY_WRITE);
	zk_become(test, NULL);
	must(test, may);
	cred->fsuid = cred->euid;
	cred->uid = KUIDT_INIT(UID);
	cred->euid = cred->uid;
	zk_become(test, cred);
	may = zc_pool_may(pool, MAY_READ);
	zk_become(test, NULL);
	must(test, !may);
}

/* Root of a container is root there. */
static void capability_of_another_namespace_is_none(struct kunit *test)
{
	struct cred *cred = zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, CAP_DAC_OVERRIDE);
	struct user_namespace *ns = zk_alloc(test, sizeof(*ns)), *own = cred->user_ns;
	struct zc_pool *pool = bare_pool(test);
	bool here, there, theirs;

	ns->level = 1;
	ns->parent = own;
	ns->owner = KUIDT_INIT(OTHER_UID);
	pool->mode = 0600;
	zk_become(test, cred);
	here = zc_pool_may(pool, MAY_WRITE);
	cred->user_ns = ns;
	there = zc_pool_may(pool, MAY_WRITE);
	/* A pool that was made there. */
	pool->cred = cred;
	theirs = zc_pool_may(pool, MAY_WRITE);
	cred->user_ns = own;
	zk_become(test, NULL);
	must(test, here);
	must(test, !there);
	must(test, theirs);
}

static void pool_is_of_who_made_it(struct kunit *test)
{
	struct cred *cred = zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, -1);
	struct zc_pool *pool;

	cred->fsuid = KUIDT_INIT(UID);
	cred->fsgid = KGIDT_INIT(GID);
	zk_become(test, cred);
	pool = zk_pool(test, "kunit-whose");
	zk_become(test, NULL);
	must_eq(test, __kuid_val(pool->uid), UID);
	must_eq(test, __kgid_val(pool->gid), GID);
	must_eq(test, __kuid_val(pool->user->uid), UID);
	must_eq(test, pool->view.header->creator_uid, UID);
}

/* --- by name ------------------------------------------------------------------------- */

static void name_leads_who_may_read(struct kunit *test)
{
	static const struct {
		umode_t mode;
		int group, other;
	} rows[] = {
		{ 0600, -EACCES, -EACCES },
		{ 0640, 0, -EACCES },
		{ 0622, -EACCES, -EACCES },
		{ 0604, -EACCES, 0 },
		{ 0666, 0, 0 },
	};
	const struct cred *group = zk_cred(test, OTHER_UID, OTHER_GID, GID, -1);
	const struct cred *other = zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, -1);
	struct zc_ioc_create *wish = zk_wish(test, "kunit-named");
	struct zc_ioc_list *list = zk_alloc(test, sizeof(*list));
	struct zc_pool *pool, *p;
	u32 i, who;

	zk_become(test, zk_cred(test, UID, GID, GID, -1));
	pool = zk_pool_make(test, wish);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		pool->mode = rows[i].mode;
		for (who = 0; who < 2; who++) {
			int want = who ? rows[i].other : rows[i].group;

			zk_become(test, who ? other : group);
			p = zc_pool_find(wish->name);
			if (!IS_ERR(p))
				zc_pool_put(p);
			must_eq(test, PTR_ERR_OR_ZERO(p), want);
			memset(list, 0, sizeof(*list));
			must_eq(test, zc_pool_next(list), want ? -ENOENT : 0);
		}
	}
	zk_become(test, NULL);
}

/* --- as members ------------------------------------------------------------------------- */

static const struct join_row {
	umode_t mode;
	bool in_group;
	u32 flags;
	int err;
	u32 granted;
} join_rows[] = {
	{ 0600, true, 0, -EACCES, 0 },
	{ 0640, true, 0, 0, 0 },
	{ 0640, true, ZC_JOIN_WRITE, -EACCES, 0 },
	{ 0640, true, ZC_JOIN_TRY_WRITE, 0, 0 },
	{ 0660, true, 0, 0, 0 },
	{ 0660, true, ZC_JOIN_WRITE, 0, ZC_CAP_WRITE },
	{ 0660, true, ZC_JOIN_TRY_WRITE, 0, ZC_CAP_WRITE },
	/* To write is to read, too. */
	{ 0620, true, ZC_JOIN_WRITE, -EACCES, 0 },
	{ 0660, false, 0, -EACCES, 0 },
	{ 0664, false, ZC_JOIN_TRY_WRITE, 0, 0 },
	{ 0606, false, ZC_JOIN_WRITE, 0, ZC_CAP_WRITE },
};

static void join_is_by_who_joins(struct kunit *test)
{
	const struct cred *group = zk_cred(test, OTHER_UID, OTHER_GID, GID, -1);
	const struct cred *other = zk_cred(test, OTHER_UID, OTHER_GID, OTHER_GID, -1);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join;
	struct zc_pool *pool;
	struct file *file;
	u32 i;

	zk_become(test, zk_cred(test, UID, GID, GID, -1));
	pool = zk_pool(test, "kunit-join");
	file = zk_open(test, pool);
	for (i = 0; i < ARRAY_SIZE(join_rows); i++) {
		const struct join_row *row = &join_rows[i];
		int err;

		memset(&join, 0, sizeof(join));
		join.flags = row->flags;
		pool->mode = row->mode;
		zk_become(test, row->in_group ? group : other);
		err = zk_call(p, file, ZC_IOC_JOIN, &join);
		if (err != row->err || (!err && join.granted != row->granted))
			zk_fail(test, __FILE__, __LINE__, "row %u: %d, granted %u", i,
				err, join.granted);
		if (err)
			continue;
		must_eq(test, pool->view.members[join.member].caps, row->granted);
		must_eq(test, pool->view.members[join.member].uid, OTHER_UID);
		must_eq(test, zk_call(p, file, ZC_IOC_LEAVE, NULL), 0);
	}
	zk_become(test, NULL);
	must(test, list_empty(&pool->members));
}

/* --- mappings ------------------------------------------------------------------------------ */

struct vma_flags {
	unsigned long address;
	unsigned long flags;
};

static long vma_flags(void *arg)
{
	struct vma_flags *f = arg;
	struct vm_area_struct *vma;

	mmap_read_lock(current->mm);
	vma = find_vma(current->mm, f->address);
	f->flags = vma && vma->vm_start == f->address ? vma->vm_flags : 0;
	mmap_read_unlock(current->mm);
	return 0;
}

/* Maps it, looks at what it became, unmaps it.  Return: its flags, or -errno. */
static long mapped(struct kunit *test, struct zk_member *m, u64 off, u64 bytes,
		   unsigned long prot)
{
	long address = zk_map(m->p, m->file, off, bytes, prot);
	struct vma_flags f = { .address = address };
	unsigned long always = VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP;

	if (IS_ERR_VALUE(address))
		return address;
	zk_in(m->p, vma_flags, &f);
	must_eq(test, zk_unmap(m->p, address, bytes), 0);
	must_eq(test, f.flags & always, always);
	must_eq(test, f.flags & (VM_MAYEXEC | VM_EXEC), 0);
	return f.flags & (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE);
}

#define RO (VM_READ | VM_MAYREAD)
#define RW (RO | VM_WRITE | VM_MAYWRITE)

static void mapping_gives_what_was_joined_for(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-map");
	struct file *file = zk_open(test, pool);
	const struct zc_geometry *g = &pool->geometry;
	struct zk_member *writer = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *reader = zk_member(test, file, 0);
	unsigned long rw = PROT_READ | PROT_WRITE;
	static const u32 regions[] = { ZC_MAP_KERNEL, ZC_MAP_WRITERS, ZC_MAP_DATA };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		u64 off = ZC_MAP_OFFSET(regions[i]);
		u64 bytes = i == 0 ? g->off_reader_areas :
			    i == 1 ? g->control_bytes - g->off_hints : g->segment_bytes;

		must_eq(test, mapped(test, reader, off, bytes, PROT_READ), RO);
		must_eq(test, mapped(test, reader, off, bytes, rw), -EACCES);
		must_eq(test, mapped(test, writer, off, bytes, rw), i ? RW : -EACCES);
		/* Not written to now, and perhaps later: that depends on the right. */
		must_eq(test, mapped(test, writer, off, bytes, PROT_READ),
			i ? RO | VM_MAYWRITE : RO);
		must_eq(test, mapped(test, writer, off, bytes, PROT_READ | PROT_EXEC), -EACCES);
	}
	/* Its own stamps each may write. */
	must_eq(test, mapped(test, reader, ZC_MAP_OFFSET(ZC_MAP_STAMPS), PAGE_SIZE, rw), RW);
}

static void mapping_wants_a_member_and_its_lease(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-lease");
	struct file *file = zk_open(test, pool);
	u64 bytes = pool->geometry.segment_bytes;
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { .flags = ZC_JOIN_WRITE };
	long lease;

	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), PAGE_SIZE, PROT_NONE), -EPERM);
	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_DATA), bytes, PROT_READ), -EPERM);
	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_DATA), bytes, PROT_READ), -ENXIO);
	/* The lease: a page, without rights, once. */
	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), PAGE_SIZE, PROT_READ), -EACCES);
	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), 2 * PAGE_SIZE, PROT_NONE),
		-EINVAL);
	lease = zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), PAGE_SIZE, PROT_NONE);
	must(test, !IS_ERR_VALUE(lease));
	must_eq(test, zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_LEASE), PAGE_SIZE, PROT_NONE), -EBUSY);
	must(test, !IS_ERR_VALUE(zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_DATA), bytes, PROT_READ)));
	/* With the lease goes the right to more. */
	must_eq(test, zk_unmap(p, lease, PAGE_SIZE), 0);
	must(test, IS_ERR_VALUE(zk_map(p, file, ZC_MAP_OFFSET(ZC_MAP_DATA), bytes, PROT_READ)));
}

static void mapping_is_of_a_whole_place(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-place");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, ZC_JOIN_WRITE);
	u64 segment = pool->geometry.segment_bytes;
	u64 kernel = pool->geometry.off_reader_areas;
	const struct {
		u64 off, bytes;
		int err;
	} rows[] = {
		{ ZC_MAP_OFFSET(ZC_MAP_KERNEL), kernel + PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_KERNEL) + PAGE_SIZE, PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_WRITERS) + PAGE_SIZE, PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_DATA), segment - PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_DATA), 2 * segment, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_DATA) + PAGE_SIZE, segment, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_DATA) + segment, segment, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_READERS), PAGE_SIZE, -ENXIO },
		{ ZC_MAP_OFFSET(ZC_MAP_READERS) + PAGE_SIZE * ZC_READERS, PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_STAMPS), 2 * PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(ZC_MAP_STAMPS + 1), PAGE_SIZE, -EINVAL },
		{ ZC_MAP_OFFSET(255), PAGE_SIZE, -EINVAL },
	};
	u32 i;

	must_eq(test, pool->geometry.reader_area_bytes, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		must_eq(test, zk_map(m->p, file, rows[i].off, rows[i].bytes, PROT_READ),
			rows[i].err);
	/* Less than all of a region that is one. */
	must_eq(test, mapped(test, m, ZC_MAP_OFFSET(ZC_MAP_KERNEL), PAGE_SIZE, PROT_READ), RO);
}

static long looks(void *arg)
{
	const long *address = arg;
	char byte;

	return copy_from_user(&byte, (const char __user *)*address, 1) ? -EFAULT : 0;
}

static long looks_at(struct zk_member *m, long address)
{
	return zk_in(m->p, looks, &address);
}

/* What a segment that comes gets is nobody's to map before it is there. */
static void mapping_has_no_descriptors_before_their_segment(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-comes");
	const struct zc_geometry *g;
	struct zk_member *reader;
	struct zc_pool *pool;
	u32 segment, kind;
	struct page *page;
	long address;
	u64 off;

	wish->bytes = SZ_1M;
	wish->segment_bytes = SZ_1M;
	wish->max_segments = 2;
	pool = zk_pool_make(test, wish);
	reader = zk_member(test, zk_open(test, pool), 0);
	g = &pool->geometry;
	off = g->off_descs - g->off_hints + zc_pool_descs_bytes(pool);
	page = shmem_read_mapping_page(pool->writers->f_mapping, off >> PAGE_SHIFT);
	must(test, !IS_ERR(page));
	put_page(page);
	address = zk_map(reader->p, reader->file, ZC_MAP_OFFSET(ZC_MAP_WRITERS),
			 g->control_bytes - g->off_hints, PROT_READ);
	must(test, !IS_ERR_VALUE(address));
	/* The one before it, which has its neighbours mapped along. */
	must_eq(test, looks_at(reader, address + off - PAGE_SIZE), 0);
	must_eq(test, looks_at(reader, address + off), -EFAULT);
	zc_pages_drop(pool->writers, off, PAGE_SIZE);
	must_eq(test, zc_segment_add(pool, &segment, &kind), 0);
	must_eq(test, looks_at(reader, address + off), 0);
}

static struct kunit_case rights_cases[] = {
	KUNIT_CASE(rows_of_modes),
	KUNIT_CASE(may_is_what_a_file_says),
	KUNIT_CASE(may_is_asked_of_fsuid),
	KUNIT_CASE(capability_of_another_namespace_is_none),
	KUNIT_CASE(pool_is_of_who_made_it),
	KUNIT_CASE(name_leads_who_may_read),
	KUNIT_CASE(join_is_by_who_joins),
	KUNIT_CASE(mapping_gives_what_was_joined_for),
	KUNIT_CASE(mapping_wants_a_member_and_its_lease),
	KUNIT_CASE(mapping_is_of_a_whole_place),
	KUNIT_CASE(mapping_has_no_descriptors_before_their_segment),
	{}
};

static struct kunit_suite rights_suite = {
	.name = "zerocore_rights",
	.test_cases = rights_cases,
};

kunit_test_suite(rights_suite);
