/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * harness_type.h - roles of one service that mean a type.
 */
#ifndef ZC_HARNESS_TYPE_H
#define ZC_HARNESS_TYPE_H

#include <string.h>

#include "harness.h"

#define SERVICE "type/test/one"

static inline zc_result_t try_writer(zc_pool_t *pool, const zc_type_t *type, zc_writer_t **out)
{
	zc_writer_options_t options = ZC_WRITER_OPTIONS_INIT;

	options.service = SERVICE;
	options.type = type;
	return zc_writer_register(pool, &options, out);
}

static inline zc_result_t try_reader(zc_pool_t *pool, const zc_type_t *type, zc_reader_t **out)
{
	zc_reader_options_t options = ZC_READER_OPTIONS_INIT;

	options.service = SERVICE;
	options.type = type;
	options.history = 8;
	return zc_reader_register(pool, &options, out);
}

static inline zc_handle_t acquire(zc_writer_t *writer, size_t bytes)
{
	zc_handle_t handle;

	CHECK_OK(zc_writer_acquire_block(writer, bytes, &handle, t_wait_ns()));
	memset(zc_writer_block_data(writer, handle, NULL), 0xa5, bytes);
	return handle;
}

static inline zc_handle_t poll(zc_reader_t *reader)
{
	zc_handle_t handle;

	CHECK_OK(zc_reader_poll_block(reader, 0, &handle, t_wait_ns()));
	return handle;
}

#endif /* ZC_HARNESS_TYPE_H */
