/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_fault.h - calls of the library that fail, and files that say something else.
 *
 * A program test_fault*.c is linked so that what the library calls comes by here
 * (FAULTS in the Makefile); a call that nothing was said about goes on to the C
 * library.  What the C library calls by itself does not come by.
 */
#ifndef ZC_HARNESS_FAULT_H
#define ZC_HARNESS_FAULT_H

#include "harness.h"

/* The @nth call of this thread from now on that can fail does; from 1. Which error it
 * gets is that call's own: @round 0, 1 or 2 chooses among them. */
void t_fault_nth(unsigned int nth, unsigned int round);
/* The @nth that is named @call fails with @error. */
void t_fault_call(const char *call, unsigned int nth, int error);
void t_fault_nth_syscall(long number, unsigned int nth, int error);
/* Each that is named @call fails with @error, whichever thread's, or is not made and said
 * to have done well.  @number: of a syscall(); else 0.  Up to 4. */
#define T_FAULT_WELL (-1)
void t_fault_each(const char *call, long number, int error);
/* The name of what failed since, or NULL. */
const char *t_fault_met(void);
/* The same; and none fails any more. */
const char *t_fault_end(void);
/* Until it is said again, nothing fails, and nothing is counted. */
void t_fault_rest(bool rest);
/* The error that it got. */
int t_fault_error(void);

/* Who opens @path gets a file with @text; NULL: there is no such file.  Up to 8. */
void t_fault_file(const char *path, const char *text);
void t_fault_files_end(void);
/* How often one of them was opened. */
unsigned int t_fault_files_met(void);
/* The file system of @dir is said to be another.  "": none. */
void t_fault_statfs(const char *dir, long type, long page_bytes);

/* Bytes that the library has mapped and not unmapped. */
uint64_t t_fault_mapped(void);

/* --- attempts (harness_attempt.c) ---------------------------------------------- */

/*
 * Something that is tried again and again, each time with another call that fails.
 * Whatever fails: it comes to ZC_OK, or to the result that the error means and a
 * sentence of its own; nothing is left over; and it does well when it is tried again.
 */
struct t_attempt {
	const char *name;
	void (*before)(void);		/* may be NULL, as the next two */
	zc_result_t (*act)(void);
	void (*undo)(void);		/* what @act did; NULL: it leaves more than there was */
	void (*after)(void);		/* what is left of @before and @act */
	/* NULL, or: may it end with that though the error means something else? */
	bool (*excused)(const char *call, zc_result_t result);
	const char *folder;		/* NULL, or another one whose files are counted */
	bool removes;			/* @act takes away; and again: ZC_ERROR_NOT_FOUND */
	bool partly;			/* what failed may be done; @act looks what is left */
};
void t_attempt(const struct t_attempt *a);

#endif /* ZC_HARNESS_FAULT_H */
