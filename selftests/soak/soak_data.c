/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * soak_data.c - writers and readers of each policy, by Zora's accessors and without,
 * that talk to each other beside.
 */
#include <string.h>

#include "soak.h"

#define PULSE "soak/pulse/main"
#define HOLDS 5
#define LARGEST 30000U

/* --- short messages ------------------------------------------------------------------ */

struct mail {
	uint64_t seed;
	uint64_t rest[7];
};

static void mail_fill(struct mail *mail)
{
	mail->seed = t_rand();
	t_fill(mail->rest, sizeof(mail->rest), 77, mail->seed);
}

static void mail_comes(const zc_message_t *message, void *ctx)
{
	struct mail mail;

	(void)ctx;
	/* Others send of their own types; of this one all is as it was sent. */
	if (message->type != ZC_MSG_USER)
		return;
	CHECK_EQ(message->bytes, sizeof(mail));
	memcpy(&mail, message->payload, sizeof(mail));
	CHECK(t_matches(mail.rest, sizeof(mail.rest), 77, mail.seed));
	soak_count(&soak->mails, 1);
}

static void mail_sent(zc_result_t result)
{
	/* Invalid: to itself. */
	if (result != ZC_ERROR_NOT_FOUND && result != ZC_ERROR_BUSY &&
	    result != ZC_ERROR_INVALID)
		CHECK_OK(result);
}

static uint32_t somebody(void)
{
	uint32_t writer = (uint32_t)t_rand_below(SOAK_TOPICS + 1);

	switch (t_rand_below(4)) {
	case 0:
		return ZC_TEAM;
	case 1:
		return ZC_WRITER(writer);
	default:
		return ZC_READER(writer, t_rand_below(3));
	}
}

/* --- writers -------------------------------------------------------------------------- */

static void options_of(zc_writer_options_t *options, uint32_t nr)
{
	static const zc_on_slow_t on_slow[SOAK_TOPICS] = {
		ZC_ON_SLOW_BLOCK, ZC_ON_SLOW_DROP_OLDEST, ZC_ON_SLOW_DISCONNECT,
		ZC_ON_SLOW_BLOCK,
	};

	options->on_slow = on_slow[nr];
	options->overwrite = nr == 3;
	options->history = nr == 3 ? 1 + (uint32_t)t_rand_below(16) :
				     (uint32_t)t_rand_below(8);
	options->quota_bytes = t_rand_below(3) ? 0 : 1U << 20;
	options->no_timestamp = t_rand_below(2);
}

/* As t_commit(), by the checked accessors. */
static void commit_checked(struct t_writer *writer, zora_id_t id, zc_handle_t handle)
{
	size_t bytes;
	void *data;

	CHECK_OK(zora_size(id, handle, &bytes));
	data = zora_slice_mut(id, handle, 0, bytes);
	CHECK(data);
	CHECK_RESULT(zora_store_u8(id, handle, bytes, 0), ZC_ERROR_SIZE);
	t_fill(data, bytes, writer->tag, writer->next);
	CHECK_OK(zc_writer_commit_block(writer->role, handle));
	writer->next++;
	CHECK(!zora_data(id, handle));
	CHECK(zora_error() == ZC_ERROR_STALE_HANDLE ||
	      zora_error() == ZC_ERROR_REPLAYED_HANDLE);
}

static void write_some(struct t_writer *writer, zora_id_t id)
{
	zc_handle_t handle[3];
	uint32_t nr = 0, want = 1 + (uint32_t)t_rand_below(3);

	while (nr < want) {
		zc_result_t result = zc_writer_acquire_block(
			writer->role, t_rand_size(LARGEST), &handle[nr],
			nr ? 0 : 1000000);

		if (result != ZC_OK) {
			/* One try may find neither memory nor room. */
			CHECK(result == ZC_ERROR_TIMEOUT || nr);
			break;
		}
		nr++;
	}
	while (nr--) {
		if (t_rand_below(8) == 0) {
			CHECK_OK(zc_writer_cancel_block(writer->role, handle[nr]));
			continue;
		}
		if (id)
			commit_checked(writer, id, handle[nr]);
		else
			t_commit(writer, handle[nr]);
		soak_count(&soak->messages, 1);
	}
}

void soak_writes(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	char name[40];
	bool more;

	soak_topic(name, nr);
	do {
		zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
		struct t_writer writer;
		zora_id_t id = 0;
		struct mail mail;

		options_of(&options, nr);
		more = soak_step(seat, 'w');
		t_writer_open(&writer, pool, name, &options);
		CHECK_OK(zc_writer_handle_message(writer.role, ZC_MSG_DEFAULT,
						  mail_comes, NULL));
		if (t_rand_below(2))
			CHECK_OK(zora_register_writer(writer.role, &id));
		while (more && !soak_ends(&soak->writers_end) && t_rand_below(400)) {
			write_some(&writer, id);
			if (t_rand_below(16) == 0) {
				mail_fill(&mail);
				mail_sent(zc_writer_send_message(
					writer.role, somebody(), ZC_MSG_USER, &mail,
					sizeof(mail)));
			}
			more = soak_step(seat, 'c');
		}
		t_writer_close(&writer);
	} while (more && !soak_ends(&soak->writers_end));
	zc_pool_close(pool);
}

