/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load.h - a work load: who talks to whom, and what of it is timed.
 */
#ifndef ZEROCORE_BENCH_LOAD_H
#define ZEROCORE_BENCH_LOAD_H

#include "worker.h"

enum load_figure {
	LOAD_TIMES,	/* samples of times; fewer is better */
	LOAD_RATE,	/* nanoseconds a message, told as a rate */
	LOAD_VALUE,	/* value_ns; fewer is better */
};

/**
 * struct load - a work load
 * @name: as on the command line
 * @what: in words
 * @figure: what comes of it
 * @sample_ticks: what one unit of a sample stands for, in ticks: a round trip is two
 *	ways
 * @unpaced: a peer whose threads carry the messages sleeps here, as it was
 *	made to
 * @many: a process waits for many readers at once
 * @firsts: workers that run on the first processor, the others on the second; 0: 1
 * @group: channels that one process writes; 0: any
 * @starts: what is there from the start is as little as a program needs
 * @channels: of a cell
 * @readers: of each channel
 * @writer: the worker that writes a channel
 * @reader: what number worker @id has among the channel's readers; -1: none
 * @work: in each worker, from worker_begin() to its end
 */
struct load {
	const char *name;
	const char *what;
	enum load_figure figure;
	double sample_ticks;
	bool unpaced;
	bool many;
	uint32_t firsts;
	uint32_t group;
	bool starts;
	uint32_t (*channels)(const struct cell *cell);
	uint32_t (*readers)(const struct cell *cell);
	uint32_t (*writer)(uint32_t channel);
	int (*reader)(uint32_t channel, uint32_t id);
	void (*work)(struct worker *w);
};

extern const struct load load_pingpong, load_stream, load_gather, load_start,
	load_topics;

#endif /* ZEROCORE_BENCH_LOAD_H */
