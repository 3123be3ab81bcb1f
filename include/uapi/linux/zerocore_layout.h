/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * ZeroCore: what a pool looks like in memory.
 *
 * This is the one contract between the kernel module, the library and the tools.  It holds
 * fixed-width fields and offsets, never pointers, and it is the same on both backends.
 *
 * The memory contract in one paragraph: each field below carries a tag that says who
 * may store to it. (invariant) is written before the pool becomes visible and never
 * again. (kernel writes) belongs to the module, or on plain shared memory to whoever
 * wins the CAS that the field is changed by. (owner writes) belongs to one role and
 * is changed with plain release stores by the one thread that uses that role. (CAS)
 * is changed by compare-and-swap only. (hint) may be wrong at any time and costs at
 * most time. Whoever reads a field that somebody else may write loads it once,
 * validates the local copy, and uses only that (untrusted).
 *
 * Every size and offset here is asserted in lib/core/layout.c.
 */
#ifndef _UAPI_LINUX_ZEROCORE_LAYOUT_H
#define _UAPI_LINUX_ZEROCORE_LAYOUT_H

#include <linux/types.h>

#define ZC_LAYOUT_MAGIC		0x45524f434f52455aULL	/* "ZEROCORE" */
#define ZC_LAYOUT_VERSION	6U
#define ZC_LAYOUT_PAGE		4096U
#define ZC_CACHE_LINE		64U

/* Incompatible features: an attacher that does not know a bit refuses. */
#define ZC_FEATURE_INCOMPAT_KNOWN	0ULL
/* Compatible features: an attacher may ignore a bit it does not know. */
#define ZC_FEATURE_COMPAT_KNOWN		0ULL

/* Limits.  Change them here and nowhere else (and bump the version). */
#define ZC_MAX_WRITERS		32U	/* services of a pool, one writer each */
#define ZC_MAX_READERS_PER	32U	/* readers of one writer */
#define ZC_MAX_CLEANERS		8U
#define ZC_MAX_MEMBERS		1152U	/* processes attached to one pool */
#define ZC_MAX_SEGMENTS		1024U
#define ZC_STRIPES		64U	/* stripes of a segment: cap of a free run */
#define ZC_FAST_HOLDS		7U	/* holds that share a line with the cursor */
#define ZC_EVENTS		256U	/* records in the event ring */
#define ZC_GUIDES		8U	/* hints kept for one writer */
#define ZC_NAME_BYTES		64U	/* a name and its NUL */
#define ZC_PATH_BYTES		256U

#define ZC_GRANULE_MIN		64U
#define ZC_GRANULE_DEFAULT	512U
#define ZC_GRANULE_MAX		65536U
#define ZC_RUN_MAX		(1U << 24)	/* granules of the longest run */

/*
 * The word of a descriptor: one 64-bit atomic.
 *
 *  63          32 31               8 7       2 1     0
 * +--------------+------------------+---------+-------+
 * | generation   | run length - 1   | owner   | state |
 * +--------------+------------------+---------+-------+
 */
#define ZC_WORD_STATE_BITS	2
#define ZC_WORD_OWNER_BITS	6
#define ZC_WORD_LENGTH_BITS	24
#define ZC_WORD_OWNER_SHIFT	2
#define ZC_WORD_LENGTH_SHIFT	8
#define ZC_WORD_GENERATION_SHIFT 32

enum zc_block_state {
	ZC_STATE_FREE	= 0,	/* without owner anybody's, with owner claimed */
	ZC_STATE_USING	= 1,	/* committed, readable */
	ZC_STATE_CLEAN	= 2,	/* being reclaimed or merged */
	ZC_STATE_INSIDE	= 3,	/* not the head of a run */
};

#define ZC_OWNER_NONE		0U
#define ZC_OWNER_WRITER(w)	(1U + (w))
#define ZC_OWNER_CLEANER(c)	(1U + ZC_MAX_WRITERS + (c))
#define ZC_OWNER_ORPHAN		(1U + ZC_MAX_WRITERS + ZC_MAX_CLEANERS)
#define ZC_OWNER_REMOVER	(2U + ZC_MAX_WRITERS + ZC_MAX_CLEANERS)

/*
 * Flags of a block.  IO: its writer said that the kernel or a device works on it;
 * if that writer dies, the steward gives it back only when no page of it is pinned.
 */
