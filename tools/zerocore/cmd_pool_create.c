/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_pool_create.c - zerocore pool create.
 */
#include "cmd_pool.h"

#include <stdlib.h>
#include <string.h>

static const struct argp_child json_child[] = { { &cli_json_argp, 0, NULL, 0 },
						{ 0 } };

/* In the order of their enum. */
static const char *const huge_names[] = { "try", "never", "transparent",
					  "require", "gigantic", NULL };

enum { OPT_BACKEND = 1000, OPT_GUARD, OPT_HOLDS, OPT_HUGE, OPT_MODE, OPT_NUMA,
       OPT_PREFAULT, OPT_RING };

struct create {
	const char *name;
	zc_pool_options_t options;
};

static uint32_t parse_mode(struct argp_state *state, const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end || mode > 0777 || !mode)
		argp_error(state, "--mode: `%s' is none; write 0600, 0660 or 0666",
			   text);
	return (uint32_t)mode;
}

static void parse_numa(struct argp_state *state, const char *text,
		       zc_pool_options_t *o)
{
	if (!strcmp(text, "interleave")) {
		o->numa = ZC_NUMA_INTERLEAVE;
		return;
	}
	o->numa = ZC_NUMA_NODE;
	o->numa_node = (uint32_t)cli_arg_number(state, "--numa", text, UINT32_MAX);
}

static error_t parse_create(int key, char *arg, struct argp_state *state)
{
	struct create *in = state->input;
	zc_pool_options_t *o = &in->options;

	switch (key) {
	case 'b':
		o->bytes = cli_arg_bytes(state, "--bytes", arg);
		return 0;
	case 's':
		o->segment_bytes = cli_arg_bytes(state, "--segment", arg);
		return 0;
	case 'm':
		o->max_bytes = cli_arg_bytes(state, "--max", arg);
		return 0;
	case 'g': {
		uint64_t bytes = cli_arg_bytes(state, "--granule", arg);

		if (bytes > UINT32_MAX)
			argp_error(state, "--granule: `%s' is too large", arg);
		o->granule_bytes = (uint32_t)bytes;
		return 0;
	}
	case OPT_RING:
		o->ring_entries = (uint32_t)cli_arg_number(state, "--ring", arg,
							   UINT32_MAX);
		return 0;
	case OPT_HOLDS:
		o->max_holds = (uint32_t)cli_arg_number(state, "--max-holds",
							arg, UINT32_MAX);
		if (!o->max_holds)
			argp_error(state, "--max-holds: from 1 to 65536");
		return 0;
	case OPT_HUGE:
		o->huge = (zc_huge_t)cli_arg_choice(state, "--huge", arg,
						    huge_names);
		return 0;
	case OPT_GUARD:
		o->guard = (zc_guard_t)(cli_arg_choice(state, "--guard", arg,
						       cli_guards) + ZC_GUARD_OFF);
		return 0;
	case OPT_BACKEND:
		o->backend = (zc_backend_t)cli_arg_choice(state, "--backend",
							  arg, cmd_pool_backends);
		return 0;
	case OPT_MODE:
		o->mode = parse_mode(state, arg);
		return 0;
	case OPT_NUMA:
		parse_numa(state, arg, o);
		return 0;
	case OPT_PREFAULT:
		o->prefault = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "one name at a time; `%s' is too many",
				   arg);
		in->name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the new pool's NAME");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * On plain shared memory a reader writes into the pool: whoever may only read it can but
 * look.  On the device such a member receives.
 */
static void note_who_may_only_look(zc_pool_t *pool, const struct create *in)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	uint32_t mode = in->options.mode;

	if ((mode & 0060) != 0040 && (mode & 0006) != 0004)
		return;
	if (!zc_pool_get_info(pool, &info) && info.backend == ZC_BACKEND_SHM)
		cli_note("pool %s: whoever may only read it can look at it, but neither publish nor receive: for that say --mode 0660 or 0666",
			 in->name);
}

int cmd_pool_create(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "bytes", 'b', "SIZE", 0, "Data memory (64M)", 0 },
		{ "segment", 's', "SIZE", 0,
		  "Segment, the largest block (chosen from --bytes)", 0 },
		{ "max", 'm', "SIZE", 0,
		  "Data memory that it may grow to (it does not grow)", 0 },
		{ "granule", 'g', "SIZE", 0, "Allocation unit (512)", 0 },
		{ "ring", OPT_RING, "N", 0,
		  "Messages that a writer may have unread (4096)", 0 },
		{ "max-holds", OPT_HOLDS, "N", 0,
		  "Blocks that a reader can hold (448)", 0 },
		{ "huge", OPT_HUGE, "HOW", 0,
		  "Huge pages: try, never, transparent, require, gigantic (try)", 0 },
		{ "numa", OPT_NUMA, "WHERE", 0,
		  "NUMA node of the memory: a number, or interleave (by the policy "
		  "of this process)", 0 },
		{ "guard", OPT_GUARD, "MODE", 0,
		  "What is verified of messages whose writer does not say: off, magic, "
		  "header, full (off)", 0 },
		{ "prefault", OPT_PREFAULT, NULL, 0, "Touch all memory now", 0 },
		{ "mode", OPT_MODE, "BITS", 0, "Permissions, octal (0600)", 0 },
		{ "backend", OPT_BACKEND, "WHERE", 0,
		  "auto, shm or device (auto)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse_create, "NAME",
		"Make a pool. It stays until `zerocore pool remove'."
		"\v"
		"Examples:\n"
		"  zerocore pool create demo\n"
		"  zerocore pool create video --bytes 2G --segment 256M --huge require\n"
		"  zerocore pool create bursts --bytes 64M --max 1G\n"
		"  zerocore pool create shared --mode 0660\n",
		json_child, NULL, NULL
	};
	struct create in = { NULL, ZC_POOL_OPTIONS_INIT };
	zc_pool_t *pool;
	zc_result_t result;
	int status;

	cli_parse(&argp, argc, argv, &in);
	result = zc_pool_create(in.name, &in.options, &pool);
	if (result)
		return cli_fail_pool(result, in.name);
	status = cmd_pool_show(pool, in.name);
	note_who_may_only_look(pool, &in);
	zc_pool_close(pool);
	return status;
}
