/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cell_report.c - a cell as lines of JSON, and as a table.
 */
#include "cell.h"

#include <json-c/json.h>
#include <string.h>

/* A cache line that takes longer than this comes from far away. */
#define NEAR_NS 100

static void add_string(struct json_object *line, const char *key,
		       const char *value)
{
	json_object_object_add(line, key, json_object_new_string(value));
}

static void add_count(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key,
			       json_object_new_int64((int64_t)value));
}

static void add_bool(struct json_object *line, const char *key, bool value)
{
	json_object_object_add(line, key, json_object_new_boolean(value));
}

/* What is not known is null. */
static void add_positive(struct json_object *line, const char *key, double value)
{
	if (value > 0)
		bench_json_number(line, key, value);
	else
		json_object_object_add(line, key, NULL);
}

static const char *placement(const struct figures *f)
{
	return f->probe_before_ns == 0 ? "unknown" :
	       f->probe_before_ns < NEAR_NS ? "near" : "far";
}

/* Of rates as of times, as everybody reads it: more is slower for times, faster
 * for rates. */
static double told(const struct cell *cell, double value)
{
	if (cell->load->figure != LOAD_RATE || value == 0)
		return value;
	return 1 / value;
}

/* [part of all samples, nanoseconds], for a picture. */
static void add_curve(struct json_object *line, const struct figures *f)
{
	struct json_object *curve = json_object_new_array();

	for (uint32_t i = 0; i < CURVE; i++) {
		struct json_object *point = json_object_new_array();
		char text[40];

		snprintf(text, sizeof(text), "%.5f", cell_curve_part(i));
		json_object_array_add(point, json_object_new_double_s(
						     cell_curve_part(i), text));
		snprintf(text, sizeof(text), "%.1f", f->curve[i]);
		json_object_array_add(point, json_object_new_double_s(
						     f->curve[i], text));
		json_object_array_add(curve, point);
	}
	json_object_object_add(line, "curve", curve);
}

static void add_figures(struct json_object *line, const struct cell *cell,
			const struct figures *f)
{
	bench_json_number(line, "value_ns", f->value_ns);
	bench_json_number(line, "value_ns_p10", f->low_ns);
	bench_json_number(line, "value_ns_p90", f->high_ns);
	if (cell->load->figure == LOAD_RATE)
		bench_json_rate(line, "", f->value_ns, cell->size);
	add_count(line, "samples", f->samples_nr);
	if (f->samples_nr > 0) {
		bench_json_percentiles(line, "", &f->times);
		add_curve(line, f);
	}
	add_positive(line, "ratio_to_ring", told(cell, f->ratio_to_ring));
	add_positive(line, "ratio_to_best_peer", told(cell, f->ratio_to_best));
	if (f->open_ns > 0) {
		bench_json_number(line, "open_ns", f->open_ns);
		bench_json_number(line, "attach_ns", f->attach_ns);
		bench_json_number(line, "memory_kib", f->memory_kib);
	}
	if (f->cpu_percent > 0) {
		bench_json_number(line, "cpu_percent", f->cpu_percent);
		bench_json_number(line, "cpu_message_ns", f->cpu_message_ns);
		bench_json_number(line, "rate_kept", f->rate_kept);
		add_positive(line, "cpu_ratio_to_best_peer",
			     f->cpu_ratio_to_best);
	}
}

static struct json_object *line_of(const struct cell *cell,
				   const struct figures *f)
{
	struct json_object *line = json_object_new_object();

	add_string(line, "bench", "compare");
	add_string(line, "load", cell->load->name);
	add_string(line, "peer", f->peer->name);
	add_count(line, "size", cell->size);
	add_string(line, "payload", cell->whole ? "whole" : "touch");
	add_string(line, "wait", cell->block ? "block" : "busy");
	add_bool(line, "sleeps", f->sleeps);
	add_count(line, "others", cell->others);
	add_count(line, "channels", cell->load->channels(cell));
	add_bool(line, "realtime", f->realtime);
	add_string(line, "placement", placement(f));
	add_positive(line, "probe_before_ns", f->probe_before_ns);
	add_positive(line, "probe_after_ns", f->probe_after_ns);
	add_count(line, "reps", f->kept);
	add_count(line, "dropped", f->dropped);
	add_count(line, "checked", f->checked);
	add_count(line, "wrong", f->wrong);
	add_count(line, "lost", f->lost);
	if (f->kept > 0)
		add_figures(line, cell, f);
	else
		add_string(line, "failed", f->failed);
	return line;
}

const char *size_text(size_t size, char *text, size_t bytes)
{
	if (size >= 1 << 20 && size % (1 << 20) == 0)
		snprintf(text, bytes, "%zu MiB", size >> 20);
	else if (size >= 1 << 10 && size % (1 << 10) == 0)
		snprintf(text, bytes, "%zu KiB", size >> 10);
	else
		snprintf(text, bytes, "%zu B", size);
	return text;
}

