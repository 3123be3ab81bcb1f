/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bulk.pml - a writer takes back what it published by plain stores
 *
 * Stands for: zc_bulk_*() and zc_reclaim_one() in lib/writer_reclaim.c,
 * zc_slot_reclaim() in lib/core/reclaim.c, zc_poll_hazard() in lib/reader_poll.c,
 * zc_reap_taking() in lib/core/reaper.c, zc_service_drain() in lib/core/service.c.
 *
 * Sequences 1 and 2 are published, a third (MORE) is not yet. The writer takes back a
 * batch of one or two, once or more often, and writes into each block that it got;
 * dies between any two steps (DIES), is reaped and adopted. Beside it: a foreigner that
 * takes back by CAS, and may die (REAP) under two reapers, one of which may be slow; a
 * caller without a role (ORPHAN), who looks for an unused slot; a hazard reader; and a
 * required reader that holds 1.
 *
 * Writer, foreigner and hazard reader have store buffers (x86-TSO), where a CAS on a
 * word drains the own one. That which sets a bit in a mask does not: a full fence does,
 * and where that is left out this is a machine whose CAS is none. The writer's buffer
 * is empty when it commits. What reapers of the dead writer do to each other is in
 * adoption.pml and death_commit.pml.
 *
 * Asserted: a plain store hits a word only that is what was committed (owner); nobody
 * writes into, or frees, what somebody reads (data); after the last death and a pass
 * nothing is left (leak); and when the writer rests and nobody holds anything, others
 * get all below its tail, and all before its first batch (kept).
 *
 * deferred_below: what is deferred leaves USING by CAS only, so that own_below need not
 * count for it; and must not, or what a reader has released waits for a writer that has
 * nothing to send. below_kept: for the same reason an adopter, who takes back by CAS what
 * is older than itself, begins with own_below at its tail. hazard_dead: a hazard reader
 * may go on below own_below where it finds the writer not LIVE. word_first: but then the
 * word must be one from after that, for the writer may have taken the block in between.
 *
 * @variant base            quick pass -DFOREIGN -DMORE opt=2
 * @variant hazard          quick pass -DHAZ -DMORE opt=2
 * @variant required        quick pass -DREQ -DFOREIGN opt=2
 * @variant orphan          quick pass -DORPH -DDIES -DMORE opt=2
 * @variant adopted         quick pass -DFOREIGN -DDIES -DMORE opt=2
 * @variant hazard_dead     quick pass -DHAZ -DDIES -DMORE -DDEAD_READS opt=2
 * @variant reaped          quick pass -DFOREIGN -DREAP opt=2
 * @variant no_fence        quick fail:owner -DFOREIGN -DMUT_NO_FENCE
 * @variant no_fence_hazard quick fail:data  -DHAZ -DMUT_NO_FENCE
 * @variant no_taking       quick fail:owner -DFOREIGN -DMUT_NO_TAKING
 * @variant no_hazard       quick fail:data  -DHAZ -DMUT_NO_HAZARD
 * @variant no_holds        quick fail:data  -DREQ -DMUT_NO_HOLDS
 * @variant below_first     quick fail:owner -DFOREIGN -DMUT_BELOW_FIRST
 * @variant no_taker_fence  quick fail:owner -DFOREIGN -DMUT_NO_TAKER_FENCE
 * @variant no_below        quick fail:data  -DHAZ -DMUT_NO_BELOW
 * @variant no_hold_fence   quick fail:data  -DHAZ -DMUT_NO_HOLD_FENCE
 * @variant word_first      quick fail:data  -DHAZ -DDIES -DMORE -DDEAD_READS -DMUT_WORD_FIRST opt=2
 * @variant no_compare      quick fail:owner -DFOREIGN -DMUT_NO_COMPARE
 * @variant plain_and       quick fail:owner -DFOREIGN -DREAP -DMUT_PLAIN_AND
 * @variant no_version      quick fail:owner -DFOREIGN -DREAP -DMUT_NO_VERSION
 * @variant life_first      quick fail:owner -DORPH -DDIES -DMORE -DMUT_LIFE_FIRST
 * @variant orphan_live     quick fail:owner -DORPH -DMUT_ORPHAN_LIVE
 * @variant old_in_bulk     quick fail:owner -DORPH -DDIES -DMUT_OLD_IN_BULK
 * @variant deferred_below  quick fail:kept  -DREQ -DFOREIGN -DMUT_DEFERRED_BELOW
 * @variant below_kept      quick fail:kept  -DFOREIGN -DDIES -DMUT_BELOW_KEPT
 */
