/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_zora.c - bound roles when the peers took their process for dead, also while
 * they look; keys that change more often than anybody looks.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <zerocore/zora.h>

#include "lib.h"
#include "step.h"

#define SMALL (64 << 10)

static void refused(zora_id_t id, zc_handle_t h, zc_result_t how)
{
	char byte = 4;

	must(!zora_data(id, h));
	must_eq(zora_error(), how);
	must(!zora_data_mut(id, h));
	must(!zora_slice(id, h, 0, 1));
	must_fail(zora_copy_out(id, h, 0, &byte, 1), how);
	must_fail(zora_copy_in(id, h, 0, &byte, 1), how);
	must_eq(byte, 4);
}

/* What a block was is somebody else's now: nothing opens it any more. */
Test(zora, of_an_evicted_member_opens_nothing)
{
	zc_handle_t claimed, held;
	zora_id_t wid, rid, id;
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;
	u64 sequence;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	must_zc(lib_send(w, 100, 0));
	must_zc(lib_receive(r, &held, &sequence));
	must_zc(zc_writer_acquire_block(w, 100, &claimed, 0));
	must_zc(zora_register_writer(w, &wid));
	must_zc(zora_register_reader(r, &rid));
	must(zora_data(wid, claimed) && zora_data(rid, held));

	/* As the background thread says it, at each of its ticks. */
	zc_roles_evict(l.pool);
	zc_roles_evict(l.pool);
	refused(wid, claimed, ZC_ERROR_EVICTED);
	refused(rid, held, ZC_ERROR_EVICTED);
	refused(wid, 0, ZC_ERROR_EVICTED);
	/* It still is this thread's to unregister, but cannot be bound again. */
	must_zc(zora_unregister(wid));
	refused(wid, claimed, ZC_ERROR_CLOSED);
	must_fail(zora_register_writer(w, &id), ZC_ERROR_EVICTED);
	refused(rid, held, ZC_ERROR_EVICTED);

	/* For the end: nobody really did. */
	zc_store_relaxed(&l.pool->evicted, 0);
	zc_store_relaxed(&w->closed, 0);
	zc_store_relaxed(&r->closed, 0);
	zc_reader_unregister(r);
	refused(rid, held, ZC_ERROR_CLOSED);
	zc_writer_unregister(w);
	lib_close(&l);
}

static struct {
	struct lib l;
	zora_id_t id;
	zc_handle_t handle;
	u64 value;
	zc_result_t result;
} typed;

static void stores_and_loads(void *ctx)
{
	const zc_type_t *type = zc_type_basic(ZC_TYPE_U64);
	const u64 value = 42;

	(void)ctx;
	typed.result = zora_store_typed(typed.id, typed.handle, type, &value);
	if (typed.result == ZC_OK)
		typed.result = zora_load_typed(typed.id, typed.handle, type, &typed.value);
}

static void is_evicted(void *ctx)
{
	(void)ctx;
	zc_roles_evict(typed.l.pool);
}

static void done_or_evicted(void *ctx)
{
	(void)ctx;
	must(typed.result == ZC_ERROR_EVICTED ||
	     (typed.result == ZC_OK && typed.value == 42));
}

/* The table of bound roles, which a forked child is not to have, the children of step.h
 * need. */
static void keep_all_in_children(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	char line[512];

	must(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &from, &to) == 2)
			madvise((void *)from, to - from, MADV_KEEPONFORK);
	fclose(f);
}

/* The background thread finds that out at any time. */
Test(zora, evicted_while_it_looks_is_told_or_done)
{
	const struct step_case c = { .victim = stores_and_loads, .rivals = is_evicted,
				     .check = done_or_evicted };
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *w;

	lib_open(&typed.l, SMALL);
	options.type = zc_type_basic(ZC_TYPE_U64);
	w = lib_writer(&typed.l, &options);
	must_zc(zc_writer_acquire_block(w, 8, &typed.handle, 0));
	lib_make_private(&typed.l);
	must_zc(zora_register_writer(w, &typed.id));
	keep_all_in_children();
	must(step_every(&c) > 50);
	must_zc(zora_unregister(typed.id));
	must_zc(zc_writer_cancel_block(w, typed.handle));
	zc_writer_unregister(w);
	lib_close(&typed.l);
}

static u32 epoch_of_next(zc_writer_t *w)
{
	zc_handle_t h;

	must_zc(zc_writer_acquire_block(w, 100, &h, 0));
	must(zc_writer_block_data(w, h, NULL));
	must_zc(zc_writer_cancel_block(w, h));
	return h >> ZC_HANDLE_BITS;
}

/* The word is a byte: it says that keys changed, not how often, and 256 times is never. */
Test(zora, keys_change_once_a_look)
{
	struct lib l;
	zc_writer_t *w;
	zc_handle_t held;
	u32 i, epoch;

	lib_open(&l, SMALL);
	w = lib_plain_writer(&l);
	must_zc(zc_writer_acquire_block(w, 100, &held, 0));
	epoch = epoch_of_next(w);
	for (i = 0; i < 255; i++)
		must_zc(zora_rotate_keys(l.pool));
	must_eq(epoch_of_next(w), epoch % 15 + 1);
	must_eq(epoch_of_next(w), epoch % 15 + 1);
	for (i = 0; i < 256; i++)
		must_zc(zora_rotate_keys(l.pool));
	must_eq(epoch_of_next(w), epoch % 15 + 1);
	must_zc(zora_rotate_keys(l.pool));
	must_eq(epoch_of_next(w), (epoch + 1) % 15 + 1);
	must(zc_writer_block_data(w, held, NULL));
	must_zc(zc_writer_cancel_block(w, held));
	zc_writer_unregister(w);
	lib_close(&l);
}
