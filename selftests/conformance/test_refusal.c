// SPDX-License-Identifier: MIT OR LGPL-2.1
/*
 * test_refusal.c - each call with nothing, from a forked child, by who only looks; and
 * what a program gets that is newer than the library.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "refusal/test/main"

static zc_pool_t *pool;
static zc_writer_t *writer;
static zc_reader_t *reader;
static zc_cleaner_t *cleaner;
static zc_messagering_t *node;
static zc_handle_t claimed, held;
static zora_id_t id;

static char sentence[200];

/* A sentence that nothing else says. */
static void forget(void)
{
	zc_pool_list(NULL, NULL);
	strncpy(sentence, zc_last_error(), sizeof(sentence) - 1);
}

/* Refused, for that reason, with a sentence of its own. */
#define REFUSED(call, expected)                                                \
	do {                                                                   \
		forget();                                                      \
		CHECK_RESULT(call, expected);                                  \
		CHECK(*zc_last_error() && strcmp(sentence, zc_last_error()));  \
	} while (0)
#define NOTHING(call) REFUSED(call, ZC_ERROR_INVALID)
#define CLOSED(call) REFUSED(call, ZC_ERROR_CLOSED)

static void open_all(void)
{
	zc_writer_options_t w = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t r = ZC_READER_OPTIONS_INIT;
	zc_handle_t handle;

	pool = t_pool_create(NULL);
	w.service = r.service = SERVICE;
	w.type_room = 100;
	CHECK_OK(zc_writer_register(pool, &w, &writer));
	CHECK_OK(zc_reader_register(pool, &r, &reader));
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner));
	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zora_register_writer(writer, &id));
	CHECK_OK(zc_writer_acquire_block(writer, 100, &handle, t_wait_ns()));
	memset(zc_writer_block_data(writer, handle, NULL), 0, 100);
	CHECK_OK(zc_writer_commit_block(writer, handle));
	CHECK_OK(zc_reader_poll_block(reader, 0, &held, t_wait_ns()));
	CHECK_OK(zc_writer_acquire_block(writer, 100, &claimed, t_wait_ns()));
}

static void close_all(void)
{
	CHECK_OK(zc_writer_cancel_block(writer, claimed));
	CHECK_OK(zc_reader_release_block(reader, held));
	CHECK_OK(zora_unregister(id));
	zc_messagering_unregister(node);
	zc_cleaner_stop(cleaner);
	zc_reader_unregister(reader);
	zc_writer_unregister(writer);
	t_pool_close(pool);
}

static int visit_block(const zc_inspect_block_t *block, void *ctx)
{
	(void)block;
	(void)ctx;
	return 0;
}

static int visit_type(const zc_type_node_t *n, void *ctx)
{
	(void)n;
	(void)ctx;
	return 0;
}

static void on_message(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
}

/* Structs that callers give, as they should be. */
static zc_pool_info_t info = { .sz = sizeof(info) };
static zc_member_info_t member = { .sz = sizeof(member) };
static zc_service_info_t service = { .sz = sizeof(service) };
static zc_reader_info_t reader_info = { .sz = sizeof(reader_info) };
static zc_cleaner_info_t cleaner_info = { .sz = sizeof(cleaner_info) };
static zc_pool_load_t load = { .sz = sizeof(load) };
static zc_check_report_t report = { .sz = sizeof(report) };
static zc_event_t event = { .sz = sizeof(event) };
static zc_cleaner_stats_t cleaner_stats = { .sz = sizeof(cleaner_stats) };
static zc_writer_stats_t writer_stats = { .sz = sizeof(writer_stats) };
static zc_reader_stats_t reader_stats = { .sz = sizeof(reader_stats) };
static zc_block_info_t block = { .sz = sizeof(block) };
static zc_block_type_t block_type = { .sz = sizeof(block_type) };

