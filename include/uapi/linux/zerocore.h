/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * ZeroCore: /dev/zerocore, the kernel's part of a pool.
 *
 * The device makes, opens and lists pools; a pool has a descriptor of its own,
 * on which a process joins, maps memory, takes roles and reads events.  What
 * happens for each message needs none of this: see zerocore_layout.h.
 *
 * Rights belong to the process that joined (its address space), not to the
 * descriptor: one that was passed on or inherited gives nothing until the process
 * that has it now joins by itself, with its own credentials.
 *
 * Every struct has fixed-width fields; what is padding or reserved must be zero,
 * unknown flags are refused (EINVAL).  Times are CLOCK_MONOTONIC, in ns.
 * Documentation/device-calls.rst has each call, each field and each errno.
 */
#ifndef _UAPI_LINUX_ZEROCORE_H
#define _UAPI_LINUX_ZEROCORE_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/zerocore_layout.h>

#define ZC_DEVICE_NAME		"zerocore"
#define ZC_UAPI_VERSION		1U

/* What a module can do beyond version 1; never a version compare. */
#define ZC_DEVICE_HUGETLB	(1ULL << 0)	/* has hugetlbfs */
#define ZC_DEVICE_THP		(1ULL << 1)	/* has transparent huge pages of tmpfs */
#define ZC_DEVICE_GIGANTIC	(1ULL << 2)	/* 1 GiB pages may be asked for */
#define ZC_DEVICE_SEGMENTS	(1ULL << 3)	/* segments can be added and removed */

/**
 * struct zc_ioc_features - ZC_IOC_FEATURES
 * @uapi_version: ZC_UAPI_VERSION
 * @layout_version: ZC_LAYOUT_VERSION
 * @features: ZC_DEVICE_*
 * @pools_max: pools that this user may have at a time, 0: no limit
 * @pool_bytes_max: bytes that all pools of this user may have, 0: no limit
 */
struct zc_ioc_features {
	__u32	uapi_version;
	__u32	layout_version;
	__u64	features;
	__u64	pools_max;
	__u64	pool_bytes_max;
	__u64	reserved[4];
};

/* Which pages a pool wants. */
enum zc_page_wish {
	ZC_PAGE_WISH_BEST	= 0,	/* hugetlb if free, else huge tmpfs, else small */
	ZC_PAGE_WISH_SMALL	= 1,
	ZC_PAGE_WISH_TRANSPARENT = 2,	/* huge tmpfs, else small */
	ZC_PAGE_WISH_HUGETLB	= 3,	/* or fail with ENOMEM */
	ZC_PAGE_WISH_GIGANTIC	= 4,	/* 1 GiB hugetlb pages, or ENOMEM */
};

/* The pool lives until it is unlinked, also without members (CAP: limits). */
#define ZC_CREATE_PERSIST	(1U << 0)
#define ZC_CREATE_FLAGS		ZC_CREATE_PERSIST

/**
 * struct zc_ioc_create - ZC_IOC_CREATE: make a pool
 * @name: 1 to 48 of A-Z a-z 0-9 _ . -, the first a letter or digit, NUL-padded
 * @bytes: data memory, rounded up to segments
 * @segment_bytes: 0: chosen; a multiple of the pages that @page_wish must have
 * @granule_bytes: 0: 512
 * @ring_entries: 0: 4096
 * @max_holds: 0: 448
 * @max_segments: segments that it may ever grow to, 0: as many as it begins with
 * @flags: ZC_CREATE_*
 * @page_wish: enum zc_page_wish
 * @mode: permission bits as of a file; read: join as reader, write: as writer
 * @guard: enum zc_guard_mode of writers that do not say
 * @padding: 0
 * @fd: gets a descriptor of the pool, O_CLOEXEC
 * @page_kind: gets enum zc_page_kind: the worst that a segment got
 * @creation_id: gets the pool's id
 *
 * Owner and group are the caller's fsuid and fsgid.  The memory policy of the
 * calling thread decides on which NUMA nodes the pages are.
 */
struct zc_ioc_create {
	__u8	name[ZC_NAME_BYTES];
	__u64	bytes;
	__u64	segment_bytes;
	__u64	granule_bytes;
	__u32	ring_entries;
	__u32	max_holds;
	__u32	max_segments;
	__u32	flags;
	__u32	page_wish;
	__u32	mode;
	__s32	fd;
	__u32	page_kind;
	__u8	creation_id[16];
	__u32	guard;
	__u32	padding;
	__u64	reserved[3];
};

