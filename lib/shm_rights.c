// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * shm_rights.c - which files are a pool's: those of its control file's owner that the
 * same people may write.
 *
 * The files are found by the id in control, and all who may write control may write
 * another id there: that of a pool of somebody else's, or of one of the same owner's
 * that they may not write.  So who put it there must be able to write by himself all
 * that is found by it: of two pools of one owner, with one group and one mode, whoever
 * mixes them up might have written to both of them anyway.  What access control lists
 * add to the mode is not looked at; where there is one, the mode's group is its mask.
 */
#include <errno.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shm.h"

#define ZC_WRITE_BY_OTHERS 0022
#define ZC_ACL "system.posix_acl_access"
#define ZC_ACL_BYTES 4096

struct zc_rights zc_rights_of(const struct stat *st)
{
	return (struct zc_rights){ .uid = st->st_uid, .gid = st->st_gid,
				   .mode = st->st_mode & 0777 };
}

struct zc_rights zc_rights_own(void)
{
	return (struct zc_rights){ .uid = geteuid(), .gid = getegid(), .mode = 0600 };
}

bool zc_rights_have_group(const struct zc_rights *rights)
{
	return (rights->mode >> 3 & 7) != (rights->mode & 7);
}

bool zc_rights_need_group(const struct zc_rights *rights)
{
	return rights->mode & ZC_WRITE_BY_OTHERS && zc_rights_have_group(rights);
}

bool zc_rights_fit(const struct zc_rights *control, const struct stat *st)
{
	if (!S_ISREG(st->st_mode) || st->st_uid != control->uid)
		return false;
	/* There it says what the owner wants: he may give others less, or more. */
	if (!(control->mode & ZC_WRITE_BY_OTHERS))
		return true;
	return (st->st_mode & 0777) == control->mode &&
	       (st->st_gid == control->gid || !zc_rights_need_group(control));
}

struct zc_rights zc_shm_rights(const struct zc_pool *pool)
{
	struct stat st;

	if (pool->control_fd >= 0 && !fstat(pool->control_fd, &st) &&
	    st.st_dev == pool->control_dev && st.st_ino == pool->control_ino)
		return zc_rights_of(&st);
	return pool->rights;
}

static bool zc_no_acl(int error)
{
	return error == ENODATA || error == EOPNOTSUPP;
}

int zc_shm_acl_copy(const struct zc_pool *pool, int fd)
{
	char acl[ZC_ACL_BYTES];
	ssize_t bytes;

	if (!zc_fd_is(pool->control_fd, pool->control_dev, pool->control_ino))
		return 0;
	bytes = fgetxattr(pool->control_fd, ZC_ACL, acl, sizeof(acl));
	if (bytes >= 0)
		return fsetxattr(fd, ZC_ACL, acl, (size_t)bytes, 0) ? errno : 0;
	if (!zc_no_acl(errno))
		return errno;
	/* The folder's default may have given it one. */
	return fremovexattr(fd, ZC_ACL) && !zc_no_acl(errno) ? errno : 0;
}
