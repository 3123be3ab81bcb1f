// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_files.c - control and lock files: made, opened and validated, let go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/geometry.h"
#include "shm.h"

static void zc_shm_blank(struct zc_pool *pool)
{
	pool->control_fd = -1;
	pool->lock_fd = -1;
	pool->control = NULL;
	pool->data = NULL;
}

/* Of a file that was just opened.  What cannot be looked at could not be closed later. */
static bool zc_shm_note_fd(int *fd, u64 *dev, u64 *ino, struct stat *st)
{
	int error;

	if (fstat(*fd, st)) {
		error = errno;
		close(*fd);
		*fd = -1;
		errno = error;
		return false;
	}
	*dev = st->st_dev;
	*ino = st->st_ino;
	return true;
}

/*
 * How /proc/PID/maps names control.  From our own line: there, some file systems
 * show another device than stat() does.
 */
void zc_shm_map_id(struct zc_pool *pool)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], device[24], inode[24];
	unsigned long long from, to;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%llx %*s %*s %23s %23s", &from, &to,
			   device, inode) == 4 &&
		    from == (uintptr_t)pool->control) {
			snprintf(pool->map_id, sizeof(pool->map_id), "%s %s",
				 device, inode);
			zc_store_release(&pool->map_known, 1);
			break;
		}
	if (f)
		fclose(f);
}

static zc_result_t zc_shm_map_control(struct zc_pool *pool,
				      const struct zc_geometry *g)
{
	pool->control_bytes = g->control_bytes;
	pool->control = mmap(NULL, g->control_bytes,
			     pool->observer ? PROT_READ : PROT_READ | PROT_WRITE,
			     MAP_SHARED, pool->control_fd, 0);
	if (pool->control == MAP_FAILED) {
		pool->control = NULL;
		return zc_fail_errno("cannot map %llu MiB of control memory",
				     g->control_bytes >> 20);
	}
	madvise(pool->control, pool->control_bytes, MADV_DONTFORK);
	zc_view_init(&pool->view, pool->control, g);
	zc_shm_map_id(pool);
	return ZC_OK;
}

void zc_shm_detach(struct zc_pool *pool)
{
	if (pool->data)
		munmap(pool->data, pool->data_span);
	if (pool->control)
		munmap(pool->control, pool->control_bytes);
	zc_fd_close(&pool->control_fd, pool->control_dev, pool->control_ino);
	zc_fd_close(&pool->lock_fd, pool->lock_dev, pool->lock_ino);
	zc_shm_blank(pool);
}

bool zc_shm_still_named(const struct zc_pool *pool)
{
	char path[ZC_SHM_PATH];
	struct stat st;

	return zc_shm_control_path(path, pool->dir, pool->name) &&
	       !lstat(path, &st) && st.st_dev == pool->control_dev &&
	       st.st_ino == pool->control_ino;
}

/* control_fd, or where the program closed that one, another for a moment. */
static int zc_shm_control_fd(struct zc_pool *pool)
{
	char path[ZC_SHM_PATH];
	int fd;

	if (zc_fd_is(pool->control_fd, pool->control_dev, pool->control_ino))
		return pool->control_fd;
	if (!zc_shm_control_path(path, pool->dir, pool->name))
		return -1;
	fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);
	if (fd < 0 || zc_fd_is(fd, pool->control_dev, pool->control_ino))
		return fd;
	close(fd);
	return -1;
}

