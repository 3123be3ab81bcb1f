#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# strace.sh - a busy pair makes no system call per message
#
# Each benchmark runs twice, the second time with ten times as many messages.
# The threads that use roles are those that pin themselves; from there on their
# system calls are counted, and must not grow with the messages.  What there is
# (the benchmark's own barriers, a writer that waits for a reader that the
# machine does not run) is some dozens.
#
# run.sh: alone
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
zc=${ZEROCORE:-$PWD/build/bin/zerocore}
tmp=$(mktemp -d) || exit 1
ZEROCORE_DIR=$(mktemp -d /dev/shm/zc-strace.XXXXXX) || exit 1
export ZEROCORE_DIR
trap 'rm -rf -- "$tmp" "$ZEROCORE_DIR"' EXIT

number=0
failures=0
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - strace_$1"
	elif grep -qs "$3" "$tmp/$1".*/err; then
		echo "ok $number - strace_$1 # SKIP $3"
	else
		echo "not ok $number - strace_$1"
		failures=$((failures + 1))
	fi
}

if ! strace -qq -o "$tmp/probe" true 2>/dev/null; then
	echo "ok 1 - strace_busy_pair # SKIP strace may not trace here"
	echo "1..1"
	exit 0
fi
if [ "$(nproc)" -lt 2 ]; then
	echo "ok 1 - strace_busy_pair # SKIP one processor only"
	echo "1..1"
	exit 0
fi

# calls NAME ARG...: system calls of the role threads, each round, into $calls
calls()
{
	local dir=$tmp/$1 file n rounds

	shift
	mkdir -p "$dir"
	calls=0
	threads=0
	timeout 600 strace -ff -qq -e signal=none -o "$dir/t" \
		"$zc" bench "$@" --reps 1 --json >"$dir/out" 2>"$dir/err" ||
		{ sed 's/^/# /' "$dir/err"; return 1; }
	for file in "$dir"/t.*; do
		n=$(sed '1,/^sched_setaffinity(/d' "$file" | wc -l)
		grep -q '^sched_setaffinity(' "$file" || continue
		calls=$((calls + n))
		threads=$((threads + 1))
	done
	# It is repeated where the host moved the processors.
	rounds=$(sed -n '1s/.*"rounds":\([0-9]*\),.*"dropped":\([0-9]*\).*/\1 + \2/p' "$dir/out")
	calls=$((calls / (rounds)))
}

# constant NAME THREADS MESSAGES ARG...: with ten times as many messages (that
# many more, or a multiple of it) less than one call more per thousand of them
constant()
{
	local name=$1 wanted=$2 messages=$3 few many good

	shift 3
	calls "$name.few" "$@" --count "$messages" && few=$calls &&
		calls "$name.many" "$@" --count $((messages * 10)) &&
		many=$calls && [ $threads = "$wanted" ] &&
		[ $((many - few)) -lt $((messages * 9 / 1000)) ]
	good=$?
	echo "# $name: ${few:-?} calls with $messages messages a round," \
		"${many:-?} with $((messages * 10)), in $threads threads"
	point "$name" $good 'the host moved the processors in each of'
}

constant throughput 2 100000 throughput --pool-bytes 16M
constant throughput_timestamps 2 100000 throughput --pool-bytes 16M --timestamps
constant throughput_hazard 2 100000 throughput --pool-bytes 16M --mode hazard
constant latency 2 100000 latency --pool-bytes 16M
# Two comparisons with two workers each; the second one only keeps blocks.
constant acquire 4 100000 acquire --pool-bytes 32M --held 100

echo "1..$number"
exit $((failures > 0))
