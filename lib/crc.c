// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * crc.c - CRC32C of a block: by the processor's instruction where there is little, by
 * ISA-L where there is much.
 *
 * ISA-L needs 6 ns until it has begun, the instruction 2 for 64 bytes.  Record and
 * payload have a checksum each, which do not wait for each other.
 */
#include "crc.h"

static inline void zc_crc_done(void)
{
#ifdef __x86_64__
	if (zc_likely(__builtin_cpu_supports("avx")))
		zc_crc_clean();
#endif
}

static u32 zc_crc_go(u32 crc, const char *data, u64 bytes)
{
	while (bytes > ZC_CRC_CHUNK) {
		crc = crc32_iscsi((unsigned char *)data, (int)ZC_CRC_CHUNK, crc);
		data += ZC_CRC_CHUNK;
		bytes -= ZC_CRC_CHUNK;
	}
	if (bytes)
		crc = crc32_iscsi((unsigned char *)data, (int)bytes, crc);
	zc_crc_done();
	return crc;
}

static u32 zc_crc_words_any(u32 crc, const u64 *words, u32 nr)
{
	return zc_crc_go(crc, (const char *)words, nr * sizeof(*words));
}

u32 zc_crc_record_any(u32 still, u64 word, u64 sequence, u64 time, u64 bytes)
{
	const u64 moving[ZC_CRC_MOVING] = { word, sequence, time, bytes };

	return ~zc_crc_words_any(still, moving, ZC_CRC_MOVING);
}

#ifdef __x86_64__
#define ZC_CRC_FAST __attribute__((target("sse4.2")))

static inline ZC_CRC_FAST u32 zc_crc_small(const char *data, u64 bytes)
{
	u64 crc = ~0U, left;

	for (left = bytes / 8; left; left--, data += sizeof(u64)) {
		u64 word;

		__builtin_memcpy(&word, data, sizeof(word));
		crc = __builtin_ia32_crc32di(crc, word);
	}
	if (bytes & 4) {
		u32 word;

		__builtin_memcpy(&word, data, sizeof(word));
		crc = __builtin_ia32_crc32si((u32)crc, word);
		data += sizeof(word);
	}
	for (left = bytes & 3; left; left--)
		crc = __builtin_ia32_crc32qi((u32)crc, (unsigned char)*data++);
	return (u32)crc;
}

ZC_CRC_FAST u32 zc_crc_odd(const void *data, u64 bytes)
{
	if (bytes <= ZC_CRC_SMALL)
		return ~zc_crc_small(data, bytes);
	return ~zc_crc_go(~0U, data, bytes);
}
#endif

u32 zc_crc(const void *data, u64 bytes)
{
#ifdef __x86_64__
	if (zc_crc_has_fast())
		return zc_crc_fast(data, bytes);
#endif
	return ~zc_crc_go(~0U, data, bytes);
}

u32 zc_crc_still(const u64 still[ZC_CRC_STILL])
{
	return zc_crc_words_any(~0U, still, ZC_CRC_STILL);
}

u32 zc_crc_more(u32 crc, const void *data, u64 bytes)
{
	return ~zc_crc_go(~crc, data, bytes);
}
