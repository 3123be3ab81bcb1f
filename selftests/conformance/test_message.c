/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_message.c - short messages between writers, readers and cleaners.
 */
#include <string.h>

#include "harness.h"

/* What a handler got. */
struct got {
	uint64_t nr;
	uint64_t sum;
	uint64_t last;		/* first number of the payload */
	uint32_t type, src;
	uint64_t create_ns;
};

static void note(const zc_message_t *message, void *ctx)
{
	struct got *got = ctx;
	uint64_t number = 0;

	memcpy(&number, message->payload,
	       message->bytes < sizeof(number) ? message->bytes : sizeof(number));
	got->last = number;
	got->sum += number;
	got->type = message->type;
	got->src = message->src;
	got->create_ns = message->create_ns;
	__atomic_add_fetch(&got->nr, 1, __ATOMIC_SEQ_CST);
}

static uint64_t nr_of(struct got *got)
{
	return __atomic_load_n(&got->nr, __ATOMIC_SEQ_CST);
}

struct pair {
	struct t_writer writer;
	struct t_reader reader;
	struct got to_writer, to_reader;
};

static void pair_open(struct pair *pair, zc_pool_t *pool, const char *service)
{
	t_writer_open(&pair->writer, pool, service, NULL);
	t_reader_open(&pair->reader, pool, service, NULL);
	memset(&pair->to_writer, 0, sizeof(pair->to_writer));
	memset(&pair->to_reader, 0, sizeof(pair->to_reader));
	CHECK_OK(zc_writer_handle_message(pair->writer.role, ZC_MSG_DEFAULT, note,
					  &pair->to_writer));
	CHECK_OK(zc_reader_handle_message(pair->reader.role, ZC_MSG_DEFAULT, note,
					  &pair->to_reader));
}

static void pair_close(struct pair *pair)
{
	t_reader_close(&pair->reader);
	t_writer_close(&pair->writer);
}

static uint32_t writer_of(const struct pair *pair)
{
	return ZC_WRITER(zc_writer_id(pair->writer.role));
}

static uint32_t reader_of(const struct pair *pair)
{
	return ZC_READER(zc_writer_id(pair->writer.role),
			 zc_reader_id(pair->reader.role));
}

static zc_cleaner_t *cleaner_of(zc_pool_t *pool, uint64_t unread_ns)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };
	zc_cleaner_t *cleaner;

	options.idle_ns = 5000000;
	options.unread_ns = unread_ns;
	CHECK_OK(zc_cleaner_start(pool, &options, &cleaner));
	do
		CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	while (!stats.leads);
	return cleaner;
}

static void check_writer(struct pair *pair)
{
	CHECK_OK(zc_writer_check_message(pair->writer.role, NULL, NULL, NULL, 0));
}

static void check_reader(struct pair *pair)
{
	CHECK_OK(zc_reader_check_message(pair->reader.role, NULL, NULL, NULL, 0));
}

/* A writer and its reader need nobody else. */
static void writer_and_reader_send_to_each_other(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct pair pair;
	uint64_t i, sum = 0, before = zc_timestamp();

	pair_open(&pair, pool, "mail/direct/main");
	for (i = 1; i <= 300; i++) {
		sum += i;
		CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
						ZC_MSG_USER, &i, sizeof(i)));
		CHECK_OK(zc_reader_send_message(pair.reader.role, writer_of(&pair),
						ZC_MSG_USER + 1, &i, sizeof(i)));
		check_reader(&pair);
		check_writer(&pair);
		CHECK_EQ(pair.to_reader.nr, i);
		CHECK_EQ(pair.to_writer.nr, i);
		CHECK_EQ(pair.to_reader.last, i);
		CHECK_EQ(pair.to_writer.last, i);
	}
	CHECK_EQ(pair.to_reader.sum, sum);
	CHECK_EQ(pair.to_writer.sum, sum);
	CHECK_EQ(pair.to_reader.type, ZC_MSG_USER);
	CHECK_EQ(pair.to_writer.type, ZC_MSG_USER + 1);
	CHECK_EQ(pair.to_reader.src, writer_of(&pair));
	CHECK_EQ(pair.to_writer.src, reader_of(&pair));
	CHECK_OP(pair.to_reader.create_ns, >=, before);
	CHECK_OP(pair.to_reader.create_ns, <=, zc_timestamp());
	pair_close(&pair);
	t_pool_close(pool);
}

