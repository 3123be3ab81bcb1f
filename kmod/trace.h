/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - trace points: who comes and goes, and what a death costs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM zerocore

#if !defined(ZC_KMOD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define ZC_KMOD_TRACE_H

#include <linux/tracepoint.h>

#include "compat.h"

TRACE_EVENT(zerocore_join,
	TP_PROTO(const char *pool, u32 member, int pid, bool may_write),
	TP_ARGS(pool, member, pid, may_write),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, member)
		__field(int, pid)
		__field(bool, may_write)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->member = member;
		__entry->pid = pid;
		__entry->may_write = may_write;
	),
	TP_printk("pool=%s member=%u pid=%d write=%d", __get_str(pool),
		  __entry->member, __entry->pid, __entry->may_write)
);

DECLARE_EVENT_CLASS(zerocore_member,
	TP_PROTO(const char *pool, u32 member, int pid),
	TP_ARGS(pool, member, pid),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, member)
		__field(int, pid)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->member = member;
		__entry->pid = pid;
	),
	TP_printk("pool=%s member=%u pid=%d", __get_str(pool), __entry->member,
		  __entry->pid)
);

DEFINE_EVENT(zerocore_member, zerocore_leave,
	TP_PROTO(const char *pool, u32 member, int pid),
	TP_ARGS(pool, member, pid));
DEFINE_EVENT(zerocore_member, zerocore_death,
	TP_PROTO(const char *pool, u32 member, int pid),
	TP_ARGS(pool, member, pid));
DEFINE_EVENT(zerocore_member, zerocore_evict,
	TP_PROTO(const char *pool, u32 member, int pid),
	TP_ARGS(pool, member, pid));

TRACE_EVENT(zerocore_reaped,
	TP_PROTO(const char *pool, u32 member, u64 blocks, u64 bytes, u64 ns),
	TP_ARGS(pool, member, blocks, bytes, ns),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, member)
		__field(u64, blocks)
		__field(u64, bytes)
		__field(u64, ns)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->member = member;
		__entry->blocks = blocks;
		__entry->bytes = bytes;
		__entry->ns = ns;
	),
	TP_printk("pool=%s member=%u blocks=%llu bytes=%llu ns=%llu",
		  __get_str(pool), __entry->member, __entry->blocks,
		  __entry->bytes, __entry->ns)
);

TRACE_EVENT(zerocore_writer,
	TP_PROTO(const char *pool, u32 member, u32 service, bool joins),
	TP_ARGS(pool, member, service, joins),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, member)
		__field(u32, service)
		__field(bool, joins)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->member = member;
		__entry->service = service;
		__entry->joins = joins;
	),
	TP_printk("pool=%s member=%u service=%u %s", __get_str(pool),
		  __entry->member, __entry->service,
		  __entry->joins ? "joins" : "leaves")
);

TRACE_EVENT(zerocore_reader,
	TP_PROTO(const char *pool, u32 member, u32 service, u32 reader,
		 bool joins),
	TP_ARGS(pool, member, service, reader, joins),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, member)
		__field(u32, service)
		__field(u32, reader)
		__field(bool, joins)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->member = member;
		__entry->service = service;
		__entry->reader = reader;
		__entry->joins = joins;
	),
	TP_printk("pool=%s member=%u service=%u reader=%u %s", __get_str(pool),
		  __entry->member, __entry->service, __entry->reader,
		  __entry->joins ? "joins" : "leaves")
);

TRACE_EVENT(zerocore_segment,
	TP_PROTO(const char *pool, u32 segment, u32 page_kind, bool added),
	TP_ARGS(pool, segment, page_kind, added),
	TP_STRUCT__entry(
		__string(pool, pool)
		__field(u32, segment)
		__field(u32, page_kind)
		__field(bool, added)
	),
	TP_fast_assign(
		zc_trace_string(pool, pool);
		__entry->segment = segment;
		__entry->page_kind = page_kind;
		__entry->added = added;
	),
	TP_printk("pool=%s segment=%u pages=%u %s", __get_str(pool),
		  __entry->segment, __entry->page_kind,
		  __entry->added ? "added" : "removed")
);

#endif /* ZC_KMOD_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
