/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_messagering.c - packets go round, each once, past the dead and the stopped.
 */
#include <string.h>

#include "harness.h"

#define NODES 8
#define ALL NODES

/* What one node got, and from whom. */
struct got {
	uint64_t nr;
	uint64_t sum;
	zc_message_t last;
	char payload[ZC_MESSAGERING_BYTES];
};

static void note(const zc_message_t *message, void *ctx)
{
	struct got *got = ctx;
	uint64_t number = 0;

	got->last = *message;
	memcpy(got->payload, message->payload, message->bytes);
	memcpy(&number, message->payload,
	       message->bytes < sizeof(number) ? message->bytes : sizeof(number));
	got->nr++;
	got->sum += number;
}

static zc_messagering_t *node_of(zc_pool_t *pool, struct got *got)
{
	zc_messagering_t *node;

	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zc_messagering_handle(node, ZC_MSG_DEFAULT, note, got));
	return node;
}

/*
 * Whoever has not looked for a quarter of a second is gone past.  What took that long
 * since all looked, as on a slow machine it may, is done again; the rest must be right.
 */
static bool took_long(uint64_t since_ns)
{
	return zc_timestamp() - since_ns >= 240000000ULL;
}

/* Each node looks until none finds anything. */
static void settle(zc_messagering_t **node, unsigned int nr)
{
	unsigned int i, quiet = 0;

	for (i = 0; quiet < nr; i++) {
		uint32_t handled;

		if (zc_messagering_on_message(node[i % nr], 0, &handled) == ZC_OK)
			quiet = 0;
		else
			quiet++;
	}
}

/* One packet from neighbour to neighbour.  @to has nothing to read, and looks just before. */
static bool posted(zc_messagering_t *from, uint32_t dst, zc_messagering_t *to, uint64_t number)
{
	zc_result_t result;

	CHECK_RESULT(zc_messagering_on_message(to, 0, NULL), ZC_ERROR_TIMEOUT);
	result = zc_messagering_post(from, dst, ZC_MSG_USER, &number, sizeof(number), 0);
	if (result != ZC_ERROR_NOT_FOUND)
		CHECK_OK(result);
	return result == ZC_OK;
}

static void packets_arrive_at_whom_they_are_for(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_messagering_t *node[NODES];
	struct got got[NODES] = { 0 };
	uint64_t before = zc_timestamp();
	unsigned int i, j;

	for (i = 0; i < NODES; i++) {
		node[i] = node_of(pool, &got[i]);
		CHECK_EQ(zc_messagering_id(node[i]), i);
	}
	for (i = 0; i < NODES; i++)
		for (j = 0; j < NODES; j++) {
			uint64_t number = 100 * i + j, since;
			zc_result_t result;

			if (i == j)
				continue;
			do {
				since = zc_timestamp();
				settle(node, NODES);
				got[j] = (struct got){ 0 };
				result = zc_messagering_post(node[i], ZC_NODE(j),
							     ZC_MSG_USER + j, &number,
							     sizeof(number), 0);
				settle(node, NODES);
			} while (took_long(since));
			CHECK_OK(result);
			CHECK_EQ(got[j].sum, number);
			CHECK_EQ(got[j].nr, 1);
			CHECK_EQ(got[j].last.type, ZC_MSG_USER + j);
			CHECK_EQ(got[j].last.src, ZC_NODE(i));
			CHECK_EQ(got[j].last.bytes, sizeof(number));
			CHECK_OP(got[j].last.create_ns, >=, before);
			CHECK_OP(got[j].last.create_ns, <=, zc_timestamp());
			got[j] = (struct got){ 0 };
		}
	for (i = 0; i < NODES; i++) {
		CHECK_EQ(got[i].nr, 0);
		zc_messagering_unregister(node[i]);
	}
	t_pool_close(pool);
}

/* One way, and both: everybody but the sender gets it, and gets it once. */
static void broadcast_reaches_all_once(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_messagering_t *node[NODES];
	struct got got[NODES] = { 0 };
	unsigned int i, from, flags;

	for (i = 0; i < NODES; i++)
		node[i] = node_of(pool, &got[i]);
	for (from = 0; from < NODES; from++)
		for (flags = 0; flags <= ZC_MESSAGE_CRITICAL; flags++) {
			char text[ZC_MESSAGERING_BYTES];
			zc_result_t result;
			uint64_t since;

			memset(text, 'a' + (int)from, sizeof(text));
			do {
				since = zc_timestamp();
				settle(node, NODES);
				memset(got, 0, sizeof(got));
				result = zc_messagering_broadcast(node[from], ZC_MSG_USER,
								  text, sizeof(text),
								  flags);
				settle(node, NODES);
			} while (took_long(since));
			CHECK_OK(result);
			for (i = 0; i < NODES; i++) {
				CHECK_EQ(got[i].nr, i != from);
				if (i != from)
					CHECK(!memcmp(got[i].payload, text,
						      sizeof(text)));
			}
		}
	for (i = 0; i < NODES; i++)
		zc_messagering_unregister(node[i]);
	t_pool_close(pool);
}

