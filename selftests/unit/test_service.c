/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_service.c - the registry: names, entries, reuse, rivals, the dead.
 */
#include <pthread.h>
#include <stdio.h>

#include "step.h"
#include "unit.h"

#define LONG63 "abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789"

static struct zc_service_name name_of(const char *text)
{
	struct zc_service_name name;

	must_ok(zc_service_parse(&name, text));
	return name;
}

static struct zc_service_name numbered(u32 i)
{
	char text[64];

	snprintf(text, sizeof(text), "service/%u/event", i);
	return name_of(text);
}

static int open_as(struct unit_pool *p, const struct zc_service_name *name,
		   u32 member, bool *created)
{
	u64 word = ~0ULL;
	u32 removed;
	int i = zc_service_open(&p->view, name, member, ~0U, &word, created, &removed);

	if (i >= 0)
		must_eq(word, p->view.writer_slots[i].service);
	return i;
}

/* How many entries are in @state? */
static u32 entries(const struct unit_pool *p, u32 state)
{
	u32 i, n = 0;

	for (i = 0; i < ZC_MAX_WRITERS; i++)
		n += zc_service_state(p->view.writer_slots[i].service) == state;
	return n;
}

Test(service, word_keeps_each_field)
{
	u64 w = zc_service_word(0xdeadbeef, 0x3ffff, 0x7ff, 7);

	must_eq(w, 0xdeadbeefffffffffULL);
	must_eq(zc_service_hash(w), 0xdeadbeef);
	must_eq(zc_service_version(w), 0x3ffff);
	must_eq(zc_service_member(w), 0x7ff);
	must_eq(zc_service_state(w), 7);
	/* A version that wraps stays in its field. */
	w = zc_service_word(1, 0x40000, 2, 3);
	must_eq(zc_service_version(w), 0);
	must_eq(zc_service_hash(w), 1);
	must_eq(zc_service_member(w), 2);
}

Test(service, parses_names)
{
	static const char *const good[] = {
		"a/b/c", "A/9/_", "./-/.", "../../..", "a.b-c_d/E/0",
		/* 63 characters each */
		"abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ-012345678/b/c",
		"a/b/abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ-012345678",
	};
	static const char *const bad[] = {
		NULL, "", "/", "//", "///", "a", "a/", "a/b", "a/b/", "/b/c",
		"a//c", "a/b//", "a/b/c/", "a/b/c/d", "a/b/c ", " a/b/c",
		"a /b/c", "a/b\t/c", "a/b/c\n", "a\\b/c/d", "a:b/c/d", "\xc3\xa4/b/c",
		"a/b/\x7f", "a/*/c", "a/b/c?", "\x01/b/c",
		LONG63 "/b/c", "a/" LONG63 "/c", "a/b/" LONG63,
	};
	struct zc_service_name name;
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		char text[3 * ZC_NAME_BYTES + 3];

		memset(&name, 0xff, sizeof(name));
		must_ok(zc_service_parse(&name, good[i]));
		snprintf(text, sizeof(text), "%s/%s/%s", name.part[0],
			 name.part[1], name.part[2]);
		must(!strcmp(text, good[i]));
		/* All after the NUL is zero: it is hashed and compared. */
		for (k = 0; k < 3; k++) {
			size_t n = strlen(name.part[k]);

			for (; n < ZC_NAME_BYTES; n++)
				must_eq(name.part[k][n], 0);
		}
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *wrong = zc_service_parse(&name, bad[i]);

		if (!wrong)
			unit_fail(__FILE__, __LINE__, "\"%s\" is accepted",
				  bad[i] ? bad[i] : "(null)");
		must(strlen(wrong) > 10);
	}
}

