/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bell.pml - a node of the MessageRing does not sleep beside a packet
 *
 * Stands for: zc_node_sleep(), zc_node_ring() in lib/node.c.
 *
 * Each sender's store of a packet sits in its store buffer until the fence, or until
 * it drains; its load of the bell does not wait for that. The sleeper sets the bell
 * (an exchange: a barrier), looks, sleeps while the bell is set; awake, it clears the
 * bell with a plain store, which may stay in its buffer. A sleep may end by itself
 * (SPURIOUS times). Slices are not modelled: a wake that is lost is lost for ever.
 *
 * Asserted: when nothing can move any more, nobody sleeps beside a packet.
 *
 * @variant base         quick pass
 * @variant spurious     quick pass      -DSPURIOUS=2
 * @variant no_fence     quick fail:lost -DMUT_NO_FENCE
 * @variant look_first   quick fail:lost -DMUT_LOOK_FIRST
 * @variant plain_bell   quick fail:lost -DMUT_PLAIN_BELL
 */
#ifndef SPURIOUS
#define SPURIOUS	0
#endif
#define NS	2		/* senders, with two packets each */

byte sent[NS], taken[NS];	/* sent: as all see it */
byte buffered[NS];		/* what a sender's buffer has not yet stored */
bool bell = false, asleep = false;
bool clearing = false;		/* the sleeper's buffer has bell = 0 in it */
bool setting = false;		/* and a mutant's bell = 1 */

#define READY	(sent[0] > taken[0] || sent[1] > taken[1])

active [NS] proctype Sender()
{
	byte n = 0;
	bool b;

	do
	:: n < 2 ->
		buffered[_pid]++;
#ifndef MUT_NO_FENCE
		atomic { sent[_pid] = sent[_pid] + buffered[_pid]; buffered[_pid] = 0 };
#endif
		b = bell;
		if
		:: b -> atomic {	/* exchange: a barrier */
				sent[_pid] = sent[_pid] + buffered[_pid];
				buffered[_pid] = 0;
				b = bell;
				bell = false
			};
			if :: b -> asleep = false :: else fi	/* FUTEX_WAKE */
		:: else
		fi;
		n++
	:: else -> break
	od
}

active proctype Buffers()
{
end:
	do
	:: atomic { buffered[0] -> sent[0]++; buffered[0]-- }
	:: atomic { buffered[1] -> sent[1]++; buffered[1]-- }
	:: atomic { clearing -> bell = false; clearing = false }
	:: atomic { setting && !clearing -> bell = true; setting = false }
	od
}

active proctype Sleeper()
{
	byte spurious = 0;
	bool ready;

	do
	:: READY -> atomic { taken[0] = sent[0]; taken[1] = sent[1] }
	:: else ->
#ifdef MUT_LOOK_FIRST
		ready = READY;
#endif
#ifdef MUT_PLAIN_BELL
		setting = true;
#else
		atomic {		/* exchange: a barrier */
			if :: clearing -> clearing = false :: else fi;
			bell = true
		};
#endif
#ifndef MUT_LOOK_FIRST
		ready = READY;
#endif
		if
		:: ready
		:: else ->
			/* The kernel's compare: a barrier, and one step with the queue. */
			atomic {
#ifdef MUT_PLAIN_BELL
				if :: setting -> bell = true; setting = false :: else fi;
#endif
				if :: bell -> asleep = true :: else fi
			};
end:
			if
			:: !asleep
			:: atomic { asleep && spurious < SPURIOUS -> asleep = false; spurious++ }
			fi
		fi;
		ready = false;
		clearing = true
	od
}

active proctype Monitor()
{
	bool lost;

	timeout;
	lost = asleep && READY;
	assert(!lost)
}
