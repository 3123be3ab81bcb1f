/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_memory.c - which pages a pool gets, and what is said when
 * there are none; segments that come and go.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "device.h"

#define MIB (1ULL << 20)

/* A number of /proc/self/smaps about the mapping at @at, in KiB. */
static long smaps(const void *at, const char *key)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	char line[256], begin[32];
	bool there = false;
	long kib = -1;
	int bytes = snprintf(begin, sizeof(begin), "%lx-", (unsigned long)at);

	CHECK(file);
	while (kib < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, begin, (size_t)bytes))
			there = true;
		else if (there && !strncmp(line, key, strlen(key)))
			kib = atol(line + strlen(key));
	}
	fclose(file);
	return kib;
}

#define NR_HUGEPAGES "/proc/sys/vm/nr_hugepages"

static void touch_all(char *data, uint64_t bytes)
{
	for (uint64_t i = 0; i < bytes; i += 4096)
		*(volatile char *)(data + i) = 1;
}

static void need_huge_pages(const char *nr)
{
	if (!d_set(NR_HUGEPAGES, nr) || d_number_in(NR_HUGEPAGES, NULL) != atol(nr))
		t_skip("there are not so many huge pages to be had");
}

static void pages_of_hugetlb(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 8 * MIB);
	struct zc_ioc_stat stat;
	struct d_member m;
	char *data;
	long total, n;

	close(d_open());
	need_huge_pages("4");
	/* There may be more than were asked for: nobody is to be left any. */
	total = d_number_in("/proc/meminfo", "HugePages_Total:");
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_EQ(arg.page_kind, ZC_PAGES_HUGETLB);
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.page_bytes, 2 * MIB);
	data = d_data(&m, 0, PROT_READ | PROT_WRITE);
	touch_all(data, 8 * MIB);
	CHECK_EQ(smaps(data, "KernelPageSize:"), 2048);
	CHECK_EQ(smaps(data, "Shared_Hugetlb:") + smaps(data, "Private_Hugetlb:"), 8192);
	/* All of them are this pool's: the next one is told, and gets none. */
	for (n = 4; n < total; n++) {
		t_note("%ld huge pages where 4 were asked for", total);
		arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 2 * MIB);
		d_name(arg.name, (unsigned int)n);
		d_create_with(&arg);
	}
	arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 2 * MIB);
	d_name(arg.name, 1);
	CHECK_EQ(d_call(d_open(), ZC_IOC_CREATE, &arg), ENOMEM);
	arg = d_create_of(ZC_PAGE_WISH_BEST, 2 * MIB);
	d_name(arg.name, 1);
	close(d_create_with(&arg));
	CHECK_OP(arg.page_kind, <, ZC_PAGES_HUGETLB);
	munmap(data, 8 * MIB);
	d_leave(&m);
	/* They come back with the pool. */
	T_UNTIL(d_number_in("/proc/meminfo", "HugePages_Free:") == 4);
	CHECK(d_set(NR_HUGEPAGES, "0"));
}

static void is_told(int signal)
{
	(void)signal;
}

/* Whoever is told something in the middle gets what he would have got: all there is. */
static void pages_of_hugetlb_come_whatever_is_told(void)
{
	static const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never;
	struct sigaction told = { .sa_handler = is_told, .sa_flags = SA_RESTART };
	int device = d_open(), error;

	need_huge_pages("16");
	CHECK(!sigaction(SIGALRM, &told, NULL));
	for (int i = 0; i < 20; i++) {
		struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 32 * MIB);

		arg.segment_bytes = 16 * MIB;
		CHECK(!setitimer(ITIMER_REAL, &often, NULL));
		error = d_call(device, ZC_IOC_CREATE, &arg);
		CHECK(!setitimer(ITIMER_REAL, &never, NULL));
		CHECK_EQ(error, 0);
		CHECK_EQ(arg.page_kind, ZC_PAGES_HUGETLB);
		close(arg.fd);
		T_UNTIL(d_number_in("/proc/meminfo", "HugePages_Free:") == 16);
	}
	CHECK(d_set(NR_HUGEPAGES, "0"));
}

