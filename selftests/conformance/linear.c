/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * linear.c - may a topic have such a history?
 *
 * The model of a topic is a list.  A commit appends to it; a reader has a place in it,
 * which its registration sets and each poll moves on by one.  A run is right when each
 * call can be given a moment, between its call and its return, such that the calls in the
 * order of these moments do in the list what they did in the run.
 *
 * To find such moments is hard in general, for there are many orders to try.  Here there is
 * one: a topic has one writer at a time, and each message says its number.  So what is
 * left to choose is a moment for each append: after the call of the commit, before its
 * return, before the return of each poll that had it, after the call of each poll that
 * found nothing where it was to be.  Each bound is a number; appends go up.  Moments exist
 * exactly if for each message the greatest lower bound of it and of all before it is not
 * above its upper bound: then that greatest one is its moment.  Sorted that is one pass, and
 * exact: no right run is refused, no wrong one passes.
 *
 * Three things are not as in a plain list, and Documentation/ says so:
 *
 *  - A commit has two moments.  First the message can be polled; then it is past, for who
 *    joins from now on.  A reader that joins in between gets it, though another had it
 *    before.  The second moment has bounds of its own: the calls and returns of
 *    registrations.  Readers with history may begin that much earlier.
 *  - A killed writer's last commit has both moments or none, which the number that its
 *    successor begins with tells; the first moment is before its death, the second before
 *    the successor's registration returns.
 *  - Where messages may be lost, the count of them moves the place on.
 *
 * A reader that got nothing at all has no known place: it is judged by the first message that
 * was committed after it had joined, which refuses no right run but may let a wrong one pass.
 *
 * Beside the order: content and claims do not change in somebody's hands, and no memory has
 * two owners, nor an owner and a reader of what was there before (linear_place.c).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linear_check.h"

static const char *const rule_names[LIN_RULES] = {
	"ok", "record", "result", "two writers", "number", "content", "again",
	"uncounted", "gap", "kept", "early", "unseen", "join old", "join late",
	"changed", "twice",
};

const char *lin_rule_name(enum lin_rule rule)
{
	return (unsigned int)rule < LIN_RULES ? rule_names[rule] : "?";
}

bool lin_breaks(struct lin_check *c, enum lin_rule rule, const char *fmt, ...)
{
	va_list ap;
	int at = snprintf(c->v->text, sizeof(c->v->text), "%s: topic %u: ",
			  lin_rule_name(rule), c->topic_idx);

	va_start(ap, fmt);
	vsnprintf(c->v->text + at, sizeof(c->v->text) - (size_t)at, fmt, ap);
	va_end(ap);
	c->v->rule = rule;
	return false;
}

bool lin_breaks_at(struct lin_check *c, enum lin_rule rule, uint32_t log, uint32_t op,
		   const char *what)
{
	const struct lin_op *o = &c->h->log[log].op[op];

	return lin_breaks(c, rule,
			  "log %u, call %u (%llu to %llu): %s; number %llu, found %llx, lost %llu, granule %u, %u bytes, result %d",
			  log, op, (unsigned long long)o->call, (unsigned long long)o->ret,
			  what, (unsigned long long)o->sequence, (unsigned long long)o->found,
			  (unsigned long long)o->lost, o->granule, o->bytes, o->result);
}

void lin_lower(struct lin_bound *b, uint64_t at, enum lin_rule rule, uint32_t log)
{
	if (at > b->at)
		*b = (struct lin_bound){ at, rule, log };
}

void lin_upper(struct lin_bound *b, uint64_t at, enum lin_rule rule, uint32_t log)
{
	if (at < b->at)
		*b = (struct lin_bound){ at, rule, log };
}

/* By when all can see what a call stored. */
static uint64_t seen_by(const struct lin_log *log, uint32_t op)
{
	if (log->op[op].ret && !log->op[op].loose)
		return log->op[op].ret;
	if (op + 1 < log->nr && log->op[op + 1].ret)
		return log->op[op + 1].ret;
	return log->kill_ret ? log->kill_ret : UINT64_MAX;
}

/* Until when a process certainly had a role that was registered by call @op. */
static uint64_t has_until(const struct lin_log *log, uint32_t op, uint32_t *end)
{
	uint32_t i = op + 1;

	while (i < log->nr && log->op[i].kind != LIN_LEAVE)
		i++;
	*end = i;
	if (i < log->nr)
		return log->op[i].call;
	return log->kill_call ? log->kill_call : UINT64_MAX;
}

