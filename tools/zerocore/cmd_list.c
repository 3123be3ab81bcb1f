/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_list.c - zerocore service list, reader list, cleaner list, member list.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "directory.h"
#include "observe.h"
#include "rows.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
	const char **pool_name = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (state->arg_num)
			argp_error(state, "`%s' is too many", arg);
		*pool_name = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "say the POOL");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

/* Parse, open, let @run print, close. */
static int list(const struct argp *argp, int argc, char **argv,
		int (*run)(zc_pool_t *pool, const char *name, void *ctx))
{
	const struct observe how = { .look = run };
	const char *pool_name = NULL;

	cli_parse(argp, argc, argv, &pool_name);
	return observe(pool_name, &how);
}

/* service list */

static int show_service(zc_pool_t *pool, const zc_service_info_t *info,
			void *ctx)
{
	zc_service_info_t shown = *info;
	struct json_object *o;
	char name[200];
	char type[sizeof(info->type)];
	char size[CLI_TEXT];
	char hex[CLI_TEXT];

	(void)ctx;
	shown.writer_state = directory_state(pool, info->writer_state,
					     info->writer_member);
	if (!cli_json) {
		printf("%-32s %-8s %7u %-10s %7u %10llu %10llu %11s %8llu %-16s %s\n",
		       cli_printable(info->service, name, sizeof(name)),
		       rows_name(rows_peer_states, shown.writer_state),
		       info->writer_pid,
		       info->overwrite ? "overwrite" :
					 rows_name(rows_on_slow, info->on_slow),
		       info->readers, (unsigned long long)info->oldest_sequence,
		       (unsigned long long)info->next_sequence,
		       cli_format_bytes(info->used_bytes, size),
		       (unsigned long long)info->dropped,
		       info->type_fingerprint ? rows_hex(info->type_fingerprint, hex) : "-",
		       info->type[0] ? cli_printable(info->type, type, sizeof(type)) : "-");
		return CLI_OK;
	}
	o = json_object_new_object();
	rows_json(o, service_fields, &shown);
	cli_json_line(o);
	return CLI_OK;
}

static int services(zc_pool_t *pool, const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	if (!cli_json)
		printf("%-32s %-8s %7s %-10s %7s %10s %10s %11s %8s %-16s %s\n",
		       "SERVICE", "WRITER", "PID", "ON SLOW", "READERS",
		       "OLDEST", "NEXT", "HELD", "DROPPED", "FINGERPRINT", "TYPE");
	return directory_each_service(pool, show_service, NULL);
}

static int service_list(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "POOL", "List the services of a pool."
		"\v"
		"Examples:\n"
		"  zerocore service list demo\n"
		"  zerocore service list demo --json\n",
		children, NULL, NULL
	};

	return list(&argp, argc, argv, services);
}

int cmd_service(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "list", "services, writers, sequences", service_list },
		{ NULL, NULL, NULL }
	};

	return cli_dispatch("service", verbs,
			    "  zerocore service list demo\n", argc, argv);
}

/* reader list */

static int show_reader(zc_pool_t *pool, const zc_reader_info_t *info, void *ctx)
{
	zc_reader_info_t shown = *info;
	const char *service = ctx;
	struct json_object *o;
	char name[200];

	shown.state = directory_state(pool, info->state, info->member);
	if (!cli_json) {
		printf("%-32s %6u %7u %-12s %-7s %10llu %8llu %6u %10llu %8llu\n",
		       cli_printable(service, name, sizeof(name)), info->index,
		       info->pid,
		       info->disconnected ? "disconnected" :
		       info->best_effort ? "best effort" : "reliable",
		       rows_name(rows_peer_states, shown.state),
		       (unsigned long long)info->cursor,
		       (unsigned long long)info->lag, info->holds,
		       (unsigned long long)info->received,
		       (unsigned long long)info->lost);
		return CLI_OK;
	}
	o = json_object_new_object();
	cli_json_string(o, "service", service);
	rows_json(o, reader_fields, &shown);
	cli_json_line(o);
	return CLI_OK;
}

static int show_readers(zc_pool_t *pool, const zc_service_info_t *info,
			void *ctx)
{
	char service[sizeof(info->service)];

	(void)ctx;
	memcpy(service, info->service, sizeof(service));
	return directory_each_reader(pool, info->index, show_reader, service);
}

static int readers(zc_pool_t *pool, const char *name, void *ctx)
{
	(void)name;
	(void)ctx;
	if (!cli_json)
		printf("%-32s %6s %7s %-12s %-7s %10s %8s %6s %10s %8s\n", "SERVICE",
		       "READER", "PID", "KIND", "STATE", "CURSOR", "LAG", "HOLDS",
		       "RECEIVED", "LOST");
	return directory_each_service(pool, show_readers, NULL);
}

