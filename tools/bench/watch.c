/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * watch.c - epoll(7) over a process's readers.
 */
#include "watch.h"
#include "worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 64 };

struct watch {
	int fd;
};

void *watch_new(void *const *in, uint32_t nr, int (*fd_of)(void *end))
{
	struct watch *watch = malloc(sizeof(*watch));

	if (watch == NULL)
		worker_fail("no memory");
	watch->fd = epoll_create1(EPOLL_CLOEXEC);
	for (uint32_t i = 0; i < nr; i++) {
		struct epoll_event event = { .events = EPOLLIN,
					     .data.u32 = i };

		if (epoll_ctl(watch->fd, EPOLL_CTL_ADD, fd_of(in[i]), &event))
			worker_fail("epoll_ctl: %s", strerror(errno));
	}
	return watch;
}

uint32_t watch_await(void *watch, uint32_t *ready, uint32_t max)
{
	struct watch *w = watch;
	struct epoll_event event[EVENTS];
	int nr = epoll_wait(w->fd, event, max < EVENTS ? (int)max : EVENTS, -1);

	if (nr < 0 && errno != EINTR)
		worker_fail("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < nr; i++)
		ready[i] = event[i].data.u32;
	return nr < 0 ? 0 : (uint32_t)nr;
}
