/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear_log.c - a process writes down what it calls, and when.
 *
 * The order of times must be that of memory, or a sound run looks broken:
 *
 *  - The time of a call is stored, then comes a full fence: what the call loads, it
 *    loads after the clock was read.
 *  - A full fence, then the time of the return: what the call stored, all can see by then.
 *    The fence may hide what the library forgets; so half of the calls do without, and
 *    count as returned when the process's next call has, whose own fences are behind it.
 *
 * (The clock is read behind a fence of loads.)  Whoever is killed in between has not
 * returned.
 */
#include <string.h>
#include <time.h>

#include "harness.h"
#include "linear.h"

static uint64_t lin_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

struct lin_op *lin_next(struct lin_log *log, enum lin_kind kind)
{
	struct lin_op *op;

	CHECK_OP(log->nr, <, log->cap);
	op = &log->op[log->nr];
	*op = (struct lin_op){ .kind = (uint8_t)kind, .loose = t_rand_below(2) };
	return op;
}

void lin_call(struct lin_log *log)
{
	log->op[log->nr].call = lin_clock();
	__atomic_store_n(&log->nr, log->nr + 1, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint64_t lin_now(struct lin_op *op)
{
	if (op->loose)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return lin_clock();
}

void lin_done(struct lin_op *op, zc_result_t result, uint64_t ret)
{
	op->result = (int16_t)result;
	__atomic_store_n(&op->ret, ret, __ATOMIC_RELEASE);
}

uint32_t lin_nr(const struct lin_log *log)
{
	return __atomic_load_n(&log->nr, __ATOMIC_ACQUIRE);
}

static uint64_t lin_word(uint64_t tag, size_t i)
{
	uint64_t x = (tag ^ i * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

	return x ^ x >> 29;
}

void lin_fill(void *data, size_t bytes, uint64_t tag)
{
	char *to = data;

	for (size_t i = 0; i < bytes; i += 8) {
		uint64_t word = i ? lin_word(tag, i) : tag;

		memcpy(to + i, &word, bytes - i < 8 ? bytes - i : 8);
	}
}

uint64_t lin_look(const void *data, size_t bytes)
{
	const char *from = data;
	uint64_t tag;

	if (bytes < LIN_BYTES)
		return LIN_TORN;
	memcpy(&tag, from, 8);
	for (size_t i = 8; i < bytes; i += 8) {
		uint64_t word = lin_word(tag, i);

		if (memcmp(from + i, &word, bytes - i < 8 ? bytes - i : 8))
			return LIN_TORN;
	}
	return tag;
}
