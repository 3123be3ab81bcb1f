/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_slow.c - slow readers and events: every loss is counted.
 */
#include <stdlib.h>
#include <unistd.h>

#include "ahead.h"
#include "lib.h"

#define SMALL (64 << 10)

static zc_writer_stats_t writer_stats(zc_writer_t *w)
{
	zc_writer_stats_t s = { .sz = sizeof(s) };

	must_zc(zc_writer_get_stats(w, &s));
	return s;
}

static zc_reader_stats_t reader_stats(zc_reader_t *r)
{
	zc_reader_stats_t s = { .sz = sizeof(s) };

	must_zc(zc_reader_get_stats(r, &s));
	return s;
}

/* Polls up to @most messages; their numbers only grow. */
static void drain(zc_reader_t *r, u64 *last, u32 most)
{
	zc_handle_t h;
	u64 s;

	while (most-- && !lib_receive(r, &h, &s)) {
		must(s > *last);
		*last = s;
		must_zc(zc_reader_release_block(r, h));
	}
}

Test(slow, reader_loses_what_the_writer_counts_as_dropped)
{
	struct unit_random random;
	u64 lost_at_all = 0;
	u32 round, i;

	unit_random_init(&random);
	for (round = 0; round < 20; round++) {
		zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
		u64 last[3] = { 0 }, lost = 0;
		zc_reader_t *r[3];
		zc_writer_t *w;
		struct lib l;

		lib_open(&l, SMALL);
		for (i = 0; i < 3; i++)
			r[i] = lib_plain_reader(&l);
		o.on_slow = ZC_ON_SLOW_DROP_OLDEST;
		o.lag_limit = 1 + unit_random_below(&random, 63);
		w = lib_writer(&l, &o);
		for (i = 0; i < 2000; i++) {
			u32 who = unit_random_below(&random, 6);

			/* Never refused: that is the policy. */
			must_zc(lib_send(w, 8 + unit_random_below(&random, 800),
					 0));
			if (who < 3)
				drain(r[who], &last[who],
				      unit_random_below(&random, 40));
		}
		for (i = 0; i < 3; i++) {
			zc_reader_stats_t s;

			drain(r[i], &last[i], ~0U);
			must_eq(last[i], 2000);
			s = reader_stats(r[i]);
			must_eq(s.received + s.lost, 2000);
			must_eq(s.lag, 0);
			must_eq(s.held, 0);
			must_eq(s.corrupt, 0);
			lost += s.lost;
		}
		lost_at_all += lost;
		must_eq(writer_stats(w).dropped, lost);
		must_eq(writer_stats(w).committed, 2000);
		must_eq(writer_stats(w).disconnected, 0);
		lib_close(&l);
	}
	must(lost_at_all > 0);
}

/* Nobody waits for them, but what there is room for is not taken away either. */
Test(slow, reader_that_nobody_waits_for_loses_nothing_to_one_who_joins)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	zc_writer_options_t stays = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r, *other;
	zc_writer_t *w;
	struct lib l;
	u64 s;
	u32 i;

	lib_open(&l, SMALL);
	o.best_effort = true;
	stays.footprint_bytes = SMALL / 2;
	r = lib_reader(&l, &o);
	w = lib_writer(&l, &stays);
	for (i = 0; i < 20; i++) {
		zc_handle_t h;

		/* Whoever comes or goes makes the writer look at its readers. */
		other = lib_reader(&l, &o);
		must_zc(lib_send(w, 64, 0));
		zc_reader_unregister(other);
		must_zc(lib_send(w, 64, 0));
		must_zc(lib_receive(r, &h, &s));
		must_eq(s, i + 1);
		must_zc(zc_reader_release_block(r, h));
	}
	must_eq(reader_stats(r).lost, 0);
	lib_close(&l);
}

