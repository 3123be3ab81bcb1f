/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * sub.c - what `zerocore sub` does with a message: hash it, print it, save it,
 * each from where it lies in the pool.
 */
#include "sub.h"
#include "typed.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

/* The bytes that --print hex shows of a message. */
#define HEX_BYTES 64

#define RAW_NAME "message-"

static void to_hex(const unsigned char *bytes, size_t nr, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < nr; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * nr] = '\0';
}

bool sub_digest(struct sub_message *message)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int bytes = 0;

	if (!EVP_Digest(message->data, message->bytes, digest, &bytes,
			EVP_sha256(), NULL) ||
	    2 * bytes + 1 != SUB_DIGEST) {
		cli_error("libcrypto refuses SHA-256");
		return false;
	}
	to_hex(digest, bytes, message->digest);
	return true;
}

/*
 * As sha256sum prints it: a name with a backslash or a line end is escaped,
 * and the line then starts with a backslash.
 */
static void print_digest(const struct sub_message *message)
{
	const char *at;

	if (strpbrk(message->name, "\\\n\r"))
		putchar('\\');
	printf("%s  ", message->digest);
	for (at = message->name; *at; at++) {
		switch (*at) {
		case '\\':
			fputs("\\\\", stdout);
			break;
		case '\n':
			fputs("\\n", stdout);
			break;
		case '\r':
			fputs("\\r", stdout);
			break;
		default:
			putchar(*at);
		}
	}
	putchar('\n');
}

static uint64_t age_ns(const struct sub_message *message)
{
	uint64_t now = zc_timestamp();

	if (!message->info.timestamp_ns || message->info.timestamp_ns > now)
		return 0;
	return now - message->info.timestamp_ns;
}

static size_t hex_bytes(const struct sub_message *message)
{
	return message->bytes < HEX_BYTES ? message->bytes : HEX_BYTES;
}

/* "-": it says nothing. */
static void print_value(struct sub *sub, const struct sub_message *message,
			const char **blank)
{
	struct json_object *value = typed_json(sub->reader, message->block);

	fputs(*blank, stdout);
	if (value)
		cli_json_print(value);
	else
		putchar('-');
	json_object_put(value);
	*blank = " ";
}

static void print_fields(struct sub *sub, const struct sub_message *message)
{
	char text[FILE_MESSAGE_NAME_MAX + 1];
	char hex[2 * HEX_BYTES + 1];
	const char *blank = "";

	if (sub->fields & SUB_SEQUENCE) {
		printf("%llu", (unsigned long long)message->info.sequence);
		blank = " ";
	}
	if (sub->fields & SUB_SIZE) {
		printf("%s%zu", blank, message->bytes);
		blank = " ";
	}
	if (sub->fields & SUB_AGE) {
		printf("%s%llu", blank, (unsigned long long)age_ns(message));
		blank = " ";
	}
	if (sub->fields & SUB_NAME) {
		printf("%s%s", blank,
		       cli_printable(message->name, text, sizeof(text)));
		blank = " ";
	}
	if (sub->fields & SUB_HEX) {
		to_hex(message->data, hex_bytes(message), hex);
		printf("%s%s", blank, hex);
		blank = " ";
	}
	if (sub->fields & SUB_VALUE)
		print_value(sub, message, &blank);
	if (sub->fields & SUB_TEXT) {
		fputs(blank, stdout);
		fwrite(message->data, 1, message->bytes, stdout);
		if (message->bytes && message->data[message->bytes - 1] == '\n')
			return;
	}
	putchar('\n');
}

static void print_json(struct sub *sub, const struct sub_message *message)
{
	struct json_object *o = json_object_new_object();
	char hex[2 * HEX_BYTES + 1];

	cli_json_string(o, "type", "message");
	cli_json_u64(o, "sequence", message->info.sequence);
	cli_json_u64(o, "bytes", message->bytes);
	cli_json_u64(o, "timestamp_ns", message->info.timestamp_ns);
	cli_json_u64(o, "age_ns", age_ns(message));
	cli_json_u64(o, "granule", message->info.granule);
	if (message->kind == FILE_MESSAGE_IS_FILE) {
		cli_json_string(o, "name", message->name);
		cli_json_u64(o, "number", message->header.number);
	}
	if (message->digest[0])
		cli_json_string(o, "sha256", message->digest);
	if (sub->fields & SUB_HEX) {
		to_hex(message->data, hex_bytes(message), hex);
		cli_json_string(o, "hex", hex);
	}
	if (sub->fields & SUB_TEXT)
		cli_json_text(o, "text", (const char *)message->data,
			      message->bytes);
	if (sub->fields & SUB_VALUE)
		json_object_object_add(o, "value",
				       typed_json(sub->reader, message->block));
	cli_json_line(o);
}

void sub_print(struct sub *sub, const struct sub_message *message)
{
	/* stdio's buffer and JSON strings are copies of what they show. */
	if (sub->fields & (SUB_TEXT | SUB_VALUE))
		sub->copies++;
	if (cli_json)
		print_json(sub, message);
	else if (message->digest[0])
		print_digest(message);
	else if (sub->fields)
		print_fields(sub, message);
}

/* Only the last part of the name counts: nothing leaves the folder. */
static bool save_name(const struct sub_message *message, char *out,
		      size_t out_bytes)
{
	const char *slash = strrchr(message->name, '/');
	const char *base = slash ? slash + 1 : message->name;

	if (message->kind != FILE_MESSAGE_IS_FILE) {
		snprintf(out, out_bytes, RAW_NAME "%llu",
			 (unsigned long long)message->info.sequence);
		return true;
	}
	if (!base[0] || !strcmp(base, ".") || !strcmp(base, ".."))
		return false;
	return (size_t)snprintf(out, out_bytes, "%s", base) < out_bytes;
}

