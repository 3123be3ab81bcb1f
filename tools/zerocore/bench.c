/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench.c - "zerocore bench NAME": options and dispatch.
 */
#include "bench.h"
#include "bench_run.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	KEY_SIZE = 0x100, KEY_READERS, KEY_PAYLOAD, KEY_COUNT, KEY_WARMUP,
	KEY_REPS, KEY_MODE, KEY_WAIT, KEY_FOOTPRINT, KEY_TIMESTAMPS,
	KEY_POOL_BYTES, KEY_KILLS, KEY_ROLE, KEY_RANDOM, KEY_HELD,
	KEY_PIN, KEY_UTILISATION, KEY_CLEANERS, KEY_SEED, KEY_SECONDS, KEY_JSON,
	KEY_END
};

#define BIT(key) (1UL << ((key) - KEY_SIZE))
#define OF_ALL (BIT(KEY_JSON) | BIT(KEY_PIN))
#define OF_PAIRS (OF_ALL | BIT(KEY_SIZE) | BIT(KEY_COUNT) | BIT(KEY_WARMUP) | \
		  BIT(KEY_REPS) | BIT(KEY_FOOTPRINT) | BIT(KEY_PAYLOAD))
#define OF_POOLS (BIT(KEY_TIMESTAMPS) | BIT(KEY_POOL_BYTES))

static const struct bench_verb {
	const char *name;
	const char *what;
	int (*run)(const struct bench_options *options);
	unsigned long takes;
	uint64_t size;
	uint32_t readers_max;
} verbs[] = {
	{ "ring", "the bare broadcast ring that the others are compared with",
	  bench_ring, OF_PAIRS | BIT(KEY_READERS) | BIT(KEY_WAIT), 64,
	  BENCH_READERS_MAX },
	{ "latency", "one way, by echo over two topics", bench_latency,
	  OF_PAIRS | OF_POOLS | BIT(KEY_WAIT) | BIT(KEY_MODE), 64, 1 },
	{ "throughput", "one writer, one or more readers, content verified",
	  bench_throughput,
	  OF_PAIRS | OF_POOLS | BIT(KEY_WAIT) | BIT(KEY_MODE) |
		  BIT(KEY_READERS), 64, BENCH_READERS_MAX },
	{ "acquire", "acquire, commit, reclaim: small pool against large, "
		     "and with blocks held elsewhere", bench_acquire,
	  OF_PAIRS | OF_POOLS | BIT(KEY_HELD), 64, 1 },
	{ "readers", "the writer's cost per message with 1 to 32 readers",
	  bench_readers, OF_PAIRS | OF_POOLS | BIT(KEY_MODE) | BIT(KEY_READERS),
	  64, BENCH_READERS_MAX },
	{ "slow", "one reader holds a block for ever, is stopped, or never "
		  "moves: what the others see",
	  bench_slow,
	  OF_ALL | BIT(KEY_SIZE) | BIT(KEY_COUNT) | BIT(KEY_PAYLOAD) |
		  BIT(KEY_POOL_BYTES), 64, 1 },
	{ "handle", "from a sealed handle to its block: cycles of decoding it, and of a "
		    "checked pointer",
	  bench_handle,
	  BIT(KEY_JSON) | BIT(KEY_COUNT) | BIT(KEY_REPS), 0, 1 },
	{ "guard", "a guarded message beside one that is not, a copy, a bare checksum; "
		   "false alarms",
	  bench_guard,
	  BIT(KEY_JSON) | BIT(KEY_SIZE) | BIT(KEY_COUNT) | BIT(KEY_REPS), 0, 1 },
	{ "messagering", "one hop between two nodes, beside a bare line or futex",
	  bench_messagering,
	  OF_ALL | BIT(KEY_COUNT) | BIT(KEY_WARMUP) | BIT(KEY_REPS) |
		  BIT(KEY_WAIT), 32, 1 },
	{ "fragmentation", "random sizes and lifetimes: free memory that stays in long "
			   "runs",
	  bench_fragmentation,
	  BIT(KEY_JSON) | BIT(KEY_COUNT) | BIT(KEY_POOL_BYTES) |
		  BIT(KEY_UTILISATION) | BIT(KEY_CLEANERS) | BIT(KEY_SEED), 0, 1 },
	{ "cleaners", "a writer's acquire with 0, 1 and 4 cleaners", bench_cleaners,
	  OF_ALL | BIT(KEY_SIZE) | BIT(KEY_COUNT) | BIT(KEY_WARMUP) |
		  BIT(KEY_REPS) | BIT(KEY_POOL_BYTES), 64 << 10, 1 },
	{ "idle", "what a pool costs in which nothing happens, with 0, 1 and 4 "
		  "cleaners", bench_idle_pool,
	  BIT(KEY_JSON) | BIT(KEY_SECONDS) | BIT(KEY_REPS) | BIT(KEY_WARMUP) |
		  BIT(KEY_POOL_BYTES), 0, 1 },
	{ "recovery", "kill -9, and the time until all of it is acquirable",
	  bench_recovery,
	  BIT(KEY_JSON) | BIT(KEY_POOL_BYTES) | BIT(KEY_KILLS) | BIT(KEY_ROLE) |
		  BIT(KEY_RANDOM) | BIT(KEY_HELD), 0, 1 },
};

