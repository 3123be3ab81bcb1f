/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_survivor.c - the process that lives through all kills.
 *
 * After each kill it acquires as many blocks as the idle pool gave at the
 * start: then all that the victim had is acquirable again.  Its reader checks
 * that the sequence has no gap, and that nothing is missing that a victim had
 * committed.
 */
#include "bench_payload.h"
#include "bench_recovery.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct survivor {
	struct recovery *rc;
	zc_pool_t *pool;
	zc_writer_t *writer;
	zc_reader_t *reader;
	uint64_t next;		/* sequence that the reader expects */
	zc_handle_t *block;	/* acquired to find out how many there are */
	uint64_t blocks;
	uint64_t random;
};

static void open_all(struct survivor *s)
{
	struct recovery *rc = s->rc;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t ro = ZC_READER_OPTIONS_INIT;
	zc_result_t result = zc_pool_open(rc->pool, &s->pool);

	if (result != ZC_OK)
		recovery_zc_fail(rc, "survivor: pool open", result);
	ro.service = RECOVERY_SERVICE;
	result = zc_reader_register(s->pool, &ro, &s->reader);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "survivor: reader register", result);
	/* Of the victims' service when they read, else of another one. */
	wo.service = rc->writer ? RECOVERY_OTHER : RECOVERY_SERVICE;
	result = zc_writer_register(s->pool, &wo, &s->writer);
	if (result != ZC_OK)
		recovery_zc_fail(rc, "survivor: writer register", result);
}

static void write_one(struct survivor *s, uint64_t bytes)
{
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_handle_t handle;
	zc_result_t result = zc_writer_acquire_block(s->writer, bytes, &handle,
						     RECOVERY_PATIENCE_NS);

	if (result != ZC_OK)
		recovery_zc_fail(s->rc, "survivor: acquire", result);
	result = zc_writer_get_stats(s->writer, &stats);
	if (result != ZC_OK)
		recovery_zc_fail(s->rc, "survivor: stats", result);
	bench_fill(zc_writer_block_data(s->writer, handle, NULL), bytes,
		   stats.next_sequence, false);
	result = zc_writer_commit_block(s->writer, handle);
	if (result != ZC_OK)
		recovery_zc_fail(s->rc, "survivor: commit", result);
	s->rc->intent = s->rc->done = stats.next_sequence;
}

/* Reads and verifies all that is there. */
static void read_all(struct survivor *s)
{
	struct recovery *rc = s->rc;
	zc_block_info_t info = { .sz = sizeof(info) };
	zc_handle_t handle;
	zc_result_t result;

	while ((result = zc_reader_poll_block(s->reader, 0, &handle,
					      ZC_TIMEOUT_TRY)) == ZC_OK) {
		size_t bytes;
		const void *data = zc_reader_block_data(s->reader, handle,
							&bytes);

		result = zc_reader_block_info(s->reader, handle, &info);
		if (data == NULL || result != ZC_OK)
			recovery_zc_fail(rc, "survivor: block info", result);
		if (s->next != 0 && info.sequence != s->next)
			rc->lost += info.sequence - s->next;
		rc->wrong += !bench_check(data, bytes, info.sequence, false);
		rc->messages++;
		s->next = info.sequence + 1;
		result = zc_reader_release_block(s->reader, handle);
		if (result != ZC_OK)
			recovery_zc_fail(rc, "survivor: release", result);
	}
	if (result != ZC_ERROR_TIMEOUT)
		recovery_zc_fail(rc, "survivor: poll", result);
}

/* Acquires up to @most blocks; returns false when one does not come. */
static bool fill_up(struct survivor *s, uint64_t most, uint64_t timeout_ns)
{
	while (s->blocks < most) {
		zc_result_t result = zc_writer_acquire_block(
			s->writer, s->rc->size, &s->block[s->blocks],
			timeout_ns);

		if (result == ZC_OK)
			s->blocks++;
		else if (result == ZC_ERROR_NO_MEMORY ||
			 result == ZC_ERROR_TIMEOUT)
			return false;
		else
			recovery_zc_fail(s->rc, "survivor: acquire", result);
	}
	return true;
}

static void let_go(struct survivor *s)
{
	while (s->blocks > 0) {
		zc_result_t result = zc_writer_cancel_block(
			s->writer, s->block[--s->blocks]);

		if (result != ZC_OK)
			recovery_zc_fail(s->rc, "survivor: cancel", result);
	}
}

static void wait_stage(struct survivor *s, uint64_t kill,
		       enum recovery_stage stage)
{
	if (!recovery_wait(s->rc, kill, stage, RECOVERY_PATIENCE_NS))
		recovery_fail(s->rc, "kill %llu: the other side does not get "
				     "to stage %d",
			      (unsigned long long)kill, (int)stage);
}