/* Calls of a process come one after the other, and only a killed one breaks off. */
static bool check_log(struct lin_check *c, uint32_t l)
{
	const struct lin_log *log = &c->h->log[l];
	uint64_t at = 0;

	for (uint32_t i = 0; i < log->nr; i++) {
		const struct lin_op *op = &log->op[i];

		if (op->call < at || (op->ret && op->ret < op->call))
			return lin_breaks_at(c, LIN_RECORD, l, i, "times go back");
		if (!op->ret && (i + 1 < log->nr || !log->kill_ret))
			return lin_breaks_at(c, LIN_RECORD, l, i, "did not return");
		at = op->ret;
	}
	if (log->kill_ret && (log->kill_call > log->kill_ret || at > log->kill_ret))
		return lin_breaks(c, LIN_RECORD, "log %u: goes on after its death", l);
	return true;
}

static int by_from(const void *a, const void *b)
{
	const struct lin_life *x = a, *y = b;

	return (x->from > y->from) - (x->from < y->from);
}

/* The writers of a topic in the order of their lives. */
static bool find_lives(struct lin_check *c)
{
	c->lives = 0;
	for (uint32_t l = 0; l < c->h->logs; l++) {
		const struct lin_log *log = &c->h->log[l];

		for (uint32_t i = 0; log->topic == c->topic_idx && i < log->nr; i++) {
			const struct lin_op *op = &log->op[i];
			struct lin_life *life;

			if (op->kind != LIN_WRITER || !op->ret)
				continue;
			if (op->result == ZC_ERROR_BUSY)
				continue;
			if (op->result != ZC_OK)
				return lin_breaks_at(c, LIN_RESULT, l, i, "register");
			c->life = realloc(c->life, (c->lives + 1) * sizeof(*life));
			if (!c->life)
				abort();
			life = &c->life[c->lives++];
			*life = (struct lin_life){ .log = l, .first = i, .from = op->ret,
					       .next = op->sequence };
			life->to = has_until(log, i, &life->end);
		}
	}
	if (c->lives)
		qsort(c->life, c->lives, sizeof(*c->life), by_from);
	for (uint32_t i = 0; i + 1 < c->lives; i++)
		if (c->life[i + 1].from < c->life[i].to)
			return lin_breaks_at(c, LIN_TWO_WRITERS, c->life[i + 1].log,
					     c->life[i + 1].first,
					     "registers while there is another");
	return true;
}

static bool somebody_had(struct lin_check *c, uint64_t sequence)
{
	for (uint32_t l = 0; l < c->h->logs; l++) {
		const struct lin_log *log = &c->h->log[l];

		for (uint32_t i = 0; log->topic == c->topic_idx && i < log->nr; i++)
			if (log->op[i].kind == LIN_POLL && log->op[i].ret &&
			    log->op[i].result == ZC_OK &&
			    log->op[i].sequence == sequence)
				return true;
	}
	return false;
}

static bool append(struct lin_check *c, uint32_t k, uint32_t l, uint32_t i)
{
	const struct lin_log *log = &c->h->log[l];
	const struct lin_op *op = &log->op[i];
	struct lin_message *m = &c->m[++c->nr];
	uint64_t by = seen_by(log, i), past = by;
	uint32_t acquire = (uint32_t)op->tag - 1;

	if (op->tag >> 32 != l + 1U || acquire >= i ||
	    log->op[acquire].kind != LIN_ACQUIRE)
		return lin_breaks_at(c, LIN_RECORD, l, i, "commits what it did not acquire");
	if (!op->ret && k + 1 < c->lives)
		past = c->life[k + 1].from;
	*m = (struct lin_message){
		.commit = op, .life = k, .granule = log->op[acquire].granule,
		.lower = { op->call, LIN_OK, l }, .upper = { by, LIN_RECORD, l },
		.past_lower = { op->call, LIN_OK, l },
		.past_upper = { past, LIN_RECORD, l }, .last_use = op->call,
	};
	c->v->messages++;
	return true;
}

