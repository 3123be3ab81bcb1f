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

/* Of a record, its second half first: that is the same for message after message. */
u32 zc_crc_still(const u64 still[ZC_CRC_STILL]);
u32 zc_crc_record(u32 still, u64 word, u64 sequence, u64 time, u64 bytes);

/* The same, exclusive-or that of @bytes at @data. */
u32 zc_crc_whole(u32 still, u64 word, u64 sequence, u64 time, u64 bytes,
		 const char *data);

#endif /* ZC_LIB_CRC_H */
