/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * mail.pml - a mailbox with two buffers, one sender, two who believe they are its receiver
 *
 * Stands for: zc_mail_put(), zc_mail_flush(), zc_mail_take() in lib/mail.c. Two
 * receivers: the cleaner on duty, and one that was, was stopped, and goes on.
 *
 * A buffer is two words (a message is more than one). The sender fills the buffer that
 * may not be read, word by word, looks whether the last version was read, and stores the
 * next version. A receiver loads version and what was read, copies, and
 * takes it all by a CAS of what was read. A look at the version behind the copy adds
 * nothing to that, until another sender has the box: it begins with a version that no
 * other had, and with empty buffers, and does not wait for the first to be read.
 *
 * Asserted: what is taken is one message, whole; none is taken twice; when everything
 * is at rest, all were taken (of the last sender).
 *
 * @variant base            quick pass
 * @variant one_receiver    quick pass      -DNR=1
 * @variant plain_read      quick fail:taken -DMUT_PLAIN_READ
 * @variant no_wait         quick fail:all -DMUT_NO_WAIT
 * @variant read_first      quick fail:a==b -DMUT_READ_FIRST -DNR=1
 * @variant sender_anew     quick pass      -DANEW=2
 * @variant no_second_look  quick fail:a==b -DANEW=2 -DMUT_NO_SECOND_LOOK
 */
#ifndef NM
#define NM	4
#endif
#ifndef NR
#define NR	2
#endif
#ifndef ANEW
#define ANEW	0	/* messages of a second sender */
#endif

byte one[2], two[2], filled[2];
byte version = 0, seen = 0;	/* seen: "read" of the code */
byte taken = 0;			/* bit m - 1: message m was */
bool all;

active proctype Sender()
{
	byte m = 1;
	bool first = true;

	do
	:: m <= NM + ANEW ->
		if
		:: m == NM + 1 ->
			filled[0] = 0;
			filled[1] = 0;
			version = 16;
			first = true
		:: else
		fi;
		one[(version + 1) % 2] = m;
		two[(version + 1) % 2] = m;
#ifndef MUT_NO_WAIT
		(first || seen == version);
#endif
		filled[(version + 1) % 2] = 1;
		version++;
		first = false;
		m++
	:: else -> break
	od
}

active [NR] proctype Receiver()
{
	byte v, was, a, b, n, f;

end:
	do
	:: seen != version ->
		was = seen;
		v = version;
		if
		:: v != was ->
#ifdef MUT_READ_FIRST
			seen = v;
#endif
			f = filled[v % 2];
			a = one[v % 2];
			b = two[v % 2];
#ifdef MUT_READ_FIRST
			n = a;
#else
#ifdef MUT_PLAIN_READ
			seen = v; n = a;
#else
			if
#ifndef MUT_NO_SECOND_LOOK
			:: version != v -> n = 0
#endif
			:: else ->
				atomic { if :: seen == was -> seen = v; n = a :: else -> n = 0 fi }
			fi;
#endif
#endif
			if
			:: !f -> n = 0
			:: else
			fi;
			if
			:: n ->
				assert(a == b);
				atomic {
					assert(!(taken & (1 << (n - 1))));
					taken = taken | (1 << (n - 1))
				}
			:: else
			fi
		:: else
		fi;
		v = 0; was = 0; a = 0; b = 0; n = 0; f = 0
	od
}

active proctype Monitor()
{
	timeout;
	all = seen == version && (taken | ((1 << NM) - 1) * (ANEW != 0)) ==
				 (1 << (NM + ANEW)) - 1;
	assert(all)
}
