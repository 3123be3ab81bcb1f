/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * load_topics.c - 200 topics, two readers each, 100 messages a second each, and
 * everybody sleeps in between.
 *
 * A publisher has 25 topics, whose timers are staggered; a subscriber reads the
 * topics of one publisher, and waits for all of them at once.  A sample is
 * the time from the stamp, which is the message's number, to the reader's having the
 * message.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	GROUPS = 8,
	EACH = 25,		/* topics of a group */
	READERS = 2,
	HZ = 100,
	SUBSCRIBERS = GROUPS * READERS,
	PART = SAMPLES_MAX / SUBSCRIBERS,
};

#define PERIOD_NS (1000000000ULL / HZ)
/* So much more than a repetition elsewhere: a budget of 20 ms is 2 s. */
#define LONGER 100
#define LONGEST_NS 5000000000ULL
#define WARM_NS 1000000000ULL
/* All are asleep by the first timer. */
#define LEAD_NS 2000000ULL
/* This number says that a topic's messages end here. */
#define LAST 0

struct state {
	struct loop loop[EACH];
	uint64_t before[EACH];	/* the number before: they only grow */
	void *watch;
	uint64_t rounds;	/* messages of each topic */
	uint64_t sent, arrived;
	uint32_t open;		/* topics that have not ended */
	uint32_t samples_nr;
};

static uint32_t channels(const struct cell *cell)
{
	(void)cell;
	return GROUPS * EACH;
}

static uint32_t readers(const struct cell *cell)
{
	(void)cell;
	return READERS;
}

static uint32_t writer(uint32_t channel)
{
	return channel / EACH;
}

/* Publishers first, then who reads first, then who reads second. */
static int reader(uint32_t channel, uint32_t id)
{
	if (id < GROUPS || id % GROUPS != channel / EACH)
		return -1;
	return (int)(id / GROUPS) - 1;
}

static void sleep_until(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000U),
			       .tv_nsec = (long)(ns % 1000000000U) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) != 0)
		;
}

/* Who is late sends at once, and gives up what is due after the end. */
static void publish(struct worker *w, struct state *s)
{
	uint64_t start = w->run->start_ns + PERIOD_NS / (GROUPS * EACH) * w->id;
	uint64_t end = start + s->rounds * PERIOD_NS;
	uint64_t late = 0, now = 0;

	for (uint64_t k = 0; k < s->rounds * EACH && late < end; k++) {
		uint64_t due = start + k * (PERIOD_NS / EACH);

		if (now < due) {
			now = bench_now_ns();
			if (now < due)
				sleep_until(due);
		}
		w->peer->loops.put(w->out[k % EACH], &s->loop[k % EACH],
				   bench_ticks());
		s->sent++;
		if (s->sent % EACH == 0)
			late = bench_now_ns();
	}
	for (uint32_t i = 0; i < EACH; i++)
		w->peer->loops.put(w->out[i], &s->loop[i], LAST);
}

/* A message of reader @i, if there is one. */
static bool take(struct worker *w, struct state *s, uint32_t i,
		 uint32_t *samples)
{
	uint64_t number, ticks;

	if (!w->peer->loops.look(w->in[i], &s->loop[i], &number, &ticks))
		return false;
	if (number == LAST) {
		s->before[i] = 0;
		s->open--;
		return true;
	}
	s->loop[i].wrong += number <= s->before[i];
	s->before[i] = number;
	s->arrived++;
	if (samples != NULL && s->samples_nr < PART)
		samples[s->samples_nr++] = bench_sample(ticks - number);
	return true;
}

static void subscribe(struct worker *w, struct state *s, uint32_t *samples)
{
	const bool once = (w->peer->traits & PEER_TELLS_ONCE) != 0;
	uint32_t ready[EACH];

	s->open = w->in_nr;
	while (s->open > 0) {
		uint32_t nr = w->peer->await(s->watch, ready, EACH);

		for (uint32_t i = 0; i < nr; i++) {
			while (take(w, s, ready[i], samples) && once)
				;
		}
	}
}

