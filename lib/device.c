// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * device.c - pools of /dev/zerocore: made, opened, removed, listed, joined.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "core/geometry.h"
#include "device.h"

/* How long a call waits for the kernel to take back what a dead one held. */
#define ZC_BURY_NS 5000000000ULL
#define ZC_BURY_STEP_NS 200000L

/* How long a call waits for a place that a dead one had. */
#define ZC_REAP_WAIT_NS 2000000000ULL

int zc_device_call(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? errno : 0;
}

zc_result_t zc_device_fail(int error, const char *what, const char *name)
{
	switch (error) {
	case ENOENT:
		return zc_fail(ZC_ERROR_NOT_FOUND, "there is no pool %s on /dev/zerocore",
			       name);
	case EEXIST:
		return zc_fail(ZC_ERROR_EXISTS,
			       "pool %s exists: open it, or remove it first", name);
	case EACCES:
	case EPERM:
		return zc_fail(ZC_ERROR_PERMISSION,
			       "pool %s: you may not %s: ask its owner for the "
			       "permission", name, what);
	case EDQUOT:
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "pool %s: no more pools or bytes for this user: remove "
			       "some, or raise the limits of the zerocore module",
			       name);
	case ENOMEM:
	case ENOSPC:
		return zc_fail(ZC_ERROR_NO_MEMORY,
			       "pool %s: cannot %s: not enough memory", name, what);
	case EUSERS:
		return zc_fail(ZC_ERROR_SLOTS, "pool %s: cannot %s: all places are "
			       "taken", name, what);
	case EBUSY:
	case EAGAIN:
		return zc_fail(ZC_ERROR_BUSY, "pool %s: cannot %s just now", name,
			       what);
	case EINVAL:
		return zc_fail(ZC_ERROR_INVALID, "pool %s: the kernel refuses to %s: "
			       "an option is out of its range", name, what);
	default:
		errno = error;
		return zc_fail_errno("pool %s: cannot %s", name, what);
	}
}

static const char *zc_device_path(void)
{
	const char *path = secure_getenv("ZEROCORE_DEVICE");

	return path && path[0] ? path : "/dev/" ZC_DEVICE_NAME;
}

zc_result_t zc_device_open(int *fd)
{
	const char *path = zc_device_path();

	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (*fd >= 0)
		return ZC_OK;
	switch (errno) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return zc_fail(ZC_ERROR_NOT_SUPPORTED,
			       "%s is not there: load the module (modprobe zerocore, or "
			       "make insmod), or use plain shared memory "
			       "(ZEROCORE_BACKEND=shm)", path);
	case EACCES:
	case EPERM:
		return zc_fail(ZC_ERROR_PERMISSION,
			       "you may not open %s: join the group zerocore (adduser "
			       "NAME zerocore, and log in again), or use plain shared "
			       "memory (ZEROCORE_BACKEND=shm)", path);
	default:
		return zc_fail_errno("cannot open %s", path);
	}
}

zc_result_t zc_device_usable(void)
{
	struct zc_ioc_features f;
	zc_result_t result;
	int fd, error;

	result = zc_device_open(&fd);
	if (result)
		return result;
	error = zc_device_call(fd, ZC_IOC_FEATURES, &f);
	close(fd);
	if (error)
		return zc_fail(ZC_ERROR_NOT_SUPPORTED,
			       "%s does not answer as the zerocore module does",
			       zc_device_path());
	if (f.uapi_version != ZC_UAPI_VERSION ||
	    f.layout_version != ZC_LAYOUT_VERSION)
		return zc_fail(ZC_ERROR_VERSION,
			       "the module speaks interface %u and layout %u, this "
			       "library (%s) %u and %u: use the same release of both",
			       f.uapi_version, f.layout_version, zc_version(),
			       ZC_UAPI_VERSION, ZC_LAYOUT_VERSION);
	return ZC_OK;
}

/* --- pools ---------------------------------------------------------------------- */

static zc_result_t zc_device_alloc(struct zc_pool *pool, const char *name)
{
	struct zc_device *d = calloc(1, sizeof(*d));

	if (!d)
		return zc_fail(ZC_ERROR_NO_MEMORY, "no memory for a pool handle");
	d->fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	pool->device = d;
	pool->control_fd = -1;
	pool->lock_fd = -1;
	strcpy(pool->name, name);
	return ZC_OK;
}

static void zc_device_detach(struct zc_pool *pool)
{
	struct zc_device *d = pool->device;

	if (!d)
		return;
	zc_device_unmap(pool);
	if (d->fd >= 0 && !d->fd_lost)
		close(d->fd);
	pthread_mutex_destroy(&d->lock);
	free(pool->view.reader_mapped);
	pool->view.reader_mapped = NULL;
	free(d);
	pool->device = NULL;
}

