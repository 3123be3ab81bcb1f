/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_large.c - where a writer puts large messages.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* --- far ahead of its readers ------------------------------------------------------------ */

/* Eight to a pool; a writer has two to go round in, and four at least before its readers. */
#define BLOCK (4U << 20)
#define POOL (8 * BLOCK)
#define NEAR 4U

/* Times that this thread let go of its processor. */
static long left_processor(void)
{
	struct rusage usage;

	must(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_nvcsw;
}

/* As if it did, for a second; who does not is another case. */
static void writes_all(zc_writer_t *w)
{
	if (w->written_at)
		w->written_at -= 1000000000;
}

/*
 * Does it wait, to send this, for a reader that stays where it is, till it counts as
 * stopped?
 */
static bool waits_to_send(zc_writer_t *w, size_t bytes, u64 timeout_ns)
{
	u64 stopped_at = w->stopped_at;
	zc_handle_t h;

	must_zc(zc_writer_acquire_block(w, bytes, &h, timeout_ns));
	writes_all(w);
	must_zc(zc_writer_commit_block(w, h));
	return w->stopped_at != stopped_at;
}

/* There is memory, and nobody to wait for. */
static void sends_at_once(zc_writer_t *w, size_t bytes, u64 timeout_ns)
{
	u64 stopped_at = w->stopped_at;
	long before = left_processor();
	zc_handle_t h;

	must_zc(zc_writer_acquire_block(w, bytes, &h, timeout_ns));
	must_eq(left_processor(), before);
	must_eq(w->stopped_at, stopped_at);
	writes_all(w);
	must_zc(zc_writer_commit_block(w, h));
}

static void send_block(zc_writer_t *w, size_t bytes, u64 timeout_ns)
{
	waits_to_send(w, bytes, timeout_ns);
}

static void receive_block(zc_reader_t *r)
{
	zc_handle_t h;

	must_zc(zc_reader_poll_block(r, 0, &h, 0));
	must_zc(zc_reader_release_block(r, h));
}

static void open_with(struct lib *l, const zc_writer_options_t *o, zc_reader_t **r,
		      zc_writer_t **w)
{
	lib_open(l, POOL);
	*r = lib_plain_reader(l);
	*w = lib_writer(l, o);
}

/* Once for each place where the reader stops; then all of the pool is there. */
Test(ahead, writer_waits_for_who_moves)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_with(&l, &o, &r, &w);
	/* With the first that is ahead it begins to ask how quick it is. */
	for (i = 0; i < NEAR + 1; i++)
		sends_at_once(w, BLOCK, 1000000000);
	must(waits_to_send(w, BLOCK, 1000000000));
	must_eq(w->stopped_at, r->cursor);
	sends_at_once(w, BLOCK, 1000000000);
	must(w->ahead);
	/* What is left comes back, once for this writer, and once for all. */
	receive_block(r);
	sends_at_once(w, BLOCK, 1000000000);
	must_eq(w->used_granules, 7 * (u64)BLOCK / 64);
	receive_block(r);
	must(waits_to_send(w, BLOCK, 1000000000));
	must_eq(w->stat_timeouts, 0);
	lib_close(&l);
}

/* It has memory, and gets it by its deadline: it is not refused. */
Test(ahead, nobody_times_out_where_there_is_memory)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_with(&l, &o, &r, &w);
	for (i = 0; i < 8; i++)
		send_block(w, BLOCK, 1);
	must_eq(w->stat_timeouts, 0);
	must_fail(zc_writer_acquire_block(w, BLOCK, &(zc_handle_t){ 0 }, 1),
		  ZC_ERROR_TIMEOUT);
	lib_close(&l);
}

/* Not without a timeout, with small ones, by who drops, or for what it is to go round in. */
Test(ahead, others_do_not_wait)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i, kind;

	for (kind = 0; kind < 4; kind++) {
		o.on_slow = kind == 2 ? ZC_ON_SLOW_DROP_OLDEST : ZC_ON_SLOW_BLOCK;
		o.footprint_bytes = kind == 3 ? POOL : kind == 1 ? 1024 : 0;
		open_with(&l, &o, &r, &w);
		for (i = 0; i < 8; i++)
			sends_at_once(w, kind == 1 ? 3000 : BLOCK, kind ? 1000000000 : 0);
		must_eq(w->stopped_at, 0);
		lib_close(&l);
	}
}

/* It sent more than anybody could have written since: asked once, and not for a while. */
Test(ahead, who_does_not_write_all_does_not_wait)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_with(&l, &o, &r, &w);
	w->written_at = zc_timestamp();
	w->written_head = w->head;
	w->stat_bytes = 1ULL << 50;
	for (i = 0; i < 6; i++)
		sends_at_once(w, BLOCK, 1000000000);
	must(w->written_not_for);
	must(!w->ahead);
	w->written_not_for = 0;
	must(waits_to_send(w, BLOCK, 1000000000));
	lib_close(&l);
}

/* One that went far ahead comes back to what it goes round in. */
Test(ahead, blocks_go_back_when_readers_are_back)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_with(&l, &o, &r, &w);
	for (i = 0; i < 8; i++)
		send_block(w, BLOCK, 0);
	must_eq(w->used_granules, 8 * (u64)BLOCK / 64);
	must(w->ahead);
	for (i = 0; i < 8; i++)
		receive_block(r);
	for (i = 0; i < 20; i++) {
		send_block(w, BLOCK, 0);
		receive_block(r);
	}
	must(!w->ahead);
	must(w->used_granules <= 2 * (u64)BLOCK / 64);
	lib_close(&l);
}

struct sender {
	pthread_t thread;
	zc_writer_t *w;
	u32 tid;
	bool sent;
};

static void *sends(void *arg)
{
	struct sender *s = arg;

	zc_store_release(&s->tid, (u32)syscall(SYS_gettid));
	send_block(s->w, BLOCK, 1000000000);
	__atomic_store_n(&s->sent, true, __ATOMIC_RELEASE);
	return NULL;
}

static bool sleeps_or_has_sent(const struct sender *s)
{
	u32 tid = zc_load_acquire(&s->tid);
	char path[64], state = 0;
	FILE *f;

	if (!tid)
		return false;
	if (__atomic_load_n(&s->sent, __ATOMIC_ACQUIRE))
		return true;
	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*u (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'S';
}

/*
 * A reader that leaves a block meanwhile: that one is taken, nothing new.  How long the
 * writer waits is a time; so it may have given up before the reader came to it, but not
 * in each of so many rounds.
 */
Test(ahead, block_that_comes_back_is_taken)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;
	u32 round, i, waited = 0;

	for (round = 0; round < 100 && !waited; round++) {
		struct sender s = { 0 };
		zc_reader_t *r;
		struct lib l;

		open_with(&l, &o, &r, &s.w);
		for (i = 0; i < NEAR + 1; i++)
			send_block(s.w, BLOCK, 0);
		must(!pthread_create(&s.thread, NULL, sends, &s));
		while (!sleeps_or_has_sent(&s))
			sched_yield();
		receive_block(r);
		pthread_join(s.thread, NULL);
		waited = s.w->used_granules == (NEAR + 1) * (u64)BLOCK / 64;
		lib_close(&l);
	}
	must(waited);
}