zc_result_t zc_shm_control_allocate(struct zc_pool *pool, u64 off, u64 bytes)
{
	u64 first = off & ~(u64)(ZC_LAYOUT_PAGE - 1);
	zc_result_t result = ZC_OK;
	u64 word = 0;
	int fd, error = 0;

	if (off > pool->control_bytes || bytes > pool->control_bytes - off)
		return zc_fail(ZC_ERROR_INVALID, "outside of the control file");
	fd = zc_shm_control_fd(pool);
	if (fd < 0)
		return zc_fail(ZC_ERROR_SYSTEM,
			       "this program closed the descriptors of pool %s and the "
			       "pool was removed since: close it", pool->name);
	/*
	 * A region that was ever initialised (head, cursor) is allocated.  Not by
	 * the mapping: to read a hole there would allocate a page, or be SIGBUS.
	 */
	if (pread(fd, &word, sizeof(word), (off_t)off) !=
		    (ssize_t)sizeof(word) || !word) {
		result = zc_room_check(pool->dir, bytes);
		if (result == ZC_OK)
			error = zc_allocate(fd, first, off + bytes - first);
	}
	if (fd != pool->control_fd)
		close(fd);
	if (!error)
		return result;
	errno = error;
	return zc_fail_errno("cannot allocate %llu KiB of control memory of pool %s",
			     bytes >> 10, pool->name);
}

void zc_shm_control_punch(struct zc_pool *pool, u64 off, u64 bytes)
{
	u64 first = (off + ZC_LAYOUT_PAGE - 1) & ~(u64)(ZC_LAYOUT_PAGE - 1);
	u64 end = (off + bytes) & ~(u64)(ZC_LAYOUT_PAGE - 1);
	int fd = zc_shm_control_fd(pool);

	if (fd >= 0 && first < end)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first,
			  (off_t)(end - first));
	if (fd >= 0 && fd != pool->control_fd)
		close(fd);
}

/* --- creation ---------------------------------------------------------------- */

/* A creation id of its own, and a lock file of that name with our lock in it. */
static zc_result_t zc_shm_lock_make(struct zc_pool *pool)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			      .l_start = ZC_LOCK_CREATE, .l_len = 1 };
	char path[ZC_SHM_PATH];
	struct stat st;
	u32 attempt;

	for (attempt = 0; attempt < 8; attempt++) {
		if (getrandom(pool->creation_id, sizeof(pool->creation_id), 0) !=
		    (ssize_t)sizeof(pool->creation_id))
			return zc_fail_errno("getrandom");
		if (!zc_shm_id_path(path, pool->dir, pool->creation_id, "lock"))
			return zc_fail(ZC_ERROR_INVALID, "%s is too long",
				       pool->dir);
		pool->lock_fd = zc_open(path, O_RDWR | O_CREAT | O_EXCL |
				     ZC_SHM_OPEN, 0600);
		if (pool->lock_fd < 0 && errno == EEXIST)
			continue;
		if (pool->lock_fd < 0)
			return zc_fail_errno("cannot create files in %s (ZEROCORE_DIR "
					     "says where pools are)", pool->dir);
		/* Somebody who sweeps may have it before us: then it is gone. */
		if (!fcntl(pool->lock_fd, F_SETLK, &lock) &&
		    !fstat(pool->lock_fd, &st) && st.st_nlink) {
			pool->lock_dev = st.st_dev;
			pool->lock_ino = st.st_ino;
			return ZC_OK;
		}
		close(pool->lock_fd);
		pool->lock_fd = -1;
		unlink(path);
	}
	return zc_fail(ZC_ERROR_SYSTEM, "cannot lock files in %s: does that file "
		       "system have record locks?", pool->dir);
}

/* Without the regions of roles. */
static u64 zc_shm_control_needed(const struct zc_geometry *g, u32 segments)
{
	return g->off_reader_areas + g->off_writer_areas - g->off_hints +
	       (u64)segments * g->segment_granules *
		       sizeof(struct zc_block_desc);
}

/* The same and the data, unless that goes to huge pages that are reserved. */
static u64 zc_shm_needed(const struct zc_geometry *g, u32 segments, zc_huge_t huge)
{
	u64 data = segments * g->segment_bytes;
	struct zc_hugetlbfs fs;

	if (huge == ZC_HUGE_REQUIRE || huge == ZC_HUGE_GIGANTIC ||
	    (huge == ZC_HUGE_TRY && zc_hugetlbfs_find(&fs, g->segment_bytes, 0) &&
	     fs.free_bytes >= data))
		data = 0;
	return zc_shm_control_needed(g, segments) + data;
}

