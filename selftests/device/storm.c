/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * storm.c - those who are killed, and those who go on beside them.
 */
#define _GNU_SOURCE
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storm.h"

struct board *board;
int feed[SEATS][2];
int killer_fd = -1;

const char *const services[SERVICES] = { "storm/victim/0", "storm/victim/1",
						"storm/survivor/0" };

static void step(struct seat *seat, uint64_t steps)
{
	store(&seat->steps, seat->steps + steps);
}

/* --- a few messages at a time, let go in any order -------------------------------- */

struct holder {
	struct t_reader reader;
	zc_handle_t held[HOLDS];
	unsigned int nr;
	unsigned int busy;	/* the first: it is in I/O */
};

static void let_one_go(struct holder *holder)
{
	unsigned int free = holder->nr - holder->busy;
	unsigned int pick = holder->busy + (unsigned int)t_rand_below(free);

	t_release(&holder->reader, holder->held[pick]);
	holder->held[pick] = holder->held[--holder->nr];
}

static bool hold_next(struct holder *holder, uint64_t timeout_ns)
{
	zc_handle_t handle;
	zc_result_t result;

	while (holder->nr == HOLDS ||
	       (holder->nr > holder->busy && t_rand_below(3) == 0))
		let_one_go(holder);
	result = t_try_read(&holder->reader, &handle, timeout_ns);
	if (result == ZC_OK)
		holder->held[holder->nr++] = handle;
	else
		CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
	return result == ZC_OK;
}

/* --- victims ------------------------------------------------------------------------- */

struct victim {
	struct seat *seat;
	struct t_writer writer;
	struct holder holder;
	bool loses;
	bool waits;		/* for the end of its I/O, which does not come */
	struct io_uring ring;
	zc_handle_t block[IO_BLOCKS];
};

void pour(uintptr_t seat, size_t bytes)
{
	static char junk[IO_BLOCKS * MOST];

	memset(junk, 0xa5, sizeof(junk));
	while (write(feed[seat][1], junk, bytes) < 0 && errno == EINTR)
		;
}

static void read_into(struct victim *v, unsigned int nr, uint64_t data)
{
	uintptr_t at = (uintptr_t)(v->seat - board->seat);

	for (unsigned int i = 0; i < nr; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&v->ring);
		const struct iovec *iov = &v->seat->iov[i];

		CHECK(sqe);
		io_uring_prep_read_fixed(sqe, feed[at][0], iov->iov_base,
					 (unsigned int)iov->iov_len, 0, (int)i);
		sqe->user_data = data;
	}
	CHECK_EQ(io_uring_submit(&v->ring), nr);
}

static void await(struct victim *v, unsigned int nr, uint64_t data)
{
	struct io_uring_cqe *cqe;

	while (nr) {
		int err = io_uring_wait_cqe(&v->ring, &cqe);

		if (err == -EINTR)
			continue;
		CHECK_EQ(err, 0);
		if (cqe->user_data == data) {
			CHECK(cqe->res > 0);
			nr--;
		}
		io_uring_cqe_seen(&v->ring, cqe);
	}
}

/* Blocks are filled by the kernel, or stay in I/O for ever. */
static void writes_by_io(struct victim *v)
{
	unsigned int nr = 1 + (unsigned int)t_rand_below(IO_BLOCKS), all = nr;
	uintptr_t at = (uintptr_t)(v->seat - board->seat);
	struct iovec *iov = v->seat->iov;
	size_t bytes = 0;

	for (unsigned int i = 0; i < nr; i++) {
		iov[i].iov_len = t_rand_size(MOST);
		bytes += iov[i].iov_len;
		CHECK_OK(zc_writer_acquire_block(v->writer.role, iov[i].iov_len,
						 &v->block[i], t_wait_ns()));
		iov[i].iov_base = zc_writer_block_data(v->writer.role, v->block[i],
						       NULL);
		CHECK_OK(zc_writer_io_begin(v->writer.role, v->block[i]));
	}
	/* Of one victim: who else held that message would share its pages. */
	if (!at && v->holder.nr && t_rand_below(2)) {
		zc_handle_t handle = v->holder.held[0];
		const void *data = zc_reader_block_data(v->holder.reader.role, handle,
							&iov[all].iov_len);

		store(&v->seat->declared, 1);
		v->holder.busy = 1;
		CHECK_OK(zc_reader_io_begin(v->holder.reader.role, handle));
		iov[all++].iov_base = (void *)(uintptr_t)data;
	}
	step(v->seat, 1);
	CHECK_EQ(io_uring_register_buffers(&v->ring, iov, all), 0);
	store(&v->seat->held, all - nr);
	store(&v->seat->pinned, nr);
	read_into(v, nr, 0);
	step(v->seat, 1);
	v->waits = t_rand_below(2);
	if (v->waits)
		return;
	pour(at, bytes);
	await(v, nr, 0);
	step(v->seat, 1);
	store(&v->seat->pinned, 0);
	store(&v->seat->held, 0);
	CHECK_EQ(io_uring_unregister_buffers(&v->ring), 0);
	if (all > nr)
		CHECK_OK(zc_reader_io_end(v->holder.reader.role, v->holder.held[0]));
	store(&v->seat->declared, 0);
	v->holder.busy = 0;
	while (nr--) {
		CHECK_OK(zc_writer_io_end(v->writer.role, v->block[nr]));
		t_commit(&v->writer, v->block[nr]);
		store(&v->seat->committed, v->writer.next - 1);
	}
}

