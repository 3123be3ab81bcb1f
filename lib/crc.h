/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * crc.h - CRC32C of a block: of its record, and of payload and tags.
 */
#ifndef ZC_LIB_CRC_H
#define ZC_LIB_CRC_H

#include <isa-l/crc.h>

#include "core/atomic.h"

/* Words of a block's record: those that each commit changes, then those that stay. */
#define ZC_CRC_MOVING 4U
#define ZC_CRC_STILL 4U

/* ISA-L counts in int. */
#define ZC_CRC_CHUNK (1U << 30)
/* Up to here the instruction is faster. */
#define ZC_CRC_SMALL 128U

/* Of that many bytes, as others compute it. */
u32 zc_crc(const void *data, u64 bytes);

/* Of what comes behind that of which it is @crc; 0: of nothing. */
u32 zc_crc_more(u32 crc, const void *data, u64 bytes);

/* Of a record, its second half first: that is the same for message after message. */
u32 zc_crc_still(const u64 still[ZC_CRC_STILL]);
u32 zc_crc_record_any(u32 still, u64 word, u64 sequence, u64 time, u64 bytes);

#ifdef __x86_64__
/* The compiler's own words, set before main(). */
#define zc_crc_has_fast() \
	zc_likely(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("avx"))

/*
 * ISA-L 2.30 leaves the upper halves of vector registers in use, after which each old
 * (SSE) instruction is slow until somebody says that they are not: 180 ns a call.
 */
static inline void zc_crc_clean(void)
{
	__asm__ __volatile__("vzeroupper" ::: "memory", "xmm0", "xmm1", "xmm2", "xmm3",
			     "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
			     "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* What the library's length does not say, or the instruction does faster. */
u32 zc_crc_odd(const void *data, u64 bytes);

/* Where zc_crc_has_fast(): the same as zc_crc(), and nobody asks any more. */
static inline u32 zc_crc_fast(const void *data, u64 bytes)
{
	u32 crc;

	if (zc_unlikely(bytes - ZC_CRC_SMALL - 1 >= ZC_CRC_CHUNK - ZC_CRC_SMALL))
		return zc_crc_odd(data, bytes);
	crc = crc32_iscsi((unsigned char *)data, (int)bytes, ~0U);
	zc_crc_clean();
	return ~crc;
}

/* One instruction, in functions for any processor: a call costs more than all four. */
static inline u64 zc_crc_word(u64 crc, u64 word)
{
	__asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
	return crc;
}
#else
/* One way for all. */
#define zc_crc_has_fast() true
#define zc_crc_fast zc_crc
#endif

/* Where zc_crc_has_fast(). */
static inline u32 zc_crc_record_fast(u32 still, u64 word, u64 sequence, u64 time, u64 bytes)
{
#ifdef __x86_64__
	u64 crc = zc_crc_word(zc_crc_word(still, word), sequence);

	return ~(u32)zc_crc_word(zc_crc_word(crc, time), bytes);
#else
	return zc_crc_record_any(still, word, sequence, time, bytes);
#endif
}

static inline u32 zc_crc_record(u32 still, u64 word, u64 sequence, u64 time, u64 bytes)
{
	return zc_crc_has_fast() ? zc_crc_record_fast(still, word, sequence, time, bytes) :
				   zc_crc_record_any(still, word, sequence, time, bytes);
}

#endif /* ZC_LIB_CRC_H */