/**
 * struct zc_ioc_open - ZC_IOC_OPEN: a descriptor of an existing pool
 * @name: as above
 * @flags: 0
 * @fd: gets it, O_CLOEXEC
 * @creation_id: gets the pool's id
 *
 * Anybody may open a pool that he may at least read.
 */
struct zc_ioc_open {
	__u8	name[ZC_NAME_BYTES];
	__u32	flags;
	__s32	fd;
	__u8	creation_id[16];
	__u64	reserved[2];
};

/**
 * struct zc_ioc_unlink - ZC_IOC_UNLINK: take a pool's name away
 * @name: as above; empty with ZC_UNLINK_ALL
 * @flags: ZC_UNLINK_ALL: all pools of the caller in this namespace
 * @unlinked: gets how many
 *
 * Members go on; the memory goes with the last of them.
 */
struct zc_ioc_unlink {
	__u8	name[ZC_NAME_BYTES];
	__u32	flags;
	__u32	unlinked;
	__u64	reserved[2];
};

#define ZC_UNLINK_ALL		(1U << 0)
#define ZC_UNLINK_FLAGS		ZC_UNLINK_ALL

/**
 * struct zc_ioc_list - ZC_IOC_LIST: names of pools, one a call
 * @name: the one before, empty: begin; gets the next in order of bytes
 *
 * ENOENT: that was the last.  Only pools that the caller may read.
 */
struct zc_ioc_list {
	__u8	name[ZC_NAME_BYTES];
	__u64	reserved[2];
};

/* --- on a pool's descriptor --------------------------------------------------- */

#define ZC_JOIN_WRITE		(1U << 0)	/* to write data and writer regions */
#define ZC_JOIN_TRY_WRITE	(1U << 1)	/* the same where it is permitted */
#define ZC_JOIN_EVICTABLE	(1U << 2)	/* may be evicted when it hangs */
#define ZC_JOIN_FLAGS		(ZC_JOIN_WRITE | ZC_JOIN_TRY_WRITE | ZC_JOIN_EVICTABLE)

/**
 * struct zc_ioc_join - ZC_IOC_JOIN: become a member
 * @flags: ZC_JOIN_*
 * @caps: ZC_CAP_* of the process, as peers shall see them (not ZC_CAP_WRITE)
 * @comm: what peers see as its name; empty: the task's
 * @start_ticks: from /proc/self/stat, for peers; may be 0
 * @pid_ns: inode of its pid namespace, for peers; may be 0
 * @member: gets the index of its record
 * @granted: gets ZC_CAP_WRITE if it may write
 * @life: gets its life word while it is alive
 *
 * Then map ZC_MAP_LEASE: the membership ends when that mapping does (exit, kill,
 * exec, munmap) and everything else is refused without it (ENXIO).
 */
struct zc_ioc_join {
	__u32	flags;
	__u32	caps;
	__u8	comm[16];
	__u64	start_ticks;
	__u64	pid_ns;
	__u32	member;
	__u32	granted;
	__u64	life;
	__u64	reserved[4];
};

/**
 * struct zc_ioc_stat - ZC_IOC_STAT
 * @owner: of the pool, as the caller's user namespace shows it
 * @group: likewise
 * @mode: permission bits
 * @flags: ZC_STAT_*
 * @page_kind: enum zc_page_kind, the worst of all segments
 * @page_bytes: size of the largest pages that data got
 * @members: that are alive
 * @reaping: that died and are being reaped
 * @quarantined: dead roles whose memory is still pinned
 * @segments: that are there
 * @kernel_bytes: memory of control, in bytes
 * @data_bytes: memory of data segments
 * @deaths: members that died so far
 * @reap_last_ns: from the last death to all of it acquirable
 * @reap_max_ns: the longest of these
 * @creation_id: the pool's
 * @member: the caller's index by this descriptor, ~0: not a member by it
 */
struct zc_ioc_stat {
	__u32	owner;
	__u32	group;
	__u32	mode;
	__u32	flags;
	__u32	page_kind;
	__u32	members;
	__u64	page_bytes;
	__u32	reaping;
	__u32	quarantined;
	__u32	segments;
	__u32	member;
	__u64	kernel_bytes;
	__u64	data_bytes;
	__u64	deaths;
	__u64	reap_last_ns;
	__u64	reap_max_ns;
	__u8	creation_id[16];
	__u64	reserved[2];
};

