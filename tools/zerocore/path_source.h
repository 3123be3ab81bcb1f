/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * path_source.h - which files to publish: named ones, those of folders, and a
 * list that may still be growing at the other end of a pipe.
 */
#ifndef ZEROCORE_PATH_SOURCE_H
#define ZEROCORE_PATH_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct path_source {
	char **paths;
	size_t nr;
	size_t room;
	FILE *list;		/* NULL: all paths are known */
	const char *list_name;
	char separator;
};

/*
 * A folder gives its regular files in the order of their names, without those
 * of folders in it and without symbolic links; @pattern, if there, chooses by
 * name.  Anything else is taken as it is.  false: said why on stderr.
 */
bool path_source_add(struct path_source *source, const char *path,
		     const char *pattern);

/* Take paths from a file, "-" for stdin, as they come; one for each @separator. */
bool path_source_open_list(struct path_source *source, const char *name,
			   char separator);

/*
 * Path @idx, NULL after the last one.  Waits for the list where there is one;
 * *@failed is set when it cannot be read.
 */
const char *path_source_get(struct path_source *source, size_t idx,
			    bool *failed);

void path_source_free(struct path_source *source);

#endif /* ZEROCORE_PATH_SOURCE_H */
