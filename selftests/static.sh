#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# static.sh - clang-tidy, cppcheck, gcc -fanalyzer and coccinelle find nothing but what
# selftests/static/justified has, each with its reason, and all of that
#
# Usage: selftests/static.sh [TOOL...]     tidy, cppcheck, gcc, coccinelle
#
# Part of make check-long; make static.  sparse looks at the module in module.sh.
# run.sh: limit 7200
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

if ! tools/deps.sh build static >"$tmp/deps" 2>&1; then
	sed 's/^/# /' "$tmp/deps"
	echo '1..0 # SKIP packages are missing'
	exit 0
fi
[ $# != 0 ] || set -- coccinelle gcc cppcheck tidy

# none NAME COMMAND...: a point that holds when the command succeeds and says nothing
none()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/out" 2>&1 && [ ! -s "$tmp/out" ]; then
		echo "ok $number - static_$name"
	else
		echo "not ok $number - static_$name"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

for tool in "$@"; do
	none "$tool" selftests/static/findings.py "$tool"
done
echo "1..$number"
[ "$failures" = 0 ]
