/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_roles.c - handles, kept blocks, quota: what a writer's books say.
 */
#include <stdlib.h>

#include "lib.h"

#define SMALL (64 << 10)	/* 1024 granules, 16 a stripe */

/* --- handles ------------------------------------------------------------- */

Test(handle, of_a_claimed_block_ends_once)
{
	struct lib l;
	zc_writer_t *w, *other;
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_handle_t h, h2;
	size_t bytes = 0;
	u32 i;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	o.service = "unit/other/lib";
	other = lib_writer(&l, &o);
	must_zc(zc_writer_acquire_block(w, 100, &h, 0));
	must(h);
	must(zc_writer_block_data(w, h, &bytes));
	must_eq(bytes, 100);
	must_eq((uintptr_t)zc_writer_block_data(w, h, NULL) % 64, 0);
	/* Forged in each bit, and another role's. */
	for (i = 0; i < 64; i++) {
		zc_handle_t forged = h ^ 1ULL << i;

		must(!zc_writer_block_data(w, forged, NULL));
		must_fail(zc_writer_commit_block(w, forged),
			  ZC_ERROR_FORGED_HANDLE);
		must_fail(zc_writer_cancel_block(w, forged),
			  ZC_ERROR_FORGED_HANDLE);
		must_fail(zc_writer_resize_block(w, forged, 1),
			  ZC_ERROR_FORGED_HANDLE);
		must_fail(zc_writer_io_begin(w, forged), ZC_ERROR_FORGED_HANDLE);
	}
	must_fail(zc_writer_commit_block(w, 0), ZC_ERROR_FORGED_HANDLE);
	must_fail(zc_writer_commit_block(w, ~0ULL), ZC_ERROR_FORGED_HANDLE);
	must_fail(zc_writer_commit_block(other, h), ZC_ERROR_FOREIGN_HANDLE);
	must_zc(zc_writer_commit_block(w, h));
	must_fail(zc_writer_commit_block(w, h), ZC_ERROR_STALE_HANDLE);
	must_fail(zc_writer_cancel_block(w, h), ZC_ERROR_STALE_HANDLE);
	must(!zc_writer_block_data(w, h, NULL));
	/* The same place gets another handle. */
	must_zc(zc_writer_acquire_block(w, 100, &h2, 0));
	must_eq(zc_unseal(&w->seal, h2) & ZC_HANDLE_INDEX_MASK,
		zc_unseal(&w->seal, h) & ZC_HANDLE_INDEX_MASK);
	must(h2 != h);
	must_zc(zc_writer_cancel_block(w, h2));
	must_fail(zc_writer_cancel_block(w, h2), ZC_ERROR_STALE_HANDLE);
	zc_writer_unregister(other);
	zc_writer_unregister(w);
	lib_close(&l);
}

Test(handle, of_a_message_ends_once)
{
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r, *other;
	zc_handle_t h, h2;
	u32 i;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	other = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_receive(r, &h, NULL));
	for (i = 0; i < 64; i++)
		must_fail(zc_reader_release_block(r, h ^ 1ULL << i),
			  ZC_ERROR_FORGED_HANDLE);
	must_fail(zc_reader_release_block(other, h), ZC_ERROR_FOREIGN_HANDLE);
	must_fail(zc_reader_release_block(r, 0), ZC_ERROR_FORGED_HANDLE);
	must_zc(zc_reader_io_begin(r, h));
	must_fail(zc_reader_release_block(r, h), ZC_ERROR_BUSY);
	must_zc(zc_reader_io_end(r, h));
	must_fail(zc_reader_io_end(r, h), ZC_ERROR_INVALID);
	must_zc(zc_reader_release_block(r, h));
	must_fail(zc_reader_release_block(r, h), ZC_ERROR_STALE_HANDLE);
	must(!zc_reader_block_data(r, h, NULL));
	must_zc(lib_receive(r, &h2, NULL));
	must(h2 != h);
	must_zc(zc_reader_release_block(r, h2));
	lib_close(&l);
}