static void handlers_are_by_type(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct got mine = { 0 }, other = { 0 };
	zc_messagering_t *node[2];
	zc_result_t result[2];
	uint32_t handled;
	uint64_t since;

	node[0] = node_of(pool, &other);
	node[1] = node_of(pool, &other);
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_USER, note, &mine));
	do {
		since = zc_timestamp();
		settle(node, 2);
		mine.nr = other.nr = 0;
		result[0] = zc_messagering_post(node[0], 1, ZC_MSG_USER, NULL, 0, 0);
		result[1] = zc_messagering_post(node[0], 1, ZC_MSG_USER + 1, NULL, 0, 0);
	} while (took_long(since));
	CHECK_OK(result[0]);
	CHECK_OK(result[1]);
	CHECK_OK(zc_messagering_on_message(node[1], 0, &handled));
	CHECK_EQ(handled, 2);
	CHECK_EQ(mine.nr, 1);
	CHECK_EQ(other.nr, 1);
	/* Without a handler it is dropped, and counts. */
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_DEFAULT, NULL, NULL));
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_USER, NULL, NULL));
	T_UNTIL(posted(node[0], 1, node[1], 1));
	CHECK_OK(zc_messagering_on_message(node[1], 0, &handled));
	CHECK_EQ(handled, 1);
	CHECK_EQ(mine.nr + other.nr, 2);
	zc_messagering_unregister(node[0]);
	zc_messagering_unregister(node[1]);
	t_pool_close(pool);
}

/* What has no room is refused; what was taken arrives, in order. */
static void full_lane_refuses(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct got got = { 0 }, none = { 0 };
	zc_messagering_t *a = node_of(pool, &none), *b = node_of(pool, &got);
	zc_result_t result[18];
	uint64_t i, since;

	do {
		since = zc_timestamp();
		zc_messagering_on_message(b, 0, NULL);
		got.nr = got.sum = 0;
		for (i = 1; i <= 17; i++)
			result[i] = zc_messagering_post(a, 1, ZC_MSG_USER, &i,
							sizeof(i), 0);
	} while (took_long(since));
	for (i = 1; i <= 16; i++)
		CHECK_OK(result[i]);
	CHECK_RESULT(result[17], ZC_ERROR_BUSY);
	CHECK_OK(zc_messagering_on_message(b, 0, NULL));
	CHECK_EQ(got.nr, 16);
	CHECK_EQ(got.sum, 16 * 17 / 2);
	CHECK(!memcmp(got.payload, &(uint64_t){ 16 }, sizeof(i)));
	for (i = 1; i <= 1000; i++) {
		T_UNTIL(posted(a, 1, b, i));
		CHECK_OK(zc_messagering_on_message(b, 0, NULL));
		CHECK(!memcmp(got.payload, &i, sizeof(i)));
	}
	CHECK_EQ(got.nr, 1016);
	zc_messagering_unregister(a);
	zc_messagering_unregister(b);
	t_pool_close(pool);
}

static void bad_calls_are_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	char text[ZC_MESSAGERING_BYTES + 1] = "";
	struct got got = { 0 };
	zc_messagering_t *a = node_of(pool, &got), *b;
	unsigned int i;
	zc_messagering_t *node[NODES];

	CHECK_RESULT(zc_messagering_register(NULL, &b), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_register(pool, NULL), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_broadcast(a, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_NOT_FOUND);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_NOT_FOUND);
	b = node_of(pool, &got);
	CHECK_RESULT(zc_messagering_post(NULL, 1, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 0, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, NODES, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_DEFAULT, NULL, 0, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_MAX + 1, NULL, 0, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_USER, text, sizeof(text), 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_USER, NULL, 1, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_USER, text, 1, 2),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_handle(a, ZC_MSG_MAX + 1, note, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_messagering_on_message(b, 0, NULL), ZC_ERROR_TIMEOUT);
	CHECK_EQ(got.nr, 0);
	/* Cleaners and nodes share eight places. */
	for (i = 2; i < NODES; i++)
		node[i] = node_of(pool, &got);
	node[0] = a;
	node[1] = b;
	T_UNTIL((settle(node, NODES), zc_messagering_nodes(a) == 0xff));
	CHECK_RESULT(zc_messagering_register(pool, &node[0]), ZC_ERROR_SLOTS);
	for (i = 2; i < NODES; i++)
		zc_messagering_unregister(node[i]);
	T_UNTIL((settle(node, 2), zc_messagering_nodes(a) == 3));
	zc_messagering_unregister(NULL);
	zc_messagering_unregister(b);
	/* What is left goes with the pool. */
	t_pool_close(pool);
}

