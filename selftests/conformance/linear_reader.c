/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear_reader.c - what a reader got, in its order, and what that says of when messages
 * became readable, and when they were past: see linear.c.
 */
#include "linear_check.h"

#define HOLDS_MAX 64U

struct reader {
	const struct lin_op *join;
	uint64_t start;		/* place that it joined at; 0: unknown */
	uint64_t cursor;
	uint64_t had;		/* last message that it got */
	uint64_t lost;
	uint64_t held[HOLDS_MAX];
	uint32_t held_nr;
};

/* Where a reader's place was when it joined: its first message says so. */
static uint64_t start_of(const struct lin_log *log, uint32_t join)
{
	for (uint32_t i = join + 1; i < log->nr && log->op[i].kind != LIN_LEAVE; i++) {
		const struct lin_op *op = &log->op[i];

		if (op->kind == LIN_POLL && op->ret && op->result == ZC_OK)
			return op->sequence > op->lost ? op->sequence - op->lost : 0;
	}
	return 0;
}

static bool joins(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];

	*r = (struct reader){ 0 };
	if (!op->ret)
		return true;
	if (op->result != ZC_OK)
		return lin_breaks_at(c, LIN_RESULT, l, i, "register");
	r->join = op;
	r->start = r->cursor = start_of(&c->h->log[l], i);
	c->v->joins++;
	if (!r->start)
		return true;
	/* Its place is the first that is not past, less history. */
	if (r->start + op->bytes <= c->nr)
		lin_lower(&c->m[r->start + op->bytes].past_lower, op->call, LIN_JOIN_OLD, l);
	if (r->start > 1 && r->start - 1 <= c->nr)
		lin_upper(&c->m[r->start - 1].past_upper, op->ret, LIN_JOIN_LATE, l);
	return true;
}

/* Of messages that were passed over, the last one tells. */
static bool loses(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];
	uint64_t delta = op->lost - r->lost, last = r->cursor + delta - 1;
	bool optional = r->join->hazard || c->topic->overwrite;
	const struct lin_message *m;

	if (op->lost < r->lost)
		return lin_breaks_at(c, LIN_UNCOUNTED, l, i, "a count that goes down");
	r->lost = op->lost;
	if (!delta || !r->start)
		return true;
	c->v->lost += delta;
	r->cursor += delta;
	if (last > c->nr)
		return lin_breaks_at(c, LIN_UNCOUNTED, l, i, "lost what was never committed");
	lin_upper(&c->m[last].upper, op->ret, LIN_EARLY, l);
	if (!optional && c->topic->on_slow != ZC_ON_SLOW_DROP_OLDEST) {
		/* Only history from before the join may be gone. */
		if (last >= r->start + r->join->bytes)
			return lin_breaks_at(c, LIN_GAP, l, i, "lost what is kept for it");
		lin_upper(&c->m[last].past_upper, r->join->ret, LIN_GAP, l);
	}
	m = &c->m[last];
	if (c->topic->overwrite && c->topic->history &&
	    c->life[m->life].to >= op->ret) {
		/* As long as its writer lives the last ones are there. */
		last += c->topic->history;
		if (last > c->nr)
			return lin_breaks_at(c, LIN_KEPT, l, i, "lost one of the last");
		lin_upper(&c->m[last].upper, op->ret, LIN_KEPT, l);
	}
	return true;
}

static bool finds_nothing(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];
	uint64_t at = r->cursor;

	c->v->empty++;
	if (!r->start) {
		/* At the latest: the first whose commit began after it had joined. */
		uint64_t low = 1, high = c->nr + 1;

		while (low < high) {
			uint64_t mid = (low + high) / 2;

			if (c->m[mid].commit->call > r->join->ret)
				high = mid;
			else
				low = mid + 1;
		}
		at = low + op->lost;
	}
	if (at <= c->nr)
		lin_lower(&c->m[at].lower, op->call, LIN_UNSEEN, l);
	return true;
}

