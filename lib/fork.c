// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * fork.c - to know that one is a forked child, also of a raw clone().
 *
 * The page has two words: [0] is 1 in the process that made it and wiped to 0 in
 * a child; [1] elects the one thread of a child that starts over.  A child gets
 * a new page, so that roles and pools that were inherited, which keep the old
 * pointer, go on seeing 0.
 */
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static const u32 zc_nobody_attached[2];
const u32 *zc_not_forked = zc_nobody_attached;

static zc_result_t zc_fork_page(u32 **out)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	u32 *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return zc_fail_errno("cannot map a page");
	if (madvise(page, bytes, MADV_WIPEONFORK)) {
		munmap(page, bytes);
		return zc_fail(ZC_ERROR_NOT_SUPPORTED,
			       "this kernel has no MADV_WIPEONFORK (Linux 4.14 has): "
			       "forked children could not be told apart");
	}
	page[0] = 1;
	*out = page;
	return ZC_OK;
}

zc_result_t zc_fork_guard(void)
{
	const u32 *now = zc_load_acquire(&zc_not_forked);
	zc_result_t result;
	u32 *page = NULL;

	if (zc_load_acquire(&now[0]))
		return ZC_OK;

	if (now != zc_nobody_attached) {
		u32 *word = (u32 *)&now[1];

		/* A forked child: one thread starts over, the others wait. */
		if (__atomic_exchange_n(word, 1, __ATOMIC_SEQ_CST)) {
			while (zc_load_acquire(&zc_not_forked) == now &&
			       zc_load_acquire(word))
				sched_yield();
			return zc_fork_guard();
		}
		result = zc_fork_page(&page);
		if (result != ZC_OK) {
			zc_store_release(word, 0);
			return result;
		}
		zc_pools_after_fork();
		zc_store_release(&zc_not_forked, page);
		return ZC_OK;
	}

	result = zc_fork_page(&page);
	if (result != ZC_OK)
		return result;
	if (!__atomic_compare_exchange_n(&zc_not_forked, &now, page, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		munmap(page, (size_t)sysconf(_SC_PAGESIZE));
	return ZC_OK;
}
