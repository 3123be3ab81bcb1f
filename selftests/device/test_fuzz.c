/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_fuzz.c - every call of the device with arguments at random, by several
 * processes at a time, as root and as another user.
 *
 * Nothing is promised of a single call, but that the kernel says nothing in its log
 * (selftests/vm/run.sh looks), that each returns, and that the device works
 * afterwards.  $ZC_FUZZ_CALLS: how many; $ZC_SEED: which.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "device.h"

#define PLAYERS 4
#define FDS 8
#define MAPS 12

struct board {
	uint64_t seed;
	uint64_t calls;		/* to make, all together */
	uint64_t made;
	uint64_t good;		/* that succeeded */
};

static struct board *board;

static const unsigned long commands[] = {
	ZC_IOC_FEATURES, ZC_IOC_CREATE, ZC_IOC_OPEN, ZC_IOC_UNLINK, ZC_IOC_LIST,
	ZC_IOC_JOIN, ZC_IOC_LEAVE, ZC_IOC_STAT, ZC_IOC_WRITER_JOIN,
	ZC_IOC_WRITER_LEAVE, ZC_IOC_READER_JOIN, ZC_IOC_READER_LEAVE,
	ZC_IOC_CLEANER_JOIN, ZC_IOC_CLEANER_LEAVE, ZC_IOC_SEGMENT_ADD,
	ZC_IOC_SEGMENT_REMOVE, ZC_IOC_EVICT, ZC_IOC_NOTIFY, ZC_IOC_NOTIFIED,
};

#define COMMANDS (sizeof(commands) / sizeof(*commands))

static struct {
	int fd[FDS];
	struct {
		char *at;
		size_t bytes;
	} map[MAPS];
	struct zc_geometry g;	/* of whichever pool was mapped last */
	sigjmp_buf jump;
} my;

static bool one_in(uint64_t n)
{
	return t_rand_below(n) == 0;
}

static uint64_t any_number(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 31, 32, 33, 63, 64, 4095, 4096, 4097, 65536, 1 << 20,
		2 << 20, 4 << 20, 1 << 30, INT32_MAX, UINT32_MAX, 1ULL << 32,
		1ULL << 40, 1ULL << 47, 1ULL << 52, 1ULL << 63, INT64_MAX,
		UINT64_MAX, UINT64_MAX - 4095,
	};

	switch (t_rand_below(4)) {
	case 0:
		return t_rand_below(8);
	case 1:
		return t_rand() << 32 ^ t_rand();
	default:
		return edges[t_rand_below(sizeof(edges) / sizeof(*edges))];
	}
}

static uint64_t mostly(uint64_t value)
{
	return one_in(12) ? any_number() : value;
}

/* Few names, so that they meet. */
static void any_name(uint8_t name[ZC_NAME_BYTES])
{
	if (one_in(20)) {
		for (unsigned int i = 0; i < ZC_NAME_BYTES; i++)
			name[i] = (uint8_t)t_rand();
		return;
	}
	d_name(name, (unsigned int)t_rand_below(3));
}

static void any_service(uint8_t name[3][ZC_NAME_BYTES])
{
	char instance[2] = { (char)('a' + t_rand_below(4)), 0 };

	d_service(name, instance);
	if (one_in(20))
		name[t_rand_below(3)][t_rand_below(ZC_NAME_BYTES)] = (uint8_t)t_rand();
}

union argument {
	struct zc_ioc_create create;
	struct zc_ioc_open open;
	struct zc_ioc_unlink unlink;
	struct zc_ioc_list list;
	struct zc_ioc_join join;
	struct zc_ioc_writer writer;
	struct zc_ioc_reader reader;
	struct zc_ioc_cleaner cleaner;
	struct zc_ioc_segment segment;
	struct zc_ioc_evict evict;
	struct zc_ioc_notify notify;
	uint8_t byte[4096];
	uint64_t word[512];
};

