// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_signal.c - callers that are killed, or told something, in the middle of a call.
 */
#include <linux/mman.h>
#include <linux/sched/signal.h>

#include "kunit.h"

struct told {
	int signal;
	long (*call)(void *arg);
	void *arg;
};

static long told(void *arg)
{
	const struct told *t = arg;
	long result;

	allow_signal(t->signal);
	if (send_sig(t->signal, current, 1))
		return -ECANCELED;
	result = t->call(t->arg);
	flush_signals(current);
	return result;
}

/* The process makes the call with that signal on its way to it. */
static long as_told(struct zk_process *p, int signal, long (*call)(void *arg), void *arg)
{
	struct told t = { .signal = signal, .call = call, .arg = arg };
	long result = zk_in(p, told, &t);

	flush_delayed_fput();
	return result;
}

static long creates(void *arg)
{
	struct zc_pool *pool;

	return zc_pool_create(arg, &pool);
}

static void killed_creator_leaves_nothing(struct kunit *test)
{
	struct zc_pool *root = zk_pool(test, "kunit-root");
	struct zk_process *p = zk_process(test);
	u64 bytes = root->user->bytes;

	must_eq(test, as_told(p, SIGKILL, creates, zk_wish(test, "kunit-killed")), -EINTR);
	zk_flush();
	must_eq(test, root->user->pools, 1);
	must_eq(test, root->user->bytes, bytes);
	/* Nor is the name taken. */
	zk_pool(test, "kunit-killed");
	must_eq(test, root->user->pools, 2);
}

/* --- data segments --------------------------------------------------------------------- */

struct making {
	struct zc_segment segment;
	u64 bytes;
	u32 wish;
};

static long makes(void *arg)
{
	struct making *m = arg;

	return zc_segment_make(&m->segment, m->bytes, m->wish);
}

/* Who is killed ends; who is told something else gets what he would have got. */
static void signal_ends_an_allocation(struct kunit *test)
{
	static const struct {
		int signal;
		u32 wish;
		int err;
	} rows[] = {
		{ SIGKILL, ZC_PAGE_WISH_SMALL, -EINTR },
		{ SIGKILL, ZC_PAGE_WISH_TRANSPARENT, -EINTR },
		{ SIGKILL, ZC_PAGE_WISH_HUGETLB, -EINTR },
		{ SIGKILL, ZC_PAGE_WISH_BEST, -EINTR },
		/* There are none. */
		{ SIGUSR1, ZC_PAGE_WISH_HUGETLB, -ENOMEM },
	};
	struct making *m = zk_alloc(test, sizeof(*m));
	struct zk_process *p = zk_process(test);
	u32 i;

	m->bytes = PMD_SIZE;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		m->wish = rows[i].wish;
		must_eq(test, as_told(p, rows[i].signal, makes, m), rows[i].err);
		must(test, !m->segment.file);
	}
	m->wish = ZC_PAGE_WISH_SMALL;
	must_eq(test, as_told(p, SIGUSR1, makes, m), 0);
	must_eq(test, m->segment.page_kind, ZC_PAGES_SMALL);
	zc_segment_free(&m->segment);
	flush_delayed_fput();
}

/* As io_uring tells its work, which no signal mask keeps away. */
static long notified(void *arg)
{
	const struct told *t = arg;
	long result;

	set_thread_flag(TIF_NOTIFY_SIGNAL);
	result = t->call(t->arg);
	return test_and_clear_thread_flag(TIF_NOTIFY_SIGNAL) ? result : -ECANCELED;
}

static void work_of_others_ends_no_allocation(struct kunit *test)
{
	struct making *m = zk_alloc(test, sizeof(*m));
	struct told t = { .call = makes, .arg = m };

	m->bytes = PMD_SIZE;
	m->wish = ZC_PAGE_WISH_HUGETLB;
	must_eq(test, zk_in(zk_process(test), notified, &t), -ENOMEM);
}

static long grows(void *pool)
{
	u32 segment, kind;

	return zc_segment_add(pool, &segment, &kind);
}

static long shrinks(void *pool)
{
	return zc_segment_remove(pool, 1);
}

