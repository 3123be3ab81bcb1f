/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_messagering.c - packets go round, each once, past the dead and the stopped.
 */
#include <string.h>

#include "harness.h"

#define NODES 8

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
			uint64_t number = 100 * i + j;

			if (i == j)
				continue;
			CHECK_OK(zc_messagering_post(node[i], ZC_NODE(j),
						     ZC_MSG_USER + j, &number,
						     sizeof(number), 0));
			settle(node, NODES);
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

			memset(text, 'a' + (int)from, sizeof(text));
			CHECK_OK(zc_messagering_broadcast(node[from], ZC_MSG_USER,
							  text, sizeof(text),
							  flags));
			settle(node, NODES);
			for (i = 0; i < NODES; i++) {
				CHECK_EQ(got[i].nr, i != from);
				if (i != from)
					CHECK(!memcmp(got[i].payload, text,
						      sizeof(text)));
				got[i] = (struct got){ 0 };
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
	uint32_t handled;

	node[0] = node_of(pool, &other);
	node[1] = node_of(pool, &other);
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_USER, note, &mine));
	CHECK_OK(zc_messagering_post(node[0], 1, ZC_MSG_USER, NULL, 0, 0));
	CHECK_OK(zc_messagering_post(node[0], 1, ZC_MSG_USER + 1, NULL, 0, 0));
	CHECK_OK(zc_messagering_on_message(node[1], 0, &handled));
	CHECK_EQ(handled, 2);
	CHECK_EQ(mine.nr, 1);
	CHECK_EQ(other.nr, 1);
	/* Without a handler it is dropped, and counts. */
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_DEFAULT, NULL, NULL));
	CHECK_OK(zc_messagering_handle(node[1], ZC_MSG_USER, NULL, NULL));
	CHECK_OK(zc_messagering_post(node[0], 1, ZC_MSG_USER, NULL, 0, 0));
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
	uint64_t i, sent = 0;

	for (i = 1; i <= 16; i++) {
		CHECK_OK(zc_messagering_post(a, 1, ZC_MSG_USER, &i, sizeof(i), 0));
		sent += i;
	}
	CHECK_RESULT(zc_messagering_post(a, 1, ZC_MSG_USER, &i, sizeof(i), 0),
		     ZC_ERROR_BUSY);
	CHECK_OK(zc_messagering_on_message(b, 0, NULL));
	CHECK_EQ(got.nr, 16);
	CHECK_EQ(got.sum, sent);
	CHECK(!memcmp(got.payload, &(uint64_t){ 16 }, sizeof(i)));
	for (i = 1; i <= 1000; i++) {
		CHECK_OK(zc_messagering_post(a, 1, ZC_MSG_USER, &i, sizeof(i), 0));
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
	CHECK_EQ(zc_messagering_nodes(a), 0xff);
	CHECK_RESULT(zc_messagering_register(pool, &node[0]), ZC_ERROR_SLOTS);
	for (i = 2; i < NODES; i++)
		zc_messagering_unregister(node[i]);
	CHECK_EQ(zc_messagering_nodes(a), 3);
	zc_messagering_unregister(NULL);
	zc_messagering_unregister(b);
	/* What is left goes with the pool. */
	t_pool_close(pool);
}

/* --- with others --------------------------------------------------------------------- */

/* A node that passes packets on, and tells of its own, until it is told to end. */
static void passes_on(void *arg)
{
	zc_pool_t *pool;
	struct got got = { 0 };
	zc_messagering_t *node;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	node = node_of(pool, &got);
	t_say_number(t_parent(), "there", zc_messagering_id(node));
	for (;;) {
		uint64_t told = got.nr;

		zc_messagering_on_message(node, t_wait_ns(), NULL);
		if (got.nr == told)
			continue;
		if (got.last.type == ZC_MSG_STOP)
			break;
		t_say_number(t_parent(), "got", got.sum);
	}
	zc_messagering_unregister(node);
	t_pool_close(pool);
	t_say(t_parent(), "left");
}