static zc_result_t zc_shm_control_make(struct zc_pool *pool,
				       const struct zc_geometry *g,
				       u32 segments, u32 mode)
{
	u64 descs = (u64)segments * g->segment_granules *
		    sizeof(struct zc_block_desc);
	char path[ZC_SHM_PATH];
	zc_result_t result;
	struct stat st;
	int error;

	if (!zc_shm_id_path(path, pool->dir, pool->creation_id, "new"))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", pool->dir);
	pool->control_fd = zc_open(path, O_RDWR | O_CREAT | O_EXCL | ZC_SHM_OPEN,
				0600);
	if (pool->control_fd < 0)
		return zc_fail_errno("cannot create %s", path);
	if (!zc_shm_note_fd(&pool->control_fd, &pool->control_dev,
			    &pool->control_ino, &st))
		return zc_fail_errno("cannot look at %s", path);
	pool->rights = zc_rights_of(&st);
	pool->rights.mode = mode;
	error = zc_file_size(pool->control_fd, g->control_bytes);
	/* Regions of roles are allocated when the role is registered. */
	if (!error)
		error = zc_allocate(pool->control_fd, 0, g->off_reader_areas);
	if (!error)
		error = zc_allocate(pool->control_fd, g->off_hints,
				    g->off_writer_areas - g->off_hints);
	if (!error)
		error = zc_allocate(pool->control_fd, g->off_descs, descs);
	if (error)
		return zc_file_fail(error, error == EFBIG ? g->control_bytes :
				    zc_shm_control_needed(g, segments), "control",
				    pool->dir);
	result = zc_shm_map_control(pool, g);
	if (result == ZC_OK)
		zc_pool_format(&pool->view, g, segments);
	return result;
}

/* Everything is there: give it its name.  The last step of a creation. */
static zc_result_t zc_shm_link(struct zc_pool *pool, u32 mode)
{
	struct flock unlock = { .l_type = F_UNLCK, .l_whence = SEEK_SET,
				.l_start = ZC_LOCK_CREATE, .l_len = 1 };
	char from[ZC_SHM_PATH], to[ZC_SHM_PATH];
	struct stat st;

	if (fchmod(pool->control_fd, mode) || fchmod(pool->lock_fd, mode))
		return zc_fail_errno("cannot set permissions %04o", mode);
	/* Another copy of this library in our process can lose us our lock. */
	if (fstat(pool->lock_fd, &st))
		return zc_fail_errno("cannot look at the new pool's lock file");
	if (!st.st_nlink)
		return zc_fail(ZC_ERROR_BUSY, "the new pool's files were swept "
			       "away while they were made: try again");
	if (!zc_shm_id_path(from, pool->dir, pool->creation_id, "new") ||
	    !zc_shm_control_path(to, pool->dir, pool->name))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", pool->dir);
	if (link(from, to)) {
		if (errno == EEXIST)
			return zc_fail(ZC_ERROR_EXISTS,
				       "pool %s exists: open it, or remove it first",
				       pool->name);
		return zc_fail_errno("cannot name %s", to);
	}
	unlink(from);
	fcntl(pool->lock_fd, F_SETLK, &unlock);
	return ZC_OK;
}

/* Of a failed creation, all that has its id. */
static void zc_shm_undo(struct zc_pool *pool, const char *data_dir)
{
	const struct zc_rights own = zc_rights_own();
	char path[ZC_SHM_PATH];

	zc_shm_data_unlink(pool->dir, pool->creation_id, &own);
	if (data_dir[0])
		zc_shm_data_unlink(data_dir, pool->creation_id, &own);
	if (zc_shm_id_path(path, pool->dir, pool->creation_id, "new"))
		unlink(path);
	if (pool->lock_fd >= 0 &&
	    zc_shm_id_path(path, pool->dir, pool->creation_id, "lock"))
		unlink(path);
	zc_shm_detach(pool);
}

