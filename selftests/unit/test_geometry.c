/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * test_geometry.c - which wishes can be met, and what is read from a file.
 */
#include "unit.h"

#define KI 1024ULL
#define MI (KI * KI)
#define GI (MI * KI)
#define TI (GI * KI)

static const struct wish {
	struct zc_geometry_request request;
	u32 segments;		/* 0: refused */
	u64 segment_bytes;
} wishes[] = {
	/* bytes, segment, granule, ring, holds, max segments, max bytes */
	{ { 1, 0, 0, 0, 0, 0, 0 }, 1, 32 * KI },
	{ { 32 * KI, 0, 0, 0, 0, 0, 0 }, 1, 32 * KI },
	{ { 32 * KI + 1, 0, 0, 0, 0, 0, 0 }, 2, 32 * KI },
	{ { 64 * MI, 0, 0, 0, 0, 0, 0 }, 1, 64 * MI },
	{ { 100 * MI, 0, 0, 0, 0, 0, 0 }, 2, 64 * MI },
	{ { GI, 0, 512, 0, 0, 0, 0 }, 8, 128 * MI },
	{ { 128 * GI, 0, 0, 0, 0, 0, 0 }, 1024, 128 * MI },
	{ { 128 * GI + 1, 0, 0, 0, 0, 0, 0 }, 513, 256 * MI },
	{ { MI, 4 * KI, 64, 16, 1, 0, 0 }, 256, 4 * KI },
	{ { MI, 4 * KI + 1, 64, 16, 1, 0, 0 }, 128, 8 * KI },
	{ { MI, 1, 65536, 16, 1, 0, 0 }, 1, 4 * MI },
	{ { MI, 64 * KI, 0, 0, 0, 1024, 0 }, 16, 64 * KI },
	{ { MI, 64 * KI, 0, 0, 0, 16, 0 }, 16, 64 * KI },
	{ { GI, GI, 64, 0, 0, 0, 0 }, 1, GI },
	{ { MI, 0, 512, 1048576, 65536, 0, 0 }, 1, MI },
	/* Not these. */
	{ { 0, 0, 0, 0, 0, 0, 0 }, 0, 0 },
	{ { 256 * TI + 1, 0, 65536, 0, 0, 0, 0 }, 0, 0 },
	{ { ~0ULL, 0, 0, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, ~0ULL, 0, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 1ULL << 63, 65536, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 256 * TI + 1, 65536, 0, 0, 0, 0 }, 0, 0 },
	{ { 256 * TI, 0, 512, 0, 0, 0, 0 }, 0, 0 },	/* runs too long */
	{ { 256 * TI, 0, 65536, 0, 0, 0, 0 }, 0, 0 },	/* 2^32 granules */
	{ { 2 * TI, 0, 512, 0, 0, 0, 0 }, 0, 0 },		/* 2^32 granules */
	{ { 2 * GI, 2 * GI, 64, 0, 0, 0, 0 }, 0, 0 },	/* runs too long */
	{ { GI, 512 * KI, 0, 0, 0, 0, 0 }, 0, 0 },		/* 2048 segments */
	{ { MI, 64 * KI, 0, 0, 0, 15, 0 }, 0, 0 },
	{ { MI, 64 * KI, 0, 0, 0, 1025, 0 }, 0, 0 },
	{ { MI, 64 * KI, 0, 0, 0, ~0U, 0 }, 0, 0 },
	{ { MI, 0, 32, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 96, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 131072, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, ~0U, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 1u << 31, 0, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 8, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 17, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 2097152, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, ~0U, 0, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 0, 65537, 0, 0 }, 0, 0 },
	{ { MI, 0, 0, 0, ~0U, 0, 0 }, 0, 0 },
};

/* A pool that may grow. */
static const struct {
	u64 bytes, segment, max;
	u32 segments, max_segments;	/* 0: refused */
	u64 segment_bytes;
} growing[] = {
	{ 64 * MI, 0, 64 * MI, 1, 1, 64 * MI },
	{ 64 * MI, 0, 64 * MI + 1, 4, 5, 16 * MI },
	{ 64 * MI, 0, GI, 4, 64, 16 * MI },
	{ GI, 0, TI, 1, 1024, GI },
	{ MI, MI, 5 * MI + 1, 1, 6, MI },
	{ 2 * MI, MI, MI, 0, 0, 0 },
	{ MI, MI, 1025 * MI, 0, 0, 0 },
	{ MI, 0, ~0ULL, 0, 0, 0 },
};

