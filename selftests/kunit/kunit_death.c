// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_death.c - reaping that meets garbage, and deaths in the module's own pools.
 */
#include <linux/mman.h>
#include <linux/mm.h>

#include "kunit.h"

#define DEAD ZC_OWNER_WRITER(0)
#define LIVE ZC_OWNER_WRITER(1)
#define AT (8 * ZK_STRIPE)

struct surroundings {
	struct zc_reaper reaper;
	struct zc_reaper_ops ops;
	u32 told;
	bool pinned;
};

static void wake(void *ctx, u32 w)
{
}

static void told(void *ctx, u32 m, u32 incarnation)
{
	struct surroundings *s = ctx;

	s->told += m == 0;
}

static u64 now(void *ctx)
{
	return 2000;
}

static bool pinned(void *ctx, u32 m, u32 granule, u32 length)
{
	struct surroundings *s = ctx;

	return s->pinned;
}

static void surroundings_init(struct surroundings *s)
{
	memset(s, 0, sizeof(*s));
	s->ops = (struct zc_reaper_ops){
		.wake = wake, .reaped = told, .now_ns = now, .pinned = pinned, .ctx = s,
	};
}

/* A world in which member 0 is to die, and what its descriptors were. */
struct garbled {
	struct zk_world *w;
	struct zc_block_desc *was;
	struct surroundings s;
};

static struct garbled *garbled(struct kunit *test)
{
	struct garbled *g = zk_alloc(test, sizeof(*g));
	struct zk_world *w = zk_world(test, 2, 2);
	u32 i;

	g->w = w;
	g->was = zk_alloc(test, 2 * ZK_SEGMENT * sizeof(*g->was));
	zk_member_lives(w, 0);
	zk_member_lives(w, 1);
	zk_writer_lives(w, 0, 0);
	zk_writer_lives(w, 1, 1);
	for (i = 0; i < 2 * ZK_SEGMENT; i += ZK_SEGMENT / 8) {
		zk_claim(w, i, 3, DEAD);
		zk_claim(w, i + 3, 2, LIVE);
		zk_commit(w, 1, i + 5, 1);
	}
	for (i = 0; i < 2; i++)
		memcpy(g->was + i * ZK_SEGMENT, w->view.segment_descs[i],
		       ZK_SEGMENT * sizeof(*g->was));
	return g;
}

/* As before, and member 0 dies once more. */
static void garbled_again(struct garbled *g)
{
	struct zc_view *v = &g->w->view;
	u32 i;

	for (i = 0; i < 2; i++)
		memcpy(v->segment_descs[i], g->was + i * ZK_SEGMENT,
		       ZK_SEGMENT * sizeof(*g->was));
	v->writer_slots[0].life = zc_life(1, 0, ZC_LIFE_LIVE);
	v->members[0].life = zc_life(1, 0, ZC_LIFE_REAPING);
	surroundings_init(&g->s);
}

