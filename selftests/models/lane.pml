/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * lane.pml - packets from one node of the MessageRing to another
 *
 * Stands for: zc_node_put(), zc_node_take(), zc_node_begin() in lib/node.c.
 *
 * A lane of K places. Its owner fills a place (two words: a packet is more than one),
 * stores the sequence, then the head; whoever it is for copies, then stores the tail.
 * Both may die after any step, and somebody else takes their slots: the new owner goes
 * on where the head is, or one further if its predecessor died between sequence and
 * head; the new receiver begins at the head.
 *
 * Asserted: what is copied is one packet, whole; one receiver takes no packet twice and
 * none out of order; the owner never runs more than K ahead.
 *
 * @variant base        quick pass
 * @variant more        long  pass      -DNM=6 -DDEATHS=3
 * @variant seq_first   quick fail:a>last -DMUT_SEQ_FIRST
 * @variant tail_first  quick fail:a==b -DMUT_TAIL_FIRST
 * @variant no_fix      quick fail:a==b -DMUT_NO_FIX
 * @variant no_room     quick fail:a==b -DMUT_NO_ROOM
 */
#ifndef NM
#define NM	4		/* packets */
#endif
#ifndef DEATHS
#define DEATHS	2		/* of each side */
#endif
#define K	2

byte seq[K], one[K], two[K];
byte head = 0, tail = 0;

#define DIE	if :: deaths < DEATHS -> deaths++; goto again :: true fi

active proctype Owner()
{
	byte h, m = 0, deaths = 0;

again:	atomic {
		h = head;
#ifndef MUT_NO_FIX
		if :: seq[h % K] == h + 1 -> h++ :: else fi;
#endif
		head = h
	};
	do
	:: m < NM ->
#ifndef MUT_NO_ROOM
		h - tail < K;
#endif
		m++;
#ifdef MUT_SEQ_FIRST
		seq[h % K] = h + 1;
#endif
		one[h % K] = m;
		DIE;
		two[h % K] = m;
		DIE;
#ifndef MUT_SEQ_FIRST
		seq[h % K] = h + 1;
#endif
		DIE;
		h++;
		head = h
	:: else -> break
	od
}

active proctype Receiver()
{
	byte t, a, b, last, deaths = 0;

again:	t = head;
	tail = t;
	last = 0;
	do
	:: seq[t % K] == t + 1 ->
#ifdef MUT_TAIL_FIRST
		tail = t + 1;
#endif
		a = one[t % K];
		DIE;
		b = two[t % K];
		assert(a == b);		/* whole */
		assert(a > last);	/* in order, once */
		last = a;
		t++;
		DIE;
#ifndef MUT_TAIL_FIRST
		tail = t
#endif
	:: timeout -> break
	od;
	assert(head - tail <= K)
}
