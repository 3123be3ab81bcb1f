#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# check.sh - what of lib/ the unit, conformance and crash tests run: make coverage
#
# Usage: selftests/coverage/check.sh [-k]    -k: count on from the last run
#
# Leaves build/coverage/index.html (each line and branch), summary.txt (by folder and
# file) and missing.txt (what is neither covered nor listed, in the form of a list).
#
# Processes that are killed write no counters, on purpose: who came into a function
# and did not leave it would count for the branch that the compiler gives no counter
# of its own.  Those who leave by t_leave(), and the children of step.h that go on,
# write theirs; counters are added up by process, so a child that is forked in the
# middle of a function has all of them.
# run.sh: limit 3600
# run.sh: alone
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
folder=$PWD/build/coverage
scripts=selftests/coverage
keep=
[ "${1:-}" != -k ] || keep=yes
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT

# shellcheck source=selftests/vm/guest/guest.sh disable=SC1091
. selftests/vm/guest/guest.sh

tools/deps.sh coverage >"$tmp/deps" 2>&1 || {
	sed 's/^/# /' "$tmp/deps"
	echo "1..0 # SKIP packages are missing"
	exit 0
}
for tool in llvm-cov llvm-profdata; do
	command -v "$tool" >/dev/null && continue
	echo "1..0 # SKIP there is no $tool"
	exit 0
done

[ -n "$keep" ] || rm -rf "$folder"
# Tests that drop their rights must be able to count.
mkdir -p "$folder/counts" && chmod 1777 "$folder/counts" || exit 1

# The coverage build is slow, and its tests must not fail for that.
tests_pass()
{
	ZC_TEST_SLOW=4 LLVM_PROFILE_FILE=$folder/counts/%m.profraw \
		selftests/run.sh -j "${CHECK_JOBS:-2}" -t 3600 -l "$folder/log" \
		'build/cov/tests/unit --tap=- --timeout 600' \
		build/cov/tests/crash/test_* build/cov/tests/conformance/test_*
}

counted()
{
	llvm-profdata merge -sparse -o "$folder/all.profdata" "$folder"/counts/*.profraw
}

# The library has all of lib/; the unit tests, copies of inline functions.
objects=(build/cov/lib/libzerocore.so -object build/cov/tests/unit)
pictures()
{
	llvm-cov export "${objects[@]}" -instr-profile="$folder/all.profdata" \
		>"$folder/export.json" &&
	llvm-cov show "${objects[@]}" -instr-profile="$folder/all.profdata" \
		-format=html -show-branches=count -output-dir="$folder" \
		-ignore-filename-regex='(selftests|include)/'
}

check tests_pass tests_pass
check counters_are_there counted
check report_is_made pictures
prove "$scripts/report.py" "$folder/export.json" "$scripts"/*.uncovered
"$scripts/report.py" --summary "$folder/export.json" >"$folder/summary.txt"
"$scripts/report.py" --list "$folder/export.json" "$scripts"/*.uncovered \
	>"$folder/missing.txt"
echo "# build/coverage/index.html, summary.txt, missing.txt"
done_testing
