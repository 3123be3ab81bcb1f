/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * scribble.c - a member that writes over everything that it may write.
 *
 * Noise is soon noticed, so most of it is nearly true: a field of a word changed, a
 * count that is one too many, a message that begins in the last granule.  And now and
 * then all is put in order under the others' feet, so that there is something to
 * spoil again.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "scribble.h"

#define READERS 4

struct scribble *scribble;
int judge_fd = -1;

struct spot {
	char *at;
	size_t bytes;
};

static struct {
	struct d_member m;
	struct spot data[64];
	uint32_t segments;
	struct spot reader[READERS];
	uint32_t readers;
	struct spot stamps;
} my;

/* --- what all that sit there share ------------------------------------------------- */

/* Whose fault it was shows in the address; the fault comes again, and kills. */
static void tells(int sig, siginfo_t *info, void *context)
{
	struct t_peer *parent = t_parent();

	(void)context;
	t_note("%s: signal %d at %p", parent ? parent->name : "?", sig,
	       info->si_addr);
}

struct scribble_seat *scribble_begin(unsigned int n)
{
	struct sigaction act = { .sa_sigaction = tells,
				 .sa_flags = SA_SIGINFO | SA_RESETHAND };
	struct scribble_seat *seat = &scribble->seat[n];

	close(judge_fd);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	t_srand(scribble->seed + seat->spawned * SCRIBBLE_SEATS + n);
	scribble_step(seat);
	return seat;
}

void scribble_step(struct scribble_seat *seat)
{
	__atomic_fetch_add(&seat->steps, 1, __ATOMIC_SEQ_CST);
}

void scribble_count(uint64_t *what, uint64_t n)
{
	__atomic_fetch_add(what, n, __ATOMIC_RELAXED);
}

const char *topic(unsigned int n)
{
	static const char *const names[TOPICS] = { "device/0/event",
						   "device/1/event",
						   "device/2/event" };

	return names[n % TOPICS];
}

const char *topic_instance(unsigned int n)
{
	static const char *const names[TOPICS] = { "0", "1", "2" };

	return names[n % TOPICS];
}

/* --- where things are ---------------------------------------------------------------- */

static bool one_in(uint64_t n)
{
	return t_rand_below(n) == 0;
}

static uint32_t granules(void)
{
	return __atomic_load_n(&my.m.kernel->segments, __ATOMIC_RELAXED) *
	       my.m.g.segment_granules;
}

static struct zc_hints *hints(void)
{
	return (struct zc_hints *)my.m.writers;
}

static struct zc_writer_area *area_of(uint32_t w)
{
	return (struct zc_writer_area *)(my.m.writers + my.m.g.off_writer_areas -
					 my.m.g.off_hints +
					 w * my.m.g.writer_area_bytes);
}

/* A writer region, mostly one that is in use. */
static uint32_t any_writer(void)
{
	uint32_t w = (uint32_t)t_rand_below(ZC_MAX_WRITERS);

	for (uint32_t i = 0; i < ZC_MAX_WRITERS && !one_in(100); i++) {
		if (d_slot(&my.m, w)->service & 7)
			break;
		w = (w + 1) % ZC_MAX_WRITERS;
	}
	return w;
}

/* A granule, mostly where something ends. */
static uint32_t any_granule(void)
{
	uint32_t segment = my.m.g.segment_granules, stripe = segment / ZC_STRIPES;
	uint32_t g = (uint32_t)t_rand_below(granules());

	switch (t_rand_below(6)) {
	case 0:
		return g - g % segment + segment - 1 - (uint32_t)t_rand_below(4);
	case 1:
		return g - g % segment;
	case 2:
		return g - g % stripe;
	case 3:
		return granules() - 1;
	default:
		return g;
	}
}

static uint64_t *within(const struct spot *spot)
{
	return (uint64_t *)(spot->at + t_rand_below(spot->bytes / 8) * 8);
}

