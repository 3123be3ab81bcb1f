// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
#include "geometry.h"
#include "run.h"

/* Parts of a pool that may grow. */
#define ZC_SEGMENT_GROWING	4
#define ZC_SEGMENT_CHOSEN_MAX	(128ULL << 20)
#define ZC_POOL_BYTES_MAX	0x1000000000000ULL
#define ZC_SAYS_GRANULES \
	"a segment can have at most 16777216 granules: ask for smaller segments or larger granules"
#define ZC_SAYS_BYTES \
	"a pool has at most 1024 segments of 16777216 granules: ask for larger granules, or for less"
#define ZC_RING_MIN		16U
#define ZC_RING_MAX		1048576U
#define ZC_RING_DEFAULT		4096U
#define ZC_HOLDS_MAX		65536U
#define ZC_HOLDS_DEFAULT	448U

static bool zc_is_power_of_two(u64 n)
{
	return n && !(n & (n - 1));
}

static u64 zc_round_up(u64 n, u64 to)
{
	return (n + to - 1) & ~(to - 1);
}

static u32 zc_shift_of(u64 n)
{
	u32 shift = 0;

	while (n >>= 1)
		shift++;
	return shift;
}

/*
 * From the scalars, which are in their limits, to the places.  The largest
 * control file has 2^32 descriptors, 2 GiB of deferred entries and 1 GiB of
 * rings: nothing here comes near 2^64.
 */
static void zc_geometry_place(struct zc_geometry *g)
{
	u64 overflow = g->max_holds > ZC_FAST_HOLDS ?
			       g->max_holds - ZC_FAST_HOLDS : 0;
	u64 off = zc_round_up(sizeof(struct zc_pool_header), ZC_LAYOUT_PAGE);
	u64 bytes;

	/* All holds of all readers of a writer: the array cannot overflow. */
	g->deferred_entries = ZC_MAX_READERS_PER * g->max_holds;
	g->writers = ZC_MAX_WRITERS;
	g->readers_per = ZC_MAX_READERS_PER;
	g->cleaners = ZC_MAX_CLEANERS;
	g->members = ZC_MAX_MEMBERS;
	g->events = ZC_EVENTS;
	g->stripes = ZC_STRIPES;
	g->segment_bytes = (u64)g->segment_granules << g->granule_shift;
	bytes = sizeof(struct zc_writer_area) +
		(u64)g->ring_entries * sizeof(struct zc_ring_entry) +
		(u64)g->deferred_entries * sizeof(struct zc_deferred_entry) +
		sizeof(struct zc_type_record) + sizeof(struct zc_writer_mail);
	g->writer_area_bytes = zc_round_up(bytes, ZC_LAYOUT_PAGE);
	bytes = ZC_READER_OVERFLOW_OFF + overflow * sizeof(u64) +
		sizeof(struct zc_type_record) + sizeof(struct zc_reader_mail);
	g->reader_area_bytes = zc_round_up(bytes, ZC_LAYOUT_PAGE);
	g->node_area_bytes = zc_round_up(sizeof(struct zc_node_area),
					 ZC_LAYOUT_PAGE);

	g->off_members = off;
	off += zc_round_up(ZC_MAX_MEMBERS * sizeof(struct zc_member_record),
			   ZC_LAYOUT_PAGE);
	g->off_writer_slots = off;
	off += zc_round_up(ZC_MAX_WRITERS * sizeof(struct zc_writer_slot),
			   ZC_LAYOUT_PAGE);
	g->off_reader_slots = off;
	off += zc_round_up(ZC_MAX_WRITERS * ZC_MAX_READERS_PER *
				   sizeof(struct zc_reader_slot),
			   ZC_LAYOUT_PAGE);
	g->off_cleaner_slots = off;
	off += zc_round_up(ZC_MAX_CLEANERS * sizeof(struct zc_cleaner_slot),
			   ZC_LAYOUT_PAGE);
	g->off_segments = off;
	off += zc_round_up(g->max_segments * sizeof(struct zc_segment_record),
			   ZC_LAYOUT_PAGE);
	g->off_events = off;
	off += zc_round_up(ZC_EVENTS * sizeof(struct zc_event_record),
			   ZC_LAYOUT_PAGE);
	g->off_reader_areas = off;
	off += (u64)ZC_MAX_WRITERS * ZC_MAX_READERS_PER * g->reader_area_bytes;
	/* From here on what writers write. */
	g->off_hints = off;
	off += zc_round_up(sizeof(struct zc_hints) +
				   (u64)g->max_segments * ZC_STRIPES *
					   sizeof(u32),
			   ZC_LAYOUT_PAGE);
	g->off_writer_areas = off;
	off += ZC_MAX_WRITERS * g->writer_area_bytes;
	g->off_nodes = off;
	off += ZC_MAX_CLEANERS * g->node_area_bytes;
	g->off_descs = off;
	off += (u64)g->max_segments * g->segment_granules *
	       sizeof(struct zc_block_desc);
	g->control_bytes = zc_round_up(off, ZC_LAYOUT_PAGE);
}

