// SPDX-License-Identifier: GPL-2.0
/*
 * kunit_pool.c - pools: what is refused, names, limits, memory, the end.
 */
#include <linux/fcntl.h>
#include <linux/shmem_fs.h>
#include <linux/sizes.h>

#include "geometry.h"
#include "kunit.h"

#define UID 1000
#define OTHER_UID 1001

/* Does not come to be, and has no name. */
static void refused(struct kunit *test, struct zc_ioc_create *wish, int err)
{
	struct zc_pool *pool = NULL;
	int got = zc_pool_create(wish, &pool);

	if (!got) {
		zc_pool_forget(pool);
		zc_pool_put(pool);
	}
	must_eq(test, got, err);
	must(test, !pool);
	must(test, IS_ERR(zc_pool_find(wish->name)));
}

static int unlink_named(const char *name)
{
	struct zc_ioc_unlink arg = { 0 };
	int err;

	strscpy(arg.name, name, sizeof(arg.name));
	err = zc_pool_unlink(&arg);
	return err ? err : arg.unlinked;
}

/* Is it there, for who asks? */
static int found(const char *name)
{
	u8 bytes[ZC_NAME_BYTES] = { 0 };
	struct zc_pool *pool;

	strscpy(bytes, name, sizeof(bytes));
	pool = zc_pool_find(bytes);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	zc_pool_put(pool);
	return 0;
}

/* --- creation: what is refused ---------------------------------------------------- */

static const char * const wrong_names[] = {
	"", ".hidden", "_", "-x", "a/b", "a b", "a\n", "\xe9", "a\xff", "a:b", "a%",
	"0123456789012345678901234567890123456789012345678",	/* 49 */
	"012345678901234567890123456789012345678901234567890123456789012",
};

static void create_refuses_names(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "");
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wrong_names); i++) {
		memset(wish->name, 0, sizeof(wish->name));
		strscpy(wish->name, wrong_names[i], sizeof(wish->name));
		refused(test, wish, -EINVAL);
		must_eq(test, unlink_named(wrong_names[i]), -EINVAL);
	}
	/* No end, and something behind the end. */
	memset(wish->name, 'a', sizeof(wish->name));
	refused(test, wish, -EINVAL);
	memset(wish->name, 0, sizeof(wish->name));
	wish->name[0] = 'a';
	wish->name[63] = 'a';
	refused(test, wish, -EINVAL);
	wish->name[63] = 0;
	wish->name[2] = 'a';
	refused(test, wish, -EINVAL);
}

static const char * const right_names[] = {
	"a", "Z", "0", "9._-", "kunit-name_with.all-0",
	"012345678901234567890123456789012345678901234567",	/* 48 */
};

static void create_takes_names(struct kunit *test)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(right_names); i++) {
		struct zc_pool *pool = zk_pool(test, right_names[i]);

		must(test, !strcmp(pool->name, right_names[i]));
		must_eq(test, found(right_names[i]), 0);
	}
}

#define WISH32(field, value) { offsetof(struct zc_ioc_create, field), 4, value }
#define WISH64(field, value) { offsetof(struct zc_ioc_create, field), 8, value }

/* One field of a wish that could be met. */
static const struct wrong_wish {
	u32 at;
	u32 bytes;
	u64 value;
} wrong_wishes[] = {
	WISH64(bytes, 0),
	WISH64(bytes, (1ULL << 48) + 1),
	WISH64(bytes, ~0ULL),
	WISH64(bytes, 4 * ZK_SEGMENT * 64),		/* four segments of three */
	WISH64(segment_bytes, ~0ULL),
	WISH64(granule_bytes, 63),
	WISH64(granule_bytes, 32),
	WISH64(granule_bytes, 131072),
	WISH32(ring_entries, 8),
	WISH32(ring_entries, 17),
	WISH32(ring_entries, 1U << 21),
	WISH32(max_holds, 65537),
	WISH32(max_segments, 1025),
	WISH32(flags, ZC_CREATE_PERSIST << 1),
	WISH32(flags, 1U << 31),
	WISH32(page_wish, ZC_PAGE_WISH_GIGANTIC + 1),
	WISH32(page_wish, ~0U),
	WISH32(mode, 01600),
	WISH32(mode, S_IFREG | 0600),
	WISH32(mode, 0400),
	WISH32(mode, 0200),
	WISH32(mode, 0066),
	WISH32(guard, ZC_MODE_FULL + 1),
	WISH32(guard, ~0U),
	WISH32(padding, 1),
	WISH64(reserved[0], 1),
	WISH64(reserved[1], 1),
	WISH64(reserved[2], 1ULL << 63),
};

