/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_creation.c - how a pool begins and ends: by several at once, without a free
 * descriptor, with its namespace.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "device.h"

#define RACERS 4

/* --- pools ---------------------------------------------------------------------------- */

struct race {
	uint64_t ready, go, made, refused, done, end;
};

static void load_all(uint64_t *word, uint64_t at_least)
{
	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) < at_least)
		sched_yield();
}

static void add_one(uint64_t *word)
{
	__atomic_fetch_add(word, 1, __ATOMIC_SEQ_CST);
}

static void races(void *arg)
{
	struct race *race = arg;
	struct zc_ioc_create create = d_create_arg(0);
	int device = d_open(), error;

	/* It takes a while: the others are under way before the first has its name. */
	create.bytes = create.segment_bytes = 16 << 20;
	add_one(&race->ready);
	load_all(&race->go, 1);
	error = d_call(device, ZC_IOC_CREATE, &create);
	CHECK(error == 0 || error == EEXIST);
	add_one(error ? &race->refused : &race->made);
	add_one(&race->done);
	load_all(&race->end, 1);
}

/* One name, one pool, however many make it at once; and the others pay for nothing. */
static void creation_at_once_is_of_one(void)
{
	struct race *race = t_shared(sizeof(*race));
	struct t_peer *peer[RACERS];
	struct zc_ioc_stat stat;
	int fd;

	close(d_open());
	for (int i = 0; i < RACERS; i++)
		peer[i] = t_spawn("racer", races, race);
	load_all(&race->ready, RACERS);
	add_one(&race->go);
	load_all(&race->done, RACERS);
	CHECK_EQ(race->made, 1);
	CHECK_EQ(race->refused, RACERS - 1);
	fd = d_open_pool(0);
	CHECK_CALL(fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 1);
	add_one(&race->end);
	for (int i = 0; i < RACERS; i++)
		t_join(peer[i]);
	close(fd);
	CHECK_EQ(d_unlink(0), ENOENT);
}

/* What cannot be handed over is not there. */
static void creation_wants_a_descriptor(void)
{
	struct zc_ioc_create create = d_create_arg(0);
	struct zc_ioc_open open_arg = { .flags = 0 };
	struct rlimit all, none;
	int device = d_open(), fd;

	CHECK(!getrlimit(RLIMIT_NOFILE, &all));
	none = all;
	/* The next one is the device's number and one. */
	none.rlim_cur = (rlim_t)device + 1;
	CHECK(!setrlimit(RLIMIT_NOFILE, &none));
	create.flags = ZC_CREATE_PERSIST;
	CHECK_CALL(device, ZC_IOC_CREATE, &create, EMFILE);
	CHECK(!setrlimit(RLIMIT_NOFILE, &all));
	CHECK_EQ(d_unlink(0), ENOENT);
	fd = d_create();
	CHECK(!setrlimit(RLIMIT_NOFILE, &none));
	d_name(open_arg.name, 0);
	CHECK_CALL(device, ZC_IOC_OPEN, &open_arg, EMFILE);
	CHECK(!setrlimit(RLIMIT_NOFILE, &all));
	close(fd);
	T_UNTIL(d_unlink(0) == ENOENT);
}

/* How many pools of this case there are, in whichever namespace; -1: nobody tells. */
static int pools_there(void)
{
	DIR *dir = opendir("/sys/kernel/debug/zerocore");
	struct dirent *entry;
	int nr = 0;

	if (!dir)
		return -1;
	while ((entry = readdir(dir)))
		nr += !strncmp(entry->d_name, t_name(0), strlen(t_name(0))) ||
		      !strncmp(entry->d_name, t_name(1), strlen(t_name(1)));
	closedir(dir);
	return nr;
}

static void leaves_pools_in_its_namespace(void *arg)
{
	int *error = arg;

	if (unshare(CLONE_NEWNET)) {
		*error = errno;
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		struct zc_ioc_create create = d_create_arg(i);

		create.flags = ZC_CREATE_PERSIST;
		close(d_create_with(&create));
	}
	CHECK(pools_there() == 2 || pools_there() == -1);
}

/* The names go with it, and the pools that only had a name with them. */
static void creation_ends_with_its_namespace(void)
{
	int *error = t_shared(sizeof(*error));

	close(d_open());
	d_child(leaves_pools_in_its_namespace, error);
	if (*error)
		t_skip("no network namespaces here");
	if (pools_there() < 0)
		t_skip("no debugfs here");
	T_UNTIL(pools_there() == 0);
	CHECK_EQ(d_unlink(0), ENOENT);
}

static const struct t_case cases[] = {
	T_CASE(creation_at_once_is_of_one),
	T_CASE(creation_wants_a_descriptor),
	T_CASE(creation_ends_with_its_namespace),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