/* Three digits that matter, in the unit that suits. */
const char *time_text(double ns, char *text, size_t bytes)
{
	static const char *const unit[] = { "ns", "us", "ms", "s" };
	uint32_t u = 0;

	while (ns >= 1000 && u < 3) {
		ns /= 1000;
		u++;
	}
	snprintf(text, bytes, "%.*f %s", ns < 10 ? 2 : ns < 100 ? 1 : 0, ns,
		 unit[u]);
	return text;
}

static void print_ratio(double value)
{
	if (value > 0)
		printf(" %9.2f", value);
	else
		printf(" %9s", "-");
}

static void print_figures(const struct cell *cell, const struct figures *f)
{
	char a[32], b[32], c[32];

	switch (cell->load->figure) {
	case LOAD_TIMES:
		printf(" %9s %9s %9s", time_text(f->times.p50_ns, a, sizeof(a)),
		       time_text(f->times.p99_ns, b, sizeof(b)),
		       /* Of fewer samples it would be their largest. */
		       f->samples_nr >= 1000 ?
		       time_text(f->times.p999_ns, c, sizeof(c)) : "-");
		break;
	case LOAD_RATE:
		printf(" %9.3f %9.2f %9s", 1e3 / f->value_ns,
		       1e9 / f->value_ns * (double)cell->size / (1ULL << 30),
		       time_text(f->value_ns, a, sizeof(a)));
		break;
	case LOAD_VALUE:
		printf(" %9s %9s %9s", time_text(f->value_ns, a, sizeof(a)),
		       time_text(f->low_ns, b, sizeof(b)),
		       time_text(f->high_ns, c, sizeof(c)));
		break;
	}
	print_ratio(told(cell, f->ratio_to_ring));
	print_ratio(told(cell, f->ratio_to_best));
	if (f->open_ns > 0)
		printf("  open %s, attach %s, %.0f KiB",
		       time_text(f->open_ns, a, sizeof(a)),
		       time_text(f->attach_ns, b, sizeof(b)), f->memory_kib);
	if (f->cpu_percent > 0)
		printf("  CPU %.1f %%, %s a message, x best %.2f",
		       f->cpu_percent,
		       time_text(f->cpu_message_ns, a, sizeof(a)),
		       f->cpu_ratio_to_best);
	/* Who cannot keep up is measured at another rate. */
	if (f->rate_kept > 0 && f->rate_kept < 0.99)
		printf("  sent %.0f %% of what was due", 100 * f->rate_kept);
	if (f->lost > 0)
		printf("  LOST %llu", (unsigned long long)f->lost);
	if (f->wrong > 0)
		printf("  WRONG %llu of %llu", (unsigned long long)f->wrong,
		       (unsigned long long)f->checked);
	putchar('\n');
}

static void print_table(const struct cell *cell, const struct figures *f,
			uint32_t nr)
{
	static const char *const heads[][3] = {
		[LOAD_TIMES] = { "p50", "p99", "p99.9" },
		[LOAD_RATE] = { "M msg/s", "GiB/s", "a message" },
		[LOAD_VALUE] = { "median", "p10", "p90" },
	};
	const char *const *head = heads[cell->load->figure];
	char size[32];

	printf("\n%s: %s, %s, %s", cell->load->name,
	       size_text(cell->size, size, sizeof(size)),
	       cell->whole ? "whole" : "ends", cell->block ? "asleep" : "busy");
	if (cell->others > 1)
		printf(", %u others", cell->others);
	if (cell->load->channels(cell) > 2)
		printf(", %u channels", cell->load->channels(cell));
	if (nr > 0 && f[0].kept > 0 && f[0].probe_before_ns > 0)
		printf(" (raw line %.0f ns before, %.0f ns after)",
		       f[0].probe_before_ns, f[0].probe_after_ns);
	printf("\n  %-14s %9s %9s %9s %9s %9s\n", "", head[0], head[1],
	       head[2], "x ring", "x best");
	for (uint32_t i = 0; i < nr; i++) {
		printf("  %-14s", f[i].peer->name);
		if (f[i].kept == 0)
			printf(" %s\n", f[i].failed);
		else
			print_figures(cell, &f[i]);
	}
	fflush(stdout);
}

void put_line(FILE *out, struct json_object *line)
{
	fputs(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN), out);
	fputc('\n', out);
	fflush(out);
}

void cell_report(const struct compare *compare, const struct cell *cell,
		 const struct figures *f, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		struct json_object *line = line_of(cell, &f[i]);

		if (compare->output != NULL)
			put_line(compare->output, line);
		if (compare->json)
			put_line(stdout, line);
		json_object_put(line);
	}
	if (!compare->json)
		print_table(cell, f, nr);
}
