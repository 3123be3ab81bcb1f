/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * log.h - what the library has to say.  Silent by default.
 */
#ifndef ZEROCORE_LOG_H
#define ZEROCORE_LOG_H

#include <zerocore/base.h>

ZC_BEGIN_DECLS

typedef enum zc_log_level {
	ZC_LOG_ERROR = 1,
	ZC_LOG_WARN = 2,
	ZC_LOG_INFO = 3,
	ZC_LOG_DEBUG = 4
} zc_log_level_t;

/**
 * typedef zc_log_fn - gets one line
 * @level: how bad
 * @message: no newline at its end; valid during the call only
 * @ctx: as given to zc_set_log()
 *
 * Called from the library's own threads, and from the program's in any call that has
 * something to say: at ZC_LOG_DEBUG each refusal, with its sentence, so that acquire, commit,
 * poll and release call it, too, when they fail; at ZC_LOG_WARN a message that poll, release
 * or commit finds corrupt. What does well per message is silent. A lock of the library may
 * be held: it must not call the library, nor wait for a thread that does.
 */
typedef void (*zc_log_fn)(zc_log_level_t level, const char *message, void *ctx);

/**
 * zc_set_log() - send the library's log lines to a function
 * @fn: NULL: back to the default, which is silence, or what the environment
 *	variable ZEROCORE_LOG (error, warn, info, debug) asks for on stderr
 * @level: lines up to this level
 * @ctx: handed to @fn
 *
 * Without memory for it the default is back. The function that was set before may still be
 * running in another thread. Threads: any.
 */
ZC_API void zc_set_log(zc_log_fn fn, zc_log_level_t level, void *ctx);

ZC_END_DECLS

#endif /* ZEROCORE_LOG_H */
