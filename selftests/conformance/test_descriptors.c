/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_descriptors.c - programs that close descriptors which they do not know, and get
 * their numbers again; and programs that have closed what they print to.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "descriptors/test/main"

/* Descriptors that are looked at. */
#define DESCRIPTORS 256

/* What it is open on, as /proc tells; "": it is not.  Takes no descriptor. */
static void what_is(int fd, char what[128])
{
	char path[48];
	ssize_t bytes;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	bytes = readlink(path, what, 127);
	what[bytes < 0 ? 0 : bytes] = '\0';
}

/* How many from @first on are open on something with that name. */
static unsigned int open_on(const char *name, int first)
{
	unsigned int nr = 0;
	char what[128];

	for (int fd = first; fd < DESCRIPTORS; fd++) {
		what_is(fd, what);
		nr += strstr(what, name) != NULL;
	}
	return nr;
}

/* --- of a reader ------------------------------------------------------------------ */

/* Until the thread that feeds the reader's descriptor has seen what is before @head. */
static void until_fed(uint32_t writer, uint64_t head)
{
	const struct zc_pool_header *h;
	const struct zc_reader_area *area;
	char path[8192];
	struct stat st;
	void *control;
	int fd;

	if (!t_backend_is_shm())
		return;
	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && !fstat(fd, &st));
	control = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(control != MAP_FAILED);
	close(fd);
	h = control;
	area = (void *)((char *)control + h->geometry.off_reader_areas +
			(uint64_t)writer * ZC_MAX_READERS_PER *
				h->geometry.reader_area_bytes);
	T_UNTIL(__atomic_load_n(&area->feed_ticket, __ATOMIC_ACQUIRE) == head);
	munmap(control, (size_t)st.st_size);
}

/* @mine gets the number of the reader's descriptor, and must stay as it is. */
static void takes_the_number(int mine)
{
	zc_pool_t *pool = t_pool_create(NULL);
	struct t_writer writer;
	struct t_reader reader;
	int fd, again = -1;

	t_writer_open(&writer, pool, SERVICE, NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	CHECK_OK(zc_reader_get_fd(reader.role, &fd));
	CHECK(!close(fd));
	CHECK_EQ(dup2(mine, fd), fd);
	t_write(&writer, 100);
	until_fed(zc_writer_id(writer.role), 2);
	CHECK_RESULT(zc_reader_get_fd(reader.role, &again), ZC_ERROR_SYSTEM);
	CHECK_EQ(again, -1);
	t_read_many(&reader, 1);
	t_reader_close(&reader);
	CHECK(fcntl(fd, F_GETFD) >= 0);
	t_writer_close(&writer);
	t_pool_close(pool);
}

static void file_in_place_of_an_event_is_left_alone(void)
{
	char path[8192];
	struct stat st;
	int file;

	snprintf(path, sizeof(path), "%s/mine", t_folder());
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(file >= 0 && !unlink(path));
	takes_the_number(file);
	CHECK(!fstat(file, &st));
	CHECK_EQ(st.st_size, 0);
}

static void event_in_place_of_another_is_left_open(void)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	CHECK(event >= 0);
	takes_the_number(event);
}

/* --- 0, 1 and 2 ------------------------------------------------------------------- */

static void prints_to_nobody(void)
{
	static const char text[] = "what a program has to say, which is more than a header";

	for (int fd = 0; fd < 3; fd++)
		CHECK(write(fd, text, sizeof(text)) < 0);
}

static void has_no_output(void *arg)
{
	zc_pool_t *mine, *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	CHECK(!setenv("ZEROCORE_LOG", "debug", 1));
	pool = t_pool_open();
	prints_to_nobody();
	mine = t_pool_create_at(1, NULL);
	prints_to_nobody();
	t_say(t_parent(), "opened");
	t_hear(t_parent(), "end");
	zc_pool_close(mine);
	zc_pool_close(pool);
}

static void opens_both(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_OK(zc_pool_open(t_name(i), &pool));
		t_pool_check(pool);
		zc_pool_close(pool);
	}
}

static void pool_is_no_output(void)
{
	struct t_peer *silent = t_spawn("silent", has_no_output, NULL);
	struct t_peer *other = t_spawn("other", opens_both, NULL);

	t_pool_create(NULL);
	t_say(silent, "open");
	t_hear(silent, "opened");
	t_say(other, "open");
	t_join(other);
	t_say(silent, "end");
	t_join(silent);
}

/* But for the moment in which the library's own thread looks at something. */
static bool none_is_output(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return false;
	return true;
}

static void polls_without_output(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;
	int fd = -1;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	for (fd = 0; fd < 3; fd++)
		close(fd);
	CHECK_OK(zc_reader_get_fd(reader.role, &fd));
	CHECK_OP(fd, >, 2);
	T_UNTIL(none_is_output());
	t_reader_close(&reader);
	zc_pool_close(pool);
}

