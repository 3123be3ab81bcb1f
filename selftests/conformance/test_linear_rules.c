/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_linear_rules.c - histories that are wrong in one place are refused, each for what is
 * wrong with it; those that only look wrong are not.
 *
 * All begin with the same good one, which good() writes down.
 */
#include <string.h>

#include "harness.h"
#include "linear.h"

enum { KEEPS, DROPS, OVERWRITES, CUTS, TOPICS };
enum { WRITER, ADOPTER, EARLY, LATE, DROPPER, DROPPED, OVERWRITER, PASSED, CUTTER, CUT, LOGS };
#define CALLS 24

static const struct lin_topic topics[TOPICS] = {
	[KEEPS] = { ZC_ON_SLOW_BLOCK, false, 0 },
	[DROPS] = { ZC_ON_SLOW_DROP_OLDEST, false, 0 },
	[OVERWRITES] = { ZC_ON_SLOW_BLOCK, true, 2 },
	[CUTS] = { ZC_ON_SLOW_DISCONNECT, false, 0 },
};

static struct lin_op ops[LOGS][CALLS];
static struct lin_log logs[LOGS];
static struct lin_history history = { topics, TOPICS, logs, LOGS, 64, 512 };

/* --- a good history -------------------------------------------------------------------- */

static struct lin_op *add(uint32_t log, enum lin_kind kind, uint64_t call, uint64_t ret)
{
	struct lin_op *op = &ops[log][logs[log].nr++];

	CHECK_OP(logs[log].nr, <=, CALLS);
	*op = (struct lin_op){ .kind = (uint8_t)kind, .call = call, .ret = ret };
	return op;
}

/* Acquires and commits, in four ticks from @at. */
static void writes(uint32_t log, uint64_t sequence, uint64_t at, uint32_t granule)
{
	uint64_t tag = lin_tag(log, logs[log].nr);
	struct lin_op *op = add(log, LIN_ACQUIRE, at, at + 1);

	op->tag = tag;
	op->granule = granule;
	op->bytes = 600;
	op = add(log, LIN_COMMIT, at + 2, at + 3);
	op->tag = op->found = tag;
	op->sequence = sequence;
	op->bytes = 600;
}

static struct lin_op *commit_of(uint32_t topic, uint64_t sequence)
{
	for (uint32_t l = 0; l < LOGS; l++)
		for (uint32_t i = 0; logs[l].topic == topic && i < logs[l].nr; i++)
			if (ops[l][i].kind == LIN_COMMIT &&
			    ops[l][i].sequence == sequence)
				return &ops[l][i];
	T_FAIL("no commit %u", (unsigned int)sequence);
}

static struct lin_op *acquire_of(uint32_t topic, uint64_t sequence)
{
	struct lin_op *commit = commit_of(topic, sequence);

	return &ops[(commit->tag >> 32) - 1][(uint32_t)commit->tag - 1];
}

static void polls(uint32_t log, uint64_t sequence, uint64_t lost, uint64_t at)
{
	uint32_t topic = logs[log].topic;
	struct lin_op *op = add(log, LIN_POLL, at, at + 1);

	op->sequence = sequence;
	op->lost = lost;
	op->bytes = 600;
	op->found = commit_of(topic, sequence)->tag;
	op->granule = acquire_of(topic, sequence)->granule;
}

static struct lin_op *polls_in_vain(uint32_t log, uint64_t lost, uint64_t at)
{
	struct lin_op *op = add(log, LIN_POLL, at, at + 1);

	op->result = ZC_ERROR_TIMEOUT;
	op->lost = lost;
	return op;
}

static void releases(uint32_t log, uint64_t sequence, uint64_t at)
{
	struct lin_op *op = add(log, LIN_RELEASE, at, at + 1);

	op->sequence = sequence;
	op->found = commit_of(logs[log].topic, sequence)->tag;
}

