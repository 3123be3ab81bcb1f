/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_events.c - read() and poll() on a pool's descriptor; notify.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "device.h"

static int ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void drain(int fd)
{
	struct zc_device_event event;

	while (ready(fd, POLLIN) & POLLIN)
		CHECK(read(fd, &event, sizeof(event)) == sizeof(event));
}

/* No heartbeat is seen here: that a member is silent is told once, and now. */
static void alone(struct d_member *m)
{
	d_join(m, d_create(), ZC_JOIN_WRITE);
	d_event(m->fd, ZC_DEVICE_EVENT_MEMBER_SUSPECT);
}

static void events_are_whole_records(void)
{
	struct zc_device_event events[8];
	void *volatile nowhere = NULL;
	struct d_member m;
	char small[sizeof(events[0]) - 1];

	alone(&m);
	CHECK_EQ(fcntl(m.fd, F_SETFL, O_NONBLOCK), 0);
	CHECK(read(m.fd, events, sizeof(events)) < 0 && errno == EAGAIN);
	d_writer(&m, "x");	/* service added, writer joined */
	CHECK(read(m.fd, small, sizeof(small)) < 0 && errno == EINVAL);
	CHECK(read(m.fd, nowhere, sizeof(events)) < 0 &&
	      errno == EFAULT);
	d_reader(&m, "x", 0);
	/* One was lost to the bad address, and is told of. */
	CHECK_EQ(read(m.fd, events, sizeof(events)), 3 * sizeof(events[0]));
	CHECK_EQ(events[0].type, ZC_DEVICE_EVENT_OVERFLOW);
	CHECK_EQ(events[0].blocks, 1);
	CHECK_EQ(events[1].type, ZC_DEVICE_EVENT_WRITER_JOINED);
	CHECK_EQ(events[2].type, ZC_DEVICE_EVENT_READER_JOINED);
	CHECK_OP(events[2].time_ns, >=, events[1].time_ns);
	/* Part of a record is none. */
	d_reader(&m, "x", 0);
	d_reader(&m, "x", 0);
	CHECK_EQ(read(m.fd, events, 2 * sizeof(events[0]) - 1),
		 sizeof(events[0]));
	CHECK_EQ(read(m.fd, events, sizeof(events)), sizeof(events[0]));
	CHECK(ready(m.fd, POLLIN) == 0);
}

static void events_that_were_missed_are_counted(void)
{
	struct zc_device_event event;
	uint64_t told = 0, lost = 0;
	struct d_member m;

	alone(&m);
	d_writer(&m, "x");
	for (int i = 0; i < 200; i++) {
		struct zc_ioc_reader r = d_reader(&m, "x", 0);

		CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &r, 0);
	}
	while (ready(m.fd, POLLIN) & POLLIN) {
		CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
		if (event.type == ZC_DEVICE_EVENT_OVERFLOW)
			lost += event.blocks;
		else
			told++;
	}
	CHECK_EQ(told, ZC_DEVICE_EVENTS);
	CHECK_EQ(told + lost, 402);
}

static void waits_for_an_event(void *arg)
{
	struct zc_device_event event;
	struct d_member m;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, 0);
	drain(m.fd);
	t_say(t_parent(), "ready");
	/* On a slow machine it is first told of members that are silent. */
	do
		CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
	while (event.type == ZC_DEVICE_EVENT_MEMBER_SUSPECT);
	CHECK_EQ(event.type, ZC_DEVICE_EVENT_SERVICE_ADDED);
	t_say(t_parent(), "told");
}

static void events_wake_who_waits(void)
{
	struct t_peer *peer = t_spawn("waiter", waits_for_an_event, NULL);
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	t_say(peer, "go");
	t_hear(peer, "ready");
	T_UNTIL(t_asleep(peer));
	d_writer(&m, "x");
	t_hear(peer, "told");
	t_join(peer);
}

static void hears_a_signal(int signal)
{
	(void)signal;
}

