// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_place.c - places of a pool: taken, taken by the dead, the last of their numbers.
 */
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/seq_file.h>

#include "kunit.h"

static void name_it(u8 name[3][ZC_NAME_BYTES], u32 n)
{
	strscpy(name[0], "service", ZC_NAME_BYTES);
	snprintf(name[1], ZC_NAME_BYTES, "instance-%u", n);
	strscpy(name[2], "event", ZC_NAME_BYTES);
}

/* Joins service @n as its writer.  Return: what the call does. */
static long writes(struct kunit *test, struct zk_member *m, u32 n, struct zc_ioc_writer *out)
{
	struct zc_ioc_writer *arg = zk_alloc(test, sizeof(*arg));
	long err;

	name_it(arg->name, n);
	err = zk_call(m->p, m->file, ZC_IOC_WRITER_JOIN, arg);
	if (out)
		*out = *arg;
	return err;
}

static long reads(struct kunit *test, struct zk_member *m, u32 n, struct zc_ioc_reader *out)
{
	struct zc_ioc_reader *arg = zk_alloc(test, sizeof(*arg));
	long err;

	name_it(arg->name, n);
	err = zk_call(m->p, m->file, ZC_IOC_READER_JOIN, arg);
	if (out)
		*out = *arg;
	return err;
}

static long cleans(struct zk_member *m)
{
	struct zc_ioc_cleaner arg = { 0 };

	return zk_call(m->p, m->file, ZC_IOC_CLEANER_JOIN, &arg);
}

/* --- the steward stands still ---------------------------------------------------------- */

static void zk_goes_on(void *arg)
{
	struct zc_pool *pool = arg;

	enable_work(&pool->urgent_work);
	enable_work(&pool->reap_work);
	enable_delayed_work(&pool->anew_work);
	zc_reap_kick(pool);
}

/* Nobody is declared dead but by calls, and nobody is reaped. */
static void zk_halt(struct kunit *test, struct zc_pool *pool)
{
	zk_settle(pool);
	/* What it kicked off holds the pool, and puts it when it has run. */
	if (disable_work_sync(&pool->urgent_work))
		zc_pool_put(pool);
	if (disable_work_sync(&pool->reap_work))
		zc_pool_put(pool);
	if (disable_delayed_work_sync(&pool->anew_work))
		zc_pool_put(pool);
	must(test, !kunit_add_action_or_reset(test, zk_goes_on, pool));
}

static void zk_proceed(struct kunit *test, struct zc_pool *pool)
{
	kunit_release_action(test, zk_goes_on, pool);
	zk_settle(pool);
}

/* The file in debugfs has that text.  (The kernel may open it, but not read it.) */
static bool shows(struct kunit *test, struct zc_pool *pool, const char *text)
{
	struct seq_file *s;
	struct file *file;
	char path[128];
	bool has = false;

	snprintf(path, sizeof(path), "/sys/kernel/debug/zerocore/%s.%4phN", pool->name,
		 pool->view.header->creation_id);
	file = filp_open(path, O_RDONLY, 0);
	must(test, !IS_ERR(file));
	s = file->private_data;
	s->size = SZ_64K;
	s->buf = kvzalloc(s->size, GFP_KERNEL);
	if (s->buf && !s->op->show(s, NULL) && s->count < s->size) {
		s->buf[s->count] = 0;
		has = strstr(s->buf, text);
	}
	filp_close(file, NULL);
	return has;
}

static void dead_keep_their_places_until_they_are_reaped(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-dying");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *goes = zk_member(test, file, ZC_JOIN_WRITE | ZC_JOIN_EVICTABLE);
	struct zc_ioc_evict evict = { .member = goes->join.member, .incarnation = 1 };
	struct zc_device_event event;
	u32 i;

	for (i = 0; i < ZC_MAX_CLEANERS; i++)
		must_eq(test, cleans(goes), 0);
	/* By the living: for good. */
	must_eq(test, cleans(stays), -EUSERS);
	must(test, shows(test, pool, "state alive lease held write 1"));
	zk_halt(test, pool);
	must_eq(test, zk_unmap(goes->p, goes->lease, PAGE_SIZE), 0);
	must(test, shows(test, pool, "state alive lease over write 1"));
	/* Not declared dead yet, and no member any more. */
	must_eq(test, zk_call(stays->p, file, ZC_IOC_EVICT, &evict), -ESRCH);
	must_eq(test, zk_read(goes->p, file, &event, sizeof(event)), -ENXIO);
	must_eq(test, zk_map(goes->p, file, ZC_MAP_OFFSET(ZC_MAP_KERNEL), PAGE_SIZE, PROT_READ),
		-ENXIO);
	must_eq(test, pool->deaths, 0);
	/* By the dead: for a moment. */
	must_eq(test, cleans(stays), -EAGAIN);
	must_eq(test, pool->deaths, 1);
	must(test, shows(test, pool, "state dying lease over write 1"));
	must_eq(test, zk_call(stays->p, file, ZC_IOC_EVICT, &evict), -ESRCH);
	must_eq(test, zk_call(goes->p, file, ZC_IOC_LEAVE, NULL), -EPERM);
	zk_proceed(test, pool);
	must_eq(test, cleans(stays), 0);
	must_eq(test, pool->deaths, 1);
	must(test, !shows(test, pool, "state dying"));
}