#define ZC_STAT_UNLINKED	(1U << 0)	/* has no name any more */
#define ZC_STAT_PERSIST		(1U << 1)

/**
 * struct zc_ioc_writer - ZC_IOC_WRITER_JOIN, ZC_IOC_WRITER_LEAVE
 * @name: service, instance, event, each NUL-padded (join)
 * @on_slow: enum zc_slow_policy (join)
 * @flags: ZC_SERVICE_* (join)
 * @history: messages kept for late joiners (join)
 * @lag_limit: below the ring's entries (join)
 * @quota_bytes: what peers shall see (join)
 * @service: gets, or says, the index of the slot
 * @incarnation: likewise
 *
 * EBUSY: it has a live writer; EAGAIN: its dead one is being reaped, or all
 * services are in use and somebody is; ENOSPC: no free service.
 */
struct zc_ioc_writer {
	__u8	name[3][ZC_NAME_BYTES];
	__u32	on_slow;
	__u32	flags;
	__u32	history;
	__u32	lag_limit;
	__u64	quota_bytes;
	__u32	service;
	__u32	incarnation;
	__u64	reserved[4];
};

/**
 * struct zc_ioc_reader - ZC_IOC_READER_JOIN, ZC_IOC_READER_LEAVE
 * @name: as above; a service that is not there is made (join)
 * @flags: ZC_READER_*; gets ZC_READER_HAZARD on an overwrite topic (join)
 * @service: gets, or says, the index of the slot
 * @reader: gets, or says, its index there
 * @incarnation: likewise
 *
 * It is active when this returns: everything is required for it until it has
 * stored its cursor.  ENOSPC: no free service, or half of them were made by members
 * that may only read, as the caller; EUSERS: 32 readers, or half of them are of the
 * user of a caller that may only read; EAGAIN: likewise, but somebody is being reaped.
 */
struct zc_ioc_reader {
	__u8	name[3][ZC_NAME_BYTES];
	__u32	flags;
	__u32	service;
	__u32	reader;
	__u32	incarnation;
	__u64	reserved[4];
};

/**
 * struct zc_ioc_cleaner - ZC_IOC_CLEANER_JOIN, ZC_IOC_CLEANER_LEAVE
 * @cleaner: gets, or says, its index
 * @incarnation: likewise
 */
struct zc_ioc_cleaner {
	__u32	cleaner;
	__u32	incarnation;
	__u64	reserved[2];
};

/**
 * struct zc_ioc_segment - ZC_IOC_SEGMENT_ADD, ZC_IOC_SEGMENT_REMOVE
 * @segment: gets, or says, its number; one that was removed is the first to come back
 * @page_kind: gets what was got (add)
 *
 * Needs ZC_JOIN_WRITE.  Removal frees the data pages of a segment in which nothing
 * is claimed or committed (EBUSY); its descriptors stay mapped and say so.  The last
 * one stays (EBUSY), and so do segments of hugetlb pages (EOPNOTSUPP): whoever is led
 * to a place without memory gets some there, but of hugetlb pages there may be none.
 */
struct zc_ioc_segment {
	__u32	segment;
	__u32	page_kind;
	__u64	reserved[2];
};

/**
 * struct zc_ioc_evict - ZC_IOC_EVICT: fence a hung member off
 * @member: its index
 * @incarnation: of the member, so that a successor is not hit
 *
 * The member must have joined with ZC_JOIN_EVICTABLE and have its lease; and the
 * caller must be allowed to kill it, or be of the pool's owner's user, whose creator
 * was (EPERM).  It gets SIGKILL; it is reaped when it is gone, which a task in
 * uninterruptible sleep may put off.
 */
struct zc_ioc_evict {
	__u32	member;
	__u32	incarnation;
	__u64	reserved[2];
};

#define ZC_NOTIFY_MESSAGES	(1U << 0)	/* there is something to poll */
#define ZC_NOTIFY_DISCONNECTED	(1U << 1)	/* @reader was cut off */
#define ZC_NOTIFY_CORRUPTED	(1U << 2)	/* a message failed its guard */
#define ZC_NOTIFY_FLAGS		(ZC_NOTIFY_MESSAGES | ZC_NOTIFY_DISCONNECTED | \
				 ZC_NOTIFY_CORRUPTED)
