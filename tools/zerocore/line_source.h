/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * line_source.h - the lines of stdin, as they come, until a signal asks for the end.
 */
#ifndef ZEROCORE_LINE_SOURCE_H
#define ZEROCORE_LINE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct line_source {
	char *bytes;
	size_t room;
	size_t begin;		/* of what was not asked for yet */
	size_t end;
	bool at_end;		/* of stdin */
};

/*
 * The next line with its line end, which the last one may lack; it is there until
 * the next call.  0 at the end; -1 and errno, EINTR when a signal asks for the end.
 */
ssize_t line_source_get(struct line_source *source, const char **line);

void line_source_free(struct line_source *source);

#endif /* ZEROCORE_LINE_SOURCE_H */