/* Once they are another's, whoever is led to the place of a removed one gets SIGBUS. */
static void segments_of_hugetlb_stay(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 2 * MIB);
	struct zc_ioc_segment segment = { .segment = 0 };
	struct zc_ioc_stat stat;
	struct d_member m;
	char *data;

	close(d_open());
	need_huge_pages("2");
	arg.segment_bytes = 2 * MIB;
	arg.max_segments = 2;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	data = d_data(&m, 1, PROT_READ);
	CHECK_EQ(data[5], 0);
	segment = (struct zc_ioc_segment){ .segment = 1 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, EOPNOTSUPP);
	d_set(NR_HUGEPAGES, "0");
	CHECK_EQ(data[5], 0);
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 2);
	munmap(data, 2 * MIB);
	d_leave(&m);
}

static void pages_transparent(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_TRANSPARENT, 8 * MIB);
	struct zc_ioc_features features;
	struct d_member m;
	char *data;

	CHECK_CALL(d_open(), ZC_IOC_FEATURES, &features, 0);
	if (!(features.features & ZC_DEVICE_THP))
		t_skip("this kernel has no huge pages for tmpfs");
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_EQ(arg.page_kind, ZC_PAGES_TRANSPARENT);
	data = d_data(&m, 0, PROT_READ | PROT_WRITE);
	touch_all(data, 8 * MIB);
	CHECK_EQ(smaps(data, "ShmemPmdMapped:"), 8192);
	d_leave(&m);
}

static void pages_small(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_SMALL, 8 * MIB);
	struct zc_ioc_stat stat;
	struct d_member m;
	char *data;

	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_EQ(arg.page_kind, ZC_PAGES_SMALL);
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.page_bytes, 4096);
	data = d_data(&m, 0, PROT_READ | PROT_WRITE);
	touch_all(data, 8 * MIB);
	CHECK_EQ(smaps(data, "ShmemPmdMapped:"), 0);
	CHECK_EQ(smaps(data, "Rss:"), 8192);
	d_leave(&m);
}

static void pages_that_are_not_there(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_GIGANTIC, 1024 * MIB);
	int device = d_open(), error;

	CHECK(d_set(NR_HUGEPAGES, "0"));
	error = d_call(device, ZC_IOC_CREATE, &arg);
	CHECK_EQ(error, ENOMEM);
	arg = d_create_of(ZC_PAGE_WISH_HUGETLB, 2 * MIB);
	CHECK_CALL(device, ZC_IOC_CREATE, &arg, ENOMEM);
	/* The wrong size for them. */
	arg = d_create_of(ZC_PAGE_WISH_HUGETLB, MIB);
	CHECK_CALL(device, ZC_IOC_CREATE, &arg, EINVAL);
	CHECK_EQ(d_unlink(0), ENOENT);
}

/* More than the machine has: refused, and nobody was killed for it. */
static void memory_that_is_not_there(void)
{
	long available = d_number_in("/proc/meminfo", "MemAvailable:");
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_SMALL, 0);
	long kills = d_number_in("/proc/vmstat", "oom_kill ");
	int device = d_open();

	CHECK_OP(available, >, 0);
	arg.segment_bytes = 64 * MIB;
	arg.bytes = ((uint64_t)available << 10) + 64 * MIB;
	CHECK_CALL(device, ZC_IOC_CREATE, &arg, ENOMEM);
	CHECK_EQ(d_unlink(0), ENOENT);
	CHECK_EQ(d_number_in("/proc/vmstat", "oom_kill "), kills);
	/* Everything is back. */
	T_UNTIL(d_number_in("/proc/meminfo", "MemAvailable:") > available / 10 * 9);
}

struct watch {
	long least_kib;
	bool stop;
};

/* The least memory that was available meanwhile. */
static void *watches_memory(void *arg)
{
	struct watch *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		long now = d_number_in("/proc/meminfo", "MemAvailable:");

		if (now >= 0 && now < w->least_kib)
			w->least_kib = now;
	}
	return NULL;
}

