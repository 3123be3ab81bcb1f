// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * background.c - one thread a member: stamps, watches peers, reaps.
 *
 * It sleeps in ppoll() on a pipe (to be stopped) and on a pidfd of each peer
 * whose process can be seen; a peer without a pidfd is asked for its lock.  Who
 * declares a death reaps it at once; the others look again a tick later, and step
 * in where the first one died or stopped.
 *
 * A program may close descriptors behind our back: each is asked whether it still
 * is ours before it is closed or written to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "node.h"
#include "role.h"
#include "shm.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/*
 * A bare ppoll() every 20 ms is 0.1 % of a core in a virtual machine.  Who joined
 * is seen at a tick, and who was seen is watched by pidfd: so often for a while
 * after a change, seldom when nothing happens, and ever more seldom if it does not
 * for long and no hook is to be called.  One of all, the lookout, rests later: who
 * joins and dies soon after is his to see.
 */
#define ZC_BUSY_TICK_NS 2000000ULL
#define ZC_BUSY_NS 200000000ULL
#define ZC_TICK_NS 20000000ULL
#define ZC_TICKING_NS 500000000ULL
#define ZC_IDLE_TICK_NS 50000000ULL
#define ZC_RESTING_NS 1000000000ULL
#define ZC_LOOKOUT_NS 5000000000ULL
#define ZC_REST_TICK_NS 250000000ULL
#define ZC_PROBE_NS 5000000ULL	/* where a peer has to be asked for its lock */
#define ZC_STAMP_NS 100000000ULL
/* Who rests stamps at each of its ticks: some of them may come late. */
#define ZC_SILENT_NS 600000000ULL
#define ZC_FULL_NS 1000000000ULL
#define ZC_SUSPECT_NS 1000000000ULL
#define ZC_PIDFDS_MAX 256U
#define ZC_PROBES 32U		/* locks asked for a tick */
#define ZC_REAP_SLICE 4096U
#define ZC_REAP_PASSES 64U

enum zc_watch_kind {
	ZC_WATCH_NOBODY = 0,
	ZC_WATCH_PIDFD,		/* readable when the process has ended */
	ZC_WATCH_PROBE,		/* ask for the lock now and then */
	ZC_WATCH_ENDED,		/* has ended, its lock is not gone yet */
};

struct zc_watch {
	u64 life;
	int fd;
	u32 pid;
	enum zc_watch_kind kind;
};

struct zc_background {
	pthread_t thread;
	u32 stop;
	int pipe[2];
	u64 pipe_dev, pipe_ino;
	u32 epoch;
	u32 high;		/* members above it were never there */
	u32 pidfds;		/* those in @unclosed among them */
	u32 unclosed_nr;
	u32 probes;		/* watches that are asked */
	u32 next_probe;
	u64 stamped_ns;
	u64 full_ns;
	u64 changed_ns;		/* when the epoch was last seen to have changed */
	u64 progress;
	bool dead_seen;		/* somebody was REAPING at the last tick */
	bool lookout;		/* nobody who lives has a lower number */
	struct zc_reaper reaper;
	struct zc_watch watch[ZC_MAX_MEMBERS];
	struct zc_watch unclosed[ZC_PIDFDS_MAX];	/* pidfds not known to be ours */
	struct pollfd poll[ZC_PIDFDS_MAX + 1];
	u32 polled[ZC_PIDFDS_MAX + 1];
};

/* --- reaping ---------------------------------------------------------------------- */

static void zc_ops_wake(void *ctx, u32 w)
{
	struct zc_pool *pool = ctx;

	/* The low half of head, on a little-endian machine. */
	zc_futex_wake((u32 *)&zc_writer_area(&pool->view, w)->head);
	zc_epoch_bump(pool);
}

static void zc_ops_reaped(void *ctx, u32 m, u32 incarnation)
{
	struct zc_pool *pool = ctx;

	zc_event_emit_death(pool, m, incarnation);
	/* It may have been on duty, and what it had is to be merged. */
	zc_nodes_ring(pool);
	zc_log(ZC_LOG_INFO, "pool %s: what process %u held came back", pool->name,
	       zc_load_relaxed(&pool->view.members[m].pid));
}

static u64 zc_ops_now(void *ctx)
{
	(void)ctx;
	return zc_timestamp();
}

