/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * watch.h - epoll(7) over a process's readers, for peers that have descriptors.
 */
#ifndef ZEROCORE_BENCH_WATCH_H
#define ZEROCORE_BENCH_WATCH_H

#include <stdint.h>

/* @fd_of: the descriptor of a reader, readable while it has something. */
void *watch_new(void *const *in, uint32_t nr, int (*fd_of)(void *end));
/* As struct peer's @await. */
uint32_t watch_await(void *watch, uint32_t *ready, uint32_t max);

#endif /* ZEROCORE_BENCH_WATCH_H */
