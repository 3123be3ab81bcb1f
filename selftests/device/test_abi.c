/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_abi.c - what each call refuses: unknown commands, flags, padding, places.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "device.h"

static void abi_features(void)
{
	struct zc_ioc_features f;
	int device = d_open();

	memset(&f, 0xff, sizeof(f));
	CHECK_CALL(device, ZC_IOC_FEATURES, &f, 0);
	CHECK_EQ(f.uapi_version, ZC_UAPI_VERSION);
	CHECK_EQ(f.layout_version, ZC_LAYOUT_VERSION);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(f.reserved[i], 0);
	CHECK_CALL(device, ZC_IOC_FEATURES, NULL, EFAULT);
}

static void abi_unknown_commands_are_enotty(void)
{
	int device = d_open(), pool = d_create();
	char buffer[512] = { 0 };

	for (unsigned int nr = 0; nr < 256; nr++) {
		unsigned int known = _IOC_NR(ZC_IOC_LIST);

		if (nr > known)
			CHECK_CALL(device, _IOWR(ZC_IOC_MAGIC, nr, buffer),
				   buffer, ENOTTY);
		if (nr < 0x20 || nr > _IOC_NR(ZC_IOC_NOTIFIED))
			CHECK_CALL(pool, _IOWR(ZC_IOC_MAGIC, nr, buffer), buffer,
				   ENOTTY);
	}
	/* Known numbers with another size, and another magic. */
	CHECK_CALL(device, _IOR(ZC_IOC_MAGIC, 0, char), buffer, ENOTTY);
	CHECK_CALL(pool, _IOWR(ZC_IOC_MAGIC, 0x20, char), buffer, ENOTTY);
	CHECK_CALL(device, _IOR('x', 0, struct zc_ioc_features), buffer, ENOTTY);
	/* A pool's calls on the device and the other way round. */
	CHECK_CALL(device, ZC_IOC_STAT, buffer, ENOTTY);
	CHECK_CALL(pool, ZC_IOC_FEATURES, buffer, ENOTTY);
}

static void abi_create_refuses_what_it_does_not_know(void)
{
	struct zc_ioc_create arg;
	int device = d_open();

#define REFUSED(change)                                                        \
	do {                                                                   \
		arg = d_create_arg(0);                                         \
		change;                                                        \
		CHECK_CALL(device, ZC_IOC_CREATE, &arg, EINVAL);               \
	} while (0)
	REFUSED(arg.flags = 1U << 1);
	REFUSED(arg.flags = 1U << 31);
	REFUSED(arg.page_wish = ZC_PAGE_WISH_GIGANTIC + 1);
	REFUSED(arg.mode = 01600);
	REFUSED(arg.mode = 0400);
	REFUSED(arg.reserved[2] = 1);
	REFUSED(arg.padding = 1);
	REFUSED(arg.guard = ZC_MODE_FULL + 1);
	REFUSED(arg.bytes = 0);
	REFUSED(arg.bytes = ~0ULL);
	REFUSED(arg.segment_bytes = ~0ULL);
	REFUSED(arg.granule_bytes = 1000);
	REFUSED(arg.granule_bytes = 32);
	REFUSED(arg.ring_entries = 17);
	REFUSED(arg.ring_entries = 1U << 30);
	REFUSED(arg.max_holds = 1U << 20);
	REFUSED(arg.max_segments = 5000);
	REFUSED(memset(arg.name, 0, sizeof(arg.name)));
	REFUSED(memset(arg.name, 'x', sizeof(arg.name)));
	REFUSED(arg.name[0] = '/');
	REFUSED(arg.name[0] = '.');
	REFUSED(arg.name[3] = 0xe4);
	REFUSED(arg.name[ZC_NAME_BYTES - 1] = 'x');
	CHECK_CALL(device, ZC_IOC_CREATE, NULL, EFAULT);
	/* Nothing of it is left. */
	CHECK_EQ(d_unlink(0), ENOENT);
	arg = d_create_arg(0);
	CHECK_CALL(device, ZC_IOC_CREATE, &arg, 0);
}

