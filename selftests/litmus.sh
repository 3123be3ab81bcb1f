#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# litmus.sh - the litmus tests are sound, and herd7, where it is, forbids their outcomes
#
# The processor is asked by build/tests/litmus; see Documentation/memory-model.rst.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/litmus" || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

# point NAME COMMAND...: a point that holds when the command succeeds
point()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $number - litmus_$name"
	else
		echo "not ok $number - litmus_$name"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

# Each is understood, as C and as the kernel's.
point converts_to_c python3 convert.py c ./*.litmus
point converts_to_lkmm python3 convert.py lkmm "$tmp/lkmm" ./*.litmus

# Without its tag a test would be the same with and without barriers.
tagged()
{
	local file tag

	for file in *.litmus; do
		tag=$(cut -c-2 <<<"$file" | tr '[:lower:]' '[:upper:]')
		grep -qF "// [$tag]" "$file" || { echo "$file: no line has [$tag]"; return 1; }
	done
}
point each_has_its_tag tagged

# forbidden MODEL FILE: herd7 says that the outcome never happens
forbidden()
{
	herd7 ${1:+-conf "$1"} "$2" | tee "$tmp/herd"
	grep -q '^Observation .* Never' "$tmp/herd"
}

if command -v herd7 >/dev/null; then
	for file in *.litmus; do
		point "c11_${file%.litmus}" forbidden '' "$file"
		point "lkmm_${file%.litmus}" forbidden linux-kernel.cfg "$tmp/lkmm/$file"
	done
	for file in x86/*.litmus; do
		point "x86_$(basename "$file" .litmus)" forbidden '' "$file"
	done
else
	number=$((number + 1))
	echo "ok $number - litmus_herd7 # SKIP herd7 is not installed (herdtools7, by opam)"
fi

echo "1..$number"
[ "$failures" = 0 ]
