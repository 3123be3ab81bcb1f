#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# mutants.sh - the mutants of selftests/mutants/ still fit the code
#
# That each is noticed takes long: make check-long.
exec "$(dirname "${BASH_SOURCE[0]}")/mutants/run.py" --fits