static u64 region(u64 bytes)
{
	return (bytes + 4095) / 4096 * 4096;
}

/* Every region lies behind the one before it, aligned, and in the file. */
static void places_are_sane(const struct zc_geometry *g)
{
	u64 writers = (u64)ZC_MAX_WRITERS * g->writer_area_bytes;
	u64 readers = (u64)ZC_MAX_WRITERS * ZC_MAX_READERS_PER *
		      g->reader_area_bytes;
	u64 granules = (u64)g->max_segments * g->segment_granules;
	u64 overflow = g->max_holds > ZC_FAST_HOLDS ?
			       g->max_holds - ZC_FAST_HOLDS : 0;
	const struct {
		u64 off, bytes;
	} regions[] = {
		{ 0, sizeof(struct zc_pool_header) },
		{ g->off_members,
		  ZC_MAX_MEMBERS * sizeof(struct zc_member_record) },
		{ g->off_writer_slots,
		  ZC_MAX_WRITERS * sizeof(struct zc_writer_slot) },
		{ g->off_reader_slots, ZC_MAX_WRITERS * ZC_MAX_READERS_PER *
					       sizeof(struct zc_reader_slot) },
		{ g->off_cleaner_slots,
		  ZC_MAX_CLEANERS * sizeof(struct zc_cleaner_slot) },
		{ g->off_segments,
		  g->max_segments * sizeof(struct zc_segment_record) },
		{ g->off_events, ZC_EVENTS * sizeof(struct zc_event_record) },
		{ g->off_reader_areas, readers },
		{ g->off_hints, sizeof(struct zc_hints) +
					g->max_segments * ZC_STRIPES * sizeof(u32) },
		{ g->off_writer_areas, writers },
		{ g->off_nodes, ZC_MAX_CLEANERS * g->node_area_bytes },
		{ g->off_descs, granules * sizeof(struct zc_block_desc) },
		{ g->control_bytes, 0 },
	};
	u32 i;

	for (i = 0; i + 1 < ARRAY_SIZE(regions); i++) {
		must_eq(regions[i].off % 4096, 0);
		must(regions[i].off + regions[i].bytes <= regions[i + 1].off);
		/* No more than the rounding lies between two regions. */
		must_eq(region(regions[i].off + regions[i].bytes),
			regions[i + 1].off);
	}
	must_eq(g->control_bytes % 4096, 0);
	must(granules < 1ULL << 32);
	must_eq(g->segment_bytes,
		(u64)g->segment_granules << g->granule_shift);
	must_eq(g->writer_area_bytes,
		region(sizeof(struct zc_writer_area) +
		       (u64)g->ring_entries * sizeof(struct zc_ring_entry) +
		       (u64)g->deferred_entries *
			       sizeof(struct zc_deferred_entry) +
		       sizeof(struct zc_type_record) +
		       sizeof(struct zc_writer_mail)));
	must_eq(g->reader_area_bytes,
		region(ZC_READER_OVERFLOW_OFF + overflow * 8 +
		       sizeof(struct zc_type_record) +
		       sizeof(struct zc_reader_mail)));
	must_eq(g->node_area_bytes, region(sizeof(struct zc_node_area)));
	/* All that 32 readers can hold. */
	must_eq(g->deferred_entries, 32 * g->max_holds);
}

