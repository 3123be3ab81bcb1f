/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * step.h - stop or kill a function at each of its instructions.
 *
 * The processor traps after every instruction of the victim.  At each a child
 * is forked, which has the world as it is then: private memory is copied.  In
 * the child the rivals run, then the victim goes on to its end, or never does;
 * then the outcome is checked.  So all orders of "a part of the victim, the
 * rivals, the rest of the victim" are tried, deterministically, in the very code
 * that is shipped.
 *
 * An instruction that is met again and again (a loop over 1152 members) is tried
 * the first few times only.
 */
#ifndef ZC_SELFTESTS_STEP_H
#define ZC_SELFTESTS_STEP_H

#include "unit.h"

struct step_case {
	/* The function that is stopped; in the parent it runs undisturbed. */
	void (*victim)(void *world);
	/* What others do meanwhile; NULL: nothing. */
	void (*rivals)(void *world);
	/* The victim never goes on. */
	bool dies;
	/* The victim calls malloc(), which is not stopped but in a sanitizer. */
	bool allocates;
	/* By must(): what has to be true at the end. */
	void (*check)(void *world);
	void *world;
};

/*
 * Runs a case.  Returns how many instructions were tried (or stand for a sample of
 * them, under a sanitizer); fails the test when a child failed, or says "skipped"
 * where it cannot be done.
 */
u32 step_every(const struct step_case *c);

#endif /* ZC_SELFTESTS_STEP_H */
