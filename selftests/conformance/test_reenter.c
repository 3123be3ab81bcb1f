/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_reenter.c - handlers and hooks that use the very role which called them.
 *
 * They may: when they return, nothing is taken for granted that was so before.  What
 * they may not do is to end that role.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "reenter/test/one"

static struct {
	zc_pool_t *pool;
	zc_cleaner_t *cleaner;
	zc_messagering_t *node;
	struct t_writer writer;
	struct t_reader reader;
	unsigned int called;
	zc_result_t result;	/* of what a handler did */
	zc_handle_t handle;	/* that it got */
	bool nested;
} at;

static void begin(uint32_t max_inflight, uint32_t max_holds)
{
	zc_writer_options_t writing = ZC_WRITER_OPTIONS_INIT;
	zc_reader_options_t reading = ZC_READER_OPTIONS_INIT;

	at.pool = t_pool_create(NULL);
	writing.max_inflight = max_inflight;
	reading.max_holds = max_holds;
	t_writer_open(&at.writer, at.pool, SERVICE, &writing);
	t_reader_open(&at.reader, at.pool, SERVICE, &reading);
}

static void finish(void)
{
	t_reader_close(&at.reader);
	t_writer_close(&at.writer);
	t_pool_check_rest(at.pool);
	t_pool_close(at.pool);
}

static void handles_writer(zc_message_handler_t handler)
{
	CHECK_OK(zc_writer_handle_message(at.writer.role, ZC_MSG_USER, handler, NULL));
}

static void handles_reader(zc_message_handler_t handler)
{
	CHECK_OK(zc_reader_handle_message(at.reader.role, ZC_MSG_USER, handler, NULL));
}

static void to_writer(void)
{
	CHECK_OK(zc_reader_send_message(at.reader.role,
					ZC_WRITER(zc_writer_id(at.writer.role)),
					ZC_MSG_USER, NULL, 0));
}

static void to_reader(void)
{
	CHECK_OK(zc_writer_send_message(at.writer.role,
					ZC_READER(zc_writer_id(at.writer.role),
						  zc_reader_id(at.reader.role)),
					ZC_MSG_USER, NULL, 0));
}

/* --- the same verb ------------------------------------------------------------------------- */

static void acquires(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
	at.called++;
	at.result = zc_writer_acquire_block(at.writer.role, 100, &at.handle, 0);
}

static void acquire_in_a_handler_of_acquire(void)
{
	zc_handle_t handle = 4711;

	begin(1, 4);
	handles_writer(acquires);
	for (uint64_t timeout = 0; timeout < 2000000; timeout += 1000000) {
		at.called = 0;
		to_writer();
		CHECK_RESULT(zc_writer_acquire_block(at.writer.role, 100, &handle,
						     timeout), ZC_ERROR_BUSY);
		CHECK_EQ(handle, 4711);
		CHECK_EQ(at.called, 1);
		CHECK_OK(at.result);
		CHECK(zc_writer_block_data(at.writer.role, at.handle, NULL));
		t_commit(&at.writer, at.handle);
		t_read_many(&at.reader, 1);
		/* Nothing of it is left. */
		CHECK_OK(zc_writer_acquire_block(at.writer.role, 100, &at.handle, 0));
		CHECK_RESULT(zc_writer_acquire_block(at.writer.role, 100, &handle, 0),
			     ZC_ERROR_BUSY);
		t_commit(&at.writer, at.handle);
		t_read_many(&at.reader, 1);
	}
	finish();
}

static void writes(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
	at.called++;
	for (int i = 0; i < 10; i++)
		t_write(&at.writer, 100 + (size_t)i * 100);
}

/* The last room in the ring, and the only block that came back, are the handler's. */
static void messages_in_a_handler_of_acquire(void)
{
	begin(2, 4);
	t_write_many(&at.writer, 20, 100);
	t_read_many(&at.reader, 20);
	handles_writer(writes);
	for (unsigned int i = 1; i <= 20; i++) {
		to_writer();
		t_write(&at.writer, 100);
		CHECK_EQ(at.called, i);
		t_read_many(&at.reader, 11);
	}
	finish();
}

static void polls(const zc_message_t *message, void *ctx)
{
	(void)message;
	(void)ctx;
	at.called++;
	at.handle = t_read(&at.reader);
}

static void poll_in_a_handler_of_poll(void)
{
	zc_handle_t handle = 4711;

	begin(4, 1);
	handles_reader(polls);
	t_write_many(&at.writer, 2, 100);
	to_reader();
	/* The only hold is the handler's. */
	CHECK_RESULT(zc_reader_poll_block(at.reader.role, 0, &handle, 0),
		     ZC_ERROR_HOLDS);
	CHECK_EQ(at.called, 1);
	CHECK_EQ(handle, 4711);
	t_release(&at.reader, at.handle);
	t_read_many(&at.reader, 1);
	/* The only message, too. */
	t_write(&at.writer, 100);
	to_reader();
	CHECK_RESULT(zc_reader_poll_block(at.reader.role, 0, &handle, 0),
		     ZC_ERROR_TIMEOUT);
	CHECK_EQ(at.called, 2);
	t_release(&at.reader, at.handle);
	finish();
}