/*
 * On the reliable topic: two messages by a writer that dies in its third, which comes
 * through; a successor; a reader from the beginning, and one that joins when there are two
 * and wants one from before.  On the others somebody loses, and somebody is cut off.
 */
static void good(void)
{
	static const uint32_t topic_of[LOGS] = {
		KEEPS, KEEPS, KEEPS, KEEPS, DROPS, DROPS, OVERWRITES, OVERWRITES, CUTS, CUTS
	};

	memset(ops, 0, sizeof(ops));
	for (uint32_t l = 0; l < LOGS; l++)
		logs[l] = (struct lin_log){ .topic = topic_of[l], .cap = CALLS,
					    .op = ops[l] };
	add(WRITER, LIN_WRITER, 10, 11)->sequence = 1;
	writes(WRITER, 1, 20, 0);
	writes(WRITER, 2, 30, 2);
	writes(WRITER, 3, 50, 4);
	commit_of(KEEPS, 3)->ret = 0;
	logs[WRITER].kill_call = 55;
	logs[WRITER].kill_ret = 56;
	add(ADOPTER, LIN_WRITER, 70, 75)->sequence = 4;
	writes(ADOPTER, 4, 80, 6);
	add(ADOPTER, LIN_ACQUIRE, 85, 86)->granule = 0;
	ops[ADOPTER][3].bytes = 512;
	ops[ADOPTER][3].tag = lin_tag(ADOPTER, 3);
	add(ADOPTER, LIN_CANCEL, 87, 88)->tag = lin_tag(ADOPTER, 3);
	add(ADOPTER, LIN_LEAVE, 97, 98);

	add(EARLY, LIN_READER, 12, 13);
	polls_in_vain(EARLY, 0, 14);
	polls(EARLY, 1, 0, 26);
	polls(EARLY, 2, 0, 35);
	releases(EARLY, 1, 37);
	polls(EARLY, 3, 0, 58);
	releases(EARLY, 3, 60);
	polls(EARLY, 4, 0, 84);
	polls_in_vain(EARLY, 0, 86);
	releases(EARLY, 2, 88);
	add(EARLY, LIN_LEAVE, 90, 91);

	add(LATE, LIN_READER, 40, 41)->bytes = 1;
	polls(LATE, 2, 0, 42);
	polls(LATE, 3, 0, 62);
	polls(LATE, 4, 0, 92);
	add(LATE, LIN_LEAVE, 94, 95);

	add(DROPPER, LIN_WRITER, 10, 11)->sequence = 1;
	add(DROPPED, LIN_READER, 12, 13);
	for (uint64_t s = 1; s <= 5; s++)
		writes(DROPPER, s, 10 + 10 * s, (uint32_t)(8 + 2 * s));
	add(DROPPER, LIN_LEAVE, 97, 98);
	polls(DROPPED, 1, 0, 25);
	polls(DROPPED, 4, 2, 55);
	polls(DROPPED, 5, 2, 65);
	add(DROPPED, LIN_LEAVE, 94, 95);

	add(OVERWRITER, LIN_WRITER, 10, 11)->sequence = 1;
	add(PASSED, LIN_READER, 12, 13);
	for (uint64_t s = 1; s <= 5; s++)
		writes(OVERWRITER, s, 10 + 10 * s, (uint32_t)(20 + 2 * s));
	add(OVERWRITER, LIN_LEAVE, 97, 98);
	polls(PASSED, 1, 0, 25);
	polls(PASSED, 4, 2, 65);
	polls(PASSED, 5, 2, 70);
	add(PASSED, LIN_LEAVE, 94, 95);

	add(CUTTER, LIN_WRITER, 10, 11)->sequence = 1;
	add(CUT, LIN_READER, 12, 13);
	writes(CUTTER, 1, 20, 40);
	writes(CUTTER, 2, 30, 42);
	add(CUTTER, LIN_LEAVE, 97, 98);
	polls(CUT, 1, 0, 25);
	polls_in_vain(CUT, 0, 40)->result = ZC_ERROR_DISCONNECTED;
	add(CUT, LIN_LEAVE, 94, 95);
}

