/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_storm.c - kill -9 at random moments, again and again: processes that use the
 * pool, that leave a child with its descriptor, that have I/O in flight into it.
 *
 * Two victims at a time sit beside a writer and a reader that survive.  Whoever
 * kills is a member by hand: it reads what the kernel says of each death, and
 * takes the time.
 *
 * $ZC_STORM_KILLS: how many in all; $ZC_SEED: which.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "storm.h"

/* --- who kills ------------------------------------------------------------------------- */

struct series {
	uint64_t *ns;
	size_t nr;
};

/* What is known of a death. */
struct death {
	struct t_peer *peer;
	uint32_t member, incarnation;
	bool joined, left, killed, died;
	uint64_t killed_ns, told_ns, reap_ns;
};

static struct death death[SEATS];
static struct series of_kernel, of_all, of_io;
static struct d_member killer;
static struct zc_stamps *stamps;
static struct t_peer *survivor, *listener;
static uint64_t deaths;

static void record(struct series *series, uint64_t ns)
{
	series->ns = realloc(series->ns, (series->nr + 1) * sizeof(*series->ns));
	CHECK(series->ns);
	series->ns[series->nr++] = ns;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void print(const char *what, struct series *s)
{
	double ms = 1e6;
	size_t last = s->nr - 1;

	if (s->nr) {
		qsort(s->ns, s->nr, sizeof(*s->ns), by_size);
		t_note("%-34s %4zu: min %.3f median %.3f 90%% %.3f 99%% %.3f max %.3f ms",
		       what, s->nr, (double)s->ns[0] / ms,
		       (double)s->ns[last / 2] / ms, (double)s->ns[last * 9 / 10] / ms,
		       (double)s->ns[last * 99 / 100] / ms, (double)s->ns[last] / ms);
	}
	free(s->ns);
	memset(s, 0, sizeof(*s));
}

static void hear_event(const struct zc_device_event *event)
{
	struct death *d = NULL;

	CHECK_OP(event->type, !=, ZC_DEVICE_EVENT_OVERFLOW);
	for (int i = 0; i < SEATS; i++)
		if (death[i].peer && (uint32_t)death[i].peer->pid == event->pid)
			d = &death[i];
	switch (event->type) {
	case ZC_DEVICE_EVENT_MEMBER_JOINED:
		if (!d)
			return;
		CHECK(!d->joined);
		d->joined = true;
		d->member = event->member;
		d->incarnation = event->incarnation;
		return;
	case ZC_DEVICE_EVENT_MEMBER_LEFT:
		/* Who was killed before it had its lease was never more than that. */
		if (d)
			d->left = true;
		return;
	case ZC_DEVICE_EVENT_MEMBER_DIED:
		/* Only who was killed, and once. */
		CHECK(d && d->killed && d->joined && !d->died);
		CHECK_EQ(event->member, d->member);
		CHECK_EQ(event->incarnation, d->incarnation);
		CHECK(event->reap_ns);
		d->died = true;
		d->told_ns = zc_timestamp();
		d->reap_ns = event->reap_ns;
		deaths++;
		return;
	default:
		return;
	}
}

static void hear_events(int timeout_ms)
{
	struct pollfd p = { .fd = killer.fd, .events = POLLIN };
	struct zc_device_event event;

	while (poll(&p, 1, timeout_ms) == 1) {
		CHECK(read(killer.fd, &event, sizeof(event)) == sizeof(event));
		hear_event(&event);
		timeout_ms = 0;
	}
}

static struct zc_ioc_stat look(void)
{
	struct zc_ioc_stat stat;

	CHECK_CALL(killer.fd, ZC_IOC_STAT, &stat, 0);
	return stat;
}

/* The kernel's watchdog has gone all the way round: what it could end, it has. */
static void let_it_look(void)
{
	for (int i = 0; i < 2; i++) {
		uint64_t now = zc_timestamp();

		stamps->alive_ns = now;
		T_UNTIL(d_record(&killer, killer.index)->alive_ns == now);
	}
}

static bool has_the_descriptor(uint64_t pid)
{
	char path[64], to[64];
	struct dirent *entry;
	bool has = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%llu/fd", (unsigned long long)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1);

		to[n < 0 ? 0 : n] = 0;
		has |= strstr(to, "[zerocore]") != NULL;
	}
	if (dir)
		closedir(dir);
	return has;
}

