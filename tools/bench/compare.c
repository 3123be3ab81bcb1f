/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * compare.c - zerocore-compare, which "zerocore bench compare" runs: a program of
 * its own, because it links what it is compared with.
 */
#include "cell.h"
#include "study.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zerocore/zerocore.h>

enum {
	KEY_PEERS = 0x100, KEY_LOADS, KEY_SIZES, KEY_REPS, KEY_BUDGET,
	KEY_QUICK, KEY_JSON, KEY_OUTPUT, KEY_LIST, KEY_PIN,
	KEY_SPOIL
};

#define SIZE_MAX_BYTES (64ULL << 20)
/* Longer than any run that makes sense. */
#define LIMIT_S (3 * 3600)

static const struct argp_option options[] = {
	{ "peers", KEY_PEERS, "LIST", 0, "of these only, as pipe,zmq", 0 },
	{ "loads", KEY_LOADS, "LIST", 0, "these only, as pingpong,stream", 0 },
	{ "sizes", KEY_SIZES, "LIST", 0,
	  "of messages, 8 to 64M, as 64,4K (default: each load's own)", 0 },
	{ "reps", KEY_REPS, "N", 0, "repetitions to keep (default 5)", 0 },
	{ "budget", KEY_BUDGET, "MS", 0,
	  "milliseconds that a repetition takes (default 20)", 0 },
	{ "quick", KEY_QUICK, NULL, 0, "fewer sizes, 3 shorter repetitions", 0 },
	{ "json", KEY_JSON, NULL, 0, "one JSON object a line", 0 },
	{ "output", KEY_OUTPUT, "FILE", 0, "write the JSON there, too", 0 },
	{ "list", KEY_LIST, NULL, 0, "say who and what can be measured", 0 },
	{ "pin", KEY_PIN, "A,B", 0,
	  "processors of process 0, and of the others (default 0,1)", 0 },
	{ "spoil", KEY_SPOIL, NULL, 0,
	  "send a wrong byte, to see that the checks find it", 0 },
	{ 0 }
};

struct parse {
	struct compare compare;
	const char *peers;
	const char *output;
	bool list;
};

static uint64_t number(struct argp_state *state, const char *name,
		       const char *text, char **end, uint64_t low, uint64_t high)
{
	uint64_t value;
	int shift = 0;

	errno = 0;
	value = strtoull(text, end, 10);
	if (**end == 'K')
		shift = 10;
	else if (**end == 'M')
		shift = 20;
	if (shift != 0)
		(*end)++;
	if (errno != 0 || *end == text || text[0] == '-' ||
	    value > high >> shift || value << shift < low ||
	    (**end != '\0' && **end != ','))
		argp_error(state, "--%s takes numbers from %llu to %llu, not "
			   "\"%s\"", name, (unsigned long long)low,
			   (unsigned long long)high, text);
	return value << shift;
}

static uint64_t one_number(struct argp_state *state, const char *name,
			   const char *text, uint64_t low, uint64_t high)
{
	char *end;
	uint64_t value = number(state, name, text, &end, low, high);

	if (*end != '\0')
		argp_error(state, "--%s takes one number, not \"%s\"", name,
			   text);
	return value;
}

static void sizes(struct argp_state *state, struct compare *c, char *text)
{
	for (char *at = text;; at++) {
		if (c->sizes_nr == SIZES_MAX)
			argp_error(state, "--sizes takes at most %d sizes",
				   SIZES_MAX);
		c->size[c->sizes_nr++] =
			number(state, "sizes", at, &at, 8, SIZE_MAX_BYTES);
		if (*at == '\0')
			break;
	}
}

static bool is_peer(const char *word, size_t bytes)
{
	for (uint32_t i = 0; i < peers_nr; i++) {
		if (strlen(peers[i]->name) == bytes &&
		    strncmp(peers[i]->name, word, bytes) == 0)
			return true;
	}
	return false;
}

static bool is_load(const char *word, size_t bytes)
{
	for (uint32_t i = 0; i < loads_nr; i++) {
		if (strlen(loads[i]->name) == bytes &&
		    strncmp(loads[i]->name, word, bytes) == 0)
			return true;
	}
	for (uint32_t i = 0; i < studies_nr; i++) {
		if (strlen(studies[i]->name) == bytes &&
		    strncmp(studies[i]->name, word, bytes) == 0)
			return true;
	}
	return false;
}

