/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness.h - what the multi-process tests share.
 *
 * The tests see only public headers and run unchanged on every backend.
 *
 * A test program is a table of cases.  Each case runs in a process of its own,
 * so that a failed one leaves nothing behind: the program that supervises it
 * never uses the library, kills what the case started, and looks whether the
 * pool folder is empty again.  A case forks its children *before* it opens a
 * pool (a forked child may not use its parent's pool) and talks to them over
 * pipes.  Nothing here waits for time to pass: deadlines only end a test that
 * hangs, and $ZC_TEST_SLOW multiplies them.
 */
#ifndef ZC_HARNESS_H
#define ZC_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <zerocore/zerocore.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define T_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define T_SANITIZED 1
#endif
#endif
#ifndef T_SANITIZED
#define T_SANITIZED 0
#endif

struct t_case {
	const char *name;
	void (*run)(void);
};

#define T_CASE(fn) { #fn, fn }
#define T_END { NULL, NULL }

/* Runs the cases whose names contain one of the arguments; TAP on stdout.  With
 * $ZC_TEST_KEEP the first that fails is the last, and leaves its pools. */
int t_main(int argc, char **argv, const struct t_case *cases);

#define T_EXIT_SKIP 77

/* Ends the case: not ok / skipped (NULL: for the reason given before). */
void t_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
void t_skip(const char *why) __attribute__((noreturn));
/* Ends a process that was forked beside threads: no exit handlers run, nor
 * what a sanitizer would do with threads that are not there. */
void t_leave(void) __attribute__((noreturn));
void t_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Called before a failed case ends: what helps to see it again. */
void t_on_fail(void (*fn)(void));

#define T_FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			T_FAIL("failed: %s", #cond);                           \
	} while (0)

/* Compares two unsigned numbers and prints both. */
#define CHECK_OP(a, op, b)                                                     \
	do {                                                                   \
		uint64_t t_a_ = (uint64_t)(a), t_b_ = (uint64_t)(b);           \
		if (!(t_a_ op t_b_))                                           \
			T_FAIL("failed: %s %s %s (%llu, %llu)", #a, #op, #b,   \
			       (unsigned long long)t_a_,                       \
			       (unsigned long long)t_b_);                      \
	} while (0)
#define CHECK_EQ(a, b) CHECK_OP(a, ==, b)

/* A call must come to a certain result. */
#define CHECK_RESULT(call, expected)                                           \
	do {                                                                   \
		zc_result_t t_r_ = (call);                                     \
		if (t_r_ != (expected))                                        \
			t_fail_result(__FILE__, __LINE__, #call, t_r_,         \
				      (expected));                             \
	} while (0)
#define CHECK_OK(call) CHECK_RESULT(call, ZC_OK)
void t_fail_result(const char *file, int line, const char *call,
		   zc_result_t got, zc_result_t expected)
	__attribute__((noreturn));

