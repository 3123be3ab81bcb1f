// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * device_watch.c - the background thread of a member of /dev/zerocore.
 *
 * The kernel declares deaths and takes back what the dead held, but it cannot wake
 * futex sleepers: each member's thread reads the pool's events and wakes whoever may
 * be waiting for what happened.  It also shows the kernel that we are alive.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "node.h"

#define ZC_STAMP_NS 100000000ULL
/* Without a descriptor only the epoch word tells of changes. */
#define ZC_BLIND_MS 20
#define ZC_TICK_MS 100
/* When nothing has happened for long, and no hook is to be called. */
#define ZC_RESTING_NS 1000000000ULL
#define ZC_REST_TICK_MS 250
#define ZC_EVENT_BATCH 8

/* Whoever sleeps on any topic, or on the pool, looks again. */
static void zc_wake_all(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	u32 w;

	for (w = 0; w < ZC_MAX_WRITERS; w++)
		if (zc_mask_bits(zc_load_acquire(&v->writer_slots[w].active)))
			zc_futex_wake((u32 *)&zc_writer_area(v, w)->head);
	zc_futex_wake(&v->header->epoch);
	zc_wake_any(pool, ~0U);
	/* Somebody on duty may be gone, and what came back is to be merged. */
	zc_nodes_ring(pool);
}

static struct zc_event_record zc_device_record(const struct zc_device_event *e)
{
	struct zc_event_record r = {
		.time_ns = e->time_ns,
		.type = e->type,
		.member = e->member,
		.pid = e->pid,
		.blocks = e->blocks,
		.bytes = e->payload_bytes,
		.service = e->service,
		.reader = e->reader,
		.incarnation = e->incarnation,
		.fault = e->fault,
		.message = e->sequence,
		.suspect = e->suspect,
	};

	memcpy(r.comm, e->comm, sizeof(r.comm));
	return r;
}

static void zc_queue_event(struct zc_device *d, const struct zc_device_event *e)
{
	struct zc_event_record r = zc_device_record(e);

	if (e->type == ZC_DEVICE_EVENT_OVERFLOW) {
		d->lost += e->blocks;
	} else {
		if (d->nr == ZC_DEVICE_EVENTS) {
			d->first = (d->first + 1) % ZC_DEVICE_EVENTS;
			d->nr--;
			d->lost++;
		}
		d->event[(d->first + d->nr++) % ZC_DEVICE_EVENTS] = r;
	}
}

/*
 * What happened since: the descriptor does not block.  Read and queued under one
 * lock, so that two threads keep the order.  Returns false when the descriptor is
 * not the pool's any more.
 */
static bool zc_read_events(struct zc_pool *pool)
{
	struct zc_device_event event[ZC_EVENT_BATCH];
	struct zc_device *d = pool->device;
	ssize_t bytes;
	bool good;
	size_t i;

	pthread_mutex_lock(&d->lock);
	bytes = read(d->fd, event, sizeof(event));
	good = bytes > 0 || (bytes < 0 && (errno == EINTR || errno == EAGAIN));
	for (i = 0; bytes > 0 && i < (size_t)bytes / sizeof(event[0]); i++)
		zc_queue_event(d, &event[i]);
	pthread_mutex_unlock(&d->lock);
	for (i = 0; bytes > 0 && i < (size_t)bytes / sizeof(event[0]); i++) {
		struct zc_event_record r = zc_device_record(&event[i]);

		zc_hook_event(pool, &r);
	}
	if (bytes > 0) {
		zc_fetch_add32(&d->event_word, 1);
		zc_futex_wake(&d->event_word);
		zc_wake_all(pool);
	}
	return good;
}

static void zc_device_stamp(struct zc_pool *pool, u64 now, u64 *stamped,
			    u64 *seen)
{
	struct zc_stamps *stamps = pool->device->stamps;
	u64 progress;

	if (now - *stamped < ZC_STAMP_NS)
		return;
	*stamped = now;
	zc_store_relaxed(&stamps->alive_ns, now);
	zc_publish_bytes(pool);
	progress = zc_progress(pool);
	if (progress != *seen) {
		*seen = progress;
		zc_store_relaxed(&stamps->progress_ns, now);
	}
}

