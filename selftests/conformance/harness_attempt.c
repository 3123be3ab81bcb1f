/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_attempt.c - each call that can fail does, one after the other.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness_fault.h"

#define T_ROUNDS 3

/* What a process and its folders have. */
struct t_things {
	unsigned int files;
	unsigned int descriptors;
	uint64_t mapped;
};

static unsigned int t_count(const char *path, bool tell)
{
	char name[4400], link[4096];
	unsigned int nr = 0;
	struct dirent *e;
	DIR *dir = opendir(path);
	ssize_t bytes;

	CHECK(dir);
	while ((e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		nr++;
		if (!tell)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		bytes = readlink(name, link, sizeof(link) - 1);
		link[bytes > 0 ? bytes : 0] = '\0';
		t_note("%s %s", name, link);
	}
	closedir(dir);
	return nr;
}

static struct t_things t_things(const struct t_attempt *a, bool tell)
{
	return (struct t_things){
		.files = t_count(t_folder(), tell) +
			 (a->folder ? t_count(a->folder, tell) : 0),
		.descriptors = t_count("/proc/self/fd", tell),
		.mapped = t_fault_mapped(),
	};
}

static void t_same(const struct t_attempt *a, const struct t_things *then, const char *what)
{
	struct t_things now = t_things(a, false);

	if (now.files == then->files && now.descriptors == then->descriptors &&
	    now.mapped == then->mapped)
		return;
	t_things(a, true);
	T_FAIL("%s: %u files, %u descriptors, %llu bytes mapped; before: %u, %u, %llu",
	       what, now.files, now.descriptors, (unsigned long long)now.mapped,
	       then->files, then->descriptors, (unsigned long long)then->mapped);
}

static zc_result_t t_result_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ZC_ERROR_PERMISSION;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ZC_ERROR_NO_MEMORY;
	case ENOENT:
		return ZC_ERROR_NOT_FOUND;
	}
	return ZC_ERROR_SYSTEM;
}

static void t_call(void (*fn)(void))
{
	if (fn)
		fn();
}

/* Returns false: fewer than @nth calls were made. */
static bool t_try(const struct t_attempt *a, unsigned int nth, unsigned int round)
{
	struct t_things start = t_things(a, false), then;
	char what[256], sentence[128];
	const char *failed;
	zc_result_t result;

	t_call(a->before);
	then = t_things(a, false);
	/* A sentence that nothing else says. */
	zc_pool_list(NULL, NULL);
	snprintf(sentence, sizeof(sentence), "%s", zc_last_error());
	t_fault_nth(nth, round);
	result = a->act();
	failed = t_fault_end();
	snprintf(what, sizeof(what), "%s: call %u, round %u: %s fails (%s): %s", a->name, nth,
		 round, failed ? failed : "none",
		 failed ? strerrorname_np(t_fault_error()) : "", zc_strerror(result));
	if (getenv("ZC_TEST_TELL"))
		t_note("%s (%s)", what, result ? zc_last_error() : "");
	if (result != ZC_OK) {
		if (!failed)
			T_FAIL("%s", what);
		if (result != t_result_of(t_fault_error()) &&
		    (!a->excused || !a->excused(failed, result)))
			T_FAIL("%s", what);
		if (!*zc_last_error() || !strcmp(sentence, zc_last_error()))
			T_FAIL("%s: without a sentence", what);
		if (!a->removes && !a->partly)
			t_same(a, &then, what);
		result = a->act();
		if (result != ZC_OK && !(a->removes && result == ZC_ERROR_NOT_FOUND))
			T_FAIL("%s, and then %s", what, zc_strerror(result));
	}
	if (a->undo) {
		a->undo();
		t_same(a, &then, what);
	}
	t_call(a->after);
	t_same(a, &start, what);
	return failed;
}

void t_attempt(const struct t_attempt *a)
{
	unsigned int nth, round, calls = 0;

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	mallopt(M_ARENA_MAX, 1);
	/* What a process makes once. */
	t_call(a->before);
	CHECK_OK(a->act());
	t_call(a->undo);
	t_call(a->after);
	for (round = 0; round < T_ROUNDS; round++) {
		for (nth = 1; t_try(a, nth, round); nth++)
			calls++;
		CHECK_OP(nth, >, 1);
	}
	t_note("%s: %u calls failed", a->name, calls);
}
