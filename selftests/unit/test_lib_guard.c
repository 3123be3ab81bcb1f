/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_lib_guard.c - checksums, type tags, and records that somebody forged.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend.h"
#include "guard.h"
#include "lib.h"
#include "shm.h"

#define SMALL (64 << 10)

/* --- checksums ---------------------------------------------------------------------- */

/* Bit by bit, as the standard has it. */
static u32 slow_crc(u32 crc, const void *data, u64 bytes)
{
	const u8 *p = data;

	crc = ~crc;
	while (bytes--) {
		crc ^= *p++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

Test(lib_guard, checksum_is_crc32c)
{
	u8 data[700];

	must_eq(zc_crc("123456789", 9), 0xe3069283U);
	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 37 + i / 7);
	for (u32 bytes = 1; bytes < 600; bytes++)
		must_eq(zc_crc(data + bytes % 9, bytes),
			slow_crc(0, data + bytes % 9, bytes));
}

Test(lib_guard, what_is_fast_is_the_same)
{
	const u64 still[ZC_CRC_STILL] = { 3, 0x600, 0, 0 };
	u8 data[700];
	u64 record[8] = { 3, 0x600, 0, 0, 11, 22, 33, 0 };

	for (u32 i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i * 31);
	for (u64 bytes = 1; bytes < 600; bytes++) {
		record[7] = bytes;
		must_eq(zc_crc_record(zc_crc_still(still), 11, 22, 33, bytes),
			slow_crc(0, record, sizeof(record)));
		must_eq(zc_crc_fast((char *)data + bytes % 5, bytes),
			slow_crc(0, data + bytes % 5, bytes));
	}
}

Test(lib_guard, codes_differ_in_two_bits)
{
	for (u32 a = 0; a <= ZC_MODE_FULL; a++) {
		must_eq(zc_guard_mode_of(zc_guard_code(a) | ZC_BLOCK_IO), a);
		for (u32 bit = 0; bit < 4; bit++)
			must_eq(zc_guard_mode_of(zc_guard_code(a) ^
						 1U << (ZC_BLOCK_GUARD_SHIFT + bit)),
				~0U);
	}
}

/* --- a message --------------------------------------------------------------------------- */

static struct {
	struct lib l;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_handle_t handle;
	char *data;
	struct zc_block_desc *desc;
} at;

/* Behind its one segment is room for another one: nobody's memory. */
static void begin(zc_guard_t guard)
{
	zc_writer_options_t o = ZC_WRITER_OPTIONS_INIT;

	memset(&at, 0, sizeof(at));
	lib_open_growing(&at.l, SMALL, 2 * SMALL);
	o.service = SERVICE;
	o.guard = guard;
	at.w = lib_writer(&at.l, &o);
	at.r = lib_plain_reader(&at.l);
}

static void claim(u64 bytes)
{
	must_zc(zc_writer_acquire_block(at.w, bytes, &at.handle, 0));
	at.data = zc_writer_block_data(at.w, at.handle, NULL);
	memset(at.data, 0x77, bytes);
	at.desc = &at.l.pool->view.descs[(u64)(at.data - at.l.pool->data) >> 6];
}

static void commit(void)
{
	must_zc(zc_writer_commit_block(at.w, at.handle));
}

static zc_result_t poll(void)
{
	zc_result_t result = zc_reader_poll_block(at.r, 0, &at.handle, 0);

	if (result == ZC_OK)
		must_zc(zc_reader_release_block(at.r, at.handle));
	return result;
}

static void finish(void)
{
	zc_check_report_t report = { .sz = sizeof(report) };

	must_zc(zc_pool_check(at.l.pool, &report));
	must_eq(report.errors, 0);
	zc_reader_unregister(at.r);
	zc_writer_unregister(at.w);
	lib_close(&at.l);
}

/* Tags lie behind the trailer; each of their bytes counts where all is verified. */
Test(lib_guard, tags_are_covered)
{
	static const zc_guard_t guards[] = { ZC_GUARD_HEADER, ZC_GUARD_FULL };

	for (u32 g = 0; g < 2; g++) {
		begin(guards[g]);
		for (u32 i = 0; i <= 32; i++) {
			claim(200);
			/* Of the 256 bytes that it has: trailer to 216, tags from 224 on. */
			at.desc->type_lut_off = 224;
			at.desc->type_lut_nr = 2;
			at.desc->type_bytes = 32;
			memset(at.data + 224, 0x5c, 32);
			commit();
			if (i < 32)
				at.data[224 + i] ^= 1;
			must_eq(poll(), i < 32 && g == 1 ? ZC_ERROR_CORRUPT_BLOCK : ZC_OK);
			/* Behind them is nobody's. */
			at.desc->type_lut_off = 0;
			at.desc->type_lut_nr = 0;
			at.desc->type_bytes = 0;
		}
		finish();
	}
}

/* Those of a sound block are looked for between its trailer and its end, and nowhere else. */
Test(lib_guard, tags_are_in_the_block)
{
	static const u32 bytes[] = { 33, 256, SMALL, ~0U };
	static const u32 offs[] = { 1, 200, 215, 257, SMALL, ~0U };
	struct zc_pool *pool;
	u32 granule, mode, i;

	begin(ZC_GUARD_FULL);
	pool = at.l.pool;
	claim(200);
	granule = (u32)(at.desc - pool->view.descs);
	at.desc->type_lut_off = 224;
	at.desc->type_lut_nr = 2;
	at.desc->type_bytes = 32;
	memset(at.data + 224, 0x5c, 32);
	commit();
	for (i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		at.desc->type_bytes = bytes[i];
		must_eq(zc_guard_look_at(pool, granule, at.desc->word, &mode), ZC_FAULT_RECORD);
	}
	at.desc->type_bytes = 32;
	for (i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		at.desc->type_lut_off = offs[i];
		must_eq(zc_guard_look_at(pool, granule, at.desc->word, &mode), ZC_FAULT_RECORD);
	}
	at.desc->type_lut_off = 224;
	must_eq(zc_guard_look_at(pool, granule, at.desc->word, &mode), ZC_FAULT_NONE);
	must_eq(mode, ZC_MODE_FULL);
	must_zc(poll());
	finish();
}

static void data_path(const struct zc_pool *pool, u32 segment, char path[ZC_SHM_PATH],
		      struct stat *st)
{
	char dir[ZC_PATH_BYTES];

	must_zc(zc_shm_data_dir(pool, dir));
	must(zc_shm_data_path(path, dir, pool->creation_id, segment));
	must(!stat(path, st));
}

static void look_at_forged(u64 bytes, u64 off, u32 nr)
{
	const struct zc_pool *pool = at.l.pool;
	u32 last = (SMALL >> 6) - 1, mode;
	struct zc_block_desc *d = &pool->view.descs[last], was = *d;
	u64 word = zc_word(7, 1, ZC_OWNER_WRITER(at.w->id), ZC_STATE_USING);

	*d = (struct zc_block_desc){
		.word = word, .sequence = 5, .bytes = bytes, .writer = at.w->id,
		.flags = zc_guard_code(ZC_MODE_FULL),
		.type_lut_off = off, .type_lut_nr = nr, .type_bytes = nr,
	};
	must(zc_guard_look_at(pool, last, word, &mode) != ZC_FAULT_NONE);
	must_eq(mode, ZC_MODE_FULL);
	/* A run that is longer than the segment is none. */
	word = zc_word(7, 2 + (nr & 0xffff), ZC_OWNER_WRITER(at.w->id), ZC_STATE_USING);
	d->word = word;
	must_eq(zc_guard_look_at(pool, last, word, &mode), ZC_FAULT_NONE);
	must_eq(mode, ZC_MODE_OFF);
	*d = was;
}

/*
 * Whatever a record says, nobody reads past the run, much less past what is mapped: the
 * last block of the last segment, with nothing behind it.  Once out of its file, and once
 * in place, as where a pool was removed.
 */
Test(lib_guard, forged_records_lead_nowhere)
{
	static const u64 forged[] = { 0, 1, 49, 64, 65, 1000, SMALL - 16, SMALL - 15, SMALL,
				      SMALL + 1, 1ULL << 32, 1ULL << 63, ~0ULL, ~0ULL - 15 };
	const u32 kinds = sizeof(forged) / sizeof(*forged);
	char path[ZC_SHM_PATH], away[ZC_SHM_PATH + 8];
	struct stat st;

	begin(ZC_GUARD_FULL);
	data_path(at.l.pool, 0, path, &st);
	snprintf(away, sizeof(away), "%s.away", path);
	for (u32 place = 0; place < 2; place++) {
		for (u32 i = 0; i < kinds * kinds; i++)
			look_at_forged(forged[i / kinds], forged[i % kinds],
				       (u32)forged[i % kinds]);
		must(!(place ? rename(away, path) : rename(path, away)));
	}
	finish();
}

/* The same for who polls: ring entry and record agree, and lie. */
Test(lib_guard, forged_messages_are_withheld)
{
	static const u64 forged[] = { 1, 48, 49, 63, 64, 200, SMALL - 64, SMALL - 15, SMALL };

	for (u32 g = ZC_GUARD_MAGIC; g <= ZC_GUARD_FULL; g++) {
		begin((zc_guard_t)g);
		for (u32 i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
			struct zc_ring_entry *e;
			u64 was;

			claim(40);
			e = &at.w->ring[at.w->head & at.w->ring_mask];
			commit();
			was = at.desc->bytes;
			at.desc->bytes = forged[i];
			e->run = forged[i] << 32 | (u32)e->run;
			must_eq(poll(), ZC_ERROR_CORRUPT_BLOCK);
			at.desc->bytes = was;
		}
		must_eq(at.r->corrupt, sizeof(forged) / sizeof(*forged));
		finish();
	}
}

/*
 * A message of no bytes is none: neither with a trailer that fits, nor where the writer's
 * mode changes between the look at its size and that at its trailer.
 */
Test(lib_guard, empty_messages_are_withheld)
{
	for (u32 g = ZC_GUARD_MAGIC; g <= ZC_GUARD_FULL; g++) {
		begin((zc_guard_t)g);
		for (u32 i = 0; i < 2; i++) {
			struct zc_ring_entry *e;

			claim(40);
			e = &at.w->ring[at.w->head & at.w->ring_mask];
			zc_trailer_store(at.data, zc_trailer_mark(at.w->head, 0),
					 ZC_TRAILER_MAGIC);
			commit();
			at.desc->bytes = 0;
			e->run = (u32)e->run;
			if (i)
				at.w->area->guard = ZC_MODE_OFF;
			must_eq(poll(), ZC_ERROR_CORRUPT_BLOCK);
			at.desc->bytes = 40;
		}
		must_eq(at.r->corrupt, 2);
		finish();
	}
}

/* All of it fits, but for that its word is not that of what the ring tells of. */
Test(lib_guard, words_of_others_are_withheld)
{
	const u64 others[] = { 1ULL << ZC_WORD_GENERATION_SHIFT,
			       1ULL << ZC_WORD_OWNER_SHIFT, 2ULL << ZC_WORD_OWNER_SHIFT,
			       ZC_STATE_USING ^ ZC_STATE_CLEAN };

	for (u32 g = ZC_GUARD_HEADER; g <= ZC_GUARD_FULL; g++) {
		u32 mode = g - ZC_GUARD_OFF;

		begin((zc_guard_t)g);
		for (u32 i = 0; i <= sizeof(others) / sizeof(*others); i++) {
			u64 first, was;

			claim(40);
			commit();
			was = at.desc->word;
			if (i)
				at.desc->word ^= others[i - 1];
			first = zc_crc_record(at.w->guard_still, at.desc->word,
					      at.desc->sequence, at.desc->timestamp_ns, 40) |
				(u64)mode << 32;
			if (mode == ZC_MODE_FULL)
				first ^= zc_crc(at.data, 40);
			zc_trailer_store(at.data + 40, first, ZC_TRAILER_MAGIC);
			must_eq(poll(), i ? ZC_ERROR_CORRUPT_BLOCK : ZC_OK);
			at.desc->word = was;
		}
		finish();
	}
}

/* Modes and places that nobody would store. */
Test(lib_guard, garbage_in_the_area_is_survived)
{
	static const u32 modes[] = { 4, 77, ~0U };
	static const u64 sinces[] = { 0, 1, 2, 1000, ~0ULL };
	u32 mode;

	begin(ZC_GUARD_FULL);
	for (u32 i = 0; i < 3; i++)
		for (u32 k = 0; k < 5; k++) {
			claim(40);
			commit();
			at.w->area->guard = modes[i];
			at.w->area->guard_since = sinces[k];
			zc_guard_look(at.r);
			must(at.r->guard <= ZC_MODE_FULL);
			zc_guard_look_at(at.l.pool, (u32)(at.desc - at.l.pool->view.descs),
					 at.desc->word, &mode);
			must(mode <= ZC_MODE_FULL || mode == modes[i]);
			poll();
		}
	at.w->area->guard = ZC_MODE_FULL;
	at.w->area->guard_since = 1;
	claim(40);
	commit();
	must_eq(poll(), ZC_OK);
	finish();
}

/* A word that changed meanwhile is no finding. */
Test(lib_guard, blocks_that_are_taken_back_raise_no_alarm)
{
	u64 word;
	u32 mode, granule;

	begin(ZC_GUARD_FULL);
	claim(40);
	commit();
	granule = (u32)(at.desc - at.l.pool->view.descs);
	word = at.desc->word;
	must_eq(zc_guard_look_at(at.l.pool, granule, word, &mode), ZC_FAULT_NONE);
	must_eq(mode, ZC_MODE_FULL);
	at.data[3] ^= 1;
	must_eq(zc_guard_look_at(at.l.pool, granule, word, &mode), ZC_FAULT_CHECKSUM);
	/* One generation on. */
	must_eq(zc_guard_look_at(at.l.pool, granule, word + (1ULL << 32), &mode),
		ZC_FAULT_NONE);
	must_eq(mode, ZC_MODE_OFF);
	must_eq(poll(), ZC_ERROR_CORRUPT_BLOCK);
	finish();
}

/* --- memory that goes ------------------------------------------------------------------- */

#define SEGMENT (1ULL << 20)

/*
 * Who loaded a word, and then lost the race against somebody who removed the segment:
 * no alarm, no memory that comes back, and no signal where none is left (a file that
 * ends before is the same to who touches it).
 */
Test(lib_guard, memory_that_went_is_left_alone)
{
	static const u64 sizes[] = { 40, 5000, 100000 };
	zc_pool_options_t o = ZC_POOL_OPTIONS_INIT;
	zc_writer_options_t wo = ZC_WRITER_OPTIONS_INIT;
	char path[ZC_SHM_PATH];
	struct zc_pool *pool;
	struct zc_peek peek;
	zc_handle_t handle, many[512];
	struct lib l;
	struct stat st;
	zc_writer_t *w;
	zc_reader_t *r;
	u32 granule[3], mode, s, nr = 0;
	u64 word[3];

	lib_open(&l, SMALL);
	o.bytes = 2 * SEGMENT;
	o.segment_bytes = SEGMENT;
	o.max_bytes = 4 * SEGMENT;
	o.huge = ZC_HUGE_NEVER;
	must_zc(zc_pool_create("peeked", &o, &pool));
	wo.service = SERVICE;
	wo.guard = ZC_GUARD_FULL;
	must_zc(zc_writer_register(pool, &wo, &w));
	peek = zc_peek_begin(pool);
	r = lib_plain_reader(&(struct lib){ .pool = pool });
	for (u32 i = 0; i < 3; i++) {
		char *data;

		must_zc(zc_writer_acquire_block(w, sizes[i], &handle, 0));
		data = zc_writer_block_data(w, handle, NULL);
		memset(data, 0x77, sizes[i]);
		granule[i] = (u32)((u64)(data - pool->data) >> pool->view.granule_shift);
		must_zc(zc_writer_commit_block(w, handle));
		word[i] = zc_desc(&pool->view, granule[i])->word;
		must_eq(zc_guard_peek(&peek, granule[i], word[i], &mode), ZC_FAULT_NONE);
		must_eq(mode, ZC_MODE_FULL);
		data[sizes[i] - 1] ^= 1;
		must_eq(zc_guard_peek(&peek, granule[i], word[i], &mode), ZC_FAULT_CHECKSUM);
		data[sizes[i] - 1] ^= 1;
		must_zc(zc_reader_poll_block(r, 0, &handle, 0));
		must_zc(zc_reader_release_block(r, handle));
	}
	zc_peek_end(&peek);
	/* Takes back what was read. */
	while (zc_writer_acquire_block(w, sizes[1], &many[nr], 0) == ZC_OK)
		must(++nr < 512);
	while (nr)
		must_zc(zc_writer_cancel_block(w, many[--nr]));
	zc_reader_unregister(r);
	zc_writer_unregister(w);
	s = granule[0] >> pool->view.segment_shift;
	must_zc(pool->backend->shrink(pool, s));
	for (u32 i = 0; i < 3; i++) {
		must_eq(granule[i] >> pool->view.segment_shift, s);
		must_eq(zc_guard_look_at(pool, granule[i], word[i], &mode), ZC_FAULT_NONE);
		must_eq(mode, ZC_MODE_OFF);
	}
	/* And if the word were the same: what is zeros is no memory. */
	zc_writer_area(&pool->view, 0)->guard = ZC_MODE_FULL;
	zc_writer_area(&pool->view, 0)->guard_since = 1;
	for (u32 i = 0; i < 3; i++) {
		word[i] = zc_word_same(word[i] + (1ULL << 40), ZC_OWNER_WRITER(0),
				       ZC_STATE_USING);
		*zc_desc(&pool->view, granule[i]) = (struct zc_block_desc){
			.word = word[i], .sequence = i + 1, .bytes = sizes[i],
			.flags = zc_guard_code(ZC_MODE_FULL),
		};
		must_eq(zc_guard_look_at(pool, granule[i], word[i], &mode),
			ZC_FAULT_TRAILER);
	}
	data_path(pool, s, path, &st);
	must_eq(st.st_blocks, 0);
	must(!truncate(path, 0));
	for (u32 i = 0; i < 3; i++) {
		must_eq(zc_guard_look_at(pool, granule[i], word[i], &mode), ZC_FAULT_NONE);
		must_eq(mode, ZC_MODE_OFF);
	}
	zc_pool_close(pool);
	must_zc(zc_pool_remove("peeked"));
	lib_close(&l);
}
