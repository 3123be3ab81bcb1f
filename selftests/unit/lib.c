/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * lib.c - real pools of one process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define NAME "unit"

void lib_open_growing(struct lib *l, u64 bytes, u64 max_bytes)
{
	zc_pool_options_t o = ZC_POOL_OPTIONS_INIT;
	const char *parent = getenv("ZEROCORE_DIR");

	memset(l, 0, sizeof(*l));
	snprintf(l->parent, sizeof(l->parent), "%s", parent ? parent : "");
	snprintf(l->dir, sizeof(l->dir), "%s/zc-unit.XXXXXX",
		 l->parent[0] ? l->parent : "/dev/shm");
	must(mkdtemp(l->dir));
	must(!setenv("ZEROCORE_DIR", l->dir, 1));
	o.bytes = bytes;
	o.segment_bytes = bytes;
	o.max_bytes = max_bytes;
	o.granule_bytes = 64;
	o.ring_entries = 64;
	o.max_holds = 16;
	o.huge = ZC_HUGE_NEVER;
	must_zc(zc_pool_create(NAME, &o, &l->pool));
}

void lib_open(struct lib *l, u64 bytes)
{
	lib_open_growing(l, bytes, bytes);
}

void lib_close(struct lib *l)
{
	zc_pool_close(l->pool);
	must_zc(zc_pool_remove(NAME));
	must(!rmdir(l->dir));
	must(!setenv("ZEROCORE_DIR", l->parent, 1));
}

zc_writer_t *lib_writer(struct lib *l, const zc_writer_options_t *options)
{
	zc_writer_options_t o = *options;
	zc_writer_t *w;

	if (!o.service)
		o.service = SERVICE;
	must_zc(zc_writer_register(l->pool, &o, &w));
	return w;
}

zc_reader_t *lib_reader(struct lib *l, const zc_reader_options_t *options)
{
	zc_reader_options_t o = *options;
	zc_reader_t *r;

	if (!o.service)
		o.service = SERVICE;
	must_zc(zc_reader_register(l->pool, &o, &r));
	return r;
}

zc_writer_t *lib_plain_writer(struct lib *l)
{
	const zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;

	return lib_writer(l, &o);
}

zc_reader_t *lib_plain_reader(struct lib *l)
{
	const zc_reader_options_t o = ZC_READER_OPTIONS_INIT;

	return lib_reader(l, &o);
}

zc_result_t lib_send(zc_writer_t *w, size_t bytes, u64 timeout_ns)
{
	zc_handle_t handle;
	zc_result_t result = zc_writer_acquire_block(w, bytes, &handle,
						     timeout_ns);
	u64 *data, i;

	if (result)
		return result;
	data = zc_writer_block_data(w, handle, NULL);
	must(data);
	for (i = 0; i < bytes / sizeof(*data); i++)
		zc_store_relaxed(&data[i], w->head);
	return zc_writer_commit_block(w, handle);
}

void lib_verify(zc_reader_t *r, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	const u64 *data;
	size_t bytes, i;

	must_zc(zc_reader_block_info(r, handle, &info));
	data = zc_reader_block_data(r, handle, &bytes);
	must(data);
	must_eq(info.bytes, bytes);
	for (i = 0; i < bytes / sizeof(*data); i++)
		must_eq(zc_load_relaxed(&data[i]), info.sequence);
}

zc_result_t lib_receive(zc_reader_t *r, zc_handle_t *handle, u64 *sequence)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_reader_poll_block(r, 0, handle, 0);

	if (result)
		return result;
	lib_verify(r, *handle);
	must_zc(zc_reader_block_info(r, *handle, &info));
	if (sequence)
		*sequence = info.sequence;
	return ZC_OK;
}

void lib_check(struct lib *l, zc_check_report_t *report)
{
	memset(report, 0, sizeof(*report));
	report->sz = sizeof(*report);
	must_zc(zc_pool_check(l->pool, report));
	if (report->errors)
		unit_fail(__FILE__, __LINE__, "%llu errors: %s",
			  (unsigned long long)report->errors,
			  report->first_error);
	must_eq(report->lost, 0);
	must_eq(report->free + report->claimed + report->committed +
			report->cleaning, report->granules);
}

void lib_all_free(struct lib *l)
{
	zc_check_report_t report;
	struct unit_pool p;

	lib_check(l, &report);
	must_eq(report.free, report.granules);
	lib_as_unit_pool(l, &p);
	must_ok(unit_tiling(&p, NULL));
	must_ok(unit_free_runs(&p));
}

void lib_hints_are_true(struct lib *l)
{
	struct unit_pool p;

	lib_as_unit_pool(l, &p);
	must_ok(unit_hints(&p));
}

static void lib_copy_in_place(void *at, u64 bytes)
{
	void *copy = malloc(bytes);

	must(copy);
	memcpy(copy, at, bytes);
	must(mmap(at, bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	memcpy(at, copy, bytes);
	free(copy);
}

/* The page that tells forked children apart would be wiped in them. */
static const u32 lib_not_forked = 1;

void lib_make_private(struct lib *l)
{
	struct zc_pool *pool = l->pool;
	struct zc_writer *w;
	struct zc_reader *r;

	zc_background_stop(pool);
	must_zc(zc_data_writable(pool));
	lib_copy_in_place(pool->control, pool->control_bytes);
	lib_copy_in_place(pool->data, (u64)zc_segments(&pool->view) *
			  pool->view.segment_granules
			  << pool->view.granule_shift);
	zc_not_forked = &lib_not_forked;
	pool->alive = &lib_not_forked;
	for (w = pool->writers; w; w = w->next)
		w->alive = &lib_not_forked;
	for (r = pool->readers; r; r = r->next)
		r->alive = &lib_not_forked;
}

void lib_as_unit_pool(const struct lib *l, struct unit_pool *p)
{
	memset(p, 0, sizeof(*p));
	p->view = l->pool->view;
	p->control = l->pool->control;
	p->geometry = p->view.header->geometry;
	p->segments = zc_segments(&p->view);
}

void lib_reap(const struct lib *l, u32 m)
{
	struct unit_reaper r;
	struct unit_pool p;

	lib_as_unit_pool(l, &p);
	unit_declare_dead(&p, m, 1);
	unit_reaper_init(&r, 2);
	unit_reap(&p, &r, 100);
	must_eq(zc_life_state(p.view.members[m].life), ZC_LIFE_IDLE);
}