Test(geometry, meets_or_refuses_wishes)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(wishes); i++) {
		const struct wish *w = &wishes[i];
		struct zc_geometry g, untouched;
		u32 segments = 4711;
		const char *wrong;

		memset(&g, 0xa5, sizeof(g));
		untouched = g;
		wrong = zc_geometry_compute(&g, &segments, &w->request);
		if (!w->segments) {
			if (!wrong)
				unit_fail(__FILE__, __LINE__,
					  "wish %u is not refused", i);
			must(strlen(wrong) > 10);
			must_eq(segments, 4711);
			must(!memcmp(&g, &untouched, sizeof(g)));
			continue;
		}
		if (wrong)
			unit_fail(__FILE__, __LINE__, "wish %u: %s", i, wrong);
		must_eq(segments, w->segments);
		must_eq(g.segment_bytes, w->segment_bytes);
		must((u64)segments * g.segment_bytes >= w->request.bytes);
		must(g.max_segments >= segments);
		if (w->request.max_segments)
			must_eq(g.max_segments, w->request.max_segments);
		must_eq(g.ring_entries, w->request.ring_entries ?
						w->request.ring_entries : 4096);
		must_eq(g.max_holds,
			w->request.max_holds ? w->request.max_holds : 448);
		must_eq(1u << g.granule_shift, w->request.granule_bytes ?
						w->request.granule_bytes : 512);
		places_are_sane(&g);
		must_ok(zc_geometry_check(&g, g.control_bytes));
	}
}

/* Random wishes, many of them absurd: refused, or sane in every respect. */
Test(geometry, is_sane_whenever_it_is_accepted)
{
	struct unit_random random;
	u32 i, accepted = 0;

	unit_random_init(&random);
	for (i = 0; i < 200000; i++) {
		struct zc_geometry_request request = { 0 };
		struct zc_geometry g;
		u32 segments;

		request.bytes = unit_random_next(&random) >>
				unit_random_below(&random, 64);
		if (unit_random_next(&random) & 1)
			request.segment_bytes = unit_random_next(&random) >>
						unit_random_below(&random, 64);
		if (unit_random_next(&random) & 1)
			request.granule_bytes =
				64u << unit_random_below(&random, 11);
		if (unit_random_next(&random) & 1)
			request.ring_entries =
				16u << unit_random_below(&random, 17);
		if (unit_random_next(&random) & 1)
			request.max_holds =
				1 + unit_random_below(&random, 65536);
		if (unit_random_next(&random) & 1)
			request.max_segments =
				1 + unit_random_below(&random, 1024);
		if (zc_geometry_compute(&g, &segments, &request))
			continue;
		accepted++;
		places_are_sane(&g);
		must((u64)segments * g.segment_bytes >= request.bytes);
		must(segments <= g.max_segments);
		must_ok(zc_geometry_check(&g, g.control_bytes));
	}
	/* The test tests something. */
	must(accepted > 1000);
}

static void small(struct zc_geometry *g)
{
	const struct zc_geometry_request request = {
		.bytes = 256 * KI, .segment_bytes = 64 * KI,
		.granule_bytes = 64, .ring_entries = 64, .max_holds = 16,
		.max_segments = 8,
	};
	u32 segments;

	must_ok(zc_geometry_compute(g, &segments, &request));
	must_eq(segments, 4);
}

/* Who asked for no segments is not told to ask for others. */
Test(geometry, what_to_ask_for_is_what_was_asked_for)
{
	struct zc_geometry_request request = { .bytes = 1ULL << 48 };
	struct zc_geometry g;
	const char *wrong;
	u32 segments;

	wrong = zc_geometry_compute(&g, &segments, &request);
	must(wrong && strstr(wrong, "ask for larger granules, or for less"));
	request.segment_bytes = 1ULL << 40;
	wrong = zc_geometry_compute(&g, &segments, &request);
	must(wrong && strstr(wrong, "smaller segments"));
}

/* One bit of one field, wherever it is: refused. */
Test(geometry, check_refuses_each_flipped_bit)
{
	struct zc_geometry good;
	u32 byte, bit;

	small(&good);
	must_ok(zc_geometry_check(&good, good.control_bytes));
	for (byte = 0; byte < sizeof(good); byte++)
		for (bit = 0; bit < 8; bit++) {
			struct zc_geometry bad = good;

			((u8 *)&bad)[byte] ^= 1u << bit;
			if (!zc_geometry_check(&bad, bad.control_bytes) ||
			    !zc_geometry_check(&bad, good.control_bytes))
				unit_fail(__FILE__, __LINE__,
					  "byte %u bit %u may be wrong", byte,
					  bit);
		}
}