/* --- hooks --------------------------------------------------------------------------------- */

static void polls_and_releases(zc_pool_t *pool, const char *service, uint64_t sequence,
			       void *ctx)
{
	(void)pool;
	(void)ctx;
	CHECK(!strcmp(service, SERVICE));
	CHECK_EQ(sequence, 2);
	at.called++;
	/* What was held before; then what is behind the bad one. */
	t_release(&at.reader, at.handle);
	CHECK_RESULT(zc_reader_release_block(at.reader.role, at.handle),
		     ZC_ERROR_STALE_HANDLE);
	at.reader.next = 3;
	at.handle = t_read(&at.reader);
	CHECK_OK(zc_reader_check_message(at.reader.role, NULL, NULL, NULL, 0));
	/* Not from here: but the next poll is served as ever. */
	zc_reader_unregister(at.reader.role);
	CHECK(strstr(zc_last_error(), "handler or hook"));
	zc_pool_close(at.pool);
	CHECK(strstr(zc_last_error(), "handler or hook"));
}

/* The only hold goes and comes within the hook of the poll that found a bad message. */
static void poll_and_release_in_a_hook_of_poll(void)
{
	struct zc_pool_header *control;
	zc_hooks_t hooks = ZC_HOOKS_INIT;
	struct zc_ring_entry *ring;
	zc_handle_t handle = 4711;
	uint64_t place;
	char path[8192];
	struct stat st;
	int fd;

	if (!t_backend_is_shm())
		t_skip("only plain shared memory lets anybody write to a ring");
	begin(4, 2);
	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && !fstat(fd, &st));
	control = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(control != MAP_FAILED);
	close(fd);
	ring = (void *)((char *)control + control->geometry.off_writer_areas +
			sizeof(struct zc_writer_area));
	hooks.corrupted_block = polls_and_releases;
	CHECK_OK(zc_set_hooks(at.pool, &hooks));
	t_write_many(&at.writer, 4, 100);
	place = ring[2].place;
	ring[2].place |= 0xffffffffULL << 32;
	at.handle = t_read(&at.reader);
	CHECK_RESULT(zc_reader_poll_block(at.reader.role, 0, &handle, 0),
		     ZC_ERROR_CORRUPT_BLOCK);
	ring[2].place = place;
	CHECK_EQ(handle, 4711);
	CHECK_EQ(at.called, 1);
	handle = t_read(&at.reader);
	CHECK_EQ(t_sequence(&at.reader, handle), 4);
	CHECK(at.handle != handle);
	t_release(&at.reader, handle);
	t_release(&at.reader, at.handle);
	munmap(control, (size_t)st.st_size);
	finish();
}

/* --- ending what called ---------------------------------------------------------------------- */

static void ends_everything(const zc_message_t *message, void *ctx)
{
	void (*end)(void) = (void (*)(void))ctx;

	(void)message;
	/* Also from further within. */
	if (!at.nested) {
		at.nested = true;
		zc_writer_check_message(at.writer.role, NULL, NULL, NULL, 0);
		zc_reader_check_message(at.reader.role, NULL, NULL, NULL, 0);
		at.nested = false;
	}
	end();
	CHECK(strstr(zc_last_error(), "handler or hook"));
	zc_pool_close(at.pool);
	CHECK(strstr(zc_last_error(), "handler or hook"));
	__atomic_add_fetch(&at.called, 1, __ATOMIC_SEQ_CST);
}

static void ends_writer(void)
{
	zc_writer_unregister(at.writer.role);
}

static void ends_reader(void)
{
	zc_reader_unregister(at.reader.role);
}

static void ends_node(void)
{
	zc_messagering_unregister(at.node);
}

static void ends_cleaner(void)
{
	zc_cleaner_stop(at.cleaner);
}

static void role_does_not_end_in_its_handler(void)
{
	begin(4, 4);
	CHECK_OK(zc_writer_handle_message(at.writer.role, ZC_MSG_USER, ends_everything,
					  (void *)ends_writer));
	CHECK_OK(zc_reader_handle_message(at.reader.role, ZC_MSG_USER, ends_everything,
					  (void *)ends_reader));
	for (unsigned int i = 1; i <= 3; i++) {
		to_writer();
		to_reader();
		t_write(&at.writer, 100);
		t_read_many(&at.reader, 1);
		CHECK_EQ(at.called, 2 * i);
	}
	finish();
}