/* 39 bits of tags wrap after hours at full speed; 0 never is a handle. */
Test(handle, is_never_zero)
{
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t h, held;
	u32 i;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	/* Index 0: all that is not index is tag. */
	w->claims[0].place.location = -4 * ZC_HANDLE_STEP & ZC_HANDLE_MASK;
	r->held[0].place.location = -4 * ZC_HANDLE_STEP & ZC_HANDLE_MASK;
	for (i = 0; i < 4; i++) {
		must_zc(zc_writer_acquire_block(w, 64, &h, 0));
		must(h);
		must(w->claims[0].place.location <= ZC_HANDLE_MASK);
		must_zc(zc_writer_commit_block(w, h));
		must_zc(zc_reader_poll_block(r, 0, &held, 0));
		must(held);
		must_zc(zc_reader_release_block(r, held));
	}
	zc_writer_unregister(w);
	zc_reader_unregister(r);
	lib_close(&l);
}

Test(handle, says_no_to_what_makes_no_sense)
{
	struct lib l;
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t h[3], untouched = 4711;

	lib_open(&l, SMALL);
	/* A struct that ends within .service. */
	o.service = SERVICE;
	for (o.sz = 0; o.sz < 32; o.sz++)
		if (o.sz % sizeof(size_t))
			must_fail(zc_writer_register(l.pool, &o, &w), ZC_ERROR_INVALID);
	o.sz = sizeof(o);
	o.max_inflight = 2;
	w = lib_writer(&l, &o);
	r = lib_plain_reader(&l);
	must_fail(zc_writer_acquire_block(w, 0, &untouched, 0), ZC_ERROR_SIZE);
	must_fail(zc_writer_acquire_block(w, SMALL + 1, &untouched, 0),
		  ZC_ERROR_SIZE);
	must_fail(zc_writer_acquire_block(w, SIZE_MAX, &untouched, 0),
		  ZC_ERROR_SIZE);
	must_fail(zc_writer_acquire_block(NULL, 1, &untouched, 0),
		  ZC_ERROR_INVALID);
	must_fail(zc_writer_acquire_block(w, 1, NULL, 0), ZC_ERROR_INVALID);
	must_fail(zc_reader_poll_block(NULL, 0, &untouched, 0),
		  ZC_ERROR_INVALID);
	must_fail(zc_reader_poll_block(r, 0, NULL, 0), ZC_ERROR_INVALID);
	must_fail(zc_reader_release_block(NULL, 1), ZC_ERROR_INVALID);
	must_fail(zc_writer_commit_block(NULL, 1), ZC_ERROR_INVALID);
	must_fail(zc_writer_cancel_block(NULL, 1), ZC_ERROR_INVALID);
	must_eq(zc_reader_poll_block(r, 0, &untouched, 0), ZC_ERROR_TIMEOUT);
	must_eq(untouched, 4711);
	must_zc(zc_writer_acquire_block(w, 100, &h[0], 0));
	must_zc(zc_writer_acquire_block(w, 1, &h[1], 0));
	must_fail(zc_writer_acquire_block(w, 1, &h[2], 0), ZC_ERROR_BUSY);
	must_fail(zc_writer_resize_block(w, h[0], 0), ZC_ERROR_SIZE);
	must_fail(zc_writer_resize_block(w, h[0], 101), ZC_ERROR_SIZE);
	must_zc(zc_writer_resize_block(w, h[0], 7));
	must_zc(zc_writer_resize_block(w, h[0], 100));
	must_zc(zc_writer_resize_block(w, h[0], 7));
	must_zc(zc_writer_io_begin(w, h[0]));
	must_fail(zc_writer_commit_block(w, h[0]), ZC_ERROR_BUSY);
	must_fail(zc_writer_cancel_block(w, h[0]), ZC_ERROR_BUSY);
	must_zc(zc_writer_io_end(w, h[0]));
	must_fail(zc_writer_io_end(w, h[0]), ZC_ERROR_INVALID);
	must_zc(zc_writer_commit_block(w, h[0]));
	must_zc(zc_writer_cancel_block(w, h[1]));
	must_zc(zc_reader_poll_block(r, 0, &h[2], 0));
	{
		size_t bytes;

		must(zc_reader_block_data(r, h[2], &bytes));
		must_eq(bytes, 7);
	}
	lib_close(&l);
}

/* --- kept blocks ------------------------------------------------------------- */

