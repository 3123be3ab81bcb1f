/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_clean.c - zerocore clean: cleaners in a process of their own.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define CLEANERS_MAX 8

struct clean {
	const char *pool_name;
	uint32_t threads;
	uint64_t timeout_ns;
	bool once;
	bool quiet;
	zc_scaling_policy_t policy;
};

enum { KEY_UP = 0x100, KEY_DOWN, KEY_GROW, KEY_SHRINK, KEY_MOST };

static uint32_t percent(struct argp_state *state, const char *name, const char *arg,
			uint32_t most)
{
	uint64_t value = cli_arg_number(state, name, arg, most);

	if (!value)
		argp_error(state, "%s: at least 1", name);
	return (uint32_t)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct clean *in = state->input;

	switch (key) {
	case 'n':
		in->threads = (uint32_t)cli_arg_number(state, "--threads", arg,
						       CLEANERS_MAX);
		if (!in->threads)
			argp_error(state, "--threads: at least 1");
		return 0;
	case 't':
		in->timeout_ns = cli_arg_duration(state, "--timeout", arg);
		return 0;
	case 'o':
		in->once = true;
		return 0;
	case 'q':
		in->quiet = true;
		return 0;
	case KEY_UP:
		in->policy.up_percent = percent(state, "--up", arg, 1000);
		return 0;
	case KEY_DOWN:
		in->policy.down_percent = percent(state, "--down", arg, 1000);
		return 0;
	case KEY_GROW:
		in->policy.grow_percent = percent(state, "--grow", arg, 100);
		return 0;
	case KEY_SHRINK:
		in->policy.shrink_percent = percent(state, "--shrink", arg, 100);
		return 0;
	case KEY_MOST:
		in->policy.max_cleaners = (int)percent(state, "--most", arg,
						       CLEANERS_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "`%s' is too many", arg);
		in->pool_name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the POOL");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "threads", 'n', "N", 0, "Cleaners, 1 to 8 (1)", 0 },
	{ "once", 'o', NULL, 0, "End when nothing is left to do", 0 },
	{ "timeout", 't', "TIME", 0, "End after so long (forever)", 0 },
	{ "up", KEY_UP, "PERCENT", 0,
	  "One cleaner more when a block goes unscanned for more than so much of 100 ms "
	  "(85)", 0 },
	{ "down", KEY_DOWN, "PERCENT", 0, "One less below (40)", 0 },
	{ "most", KEY_MOST, "N", 0, "Never more than N by themselves (4)", 0 },
	{ "grow", KEY_GROW, "PERCENT", 0,
	  "One segment more when more than so much of the memory is in use (85)", 0 },
	{ "shrink", KEY_SHRINK, "PERCENT", 0, "One less below (40)", 0 },
	{ "quiet", 'q', NULL, 0, "No remarks on stderr", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = {
	options, parse, "POOL",
	"Keep a pool in shape: take back what all readers are done with, merge free "
	"neighbours, end what the dead left. Until stopped; then says what was done."
	"\v"
	"Examples:\n"
	"  zerocore clean demo &\n"
	"  zerocore clean demo --once --json\n",
	children, NULL, NULL
};

static bool all_rest(zc_cleaner_t *const *cleaner, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

		if (zc_cleaner_get_stats(cleaner[i], &stats) || !stats.resting)
			return false;
	}
	return true;
}

static void wait_for_the_end(const struct clean *in, zc_cleaner_t *const *cleaner)
{
	struct timespec slice = { 0, 10000000 };
	uint64_t began_ns = zc_timestamp();

	while (!cli_stopped() && zc_timestamp() - began_ns < in->timeout_ns &&
	       !(in->once && all_rest(cleaner, in->threads)))
		nanosleep(&slice, NULL);
}

static void show(const zc_cleaner_stats_t *s)
{
	char free_bytes[CLI_TEXT], largest[CLI_TEXT], reclaimed[CLI_TEXT];
	struct json_object *o;

	if (!cli_json) {
		printf("cleaner %u: %llu passes, %s taken back, %llu runs merged, %llu "
		       "of the dead ended; %s free, the longest run %s\n", s->id,
		       (unsigned long long)s->passes,
		       cli_format_bytes(s->reclaimed_bytes, reclaimed),
		       (unsigned long long)s->merged,
		       (unsigned long long)s->adopted,
		       cli_format_bytes(s->free_bytes, free_bytes),
		       cli_format_bytes(s->largest_free_bytes, largest));
		if (s->verified)
			printf("cleaner %u: %llu messages verified, %llu corrupt\n", s->id,
			       (unsigned long long)s->verified,
			       (unsigned long long)s->corrupt);
		return;
	}
	o = json_object_new_object();
	cli_json_u64(o, "cleaner", s->id);
	cli_json_u64(o, "passes", s->passes);
	cli_json_u64(o, "runs", s->runs);
	cli_json_u64(o, "free_bytes", s->free_bytes);
	cli_json_u64(o, "claimed_bytes", s->claimed_bytes);
	cli_json_u64(o, "committed_bytes", s->committed_bytes);
	cli_json_u64(o, "largest_free_bytes", s->largest_free_bytes);
	cli_json_u64(o, "merged", s->merged);
	cli_json_u64(o, "adopted", s->adopted);
	cli_json_u64(o, "reclaimed_bytes", s->reclaimed_bytes);
	cli_json_u64(o, "pass_ns", s->pass_ns);
	cli_json_u64(o, "busy_ns", s->busy_ns);
	cli_json_u64(o, "verified", s->verified);
	cli_json_u64(o, "corrupt", s->corrupt);
	cli_json_line(o);
}

static int clean(const struct clean *in, zc_pool_t *pool)
{
	zc_cleaner_t *cleaner[CLEANERS_MAX];
	zc_result_t refused = zc_set_scaling_policy(pool, &in->policy);

	if (refused) {
		cli_error("%s", zc_last_error());
		return CLI_USAGE;
	}
	for (uint32_t i = 0; i < in->threads; i++) {
		zc_result_t result = zc_cleaner_start(pool, NULL, &cleaner[i]);

		if (result)
			return cli_fail_pool(result, in->pool_name);
	}
	if (!in->quiet)
		cli_note("cleaning pool %s", in->pool_name);
	wait_for_the_end(in, cleaner);
	for (uint32_t i = 0; i < in->threads; i++) {
		zc_cleaner_stats_t stats = { .sz = sizeof(stats) };
		zc_result_t result = zc_cleaner_get_stats(cleaner[i], &stats);

		if (result)
			return cli_fail_pool(result, in->pool_name);
		show(&stats);
	}
	return CLI_OK;
}

int cmd_clean(int argc, char **argv)
{
	struct clean in = { .threads = 1,
			    .timeout_ns = ZC_TIMEOUT_FOREVER,
			    .policy = ZC_SCALING_POLICY_INIT };
	zc_pool_t *pool;
	zc_result_t result;
	int status;

	cli_parse(&argp, argc, argv, &in);
	cli_catch_signals();
	result = zc_pool_open(in.pool_name, &pool);
	if (result)
		return cli_fail_pool(result, in.pool_name);
	status = clean(&in, pool);
	zc_pool_close(pool);
	return status;
}
