/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz.c - what the fuzz targets share.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static char folder[64];
static pid_t folder_of;

void fuzz_take(struct fuzz_in *in, void *to, size_t bytes)
{
	size_t take = bytes < in->left ? bytes : in->left;

	memset(to, 0, bytes);
	if (take)
		memcpy(to, in->at, take);
	in->at += take;
	in->left -= take;
}

void fuzz_wrong(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not so: %s\n  last error: %s\n", file, line, what,
		zc_last_error());
	abort();
}

static void remove_folder(void)
{
	char path[400];
	struct dirent *entry;
	DIR *dir;

	if (getpid() != folder_of)
		return;
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		unlink(path);
	}
	if (dir)
		closedir(dir);
	rmdir(folder);
}

void fuzz_folder(void)
{
	strcpy(folder, "/dev/shm/zc-fuzz-XXXXXX");
	FUZZ_MUST(mkdtemp(folder));
	folder_of = getpid();
	FUZZ_MUST(!setenv("ZEROCORE_DIR", folder, 1));
	FUZZ_MUST(!setenv("ZEROCORE_BACKEND", "shm", 1));
	atexit(remove_folder);
}

zc_pool_options_t fuzz_options(void)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;

	options.bytes = 256U << 10;
	options.ring_entries = 16;
	options.max_holds = 16;
	options.huge = ZC_HUGE_NEVER;
	return options;
}

zc_pool_t *fuzz_create(const char *name)
{
	zc_pool_options_t options = fuzz_options();
	zc_pool_t *pool = NULL;

	zc_pool_remove(name);
	FUZZ_MUST(zc_pool_create(name, &options, &pool) == ZC_OK);
	return pool;
}

struct fuzz_control fuzz_map(const char *name)
{
	struct fuzz_control control;
	char path[200];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", folder, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	FUZZ_MUST(fd >= 0 && !fstat(fd, &st));
	control.bytes = (size_t)st.st_size;
	control.header = mmap(NULL, control.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FUZZ_MUST(control.header != MAP_FAILED);
	close(fd);
	control.geometry = control.header->geometry;
	return control;
}

void fuzz_unmap(struct fuzz_control *control)
{
	munmap(control->header, control->bytes);
}

/* What is tried instead of random bits. */
static uint64_t value_of(uint8_t how, uint64_t was, uint64_t random)
{
	switch (how % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return was + 1;
	case 3:
		return was - 1;
	case 4:
		return was ^ 1ULL << (random & 63);
	case 5:
		return (was & 0xffffffffULL) | random << 32;
	case 6:
		return (was & ~0xffffffffULL) | (random & 0xffffffffULL);
	default:
		return random;
	}
}

void fuzz_spoil_in(const struct fuzz_control *control, uint64_t from, uint64_t bytes,
		   struct fuzz_in *in)
{
	uint8_t how = fuzz_u8(in);
	uint64_t *word;

	from += fuzz_u32(in) % (bytes / 8) * 8;
	/* What never changes in a live pool is loaded at opening, once. */
	if (from < 4096 || from + 8 > control->bytes)
		from = control->geometry.off_descs;
	word = (uint64_t *)((char *)control->header + from);
	__atomic_store_n(word, value_of(how, __atomic_load_n(word, __ATOMIC_RELAXED),
					how & 8 ? fuzz_u64(in) : how), __ATOMIC_RELAXED);
}

void fuzz_spoil(const struct fuzz_control *control, struct fuzz_in *in)
{
	const struct zc_geometry *g = &control->geometry;
	uint8_t where = fuzz_u8(in);
	uint64_t from, bytes;

	switch (where % 12) {
	case 0:
		from = g->off_writer_areas;
		bytes = sizeof(struct zc_writer_area);
		break;
	case 1:
	case 2:
	case 3:			/* the ring of the first service */
		from = g->off_writer_areas + sizeof(struct zc_writer_area);
		bytes = g->ring_entries * sizeof(struct zc_ring_entry);
		break;
	case 4:
	case 5:
		from = g->off_descs;
		bytes = 64 * sizeof(struct zc_block_desc);
		break;
	case 6:			/* readers of the first service */
		from = g->off_reader_areas;
		bytes = 2 * g->reader_area_bytes;
		break;
	case 7:
		from = g->off_hints;
		bytes = g->off_writer_areas > from ? g->off_writer_areas - from : 4096;
		break;
	case 8:
		from = g->off_writer_areas;
		bytes = g->writer_area_bytes;
		break;
	case 9:
		from = g->off_writer_slots;
		bytes = 4096;
		break;
	case 10:
		from = g->off_segments;
		bytes = 4096;
		break;
	default:
		from = 0;
		bytes = control->bytes;
		break;
	}
	fuzz_spoil_in(control, from, bytes, in);
}

void fuzz_touch(const void *data, size_t bytes)
{
	const volatile uint8_t *p = data;
	size_t i;

	for (i = 0; i < bytes; i += 512)
		(void)p[i];
	if (bytes)
		(void)p[bytes - 1];
}

static int visit_block(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *runs = ctx;

	(void)block;
	return ++*runs > 100000;
}

void fuzz_inspect(zc_pool_t *pool)
{
	zc_check_report_t report = { .sz = sizeof(report) };
	zc_service_info_t service = { .sz = sizeof(service) };
	zc_cleaner_info_t cleaner = { .sz = sizeof(cleaner) };
	zc_reader_info_t reader = { .sz = sizeof(reader) };
	zc_member_info_t member = { .sz = sizeof(member) };
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_load_t load = { .sz = sizeof(load) };
	zc_event_t event = { .sz = sizeof(event) };
	uint64_t runs = 0;
	uint32_t n;

	zc_pool_get_info(pool, &info);
	zc_pool_get_load(pool, &load);
	zc_inspect_blocks(pool, visit_block, &runs);
	zc_pool_check(pool, &report);
	for (n = 0; n < 33; n += n < 4 ? 1 : 29) {
		zc_inspect_service(pool, n, &service);
		zc_inspect_reader(pool, 0, n, &reader);
		zc_inspect_member(pool, n, &member);
		zc_inspect_cleaner(pool, n, &cleaner);
	}
	for (n = 0; n < 100 && zc_pool_next_event(pool, &event, 0) == ZC_OK; n++)
		zc_event_name(event.type);
}