#define NB	2		/* blocks */
#define NM	3		/* messages, the last with MORE */
#ifdef DIES
#define LIVES	2		/* of the writer */
#else
#define LIVES	1
#endif
#ifdef REAP
#define TAKERS	2		/* lives of the foreigner */
#else
#define TAKERS	1
#endif

#define FREE	0
#define USING	1
#define CLEAN	2

#define NONE	0
#define WR	1
#define FO	2
#define ORPHAN	3

#define IDLE	0
#define LIVE	1
#define REAPING	2

mtype = { BELOW, WORD, FILL, TAKE, HOLD };

byte st[NB], own[NB], gen[NB];	/* the word of block b, atomic */
byte dseq[NB];			/* descriptor.sequence */
byte re_b[NM + 1], re_g[NM + 1];	/* ring entries */
byte head = 3, tail = 1, own_below = 1;
byte def;			/* the deferred array: a bit for each sequence */
byte slot = LIVE;		/* the writer's life */
byte fslot = LIVE, finc;	/* the foreigner's */
bool taking;			/* its bit, and ... */
byte version;			/* ... the mask's version: one word */
bool hazard;			/* the hazard mask */
byte hold;			/* the hazard reader's */
byte rhold = 1, rcur = 3;	/* the required reader's */
bool ractive;
bool begun;			/* ghost: this incarnation began a batch */
byte reads = NB, rreads = NB;	/* ghosts: block that a reader was told it has */
bool wdone, fdone, hdone, rdone, odone;
bool owner = true, data = true, kept = true, leak;	/* ghosts: names for pan */

chan bw = [6] of { mtype, byte };	/* store buffers: the writer's */
chan bf = [2] of { mtype, byte };	/* the foreigner's */
chan bh = [2] of { mtype, byte };	/* the hazard reader's */

#define DEFERRED(s)	((def >> (s)) & 1)
#define IS(b, s, g)	(st[b] == USING && own[b] == WR && gen[b] == g && dseq[b] == s)
#define HELD(s)		(hold == (s) || (ractive && rhold == (s)))
#define READ(b)		(reads == (b) || rreads == (b))

/* somebody may write into it from here on */
inline unread(b)
{
	data = !READ(b);
	assert(data)
}

inline drain(buf)
{
	atomic {
		buf?k, v;
		if
		:: k == BELOW -> own_below = v
		:: k == WORD ->
			owner = (st[v] == USING && own[v] == WR && gen[v] == want[v]);
			assert(owner);
			st[v] = FREE; gen[v]++
		:: k == FILL -> unread(v)
		:: k == TAKE -> taking = true; version++
		:: k == HOLD -> hold = v
		fi;
		k = HOLD; v = 0
	}
}

byte want[NB];			/* ghost: the generation that the writer takes back */

proctype Buffers()
{
	mtype k = HOLD;
	byte v;
end:
	do
	:: drain(bw)
	:: drain(bf)
	:: drain(bh)
	od
}

#ifdef DIES
#define DIE	if :: life + 1 < LIVES -> goto died :: true fi
#else
#define DIE	skip
#endif

/* CAS, fence, holds: how everybody else does it, and the writer when it must */
inline one_by_cas()
{
	empty(bw);
	atomic {
		if
		:: IS(b, s, g) -> st[b] = CLEAN
		:: else -> g = 255
		fi
	};
	if
	:: g == 255
	:: else ->
		DIE;
		if
		:: hazard && HELD(s) -> def = def | (1 << s)	/* stays CLEAN */
		:: else ->
			DIE;
			atomic { st[b] = FREE; gen[b]++; mine = mine | (1 << b); unread(b) }
		fi
	fi
}

