/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_segments.c - segments that come and go while others do what they should not,
 * or look on.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>

#include "device.h"

#define SEGMENT (64ULL << 10)

/* A pool of two segments, and its first member. */
static void two_segments(struct d_member *m, struct zc_ioc_create *arg)
{
	struct zc_ioc_segment segment = { .segment = 0 };

	arg->bytes = arg->segment_bytes;
	arg->max_segments = 2;
	d_join(m, d_create_with(arg), ZC_JOIN_WRITE);
	CHECK_CALL(m->fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	CHECK_EQ(segment.segment, 1);
}

static int remove_second(struct d_member *m)
{
	struct zc_ioc_segment segment = { .segment = 1 };

	return d_call(m->fd, ZC_IOC_SEGMENT_REMOVE, &segment);
}

static int add_second(struct d_member *m)
{
	struct zc_ioc_segment segment = { .segment = 0 };

	return d_call(m->fd, ZC_IOC_SEGMENT_ADD, &segment);
}

/* --- who holds what is in the way ------------------------------------------------------ */

/* The segment's first run is an orphan, published by @service as @sequence. */
static void orphan_at(struct d_member *m, uint32_t service, uint64_t sequence)
{
	struct zc_block_desc *d = &d_descs(m)[m->g.segment_granules];

	d->writer = service;
	d->sequence = sequence;
	d->flags = 0;
	__atomic_store_n(&d->word, 1ULL << ZC_WORD_GENERATION_SHIFT |
				   (uint64_t)(m->g.segment_granules / ZC_STRIPES - 1)
					   << ZC_WORD_LENGTH_SHIFT |
				   ZC_OWNER_ORPHAN << ZC_WORD_OWNER_SHIFT |
				   ZC_STATE_CLEAN, __ATOMIC_RELEASE);
}

static struct zc_reader_area *region_of(struct d_member *m,
					const struct zc_ioc_reader *r)
{
	struct zc_reader_area *area = d_reader_region(m, r, PROT_READ | PROT_WRITE);

	CHECK(area != MAP_FAILED);
	/* As many words to look through as there can be. */
	area->overflow_high = ~0U;
	return area;
}

struct leaver {
	struct d_member *m;
	bool stop;
};

/* Comes and goes, and each time its region with it. */
static void *comes_and_goes(void *arg)
{
	struct leaver *l = arg;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		struct zc_ioc_reader r = d_reader(l->m, "held", 0);

		CHECK_EQ(r.reader, 0);
		munmap(region_of(l->m, &r), l->m->g.reader_area_bytes);
		CHECK_CALL(l->m->fd, ZC_IOC_READER_LEAVE, &r, 0);
	}
	return NULL;
}

/* Regions of readers that leave are not looked at any more. */
static void segment_is_removed_while_readers_leave(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct zc_ioc_reader leaves, holds;
	struct leaver l = { 0 };
	struct zc_reader_area *area;
	struct zc_ioc_writer w;
	struct d_member m;
	pthread_t thread;

	arg.segment_bytes = SEGMENT;
	arg.max_holds = 65536;
	two_segments(&m, &arg);
	w = d_writer(&m, "held");
	leaves = d_reader(&m, "held", 0);
	holds = d_reader(&m, "held", 0);
	CHECK_EQ(holds.reader, 1);
	CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &leaves, 0);
	area = region_of(&m, &holds);
	orphan_at(&m, w.service, 7);
	area->hold[0] = 7;
	l.m = &m;
	CHECK(!pthread_create(&thread, NULL, comes_and_goes, &l));
	for (int i = 0; i < 200; i++)
		CHECK_EQ(remove_second(&m), EBUSY);
	__atomic_store_n(&l.stop, true, __ATOMIC_RELEASE);
	CHECK(!pthread_join(thread, NULL));
	/* It lets go: whoever looks next ends the orphan. */
	area->hold[0] = 0;
	CHECK_EQ(remove_second(&m), 0);
	CHECK_EQ(add_second(&m), 0);
	d_leave(&m);
}

/* --- who may only read ------------------------------------------------------------------ */

#define ROUNDS 40

