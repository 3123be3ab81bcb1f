/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_sub.c - zerocore sub: messages of a service, printed, hashed or saved.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sub.h"

enum { OPT_BEST_EFFORT = 1000, OPT_HISTORY, OPT_HOLD, OPT_PRINT, OPT_SHA256 };

static const struct argp_option options[] = {
	{ NULL, 0, NULL, 0, "What to receive:", 1 },
	{ "count", 'c', "N", 0, "N messages (until the end marker)", 1 },
	{ "timeout", 't', "TIME", 0,
	  "Fail when no message comes for so long (forever)", 1 },
	{ "history", OPT_HISTORY, "N", 0,
	  "Begin with up to N messages from before", 1 },
	{ "best-effort", OPT_BEST_EFFORT, NULL, 0,
	  "The writer never waits: what is reused first is lost, and counted", 1 },
	{ "hold", OPT_HOLD, "N", 0,
	  "Keep the last N messages before letting one go (0)", 1 },
	{ NULL, 0, NULL, 0, "What to do with it:", 2 },
	{ "sha256", OPT_SHA256, NULL, 0, "Print lines as sha256sum does", 2 },
	{ "print", OPT_PRINT, "FIELDS", 0,
	  "Of sequence, size, age (ns), name, hex (64 bytes), text, "
	  "value (of a typed message, as JSON), none "
	  "(sequence,size,name)", 2 },
	{ "output", 'o', "DIR", 0, "Save each message to a file in DIR", 2 },
	{ "quiet", 'q', NULL, 0, "No remarks and no summary on stderr", 2 },
	{ 0 }
};

static const struct argp_child children[] = { { &cli_json_argp, 0, NULL, 0 },
					      { 0 } };

static const struct {
	const char *name;
	unsigned int field;
} fields[] = {
	{ "sequence", SUB_SEQUENCE }, { "size", SUB_SIZE }, { "age", SUB_AGE },
	{ "name", SUB_NAME },	      { "hex", SUB_HEX },   { "text", SUB_TEXT },
	{ "value", SUB_VALUE },     { "none", 0 },
};

static unsigned int parse_fields(struct argp_state *state, const char *list)
{
	unsigned int found = 0;
	size_t length;
	size_t i;

	for (;; list += length + 1) {
		length = strcspn(list, ",");
		for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
			if (strlen(fields[i].name) == length &&
			    !strncmp(fields[i].name, list, length))
				break;
		if (i == sizeof(fields) / sizeof(fields[0]))
			argp_error(state, "--print: `%.*s' is none of sequence, size, age, name, hex, text, value, none",
				   (int)length, list);
		else
			found |= fields[i].field;
		if (!list[length])
			return found;
	}
}

struct args {
	struct sub *sub;
	bool print;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *in = state->input;
	struct sub *sub = in->sub;

