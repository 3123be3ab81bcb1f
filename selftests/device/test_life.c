/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_life.c - members come, go, and are killed in every way there is.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"

/* What a victim did before it comes to its end. */
static void takes_part(struct d_member *m)
{
	t_hear(t_parent(), "go");
	d_enter(m, ZC_JOIN_WRITE | ZC_JOIN_EVICTABLE);
	d_writer(m, "victim");
	d_reader(m, "survivor", 0);
	t_say_number(t_parent(), "member", m->index);
}

static void dies_of_sigkill(void *arg)
{
	struct d_member m;

	(void)arg;
	takes_part(&m);
	pause();
}

static void dies_with_a_child_that_has_all_descriptors(void *arg)
{
	struct d_member m;

	(void)arg;
	takes_part(&m);
	if (!fork()) {
		t_hear(t_parent(), "end");
		t_leave();
	}
	pause();
}

static void dies_with_its_descriptors_closed(void *arg)
{
	struct d_member m;

	(void)arg;
	takes_part(&m);
	close(m.fd);
	pause();
}

static void *thread_of(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void dies_with_its_first_thread_ended(void *arg)
{
	struct d_member m;
	pthread_t thread;

	(void)arg;
	takes_part(&m);
	CHECK(!pthread_create(&thread, NULL, thread_of, NULL));
	/* Only this thread: a zombie leader, and the process lives on. */
	syscall(SYS_exit, 0);
}

static void unmaps_its_lease(void *arg)
{
	struct d_member m;

	(void)arg;
	takes_part(&m);
	t_hear(t_parent(), "now");
	munmap(m.lease, 4096);
	pause();
}

static void becomes_another_program(void *arg)
{
	struct d_member m;

	(void)arg;
	takes_part(&m);
	t_hear(t_parent(), "now");
	execl("/bin/sleep", "sleep", "1000", NULL);
	execl("/proc/self/exe", "test_life", "no such case", NULL);
	t_leave();
}

static void moves_its_lease_about(void *arg)
{
	struct d_member m;
	void *moved;

	(void)arg;
	takes_part(&m);
	moved = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mremap(m.lease, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, moved) ==
	      moved);
	CHECK(mremap(moved, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(mremap(moved, 0, 4096, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK(madvise(moved, 4096, MADV_DOFORK) < 0 && errno == EINVAL);
	CHECK(mprotect(moved, 4096, PROT_READ) < 0 && errno == EACCES);
	/* Still a member. */
	d_reader(&m, "survivor", 0);
	t_say(t_parent(), "moved");
	pause();
}

struct survivor {
	struct d_member m;
	struct zc_ioc_writer writer;
};

static struct t_peer *begin(struct survivor *s, void (*victim)(void *),
			    uint32_t *member)
{
	struct t_peer *peer = t_spawn("victim", victim, NULL);

	d_join(&s->m, d_create(), ZC_JOIN_WRITE);
	s->writer = d_writer(&s->m, "survivor");
	t_say(peer, "go");
	*member = (uint32_t)t_hear_number(peer, "member");
	CHECK((uint32_t)d_slot(&s->m, s->writer.service)->active & 1);
	return peer;
}

/* All of its roles are gone, everybody was told, its record is free. */
static void is_gone(struct survivor *s, uint32_t member)
{
	struct zc_device_event event =
		d_event(s->m.fd, ZC_DEVICE_EVENT_MEMBER_DIED);
	struct zc_ioc_writer again;

	CHECK_EQ(event.member, member);
	CHECK_EQ(event.pid, d_record(&s->m, member)->pid);
	CHECK(event.reap_ns);
	CHECK_EQ((uint32_t)d_slot(&s->m, s->writer.service)->active, 0);
	CHECK_EQ(d_record(&s->m, member)->life & 0xffff, ZC_LIFE_IDLE);
	again = d_writer(&s->m, "victim");
	CHECK_EQ(again.incarnation, 2);
}

static void life_ends_by_sigkill(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim = begin(&s, dies_of_sigkill, &member);

	t_kill(victim);
	is_gone(&s, member);
}

static void life_ends_with_children_left(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim =
		begin(&s, dies_with_a_child_that_has_all_descriptors, &member);

	T_UNTIL(t_asleep(victim));
	t_kill(victim);
	is_gone(&s, member);
}

static void life_goes_on_without_descriptors(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim =
		begin(&s, dies_with_its_descriptors_closed, &member);

	T_UNTIL(t_asleep(victim));
	CHECK_EQ((uint32_t)d_slot(&s.m, s.writer.service)->active, 1);
	t_kill(victim);
	is_gone(&s, member);
}

static void life_goes_on_without_the_first_thread(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim =
		begin(&s, dies_with_its_first_thread_ended, &member);
	struct zc_ioc_evict evict = { .member = member };
	struct zc_ioc_stat stat;
	char path[64], state = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", victim->pid);
	do {
		FILE *f = fopen(path, "re");

		CHECK(f);
		CHECK(fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
		fclose(f);
	} while (state != 'Z');
	CHECK_CALL(s.m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.members, 2);
	/* Its threads tell that it is still this process. */
	evict.incarnation = (uint32_t)(d_record(&s.m, member)->life >> 32);
	CHECK_CALL(s.m.fd, ZC_IOC_EVICT, &evict, 0);
	t_reap(victim);
	is_gone(&s, member);
}

static void life_ends_with_the_lease(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim = begin(&s, unmaps_its_lease, &member);

	t_say(victim, "now");
	is_gone(&s, member);
	t_kill(victim);
}

static void life_ends_by_exec(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim = begin(&s, becomes_another_program, &member);

	t_say(victim, "now");
	is_gone(&s, member);
	t_kill(victim);
}

static void life_does_not_end_when_the_lease_moves(void)
{
	struct survivor s;
	uint32_t member;
	struct t_peer *victim = begin(&s, moves_its_lease_about, &member);

	t_hear(victim, "moved");
	t_kill(victim);
	is_gone(&s, member);
}

static void life_ends_before_the_lease(void)
{
	struct zc_ioc_join join = { .flags = 0 };
	struct zc_ioc_stat stat;
	struct d_member m;
	pid_t pid;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	pid = fork();
	if (!pid) {
		int fd = d_open_pool(0);

		CHECK_CALL(fd, ZC_IOC_JOIN, &join, 0);
		kill(getpid(), SIGKILL);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	do {
		CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
		sched_yield();
	} while (stat.members + stat.reaping > 1);
}

/* A process that shares the victim's memory keeps it, and so the membership. */
static int keeps_the_memory(void *arg)
{
	int *ends = arg;
	char c;

	/* Until the last writer's end is closed, and this is one of them. */
	close(ends[1]);
	while (read(ends[0], &c, 1) < 0 && errno == EINTR)
		;
	syscall(SYS_exit, 0);
	return 0;
}

static int shared_pipe[2];

static void dies_while_another_shares_its_memory(void *arg)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct d_member m;

	(void)arg;
	takes_part(&m);
	CHECK(clone(keeps_the_memory, stack + sizeof(stack), CLONE_VM,
		    shared_pipe) > 0);
	close(shared_pipe[1]);
	t_say(t_parent(), "shared");
	pause();
}

static void life_ends_with_the_last_who_shares_the_memory(void)
{
	struct t_peer *victim;
	struct zc_ioc_stat stat;
	struct survivor s;
	uint32_t member;

	CHECK(!pipe(shared_pipe));
	victim = begin(&s, dies_while_another_shares_its_memory, &member);
	t_hear(victim, "shared");
	t_kill(victim);
	/* Whoever shares it could still write: nothing may be taken back yet. */
	CHECK_CALL(s.m.fd, ZC_IOC_STAT, &stat, 0);
	CHECK_EQ(stat.members, 2);
	CHECK_EQ((uint32_t)d_slot(&s.m, s.writer.service)->active, 1);
	close(shared_pipe[0]);
	close(shared_pipe[1]);
	is_gone(&s, member);
}

static void life_is_reported_by_hand(void)
{
	struct zc_ioc_writer writer;
	struct d_member m, n;
	struct zc_device_event event;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, ZC_JOIN_WRITE);
	event = d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_JOINED);
	while (event.member != n.index)
		event = d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_JOINED);
	CHECK_EQ(event.pid, getpid());
	writer = d_writer(&n, "by-hand");
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_SERVICE_ADDED).service,
		 writer.service);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_WRITER_JOINED).member, n.index);
	CHECK_CALL(n.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
	CHECK_CALL(n.fd, ZC_IOC_WRITER_LEAVE, &writer, ESRCH);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_WRITER_LEFT).service,
		 writer.service);
	d_leave(&n);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_LEFT).member, n.index);
}