static void create_refuses_what_it_does_not_know(struct kunit *test)
{
	struct zc_pool *other = zk_pool(test, "kunit-other");
	u32 i, users = zk_users(other);

	for (i = 0; i < ARRAY_SIZE(wrong_wishes); i++) {
		const struct wrong_wish *wrong = &wrong_wishes[i];
		struct zc_ioc_create *wish = zk_wish(test, "kunit-wrong");
		struct zc_pool *pool;
		int err;

		/* Little endian. */
		memcpy((u8 *)wish + wrong->at, &wrong->value, wrong->bytes);
		err = zc_pool_create(wish, &pool);
		if (!err) {
			zc_pool_forget(pool);
			zc_pool_put(pool);
		}
		if (err != -EINVAL)
			zk_fail(test, __FILE__, __LINE__, "row %u, 0x%llx: %d", i,
				wrong->value, err);
	}
	zk_flush();
	must_eq(test, other->user->pools, 1);
	must_eq(test, zk_users(other), users);
}

/* 64 bits wide there, 32 in a geometry. */
static void create_refuses_a_granule_past_32_bits(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-granule");

	wish->granule_bytes = 64 | 1ULL << 32;
	refused(test, wish, -EINVAL);
	wish->granule_bytes = 1ULL << 63;
	refused(test, wish, -EINVAL);
}

/* A segment smaller than a page could not be mapped by itself. */
static void create_wants_whole_pages(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-pages");

	wish->bytes = PAGE_SIZE;
	wish->segment_bytes = PAGE_SIZE;
	must_eq(test, zk_pool_make(test, wish)->geometry.segment_bytes, PAGE_SIZE);
}

/* --- creation: what one gets ----------------------------------------------------------- */

static void create_says_what_it_made(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-made");
	const struct zc_pool_header *h;
	struct zc_pool *pool, *again;
	const struct zc_geometry *g;

	wish->bytes = ZK_SEGMENT * 64 + 1;
	wish->mode = 0640;
	pool = zk_pool_make(test, wish);
	h = pool->view.header;
	g = &h->geometry;
	must_eq(test, h->magic, ZC_LAYOUT_MAGIC);
	must_eq(test, h->layout_version, ZC_LAYOUT_VERSION);
	must_eq(test, h->state, ZC_POOL_READY);
	must_eq(test, h->mode, 0640);
	must_eq(test, h->creator_uid, 0);
	must_eq(test, h->creator_pid, task_tgid_nr(current));
	must(test, !strcmp(h->name, "kunit-made"));
	must(test, !memcmp(h->creation_id, wish->creation_id, 16));
	must(test, memchr_inv(h->creation_id, 0, 16));
	must_eq(test, h->segments, 2);
	must_eq(test, h->page_kind, ZC_PAGES_SMALL);
	must_eq(test, wish->page_kind, ZC_PAGES_SMALL);
	must(test, !memcmp(g, &pool->geometry, sizeof(*g)));
	must(test, !zc_geometry_check(g, g->control_bytes));
	must_eq(test, g->max_segments, 3);
	must_eq(test, pool->mode, 0640);
	must_eq(test, i_size_read(file_inode(pool->kernel.file)), g->off_reader_areas);
	must_eq(test, i_size_read(file_inode(pool->writers)),
		g->control_bytes - g->off_hints);
	/* Each has its own. */
	wish = zk_wish(test, "kunit-made.2");
	again = zk_pool_make(test, wish);
	must(test, memcmp(h->creation_id, again->view.header->creation_id, 16));
	must_eq(test, again->mode, 0600);
}

