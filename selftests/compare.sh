#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# compare.sh - zerocore bench compare: every peer that is installed takes part, every
# message is checked, and the report is one page.  No figure is judged.
#
# One of them at a time has the machine (bench_guard.c), so this one waits for nobody:
# run.sh: alone
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
zc=${ZEROCORE:-$PWD/build/bin/zerocore}
tmp=$(mktemp -d) || exit 1
ZEROCORE_DIR=$(mktemp -d /dev/shm/zc-compare.XXXXXX) || exit 1
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
		echo "ok $number - compare_$1"
		return
	fi
	# Nothing could be measured, and it says so: that excuses figures, and no content.
	case $1 in
	all_peers_and_loads | figures_are_whole | pool_sizes_are_told | json_on_stdout)
		if grep -q 'the host moved the processors in each of' "$tmp/err" 2>/dev/null; then
			echo "ok $number - compare_$1 # SKIP the host moved the processors"
			return
		fi
		;;
	esac
	echo "not ok $number - compare_$1"
	sed 's/^/# out: /' "$tmp/out" 2>/dev/null | tail -n 5 | cut -c1-300
	sed 's/^/# err: /' "$tmp/err" 2>/dev/null | tail -n 5
	failures=$((failures + 1))
}

run()
{
	timeout $((600 * ${ZC_TEST_SLOW:-1})) "$zc" bench compare "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	rc=$?
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

# holds NAME PROGRAM: PROGRAM (Python) finds nothing amiss in `machine' and `rows'
holds()
{
	local name=$1 program=$2

	python3 - "$tmp/json" "$program" 2>>"$tmp/err" <<-END
		import json, sys, textwrap
		rows = [json.loads(line) for line in open(sys.argv[1])]
		machine, rows = rows[0], rows[1:]
		apart = [row for row in rows if "study" in row]
		rows = [row for row in rows if "study" not in row]
		cells = {}
		for row in rows:
		    cells.setdefault((row["load"], row["size"], row["payload"], row["wait"],
		                      row["others"]), {})[row["peer"]] = row
		steady = [row for row in rows if row["reps"]]
		exec(textwrap.dedent(sys.argv[2]))
	END
	point "$name" $?
}

# What a peer could leave: names of sockets and queues, pools, files, its daemon.
left()
{
	find "$ZEROCORE_DIR" -mindepth 1
	grep -a "zc-compare-$1-" /proc/net/unix
	compgen -G "/dev/mqueue/zc-compare-$1-*"
	compgen -G "/dev/shm/*compare-$1-*"
	ps -o pid=,args= --ppid "$1"
}

refuses flag_unknown "unrecognized option" --frobnicate
refuses peer_unknown "no peer is called" --peers pipe,wibble
refuses load_unknown "no load is called" --loads wibble
refuses sizes_wrong "sizes takes numbers" --sizes 64,x
refuses size_too_small "sizes takes numbers" --sizes 4
refuses reps_none "reps takes numbers" --reps 0
refuses pin_same "two different processors" --pin 1,1
run --list
[ $rc = 0 ] && grep -q '^  zerocore ' "$tmp/out" && grep -q '^  pingpong ' "$tmp/out"
point list $?

cp "$zc" "$tmp/zerocore"
"$tmp/zerocore" bench compare --list >"$tmp/out" 2>"$tmp/err"
[ $? = 1 ] && grep -q 'make bench' "$tmp/err"
point says_that_it_is_not_built $?

list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
if [ "$list" = "${list%%[,-]*}" ]; then
	echo "ok $((number + 1)) - compare_measurements # SKIP one processor only"
	echo "1..$((number + 1))"
	exit $((failures > 0))
fi
pin=${list%%[,-]*}
case $list in
"$pin"-*) pin=$pin,$((pin + 1)) ;;
*) pin=${list#*,} pin=${list%%[,-]*},${pin%%[,-]*} ;;
esac
few=(--pin "$pin" --reps 1 --budget 1)
huge=$(cat /proc/sys/vm/nr_hugepages)

run "${few[@]}" --quick --sizes 64,4K --output "$tmp/json"
[ $rc = 0 ] && grep -q '^pingpong: 64 B, ends, busy' "$tmp/out"
point all_peers_and_loads $?
holds json_parses 'assert machine["load"] == "machine" and len(rows) > 20, rows'
holds every_peer_reports '
		assert {"ring", "zerocore", "pipe", "socket", "futex"} <= set(machine["peers"])
		loads = {"pingpong", "stream", "gather", "start", "topics"}
		assert {cell[0] for cell in cells} == loads, cells.keys()
		for cell, found in cells.items():
		    missing = set(machine["peers"]) - set(found)
		    if cell[3] == "block":
		        missing -= {"ck"}
		    if cell[0] in ("stream", "gather"):
		        missing -= {"cyclone-shm"}
		    assert not missing, (cell, missing)'
holds who_is_not_there_is_said_to_be_left_out '
		assert set(machine["peers"]) | set(machine["left_out"]) == set(machine["titles"])
		assert not set(machine["peers"]) & set(machine["left_out"])'
holds content_is_checked '
		for row in rows:
		    if row["load"] == "topics" and not row["reps"]:
		        continue
		    assert row["checked"] > 0 and row["wrong"] == 0 and row["lost"] == 0, row'
holds topics_are_read_by_all_who_can '
		found = {row["peer"]: row for row in rows if row["load"] == "topics" and row["size"] == 64}
		for peer in {"ring", "zerocore", "pipe", "socket", "futex", "iceoryx", "cyclone", "zmq"}:
		    if peer in machine["peers"]:
		        assert found[peer]["reps"] > 0 and found[peer]["checked"] >= 400, found[peer]
		for row in found.values():
		    assert row["reps"] or row["failed"], row
		if "ck" in found:
		    assert found["ck"]["failed"] == "cannot sleep", found["ck"]'
holds figures_are_whole '
		assert len(steady) > len(rows) / 2
		for row in steady:
		    assert row["value_ns"] > 0, row
		    if row["load"] == "start":
		        assert row["open_ns"] > 0 and row["attach_ns"] > 0, row
		        assert row["value_ns"] > row["open_ns"] and row["memory_kib"] >= 0, row
		        continue
		    if row["load"] == "topics":
		        assert 0 < row["p50_ns"] <= row["p999_ns"] <= row["max_ns"], row
		        assert row["cpu_percent"] > 0 and row["cpu_message_ns"] > 0, row
		        assert 0 < row["rate_kept"] <= 1 and row["channels"] == 200, row
		        assert len(row["curve"]) > 10 and row["samples"] > 0, row
		        continue
		    assert row["probe_before_ns"] > 0, row
		    assert row["probe_after_ns"] > 0 and row["placement"] in ("near", "far"), row
		    if row["load"] == "pingpong":
		        assert 0 < row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"], row
		        assert len(row["curve"]) > 10 and row["samples"] > 0, row
		    else:
		        assert row["msgs_per_s"] > 0, row'
holds recovery_is_told '
		died = {(r["peer"], r["role"], r["what"]): r for r in apart if r["load"] == "recovery"}
		for role in "reader", "writer":
		    for what in "dead_to_free", "kill_to_dead", "kill_to_free", "kill_to_next":
		        row = died["zerocore", role, what]
		        assert row["kills"] == row["samples"] > 0 and row["never"] == 0, row
		        assert 0 < row["p50_ns"] <= row["max_ns"], row
		        assert row["curve"][-1][0] == 1 and row["lost"] == row["wrong"] == 0, row
		        assert row["checked"] > 0, row
		    assert died["zerocore", role, "dead_to_free"]["clean"], role
		    if "iceoryx" not in machine["peers"]:
		        continue
		    row = died["iceoryx", role, "kill_to_next"]
		    assert row["kills"] == row["samples"] + row["never"] > 0 and row["wrong"] == 0, row
		    assert row["restarts"] == row["never"], row'
holds pool_sizes_are_told '
		some = [r for r in apart if r["load"] == "pools" and "failed" not in r]
		assert len(apart) > len(some) > 0, apart
		for row in some:
		    assert row["pool_bytes"] >= 16 << 20 and row["ratio_to_ring"] > 0, row
		    assert row["probe_before_ns"] > 0 and row["value_ns"] > 0, row
		    assert row["what"] == "acquire" or row["wrong"] == 0, row
		assert {r["what"] for r in some} == {"acquire", "stream"}, some'
holds memory_is_told '
		some = [r for r in apart if r["load"] == "memory"]
		attach = {(r["peer"], r["what"]): r for r in some if r["what"] != "overhead"}
		assert set(attach) == {(p, w) for p in ("zerocore", "kernel")
		                       for w in ("attach", "attach_populated")}, attach
		for row in attach.values():
		    assert row["pool_bytes"] == 1 << 30 and 0 < row["p50_ns"] <= row["max_ns"], row
		pools = [r for r in some if r["what"] == "overhead" and r["peer"] == "zerocore"]
		assert pools
		for row in pools:
		    assert row["data_allocated_bytes"] >= row["pool_bytes"], row
		    assert 0 < row["control_allocated_bytes"] < row["pool_bytes"] * 2, row
		    assert row["create_ns"] > 0 and row["process_kib"] > 0, row
		if "iceoryx" in machine["peers"]:
		    row, = [r for r in some if r["peer"] == "iceoryx"]
		    assert row["daemon_kib"] > 0 and row["process_kib"] > 0, row'
holds pages_are_told '
		some = [r for r in apart if r["load"] == "pages"]
		assert {r["pages"] for r in some} == {"small", "transparent", "hugetlb"}, some
		for row in some:
		    if row["pages"] == "small":
		        assert row["got"] == "small" and row["huge_kib"] == 0, row
		    if "failed" not in row:
		        assert row["touch_ns"] > 0 and row["read_ns"] > 0, row'
[ "$(cat /proc/sys/vm/nr_hugepages)" = "$huge" ]
point huge_pages_are_given_back $?

tools/bench/report.py "$tmp/json" "$tmp/report.html" selftests/instructions/counts >"$tmp/out" 2>"$tmp/err"
[ $? = 0 ] && grep -q 'class=us' "$tmp/report.html" && grep -q 'as JSON' "$tmp/report.html"
point report $?
for words in 'recovery: a writer is killed' 'pools: does the size matter' 'memory and start-up' \
	'pages: first touch' 'instructions a message' 'p99.9 × ring'; do
	grep -q "$words" "$tmp/report.html" || echo "no \"$words\""
done >"$tmp/out"
[ ! -s "$tmp/out" ]
point report_has_studies $?
! grep -oiE "(src|href|url)[[:space:]]*[=(][[:space:]]*[\"']?[^\"' >]{1,30}" "$tmp/report.html" |
	grep -v 'data:' | tee "$tmp/out" | grep -q . && ! grep -qE '<(script|link|iframe)' "$tmp/report.html"
point report_has_no_links $?
if command -v gnuplot >/dev/null; then
	grep -q 'src=.data:image/svg' "$tmp/report.html" && [ -s "$tmp/latency-busy-touch.png" ] &&
		[ -s "$tmp/latency-busy-touch.svg" ] && [ -s "$tmp/recovery-writer.png" ] &&
		[ -s "$tmp/recovery-reader.svg" ] && [ -s "$tmp/pools-acquire.png" ] &&
		[ -s "$tmp/pools-throughput.svg" ]
	point report_has_pictures $?
fi

# Each peer's message with a wrong byte must be seen: else it checks nothing.
run "${few[@]}" --spoil --loads pingpong,stream --quick --sizes 64,4K --output "$tmp/json"
[ $rc = 1 ] && grep -q 'wrong content' "$tmp/err"
point spoiled_content_fails $?
holds spoiled_content_is_seen_of_each '
		assert {row["peer"] for row in rows} == set(machine["peers"])
		for row in rows:
		    assert row["wrong"] > 0, row'

run "${few[@]}" --json --loads stream --peers ring,zerocore --sizes 64
cp "$tmp/out" "$tmp/json"
[ $rc = 0 ]
point json_on_stdout $?
holds json_has_who_was_asked_for 'assert {row["peer"] for row in rows} == {"ring", "zerocore"}'

# ends SIGNAL STATUS: in the middle of a run, and nothing is left
ends()
{
	local end=$((SECONDS + 60)) rc pid

	"$zc" bench compare --pin "$pin" --reps 40 --budget 100 >"$tmp/out" 2>"$tmp/err" &
	child=$!
	pid=$child
	until [ -n "$(find "$ZEROCORE_DIR" -mindepth 1)" ]; do
		[ $SECONDS -lt $end ] && kill -0 $child 2>/dev/null || break
		sleep 0.01
	done
	kill -"$1" $child
	wait $child
	rc=$?
	child=
	left "$pid" >"$tmp/out"
	[ $rc = "$2" ] && [ ! -s "$tmp/out" ]
}
ends INT 130
point interrupted $?
ends TERM 143
point terminated $?

echo "1..$number"
exit $((failures > 0))
