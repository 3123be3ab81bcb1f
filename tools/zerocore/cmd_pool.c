/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_pool.c - zerocore pool list, info, check, remove, evict.
 */
#include "cmd_pool.h"
#include "directory.h"
#include "observe.h"
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct argp_child json_child[] = { { &cli_json_argp, 0, NULL, 0 },
						{ 0 } };

/* In the order of their enums. */
const char *const cmd_pool_backends[] = { "auto", "shm", "device", NULL };
static const char *const pages_names[] = { "small", "transparent huge",
					   "hugetlb" };

const char *cmd_pool_pages(zc_pages_t pages)
{
	if ((unsigned int)pages > ZC_PAGES_GOT_HUGETLB)
		return "unknown";
	return pages_names[pages];
}

const char *cmd_pool_backend(zc_backend_t backend)
{
	if ((unsigned int)backend > ZC_BACKEND_DEVICE)
		return "unknown";
	return cmd_pool_backends[backend];
}

static struct json_object *info_json(const zc_pool_info_t *info, uint32_t silent)
{
	struct json_object *o = json_object_new_object();
	char mode[16];

	snprintf(mode, sizeof(mode), "%04o", info->mode & 07777);
	cli_json_string(o, "name", info->name);
	cli_json_string(o, "creation_id", info->creation_id);
	cli_json_string(o, "backend", cmd_pool_backend(info->backend));
	cli_json_string(o, "pages", cmd_pool_pages(info->pages));
	cli_json_u64(o, "layout_version", info->layout_version);
	cli_json_string(o, "mode", mode);
	cli_json_bool(o, "transient", info->transient);
	cli_json_u64(o, "creator_pid", info->creator_pid);
	cli_json_u64(o, "creator_uid", info->creator_uid);
	cli_json_u64(o, "created_unix_ns", info->created_unix_ns);
	cli_json_u64(o, "bytes", info->bytes);
	cli_json_u64(o, "free_bytes", info->free_bytes);
	cli_json_u64(o, "control_bytes", info->control_bytes);
	cli_json_u64(o, "segment_bytes", info->segment_bytes);
	cli_json_u64(o, "segments", info->segments);
	cli_json_u64(o, "max_segments", info->max_segments);
	cli_json_u64(o, "granule_bytes", info->granule_bytes);
	cli_json_u64(o, "ring_entries", info->ring_entries);
	cli_json_u64(o, "max_holds", info->max_holds);
	cli_json_string(o, "guard", zc_guard_name(info->guard));
	cli_json_u64(o, "members", info->members);
	cli_json_u64(o, "silent_members", silent);
	cli_json_u64(o, "writers", info->writers);
	cli_json_u64(o, "readers", info->readers);
	return o;
}