#define ZC_BLOCK_IO		(1U << 0)

/*
 * How a block is guarded: bits 8 to 11 of its flags.  Two codes differ in two bits at
 * least, so that one that was damaged is none.
 */
#define ZC_BLOCK_GUARD_SHIFT	8
#define ZC_BLOCK_GUARD_MASK	(0xfU << ZC_BLOCK_GUARD_SHIFT)

enum zc_guard_mode {
	ZC_MODE_OFF	= 0,	/* code 0000: no trailer */
	ZC_MODE_MAGIC	= 1,	/* code 0011: a trailer that says which message it ends */
	ZC_MODE_HEADER	= 2,	/* code 0101: and a checksum of the record */
	ZC_MODE_FULL	= 3,	/* code 0110: and of payload and type tags */
};

/**
 * struct zc_block_trailer - straight behind the payload, not aligned
 * @crc: CRC32C: of the record (HEADER), exclusive-or of that and that of payload and
 *	type tags (FULL); MAGIC: made of sequence and size
 * @mode: enum zc_guard_mode
 * @magic: ZC_TRAILER_MAGIC
 *
 * The record is the 64 bytes of struct zc_block_desc, with the word that says USING.
 */
struct zc_block_trailer {
	__u32	crc;
	__u32	mode;
	__u64	magic;
};

#define ZC_TRAILER_MAGIC	0xdeadbeefcafebabeULL

/**
 * struct zc_block_desc - the record of a block, one per granule, out of band
 * @word: generation, length, owner, state (CAS; commit and the live owner's
 *	own moves are release stores)
 * @sequence: commit number in its writer's stream (owner writes, before USING)
 * @timestamp_ns: CLOCK_MONOTONIC at commit, 0 where the writer takes none
 * @bytes: payload bytes (owner writes, before USING)
 * @writer: index of the writer that committed it
 * @flags: ZC_BLOCK_*
 * @type_bytes: of all type tags, the table of parts and the descriptors behind it
 * @type_lut_nr: parts that are described; 0: it is untyped
 * @type_lut_off: start of the type tags, from the payload's start
 * @type: fingerprint of the type at the payload's start; ZC_TYPE_OTHER: parts are
 *	described, but none there; 0: it is untyped
 *
 * Only the first granule's record is the block's; the others' words are INSIDE.
 */
struct zc_block_desc {
	__u64	word;
	__u64	sequence;
	__u64	timestamp_ns;
	__u64	bytes;
	__u32	writer;
	__u32	type_bytes;
	__u32	flags;
	__u32	type_lut_nr;
	__u64	type_lut_off;
	__u64	type;
};

/**
 * struct zc_ring_entry - one committed message (owner writes, @place last)
 * @place: first granule of the block, counted over all segments, in the high
 *	half; the low half of the sequence in the low half; release-stored last
 * @run: payload bytes in the high half, ZC_ENTRY_BYTES_MAX: see the descriptor;
 *	generation of the block's word when it was committed in the low half
 *
 * Four to a cache line: a reader that polls on the writer's heels takes the line
 * away from it, and what counts is how many messages it gets for that.  Half a
 * sequence is enough for whoever the writer waits for, and whom it does not wait
 * for asks the descriptor, too.  The rest of a message is in its descriptor.
 *
 * A hint for everybody but its writer: a reader validates each field.
 */
struct zc_ring_entry {
	__u64	place;
	__u64	run;
};

#define ZC_ENTRY_BYTES_MAX	0xffffffffU

/* A published block that is out of the ring but still held by a reader. */
struct zc_deferred_entry {
	__u64	sequence;	/* 0: empty; release-stored last */
	__u32	granule;
	__u32	generation;
	__u64	bytes;		/* charged to the writer's quota */
	__u64	reserved;
};

/*
 * A life word: incarnation 32 | member 16 | state 16.  Changed by CAS only.
 * The incarnation grows by one each time that a slot becomes LIVE.
 */
#define ZC_LIFE_IDLE	0U	/* nobody's; a writer slot: adoptable */
#define ZC_LIFE_LIVE	1U
#define ZC_LIFE_REAPING	2U	/* its process died; what it held is taken back */

