// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault_process.c - what a process has of its own: a page that forks clear, a log,
 * where it is looked at.
 *
 * Plain shared memory only: the kernel knows its members.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness_fault.h"

#define SEGMENT (256U << 10)

static zc_pool_options_t options;
static zc_pool_t *pool;
static zc_pool_info_t info;
static char control[4400];

static void begin(void)
{
	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	options = t_pool_options();
	options.bytes = options.segment_bytes = SEGMENT;
	options.ring_entries = 16;
}

static void make(void)
{
	begin();
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	info.sz = sizeof(info);
	CHECK_OK(zc_pool_get_info(pool, &info));
	snprintf(control, sizeof(control), "%s/zerocore.%s.pool", t_folder(), t_name(0));
}

static void unmake(void)
{
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

/* --- forks ----------------------------------------------------------------------- */

/* A child of a process that has a pool opens it itself; the page fails it first. */
static void child_without_a_page_is_refused(void)
{
	zc_pool_t *own = NULL;
	int status;
	pid_t pid;

	make();
	pid = t_fork();
	CHECK(pid >= 0);
	if (!pid) {
		t_fault_call("mmap", 1, ENOMEM);
		CHECK_RESULT(zc_pool_open(t_name(0), &own), ZC_ERROR_NO_MEMORY);
		CHECK(t_fault_end());
		t_fault_call("madvise", 1, EINVAL);
		CHECK_RESULT(zc_pool_open(t_name(0), &own), ZC_ERROR_NOT_SUPPORTED);
		CHECK(t_fault_end());
		CHECK_RESULT(zc_pool_get_info(pool, &info), ZC_ERROR_FORKED);
		CHECK_OK(zc_pool_open(t_name(0), &own));
		zc_pool_close(own);
		t_leave();
	}
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	unmake();
}

static void first_without_a_page_is_refused(void)
{
	begin();
	t_fault_call("mmap", 1, ENOMEM);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_NO_MEMORY);
	CHECK(t_fault_end());
	t_fault_call("madvise", 1, EINVAL);
	CHECK_RESULT(zc_pool_create(t_name(0), &options, &pool), ZC_ERROR_NOT_SUPPORTED);
	CHECK(t_fault_end());
	CHECK(strstr(zc_last_error(), "MADV_WIPEONFORK"));
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	unmake();
}

/* --- the log ------------------------------------------------------------------------ */

static void counts(zc_log_level_t level, const char *message, void *ctx)
{
	(void)level;
	(void)message;
	++*(unsigned int *)ctx;
}

/* No memory to remember where to log to: not where the last one did, whose owner frees it. */
static void log_without_memory_is_the_default(void)
{
	unsigned int lines = 0, before;

	begin();
	zc_set_log(counts, ZC_LOG_DEBUG, &lines);
	CHECK_RESULT(zc_pool_open(NULL, &pool), ZC_ERROR_INVALID);
	before = lines;
	CHECK_OP(before, >, 0);
	t_fault_call("malloc", 1, ENOMEM);
	zc_set_log((zc_log_fn)abort, ZC_LOG_DEBUG, NULL);
	CHECK(t_fault_end());
	CHECK_RESULT(zc_pool_open(NULL, &pool), ZC_ERROR_INVALID);
	CHECK_EQ(lines, before);
}

/* --- a process that could not be looked at when it attached ------------------------- */

/* What the pool says of this process: when it began, when it was last seen. */
static uint64_t mine(uint64_t *alive_ns)
{
	const struct zc_member_record *members;
	const struct zc_pool_header *h;
	uint64_t ticks = 0;
	struct stat st;
	int fd = open(control, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0 && !fstat(fd, &st));
	h = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(h != MAP_FAILED);
	close(fd);
	members = (const void *)((const char *)h + h->geometry.off_members);
	for (unsigned int m = 0; m < ZC_MAX_MEMBERS && !ticks; m++)
		if (__atomic_load_n(&members[m].pid, __ATOMIC_RELAXED) == (uint32_t)getpid()) {
			ticks = __atomic_load_n(&members[m].start_ticks, __ATOMIC_RELAXED);
			*alive_ns = __atomic_load_n(&members[m].alive_ns, __ATOMIC_RELAXED);
		}
	munmap((void *)h, (size_t)st.st_size);
	return ticks;
}

static unsigned int accused;

static void hears_accusations(zc_log_level_t level, const char *message, void *ctx)
{
	(void)level;
	(void)ctx;
	if (strstr(message, "wrote over"))
		__atomic_add_fetch(&accused, 1, __ATOMIC_RELAXED);
}

static void becomes_another_program(void *arg)
{
	zc_pool_t *mine;

	(void)arg;
	t_hear(t_parent(), "open");
	CHECK_OK(zc_pool_open(t_name(0), &mine));
	t_say(t_parent(), "opened");
	t_hear(t_parent(), "exec");
	execlp("sleep", "sleep", "1000", NULL);
}

/* As if there had been no descriptor: peers see it all the same, and it sees them. */
static void process_is_looked_at_later(void)
{
	struct t_peer *peer = t_spawn("peer", becomes_another_program, NULL);
	zc_event_t event = { .sz = sizeof(event) };
	uint64_t was, is = 0;
	char stat[64];

	snprintf(stat, sizeof(stat), "/proc/%d/stat", (int)getpid());
	t_fault_file(stat, NULL);
	t_fault_file("/proc/self/maps", NULL);
	make();
	zc_set_log(hears_accusations, ZC_LOG_WARN, NULL);
	CHECK_EQ(mine(&is), 0);
	t_say(peer, "open");
	t_hear(peer, "opened");
	t_fault_files_end();
	T_UNTIL(mine(&is));
	/* What it says of itself now is not taken for somebody else's. */
	for (unsigned int i = 0; i < 4; i++) {
		was = is;
		T_UNTIL(mine(&is) && is != was);
	}
	CHECK_EQ(__atomic_load_n(&accused, __ATOMIC_RELAXED), 0);
	t_say(peer, "exec");
	do
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
	while (event.type != ZC_EVENT_MEMBER_DIED);
	t_kill(peer);
	unmake();
}

static const struct t_case cases[] = {
	T_CASE(child_without_a_page_is_refused),
	T_CASE(first_without_a_page_is_refused),
	T_CASE(log_without_memory_is_the_default),
	T_CASE(process_is_looked_at_later),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
