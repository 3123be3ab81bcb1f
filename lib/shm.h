/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * shm.h - what the shm_*.c files know of each other: a pool's files.
 *
 *	DIR/zerocore.NAME.pool		control
 *	DIR/zerocore.ID.lock		who is alive; holds the name of DATADIR
 *	DIR/zerocore.ID.new		control before it has its name
 *	DATADIR/zerocore.ID.dataN	data segments
 *
 * ID is the random creation id in 32 hex digits, DIR $ZEROCORE_DIR or /dev/shm,
 * DATADIR is DIR or the mount of a hugetlbfs.  All of them have one owner, group and mode:
 * what another user has put under such a name, or an ID into a control file that he may
 * write, is none of that pool's: see shm_rights.c.  Whatever has an ID and no control
 * file, and whose lock file nobody has a lock in, is rubbish of somebody who was
 * killed while he made or removed a pool: see shm_remove.c.
 */
#ifndef ZC_LIB_SHM_H
#define ZC_LIB_SHM_H

#include <sys/stat.h>

#include "internal.h"

#define ZC_SHM_PATH 400		/* folder, prefix, id or name, suffix */
#define ZC_ID_HEX 33
#define ZC_SHM_OPEN (O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* Bytes of the lock file that no member has: incarnations start at 1. */
#define ZC_LOCK_CREATE 0	/* the creator, or who sweeps; F_SETLK and OFD */
#define ZC_LOCK_REMOVE 1	/* who removes the name; OFD */
#define ZC_LOCK_SEGMENTS 2	/* who adds or removes a segment; F_SETLK */

/* --- shm_names.c ---------------------------------------------------------- */

/* DIR, absolute and without links; fails if there is none. */
zc_result_t zc_shm_folder(char out[ZC_PATH_BYTES]);
void zc_id_text(const u8 id[16], char out[ZC_ID_HEX]);
/* false: it would not fit. */
bool zc_shm_path(char out[ZC_SHM_PATH], const char *fmt, ...) ZC_PRINTF(2, 3);
/* "DIR/zerocore.NAME.pool" */
bool zc_shm_control_path(char out[ZC_SHM_PATH], const char *dir,
			 const char *name);
/* "DIR/zerocore.ID.SUFFIX" */
bool zc_shm_id_path(char out[ZC_SHM_PATH], const char *dir, const u8 id[16],
		    const char *suffix);
bool zc_shm_data_path(char out[ZC_SHM_PATH], const char *dir, const u8 id[16],
		      u32 segment);
/* Is @file "zerocore.NAME.pool"? Gets the name. */
bool zc_shm_is_control(const char *file, char name[ZC_NAME_BYTES]);
/* Names of the pools in that folder. */
struct zc_names;
zc_result_t zc_shm_list(struct zc_names *names);
/* Is @file "zerocore.ID.SUFFIX"? Gets the id and where the suffix begins. */
const char *zc_shm_is_part(const char *file, u8 id[16]);
/* Says this error of open() that there is no file, or none that is regular? */
bool zc_no_file(int error);
/* Is @fd open on that very file? */
bool zc_fd_is(int fd, u64 dev, u64 ino);
void zc_fd_close(int *fd, u64 dev, u64 ino);

/* --- shm_rights.c ----------------------------------------------------------- */

struct zc_rights zc_rights_of(const struct stat *st);
/* Of an id that nobody else has seen yet. */
struct zc_rights zc_rights_own(void);
/* May its group something else than the others? */
bool zc_rights_have_group(const struct zc_rights *rights);
/* And may either write? */
bool zc_rights_need_group(const struct zc_rights *rights);
/* Is that file, which a control file of those rights names, taken for one of its pool's? */
bool zc_rights_fit(const struct zc_rights *control, const struct stat *st);
/* Of the control file now: its owner may change them. */
struct zc_rights zc_shm_rights(const struct zc_pool *pool);
/* Gives @fd the access control list that the control file has now, or none. 0 or errno. */
int zc_shm_acl_copy(const struct zc_pool *pool, int fd);

