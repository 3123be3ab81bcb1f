// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * cmd_pool_size.c - `zerocore pool grow` and `shrink`: segments come and go.
 */
#include <argp.h>
#include <errno.h>

#include "cmd_pool.h"

static const struct argp_child json_child[] = { { &cli_json_argp, 0, NULL, 0 },
						{ NULL, 0, NULL, 0 } };

struct size {
	const char *pool;
	uint32_t segments;
	uint64_t timeout_ns;
};

static error_t parse_size(int key, char *arg, struct argp_state *state)
{
	struct size *in = state->input;

	switch (key) {
	case 't':
		in->timeout_ns = cli_arg_duration(state, "--timeout", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			in->pool = arg;
		else if (state->arg_num == 1)
			in->segments = (uint32_t)cli_arg_number(
				state, "SEGMENTS", arg, UINT32_MAX);
		else
			argp_error(state, "`%s' is too many", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the pool's NAME");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static zc_result_t grow(zc_pool_t *pool, const struct size *in)
{
	return zc_pool_grow(pool, in->segments);
}

static zc_result_t shrink(zc_pool_t *pool, const struct size *in)
{
	return zc_pool_shrink(pool, in->segments, in->timeout_ns);
}

/* Segments that have memory; 0: it cannot be seen. */
static uint32_t segments_of(zc_pool_t *pool)
{
	zc_pool_load_t load = { .sz = sizeof(load) };

	return zc_pool_get_load(pool, &load) ? 0 : load.segments;
}

/* Why not, and what was done all the same. */
static int resize_failed(zc_pool_t *pool, const struct size *in, zc_result_t result,
			 uint32_t before)
{
	uint32_t now = segments_of(pool);

	if (!before || !now || now == before)
		return cli_fail_pool(result, in->pool);
	return cli_error("pool %s: %u of %u segments were %s, it has %u now: %s", in->pool,
			 now > before ? now - before : before - now, in->segments,
			 now > before ? "added" : "removed", now, zc_last_error());
}

static int resize(const struct size *in,
		  zc_result_t (*what)(zc_pool_t *pool, const struct size *in))
{
	zc_result_t result;
	uint32_t before;
	zc_pool_t *pool;
	int status;

	result = zc_pool_open(in->pool, &pool);
	if (result)
		return cli_fail_pool(result, in->pool);
	before = segments_of(pool);
	result = what(pool, in);
	if (result)
		status = resize_failed(pool, in, result, before);
	else
		status = cmd_pool_show(pool, in->pool);
	zc_pool_close(pool);
	return status;
}

int cmd_pool_grow(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse_size, "NAME [SEGMENTS]",
		"Add segments, one if nothing is said, to a pool that was created with "
		"--max. Members go on meanwhile. A cleaner does it by itself when memory "
		"gets scarce."
		"\v"
		"Examples:\n"
		"  zerocore pool grow demo\n"
		"  zerocore pool grow demo 4\n",
		json_child, NULL, NULL
	};
	struct size in = { NULL, 1, 0 };

	cli_parse(&argp, argc, argv, &in);
	return resize(&in, grow);
}

int cmd_pool_shrink(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "timeout", 't', "TIME", 0,
		  "Wait so long for segments to become empty (10s)", 0 },
		{ NULL, 0, NULL, 0, NULL, 0 }
	};
	static const struct argp argp = {
		options, parse_size, "NAME [SEGMENTS]",
		"Give the memory of segments, one if nothing is said, back to the machine, "
		"the emptiest first, each once nobody has a block there. Members go on "
		"meanwhile. `pool grow' brings it back. A cleaner does it by itself when "
		"little is in use, down to what the pool was created with."
		"\v"
		"Examples:\n"
		"  zerocore pool shrink demo\n"
		"  zerocore pool shrink demo 4 --timeout 60s\n",
		json_child, NULL, NULL
	};
	struct size in = { NULL, 1, 10000000000ULL };

	cli_parse(&argp, argc, argv, &in);
	return resize(&in, shrink);
}