/* The victim holds its blocks, and this process all others. */
static void before_held(struct survivor *s, uint64_t kill)
{
	struct recovery *rc = s->rc;

	if (!rc->writer) {
		wait_stage(s, kill, RECOVERY_READY);
		for (uint32_t i = 0; i < rc->held; i++) {
			write_one(s, rc->size);
			read_all(s);
		}
	}
	wait_stage(s, kill, RECOVERY_HOLDING);
	read_all(s);
	/* One block from all of it: the next one takes the victim's death. */
	fill_up(s, rc->whole - 1, ZC_TIMEOUT_TRY);
	recovery_enter(rc, kill, RECOVERY_FULL);
}

/* Both sides are busy until the victim dies. */
static void before_busy(struct survivor *s, uint64_t kill)
{
	struct recovery *rc = s->rc;

	while (!recovery_reached(rc, kill, RECOVERY_DEAD)) {
		if (!rc->writer)
			write_one(s, 8 + recovery_random(&s->random) %
					     RECOVERY_SMALL);
		read_all(s);
		if (__atomic_load_n(&rc->failed, __ATOMIC_RELAXED))
			_exit(1);
	}
	read_all(s);
}

/* The peers are told who died and what came back. */
static void read_event(struct survivor *s)
{
	struct recovery *rc = s->rc;
	uint64_t deadline = zc_timestamp() + RECOVERY_PATIENCE_NS;
	zc_event_t event = { .sz = sizeof(event) };

	while (zc_timestamp() < deadline) {
		zc_result_t result = zc_pool_next_event(s->pool, &event,
							100000000);

		if (result == ZC_ERROR_TIMEOUT)
			continue;
		if (result != ZC_OK)
			recovery_zc_fail(rc, "survivor: event", result);
		if (event.type != ZC_EVENT_MEMBER_DIED ||
		    event.pid != rc->victim_pid)
			continue;
		rc->events++;
		rc->event_blocks += event.blocks;
		rc->event_bytes += event.bytes;
		return;
	}
	recovery_fail(rc, "no event told of the death of process %u",
		      rc->victim_pid);
}

static void one_kill(struct survivor *s, uint64_t kill)
{
	struct recovery *rc = s->rc;

	if (rc->random)
		before_busy(s, kill);
	else
		before_held(s, kill);
	if (!fill_up(s, rc->whole, RECOVERY_PATIENCE_NS))
		recovery_fail(rc, "kill %llu: only %llu of %llu blocks are "
				  "acquirable again: see `zerocore blocks %s`",
			      (unsigned long long)kill,
			      (unsigned long long)s->blocks,
			      (unsigned long long)rc->whole, rc->pool);
	__atomic_store_n(&rc->free_ns, zc_timestamp(), __ATOMIC_RELEASE);
	wait_stage(s, kill, RECOVERY_DEAD);
	/* A victim that was killed at random may never have joined. */
	if (!rc->random)
		read_event(s);
	read_all(s);
	let_go(s);
	if (s->next != 0) {
		uint64_t done = __atomic_load_n(&rc->done, __ATOMIC_SEQ_CST);
		uint64_t intent = __atomic_load_n(&rc->intent,
						  __ATOMIC_SEQ_CST);

		/* What was committed came; nothing came that was not begun. */
		if (s->next <= done)
			rc->lost += done + 1 - s->next;
		if (s->next > intent + 1)
			rc->wrong += s->next - intent - 1;
	}
}

void recovery_survivor(struct recovery *rc)
{
	struct survivor s = { .rc = rc, .random = 12345 };
	uint64_t room;

	bench_child_init(rc->parent_pid);
	/* With the library's background thread, which notices deaths, too; but
	 * not where it is busy: it would keep a victim from dying. */
	rc->realtime = !rc->random && bench_realtime(true);
	open_all(&s);
	room = rc->bytes / rc->size + 1;
	s.block = calloc(room, sizeof(*s.block));
	if (s.block == NULL)
		recovery_fail(rc, "survivor: no memory");
	fill_up(&s, room, ZC_TIMEOUT_TRY);
	rc->whole = s.blocks;
	let_go(&s);
	if (rc->whole < rc->held + 1)
		recovery_fail(rc, "a pool of %llu bytes has %llu blocks of "
				  "%llu, too few to hold %u: choose a smaller "
				  "--held, or a larger --pool-bytes",
			      (unsigned long long)rc->bytes,
			      (unsigned long long)rc->whole,
			      (unsigned long long)rc->size, rc->held);
	recovery_enter(rc, 0, RECOVERY_DONE);
	for (uint64_t kill = 1; kill <= rc->kills; kill++) {
		wait_stage(&s, kill, RECOVERY_START);
		one_kill(&s, kill);
		recovery_enter(rc, kill, RECOVERY_DONE);
	}
	zc_writer_unregister(s.writer);
	zc_reader_unregister(s.reader);
	zc_pool_close(s.pool);
	_exit(0);
}
