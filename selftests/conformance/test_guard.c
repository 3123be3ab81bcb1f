/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_guard.c - what each mode of the guard finds: overruns, flips, torn writes.
 */
#include <string.h>
#include <unistd.h>

#include "harness_guard.h"

#define SERVICE T_GUARD_SERVICE
#define PAYLOAD T_GUARD_PAYLOAD

static const zc_guard_t guards[] = { ZC_GUARD_OFF, ZC_GUARD_MAGIC, ZC_GUARD_HEADER,
				     ZC_GUARD_FULL };

/* --- overruns ---------------------------------------------------------------------------- */

static const size_t overruns[] = { 1, 8, 16, 4096 };
#define OVERRUNS (sizeof(overruns) / sizeof(*overruns))

static void overrun_before_commit(zc_guard_t guard, size_t by, int byte)
{
	zc_result_t want = guard == ZC_GUARD_OFF ? ZC_OK : ZC_ERROR_CORRUPT_BLOCK;
	uint64_t next = t_guard.writer.next;
	unsigned char *data;
	zc_handle_t handle;
	zc_event_t event;

	CHECK_OK(zc_writer_acquire_block(t_guard.writer.role, PAYLOAD, &handle, 0));
	data = zc_writer_block_data(t_guard.writer.role, handle, NULL);
	memset(data, byte, PAYLOAD + by);
	CHECK_RESULT(zc_writer_commit_block(t_guard.writer.role, handle), want);
	if (want == ZC_OK) {
		t_guard.writer.next++;
		t_guard_delivered();
		return;
	}
	CHECK_EQ(t_guard.hooked, ++t_guard.corrupt);
	/* It is over, and nobody sees anything of it. */
	CHECK(!zc_writer_block_data(t_guard.writer.role, handle, NULL));
	CHECK_RESULT(zc_reader_poll_block(t_guard.reader.role, 0, &handle, 0),
		     ZC_ERROR_TIMEOUT);
	t_guard_next();
	/* Told once for each message that was to be: the next one has its number. */
	if (t_guard.corrupt > 1)
		return;
	event = t_guard_told();
	CHECK_EQ(event.fault, ZC_FAULT_OVERRUN);
	CHECK_EQ(event.sequence, next);
	CHECK_EQ(event.pid, getpid());
	CHECK(!strcmp(event.service, SERVICE));
}

static void overruns_before_commit(zc_guard_t guard)
{
	for (unsigned int i = 0; i < OVERRUNS; i++) {
		overrun_before_commit(guard, overruns[i], 0);
		overrun_before_commit(guard, overruns[i], 'a');
		overrun_before_commit(guard, overruns[i], 0x7f);
	}
}

/* Until the first block is written again: from there on commits take the short way. */
static void blocks_go_round(void)
{
	unsigned char *first = t_guard_send(PAYLOAD), *data = NULL;

	t_guard_delivered();
	for (unsigned int i = 0; data != first; i++) {
		CHECK_OP(i, <, 100000);
		data = t_guard_send(PAYLOAD);
		t_guard_delivered();
	}
}

static void writers_overrun_what_they_fill(void)
{
	for (unsigned int g = 0; g < 4; g++) {
		t_guard_begin(guards[g], false);
		overruns_before_commit(guards[g]);
		blocks_go_round();
		overruns_before_commit(guards[g]);
		t_guard_finish();
	}
}

static void overruns_after_the_commit(void)
{
	for (unsigned int g = 0; g < 4; g++) {
		t_guard_begin(guards[g], false);
		for (unsigned int i = 0; i < OVERRUNS; i++) {
			uint64_t sequence = t_guard.writer.next;
			unsigned char *data = t_guard_send(PAYLOAD);

			for (size_t k = 0; k < overruns[i]; k++)
				data[PAYLOAD + k] ^= 0xff;
			if (guards[g] == ZC_GUARD_OFF)
				t_guard_delivered();
			else
				t_guard_withheld(sequence);
			t_guard_next();
		}
		t_guard_finish();
	}
}

/* --- flips --------------------------------------------------------------------------------- */

static void flip(unsigned char *byte, unsigned int bit, uint64_t sequence, bool found)
{
	*byte ^= (unsigned char)(1U << bit);
	if (found)
		t_guard_withheld(sequence);
	else
		t_guard_delivered();
	*byte ^= (unsigned char)(1U << bit);
}