/* Corrupt messages that one member may tell of in a second. */
#define ZC_NOTIFY_CORRUPTED_MAX	16U

/**
 * struct zc_ioc_notify - ZC_IOC_NOTIFY: what a writer, or whoever finds it, has to tell
 * @service: whose writer the caller is (EPERM: it is not)
 * @flags: ZC_NOTIFY_*; CORRUPTED goes alone
 * @reader: whom it cut off; else 0
 * @fault: CORRUPTED: 1 to ZC_FAULTS_MAX, enum zc_guard_fault of guard.h; else 0
 * @sequence: CORRUPTED: of the message; else 0
 * @suspect: CORRUPTED: service + 1 whose writer may have overrun it, 0: none
 * @padding: 0
 *
 * MESSAGES: descriptors of members with readers of the service become ready for
 * EPOLLPRI, each until its owner calls ZC_IOC_NOTIFIED.  DISCONNECTED: an event.
 * CORRUPTED: an event about the writer of the service; any member may tell (ENOENT:
 * there is no such service; EBUSY: it has told of so many in this second).  What was
 * told lately is not told again.
 */
struct zc_ioc_notify {
	__u32	service;
	__u32	flags;
	__u32	reader;
	__u32	fault;
	__u64	sequence;
	__u32	suspect;
	__u32	padding;
};

#define ZC_FAULTS_MAX		4U

#define ZC_IOC_MAGIC		0xb5

#define ZC_IOC_FEATURES		_IOR(ZC_IOC_MAGIC, 0x00, struct zc_ioc_features)
#define ZC_IOC_CREATE		_IOWR(ZC_IOC_MAGIC, 0x01, struct zc_ioc_create)
#define ZC_IOC_OPEN		_IOWR(ZC_IOC_MAGIC, 0x02, struct zc_ioc_open)
#define ZC_IOC_UNLINK		_IOWR(ZC_IOC_MAGIC, 0x03, struct zc_ioc_unlink)
#define ZC_IOC_LIST		_IOWR(ZC_IOC_MAGIC, 0x04, struct zc_ioc_list)

#define ZC_IOC_JOIN		_IOWR(ZC_IOC_MAGIC, 0x20, struct zc_ioc_join)
#define ZC_IOC_LEAVE		_IO(ZC_IOC_MAGIC, 0x21)
#define ZC_IOC_STAT		_IOR(ZC_IOC_MAGIC, 0x22, struct zc_ioc_stat)
#define ZC_IOC_WRITER_JOIN	_IOWR(ZC_IOC_MAGIC, 0x23, struct zc_ioc_writer)
#define ZC_IOC_WRITER_LEAVE	_IOW(ZC_IOC_MAGIC, 0x24, struct zc_ioc_writer)
#define ZC_IOC_READER_JOIN	_IOWR(ZC_IOC_MAGIC, 0x25, struct zc_ioc_reader)
#define ZC_IOC_READER_LEAVE	_IOW(ZC_IOC_MAGIC, 0x26, struct zc_ioc_reader)
#define ZC_IOC_CLEANER_JOIN	_IOWR(ZC_IOC_MAGIC, 0x27, struct zc_ioc_cleaner)
#define ZC_IOC_CLEANER_LEAVE	_IOW(ZC_IOC_MAGIC, 0x28, struct zc_ioc_cleaner)
#define ZC_IOC_SEGMENT_ADD	_IOWR(ZC_IOC_MAGIC, 0x29, struct zc_ioc_segment)
#define ZC_IOC_SEGMENT_REMOVE	_IOWR(ZC_IOC_MAGIC, 0x2a, struct zc_ioc_segment)
#define ZC_IOC_EVICT		_IOW(ZC_IOC_MAGIC, 0x2b, struct zc_ioc_evict)
#define ZC_IOC_NOTIFY		_IOW(ZC_IOC_MAGIC, 0x2c, struct zc_ioc_notify)
#define ZC_IOC_NOTIFIED		_IO(ZC_IOC_MAGIC, 0x2d)