void zc_device_after_fork(struct zc_pool *pool)
{
	struct zc_ioc_stat stat;

	/* No member in here, so that zc_device_fd_good() would not know it. */
	if (!pool->device->fd_lost &&
	    !zc_device_call(pool->device->fd, ZC_IOC_STAT, &stat) &&
	    !memcmp(stat.creation_id, pool->creation_id, sizeof(stat.creation_id)))
		close(pool->device->fd);
	pool->device->fd = -1;
}

static u32 zc_page_wish(zc_huge_t huge)
{
	switch (huge) {
	case ZC_HUGE_NEVER:
		return ZC_PAGE_WISH_SMALL;
	case ZC_HUGE_TRANSPARENT:
		return ZC_PAGE_WISH_TRANSPARENT;
	case ZC_HUGE_REQUIRE:
		return ZC_PAGE_WISH_HUGETLB;
	case ZC_HUGE_GIGANTIC:
		return ZC_PAGE_WISH_GIGANTIC;
	default:
		return ZC_PAGE_WISH_BEST;
	}
}

static zc_result_t zc_device_create(struct zc_pool *pool, const char *name,
				    const zc_pool_options_t *o)
{
	struct zc_ioc_create arg = {
		.bytes = o->bytes,
		.segment_bytes = o->segment_bytes,
		.granule_bytes = o->granule_bytes,
		.ring_entries = o->ring_entries,
		.max_holds = o->max_holds,
		.flags = o->transient ? 0 : ZC_CREATE_PERSIST,
		.page_wish = zc_page_wish(o->huge),
		.mode = o->mode ? o->mode : 0600,
		.guard = zc_guard_choose(o->guard, ZC_MODE_OFF),
	};
	struct zc_geometry_request request = {
		.bytes = o->bytes,
		.segment_bytes = o->segment_bytes,
		.granule_bytes = o->granule_bytes,
		.ring_entries = o->ring_entries,
		.max_holds = o->max_holds,
		.max_bytes = o->max_bytes,
	};
	struct zc_geometry g;
	zc_result_t result;
	const char *wrong;
	u32 segments;
	int fd, error;

	if (arg.mode & ~0777U || (arg.mode & 0600) != 0600)
		return zc_fail(ZC_ERROR_INVALID, "permission bits %04o: 0600 must be "
			       "among them, and nothing above 0777", arg.mode);
	/* The kernel would say no without a word. */
	wrong = zc_geometry_compute(&g, &segments, &request);
	if (wrong)
		return zc_fail(ZC_ERROR_INVALID, "%s", wrong);
	if (g.segment_bytes < ZC_LAYOUT_PAGE) {
		request.segment_bytes = ZC_LAYOUT_PAGE;
		arg.segment_bytes = ZC_LAYOUT_PAGE;
		wrong = zc_geometry_compute(&g, &segments, &request);
		if (wrong)
			return zc_fail(ZC_ERROR_INVALID, "%s", wrong);
	}
	/* As it was worked out here. */
	arg.segment_bytes = g.segment_bytes;
	arg.max_segments = g.max_segments;
	result = zc_device_alloc(pool, name);
	if (result)
		return result;
	memcpy(arg.name, pool->name, sizeof(arg.name));
	result = zc_device_open(&fd);
	if (result) {
		zc_device_detach(pool);
		return result;
	}
	error = zc_device_call(fd, ZC_IOC_CREATE, &arg);
	close(fd);
	if (error == ENOMEM && o->huge == ZC_HUGE_GIGANTIC)
		result = zc_fail(ZC_ERROR_NO_MEMORY,
				 "no pages of 1 GiB for %llu bytes: reserve %llu with "
				 "hugepagesz=1G hugepages=N on the kernel's command "
				 "line, or in /sys/kernel/mm/hugepages/"
				 "hugepages-1048576kB/nr_hugepages",
				 (unsigned long long)o->bytes,
				 (unsigned long long)((o->bytes +
						       (1ULL << 30) - 1) >> 30));
	else if (error == ENOMEM && o->huge == ZC_HUGE_REQUIRE)
		result = zc_fail(ZC_ERROR_NO_MEMORY,
				 "no huge pages for %llu bytes: reserve %llu with "
				 "sysctl vm.nr_hugepages",
				 (unsigned long long)o->bytes,
				 (unsigned long long)((o->bytes +
						       (2ULL << 20) - 1) >> 21));
	else if (error)
		result = zc_device_fail(error, "create it", name);
	if (result) {
		zc_device_detach(pool);
		return result;
	}
	pool->device->fd = zc_fd_keep(arg.fd);
	memcpy(pool->creation_id, arg.creation_id, sizeof(pool->creation_id));
	return ZC_OK;
}