/* All messages, by the numbers that their writers say. */
static bool find_messages(struct lin_check *c)
{
	uint64_t room = 1;

	for (uint32_t k = 0; k < c->lives; k++)
		room += c->life[k].end - c->life[k].first;
	free(c->m);
	c->m = calloc(room, sizeof(*c->m));
	c->nr = 0;
	for (uint32_t k = 0; k < c->lives; k++) {
		const struct lin_life *life = &c->life[k];
		const struct lin_log *log = &c->h->log[life->log];

		if (life->next != c->nr + 1)
			return lin_breaks_at(c, LIN_NUMBER, life->log, life->first,
					     "does not go on where its predecessor ended");
		for (uint32_t i = life->first + 1; i < life->end; i++) {
			const struct lin_op *op = &log->op[i];

			if (op->kind != LIN_COMMIT)
				continue;
			if (op->found != op->tag)
				return lin_breaks_at(c, LIN_CHANGED, life->log, i,
						     "somebody wrote into a claimed block");
			if (!op->ret) {
				bool there = k + 1 < c->lives ?
					c->life[k + 1].next == c->nr + 2 :
					somebody_had(c, c->nr + 1);

				c->v->cut_there += there;
				c->v->cut_gone += !there;
				if (!there)
					continue;
			} else if (op->result != ZC_OK) {
				return lin_breaks_at(c, LIN_RESULT, life->log, i, "commit");
			} else if (op->sequence != c->nr + 1) {
				return lin_breaks_at(c, LIN_NUMBER, life->log, i,
						     "another number than its own");
			}
			if (!append(c, k, life->log, i))
				return false;
		}
	}
	return true;
}

/* --- do the bounds leave a moment? ------------------------------------------------------ */

static bool fits(struct lin_check *c, uint64_t s, const char *which, const struct lin_bound *low,
		 const struct lin_bound *up)
{
	if (low->at <= up->at)
		return true;
	return lin_breaks(c, low->rule ? low->rule : up->rule,
			  "message %llu %s after %llu (%s, log %u), before %llu (%s, log %u)",
			  (unsigned long long)s, which, (unsigned long long)low->at,
			  low->rule ? lin_rule_name(low->rule) : "commit", low->log,
			  (unsigned long long)up->at,
			  up->rule == LIN_RECORD ? "return" : lin_rule_name(up->rule), up->log);
}

static bool check_moments(struct lin_check *c)
{
	struct lin_bound low = { 0 }, past = { 0 };

	for (uint64_t s = 1; s <= c->nr; s++) {
		struct lin_message *m = &c->m[s];
		struct lin_bound up = m->upper;

		/* What is past was readable. */
		lin_upper(&up, m->past_upper.at, m->past_upper.rule, m->past_upper.log);
		lin_lower(&low, m->lower.at, m->lower.rule, m->lower.log);
		if (!fits(c, s, "is readable", &low, &up))
			return false;
		lin_lower(&past, low.at, low.rule, low.log);
		lin_lower(&past, m->past_lower.at, m->past_lower.rule, m->past_lower.log);
		if (!fits(c, s, "is past", &past, &m->past_upper))
			return false;
	}
	return true;
}

static bool check_topic(struct lin_check *c)
{
	if (!find_lives(c) || !find_messages(c))
		return false;
	for (uint32_t l = 0; l < c->h->logs; l++)
		if (c->h->log[l].topic == c->topic_idx && !lin_readers_check(c, l))
			return false;
	return check_moments(c);
}

bool lin_check(const struct lin_history *h, struct lin_verdict *v)
{
	struct lin_check c = { .h = h, .v = v };
	struct lin_use *use;
	size_t uses = 0;
	bool good = true;

	memset(v, 0, sizeof(*v));
	for (uint32_t l = 0; good && l < h->logs; l++) {
		c.topic_idx = h->log[l].topic;
		good = check_log(&c, l);
		v->calls += h->log[l].nr;
		v->deaths += h->log[l].kill_ret != 0;
	}
	use = calloc(v->calls + 1, sizeof(*use));
	for (uint32_t t = 0; good && t < h->topics; t++) {
		c.topic_idx = t;
		c.topic = &h->topic[t];
		good = check_topic(&c);
		if (good)
			uses += lin_uses_add(&c, use + uses);
	}
	good = good && lin_uses_check(&c, use, uses);
	free(use);
	free(c.m);
	free(c.life);
	return good;
}
