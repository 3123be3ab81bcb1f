/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * sub.h - one run of `zerocore sub`: what was asked for and what came.
 */
#ifndef ZEROCORE_SUB_H
#define ZEROCORE_SUB_H

#include "cli.h"
#include "file_message.h"

/* What --print shows of a message, in this order. */
enum sub_field {
	SUB_SEQUENCE	= 1 << 0,
	SUB_SIZE	= 1 << 1,
	SUB_AGE		= 1 << 2,
	SUB_NAME	= 1 << 3,
	SUB_HEX		= 1 << 4,
	SUB_TEXT	= 1 << 5,
	SUB_VALUE	= 1 << 6,
};

/* 64 hexadecimal digits and a NUL. */
#define SUB_DIGEST 65

struct sub {
	/* asked for */
	const char *pool_name;
	zc_reader_options_t reader_options;
	uint64_t count;		/* 0: until the end marker */
	uint64_t timeout_ns;
	uint64_t hold;		/* messages kept before the oldest is released */
	unsigned int fields;
	bool sha256;
	bool quiet;
	const char *output;	/* folder for the files, or NULL */

	/* at work */
	zc_pool_t *pool;
	zc_reader_t *reader;
	int output_fd;
	zc_handle_t *held;	/* ring of @hold handles */
	uint64_t held_nr;
	uint64_t held_at;	/* the oldest one */

	/* came */
	bool ended;		/* the end marker */
	uint64_t end_files;	/* as it says */
	uint64_t end_bytes;
	uint64_t messages;
	uint64_t files;
	uint64_t bytes;		/* of files or raw payloads, without headers */
	uint64_t first_sequence;
	uint64_t last_sequence;
	uint64_t gaps;		/* sequences that were skipped */
	uint64_t broken;	/* payloads that are no file, but look like one */
	uint64_t copies;	/* payloads that this program copied */
	uint64_t start_ns;
	uint64_t last_ns;
};

/* One message as it lies in the pool. */
struct sub_message {
	zc_block_info_t info;
	zc_handle_t block;
	enum file_message_kind kind;
	struct file_message header;
	char name[FILE_MESSAGE_NAME_MAX + 1];	/* "-" for raw ones */
	const unsigned char *data;
	size_t bytes;
	char digest[SUB_DIGEST];		/* "" without --sha256 */
};

/* Hash @message->data where it lies.  false: said why. */
bool sub_digest(struct sub_message *message);

/* Print a message as asked for. */
void sub_print(struct sub *sub, const struct sub_message *message);

/* Write the data to a file in the --output folder.  false: said why. */
bool sub_save(struct sub *sub, const struct sub_message *message);

/* What came, at the end: JSON on stdout, or a line on stderr. */
void sub_summary(struct sub *sub);

#endif /* ZEROCORE_SUB_H */