/* Closing what a dying member joined by does not end it a second time. */
static void descriptor_of_the_dying_may_be_closed(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-closes");
	struct file *file = zk_open(test, pool), *its = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *goes = zk_member(test, its, ZC_JOIN_WRITE);

	must_eq(test, cleans(goes), 0);
	zk_halt(test, pool);
	must_eq(test, zk_unmap(goes->p, goes->lease, PAGE_SIZE), 0);
	must_eq(test, cleans(stays), 0);
	must_eq(test, pool->deaths, 1);
	zk_close(test, its);
	must_eq(test, pool->deaths, 1);
	must(test, zk_member_at(pool, goes->join.member));
	zk_proceed(test, pool);
	must(test, !zk_member_at(pool, goes->join.member));
	must_eq(test, pool->deaths, 1);
}

/* Who ended before he had a lease, and has not been buried: no process to kill. */
static void nobody_evicts_who_has_ended(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-ended");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, 0);
	struct zk_process *p = zk_process(test);
	struct zc_ioc_join join = { .flags = ZC_JOIN_EVICTABLE };
	struct zc_ioc_evict evict = { .incarnation = 1 };

	must_eq(test, zk_call(p, file, ZC_IOC_JOIN, &join), 0);
	evict.member = join.member;
	/* Without a lease there is nothing that an eviction would end. */
	must_eq(test, zk_call(stays->p, file, ZC_IOC_EVICT, &evict), -EPERM);
	zk_halt(test, pool);
	zk_exit(test, p);
	must_come(test, zk_call(stays->p, file, ZC_IOC_EVICT, &evict) == -ESRCH);
	must_eq(test, pool->deaths, 0);
	zk_proceed(test, pool);
	must_come(test, pool->deaths == 1);
}

/*
 * Who dies behind a pass, which does not see him, does not wait for a timer.  The steward
 * does here what is urgent only, and that whenever it is told to.
 */
static void dead_behind_a_pass_are_next(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-behind");
	struct zk_member *first, *second;
	struct zc_pool *pool;
	struct zc_view *v;
	struct file *file;
	u32 i, granules;
	u64 again;

	wish->bytes = SZ_1M;
	wish->segment_bytes = SZ_1M;
	pool = zk_pool_make(test, wish);
	file = zk_open(test, pool);
	zk_member(test, file, ZC_JOIN_WRITE);
	first = zk_member(test, file, ZC_JOIN_WRITE);
	second = zk_member(test, file, ZC_JOIN_WRITE);
	must_eq(test, cleans(first), 0);
	must_eq(test, cleans(second), 0);
	v = &pool->view;
	granules = SZ_1M >> v->granule_shift;
	/* More than a slice. */
	for (i = 0; i < granules; i++)
		zc_desc(v, i)->word = zc_word(1, 1, ZC_OWNER_NONE, ZC_STATE_FREE);
	zk_halt(test, pool);
	enable_work(&pool->urgent_work);
	again = pool->again_ns;
	/* What is before it is no part of a pass. */
	pool->pass_ns = NSEC_PER_SEC * 3600ULL;
	pool->urgent_ns = 0;
	must_eq(test, zk_unmap(first->p, first->lease, PAGE_SIZE), 0);
	flush_work(&pool->urgent_work);
	must(test, pool->reaper.walking);
	must_eq(test, zk_unmap(second->p, second->lease, PAGE_SIZE), 0);
	for (i = 0; pool->reaper.walking && i < granules; i++) {
		pool->urgent_ns = 0;
		zc_reap_kick(pool);
		flush_work(&pool->urgent_work);
	}
	must_eq(test, pool->deaths, 2);
	must_eq(test, zc_life_state(v->members[first->join.member].life), ZC_LIFE_IDLE);
	must_eq(test, zc_life_state(v->members[second->join.member].life), ZC_LIFE_REAPING);
	must_eq(test, pool->reap_passes, 0);
	must_eq(test, pool->again_ns, again);
	if (disable_work_sync(&pool->urgent_work))
		zc_pool_put(pool);
	must(test, pool->pass_ns < NSEC_PER_SEC * 3600ULL);
	zk_proceed(test, pool);
	must_eq(test, zc_life_state(v->members[second->join.member].life), ZC_LIFE_IDLE);
}