#define VERBS_NR (sizeof(verbs) / sizeof(verbs[0]))

static const struct argp_option option_list[] = {
	{ "size", KEY_SIZE, "BYTES", 0, "payload, 1 to 1G (default 64)", 0 },
	{ "readers", KEY_READERS, "N", 0, "1 to 32 (default 1)", 0 },
	{ "payload", KEY_PAYLOAD, "touch|whole", 0,
	  "write and read the ends, or all of it (default touch)", 0 },
	{ "count", KEY_COUNT, "N", 0, "messages of one repetition", 0 },
	{ "warmup", KEY_WARMUP, "N", 0,
	  "messages before them that do not count (default count/10)", 0 },
	{ "reps", KEY_REPS, "N", 0, "repetitions to keep (default 25)", 0 },
	{ "mode", KEY_MODE, "required|hazard", 0,
	  "the writer waits for readers, or readers take what is left "
	  "(default required)", 0 },
	{ "wait", KEY_WAIT, "busy|spin|block", 0,
	  "poll without pause, wait in a call that spins before it sleeps, or "
	  "sleep (default busy)", 0 },
	{ "footprint", KEY_FOOTPRINT, "BYTES", 0,
	  "memory that the writer, and the ring, go round in", 0 },
	{ "timestamps", KEY_TIMESTAMPS, NULL, 0,
	  "take the time at each commit (default: not)", 0 },
	{ "pool-bytes", KEY_POOL_BYTES, "BYTES", 0, "size of the pool", 0 },
	{ "kills", KEY_KILLS, "N", 0, "processes to kill (default 1000)", 0 },
	{ "role", KEY_ROLE, "reader|writer", 0,
	  "what is killed (default reader)", 0 },
	{ "random", KEY_RANDOM, NULL, 0,
	  "kill at random moments of a busy life", 0 },
	{ "held", KEY_HELD, "N", 0,
	  "blocks held: elsewhere (acquire, default 100000) or by who is "
	  "killed (recovery, default 100)", 0 },
	{ "seconds", KEY_SECONDS, "N", 0,
	  "idle: seconds of a repetition (default 10)", 0 },
	{ "pin", KEY_PIN, "A,B", 0,
	  "processors of the writer and of the readers (default 0,1)", 0 },
	{ "utilisation", KEY_UTILISATION, "PART", 0,
	  "of the pool that is to be in use (default 0.6)", 0 },
	{ "cleaners", KEY_CLEANERS, "N", 0, "0 to 8 (default 0)", 0 },
	{ "seed", KEY_SEED, "N", 0, "of the random numbers (default 1)", 0 },
	{ "json", KEY_JSON, NULL, 0, "one JSON object a line", 0 },
	/* Behind all that have a name: refuse_untaken() ends here. */
	{ NULL, 'h', NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 }
};

struct parse {
	struct bench_options options;
	const struct bench_verb *verb;
	unsigned long given;
};