/* [R5] one batch */
inline batch()
{
	begun = true;
	bw!BELOW(limit);
#ifndef MUT_NO_FENCE
	empty(bw);
#endif
	old = false;
#ifndef MUT_NO_TAKING
	old = taking;
#endif
#ifndef MUT_NO_HAZARD
	if :: hazard -> old = true :: else fi;
#endif
	s = tail;
	do
	:: s < limit ->
		DIE;
		b = re_b[s];
		g = re_g[s];
		if
		:: (held >> s) & 1 ->
			def = def | (1 << s)
#ifndef MUT_OLD_IN_BULK
		:: !((held >> s) & 1) && (old || s < first) ->
#else
		:: !((held >> s) & 1) && old ->
#endif
			one_by_cas()
		:: else ->
			if
#ifndef MUT_NO_COMPARE
			:: !IS(b, s, g)		/* somebody took it */
			:: IS(b, s, g) ->
#else
			:: true ->
#endif
				want[b] = g;
				bw!WORD(b);
				bw!FILL(b);
				mine = mine | (1 << b)
			fi
		fi;
		s++
	:: else -> break
	od;
	tail = limit;
	atomic { s = 0; b = 0; g = 0; limit = 0; old = false }
}

/* what was deferred, by CAS */
inline deferred()
{
	s = 1;
	do
	:: s < NM ->
		if
		:: DEFERRED(s) && !HELD(s) ->
			b = re_b[s];
			g = re_g[s];
			empty(bw);
			atomic {
				if
				:: IS(b, s, g) -> st[b] = CLEAN
				:: !IS(b, s, g) && st[b] == CLEAN && own[b] == WR && gen[b] == g
				:: else -> g = 255; def = def & ~(1 << s)
				fi
			};
			if
			:: g != 255 && !HELD(s) ->
				atomic {
					st[b] = FREE; gen[b]++; mine = mine | (1 << b);
					unread(b);
					def = def & ~(1 << s)
				}
			:: else
			fi
		:: else
		fi;
		s++
	:: else -> break
	od;
	atomic { s = 0; b = 0; g = 0 }
}

/* all the incarnations of the slot, one after the other */
proctype Writer()
{
	byte s, b, g, limit, first = 1, look, life, mine, held;
	bool old;

again:	do
	:: tail < head ->
		/* the look: steps 1 and 2 */
		atomic {
			look = head;
			if :: ractive && rcur < look -> look = rcur :: else fi
		};
		held = 0;
#ifndef MUT_NO_HOLDS
		if :: ractive && rhold -> held = 1 << rhold :: else fi;
#endif
		if
		:: look > tail ->
			if
			:: limit = tail + 1
			:: look > tail + 1 -> limit = look
			fi;
			batch()
		:: else
		fi
	:: def && !wdone -> deferred()
#ifdef MORE
	:: head <= NM ->
		empty(bw);
		if
		:: mine & 1 -> b = 0
		:: mine & 2 -> b = 1
		:: atomic { st[0] == FREE && own[0] == NONE -> own[0] = WR; gen[0]++; mine = mine | 1; b = 0 }
		:: atomic { st[1] == FREE && own[1] == NONE -> own[1] = WR; gen[1]++; mine = mine | 2; b = 1 }
		:: else -> goto again
		fi;
		bw!FILL(b);
		empty(bw);
		dseq[b] = head;
		DIE;
		atomic {
			st[b] = USING;
			re_b[head] = b; re_g[head] = gen[b];
			head++;
			mine = mine & ~(1 << b);
			b = 0
		}
#endif
	:: true -> break
	od;
	DIE;
	goto out;

#ifdef DIES
died:	empty(bw);
	/* a proven death; what the reaper's pass does */
	slot = REAPING;
	b = 0;
	do
	:: b < NB ->
		atomic {
			if
			:: st[b] == FREE && own[b] == WR -> own[b] = NONE; gen[b]++
			:: st[b] == CLEAN && own[b] == WR ->
				if
				:: HELD(dseq[b]) -> own[b] = ORPHAN; gen[b]++
				:: else -> st[b] = FREE; own[b] = NONE; gen[b]++; unread(b)
				fi
			:: else
			fi;
			b++
		}
	:: else -> break
	od;
	slot = IDLE;
	/* the adopter */
	atomic {
		slot = LIVE;
		first = head; tail = 1; def = 0; begun = false;
		life++;
		s = 0; b = 0; g = 0; limit = 0; old = false; mine = 0; held = 0; look = 0
	};
#ifndef MUT_BELOW_KEPT
	bw!BELOW(1);
#endif
	goto again;
#endif
out:	empty(bw);
	wdone = true
}