/*
 * What mmap() of a pool's descriptor maps: the offset is the region, shifted, and
 * a place in it.  MAP_SHARED only; never PROT_EXEC; not inherited by fork().
 *
 * KERNEL	header to reader slots and so on: geometry.off_reader_areas bytes,
 *		read-only for everybody
 * WRITERS	from geometry.off_hints to the end of control: PROT_WRITE for members
 *		that may write
 * READERS	+ n * geometry.reader_area_bytes, one at a time, n = service * 32 +
 *		reader: PROT_WRITE for the reader's own process, and what is mapped is
 *		that of the reader that is there now; ENXIO: nobody
 * DATA		+ segment * geometry.segment_bytes, one segment at a time: PROT_WRITE
 *		for members that may write
 * LEASE	one page without access (PROT_NONE): the membership
 * STAMPS	one page of struct zc_stamps: the member's own, for the watchdog
 */
enum zc_map_region {
	ZC_MAP_KERNEL	= 0,
	ZC_MAP_WRITERS	= 1,
	ZC_MAP_READERS	= 2,
	ZC_MAP_DATA	= 3,
	ZC_MAP_LEASE	= 4,
	ZC_MAP_STAMPS	= 5,
};

#define ZC_MAP_SHIFT		52
#define ZC_MAP_OFFSET(region)	((__u64)(region) << ZC_MAP_SHIFT)

/**
 * struct zc_stamps - signs of life of a member (owner writes)
 * @alive_ns: of the last heartbeat
 * @progress_ns: of the last use of a role that the heartbeat saw
 */
struct zc_stamps {
	__u64	alive_ns;
	__u64	progress_ns;
	__u64	reserved[6];
};

/* As include/zerocore/event.h has them. */
enum zc_device_event_type {
	ZC_DEVICE_EVENT_MEMBER_JOINED		= 1,
	ZC_DEVICE_EVENT_MEMBER_LEFT		= 2,
	ZC_DEVICE_EVENT_MEMBER_DIED		= 3,
	ZC_DEVICE_EVENT_SERVICE_ADDED		= 4,
	ZC_DEVICE_EVENT_SERVICE_REMOVED		= 5,
	ZC_DEVICE_EVENT_WRITER_JOINED		= 6,
	ZC_DEVICE_EVENT_WRITER_LEFT		= 7,
	ZC_DEVICE_EVENT_READER_JOINED		= 8,
	ZC_DEVICE_EVENT_READER_LEFT		= 9,
	ZC_DEVICE_EVENT_READER_DISCONNECTED	= 10,
	ZC_DEVICE_EVENT_MEMBER_SUSPECT		= 11,
	ZC_DEVICE_EVENT_OVERFLOW		= 12,
	ZC_DEVICE_EVENT_SEGMENT_ADDED		= 13,
	ZC_DEVICE_EVENT_SEGMENT_REMOVED		= 14,
	ZC_DEVICE_EVENT_BLOCK_CORRUPTED		= 15,
};

/**
 * struct zc_device_event - one record of read() on a pool's descriptor
 * @bytes: of this record; whoever knows a shorter one skips the rest
 * @type: enum zc_device_event_type
 * @time_ns: when
 * @member: index of the member that it is about, ~0: none
 * @incarnation: of that member
 * @pid: its process, in the pid namespace of who made the pool
 * @service: slot, ~0: none
 * @reader: index there, ~0: none
 * @segment: ~0: none
 * @blocks: MEMBER_DIED: that came back; OVERFLOW: records that were lost
 * @payload_bytes: MEMBER_DIED: that came back
 * @lost_blocks: MEMBER_DIED: blocks whose commit was not published any more
 * @reap_ns: MEMBER_DIED: from the death to all of it acquirable
 * @comm: the member's name
 * @sequence: BLOCK_CORRUPTED: of the message
 * @fault: BLOCK_CORRUPTED: as zc_ioc_notify has it
 * @suspect: likewise
 *
 * read() returns whole records, as many as fit (EINVAL: not even one does).  At
 * most ZC_DEVICE_EVENTS wait for a member; then the oldest are dropped.  Of members
 * that may only read nothing is kept when half as many wait.  A record of type
 * OVERFLOW says how many were lost.
 */
struct zc_device_event {
	__u32	bytes;
	__u32	type;
	__u64	time_ns;
	__u32	member;
	__u32	incarnation;
	__u32	pid;
	__u32	service;
	__u32	reader;
	__u32	segment;
	__u64	blocks;
	__u64	payload_bytes;
	__u64	lost_blocks;
	__u64	reap_ns;
	__u8	comm[16];
	__u64	sequence;
	__u32	fault;
	__u32	suspect;
};

#define ZC_DEVICE_EVENTS	256U

#endif /* _UAPI_LINUX_ZEROCORE_H */
