/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cell.h - one row of the matrix, measured of each peer in turns.
 */
#ifndef ZEROCORE_BENCH_CELL_H
#define ZEROCORE_BENCH_CELL_H

#include "bench_stats.h"
#include "load.h"

#include <stdio.h>

enum {
	PEERS_MAX = 16,
	SIZES_MAX = 16,
	REPS_MAX = 100,
	CURVE = 41,		/* points of a distribution */
};

/* What the command line said. */
struct compare {
	bool take[PEERS_MAX];	/* of peers[] */
	char left_out[PEERS_MAX][256];	/* why a peer that was asked for is not here */
	const char *loads;	/* a list, NULL: all */
	size_t size[SIZES_MAX];
	uint32_t sizes_nr;	/* 0: each load's own */
	uint32_t reps;
	uint64_t budget_ns;
	bool quick;
	bool json;
	bool spoil;
	int pin[2];
	FILE *output;		/* gets JSON, too; or NULL */
};

/* One repetition of one peer. */
struct rep {
	bool done;
	double probe_before_ns, probe_after_ns;
	double value_ns;
	double open_ns, attach_ns, memory_kib;
	double cpu_percent, cpu_message_ns, rate_kept;
	uint32_t *samples;
	uint64_t samples_nr;
};

/* What a cell came to for one peer. */
struct figures {
	const struct peer *peer;
	bool sleeps;
	bool realtime;
	bool unsteady;		/* each repetition was dropped */
	bool left_out;		/* cannot do this; @failed says why */
	uint32_t kept, dropped;
	double probe_before_ns, probe_after_ns;
	double value_ns, low_ns, high_ns;
	double ratio_to_ring;	/* of the same pass; 0: no ring there */
	double ratio_to_best;	/* to the best of the others' medians */
	double cpu_ratio_to_best;
	double open_ns, attach_ns, memory_kib;
	double cpu_percent, cpu_message_ns, rate_kept;
	uint64_t samples_nr;
	struct bench_percentiles times;
	double curve[CURVE];	/* times at rising parts of all samples */
	uint64_t checked, wrong, lost;
	char failed[256];	/* why there is nothing */
	struct rep rep[REPS_MAX];
};

/* Of a curve: which part of all samples point @i stands for, 0 to 1. */
double cell_curve_part(uint32_t i);

/* Measures @cell; @figures: one for each peer that takes part; returns how many,
 * or -1 when a signal came. */
int cell_measure(const struct compare *compare, const struct cell *cell,
		 struct figures *figures);
void cell_free(struct figures *figures, uint32_t nr);

/* Prints a cell. */
void cell_report(const struct compare *compare, const struct cell *cell,
		 const struct figures *figures, uint32_t nr);

/* A size, a time, in the unit that suits: returns @text. */
const char *size_text(size_t size, char *text, size_t bytes);
const char *time_text(double ns, char *text, size_t bytes);

struct json_object;
void put_line(FILE *out, struct json_object *line);

/* Prints where and of whom. */
void machine_report(const struct compare *compare, int argc, char **argv);

/* All cells that were asked for, in order; NULL at the end. */
const struct cell *matrix_cell(const struct compare *compare, uint32_t index);

extern const struct load *const loads[];
extern const uint32_t loads_nr;

/* Is @word in the list @list (NULL: everything is)? */
bool list_has(const char *list, const char *word);

#endif /* ZEROCORE_BENCH_CELL_H */
