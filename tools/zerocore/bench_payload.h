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

/* What every x86-64 and arm64 has in one register.  Others decide where a message
 * lies: no alignment is taken for granted, which costs nothing where it is there. */
typedef uint64_t bench_pair_t
	__attribute__((vector_size(16), may_alias, aligned(1)));
typedef uint64_t bench_word_t __attribute__((may_alias, aligned(1)));

static inline void bench_fill(void *data, size_t bytes, uint64_t number,
			      bool whole)
{
	unsigned char *p = data;

	if (bytes < 8) {
		p[0] = p[bytes - 1] = (unsigned char)number;
		return;
	}
	if (whole) {
		bench_pair_t pattern = { number, number };
		size_t off = 0;

		for (; off + 64 <= bytes; off += 64) {
			bench_pair_t *line = (bench_pair_t *)(p + off);

			line[0] = pattern;
			line[1] = pattern;
			line[2] = pattern;
			line[3] = pattern;
		}
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
		bench_pair_t pattern = { number, number };
		bench_pair_t a = { 0, 0 }, b = a, c = a, d = a;
		size_t off = 0, end = bytes - 8;

		for (; off + 64 <= end; off += 64) {
			const bench_pair_t *line =
				(const bench_pair_t *)(p + off);

			a |= line[0] ^ pattern;
			b |= line[1] ^ pattern;
			c |= line[2] ^ pattern;
			d |= line[3] ^ pattern;
		}
		for (; off + 8 <= end; off += 8)
			differ |= *(const bench_word_t *)(p + off) ^ number;
		a |= b | c | d;
		differ |= a[0] | a[1];
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
