// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_map.c - data segments: a file each, made, allocated, mapped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm.h"

char *zc_reserve(u64 bytes, u64 align)
{
	char *base = mmap(NULL, bytes + align, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 before;

	if (base == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)base & (align - 1);
	if (before)
		munmap(base, before);
	if (align - before)
		munmap(base + before + bytes, align - before);
	return base + before;
}

/* --- making them ------------------------------------------------------------ */

struct zc_data_wish {
	const char *dir;
	u64 segment_bytes;
	u64 page_bytes;
	u32 segments;
	struct zc_rights rights;
	bool hugetlb;
	bool transparent;
	bool prefault;
};

/*
 * Transparent huge pages of tmpfs are made at a fault in a mapping that asks for
 * them.  Touch one; only if it came, go on.  Returns what was got, or -errno.
 */
static int zc_transparent_make(int fd, u64 bytes)
{
	char *address;
	int kind = ZC_PAGES_SMALL, error = 0;

	if (bytes < ZC_THP_BYTES)
		return kind;
	address = zc_reserve(bytes, ZC_THP_BYTES);
	if (!address)
		return kind;
	if (mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) == MAP_FAILED || madvise(address, bytes, MADV_HUGEPAGE))
		goto out;
	error = zc_populate(address, ZC_THP_BYTES, ZC_LAYOUT_PAGE);
	if (error || !zc_huge_mapped(address))
		goto out;
	error = zc_populate(address, bytes, ZC_LAYOUT_PAGE);
	if (!error && zc_huge_mapped(address) >= bytes / 2)
		kind = ZC_PAGES_TRANSPARENT;
out:
	munmap(address, bytes);
	return error ? -error : kind;
}

static int zc_prefault(int fd, u64 bytes, u64 page_bytes)
{
	char *address = zc_reserve(bytes, page_bytes);
	int error = ENOMEM;

	if (!address)
		return error;
	if (mmap(address, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 fd, 0) != MAP_FAILED)
		error = zc_populate(address, bytes, page_bytes);
	munmap(address, bytes);
	return error;
}

/*
 * The rights come first: what is left of who is killed at this has them, or has nothing
 * in it.  And the group before what it may: whoever opened it would keep it.  @like: the
 * pool whose access control list it gets, NULL: one that is new.
 */
static int zc_data_begin(int fd, const struct zc_rights *rights, const struct zc_pool *like)
{
	struct stat st;
	int error;

	if (fstat(fd, &st))
		return errno;
	if (st.st_uid != rights->uid)
		return EPERM;
	/* This process may be in another group than the creator was. */
	if (st.st_gid != rights->gid && zc_rights_have_group(rights) &&
	    fchown(fd, (uid_t)-1, rights->gid))
		return errno;
	error = like ? zc_shm_acl_copy(like, fd) : 0;
	if (!error && fchmod(fd, rights->mode))
		error = errno;
	return error;
}

/* One file; 0 or errno.  *kind: what it got. */
static int zc_segment_make(int fd, const struct zc_data_wish *wish, u32 *kind)
{
	int got, error;

	*kind = wish->hugetlb ? ZC_PAGES_HUGETLB : ZC_PAGES_SMALL;
	error = zc_file_size(fd, wish->segment_bytes);
	if (error)
		return error;
	if (wish->transparent) {
		got = zc_transparent_make(fd, wish->segment_bytes);
		if (got < 0)
			return -got;
		*kind = (u32)got;
	}
	error = zc_allocate(fd, 0, wish->segment_bytes);
	if (!error && wish->prefault)
		error = zc_prefault(fd, wish->segment_bytes, wish->page_bytes);
	return error;
}

static zc_result_t zc_segments_make(struct zc_pool *pool,
				    struct zc_data_wish *wish)
{
	struct zc_pool_header *h = pool->view.header;
	u32 s, kind, worst = ZC_PAGES_HUGETLB;
	char path[ZC_SHM_PATH];

