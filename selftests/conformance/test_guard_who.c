/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_guard_who.c - who verifies, when, and what is said of it; and no false alarm.
 */
#include <string.h>
#include <unistd.h>

#include "harness_guard.h"

#define SERVICE T_GUARD_SERVICE
#define PAYLOAD T_GUARD_PAYLOAD

static const zc_guard_t guards[] = { ZC_GUARD_OFF, ZC_GUARD_MAGIC, ZC_GUARD_HEADER,
				     ZC_GUARD_FULL };

/* --- at release ------------------------------------------------------------------------------- */

static void releases_verify_once_more(void)
{
	for (unsigned int asked = 0; asked < 2; asked++) {
		zc_reader_stats_t stats = { .sz = sizeof(stats) };
		unsigned char *data;
		zc_handle_t handle;

		t_guard_begin(ZC_GUARD_FULL, asked);
		data = t_guard_send(PAYLOAD);
		CHECK_OK(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 0));
		data[17] ^= 1;
		CHECK_RESULT(zc_reader_release_block(t_guard.reader.role, handle),
			     asked ? ZC_ERROR_CORRUPT_BLOCK : ZC_OK);
		CHECK_EQ(t_guard.hooked, asked);
		CHECK_OK(zc_reader_get_stats(t_guard.reader.role, &stats));
		CHECK_EQ(stats.changed, asked);
		CHECK_EQ(stats.corrupt, 0);
		CHECK_EQ(stats.held, 0);
		CHECK_RESULT(zc_reader_release_block(t_guard.reader.role, handle),
			     ZC_ERROR_STALE_HANDLE);
		t_guard.corrupt = asked;
		t_guard_next();
		t_guard_finish();
	}
}

/* --- cleaners ------------------------------------------------------------------------------------ */

static zc_cleaner_stats_t cleaner_stats(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats;
}

static void cleaners_find_it_once(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *cleaner;
	unsigned char *data[20];
	uint64_t rounds;
	zc_event_t event;

	options.idle_ns = 1000000;
	t_guard_begin(ZC_GUARD_FULL, false);
	for (unsigned int i = 0; i < 20; i++)
		data[i] = t_guard_send(PAYLOAD);
	data[6][123] ^= 4;
	t_no_more_cleaners(t_guard.pool);
	CHECK_OK(zc_cleaner_start(t_guard.pool, &options, &cleaner));
	T_UNTIL(cleaner_stats(cleaner).corrupt == 1);
	CHECK_EQ(__atomic_load_n(&t_guard.hooked, __ATOMIC_ACQUIRE), 1);
	CHECK_EQ(t_guard.sequence, 7);
	event = t_guard_told();
	CHECK_EQ(event.sequence, 7);
	CHECK_EQ(event.fault, ZC_FAULT_CHECKSUM);
	CHECK(!strcmp(event.service, SERVICE));
	/* However often it comes by: nothing more, and no other. */
	rounds = cleaner_stats(cleaner).rounds;
	T_UNTIL(cleaner_stats(cleaner).rounds > rounds + 3);
	CHECK_EQ(cleaner_stats(cleaner).corrupt, 1);
	CHECK(cleaner_stats(cleaner).verified >= 60);
	CHECK_EQ(t_guard.hooked, 1);
	zc_cleaner_stop(cleaner);
	/* And nobody gets it. */
	t_guard.corrupt = 1;
	for (unsigned int i = 0; i < 20; i++) {
		if (i != 6) {
			t_guard_delivered();
			continue;
		}
		t_guard.hooked--;
		t_guard.corrupt--;
		t_guard_withheld(7);
	}
	t_guard_finish();
}

/* --- who ------------------------------------------------------------------------------------------- */

static void damages(void *arg)
{
	struct t_peer *parent = t_parent();

	(void)arg;
	t_hear(parent, "go");
	t_guard.pool = t_pool_open();
	t_guard_writer(ZC_GUARD_FULL);
	t_say(parent, "ready");
	t_hear(parent, "write");
	t_guard_send(PAYLOAD);
	t_guard_send(PAYLOAD)[PAYLOAD - 1] ^= 8;
	t_guard_send(PAYLOAD);
	t_say(parent, "done");
	t_hear(parent, "end");
	t_writer_close(&t_guard.writer);
	t_pool_close(t_guard.pool);
}

