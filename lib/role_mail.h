/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * role_mail.h - the messages of a writer or a reader, and how they reach each other.
 */
#ifndef ZC_LIB_ROLE_MAIL_H
#define ZC_LIB_ROLE_MAIL_H

#include "mail.h"
#include "messagering.h"
#include "role.h"

#define ZC_MAIL_QUEUE 4096U

struct zc_role_mail {
	struct zc_pool *pool;
	struct zc_handlers handlers;
	u32 self;		/* ZC_PEER_* */
	u32 writer;		/* its service */
	u32 reader;		/* ~0: it is the writer */
	bool inside;		/* a handler runs */
	bool collected;		/* something waits to be handed over */
	struct zc_mail_out team;
	struct zc_mail_out peer[ZC_MAX_READERS_PER];	/* a reader's: [0] */
	u32 peer_incarnation[ZC_MAX_READERS_PER];
	u64 received;
	u64 queued_nr;
	u32 queued;		/* bytes of messages that no handler took */
	u64 queue[ZC_MAIL_QUEUE / sizeof(u64)];
};

/* What is passed on: before the payload. */
struct zc_transpond {
	u32 dst;
	u32 type;
};

zc_result_t zc_writer_mail_open(struct zc_writer *w);
zc_result_t zc_reader_mail_open(struct zc_reader *r);
void zc_role_mail_free(struct zc_role_mail *m);
/* Takes what came, hands over what collected; @seen: the bell as it was. */
void zc_role_mail_turn(struct zc_role_mail *m, u32 *seen);
/*
 * The bell has changed: takes another key, a reader looks how it is guarded; if it holds
 * nothing, looks for messages.
 */
void zc_writer_hear(struct zc_writer *w);
void zc_reader_hear(struct zc_reader *r);

/* Is that role there, and of which incarnation?  0: it is not. */
u32 zc_peer_incarnation(const struct zc_view *v, u32 peer);
static inline bool zc_peer_is_writer(u32 peer)
{
	return peer - ZC_PEER_WRITER(0) < ZC_MAX_WRITERS;
}

static inline bool zc_peer_is_reader(u32 peer)
{
	return peer - ZC_PEER_READER(0, 0) < ZC_MAX_WRITERS * ZC_MAX_READERS_PER;
}

/* Wakes the cleaner on duty if it sleeps, or all if none is. */
void zc_team_ring(struct zc_pool *pool);
/* Something is in a mailbox for it. */
void zc_peer_ring(struct zc_pool *pool, u32 peer);

#endif /* ZC_LIB_ROLE_MAIL_H */
