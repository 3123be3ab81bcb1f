/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_stats.h - percentiles over full sample arrays, medians, JSON.
 */
#ifndef ZEROCORE_TOOL_BENCH_STATS_H
#define ZEROCORE_TOOL_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

struct json_object;

/* All in nanoseconds. */
struct bench_percentiles {
	double min_ns;
	double p50_ns;
	double p99_ns;
	double p999_ns;
	double max_ns;
};

/**
 * bench_percentiles_of() - exact percentiles of an array (sorts it)
 * @samples: in units of @unit_ns; sorted in place
 * @nr: how many, at least 1
 * @unit_ns: nanoseconds of one unit
 * @out: gets them
 */
void bench_percentiles_of(uint32_t *samples, size_t nr, double unit_ns,
			  struct bench_percentiles *out);

/**
 * bench_middle() - mean of the middle half of sorted samples
 *
 * What the median says, but not in steps of the clock: where a message takes
 * 70 ns and the clock ticks every 10, a median can say 70 or 80 only.
 */
double bench_middle(const uint32_t *sorted, size_t nr, double unit_ns);

/* The median (sorts @values in place); 0 of nothing. */
double bench_median(double *values, size_t nr);

/* The q-quantile, 0 <= q <= 1 (sorts @values in place); 0 of nothing. */
double bench_quantile(double *values, size_t nr, double q);

/* Adds a number with three digits after the point: 0.1 ns is enough. */
void bench_json_number(struct json_object *line, const char *key, double value);

/* Adds min_ns to max_ns, each key with @prefix before it. */
void bench_json_percentiles(struct json_object *line, const char *prefix,
			    const struct bench_percentiles *p);

/* Prints @line as one line on stdout, and drops it. */
void bench_json_print(struct json_object *line);

#endif /* ZEROCORE_TOOL_BENCH_STATS_H */
