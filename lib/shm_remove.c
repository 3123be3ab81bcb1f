// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_remove.c - take a pool's name away, and sweep what the killed left behind.
 *
 * Control goes first: nobody new comes.  Members that are attached have all of
 * it mapped and go on.  Whoever deletes files of an id without control holds
 * ZC_LOCK_CREATE of its lock file, which a creator holds until his control file
 * has its name: so he looks at the names again after he has got it.  The lock
 * file goes last; without one an id has nobody.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "shm.h"

#define ZC_REMOVE_TRIES 1000
#define ZC_REMOVE_WAIT_NS 1000000L

/* OFD locks: also between the threads and copies of the library in a process. */
static bool zc_ofd_lock(int fd, u64 byte, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET,
			      .l_start = (off_t)byte, .l_len = 1 };

	return !fcntl(fd, F_OFD_SETLK, &lock);
}

/* Does anybody but this descriptor have a lock in the file? */
static bool zc_any_lock(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_OFD_GETLK, &lock) || lock.l_type != F_UNLCK;
}

/* The id of a control file; false: cannot be read. */
static bool zc_control_id(const char *path, u8 id[16])
{
	int fd = open(path, O_RDONLY | ZC_SHM_OPEN);
	bool good = fd >= 0 &&
		    pread(fd, id, 16, offsetof(struct zc_pool_header,
					       creation_id)) == 16;

	if (fd >= 0)
		close(fd);
	return good;
}

/*
 * Has any control file of that user this id?  One that cannot be read may; what others
 * write into theirs says nothing.  @removed: the control file that had it until now, or
 * NULL; then nor does one that says so where those may have written it who might not
 * write the other.  Where nothing is known of the other, all of the user's count.
 */
static bool zc_id_named(const char *dir, const u8 id[16], uid_t owner,
			const struct stat *removed)
{
	char name[ZC_NAME_BYTES], path[ZC_SHM_PATH];
	struct zc_rights rights;
	bool named = false;
	struct dirent *e;
	struct stat st;
	u8 other[16];
	DIR *d = opendir(dir);

	if (!d)
		return true;
	while (!named && (e = readdir(d))) {
		if (!zc_shm_is_control(e->d_name, name) ||
		    !zc_shm_control_path(path, dir, name) || lstat(path, &st) ||
		    st.st_uid != owner)
			continue;
		rights = zc_rights_of(&st);
		if (removed && !zc_rights_fit(&rights, removed))
			continue;
		if (zc_control_id(path, other))
			named = !memcmp(id, other, 16);
		else
			named = S_ISREG(st.st_mode) && st.st_size >= 48;
	}
	closedir(d);
	return named;
}

static void zc_part_unlink(const char *dir, const u8 id[16], const char *suffix,
			   const struct zc_rights *rights)
{
	char path[ZC_SHM_PATH];
	struct stat st;

	if (zc_shm_id_path(path, dir, id, suffix) && !lstat(path, &st) &&
	    zc_rights_fit(rights, &st) && unlink(path))
		zc_log(ZC_LOG_WARN, "cannot delete %s: %s", path, strerror(errno));
}

/*
 * What fits @rights.  Where data is left that does not, but is the owner's, the lock file
 * stays, too: it says where that is, and a sweep goes by it.
 */
static void zc_parts_unlink(const char *dir, const u8 id[16],
			    const char *data_dir, const struct zc_rights *rights)
{
	bool left = zc_shm_data_unlink(dir, id, rights);

	if (strcmp(data_dir, dir) && zc_shm_data_dir_trusted(data_dir, dir))
		left |= zc_shm_data_unlink(data_dir, id, rights);
	zc_part_unlink(dir, id, "new", rights);
	if (!left)
		zc_part_unlink(dir, id, "lock", rights);
}

/* --- sweep ------------------------------------------------------------------------ */

/*
 * One id that has a lock file.  It is in the name of that file, which members cannot
 * change, and no pool of its owner's has it: so all that is the owner's goes, whoever may
 * write it.
 */
static void zc_sweep_locked(const char *dir, const u8 id[16], const char *path)
{
	char data_dir[ZC_PATH_BYTES] = "";
	struct zc_rights rights;
	struct stat st;
	int fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);

	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink &&
	    zc_ofd_lock(fd, ZC_LOCK_CREATE, F_WRLCK) && !zc_any_lock(fd) &&
	    !zc_id_named(dir, id, st.st_uid, NULL)) {
		if (pread(fd, data_dir, sizeof(data_dir) - 1, 0) < 0)
			data_dir[0] = '\0';
		rights = zc_rights_of(&st);
		rights.mode = 0600;
		zc_parts_unlink(dir, id, data_dir, &rights);
	}
	close(fd);
}

