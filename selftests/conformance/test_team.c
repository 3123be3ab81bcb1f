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
		/* Of two who named one, the later may be heard first. */
		if (words[0] > heard->term) {
			heard->term = words[0];
			heard->node = words[1];
			heard->duties++;
		}
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

#define NOBODY 8

/* The one on duty, as the pool has it. */
static uint32_t leader_of(zc_pool_t *pool)
{
	zc_cleaner_info_t info = { .sz = sizeof(info) };
	uint32_t i;

	for (i = 0; i < NOBODY; i++)
		if (zc_inspect_cleaner(pool, i, &info) == ZC_OK && info.leads &&
		    info.state == ZC_PEER_LIVE)
			return i;
	return NOBODY;
}

/*
 * Who does not look for a quarter of a second does not lead any more, and on a slow
 * machine that may be any of them: false, and it is tried again.
 */
static bool who_is_there_stays(zc_pool_t *pool, zc_messagering_t *node)
{
	zc_cleaner_t *cleaner[3];
	bool stays, next;
	unsigned int i;

	cleaner[0] = cleaner_of(pool);
	T_UNTIL(stats_of(cleaner[0]).leads);
	cleaner[1] = cleaner_of(pool);
	cleaner[2] = cleaner_of(pool);
	T_UNTIL(nodes_of(node) == 4);
	T_UNTIL(stats_of(cleaner[1]).passes && stats_of(cleaner[2]).passes);
	/* A monitor never leads. */
	CHECK(leader_of(pool) != zc_messagering_id(node));
	stays = stats_of(cleaner[0]).leads && !stats_of(cleaner[1]).leads &&
		!stats_of(cleaner[2]).leads;
	zc_cleaner_stop(cleaner[0]);
	/* The lowest that is there is the next; the one who comes then is not. */
	T_UNTIL((nodes_of(node),
		 stats_of(cleaner[1]).leads || stats_of(cleaner[2]).leads));
	next = stats_of(cleaner[1]).leads;
	cleaner[0] = cleaner_of(pool);
	T_UNTIL((nodes_of(node), stats_of(cleaner[0]).passes));
	stays &= !stats_of(cleaner[0]).leads;
	for (i = 0; i < 3; i++)
		zc_cleaner_stop(cleaner[i]);
	return stays && next;
}

static void one_cleaner_leads(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct heard heard = { 0 };
	zc_messagering_t *node = monitor_of(pool, &heard);
	zc_cleaner_t *cleaner[2];
	unsigned int i;

	t_no_more_cleaners(pool);
	T_UNTIL(who_is_there_stays(pool, node));
	/* Each duty is told once, and not to who did not look: until one is heard. */
	for (i = 0; i < 2; i++)
		cleaner[i] = cleaner_of(pool);
	heard.duties = 0;
	for (i = 0; !heard.duties || heard.node != leader_of(pool); i ^= 1) {
		T_UNTIL((nodes_of(node), stats_of(cleaner[i]).leads ||
					 stats_of(cleaner[i ^ 1]).leads));
		CHECK(t_left_ns());
		zc_cleaner_stop(cleaner[i]);
		T_UNTIL((nodes_of(node), stats_of(cleaner[i ^ 1]).leads));
		nodes_of(node);
		cleaner[i] = cleaner_of(pool);
	}
	CHECK_OP(heard.term, >=, 2);
	for (i = 0; i < 2; i++)
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
	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool);
	t_say_number(t_parent(), "cleans", stats_of(cleaner).id);
	leads = t_hear_number(t_parent(), "end");
	/* What is told to others comes before what is told to this program. */
	T_UNTIL(stats_of(cleaner).leads == (leader_of(pool) == stats_of(cleaner).id) &&
		stats_of(cleaner).leads >= leads);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

static bool leads_another(zc_pool_t *pool, const bool away[4])
{
	uint32_t leader = leader_of(pool);

	return leader != NOBODY && !away[leader];
}

