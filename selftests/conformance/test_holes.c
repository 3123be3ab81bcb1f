/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_holes.c - regions of roles that never were have no memory, and nobody's look gives
 * them any: on a full machine that would be SIGBUS.
 *
 * Plain shared memory only: the device has all of it from the beginning.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/zerocore_layout.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

static int control;
static struct zc_pool_header header;

static zc_pool_t *make_pool(void)
{
	zc_pool_options_t options = t_pool_options();
	char path[8192];
	zc_pool_t *pool;

	if (!t_backend_is_shm())
		t_skip("pools of the device are not files");
	options.bytes = 256U << 10;
	pool = t_pool_create(&options);
	snprintf(path, sizeof(path), "%s/zerocore.%s.pool", t_folder(), t_name(0));
	control = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(control >= 0);
	CHECK_EQ(pread(control, &header, sizeof(header), 0), sizeof(header));
	return pool;
}

static bool is_hole(uint64_t off, uint64_t bytes)
{
	off_t data = lseek(control, (off_t)off, SEEK_DATA);

	return data < 0 || (uint64_t)data >= off + bytes;
}

static bool node_is_hole(uint32_t c)
{
	const struct zc_geometry *g = &header.geometry;

	return is_hole(g->off_nodes + c * g->node_area_bytes, g->node_area_bytes);
}

static bool writer_is_hole(uint32_t w)
{
	const struct zc_geometry *g = &header.geometry;

	return is_hole(g->off_writer_areas + w * g->writer_area_bytes,
		       g->writer_area_bytes);
}

static zc_cleaner_stats_t stats_of(zc_cleaner_t *cleaner)
{
	zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

	CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
	return stats;
}

/* It welcomes whoever is new, at each turn. */
static void leader_looks_at_no_hole(void)
{
	zc_pool_t *pool = make_pool();
	zc_cleaner_t *cleaner;

	CHECK_OK(zc_cleaner_start(pool, NULL, &cleaner));
	T_UNTIL(stats_of(cleaner).leads && stats_of(cleaner).passes);
	CHECK(!node_is_hole(0));
	for (uint32_t c = 1; c < ZC_MAX_CLEANERS; c++)
		CHECK(node_is_hole(c));
	zc_cleaner_stop(cleaner);
	t_pool_close(pool);
}

/* It looks for memory in the other topics, of which there are none. */
static void writer_looks_at_no_hole(void)
{
	zc_pool_t *pool = make_pool();
	struct t_writer writer;
	struct t_reader reader;
	uint64_t nr = 0;

	t_reader_open(&reader, pool, "holes/test/main", NULL);
	t_writer_open(&writer, pool, "holes/test/main", NULL);
	while (t_try_write(&writer, 10000, 0) == ZC_OK)
		nr++;
	CHECK_OP(nr, >=, 20);
	CHECK(!writer_is_hole(zc_writer_id(writer.role)));
	for (uint32_t w = 0; w < ZC_MAX_WRITERS; w++)
		CHECK(w == zc_writer_id(writer.role) || writer_is_hole(w));
	for (uint32_t c = 0; c < ZC_MAX_CLEANERS; c++)
		CHECK(node_is_hole(c));
	t_read_many(&reader, nr);
	t_reader_close(&reader);
	t_writer_close(&writer);
	t_pool_close(pool);
}

static const struct t_case cases[] = {
	T_CASE(leader_looks_at_no_hole),
	T_CASE(writer_looks_at_no_hole),
	T_END,
};

int main(int argc, char **argv)
{
	return t_main(argc, argv, cases);
}