static void abi_other_calls_refuse_what_they_do_not_know(void)
{
	struct zc_ioc_open open_arg = { .flags = 1 };
	struct zc_ioc_unlink unlink_arg = { .flags = 2 };
	struct zc_ioc_list list_arg = { .reserved = { 1 } };
	struct zc_ioc_join join_arg = { .flags = 1U << 9 };
	struct zc_ioc_writer writer = { .lag_limit = 10 };
	struct zc_ioc_reader reader = { .flags = 1U << 5 };
	struct zc_ioc_notify notify = { .flags = 1U << 5 };
	struct zc_ioc_evict evict = { .reserved = { 0, 1 } };
	struct zc_ioc_segment segment = { .reserved = { 1 } };
	int device = d_open(), pool = d_create();
	struct d_member m;

	d_name(open_arg.name, 0);
	CHECK_CALL(device, ZC_IOC_OPEN, &open_arg, EINVAL);
	d_name(unlink_arg.name, 0);
	CHECK_CALL(device, ZC_IOC_UNLINK, &unlink_arg, EINVAL);
	unlink_arg.flags = ZC_UNLINK_ALL;
	CHECK_CALL(device, ZC_IOC_UNLINK, &unlink_arg, EINVAL);
	open_arg = (struct zc_ioc_open){ .reserved = { 1 } };
	d_name(open_arg.name, 0);
	CHECK_CALL(device, ZC_IOC_OPEN, &open_arg, EINVAL);
	unlink_arg = (struct zc_ioc_unlink){ .reserved = { 1 } };
	d_name(unlink_arg.name, 0);
	CHECK_CALL(device, ZC_IOC_UNLINK, &unlink_arg, EINVAL);
	CHECK_CALL(device, ZC_IOC_LIST, &list_arg, EINVAL);
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EINVAL);
	join_arg.flags = ZC_JOIN_WRITE | ZC_JOIN_TRY_WRITE;
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EINVAL);
	join_arg = (struct zc_ioc_join){ .caps = ZC_CAP_WRITE };
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EINVAL);
	join_arg = (struct zc_ioc_join){ .reserved = { 0, 0, 0, 1 } };
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EINVAL);
	join_arg = (struct zc_ioc_join){ .flags = 0 };
	memset(join_arg.comm, 'x', sizeof(join_arg.comm));
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EINVAL);

	d_join(&m, pool, ZC_JOIN_WRITE);
	d_service(writer.name, "x");
	writer.on_slow = ZC_SLOW_DISCONNECT + 1;
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	writer.on_slow = 0;
	writer.flags = 2;
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	writer.flags = 0;
	writer.lag_limit = 64;
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	writer.lag_limit = 10;
	writer.history = 64;
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	writer.history = 0;
	writer.name[1][0] = '/';
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	writer.name[1][0] = 0;
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	memset(writer.name[1], 'y', ZC_NAME_BYTES);
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	d_service(reader.name, "x");
	CHECK_CALL(pool, ZC_IOC_READER_JOIN, &reader, EINVAL);
	CHECK_CALL(pool, ZC_IOC_READER_LEAVE, &reader, EINVAL);
	reader.flags = 0;
	reader.service = ZC_MAX_WRITERS;
	CHECK_CALL(pool, ZC_IOC_READER_LEAVE, &reader, EINVAL);
	reader.service = 0;
	reader.reader = ZC_MAX_READERS_PER;
	CHECK_CALL(pool, ZC_IOC_READER_LEAVE, &reader, EINVAL);
	reader = (struct zc_ioc_reader){ .reserved = { 1 } };
	CHECK_CALL(pool, ZC_IOC_READER_JOIN, &reader, EINVAL);
	CHECK_CALL(pool, ZC_IOC_READER_LEAVE, &reader, EINVAL);
	writer = (struct zc_ioc_writer){ .lag_limit = 10, .reserved = { 1 } };
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EINVAL);
	CHECK_CALL(pool, ZC_IOC_WRITER_LEAVE, &writer, EINVAL);
	writer = (struct zc_ioc_writer){ .flags = ZC_SERVICE_OVERWRITE };
	CHECK_CALL(pool, ZC_IOC_WRITER_LEAVE, &writer, EINVAL);
	writer = (struct zc_ioc_writer){ .service = ZC_MAX_WRITERS };
	CHECK_CALL(pool, ZC_IOC_WRITER_LEAVE, &writer, EINVAL);
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = 0 };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_DISCONNECTED,
					 .reader = ZC_MAX_READERS_PER };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = 1, .padding = 1 };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = 1, .service = ~0U };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_MESSAGES, .fault = 1 };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_MESSAGES, .sequence = 1 };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_DISCONNECTED, .suspect = 1 };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify = (struct zc_ioc_notify){ .flags = ZC_NOTIFY_CORRUPTED };
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify.fault = ZC_FAULTS_MAX + 1;
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify.fault = 1;
	notify.reader = 1;
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify.reader = 0;
	notify.suspect = ZC_MAX_WRITERS + 1;
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	notify.suspect = 0;
	notify.flags |= ZC_NOTIFY_MESSAGES;
	CHECK_CALL(pool, ZC_IOC_NOTIFY, &notify, EINVAL);
	CHECK_CALL(pool, ZC_IOC_EVICT, &evict, EINVAL);
	CHECK_CALL(pool, ZC_IOC_SEGMENT_ADD, &segment, EINVAL);
	segment = (struct zc_ioc_segment){ .segment = ~0U };
	CHECK_CALL(pool, ZC_IOC_SEGMENT_REMOVE, &segment, EINVAL);
}

