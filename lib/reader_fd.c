// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * reader_fd.c - a file descriptor for event loops.
 *
 * A thread of this process sleeps on the writer's head and makes an eventfd
 * readable whenever the head has moved past what it told of last.
 */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "role.h"

#define ZC_FEED_SLICE_NS 100000000ULL

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
			if (write(r->event_fd, &one, sizeof(one)) < 0 &&
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
	int err;

	if (!r || !out_fd)
		return zc_fail(ZC_ERROR_INVALID, "%s is NULL",
			       r ? "out_fd" : "reader");
	if (!zc_role_usable(r->alive, &r->closed))
		return zc_role_fail(r->pool, r->alive);
	if (r->event_fd < 0) {
		r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (r->event_fd < 0)
			return zc_fail_errno("eventfd");
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
	close(r->event_fd);
	r->event_fd = -1;
}