static void zc_shm_header_fill(struct zc_pool *pool, u32 mode,
			       const zc_pool_options_t *o)
{
	struct zc_pool_header *h = pool->view.header;
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	memcpy(h->creation_id, pool->creation_id, sizeof(h->creation_id));
	memcpy(h->name, pool->name, sizeof(h->name));
	h->created_ns = (u64)ts.tv_sec * 1000000000ULL + (u64)ts.tv_nsec;
	h->creator_pid = (u32)getpid();
	h->creator_uid = geteuid();
	h->mode = mode;
	h->flags = o->transient ? ZC_POOL_TRANSIENT : 0;
	h->guard = zc_guard_choose(o->guard, ZC_MODE_OFF);
}

static zc_result_t zc_shm_make(struct zc_pool *pool,
			       const struct zc_geometry *g, u32 segments,
			       const zc_pool_options_t *o, u32 mode)
{
	char data_dir[ZC_PATH_BYTES] = "";
	zc_result_t result;

	zc_shm_blank(pool);
	result = zc_shm_lock_make(pool);
	if (result == ZC_OK)
		result = zc_shm_control_make(pool, g, segments, mode);
	if (result == ZC_OK) {
		zc_shm_header_fill(pool, mode, o);
		result = zc_shm_data_create(pool, segments, g->segment_bytes,
					    o->huge, o->prefault);
		memcpy(data_dir, pool->view.header->data_dir, sizeof(data_dir));
	}
	if (result == ZC_OK)
		result = zc_shm_data_map(pool);
	if (result == ZC_OK) {
		zc_store_relaxed(&pool->view.header->state, ZC_POOL_READY);
		/* All of it before the magic; an opener sees the name later still. */
		zc_store_release(&pool->view.header->magic, ZC_LAYOUT_MAGIC);
		result = zc_shm_link(pool, mode);
	}
	if (result != ZC_OK)
		zc_shm_undo(pool, data_dir);
	return result;
}

zc_result_t zc_shm_create(struct zc_pool *pool, const char *name,
			  const zc_pool_options_t *options)
{
	struct zc_geometry_request request = {
		.bytes = options->bytes,
		.segment_bytes = options->segment_bytes,
		.granule_bytes = options->granule_bytes,
		.ring_entries = options->ring_entries,
		.max_holds = options->max_holds,
		.max_bytes = options->max_bytes,
	};
	u32 mode = options->mode ? options->mode : 0600;
	char path[ZC_SHM_PATH];
	struct zc_geometry g;
	const char *wrong;
	zc_result_t result;
	struct stat st;
	u32 segments;
	u64 needed;

	if (mode & ~0777U || (mode & 0600) != 0600)
		return zc_fail(ZC_ERROR_INVALID, "permission bits %04o: 0600 must be "
			       "among them, and nothing above 0777", mode);
	wrong = zc_geometry_compute(&g, &segments, &request);
	if (wrong)
		return zc_fail(ZC_ERROR_INVALID, "%s", wrong);
	strcpy(pool->name, name);
	result = zc_shm_folder(pool->dir);
	if (result != ZC_OK)
		return result;
	if (!zc_shm_control_path(path, pool->dir, name))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", pool->dir);
	if (!lstat(path, &st))
		return zc_fail(ZC_ERROR_EXISTS,
			       "pool %s exists: open it, or remove it first", name);

	needed = zc_shm_needed(&g, segments, options->huge);
	result = zc_room_check(pool->dir, needed);
	if (result == ZC_OK)
		result = zc_shm_make(pool, &g, segments, options, mode);
	if (result == ZC_ERROR_NO_MEMORY) {
		/* Perhaps a creator that was killed left some: once more. */
		zc_shm_sweep(pool->dir);
		result = zc_room_check(pool->dir, needed);
		if (result == ZC_OK)
			result = zc_shm_make(pool, &g, segments, options, mode);
	}
	if (result == ZC_OK)
		pool->may_write = true;
	return result;
}