static void event_is_no_output(void)
{
	struct t_peer *silent = t_spawn("silent", polls_without_output, NULL);

	t_pool_create(NULL);
	t_say(silent, "open");
	t_join(silent);
}

static void watches_without_output(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	pool = t_pool_open();
	/* Of the parent; it may be two at first, of which one is among these. */
	T_UNTIL(open_on("pidfd", 3) == 1 && open_on("pidfd", 0) == 1 && none_is_output());
	zc_pool_close(pool);
}

static void watch_is_no_output(void)
{
	struct t_peer *silent = t_spawn("silent", watches_without_output, NULL);

	if (!t_backend_is_shm())
		t_skip("the kernel watches who has the device open");
	t_pool_create(NULL);
	t_say(silent, "open");
	t_join(silent);
}

/* --- none left ---------------------------------------------------------------------- */

#define PEERS 3

static void waits_for_end(void *arg)
{
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_say(t_parent(), "opened");
	t_hear(t_parent(), "end");
	zc_pool_close(pool);
}

static unsigned int takes_all(int taken[DESCRIPTORS])
{
	unsigned int nr = 0;
	int fd;

	while ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) {
		CHECK_OP(nr, <, DESCRIPTORS);
		taken[nr++] = fd;
	}
	return nr;
}

/* Its death is seen while this process can open nothing. */
static void peers_die(struct t_peer *peer[PEERS], zc_pool_t *pool)
{
	zc_event_t event = { .sz = sizeof(event) };
	unsigned int died = 0;

	for (unsigned int i = 0; i < PEERS; i++) {
		/* These stay: a free one would do. */
		peer[i]->in = peer[i]->out = -1;
		t_kill(peer[i]);
	}
	while (died < PEERS) {
		CHECK_OK(zc_pool_next_event(pool, &event, t_wait_ns()));
		died += event.type == ZC_EVENT_MEMBER_DIED;
	}
}

static void dead_peers_leave_no_descriptor(bool close_first)
{
	struct rlimit limit;
	struct t_peer *peer[PEERS];
	int taken[DESCRIPTORS];
	unsigned int nr;
	zc_pool_t *pool;

	if (!t_backend_is_shm())
		t_skip("the kernel watches who has the device open");
	for (unsigned int i = 0; i < PEERS; i++)
		peer[i] = t_spawn("peer", waits_for_end, NULL);
	pool = t_pool_create(NULL);
	for (unsigned int i = 0; i < PEERS; i++) {
		t_say(peer[i], "open");
		t_hear(peer[i], "opened");
	}
	/* And its own thread has seen to the last. */
	T_UNTIL(open_on("pidfd", 0) == PEERS && !t_others_run());
	CHECK(!getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = DESCRIPTORS;
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	nr = takes_all(taken);
	peers_die(peer, pool);
	if (close_first)
		t_pool_close(pool);
	else
		while (nr)
			close(taken[--nr]);
	T_UNTIL(!open_on("pidfd", 0));
	while (nr)
		close(taken[--nr]);
	if (!close_first)
		t_pool_close(pool);
}

static void death_without_descriptors_leaves_none(void)
{
	dead_peers_leave_no_descriptor(false);
}

static void close_without_descriptors_leaves_none(void)
{
	dead_peers_leave_no_descriptor(true);
}

/* --- of a parent -------------------------------------------------------------------- */

/* Of a pool that it opens anew it has its own. */
static void child_keeps_none(char pipes[4][128], unsigned int nr)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	zc_pool_t *pool;

	options.observe = true;
	CHECK_OK(zc_pool_open_with(t_name(0), &options, &pool));
	for (unsigned int i = 0; i < nr; i++)
		CHECK_EQ(open_on(pipes[i], 0), 0);
	CHECK_EQ(open_on("eventfd", 0), 0);
	CHECK_EQ(open_on("pidfd", 0), 0);
	zc_pool_close(pool);
}

