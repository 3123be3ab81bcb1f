/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_owner.c - a pool's files are one user's: what another one puts beside them, and
 * writes into his own, reaches no pool but his own.
 *
 * Plain shared memory only: the device has no files.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "harness.h"

#define SERVICE "owner/it/main"
#define STRANGER 65534
#define VICTIM 0
#define PLANTED 1

/* What each side tells the other of its pool. */
struct plan {
	char id[40];		/* of the victim's pool */
	bool shared;		/* the other pool is the victim's, too; all may write it */
	bool steal;		/* write it into the other pool */
	char data_dir[64];	/* "": one's own */
	bool grows;		/* and say that somebody died who made segment 1 */
};

static struct plan *plan;

static void path_of(char *path, size_t bytes, const char *name, const char *suffix)
{
	snprintf(path, bytes, "%s/zerocore.%s.%s", t_folder(), name, suffix);
}

/* How many files of that id are there? */
static unsigned int files_of(const char *id)
{
	struct dirent *entry;
	unsigned int nr = 0;
	DIR *dir = opendir(t_folder());

	CHECK(dir);
	while ((entry = readdir(dir)))
		nr += !!strstr(entry->d_name, id);
	closedir(dir);
	return nr;
}

static zc_pool_options_t small(void)
{
	zc_pool_options_t options = t_pool_options();

	options.bytes = 2U << 20;
	options.segment_bytes = 1U << 20;
	return options;
}

static void write_at(int fd, size_t offset, const void *value, size_t bytes)
{
	CHECK(pwrite(fd, value, bytes, (off_t)offset) == (ssize_t)bytes);
}

#define HEADER(field) offsetof(struct zc_pool_header, field)

static void plant_header(int fd)
{
	char dir[sizeof(((struct zc_pool_header *)0)->data_dir)] = "";
	struct zc_pool_header h;
	struct zc_hints hints;
	unsigned int i, byte;
	uint32_t one = 1;

	CHECK(pread(fd, &h, sizeof(h), 0) == sizeof(h));
	if (plan->steal) {
		for (i = 0; i < 16; i++) {
			CHECK(sscanf(plan->id + 2 * i, "%2x", &byte) == 1);
			h.creation_id[i] = (uint8_t)byte;
		}
		write_at(fd, HEADER(creation_id), h.creation_id, 16);
	}
	if (plan->data_dir[0]) {
		snprintf(dir, sizeof(dir), "%s", plan->data_dir);
		write_at(fd, HEADER(data_dir), dir, sizeof(dir));
	}
	if (plan->grows) {
		write_at(fd, HEADER(segments), &one, sizeof(one));
		CHECK(pread(fd, &hints, sizeof(hints), (off_t)h.geometry.off_hints) ==
		      sizeof(hints));
		hints.removing = 2;
		hints.remover = 1ULL << 32 | 1000;
		write_at(fd, h.geometry.off_hints, &hints, sizeof(hints));
	}
}

static void plants(void *arg)
{
	zc_pool_options_t options = small();
	char path[4400];
	zc_pool_t *pool;
	int fd;

	(void)arg;
	t_hear(t_parent(), "go");
	if (setgroups(0, NULL) || setgid(STRANGER) || setuid(STRANGER))
		T_FAIL("cannot drop root: %s", strerror(errno));
	umask(0);
	options.mode = 0666;
	if (!plan->shared) {
		CHECK_OK(zc_pool_create(t_name(PLANTED), &options, &pool));
		zc_pool_close(pool);
	}
	path_of(path, sizeof(path), t_name(PLANTED), "pool");
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	plant_header(fd);
	close(fd);
	t_say(t_parent(), "planted");
}

/* Somebody else with the victim's rights. */
static void opens(void *arg)
{
	zc_pool_t *pool = NULL;

	(void)arg;
	t_hear(t_parent(), "go");
	CHECK_RESULT(zc_pool_open(t_name(PLANTED), &pool), ZC_ERROR_CORRUPT_POOL);
	t_say(t_parent(), "refused");
}

static struct t_peer *stranger, *peer;

static void begin(void)
{
	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	if (geteuid())
		t_skip("needs root to become somebody else");
	plan = t_shared(sizeof(*plan));
	/* As /dev/shm is. */
	CHECK(!chmod(t_folder(), 01777));
	stranger = t_spawn("stranger", plants, NULL);
	peer = t_spawn("peer", opens, NULL);
}

static void plant(void)
{
	t_say(stranger, "go");
	t_hear(stranger, "planted");
	t_join(stranger);
}

static void peer_is_refused(void)
{
	t_say(peer, "go");
	t_hear(peer, "refused");
	t_join(peer);
}