/* --- opening -------------------------------------------------------------------- */

static zc_result_t zc_corrupt(const char *name, const char *what)
{
	return zc_fail(ZC_ERROR_CORRUPT_POOL, "pool %s cannot be used: %s; remove "
		       "it and create it anew", name, what);
}

static zc_result_t zc_shm_open_control(struct zc_pool *pool, const char *path)
{
	int fd = zc_open(path, (pool->observer ? O_RDONLY : O_RDWR) | ZC_SHM_OPEN, 0);

	if (fd >= 0) {
		pool->control_fd = fd;
		return ZC_OK;
	}
	switch (errno) {
	case ENOENT:
		return zc_fail(ZC_ERROR_NOT_FOUND,
			       "there is no pool %s in %s: create it first",
			       pool->name, pool->dir);
	case ELOOP:
	case EISDIR:
	case ENXIO:
	case ENODEV:
		return zc_corrupt(pool->name, "its control is not a regular file");
	case EACCES:
		fd = open(path, O_RDONLY | ZC_SHM_OPEN);
		if (fd < 0)
			break;
		close(fd);
		return zc_fail(ZC_ERROR_PERMISSION,
			       "you may read pool %s but not write it, and on plain "
			       "shared memory readers, too, must write their cursors: "
			       "ask its owner for read and write permission",
			       pool->name);
	}
	return zc_fail_errno("cannot open pool %s", pool->name);
}

/* Is this a pool of ours?  @h is a private copy. */
static zc_result_t zc_shm_validate(struct zc_pool *pool,
				   const struct zc_pool_header *h,
				   const struct stat *st, ssize_t bytes)
{
	const char *wrong;

	if (!S_ISREG(st->st_mode))
		return zc_corrupt(pool->name, "its control is not a regular file");
	if (bytes >= 8 && h->magic && h->magic != ZC_LAYOUT_MAGIC)
		return zc_corrupt(pool->name, "its control file is not ZeroCore's "
				  "(wrong magic)");
	if (bytes != (ssize_t)sizeof(*h))
		return zc_corrupt(pool->name, "its control file is truncated: it is "
				  "shorter than a header");
	if (!h->magic)
		return zc_corrupt(pool->name, "it was never finished (half-created)");
	if (h->layout_version != ZC_LAYOUT_VERSION)
		return zc_fail(ZC_ERROR_VERSION,
			       "pool %s has layout version %u and this library (%s) "
			       "speaks %u: use the same library version everywhere",
			       pool->name, h->layout_version, zc_version(),
			       ZC_LAYOUT_VERSION);
	if (h->feature_incompat & ~ZC_FEATURE_INCOMPAT_KNOWN)
		return zc_fail(ZC_ERROR_VERSION,
			       "pool %s uses features 0x%llx that this library (%s) "
			       "does not know: use a newer one", pool->name,
			       h->feature_incompat & ~ZC_FEATURE_INCOMPAT_KNOWN,
			       zc_version());
	if (h->header_bytes != sizeof(*h))
		return zc_corrupt(pool->name, "its header has another size");
	if (h->state != ZC_POOL_READY)
		return zc_corrupt(pool->name, "it was never finished (half-created)");
	if (memcmp(h->name, pool->name, sizeof(h->name)))
		return zc_corrupt(pool->name, "its control file has another pool's name");
	wrong = zc_geometry_check(&h->geometry, (u64)st->st_size);
	if (wrong)
		return zc_corrupt(pool->name, wrong);
	if (!h->segments || h->segments > h->geometry.max_segments)
		return zc_corrupt(pool->name, "it has an impossible number of segments");
	return ZC_OK;
}

