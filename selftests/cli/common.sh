# shellcheck shell=bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# common.sh - what the tests of the command share; read by `. selftests/cli/common.sh` at
# the top of the tree; $suite: what their points begin with (cli)
# shellcheck disable=SC2034 # for whoever reads it

suite=${suite:-cli}
zc=${ZEROCORE:-$PWD/build/bin/zerocore}
examples=${ZEROCORE_EXAMPLES:-$PWD/build/examples}
tmp=$(mktemp -d) || exit 1
own_dir=
if [ -z "${ZEROCORE_DIR:-}" ]; then
	own_dir=$(mktemp -d "/dev/shm/zc-$suite.XXXXXX") || exit 1
	export ZEROCORE_DIR=$own_dir
fi
# Of what must end, and of what must come; what only lives until it is killed has none.
limit_s=$((60 * ${ZC_TEST_SLOW:-1}))
wait_s=$((20 * ${ZC_TEST_SLOW:-1}))
children=()
cleanup()
{
	local pid

	for pid in "${children[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf -- "$tmp" ${own_dir:+"$own_dir"}
}
trap cleanup EXIT

number=0
failures=0

# point NAME STATUS: 0 is good
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - ${suite}_$1"
	else
		echo "not ok $number - ${suite}_$1"
		sed 's/^/# out: /' "$tmp/out" 2>/dev/null | cut -c1-200 | tail -n 20
		sed 's/^/# err: /' "$tmp/err" 2>/dev/null | tail -n 5
		failures=$((failures + 1))
	fi
}
skip() { number=$((number + 1)); echo "ok $number - ${suite}_$1 # SKIP $2"; }

# run ARG...: the command; output to $tmp/out and $tmp/err, exit status to $rc
run()
{
	timeout $limit_s "$zc" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
}

# says STATUS WORDS ARG...: it ends with STATUS and WORDS on stderr
says()
{
	local status=$1 words=$2

	shift 2
	run "$@"
	[ $rc = "$status" ] && grep -qe "^zerocore.*$words" "$tmp/err" && return 0
	echo "# zerocore $*: exit status $rc, wanted $status and '$words'"
	return 1
}

# until_true COMMAND...: look again until it holds, at most $wait_s
until_true()
{
	local end=$((SECONDS + wait_s))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.01
	done
}

# start NAME ARG...: in the background; pid in $child, output in $tmp/NAME.*
start()
{
	local name=$1

	shift
	# What an earlier one of that name said must not be taken for its own.
	rm -f "$tmp/$name.out" "$tmp/$name.err"
	"$zc" "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" </dev/null &
	child=$!
	children+=("$child")
}
reading() { grep -qs 'reading .* as reader' "$tmp/$1.err"; }

# lines_are_json FILE: each line is an object
lines_are_json()
{
	[ -s "$1" ] && python3 -c '
import json, sys
for line in open(sys.argv[1]):
    assert isinstance(json.loads(line), dict), line
' "$1"
}