/* While the receiver does not look, messages collect; then it gets all, in order. */
static void messages_collect(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct pair pair;
	uint64_t sent = 0, sum = 0;

	pair_open(&pair, pool, "mail/collect/main");
	for (;;) {
		zc_result_t result;

		sent++;
		result = zc_writer_send_message(pair.writer.role, reader_of(&pair),
						ZC_MSG_USER, &sent, sizeof(sent));
		if (result == ZC_ERROR_BUSY)
			break;
		CHECK_OK(result);
		sum += sent;
	}
	/* One was to be read at once; the others fill the other buffer. */
	CHECK_EQ(sent, 1 + 256 / 24 + 1);
	check_reader(&pair);
	CHECK_EQ(pair.to_reader.nr, 1);
	/* The sender's next verb hands over what collected. */
	t_write(&pair.writer, 100);
	check_reader(&pair);
	CHECK_EQ(pair.to_reader.nr, sent - 1);
	CHECK_EQ(pair.to_reader.sum, sum);
	CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
					ZC_MSG_USER, &sent, sizeof(sent)));
	pair_close(&pair);
	t_pool_close(pool);
}

/* By verbs alone: nobody looks unless he is rung, or has something to hand over. */
static void answer_comes_while_something_collects(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct pair pair;
	uint64_t i;

	pair_open(&pair, pool, "mail/answer/main");
	for (i = 1; i <= 4; i++)
		CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
						ZC_MSG_USER, &i, sizeof(i)));
	t_write(&pair.writer, 100);
	t_read_many(&pair.reader, 1);
	CHECK_EQ(pair.to_reader.nr, 1);
	/* While three of the writer's wait to be handed over. */
	for (i = 1; i <= 4; i++)
		CHECK_OK(zc_reader_send_message(pair.reader.role, writer_of(&pair),
						ZC_MSG_USER, &i, sizeof(i)));
	t_write(&pair.writer, 100);
	CHECK_EQ(pair.to_writer.nr, 1);
	t_read_many(&pair.reader, 1);
	CHECK_EQ(pair.to_reader.nr, 4);
	t_write(&pair.writer, 100);
	CHECK_EQ(pair.to_writer.nr, 4);
	pair_close(&pair);
	t_pool_close(pool);
}

/* What goes to make room is rung as well. */
static void message_without_room_is_handed_over(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	char payload[ZC_MESSAGE_BYTES] = { 1 };
	struct pair pair;
	int i;

	pair_open(&pair, pool, "mail/room/main");
	for (i = 0; i < 2; i++)
		CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
						ZC_MSG_USER, payload, sizeof(payload)));
	t_write(&pair.writer, 100);
	t_read_many(&pair.reader, 1);
	CHECK_EQ(pair.to_reader.nr, 1);
	/* It takes the place of the second, which goes. */
	CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair), ZC_MSG_USER,
					payload, sizeof(payload)));
	t_write(&pair.writer, 100);
	t_read_many(&pair.reader, 1);
	CHECK_EQ(pair.to_reader.nr, 2);
	t_write(&pair.writer, 100);
	t_read_many(&pair.reader, 1);
	CHECK_EQ(pair.to_reader.nr, 3);
	pair_close(&pair);
	t_pool_close(pool);
}

