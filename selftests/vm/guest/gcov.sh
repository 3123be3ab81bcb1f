#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# gcov.sh - the tests of the device, and which lines of the module they ran
#
# The counters go to the disk as they are; coverage.sh reads them on the host.
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

counters=/sys/kernel/debug/gcov
kept=$(mktemp -d) || exit 1
gather()
{
	# Their size is said to be 0: tar would believe it.
	find "$counters" -name '*.gcda' -print | grep -E '/(kmod|lib/core)/' |
	while IFS= read -r file; do
		folder=${file%/*}
		cat "$file" >"$kept/${folder##*/}-${file##*/}" || return
	done
	[ -n "$(ls "$kept")" ] || return
	tar -c -C "$kept" . >/dev/nvme0n1
}

echo 1 >"$counters/reset"
prove ./suite.sh device
check gcov_counters_are_kept gather
done_testing