/* Only by its member, and not by what remembers an earlier one in its place. */
static void life_of_a_role_is_its_members(void)
{
	struct zc_ioc_notify notify = { .flags = ZC_NOTIFY_MESSAGES };
	struct zc_ioc_cleaner cleaner = { .cleaner = 0 };
	struct zc_ioc_writer writer, old_writer;
	struct zc_ioc_reader reader, old_reader;
	struct zc_ioc_cleaner old_cleaner;
	struct d_member m, n;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_enter(&n, ZC_JOIN_WRITE);
	writer = d_writer(&m, "mine");
	reader = d_reader(&m, "mine", 0);
	CHECK_CALL(m.fd, ZC_IOC_CLEANER_JOIN, &cleaner, 0);
	CHECK_CALL(n.fd, ZC_IOC_WRITER_LEAVE, &writer, ESRCH);
	CHECK_CALL(n.fd, ZC_IOC_READER_LEAVE, &reader, ESRCH);
	CHECK_CALL(n.fd, ZC_IOC_CLEANER_LEAVE, &cleaner, ESRCH);
	notify.service = writer.service;
	CHECK_CALL(n.fd, ZC_IOC_NOTIFY, &notify, EPERM);
	old_writer = writer;
	old_writer.incarnation--;
	old_reader = reader;
	old_reader.incarnation--;
	old_cleaner = cleaner;
	old_cleaner.incarnation--;
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &old_writer, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &old_reader, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_CLEANER_LEAVE, &old_cleaner, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, 0);
	CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &reader, 0);
	CHECK_CALL(m.fd, ZC_IOC_CLEANER_LEAVE, &cleaner, 0);
	CHECK_CALL(m.fd, ZC_IOC_WRITER_LEAVE, &writer, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_READER_LEAVE, &reader, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_CLEANER_LEAVE, &cleaner, ESRCH);
	CHECK_CALL(m.fd, ZC_IOC_NOTIFY, &notify, EPERM);
}