static uint64_t number(struct argp_state *state, const char *name,
		       const char *text, uint64_t low, uint64_t high)
{
	char *end;
	uint64_t value;
	int shift = 0;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (shift != 0)
		end++;
	if (errno != 0 || *end != '\0' || end == text || text[0] == '-' ||
	    value > UINT64_MAX >> shift || value << shift < low ||
	    value << shift > high)
		argp_error(state,
			   "--%s takes a number from %llu to %llu (K, M, G "
			   "allowed), not \"%s\"", name,
			   (unsigned long long)low, (unsigned long long)high,
			   text);
	return value << shift;
}

static double part(struct argp_state *state, const char *name, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (*end != '\0' || end == text || !(value >= 0.01 && value <= 0.99))
		argp_error(state, "--%s takes a number from 0.01 to 0.99, not \"%s\"",
			   name, text);
	return value;
}

/* True for @second, false for @first. */
static bool choice(struct argp_state *state, const char *name,
		   const char *text, const char *first, const char *second)
{
	if (strcmp(text, second) == 0)
		return true;
	if (strcmp(text, first) != 0)
		argp_error(state, "--%s takes %s or %s, not \"%s\"", name,
			   first, second, text);
	return false;
}

static void waits(struct argp_state *state, const char *text,
		  struct bench_options *o)
{
	o->block = strcmp(text, "block") == 0;
	o->spin = strcmp(text, "spin") == 0;
	if (!o->block && !o->spin && strcmp(text, "busy") != 0)
		argp_error(state, "--wait takes busy, spin or block, not "
				  "\"%s\"", text);
}

