// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_fault_role.c - roles come, go and work while calls fail.
 *
 * Plain shared memory only, where roles are made by the library alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harness_fault.h"

#define SERVICE "fault/role/main"

struct point {
	double x, y;
};

ZC_TYPE(struct point, ZC_FIELD(f64, x), ZC_FIELD(f64, y));

static zc_pool_t *pool;
static zc_writer_t *writer;
static zc_reader_t *reader;
static zc_cleaner_t *cleaner;
static zc_messagering_t *node;
static zc_handle_t handle;
static zora_id_t id;

static void make(void)
{
	zc_pool_options_t options = t_pool_options();

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	options.bytes = 256U << 10;
	options.ring_entries = 16;
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
}

static void unmake(void)
{
	zc_pool_close(pool);
	CHECK_OK(zc_pool_remove(t_name(0)));
}

static zc_result_t write_as(const zc_type_t *type)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.service = SERVICE;
	options.type = type;
	options.guard = ZC_GUARD_FULL;
	return zc_writer_register(pool, &options, &writer);
}

static zc_result_t write_plain(void)
{
	return write_as(NULL);
}

static zc_result_t write_typed(void)
{
	return write_as(ZC_TYPE_OF(struct point));
}

static void write_end(void)
{
	zc_writer_unregister(writer);
	writer = NULL;
}

static bool excused_role(const char *call, zc_result_t result)
{
	/* Descriptors of the pool that are not any more: it says so in that way. */
	return !strcmp(call, "fcntl") && result == ZC_ERROR_BUSY;
}

/* The service's region is allocated with the first that comes. */
static void fault_while_a_writer_registers(void)
{
	struct t_attempt a = { .name = "writer", .before = make, .act = write_plain,
			       .undo = write_end, .after = unmake,
			       .excused = excused_role };

	t_attempt(&a);
	a.name = "typed writer";
	a.act = write_typed;
	t_attempt(&a);
}

static zc_result_t read_with(uint32_t history)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.service = SERVICE;
	options.history = history;
	return zc_reader_register(pool, &options, &reader);
}

static zc_result_t read_plain(void)
{
	return read_with(0);
}

static zc_result_t read_history(void)
{
	return read_with(4);
}

static void read_end(void)
{
	zc_reader_unregister(reader);
	reader = NULL;
}

static void fault_while_a_reader_registers(void)
{
	struct t_attempt a = { .name = "reader", .before = make, .act = read_plain,
			       .undo = read_end, .after = unmake,
			       .excused = excused_role };

	t_attempt(&a);
	a.name = "reader of history";
	a.act = read_history;
	t_attempt(&a);
}

static zc_result_t clean(void)
{
	return zc_cleaner_start(pool, NULL, &cleaner);
}

static void clean_end(void)
{
	zc_cleaner_stop(cleaner);
}

static void fault_while_a_cleaner_starts(void)
{
	const struct t_attempt a = { .name = "cleaner", .before = make, .act = clean,
				     .undo = clean_end, .after = unmake,
				     .excused = excused_role };

	t_attempt(&a);
}

static zc_result_t ring(void)
{
	return zc_messagering_register(pool, &node);
}

static void ring_end(void)
{
	zc_messagering_unregister(node);
}

static void fault_while_a_node_registers(void)
{
	const struct t_attempt a = { .name = "node", .before = make, .act = ring,
				     .undo = ring_end, .after = unmake,
				     .excused = excused_role };

	t_attempt(&a);
}

static void pair(void)
{
	make();
	CHECK_OK(write_typed());
	CHECK_OK(read_plain());
}

static zc_result_t get_fd(void)
{
	int fd = -1;
	zc_result_t result = zc_reader_get_fd(reader, &fd);

	CHECK((result == ZC_OK) == (fd >= 0));
	return result;
}

static void get_fd_end(void)
{
	read_end();
	CHECK_OK(read_plain());
}

static void fault_while_a_descriptor_is_made(void)
{
	const struct t_attempt a = { .name = "descriptor", .before = pair, .act = get_fd,
				     .undo = get_fd_end, .after = unmake };

	t_attempt(&a);
}

static zc_result_t bind_writer(void)
{
	return zora_register_writer(writer, &id);
}

static void bind_end(void)
{
	CHECK_OK(zora_unregister(id));
}