/* In verbs, but only while nothing is held. */
static void handlers_run_while_nothing_is_held(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_handle_t held, block, more;
	struct pair pair;

	pair_open(&pair, pool, "mail/held/main");
	t_write_many(&pair.writer, 3, 100);
	held = t_read(&pair.reader);
	CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
					ZC_MSG_USER, NULL, 0));
	more = t_read(&pair.reader);
	CHECK_EQ(pair.to_reader.nr, 0);
	t_release(&pair.reader, held);
	t_release(&pair.reader, more);
	t_release(&pair.reader, t_read(&pair.reader));
	CHECK_EQ(pair.to_reader.nr, 1);
	/* Nothing to read: it looks all the same. */
	CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
					ZC_MSG_USER, NULL, 0));
	CHECK_RESULT(t_try_read(&pair.reader, &held, 0), ZC_ERROR_TIMEOUT);
	CHECK_EQ(pair.to_reader.nr, 2);

	/* A reader cannot ring; a writer that is told by another looks. */
	CHECK_OK(zc_writer_acquire_block(pair.writer.role, 100, &block, t_wait_ns()));
	CHECK_OK(zc_reader_send_message(pair.reader.role, writer_of(&pair),
					ZC_MSG_USER, NULL, 0));
	CHECK_EQ(pair.to_writer.nr, 0);
	t_commit(&pair.writer, block);
	{
		zc_cleaner_t *cleaner = cleaner_of(pool, 0);

		T_UNTIL((t_write(&pair.writer, 100), t_read_many(&pair.reader, 2),
			 t_write(&pair.writer, 100), pair.to_writer.nr == 1));
		zc_cleaner_stop(cleaner);
	}
	pair_close(&pair);
	t_pool_close(pool);
}

static void what_no_handler_takes_is_handed_out(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t stream[64];
	zc_message_record_t *record = (zc_message_record_t *)stream;
	size_t received, unprocessed;
	struct pair pair;
	uint64_t i;

	pair_open(&pair, pool, "mail/stream/main");
	CHECK_OK(zc_reader_handle_message(pair.reader.role, ZC_MSG_DEFAULT, NULL,
					  NULL));
	CHECK_OK(zc_reader_handle_message(pair.reader.role, ZC_MSG_USER + 9, note,
					  &pair.to_reader));
	for (i = 1; i <= 6; i++) {
		CHECK_OK(zc_writer_send_message(pair.writer.role, reader_of(&pair),
						ZC_MSG_USER + (i == 3 ? 9 : 0), "abcdefg",
						(size_t)i));
		check_reader(&pair);
	}
	CHECK_EQ(pair.to_reader.nr, 1);
	/* Room for two records of 24 bytes, then for the rest. */
	CHECK_OK(zc_reader_check_message(pair.reader.role, &received, &unprocessed,
					 stream, 48));
	CHECK_EQ(received, 0);
	CHECK_EQ(unprocessed, 2);
	CHECK_EQ(record->type, ZC_MSG_USER);
	CHECK_EQ(record->bytes, 1);
	CHECK_EQ(record->src, writer_of(&pair));
	CHECK(!memcmp(zc_message_payload(record), "a", 1));
	CHECK_OK(zc_reader_check_message(pair.reader.role, NULL, &unprocessed,
					 stream, sizeof(stream)));
	CHECK_EQ(unprocessed, 3);
	CHECK_EQ(record->bytes, 4);
	record = (zc_message_record_t *)(stream + 6);
	CHECK_EQ(record->bytes, 6);
	CHECK(!memcmp(zc_message_payload(record), "abcdef", 6));
	CHECK_OK(zc_reader_check_message(pair.reader.role, &received, &unprocessed,
					 stream, sizeof(stream)));
	CHECK_EQ(received + unprocessed, 0);
	pair_close(&pair);
	t_pool_close(pool);
}

/* --- with a cleaner ------------------------------------------------------------------ */

static void team_gets_messages(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct pair pair;
	struct got got = { 0 };
	zc_cleaner_t *cleaner;
	uint64_t number = 5;

	pair_open(&pair, pool, "mail/team/main");
	CHECK_RESULT(zc_writer_send_message(pair.writer.role, ZC_TEAM, ZC_MSG_USER,
					    NULL, 0), ZC_ERROR_NOT_FOUND);
	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool, 0);
	CHECK_OK(zc_cleaner_handle(cleaner, ZC_MSG_USER, note, &got));
	/* One that does not look for a quarter of a second is not there: again. */
	T_UNTIL(!zc_writer_send_message(pair.writer.role, ZC_TEAM, ZC_MSG_USER,
					&number, sizeof(number)));
	T_UNTIL(nr_of(&got) == 1);
	CHECK_EQ(got.src, writer_of(&pair));
	CHECK_EQ(got.last, 5);
	number = 6;
	T_UNTIL(!zc_reader_send_message(pair.reader.role, ZC_TEAM, ZC_MSG_USER,
					&number, sizeof(number)));
	T_UNTIL(nr_of(&got) == 2);
	CHECK_EQ(got.src, reader_of(&pair));
	CHECK_EQ(got.last, 6);
	zc_cleaner_stop(cleaner);
	pair_close(&pair);
	t_pool_close(pool);
}

