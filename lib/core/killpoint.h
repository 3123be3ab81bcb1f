/* SPDX-License-Identifier: GPL-2.0 OR MIT OR LGPL-2.1 */
/*
 * killpoint.h - named steps at which a test may kill or stop the caller.
 *
 * Compiled in with -DZC_KILLPOINTS only; otherwise ZC_KILLPOINT() is nothing.
 * The list is the transition table of moves.h, step by step.
 */
#ifndef ZC_CORE_KILLPOINT_H
#define ZC_CORE_KILLPOINT_H

#define ZC_KILLPOINT_LIST(X)                                                  \
	X(claim_done)                                                         \
	X(split_remainder)                                                    \
	X(split_shortened)                                                    \
	X(merge_claimed)                                                      \
	X(merge_extended)                                                     \
	X(merge_marked)                                                       \
	X(free_published)                                                     \
	X(acquire_reused)                                                     \
	X(acquire_ready)                                                      \
	X(commit_described)                                                   \
	X(commit_using)                                                       \
	X(commit_entry_body)                                                  \
	X(commit_entry)                                                       \
	X(commit_head)                                                        \
	X(commit_wake)                                                        \
	X(cancel_begin)                                                       \
	X(poll_held)                                                          \
	X(poll_cursor)                                                        \
	X(release_begin)                                                      \
	X(release_done)                                                       \
	X(hazard_held)                                                        \
	X(hazard_asked)                                                       \
	X(hazard_checked)                                                     \
	X(reclaim_snapshot)                                                   \
	X(reclaim_clean)                                                      \
	X(reclaim_checked)                                                    \
	X(reclaim_freed)                                                      \
	X(reclaim_deferring)                                                  \
	X(reclaim_deferred)                                                   \
	X(bulk_said)                                                          \
	X(bulk_alone)                                                         \
	X(bulk_freed)                                                         \
	X(taking_said)                                                        \
	X(taking_done)                                                        \
	X(reclaim_tail)                                                       \
	X(deferred_clean)                                                     \
	X(deferred_freed)                                                     \
	X(floor_raised)                                                       \
	X(floor_fenced)                                                       \
	X(cut_stored)                                                         \
	X(sleep_ticket)                                                       \
	X(sleep_look)                                                         \
	X(member_locked)                                                      \
	X(member_live)                                                        \
	X(member_leaving)                                                     \
	X(member_idle)                                                        \
	X(reader_slot)                                                        \
	X(reader_zeroed)                                                      \
	X(reader_active)                                                      \
	X(reader_headed)                                                      \
	X(reader_joined)                                                      \
	X(reader_inactive)                                                    \
	X(reader_left)                                                        \
	X(writer_slot)                                                        \
	X(writer_adopted)                                                     \
	X(writer_returning)                                                   \
	X(writer_left)                                                        \
	X(cleaner_slot)                                                       \
	X(cleaner_left)                                                       \
	X(node_begun)                                                         \
	X(node_sleeps)                                                        \
	X(packet_filled)                                                      \
	X(packet_put)                                                         \
	X(grow_made)                                                          \
	X(grow_formatted)                                                     \
	X(grow_published)                                                     \
	X(segment_claimed)                                                    \
	X(segment_given)                                                      \
	X(revive_begun)                                                       \
	X(revive_filled)                                                      \
	X(revive_ready)                                                       \
	X(revive_done)                                                        \
	X(drain_asked)                                                        \
	X(shrink_taken)                                                       \
	X(shrink_marked)                                                      \
	X(shrink_emptied)                                                     \
	X(shrink_done)                                                        \
	X(remover_came)                                                       \
	X(remover_left)                                                       \
	X(mail_collected)                                                     \
	X(mail_sent)                                                          \
	X(mail_found)                                                         \
	X(mail_taken)                                                         \
	X(keys_rung)                                                          \
	X(guard_set)                                                          \
	X(guard_looked)                                                       \
	X(duty_named)                                                         \
	X(duty_told)                                                          \
	X(duty_served)                                                        \
	X(clean_claimed)                                                      \
	X(clean_freed)                                                        \
	X(service_claimed)                                                    \
	X(service_named)                                                      \
	X(service_ready)                                                      \
	X(service_retiring)                                                   \
	X(death_declared)                                                     \
	X(reap_role)                                                          \
	X(reap_mask)                                                          \
	X(reap_reader)                                                        \
	X(reap_head)                                                          \
	X(reap_claimed)                                                       \
	X(reap_clean)                                                         \
	X(reap_freed)                                                         \
	X(reap_orphan)                                                        \
	X(reap_taking)                                                        \
	X(reap_writer)                                                        \
	X(reap_member)                                                        \
	X(event_claimed)                                                      \
	X(event_written)

enum zc_killpoint {
#define ZC_KILLPOINT_ENUM(name) ZC_KP_##name,
	ZC_KILLPOINT_LIST(ZC_KILLPOINT_ENUM)
#undef ZC_KILLPOINT_ENUM
	ZC_KP_COUNT
};

#ifdef ZC_KILLPOINTS
void zc_killpoint_set(void (*fn)(enum zc_killpoint point, void *ctx),
		      void *ctx);
void zc_killpoint_hit(enum zc_killpoint point);
const char *zc_killpoint_name(enum zc_killpoint point);
#define ZC_KILLPOINT(name) zc_killpoint_hit(ZC_KP_##name)
#else
#define ZC_KILLPOINT(name) ((void)0)
#endif

#endif /* ZC_CORE_KILLPOINT_H */
