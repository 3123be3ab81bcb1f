// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
#include "atomic.h"
#include "killpoint.h"

#ifdef ZC_KILLPOINTS
static void (*zc_killpoint_fn)(enum zc_killpoint point, void *ctx);
static void *zc_killpoint_ctx;

void zc_killpoint_set(void (*fn)(enum zc_killpoint point, void *ctx), void *ctx)
{
	zc_store_relaxed(&zc_killpoint_ctx, ctx);
	zc_store_release(&zc_killpoint_fn, fn);
}

void zc_killpoint_hit(enum zc_killpoint point)
{
	void (*fn)(enum zc_killpoint, void *) =
		zc_load_acquire(&zc_killpoint_fn);

	if (fn)
		fn(point, zc_load_relaxed(&zc_killpoint_ctx));
}

const char *zc_killpoint_name(enum zc_killpoint point)
{
	static const char *const names[] = {
#define ZC_KILLPOINT_NAME(name) #name,
		ZC_KILLPOINT_LIST(ZC_KILLPOINT_NAME)
#undef ZC_KILLPOINT_NAME
	};

	return point < ZC_KP_COUNT ? names[point] : "unknown";
}
#else
/* ISO C forbids an empty translation unit. */
typedef int zc_killpoint_unused;
#endif