/* --- with others --------------------------------------------------------------------- */

/* Which numbers a child's node got: a bit each, shared with the case. */
struct seen {
	uint64_t bits[64];
};

static void see(const zc_message_t *message, void *ctx)
{
	struct seen *seen = ctx;
	uint64_t number = 0;

	memcpy(&number, message->payload, message->bytes);
	CHECK_OP(number, <, 64 * 64);
	/* Each once. */
	CHECK(!(__atomic_fetch_or(&seen->bits[number / 64], 1ULL << number % 64,
				  __ATOMIC_SEQ_CST) >> number % 64 & 1));
}

static void ends(const zc_message_t *message, void *ctx)
{
	(void)message;
	*(bool *)ctx = true;
}

/* A node that passes packets on, and tells of its own, until it is told to end. */
static void passes_on(void *arg)
{
	zc_pool_t *pool;
	bool end = false;
	zc_messagering_t *node;

	t_hear(t_parent(), "go");
	pool = t_pool_open();
	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zc_messagering_handle(node, ZC_MSG_USER, see, arg));
	CHECK_OK(zc_messagering_handle(node, ZC_MSG_STOP, ends, &end));
	t_say_number(t_parent(), "there", zc_messagering_id(node));
	while (!end)
		zc_messagering_on_message(node, t_wait_ns(), NULL);
	zc_messagering_unregister(node);
	t_pool_close(pool);
	t_say(t_parent(), "left");
}

/*
 * A packet with a new number to @dst, or to ALL; true when those of @mask got
 * it.  One that was given to who then does not look for a quarter of a second may not
 * come: who does not see it within a second sends another one.
 */
static bool arrived(zc_messagering_t *node, uint32_t dst, struct seen *seen,
		    uint32_t mask, uint32_t flags)
{
	static uint64_t number;
	uint64_t since = zc_timestamp(), sent;
	zc_result_t result;
	uint32_t missing;

	result = dst == ALL ? zc_messagering_broadcast(node, ZC_MSG_USER, &number,
						       sizeof(number), flags) :
			      zc_messagering_post(node, dst, ZC_MSG_USER, &number,
						  sizeof(number), flags);
	if (result == ZC_ERROR_NOT_FOUND || result == ZC_ERROR_BUSY)
		return false;
	CHECK_OK(result);
	sent = number++;
	do {
		zc_messagering_on_message(node, 100000, NULL);
		missing = 0;
		for (unsigned int i = 0; i < NODES; i++)
			missing |= (mask >> i & 1) &&
				   !(__atomic_load_n(&seen[i].bits[sent / 64],
						     __ATOMIC_SEQ_CST) >> sent % 64 & 1);
	} while (missing && zc_timestamp() - since < 1000000000ULL);
	return !missing;
}

/* More than one may be needed, and what comes when it has left is nobody's. */
static void end_node(zc_messagering_t *node, struct t_peer *child, uint32_t dst)
{
	T_UNTIL((zc_messagering_post(node, dst, ZC_MSG_STOP, NULL, 0, 0),
		 zc_messagering_on_message(node, 0, NULL), t_can_hear(child)));
	t_hear(child, "left");
	t_join(child);
}

/* Who is not woken looks after 100 ms: so many of them would be longer than a case may take. */
static void packet_wakes_who_sleeps(void)
{
	struct seen *seen = t_shared(NODES * sizeof(*seen));
	struct t_peer *child = t_spawn("sleeper", passes_on, &seen[1]);
	zc_pool_t *pool = t_pool_create(NULL);
	struct got got = { 0 };
	zc_messagering_t *node = node_of(pool, &got);

	t_say(child, "go");
	CHECK_EQ(t_hear_number(child, "there"), 1);
	for (unsigned int i = 1; i <= 1200; i++) {
		T_UNTIL(t_asleep(child));
		T_UNTIL(arrived(node, 1, seen, 1U << 1, 0));
	}
	end_node(node, child, 1);
	CHECK_EQ(zc_messagering_nodes(node), 1);
	zc_messagering_unregister(node);
	t_pool_close(pool);
}

static bool stopped_and_gone_past(zc_messagering_t *node, struct t_peer *child,
				  struct seen *seen)
{
	t_stop(child);
	if (arrived(node, 3, seen, 1U << 3, ZC_MESSAGE_CRITICAL))
		return true;
	t_continue(child);
	T_UNTIL(zc_messagering_nodes(node) == 0x1f);
	return false;
}

/*
 * Nodes 1 to 4 in a row, of which the second is killed or stopped: what must arrive
 * does, from the other side; and when that node is found out, everything does.
 */
