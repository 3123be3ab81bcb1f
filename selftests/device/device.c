/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * device.c - what the tests of /dev/zerocore share.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "device.h"

int d_open(void)
{
	int fd = open("/dev/" ZC_DEVICE_NAME, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		t_skip("there is no /dev/zerocore here");
	CHECK(fd >= 0);
	/* These members are made by hand and die with the case: the harness's library
	 * must not look for pools there that are at rest. */
	setenv("ZEROCORE_BACKEND", "shm", 1);
	return fd;
}

int d_call(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? errno : 0;
}

void d_name(uint8_t to[ZC_NAME_BYTES], unsigned int n)
{
	memset(to, 0, ZC_NAME_BYTES);
	snprintf((char *)to, ZC_NAME_BYTES, "%s", t_name(n));
}

struct zc_ioc_create d_create_arg(unsigned int n)
{
	struct zc_ioc_create arg = { .bytes = D_BYTES,
				     .ring_entries = 64,
				     .max_holds = 16,
				     .page_wish = ZC_PAGE_WISH_SMALL };

	d_name(arg.name, n);
	return arg;
}

int d_create_with(struct zc_ioc_create *arg)
{
	int device = d_open();

	CHECK_CALL(device, ZC_IOC_CREATE, arg, 0);
	CHECK(arg->fd >= 0);
	close(device);
	return arg->fd;
}

int d_create(void)
{
	struct zc_ioc_create arg = d_create_arg(0);

	return d_create_with(&arg);
}

int d_open_pool(unsigned int n)
{
	struct zc_ioc_open arg = { .flags = 0 };
	int device = d_open();

	d_name(arg.name, n);
	CHECK_CALL(device, ZC_IOC_OPEN, &arg, 0);
	close(device);
	return arg.fd;
}

int d_unlink(unsigned int n)
{
	struct zc_ioc_unlink arg = { .flags = 0 };
	int device = d_open(), err;

	d_name(arg.name, n);
	err = d_call(device, ZC_IOC_UNLINK, &arg);
	close(device);
	return err;
}

void *d_map(int fd, unsigned int region, uint64_t off, uint64_t bytes, int prot)
{
	return mmap(NULL, bytes, prot, MAP_SHARED, fd,
		    (off_t)(ZC_MAP_OFFSET(region) + off));
}

void d_join(struct d_member *m, int fd, uint32_t flags)
{
	struct zc_ioc_join arg = { .flags = flags };

	memset(m, 0, sizeof(*m));
	m->fd = fd;
	CHECK_CALL(fd, ZC_IOC_JOIN, &arg, 0);
	m->index = arg.member;
	m->life = arg.life;
	m->may_write = arg.granted & ZC_CAP_WRITE;
	m->lease = d_map(fd, ZC_MAP_LEASE, 0, 4096, PROT_NONE);
	CHECK(m->lease != MAP_FAILED);
	m->kernel = d_map(fd, ZC_MAP_KERNEL, 0, 4096, PROT_READ);
	CHECK(m->kernel != MAP_FAILED);
	m->g = m->kernel->geometry;
	munmap(m->kernel, 4096);
	m->kernel = d_map(fd, ZC_MAP_KERNEL, 0, m->g.off_reader_areas,
			  PROT_READ);
	CHECK(m->kernel != MAP_FAILED);
	m->writers = d_map(fd, ZC_MAP_WRITERS, 0,
			   m->g.control_bytes - m->g.off_hints,
			   m->may_write ? PROT_READ | PROT_WRITE : PROT_READ);
	CHECK(m->writers != MAP_FAILED);
}

void d_enter(struct d_member *m, uint32_t flags)
{
	d_join(m, d_open_pool(0), flags);
}

void d_leave(struct d_member *m)
{
	CHECK_CALL(m->fd, ZC_IOC_LEAVE, NULL, 0);
	munmap(m->lease, 4096);
	munmap(m->kernel, m->g.off_reader_areas);
	munmap(m->writers, m->g.control_bytes - m->g.off_hints);
	close(m->fd);
}

char *d_data(struct d_member *m, uint32_t segment, int prot)
{
	char *data = d_map(m->fd, ZC_MAP_DATA, segment * m->g.segment_bytes,
			   m->g.segment_bytes, prot);

	CHECK(data != MAP_FAILED);
	return data;
}

void d_service(uint8_t name[3][ZC_NAME_BYTES], const char *instance)
{
	memset(name, 0, 3 * ZC_NAME_BYTES);
	snprintf((char *)name[0], ZC_NAME_BYTES, "device");
	snprintf((char *)name[1], ZC_NAME_BYTES, "%s", instance);
	snprintf((char *)name[2], ZC_NAME_BYTES, "event");
}

struct zc_ioc_writer d_writer(struct d_member *m, const char *instance)
{
	struct zc_ioc_writer arg = { .lag_limit = 48 };

	d_service(arg.name, instance);
	CHECK_CALL(m->fd, ZC_IOC_WRITER_JOIN, &arg, 0);
	return arg;
}

struct zc_ioc_reader d_reader(struct d_member *m, const char *instance,
			      uint32_t flags)
{
	struct zc_ioc_reader arg = { .flags = flags };

	d_service(arg.name, instance);
	CHECK_CALL(m->fd, ZC_IOC_READER_JOIN, &arg, 0);
	return arg;
}

void *d_reader_region(struct d_member *m, const struct zc_ioc_reader *r, int prot)
{
	uint64_t n = r->service * ZC_MAX_READERS_PER + r->reader;

	return d_map(m->fd, ZC_MAP_READERS, n * m->g.reader_area_bytes,
		     m->g.reader_area_bytes, prot);
}

struct zc_writer_slot *d_slot(struct d_member *m, uint32_t service)
{
	return (struct zc_writer_slot *)((char *)m->kernel +
					 m->g.off_writer_slots) + service;
}

struct zc_member_record *d_record(struct d_member *m, uint32_t member)
{
	return (struct zc_member_record *)((char *)m->kernel +
					   m->g.off_members) + member;
}

struct zc_segment_record *d_segment(struct d_member *m, uint32_t segment)
{
	return (struct zc_segment_record *)((char *)m->kernel + m->g.off_segments) +
	       segment;
}

struct zc_block_desc *d_descs(struct d_member *m)
{
	return (struct zc_block_desc *)(m->writers + m->g.off_descs -
					m->g.off_hints);
}

struct zc_device_event d_event(int fd, uint32_t type)
{
	struct zc_device_event event;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		CHECK(poll(&p, 1, (int)(t_left_ns() / 1000000)) == 1);
		CHECK(read(fd, &event, sizeof(event)) == sizeof(event));
		CHECK_EQ(event.bytes, sizeof(event));
		if (event.type == type)
			return event;
	}
}

void d_drop(uint32_t uid, uint32_t gid)
{
	CHECK(!setgroups(0, NULL));
	CHECK(!setresgid(gid, gid, gid));
	CHECK(!setresuid(uid, uid, uid));
}

void d_child(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		fn(arg);
		t_leave();
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

bool d_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return done;
}

long d_number_in(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	long number = -1;

	while (file && number < 0 && fgets(line, sizeof(line), file)) {
		if (!key)
			number = atol(line);
		else if (!strncmp(line, key, strlen(key)))
			number = atol(line + strlen(key));
	}
	if (file)
		fclose(file);
	return number;
}

struct zc_ioc_create d_create_of(uint32_t wish, uint64_t bytes)
{
	struct zc_ioc_create arg = d_create_arg(0);

	arg.page_wish = wish;
	arg.bytes = bytes;
	arg.segment_bytes = bytes;
	return arg;
}