/* Nothing is charged, published or lost; and nobody waits for the lock any longer. */
static void killed_grower_leaves_nothing(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-grows");
	struct zk_process *p = zk_process(test);
	u64 bytes = pool->user->bytes;
	long grown, shrunk;

	must_eq(test, as_told(p, SIGKILL, grows, pool), -EINTR);
	must_eq(test, pool->segments, 1);
	must_eq(test, pool->view.header->segments, 1);
	must_eq(test, pool->user->bytes, bytes);
	must_eq(test, grows(pool), 0);
	bytes = pool->user->bytes;
	mutex_lock(&pool->segment_lock);
	grown = as_told(p, SIGKILL, grows, pool);
	shrunk = as_told(p, SIGKILL, shrinks, pool);
	mutex_unlock(&pool->segment_lock);
	must_eq(test, grown, -EINTR);
	must_eq(test, shrunk, -EINTR);
	must_eq(test, pool->segments, 2);
	must(test, !pool->segment[1].retired);
	/* One that is to come back stays where it was. */
	must_eq(test, shrinks(pool), 0);
	must_eq(test, as_told(p, SIGKILL, grows, pool), -EINTR);
	must(test, pool->segment[1].retired);
	must_eq(test, pool->view.segments[1].state, ZC_SEGMENT_RETIRED);
	must_eq(test, pool->user->bytes, bytes);
	must_eq(test, grows(pool), 0);
	must(test, !pool->segment[1].retired);
	must_eq(test, pool->user->bytes, bytes);
}

/* --- mappings ---------------------------------------------------------------------------- */

static long maps(void *file)
{
	return vm_mmap(file, 0, PAGE_SIZE, PROT_READ, MAP_SHARED,
		       ZC_MAP_OFFSET(ZC_MAP_KERNEL));
}

/* Who waits for the pool with his address space locked can be killed. */
static void killed_mapper_waits_no_longer(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-maps");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, 0);
	long held = file_count(pool->kernel.file), mapped;

	mutex_lock(&pool->lock);
	mapped = as_told(m->p, SIGKILL, maps, file);
	mutex_unlock(&pool->lock);
	must_eq(test, mapped, -EINTR);
	must_eq(test, file_count(pool->kernel.file), held);
	must(test, !IS_ERR_VALUE(zk_in(m->p, maps, file)));
	must_eq(test, file_count(pool->kernel.file), held + 1);
}

/* --- other calls ------------------------------------------------------------------------- */

static long leaves(void *file)
{
	return zc_member_leave(zk_zf(file));
}

static long asks_with_lease(void *file)
{
	struct zc_member *m = zc_member_leased(zk_zf(file));

	if (IS_ERR(m))
		return PTR_ERR(m);
	zc_member_put(m);
	return 0;
}

static long evicts(void *file)
{
	struct zc_ioc_evict arg = { .member = ZC_MAX_MEMBERS };

	return zc_member_evict(zk_zf(file), &arg);
}

static long cleans(void *file)
{
	struct zc_ioc_cleaner arg = { .cleaner = 0 };

	return zc_cleaner_join(zk_zf(file), &arg);
}

/* Who waits for the pool in any call can be killed, and did nothing. */
static void killed_caller_waits_no_longer(struct kunit *test)
{
	static const struct {
		long (*call)(void *file);
		long otherwise;
	} rows[] = {
		{ asks_with_lease, 0 }, { evicts, -ESRCH }, { cleans, 0 }, { leaves, 0 },
	};
	struct zc_pool *pool = zk_pool(test, "kunit-calls");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, ZC_JOIN_WRITE);
	long told;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		mutex_lock(&pool->lock);
		told = as_told(m->p, SIGKILL, rows[i].call, file);
		mutex_unlock(&pool->lock);
		must_eq(test, told, -EINTR);
		must_eq(test, zk_in(m->p, rows[i].call, file), rows[i].otherwise);
	}
}

static struct kunit_case signal_cases[] = {
	KUNIT_CASE(killed_creator_leaves_nothing),
	KUNIT_CASE(signal_ends_an_allocation),
	KUNIT_CASE(work_of_others_ends_no_allocation),
	KUNIT_CASE(killed_grower_leaves_nothing),
	KUNIT_CASE(killed_mapper_waits_no_longer),
	KUNIT_CASE(killed_caller_waits_no_longer),
	{}
};

static struct kunit_suite signal_suite = {
	.name = "zerocore_signal",
	.test_cases = signal_cases,
};

kunit_test_suite(signal_suite);