static uint64_t cpu_ns_of(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) != 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* Of all threads; worker 0 has the daemon's as well. */
static uint64_t cpu_ns(const struct worker *w)
{
	uint64_t ns = cpu_ns_of(CLOCK_PROCESS_CPUTIME_ID);
	clockid_t daemon;

	if (w->id == 0 && w->peer->daemon != NULL &&
	    clock_getcpuclockid(w->peer->daemon(), &daemon) == 0)
		ns += cpu_ns_of(daemon);
	return ns;
}

/* All of it for @ns; returns the processor time that this process took. */
static uint64_t phase(struct worker *w, struct state *s, uint64_t ns,
		      uint32_t *samples)
{
	uint64_t before;

	s->rounds = ns / PERIOD_NS > 0 ? ns / PERIOD_NS : 1;
	s->sent = s->arrived = 0;
	if (w->id == 0)
		w->run->start_ns = bench_now_ns() + LEAD_NS;
	worker_sync(w);
	before = cpu_ns(w);
	if (w->id < GROUPS)
		publish(w, s);
	else
		subscribe(w, s, samples);
	before = cpu_ns(w) - before;
	worker_sync(w);
	return before;
}

/* Worker 0: all samples one behind the other, and what they came to. */
static void gather(struct worker *w, const struct state *s, double ns)
{
	struct run *run = w->run;
	uint64_t due = s->rounds * EACH * GROUPS;

	for (uint32_t i = 0; i < SUBSCRIBERS; i++) {
		memmove(run->samples + run->samples_nr, run->samples + i * PART,
			run->part_nr[GROUPS + i] * sizeof(run->samples[0]));
		run->samples_nr += run->part_nr[GROUPS + i];
	}
	run->cpu_percent = (double)run->cpu_ns / ns * 100;
	run->cpu_message_ns = run->arrived > 0 ?
			      (double)run->cpu_ns / (double)run->arrived : 0;
	run->rate_kept = (double)run->sent / (double)due;
	if (run->sent * READERS > run->arrived)
		run->lost += run->sent * READERS - run->arrived;
}

static void measure(struct worker *w, struct state *s)
{
	uint64_t ns = w->budget_ns * LONGER, cpu;
	struct run *run = w->run;
	double start, wall;

	ns = ns < LONGEST_NS ? ns : LONGEST_NS;
	phase(w, s, ns / 2 < WARM_NS ? ns / 2 : WARM_NS, NULL);
	run->probe_before_ns += worker_probe(w);
	start = (double)bench_now_ns();
	cpu = phase(w, s, ns, w->id < GROUPS ? NULL :
		    run->samples + (w->id - GROUPS) * PART);
	wall = (double)bench_now_ns() - start;
	__atomic_add_fetch(&run->cpu_ns, cpu, __ATOMIC_RELAXED);
	__atomic_add_fetch(&run->sent, s->sent, __ATOMIC_RELAXED);
	__atomic_add_fetch(&run->arrived, s->arrived, __ATOMIC_RELAXED);
	run->part_nr[w->id] = s->samples_nr;
	run->probe_after_ns += worker_probe(w);
	if (w->id == 0)
		gather(w, s, wall);
}

static void work(struct worker *w)
{
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		worker_fail("no memory");
	worker_open(w);
	if (w->in_nr > 0)
		s->watch = w->peer->watch(w->in, w->in_nr);
	worker_settle(w);
	for (uint32_t i = 0; i < EACH; i++)
		worker_loop(w, &s->loop[i]);
	measure(w, s);
	for (uint32_t i = 0; i < w->in_nr; i++)
		worker_book(w, &s->loop[i]);
	worker_close(w);
}

const struct load load_topics = {
	.name = "topics",
	.what = "200 topics, 2 readers each, at 100 Hz, everybody asleep in between",
	.figure = LOAD_TIMES,
	.sample_ticks = 1,
	.many = true,
	.firsts = GROUPS,
	.group = EACH,
	.channels = channels,
	.readers = readers,
	.writer = writer,
	.reader = reader,
	.work = work,
};
