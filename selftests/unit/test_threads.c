/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_threads.c - what threads do to words, masks and runs at the same time.
 *
 * Who owns granules writes to them with plain stores: two owners are wrong
 * stamps here, and a data race to ThreadSanitizer.
 */
#include <pthread.h>
#include <stdlib.h>

#include "unit.h"

#define ROUNDS 1000000U
#define RIVALS 2

/* --- one word, two claimers: models/reference_acquire.pml ---------------------------- */

static struct {
	u64 word;
	u32 owners;		/* how many think that it is theirs */
	u32 wrong;
	u64 plain;		/* changed by the owner only, no atomic */
	u64 wins[RIVALS];
	u32 rounds;
} duel;

static void *duel_thread(void *arg)
{
	u32 me = (u32)(uintptr_t)arg;
	u32 round;

	for (round = 0; round < duel.rounds; round++) {
		u64 word = zc_load_acquire(&duel.word);

		if (!zc_move_claim(&duel.word, &word, ZC_OWNER_WRITER(me)))
			continue;
		if (zc_fetch_add32(&duel.owners, 1))
			zc_fetch_add32(&duel.wrong, 1);
		duel.plain++;
		duel.wins[me]++;
		zc_fetch_add32(&duel.owners, (u32)-1);
		if (duel.plain & 1)
			zc_move_unclaim(&duel.word, word);
		else
			zc_move_done(&duel.word, word);
	}
	return NULL;
}

Test(threads, claim_a_word_one_at_a_time)
{
	pthread_t threads[RIVALS];
	u64 wins = 0;
	u32 i;

	memset(&duel, 0, sizeof(duel));
	duel.rounds = ROUNDS;
	duel.word = zc_word(0, 5, ZC_OWNER_NONE, ZC_STATE_FREE);
	for (i = 0; i < RIVALS; i++)
		must(!pthread_create(&threads[i], NULL, duel_thread,
				     (void *)(uintptr_t)i));
	for (i = 0; i < RIVALS; i++) {
		pthread_join(threads[i], NULL);
		wins += duel.wins[i];
	}
	must_eq(duel.wrong, 0);
	must(wins > 0);
	must_eq(duel.plain, wins);
	/* Claimed and given back as often as won: two writes of the word each. */
	must_eq(duel.word, zc_word((u32)(2 * wins), 5, ZC_OWNER_NONE,
				   ZC_STATE_FREE));
}

/* Each round both go at the same word: one wins, and only one. */
static struct {
	pthread_barrier_t barrier;
	u64 word;
	bool won[RIVALS];
} shot;

static void *shot_thread(void *arg)
{
	u32 me = (u32)(uintptr_t)arg;
	u32 round;

	for (round = 0; round < 20000; round++) {
		u64 word;

		pthread_barrier_wait(&shot.barrier);
		word = zc_load_acquire(&shot.word);
		shot.won[me] = zc_move_claim(&shot.word, &word,
					     ZC_OWNER_WRITER(me));
		pthread_barrier_wait(&shot.barrier);
	}
	return NULL;
}

Test(threads, that_claim_together_have_one_winner)
{
	pthread_t threads[RIVALS];
	u32 i, round, wrong = 0;

	pthread_barrier_init(&shot.barrier, NULL, RIVALS + 1);
	shot.word = zc_word(1, 5, ZC_OWNER_NONE, ZC_STATE_FREE);
	for (i = 0; i < RIVALS; i++)
		must(!pthread_create(&threads[i], NULL, shot_thread,
				     (void *)(uintptr_t)i));
	for (round = 0; round < 20000; round++) {
		u64 word;

		pthread_barrier_wait(&shot.barrier);
		pthread_barrier_wait(&shot.barrier);
		/* Both have seen the free word, or one saw the other's claim. */
		word = zc_load_acquire(&shot.word);
		wrong += shot.won[0] + shot.won[1] != 1;
		wrong += !shot.won[zc_word_owner(word) - 1];
		zc_store_release(&shot.word, zc_word_next(word, ZC_OWNER_NONE,
							  ZC_STATE_FREE));
	}
	for (i = 0; i < RIVALS; i++)
		pthread_join(threads[i], NULL);
	must_eq(wrong, 0);
}

