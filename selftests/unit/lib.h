/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * lib.h - real pools of one process, for tests of the library's own files.
 */
#ifndef ZC_SELFTESTS_LIB_H
#define ZC_SELFTESTS_LIB_H

#include "role.h"
#include "unit.h"

#define SERVICE "unit/test/lib"

struct lib {
	zc_pool_t *pool;
	char parent[128];	/* $ZEROCORE_DIR of before, "" none */
	char dir[160];
};

/* Calls that must succeed; tells zc_last_error() when they do not. */
#define must_zc(call)                                                         \
	do {                                                                  \
		zc_result_t result_ = (call);                                 \
                                                                              \
		if (result_)                                                  \
			unit_fail(__FILE__, __LINE__, "%s: %s: %s", #call,    \
				  zc_strerror(result_), zc_last_error());     \
	} while (0)

/* Calls that must fail like this, with a sentence. */
#define must_fail(call, how)                                                  \
	do {                                                                  \
		zc_result_t result_ = (call);                                 \
                                                                              \
		if (result_ != (how) || strlen(zc_last_error()) < 10)         \
			unit_fail(__FILE__, __LINE__, "%s: %s, must be %s", #call, \
				  zc_strerror(result_), zc_strerror(how));    \
	} while (0)

/*
 * A pool in a folder of its own: @bytes of data in one segment, 64-byte granules,
 * 16 granules a stripe at 64 KiB; 64 ring entries, 16 holds.
 */
void lib_open(struct lib *l, u64 bytes);
/* One that may grow to @max_bytes: so much of the address space is its own. */
void lib_open_growing(struct lib *l, u64 bytes, u64 max_bytes);
void lib_close(struct lib *l);

zc_writer_t *lib_writer(struct lib *l, const zc_writer_options_t *options);
zc_reader_t *lib_reader(struct lib *l, const zc_reader_options_t *options);
/* With default options. */
zc_writer_t *lib_plain_writer(struct lib *l);
zc_reader_t *lib_plain_reader(struct lib *l);

/* Acquires, fills with the number of the message, commits. Returns the result. */
zc_result_t lib_send(zc_writer_t *w, size_t bytes, u64 timeout_ns);
/* Polls once; checks that every word of the payload is the message's number. */
zc_result_t lib_receive(zc_reader_t *r, zc_handle_t *handle, u64 *sequence);
/* The same check for a message that is held. */
void lib_verify(zc_reader_t *r, zc_handle_t handle);

/* What zc_pool_check() finds; no error, nothing lost. */
void lib_check(struct lib *l, zc_check_report_t *report);
/* All granules are free. */
void lib_all_free(struct lib *l);
/* What everybody hopes to find where: true as long as nobody died. */
void lib_hints_are_true(struct lib *l);

/*
 * From here on the memory is this process's own, and forked children get copies:
 * for step.h.  No background thread any more.  lib_close() works as before.
 */
void lib_make_private(struct lib *l);
/* For unit_tiling() and so on. */
void lib_as_unit_pool(const struct lib *l, struct unit_pool *p);
/* Member @m dies, and is reaped. */
void lib_reap(const struct lib *l, u32 m);

#endif /* ZC_SELFTESTS_LIB_H */
