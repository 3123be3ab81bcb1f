/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * hugetlb.h - huge pages of the kernel's pool for a while, where this is root.
 */
#ifndef ZEROCORE_BENCH_HUGETLB_H
#define ZEROCORE_BENCH_HUGETLB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reserves pages of 2 MiB for @bytes, beside those that there are.  Returns false,
 * with @why, when it may not, or there are too few in a row; nothing is kept then.
 */
bool hugetlb_reserve(uint64_t bytes, char *why, size_t why_bytes);

/* Gives back what was reserved: as many as there were before. */
void hugetlb_give_back(void);

/*
 * Mounts a hugetlbfs that only this process and its children see.  Returns false,
 * with @why, when it may not.
 */
bool hugetlb_mount(char *why, size_t why_bytes);

#endif /* ZEROCORE_BENCH_HUGETLB_H */
