#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# coverage.sh - how much of the module ran: what guest/gcov.sh left, as TAP
#
# Usage: selftests/vm/coverage.sh DISK BUILD...    BUILD: where the module was built
#
# The counters of each part of the tests and each build are in a folder of their own:
# kmod-main.gcda of the build in build/module/V is 1/V/kmod-main.gcda.  What no list knows goes to build/coverage/kmod.missing.
set -euo pipefail

[ $# -ge 2 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
top=$PWD
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

mkdir -p build/coverage "$tmp/counters"
tar -x -f "$1" -C "$tmp/counters"
shift
for build in "$@"; do
	build=$(realpath "$build")
	for part in "$tmp"/counters/[0-9]*; do
		mkdir -p "$part/${build##*/}/said"
		cd "$part/${build##*/}/said"
		for notes in "$build"/kmod/*.gcno "$build"/lib/core/*.gcno; do
			file=${notes#"$build/"}
			file=${file%.gcno}
			folder=${file%/*}
			counters=$part/${build##*/}/${folder##*/}-${file##*/}.gcda
			mkdir -p "$file"
			cp "$notes" "$file/${file##*/}.gcno"
			# Without them nothing of it ran, or it only asserts and has no code.
			[ ! -e "$counters" ] || cp "$counters" "$file/${file##*/}.gcda"
			gcov -b -j -o "$file" "$build/$file.c" >/dev/null 2>&1
		done
	done
done
cd "$top"
selftests/vm/coverage.py build/coverage/kmod.missing selftests/vm/kmod.uncovered \
	"$tmp"/counters/*/*/said/*.gcov.json.gz