static uint64_t *in_writer_area(void)
{
	struct spot spot = { (char *)area_of(any_writer()),
			     sizeof(struct zc_writer_area) };

	switch (t_rand_below(4)) {
	case 0:
		spot.bytes = my.m.g.writer_area_bytes;
		break;
	case 1:		/* the ring */
		spot.at += sizeof(struct zc_writer_area);
		spot.bytes = my.m.g.ring_entries * sizeof(struct zc_ring_entry);
		break;
	case 2:		/* head and tail, and what is beside them */
		spot.bytes = 128;
		break;
	}
	return within(&spot);
}

static uint64_t *in_a_descriptor(void)
{
	struct zc_block_desc *d = d_descs(&my.m) + any_granule();

	if (!one_in(3))
		return (uint64_t *)&d->word;
	return (uint64_t *)d + t_rand_below(sizeof(*d) / 8);
}

/* Anything that it may write. */
static uint64_t *any_place(void)
{
	struct spot spot;

	switch (t_rand_below(16)) {
	case 0:
		spot.at = my.m.writers;
		spot.bytes = my.m.g.off_writer_areas - my.m.g.off_hints;
		return within(&spot);
	case 1:
		spot.at = my.m.writers;
		/* Up to the descriptors of the segments that there are: then comes SIGBUS. */
		spot.bytes = my.m.g.off_descs - my.m.g.off_hints +
			     granules() * sizeof(struct zc_block_desc);
		return within(&spot);
	case 2:
	case 3:
		return within(&my.data[t_rand_below(my.segments)]);
	case 4:
		return within(&my.stamps);
	case 5:
	case 6:
		if (my.readers) {
			spot = my.reader[t_rand_below(my.readers)];
			if (!one_in(4))
				spot.bytes = sizeof(struct zc_reader_area);
			return within(&spot);
		}
		return in_writer_area();
	case 7:
	case 8:
	case 9:
	case 10:
		return in_writer_area();
	default:
		return in_a_descriptor();
	}
}

/* --- what is written there ------------------------------------------------------------- */

/* A number at which something ends, or one beside it. */
static uint64_t an_edge(void)
{
	const struct zc_geometry *g = &my.m.g;
	const uint64_t edges[] = {
		0, granules(), g->segment_granules, g->segment_granules / ZC_STRIPES,
		g->ring_entries, g->max_holds, g->deferred_entries,
		ZC_MAX_WRITERS, ZC_RUN_MAX, 1ULL << g->granule_shift,
		g->segment_bytes, granules() * (1ULL << g->granule_shift),
		1ULL << 31, 1ULL << 32, 1ULL << 63, zc_timestamp(),
	};
	uint64_t edge = edges[t_rand_below(sizeof(edges) / sizeof(*edges))];

	return edge + t_rand_below(3) - 1;
}

static uint64_t make_word(uint64_t generation, uint64_t length, uint64_t owner,
			  uint64_t state)
{
	return generation << ZC_WORD_GENERATION_SHIFT |
	       ((length - 1) & ((1ULL << ZC_WORD_LENGTH_BITS) - 1))
		       << ZC_WORD_LENGTH_SHIFT |
	       (owner & ((1ULL << ZC_WORD_OWNER_BITS) - 1)) << ZC_WORD_OWNER_SHIFT |
	       (state & ((1ULL << ZC_WORD_STATE_BITS) - 1));
}

/* A descriptor's word, and one field of it is not what it was. */
static uint64_t nearly(uint64_t word)
{
	static const uint8_t owners[] = { ZC_OWNER_NONE, ZC_OWNER_ORPHAN,
					  ZC_OWNER_REMOVER, ZC_OWNER_CLEANER(0), 63 };
	uint64_t generation = word >> ZC_WORD_GENERATION_SHIFT;
	uint64_t length = (word >> ZC_WORD_LENGTH_SHIFT &
			   ((1U << ZC_WORD_LENGTH_BITS) - 1)) + 1;
	uint64_t owner = word >> ZC_WORD_OWNER_SHIFT &
			 ((1U << ZC_WORD_OWNER_BITS) - 1);
	uint64_t state = word & ((1U << ZC_WORD_STATE_BITS) - 1);

	switch (t_rand_below(8)) {
	case 0:
		generation += t_rand_below(3) - 1;
		break;
	case 1:
	case 2:
	case 3:
		length = one_in(2) ? an_edge() : length + t_rand_below(8);
		break;
	case 4:
		owner = owners[t_rand_below(sizeof(owners))];
		break;
	case 5:
		owner = ZC_OWNER_WRITER(any_writer());
		break;
	default:
		state = t_rand();
	}
	return make_word(generation, length, owner, state);
}

