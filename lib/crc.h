/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * crc.h - CRC32C of a block: of its record, and of payload and tags.
 */
#ifndef ZC_LIB_CRC_H
#define ZC_LIB_CRC_H

#include "core/atomic.h"

/* Words of a block's record: those that each commit changes, then those that stay. */
#define ZC_CRC_MOVING 4U
#define ZC_CRC_STILL 4U

/* Of that many bytes, as others compute it. */
u32 zc_crc(const void *data, u64 bytes);

/* Of what comes behind that of which it is @crc; 0: of nothing. */
u32 zc_crc_more(u32 crc, const void *data, u64 bytes);

/* Of a record, its second half first: that is the same for message after message. */
u32 zc_crc_still(const u64 still[ZC_CRC_STILL]);
u32 zc_crc_record_any(u32 still, u64 word, u64 sequence, u64 time, u64 bytes);

#ifdef __x86_64__
/* The compiler's own word, set before main(). */
#define zc_crc_has_fast() zc_likely(__builtin_cpu_supports("sse4.2"))

/* One instruction, in functions for any processor: a call costs more than all four. */
static inline u64 zc_crc_word(u64 crc, u64 word)
{
	__asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
	return crc;
}
#endif

static inline u32 zc_crc_record(u32 still, u64 word, u64 sequence, u64 time, u64 bytes)
{
#ifdef __x86_64__
	if (zc_crc_has_fast()) {
		u64 crc = zc_crc_word(zc_crc_word(still, word), sequence);

		return ~(u32)zc_crc_word(zc_crc_word(crc, time), bytes);
	}
#endif
	return zc_crc_record_any(still, word, sequence, time, bytes);
}

/* The same, exclusive-or that of @bytes at @data. */
static inline u32 zc_crc_whole(u32 still, u64 word, u64 sequence, u64 time, u64 bytes,
			       const char *data)
{
	return zc_crc_record(still, word, sequence, time, bytes) ^ zc_crc(data, bytes);
}

#endif /* ZC_LIB_CRC_H */
