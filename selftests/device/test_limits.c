/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_limits.c - nobody gets more than his share: of places, of memory, of time.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "device.h"

#define MIB (1ULL << 20)
#define MBYTES_MAX "/sys/module/zerocore/parameters/pool_mbytes_max"

/* --- places ---------------------------------------------------------------------- */

static void takes_all_services(void *arg)
{
	struct zc_ioc_reader reader = { .flags = 0 };
	struct d_member m;
	uint32_t taken = 0;
	int pool, error;
	char name[16];

	(void)arg;
	t_hear(t_parent(), "go");
	pool = d_open_pool(0);
	d_drop(1000, 1000);
	d_join(&m, pool, 0);
	do {
		snprintf(name, sizeof(name), "mine-%u", taken);
		memset(&reader, 0, sizeof(reader));
		d_service(reader.name, name);
		error = d_call(m.fd, ZC_IOC_READER_JOIN, &reader);
		taken += !error;
	} while (!error && taken < 100);
	CHECK_EQ(error, ENOSPC);
	CHECK_EQ(taken, ZC_MAX_WRITERS / 2);
	/* What is there, it may read. */
	d_reader(&m, "writer-0", 0);
	/* And of what it made, more: that takes no other place. */
	memset(&reader, 0, sizeof(reader));
	d_service(reader.name, "mine-0");
	CHECK_CALL(m.fd, ZC_IOC_READER_JOIN, &reader, 0);
	t_say(t_parent(), "taken");
	t_hear(t_parent(), "end");
}

static void limits_services_that_readers_make(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer = t_spawn("taker", takes_all_services, NULL);
	struct d_member m;
	char name[16];

	arg.mode = 0644;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	d_writer(&m, "writer-0");
	t_say(peer, "go");
	t_hear(peer, "taken");
	for (uint32_t i = 1; i < ZC_MAX_WRITERS / 2; i++) {
		snprintf(name, sizeof(name), "writer-%u", i);
		d_writer(&m, name);
	}
	/* A writer that comes makes the service its own. */
	d_writer(&m, "mine-3");
	t_say(peer, "end");
	t_join(peer);
}

/* A service that is not there, until @m gets none any more, or as many as @most. */
static uint32_t makes_services(struct d_member *m, uint32_t most, bool stay)
{
	uint32_t made;

	for (made = 0; made < most; made++) {
		struct zc_ioc_reader reader = { .flags = 0 };
		char name[16];
		int error;

		snprintf(name, sizeof(name), "mine-%u", made);
		d_service(reader.name, name);
		error = d_call(m->fd, ZC_IOC_READER_JOIN, &reader);
		if (error) {
			CHECK_EQ(error, ENOSPC);
			break;
		}
		if (!stay)
			CHECK_CALL(m->fd, ZC_IOC_READER_LEAVE, &reader, 0);
	}
	return made;
}

static void makes_and_leaves_services(void *arg)
{
	struct d_member m;

	(void)arg;
	t_hear(t_parent(), "go");
	d_drop(1000, 1000);
	d_enter(&m, 0);
	/* One after the other, as many as it likes: its own make room. */
	CHECK_EQ(makes_services(&m, 3 * ZC_MAX_WRITERS, false), 3 * ZC_MAX_WRITERS);
	/* And by coming back to them it gets no more than its share. */
	CHECK_EQ(makes_services(&m, 3 * ZC_MAX_WRITERS, true), ZC_MAX_WRITERS / 2);
	t_say(t_parent(), "made");
	t_hear(t_parent(), "end");
}

