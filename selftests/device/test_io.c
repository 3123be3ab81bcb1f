/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_io.c - members that die while what they declared is in I/O.
 */
#define _GNU_SOURCE
#include "device.h"

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
	struct d_member m;

	(void)arg;
	d_enter(&m, 0);
	holds_it(&m);
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
		d_child(dies_in_io, NULL);
		life = d_record(&w.m, first.member)->life;
	} while ((life & 0xffff) == ZC_LIFE_REAPING && life >> 32 == first.incarnation);
}

static const struct t_case cases[] = {
	T_CASE(io_of_others_makes_a_death_no_longer),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
