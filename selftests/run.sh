#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# run.sh - run test programs and say what failed
#
# Each program prints TAP on stdout.  It passes when it says so completely: its
# plan is there, as many points as planned, none `not ok`, exit status 0.  What
# crashes, hangs, or is silent has failed, whatever else it printed.
#
# A script with the line `# run.sh: alone` has the machine for itself, as far as
# other tests go: it runs when all others are done.  `# run.sh: limit SECONDS`:
# it may take longer than others.
#
# The last line is `N passed, N failed`, with `, N skipped` when something was;
# points are counted, and a program that failed beside its points counts as one.
# Exit status: 0 all passed, 1 something failed or nothing ran, 2 usage.
set -u

usage()
{
	cat <<-END
	usage: run.sh [-j JOBS] [-t SECONDS] [-l LOGDIR] [-o WORD] [-a WORD] PROGRAM...
	       PROGRAM   one word each; arguments after blanks: 'build/tests/unit --tap=-'
	       -j JOBS   how many at a time (1)
	       -t SECS   how long each may take (600)
	       -l DIR    where the output of each is kept (build/log)
	       -o WORD   only those whose name contains WORD
	       -a WORD   those whose name ends with WORD run alone
	END
}

jobs=1
limit_s=600
logs=build/log
only=
alone=
while getopts j:t:l:o:a:h option; do
	case $option in
	j) jobs=$OPTARG ;;
	t) limit_s=$OPTARG ;;
	l) logs=$OPTARG ;;
	o) only=$OPTARG ;;
	a) alone=$OPTARG ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))

state=$(mktemp -d) || exit 2
mkdir -p "$logs" || exit 2
rm -f "$logs/summary"

# Those that were started lead process groups of their own: a ^C at the terminal
# does not reach them.
cleanup()
{
	local file pid

	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null
	done
	for file in "$state"/*.pid; do
		[ -e "$file" ] && kill -KILL -- "-$(cat "$file")" 2>/dev/null
	done
	for file in "$state"/*.dir; do
		[ -e "$file" ] && rm -rf -- "$(cat "$file")"
	done
	rm -rf -- "$state"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A make that calls us must not hand its job server to a make that a test calls.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
# The device's pools are the machine's: whoever wants to test there says so.
export ZEROCORE_BACKEND=${ZEROCORE_BACKEND:-shm}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-die_after_fork=0:second_deadlock_stack=1}

# ThreadSanitizer of 2022 gives up where the kernel randomises more address bits
# than it knew; where personality() is refused, it gets its chance as it is.
fixed_addresses=()
setarch -R true 2>/dev/null && fixed_addresses=(setarch -R)

shm=/dev/shm
[ -d $shm ] && [ -w $shm ] || shm=${TMPDIR:-/tmp}

# name_of COMMAND...: build/asan/tests/conformance/test_pool -> asan/conformance/test_pool
name_of()
{
	local name=${1#"$PWD/"} word

	name=${name#./}
	name=${name#/}
	name=${name#build/}
	name=${name#selftests/}
	name=${name/#tests\//}
	name=${name/\/tests\///}
	name=${name%.sh}
	# One program, many tests: 'vm/check.sh 6.1', 'vm/check.sh 6.1 kill'.
	for word in "${@:2}"; do
		[[ $word == -* || $word == */* ]] || name+=-$word
	done
	echo "$name"
}

