/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cli_text.c - numbers and names for people, and JSON for programs.
 */
#include "cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cli_format_bytes(uint64_t bytes, char *out)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	int unit = -1;

	while (value >= 1024 && unit < 3) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(out, CLI_TEXT, "%llu B", (unsigned long long)bytes);
	else if (value == (double)(uint64_t)value)
		snprintf(out, CLI_TEXT, "%.0f %s", value, units[unit]);
	else
		snprintf(out, CLI_TEXT, "%.2f %s", value, units[unit]);
	return out;
}

const char *cli_format_age(uint64_t ns, char *out)
{
	double value = (double)ns;

	if (value < 1e3)
		snprintf(out, CLI_TEXT, "%.0f ns", value);
	else if (value < 1e6)
		snprintf(out, CLI_TEXT, "%.1f us", value / 1e3);
	else if (value < 1e9)
		snprintf(out, CLI_TEXT, "%.1f ms", value / 1e6);
	else if (value < 120e9)
		snprintf(out, CLI_TEXT, "%.1f s", value / 1e9);
	else
		snprintf(out, CLI_TEXT, "%.1f min", value / 60e9);
	return out;
}

/* Length of the UTF-8 character at @s, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t length;
	size_t i;

	if (s[0] < 0x80)
		return 1;
	if ((s[0] & 0xe0) == 0xc0)
		length = 2;
	else if ((s[0] & 0xf0) == 0xe0)
		length = 3;
	else if ((s[0] & 0xf8) == 0xf0)
		length = 4;
	else
		return 0;
	if (length > left)
		return 0;
	code = s[0] & (0x7fU >> length);
	for (i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fU);
	}
	if (code < least[length] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

/* C1 is among them: U+009B is to many terminals what escape and a bracket are. */
static bool is_control(const unsigned char *s)
{
	return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

const char *cli_printable(const char *text, char *out, size_t out_bytes)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = strlen(text), used = 0, length;

	while (left) {
		length = utf8_length(s, left);
		if (used + (length ? length : 1) >= out_bytes)
			break;
		if (length && !is_control(s)) {
			memcpy(out + used, s, length);
			used += length;
		} else {
			out[used++] = '?';
		}
		length = length ? length : 1;
		s += length;
		left -= length;
	}
	out[used] = '\0';
	return out;
}

void cli_json_print(struct json_object *object)
{
	const char *at = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	const char *from = at;

	/* What json-c leaves as it is, and a terminal obeys: in strings only. */
	while ((at = strpbrk(at, "\x7f\xc2"))) {
		const unsigned char *s = (const unsigned char *)at;

		if (!is_control(s)) {
			at++;
			continue;
		}
		fwrite(from, 1, (size_t)(at - from), stdout);
		printf("\\u%04x", s[0] == 0xc2 ? s[1] : s[0]);
		at += s[0] == 0xc2 ? 2 : 1;
		from = at;
	}
	fputs(from, stdout);
}

void cli_json_line(struct json_object *object)
{
	cli_json_print(object);
	putchar('\n');
	json_object_put(object);
}

void cli_json_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void cli_json_bool(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

void cli_json_double(struct json_object *object, const char *key, double value)
{
	char text[32];

	/* json-c would print all 17 digits. */
	snprintf(text, sizeof(text), "%.6g", value);
	json_object_object_add(object, key,
			       json_object_new_double_s(value, text));
}

void cli_json_text(struct json_object *object, const char *key,
		   const char *text, size_t bytes)
{
	size_t out = 0;
	size_t i = 0;
	size_t length;
	char *clean;

	/* json-c counts in int. */
	if (bytes > INT_MAX / 3)
		bytes = INT_MAX / 3;
	clean = malloc(3 * bytes + 1);
	if (!clean) {
		cli_error("no memory for a JSON string of %zu bytes", bytes);
		exit(CLI_FAILED);
	}
	while (i < bytes) {
		length = utf8_length((const unsigned char *)text + i,
				     bytes - i);
		if (length) {
			memcpy(clean + out, text + i, length);
			out += length;
			i += length;
		} else {
			memcpy(clean + out, "\xef\xbf\xbd", 3);
			out += 3;
			i++;
		}
	}
	json_object_object_add(object, key,
			       json_object_new_string_len(clean, (int)out));
	free(clean);
}

void cli_json_string(struct json_object *object, const char *key,
		     const char *text)
{
	cli_json_text(object, key, text, strlen(text));
}

struct json_object *cli_json_mask(uint32_t mask)
{
	struct json_object *array = json_object_new_array();
	int bit;

	for (bit = 0; bit < 32; bit++)
		if (mask & (1U << bit))
			json_object_array_add(array, json_object_new_int(bit));
	return array;
}