/* --- masks ------------------------------------------------------------- */

static u64 shared_mask;

static void *mask_thread(void *arg)
{
	u32 me = (u32)(uintptr_t)arg;
	u32 i;

	for (i = 0; i < 100000; i++) {
		zc_mask_set(&shared_mask, me);
		zc_mask_clear(&shared_mask, me);
	}
	zc_mask_set(&shared_mask, 31 - me);
	return NULL;
}

Test(threads, change_their_own_bits_of_a_mask)
{
	pthread_t threads[3];
	u32 i;

	shared_mask = 0;
	for (i = 0; i < 3; i++)
		must(!pthread_create(&threads[i], NULL, mask_thread,
				     (void *)(uintptr_t)i));
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	must_eq(zc_mask_bits(shared_mask), 7u << 29);
	must_eq(shared_mask >> 32, 3 * 200001);
}

/* --- runs, and a mortal among them ------------------------------------------------------ */

#define WORKERS 3U
#define KEEP 12U
#define STEPS 30000U
#define LIVES 60U

static struct {
	struct unit_pool p;
	u8 stamp[2 * UNIT_SEGMENT_GRANULES];	/* plain; by the owner */
	u32 wrong;
	u32 stop;
	u32 claimed;
	u64 seed;
} crowd;

static void stamp(u32 g, u32 n, u8 was, u8 is)
{
	u32 i;

	for (i = g; i < g + n; i++) {
		if (crowd.stamp[i] != was)
			zc_fetch_add32(&crowd.wrong, 1);
		crowd.stamp[i] = is;
	}
}

/* Claims some free run, wherever the walk meets one after @skip heads. */
static u32 crowd_claim(u32 owner, u32 skip)
{
	struct zc_walk walk = { 0 };
	u32 g;
	u64 word;

	while (zc_walk_step(&crowd.p.view, &walk, &g, &word))
		if (zc_word_state(word) == ZC_STATE_FREE &&
		    zc_word_owner(word) == ZC_OWNER_NONE && !skip-- &&
		    zc_run_claim(&crowd.p.view, g, &word, owner)) {
			stamp(g, zc_word_length(word), 0, (u8)owner);
			zc_fetch_add32(&crowd.claimed, 1);
			return g;
		}
	return ~0U;
}

static void crowd_free(u32 g, u32 owner)
{
	u32 n = zc_word_length(zc_load_relaxed(&crowd.p.view.descs[g].word));

	stamp(g, n, (u8)owner, 0);
	zc_run_free(&crowd.p.view, g, owner);
}

static void crowd_step(struct unit_random *random, u32 *mine, u32 owner)
{
	u32 *slot = &mine[unit_random_below(random, KEEP)];
	u64 *head;
	u32 n, want;

	if (*slot == ~0U) {
		*slot = crowd_claim(owner, unit_random_below(random, 40));
		return;
	}
	head = &crowd.p.view.descs[*slot].word;
	n = zc_word_length(zc_load_relaxed(head));
	switch (unit_random_below(random, 4)) {
	case 0:
		crowd_free(*slot, owner);
		*slot = ~0U;
		return;
	case 1:
		if (n > 1) {
			want = 1 + unit_random_below(random, n - 1);
			crowd_free(zc_run_split(&crowd.p.view, *slot, want,
						owner), owner);
		}
		return;
	default:
		want = zc_run_grow(&crowd.p.view, *slot,
				   n + unit_random_below(random,
							 3 * UNIT_STRIPE),
				   owner);
		stamp(*slot + n, want - n, 0, (u8)owner);
	}
}