const struct zc_reaper_ops zc_lib_reaper_ops = {
	.wake = zc_ops_wake,
	.reaped = zc_ops_reaped,
	.now_ns = zc_ops_now,
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the futex word is the low half of head");

/* What the dead had may have stayed behind, and is nobody's until that role dies again. */
static void zc_reap_tell_partial(struct zc_pool *pool, struct zc_reaper *reaper)
{
	if (!reaper->partial)
		return;
	zc_log(ZC_LOG_ERROR, "pool %s: a segment's descriptors were written over, so that "
	       "what a dead process had in it may not have come back: see `zerocore pool check`",
	       pool->name);
	reaper->partial = 0;
}

/*
 * Passes until nothing is left, or only what is in quarantine.  @stop: not NULL:
 * give up when it is set.  Returns true: nothing is left.
 */
static bool zc_reap_passes(struct zc_pool *pool, struct zc_reaper *reaper,
			   const u32 *stop)
{
	struct zc_reaper_ops ops = zc_lib_reaper_ops;
	u32 passes = 0;

	ops.ctx = pool;
	while (!zc_reap(&pool->view, reaper, &ops, ZC_REAP_SLICE)) {
		zc_reap_tell_partial(pool, reaper);
		if (stop && zc_load_relaxed(stop))
			return false;
		if (!reaper->walking &&
		    (reaper->waiting || ++passes > ZC_REAP_PASSES))
			return false;
	}
	zc_reap_tell_partial(pool, reaper);
	memset(reaper, 0, sizeof(*reaper));
	return true;
}

void zc_reap_all(struct zc_pool *pool)
{
	struct zc_reaper reaper;

	memset(&reaper, 0, sizeof(reaper));
	zc_reap_passes(pool, &reaper, NULL);
}

/* --- watching --------------------------------------------------------------------- */

/*
 * Closes a pidfd of ours.  All pidfds have one inode; /proc tells them apart, and of a
 * process that is gone says -1.  false: there is no descriptor or memory to look by.
 */
static bool zc_pidfd_close(const struct zc_watch *w)
{
	char path[48], line[96];
	bool ours = false;
	unsigned int pid;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", w->fd);
	f = fopen(path, "re");
	if (!f)
		return errno != EMFILE && errno != ENFILE && errno != ENOMEM;
	while (!ours && fgets(line, sizeof(line), f))
		ours = sscanf(line, "Pid: %u", &pid) == 1 &&
		       (pid == w->pid || pid == ~0U);
	fclose(f);
	if (ours)
		close(w->fd);
	return true;
}

/* Those for which there was no descriptor to look by. */
static void zc_pidfds_close(struct zc_background *b)
{
	while (b->unclosed_nr && zc_pidfd_close(&b->unclosed[b->unclosed_nr - 1])) {
		b->unclosed_nr--;
		b->pidfds--;
	}
}

static void zc_watch_end(struct zc_background *b, struct zc_watch *w)
{
	if (w->kind == ZC_WATCH_PIDFD) {
		if (zc_pidfd_close(w))
			b->pidfds--;
		else
			b->unclosed[b->unclosed_nr++] = *w;
	}
	if (w->kind == ZC_WATCH_PROBE || w->kind == ZC_WATCH_ENDED)
		b->probes--;
	w->kind = ZC_WATCH_NOBODY;
}

static void zc_watch_begin(struct zc_pool *pool, u32 m, u64 life)
{
	struct zc_background *b = pool->background;
	struct zc_member_record *r = &pool->view.members[m];
	struct zc_watch *w = &b->watch[m];

	w->life = life;
	w->pid = zc_load_relaxed(&r->pid);
	w->kind = ZC_WATCH_PROBE;
	if (zc_life_member(life) != ZC_MEMBER_JOINING &&
	    b->pidfds < ZC_PIDFDS_MAX && w->pid != (u32)getpid() &&
	    zc_live_visible(pool, r)) {
		w->fd = zc_fd_keep((int)syscall(SYS_pidfd_open, w->pid, 0));
		/* Looked at once more: is it the one that was opened? */
		if (w->fd >= 0 && zc_live_visible(pool, r)) {
			w->kind = ZC_WATCH_PIDFD;
			b->pidfds++;
			return;
		}
		if (w->fd >= 0)
			close(w->fd);
	}
	b->probes++;
}

/* Declares it dead if that can be proven. */
static bool zc_watch_judge(struct zc_pool *pool, u32 m)
{
	struct zc_watch *w = &pool->background->watch[m];

	if (!zc_live_proven_dead(pool, m, w->life))
		return false;
	if (!zc_member_declare_dead(&pool->view, m, w->life, zc_timestamp()))
		return false;
	zc_log(ZC_LOG_INFO, "pool %s: process %u is dead", pool->name, w->pid);
	return true;
}

/* A live process that shows no sign of life: told once an episode. */
static void zc_suspect(struct zc_pool *pool, u32 m, u64 life, u64 now)
{
	struct zc_member_record *r = &pool->view.members[m];
	u64 alive = zc_load_relaxed(&r->alive_ns);
	u64 told = zc_load_relaxed(&r->suspect_ns);

	if (alive >= now || now - alive < ZC_SUSPECT_NS || told == alive ||
	    !zc_live_locked(pool, m, zc_life_incarnation(life)) ||
	    !zc_cas64(&r->suspect_ns, &told, alive))
		return;
	zc_log(ZC_LOG_WARN, "pool %s: process %u shows no sign of life: is it "
	       "stopped?", pool->name, zc_load_relaxed(&r->pid));
	zc_event_emit(pool, ZC_EVENT_MEMBER_SUSPECT, m, 0, ~0U, ~0U, 0, 0);
}

/*
 * Looks at the members' life words, brings the watches up to date.  Returns true
 * if this call declared somebody dead.
 */
static bool zc_watch_scan(struct zc_pool *pool, u64 now, bool *reaping)
{
	struct zc_background *b = pool->background;
	u32 epoch = zc_load_acquire(&pool->view.header->epoch);
	bool full = epoch != b->epoch || now - b->full_ns >= ZC_FULL_NS;
	u32 m, limit = full ? ZC_MAX_MEMBERS : b->high;
	u32 lowest = ZC_MAX_MEMBERS;
	bool declared = false;

	zc_pidfds_close(b);
	if (epoch != b->epoch)
		b->changed_ns = now;
	if (full) {
		b->epoch = epoch;
		b->full_ns = now;
	}
	for (m = 0; m < limit; m++) {
		u64 life = zc_load_acquire(&pool->view.members[m].life);
		struct zc_watch *w = &b->watch[m];

		if (life && m >= b->high)
			b->high = m + 1;
		if (zc_life_state(life) == ZC_LIFE_LIVE && m < lowest)
			lowest = m;
		if (m == pool->member)
			continue;
		if (w->kind != ZC_WATCH_NOBODY && w->life != life)
			zc_watch_end(b, w);
		if (zc_life_state(life) == ZC_LIFE_REAPING)
			*reaping = true;
		if (zc_life_state(life) != ZC_LIFE_LIVE)
			continue;
		if (w->kind == ZC_WATCH_NOBODY) {
			zc_watch_begin(pool, m, life);
			/* It may have died before there was a pidfd of it. */
			declared |= zc_watch_judge(pool, m);
		}
		/*
		 * A pidfd tells of the end of a process, not of an exec in it:
		 * whose stamps have stopped is asked for its lock.
		 */
		if (w->kind == ZC_WATCH_PIDFD &&
		    now - zc_load_relaxed(&pool->view.members[m].alive_ns) >
			    ZC_SILENT_NS)
			declared |= zc_watch_judge(pool, m);
		zc_suspect(pool, m, life, now);
	}
	b->lookout = lowest == pool->member;
	return declared;
}

/* Asks those without a pidfd, some at a time. */
static bool zc_watch_probe(struct zc_pool *pool)
{
	struct zc_background *b = pool->background;
	bool declared = false;
	u32 asked = 0, i;

	for (i = 0; b->probes && i < b->high && asked < ZC_PROBES; i++) {
		u32 m = b->next_probe++ % b->high;
		struct zc_watch *w = &b->watch[m];

		if (w->kind != ZC_WATCH_PROBE && w->kind != ZC_WATCH_ENDED)
			continue;
		asked++;
		declared |= zc_watch_judge(pool, m);
	}
	return declared;
}

/* Sleeps until a peer ends, somebody stops us, or the time is up. */
static bool zc_watch_sleep(struct zc_pool *pool, u64 now)
{
	struct zc_background *b = pool->background;
	u64 quiet = now - b->changed_ns;
	u64 ns = quiet < ZC_BUSY_NS	? ZC_BUSY_TICK_NS :
		 b->probes		? ZC_PROBE_NS :
		 quiet < ZC_TICKING_NS	? ZC_TICK_NS :
		 quiet < (b->lookout ? ZC_LOOKOUT_NS : ZC_RESTING_NS) ||
		 b->dead_seen || zc_load_relaxed(&pool->hooked) ?
					  ZC_IDLE_TICK_NS :
					  ZC_REST_TICK_NS;
	struct timespec ts = { .tv_nsec = (long)ns };
	bool declared = false;
	u32 m, i, nr = 0;

	if (zc_fd_is(b->pipe[0], b->pipe_dev, b->pipe_ino)) {
		b->poll[nr].fd = b->pipe[0];
		b->poll[nr].events = POLLIN;
		b->polled[nr++] = ZC_MAX_MEMBERS;
	}
	for (m = 0; m < b->high && nr <= ZC_PIDFDS_MAX; m++) {
		if (b->watch[m].kind != ZC_WATCH_PIDFD)
			continue;
		b->poll[nr].fd = b->watch[m].fd;
		b->poll[nr].events = POLLIN;
		b->polled[nr++] = m;
	}
	if (ppoll(b->poll, nr, &ts, NULL) <= 0)
		return false;
	for (i = 0; i < nr; i++) {
		struct zc_watch *w;

		if (!b->poll[i].revents || b->polled[i] == ZC_MAX_MEMBERS)
			continue;
		m = b->polled[i];
		w = &b->watch[m];
		/* Ended, or the descriptor is no longer ours: by lock from now. */
		zc_watch_end(b, w);
		w->kind = ZC_WATCH_ENDED;
		b->probes++;
		declared |= zc_watch_judge(pool, m);
	}
	return declared;
}

/* --- the member itself -------------------------------------------------------------- */

/* What the roles of this member have done so far, as one number. */
u64 zc_progress(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u64 sum = 0;
	u32 w, r;

	for (w = 0; w < ZC_MAX_WRITERS; w++) {
		u64 life = zc_load_relaxed(&v->writer_slots[w].life);
		u32 readers = zc_mask_bits(
			zc_load_relaxed(&v->writer_slots[w].active));

		if (zc_life_state(life) == ZC_LIFE_LIVE &&
		    zc_life_member(life) == pool->member) {
			struct zc_writer_area *a = zc_writer_area(v, w);

			sum += zc_load_relaxed(&a->head) +
			       zc_load_relaxed(&a->stat_acquired);
		}
		for (r = 0; r < ZC_MAX_READERS_PER && readers >> r; r++) {
			life = zc_load_relaxed(&zc_reader_slot(v, w, r)->life);
			if (readers >> r & 1 &&
			    zc_life_state(life) == ZC_LIFE_LIVE &&
			    zc_life_member(life) == pool->member)
				sum += zc_load_relaxed(
					&zc_reader_area(v, w, r)->cursor);
		}
	}
	return sum;
}

/* A writer counts by itself; whoever looks at it from outside finds this. */
void zc_publish_bytes(struct zc_pool *pool)
{
	struct zc_writer *w;

	pthread_mutex_lock(&pool->lock);
	for (w = pool->writers; w; w = w->next)
		zc_store_relaxed(&w->area->stat_bytes,
				 zc_load_relaxed(&w->stat_bytes));
	pthread_mutex_unlock(&pool->lock);
}

static void zc_stamp(struct zc_pool *pool, u64 now)
{
	struct zc_background *b = pool->background;
	struct zc_member_record *r = &pool->view.members[pool->member];
	u64 progress;

	if (now - b->stamped_ns < ZC_STAMP_NS)
		return;
	b->stamped_ns = now;
	zc_member_mend(pool);
	zc_store_relaxed(&r->alive_ns, now);
	zc_publish_bytes(pool);
	progress = zc_progress(pool);
	if (progress != b->progress) {
		b->progress = progress;
		zc_store_relaxed(&r->progress_ns, now);
	}
	zc_live_keep(pool);
}

/*
 * A program that polls with real-time priority would never let us run on its
 * processor, and a death would go unseen until the kernel throttles it.  We are
 * awake for some microseconds at a time.
 */
static void zc_outrank(void)
{
	struct sched_param param;
	int policy;

	if (pthread_getschedparam(pthread_self(), &policy, &param) ||
	    (policy != SCHED_FIFO && policy != SCHED_RR) ||
	    param.sched_priority >= sched_get_priority_max(policy))
		return;
	param.sched_priority++;
	pthread_setschedparam(pthread_self(), policy, &param);
}

bool zc_background_stopping(const struct zc_pool *pool)
{
	return zc_load_acquire(&pool->background->stop);
}

int zc_background_fd(const struct zc_pool *pool)
{
	const struct zc_background *b = pool->background;

	return zc_fd_is(b->pipe[0], b->pipe_dev, b->pipe_ino) ? b->pipe[0] : -1;
}

static void *zc_background_main(void *arg)
{
	struct zc_pool *pool = arg;

	zc_thread_of = pool;
	pthread_setname_np(pthread_self(), "zc-bg");
	zc_outrank();
	pool->backend->watch(pool);
	return NULL;
}

void zc_shm_watch(struct zc_pool *pool)
{
	struct zc_background *b = pool->background;
	u64 *life = &pool->view.members[pool->member].life;
	bool declared = false;

	while (!zc_background_stopping(pool)) {
		u64 now = zc_timestamp();
		bool reaping = false;

		if (zc_load_acquire(life) != pool->life) {
			if (!zc_load_relaxed(&pool->evicted))
				zc_log(ZC_LOG_ERROR, "pool %s: the peers took this "
				       "process for dead; close the pool and open "
				       "it again", pool->name);
			/* At each tick: a role may just be registering. */
			zc_roles_evict(pool);
			declared = zc_watch_sleep(pool, now);
			continue;
		}
		zc_stamp(pool, now);
		zc_hook_tick(pool, true);
		declared |= zc_watch_scan(pool, now, &reaping);
		declared |= zc_watch_probe(pool);
		zc_pool_meet_new(pool);
		/*
		 * Whoever declared a death reaps it now.  The others give him a
		 * tick, so that not all of them walk through the pool at once.
		 */
		if (declared || (reaping && b->dead_seen))
			reaping = !zc_reap_passes(pool, &b->reaper, &b->stop);
		b->dead_seen = reaping;
		zc_shm_segments_bury(pool);
		declared = zc_watch_sleep(pool, now);
	}
}

zc_result_t zc_background_start(struct zc_pool *pool)
{
	struct zc_background *b = calloc(1, sizeof(*b));
	struct stat st;
	sigset_t all, old;
	int error;

	if (!b)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a thread");
	if (pipe2(b->pipe, O_CLOEXEC | O_NONBLOCK)) {
		free(b);
		return zc_fail_errno("cannot make a pipe");
	}
	b->pipe[0] = zc_fd_keep(b->pipe[0]);
	b->pipe[1] = zc_fd_keep(b->pipe[1]);
	if (fstat(b->pipe[0], &st)) {
		error = errno;
		close(b->pipe[0]);
		close(b->pipe[1]);
		free(b);
		errno = error;
		return zc_fail_errno("cannot look at a pipe");
	}
	b->pipe_dev = st.st_dev;
	b->pipe_ino = st.st_ino;
	pool->background = b;
	/* The program's signals are for its own threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&b->thread, NULL, zc_background_main, pool);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!error)
		return ZC_OK;
	close(b->pipe[0]);
	close(b->pipe[1]);
	free(b);
	pool->background = NULL;
	errno = error;
	return zc_fail_errno("cannot start a thread");
}

void zc_background_join(struct zc_pool *pool)
{
	struct zc_background *b = pool->background;

	if (!b || b->stop)
		return;
	zc_store_release(&b->stop, 1);
	/* If the program has closed the pipe, the end of the tick stops it. */
	if (zc_fd_is(b->pipe[1], b->pipe_dev, b->pipe_ino) &&
	    write(b->pipe[1], "", 1) < 0)
		zc_log(ZC_LOG_DEBUG, "background thread: pipe is full");
	pthread_join(b->thread, NULL);
}

/* The pipe first: then there are descriptors to look at the others by. */
static void zc_background_close(struct zc_background *b)
{
	u32 m;

	zc_fd_close(&b->pipe[0], b->pipe_dev, b->pipe_ino);
	zc_fd_close(&b->pipe[1], b->pipe_dev, b->pipe_ino);
	zc_pidfds_close(b);
	for (m = 0; m < ZC_MAX_MEMBERS; m++)
		zc_watch_end(b, &b->watch[m]);
}

/* The thread is not here; the parent's descriptors are. */
void zc_background_after_fork(struct zc_pool *pool)
{
	if (pool->background)
		zc_background_close(pool->background);
}

void zc_background_stop(struct zc_pool *pool)
{
	struct zc_background *b = pool->background;

	if (!b)
		return;
	zc_background_join(pool);
	zc_background_close(b);
	free(b);
	pool->background = NULL;
}