/* Of small granules the descriptors are as much as the data, and leave as much. */
static void memory_of_control_that_is_not_there(void)
{
	long available = d_number_in("/proc/meminfo", "MemAvailable:");
	struct watch w = { .least_kib = available };
	struct zc_ioc_create filler = d_create_of(ZC_PAGE_WISH_SMALL, 0);
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_SMALL, 256 * MIB);
	pthread_t thread;
	int fd;

	CHECK_OP(available, >, 256L << 10);
	d_name(filler.name, 1);
	filler.segment_bytes = 16 * MIB;
	filler.bytes = ((uint64_t)available << 10) - 160 * MIB;
	fd = d_create_with(&filler);
	arg.granule_bytes = 64;
	CHECK(!pthread_create(&thread, NULL, watches_memory, &w));
	CHECK_CALL(d_open(), ZC_IOC_CREATE, &arg, ENOMEM);
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	CHECK(!pthread_join(thread, NULL));
	CHECK_EQ(d_unlink(0), ENOENT);
	/* Without the look it is nothing; KASAN has a further eighth of what it maps. */
	CHECK_OP(w.least_kib, >, 4L << 10);
	close(fd);
	/* What comes next finds it all again. */
	T_UNTIL(d_number_in("/proc/meminfo", "MemAvailable:") > available / 10 * 9);
}

/* The node that whoever may only read wants is his own affair. */
static void binds_what_it_may_read(void *arg)
{
	unsigned long first = 1;
	struct d_member m;
	uint64_t bytes;
	char *data;

	(void)arg;
	t_hear(t_parent(), "go");
	d_drop(1000, 1000);
	d_enter(&m, 0);
	data = d_data(&m, 0, PROT_READ);
	bytes = m.g.control_bytes - m.g.off_hints;
	CHECK(!syscall(SYS_mbind, m.writers, bytes, MPOL_BIND, &first, 64UL, 0U));
	CHECK(!syscall(SYS_mbind, data, m.g.segment_bytes, MPOL_BIND, &first, 64UL, 0U));
	t_say(t_parent(), "bound");
	t_hear(t_parent(), "end");
}

static int policy_at(const void *at)
{
	int mode = -1;

	CHECK(!syscall(SYS_get_mempolicy, &mode, NULL, 0UL, at, (unsigned long)MPOL_F_ADDR));
	return mode;
}

static void memory_is_bound_by_writers_only(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct t_peer *peer;
	struct d_member m;
	char *data;

	close(d_open());
	if (syscall(SYS_get_mempolicy, NULL, NULL, 0UL, NULL, 0UL))
		t_skip("no policies of memory here");
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0666));
	peer = t_spawn("reader", binds_what_it_may_read, NULL);
	arg.mode = 0644;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	data = d_data(&m, 0, PROT_READ);
	t_say(peer, "go");
	t_hear(peer, "bound");
	CHECK_EQ(policy_at(m.writers), MPOL_DEFAULT);
	CHECK_EQ(policy_at(data), MPOL_DEFAULT);
	CHECK(!chmod("/dev/" ZC_DEVICE_NAME, 0660));
	t_say(peer, "end");
	t_join(peer);
	d_leave(&m);
}

