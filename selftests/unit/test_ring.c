/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_ring.c - entries of the commit ring: half a sequence, and what it is for.
 */
#include <limits.h>

#include "lib.h"

Test(entry, tells_older_from_newer_by_half_a_sequence)
{
	static const u64 at[] = { 1, 77, 0x7fffffff, 0x80000000, 0xffffffff,
				  0x100000000, 0x100000001, ~0ULL - 5 };
	u32 i;

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		u64 s = at[i];

		must_eq(zc_entry_ahead(zc_entry_place(s, 5), s), 0);
		must(zc_entry_ahead(zc_entry_place(s - 1, 5), s) < 0);
		must(zc_entry_ahead(zc_entry_place(s + 1, 5), s) > 0);
		must(zc_entry_ahead(zc_entry_place(s - 0x7fffffff, 5), s) < 0);
		must(zc_entry_ahead(zc_entry_place(s + 0x7fffffff, 5), s) > 0);
	}
}

Test(entry, keeps_what_was_stored)
{
	struct zc_ring_entry e = {
		.place = zc_entry_place(0x123456789abcULL, 0xfedcba98U),
		.run = zc_entry_run(0x89abcdefU, 0xfffffffeULL),
	};
	struct zc_entry got;

	must(!zc_entry_load(&e, 0x123456789abbULL, &got));
	must(zc_entry_load(&e, 0x123456789abcULL, &got));
	must_eq(got.granule, 0xfedcba98U);
	must_eq(got.generation, 0x89abcdefU);
	must_eq(got.bytes, 0xfffffffeU);
	/* Too large for an entry: the descriptor knows. */
	e.run = zc_entry_run(1, 0xffffffffULL);
	zc_entry_rest(&e, e.place, &got);
	must_eq(got.bytes, ZC_ENTRY_BYTES_MAX);
	must_eq(got.generation, 1);
	e.run = zc_entry_run(1, 5ULL << 32);
	zc_entry_rest(&e, e.place, &got);
	must_eq(got.bytes, ZC_ENTRY_BYTES_MAX);
	must_eq(got.generation, 1);
}

/* A payload of 4 GiB and more has its size in the descriptor only. */
Test(entry, that_is_too_small_for_the_size_asks_the_descriptor)
{
	struct zc_ring_entry *e;
	zc_handle_t handle;
	zc_writer_t *w;
	zc_reader_t *r;
	size_t bytes;
	struct lib l;

	lib_open(&l, 64 << 10);
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	must_zc(lib_send(w, 1000, 0));
	e = &w->ring[1 & w->ring_mask];
	zc_store_relaxed(&e->run, zc_load_relaxed(&e->run) | 0xffffffffULL << 32);
	must_zc(zc_reader_poll_block(r, 0, &handle, 0));
	must(zc_reader_block_data(r, handle, &bytes));
	must_eq(bytes, 1000);
	must_zc(zc_reader_release_block(r, handle));
	lib_close(&l);
}

/*
 * Nobody waits for it, it was away for 2^31 messages, and what is in the ring
 * looks older than its cursor.
 */
Test(entry, half_a_lap_of_sequences_ahead_is_no_empty_ring)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	u64 far = 1 + 0x80000000ULL + 64, sequence, i;
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_handle_t handle;
	zc_writer_t *w;
	zc_reader_t *r;
	struct lib l;

	lib_open(&l, 64 << 10);
	w = lib_plain_writer(&l);
	o.best_effort = true;
	r = lib_reader(&l, &o);
	must_eq(zc_reader_poll_block(r, 0, &handle, 0), ZC_ERROR_TIMEOUT);
	/* As if it had written them all. */
	w->head = w->tail = w->keep_pos = w->first = far;
	zc_store_release(&w->area->head, far);
	zc_store_release(&w->area->tail, far);
	w->room = 0;
	for (i = 0; i < 3; i++)
		must_zc(lib_send(w, 100, 0));
	must_zc(lib_receive(r, &handle, &sequence));
	must(sequence >= far);
	must_zc(zc_reader_release_block(r, handle));
	must_zc(zc_reader_get_stats(r, &stats));
	must_eq(stats.lost, sequence - 1);
	must_eq(stats.received, 1);
	lib_close(&l);
}
