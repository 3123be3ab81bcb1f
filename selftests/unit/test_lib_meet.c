/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_meet.c - a reader meets a segment that it cannot map: nothing is lost.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "shm.h"

#define SEGMENT (64ULL << 10)

/* As one who attached before the pool grew, and has not looked since. */
static void forget_the_new_one(struct lib *l, zc_reader_t *r)
{
	pthread_mutex_lock(&l->pool->map_lock);
	l->pool->view.segments_mapped = 1;
	pthread_mutex_unlock(&l->pool->map_lock);
	r->granules = l->pool->view.segment_granules;
}

static void file_of(struct lib *l, u32 segment, char path[ZC_SHM_PATH])
{
	char dir[ZC_PATH_BYTES];

	must_zc(zc_shm_data_dir(l->pool, dir));
	must(zc_shm_data_path(path, dir, l->pool->creation_id, segment));
}

Test(meet, message_stays_until_its_segment_can_be_mapped)
{
	zc_pool_options_t o = ZC_POOL_OPTIONS_INIT;
	char path[ZC_SHM_PATH], away[ZC_SHM_PATH + 8];
	struct lib l, other;
	zc_handle_t handle;
	zc_writer_t *w;
	zc_reader_t *r;
	u64 sequence;

	lib_open(&other, SEGMENT);
	l = other;
	o.bytes = SEGMENT;
	o.segment_bytes = SEGMENT;
	o.max_bytes = 2 * SEGMENT;
	o.ring_entries = 64;
	o.huge = ZC_HUGE_NEVER;
	must_zc(zc_pool_create("meets", &o, &l.pool));
	w = lib_plain_writer(&l);
	r = lib_plain_reader(&l);
	must_zc(lib_send(w, 40000, 0));
	must_zc(zc_pool_grow(l.pool, 1));
	must_zc(lib_send(w, 40000, 0));
	must_zc(lib_receive(r, &handle, &sequence));
	must_eq(sequence, 1);
	must_zc(zc_reader_release_block(r, handle));

	file_of(&l, 1, path);
	snprintf(away, sizeof(away), "%s.away", path);
	must(!rename(path, away));
	forget_the_new_one(&l, r);
	must_fail(zc_reader_poll_block(r, 0, &handle, 0), ZC_ERROR_CORRUPT_POOL);
	must_fail(zc_reader_poll_block(r, 0, &handle, 1000000), ZC_ERROR_CORRUPT_POOL);
	must_eq(r->cursor, 2);
	must_eq(r->corrupt, 0);

	/* Its name went because the pool was removed: then that is what is said. */
	must_zc(zc_pool_remove("meets"));
	must_fail(zc_reader_poll_block(r, 0, &handle, 0), ZC_ERROR_NOT_FOUND);
	must(strstr(zc_last_error(), "was removed"));
	must_eq(r->cursor, 2);

	must(!rename(away, path));
	must_zc(lib_receive(r, &handle, &sequence));
	must_eq(sequence, 2);
	must_zc(zc_reader_release_block(r, handle));
	must(!unlink(path));
	zc_reader_unregister(r);
	zc_writer_unregister(w);
	zc_pool_close(l.pool);
	lib_close(&other);
}
