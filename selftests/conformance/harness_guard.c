/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_guard.c - a guarded writer, its reader, and what is to come of a message.
 */
#include <stdio.h>
#include <string.h>

#include "harness_guard.h"

struct t_guard t_guard;

static void on_corrupt(zc_pool_t *pool, const char *service, uint64_t sequence, void *ctx)
{
	CHECK(pool == t_guard.pool && !ctx && !strcmp(service, T_GUARD_SERVICE));
	__atomic_store_n(&t_guard.sequence, sequence, __ATOMIC_RELAXED);
	__atomic_add_fetch(&t_guard.hooked, 1, __ATOMIC_RELEASE);
}

void t_guard_hook(void)
{
	zc_hooks_t hooks = ZC_HOOKS_INIT;

	hooks.corrupted_block = on_corrupt;
	CHECK_OK(zc_set_hooks(t_guard.pool, &hooks));
}

void t_guard_writer(zc_guard_t guard)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.guard = guard;
	t_writer_open(&t_guard.writer, t_guard.pool, T_GUARD_SERVICE, &options);
}

void t_guard_begin(zc_guard_t guard, bool release)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	memset(&t_guard, 0, sizeof(t_guard));
	t_guard.pool = t_pool_create(NULL);
	t_guard_writer(guard);
	options.guard_release = release;
	t_reader_open(&t_guard.reader, t_guard.pool, T_GUARD_SERVICE, &options);
	t_guard_hook();
}

void t_guard_finish(void)
{
	t_reader_close(&t_guard.reader);
	t_writer_close(&t_guard.writer);
	t_pool_check_rest(t_guard.pool);
	t_pool_close(t_guard.pool);
	zc_pool_remove(t_name(0));
}

/* --- what is where ------------------------------------------------------------------- */

/* A message that is committed, and where its payload lies. */
unsigned char *t_guard_send(size_t bytes)
{
	unsigned char *data;
	zc_handle_t handle;

	CHECK_OK(zc_writer_acquire_block(t_guard.writer.role, bytes, &handle, t_wait_ns()));
	data = zc_writer_block_data(t_guard.writer.role, handle, NULL);
	t_commit(&t_guard.writer, handle);
	return data;
}

/*
 * The record of a message that is committed: descriptors are the last that is mapped of
 * control memory, wherever that comes from.
 */
struct zc_block_desc *t_guard_record(uint64_t sequence)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct zc_block_desc *found = NULL;
	unsigned long from, to;
	uint64_t all, granule;
	char line[512], how[8];
	FILE *maps;

	CHECK_OK(zc_pool_get_info(t_guard.pool, &info));
	all = info.segment_bytes / info.granule_bytes * info.max_segments;
	maps = fopen("/proc/self/maps", "re");
	CHECK(maps);
	while (!found && fgets(line, sizeof(line), maps)) {
		struct zc_block_desc *d;

		if (sscanf(line, "%lx-%lx %7s", &from, &to, how) != 3 ||
		    strcmp(how, "rw-s") || to - from < all * sizeof(*d))
			continue;
		d = (struct zc_block_desc *)to - all;
		for (granule = 0; granule < all && !found; granule++)
			if (d[granule].sequence == sequence && (d[granule].word & 3) == 1)
				found = &d[granule];
	}
	fclose(maps);
	CHECK(found);
	return found;
}

/* --- what is to come of it ------------------------------------------------------------- */

void t_guard_delivered(void)
{
	zc_handle_t handle;

	CHECK_OK(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 0));
	CHECK_OK(zc_reader_release_block(t_guard.reader.role, handle));
	CHECK_EQ(t_guard.hooked, t_guard.corrupt);
}

void t_guard_withheld(uint64_t sequence)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	zc_handle_t handle = 4711;

	CHECK_RESULT(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 0),
		     ZC_ERROR_CORRUPT_BLOCK);
	CHECK_EQ(handle, 4711);
	t_guard.corrupt++;
	CHECK_EQ(t_guard.hooked, t_guard.corrupt);
	CHECK_EQ(t_guard.sequence, sequence);
	CHECK_OK(zc_reader_get_stats(t_guard.reader.role, &stats));
	CHECK_EQ(stats.corrupt, t_guard.corrupt);
	CHECK_EQ(stats.held, 0);
}

/* The next event about a corrupt block. */
zc_event_t t_guard_told(void)
{
	zc_event_t event;

	do {
		memset(&event, 0, sizeof(event));
		event.sz = sizeof(event);
		CHECK_OK(zc_pool_next_event(t_guard.pool, &event, t_wait_ns()));
	} while (event.type != ZC_EVENT_BLOCK_CORRUPTED);
	return event;
}

/* The last message goes on in order; its own checks of order are not ours. */
void t_guard_next(void)
{
	t_guard_send(T_GUARD_PAYLOAD);
	t_guard_delivered();
}
