#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# gcov.sh - all tests of the module in one guest, and which lines and branches they ran
#
# Once as it is, and once with the KUnit suites in it (kunit.ko).  The counters go to the
# disk as they are; coverage.sh reads them on the host.
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

counters=/sys/kernel/debug/gcov
kept=$(mktemp -d) || exit 1
# gather PART: what was counted so far
gather()
{
	# Their size is said to be 0: tar would believe it.
	find "$counters" -name '*.gcda' -print | grep -E '/(kmod|lib/core)/[^/]*$' |
	while IFS= read -r file; do
		folder=${file%/*}
		build=${folder%/kmod}
		build=${build%/lib/core}
		build=$kept/$1/${build##*/}
		mkdir -p "$build" && cat "$file" >"$build/${folder##*/}-${file##*/}" || return
	done
	[ -n "$(ls "$kept/$1")" ] || return
}

keep() { tar -c -C "$kept" . >/dev/nvme0n1; }

echo 1 >"$counters/reset"
# Whoever loads the module without memory takes that of the counters, too.
mkdir load && mv device/test_load load/
prove ./suite.sh device
check gcov_counters_are_read gather 1
ZC_TEST_LONG=1 prove ./suite.sh load
ZC_TEST_LONG='' prove ./load.sh
check gcov_unloads unload_module 10
check gcov_loads_the_suites insmod ./kunit.ko
prove ./kunit.sh
check gcov_counters_are_read_again gather 2
check gcov_counters_are_kept keep
done_testing