/* A writer whose slot is between two slices of the reaper's pass. */
static void slot_in_the_middle_of_its_reaping_is_tried_again(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-slice");
	struct file *file = zk_open(test, pool);
	struct zk_member *m = zk_member(test, file, ZC_JOIN_WRITE);
	struct zc_ioc_writer writer;
	u64 *life, was;

	must_eq(test, writes(test, m, 1, &writer), 0);
	life = &pool->view.writer_slots[writer.service].life;
	was = *life;
	zk_halt(test, pool);
	*life = zc_life(zc_life_incarnation(was), zc_life_member(was), ZC_LIFE_REAPING);
	must_eq(test, writes(test, m, 1, NULL), -EAGAIN);
	must(test, shows(test, pool, "writer reaping readers 0x0"));
	*life = was;
	must_eq(test, writes(test, m, 1, NULL), -EBUSY);
	must(test, shows(test, pool, "writer live readers 0x0"));
	must_eq(test, zk_call(m->p, file, ZC_IOC_WRITER_LEAVE, &writer), 0);
	must(test, shows(test, pool, "writer none readers 0x0"));
	zk_proceed(test, pool);
}

/* --- all are taken ---------------------------------------------------------------------- */

static void services_may_all_be_taken(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-full");
	struct file *file = zk_open(test, pool);
	struct zk_member *stays = zk_member(test, file, ZC_JOIN_WRITE);
	struct zk_member *goes = zk_member(test, file, ZC_JOIN_WRITE);
	struct zc_ioc_reader reader;
	u32 i;

	for (i = 0; i < ZC_MAX_WRITERS; i++)
		must_eq(test, writes(test, i ? stays : goes, i, NULL), 0);
	must_eq(test, writes(test, stays, i, NULL), -ENOSPC);
	must_eq(test, reads(test, stays, i, NULL), -ENOSPC);
	for (i = 0; i < ZC_MAX_READERS_PER; i++)
		must_eq(test, reads(test, i ? stays : goes, 3, &reader), 0);
	must_eq(test, reads(test, stays, 3, &reader), -EUSERS);
	zk_halt(test, pool);
	must_eq(test, zk_unmap(goes->p, goes->lease, PAGE_SIZE), 0);
	must_eq(test, writes(test, stays, ZC_MAX_WRITERS, NULL), -EAGAIN);
	must_eq(test, reads(test, stays, 3, &reader), -EAGAIN);
	zk_proceed(test, pool);
	must_eq(test, reads(test, stays, 3, &reader), 0);
	must_eq(test, writes(test, stays, ZC_MAX_WRITERS, NULL), 0);
}

/* --- numbers ------------------------------------------------------------------------------ */

/* 0 is nobody's: a member's record ends with its numbers, a role's goes on at 1. */
static void incarnations_end(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-last");
	u64 last = zc_life(~0U, 0, ZC_LIFE_IDLE);
	struct file *file = zk_open(test, pool);
	struct zc_view *v = &pool->view;
	struct zc_ioc_writer writer;
	struct zc_ioc_reader reader;
	struct zc_ioc_cleaner cleaner = { 0 };
	struct zk_member *m;

	v->members[0].life = last;
	m = zk_member(test, file, ZC_JOIN_WRITE);
	must_eq(test, m->join.member, 1);
	must_eq(test, v->members[0].life, last);
	must_eq(test, writes(test, m, 1, &writer), 0);
	must_eq(test, zk_call(m->p, file, ZC_IOC_WRITER_LEAVE, &writer), 0);
	v->writer_slots[writer.service].life = last;
	zc_reader_slot(v, writer.service, 0)->life = last;
	must_eq(test, writes(test, m, 1, &writer), 0);
	must_eq(test, writer.incarnation, 1);
	must_eq(test, reads(test, m, 1, &reader), 0);
	must_eq(test, reader.reader, 0);
	must_eq(test, reader.incarnation, 1);
	must_eq(test, v->reader_area[reader.service * ZC_MAX_READERS_PER]->incarnation, 1);
	v->cleaner_slots[0].life = last;
	must_eq(test, zk_call(m->p, file, ZC_IOC_CLEANER_JOIN, &cleaner), 0);
	must_eq(test, cleaner.cleaner, 0);
	must_eq(test, cleaner.incarnation, 1);
	must_eq(test, zk_call(m->p, file, ZC_IOC_CLEANER_LEAVE, &cleaner), 0);
}

static struct kunit_case place_cases[] = {
	KUNIT_CASE(dead_keep_their_places_until_they_are_reaped),
	KUNIT_CASE(descriptor_of_the_dying_may_be_closed),
	KUNIT_CASE(nobody_evicts_who_has_ended),
	KUNIT_CASE(dead_behind_a_pass_are_next),
	KUNIT_CASE(slot_in_the_middle_of_its_reaping_is_tried_again),
	KUNIT_CASE(services_may_all_be_taken),
	KUNIT_CASE(incarnations_end),
	{}
};

static struct kunit_suite place_suite = {
	.name = "zerocore_place",
	.test_cases = place_cases,
};

kunit_test_suite(place_suite);