/* The scalars from which everything else follows. */
static const char *zc_scalars_check(const struct zc_geometry *g)
{
	if (g->granule_shift < 6 || g->granule_shift > 16)
		return "the granule must be a power of two from 64 to 65536 bytes";
	if (!zc_is_power_of_two(g->segment_granules) ||
	    g->segment_granules < ZC_STRIPES)
		return "a segment must be a power of two of at least 64 granules";
	if (g->segment_granules > ZC_RUN_MAX)
		return ZC_SAYS_GRANULES;
	if (g->max_segments < 1 || g->max_segments > ZC_MAX_SEGMENTS)
		return "a pool has 1 to 1024 segments: ask for larger segments";
	if ((u64)g->max_segments * g->segment_granules >= 1ULL << 32)
		return "a pool has less than 2^32 granules: ask for larger granules";
	if (!zc_is_power_of_two(g->ring_entries) ||
	    g->ring_entries < ZC_RING_MIN || g->ring_entries > ZC_RING_MAX)
		return "ring entries must be a power of two from 16 to 1048576";
	if (g->max_holds < 1 || g->max_holds > ZC_HOLDS_MAX)
		return "max holds must be from 1 to 65536";
	return NULL;
}

const char *zc_geometry_compute(struct zc_geometry *g, u32 *segments,
				const struct zc_geometry_request *req)
{
	struct zc_geometry new = { 0 };
	u64 granule = req->granule_bytes ? req->granule_bytes :
					   ZC_GRANULE_DEFAULT;
	u64 segment = req->segment_bytes, needed;
	const char *wrong;

	if (!req->bytes)
		return "a pool needs some bytes of data memory";
	if (req->bytes > ZC_POOL_BYTES_MAX || segment > ZC_POOL_BYTES_MAX ||
	    req->max_bytes > ZC_POOL_BYTES_MAX)
		return "a pool can have at most 2^48 bytes";
	if (!zc_is_power_of_two(granule) || granule < ZC_GRANULE_MIN ||
	    granule > ZC_GRANULE_MAX)
		return "the granule must be a power of two from 64 to 65536 bytes";

	if (!segment) {
		segment = 1ULL << zc_shift_of(req->bytes);
		/* It grows by segments: not by all of itself. */
		if (req->max_bytes > req->bytes)
			segment /= ZC_SEGMENT_GROWING;
		if (segment > ZC_SEGMENT_CHOSEN_MAX)
			segment = ZC_SEGMENT_CHOSEN_MAX;
		/* A pool of hundreds of GiB gets larger segments, not too many. */
		while (segment * ZC_MAX_SEGMENTS < req->bytes ||
		       segment * ZC_MAX_SEGMENTS < req->max_bytes)
			segment <<= 1;
	} else if (!zc_is_power_of_two(segment)) {
		segment = 1ULL << (zc_shift_of(segment) + 1);
	}
	if (segment < granule * ZC_STRIPES)
		segment = granule * ZC_STRIPES;
	new.granule_shift = zc_shift_of(granule);
	if (segment >> new.granule_shift > ZC_RUN_MAX)
		return req->segment_bytes ? ZC_SAYS_GRANULES : ZC_SAYS_BYTES;
	new.segment_granules = (u32)(segment >> new.granule_shift);

	needed = zc_round_up(req->bytes, segment) >> zc_shift_of(segment);
	if (needed > ZC_MAX_SEGMENTS)
		return "a pool has 1 to 1024 segments: ask for larger segments";
	new.max_segments = req->max_segments ? req->max_segments : (u32)needed;
	if (req->max_bytes) {
		u64 most = zc_round_up(req->max_bytes, segment) >>
			   zc_shift_of(segment);

		if (req->max_bytes < req->bytes)
			return "a pool cannot grow to less than it begins with";
		if (most > ZC_MAX_SEGMENTS)
			return "a pool grows to 1024 segments: ask for larger ones, or for less";
		new.max_segments = (u32)most;
	}
	if (new.max_segments < needed)
		return "more segments are needed than the pool may ever have";
	new.ring_entries = req->ring_entries ? req->ring_entries :
					       ZC_RING_DEFAULT;
	new.max_holds = req->max_holds ? req->max_holds : ZC_HOLDS_DEFAULT;

	wrong = zc_scalars_check(&new);
	if (wrong)
		return wrong;
	zc_geometry_place(&new);
	*g = new;
	*segments = (u32)needed;
	return NULL;
}

