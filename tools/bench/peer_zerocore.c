/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * peer_zerocore.c - this project, by its public headers.
 */
#include "loop.h"
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zerocore/zerocore.h>

/* Services of a pool: more channels than that take several pools. */
#define EACH_MAX 32
/* Who waits longer than this waits for somebody that is gone. */
#define PATIENCE_NS 20000000000ULL

struct pools {
	uint32_t nr;
	uint32_t each;		/* channels */
	char run[32];
	zc_pool_t **open;	/* in a worker: those that it has opened */
};

struct end {
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_handle_t handle;
	size_t size;
	uint64_t timeout_ns;
};

static void __attribute__((noreturn)) fail(const char *what, zc_result_t result)
{
	worker_fail("%s: %s: %s", what, zc_strerror(result), zc_last_error());
}

static void *reserve(void *end)
{
	struct end *e = end;
	zc_result_t result = zc_writer_acquire_block(e->writer, e->size,
						     &e->handle, PATIENCE_NS);

	if (__builtin_expect(result != ZC_OK, 0))
		fail("acquire", result);
	return zc_writer_block_data(e->writer, e->handle, NULL);
}

static void send(void *end)
{
	struct end *e = end;
	zc_result_t result = zc_writer_commit_block(e->writer, e->handle);

	if (__builtin_expect(result != ZC_OK, 0))
		fail("commit", result);
}

static const void *receive(void *end, size_t *bytes)
{
	struct end *e = end;
	zc_result_t result = zc_reader_poll_block(e->reader, 0, &e->handle,
						  e->timeout_ns);

	if (__builtin_expect(result == ZC_OK, 1))
		return zc_reader_block_data(e->reader, e->handle, bytes);
	if (result != ZC_ERROR_TIMEOUT || e->timeout_ns != ZC_TIMEOUT_TRY)
		fail("poll", result);
	return NULL;
}

static void release(void *end)
{
	struct end *e = end;
	zc_result_t result = zc_reader_release_block(e->reader, e->handle);

	if (__builtin_expect(result != ZC_OK, 0))
		fail("release", result);
}

static const struct peer_verbs verbs = { reserve, send, receive, release };

LOOPS_OF(verbs);

static void pool_name(const struct pools *pools, uint32_t index, char *name,
		      size_t bytes)
{
	snprintf(name, bytes, "compare-%s-%u", pools->run, index);
}

static void drop(void *ctx)
{
	struct pools *pools = ctx;
	char name[64];

	for (uint32_t i = 0; i < pools->nr; i++) {
		pool_name(pools, i, name, sizeof(name));
		(void)zc_pool_remove(name);
	}
	free(pools->open);
	free(pools);
}

static void *prepare(const struct peer_plan *plan, char *why, size_t bytes)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;
	struct pools *pools = calloc(1, sizeof(*pools));
	uint32_t each = plan->group > 0 ? plan->group : EACH_MAX;
	uint32_t nr = (plan->channels + each - 1) / each;
	zc_result_t result = ZC_OK;
	char name[64];

	if (pools == NULL ||
	    (pools->open = calloc(nr, sizeof(*pools->open))) == NULL) {
		snprintf(why, bytes, "no memory");
		free(pools);
		return NULL;
	}
	pools->each = each;
	snprintf(pools->run, sizeof(pools->run), "%s", plan->run);
	/* Room for what is on its way; each of several pools needs less. */
	options.bytes = plan->size * 64 < 64ULL << 20 ? 64ULL << 20 :
							plan->size * 64;
	if (nr > 1 || plan->starts)
		options.bytes = 16ULL << 20;
	if (plan->pool_bytes != 0)
		options.bytes = plan->pool_bytes;
	/* First touches are not what is measured, unless starts are. */
	options.prefault = !plan->starts;
	while (pools->nr < nr && result == ZC_OK) {
		zc_pool_t *pool;

		pool_name(pools, pools->nr, name, sizeof(name));
		result = zc_pool_create(name, &options, &pool);
		if (result == ZC_OK) {
			pools->nr++;
			zc_pool_close(pool);
		}
	}
	if (result == ZC_OK)
		return pools;
	snprintf(why, bytes, "pool create: %s", zc_last_error());
	drop(pools);
	return NULL;
}

static zc_pool_t *pool_of(struct pools *pools, uint32_t channel)
{
	uint32_t index = channel / pools->each;
	zc_result_t result;
	char name[64];

	if (pools->open[index] != NULL)
		return pools->open[index];
	pool_name(pools, index, name, sizeof(name));
	result = zc_pool_open(name, &pools->open[index]);
	if (result != ZC_OK)
		fail("pool open", result);
	return pools->open[index];
}

static struct end *end_new(const struct peer_plan *plan)
{
	struct end *end = calloc(1, sizeof(*end));

	if (end == NULL)
		worker_fail("no memory");
	end->size = plan->size;
	end->timeout_ns = plan->block ? PATIENCE_NS : ZC_TIMEOUT_TRY;
	return end;
}

static void *open_reader(void *ctx, const struct peer_plan *plan,
			 uint32_t channel, uint32_t reader)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	struct end *end = end_new(plan);
	zc_result_t result;
	char service[64];

	(void)reader;
	snprintf(service, sizeof(service), "compare/%u/data", channel);
	options.service = service;
	/* Who asks for a blocking wait wants to see the price of a sleep. */
	options.spin_ns = plan->block ? 1 : 0;
	result = zc_reader_register(pool_of(ctx, channel), &options,
				    &end->reader);
	if (result != ZC_OK)
		fail("reader register", result);
	return end;
}

static void *open_writer(void *ctx, const struct peer_plan *plan,
			 uint32_t channel)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	uint64_t deadline = zc_timestamp() + PATIENCE_NS;
	struct end *end = end_new(plan);
	zc_result_t result;
	char service[64];

	snprintf(service, sizeof(service), "compare/%u/data", channel);
	options.service = service;
	options.no_timestamp = true;
	/* Of a writer that was killed a moment ago the slot may still be reaped. */
	while ((result = zc_writer_register(pool_of(ctx, channel), &options,
					    &end->writer)) == ZC_ERROR_BUSY &&
	       zc_timestamp() < deadline)
		usleep(100);
	if (result != ZC_OK)
		fail("writer register", result);
	return end;
}

struct watch {
	uint32_t nr;
	zc_reader_t *reader[];
};

static void *watch(void *const *in, uint32_t nr)
{
	struct watch *watch = calloc(1, sizeof(*watch) +
					nr * sizeof(watch->reader[0]));

	if (watch == NULL)
		worker_fail("no memory");
	while (watch->nr < nr) {
		struct end *e = in[watch->nr];

		watch->reader[watch->nr++] = e->reader;
	}
	return watch;
}

static uint32_t await(void *watch, uint32_t *ready, uint32_t max)
{
	struct watch *w = watch;
	zc_result_t result = zc_wait_any(w->reader, w->nr, ready, PATIENCE_NS);

	(void)max;
	if (result != ZC_OK)
		fail("wait", result);
	return ready[0] < w->nr ? 1 : 0;
}

/* The pools go with the process. */
static void close_end(void *end)
{
	struct end *e = end;

	zc_writer_unregister(e->writer);
	zc_reader_unregister(e->reader);
	free(e);
}

const struct peer peer_zerocore = {
	.name = "zerocore",
	.title = "ZeroCore",
	.traits = PEER_OUTLIVES,
	.version = zc_version,
	.prepare = prepare,
	.drop = drop,
	.open_reader = open_reader,
	.open_writer = open_writer,
	.watch = watch,
	.await = await,
	.close = close_end,
	.loops = LOOPS,
};