	/* Whoever finds our lock file after our death reads there what to delete. */
	if (ftruncate(pool->lock_fd, 0) ||
	    pwrite(pool->lock_fd, wish->dir, strlen(wish->dir), 0) !=
		    (ssize_t)strlen(wish->dir))
		return zc_fail_errno("cannot write to the lock file");
	for (s = 0; s < wish->segments; s++) {
		int fd, error;

		if (!zc_shm_data_path(path, wish->dir, pool->creation_id, s))
			return zc_fail(ZC_ERROR_INVALID, "%s is too long",
				       wish->dir);
		fd = zc_open(path, O_RDWR | O_CREAT | O_EXCL | ZC_SHM_OPEN, 0600);
		if (fd < 0)
			return zc_fail_errno("cannot create data file %s", path);
		error = zc_data_begin(fd, &wish->rights, NULL);
		if (!error)
			error = zc_segment_make(fd, wish, &kind);
		close(fd);
		if (error)
			return zc_file_fail(error, error == EFBIG ? wish->segment_bytes :
					    wish->segments * wish->segment_bytes,
					    "data", wish->dir);
		/* Not got once: do not try again. */
		if (kind == ZC_PAGES_SMALL)
			wish->transparent = false;
		if (kind < worst)
			worst = kind;
		pool->view.segments[s].page_kind = kind;
	}
	h->page_kind = worst;
	memset(h->data_dir, 0, sizeof(h->data_dir));
	memcpy(h->data_dir, wish->dir, strlen(wish->dir));
	return ZC_OK;
}

zc_result_t zc_shm_data_create(struct zc_pool *pool, u32 segments,
			       u64 segment_bytes, zc_huge_t huge, bool prefault)
{
	bool must = huge == ZC_HUGE_REQUIRE || huge == ZC_HUGE_GIGANTIC;
	u64 bytes = segments * segment_bytes;
	const struct zc_rights own = zc_rights_own();
	struct zc_hugetlbfs fs;
	struct zc_data_wish wish = {
		.segments = segments,
		.segment_bytes = segment_bytes,
		.prefault = prefault,
		.rights = pool->rights,
	};
	zc_result_t result;

	if (huge == ZC_HUGE_TRY || must) {
		bool gigantic = huge == ZC_HUGE_GIGANTIC;
		bool found = zc_hugetlbfs_find(&fs, segment_bytes,
					       gigantic ? 1ULL << 30 : 0);

		if (!found && gigantic)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "no writable hugetlbfs with pages of 1 GiB is "
				       "mounted that fit a segment of %llu KiB: mount "
				       "one (mount -t hugetlbfs -o pagesize=1G none "
				       "DIR) and reserve pages (hugepagesz=1G "
				       "hugepages=N on the kernel's command line)",
				       segment_bytes >> 10);
		if (!found && must)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "no writable hugetlbfs is mounted whose pages "
				       "fit a segment of %llu KiB: mount one (mount -t "
				       "hugetlbfs none /dev/hugepages), reserve pages "
				       "with sysctl vm.nr_hugepages, or ask for larger "
				       "segments", segment_bytes >> 10);
		if (found && fs.free_bytes < bytes && must)
			return zc_fail(ZC_ERROR_NO_MEMORY,
				       "%llu huge pages of %llu KiB are needed and %llu "
				       "are free: reserve %llu with sysctl "
				       "vm.nr_hugepages", bytes / fs.page_bytes,
				       fs.page_bytes >> 10,
				       fs.free_bytes / fs.page_bytes,
				       bytes / fs.page_bytes);
		if (found && fs.free_bytes >= bytes) {
			wish.dir = fs.dir;
			wish.page_bytes = fs.page_bytes;
			wish.hugetlb = true;
			result = zc_segments_make(pool, &wish);
			if (result == ZC_OK)
				return result;
			/* Nobody else knows yet that it was that folder. */
			zc_shm_data_unlink(fs.dir, pool->creation_id, &own);
			if (must)
				return result;
			zc_log(ZC_LOG_INFO, "huge pages in %s: %s; trying without",
			       fs.dir, zc_last_error());
		}
	}

	result = zc_room_check(pool->dir, bytes);
	if (result != ZC_OK)
		return result;
	wish.dir = pool->dir;
	wish.page_bytes = ZC_LAYOUT_PAGE;
	wish.hugetlb = false;
	wish.transparent = huge != ZC_HUGE_NEVER;
	return zc_segments_make(pool, &wish);
}

static bool zc_data_fits(const struct zc_pool *pool, const struct stat *st)
{
	const struct zc_rights rights = zc_shm_rights(pool);

	return zc_rights_fit(&rights, st);
}

/* 0: it is the pool's.  EPERM: it is not, but who opens it may be allowed more than those
 * who put it there.  Or errno. */