static void events_name_the_writer(void)
{
	struct t_peer *child = t_spawn("damages", damages, NULL);
	zc_event_t event;

	t_guard.pool = t_pool_create(NULL);
	t_say(child, "go");
	t_hear(child, "ready");
	t_reader_open(&t_guard.reader, t_guard.pool, SERVICE, NULL);
	t_guard_hook();
	t_say(child, "write");
	t_hear(child, "done");
	t_guard_delivered();
	t_guard_withheld(2);
	t_guard_delivered();
	event = t_guard_told();
	CHECK_EQ(event.pid, child->pid);
	CHECK_EQ(event.sequence, 2);
	CHECK_EQ(event.fault, ZC_FAULT_CHECKSUM);
	CHECK(!strcmp(event.service, SERVICE));
	CHECK(event.comm[0]);
	t_say(child, "end");
	t_join(child);
	t_reader_close(&t_guard.reader);
	t_pool_close(t_guard.pool);
}

static int count_faults(const zc_inspect_block_t *block, void *ctx)
{
	unsigned int *faults = ctx;

	CHECK(block->state != 1 || block->guard == ZC_GUARD_FULL);
	*faults += block->fault != 0;
	return 0;
}

/* A payload that runs over hits its own trailer, and what lies behind. */
static void neighbours_are_suspected(void)
{
	unsigned int over = 16, victim = 16, faults = 0, suspected = 0;
	unsigned char *data[16];

	t_guard_begin(ZC_GUARD_FULL, false);
	for (unsigned int i = 0; i < 16; i++)
		data[i] = t_guard_send(PAYLOAD);
	for (unsigned int i = 0; i < 16; i++)
		for (unsigned int k = 0; k < 16; k++)
			if (data[k] == data[i] + 1024) {
				over = i;
				victim = k;
			}
	CHECK(over < 16);
	/* Up to the victim's first bytes. */
	memset(data[over] + PAYLOAD, 0xee, 1024 - PAYLOAD + 40);
	CHECK_OK(zc_inspect_verified(t_guard.pool, count_faults, &faults));
	CHECK_EQ(faults, 2);
	for (unsigned int i = 0; i < 16; i++)
		if (i == over || i == victim)
			t_guard_withheld(i + 1);
		else
			t_guard_delivered();
	for (unsigned int i = 0; i < 2; i++) {
		zc_event_t event = t_guard_told();

		CHECK_EQ(event.pid, getpid());
		if (event.sequence == victim + 1) {
			CHECK(!strcmp(event.suspect, SERVICE));
			suspected++;
		}
	}
	/* The other may be first in its turn, or behind an innocent one. */
	CHECK_EQ(suspected, 1);
	t_guard_finish();
}

/* --- policies -------------------------------------------------------------------------------------- */

static zc_guard_t shown(void)
{
	zc_service_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_inspect_service(t_guard.pool, 0, &info));
	return info.guard;
}

static void pools_have_a_default(void)
{
	zc_pool_options_t options = t_pool_options();
	zc_pool_info_t info = { .sz = sizeof(info) };

	memset(&t_guard, 0, sizeof(t_guard));
	options.guard = ZC_GUARD_HEADER;
	t_guard.pool = t_pool_create(&options);
	CHECK_OK(zc_pool_get_info(t_guard.pool, &info));
	CHECK_EQ(info.guard, ZC_GUARD_HEADER);
	t_guard_writer(ZC_GUARD_DEFAULT);
	CHECK_EQ(shown(), ZC_GUARD_HEADER);
	t_writer_close(&t_guard.writer);
	t_guard_writer(ZC_GUARD_OFF);
	CHECK_EQ(shown(), ZC_GUARD_OFF);
	t_writer_close(&t_guard.writer);
	t_pool_close(t_guard.pool);
	options.guard = (zc_guard_t)5;
	CHECK_RESULT(zc_pool_create(t_name(1), &options, &t_guard.pool), ZC_ERROR_INVALID);
}