static int reader_list(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "POOL",
		"List the readers of all services of a pool."
		"\v"
		"Examples:\n"
		"  zerocore reader list demo\n"
		"  zerocore reader list demo --json\n",
		children, NULL, NULL
	};

	return list(&argp, argc, argv, readers);
}

int cmd_reader(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "list", "readers, their lag and what they hold",
		  reader_list },
		{ NULL, NULL, NULL }
	};

	return cli_dispatch("reader", verbs, "  zerocore reader list demo\n",
			    argc, argv);
}

/* cleaner list */

static void show_cleaner(const zc_cleaner_info_t *info)
{
	struct json_object *o;
	char line[256];

	if (!cli_json) {
		rows_line(cleaner_fields, info, line, sizeof(line));
		puts(line);
		return;
	}
	o = json_object_new_object();
	rows_json(o, cleaner_fields, info);
	cli_json_line(o);
}

static int cleaners(zc_pool_t *pool, const char *name, void *ctx)
{
	zc_cleaner_info_t info;
	zc_result_t result;
	char line[256];
	uint32_t i;

	(void)name;
	(void)ctx;
	if (!cli_json) {
		rows_titles(cleaner_fields, line, sizeof(line));
		puts(line);
	}
	for (i = 0;; i++) {
		memset(&info, 0, sizeof(info));
		info.sz = sizeof(info);
		result = zc_inspect_cleaner(pool, i, &info);
		if (result == ZC_ERROR_INVALID)
			return CLI_OK;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return cli_fail(result, "cleaner %u", i);
		info.state = directory_state(pool, info.state, info.member);
		show_cleaner(&info);
	}
}

static int cleaner_list(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "POOL",
		"List the cleaners of a pool, and the monitors beside them; ALIVE is the "
		"age of the last look at messages, SINCE that of the process."
		"\v"
		"Examples:\n"
		"  zerocore cleaner list demo\n"
		"  zerocore cleaner list demo --json\n",
		children, NULL, NULL
	};

	return list(&argp, argc, argv, cleaners);
}

int cmd_cleaner(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "list", "cleaners, what they have done", cleaner_list },
		{ NULL, NULL, NULL }
	};

	return cli_dispatch("cleaner", verbs, "  zerocore cleaner list demo\n",
			    argc, argv);
}

/* member list */

static void show_member(const struct rows_member *row)
{
	const zc_member_info_t *info = &row->info;
	struct json_object *o;
	char comm[sizeof(info->comm)];
	char alive[CLI_TEXT];
	char progress[CLI_TEXT];

	if (!cli_json) {
		printf("%6u %8u %8u %-7s %-16s %12s %12s%s\n", info->index,
		       info->pid, info->uid, rows_name(rows_member_states, row->state),
		       cli_printable(info->comm, comm, sizeof(comm)),
		       cli_format_age(info->alive_age_ns, alive),
		       cli_format_age(info->progress_age_ns, progress),
		       info->self ? "  (this command)" : "");
		return;
	}
	o = json_object_new_object();
	rows_json(o, member_fields, row);
	cli_json_line(o);
}

static int members(zc_pool_t *pool, const char *name, void *ctx)
{
	struct rows_member row;
	zc_result_t result;
	uint32_t i;

	(void)name;
	(void)ctx;
	if (!cli_json)
		printf("%6s %8s %8s %-7s %-16s %12s %12s\n", "MEMBER", "PID",
		       "UID", "STATE", "PROGRAM", "ALIVE", "USED");
	for (i = 0;; i++) {
		memset(&row, 0, sizeof(row));
		row.info.sz = sizeof(row.info);
		result = zc_inspect_member(pool, i, &row.info);
		if (result == ZC_ERROR_INVALID)
			return CLI_OK;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return cli_fail(result, "member %u", i);
		row.state = rows_member_state(&row.info);
		show_member(&row);
	}
}

static int member_list(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "POOL",
		"List the processes that are attached to a pool; ALIVE is the age of "
		"the last heartbeat, USED that of the last use of a role; silent: over a "
		"second without a heartbeat."
		"\v"
		"Examples:\n"
		"  zerocore member list demo\n"
		"  zerocore member list demo --json\n",
		children, NULL, NULL
	};

	return list(&argp, argc, argv, members);
}

int cmd_member(int argc, char **argv)
{
	static const struct cli_verb verbs[] = {
		{ "list", "processes attached to a pool", member_list },
		{ NULL, NULL, NULL }
	};

	return cli_dispatch("member", verbs, "  zerocore member list demo\n",
			    argc, argv);
}
