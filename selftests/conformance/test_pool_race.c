/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_pool_race.c - several processes create, open and remove one name, and
 * are killed on the way.
 */
#include "harness.h"

static void creates_once(void *arg)
{
	zc_pool_options_t options = t_pool_options();
	uint32_t *won = arg;

	for (int round = 0; round < 8; round++) {
		zc_pool_t *pool = NULL;
		zc_result_t result;

		t_hear(t_parent(), "go");
		result = zc_pool_create(t_name(0), &options, &pool);
		if (result == ZC_OK)
			__atomic_fetch_add(won, 1, __ATOMIC_SEQ_CST);
		else
			CHECK_RESULT(result, ZC_ERROR_EXISTS);
		t_say(t_parent(), "tried");
		t_hear(t_parent(), "counted");
		zc_pool_close(pool);
		t_say(t_parent(), "closed");
	}
}

static void pool_creation_race_has_one_winner(void)
{
	enum { NR = 4 };
	uint32_t *won = t_shared(sizeof(*won));
	struct t_peer *child[NR];

	for (int i = 0; i < NR; i++)
		child[i] = t_spawn("creator", creates_once, won);
	for (int round = 0; round < 8; round++) {
		*won = 0;
		for (int i = 0; i < NR; i++)
			t_say(child[i], "go");
		for (int i = 0; i < NR; i++)
			t_hear(child[i], "tried");
		CHECK_EQ(*won, 1);
		for (int i = 0; i < NR; i++)
			t_say(child[i], "counted");
		for (int i = 0; i < NR; i++)
			t_hear(child[i], "closed");
		CHECK_OK(zc_pool_remove(t_name(0)));
	}
	for (int i = 0; i < NR; i++)
		t_join(child[i]);
}

static void comes_and_goes(void *arg)
{
	zc_pool_options_t options = t_pool_options();
	uint64_t *rounds = arg;

	options.bytes = 65536;
	options.ring_entries = 16;
	for (;;) {
		zc_pool_t *pool = NULL;

		CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
		zc_pool_close(pool);
		CHECK_OK(zc_pool_remove(t_name(0)));
		__atomic_fetch_add(rounds, 1, __ATOMIC_SEQ_CST);
	}
}

static void pool_opened_during_creation_is_whole_or_absent(void)
{
	uint64_t *rounds = t_shared(sizeof(*rounds));
	struct t_peer *child = t_spawn("creator", comes_and_goes, rounds);

	while (__atomic_load_n(rounds, __ATOMIC_SEQ_CST) < 30) {
		zc_pool_t *pool = NULL;
		zc_result_t result = zc_pool_open(t_name(0), &pool);

		CHECK(t_left_ns());
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		CHECK_RESULT(result, ZC_OK);
		t_pool_check(pool);
		zc_pool_close(pool);
	}
	t_kill(child);
	zc_pool_remove(t_name(0));
}

static void pool_creator_killed_leaves_nothing_after_remove(void)
{
	uint64_t *rounds = t_shared(sizeof(*rounds));

	t_srand(t_seed());
	for (int i = 0; i < 20; i++) {
		struct t_peer *child = t_spawn("creator", comes_and_goes,
					       rounds);
		uint64_t from = __atomic_load_n(rounds, __ATOMIC_SEQ_CST);
		uint64_t spin = t_rand_below(300000);
		zc_result_t result;

		T_UNTIL(__atomic_load_n(rounds, __ATOMIC_SEQ_CST) > from);
		while (spin--)
			__asm__ __volatile__("");
		t_kill(child);
		result = zc_pool_remove(t_name(0));
		CHECK(result == ZC_OK || result == ZC_ERROR_NOT_FOUND);
		/* The harness looks whether the folder is empty in the end. */
	}
}

static const struct t_case cases[] = {
	T_CASE(pool_creation_race_has_one_winner),
	T_CASE(pool_opened_during_creation_is_whole_or_absent),
	T_CASE(pool_creator_killed_leaves_nothing_after_remove),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