static void seat_one(uintptr_t at)
{
	struct seat *seat = &board->seat[at];

	memset(&death[at], 0, sizeof(death[at]));
	seat->spawned++;
	seat->keep = board->variant == CHILD ||
		     (board->variant == IO && t_rand_below(2));
	seat->opened = seat->child = seat->pinned = seat->declared = seat->held = 0;
	if (board->variant == IO) {
		CHECK(!pipe2(feed[at], O_CLOEXEC));
		/* This end's own: the other stays one that waits. */
		CHECK(!fcntl(feed[at][1], F_SETFL, O_NONBLOCK));
	}
	death[at].peer = t_spawn("victim", is_a_victim, (void *)at);
	if (board->variant == IO)
		close(feed[at][0]);
}

/* Its child is there, and has all descriptors; the I/O goes on for its sake. */
static void is_survived(uintptr_t at)
{
	struct seat *seat = &board->seat[at];
	struct death *d = &death[at];

	CHECK(has_the_descriptor(seat->child));
	if (!seat->pinned)
		return;
	let_it_look();
	T_UNTIL(look().quarantined == seat->pinned);
	/* What it held waits, too, and so does its record. */
	if (seat->held) {
		hear_events(0);
		CHECK(!d->died);
		CHECK_EQ(look().reaping, 1);
	}
	pour(at, IO_BLOCKS * MOST);
	t_say(d->peer, "write");
	t_hear(d->peer, "written");
	CHECK_EQ(look().quarantined, seat->pinned);
}

static void await_event(struct death *d)
{
	while (!d->died) {
		if (!t_left_ns())
			T_FAIL("member %u: nobody said that it died", d->member);
		hear_events(10);
	}
}

static void end_child(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status));
}

static void strike(uintptr_t at)
{
	struct death *d = &death[at];
	uint64_t when = board->variant == IO ? t_rand_below(3) : 0;
	size_t bytes = t_rand_size(MOST);

	if (when == 1)
		pour(at, bytes);
	hear_events(0);
	d->killed = true;
	d->killed_ns = zc_timestamp();
	t_kill_only(d->peer);
	if (when == 2)
		pour(at, bytes);
}

static void kill_one(uintptr_t at)
{
	struct seat *seat = &board->seat[at];
	struct death *d = &death[at];
	uint64_t from = load(&seat->steps), steps = t_rand_below(20);
	uint64_t spin = t_rand_below(20000), read;
	bool member;
	pid_t child;

	/* Anywhere: while it opens, registers, or is in full swing. */
	T_UNTIL((load(&seat->steps) >= from + steps &&
		 (!seat->keep || load(&seat->child))) || t_ended(d->peer));
	while (spin--)
		__asm__ __volatile__("");
	strike(at);
	while (!d->died && !t_ended(d->peer))
		hear_events(1);
	T_UNTIL(t_ended(d->peer));	/* what is on the board stays so */
	child = (pid_t)seat->child;
	if (!d->died)
		hear_events(0);
	member = d->joined && !d->left;
	CHECK(member || !seat->opened);
	if (member && !(seat->declared && child))
		await_event(d);
	if (child)
		is_survived(at);
	t_reap(d->peer);	/* its child is told by that */
	if (child)
		end_child(child);
	if (member)
		await_event(d);
	if (member && !seat->declared) {
		record(&of_kernel, d->reap_ns);
		record(&of_all, d->told_ns - d->killed_ns);
	}
	if (board->variant == IO) {
		close(feed[at][1]);
		T_UNTIL(!look().quarantined);
		if (seat->pinned)
			record(&of_io, zc_timestamp() - d->killed_ns);
	}
	/* The survivors go on, whatever the dead one held. */
	read = load(&board->seat[LIVE].read);
	T_UNTIL(load(&board->seat[LIVE].read) > read + 1 || t_ended(survivor) ||
		t_ended(listener));
	CHECK(!t_ended(survivor) && !t_ended(listener));
}

