#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# runner.sh - does run.sh notice all the ways in which a test program can fail?
set -u

run=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/run.sh
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
cd "$tmp" || exit 1
number=0
failures=0

# program NAME < body: a shell script that plays a test program
program()
{
	{ echo '#!/bin/bash'; cat; } >"$1"
	chmod +x "$1"
}

# expect NAME STATUS LAST-LINE WORDS PROGRAM...: what run.sh must make of PROGRAM
expect()
{
	local name=$1 status=$2 last=$3 words=$4 rc=0 out

	shift 4
	number=$((number + 1))
	out=$("$run" -l "$tmp/log" "$@" 2>&1) || rc=$?
	if [ "$rc" = "$status" ] && [ "$(tail -n 1 <<<"$out")" = "$last" ] &&
		[[ $out == *"$words"* ]]; then
		echo "ok $number - runner_$name"
	else
		echo "not ok $number - runner_$name"
		echo "# wanted status $status, '$words', last line '$last'"
		echo "# got status $rc and:"
		while IFS= read -r line; do echo "#   $line"; done <<<"$out"
		failures=$((failures + 1))
	fi
}

program pass <<<'echo 1..2; echo "ok 1 - a"; echo "ok 2 - b"'
program late_plan <<<'echo ok 1; echo 1..1'
program fail <<<'echo 1..2; echo "ok 1 - a"; echo "not ok 2 - b_breaks"; exit 1'
program fail_zero <<<'echo 1..1; echo "not ok 1 - c_breaks"'
program skip <<<'echo 1..2; echo "ok 1 - a # SKIP no huge pages"; echo "ok 2 - b"'
program skip_all <<<'echo "1..0 # SKIP no device"'
program nothing <<<'echo 1..0'
program skip_77 <<<'exit 77'
program short <<<'echo 1..3; echo ok 1; echo ok 2'
program long <<<'echo 1..1; echo ok 1; echo ok 2'
program status <<<'echo 1..1; echo ok 1; exit 3'
program crash <<<'echo 1..2; echo ok 1; kill -SEGV $$'
program crash_end <<<'echo 1..1; echo ok 1; kill -ABRT $$'
program killed <<<'echo 1..1; echo ok 1; kill -KILL $$'
program bail <<<'echo 1..1; echo ok 1; echo "Bail out! no memory"'
program silent <<<':'
program prose <<<'echo okay; echo "not okay"; echo " ok 1"; echo "# ok 1"; echo 1..1'
program stderr <<<'echo 1..1; echo ok 1; echo "not ok 2 - on stderr" >&2'
program unnumbered <<<'echo 1..2; echo "ok - a::b  (0.00s)"; echo "ok - a::c  # SKIP why"'
program stdin <<<'echo 1..1; read -r line || echo "ok 1 - nothing there"'
# shellcheck disable=SC2016 # for the program to expand
program makeflags <<<'echo 1..1; [ -z "${MAKEFLAGS:-}" ] && echo ok 1'
# shellcheck disable=SC2016 # for the program to expand
program pools <<<'echo 1..1; touch "$ZEROCORE_DIR/pool" && echo ok 1; echo "$ZEROCORE_DIR" >folder'
# shellcheck disable=SC2016 # for the program to expand
program backend <<<'echo 1..1; echo "ok 1 - on $ZEROCORE_BACKEND"'
program args <<<'echo 1..1; [ "$*" = "-a b" ] && echo ok 1'
# shellcheck disable=SC2016 # for the program to expand
program say <<<'echo 1..1; echo "ok 1 - $*"'
program hang <<<'mkfifo "f$$"; read -r x <"f$$"'
program stopped <<<'kill -STOP $$'
# The child outlives its parent, in the same process group, and says who it is.
program straggler <<-'END'
	mkfifo never said
	(echo "$BASHPID" >said; read -r x <never) &
	read -r child <said
	echo "$child" >child
	echo 1..1
	echo ok 1
END
# The same in a session of its own.
program deserter <<-'END'
	mkfifo never2 said2
	setsid bash -c 'echo "$BASHPID" >said2; read -r x <never2' &
	read -r child <said2
	echo "$child" >child2
	echo 1..1
	echo ok 1
END
# What is said of a point comes before it or after it, and much else, far from it.
program told <<-'END'
	echo 1..4; seq -f 'line %g' 100
	echo '# of another one'; echo ok 1
	echo '# why it breaks'; echo 'not ok 2 - breaks'; echo '# and where'
	echo ok 3; echo ok 4; seq -f 'late line %g' 100
END
# Each waits for the other: that ends only when both run at a time.
program meet_1 <<<'echo hello >one; read -r x <two; echo 1..1; echo ok 1'
program meet_2 <<<'read -r x <one; echo hello >two; echo 1..1; echo ok 1'
mkfifo one two
# Who is alone must meet nobody: each is there only while it runs.
program beside <<<'touch here; for i in {1..2000}; do :; done; rm here; echo 1..1; echo ok 1'
program alone <<-'END'
	# run.sh: alone
	echo 1..1
	[ -e here ] || echo ok 1
	for i in {1..2000}; do [ -e here ] && exit 1; done
	exit 0
END
# The same, without a word in it.
sed '/run.sh: alone/d' alone >by_name_alone && chmod +x by_name_alone

