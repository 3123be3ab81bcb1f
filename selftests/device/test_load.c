/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_load.c - the module is loaded while the kernel has no memory for it: it is
 * there with all that it needs, or not at all.
 *
 * As test_faults.c, but of one call: finit_module(), whose last steps are the module's
 * own.  What it can do without, such as huge pages, it does without.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "device.h"

#define DEVICE "/dev/" ZC_DEVICE_NAME
#define MODULE "/vm/zerocore.ko"
/* Far more steps than a load has, and than the module's own are. */
#define STEPS_MAX 1000000U
#define OWN_MAX 300U

static int fail_nth = -1;
static struct stat device_was;

static void fail_at(unsigned int n)
{
	char text[16];
	int bytes = snprintf(text, sizeof(text), "%u", n);

	/* To say so may be the step that was to fail. */
	if (pwrite(fail_nth, text, (size_t)bytes, 0) != bytes)
		CHECK(pwrite(fail_nth, text, (size_t)bytes, 0) == bytes);
}

/* How many steps are left until the one that fails. */
static unsigned int steps_left(void)
{
	char text[16] = "";

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (unsigned int)atoi(text);
}

static int load(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC), error;

	CHECK(fd >= 0);
	error = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	close(fd);
	return error;
}

static void unload(void)
{
	/* What its last members held is undone behind their backs. */
	T_UNTIL(!syscall(SYS_delete_module, "zerocore", O_NONBLOCK) || errno == ENOENT);
	CHECK(access(DEVICE, F_OK) && errno == ENOENT);
}

/* Loaded, whatever failed: pools can be made, of the pages that it says it has. */
static void check_of_use(void)
{
	struct zc_ioc_features features;
	struct zc_ioc_create arg = d_create_arg(0);
	int device = d_open();

	CHECK_CALL(device, ZC_IOC_FEATURES, &features, 0);
	CHECK(features.features & ZC_DEVICE_SEGMENTS);
	arg.bytes = arg.segment_bytes = 2 << 20;
	arg.page_wish = ZC_PAGE_WISH_BEST;
	CHECK_CALL(device, ZC_IOC_CREATE, &arg, 0);
	if (!(features.features & ZC_DEVICE_THP))
		CHECK_EQ(arg.page_kind, ZC_PAGES_SMALL);
	close(arg.fd);
	if (!(features.features & ZC_DEVICE_HUGETLB)) {
		arg = d_create_arg(0);
		arg.page_wish = ZC_PAGE_WISH_HUGETLB;
		CHECK_CALL(device, ZC_IOC_CREATE, &arg, ENOMEM);
	}
	if (!(features.features & ZC_DEVICE_GIGANTIC)) {
		arg = d_create_arg(0);
		arg.bytes = arg.segment_bytes = 1 << 30;
		arg.page_wish = ZC_PAGE_WISH_GIGANTIC;
		CHECK_CALL(device, ZC_IOC_CREATE, &arg, ENOMEM);
	}
	close(device);
}

static void is_loaded_again(void)
{
	CHECK_EQ(load(), 0);
	CHECK(!chown(DEVICE, device_was.st_uid, device_was.st_gid));
	CHECK(!chmod(DEVICE, device_was.st_mode & 07777));
}

/* One more fault each time, from the last step on backwards, until it is not ours. */
static void load_is_whole_or_not_at_all(void)
{
	unsigned int all, n, refused = 0, without = 0;
	char path[64];

	close(d_open());
	CHECK(!stat(DEVICE, &device_was));
	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fail_nth = open(path, O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		t_skip("this kernel injects no faults");
	if (access(MODULE, R_OK))
		t_skip("no " MODULE " here");
	d_set("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	d_set("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	d_set("/sys/kernel/debug/failslab/verbose", "0");
	d_set("/sys/kernel/debug/fail_page_alloc/verbose", "0");
	unload();
	/* Once for all that the kernel makes only once. */
	CHECK_EQ(load(), 0);
	unload();
	fail_at(STEPS_MAX);
	CHECK_EQ(load(), 0);
	all = STEPS_MAX - steps_left();
	fail_at(0);
	unload();
	t_note("%u steps", all);
	CHECK_OP(all, <, STEPS_MAX);
	/* A load takes a second and more on a kernel that looks at everything. */
	for (n = 0; n < OWN_MAX && n < all; n += t_long() ? 1 : 6) {
		int error;

		fail_at(all - n);
		error = load();
		fail_at(0);
		if (!error) {
			without++;
			check_of_use();
			unload();
			continue;
		}
		refused++;
		if (error != ENOMEM && error != ENODEV)
			T_FAIL("fault %u of %u: %s", all - n, all, strerror(error));
		CHECK(access(DEVICE, F_OK) && errno == ENOENT);
		CHECK(access("/sys/kernel/debug/zerocore", F_OK) && errno == ENOENT);
		CHECK(access("/sys/module/zerocore", F_OK) && errno == ENOENT);
	}
	t_note("%u times refused, %u times loaded all the same", refused, without);
	CHECK_OP(refused, >, 0);
	CHECK_OP(without, >, 0);
	is_loaded_again();
	check_of_use();
}

static const struct t_case cases[] = {
	T_CASE(load_is_whole_or_not_at_all),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
