/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz_cli.c - what the command is given: arguments, names that others chose, messages that
 * say that they are files.
 *
 * What it prints has nothing that a terminal would obey, and what it reads lies in the
 * message.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "file_message.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

/* What comes out of a parser goes in again. */
static void arguments(const char *text)
{
	char out[CLI_TEXT];
	uint64_t value = 0;

	if (cli_parse_number(text, 1000, &value))
		FUZZ_MUST(value <= 1000);
	if (cli_parse_bytes(text, &value))
		FUZZ_MUST(strlen(cli_format_bytes(value, out)) < CLI_TEXT);
	if (cli_parse_duration(text, &value)) {
		FUZZ_MUST(value == ZC_TIMEOUT_FOREVER || value < 1ULL << 63);
		FUZZ_MUST(strlen(cli_format_age(value, out)) < CLI_TEXT);
	}
}

static void shown(const char *text, size_t bytes, size_t room)
{
	struct json_object *object = json_object_new_object(), *again;
	char *out = malloc(room), *line;
	size_t used;

	FUZZ_MUST(object && out);
	used = strlen(cli_printable(text, out, room));
	FUZZ_MUST(used < room);
	for (size_t i = 0; i < used; i++)
		FUZZ_MUST((unsigned char)out[i] >= 0x20 && out[i] != 0x7f &&
			  !((unsigned char)out[i] == 0xc2 && (unsigned char)out[i + 1] < 0xa0));
	free(out);

	cli_json_text(object, "text", text, bytes);
	line = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	FUZZ_MUST(line && !strpbrk(line, "\n\r\033"));
	again = json_tokener_parse(line);
	FUZZ_MUST(again && json_object_equal(object, again));
	json_object_put(again);
	json_object_put(object);
	free(line);
}

static void file(const void *payload, size_t bytes)
{
	char name[FILE_MESSAGE_NAME_MAX + 1];
	struct file_message header;

	if (file_message_read(payload, bytes, &header, name) != FILE_MESSAGE_IS_FILE)
		return;
	FUZZ_MUST(header.data_off <= bytes && header.data_bytes == bytes - header.data_off);
	FUZZ_MUST(strlen(name) == header.name_bytes);
	FUZZ_MUST(header.data_off == file_message_data_off(header.name_bytes));
}

/* A header that holds, but for what the input changes in it. */
static void changed_file(struct fuzz_in *in)
{
	struct file_message header = { .magic = FILE_MESSAGE_MAGIC,
				       .type = FILE_MESSAGE_FILE };
	size_t name_bytes = fuzz_u8(in), data_bytes = fuzz_u8(in), bytes, cut;
	char name[256], *payload, *message;

	fuzz_take(in, name, name_bytes);
	header.name_bytes = (uint32_t)name_bytes;
	header.data_off = (uint32_t)file_message_data_off(name_bytes);
	bytes = header.data_off + data_bytes;
	cut = fuzz_u8(in) % 4 ? 0 : fuzz_u8(in) % bytes;
	/* What is not there is not said to be: it may be less than nothing. */
	header.data_bytes = data_bytes - cut;
	payload = calloc(1, bytes);
	message = malloc(bytes - cut);
	FUZZ_MUST(payload && message);
	file_message_write(payload, &header, name);
	for (uint8_t nr = fuzz_u8(in) % 4; nr; nr--)
		payload[fuzz_u8(in) % sizeof(header)] ^= (char)fuzz_u8(in);
	memcpy(message, payload, bytes - cut);
	file(message, bytes - cut);
	free(payload);
	free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = { data, bytes };
	uint8_t how = fuzz_u8(&in);
	size_t room = 1 + fuzz_u8(&in), left = in.left;
	char *text = malloc(left + 1);

	FUZZ_MUST(text);
	/* All of it is text, and a payload: nothing may be read that lies behind. */
	memcpy(text, in.at, left);
	text[left] = 0;
	if (how % 2)
		changed_file(&in);
	else
		file(in.at, in.left);
	arguments(text);
	shown(text, left, room);
	free(text);
	return 0;
}