/* It comes to an end, and that is an end. */
static void garbled_ends(struct garbled *g, u32 budget)
{
	struct kunit *test = g->w->test;
	struct zc_view *v = &g->w->view;
	u32 slices = 1, passes = 0;
	u32 most = 2 * (ZK_SEGMENT + (ZC_WALK_LOST_MAX + 1) * ZK_STRIPE);

	while (!zc_reap(v, &g->s.reaper, &g->s.ops, budget)) {
		passes += !g->s.reaper.walking;
		must(test, passes < ZC_REAP_SKIPPING_MAX);
		must(test, ++slices < ZC_REAP_SKIPPING_MAX * (most / budget + 2));
		must_eq(test, g->s.told, 0);
	}
	must_eq(test, g->s.told, 1);
	must_eq(test, v->members[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(test, v->writer_slots[0].life, zc_life(1, 0, ZC_LIFE_IDLE));
	must_eq(test, v->writer_slots[1].life, zc_life(1, 1, ZC_LIFE_LIVE));
}

/* Words of those who live, but for the one that was written over. */
static void others_are_as_before(struct garbled *g, u32 but)
{
	u32 i;

	for (i = 0; i < 2 * ZK_SEGMENT; i++) {
		u64 was = g->was[i].word;

		if (i != but && zc_word_owner(was) == LIVE &&
		    zc_word_state(was) != ZC_STATE_INSIDE && zk_word(g->w, i) != was)
			zk_fail(g->w->test, __FILE__, __LINE__,
				"granule %u: %llx, was %llx", i, zk_word(g->w, i), was);
	}
}

static void reaping_ends_whatever_a_word_says(struct kunit *test)
{
	static const u32 places[] = {
		0, 3, 5 * ZK_STRIPE, 5 * ZK_STRIPE + 3, ZK_SEGMENT - 1, ZK_SEGMENT,
		ZK_SEGMENT + 3, 2 * ZK_SEGMENT - 1,
	};
	static const u32 owners[] = {
		ZC_OWNER_NONE, DEAD, LIVE, ZC_OWNER_CLEANER(7), ZC_OWNER_ORPHAN,
		ZC_OWNER_REMOVER, 63,
	};
	/* Beyond the segment; those that fit take the place of others' runs. */
	static const u32 lengths[] = { ZK_SEGMENT + 1, 2 * ZK_SEGMENT, ZC_RUN_MAX };
	struct garbled *g = garbled(test);
	u32 place, owner, length, state;

	for (place = 0; place < ARRAY_SIZE(places); place++)
		for (owner = 0; owner < ARRAY_SIZE(owners); owner++)
			for (length = 0; length < ARRAY_SIZE(lengths); length++)
				for (state = 0; state < 4; state++) {
					garbled_again(g);
					zk_set_word(g->w, places[place],
						    zc_word(9, lengths[length],
							    owners[owner], state));
					garbled_ends(g, 64);
					others_are_as_before(g, places[place]);
				}
}

static void reaping_ends_among_random_words(struct kunit *test)
{
	struct zk_random random = { .state = 1917 };
	struct garbled *g = garbled(test);
	u32 round, i;

	for (round = 0; round < 48; round++) {
		garbled_again(g);
		for (i = 0; i < 2 * ZK_SEGMENT; i++) {
			u64 r = zk_random(&random);
			u32 length = (u32)(r >> 40) >> round / 2;
			struct zc_block_desc *d = zc_desc(&g->w->view, i);

			d->word = zc_word((u32)r, length ? length : 1, r >> 2 & 63, r & 3);
			d->sequence = r >> 32;
			d->writer = r >> 8 & 127;
			d->flags = r >> 16;
		}
		g->s.pinned = round & 1;
		garbled_ends(g, round % 3 ? 7 : ~0U);
	}
}

static void reaping_ends_with_garbage_in_the_regions(struct kunit *test)
{
	static const u64 garbage[] = { 0, 1, 5, 16, 17, 1ULL << 31, 1ULL << 32, ~0ULL };
	struct garbled *g = garbled(test);
	struct zc_view *v = &g->w->view;
	struct zc_writer_area *wa = zc_writer_area(v, 0);
	struct zc_reader_area *ra;
	u32 i, k;

	zk_reader_lives(g->w, 0, 2, 1, 0);
	ra = zc_reader_area(v, 0, 2);
	for (i = 0; i < ARRAY_SIZE(garbage); i++) {
		u64 word = garbage[i];

		garbled_again(g);
		v->writer_slots[0].active = 1U << 2;
		wa->head = word;
		wa->deferred_nr = word;
		wa->io_nr = word;
		ra->overflow_high = word;
		ra->io_nr = word;
		for (k = 0; k <= v->ring_mask; k++) {
			zc_ring(v, 0)[k].place = word << 32 | (u32)(word + k % 3);
			zc_ring(v, 0)[k].run = word;
		}
		for (k = 0; k < ZK_HOLDS; k++)
			*zc_hold_slot(ra, k) = word + k;
		garbled_ends(g, 64);
		/* As much as a writer can leave, not more. */
		must(test, wa->head - word <= 2);
		others_are_as_before(g, ~0U);
	}
}

static void segment_that_cannot_be_walked_does_not_keep_the_dead(struct kunit *test)
{
	struct garbled *g = garbled(test);
	u32 passes = 0;

	garbled_again(g);
	zk_set_word(g->w, 0, zc_word(7, ZK_SEGMENT + 1, 0, ZC_STATE_FREE));
	while (!zc_reap(&g->w->view, &g->s.reaper, &g->s.ops, ~0U)) {
		must(test, !g->s.reaper.waiting);
		must(test, ++passes < 100);
		must_eq(test, g->s.told, 0);
	}
	must_eq(test, passes + 1, ZC_REAP_SKIPPING_MAX);
	must_eq(test, g->s.told, 1);
	/* The other segment was seen. */
	must_eq(test, zc_word_owner(zk_word(g->w, 3)), LIVE);
	must_eq(test, zc_word_owner(zk_word(g->w, ZK_SEGMENT)), ZC_OWNER_NONE);
	must_eq(test, zc_word_owner(zk_word(g->w, ZK_SEGMENT + 3)), LIVE);
}

/* --- in a pool of the module's ------------------------------------------------------- */

static struct zc_ioc_writer *writer_joins(struct kunit *test, struct zk_member *m)
{
	struct zc_ioc_writer *arg = zk_alloc(test, sizeof(*arg));

	strscpy(arg->name[0], "service", ZC_NAME_BYTES);
	strscpy(arg->name[1], "instance", ZC_NAME_BYTES);
	strscpy(arg->name[2], "event", ZC_NAME_BYTES);
	must_eq(test, zk_call(m->p, m->file, ZC_IOC_WRITER_JOIN, arg), 0);
	return arg;
}

static struct zc_ioc_reader *reader_joins(struct kunit *test, struct zk_member *m)
{
	struct zc_ioc_reader *arg = zk_alloc(test, sizeof(*arg));

	strscpy(arg->name[0], "service", ZC_NAME_BYTES);
	strscpy(arg->name[1], "instance", ZC_NAME_BYTES);
	strscpy(arg->name[2], "event", ZC_NAME_BYTES);
	must_eq(test, zk_call(m->p, m->file, ZC_IOC_READER_JOIN, arg), 0);
	return arg;
}

/* The pool, looked at as a world. */
static struct zk_world *world_of(struct kunit *test, struct zc_pool *pool)
{
	struct zk_world *w = zk_alloc(test, sizeof(*w));

	w->test = test;
	w->geometry = pool->geometry;
	w->view = pool->view;
	w->segments = pool->segments;
	return w;
}

static void dead_writer_gives_back_and_is_succeeded(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-writer");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *goes = zk_member(test, file, ZC_JOIN_WRITE);
	struct zc_ioc_writer *role = writer_joins(test, goes), *next;
	struct zk_world *w = world_of(test, pool);
	struct zc_writer_slot *slot = &pool->view.writer_slots[role->service];
	struct zc_device_event event;

	must_eq(test, slot->life, zc_life(1, goes->join.member, ZC_LIFE_LIVE));
	pool->view.writer_area[role->service]->head = 1;
	zk_claim(w, AT, 3, ZC_OWNER_WRITER(role->service));
	zk_claim(w, AT + ZK_STRIPE, 2 * ZK_STRIPE, ZC_OWNER_WRITER(role->service));
	zk_commit(w, role->service, 0, 5);
	zk_die(test, goes);
	must_eq(test, slot->life, zc_life(1, 0, ZC_LIFE_IDLE));
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_DIED, &event);
	must_eq(test, event.member, goes->join.member);
	must_eq(test, event.blocks, 2);
	must_eq(test, event.payload_bytes, (3 + 2 * ZK_STRIPE) * 64);
	must_eq(test, event.lost_blocks, 0);
	must_eq(test, zk_tiling(w).using, 5);
	must_eq(test, zk_tiling(w).free, ZK_SEGMENT - 5);
	zk_at_rest(w);
	/* The service goes on under the next. */
	next = writer_joins(test, stays);
	must_eq(test, next->service, role->service);
	must_eq(test, next->incarnation, 2);
	must_eq(test, pool->view.writer_area[role->service]->head, 2);
}

/* Who leaves with roles does not get away with what they hold. */
static void leaving_with_roles_is_a_death(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-leaves");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zk_member *goes = zk_member(test, file, ZC_JOIN_WRITE);
	struct zc_ioc_cleaner cleaner = { 0 };
	struct zk_world *w = world_of(test, pool);
	struct zc_device_event event;

	must_eq(test, zk_call(goes->p, file, ZC_IOC_CLEANER_JOIN, &cleaner), 0);
	zk_claim(w, AT, 3, ZC_OWNER_CLEANER(cleaner.cleaner));
	must_eq(test, zk_call(goes->p, file, ZC_IOC_LEAVE, NULL), 0);
	zk_settle(pool);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_DIED, &event);
	must_eq(test, event.blocks, 1);
	must_eq(test, pool->deaths, 1);
	must_eq(test, zc_life_state(pool->view.cleaner_slots[0].life), ZC_LIFE_IDLE);
	must_eq(test, zk_tiling(w).free, ZK_SEGMENT);
	zk_at_rest(w);
}

