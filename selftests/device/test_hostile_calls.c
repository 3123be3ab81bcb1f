/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_hostile_calls.c - every call that could give a mapping more rights than it
 * was given, for every region, by a reader, a writer and strangers.
 *
 * Each row ends with an errno, or with 0 and the reason why that does no harm;
 * after each, what must not be writable is not, and what was there still is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "device.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static sigjmp_buf jump;

static void jumps(int sig)
{
	siglongjmp(jump, sig);
}

/* Can this process store there?  (It stores what is there already.) */
static bool writable(volatile char *p)
{
	struct sigaction act = { .sa_handler = jumps, .sa_flags = SA_NODEFER };
	struct sigaction segv, bus;
	volatile bool can = false;

	sigaction(SIGSEGV, &act, &segv);
	sigaction(SIGBUS, &act, &bus);
	if (!sigsetjmp(jump, 1)) {
		*p = *p;
		can = true;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return can;
}

static bool readable(volatile char *p)
{
	struct sigaction act = { .sa_handler = jumps, .sa_flags = SA_NODEFER };
	struct sigaction segv, bus;
	volatile bool can = false;

	sigaction(SIGSEGV, &act, &segv);
	sigaction(SIGBUS, &act, &bus);
	if (!sigsetjmp(jump, 1)) {
		(void)*p;
		can = true;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return can;
}

struct region {
	const char *name;
	char *at;
	uint64_t bytes;
	unsigned int number;
	uint64_t off;
	bool mine;		/* to write */
	bool lease;
};

struct row {
	const char *call;
	int want;		/* errno; 0: succeeds, and */
	const char *why;	/* does no harm because */
};

static unsigned int rows_done;
static int pool_fd;

static void row(const char *role, const struct region *r, const char *call,
		int got, int want, const char *why)
{
	rows_done++;
	if (got != want)
		T_FAIL("%s, %s, %s: errno %d, must be %d (%s)", role, r->name,
		       call, got, want, why);
	if (!r->lease && !r->mine && writable(r->at))
		T_FAIL("%s, %s: writable after %s", role, r->name, call);
	if (!r->lease && !readable(r->at))
		T_FAIL("%s, %s: not readable any more after %s", role, r->name,
		       call);
	t_note("| %s | %s | %s | %s | %s |", role, r->name, call,
	       want ? strerrorname_np(want) : "harmless", why);
}

static int err_of(bool failed)
{
	return failed ? errno : 0;
}

/* --- calls on a mapping that is there ---------------------------------------- */

static int try_mprotect(const struct region *r, int prot)
{
	int err = err_of(mprotect(r->at, 4096, prot) < 0);

	if (!err)
		mprotect(r->at, 4096, r->mine ? PROT_READ | PROT_WRITE :
						PROT_READ);
	return err;
}

static int try_mremap(const struct region *r, size_t from, size_t to, int flags)
{
	void *p = mremap(r->at, from, to, flags);

	if (p == MAP_FAILED)
		return errno;
	/* Nothing that was got may be written by who may not write it. */
	if (!r->mine && !r->lease)
		CHECK(!writable(p));
	return 0;
}

static int try_madvise(const struct region *r, int advice)
{
	return err_of(madvise(r->at, r->bytes, advice) < 0);
}

static int try_proc_mem(const struct region *r)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char c = 0x5a;
	int err;

	CHECK(fd >= 0);
	err = err_of(pwrite(fd, &c, 1, (off_t)(uintptr_t)r->at) != 1);
	close(fd);
	return err;
}

static int try_vm_write(const struct region *r)
{
	char c = 0x5a;
	struct iovec from = { &c, 1 }, to = { r->at, 1 };

	return err_of(process_vm_writev(getpid(), &from, 1, &to, 1, 0) != 1);
}

/* The file behind a mapping, opened for writing by who may see it. */
static int map_file(const struct region *r)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)r->at, (unsigned long)(r->at + r->bytes));
	return open(path, O_RDWR | O_CLOEXEC);
}

static int try_truncate(const struct region *r)
{
	int fd = map_file(r), err;

	if (fd < 0)
		return errno;
	err = err_of(ftruncate(fd, 0) < 0);
	close(fd);
	return err;
}

static int try_punch(const struct region *r)
{
	int fd = map_file(r), err;

	if (fd < 0)
		return errno;
	err = err_of(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       4096) < 0);
	close(fd);
	return err;
}

static int try_pwrite(const struct region *r)
{
	int fd = map_file(r), err;
	char c = 0x5a;

	if (fd < 0)
		return errno;
	err = err_of(pwrite(fd, &c, 1, 0) != 1);
	close(fd);
	return err;
}