static zc_pool_t *make_victim_of(uint32_t mode, struct stat *data1)
{
	zc_pool_info_t info = { .sz = sizeof(info) };
	zc_pool_options_t options = small();
	char path[4400];
	zc_pool_t *pool;

	options.mode = mode;
	options.max_bytes = 4U << 20;
	pool = t_pool_create_at(VICTIM, &options);
	CHECK_OK(zc_pool_get_info(pool, &info));
	snprintf(plan->id, sizeof(plan->id), "%s", info.creation_id);
	path_of(path, sizeof(path), plan->id, "data1");
	CHECK(!stat(path, data1));
	CHECK(data1->st_blocks);
	return pool;
}

static zc_pool_t *make_victim(struct stat *data1)
{
	return make_victim_of(0600, data1);
}

/* Another pool of the victim's, which everybody may write. */
static void make_shared(void)
{
	zc_pool_options_t options = small();
	zc_pool_t *pool;

	options.mode = 0666;
	options.max_bytes = 4U << 20;
	CHECK_OK(zc_pool_create(t_name(PLANTED), &options, &pool));
	zc_pool_close(pool);
	plan->shared = true;
}

static void is_whole(const struct stat *was)
{
	char path[4400];
	struct stat st;

	path_of(path, sizeof(path), plan->id, "data1");
	CHECK(!stat(path, &st));
	CHECK_EQ(st.st_ino, was->st_ino);
	CHECK_EQ(st.st_blocks, was->st_blocks);
}

static void id_reaches_no_other_pool(bool shared)
{
	struct stat was;
	zc_pool_t *pool;

	begin();
	plan->steal = plan->grows = true;
	pool = make_victim(&was);
	if (shared)
		make_shared();
	plant();
	peer_is_refused();
	is_whole(&was);
	t_pool_check(pool);
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	is_whole(&was);
}

/* The id of a pool is in the names of its files, for all to see. */
static void planted_id_reaches_no_other_pool(void) { id_reaches_no_other_pool(false); }
/* Who may write one pool of a user's gets at none of the user's that he may not write. */
static void planted_id_in_a_shared_pool_reaches_no_other(void) { id_reaches_no_other_pool(true); }

/* Who is attached to a pool does not take another one for it. */
static void planted_id_is_not_the_pool_attached(void)
{
	zc_pool_t *pool, *other = NULL;
	struct stat was;

	begin();
	plan->steal = true;
	pool = make_victim(&was);
	plant();
	CHECK_RESULT(zc_pool_open(t_name(PLANTED), &other), ZC_ERROR_CORRUPT_POOL);
	CHECK(!other);
	/* Its locks are still there, and so is it for others. */
	t_pool_check(pool);
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	is_whole(&was);
	t_kill(peer);
}

/* A pool that was removed gives its memory back, whatever others say. */
static void planted_id_keeps_no_memory(void)
{
	struct stat was;

	begin();
	plan->steal = true;
	t_pool_close(make_victim(&was));
	CHECK_OP(files_of(plan->id), >=, 3);
	plant();
	CHECK_OK(zc_pool_remove(t_name(VICTIM)));
	CHECK_EQ(files_of(plan->id), 0);
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	t_kill(peer);
}

/* Nor does the sweep believe them. */
static void planted_id_keeps_no_rubbish(void)
{
	char path[4400];
	struct stat was;

	begin();
	plan->steal = true;
	t_pool_close(make_victim(&was));
	plant();
	/* As one leaves them who is killed while he removes it. */
	path_of(path, sizeof(path), t_name(VICTIM), "pool");
	CHECK(!unlink(path));
	CHECK_OP(files_of(plan->id), >=, 3);
	/* This sweeps. */
	CHECK_RESULT(zc_pool_remove(t_name(VICTIM)), ZC_ERROR_NOT_FOUND);
	CHECK_EQ(files_of(plan->id), 0);
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	t_kill(peer);
}

static void planted_id_in_a_shared_pool_keeps_no_memory(void)
{
	struct stat was;

	begin();
	plan->steal = true;
	t_pool_close(make_victim(&was));
	make_shared();
	plant();
	CHECK_OK(zc_pool_remove(t_name(VICTIM)));
	CHECK_EQ(files_of(plan->id), 0);
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	t_kill(peer);
}

/* Some may write both, and others only the one that says that it is the other. */
static void planted_id_in_a_shared_pool_removes_no_other(void)
{
	struct stat was;

	begin();
	plan->steal = true;
	t_pool_close(make_victim_of(0660, &was));
	make_shared();
	plant();
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
	is_whole(&was);
	CHECK_OP(files_of(plan->id), >=, 3);
	t_pool_check_rest(t_pool_open());
	t_kill(peer);
}

