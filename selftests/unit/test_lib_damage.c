// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_lib_damage.c - what others may have written: each damage is named, none believed.
 */
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clean.h"
#include "lib.h"

#define SMALL (64 << 10)

static struct lib l;
static struct zc_view *v;

static zc_check_report_t report;

static bool found(const char *text)
{
	report.sz = sizeof(report);
	must_zc(zc_pool_check(l.pool, &report));
	return text ? report.errors && strstr(report.first_error, text) : !report.errors;
}

/* With that there zc_pool_check() says so, and without it nothing. */
#define DAMAGE(place, value, text)                                             \
	do {                                                                   \
		__typeof__(place) was_ = (place);                              \
                                                                               \
		(place) = (value);                                             \
		if (!found(text))                                              \
			unit_fail(__FILE__, __LINE__, "%s = %s: %s", #place, #value, \
				  report.first_error);                         \
		(place) = was_;                                                \
		must(found(NULL));                                             \
	} while (0)

static u32 committed(const zc_writer_t *w)
{
	u32 g;

	for (g = 0; g < zc_granules(v); g++)
		if (zc_word_state(v->descs[g].word) == ZC_STATE_USING)
			break;
	must(g < zc_granules(v) && zc_word_owner(v->descs[g].word) == ZC_OWNER_WRITER(w->id));
	return g;
}

static u32 free_run(void)
{
	u32 g = 0;

	while (zc_word_state(v->descs[g].word) != ZC_STATE_FREE ||
	       zc_word_owner(v->descs[g].word) != ZC_OWNER_NONE) {
		g += zc_word_length(v->descs[g].word);
		must(g < zc_granules(v));
	}
	return g;
}

Test(damage, each_is_named_by_the_check)
{
	struct zc_writer_slot *slot;
	zc_writer_t *w;
	u64 *word, free, used;
	u32 g, f, i;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	w = lib_plain_writer(&l);
	lib_plain_reader(&l);
	for (i = 0; i < 3; i++)
		must_zc(lib_send(w, 200, 0));
	lib_make_private(&l);
	g = committed(w);
	f = free_run();
	slot = &v->writer_slots[w->id];

	word = &v->descs[g].word;
	used = *word;
	DAMAGE(*word, zc_word_same(used, ZC_OWNER_CLEANER(2), ZC_STATE_USING), "no writer");
	DAMAGE(*word, zc_word_same(used, ZC_OWNER_ORPHAN, ZC_STATE_USING), "no writer");
	DAMAGE(v->descs[g].writer, 7, "another writer");
	DAMAGE(v->descs[g].bytes, 0, "payload is empty");
	DAMAGE(v->descs[g].bytes, 1 << 20, "payload is empty or longer");
	DAMAGE(v->descs[g].sequence, 0, "without a sequence");
	DAMAGE(v->descs[g].sequence, 2, "neither in its writer's ring");
	DAMAGE(*word, zc_word(zc_word_generation(used) + 1, zc_word_length(used),
			      zc_word_owner(used), ZC_STATE_USING), "neither in");
	DAMAGE(*word, zc_word_same(used, ZC_OWNER_WRITER(9), ZC_STATE_USING), "another writer");
	DAMAGE(*word, zc_word_same(used, ZC_OWNER_CLEANER(1), ZC_STATE_CLEAN), "being cleaned by");
	DAMAGE(*word, zc_word_same(used, ZC_OWNER_NONE, ZC_STATE_CLEAN), "cannot have");

	word = &v->descs[f].word;
	free = *word;
	DAMAGE(*word, zc_word_same(free, ZC_OWNER_WRITER(9), ZC_STATE_FREE), "claimed by");
	DAMAGE(*word, zc_word_same(free, ZC_OWNER_CLEANER(1), ZC_STATE_FREE), "claimed by");
	DAMAGE(*word, zc_word_same(free, ZC_OWNER_ORPHAN, ZC_STATE_FREE), "cannot have");
	DAMAGE(*word, zc_word_same(free, ZC_OWNER_REMOVER, ZC_STATE_FREE), "cannot have");
	DAMAGE(*word, zc_word_same(free, ZC_OWNER_NONE, ZC_STATE_INSIDE), "no run begins");
	must_eq(f, 0);
	DAMAGE(*word, zc_word(zc_word_generation(free), (u32)zc_granules(v), ZC_OWNER_NONE,
			      ZC_STATE_FREE), "some lie inside of other runs");
	DAMAGE(*word, zc_word(zc_word_generation(free), (u32)zc_granules(v) + 1,
			      ZC_OWNER_NONE, ZC_STATE_FREE), "longer than");

	DAMAGE(v->members[9].life, zc_life(1, 0, 3), "does not exist");
	DAMAGE(slot->life, zc_life(1, 0xffff, ZC_LIFE_LIVE), "not there");
	DAMAGE(slot->life, zc_life(1, l.pool->member + 1, ZC_LIFE_LIVE), "not there");
	DAMAGE(v->cleaner_slots[3].life, zc_life(1, 0, 3), "does not exist");
	DAMAGE(slot->active, slot->active | 1ULL << 5, "active mask");
	/* Blocks that its ring names lie within another run. */
	DAMAGE(w->area->tail, 0, NULL);
	DAMAGE(v->segments[0].state, ZC_SEGMENT_RETIRED, "without memory");
	/* An array of deferred blocks is no longer than it can be. */
	DAMAGE(w->area->deferred_nr, ~0U, NULL);
	lib_close(&l);
}