/* --- edits --------------------------------------------------------------------------------- */

static struct lin_op *nth(uint32_t log, enum lin_kind kind, uint32_t n)
{
	for (uint32_t i = 0; i < logs[log].nr; i++)
		if (ops[log][i].kind == kind && !n--)
			return &ops[log][i];
	T_FAIL("log %u has no such call", log);
}

static struct lin_op *poll_of(uint32_t log, uint64_t sequence)
{
	for (uint32_t i = 0; i < logs[log].nr; i++)
		if (ops[log][i].kind == LIN_POLL && ops[log][i].sequence == sequence)
			return &ops[log][i];
	T_FAIL("log %u has no such poll", log);
}

static void cut_out(uint32_t log, struct lin_op *op)
{
	uint32_t i = (uint32_t)(op - ops[log]);

	logs[log].nr--;
	memmove(op, op + 1, (logs[log].nr - i) * sizeof(*op));
}

/* A poll that finds nothing, before another call. */
static void insert(uint32_t log, struct lin_op *before, uint64_t when)
{
	uint32_t i = (uint32_t)(before - ops[log]);

	CHECK_OP(logs[log].nr, <, CALLS);
	memmove(before + 1, before, (logs[log].nr++ - i) * sizeof(*before));
	*before = (struct lin_op){ .kind = LIN_POLL, .call = when, .ret = when,
				   .result = ZC_ERROR_TIMEOUT };
}

static void at(struct lin_op *op, uint64_t call, uint64_t ret)
{
	op->call = call;
	op->ret = ret;
}

static void nothing(void) { }

static void cut_off_for_good(void)
{
	/* The successor begins with 3: the message never was. */
	nth(ADOPTER, LIN_WRITER, 0)->sequence = 3;
	nth(ADOPTER, LIN_COMMIT, 0)->sequence = 3;
	cut_out(EARLY, nth(EARLY, LIN_POLL, 3));
	cut_out(EARLY, nth(EARLY, LIN_RELEASE, 1));
	cut_out(LATE, nth(LATE, LIN_POLL, 1));
	poll_of(EARLY, 4)->sequence = 3;
	poll_of(LATE, 4)->sequence = 3;
}

/* It registers while 2 is committed, which another has had, and begins with it. */
static void join_inside_commit(void)
{
	at(nth(LATE, LIN_READER, 0), 32, 36);
	nth(LATE, LIN_READER, 0)->bytes = 0;
	at(poll_of(EARLY, 2), 32, 32);
	commit_of(KEEPS, 2)->ret = 40;
}

/* It registers after the death and before the successor: the cut off message is not past. */
static void join_before_adoption(void)
{
	at(nth(LATE, LIN_READER, 0), 60, 61);
	nth(LATE, LIN_READER, 0)->bytes = 0;
	cut_out(LATE, poll_of(LATE, 2));
}

/* The store of a commit without a fence is seen when the next call has returned. */
static void seen_late_after_loose(void)
{
	commit_of(KEEPS, 1)->loose = true;
	at(nth(EARLY, LIN_POLL, 0), 24, 25);
}

static void history_partly_gone(void)
{
	nth(LATE, LIN_READER, 0)->bytes = 2;
	for (uint64_t s = 2; s <= 4; s++)
		poll_of(LATE, s)->lost = 1;
}

static void times_meet(void)
{
	at(poll_of(EARLY, 1), 22, 22);
}

static void killed_reader_holds(void)
{
	cut_out(EARLY, nth(EARLY, LIN_LEAVE, 0));
	cut_out(EARLY, nth(EARLY, LIN_RELEASE, 2));
	logs[EARLY].kill_call = 95;
	logs[EARLY].kill_ret = 96;
}

