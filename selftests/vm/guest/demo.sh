#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# demo.sh - the demo, in a guest: demo.sh FOLDER
#
# Of the tools that it calls, those of /vm/tools/bin are the real ones.
export PATH="/vm/tools/bin:$PATH" ZEROCORE_BACKEND=device ZC_DEMO_LIMIT_S=900
# shellcheck disable=SC2016 # bash expands it; a terminal would get a line of progress
exec bash -c 'set -o pipefail; tools/demo.sh "$@" 2>&1 | cat' demo.sh "$@"
