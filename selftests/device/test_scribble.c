/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_scribble.c - a member that may write, writes over all that it may write, while
 * others write, read, look, clean, die by kill -9 and are reaped.
 *
 * Such a one can lose the pool's messages.  It can not make anybody crash or hang, lead
 * a reader out of the data segments, or have the kernel say what is not so: each death is
 * told once, what the dead were is free, and the pool goes with its last member.
 *
 * A scene is a pool; the judge is a member by hand, who only reads what the kernel
 * alone writes.  With $ZC_TEST_LONG scenes go on for 60 s.  $ZC_SEED: which.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "scribble.h"

#define SCENES 3
#define KILLS 12
#define LONG_NS 60000000000ULL

/* What is known of whoever sits there. */
struct sitter {
	struct t_peer *peer;
	uint32_t member, incarnation;
	bool joined, left, killed, died;
};

static struct sitter sitter[SCRIBBLE_SEATS];
static struct d_member judge;
static uint64_t deaths, all_deaths, all_kills;

static void hear_event(const struct zc_device_event *event)
{
	struct sitter *s = NULL;

	CHECK_OP(event->type, !=, ZC_DEVICE_EVENT_OVERFLOW);
	for (int i = 0; i < SCRIBBLE_SEATS; i++)
		if (sitter[i].peer && (uint32_t)sitter[i].peer->pid == event->pid)
			s = &sitter[i];
	switch (event->type) {
	case ZC_DEVICE_EVENT_MEMBER_JOINED:
		if (!s)
			return;
		CHECK(!s->joined);
		s->joined = true;
		s->member = event->member;
		s->incarnation = event->incarnation;
		return;
	case ZC_DEVICE_EVENT_MEMBER_LEFT:
		/* Who was killed before it had its lease was never more than that. */
		if (s)
			s->left = true;
		return;
	case ZC_DEVICE_EVENT_MEMBER_DIED:
		/* Only who was killed, and once. */
		CHECK(s && s->killed && s->joined && !s->died);
		CHECK_EQ(event->member, s->member);
		CHECK_EQ(event->incarnation, s->incarnation);
		CHECK(event->reap_ns);
		s->died = true;
		deaths++;
		return;
	default:
		return;
	}
}

static void hear_events(int timeout_ms)
{
	struct pollfd p = { .fd = judge.fd, .events = POLLIN };
	struct zc_device_event event;

	while (poll(&p, 1, timeout_ms) == 1) {
		CHECK(read(judge.fd, &event, sizeof(event)) == sizeof(event));
		hear_event(&event);
		timeout_ms = 0;
	}
}

static struct zc_ioc_stat look(void)
{
	struct zc_ioc_stat stat;

	CHECK_CALL(judge.fd, ZC_IOC_STAT, &stat, 0);
	return stat;
}

/* --- seats ---------------------------------------------------------------------------- */

static void seat_one(unsigned int at)
{
	static const struct {
		const char *name;
		void (*lives)(void *);
	} life[SCRIBBLE_SEATS + 1] = {
		[SCRIBBLER] = { "scribbler", scribbles },
		[WRITER] = { "writer", goes_on_writing },
		[READER] = { "reader", goes_on_reading },
		[OTHER] = { "onlooker", goes_on_looking },
		[OTHER + 1] = { "by hand", goes_on_by_hand },
	};
	struct scribble_seat *seat = &scribble->seat[at];
	unsigned int n = at == OTHER ? at + (unsigned int)t_rand_below(2) : at;

	memset(&sitter[at], 0, sizeof(sitter[at]));
	seat->spawned++;
	seat->opened = 0;
	sitter[at].peer = t_spawn(life[n].name, life[n].lives, NULL);
}

/* Nobody ends by himself: by a check that failed, or by a signal. */
static void check_alive(void)
{
	for (unsigned int i = 0; i < SCRIBBLE_SEATS; i++) {
		struct t_peer *peer = sitter[i].peer;

		if (!peer || peer->gone || sitter[i].killed || !t_ended(peer))
			continue;
		t_reap(peer);
		T_FAIL("%s was ended by signal %d (%s)", peer->name,
		       WTERMSIG(peer->status), strsignal(WTERMSIG(peer->status)));
	}
}

/* It does something: no call that it makes takes for ever. */
static void await_steps(unsigned int at, uint64_t steps)
{
	uint64_t *word = &scribble->seat[at].steps;
	uint64_t until = __atomic_load_n(word, __ATOMIC_SEQ_CST) + steps;

	while (__atomic_load_n(word, __ATOMIC_SEQ_CST) < until) {
		check_alive();
		if (!t_left_ns())
			T_FAIL("%s hangs", sitter[at].peer->name);
		hear_events(1);
	}
}

static void kill_one(unsigned int at)
{
	struct sitter *s = &sitter[at];

	await_steps(at, t_rand_below(4) ? t_rand_below(100) : t_rand_below(4));
	hear_events(0);
	check_alive();
	s->killed = true;
	t_kill_only(s->peer);
	/* Others go on, and there is room for 256 events. */
	while (!t_ended(s->peer) && t_left_ns())
		hear_events(1);
	t_reap(s->peer);
	CHECK(WIFSIGNALED(s->peer->status));
	CHECK_EQ(WTERMSIG(s->peer->status), SIGKILL);
	hear_events(0);
	CHECK(s->joined || !scribble->seat[at].opened);
	CHECK(!s->left || !scribble->seat[at].opened);
	while (s->joined && !s->left && !s->died) {
		if (!t_left_ns())
			T_FAIL("member %u: nobody said that it died", s->member);
		check_alive();
		hear_events(100);
	}
	s->peer = NULL;
	all_kills++;
}

