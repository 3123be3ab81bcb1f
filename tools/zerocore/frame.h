/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * frame.h - a snapshot as lines, for a terminal's screen or for a file.
 */
#ifndef ZEROCORE_FRAME_H
#define ZEROCORE_FRAME_H

#include "snapshot.h"

#define FRAME_WIDTH 320

/* What a line is like; a screen has colours for it. */
enum look {
	LOOK_PLAIN,
	LOOK_TITLE,
	LOOK_HEAD,	/* over the columns of a table */
	LOOK_MAP,	/* each character is a slice of the pool */
	LOOK_LEGEND,	/* a character that stands alone is one of the map */
	LOOK_GOOD,
	LOOK_WARN,
	LOOK_BAD,
	LOOK_DIM,
};

/* What a slice of the map shows: its dominant state. */
#define MAP_UNSEEN '?'
#define MAP_MOSTLY_FREE ':'
extern const char frame_letters[MEMORY_STATES + 1];	/* by memory_state */

struct frame_line {
	enum look look;
	int frozen;		/* characters that do not scroll to the left */
	char text[FRAME_WIDTH];
};

struct frame {
	struct frame_line *line;
	size_t nr;
	size_t room;
	size_t fixed;		/* lines before the tables, which scroll */
};

enum frame_sort { SORT_INDEX, SORT_RATE, SORT_LAG, SORT_MEMORY, SORT_NAME, SORTS };
extern const char *const frame_sorts[SORTS + 1];

struct frame_options {
	enum frame_sort sort;
	uint64_t interval_ns;
	bool paused;
	uint32_t map_width;	/* characters of a line of the map */
};

/* false: no memory. */
bool frame_build(struct frame *frame, const struct snapshot *s,
		 const struct frame_options *o);
void frame_free(struct frame *frame);

#endif /* ZEROCORE_FRAME_H */
