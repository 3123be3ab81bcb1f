#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# check.sh - what is tested on one kernel, in a virtual machine
#
# Usage: selftests/vm/check.sh KERNEL      KERNEL: 6.1, 6.12, debug
#
# Debian's kernels get the tests of the device and, on it, the conformance tests.
# The kernel that looks at everything gets what tries to break it.
# run.sh: limit 3600
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
kernel=${1:-}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT

plan_skip() { echo "1..0 # SKIP $1"; exit 0; }

tools/deps.sh module vm >"$tmp/deps" 2>&1 || {
	sed 's/^/# /' "$tmp/deps"
	plan_skip "packages are missing"
}
folder=$(selftests/vm/kernel.sh "$kernel" 2>"$tmp/kernel") || {
	rc=$?
	sed 's/^/# /' "$tmp/kernel"
	[ "$rc" != 77 ] || plan_skip "$(tail -n 1 "$tmp/kernel")"
	exit 1
}
module=$(tools/module.sh "$folder/build" 2>"$tmp/module" | tail -n 1) || {
	sed 's/^/# /' "$tmp/module"
	exit 1
}

# guest NAME COMMAND FILE...: its points are ours
guest()
{
	local log=build/log/kernel-$kernel-$1.log

	shift
	prove selftests/vm/run.sh -k "$kernel" -m 2G -t 3000 -l "$log" "$@"
}

# shellcheck source=selftests/vm/guest/guest.sh disable=SC1091
. selftests/vm/guest/guest.sh
case $kernel in
debug)
	guest device 'selftests/vm/guest/suite.sh device' "$module" build/tests/device
	;;
*)
	guest tests 'selftests/vm/guest/suite.sh device conformance' "$module" \
		build/tests/device build/tests/conformance build/lib/libzerocore.so
	check demo tools/demo-kernel.sh "$kernel" "$module"
	;;
esac
done_testing
