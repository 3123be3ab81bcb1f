#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# soak.sh - everything at once, on the device: soak.sh PART, in ZC_SOAK_MINUTES
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

export ZEROCORE_BACKEND=device ZC_TEST_SLOW=8
prove ./soak/test_soak "$1"
done_testing