static zc_result_t zc_device_open_pool(struct zc_pool *pool, const char *name)
{
	struct zc_ioc_open arg = { .flags = 0 };
	zc_result_t result = zc_device_alloc(pool, name);
	int fd, error;

	if (result)
		return result;
	memcpy(arg.name, pool->name, sizeof(arg.name));
	result = zc_device_open(&fd);
	if (result) {
		zc_device_detach(pool);
		return result;
	}
	error = zc_device_call(fd, ZC_IOC_OPEN, &arg);
	close(fd);
	if (error) {
		zc_device_detach(pool);
		return zc_device_fail(error, "read it", name);
	}
	pool->device->fd = zc_fd_keep(arg.fd);
	memcpy(pool->creation_id, arg.creation_id, sizeof(pool->creation_id));
	if (zc_pool_find(pool->creation_id)) {
		zc_device_detach(pool);
		return ZC_ERROR_BUSY;
	}
	return ZC_OK;
}

/* Without the descriptor nobody can say. */
static bool zc_device_still_named(const struct zc_pool *pool)
{
	struct zc_ioc_stat stat;

	return pool->device->fd_lost ||
	       zc_device_call(pool->device->fd, ZC_IOC_STAT, &stat) ||
	       memcmp(stat.creation_id, pool->creation_id,
		      sizeof(stat.creation_id)) ||
	       !(stat.flags & ZC_STAT_UNLINKED);
}

static zc_result_t zc_device_remove(const char *name)
{
	struct zc_ioc_unlink arg = { .flags = 0 };
	zc_result_t result;
	int fd, error;

	result = zc_device_open(&fd);
	if (result)
		return result;
	strncpy((char *)arg.name, name, sizeof(arg.name) - 1);
	error = zc_device_call(fd, ZC_IOC_UNLINK, &arg);
	close(fd);
	return error ? zc_device_fail(error, "remove it", name) : ZC_OK;
}

static zc_result_t zc_device_unname(struct zc_pool *pool)
{
	return zc_device_still_named(pool) ? zc_device_remove(pool->name) :
		zc_fail(ZC_ERROR_NOT_FOUND, "pool %s is another by now", pool->name);
}

static zc_result_t zc_device_remove_all(u32 *removed)
{
	struct zc_ioc_unlink arg = { .flags = ZC_UNLINK_ALL };
	zc_result_t result;
	int fd, error;

	result = zc_device_open(&fd);
	if (result)
		return result;
	error = zc_device_call(fd, ZC_IOC_UNLINK, &arg);
	close(fd);
	if (error)
		return zc_device_fail(error, "remove any", "*");
	*removed += arg.unlinked;
	return ZC_OK;
}

static zc_result_t zc_device_evict(struct zc_pool *pool, u32 member,
				   u32 incarnation)
{
	struct zc_ioc_evict arg = { .member = member,
				    .incarnation = incarnation };
	int error;

	if (!zc_device_fd_good(pool))
		return zc_device_lost(pool);
	error = zc_device_call(pool->device->fd, ZC_IOC_EVICT, &arg);
	switch (error) {
	case 0:
		return ZC_OK;
	case ESRCH:
		return zc_fail(ZC_ERROR_NOT_FOUND,
			       "member %u of pool %s is not there any more", member,
			       pool->name);
	case EPERM:
		return zc_fail(ZC_ERROR_PERMISSION,
			       "member %u of pool %s cannot be evicted: it did not "
			       "agree to that when it attached, or you may not kill it",
			       member, pool->name);
	default:
		return zc_device_fail(error, "evict from it", pool->name);
	}
}

static zc_result_t zc_device_list(struct zc_names *names)
{
	struct zc_ioc_list arg = { .reserved = { 0 } };
	zc_result_t result;
	int fd, error;

	result = zc_device_open(&fd);
	if (result)
		return result;
	for (;;) {
		error = zc_device_call(fd, ZC_IOC_LIST, &arg);
		if (error)
			break;
		result = zc_names_add(names, (const char *)arg.name);
		if (result)
			break;
	}
	close(fd);
	if (result || error == ENOENT)
		return result;
	return zc_device_fail(error, "list pools", "");
}

