/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * backend.h - where a pool's memory comes from, and who says who lives.
 *
 * Plain shared memory (shm_*.c) or /dev/zerocore (device_*.c).  Nothing here is
 * called for a message.
 */
#ifndef ZC_LIB_BACKEND_H
#define ZC_LIB_BACKEND_H

#include "internal.h"
#include "core/service.h"

struct zc_writer;
struct zc_reader;

/* Names of pools, in order, each once. */
struct zc_names {
	char (*name)[ZC_NAME_BYTES];
	size_t nr, room;
};

zc_result_t zc_names_add(struct zc_names *names, const char *name);

struct zc_backend_ops {
	zc_backend_t id;
	const char *name;

	/* Makes a pool, or finds it: @pool->creation_id is known then, and its
	 * memory exists.  open: ZC_ERROR_BUSY: attached already. */
	zc_result_t (*create)(struct zc_pool *pool, const char *name,
			      const zc_pool_options_t *options);
	zc_result_t (*open)(struct zc_pool *pool, const char *name);
	/* After joining: is the name still this very pool's? */
	bool (*still_named)(const struct zc_pool *pool);
	/* Unmaps and closes everything; also after a failed create, open, join. */
	void (*detach)(struct zc_pool *pool);
	zc_result_t (*remove)(const char *name);
	/* The same, if the name still is @pool's. */
	zc_result_t (*unname)(struct zc_pool *pool);
	/* All that this user owns; adds how many. */
	zc_result_t (*remove_all)(u32 *removed);
	/* Kills a member that agreed to it. */
	zc_result_t (*evict)(struct zc_pool *pool, u32 member, u32 incarnation);
	/* Adds the names of all pools that this process may see. */
	zc_result_t (*list)(struct zc_names *names);

	/* One segment more, or this one less: ZC_ERROR_BUSY while it is not empty.
	 * map_more: maps the data of segments that came since. */
	zc_result_t (*grow)(struct zc_pool *pool);
	zc_result_t (*shrink)(struct zc_pool *pool, u32 segment);
	zc_result_t (*map_more)(struct zc_pool *pool);
	/* A descriptor of the file behind a segment's data, or -errno; NULL: no memory
	 * goes under a mapping so that who touches it is hurt. */
	int (*data_open)(const struct zc_pool *pool, u32 segment);

	/* As a process; control and data are mapped after join. */
	zc_result_t (*join)(struct zc_pool *pool);
	void (*leave)(struct zc_pool *pool);

	/*
	 * As a role: finds or makes the service, takes a slot of it, says what the
	 * options say.  Fills in @w->id, incarnation, slot, area, ring, or @r->writer,
	 * id, incarnation, area (zeroed), writer_area, ring, floor, and makes a
	 * reader active: all is required for it until it stores its cursor.
	 */
	zc_result_t (*writer_join)(struct zc_writer *w,
				   const struct zc_service_name *name,
				   const zc_writer_options_t *options);
	void (*writer_leave)(struct zc_writer *w);
	zc_result_t (*reader_join)(struct zc_reader *r,
				   const struct zc_service_name *name,
				   const zc_reader_options_t *options,
				   bool *hazard);
	void (*reader_leave)(struct zc_reader *r);
	zc_result_t (*cleaner_join)(struct zc_pool *pool, u32 *id,
				    u32 *incarnation);
	void (*cleaner_leave)(struct zc_pool *pool, u32 id, u32 incarnation);
	/* Maps the regions of the active readers of @w that are not seen yet. */
	void (*readers_map)(struct zc_pool *pool, u32 w);

	/* Looks who is dead and takes back what they held, as far as one can. */
	void (*bury)(struct zc_pool *pool);
	/* What the background thread does, until zc_background_stopping(). */
	void (*watch)(struct zc_pool *pool);

	/* Tells the peers, where the kernel does not by itself. */
	void (*tell)(struct zc_pool *pool, const struct zc_event_record *event);
	/* The next event for this member; false: none now. */
	bool (*next_event)(struct zc_pool *pool, struct zc_event_record *event);
	/* The word that changes when there may be one. */
	const u32 *(*event_word)(struct zc_pool *pool);
};

extern const struct zc_backend_ops zc_shm_backend;
extern const struct zc_backend_ops zc_device_backend;

#endif /* ZC_LIB_BACKEND_H */