/* Polls until a condition holds; only a deadline far away ends it. */
#define T_UNTIL(cond)                                                          \
	do {                                                                   \
		while (!(cond))                                                \
			t_nap(__FILE__, __LINE__, #cond);                      \
	} while (0)
void t_nap(const char *file, int line, const char *cond);

/* A timeout for calls that must succeed: far away. */
uint64_t t_wait_ns(void);
/* Nanoseconds that the case has left. */
uint64_t t_left_ns(void);

/* True on plain shared memory; false on the device. */
bool t_backend_is_shm(void);
/* The folder of this case's pools. */
const char *t_folder(void);

/* Memory that children of this process share with it; ends with the case. */
void *t_shared(size_t bytes);

/* $ZC_TEST_LONG: the long counts. */
bool t_long(void);

/* Random numbers, a thread's own; t_seed() is $ZC_SEED, or new, and printed. */
uint64_t t_seed(void);
void t_srand(uint64_t seed);
uint64_t t_rand(void);
uint64_t t_rand_below(uint64_t limit);
/* From 1 to @max, each power of two as likely as the next. */
size_t t_rand_size(size_t max);
/* A positive count from the environment. */
uint64_t t_env(const char *name, uint64_t otherwise);

/* --- processes (harness_proc.c) ------------------------------------------ */

struct t_peer {
	char name[24];
	pid_t pid;
	int in;			/* what the other side says */
	int out;
	bool gone;		/* waited for */
	int status;
};

/*
 * Forks a process that has threads, such as one with a pool open, for a child
 * that uses the library. A sanitizer's allocator does not take its locks over a
 * fork: there it waits until all other threads sleep. (A thread that has just
 * been started allocates before anything of ours runs in it.)
 */
pid_t t_fork(void);

/* Starts @fn(arg) in a child; must come before a pool is opened. */
struct t_peer *t_spawn(const char *name, void (*fn)(void *arg), void *arg);
/* In a child: the other side. */
struct t_peer *t_parent(void);

/* Handshakes: a word and a number. A wrong word, or the end, fails the case. */
void t_say_number(struct t_peer *peer, const char *word, uint64_t number);
uint64_t t_hear_number(struct t_peer *peer, const char *word);
void t_say(struct t_peer *peer, const char *word);
void t_hear(struct t_peer *peer, const char *word);
/* True when a word can be heard now. */
bool t_can_hear(struct t_peer *peer);

/* Waits until a child has ended well. */
void t_join(struct t_peer *child);
/* Kills a child with -9; the second form leaves the zombie for t_reap().  One that
 * failed, or died of another signal, before that fails the case. */
void t_kill(struct t_peer *child);
void t_kill_only(struct t_peer *child);
void t_reap(struct t_peer *child);
/* Is its first thread asleep in the kernel just now? */
bool t_asleep(struct t_peer *child);
/* Stops a child and returns when it has stopped; continues it.  The second form returns
 * false when it had ended by itself, and leaves that to t_reap(). */
void t_stop(struct t_peer *child);
bool t_stop_or_ended(struct t_peer *child);
/* Does a thread of this process other than the caller run? */
bool t_others_run(void);
/* Has it ended, though nobody waited for it yet? */
bool t_ended(struct t_peer *child);
/* Waits until a child has stopped (true) or ended, well or by SIGKILL (false), by itself. */
bool t_wait_stopped(struct t_peer *child);
void t_continue(struct t_peer *child);

/* From now on the kernel refuses calls to this thread, and to those that it
 * starts, as a container would: membarrier with EPERM. */
enum { T_REFUSE_MEMBARRIER = 1 };
void t_refuse(unsigned int which);
/* From now on any system call of this thread ends the case as failed, but for
 * ending, reading the clock, and talking to the other side. */
void t_refuse_all(void);
extern bool t_all_refused;
/* The same for each call that would put this thread to sleep. */
void t_refuse_sleep(void);

/* For harness.c. */
void t_proc_end(void);

/* --- pools and messages (harness_pool.c) --------------------------------- */

/* The names of this case's pools; the same in its children. */
const char *t_name(unsigned int index);
/* For harness.c: before the first fork. */
void t_names_fix(void);
/* Small, without huge pages: 4 MiB, granule 512, ring 64, 16 holds. */
zc_pool_options_t t_pool_options(void);
/* Makes pool 0 / pool @index. NULL: t_pool_options(). */
zc_pool_t *t_pool_create(const zc_pool_options_t *options);
zc_pool_t *t_pool_create_at(unsigned int index,
			    const zc_pool_options_t *options);
/* Opens pool 0. */
zc_pool_t *t_pool_open(void);
void t_pool_close(zc_pool_t *pool);
/* For who counts what one cleaner does: on a slow machine a pass takes long, and the
 * team would begin another one. */
void t_no_more_cleaners(zc_pool_t *pool);
uint64_t t_segment_bytes(zc_pool_t *pool);
/* Checks that each granule is accounted for and nothing is damaged. */
void t_pool_check(zc_pool_t *pool);
/* The same when no role is left: nothing claimed, nothing half cleaned. */
void t_pool_check_rest(zc_pool_t *pool);
/* The same where the dead may have left orphans; returns their granules. */
uint64_t t_pool_check_left(zc_pool_t *pool);
/* Proves that nothing leaked: adopts @service and acquires all the memory. */
void t_pool_acquire_all(zc_pool_t *pool, const char *service);
/* Proves that no service entry leaked: 32 new names fit. */
void t_pool_register_all(zc_pool_t *pool);
/* Closes, checks and removes what the case made. For harness.c. */
void t_pool_end(void);

/* Content that says whose it is: any other byte is noticed. */
uint64_t t_tag(const char *service);
void t_fill(void *data, size_t bytes, uint64_t tag, uint64_t sequence);
bool t_matches(const void *data, size_t bytes, uint64_t tag, uint64_t sequence);

struct t_writer {
	zc_writer_t *role;
	uint64_t tag;
	uint64_t next;		/* sequence of the next commit */
};

/* @options may be NULL. Waits while a dead writer is being reaped. */
void t_writer_open(struct t_writer *writer, zc_pool_t *pool,
		   const char *service, const zc_writer_options_t *options);
void t_writer_close(struct t_writer *writer);
zc_result_t t_try_write(struct t_writer *writer, size_t bytes,
			uint64_t timeout_ns);
void t_write(struct t_writer *writer, size_t bytes);
/* Fills and commits an acquired block. */
void t_commit(struct t_writer *writer, zc_handle_t handle);
void t_write_many(struct t_writer *writer, uint64_t messages, size_t bytes);

struct t_reader {
	zc_reader_t *role;
	uint64_t tag;
	uint64_t next;		/* sequence that must come next; 0: any */
	uint64_t received;
	uint64_t lost;		/* sequences that were skipped */
};

void t_reader_open(struct t_reader *reader, zc_pool_t *pool,
		   const char *service, const zc_reader_options_t *options);
void t_reader_close(struct t_reader *reader);
/* Checks content and order; gaps count as lost. */
zc_result_t t_try_read(struct t_reader *reader, zc_handle_t *handle,
		       uint64_t timeout_ns);
/* The same, must succeed, and no gap is allowed. */
zc_handle_t t_read(struct t_reader *reader);
/* Looks at the content again, then lets go. */
void t_release(struct t_reader *reader, zc_handle_t handle);
/* Reads and releases @messages without a gap. */
void t_read_many(struct t_reader *reader, uint64_t messages);
uint64_t t_sequence(struct t_reader *reader, zc_handle_t handle);

#endif /* ZC_HARNESS_H */