static void time_back(void) { at(nth(EARLY, LIN_POLL, 0), 11, 14); }
static void no_return(void) { poll_of(EARLY, 2)->ret = 0; }
static void after_death(void) { logs[WRITER].kill_ret = 40; logs[WRITER].kill_call = 39; }
static void commit_fails(void) { commit_of(DROPS, 2)->result = ZC_ERROR_BUSY; }
static void poll_corrupt(void) { poll_of(DROPPED, 4)->result = ZC_ERROR_CORRUPT_BLOCK; }

static void cut_on_reliable(void)
{
	nth(EARLY, LIN_POLL, 0)->result = ZC_ERROR_DISCONNECTED;
}

static void adopts_too_early(void) { at(nth(ADOPTER, LIN_WRITER, 0), 45, 46); }

static void skips_a_number(void)
{
	nth(ADOPTER, LIN_WRITER, 0)->sequence = 5;
}

static void number_twice(void) { commit_of(DROPS, 3)->sequence = 2; }

static void cut_off_half(void)
{
	/* A reader had it, and the successor begins before it. */
	nth(ADOPTER, LIN_WRITER, 0)->sequence = 3;
	nth(ADOPTER, LIN_COMMIT, 0)->sequence = 3;
}

static void wrong_content(void)
{
	poll_of(EARLY, 2)->found = commit_of(KEEPS, 1)->tag;
}

static void torn_content(void) { poll_of(LATE, 3)->found = LIN_TORN; }
static void wrong_size(void) { poll_of(LATE, 3)->bytes = 599; }
static void wrong_place(void) { poll_of(LATE, 3)->granule++; }

static void cancelled_is_seen(void)
{
	poll_of(EARLY, 4)->found = nth(ADOPTER, LIN_CANCEL, 0)->tag;
}

static void seen_again(void)
{
	poll_of(EARLY, 3)->sequence = 2;
}

static void out_of_order(void)
{
	/* 4 before 3, and all else as it is. */
	poll_of(DROPPED, 5)->sequence = 3;
	poll_of(DROPPED, 3)->found = commit_of(DROPS, 3)->tag;
	poll_of(DROPPED, 3)->granule = acquire_of(DROPS, 3)->granule;
}

static void gap(void)
{
	cut_out(EARLY, poll_of(EARLY, 3));
	cut_out(EARLY, nth(EARLY, LIN_RELEASE, 1));
}

static void counted_gap(void)
{
	gap();
	poll_of(EARLY, 4)->lost = 1;
	nth(EARLY, LIN_POLL, 4 - 1)->lost = 1;
}

static void uncounted_drop(void)
{
	poll_of(DROPPED, 4)->lost = 1;
	poll_of(DROPPED, 5)->lost = 1;
}

static void counted_without_gap(void) { poll_of(DROPPED, 5)->lost = 3; }
static void count_goes_down(void) { poll_of(DROPPED, 5)->lost = 1; }

static void first_is_missed(void)
{
	cut_out(EARLY, poll_of(EARLY, 1));
	cut_out(EARLY, nth(EARLY, LIN_RELEASE, 0));
	cut_out(EARLY, nth(EARLY, LIN_POLL, 0));
}

static void keeps_too_few(void)
{
	/* 3 is lost when there is no 5 yet. */
	at(poll_of(PASSED, 4), 54, 55);
}

static void early(void) { at(poll_of(EARLY, 2), 30, 31); }

static void lost_before_it_was(void)
{
	at(poll_of(DROPPED, 4), 41, 42);
	poll_of(DROPPED, 4)->result = ZC_ERROR_TIMEOUT;
	poll_of(DROPPED, 4)->sequence = 0;
	poll_of(DROPPED, 5)->lost = 3;
	nth(DROPPED, LIN_POLL, 1)->lost = 3;
}

static void unseen(void) { at(nth(EARLY, LIN_POLL, 0), 24, 25); }