/* From any role to any other, with the time at which it was sent first. */
static void team_passes_on(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_cleaner_t *cleaner;
	struct pair a, b;
	uint64_t before, i;
	char text[ZC_MESSAGE_BYTES];

	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool, 0);
	pair_open(&a, pool, "mail/here/main");
	pair_open(&b, pool, "mail/there/main");
	for (i = 1; i <= 20; i++) {
		before = zc_timestamp();
		T_UNTIL(!zc_writer_send_message(a.writer.role, writer_of(&b),
						ZC_MSG_USER, &i, sizeof(i)));
		T_UNTIL((check_writer(&b), b.to_writer.nr == i));
		CHECK_EQ(b.to_writer.last, i);
		CHECK_EQ(b.to_writer.src, writer_of(&a));
		CHECK_OP(b.to_writer.create_ns, >=, before);
		CHECK_OP(b.to_writer.create_ns, <=, zc_timestamp());
		T_UNTIL(!zc_reader_send_message(a.reader.role, reader_of(&b),
						ZC_MSG_USER, &i, sizeof(i)));
		T_UNTIL((check_reader(&b), b.to_reader.nr == i));
		CHECK_EQ(b.to_reader.last, i);
		CHECK_EQ(b.to_reader.src, reader_of(&a));
	}
	memset(text, 'x', sizeof(text));
	T_UNTIL(!zc_reader_send_message(b.reader.role, writer_of(&a), ZC_MSG_USER,
					text, sizeof(text)));
	/* A verb is enough: the cleaner rings. */
	T_UNTIL((t_write(&a.writer, 100), t_read_many(&a.reader, 1),
		 a.to_writer.nr == 1));
	CHECK_EQ(a.to_writer.last, 0x7878787878787878ULL);
	pair_close(&a);
	pair_close(&b);
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* Of which message, and how often. */
static void note_missing(const zc_message_t *message, void *ctx)
{
	uint64_t *missing = ctx, sequence = 0;

	memcpy(&sequence, message->payload, sizeof(sequence));
	CHECK_OP(sequence, <=, 5);
	missing[sequence]++;
}

static void reader_is_told_of_what_it_does_not_read(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	uint64_t missing[6] = { 0 };
	zc_cleaner_t *cleaner;
	struct pair pair;

	t_no_more_cleaners(pool);
	cleaner = cleaner_of(pool, 1000000);
	pair_open(&pair, pool, "mail/missing/main");
	CHECK_OK(zc_reader_handle_message(pair.reader.role, ZC_MSG_MISSING_BLOCK,
					  note_missing, missing));
	t_write_many(&pair.writer, 5, 100);
	T_UNTIL((check_reader(&pair), missing[1]));
	t_read_many(&pair.reader, 2);
	T_UNTIL((check_reader(&pair), missing[3]));
	/* Once for each at which it stands; at the second, too, if that took long. */
	CHECK_EQ(missing[1], 1);
	CHECK_OP(missing[2], <=, 1);
	CHECK_EQ(missing[3], 1);
	CHECK_EQ(missing[4] + missing[5], 0);
	CHECK_EQ(pair.to_reader.nr, 0);
	t_read_many(&pair.reader, 3);
	zc_cleaner_stop(cleaner);
	pair_close(&pair);
	t_pool_close(pool);
}

/* --- others come and go ----------------------------------------------------------------- */

static void reads_messages(void *arg)
{
	struct t_reader reader;
	struct got got = { 0 };
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, "mail/child/main", NULL);
	CHECK_OK(zc_reader_handle_message(reader.role, ZC_MSG_DEFAULT, note, &got));
	t_say_number(t_parent(), "there", zc_reader_id(reader.role));
	while (got.nr < 1)
		CHECK_OK(zc_reader_check_message(reader.role, NULL, NULL, NULL, 0));
	t_say_number(t_parent(), "got", got.last);
	t_hear(t_parent(), "never");
}

