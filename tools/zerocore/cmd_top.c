/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_top.c - zerocore top: a pool as it lives, on a screen, as text, as JSON.
 *
 * It opens the pool to look only: it writes nothing there and takes no lock.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "observe.h"
#include "top.h"

/* The map of a frame that is text. */
#define TEXT_WIDTH 72
#define TEXT_ROWS 4

/* A walk that takes long is done seldom: at most 1/20 of the time. */
#define WALK_SHARE 20

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top *in = state->input;

	switch (key) {
	case 'i':
		in->frame.interval_ns = cli_arg_duration(state, "--interval", arg);
		if (in->frame.interval_ns < TOP_INTERVAL_MIN_NS ||
		    in->frame.interval_ns > TOP_INTERVAL_MAX_NS)
			argp_error(state, "--interval: from 10ms to 1h");
		return 0;
	case 'n':
		in->count = cli_arg_number(state, "--count", arg, UINT64_MAX);
		if (!in->count)
			argp_error(state, "--count: at least 1");
		return 0;
	case 'o':
		in->once = true;
		return 0;
	case 's':
		in->frame.sort = (enum frame_sort)cli_arg_choice(
			state, "--sort", arg, frame_sorts);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "`%s' is too many", arg);
		in->pool_name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the POOL");
		return EINVAL;
	case ARGP_KEY_END:
		if (in->once && in->count)
			argp_error(state, "--once, or --count, but not both");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "interval", 'i', "TIME", 0, "Time from frame to frame (1s)", 0 },
	{ "count", 'n', "N", 0, "End after N frames", 0 },
	{ "once", 'o', NULL, 0,
	  "One frame as text; so it is where stdout is no terminal", 0 },
	{ "sort", 's', "ORDER", 0, "index, rate, lag, memory or name (index)", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const struct argp argp = {
	options, parse, "POOL",
	"Show a pool as it lives: a map of its memory, writers and readers with their "
	"rates and lag, cleaners, and who waits for memory. It only looks: it needs "
	"permission to read, and is no member of a pool on plain shared memory. With "
	"--json a line an interval with all counters."
	"\v"
	"Keys: q quit, p pause, s sort, + and - interval, arrows scroll, h help.\n"
	"\n"
	"Examples:\n"
	"  zerocore top demo\n"
	"  zerocore top demo --once --sort lag\n"
	"  zerocore top demo --json --interval 5s >>demo.log\n",
	children, NULL, NULL
};

/* --- readings --------------------------------------------------------------------- */

static bool walk_is_due(const struct snapshot *s, uint32_t cells)
{
	uint32_t have = s->cells_nr;

	return !s->walked_ns || (have != cells && have != s->granules) ||
	       zc_timestamp() - s->walked_ns >= WALK_SHARE * s->walk_ns;
}

zc_result_t top_map(struct top *top, uint32_t cells)
{
	struct snapshot *s = top->now;

	return s->cells_nr == cells || s->cells_nr == s->granules ?
		       ZC_OK : snapshot_walk(s, top->pool, cells);
}

zc_result_t top_read(struct top *top, uint32_t cells)
{
	struct snapshot *s = top->before;
	zc_result_t result;

	top->before = top->now;
	top->now = s;
	s->pool = top->before->pool;
	snapshot_walk_move(s, top->before);
	result = snapshot_read(s, top->pool);
	if (result)
		return result;
	if (top->began)
		snapshot_rates(s, top->before);
	top->began = true;
	return walk_is_due(s, cells) ? snapshot_walk(s, top->pool, cells) : ZC_OK;
}

int top_failed(const struct top *top, zc_result_t result)
{
	uint32_t members = top->now->load.members, i;

	if (result)
		return cli_fail_pool(result, top->pool_name);
	/* On the device who looks is one of them. */
	for (i = 0; members && i < top->now->members_nr; i++)
		members -= top->now->member[i].info.self;
	if (members)
		return cli_error("pool %s was removed; its %u member%s on until "
				 "they close it", top->pool_name, members,
				 members == 1 ? " goes" : "s go");
	return cli_error("pool %s was removed", top->pool_name);
}

/* --- text and JSON ------------------------------------------------------------------ */

/* Until a frame is due; false: a signal asks for the end. */
static bool wait_for_frame(struct top *top)
{
	uint64_t now = zc_timestamp();

	while (!cli_stopped() && now < top->due_ns) {
		struct timespec ts = {
			(time_t)((top->due_ns - now) / 1000000000ULL),
			(long)((top->due_ns - now) % 1000000000ULL)
		};

		ppoll(NULL, 0, &ts, &top->mask);
		now = zc_timestamp();
	}
	return !cli_stopped();
}

static void print_json(const struct top *top)
{
	struct json_object *o = json_object_new_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	cli_json_string(o, "pool", top->pool_name);
	cli_json_string(o, "creation_id", top->now->pool.creation_id);
	cli_json_u64(o, "time_unix_ns", (uint64_t)now.tv_sec * 1000000000ULL +
					(uint64_t)now.tv_nsec);
	cli_json_u64(o, "interval_ns", top->now->interval_ns);
	snapshot_json(top->now, o);
	cli_json_line(o);
}

static int print_text(const struct top *top, bool again)
{
	struct frame frame = { 0 };
	size_t i;

	if (!frame_build(&frame, top->now, &top->frame)) {
		frame_free(&frame);
		return cli_error("no memory for a frame");
	}
	if (again)
		putchar('\n');
	for (i = 0; i < frame.nr; i++)
		puts(frame.line[i].text);
	frame_free(&frame);
	return CLI_OK;
}

static int print(struct top *top)
{
	uint32_t cells = cli_json ? 0 : TEXT_WIDTH * TEXT_ROWS;
	uint64_t seen = 0;
	zc_result_t result;
	int status = CLI_OK;

	top->frame.map_width = TEXT_WIDTH;
	/* What rates are counted from. */
	result = top_read(top, cells);
	while (!result && !status && !ferror(stdout) &&
	       (!top->count || seen < top->count)) {
		if (top->now->load.removed)
			return top_failed(top, ZC_OK);
		top->due_ns = top->now->time_ns + top->frame.interval_ns;
		if (!wait_for_frame(top))
			break;
		result = top_read(top, cells);
		if (result)
			break;
		if (cli_json)
			print_json(top);
		else
			status = print_text(top, seen > 0);
		seen++;
		/* Somebody waits for it at the other end of a pipe. */
		fflush(stdout);
	}
	if (result)
		return top_failed(top, result);
	if (!status && top->count && seen < top->count && cli_stopped())
		return cli_error("stopped by a signal after %llu of %llu frames",
				 (unsigned long long)seen,
				 (unsigned long long)top->count);
	return status;
}

/* --- the command ------------------------------------------------------------------- */

static int run(zc_pool_t *pool, const char *name, void *ctx)
{
	struct top *top = ctx;
	zc_result_t result;
	sigset_t ends;

	top->pool = pool;
	top->now->pool.sz = sizeof(top->now->pool);
	result = zc_pool_get_info(top->pool, &top->now->pool);
	if (result)
		return cli_fail_pool(result, name);
	/* They come while it waits, and between that and the next only. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &top->mask);
	if (cli_json || top->once || !isatty(STDOUT_FILENO)) {
		if (top->once || (!cli_json && !top->count))
			top->count = 1;
		return print(top);
	}
	return top_screen(top);
}

int cmd_top(int argc, char **argv)
{
	struct top top = { .frame = { .interval_ns = 1000000000ULL } };
	struct observe how = { .look = run, .lost = top_screen_leave, .ctx = &top };
	int status;

	cli_parse(&argp, argc, argv, &top);
	cli_catch_signals();
	top.now = snapshot_new();
	top.before = snapshot_new();
	status = top.now && top.before ? observe(top.pool_name, &how) :
					 cli_error("no memory");
	snapshot_free(top.now);
	snapshot_free(top.before);
	return status;
}
