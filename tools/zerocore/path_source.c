/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * path_source.c - which files to publish.
 */
#include "path_source.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

/* Takes @path, which came from malloc(). */
static bool append(struct path_source *source, char *path)
{
	size_t room = source->room ? 2 * source->room : 64;
	char **paths;

	if (path && source->nr == source->room) {
		paths = realloc(source->paths, room * sizeof(*paths));
		if (!paths) {
			free(path);
			path = NULL;
		} else {
			source->paths = paths;
			source->room = room;
		}
	}
	if (!path) {
		cli_error("no memory for the list of files");
		return false;
	}
	source->paths[source->nr++] = path;
	return true;
}

/* The order of bytes, as LC_ALL=C sort has it. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static char *join(const char *dir, const char *name)
{
	size_t bytes = strlen(dir) + strlen(name) + 2;
	size_t last = strlen(dir);
	char *path = malloc(bytes);

	if (path)
		snprintf(path, bytes, "%s%s%s", dir,
			 last && dir[last - 1] == '/' ? "" : "/", name);
	return path;
}

static bool add_dir(struct path_source *source, const char *dir,
		    const char *pattern)
{
	struct dirent **names;
	int nr = scandir(dir, &names, NULL, by_name);
	bool good = true;
	struct stat st;
	char *path;
	int i;

	if (nr < 0) {
		cli_error("%s: %s", dir, strerror(errno));
		return false;
	}
	for (i = 0; i < nr; i++) {
		if (good && (!pattern ||
			     !fnmatch(pattern, names[i]->d_name, 0))) {
			path = join(dir, names[i]->d_name);
			if (path && (lstat(path, &st) || !S_ISREG(st.st_mode)))
				free(path);
			else
				good = append(source, path);
		}
		free(names[i]);
	}
	free(names);
	return good;
}

bool path_source_add(struct path_source *source, const char *path,
		     const char *pattern)
{
	struct stat st;

	if (stat(path, &st)) {
		cli_error("%s: %s", path, strerror(errno));
		return false;
	}
	if (S_ISDIR(st.st_mode))
		return add_dir(source, path, pattern);
	return append(source, strdup(path));
}

bool path_source_open_list(struct path_source *source, const char *name,
			   char separator)
{
	source->list_name = name;
	source->separator = separator;
	source->list = strcmp(name, "-") ? fopen(name, "re") : stdin;
	if (!source->list)
		cli_error("%s: %s", name, strerror(errno));
	return source->list != NULL;
}

static void close_list(struct path_source *source)
{
	if (source->list && source->list != stdin)
		fclose(source->list);
	source->list = NULL;
}

const char *path_source_get(struct path_source *source, size_t idx,
			    bool *failed)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t got;

	while (idx >= source->nr && source->list) {
		errno = 0;
		got = getdelim(&line, &room, source->separator, source->list);
		if (got < 0) {
			/* EINTR: a signal asks for the end, which is none. */
			*failed = ferror(source->list) && errno != EINTR;
			if (*failed)
				cli_error("%s: %s", source->list_name,
					  strerror(errno));
			close_list(source);
			break;
		}
		if (got && line[got - 1] == source->separator)
			line[--got] = '\0';
		if (!got)
			continue;
		if (!append(source, line)) {
			*failed = true;
			return NULL;
		}
		line = NULL;
		room = 0;
	}
	free(line);
	return idx < source->nr ? source->paths[idx] : NULL;
}

void path_source_free(struct path_source *source)
{
	size_t i;

	close_list(source);
	for (i = 0; i < source->nr; i++)
		free(source->paths[i]);
	free(source->paths);
	source->paths = NULL;
	source->nr = 0;
	source->room = 0;
}