static void every_byte_is_flipped(void)
{
	for (unsigned int g = 0; g < 4; g++) {
		zc_guard_t guard = guards[g];
		size_t payload = 300;

		t_guard_begin(guard, false);
		for (unsigned int i = 0; i < 8 * sizeof(struct zc_block_desc); i++) {
			uint64_t sequence = t_guard.writer.next;

			t_guard_send(payload);
			flip((unsigned char *)t_guard_record(sequence) + i / 8, i % 8,
			     sequence, guard >= ZC_GUARD_HEADER);
		}
		for (unsigned int i = 0; i < 8 * ZC_GUARD_BYTES; i++) {
			uint64_t sequence = t_guard.writer.next;
			unsigned char *data = t_guard_send(payload);

			flip(data + payload + i / 8, i % 8, sequence,
			     guard >= ZC_GUARD_MAGIC);
		}
		for (unsigned int i = 0; i < payload; i++) {
			uint64_t sequence = t_guard.writer.next;
			unsigned char *data = t_guard_send(payload);

			flip(data + i, i % 8, sequence, guard == ZC_GUARD_FULL);
		}
		t_guard_finish();
	}
}

/* Also where the library's own loop is, and where its chunks end. */
static void every_size_has_its_ends(void)
{
	t_guard_begin(ZC_GUARD_FULL, false);
	for (size_t bytes = 1; bytes < 20000; bytes += bytes < 300 ? 1 : bytes / 7) {
		uint64_t sequence = t_guard.writer.next;
		unsigned char *data = t_guard_send(bytes);

		flip(data + bytes - 1, 7, sequence, true);
		sequence = t_guard.writer.next;
		data = t_guard_send(bytes);
		flip(data, 0, sequence, true);
		t_guard_send(bytes);
		t_guard_delivered();
	}
	t_guard_finish();
}

/* --- torn ----------------------------------------------------------------------------------- */

static void torn_writes(void)
{
	for (unsigned int g = 0; g < 4; g++) {
		zc_guard_t guard = guards[g];
		static const unsigned char nothing[ZC_GUARD_BYTES];
		unsigned char before[ZC_GUARD_BYTES], *data;
		struct zc_block_desc *record, whole;
		uint64_t sequence;
		bool same;

		t_guard_begin(guard, false);
		data = t_guard_send(PAYLOAD);
		memcpy(before, data + PAYLOAD, sizeof(before));
		t_guard_delivered();
		/* The second half of a payload is another message's. */
		sequence = t_guard.writer.next;
		data = t_guard_send(PAYLOAD);
		memset(data + PAYLOAD / 2, 0, PAYLOAD / 2);
		if (guard == ZC_GUARD_FULL)
			t_guard_withheld(sequence);
		else
			t_guard_delivered();
		/* The trailer is the one of the message before. */
		sequence = t_guard.writer.next;
		data = t_guard_send(PAYLOAD);
		memcpy(data + PAYLOAD, before, sizeof(before));
		if (guard != ZC_GUARD_OFF)
			t_guard_withheld(sequence);
		else
			t_guard_delivered();
		/* None of it was written; half of it was.  (A byte of a CRC may be 0.) */
		for (size_t bytes = ZC_GUARD_BYTES; bytes; bytes /= 2) {
			sequence = t_guard.writer.next;
			data = t_guard_send(PAYLOAD);
			same = !memcmp(data + PAYLOAD, nothing, bytes);
			memset(data + PAYLOAD, 0, bytes);
			if (guard != ZC_GUARD_OFF && !same)
				t_guard_withheld(sequence);
			else
				t_guard_delivered();
		}
		/* The record is half the one of the message before. */
		sequence = t_guard.writer.next;
		data = t_guard_send(PAYLOAD);
		record = t_guard_record(sequence);
		whole = *record;
		record->sequence--;
		record->timestamp_ns -= 1000;
		if (guard >= ZC_GUARD_HEADER)
			t_guard_withheld(sequence);
		else
			t_guard_delivered();
		*record = whole;
		t_guard_next();
		t_guard_finish();
	}
}

static const struct t_case cases[] = {
	T_CASE(writers_overrun_what_they_fill),
	T_CASE(overruns_after_the_commit),
	T_CASE(every_byte_is_flipped),
	T_CASE(every_size_has_its_ends),
	T_CASE(torn_writes),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