/**
 * struct zc_member_record - one process attached to the pool
 * @life: life word; the member field is 0, or ZC_MEMBER_JOINING while LIVE (and
 *	anything while REAPING)
 * @pid: in the pid namespace @pid_ns
 * @uid: effective user
 * @pid_ns: inode number of the pid namespace
 * @start_ticks: start time from /proc/pid/stat, against pid reuse
 * @caps: ZC_CAP_* that the process published
 * @alive_ns: CLOCK_MONOTONIC of the last heartbeat (owner writes)
 * @progress_ns: CLOCK_MONOTONIC of the last use of a role seen by the heartbeat
 * @death_ns: CLOCK_MONOTONIC when a peer proved the death
 * @reaped_blocks: blocks taken back from it (atomic add)
 * @reaped_bytes: their payload granules in bytes (atomic add)
 * @lost_blocks: commits that were not published any more (atomic add)
 * @comm: the program's name
 * @suspect_ns: @alive_ns when it was last reported as suspect (CAS)
 * @map_token: tells where it has control mapped, so that a program that replaced
 *	itself (exec) is not taken for the one that was attached
 */
struct zc_member_record {
	__u64	life;
	__u32	pid;
	__u32	uid;
	__u64	pid_ns;
	__u64	start_ticks;
	__u32	caps;
	__u32	reserved0;
	__u64	alive_ns;
	__u64	progress_ns;
	__u64	death_ns;
	__u64	reaped_blocks;
	__u64	reaped_bytes;
	__u64	lost_blocks;
	__u8	comm[16];
	__u64	suspect_ns;
	__u64	map_token;
	__u64	reserved1;
};

/* In the member field of a member's LIVE word: the record is not valid yet. */
#define ZC_MEMBER_JOINING	1U

#define ZC_CAP_MEMBARRIER	(1U << 0)	/* registered for GLOBAL_EXPEDITED */
#define ZC_CAP_WRITE		(1U << 1)	/* may write control and data */

/* What a topic does with a reader that is more than its lag limit behind. */
enum zc_slow_policy {
	ZC_SLOW_BLOCK		= 0,	/* the writer waits until its timeout */
	ZC_SLOW_DROP_OLDEST	= 1,	/* the reader loses its oldest, counted */
	ZC_SLOW_DISCONNECT	= 2,	/* the reader is cut off */
};

#define ZC_SERVICE_OVERWRITE	(1U << 0)	/* keep last N, never wait */

/*
 * The service word: hash 32 | version 18 | member 11 | state 3.  Changed by
 * CAS only, and the version grows at every change.
 */
enum zc_service_state {
	ZC_SERVICE_EMPTY	= 0,
	ZC_SERVICE_CLAIMING	= 1,	/* its claimant writes the name */
	ZC_SERVICE_READY	= 2,
	ZC_SERVICE_ABORTED	= 3,	/* lost the race; the claimant clears it */
	ZC_SERVICE_RETIRING	= 4,	/* looked at for reuse under another name */
};

/**
 * struct zc_writer_slot - one service and its writer
 * @life: life word of the writer (CAS)
 * @service: service word (CAS)
 * @on_slow: enum zc_slow_policy (the writer writes at register)
 * @flags: ZC_SERVICE_*
 * @history: messages kept for late joiners; overwrite: "keep last N"
 * @lag_limit: how far a required reader may be behind, below ring entries
 * @quota_bytes: most bytes of granules that this writer may hold
 * @caps: ZC_CAP_* of the writer's process
 * @reserved0: 0
 * @active: readers that take part: version 32 | mask 32 (CAS)
 * @hazard: readers that look at blocks nobody keeps for them (CAS)
 * @reserved1: 0
 * @name: service, instance, event, NUL-terminated, written while CLAIMING
 */
struct zc_writer_slot {
	__u64	life;
	__u64	service;
	__u32	on_slow;
	__u32	flags;
	__u32	history;
	__u32	lag_limit;
	__u64	quota_bytes;
	__u32	caps;
	__u32	reserved0;
	__u64	reserved2[2];
	__u64	active;
	__u64	hazard;
	__u64	reserved1[6];
	__u8	name[3][ZC_NAME_BYTES];
	__u64	reserved3[24];
};

/**
 * struct zc_reader_slot - life of one reader (CAS)
 * @life: life word
 * @caps: ZC_CAP_* of the reader's process
 * @flags: ZC_READER_*
 */
