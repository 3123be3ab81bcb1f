/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * machine.c - where, and of whom, the figures are.
 */
#include "cell.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* What follows @key in a file of lines "key : value"; empty: nothing does. */
static void line_of_file(const char *path, const char *key, char *out,
			 size_t bytes)
{
	char line[256];
	FILE *f = fopen(path, "re");

	out[0] = '\0';
	if (f == NULL)
		return;
	while (out[0] == '\0' && fgets(line, sizeof(line), f) != NULL) {
		char *at = line;

		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		if (key[0] != '\0') {
			at = strchr(line, ':');
			if (at == NULL)
				continue;
			at += 1 + strspn(at + 1, " \t");
		}
		at[strcspn(at, "\n")] = '\0';
		snprintf(out, bytes, "%s", at);
	}
	fclose(f);
}

const char *worker_kernel(void)
{
	static struct utsname name;

	uname(&name);
	return name.release;
}

const char *worker_package(const char *name)
{
	static char text[64];
	char command[128];
	FILE *f;

	snprintf(command, sizeof(command),
		 "dpkg-query -W -f '${Version}' %s 2>/dev/null", name);
	text[0] = '\0';
	f = popen(command, "re");
	if (f == NULL || fgets(text, sizeof(text), f) == NULL)
		snprintf(text, sizeof(text), "version unknown");
	if (f != NULL)
		pclose(f);
	return text;
}

double worker_memory_kib(int pid, const char *which)
{
	char path[64], text[64];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	line_of_file(path, which, text, sizeof(text));
	return strtod(text, NULL);
}

static void add(struct json_object *to, const char *key, const char *value)
{
	json_object_object_add(to, key, json_object_new_string(value));
}

static void add_peers(struct json_object *line, const struct compare *compare)
{
	struct json_object *versions = json_object_new_object();
	struct json_object *titles = json_object_new_object();
	struct json_object *left_out = json_object_new_object();

	for (uint32_t i = 0; i < peers_nr; i++) {
		add(titles, peers[i]->name, peers[i]->title);
		if (compare->take[i])
			add(versions, peers[i]->name, peers[i]->version());
		else if (compare->left_out[i][0] != '\0')
			add(left_out, peers[i]->name, compare->left_out[i]);
	}
	json_object_object_add(line, "peers", versions);
	json_object_object_add(line, "titles", titles);
	json_object_object_add(line, "left_out", left_out);
}

static void add_command(struct json_object *line, int argc, char **argv)
{
	char *text = NULL;
	size_t bytes;
	FILE *f = open_memstream(&text, &bytes);

	if (f == NULL)
		return;
	fputs("zerocore bench compare", f);
	for (int i = 1; i < argc; i++)
		fprintf(f, " %s", argv[i]);
	fclose(f);
	add(line, "command", text);
	free(text);
}

static void print(const struct compare *compare, struct json_object *line)
{
	static const char *const keys[] = { "cpu", "kernel", "load_average" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf("%s%s%s", i > 0 ? "; " : "",
		       i == 2 ? "load " : "",
		       json_object_get_string(
			       json_object_object_get(line, keys[i])));
	puts("\nx ring, x best: against the bare ring, and the best of the "
	     "others, of the same pass;\nless is better for times, more for "
	     "rates.  Each message is checked.");
	for (uint32_t i = 0; i < peers_nr; i++) {
		if (compare->take[i])
			printf("  %-14s %s, %s\n", peers[i]->name,
			       peers[i]->title, peers[i]->version());
		else if (compare->left_out[i][0] != '\0')
			printf("  %-14s left out: %s\n", peers[i]->name,
			       compare->left_out[i]);
	}
}

void machine_report(const struct compare *compare, int argc, char **argv)
{
	struct json_object *line = json_object_new_object();
	const char *plain;
	struct utsname name;
	char text[256];
	time_t now = time(NULL);

	uname(&name);
	add(line, "bench", "compare");
	add(line, "load", "machine");
	line_of_file("/proc/cpuinfo", "model name", text, sizeof(text));
	add(line, "cpu", text);
	json_object_object_add(line, "processors",
			       json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
	line_of_file("/proc/meminfo", "MemTotal", text, sizeof(text));
	add(line, "memory", text);
	add(line, "kernel", name.release);
	add(line, "machine", name.machine);
	line_of_file("/proc/loadavg", "", text, sizeof(text));
	add(line, "load_average", text);
	line_of_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "",
		     text, sizeof(text));
	add(line, "huge_pages_shmem", text);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", gmtime(&now));
	add(line, "date", text);
	bench_json_number(line, "timer_ns", bench_timer_cost_ns());
	json_object_object_add(line, "reps",
			       json_object_new_int64(compare->reps));
	bench_json_number(line, "budget_ms", (double)compare->budget_ns / 1e6);
	add_command(line, argc, argv);
	add_peers(line, compare);
	plain = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN);
	if (compare->output != NULL)
		fprintf(compare->output, "%s\n", plain);
	if (compare->json)
		puts(plain);
	else
		print(compare, line);
	fflush(NULL);
	json_object_put(line);
}