static void nothing_is_no_pool(void)
{
	zc_pool_t *out;
	zc_writer_t *w;
	zc_reader_t *r;
	zc_cleaner_t *c;
	zc_messagering_t *m;

	open_all();
	NOTHING(zc_pool_create(NULL, NULL, &out));
	NOTHING(zc_pool_create("name", NULL, NULL));
	NOTHING(zc_pool_open(NULL, &out));
	NOTHING(zc_pool_open(t_name(0), NULL));
	NOTHING(zc_pool_remove(NULL));
	NOTHING(zc_pool_grow(NULL, 1));
	NOTHING(zc_pool_shrink(NULL, 1, 0));
	NOTHING(zc_pool_evict(NULL, 0, 0));
	NOTHING(zc_pool_check(NULL, &report));
	NOTHING(zc_pool_check(pool, NULL));
	NOTHING(zc_pool_get_info(NULL, &info));
	NOTHING(zc_pool_get_info(pool, NULL));
	NOTHING(zc_pool_get_load(NULL, &load));
	NOTHING(zc_pool_get_load(pool, NULL));
	NOTHING(zc_pool_next_event(NULL, &event, 0));
	NOTHING(zc_pool_next_event(pool, NULL, 0));
	NOTHING(zc_inspect_member(NULL, 0, &member));
	NOTHING(zc_inspect_member(pool, 0, NULL));
	NOTHING(zc_inspect_service(NULL, 0, &service));
	NOTHING(zc_inspect_service(pool, 0, NULL));
	NOTHING(zc_inspect_reader(NULL, 0, 0, &reader_info));
	NOTHING(zc_inspect_reader(pool, 0, 0, NULL));
	NOTHING(zc_inspect_cleaner(NULL, 0, &cleaner_info));
	NOTHING(zc_inspect_cleaner(pool, 0, NULL));
	NOTHING(zc_inspect_blocks(NULL, visit_block, NULL));
	NOTHING(zc_inspect_blocks(pool, NULL, NULL));
	NOTHING(zc_inspect_verified(NULL, visit_block, NULL));
	NOTHING(zc_inspect_verified(pool, NULL, NULL));
	NOTHING(zc_inspect_runs(NULL, visit_block, NULL));
	NOTHING(zc_inspect_runs(pool, NULL, NULL));
	NOTHING(zc_set_hooks(NULL, NULL));
	NOTHING(zc_set_scaling_policy(NULL, NULL));
	NOTHING(zc_set_alloc_strategy(NULL, NULL));
	NOTHING(zc_set_backpressure_strategy(NULL, NULL));
	NOTHING(zc_set_clean_strategy(NULL, NULL));
	NOTHING(zora_rotate_keys(NULL));
	NOTHING(zc_writer_register(NULL, NULL, &w));
	NOTHING(zc_writer_register(pool, NULL, &w));
	NOTHING(zc_reader_register(NULL, NULL, &r));
	NOTHING(zc_reader_register(pool, NULL, &r));
	NOTHING(zc_cleaner_start(NULL, NULL, &c));
	NOTHING(zc_cleaner_start(pool, NULL, NULL));
	NOTHING(zc_messagering_register(NULL, &m));
	NOTHING(zc_messagering_register(pool, NULL));
	CHECK(!strcmp(zc_pool_name(NULL), ""));
	zc_pool_close(NULL);
	zc_writer_unregister(NULL);
	zc_reader_unregister(NULL);
	zc_cleaner_stop(NULL);
	zc_messagering_unregister(NULL);
	close_all();
}