#ifdef REAP
#define MAY_DIE	if :: finc + 1 < TAKERS -> goto died :: true fi
#else
#define MAY_DIE	skip
#endif

/* a foreigner's pass over one sequence */
inline take_one(me)
{
	b = re_b[s];
	g = re_g[s];
	if
	:: IS(b, s, g) && !HELD(s) ->
		atomic {
			if
			:: IS(b, s, g) -> st[b] = CLEAN; own[b] = me
			:: else -> g = 255
			fi
		};
		if
		:: g == 255
		:: else ->
			MAY_DIE;
			if
			:: HELD(s) -> atomic { own[b] = ORPHAN; gen[b]++ }
			:: else -> MAY_DIE; atomic { st[b] = FREE; own[b] = NONE; gen[b]++; unread(b) }
			fi
		fi
	:: else
	fi;
	atomic { b = 0; g = 0 }
}

#ifdef FOREIGN
proctype Foreigner()
{
	byte s, b, g, below, h, i, pass;

	/* once at any time, and once when all else is over */
again:	do
	:: pass == 2 -> break
	:: pass == 0 || (pass == 1 && wdone && hdone && rdone && odone) ->
#ifdef MUT_BELOW_FIRST
		below = own_below;
#endif
		bf!TAKE(0);
#ifndef MUT_NO_TAKER_FENCE
		empty(bf);
#endif
		MAY_DIE;
		i = slot;
		h = head;
#ifndef MUT_BELOW_FIRST
		below = own_below;
#endif
		if :: i != LIVE -> below = 0 :: else fi;
		i = 0;
		s = 1;
		do
		:: s < h ->
			if
#ifdef MUT_DEFERRED_BELOW
			:: s >= below && !(ractive && s >= rcur) ->
#else
			:: (s >= below || DEFERRED(s)) && !(ractive && s >= rcur) ->
#endif
				empty(bf);
				take_one(FO)
			:: else
			fi;
			s++
		:: else -> break
		od;
		empty(bf);
		MAY_DIE;
		atomic { taking = false; version++ };
		atomic { s = 0; h = 0; below = 0; pass++ }
	od;
	goto out;
#ifdef REAP
died:	empty(bf);
	fslot = REAPING;
	atomic {
		fslot == IDLE -> fslot = LIVE; finc++;
		s = 0; b = 0; g = 0; h = 0; below = 0; i = 0; pass = 0
	};
	goto again;
#endif
out:	b = 0;
	do
	:: b < NB ->
		kept = !(st[b] == USING && (dseq[b] < tail || !begun));
		assert(kept);
		b++
	:: else -> break
	od;
	fdone = true
}