static void print_info(const zc_pool_info_t *info, uint32_t silent)
{
	time_t created = (time_t)(info->created_unix_ns / 1000000000ULL);
	char when[64] = "unknown";
	char text[CLI_TEXT];
	struct tm tm;

	if (localtime_r(&created, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("pool        %s\n", info->name);
	printf("backend     %s, layout version %u\n",
	       cmd_pool_backend(info->backend), info->layout_version);
	printf("created     %s by uid %u, pid %u\n", when, info->creator_uid,
	       info->creator_pid);
	printf("id          %s\n", info->creation_id);
	printf("mode        %04o\n", info->mode & 07777);
	printf("lives       %s\n", info->transient ? "until its last member leaves" :
	       "until it is removed");
	printf("data        %s", cli_format_bytes(info->bytes, text));
	printf(" in %u segments of %s", info->segments,
	       cli_format_bytes(info->segment_bytes, text));
	if (info->max_segments > info->segments)
		printf(", may grow to %u", info->max_segments);
	putchar('\n');
	printf("free        %s\n", cli_format_bytes(info->free_bytes, text));
	printf("pages       %s\n", cmd_pool_pages(info->pages));
	printf("control     %s\n", cli_format_bytes(info->control_bytes, text));
	printf("granule     %u B\n", info->granule_bytes);
	printf("ring        %u messages a writer\n", info->ring_entries);
	printf("holds       at most %u blocks a reader\n", info->max_holds);
	printf("guard       %s, unless the writer says otherwise\n",
	       zc_guard_name(info->guard));
	printf("attached    %u members", info->members);
	if (silent)
		printf(" (%u silent)", silent);
	printf(", %u writers, %u readers\n", info->writers, info->readers);
}

int cmd_pool_show(zc_pool_t *pool, const char *name)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_pool_get_info(pool, &info);
	uint32_t silent;

	if (result)
		return cli_fail_pool(result, name);
	silent = directory_silent(pool);
	if (cli_json)
		cli_json_line(info_json(&info, silent));
	else
		print_info(&info, silent);
	return CLI_OK;
}

/* list */

struct list {
	bool names;
	int status;
};

/* In place of its row, why there is none. */
static int list_failed(zc_result_t result, const char *name, const char *why, void *ctx)
{
	char clean[CLI_SENTENCE];
	struct json_object *o;

	(void)ctx;
	/* Removed since it was listed: nothing to tell. */
	if (result == ZC_ERROR_NOT_FOUND)
		return CLI_OK;
	if (!cli_json) {
		printf("%-24s %s\n", name, cli_printable(why, clean, sizeof(clean)));
		return CLI_OK;
	}
	o = json_object_new_object();
	cli_json_string(o, "name", name);
	cli_json_string(o, "error", why);
	cli_json_line(o);
	return CLI_OK;
}

static int list_row(zc_pool_t *pool, const char *name, void *ctx)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_result_t result = zc_pool_get_info(pool, &info);
	char bytes[CLI_TEXT];
	char free_bytes[CLI_TEXT];

	if (result)
		return list_failed(result, name, zc_last_error(), ctx);
	if (cli_json)
		cli_json_line(info_json(&info, directory_silent(pool)));
	else
		printf("%-24s %11s %11s %8u %8u %8u\n", name,
		       cli_format_bytes(info.bytes, bytes),
		       cli_format_bytes(info.free_bytes, free_bytes),
		       info.members, info.writers, info.readers);
	return CLI_OK;
}

static int list_one(const char *name, void *ctx)
{
	const struct observe how = { .look = list_row, .failed = list_failed };
	struct list *in = ctx;

	if (in->names)
		puts(name);
	else if (observe(name, &how))
		in->status = CLI_FAILED;
	return 0;
}

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
	struct list *in = state->input;

	switch (key) {
	case 'q':
		in->names = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "takes no `%s'", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int pool_list(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "quiet", 'q', NULL, 0,
		  "Names only, without looking into the pools", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse_list, NULL,
		"List the pools of this machine. On /dev/zerocore the members include this "
		"command."
		"\v"
		"Examples:\n"
		"  zerocore pool list\n"
		"  zerocore pool list --quiet\n",
		json_child, NULL, NULL
	};
	struct list in = { false, CLI_OK };
	zc_result_t result;

	cli_parse(&argp, argc, argv, &in);
	if (!cli_json && !in.names)
		printf("%-24s %11s %11s %8s %8s %8s\n", "POOL", "BYTES", "FREE",
		       "MEMBERS", "WRITERS", "READERS");
	result = zc_pool_list(list_one, &in);
	if (result)
		return cli_fail(result, "pool list");
	return in.status;
}

/* info, check: the same arguments, one pool after the other */