/* Takes the second segment's memory and gives it back, many times. */
static void *removes_and_adds(void *arg)
{
	struct leaver *l = arg;

	for (int i = 0; i < ROUNDS; i++) {
		CHECK_EQ(remove_second(l->m), 0);
		CHECK_EQ(add_second(l->m), 0);
	}
	__atomic_store_n(&l->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* remap_file_pages(), which does not ask the module, maps nothing anew. */
static void segment_that_goes_is_never_writable_for_readers(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct leaver l = { 0 };
	struct d_member m, n;
	pthread_t thread;
	char *data;

	arg.segment_bytes = 8 << 20;
	two_segments(&m, &arg);
	d_enter(&n, 0);
	data = d_data(&n, 1, PROT_READ);
	l.m = &m;
	CHECK(!pthread_create(&thread, NULL, removes_and_adds, &l));
	do {
		CHECK(remap_file_pages(data, 4096, 0, 0, 0) < 0);
		CHECK_EQ(errno, ENODEV);
		CHECK(mprotect(data, 4096, PROT_READ | PROT_WRITE) < 0);
		CHECK_EQ(errno, EACCES);
	} while (!__atomic_load_n(&l.stop, __ATOMIC_ACQUIRE));
	CHECK(!pthread_join(thread, NULL));
	d_leave(&n);
	d_leave(&m);
}

/* Fewer than the mappings that a process may have, unless told otherwise. */
#define MAPPINGS 60000

struct toucher {
	const char *data;
	uint64_t bytes;
	uint64_t rounds;
	bool stop;
};

static void *touches_all(void *arg)
{
	struct toucher *t = arg;

	while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
		for (uint64_t i = 0; i < t->bytes; i += 4096)
			(void)*(volatile const char *)(t->data + i);
		__atomic_fetch_add(&t->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * Each of its pages that is mapped anew before it goes would have the kernel look at all
 * mappings of the segment again: hours, which nothing but the case's end would end.
 */
static void segment_goes_however_often_it_is_mapped(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct toucher t = { .rounds = 0 };
	struct d_member m, n;
	pthread_t thread[2];

	arg.segment_bytes = t.bytes = 128 << 20;
	arg.granule_bytes = 65536;
	two_segments(&m, &arg);
	d_enter(&n, 0);
	for (int i = 0; i < MAPPINGS; i++)
		t.data = d_data(&n, 1, PROT_READ);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&thread[i], NULL, touches_all, &t));
	T_UNTIL(__atomic_load_n(&t.rounds, __ATOMIC_ACQUIRE) >= 2);
	CHECK_EQ(remove_second(&m), 0);
	__atomic_store_n(&t.stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_join(thread[i], NULL));
	d_leave(&n);
	d_leave(&m);
}

/* --- who looks on ------------------------------------------------------------------------ */

static uint32_t moving(const struct d_member *m)
{
	const struct zc_hints *hints = (const void *)m->writers;

	return __atomic_load_n(&hints->removing, __ATOMIC_ACQUIRE);
}

/* As the library does on plain shared memory: zc_pool_check() and the patrol rely on it. */
static void segment_that_moves_is_told(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct leaver l = { 0 };
	struct zc_ioc_writer w;
	struct zc_ioc_reader r;
	struct zc_reader_area *area;
	struct d_member m;
	pthread_t thread;
	bool seen = false;

	arg.segment_bytes = 8 << 20;
	two_segments(&m, &arg);
	CHECK_EQ(moving(&m), 0);
	l.m = &m;
	CHECK(!pthread_create(&thread, NULL, removes_and_adds, &l));
	do {
		uint32_t at = moving(&m);

		CHECK(!at || at == 2);
		seen |= at == 2;
	} while (!__atomic_load_n(&l.stop, __ATOMIC_ACQUIRE));
	CHECK(!pthread_join(thread, NULL));
	CHECK(seen);
	CHECK_EQ(moving(&m), 0);
	CHECK_EQ(remove_second(&m), 0);
	CHECK_EQ(moving(&m), 0);
	CHECK_EQ(add_second(&m), 0);
	CHECK_EQ(moving(&m), 0);
	/* In vain: */
	w = d_writer(&m, "held");
	r = d_reader(&m, "held", 0);
	area = region_of(&m, &r);
	orphan_at(&m, w.service, 7);
	area->hold[0] = 7;
	CHECK_EQ(remove_second(&m), EBUSY);
	CHECK_EQ(moving(&m), 0);
	d_leave(&m);
}

static const struct t_case cases[] = {
	T_CASE(segment_is_removed_while_readers_leave),
	T_CASE(segment_that_goes_is_never_writable_for_readers),
	T_CASE(segment_goes_however_often_it_is_mapped),
	T_CASE(segment_that_moves_is_told),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