/* --- shm_files.c ------------------------------------------------------------ */

/* How /proc/PID/maps names control, if there is a descriptor to look by. */
void zc_shm_map_id(struct zc_pool *pool);

/* --- shm_room.c ------------------------------------------------------------- */

/* Would @bytes more fit on the file system and into the machine? */
zc_result_t zc_room_check(const char *dir, u64 bytes);
/* ftruncate() without the signal of a limit. 0 or errno. */
int zc_file_size(int fd, u64 bytes);
/* The sentence, when a file of @bytes could not be made or allocated. */
zc_result_t zc_file_fail(int error, u64 bytes, const char *what, const char *dir);
/* posix_fallocate() in slices that signals cannot stop for ever. 0 or errno. */
int zc_allocate(int fd, u64 off, u64 bytes);

/* --- shm_huge.c ------------------------------------------------------------- */

#define ZC_THP_BYTES (2ULL << 20)

/* A writable hugetlbfs whose pages fit @segment_bytes. free_bytes: unreserved. */
struct zc_hugetlbfs {
	char dir[ZC_PATH_BYTES];
	u64 page_bytes;
	u64 free_bytes;
};

/* @page_bytes: 0: of any size. */
bool zc_hugetlbfs_find(struct zc_hugetlbfs *fs, u64 segment_bytes,
		       u64 page_bytes);
bool zc_is_hugetlbfs(const char *dir);
/* How many bytes of the mapping at @address are mapped by huge pages? */
u64 zc_huge_mapped(const void *address);
/* Touches pages for writing. 0 or errno; never SIGBUS where the kernel knows
 * MADV_POPULATE_WRITE. */
int zc_populate(void *address, u64 bytes, u64 page_bytes);

/* --- shm_map.c ----------------------------------------------------------------- */

/* Makes data segment @n; what somebody left who was killed at that goes. */
zc_result_t zc_shm_segment_make(struct zc_pool *pool, const char *dir, u32 n);
/* Deletes data segment @n, which was never published, and what its descriptors have. */
void zc_shm_segment_unmake(struct zc_pool *pool, const char *dir, u32 n);
/* Takes the memory of data segment @n out of its file; puts some in again. */
zc_result_t zc_shm_segment_empty(struct zc_pool *pool, const char *dir, u32 n);
zc_result_t zc_shm_segment_fill(struct zc_pool *pool, const char *dir, u32 n);
/* Where the data files are, checked. */
zc_result_t zc_shm_data_dir(const struct zc_pool *pool, char dir[ZC_PATH_BYTES]);
/* The data file of a segment, to read; -errno. */
int zc_shm_data_open(const struct zc_pool *pool, u32 segment);
/* Is that folder the pool's own, by whatever path, or a hugetlbfs?  errno: 0, or why that
 * cannot be seen. */
bool zc_shm_data_dir_trusted(const char *data_dir, const char *dir);
/* All data files of that id that fit @rights; true: the owner has others of that id. */
bool zc_shm_data_unlink(const char *dir, const u8 id[16], const struct zc_rights *rights);

/* --- shm_segment.c ------------------------------------------------------------------ */

zc_result_t zc_shm_grow(struct zc_pool *pool);
zc_result_t zc_shm_shrink(struct zc_pool *pool, u32 segment);
/* Puts in order what somebody left who died while he did one of both; a look at one word
 * if there is none. */
void zc_shm_segments_bury(struct zc_pool *pool);

/* --- shm_remove.c ------------------------------------------------------------------ */

/* Deletes what killed creators and removers left behind. (under zc_pools_lock) */
void zc_shm_sweep(const char *dir);
zc_result_t zc_shm_unname(struct zc_pool *pool);
zc_result_t zc_shm_remove_all(u32 *removed);
/* Leaves; the last one removes a transient pool. */
void zc_shm_leave(struct zc_pool *pool);
zc_result_t zc_shm_evict(struct zc_pool *pool, u32 member, u32 incarnation);

#endif /* ZC_LIB_SHM_H */