static uint64_t any_word(uint64_t there)
{
	switch (t_rand_below(8)) {
	case 0:
		return t_rand() << 32 ^ t_rand();
	case 1:
		return an_edge();
	case 2:
		return an_edge() << 32 | (uint32_t)an_edge();
	case 3:
		return there ^ 1ULL << t_rand_below(64);
	case 4:
		return there + t_rand_below(3) - 1;
	case 5:
		return __atomic_load_n(any_place(), __ATOMIC_RELAXED);
	case 6:		/* one half of it stays */
		return one_in(2) ? an_edge() << 32 | (uint32_t)there :
				   (there >> 32) << 32 | (uint32_t)an_edge();
	default:
		return nearly(there);
	}
}

static void write_one(void)
{
	bool word = t_rand_below(3);
	uint64_t *to = word ? any_place() : in_a_descriptor();
	uint64_t there = __atomic_load_n(to, __ATOMIC_RELAXED);
	uint64_t value = word ? any_word(there) : nearly(there);

	switch (t_rand_below(12)) {
	case 0:
		*((volatile uint8_t *)to + t_rand_below(8)) = (uint8_t)value;
		return;
	case 1:
		*((volatile uint32_t *)to + t_rand_below(2)) = (uint32_t)value;
		return;
	case 2:		/* a line of noise, or of what is somewhere else */
		to -= ((uintptr_t)to & 63) / 8;
		if (one_in(2))
			memcpy(to, (void *)((uintptr_t)any_place() & ~63UL), 64);
		else
			for (int i = 0; i < 8; i++)
				to[i] = t_rand() << 32 ^ t_rand();
		return;
	default:
		__atomic_store_n(to, value, __ATOMIC_RELAXED);
	}
}

/* A message that nobody wrote, where its readers will look next. */
static void forge(void)
{
	uint32_t w = any_writer(), granule = one_in(4) ? (uint32_t)an_edge() :
							  any_granule();
	struct zc_writer_area *area = area_of(w);
	struct zc_ring_entry *ring = (struct zc_ring_entry *)(area + 1);
	uint64_t s = area->head + t_rand_below(4) - 2, bytes = an_edge();
	struct zc_ring_entry *e = &ring[s & (my.m.g.ring_entries - 1)];
	uint64_t generation = t_rand_below(3);

	if (granule < granules()) {
		struct zc_block_desc *d = d_descs(&my.m) + granule;

		generation = d->word >> ZC_WORD_GENERATION_SHIFT;
		d->sequence = s;
		d->bytes = one_in(2) ? bytes : an_edge();
		if (!one_in(3))
			d->word = make_word(generation, an_edge(),
					    ZC_OWNER_WRITER(w), ZC_STATE_USING);
	}
	if (one_in(4))
		bytes = ZC_ENTRY_BYTES_MAX;
	__atomic_store_n(&e->run, bytes << 32 | (uint32_t)generation, __ATOMIC_RELAXED);
	__atomic_store_n(&e->place, (uint64_t)granule << 32 | (uint32_t)s,
			 __ATOMIC_RELEASE);
	if (one_in(2))
		area->head = s + 1;
}