static void packet_wakes_who_sleeps(void)
{
	struct t_peer *child = t_spawn("sleeper", passes_on, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	struct got got = { 0 };
	zc_messagering_t *node = node_of(pool, &got);
	uint64_t i, sum = 0;

	t_say(child, "go");
	CHECK_EQ(t_hear_number(child, "there"), 1);
	for (i = 1; i <= 20; i++) {
		T_UNTIL(t_asleep(child));
		CHECK_OK(zc_messagering_post(node, 1, ZC_MSG_USER, &i, sizeof(i),
					     0));
		sum += i;
		CHECK_EQ(t_hear_number(child, "got"), sum);
	}
	CHECK_OK(zc_messagering_post(node, 1, ZC_MSG_STOP, NULL, 0, 0));
	t_hear(child, "left");
	t_join(child);
	CHECK_EQ(zc_messagering_nodes(node), 1);
	zc_messagering_unregister(node);
	t_pool_close(pool);
}

/*
 * Nodes 1 to 4 in a row, of which the second is killed or stopped: what must arrive
 * does, from the other side; and when that node is found out, everything does.
 */
static void goes_past(bool kill)
{
	struct t_peer *child[4];
	zc_pool_t *pool;
	struct got got = { 0 };
	zc_messagering_t *node;
	uint64_t number = 0;
	unsigned int i;

	for (i = 0; i < 4; i++)
		child[i] = t_spawn("neighbour", passes_on, NULL);
	pool = t_pool_create(NULL);
	node = node_of(pool, &got);
	for (i = 0; i < 4; i++) {
		t_say(child[i], "go");
		CHECK_EQ(t_hear_number(child[i], "there"), i + 1);
	}
	if (kill)
		t_kill(child[1]);
	else
		t_stop(child[1]);
	number = 1;
	CHECK_OK(zc_messagering_post(node, 3, ZC_MSG_USER, &number,
				     sizeof(number), ZC_MESSAGE_CRITICAL));
	CHECK_EQ(t_hear_number(child[2], "got"), 1);
	T_UNTIL(zc_messagering_nodes(node) == 0x1b);
	CHECK_RESULT(zc_messagering_post(node, 2, ZC_MSG_USER, &number,
					 sizeof(number), 0), ZC_ERROR_NOT_FOUND);
	number = 10;
	CHECK_OK(zc_messagering_post(node, 3, ZC_MSG_USER, &number,
				     sizeof(number), 0));
	CHECK_EQ(t_hear_number(child[2], "got"), 11);
	number = 100;
	CHECK_OK(zc_messagering_broadcast(node, ZC_MSG_USER, &number,
					  sizeof(number), 0));
	CHECK_EQ(t_hear_number(child[0], "got"), 100);
	CHECK_EQ(t_hear_number(child[2], "got"), 111);
	CHECK_EQ(t_hear_number(child[3], "got"), 100);
	if (!kill) {
		/* It comes back, and is one of them again. */
		t_continue(child[1]);
		T_UNTIL(zc_messagering_nodes(node) == 0x1f);
		CHECK_OK(zc_messagering_post(node, 2, ZC_MSG_STOP, NULL, 0, 0));
		t_hear(child[1], "left");
		t_join(child[1]);
	}
	for (i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		CHECK_OK(zc_messagering_post(node, i + 1, ZC_MSG_STOP, NULL, 0, 0));
		t_hear(child[i], "left");
		t_join(child[i]);
	}
	zc_messagering_unregister(node);
	t_pool_check_rest(pool);
	t_pool_close(pool);
}

static void packets_go_past_the_dead(void) { goes_past(true); }
static void packets_go_past_the_stopped(void) { goes_past(false); }

/*
 * @to has nothing to read, and looks just before: whoever has not looked for a while is
 * gone past, and on a slow machine that may be now.
 */
static bool posted(zc_messagering_t *from, uint32_t dst, zc_messagering_t *to, uint64_t number)
{
	zc_result_t result;

	CHECK_RESULT(zc_messagering_on_message(to, 0, NULL), ZC_ERROR_TIMEOUT);
	result = zc_messagering_post(from, dst, ZC_MSG_USER, &number, sizeof(number), 0);
	if (result != ZC_ERROR_NOT_FOUND)
		CHECK_OK(result);
	return result == ZC_OK;
}

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
	uint64_t i;

	for (i = 0; i < 6; i++)
		CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner[i]));
	/* It hears of the leader's duty, too, perhaps in the same call. */
	b = node_of(pool, &others);
	CHECK_OK(zc_messagering_handle(b, ZC_MSG_USER, note, &got));
	CHECK_EQ(zc_messagering_id(b), 7);
	CHECK_EQ(zc_messagering_nodes(a), 0xff);
	for (i = 1; i <= 20; i++) {
		CHECK_OK(zc_messagering_post(a, 7, ZC_MSG_USER, &i, sizeof(i), 0));
		while (got.nr < i)
			CHECK_OK(zc_messagering_on_message(b, t_wait_ns(), NULL));
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