/* --- scenes ---------------------------------------------------------------------------- */

static void begin(uint64_t seed, uint32_t flags, uint32_t more)
{
	static const uint64_t granules[] = { 64, 512, 4096 };
	struct zc_ioc_create arg = d_create_arg(0);

	scribble->seed = seed;
	t_srand(seed);
	arg.granule_bytes = granules[t_rand_below(3)];
	arg.segment_bytes = arg.granule_bytes * 64 << t_rand_below(3);
	arg.bytes = arg.segment_bytes * (1 + t_rand_below(4));
	arg.max_segments = (uint32_t)(arg.bytes / arg.segment_bytes) + more;
	arg.ring_entries = 16U << t_rand_below(3);
	arg.max_holds = 1U << t_rand_below(5);
	if (arg.max_holds < 8)
		arg.max_holds = 8;
	d_join(&judge, d_create_with(&arg), flags);
	judge_fd = judge.fd;
	deaths = 0;
}

/* What the kernel says is so, and nothing of anybody is left. */
static void end(void)
{
	uint8_t name[ZC_NAME_BYTES];
	struct zc_ioc_open arg = { .flags = 0 };
	struct zc_ioc_stat stat;
	struct t_peer *peer;
	int device = d_open();

	hear_events(0);
	stat = look();
	CHECK_EQ(stat.deaths, deaths);
	CHECK_EQ(stat.members, 1);
	CHECK_EQ(stat.reaping, 0);
	CHECK_EQ(stat.member, judge.index);
	all_deaths += deaths;
	for (uint32_t i = 0; i < ZC_MAX_MEMBERS; i++)
		CHECK_EQ(d_record(&judge, i)->life & 0xffff,
			 i == judge.index ? ZC_LIFE_LIVE : ZC_LIFE_IDLE);
	for (uint32_t i = 0; i < ZC_MAX_WRITERS; i++) {
		CHECK_EQ(d_slot(&judge, i)->life & 0xffff, ZC_LIFE_IDLE);
		CHECK_EQ((uint32_t)d_slot(&judge, i)->active, 0);
		CHECK_EQ((uint32_t)d_slot(&judge, i)->hazard, 0);
	}
	d_leave(&judge);
	d_name(name, 0);
	memcpy(arg.name, name, sizeof(name));
	T_UNTIL(d_call(device, ZC_IOC_OPEN, &arg) == ENOENT);
	close(device);
	judge_fd = -1;
	peer = t_spawn("anew", begins_anew, NULL);
	t_join(peer);
}

static void play(uint64_t seed)
{
	struct t_peer *peer;

	begin(seed, 0, 0);
	for (unsigned int at = 0; at < SCRIBBLE_SEATS; at++)
		seat_one(at);
	for (unsigned int i = 0; i < KILLS; i++) {
		unsigned int at = (unsigned int)t_rand_below(SCRIBBLE_SEATS);

		kill_one(at);
		seat_one(at);
	}
	/* The scribbler last: the others are reaped under it. */
	for (unsigned int at = SCRIBBLE_SEATS; at-- > 0;)
		kill_one(at);
	peer = t_spawn("afterwards", comes_afterwards, NULL);
	t_join(peer);
	end();
}

static void scribbler_harms_nobody(void)
{
	uint64_t began = zc_timestamp(), seed, n;
	int device = d_open();

	close(device);
	scribble = t_shared(sizeof(*scribble));
	seed = t_seed();
	for (n = 0; n < SCENES || (t_long() && zc_timestamp() - began < LONG_NS); n++)
		play(seed + n * 1000003);
	t_note("%llu scenes, %llu kills, %llu deaths of members in %.1f s; %llu words written",
	       (unsigned long long)n, (unsigned long long)all_kills,
	       (unsigned long long)all_deaths, (double)(zc_timestamp() - began) / 1e9,
	       (unsigned long long)scribble->words);
	t_note("%llu blocks filled, %llu messages read, %llu refused as corrupt",
	       (unsigned long long)scribble->blocks, (unsigned long long)scribble->messages,
	       (unsigned long long)scribble->corrupt);
	/* It was a test of something. */
	CHECK(scribble->blocks && scribble->messages && scribble->corrupt);
}

/* Whoever adds and removes segments walks over descriptors, too: the kernel. */
static void scribbler_and_segments_that_come_and_go(void)
{
	uint64_t done[2] = { 0 };
	int device = d_open();

	close(device);
	scribble = t_shared(sizeof(*scribble));
	begin(t_seed(), ZC_JOIN_WRITE, 200);
	seat_one(SCRIBBLER);
	await_steps(SCRIBBLER, 2);
	for (int i = 0; i < 400; i++) {
		struct zc_ioc_segment arg = { .segment = 0 };
		unsigned long call = t_rand_below(3) ? ZC_IOC_SEGMENT_REMOVE :
						       ZC_IOC_SEGMENT_ADD;
		int err;

		if (call == ZC_IOC_SEGMENT_REMOVE)
			arg.segment = (uint32_t)t_rand_below(judge.kernel->segments);
		err = d_call(judge.fd, call, &arg);
		/* In use, or it looks so; not there any more; too many. */
		CHECK(!err || err == EBUSY || err == ENXIO || err == ENOSPC);
		done[call == ZC_IOC_SEGMENT_ADD] += !err;
		if (i % 50 == 0)
			await_steps(SCRIBBLER, 1);
		hear_events(0);
	}
	kill_one(SCRIBBLER);
	t_note("%llu segments added, %llu removed", (unsigned long long)done[1],
	       (unsigned long long)done[0]);
	end();
}

static const struct t_case cases[] = {
	T_CASE(scribbler_harms_nobody),
	T_CASE(scribbler_and_segments_that_come_and_go),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