static int zc_data_check(const struct zc_pool *pool, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return errno;
	return zc_data_fits(pool, &st) ? 0 : EPERM;
}

static void zc_data_unlink_own(const struct zc_pool *pool, const char *path)
{
	struct stat st;

	if (lstat(path, &st) || !S_ISREG(st.st_mode) || st.st_uid != pool->rights.uid)
		return;
	/* Empty: see zc_data_begin(). */
	if (!st.st_size || zc_data_fits(pool, &st))
		unlink(path);
}

static zc_result_t zc_data_strange(const struct zc_pool *pool, const char *path)
{
	return zc_fail(ZC_ERROR_CORRUPT_POOL,
		       "data file %s has not the owner, group and mode of the control file: "
		       "remove pool %s and create it anew", path, pool->name);
}

/* The data file of segment @n. */
static zc_result_t zc_segment_open(struct zc_pool *pool, const char *dir, u32 n,
				   int flags, char path[ZC_SHM_PATH], int *fd)
{
	const struct zc_rights rights = zc_shm_rights(pool);
	int error;

	if (!zc_shm_data_path(path, dir, pool->creation_id, n))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", dir);
	if (flags & O_CREAT)
		zc_data_unlink_own(pool, path);
	*fd = zc_open(path, O_RDWR | flags | ZC_SHM_OPEN, 0600);
	if (*fd < 0)
		return zc_fail_errno("cannot %s data file %s",
				     flags & O_CREAT ? "create" : "open", path);
	error = flags & O_CREAT ? zc_data_begin(*fd, &rights, pool) :
				  zc_data_check(pool, *fd);
	if (!error)
		return ZC_OK;
	close(*fd);
	*fd = -1;
	/* Ours: nobody would delete it with the others. */
	if (flags & O_CREAT)
		unlink(path);
	errno = error;
	if (flags & O_CREAT)
		return zc_fail_errno("cannot give data file %s the owner, group and mode "
				     "of pool %s", path, pool->name);
	return error == EPERM ? zc_data_strange(pool, path) :
				zc_fail_errno("cannot look at data file %s", path);
}

/* Memory for segment @n, in a file that is new, or that was emptied. */
static zc_result_t zc_segment_allocate(struct zc_pool *pool, const char *dir, u32 n,
				       int flags)
{
	struct zc_segment_record *first = &pool->view.segments[0];
	u32 kind = zc_load_relaxed(&first->page_kind);
	struct zc_data_wish wish = {
		.segments = 1,
		.segment_bytes = zc_segment_bytes(pool),
		.hugetlb = kind == ZC_PAGES_HUGETLB,
		.transparent = kind == ZC_PAGES_TRANSPARENT,
	};
	char path[ZC_SHM_PATH];
	zc_result_t result;
	int fd = -1, error;

	if (!wish.hugetlb) {
		result = zc_room_check(pool->dir, wish.segment_bytes);
		if (result != ZC_OK)
			return result;
	}
	result = zc_segment_open(pool, dir, n, flags, path, &fd);
	if (result != ZC_OK)
		return result;
	error = zc_segment_make(fd, &wish, &kind);
	close(fd);
	if (error) {
		if (flags & O_CREAT)
			unlink(path);
		return zc_file_fail(error, wish.segment_bytes, "data", dir);
	}
	zc_store_relaxed(&pool->view.segments[n].page_kind, kind);
	if (kind < zc_load_relaxed(&pool->view.header->page_kind))
		zc_store_relaxed(&pool->view.header->page_kind, kind);
	return ZC_OK;
}

zc_result_t zc_shm_segment_make(struct zc_pool *pool, const char *dir, u32 n)
{
	return zc_segment_allocate(pool, dir, n, O_CREAT | O_EXCL);
}

void zc_shm_segment_unmake(struct zc_pool *pool, const char *dir, u32 n)
{
	u64 descs = (u64)pool->view.segment_granules * sizeof(struct zc_block_desc);
	u64 off = (u64)((char *)zc_desc(&pool->view, n << pool->view.segment_shift) -
			(char *)pool->control);
	char path[ZC_SHM_PATH];
	int fd;

	/* Nobody else's descriptors: whole pages. */
	zc_shm_control_punch(pool, off, descs);
	if (!zc_shm_data_path(path, dir, pool->creation_id, n))
		return;
	/* Whoever may not delete it empties it. */
	fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);
	if (fd >= 0 && !zc_data_check(pool, fd))
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			  (off_t)zc_segment_bytes(pool));
	if (fd >= 0)
		close(fd);
	zc_data_unlink_own(pool, path);
}

