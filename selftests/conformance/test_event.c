/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_event.c - who came, who left, and what was missed. (Deaths: test_death.)
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "event/test/one"

/* The next event of a type about a process; others are passed over. */
static zc_event_t event_about(zc_pool_t *pool, zc_event_type_t type, pid_t pid)
{
	zc_event_t event = { .sz = sizeof(event) };

	for (;;) {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		CHECK(event.type != ZC_EVENT_OVERFLOW);
		if (event.type == type && event.pid == (uint32_t)pid)
			return event;
	}
}

static void joins_and_waits(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static void events_tell_who_came_and_left(void)
{
	struct t_peer *child = t_spawn("visitor", joins_and_waits, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_event_t event = { .sz = sizeof(event) };
	struct t_writer writer;
	struct t_reader reader;
	uint64_t last = 0;
	unsigned int seen = 0;

	t_say(child, "go");
	t_hear(child, "ready");
	event_about(pool, ZC_EVENT_MEMBER_JOINED, child->pid);
	t_say(child, "end");
	event_about(pool, ZC_EVENT_MEMBER_LEFT, child->pid);
	t_join(child);
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	t_writer_close(&writer);
	t_reader_close(&reader);
	while (zc_pool_next_event(pool, &event, 0) == ZC_OK) {
		CHECK_OP(event.time_ns, >=, last);
		last = event.time_ns;
		/* Of one that had left by then. */
		if (event.type == ZC_EVENT_MEMBER_SUSPECT)
			continue;
		CHECK_EQ(event.pid, getpid());
		if (event.type >= ZC_EVENT_SERVICE_ADDED)
			CHECK(!strcmp(event.service, SERVICE));
		seen |= 1U << event.type;
	}
	CHECK(seen & 1U << ZC_EVENT_SERVICE_ADDED);
	CHECK(seen & 1U << ZC_EVENT_READER_JOINED);
	CHECK(seen & 1U << ZC_EVENT_WRITER_JOINED);
	CHECK(seen & 1U << ZC_EVENT_WRITER_LEFT);
	CHECK(seen & 1U << ZC_EVENT_READER_LEFT);
	CHECK_RESULT(zc_pool_next_event(pool, &event, 1000000),
		     ZC_ERROR_TIMEOUT);
}

/* Who does not listen is told how much it missed. */
static void events_missed_are_counted(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_event_t event = { .sz = sizeof(event) };
	uint64_t heard = 0, missed = 0;

	for (int i = 0; i < 300; i++) {
		struct t_reader reader;

		t_reader_open(&reader, pool, SERVICE, NULL);
		t_reader_close(&reader);
	}
	while (zc_pool_next_event(pool, &event, 0) == ZC_OK) {
		if (event.type == ZC_EVENT_OVERFLOW)
			missed += event.blocks;
		else
			heard++;
	}
	CHECK_OP(missed, >, 0);
	CHECK_OP(heard, >, 0);
	CHECK_OP(heard + missed, >=, 600);
}

/* All places are somebody's name that nobody uses: one goes, and its name is told. */
static void service_that_goes_is_told(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	bool added[32] = { false };
	char name[32], gone[32] = "";
	struct t_reader reader;

	for (unsigned int i = 0; i <= 32; i++) {
		snprintf(name, sizeof(name), "event/goes/%u", i);
		t_reader_open(&reader, pool, name, NULL);
		t_reader_close(&reader);
		for (;;) {
			zc_event_t event = { .sz = sizeof(event) };
			unsigned int which;

			CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
			if (event.type == ZC_EVENT_READER_LEFT)
				break;
			if (event.type == ZC_EVENT_SERVICE_REMOVED) {
				CHECK_EQ(i, 32);
				CHECK(!gone[0]);
				CHECK(sscanf(event.service, "event/goes/%u", &which) == 1);
				CHECK(which < 32 && added[which]);
				snprintf(gone, sizeof(gone), "%.31s", event.service);
			} else if (event.type == ZC_EVENT_SERVICE_ADDED) {
				CHECK(!strcmp(event.service, name));
				/* The old one went before the new one came. */
				CHECK(i < 32 || gone[0]);
				if (i < 32)
					added[i] = true;
			}
		}
		CHECK(i == 32 || added[i]);
	}
	CHECK(gone[0]);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(events_tell_who_came_and_left),
	T_CASE(events_missed_are_counted),
	T_CASE(service_that_goes_is_told),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
