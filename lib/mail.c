// SPDX-License-Identifier: MIT OR LGPL-2.1
#include "core/killpoint.h"
#include "mail.h"

static u32 zc_mail_bytes(u32 payload)
{
	return (u32)(sizeof(struct zc_mail_head) + payload + 7) & ~7u;
}

void zc_mail_begin(struct zc_mail_out *out, struct zc_mailbox *box,
		   const u32 *read, u32 incarnation)
{
	zc_store_relaxed(&box->bytes[0], 0);
	zc_store_relaxed(&box->bytes[1], 0);
	/* No version that a predecessor had. */
	zc_store_release(&box->version, incarnation << 16);
	/* [P3] it before what is collected; pairs with [P3] in zc_mail_take(). */
	zc_fence_full();
	zc_mail_resume(out, box, read);
	out->first = true;
}

void zc_mail_resume(struct zc_mail_out *out, struct zc_mailbox *box,
		    const u32 *read)
{
	out->box = box;
	out->read = read;
	out->version = zc_load_relaxed(&box->version);
	out->collected = 0;
	out->first = false;
}

bool zc_mail_put(struct zc_mail_out *out, const struct zc_mail_head *head,
		 const void *payload)
{
	u32 bytes = zc_mail_bytes(head->bytes), i;
	u64 words[ZC_MAIL_BYTES / sizeof(u64)] = { 0 }, *to;

	if (out->collected + bytes > ZC_MAIL_BYTES)
		return false;
	memcpy(words, head, sizeof(*head));
	if (head->bytes)
		memcpy((char *)words + sizeof(*head), payload, head->bytes);
	to = (u64 *)&out->box->buffer[(out->version + 1) & 1][out->collected];
	for (i = 0; i < bytes / sizeof(u64); i++)
		zc_store_relaxed(&to[i], words[i]);
	out->collected += bytes;
	ZC_KILLPOINT(mail_collected);
	return true;
}

bool zc_mail_flush(struct zc_mail_out *out)
{
	u32 next = out->version + 1;

	if (!out->collected)
		return false;
	/* [P2] what was copied there before what is stored now. */
	if (!out->first && zc_load_acquire(out->read) != out->version)
		return false;
	zc_store_relaxed(&out->box->bytes[next & 1], out->collected);
	/* [P1] messages before the version; pairs with [P1] in zc_mail_take(). */
	zc_store_release(&out->box->version, next);
	ZC_KILLPOINT(mail_sent);
	out->version = next;
	out->collected = 0;
	out->first = false;
	return true;
}

bool zc_mail_take(const struct zc_mailbox *box, u32 *read, struct zc_mail_in *in)
{
	u32 was = zc_load_relaxed(read), bytes, version, i;
	const u64 *from;

	/* [P1] version before messages. */
	version = zc_load_acquire(&box->version);
	if (version == was)
		return false;
	bytes = zc_load_relaxed(&box->bytes[version & 1]);
	if (bytes > ZC_MAIL_BYTES)
		bytes = 0;	/* nonsense: nothing can be read of it */
	from = (const u64 *)box->buffer[version & 1];
	ZC_KILLPOINT(mail_found);
	for (i = 0; i < bytes / sizeof(u64); i++)
		in->words[i] = zc_load_relaxed(&from[i]);
	in->bytes = bytes;
	in->pos = 0;
	/*
	 * [P3] the copy before the look: a sender that has come since fills any
	 * buffer, without having seen what was read.
	 */
	zc_fence_full();
	if (zc_load_relaxed(&box->version) != version)
		return false;
	/*
	 * [P2] the copy before the sender may use the buffer; pairs with [P2] in
	 * zc_mail_flush().  If another receiver was here, and the sender then in
	 * this buffer, it is not what it was.
	 */
	if (!zc_cas32(read, &was, version))
		return false;
	ZC_KILLPOINT(mail_taken);
	return true;
}

bool zc_mail_next(struct zc_mail_in *in, struct zc_mail_head *head,
		  const void **payload)
{
	const char *at = (const char *)in->words + in->pos;

	if (in->pos + sizeof(*head) > in->bytes)
		return false;
	memcpy(head, at, sizeof(*head));
	if (head->bytes > in->bytes - in->pos - sizeof(*head))
		return false;
	*payload = at + sizeof(*head);
	in->pos += zc_mail_bytes(head->bytes);
	return true;
}

void zc_mail_skip(const struct zc_mailbox *box, u32 *read)
{
	zc_store_release(read, zc_load_acquire(&box->version));
}
