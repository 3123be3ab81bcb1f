/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_faults.c - every allocation and every copy that a call makes fails once.
 *
 * The kernel's fault injection makes the N-th fallible step of one call fail, for
 * N = 1, 2, ... until the call has fewer.  Each then ends with the error that is
 * documented for it, and leaves nothing: no pool, no descriptor, no member, no role,
 * and (selftests/vm looks when all is over) no memory.  Only a kernel with
 * CONFIG_FAULT_INJECTION can do that: selftests/vm/debug.config.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "device.h"

/* More steps than any call has. */
#define STEPS_MAX 20000

static int fail_nth = -1;

static void set_up(const char *kind, const char *what, const char *value)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	/* The names of some of these have changed. */
	if (fd < 0)
		return;
	CHECK(write(fd, value, strlen(value)) > 0);
	close(fd);
}

static void need_faults(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth",
		 syscall(SYS_gettid));
	fail_nth = open(path, O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		t_skip("this kernel injects no faults");
	/* Also what may wait for memory, which is nearly all of it. */
	set_up("failslab", "ignore-gfp-wait", "N");
	set_up("fail_page_alloc", "ignore-gfp-wait", "N");
	set_up("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_up("fail_page_alloc", "min-order", "0");
	for (int i = 0; i < 3; i++)
		set_up(i == 0 ? "failslab" : i == 1 ? "fail_page_alloc" :
		       "fail_usercopy", "verbose", "0");
}

static void fail_at(unsigned int n)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "%u", n);

	/* To say so may be the step that was to fail. */
	if (pwrite(fail_nth, text, (size_t)bytes, 0) != bytes)
		CHECK(pwrite(fail_nth, text, (size_t)bytes, 0) == bytes);
}

/* Did it come to the step that was to fail?  Ends the injection. */
static bool failed_there(void)
{
	char text[16] = "";
	/* This may be the step that fails, and then the call had fewer. */
	bool told = pread(fail_nth, text, sizeof(text) - 1, 0) > 0;

	fail_at(0);
	return told && !atoi(text);
}

