#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# run.sh - everything at once for some minutes: what `make soak` does
#
# Usage: selftests/soak/run.sh [-k KERNEL] PROGRAM PART
#
#   PROGRAM   build/tests/soak/test_soak, or one of another variant
#   PART      processes, which are killed and stopped, or threads
#   -k        on /dev/zerocore in a virtual machine; see selftests/vm/kernel.sh
#
# MINUTES and SEED are taken from the environment.  A failure tells its seed, and leaves its
# pools where it says: look at them with ZEROCORE_DIR set to that.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
kernel=
while getopts k: option; do
	case $option in
	k) kernel=$OPTARG ;;
	*) sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# = 2 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
program=$1 part=$2
minutes=${MINUTES:-5}
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: MINUTES=$minutes is not a number" >&2; exit 2; }

export ZC_TEST_LONG=1 ZC_SOAK_MINUTES=$minutes ZC_TEST_KEEP=1
[ -z "${SEED:-}" ] || export ZC_SEED=$SEED

if [ -n "$kernel" ]; then
	module=$(tools/module.sh "$(selftests/vm/kernel.sh "$kernel")/build" | tail -n 1)
	[ -n "$module" ] || exit 1
	mkdir -p build/log
	exec selftests/vm/run.sh -k "$kernel" -m 2G -t $((minutes * 60 + 1200)) \
		-l "build/log/soak-$kernel.log" "selftests/vm/guest/soak.sh $part" "$module" \
		"${program%/*}" build/bin/zerocore:/vm/bin/zerocore
fi

# A case may take an hour, times this.
slow=1
fixed_addresses=()
case $program in
*/asan/*) slow=4 ;;
*/tsan/*)
	slow=8
	export TSAN_OPTIONS=${TSAN_OPTIONS:-die_after_fork=0:second_deadlock_stack=1}
	setarch -R true 2>/dev/null && fixed_addresses=(setarch -R)
	;;
esac
[ "$slow" -gt $((minutes / 30)) ] || slow=$((minutes / 30 + 1))
export ZC_TEST_SLOW=${ZC_TEST_SLOW:-$slow}
exec "${fixed_addresses[@]}" "$program" "$part"
