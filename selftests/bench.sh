#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# bench.sh - zerocore bench: arguments, JSON, verified content, nothing left
# behind.  No figure is judged: that is what the benchmarks are for.
#
# One of them at a time has the machine (bench_guard.c), so this one waits for nobody:
# run.sh: alone
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
zc=${ZEROCORE:-$PWD/build/bin/zerocore}
tmp=$(mktemp -d) || exit 1
ZEROCORE_DIR=$(mktemp -d /dev/shm/zc-bench.XXXXXX) || exit 1
export ZEROCORE_DIR
child=
cleanup()
{
	[ -n "$child" ] && kill -KILL "$child" 2>/dev/null
	rm -rf -- "$tmp" "$ZEROCORE_DIR"
}
trap cleanup EXIT

number=0
failures=0

# point NAME STATUS: 0 is good
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - bench_$1"
		return
	fi
	# Nothing could be measured, and it says so.
	if grep -q 'the host moved the processors in each of' "$tmp/err" 2>/dev/null; then
		echo "ok $number - bench_$1 # SKIP the host moved the processors"
		return
	fi
	echo "not ok $number - bench_$1"
	sed 's/^/# out: /' "$tmp/out" 2>/dev/null | tail -n 5
	sed 's/^/# err: /' "$tmp/err" 2>/dev/null | tail -n 5
	failures=$((failures + 1))
}