static void dead_readers_region_is_nobodys(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-reader");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *goes = zk_member(test, file, 0);
	struct zc_ioc_writer *role = writer_joins(test, stays);
	struct zc_ioc_reader *reader = reader_joins(test, goes), *again;
	u64 off = ZC_MAP_OFFSET(ZC_MAP_READERS);
	struct zc_reader_area *ra = pool->view.reader_area[0];

	must_eq(test, reader->service, role->service);
	must_eq(test, reader->reader, 0);
	must_eq(test, ra->incarnation, 1);
	must_eq(test, zc_mask_bits(pool->view.writer_slots[0].active), 1);
	must_eq(test, zk_map(stays->p, file, off, PAGE_SIZE, PROT_READ | PROT_WRITE), -EACCES);
	must(test, !IS_ERR_VALUE(zk_map(stays->p, file, off, PAGE_SIZE, PROT_READ)));
	zk_die(test, goes);
	must_eq(test, zc_mask_bits(pool->view.writer_slots[0].active), 0);
	must_eq(test, zk_map(stays->p, file, off, PAGE_SIZE, PROT_READ), -ENXIO);
	/* What is mapped is the dead one's, not that of who comes next. */
	again = reader_joins(test, stays);
	must_eq(test, again->reader, 0);
	must_eq(test, again->incarnation, 2);
	ra = pool->view.reader_area[0];
	must_eq(test, ra->incarnation, 2);
	must_eq(test, ra->cursor, 0);
	must(test, !IS_ERR_VALUE(zk_map(stays->p, file, off, PAGE_SIZE, PROT_READ | PROT_WRITE)));
}