static int try_map_again(const struct region *r)
{
	int fd = map_file(r), err;
	void *p;

	if (fd < 0)
		return errno;
	p = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	err = err_of(p == MAP_FAILED);
	close(fd);
	return err;
}

/* On a mapping of its own: it may be gone when that is refused. */
static int try_remap_file_pages(const struct region *r)
{
	char *at = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			pool_fd, (off_t)(ZC_MAP_OFFSET(r->number) + r->off));
	int err;

	CHECK(at != MAP_FAILED);
	err = err_of(syscall(SYS_remap_file_pages, at, 4096, 0, 1, 0) < 0);
	munmap(at, r->bytes);
	return err;
}

static int try_uring_buffers(const struct region *r)
{
	struct io_uring_params params = { 0 };
	struct iovec buffer = { r->at, 4096 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params), err;

	if (ring < 0)
		return errno;
	err = err_of(syscall(SYS_io_uring_register, ring,
			     IORING_REGISTER_BUFFERS, &buffer, 1) < 0);
	close(ring);
	return err;
}

static bool has_uring(void)
{
	struct io_uring_params params = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &params);

	if (ring >= 0)
		close(ring);
	return ring >= 0;
}

/* A call, in the kernel, that writes to user memory for us. */
static int try_read_into(const struct region *r)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), err;

	CHECK(fd >= 0);
	err = err_of(read(fd, r->at, 1) != 1);
	close(fd);
	return err;
}

/* The same rights for all of it: what the mapping does not have. */
static void attack_readonly(const char *role, const struct region *r)
{
	row(role, r, "mprotect(WRITE)", try_mprotect(r, PROT_READ | PROT_WRITE),
	    EACCES, "VM_MAYWRITE is not set");
	row(role, r, "mprotect(EXEC)", try_mprotect(r, PROT_READ | PROT_EXEC),
	    EACCES, "VM_MAYEXEC is not set");
	row(role, r, "mremap(grow)",
	    try_mremap(r, r->bytes, r->bytes + 4096, MREMAP_MAYMOVE), EFAULT,
	    "VM_DONTEXPAND");
	row(role, r, "mremap(old size 0)",
	    try_mremap(r, 0, r->bytes, MREMAP_MAYMOVE), EFAULT, "VM_DONTEXPAND");
	row(role, r, "mremap(DONTUNMAP)",
	    try_mremap(r, r->bytes, r->bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP),
	    EINVAL, "VM_DONTEXPAND");
	row(role, r, "madvise(REMOVE)", try_madvise(r, MADV_REMOVE), EACCES,
	    "needs a writable mapping");
	row(role, r, "madvise(DONTNEED)", try_madvise(r, MADV_DONTNEED), 0,
	    "page tables only: the file keeps its pages");
	row(role, r, "madvise(FREE)", try_madvise(r, MADV_FREE), EINVAL,
	    "private anonymous memory only");
	row(role, r, "madvise(POPULATE_WRITE)",
	    try_madvise(r, MADV_POPULATE_WRITE), EINVAL,
	    "needs a writable mapping");
	row(role, r, "madvise(DOFORK)", try_madvise(r, MADV_DOFORK), 0,
	    "a child without a lease gets what its parent may read");
	CHECK(!madvise(r->at, r->bytes, MADV_DONTFORK));
	row(role, r, "write to /proc/self/mem", try_proc_mem(r), EIO,
	    "forced writes need VM_MAYWRITE on shared mappings");
	row(role, r, "process_vm_writev", try_vm_write(r), EFAULT,
	    "as a store");
	row(role, r, "read(2) into it", try_read_into(r), EFAULT, "as a store");
	if (has_uring())
		row(role, r, "io_uring fixed buffer", try_uring_buffers(r),
		    EFAULT, "registration pins for writing");
}

/* What its owner may do to a region that is his to write. */
static void attack_writable(const char *role, const struct region *r)
{
	row(role, r, "mprotect(EXEC)", try_mprotect(r, PROT_READ | PROT_EXEC),
	    EACCES, "VM_MAYEXEC is not set");
	row(role, r, "mremap(grow)",
	    try_mremap(r, r->bytes, r->bytes + 4096, MREMAP_MAYMOVE), EFAULT,
	    "VM_DONTEXPAND");
	row(role, r, "mremap(old size 0)",
	    try_mremap(r, 0, r->bytes, MREMAP_MAYMOVE), EFAULT, "VM_DONTEXPAND");
	row(role, r, "madvise(REMOVE)", try_madvise(r, MADV_REMOVE), EPERM,
	    "sealed");
	row(role, r, "madvise(DONTNEED)", try_madvise(r, MADV_DONTNEED), 0,
	    "page tables only: the file keeps its pages");
	row(role, r, "remap_file_pages", try_remap_file_pages(r), ENODEV,
	    "only the module maps such a file");
}

