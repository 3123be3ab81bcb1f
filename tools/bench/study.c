/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study.c - work loads that have no row in the matrix, and their lines.
 */
#include "study.h"

#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Points of a distribution: where there are fewer samples, all of them. */
#define POINTS 200

const struct study *const studies[] = {
	&study_recovery, &study_pools, &study_memory, &study_pages,
};

const uint32_t studies_nr = sizeof(studies) / sizeof(studies[0]);

int studies_run(const struct compare *compare)
{
	int code = 0;

	for (uint32_t i = 0; i < studies_nr; i++) {
		int its;

		if (!list_has(compare->loads, studies[i]->name))
			continue;
		its = studies[i]->run(compare);
		if (bench_guard_signal() != 0)
			return 128 + bench_guard_signal();
		code = code != 0 ? code : its;
	}
	return code;
}

struct json_object *study_line(const struct study *study, const char *peer,
			       const char *what)
{
	struct json_object *line = json_object_new_object();

	study_add(line, "bench", "compare");
	study_add(line, "load", study->name);
	study_add_bool(line, "study", true);
	study_add(line, "peer", peer);
	study_add(line, "what", what);
	return line;
}

void study_add(struct json_object *line, const char *key, const char *value)
{
	json_object_object_add(line, key, json_object_new_string(value));
}

void study_add_count(struct json_object *line, const char *key, uint64_t value)
{
	json_object_object_add(line, key,
			       json_object_new_int64((int64_t)value));
}

void study_add_bool(struct json_object *line, const char *key, bool value)
{
	json_object_object_add(line, key, json_object_new_boolean(value));
}

static struct json_object *number(double value, int digits)
{
	char text[40];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	return json_object_new_double_s(value, text);
}

void study_add_times(struct json_object *line, uint32_t *samples, size_t nr,
		     double unit_ns, uint64_t never)
{
	struct json_object *curve = json_object_new_array();
	size_t points = nr < POINTS ? nr : POINTS;
	struct bench_percentiles p;

	study_add_count(line, "samples", nr);
	if (nr > 0) {
		bench_percentiles_of(samples, nr, unit_ns, &p);
		bench_json_percentiles(line, "", &p);
	}
	for (size_t i = 1; i <= points; i++) {
		struct json_object *point = json_object_new_array();
		size_t at = i * nr / points;

		json_object_array_add(point, number((double)at /
					(double)(nr + never), 5));
		json_object_array_add(point, number(samples[at - 1] * unit_ns,
						    1));
		json_object_array_add(curve, point);
	}
	json_object_object_add(line, "curve", curve);
}

void study_put(const struct compare *compare, struct json_object *line,
	       const char *fmt, ...)
{
	va_list ap;

	if (compare->output != NULL)
		put_line(compare->output, line);
	if (compare->json) {
		put_line(stdout, line);
	} else {
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		fflush(stdout);
	}
	json_object_put(line);
}

void study_head(const struct compare *compare, const char *fmt, ...)
{
	va_list ap;

	if (compare->json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

bool study_takes(const struct compare *compare, const struct peer *peer)
{
	for (uint32_t i = 0; i < peers_nr; i++) {
		if (peers[i] == peer)
			return compare->take[i];
	}
	return false;
}

bool study_in_child(const char *what, void (*body)(void *result), void *result)
{
	int status = 1, parent = (int)getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		bench_child_init(parent);
		body(result);
		fflush(NULL);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
		if (bench_guard_signal() != 0)
			kill(pid, SIGKILL);
	}
	if (status != 0 && bench_guard_signal() == 0)
		fprintf(stderr, "zerocore: %s: its process ended with %d\n",
			what, status);
	return status == 0;
}
