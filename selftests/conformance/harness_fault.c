/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_fault.c - calls of the library that fail, by the linker's --wrap.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness_fault.h"

/* Each wrapper has its own: what that call says when it fails. */
struct t_errors {
	const char *call;
	int error[3];
};

static __thread struct {
	bool on, rest;
	unsigned int left, round;
	const char *call;		/* NULL: any */
	long number;
	int error;
} t_next;

static struct {
	const char *call;
	long number;
	int error;
} t_each[4];
static unsigned int t_each_nr;

static const char *t_failed;
static int t_failed_error;

static struct t_instead {
	char path[64];
	int fd;			/* a memfd; -1: no such file */
} t_instead[8];
static unsigned int t_instead_nr;
static unsigned int t_instead_met;

static char t_other_fs[4096];
static long t_other_type, t_other_page;

static uint64_t t_mapped;

void t_fault_nth(unsigned int nth, unsigned int round)
{
	t_failed = NULL;
	t_next.left = nth;
	t_next.round = round;
	t_next.call = NULL;
	t_next.on = true;
}

void t_fault_call(const char *call, unsigned int nth, int error)
{
	t_fault_nth(nth, 0);
	t_next.call = call;
	t_next.number = 0;
	t_next.error = error;
}

void t_fault_nth_syscall(long number, unsigned int nth, int error)
{
	t_fault_call("syscall", nth, error);
	t_next.number = number;
}

void t_fault_each(const char *call, long number, int error)
{
	__atomic_store_n(&t_failed, NULL, __ATOMIC_RELAXED);
	CHECK(t_each_nr < sizeof(t_each) / sizeof(*t_each));
	t_each[t_each_nr].call = call;
	t_each[t_each_nr].number = number;
	t_each[t_each_nr].error = error;
	__atomic_store_n(&t_each_nr, t_each_nr + 1, __ATOMIC_RELEASE);
}

const char *t_fault_met(void)
{
	return __atomic_load_n(&t_failed, __ATOMIC_RELAXED);
}

const char *t_fault_end(void)
{
	t_next.on = false;
	__atomic_store_n(&t_each_nr, 0, __ATOMIC_RELEASE);
	return t_fault_met();
}

void t_fault_rest(bool rest)
{
	t_next.rest = rest;
}

int t_fault_error(void)
{
	return t_failed_error;
}

/* Is it this one's turn?  The error. */
static int t_fails(const struct t_errors *e, long number)
{
	unsigned int i, nr = __atomic_load_n(&t_each_nr, __ATOMIC_ACQUIRE);
	int error = 0;
	bool mine;

	for (i = 0; i < nr; i++)
		if (!strcmp(t_each[i].call, e->call) && number == t_each[i].number)
			error = t_each[i].error;
	if (t_next.call)
		mine = number == t_next.number && !strcmp(t_next.call, e->call);
	else
		mine = e->error[0];
	if (t_next.on && !t_next.rest && mine && !--t_next.left) {
		t_next.on = false;
		error = t_next.call ? t_next.error : e->error[t_next.round % 3];
	}
	if (error) {
		t_failed_error = error;
		__atomic_store_n(&t_failed, e->call, __ATOMIC_RELAXED);
	}
	return error;
}

/* Returns from the wrapper when its turn has come. */
#define FAIL_NUMBER(name, number, value, ...)                                  \
	do {                                                                   \
		static const struct t_errors e_ = { name, { __VA_ARGS__ } };   \
		int error_ = t_fails(&e_, number);                             \
                                                                               \
		if (error_ == T_FAULT_WELL)                                    \
			return 0;                                              \
		if (error_) {                                                  \
			errno = error_;                                        \
			return value;                                          \
		}                                                              \
	} while (0)
#define FAIL(name, value, ...) FAIL_NUMBER(name, 0, value, __VA_ARGS__)
/* The error is what it returns. */
#define FAIL_SAYING(name, ...)                                                 \
	do {                                                                   \
		static const struct t_errors e_ = { name, { __VA_ARGS__ } };   \
		int error_ = t_fails(&e_, 0);                                  \
                                                                               \
		if (error_)                                                    \
			return error_;                                         \
	} while (0)

#define WRAP(type, name, ...)                                                  \
	type __real_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__);                                       \
	type __wrap_##name(__VA_ARGS__)

/* --- memory ------------------------------------------------------------------ */

WRAP(void *, malloc, size_t bytes)
{
	FAIL("malloc", NULL, ENOMEM, ENOMEM, ENOMEM);
	return __real_malloc(bytes);
}

WRAP(void *, calloc, size_t nr, size_t bytes)
{
	FAIL("calloc", NULL, ENOMEM, ENOMEM, ENOMEM);
	return __real_calloc(nr, bytes);
}

WRAP(void *, realloc, void *old, size_t bytes)
{
	FAIL("realloc", NULL, ENOMEM, ENOMEM, ENOMEM);
	return __real_realloc(old, bytes);
}

