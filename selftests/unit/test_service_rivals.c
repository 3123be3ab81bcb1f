/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_service_rivals.c - the registry among rivals: a name exists once.
 * (models/service_registry.pml in the C code.)
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "step.h"
#include "unit.h"

static struct {
	struct unit_pool p;
	struct zc_service_name name, other, twin;
	int got;		/* by the victim */
	int rival_got;
} world;

static void world_init(void)
{
	memset(&world, 0, sizeof(world));
	unit_pool_init(&world.p, 1);
	must_ok(zc_service_parse(&world.name, "a/b/c"));
	must_ok(zc_service_parse(&world.other, "x/y/z"));
	unit_member_join(&world.p, 1);
	unit_member_join(&world.p, 2);
}

/* The names are of one hash, and so entries cannot be told apart by it. */
static void twins_init(void)
{
	must_ok(zc_service_parse(&world.name, UNIT_TWIN_A));
	must_ok(zc_service_parse(&world.twin, UNIT_TWIN_B));
	world.other = world.twin;
}

static int enter(const struct zc_service_name *name, u32 member)
{
	u32 tries;
	u64 word;
	bool created;
	u32 removed;
	int i;

	for (tries = 0; tries < 100; tries++) {
		i = zc_service_open(&world.p.view, name, member, ~0U, &word, &created, &removed);
		if (i != -2)
			return i;
	}
	return -2;
}

/* Entries that say READY or RETIRING and have this name. */
static u32 named(const struct zc_service_name *name)
{
	u32 i, n = 0;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		struct zc_writer_slot *slot = &world.p.view.writer_slots[i];
		u32 state = zc_service_state(slot->service);

		n += (state == ZC_SERVICE_READY ||
		      state == ZC_SERVICE_RETIRING) &&
		     !memcmp(slot->name, name, sizeof(*name));
	}
	return n;
}

static u32 in_state(u32 state)
{
	u32 i, n = 0;

	for (i = 0; i < ZC_MAX_WRITERS; i++)
		n += zc_service_state(
			     world.p.view.writer_slots[i].service) == state;
	return n;
}

static void open_the_name(void *ctx)
{
	(void)ctx;
	world.got = enter(&world.name, 1);
}

static void rival_opens_it(void *ctx)
{
	(void)ctx;
	/* Not after a wait for who stands still: at once. */
	world.rival_got = enter(&world.name, 2);
	must(world.rival_got >= 0);
}

static void both_have_one(void *ctx)
{
	(void)ctx;
	must(world.got >= 0);
	must_eq(world.got, world.rival_got);
	must_eq(named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_READY), 1);
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 1);
}

Test(service, two_that_open_find_one_entry)
{
	const struct step_case c = { .victim = open_the_name,
				     .rivals = rival_opens_it,
				     .check = both_have_one };

	world_init();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void rival_opens_its_twin(void *ctx)
{
	(void)ctx;
	world.rival_got = enter(&world.twin, 2);
	must(world.rival_got >= 0);
}

static void each_has_its_own(void *ctx)
{
	(void)ctx;
	must(world.got >= 0);
	must(world.got != world.rival_got);
	must_eq(named(&world.name), 1);
	must_eq(named(&world.twin), 1);
	must_eq(in_state(ZC_SERVICE_READY), 2);
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 2);
}

/* Of one hash: they abort each other, and yet both are there in the end. */
Test(service, two_that_open_names_of_one_hash_have_one_each)
{
	const struct step_case c = { .victim = open_the_name,
				     .rivals = rival_opens_its_twin,
				     .check = each_has_its_own };

	world_init();
	twins_init();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void rival_and_reaper(void *ctx)
{
	struct unit_reaper r;

	rival_opens_it(ctx);
	unit_declare_dead(&world.p, 1, 1);
	unit_reaper_init(&r, 2);
	unit_reap(&world.p, &r, 1000);
}

static void rival_has_it(void *ctx)
{
	(void)ctx;
	must_eq(named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_READY), 1);
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 1);
	must_eq(zc_life_state(world.p.view.members[1].life), ZC_LIFE_IDLE);
}

Test(service, death_while_opening_leaves_no_entry)
{
	const struct step_case c = { .victim = open_the_name, .dies = true,
				     .rivals = rival_and_reaper,
				     .check = rival_has_it };

	world_init();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void it_is_there_once(void *ctx)
{
	(void)ctx;
	must_eq(named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_READY), 1);
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 1);
}