/* Three processes; the one that leads is killed or stopped: another one leads. */
static void duty_passes_on(bool kill)
{
	bool away[4] = { false };
	struct t_peer *child[4];
	struct heard heard = { 0 };
	zc_messagering_t *node;
	uint64_t term, duties;
	zc_pool_t *pool;
	uint32_t first;
	unsigned int i;

	for (i = 1; i <= 3; i++)
		child[i] = t_spawn("cleaner", is_a_cleaner, NULL);
	pool = t_pool_create(NULL);
	node = monitor_of(pool, &heard);
	for (i = 1; i <= 3; i++) {
		t_say(child[i], "go");
		CHECK_EQ(t_hear_number(child[i], "cleans"), i);
	}
	for (i = 0; i < 2; i++) {
		T_UNTIL((nodes_of(node), (first = leader_of(pool)) != NOBODY));
		CHECK(first >= 1 && first <= 3 && !away[first]);
		away[first] = true;
		term = heard.term;
		duties = heard.duties;
		if (kill)
			t_kill(child[first]);
		else
			t_stop(child[first]);
		T_UNTIL((nodes_of(node), leads_another(pool, away)));
		/* Who did not look for a quarter of a second, as we perhaps, is not told. */
		CHECK(heard.duties == duties || heard.term > term);
	}
	if (!kill) {
		for (i = 1; i <= 3; i++)
			if (away[i])
				t_continue(child[i]);
		T_UNTIL(nodes_of(node) == 4);
		/* Who was away does not take itself for the leader: it sees the term. */
		for (i = 1; i <= 3; i++)
			if (away[i]) {
				t_say_number(child[i], "end", 0);
				t_join(child[i]);
			}
	}
	for (i = 1; i <= 3; i++)
		if (!away[i]) {
			t_say_number(child[i], "end", 1);
			t_join(child[i]);
		}
	zc_messagering_unregister(node);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void duty_passes_on_when_its_holder_is_killed(void) { duty_passes_on(true); }
static void duty_passes_on_when_its_holder_is_stopped(void) { duty_passes_on(false); }

/* --- how many ---------------------------------------------------------------------------- */

struct wish {
	int want;
	int most;	/* that were there */
	uint64_t asked;
	uint64_t nonsense;
};

static bool wants_more(const zc_stats_t *stats, int current, void *ctx)
{
	struct wish *wish = ctx;

	__atomic_add_fetch(&wish->asked, 1, __ATOMIC_SEQ_CST);
	if (current > __atomic_load_n(&wish->most, __ATOMIC_SEQ_CST))
		__atomic_store_n(&wish->most, current, __ATOMIC_SEQ_CST);
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

static void wishes(struct wish *wish, int want)
{
	__atomic_store_n(&wish->want, want, __ATOMIC_SEQ_CST);
	__atomic_store_n(&wish->most, 0, __ATOMIC_SEQ_CST);
}

static void is_asked(struct wish *wish, zc_messagering_t *node)
{
	__atomic_store_n(&wish->asked, 0, __ATOMIC_SEQ_CST);
	T_UNTIL((nodes_of(node), __atomic_load_n(&wish->asked, __ATOMIC_SEQ_CST) > 6));
}

/* The policy's limit is 4, though more are wanted: true when there were no more.  For one
 * that does not look for a quarter of a second another one may come: tried again. */
static bool limit_holds(struct wish *wish, zc_messagering_t *node)
{
	wishes(wish, 3);
	T_UNTIL(nodes_of(node) == 4);
	wishes(wish, 9);
	T_UNTIL(nodes_of(node) >= 5);
	is_asked(wish, node);
	return __atomic_load_n(&wish->most, __ATOMIC_SEQ_CST) == 4;
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
	T_UNTIL(limit_holds(&wish, node));
	/* What the program started stays. */
	cleaner[1] = cleaner_of(pool);
	wishes(&wish, 0);
	T_UNTIL(nodes_of(node) == 3);
	is_asked(&wish, node);
	T_UNTIL(nodes_of(node) == 3);
	CHECK(stats_of(cleaner[0]).sz && stats_of(cleaner[1]).sz);
	/* They come again, and go with the last of the program's. */
	wishes(&wish, 4);
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
	zc_cleaner_t *cleaner;
	struct heard heard = { 0 };
	zc_messagering_t *node;
	uint64_t got = 0;
	unsigned int i;

	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool);
	node = monitor_of(pool, &heard);
	CHECK_OK(zc_cleaner_handle(cleaner, ZC_MSG_USER + 1, counts, &got));
	/* One that does not look for a quarter of a second is not there: again. */
	T_UNTIL(!zc_messagering_post(node, 0, ZC_MSG_STOP, NULL, 0, 0));
	for (i = 1; i <= 10; i++) {
		T_UNTIL(!zc_messagering_post(node, 0, ZC_MSG_USER, NULL, 0, 0));
		T_UNTIL(!zc_messagering_post(node, 0, ZC_MSG_USER + 1, NULL, 0, 0));
		T_UNTIL((nodes_of(node),
			 __atomic_load_n(&got, __ATOMIC_SEQ_CST) == i));
	}
	T_UNTIL(nodes_of(node) == 2);
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
