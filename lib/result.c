// SPDX-License-Identifier: MIT OR LGPL-2.1
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static _Thread_local char zc_sentence[ZC_SENTENCE_BYTES];

const char *zc_strerror(zc_result_t result)
{
	switch (result) {
	case ZC_OK:			return "ok";
	case ZC_ERROR_INVALID:		return "invalid argument";
	case ZC_ERROR_TIMEOUT:		return "timeout";
	case ZC_ERROR_BUSY:		return "busy";
	case ZC_ERROR_NO_MEMORY:	return "no memory";
	case ZC_ERROR_EXISTS:		return "exists already";
	case ZC_ERROR_NOT_FOUND:	return "not found";
	case ZC_ERROR_PERMISSION:	return "permission denied";
	case ZC_ERROR_SYSTEM:		return "system call failed";
	case ZC_ERROR_VERSION:		return "other layout version";
	case ZC_ERROR_CORRUPT_POOL:	return "corrupt pool";
	case ZC_ERROR_CORRUPT_BLOCK:	return "corrupt block";
	case ZC_ERROR_STALE_HANDLE:	return "stale handle";
	case ZC_ERROR_FORGED_HANDLE:	return "forged handle";
	case ZC_ERROR_FOREIGN_HANDLE:	return "another role's handle";
	case ZC_ERROR_REPLAYED_HANDLE:	return "replayed handle";
	case ZC_ERROR_THREAD:		return "another thread's";
	case ZC_ERROR_TYPE:		return "another type";
	case ZC_ERROR_HOLDS:		return "too many held";
	case ZC_ERROR_QUOTA:		return "quota used up";
	case ZC_ERROR_SLOTS:		return "no free slot";
	case ZC_ERROR_SIZE:		return "out of range";
	case ZC_ERROR_FORKED:		return "forked child";
	case ZC_ERROR_EVICTED:		return "evicted";
	case ZC_ERROR_DISCONNECTED:	return "disconnected";
	case ZC_ERROR_PEER_DIED:	return "peer died";
	case ZC_ERROR_NOT_SUPPORTED:	return "not supported";
	case ZC_ERROR_CLOSED:		return "closed";
	}
	return "unknown result";
}

const char *zc_last_error(void)
{
	return zc_sentence;
}

void zc_said_keep(struct zc_said *said)
{
	memcpy(said->text, zc_sentence, strlen(zc_sentence) + 1);
}

void zc_said_again(const struct zc_said *said)
{
	memcpy(zc_sentence, said->text, strlen(said->text) + 1);
}

zc_result_t zc_said_of(const struct zc_said *said, zc_result_t result)
{
	if (result == ZC_OK)
		zc_said_again(said);
	return result;
}

#define ZC_TEXT_OF(n) #n
#define ZC_TEXT(n) ZC_TEXT_OF(n)

const char *zc_version(void)
{
	return ZC_TEXT(ZC_VERSION_MAJOR) "." ZC_TEXT(ZC_VERSION_MINOR) "." ZC_TEXT(
		ZC_VERSION_PATCH);
}

static zc_result_t zc_fail_text(zc_result_t result, const char *text)
{
	size_t bytes = strnlen(text, sizeof(zc_sentence) - 1);

	memcpy(zc_sentence, text, bytes);
	zc_sentence[bytes] = '\0';
	zc_log(ZC_LOG_DEBUG, "%s: %s", zc_strerror(result), text);
	return result;
}

zc_result_t (zc_fail)(zc_result_t result, const char *fmt, ...)
{
	/* Not into the sentence itself: it may be one of the arguments. */
	char text[ZC_SENTENCE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return zc_fail_text(result, text);
}

static zc_result_t zc_result_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
	case EROFS:
		return ZC_ERROR_PERMISSION;
	case ENOMEM:
	case ENOSPC:
	case EDQUOT:
		return ZC_ERROR_NO_MEMORY;
	case ENOENT:
		return ZC_ERROR_NOT_FOUND;
	default:
		return ZC_ERROR_SYSTEM;
	}
}

zc_result_t zc_fail_errno(const char *fmt, ...)
{
	int error = errno;
	char text[ZC_SENTENCE_BYTES];
	char whole[ZC_SENTENCE_BYTES + 128];
	char buffer[96];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "%s: %s", text,
		 strerror_r(error, buffer, sizeof(buffer)));
	return zc_fail_text(zc_result_of(error), whole);
}

bool zc_copy_out(void *dst, const void *src, size_t src_bytes)
{
	size_t sz = *(const size_t *)dst;

	/* Nobody has a struct of a megabyte: that is no size at all. */
	if (sz <= sizeof(size_t) || sz > 1 << 20)
		return false;
	if (sz > src_bytes) {
		memset((char *)dst + src_bytes, 0, sz - src_bytes);
		sz = src_bytes;
	}
	memcpy((char *)dst + sizeof(size_t), (const char *)src + sizeof(size_t),
	       sz - sizeof(size_t));
	return true;
}
