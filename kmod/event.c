// SPDX-License-Identifier: GPL-2.0
/*
 * event.c - what happened to a pool, told to each member.
 *
 * A queue a member, bounded: who does not read loses the oldest, or what those who may
 * only read make, and is told how many.
 */
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "zerocore.h"
#include "service.h"

/* Records copied to user memory at a time. */
#define ZC_READ_BATCH 4

int zc_events_init(struct zc_event_queue *q)
{
	spin_lock_init(&q->lock);
	q->record = kvcalloc(ZC_DEVICE_EVENTS, sizeof(*q->record), GFP_KERNEL_ACCOUNT);
	return q->record ? 0 : -ENOMEM;
}

/* Nobody puts any more, but somebody may still take. */
void zc_events_free(struct zc_event_queue *q)
{
	struct zc_device_event *record;

	spin_lock(&q->lock);
	record = q->record;
	q->record = NULL;
	q->nr = 0;
	q->lost = 0;
	spin_unlock(&q->lock);
	kvfree(record);
}

void zc_epoch_bump(struct zc_pool *pool)
{
	u32 *epoch = &pool->view.header->epoch;

	lockdep_assert_held(&pool->lock);
	/* Waking is for members: a module cannot wake futexes. */
	smp_store_release(epoch, READ_ONCE(*epoch) + 1);
}

static void zc_event_put(struct zc_member *m,
			 const struct zc_device_event *event, bool minor)
{
	struct zc_event_queue *q = &m->events;

	spin_lock(&q->lock);
	if (minor && q->nr >= ZC_DEVICE_EVENTS / 2) {
		q->lost++;
		spin_unlock(&q->lock);
		return;
	}
	if (q->nr == ZC_DEVICE_EVENTS) {
		q->first = (q->first + 1) % ZC_DEVICE_EVENTS;
		q->nr--;
		q->lost++;
	}
	q->record[(q->first + q->nr++) % ZC_DEVICE_EVENTS] = *event;
	spin_unlock(&q->lock);
	if (m->file)
		wake_up_interruptible_poll(&m->file->wait,
					   EPOLLIN | EPOLLRDNORM);
}

/*
 * Who may only read can make as many events as he likes.  So these are @minor: of a queue
 * they fill half, and take the place of no other.
 */
static void zc_event_spread(struct zc_pool *pool, struct zc_device_event *event,
			    bool minor)
{
	struct zc_member *m;

	lockdep_assert_held(&pool->lock);
	event->bytes = sizeof(*event);
	event->time_ns = ktime_get_ns();
	zc_epoch_bump(pool);
	list_for_each_entry(m, &pool->members, list)
		if (m->state == ZC_MEMBER_ALIVE)
			zc_event_put(m, event, minor);
}

void zc_event_tell(struct zc_pool *pool, struct zc_device_event *event)
{
	bool minor = event->member < ZC_MAX_MEMBERS &&
		     event->type != ZC_DEVICE_EVENT_READER_DISCONNECTED &&
		     !(pool->view.members[event->member].caps & ZC_CAP_WRITE);

	zc_event_spread(pool, event, minor);
}

void zc_event_about(struct zc_pool *pool, u32 type, u32 member, u32 service,
		    u32 reader)
{
	struct zc_device_event event = {
		.type = type,
		.member = member,
		.service = service,
		.reader = reader,
		.segment = ~0U,
	};

	if (member < ZC_MAX_MEMBERS) {
		const struct zc_member_record *r = &pool->view.members[member];

		event.incarnation = zc_life_incarnation(r->life);
		event.pid = r->pid;
		memcpy(event.comm, r->comm, sizeof(event.comm));
	}
	zc_event_tell(pool, &event);
}

/* Was it told lately?  If not, it is now. */
static bool zc_corrupt_told(struct zc_pool *pool, const struct zc_ioc_notify *arg)
{
	struct zc_corrupt *c;

	for (c = pool->corrupt; c < pool->corrupt + ZC_CORRUPT_LAST; c++)
		if (c->fault == arg->fault && c->service == arg->service &&
		    c->sequence == arg->sequence)
			return true;
	c = &pool->corrupt[pool->corrupt_next++ % ZC_CORRUPT_LAST];
	c->fault = arg->fault;
	c->service = arg->service;
	c->sequence = arg->sequence;
	return false;
}

/*
 * Whoever reads a message may tell that it is corrupt, true or not; so nobody may tell
 * of so many that others lose events.
 */