expect passing_passes 0 '2 passed, 0 failed' 'pass  pass: 2 passed' pass
expect late_plan_passes 0 '1 passed, 0 failed' 'pass  late_plan' late_plan
expect failing_fails 1 '1 passed, 1 failed' 'not ok 2 - b_breaks' fail
expect failing_point_says_why 1 '3 passed, 1 failed' 'why it breaks' told
expect failing_point_says_where 1 '3 passed, 1 failed' 'and where' told
expect what_others_say_is_left_out 1 '3 passed, 1 failed' $' s)\n      # why' told
expect what_comes_later_is_left_out 1 '3 passed, 1 failed' $'where\n      all of it' told
expect failing_point_beats_status 1 '0 passed, 1 failed' 'c_breaks' fail_zero
expect one_failure_taints_all 1 '5 passed, 1 failed' 'FAIL  fail:' pass fail pass
expect skip_is_counted 0 '1 passed, 0 failed, 1 skipped' 'no huge pages' skip
expect skip_all_is_no_pass 1 '0 passed, 0 failed, 1 skipped' 'no device' skip_all
expect nothing_planned_fails 1 '0 passed, 1 failed' 'planned nothing' nothing
expect skip_77_is_skipped 0 '2 passed, 0 failed, 1 skipped' 'skip  skip_77' pass skip_77
expect missing_points_fail 1 '2 passed, 1 failed' 'planned 3, reported 2' short
expect extra_points_fail 1 '2 passed, 1 failed' 'planned 1, reported 2' long
expect exit_status_fails 1 '1 passed, 1 failed' 'exit status 3' status
expect crash_fails 1 '1 passed, 1 failed' 'died of SIGSEGV' crash
expect crash_at_the_end_fails 1 '1 passed, 1 failed' 'died of SIGABRT' crash_end
expect killed_fails 1 '1 passed, 1 failed' 'died of SIGKILL' killed
expect bail_out_fails 1 '1 passed, 1 failed' 'bailed out' bail
expect silent_fails 1 '0 passed, 1 failed' 'printed no plan' silent
expect prose_is_no_point 1 '0 passed, 1 failed' 'planned 1, reported 0' prose
expect stderr_is_no_point 0 '1 passed, 0 failed' 'pass  stderr' stderr
expect unnumbered_points_count 0 '1 passed, 0 failed, 1 skipped' 'a::c' unnumbered
expect stdin_is_empty 0 '1 passed, 0 failed' 'pass  stdin' stdin
expect make_flags_are_gone 0 '1 passed, 0 failed' 'pass  makeflags' makeflags
expect arguments_arrive 0 '1 passed, 0 failed' 'pass  args' 'args -a b'
expect missing_program_fails 1 '0 passed, 1 failed' 'cannot be run' absent
expect hanging_fails 1 '0 passed, 1 failed' 'still ran after 1 s' -t 1 hang
expect stopped_fails 1 '0 passed, 1 failed' 'still ran after 1 s' -t 1 stopped
expect two_run_at_a_time 0 '2 passed, 0 failed' 'meet_1' -j 2 -t 60 meet_1 meet_2
expect alone_meets_nobody 0 '4 passed, 0 failed' 'alone' -j 2 beside alone beside alone
expect alone_by_its_name 0 '4 passed, 0 failed' 'alone' -j 2 -a name_alone beside by_name_alone beside by_name_alone
expect only_selects 0 '2 passed, 0 failed' 'pass  pass' -o as pass fail_zero
expect nothing_is_a_failure 1 '0 passed, 0 failed' 'nothing ran' -o nosuch pass
expect no_list_is_a_failure 1 '0 passed, 0 failed' 'nothing ran'
expect pool_folder_is_given 0 '1 passed, 0 failed' 'pass  pools' pools

check()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@"; then
		echo "ok $number - runner_$name"
	else
		echo "not ok $number - runner_$name"
		failures=$((failures + 1))
	fi
}

gone() { [ ! -e "$1" ]; }

# A zombie that nobody has collected yet is dead, too.
dead()
{
	case $(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status" 2>/dev/null) in
	''|Z*|X*) return 0 ;;
	esac
	return 1
}

dead_soon()
{
	local deadline=$((SECONDS + 20))

	until dead "$1"; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
	done
}

check pool_folder_is_removed gone "$(cat folder)"
"$run" -l "$tmp/log" 'say a' 'say a b' 'say -a' 'say -b' >out 2>&1
check each_has_a_log_of_its_own \
	[ "$(sed -n 's/^ok 1 - //p' log/say{-a,-a-b,,-4}.log | tr '\n' ,)" = 'a,a b,-a,-b,' ]
unset ZEROCORE_BACKEND
"$run" -l "$tmp/log" backend >out 2>&1
check pools_are_not_the_devices grep -qx 'ok 1 - on shm' log/backend.log
ZEROCORE_BACKEND=device "$run" -l "$tmp/log" backend >out 2>&1
check pools_are_the_devices_when_asked grep -qx 'ok 1 - on device' log/backend.log
check output_is_kept grep -q 'b_breaks' log/fail.log
"$run" -l "$tmp/log" straggler >out 2>&1
check straggler_passes grep -q '^1 passed, 0 failed$' out
check straggler_is_killed dead_soon "$(cat child)"
"$run" -l "$tmp/log" deserter >out 2>&1
check deserter_passes grep -q '^1 passed, 0 failed$' out
check deserter_is_killed dead_soon "$(cat child2)"
"$run" -l "$tmp/log" -j 2 alone beside pass >out 2>&1
check alone_is_last grep -q '^pass  alone' <(grep '^pass' out | tail -n 1)
"$run" -l "$tmp/log" pass fail >out 2>&1
check summary_is_kept grep -qx '3 passed, 1 failed' log/summary

echo "1..$number"
[ "$failures" = 0 ]