static void *crowd_worker(void *arg)
{
	u32 owner = ZC_OWNER_WRITER((u32)(uintptr_t)arg);
	struct unit_random random = { crowd.seed + owner };
	u32 mine[KEEP], i;

	for (i = 0; i < KEEP; i++)
		mine[i] = ~0U;
	for (i = 0; i < STEPS; i++)
		crowd_step(&random, mine, owner);
	for (i = 0; i < KEEP; i++)
		if (mine[i] != ~0U)
			crowd_free(mine[i], owner);
	zc_fetch_add32(&crowd.stop, 1);
	return NULL;
}

/* Members 30 and 31 live and die by turns; two threads reap. */
static void *crowd_reaper(void *arg)
{
	struct unit_reaper *r = arg;

	while (zc_load_acquire(&crowd.stop) < WORKERS + 1)
		zc_reap(&crowd.p.view, &r->reaper, &r->ops, 5);
	return NULL;
}

static void *crowd_mortal(void *arg)
{
	struct zc_view *v = &crowd.p.view;
	struct unit_random random = { crowd.seed };
	u32 life, i;

	(void)arg;
	for (life = 1; life <= LIVES; life++) {
		u64 *member = &v->members[30].life;
		u64 *slot = &v->writer_slots[30].life;
		u32 mine[KEEP];

		zc_store_release(member, zc_life(life, 0, ZC_LIFE_LIVE));
		zc_store_release(slot, zc_life(life, 30, ZC_LIFE_LIVE));
		for (i = 0; i < KEEP; i++)
			mine[i] = ~0U;
		for (i = 0; i < 50; i++)
			crowd_step(&random, mine, ZC_OWNER_WRITER(30));
		/* What it wrote is wiped; what it owns stays as it is. */
		for (i = 0; i < KEEP; i++)
			if (mine[i] != ~0U)
				stamp(mine[i], zc_word_length(zc_load_relaxed(
						&v->descs[mine[i]].word)),
				      (u8)ZC_OWNER_WRITER(30), 0);
		zc_member_declare_dead(v, 30, zc_life(life, 0, ZC_LIFE_LIVE), 1);
		while (zc_life_state(zc_load_acquire(member)) != ZC_LIFE_IDLE)
			zc_pause();
	}
	zc_fetch_add32(&crowd.stop, 1);
	return NULL;
}

static void crowd_wake(void *ctx, u32 w)
{
	(void)ctx;
	(void)w;
}

static u64 crowd_now(void *ctx)
{
	(void)ctx;
	return ~0ULL >> 1;
}

Test(threads, own_apart_while_one_dies_again_and_again)
{
	pthread_t workers[WORKERS], reapers[2], mortal;
	static struct unit_reaper r[2];
	struct unit_random random;
	struct unit_tally t;
	u32 i;

	unit_random_init(&random);
	memset(&crowd, 0, sizeof(crowd));
	crowd.seed = unit_random_next(&random);
	unit_pool_init(&crowd.p, 2);
	for (i = 0; i < WORKERS; i++) {
		unit_member_join(&crowd.p, i);
		unit_writer_join(&crowd.p, i, i);
		must(!pthread_create(&workers[i], NULL, crowd_worker,
				     (void *)(uintptr_t)i));
	}
	must(!pthread_create(&mortal, NULL, crowd_mortal, NULL));
	for (i = 0; i < 2; i++) {
		memset(&r[i], 0, sizeof(r[i]));
		r[i].ops.wake = crowd_wake;
		r[i].ops.now_ns = crowd_now;
		must(!pthread_create(&reapers[i], NULL, crowd_reaper, &r[i]));
	}
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(mortal, NULL);
	for (i = 0; i < 2; i++)
		pthread_join(reapers[i], NULL);
	must_eq(crowd.wrong, 0);
	must(crowd.claimed > STEPS / 10);
	must_ok(unit_tiling(&crowd.p, &t));
	must_eq(t.free, 2 * UNIT_SEGMENT_GRANULES);
	must_ok(unit_hints(&crowd.p));
	must_ok(unit_free_runs(&crowd.p));
	unit_pool_fini(&crowd.p);
}
