/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * role_bell.pml - two roles that write to each other, and look only when they are rung
 *
 * Stands for: zc_role_send(), zc_role_mail_turn(), zc_role_look_again() in
 * lib/role_mail.c. What a mailbox is, mail.pml shows; here it is a number of messages
 * that may be read, and a number that collects beside it.
 *
 * A role has verbs, as many as it likes: one looks (a turn) when the bell is not what
 * was seen. Whoever hands something over rings the other's bell; whoever has something
 * left to be handed over sees to it that the bell is not what was seen, so that its next
 * verb looks, too. A turn that would change nothing is left out, so that roles that only
 * wait for each other can be told from such that go on.
 *
 * Asserted: when nobody has anything to do, all messages have arrived.
 *
 * @variant base          quick pass
 * @variant more          long  pass      -DK=4 -DROOM=2
 * @variant on            quick fail:lost -DMUT_ON
 * @variant full_unrung   quick fail:lost -DMUT_FULL_UNRUNG
 * @variant look_first    quick fail:lost -DMUT_LOOK_FIRST
 */
#ifndef K
#define K	3		/* messages of each */
#endif
#ifndef ROOM
#define ROOM	1		/* that collect */
#endif

byte version[2], read[2];	/* of the box that this role sends by */
byte shown[2], collected[2];
byte bell[2], seen[2], heard[2];	/* heard: the bell at the last turn */
byte got[2], sent[2];

#define OTHER		(1 - me)
#define BEHIND		(bell[me] != seen[me])
#define NEWS		(version[OTHER] != read[OTHER])
#define MAY_FLUSH	(collected[me] && read[me] == version[me])

inline flush(ring)
{
	if
	:: MAY_FLUSH ->
		d_step {
			shown[me] = collected[me];
			collected[me] = 0;
			version[me]++
		};
		if :: ring -> bell[OTHER]++ :: else fi
	:: else
	fi
}

inline look_again()
{
	if
	:: collected[me] ->
#ifdef MUT_ON
		seen[me]++
#else
		seen[me]--
#endif
	:: else
	fi
}

inline look()
{
	if
	:: NEWS -> d_step { got[me] = got[me] + shown[OTHER]; read[OTHER] = version[OTHER] }
	:: else
	fi
}

active [2] proctype Role()
{
	byte me = _pid, b;

end:
	do
	:: sent[me] < K && (collected[me] < ROOM || MAY_FLUSH) ->
		if
		:: collected[me] == ROOM ->
#ifdef MUT_FULL_UNRUNG
			flush(false)
#else
			flush(true)
#endif
		:: else
		fi;
		d_step { collected[me]++; sent[me]++ };
		flush(true);
		look_again()
	:: BEHIND && (heard[me] != bell[me] || NEWS || MAY_FLUSH) ->
#ifdef MUT_LOOK_FIRST
		look();
		b = bell[me];
#else
		b = bell[me];
		look();
#endif
		flush(true);
		d_step { seen[me] = b; heard[me] = b; b = 0 };
		look_again()
	od
}

active proctype Monitor()
{
	bool lost;

	timeout;
	lost = got[0] != K || got[1] != K;
	assert(!lost)
}