#define NO_ROLE(call)                                                          \
	do {                                                                   \
		zc_result_t no_;                                               \
                                                                               \
		forget();                                                      \
		no_ = (call);                                                  \
		if (no_ != ZC_ERROR_INVALID && no_ != ZC_ERROR_CLOSED)         \
			T_FAIL("%s: %s", #call, zc_strerror(no_));             \
		CHECK(*zc_last_error() && strcmp(sentence, zc_last_error()));  \
	} while (0)

static void nothing_is_no_role(void)
{
	const zc_type_part_t part = { 0, zc_type_basic(ZC_TYPE_U64), 0 };
	zc_handle_t handle;
	zora_id_t other;
	size_t bytes;
	uint32_t nr;
	int fd;

	open_all();
	NO_ROLE(zc_writer_acquire_block(NULL, 1, &handle, 0));
	NO_ROLE(zc_writer_acquire_block(writer, 1, NULL, 0));
	NO_ROLE(zc_writer_commit_block(NULL, claimed));
	NO_ROLE(zc_writer_cancel_block(NULL, claimed));
	NO_ROLE(zc_writer_resize_block(NULL, claimed, 1));
	NO_ROLE(zc_writer_io_begin(NULL, claimed));
	NO_ROLE(zc_writer_io_end(NULL, claimed));
	NO_ROLE(zc_writer_get_stats(NULL, &writer_stats));
	NO_ROLE(zc_writer_get_stats(writer, NULL));
	NO_ROLE(zc_writer_describe_block(NULL, claimed, &part, 1));
	NO_ROLE(zc_writer_describe_block(writer, claimed, NULL, 1));
	NO_ROLE(zc_writer_send_message(NULL, 0, ZC_MSG_USER, "", 1));
	NO_ROLE(zc_writer_handle_message(NULL, ZC_MSG_USER, on_message, NULL));
	NO_ROLE(zc_writer_check_message(NULL, &bytes, &bytes, NULL, 0));
	NO_ROLE(zc_reader_poll_block(NULL, 0, &handle, 0));
	NO_ROLE(zc_reader_poll_block(reader, 0, NULL, 0));
	NO_ROLE(zc_reader_release_block(NULL, held));
	NO_ROLE(zc_reader_block_info(NULL, held, &block));
	NO_ROLE(zc_reader_block_info(reader, held, NULL));
	NO_ROLE(zc_reader_io_begin(NULL, held));
	NO_ROLE(zc_reader_io_end(NULL, held));
	NO_ROLE(zc_reader_get_fd(NULL, &fd));
	NO_ROLE(zc_reader_get_fd(reader, NULL));
	NO_ROLE(zc_reader_get_stats(NULL, &reader_stats));
	NO_ROLE(zc_reader_get_stats(reader, NULL));
	NO_ROLE(zc_reader_block_type(NULL, held, &block_type));
	NO_ROLE(zc_reader_block_type(reader, held, NULL));
	NO_ROLE(zc_reader_walk_block(NULL, held, visit_type, NULL));
	NO_ROLE(zc_reader_walk_block(reader, held, NULL, NULL));
	NO_ROLE(zc_reader_send_message(NULL, 0, ZC_MSG_USER, "", 1));
	NO_ROLE(zc_reader_handle_message(NULL, ZC_MSG_USER, on_message, NULL));
	NO_ROLE(zc_reader_check_message(NULL, &bytes, &bytes, NULL, 0));
	NO_ROLE(zc_wait_any(NULL, 1, &nr, 0));
	NO_ROLE(zc_wait_any(&reader, 0, &nr, 0));
	NO_ROLE(zc_cleaner_get_stats(NULL, &cleaner_stats));
	NO_ROLE(zc_cleaner_get_stats(cleaner, NULL));
	NO_ROLE(zc_cleaner_handle(NULL, ZC_MSG_USER, on_message, NULL));
	NO_ROLE(zc_messagering_handle(NULL, ZC_MSG_USER, on_message, NULL));
	NO_ROLE(zc_messagering_post(NULL, 0, ZC_MSG_USER, "", 1, 0));
	NO_ROLE(zc_messagering_post(node, 0, ZC_MSG_USER, NULL, 1, 0));
	NO_ROLE(zc_messagering_broadcast(NULL, ZC_MSG_USER, "", 1, 0));
	NO_ROLE(zc_messagering_on_message(NULL, 0, &nr));
	NO_ROLE(zora_register_writer(NULL, &other));
	NO_ROLE(zora_register_writer(writer, NULL));
	NO_ROLE(zora_register_reader(NULL, &other));
	NO_ROLE(zora_register_reader(reader, NULL));
	CHECK(!zc_writer_block_data(NULL, claimed, &bytes));
	CHECK(!zc_writer_typed_data(NULL, claimed, part.type));
	CHECK(!zc_reader_block_data(NULL, held, &bytes));
	CHECK(!zc_reader_typed_data(NULL, held, part.type));
	CHECK_OK(zora_unregister(0));
	zc_writer_id(NULL);
	zc_reader_id(NULL);
	zc_reader_writer_state(NULL);
	zc_messagering_id(NULL);
	zc_messagering_nodes(NULL);
	CHECK(!zc_type_basic((zc_element_t)0x7f));
	CHECK(!zc_type_fingerprint(NULL));
	CHECK(!zc_type_shape(NULL, sentence, sizeof(sentence)));
	CHECK(!zc_type_shape(part.type, NULL, 0));
	close_all();
}

/* A struct whose size nobody set is none. */
static void size_of_nothing_refused(void)
{
	open_all();
	info.sz = member.sz = service.sz = reader_info.sz = cleaner_info.sz = 0;
	load.sz = report.sz = event.sz = cleaner_stats.sz = 0;
	writer_stats.sz = reader_stats.sz = block.sz = block_type.sz = 0;
	NOTHING(zc_pool_get_info(pool, &info));
	NOTHING(zc_pool_get_load(pool, &load));
	NOTHING(zc_pool_check(pool, &report));
	NOTHING(zc_pool_next_event(pool, &event, 0));
	NOTHING(zc_inspect_member(pool, 0, &member));
	NOTHING(zc_inspect_service(pool, 0, &service));
	NOTHING(zc_inspect_reader(pool, 0, 0, &reader_info));
	NOTHING(zc_inspect_cleaner(pool, 0, &cleaner_info));
	NOTHING(zc_cleaner_get_stats(cleaner, &cleaner_stats));
	NOTHING(zc_writer_get_stats(writer, &writer_stats));
	NOTHING(zc_reader_get_stats(reader, &reader_stats));
	NOTHING(zc_reader_block_info(reader, held, &block));
	NOTHING(zc_reader_block_type(reader, held, &block_type));
	close_all();
}

/* What this library does not know of an output is 0, and what is behind it the caller's. */
#define LONGER(known, call)                                                    \
	do {                                                                   \
		memset(&longer, 0xff, sizeof(longer));                         \
		longer.known.sz = sizeof(longer.known) + 16;                   \
		CHECK_OK(call);                                                \
		CHECK_EQ(longer.known.sz, sizeof(longer.known) + 16);          \
		for (size_t i_ = sizeof(longer.known); i_ < sizeof(longer); i_++) \
			CHECK_EQ(longer.bytes[i_],                             \
				 i_ < sizeof(longer.known) + 16 ? 0 : 0xff);   \
	} while (0)

static void size_of_a_later_header_is_filled(void)
{
	union {
		zc_pool_info_t info;
		zc_pool_load_t load;
		zc_check_report_t report;
		zc_member_info_t member;
		zc_service_info_t service;
		zc_reader_info_t reader;
		zc_cleaner_info_t cleaner;
		zc_cleaner_stats_t cleaner_stats;
		zc_writer_stats_t writer_stats;
		zc_reader_stats_t reader_stats;
		zc_block_info_t block;
		zc_block_type_t type;
		unsigned char bytes[1024];
	} longer;

	open_all();
	LONGER(info, zc_pool_get_info(pool, &longer.info));
	LONGER(load, zc_pool_get_load(pool, &longer.load));
	LONGER(report, zc_pool_check(pool, &longer.report));
	LONGER(member, zc_inspect_member(pool, 0, &longer.member));
	LONGER(service, zc_inspect_service(pool, 0, &longer.service));
	LONGER(reader, zc_inspect_reader(pool, 0, 0, &longer.reader));
	LONGER(cleaner, zc_inspect_cleaner(pool, 0, &longer.cleaner));
	LONGER(cleaner_stats, zc_cleaner_get_stats(cleaner, &longer.cleaner_stats));
	LONGER(writer_stats, zc_writer_get_stats(writer, &longer.writer_stats));
	LONGER(reader_stats, zc_reader_get_stats(reader, &longer.reader_stats));
	LONGER(block, zc_reader_block_info(reader, held, &longer.block));
	LONGER(type, zc_reader_block_type(reader, held, &longer.type));
	close_all();
}

#define FORKED(call) REFUSED(call, ZC_ERROR_FORKED)

/* The pool and its roles are the parent's. */
static void child(void)
{
	const zc_type_part_t part = { 0, zc_type_basic(ZC_TYPE_U64), 0 };
	zc_writer_options_t w = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t r = ZC_READER_OPTIONS_INIT;
	zc_messagering_t *m;
	zc_cleaner_t *c;
	zc_handle_t handle;
	zora_id_t other;
	size_t bytes;
	uint32_t nr;
	int fd;

	w.service = r.service = SERVICE "/child";
	FORKED(zc_pool_grow(pool, 1));
	FORKED(zc_pool_shrink(pool, 1, 0));
	FORKED(zc_pool_evict(pool, 0, 0));
	FORKED(zc_pool_check(pool, &report));
	FORKED(zc_pool_get_info(pool, &info));
	FORKED(zc_pool_get_load(pool, &load));
	FORKED(zc_pool_next_event(pool, &event, 0));
	FORKED(zc_inspect_member(pool, 0, &member));
	FORKED(zc_inspect_service(pool, 0, &service));
	FORKED(zc_inspect_reader(pool, 0, 0, &reader_info));
	FORKED(zc_inspect_cleaner(pool, 0, &cleaner_info));
	FORKED(zc_inspect_blocks(pool, visit_block, NULL));
	FORKED(zc_inspect_verified(pool, visit_block, NULL));
	FORKED(zc_inspect_runs(pool, visit_block, NULL));
	FORKED(zc_set_hooks(pool, NULL));
	FORKED(zc_set_scaling_policy(pool, NULL));
	FORKED(zc_set_alloc_strategy(pool, NULL));
	FORKED(zc_set_backpressure_strategy(pool, NULL));
	FORKED(zc_set_clean_strategy(pool, NULL));
	FORKED(zora_rotate_keys(pool));
	FORKED(zc_writer_register(pool, &w, &writer));
	FORKED(zc_reader_register(pool, &r, &reader));
	FORKED(zc_cleaner_start(pool, NULL, &c));
	FORKED(zc_messagering_register(pool, &m));
	FORKED(zc_writer_acquire_block(writer, 1, &handle, 0));
	FORKED(zc_writer_commit_block(writer, claimed));
	FORKED(zc_writer_cancel_block(writer, claimed));
	FORKED(zc_writer_resize_block(writer, claimed, 1));
	FORKED(zc_writer_io_begin(writer, claimed));
	FORKED(zc_writer_io_end(writer, claimed));
	FORKED(zc_writer_describe_block(writer, claimed, &part, 1));
	FORKED(zc_writer_send_message(writer, 0, ZC_MSG_USER, "", 1));
	FORKED(zc_writer_handle_message(writer, ZC_MSG_USER, on_message, NULL));
	FORKED(zc_writer_check_message(writer, &bytes, &bytes, NULL, 0));
	FORKED(zc_reader_poll_block(reader, 0, &handle, 0));
	FORKED(zc_reader_release_block(reader, held));
	FORKED(zc_reader_block_info(reader, held, &block));
	FORKED(zc_reader_io_begin(reader, held));
	FORKED(zc_reader_io_end(reader, held));
	FORKED(zc_reader_get_fd(reader, &fd));
	FORKED(zc_reader_block_type(reader, held, &block_type));
	FORKED(zc_reader_walk_block(reader, held, visit_type, NULL));
	FORKED(zc_reader_send_message(reader, 0, ZC_MSG_USER, "", 1));
	FORKED(zc_reader_handle_message(reader, ZC_MSG_USER, on_message, NULL));
	FORKED(zc_reader_check_message(reader, &bytes, &bytes, NULL, 0));
	FORKED(zc_wait_any(&reader, 1, &nr, 0));
	FORKED(zc_cleaner_get_stats(cleaner, &cleaner_stats));
	FORKED(zc_cleaner_handle(cleaner, ZC_MSG_USER, on_message, NULL));
	FORKED(zc_messagering_handle(node, ZC_MSG_USER, on_message, NULL));
	FORKED(zc_messagering_post(node, 0, ZC_MSG_USER, "", 1, 0));
	FORKED(zc_messagering_broadcast(node, ZC_MSG_USER, "", 1, 0));
	FORKED(zc_messagering_on_message(node, 0, &nr));
	FORKED(zora_register_writer(writer, &other));
	FORKED(zora_register_reader(reader, &other));
	CHECK(!zc_writer_block_data(writer, claimed, &bytes));
	CHECK(!zc_writer_typed_data(writer, claimed, part.type));
	CHECK(!zc_reader_block_data(reader, held, &bytes));
	CHECK(!zc_reader_typed_data(reader, held, part.type));
	zc_reader_writer_state(reader);
	zc_messagering_nodes(node);
	/* What it inherited it may let go, which changes nothing. */
	zc_messagering_unregister(node);
	zc_cleaner_stop(cleaner);
	zc_reader_unregister(reader);
	zc_writer_unregister(writer);
	zc_pool_close(pool);
	t_leave();
}

static void inherited_by_a_child_refused(void)
{
	int status;
	pid_t pid;

	open_all();
	pid = t_fork();
	CHECK(pid >= 0);
	if (!pid)
		child();
	CHECK(waitpid(pid, &status, 0) == pid && !status);
	close_all();
}

/* Who only looks has no roles, and changes nothing. */
static void observer_may_only_look(void)
{
	zc_open_options_t options = ZC_OPEN_OPTIONS_INIT;
	zc_writer_options_t w = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t r = ZC_READER_OPTIONS_INIT;

	if (!t_backend_is_shm())
		t_skip("on the device it is a member that may not write");
	t_pool_close(t_pool_create(NULL));
	options.observe = true;
	CHECK_OK(zc_pool_open_with(t_name(0), &options, &pool));
	w.service = r.service = SERVICE;
	REFUSED(zc_writer_register(pool, &w, &writer), ZC_ERROR_PERMISSION);
	REFUSED(zc_reader_register(pool, &r, &reader), ZC_ERROR_PERMISSION);
	REFUSED(zc_cleaner_start(pool, NULL, &cleaner), ZC_ERROR_PERMISSION);
	REFUSED(zc_messagering_register(pool, &node), ZC_ERROR_PERMISSION);
	REFUSED(zc_pool_grow(pool, 1), ZC_ERROR_PERMISSION);
	REFUSED(zc_pool_shrink(pool, 1, 0), ZC_ERROR_PERMISSION);
	REFUSED(zc_pool_check(pool, &report), ZC_ERROR_PERMISSION);
	REFUSED(zc_set_hooks(pool, NULL), ZC_ERROR_PERMISSION);
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_OK(zc_pool_get_load(pool, &load));
	CHECK_OK(zc_inspect_runs(pool, visit_block, NULL));
	CHECK_OK(zc_inspect_blocks(pool, visit_block, NULL));
	zc_pool_close(pool);
}

/* --- past the limits ----------------------------------------------------------------- */

static void option_past_its_limit_refused(void)
{
	zc_scaling_policy_t policy = ZC_SCALING_POLICY_INIT;
	zc_pool_options_t p = t_pool_options();
	zc_writer_options_t w;
	zc_reader_options_t r;
	zc_writer_t *role;
	zc_reader_t *other;
	zc_pool_t *out;

	open_all();
#define WRITER(change)                                                         \
	do {                                                                   \
		w = (zc_writer_options_t)ZC_WRITER_OPTIONS_INIT;               \
		w.service = SERVICE "2";                                       \
		change;                                                        \
		NOTHING(zc_writer_register(pool, &w, &role));                  \
	} while (0)
	WRITER(w.on_slow = (zc_on_slow_t)3);
	WRITER(w.guard = (zc_guard_t)5);
	WRITER(w.lag_limit = 64);
	WRITER(w.history = 63);
	CHECK(strstr(zc_last_error(), "62 at most"));
	WRITER(w.max_inflight = 64);
	WRITER(w.sz = 0);
	WRITER(w.sz = sizeof(w) + 1);
	WRITER(w.service = "no/such");
	WRITER(w.service = NULL);
	CHECK(strstr(zc_last_error(), ".service is NULL"));
#define READER(change)                                                         \
	do {                                                                   \
		r = (zc_reader_options_t)ZC_READER_OPTIONS_INIT;               \
		r.service = SERVICE "2";                                       \
		change;                                                        \
		NOTHING(zc_reader_register(pool, &r, &other));                 \
	} while (0)
	READER(r.max_holds = 17);
	READER(r.sz = 0);
	READER(r.service = "no");
#define POLICY(change)                                                         \
	do {                                                                   \
		policy = (zc_scaling_policy_t)ZC_SCALING_POLICY_INIT;          \
		change;                                                        \
		NOTHING(zc_set_scaling_policy(pool, &policy));                 \
	} while (0)
	POLICY(policy.max_cleaners = -1);
	POLICY(policy.max_cleaners = 9);
	POLICY(policy.up_percent = UINT32_MAX);
	POLICY(policy.down_percent = UINT32_MAX);
	POLICY(policy.grow_percent = 101);
	POLICY(policy.shrink_percent = 101);
	POLICY(policy.sz = 7);
	policy = (zc_scaling_policy_t){ .sz = sizeof(policy), .max_cleaners = 2,
					.up_percent = 50, .down_percent = 10,
					.grow_percent = 50, .shrink_percent = 10 };
	CHECK_OK(zc_set_scaling_policy(pool, &policy));
	p.guard = (zc_guard_t)5;
	NOTHING(zc_pool_create(t_name(1), &p, &out));
	p = t_pool_options();
	p.huge = (zc_huge_t)5;
	NOTHING(zc_pool_create(t_name(1), &p, &out));
	p = t_pool_options();
	p.backend = (zc_backend_t)3;
	NOTHING(zc_pool_create(t_name(1), &p, &out));
	CHECK(!strcmp(zc_guard_name((zc_guard_t)5), "unknown"));
	CHECK(!strcmp(zc_guard_fault_name((zc_guard_fault_t)9), "unknown"));
	close_all();
}

/* A strategy need not answer each question, and may be of an older program. */
static void strategy_that_says_nothing_changes_nothing(void)
{
	zc_alloc_strategy_t alloc = ZC_ALLOC_STRATEGY_INIT;
	zc_clean_strategy_t clean = ZC_CLEAN_STRATEGY_INIT;
	zc_backpressure_strategy_t pressure = ZC_BACKPRESSURE_STRATEGY_INIT;
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_t *second;
	struct t_writer w;

	open_all();
	CHECK_OK(zc_set_alloc_strategy(pool, &alloc));
	CHECK_OK(zc_set_clean_strategy(pool, &clean));
	CHECK_OK(zc_set_backpressure_strategy(pool, &pressure));
	options.period_ns = 10000000;
	options.idle_ns = 1000000;
	CHECK_OK(zc_cleaner_start(pool, &options, &second));
	t_writer_open(&w, pool, "refusal/alloc/main", NULL);
	for (size_t bytes = 1; bytes < 1 << 20; bytes = bytes * 3 / 2 + 1)
		t_write_many(&w, 20, bytes);
	t_writer_close(&w);
	zc_cleaner_stop(second);
	close_all();
}

static void wait_for_nobody_refused(void)
{
	zc_reader_t *many[128], *two[2];
	struct t_writer w;
	struct t_reader r, of_another;
	zc_pool_t *another;
	uint32_t which = 99;

	open_all();
	another = t_pool_create_at(1, NULL);
	t_reader_open(&r, pool, "refusal/wait/main", NULL);
	t_reader_open(&of_another, another, "refusal/wait/main", NULL);
	for (unsigned int i = 0; i < 128; i++)
		many[i] = r.role;
	NOTHING(zc_wait_any(many, 128, &which, 0));
	two[0] = r.role;
	two[1] = NULL;
	NOTHING(zc_wait_any(two, 2, &which, 0));
	two[0] = NULL;
	two[1] = r.role;
	NOTHING(zc_wait_any(two, 2, &which, 0));
	two[0] = r.role;
	two[1] = of_another.role;
	NOTHING(zc_wait_any(two, 2, &which, 0));
	CHECK_EQ(which, 99);
	/* For ever, where there is something already. */
	t_writer_open(&w, pool, "refusal/wait/main", NULL);
	t_write(&w, 100);
	CHECK_OK(zc_wait_any(&r.role, 1, &which, UINT64_MAX));
	CHECK_EQ(which, 0);
	CHECK_OK(zc_wait_any(&r.role, 1, NULL, UINT64_MAX));
	t_reader_close(&of_another);
	t_pool_close(another);
	t_read_many(&r, 1);
	t_reader_close(&r);
	t_writer_close(&w);
	close_all();
}

/* Copies of nothing are none, and need no place. */
static void copy_of_nothing(void)
{
	const zc_type_t *u64 = zc_type_basic(ZC_TYPE_U64);
	char bytes[100] = "";
	uint64_t word = 7;

	open_all();
	NOTHING(zora_copy_out(id, claimed, 0, NULL, 1));
	NOTHING(zora_copy_in(id, claimed, 0, NULL, 1));
	CHECK_OK(zora_copy_out(id, claimed, 0, NULL, 0));
	CHECK_OK(zora_copy_in(id, claimed, 0, NULL, 0));
	CHECK_OK(zora_copy_in(id, claimed, 0, bytes, sizeof(bytes)));
	CHECK_OK(zora_copy_out(id, claimed, 0, bytes, sizeof(bytes)));
	CHECK(zora_copy_out(id, claimed, 50, bytes, sizeof(bytes)) != ZC_OK);
	NOTHING(zora_load_typed(id, claimed, NULL, &word));
	NOTHING(zora_load_typed(id, claimed, u64, NULL));
	NOTHING(zora_store_typed(id, claimed, NULL, &word));
	NOTHING(zora_store_typed(id, claimed, u64, NULL));
	CHECK(zora_load_typed(id, claimed + 1, u64, &word) != ZC_OK);
	CHECK(zora_store_typed(id, claimed + 1, u64, &word) != ZC_OK);
	CHECK_RESULT(zora_load_typed(id, claimed, u64, &word), ZC_ERROR_TYPE);
	CHECK_RESULT(zora_store_typed(id, claimed, u64, &word), ZC_ERROR_TYPE);
	CHECK_EQ(word, 7);
	close_all();
}

static const struct t_case cases[] = {
	T_CASE(nothing_is_no_pool),
	T_CASE(nothing_is_no_role),
	T_CASE(size_of_nothing_refused),
	T_CASE(size_of_a_later_header_is_filled),
	T_CASE(inherited_by_a_child_refused),
	T_CASE(observer_may_only_look),
	T_CASE(option_past_its_limit_refused),
	T_CASE(strategy_that_says_nothing_changes_nothing),
	T_CASE(wait_for_nobody_refused),
	T_CASE(copy_of_nothing),
	T_END
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
