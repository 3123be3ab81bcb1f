/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench_recovery.h - who takes part in "zerocore bench recovery".
 *
 * The controller (the command itself) opens no pool: it forks one victim after
 * the other, kills it, and watches it die.  The survivor is one process that
 * lives through all kills: it is the writer, or the reader, on the victim's
 * other side, and finds out how soon all memory is acquirable again.
 */
#ifndef ZEROCORE_TOOL_BENCH_RECOVERY_H
#define ZEROCORE_TOOL_BENCH_RECOVERY_H

#include "bench_run.h"

#include <zerocore/zerocore.h>

#define RECOVERY_SERVICE "bench/recovery/data"
#define RECOVERY_OTHER "bench/other/data"
#define RECOVERY_MESSAGES 10U		/* a writer commits before it is killed */
#define RECOVERY_INFLIGHT 16U		/* of a victim in a busy life */
#define RECOVERY_SMALL 65536U		/* largest message of a busy life */
#define RECOVERY_PATIENCE_NS 20000000000ULL

/* How far a kill is.  Each stage is entered by one process. */
enum recovery_stage {
	RECOVERY_START = 0,	/* controller: the victim is on its way */
	RECOVERY_READY = 1,	/* reader victim: registered */
	RECOVERY_HOLDING = 2,	/* victim: holds what it is to hold */
	RECOVERY_FULL = 3,	/* survivor: has all the rest of the pool */
	RECOVERY_DEAD = 4,	/* controller: the victim is no more */
	RECOVERY_DONE = 5,	/* survivor: all is acquirable, and verified */
	RECOVERY_STAGES = 8
};

/* In shared memory. */
struct recovery {
	bool writer;		/* the victim is one */
	bool random;
	uint64_t kills;
	uint64_t bytes;		/* of the pool */
	uint64_t size;		/* of a block */
	uint32_t held;
	int parent_pid;

	uint32_t step;		/* kill number * STAGES + stage; futex word */
	uint32_t failed;
	char error[512];
	char pool[48];

	bool realtime;		/* controller and survivor */
	uint32_t victim_pid;
	uint64_t dead_ns;	/* its files are being closed */
	uint64_t free_ns;	/* the survivor has acquired all there is */

	/* Sequences that writer victims were about to commit, and had. */
	uint64_t intent;
	uint64_t done;

	/* The survivor's books. */
	uint64_t whole;		/* blocks that an idle pool gives */
	uint64_t messages;
	uint64_t wrong;
	uint64_t lost;
	uint64_t events;
	uint64_t event_blocks;
	uint64_t event_bytes;
	zc_check_report_t check;
};

#define RECOVERY_UNIT_NS 10.0		/* of a sample: 42 s fit */

/* One of each per kill. */
struct recovery_samples {
	uint32_t *kill_to_dead;
	uint32_t *dead_to_free;
	uint32_t *kill_to_free;
};

/*
 * Kills as @options say.  Returns an exit code; where it is not 0, a sentence went
 * to stderr.  @rc and @samples go to recovery_drop() in any case.
 */
int recovery_measure(const struct bench_options *options, struct recovery **rc,
		     struct recovery_samples *samples);
void recovery_drop(struct recovery *rc, struct recovery_samples *samples);

/* Nothing leaked, lost or wrong? */
bool recovery_clean(const struct recovery *rc);

/* Enters stage @stage of kill @kill, and wakes who waits for it. */
void recovery_enter(struct recovery *rc, uint64_t kill,
		    enum recovery_stage stage);
/* Has it been entered? */
bool recovery_reached(const struct recovery *rc, uint64_t kill,
		      enum recovery_stage stage);
/* Waits for it; false when the other side failed or @limit_ns are over. */
bool recovery_wait(struct recovery *rc, uint64_t kill,
		   enum recovery_stage stage, uint64_t limit_ns);

/* Ends this process, with a sentence for the controller. */
void recovery_fail(struct recovery *rc, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void recovery_zc_fail(struct recovery *rc, const char *what,
		      zc_result_t result) __attribute__((noreturn));

/* What the processes do; they end by _exit(). */
void recovery_victim(struct recovery *rc, uint64_t kill)
	__attribute__((noreturn));
void recovery_survivor(struct recovery *rc) __attribute__((noreturn));

/* A small generator: kills, sizes and orders differ from kill to kill. */
static inline uint64_t recovery_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

#endif /* ZEROCORE_TOOL_BENCH_RECOVERY_H */
