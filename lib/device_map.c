// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * device_map.c - a pool of /dev/zerocore, mapped region by region.
 *
 * To the rest of the library it looks like one control file: the regions are mapped
 * at their offsets into a reserved range.  Where no reader's region is mapped yet,
 * there are zeros, and view.reader_mapped says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/geometry.h"
#include "device.h"

#define ZC_READERS (ZC_MAX_WRITERS * ZC_MAX_READERS_PER)

/* Only of the pool: another file of the program's may have the number by now. */
static void *zc_device_mmap(const struct zc_pool *pool, void *at, u32 region,
			    u64 off, u64 bytes, int prot)
{
	if (!zc_device_fd_good(pool)) {
		errno = EBADF;
		return MAP_FAILED;
	}
	return mmap(at, bytes, prot, MAP_SHARED | (at ? MAP_FIXED : 0),
		    pool->device->fd, (off_t)(ZC_MAP_OFFSET(region) + off));
}

static zc_result_t zc_device_geometry(struct zc_pool *pool)
{
	struct zc_geometry *g = &pool->device->geometry;
	struct zc_pool_header *h = zc_device_mmap(pool, NULL, ZC_MAP_KERNEL, 0,
						  ZC_LAYOUT_PAGE, PROT_READ);
	const char *wrong;
	u32 version;

	if (h == MAP_FAILED)
		return zc_fail_errno("cannot map pool %s", pool->name);
	*g = h->geometry;
	version = h->layout_version;
	munmap(h, ZC_LAYOUT_PAGE);
	wrong = version == ZC_LAYOUT_VERSION ?
			zc_geometry_check(g, g->control_bytes) :
			"it has another layout version";
	if (wrong)
		return zc_fail(ZC_ERROR_CORRUPT_POOL, "pool %s of /dev/zerocore: %s",
			       pool->name, wrong);
	return ZC_OK;
}

static zc_result_t zc_device_map_control(struct zc_pool *pool)
{
	const struct zc_geometry *g = &pool->device->geometry;
	char *base = zc_reserve(g->control_bytes, ZC_LAYOUT_PAGE);
	int write = pool->may_write ? PROT_READ | PROT_WRITE : PROT_READ;
	u64 readers = g->off_hints - g->off_reader_areas;

	if (!base)
		return zc_fail_errno("cannot reserve %llu MiB of addresses (ulimit -v?)",
				     g->control_bytes >> 20);
	pool->control = base;
	pool->control_bytes = g->control_bytes;
	if (zc_device_mmap(pool, base, ZC_MAP_KERNEL, 0, g->off_reader_areas,
			   PROT_READ) == MAP_FAILED ||
	    mmap(base + g->off_reader_areas, readers, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
		 0) == MAP_FAILED ||
	    zc_device_mmap(pool, base + g->off_hints, ZC_MAP_WRITERS, 0,
			   g->control_bytes - g->off_hints, write) == MAP_FAILED)
		return zc_fail_errno("cannot map %llu MiB of control memory",
				     g->control_bytes >> 20);
	madvise(base + g->off_reader_areas, readers, MADV_DONTFORK);
	pool->view.reader_mapped = calloc(ZC_READERS, sizeof(u32));
	if (!pool->view.reader_mapped)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a pool handle");
	zc_view_init(&pool->view, base, g);
	return ZC_OK;
}

static bool zc_device_map_segment(struct zc_pool *pool, u32 s)
{
	u64 bytes = zc_segment_bytes(pool);
	int prot = pool->data_writable ? PROT_READ | PROT_WRITE : PROT_READ;

	return zc_device_mmap(pool, pool->data + s * bytes, ZC_MAP_DATA, s * bytes,
			      bytes, prot) != MAP_FAILED;
}

zc_result_t zc_device_map_more(struct zc_pool *pool)
{
	struct zc_view *v = &pool->view;
	zc_result_t result = ZC_OK;
	u32 s;

	pthread_mutex_lock(&pool->map_lock);
	for (s = v->segments_mapped; s < zc_segments(v); s++) {
		if (!zc_device_map_segment(pool, s)) {
			result = errno == EBADF ? zc_device_lost(pool) :
				 zc_fail_errno("cannot map segment %u of pool %s", s,
					       pool->name);
			break;
		}
		zc_store_release(&v->segments_mapped, s + 1);
	}
	pthread_mutex_unlock(&pool->map_lock);
	return result;
}

zc_result_t zc_device_grow(struct zc_pool *pool)
{
	struct zc_ioc_segment arg = { .segment = 0 };
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	error = zc_device_call(pool->device->fd, ZC_IOC_SEGMENT_ADD, &arg);
	return error ? zc_device_fail(error, "add a segment", pool->name) : ZC_OK;
}

zc_result_t zc_device_shrink(struct zc_pool *pool, u32 segment)
{
	struct zc_ioc_segment arg = { .segment = segment };
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	error = zc_device_call(pool->device->fd, ZC_IOC_SEGMENT_REMOVE, &arg);
	/* Somebody else removed it just now, as who was stopped for long may find. */
	if (error == ENXIO)
		error = EBUSY;
	return error ? zc_device_fail(error, "remove a segment", pool->name) : ZC_OK;
}

