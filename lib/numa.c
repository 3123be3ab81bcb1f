// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * numa.c - where the memory of a new pool, or of a new segment, is to be.
 *
 * The kernel places pages by the memory policy of the thread that makes them, so it
 * is set around the call and put back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

u32 zc_numa_here(void)
{
	unsigned int cpu, node;

	return getcpu(&cpu, &node) ? 0 : node;
}

/* All nodes that have memory; false: not known. */
static bool zc_numa_all(unsigned long mask[ZC_NUMA_WORDS])
{
	FILE *f = fopen("/sys/devices/system/node/has_memory", "re");
	unsigned int from, to;
	bool any = false;
	int n;

	memset(mask, 0, ZC_NUMA_WORDS * sizeof(*mask));
	while (f && (n = fscanf(f, "%u-%u", &from, &to)) >= 1) {
		for (to = n == 1 ? from : to; from <= to; from++)
			if (from < ZC_NUMA_NODES) {
				mask[from / ZC_NUMA_BITS] |= 1UL << from % ZC_NUMA_BITS;
				any = true;
			}
		if (fgetc(f) != ',')
			break;
	}
	if (f)
		fclose(f);
	return any;
}

zc_result_t zc_numa_begin(struct zc_numa_saved *saved, const zc_pool_options_t *o,
			  bool strict)
{
	unsigned long mask[ZC_NUMA_WORDS] = { 0 };
	int mode = MPOL_INTERLEAVE;

	saved->changed = false;
	if (o->numa == ZC_NUMA_DEFAULT)
		return ZC_OK;
	if (o->numa == ZC_NUMA_INTERLEAVE) {
		if (!zc_numa_all(mask))
			return ZC_OK;	/* one node, or none that we may see */
	} else {
		if (o->numa_node >= ZC_NUMA_NODES)
			return zc_fail(ZC_ERROR_INVALID,
				       "there is no NUMA node %u here", o->numa_node);
		mask[o->numa_node / ZC_NUMA_BITS] = 1UL << o->numa_node % ZC_NUMA_BITS;
		mode = strict ? MPOL_BIND : MPOL_PREFERRED;
	}
	if (syscall(SYS_get_mempolicy, &saved->mode, saved->mask, ZC_NUMA_NODES,
		    NULL, 0) ||
	    syscall(SYS_set_mempolicy, mode, mask, ZC_NUMA_NODES)) {
		if (errno == EINVAL && o->numa == ZC_NUMA_NODE)
			return zc_fail(ZC_ERROR_INVALID,
				       "there is no NUMA node %u with memory here, or "
				       "this process may not use it", o->numa_node);
		return zc_fail_errno("cannot place the pool's memory");
	}
	saved->changed = true;
	return ZC_OK;
}

void zc_numa_end(const struct zc_numa_saved *saved)
{
	if (saved->changed &&
	    syscall(SYS_set_mempolicy, saved->mode, saved->mask, ZC_NUMA_NODES))
		zc_log(ZC_LOG_WARN, "cannot put the thread's memory policy back: %s",
		       strerror(errno));
}