#ifdef REAP
/* reaps the foreigner; may be slow at any step */
proctype Reaper()
{
	byte b, v, x, S, O, G;
	bool m, ok;
end:
	do
	:: atomic { fslot == REAPING -> x = finc };
again:		atomic { m = taking; v = version };
		/* [M1] the mask, then the slot, then exactly that mask */
		if
		:: fslot == REAPING && finc == x ->
			if
			:: m ->
#if defined(MUT_PLAIN_AND)
				taking = false;
#elif defined(MUT_NO_VERSION)
				atomic { if :: taking == m -> taking = false; version++ :: else fi };
#else
				atomic {
					if
					:: taking == m && version == v -> taking = false; version++; ok = true
					:: else -> ok = false
					fi
				};
				if :: !ok -> goto again :: else fi;
#endif
			:: else
			fi;
			b = 0;
			do
			:: b < NB ->
				atomic { S = st[b]; O = own[b]; G = gen[b] };
				if
				:: S == CLEAN && O == FO && fslot == REAPING && finc == x ->
					ok = HELD(dseq[b]);
					atomic {
						if
						:: st[b] == S && own[b] == O && gen[b] == G && ok ->
							own[b] = ORPHAN; gen[b]++
						:: st[b] == S && own[b] == O && gen[b] == G && !ok ->
							st[b] = FREE; own[b] = NONE; gen[b]++; unread(b)
						:: else
						fi
					}
				:: else
				fi;
				b++
			:: else -> break
			od;
			atomic { if :: fslot == REAPING && finc == x -> fslot = IDLE :: else fi }
		:: else
		fi;
		atomic { b = 0; v = 0; x = 0; S = 0; O = 0; G = 0; m = false; ok = false }
	od
}
#endif
#endif

#ifdef ORPH
/* without a role: no bit, so only where nobody lives, and only what was there before */
proctype Orphan()
{
	byte s = 1, b, g, h, i;

#ifdef MUT_LIFE_FIRST
	i = slot;
	h = head;
#else
	h = head;
	i = slot;
#endif
	if
#ifdef MUT_ORPHAN_LIVE
	:: true ->
#else
	:: i == IDLE ->
#endif
		do
		:: s < h -> take_one(ORPHAN); s++
		:: else -> break
		od
	:: else
	fi;
	odone = true
}
#endif

#ifdef HAZ
/* walks history; released before the next */
proctype Hazard()
{
	byte s = 1, b, g;
	bool ok;
#ifdef MUT_WORD_FIRST
	bool word;
#endif

	hazard = true;			/* before it is active; a full fence */
	do
	:: s < head ->
		b = re_b[s];
		g = re_g[s];
		bh!HOLD(s);
#ifndef MUT_NO_HOLD_FENCE
		empty(bh);
#endif
#ifdef MUT_WORD_FIRST
		word = IS(b, s, g);
#endif
#ifdef MUT_NO_BELOW
		ok = true;
#else
		ok = (s >= own_below);
#ifdef DEAD_READS
		if :: !ok -> ok = (slot != LIVE) :: else fi;
#endif
#endif
#ifdef MUT_WORD_FIRST
		/* the sequence once more, as in C: it says nothing as long as nobody commits */
		if
		:: ok && word && dseq[b] == s -> reads = b; data = IS(b, s, g); assert(data)
		:: else
		fi;
#else
		if
		:: ok -> atomic { if :: IS(b, s, g) -> reads = b :: else fi }
		:: else
		fi;
#endif
		reads = NB;
		bh!HOLD(0);
		empty(bh);
		atomic { s++; b = 0; g = 0; ok = false }
	:: else -> break
	od;
	hazard = false;
	hdone = true
}
#endif

#ifdef REQ
proctype Required()
{
	rreads = NB;
	rhold = 0;
	ractive = false;
	rdone = true
}
#endif

init {
	byte b;

	atomic {
		st[0] = USING; own[0] = WR; dseq[0] = 1; re_b[1] = 0;
		st[1] = USING; own[1] = WR; dseq[1] = 2; re_b[2] = 1;
		hdone = true; rdone = true; odone = true; fdone = true;
		run Buffers();
		run Writer();
#ifdef HAZ
		hdone = false; run Hazard();
#endif
#ifdef REQ
		rdone = false; ractive = true; rreads = 0; run Required();
#endif
#ifdef ORPH
		odone = false; run Orphan();
#endif
#ifdef FOREIGN
		fdone = false; run Foreigner();
#ifdef REAP
		run Reaper(); run Reaper();
#endif
#endif
	};
	wdone && fdone && hdone && rdone && odone;
	do
	:: b < NB ->
		leak = (st[b] == CLEAN && own[b] != ORPHAN && !(own[b] == WR && DEFERRED(dseq[b])));
		assert(!leak);
		b++
	:: else -> break
	od
}