/* It stops within what it was promised: 30 of before, which are no lag, fill the ring. */
static void stops_in_its_history(zc_on_slow_t on_slow, u64 join)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	zc_writer_options_t keeps = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *stopped, *other;
	u64 last = 0;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	lib_open(&l, SMALL);
	keeps.on_slow = on_slow;
	keeps.history = 30;
	w = lib_writer(&l, &keeps);
	for (i = 0; i < 40; i++)
		must_zc(lib_send(w, 64, 0));
	o.history = 30;
	stopped = lib_reader(&l, &o);
	must_eq(stopped->area->join, 41);
	if (join)
		stopped->area->join = join;
	other = lib_plain_reader(&l);
	for (i = 0; i < 200; i++) {
		must_zc(lib_send(w, 64, 0));
		drain(other, &last, 1);
	}
	must_eq(last, 240);
	must_eq(reader_stats(other).lost, 0);
	must_eq(writer_stats(w).disconnected, on_slow == ZC_ON_SLOW_DISCONNECT && !join);
	lib_close(&l);
}

Test(slow, reader_that_stops_in_its_history_keeps_nobody_up)
{
	stops_in_its_history(ZC_ON_SLOW_DROP_OLDEST, 0);
	stops_in_its_history(ZC_ON_SLOW_DISCONNECT, 0);
	/* One that says it joined in a thousand years. */
	stops_in_its_history(ZC_ON_SLOW_DROP_OLDEST, 1ULL << 62);
	stops_in_its_history(ZC_ON_SLOW_DISCONNECT, 1ULL << 62);
}

/* The end of all numbers, and what is to be added to it. */
Test(slow, reader_that_says_it_read_everything_keeps_nobody_up)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	lib_open(&l, SMALL);
	o.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	r = lib_plain_reader(&l);
	w = lib_writer(&l, &o);
	r->area->cursor = ~0ULL - 5;
	for (i = 0; i < 200; i++)
		must_zc(lib_send(w, 64, 0));
	lib_close(&l);
}

/*
 * Whoever finds message after message asks for what lies ahead; who found nothing
 * begins anew.  What an entry says is a hint: one that lies spoils nothing.
 */
Test(slow, reader_that_is_behind_asks_ahead)
{
	int best_effort;

	for (best_effort = 0; best_effort < 2; best_effort++) {
		zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
		zc_writer_options_t stays = ZC_WRITER_OPTIONS_INIT;
		struct zc_ring_entry *e;
		u64 last = 0, place;
		zc_writer_t *w;
		zc_reader_t *r;
		struct lib l;
		u32 i;

		lib_open(&l, SMALL);
		o.best_effort = best_effort;
		r = lib_reader(&l, &o);
		stays.footprint_bytes = SMALL / 2;
		w = lib_writer(&l, &stays);
		for (i = 0; i < 30; i++)
			must_zc(lib_send(w, 64, 0));
		drain(r, &last, ZC_AHEAD - 1);
		must_eq(r->streak, ZC_AHEAD - 1);
		drain(r, &last, 1);
		must_eq(r->streak, ZC_AHEAD);
		/* Of nowhere, of another lap. */
		e = &r->ring[(r->cursor + ZC_AHEAD) & r->ring_mask];
		place = e->place;
		e->place = zc_entry_place(r->cursor + ZC_AHEAD, ~0U);
		drain(r, &last, 1);
		e->place = zc_entry_place(1, ~0U);
		drain(r, &last, 1);
		e->place = place;
		must_eq(r->streak, ZC_AHEAD);
		drain(r, &last, ~0U);
		must_eq(last, 30);
		must_eq(r->streak, 0);
		must_eq(reader_stats(r).lost + reader_stats(r).corrupt, 0);
		lib_close(&l);
	}
}

