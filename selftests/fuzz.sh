#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# fuzz.sh - the fuzz targets: what is in selftests/fuzz/corpus/, then new inputs
#
# Usage: selftests/fuzz.sh [SECONDS]      for each target; 5 without
#
# What was found to go further stays in build/fuzz/corpus/, for the next time; an input
# that makes a target fail is left in build/fuzz/found/.  One target with one input:
# build/fuzz/fuzz/fuzz_ring FILE.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
seconds=${1:-5}
case $seconds in
'' | *[!0-9]*)
	echo "fuzz.sh: '$seconds' is no number of seconds" >&2
	exit 2
	;;
esac
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

for source in selftests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	target=build/fuzz/fuzz/$name
	number=$((number + 1))
	if [ ! -x "$target" ]; then
		echo "not ok $number - $name"
		echo "# there is no $target: make fuzzers"
		failures=$((failures + 1))
		continue
	fi
	mkdir -p "build/fuzz/corpus/$name" build/fuzz/found
	seeds=()
	[ -d "selftests/fuzz/corpus/$name" ] && seeds=("selftests/fuzz/corpus/$name")
	if ASAN_OPTIONS=abort_on_error=0 "$target" -max_total_time="$seconds" -timeout=60 \
		-rss_limit_mb=4096 -max_len=1024 -len_control=0 -print_final_stats=1 -verbosity=1 \
		-artifact_prefix="build/fuzz/found/$name-" \
		"build/fuzz/corpus/$name" "${seeds[@]}" >"$tmp/out" 2>&1; then
		echo "ok $number - $name"
		sed -n 's/^stat::number_of_executed_units: */# inputs: /p' "$tmp/out"
	else
		echo "not ok $number - $name"
		tail -n 40 "$tmp/out" | sed 's/^/# /'
		failures=$((failures + 1))
	fi
done

echo "1..$number"
[ "$failures" = 0 ]
