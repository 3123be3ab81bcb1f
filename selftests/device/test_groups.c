/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_groups.c - members in memory control groups: who pays, and who waits.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"

#define MIB (1ULL << 20)
#define GROUP "/sys/fs/cgroup/zerocore-test"

/* A memory control group with that limit; skips the case where there are none. */
static void need_group(const char *limit, const char *bytes)
{
	close(d_open());
	if (mkdir(GROUP, 0755) || !d_set(limit, bytes)) {
		rmdir(GROUP);
		t_skip("no memory control groups here");
	}
}

static void enters_group(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK(d_set(GROUP "/cgroup.procs", pid));
}

static void creates_in_a_small_group(void *arg)
{
	struct zc_ioc_create create = d_create_of(ZC_PAGE_WISH_SMALL, 4 * MIB);
	int device = d_open();
	long before;

	(void)arg;
	enters_group();
	before = d_number_in(GROUP "/memory.current", NULL);
	CHECK_CALL(device, ZC_IOC_CREATE, &create, 0);
	CHECK_OP(d_number_in(GROUP "/memory.current", NULL) - before, >=, 4L << 20);
	close(create.fd);
	/* Beyond the limit of the group: refused, not killed. */
	create = d_create_of(ZC_PAGE_WISH_SMALL, 64 * MIB);
	CHECK_CALL(device, ZC_IOC_CREATE, &create, ENOMEM);
	t_leave();
}

/* The creator's memory control group pays. */
static void memory_is_charged_to_the_creator(void)
{
	struct t_peer *child;

	need_group(GROUP "/memory.max", "33554432");
	child = t_spawn("creator", creates_in_a_small_group, NULL);
	t_join(child);
	T_UNTIL(!rmdir(GROUP));
}

/* --- memory that its member has to wait for ------------------------------------------ */

static const char *instance(uint64_t n)
{
	static char name[ZC_NAME_BYTES];

	snprintf(name, sizeof(name), "x%llu", (unsigned long long)n);
	return name;
}

static void joins_beyond_its_limit(void *arg)
{
	struct d_member m;
	char *ballast;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, 0);
	enters_group();
	ballast = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(ballast != MAP_FAILED);
	t_say(t_parent(), "ready");
	for (;;) {
		uint64_t n = t_hear_number(t_parent(), "join");
		struct zc_ioc_reader reader;

		reader = d_reader(&m, instance(n), 0);
		t_say(t_parent(), "joined");
		CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &reader, 0);
	}
}

/* Is it made to wait for the memory of a role? */
static bool waits_for_memory(const struct t_peer *peer)
{
	char path[32], stack[4096];
	size_t bytes;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stack", (int)peer->pid);
	file = fopen(path, "re");
	CHECK(file);
	bytes = fread(stack, 1, sizeof(stack) - 1, file);
	fclose(file);
	stack[bytes] = '\0';
	return strstr(stack, "zc_pages_get") && strstr(stack, "handle_over_high");
}

/*
 * Lets it join, and makes a call while it waits in there.  Had the call to wait for the
 * same, it would be over.
 */
static bool goes_on_meanwhile(struct d_member *m, struct t_peer *peer)
{
	struct zc_ioc_stat stat;
	bool done = false;

	t_say(peer, "join");
	T_UNTIL(t_can_hear(peer) || waits_for_memory(peer));
	while (!done && !t_can_hear(peer)) {
		if (!waits_for_memory(peer))
			continue;
		CHECK_CALL(m->fd, ZC_IOC_STAT, &stat, 0);
		done = waits_for_memory(peer);
	}
	if (!done)
		t_hear(peer, "joined");
	return done;
}

/* Who is over the limit of his group waits alone; the pool's other members do not. */
static void memory_is_waited_for_alone(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer[2];
	unsigned int tries = 20;
	struct d_member m;

	need_group(GROUP "/memory.high", "max");
	for (int i = 0; i < 2; i++)
		peer[i] = t_spawn("joiner", joins_beyond_its_limit, NULL);
	/* Regions that are large enough to be made to wait for. */
	arg.max_holds = 65536;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	for (int i = 0; i < 2; i++) {
		t_say(peer[i], "go");
		t_hear(peer[i], "ready");
	}
	CHECK(d_set(GROUP "/memory.high", "1048576"));
	/* For the region of a service. */
	CHECK(goes_on_meanwhile(&m, peer[0]));
	t_kill(peer[0]);
	/* For a reader's, which is soon there. */
	d_reader(&m, instance(0), 0);
	while (!goes_on_meanwhile(&m, peer[1]))
		CHECK(--tries);
	t_kill(peer[1]);
	T_UNTIL(!rmdir(GROUP));
}

/* Half of it is there, and it is made to wait for the rest.  False: it did not wait. */
static bool stopped_halfway(struct d_member *m, struct t_peer *peer, uint64_t n,
			    struct zc_ioc_writer *writer)
{
	t_say_number(peer, "join", n);
	/* Its own region comes first. */
	d_event(m->fd, ZC_DEVICE_EVENT_SERVICE_ADDED);
	T_UNTIL(t_can_hear(peer) || waits_for_memory(peer));
	*writer = d_writer(m, instance(n));
	if (waits_for_memory(peer))
		return true;
	CHECK_CALL(m->fd, ZC_IOC_WRITER_LEAVE, writer, 0);
	t_hear(peer, "joined");
	return false;
}