/* What a writer left is there for readers that are late, though nobody is at it now. */
static void limits_what_readers_remove(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer = t_spawn("maker", makes_and_leaves_services, NULL);
	uint64_t words[ZC_MAX_WRITERS / 2];
	struct zc_ioc_writer writer;
	struct d_member m;
	char name[16];

	close(d_open());
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	arg.mode = 0644;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	for (uint32_t i = 0; i < ZC_MAX_WRITERS / 2; i++) {
		snprintf(name, sizeof(name), "writer-%u", i);
		writer = d_writer(&m, name);
		CHECK_EQ(writer.service, i);
		CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
		words[i] = d_slot(&m, i)->service;
	}
	t_say(peer, "go");
	t_hear(peer, "made");
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0660));
	/* Each touch of an entry would make its version grow. */
	for (uint32_t i = 0; i < ZC_MAX_WRITERS / 2; i++)
		CHECK_EQ(d_slot(&m, i)->service, words[i]);
	/* Whoever may write may do that. */
	d_writer(&m, "one-more");
	t_say(peer, "end");
	t_join(peer);
}

/* How many places for readers of a service are there for the caller? */
static uint32_t takes_places(struct d_member *m)
{
	uint32_t taken = 0;
	int error;

	do {
		struct zc_ioc_reader reader = { .flags = 0 };

		d_service(reader.name, "read");
		error = d_call(m->fd, ZC_IOC_READER_JOIN, &reader);
		taken += !error;
	} while (!error);
	CHECK_EQ(error, EUSERS);
	return taken;
}

static void takes_all_places(void *arg)
{
	const uint32_t *uid = arg;
	struct d_member m, more;

	t_hear(t_parent(), "go");
	d_drop(*uid, *uid);
	d_enter(&m, 0);
	CHECK_EQ(takes_places(&m), ZC_MAX_READERS_PER / 2);
	/* It is the user who has a share. */
	d_enter(&more, 0);
	CHECK_EQ(takes_places(&more), 0);
	t_say(t_parent(), "taken");
	t_hear(t_parent(), "end");
}

static void limits_places_of_a_user_who_reads(void)
{
	uint32_t uid = 1000;
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer = t_spawn("taker", takes_all_places, &uid);
	struct d_member m;

	close(d_open());
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	arg.mode = 0644;
	d_join(&m, d_create_with(&arg), 0);
	/* What others have is not a part of anybody's share. */
	d_reader(&m, "read", 0);
	t_say(peer, "go");
	t_hear(peer, "taken");
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0660));
	/* The owner's may have what there is, though it may only read. */
	CHECK_EQ(takes_places(&m), ZC_MAX_READERS_PER / 2 - 1);
	t_say(peer, "end");
	t_join(peer);
}

static void takes_all_records(void *arg)
{
	struct zc_ioc_join join = { .flags = 0 };
	uint32_t taken = 0;
	int error;

	(void)arg;
	t_hear(t_parent(), "go");
	d_drop(1001, 1001);
	do {
		error = d_call(d_open_pool(0), ZC_IOC_JOIN, &join);
		taken += !error;
		memset(&join, 0, sizeof(join));
	} while (!error && taken < 2 * ZC_MAX_MEMBERS);
	CHECK_EQ(error, EUSERS);
	CHECK_EQ(taken, ZC_MAX_MEMBERS / 2);
	t_say(t_parent(), "taken");
	t_hear(t_parent(), "end");
}

static void limits_records_of_those_who_read(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer = t_spawn("taker", takes_all_records, NULL);
	struct d_member m;

	close(d_open());
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	arg.mode = 0644;
	CHECK(d_create_with(&arg) >= 0);
	t_say(peer, "go");
	t_hear(peer, "taken");
	d_enter(&m, ZC_JOIN_WRITE);
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0660));
	t_say(peer, "end");
	t_join(peer);
}

/* --- memory ------------------------------------------------------------------------ */

static struct zc_ioc_create of(uint64_t bytes, unsigned int n)
{
	struct zc_ioc_create arg = d_create_arg(n);

	arg.bytes = bytes;
	arg.segment_bytes = bytes;
	return arg;
}

