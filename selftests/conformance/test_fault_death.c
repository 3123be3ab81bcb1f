// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault_death.c - deaths are seen, and only deaths, where calls fail and /proc says
 * little.
 *
 * Plain shared memory only: the kernel knows its members.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness_fault.h"

static zc_pool_t *pool;

static void joins_and_dies(void *arg)
{
	(void)arg;
	t_hear(t_parent(), "join");
	t_pool_open();
	t_say(t_parent(), "joined");
	t_hear(t_parent(), "die");
}

/* Where there are no pidfds, or no /proc that can be read, locks are asked for. */
static void dies_seen(const char *call, long number, int error, const char *file,
		      const char *text)
{
	struct t_peer *child = t_spawn("member", joins_and_dies, NULL);
	zc_event_t event = { .sz = sizeof(event) };

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	if (call)
		t_fault_each(call, number, error);
	if (file)
		t_fault_file(file, text);
	pool = t_pool_create(NULL);
	t_say(child, "join");
	t_hear(child, "joined");
	do
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
	while (event.type != ZC_EVENT_MEMBER_JOINED);
	/* Whoever watches has begun to. */
	if (call)
		T_UNTIL(t_fault_met());
	t_kill(child);
	do
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
	while (event.type != ZC_EVENT_MEMBER_DIED);
	if (call)
		CHECK(t_fault_end());
	t_pool_close(pool);
}

static void fault_of_pidfds_hides_no_death(void)
{
	dies_seen("syscall", SYS_pidfd_open, EPERM, NULL, NULL);
}

static void fault_of_proc_hides_no_death(void)
{
	dies_seen("readlink", 0, ENOENT, NULL, NULL);
}

static void fault_of_namespaces_hides_no_death(void)
{
	dies_seen(NULL, 0, 0, "/proc/self/ns/pid", NULL);
}

static void fault_of_maps_hides_no_death(void)
{
	dies_seen(NULL, 0, 0, "/proc/self/maps", "7f00-8f00 not what maps say\n");
}

/* Of all that is locked in there, is a byte this process's? */
static bool has_a_lock(int fd)
{
	struct flock lock = { .l_len = 0 };

	do {
		lock.l_type = F_WRLCK;
		lock.l_whence = SEEK_SET;
		lock.l_start += lock.l_len;
		lock.l_len = lock.l_pid = 0;
		CHECK(!fcntl(fd, F_OFD_GETLK, &lock));
	} while (lock.l_type != F_UNLCK && lock.l_pid != getpid());
	return lock.l_type != F_UNLCK;
}

/*
 * Its lock is gone until its own thread sees that, which cannot look for a while; and
 * whoever shows no sign of life is looked at.
 */
static void loses_its_lock(void *arg)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	char path[4400];
	zc_pool_t *mine;
	int fd, another;

	(void)arg;
	t_hear(t_parent(), "join");
	mine = t_pool_open();
	CHECK_OK(zc_pool_get_info(mine, &info));
	snprintf(path, sizeof(path), "%s/zerocore.%s.lock", t_folder(), info.creation_id);
	fd = open(path, O_RDWR | O_CLOEXEC);
	another = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && another >= 0 && has_a_lock(another));
	t_say(t_parent(), "joined");
	t_hear(t_parent(), "lose it");
	t_fault_each("fcntl", 0, ENOLCK);
	/* A look that had begun may still find the lock gone, and take it. */
	T_UNTIL(t_fault_met());
	close(fd);
	raise(SIGSTOP);
	CHECK(t_fault_end());
	/* What was read before counts as long as there are threads and no lock. */
	T_UNTIL(has_a_lock(another));
	zc_pool_close(mine);
}

/*
 * A first thread that has ended has no memory for a moment, before it is a zombie: the
 * list of its mappings is empty, and says nothing about the other threads.
 */
static void empty_maps_are_no_proof_of_death(void)
{
	struct t_peer *child = t_spawn("member", loses_its_lock, NULL);
	zc_event_t event = { .sz = sizeof(event) };
	char path[40];

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)child->pid);
	t_fault_file(path, "");
	pool = t_pool_create(NULL);
	t_say(child, "join");
	t_hear(child, "joined");
	t_say(child, "lose it");
	CHECK(t_wait_stopped(child));
	/* Whoever was declared dead is not looked at again. */
	T_UNTIL(t_fault_files_met() >= 3);
	t_fault_files_end();
	t_continue(child);
	t_join(child);
	do {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		CHECK(event.type != ZC_EVENT_MEMBER_DIED);
	} while (event.type != ZC_EVENT_MEMBER_LEFT);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(fault_of_pidfds_hides_no_death),
	T_CASE(fault_of_proc_hides_no_death),
	T_CASE(fault_of_namespaces_hides_no_death),
	T_CASE(fault_of_maps_hides_no_death),
	T_CASE(empty_maps_are_no_proof_of_death),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