struct zc_reader_slot {
	__u64	life;
	__u32	caps;
	__u32	flags;
};

#define ZC_READER_HAZARD	(1U << 0)	/* never required */
#define ZC_READER_HISTORY	(1U << 1)	/* hazard until it reaches its join */

/* Life of one cleaner. */
struct zc_cleaner_slot {
	__u64	life;
	__u64	reserved;
};

/**
 * struct zc_floor - what was decided about one slow reader (writer region)
 * @floor: lowest sequence still required of it; grows, by CAS
 * @cut_incarnation: incarnation of the reader that was disconnected
 * @fence_wanted: not 0: a writer whose membarrier fails asks this reader to fence
 */
struct zc_floor {
	__u64	floor;
	__u32	cut_incarnation;
	__u32	fence_wanted;
};

/**
 * struct zc_writer_area - head of a writer region; ring and deferred follow
 * @head: next sequence to be published, starts at 1; the low half is a futex
 *	word (owner writes, release; after its death reapers, h to h + 1)
 * @unfenced: not 0: commits make no fence, who sleeps calls membarrier (owner writes)
 * @tail: oldest sequence not yet reclaimed or deferred (owner writes)
 * @own_below: what is below only its live writer takes back (owner writes)
 * @deferred_nr: slots of the deferred array ever used (owner writes)
 * @incarnation: whose values these are
 * @used_bytes: granules charged to the quota, in bytes (owner writes)
 * @io_nr: claimed blocks that are in I/O (owner writes)
 * @guard: enum zc_guard_mode of the slot's writer (owner writes, before it rings the
 *	readers' bells and commits)
 * @guard_since: first sequence that is of this mode; below, a block's flags say
 * @guarded: not 0: some writer of the slot had a mode: flags may be stale
 * @stat_*: counters (owner writes)
 * @floor: one a reader
 * @wait_word: futex word of a writer that waits for memory
 * @wanted_granules: what it waits for, 0: it does not wait (owner writes)
 * @wait_node: NUMA node that it ran on when it began to wait (owner writes)
 * @guide: offers, granule + 1, 0: none; hints, never ownership (hint)
 */
struct zc_writer_area {
	__u64	head;
	__u32	unfenced;
	__u32	reserved7;
	__u64	reserved0[6];
	__u64	tail;
	__u32	deferred_nr;
	__u32	incarnation;
	__u64	used_bytes;
	__u32	io_nr;
	__u32	guard;
	__u64	guard_since;
	__u32	guarded;
	__u32	reserved1;
	__u64	own_below;
	__u64	reserved2;
	__u64	stat_acquired;
	__u64	stat_cancelled;
	__u64	stat_dropped;
	__u64	stat_disconnected;
	__u64	stat_timeouts;
	__u64	stat_wakes;
	__u64	stat_bytes;
	__u64	reserved3;
	struct zc_floor floor[ZC_MAX_READERS_PER];
	__u32	wait_word;
	__u32	wanted_granules;
	__u32	wait_node;
	__u32	reserved6;
	__u64	reserved4[6];
	__u64	guide[ZC_GUIDES];
	__u64	reserved5[24];
};

/**
 * struct zc_reader_area - head of a reader region (owner writes all of it)
 * @cursor: next sequence to read; 0: not known yet, everything is required
 * @hold: sequences held, 0: none
 * @join: head when it joined: its lag counts from there (history is none)
 * @ticket: sequence waited for, 0: it never slept
 * @feed_ticket: the same, of the thread that feeds its event descriptor
 * @incarnation: whose values these are; another: counts as cursor 0
 * @fencing: not 0: it makes a full fence at each poll
 * @overflow_high: holds ever used beyond ZC_FAST_HOLDS, grows only
 * @io_nr: held blocks that are in I/O
 * @wake_bits: 0: the writer's head ends its sleep, else its member's of the pool's wake_word
 * @begin: the cursor when it registered: what is between was received, lost, or corrupt
 * @stat_*: counters
 *
 * The overflow holds follow at ZC_READER_OVERFLOW_OFF.
 */