	switch (key) {
	case 'c':
		sub->count = cli_arg_number(state, "--count", arg, UINT64_MAX);
		if (!sub->count)
			argp_error(state, "--count: at least 1");
		return 0;
	case 't':
		sub->timeout_ns = cli_arg_duration(state, "--timeout", arg);
		return 0;
	case OPT_HISTORY:
		sub->reader_options.history = (uint32_t)cli_arg_number(
			state, "--history", arg, UINT32_MAX);
		return 0;
	case OPT_BEST_EFFORT:
		sub->reader_options.best_effort = true;
		return 0;
	case OPT_HOLD:
		sub->hold = cli_arg_number(state, "--hold", arg, 65535);
		return 0;
	case OPT_SHA256:
		sub->sha256 = true;
		return 0;
	case OPT_PRINT:
		sub->fields = parse_fields(state, arg);
		in->print = true;
		return 0;
	case 'o':
		sub->output = arg;
		return 0;
	case 'q':
		sub->quiet = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			sub->pool_name = arg;
		else if (state->arg_num == 1)
			sub->reader_options.service = arg;
		else
			argp_error(state, "`%s' is too many", arg);
		return 0;
	case ARGP_KEY_END:
		if (!sub->reader_options.service)
			argp_error(state, "say POOL and SERVICE (service/instance/event)");
		if (!in->print && !sub->sha256 && !sub->output)
			sub->fields = SUB_SEQUENCE | SUB_SIZE | SUB_NAME;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	options, parse, "POOL SERVICE",
	"Receive the messages of SERVICE, which is service/instance/event; its "
	"writer may come later. Ends at the end marker of `zerocore pub', after "
	"--count messages, or at Ctrl-C."
	"\v"
	"Examples:\n"
	"  zerocore sub demo lib/all/file --sha256 >digests\n"
	"  zerocore sub demo lib/all/file --output /tmp/copy --timeout 5s\n"
	"  zerocore sub demo host/log/line --history 100 --print text\n"
	"  zerocore sub demo imu/left/sample --print value\n"
	"  zerocore sub demo a/b/c --count 10 --json\n",
	children, NULL, NULL
};

static int release(struct sub *sub, zc_handle_t block)
{
	zc_result_t result = zc_reader_release_block(sub->reader, block);

	return result ? cli_fail(result, "release") : CLI_OK;
}

/* Keep @block; the oldest of more than --hold goes. */
static int hold(struct sub *sub, zc_handle_t block)
{
	zc_handle_t oldest;

	if (!sub->hold)
		return release(sub, block);
	if (sub->held_nr < sub->hold) {
		sub->held[sub->held_nr++] = block;
		if (sub->held_nr == sub->hold && !sub->quiet)
			cli_note("holding %llu blocks",
				 (unsigned long long)sub->held_nr);
		return CLI_OK;
	}
	oldest = sub->held[sub->held_at];
	sub->held[sub->held_at] = block;
	sub->held_at = (sub->held_at + 1) % sub->hold;
	return release(sub, oldest);
}

static void count_sequence(struct sub *sub, uint64_t sequence)
{
	if (!sub->first_sequence)
		sub->first_sequence = sequence;
	else if (sequence > sub->last_sequence + 1)
		sub->gaps += sequence - sub->last_sequence - 1;
	sub->last_sequence = sequence;
}

/* Fill in what the payload of @block says. */
static bool look(struct sub *sub, zc_handle_t block,
		 struct sub_message *message)
{
	const unsigned char *payload;
	zc_result_t result;
	size_t bytes = 0;

