/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * file_message.c - header and name in front of a file's bytes.
 */
#include "file_message.h"

#include <assert.h>
#include <string.h>

static_assert(sizeof(struct file_message) == FILE_MESSAGE_ALIGN,
	      "the name starts at byte 64");

size_t file_message_data_off(size_t name_bytes)
{
	size_t used = sizeof(struct file_message) + name_bytes + 1;

	return (used + FILE_MESSAGE_ALIGN - 1) & ~(size_t)(FILE_MESSAGE_ALIGN - 1);
}

void file_message_write(void *payload, const struct file_message *header,
			const char *name)
{
	unsigned char *at = payload;

	memset(at, 0, header->data_off);
	memcpy(at, header, sizeof(*header));
	if (header->name_bytes)
		memcpy(at + sizeof(*header), name, header->name_bytes);
}

enum file_message_kind file_message_read(const void *payload, size_t bytes,
					 struct file_message *header,
					 char *name)
{
	const unsigned char *at = payload;

	if (bytes < sizeof(*header))
		return FILE_MESSAGE_IS_RAW;
	memcpy(header, at, sizeof(*header));
	if (header->magic != FILE_MESSAGE_MAGIC)
		return FILE_MESSAGE_IS_RAW;
	if (header->reserved || header->data_off % FILE_MESSAGE_ALIGN ||
	    header->data_off > bytes ||
	    header->data_bytes != bytes - header->data_off)
		return FILE_MESSAGE_IS_BROKEN;
	if (header->type == FILE_MESSAGE_END && !header->name_bytes &&
	    header->data_off == sizeof(*header) && !header->data_bytes)
		return FILE_MESSAGE_IS_END;
	if (header->type != FILE_MESSAGE_FILE || !header->name_bytes ||
	    header->name_bytes > FILE_MESSAGE_NAME_MAX ||
	    header->data_off != file_message_data_off(header->name_bytes))
		return FILE_MESSAGE_IS_BROKEN;
	memcpy(name, at + sizeof(*header), header->name_bytes);
	name[header->name_bytes] = '\0';
	/* A NUL inside would show another name than the one that was sent. */
	if (strlen(name) != header->name_bytes)
		return FILE_MESSAGE_IS_BROKEN;
	return FILE_MESSAGE_IS_FILE;
}
