/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cell.c - passes over all peers, until each has enough repetitions that saw
 * the processors where they mostly were.
 *
 * Neighbours in time are compared: a pass measures each peer once, every other
 * pass in reverse, so that a drift of the machine favours nobody.
 */
#include "cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than this between the probes of a repetition: the processors moved. */
#define MOVED_RATIO 1.2
/* A probe that is that far from the cell's median is of another placement. */
#define PLACEMENT_RATIO 1.25
/* A repetition in which they moved is tried again so often. */
#define TRIES 3
/* A peer that failed so often in a cell is not asked again. */
#define FAILURES 2

static double apart(double a, double b)
{
	return a > b ? a / b : b / a;
}

static bool moved(const struct rep *rep)
{
	return apart(rep->probe_before_ns, rep->probe_after_ns) > MOVED_RATIO;
}

static void keep(struct rep *rep, const struct run *run)
{
	free(rep->samples);
	*rep = (struct rep){
		.done = true,
		.probe_before_ns = run->probe_before_ns,
		.probe_after_ns = run->probe_after_ns,
		.value_ns = run->value_ns,
		.open_ns = run->open_ns,
		.attach_ns = run->attach_ns,
		.memory_kib = run->memory_kib,
		.cpu_percent = run->cpu_percent,
		.cpu_message_ns = run->cpu_message_ns,
		.rate_kept = run->rate_kept,
		.samples_nr = run->samples_nr,
	};
	if (run->samples_nr == 0)
		return;
	rep->samples = malloc(run->samples_nr * sizeof(*rep->samples));
	if (rep->samples == NULL)
		worker_fail("no memory for %llu samples",
			    (unsigned long long)run->samples_nr);
	memcpy(rep->samples, run->samples,
	       run->samples_nr * sizeof(*rep->samples));
}

static void plan_of(const struct cell *cell, const struct peer *peer,
		    struct peer_plan *plan)
{
	static uint32_t runs;

	*plan = (struct peer_plan){
		.channels = cell->load->channels(cell),
		.readers = cell->load->readers(cell),
		.size = cell->size,
		.whole = cell->whole,
		.starts = cell->load->starts,
		.block = (cell->block && !cell->load->many) ||
			 (cell->load->unpaced &&
			  (peer->traits & PEER_THREADS) != 0),
		.many = cell->load->many,
		.group = cell->load->group,
	};
	snprintf(plan->run, sizeof(plan->run), "%d-%u", (int)getpid(), runs++);
}

/* One repetition of one peer; false: it failed. */
static bool measure(const struct compare *compare, const struct cell *cell,
		    struct figures *f, struct rep *rep, struct run *run)
{
	struct peer_plan plan;
	struct worker worker = {
		.run = run,
		.cell = cell,
		.peer = f->peer,
		.plan = &plan,
		.budget_ns = compare->budget_ns,
		.spoil = compare->spoil ? 1 : UINT64_MAX,
		.pin = { compare->pin[0], compare->pin[1] },
	};

