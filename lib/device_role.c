// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * device_role.c - becoming and ceasing to be a writer or reader on /dev/zerocore.
 *
 * The kernel finds or makes the service, takes the slot, and for a reader makes a
 * region of its own and sets the masks; we map what it gave.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "device.h"
#include "role.h"

static void zc_names_copy(u8 to[3][ZC_NAME_BYTES],
			  const struct zc_service_name *name)
{
	u32 i;

	for (i = 0; i < 3; i++)
		memcpy(to[i], name->part[i], ZC_NAME_BYTES);
}

static zc_result_t zc_role_failed(struct zc_pool *pool, int error,
				  const char *service, bool writer)
{
	switch (error) {
	case EBUSY:
	case EAGAIN:
		return zc_fail(ZC_ERROR_BUSY,
			       "service %s has a live writer already, or its dead one is still being reaped",
			       service);
	case ENOSPC:
		return zc_fail(ZC_ERROR_SLOTS,
			       "all %u services of pool %s are in use: end the roles of one, or "
				       "make another pool",
			       ZC_MAX_WRITERS, pool->name);
	case EUSERS:
		return zc_fail(ZC_ERROR_SLOTS,
			       "service %s has %u readers, which is all it can, or %u of one user who may only read the pool: end one of them",
			       service, ZC_MAX_READERS_PER, ZC_MAX_READERS_PER / 2);
	case ENXIO:
		return zc_role_fail(pool, pool->alive);
	default:
		return zc_device_fail(error, writer ? "write to it" : "read it",
				      pool->name);
	}
}

zc_result_t zc_device_writer_join(struct zc_writer *w,
				  const struct zc_service_name *name,
				  const zc_writer_options_t *o)
{
	struct zc_pool *pool = w->pool;
	struct zc_view *v = &pool->view;
	struct zc_ioc_writer arg = {
		.on_slow = w->on_slow,
		.flags = o->overwrite ? ZC_SERVICE_OVERWRITE : 0,
		.history = (u32)w->history,
		.lag_limit = (u32)w->lag_limit,
		.quota_bytes = o->quota_bytes,
	};
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	zc_names_copy(arg.name, name);
	error = zc_device_call_patiently(pool, ZC_IOC_WRITER_JOIN, &arg);
	if (error)
		return zc_role_failed(pool, error, o->service, true);
	w->id = arg.service;
	w->incarnation = arg.incarnation;
	w->area = zc_writer_area(v, w->id);
	w->ring = zc_ring(v, w->id);
	w->slot = &v->writer_slots[w->id];
	return ZC_OK;
}

void zc_device_writer_leave(struct zc_writer *w)
{
	struct zc_ioc_writer arg = { .service = w->id,
				     .incarnation = w->incarnation };

	if (zc_device_fd_good(w->pool))
		zc_device_call(w->pool->device->fd, ZC_IOC_WRITER_LEAVE, &arg);
}

zc_result_t zc_device_reader_join(struct zc_reader *r,
				  const struct zc_service_name *name,
				  const zc_reader_options_t *o, bool *hazard)
{
	struct zc_pool *pool = r->pool;
	struct zc_view *v = &pool->view;
	struct zc_ioc_reader arg = {
		.flags = o->best_effort ? ZC_READER_HAZARD :
			 o->history	? ZC_READER_HISTORY : 0,
	};
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	zc_names_copy(arg.name, name);
	error = zc_device_call_patiently(pool, ZC_IOC_READER_JOIN, &arg);
	if (error)
		return zc_role_failed(pool, error, o->service, false);
	if (!zc_device_map_reader(pool, arg.service, arg.reader, true)) {
		error = errno;
		arg.flags = 0;
		zc_device_call(pool->device->fd, ZC_IOC_READER_LEAVE, &arg);
		errno = error;
		return zc_fail_errno("cannot map a reader's region of pool %s",
				     pool->name);
	}
	*hazard = arg.flags & ZC_READER_HAZARD;
	r->writer = arg.service;
	r->id = arg.reader;
	r->incarnation = arg.incarnation;
	r->writer_area = zc_writer_area(v, r->writer);
	r->ring = zc_ring(v, r->writer);
	r->floor = &r->writer_area->floor[r->id];
	r->area = zc_reader_area(v, r->writer, r->id);
	return ZC_OK;
}

void zc_device_reader_leave(struct zc_reader *r)
{
	struct zc_ioc_reader arg = { .service = r->writer,
				     .reader = r->id,
				     .incarnation = r->incarnation };

	if (zc_device_fd_good(r->pool))
		zc_device_call(r->pool->device->fd, ZC_IOC_READER_LEAVE, &arg);
}

void zc_device_readers_map(struct zc_pool *pool, u32 w)
{
	struct zc_view *v = &pool->view;
	u32 mask = zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active));

	while (mask) {
		u32 r = (u32)__builtin_ctz(mask);

		mask &= mask - 1;
		if (!zc_reader_seen(v, w, r))
			zc_device_map_reader(pool, w, r, false);
	}
}

zc_result_t zc_device_cleaner_join(struct zc_pool *pool, u32 *id, u32 *incarnation)
{
	struct zc_ioc_cleaner arg = { .cleaner = 0 };
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	error = zc_device_call_patiently(pool, ZC_IOC_CLEANER_JOIN, &arg);
	switch (error) {
	case 0:
		*id = arg.cleaner;
		*incarnation = arg.incarnation;
		return ZC_OK;
	case EUSERS:
		return zc_fail(ZC_ERROR_SLOTS,
			       "pool %s has %u cleaners, which is all it can: stop one",
			       pool->name, ZC_MAX_CLEANERS);
	case ENXIO:
		return zc_role_fail(pool, pool->alive);
	default:
		return zc_device_fail(error, "clean it", pool->name);
	}
}

void zc_device_cleaner_leave(struct zc_pool *pool, u32 id, u32 incarnation)
{
	struct zc_ioc_cleaner arg = { .cleaner = id, .incarnation = incarnation };

	if (zc_device_fd_good(pool))
		zc_device_call(pool->device->fd, ZC_IOC_CLEANER_LEAVE, &arg);
}