/* Who gets memory for a role, and is killed at it, takes nothing from who got it, too. */
static void memory_of_a_role_stays(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct zc_ioc_writer writer;
	struct t_peer *peer;
	struct d_member m;
	uint64_t n = 0;
	char *area;

	need_group(GROUP "/memory.high", "max");
	peer = t_spawn("joiner", joins_beyond_its_limit, NULL);
	arg.max_holds = 65536;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	t_say(peer, "go");
	t_hear(peer, "ready");
	CHECK(d_set(GROUP "/memory.high", "1048576"));
	while (!stopped_halfway(&m, peer, n, &writer))
		CHECK_OP(++n, <, 20);
	area = m.writers + m.g.off_writer_areas - m.g.off_hints +
	       writer.service * m.g.writer_area_bytes;
	for (uint64_t i = 0; i < m.g.writer_area_bytes; i += 4096)
		area[i + 4095] = 1;
	t_kill(peer);
	T_UNTIL(d_record(&m, 1)->life >> 32 == 1 &&
		(d_record(&m, 1)->life & 0xffff) == ZC_LIFE_IDLE);
	for (uint64_t i = 0; i < m.g.writer_area_bytes; i += 4096) {
		CHECK_EQ(area[i + 4095], 1);
		area[i + 4095] = 0;
	}
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
	T_UNTIL(!rmdir(GROUP));
}

static void looks_where_memory_was(void *arg)
{
	struct d_member m;
	char *data;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, 0);
	data = d_data(&m, 1, PROT_READ);
	enters_group();
	t_say(t_parent(), "there");
	for (uint64_t i = 0; i < 64 * MIB; i += 4096)
		(void)*(volatile char *)(data + i);
	t_say(t_parent(), "end");
	pause();
}

/* Who is led to more than his group may have ends as anybody does, and does not hang. */
static void memory_that_is_another_s_ends_its_user(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_SMALL, 64 * MIB);
	struct zc_ioc_segment segment = { .segment = 0 };
	struct t_peer *child;
	struct d_member m;

	need_group(GROUP "/memory.max", "33554432");
	child = t_spawn("reader", looks_where_memory_was, NULL);
	arg.max_segments = 2;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	t_say(child, "go");
	t_hear(child, "there");
	segment = (struct zc_ioc_segment){ .segment = 1 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, 0);
	CHECK(!t_wait_stopped(child));
	d_leave(&m);
	T_UNTIL(!rmdir(GROUP));
}

/* --- groups that are frozen ------------------------------------------------------------ */

#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"
#define FREEZER "/run/zerocore-freezer"
#define FROZEN FREEZER "/test"

static void creates_all_the_time(void *arg)
{
	uint64_t *created = arg;
	int device = d_open();

	for (;;) {
		struct zc_ioc_create create = d_create_of(ZC_PAGE_WISH_HUGETLB, 32 * MIB);
		int error;

		/* There are four times as many; but what was closed goes a little later. */
		T_UNTIL((error = d_call(device, ZC_IOC_CREATE, &create)) != ENOMEM);
		CHECK_EQ(error, 0);
		close(create.fd);
		__atomic_add_fetch(created, 1, __ATOMIC_RELAXED);
	}
}

static bool is_frozen(void)
{
	char state[16] = "";
	FILE *file = fopen(FROZEN "/freezer.state", "re");

	CHECK(file);
	CHECK(fgets(state, sizeof(state), file));
	fclose(file);
	return !strcmp(state, "FROZEN\n");
}

/* A freezer of the old kind tells once: who is in a call then stops when it returns. */
static void creator_can_be_frozen(void)
{
	uint64_t *created = t_shared(sizeof(*created));
	struct t_peer *child;
	char pid[16];

	close(d_open());
	if (mkdir(FREEZER, 0755) || mount("none", FREEZER, "cgroup", 0, "freezer") ||
	    mkdir(FROZEN, 0755))
		t_skip("no freezer of the old kind here");
	if (!d_set(NR_HUGEPAGES, "64") || d_number_in(NR_HUGEPAGES, NULL) < 64)
		t_skip("no huge pages to be had");
	child = t_spawn("creator", creates_all_the_time, created);
	snprintf(pid, sizeof(pid), "%d", (int)child->pid);
	CHECK(d_set(FROZEN "/cgroup.procs", pid));
	for (unsigned int i = 0; i < 10; i++) {
		uint64_t before = __atomic_load_n(created, __ATOMIC_RELAXED);

		T_UNTIL(__atomic_load_n(created, __ATOMIC_RELAXED) != before);
		CHECK(d_set(FROZEN "/freezer.state", "FROZEN"));
		before = __atomic_load_n(created, __ATOMIC_RELAXED);
		while (!is_frozen())
			CHECK_OP(__atomic_load_n(created, __ATOMIC_RELAXED), <, before + 3);
		CHECK(d_set(FROZEN "/freezer.state", "THAWED"));
	}
	t_kill(child);
	CHECK(d_set(NR_HUGEPAGES, "0"));
	T_UNTIL(!rmdir(FROZEN));
	CHECK(!umount(FREEZER) && !rmdir(FREEZER));
}

static const struct t_case cases[] = {
	T_CASE(memory_is_charged_to_the_creator),
	T_CASE(memory_that_is_another_s_ends_its_user),
	T_CASE(memory_is_waited_for_alone),
	T_CASE(memory_of_a_role_stays),
	T_CASE(creator_can_be_frozen),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