static void writes(struct victim *v)
{
	unsigned int nr = 1 + (unsigned int)t_rand_below(3);

	for (unsigned int i = 0; i < nr; i++)
		CHECK_OK(zc_writer_acquire_block(v->writer.role, t_rand_size(MOST),
						 &v->block[i], t_wait_ns()));
	while (nr--) {
		if (t_rand_below(8) == 0) {
			CHECK_OK(zc_writer_cancel_block(v->writer.role, v->block[nr]));
			continue;
		}
		t_commit(&v->writer, v->block[nr]);
		store(&v->seat->committed, v->writer.next - 1);
	}
}

/* Lives on with the victim's descriptors; what it is told, or the end, ends it. */
static void stays(struct victim *v)
{
	char word[64];

	store(&v->seat->child, (uint64_t)getpid());
	while (read(t_parent()->in, word, sizeof(word)) != 0) {
		unsigned int nr = (unsigned int)load(&v->seat->pinned);

		/* The owner is dead; its ring goes on writing into its blocks. */
		v->ring.sq.sqe_head = v->ring.sq.sqe_tail = *v->ring.sq.ktail;
		read_into(v, nr, 1);
		await(v, nr, 1);
		t_say(t_parent(), "written");
	}
	t_leave();
}

static void joins(struct victim *v, zc_pool_t *pool, bool both)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	uint64_t roles = both ? 3 : 1 + t_rand_below(3);

	if (roles & 1) {
		t_writer_open(&v->writer, pool, services[v->seat - board->seat], NULL);
		/* The commit in which its predecessor died may have come through. */
		CHECK_OP(v->writer.next, >, load(&v->seat->committed));
		CHECK_OP(v->writer.next, <=, load(&v->seat->committed) + 2);
		/* And what somebody has read was committed: no number comes twice. */
		CHECK_OP(v->writer.next, >=, load(&v->seat->read));
		step(v->seat, 1);
	}
	if (roles & 2) {
		options.max_holds = HOLDS;
		options.best_effort = t_rand_below(3) == 0;
		t_reader_open(&v->holder.reader, pool, services[LIVE], &options);
		step(v->seat, 1);
	}
	v->loses = options.best_effort;
}

void is_a_victim(void *arg)
{
	struct victim v = { .seat = &board->seat[(uintptr_t)arg] };
	bool io = board->variant == IO;
	zc_pool_t *pool;

	close(killer_fd);
	t_srand(board->seed + v.seat->spawned * SEATS + (uintptr_t)arg);
	if (io)
		CHECK_EQ(io_uring_queue_init(2 * IO_BLOCKS, &v.ring, 0), 0);
	step(v.seat, 1);
	pool = t_pool_open();
	store(&v.seat->opened, 1);
	if (v.seat->keep && !fork())
		stays(&v);
	step(v.seat, 1);
	joins(&v, pool, io);
	for (;;) {
		if (io && !v.waits)
			writes_by_io(&v);
		else if (!io && v.writer.role)
			writes(&v);
		if (v.holder.reader.role) {
			hold_next(&v.holder, 1000000);
			CHECK(v.loses || !v.holder.reader.lost);
		}
		step(v.seat, 1);
	}
}

/* --- survivors ------------------------------------------------------------------------- */

void survives_as_reader(void *arg)
{
	struct holder holder[SERVICES] = { 0 };
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_pool_t *pool = t_pool_open();
	bool idle = false;

	(void)arg;
	t_srand(board->seed + 1);
	options.max_holds = HOLDS;
	for (int i = 0; i < SERVICES; i++) {
		t_reader_open(&holder[i].reader, pool, services[i], &options);
		holder[i].reader.next = 1;
	}
	t_say(t_parent(), "ready");
	while (!idle) {
		idle = load(&board->stop) >= 2;
		for (int i = 0; i < SERVICES; i++) {
			if (hold_next(&holder[i], 200000))
				idle = false;
			/* Each once, and in order. */
			CHECK_EQ(holder[i].reader.lost, 0);
			store(&board->seat[i].read, holder[i].reader.next);
		}
	}
	for (int i = 0; i < SERVICES; i++) {
		/* Nothing that was committed is missing. */
		CHECK_OP(holder[i].reader.next, >, load(&board->seat[i].committed));
		while (holder[i].nr)
			let_one_go(&holder[i]);
		t_reader_close(&holder[i].reader);
	}
	zc_pool_close(pool);
}

static uint64_t free_bytes(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.free_bytes;
}

void survives_as_writer(void *arg)
{
	zc_pool_options_t options = t_pool_options();
	struct seat *seat = &board->seat[LIVE];
	struct t_writer writer;
	zc_pool_t *pool;
	uint64_t before;

	(void)arg;
	t_srand(board->seed + 2);
	/* A page is pinned as a whole: no two blocks share one. */
	if (board->variant == IO)
		options.granule_bytes = 4096;
	pool = t_pool_create(&options);
	before = free_bytes(pool);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "go");
	t_writer_open(&writer, pool, services[LIVE], NULL);
	while (!load(&board->stop)) {
		t_write(&writer, t_rand_size(MOST));
		store(&seat->committed, writer.next - 1);
	}
	t_say(t_parent(), "done");
	t_hear(t_parent(), "check");
	t_writer_close(&writer);
	t_pool_check_left(pool);
	for (int i = 0; i < SERVICES; i++)
		t_pool_acquire_all(pool, services[i]);
	t_pool_check_rest(pool);
	CHECK_EQ(free_bytes(pool), before);
	zc_pool_close(pool);
}
