/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * unit.h - what the unit tests share: checks, random numbers, pools by hand.
 */
#ifndef ZC_SELFTESTS_UNIT_H
#define ZC_SELFTESTS_UNIT_H

/*
 * Criterion's runner cannot live with ThreadSanitizer: both want their own places
 * in the address space; and under qemu-user it cannot start a test.  There, plain.c
 * runs the tests.
 */
#if defined(ZC_TSAN) && !defined(ZC_PLAIN)
#define ZC_PLAIN
#endif
#ifndef ZC_PLAIN
#include <criterion/criterion.h>
#endif

#include "core/geometry.h"
#include "core/moves.h"
#include "core/reaper.h"
#include "core/reclaim.h"
#include "core/ring.h"
#include "core/run.h"
#include "core/service.h"
#include "core/view.h"
#include "core/word.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Checks.  Criterion tells its runner about every assertion that holds, which
 * is too dear in a loop; and a check must also work in the children of step.h.
 * A failed one ends the test.  For the test's main thread only.
 */
_Noreturn void unit_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define must(cond)                                                            \
	do {                                                                  \
		if (!(cond))                                                  \
			unit_fail(__FILE__, __LINE__, "%s", #cond);           \
	} while (0)

#define must_eq(got, want)                                                    \
	do {                                                                  \
		unsigned long long got_ = (unsigned long long)(got);          \
		unsigned long long want_ = (unsigned long long)(want);        \
                                                                              \
		if (got_ != want_)                                            \
			unit_fail(__FILE__, __LINE__,                         \
				  "%s is %llu (0x%llx), must be %s = %llu (0x%llx)", \
				  #got, got_, got_, #want, want_, want_);     \
	} while (0)

/* For functions that return NULL or a sentence about what is wrong. */
#define must_ok(call)                                                         \
	do {                                                                  \
		const char *wrong_ = (call);                                  \
                                                                              \
		if (wrong_)                                                   \
			unit_fail(__FILE__, __LINE__, "%s: %s", #call, wrong_); \
	} while (0)

/* In a child of step.h a failure goes to its parent through this pipe. */
extern int unit_fail_fd;

/* Ends the test: it cannot be done here. */
_Noreturn void unit_skip(const char *why);

#ifdef ZC_PLAIN
struct unit_test {
	const char *name;
	void (*run)(void);
};

#define Test(suite, behaviour)                                                \
	static void suite##_##behaviour(void);                                \
	static const struct unit_test suite##_##behaviour##_test = {          \
		#suite "::" #behaviour, suite##_##behaviour                   \
	};                                                                    \
	__attribute__((used, section("unit_tests"))) static const struct      \
		unit_test *const suite##_##behaviour##_ptr =                  \
			&suite##_##behaviour##_test;                          \
	static void suite##_##behaviour(void)
#endif

/* --- random numbers ------------------------------------------------------- */

struct unit_random {
	u64 state;
};

/* Seeded from $ZC_SEED, else from the clock; a failure tells the seed. */
void unit_random_init(struct unit_random *random);
u64 unit_random_next(struct unit_random *random);
/* 0 .. n - 1 */
static inline u32 unit_random_below(struct unit_random *random, u32 n)
{
	return (u32)((unit_random_next(random) >> 32) * n >> 32);
}

/* Two names of services that have one hash. */
#define UNIT_TWIN_A "a/b/zkfeli"
#define UNIT_TWIN_B "a/b/ufxqpw"

/* --- a pool by hand ---------------------------------------------------------- */

/* Control memory, formatted as at creation, without files. */
struct unit_pool {
	struct zc_geometry geometry;
	struct zc_view view;
	void *control;
	u32 segments;
};

/* 1024 granules of 64 bytes a segment, 16 a stripe; 16 ring entries, 9 holds:
 * two of them overflow. */
#define UNIT_SEGMENT_GRANULES 1024U
#define UNIT_STRIPE (UNIT_SEGMENT_GRANULES / ZC_STRIPES)
#define UNIT_RING 16U
#define UNIT_HOLDS 9U

void unit_pool_init(struct unit_pool *p, u32 segments);
void unit_pool_init_with(struct unit_pool *p,
			 const struct zc_geometry_request *request);
void unit_pool_fini(struct unit_pool *p);

/* Who has how many granules. */
struct unit_tally {
	u64 free;		/* nobody's */
	u64 claimed;		/* FREE with owner */
	u64 using;
	u64 clean;
	u32 runs;
};

/*
 * Do the runs of each segment tile it?  Written without zc_walk_step(), which it
 * is there to judge.  @tally may be NULL.
 */
const char *unit_tiling(const struct unit_pool *p, struct unit_tally *tally);
/* At rest: does every hint say the truth? */
const char *unit_hints(const struct unit_pool *p);
/* At rest: are free runs within stripes, is no granule inside a free run, at
 * which a lost walk may arrive, to be believed? */
const char *unit_free_runs(const struct unit_pool *p);

static inline u64 unit_word(const struct unit_pool *p, u32 granule)
{
	return zc_load_acquire(&p->view.descs[granule].word);
}

/* Claims exactly @granules at @granule, splitting as need be. */
void unit_claim(struct unit_pool *p, u32 granule, u32 granules, u32 owner);
/* What a writer does in acquire and commit. Returns the sequence. */
u64 unit_commit(struct unit_pool *p, u32 w, u32 granule, u32 granules);

/* --- lives ------------------------------------------------------------------- */

/* Member @m is LIVE, one incarnation on. Returns the word. */
u64 unit_member_join(struct unit_pool *p, u32 m);
/* Writer slot @w is LIVE, of member @m. Returns the incarnation. */
u32 unit_writer_join(struct unit_pool *p, u32 w, u32 m);
/* Reader @r of @w joins, of member @m, with these ZC_READER_* flags. */
u32 unit_reader_join(struct unit_pool *p, u32 w, u32 r, u32 m, u32 flags);
void unit_reader_leave(struct unit_pool *p, u32 w, u32 r);
/* The reader takes its next message into hold @idx. Returns its sequence. */
u64 unit_reader_take(struct unit_pool *p, u32 w, u32 r, u32 idx);
void unit_hold(struct unit_pool *p, u32 w, u32 r, u32 idx, u64 sequence);
void unit_declare_dead(struct unit_pool *p, u32 m, u64 now_ns);

/* --- a reaper with a clock of its own ---------------------------------------- */

struct unit_reaper {
	struct zc_reaper reaper;
	struct zc_reaper_ops ops;
	u64 now_ns;
	u32 wakes[ZC_MAX_WRITERS];
	u32 told[ZC_MAX_MEMBERS];
	/* Called once, from the next ops->now_ns(), then forgotten. */
	void (*in_between)(void *ctx);
	void *ctx;
};

void unit_reaper_init(struct unit_reaper *r, u64 now_ns);
/* To the end, @budget heads at a time. Returns the number of slices. */
u32 unit_reap(struct unit_pool *p, struct unit_reaper *r, u32 budget);

#endif /* ZC_SELFTESTS_UNIT_H */
