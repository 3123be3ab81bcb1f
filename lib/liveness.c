// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * liveness.c - who is alive: record locks, /proc, and at worst a stamp.
 *
 * A member has a byte of the lock file locked, by F_SETLK: that lock is the
 * process's (OFD locks and flock would live on in a forked child) and goes when
 * it dies.  It also goes when any descriptor of the lock file is closed in that
 * process: by another copy of this library, or by a program that closes all its
 * descriptors.  So a lock that is gone proves nothing by itself where the process
 * can be seen, and each member takes its own again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm.h"

#define ZC_STALE_NS 2000000000ULL
#define ZC_LOCK_MEMBER_BITS 11

static off_t zc_lock_byte(u32 member, u32 incarnation)
{
	return (off_t)((u64)incarnation << ZC_LOCK_MEMBER_BITS | member);
}

/*
 * The lock file's descriptor, if it still is that.  If the program closed it: open
 * the file again.  -1: it cannot be had any more (the pool was removed, too).
 */
static int zc_live_fd(struct zc_pool *pool)
{
	int fd = zc_load_relaxed(&pool->lock_fd);
	char path[ZC_SHM_PATH];

	if (zc_fd_is(fd, pool->lock_dev, pool->lock_ino))
		return fd;
	if (!zc_shm_id_path(path, pool->dir, pool->creation_id, "lock"))
		return -1;
	fd = zc_open(path, O_RDWR | ZC_SHM_OPEN, 0);
	if (fd < 0)
		return -1;
	if (!zc_fd_is(fd, pool->lock_dev, pool->lock_ino)) {
		close(fd);
		return -1;
	}
	/*
	 * The old number is the program's now.  Two threads at a time leave one
	 * descriptor too many open: closing it would drop our locks.
	 */
	zc_store_relaxed(&pool->lock_fd, fd);
	zc_log(ZC_LOG_WARN, "this program closed the lock file of pool %s; opened it "
	       "again", pool->name);
	return fd;
}

static bool zc_lock_change(struct zc_pool *pool, u32 member, u32 incarnation,
			   short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET,
			      .l_start = zc_lock_byte(member, incarnation),
			      .l_len = 1 };
	int fd = zc_live_fd(pool);

	/* Nor EACCES, which says that another has it. */
	if (fd < 0)
		errno = EBADF;
	return fd >= 0 && !fcntl(fd, F_SETLK, &lock);
}

bool zc_live_lock(struct zc_pool *pool, u32 member, u32 incarnation)
{
	return zc_lock_change(pool, member, incarnation, F_WRLCK);
}

void zc_live_unlock(struct zc_pool *pool, u32 member, u32 incarnation)
{
	zc_lock_change(pool, member, incarnation, F_UNLCK);
}

/* F_OFD_GETLK also reports locks of our own process; F_GETLK does not. */
bool zc_live_locked(struct zc_pool *pool, u32 member, u32 incarnation)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
			      .l_start = zc_lock_byte(member, incarnation),
			      .l_len = 1 };
	int fd = zc_live_fd(pool);

	/* Who cannot look has no proof. */
	return fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) ||
	       lock.l_type != F_UNLCK;
}

void zc_live_keep(struct zc_pool *pool)
{
	u32 incarnation = zc_life_incarnation(pool->life);

	if (zc_live_locked(pool, pool->member, incarnation))
		return;
	if (zc_live_lock(pool, pool->member, incarnation))
		zc_log(ZC_LOG_WARN, "the lock of this process in pool %s was lost "
		       "(another copy of the library, or descriptors that were "
		       "closed); taken again", pool->name);
}

/* --- /proc ------------------------------------------------------------------------ */

struct zc_proc_stat {
	char state;
	u64 flags;
	u64 threads;
	u64 start_ticks;
};

static bool zc_proc_stat(u32 pid, struct zc_proc_stat *out)
{
	unsigned long long flags, threads, start;
	char path[40], text[1024], state;
	const char *rest;
	ssize_t bytes;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bytes = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (bytes <= 0)
		return false;
	text[bytes] = '\0';
	/* The name may hold anything, ')' and blanks too: from the last ')' on. */
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1,
			    " %c %*s %*s %*s %*s %*s %llu %*s %*s %*s %*s %*s %*s "
			    "%*s %*s %*s %*s %llu %*s %llu",
			    &state, &flags, &threads, &start) != 4)
		return false;
	out->state = state;
	out->flags = flags;
	out->threads = threads;
	out->start_ticks = start;
	return true;
}

/* In the kernel's flags of a task that is ending: so is a thread when it can be joined. */
#define ZC_TASK_EXITING 0x4ULL

static bool zc_thread_known(int tid)
{
	return !syscall(SYS_tgkill, getpid(), tid, 0) || errno != ESRCH;
}

bool zc_thread_there(int tid)
{
	struct zc_proc_stat st;

	if (!zc_thread_known(tid))
		return false;
	if (zc_proc_stat((u32)tid, &st))
		return !(st.flags & ZC_TASK_EXITING);
	/* There is no /proc, or it went between the two looks. */
	return zc_thread_known(tid);
}

u64 zc_proc_start_ticks(pid_t pid)
{
	struct zc_proc_stat st;

	return pid > 0 && zc_proc_stat((u32)pid, &st) ? st.start_ticks : 0;
}

u64 zc_proc_pid_ns(void)
{
	char link[24] = "", self[24];
	struct stat st;

	/* A /proc of another namespace speaks of other processes. */
	if (readlink("/proc/self", link, sizeof(link) - 1) <= 0)
		return 0;
	snprintf(self, sizeof(self), "%d", getpid());
	return strcmp(link, self) || stat("/proc/self/ns/pid", &st) ? 0 :
								      st.st_ino;
}

