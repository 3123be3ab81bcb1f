/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_io.c - members that die while what they declared is in I/O, or looks like it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "device.h"

/* So many references make a small page look pinned, as far as the kernel can tell. */
#define REFERENCES 1200
#define PIPE_BYTES (1 << 20)

struct world {
	struct d_member m;
	struct zc_ioc_writer writer;
};

/* The message in the first granule is the first of its topic. */
static void world_init(struct world *w)
{
	struct zc_writer_area *area;
	struct zc_ring_entry *ring;
	struct zc_block_desc *d;

	d_join(&w->m, d_create(), ZC_JOIN_WRITE);
	w->writer = d_writer(&w->m, "source");
	d = d_descs(&w->m);
	area = (struct zc_writer_area *)(w->m.writers + w->m.g.off_writer_areas -
					 w->m.g.off_hints +
					 w->writer.service * w->m.g.writer_area_bytes);
	ring = (struct zc_ring_entry *)(area + 1);
	d->writer = w->writer.service;
	d->sequence = 1;
	d->word = (d->word & ~0xffULL) | ZC_STATE_USING |
		  (ZC_OWNER_WRITER(w->writer.service) << ZC_WORD_OWNER_SHIFT);
	ring[1].run = d->word >> ZC_WORD_GENERATION_SHIFT;
	ring[1].place = 1;
	__atomic_store_n(&area->head, 2, __ATOMIC_RELEASE);
}

/* A reader that holds it and has declared it to be in I/O. */
static void holds_it(struct d_member *m)
{
	struct zc_ioc_reader reader = d_reader(m, "source", 0);
	struct zc_reader_area *area = d_reader_region(m, &reader,
						      PROT_READ | PROT_WRITE);

	CHECK(area != MAP_FAILED);
	area->incarnation = reader.incarnation;
	area->io_nr = 1;
	__atomic_store_n(&area->hold[0], 1, __ATOMIC_RELEASE);
}

static void dies_in_io(void *arg)
{
	struct zc_ioc_reader reader = { .flags = 0 };
	struct d_member m;
	int error;

	d_enter(&m, 0);
	if (arg) {
		d_service(reader.name, "source");
		error = d_call(m.fd, ZC_IOC_READER_JOIN, &reader);
		if (error == EAGAIN)
			return;
		CHECK_EQ(error, 0);
		CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &reader, 0);
	}
	holds_it(&m);
}

/* Makes the page of the message look pinned. */
static void looks_pinned(struct world *w)
{
	struct iovec one = { .iov_base = d_data(&w->m, 0, PROT_READ), .iov_len = 1 };
	int pipes[REFERENCES / 200][2], done = 0;

	CHECK(*(volatile char *)one.iov_base == 0);
	for (unsigned int i = 0; i < REFERENCES / 200; i++) {
		CHECK(!pipe(pipes[i]));
		CHECK(fcntl(pipes[i][1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
		for (unsigned int k = 0; k < 200; k++)
			done += vmsplice(pipes[i][1], &one, 1, 0) == 1;
	}
	CHECK_EQ(done, REFERENCES);
}

static uint32_t reaping(struct d_member *m)
{
	struct zc_ioc_stat stat;

	CHECK_CALL(m->fd, ZC_IOC_STAT, &stat, 0);
	return stat.reaping;
}

/* Before 6.5 I/O is waited for by time: since that death, not since another's. */
static void io_of_others_makes_a_death_no_longer(void)
{
	struct zc_device_event first;
	uint64_t life;
	struct world w;

	world_init(&w);
	d_child(dies_in_io, NULL);
	do
		first = d_event(w.m.fd, ZC_DEVICE_EVENT_MEMBER_JOINED);
	while (first.member == w.m.index);
	do {
		/* There may be no place left but those of the dead. */
		d_child(dies_in_io, &w);
		life = d_record(&w.m, first.member)->life;
	} while ((life & 0xffff) == ZC_LIFE_REAPING && life >> 32 == first.incarnation);
}

static struct {
	int fd;
	pid_t tid;
} waiter;

static void *waits_for_events(void *arg)
{
	struct zc_device_event event;
	ssize_t got;

	(void)arg;
	__atomic_store_n(&waiter.tid, gettid(), __ATOMIC_RELEASE);
	/* One at a time: all but the last call have something to read. */
	do
		got = read(waiter.fd, &event, sizeof(event));
	while (got == sizeof(event));
	return (void *)got;
}

/* In read(), of all events: there is nothing else that it sleeps for. */
static bool waiter_sleeps(void)
{
	pid_t tid = __atomic_load_n(&waiter.tid, __ATOMIC_ACQUIRE);
	struct pollfd events = { .fd = waiter.fd, .events = POLLIN };
	char path[64], state = 0;
	FILE *file;

	if (!tid || poll(&events, 1, 0))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	file = fopen(path, "re");
	CHECK(file && fscanf(file, "%*d %*s %c", &state) == 1);
	fclose(file);
	return state == 'S';
}

/* A member whose pages look pinned for ever: nobody waits for ever. */
static void io_that_only_seems_to_go_on_ends(void)
{
	struct d_member dying;
	pthread_t thread;
	struct world w;
	void *got;

	world_init(&w);
	looks_pinned(&w);
	d_enter(&dying, 0);
	holds_it(&dying);
	waiter.fd = dying.fd;
	CHECK(!pthread_create(&thread, NULL, waits_for_events, NULL));
	T_UNTIL(waiter_sleeps());
	munmap(dying.lease, 4096);
	/* Not even its own reader of events, for which there are no more. */
	CHECK(!pthread_join(thread, &got));
	CHECK(got == NULL || got == (void *)-1);
	CHECK_EQ(reaping(&w.m), 1);
	CHECK_EQ(d_event(w.m.fd, ZC_DEVICE_EVENT_MEMBER_DIED).member, dying.index);
	CHECK_EQ(reaping(&w.m), 0);
}

static const struct t_case cases[] = {
	T_CASE(io_of_others_makes_a_death_no_longer),
	T_CASE(io_that_only_seems_to_go_on_ends),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
