/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study.h - a work load that has no row in the matrix: it is not one message after
 * the other, or not of every peer.
 */
#ifndef ZEROCORE_BENCH_STUDY_H
#define ZEROCORE_BENCH_STUDY_H

#include "cell.h"

/**
 * struct study - what is measured of its own accord
 * @name: as on the command line, and in the output
 * @what: in words
 * @run: prints its lines; returns an exit code
 */
struct study {
	const char *name;
	const char *what;
	int (*run)(const struct compare *compare);
};

extern const struct study *const studies[];
extern const uint32_t studies_nr;

extern const struct study study_recovery, study_pools, study_memory, study_pages;

/* Runs those that were asked for; returns an exit code. */
int studies_run(const struct compare *compare);

/* A line of JSON to which figures are added. */
struct json_object *study_line(const struct study *study, const char *peer,
			       const char *what);
void study_add(struct json_object *line, const char *key, const char *value);
void study_add_count(struct json_object *line, const char *key, uint64_t value);
void study_add_bool(struct json_object *line, const char *key, bool value);

/*
 * Adds percentiles of @nr samples, which it sorts, and their distribution: [part,
 * nanoseconds].  @never: so many more have no end; nothing of them is in the
 * percentiles, but the distribution does not get to 1.
 */
void study_add_times(struct json_object *line, uint32_t *samples, size_t nr,
		     double unit_ns, uint64_t never);

/* Prints and drops @line; @fmt says the same to people. */
void study_put(const struct compare *compare, struct json_object *line,
	       const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A heading, for people. */
void study_head(const struct compare *compare, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Does @peer take part? */
bool study_takes(const struct compare *compare, const struct peer *peer);

/*
 * Runs @body in a process of its own, which has @result in memory shared with this
 * one; returns false, with a sentence on stderr, when it did not end well.
 */
bool study_in_child(const char *what, void (*body)(void *result), void *result);

#endif /* ZEROCORE_BENCH_STUDY_H */
