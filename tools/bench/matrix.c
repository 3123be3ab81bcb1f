/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * matrix.c - which cells there are.
 */
#include "cell.h"

#include <string.h>

#define KIB 1024UL
#define MIB (1024UL * 1024)

/* In order of importance. */
const struct load *const loads[] = {
	&load_pingpong, &load_stream, &load_gather, &load_start,
	&load_topics,
};

const uint32_t loads_nr = sizeof(loads) / sizeof(loads[0]);

/* Lists end with 0. */
struct rows {
	const struct load *load;
	size_t size[8];
	bool touch, whole;
	bool busy, block;
	uint32_t others[5];
};

static const struct rows full[] = {
	{ &load_pingpong, { 64, 512, 4 * KIB, 64 * KIB, MIB, 4 * MIB },
	  true, true, true, true, { 1 } },
	{ &load_stream, { 64, 4 * KIB }, true, false, true, false, { 1 } },
	{ &load_stream, { 64, 512, 4 * KIB, 64 * KIB, MIB, 4 * MIB },
	  false, true, true, false, { 1 } },
	{ &load_stream, { 64 }, true, false, true, false, { 2, 4, 8 } },
	{ &load_stream, { 4 * KIB }, false, true, true, false, { 2, 4, 8 } },
	{ &load_gather, { 64 }, true, false, true, false, { 2, 4, 8 } },
	{ &load_start, { 4 * KIB }, true, false, true, false, { 1 } },
	{ &load_topics, { 64, 4 * KIB }, false, true, false, true, { 23 } },
};

static const struct rows quick[] = {
	{ &load_pingpong, { 64, 4 * KIB, MIB }, true, false, true, true, { 1 } },
	{ &load_stream, { 64 }, true, false, true, false, { 1, 4 } },
	{ &load_stream, { 4 * KIB, MIB }, false, true, true, false, { 1 } },
	{ &load_gather, { 64 }, true, false, true, false, { 2 } },
	{ &load_start, { 4 * KIB }, true, false, true, false, { 1 } },
	{ &load_topics, { 64 }, false, true, false, true, { 23 } },
};

bool list_has(const char *list, const char *word)
{
	size_t bytes = strlen(word);

	for (const char *at = list; at != NULL;) {
		const char *end = strchr(at, ',');
		size_t n = end != NULL ? (size_t)(end - at) : strlen(at);

		if (n == bytes && strncmp(at, word, n) == 0)
			return true;
		at = end != NULL ? end + 1 : NULL;
	}
	return list == NULL;
}

/* Calls cells by number: the cells of @rows from @skip on. */
static bool cell_of(const struct compare *compare, const struct rows *rows,
		    uint32_t *skip, struct cell *cell)
{
	const size_t *size = compare->sizes_nr > 0 ? compare->size : rows->size;
	uint32_t sizes = compare->sizes_nr > 0 ? compare->sizes_nr : 8;

	for (int block = 0; block < 2; block++) {
		for (int whole = 0; whole < 2; whole++) {
			if ((block ? !rows->block : !rows->busy) ||
			    (whole ? !rows->whole : !rows->touch))
				continue;
			for (uint32_t o = 0; o < 5 && rows->others[o]; o++) {
				for (uint32_t s = 0; s < sizes && size[s]; s++) {
					if ((*skip)-- > 0)
						continue;
					*cell = (struct cell){
						rows->load, size[s], whole,
						block, rows->others[o]
					};
					return true;
				}
			}
		}
	}
	return false;
}

const struct cell *matrix_cell(const struct compare *compare, uint32_t index)
{
	const struct rows *rows = compare->quick ? quick : full;
	size_t nr = compare->quick ? sizeof(quick) / sizeof(quick[0]) :
				     sizeof(full) / sizeof(full[0]);
	static struct cell cell;

	for (size_t i = 0; i < nr; i++) {
		if (list_has(compare->loads, rows[i].load->name) &&
		    cell_of(compare, &rows[i], &index, &cell))
			return &cell;
	}
	return NULL;
}