static void goes_past(bool kill)
{
	struct seen *seen = t_shared(NODES * sizeof(*seen));
	struct t_peer *child[4];
	zc_pool_t *pool;
	struct got got = { 0 };
	zc_messagering_t *node;
	unsigned int i;

	for (i = 0; i < 4; i++)
		child[i] = t_spawn("neighbour", passes_on, &seen[i + 1]);
	pool = t_pool_create(NULL);
	node = node_of(pool, &got);
	for (i = 0; i < 4; i++) {
		t_say(child[i], "go");
		CHECK_EQ(t_hear_number(child[i], "there"), i + 1);
	}
	if (kill) {
		t_kill(child[1]);
		T_UNTIL(arrived(node, 3, seen, 1U << 3, ZC_MESSAGE_CRITICAL));
	} else {
		/* The first that is sent: one that comes later has it easier. */
		T_UNTIL(stopped_and_gone_past(node, child[1], seen));
	}
	T_UNTIL(zc_messagering_nodes(node) == 0x1b);
	CHECK_RESULT(zc_messagering_post(node, 2, ZC_MSG_USER, NULL, 0, 0),
		     ZC_ERROR_NOT_FOUND);
	T_UNTIL(arrived(node, 3, seen, 1U << 3, 0));
	T_UNTIL(arrived(node, ALL, seen, 1U << 1 | 1U << 3 | 1U << 4, 0));
	if (!kill) {
		/* It comes back, and is one of them again. */
		t_continue(child[1]);
		T_UNTIL(zc_messagering_nodes(node) == 0x1f);
		end_node(node, child[1], 2);
	}
	for (i = 0; i < 4; i++)
		if (i != 1)
			end_node(node, child[i], i + 1);
	zc_messagering_unregister(node);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void packets_go_past_the_dead(void) { goes_past(true); }
static void packets_go_past_the_stopped(void) { goes_past(false); }

/* A place that was somebody's before: nothing of his comes, and ids go on. */
static void place_is_taken_over(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct got got = { 0 }, late = { 0 };
	zc_messagering_t *a = node_of(pool, &got), *b;
	uint64_t i;

	for (i = 1; i <= 100; i++) {
		b = node_of(pool, &late);
		CHECK_EQ(zc_messagering_id(b), 1);
		T_UNTIL(posted(b, 0, a, i));
		T_UNTIL(posted(a, 1, b, i));
		zc_messagering_unregister(b);
		/* What was sent before it left arrives. */
		CHECK_OK(zc_messagering_on_message(a, 0, NULL));
		CHECK_EQ(got.nr, i);
	}
	CHECK_EQ(late.nr, 0);
	zc_messagering_unregister(a);
	t_pool_close(pool);
}

/* A cleaner is a node, and passes on; a monitor hears it. */
static void cleaners_are_nodes(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner[6];
	struct got got = { 0 }, others = { 0 };
	zc_messagering_t *a = node_of(pool, &others), *b;
	zc_result_t result;
	uint64_t i, since;

	t_no_more_cleaners(pool);
	for (i = 0; i < 6; i++)
		CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner[i]));
	/* It hears of the leader's duty, too, perhaps in the same call. */
	b = node_of(pool, &others);
	CHECK_OK(zc_messagering_handle(b, ZC_MSG_USER, note, &got));
	CHECK_EQ(zc_messagering_id(b), 7);
	T_UNTIL((settle((zc_messagering_t *[]){ a, b }, 2), zc_messagering_nodes(a) == 0xff));
	for (i = 1; i <= 20; i++) {
		do {
			/* What was only late of the one before comes as well. */
			since = zc_timestamp();
			result = zc_messagering_post(a, 7, ZC_MSG_USER, &i, sizeof(i), 0);
			while (!result && memcmp(got.payload, &i, sizeof(i)) &&
			       !took_long(since))
				zc_messagering_on_message(b, 1000000, NULL);
		} while (memcmp(got.payload, &i, sizeof(i)) && took_long(since));
		CHECK_OK(result);
		CHECK(!memcmp(got.payload, &i, sizeof(i)));
	}
	for (i = 0; i < 6; i++)
		zc_cleaner_stop(cleaner[i]);
	zc_messagering_unregister(a);
	zc_messagering_unregister(b);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(packets_arrive_at_whom_they_are_for),
		T_CASE(broadcast_reaches_all_once),
		T_CASE(handlers_are_by_type),
		T_CASE(full_lane_refuses),
		T_CASE(bad_calls_are_refused),
		T_CASE(packet_wakes_who_sleeps),
		T_CASE(packets_go_past_the_dead),
		T_CASE(packets_go_past_the_stopped),
		T_CASE(place_is_taken_over),
		T_CASE(cleaners_are_nodes),
		T_END
	};

	return t_main(argc, argv, cases);
}
