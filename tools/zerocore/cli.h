/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cli.h - what every command of `zerocore` shares: exit codes, errors, sizes,
 * durations, JSON lines, the dispatch from a noun to its verbs.
 */
#ifndef ZEROCORE_CLI_H
#define ZEROCORE_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>
#include <zerocore/zerocore.h>

/* Exit codes, as zerocore(1) lists them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_FAILED = 1,		/* a sentence on stderr says why */
	CLI_USAGE = 2,		/* the command line makes no sense */
	CLI_DEFECTS = 3		/* `pool check` found something broken */
};

/* One verb of a noun.  A list of them ends with a NULL name. */
struct cli_verb {
	const char *name;
	const char *help;	/* one line */
	int (*run)(int argc, char **argv);
};

/*
 * Run the verb named in argv[1] with argv shifted by one and argv[0] set to
 * "zerocore NOUN VERB".  @examples is printed by --help.
 */
int cli_dispatch(const char *noun, const struct cli_verb *verbs,
		 const char *examples, int argc, char **argv);

/* argp_parse() which exits with CLI_USAGE on a mistake and 0 after --help. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* The option --json: put cli_json_child into the command's argp.children. */
extern bool cli_json;
extern const struct argp cli_json_argp;

/* "zerocore: ..." on stderr; returns CLI_FAILED. */
int cli_error(const char *fmt, ...) ZC_PRINTF(1, 2);
/* The same for a call of the library that came to @result. */
int cli_fail(zc_result_t result, const char *fmt, ...) ZC_PRINTF(2, 3);
/* The same about a pool: names it, unless the library's sentence does. */
int cli_fail_pool(zc_result_t result, const char *name);
/*
 * Did stdout take all so far?  Ask right after printing: the reason is in errno then.
 * The second sends what stdio keeps, the third also says why not, once.
 */
bool cli_written(void);
bool cli_flush(void);
bool cli_flush_or_say(void);
/* "zerocore: ..." on stderr, for people who wait. */
void cli_note(const char *fmt, ...) ZC_PRINTF(1, 2);

/*
 * Parsers: false when @text is not one.  K, M, G and T are powers of 1024; a
 * duration without a unit is in seconds, and "forever" is UINT64_MAX.
 */
bool cli_parse_bytes(const char *text, uint64_t *bytes);
bool cli_parse_duration(const char *text, uint64_t *ns);
bool cli_parse_number(const char *text, uint64_t max, uint64_t *number);

/* The same inside an argp parser: argp_error() says what @what should be. */
uint64_t cli_arg_bytes(struct argp_state *state, const char *what,
		       const char *text);
uint64_t cli_arg_duration(struct argp_state *state, const char *what,
			  const char *text);
uint64_t cli_arg_number(struct argp_state *state, const char *what,
			const char *text, uint64_t max);
/* Index of @text in a list that ends with NULL. */
unsigned int cli_arg_choice(struct argp_state *state, const char *what,
			    const char *text, const char *const *names);
/* Modes of the guard, from ZC_GUARD_OFF on. */
extern const char *const cli_guards[];

/* For people: "1.50 MiB", "12.3 ms".  @out holds CLI_TEXT bytes. */
#define CLI_TEXT 32
#define CLI_SENTENCE 4096
const char *cli_format_bytes(uint64_t bytes, char *out);
const char *cli_format_age(uint64_t ns, char *out);
/* @text with control characters, and what is no UTF-8, as '?': other processes wrote it. */
const char *cli_printable(const char *text, char *out, size_t out_bytes);

/* JSON.  cli_json_line() prints one object on one line and frees it; cli_json_print() the
 * object only.  Both escape what a terminal would obey. */
void cli_json_print(struct json_object *object);
void cli_json_line(struct json_object *object);
void cli_json_u64(struct json_object *object, const char *key, uint64_t value);
void cli_json_bool(struct json_object *object, const char *key, bool value);
void cli_json_double(struct json_object *object, const char *key, double value);
/* Bytes that are no UTF-8 become U+FFFD, so that the line stays JSON. */
void cli_json_text(struct json_object *object, const char *key,
		   const char *text, size_t bytes);
void cli_json_string(struct json_object *object, const char *key,
		     const char *text);
/* Bit r of @mask as an array of r. */
struct json_object *cli_json_mask(uint32_t mask);

/* SIGINT and SIGTERM ask for an orderly end; long loops look at it. */
void cli_catch_signals(void);
bool cli_stopped(void);

/* The longest that a loop waits before it looks at cli_stopped(). */
#define CLI_SLICE_NS 100000000ULL

/* The commands. */
int cmd_pool(int argc, char **argv);
int cmd_pub(int argc, char **argv);
int cmd_sub(int argc, char **argv);
int cmd_blocks(int argc, char **argv);
int cmd_service(int argc, char **argv);
int cmd_reader(int argc, char **argv);
int cmd_cleaner(int argc, char **argv);
int cmd_member(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_clean(int argc, char **argv);

#endif /* ZEROCORE_CLI_H */