/* A data folder that is neither the pool's nor a hugetlbfs, and text for a terminal. */
static void planted_folder_is_refused(void)
{
	zc_pool_t *pool = NULL;

	begin();
	snprintf(plan->data_dir, sizeof(plan->data_dir), "/\033]0;owned\007");
	plant();
	CHECK_RESULT(zc_pool_open(t_name(PLANTED), &pool), ZC_ERROR_CORRUPT_POOL);
	CHECK(!strchr(zc_last_error(), '\033'));
	peer_is_refused();
	CHECK_OK(zc_pool_remove(t_name(PLANTED)));
}

static void refused(const char *word)
{
	zc_pool_t *pool = NULL;

	CHECK_RESULT(zc_pool_open(t_name(VICTIM), &pool), ZC_ERROR_CORRUPT_POOL);
	if (!strstr(zc_last_error(), word))
		T_FAIL("the sentence does not say \"%s\"", word);
}

static void files_of_two_users_are_refused(void)
{
	static const char *const suffixes[] = { "lock", "data0", "data1" };
	char path[4400];
	struct stat was;

	begin();
	t_pool_close(make_victim(&was));
	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		path_of(path, sizeof(path), plan->id, suffixes[i]);
		CHECK(!chown(path, STRANGER, STRANGER));
		refused("owner, group and mode");
		CHECK(!chown(path, 0, 0));
	}
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

static void files_of_two_groups_are_refused(void)
{
	static const char *const suffixes[] = { "lock", "data0", "data1" };
	char path[4400];
	struct stat was;

	begin();
	t_pool_close(make_victim_of(0660, &was));
	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		path_of(path, sizeof(path), plan->id, suffixes[i]);
		CHECK(!chown(path, 0, STRANGER));
		refused("owner, group and mode");
		CHECK(!chown(path, 0, 0) && !chmod(path, 0600));
		refused("owner, group and mode");
		CHECK(!chmod(path, 0660));
	}
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

/* Where only the owner can have written the id, or a group says nothing. */
static void files_of_groups_that_do_not_matter_are_opened(void)
{
	static const char *const suffixes[] = { "lock", "data0", "data1" };
	char control[4400], path[4400];
	struct stat was;

	begin();
	t_pool_close(make_victim_of(0666, &was));
	path_of(control, sizeof(control), t_name(VICTIM), "pool");
	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		path_of(path, sizeof(path), plan->id, suffixes[i]);
		CHECK(!chown(path, 0, STRANGER));
	}
	t_pool_close(t_pool_open());
	CHECK(!chmod(control, 0644));
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

static void becomes(const char *suffix, mode_t mode)
{
	char path[4400];
	struct stat st;

	path_of(path, sizeof(path), plan->id, suffix);
	CHECK(!stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, mode);
	CHECK_EQ(st.st_gid, 0);
	CHECK_EQ(st.st_uid, 0);
}

/* Whatever stands in the header, which all members write, and whatever group grows it. */
static void new_segment_has_the_rights_of_the_others(void)
{
	uint32_t mode = 0777, uid = STRANGER;
	struct stat was;
	char path[4400];
	zc_pool_t *pool;
	int fd;

	begin();
	pool = make_victim_of(0660, &was);
	path_of(path, sizeof(path), t_name(VICTIM), "pool");
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0);
	write_at(fd, HEADER(mode), &mode, sizeof(mode));
	CHECK(!setegid(STRANGER));
	CHECK_OK(zc_pool_grow(pool, 1));
	CHECK(!setegid(0));
	becomes("data2", 0660);
	write_at(fd, HEADER(creator_uid), &uid, sizeof(uid));
	CHECK_OK(zc_pool_grow(pool, 1));
	becomes("data3", 0660);
	close(fd);
	t_pool_close(pool);
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

