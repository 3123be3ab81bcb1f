/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * base.h - results, handles, time: what every other header needs.
 */
#ifndef ZEROCORE_BASE_H
#define ZEROCORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define ZC_BEGIN_DECLS extern "C" {
#define ZC_END_DECLS }
#else
#define ZC_BEGIN_DECLS
#define ZC_END_DECLS
#endif

#if defined(__GNUC__)
#define ZC_API __attribute__((visibility("default")))
#define ZC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define ZC_API
#define ZC_PRINTF(fmt, args)
#endif

#define ZC_VERSION_MAJOR 0
#define ZC_VERSION_MINOR 1
#define ZC_VERSION_PATCH 0

/**
 * enum zc_result - what a call came to
 *
 * Every call that can fail returns one of these; on failure its outputs are
 * untouched, and zc_last_error() has a sentence that says what to do (but for a
 * poll with timeout 0 that finds nothing, which is no failure to explain).
 */
typedef enum zc_result {
	ZC_OK = 0,
	ZC_ERROR_INVALID = -1,		/* an argument is wrong */
	ZC_ERROR_TIMEOUT = -2,		/* nothing came, or room did not come, in time */
	ZC_ERROR_BUSY = -3,		/* somebody else has it just now */
	ZC_ERROR_NO_MEMORY = -4,	/* machine, file system or pool is full */
	ZC_ERROR_EXISTS = -5,		/* the name is taken */
	ZC_ERROR_NOT_FOUND = -6,	/* no such pool, service or file */
	ZC_ERROR_PERMISSION = -7,	/* the operating system refuses */
	ZC_ERROR_SYSTEM = -8,		/* a system call failed: see the sentence */
	ZC_ERROR_VERSION = -9,		/* the pool has another layout */
	ZC_ERROR_CORRUPT_POOL = -10,	/* truncated, foreign or damaged */
	ZC_ERROR_CORRUPT_BLOCK = -11,	/* a message failed validation; it was skipped */
	ZC_ERROR_STALE_HANDLE = -12,	/* its block was committed, cancelled, released */
	ZC_ERROR_HOLDS = -13,		/* the reader holds all it may: release one */
	ZC_ERROR_QUOTA = -14,		/* the writer's byte quota is used up */
	ZC_ERROR_SLOTS = -15,		/* no free writer, reader or member slot */
	ZC_ERROR_SIZE = -16,		/* out of range: of a block, its type, or what is in it */
	ZC_ERROR_FORKED = -17,		/* a forked child: open the pool anew */
	ZC_ERROR_EVICTED = -18,		/* the peers took this process for dead */
	ZC_ERROR_DISCONNECTED = -19,	/* cut off: too slow, or of another type than its writer */
	ZC_ERROR_PEER_DIED = -20,	/* reserved: the other side is dead */
	ZC_ERROR_NOT_SUPPORTED = -21,	/* not on this kernel, backend or build */
	ZC_ERROR_CLOSED = -22,		/* the role ended: see zc_pool_close() */
	ZC_ERROR_FORGED_HANDLE = -23,	/* nobody in this process ever got it */
	ZC_ERROR_FOREIGN_HANDLE = -24,	/* another role's of this process */
	ZC_ERROR_REPLAYED_HANDLE = -25,	/* ended, and its key was changed since */
	ZC_ERROR_THREAD = -26,		/* bound to another thread: see zora.h */
	ZC_ERROR_TYPE = -27		/* writer and reader mean different types */
} zc_result_t;

/**
 * typedef zc_handle_t - names one block to the role that holds it
 *
 * A handle is opaque, belongs to the role that got it, and ends at that role's
 * commit, cancel or release.  0 is never a handle.  Upper 4 bits: epoch of the role's
 * key; the rest: where it leads to, under that key.  (Reference 1.4, 2.1.)
 */
typedef uint64_t zc_handle_t;

/*
 * Timeouts are in nanoseconds.  0: one try.  UINT64_MAX: for ever.  Signals end no wait:
 * their handlers run, and it goes on.  Who is to be stopped waits with a timeout, and looks
 * at what the handler left each time, or waits in poll(2): see zc_reader_get_fd().
 */
#define ZC_TIMEOUT_TRY 0ULL
#define ZC_TIMEOUT_FOREVER UINT64_MAX

/**
 * zc_strerror() - a short name for a result
 * @result: what a call returned
 * Threads: any. Return: a static string, never NULL.
 */
ZC_API const char *zc_strerror(zc_result_t result);

/**
 * zc_last_error() - what went wrong in this thread's last failing call
 *
 * A call that succeeds leaves it alone, and so does a poll with timeout 0 that finds
 * nothing: look at it after a call that came to something else than these.
 * Threads: each has its own. Return: a sentence that says what to do; valid
 * until this thread's next failing call; "" if nothing failed yet.
 */
ZC_API const char *zc_last_error(void);

/**
 * zc_timestamp() - monotonic time in nanoseconds
 *
 * CLOCK_MONOTONIC: the same in all processes of the machine. (Reference 1.4.)
 * Threads: any.
 */
ZC_API uint64_t zc_timestamp(void);

/**
 * zc_version() - version of the library that runs
 * Return: "major.minor.patch", static.
 */
ZC_API const char *zc_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ZEROCORE_BASE_H */