# The first two processors that this process may use, as A,B.
two_processors()
{
	local list part low high found=()

	list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	for part in ${list//,/ }; do
		low=${part%-*} high=${part#*-}
		while [ "$low" -le "$high" ] && [ ${#found[@]} -lt 2 ]; do
			found+=("$low")
			low=$((low + 1))
		done
	done
	[ ${#found[@]} = 2 ] && echo "${found[0]},${found[1]}"
}

run()
{
	timeout $((240 * ${ZC_TEST_SLOW:-1})) "$zc" bench "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
}

# field NAME LINE: its value in a flat JSON object
field() { sed -n "s/.*[{,]\"$1\":\(\"[^\"]*\"\|[^,}]*\).*/\1/p" <<<"$2"; }

# has LINE NAME...: each is there
has()
{
	local line=$1 name

	shift
	for name; do
		[ -n "$(field "$name" "$line")" ] && continue
		echo "# no $name in $line"
		return 1
	done
}

# compare LINE EXPRESSION: over the line's numbers, in awk's words
compare()
{
	local line=$1 expression=$2 name words

	words=$(grep -o '[a-z][a-z0-9_]*' <<<"$expression" | sort -u)
	for name in $words; do
		expression=$(sed "s/\<$name\>/($(field "$name" "$line"))/g" \
			     <<<"$expression")
	done
	awk "BEGIN { exit !($expression) }" && return 0
	echo "# not so: $2: $expression"
	return 1
}

probes="probe_before_ns probe_after_ns ratio_to_ring rounds dropped moved"
times="min_ns p50_ns p99_ns p999_ns"
ordered="0 <= min_ns && min_ns <= p50_ns && p50_ns <= p99_ns && p99_ns <= p999_ns"
measured="probe_before_ns > 0 && probe_after_ns > 0 && ratio_to_ring > 0"
measured="$measured && rounds > 0 && wrong == 0"

# timed NAME BENCH ARG...: every line of it is complete, ordered and right
timed()
{
	local name=$1 bench=$2 line good=0 lines=0

	shift 2
	run "$bench" --json "$@"
	[ $rc = 0 ] || good=1
	while read -r line; do
		lines=$((lines + 1))
		# Too little memory for a part of it.
		[ -z "$(field skipped "$line")" ] || continue
		# shellcheck disable=SC2086
		has "$line" bench size readers payload $times $probes &&
			[ "$(field bench "$line")" = "\"$bench\"" ] &&
			compare "$line" "$ordered && $measured" || good=1
	done <"$tmp/out"
	[ $lines -ge 1 ] || good=1
	point "$name" $good
}

# hops NAME BASE ARG...: messagering, beside BASE
hops()
{
	local name=$1 base=$2 line

	shift 2
	run messagering --json "$@"
	line=$(cat "$tmp/out")
	# shellcheck disable=SC2086
	[ $rc = 0 ] &&
		has "$line" $times "${base}_p50_ns" "ratio_to_$base" &&
		compare "$line" "$ordered && ${base}_p50_ns > 0 && ratio_to_$base > 0 && wrong == 0"
	point "$name" $?
}

# rated NAME ARG...: throughput
rated()
{
	local name=$1 line

	shift
	run throughput --json "$@"
	line=$(cat "$tmp/out")
	# shellcheck disable=SC2086
	[ $rc = 0 ] &&
		has "$line" bench size readers payload msgs_per_s gib_per_s \
			$probes &&
		compare "$line" "msgs_per_s > 0 && gib_per_s >= 0 && $measured"
	point "$name" $?
}

# recovers NAME ARG...
recovers()
{
	local name=$1 line

	shift
	run recovery --json --pool-bytes 64M --held 20 "$@"
	line=$(cat "$tmp/out")
	# shellcheck disable=SC2086
	[ $rc = 0 ] &&
		has "$line" bench role kills size readers payload $times \
			kill_to_dead_p50_ns kill_to_free_max_ns &&
		compare "$line" "$ordered && lost == 0 && wrong == 0" &&
		compare "$line" "check_errors == 0 && check_lost == 0" &&
		compare "$line" "check_free + check_committed == check_granules" &&
		[ "$(field clean "$line")" = true ]
	point "$name" $?
}

# refuses NAME WORDS ARG...: exit status 2 and WORDS on stderr
refuses()
{
	local name=$1 words=$2

	shift 2
	run "$@"
	[ $rc = 2 ] && [ ! -s "$tmp/out" ] && grep -qe "$words" "$tmp/err"
	point "$name" $?
}

pools_nr() { find "$ZEROCORE_DIR" -mindepth 1 | wc -l; }

# ends SIGNAL STATUS: in the middle of a run, without leaving a pool
ends()
{
	local end=$((SECONDS + 60)) rc

	"$zc" bench throughput --pin "$pin" --pool-bytes 16M --reps 1000 \
		--count 1000000 >"$tmp/out" 2>"$tmp/err" &
	child=$!
	until [ "$(pools_nr)" -gt 0 ]; do
		[ $SECONDS -lt $end ] && kill -0 $child 2>/dev/null || break
		sleep 0.01
	done
	kill -"$1" $child
	wait $child
	rc=$?
	child=
	[ $rc = "$2" ] && [ "$(pools_nr)" = 0 ]
}

refuses wait_unknown "busy, spin or block" latency --wait never
refuses wait_of_another "is for bench latency" ring --wait spin
refuses flag_unknown "unrecognized option" latency --frobnicate
refuses flag_of_another "no use for --kills" latency --kills 5
refuses flag_of_another_readers "no use for --readers" latency --readers 2
refuses name_missing "which benchmark"
refuses name_unknown "no benchmark is called" wibble
refuses name_twice "one benchmark at a time" latency ring
refuses number_wrong "takes a number" latency --size 12x
refuses number_negative "takes a number" latency --count -3
refuses number_too_large "takes a number" throughput --readers 33
refuses part_wrong "takes a number from 0.01" fragmentation --utilisation 60
refuses pool_too_small "64 MiB or more" fragmentation --pool-bytes 16M
refuses number_zero "takes a number" latency --size 0
refuses choice_wrong "takes touch or whole" latency --payload most
refuses pin_wrong "two different processors" latency --pin 0
refuses pin_same "two different processors" latency --pin 1,1
refuses hazard_tiny "8 bytes or more" throughput --mode hazard --size 4
run --help
[ $rc = 0 ] && grep -q recovery "$tmp/out" && grep -q Examples: "$tmp/out"
point help $?

pin=$(two_processors)
if [ -z "$pin" ]; then
	echo "ok $((number + 1)) - bench_measurements # SKIP one processor only"
	echo "1..$((number + 1))"
	exit $((failures > 0))
fi

few=(--pin "$pin" --reps 2)
small=("${few[@]}" --pool-bytes 16M)

run ring --json "${few[@]}" --count 500
[ $rc = 0 ] && [ "$(wc -l <"$tmp/out")" = 2 ] &&
	{ read -r latency && read -r throughput; } <"$tmp/out" &&
	has "$latency" bench size readers payload ratio_to_line &&
	compare "$latency" "$ordered && $measured && ratio_to_line > 0" &&
	has "$throughput" bench size readers payload gib_per_s &&
	compare "$throughput" "msgs_per_s > 0 && $measured"
point ring $?

timed latency latency "${small[@]}" --count 500
timed latency_sizes latency "${few[@]}" --size 1M --payload whole --count 20
timed latency_one_byte latency "${small[@]}" --size 1 --count 500
timed latency_odd_size latency "${small[@]}" --size 1003 --payload whole --count 500
timed latency_blocking latency "${small[@]}" --wait block --count 100
timed latency_spinning latency "${small[@]}" --wait spin --count 500
grep -q '"wait":"spin"' "$tmp/out"
point latency_says_how_it_waits $?
run handle --json --count 100000 --reps 5
line=$(cat "$tmp/out")
[ "$rc" = 0 ] && has "$line" bench decode_cycles decode_latency_cycles pointer_cycles \
	pointer_latency_cycles decode_ns pointer_ns && compare "$line" \
	"decode_cycles > 0 && decode_latency_cycles > 0 && pointer_cycles > 0 && \
		pointer_latency_cycles > 0"
point handle $?
run guard --json --size 512 --count 500 --reps 3
line=$(cat "$tmp/out")
[ "$rc" = 0 ] && has "$line" bench size off_ns magic_ns header_ns full_ns memcpy_ns crc_ns \
	full_to_crc full_to_crc_same && compare "$line" \
	"off_ns > 0 && crc_ns > 0 && false_alarms == 0 && verified == 4500"
point guard $?
hops messagering line "${few[@]}" --count 500
hops messagering_blocking futex "${few[@]}" --wait block --count 100
run cleaners --json "${small[@]}" --count 2000
good=$rc
while read -r line; do
	# shellcheck disable=SC2086
	has "$line" cleaners $times p50_ratio p999_ratio rounds &&
		compare "$line" "$ordered && p50_ratio > 0 && p999_ratio > 0 && wrong == 0" ||
		good=1
done <"$tmp/out"
[ "$(grep -o '"cleaners":[0-9]*' "$tmp/out" | tr -d '\n')" = \
	'"cleaners":0"cleaners":1"cleaners":4' ] || good=1
point cleaners $good
run idle --json --seconds 1 --reps 1 --warmup 0
good=$rc
while read -r line; do
	has "$line" cleaners seconds percent_of_core wakes_per_s &&
		compare "$line" "percent_of_core > 0 && percent_of_core < 100 && wakes_per_s > 0" ||
		good=1
done <"$tmp/out"
[ "$(wc -l <"$tmp/out")" = 3 ] || good=1
point idle $good
timed latency_timestamps latency "${small[@]}" --timestamps --count 500
rated throughput "${small[@]}" --count 2000
[ "$(field lost "$(cat "$tmp/out")")" = 0 ]
point throughput_complete $?
rated throughput_whole "${few[@]}" --size 4K --payload whole --count 2000 --footprint 8M
rated throughput_readers "${small[@]}" --readers 3 --count 2000
rated throughput_blocking "${small[@]}" --wait block --count 500
rated throughput_hazard "${small[@]}" --mode hazard --count 2000
timed readers readers "${small[@]}" --readers 5 --count 512
timed acquire acquire "${few[@]}" --pool-bytes 32M --held 500 --count 640
[ "$(wc -l <"$tmp/out")" = 2 ] && compare "$(tail -n 1 "$tmp/out")" \
	"ratio_to_base > 0 && base_p50_ns > 0 && held == 500"
good=$?
if grep -q '"skipped":' "$tmp/out"; then
	number=$((number + 1))
	echo "ok $number - bench_acquire_compares # SKIP too little memory"
else
	point acquire_compares $good
fi
run slow --json --pin "$pin" --pool-bytes 16M --count 5000
good=$rc
while read -r line; do
	has "$line" bench on_slow reader size msgs_per_s written &&
		compare "$line" "good_wrong == 0 && good_lost == 0 && \
			good_received == written && written > 0" || good=1
done <"$tmp/out"
[ "$(wc -l <"$tmp/out")" = 9 ] || good=1
[ "$(grep -c '"written":5000,' "$tmp/out")" = 7 ] || good=1
point slow_readers $good
# frag NAME ARG...: samples and a summary
frag()
{
	local name=$1 line good=0

	shift
	run fragmentation --json --count 2000 --pool-bytes 128M "$@"
	[ $rc = 0 ] && [ "$(wc -l <"$tmp/out")" = 201 ] || good=1
	while read -r line; do
		has "$line" op largest_bytes share share_joined free_bytes &&
			compare "$line" "0 <= share && share <= share_joined && share_joined <= 1 && \
				largest_bytes <= free_bytes" || good=1
	done < <(grep '^{"op"' "$tmp/out" | sed -n '1p;$p')
	line=$(tail -n 1 "$tmp/out")
	has "$line" bench count utilisation cleaners seed refused live_mean_bytes &&
		compare "$line" "share_least <= share_mean && share_joined_least <= share_joined_mean && \
			samples == 200 && refused_though_it_fits * (cleaners == 0) == 0" || good=1
	point "$name" $good
}

frag fragmentation
frag fragmentation_with_cleaners --cleaners 2 --utilisation 0.7 --seed 5
recovers recovery_reader --role reader --kills 3
recovers recovery_writer --role writer --kills 3
recovers recovery_reader_random --role reader --kills 5 --random
recovers recovery_writer_random --role writer --kills 5 --random

run throughput "${small[@]}" --count 2000
[ $rc = 0 ] && grep -q "^throughput: " "$tmp/out" && ! grep -q '{' "$tmp/out"
point words $?
[ "$(pools_nr)" = 0 ]
point nothing_left $?
ends INT 130
point interrupted $?
ends TERM 143
point terminated $?

echo "1..$number"
exit $((failures > 0))
