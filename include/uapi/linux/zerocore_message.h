/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * ZeroCore: what messages between cleaners, writers and readers look like in memory.
 *
 * The end of zerocore_layout.h, which includes it; the tags of its comments are meant
 * here, too.
 */
#ifndef _UAPI_LINUX_ZEROCORE_MESSAGE_H
#define _UAPI_LINUX_ZEROCORE_MESSAGE_H

#include <linux/zerocore_layout.h>

#define ZC_MAIL_BYTES		256U	/* one of the two buffers of a mailbox */
#define ZC_LANE_PACKETS		16U	/* packets from one node to another */
#define ZC_PACKET_BYTES		32U	/* payload of a packet */

/*
 * Who sent a message, or is to get it: ZC_PEER_*; cleaners are nodes of the
 * MessageRing, and so are monitors, which take a cleaner's place.
 */
#define ZC_PEER_NODE(c)		(c)
#define ZC_PEER_WRITER(w)	(0x100U + (w))
#define ZC_PEER_READER(w, r)	(0x1000U + (w) * ZC_MAX_READERS_PER + (r))
#define ZC_BELL_KEY		(1U << 24)

#define ZC_PEER_ALL		0xffffU	/* every node but the sender */

/**
 * struct zc_mail_head - a message in a mailbox; its payload follows, and the next
 *	message behind it at a multiple of 8
 * @type: ZC_MSG_* (include/zerocore/message.h)
 * @bytes: of the payload
 * @src: ZC_PEER_* that wrote it first
 * @create_ns: CLOCK_MONOTONIC when it did
 */
struct zc_mail_head {
	__u16	type;
	__u16	bytes;
	__u32	src;
	__u64	create_ns;
};

/**
 * struct zc_mailbox - messages from one role to another: two buffers (sender writes
 *	all of it)
 * @version: the buffer that may be read is the one of its lowest bit; grows by one
 *	when the buffers change places, which they do only when the receiver
 *	says that it has read this version; stored last, release
 * @bytes: of messages in each
 * @buffer: the other one collects what is sent meanwhile
 */
struct zc_mailbox {
	__u32	version;
	__u32	bytes[2];
	__u32	reserved[13];
	__u8	buffer[2][ZC_MAIL_BYTES];
};

/**
 * struct zc_writer_mail - messages of a writer (at the end of its region)
 * @bell: lower 24 bits: change when somebody sent something to the writer; upper 8:
 *	when it is to take another key for its handles (atomic add)
 * @reader_bell: the same for each of its readers (atomic add)
 * @team_read: version that the cleaners have read of @team (the one on duty writes)
 * @team_read_reader: the same of each reader's mail to them
 * @read_node: versions that the writer has read, of each cleaner
 * @read_reader: and of each reader
 * @team: to the cleaners
 * @reader: to each reader
 */
struct zc_writer_mail {
	__u32	bell;
	__u32	reserved0[15];
	__u32	reader_bell[ZC_MAX_READERS_PER];
	__u32	team_read;
	__u32	reserved1[15];
	__u32	team_read_reader[ZC_MAX_READERS_PER];
	__u32	read_node[ZC_MAX_CLEANERS];
	__u32	reserved2[8];
	__u32	read_reader[ZC_MAX_READERS_PER];
	struct zc_mailbox team;
	struct zc_mailbox reader[ZC_MAX_READERS_PER];
};

/**
 * struct zc_reader_mail - messages of a reader (at the end of its region)
 * @read_writer: version that it has read of what its writer sent
 * @read_node: and each cleaner
 * @team: to the cleaners
 * @writer: to its writer
 */
struct zc_reader_mail {
	__u32	read_writer;
	__u32	read_node[ZC_MAX_CLEANERS];
	__u32	reserved[7];
	struct zc_mailbox team;
	struct zc_mailbox writer;
};

/**
 * struct zc_packet - what goes round the MessageRing (its lane's owner writes)
 * @sequence: in its lane, from 1; stored last, release
 * @create_ns: CLOCK_MONOTONIC when @src sent it
 * @id: counts what @src sent: what comes twice is taken once
 * @type: ZC_MSG_*
 * @dst: ZC_PEER_NODE() or ZC_PEER_ALL
 * @src: node
 * @bytes: of @payload
 * @hops: so far
 * @flags: ZC_PACKET_*
 */
struct zc_packet {
	__u64	sequence;
	__u64	create_ns;
	__u32	id;
	__u16	type;
	__u16	dst;
	__u8	src;
	__u8	bytes;
	__u8	hops;
	__u8	flags;
	__u32	reserved;
	__u8	payload[ZC_PACKET_BYTES];
};

#define ZC_PACKET_BACKWARD	(1U << 0)	/* to lower ids */

/**
 * struct zc_node_area - a node of the MessageRing: a cleaner or a monitor
 * @bell: futex word; 1: it sleeps (CAS)
 * @incarnation: whose values these are (owner writes, like all that follows)
 * @flags: ZC_NODE_*
 * @alive_ns: CLOCK_MONOTONIC when it last looked at its lanes
 * @due_ns: when it will look again
 * @next_id: of the next packet that it sends first
 * @position: granule where its scan is
 * @passes: over the whole pool; @pass_ns: how long the last one took
 * @busy_ns: processor time
 * @load: of the last pass: percent of the time that it did not sleep
 * @merged: runs, ever; @adopted: blocks of the dead; @reclaimed: granules
 * @sent, @received, @forwarded, @dropped: packets
 * @tail: next to be taken from each node's lane to this one
 * @head: next to be put into each lane of this node
 * @lane: to each node
 * @to_writer: mail to each writer; @to_reader: and to each of its readers
 */
struct zc_node_area {
	__u32	bell;
	__u32	reserved0[15];
	__u32	incarnation;
	__u32	flags;
	__u64	alive_ns;
	__u64	due_ns;
	__u32	next_id;
	__u32	load;
	__u64	position;
	__u64	passes;
	__u64	pass_ns;
	__u64	busy_ns;
	__u64	merged;
	__u64	adopted;
	__u64	reclaimed;
	__u64	sent;
	__u64	received;
	__u64	forwarded;
	__u64	dropped;
	__u64	reserved1;
	__u64	tail[ZC_MAX_CLEANERS];
	__u64	head[ZC_MAX_CLEANERS];
	struct zc_packet lane[ZC_MAX_CLEANERS][ZC_LANE_PACKETS];
	struct zc_mailbox to_writer[ZC_MAX_WRITERS];
	struct zc_mailbox to_reader[ZC_MAX_WRITERS][ZC_MAX_READERS_PER];
};

#define ZC_NODE_CLEANER		(1U << 0)	/* not a monitor */
#define ZC_NODE_HOT		(1U << 1)	/* started by the team, which may end it */

/*
 * Who is on duty: term 32 | node + 1.  Changed by CAS only, and the term grows at
 * each change.
 */
#define ZC_DUTY_TERM_SHIFT	32

#endif /* _UAPI_LINUX_ZEROCORE_MESSAGE_H */
