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
#include <sys/eventfd.h>
#include <unistd.h>

#include "role.h"
#include "shm.h"

#define ZC_FEED_SLICE_NS 100000000ULL

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
static bool zc_event_fd_good(const struct zc_reader *r)
{
	return zc_fd_is(r->event_fd, r->event_dev, r->event_ino);
}

/* The same, and told from other eventfds where /proc tells. */
static bool zc_event_fd_same(const struct zc_reader *r)
{
	u64 id = zc_eventfd_id(r->event_fd);

	return zc_event_fd_good(r) && (!id || !r->event_id || id == r->event_id);
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
			if (zc_event_fd_good(r) &&
			    write(r->event_fd, &one, sizeof(one)) < 0 &&
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
		zc_futex_wait((u32 *)&r->writer_area->head, (u32)head, until);
	}
	return NULL;
}

zc_result_t zc_reader_get_fd(zc_reader_t *r, int *out_fd)
{
	sigset_t all, old;
	struct stat st;
	int err;

	if (!r || !out_fd)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "out_fd" : "reader");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	if (r->event_fd < 0) {
		r->event_fd = zc_fd_keep(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
		if (r->event_fd < 0)
			return zc_fail_errno("eventfd");
		if (fstat(r->event_fd, &st)) {
			err = errno;
			close(r->event_fd);
			r->event_fd = -1;
			errno = err;
			return zc_fail_errno("cannot look at an eventfd");
		}
		r->event_dev = st.st_dev;
		r->event_ino = st.st_ino;
		r->event_id = zc_eventfd_id(r->event_fd);
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = pthread_create(&r->fd_thread, NULL, zc_feed, r);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (err) {
			close(r->event_fd);
			r->event_fd = -1;
			errno = err;
			return zc_fail_errno("a thread for the event descriptor");
		}
	}
	if (!zc_event_fd_same(r))
		return zc_fail(ZC_ERROR_SYSTEM, "this program closed the event descriptor of "
			       "a reader, which is the reader's: register another");
	*out_fd = r->event_fd;
	return ZC_OK;
}

void zc_reader_fd_close(struct zc_reader *r)
{
	if (r->event_fd < 0)
		return;
	zc_store_release(&r->fd_stop, 1);
	zc_futex_wake((u32 *)&r->writer_area->head);
	pthread_join(r->fd_thread, NULL);
	if (zc_event_fd_same(r))
		close(r->event_fd);
	r->event_fd = -1;
}