static void create_makes_memory_that_is_free(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-free");
	struct zc_walk walk = { 0 };
	struct zc_view *v;
	u32 granule, n = 0, i;
	struct zc_pool *pool;
	u64 word;

	wish->bytes = 2 * ZK_SEGMENT * 64;
	pool = zk_pool_make(test, wish);
	v = &pool->view;
	while (zc_walk_step(v, &walk, &granule, &word)) {
		must_eq(test, granule, n);
		must_eq(test, word, zc_word(1, ZK_STRIPE, ZC_OWNER_NONE, ZC_STATE_FREE));
		n += ZK_STRIPE;
	}
	must_eq(test, n, 2 * ZK_SEGMENT);
	must_eq(test, v->hints->free_granules, n);
	must_eq(test, zc_hint_sum(v), n);
	/* Nobody is there. */
	for (i = 0; i < ZC_MAX_MEMBERS; i++)
		must_eq(test, v->members[i].life, 0);
	for (i = 0; i < ZC_READERS; i++)
		must_eq(test, v->reader_area[i]->incarnation, 0);
	for (i = 0; i < ZC_MAX_WRITERS; i++) {
		must_eq(test, v->writer_slots[i].life, 0);
		must_eq(test, zc_writer_area(v, i)->head, 0);
	}
	must(test, !zc_reap_wanted(v));
}

/* Nobody can take away, or write by itself, what the kernel looks at. */
static void files_are_sealed(struct kunit *test)
{
	struct zc_pool *pool = zk_pool(test, "kunit-seals");
	struct file *files[] = { pool->kernel.file, pool->writers, pool->segment[0].file };
	u32 i, want = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		must_eq(test, SHMEM_I(file_inode(files[i]))->seals, want);
		must(test, mapping_unevictable(files[i]->f_mapping));
	}
	/* All of it is there: nobody gets SIGBUS later. */
	must_eq(test, file_inode(files[2])->i_mapping->nrpages, ZK_SEGMENT * 64 / PAGE_SIZE);
}

static void pages_are_what_was_wished_for(struct kunit *test)
{
	struct zc_segment s = { 0 };
	int err;

	must_eq(test, zc_segment_make(&s, 4 * SZ_1M, ZC_PAGE_WISH_SMALL), 0);
	must_eq(test, s.page_kind, ZC_PAGES_SMALL);
	must_eq(test, s.page_shift, PAGE_SHIFT);
	must_eq(test, s.file->f_mapping->nrpages, 4 * SZ_1M / PAGE_SIZE);
	must_eq(test, zc_segment_pinned(&s, 0, 4 * SZ_1M), false);
	zc_segment_free(&s);
	must(test, !s.file);

	must_eq(test, zc_segment_make(&s, 4 * SZ_1M, ZC_PAGE_WISH_TRANSPARENT), 0);
	must_eq(test, s.page_shift,
		s.page_kind == ZC_PAGES_TRANSPARENT ? PMD_SHIFT : PAGE_SHIFT);
	must_eq(test, s.page_kind, zc_memory_features() & ZC_DEVICE_THP ?
					   ZC_PAGES_TRANSPARENT : ZC_PAGES_SMALL);
	zc_segment_free(&s);

	/* Huge pages that somebody has set aside, or none: never others instead. */
	err = zc_segment_make(&s, 2 * SZ_1M, ZC_PAGE_WISH_HUGETLB);
	must(test, !err || err == -ENOMEM);
	must(test, err ? !s.file : s.page_kind == ZC_PAGES_HUGETLB);
	zc_segment_free(&s);
	must_eq(test, zc_segment_make(&s, 1ULL << 30, ZC_PAGE_WISH_GIGANTIC), -ENOMEM);
	must(test, !s.file);
	flush_delayed_fput();
}

