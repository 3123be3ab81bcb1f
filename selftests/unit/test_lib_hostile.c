/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_hostile.c - readers that write what they may, and mean no good; who sleeps.
 */
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"
#include "mail.h"
#include "messagering.h"
#include "role_mail.h"

#define SMALL (64 << 10)

/* --- messages -------------------------------------------------------------------------- */

static u32 missing;

static void on_missing(zc_pool_t *pool, const char *service, uint64_t sequence,
		       uint64_t age_ns, void *ctx)
{
	(void)pool;
	(void)service;
	(void)sequence;
	(void)age_ns;
	(void)ctx;
	missing++;
}

/* What says that it is from @src, with two numbers. */
static void put(struct zc_mail_out *out, u32 type, u32 src, u64 first)
{
	struct zc_mail_head head = { .type = (__u16)type, .bytes = 16, .src = src };
	u64 news[2] = { first, 77 };

	must(zc_mail_put(out, &head, news));
}

static void is_record(const zc_message_record_t *record, u32 type, u32 src, u64 first)
{
	must_eq(record->type, type);
	must_eq(record->src, src);
	must_eq(record->bytes, 16);
	must(!memcmp(zc_message_payload(record), &first, sizeof(first)));
}

/* Of all that was heard, the types' sum. */
static void on_message(const zc_message_t *message, void *ctx)
{
	*(u32 *)ctx += message->type;
}

/* Its own box is its own: what is in there is from nobody else. */
Test(hostile, reader_speaks_for_itself_alone)
{
	const size_t each = sizeof(zc_message_record_t) + 16;
	struct zc_mail_out node_out = { 0 };
	zc_hooks_t hooks = ZC_HOOKS_INIT;
	zc_messagering_t *node;
	size_t unprocessed;
	u64 stream[64];
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;
	u32 self;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	self = ZC_READER(w->id, r->id);
	hooks.missing_block = on_missing;
	must_zc(zc_set_hooks(l.pool, &hooks));
	must_zc(zc_messagering_register(l.pool, &node));
	zc_mail_resume(&node_out, &zc_node_area(&l.pool->view, 0)->to_writer[w->id],
		       &zc_writer_mail(&l.pool->view, w->id)->read_node[0]);
	put(&node_out, ZC_MSG_BACKPRESSURE, ZC_NODE(0), 1);
	put(&node_out, ZC_MSG_BACKPRESSURE, ZC_NODE(0), 3);
	must(zc_mail_flush(&node_out));
	put(&r->mail->peer[0], ZC_MSG_BACKPRESSURE, ZC_NODE(0), 0);
	put(&r->mail->peer[0], ZC_MSG_MISSING_BLOCK, ZC_NODE(0), 5);
	put(&r->mail->peer[0], ZC_MSG_USER, ZC_READER(w->id, r->id + 1), 6);
	must(zc_mail_flush(&r->mail->peer[0]));
	must_zc(zc_writer_check_message(w, NULL, &unprocessed, stream, sizeof(stream)));
	must_eq(missing, 0);
	/* What the cleaners say last, and all that the reader says. */
	must_eq(unprocessed, 4);
	is_record((void *)stream, ZC_MSG_BACKPRESSURE, ZC_NODE(0), 3);
	is_record((void *)((char *)stream + each), ZC_MSG_BACKPRESSURE, self, 0);
	is_record((void *)((char *)stream + 2 * each), ZC_MSG_MISSING_BLOCK, self, 5);
	is_record((void *)((char *)stream + 3 * each), ZC_MSG_USER, self, 6);
	zc_messagering_unregister(node);
	lib_close(&l);
}