	memset(&message->info, 0, sizeof(message->info));
	message->info.sz = sizeof(message->info);
	message->block = block;
	message->digest[0] = '\0';
	payload = zc_reader_block_data(sub->reader, block, &bytes);
	result = zc_reader_block_info(sub->reader, block, &message->info);
	if (!payload || result) {
		cli_fail(result, "a held message");
		return false;
	}
	message->kind = file_message_read(payload, bytes, &message->header,
					  message->name);
	message->data = payload;
	message->bytes = bytes;
	if (message->kind == FILE_MESSAGE_IS_FILE) {
		message->data += message->header.data_off;
		message->bytes = message->header.data_bytes;
	} else {
		strcpy(message->name, "-");
	}
	return true;
}

/* Everything but hold and release. */
static int use(struct sub *sub, struct sub_message *message)
{
	sub->last_ns = zc_timestamp();
	if (!sub->first_sequence)
		sub->start_ns = sub->last_ns;
	count_sequence(sub, message->info.sequence);
	if (message->kind == FILE_MESSAGE_IS_END) {
		sub->ended = true;
		sub->end_files = message->header.number;
		sub->end_bytes = message->header.total_bytes;
		return CLI_OK;
	}
	sub->messages++;
	sub->bytes += message->bytes;
	if (message->kind == FILE_MESSAGE_IS_FILE)
		sub->files++;
	else if (message->kind == FILE_MESSAGE_IS_BROKEN)
		sub->broken++;
	if (sub->sha256 && !sub_digest(message))
		return CLI_FAILED;
	errno = 0;
	sub_print(sub, message);
	/* main() says why.  What cannot be shown is left to other readers. */
	if (!cli_written())
		return CLI_FAILED;
	if (sub->output && !sub_save(sub, message))
		return CLI_FAILED;
	return CLI_OK;
}

/*
 * The next message, waiting in slices.  CLI_OK without a block: a signal asks
 * for the end.
 */
static int next(struct sub *sub, zc_handle_t *block)
{
	uint64_t start_ns = 0;
	uint64_t slice_ns = 0;
	uint64_t waited_ns;
	zc_result_t result;
	char text[CLI_TEXT];

	*block = 0;
	for (;;) {
		if (cli_stopped())
			return CLI_OK;
		result = zc_reader_poll_block(sub->reader,
					      sizeof(struct file_message),
					      block, slice_ns);
		if (!result)
			return CLI_OK;
		/* Counted by the library, and told in the summary. */
		if (result == ZC_ERROR_CORRUPT_BLOCK)
			continue;
		if (result != ZC_ERROR_TIMEOUT)
			return cli_fail(result, "%s",
					sub->reader_options.service);
		/* Nothing is there just now: show what is printed. */
		if (!start_ns) {
			if (!cli_flush())
				return CLI_FAILED;
			start_ns = zc_timestamp();
		}
		waited_ns = zc_timestamp() - start_ns;
		if (waited_ns >= sub->timeout_ns)
			return cli_error("%s: no message within %s",
					 sub->reader_options.service,
					 cli_format_age(sub->timeout_ns, text));
		slice_ns = sub->timeout_ns - waited_ns;
		if (slice_ns > CLI_SLICE_NS)
			slice_ns = CLI_SLICE_NS;
	}
}

static int receive(struct sub *sub, struct sub_message *message)
{
	zc_handle_t block;
	int status = CLI_OK;
	int let_go;

	while (status == CLI_OK && !sub->ended &&
	       (!sub->count || sub->messages < sub->count)) {
		status = next(sub, &block);
		if (status || !block)
			break;
		status = look(sub, block, message) ? use(sub, message) :
						     CLI_FAILED;
		let_go = hold(sub, block);
		if (status == CLI_OK)
			status = let_go;
	}
	if (status == CLI_OK && cli_stopped() && sub->count &&
	    sub->messages < sub->count)
		status = cli_error("stopped by a signal after %llu of %llu messages",
				   (unsigned long long)sub->messages,
				   (unsigned long long)sub->count);
	return status;
}

static int run_reader(struct sub *sub)
{
	struct sub_message *message = malloc(sizeof(*message));
	zc_result_t result;
	int status;

	if (!message)
		return cli_error("no memory");
	result = zc_reader_register(sub->pool, &sub->reader_options,
				    &sub->reader);
	if (result) {
		free(message);
		return cli_fail(result, "%s", sub->reader_options.service);
	}
	if (!sub->quiet)
		cli_note("reading %s as reader %u", sub->reader_options.service,
			 zc_reader_id(sub->reader));
	status = receive(sub, message);
	sub_summary(sub);
	/* Releases what is held. */
	zc_reader_unregister(sub->reader);
	free(message);
	return status;
}

static int run(struct sub *sub)
{
	zc_result_t result = zc_pool_open(sub->pool_name, &sub->pool);
	int status;

	if (result)
		return cli_fail_pool(result, sub->pool_name);
	status = run_reader(sub);
	zc_pool_close(sub->pool);
	return status;
}

int cmd_sub(int argc, char **argv)
{
	struct sub sub = { .reader_options = ZC_READER_OPTIONS_INIT,
			   .timeout_ns = ZC_TIMEOUT_FOREVER,
			   .output_fd = -1 };
	struct args in = { .sub = &sub };
	int status;

	cli_parse(&argp, argc, argv, &in);
	cli_catch_signals();
	if (sub.hold) {
		/* One more is polled before the oldest is let go. */
		sub.reader_options.max_holds = (uint32_t)sub.hold + 1;
		sub.held = calloc(sub.hold, sizeof(*sub.held));
		if (!sub.held)
			return cli_error("no memory");
	}
	if (sub.output) {
		sub.output_fd = open(sub.output,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub.output_fd < 0) {
			free(sub.held);
			return cli_error("%s: %s", sub.output, strerror(errno));
		}
	}
	status = run(&sub);
	if (sub.output_fd >= 0)
		close(sub.output_fd);
	free(sub.held);
	return status;
}