/* More than are noted, and a run that another one has within it. */
Test(damage, of_all_is_counted)
{
	zc_writer_t *w;
	u32 i;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	w = lib_plain_writer(&l);
	for (i = 0; i < 3; i++)
		must_zc(lib_send(w, 200, 0));
	lib_make_private(&l);
	for (i = 0; i < ZC_MAX_MEMBERS; i++)
		if (i != l.pool->member)
			v->members[i].life = zc_life(1, 0, 3);
	must(found("does not exist"));
	must(report.errors >= ZC_MAX_MEMBERS - 1);
	for (i = 0; i < ZC_MAX_MEMBERS; i++)
		if (i != l.pool->member)
			v->members[i].life = 0;
	must(found(NULL));
	for (i = 0; i < zc_granules(v); i++)
		v->descs[i].word = zc_word(1, 1, ZC_OWNER_NONE, ZC_STATE_INSIDE);
	must(found("no run begins"));
	must(report.lost == report.granules);
	lib_close(&l);
}

/* --- events ------------------------------------------------------------------------ */

static zc_result_t next(zc_event_t *event)
{
	event->sz = sizeof(*event);
	return zc_pool_next_event(l.pool, event, 0);
}

Test(damage, of_events_stops_no_listener)
{
	struct zc_event_record *e;
	zc_event_t event;
	u64 head, i;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	lib_make_private(&l);
	while (next(&event) == ZC_OK)
		;
	/* A head that went back, or forth by more than there can be. */
	head = v->header->event_head;
	v->header->event_head = head + (1ULL << 40);
	must_zc(next(&event));
	must_eq(event.type, ZC_EVENT_OVERFLOW);
	must_eq(event.blocks, (1ULL << 40) - ZC_EVENTS);
	must_fail(next(&event), ZC_ERROR_TIMEOUT);
	v->header->event_head = head;
	must_fail(next(&event), ZC_ERROR_TIMEOUT);
	/* It goes on from where the head is now. */
	zc_event_emit(l.pool, ZC_EVENT_SEGMENT_ADDED, 5, 0, ~0U, ~0U, 0, 77);
	must_zc(next(&event));
	must_eq(event.bytes, 77);
	/* A record of nobody, in letters of no terminal. */
	zc_event_emit(l.pool, ZC_EVENT_MEMBER_DIED, 5000, 0, 5000, ~0U, 0, 0);
	e = &v->events[(v->header->event_head - 1) % ZC_EVENTS];
	memset(e->comm, 0xff, sizeof(e->comm));
	must_zc(next(&event));
	must_eq(strlen(event.comm), sizeof(event.comm) - 1);
	must(!event.service[0]);
	/* A type that nobody knows. */
	must(!strcmp(zc_event_name((zc_event_type_t)99), "unknown event"));
	/* A ring that was written to the brim while the listener slept. */
	for (i = 0; i < ZC_EVENTS + 10; i++)
		zc_event_emit(l.pool, ZC_EVENT_SEGMENT_ADDED, 5, 0, ~0U, ~0U, 0, i);
	must_zc(next(&event));
	must_eq(event.type, ZC_EVENT_OVERFLOW);
	must_eq(event.blocks, 10);
	for (i = 10; i < ZC_EVENTS + 10; i++) {
		must_zc(next(&event));
		must_eq(event.bytes, i);
	}
	/* Sizes that are none; one that is larger than what is known is filled up. */
	event.sz = 2 << 20;
	must_fail(zc_pool_next_event(l.pool, &event, 0), ZC_ERROR_INVALID);
	lib_close(&l);
}