static zc_result_t zc_shm_open_lock(struct zc_pool *pool)
{
	char path[ZC_SHM_PATH];
	struct stat st;

	if (!zc_shm_id_path(path, pool->dir, pool->creation_id, "lock"))
		return zc_corrupt(pool->name, "the name of its lock file is too long");
	pool->lock_fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);
	if (pool->lock_fd < 0 && errno == ENOENT)
		return zc_corrupt(pool->name, "its lock file is missing");
	if (pool->lock_fd < 0 && zc_no_file(errno))
		return zc_corrupt(pool->name, "its lock file is not a regular file");
	if (pool->lock_fd < 0)
		return zc_fail_errno("cannot open lock file %s", path);
	if (!zc_shm_note_fd(&pool->lock_fd, &pool->lock_dev, &pool->lock_ino, &st))
		return zc_fail_errno("cannot look at lock file %s", path);
	if (!S_ISREG(st.st_mode))
		return zc_corrupt(pool->name, "its lock file is not a regular file");
	if (!zc_rights_fit(&pool->rights, &st))
		return zc_corrupt(pool->name, "its lock file has not the owner, group and "
				  "mode of its control file");
	return ZC_OK;
}

static zc_result_t zc_shm_open_path(struct zc_pool *pool, const char *path)
{
	const struct zc_pool *attached;
	struct zc_pool_header h;
	zc_result_t result;
	struct stat st;
	ssize_t bytes;

	result = zc_shm_open_control(pool, path);
	if (result != ZC_OK)
		return result;
	memset(&h, 0, sizeof(h));
	if (!zc_shm_note_fd(&pool->control_fd, &pool->control_dev,
			    &pool->control_ino, &st))
		return zc_fail_errno("cannot look at pool %s", pool->name);
	pool->rights = zc_rights_of(&st);
	bytes = S_ISREG(st.st_mode) ? pread(pool->control_fd, &h, sizeof(h), 0) :
				      0;
	if (bytes < 0)
		return zc_fail_errno("cannot read the control file of pool %s", pool->name);
	result = zc_shm_validate(pool, &h, &st, bytes);
	if (result != ZC_OK)
		return result;
	memcpy(pool->creation_id, h.creation_id, sizeof(pool->creation_id));
	/*
	 * Attached already: opening and closing the lock file once more would drop
	 * this process's record locks.
	 */
	attached = zc_pool_find(pool->creation_id);
	if (attached && (attached->control_dev != pool->control_dev ||
			 attached->control_ino != pool->control_ino))
		return zc_corrupt(pool->name, "its control file has another pool's id");
	if (attached)
		return ZC_ERROR_BUSY;
	/* No lock: no life to prove.  No data: nobody looks at payloads. */
	if (pool->observer)
		return zc_shm_map_control(pool, &h.geometry);
	result = zc_shm_open_lock(pool);
	if (result == ZC_OK)
		result = zc_shm_map_control(pool, &h.geometry);
	if (result == ZC_OK)
		result = zc_shm_data_map(pool);
	return result;
}

zc_result_t zc_shm_open(struct zc_pool *pool, const char *name)
{
	char path[ZC_SHM_PATH];
	zc_result_t result;

	zc_shm_blank(pool);
	pool->may_write = !pool->observer;
	strcpy(pool->name, name);
	result = zc_shm_folder(pool->dir);
	if (result != ZC_OK)
		return result;
	if (!zc_shm_control_path(path, pool->dir, name))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", pool->dir);
	result = zc_shm_open_path(pool, path);
	if (result == ZC_OK || result == ZC_ERROR_BUSY)
		goto out;
	/* Somebody removes it just now: that is no damage. */
	if (result == ZC_ERROR_CORRUPT_POOL && pool->control_fd >= 0 &&
	    !zc_shm_still_named(pool))
		result = zc_fail(ZC_ERROR_NOT_FOUND,
				 "pool %s was removed just now", name);
out:
	if (result != ZC_OK)
		zc_shm_detach(pool);
	return result;
}
