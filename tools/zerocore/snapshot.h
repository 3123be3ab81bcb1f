/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * snapshot.h - all that is to be seen of a pool at one time, and how fast it changed
 * since another.
 */
#ifndef ZEROCORE_SNAPSHOT_H
#define ZEROCORE_SNAPSHOT_H

#include "cli.h"
#include "rows.h"

/* What inspect.h has indexes for. */
#define SNAPSHOT_SERVICES 32
#define SNAPSHOT_READERS 32
#define SNAPSHOT_CLEANERS 8
#define SNAPSHOT_MEMBERS 1152

/* What a granule is. */
enum memory_state {
	MEMORY_FREE,
	MEMORY_CLAIMED,		/* a writer's, and not published */
	MEMORY_COMMITTED,
	MEMORY_CLEANING,	/* being taken back, merged or removed */
	MEMORY_ORPHANED,	/* of a dead writer, and still held */
	MEMORY_STATES
};

extern const char *const memory_names[MEMORY_STATES + 1];
enum memory_state memory_state_of(const zc_inspect_block_t *run);

/* Granules of each state; what the walk did not see is in none. */
struct memory_cell {
	uint64_t granules[MEMORY_STATES];
};

enum pressure { PRESSURE_OK, PRESSURE_LOW, PRESSURE_HIGH, PRESSURE_CRITICAL };
extern const char *const pressure_names[];

struct snapshot_service {
	zc_service_info_t info;		/* first: service_fields apply */
	char comm[16];
	uint64_t lag;			/* of the slowest reader that it waits for */
	char waits[32];			/* for what; "-": not seen to wait */
	char uses[64];			/* used bytes, and of how many */
	char keeps[24];			/* history, or what a slow reader gets */
	double messages_per_s;
	double bytes_per_s;
};

struct snapshot_reader {
	zc_reader_info_t info;		/* first: reader_fields apply */
	char service[200];
	char comm[16];
	char state[24];
	double messages_per_s;
};

struct snapshot {
	uint64_t time_ns;		/* zc_timestamp() */
	uint64_t interval_ns;		/* since the one before; 0: none */
	zc_pool_info_t pool;		/* as it was when it was opened */
	zc_pool_load_t load;
	enum pressure pressure;
	double used_percent;
	uint32_t blocked;		/* writers that a reader at its limit stops */
	uint32_t silent;		/* members without a recent heartbeat */

	/* By a walk, which may be older than the rest. */
	uint64_t walked_ns;		/* when; 0: never */
	uint64_t walk_ns;		/* how long it took */
	bool whole;			/* it did not lose its way */
	uint64_t runs;
	uint64_t largest_free;		/* granules */
	uint64_t granules;		/* of the pool then */
	uint64_t segment;		/* that the walk is in */
	uint64_t before;		/* granules of those before it */
	struct memory_cell memory;
	struct memory_cell *cells;	/* slices of the pool, @cells_nr of them */
	uint32_t cells_nr;

	uint32_t services_nr;
	uint32_t readers_nr;
	uint32_t cleaners_nr;
	uint32_t members_nr;
	struct snapshot_service service[SNAPSHOT_SERVICES];
	struct snapshot_reader reader[SNAPSHOT_SERVICES * SNAPSHOT_READERS];
	zc_cleaner_info_t cleaner[SNAPSHOT_CLEANERS];
	struct rows_member member[SNAPSHOT_MEMBERS];
};

struct snapshot *snapshot_new(void);
void snapshot_free(struct snapshot *s);

/* All of a pool, once: what follows in one. */
zc_result_t snapshot_take(struct snapshot *s, zc_pool_t *pool);

/* All but the walk.  @pool: as it was opened; rates are 0. */
zc_result_t snapshot_read(struct snapshot *s, zc_pool_t *pool);

/* The walk.  @cells: how many slices are wanted, 0: none. */
zc_result_t snapshot_walk(struct snapshot *s, zc_pool_t *pool, uint32_t cells);
/* Takes the walk of @from over. */
void snapshot_walk_move(struct snapshot *s, struct snapshot *from);

/* What @s does a second, since @before. */
void snapshot_rates(struct snapshot *s, const struct snapshot *before);

/* Adds load, memory, services, readers, cleaners and members to @o. */
void snapshot_json(const struct snapshot *s, struct json_object *o);

#endif /* ZEROCORE_SNAPSHOT_H */
