/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_type_meet.c - who means another type is refused, and is told both shapes.
 */
#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness_type.h"

struct sample {
	uint64_t stamp;
	float acc[3];
	bool valid;
};
struct other {
	uint64_t stamp;
	float acc[4];
};

ZC_TYPE(struct sample, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc), ZC_FIELD(bool, valid));
ZC_TYPE(struct other, ZC_FIELD(u64, stamp), ZC_FIELD(f32, acc));

static void says(const char *what)
{
	if (!strstr(zc_last_error(), what))
		T_FAIL("\"%s\" does not say \"%s\"", zc_last_error(), what);
}

static void both_shapes(void)
{
	says("struct sample { u64 stamp; f32 acc[3]; bool valid;");
	says("struct other { u64 stamp; f32 acc[4]; } (24 bytes)");
}

static void type_reader_of_another_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader;

	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct sample), &writer));
	for (int i = 0; i < 40; i++) {
		CHECK_RESULT(try_reader(pool, ZC_TYPE_OF(struct other), &reader), ZC_ERROR_TYPE);
		both_shapes();
	}
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct sample), &reader));
	CHECK_OK(try_reader(pool, NULL, &reader));
	zc_writer_unregister(writer);
	/* Whose type ended with its role; readers are not asked for each other's. */
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct other), &reader));
	t_pool_check(pool);
}

static void type_writer_of_another_refused(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *reader, *any;

	CHECK_OK(try_reader(pool, NULL, &any));
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct sample), &reader));
	for (int i = 0; i < 40; i++) {
		CHECK_RESULT(try_writer(pool, ZC_TYPE_OF(struct other), &writer), ZC_ERROR_TYPE);
		both_shapes();
	}
	CHECK_RESULT(try_writer(pool, NULL, &writer), ZC_ERROR_TYPE);
	says("untyped");
	zc_reader_unregister(reader);
	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct other), &writer));
	CHECK_RESULT(try_reader(pool, ZC_TYPE_OF(struct sample), &reader), ZC_ERROR_TYPE);
	zc_writer_unregister(writer);
	CHECK_OK(try_writer(pool, NULL, &writer));
	CHECK_RESULT(try_reader(pool, ZC_TYPE_OF(struct sample), &reader), ZC_ERROR_TYPE);
	says("untyped");
	t_pool_check(pool);
}

/* What an earlier writer left is of its type, whatever the service is now. */
static void type_is_the_messages_own(void)
{
	zc_pool_t *pool = t_pool_create(NULL);
	zc_writer_t *writer;
	zc_reader_t *any, *reader;
	zc_handle_t handle;

	CHECK_OK(try_reader(pool, NULL, &any));
	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct other), &writer));
	CHECK_OK(zc_writer_commit_block(writer, acquire(writer, 200)));
	zc_writer_unregister(writer);
	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct sample), &writer));
	CHECK_OK(zc_writer_commit_block(writer, acquire(writer, 200)));
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct sample), &reader));
	handle = poll(reader);
	CHECK(!ZC_READER_DATA_AS(struct sample, reader, handle));
	both_shapes();
	CHECK(ZC_READER_DATA_AS(struct other, reader, handle));
	CHECK(ZC_READER_DATA_AS(struct sample, reader, poll(reader)));
}

struct peer {
	const zc_type_t *type;
	bool writes;
};

static void join_and_die(void *arg)
{
	struct peer *peer = arg;
	zc_writer_t *writer;
	zc_reader_t *reader;
	zc_pool_t *pool;

	t_hear(t_parent(), "pool");
	pool = t_pool_open();
	if (peer->writes)
		CHECK_OK(try_writer(pool, peer->type, &writer));
	else
		CHECK_OK(try_reader(pool, peer->type, &reader));
	t_say(t_parent(), "joined");
	t_hear(t_parent(), "never");
}

/* The dead mean nothing. */
static void type_of_the_dead_is_nobodys(void)
{
	struct peer writes = { ZC_TYPE_OF(struct sample), true };
	struct peer reads = { ZC_TYPE_OF(struct sample), false };
	struct t_peer *w = t_spawn("writer", join_and_die, &writes);
	struct t_peer *r = t_spawn("reader", join_and_die, &reads);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_result_t result;
	zc_writer_t *writer;
	zc_reader_t *reader;

	t_say(w, "pool");
	t_hear(w, "joined");
	t_say(r, "pool");
	t_hear(r, "joined");
	CHECK_RESULT(try_reader(pool, ZC_TYPE_OF(struct other), &reader), ZC_ERROR_TYPE);
	t_kill(w);
	T_UNTIL((result = try_writer(pool, ZC_TYPE_OF(struct other), &writer)) != ZC_ERROR_BUSY);
	CHECK_RESULT(result, ZC_ERROR_TYPE);
	t_kill(r);
	T_UNTIL((result = try_writer(pool, ZC_TYPE_OF(struct other), &writer)) == ZC_OK);
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct other), &reader));
}

static void reads_another(void *arg)
{
	zc_handle_t handle;
	zc_reader_t *reader;
	zc_pool_t *pool;
	struct stat st;

	(void)arg;
	t_hear(t_parent(), "pool");
	/* One who may use the device, and read this pool. */
	if (stat("/dev/zerocore", &st) || setgroups(0, NULL) || setgid(st.st_gid) ||
	    setuid(65534))
		T_FAIL("cannot drop root: %s", strerror(errno));
	CHECK_OK(zc_pool_open(t_name(0), &pool));
	CHECK_OK(try_reader(pool, ZC_TYPE_OF(struct other), &reader));
	t_say(t_parent(), "joined");
	t_hear(t_parent(), "look");
	CHECK_RESULT(zc_reader_poll_block(reader, 0, &handle, t_wait_ns()),
		     ZC_ERROR_DISCONNECTED);
	says("another type");
	zc_pool_close(pool);
}

/* What it says must not keep the service's writer out. */
static void type_of_who_may_only_read_harms_only_itself(void)
{
	zc_pool_options_t options = t_pool_options();
	struct t_peer *child;
	zc_writer_t *writer;
	zc_pool_t *pool;

	if (t_backend_is_shm())
		t_skip("on plain shared memory every member may write");
	child = t_spawn("reads", reads_another, NULL);
	options.mode = 0644;
	pool = t_pool_create(&options);
	t_say(child, "pool");
	t_hear(child, "joined");
	CHECK_OK(try_writer(pool, ZC_TYPE_OF(struct sample), &writer));
	CHECK_OK(zc_writer_commit_block(writer, acquire(writer, sizeof(struct sample))));
	t_say(child, "look");
	t_join(child);
	zc_writer_unregister(writer);
	t_pool_close(pool);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(type_reader_of_another_refused),
		T_CASE(type_writer_of_another_refused),
		T_CASE(type_is_the_messages_own),
		T_CASE(type_of_the_dead_is_nobodys),
		T_CASE(type_of_who_may_only_read_harms_only_itself),
		T_END
	};

	return t_main(argc, argv, cases);
}
