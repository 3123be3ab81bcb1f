/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study_recovery.c - kill -9: all of a pool's memory again ("bench recovery"), and
 * the other side's going on, beside who can do that, too.
 */
#include "bench_pool.h"
#include "bench_recovery.h"
#include "outlive.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define POOL_BYTES (1ULL << 30)

static void put_times(const struct compare *compare, struct json_object *line,
		      const char *title, uint32_t *samples, size_t nr,
		      double unit_ns, uint64_t never)
{
	char a[32] = "-", b[32] = "-", c[32] = "-";
	struct bench_percentiles p;

	study_add_times(line, samples, nr, unit_ns, never);
	if (nr > 0) {
		bench_percentiles_of(samples, nr, unit_ns, &p);
		time_text(p.p50_ns, a, sizeof(a));
		time_text(p.p99_ns, b, sizeof(b));
		time_text(p.max_ns, c, sizeof(c));
	}
	study_put(compare, line, "  %-42s %9s %9s %9s %6llu\n", title, a, b, c,
		  (unsigned long long)never);
}

/* The pool alone: nobody else says when a death is proved, and all is back. */
static int whole_pool(const struct compare *compare, bool writer)
{
	struct bench_options o = {
		.pool_bytes = POOL_BYTES,
		.kills = compare->reps * (compare->quick ? 20 : 200),
		.kills_writer = writer,
	};
	struct recovery_samples samples;
	const char *role = writer ? "writer" : "reader";
	struct recovery *rc;
	int code = recovery_measure(&o, &rc, &samples);
	const struct {
		const char *what, *title;
		uint32_t *samples;
	} part[] = {
		{ "dead_to_free", "from its death to all memory",
		  samples.dead_to_free },
		{ "kill_to_dead", "from the kill to its death, the kernel's",
		  samples.kill_to_dead },
		{ "kill_to_free", "from the kill to all memory",
		  samples.kill_to_free },
	};

	for (size_t i = 0; i < 3 && code == 0; i++) {
		struct json_object *line = study_line(&study_recovery,
						      "zerocore", part[i].what);
		char title[80];

		study_add(line, "role", role);
		study_add_count(line, "kills", rc->kills);
		study_add_count(line, "never", 0);
		study_add_count(line, "restarts", 0);
		study_add_count(line, "pool_bytes", rc->bytes);
		study_add_count(line, "held", rc->held);
		study_add_bool(line, "realtime", rc->realtime);
		study_add_bool(line, "clean", recovery_clean(rc));
		study_add_count(line, "checked", rc->messages);
		study_add_count(line, "wrong", rc->wrong);
		study_add_count(line, "lost", rc->lost);
		snprintf(title, sizeof(title), "%s, %s", role, part[i].title);
		put_times(compare, line, title, part[i].samples, rc->kills,
			  RECOVERY_UNIT_NS, 0);
	}
	if (code == 0 && !recovery_clean(rc)) {
		fprintf(stderr,
			"zerocore: the pool is not clean after the kills\n");
		code = 1;
	}
	recovery_drop(rc, &samples);
	return code;
}

/* A daemon may take long for each death, or for ever. */
static uint32_t kills_of(const struct compare *compare, const struct peer *peer)
{
	if (peer->begin_again != NULL)
		return compare->reps * (compare->quick ? 1 : 4);
	return compare->reps * (compare->quick ? 10 : 40);
}

static int other_side(const struct compare *compare, const struct peer *peer,
		      bool writer)
{
	struct outlive o = {
		.compare = compare,
		.peer = peer,
		.writer = writer,
		.kills = kills_of(compare, peer),
		.pool_bytes = POOL_BYTES,
		.limit_ns = 5000000000ULL,
	};
	const char *role = writer ? "writer" : "reader";
	bool good = outlive_measure(&o);
	struct json_object *line;
	char title[80];
	int code = good ? 0 : 1;

	if (!good && bench_guard_signal() != 0)
		goto out;
	line = study_line(&study_recovery, peer->name, "kill_to_next");
	study_add(line, "role", role);
	study_add_count(line, "kills", o.samples_nr + o.never);
	study_add_count(line, "never", o.never);
	study_add_count(line, "restarts", o.restarts);
	if (o.never > 0)
		study_add(line, "first_never", o.first_never);
	study_add_count(line, "checked", o.checked);
	study_add_count(line, "wrong", o.wrong);
	study_add_count(line, "lost", o.lost);
	snprintf(title, sizeof(title), "%s: %s, to the other side's going on",
		 peer->name, role);
	put_times(compare, line, title, o.samples, o.samples_nr,
		  OUTLIVE_UNIT_NS, o.never);
	if (o.restarts > 0)
		study_head(compare, "    its daemon was started again %u "
			   "times: %s\n", o.restarts, o.first_never);
	if (o.wrong > 0 || (peer == &peer_zerocore && o.lost > 0)) {
		fprintf(stderr, "zerocore: recovery, %s: %llu messages wrong, "
			"%llu lost\n", peer->name, (unsigned long long)o.wrong,
			(unsigned long long)o.lost);
		code = 1;
	}
out:
	free(o.samples);
	return code;
}

static int run(const struct compare *compare)
{
	uint64_t available;
	int code = 0;

	if (!bench_memory_for(POOL_BYTES, &available)) {
		study_head(compare, "\nrecovery: left out: too little memory "
			   "for a pool of 1 GiB\n");
		return 0;
	}
	study_head(compare, "\nrecovery: kill -9, pool of 1 GiB\n  %-42s %9s %9s "
		   "%9s %6s\n", "", "p50", "p99", "max", "never");
	for (int writer = 0; writer < 2; writer++) {
		if (study_takes(compare, &peer_zerocore) && code == 0 &&
		    bench_guard_signal() == 0)
			code = whole_pool(compare, writer);
		for (uint32_t i = 0; i < peers_nr; i++) {
			if (!compare->take[i] || bench_guard_signal() != 0 ||
			    (peers[i]->traits & PEER_OUTLIVES) == 0)
				continue;
			if (other_side(compare, peers[i], writer) != 0)
				code = 1;
		}
	}
	return code;
}

const struct study study_recovery = {
	.name = "recovery",
	.what = "kill -9: until all memory is back, until the other side goes on",
	.run = run,
};
