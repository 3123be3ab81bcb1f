/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * fuzz.h - what the fuzz targets share: input taken apart, pools that start afresh.
 *
 * A target sees public headers only (fuzz_cli.c: the command's), and shared memory as any
 * member could write it.
 */
#ifndef ZC_SELFTESTS_FUZZ_H
#define ZC_SELFTESTS_FUZZ_H

#include <linux/zerocore_layout.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zerocore/zerocore.h>

/* The bytes of one run; when they are used up, zeroes. */
struct fuzz_in {
	const uint8_t *at;
	size_t left;
};

void fuzz_take(struct fuzz_in *in, void *to, size_t bytes);

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
	uint8_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint32_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

static inline uint64_t fuzz_u64(struct fuzz_in *in)
{
	uint64_t v;

	fuzz_take(in, &v, sizeof(v));
	return v;
}

/* What must hold whatever the input is. */
#define FUZZ_MUST(cond)                                                        \
	do {                                                                   \
		if (!(cond))                                                   \
			fuzz_wrong(__FILE__, __LINE__, #cond);                 \
	} while (0)
void fuzz_wrong(const char *file, int line, const char *what)
	__attribute__((noreturn));

/* A folder of this process's own for pools, which goes at its end. */
void fuzz_folder(void);
/* Small: 256 KiB, 16 ring entries, 16 holds. */
zc_pool_options_t fuzz_options(void);
zc_pool_t *fuzz_create(const char *name);

/* A pool's control memory, as a member that means harm has it. */
struct fuzz_control {
	struct zc_pool_header *header;
	struct zc_geometry geometry;	/* as it was */
	size_t bytes;
};

struct fuzz_control fuzz_map(const char *name);
void fuzz_unmap(struct fuzz_control *control);
/* Overwrites a word of @bytes at @from: the input says which, and by what. */
void fuzz_spoil_in(const struct fuzz_control *control, uint64_t from, uint64_t bytes,
		   struct fuzz_in *in);
/* The same somewhere that makes a difference. */
void fuzz_spoil(const struct fuzz_control *control, struct fuzz_in *in);

/* Reads all of what was given: it must be there. */
void fuzz_touch(const void *data, size_t bytes);
/* Looks at a pool in all ways that there are. */
void fuzz_inspect(zc_pool_t *pool);

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#endif /* ZC_SELFTESTS_FUZZ_H */