/* What is still mapped is still paid for, whoever left and whatever has no name. */
static void keeps_what_it_left(void *arg)
{
	struct zc_ioc_create first = of(4 * MIB, 0), second = of(4 * MIB, 1);
	struct zc_ioc_open named = { .flags = 0 };
	int device = *(int *)arg;
	struct d_member m;
	char *data;

	d_drop(1000, 1000);
	memcpy(named.name, first.name, sizeof(named.name));
	CHECK_CALL(device, ZC_IOC_CREATE, &first, 0);
	CHECK_CALL(device, ZC_IOC_CREATE, &second, EDQUOT);
	d_join(&m, first.fd, ZC_JOIN_WRITE);
	data = d_data(&m, 0, PROT_READ | PROT_WRITE);
	d_leave(&m);
	data[0] = 1;
	/* The pool has no name any more, so that it must be on its way out. */
	T_UNTIL(d_call(device, ZC_IOC_OPEN, &named) == ENOENT);
	CHECK_CALL(device, ZC_IOC_CREATE, &second, EDQUOT);
	CHECK_EQ(data[0], 1);
	CHECK(!munmap(data, m.g.segment_bytes));
	T_UNTIL(!d_call(device, ZC_IOC_CREATE, &second));
}

static void limits_last_as_long_as_the_memory(void)
{
	int device = d_open();

	CHECK(d_set(MBYTES_MAX, "6"));
	d_child(keeps_what_it_left, &device);
	CHECK(d_set(MBYTES_MAX, "0"));
}

static void swaps_segments(void *arg)
{
	struct zc_ioc_create create = of(2 * MIB, 0);
	struct zc_ioc_segment segment = { .segment = 0 };
	int device = *(int *)arg;
	struct d_member m;
	char *data;

	d_drop(1001, 1001);
	create.max_segments = 8;
	CHECK_CALL(device, ZC_IOC_CREATE, &create, 0);
	d_join(&m, create.fd, ZC_JOIN_WRITE);
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	CHECK_EQ(segment.segment, 1);
	data = d_data(&m, 1, PROT_READ | PROT_WRITE);
	segment.page_kind = 0;
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, 0);
	/* Whoever has it mapped may get memory there all the same. */
	data[0] = 1;
	create.name[0]++;
	CHECK_CALL(device, ZC_IOC_CREATE, &create, EDQUOT);
	for (uint32_t i = 0; i < 3; i++) {
		segment = (struct zc_ioc_segment){ .segment = 0 };
		CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
		CHECK_EQ(segment.segment, 1);
		segment.page_kind = 0;
		CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, 0);
	}
	segment = (struct zc_ioc_segment){ .segment = 0 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	segment = (struct zc_ioc_segment){ .segment = 0 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, EDQUOT);
}

static void limits_count_segments_without_memory(void)
{
	int device = d_open();

	CHECK(d_set(MBYTES_MAX, "6"));
	d_child(swaps_segments, &device);
	CHECK(d_set(MBYTES_MAX, "0"));
}

/* A number of /proc/meminfo, in KiB. */
static long meminfo(const char *key)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[256];
	long kib = -1;

	CHECK(file);
	while (kib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kib = atol(line + strlen(key));
	fclose(file);
	CHECK_OP(kib, >=, 0);
	return kib;
}

/* Does a look at that page find one? */
static bool page_is_there(const char *at)
{
	return !madvise((void *)at, 4096, MADV_POPULATE_READ);
}