/* --- names ------------------------------------------------------------------------------ */

static void name_is_taken_once(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-once");
	struct zc_pool *pool = zk_pool_make(test, wish), *second = NULL;

	must_eq(test, zc_pool_create(wish, &second), -EEXIST);
	must(test, !second);
	zk_flush();
	must_eq(test, pool->user->pools, 1);
	must_eq(test, found("kunit-once"), 0);
	/* The name of one that goes on without it is free again. */
	must_eq(test, unlink_named("kunit-once"), 1);
	must(test, !pool->linked);
	must_eq(test, unlink_named("kunit-once"), -ENOENT);
	second = zk_pool(test, "kunit-once");
	must(test, second != pool);
	must_eq(test, pool->user->pools, 2);
}

static int next_name(struct zc_ioc_list *arg, const char *after)
{
	memset(arg, 0, sizeof(*arg));
	strscpy(arg->name, after, sizeof(arg->name));
	return zc_pool_next(arg);
}

static void list_is_in_order(struct kunit *test)
{
	static const char * const names[] = { "m", "z", "a", "M", "m0", "m-", "0" };
	static const char * const order[] = { "0", "M", "a", "m", "m-", "m0", "z" };
	struct zc_ioc_list *arg = zk_alloc(test, sizeof(*arg));
	u32 i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		zk_pool(test, names[i]);
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		must_eq(test, i ? zc_pool_next(arg) : next_name(arg, ""), 0);
		must(test, !strcmp(arg->name, order[i]));
	}
	must_eq(test, zc_pool_next(arg), -ENOENT);
	/* After one that has gone meanwhile, or never was. */
	must_eq(test, unlink_named("m-"), 1);
	must_eq(test, next_name(arg, "m-"), 0);
	must(test, !strcmp(arg->name, "m0"));
	must_eq(test, next_name(arg, "zz"), -ENOENT);
	must_eq(test, next_name(arg, "/"), -EINVAL);
	memset(arg, 0, sizeof(*arg));
	arg->name[5] = 'm';
	must_eq(test, zc_pool_next(arg), -EINVAL);
	/* Others see what they may read: nothing of these. */
	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	must_eq(test, next_name(arg, ""), -ENOENT);
	zk_become(test, NULL);
}

static void unlink_is_its_owners(struct kunit *test)
{
	const struct cred *owner = zk_cred(test, UID, UID, UID, -1);
	struct zc_ioc_create *wish = zk_wish(test, "kunit-mine");

	wish->mode = 0666;
	zk_become(test, owner);
	zk_pool_make(test, wish);
	zk_become(test, zk_cred(test, OTHER_UID, UID, UID, -1));
	must_eq(test, found("kunit-mine"), 0);
	must_eq(test, unlink_named("kunit-mine"), -EPERM);
	must_eq(test, unlink_named("kunit-not-there"), -ENOENT);
	/* To read and write is not to own. */
	zk_become(test, zk_cred(test, OTHER_UID, UID, UID, CAP_DAC_OVERRIDE));
	must_eq(test, unlink_named("kunit-mine"), -EPERM);
	zk_become(test, zk_cred(test, OTHER_UID, UID, UID, CAP_FOWNER));
	must_eq(test, unlink_named("kunit-mine"), 1);
	zk_become(test, owner);
	wish = zk_wish(test, "kunit-mine");
	zk_pool_make(test, wish);
	must_eq(test, unlink_named("kunit-mine"), 1);
	zk_become(test, NULL);
}

static void unlink_all_is_of_the_caller(struct kunit *test)
{
	struct zc_ioc_unlink arg = { .flags = ZC_UNLINK_ALL };

	zk_pool(test, "kunit-roots");
	zk_become(test, zk_cred(test, UID, UID, UID, CAP_FOWNER));
	zk_pool(test, "kunit-a");
	zk_pool(test, "kunit-z");
	arg.name[3] = 'a';
	must_eq(test, zc_pool_unlink(&arg), -EINVAL);
	arg.name[3] = 0;
	must_eq(test, zc_pool_unlink(&arg), 0);
	must_eq(test, arg.unlinked, 2);
	must_eq(test, zc_pool_unlink(&arg), 0);
	must_eq(test, arg.unlinked, 0);
	zk_become(test, NULL);
	must_eq(test, found("kunit-a"), -ENOENT);
	must_eq(test, found("kunit-z"), -ENOENT);
	must_eq(test, found("kunit-roots"), 0);
}

