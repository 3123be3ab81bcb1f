#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# load.sh - the module comes, is there, and goes, again and again
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

device_is_there() { [ -c /dev/zerocore ] && grep -q ' zerocore$' /proc/misc; }
device_is_gone() { [ ! -e /dev/zerocore ] && ! grep -q ' zerocore$' /proc/misc; }
is_loaded_once() { [ "$(grep -c '^zerocore ' /proc/modules)" = 1 ]; }
loads_twice() { insmod zerocore.ko; }
many_times()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		load_module && device_is_there && unload_module && device_is_gone || return
	done
}

check load_device_is_there device_is_there
check load_is_loaded_once is_loaded_once
check load_refuses_twice eval '! loads_twice'
check load_unloads unload_module
check load_device_is_gone device_is_gone
check load_many_times many_times
check load_loads_again load_module
done_testing
