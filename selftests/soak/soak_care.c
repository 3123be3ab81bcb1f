/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * soak_care.c - cleaners, growth, the MessageRing, checks, and pools that come and go.
 */
#include <string.h>

#include "soak.h"

/* A cleaner that is busy, for a while, again and again; keys change all the time. */
void soak_cleans(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	bool more = true;

	(void)nr;
	while (more) {
		zc_cleaner_options_t options = ZC_CLEANER_OPTIONS_INIT;
		zc_cleaner_t *cleaner;
		zc_result_t result;
		uint64_t passes;

		options.period_ns = 1 + t_rand_below(200000);
		options.idle_ns = 1000000;
		options.slice = 1 + (uint32_t)t_rand_below(500);
		options.unread_ns = 1000000;
		options.key_period_ns = 1000000 + t_rand_below(10000000);
		result = zc_cleaner_start(pool, &options, &cleaner);
		if (result == ZC_ERROR_SLOTS) {	/* the team has taken them */
			more = soak_step(seat, '-');
			t_nap(__FILE__, __LINE__, "there is a place for a cleaner");
			continue;
		}
		CHECK_OK(result);
		passes = 1 + t_rand_below(20);
		for (;;) {
			zc_cleaner_stats_t stats = { .sz = sizeof(stats) };

			CHECK_OK(zc_cleaner_get_stats(cleaner, &stats));
			more = soak_step(seat, 'l');
			if (!more || stats.passes >= passes)
				break;
			t_nap(__FILE__, __LINE__, "a cleaner has made its passes");
		}
		zc_cleaner_stop(cleaner);
	}
	zc_pool_close(pool);
}

void soak_grows(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	zc_result_t result;
	char what;

	(void)nr;
	do {
		switch (t_rand_below(4)) {
		case 0:
			what = '+';
			result = zc_pool_grow(pool, 1 + (uint32_t)t_rand_below(2));
			CHECK(result == ZC_OK || result == ZC_ERROR_BUSY ||
			      result == ZC_ERROR_NO_MEMORY);
			soak_count(&soak->segments, result == ZC_OK);
			break;
		case 1:
			what = '-';
			result = zc_pool_shrink(pool, 1, t_rand_below(2000000));
			CHECK(result == ZC_OK || result == ZC_ERROR_TIMEOUT ||
			      result == ZC_ERROR_INVALID);
			soak_count(&soak->segments, result == ZC_OK);
			break;
		case 2:
			what = 'k';
			CHECK_OK(zora_rotate_keys(pool));
			break;
		default:
			what = 'n';
			t_nap(__FILE__, __LINE__, "some time has passed");
		}
	} while (soak_step(seat, what));
	zc_pool_close(pool);
}

struct packet {
	uint64_t seed;
	uint64_t mixed;
};

static void packet_comes(const zc_message_t *message, void *ctx)
{
	struct packet packet;

	(void)ctx;
	CHECK_EQ(message->bytes, sizeof(packet));
	memcpy(&packet, message->payload, sizeof(packet));
	CHECK_EQ(packet.mixed, packet.seed * 0x9e3779b97f4a7c15ULL);
	soak_count(&soak->packets, 1);
}

void soak_rings(struct soak_seat *seat, uint32_t nr)
{
	zc_pool_t *pool = t_pool_open();
	bool more = true;

	(void)nr;
	while (more) {
		zc_messagering_t *node;
		zc_result_t result = zc_messagering_register(pool, &node);

		if (result == ZC_ERROR_SLOTS) {
			more = soak_step(seat, '-');
			t_nap(__FILE__, __LINE__, "there is a place for a node");
			continue;
		}
		CHECK_OK(result);
		CHECK_OK(zc_messagering_handle(node, ZC_MSG_USER + 1, packet_comes, NULL));
		do {
			struct packet packet = { .seed = t_rand() };
			uint32_t flags = t_rand_below(2) ? ZC_MESSAGE_CRITICAL : 0;

			packet.mixed = packet.seed * 0x9e3779b97f4a7c15ULL;
			if (t_rand_below(4) == 0)
				result = zc_messagering_broadcast(
					node, ZC_MSG_USER + 1, &packet, sizeof(packet),
					flags);
			else
				result = zc_messagering_post(
					node, ZC_NODE(t_rand_below(8)), ZC_MSG_USER + 1,
					&packet, sizeof(packet), flags);
			CHECK(result == ZC_OK || result == ZC_ERROR_BUSY ||
			      result == ZC_ERROR_NOT_FOUND || result == ZC_ERROR_INVALID);
			result = zc_messagering_on_message(node, t_rand_below(200000),
							   NULL);
			CHECK(result == ZC_OK || result == ZC_ERROR_TIMEOUT);
			more = soak_step(seat, 'm');
		} while (more && t_rand_below(200));
		zc_messagering_unregister(node);
	}
	zc_pool_close(pool);
}

static int visit(const zc_inspect_block_t *block, void *ctx)
{
	uint64_t *granules = ctx;

	*granules += block->granules;
	return 0;
}

/* What persists on a pool in motion is a defect. */
void soak_checks(struct soak_seat *seat, uint32_t nr)
{
	bool more = true;

	(void)nr;
	while (more) {
		zc_pool_load_t load = { .sz = sizeof(load) };
		zc_pool_t *pool = t_pool_open();
		uint64_t granules = 0;
		zc_result_t result;

		switch (t_rand_below(4)) {
		case 0:
			t_pool_check(pool);
			soak_count(&soak->checks, 1);
			break;
		case 1:
			result = zc_inspect_blocks(pool, visit, &granules);
			if (result != ZC_ERROR_BUSY)
				CHECK_OK(result);
			break;
		default:
			CHECK_OK(zc_pool_get_load(pool, &load));
		}
		more = soak_step(seat, 'o');
		zc_pool_close(pool);
		t_nap(__FILE__, __LINE__, "some time has passed");
	}
}

/* A pool of its own, which its predecessor may have left behind anyhow. */
void soak_makes(struct soak_seat *seat, uint32_t nr)
{
	uint32_t index = 1 + nr;
	bool more = true;

	while (more) {
		zc_pool_options_t options = t_pool_options();
		struct t_writer writer;
		struct t_reader reader;
		zc_pool_t *pool = NULL;
		zc_result_t result;

		result = zc_pool_remove(t_name(index));
		if (result != ZC_ERROR_NOT_FOUND)
			CHECK_OK(result);
		more = soak_step(seat, 'd');
		options.bytes = 1U << 20;
		options.segment_bytes = 256U << 10;
		options.max_bytes = t_rand_below(2) ? 0 : 2U << 20;
		CHECK_OK(zc_pool_create(t_name(index), &options, &pool));
		soak_step(seat, 'm');
		t_writer_open(&writer, pool, "soak/own/main", NULL);
		t_reader_open(&reader, pool, "soak/own/main", NULL);
		reader.next = 1;
		for (int i = 0; i < 20; i++) {
			t_write(&writer, t_rand_size(20000));
			t_read_many(&reader, 1);
		}
		if (options.max_bytes)
			CHECK_OK(zc_pool_grow(pool, 1));
		/* Its roles go with it, or before. */
		if (t_rand_below(2)) {
			t_reader_close(&reader);
			t_writer_close(&writer);
		}
		soak_step(seat, 'u');
		if (t_rand_below(2))
			CHECK_OK(zc_pool_remove(t_name(index)));
		zc_pool_close(pool);
		soak_count(&soak->pools, 1);
	}
}