/* Who writes next may guard another way; what is unread stays as it was. */
static void writers_follow_each_other(void)
{
	static const zc_guard_t turn[] = { ZC_GUARD_FULL, ZC_GUARD_OFF, ZC_GUARD_MAGIC,
					   ZC_GUARD_OFF, ZC_GUARD_HEADER, ZC_GUARD_FULL };
	unsigned int nr = sizeof(turn) / sizeof(*turn);

	/* With the reader up to date, and with all of them unread. */
	for (unsigned int lag = 0; lag < 2; lag++) {
		t_guard_begin(ZC_GUARD_MAGIC, false);
		for (unsigned int i = 0; i < nr; i++) {
			t_writer_close(&t_guard.writer);
			t_guard_writer(turn[i]);
			t_guard.writer.next = 1 + 3 * i;
			t_guard_send(PAYLOAD);
			t_guard_send(PAYLOAD)[PAYLOAD] ^= 1;
			t_guard_send(PAYLOAD);
			for (unsigned int k = 0; k < 3 && !lag; k++)
				if (k == 1 && turn[i] != ZC_GUARD_OFF)
					t_guard_withheld(3 * i + 2);
				else
					t_guard_delivered();
		}
		for (unsigned int i = 0; i < nr && lag; i++)
			for (unsigned int k = 0; k < 3; k++)
				if (k == 1 && turn[i] != ZC_GUARD_OFF)
					t_guard_withheld(3 * i + 2);
				else
					t_guard_delivered();
		t_guard_finish();
	}
}

/* The ways to learn of a writer without getting a message. */
static void hears_by_poll(void)
{
	zc_handle_t handle;

	CHECK_RESULT(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 0),
		     ZC_ERROR_TIMEOUT);
}

static void hears_by_waiting(void)
{
	zc_handle_t handle;

	CHECK_RESULT(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 1000000),
		     ZC_ERROR_TIMEOUT);
}

static void hears_by_messages(void)
{
	CHECK_OK(zc_reader_check_message(t_guard.reader.role, NULL, NULL, NULL, 0));
}

/* Who was there first, and found nothing since the writer came, verifies what comes. */
static void first_reader_hears_how_it_is_guarded(void)
{
	static void (*const hears[])(void) = { hears_by_poll, hears_by_waiting,
					       hears_by_messages };

	for (unsigned int i = 0; i < 3; i++) {
		memset(&t_guard, 0, sizeof(t_guard));
		t_guard.pool = t_pool_create(NULL);
		t_reader_open(&t_guard.reader, t_guard.pool, SERVICE, NULL);
		t_guard_hook();
		t_guard_writer(ZC_GUARD_FULL);
		hears[i]();
		for (unsigned int k = 1; k <= 3; k++) {
			t_guard_send(PAYLOAD)[50] ^= 1;
			t_guard_withheld(k);
		}
		t_guard_send(PAYLOAD);
		t_guard_delivered();
		t_guard_finish();
	}
}

/* Who guards nothing looks for no mark, whatever somebody wrote into the record. */
static void record_that_somebody_spoilt_guards_nothing(void)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct zc_block_desc *record;
	unsigned char *first, *second;
	zc_handle_t handle;

	/* What a predecessor guarded may be used again. */
	t_guard_begin(ZC_GUARD_FULL, false);
	t_writer_close(&t_guard.writer);
	t_guard_writer(ZC_GUARD_OFF);
	CHECK_OK(zc_pool_get_info(t_guard.pool, &info));
	first = t_guard_send(PAYLOAD);
	record = t_guard_record(1);
	CHECK_OK(zc_writer_acquire_block(t_guard.writer.role, PAYLOAD, &handle, 0));
	second = zc_writer_block_data(t_guard.writer.role, handle, NULL);
	record += (second - first) / (ptrdiff_t)info.granule_bytes;
	memset(&record->flags, 0xff, sizeof(record->flags));
	memset(&record->type_lut_nr, 0xff, sizeof(record->type_lut_nr));
	t_commit(&t_guard.writer, handle);
	t_guard_delivered();
	t_guard_delivered();
	t_guard_finish();
}

static void the_largest_has_room_for_its_trailer(void)
{
	uint64_t segment;
	zc_handle_t handle;

	t_guard_begin(ZC_GUARD_FULL, false);
	segment = t_segment_bytes(t_guard.pool);
	CHECK_RESULT(zc_writer_acquire_block(t_guard.writer.role, segment, &handle, 0),
		     ZC_ERROR_SIZE);
	CHECK_RESULT(zc_writer_acquire_block(t_guard.writer.role, segment - 15, &handle, 0),
		     ZC_ERROR_SIZE);
	CHECK_RESULT(zc_writer_acquire_block(t_guard.writer.role, SIZE_MAX, &handle, 0),
		     ZC_ERROR_SIZE);
	t_guard_send(segment - 16);
	t_guard_delivered();
	t_guard_send(512 - 15);
	t_guard_delivered();
	t_guard_finish();
}