/* By root, who sees files behind mappings: seals are for him. */
static void attack_file(const char *role, const struct region *r)
{
	row(role, r, "ftruncate by map_files", try_truncate(r), EPERM, "sealed");
	row(role, r, "punch by map_files", try_punch(r), EPERM, "sealed");
	row(role, r, "pwrite by map_files", try_pwrite(r), EPERM, "sealed");
	row(role, r, "mmap(WRITE) by map_files", try_map_again(r), ENODEV,
	    "only the module maps such a file");
}

static void attack_lease(const char *role, const struct region *r)
{
	row(role, r, "mprotect(READ)", try_mprotect(r, PROT_READ), EACCES,
	    "VM_MAYREAD is not set");
	row(role, r, "madvise(DOFORK)", try_madvise(r, MADV_DOFORK), EINVAL,
	    "VM_IO");
	row(role, r, "mremap(grow)", try_mremap(r, 4096, 8192, MREMAP_MAYMOVE),
	    EFAULT, "VM_DONTEXPAND");
	row(role, r, "mremap(old size 0)",
	    try_mremap(r, 0, 4096, MREMAP_MAYMOVE), EFAULT, "VM_DONTEXPAND");
	row(role, r, "mremap(DONTUNMAP)",
	    try_mremap(r, 4096, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP), EINVAL,
	    "VM_DONTEXPAND");
	row(role, r, "write to /proc/self/mem", try_proc_mem(r), EIO, "VM_IO");
}

/* --- the regions of a member ------------------------------------------------------- */

struct place {
	struct d_member m;
	struct zc_ioc_reader reader;	/* its own */
	struct zc_ioc_reader other;	/* somebody else's */
	struct region region[8];
	unsigned int nr;
};

static void add(struct place *p, const char *name, unsigned int number,
		uint64_t off, uint64_t bytes, bool mine)
{
	struct region *r = &p->region[p->nr++];

	r->name = name;
	r->number = number;
	r->off = off;
	r->bytes = bytes;
	r->mine = mine;
	r->at = d_map(p->m.fd, number, off, bytes,
		      mine ? PROT_READ | PROT_WRITE : PROT_READ);
	CHECK(r->at != MAP_FAILED);
	/* What is not given is not given at the beginning, either. */
	if (!mine)
		CHECK_MAP(p->m.fd, number, off, bytes, PROT_READ | PROT_WRITE,
			  EACCES);
}

static void map_all(struct place *p)
{
	struct d_member *m = &p->m;
	uint64_t area = m->g.reader_area_bytes;
	struct region *lease = &p->region[p->nr++];

	*lease = (struct region){ .name = "lease", .at = m->lease,
				  .bytes = 4096, .lease = true };
	add(p, "kernel", ZC_MAP_KERNEL, 0, m->g.off_reader_areas, false);
	add(p, "writers", ZC_MAP_WRITERS, 0, m->g.control_bytes - m->g.off_hints,
	    m->may_write);
	add(p, "own reader", ZC_MAP_READERS,
	    (p->reader.service * 32 + p->reader.reader) * area, area, true);
	add(p, "other reader", ZC_MAP_READERS,
	    (p->other.service * 32 + p->other.reader) * area, area, false);
	add(p, "data", ZC_MAP_DATA, 0, m->g.segment_bytes, m->may_write);
	add(p, "stamps", ZC_MAP_STAMPS, 0, 4096, true);
}

static void attack_all(const char *role, struct place *p)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		if (p->region[i].lease)
			attack_lease(role, &p->region[i]);
		else if (p->region[i].mine)
			attack_writable(role, &p->region[i]);
		else
			attack_readonly(role, &p->region[i]);
	}
}

static void enter(struct place *p, struct d_member *other, uint32_t flags,
		  uint32_t wish)
{
	struct zc_ioc_create arg = d_create_arg(0);

	memset(p, 0, sizeof(*p));
	arg.mode = 0644;
	arg.page_wish = wish;
	d_join(other, d_create_with(&arg), ZC_JOIN_WRITE);
	p->other = d_reader(other, "x", 0);
	d_enter(&p->m, flags);
	pool_fd = p->m.fd;
	p->reader = d_reader(&p->m, "x", 0);
	map_all(p);
}

static void hostile_reader_gets_no_further(void)
{
	struct d_member other;
	struct place p;

	enter(&p, &other, 0, ZC_PAGE_WISH_SMALL);
	attack_all("reader", &p);
	t_note("%u rows", rows_done);
}