static zc_result_t zc_device_map_data(struct zc_pool *pool)
{
	u64 bytes = zc_segment_bytes(pool);

	pool->view.segments_mapped = 0;
	pool->data_span = pool->view.max_segments * bytes;
	pool->data = zc_reserve(pool->data_span,
				bytes < ZC_ALIGN_MAX ? bytes : ZC_ALIGN_MAX);
	if (!pool->data) {
		pool->data_span = 0;
		return zc_fail_errno("cannot reserve %llu MiB of addresses (ulimit -v?)",
				     pool->view.max_segments * bytes >> 20);
	}
	madvise(pool->data, pool->data_span, MADV_DONTFORK);
	return zc_device_map_more(pool);
}

zc_result_t zc_device_map(struct zc_pool *pool)
{
	struct zc_device *d = pool->device;
	zc_result_t result;

	/* First of all: nothing is given without it. */
	d->lease = zc_device_mmap(pool, NULL, ZC_MAP_LEASE, 0, ZC_LAYOUT_PAGE,
				  PROT_NONE);
	if (d->lease == MAP_FAILED) {
		d->lease = NULL;
		return zc_fail_errno("cannot map the lease of pool %s",
				     pool->name);
	}
	d->stamps = zc_device_mmap(pool, NULL, ZC_MAP_STAMPS, 0, ZC_LAYOUT_PAGE,
				   PROT_READ | PROT_WRITE);
	if (d->stamps == MAP_FAILED) {
		d->stamps = NULL;
		return zc_fail_errno("cannot map pool %s", pool->name);
	}
	result = zc_device_geometry(pool);
	if (result == ZC_OK)
		result = zc_device_map_control(pool);
	if (result == ZC_OK)
		result = zc_device_map_data(pool);
	return result;
}

/* The lease last: until then nobody else gets what we may still touch. */
void zc_device_unmap(struct zc_pool *pool)
{
	struct zc_device *d = pool->device;

	if (pool->data)
		munmap(pool->data, pool->data_span);
	if (pool->control)
		munmap(pool->control, pool->control_bytes);
	if (d->stamps)
		munmap(d->stamps, ZC_LAYOUT_PAGE);
	if (d->lease)
		munmap(d->lease, ZC_LAYOUT_PAGE);
	pool->data = NULL;
	pool->control = NULL;
	d->stamps = NULL;
	d->lease = NULL;
}

/*
 * Another thread may be reading what is at @at.  mmap() over it would leave a hole
 * when the kernel refuses, and it does when the reader has just left: so get it
 * elsewhere first, and move it.
 */
static bool zc_device_replace(struct zc_pool *pool, void *at, u32 region, u64 off,
			      u64 bytes, int prot)
{
	void *got = zc_device_mmap(pool, NULL, region, off, bytes, prot);
	int error;

	if (got == MAP_FAILED)
		return false;
	if (mremap(got, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) != at) {
		error = errno;
		munmap(got, bytes);
		errno = error;
		return false;
	}
	return true;
}

/* (under map_lock) */
static void zc_device_blind(struct zc_pool *pool)
{
	if (pool->device->blind_told)
		return;
	pool->device->blind_told = true;
	zc_log(ZC_LOG_WARN, "this program closed the descriptor of pool %s: what readers "
	       "that come now have read is not seen, and their writers here wait for "
	       "them; close the pool and open it again", pool->name);
}

bool zc_device_map_reader(struct zc_pool *pool, u32 w, u32 r, bool write)
{
	struct zc_view *v = &pool->view;
	u32 n = w * ZC_MAX_READERS_PER + r, before, after;
	u64 off = (u64)n * v->reader_area_bytes;
	bool mapped = false;
	u32 tries;

	pthread_mutex_lock(&pool->map_lock);
	for (tries = 0; tries < 8 && !mapped; tries++) {
		before = zc_life_incarnation(
			zc_load_acquire(&zc_reader_slot(v, w, r)->life));
		if (zc_load_relaxed(&v->reader_mapped[n]) == before && !write) {
			mapped = true;
			break;
		}
		/* What is there now is nobody's from here on. */
		zc_store_release(&v->reader_mapped[n], 0);
		if (!zc_device_replace(pool, zc_reader_area(v, w, r), ZC_MAP_READERS,
				       off, v->reader_area_bytes,
				       write ? PROT_READ | PROT_WRITE : PROT_READ)) {
			if (errno == EBADF)
				zc_device_blind(pool);
			break;
		}
		/* The kernel maps that of who is there: was it the same before? */
		after = zc_life_incarnation(
			zc_load_acquire(&zc_reader_slot(v, w, r)->life));
		if (before != after)
			continue;
		zc_store_release(&v->reader_mapped[n], after);
		mapped = true;
	}
	pthread_mutex_unlock(&pool->map_lock);
	return mapped;
}