Test(damage, of_names_is_shown_as_text)
{
	struct zc_writer_slot *slot;
	char text[200];
	zc_writer_t *w;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	w = lib_plain_writer(&l);
	lib_make_private(&l);
	slot = &v->writer_slots[w->id];
	slot->name[0][0] = '\x1b';
	slot->name[0][1] = (u8)0x9b;
	zc_service_text(v, w->id, text);
	must(!strncmp(text, "??it/", 5));
	zc_service_text(v, ZC_MAX_WRITERS, text);
	must(!text[0]);
	memset(slot->name, 'x', sizeof(slot->name));
	zc_service_text(v, w->id, text);
	must(strlen(text) < sizeof(text));
	memset(slot->name, 0, sizeof(slot->name));
	zc_service_text(v, w->id, text);
	must(!text[0]);
	lib_close(&l);
}

/* --- members ----------------------------------------------------------------------- */

/* A process that was there and is not any more. */
static pid_t gone(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	must(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return pid;
}

Test(damage, of_a_members_record_proves_no_death)
{
	struct zc_member_record *r, was;
	u64 life, now;
	u32 m;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	zc_background_stop(l.pool);
	m = l.pool->member + 1;
	r = &v->members[m];
	/* Somebody like us, of whom nobody has the lock. */
	*r = v->members[l.pool->member];
	r->life = life = zc_life(5, 0, ZC_LIFE_LIVE);
	was = *r;
	must(zc_live_visible(l.pool, r));
	/* It is there, and has the pool. */
	must(!zc_live_proven_dead(l.pool, m, life));
	must(!zc_live_proven_dead(l.pool, m, zc_life(5, 0, ZC_LIFE_IDLE)));
	/* Whoever has just begun has nothing. */
	must(zc_live_proven_dead(l.pool, m, zc_life(5, ZC_MEMBER_JOINING, ZC_LIFE_LIVE)));
	/* What cannot be seen is believed for as long as it stamps. */
#define UNSEEN(change)                                                         \
	do {                                                                   \
		*r = was;                                                      \
		change;                                                        \
		must(!zc_live_visible(l.pool, r));                             \
		r->alive_ns = now = zc_timestamp();                            \
		must(!zc_live_proven_dead(l.pool, m, life));                   \
		r->alive_ns = now + (1ULL << 40);                              \
		must(!zc_live_proven_dead(l.pool, m, life));                   \
		r->alive_ns = now - 3000000000ULL;                             \
		must(zc_live_proven_dead(l.pool, m, life));                    \
	} while (0)
	UNSEEN(r->pid = 0);
	UNSEEN(r->pid = 1U << 31);
	UNSEEN(r->start_ticks = 0);
	UNSEEN(r->pid_ns++);
	/* Another process has that number, or nobody. */
	*r = was;
	r->start_ticks++;
	must(!zc_live_visible(l.pool, r));
	must(zc_live_proven_dead(l.pool, m, life));
	*r = was;
	r->pid = (u32)gone();
	must(!zc_live_visible(l.pool, r));
	must(zc_live_proven_dead(l.pool, m, life));
	/* That process has the pool elsewhere: it was replaced, and came back. */
	*r = was;
	r->map_token++;
	must(zc_live_proven_dead(l.pool, m, life));
	/* Whose record is about another life is not judged by it. */
	r->life = zc_life(6, 0, ZC_LIFE_LIVE);
	must(!zc_live_proven_dead(l.pool, m, life));
	must_eq(zc_live_scan(l.pool), 1);
	must_eq(zc_proc_start_ticks(-1), 0);
	must_eq(zc_proc_start_ticks(gone()), 0);
	must(zc_thread_there(gettid()));
	memset(r, 0, sizeof(*r));
	lib_close(&l);
}

/*
 * Who was declared dead while it joined may describe itself in the record of the next
 * one in its slot, who would be taken for alive after its death.
 */
Test(damage, of_who_it_is_is_mended_by_a_member)
{
	struct zc_member_record *r, was;
	u64 deadline;
	u32 i;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	r = &v->members[l.pool->member];
	was = *r;
	for (i = 0; i < 8; i++) {
		u8 *byte[] = { (u8 *)&r->pid, (u8 *)&r->uid, (u8 *)&r->pid_ns,
			       (u8 *)&r->start_ticks, (u8 *)&r->caps,
			       (u8 *)&r->map_token, &r->comm[0], &r->comm[15] };
		u8 right = *byte[i];

		zc_store_relaxed(byte[i], right ^ 0x40);
		deadline = zc_timestamp() + 30000000000ULL;
		while (zc_load_relaxed(byte[i]) != right) {
			must(zc_timestamp() < deadline);
			sched_yield();
		}
	}
	zc_background_stop(l.pool);
	must_eq(r->pid, was.pid);
	must_eq(r->uid, was.uid);
	must_eq(r->pid_ns, was.pid_ns);
	must_eq(r->start_ticks, was.start_ticks);
	must_eq(r->caps, was.caps);
	must_eq(r->map_token, was.map_token);
	must(!memcmp(r->comm, was.comm, sizeof(was.comm)));
	/* Not that of the next one, when its own life is over. */
	r->life = zc_life(zc_life_incarnation(r->life) + 1, 0, ZC_LIFE_LIVE);
	r->pid++;
	zc_member_mend(l.pool);
	must_eq(r->pid, was.pid + 1);
	r->pid = was.pid;
	r->life = was.life;
	lib_close(&l);
}

/* Where nobody can say how a file is mapped, nobody is said to have let it go. */
Test(damage, without_a_map_to_look_at_nobody_is_dead)
{
	struct zc_member_record *r;
	u64 life = zc_life(5, 0, ZC_LIFE_LIVE);
	u32 m;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	zc_background_stop(l.pool);
	m = l.pool->member + 1;
	r = &v->members[m];
	*r = v->members[l.pool->member];
	r->life = life;
	r->map_token++;
	must(zc_live_proven_dead(l.pool, m, life));
	l.pool->map_known = 0;
	must(!zc_live_proven_dead(l.pool, m, life));
	memset(r, 0, sizeof(*r));
	lib_close(&l);
}

/* A role of nobody is not taken from anybody, while there is somebody to reap. */
Test(damage, of_a_slot_is_left_by_the_reaper)
{
	u64 life = zc_life(1, 0xffff, ZC_LIFE_LIVE);
	struct zc_writer_slot *slot;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	lib_make_private(&l);
	slot = &v->writer_slots[5];
	slot->life = life;
	v->cleaner_slots[2].life = life;
	v->members[9].life = zc_life(3, 0, ZC_LIFE_REAPING);
	zc_reap_all(l.pool);
	must_eq(slot->life, life);
	must_eq(v->cleaner_slots[2].life, life);
	must_eq(zc_life_state(v->members[9].life), ZC_LIFE_IDLE);
	slot->life = v->cleaner_slots[2].life = 0;
	lib_close(&l);
}

/* What the dead left is somebody's as long as somebody holds it. */
Test(damage, of_the_dead_that_is_held_is_not_cleaned)
{
	struct zc_clean c = { .owner = ZC_OWNER_CLEANER(2) };
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t held;
	u64 sequence, orphan;
	u32 g;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	must_zc(lib_send(w, 200, 0));
	must_zc(lib_receive(r, &held, &sequence));
	lib_make_private(&l);
	g = committed(w);
	orphan = zc_word_same(v->descs[g].word, ZC_OWNER_ORPHAN, ZC_STATE_CLEAN);
	v->descs[g].word = orphan;
	zc_clean_begin(v, &c);
	while (!zc_clean_slice(v, &c, 64))
		;
	must_eq(v->descs[g].word, orphan);
	must_zc(zc_reader_release_block(r, held));
	zc_clean_begin(v, &c);
	while (!zc_clean_slice(v, &c, 64))
		;
	must_eq(zc_word_state(v->descs[g].word), ZC_STATE_FREE);
	lib_close(&l);
}
