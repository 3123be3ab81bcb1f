/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_hostile.c - readers that write what they may, and mean no good.
 */
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
