/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_dlopen.c - the shared library loaded at run time, also twice: a plugin
 * and its host may each bring a copy, and each copy is a member of its own.
 *
 * $ZEROCORE_LIB names the library; else it is looked for beside the program.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "dlopen/test/one"

/* What is called through a loaded copy. */
struct copy {
	void *so;
	char path[4300];
	__typeof__(zc_pool_create) *pool_create;
	__typeof__(zc_pool_open) *pool_open;
	__typeof__(zc_pool_close) *pool_close;
	__typeof__(zc_pool_get_info) *pool_get_info;
	__typeof__(zc_writer_register) *writer_register;
	__typeof__(zc_writer_unregister) *writer_unregister;
	__typeof__(zc_writer_acquire_block) *acquire;
	__typeof__(zc_writer_block_data) *writer_data;
	__typeof__(zc_writer_commit_block) *commit;
	__typeof__(zc_reader_register) *reader_register;
	__typeof__(zc_reader_poll_block) *poll;
	__typeof__(zc_reader_block_data) *reader_data;
	__typeof__(zc_reader_release_block) *release;
	__typeof__(zc_reader_get_fd) *get_fd;
	__typeof__(zora_register_writer) *bind_writer;
	__typeof__(zora_data) *data;
	__typeof__(zora_error) *error;
};

static const char *library(void)
{
	static char path[4200];
	const char *named = getenv("ZEROCORE_LIB");
	ssize_t nr;
	char *slash;

	if (named && *named)
		return named;
	/* build/tests/conformance/test_dlopen -> build/lib */
	nr = readlink("/proc/self/exe", path, 4096);
	CHECK(nr > 0 && nr < 4096);
	path[nr] = 0;
	for (int up = 0; up < 3; up++) {
		slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = 0;
	}
	strcat(path, "/lib/libzerocore.so");
	if (access(path, R_OK))
		t_skip("no libzerocore.so: set ZEROCORE_LIB");
	return path;
}

static void *symbol(void *so, const char *name)
{
	void *found = dlsym(so, name);

	if (!found)
		T_FAIL("%s: %s", name, dlerror());
	return found;
}

static void load_from(struct copy *copy, const char *path)
{
#if T_SANITIZED
	int flags = RTLD_NOW | RTLD_LOCAL;
#else
	/* Its own functions, whatever the program has under these names. */
	int flags = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

	copy->so = dlopen(path, flags);
	if (!copy->so)
		T_FAIL("dlopen: %s", dlerror());
	copy->pool_create = symbol(copy->so, "zc_pool_create");
	copy->pool_open = symbol(copy->so, "zc_pool_open");
	copy->pool_close = symbol(copy->so, "zc_pool_close");
	copy->pool_get_info = symbol(copy->so, "zc_pool_get_info");
	copy->writer_register = symbol(copy->so, "zc_writer_register");
	copy->writer_unregister = symbol(copy->so, "zc_writer_unregister");
	copy->acquire = symbol(copy->so, "zc_writer_acquire_block");
	copy->writer_data = symbol(copy->so, "zc_writer_block_data");
	copy->commit = symbol(copy->so, "zc_writer_commit_block");
	copy->reader_register = symbol(copy->so, "zc_reader_register");
	copy->poll = symbol(copy->so, "zc_reader_poll_block");
	copy->reader_data = symbol(copy->so, "zc_reader_block_data");
	copy->release = symbol(copy->so, "zc_reader_release_block");
	copy->get_fd = symbol(copy->so, "zc_reader_get_fd");
	copy->bind_writer = symbol(copy->so, "zora_register_writer");
	copy->data = symbol(copy->so, "zora_data");
	copy->error = symbol(copy->so, "zora_error");
}

/* A file of its own makes it a copy of its own. */
static void load_copy(struct copy *copy)
{
	const char *from = library();
	char buffer[65536];
	const char *slash = strrchr(from, '/');
	int in, out;
	ssize_t nr;

	/* Beside the other one, if that may be: in /tmp nothing may be run, perhaps. */
	snprintf(copy->path, sizeof(copy->path), "%.*szerocore-copy-XXXXXX",
		 slash ? (int)(slash + 1 - from) : 0, from);
	in = open(from, O_RDONLY | O_CLOEXEC);
	CHECK(in >= 0);
	out = mkstemp(copy->path);
	if (out < 0) {
		strcpy(copy->path, "/tmp/zerocore-copy-XXXXXX");
		out = mkstemp(copy->path);
	}
	CHECK(out >= 0);
	while ((nr = read(in, buffer, sizeof(buffer))) > 0)
		CHECK(write(out, buffer, (size_t)nr) == nr);
	CHECK(nr == 0);
	close(in);
	close(out);
	load_from(copy, copy->path);
	unlink(copy->path);
}