static error_t parse_names(int key, char *arg, struct argp_state *state)
{
	int *first = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		(void)arg;
		*first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the pool's NAME; `zerocore pool list' shows them");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* With all counters of all roles. */
static int show_all(zc_pool_t *pool, const char *name)
{
	struct snapshot *s = snapshot_new();
	struct json_object *o, *counters;
	zc_result_t result;

	if (!s)
		return cli_error("no memory");
	result = snapshot_take(s, pool);
	if (!result) {
		o = info_json(&s->pool, s->silent);
		counters = json_object_new_object();
		snapshot_json(s, counters);
		json_object_object_add(o, "counters", counters);
		cli_json_line(o);
	}
	snapshot_free(s);
	return result ? cli_fail_pool(result, name) : CLI_OK;
}

static int show_info(zc_pool_t *pool, const char *name, void *ctx)
{
	(void)ctx;
	return cli_json ? show_all(pool, name) : cmd_pool_show(pool, name);
}

static int info_one(const char *name)
{
	const struct observe how = { .look = show_info };

	return observe(name, &how);
}

static void check_json(const char *name, const zc_check_report_t *report)
{
	struct json_object *o = json_object_new_object();

	cli_json_string(o, "name", name);
	cli_json_bool(o, "in_motion", report->in_motion);
	cli_json_u64(o, "granules", report->granules);
	cli_json_u64(o, "free", report->free);
	cli_json_u64(o, "claimed", report->claimed);
	cli_json_u64(o, "committed", report->committed);
	cli_json_u64(o, "cleaning", report->cleaning);
	cli_json_u64(o, "lost", report->lost);
	cli_json_u64(o, "runs", report->runs);
	cli_json_u64(o, "largest_free", report->largest_free);
	cli_json_u64(o, "members", report->members);
	cli_json_u64(o, "dead_members", report->dead_members);
	cli_json_u64(o, "errors", report->errors);
	cli_json_string(o, "first_error", report->first_error);
	cli_json_line(o);
}

static int check_one(const char *name)
{
	zc_check_report_t report = { .sz = sizeof(report) };
	zc_pool_t *pool;
	zc_result_t result = zc_pool_open(name, &pool);

	if (!result) {
		result = zc_pool_check(pool, &report);
		zc_pool_close(pool);
	}
	if (result)
		return cli_fail_pool(result, name);
	if (cli_json) {
		check_json(name, &report);
	} else {
		printf("pool %s: %s, %s\n", name,
		       report.in_motion ? "in motion" : "at rest",
		       report.errors ? "DEFECTS" : "clean");
		printf("  granules %llu = free %llu + claimed %llu + committed %llu + cleaning %llu + lost %llu\n",
		       (unsigned long long)report.granules,
		       (unsigned long long)report.free,
		       (unsigned long long)report.claimed,
		       (unsigned long long)report.committed,
		       (unsigned long long)report.cleaning,
		       (unsigned long long)report.lost);
		printf("  runs %llu, largest free %llu granules; members %u, dead and not reaped %u\n",
		       (unsigned long long)report.runs,
		       (unsigned long long)report.largest_free, report.members,
		       report.dead_members);
		if (report.errors)
			printf("  %llu defects, the first: %s\n",
			       (unsigned long long)report.errors,
			       report.first_error);
	}
	return report.errors ? CLI_DEFECTS : CLI_OK;
}

static int remove_one(const char *name)
{
	zc_result_t result = zc_pool_remove(name);
	struct json_object *o;

	if (result)
		return cli_fail_pool(result, name);
	if (cli_json) {
		o = json_object_new_object();
		cli_json_string(o, "removed", name);
		cli_json_line(o);
	}
	return CLI_OK;
}

/* The worst exit code of all: defects tell more than a failure. */
static int each_name(const struct argp *argp, int argc, char **argv,
		     int (*run)(const char *name))
{
	int status = CLI_OK;
	int one;
	int i = 0;

	cli_parse(argp, argc, argv, &i);
	for (; i < argc; i++) {
		one = run(argv[i]);
		if (one > status)
			status = one;
	}
	return status;
}

static int pool_info(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse_names, "NAME...",
		"Show a pool's geometry and use; with --json all counters of its writers, "
		"readers, cleaners and members, too."
		"\v"
		"Examples:\n"
		"  zerocore pool info demo\n"
		"  zerocore pool info demo --json\n",
		json_child, NULL, NULL
	};

	return each_name(&argp, argc, argv, info_one);
}

