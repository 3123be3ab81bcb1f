/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * zora.h - what the rest of the library has to do with bound roles and their keys.
 */
#ifndef ZC_LIB_ZORA_H
#define ZC_LIB_ZORA_H

#include "core/view.h"

/* A role goes: its id, if it has one, is nobody's from here on. */
void zora_forget(u64 *bound, const u32 *alive);
/* The peers took this process for dead: its id opens nothing any more. */
void zora_evict(u64 *bound);
/* In a child that starts over, before it binds anything. */
void zora_after_fork(void);
/* Tells all roles of the pool to take another key. */
void zora_ring_keys(const struct zc_view *v);

#endif /* ZC_LIB_ZORA_H */
