/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * directory.h - the services and readers of a pool, looked up once: which name
 * and which process stand behind an index.
 */
#ifndef ZEROCORE_DIRECTORY_H
#define ZEROCORE_DIRECTORY_H

#include "cli.h"

/* What the masks of inspect.h have room for. */
#define DIRECTORY_SERVICES 32
#define DIRECTORY_READERS 32

struct directory {
	char service[DIRECTORY_SERVICES][200];	/* "": none */
	uint32_t writer_pid[DIRECTORY_SERVICES];
	uint32_t reader_pid[DIRECTORY_SERVICES][DIRECTORY_READERS]; /* 0: none */
};

void directory_read(struct directory *directory, zc_pool_t *pool);

/*
 * Call @visit for each service; stops when it returns other than CLI_OK, and
 * returns that.
 */
int directory_each_service(zc_pool_t *pool,
			   int (*visit)(zc_pool_t *pool,
					const zc_service_info_t *info,
					void *ctx),
			   void *ctx);

/* The same for the active readers of one service. */
int directory_each_reader(zc_pool_t *pool, uint32_t service,
			  int (*visit)(zc_pool_t *pool,
				       const zc_reader_info_t *info, void *ctx),
			  void *ctx);

/* What a role of @member is shown as, see ROWS_SILENT. */
uint32_t directory_state(zc_pool_t *pool, uint32_t state, uint32_t member);

/* How many members are ROWS_SILENT. */
uint32_t directory_silent(zc_pool_t *pool);

#endif /* ZEROCORE_DIRECTORY_H */