static void make_argument(union argument *a, unsigned long command)
{
	memset(a, 0, sizeof(*a));
	switch (command) {
	case ZC_IOC_CREATE:
		any_name(a->create.name);
		a->create.bytes = mostly(1 << (12 + t_rand_below(11)));
		a->create.segment_bytes = mostly(one_in(2) ? 0 : 65536);
		a->create.granule_bytes = mostly(0);
		a->create.ring_entries = (uint32_t)mostly(one_in(2) ? 16 : 64);
		a->create.max_holds = (uint32_t)mostly(16);
		a->create.max_segments = (uint32_t)mostly(one_in(2) ? 0 : 8);
		a->create.flags = (uint32_t)mostly(t_rand_below(2));
		a->create.page_wish = (uint32_t)mostly(t_rand_below(4));
		a->create.mode = (uint32_t)mostly(one_in(2) ? 0666 : 0);
		break;
	case ZC_IOC_OPEN:
		any_name(a->open.name);
		break;
	case ZC_IOC_UNLINK:
		a->unlink.flags = (uint32_t)mostly(0);
		if (!a->unlink.flags)
			any_name(a->unlink.name);
		break;
	case ZC_IOC_LIST:
		any_name(a->list.name);
		break;
	case ZC_IOC_JOIN:
		a->join.flags = (uint32_t)mostly(t_rand_below(8));
		a->join.caps = (uint32_t)mostly(0);
		break;
	case ZC_IOC_WRITER_JOIN:
	case ZC_IOC_WRITER_LEAVE:
		any_service(a->writer.name);
		a->writer.lag_limit = (uint32_t)mostly(8);
		a->writer.on_slow = (uint32_t)mostly(t_rand_below(3));
		a->writer.flags = (uint32_t)mostly(0);
		a->writer.service = (uint32_t)mostly(t_rand_below(4));
		a->writer.incarnation = (uint32_t)mostly(1 + t_rand_below(4));
		break;
	case ZC_IOC_READER_JOIN:
	case ZC_IOC_READER_LEAVE:
		any_service(a->reader.name);
		a->reader.flags = (uint32_t)mostly(0);
		a->reader.service = (uint32_t)mostly(t_rand_below(4));
		a->reader.reader = (uint32_t)mostly(t_rand_below(4));
		a->reader.incarnation = (uint32_t)mostly(1 + t_rand_below(4));
		break;
	case ZC_IOC_EVICT:
		a->evict.member = (uint32_t)mostly(t_rand_below(4));
		a->evict.incarnation = (uint32_t)mostly(1 + t_rand_below(4));
		break;
	case ZC_IOC_NOTIFY:
		a->notify.service = (uint32_t)mostly(t_rand_below(4));
		a->notify.flags = (uint32_t)mostly(1);
		if (one_in(2)) {
			a->notify.flags = ZC_NOTIFY_CORRUPTED;
			a->notify.fault = (uint32_t)mostly(1);
			a->notify.sequence = t_rand();
			a->notify.suspect = (uint32_t)mostly(t_rand_below(4));
		}
		break;
	default:
		for (int i = 0; i < 8; i++)
			a->word[i] = mostly(0);
	}
	if (one_in(40))
		a->byte[t_rand_below(512)] = (uint8_t)t_rand();
}

/* Where somebody might forget to check. */
static void *any_pointer(union argument *a)
{
	switch (t_rand_below(60)) {
	case 0:
		return NULL;
	case 1:
		return (void *)(uintptr_t)any_number();
	case 2:
		return my.map[t_rand_below(MAPS)].at;
	default:
		return a;
	}
}