/* What was for one that died is not for the next in its place. */
static void successor_gets_nothing_of_its_predecessor(void)
{
	struct t_peer *child[3];
	struct t_writer writer;
	zc_pool_t *pool;
	uint32_t id, i;

	for (i = 0; i < 3; i++)
		child[i] = t_spawn("reader", reads_messages, NULL);
	pool = t_pool_create(NULL);
	t_writer_open(&writer, pool, "mail/child/main", NULL);
	for (i = 0; i < 3; i++) {
		uint64_t number = 100 + i;

		t_say(child[i], "go");
		id = (uint32_t)t_hear_number(child[i], "there");
		CHECK_EQ(id, 0);
		CHECK_OK(zc_writer_send_message(writer.role, ZC_READER(zc_writer_id(writer.role), id),
						ZC_MSG_USER, &number, sizeof(number)));
		CHECK_EQ(t_hear_number(child[i], "got"), number);
		t_stop(child[i]);
		/* These it will never see. */
		for (number = 1; number < 8; number++)
			CHECK_OK(zc_writer_send_message(
				writer.role, ZC_READER(zc_writer_id(writer.role), id),
				ZC_MSG_USER, &number, sizeof(number)));
		t_kill(child[i]);
		T_UNTIL(zc_writer_send_message(writer.role,
					       ZC_READER(zc_writer_id(writer.role), id),
					       ZC_MSG_USER, NULL, 0) ==
			ZC_ERROR_NOT_FOUND);
	}
	t_writer_close(&writer);
	t_pool_close(pool);
}

static void bad_messages_are_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	char text[ZC_MESSAGE_BYTES + 1] = "";
	uint64_t stream[4];
	struct pair pair;
	zc_writer_t *w;
	zc_reader_t *r;

	pair_open(&pair, pool, "mail/bad/main");
	w = pair.writer.role;
	r = pair.reader.role;
	CHECK_RESULT(zc_writer_send_message(NULL, ZC_TEAM, ZC_MSG_USER, NULL, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_send_message(NULL, ZC_TEAM, ZC_MSG_USER, NULL, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, writer_of(&pair), ZC_MSG_USER, NULL,
					    0), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, ZC_WRITER(32), ZC_MSG_USER, NULL, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, ZC_READER(32, 0), ZC_MSG_USER, NULL,
					    0), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, ZC_READER(3, 0), ZC_MSG_USER, NULL,
					    0), ZC_ERROR_NOT_FOUND);
	CHECK_RESULT(zc_writer_send_message(w, ZC_WRITER(9), ZC_MSG_USER, NULL, 0),
		     ZC_ERROR_NOT_FOUND);
	CHECK_RESULT(zc_writer_send_message(w, reader_of(&pair), 0, NULL, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, reader_of(&pair), ZC_MSG_REQ_TRANSPOND,
					    NULL, 0), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, reader_of(&pair), ZC_MSG_MAX + 1,
					    NULL, 0), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_send_message(w, reader_of(&pair), ZC_MSG_USER, text,
					    sizeof(text)), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_send_message(r, writer_of(&pair), ZC_MSG_USER, NULL,
					    4), ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_handle_message(w, ZC_MSG_MAX + 1, note, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_handle_message(NULL, ZC_MSG_USER, note, NULL),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_reader_check_message(NULL, NULL, NULL, NULL, 0),
		     ZC_ERROR_INVALID);
	CHECK_RESULT(zc_writer_check_message(w, NULL, NULL, (char *)stream + 1, 8),
		     ZC_ERROR_INVALID);
	check_reader(&pair);
	check_writer(&pair);
	CHECK_EQ(pair.to_reader.nr + pair.to_writer.nr, 0);
	pair_close(&pair);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(writer_and_reader_send_to_each_other),
		T_CASE(messages_collect),
		T_CASE(answer_comes_while_something_collects),
		T_CASE(message_without_room_is_handed_over),
		T_CASE(handlers_run_while_nothing_is_held),
		T_CASE(what_no_handler_takes_is_handed_out),
		T_CASE(team_gets_messages),
		T_CASE(team_passes_on),
		T_CASE(reader_is_told_of_what_it_does_not_read),
		T_CASE(successor_gets_nothing_of_its_predecessor),
		T_CASE(bad_messages_are_refused),
		T_END
	};

	return t_main(argc, argv, cases);
}
