/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_rights.c - who may do what: users, modes, namespaces, descriptors passed on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "device.h"

struct stranger {
	uint32_t uid, gid;
	int open;	/* errno that opening comes to */
	int write;	/* errno that joining as a writer comes to */
};

static void is_a_stranger(void *ctx)
{
	struct stranger *s = ctx;
	struct zc_ioc_open arg = { .flags = 0 };
	struct zc_ioc_join join = { .flags = ZC_JOIN_WRITE };
	int device = d_open();

	d_drop(s->uid, s->gid);
	d_name(arg.name, 0);
	CHECK_CALL(device, ZC_IOC_OPEN, &arg, s->open);
	CHECK_EQ(d_unlink(0), EPERM);
	if (s->open)
		return;
	CHECK_CALL(arg.fd, ZC_IOC_JOIN, &join, s->write);
	if (s->write) {
		struct zc_ioc_writer writer = { .lag_limit = 1 };
		struct zc_ioc_segment segment = { 0 };
		struct zc_ioc_cleaner cleaner = { 0 };
		struct d_member m;

		d_join(&m, arg.fd, ZC_JOIN_TRY_WRITE);
		CHECK(!m.may_write);
		CHECK_EQ(d_record(&m, m.index)->caps & ZC_CAP_WRITE, 0);
		d_service(writer.name, "x");
		CHECK_CALL(m.fd, ZC_IOC_WRITER_JOIN, &writer, EACCES);
		CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, EACCES);
		CHECK_CALL(m.fd, ZC_IOC_CLEANER_JOIN, &cleaner, EACCES);
		CHECK_MAP(m.fd, ZC_MAP_WRITERS, 0, 4096, PROT_READ | PROT_WRITE,
			  EACCES);
		CHECK_MAP(m.fd, ZC_MAP_DATA, 0, m.g.segment_bytes,
			  PROT_READ | PROT_WRITE, EACCES);
		d_reader(&m, "x", 0);
		CHECK(d_data(&m, 0, PROT_READ));
	}
}

static void rights_follow_the_mode(void)
{
	static const struct {
		uint32_t mode;
		struct stranger who;
	} rows[] = {
		{ 0600, { 1000, 1000, EACCES, 0 } },
		{ 0604, { 1000, 1000, 0, EACCES } },
		{ 0606, { 1000, 1000, 0, 0 } },
		{ 0660, { 1000, 0, 0, 0 } },
		{ 0640, { 1000, 0, 0, EACCES } },
		{ 0640, { 1000, 1000, EACCES, 0 } },
		/* As with files: the group is judged as the group. */
		{ 0606, { 1000, 0, EACCES, 0 } },
		{ 0602, { 1000, 1000, EACCES, 0 } },
	};

	struct stat st;

	close(d_open());
	CHECK(!stat("/dev/" ZC_DEVICE_NAME, &st));
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct zc_ioc_create arg = d_create_arg(0);
		struct stranger who = rows[i].who;
		int fd;

		arg.mode = rows[i].mode;
		fd = d_create_with(&arg);
		t_note("mode %04o, user %u, group %u", rows[i].mode, who.uid,
		       who.gid);
		d_child(is_a_stranger, &who);
		close(fd);
		CHECK_EQ(d_unlink(0), ENOENT);
	}
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, st.st_mode & 07777));
}

static void uses_what_it_was_given(void *ctx)
{
	struct d_member *m = ctx;
	struct zc_ioc_writer writer = { .lag_limit = 1 };
	struct zc_ioc_reader reader = { .flags = 0 };
	struct zc_ioc_stat stat;
	struct d_member mine;
	char c;

	d_service(writer.name, "x");
	d_service(reader.name, "x");
	/* The descriptor says nothing about the process that has it now. */
	CHECK_CALL(m->fd, ZC_IOC_WRITER_JOIN, &writer, EPERM);
	CHECK_CALL(m->fd, ZC_IOC_READER_JOIN, &reader, EPERM);
	CHECK_CALL(m->fd, ZC_IOC_LEAVE, NULL, EPERM);
	CHECK_MAP(m->fd, ZC_MAP_KERNEL, 0, 4096, PROT_READ, EPERM);
	CHECK_MAP(m->fd, ZC_MAP_DATA, 0, m->g.segment_bytes, PROT_READ, EPERM);
	CHECK(read(m->fd, &c, 1) < 0 && errno == EPERM);
	CHECK_CALL(m->fd, ZC_IOC_STAT, &stat, 0);
	/* The parent's mappings are not here. */
	CHECK(msync(m->kernel, 4096, MS_ASYNC) < 0 && errno == ENOMEM);
	CHECK(msync(m->lease, 4096, MS_ASYNC) < 0 && errno == ENOMEM);
	/* Its own membership is judged by its own credentials. */
	d_drop(1000, 1000);
	CHECK_EQ(d_call(m->fd, ZC_IOC_JOIN,
			&(struct zc_ioc_join){ .flags = ZC_JOIN_WRITE }),
		 EACCES);
	CHECK_EQ(d_call(m->fd, ZC_IOC_JOIN, &(struct zc_ioc_join){ 0 }), 0);
	mine = (struct d_member){ .fd = m->fd };
	mine.lease = d_map(m->fd, ZC_MAP_LEASE, 0, 4096, PROT_NONE);
	CHECK(mine.lease != MAP_FAILED);
	CHECK_MAP(m->fd, ZC_MAP_DATA, 0, m->g.segment_bytes,
		  PROT_READ | PROT_WRITE, EACCES);
	CHECK_CALL(m->fd, ZC_IOC_LEAVE, NULL, 0);
}

