/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_stats.c - percentiles over full sample arrays, medians, JSON; and the
 * calibration of the clock that the samples are taken with.
 */
#include "bench_stats.h"
#include "bench_clock.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The smallest value that at least a part @q of all values does not exceed. */
static size_t rank(size_t nr, double q)
{
	size_t n = (size_t)((double)nr * q);

	if ((double)n < (double)nr * q)
		n++;
	return n == 0 ? 0 : n - 1;
}

void bench_percentiles_of(uint32_t *samples, size_t nr, double unit_ns,
			  struct bench_percentiles *out)
{
	qsort(samples, nr, sizeof(*samples), compare_u32);
	out->min_ns = samples[0] * unit_ns;
	out->p50_ns = samples[rank(nr, 0.5)] * unit_ns;
	out->p99_ns = samples[rank(nr, 0.99)] * unit_ns;
	out->p999_ns = samples[rank(nr, 0.999)] * unit_ns;
	out->max_ns = samples[nr - 1] * unit_ns;
}

double bench_middle(const uint32_t *sorted, size_t nr, double unit_ns)
{
	size_t from = nr / 4, to = nr - nr / 4;
	double sum = 0;

	for (size_t i = from; i < to; i++)
		sum += sorted[i];
	return sum / (double)(to - from) * unit_ns;
}

double bench_median(double *values, size_t nr)
{
	if (nr == 0)
		return 0;
	qsort(values, nr, sizeof(*values), compare_double);
	if (nr % 2 == 1)
		return values[nr / 2];
	return (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

double bench_quantile(double *values, size_t nr, double q)
{
	if (nr == 0)
		return 0;
	qsort(values, nr, sizeof(*values), compare_double);
	return values[rank(nr, q)];
}

void bench_json_number(struct json_object *line, const char *key, double value)
{
	char text[40];

	/* JSON has no infinities: a rate over nothing is no number. */
	if (!isfinite(value)) {
		json_object_object_add(line, key, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%.3f", value);
	json_object_object_add(line, key, json_object_new_double_s(value, text));
}

void bench_json_percentiles(struct json_object *line, const char *prefix,
			    const struct bench_percentiles *p)
{
	const struct {
		const char *key;
		double value;
	} rows[] = {
		{ "min_ns", p->min_ns }, { "p50_ns", p->p50_ns },
		{ "p99_ns", p->p99_ns }, { "p999_ns", p->p999_ns },
		{ "max_ns", p->max_ns },
	};
	char key[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(key, sizeof(key), "%s%s", prefix, rows[i].key);
		bench_json_number(line, key, rows[i].value);
	}
}

void bench_json_print(struct json_object *line)
{
	puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(line);
}

double bench_ns_per_tick(void)
{
#if defined(__x86_64__)
	static double ns_per_tick;
	uint64_t ns0, ns1, t0, t1;

	if (ns_per_tick > 0)
		return ns_per_tick;
	ns0 = bench_now_ns();
	t0 = bench_ticks();
	do {
		ns1 = bench_now_ns();
		t1 = bench_ticks();
	} while (ns1 - ns0 < 50000000);
	ns_per_tick = (double)(ns1 - ns0) / (double)(t1 - t0);
	return ns_per_tick;
#else
	return 1.0;
#endif
}

double bench_timer_cost_ns(void)
{
	enum { STAMPS = 1000 };
	double batch[15];

	for (size_t i = 0; i < sizeof(batch) / sizeof(batch[0]); i++) {
		uint64_t start = bench_ticks(), end = start;

		for (int k = 0; k < STAMPS; k++)
			end = bench_ticks();
		batch[i] = (double)(end - start) / STAMPS * bench_ns_per_tick();
	}
	return bench_median(batch, sizeof(batch) / sizeof(batch[0]));
}
