/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_pool.c - pools of a case, and messages whose content is known.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define T_POOLS 8

static char t_names[T_POOLS][32];
static zc_pool_t *t_open[T_POOLS];

void t_names_fix(void)
{
	for (unsigned int i = 0; i < T_POOLS; i++)
		snprintf(t_names[i], sizeof(t_names[i]), "case-%d-%u",
			 (int)getpid(), i);
}

const char *t_name(unsigned int index)
{
	CHECK(index < T_POOLS);
	return t_names[index];
}

zc_pool_options_t t_pool_options(void)
{
	zc_pool_options_t options = ZC_POOL_OPTIONS_INIT;

	options.bytes = 4U << 20;
	options.ring_entries = 64;
	options.max_holds = 16;
	options.huge = ZC_HUGE_NEVER;
	return options;
}

zc_pool_t *t_pool_create_at(unsigned int index, const zc_pool_options_t *options)
{
	zc_pool_options_t usual = t_pool_options();
	zc_pool_t *pool = NULL;

	CHECK_OK(zc_pool_create(t_name(index), options ? options : &usual,
				&pool));
	CHECK(pool);
	t_open[index] = pool;
	return pool;
}

zc_pool_t *t_pool_create(const zc_pool_options_t *options)
{
	return t_pool_create_at(0, options);
}

zc_pool_t *t_pool_open(void)
{
	zc_pool_t *pool = NULL;

	CHECK_OK(zc_pool_open(t_name(0), &pool));
	CHECK(pool);
	return pool;
}

void t_pool_close(zc_pool_t *pool)
{
	for (unsigned int i = 0; i < T_POOLS; i++)
		if (t_open[i] == pool)
			t_open[i] = NULL;
	zc_pool_close(pool);
}

static bool t_never(const zc_stats_t *stats, int current, void *ctx)
{
	(void)stats;
	(void)current;
	(void)ctx;
	return false;
}

void t_no_more_cleaners(zc_pool_t *pool)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;

	policy.should_scale_up = t_never;
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
}

uint64_t t_segment_bytes(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK(info.segment_bytes && info.segment_bytes <= info.bytes);
	return info.segment_bytes;
}

static void t_check(zc_pool_t *pool, zc_check_report_t *report)
{
	memset(report, 0, sizeof(*report));
	report->sz = sizeof(*report);
	CHECK_OK(zc_pool_check(pool, report));
	if (report->errors)
		T_FAIL("pool check: %llu errors, first: %s",
		       (unsigned long long)report->errors,
		       report->first_error);
	CHECK_EQ(report->lost, 0);
}

void t_pool_check(zc_pool_t *pool)
{
	zc_check_report_t report;

	t_check(pool, &report);
	if (!report.in_motion)
		CHECK_EQ(report.free + report.claimed + report.committed +
				 report.cleaning,
			 report.granules);
}

uint64_t t_pool_check_left(zc_pool_t *pool)
{
	zc_check_report_t report;

	t_check(pool, &report);
	CHECK(!report.in_motion);
	CHECK_EQ(report.members, 1);
	CHECK_EQ(report.dead_members, 0);
	CHECK_EQ(report.claimed, 0);
	CHECK_EQ(report.free + report.committed + report.cleaning,
		 report.granules);
	CHECK_OP(report.largest_free, <=, report.free);
	return report.cleaning;
}

void t_pool_check_rest(zc_pool_t *pool)
{
	CHECK_EQ(t_pool_check_left(pool), 0);
}

void t_pool_acquire_all(zc_pool_t *pool, const char *service)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct t_writer writer;
	zc_handle_t handle;

	CHECK_OK(zc_pool_get_info(pool, &info));
	t_writer_open(&writer, pool, service, NULL);
	for (uint32_t i = 0; i < info.segments; i++)
		CHECK_OK(zc_writer_acquire_block(writer.role,
						 info.segment_bytes, &handle,
						 t_wait_ns()));
	CHECK_RESULT(zc_writer_acquire_block(writer.role, 1, &handle, 0),
		     ZC_ERROR_NO_MEMORY);
	t_writer_close(&writer);
}

void t_pool_register_all(zc_pool_t *pool)
{
	struct t_writer writer[32];
	char name[32];

	for (unsigned int i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "new/name/%u", i);
		t_writer_open(&writer[i], pool, name, NULL);
	}
	for (unsigned int i = 0; i < 32; i++)
		t_writer_close(&writer[i]);
}

void t_pool_end(void)
{
	for (unsigned int i = 0; i < T_POOLS; i++) {
		zc_pool_t *pool = NULL;
		zc_result_t result;

		if (t_open[i])
			t_pool_close(t_open[i]);
		result = zc_pool_open(t_name(i), &pool);
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		CHECK_RESULT(result, ZC_OK);
		/* Orphans are finished by whoever needs their memory. */
		if (t_pool_check_left(pool))
			t_pool_acquire_all(pool, "end/of/case");
		t_pool_check_rest(pool);
		zc_pool_close(pool);
		CHECK_OK(zc_pool_remove(t_name(i)));
	}
}

uint64_t t_tag(const char *service)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (; *service; service++)
		hash = (hash ^ (unsigned char)*service) * 0x100000001b3ULL;
	return hash;
}

static inline uint64_t t_mix(uint64_t x)
{
	x = (x ^ (x >> 31)) * 0xd6e8feb86659fd93ULL;
	return x ^ (x >> 32);
}

