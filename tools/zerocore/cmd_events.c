/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_events.c - zerocore events: who comes, leaves and dies, as it happens.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct events {
	const char *pool_name;
	uint64_t count;		/* 0: until stopped */
	uint64_t timeout_ns;
	bool quiet;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct events *in = state->input;

	switch (key) {
	case 'c':
		in->count = cli_arg_number(state, "--count", arg, UINT64_MAX);
		if (!in->count)
			argp_error(state, "--count: at least 1");
		return 0;
	case 't':
		in->timeout_ns = cli_arg_duration(state, "--timeout", arg);
		return 0;
	case 'q':
		in->quiet = true;
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
	{ "count", 'c', "N", 0, "End after N events", 0 },
	{ "timeout", 't', "TIME", 0,
	  "End when nothing happens for so long (forever)", 0 },
	{ "quiet", 'q', NULL, 0, "No remarks on stderr", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = {
	options, parse, "POOL",
	"Print what happens to a pool from now on: who joins, leaves, dies, and "
	"how many blocks and bytes came back."
	"\v"
	"Examples:\n"
	"  zerocore events demo\n"
	"  zerocore events demo --json --timeout 10s\n",
	children, NULL, NULL
};

static void show_corrupt(const zc_event_t *event)
{
	char suspect[sizeof(event->suspect)];

	printf(": message %llu, %s", (unsigned long long)event->sequence,
	       zc_guard_fault_name((zc_guard_fault_t)event->fault));
	if (event->suspect[0])
		printf("; before it lies %s, which may have overrun it",
		       cli_printable(event->suspect, suspect, sizeof(suspect)));
}

static void show(const zc_event_t *event)
{
	struct json_object *o;
	char comm[sizeof(event->comm)];
	char service[sizeof(event->service)];

	if (!cli_json) {
		printf("%llu.%06llu %-20s member %u pid %u (%s)",
		       (unsigned long long)(event->time_ns / 1000000000ULL),
		       (unsigned long long)(event->time_ns % 1000000000ULL / 1000),
		       zc_event_name(event->type), event->member, event->pid,
		       cli_printable(event->comm, comm, sizeof(comm)));
		if (event->service[0])
			printf(" %s", cli_printable(event->service, service,
						    sizeof(service)));
		if (event->type == ZC_EVENT_MEMBER_DIED)
			printf(": %llu blocks, %llu bytes came back",
			       (unsigned long long)event->blocks,
			       (unsigned long long)event->bytes);
		else if (event->type == ZC_EVENT_BLOCK_CORRUPTED)
			show_corrupt(event);
		else if (event->type == ZC_EVENT_OVERFLOW)
			printf(": %llu events were missed",
			       (unsigned long long)event->blocks);
		putchar('\n');
	} else {
		o = json_object_new_object();
		cli_json_string(o, "event", zc_event_name(event->type));
		cli_json_u64(o, "type", (uint64_t)event->type);
		cli_json_u64(o, "time_ns", event->time_ns);
		cli_json_u64(o, "member", event->member);
		cli_json_u64(o, "pid", event->pid);
		cli_json_text(o, "comm", event->comm,
			      strnlen(event->comm, sizeof(event->comm)));
		cli_json_text(o, "service", event->service,
			      strnlen(event->service, sizeof(event->service)));
		cli_json_u64(o, "blocks", event->blocks);
		cli_json_u64(o, "bytes", event->bytes);
		if (event->type == ZC_EVENT_BLOCK_CORRUPTED) {
			cli_json_u64(o, "sequence", event->sequence);
			cli_json_string(o, "fault", zc_guard_fault_name(
					(zc_guard_fault_t)event->fault));
			cli_json_text(o, "suspect", event->suspect,
				      strnlen(event->suspect, sizeof(event->suspect)));
		}
		cli_json_line(o);
	}
	/* Somebody waits for it at the other end of a pipe. */
	fflush(stdout);
}

static int watch(const struct events *in, zc_pool_t *pool)
{
	uint64_t quiet_since_ns = zc_timestamp();
	uint64_t seen = 0;
	zc_event_t event;
	zc_result_t result;

	while (!cli_stopped() && (!in->count || seen < in->count) &&
	       !ferror(stdout)) {
		memset(&event, 0, sizeof(event));
		event.sz = sizeof(event);
		result = zc_pool_next_event(pool, &event,
					    in->timeout_ns < CLI_SLICE_NS ?
						    in->timeout_ns :
						    CLI_SLICE_NS);
		if (!result) {
			show(&event);
			seen++;
			quiet_since_ns = zc_timestamp();
		} else if (result != ZC_ERROR_TIMEOUT) {
			return cli_fail_pool(result, in->pool_name);
		} else if (zc_timestamp() - quiet_since_ns >= in->timeout_ns) {
			break;
		}
	}
	if (in->count && seen < in->count)
		return cli_error("%llu of %llu events came",
				 (unsigned long long)seen,
				 (unsigned long long)in->count);
	return CLI_OK;
}

int cmd_events(int argc, char **argv)
{
	struct events in = { .timeout_ns = ZC_TIMEOUT_FOREVER };
	zc_pool_t *pool;
	zc_result_t result;
	int status;

	cli_parse(&argp, argc, argv, &in);
	cli_catch_signals();
	result = zc_pool_open(in.pool_name, &pool);
	if (result)
		return cli_fail_pool(result, in.pool_name);
	if (!in.quiet)
		cli_note("watching pool %s", in.pool_name);
	status = watch(&in, pool);
	zc_pool_close(pool);
	return status;
}
