/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * word.h - the word of a descriptor: generation | length - 1 | owner | state.
 */
#ifndef ZC_CORE_WORD_H
#define ZC_CORE_WORD_H

#include "atomic.h"
#include <linux/zerocore_layout.h>

static inline u32 zc_word_state(u64 word)
{
	return word & ((1u << ZC_WORD_STATE_BITS) - 1);
}

static inline u32 zc_word_owner(u64 word)
{
	return word >> ZC_WORD_OWNER_SHIFT & ((1u << ZC_WORD_OWNER_BITS) - 1);
}

static inline u32 zc_word_length(u64 word)
{
	return (u32)(word >> ZC_WORD_LENGTH_SHIFT &
		     ((1u << ZC_WORD_LENGTH_BITS) - 1)) + 1;
}

static inline u32 zc_word_generation(u64 word)
{
	return word >> ZC_WORD_GENERATION_SHIFT;
}

static inline u64 zc_word(u32 generation, u32 length, u32 owner, u32 state)
{
	return (u64)generation << ZC_WORD_GENERATION_SHIFT |
	       (u64)(length - 1) << ZC_WORD_LENGTH_SHIFT |
	       (u64)owner << ZC_WORD_OWNER_SHIFT | state;
}

/* The same run and generation: commit, and USING to CLEAN. */
static inline u64 zc_word_same(u64 word, u32 owner, u32 state)
{
	return (word & ~((1ULL << ZC_WORD_LENGTH_SHIFT) - 1)) |
	       (u64)owner << ZC_WORD_OWNER_SHIFT | state;
}

/* The same run under another owner and state, one generation on. */
static inline u64 zc_word_next(u64 word, u32 owner, u32 state)
{
	return zc_word_same(word, owner, state) +
	       (1ULL << ZC_WORD_GENERATION_SHIFT);
}

#endif /* ZC_CORE_WORD_H */