static void write_one(struct copy *copy, zc_writer_t *role, uint64_t sequence)
{
	zc_handle_t handle;

	CHECK_OK(copy->acquire(role, 1000, &handle, t_wait_ns()));
	t_fill(copy->writer_data(role, handle, NULL), 1000, t_tag(SERVICE),
	       sequence);
	CHECK_OK(copy->commit(role, handle));
}

static void read_one(struct copy *copy, zc_reader_t *role, uint64_t sequence)
{
	zc_handle_t handle;
	size_t bytes;
	const void *data;

	CHECK_OK(copy->poll(role, 64, &handle, t_wait_ns()));
	data = copy->reader_data(role, handle, &bytes);
	CHECK_EQ(bytes, 1000);
	CHECK(t_matches(data, bytes, t_tag(SERVICE), sequence));
	CHECK_OK(copy->release(role, handle));
}

static uint32_t members_of(struct copy *copy, zc_pool_t *pool)
{
	zc_pool_info_t info = { .sz = sizeof(info) };

	CHECK_OK(copy->pool_get_info(pool, &info));
	return info.members;
}

static zc_writer_t *writer_of(struct copy *copy, zc_pool_t *pool)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;
	zc_writer_t *role = NULL;
	zc_result_t result;

	options.service = SERVICE;
	T_UNTIL((result = copy->writer_register(pool, &options, &role)) !=
		ZC_ERROR_BUSY);
	CHECK_RESULT(result, ZC_OK);
	return role;
}

static zc_reader_t *reader_of(struct copy *copy, zc_pool_t *pool)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;
	zc_reader_t *role = NULL;

	options.service = SERVICE;
	options.max_holds = 4;
	CHECK_OK(copy->reader_register(pool, &options, &role));
	return role;
}

static void library_loads_and_unloads_again_and_again(void)
{
	for (int round = 0; round < 4; round++) {
		zc_pool_options_t options = t_pool_options();
		struct copy copy;
		zc_pool_t *pool;
		zc_reader_t *reader;
		zc_writer_t *writer;

		load_from(&copy, library());
		if (round == 0)
			CHECK_OK(copy.pool_create(t_name(0), &options, &pool));
		else
			CHECK_OK(copy.pool_open(t_name(0), &pool));
		CHECK_EQ(members_of(&copy, pool), 1);
		reader = reader_of(&copy, pool);
		writer = writer_of(&copy, pool);
		for (uint64_t i = 1; i <= 10; i++) {
			write_one(&copy, writer, (uint64_t)round * 10 + i);
			read_one(&copy, reader, (uint64_t)round * 10 + i);
		}
		copy.pool_close(pool);
		CHECK(!dlclose(copy.so));
	}
}

static void forgets_to_close(void *arg)
{
	struct copy copy;
	zc_pool_t *pool;
	zc_reader_t *reader;
	zc_writer_t *writer;
	int fd;

	(void)arg;
	t_hear(t_parent(), "go");
	load_copy(&copy);
	CHECK_OK(copy.pool_open(t_name(0), &pool));
	reader = reader_of(&copy, pool);
	CHECK_OK(copy.get_fd(reader, &fd));
	writer = writer_of(&copy, pool);
	for (uint64_t i = 1; i <= 3; i++)
		write_one(&copy, writer, i);
	CHECK(!dlclose(copy.so));
	t_say(t_parent(), "unloaded");
	for (int i = 0; i < 20; i++) {
		t_hear(t_parent(), "alive?");
		t_say(t_parent(), "alive");
	}
}

/* A host that unloads a plugin which forgot to close its pool. */
static void library_unloaded_with_an_open_pool(void)
{
	struct t_peer *child = t_spawn("host", forgets_to_close, NULL);
	zc_pool_t *pool = t_pool_create(NULL);
	zc_pool_info_t info = { .sz = sizeof(info) };
	struct t_reader reader;

	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(child, "go");
	t_hear(child, "unloaded");
	/* Whatever becomes of the member, its process is alive and well. */
	for (int i = 0; i < 20; i++) {
		t_pool_check(pool);
		t_say(child, "alive?");
		t_hear(child, "alive");
	}
	t_read_many(&reader, 3);
	t_join(child);
	/* The member ends with its process at the latest. */
	T_UNTIL(zc_pool_get_info(pool, &info) == ZC_OK && info.members == 1);
}