/* One message comes and goes, then nothing for a while: is it where it seemed to be? */
static bool guessed(zc_writer_t *w, zc_reader_t *r, size_t bytes)
{
	const char *begin = r->guess.begin, *end = r->guess.end, *data;
	zc_handle_t h;
	bool right;
	u32 i;
	u64 s;

	must_zc(lib_send(w, bytes, 0));
	must_zc(lib_receive(r, &h, &s));
	data = zc_reader_block_data(r, h, NULL);
	right = begin == data && end == data + bytes - 1;
	must_zc(zc_reader_release_block(r, h));
	for (i = 1; i < 2 * ZC_AT_HEELS; i++) {
		must_eq(lib_receive(r, &h, &s), ZC_ERROR_TIMEOUT);
		must_eq(r->guess.empty, i < ZC_AT_HEELS ? i : ZC_AT_HEELS);
		must_eq(r->guess.seen == r->cursor, i >= ZC_AT_HEELS);
	}
	return right;
}

/* Small blocks go round, in an order that has been mixed once. */
Test(slow, reader_that_waits_asks_for_what_seems_to_come_next)
{
	zc_writer_options_t goes_round = ZC_WRITER_OPTIONS_INIT;
	u32 i, right = 0;
	u64 last = 0;
	zc_writer_t *w;
	zc_reader_t *r;
	struct lib l;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	goes_round.footprint_bytes = SMALL / 2;
	w = lib_writer(&l, &goes_round);
	for (i = 0; i < 3000; i++)
		right += guessed(w, r, 100) && i >= 2000;
	must_eq(right, 1000);

	/* Several at a time, of which only the latest are looked at; and all the same. */
	for (i = 0; i < 2 * ZC_AHEAD; i++)
		must_zc(lib_send(w, 100, 0));
	drain(r, &last, ~0U);
	for (i = 0; i < ZC_AT_HEELS; i++)
		drain(r, &last, 1);
	must_eq(last, 3000 + 2 * ZC_AHEAD);
	must(guessed(w, r, 100));

	/* Of nowhere: nothing comes of it, and the next but one is right again. */
	r->guess.next = ~0U;
	r->guess.begin = r->data + (1ULL << 46);
	for (i = 0; i < ZC_AT_HEELS; i++)
		drain(r, &last, 1);
	must(!guessed(w, r, 100));
	must(!guessed(w, r, 100));
	must(guessed(w, r, 100));
	must_eq(reader_stats(r).lost + reader_stats(r).corrupt, 0);
	lib_close(&l);
}

/* What nobody has come round to yet, but lies as the others lay. */
Test(slow, reader_that_waits_asks_for_what_lies_beside_the_last)
{
	static const u32 steps[] = { 8, -8U };
	u32 granule, i;
	zc_reader_t *r;
	struct lib l;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	lib_plain_writer(&l);
	for (i = 0; i < 2; i++) {
		u32 step = steps[i];

		for (granule = 1000; granule < 2000 && granule > 100; granule += step) {
			struct zc_ring_entry *e = &r->ring[r->cursor & r->ring_mask];

			e->place = zc_entry_place(r->cursor++, granule);
			e->run = zc_entry_run(1, 512);
			zc_guess_learn(r);
			must(granule == 1000 || granule == 1000 + step ||
			     r->guess.next == granule + step);
		}
		must_eq((u64)r->guess.begin,
			(u64)r->data + ((u64)granule << r->granule_shift));
		must_eq((u64)r->guess.end, (u64)r->guess.begin + 511);
	}
	lib_close(&l);
}

/* What it holds is never taken from it, however far the writer goes on. */
Test(slow, reader_keeps_what_it_holds)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t held[16];
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u64 s;
	u32 i;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	o.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	o.lag_limit = 20;
	w = lib_writer(&l, &o);
	for (i = 0; i < 16; i++) {
		must_zc(lib_send(w, 256, 0));
		must_zc(lib_receive(r, &held[i], NULL));
	}
	for (i = 0; i < 500; i++) {
		must_zc(lib_send(w, 256, 0));
		lib_verify(r, held[i % 16]);
	}
	must_eq(w->deferred_used, 16);
	must_fail(zc_reader_poll_block(r, 0, &held[0], 0), ZC_ERROR_HOLDS);
	for (i = 0; i < 16; i++) {
		lib_verify(r, held[i]);
		must_zc(zc_reader_release_block(r, held[i]));
	}
	must_zc(lib_receive(r, &held[0], &s));
	must(s >= 516 - 20 && s <= 516);
	must_eq(reader_stats(r).lost, s - 17);
	lib_close(&l);
}