Test(service, open_creates_once)
{
	struct zc_service_name a = name_of("a/b/c"), d = name_of("a/b/d");
	struct unit_pool p;
	bool created = false;
	u64 word;
	int i;

	unit_pool_init(&p, 1);
	must_eq(zc_service_find(&p.view, &a, &word), -1);
	i = open_as(&p, &a, 3, &created);
	must(i >= 0 && created);
	must_eq(zc_service_find(&p.view, &a, &word), i);
	must_eq(word, p.view.writer_slots[i].service);
	must_eq(zc_service_state(word), ZC_SERVICE_READY);
	must_eq(open_as(&p, &a, 4, &created), i);
	must(!created);
	must(open_as(&p, &d, 4, &created) != i);
	must(created);
	must_eq(entries(&p, ZC_SERVICE_READY), 2);
	must_eq(entries(&p, ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 2);
	unit_pool_fini(&p);
}

Test(service, open_gives_an_entry_without_a_past)
{
	struct zc_service_name a = name_of("a/b/c");
	struct unit_pool p;
	struct zc_writer_slot *slot;
	bool created;
	int i;

	unit_pool_init(&p, 1);
	for (i = 0; i < (int)ZC_MAX_WRITERS; i++) {
		slot = &p.view.writer_slots[i];
		slot->on_slow = ZC_SLOW_DISCONNECT;
		slot->flags = ZC_SERVICE_OVERWRITE;
		slot->history = 9;
		slot->lag_limit = 9;
		slot->quota_bytes = 9;
	}
	i = open_as(&p, &a, 0, &created);
	must(i >= 0 && created);
	slot = &p.view.writer_slots[i];
	must(!slot->on_slow && !slot->flags && !slot->history &&
	     !slot->lag_limit && !slot->quota_bytes);
	unit_pool_fini(&p);
}

static void fill(struct unit_pool *p)
{
	u32 i;

	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		struct zc_service_name name = numbered(i);
		bool created;

		must(open_as(p, &name, 0, &created) >= 0);
		must(created);
		must_eq(zc_life_state(p->view.writer_slots[i].life),
			ZC_LIFE_IDLE);
	}
	must_eq(entries(p, ZC_SERVICE_READY), ZC_MAX_WRITERS);
}

Test(service, says_when_all_are_in_use)
{
	struct zc_service_name more = name_of("one/too/many");
	struct unit_pool p;
	bool created = true;
	u32 i;

	unit_pool_init(&p, 1);
	fill(&p);
	unit_member_join(&p, 1);
	/* In use: by a writer, by a dead writer, by a reader. */
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		if (i % 3 == 0)
			unit_writer_join(&p, i, 1);
		else if (i % 3 == 1)
			p.view.writer_slots[i].life =
				zc_life(1, 1, ZC_LIFE_REAPING);
		else
			unit_reader_join(&p, i, i, 1, 0);
	must_eq(open_as(&p, &more, 1, &created), -1);
	must(!created);
	/* Nothing was changed by the attempt, and nobody's name is gone. */
	must_eq(entries(&p, ZC_SERVICE_READY), ZC_MAX_WRITERS);
	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		struct zc_service_name name = numbered(i);
		u64 word;

		must(zc_service_find(&p.view, &name, &word) >= 0);
	}
	unit_pool_fini(&p);
}

Test(service, reuses_an_idle_empty_entry)
{
	struct zc_service_name more = name_of("one/more/please");
	struct zc_service_name old = numbered(17);
	struct unit_pool p;
	u32 i, removed;
	bool created;
	u64 word;

	unit_pool_init(&p, 1);
	fill(&p);
	unit_member_join(&p, 1);
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		if (i != 17)
			unit_writer_join(&p, i, 1);
	must_eq(zc_service_open(&p.view, &more, 1, ~0U, &word, &created, &removed), 17);
	must(created);
	must_eq(removed, 17);
	must_eq(zc_service_open(&p.view, &more, 1, ~0U, &word, &created, &removed), 17);
	must(!created);
	must_eq(removed, ~0U);
	must_eq(zc_service_find(&p.view, &more, &word), 17);
	must_eq(zc_service_find(&p.view, &old, &word), -1);
	must_eq(entries(&p, ZC_SERVICE_READY), ZC_MAX_WRITERS);
	unit_pool_fini(&p);
}

