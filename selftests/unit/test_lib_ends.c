/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_ends.c - the lines that a writer takes back before it needs them; the name that
 * a creation takes back.
 */
#include "backend.h"
#include "lib.h"

#define BYTES 200

/* Messages go and are read, until some blocks wait to be used again. */
static void go_round(zc_writer_t *w, zc_reader_t *r)
{
	zc_handle_t h;
	u64 s;
	u32 i;

	for (i = 0; i < 1000 && w->keep_pos == w->tail; i++) {
		must_zc(lib_send(w, BYTES, 0));
		must_zc(lib_receive(r, &h, &s));
		must_zc(zc_reader_release_block(r, h));
	}
	must(w->keep_pos != w->tail);
}

/* Its first line, and the last one that was in use: nothing between. */
Test(ends, of_what_comes_next_are_taken_back)
{
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u64 s;

	lib_open(&l, 1 << 20);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	go_round(w, r);
	for (s = w->keep_pos; s != w->tail; s++) {
		const u64 *word = (u64 *)(w->data + (u64)w->sent[s & w->ring_mask].granule * 64);

		must_eq(word[0], 0);
		must(word[1] && word[1] == word[23]);
		must_eq(word[24], 0);
	}
	lib_close(&l);
}

/* A large one is written again at once: its ends as well. */
Test(ends, of_a_large_block_are_taken_back)
{
	const size_t bytes = 64 << 10;
	zc_handle_t h;
	zc_reader_t *r;
	zc_writer_t *w;
	const u64 *word;
	struct lib l;
	u64 s;
	u32 i;

	lib_open(&l, 4 << 20);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	for (i = 0; i < 20; i++) {
		must_zc(lib_send(w, bytes, 0));
		must_zc(lib_receive(r, &h, &s));
		must_zc(zc_reader_release_block(r, h));
	}
	must_eq(w->keep_pos + 1, w->tail);
	word = (u64 *)(w->data + (u64)w->sent[w->keep_pos & w->ring_mask].granule * 64);
	must_eq(word[0], 0);
	must(word[1] && word[1] == word[bytes / 8 - 9]);
	must_eq(word[bytes / 8 - 8], 0);
	lib_close(&l);
}

/* Records are memory that others may write: what one says reaches no other block. */
Test(ends, of_a_record_that_lies_are_not_believed)
{
	zc_handle_t held;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 g, last;
	u64 s;

	lib_open(&l, 1 << 20);
	r = lib_plain_reader(&l);
	w = lib_plain_writer(&l);
	must_zc(lib_send(w, BYTES, 0));
	must_zc(lib_receive(r, &held, &s));
	last = w->sent[s & w->ring_mask].granule;
	for (s = 0; s < 200; s++) {
		zc_handle_t h;
		u64 sequence;

		must_zc(lib_send(w, BYTES, 0));
		must_zc(lib_receive(r, &h, &sequence));
		must_zc(zc_reader_release_block(r, h));
		g = w->sent[sequence & w->ring_mask].granule;
		/* To whichever is held; from above, round past the end of 64 bits. */
		w->descs[g].bytes = ((u64)last - g) * 64 + 1;
	}
	lib_verify(r, held);
	must_zc(zc_reader_release_block(r, held));
	lib_close(&l);
}

/* Whoever could not attach to what it made takes back that, and not what is there now. */
Test(ends, of_a_creation_take_no_other_pool_s_name)
{
	zc_pool_options_t o = ZC_POOL_OPTIONS_INIT;
	char name[ZC_NAME_BYTES];
	zc_pool_t *other, *again;
	struct lib l;

	lib_open(&l, 1 << 20);
	strcpy(name, l.pool->name);
	must_zc(zc_pool_remove(name));
	o.bytes = 1 << 20;
	must_zc(zc_pool_create(name, &o, &other));
	must_fail(l.pool->backend->unname(l.pool), ZC_ERROR_NOT_FOUND);
	must_zc(zc_pool_open(name, &again));
	must(again == other);
	must_zc(other->backend->unname(other));
	must_fail(zc_pool_open(name, &again), ZC_ERROR_NOT_FOUND);
	zc_pool_close(again);
	zc_pool_close(other);
	must_zc(zc_pool_create(name, &o, &other));
	zc_pool_close(other);
	lib_close(&l);
}