static void waits_for_nothing(void *arg)
{
	struct sigaction action = { .sa_handler = hears_a_signal };
	struct zc_device_event event;
	struct d_member m;
	ssize_t n;

	(void)arg;
	t_hear(t_parent(), "go");
	CHECK(!sigaction(SIGUSR1, &action, NULL));
	d_enter(&m, 0);
	drain(m.fd);
	t_say(t_parent(), "ready");
	while ((n = read(m.fd, &event, sizeof(event))) > 0)
		CHECK_EQ(n, sizeof(event));
	CHECK(n < 0 && errno == EINTR);
	t_say(t_parent(), "told");
}

static void events_are_waited_for_until_a_signal(void)
{
	struct t_peer *peer = t_spawn("waiter", waits_for_nothing, NULL);
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	t_say(peer, "go");
	t_hear(peer, "ready");
	/* It may just be told to be silent: then it does not wait, and is not woken. */
	T_UNTIL(!kill(peer->pid, SIGUSR1) && t_can_hear(peer));
	t_hear(peer, "told");
	t_join(peer);
}

static void *leaves(void *arg)
{
	struct d_member *m = arg;

	t_hear(t_parent(), "leave");
	CHECK_CALL(m->fd, ZC_IOC_LEAVE, NULL, 0);
	return NULL;
}

static void waits_for_the_end(void *arg)
{
	struct zc_device_event event;
	unsigned int told = 0;
	struct d_member m;
	pthread_t thread;
	ssize_t n;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, 0);
	CHECK(!pthread_create(&thread, NULL, leaves, &m));
	drain(m.fd);
	t_say(t_parent(), "ready");
	/* All that there is, and then the end, not a wait without one. */
	while ((n = read(m.fd, &event, sizeof(event))) > 0) {
		CHECK_EQ(n, sizeof(event));
		told++;
	}
	/* Told just then that somebody is silent, it reads again when it has left. */
	CHECK(n == 0 || (told && n < 0 && errno == EPERM));
	CHECK(!pthread_join(thread, NULL));
	CHECK(read(m.fd, &event, sizeof(event)) < 0 && errno == EPERM);
}

static void events_end_with_the_membership(void)
{
	struct t_peer *peer = t_spawn("waiter", waits_for_the_end, NULL);
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	t_say(peer, "go");
	t_hear(peer, "ready");
	T_UNTIL(t_asleep(peer));
	t_say(peer, "leave");
	t_join(peer);
}

/* What is told of lost events is lost by a bad address, and told with those after it. */
static void events_lost_to_a_bad_address(void)
{
	struct zc_device_event *events = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *volatile nowhere = NULL;
	struct zc_device_event *last;
	struct d_member m;

	CHECK(events != MAP_FAILED);
	CHECK(!mprotect((char *)events + 4096, 4096, PROT_NONE));
	last = (struct zc_device_event *)(void *)((char *)events + 4096) - 1;
	alone(&m);
	d_writer(&m, "x");
	d_reader(&m, "x", 0);
	d_reader(&m, "x", 0);
	/* The first comes through, and the second has no room: one is lost. */
	CHECK_EQ(read(m.fd, last, 2 * sizeof(*last)), sizeof(*last));
	CHECK_EQ(last->type, ZC_DEVICE_EVENT_SERVICE_ADDED);
	CHECK(read(m.fd, nowhere, sizeof(*last)) < 0 && errno == EFAULT);
	CHECK(read(m.fd, nowhere, sizeof(*last)) < 0 && errno == EFAULT);
	CHECK_EQ(read(m.fd, events, 4096), 3 * sizeof(*events));
	CHECK_EQ(events[0].type, ZC_DEVICE_EVENT_OVERFLOW);
	CHECK_EQ(events[0].blocks, 1);
	CHECK_EQ(events[1].type, ZC_DEVICE_EVENT_READER_JOINED);
	CHECK_EQ(events[2].type, ZC_DEVICE_EVENT_READER_JOINED);
	munmap(events, 2 * 4096);
}