static void looks_at_all_control(void *arg)
{
	struct zc_ioc_create create = of(MIB, 0);
	struct zc_ioc_segment segment = { .segment = 0 };
	uint64_t off, bytes, descs;
	int device = *(int *)arg;
	struct d_member m;
	long before;

	d_drop(1002, 1002);
	create.granule_bytes = 64;
	create.max_segments = 64;
	CHECK_CALL(device, ZC_IOC_CREATE, &create, 0);
	d_join(&m, create.fd, ZC_JOIN_WRITE);
	bytes = m.g.control_bytes - m.g.off_hints;
	descs = m.g.off_descs - m.g.off_hints;
	before = meminfo("Shmem:");
	for (off = descs; off < bytes; off += 4096)
		page_is_there(m.writers + off);
	CHECK_OP(meminfo("Shmem:"), <, before + (4 << 10));
	/* Those of the first segment are there, of the last not, of the others when they come. */
	for (off = 0; off < m.g.segment_granules; off += 64)
		CHECK(page_is_there((const char *)(d_descs(&m) + off)));
	CHECK(!page_is_there(m.writers + bytes - 4096));
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	CHECK_EQ(segment.segment, 1);
	CHECK(page_is_there((const char *)(d_descs(&m) + 2 * m.g.segment_granules - 64)));
	d_leave(&m);
}

/* To look where nothing is yet makes nothing, whoever would have to pay for it. */
static void limits_hold_where_nothing_is(void)
{
	int device = d_open();

	CHECK(d_set(MBYTES_MAX, "6"));
	d_child(looks_at_all_control, &device);
	CHECK(d_set(MBYTES_MAX, "0"));
}

#define LEAVINGS 2000

static long kernel_has(void)
{
	return meminfo("Slab:") + meminfo("Shmem:") + meminfo("VmallocUsed:");
}

/* Whoever leaves and keeps his lease's mapping keeps no more than that. */
static void limits_what_leavers_keep(void)
{
	struct zc_ioc_join join;
	int fd = d_create();
	long before;

	before = kernel_has();
	for (int i = 0; i < LEAVINGS; i++) {
		join = (struct zc_ioc_join){ .flags = ZC_JOIN_WRITE };
		CHECK_CALL(fd, ZC_IOC_JOIN, &join, 0);
		CHECK(d_map(fd, ZC_MAP_LEASE, 0, 4096, PROT_NONE) != MAP_FAILED);
		CHECK_CALL(fd, ZC_IOC_LEAVE, NULL, 0);
	}
	CHECK_OP(kernel_has(), <, before + LEAVINGS * 8);
}

/* --- what a writer can spoil -------------------------------------------------------- */

static void dies_with_a_block(void *arg)
{
	struct d_member m;

	(void)arg;
	t_hear(t_parent(), "go");
	d_enter(&m, ZC_JOIN_WRITE);
	d_writer(&m, "victim");
	t_say_number(t_parent(), "member", m.index);
	pause();
}

/* A segment that cannot be walked keeps what is in it, and not the dead. */
static void limits_what_garbage_does_to_the_dead(void)
{
	static const uint64_t garbage[] = { ~0ULL, 3, 0x00ffffff00000003ULL };
	struct t_peer *peer[3];
	struct d_member m;

	for (unsigned int i = 0; i < 3; i++)
		peer[i] = t_spawn("victim", dies_with_a_block, NULL);
	d_join(&m, d_create(), ZC_JOIN_WRITE);
	for (unsigned int i = 0; i < 3; i++) {
		struct zc_device_event event;
		struct zc_ioc_writer again;
		uint32_t member;

		d_descs(&m)[0].word = garbage[i];
		t_say(peer[i], "go");
		member = (uint32_t)t_hear_number(peer[i], "member");
		t_kill(peer[i]);
		event = d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_DIED);
		CHECK_EQ(event.member, member);
		again = d_writer(&m, "victim");
		CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &again, 0);
	}
}

static const struct t_case cases[] = {
	T_CASE(limits_services_that_readers_make),
	T_CASE(limits_what_readers_remove),
	T_CASE(limits_places_of_a_user_who_reads),
	T_CASE(limits_records_of_those_who_read),
	T_CASE(limits_last_as_long_as_the_memory),
	T_CASE(limits_count_segments_without_memory),
	T_CASE(limits_hold_where_nothing_is),
	T_CASE(limits_what_leavers_keep),
	T_CASE(limits_what_garbage_does_to_the_dead),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