/* The table is made once a process: so each attempt is a process. */
static void binds(void *arg)
{
	unsigned int *nr = arg;
	const char *failed;
	zc_result_t result;

	pair();
	zc_pool_list(NULL, NULL);
	t_fault_nth(*nr / 3 + 1, *nr % 3);
	result = bind_writer();
	failed = t_fault_end();
	if (result != ZC_OK) {
		CHECK(failed);
		if (result != ZC_ERROR_NO_MEMORY && result != ZC_ERROR_SYSTEM)
			T_FAIL("%s fails: %s", failed, zc_strerror(result));
		CHECK_OK(bind_writer());
	}
	if (!failed)
		*nr = 0;
	bind_end();
	unmake();
}

static void fault_while_a_thread_binds_itself(void)
{
	unsigned int *nr = t_shared(sizeof(*nr)), i;

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	for (i = 0; i < 60; i++) {
		*nr = i;
		t_join(t_spawn("binder", binds, nr));
		if (i && !*nr)
			break;
	}
	CHECK_OP(i, >, 3);
	CHECK_OP(i, <, 60);
}

/* --- messages ----------------------------------------------------------------- */

static void claim(void)
{
	pair();
	CHECK_OK(zc_writer_acquire_block(writer, 64, &handle, t_wait_ns()));
}

static zc_result_t describe(void)
{
	const zc_type_part_t part = { 0, ZC_TYPE_OF(struct point), 0 };

	return zc_writer_describe_block(writer, handle, &part, 1);
}

static void claim_end(void)
{
	CHECK_OK(zc_writer_cancel_block(writer, handle));
	unmake();
}

static void hold(void)
{
	claim();
	memset(zc_writer_block_data(writer, handle, NULL), 0, 64);
	CHECK_OK(zc_writer_commit_block(writer, handle));
	CHECK_OK(zc_reader_poll_block(reader, 0, &handle, t_wait_ns()));
}

static void hold_end(void)
{
	CHECK_OK(zc_reader_release_block(reader, handle));
	unmake();
}

static zc_result_t look_at_type(void)
{
	zc_block_type_t type = { .sz = sizeof(type) };

	return zc_reader_block_type(reader, handle, &type);
}

static int step(const zc_type_node_t *n, void *ctx)
{
	(void)n;
	(void)ctx;
	return 0;
}

static zc_result_t walk(void)
{
	return zc_reader_walk_block(reader, handle, step, NULL);
}

static zc_result_t shape(void)
{
	char text[100];

	return zc_type_shape(ZC_TYPE_OF(struct point), text, sizeof(text)) ?
		       ZC_OK : ZC_ERROR_NO_MEMORY;
}

/* Refused in any case; the sentence says less where there is no memory for more. */
static zc_result_t of_another_type(void)
{
	CHECK(!zc_reader_typed_data(reader, handle, zc_type_basic(ZC_TYPE_U64)));
	CHECK(strstr(zc_last_error(), "this message of 64 bytes is"));
	return ZC_OK;
}

static void fault_while_types_are_looked_at(void)
{
	struct t_attempt a = { .name = "describe", .before = claim, .act = describe,
			       .after = claim_end };

	t_attempt(&a);
	a = (struct t_attempt){ .name = "type", .before = hold, .act = look_at_type,
				.after = hold_end };
	t_attempt(&a);
	a.name = "walk";
	a.act = walk;
	t_attempt(&a);
	a.name = "shape";
	a.act = shape;
	t_attempt(&a);
	a.name = "another type";
	a.act = of_another_type;
	t_attempt(&a);
}

/* --- looking ------------------------------------------------------------------ */

static unsigned int seen;

static int see(const zc_inspect_block_t *block, void *ctx)
{
	(void)ctx;
	seen += block->sequence != 0;
	return 0;
}

/* A message with 64 bytes, and one that is longer than is read at a time. */
static void two_messages(void)
{
	zc_pool_options_t options = t_pool_options();
	static const size_t bytes[] = { 64, 600000 };

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	options.bytes = 1 << 20;
	options.ring_entries = 16;
	CHECK_OK(zc_pool_create(t_name(0), &options, &pool));
	CHECK_OK(write_plain());
	CHECK_OK(read_plain());
	for (unsigned int i = 0; i < 2; i++) {
		CHECK_OK(zc_writer_acquire_block(writer, bytes[i], &handle, t_wait_ns()));
		memset(zc_writer_block_data(writer, handle, NULL), 7, bytes[i]);
		CHECK_OK(zc_writer_commit_block(writer, handle));
	}
}