/* Scalars that would overflow something if they were used before a look. */
Test(geometry, check_refuses_absurd_scalars)
{
	static const u32 absurd[] = { 0, 1, 3, 31, 32, 63, 64, 0x7fffffff,
				      0x80000000, 0xfffffffe, 0xffffffff };
	u32 field, i;

	for (field = 0; field < 5; field++)
		for (i = 0; i < ARRAY_SIZE(absurd); i++) {
			struct zc_geometry g;
			u32 *at[5];

			small(&g);
			at[0] = &g.granule_shift;
			at[1] = &g.segment_granules;
			at[2] = &g.max_segments;
			at[3] = &g.ring_entries;
			at[4] = &g.max_holds;
			/* Half the ring may hide in a page's rounding. */
			if (*at[field] == absurd[i] ||
			    (field == 3 && absurd[i] == 32))
				continue;
			*at[field] = absurd[i];
			if (!zc_geometry_check(&g, g.control_bytes) ||
			    !zc_geometry_check(&g, ~0ULL))
				unit_fail(__FILE__, __LINE__,
					  "scalar %u may be %u", field,
					  absurd[i]);
		}
}

Test(geometry, check_wants_the_whole_file)
{
	struct zc_geometry g;

	small(&g);
	must(zc_geometry_check(&g, 0));
	must(zc_geometry_check(&g, g.control_bytes - 1));
	must(zc_geometry_check(&g, g.control_bytes - 4096));
	must(zc_geometry_check(&g, g.control_bytes + 1));
	must(zc_geometry_check(&g, g.control_bytes + 4096));
	must(zc_geometry_check(&g, ~0ULL));
}

Test(view, reaches_the_last_byte_of_each_region)
{
	struct unit_pool p;
	const struct zc_view *v = &p.view;
	char *end;
	struct zc_reader_area *last;

	unit_pool_init(&p, 3);
	end = (char *)p.control + p.geometry.control_bytes;
	must_eq(v->segment_granules, UNIT_SEGMENT_GRANULES);
	must_eq(1u << v->segment_shift, UNIT_SEGMENT_GRANULES);
	must_eq(v->stripe_granules, UNIT_STRIPE);
	must_eq(v->ring_mask, UNIT_RING - 1);
	must_eq(zc_granules(v), 3 * UNIT_SEGMENT_GRANULES);
	must((char *)&v->descs[zc_granules(v)] <= end);
	must((char *)&v->members[ZC_MAX_MEMBERS] <= (char *)v->writer_slots);
	must((char *)(zc_deferred(v, ZC_MAX_WRITERS - 1) +
		      v->deferred_entries) <= (char *)v->descs);
	last = zc_reader_area(v, ZC_MAX_WRITERS - 1, ZC_MAX_READERS_PER - 1);
	must((char *)(zc_hold_slot(last, v->max_holds - 1) + 1) <=
	     (char *)v->hints);
	must((char *)&v->free_hint[3 * ZC_STRIPES] <= v->writer_areas);
	/* Seven beside the cursor, the others behind the area. */
	must_eq((char *)zc_hold_slot(last, 6) - (char *)last, 56);
	must_eq((char *)zc_hold_slot(last, 7) - (char *)last,
		ZC_READER_OVERFLOW_OFF);
	must_eq(zc_granules_for(v, 1), 1);
	must_eq(zc_granules_for(v, 64), 1);
	must_eq(zc_granules_for(v, 65), 2);
	unit_pool_fini(&p);
}

/* A header that somebody spoilt does not lead out of the file. */
Test(view, caps_the_number_of_segments)
{
	struct unit_pool p;

	unit_pool_init(&p, 2);
	p.view.header->segments = ~0U;
	must_eq(zc_segments(&p.view), 2);
	must_eq(zc_granules(&p.view), 2 * UNIT_SEGMENT_GRANULES);
	unit_pool_fini(&p);
}

Test(geometry, grows_to_what_was_asked)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(growing); i++) {
		const struct zc_geometry_request request = {
			.bytes = growing[i].bytes,
			.segment_bytes = growing[i].segment,
			.max_bytes = growing[i].max,
		};
		struct zc_geometry g;
		u32 segments = 0;
		const char *wrong = zc_geometry_compute(&g, &segments, &request);

		must_eq(!wrong, growing[i].segments != 0);
		if (wrong)
			continue;
		must_eq(segments, growing[i].segments);
		must_eq(g.max_segments, growing[i].max_segments);
		must_eq(g.segment_bytes, growing[i].segment_bytes);
	}
}