zc_result_t zc_shm_segment_fill(struct zc_pool *pool, const char *dir, u32 n)
{
	return zc_segment_allocate(pool, dir, n, 0);
}

zc_result_t zc_shm_segment_empty(struct zc_pool *pool, const char *dir, u32 n)
{
	char path[ZC_SHM_PATH];
	zc_result_t result;
	int fd = -1, error = 0;

	result = zc_segment_open(pool, dir, n, 0, path, &fd);
	if (result != ZC_OK)
		return result;
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		      (off_t)zc_segment_bytes(pool)))
		error = errno;
	close(fd);
	errno = error;
	return error ? zc_fail_errno("cannot give back the memory of %s", path) : ZC_OK;
}

bool zc_shm_data_unlink(const char *dir, const u8 id[16], const struct zc_rights *rights)
{
	char path[ZC_SHM_PATH];
	bool others = false;
	struct stat st;
	u32 s;

	/* All numbers: whoever was killed at this left gaps. */
	for (s = 0; s < ZC_MAX_SEGMENTS; s++) {
		if (!zc_shm_data_path(path, dir, id, s) || lstat(path, &st))
			continue;
		if (!zc_rights_fit(rights, &st))
			others |= st.st_uid == rights->uid;
		else if (unlink(path))
			zc_log(ZC_LOG_WARN, "cannot delete %s: %s", path,
			       strerror(errno));
	}
	return others;
}

/* --- mapping them ------------------------------------------------------------- */

u64 zc_segment_bytes(const struct zc_pool *pool)
{
	return (u64)pool->view.segment_granules << pool->view.granule_shift;
}

static zc_result_t zc_segment_map(struct zc_pool *pool, const char *dir, u32 s,
				  u32 page_kind)
{
	u64 bytes = zc_segment_bytes(pool);
	char *address = pool->data + s * bytes;
	char path[ZC_SHM_PATH];
	zc_result_t result;
	struct stat st;
	void *mapped;
	int fd;

	if (!zc_shm_data_path(path, dir, pool->creation_id, s))
		return zc_fail(ZC_ERROR_CORRUPT_POOL,
			       "the name of its data folder is too long");
	fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);
	if (fd < 0 && errno == EACCES) {
		fd = open(path, O_RDONLY | ZC_SHM_OPEN);
		if (fd >= 0)
			pool->may_write = false;
	}
	if (fd < 0 && errno == ENOENT && !zc_shm_still_named(pool))
		return zc_fail(ZC_ERROR_NOT_FOUND,
			       "pool %s was removed before this process had mapped segment "
			       "%u: what is there can be read no more, close the pool",
			       pool->name, s);
	if (fd < 0 && zc_no_file(errno))
		return zc_fail(ZC_ERROR_CORRUPT_POOL,
			       "data file %s is missing, or no regular file: remove pool %s "
			       "and create it anew", path, pool->name);
	if (fd < 0)
		return zc_fail_errno("cannot open data file %s", path);
	if (fstat(fd, &st)) {
		result = zc_fail_errno("cannot look at data file %s", path);
		close(fd);
		return result;
	}
	if (!S_ISREG(st.st_mode) || (u64)st.st_size != bytes) {
		close(fd);
		return zc_fail(ZC_ERROR_CORRUPT_POOL,
			       "data file %s is not a file of %llu bytes: remove pool "
			       "%s and create it anew", path, bytes, pool->name);
	}
	if (!zc_data_fits(pool, &st)) {
		close(fd);
		return zc_data_strange(pool, path);
	}
	mapped = mmap(address, bytes,
		      pool->data_writable ? PROT_READ | PROT_WRITE : PROT_READ,
		      MAP_SHARED | MAP_FIXED, fd, 0);
	if (mapped == MAP_FAILED) {
		result = zc_fail_errno("cannot map data file %s", path);
		close(fd);
		return result;
	}
	close(fd);
	madvise(address, bytes, MADV_DONTFORK);
	if (page_kind == ZC_PAGES_TRANSPARENT)
		madvise(address, bytes, MADV_HUGEPAGE);
	return ZC_OK;
}

