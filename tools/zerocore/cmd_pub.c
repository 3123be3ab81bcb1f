/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_pub.c - zerocore pub: files or lines into a service.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "line_source.h"
#include "pub.h"

enum { OPT_END = 1000, OPT_FILES_FROM, OPT_FOOTPRINT, OPT_GUARD, OPT_HISTORY, OPT_LAG,
       OPT_NO_END, OPT_ON_SLOW, OPT_OVERWRITE, OPT_PATTERN, OPT_QUOTA,
       OPT_RATE, OPT_REPEAT, OPT_STDIN, OPT_WAIT_READERS };

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What to publish:", 1 },
	{ "files", 'f', "PATH", 0,
	  "A file a message; of a folder its regular files. Again for more, or "
	  "further paths after SERVICE", 1 },
	{ "files-from", OPT_FILES_FROM, "FILE", 0,
	  "Paths from FILE, one a line, - for stdin, as they come", 1 },
	{ "null", '0', NULL, 0, "--files-from: NUL ends a path", 1 },
	{ "pattern", OPT_PATTERN, "GLOB", 0,
	  "Of folders only files by that name", 1 },
	{ "stdin", OPT_STDIN, NULL, 0, "A line of stdin a message", 1 },
	{ "repeat", OPT_REPEAT, "N", 0,
	  "The files N times, 0: until stopped (1)", 1 },
	{ "end", OPT_END, NULL, 0, "--stdin: an end marker at the end", 1 },
	{ "no-end", OPT_NO_END, NULL, 0, "Files: no end marker", 1 },
	{ NULL, 0, NULL, 0, "How:", 2 },
	{ "rate", OPT_RATE, "N", 0, "At most N messages a second", 2 },
	{ "wait-readers", OPT_WAIT_READERS, "N", 0,
	  "Begin when N readers are there", 2 },
	{ "timeout", 't', "TIME", 0,
	  "Give up when a block is not to be had for so long (forever)", 2 },
	{ "on-slow", OPT_ON_SLOW, "HOW", 0,
	  "A reader too far behind: block, drop (its oldest) or disconnect "
	  "(block)", 2 },
	{ "lag", OPT_LAG, "N", 0,
	  "Messages that a reader may be behind (3/4 of the ring)", 2 },
	{ "history", OPT_HISTORY, "N", 0, "Keep N for late joiners", 2 },
	{ "overwrite", OPT_OVERWRITE, NULL, 0,
	  "Keep the last --history, never wait for a reader", 2 },
	{ "quota", OPT_QUOTA, "SIZE", 0,
	  "Hold at most SIZE of the pool (all of it)", 2 },
	{ "footprint", OPT_FOOTPRINT, "SIZE", 0,
	  "Memory to go round in (chosen by block size)", 2 },
	{ "guard", OPT_GUARD, "MODE", 0,
	  "What is verified of each message: off, magic, header, full (as the pool "
	  "says)", 2 },
	{ "progress", 'p', NULL, 0,
	  "A live line on stderr: messages/s, GiB/s, blocks in use", 2 },
	{ "quiet", 'q', NULL, 0, "No report on stdout", 2 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const char *const on_slow_names[] = { "block", "drop", "disconnect",
					     NULL };

/* What the parser collects before it can be checked as a whole. */
struct args {
	struct pub *pub;
	char **paths;
	size_t paths_nr;
	bool files;
	const char *pattern;
	const char *files_from;
	char separator;
	bool end;
	bool no_end;
};

static void add_path(struct args *in, char *path)
{
	in->paths[in->paths_nr++] = path;
}

static void check_args(struct args *in, struct argp_state *state)
{
	struct pub *pub = in->pub;

	if (!pub->writer_options.service)
		argp_error(state, "say POOL and SERVICE (service/instance/event)");
	if (!in->files && !in->files_from && !pub->from_stdin)
		argp_error(state, "say what to publish: --files, --files-from or --stdin");
	if (pub->from_stdin && (in->files || in->files_from))
		argp_error(state, "--stdin goes without files");
	if (in->paths_nr && !in->files)
		argp_error(state, "`%s': paths need --files", in->paths[0]);
	if (pub->from_stdin && pub->repeat != 1)
		argp_error(state, "--repeat goes with files only");
	if (in->end && in->no_end)
		argp_error(state, "--end and --no-end contradict each other");
	pub->end = in->end || (!pub->from_stdin && !in->no_end);
}

static uint32_t number32(struct argp_state *state, const char *what,
			 const char *text)
{
	return (uint32_t)cli_arg_number(state, what, text, UINT32_MAX);
}

static error_t parse_how(int key, char *arg, struct argp_state *state,
			 struct pub *pub)
{
	zc_writer_options_t *o = &pub->writer_options;

	switch (key) {
	case OPT_RATE:
		pub->rate = cli_arg_number(state, "--rate", arg, 1000000000);
		if (!pub->rate)
			argp_error(state, "--rate: at least 1 message a second");
		return 0;
	case OPT_WAIT_READERS:
		pub->wait_readers = cli_arg_number(state, "--wait-readers", arg,
						   32);
		return 0;
	case 't':
		pub->timeout_ns = cli_arg_duration(state, "--timeout", arg);
		return 0;
	case OPT_ON_SLOW:
		o->on_slow = (zc_on_slow_t)cli_arg_choice(state, "--on-slow",
							  arg, on_slow_names);
		return 0;
	case OPT_LAG:
		o->lag_limit = number32(state, "--lag", arg);
		return 0;
	case OPT_HISTORY:
		o->history = number32(state, "--history", arg);
		return 0;
	case OPT_OVERWRITE:
		o->overwrite = true;
		return 0;
	case OPT_QUOTA:
		o->quota_bytes = cli_arg_bytes(state, "--quota", arg);
		return 0;
	case OPT_FOOTPRINT:
		o->footprint_bytes = cli_arg_bytes(state, "--footprint", arg);
		return 0;
	case OPT_GUARD:
		o->guard = (zc_guard_t)(cli_arg_choice(state, "--guard", arg,
						       cli_guards) + ZC_GUARD_OFF);
		return 0;
	case 'p':
		pub->progress = true;
		return 0;
	case 'q':
		pub->quiet = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *in = state->input;
	struct pub *pub = in->pub;

	switch (key) {
	case 'f':
		in->files = true;
		add_path(in, arg);
		return 0;
	case OPT_FILES_FROM:
		in->files_from = arg;
		return 0;
	case '0':
		in->separator = '\0';
		return 0;
	case OPT_PATTERN:
		in->pattern = arg;
		return 0;
	case OPT_STDIN:
		pub->from_stdin = true;
		return 0;
	case OPT_REPEAT:
		pub->repeat = cli_arg_number(state, "--repeat", arg,
					     UINT64_MAX);
		return 0;
	case OPT_END:
		in->end = true;
		return 0;
	case OPT_NO_END:
		in->no_end = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			pub->pool_name = arg;
		else if (state->arg_num == 1)
			pub->writer_options.service = arg;
		else
			add_path(in, arg);
		return 0;
	case ARGP_KEY_END:
		check_args(in, state);
		return 0;
	default:
		return parse_how(key, arg, state, pub);
	}
}

static const struct argp argp = {
	options, parse, "POOL SERVICE [PATH...]",
	"Publish files or lines as messages of SERVICE, which is "
	"service/instance/event. A file is read straight into pool memory."
	"\v"
	"Examples:\n"
	"  zerocore pub demo lib/all/file --files /usr/lib/x86_64-linux-gnu --pattern '*.so*'\n"
	"  zerocore pub demo lib/all/file --files a.bin b.bin --wait-readers 3 -p\n"
	"  find /data -type f -print0 | zerocore pub demo a/b/c --files-from - -0\n"
	"  tail -F log | zerocore pub demo host/log/line --stdin --on-slow drop\n",
	children, NULL, NULL
};

/* Readers of our service that take part now. */
static zc_result_t count_readers(struct pub *pub, uint64_t *readers)
{
	zc_service_info_t info;
	zc_result_t result;
	uint32_t i;

	for (i = 0;; i++) {
		memset(&info, 0, sizeof(info));
		info.sz = sizeof(info);
		result = zc_inspect_service(pub->pool, i, &info);
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return result;
		if (!strcmp(info.service, pub->writer_options.service)) {
			*readers = info.readers;
			return ZC_OK;
		}
	}
}

static int wait_for_readers(struct pub *pub)
{
	uint64_t start_ns = zc_timestamp();
	zc_event_t event = { .sz = sizeof(event) };
	uint64_t readers = 0;
	zc_result_t result;

	for (;;) {
		result = count_readers(pub, &readers);
		if (result)
			return cli_fail(result, "%s",
					pub->writer_options.service);
		if (readers >= pub->wait_readers)
			return CLI_OK;
		if (cli_stopped())
			return cli_error("stopped by a signal while waiting for readers");
		if (zc_timestamp() - start_ns >= pub->timeout_ns)
			return cli_error("%llu of %llu readers came in time: `zerocore reader list %s' shows who reads what",
					 (unsigned long long)readers,
					 (unsigned long long)pub->wait_readers,
					 pub->pool_name);
		result = zc_pool_next_event(pub->pool, &event, CLI_SLICE_NS);
		if (result && result != ZC_ERROR_TIMEOUT)
			return cli_fail_pool(result, pub->pool_name);
	}
}

static int publish_files(struct pub *pub)
{
	const char *path;
	bool failed = false;
	uint64_t round, before = 0;
	int status;
	size_t i;

	for (round = 0; !pub->repeat || round < pub->repeat; round++) {
		/* They have vanished: the next round would be as this one. */
		if (round && pub->files == before)
			return cli_error("none of the files could be published");
		before = pub->files;
		for (i = 0; (path = path_source_get(&pub->source, i, &failed));
		     i++) {
			if (cli_stopped())
				return cli_error("stopped by a signal");
			status = pub_file(pub, path);
			if (status)
				return status;
		}
		if (failed)
			return CLI_FAILED;
		if (cli_stopped())
			return cli_error("stopped by a signal");
		if (!i)
			return cli_error("there is no file to publish");
	}
	return CLI_OK;
}

static int publish_lines(struct pub *pub)
{
	struct line_source source = { 0 };
	const char *line = NULL;
	int status = CLI_OK;
	ssize_t got;

	while (status == CLI_OK && (got = line_source_get(&source, &line))) {
		if (got > 0)
			status = pub_line(pub, line, (size_t)got);
		else if (cli_stopped())
			status = cli_error("stopped by a signal");
		else
			status = cli_error("stdin: %s", strerror(errno));
	}
	line_source_free(&source);
	return status;
}

static void report(struct pub *pub)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	double seconds = (double)(zc_timestamp() - pub->start_ns) / 1e9;
	double messages_s;
	double gib_s;
	char size[CLI_TEXT];
	struct json_object *o;

	if (pub->quiet && !cli_json)
		return;
	zc_writer_get_stats(pub->writer, &stats);
	if (seconds < 1e-9)
		seconds = 1e-9;
	messages_s = (double)pub->messages / seconds;
	gib_s = (double)pub->bytes / 1073741824.0 / seconds;
	if (!cli_json) {
		printf("published %llu messages: %llu files, %llu bytes (%s) in %.3f s, %.0f messages/s, %.2f GiB/s\n",
		       (unsigned long long)pub->messages,
		       (unsigned long long)pub->files,
		       (unsigned long long)pub->bytes,
		       cli_format_bytes(pub->bytes, size), seconds, messages_s,
		       gib_s);
		printf("copies made in user space: %llu; skipped %llu, dropped for slow readers %llu, disconnected %llu\n",
		       (unsigned long long)pub->copies,
		       (unsigned long long)pub->skipped,
		       (unsigned long long)stats.dropped,
		       (unsigned long long)stats.disconnected);
		return;
	}
	o = json_object_new_object();
	cli_json_string(o, "service", pub->writer_options.service);
	cli_json_u64(o, "messages", pub->messages);
	cli_json_u64(o, "files", pub->files);
	cli_json_u64(o, "bytes", pub->bytes);
	cli_json_u64(o, "copies", pub->copies);
	cli_json_u64(o, "skipped", pub->skipped);
	cli_json_u64(o, "dropped", stats.dropped);
	cli_json_u64(o, "disconnected", stats.disconnected);
	cli_json_u64(o, "next_sequence", stats.next_sequence);
	cli_json_double(o, "seconds", seconds);
	cli_json_double(o, "messages_per_s", messages_s);
	cli_json_double(o, "gib_per_s", gib_s);
	cli_json_line(o);
}

static int publish(struct pub *pub)
{
	int status = wait_for_readers(pub);

	if (status)
		return status;
	pub->start_ns = zc_timestamp();
	pub->due_ns = pub->start_ns;
	progress_start(&pub->line, pub->pool, pub->progress);
	status = pub->from_stdin ? publish_lines(pub) : publish_files(pub);
	/* Also after Ctrl-C: who was published to learns that it is over. */
	if (pub->end && (status == CLI_OK || cli_stopped()) &&
	    pub_end(pub) != CLI_OK)
		status = CLI_FAILED;
	progress_end(&pub->line, pub->messages, pub->bytes);
	report(pub);
	if (status == CLI_OK && pub->skipped)
		status = CLI_FAILED;
	return status;
}

/* How long to wait for a writer that died just now to be reaped. */
#define REAPING_NS 500000000ULL

/*
 * BUSY says that the service has a writer, or had one that died just now.  The
 * second ends within milliseconds, with an event.
 */
static zc_result_t become_writer(struct pub *pub)
{
	uint64_t start_ns = zc_timestamp();
	zc_event_t event = { .sz = sizeof(event) };
	zc_result_t result;

	for (;;) {
		result = zc_writer_register(pub->pool, &pub->writer_options,
					    &pub->writer);
		if (result != ZC_ERROR_BUSY || cli_stopped() ||
		    zc_timestamp() - start_ns > REAPING_NS)
			return result;
		zc_pool_next_event(pub->pool, &event, REAPING_NS / 20);
	}
}

static int run(struct pub *pub)
{
	zc_result_t result = zc_pool_open(pub->pool_name, &pub->pool);
	int status;

	if (result)
		return cli_fail_pool(result, pub->pool_name);
	result = become_writer(pub);
	if (result)
		status = cli_fail(result, "%s", pub->writer_options.service);
	else
		status = publish(pub);
	zc_writer_unregister(pub->writer);
	zc_pool_close(pub->pool);
	return status;
}

int cmd_pub(int argc, char **argv)
{
	struct pub pub = { .writer_options = ZC_WRITER_OPTIONS_INIT,
			   .timeout_ns = ZC_TIMEOUT_FOREVER,
			   .repeat = 1 };
	struct args in = { .pub = &pub, .separator = '\n' };
	int status = CLI_OK;
	size_t i;

	/* argc is enough for all paths on the command line. */
	in.paths = calloc((size_t)argc, sizeof(*in.paths));
	if (!in.paths)
		return cli_error("no memory");
	cli_parse(&argp, argc, argv, &in);
	cli_catch_signals();
	for (i = 0; i < in.paths_nr && status == CLI_OK; i++)
		if (!path_source_add(&pub.source, in.paths[i], in.pattern))
			status = CLI_FAILED;
	if (status == CLI_OK && in.files_from &&
	    !path_source_open_list(&pub.source, in.files_from, in.separator))
		status = CLI_FAILED;
	if (status == CLI_OK)
		status = run(&pub);
	path_source_free(&pub.source);
	free(in.paths);
	return status;
}
