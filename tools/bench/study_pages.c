/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * study_pages.c - small and huge pages: the first touch, and reads all over the place.
 *
 * Of bare shared memory, where each first touch gets a page from the kernel, and of a
 * pool, whose memory is there from its creation on.  Huge pages are what the machine
 * gives: transparent ones, where shared memory may have such, and those of the
 * kernel's pool, which are reserved for as long as this takes, where it is root.
 */
#include "bench_pool.h"
#include "hugetlb.h"
#include "study.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ULL << 20)
#define SMALL_PAGE 4096
#define READS 2000000
#define READS_QUICK 300000

enum pages { SMALL, TRANSPARENT, HUGETLB, KINDS };

static const char *const asked[] = { "small", "transparent", "hugetlb" };

/* In memory shared with the process that measures. */
struct ask {
	char pool[48];
	uint64_t bytes;
	uint64_t reads;
	enum pages kind;
	bool private;		/* anonymous memory of one process */

	uint64_t create_ns;	/* of a pool, with all of it allocated */
	double touch_ns;	/* of the first touch, for each 4 KiB */
	double read_ns;		/* of a read whose place hangs on the one before */
	uint64_t huge_kib;	/* of it in huge pages */
	uint64_t sum;		/* so that reads are not left out */
	char got[32];
	char failed[256];
};

static void __attribute__((noreturn)) fail(struct ask *ask, const char *what,
					   const char *why)
{
	snprintf(ask->failed, sizeof(ask->failed), "%s: %s", what, why);
	_exit(1);
}

/* Of this process's memory what lies in huge pages, of each kind. */
static uint64_t huge_kib(void)
{
	static const char *const keys[] = { "ShmemPmdMapped", "AnonHugePages",
					    "Shared_Hugetlb", "Private_Hugetlb" };
	double kib = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		kib += worker_memory_kib((int)getpid(), keys[i]);
	return (uint64_t)kib;
}

static void touch(struct ask *ask, unsigned char *memory, uint64_t bytes)
{
	uint64_t start = bench_now_ns();

	for (uint64_t at = 0; at < bytes; at += SMALL_PAGE)
		*(volatile unsigned char *)(memory + at) = 1;
	ask->touch_ns = (double)(bench_now_ns() - start) /
			((double)bytes / SMALL_PAGE);
}

/*
 * One line after the other, each anywhere: the place of the next hangs on what was
 * read, so that each waits for its own walk through the page tables.
 */
static void read_around(struct ask *ask, const unsigned char *memory,
			uint64_t bytes)
{
	uint64_t lines = bytes / 64, at = 1, sum = 0, start;

	for (int warm = 1; warm >= 0; warm--) {
		uint64_t nr = warm ? ask->reads / 10 : ask->reads;

		start = bench_now_ns();
		for (uint64_t i = 0; i < nr; i++) {
			uint64_t line = (uint64_t)(
				(unsigned __int128)at * lines >> 64);

			sum = *(const volatile unsigned char *)(memory +
								line * 64);
			at = (at + sum + 1) * 6364136223846793005ULL +
			     1442695040888963407ULL;
		}
		ask->read_ns = (double)(bench_now_ns() - start) / (double)nr;
	}
	ask->sum = at;
	ask->huge_kib = huge_kib();
}

static void bare(void *result)
{
	struct ask *ask = result;
	int flags = ask->kind == HUGETLB ? MFD_HUGETLB : 0, fd = -1;
	int share = ask->private ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	unsigned char *memory;

	if (!ask->private &&
	    ((fd = memfd_create("zerocore-compare", MFD_CLOEXEC | flags)) < 0 ||
	     ftruncate(fd, (off_t)ask->bytes) != 0))
		fail(ask, "memfd", "cannot be made");
	memory = mmap(NULL, ask->bytes, PROT_READ | PROT_WRITE, share, fd, 0);
	if (memory == MAP_FAILED)
		fail(ask, "mmap", "no memory");
	(void)madvise(memory, ask->bytes, ask->kind == SMALL ?
				MADV_NOHUGEPAGE : MADV_HUGEPAGE);
	touch(ask, memory, ask->bytes);
	read_around(ask, memory, ask->bytes);
	snprintf(ask->got, sizeof(ask->got), "%s",
		 ask->huge_kib * 1024 >= ask->bytes / 2 ? asked[ask->kind] :
							  "small");
}