WRAP(void *, aligned_alloc, size_t align, size_t bytes)
{
	FAIL("aligned_alloc", NULL, ENOMEM, ENOMEM, ENOMEM);
	return __real_aligned_alloc(align, bytes);
}

WRAP(void *, mmap, void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
	void *got;

	FAIL("mmap", MAP_FAILED, ENOMEM, ENODEV, EAGAIN);
	got = __real_mmap(at, bytes, prot, flags, fd, off);
	if (got != MAP_FAILED && !(flags & MAP_FIXED))
		__atomic_fetch_add(&t_mapped, bytes, __ATOMIC_RELAXED);
	return got;
}

WRAP(int, munmap, void *at, size_t bytes)
{
	/* It fails only where it would have to split mappings, and there are too many. */
	__atomic_fetch_sub(&t_mapped, bytes, __ATOMIC_RELAXED);
	return __real_munmap(at, bytes);
}

WRAP(int, mprotect, void *at, size_t bytes, int prot)
{
	FAIL("mprotect", -1, ENOMEM, EACCES, ENOMEM);
	return __real_mprotect(at, bytes, prot);
}

WRAP(int, madvise, void *at, size_t bytes, int advice)
{
	FAIL("madvise", -1, EINVAL, ENOMEM, EFAULT);
	return __real_madvise(at, bytes, advice);
}

uint64_t t_fault_mapped(void)
{
	return __atomic_load_n(&t_mapped, __ATOMIC_RELAXED);
}

/* --- files ------------------------------------------------------------------- */

void t_fault_file(const char *path, const char *text)
{
	struct t_instead *i = &t_instead[t_instead_nr++];

	CHECK(t_instead_nr <= sizeof(t_instead) / sizeof(*t_instead));
	snprintf(i->path, sizeof(i->path), "%s", path);
	i->fd = -1;
	if (!text)
		return;
	i->fd = memfd_create("instead", MFD_CLOEXEC);
	CHECK(i->fd >= 0 && write(i->fd, text, strlen(text)) == (ssize_t)strlen(text));
}

unsigned int t_fault_files_met(void)
{
	return __atomic_load_n(&t_instead_met, __ATOMIC_RELAXED);
}

void t_fault_files_end(void)
{
	t_instead_met = 0;
	while (t_instead_nr)
		if (t_instead[--t_instead_nr].fd >= 0)
			close(t_instead[t_instead_nr].fd);
}

/* "": there is no such file. */
static const char *t_path_instead(const char *path, char room[40])
{
	for (unsigned int i = 0; i < t_instead_nr; i++) {
		if (strcmp(path, t_instead[i].path))
			continue;
		room[0] = '\0';
		__atomic_fetch_add(&t_instead_met, 1, __ATOMIC_RELAXED);
		if (t_instead[i].fd >= 0)
			snprintf(room, 40, "/proc/self/fd/%d", t_instead[i].fd);
		return room;
	}
	return path;
}

void t_fault_statfs(const char *dir, long type, long page_bytes)
{
	snprintf(t_other_fs, sizeof(t_other_fs), "%s", dir);
	t_other_type = type;
	t_other_page = page_bytes;
}

/* Descriptors that fstat() has not been asked about yet. */
static bool t_new[1024];

static int t_opened(int fd)
{
	if (fd >= 0 && fd < (int)sizeof(t_new))
		t_new[fd] = true;
	return fd;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	char room[40];
	mode_t mode = 0;
	va_list ap;

	if (flags & O_CREAT) {
		va_start(ap, flags);
		mode = va_arg(ap, mode_t);
		va_end(ap);
	}
	FAIL("open", -1, EMFILE, EACCES, ENOMEM);
	return t_opened(__real_open(t_path_instead(path, room), flags, mode));
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
	char room[40];

	FAIL("fopen", NULL, EMFILE, EACCES, ENOENT);
	return __real_fopen(t_path_instead(path, room), mode);
}

WRAP(DIR *, opendir, const char *path)
{
	FAIL("opendir", NULL, EMFILE, EACCES, ENOMEM);
	return __real_opendir(path);
}

WRAP(char *, realpath, const char *path, char *out)
{
	FAIL("realpath", NULL, ENOENT, EACCES, ENOMEM);
	return __real_realpath(path, out);
}

/* What could be looked at once can be again. */
WRAP(int, fstat, int fd, struct stat *st)
{
	if (t_next.call || (fd >= 0 && fd < (int)sizeof(t_new) && t_new[fd]))
		FAIL("fstat", -1, ENOMEM, EACCES, EIO);
	if (fd >= 0 && fd < (int)sizeof(t_new))
		t_new[fd] = false;
	return __real_fstat(fd, st);
}

/* Hundreds of data files are looked for that are not there: that need not be said. */
WRAP(int, lstat, const char *path, struct stat *st)
{
	int result = __real_lstat(path, st);

	if (!result)
		FAIL("lstat", -1, ENOMEM, EACCES, EIO);
	return result;
}

