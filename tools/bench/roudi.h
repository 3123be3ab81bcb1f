/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * roudi.h - iceoryx's daemon, as a child with a /tmp and a /dev/shm of its own.
 *
 * Its names there are fixed: in a mount namespace it meets no other daemon, and
 * all that it leaves behind goes with its last process.
 */
#ifndef ZEROCORE_BENCH_ROUDI_H
#define ZEROCORE_BENCH_ROUDI_H

#include <stdbool.h>
#include <stddef.h>

/* Starts it, once for all who ask; false: @why says why not. */
bool roudi_begin(char *why, size_t bytes);
/* It hangs: kills it, and starts another, with nothing of what there was. */
bool roudi_begin_again(char *why, size_t bytes);
/* Ends it when the last who asked is done. */
void roudi_finish(void);
/* Its pid, 0: it does not run. */
int roudi_pid(void);
/* In a worker with one thread: from here on it sees what the daemon sees. */
void roudi_join(void);

#endif /* ZEROCORE_BENCH_ROUDI_H */
