/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_event.c - emitters that are stopped, or die, while the ring of events goes
 * round: what is told is told whole, and what is not heard is counted.
 */
#include "lib.h"
#include "step.h"

#define SMALL (64 << 10)
#define VICTIM 100000U
#define BUSY (1ULL << 63)

static struct {
	struct lib l;
	struct zc_listener listener;
	u32 rounds;
	u64 rival;		/* that is heard next */
	u64 rivals;		/* emitted */
	u64 victims;		/* times that its event was heard */
	u64 lost;
} world;

static void emit(u64 tag)
{
	const struct zc_event_record event = {
		.type = ZC_EVENT_SEGMENT_ADDED, .time_ns = tag, .member = (u32)tag,
		.pid = (u32)tag, .role = (u32)tag, .blocks = tag, .bytes = tag,
		.service = (u32)tag, .reader = (u32)tag, .incarnation = (u32)tag,
		.fault = (u32)tag, .message = tag, .suspect = (u32)tag,
		.comm = { (u8)tag, (u8)tag, (u8)tag, (u8)tag, (u8)tag, (u8)tag,
			  (u8)tag, (u8)tag, (u8)tag, (u8)tag, (u8)tag, (u8)tag,
			  (u8)tag, (u8)tag, (u8)tag, (u8)tag },
	};

	zc_shm_event_tell(world.l.pool, &event);
}

static void must_be_whole(const struct zc_event_record *r)
{
	u64 tag = r->blocks;
	u32 i;

	must_eq(r->type, ZC_EVENT_SEGMENT_ADDED);
	must_eq(r->time_ns, tag);
	must_eq(r->member, tag);
	must_eq(r->pid, tag);
	must_eq(r->role, tag);
	must_eq(r->bytes, tag);
	must_eq(r->service, tag);
	must_eq(r->reader, tag);
	must_eq(r->incarnation, tag);
	must_eq(r->fault, tag);
	must_eq(r->message, tag);
	must_eq(r->suspect, tag);
	for (i = 0; i < sizeof(r->comm); i++)
		must_eq(r->comm[i], (u8)tag);
}

/* All that is there; a hole is old as soon as it is seen. */
static void hear(void)
{
	struct zc_listener *l = &world.listener;
	struct zc_event_record r;

	for (;;) {
		if (!zc_listener_next(world.l.pool, l, &r)) {
			if (l->hole_ns <= 1)
				return;
			l->hole_ns = 1;
			continue;
		}
		if (r.type == ZC_EVENT_OVERFLOW) {
			world.lost += r.blocks;
			continue;
		}
		must_be_whole(&r);
		if (r.blocks == VICTIM)
			world.victims++;
		else
			must_eq(r.blocks, world.rival++);
	}
}

static void victim_tells(void *ctx)
{
	(void)ctx;
	emit(VICTIM);
}

/* The last one, whose place may be the victim's, is not heard yet. */
static void ring_goes_round(void *ctx)
{
	u32 i;

	(void)ctx;
	for (i = 0; i < world.rounds * ZC_EVENTS; i++) {
		hear();
		emit(world.rivals++);
	}
}

static void all_is_heard_or_counted(void *ctx)
{
	(void)ctx;
	hear();
	emit(world.rivals++);
	hear();
	must_eq(world.rival, world.rivals);
	must(world.victims <= 1);
	must(world.victims + world.lost >= 1);
	/* The number that it had, and what took its place. */
	must(world.lost <= 1);
}

static void rivals_are_heard(void *ctx)
{
	(void)ctx;
	hear();
	must_eq(world.rival, world.rivals);
	must(world.victims + world.lost <= 1);
}

static void step_through(bool dies)
{
	const struct step_case c = {
		.victim = victim_tells, .rivals = ring_goes_round, .dies = dies,
		.check = dies ? rivals_are_heard : all_is_heard_or_counted,
	};

	memset(&world, 0, sizeof(world));
	world.rounds = dies ? 2 : 1;
	lib_open(&world.l, SMALL);
	lib_make_private(&world.l);
	zc_listener_begin(world.l.pool, &world.listener);
	must(step_every(&c) > 50);
	hear();
	must_eq(world.victims, 1);
	must_eq(world.lost, 0);
	lib_close(&world.l);
}

Test(event, of_a_stopped_emitter_spoils_none_and_is_told)
{
	step_through(false);
}

Test(event, of_a_dead_emitter_spoils_none)
{
	step_through(true);
}

/* Somebody died in each record, or scribbled over it: it is told all the same. */
Test(event, is_told_whatever_the_ring_says)
{
	static const u64 said[] = { BUSY, BUSY | 3, ~0ULL, ~0ULL >> 1, ~0ULL >> 2,
				    1ULL << 62 };
	struct zc_event_record *e;
	u32 i, k;

	memset(&world, 0, sizeof(world));
	lib_open(&world.l, SMALL);
	lib_make_private(&world.l);
	for (k = 0; k < ARRAY_SIZE(said); k++) {
		e = world.l.pool->view.events;
		for (i = 0; i < ZC_EVENTS; i++)
			e[i].sequence = said[k];
		zc_listener_begin(world.l.pool, &world.listener);
		emit(world.rivals++);
		hear();
		must_eq(world.rival, world.rivals);
	}
	lib_close(&world.l);
}