	for (int tries = 0; tries < TRIES; tries++) {
		plan_of(cell, f->peer, &plan);
		f->sleeps = plan.block || plan.many;
		if (!worker_run(&worker)) {
			memcpy(f->failed, run->error, sizeof(f->failed));
			/* So many at once: a limit, no fault. */
			f->left_out = plan.many && run->refused != 0;
			return false;
		}
		f->realtime = run->realtime != 0;
		f->checked += run->checked;
		f->wrong += run->wrong;
		f->lost += run->lost;
		keep(rep, run);
		if (!moved(rep))
			return true;
		f->dropped++;
	}
	rep->done = false;
	return true;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The placement that most repetitions had. */
static double usual_probe(const struct figures *f, uint32_t nr)
{
	static double probe[PEERS_MAX * REPS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < nr; i++) {
		for (uint32_t k = 0; k < REPS_MAX; k++) {
			if (f[i].rep[k].done)
				probe[n++] = f[i].rep[k].probe_before_ns;
		}
	}
	if (n == 0)
		return 0;
	qsort(probe, n, sizeof(probe[0]), compare_double);
	return probe[n / 2];
}

static bool usual(const struct rep *rep, double probe)
{
	return rep->done && (probe == 0 || rep->probe_before_ns == 0 ||
			     apart(rep->probe_before_ns, probe) <=
				     PLACEMENT_RATIO);
}

static uint32_t usual_nr(const struct figures *f, double probe)
{
	uint32_t nr = 0;

	for (uint32_t k = 0; k < REPS_MAX; k++)
		nr += usual(&f->rep[k], probe);
	return nr;
}

static bool enough(const struct compare *compare, const struct figures *f,
		   uint32_t nr)
{
	double probe = usual_probe(f, nr);

	for (uint32_t i = 0; i < nr; i++) {
		if (f[i].failed[0] == '\0' &&
		    usual_nr(&f[i], probe) < compare->reps)
			return false;
	}
	return true;
}

double cell_curve_part(uint32_t i)
{
	/* Half of the points for the lower 90 %, the others for the tail. */
	if (i <= CURVE / 2)
		return 0.9 * i / (CURVE / 2);
	return 1 - 0.1 * pow(10, -3.0 * (i - CURVE / 2) / (CURVE - 1 - CURVE / 2));
}

/* All samples of the repetitions that count, in one array. */
static void pool_samples(struct figures *f, double probe, double unit_ns)
{
	uint32_t *all;
	uint64_t nr = 0;

	for (uint32_t k = 0; k < REPS_MAX; k++) {
		struct rep *rep = &f->rep[k];
		struct bench_percentiles p;

		if (!usual(rep, probe) || rep->samples_nr == 0)
			continue;
		nr += rep->samples_nr;
		bench_percentiles_of(rep->samples, rep->samples_nr, unit_ns,
				     &p);
		rep->value_ns = bench_middle(rep->samples, rep->samples_nr,
					     unit_ns);
	}
	f->samples_nr = nr;
	if (nr == 0)
		return;
	all = malloc(nr * sizeof(*all));
	if (all == NULL)
		worker_fail("no memory for %llu samples",
			    (unsigned long long)nr);
	nr = 0;
	for (uint32_t k = 0; k < REPS_MAX; k++) {
		const struct rep *rep = &f->rep[k];

		if (!usual(rep, probe) || rep->samples_nr == 0)
			continue;
		memcpy(all + nr, rep->samples, rep->samples_nr * sizeof(*all));
		nr += rep->samples_nr;
	}
	bench_percentiles_of(all, nr, unit_ns, &f->times);
	for (uint32_t i = 0; i < CURVE; i++) {
		uint64_t at = (uint64_t)((double)(nr - 1) * cell_curve_part(i));

		f->curve[i] = all[at] * unit_ns;
	}
	free(all);
}

enum {
	PROBE_BEFORE, PROBE_AFTER, VALUE, OPEN, ATTACH, MEMORY, CPU,
	CPU_MESSAGE, RATE_KEPT
};

static size_t column(const struct figures *f, double probe, int which,
		     double *out)
{
	size_t nr = 0;

	for (uint32_t k = 0; k < REPS_MAX; k++) {
		const struct rep *r = &f->rep[k];
		const double of[] = { r->probe_before_ns, r->probe_after_ns,
				      r->value_ns, r->open_ns, r->attach_ns,
				      r->memory_kib, r->cpu_percent,
				      r->cpu_message_ns, r->rate_kept };

		if (usual(r, probe))
			out[nr++] = of[which];
	}
	return nr;
}

static double median_of(const struct figures *f, double probe, int which)
{
	double value[REPS_MAX];

	return bench_median(value, column(f, probe, which, value));
}

/* The median of the ratios of the same pass. */
static double ratio(const struct figures *f, const struct figures *base,
		    double probe)
{
	double value[REPS_MAX];
	size_t nr = 0;

	for (uint32_t k = 0; k < REPS_MAX; k++) {
		if (usual(&f->rep[k], probe) && usual(&base->rep[k], probe) &&
		    base->rep[k].value_ns > 0)
			value[nr++] = f->rep[k].value_ns / base->rep[k].value_ns;
	}
	return bench_median(value, nr);
}

static const struct figures *best_of_others(const struct figures *f,
					    uint32_t nr)
{
	const struct figures *best = NULL;

	for (uint32_t i = 0; i < nr; i++) {
		if (f[i].kept == 0 || f[i].peer == &peer_zerocore ||
		    (f[i].peer->traits & PEER_YARDSTICK) != 0)
			continue;
		if (best == NULL || f[i].value_ns < best->value_ns)
			best = &f[i];
	}
	return best;
}

/* The least processor time of the others, of those that kept up. */
static double least_cpu(const struct figures *f, uint32_t nr)
{
	double least = 0;

	for (uint32_t i = 0; i < nr; i++) {
		if (f[i].kept == 0 || f[i].peer == &peer_zerocore ||
		    f[i].rate_kept < 0.99 ||
		    (f[i].peer->traits & PEER_YARDSTICK) != 0)
			continue;
		if (least == 0 || f[i].cpu_message_ns < least)
			least = f[i].cpu_message_ns;
	}
	return least;
}

static void summarise(const struct cell *cell, struct figures *f, uint32_t nr)
{
	double probe = usual_probe(f, nr), value[REPS_MAX];
	double unit_ns = bench_ns_per_tick() * cell->load->sample_ticks;
	double least;
	const struct figures *ring = NULL, *best;

	for (uint32_t i = 0; i < nr; i++) {
		struct figures *x = &f[i];
		size_t n;

		pool_samples(x, probe, unit_ns);
		n = column(x, probe, VALUE, value);
		x->kept = (uint32_t)n;
		for (uint32_t k = 0; k < REPS_MAX; k++)
			x->dropped += x->rep[k].done &&
				      !usual(&x->rep[k], probe);
		x->value_ns = bench_median(value, n);
		x->low_ns = bench_quantile(value, n, 0.1);
		x->high_ns = bench_quantile(value, n, 0.9);
		x->probe_before_ns = median_of(x, probe, PROBE_BEFORE);
		x->probe_after_ns = median_of(x, probe, PROBE_AFTER);
		x->open_ns = median_of(x, probe, OPEN);
		x->attach_ns = median_of(x, probe, ATTACH);
		x->memory_kib = median_of(x, probe, MEMORY);
		x->cpu_percent = median_of(x, probe, CPU);
		x->cpu_message_ns = median_of(x, probe, CPU_MESSAGE);
		x->rate_kept = median_of(x, probe, RATE_KEPT);
		x->unsteady = x->kept == 0 && x->failed[0] == '\0';
		if (x->unsteady)
			snprintf(x->failed, sizeof(x->failed),
				 "the host moved the processors in each of %u "
				 "repetitions", x->dropped);
		if ((x->peer->traits & PEER_YARDSTICK) != 0 && x->kept > 0)
			ring = x;
	}
	best = best_of_others(f, nr);
	least = least_cpu(f, nr);
	for (uint32_t i = 0; i < nr; i++) {
		if (least > 0)
			f[i].cpu_ratio_to_best = f[i].cpu_message_ns / least;
		if (ring != NULL && f[i].kept > 0)
			f[i].ratio_to_ring = ratio(&f[i], ring, probe);
		if (best != NULL && f[i].kept > 0)
			f[i].ratio_to_best = ratio(&f[i], best, probe);
	}
}

/* Why it is not asked though its row is there; NULL: it is. */
static const char *cannot(const struct cell *cell, const struct peer *peer)
{
	if (!cell->load->many)
		return NULL;
	if ((peer->traits & PEER_POLLS) != 0)
		return "cannot sleep";
	if (peer->channels_max > 0 &&
	    cell->load->channels(cell) > peer->channels_max)
		return "does not start with so many channels";
	if (peer->watch == NULL)
		return "cannot sleep until one of several has something";
	return NULL;
}

static bool takes(const struct cell *cell, const struct peer *peer)
{
	if (cannot(cell, peer) != NULL)
		return true;
	return (peer->size_max == 0 || cell->size <= peer->size_max) &&
	       (peer->channels_max == 0 ||
		cell->load->channels(cell) <= peer->channels_max) &&
	       !(cell->block && (peer->traits & PEER_POLLS) != 0) &&
	       !(cell->load->figure == LOAD_RATE &&
		 (peer->traits & PEER_LOSES) != 0);
}

int cell_measure(const struct compare *compare, const struct cell *cell,
		 struct figures *f)
{
	struct run *run = bench_shared_map(sizeof(*run), false);
	uint32_t nr = 0, passes = compare->reps * 2 + 2;
	uint32_t failures[PEERS_MAX] = { 0 };

