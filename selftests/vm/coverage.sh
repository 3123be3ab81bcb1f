#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# coverage.sh - how much of the module ran: what guest/gcov.sh left, as TAP comments
#
# Usage: selftests/vm/coverage.sh DISK BUILD    BUILD: where the module was built
set -euo pipefail

[ $# = 2 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
disk=$(realpath "$1")
build=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

mkdir "$tmp/counters"
tar -x -f "$disk" -C "$tmp/counters"
cd "$build"
for notes in kmod/*.gcno lib/core/*.gcno; do
	folder=${notes%/*}
	file=${notes##*/}
	counters=$tmp/counters/${folder##*/}-${file%.gcno}.gcda
	if [ ! -e "$counters" ]; then
		# What asserts only has no code.
		grep -q 'no functions found' < <(gcov -n -o "$folder" "$build/${notes%.gcno}.c" 2>&1) ||
			echo "# $notes: nothing of it was counted"
		continue
	fi
	mkdir -p "$tmp/$folder"
	cp "$notes" "$tmp/$folder/"
	cp "$counters" "$tmp/$folder/${file%.gcno}.gcda"
	gcov -n -b -o "$tmp/$folder" "$build/$folder/${file%.gcno}.c" 2>/dev/null
done >"$tmp/said"
awk -v sources='(kmod|lib/core)/[a-z_]+[.]c' '
	# percent "Lines executed:91.30% of 46": what ran, and of how many
	function of(text, parts) { split(text, parts, /[:%]| of /); all = parts[length(parts)]; return parts[2] * all / 100 }
	/^# / { print; bad = 1; next }
	/^File / { name = match($0, sources) ? substr($0, RSTART, RLENGTH) : "" }
	/^Lines executed/ && name { l = of($0); lines = all; text = sprintf("%-22s %5.1f %% of %4d lines", name, 100 * l / all, all) }
	/^Taken at least once/ && name && !seen[name]++ {
		b = of($0)
		printf "# %s, %5.1f %% of %4d branches\n", text, 100 * b / all, all
		sub(/\/[^\/]*$/, "", name)
		ran[name] += l; total[name] += lines; took[name] += b; branches[name] += all
		name = "" }
	END {
		for (name in total)
			printf "# %-22s %5.1f %% of %4d lines, %5.1f %% of %4d branches\n", "all of " name,
				100 * ran[name] / total[name], total[name], 100 * took[name] / branches[name], branches[name]
		exit bad || !("kmod" in total) }' "$tmp/said"
