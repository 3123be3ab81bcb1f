#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# suite.sh - the test programs of folders, one after the other: suite.sh FOLDER...
#
# The library takes /dev/zerocore unless the test says otherwise; what the tests do
# to plain shared memory they do in ZEROCORE_DIR.
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

# The machine is slow: a wait that is to end takes longer before it counts as none.  It is
# ours: a test may remove all of its pools.
export ZEROCORE_BACKEND=device ZC_TEST_SLOW=8 ZC_TEST_GUEST=1
[ ! -e /vm/libzerocore.so ] || export ZEROCORE_LIB=/vm/libzerocore.so
for folder in "$@"; do
	for program in ./"$folder"/test_*; do
		ZEROCORE_DIR=$(mktemp -d /dev/shm/zc-test.XXXXXX)
		export ZEROCORE_DIR
		chmod 1777 "$ZEROCORE_DIR"
		prove "$program"
		rm -rf -- "$ZEROCORE_DIR"
	done
done
done_testing