Test(slow, reader_is_cut_off_once)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t held, h;
	zc_reader_t *slow, *quick, *again;
	zc_writer_t *w;
	struct lib l;
	u64 last = 0, s;
	u32 i;

	lib_open(&l, SMALL);
	slow = lib_plain_reader(&l);
	quick = lib_plain_reader(&l);
	o.on_slow = ZC_ON_SLOW_DISCONNECT;
	o.lag_limit = 10;
	w = lib_writer(&l, &o);
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_receive(slow, &held, NULL));
	for (i = 0; i < 300; i++) {
		must_zc(lib_send(w, 64, 0));
		drain(quick, &last, ~0U);
	}
	must_eq(last, 301);
	must_eq(writer_stats(w).disconnected, 1);
	must_eq(writer_stats(w).dropped, 0);
	must_fail(zc_reader_poll_block(slow, 0, &h, 0), ZC_ERROR_DISCONNECTED);
	must_fail(zc_reader_poll_block(slow, 0, &h, 1000), ZC_ERROR_DISCONNECTED);
	/* Its hold counts all the same. */
	lib_verify(slow, held);
	must_zc(zc_reader_release_block(slow, held));
	/* The next one in that place is connected. */
	zc_reader_unregister(slow);
	again = lib_plain_reader(&l);
	must_eq(zc_reader_id(again), 0);
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_receive(again, &h, &s));
	must_eq(s, 302);
	must_eq(reader_stats(again).lost, 0);
	lib_close(&l);
}

/* An overwrite topic never waits; what a reader misses is counted. */
Test(slow, overwrite_keeps_the_last)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	u64 last = 0, s;
	zc_reader_t *r;
	zc_writer_t *w;
	zc_handle_t h;
	struct lib l;
	u32 i;

	lib_open(&l, SMALL);
	o.overwrite = true;
	o.history = 8;
	w = lib_writer(&l, &o);
	r = lib_plain_reader(&l);
	for (i = 0; i < 1000; i++) {
		must_zc(lib_send(w, 8 + i % 500, 0));
		if (i % 100 == 50)
			drain(r, &last, 3);
	}
	drain(r, &last, ~0U);
	must_eq(last, 1000);
	must_eq(reader_stats(r).received + reader_stats(r).lost, 1000);
	must(reader_stats(r).lost > 0);
	/* A late one gets the last 8. */
	ro.history = 8;
	r = lib_reader(&l, &ro);
	must_zc(lib_receive(r, &h, &s));
	must_eq(s, 993);
	lib_close(&l);
}

/* Asked to fence its polls it does so though it never finds the ring empty. */
Test(slow, reader_that_always_finds_something_fences_when_asked)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	zc_handle_t h;
	struct lib l;
	u64 s = 0;
	u32 i;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	o.on_slow = ZC_ON_SLOW_DROP_OLDEST;
	o.lag_limit = 8;
	w = lib_writer(&l, &o);
	/* As where there is membarrier. */
	r->fencing = r->area->fencing = 0;
	for (i = 0; i < 20; i++)
		must_zc(lib_send(w, 64, 0));
	w->area->floor[r->id].fence_wanted = 1;
	must_zc(lib_receive(r, &h, &s));
	must(s > 1 && s < 20);
	must(r->area->fencing && r->fencing);
	must_zc(zc_reader_release_block(r, h));
	lib_close(&l);
}

/* --- events ------------------------------------------------------------- */

static zc_result_t next_event(struct lib *l, zc_event_t *event, u64 timeout_ns)
{
	memset(event, 0xa5, sizeof(*event));
	event->sz = sizeof(*event);
	return zc_pool_next_event(l->pool, event, timeout_ns);
}

static void skip_events(struct lib *l)
{
	zc_event_t event;

	while (!next_event(l, &event, 0))
		;
}

