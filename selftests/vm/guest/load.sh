#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# load.sh - the module comes, is there, is used, and goes, again and again
#
# The command is in ./bin when it is to be used; `zerocore` says nothing to stdout then.
# shellcheck disable=SC1091,SC2154 # it is beside it in the guest, and names $scratch
. ./guest.sh

export ZEROCORE_BACKEND=device
times=25
[ -z "${ZC_TEST_LONG:-}" ] || times=100

device_is_there() { [ -c /dev/zerocore ] && grep -q ' zerocore$' /proc/misc; }
device_is_gone() { [ ! -e /dev/zerocore ] && ! grep -q ' zerocore$' /proc/misc; }
is_loaded_once() { [ "$(grep -c '^zerocore ' /proc/modules)" = 1 ]; }
loads_twice() { insmod zerocore.ko; }

# A pool that is made, written, read and removed.  What is unread goes with it.
is_used()
{
	bin/zerocore pool create load --bytes 2M >"$scratch/used" || return
	printf 'one\ntwo\n' | bin/zerocore pub load a/b/c --stdin >"$scratch/used" 2>&1 || return
	bin/zerocore sub load a/b/c --history 2 --count 1 --quiet --timeout 10s >"$scratch/used" || return
	bin/zerocore pool remove load
}

many_times()
{
	rounds=$times
	while [ "$rounds" -gt 0 ]; do
		rounds=$((rounds - 1))
		load_module && device_is_there || return
		if [ -x bin/zerocore ]; then
			is_used || return
		fi
		# What the last member held is undone behind its back.
		unload_module 10 && device_is_gone || return
	done
}

# Whoever may only read a pool receives here: there is nothing to remark.
mode_for_readers()
{
	bin/zerocore pool create load --bytes 2M --mode 0640 >"$scratch/used" 2>"$scratch/said" || return
	cat "$scratch/said" >&2
	bin/zerocore pool remove load && [ ! -s "$scratch/said" ]
}

check load_device_is_there device_is_there
check load_is_loaded_once is_loaded_once
check load_refuses_twice eval '! loads_twice'
check load_unloads unload_module 10
check load_device_is_gone device_is_gone
check "load_$times""_times" many_times
check load_loads_again load_module
if [ -x bin/zerocore ]; then
	check load_mode_for_readers_is_not_remarked mode_for_readers
fi
done_testing