/* Nobody is there any more, and all have left something, but for the last. */
static void leave_all(struct unit_pool *p, u32 ring_entries)
{
	struct zc_geometry_request request = {
		.bytes = 1 << 20, .segment_bytes = 1 << 20, .granule_bytes = 64,
		.ring_entries = ring_entries, .max_holds = 8,
	};
	struct zc_writer_area *area;
	u32 i;

	unit_pool_init_with(p, &request);
	fill(p);
	unit_member_join(p, 1);
	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		unit_writer_join(p, i, 1);
		p->view.writer_slots[i].life = zc_life(1, 1, ZC_LIFE_IDLE);
		/* The others say that all was taken back. */
		if (i == ZC_MAX_WRITERS - 1)
			continue;
		area = zc_writer_area(&p->view, i);
		area->head = 1 << 20;
		area->tail = unit_commit(p, i, i, 1) + 1;
		area->deferred_nr = i % 2 ? ~0U : 0;
	}
}

/* Of little that is left in each, all is looked at in one call. */
Test(service, looks_through_what_it_has_time_for)
{
	struct zc_service_name more = name_of("one/more/please");
	struct unit_pool p;
	bool created;

	leave_all(&p, 16);
	must_eq(open_as(&p, &more, 1, &created), ZC_MAX_WRITERS - 1);
	must_eq(p.view.hints->retire_from, 0);
	unit_pool_fini(&p);
}

/* As many as their writers say are left in each: one is looked at, and next time another. */
Test(service, looks_no_further_than_it_has_time_for)
{
	struct zc_service_name more = name_of("one/more/please");
	struct unit_pool p;
	bool created;
	u32 i;

	leave_all(&p, 1 << 18);
	for (i = 0; i < ZC_MAX_WRITERS - 1; i++) {
		must_eq(open_as(&p, &more, 1, &created), -1);
		must_eq(p.view.hints->retire_from, i + 1);
		must_eq(entries(&p, ZC_SERVICE_READY), ZC_MAX_WRITERS);
	}
	must_eq(open_as(&p, &more, 1, &created), ZC_MAX_WRITERS - 1);
	unit_pool_fini(&p);
}

/* Entries that the caller has no right to are as if they were in use. */
Test(service, takes_no_entry_but_those_it_may)
{
	struct zc_service_name a = name_of("a/b/c"), more = name_of("one/more/please");
	u64 words[ZC_MAX_WRITERS], word;
	struct unit_pool p;
	u32 i, removed;
	bool created;

	unit_pool_init(&p, 1);
	must_eq(zc_service_open(&p.view, &a, 1, 0, &word, &created, &removed), -1);
	must_eq(entries(&p, ZC_SERVICE_EMPTY), ZC_MAX_WRITERS);
	must_eq(zc_service_open(&p.view, &a, 1, 1U << 5, &word, &created, &removed), 5);
	must(created);
	/* What is there is found without any. */
	must_eq(zc_service_open(&p.view, &a, 1, 0, &word, &created, &removed), 5);
	must(!created);
	unit_pool_fini(&p);

	unit_pool_init(&p, 1);
	fill(&p);
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		words[i] = p.view.writer_slots[i].service;
	must_eq(zc_service_open(&p.view, &more, 1, 0, &word, &created, &removed), -1);
	must_eq(removed, ~0U);
	must_eq(zc_service_open(&p.view, &more, 1, 1U << 17 | 1U << 31, &word, &created,
				&removed), 17);
	must(created);
	must_eq(removed, 17);
	/* Nor was it looked at whether somebody uses them. */
	for (i = 0; i < ZC_MAX_WRITERS; i++)
		if (i != 17)
			must_eq(p.view.writer_slots[i].service, words[i]);
	unit_pool_fini(&p);
}

