/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study_pools.c - does it matter how large the pool is?
 *
 * What "bench throughput" and "bench acquire" measure, for one size after the other: a
 * stream beside the bare ring, and an acquire beside one in a pool of 16 MiB, each in
 * rounds that count only where the processors stayed.
 */
#include "bench_stream.h"
#include "study.h"

#include <json-c/json.h>

static const uint64_t mib[] = { 16, 64, 256, 1024, 2048, 4096, 8192, 0 };
static const uint64_t mib_quick[] = { 16, 256, 1024, 0 };

/* Of acquire more: they are short, and the difference is small. */
#define ROUNDS_ACQUIRE 5

static struct bench_options options_of(const struct compare *compare,
				       uint64_t bytes)
{
	return (struct bench_options){
		.pin = { compare->pin[0], compare->pin[1] },
		.size = 64,
		.readers = 1,
		.reps = compare->reps,
		.pool_bytes = bytes,
	};
}

static void add_common(struct json_object *line, uint64_t bytes,
		       const struct bench_options *o,
		       const struct bench_result *r)
{
	study_add_count(line, "pool_bytes", bytes);
	study_add_count(line, "size", o->size);
	study_add(line, "payload", o->whole ? "whole" : "touch");
	study_add(line, "pages", r->pages);
	study_add_count(line, "reps", r->rounds);
	study_add_count(line, "dropped", r->dropped);
	study_add_bool(line, "realtime", r->realtime);
	bench_json_number(line, "probe_before_ns", r->probe_before_ns);
	bench_json_number(line, "probe_after_ns", r->probe_after_ns);
}

/* Nothing was measured: where that is the host's doing, it is nobody's fault. */
static int failed(const struct compare *compare, uint64_t bytes,
		  const char *what, const struct bench_result *r, int code)
{
	struct json_object *line = study_line(&study_pools, "zerocore", what);
	const char *why = r->moved ? "the host moved the processors" :
				     "it ended early";

	study_add_count(line, "pool_bytes", bytes);
	study_add(line, "failed", why);
	study_put(compare, line, "  %6llu MiB  %s: %s\n",
		  (unsigned long long)bytes >> 20, what, why);
	return r->moved ? 0 : code;
}

static int acquire(const struct compare *compare, uint64_t bytes)
{
	struct bench_options o = options_of(compare, bytes);
	struct bench_result r = { 0 };
	struct json_object *line;
	char a[32], b[32];
	int code;

	o.reps *= ROUNDS_ACQUIRE;
	code = bench_acquire_measure(&o, &r);
	if (code != 0)
		return failed(compare, bytes, "acquire", &r, code);
	line = study_line(&study_pools, "zerocore", "acquire");
	add_common(line, bytes, &o, &r);
	study_add_count(line, "base_pool_bytes", 16ULL << 20);
	bench_json_number(line, "value_ns", r.side[2].value_ns);
	bench_json_percentiles(line, "", &r.side[2].samples);
	bench_json_percentiles(line, "base_", &r.side[1].samples);
	bench_json_number(line, "ratio_to_base", r.side[2].ratio_to[1]);
	bench_json_number(line, "ratio_to_ring", r.side[2].ratio_to[0]);
	study_put(compare, line, "  %6llu MiB  acquire, commit, reclaim %9s  p99 "
		  "%9s  %5.2f x 16 MiB\n", (unsigned long long)bytes >> 20,
		  time_text(r.side[2].samples.p50_ns, a, sizeof(a)),
		  time_text(r.side[2].samples.p99_ns, b, sizeof(b)),
		  r.side[2].ratio_to[1]);
	return r.side[2].wrong > 0 ? 1 : 0;
}

static int stream(const struct compare *compare, uint64_t bytes, bool whole)
{
	struct bench_options o = options_of(compare, bytes);
	struct bench_result r = { 0 };
	struct json_object *line;
	double ns;
	int code;

	o.size = whole ? 4096 : 64;
	o.whole = whole;
	if (compare->quick)
		o.count = bench_stream_count(&o) / 4;
	code = bench_throughput_measure(&o, &r);
	if (code != 0)
		return failed(compare, bytes, "stream", &r, code);
	ns = r.side[1].value_ns;
	line = study_line(&study_pools, "zerocore", "stream");
	add_common(line, bytes, &o, &r);
	bench_json_number(line, "value_ns", ns);
	bench_json_rate(line, "", ns, o.size);
	bench_json_rate(line, "ring_", r.side[0].value_ns, o.size);
	/* Of rates: more is faster. */
	bench_json_number(line, "ratio_to_ring", 1 / r.side[1].ratio_to[0]);
	study_add_count(line, "wrong", r.side[1].wrong);
	study_put(compare, line, "  %6llu MiB  %4llu B, %-5s %8.2f M msg/s %7.2f "
		  "GiB/s  %5.2f x ring\n", (unsigned long long)bytes >> 20,
		  (unsigned long long)o.size, whole ? "whole" : "ends", 1e3 / ns,
		  1e9 / ns * (double)o.size / (1ULL << 30),
		  1 / r.side[1].ratio_to[0]);
	return r.side[0].wrong + r.side[1].wrong > 0 ? 1 : 0;
}

static int run(const struct compare *compare)
{
	const uint64_t *size = compare->quick ? mib_quick : mib;
	int code = 0;

	if (!study_takes(compare, &peer_zerocore))
		return 0;
	study_head(compare, "\npools: of one size and of another, beside the bare "
			    "ring\n");
	for (; *size != 0; size++) {
		uint64_t bytes = *size << 20, available;

		if (!bench_memory_for(bytes, &available)) {
			study_head(compare, "  %6llu MiB  left out: too little "
				   "memory\n", (unsigned long long)*size);
			continue;
		}
		for (int part = 0; part < 3; part++) {
			int its = part == 0 ? acquire(compare, bytes) :
					      stream(compare, bytes, part == 2);

			if (bench_guard_signal() != 0)
				return its;
			code = code != 0 ? code : its;
		}
	}
	return code;
}

const struct study study_pools = {
	.name = "pools",
	.what = "throughput and acquire in pools of 16 MiB to 8 GiB",
	.run = run,
};