	for (uint32_t i = 0; i < peers_nr; i++) {
		if (compare->take[i] && takes(cell, peers[i])) {
			const char *why = cannot(cell, peers[i]);

			memset(&f[nr], 0, sizeof(f[nr]));
			if (why != NULL) {
				f[nr].left_out = true;
				failures[nr] = FAILURES;
				snprintf(f[nr].failed, sizeof(f[nr].failed),
					 "%s", why);
			}
			f[nr++].peer = peers[i];
		}
	}
	for (uint32_t pass = 0; pass < passes && pass < REPS_MAX; pass++) {
		for (uint32_t k = 0; k < nr; k++) {
			uint32_t i = pass % 2 == 1 ? nr - 1 - k : k;

			if (failures[i] < FAILURES &&
			    !measure(compare, cell, &f[i], &f[i].rep[pass], run))
				failures[i]++;
			else if (failures[i] < FAILURES)
				f[i].failed[0] = '\0';
			if (bench_guard_signal() != 0) {
				bench_shared_unmap(run, sizeof(*run));
				return -1;
			}
		}
		if (enough(compare, f, nr))
			break;
	}
	bench_shared_unmap(run, sizeof(*run));
	summarise(cell, f, nr);
	return (int)nr;
}

void cell_free(struct figures *f, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		for (uint32_t k = 0; k < REPS_MAX; k++)
			free(f[i].rep[k].samples);
	}
}