/* All is free, whoever had it, and nothing is asked of anybody. */
static void mend(void)
{
	uint32_t stripe = my.m.g.segment_granules / ZC_STRIPES, all = granules();
	uint32_t *free = (uint32_t *)(hints() + 1);

	for (uint32_t g = 0; g < all; g++) {
		uint64_t *word = (uint64_t *)&d_descs(&my.m)[g].word;
		bool head = g % stripe == 0;

		__atomic_store_n(word, make_word((*word >> 32) + 1, head ? stripe : 1,
						 ZC_OWNER_NONE, head ? ZC_STATE_FREE :
								       ZC_STATE_INSIDE),
				 __ATOMIC_RELAXED);
	}
	for (uint32_t i = 0; i < all / stripe; i++)
		free[i] = stripe;
	hints()->free_granules = all;
	hints()->waiting_writers = 0;
	for (uint32_t w = 0; w < ZC_MAX_WRITERS; w++) {
		struct zc_writer_area *area = area_of(w);

		if (!(d_slot(&my.m, w)->service & 7))
			continue;
		memset(area->floor, 0, sizeof(area->floor));
		memset(area->guide, 0, sizeof(area->guide));
		area->deferred_nr = 0;
		if (area->head > 1ULL << 32)
			area->head = 1 + t_rand_below(1000);
	}
	/* Who reads nothing must not hold up those that do. */
	for (uint32_t i = 0; i < my.readers; i++) {
		struct zc_reader_area *area = (void *)my.reader[i].at;

		memset(area->hold, 0, sizeof(area->hold));
		area->cursor = 1ULL << 40;
	}
}

/* --- its life ------------------------------------------------------------------------------ */

static uint64_t others_steps(void)
{
	return __atomic_load_n(&scribble->seat[WRITER].steps, __ATOMIC_SEQ_CST) +
	       __atomic_load_n(&scribble->seat[READER].steps, __ATOMIC_SEQ_CST);
}

/* Whoever meets nothing but noise looks no further: they get a little time. */
static void let_others_go(void)
{
	uint64_t until = others_steps() + t_rand_below(40);

	for (int i = 0; i < 200 && others_steps() < until; i++)
		sched_yield();
}

static void takes_roles(void)
{
	struct zc_ioc_writer writer = { .lag_limit = 8 };
	struct zc_ioc_cleaner cleaner = { .cleaner = 0 };
	uint32_t flags = (uint32_t)t_rand_below(3);

	/* Somebody may write there already, or just have died. */
	d_service(writer.name, topic_instance((unsigned int)t_rand()));
	if (one_in(2))
		d_call(my.m.fd, ZC_IOC_WRITER_JOIN, &writer);
	if (one_in(2))
		d_call(my.m.fd, ZC_IOC_CLEANER_JOIN, &cleaner);
	while (my.readers < READERS && !one_in(4)) {
		struct zc_ioc_reader reader =
			d_reader(&my.m, topic_instance((unsigned int)t_rand()), flags);
		struct spot *spot = &my.reader[my.readers++];

		spot->at = d_reader_region(&my.m, &reader, PROT_READ | PROT_WRITE);
		CHECK((void *)spot->at != MAP_FAILED);
		spot->bytes = my.m.g.reader_area_bytes;
	}
}

void scribbles(void *arg)
{
	struct scribble_seat *seat = scribble_begin(SCRIBBLER);

	(void)arg;
	d_enter(&my.m, ZC_JOIN_WRITE);
	__atomic_store_n(&seat->opened, 1, __ATOMIC_SEQ_CST);
	my.segments = my.m.kernel->segments;
	for (uint32_t i = 0; i < my.segments; i++) {
		my.data[i].at = d_data(&my.m, i, PROT_READ | PROT_WRITE);
		my.data[i].bytes = my.m.g.segment_bytes;
	}
	my.stamps.at = d_map(my.m.fd, ZC_MAP_STAMPS, 0, 4096, PROT_READ | PROT_WRITE);
	CHECK((void *)my.stamps.at != MAP_FAILED);
	my.stamps.bytes = 4096;
	takes_roles();
	for (;;) {
		uint64_t burst = 1ULL << t_rand_below(8), spin;

		scribble_step(seat);
		let_others_go();
		if (one_in(8))
			mend();
		for (uint64_t i = 0; i < burst; i++) {
			if (one_in(8))
				forge();
			else
				write_one();
			for (spin = t_rand_below(300); spin; spin--)
				__asm__ __volatile__("");
		}
		scribble_count(&scribble->words, burst);
	}
}
