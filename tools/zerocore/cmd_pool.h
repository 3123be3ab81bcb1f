/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * cmd_pool.h - what the verbs of `zerocore pool` share.
 */
#ifndef CMD_POOL_H
#define CMD_POOL_H

#include "cli.h"

extern const char *const cmd_pool_backends[];

const char *cmd_pool_backend(zc_backend_t backend);
const char *cmd_pool_pages(zc_pages_t pages);

/* Prints a pool's geometry and use.  Returns the exit code. */
int cmd_pool_show(zc_pool_t *pool, const char *name);
int cmd_pool_create(int argc, char **argv);
int cmd_pool_grow(int argc, char **argv);
int cmd_pool_shrink(int argc, char **argv);

#endif /* CMD_POOL_H */