int zc_device_call_patiently(struct zc_pool *pool, unsigned long command,
			     void *arg)
{
	u64 deadline = zc_deadline(ZC_REAP_WAIT_NS);
	struct timespec step = { 0, 50000 };
	int error;

	for (;;) {
		error = zc_device_call(pool->device->fd, command, arg);
		if (error != EAGAIN || zc_timestamp() >= deadline)
			return error;
		nanosleep(&step, NULL);
		if (step.tv_nsec < 2000000)
			step.tv_nsec *= 2;
	}
}

/* --- membership ------------------------------------------------------------------- */

static zc_result_t zc_device_join(struct zc_pool *pool)
{
	struct zc_ioc_join arg = {
		.flags = (pool->observer ? 0 : ZC_JOIN_TRY_WRITE) |
			 (pool->evictable ? ZC_JOIN_EVICTABLE : 0),
	};
	zc_result_t result;
	int error;

	pool->pid_ns = zc_proc_pid_ns();
	arg.pid_ns = pool->pid_ns;
	arg.start_ticks = zc_proc_start_ticks(getpid());
	if (zc_membarrier_register())
		arg.caps = ZC_CAP_MEMBARRIER;
	strncpy((char *)arg.comm, program_invocation_short_name,
		sizeof(arg.comm) - 1);
	/* Events are read by whoever asks first, and nobody waits in read(). */
	fcntl(pool->device->fd, F_SETFL, O_RDWR | O_NONBLOCK);
	error = zc_device_call_patiently(pool, ZC_IOC_JOIN, &arg);
	if (error)
		return zc_device_fail(error, "join it", pool->name);
	pool->member = arg.member;
	pool->life = arg.life;
	pool->caps = arg.caps | arg.granted;
	pool->may_write = arg.granted & ZC_CAP_WRITE;
	result = zc_device_map(pool);
	if (result)
		zc_device_call(pool->device->fd, ZC_IOC_LEAVE, NULL);
	return result;
}

bool zc_device_fd_good(const struct zc_pool *pool)
{
	struct zc_ioc_stat stat;

	return !pool->device->fd_lost &&
	       !zc_device_call(pool->device->fd, ZC_IOC_STAT, &stat) &&
	       stat.member == pool->member &&
	       !memcmp(stat.creation_id, pool->creation_id,
		       sizeof(stat.creation_id));
}

zc_result_t zc_device_lost(const struct zc_pool *pool)
{
	return zc_fail(ZC_ERROR_SYSTEM,
		       "this program closed the descriptor of pool %s: close the pool and "
		       "open it again", pool->name);
}

static void zc_device_leave(struct zc_pool *pool)
{
	/* Without a descriptor the end of the lease says the same. */
	if (zc_device_fd_good(pool))
		zc_device_call(pool->device->fd, ZC_IOC_LEAVE, NULL);
	else
		pool->device->fd_lost = true;
	zc_epoch_bump(pool);
}

/* The kernel does it by itself: wait until it has. */
static void zc_device_bury(struct zc_pool *pool)
{
	const struct timespec step = { 0, ZC_BURY_STEP_NS };
	u64 deadline = zc_deadline(ZC_BURY_NS);
	struct zc_ioc_stat stat;

	if (!zc_device_fd_good(pool))
		return;
	while (!zc_device_call(pool->device->fd, ZC_IOC_STAT, &stat) &&
	       stat.reaping && zc_timestamp() < deadline)
		nanosleep(&step, NULL);
}

const struct zc_backend_ops zc_device_backend = {
	.id = ZC_BACKEND_DEVICE,
	.name = "/dev/zerocore",
	.create = zc_device_create,
	.open = zc_device_open_pool,
	.still_named = zc_device_still_named,
	.detach = zc_device_detach,
	.remove = zc_device_remove,
	.unname = zc_device_unname,
	.remove_all = zc_device_remove_all,
	.evict = zc_device_evict,
	.list = zc_device_list,
	.join = zc_device_join,
	.leave = zc_device_leave,
	.writer_join = zc_device_writer_join,
	.writer_leave = zc_device_writer_leave,
	.reader_join = zc_device_reader_join,
	.reader_leave = zc_device_reader_leave,
	.grow = zc_device_grow,
	.shrink = zc_device_shrink,
	.map_more = zc_device_map_more,
	.cleaner_join = zc_device_cleaner_join,
	.cleaner_leave = zc_device_cleaner_leave,
	.readers_map = zc_device_readers_map,
	.bury = zc_device_bury,
	.watch = zc_device_watch,
	.tell = zc_device_tell,
	.next_event = zc_device_next_event,
	.event_word = zc_device_event_word,
};