static void begin(enum variant variant)
{
	int device = d_open();

	close(device);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	board = t_shared(sizeof(*board));
	board->variant = variant;
	board->seed = t_seed();
	setenv("ZEROCORE_BACKEND", "device", 1);
	survivor = t_spawn("survivor", survives_as_writer, NULL);
	t_hear(survivor, "ready");
	listener = t_spawn("listener", survives_as_reader, NULL);
	t_hear(listener, "ready");
	d_enter(&killer, 0);
	setenv("ZEROCORE_BACKEND", "device", 1);
	killer_fd = killer.fd;
	stamps = d_map(killer.fd, ZC_MAP_STAMPS, 0, 4096, PROT_READ | PROT_WRITE);
	CHECK(stamps != MAP_FAILED);
	t_say(survivor, "go");
}

static void end(void)
{
	struct zc_ioc_stat stat;

	store(&board->stop, 1);
	t_hear(survivor, "done");
	/* All that it wrote is there. */
	store(&board->stop, 2);
	t_join(listener);
	CHECK_EQ(board->seat[LIVE].read, board->seat[LIVE].committed + 1);
	hear_events(0);
	stat = look();
	CHECK_EQ(stat.deaths, deaths);
	CHECK_EQ(stat.members, 2);
	CHECK_EQ(stat.reaping, 0);
	for (uint32_t i = 0, there = 0; i < ZC_MAX_MEMBERS; i++) {
		there += (d_record(&killer, i)->life & 0xffff) != ZC_LIFE_IDLE;
		CHECK_OP(there, <=, 2);
	}
	munmap(stamps, 4096);
	d_leave(&killer);
	t_say(survivor, "check");
	t_join(survivor);
}

static void storm(enum variant variant)
{
	uint64_t kills = t_env("ZC_STORM_KILLS", t_long() ? 1000 : 60);
	uint64_t began;

	kills = (kills + 2) / 3;	/* of three storms */
	if (kills < SEATS)
		kills = SEATS;
	begin(variant);
	began = zc_timestamp();
	t_srand(board->seed);
	for (uintptr_t at = 0; at < SEATS; at++)
		seat_one(at);
	for (uint64_t i = SEATS; i < kills; i++) {
		uintptr_t at = (uintptr_t)t_rand_below(SEATS);

		kill_one(at);
		seat_one(at);
	}
	for (uintptr_t at = 0; at < SEATS; at++)
		kill_one(at);
	end();
	t_note("%llu kills in %.1f s, %llu deaths of members, %llu messages",
	       (unsigned long long)kills, (double)(zc_timestamp() - began) / 1e9,
	       (unsigned long long)deaths,
	       (unsigned long long)(board->seat[0].committed + board->seat[1].committed +
				    board->seat[LIVE].committed));
	print("kernel: death to all reclaimed", &of_kernel);
	print("kill() to the event", &of_all);
	print("kill() to the end of quarantine", &of_io);
}

static void storm_of_plain_kills(void)
{
	storm(PLAIN);
}

static void storm_with_children_left(void)
{
	storm(CHILD);
}

static void storm_with_io_in_flight(void)
{
	struct io_uring ring;
	int err = io_uring_queue_init(1, &ring, 0);

	if (err == -ENOSYS || err == -EPERM)
		t_skip("io_uring is not to be had here");
	CHECK_EQ(err, 0);
	io_uring_queue_exit(&ring);
	storm(IO);
}

static const struct t_case cases[] = {
	T_CASE(storm_of_plain_kills),
	T_CASE(storm_with_children_left),
	T_CASE(storm_with_io_in_flight),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