/* --- readers -------------------------------------------------------------------------- */

struct reading {
	struct t_reader reader;
	zora_id_t id;
	zc_handle_t held[HOLDS];
	uint32_t nr;
	bool loses;		/* messages may be gone before it sees them */
	uint64_t lost;		/* what may: history */
	uint32_t history;
};

static void let_one_go(struct reading *r)
{
	uint32_t pick = (uint32_t)t_rand_below(r->nr);

	t_release(&r->reader, r->held[pick]);
	r->held[pick] = r->held[--r->nr];
}

static void look_checked(struct reading *r, zc_handle_t handle)
{
	size_t bytes;

	CHECK_OK(zora_size(r->id, handle, &bytes));
	CHECK(zora_slice(r->id, handle, bytes / 2, bytes - bytes / 2));
	CHECK(!zora_data_mut(r->id, handle));
	CHECK_EQ(zora_error(), ZC_ERROR_PERMISSION);
}

static zc_result_t read_one(struct reading *r)
{
	uint64_t timeout = t_rand_below(3) ? 0 : 500000;
	zc_handle_t handle;
	zc_result_t result;

	while (r->nr == HOLDS || (r->nr && t_rand_below(2)))
		let_one_go(r);
	result = t_try_read(&r->reader, &handle, timeout);
	if (result == ZC_OK) {
		r->held[r->nr++] = handle;
		if (r->id)
			look_checked(r, handle);
		if (r->reader.received <= (uint64_t)r->history + 1)
			r->lost = r->reader.lost;
		if (!r->loses)
			CHECK_EQ(r->reader.lost, r->lost);
	}
	return result;
}

/* What was passed over is what was counted, from the first message on. */
static void leave_counted(struct reading *r)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_reader_get_stats(r->reader.role, &stats));
	CHECK_EQ(stats.received, r->reader.received);
	CHECK_OP(stats.lost, >=, r->reader.lost);
	CHECK_EQ(stats.corrupt, 0);
	CHECK_EQ(stats.held, r->nr);
	t_reader_close(&r->reader);
}

void soak_reads(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	char name[40];
	bool more;

	soak_topic(name, nr);
	do {
		zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
		zc_result_t result = ZC_OK;
		struct reading r = { .nr = 0 };
		struct mail mail;

		options.max_holds = HOLDS;
		options.best_effort = t_rand_below(4) == 0;
		options.history = t_rand_below(2) ? 0 : (uint32_t)t_rand_below(12);
		r.history = options.history;
		r.loses = options.best_effort || nr == 1 || nr == 3;
		more = soak_step(seat, 'r');
		t_reader_open(&r.reader, pool, name, &options);
		CHECK_OK(zc_reader_handle_message(r.reader.role, ZC_MSG_DEFAULT,
						  mail_comes, NULL));
		if (t_rand_below(2))
			CHECK_OK(zora_register_reader(r.reader.role, &r.id));
		while (more && result != ZC_ERROR_DISCONNECTED && t_rand_below(400)) {
			result = read_one(&r);
			if (result != ZC_ERROR_TIMEOUT &&
			    (result != ZC_ERROR_DISCONNECTED || nr != 2))
				CHECK_OK(result);
			if (t_rand_below(32) == 0) {
				mail_fill(&mail);
				mail_sent(zc_reader_send_message(
					r.reader.role, somebody(), ZC_MSG_USER, &mail,
					sizeof(mail)));
			}
			more = soak_step(seat, result ? '.' : 'p');
		}
		/* With what it holds, or without. */
		while (r.nr && t_rand_below(4))
			let_one_go(&r);
		leave_counted(&r);
	} while (more);
	zc_pool_close(pool);
}

/* --- those who are never killed: they must go on ------------------------------------------ */

void soak_pulse(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	struct t_writer writer;

	(void)nr;
	t_writer_open(&writer, pool, PULSE, NULL);
	do {
		zc_result_t result = t_try_write(&writer, t_rand_size(3000), 1000000);

		if (result != ZC_ERROR_TIMEOUT)
			CHECK_OK(result);
	} while (soak_step(seat, 'c') && !soak_ends(&soak->writers_end));
	t_writer_close(&writer);
	zc_pool_close(pool);
}

void soak_listens(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	struct t_reader reader;
	zc_handle_t handle;

	(void)nr;
	t_reader_open(&reader, pool, PULSE, NULL);
	do {
		zc_result_t result = t_try_read(&reader, &handle, 1000000);

		if (result == ZC_OK) {
			t_release(&reader, handle);
			CHECK_EQ(reader.lost, 0);
			soak_count(&soak->arrived, 1);
		} else {
			CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
		}
	} while (soak_step(seat, 'p'));
	t_reader_close(&reader);
	zc_pool_close(pool);
}