static void life_of_an_evictable_member_can_be_ended(void)
{
	struct zc_ioc_evict evict;
	struct d_member m, n;
	int ready[2], status;
	pid_t pid;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	CHECK(!pipe(ready));
	pid = fork();
	if (!pid) {
		d_enter(&n, ZC_JOIN_WRITE | ZC_JOIN_EVICTABLE);
		CHECK(write(ready[1], &n.index, sizeof(n.index)) > 0);
		pause();
	}
	CHECK(read(ready[0], &n.index, sizeof(n.index)) == sizeof(n.index));
	evict = (struct zc_ioc_evict){
		.member = n.index,
		.incarnation = (uint32_t)(d_record(&m, n.index)->life >> 32) + 1,
	};
	CHECK_CALL(m.fd, ZC_IOC_EVICT, &evict, ESRCH);
	evict.incarnation--;
	CHECK_CALL(m.fd, ZC_IOC_EVICT, &evict, 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ(d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_DIED).member, n.index);
	CHECK_CALL(m.fd, ZC_IOC_EVICT, &evict, ESRCH);
	/* Who did not ask for it is left alone. */
	evict.member = m.index;
	evict.incarnation = (uint32_t)(m.life >> 32);
	CHECK_CALL(m.fd, ZC_IOC_EVICT, &evict, EPERM);
}

static void life_of_a_silent_member_is_doubted(void)
{
	struct zc_device_event event;
	struct zc_stamps *stamps;
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	stamps = d_map(m.fd, ZC_MAP_STAMPS, 0, 4096, PROT_READ | PROT_WRITE);
	CHECK(stamps != MAP_FAILED);
	CHECK(stamps->alive_ns);
	stamps->alive_ns = 1;
	event = d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_SUSPECT);
	CHECK_EQ(event.member, m.index);
	T_UNTIL(d_record(&m, m.index)->alive_ns == 1);
	stamps->alive_ns = ~0ULL;	/* no clock says that */
	stamps->progress_ns = 7;
	T_UNTIL(d_record(&m, m.index)->progress_ns == 7);
	CHECK_EQ(d_record(&m, m.index)->alive_ns, 1);
}

/* What it claimed is in I/O, as it says. */
static void dies_in_io(void *arg)
{
	struct zc_ioc_writer w;
	struct zc_block_desc *d;
	struct d_member m;

	(void)arg;
	d_enter(&m, ZC_JOIN_WRITE);
	w = d_writer(&m, "in-io");
	d = d_descs(&m);
	d->flags = ZC_BLOCK_IO;
	__atomic_store_n(&d->word, (d->word & ~0xffULL) +
				   (1ULL << ZC_WORD_GENERATION_SHIFT) +
				   (ZC_OWNER_WRITER(w.service) << ZC_WORD_OWNER_SHIFT),
			 __ATOMIC_RELEASE);
}

static void comes_and_goes(void *arg)
{
	struct d_member m;

	(void)arg;
	d_enter(&m, 0);
}

/* Before 6.5 a block waits for a time; others that die do not make it longer. */
static void life_that_ends_keeps_nobody_elses_io(void)
{
	struct zc_ioc_stat stat;
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_child(dies_in_io, NULL);
	d_event(m.fd, ZC_DEVICE_EVENT_MEMBER_DIED);
	do {
		d_child(comes_and_goes, NULL);
		CHECK_CALL(m.fd, ZC_IOC_STAT, &stat, 0);
	} while (stat.quarantined);
	CHECK_EQ(d_descs(&m)->word >> ZC_WORD_OWNER_SHIFT & 0x3f, ZC_OWNER_NONE);
}

static const struct t_case cases[] = {
	T_CASE(life_ends_by_sigkill),
	T_CASE(life_ends_with_children_left),
	T_CASE(life_goes_on_without_descriptors),
	T_CASE(life_goes_on_without_the_first_thread),
	T_CASE(life_ends_with_the_lease),
	T_CASE(life_ends_by_exec),
	T_CASE(life_does_not_end_when_the_lease_moves),
	T_CASE(life_ends_before_the_lease),
	T_CASE(life_ends_with_the_last_who_shares_the_memory),
	T_CASE(life_is_reported_by_hand),
	T_CASE(life_of_a_role_is_its_members),
	T_CASE(life_of_an_evictable_member_can_be_ended),
	T_CASE(life_of_a_silent_member_is_doubted),
	T_CASE(life_that_ends_keeps_nobody_elses_io),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
