/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_team.c - cleaners have a leader, and are as many as they want to be.
 */
#include <string.h>

#include "harness.h"

/* What a monitor heard. */
struct heard {
	uint64_t term, node;	/* of the last ZC_MSG_DUTY */
	uint64_t duties;
	uint64_t beats;
	uint64_t offsets;
};

static void hears(const zc_message_t *message, void *ctx)
{
	struct heard *heard = ctx;
	uint64_t words[4] = { 0 };

	memcpy(words, message->payload, message->bytes);
	switch (message->type) {
	case ZC_MSG_DUTY:
		heard->term = words[0];
		heard->node = words[1];
		heard->duties++;
		break;
	case ZC_MSG_HEARTBEAT:
		heard->beats++;
		break;
	case ZC_MSG_OFFSET:
		heard->offsets++;
		break;
	}
}

static zc_cleaner_t *cleaner_of(zc_pool_t *pool)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;

	options.idle_ns = 10000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	return cleaner;
}

static zc_cleaner_stats_t stats_of(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats;
}

static zc_messagering_t *monitor_of(zc_pool_t *pool, struct heard *heard)
{
	zc_messagering_t *node;

	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zc_messagering_handle(node, ZC_MSG_DEFAULT, hears, heard));
	return node;
}

static uint64_t nodes_of(zc_messagering_t *node)
{
	zc_messagering_on_message(node, 0, NULL);
	return (uint64_t)__builtin_popcount(zc_messagering_nodes(node));
}

/* --- duty ----------------------------------------------------------------------------- */

static void one_cleaner_leads(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner[3];
	struct heard heard = { 0 };
	zc_messagering_t *node;
	unsigned int i;

	cleaner[0] = cleaner_of(pool);
	T_UNTIL(stats_of(cleaner[0]).leads);
	cleaner[1] = cleaner_of(pool);
	cleaner[2] = cleaner_of(pool);
	node = monitor_of(pool, &heard);
	T_UNTIL(nodes_of(node) == 4);
	/* Who is there stays; a monitor never leads. */
	CHECK(!stats_of(cleaner[1]).leads && !stats_of(cleaner[2]).leads);
	zc_cleaner_stop(cleaner[0]);
	T_UNTIL((nodes_of(node), stats_of(cleaner[1]).leads));
	T_UNTIL((nodes_of(node), heard.duties));
	CHECK_EQ(heard.node, stats_of(cleaner[1]).id);
	CHECK_OP(heard.term, >=, 2);
	CHECK(!stats_of(cleaner[2]).leads);
	/* One that comes later begins where the leader says, and does not lead. */
	cleaner[0] = cleaner_of(pool);
	CHECK_EQ(stats_of(cleaner[0]).id, 0);
	T_UNTIL((nodes_of(node), stats_of(cleaner[0]).passes));
	CHECK(!stats_of(cleaner[0]).leads);
	for (i = 0; i < 3; i++)
		zc_cleaner_stop(cleaner[i]);
	zc_messagering_unregister(node);
	t_pool_close(pool);
}

