/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * main.c - the command `zerocore`: finds the noun, checks that stdout took
 * everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "cli.h"

static const struct cli_verb nouns[] = {
	{ "pool", "create, list, info, check, remove, evict", cmd_pool },
	{ "pub", "publish files or lines", cmd_pub },
	{ "sub", "receive messages", cmd_sub },
	{ "blocks", "each block: state, owner, age, who holds it", cmd_blocks },
	{ "service", "list the services of a pool", cmd_service },
	{ "reader", "list the readers of a pool", cmd_reader },
	{ "cleaner", "list the cleaners of a pool", cmd_cleaner },
	{ "member", "list the processes of a pool", cmd_member },
	{ "top", "a pool as it lives, on a screen", cmd_top },
	{ "events", "who comes, leaves and dies, as it happens", cmd_events },
	{ "clean", "take back, merge: keep a pool in shape", cmd_clean },
	{ "bench", "latency, throughput, acquire, recovery", cmd_bench },
	{ NULL, NULL, NULL }
};

static const char doc[] =
	"Messages between processes without copying them.\vexamples";

static const char after[] =
	"\n"
	"Exit codes: 0 done, 1 failed (stderr says why), 2 usage, 3 `pool check' "
	"found defects.\n"
	"\n"
	"Examples:\n"
	"  zerocore pool create demo --bytes 256M\n"
	"  zerocore sub demo lib/all/file --sha256 &\n"
	"  zerocore pub demo lib/all/file --files /usr/lib/x86_64-linux-gnu --wait-readers 1\n"
	"  zerocore blocks demo\n"
	"  zerocore top demo\n"
	"  zerocore pool remove demo\n";

/* The commands, from the table, in front of the rest of --help. */
static char *filter_help(int key, const char *text, void *input)
{
	const struct cli_verb *noun;
	char *out = NULL;
	size_t bytes;
	FILE *stream;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)text;
	stream = open_memstream(&out, &bytes);
	if (!stream)
		return (char *)text;
	fputs("Commands (each has --help):\n", stream);
	for (noun = nouns; noun->name; noun++)
		fprintf(stream, "  %-10s %s\n", noun->name, noun->help);
	fputs(after, stream);
	fclose(stream);
	return out;
}

static char name_of_all[] = "zerocore";

static const struct argp_option main_options[] = {
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

static bool ended;

/* --help and --version end the process by themselves. */
static void check_stdout(void)
{
	if (!ended && !cli_flush_or_say())
		_exit(CLI_FAILED);
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "zerocore %s\n", zc_version());
}

/* Stops at the noun: all that follows belongs to it. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *noun = state->input;

	(void)arg;
	switch (key) {
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case ARGP_KEY_ARG:
		*noun = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp main_argp = { .options = main_options,
				       .parser = parse,
				       .args_doc = "COMMAND [ARG...]",
				       .doc = doc,
				       .help_filter = filter_help };

static int run_noun(int argc, char **argv)
{
	static char name[32];
	const struct cli_verb *noun;

	if (!strcmp(argv[0], "help")) {
		static char help[] = "--help";
		char *one[] = { argv[1], help, NULL };
		char *two[] = { argv[1], argc > 2 ? argv[2] : NULL, help,
				NULL };

		if (argc < 2) {
			char *all[] = { name_of_all, help, NULL };

			return argp_parse(&main_argp, 2, all, 0, NULL, NULL);
		}
		if (argc > 3) {
			cli_error("help on one of them; try `zerocore --help'");
			return CLI_USAGE;
		}
		return argc > 2 ? run_noun(3, two) : run_noun(2, one);
	}
	for (noun = nouns; noun->name; noun++) {
		if (strcmp(argv[0], noun->name))
			continue;
		snprintf(name, sizeof(name), "zerocore %s", noun->name);
		argv[0] = name;
		return noun->run(argc, argv);
	}
	cli_error("there is no command `%s'; try `zerocore --help'", argv[0]);
	return CLI_USAGE;
}

/*
 * Who closed stdout or stderr must not get a pool's memory in its place: what is
 * said would go over it.  What stands in is open the wrong way round, so that it
 * fails as what is closed does.
 */
static bool fill_closed_streams(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	int noun = 0;
	int status;

	if (!fill_closed_streams())
		return CLI_FAILED;
	if (atexit(check_stdout))
		return CLI_FAILED;
	argp_program_version_hook = print_version;
	argp_err_exit_status = CLI_USAGE;
	if (argc)
		argv[0] = name_of_all;
	if (argp_parse(&main_argp, argc, argv, ARGP_IN_ORDER, NULL, &noun) || !noun)
		return CLI_USAGE;
	status = run_noun(argc - noun, argv + noun);
	if (!cli_flush_or_say() && status == CLI_OK)
		status = CLI_FAILED;
	ended = true;
	return status;
}
