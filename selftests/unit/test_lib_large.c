/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_large.c - where a writer puts large messages.
 */
#include "lib.h"

/* Acquires a block, and commits it: where it was. */
static const void *send_large(zc_writer_t *w)
{
	const void *data;
	zc_handle_t h;

	must_zc(zc_writer_acquire_block(w, 64 << 10, &h, 0));
	data = zc_writer_block_data(w, h, NULL);
	must_zc(zc_writer_commit_block(w, h));
	return data;
}

static void read_large(zc_reader_t *r, const void *data)
{
	zc_handle_t h;

	must_zc(zc_reader_poll_block(r, 0, &h, 0));
	must(zc_reader_block_data(r, h, NULL) == data);
	must_zc(zc_reader_release_block(r, h));
}

/* Where the caches still have it, whatever else there is. */
Test(large, block_is_written_where_the_last_one_was)
{
	const void *at[4];
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	lib_open(&l, 4 << 20);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	/* A reader that keeps up: one is written while the other comes back. */
	for (i = 0; i < 20; i++)
		read_large(r, send_large(w));
	must_eq(w->used_granules, 2 * (64 << 10) / 64);
	must_eq(w->last_not_for, 0);
	/* It is behind: then nobody looks for a while, unless he is told to. */
	for (i = 0; i < 3; i++)
		at[i] = send_large(w);
	must(w->last_not_for > 1);
	w->last_not_for = 0;
	for (i = 0; i < 3; i++)
		read_large(r, at[i]);
	/* Of what came back, the newest is the next; the others are not forgotten. */
	at[3] = send_large(w);
	must(send_large(w) == at[2]);
	read_large(r, at[3]);
	read_large(r, at[2]);
	must_eq(w->kept_granules, 2 * (64 << 10) / 64);
	lib_close(&l);
}

/* Who is not waited for has as much time as there is memory to go round in. */
Test(large, blocks_stay_for_those_that_nobody_waits_for)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;
	const void *at[6];
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	lib_open(&l, 4 << 20);
	o.best_effort = true;
	r = lib_reader(&l, &o);
	w = lib_plain_writer(&l);
	for (i = 0; i < 6; i++)
		at[i] = send_large(w);
	for (i = 0; i < 6; i++)
		read_large(r, at[i]);
	lib_close(&l);
}
