/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * device.h - what the tests of /dev/zerocore share: its calls, without the library.
 *
 * They run where the device is there: see selftests/vm.sh.
 */
#ifndef ZC_SELFTESTS_DEVICE_H
#define ZC_SELFTESTS_DEVICE_H

#include <errno.h>
#include <linux/zerocore.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define D_BYTES (4ULL << 20)

/* A member of a pool, by hand. */
struct d_member {
	int fd;
	uint32_t index;
	bool may_write;
	uint64_t life;
	void *lease;
	struct zc_pool_header *kernel;
	struct zc_geometry g;
	char *writers;		/* from g.off_hints on */
};

/* /dev/zerocore, opened; skips the case where it is not there. */
int d_open(void);
/* errno of the call, 0: it succeeded. */
int d_call(int fd, unsigned long cmd, void *arg);
#define CHECK_CALL(fd, cmd, arg, want) CHECK_EQ(d_call(fd, cmd, arg), want)

/* The name of this case's pool @n. */
void d_name(uint8_t to[ZC_NAME_BYTES], unsigned int n);
struct zc_ioc_create d_create_arg(unsigned int n);
/* Makes pool 0, which dies with its last descriptor. */
int d_create(void);
int d_create_with(struct zc_ioc_create *arg);
int d_open_pool(unsigned int n);
int d_unlink(unsigned int n);

/* mmap() of a region; MAP_FAILED as it is. */
void *d_map(int fd, unsigned int region, uint64_t off, uint64_t bytes, int prot);
#define CHECK_MAP(fd, region, off, bytes, prot, want)                          \
	do {                                                                   \
		errno = 0;                                                     \
		CHECK(d_map(fd, region, off, bytes, prot) == MAP_FAILED);      \
		CHECK_EQ(errno, want);                                         \
	} while (0)

/* Joins with a lease and maps control. */
void d_join(struct d_member *m, int fd, uint32_t flags);
/* A second descriptor of pool 0, joined. */
void d_enter(struct d_member *m, uint32_t flags);
void d_leave(struct d_member *m);
char *d_data(struct d_member *m, uint32_t segment, int prot);

void d_service(uint8_t name[3][ZC_NAME_BYTES], const char *instance);
struct zc_ioc_writer d_writer(struct d_member *m, const char *instance);
struct zc_ioc_reader d_reader(struct d_member *m, const char *instance,
			      uint32_t flags);
/* The region of a reader, as @m may map it. */
void *d_reader_region(struct d_member *m, const struct zc_ioc_reader *r,
		      int prot);
/* Where things are. */
struct zc_writer_slot *d_slot(struct d_member *m, uint32_t service);
struct zc_member_record *d_record(struct d_member *m, uint32_t member);
struct zc_segment_record *d_segment(struct d_member *m, uint32_t segment);
struct zc_block_desc *d_descs(struct d_member *m);

/* Reads events until one of that type, which it returns. */
struct zc_device_event d_event(int fd, uint32_t type);
/* Becomes another user, without rights. */
void d_drop(uint32_t uid, uint32_t gid);
/* Runs @fn in a child and wants it to end well. */
void d_child(void (*fn)(void *), void *arg);
/* Writes @value to a file of /proc or /sys. */
bool d_set(const char *path, const char *value);
/* The number in the first line, or in that which begins with @key; -1: there is none. */
long d_number_in(const char *path, const char *key);
/* One segment of so much, of such pages. */
struct zc_ioc_create d_create_of(uint32_t wish, uint64_t bytes);

#endif /* ZC_SELFTESTS_DEVICE_H */