/* Not "data.pool": a name that has an id in it may be a pool's. */
static bool zc_is_swept(const char *suffix)
{
	if (strncmp(suffix, "data", 4))
		return !strcmp(suffix, "new");
	return suffix[4] && !suffix[4 + strspn(suffix + 4, "0123456789")];
}

void zc_shm_sweep(const char *dir)
{
	DIR *d = opendir(dir);
	char path[ZC_SHM_PATH];
	struct dirent *e;
	struct stat st;
	u8 id[16];

	while (d && (e = readdir(d))) {
		const char *suffix = zc_shm_is_part(e->d_name, id);

		/* Never ours: to open and close it would drop our own locks. */
		if (!suffix || zc_pool_find(id) ||
		    !zc_shm_id_path(path, dir, id, "lock"))
			continue;
		if (!strcmp(suffix, "lock"))
			zc_sweep_locked(dir, id, path);
		else if (zc_is_swept(suffix) && lstat(path, &st) && errno == ENOENT &&
			 zc_shm_path(path, "%s/%s", dir, e->d_name) &&
			 !lstat(path, &st) && !zc_id_named(dir, id, st.st_uid, NULL))
			unlink(path);
	}
	if (d)
		closedir(d);
}

/* --- removal ------------------------------------------------------------------------- */

/*
 * Unlinks the control file, if the name still is that file.  Of several who
 * remove one pool the first does it: without the lock the second could take the
 * name of a pool that was created in between.
 */
static zc_result_t zc_control_unlink(const char *name, const char *path,
				     const struct stat *control, int lock_fd)
{
	struct timespec wait = { 0, ZC_REMOVE_WAIT_NS };
	zc_result_t result = ZC_OK;
	struct stat st;
	u32 tries = 0;
	bool gone;

	while (lock_fd >= 0 && !zc_ofd_lock(lock_fd, ZC_LOCK_REMOVE, F_WRLCK)) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			break;		/* no locks here, then without */
		if (++tries > ZC_REMOVE_TRIES)
			return zc_fail(ZC_ERROR_BUSY, "somebody else has been removing "
				       "pool %s for a second: is it stopped?", name);
		nanosleep(&wait, NULL);
	}
	if (lstat(path, &st)) {
		gone = errno == ENOENT;
		if (!gone)
			result = zc_fail_errno("cannot look at %s", path);
	} else {
		gone = st.st_dev != control->st_dev || st.st_ino != control->st_ino;
	}
	if (gone)
		result = zc_fail(ZC_ERROR_NOT_FOUND,
				 "pool %s was removed just now", name);
	else if (result == ZC_OK && unlink(path))
		result = errno == EBUSY ?
				 zc_fail(ZC_ERROR_BUSY, "%s is busy", path) :
				 zc_fail_errno("cannot remove pool %s", name);
	if (lock_fd >= 0)
		zc_ofd_lock(lock_fd, ZC_LOCK_REMOVE, F_UNLCK);
	return result;
}

static zc_result_t zc_remove_opened(const char *dir, const char *name,
				    const char *path, int control_fd,
				    struct stat *control)
{
	struct zc_pool_header h;
	struct zc_pool *attached;
	char lock_path[ZC_SHM_PATH];
	const struct zc_rights rights = zc_rights_of(control);
	zc_result_t result;
	bool known;
	int lock_fd = -1;

	memset(&h, 0, sizeof(h));
	/* Of a damaged one only the name can be taken away, and what has its id. */
	known = pread(control_fd, &h, sizeof(h), 0) >=
		(ssize_t)offsetof(struct zc_pool_header, created_ns);
	h.data_dir[ZC_PATH_BYTES - 1] = '\0';
	attached = known ? zc_pool_find(h.creation_id) : NULL;
	if (attached && zc_fd_is(attached->lock_fd, attached->lock_dev,
				 attached->lock_ino))
		lock_fd = attached->lock_fd;
	else if (!attached && known &&
		 zc_shm_id_path(lock_path, dir, h.creation_id, "lock"))
		lock_fd = zc_open(lock_path, O_RDWR | ZC_SHM_OPEN, 0);
	result = zc_control_unlink(name, path, control, lock_fd);
	if (result == ZC_OK && known &&
	    !zc_id_named(dir, h.creation_id, control->st_uid, control))
		zc_parts_unlink(dir, h.creation_id, (const char *)h.data_dir, &rights);
	if (!attached && lock_fd >= 0)
		close(lock_fd);
	return result;
}

