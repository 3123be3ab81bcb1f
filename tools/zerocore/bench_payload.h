/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_payload.h - write and verify one message, its ends or all of it.
 *
 * Every side of every benchmark uses these two, so that they differ only in
 * how the message gets across.
 */
#ifndef ZEROCORE_TOOL_BENCH_PAYLOAD_H
#define ZEROCORE_TOOL_BENCH_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t bench_line_t __attribute__((vector_size(64), may_alias));
typedef uint64_t bench_word_t __attribute__((may_alias));

/* @data is aligned to 64 bytes. */
static inline void bench_fill(void *data, size_t bytes, uint64_t number,
			      bool whole)
{
	unsigned char *p = data;

	if (bytes < 8) {
		p[0] = p[bytes - 1] = (unsigned char)number;
		return;
	}
	if (whole) {
		bench_line_t pattern = { number, number, number, number,
					 number, number, number, number };
		size_t off = 0;

		for (; off + 64 <= bytes; off += 64)
			*(bench_line_t *)(p + off) = pattern;
		for (; off + 8 <= bytes; off += 8)
			*(bench_word_t *)(p + off) = number;
	} else {
		*(bench_word_t *)p = number;
	}
	memcpy(p + bytes - 8, &number, 8);
}

/* True when the message is exactly what bench_fill() wrote for @number. */
static inline bool bench_check(const void *data, size_t bytes, uint64_t number,
			       bool whole)
{
	const unsigned char *p = data;
	uint64_t last, first, differ = 0;

	if (bytes < 8)
		return p[0] == (unsigned char)number &&
		       p[bytes - 1] == (unsigned char)number;
	memcpy(&first, p, 8);
	memcpy(&last, p + bytes - 8, 8);
	/* The last word overlaps the one before where @bytes is odd. */
	if (whole && bytes >= 16) {
		bench_line_t pattern = { number, number, number, number,
					 number, number, number, number };
		bench_line_t diff = { 0 };
		size_t off = 0, end = bytes - 8;

		for (; off + 64 <= end; off += 64)
			diff |= *(const bench_line_t *)(p + off) ^ pattern;
		for (; off + 8 <= end; off += 8)
			differ |= *(const bench_word_t *)(p + off) ^ number;
		for (int i = 0; i < 8; i++)
			differ |= diff[i];
	}
	if (bytes < 16)
		return last == number;
	return (differ | (first ^ number) | (last ^ number)) == 0;
}

/* The number that a message carries: for readers that may miss some. */
static inline uint64_t bench_number(const void *data, size_t bytes)
{
	uint64_t last;

	if (bytes < 8)
		return *(const unsigned char *)data;
	memcpy(&last, (const unsigned char *)data + bytes - 8, 8);
	return last;
}

#endif /* ZEROCORE_TOOL_BENCH_PAYLOAD_H */
