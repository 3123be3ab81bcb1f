/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_report.c - what every benchmark says beside its own figures.
 */
#include "bench_run.h"

#include <json-c/json.h>
#include <stdio.h>

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

static const char *wait_name(const struct bench_options *o)
{
	return o->block ? "block" : o->spin ? "spin" : "busy";
}

void bench_json_common(struct json_object *line, const struct bench_options *o,
		       const struct bench_result *r, uint32_t main)
{
	add_count(line, "size", o->size);
	add_count(line, "readers", o->readers);
	add_string(line, "payload", o->whole ? "whole" : "touch");
	add_string(line, "wait", wait_name(o));
	add_string(line, "mode", o->hazard ? "hazard" : "required");
	add_bool(line, "timestamps", o->timestamps);
	add_count(line, "count", o->count);
	add_count(line, "warmup", o->warmup);
	add_count(line, "footprint_bytes", o->footprint);
	if (r->pages[0] != '\0')
		add_string(line, "pages", r->pages);
	add_bool(line, "realtime", r->realtime);
	bench_json_number(line, "timer_ns", r->timer_ns);
	bench_json_number(line, "probe_before_ns", r->probe_before_ns);
	bench_json_number(line, "probe_after_ns", r->probe_after_ns);
	add_count(line, "rounds", r->rounds);
	add_count(line, "dropped", r->dropped);
	add_bool(line, "moved", r->moved);
	/* Of rates as of times: more than 1 is slower for times, faster for
	 * rates, as everybody reads it. */
	bench_json_number(line, "ratio_to_ring",
			  o->throughput ? 1 / r->side[main].ratio_to[0] :
					  r->side[main].ratio_to[0]);
	bench_json_number(line, "ratio_of_medians",
			  o->throughput ? 1 / r->side[main].ratio_of_medians :
					  r->side[main].ratio_of_medians);
	add_count(line, "wrong", r->side[main].wrong);
	add_count(line, "lost", r->side[main].lost);
}

void bench_json_rate(struct json_object *line, const char *prefix,
		     double ns_per_message, uint64_t size)
{
	double rate = 1e9 / ns_per_message;
	char key[64];

	snprintf(key, sizeof(key), "%smsgs_per_s", prefix);
	bench_json_number(line, key, rate);
	snprintf(key, sizeof(key), "%sgib_per_s", prefix);
	bench_json_number(line, key, rate * (double)size / (1ULL << 30));
}

void bench_print_common(const struct bench_options *o,
			const struct bench_result *r)
{
	printf("  %llu bytes, %s payload, %s wait, %u reader%s%s, timestamps %s"
	       "%s%s%s\n",
	       (unsigned long long)o->size, o->whole ? "whole" : "touched",
	       o->block ? "blocking" : o->spin ? "spinning" : "busy", o->readers,
	       o->readers == 1 ? "" : "s", o->hazard ? " (hazard)" : "",
	       o->timestamps ? "on" : "off",
	       r->pages[0] != '\0' ? ", pages " : "", r->pages,
	       r->realtime ? ", real-time priority" : "");
	printf("  raw line %.1f ns before, %.1f after; %u rounds, %u dropped; "
	       "each time contains %.0f ns of clock\n",
	       r->probe_before_ns, r->probe_after_ns, r->rounds, r->dropped,
	       r->timer_ns);
	if (r->moved)
		printf("  the host moved the processors too often: fewer "
		       "rounds than asked for are left\n");
}

void bench_defaults(struct bench_options *o, uint64_t count)
{
	if (o->count == 0)
		o->count = count;
	if (!o->warmup_set)
		o->warmup = o->count / 10;
	if (o->reps == 0)
		o->reps = 25;
}

uint64_t bench_stream_count(const struct bench_options *o)
{
	uint64_t bytes = 1ULL << 30;
	uint64_t most = o->block ? 50000 : 500000;
	uint64_t count = o->whole ? bytes / o->size : most;

	/* Readers share a core. */
	count /= o->readers;
	return count > most ? most : count < 20 ? 20 : count;
}