static bool gets(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];
	struct lin_message *m;

	c->v->polled++;
	if (!r->start)
		return lin_breaks_at(c, LIN_UNCOUNTED, l, i, "lost more than there was");
	if (op->sequence <= r->had)
		return lin_breaks_at(c, LIN_AGAIN, l, i, "it has had that");
	if (op->sequence != r->cursor)
		return lin_breaks_at(c, LIN_UNCOUNTED, l, i,
				     "what was passed over is not what was counted");
	if (op->sequence > c->nr)
		return lin_breaks_at(c, LIN_CONTENT, l, i, "nobody committed that");
	m = &c->m[op->sequence];
	if (op->found != m->commit->tag || op->bytes != m->commit->bytes ||
	    op->granule != m->granule)
		return lin_breaks_at(c, LIN_CONTENT, l, i, "is not what was committed");
	lin_upper(&m->upper, op->ret, LIN_EARLY, l);
	if (m->last_use < op->ret)
		m->last_use = op->ret;
	r->had = r->cursor++;
	if (r->held_nr == HOLDS_MAX)
		return lin_breaks_at(c, LIN_RECORD, l, i, "holds too many");
	r->held[r->held_nr++] = op->sequence;
	return true;
}

static bool polls(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];

	switch (op->result) {
	case ZC_OK:
		return loses(c, r, l, i) && gets(c, r, l, i);
	case ZC_ERROR_TIMEOUT:
		return loses(c, r, l, i) && finds_nothing(c, r, l, i);
	case ZC_ERROR_DISCONNECTED:
		if (c->topic->on_slow == ZC_ON_SLOW_DISCONNECT && !r->join->hazard)
			return true;
		/* fallthrough */
	default:
		return lin_breaks_at(c, LIN_RESULT, l, i, "poll");
	}
}

static void used_until(struct lin_check *c, uint64_t sequence, uint64_t at)
{
	if (c->m[sequence].last_use < at)
		c->m[sequence].last_use = at;
}

static bool releases(struct lin_check *c, struct reader *r, uint32_t l, uint32_t i)
{
	const struct lin_op *op = &c->h->log[l].op[i];

	for (uint32_t k = 0; k < r->held_nr; k++) {
		if (r->held[k] != op->sequence)
			continue;
		used_until(c, op->sequence, op->call);
		r->held[k] = r->held[--r->held_nr];
		if (op->found != c->m[op->sequence].commit->tag)
			return lin_breaks_at(c, LIN_CHANGED, l, i,
					     "somebody wrote into a held message");
		if (op->ret && op->result != ZC_OK)
			return lin_breaks_at(c, LIN_RESULT, l, i, "release");
		return true;
	}
	return lin_breaks_at(c, LIN_RECORD, l, i, "releases what it does not hold");
}

static void lets_go(struct lin_check *c, struct reader *r, uint64_t at)
{
	while (r->held_nr)
		used_until(c, r->held[--r->held_nr], at);
	r->join = NULL;
}

bool lin_readers_check(struct lin_check *c, uint32_t l)
{
	const struct lin_log *log = &c->h->log[l];
	struct reader r = { 0 };

	for (uint32_t i = 0; i < log->nr; i++) {
		const struct lin_op *op = &log->op[i];

		if (op->kind == LIN_READER) {
			if (!joins(c, &r, l, i))
				return false;
		} else if (op->kind == LIN_LEAVE) {
			lets_go(c, &r, op->call);
		} else if (op->kind == LIN_POLL || op->kind == LIN_RELEASE) {
			if (!r.join)
				return lin_breaks_at(c, LIN_RECORD, l, i, "is no reader");
			if (op->kind == LIN_RELEASE) {
				if (!releases(c, &r, l, i))
					return false;
			} else if (op->ret && !polls(c, &r, l, i)) {
				return false;
			}
		}
	}
	lets_go(c, &r, log->kill_call);
	return true;
}