/* --- limits ---------------------------------------------------------------------------- */

static void limit_on_pools(struct kunit *test)
{
	const struct cred *user = zk_cred(test, UID, UID, UID, -1);
	struct zc_pool *first;

	zk_param(test, "pools_max", "2");
	zk_become(test, user);
	first = zk_pool(test, "kunit-1");
	zk_pool(test, "kunit-2");
	refused(test, zk_wish(test, "kunit-3"), -EDQUOT);
	must_eq(test, first->user->pools, 2);
	/* A name more or less does not count, the pool does. */
	must_eq(test, unlink_named("kunit-2"), 1);
	refused(test, zk_wish(test, "kunit-3"), -EDQUOT);
	/* Others have their own; who may exceed limits does. */
	zk_become(test, zk_cred(test, OTHER_UID, UID, UID, -1));
	zk_pool(test, "kunit-4");
	zk_become(test, zk_cred(test, UID, UID, UID, CAP_SYS_RESOURCE));
	zk_pool(test, "kunit-5");
	must_eq(test, first->user->pools, 3);
	zk_become(test, user);
	zk_param(test, "pools_max", "0");
	zk_pool(test, "kunit-6");
	zk_become(test, NULL);
}

static void limit_on_persistent_pools(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-1");
	struct zc_pool *pool;

	zk_param(test, "persistent_max", "1");
	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	wish->flags = ZC_CREATE_PERSIST;
	pool = zk_pool_make(test, wish);
	must_eq(test, pool->user->persistent, 1);
	wish = zk_wish(test, "kunit-2");
	wish->flags = ZC_CREATE_PERSIST;
	refused(test, wish, -EDQUOT);
	/* Of the other kind there may be more. */
	zk_pool(test, "kunit-3");
	must_eq(test, pool->user->persistent, 1);
	must_eq(test, pool->user->pools, 2);
	zk_become(test, NULL);
}

static void limit_on_bytes(struct kunit *test)
{
	struct zc_ioc_create *wish = zk_wish(test, "kunit-large");
	struct zc_pool *root = zk_pool(test, "kunit-root"), *pool;
	u32 users = zk_users(root);
	u64 bytes;

	zk_param(test, "pool_mbytes_max", "1");
	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	wish->bytes = SZ_1M;
	wish->segment_bytes = SZ_1M;
	refused(test, wish, -EDQUOT);
	/* Who has no pool has no record. */
	zk_flush();
	must_eq(test, zk_users(root), users);
	pool = zk_pool(test, "kunit-small");
	must_eq(test, zk_users(root), users + 1);
	bytes = pool->user->bytes;
	must(test, bytes >= ZK_SEGMENT * 64);
	must_eq(test, pool->charged_bytes, bytes);
	refused(test, wish, -EDQUOT);
	must_eq(test, zc_pool_charge(pool, SZ_1M - bytes + 1), -EDQUOT);
	must_eq(test, pool->user->bytes, bytes);
	must_eq(test, zc_pool_charge(pool, SZ_1M - bytes), 0);
	must_eq(test, zc_pool_charge(pool, 1), -EDQUOT);
	must_eq(test, pool->user->bytes, SZ_1M);
	must_eq(test, pool->charged_bytes, SZ_1M);
	zk_become(test, NULL);
	/* Root may; it is the owner who pays. */
	must_eq(test, zc_pool_charge(pool, 1), 0);
	must_eq(test, pool->user->bytes, SZ_1M + 1);
	zc_pool_uncharge(pool, SZ_1M + 1 - bytes);
	must_eq(test, pool->user->bytes, bytes);
}