/* The commit has not returned, but one has had the message when another finds nothing. */
static void unseen_by_one(void)
{
	commit_of(KEEPS, 4)->ret = 96;
	cut_out(ADOPTER, nth(ADOPTER, LIN_ACQUIRE, 1));
	cut_out(ADOPTER, nth(ADOPTER, LIN_CANCEL, 0));
	at(poll_of(LATE, 3), 62, 63);
	insert(LATE, poll_of(LATE, 4), 88);
}

static void unseen_by_who_got_nothing(void)
{
	cut_out(CUT, nth(CUT, LIN_POLL, 0));
	nth(CUT, LIN_POLL, 0)->result = ZC_ERROR_TIMEOUT;
}

static void unseen_of_the_dead(void) { insert(EARLY, poll_of(EARLY, 3), 57); }

static void join_too_old(void) { nth(LATE, LIN_READER, 0)->bytes = 0; }

static void join_old_after_adoption(void)
{
	cut_out(LATE, poll_of(LATE, 2));
	at(nth(LATE, LIN_READER, 0), 76, 77);
	nth(LATE, LIN_READER, 0)->bytes = 0;
	at(poll_of(LATE, 3), 78, 79);
}

static void join_too_late(void)
{
	cut_out(LATE, poll_of(LATE, 2));
	cut_out(LATE, poll_of(LATE, 3));
}

static void held_changes(void) { nth(EARLY, LIN_RELEASE, 2)->found = LIN_TORN; }
static void claim_changes(void) { commit_of(DROPS, 2)->found = LIN_TORN; }

static void claimed_twice(void)
{
	acquire_of(DROPS, 1)->granule = acquire_of(KEEPS, 1)->granule + 1;
	poll_of(DROPPED, 1)->granule = acquire_of(DROPS, 1)->granule;
}

static void held_is_acquired(void)
{
	/* What EARLY holds of 2 until 88, at 85. */
	ops[ADOPTER][3].granule = acquire_of(KEEPS, 2)->granule;
}

static void killed_reader_is_robbed(void)
{
	killed_reader_holds();
	held_is_acquired();
}

static void outside(void) { ops[ADOPTER][3].granule = 64; }

static const struct {
	const char *name;
	void (*edit)(void);
	enum lin_rule rule;
} edits[] = {
	{ "nothing", nothing, LIN_OK },
	{ "cut_off_for_good", cut_off_for_good, LIN_OK },
	{ "join_inside_commit", join_inside_commit, LIN_OK },
	{ "join_before_adoption", join_before_adoption, LIN_OK },
	{ "seen_late_after_loose", seen_late_after_loose, LIN_OK },
	{ "history_partly_gone", history_partly_gone, LIN_OK },
	{ "times_meet", times_meet, LIN_OK },
	{ "killed_reader_holds", killed_reader_holds, LIN_OK },
	{ "time_back", time_back, LIN_RECORD },
	{ "no_return", no_return, LIN_RECORD },
	{ "after_death", after_death, LIN_RECORD },
	{ "commit_fails", commit_fails, LIN_RESULT },
	{ "poll_corrupt", poll_corrupt, LIN_RESULT },
	{ "cut_on_reliable", cut_on_reliable, LIN_RESULT },
	{ "adopts_too_early", adopts_too_early, LIN_TWO_WRITERS },
	{ "skips_a_number", skips_a_number, LIN_NUMBER },
	{ "number_twice", number_twice, LIN_NUMBER },
	{ "cut_off_half", cut_off_half, LIN_CONTENT },
	{ "wrong_content", wrong_content, LIN_CONTENT },
	{ "torn_content", torn_content, LIN_CONTENT },
	{ "wrong_size", wrong_size, LIN_CONTENT },
	{ "wrong_place", wrong_place, LIN_CONTENT },
	{ "cancelled_is_seen", cancelled_is_seen, LIN_CONTENT },
	{ "seen_again", seen_again, LIN_AGAIN },
	{ "out_of_order", out_of_order, LIN_AGAIN },
	{ "gap", gap, LIN_UNCOUNTED },
	{ "uncounted_drop", uncounted_drop, LIN_UNCOUNTED },
	{ "counted_without_gap", counted_without_gap, LIN_UNCOUNTED },
	{ "count_goes_down", count_goes_down, LIN_UNCOUNTED },
	{ "counted_gap", counted_gap, LIN_GAP },
	{ "keeps_too_few", keeps_too_few, LIN_KEPT },
	{ "early", early, LIN_EARLY },
	{ "lost_before_it_was", lost_before_it_was, LIN_EARLY },
	{ "unseen", unseen, LIN_UNSEEN },
	{ "unseen_by_one", unseen_by_one, LIN_UNSEEN },
	{ "unseen_by_who_got_nothing", unseen_by_who_got_nothing, LIN_UNSEEN },
	{ "unseen_of_the_dead", unseen_of_the_dead, LIN_UNSEEN },
	{ "join_too_old", join_too_old, LIN_JOIN_OLD },
	{ "join_old_after_adoption", join_old_after_adoption, LIN_JOIN_OLD },
	{ "join_too_late", join_too_late, LIN_JOIN_LATE },
	{ "first_is_missed", first_is_missed, LIN_JOIN_LATE },
	{ "held_changes", held_changes, LIN_CHANGED },
	{ "claim_changes", claim_changes, LIN_CHANGED },
	{ "claimed_twice", claimed_twice, LIN_TWICE },
	{ "held_is_acquired", held_is_acquired, LIN_TWICE },
	{ "killed_reader_is_robbed", killed_reader_is_robbed, LIN_TWICE },
	{ "outside", outside, LIN_TWICE },
};