static void abi_says_that_nobody_waits_for_a_reader(void)
{
	struct zc_ioc_writer writer = {
		.flags = ZC_SERVICE_OVERWRITE, .lag_limit = 10, .history = 1,
	};
	struct d_member m;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	d_service(writer.name, "newest");
	CHECK_CALL(m.fd, ZC_IOC_WRITER_JOIN, &writer, 0);
	CHECK_EQ(d_reader(&m, "newest", 0).flags, ZC_READER_HAZARD);
	d_writer(&m, "each");
	CHECK_EQ(d_reader(&m, "each", 0).flags, 0);
}

static void abi_calls_need_a_member_with_a_lease(void)
{
	struct zc_ioc_join join_arg = { .flags = ZC_JOIN_WRITE };
	struct zc_ioc_writer writer = { .lag_limit = 10 };
	struct zc_ioc_reader reader = { .flags = 0 };
	struct zc_device_event event;
	int pool = d_create();

	d_service(writer.name, "x");
	d_service(reader.name, "x");
	CHECK_CALL(pool, ZC_IOC_LEAVE, NULL, EPERM);
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EPERM);
	CHECK_CALL(pool, ZC_IOC_READER_JOIN, &reader, EPERM);
	CHECK_CALL(pool, ZC_IOC_NOTIFIED, NULL, EPERM);
	CHECK(read(pool, &event, sizeof(event)) < 0 && errno == EPERM);
	CHECK_MAP(pool, ZC_MAP_LEASE, 0, 4096, PROT_NONE, EPERM);
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, 0);
	CHECK_CALL(pool, ZC_IOC_JOIN, &join_arg, EALREADY);
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, ENXIO);
	CHECK_CALL(pool, ZC_IOC_READER_JOIN, &reader, ENXIO);
	CHECK(read(pool, &event, sizeof(event)) < 0 && errno == ENXIO);
	CHECK_MAP(pool, ZC_MAP_KERNEL, 0, 4096, PROT_READ, ENXIO);
	CHECK_MAP(pool, ZC_MAP_LEASE, 0, 8192, PROT_NONE, EINVAL);
	CHECK_MAP(pool, ZC_MAP_LEASE, 4096, 4096, PROT_NONE, EINVAL);
	CHECK_MAP(pool, ZC_MAP_LEASE, 0, 4096, PROT_READ, EACCES);
	CHECK(d_map(pool, ZC_MAP_LEASE, 0, 4096, PROT_NONE) != MAP_FAILED);
	CHECK_MAP(pool, ZC_MAP_LEASE, 0, 4096, PROT_NONE, EBUSY);
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, 0);
	CHECK_CALL(pool, ZC_IOC_LEAVE, NULL, 0);
	CHECK_CALL(pool, ZC_IOC_LEAVE, NULL, EPERM);
	CHECK_CALL(pool, ZC_IOC_WRITER_JOIN, &writer, EPERM);
}