void zc_device_watch(struct zc_pool *pool)
{
	const struct zc_view *v = &pool->view;
	const u64 *life = &v->members[pool->member].life;
	u32 epoch = zc_load_acquire(&v->header->epoch), now_epoch;
	u64 stamped = 0, progress = 0, changed = zc_timestamp();

	while (!zc_background_stopping(pool)) {
		struct pollfd p[2] = {
			{ .fd = zc_background_fd(pool), .events = POLLIN },
			{ .fd = pool->device->fd_lost ? -1 : pool->device->fd,
			  .events = POLLIN },
		};
		bool blind = pool->device->fd_lost;
		u64 now = zc_timestamp();
		int ms = now - changed < ZC_RESTING_NS ||
			 zc_load_relaxed(&pool->hooked) ? ZC_TICK_MS :
							  ZC_REST_TICK_MS;

		if (zc_load_acquire(life) != pool->life) {
			if (!zc_load_relaxed(&pool->evicted))
				zc_log(ZC_LOG_ERROR, "pool %s: the kernel took this "
				       "process for gone; close the pool and open it "
				       "again", pool->name);
			/* At each tick: a role may just be registering. */
			zc_roles_evict(pool);
			blind = true;
			p[1].fd = -1;
		} else {
			zc_device_stamp(pool, now, &stamped, &progress);
			zc_hook_tick(pool, false);
		}
		if (poll(p, 2, blind ? ZC_BLIND_MS : ms) > 0 && p[1].revents) {
			changed = now;
			if (!zc_device_fd_good(pool) || !zc_read_events(pool))
				pool->device->fd_lost = true;
		}
		now_epoch = zc_load_acquire(&v->header->epoch);
		if (now_epoch != epoch) {
			epoch = now_epoch;
			changed = now;
			zc_wake_all(pool);
		}
	}
}

/* --- events ------------------------------------------------------------------------- */

void zc_device_tell(struct zc_pool *pool, const struct zc_event_record *event)
{
	struct zc_ioc_notify arg = { .service = event->service };

	/* All else the kernel knows by itself. */
	if (event->type == ZC_EVENT_READER_DISCONNECTED) {
		arg.flags = ZC_NOTIFY_DISCONNECTED;
		arg.reader = event->reader;
	} else if (event->type == ZC_EVENT_BLOCK_CORRUPTED) {
		arg.flags = ZC_NOTIFY_CORRUPTED;
		arg.fault = event->fault;
		arg.sequence = event->message;
		arg.suspect = event->suspect;
	}
	if (arg.flags && zc_device_fd_good(pool))
		zc_device_call(pool->device->fd, ZC_IOC_NOTIFY, &arg);
}

static bool zc_dequeue_event(struct zc_pool *pool, struct zc_event_record *r)
{
	struct zc_device *d = pool->device;
	bool found = false;

	pthread_mutex_lock(&d->lock);
	if (d->lost) {
		memset(r, 0, sizeof(*r));
		r->type = ZC_EVENT_OVERFLOW;
		r->time_ns = zc_timestamp();
		r->member = pool->member;
		r->service = ~0U;
		r->blocks = d->lost;
		d->lost = 0;
		found = true;
	}
	while (!found && d->nr) {
		*r = d->event[d->first];
		d->first = (d->first + 1) % ZC_DEVICE_EVENTS;
		d->nr--;
		/* Nobody needs to be told that he joined himself. */
		found = r->type != ZC_EVENT_MEMBER_JOINED ||
			r->member != pool->member ||
			r->incarnation != zc_life_incarnation(pool->life);
	}
	pthread_mutex_unlock(&d->lock);
	return found;
}

/* What happened before the call is there, whatever the background thread did. */
bool zc_device_next_event(struct zc_pool *pool, struct zc_event_record *r)
{
	if (zc_dequeue_event(pool, r))
		return true;
	if (!zc_device_fd_good(pool) || !zc_read_events(pool))
		return false;
	return zc_dequeue_event(pool, r);
}

const u32 *zc_device_event_word(struct zc_pool *pool)
{
	return &pool->device->event_word;
}