static void comes_and_goes(struct d_member *m, unsigned int times)
{
	while (times--) {
		struct zc_ioc_reader reader = d_reader(m, "x", 0);

		CHECK_CALL(m->fd, ZC_IOC_READER_LEAVE, &reader, 0);
	}
}

static void is_a_member(void *arg)
{
	struct d_member m;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, ZC_JOIN_WRITE);
	t_say_number(t_parent(), "member", m.index);
	pause();
}

/* Who may only read fills no queue, so that what else happens has room there. */
static void events_of_readers_leave_room(void)
{
	struct t_peer *peer = t_spawn("victim", is_a_member, NULL);
	unsigned int died = 0, told = 0;
	struct zc_device_event event;
	struct zc_ioc_stat stat;
	uint64_t victim;
	struct d_member m, n;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, 0);
	t_say(peer, "go");
	victim = t_hear_number(peer, "member");
	comes_and_goes(&n, ZC_DEVICE_EVENTS);
	t_kill(peer);
	T_UNTIL(!d_call(m.fd, ZC_IOC_STAT, &stat) && stat.deaths == 1 && !stat.reaping);
	comes_and_goes(&n, ZC_DEVICE_EVENTS);
	CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
	CHECK_EQ(event.type, ZC_DEVICE_EVENT_OVERFLOW);
	CHECK_OP(event.blocks, >=, 3 * ZC_DEVICE_EVENTS);
	while (ready(m.fd, POLLIN) & POLLIN) {
		CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
		if (event.type == ZC_DEVICE_EVENT_MEMBER_DIED) {
			CHECK_EQ(event.member, victim);
			died++;
		}
		told += event.type == ZC_DEVICE_EVENT_READER_JOINED ||
			event.type == ZC_DEVICE_EVENT_READER_LEFT;
	}
	CHECK_EQ(died, 1);
	/* Those that were told are the first. */
	CHECK_OP(told, >, ZC_DEVICE_EVENTS / 4);
	CHECK_OP(told, <=, ZC_DEVICE_EVENTS / 2);
}

/* An epoll set keeps looking at a descriptor whose member has left. */
static void events_of_a_member_that_left(void)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLPRI };
	int set = epoll_create1(EPOLL_CLOEXEC);
	struct d_member m, n;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, 0);
	CHECK(!epoll_ctl(set, EPOLL_CTL_ADD, n.fd, &e));
	CHECK_CALL(n.fd, ZC_IOC_LEAVE, NULL, 0);
	munmap(n.lease, 4096);
	d_writer(&m, "x");
	CHECK_EQ(epoll_wait(set, &e, 1, 0), 1);
	CHECK(e.events & EPOLLERR);
	close(n.fd);
	d_writer(&m, "y");
	CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
	close(set);
}

static void events_notify(void)
{
	struct zc_ioc_notify notify = { .flags = ZC_NOTIFY_MESSAGES };
	struct zc_device_event event;
	struct zc_ioc_writer writer;
	struct zc_ioc_reader reader;
	struct d_member m, n;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, 0);
	writer = d_writer(&m, "x");
	reader = d_reader(&n, "x", 0);
	notify.service = writer.service;
	CHECK(!(ready(n.fd, POLLPRI) & POLLPRI));
	CHECK_CALL(n.fd, ZC_IOC_NOTIFY, &notify, EPERM);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	CHECK(ready(n.fd, POLLPRI) & POLLPRI);
	CHECK(!(ready(m.fd, POLLPRI) & POLLPRI));
	CHECK_CALL(n.fd, ZC_IOC_NOTIFIED, NULL, 0);
	CHECK(!(ready(n.fd, POLLPRI) & POLLPRI));
	notify.flags = ZC_NOTIFY_DISCONNECTED;
	notify.reader = reader.reader;
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	event = d_event(n.fd, ZC_DEVICE_EVENT_READER_DISCONNECTED);
	CHECK_EQ(event.reader, reader.reader);
	CHECK_EQ(event.member, n.index);
	/* Nobody is there whom that could be told of. */
	notify.reader = reader.reader + 1;
	drain(m.fd);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	while (ready(m.fd, POLLIN) & POLLIN) {
		CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
		CHECK_OP(event.type, !=, ZC_DEVICE_EVENT_READER_DISCONNECTED);
	}
	/* Who closed his descriptor, and stays by his mappings, is no hindrance to others. */
	close(n.fd);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_MESSAGES,
					 .service = writer.service };
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	reader = d_reader(&m, "x", 0);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	CHECK(ready(m.fd, POLLPRI) & POLLPRI);
	/* Nor is a place that nobody has before one that somebody has. */
	d_reader(&m, "x", 0);
	CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &reader, 0);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFIED, NULL, 0);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	CHECK(ready(m.fd, POLLPRI) & POLLPRI);
}