static void abi_maps_only_whole_regions(void)
{
	struct zc_ioc_reader r;
	struct d_member m;
	uint64_t seg;

	d_join(&m, d_create(), ZC_JOIN_WRITE);
	r = d_reader(&m, "x", 0);
	seg = m.g.segment_bytes;
	CHECK_MAP(m.fd, 6, 0, 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, 0x7ff, 0, 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_KERNEL, 0, m.g.off_reader_areas + 4096, PROT_READ,
		  EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_KERNEL, 4096, 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_WRITERS, 4096, 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_WRITERS, 0,
		  m.g.control_bytes - m.g.off_hints + 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_DATA, 0, seg - 4096, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_DATA, 0, 2 * seg, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_DATA, 4096, seg, PROT_READ, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_DATA, m.g.max_segments * seg, seg, PROT_READ,
		  EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_READERS, 2048, m.g.reader_area_bytes, PROT_READ,
		  EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_READERS,
		  1024 * m.g.reader_area_bytes, m.g.reader_area_bytes, PROT_READ,
		  EINVAL);
	/* Nobody is there. */
	CHECK_MAP(m.fd, ZC_MAP_READERS,
		  1023 * m.g.reader_area_bytes, m.g.reader_area_bytes, PROT_READ,
		  ENXIO);
	CHECK(d_reader_region(&m, &r, PROT_READ | PROT_WRITE) != MAP_FAILED);
	CHECK_MAP(m.fd, ZC_MAP_STAMPS, 0, 8192, PROT_READ, EINVAL);
	/* A private copy; code. */
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, m.fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK_MAP(m.fd, ZC_MAP_KERNEL, 0, 4096, PROT_READ | PROT_EXEC, EACCES);
	CHECK(mprotect(m.kernel, 4096, PROT_READ | PROT_EXEC) < 0);
	CHECK_EQ(errno, EACCES);
}

/* A call as a 32-bit program makes it: 54 is ioctl() there. */
static int call_32(int fd, unsigned long cmd)
{
#ifdef __x86_64__
	int result;

	__asm__ __volatile__("int $0x80"
			     : "=a"(result)
			     : "a"(54), "b"(fd), "c"(cmd), "d"(0)
			     : "memory", "r8", "r9", "r10", "r11");
	return -result;
#else
	(void)fd;
	(void)cmd;
	return ENOSYS;
#endif
}

/* The layout has 64-bit words that programs of 32 bits could not change in one step. */
static void abi_is_not_for_32_bits(void)
{
	int pool = d_create(), device = d_open(), status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	/* Where no such programs run, that is the end of this one. */
	if (!pid)
		_exit(call_32(pool, ZC_IOC_LEAVE) == ENOSYS);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		t_skip("this kernel runs no 32-bit programs");
	CHECK_EQ(call_32(pool, ZC_IOC_LEAVE), EOPNOTSUPP);
	CHECK_EQ(call_32(pool, ZC_IOC_STAT), EOPNOTSUPP);
	CHECK_EQ(call_32(device, ZC_IOC_FEATURES), EOPNOTSUPP);
	CHECK_EQ(call_32(device, _IO('x', 0)), EOPNOTSUPP);
}

static const struct t_case cases[] = {
	T_CASE(abi_features),
	T_CASE(abi_unknown_commands_are_enotty),
	T_CASE(abi_create_refuses_what_it_does_not_know),
	T_CASE(abi_other_calls_refuse_what_they_do_not_know),
	T_CASE(abi_says_that_nobody_waits_for_a_reader),
	T_CASE(abi_calls_need_a_member_with_a_lease),
	T_CASE(abi_maps_only_whole_regions),
	T_CASE(abi_is_not_for_32_bits),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