u64 zc_live_map_token(const struct zc_pool *pool, u64 address)
{
	u64 x = address, id;

	/* Not the address itself: that is nobody else's business. */
	memcpy(&id, pool->creation_id, sizeof(id));
	x = (x ^ id) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 32) * 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 29;
}

/*
 * Does process @pid have this pool's control mapped where the member that is
 * judged had it?  A program that replaced itself may have attached anew, elsewhere.
 * Who may not look says yes.  @none: it has no memory at all.
 */
static bool zc_proc_maps_pool(const struct zc_pool *pool, u32 pid, u64 token,
			      bool *none)
{
	char path[40], device[24], inode[24], id[48];
	unsigned long long from, to;
	bool found = false;
	char line[512];
	FILE *f;

	*none = true;
	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	f = zc_load_acquire(&pool->map_known) ? fopen(path, "re") : NULL;
	if (!f)
		return true;
	while (!found && fgets(line, sizeof(line), f)) {
		*none = false;
		if (sscanf(line, "%llx-%llx %*s %*s %23s %23s", &from, &to,
			   device, inode) != 4)
			continue;
		snprintf(id, sizeof(id), "%s %s", device, inode);
		found = !strcmp(id, pool->map_id) &&
			zc_live_map_token(pool, from) == token;
	}
	if (ferror(f))
		found = true;
	fclose(f);
	return found;
}

enum zc_proc {
	ZC_PROC_GONE,		/* for certain, or a zombie, or another process */
	ZC_PROC_THERE,		/* that very process */
	ZC_PROC_CLEARED,	/* that process, but it has the pool no longer */
	ZC_PROC_UNKNOWN,	/* cannot be seen from here */
};

static enum zc_proc zc_proc_look(const struct zc_pool *pool,
				 const struct zc_member_record *r)
{
	u32 pid = zc_load_relaxed(&r->pid);
	u64 start = zc_load_relaxed(&r->start_ticks);
	u64 token = zc_load_relaxed(&r->map_token);
	struct zc_proc_stat st;
	bool none;

	if (!pool->pid_ns || zc_load_relaxed(&r->pid_ns) != pool->pid_ns ||
	    !pid || pid > INT32_MAX || !start)
		return ZC_PROC_UNKNOWN;
	if (kill((pid_t)pid, 0) && errno == ESRCH)
		return ZC_PROC_GONE;
	if (!zc_proc_stat(pid, &st))
		return kill((pid_t)pid, 0) && errno == ESRCH ? ZC_PROC_GONE :
							       ZC_PROC_UNKNOWN;
	if (st.start_ticks != start || st.state == 'X')
		return ZC_PROC_GONE;
	/* A first thread that ended is a zombie as long as others live. */
	if (st.state == 'Z')
		return st.threads > 1 ? ZC_PROC_THERE : ZC_PROC_GONE;
	if (zc_proc_maps_pool(pool, pid, token, &none))
		return ZC_PROC_THERE;
	/*
	 * A first thread that ends has no memory before it is a zombie, and starts no
	 * thread any more: as long as others are left we do not know yet.
	 */
	if (none && zc_proc_stat(pid, &st) && st.start_ticks == start && st.threads > 1)
		return ZC_PROC_THERE;
	/* Still that process, or did it end while we read an empty list? */
	return ZC_PROC_CLEARED;
}

bool zc_live_visible(const struct zc_pool *pool, const struct zc_member_record *r)
{
	u32 pid = zc_load_relaxed(&r->pid);
	u64 start = zc_load_relaxed(&r->start_ticks);
	struct zc_proc_stat st;

	return pool->pid_ns && zc_load_relaxed(&r->pid_ns) == pool->pid_ns &&
	       pid && pid <= INT32_MAX && start && zc_proc_stat(pid, &st) &&
	       st.start_ticks == start;
}

/* --- the judgement ---------------------------------------------------------------- */

bool zc_live_proven_dead(struct zc_pool *pool, u32 m, u64 life)
{
	struct zc_member_record *r = &pool->view.members[m];
	u64 now, alive;

	if (zc_life_state(life) != ZC_LIFE_LIVE ||
	    zc_live_locked(pool, m, zc_life_incarnation(life)))
		return false;
	/*
	 * Between its CAS and its record it has no roles, and it lives on only by
	 * a CAS of exactly this word: declaring it dead can do no harm.
	 */
	if (zc_life_member(life) == ZC_MEMBER_JOINING)
		return true;
	switch (zc_proc_look(pool, r)) {
	case ZC_PROC_GONE:
	case ZC_PROC_CLEARED:
		break;
	case ZC_PROC_THERE:
		return false;
	case ZC_PROC_UNKNOWN:
		now = zc_timestamp();
		alive = zc_load_relaxed(&r->alive_ns);
		if (alive >= now || now - alive < ZC_STALE_NS)
			return false;
	}
	/*
	 * Whoever lost his lock takes it again, and says so in /proc all along: but
	 * what we read must have been about this life.
	 */
	return !zc_live_locked(pool, m, zc_life_incarnation(life)) &&
	       zc_load_acquire(&r->life) == life;
}

u32 zc_live_scan(struct zc_pool *pool)
{
	u32 m, declared = 0;

	for (m = 0; m < ZC_MAX_MEMBERS; m++) {
		u64 life = zc_load_acquire(&pool->view.members[m].life);

		if (life == pool->life && m == pool->member)
			continue;
		if (zc_live_proven_dead(pool, m, life) &&
		    zc_member_declare_dead(&pool->view, m, life, zc_timestamp()))
			declared++;
	}
	return declared;
}
