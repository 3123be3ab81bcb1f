/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * holds.pml - the fast path: commit, poll, release, reclaim
 *
 * Stands for: lib/writer_commit.c zc_writer_commit_block(); lib/reader.c
 * zc_reader_poll_block(), zc_reader_release_block() and the join; lib/core/reclaim.c (the
 * batch and the one CLEAN->FREE function); lib/core/reaper.c (a dead cleaner's
 * blocks).
 *
 * A writer that reclaims inline, a cleaner that may die with a block in CLEAN, a
 * reaper that finishes it or leaves it to (CLEAN, ORPHAN), a required reader that
 * joins at any time and may die, a hazard reader that walks history. Memory is
 * sequentially consistent here (store buffers: tso.pml). The ring does not wrap
 * (torn.pml, torn_reclaim.pml). Sequences start at 1; head and cursor are the
 * next sequence; hold 0 is none.
 *
 * Asserted: a held payload does not change (I2); a required reader finds every
 * message from its join on, in order (I3); at the end no block is lost (I4).
 *
 * no_snapshot_hold: the hold check of the snapshot (step 2) may be left out,
 * because CLEAN->FREE looks at every active reader's hold again, after CLEAN. It
 * is there to keep held blocks in USING. snapshot_only: for required readers the
 * snapshot alone would do, too, as long as it reads cursors before holds. Hazard
 * readers need the second look; without both a held block is freed.
 *
 * no_zero: a joiner leaves its predecessor's cursor in place, so that it is active
 * before its cursor is known. head_before_active: it loads head before it is active.
 * unpublished: a cleaner reclaims what is in the ring, but not below head.
 *
 * @variant base               quick pass -DREQ -DCLEANER -DNM=2
 * @variant orphan             quick pass -DHAZ -DCLEANER -DNM=3 opt=2
 * @variant two_readers        quick pass -DREQ -DHAZ -DNM=3 opt=2
 * @variant no_snapshot_hold   quick pass -DREQ -DNM=3 -DMUT_NO_SNAPSHOT_HOLD
 * @variant snapshot_only      quick pass -DREQ -DNM=3 -DMUT_NO_HAZARD_CHECK
 * @variant no_hazard_check    quick fail:data -DHAZ -DNM=3 -DMUT_NO_HAZARD_CHECK
 * @variant no_hold_check      quick fail:data -DREQ -DNM=3 -DMUT_NO_SNAPSHOT_HOLD -DMUT_NO_HAZARD_CHECK
 * @variant holds_before_curs  quick fail:data -DREQ -DNM=3 -DMUT_HOLDS_FIRST -DMUT_NO_HAZARD_CHECK
 * @variant cursor_before_hold quick fail:data -DREQ -DNM=3 -DMUT_CURSOR_FIRST
 * @variant no_zero            quick fail:data -DREQ -DNM=3 -DMUT_NO_ZERO
 * @variant head_before_active quick fail:data -DREQ -DNM=3 -DMUT_HEAD_BEFORE_ACTIVE
 * @variant unpublished        quick fail:data -DREQ -DCLEANER -DNM=2 -DMUT_UNPUBLISHED
 * @variant full2              long  pass -DREQ -DHAZ -DCLEANER -DNM=2 opt=2 hash=24 mem=8000
 * @variant full               long  pass -DREQ -DHAZ -DCLEANER -DNM=3 opt=2 hash=26 mem=8000 collapse=1 bounded=1
 */
#define NB	2		/* blocks */
#ifndef NM
#define NM	3		/* messages */
#endif
#define NR	2		/* readers: 0 is required, 1 is a hazard reader */

#define FREE	0
#define USING	1
#define CLEAN	2

#define NONE	0
#define WR	1
#define CL	2
#define ORPHAN	3

byte st[NB], own[NB], gen[NB];	/* the word of block b, atomic */
byte dseq[NB];			/* descriptor.sequence */
byte data[NB];			/* payload: 0 while it is written */
byte re_b[NM + 1], re_g[NM + 1], re_s[NM + 1];	/* ring entry of sequence s */
byte head = 1;
byte mask = 0;			/* active readers */
byte join_[NR], cur[NR], hold[NR];

bool cdead = false, cdone = false, wdone = false;

#define ACTIVE(m, r)	(((m) >> (r)) & 1)

/*
 * CLEAN->FREE for the word (CLEAN, o, g) of block b: the one function.
 * may_orphan: the caller is a reaper, which must not leave the dead owner's id.
 */
inline finish(may_orphan)
{
	q = dseq[b];
	m = mask;		/* reloaded after the fence */
	held = false;
#ifndef MUT_NO_HAZARD_CHECK
	r = 0;
	do
	:: r < NR ->
		if :: ACTIVE(m, r) && hold[r] == q -> held = true :: else fi;
		r++
	:: else -> break
	od;
#endif
	atomic {
		if
		:: st[b] == CLEAN && own[b] == o && gen[b] == g && !held ->
			st[b] = FREE; own[b] = NONE; gen[b]++
		:: st[b] == CLEAN && own[b] == o && gen[b] == g && held && may_orphan ->
			own[b] = ORPHAN; gen[b]++
		:: else
		fi;
		q = 0; m = 0; r = 0; held = false
	}
}

/* step 2: the required reader's cursor, then its hold. Reader 0 is the only one. */
inline snapshot()
{
#ifdef MUT_HOLDS_FIRST
	hd = hold[0];
	c = cur[0];
	j = join_[0]
#else
	c = cur[0];
	j = join_[0];
	hd = hold[0]
#endif
}

