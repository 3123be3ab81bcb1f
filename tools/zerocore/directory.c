/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * directory.c - the services and readers of a pool.
 */
#include "directory.h"

#include <stdio.h>
#include <string.h>

#include "rows.h"

int directory_each_service(zc_pool_t *pool,
			   int (*visit)(zc_pool_t *pool,
					const zc_service_info_t *info,
					void *ctx),
			   void *ctx)
{
	zc_service_info_t info;
	zc_result_t result;
	uint32_t i;
	int status;

	for (i = 0;; i++) {
		memset(&info, 0, sizeof(info));
		info.sz = sizeof(info);
		result = zc_inspect_service(pool, i, &info);
		if (result == ZC_ERROR_INVALID)
			return CLI_OK;
		if (result == ZC_ERROR_NOT_FOUND)
			continue;
		if (result)
			return cli_fail(result, "service %u", i);
		status = visit(pool, &info, ctx);
		if (status)
			return status;
	}
}

int directory_each_reader(zc_pool_t *pool, uint32_t service,
			  int (*visit)(zc_pool_t *pool,
				       const zc_reader_info_t *info, void *ctx),
			  void *ctx)
{
	zc_reader_info_t info;
	zc_result_t result;
	uint32_t i;
	int status;

	for (i = 0;; i++) {
		memset(&info, 0, sizeof(info));
		info.sz = sizeof(info);
		result = zc_inspect_reader(pool, service, i, &info);
		if (result == ZC_ERROR_INVALID)
			return CLI_OK;
		if (result == ZC_ERROR_NOT_FOUND || (!result && !info.active))
			continue;
		if (result)
			return cli_fail(result, "reader %u", i);
		status = visit(pool, &info, ctx);
		if (status)
			return status;
	}
}

static int note_reader(zc_pool_t *pool, const zc_reader_info_t *info, void *ctx)
{
	struct directory *directory = ctx;

	(void)pool;
	if (info->service < DIRECTORY_SERVICES &&
	    info->index < DIRECTORY_READERS)
		directory->reader_pid[info->service][info->index] = info->pid;
	return CLI_OK;
}

static int note_service(zc_pool_t *pool, const zc_service_info_t *info,
			void *ctx)
{
	struct directory *directory = ctx;

	if (info->index >= DIRECTORY_SERVICES)
		return CLI_OK;
	memcpy(directory->service[info->index], info->service,
	       sizeof(info->service));
	directory->writer_pid[info->index] = info->writer_pid;
	return directory_each_reader(pool, info->index, note_reader, ctx);
}

void directory_read(struct directory *directory, zc_pool_t *pool)
{
	memset(directory, 0, sizeof(*directory));
	directory_each_service(pool, note_service, directory);
}

uint32_t directory_state(zc_pool_t *pool, uint32_t state, uint32_t member)
{
	zc_member_info_t m = { .sz = sizeof(m) };

	if (zc_inspect_member(pool, member, &m))
		return state;
	return rows_state(state, m.alive_age_ns);
}

uint32_t directory_silent(zc_pool_t *pool)
{
	uint32_t silent = 0, i;
	zc_result_t result;

	for (i = 0;; i++) {
		zc_member_info_t m = { .sz = sizeof(m) };

		result = zc_inspect_member(pool, i, &m);
		if (!result)
			silent += rows_member_state(&m) == ROWS_SILENT;
		else if (result != ZC_ERROR_NOT_FOUND)
			return silent;
	}
}
