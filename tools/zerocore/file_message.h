/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * file_message.h - how `zerocore pub` sends a file: header, name, data.
 *
 *	0		struct file_message
 *	64		name, NUL-terminated
 *	data_off	the file's bytes; a multiple of 64
 *
 * The stream ends with a message of type FILE_MESSAGE_END, which has neither
 * name nor data.  zerocore-pub(1) documents the format for other programs.
 */
#ifndef ZEROCORE_FILE_MESSAGE_H
#define ZEROCORE_FILE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_MESSAGE_MAGIC	0x31454c4946435a00ULL	/* "\0ZCFILE1" */
#define FILE_MESSAGE_ALIGN	64U
#define FILE_MESSAGE_NAME_MAX	4095U

enum file_message_type {
	FILE_MESSAGE_FILE = 1,
	FILE_MESSAGE_END = 2,
};

/**
 * struct file_message - start of the payload, in the machine's byte order
 * @magic: FILE_MESSAGE_MAGIC
 * @type: enum file_message_type
 * @data_off: where the data starts, from the payload's start
 * @data_bytes: size of the file
 * @number: FILE: which file this is, from 1; END: how many files there were
 * @total_bytes: bytes of all files up to and including this one
 * @name_bytes: length of the name without its NUL
 * @mode: permission bits of the file
 * @mtime_ns: its modification time, nanoseconds of the Unix clock
 * @reserved: 0
 */
struct file_message {
	uint64_t magic;
	uint32_t type;
	uint32_t data_off;
	uint64_t data_bytes;
	uint64_t number;
	uint64_t total_bytes;
	uint32_t name_bytes;
	uint32_t mode;
	int64_t mtime_ns;
	uint64_t reserved;
};

/* What a payload turned out to be. */
enum file_message_kind {
	FILE_MESSAGE_IS_RAW,	/* somebody's bytes without our header */
	FILE_MESSAGE_IS_FILE,
	FILE_MESSAGE_IS_END,
	FILE_MESSAGE_IS_BROKEN	/* our magic, but the rest makes no sense */
};

/* Where the data of a file with a name of @name_bytes starts. */
size_t file_message_data_off(size_t name_bytes);

/*
 * Write header and name to the start of @payload, which has room for
 * header->data_off bytes.  @name may be NULL when header->name_bytes is 0.
 */
void file_message_write(void *payload, const struct file_message *header,
			const char *name);

/*
 * Look at a payload that another process wrote: copies header and name, then
 * checks the copies.  @name holds FILE_MESSAGE_NAME_MAX + 1 bytes.
 */
enum file_message_kind file_message_read(const void *payload, size_t bytes,
					 struct file_message *header,
					 char *name);

#endif /* ZEROCORE_FILE_MESSAGE_H */
