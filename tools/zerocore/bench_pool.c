/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_pool.c - a pool among the workers of a run.
 */
#include "bench_pool.h"

static const char *pages_name(zc_pages_t pages)
{
	switch (pages) {
	case ZC_PAGES_GOT_HUGETLB:
		return "hugetlb";
	case ZC_PAGES_GOT_TRANSPARENT:
		return "transparent";
	default:
		return "small";
	}
}

void bench_zc_fail(struct bench_worker *worker, const char *what,
		   zc_result_t result)
{
	bench_fail(worker, "%s: %s: %s", what, zc_strerror(result),
		   zc_last_error());
}

uint64_t bench_pool_bytes(const struct bench_options *options)
{
	/* A writer goes round in a part of the pool only, so make it large
	 * enough for the footprint that is asked for, or chosen, and then some
	 * for what is on its way. */
	uint64_t bytes = 256ULL << 20;

	if (options->pool_bytes != 0)
		return options->pool_bytes;
	if (bytes < options->size * 256)
		bytes = options->size * 256;
	if (bytes < options->footprint * 4)
		bytes = options->footprint * 4;
	return bytes;
}

zc_pool_t *bench_pool_enter(struct bench_worker *worker,
			    const struct bench_pool_plan *plan)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_t *pool = NULL;
	zc_result_t result;
	char name[48];

	bench_pool_name(plan->index, name, sizeof(name));
	if (worker->id == 0) {
		options.bytes = plan->bytes;
		options.ring_entries = plan->ring_entries;
		/* First touches are not what is measured. */
		options.prefault = true;
		result = zc_pool_create(name, &options, &pool);
		if (result != ZC_OK)
			bench_zc_fail(worker, "pool create", result);
		result = zc_pool_get_info(pool, &info);
		if (result != ZC_OK)
			bench_zc_fail(worker, "pool info", result);
		bench_set_pages(worker, pages_name(info.pages));
	}
	bench_sync(worker);
	if (worker->id != 0) {
		result = zc_pool_open(name, &pool);
		if (result != ZC_OK)
			bench_zc_fail(worker, "pool open", result);
	}
	bench_sync(worker);
	return pool;
}

zc_writer_t *bench_writer(struct bench_worker *worker, zc_pool_t *pool,
			  const char *service)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *writer;
	zc_result_t result;

	options.service = service;
	options.footprint_bytes = worker->options->footprint;
	options.no_timestamp = !worker->options->timestamps;
	result = zc_writer_register(pool, &options, &writer);
	if (result != ZC_OK)
		bench_zc_fail(worker, "writer register", result);
	return writer;
}

zc_reader_t *bench_reader(struct bench_worker *worker, zc_pool_t *pool,
			  const char *service)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *reader;
	zc_result_t result;

	options.service = service;
	options.best_effort = worker->options->hazard;
	/* Who asks for a blocking wait wants to see the price of a sleep. */
	options.spin_ns = worker->options->block ? 1 : 0;
	result = zc_reader_register(pool, &options, &reader);
	if (result != ZC_OK)
		bench_zc_fail(worker, "reader register", result);
	return reader;
}