/*
 * The scalars are what may differ between two pools of one layout version;
 * every place follows from them.  So they are checked, and all else is computed
 * again and compared.
 */
const char *zc_geometry_check(const struct zc_geometry *g, u64 file_bytes)
{
	struct zc_geometry want = {
		.granule_shift = g->granule_shift,
		.segment_granules = g->segment_granules,
		.max_segments = g->max_segments,
		.ring_entries = g->ring_entries,
		.max_holds = g->max_holds,
	};
	const char *wrong = zc_scalars_check(&want);

	if (wrong)
		return wrong;
	zc_geometry_place(&want);
	if (g->segment_bytes != want.segment_bytes)
		return "its segments have another size than their granules";
	if (g->writers != want.writers || g->readers_per != want.readers_per ||
	    g->cleaners != want.cleaners || g->members != want.members ||
	    g->events != want.events || g->stripes != want.stripes)
		return "it was made with other limits than this library has";
	if (g->deferred_entries != want.deferred_entries ||
	    g->writer_area_bytes != want.writer_area_bytes ||
	    g->reader_area_bytes != want.reader_area_bytes ||
	    g->node_area_bytes != want.node_area_bytes)
		return "its regions of roles have an impossible size";
	if (g->off_members != want.off_members ||
	    g->off_writer_slots != want.off_writer_slots ||
	    g->off_reader_slots != want.off_reader_slots ||
	    g->off_cleaner_slots != want.off_cleaner_slots ||
	    g->off_segments != want.off_segments ||
	    g->off_events != want.off_events ||
	    g->off_hints != want.off_hints ||
	    g->off_writer_areas != want.off_writer_areas ||
	    g->off_reader_areas != want.off_reader_areas ||
	    g->off_nodes != want.off_nodes || g->off_descs != want.off_descs)
		return "its regions are not where they must be";
	if (g->control_bytes != want.control_bytes)
		return "its control size does not fit its geometry";
	if (file_bytes != want.control_bytes)
		return "its control file is truncated or too long";
	return NULL;
}

void zc_segment_format(const struct zc_view *v, u32 segment)
{
	u32 first = segment << v->segment_shift;
	u32 i;

	/*
	 * One free run a stripe.  The other words stay zero: nobody arrives at a
	 * granule that was never the head of a run.
	 */
	for (i = 0; i < ZC_STRIPES; i++) {
		struct zc_block_desc *d =
			zc_desc(v, first + i * v->stripe_granules);

		zc_store_relaxed(&d->word, zc_word(1, v->stripe_granules,
						   ZC_OWNER_NONE,
						   ZC_STATE_FREE));
	}
	/* Not added: whoever does it again after a death counts nothing twice. */
	for (i = 0; i < ZC_STRIPES; i++) {
		u32 stripe = segment * ZC_STRIPES + i;

		zc_hint_set(v, stripe, zc_load_relaxed(&v->free_hint[stripe]),
			    v->stripe_granules);
	}
	zc_store_relaxed(&v->segments[segment].lives, 1);
	zc_store_relaxed(&v->segments[segment].state, ZC_SEGMENT_READY);
}

void zc_pool_format(const struct zc_view *v, const struct zc_geometry *g,
		    u32 segments)
{
	struct zc_pool_header *h = v->header;
	u32 s;

	h->layout_version = ZC_LAYOUT_VERSION;
	h->header_bytes = sizeof(*h);
	h->feature_incompat = 0;
	h->feature_compat = 0;
	h->state = ZC_POOL_CREATING;
	h->geometry = *g;
	for (s = 0; s < segments; s++)
		zc_segment_format(v, s);
	h->segments = segments;
	h->least_segments = segments;
}