/* Whoever joined before the name changed notices; afterwards, too. */
Test(service, joiner_rescues_or_notices)
{
	struct zc_service_name a = name_of("a/b/c");
	struct unit_pool p;
	u64 *entry, word;
	bool created;
	int i;

	unit_pool_init(&p, 1);
	i = open_as(&p, &a, 0, &created);
	must_eq(zc_service_find(&p.view, &a, &word), i);
	entry = &p.view.writer_slots[i].service;
	must(zc_service_unchanged(&p.view, i, &a, word));

	/* Looked at for reuse by member 5: the joiner takes it back. */
	*entry = zc_service_word(zc_service_hash(word),
				 zc_service_version(word) + 1, 5,
				 ZC_SERVICE_RETIRING);
	must_eq(zc_service_find(&p.view, &a, &word), i);
	must(zc_service_unchanged(&p.view, i, &a, word));
	must_eq(zc_service_state(*entry), ZC_SERVICE_READY);
	must_eq(zc_service_hash(*entry), zc_service_hash(word));
	must(zc_service_version(*entry) > zc_service_version(word));

	/* Claimed under another name already. */
	*entry = zc_service_word(zc_service_hash(word) + 1, 9, 5,
				 ZC_SERVICE_CLAIMING);
	must(!zc_service_unchanged(&p.view, i, &a, word));
	/* Ready under another name. */
	*entry = zc_service_word(zc_service_hash(word) + 1, 9, 0,
				 ZC_SERVICE_READY);
	must(!zc_service_unchanged(&p.view, i, &a, word));
	/* Empty, or claimed for the same name. */
	*entry = zc_service_word(zc_service_hash(word), 9, 5,
				 ZC_SERVICE_CLAIMING);
	must(!zc_service_unchanged(&p.view, i, &a, word));
	must_eq(zc_service_state(*entry), ZC_SERVICE_CLAIMING);
	unit_pool_fini(&p);
}

static void die(struct unit_pool *p, u32 m)
{
	unit_member_join(p, m);
	unit_declare_dead(p, m, 1);
}

Test(service, aborts_a_rival_and_leaves_the_clearing_to_it)
{
	struct zc_service_name a = name_of("a/b/c"), b = name_of("b/b/b");
	struct unit_pool p;
	bool created;
	u64 word, other;
	int i;

	unit_pool_init(&p, 1);
	i = open_as(&p, &a, 1, &created);
	word = p.view.writer_slots[i].service;
	/* Entry 4: member 7 was stopped while it claimed the name. */
	p.view.writer_slots[4].service = other =
		zc_service_word(zc_service_hash(word), 33, 7,
				ZC_SERVICE_CLAIMING);
	p.view.writer_slots[i].service = 0;
	i = open_as(&p, &a, 1, &created);
	must(i >= 0 && i != 4 && created);
	word = p.view.writer_slots[4].service;
	must_eq(zc_service_state(word), ZC_SERVICE_ABORTED);
	must_eq(zc_service_member(word), 7);
	must_eq(zc_service_version(word), 34);
	/* Nobody else's, and not the name: only member 7 or its reaper. */
	must(open_as(&p, &b, 1, &created) != 4);
	zc_service_reap(&p.view, 7);
	must_eq(p.view.writer_slots[4].service, word);
	die(&p, 6);
	zc_service_reap(&p.view, 6);
	must_eq(p.view.writer_slots[4].service, word);
	die(&p, 7);
	zc_service_reap(&p.view, 7);
	must_eq(zc_service_state(p.view.writer_slots[4].service),
		ZC_SERVICE_EMPTY);
	must_eq(zc_service_version(p.view.writer_slots[4].service), 35);
	/* Claimed for another name: left alone. */
	p.view.writer_slots[5].service = other =
		zc_service_word(zc_service_hash(word) ^ 1, 33, 7,
				ZC_SERVICE_CLAIMING);
	p.view.writer_slots[i].service = 0;
	must(open_as(&p, &a, 1, &created) >= 0);
	must_eq(p.view.writer_slots[5].service, other);
	unit_pool_fini(&p);
}

