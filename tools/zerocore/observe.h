/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * observe.h - look at a pool, whoever's it is.
 */
#ifndef ZEROCORE_OBSERVE_H
#define ZEROCORE_OBSERVE_H

#include "cli.h"

struct observe {
	int (*look)(zc_pool_t *pool, const char *name, void *ctx);
	/* Before anything is said of a pool that was lost in the middle of the look. */
	void (*lost)(void);
	/* It cannot be opened, or was lost: @why.  NULL: that is said on stderr. */
	int (*failed)(zc_result_t result, const char *name, const char *why, void *ctx);
	void *ctx;
};

/*
 * Opens a pool, has a look at it, closes it: nothing of it is changed, nothing taken back,
 * and where the backend can do without, this process is no member.  Returns the exit code
 * that @how->look or @how->failed came to.
 */
int observe(const char *name, const struct observe *how);

#endif /* ZEROCORE_OBSERVE_H */