int zc_corrupt_tell(struct zc_pool *pool, struct zc_member *m,
		    const struct zc_ioc_notify *arg)
{
	const struct zc_writer_slot *slot = &pool->view.writer_slots[arg->service];
	struct zc_device_event event = {
		.type = ZC_DEVICE_EVENT_BLOCK_CORRUPTED,
		.member = ~0U,
		.service = arg->service,
		.reader = ~0U,
		.segment = ~0U,
		.blocks = 1,
		.sequence = arg->sequence,
		.fault = arg->fault,
		.suspect = arg->suspect,
	};
	u64 now = ktime_get_ns();

	lockdep_assert_held(&pool->lock);
	if (zc_service_state(slot->service) != ZC_SERVICE_READY)
		return -ENOENT;
	if (now - m->corrupt_ns >= NSEC_PER_SEC) {
		m->corrupt_ns = now;
		m->corrupt_nr = 0;
	}
	if (m->corrupt_nr == ZC_NOTIFY_CORRUPTED_MAX)
		return -EBUSY;
	m->corrupt_nr++;
	if (zc_corrupt_told(pool, arg))
		return 0;
	if (zc_life_state(slot->life) != ZC_LIFE_IDLE) {
		const struct zc_member_record *r =
			&pool->view.members[zc_life_member(slot->life)];

		event.member = zc_life_member(slot->life);
		event.incarnation = zc_life_incarnation(r->life);
		event.pid = r->pid;
		memcpy(event.comm, r->comm, sizeof(event.comm));
	}
	zc_event_spread(pool, &event, !m->may_write);
	return 0;
}

/* The next one, or what is said instead of those that were lost. */
static bool zc_event_take(struct zc_event_queue *q, struct zc_device_event *out)
{
	bool taken = true;

	spin_lock(&q->lock);
	if (q->lost) {
		memset(out, 0, sizeof(*out));
		out->bytes = sizeof(*out);
		out->type = ZC_DEVICE_EVENT_OVERFLOW;
		out->time_ns = ktime_get_ns();
		out->member = ~0U;
		out->service = ~0U;
		out->reader = ~0U;
		out->segment = ~0U;
		out->blocks = q->lost;
		q->lost = 0;
	} else if (q->nr) {
		*out = q->record[q->first];
		q->first = (q->first + 1) % ZC_DEVICE_EVENTS;
		q->nr--;
	} else {
		taken = false;
	}
	spin_unlock(&q->lock);
	return taken;
}

static bool zc_event_ready(struct zc_event_queue *q)
{
	return READ_ONCE(q->nr) || READ_ONCE(q->lost);
}

ssize_t zc_events_read(struct zc_file *file, char __user *buf, size_t bytes,
		       bool nonblock)
{
	struct zc_member *m = zc_member_leased(file);
	struct zc_device_event event;
	ssize_t done = 0;

	if (IS_ERR(m))
		return PTR_ERR(m);
	if (bytes < sizeof(event)) {
		zc_member_put(m);
		return -EINVAL;
	}
	while (bytes - done >= sizeof(event)) {
		if (zc_event_take(&m->events, &event)) {
			if (copy_to_user(buf + done, &event, sizeof(event))) {
				/* That one is lost: say so next time. */
				spin_lock(&m->events.lock);
				m->events.lost +=
					event.type == ZC_DEVICE_EVENT_OVERFLOW ?
						event.blocks : 1;
				spin_unlock(&m->events.lock);
				done = done ? done : -EFAULT;
				break;
			}
			done += sizeof(event);
			continue;
		}
		if (done)
			break;
		if (nonblock) {
			done = -EAGAIN;
			break;
		}
		if (wait_event_interruptible(file->wait,
					     zc_event_ready(&m->events) ||
					     READ_ONCE(m->state) != ZC_MEMBER_ALIVE)) {
			done = -ERESTARTSYS;
			break;
		}
		if (READ_ONCE(m->state) != ZC_MEMBER_ALIVE)
			break;	/* end of file */
	}
	zc_member_put(m);
	return done;
}

__poll_t zc_events_poll(struct zc_file *file, struct file *filp,
			struct poll_table_struct *wait)
{
	struct zc_member *m;
	__poll_t ready = 0;

	poll_wait(filp, &file->wait, wait);
	m = zc_member_leased(file);
	if (IS_ERR(m))
		return EPOLLERR;
	if (zc_event_ready(&m->events))
		ready |= EPOLLIN | EPOLLRDNORM;
	spin_lock(&m->events.lock);
	if (m->events.notified)
		ready |= EPOLLPRI;
	spin_unlock(&m->events.lock);
	if (READ_ONCE(m->state) != ZC_MEMBER_ALIVE)
		ready |= EPOLLHUP;
	zc_member_put(m);
	return ready;
}