/* Whoever may read may tell; of each message once, and not of too many. */
static void events_of_corrupt_messages(void)
{
	struct zc_ioc_notify notify = { .flags = ZC_NOTIFY_CORRUPTED, .fault = 3,
					.sequence = 77, .suspect = 2 };
	struct zc_device_event event;
	struct zc_ioc_writer writer;
	struct d_member m, n;
	unsigned int told = 0;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, 0);
	notify.service = ZC_MAX_WRITERS - 1;
	CHECK_CALL(n.fd, ZC_IOC_NOTIFY, &notify, ENOENT);
	writer = d_writer(&m, "x");
	notify.service = writer.service;
	drain(m.fd);
	CHECK_CALL(n.fd, ZC_IOC_NOTIFY, &notify, 0);
	event = d_event(m.fd, ZC_DEVICE_EVENT_BLOCK_CORRUPTED);
	CHECK_EQ(event.service, writer.service);
	CHECK_EQ(event.member, m.index);
	CHECK_EQ(event.sequence, 77);
	CHECK_EQ(event.fault, 3);
	CHECK_EQ(event.suspect, 2);
	CHECK(event.pid && event.incarnation && event.comm[0]);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	/* On a slow machine it is told meanwhile of members that are silent. */
	while (ready(m.fd, POLLIN) & POLLIN) {
		CHECK(read(m.fd, &event, sizeof(event)) == sizeof(event));
		CHECK(event.type != ZC_DEVICE_EVENT_BLOCK_CORRUPTED);
	}
	/* Nobody fills the queues of the others; a second may pass meanwhile. */
	for (unsigned int i = 0; i < 2000; i++) {
		int error;

		notify.sequence = 100 + i;
		error = ioctl(n.fd, ZC_IOC_NOTIFY, &notify) ? errno : 0;
		CHECK(error == 0 || error == EBUSY);
		told += error == 0;
	}
	CHECK_OP(told, >=, ZC_NOTIFY_CORRUPTED_MAX - 1);
	CHECK_OP(told, <, 1000);
	/* That one was busy says nothing of the other. */
	notify.sequence = 9999;
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	/* Nobody writes there now: nobody is named. */
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
	drain(n.fd);
	notify.sequence = 99999;
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, 0);
	event = d_event(n.fd, ZC_DEVICE_EVENT_BLOCK_CORRUPTED);
	CHECK_EQ(event.sequence, 99999);
	CHECK_EQ(event.member, ~0U);
	CHECK_EQ(event.pid, 0);
}

static const struct t_case cases[] = {
	T_CASE(events_are_whole_records),
	T_CASE(events_that_were_missed_are_counted),
	T_CASE(events_wake_who_waits),
	T_CASE(events_are_waited_for_until_a_signal),
	T_CASE(events_end_with_the_membership),
	T_CASE(events_lost_to_a_bad_address),
	T_CASE(events_of_readers_leave_room),
	T_CASE(events_of_a_member_that_left),
	T_CASE(events_notify),
	T_CASE(events_of_corrupt_messages),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
