/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * line_source.c - the lines of stdin, as they come, until a signal asks for the end.
 *
 * Not by stdio, which does not say whether it is about to read: a signal that comes
 * just before would be seen when the next line is there, which may be never.
 */
#include "line_source.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* Until there is something to read: 0, or an errno. */
static int wait_for_input(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t ends, before;
	int err = 0;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigprocmask(SIG_BLOCK, &ends, &before);
	/* Between this look and the sleep none is missed. */
	while (!err && !cli_stopped()) {
		if (ppoll(&input, 1, NULL, &before) > 0)
			break;
		if (errno != EINTR)
			err = errno;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err ? err : cli_stopped() ? EINTR : 0;
}

/* More bytes behind those that are there; false: errno. */
static bool read_more(struct line_source *source)
{
	size_t room = source->room ? 2 * source->room : 1 << 16;
	ssize_t got;
	char *bytes;
	int err;

	if (source->begin) {
		memmove(source->bytes, source->bytes + source->begin,
			source->end - source->begin);
		source->end -= source->begin;
		source->begin = 0;
	}
	if (source->end == source->room) {
		bytes = realloc(source->bytes, room);
		if (!bytes)
			return false;
		source->bytes = bytes;
		source->room = room;
	}
	do {
		err = wait_for_input();
		if (err) {
			errno = err;
			return false;
		}
		got = read(STDIN_FILENO, source->bytes + source->end,
			   source->room - source->end);
		/* EAGAIN: it is not ours alone, and another one was quicker. */
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return false;
	source->end += (size_t)got;
	source->at_end = !got;
	return true;
}

ssize_t line_source_get(struct line_source *source, const char **line)
{
	size_t looked = 0;
	const char *end;
	ssize_t bytes;

	for (;;) {
		size_t there = source->end - source->begin;

		if (cli_stopped()) {
			errno = EINTR;
			return -1;
		}
		end = there > looked ? memchr(source->bytes + source->begin + looked,
					      '\n', there - looked) : NULL;
		if (end || source->at_end)
			break;
		looked = there;
		if (!read_more(source))
			return -1;
	}
	*line = source->bytes + source->begin;
	bytes = end ? end + 1 - *line : (ssize_t)(source->end - source->begin);
	source->begin += (size_t)bytes;
	return bytes;
}

void line_source_free(struct line_source *source)
{
	free(source->bytes);
}
