/* SPDX-License-Identifier: MIT OR LGPL-2.1 */
/*
 * bench.h - the benchmarks of the command: zerocore bench NAME.
 */
#ifndef ZEROCORE_TOOL_BENCH_H
#define ZEROCORE_TOOL_BENCH_H

/* argv[0] is "bench"; returns the exit code of the command. */
int cmd_bench(int argc, char **argv);

#endif /* ZEROCORE_TOOL_BENCH_H */