/* Types of messages go from 1 to ZC_MSG_MAX, also for who handles all of them. */
Test(hostile, types_that_there_are_not_reach_nobody)
{
	u32 types[] = { 0, ZC_MSG_MAX, ZC_MSG_MAX + 1U, 0xffff }, i;
	zc_messagering_t *node[2];
	u32 handled, heard[2] = { 0, 0 };
	zc_reader_t *r;
	zc_writer_t *w;
	struct lib l;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	must_zc(zc_writer_handle_message(w, ZC_MSG_DEFAULT, on_message, &heard[0]));
	for (i = 0; i < 2; i++)
		must_zc(zc_messagering_register(l.pool, &node[i]));
	must_zc(zc_messagering_handle(node[1], ZC_MSG_DEFAULT, on_message, &heard[1]));
	for (i = 0; i < 4; i++) {
		struct zc_packet *lane = zc_node_area(&l.pool->view, 0)->lane[1];

		put(&r->mail->peer[0], types[i], 0, i);
		must(zc_mail_flush(&r->mail->peer[0]));
		must_zc(zc_writer_check_message(w, NULL, NULL, NULL, 0));
		must_zc(zc_messagering_post(node[0], ZC_NODE(1), ZC_MSG_USER, &i, sizeof(i), 0));
		lane[i].type = (__u16)types[i];
		zc_messagering_on_message(node[1], 0, &handled);
	}
	must_eq(heard[0], ZC_MSG_MAX);
	must_eq(heard[1], ZC_MSG_MAX);
	for (i = 0; i < 2; i++)
		zc_messagering_unregister(node[i]);
	lib_close(&l);
}

/* --- who sleeps ------------------------------------------------------------------------- */

/* A thread that sleeps once. */
struct sleeper {
	pthread_t thread;
	const u32 *word;
	u32 bits;
	u32 tid;
};

static void *sleeps(void *arg)
{
	struct sleeper *s = arg;
	u32 value = zc_load_acquire(s->word);

	zc_store_release(&s->tid, (u32)syscall(SYS_gettid));
	zc_futex_wait_bits(s->word, value, s->bits, UINT64_MAX);
	return NULL;
}

static bool asleep(const struct sleeper *s)
{
	u32 tid = zc_load_acquire(&s->tid);
	char path[64], state = 0;
	FILE *f;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%u/stat", tid);
	f = fopen(path, "re");
	must(f);
	must_eq(fscanf(f, "%*u (%*[^)]) %c", &state), 1);
	fclose(f);
	return state == 'S';
}

static void put_to_sleep(struct sleeper *s, const u32 *word, u32 bits)
{
	memset(s, 0, sizeof(*s));
	s->word = word;
	s->bits = bits;
	must(!pthread_create(&s->thread, NULL, sleeps, s));
	while (!asleep(s))
		sched_yield();
}

/* The next commit covers what it says that it waits for. */
static void wants_wake(struct zc_writer *w, zc_reader_t *r)
{
	zc_store_relaxed(&r->area->ticket, w->head);
}

