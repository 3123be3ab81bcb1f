/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * mask.pml - a stopped reaper clears a new reader's active bit
 *
 * Stands for: the active mask in lib/core/reaper.c and the join in lib/reader.c.
 *
 * The reaper clears the mask bit first, the slot second; the joiner takes the slot
 * first, the mask second. A reaper that stopped after loading the mask must not
 * clear the bit of the reader that took the slot in the meantime: the mask word
 * carries a version and is changed by CAS only.
 *
 * @variant base       quick pass
 * @variant no_version quick fail:joined -DMUT_NO_VERSION
 * @variant plain_and  quick fail:joined -DMUT_PLAIN_AND
 */
byte mask = 1, ver = 0;		/* one atomic word */
byte inc = 0;			/* the reader slot: incarnation ... */
bool dead = true;		/* ... and whether it is dead */
bool joined = false;		/* ghost: the new reader may rely on its bit */

proctype Reaper()
{
	byte m, v;
	bool d;

	atomic { m = mask; v = ver };
	d = (inc == 0 && dead);
	if
	:: d ->
		if
		:: !(m & 1)	/* cleared already */
		:: else ->
#if defined(MUT_PLAIN_AND)
			mask = mask & 254;
#elif defined(MUT_NO_VERSION)
			atomic { if :: mask == m -> mask = m & 254 :: else fi };
#else
			atomic { if :: mask == m && ver == v -> mask = m & 254; ver++ :: else fi };
#endif
			assert(!joined || (mask & 1))
		fi;
		atomic { if :: inc == 0 && dead && !(mask & 1) -> inc = 1; dead = false :: else fi }
	:: else
	fi
}

proctype Joiner()
{
	(inc == 1 && !dead);
	atomic { mask = mask | 1; ver++; joined = true };
	assert(mask & 1)
}

init {
	atomic { run Reaper(); run Reaper(); run Joiner() }
}