/* What is committed shorter than it was acquired has its trailer where it ends. */
static void resized_blocks_end_earlier(void)
{
	uint64_t sequence;
	unsigned char *data;
	zc_handle_t handle;

	t_guard_begin(ZC_GUARD_FULL, false);
	for (unsigned int i = 0; i < 3; i++) {
		CHECK_OK(zc_writer_acquire_block(t_guard.writer.role, PAYLOAD, &handle, 0));
		data = zc_writer_block_data(t_guard.writer.role, handle, NULL);
		/* All of it was theirs. */
		memset(data, 'x', PAYLOAD);
		CHECK_OK(zc_writer_resize_block(t_guard.writer.role, handle, PAYLOAD - 100));
		sequence = t_guard.writer.next;
		t_commit(&t_guard.writer, handle);
		if (i == 1)
			data[PAYLOAD - 100] ^= 1;
		if (i == 1)
			t_guard_withheld(sequence);
		else
			t_guard_delivered();
	}
	t_guard_finish();
}

/* --- no false alarms ------------------------------------------------------------------------------ */

static void clean_messages_raise_no_alarm(void)
{
	unsigned int rounds = t_long() ? 300000 : 20000;

	t_srand(t_seed());
	for (unsigned int g = 0; g < 4; g++) {
		zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
		zc_cleaner_options_t cleaning = ZC_CLEANER_OPTIONS_INIT;
		struct t_reader effort;
		zc_cleaner_t *cleaner;
		zc_handle_t handle;
		zc_result_t result;
		uint64_t since;

		t_guard_begin(guards[g], true);
		options.best_effort = true;
		t_reader_open(&effort, t_guard.pool, SERVICE, &options);
		cleaning.period_ns = 1000;
		cleaning.idle_ns = 1000;
		CHECK_OK(zc_cleaner_start(t_guard.pool, &cleaning, &cleaner));
		since = cleaner_stats(cleaner).rounds;
		for (unsigned int i = 0; i < rounds ||
				 (guards[g] != ZC_GUARD_OFF &&
				  cleaner_stats(cleaner).rounds < since + 3); i++) {
			t_write(&t_guard.writer, t_rand_size(3000));
			handle = t_read(&t_guard.reader);
			t_release(&t_guard.reader, handle);
			if (t_rand_below(3))
				continue;
			result = t_try_read(&effort, &handle, 0);
			if (result == ZC_OK)
				t_release(&effort, handle);
			else
				CHECK_RESULT(result, ZC_ERROR_TIMEOUT);
		}
		CHECK_EQ(t_guard.hooked, 0);
		CHECK_EQ(cleaner_stats(cleaner).corrupt, 0);
		zc_cleaner_stop(cleaner);
		t_reader_close(&effort);
		t_guard_finish();
	}
}

/* A stopped reader of history looks at what nobody keeps for it. */
static void history_is_verified(void)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_writer_options_t keeps = ZC_WRITER_OPTIONS_INIT;

	memset(&t_guard, 0, sizeof(t_guard));
	t_guard.pool = t_pool_create(NULL);
	keeps.guard = ZC_GUARD_FULL;
	keeps.history = 8;
	t_writer_open(&t_guard.writer, t_guard.pool, SERVICE, &keeps);
	t_guard_send(PAYLOAD);
	t_guard_send(PAYLOAD)[5] ^= 1;
	t_guard_send(PAYLOAD);
	options.history = 8;
	t_reader_open(&t_guard.reader, t_guard.pool, SERVICE, &options);
	t_guard_hook();
	t_guard_delivered();
	t_guard_withheld(2);
	t_guard_delivered();
	t_guard_finish();
}

static const struct t_case cases[] = {
	T_CASE(releases_verify_once_more),
	T_CASE(cleaners_find_it_once),
	T_CASE(events_name_the_writer),
	T_CASE(neighbours_are_suspected),
	T_CASE(pools_have_a_default),
	T_CASE(writers_follow_each_other),
	T_CASE(first_reader_hears_how_it_is_guarded),
	T_CASE(record_that_somebody_spoilt_guards_nothing),
	T_CASE(the_largest_has_room_for_its_trailer),
	T_CASE(resized_blocks_end_earlier),
	T_CASE(clean_messages_raise_no_alarm),
	T_CASE(history_is_verified),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