/* Whichever step fails. */
static void failure_leaves_nothing(struct kunit *test)
{
	struct zc_pool *root = zk_pool(test, "kunit-root");
	struct zc_ioc_create *wish;
	u32 users = zk_users(root);
	u64 bytes = root->user->bytes;

	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	/* No such pages. */
	wish = zk_wish(test, "kunit-fails");
	wish->bytes = 1ULL << 30;
	wish->segment_bytes = 0;
	wish->granule_bytes = 4096;
	wish->page_wish = ZC_PAGE_WISH_GIGANTIC;
	refused(test, wish, -ENOMEM);
	must_eq(test, zc_pool_create(zk_wish(test, "kunit-root"), &root), -EEXIST);
	zk_become(test, NULL);
	flush_delayed_fput();
	zk_flush();
	must_eq(test, zk_users(root), users);
	must_eq(test, root->user->pools, 1);
	must_eq(test, root->user->bytes, bytes);
}

/* --- the end ------------------------------------------------------------------------------ */

static void pool_goes_with_its_last_descriptor(struct kunit *test)
{
	struct zc_pool *root = zk_pool(test, "kunit-root"), *pool = NULL;
	u32 users = zk_users(root);
	struct file *first, *second;

	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	must_eq(test, zc_pool_create(zk_wish(test, "kunit-short"), &pool), 0);
	zk_become(test, NULL);
	/* As zc_device_create() does: from here on descriptors hold it. */
	first = zk_open(test, pool);
	zc_pool_file_closed(pool);
	zc_pool_put(pool);
	second = zk_open(test, pool);
	must_eq(test, pool->files, 2);
	zk_close(test, first);
	zk_flush();
	must_eq(test, found("kunit-short"), 0);
	must_eq(test, zk_users(root), users + 1);
	zk_close(test, second);
	must_eq(test, found("kunit-short"), -ENOENT);
	zk_flush();
	must_eq(test, zk_users(root), users);
}

static void persistent_pool_stays(struct kunit *test)
{
	struct zc_pool *root = zk_pool(test, "kunit-root"), *pool = NULL;
	struct zc_ioc_create *wish = zk_wish(test, "kunit-stays");
	u32 users = zk_users(root);

	wish->flags = ZC_CREATE_PERSIST;
	zk_become(test, zk_cred(test, UID, UID, UID, -1));
	must_eq(test, zc_pool_create(wish, &pool), 0);
	zk_close(test, zk_open(test, pool));
	zc_pool_file_closed(pool);
	zc_pool_put(pool);
	zk_flush();
	must_eq(test, found("kunit-stays"), 0);
	must_eq(test, zk_users(root), users + 1);
	/* Its name was all that held it. */
	must_eq(test, unlink_named("kunit-stays"), 1);
	zk_become(test, NULL);
	zk_flush();
	must_eq(test, zk_users(root), users);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(create_refuses_names),
	KUNIT_CASE(create_takes_names),
	KUNIT_CASE(create_refuses_what_it_does_not_know),
	KUNIT_CASE(create_refuses_a_granule_past_32_bits),
	KUNIT_CASE(create_wants_whole_pages),
	KUNIT_CASE(create_says_what_it_made),
	KUNIT_CASE(create_makes_memory_that_is_free),
	KUNIT_CASE(files_are_sealed),
	KUNIT_CASE(pages_are_what_was_wished_for),
	KUNIT_CASE(name_is_taken_once),
	KUNIT_CASE(list_is_in_order),
	KUNIT_CASE(unlink_is_its_owners),
	KUNIT_CASE(unlink_all_is_of_the_caller),
	KUNIT_CASE(limit_on_pools),
	KUNIT_CASE(limit_on_persistent_pools),
	KUNIT_CASE(limit_on_bytes),
	KUNIT_CASE(failure_leaves_nothing),
	KUNIT_CASE(pool_goes_with_its_last_descriptor),
	KUNIT_CASE(persistent_pool_stays),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "zerocore_pool",
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);
