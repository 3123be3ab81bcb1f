/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * mail.h - mailboxes: messages from one role to another.
 *
 * Two buffers.  What is sent collects in one while the other may be read; they change
 * places when the receiver has read that.  The receiver takes a buffer by saying so:
 * from then on its messages are nobody else's, and lost if it dies.
 */
#ifndef ZC_LIB_MAIL_H
#define ZC_LIB_MAIL_H

#include "core/view.h"

/* The sender's side. */
struct zc_mail_out {
	struct zc_mailbox *box;
	const u32 *read;	/* the receiver's word */
	u32 version;
	u32 collected;		/* bytes in the buffer that is not to be read */
	bool first;		/* nothing was sent yet */
};

/* Messages of one buffer, as they were when it was taken. */
struct zc_mail_in {
	u32 bytes;
	u32 pos;
	u64 words[ZC_MAIL_BYTES / sizeof(u64)];
};

/* A sender's first: what a predecessor left is gone. */
void zc_mail_begin(struct zc_mail_out *out, struct zc_mailbox *box,
		   const u32 *read, u32 incarnation);
/* Goes on with a box as it is. */
void zc_mail_resume(struct zc_mail_out *out, struct zc_mailbox *box,
		    const u32 *read);
/* Collects a message; false: there is no room beside what has collected. */
bool zc_mail_put(struct zc_mail_out *out, const struct zc_mail_head *head,
		 const void *payload);
/* Lets the receiver see what was collected, of which it is to be told by its bell;
 * false: it has not read the last, or there is nothing. */
bool zc_mail_flush(struct zc_mail_out *out);

/* The receiver's side.  Is there something new? */
static inline bool zc_mail_waits(const struct zc_mailbox *box, const u32 *read)
{
	return zc_load_relaxed(&box->version) != zc_load_relaxed(read);
}

/* Takes a buffer; false: there is none, or another receiver was faster. */
bool zc_mail_take(const struct zc_mailbox *box, u32 *read, struct zc_mail_in *in);
/* The next message of it. */
bool zc_mail_next(struct zc_mail_in *in, struct zc_mail_head *head,
		  const void **payload);
/* A receiver's first: what was for a predecessor is not for it. */
void zc_mail_skip(const struct zc_mailbox *box, u32 *read);

#endif /* ZC_LIB_MAIL_H */