static unsigned int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	CHECK(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

/*
 * A call under test: @call makes it and returns errno, or 0; then @undo takes it
 * back.  @look says what must be the same before and after a call that failed.
 */
struct trial {
	int (*call)(void *ctx);
	void (*undo)(void *ctx);
	uint64_t (*look)(void *ctx);
	void *ctx;
};

static void try_all(const char *name, const struct trial *t)
{
	unsigned int n, faults = 0, refused = 0;

	/* Once for all that is made only once: pages, slabs, our own lists. */
	CHECK_EQ(t->call(t->ctx), 0);
	t->undo(t->ctx);
	for (n = 1; n < STEPS_MAX; n++) {
		uint64_t before = t->look(t->ctx);
		unsigned int fds = descriptors();
		bool injected;
		int error;

		fail_at(n);
		error = t->call(t->ctx);
		injected = failed_there();
		if (!injected) {
			CHECK_EQ(error, 0);
			t->undo(t->ctx);
			break;
		}
		faults++;
		if (error) {
			refused++;
			if (error != ENOMEM && error != EFAULT)
				T_FAIL("%s, fault %u: %s", name, n, strerror(error));
			CHECK_EQ(t->look(t->ctx), before);
			CHECK_EQ(descriptors(), fds);
		} else {
			/* It had another way, or did not need it. */
			t->undo(t->ctx);
		}
	}
	t_note("%s: %u faults, %u of them refused it", name, faults, refused);
	CHECK_OP(n, <, STEPS_MAX);
	CHECK_OP(refused, >, 0);
	/* And whoever tries again succeeds. */
	CHECK_EQ(t->call(t->ctx), 0);
	t->undo(t->ctx);
}

/* --- pools ------------------------------------------------------------------------ */

struct creation {
	int device;
	struct zc_ioc_create arg;
	int fd;
};

static int creates(void *ctx)
{
	struct creation *c = ctx;
	struct zc_ioc_create arg = c->arg;
	int error = d_call(c->device, ZC_IOC_CREATE, &arg);

	c->fd = arg.fd;
	return error;
}

static int opens(void *ctx)
{
	struct creation *c = ctx;
	struct zc_ioc_open arg = { .flags = 0 };
	int error;

	d_name(arg.name, 0);
	error = d_call(c->device, ZC_IOC_OPEN, &arg);
	c->fd = arg.fd;
	return error;
}

static void closes(void *ctx)
{
	struct creation *c = ctx;

	if (c->arg.flags & ZC_CREATE_PERSIST)
		CHECK_EQ(d_unlink(0), 0);
	close(c->fd);
}

/* How many pools there are. */
static uint64_t pools(void *ctx)
{
	struct creation *c = ctx;
	struct zc_ioc_list arg = { .reserved = { 0 } };
	uint64_t nr = 0;

	while (!d_call(c->device, ZC_IOC_LIST, &arg))
		nr++;
	return nr;
}

static void creation_undoes_itself(void)
{
	struct creation c = { .device = d_open(), .arg = d_create_arg(0) };
	struct trial t = { creates, closes, pools, &c };

	need_faults();
	/* Small, or it has a step for each of a thousand pages. */
	c.arg.bytes = 64 << 10;
	c.arg.ring_entries = 16;
	try_all("create", &t);
	c.arg.flags = ZC_CREATE_PERSIST;
	try_all("create a pool that persists", &t);
	c.arg.bytes = 2 << 20;
	c.arg.page_wish = ZC_PAGE_WISH_TRANSPARENT;
	try_all("create with transparent huge pages", &t);
	c.arg.page_wish = ZC_PAGE_WISH_BEST;
	try_all("create with the best pages", &t);
}

static void opening_undoes_itself(void)
{
	struct creation c = { .device = d_open(), .fd = -1 };
	struct trial t = { opens, closes, pools, &c };

	need_faults();
	d_create();
	try_all("open", &t);
}

/* --- on a pool ----------------------------------------------------------------------- */

struct role {
	struct d_member m;
	union {
		struct zc_ioc_join join;
		struct zc_ioc_writer writer;
		struct zc_ioc_reader reader;
		struct zc_ioc_cleaner cleaner;
		struct zc_ioc_segment segment;
	};
	unsigned long command, undo;
	unsigned int region;
	uint64_t off, bytes;
	void *at;
};

static int takes(void *ctx)
{
	struct role *r = ctx;
	int error;

	if (r->command != ZC_IOC_JOIN) {
		uint32_t ignored = r->reader.flags;

		error = d_call(r->m.fd, r->command, &r->join);
		if (r->command == ZC_IOC_READER_JOIN)
			r->reader.flags = ignored;
		return error;
	}
	memset(&r->join, 0, sizeof(r->join));
	r->join.flags = ZC_JOIN_WRITE;
	return d_call(r->m.fd, r->command, &r->join);
}

static void gives_up(void *ctx)
{
	struct role *r = ctx;

	CHECK_CALL(r->m.fd, r->undo, &r->join, 0);
}

/* Members and memory. */
static uint64_t stat_of(void *ctx)
{
	struct role *r = ctx;
	struct zc_ioc_stat stat;

	CHECK_CALL(r->m.fd, ZC_IOC_STAT, &stat, 0);
	return stat.members * 1000003ULL + stat.segments * 10007ULL + stat.data_bytes;
}

static int maps(void *ctx)
{
	struct role *r = ctx;

	r->at = d_map(r->m.fd, r->region, r->off, r->bytes,
		      r->region == ZC_MAP_LEASE ? PROT_NONE : PROT_READ);
	return r->at == MAP_FAILED ? errno : 0;
}

static void unmaps(void *ctx)
{
	struct role *r = ctx;

	CHECK(!munmap(r->at, r->bytes));
}

static void joining_undoes_itself(void)
{
	struct role r = { .command = ZC_IOC_JOIN, .undo = ZC_IOC_LEAVE };
	struct trial t = { takes, gives_up, stat_of, &r };

	need_faults();
	r.m.fd = d_create();
	try_all("join", &t);
}

static void roles_undo_themselves(void)
{
	struct role r = { .command = ZC_IOC_WRITER_JOIN,
			  .undo = ZC_IOC_WRITER_LEAVE };
	struct trial t = { takes, gives_up, stat_of, &r };
	struct zc_ioc_create arg = d_create_arg(0);

	need_faults();
	arg.max_segments = 8;
	arg.bytes = arg.segment_bytes = 64 << 10;
	d_join(&r.m, d_create_with(&arg), ZC_JOIN_WRITE);
	d_service(r.writer.name, "a");
	r.writer.lag_limit = 8;
	try_all("writer join", &t);

	memset(&r.reader, 0, sizeof(r.reader));
	d_service(r.reader.name, "b");
	r.command = ZC_IOC_READER_JOIN;
	r.undo = ZC_IOC_READER_LEAVE;
	try_all("reader join", &t);

	memset(&r.cleaner, 0, sizeof(r.cleaner));
	r.command = ZC_IOC_CLEANER_JOIN;
	r.undo = ZC_IOC_CLEANER_LEAVE;
	try_all("cleaner join", &t);
}

/* A pool in which no cleaner has been yet: no place has memory. */
static void begins_anew(void *ctx)
{
	struct role *r = ctx;

	gives_up(r);
	d_leave(&r->m);
	d_join(&r->m, d_create(), ZC_JOIN_WRITE);
}

static void first_cleaners_undo_themselves(void)
{
	struct role r = { .command = ZC_IOC_CLEANER_JOIN, .undo = ZC_IOC_CLEANER_LEAVE };
	struct trial t = { takes, begins_anew, stat_of, &r };

	need_faults();
	d_join(&r.m, d_create(), ZC_JOIN_WRITE);
	try_all("first cleaner's join", &t);
}

static int adds(void *ctx)
{
	struct role *r = ctx;

	memset(&r->segment, 0, sizeof(r->segment));
	return d_call(r->m.fd, ZC_IOC_SEGMENT_ADD, &r->segment);
}

static void keeps(void *ctx)
{
	(void)ctx;
}

static void segments_undo_themselves(void)
{
	struct role r = { .undo = ZC_IOC_SEGMENT_REMOVE };
	struct trial t = { adds, keeps, stat_of, &r };
	struct trial again = { adds, gives_up, stat_of, &r };
	struct zc_ioc_create arg = d_create_arg(0);

	need_faults();
	/* Each success uses a number up; or gives the last one its memory back. */
	arg.max_segments = 1024;
	arg.bytes = arg.segment_bytes = 64 << 10;
	d_join(&r.m, d_create_with(&arg), ZC_JOIN_WRITE);
	try_all("segment add", &t);
	gives_up(&r);
	try_all("segment add again", &again);
}

static void mappings_undo_themselves(void)
{
	struct role r = { .region = ZC_MAP_KERNEL };
	struct trial t = { maps, unmaps, stat_of, &r };

	need_faults();
	d_join(&r.m, d_create(), ZC_JOIN_WRITE);
	r.bytes = r.m.g.off_reader_areas;
	try_all("map what the kernel writes", &t);
	r.region = ZC_MAP_WRITERS;
	r.bytes = r.m.g.control_bytes - r.m.g.off_hints;
	try_all("map what writers write", &t);
	r.region = ZC_MAP_DATA;
	r.bytes = r.m.g.segment_bytes;
	try_all("map data", &t);
	r.region = ZC_MAP_STAMPS;
	r.bytes = 4096;
	try_all("map stamps", &t);
}

#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

/* Huge pages have their own ways of not being there. */
static void huge_pages_undo_themselves(void)
{
	struct creation c = { .device = d_open(), .arg = d_create_arg(0) };
	struct trial creation = { creates, closes, pools, &c };
	struct role r = { .region = ZC_MAP_DATA };
	struct trial mapping = { maps, unmaps, stat_of, &r };

	need_faults();
	if (!d_set(NR_HUGEPAGES, "1"))
		t_skip("no huge page to be had");
	c.arg.bytes = c.arg.segment_bytes = 2 << 20;
	c.arg.ring_entries = 16;
	/* With as few descriptors as there can be: each of their pages is a step. */
	c.arg.granule_bytes = 4096;
	c.arg.page_wish = ZC_PAGE_WISH_HUGETLB;
	if (creates(&c)) {
		CHECK(d_set(NR_HUGEPAGES, "0"));
		t_skip("no huge page to be had");
	}
	closes(&c);
	T_UNTIL(!creates(&c));
	d_join(&r.m, c.fd, ZC_JOIN_WRITE);
	r.bytes = r.m.g.segment_bytes;
	try_all("map huge data", &mapping);
	d_leave(&r.m);
	c.arg.page_wish = ZC_PAGE_WISH_BEST;
	try_all("create with the best pages, huge ones", &creation);
	CHECK(d_set(NR_HUGEPAGES, "0"));
}

static const struct t_case cases[] = {
	T_CASE(creation_undoes_itself),
	T_CASE(opening_undoes_itself),
	T_CASE(joining_undoes_itself),
	T_CASE(roles_undo_themselves),
	T_CASE(first_cleaners_undo_themselves),
	T_CASE(segments_undo_themselves),
	T_CASE(mappings_undo_themselves),
	T_CASE(huge_pages_undo_themselves),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