# The points of a log: passed, failed, skipped, points, plan (or -), bailed.
count()
{
	awk '
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1
			if (plan == 0 && toupper($0) ~ /# *SKIP/) skipped++ }
		/^not ok($|[ \t])/ { points++; failed++; next }
		/^ok($|[ \t])/ { points++
			if (toupper($0) ~ /# *SKIP/) skipped++; else passed++ }
		/^Bail out!/ { bailed = 1 }
		END { print passed + 0, failed + 0, skipped + 0, points + 0,
			planned ? plan : "-", bailed + 0 }' "$1"
}

# end_rest GROUP FOLDER: kill who is left of a program, stopped ones too: its
# process group, and whoever has its pool folder in the environment.
end_rest()
{
	local pid

	kill -KILL -- "-$1" 2>/dev/null
	while IFS=/ read -r _ _ pid _; do
		kill -KILL "$pid" 2>/dev/null
	done < <(grep -slFz "ZEROCORE_DIR=$2" /proc/[0-9]*/environ)
}

# add LINES: to the text of run_one, which is printed at once
add()
{
	[ -z "$1" ] || text+=$'\n'$1
}

# Names of logs that were given: two at a time must not write into one.
declare -A given

# What a log says of the points that failed: programs say it before the point, scripts
# after it.
of_failed()
{
	awk '
		function told() { for (i = first; i < lines; i++) print line[i]
			first = lines }
		/^ok($|[ \t])/ { lines = first = after = 0; next }
		/^not ok($|[ \t])/ { told(); print; lines = first = 0; after = 20; next }
		after { after--; print; next }
		{ line[lines++] = $0
			if (lines - first > 20) first++ }' "$1"
}

# run_one INDEX COMMAND...: run it, judge it, leave the counts in INDEX.count;
# its log is $log
run_one()
{
	local index=$1 name dir pid rc began_s took_s why='' text verdict
	local passed failed skipped points plan bailed
	local slow=1 limit=$limit_s own
	local -a prefix=()

	shift
	name=$(name_of "$@")
	case $name in
	asan/*) slow=4 ;;
	tsan/*) slow=8 prefix=("${fixed_addresses[@]}") ;;
	esac

	own=$(head -c 4096 "$1" 2>/dev/null | sed -n 's/^# run\.sh: limit \([0-9]*\)$/\1/p')
	[ "${own:-0}" -le "$limit" ] || limit=$own

	# Pools that a killed test leaves behind go with this folder.  Tests that
	# drop their rights must get in.
	dir=$(mktemp -d "$shm/zc-test.XXXXXX") && chmod 1777 "$dir" || exit 1
	echo "$dir" >"$state/$index.dir"

	began_s=$SECONDS
	ZEROCORE_DIR=$dir ZC_TEST_SLOW=${ZC_TEST_SLOW:-$slow} \
		timeout -k 10 "$limit" "${prefix[@]}" "$@" \
		</dev/null >"$log" 2>"$state/$index.err" &
	pid=$!
	echo "$pid" >"$state/$index.pid"
	{ wait "$pid"; } 2>/dev/null
	rc=$?
	took_s=$((SECONDS - began_s))
	end_rest "$pid" "$dir"
	rm -rf -- "$dir"
	rm -f "$state/$index.pid" "$state/$index.dir"

	read -r passed failed skipped points plan bailed < <(count "$log")
	if [ "$rc" = 124 ] || { [ "$rc" = 137 ] && [ "$took_s" -ge "$limit" ]; }; then
		why="still ran after $limit s"
	elif [ "$rc" = 126 ] || [ "$rc" = 127 ]; then
		why="cannot be run (exit status $rc)"
	elif [ "$rc" = 77 ] && [ "$points" = 0 ] && [ "$plan" = - ]; then
		skipped=1
	elif [ "$rc" -gt 128 ] && kill -l $((rc - 128)) >/dev/null 2>&1; then
		why="died of SIG$(kill -l $((rc - 128)))"
	elif [ "$bailed" = 1 ]; then
		why="bailed out"
	elif [ "$plan" = - ]; then
		why="printed no plan (exit status $rc)"
	elif [ "$plan" != "$points" ]; then
		why="planned $plan, reported $points (exit status $rc)"
	elif [ "$points" = 0 ] && [ "$skipped" = 0 ]; then
		why="planned nothing, and says no # SKIP"
	elif [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
		why="exit status $rc"
	fi
	[ -z "$why" ] || failed=$((failed + 1))
	echo "$passed $failed $skipped" >"$state/$index.count"

	verdict=pass
	[ "$failed" = 0 ] || verdict=FAIL
	[ "$failed" = 0 ] && [ "$passed" = 0 ] && verdict=skip
	text="$verdict  $name: $passed passed"
	[ "$failed" = 0 ] || text+=", $failed failed"
	[ "$skipped" = 0 ] || text+=", $skipped skipped"
	text+=" ($took_s s)"
	if [ -s "$state/$index.err" ]; then
		{ echo '--- stderr ---'; cat "$state/$index.err"; } >>"$log"
	fi
	if [ "$failed" != 0 ]; then
		[ -z "$why" ] || text+=$'\n'"      $why"
		add "$(of_failed "$log" | sed 's/^/      /')"
		if [ -n "$why" ] && [ -s "$log" ]; then
			text+=$'\n'"      the end of $log, without what passed:"
			add "$(grep -avE '^ok($|[[:blank:]])' "$log" | tail -n 40 | sed 's/^/      | /')"
		elif [ -s "$state/$index.err" ]; then
			text+=$'\n'"      the end of what $log has from stderr:"
			add "$(tail -n 40 "$state/$index.err" | sed 's/^/      | /')"
		else
			text+=$'\n'"      all of it: $log"
		fi
	elif [ "$skipped" != 0 ]; then
		add "$(grep -aiE '^(ok|1\.\.0).*# *skip' "$log" | sed 's/^/      /')"
	fi
	# One write a program: two at a time do not mix.
	printf '%s\n' "$text"
}

index=0
running=0
# Those that run alone: after the others, for whom nobody is to stand idle.
last=()
declare -A log_of
for program in "$@"; do
	read -r -a command <<<"$program"
	[ ${#command[@]} -gt 0 ] || continue
	name=$(name_of "${command[@]}")
	case $name in *"$only"*) ;; *) continue ;; esac
	case ${command[0]} in */*) ;; *) command[0]=./${command[0]} ;; esac
	index=$((index + 1))
	log=${name//\//-}
	[ -z "${given[$log]:-}" ] || log+=-$index
	given[$log]=1
	log=$logs/$log.log
	if { [ -n "$alone" ] && [[ $name == *"$alone" ]]; } ||
	   head -c 4096 "${command[0]}" 2>/dev/null | grep -aqx '# run\.sh: alone'; then
		last+=("$index ${command[*]}")
		log_of[$index]=$log
		continue
	fi
	if [ "$running" -ge "$jobs" ]; then
		wait -n
		running=$((running - 1))
	fi
	run_one "$index" "${command[@]}" &
	running=$((running + 1))
done
wait
for program in "${last[@]}"; do
	read -r -a command <<<"$program"
	log=${log_of[${command[0]}]}
	run_one "${command[@]}"
done

passed=0 failed=0 skipped=0
for ((i = 1; i <= index; i++)); do
	if read -r p f s 2>/dev/null <"$state/$i.count"; then
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	else
		echo "run.sh: the judge of program $i died" >&2
		failed=$((failed + 1))
	fi
done

[ "$passed" != 0 ] || [ "$failed" != 0 ] || echo 'run.sh: nothing ran' >&2
summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary+=", $skipped skipped"
echo "$summary" | tee "$logs/summary"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