WRAP(int, stat, const char *path, struct stat *st)
{
	char room[40];

	FAIL("stat", -1, ENOMEM, EACCES, EIO);
	return __real_stat(t_path_instead(path, room), st);
}

WRAP(int, statfs, const char *path, struct statfs *st)
{
	int result;

	FAIL("statfs", -1, ENOSYS, EACCES, EIO);
	result = __real_statfs(path, st);
	if (!result && !strcmp(path, t_other_fs)) {
		st->f_type = t_other_type;
		st->f_bsize = t_other_page;
	}
	return result;
}

WRAP(int, statvfs, const char *path, struct statvfs *st)
{
	FAIL("statvfs", -1, ENOSYS, EACCES, EIO);
	return __real_statvfs(path, st);
}

WRAP(int, faccessat, int dir, const char *path, int mode, int flags)
{
	FAIL("faccessat", -1, EACCES, EROFS, EACCES);
	return __real_faccessat(dir, path, mode, flags);
}

WRAP(ssize_t, readlink, const char *path, char *out, size_t bytes)
{
	FAIL("readlink", -1, EACCES, ENOENT, EIO);
	return __real_readlink(path, out, bytes);
}

/* Only when it is named: what could not be deleted is left over. */
WRAP(int, unlink, const char *path)
{
	FAIL("unlink", -1, 0, 0, 0);
	return __real_unlink(path);
}

WRAP(int, link, const char *from, const char *to)
{
	FAIL("link", -1, EPERM, ENOSPC, EIO);
	return __real_link(from, to);
}

WRAP(int, ftruncate, int fd, off_t bytes)
{
	FAIL("ftruncate", -1, ENOSPC, EFBIG, EIO);
	return __real_ftruncate(fd, bytes);
}

WRAP(int, fchmod, int fd, mode_t mode)
{
	FAIL("fchmod", -1, EPERM, EROFS, EIO);
	return __real_fchmod(fd, mode);
}

WRAP(int, fallocate, int fd, int mode, off_t off, off_t bytes)
{
	FAIL("fallocate", -1, EOPNOTSUPP, EPERM, ENOSPC);
	return __real_fallocate(fd, mode, off, bytes);
}

WRAP(int, posix_fallocate, int fd, off_t off, off_t bytes)
{
	FAIL_SAYING("posix_fallocate", ENOSPC, EINTR, EIO);
	return __real_posix_fallocate(fd, off, bytes);
}

WRAP(ssize_t, pread, int fd, void *to, size_t bytes, off_t off)
{
	FAIL("pread", -1, EIO, EACCES, ENOMEM);
	return __real_pread(fd, to, bytes, off);
}

WRAP(ssize_t, pwrite, int fd, const void *from, size_t bytes, off_t off)
{
	FAIL("pwrite", -1, ENOSPC, EIO, EDQUOT);
	return __real_pwrite(fd, from, bytes, off);
}

WRAP(ssize_t, read, int fd, void *to, size_t bytes)
{
	FAIL("read", -1, EIO, EACCES, ESRCH);
	return __real_read(fd, to, bytes);
}

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	FAIL("fcntl", -1, ENOLCK, EINVAL, EAGAIN);
	return __real_fcntl(fd, cmd, arg);
}

/* --- the rest ---------------------------------------------------------------- */

WRAP(int, pipe2, int fds[2], int flags)
{
	int result;

	FAIL("pipe2", -1, EMFILE, ENFILE, ENOMEM);
	result = __real_pipe2(fds, flags);
	if (!result)
		t_opened(fds[0]);
	return result;
}

WRAP(int, eventfd, unsigned int value, int flags)
{
	FAIL("eventfd", -1, EMFILE, ENFILE, ENOMEM);
	return __real_eventfd(value, flags);
}

WRAP(ssize_t, getrandom, void *to, size_t bytes, unsigned int flags)
{
	FAIL("getrandom", -1, ENOSYS, EPERM, EINTR);
	return __real_getrandom(to, bytes, flags);
}

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attr,
     void *(*fn)(void *), void *arg)
{
	FAIL_SAYING("pthread_create", EAGAIN, EPERM, ENOMEM);
	return __real_pthread_create(thread, attr, fn, arg);
}

WRAP(int, pthread_key_create, pthread_key_t *key, void (*fn)(void *))
{
	FAIL_SAYING("pthread_key_create", EAGAIN, ENOMEM, EAGAIN);
	return __real_pthread_key_create(key, fn);
}

WRAP(int, getcpu, unsigned int *cpu, unsigned int *node)
{
	FAIL("getcpu", -1, ENOSYS, EPERM, ENOSYS);
	return __real_getcpu(cpu, node);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long arg[6] = { 0 };
	va_list ap;

	va_start(ap, number);
	/* The sixth is on the stack, if it is there. */
	for (unsigned int i = 0; i < (number == SYS_futex ? 6 : 5); i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	FAIL_NUMBER("syscall", number, -1, ENOSYS, EPERM, EINVAL);
	return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}