/* @only: NULL, or the pool that the name must be of. */
static zc_result_t zc_name_remove(const char *dir, const char *name,
				  const struct zc_pool *only)
{
	char path[ZC_SHM_PATH];
	zc_result_t result;
	struct stat st;
	int fd;

	if (!zc_shm_control_path(path, dir, name))
		return zc_fail(ZC_ERROR_INVALID, "%s is too long", dir);
	fd = open(path, O_RDONLY | ZC_SHM_OPEN);
	if (fd < 0 && errno == ENOENT)
		result = zc_fail(ZC_ERROR_NOT_FOUND, "there is no pool %s in %s",
				 name, dir);
	else if (fd < 0 && errno == ELOOP)
		result = zc_fail(ZC_ERROR_CORRUPT_POOL,
				 "%s is a link and not a pool: delete it yourself",
				 path);
	else if (fd < 0)
		result = zc_fail_errno("cannot remove pool %s", name);
	else if (fstat(fd, &st))
		result = zc_fail_errno("cannot look at %s", path);
	else if (!S_ISREG(st.st_mode))
		result = zc_fail(ZC_ERROR_CORRUPT_POOL,
				 "%s is not a regular file: delete it yourself",
				 path);
	else if (only && (st.st_dev != only->control_dev ||
			  st.st_ino != only->control_ino))
		result = zc_fail(ZC_ERROR_NOT_FOUND, "pool %s is another by now",
				 name);
	else
		result = zc_remove_opened(dir, name, path, fd, &st);
	if (fd >= 0)
		close(fd);
	return result;
}

zc_result_t zc_shm_remove(const char *name)
{
	char dir[ZC_PATH_BYTES];
	zc_result_t result = zc_shm_folder(dir);

	if (result != ZC_OK)
		return result;
	result = zc_name_remove(dir, name, NULL);
	zc_shm_sweep(dir);
	return result;
}

zc_result_t zc_shm_unname(struct zc_pool *pool)
{
	return zc_name_remove(pool->dir, pool->name, pool);
}

zc_result_t zc_shm_remove_all(u32 *removed)
{
	struct zc_names names = { NULL, 0, 0 };
	char dir[ZC_PATH_BYTES], path[ZC_SHM_PATH];
	zc_result_t result = zc_shm_folder(dir);
	struct stat st;
	size_t n;

	if (result != ZC_OK)
		return result;
	result = zc_shm_list(&names);
	for (n = 0; result == ZC_OK && n < names.nr; n++) {
		if (!zc_shm_control_path(path, dir, names.name[n]) ||
		    lstat(path, &st) || !S_ISREG(st.st_mode) ||
		    st.st_uid != geteuid())
			continue;
		result = zc_name_remove(dir, names.name[n], NULL);
		if (result == ZC_OK)
			++*removed;
		else if (result == ZC_ERROR_NOT_FOUND)
			result = ZC_OK;	/* somebody else did */
	}
	free(names.name);
	zc_shm_sweep(dir);
	return result;
}

/* Is anybody attached, alive or not known to be dead? */
static bool zc_shm_attached(const struct zc_pool *pool)
{
	u32 m;

	for (m = 0; m < ZC_MAX_MEMBERS; m++)
		if (zc_life_state(zc_load_acquire(&pool->view.members[m].life)) !=
		    ZC_LIFE_IDLE)
			return true;
	return false;
}

/*
 * Who comes between the look and the removal keeps what it has mapped, as after
 * any removal.
 */
void zc_shm_leave(struct zc_pool *pool)
{
	bool transient = zc_load_relaxed(&pool->view.header->flags) &
			 ZC_POOL_TRANSIENT;

	if (pool->observer)
		return;
	if (transient)
		pool->backend->bury(pool);
	zc_member_leave(pool);
	if (transient && !zc_shm_attached(pool))
		zc_shm_unname(pool);
}

zc_result_t zc_shm_evict(struct zc_pool *pool, u32 member, u32 incarnation)
{
	(void)member;
	(void)incarnation;
	return zc_fail(ZC_ERROR_NOT_SUPPORTED,
		       "pool %s is on plain shared memory, where nobody is evicted: "
		       "that needs /dev/zerocore", pool->name);
}
