#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# check.sh - what is tested on one kernel, in a virtual machine
#
# Usage: selftests/vm/check.sh KERNEL      KERNEL: 6.1, 6.12, debug, kcsan, rt, gcov
#        selftests/vm/check.sh KERNEL kill    deaths at each kill point instead
#        selftests/vm/check.sh KERNEL storm   deaths at random moments, 10^4 of them
#
# Debian's kernels get the tests of the device and, on it, the conformance tests.
# The kernel that looks at everything gets what tries to break it; the others that we
# build, the tests of the device.
# run.sh: limit 7200
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
kernel=${1:-} what=${2:-}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT

plan_skip() { echo "1..0 # SKIP $1"; exit 0; }

sets=(module vm)
[ "$kernel" != gcov ] || sets+=(gcov)
tools/deps.sh "${sets[@]}" >"$tmp/deps" 2>&1 || {
	sed 's/^/# /' "$tmp/deps"
	plan_skip "packages are missing"
}
folder=$(selftests/vm/kernel.sh "$kernel" 2>"$tmp/kernel") || {
	rc=$?
	sed 's/^/# /' "$tmp/kernel"
	[ "$rc" != 77 ] || plan_skip "$(tail -n 1 "$tmp/kernel")"
	exit 1
}

# build OPTION...: the module's path; what was said goes to $tmp/module
build()
(
	set -o pipefail
	tools/module.sh "$@" "$folder/build" "${options[@]}" 2>"$tmp/module" | tail -n 1
)

options=()
[ "$kernel" != gcov ] || options=(GCOV_PROFILE=y)
module=$(build) || {
	sed 's/^/# /' "$tmp/module"
	exit 1
}

limit_s=3000
# guest NAME COMMAND FILE...: its points are ours
guest()
{
	local log=build/log/kernel-$kernel-$1.log

	shift
	# shellcheck disable=SC2086 # options
	prove selftests/vm/run.sh $machine -k "$kernel" -m 2G -t "$limit_s" -l "$log" "$@"
}

# shellcheck source=selftests/vm/guest/guest.sh disable=SC1091
. selftests/vm/guest/guest.sh
machine=
case $what in
kill) mkdir "$tmp/crash" && cp build/kill/tests/crash/test_{killpoints,pairs,segments} "$tmp/crash" || exit 1 ;;
storm) mkdir "$tmp/storm" && cp build/tests/device/test_storm "$tmp/storm" || exit 1 ;;
esac
case $what:$kernel in
kill:*)
	# Two processors: the others run while the victim is stopped.
	machine='-n 2'
	guest kill 'selftests/vm/guest/suite.sh crash' "$module" "$tmp/crash"
	;;
storm:*)
	machine='-n 2' limit_s=7000
	# A case may take as long as the long ones do.
	export ZC_TEST_LONG=1 ZC_STORM_KILLS=${ZC_STORM_KILLS:-10000}
	guest storm 'selftests/vm/guest/suite.sh storm' "$module" "$tmp/storm"
	;;
:debug)
	guest device 'selftests/vm/guest/suite.sh device' "$module" build/tests/device
	guest load 'selftests/vm/guest/load.sh' "$module" build/lib/libzerocore.so.0 \
		build/bin/zerocore:/vm/bin/zerocore
	if suites=$(build -k); then
		guest kunit 'selftests/vm/guest/kunit.sh' "$suites"
	else
		not_ok kunit_is_built
		sed 's/^/# /' "$tmp/module"
	fi
	;;
:kcsan|:rt)
	guest device 'selftests/vm/guest/suite.sh device' "$module" build/tests/device
	;;
:gcov)
	machine="-d 64M -o $tmp/disk"
	if suites=$(build -k); then
		guest device 'selftests/vm/guest/gcov.sh' "$module" build/tests/device \
			selftests/vm/guest/suite.sh selftests/vm/guest/load.sh \
			selftests/vm/guest/kunit.sh build/lib/libzerocore.so.0 \
			build/bin/zerocore:/vm/bin/zerocore "$suites:/vm/kunit.ko"
		prove selftests/vm/coverage.sh "$tmp/disk" "${module%/*}" "${suites%/*}"
	else
		not_ok kunit_is_built
		sed 's/^/# /' "$tmp/module"
	fi
	;;
*)
	# What a pool says of NUMA nodes shows where there are two.
	machine='-n 2'
	guest tests 'selftests/vm/guest/suite.sh device conformance' "$module" \
		build/tests/device build/tests/conformance build/lib/libzerocore.so
	check demo tools/demo-kernel.sh "$kernel" "$module"
	;;
esac
done_testing
