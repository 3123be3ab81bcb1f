#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# instructions.sh - what a message costs in instructions does not grow unseen
#
# Usage: selftests/instructions.sh [--update | --print]
#        --update: write down what is counted; --print: only count, up to 8 readers,
#        whatever the compiler, and print the lines of that file
#
# callgrind counts what each step of selftests/instructions/messages.c executes,
# in a run of n messages and in one of 2 n: the difference is n messages, without
# the start.  selftests/instructions/counts has what it was; more than 5 % above it
# is worse, and fails; more than 5 % below it fails, too, for the next 5 % are
# to be counted from there.  Another compiler makes other code: then it is skipped.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
counts=selftests/instructions/counts
page=Documentation/performance.rst
messages=40000
percent=5
steps="acquire commit poll release"
widths="1 2 4"
mode=${1:-}
[ "$mode" != --print ] || widths="$widths 8"

tmp=$(mktemp -d) || exit 1
ZEROCORE_DIR=$(mktemp -d /dev/shm/zc-instructions.XXXXXX) || exit 1
export ZEROCORE_DIR
trap 'rm -rf -- "$tmp" "$ZEROCORE_DIR"' EXIT

number=0
failures=0
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - instructions_$1"
	else
		echo "not ok $number - instructions_$1"
		failures=$((failures + 1))
	fi
}

skip()
{
	[ "$mode" != --print ] || { echo "instructions.sh: $1" >&2; exit 1; }
	echo "ok 1 - instructions_counts # SKIP $1"
	echo "1..1"
	exit 0
}

# Whatever stdout is just then.
exec 3>&1
give_up()
{
	[ "$mode" != --print ] || { cat "$tmp/err" >&2; exit 1; }
	sed 's/^/# /' "$tmp/err" >&3
	echo "not ok 1 - instructions_counts" >&3
	echo "1..1" >&3
	exit 1
}

recorded()
{
	sed -n "s/^$1: //p" "$counts"
}

# What the library was built by, and what counts.
read -r cc _ <build/flags || exit 1
compiler=$("$cc" --version | sed -n 1p)
machine=$(uname -m)
[ -z "${CPPFLAGS:-}${CFLAGS:-}${LDFLAGS:-}" ] || skip "flags of the caller's own"
command -v valgrind >/dev/null || skip "valgrind is not here"
counter=$(valgrind --version)
if [ -z "$mode" ]; then
	for what in compiler machine counter; do
		[ "${!what}" = "$(recorded $what)" ] ||
			skip "the $what is ${!what}, the counts are of $(recorded $what)"
	done
fi

"$cc" -std=gnu11 -O2 -g -Iinclude -Iinclude/uapi -o "$tmp/messages" \
	selftests/instructions/messages.c build/lib/libzerocore.a -lisal 2>"$tmp/err" || give_up

# run READERS MESSAGES: lines `STEP INSTRUCTIONS', all calls of a step together
run()
{
	timeout 250 valgrind -q --tool=callgrind --callgrind-out-file="$tmp/callgrind" \
		"$tmp/messages" "instructions-$1-$2" "$1" "$2" >"$tmp/err" 2>&1 || return 1
	callgrind_annotate --inclusive=yes --threshold=100 --show-percs=no --auto=no \
		"$tmp/callgrind" 2>"$tmp/err" |
		sed -n 's/^ *\([0-9,]*\) .*:step_\([a-z]*\)\( .*\)\{0,1\}$/\2 \1/p' | tr -d ,
}

# Each reader polls and releases each message: per message and reader.
for readers in $widths; do
	run "$readers" $messages >"$tmp/once" || give_up
	run "$readers" $((messages * 2)) >"$tmp/twice" || give_up
	for step in $steps; do
		once=$(sed -n "s/^$step //p" "$tmp/once")
		twice=$(sed -n "s/^$step //p" "$tmp/twice")
		case $step in
		poll | release) calls=$((messages * readers)) ;;
		*) calls=$messages ;;
		esac
		awk -v s="$step" -v r="$readers" -v a="$once" -v b="$twice" -v n=$calls \
			'BEGIN { if (a <= 0 || b <= a) exit 1; printf "%s %d %.1f\n", s, r, (b - a) / n }' ||
			{ echo "no count of $step: '$once', '$twice'" >"$tmp/err"; give_up; }
	done
done >"$tmp/counts"

if [ -n "$mode" ]; then
	{
		echo "# SPDX-License-Identifier: MIT OR LGPL-2.1"
		echo "# Instructions a call, by selftests/instructions.sh --update: step, readers, count."
		echo "compiler: $compiler"
		echo "machine: $machine"
		echo "counter: $counter"
		cat "$tmp/counts"
	} >"$tmp/new" || exit
	case $mode in
	--update) cp "$tmp/new" "$counts" ;;
	*) cat "$tmp/new" ;;
	esac
	exit
fi

while read -r step readers now; do
	was=$(sed -n "s/^$step $readers //p" "$counts")
	awk -v now="$now" -v was="${was:-0}" -v p=$percent 'BEGIN {
		if (was <= 0) { print "# there is no count"; exit 1 }
		if (now > was * (1 + p / 100)) { print "# has grown"; exit 1 }
		if (now < was * (1 - p / 100)) {
			print "# has shrunk: selftests/instructions.sh --update"; exit 1 }
	}'
	good=$?
	echo "# $step, $readers readers: $now instructions, $was were written down"
	point "${step}_$readers" $good
done <"$tmp/counts"

# The table that people read is the one that is compared.
good=0
for step in $steps; do
	row=$(awk -v s="$step" '$1 == s { row = row " " $3 } END { print s row }' "$counts")
	tr -s ' ' <"$page" | grep -qx "$row" || { good=1; echo "# $page has no row: $row"; }
done
point page_has_the_counts $good

echo "1..$number"
exit $((failures > 0))
