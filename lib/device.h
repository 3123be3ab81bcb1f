/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * device.h - what the device_*.c files know of each other: a pool of /dev/zerocore.
 */
#ifndef ZC_LIB_DEVICE_H
#define ZC_LIB_DEVICE_H

#include <linux/zerocore.h>

#include "backend.h"

struct zc_device {
	int fd;			/* the pool's, or -1 */
	bool fd_lost;		/* the program closed it behind our back */
	bool blind_told;	/* (under map_lock) that new readers are not seen */
	void *lease;
	struct zc_stamps *stamps;
	struct zc_geometry geometry;

	/* Events that the background thread has read and nobody has asked for. */
	pthread_mutex_t lock;	/* leaf */
	struct zc_event_record event[ZC_DEVICE_EVENTS];	/* (under @lock) */
	u32 first, nr;		/* (under @lock) */
	u64 lost;		/* (under @lock) */
	u32 event_word;		/* changes with each event */
};

/* --- device.c ---------------------------------------------------------------- */

/* Is the device there, permitted, and one that we understand? */
zc_result_t zc_device_usable(void);
/* A descriptor of the device. */
zc_result_t zc_device_open(int *fd);
/* 0 or errno. */
int zc_device_call(int fd, unsigned long command, void *arg);
/* The same; EAGAIN: a dead one is being reaped, which is a matter of milliseconds. */
int zc_device_call_patiently(struct zc_pool *pool, unsigned long command,
			     void *arg);
/* The sentence for a call that failed with @error: @what failed. */
zc_result_t zc_device_fail(int error, const char *what, const char *name);
/* A forked child: its copy of the descriptor goes, the rest is not there. */
void zc_device_after_fork(struct zc_pool *pool);
/* Is the descriptor still the one of the pool? */
bool zc_device_fd_good(const struct zc_pool *pool);
/* The sentence if it is not. */
zc_result_t zc_device_lost(const struct zc_pool *pool);

/* --- device_map.c ------------------------------------------------------------- */

/* Lease, control, data, after ZC_IOC_JOIN. */
zc_result_t zc_device_map(struct zc_pool *pool);
zc_result_t zc_device_map_more(struct zc_pool *pool);
zc_result_t zc_device_grow(struct zc_pool *pool);
zc_result_t zc_device_shrink(struct zc_pool *pool, u32 segment);
void zc_device_unmap(struct zc_pool *pool);
/* One reader's region over what is there. */
bool zc_device_map_reader(struct zc_pool *pool, u32 w, u32 r, bool write);

/* --- device_role.c ------------------------------------------------------------- */
zc_result_t zc_device_writer_join(struct zc_writer *w,
				  const struct zc_service_name *name,
				  const zc_writer_options_t *options);
void zc_device_writer_leave(struct zc_writer *w);
zc_result_t zc_device_reader_join(struct zc_reader *r,
				  const struct zc_service_name *name,
				  const zc_reader_options_t *options,
				  bool *hazard);
void zc_device_reader_leave(struct zc_reader *r);
zc_result_t zc_device_cleaner_join(struct zc_pool *pool, u32 *id, u32 *incarnation);
void zc_device_cleaner_leave(struct zc_pool *pool, u32 id, u32 incarnation);
void zc_device_readers_map(struct zc_pool *pool, u32 w);

/* --- device_watch.c ------------------------------------------------------------- */
void zc_device_watch(struct zc_pool *pool);
void zc_device_tell(struct zc_pool *pool, const struct zc_event_record *event);
bool zc_device_next_event(struct zc_pool *pool, struct zc_event_record *event);
const u32 *zc_device_event_word(struct zc_pool *pool);

#endif /* ZC_LIB_DEVICE_H */