/* reclaim a batch: everything below head, once */
inline reclaim(me)
{
#ifdef MUT_UNPUBLISHED
	h = NM + 1;
#else
	h = head;
#endif
	m = mask;
	c = NM + 1; hd = 0; j = 0;
	if :: ACTIVE(m, 0) -> snapshot() :: else fi;
	m = 0;
	s = 1;
	do
	:: s < h ->
		ok = true;
		if :: s >= j && c <= s -> ok = false :: else fi;
#ifndef MUT_NO_SNAPSHOT_HOLD
		if :: hd == s -> ok = false :: else fi;
#endif
		if
#ifdef MUT_UNPUBLISHED
		:: ok && re_s[s] == s ->
#else
		:: ok ->
#endif
			b = re_b[s];
			g = re_g[s];
			o = me;
			atomic {
				if
				:: st[b] == USING && gen[b] == g && dseq[b] == s ->
					st[b] = CLEAN; own[b] = me
				:: else -> ok = false
				fi
			};
			if
			:: ok ->
				if
				:: me == CL && true -> goto died
				:: true
				fi;
				finish(false)
			:: else
			fi
		:: else
		fi;
		s++
	:: else -> break
	od;
	/* blocks that stayed in CLEAN: mine, and nobody's */
	b = 0;
	do
	:: b < NB ->
		atomic { ok = (st[b] == CLEAN && (own[b] == me || own[b] == ORPHAN)); o = own[b]; g = gen[b] };
		if :: ok -> finish(false) :: else fi;
		b++
	:: else -> break
	od;
	atomic { b = 0; o = 0; g = 0; h = 0; s = 0; c = 0; j = 0; hd = 0; ok = false }
}

proctype Writer()
{
	byte b, o, g, q, m, r, h, s, c, j, hd, n = 1, mb = 0;
	bool ok, held;

	do
	:: n <= NM ->
		if
		:: atomic { st[0] == FREE && own[0] == NONE -> own[0] = WR; gen[0]++; mb = 0 }
		:: atomic { st[0] != FREE && st[1] == FREE && own[1] == NONE -> own[1] = WR; gen[1]++; mb = 1 }
		:: atomic { st[0] != FREE && st[1] != FREE } -> reclaim(WR); goto again
		fi;
		data[mb] = 0;
		data[mb] = n;
		dseq[mb] = n;
		st[mb] = USING;
		re_b[n] = mb;
		re_g[n] = gen[mb];
		re_s[n] = n;
		atomic { head = n + 1; n++; mb = 0 };
again:		skip
	:: else -> break
	od;
	wdone = true;
	goto out;
died:	skip;			/* the label that reclaim() names for the cleaner */
out:	skip
}

proctype Cleaner()
{
	byte b, o, g, q, m, r, h, s, c, j, hd;
	bool ok, held;

	do
	:: !wdone -> reclaim(CL)
	:: else -> break
	od;
	cdone = true;
	goto out;
died:	cdead = true;
out:	skip
}

/* acts for a dead cleaner only; never writes an id of its own */
proctype Reaper()
{
	byte b = 0, o, g, q, m, r;
	bool held, ok;

	(cdead || cdone);
	if
	:: cdead ->
		do
		:: b < NB ->
			atomic { ok = (st[b] == CLEAN && own[b] == CL); o = own[b]; g = gen[b] };
			if :: ok -> finish(true) :: else fi;
			b++
		:: else -> break
		od;
		b = 0;
		do
		:: b < NB -> assert(own[b] != CL); b++
		:: else -> break
		od
	:: else
	fi
}

/* a required reader; a predecessor left its region as it was */
proctype Required()
{
	byte b, c;

#ifndef MUT_NO_ZERO
	atomic { cur[0] = 0; hold[0] = 0; join_[0] = 0 };	/* not active: nobody looks */
#endif
#ifdef MUT_HEAD_BEFORE_ACTIVE
	c = head;
	mask = mask | 1;
#else
	mask = mask | 1;
	c = head;
#endif
	cur[0] = c;
	join_[0] = c;
	do
	:: c <= NM ->
		if
		:: re_s[c] == c
		:: atomic { wdone && re_s[c] != c } -> break
		:: goto dead
		fi;
		b = re_b[c];
#ifdef MUT_CURSOR_FIRST
		cur[0] = c + 1;
		hold[0] = c;
#else
		hold[0] = c;
		cur[0] = c + 1;
#endif
		assert(data[b] == c);
		if :: true -> goto dead :: true fi;
		assert(data[b] == c);
		b = 0;
		hold[0] = 0;
		c++
	:: else -> break
	od;
dead:	mask = mask & 254
}

/* a hazard reader: history from sequence 1 on */
proctype Hazard()
{
	byte b, g, c = 1, h;
	bool ok;

	mask = mask | 2;
	h = head;
	do
	:: c < h ->
		b = re_b[c];
		g = re_g[c];
		hold[1] = c;
		ok = (st[b] == USING && gen[b] == g);
		if :: ok -> ok = (dseq[b] == c) :: else fi;
		if
		:: ok -> assert(data[b] == c); assert(data[b] == c)
		:: else
		fi;
		atomic { b = 0; g = 0; ok = false };
		hold[1] = 0;
		c++
	:: else -> break
	od;
	mask = mask & 253
}

init {
	byte b = 0;

	atomic {
		cur[0] = NM + 1; join_[0] = NM + 1;	/* the predecessor's leftovers */
		run Writer();
#ifdef CLEANER
		run Cleaner();
		run Reaper();
#endif
#ifdef REQ
		run Required();
#endif
#ifdef HAZ
		run Hazard()
#endif
	};
	(_nr_pr == 1);
	do
	:: b < NB ->
		assert(st[b] != FREE || own[b] == NONE);
		assert(!cdead || own[b] != CL);
		b++
	:: else -> break
	od
}