static void pins(struct argp_state *state, const char *text, int *pin)
{
	char rest;

	if (sscanf(text, "%d,%d%c", &pin[0], &pin[1], &rest) != 2 ||
	    pin[0] < 0 || pin[1] < 0 || pin[0] > 1023 || pin[1] > 1023 ||
	    pin[0] == pin[1])
		argp_error(state,
			   "--pin takes two different processors, as in 0,1, "
			   "not \"%s\"", text);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parse *p = state->input;
	struct bench_options *o = &p->options;

	if (key >= KEY_SIZE && key < KEY_END)
		p->given |= BIT(key);
	switch (key) {
	case KEY_SIZE:
		o->size = number(state, "size", arg, 1, 1ULL << 30);
		break;
	case KEY_READERS:
		o->readers = (uint32_t)number(state, "readers", arg, 1,
					      BENCH_READERS_MAX);
		break;
	case KEY_PAYLOAD:
		o->whole = choice(state, "payload", arg, "touch", "whole");
		break;
	case KEY_COUNT:
		o->count = number(state, "count", arg, 1, 100000000);
		break;
	case KEY_WARMUP:
		o->warmup = number(state, "warmup", arg, 0, 100000000);
		o->warmup_set = true;
		break;
	case KEY_REPS:
		o->reps = number(state, "reps", arg, 1, 1000);
		break;
	case KEY_MODE:
		o->hazard = choice(state, "mode", arg, "required", "hazard");
		break;
	case KEY_WAIT:
		waits(state, arg, o);
		break;
	case KEY_FOOTPRINT:
		o->footprint = number(state, "footprint", arg, 1, 1ULL << 36);
		break;
	case KEY_TIMESTAMPS:
		o->timestamps = true;
		break;
	case KEY_POOL_BYTES:
		o->pool_bytes = number(state, "pool-bytes", arg, 1 << 20,
				       1ULL << 40);
		break;
	case KEY_KILLS:
		o->kills = number(state, "kills", arg, 1, 10000000);
		break;
	case KEY_ROLE:
		o->kills_writer = choice(state, "role", arg, "reader",
					 "writer");
		break;
	case KEY_RANDOM:
		o->kills_random = true;
		break;
	case KEY_HELD:
		o->held = number(state, "held", arg, 1, 1000000);
		break;
	case KEY_SECONDS:
		o->seconds = number(state, "seconds", arg, 1, 3600);
		break;
	case KEY_PIN:
		pins(state, arg, o->pin);
		break;
	case KEY_UTILISATION:
		o->utilisation = part(state, "utilisation", arg);
		break;
	case KEY_CLEANERS:
		o->cleaners = (uint32_t)number(state, "cleaners", arg, 0, 8);
		break;
	case KEY_SEED:
		o->seed = number(state, "seed", arg, 1, UINT32_MAX);
		break;
	case KEY_JSON:
		o->json = true;
		break;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		break;
	case ARGP_KEY_ARG:
		if (p->verb != NULL)
			argp_error(state, "one benchmark at a time: \"%s\"?",
				   arg);
		for (size_t i = 0; i < VERBS_NR && p->verb == NULL; i++) {
			if (strcmp(verbs[i].name, arg) == 0)
				p->verb = &verbs[i];
		}
		if (p->verb == NULL)
			argp_error(state, "no benchmark is called \"%s\"", arg);
		break;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which benchmark?");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static char *help_filter(int key, const char *text, void *input)
{
	char *out = NULL;
	size_t bytes = 0;
	FILE *f;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC)
		return (char *)text;
	f = open_memstream(&out, &bytes);
	if (f == NULL)
		return (char *)text;
	fputs("Measure a pool beside a bare ring in the same run.\n\n", f);
	for (size_t i = 0; i < VERBS_NR; i++)
		fprintf(f, "  %-14s %s\n", verbs[i].name, verbs[i].what);
	fputs("  compare        the pool and its peers, in turns: see `zerocore bench "
	      "compare --help'\n", f);
	fputs("\nOptions:", f);
	fclose(f);
	return out;
}

static const char post_doc[] =
	"\v"
	"A host can move two virtual processors nearer together or further "
	"apart within seconds, so each round probes the raw cache line between "
	"them before and after, is dropped when that moved, and what counts "
	"is the ratio to the ring.\n\n"
	"Examples:\n"
	"  zerocore bench latency --size 64 --pin 0,1\n"
	"  zerocore bench throughput --size 4K --payload whole "
	"--footprint 8M --json\n"
	"  zerocore bench recovery --role writer --kills 1000";

/*
 * A program of its own, beside this one: it links those that it compares with.
 * Returns only where it cannot be run.
 */
static int run_compare(char **argv)
{
	static const char name[] = "zerocore-compare";
	char path[PATH_MAX];
	ssize_t bytes = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	path[bytes > 0 ? bytes : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash != NULL &&
	    (size_t)(path + sizeof(path) - slash) > sizeof(name) + 1) {
		memcpy(slash + 1, name, sizeof(name));
		execv(path, argv);
	}
	if (errno == ENOENT)
		fputs("zerocore: bench compare runs zerocore-compare, which is "
		      "not beside this command: build it by `make bench'\n",
		      stderr);
	else
		fprintf(stderr, "zerocore: %s: %s\n", path, strerror(errno));
	return 1;
}

static void refuse_untaken(const struct parse *p)
{
	unsigned long untaken = p->given & ~p->verb->takes;

	for (const struct argp_option *o = option_list; o->name != NULL; o++) {
		if (untaken & BIT(o->key)) {
			fprintf(stderr,
				"zerocore: bench %s has no use for --%s\n",
				p->verb->name, o->name);
			exit(2);
		}
	}
}

int cmd_bench(int argc, char **argv)
{
	static const struct argp argp = { option_list, parse_option, "NAME",
					  post_doc, NULL, help_filter, NULL };
	char name[] = "zerocore bench";
	struct parse parse = { .options = { .pin = { 0, 1 } } };
	struct bench_options *o = &parse.options;

	if (argc > 1 && strcmp(argv[1], "compare") == 0)
		return run_compare(argv + 1);
	argp_err_exit_status = 2;
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &parse) != 0)
		return 2;
	refuse_untaken(&parse);
	o->name = parse.verb->name;
	if (o->size == 0)
		o->size = parse.verb->size;
	if (o->readers == 0 && parse.verb->run != bench_readers)
		o->readers = 1;
	if (o->spin && parse.verb->run != bench_latency &&
	    parse.verb->run != bench_throughput) {
		fprintf(stderr, "zerocore: --wait spin is for bench latency and "
				"throughput\n");
		return 2;
	}
	if ((o->hazard || o->block) && o->size < 8) {
		fprintf(stderr, "zerocore: --mode hazard and --wait block need "
				"messages of 8 bytes or more, which carry a "
				"number\n");
		return 2;
	}
	return parse.verb->run(o);
}