void t_fill(void *data, size_t bytes, uint64_t tag, uint64_t sequence)
{
	uint64_t base = t_mix(tag + sequence * 0x9e3779b97f4a7c15ULL);
	unsigned char *to = data;
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		word = t_mix(base + i);
		memcpy(to + i, &word, 8);
	}
	word = t_mix(base + i);
	memcpy(to + i, &word, bytes - i);
}

bool t_matches(const void *data, size_t bytes, uint64_t tag, uint64_t sequence)
{
	uint64_t base = t_mix(tag + sequence * 0x9e3779b97f4a7c15ULL);
	const unsigned char *from = data;
	uint64_t word, wrong = 0;
	size_t i;

	for (i = 0; i + 8 <= bytes; i += 8) {
		memcpy(&word, from + i, 8);
		wrong |= word ^ t_mix(base + i);
	}
	word = t_mix(base + i);
	return !wrong && !memcmp(from + i, &word, bytes - i);
}

void t_writer_open(struct t_writer *writer, zc_pool_t *pool,
		   const char *service, const zc_writer_options_t *options)
{
	zc_writer_options_t mine = ZC_WRITER_OPTIONS_INIT;
	zc_writer_stats_t stats = { .sz = sizeof(stats) };
	zc_result_t result;

	if (options)
		mine = *options;
	mine.service = service;
	memset(writer, 0, sizeof(*writer));
	T_UNTIL((result = zc_writer_register(pool, &mine, &writer->role)) !=
		ZC_ERROR_BUSY);
	CHECK_RESULT(result, ZC_OK);
	writer->tag = t_tag(service);
	CHECK_OK(zc_writer_get_stats(writer->role, &stats));
	CHECK_OP(stats.next_sequence, >=, 1);
	writer->next = stats.next_sequence;
}

void t_writer_close(struct t_writer *writer)
{
	zc_writer_unregister(writer->role);
	writer->role = NULL;
}

void t_commit(struct t_writer *writer, zc_handle_t handle)
{
	size_t bytes = 0;
	void *data = zc_writer_block_data(writer->role, handle, &bytes);

	CHECK(data && bytes);
	t_fill(data, bytes, writer->tag, writer->next);
	CHECK_OK(zc_writer_commit_block(writer->role, handle));
	writer->next++;
}

zc_result_t t_try_write(struct t_writer *writer, size_t bytes,
			uint64_t timeout_ns)
{
	zc_handle_t handle = 0;
	zc_result_t result;

	result = zc_writer_acquire_block(writer->role, bytes, &handle,
					 timeout_ns);
	if (result == ZC_OK)
		t_commit(writer, handle);
	else
		CHECK_EQ(handle, 0);
	return result;
}

void t_write(struct t_writer *writer, size_t bytes)
{
	CHECK_OK(t_try_write(writer, bytes, t_wait_ns()));
}

void t_write_many(struct t_writer *writer, uint64_t messages, size_t bytes)
{
	while (messages--)
		t_write(writer, bytes);
}

void t_reader_open(struct t_reader *reader, zc_pool_t *pool,
		   const char *service, const zc_reader_options_t *options)
{
	zc_reader_options_t mine = ZC_READER_OPTIONS_INIT;

	if (options)
		mine = *options;
	else
		mine.max_holds = 8;
	mine.service = service;
	memset(reader, 0, sizeof(*reader));
	CHECK_OK(zc_reader_register(pool, &mine, &reader->role));
	reader->tag = t_tag(service);
}

void t_reader_close(struct t_reader *reader)
{
	zc_reader_unregister(reader->role);
	reader->role = NULL;
}

/* The content must be that of its sequence. */
static uint64_t t_look(struct t_reader *reader, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info) };
	size_t bytes = 0;
	const void *data = zc_reader_block_data(reader->role, handle, &bytes);

	CHECK(data && bytes);
	CHECK_OK(zc_reader_block_info(reader->role, handle, &info));
	CHECK_EQ(info.bytes, bytes);
	if (!t_matches(data, bytes, reader->tag, info.sequence))
		T_FAIL("message %llu of %zu bytes at granule %llu: content is wrong",
		       (unsigned long long)info.sequence, bytes,
		       (unsigned long long)info.granule);
	return info.sequence;
}

uint64_t t_sequence(struct t_reader *reader, zc_handle_t handle)
{
	zc_block_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_reader_block_info(reader->role, handle, &info));
	return info.sequence;
}

zc_result_t t_try_read(struct t_reader *reader, zc_handle_t *handle,
		       uint64_t timeout_ns)
{
	zc_handle_t got = 0;
	zc_result_t result;
	uint64_t sequence;

	result = zc_reader_poll_block(reader->role, 0, &got, timeout_ns);
	if (result != ZC_OK) {
		CHECK_EQ(got, 0);
		return result;
	}
	CHECK(got);
	sequence = t_look(reader, got);
	if (reader->next) {
		CHECK_OP(sequence, >=, reader->next);
		reader->lost += sequence - reader->next;
	}
	reader->next = sequence + 1;
	reader->received++;
	*handle = got;
	return ZC_OK;
}

zc_handle_t t_read(struct t_reader *reader)
{
	uint64_t expected = reader->next;
	zc_handle_t handle = 0;

	CHECK_OK(t_try_read(reader, &handle, t_wait_ns()));
	if (expected)
		CHECK_EQ(reader->next, expected + 1);
	return handle;
}

void t_release(struct t_reader *reader, zc_handle_t handle)
{
	t_look(reader, handle);
	CHECK_OK(zc_reader_release_block(reader->role, handle));
}

void t_read_many(struct t_reader *reader, uint64_t messages)
{
	while (messages--)
		t_release(reader, t_read(reader));
}
