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
 * takes it all by a CAS of what was read: a look at the version behind the copy adds
 * nothing to that.
 *
 * Asserted: what is taken is one message, whole; none is taken twice; when everything
 * is at rest, all were taken.
 *
 * @variant base            quick pass
 * @variant one_receiver    quick pass      -DNR=1
 * @variant plain_read      quick fail:taken -DMUT_PLAIN_READ
 * @variant no_wait         quick fail:all -DMUT_NO_WAIT
 * @variant read_first      quick fail:a==b -DMUT_READ_FIRST -DNR=1
 */
#ifndef NM
#define NM	4
#endif
#ifndef NR
#define NR	2
#endif

byte one[2], two[2];
byte version = 0, seen = 0;	/* seen: "read" of the code */
byte taken = 0;			/* bit m - 1: message m was */
bool all;

active proctype Sender()
{
	byte m = 1;

	do
	:: m <= NM ->
		one[(version + 1) % 2] = m;
		two[(version + 1) % 2] = m;
#ifndef MUT_NO_WAIT
		seen == version;
#endif
		version++;
		m++
	:: else -> break
	od
}

active [NR] proctype Receiver()
{
	byte v, was, a, b, n;

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
			a = one[v % 2];
			b = two[v % 2];
#ifdef MUT_READ_FIRST
			n = a;
#else
#ifdef MUT_PLAIN_READ
			seen = v; n = a;
#else
			atomic { if :: seen == was -> seen = v; n = a :: else -> n = 0 fi };
#endif
#endif
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
		v = 0; was = 0; a = 0; b = 0; n = 0
	od
}

active proctype Monitor()
{
	timeout;
	all = seen == version && taken == (1 << NM) - 1;
	assert(all)
}