/* Whoever does not look for a quarter of a second gets nothing: then another one. */
static bool node_is_called(zc_messagering_t *other, uint32_t dst)
{
	uint64_t since = zc_timestamp();
	unsigned int before = __atomic_load_n(&at.called, __ATOMIC_SEQ_CST), now;
	zc_result_t result = zc_messagering_post(other, dst, ZC_MSG_USER, NULL, 0, 0);

	if (result != ZC_ERROR_NOT_FOUND)
		CHECK_OK(result);
	do {
		zc_messagering_on_message(at.node, 100000, NULL);
		zc_messagering_on_message(other, 0, NULL);
		now = __atomic_load_n(&at.called, __ATOMIC_SEQ_CST);
	} while (!result && now == before && zc_timestamp() - since < 1000000000ULL);
	return now != before;
}

static void node_does_not_end_in_its_handler(void)
{
	zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };
	zc_messagering_t *other;

	begin(4, 4);
	at.nested = true;	/* roles are another thread's here */
	CHECK_OK(zc_messagering_register(at.pool, &at.node));
	CHECK_OK(zc_messagering_register(at.pool, &other));
	CHECK_OK(zc_messagering_handle(at.node, ZC_MSG_USER, ends_everything,
				       (void *)ends_node));
	options.idle_ns = 1000000;
	CHECK_OK(zc_cleaner_start(at.pool, &options, &at.cleaner));
	CHECK_OK(zc_cleaner_get_stats(at.cleaner, &stats));
	CHECK_OK(zc_cleaner_handle(at.cleaner, ZC_MSG_USER, ends_everything,
				   (void *)ends_cleaner));
	/* In this thread, and in the cleaner's. */
	T_UNTIL(node_is_called(other, zc_messagering_id(at.node)));
	T_UNTIL(node_is_called(other, stats.id));
	zc_messagering_unregister(other);
	zc_messagering_unregister(at.node);
	zc_cleaner_stop(at.cleaner);
	finish();
}

/* --- a pool that is being closed ------------------------------------------------------ */

static struct {
	uint64_t called, closing;
	pid_t closer;
	pthread_t opener;
	zc_pool_t *again;	/* by another thread, when it is closed */
} end;

static void *opens_it_again(void *arg)
{
	(void)arg;
	CHECK_OK(zc_pool_open(t_name(0), &end.again));
	return NULL;
}

static bool closer_sleeps(void)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)end.closer);
	f = fopen(path, "re");
	CHECK(f && fscanf(f, "%*d %*s %c", &state) == 1);
	fclose(f);
	return state == 'S';
}

static void opens_another(const zc_message_t *message, void *ctx)
{
	zc_pool_t *pool;

	(void)message;
	(void)ctx;
	__atomic_store_n(&end.called, 1, __ATOMIC_SEQ_CST);
	/* It waits for this very call to return. */
	T_UNTIL(__atomic_load_n(&end.closing, __ATOMIC_SEQ_CST) && closer_sleeps());
	CHECK_OK(zc_pool_open(t_name(1), &pool));
	zc_pool_close(pool);
	CHECK_RESULT(zc_pool_open(t_name(0), &pool), ZC_ERROR_BUSY);
	CHECK(!pthread_create(&end.opener, NULL, opens_it_again, NULL));
}

static void handler_opens_pools_while_its_own_is_closed(void)
{
	zc_pool_t *pool = t_pool_create(NULL), *kept;
	zc_cleaner_t *cleaner;
	zc_messagering_t *node;

	t_pool_close(t_pool_create_at(1, NULL));
	end.closer = gettid();
	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner));
	CHECK_OK(zc_messagering_register(pool, &node));
	CHECK_OK(zc_cleaner_handle(cleaner, ZC_MSG_USER, opens_another, NULL));
	/* One that does not look for a quarter of a second is not there: again. */
	T_UNTIL(!zc_messagering_post(node, 0, ZC_MSG_USER, NULL, 0, 0));
	T_UNTIL(__atomic_load_n(&end.called, __ATOMIC_SEQ_CST));
	__atomic_store_n(&end.closing, 1, __ATOMIC_SEQ_CST);
	t_pool_close(pool);
	CHECK(!pthread_join(end.opener, NULL));
	CHECK_OK(zc_pool_open(t_name(0), &kept));
	CHECK(kept == end.again);
	t_pool_check_rest(kept);
	zc_pool_close(kept);
	zc_pool_close(kept);
}

int main(int argc, char **argv)
{
	static const struct t_case cases[] = {
		T_CASE(acquire_in_a_handler_of_acquire),
		T_CASE(messages_in_a_handler_of_acquire),
		T_CASE(poll_in_a_handler_of_poll),
		T_CASE(poll_and_release_in_a_hook_of_poll),
		T_CASE(role_does_not_end_in_its_handler),
		T_CASE(node_does_not_end_in_its_handler),
		T_CASE(handler_opens_pools_while_its_own_is_closed),
		T_END
	};

	return t_main(argc, argv, cases);
}