Test(event, tells_what_happened_in_order)
{
	zc_event_t event;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	const zc_event_type_t want[] = {
		ZC_EVENT_SERVICE_ADDED, ZC_EVENT_READER_JOINED,
		ZC_EVENT_WRITER_JOINED, ZC_EVENT_WRITER_LEFT,
		ZC_EVENT_READER_LEFT,
	};
	u32 i;

	lib_open(&l, SMALL);
	skip_events(&l);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	zc_writer_unregister(w);
	zc_reader_unregister(r);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		must_zc(next_event(&l, &event, 0));
		must_eq(event.type, want[i]);
		must_eq(event.pid, (u32)getpid());
		must(!strcmp(event.service, SERVICE));
		must(strlen(zc_event_name(event.type)) > 3);
	}
	must_eq(next_event(&l, &event, 0), ZC_ERROR_TIMEOUT);
	lib_close(&l);
}

Test(event, ring_overflow_is_counted)
{
	zc_event_t event;
	zc_reader_t *r;
	struct lib l;
	u32 i, rounds = ZC_EVENTS + 17;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	skip_events(&l);
	for (i = 0; i < rounds; i++) {
		zc_reader_unregister(r);
		r = lib_plain_reader(&l);
	}
	must_zc(next_event(&l, &event, 0));
	must_eq(event.type, ZC_EVENT_OVERFLOW);
	must_eq(event.blocks, 2 * rounds - ZC_EVENTS);
	for (i = 0; i < ZC_EVENTS; i++) {
		must_zc(next_event(&l, &event, 0));
		must_eq(event.type, i & 1 ? ZC_EVENT_READER_JOINED :
					    ZC_EVENT_READER_LEFT);
	}
	must_eq(next_event(&l, &event, 0), ZC_ERROR_TIMEOUT);
	lib_close(&l);
}

/* An emitter that died before it wrote: listeners step over, in bounded time, and count. */
Test(event, of_a_dead_emitter_is_stepped_over)
{
	zc_event_t event;
	zc_reader_t *r;
	struct lib l;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	skip_events(&l);
	zc_fetch_add64(&l.pool->view.header->event_head, 1);
	must_eq(next_event(&l, &event, 0), ZC_ERROR_TIMEOUT);
	zc_reader_unregister(r);
	must_zc(next_event(&l, &event, 30000000000ULL));
	must_eq(event.type, ZC_EVENT_OVERFLOW);
	must_eq(event.blocks, 1);
	must_zc(next_event(&l, &event, 0));
	must_eq(event.type, ZC_EVENT_READER_LEFT);
	lib_close(&l);
}

/* All who reaped one death tell it; each listener hears of it once. */
Test(event, of_a_death_is_heard_once)
{
	struct zc_member_record *m;
	zc_event_t event;
	struct lib l;
	u32 i, incarnation;

	lib_open(&l, SMALL);
	lib_make_private(&l);
	skip_events(&l);
	m = &l.pool->view.members[77];
	for (incarnation = 3; incarnation < 5; incarnation++) {
		m->life = zc_life(incarnation, 77, ZC_LIFE_REAPING);
		m->pid = 4711;
		m->reaped_blocks = incarnation;
		for (i = 0; i < 3; i++)
			zc_event_emit_death(l.pool, 77, incarnation);
		/* By one who comes when the slot is somebody else's. */
		zc_event_emit_death(l.pool, 77, incarnation - 1);
		m->life = zc_life(incarnation, 0, ZC_LIFE_IDLE);
		zc_event_emit_death(l.pool, 77, incarnation);
		must_zc(next_event(&l, &event, 0));
		must_eq(event.type, ZC_EVENT_MEMBER_DIED);
		must_eq(event.member, 77);
		must_eq(event.pid, 4711);
		must_eq(event.blocks, incarnation);
		must_eq(next_event(&l, &event, 0), ZC_ERROR_TIMEOUT);
	}
	lib_close(&l);
}