/* Taken for dead, and reaped, at each instruction; then it goes on. */
Test(service, evicted_while_opening_it_spoils_nothing)
{
	const struct step_case c = { .victim = open_the_name,
				     .rivals = rival_and_reaper,
				     .check = it_is_there_once };

	world_init();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* --- an entry that another has in hand changes at each instruction ----------------- */

#define OTHERS 5

static u32 name_hash;
static u32 next_state, next_hash;

static void other_goes_on(void *ctx)
{
	u64 *entry = &world.p.view.writer_slots[OTHERS].service;

	(void)ctx;
	if (zc_service_state(*entry) == ZC_SERVICE_CLAIMING)
		*entry = zc_service_word(next_hash, zc_service_version(*entry) + 1, 2,
					 next_state);
}

static void mine_or_the_others(void *ctx)
{
	(void)ctx;
	must_eq(named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_CLAIMING), 0);
	/* What I got is what bears the name. */
	must(world.got >= 0);
	must_eq(in_state(ZC_SERVICE_READY) + in_state(ZC_SERVICE_RETIRING), 1);
	must(!memcmp(world.p.view.writer_slots[world.got].name, &world.name,
		     sizeof(world.name)));
}

/* Claimed by another: it is READY first (and retired), gives up, or was aborted. */
Test(service, rival_in_the_middle_of_a_claim_goes_on)
{
	static const u32 states[] = { ZC_SERVICE_READY, ZC_SERVICE_RETIRING,
				      ZC_SERVICE_EMPTY, ZC_SERVICE_ABORTED };
	const struct step_case c = { .victim = open_the_name, .rivals = other_goes_on,
				     .check = mine_or_the_others };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		world_init();
		must_eq(enter(&world.name, 2), 0);
		name_hash = zc_service_hash(world.p.view.writer_slots[0].service);
		world.p.view.writer_slots[0].service = 0;
		memset(world.p.view.writer_slots[0].name, 0, sizeof(world.name));
		memcpy(world.p.view.writer_slots[OTHERS].name, &world.name,
		       sizeof(world.name));
		world.p.view.writer_slots[OTHERS].service =
			zc_service_word(name_hash, 3, 2, ZC_SERVICE_CLAIMING);
		next_state = states[i];
		next_hash = next_state == ZC_SERVICE_EMPTY ? 0 : name_hash;
		must(step_every(&c) > 100);
		unit_pool_fini(&world.p);
	}
}

/* My entry is aborted, and is another's by now: it is not mine to clear. */
static void mine_is_aborted_for_another(void *ctx)
{
	u64 *entry = &world.p.view.writer_slots[0].service;

	(void)ctx;
	if (zc_service_state(*entry) == ZC_SERVICE_CLAIMING)
		*entry = zc_service_word(zc_service_hash(*entry),
					 zc_service_version(*entry) + 1, 2,
					 ZC_SERVICE_ABORTED);
}

static void anothers_is_not_cleared(void *ctx)
{
	(void)ctx;
	must_eq(named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_READY), 1);
	must_eq(world.got, in_state(ZC_SERVICE_ABORTED) ? 1 : 0);
}