static u32 kept_nr(const struct zc_writer *w)
{
	u32 bin, n = 0;

	for (bin = 0; bin < ZC_BINS; bin++)
		n += w->bins[bin].nr;
	return n;
}

/* Cancelled blocks are kept up to the footprint, which is small in a small pool. */
static zc_writer_t *keeping_writer(struct lib *l)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;

	o.footprint_bytes = SMALL;
	return lib_writer(l, &o);
}

Test(kept, blocks_go_round_by_class_first_in_first_out)
{
	struct lib l;
	zc_writer_t *w;
	zc_handle_t h[6], again;
	void *place[6];
	u32 i;

	lib_open(&l, SMALL);
	w = keeping_writer(&l);
	for (i = 0; i < 6; i++) {
		/* Classes of 1 and of 3 granules by turns. */
		must_zc(zc_writer_acquire_block(w, i & 1 ? 150 : 50, &h[i], 0));
		place[i] = zc_writer_block_data(w, h[i], NULL);
	}
	must_eq(w->used_granules, 12);
	for (i = 0; i < 6; i++)
		must_zc(zc_writer_cancel_block(w, h[i]));
	must_eq(kept_nr(w), 6);
	must_eq(w->kept_granules, 12);
	must_eq(w->used_granules, 12);
	/* 192 bytes are of the class of 150, 64 of the class of 50. */
	for (i = 0; i < 6; i++) {
		u32 which = i < 3 ? 2 * i + 1 : 2 * (i - 3);

		must_zc(zc_writer_acquire_block(w, which & 1 ? 192 : 64, &again,
						0));
		must(zc_writer_block_data(w, again, NULL) == place[which]);
		must_eq(kept_nr(w), 5 - i);
	}
	must_eq(w->kept_granules, 0);
	must_eq(w->used_granules, 12);
	zc_writer_unregister(w);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

Test(kept, blocks_are_given_back_when_memory_is_short)
{
	struct lib l;
	zc_writer_t *w;
	zc_handle_t h[8], big;
	u32 i;

	lib_open(&l, SMALL);
	w = keeping_writer(&l);
	for (i = 0; i < 8; i++)
		must_zc(zc_writer_acquire_block(w, 1024, &h[i], 0));
	for (i = 0; i < 8; i++)
		must_zc(zc_writer_cancel_block(w, h[i]));
	must(kept_nr(w) > 0);
	/* All there is, in one block. */
	must_zc(zc_writer_acquire_block(w, SMALL, &big, 0));
	must_eq(kept_nr(w), 0);
	must_eq(w->kept_granules, 0);
	must_eq(w->used_granules, 1024);
	must_fail(zc_writer_acquire_block(w, 1, &h[0], 0), ZC_ERROR_NO_MEMORY);
	must_zc(zc_writer_cancel_block(w, big));
	zc_writer_unregister(w);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

/* Not more than the footprint: the rest goes back at once. */
Test(kept, blocks_stay_within_the_footprint)
{
	struct lib l;
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *w;
	zc_handle_t h[20];
	u32 i;

	lib_open(&l, SMALL);
	o.footprint_bytes = 10 * 64;
	w = lib_writer(&l, &o);
	for (i = 0; i < 20; i++)
		must_zc(zc_writer_acquire_block(w, 64, &h[i], 0));
	for (i = 0; i < 20; i++) {
		must_zc(zc_writer_cancel_block(w, h[i]));
		must(w->kept_granules <= 10);
		must_eq(w->used_granules, 19 - i + w->kept_granules);
	}
	must_eq(w->kept_granules, kept_nr(w));
	must(w->kept_granules > 0);
	zc_writer_unregister(w);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

/* --- quota ------------------------------------------------------------- */

#define QUOTA_GRANULES 200U

/* What the words say that this writer owns, apart from its cached run. */
static u64 owned_granules(struct lib *l, const struct zc_writer *w)
{
	struct zc_view *v = &l->pool->view;
	struct zc_walk walk = { 0 };
	u64 word, n = 0;
	u32 g;

	while (zc_walk_step(v, &walk, &g, &word))
		if (zc_word_owner(word) == ZC_OWNER_WRITER(w->id) &&
		    g + 1 != w->cached)
			n += zc_word_length(word);
	return n;
}

struct held_list {
	zc_handle_t handle[16];
	u32 nr;
};

static void receive_some(zc_reader_t *r, struct held_list *held,
			 struct unit_random *random)
{
	u32 i;

	while (held->nr < 16 && unit_random_below(random, 3) &&
	       !lib_receive(r, &held->handle[held->nr], NULL))
		held->nr++;
	while (held->nr && unit_random_below(random, 3)) {
		i = unit_random_below(random, held->nr);
		lib_verify(r, held->handle[i]);
		must_zc(zc_reader_release_block(r, held->handle[i]));
		held->handle[i] = held->handle[--held->nr];
	}
}

/* Random traffic within a quota; the books agree with the words at all times. */
static void traffic(struct lib *l, zc_writer_t *w, zc_reader_t **readers,
		    u32 readers_nr, u32 rounds, struct unit_random *random,
		    u64 quota)
{
	struct held_list held[4];
	zc_handle_t claims[8];
	u32 nr = 0, round, i, refused = 0;

	memset(held, 0, sizeof(held));
	for (round = 0; round < rounds; round++) {
		size_t bytes = 8 + 8 * unit_random_below(random, 200);

		if (nr < 8 && unit_random_below(random, 2)) {
			zc_result_t result = zc_writer_acquire_block(
				w, bytes, &claims[nr], 0);

			must(result == ZC_OK || result == ZC_ERROR_QUOTA ||
			     result == ZC_ERROR_TIMEOUT ||
			     result == ZC_ERROR_NO_MEMORY);
			nr += !result;
			refused += !!result;
		} else if (nr) {
			zc_handle_t h = claims[--nr];
			size_t n;
			u64 *data = zc_writer_block_data(w, h, &n);

			must(data);
			for (i = 0; i < n / 8; i++)
				data[i] = w->head;
			if (unit_random_below(random, 5))
				must_zc(zc_writer_commit_block(w, h));
			else
				must_zc(zc_writer_cancel_block(w, h));
		}
		must(w->used_granules <= quota);
		for (i = 0; i < readers_nr; i++)
			if (!unit_random_below(random, 4))
				receive_some(readers[i], &held[i], random);
		if (round % 16 == 0)
			must_eq(owned_granules(l, w), w->used_granules);
	}
	while (nr)
		must_zc(zc_writer_cancel_block(w, claims[--nr]));
	for (i = 0; i < readers_nr; i++) {
		while (held[i].nr)
			must_zc(zc_reader_release_block(
				readers[i], held[i].handle[--held[i].nr]));
		while (!lib_receive(readers[i], &held[i].handle[0], NULL))
			must_zc(zc_reader_release_block(readers[i],
							held[i].handle[0]));
	}
	must(refused > 0 || quota > 1024);
}

static void settle(struct lib *l, zc_writer_t *w)
{
	u32 i;

	for (i = 0; i < 100; i++)
		zc_writer_reclaim(w, true);
	zc_kept_flush(w);
	must_eq(owned_granules(l, w), 0);
	must_eq(w->used_granules, 0);
	must_eq(w->kept_granules, 0);
	must_eq(w->deferred_used, 0);
}

Test(quota, is_kept_and_comes_back_to_zero)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	struct unit_random random;
	zc_reader_t *readers[3];
	zc_writer_t *w;
	struct lib l;

	unit_random_init(&random);
	lib_open(&l, SMALL);
	readers[0] = lib_plain_reader(&l);
	readers[1] = lib_plain_reader(&l);
	ro.best_effort = true;
	readers[2] = lib_reader(&l, &ro);
	o.quota_bytes = QUOTA_GRANULES * 64;
	o.history = 5;
	w = lib_writer(&l, &o);
	traffic(&l, w, readers, 3, 20000, &random, QUOTA_GRANULES);
	settle(&l, w);
	zc_writer_unregister(w);
	zc_reader_unregister(readers[0]);
	zc_reader_unregister(readers[1]);
	zc_reader_unregister(readers[2]);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

/* More blocks held than the ring has entries: deferred ones are charged, too. */
Test(quota, counts_deferred_blocks)
{
	struct unit_random random;
	zc_reader_t *readers[4];
	zc_writer_t *w;
	struct lib l;
	u32 i;

	unit_random_init(&random);
	lib_open(&l, 1 << 20);
	for (i = 0; i < 4; i++)
		readers[i] = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	traffic(&l, w, readers, 4, 20000, &random, ~0ULL);
	settle(&l, w);
	for (i = 0; i < 4; i++)
		zc_reader_unregister(readers[i]);
	zc_writer_unregister(w);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

/* --- adoption ------------------------------------------------------------- */

Test(adoption, finds_what_was_left_and_deferred)
{
	struct lib l;
	zc_reader_t *r;
	zc_writer_t *w;
	zc_handle_t held[3], h;
	u64 s, used, next;
	u32 i, round;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	/* Three held for long, of 5 granules; the ring goes round twice. */
	for (i = 0; i < 3; i++) {
		must_zc(lib_send(w, 300, 0));
		must_zc(lib_receive(r, &held[i], NULL));
	}
	for (i = 0; i < 128; i++) {
		must_zc(lib_send(w, 64, 0));
		must_zc(lib_receive(r, &h, NULL));
		must_zc(zc_reader_release_block(r, h));
	}
	must_eq(w->deferred_used, 3);
	/* Two unread. */
	must_zc(lib_send(w, 128, 0));
	must_zc(lib_send(w, 128, 0));
	next = w->head;
	for (round = 0; round < 3; round++) {
		zc_writer_unregister(w);
		must_eq(zc_reader_writer_state(r), ZC_PEER_NONE);
		w = lib_plain_writer(&l);
		must_eq(w->head, next);
		must_eq(w->deferred_used, 3);
		used = owned_granules(&l, w);
		must_eq(w->used_granules, used);
		must_eq(w->area->deferred_nr >= 3, 1);
		for (i = 0; i < 3; i++)
			lib_verify(r, held[i]);
	}
	must_zc(lib_receive(r, &h, &s));
	must_eq(s, next - 2);
	must_zc(zc_reader_release_block(r, h));
	must_zc(lib_receive(r, &h, &s));
	must_eq(s, next - 1);
	must_zc(zc_reader_release_block(r, h));
	must_zc(lib_send(w, 64, 0));
	must_zc(lib_receive(r, &h, &s));
	must_eq(s, next);
	must_zc(zc_reader_release_block(r, h));
	for (i = 0; i < 3; i++) {
		lib_verify(r, held[i]);
		must_zc(zc_reader_release_block(r, held[i]));
	}
	settle(&l, w);
	zc_writer_unregister(w);
	zc_reader_unregister(r);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}

/* A writer that leaves while blocks wait CLEAN for a reader leaves no leak. */
Test(adoption, leaves_no_clean_block_behind)
{
	struct lib l;
	zc_reader_t *r;
	zc_writer_t *w;
	zc_handle_t held;
	struct zc_view *v;
	zc_check_report_t report;
	u32 i;

	lib_open(&l, SMALL);
	v = &l.pool->view;
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	must_zc(lib_send(w, 300, 0));
	must_zc(lib_receive(r, &held, NULL));
	for (i = 0; i < 70; i++) {
		zc_handle_t h;

		must_zc(lib_send(w, 64, 0));
		must_zc(lib_receive(r, &h, NULL));
		must_zc(zc_reader_release_block(r, h));
	}
	must_eq(w->deferred_used, 1);
	/* As if the hold had come between reclaim's two looks at holds. */
	for (i = 0; i < v->deferred_entries; i++) {
		struct zc_deferred_entry *d = &zc_deferred(v, w->id)[i];
		u64 word;

		if (!d->sequence)
			continue;
		word = v->descs[d->granule].word;
		must(zc_move_reclaim(&v->descs[d->granule].word, &word,
				     ZC_OWNER_WRITER(w->id)));
	}
	zc_writer_unregister(w);
	lib_verify(r, held);
	lib_check(&l, &report);
	must_eq(report.cleaning, 5);
	must_zc(zc_reader_release_block(r, held));
	/* Whoever needs all the memory gets it. */
	w = lib_plain_writer(&l);
	zc_reader_unregister(r);
	must_zc(zc_writer_acquire_block(w, SMALL, &held, 0));
	must_zc(zc_writer_cancel_block(w, held));
	zc_writer_unregister(w);
	lib_all_free(&l);
	lib_hints_are_true(&l);
	lib_close(&l);
}