static void memory_of_a_user_is_limited(void)
{
	struct zc_ioc_create arg = d_create_of(ZC_PAGE_WISH_SMALL, 2 * MIB);
	const char *limit = "/sys/module/zerocore/parameters/pool_mbytes_max";
	int device = d_open(), fd;

	CHECK(d_set(limit, "3"));
	/* Who may exceed limits, may exceed these. */
	close(d_create_with(&arg));
	fd = dup(device);
	if (!fork()) {
		struct zc_ioc_create mine = d_create_of(ZC_PAGE_WISH_SMALL, 2 * MIB);
		struct zc_ioc_create more = mine;

		d_drop(1000, 1000);
		d_name(more.name, 1);
		_exit(d_call(fd, ZC_IOC_CREATE, &mine) ||
		      d_call(fd, ZC_IOC_CREATE, &more) != EDQUOT ||
		      close(mine.fd));
	}
	CHECK(d_set(limit, "3"));
	{
		int status;

		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
	CHECK(d_set(limit, "0"));
}

/* --- segments ------------------------------------------------------------------------ */

static void segments_come_and_go(void)
{
	struct zc_ioc_create arg = d_create_arg(0);
	struct zc_ioc_segment segment = { .segment = 0 };
	struct zc_ioc_stat stat;
	struct d_member m;
	uint64_t word;
	char *data;

	arg.bytes = arg.segment_bytes = 64 << 10;
	arg.max_segments = 4;
	d_join(&m, d_create_with(&arg), ZC_JOIN_WRITE);
	CHECK_EQ(m.kernel->segments, 1);
	CHECK_MAP(m.fd, ZC_MAP_DATA, 64 << 10, 64 << 10, PROT_READ, EINVAL);
	for (uint32_t i = 1; i < 4; i++) {
		CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
		CHECK_EQ(segment.segment, i);
		CHECK_EQ(m.kernel->segments, i + 1);
		CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_SEGMENT_ADDED).segment, i);
	}
	segment = (struct zc_ioc_segment){ .segment = 0 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, ENOSPC);
	data = d_data(&m, 2, PROT_READ | PROT_WRITE);
	data[100] = 7;
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 4);
	CHECK_EQ(stat.data_bytes, 4 * 64 << 10);

	segment = (struct zc_ioc_segment){ .segment = 2 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, 0);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_SEGMENT_REMOVED).segment, 2);
	/* Its memory is gone, under the mapping, which stays, and may come late. */
	CHECK_EQ(smaps(data, "Rss:"), 0);
	CHECK_EQ(m.kernel->segments, 4);
	CHECK_EQ(d_segment(&m, 2)->state, ZC_SEGMENT_RETIRED);
	CHECK_EQ(d_segment(&m, 2)->lives, 1);
	word = d_descs(&m)[2 * m.g.segment_granules].word;
	CHECK_EQ(word & 0xffffffff, (uint64_t)(m.g.segment_granules - 1) << 8 |
				    ZC_OWNER_REMOVER << ZC_WORD_OWNER_SHIFT);
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, ENXIO);
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 3);
	CHECK_EQ(stat.data_bytes, 3 * 64 << 10);
	/* It is the first that comes back, with memory of zeros, all of it free. */
	memset(&segment, 0, sizeof(segment));
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_ADD, &segment, 0);
	CHECK_EQ(segment.segment, 2);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_SEGMENT_ADDED).segment, 2);
	CHECK_EQ(m.kernel->segments, 4);
	CHECK_EQ(d_segment(&m, 2)->state, ZC_SEGMENT_READY);
	CHECK_EQ(d_segment(&m, 2)->lives, 2);
	CHECK_EQ(data[100], 0);
	data[100] = 8;
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 4);
	segment = (struct zc_ioc_segment){ .segment = 2 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, 0);
	CHECK_EQ(data[100], 0);
	segment = (struct zc_ioc_segment){ .segment = 4 };
	CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment, EINVAL);
	/* The last one stays. */
	for (uint32_t i = 0; i < 4; i++) {
		segment = (struct zc_ioc_segment){ .segment = i };
		CHECK_CALL(m.fd, ZC_IOC_SEGMENT_REMOVE, &segment,
			   i == 2 ? ENXIO : i == 3 ? EBUSY : 0);
	}
	CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.segments, 1);
	munmap(data, 64 << 10);
	d_leave(&m);
}

static const struct t_case cases[] = {
	T_CASE(pages_of_hugetlb),
	T_CASE(pages_of_hugetlb_come_whatever_is_told),
	T_CASE(segments_of_hugetlb_stay),
	T_CASE(pages_transparent),
	T_CASE(pages_small),
	T_CASE(pages_that_are_not_there),
	T_CASE(memory_that_is_not_there),
	T_CASE(memory_of_control_that_is_not_there),
	T_CASE(memory_is_bound_by_writers_only),
	T_CASE(memory_of_a_user_is_limited),
	T_CASE(segments_come_and_go),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