static const char *words(struct argp_state *state, const char *what,
			 const char *list, bool (*is)(const char *, size_t))
{
	for (const char *at = list;;) {
		size_t bytes = strcspn(at, ",");

		if (!is(at, bytes))
			argp_error(state, "no %s is called \"%.*s\": see --list",
				   what, (int)bytes, at);
		if (at[bytes] == '\0')
			return list;
		at += bytes + 1;
	}
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
	struct compare *c = &p->compare;

	switch (key) {
	case KEY_PEERS:
		p->peers = words(state, "peer", arg, is_peer);
		break;
	case KEY_LOADS:
		c->loads = words(state, "load", arg, is_load);
		break;
	case KEY_SIZES:
		sizes(state, c, arg);
		break;
	case KEY_REPS:
		c->reps = (uint32_t)one_number(state, "reps", arg, 1,
					       (REPS_MAX - 2) / 2);
		break;
	case KEY_BUDGET:
		c->budget_ns = one_number(state, "budget", arg, 1, 1000) *
			       1000000;
		break;
	case KEY_QUICK:
		c->quick = true;
		break;
	case KEY_JSON:
		c->json = true;
		break;
	case KEY_OUTPUT:
		p->output = arg;
		break;
	case KEY_LIST:
		p->list = true;
		break;
	case KEY_PIN:
		pins(state, arg, c->pin);
		break;
	case KEY_SPOIL:
		c->spoil = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Who takes part, and why others do not. */
static void choose(struct parse *p)
{
	struct compare *c = &p->compare;

	for (uint32_t i = 0; i < peers_nr; i++) {
		const struct peer *peer = peers[i];
		char *why = c->left_out[i];

		if (!list_has(p->peers, peer->name))
			continue;
		if (peer->left_out != NULL)
			snprintf(why, sizeof(c->left_out[i]), "%s",
				 peer->left_out);
		else if (!p->list && peer->begin != NULL &&
			 !peer->begin(why, sizeof(c->left_out[i])))
			peer->finish();
		else
			c->take[i] = true;
	}
}

static int list(const struct compare *c)
{
	puts("Peers:");
	for (uint32_t i = 0; i < peers_nr; i++)
		printf("  %-14s %s%s%s\n", peers[i]->name, peers[i]->title,
		       c->left_out[i][0] != '\0' ? "; left out: " : "",
		       c->left_out[i]);
	puts("Loads:");
	for (uint32_t i = 0; i < loads_nr; i++)
		printf("  %-14s %s\n", loads[i]->name, loads[i]->what);
	for (uint32_t i = 0; i < studies_nr; i++)
		printf("  %-14s %s\n", studies[i]->name, studies[i]->what);
	return 0;
}

static int measure_all(const struct compare *c)
{
	struct figures *f = calloc(PEERS_MAX, sizeof(*f));
	const struct cell *cell;
	int code = 0;

	if (f == NULL)
		worker_fail("zerocore: no memory");
	for (uint32_t i = 0; (cell = matrix_cell(c, i)) != NULL; i++) {
		int nr = cell_measure(c, cell, f);

		if (nr < 0) {
			code = 128 + bench_guard_signal();
			break;
		}
		cell_report(c, cell, f, (uint32_t)nr);
		for (int k = 0; k < nr; k++) {
			if (f[k].wrong == 0 &&
			    (f[k].failed[0] == '\0' || f[k].left_out))
				continue;
			/* All went well, but for the host: that is no fault. */
			if (f[k].wrong > 0 || !f[k].unsteady)
				code = 1;
			fprintf(stderr, "zerocore: %s, %s: %s\n",
				cell->load->name, f[k].peer->name,
				f[k].wrong > 0 ? "messages arrived with wrong "
						 "content" : f[k].failed);
		}
		cell_free(f, (uint32_t)nr);
	}
	free(f);
	return code;
}

static const char doc[] =
	"Measure this project and others that carry messages between processes, in turns."
	"\v"
	"Each measurement has processes of its own, checks every message, and "
	"probes the raw cache line between the processors before and after it; "
	"where that moved it is repeated.\n\n"
	"Examples:\n"
	"  zerocore bench compare --list\n"
	"  zerocore bench compare --quick\n"
	"  zerocore bench compare --peers ring,zerocore,iceoryx "
	"--loads pingpong --sizes 64,4K --json";

int main(int argc, char **argv)
{
	static const struct argp argp = { options, parse_option, "", doc, NULL,
					  NULL, NULL };
	static char name[] = "zerocore bench compare";
	static struct parse p = { .compare = { .pin = { 0, 1 } } };
	struct compare *c = &p.compare;
	int code;

	argp_err_exit_status = 2;
	argv[0] = name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &p) != 0)
		return 2;
	if (c->reps == 0)
		c->reps = c->quick ? 3 : 5;
	if (c->budget_ns == 0)
		c->budget_ns = c->quick ? 5000000 : 20000000;
	if (p.output != NULL && (c->output = fopen(p.output, "we")) == NULL) {
		fprintf(stderr, "zerocore: %s: %s\n", p.output, strerror(errno));
		return 1;
	}
	if (p.list) {
		choose(&p);
		return list(c);
	}
	/* Once, before the forks: all use the parent's. */
	(void)bench_ns_per_tick();
	bench_guard_begin(LIMIT_S);
	choose(&p);
	machine_report(c, argc, argv);
	code = measure_all(c);
	if (bench_guard_signal() == 0) {
		int its = studies_run(c);

		code = code != 0 && bench_guard_signal() == 0 ? code : its;
	}
	for (uint32_t i = 0; i < peers_nr; i++) {
		if (c->take[i] && peers[i]->finish != NULL)
			peers[i]->finish();
	}
	bench_guard_end();
	if (c->output != NULL && fclose(c->output) != 0) {
		fprintf(stderr, "zerocore: %s: %s\n", p.output, strerror(errno));
		code = code != 0 ? code : 1;
	}
	return code;
}