static void library_twice_is_two_members(void)
{
	zc_pool_options_t options = t_pool_options();
	struct copy a, b;
	zc_pool_t *in_a, *in_b;
	zc_writer_t *writer;
	zc_reader_t *near, *far;

	load_copy(&a);
	load_copy(&b);
	CHECK(a.pool_open != b.pool_open);
	CHECK_OK(a.pool_create(t_name(0), &options, &in_a));
	CHECK_OK(b.pool_open(t_name(0), &in_b));
	CHECK_EQ(members_of(&a, in_a), 2);
	CHECK_EQ(members_of(&b, in_b), 2);
	near = reader_of(&a, in_a);
	far = reader_of(&b, in_b);
	writer = writer_of(&a, in_a);
	for (uint64_t i = 1; i <= 100; i++) {
		write_one(&a, writer, i);
		read_one(&a, near, i);
		read_one(&b, far, i);
	}
	/* One leaves: the other one's life, and its lock, are its own. */
	a.pool_close(in_a);
	CHECK(!dlclose(a.so));
	T_UNTIL(members_of(&b, in_b) == 1);
	writer = writer_of(&b, in_b);
	for (uint64_t i = 101; i <= 200; i++) {
		write_one(&b, writer, i);
		read_one(&b, far, i);
	}
	CHECK_EQ(members_of(&b, in_b), 1);
	b.pool_close(in_b);
}

static void watches(void *arg)
{
	struct t_reader reader;
	zc_pool_t *pool;
	zc_pool_info_t info = { .sz = sizeof(info) };

	(void)arg;
	t_hear(t_parent(), "go");
	pool = t_pool_open();
	t_reader_open(&reader, pool, SERVICE, NULL);
	t_say(t_parent(), "ready");
	t_hear(t_parent(), "closed");
	t_pool_check(pool);
	t_read_many(&reader, 1000);
	CHECK_OK(zc_pool_get_info(pool, &info));
	CHECK_EQ(info.members, 2);
	zc_pool_close(pool);
}

/*
 * Closing a file drops every record lock that the process has on it: the copy
 * that stays must not look dead to the others.
 */
static void library_copy_closed_leaves_the_other_alive(void)
{
	struct t_peer *child = t_spawn("watcher", watches, NULL);
	zc_pool_options_t options = t_pool_options();
	struct copy a, b;
	zc_pool_t *in_a, *in_b;
	zc_writer_t *writer;

	load_copy(&a);
	load_copy(&b);
	CHECK_OK(a.pool_create(t_name(0), &options, &in_a));
	CHECK_OK(b.pool_open(t_name(0), &in_b));
	t_say(child, "go");
	t_hear(child, "ready");
	writer = writer_of(&b, in_b);
	a.pool_close(in_a);
	t_say(child, "closed");
	for (uint64_t i = 1; i <= 1000; i++)
		write_one(&b, writer, i);
	t_join(child);
	b.pool_close(in_b);
}

/*
 * As many as there are plugins: a copy must not need what a process has only little of,
 * as room for thread-local variables at fixed places.
 */
static void library_eight_times_is_eight_members(void)
{
	enum { COPIES = 8 };
	zc_pool_options_t options = t_pool_options();
	struct copy copy[COPIES];
	zc_pool_t *pool[COPIES];
	zora_id_t id[COPIES];
	zc_handle_t handle[COPIES];

	for (int i = 0; i < COPIES; i++) {
		zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
		zc_writer_t *writer;
		char service[32];

		load_copy(&copy[i]);
		if (i == 0)
			CHECK_OK(copy[i].pool_create(t_name(0), &options, &pool[i]));
		else
			CHECK_OK(copy[i].pool_open(t_name(0), &pool[i]));
		snprintf(service, sizeof(service), "dlopen/copy/%d", i);
		writing.service = service;
		CHECK_OK(copy[i].writer_register(pool[i], &writing, &writer));
		CHECK_OK(copy[i].bind_writer(writer, &id[i]));
		CHECK_OK(copy[i].acquire(writer, 100, &handle[i], 0));
		CHECK_EQ(members_of(&copy[i], pool[i]), i + 1);
	}
	for (int i = 0; i < COPIES; i++) {
		for (int k = 0; k < COPIES; k++) {
			CHECK(!copy[k].data(id[k], handle[i]) == (i != k));
			if (i != k)
				CHECK_RESULT(copy[k].error(), ZC_ERROR_FORGED_HANDLE);
		}
	}
	for (int i = 0; i < COPIES; i++) {
		copy[i].pool_close(pool[i]);
		CHECK(!dlclose(copy[i].so));
	}
}

static const struct t_case cases[] = {
	T_CASE(library_loads_and_unloads_again_and_again),
	T_CASE(library_unloaded_with_an_open_pool),
	T_CASE(library_twice_is_two_members),
	T_CASE(library_copy_closed_leaves_the_other_alive),
	T_CASE(library_eight_times_is_eight_members),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