struct zc_reader_area {
	__u64	cursor;
	__u64	hold[ZC_FAST_HOLDS];
	__u64	join;
	__u64	ticket;
	__u32	incarnation;
	__u32	fencing;
	__u32	overflow_high;
	__u32	io_nr;
	__u64	feed_ticket;
	__u32	wake_bits;
	__u32	reserved3;
	__u64	reserved0[2];
	__u64	begin;
	__u64	stat_lost;
	__u64	stat_sleeps;
	__u64	stat_corrupt;
	__u64	reserved1[4];
	__u64	reserved2[40];
};

#define ZC_READER_OVERFLOW_OFF	512U

/*
 * A number, its descriptors, its file and everybody's mapping of it stay for the pool's
 * life; what comes and goes is the memory in it.  While there is none, all of the
 * segment is one run of ZC_OWNER_REMOVER.  Generations go on.
 */
enum zc_segment_state {
	ZC_SEGMENT_ABSENT	= 0,
	ZC_SEGMENT_READY	= 1,
	ZC_SEGMENT_RETIRED	= 2,	/* no memory */
	ZC_SEGMENT_RETIRING	= 3,	/* its memory is just going, or coming back */
};

/**
 * struct zc_segment_record - one segment (kernel writes)
 * @state: enum zc_segment_state
 * @page_kind: enum zc_page_kind: what was got
 * @lives: how many times it got memory: who told the kernel of its pages (io_uring)
 *	has others when this changed
 */
struct zc_segment_record {
	__u32	state;
	__u32	page_kind;
	__u32	lives;
	__u32	reserved0;
	__u64	reserved[6];
};

/**
 * struct zc_hints - what everybody hopes to find where (hint)
 * @free_granules: granules that nobody owns
 * @waiting_writers: bit w: writer w waits for memory
 * @duty: which cleaner leads the others (CAS)
 * @draining: segment + 1 that nobody takes from, 0: none; high half: how many times (CAS)
 * @pressure: level of backpressure that the cleaner on duty told last
 * @drain_until_ns: CLOCK_MONOTONIC: afterwards @draining counts as 0
 * @removing: segment + 1 whose memory somebody is taking or giving; he may be dead
 * @placement: where new segments are to be: zc_numa_t of the pool's options, node << 8
 * @remover: who takes or gives the memory of a segment: the member's incarnation in the
 *	high half, its index + 1; 0: nobody (CAS; plain shared memory)
 * @wake_word: futex word of those who wait for several readers (atomic add)
 * @retire_from: the service that is asked first when one is to give up its name
 * @taking: roles that take back what live writers published, bit ZC_OWNER_* - 1 (CAS)
 *
 * Behind it, 32 bits each, the free granules of each stripe of max_segments
 * segments.
 */
struct zc_hints {
	__u64	free_granules;
	__u64	waiting_writers;
	__u64	duty;
	__u32	draining;
	__u32	pressure;
	__u64	drain_until_ns;
	__u32	removing;
	__u32	placement;
	__u64	remover;
	__u32	wake_word;
	__u32	retire_from;
	__u64	taking[2];
	__u64	reserved2[6];
};

#define ZC_DRAINING_SEGMENT	0xffffU
#define ZC_DRAINING_ONE		0x10000U

enum zc_page_kind {
	ZC_PAGES_SMALL		= 0,
	ZC_PAGES_TRANSPARENT	= 1,	/* transparent huge pages */
	ZC_PAGES_HUGETLB	= 2,
};

/**
 * struct zc_event_record - something that happened to the pool
 * @sequence: number of the event + 1, stored last; 0: never used.  Bits 62, 63: lib/event.c
 * @time_ns: CLOCK_MONOTONIC
 * @type: enum zc_event_type (include/zerocore/event.h)
 * @member: index of the member it is about
 * @pid: its process
 * @role: ZC_OWNER_*, or 0
 * @blocks: taken back
 * @bytes: taken back
 * @service: writer slot, or ~0
 * @reader: reader index, or ~0
 * @comm: the program's name
 * @incarnation: of the member: a death may be told more than once
 * @fault: enum zc_guard_fault (include/zerocore/guard.h) of a corrupt block
 * @message: its number in its service
 * @suspect: writer slot + 1 that may have overrun it, 0: none
 */
struct zc_event_record {
	__u64	sequence;
	__u64	time_ns;
	__u32	type;
	__u32	member;
	__u32	pid;
	__u32	role;
	__u64	blocks;
	__u64	bytes;
	__u32	service;
	__u32	reader;
	__u8	comm[16];
	__u32	incarnation;
	__u32	fault;
	__u64	message;
	__u32	suspect;
	__u32	reserved0;
	__u64	reserved[4];
};