static void hostile_reader_of_huge_pages_gets_no_further(void)
{
	struct d_member other;
	struct place p;

	enter(&p, &other, 0, ZC_PAGE_WISH_BEST);
	for (unsigned int i = 0; i < p.nr; i++) {
		struct region *r = &p.region[i];

		if (r->number != ZC_MAP_DATA || r->lease)
			continue;
		CHECK_EQ(try_mprotect(r, PROT_READ | PROT_WRITE), EACCES);
		CHECK(try_mremap(r, r->bytes, r->bytes * 2, MREMAP_MAYMOVE));
		CHECK(try_mremap(r, 0, r->bytes, MREMAP_MAYMOVE));
		CHECK_EQ(try_proc_mem(r), EIO);
		CHECK(!writable(r->at));
		CHECK(readable(r->at));
	}
}

static void hostile_writer_gets_no_further(void)
{
	struct d_member other;
	struct place p;

	enter(&p, &other, ZC_JOIN_WRITE, ZC_PAGE_WISH_SMALL);
	attack_all("writer", &p);
	t_note("%u rows", rows_done);
}

static void hostile_root_cannot_break_the_files(void)
{
	struct d_member other;
	struct place p;

	enter(&p, &other, ZC_JOIN_WRITE, ZC_PAGE_WISH_SMALL);
	for (unsigned int i = 0; i < p.nr; i++)
		if (!p.region[i].lease)
			attack_file("root", &p.region[i]);
	t_note("%u rows", rows_done);
}

static void hostile_child_inherits_nothing(void)
{
	struct d_member other;
	struct place p;
	pid_t pid;
	int status;

	enter(&p, &other, ZC_JOIN_WRITE, ZC_PAGE_WISH_SMALL);
	pid = fork();
	if (!pid) {
		for (unsigned int i = 0; i < p.nr; i++)
			CHECK(!readable(p.region[i].at));
		t_leave();
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	/* vfork() shares the memory until exec: and so the membership. */
	pid = vfork();
	if (!pid)
		_exit(writable(p.region[1].at) || !readable(p.region[1].at));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	d_reader(&p.m, "y", 0);
}

/* Stores into a reader's memory from outside are that reader's own affair. */
static void hostile_ptracer_gets_what_the_traced_has(void)
{
	struct d_member m;
	int ready[2], status;
	uintptr_t at;
	pid_t pid;
	long word;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	CHECK(!pipe(ready));
	pid = fork();
	if (!pid) {
		struct d_member n;

		d_enter(&n, 0);
		at = (uintptr_t)n.kernel;
		CHECK(write(ready[1], &at, sizeof(at)) > 0);
		for (;;)
			pause();
	}
	CHECK(read(ready[0], &at, sizeof(at)) == sizeof(at));
	CHECK(!ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	CHECK(waitpid(pid, &status, 0) == pid);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, (void *)at, NULL);
	CHECK(!errno);
	CHECK_EQ((uint64_t)word, ZC_LAYOUT_MAGIC);
	CHECK(ptrace(PTRACE_POKEDATA, pid, (void *)at, (void *)1L) < 0);
	CHECK_EQ(errno, EIO);
	CHECK_EQ(m.kernel->magic, ZC_LAYOUT_MAGIC);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

/* Who left keeps a mapping of its region; its successor has another one. */
static void hostile_former_reader_reaches_no_successor(void)
{
	struct zc_ioc_reader first, second;
	struct zc_reader_area *old, *new;
	struct d_member m, n;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, 0);
	first = d_reader(&n, "x", 0);
	old = d_reader_region(&n, &first, PROT_READ | PROT_WRITE);
	CHECK(old != MAP_FAILED);
	CHECK_CALL(n.fd, ZC_IOC_READER_LEAVE, &first, 0);
	second = d_reader(&m, "x", 0);
	CHECK_EQ(second.reader, first.reader);
	CHECK_EQ(second.incarnation, first.incarnation + 1);
	new = d_reader_region(&m, &second, PROT_READ | PROT_WRITE);
	CHECK(new != MAP_FAILED);
	old->cursor = 4711;
	old->incarnation = second.incarnation;
	CHECK_EQ(new->cursor, 0);
	CHECK_EQ(new->incarnation, second.incarnation);
	CHECK(d_reader_region(&n, &second, PROT_READ | PROT_WRITE) ==
	      MAP_FAILED);
	CHECK_EQ(errno, EACCES);
}

static const struct t_case cases[] = {
	T_CASE(hostile_reader_gets_no_further),
	T_CASE(hostile_reader_of_huge_pages_gets_no_further),
	T_CASE(hostile_writer_gets_no_further),
	T_CASE(hostile_root_cannot_break_the_files),
	T_CASE(hostile_child_inherits_nothing),
	T_CASE(hostile_ptracer_gets_what_the_traced_has),
	T_CASE(hostile_former_reader_reaches_no_successor),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