/* One block, as large as there are. */
static void pool(void *result)
{
	static const zc_huge_t huge[] = { ZC_HUGE_NEVER, ZC_HUGE_TRANSPARENT,
					  ZC_HUGE_REQUIRE };
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct ask *ask = result;
	zc_writer_t *writer;
	zc_pool_t *opened;
	zc_handle_t handle;
	unsigned char *memory;
	uint64_t start;

	if (ask->kind == HUGETLB &&
	    !hugetlb_mount(ask->failed, sizeof(ask->failed)))
		_exit(1);
	options.bytes = options.segment_bytes = ask->bytes;
	options.huge = huge[ask->kind];
	start = bench_now_ns();
	if (zc_pool_create(ask->pool, &options, &opened) != ZC_OK)
		fail(ask, "pool create", zc_last_error());
	ask->create_ns = bench_now_ns() - start;
	wo.service = "compare/pages/data";
	if (zc_pool_get_info(opened, &info) != ZC_OK ||
	    zc_writer_register(opened, &wo, &writer) != ZC_OK ||
	    zc_writer_acquire_block(writer, ask->bytes, &handle,
				    ZC_TIMEOUT_TRY) != ZC_OK)
		fail(ask, "acquire", zc_last_error());
	memory = zc_writer_block_data(writer, handle, NULL);
	touch(ask, memory, ask->bytes);
	read_around(ask, memory, ask->bytes);
	snprintf(ask->got, sizeof(ask->got), "%s",
		 info.pages == ZC_PAGES_GOT_HUGETLB ? "hugetlb" :
		 info.pages == ZC_PAGES_GOT_TRANSPARENT ? "transparent" :
							  "small");
	/* Behind the mount that only this process has nobody else can remove it. */
	zc_pool_close(opened);
	(void)zc_pool_remove(ask->pool);
}

static void put(const struct compare *compare, const struct ask *ask,
		const char *who)
{
	struct json_object *line = study_line(&study_pages, who, "touch");
	char a[32], b[32];

	study_add(line, "pages", asked[ask->kind]);
	study_add_count(line, "bytes", ask->bytes);
	if (ask->failed[0] != '\0') {
		study_add(line, "failed", ask->failed);
		study_put(compare, line, "  %-18s %-12s %s\n", who,
			  asked[ask->kind], ask->failed);
		return;
	}
	study_add(line, "got", ask->got);
	study_add_count(line, "huge_kib", ask->huge_kib);
	bench_json_number(line, "touch_ns", ask->touch_ns);
	bench_json_number(line, "read_ns", ask->read_ns);
	if (ask->create_ns > 0)
		study_add_count(line, "create_ns", ask->create_ns);
	study_put(compare, line, "  %-18s %-12s %-12s first touch %9s a 4 KiB, a "
		  "read anywhere %9s\n", who, asked[ask->kind], ask->got,
		  time_text(ask->touch_ns, a, sizeof(a)),
		  time_text(ask->read_ns, b, sizeof(b)));
}

static void measure(const struct compare *compare, struct ask *ask,
		    const char *who, enum pages kind, void (*body)(void *result))
{
	char failed[256];

	memcpy(failed, ask->failed, sizeof(failed));
	*ask = (struct ask){
		.bytes = (compare->quick ? 256 : 1024) * MIB,
		.reads = compare->quick ? READS_QUICK : READS,
		.kind = kind,
		.private = strcmp(who, "private memory") == 0,
	};
	snprintf(ask->pool, sizeof(ask->pool), "compare-%d-pages",
		 (int)getpid());
	/* What could not be reserved cannot be had. */
	if (kind == HUGETLB && failed[0] != '\0')
		memcpy(ask->failed, failed, sizeof(failed));
	else if (!study_in_child("pages", body, ask) && ask->failed[0] == '\0')
		snprintf(ask->failed, sizeof(ask->failed), "it ended early");
	(void)zc_pool_remove(ask->pool);
	if (bench_guard_signal() == 0)
		put(compare, ask, who);
}

static int run(const struct compare *compare)
{
	uint64_t bytes = (compare->quick ? 256 : 1024) * MIB, available;
	struct ask *ask;
	int code = 0;

	if (!study_takes(compare, &peer_zerocore))
		return 0;
	if (!bench_memory_for(2 * bytes, &available)) {
		study_head(compare, "\npages: left out: too little memory\n");
		return 0;
	}
	ask = bench_shared_map(sizeof(*ask), false);
	study_head(compare, "\npages: asked for, got, of %llu MiB\n",
		   (unsigned long long)bytes / MIB);
	for (int kind = 0; kind < KINDS && bench_guard_signal() == 0; kind++) {
		char why[256] = "";

		if (kind == HUGETLB)
			(void)hugetlb_reserve(bytes, why, sizeof(why));
		memcpy(ask->failed, why, sizeof(ask->failed));
		measure(compare, ask, "shared memory", kind, bare);
		if (kind != HUGETLB)
			measure(compare, ask, "private memory", kind, bare);
		memcpy(ask->failed, why, sizeof(ask->failed));
		measure(compare, ask, "zerocore", kind, pool);
		/* Small pages are always to be had. */
		if (kind == SMALL && ask->failed[0] != '\0')
			code = 1;
	}
	hugetlb_give_back();
	bench_shared_unmap(ask, sizeof(*ask));
	return code;
}

const struct study study_pages = {
	.name = "pages",
	.what = "small and huge pages: the first touch, reads all over the place",
	.run = run,
};
