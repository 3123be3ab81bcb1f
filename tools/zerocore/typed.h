/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * typed.h - a typed message as JSON, whatever program wrote it.
 */
#ifndef ZEROCORE_TOOL_TYPED_H
#define ZEROCORE_TOOL_TYPED_H

#include "cli.h"

/*
 * What a held message says that it is: {"imu": {"stamp": 1, ...}}; NULL: it is untyped.
 * Parts without a name are called by their offset.  Tags that make no sense, or more
 * values than anybody reads: {"error": SENTENCE}.  The caller puts it.
 */
struct json_object *typed_json(zc_reader_t *reader, zc_handle_t block);

#endif /* ZEROCORE_TOOL_TYPED_H */