/* What cannot be looked into is shown all the same. */
static zc_result_t verify(void)
{
	zc_result_t result;

	seen = 0;
	result = zc_inspect_verified(pool, see, NULL);
	if (result == ZC_OK)
		CHECK_EQ(seen, 2);
	return result;
}

static void fault_while_messages_are_verified(void)
{
	const struct t_attempt a = { .name = "verify", .before = two_messages,
				     .act = verify, .after = unmake };

	t_attempt(&a);
}

/* Files of a pool that was removed are gone; who has them mapped sees what is there. */
static void fault_of_files_hides_no_message(void)
{
	char data[4400];
	zc_pool_info_t info = { .sz = sizeof(info) };

	two_messages();
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_pool_remove(t_name(0)));
	CHECK_OK(verify());
	zc_pool_close(pool);
	/* A file that is shorter than it was cannot be read, and nobody dies of it. */
	two_messages();
	CHECK_OK(zc_pool_get_info(pool, &info));
	snprintf(data, sizeof(data), "%s/zerocore.%s.data0", t_folder(), info.creation_id);
	CHECK(!truncate(data, 0));
	CHECK_OK(verify());
	CHECK(!truncate(data, 1 << 20));
	unmake();
}

/* --- calls that never do well ------------------------------------------------------ */

/* Without membarrier a feeder looks each millisecond. */
static void fault_of_membarrier_keeps_descriptors_awake(void)
{
	struct pollfd p = { .events = POLLIN };
	zc_handle_t got;
	uint64_t word;

	if (!t_backend_is_shm())
		t_skip("the device's calls are the kernel's");
	t_fault_each("syscall", SYS_membarrier, EPERM);
	pair();
	CHECK_OK(zc_reader_get_fd(reader, &p.fd));
	for (unsigned int i = 0; i < 10; i++) {
		CHECK_OK(zc_writer_acquire_block(writer, 64, &handle, t_wait_ns()));
		memset(zc_writer_block_data(writer, handle, NULL), 0, 64);
		CHECK_OK(zc_writer_commit_block(writer, handle));
		CHECK(poll(&p, 1, 30000) == 1);
		CHECK(read(p.fd, &word, sizeof(word)) == sizeof(word));
		CHECK_OK(zc_reader_poll_block(reader, 0, &got, 0));
		CHECK_OK(zc_reader_release_block(reader, got));
	}
	CHECK(t_fault_end());
	unmake();
}

/* --- a full machine --------------------------------------------------------------- */

static void start_again_needs_no_room(void)
{
	zc_cleaner_t *another;

	make();
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner));
	zc_cleaner_stop(cleaner);
	t_fault_file("/proc/meminfo", "MemAvailable:  1000 kB\nSwapFree: 0 kB\n");
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner));
	CHECK_RESULT(zc_cleaner_start(pool, NULL, &another), ZC_ERROR_NO_MEMORY);
	t_fault_files_end();
	zc_cleaner_stop(cleaner);
	unmake();
}

static long long blocks_of_control(void)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	CHECK(!stat(path, &st));
	return st.st_blocks;
}

/* There are names of services whose first writer got no region; then one is taken back. */
static void service_without_a_region_is_not_looked_at(void)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	long long before;
	char name[40];

	make();
	before = blocks_of_control();
	t_fault_each("posix_fallocate", 0, ENOSPC);
	for (unsigned int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "fault/role/%u", i);
		options.service = name;
		CHECK_RESULT(zc_writer_register(pool, &options, &writer),
			     ZC_ERROR_NO_MEMORY);
	}
	CHECK(t_fault_end());
	CHECK_EQ(blocks_of_control(), before);
	CHECK_OK(zc_writer_register(pool, &options, &writer));
	write_end();
	unmake();
}

static const struct t_case cases[] = {
	T_CASE(fault_while_a_writer_registers),
	T_CASE(fault_while_a_reader_registers),
	T_CASE(fault_while_a_cleaner_starts),
	T_CASE(fault_while_a_node_registers),
	T_CASE(fault_while_a_descriptor_is_made),
	T_CASE(fault_while_a_thread_binds_itself),
	T_CASE(fault_while_types_are_looked_at),
	T_CASE(fault_while_messages_are_verified),
	T_CASE(fault_of_files_hides_no_message),
	T_CASE(fault_of_membarrier_keeps_descriptors_awake),
	T_CASE(start_again_needs_no_room),
	T_CASE(service_without_a_region_is_not_looked_at),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