/* Times that this thread let go of its processor. */
static long left_processor(void)
{
	struct rusage usage;

	must(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_nvcsw;
}

/* Rung for a message to it between its last look and its sleep. */
Test(asleep, reader_is_not_beside_its_mail)
{
	zc_reader_t *r;
	struct lib l;
	long before;
	u32 bell;

	lib_open(&l, SMALL);
	r = lib_plain_reader(&l);
	bell = zc_load_relaxed(r->bell);
	zc_peer_ring(l.pool, ZC_PEER_READER(r->writer, r->id));
	before = left_processor();
	zc_reader_sleep(r, bell, UINT64_MAX);
	must_eq(left_processor(), before);
	/* What it has heard, and cannot look after yet, keeps it from no sleep. */
	zc_reader_sleep(r, bell + 1, zc_timestamp() + 1000000);
	must(left_processor() > before);
	lib_close(&l);
}

/* Two that the writer does not wait for; neither polls. */
static void open_two(struct lib *l, zc_writer_t **w, zc_reader_t **first,
		     zc_reader_t **second)
{
	zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	lib_open(l, SMALL);
	o.best_effort = true;
	*first = lib_reader(l, &o);
	*second = lib_reader(l, &o);
	*w = lib_plain_writer(l);
}

/* Whatever it says that it sleeps on: it has one bit of the pool's word. */
Test(hostile, reader_wakes_no_other_member)
{
	zc_reader_t *r, *other;
	struct sleeper s;
	zc_writer_t *w;
	struct lib l;
	u32 *word;

	open_two(&l, &w, &r, &other);
	word = &l.pool->view.hints->wake_word;
	put_to_sleep(&s, word, ~(1U << (l.pool->member & 31)));
	zc_store_relaxed(&r->area->wake_bits, ~0U);
	wants_wake(w, r);
	must_zc(lib_send(w, 64, 0));
	must_eq(w->stat_wakes, 1);
	/* It still sleeps. */
	must_eq(zc_futex_wake(word), 1);
	pthread_join(s.thread, NULL);
	lib_close(&l);
}

static u64 wakes_of_640(struct zc_writer *w, zc_reader_t *r)
{
	u64 before = w->stat_wakes;
	u32 i;

	for (i = 0; i < 640; i++) {
		wants_wake(w, r);
		must_zc(lib_send(w, 64, 0));
	}
	return w->stat_wakes - before;
}

/* One that never sleeps is woken seldom, though now and then another one is there. */
static void is_limited(u32 wake_bits)
{
	zc_reader_t *hostile, *honest;
	struct sleeper s;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_two(&l, &w, &hostile, &honest);
	zc_store_relaxed(&hostile->area->wake_bits, wake_bits);
	for (i = 0; i < 1100; i++) {
		bool both = i % 100 == 99;

		if (both) {
			put_to_sleep(&s, (u32 *)&w->area->head, 1U << honest->id);
			wants_wake(w, honest);
		}
		wants_wake(w, hostile);
		must_zc(lib_send(w, 64, 0));
		if (both)
			pthread_join(s.thread, NULL);
	}
	must(wakes_of_640(w, hostile) <= 10);
	/* Who sleeps is woken at once. */
	put_to_sleep(&s, (u32 *)&w->area->head, 1U << honest->id);
	wants_wake(w, honest);
	must_zc(lib_send(w, 64, 0));
	pthread_join(s.thread, NULL);
	lib_close(&l);
}

Test(hostile, reader_that_never_sleeps_is_woken_seldom)
{
	is_limited(0);
	is_limited(~0U);
}

/* Both say that they wait for the next message; only one does.  Did it wake up? */
static bool one_of_two_wakes(struct zc_writer *w, zc_reader_t *hostile, zc_reader_t *honest)
{
	u32 *head = (u32 *)&w->area->head, bit = 1U << honest->id;
	struct sleeper s;
	bool woken;

	put_to_sleep(&s, head, bit);
	wants_wake(w, hostile);
	wants_wake(w, honest);
	must_zc(lib_send(w, 64, 0));
	woken = !zc_futex_wake_bits(head, bit);
	pthread_join(s.thread, NULL);
	return woken;
}

/* One that sees its messages before it sleeps, long enough, beside one that never sleeps. */
Test(hostile, reader_keeps_no_other_asleep)
{
	zc_reader_t *hostile, *honest;
	zc_writer_t *w;
	struct lib l;
	u32 i;

	open_two(&l, &w, &hostile, &honest);
	for (i = 0; i < 1000; i++) {
		wants_wake(w, hostile);
		wants_wake(w, honest);
		must_zc(lib_send(w, 64, 0));
	}
	/* The next one for it is of one in 64 commits; from then on each is. */
	for (i = 0; i < 64 && !one_of_two_wakes(w, hostile, honest); i++)
		;
	must(i < 64);
	for (i = 0; i < 8; i++)
		must(one_of_two_wakes(w, hostile, honest));
	must(wakes_of_640(w, hostile) <= 10);
	lib_close(&l);
}

static void *polls(void *arg)
{
	zc_reader_t *r = arg;
	zc_handle_t handle;

	must_zc(zc_reader_poll_block(r, 0, &handle, UINT64_MAX));
	must_zc(zc_reader_release_block(r, handle));
	return NULL;
}

/* How many sleep there: moved to where they are, none is woken. */
static long sleepers(u32 *word)
{
	return syscall(SYS_futex, word, FUTEX_REQUEUE, 0, INT32_MAX, word, 0);
}

/* One does, by this bit and no other.  It may come to the end of a slice just then. */
static void one_sleeps_by(u32 *word, u32 bit)
{
	do {
		while (sleepers(word) != 1)
			sched_yield();
		must_eq(zc_futex_wake_bits(word, ~bit), 0);
	} while (zc_futex_wake_bits(word, bit) != 1);
}

Test(asleep, reader_and_its_descriptor_are_by_the_readers_bit)
{
	zc_reader_t *other, *r;
	pthread_t thread;
	zc_writer_t *w;
	struct lib l;
	u32 *head;
	int fd;

	open_two(&l, &w, &other, &r);
	head = (u32 *)&w->area->head;
	must(!pthread_create(&thread, NULL, polls, r));
	one_sleeps_by(head, 1U << r->id);
	must_zc(lib_send(w, 64, 0));
	pthread_join(thread, NULL);
	must_zc(zc_reader_get_fd(r, &fd));
	one_sleeps_by(head, 1U << r->id);
	lib_close(&l);
}