/* Who may read is told by the group, where it may read and the others may not. */
static void new_segment_of_a_pool_that_a_group_reads_is_that_groups(void)
{
	struct stat was;
	zc_pool_t *pool;

	begin();
	pool = make_victim_of(0640, &was);
	CHECK(!setegid(STRANGER));
	CHECK_OK(zc_pool_grow(pool, 1));
	CHECK(!setegid(0));
	becomes("data2", 0640);
	t_pool_close(pool);
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

#define ACL "system.posix_acl_access"

/* What `setfacl -m u:STRANGER:rw' makes of a file of mode 0600: its mode is 0660 then. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} entry[5];
} acl = { 2, { { 0x01, 6, ~0U }, { 0x02, 6, STRANGER }, { 0x04, 0, ~0U },
	       { 0x10, 6, ~0U }, { 0x20, 0, ~0U } } };

static void new_segment_has_the_list_of_the_others(void)
{
	static const char *const suffixes[] = { "lock", "data0", "data1" };
	char path[4400], got[sizeof(acl) + 1];
	struct stat was;
	zc_pool_t *pool;

	begin();
	pool = make_victim(&was);
	path_of(path, sizeof(path), t_name(VICTIM), "pool");
	if (setxattr(path, ACL, &acl, sizeof(acl), 0) && errno == EOPNOTSUPP)
		t_skip("this folder has no access control lists");
	for (unsigned int i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		path_of(path, sizeof(path), plan->id, suffixes[i]);
		CHECK(!setxattr(path, ACL, &acl, sizeof(acl), 0));
	}
	CHECK_OK(zc_pool_grow(pool, 1));
	becomes("data2", 0660);
	path_of(path, sizeof(path), plan->id, "data2");
	CHECK_EQ(getxattr(path, ACL, got, sizeof(got)), (ssize_t)sizeof(acl));
	CHECK(!memcmp(got, &acl, sizeof(acl)));
	/* One that has none gives none, whatever the folder does. */
	path_of(path, sizeof(path), t_name(VICTIM), "pool");
	CHECK(!removexattr(path, ACL) && !chmod(path, 0600));
	CHECK(!setxattr(t_folder(), "system.posix_acl_default", &acl, sizeof(acl), 0));
	CHECK_OK(zc_pool_grow(pool, 1));
	path_of(path, sizeof(path), plan->id, "data3");
	CHECK(getxattr(path, ACL, got, sizeof(got)) < 0);
	becomes("data3", 0600);
	t_pool_close(pool);
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

static void put(const char *suffix, mode_t mode, off_t bytes)
{
	char path[4400];
	int fd;

	path_of(path, sizeof(path), plan->id, suffix);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && !fchmod(fd, mode) && !ftruncate(fd, bytes));
	close(fd);
}

/* As one leaves it who is killed while he adds a segment; and what is not his. */
static void new_segment_replaces_what_was_left(void)
{
	char path[4400];
	struct stat was;
	zc_pool_t *pool;

	begin();
	pool = make_victim_of(0666, &was);
	put("data2", 0600, 0);
	CHECK_OK(zc_pool_grow(pool, 1));
	becomes("data2", 0666);
	put("data3", 0600, 1 << 20);
	CHECK(zc_pool_grow(pool, 1) != ZC_OK);
	becomes("data3", 0600);
	path_of(path, sizeof(path), plan->id, "data3");
	CHECK(!chmod(path, 0666));
	CHECK_OK(zc_pool_grow(pool, 1));
	t_pool_close(pool);
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

/* A copy has the id of the pool that it was taken from. */
static void file_with_anothers_name_is_refused(void)
{
	char from[4400], to[4400];
	zc_pool_t *pool = NULL;
	struct stat was;

	begin();
	t_pool_close(make_victim(&was));
	path_of(from, sizeof(from), t_name(VICTIM), "pool");
	path_of(to, sizeof(to), t_name(PLANTED), "pool");
	CHECK(!link(from, to));
	CHECK_RESULT(zc_pool_open(t_name(PLANTED), &pool), ZC_ERROR_CORRUPT_POOL);
	CHECK(strstr(zc_last_error(), "another pool's name"));
	CHECK(!unlink(to));
	t_pool_check_rest(t_pool_open());
	t_kill(stranger);
	t_kill(peer);
}

static const struct t_case cases[] = {
	T_CASE(planted_id_reaches_no_other_pool),
	T_CASE(planted_id_is_not_the_pool_attached),
	T_CASE(planted_id_keeps_no_memory),
	T_CASE(planted_id_keeps_no_rubbish),
	T_CASE(planted_id_in_a_shared_pool_reaches_no_other),
	T_CASE(planted_id_in_a_shared_pool_keeps_no_memory),
	T_CASE(planted_id_in_a_shared_pool_removes_no_other),
	T_CASE(planted_folder_is_refused),
	T_CASE(files_of_two_users_are_refused),
	T_CASE(files_of_two_groups_are_refused),
	T_CASE(files_of_groups_that_do_not_matter_are_opened),
	T_CASE(new_segment_has_the_rights_of_the_others),
	T_CASE(new_segment_of_a_pool_that_a_group_reads_is_that_groups),
	T_CASE(new_segment_has_the_list_of_the_others),
	T_CASE(new_segment_replaces_what_was_left),
	T_CASE(file_with_anothers_name_is_refused),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