Test(service, aborted_entry_of_another_is_left_to_it)
{
	const struct step_case c = { .victim = open_the_name,
				     .rivals = mine_is_aborted_for_another,
				     .check = anothers_is_not_cleared };

	world_init();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/*
 * All 32 are there, one is idle and empty.  The victim takes it for another
 * name; a reader joins under the old one, as zc_reader_enter() does.
 */
static void fill_all_but_one(void)
{
	u32 i;

	must_eq(enter(&world.name, 1), 0);
	for (i = 1; i < ZC_MAX_WRITERS; i++) {
		struct zc_service_name name;
		char text[32];

		snprintf(text, sizeof(text), "s/%u/e", i);
		must_ok(zc_service_parse(&name, text));
		must_eq(enter(&name, 1), i);
		unit_writer_join(&world.p, i, 1);
	}
}

static void open_the_other(void *ctx)
{
	(void)ctx;
	world.got = enter(&world.other, 1);
}

static void reader_joins(void *ctx)
{
	struct zc_view *v = &world.p.view;
	u64 word;

	(void)ctx;
	world.rival_got = zc_service_find(v, &world.name, &word);
	if (world.rival_got < 0)
		return;
	unit_reader_join(&world.p, world.rival_got, 0, 2, 0);
	if (zc_service_unchanged(v, world.rival_got, &world.name, word))
		return;
	unit_reader_leave(&world.p, world.rival_got, 0);
	world.rival_got = -1;
}

static void entry_has_one_use(void *ctx)
{
	(void)ctx;
	if (world.rival_got >= 0) {
		/* The reader is in: the name is what it was. */
		must_eq(world.got, -1);
		must_eq(named(&world.name), 1);
		must_eq(named(&world.other), 0);
	} else {
		must_eq(world.got, 0);
		must_eq(named(&world.name), 0);
		must_eq(named(&world.other), 1);
	}
	must_eq(in_state(ZC_SERVICE_READY), ZC_MAX_WRITERS);
}

Test(service, joiner_and_retirer_never_both_have_it)
{
	const struct step_case c = { .victim = open_the_other,
				     .rivals = reader_joins,
				     .check = entry_has_one_use };

	world_init();
	fill_all_but_one();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* Nor when the new name has the hash of the old, whoever of the two is stopped. */
Test(service, joiner_and_retirer_of_one_hash_never_both_have_it)
{
	const struct step_case cases[] = {
		{ .victim = open_the_other, .rivals = reader_joins, .check = entry_has_one_use },
		{ .victim = reader_joins, .rivals = open_the_other, .check = entry_has_one_use },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		world_init();
		twins_init();
		fill_all_but_one();
		must(step_every(&cases[i]) > 100);
		unit_pool_fini(&world.p);
	}
}

/* A writer comes for the old name, as zc_writer_register() does. */
static void writer_comes(void *ctx)
{
	struct zc_view *v = &world.p.view;
	u64 word;

	(void)ctx;
	world.rival_got = zc_service_find(v, &world.name, &word);
	if (world.rival_got < 0)
		return;
	unit_writer_join(&world.p, world.rival_got, 2);
	if (zc_service_unchanged(v, world.rival_got, &world.name, word))
		return;
	v->writer_slots[world.rival_got].life = zc_life(1, 0, ZC_LIFE_IDLE);
	world.rival_got = -1;
}

Test(service, writer_and_retirer_never_both_have_it)
{
	const struct step_case c = { .victim = open_the_other,
				     .rivals = writer_comes,
				     .check = entry_has_one_use };

	world_init();
	fill_all_but_one();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

static void rival_retires_it_too(void *ctx)
{
	struct zc_service_name third;

	(void)ctx;
	must_ok(zc_service_parse(&third, "third/y/z"));
	world.rival_got = enter(&third, 2);
	world.name = third;
}

/* Who came last has it: the other's has no role yet. */
static void one_of_two_has_it(void *ctx)
{
	(void)ctx;
	must(world.got == 0 || world.rival_got == 0);
	must_eq(named(&world.other) + named(&world.name), 1);
	must_eq(in_state(ZC_SERVICE_READY), ZC_MAX_WRITERS);
}

Test(service, two_that_retire_one_entry_get_one)
{
	const struct step_case c = { .victim = open_the_other,
				     .rivals = rival_retires_it_too,
				     .check = one_of_two_has_it };

	world_init();
	fill_all_but_one();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/* Neither an entry that another is about to name, nor one whose blocks somebody needs. */
Test(service, only_a_ready_and_empty_entry_is_retired)
{
	struct zc_view *v;
	u64 claiming;

	world_init();
	v = &world.p.view;
	fill_all_but_one();
	claiming = zc_service_word(7, 3, 2, ZC_SERVICE_CLAIMING);
	v->writer_slots[0].service = claiming;
	must_eq(enter(&world.other, 1), -1);
	must_eq(v->writer_slots[0].service, claiming);
	unit_pool_fini(&world.p);

	world_init();
	v = &world.p.view;
	fill_all_but_one();
	unit_writer_join(&world.p, 0, 1);
	unit_commit(&world.p, 0, UNIT_STRIPE, 3);
	/* A reader that left half way: its bit is still there, and what it needs. */
	unit_reader_join(&world.p, 0, 4, 2, 0);
	zc_reader_area(v, 0, 4)->cursor = 1;
	zc_reader_slot(v, 0, 4)->life = zc_life(1, 0, ZC_LIFE_IDLE);
	v->writer_slots[0].life = zc_life(1, 0, ZC_LIFE_IDLE);
	must_eq(enter(&world.other, 1), -1);
	must_eq(named(&world.name), 1);
	must_eq(zc_word_state(unit_word(&world.p, UNIT_STRIPE)), ZC_STATE_USING);
	zc_mask_clear(&v->writer_slots[0].active, 4);
	must_eq(enter(&world.other, 1), 0);
	unit_pool_fini(&world.p);
}

static void join_as_victim(void *ctx)
{
	reader_joins(ctx);
}

static void rival_retires(void *ctx)
{
	open_the_other(ctx);
}

Test(service, retirer_and_joiner_never_both_have_it)
{
	const struct step_case c = { .victim = join_as_victim,
				     .rivals = rival_retires,
				     .check = entry_has_one_use };

	world_init();
	fill_all_but_one();
	must(step_every(&c) > 100);
	unit_pool_fini(&world.p);
}

/*
 * A member dies in the middle of a claim while a pass that began before walks:
 * its slot must not be given away before its claim is cleared, or an entry is
 * lost for good.
 */
Test(service, claim_of_one_who_died_during_a_pass_is_cleared)
{
	struct unit_reaper r;

	world_init();
	unit_writer_join(&world.p, 0, 1);
	unit_declare_dead(&world.p, 1, 1);
	unit_reaper_init(&r, 2);
	must(!zc_reap(&world.p.view, &r.reaper, &r.ops, 1));
	world.p.view.writer_slots[3].service =
		zc_service_word(0x1234, 1, 2, ZC_SERVICE_CLAIMING);
	unit_declare_dead(&world.p, 2, 1);
	unit_reap(&world.p, &r, 1000);
	must_eq(zc_life_state(world.p.view.members[2].life), ZC_LIFE_IDLE);
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS);
	unit_pool_fini(&world.p);
}

/* --- threads ------------------------------------------------------------- */

#define ROUNDS 10000
#define THREADS 2

static struct {
	pthread_barrier_t barrier;
	int got[THREADS][2];
	u32 created[THREADS];
} race;

static void *race_thread(void *arg)
{
	u32 me = (u32)(uintptr_t)arg;
	struct zc_view *v = &world.p.view;
	u32 round;

	for (round = 0; round < ROUNDS; round++) {
		int i = -2;
		u64 word;
		bool created;
		u32 removed;

		pthread_barrier_wait(&race.barrier);
		while (i == -2) {
			i = zc_service_open(v, &world.name, 1 + me, ~0U, &word,
					    &created, &removed);
			race.created[me] += created;
		}
		race.got[me][round & 1] = i;
		pthread_barrier_wait(&race.barrier);
		/* The main thread looks, and empties the registry. */
		pthread_barrier_wait(&race.barrier);
	}
	return NULL;
}

Test(service, threads_that_open_one_name_get_one_entry)
{
	pthread_t threads[THREADS];
	u32 round, i;

	world_init();
	memset(&race, 0, sizeof(race));
	pthread_barrier_init(&race.barrier, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		must(!pthread_create(&threads[i], NULL, race_thread,
				     (void *)(uintptr_t)i));
	for (round = 0; round < ROUNDS; round++) {
		int *got[THREADS];

		pthread_barrier_wait(&race.barrier);
		pthread_barrier_wait(&race.barrier);
		for (i = 0; i < THREADS; i++)
			got[i] = &race.got[i][round & 1];
		must(*got[0] >= 0);
		must_eq(*got[0], *got[1]);
		must_eq(named(&world.name), 1);
		must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 1);
		must_eq(race.created[0] + race.created[1], round + 1);
		for (i = 0; i < ZC_MAX_WRITERS; i++) {
			u64 *entry = &world.p.view.writer_slots[i].service;

			/* EMPTY, one version on; READY somewhere else now. */
			*entry = zc_service_word(0, zc_service_version(*entry) + 1,
						 0, ZC_SERVICE_EMPTY);
		}
		pthread_barrier_wait(&race.barrier);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	unit_pool_fini(&world.p);
}

/* --- a claimant is dead, and its entry moves while it is reaped ------------------------- */

static void entry_is_reaped(void *ctx)
{
	(void)ctx;
	zc_service_reap(&world.p.view, 1);
}

/* By one that opens the name, as it must. */
static void rival_aborts_the_claim(void *ctx)
{
	u64 *entry = &world.p.view.writer_slots[OTHERS].service;

	(void)ctx;
	if (zc_service_state(*entry) == ZC_SERVICE_CLAIMING)
		*entry = zc_service_word(zc_service_hash(*entry),
					 zc_service_version(*entry) + 1, 1,
					 ZC_SERVICE_ABORTED);
}

static void no_entry_is_left(void *ctx)
{
	(void)ctx;
	must_eq(in_state(ZC_SERVICE_EMPTY), ZC_MAX_WRITERS);
}

/* No other pass comes: the next death may be a year away. */
Test(service, claim_that_is_aborted_while_it_is_reaped_is_not_left)
{
	const struct step_case c = { .victim = entry_is_reaped,
				     .rivals = rival_aborts_the_claim,
				     .check = no_entry_is_left };

	world_init();
	unit_declare_dead(&world.p, 1, 1);
	world.p.view.members[1].life = zc_life(1, 1, ZC_LIFE_REAPING);
	world.p.view.writer_slots[OTHERS].service =
		zc_service_word(77, 3, 1, ZC_SERVICE_CLAIMING);
	must(step_every(&c) > 20);
	unit_pool_fini(&world.p);
}