static void forked_child_keeps_none_of_its_parents(void)
{
	struct t_peer *peer = t_spawn("peer", waits_for_end, NULL);
	char before[DESCRIPTORS][128], pipes[4][128];
	unsigned int nr = 0;
	struct t_reader reader;
	zc_pool_t *pool;
	int status, event;
	pid_t pid;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		what_is(fd, before[fd]);
	pool = t_pool_create(NULL);
	t_reader_open(&reader, pool, SERVICE, NULL);
	CHECK_OK(zc_reader_get_fd(reader.role, &event));
	t_say(peer, "open");
	t_hear(peer, "opened");
	if (t_backend_is_shm())
		T_UNTIL(open_on("pidfd", 0) == 1 && !t_others_run());
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		char what[128];

		what_is(fd, what);
		if (!strncmp(what, "pipe:", 5) && strcmp(what, before[fd])) {
			CHECK_OP(nr, <, 4);
			strcpy(pipes[nr++], what);
		}
	}
	CHECK_EQ(nr, 2);
	CHECK_EQ(open_on("eventfd", 0), 1);
	pid = t_fork();
	if (!pid) {
		/* It may be done with roles before. */
		zc_reader_unregister(reader.role);
		child_keeps_none(pipes, nr);
		t_leave();
	}
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && !status);
	/* They are the parent's all the same. */
	CHECK_EQ(open_on(pipes[0], 0), 2);
	t_reader_close(&reader);
	t_say(peer, "end");
	t_join(peer);
	t_pool_close(pool);
}

/* --- of a pool ---------------------------------------------------------------------- */

static void reads_all(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;

	(void)arg;
	t_hear(t_parent(), "open");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(t_parent(), "opened");
	t_read_many(&reader, t_hear_number(t_parent(), "read"));
	t_reader_close(&reader);
	zc_pool_close(pool);
}

static void close_all_but(const bool keep[DESCRIPTORS], int instead)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (keep[fd] || fd == instead || fcntl(fd, F_GETFD) < 0)
			continue;
		CHECK(!close(fd));
		if (instead >= 0)
			CHECK_EQ(dup2(instead, fd), fd);
	}
}

static void look_what_is_open(bool is[DESCRIPTORS])
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		is[fd] = fcntl(fd, F_GETFD) >= 0;
}

static zc_pool_options_t growing(void)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = options.segment_bytes = 1 << 20;
	options.max_bytes = 4 << 20;
	return options;
}

/* Whatever has the pool's numbers is not mapped, where readers are looked for. */
static void reader_comes_when_all_are_another_file(void)
{
	struct t_peer *peer = t_spawn("reader", reads_all, NULL);
	bool mine[DESCRIPTORS];
	struct t_writer writer;
	uint64_t sent = 0;
	zc_pool_t *pool;
	char path[8192];
	struct stat st;
	int file;

	snprintf(path, sizeof(path), "%s/mine", t_folder());
	file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(file >= 0 && !unlink(path));
	look_what_is_open(mine);
	pool = t_pool_create(NULL);
	t_writer_open(&writer, pool, SERVICE, NULL);
	close_all_but(mine, file);
	t_say(peer, "open");
	t_hear(peer, "opened");
	/* Until nothing can be taken back: the reader has read nothing. */
	while (t_try_write(&writer, 1000, 0) == ZC_OK)
		sent++;
	CHECK_OP(sent, >, 0);
	CHECK(!fstat(file, &st));
	CHECK_EQ(st.st_size, 0);
	t_say_number(peer, "read", sent);
	t_join(peer);
	t_writer_close(&writer);
	t_pool_close(pool);
}

static uint32_t segments_of(zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(zc_pool_get_info(pool, &info));
	return info.segments;
}

/* What has the number may be another pool's: of the same make, opened later. */
static void pool_is_not_grown_in_place_of_another(void)
{
	zc_pool_options_t options = growing();
	bool mine[DESCRIPTORS];
	zc_pool_t *pool, *other;

	look_what_is_open(mine);
	pool = t_pool_create_at(0, &options);
	CHECK_OK(zc_pool_create(t_name(1), &options, &other));
	close_all_but(mine, -1);
	zc_pool_close(other);
	CHECK_OK(zc_pool_open(t_name(1), &other));
	if (t_backend_is_shm()) {
		CHECK_OK(zc_pool_grow(pool, 1));
		CHECK_EQ(segments_of(pool), 2);
		CHECK_OK(zc_pool_shrink(pool, 1, t_wait_ns()));
	} else {
		CHECK_RESULT(zc_pool_grow(pool, 1), ZC_ERROR_SYSTEM);
		CHECK(strstr(zc_last_error(), "closed the descriptor"));
	}
	CHECK_EQ(segments_of(other), 1);
	CHECK_OK(zc_pool_grow(other, 1));
	CHECK_EQ(segments_of(pool), 1);
	CHECK_EQ(segments_of(other), 2);
	zc_pool_close(other);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(file_in_place_of_an_event_is_left_alone),
	T_CASE(event_in_place_of_another_is_left_open),
	T_CASE(pool_is_no_output),
	T_CASE(event_is_no_output),
	T_CASE(watch_is_no_output),
	T_CASE(death_without_descriptors_leaves_none),
	T_CASE(close_without_descriptors_leaves_none),
	T_CASE(forked_child_keeps_none_of_its_parents),
	T_CASE(reader_comes_when_all_are_another_file),
	T_CASE(pool_is_not_grown_in_place_of_another),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