static void is_a_cleaner(void *arg)
{
	zc_cleaner_t *cleaner;
	zc_pool_t *pool;
	uint64_t leads;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	cleaner = cleaner_of(pool);
	t_say_number(t_parent(), "cleans", stats_of(cleaner).id);
	/* What is told to others comes before what is told to this program. */
	leads = t_hear_number(t_parent(), "end");
	T_UNTIL(stats_of(cleaner).leads == leads);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* Three processes; the one that leads is killed or stopped: another one leads. */
static void duty_passes_on(bool kill)
{
	struct t_peer *child[3];
	struct heard heard = { 0 };
	zc_messagering_t *node;
	uint64_t term, first;
	zc_pool_t *pool;
	unsigned int i;

	for (i = 0; i < 3; i++)
		child[i] = t_spawn("cleaner", is_a_cleaner, NULL);
	pool = t_pool_create(NULL);
	node = monitor_of(pool, &heard);
	for (i = 0; i < 3; i++) {
		t_say(child[i], "go");
		/* Told once, and not to who does not look for a quarter of a second. */
		T_UNTIL((nodes_of(node), heard.duties));
		CHECK_EQ(t_hear_number(child[i], "cleans"), i + 1);
	}
	CHECK_EQ(heard.node, 1);
	for (i = 0; i < 2; i++) {
		first = heard.node;
		term = heard.term;
		if (kill)
			t_kill(child[first - 1]);
		else
			t_stop(child[first - 1]);
		T_UNTIL((nodes_of(node), heard.node != first));
		CHECK_OP(heard.term, >, term);
		CHECK_EQ(heard.node, i + 2);
	}
	if (!kill) {
		t_continue(child[0]);
		t_continue(child[1]);
		T_UNTIL(nodes_of(node) == 4);
		/* Who was away does not lead: it sees the other's term. */
		for (i = 0; i < 2; i++) {
			t_say_number(child[i], "end", 0);
			t_join(child[i]);
		}
	}
	t_say_number(child[2], "end", 1);
	t_join(child[2]);
	zc_messagering_unregister(node);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void duty_passes_on_when_its_holder_is_killed(void) { duty_passes_on(true); }
static void duty_passes_on_when_its_holder_is_stopped(void) { duty_passes_on(false); }

/* --- how many ---------------------------------------------------------------------------- */

struct wish {
	int want;
	uint64_t asked;
	uint64_t nonsense;
};

static bool wants_more(const zc_stats_t *stats, int current, void *ctx)
{
	struct wish *wish = ctx;

	__atomic_add_fetch(&wish->asked, 1, __ATOMIC_SEQ_CST);
	if (stats->used_bytes > stats->total_bytes || current < 1 || current > 8)
		__atomic_add_fetch(&wish->nonsense, 1, __ATOMIC_SEQ_CST);
	return current < __atomic_load_n(&wish->want, __ATOMIC_SEQ_CST);
}

static bool wants_less(const zc_stats_t *stats, int current, void *ctx)
{
	struct wish *wish = ctx;

	(void)stats;
	return current > __atomic_load_n(&wish->want, __ATOMIC_SEQ_CST);
}

static void team_grows_and_shrinks(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	struct wish wish = { .want = 3 };
	struct heard heard = { 0 };
	zc_messagering_t *node = monitor_of(pool, &heard);
	zc_cleaner_t *cleaner[2];

	policy.should_scale_up = wants_more;
	policy.should_scale_down = wants_less;
	policy.max_cleaners = 4;
	policy.ctx = &wish;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	cleaner[0] = cleaner_of(pool);
	T_UNTIL(nodes_of(node) == 4);
	__atomic_store_n(&wish.want, 9, __ATOMIC_SEQ_CST);
	T_UNTIL(nodes_of(node) == 5);
	/* The policy's limit, though they want more. */
	__atomic_store_n(&wish.asked, 0, __ATOMIC_SEQ_CST);
	T_UNTIL((nodes_of(node), __atomic_load_n(&wish.asked, __ATOMIC_SEQ_CST) > 6));
	CHECK_EQ(nodes_of(node), 5);
	/* What the program started stays. */
	cleaner[1] = cleaner_of(pool);
	__atomic_store_n(&wish.want, 0, __ATOMIC_SEQ_CST);
	T_UNTIL(nodes_of(node) == 3);
	__atomic_store_n(&wish.asked, 0, __ATOMIC_SEQ_CST);
	T_UNTIL((nodes_of(node), __atomic_load_n(&wish.asked, __ATOMIC_SEQ_CST) > 6));
	CHECK_EQ(nodes_of(node), 3);
	CHECK(stats_of(cleaner[0]).sz && stats_of(cleaner[1]).sz);
	/* They come again, and go with the last of the program's. */
	__atomic_store_n(&wish.want, 4, __ATOMIC_SEQ_CST);
	T_UNTIL(nodes_of(node) == 5);
	zc_cleaner_stop(cleaner[0]);
	zc_cleaner_stop(cleaner[1]);
	CHECK_EQ(nodes_of(node), 1);
	CHECK_EQ(wish.nonsense, 0);
	zc_messagering_unregister(node);
	t_pool_close(pool);
}

static void bad_policies_are_refused(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner = cleaner_of(pool);

	CHECK_RESULT(zc_set_scaling_policy(NULL, &policy), ZC_ERROR_INVALID);
	policy.max_cleaners = 9;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	policy.max_cleaners = -1;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	policy.max_cleaners = 8;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	policy.sz = 3;
	CHECK_RESULT(zc_set_scaling_policy(pool, &policy), ZC_ERROR_INVALID);
	CHECK_OK(zc_set_scaling_policy(pool, NULL));
	CHECK_RESULT(zc_cleaner_handle(NULL, ZC_MSG_USER, hears, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_cleaner_handle(cleaner, ZC_MSG_STOP, hears, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_cleaner_handle(cleaner, ZC_MSG_MAX + 1, hears, NULL),
		     ZC_ERROR_INVALID);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static void counts(const zc_message_t *message, void *ctx)
{
	(void)message;
	__atomic_add_fetch((uint64_t *)ctx, 1, __ATOMIC_SEQ_CST);
}

/* A program's packets reach a handler in a cleaner; ZC_MSG_STOP of a stranger does not
 * end what a program started. */
static void cleaners_have_handlers(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner = cleaner_of(pool);
	struct heard heard = { 0 };
	zc_messagering_t *node = monitor_of(pool, &heard);
	uint64_t got = 0;
	unsigned int i;

	CHECK_OK(zc_cleaner_handle(cleaner, ZC_MSG_USER + 1, counts, &got));
	CHECK_OK(zc_messagering_post(node, 0, ZC_MSG_STOP, NULL, 0, 0));
	for (i = 1; i <= 10; i++) {
		CHECK_OK(zc_messagering_post(node, 0, ZC_MSG_USER, NULL, 0, 0));
		CHECK_OK(zc_messagering_post(node, 0, ZC_MSG_USER + 1, NULL, 0, 0));
		T_UNTIL((nodes_of(node),
			 __atomic_load_n(&got, __ATOMIC_SEQ_CST) == i));
	}
	CHECK_EQ(nodes_of(node), 2);
	zc_cleaner_stop(cleaner);
	CHECK_EQ(got, 10);
	zc_messagering_unregister(node);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(one_cleaner_leads),
		T_CASE(duty_passes_on_when_its_holder_is_killed),
		T_CASE(duty_passes_on_when_its_holder_is_stopped),
		T_CASE(team_grows_and_shrinks),
		T_CASE(bad_policies_are_refused),
		T_CASE(cleaners_have_handlers),
		T_END
	};

	return t_main(argc, argv, cases);
}
