/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cli.c - dispatch, errors, arguments.
 */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_json;

static volatile sig_atomic_t stopped;

static error_t parse_json(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	switch (key) {
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'j':
		cli_json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option json_options[] = {
	{ "json", 'j', NULL, 0, "One JSON object a line on stdout", -1 },
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1 },
	{ 0 }
};

const struct argp cli_json_argp = { .options = json_options,
				    .parser = parse_json };

static int write_error;

bool cli_written(void)
{
	if (!write_error && ferror(stdout))
		write_error = errno ? errno : EIO;
	return !write_error;
}

bool cli_flush(void)
{
	errno = 0;
	if (fflush(stdout) && !write_error)
		write_error = errno ? errno : EIO;
	return cli_written();
}

bool cli_flush_or_say(void)
{
	static bool said;

	if (cli_flush())
		return true;
	if (!said)
		cli_error("cannot write to stdout: %s", strerror(write_error));
	said = true;
	return false;
}

void cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	error_t err;

	argp_err_exit_status = CLI_USAGE;
	err = argp_parse(argp, argc, argv, 0, NULL, input);
	if (err) {
		cli_error("%s", strerror(err));
		exit(CLI_USAGE);
	}
}

static void print_verbs(FILE *out, const char *noun,
			const struct cli_verb *verbs, const char *examples)
{
	fprintf(out, "Usage: zerocore %s VERB [OPTION...]\n\n", noun);
	for (; verbs->name; verbs++)
		fprintf(out, "  %-10s %s\n", verbs->name, verbs->help);
	fprintf(out,
		"\n`zerocore %s VERB --help' has the options of a verb.\n"
		"\nExamples:\n%s", noun, examples);
}

int cli_dispatch(const char *noun, const struct cli_verb *verbs,
		 const char *examples, int argc, char **argv)
{
	static char name[64];
	const struct cli_verb *verb;

	if (argc < 2) {
		print_verbs(stderr, noun, verbs, examples);
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-?") ||
	    !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_verbs(stdout, noun, verbs, examples);
		return CLI_OK;
	}
	for (verb = verbs; verb->name; verb++) {
		if (strcmp(argv[1], verb->name))
			continue;
		snprintf(name, sizeof(name), "zerocore %s %s", noun,
			 verb->name);
		argv[1] = name;
		return verb->run(argc - 1, argv + 1);
	}
	cli_error("there is no `%s %s'; try `zerocore %s --help'", noun,
		  argv[1], noun);
	return CLI_USAGE;
}

/* A sentence of the library may have in it what another process wrote. */
static void say(const char *fmt, va_list args)
{
	char text[CLI_SENTENCE], clean[CLI_SENTENCE];

	vsnprintf(text, sizeof(text), fmt, args);
	fflush(stdout);
	fprintf(stderr, "zerocore: %s\n", cli_printable(text, clean, sizeof(clean)));
}

int cli_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
	return CLI_FAILED;
}

void cli_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

int cli_fail(zc_result_t result, const char *fmt, ...)
{
	const char *sentence = zc_last_error();
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	return cli_error("%s: %s", what,
			 sentence[0] ? sentence : zc_strerror(result));
}

int cli_fail_pool(zc_result_t result, const char *name)
{
	const char *sentence = zc_last_error();
	char named[512];
	const char *at;

	/* "pool a": an "a" alone is in many a sentence. */
	snprintf(named, sizeof(named), "pool %s", name);
	at = strstr(sentence, named);
	if (name[0] && at && !isalnum((unsigned char)at[strlen(named)]))
		return cli_error("%s", sentence);
	return cli_fail(result, "pool %s", name);
}

bool cli_parse_number(const char *text, uint64_t max, uint64_t *number)
{
	unsigned long long value;
	char *end;

	/* strtoull() takes blanks and a minus sign. */
	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > max)
		return false;
	*number = value;
	return true;
}

bool cli_parse_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long value;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (unit) {
			shift = 10 * (unsigned int)(unit - units + 1);
			end++;
			if (end[0] == 'i' && end[1] == 'B')
				end++;
		}
		if (*end == 'B')
			end++;
		if (*end)
			return false;
	}
	if (value > (UINT64_MAX >> shift))
		return false;
	*bytes = (uint64_t)value << shift;
	return true;
}

bool cli_parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "", 1e9 },   { "s", 1e9 },  { "ms", 1e6 },   { "us", 1e3 },
		{ "ns", 1 },   { "m", 60e9 }, { "min", 60e9 }, { "h", 3600e9 },
	};
	double value;
	size_t i;
	char *end;

	if (!strcmp(text, "forever")) {
		*ns = ZC_TIMEOUT_FOREVER;
		return true;
	}
	/* strtod() takes blanks, a minus sign, and hexadecimal numbers. */
	if (!isdigit((unsigned char)text[text[0] == '.']) || strpbrk(text, "xX"))
		return false;
	errno = 0;
	value = strtod(text, &end);
	if (errno || !isfinite(value))
		return false;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name))
			continue;
		value *= units[i].ns;
		/* 2^63: nothing that anybody waits for, and no overflow. */
		if (value >= 9223372036854775808.0)
			return false;
		*ns = (uint64_t)value;
		return true;
	}
	return false;
}

uint64_t cli_arg_bytes(struct argp_state *state, const char *what,
		       const char *text)
{
	uint64_t bytes = 0;

	if (!cli_parse_bytes(text, &bytes))
		argp_error(state, "%s: `%s' is no size; write 4096, 64K, 512M or 2G",
			   what, text);
	return bytes;
}

uint64_t cli_arg_duration(struct argp_state *state, const char *what,
			  const char *text)
{
	uint64_t ns = 0;

	if (!cli_parse_duration(text, &ns))
		argp_error(state,
			   "%s: `%s' is no duration; write 500us, 20ms, 5s, 2m or forever",
			   what, text);
	return ns;
}

uint64_t cli_arg_number(struct argp_state *state, const char *what,
			const char *text, uint64_t max)
{
	uint64_t number = 0;

	if (!cli_parse_number(text, max, &number))
		argp_error(state, "%s: `%s' is no number from 0 to %llu", what,
			   text, (unsigned long long)max);
	return number;
}

const char *const cli_guards[] = { "off", "magic", "header", "full", NULL };

unsigned int cli_arg_choice(struct argp_state *state, const char *what,
			    const char *text, const char *const *names)
{
	char list[256] = "";
	unsigned int i;

	for (i = 0; names[i]; i++) {
		if (!strcmp(text, names[i]))
			return i;
		if (i)
			strncat(list, ", ", sizeof(list) - strlen(list) - 1);
		strncat(list, names[i], sizeof(list) - strlen(list) - 1);
	}
	argp_error(state, "%s: `%s' is none of %s", what, text, list);
	return 0;
}

static void on_signal(int number)
{
	stopped = number;
}

void cli_catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	/* The second one ends the process at once. */
	action.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool cli_stopped(void)
{
	return stopped != 0;
}