static int pool_check(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse_names, "NAME...",
		"Attach, take back what dead members held, then look at every block. Exact "
		"when nobody else is attached; in a pool in motion only what stays over "
		"two passes counts. Exits 3 when it found defects."
		"\v"
		"Examples:\n"
		"  zerocore pool check demo\n"
		"  zerocore pool check demo --json || echo broken\n",
		json_child, NULL, NULL
	};

	return each_name(&argp, argc, argv, check_one);
}

/* remove */

struct remove {
	bool all;
	int first;
};

static error_t parse_remove(int key, char *arg, struct argp_state *state)
{
	struct remove *in = state->input;

	switch (key) {
	case 'a':
		in->all = true;
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (in->all)
			return 0;
		argp_error(state, "say the pool's NAME, or --all; `zerocore pool list' shows them");
		return EINVAL;
	case ARGP_KEY_ARG:
		(void)arg;
		in->first = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (in->all && in->first)
			argp_error(state, "names, or --all, but not both");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int remove_all(void)
{
	struct json_object *o;
	uint32_t removed;
	zc_result_t result = zc_pool_remove_all(&removed);

	if (result)
		return cli_fail(result, "pool remove --all");
	if (cli_json) {
		o = json_object_new_object();
		cli_json_u64(o, "removed", removed);
		cli_json_line(o);
	} else {
		printf("%u pools removed\n", removed);
	}
	return CLI_OK;
}

static int pool_remove(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "all", 'a', NULL, 0, "All pools that you own", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse_remove, "NAME...\n--all",
		"Take pools' names away; members go on until they close them."
		"\v"
		"Examples:\n"
		"  zerocore pool remove demo\n"
		"  zerocore pool remove --all\n",
		json_child, NULL, NULL
	};
	struct remove in = { false, 0 };
	int status = CLI_OK, one;

	cli_parse(&argp, argc, argv, &in);
	if (in.all)
		return remove_all();
	for (; in.first < argc; in.first++) {
		one = remove_one(argv[in.first]);
		if (one > status)
			status = one;
	}
	return status;
}

/* evict */

struct evict {
	const char *pool;
	uint32_t member;
};

static error_t parse_evict(int key, char *arg, struct argp_state *state)
{
	struct evict *in = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			in->pool = arg;
		else if (state->arg_num == 1)
			in->member = (uint32_t)cli_arg_number(state, "MEMBER", arg,
							      UINT32_MAX);
		else
			argp_error(state, "one member at a time; `%s' is too many",
				   arg);
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "say the pool's NAME and the MEMBER's number");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int pool_evict(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse_evict, "NAME MEMBER",
		"Kill a member that hangs, if it agreed to that when it attached; what it "
		"held comes back. On /dev/zerocore only."
		"\v"
		"Examples:\n"
		"  zerocore pool evict demo 3\n",
		json_child, NULL, NULL
	};
	zc_member_info_t info = { .sz = sizeof(info) };
	struct evict in = { NULL, 0 };
	zc_result_t result;
	zc_pool_t *pool;

	cli_parse(&argp, argc, argv, &in);
	result = zc_pool_open(in.pool, &pool);
	if (result)
		return cli_fail_pool(result, in.pool);
	result = zc_inspect_member(pool, in.member, &info);
	if (!result)
		result = zc_pool_evict(pool, in.member, info.incarnation);
	zc_pool_close(pool);
	return result ? cli_fail_pool(result, in.pool) : CLI_OK;
}

int cmd_pool(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "create", "make a pool", cmd_pool_create },
		{ "list", "the pools of this machine", pool_list },
		{ "info", "geometry and use", pool_info },
		{ "check", "look for defects, as fsck does", pool_check },
		{ "grow", "add segments", cmd_pool_grow },
		{ "shrink", "give the memory of segments back", cmd_pool_shrink },
		{ "remove", "take a pool's name away", pool_remove },
		{ "evict", "kill a member that hangs", pool_evict },
		{ NULL, NULL, NULL }
	};

	return cli_dispatch("pool", verbs,
			    "  zerocore pool create demo --bytes 256M\n"
			    "  zerocore pool list\n"
			    "  zerocore pool check demo\n"
			    "  zerocore pool remove demo\n", argc, argv);
}