static void each_edit_is_judged(void)
{
	bool broken[LIN_RULES] = { true };
	struct lin_verdict v;

	for (size_t i = 0; i < sizeof(edits) / sizeof(*edits); i++) {
		bool right;

		good();
		edits[i].edit();
		right = lin_check(&history, &v);
		CHECK_EQ(right, v.rule == LIN_OK);
		if (v.rule != edits[i].rule)
			T_FAIL("%s: expected %s, got %s", edits[i].name,
			       lin_rule_name(edits[i].rule),
			       right ? "ok" : v.text);
		broken[v.rule] = true;
	}
	for (int rule = 0; rule < LIN_RULES; rule++)
		if (!broken[rule])
			T_FAIL("no edit breaks rule %s", lin_rule_name(rule));
}

static void counts_are_right(void)
{
	struct lin_verdict v;

	good();
	CHECK(lin_check(&history, &v));
	CHECK_EQ(v.messages, 4 + 5 + 5 + 2);
	CHECK_EQ(v.polled, 4 + 3 + 3 + 3 + 1);
	CHECK_EQ(v.empty, 2);
	CHECK_EQ(v.lost, 2 + 2);
	CHECK_EQ(v.joins, 5);
	CHECK_EQ(v.deaths, 1);
	CHECK_EQ(v.cut_there, 1);
	CHECK_EQ(v.cut_gone, 0);
}

/* Any byte that is another makes it nobody's. */
static void content_says_whose_it_is(void)
{
	unsigned char data[100];

	for (size_t bytes = LIN_BYTES; bytes <= sizeof(data); bytes++) {
		lin_fill(data, bytes, lin_tag(3, 7));
		CHECK_EQ(lin_look(data, bytes), lin_tag(3, 7));
		for (size_t i = 0; i < bytes; i++) {
			data[i] ^= 1;
			CHECK(lin_look(data, bytes) == LIN_TORN);
			data[i] ^= 1;
		}
	}
	CHECK_EQ(lin_look(data, LIN_BYTES - 1), LIN_TORN);
}

static const struct t_case cases[] = {
	T_CASE(each_edit_is_judged),
	T_CASE(counts_are_right),
	T_CASE(content_says_whose_it_is),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