/**
 * struct zc_geometry - sizes and places, all (invariant)
 * @granule_shift: log2 of the granule
 * @segment_granules: granules of a segment
 * @segment_bytes: bytes of a segment
 * @max_segments: segments that the control file has room for
 * @ring_entries: entries of each commit ring, a power of two
 * @max_holds: most blocks that a reader can hold
 * @deferred_entries: entries of each deferred array
 * @writers: ZC_MAX_WRITERS of whoever made the pool; likewise the next four
 * @off_*: from the start of the control file, in bytes
 * @writer_area_bytes: one writer region, a multiple of 4096
 * @reader_area_bytes: one reader region, a multiple of 4096
 * @control_bytes: whole control file
 * @off_nodes: place of the cleaners' regions, between writers' and descriptors
 * @node_area_bytes: one of these, a multiple of 4096
 */
struct zc_geometry {
	__u32	granule_shift;
	__u32	segment_granules;
	__u64	segment_bytes;
	__u32	max_segments;
	__u32	ring_entries;
	__u32	max_holds;
	__u32	deferred_entries;
	__u32	writers;
	__u32	readers_per;
	__u32	cleaners;
	__u32	members;
	__u32	events;
	__u32	stripes;
	__u64	off_members;
	__u64	off_writer_slots;
	__u64	off_reader_slots;
	__u64	off_cleaner_slots;
	__u64	off_segments;
	__u64	off_events;
	__u64	off_reader_areas;
	__u64	off_hints;
	__u64	off_writer_areas;
	__u64	off_descs;
	__u64	writer_area_bytes;
	__u64	reader_area_bytes;
	__u64	control_bytes;
	__u64	off_nodes;
	__u64	node_area_bytes;
};

enum zc_pool_state {
	ZC_POOL_CREATING	= 0,
	ZC_POOL_READY		= 1,
};

#define ZC_POOL_TRANSIENT	(1U << 0)	/* goes with its last member */

/**
 * struct zc_pool_header - start of the control file
 * @magic: ZC_LAYOUT_MAGIC, stored last at creation
 * @layout_version: ZC_LAYOUT_VERSION
 * @header_bytes: sizeof(struct zc_pool_header)
 * @feature_incompat: refuse what you do not know
 * @feature_compat: ignore what you do not know
 * @creation_id: random; data and lock files carry it in their names
 * @created_ns: CLOCK_REALTIME
 * @creator_pid: for people
 * @creator_uid: for people
 * @state: enum zc_pool_state
 * @page_kind: what the data segments got
 * @mode: permission bits asked for
 * @flags: ZC_POOL_*
 * @geometry: sizes and places
 * @name: the pool's name
 * @data_dir: folder of the data files
 * @guard: enum zc_guard_mode of writers that do not say
 * @epoch: futex word: joins, leaves, deaths, new services (atomic add)
 * @event_head: number of the next event (atomic add)
 * @segments: segments ever published; grows only (kernel writes)
 * @retired_segments: of these, segments without memory (kernel writes)
 * @least_segments: what the pool was made with: it does not shrink below by itself
 */
struct zc_pool_header {
	__u64	magic;
	__u32	layout_version;
	__u32	header_bytes;
	__u64	feature_incompat;
	__u64	feature_compat;
	__u8	creation_id[16];
	__u64	created_ns;
	__u32	creator_pid;
	__u32	creator_uid;
	__u32	state;
	__u32	page_kind;
	__u32	mode;
	__u32	flags;
	struct zc_geometry geometry;
	__u8	name[ZC_NAME_BYTES];
	__u8	data_dir[ZC_PATH_BYTES];
	__u32	guard;
	__u32	reserved8;
	__u64	reserved1[55];

	__u32	epoch;
	__u32	reserved2;
	__u64	event_head;
	__u64	reserved3[6];
	__u32	segments;
	__u32	least_segments;
	__u32	retired_segments;
	__u32	reserved5;
	__u64	reserved6[6];
	__u64	reserved7[368];
};

#include <linux/zerocore_type.h>
#include <linux/zerocore_message.h>

#endif /* _UAPI_LINUX_ZEROCORE_LAYOUT_H */