static void rights_are_the_process_s_not_the_descriptor_s(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct zc_ioc_writer writer;
	struct d_member m;

	arg.mode = 0644;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	d_child(uses_what_it_was_given, &m);
	writer = d_writer(&m, "x");
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
}

static void looks_for_the_name(void *ctx)
{
	struct zc_ioc_open arg = { .flags = 0 };
	struct zc_ioc_list list = { 0 };
	int device = d_open(), fd;

	(void)ctx;
	if (unshare(CLONE_NEWNET))
		t_skip("no network namespaces here");
	d_name(arg.name, 0);
	CHECK_CALL(device, ZC_IOC_OPEN, &arg, ENOENT);
	CHECK_CALL(device, ZC_IOC_LIST, &list, ENOENT);
	/* The same name is another pool's here. */
	fd = d_create();
	CHECK_CALL(device, ZC_IOC_LIST, &list, 0);
	CHECK(!strcmp((char *)list.name, t_name(0)));
	close(fd);
}

static void rights_names_are_of_a_namespace(void)
{
	struct zc_ioc_list list = { 0 };
	int fd = d_create();

	d_child(looks_for_the_name, NULL);
	CHECK_CALL(d_open(), ZC_IOC_LIST, &list, 0);
	CHECK(!strcmp((char *)list.name, t_name(0)));
	close(fd);
}

static void rights_list_and_unlink(void)
{
	struct zc_ioc_list list = { 0 };
	struct zc_ioc_unlink all = { .flags = ZC_UNLINK_ALL };
	struct zc_ioc_create arg;
	int device = d_open(), fd[3];
	char last[ZC_NAME_BYTES] = "";

	for (unsigned int i = 0; i < 3; i++) {
		arg = d_create_arg(i);
		arg.flags = ZC_CREATE_PERSIST;
		fd[i] = d_create_with(&arg);
	}
	for (int i = 0; i < 3; i++) {
		CHECK_CALL(device, ZC_IOC_LIST, &list, 0);
		CHECK(strcmp((char *)list.name, last) > 0);
		memcpy(last, list.name, sizeof(last));
	}
	CHECK_CALL(device, ZC_IOC_LIST, &list, ENOENT);
	/* A persistent pool outlives its descriptors. */
	close(fd[0]);
	fd[0] = d_open_pool(0);
	CHECK_EQ(d_unlink(1), 0);
	CHECK_EQ(d_unlink(1), ENOENT);
	CHECK_CALL(device, ZC_IOC_UNLINK, &all, 0);
	CHECK_EQ(all.unlinked, 2);
	/* Who has it goes on with it. */
	for (int i = 0; i < 3; i++) {
		struct zc_ioc_stat stat;

		CHECK_CALL(fd[i], ZC_IOC_STAT, &stat, 0);
		CHECK(stat.flags & ZC_STAT_UNLINKED);
		CHECK(stat.flags & ZC_STAT_PERSIST);
		close(fd[i]);
	}
}

/* --- eviction ------------------------------------------------------------------------ */

struct eviction {
	uint32_t owner, member, caller;
	int error;
};

static void is_there_to_be_evicted(void *arg)
{
	const struct eviction *e = arg;
	struct d_member m;

	t_hear(t_parent(), "go");
	d_drop(e->member, e->member);
	d_enter(&m, ZC_JOIN_WRITE | ZC_JOIN_EVICTABLE);
	t_say_number(t_parent(), "member", m.index);
	t_hear(t_parent(), "end");
}

static void evicts(void *arg)
{
	const struct eviction *e = arg;
	struct zc_ioc_evict evict = { .member = 0 };
	struct d_member m;

	d_drop(e->caller, e->caller);
	d_enter(&m, 0);
	while (evict.member == m.index)
		evict.member++;
	evict.incarnation = (uint32_t)(d_record(&m, evict.member)->life >> 32);
	CHECK_CALL(m.fd, ZC_IOC_EVICT, &evict, e->error);
}

static void makes_the_pool(void *arg)
{
	const struct eviction *e = arg;
	struct zc_ioc_create create = d_create_arg(0);

	d_drop(e->owner, e->owner);
	create.mode = 0666;
	create.flags = ZC_CREATE_PERSIST;
	close(d_create_with(&create));
}

/* Who may kill a process may end its membership so, and nobody else. */
static void rights_to_evict_are_rights_to_kill(void)
{
	struct eviction rows[] = {
		{ 0, 1000, 1000, 0 },
		{ 0, 1000, 1001, EPERM },
		{ 0, 0, 1000, EPERM },
		{ 1000, 1001, 1000, EPERM },
		{ 1000, 1001, 0, 0 },
	};
	struct stat st;

	close(d_open());
	CHECK(!stat("/dev/" ZC_DEVICE_NAME, &st));
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct t_peer *peer = t_spawn("member", is_there_to_be_evicted,
					      &rows[i]);

		t_note("%u evicts %u from a pool of %u", rows[i].caller,
		       rows[i].member, rows[i].owner);
		d_child(makes_the_pool, &rows[i]);
		t_say(peer, "go");
		t_hear_number(peer, "member");
		d_child(evicts, &rows[i]);
		if (rows[i].error) {
			t_say(peer, "end");
			t_join(peer);
		} else {
			t_reap(peer);
		}
		CHECK_EQ(d_unlink(0), 0);
	}
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, st.st_mode & 07777));
}

static const struct t_case cases[] = {
	T_CASE(rights_follow_the_mode),
	T_CASE(rights_are_the_process_s_not_the_descriptor_s),
	T_CASE(rights_names_are_of_a_namespace),
	T_CASE(rights_list_and_unlink),
	T_CASE(rights_to_evict_are_rights_to_kill),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