bool zc_shm_data_dir_trusted(const char *data_dir, const char *dir)
{
	struct stat own, st;

	errno = 0;
	if (!strcmp(data_dir, dir))
		return true;
	if (data_dir[0] != '/')
		return false;
	if (zc_is_hugetlbfs(data_dir))
		return true;
	return !errno && !stat(dir, &own) && !stat(data_dir, &st) &&
	       own.st_dev == st.st_dev && own.st_ino == st.st_ino;
}

zc_result_t zc_shm_data_dir(const struct zc_pool *pool, char dir[ZC_PATH_BYTES])
{
	struct zc_pool_header *h = pool->view.header;
	u32 i;

	/* Others may write it: a private copy, checked. */
	for (i = 0; i < ZC_PATH_BYTES; i++)
		dir[i] = (char)zc_load_relaxed(&h->data_dir[i]);
	errno = 0;
	if (memchr(dir, '\0', ZC_PATH_BYTES) && zc_shm_data_dir_trusted(dir, pool->dir))
		return ZC_OK;
	/* Its name is whatever somebody wrote there: not for a terminal. */
	if (errno && !zc_no_file(errno))
		return zc_fail_errno("cannot look at the folder of the data of pool %s",
				     pool->name);
	return zc_fail(ZC_ERROR_CORRUPT_POOL,
		       "pool %s does not say where its data is (its own folder, or a "
		       "hugetlbfs): remove it and create it anew", pool->name);
}

int zc_shm_data_open(const struct zc_pool *pool, u32 segment)
{
	char dir[ZC_PATH_BYTES], path[ZC_SHM_PATH];
	int fd, error;

	if (zc_shm_data_dir(pool, dir) != ZC_OK ||
	    !zc_shm_data_path(path, dir, pool->creation_id, segment))
		return -EINVAL;
	fd = open(path, O_RDONLY | ZC_SHM_OPEN);
	if (fd < 0)
		return -errno;
	error = zc_data_check(pool, fd);
	if (!error)
		return fd;
	close(fd);
	return -error;
}

zc_result_t zc_shm_data_map_more(struct zc_pool *pool)
{
	char dir[ZC_PATH_BYTES];
	zc_result_t result = zc_shm_data_dir(pool, dir);
	u32 published;

	if (result != ZC_OK)
		return result;
	pthread_mutex_lock(&pool->map_lock);
	published = zc_segments(&pool->view);
	while (pool->view.segments_mapped < published) {
		u32 s = pool->view.segments_mapped;

		result = zc_segment_map(pool, dir, s,
					zc_load_relaxed(
						&pool->view.segments[s].page_kind));
		if (result != ZC_OK)
			break;
		zc_store_release(&pool->view.segments_mapped, s + 1);
	}
	pthread_mutex_unlock(&pool->map_lock);
	return result;
}

zc_result_t zc_shm_data_map(struct zc_pool *pool)
{
	u64 bytes = zc_segment_bytes(pool);

	pool->view.segments_mapped = 0;
	pool->data_span = pool->view.max_segments * bytes;
	pool->data = zc_reserve(pool->data_span,
				bytes < ZC_ALIGN_MAX ? bytes : ZC_ALIGN_MAX);
	if (!pool->data) {
		pool->data_span = 0;
		return zc_fail_errno("cannot reserve %llu MiB of addresses (ulimit -v?)",
				     pool->view.max_segments * bytes >> 20);
	}
	madvise(pool->data, pool->data_span, MADV_DONTFORK);
	return zc_shm_data_map_more(pool);
}

zc_result_t zc_data_writable(struct zc_pool *pool)
{
	zc_result_t result = ZC_OK;

	pthread_mutex_lock(&pool->map_lock);
	if (!pool->may_write)
		result = zc_fail(ZC_ERROR_PERMISSION,
				 "you may not write the data of pool %s: ask its "
				 "owner for the permission", pool->name);
	else if (!pool->data_writable &&
		 mprotect(pool->data, pool->view.segments_mapped *
			  zc_segment_bytes(pool), PROT_READ | PROT_WRITE))
		result = zc_fail_errno("cannot make the data of pool %s writable",
				       pool->name);
	else
		pool->data_writable = true;
	pthread_mutex_unlock(&pool->map_lock);
	return result;
}