static void keep_fd(int fd)
{
	int *slot = &my.fd[1 + t_rand_below(FDS - 1)];

	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

static bool calls(void)
{
	unsigned long command = commands[t_rand_below(COMMANDS)];
	int fd = my.fd[one_in(3) ? 0 : t_rand_below(FDS)];
	union argument a;
	void *p;
	int made;

	make_argument(&a, command);
	if (one_in(50))
		command ^= 1UL << t_rand_below(32);
	p = any_pointer(&a);
	/* Who is evicted, is killed: all but ourselves would be fair. */
	if (command == ZC_IOC_EVICT && !one_in(50))
		return false;
	if (ioctl(fd, command, p) < 0)
		return false;
	made = command == ZC_IOC_CREATE ? a.create.fd : a.open.fd;
	if (p == &a && (command == ZC_IOC_CREATE || command == ZC_IOC_OPEN))
		keep_fd(made);
	return true;
}

static bool maps(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE, PROT_EXEC };
	unsigned int i = (unsigned int)t_rand_below(MAPS);
	uint64_t region = mostly(t_rand_below(6)), off = 0, bytes = 4096;
	int fd = my.fd[t_rand_below(FDS)];
	void *at;

	switch (region) {
	case ZC_MAP_KERNEL:
		bytes = one_in(2) ? 4096 : my.g.off_reader_areas;
		break;
	case ZC_MAP_WRITERS:
		bytes = my.g.control_bytes - my.g.off_hints;
		break;
	case ZC_MAP_READERS:
		off = t_rand_below(128) * my.g.reader_area_bytes;
		bytes = my.g.reader_area_bytes;
		break;
	case ZC_MAP_DATA:
		off = t_rand_below(8) * my.g.segment_bytes;
		bytes = my.g.segment_bytes;
		break;
	}
	if (my.map[i].at)
		munmap(my.map[i].at, my.map[i].bytes);
	my.map[i].at = NULL;
	bytes = mostly(bytes);
	at = mmap(NULL, bytes, prots[t_rand_below(4)],
		  one_in(20) ? MAP_PRIVATE : MAP_SHARED, fd,
		  (off_t)(ZC_MAP_OFFSET(region) + mostly(off)));
	if (at == MAP_FAILED)
		return false;
	my.map[i].at = at;
	my.map[i].bytes = bytes;
	return true;
}

static bool remaps(void)
{
	unsigned int i = (unsigned int)t_rand_below(MAPS);
	char *at = my.map[i].at;
	size_t bytes = my.map[i].bytes;
	void *moved;

	if (!at)
		return false;
	switch (t_rand_below(6)) {
	case 0:
		return !mprotect(at, bytes, (int)t_rand_below(8));
	case 1:
		return !madvise(at, bytes, (int)t_rand_below(26));
	case 2:
		moved = mremap(at, bytes, mostly(bytes), MREMAP_MAYMOVE);
		if (moved == MAP_FAILED)
			return false;
		/* Larger it cannot have become; smaller by whole pages. */
		my.map[i].at = moved;
		return true;
	case 3:
		return !munmap(at, bytes > 4096 ? 4096 : bytes);
	case 4:
		return !mlock(at, bytes) && !munlock(at, bytes);
	default:
		munmap(at, bytes);
		my.map[i].at = NULL;
		return true;
	}
}

static void jumps(int sig)
{
	siglongjmp(my.jump, sig);
}

/* Garbage into what may be written, and a look at what may be read. */
static bool touches(void)
{
	unsigned int i = (unsigned int)t_rand_below(MAPS);
	volatile uint64_t *p = (void *)my.map[i].at;
	size_t words = my.map[i].bytes / 8;

	if (!p || !words || sigsetjmp(my.jump, 1))
		return false;
	if (my.map[i].bytes >= sizeof(struct zc_pool_header)) {
		const struct zc_pool_header *h = (const void *)my.map[i].at;

		if (h->magic == ZC_LAYOUT_MAGIC)
			my.g = h->geometry;
	}
	for (int n = 0; n < 20; n++)
		p[t_rand_below(words)] = any_number();
	return true;
}

static bool others(void)
{
	int fd = my.fd[t_rand_below(FDS)];
	char buffer[1024];
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI };

	switch (t_rand_below(8)) {
	case 0:
		fcntl(fd, F_SETFL, O_NONBLOCK);
		return read(fd, buffer, mostly(sizeof(buffer)) % 2000) > 0;
	case 1:
		return poll(&p, 1, 0) > 0;
	case 2:
		keep_fd(dup(fd));
		return true;
	case 3:
		keep_fd(-1);
		return true;
	case 4:
		return write(fd, buffer, 8) > 0;
	case 5:
		return lseek(fd, (off_t)any_number(), SEEK_SET) >= 0;
	case 6:
		if (my.fd[0] >= 0)
			close(my.fd[0]);
		my.fd[0] = open("/dev/" ZC_DEVICE_NAME, O_RDWR | O_CLOEXEC);
		return true;
	default:
		/* A child with all of it, that does something and goes. */
		if (!one_in(10))
			return false;
		if (!syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) {
			calls();
			maps();
			_exit(0);
		}
		return true;
	}
}