Test(service, reaper_ends_what_the_dead_had_begun)
{
	struct unit_pool p;
	u32 state;

	unit_pool_init(&p, 1);
	for (state = 0; state <= ZC_SERVICE_RETIRING; state++) {
		p.view.writer_slots[state].service =
			zc_service_word(0xabc, 5, 9, state);
		p.view.writer_slots[8 + state].service =
			zc_service_word(0xabc, 5, 10, state);
	}
	/* Not while it lives, nor when it is another who died. */
	zc_service_reap(&p.view, 9);
	die(&p, 10);
	zc_service_reap(&p.view, 9);
	for (state = 0; state <= ZC_SERVICE_RETIRING; state++)
		must_eq(p.view.writer_slots[state].service,
			zc_service_word(0xabc, 5, 9, state));
	die(&p, 9);
	zc_service_reap(&p.view, 9);
	must_eq(p.view.writer_slots[ZC_SERVICE_CLAIMING].service,
		zc_service_word(0, 6, 0, ZC_SERVICE_EMPTY));
	must_eq(p.view.writer_slots[ZC_SERVICE_ABORTED].service,
		zc_service_word(0, 6, 0, ZC_SERVICE_EMPTY));
	must_eq(p.view.writer_slots[ZC_SERVICE_RETIRING].service,
		zc_service_word(0xabc, 6, 0, ZC_SERVICE_READY));
	must_eq(p.view.writer_slots[ZC_SERVICE_READY].service,
		zc_service_word(0xabc, 5, 9, ZC_SERVICE_READY));
	for (state = 0; state <= ZC_SERVICE_RETIRING; state++)
		must_eq(p.view.writer_slots[8 + state].service,
			zc_service_word(0xabc, 5, 10, state));
	unit_pool_fini(&p);
}

/* Two names of one hash: each is a service of its own, and nobody gets the other's. */
Test(service, tells_names_of_one_hash_apart)
{
	struct zc_service_name name[2] = { name_of(UNIT_TWIN_A), name_of(UNIT_TWIN_B) };
	struct zc_service_name more = name_of("one/more/please");
	struct unit_pool p;
	bool created;
	u64 word[2];
	u32 i, removed;

	unit_pool_init(&p, 1);
	for (i = 0; i < 2; i++) {
		must_eq(open_as(&p, &name[i], 0, &created), i);
		must(created);
	}
	for (i = 0; i < 2; i++) {
		must_eq(open_as(&p, &name[i], 0, &created), i);
		must(!created);
		must_eq(zc_service_find(&p.view, &name[i], &word[i]), i);
		must(zc_service_unchanged(&p.view, i, &name[i], word[i]));
		must(!zc_service_unchanged(&p.view, i, &name[!i], word[i]));
	}
	must_eq(zc_service_hash(word[0]), zc_service_hash(word[1]));
	must_eq(entries(&p, ZC_SERVICE_READY), 2);
	must_eq(entries(&p, ZC_SERVICE_EMPTY), ZC_MAX_WRITERS - 2);

	/* Nor when one of them is looked at for reuse, and gets another name. */
	p.view.writer_slots[0].service =
		zc_service_word(zc_service_hash(word[0]), 9, 5, ZC_SERVICE_RETIRING);
	must_eq(open_as(&p, &name[1], 0, &created), 1);
	must_eq(zc_service_find(&p.view, &name[0], &word[0]), 0);
	must(!zc_service_unchanged(&p.view, 0, &name[1], word[0]));
	must_eq(zc_service_state(p.view.writer_slots[0].service), ZC_SERVICE_RETIRING);
	must(zc_service_unchanged(&p.view, 0, &name[0], word[0]));
	unit_member_join(&p, 1);
	unit_writer_join(&p, 1, 1);
	must_eq(zc_service_open(&p.view, &more, 1, 1U, &word[0], &created, &removed), 0);
	must_eq(removed, 0);
	must_eq(zc_service_open(&p.view, &name[0], 1, 2U, &word[0], &created, &removed), -1);
	must_eq(zc_service_find(&p.view, &name[1], &word[1]), 1);
	unit_pool_fini(&p);
}
