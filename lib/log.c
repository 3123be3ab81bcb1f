// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * log.c - lines to a function of the user's, to stderr, or to nobody.
 *
 * No lock: a forked child may log whatever its parent's other threads were
 * doing.  A sink is immutable once it is current.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

struct zc_log_sink {
	zc_log_fn fn;
	void *ctx;
	zc_log_level_t level;
	/* Replaced sinks stay: another thread may be calling one just now. */
	struct zc_log_sink *replaced;
};

static struct zc_log_sink *zc_log_current;	/* NULL: the default */
static int zc_log_environment = -1;		/* level, -1: not looked at yet */

static void zc_log_stderr(zc_log_level_t level, const char *text)
{
	static const char *const names[] = { "", "error", "warn", "info",
					     "debug" };
	char line[768];
	int n = snprintf(line, sizeof(line), "zerocore: %s: %s\n", names[level],
			 text);

	if (n >= (int)sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* One write, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

static int zc_log_from_environment(void)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	int level = zc_load_relaxed(&zc_log_environment);
	const char *wish;
	char text[96];
	int i;

	if (level >= 0)
		return level;
	level = 0;
	wish = secure_getenv("ZEROCORE_LOG");
	for (i = 0; wish && i < 4; i++)
		if (!strcmp(wish, names[i]))
			level = i + 1;
	zc_store_relaxed(&zc_log_environment, level);
	if (wish && *wish && !level) {
		snprintf(text, sizeof(text), "ZEROCORE_LOG is %.32s: it must be error, "
			 "warn, info or debug", wish);
		zc_log_stderr(ZC_LOG_WARN, text);
	}
	return level;
}

void zc_log(zc_log_level_t level, const char *fmt, ...)
{
	const struct zc_log_sink *sink = zc_load_acquire(&zc_log_current);
	char text[640];
	va_list args;

	if ((int)level > (sink ? (int)sink->level : zc_log_from_environment()))
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (sink)
		sink->fn(level, text, sink->ctx);
	else
		zc_log_stderr(level, text);
}

void zc_set_log(zc_log_fn fn, zc_log_level_t level, void *ctx)
{
	static struct zc_log_sink *all;
	struct zc_log_sink *sink = NULL;

	if (fn)
		sink = malloc(sizeof(*sink));
	/* Without memory the default: what the last one needs may go from here on. */
	if (sink) {
		sink->fn = fn;
		sink->ctx = ctx;
		sink->level = level;
		sink->replaced = zc_load_relaxed(&all);
		while (!__atomic_compare_exchange_n(&all, &sink->replaced, sink,
						    false, __ATOMIC_RELEASE,
						    __ATOMIC_RELAXED))
			;
	}
	zc_store_release(&zc_log_current, sink);
}
