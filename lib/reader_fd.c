// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * reader_fd.c - a file descriptor for event loops.
 *
 * A thread of this process sleeps on the writer's head and makes an eventfd
 * readable whenever the head has moved past what it told of last.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "role.h"
#include "shm.h"

#define ZC_FEED_SLICE_NS 100000000ULL

/* What tells it from another of that number: all eventfds share the inode. */
struct zc_event_fd {
	int fd;
	u64 dev, ino, id;
	struct zc_event_fd *next;	/* in pool->event_fds */
};

/* Which eventfd it is, as /proc tells; 0: it does not. */
static u64 zc_eventfd_id(int fd)
{
	unsigned long long id = 0;
	char path[48], line[96];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "eventfd-id: %llu", &id) == 1;
	if (f)
		fclose(f);
	return found ? id + 1 : 0;
}

/* The program may have closed it, and have the number again for a file of its own. */
static bool zc_event_fd_good(const struct zc_event_fd *e)
{
	return zc_fd_is(e->fd, e->dev, e->ino);
}

/* The same, and told from other eventfds where /proc tells. */
static bool zc_event_fd_same(const struct zc_event_fd *e)
{
	u64 id = zc_eventfd_id(e->fd);

	return zc_event_fd_good(e) && (!id || !e->id || id == e->id);
}

static zc_result_t zc_event_fd_make(struct zc_event_fd **out)
{
	struct zc_event_fd *e = calloc(1, sizeof(*e));
	struct stat st;
	int err;

	if (!e)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for an event descriptor");
	e->fd = zc_fd_keep(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (e->fd < 0) {
		free(e);
		return zc_fail_errno("eventfd");
	}
	if (fstat(e->fd, &st)) {
		err = errno;
		close(e->fd);
		free(e);
		errno = err;
		return zc_fail_errno("cannot look at an eventfd");
	}
	e->dev = st.st_dev;
	e->ino = st.st_ino;
	e->id = zc_eventfd_id(e->fd);
	*out = e;
	return ZC_OK;
}

static void *zc_feed(void *arg)
{
	struct zc_reader *r = arg;
	u64 told = 0;

	while (!zc_load_acquire(&r->fd_stop)) {
		u64 head = zc_load_acquire(&r->writer_area->head);
		const u64 one = 1;
		u64 until;

		if (head != told &&
		    head > zc_load_relaxed(&r->area->cursor)) {
			told = head;
			if (zc_event_fd_good(r->event) &&
			    write(r->event->fd, &one, sizeof(one)) < 0 &&
			    errno != EAGAIN)
				zc_log(ZC_LOG_WARN, "eventfd: %m");
		}
		/* The next commit is that of sequence @head. */
		zc_store_release(&r->area->feed_ticket, head);
		until = zc_timestamp() + ZC_FEED_SLICE_NS;
		zc_fence_full();	/* [W1] */
		/* [W2] as in zc_writer_unfenced() */
		if (zc_load_acquire(&r->writer_area->unfenced) &&
		    !zc_membarrier())
			until = zc_timestamp() + 1000000;
		zc_futex_wait_bits((u32 *)&r->writer_area->head, (u32)head, 1U << r->id,
				   until);
	}
	return NULL;
}

static zc_result_t zc_feed_begin(struct zc_reader *r)
{
	zc_result_t result = zc_event_fd_make(&r->event);
	sigset_t all, old;
	int err;

	if (result != ZC_OK)
		return result;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&r->fd_thread, NULL, zc_feed, r);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		close(r->event->fd);
		free(r->event);
		r->event = NULL;
		errno = err;
		return zc_fail_errno("a thread for the event descriptor");
	}
	pthread_mutex_lock(&r->pool->lock);
	r->event->next = r->pool->event_fds;
	r->pool->event_fds = r->event;
	pthread_mutex_unlock(&r->pool->lock);
	return ZC_OK;
}

zc_result_t zc_reader_get_fd(zc_reader_t *r, int *out_fd)
{
	zc_result_t result = ZC_OK;

	if (!r || !out_fd)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "out_fd" : "reader");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	if (!r->event)
		result = zc_feed_begin(r);
	if (result != ZC_OK)
		return result;
	if (!zc_event_fd_same(r->event))
		return zc_fail(ZC_ERROR_SYSTEM, "this program closed the event descriptor of "
			       "a reader, which is the reader's: register another");
	*out_fd = r->event->fd;
	return ZC_OK;
}

static void zc_event_fd_close(const struct zc_event_fd *e)
{
	if (zc_event_fd_same(e))
		close(e->fd);
}

void zc_reader_fd_close(struct zc_reader *r)
{
	struct zc_event_fd **at;

	if (!r->event)
		return;
	zc_store_release(&r->fd_stop, 1);
	zc_futex_wake((u32 *)&r->writer_area->head);
	pthread_join(r->fd_thread, NULL);
	pthread_mutex_lock(&r->pool->lock);
	for (at = &r->pool->event_fds; *at && *at != r->event; at = &(*at)->next)
		;
	if (*at)
		*at = r->event->next;
	pthread_mutex_unlock(&r->pool->lock);
	zc_event_fd_close(r->event);
	free(r->event);
	r->event = NULL;
}

void zc_reader_fds_after_fork(struct zc_pool *pool)
{
	const struct zc_event_fd *e;

	for (e = pool->event_fds; e; e = e->next)
		zc_event_fd_close(e);
}
