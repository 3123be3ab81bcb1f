/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * ZeroCore: what messages are, in memory; part of zerocore_layout.h.
 *
 * The tags of one message stand behind its payload: Documentation/types.rst.
 */
#ifndef _UAPI_LINUX_ZEROCORE_TYPE_H
#define _UAPI_LINUX_ZEROCORE_TYPE_H

#include <linux/types.h>

/* As the fingerprint of a message: parts are described, but none at its start. */
#define ZC_TYPE_OTHER	0x5cULL

/**
 * struct zc_type_record - what a role means its service's messages to be (owner writes)
 * @incarnation: of the role that says so, stored last; 0: nothing is said
 * @tagged: of a writer: not 0: some writer of the slot had type tags, and records may
 *	still say so
 * @fingerprint: of the type, 0: untyped
 * @bytes: size of the type
 * @shape: the type for people, NUL-terminated, cut where it is full
 *
 * In front of the messages at the end of a writer's or reader's region.
 */
struct zc_type_record {
	__u32	incarnation;
	__u32	tagged;
	__u64	fingerprint;
	__u32	bytes;
	__u32	reserved;
	__u8	shape[1000];
};

#endif /* _UAPI_LINUX_ZEROCORE_TYPE_H */
