// SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1
/*
 * layout.c - what other programs rely on: every size and place, asserted.
 *
 * A line that has to be changed here is a new ZC_LAYOUT_VERSION.
 */
#include "view.h"
#include "word.h"

#define ZC_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define ZC_AT(type, field, off) \
	_Static_assert(offsetof(struct type, field) == (off), \
		       "place of " #type "." #field)

ZC_SIZE(zc_block_desc, 64);
ZC_AT(zc_block_desc, word, 0);
ZC_AT(zc_block_desc, sequence, 8);
ZC_AT(zc_block_desc, timestamp_ns, 16);
ZC_AT(zc_block_desc, bytes, 24);
ZC_AT(zc_block_desc, writer, 32);
ZC_AT(zc_block_desc, type_bytes, 36);
ZC_AT(zc_block_desc, flags, 40);
ZC_AT(zc_block_desc, type_lut_nr, 44);
ZC_AT(zc_block_desc, type_lut_off, 48);
ZC_AT(zc_block_desc, type, 56);

ZC_SIZE(zc_ring_entry, 16);
ZC_AT(zc_ring_entry, place, 0);
ZC_AT(zc_ring_entry, run, 8);

ZC_SIZE(zc_deferred_entry, 32);
ZC_AT(zc_deferred_entry, granule, 8);
ZC_AT(zc_deferred_entry, generation, 12);
ZC_AT(zc_deferred_entry, bytes, 16);

ZC_SIZE(zc_member_record, 128);
ZC_AT(zc_member_record, life, 0);
ZC_AT(zc_member_record, pid, 8);
ZC_AT(zc_member_record, uid, 12);
ZC_AT(zc_member_record, pid_ns, 16);
ZC_AT(zc_member_record, start_ticks, 24);
ZC_AT(zc_member_record, caps, 32);
ZC_AT(zc_member_record, alive_ns, 40);
ZC_AT(zc_member_record, progress_ns, 48);
ZC_AT(zc_member_record, death_ns, 56);
ZC_AT(zc_member_record, reaped_blocks, 64);
ZC_AT(zc_member_record, reaped_bytes, 72);
ZC_AT(zc_member_record, lost_blocks, 80);
ZC_AT(zc_member_record, comm, 88);
ZC_AT(zc_member_record, suspect_ns, 104);
ZC_AT(zc_member_record, map_token, 112);

ZC_SIZE(zc_writer_slot, 512);
ZC_AT(zc_writer_slot, life, 0);
ZC_AT(zc_writer_slot, service, 8);
ZC_AT(zc_writer_slot, on_slow, 16);
ZC_AT(zc_writer_slot, flags, 20);
ZC_AT(zc_writer_slot, history, 24);
ZC_AT(zc_writer_slot, lag_limit, 28);
ZC_AT(zc_writer_slot, quota_bytes, 32);
ZC_AT(zc_writer_slot, caps, 40);
ZC_AT(zc_writer_slot, active, 64);
ZC_AT(zc_writer_slot, hazard, 72);
ZC_AT(zc_writer_slot, name, 128);

ZC_SIZE(zc_reader_slot, 16);
ZC_AT(zc_reader_slot, caps, 8);
ZC_AT(zc_reader_slot, flags, 12);
ZC_SIZE(zc_cleaner_slot, 16);
ZC_AT(zc_cleaner_slot, life, 0);

ZC_SIZE(zc_floor, 16);
ZC_AT(zc_floor, cut_incarnation, 8);
ZC_AT(zc_floor, fence_wanted, 12);

ZC_SIZE(zc_writer_area, 1024);
ZC_AT(zc_writer_area, head, 0);
ZC_AT(zc_writer_area, unfenced, 8);
ZC_AT(zc_writer_area, tail, 64);
ZC_AT(zc_writer_area, deferred_nr, 72);
ZC_AT(zc_writer_area, incarnation, 76);
ZC_AT(zc_writer_area, used_bytes, 80);
ZC_AT(zc_writer_area, io_nr, 88);
ZC_AT(zc_writer_area, guard, 92);
ZC_AT(zc_writer_area, guard_since, 96);
ZC_AT(zc_writer_area, guarded, 104);
ZC_AT(zc_writer_area, own_below, 112);
ZC_AT(zc_writer_area, stat_acquired, 128);
ZC_AT(zc_writer_area, stat_bytes, 176);
ZC_AT(zc_writer_area, floor, 192);
ZC_AT(zc_writer_area, wait_word, 704);
ZC_AT(zc_writer_area, wanted_granules, 708);
ZC_AT(zc_writer_area, wait_node, 712);
ZC_AT(zc_writer_area, guide, 768);

ZC_SIZE(zc_reader_area, 512);
ZC_AT(zc_reader_area, cursor, 0);
ZC_AT(zc_reader_area, hold, 8);
ZC_AT(zc_reader_area, join, 64);
ZC_AT(zc_reader_area, ticket, 72);
ZC_AT(zc_reader_area, incarnation, 80);
ZC_AT(zc_reader_area, fencing, 84);
ZC_AT(zc_reader_area, overflow_high, 88);
ZC_AT(zc_reader_area, io_nr, 92);
ZC_AT(zc_reader_area, feed_ticket, 96);
ZC_AT(zc_reader_area, wake_bits, 104);
ZC_AT(zc_reader_area, begin, 128);
ZC_AT(zc_reader_area, stat_corrupt, 152);

ZC_SIZE(zc_type_record, 1024);
ZC_AT(zc_type_record, tagged, 4);
ZC_AT(zc_type_record, fingerprint, 8);
ZC_AT(zc_type_record, bytes, 16);
ZC_AT(zc_type_record, shape, 24);

ZC_SIZE(zc_segment_record, 64);
ZC_AT(zc_segment_record, state, 0);
ZC_AT(zc_segment_record, page_kind, 4);
ZC_AT(zc_segment_record, lives, 8);

ZC_SIZE(zc_hints, 128);
ZC_AT(zc_hints, free_granules, 0);
ZC_AT(zc_hints, waiting_writers, 8);
ZC_AT(zc_hints, duty, 16);
ZC_AT(zc_hints, draining, 24);
ZC_AT(zc_hints, pressure, 28);
ZC_AT(zc_hints, drain_until_ns, 32);
ZC_AT(zc_hints, removing, 40);
ZC_AT(zc_hints, placement, 44);
ZC_AT(zc_hints, remover, 48);
ZC_AT(zc_hints, wake_word, 56);
ZC_AT(zc_hints, taking, 64);
_Static_assert(ZC_MAX_SEGMENTS < ZC_DRAINING_SEGMENT, "segments fit");

ZC_SIZE(zc_mail_head, 16);
ZC_SIZE(zc_mailbox, 576);
ZC_AT(zc_mailbox, bytes, 4);
ZC_AT(zc_mailbox, buffer, 64);
ZC_SIZE(zc_writer_mail, 19584);
ZC_AT(zc_writer_mail, reader_bell, 64);
ZC_AT(zc_writer_mail, team_read, 192);
ZC_AT(zc_writer_mail, team_read_reader, 256);
ZC_AT(zc_writer_mail, read_node, 384);
ZC_AT(zc_writer_mail, read_reader, 448);
ZC_AT(zc_writer_mail, team, 576);
ZC_AT(zc_writer_mail, reader, 1152);
ZC_SIZE(zc_reader_mail, 1216);
ZC_AT(zc_reader_mail, read_node, 4);
ZC_AT(zc_reader_mail, team, 64);
ZC_AT(zc_reader_mail, writer, 640);

ZC_SIZE(zc_packet, 64);
ZC_AT(zc_packet, id, 16);
ZC_AT(zc_packet, src, 24);
ZC_AT(zc_packet, payload, 32);
ZC_SIZE(zc_node_area, 616768);
ZC_AT(zc_node_area, incarnation, 64);
ZC_AT(zc_node_area, next_id, 88);
ZC_AT(zc_node_area, tail, 192);
ZC_AT(zc_node_area, head, 256);
ZC_AT(zc_node_area, lane, 320);
ZC_AT(zc_node_area, to_writer, 8512);
ZC_AT(zc_node_area, to_reader, 26944);

ZC_SIZE(zc_event_record, 128);
ZC_AT(zc_event_record, sequence, 0);
ZC_AT(zc_event_record, time_ns, 8);
ZC_AT(zc_event_record, type, 16);
ZC_AT(zc_event_record, member, 20);
ZC_AT(zc_event_record, pid, 24);
ZC_AT(zc_event_record, role, 28);
ZC_AT(zc_event_record, blocks, 32);
ZC_AT(zc_event_record, bytes, 40);
ZC_AT(zc_event_record, service, 48);
ZC_AT(zc_event_record, reader, 52);
ZC_AT(zc_event_record, comm, 56);
ZC_AT(zc_event_record, incarnation, 72);
ZC_AT(zc_event_record, fault, 76);
ZC_AT(zc_event_record, message, 80);
ZC_AT(zc_event_record, suspect, 88);

ZC_SIZE(zc_geometry, 176);
ZC_AT(zc_geometry, granule_shift, 0);
ZC_AT(zc_geometry, segment_granules, 4);
ZC_AT(zc_geometry, segment_bytes, 8);
ZC_AT(zc_geometry, max_segments, 16);
ZC_AT(zc_geometry, ring_entries, 20);
ZC_AT(zc_geometry, max_holds, 24);
ZC_AT(zc_geometry, deferred_entries, 28);
ZC_AT(zc_geometry, writers, 32);
ZC_AT(zc_geometry, stripes, 52);
ZC_AT(zc_geometry, off_members, 56);
ZC_AT(zc_geometry, off_writer_slots, 64);
ZC_AT(zc_geometry, off_reader_slots, 72);
ZC_AT(zc_geometry, off_cleaner_slots, 80);
ZC_AT(zc_geometry, off_segments, 88);
ZC_AT(zc_geometry, off_events, 96);
ZC_AT(zc_geometry, off_reader_areas, 104);
ZC_AT(zc_geometry, off_hints, 112);
ZC_AT(zc_geometry, off_writer_areas, 120);
ZC_AT(zc_geometry, off_descs, 128);
ZC_AT(zc_geometry, writer_area_bytes, 136);
ZC_AT(zc_geometry, reader_area_bytes, 144);
ZC_AT(zc_geometry, control_bytes, 152);
ZC_AT(zc_geometry, off_nodes, 160);
ZC_AT(zc_geometry, node_area_bytes, 168);

ZC_SIZE(zc_pool_header, 4096);
ZC_AT(zc_pool_header, magic, 0);
ZC_AT(zc_pool_header, layout_version, 8);
ZC_AT(zc_pool_header, header_bytes, 12);
ZC_AT(zc_pool_header, feature_incompat, 16);
ZC_AT(zc_pool_header, feature_compat, 24);
ZC_AT(zc_pool_header, creation_id, 32);
ZC_AT(zc_pool_header, created_ns, 48);
ZC_AT(zc_pool_header, creator_pid, 56);
ZC_AT(zc_pool_header, creator_uid, 60);
ZC_AT(zc_pool_header, state, 64);
ZC_AT(zc_pool_header, page_kind, 68);
ZC_AT(zc_pool_header, mode, 72);
ZC_AT(zc_pool_header, flags, 76);
ZC_AT(zc_pool_header, geometry, 80);
ZC_AT(zc_pool_header, name, 256);
ZC_AT(zc_pool_header, data_dir, 320);
ZC_AT(zc_pool_header, guard, 576);
ZC_AT(zc_pool_header, epoch, 1024);
ZC_AT(zc_pool_header, event_head, 1032);
ZC_AT(zc_pool_header, segments, 1088);
ZC_AT(zc_pool_header, least_segments, 1092);
ZC_AT(zc_pool_header, retired_segments, 1096);

/* The word is full, and each owner has a number. */
_Static_assert(ZC_WORD_OWNER_SHIFT == ZC_WORD_STATE_BITS, "owner after state");
_Static_assert(ZC_WORD_LENGTH_SHIFT == ZC_WORD_OWNER_SHIFT + ZC_WORD_OWNER_BITS,
	       "length after owner");
_Static_assert(ZC_WORD_GENERATION_SHIFT ==
		       ZC_WORD_LENGTH_SHIFT + ZC_WORD_LENGTH_BITS,
	       "generation after length");
_Static_assert(ZC_WORD_GENERATION_SHIFT == 32, "generation is the high half");
_Static_assert(ZC_OWNER_REMOVER < 1U << ZC_WORD_OWNER_BITS, "owners fit");
_Static_assert(ZC_RUN_MAX == 1U << ZC_WORD_LENGTH_BITS, "lengths fit");
/* Bits of masks, of life words, of the lock file's offsets. */
_Static_assert(ZC_MAX_READERS_PER <= 32, "readers fit a mask");
_Static_assert(ZC_MAX_MEMBERS <= 2048, "members fit 11 bits");
/* What one thread writes often shares no line with what another reads often. */
_Static_assert(offsetof(struct zc_writer_area, tail) % ZC_CACHE_LINE == 0,
	       "tail on a line of its own");
_Static_assert(offsetof(struct zc_reader_area, hold) +
		       ZC_FAST_HOLDS * sizeof(__u64) == ZC_CACHE_LINE,
	       "cursor and fast holds fill a line");
_Static_assert(sizeof(struct zc_reader_area) == ZC_READER_OVERFLOW_OFF,
	       "overflow holds follow the area");