/* A name in the folder, and whose file it is: the path that a message came with. */
struct saved {
	char *name;
	char *path;
};

static void *saved_names;

/* Raw messages have their numbers for names, which none has twice: they are not kept, so
 * that an endless stream needs no memory for each. */
static bool saved_raw;

static bool is_raw_name(const char *name)
{
	size_t prefix = strlen(RAW_NAME);

	return !strncmp(name, RAW_NAME, prefix) && name[prefix] &&
	       !name[prefix + strspn(name + prefix, "0123456789")];
}

static int by_saved_name(const void *a, const void *b)
{
	return strcmp(((const struct saved *)a)->name, ((const struct saved *)b)->name);
}

/* false: it is another one's, in this run.  A path that comes again is its newer version. */
static bool take_name(const char *name, const char *path)
{
	struct saved *mine = malloc(sizeof(*mine)), **found;

	if (!mine)
		return true;
	mine->name = strdup(name);
	mine->path = strdup(path);
	found = mine->name && mine->path ? tsearch(mine, &saved_names, by_saved_name) : NULL;
	if (found && *found == mine)
		return true;
	free(mine->name);
	free(mine->path);
	free(mine);
	return !found || !strcmp((*found)->path, path);
}

static bool is_free_name(const struct sub_message *message, char *name)
{
	const struct saved raw = { .name = name };

	if (message->kind != FILE_MESSAGE_IS_FILE)
		return !tfind(&raw, &saved_names, by_saved_name);
	return !(saved_raw && is_raw_name(name)) && take_name(name, message->name);
}

/* Of two paths that end alike, the second is saved as NAME.2. */
static bool unused_name(const struct sub_message *message, char *name, size_t name_bytes)
{
	size_t end = strlen(name);
	unsigned int n;

	saved_raw |= message->kind != FILE_MESSAGE_IS_FILE;
	for (n = 2; !is_free_name(message, name); n++)
		if ((size_t)snprintf(name + end, name_bytes - end, ".%u", n) >=
		    name_bytes - end)
			return false;
	return true;
}

/* write(2) from the block: the kernel reads pool memory. */
static int write_whole(int fd, const unsigned char *at, size_t bytes)
{
	ssize_t got;

	while (bytes) {
		got = write(fd, at, bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		at += got;
		bytes -= (size_t)got;
	}
	return 0;
}

bool sub_save(struct sub *sub, const struct sub_message *message)
{
	char name[256];
	char clean[256];
	int err = 0;
	int fd;

	if (!save_name(message, name, sizeof(name)) ||
	    !unused_name(message, name, sizeof(name))) {
		cli_error("message %llu: its name is no file name; not saved",
			  (unsigned long long)message->info.sequence);
		return false;
	}
	fd = openat(sub->output_fd, name,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC |
			    O_NONBLOCK, 0666);
	if (fd < 0)
		err = errno;
	else
		err = write_whole(fd, message->data, message->bytes);
	if (fd >= 0 && close(fd) && !err)
		err = errno;
	if (err)
		cli_error("%s/%s: %s", sub->output,
			  cli_printable(name, clean, sizeof(clean)),
			  strerror(err));
	return !err;
}

void sub_summary(struct sub *sub)
{
	zc_reader_stats_t stats = { .sz = sizeof(stats) };
	double seconds = (double)(sub->last_ns - sub->start_ns) / 1e9;
	bool whole = sub->ended && sub->files == sub->end_files &&
		     sub->bytes == sub->end_bytes;
	struct json_object *o;

	zc_reader_get_stats(sub->reader, &stats);
	if (cli_json) {
		o = json_object_new_object();
		cli_json_string(o, "type", "summary");
		cli_json_u64(o, "messages", sub->messages);
		cli_json_u64(o, "files", sub->files);
		cli_json_u64(o, "bytes", sub->bytes);
		cli_json_u64(o, "first_sequence", sub->first_sequence);
		cli_json_u64(o, "last_sequence", sub->last_sequence);
		cli_json_u64(o, "gaps", sub->gaps);
		cli_json_u64(o, "lost", stats.lost);
		cli_json_u64(o, "corrupt", stats.corrupt);
		cli_json_u64(o, "broken", sub->broken);
		cli_json_u64(o, "copies", sub->copies);
		cli_json_bool(o, "ended", sub->ended);
		cli_json_bool(o, "whole", whole);
		cli_json_double(o, "seconds", seconds);
		cli_json_line(o);
	} else if (!sub->quiet) {
		cli_note("received %llu messages, %llu files, %llu bytes in %.3f s; sequences %llu to %llu, gaps %llu, lost %llu, corrupt %llu, broken %llu, copies %llu, %s",
			 (unsigned long long)sub->messages,
			 (unsigned long long)sub->files,
			 (unsigned long long)sub->bytes, seconds,
			 (unsigned long long)sub->first_sequence,
			 (unsigned long long)sub->last_sequence,
			 (unsigned long long)sub->gaps,
			 (unsigned long long)stats.lost,
			 (unsigned long long)stats.corrupt,
			 (unsigned long long)sub->broken,
			 (unsigned long long)sub->copies,
			 whole ? "whole stream" :
				 sub->ended ? "part of the stream" : "no end marker");
	}
}