struct pin {
	unsigned long address;
	struct page *page;
};

static long pin(void *arg)
{
	struct pin *p = arg;

	return pin_user_pages_fast(p->address, 1, FOLL_WRITE, &p->page);
}

static void unpin(void *arg)
{
	struct pin *p = arg;

	if (p->page)
		unpin_user_page(p->page);
	p->page = NULL;
}

/* A page of a dead writer's block is still being written to by a device. */
static void pinned_block_comes_back_after_its_io(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-pinned");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zk_member *goes = zk_member(test, file, ZC_JOIN_WRITE);
	u32 owner = ZC_OWNER_WRITER(writer_joins(test, goes)->service);
	u32 page = PAGE_SIZE / 64;	/* granules */
	struct pin *io = zk_alloc(test, sizeof(*io));
	struct zk_world *w = world_of(test, pool);
	struct zc_device_event event;
	long address;

	address = zk_map(goes->p, file, ZC_MAP_OFFSET(ZC_MAP_DATA),
			 pool->geometry.segment_bytes, PROT_READ | PROT_WRITE);
	must(test, !IS_ERR_VALUE(address));
	/* The second page; blocks in the second and in the third. */
	io->address = address + PAGE_SIZE;
	must_eq(test, zk_in(goes->p, pin, io), 1);
	must(test, !kunit_add_action_or_reset(test, unpin, io));
	zk_claim(w, page, 3, owner);
	zk_claim(w, 2 * page, 3, owner);
	zc_desc(&w->view, page)->flags = ZC_BLOCK_IO;
	zc_desc(&w->view, 2 * page)->flags = ZC_BLOCK_IO;
	zk_exec(goes->p);
	zk_settle(pool);
	zk_event(test, stays, ZC_DEVICE_EVENT_MEMBER_DIED, &event);
	must_eq(test, event.blocks, 1);
	must_eq(test, pool->quarantined, 1);
	must_eq(test, zk_word(w, page) & ~0U, zc_word(0, 3, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN));
	must_eq(test, zc_word_owner(zk_word(w, 2 * page)), ZC_OWNER_NONE);
	/* The kernel looks, and it is not over. */
	zk_watched(pool);
	must_eq(test, zk_tiling(w).clean, 3);
	must_eq(test, pool->quarantined, 1);
	unpin(io);
	zk_watched(pool);
	must_eq(test, pool->quarantined, 0);
	must_eq(test, zk_tiling(w).free, ZK_SEGMENT);
	/* Its next owner's to clear: it may have one by now. */
	must_eq(test, zc_desc(&w->view, page)->flags, ZC_BLOCK_IO);
	zk_at_rest(w);
}

static struct kunit_case death_cases[] = {
	KUNIT_CASE(reaping_ends_whatever_a_word_says),
	KUNIT_CASE(reaping_ends_among_random_words),
	KUNIT_CASE(reaping_ends_with_garbage_in_the_regions),
	KUNIT_CASE(segment_that_cannot_be_walked_does_not_keep_the_dead),
	KUNIT_CASE(dead_writer_gives_back_and_is_succeeded),
	KUNIT_CASE(leaving_with_roles_is_a_death),
	KUNIT_CASE(dead_readers_region_is_nobodys),
	KUNIT_CASE(pinned_block_comes_back_after_its_io),
	{}
};

static struct kunit_suite death_suite = {
	.name = "zerocore_death",
	.test_cases = death_cases,
};

kunit_test_suite(death_suite);