static void plays(void *arg)
{
	struct sigaction act = { .sa_handler = jumps, .sa_flags = SA_NODEFER };
	uintptr_t seat = (uintptr_t)arg;
	struct stat st;

	t_srand(board->seed + seat * 1000003 + board->made);
	signal(SIGCHLD, SIG_IGN);
	CHECK(!stat("/dev/" ZC_DEVICE_NAME, &st));
	/* Half of them have no rights but those of the group. */
	if (seat % 2)
		d_drop(1000 + (uint32_t)seat, st.st_gid);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	memset(my.fd, -1, sizeof(my.fd));
	my.fd[0] = open("/dev/" ZC_DEVICE_NAME, O_RDWR | O_CLOEXEC);
	my.g = (struct zc_geometry){ .off_reader_areas = 4096,
				     .reader_area_bytes = 4096,
				     .segment_bytes = 65536 };
	while (__atomic_fetch_add(&board->made, 1, __ATOMIC_SEQ_CST) < board->calls) {
		uint64_t what = t_rand_below(20);
		bool good;

		if (what < 10)
			good = calls();
		else if (what < 13)
			good = maps();
		else if (what < 15)
			good = remaps();
		else if (what < 17)
			good = touches();
		else
			good = others();
		if (good)
			__atomic_fetch_add(&board->good, 1, __ATOMIC_RELAXED);
		/* Death with everything open, and a new beginning. */
		if (one_in(500))
			_exit(0);
	}
	_exit(0);
}

static void device_survives_any_call(void)
{
	struct zc_ioc_unlink all = { .flags = ZC_UNLINK_ALL };
	struct zc_ioc_create after = d_create_arg(0);
	struct d_member m;
	pid_t player[PLAYERS] = { 0 };
	int device = d_open(), error;

	board = t_shared(sizeof(*board));
	board->seed = t_seed();
	board->calls = t_env("ZC_FUZZ_CALLS", t_long() ? 1000000 : 20000);
	for (;;) {
		bool any = false;

		for (uintptr_t i = 0; i < PLAYERS; i++) {
			int status;

			if (player[i] &&
			    waitpid(player[i], &status, WNOHANG) == player[i]) {
				/* Its own end, or evicted by another. */
				CHECK((WIFEXITED(status) && !WEXITSTATUS(status)) ||
				      (WIFSIGNALED(status) &&
				       WTERMSIG(status) == SIGKILL));
				player[i] = 0;
			}
			if (!player[i] && board->made < board->calls) {
				player[i] = fork();
				if (!player[i])
					plays((void *)i);
			}
			any |= player[i] != 0;
		}
		if (!any)
			break;
		t_nap(__FILE__, __LINE__, "the calls are made");
	}
	t_note("%llu calls, %llu succeeded", (unsigned long long)board->calls,
	       (unsigned long long)board->good);
	CHECK_OP(board->good, >, board->calls / 50);
	/* To remove all pools is each user's own affair. */
	for (uint32_t uid = 0; uid < 1000 + PLAYERS; uid = uid ? uid + 1 : 1000) {
		setfsuid(uid);
		all.unlinked = 0;
		CHECK_CALL(device, ZC_IOC_UNLINK, &all, 0);
	}
	setfsuid(0);
	/* What was unlinked gives its memory back in its own time. */
	T_UNTIL((error = d_call(device, ZC_IOC_CREATE, &after)) != ENOMEM);
	CHECK_EQ(error, 0);
	d_join(&m, after.fd, ZC_JOIN_WRITE);
	d_writer(&m, "after");
	d_reader(&m, "after", 0);
	d_leave(&m);
}

static const struct t_case cases[] = {
	T_CASE(device_survives_any_call),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
