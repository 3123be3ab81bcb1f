#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# demo.sh - every shared object of this machine through a pool, with a kill -9
# in the middle
#
# Usage: tools/demo.sh [FOLDER]
#
# One publisher, a file a message.  Subscriber A just reads, B is stopped and
# continued, C is killed with -9 while it holds blocks, D joins late.  What A, B
# and D received is compared with sha256sum.  Nothing here waits for a time to
# pass: each step waits until it can be seen, within a deadline.
set -u

limit_s=${ZC_DEMO_LIMIT_S:-180}
step_s=60

# All of it in bounded time; the inner one cleans up when it is told to end.
if [ -z "${ZC_DEMO_BOUNDED:-}" ]; then
	export ZC_DEMO_BOUNDED=1
	exec timeout --foreground -k 20 "$limit_s" "${BASH_SOURCE[0]}" "$@"
fi

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
command=${ZEROCORE:-build/bin/zerocore}
pool=zerocore-demo-$$
service=demo/library/file
hold=16
history=16
pid_pub='' pid_a='' pid_b='' pid_c='' pid_d='' pid_events=''
created=''
tmp=$(mktemp -d) || exit 1

# zc ARG...: a short call of the command, which must not hang either
zc() { timeout 20 "$command" "$@" 8>&-; }

say()
{
	# On a terminal the progress line of the publisher may stand here.
	if [ -t 1 ]; then
		printf '\r\033[K%s\n' "$*"
	else
		printf '%s\n' "$*"
	fi
}

cleanup()
{
	local pid

	exec 8>&-
	for pid in $pid_pub $pid_a $pid_b $pid_c $pid_d $pid_events; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	[ -z "$created" ] || zc pool remove "$pool" 2>/dev/null
	rm -rf -- "$tmp"
}
trap cleanup EXIT
trap 'echo "demo: interrupted" >&2; exit 1' INT TERM HUP

fail()
{
	local file

	say "demo: FAILED: $*" >&2
	for file in "$tmp"/*.err; do
		[ -s "$file" ] && sed "s|^|  $(basename "$file" .err): |" "$file" >&2
	done
	exit 1
}

# until_true WHAT COMMAND...: look again until it holds; at most step_s
until_true()
{
	local what=$1 end=$((SECONDS + step_s))

	shift
	until "$@"; do
		[ -z "$pid_pub" ] || kill -0 "$pid_pub" 2>/dev/null || fail "$what: the publisher is gone"
		[ "$SECONDS" -lt "$end" ] || fail "$what: not within $step_s s"
		sleep 0.02
	done
}

# number KEY: the number behind "KEY": in the JSON line on stdin
number() { sed -n 's/.*"'"$1"'":\([0-9.]*\).*/\1/p'; }

# end_of WHO PID: wait for a child that should succeed
end_of()
{
	wait "$2" || fail "$1 ended with exit status $?"
}

# --- what there is to publish ----------------------------------------------

folder=${1:-/usr/lib/$(gcc -print-multiarch 2>/dev/null)}
[ -d "$folder" ] || folder=/usr/lib
[ -x "$command" ] || fail "there is no $command; run make first"

find "$folder" -type f -readable -name '*.so*' -printf '%s\t%p\0' |
	LC_ALL=C sort -z -t $'\t' -k 2 >"$tmp/found"
largest=$(tr '\0' '\n' <"$tmp/found" | cut -f 1 | sort -n | tail -n 1)
[ -n "$largest" ] || fail "there is no shared object in $folder"

# The largest block is one segment.  Four of them must fit where pools live; in a
# pool that is too small for that, dozens of files must still fit.
where=${ZEROCORE_DIR:-/dev/shm}
room=$(($(df --output=avail -B1 "$where" | tail -n 1) * 3 / 4))
segment=$((128 << 20))
while [ $segment -lt $((largest + 8192)) ]; do segment=$((segment * 2)); done
most=$((segment - 8192))
while [ $((segment * 4)) -gt $room ] && [ $segment -gt $((1 << 20)) ]; do
	segment=$((segment / 2))
	most=$((segment / 16))
done

awk -v RS='\0' -v ORS='\0' -v most=$most -F '\t' '
	$1 + 0 <= most { sub(/^[^\t]*\t/, ""); print }' "$tmp/found" >"$tmp/list"
files=$(tr -cd '\0' <"$tmp/list" | wc -c)
left_out=$(($(tr -cd '\0' <"$tmp/found" | wc -c) - files))
[ "$files" -ge 48 ] || fail "$files files in $folder; the demo wants 48 or more: give it another FOLDER"

# The stream is fed in two parts, so that each step happens in the middle of it.
first=$((files / 3))
lag=64
[ $lag -le $((files / 4)) ] || lag=$((files / 4))
behind=$((lag / 4))
[ $history -le $behind ] || history=$behind
[ $hold -le $((first / 2)) ] || hold=$((first / 2))

say "demo: $files files of $folder, the largest $((largest >> 10)) KiB"
[ $left_out = 0 ] ||
	say "demo: $left_out larger than $((most >> 10)) KiB are left out: $where is small"
xargs -0 sha256sum <"$tmp/list" >"$tmp/expected" || fail "sha256sum"

# --- the pool and who uses it ----------------------------------------------

zc pool create "$pool" --bytes $((segment * 4)) --segment $segment --json \
	>"$tmp/pool" || fail "no pool"
created=yes
backend=$(sed -n 's/.*"backend":"\([^"]*\).*/\1/p' "$tmp/pool")
[ "$backend" != device ] || backend=/dev/zerocore
[ "$backend" != shm ] || backend="shared memory"
pages=$(sed -n 's/.*"pages":"\([^"]*\).*/\1/p' "$tmp/pool")
say "demo: pool $pool on $backend, $((segment >> 18)) MiB, $pages pages; subscribers A, B and C"

# Subscribers: A, B, C; what they print goes to $tmp/X.sha, remarks to $tmp/X.err
subscribe()
{
	local who=$1

	shift
	"$command" sub "$pool" "$service" --sha256 --timeout "$limit_s" "$@" \
		>"$tmp/$who.sha" 2>"$tmp/$who.err" &
}
reading() { grep -qs 'reading .* as reader' "$tmp/$1.err"; }

"$command" events "$pool" --json >"$tmp/events" 2>"$tmp/events.err" &
pid_events=$!
until_true "events" grep -qs watching "$tmp/events.err"
subscribe A; pid_a=$!
subscribe B; pid_b=$!
subscribe C --hold $hold; pid_c=$!

mkfifo "$tmp/feed" || fail "no FIFO"
"$command" pub "$pool" "$service" --files-from "$tmp/feed" --null \
	--wait-readers 3 --lag $lag --history $history --timeout "$limit_s" \
	--progress --json 3>&1 >"$tmp/pub.json" 2>&3 3>&- &
pid_pub=$!
exec 8>"$tmp/feed"
for who in A B C; do until_true "subscriber $who" reading $who; done

# --- the first third, then somebody stops ----------------------------------

head -z -n $first "$tmp/list" >&8

# held PID: how many blocks this process holds
held() { zc blocks "$pool" --json | grep -c '"held_by":[^]]*"pid":'"$1"'}'; }
holds_all() { [ "$(held "$1")" -ge $hold ]; }
until_true "C holds $hold blocks" holds_all "$pid_c"
say "demo: C (pid $pid_c) holds $hold blocks"

kill -STOP "$pid_b" || fail "B is gone"
say "demo: B (pid $pid_b) is stopped"
tail -z -n +$((first + 1)) "$tmp/list" >&8 &
feeder=$!
exec 8>&-

lag_of() { zc reader list "$pool" --json | grep '"pid":'"$1", | number lag; }
is_behind() { [ "$(lag_of "$pid_b")" -ge $behind ]; }
until_true "B falls behind" is_behind
say "demo: B is $(lag_of "$pid_b") messages behind; the publisher waits at $lag"

# --- kill -9 -----------------------------------------------------------------

kill -0 "$pid_c" || fail "C is gone"
{ kill -KILL "$pid_c"; wait "$pid_c"; } 2>/dev/null
died() { grep -qs '"type":3,.*"pid":'"$pid_c", "$tmp/events"; }
until_true "the death of C is noticed" died
death=$(grep '"type":3,.*"pid":'"$pid_c", "$tmp/events")
came_back=$(number blocks <<<"$death")
came_back_bytes=$(number bytes <<<"$death")
say "demo: C was killed with -9: $came_back blocks that it held came back"

# --- a late joiner, in the middle ----------------------------------------------

subscribe D --history $history; pid_d=$!
until_true "subscriber D" reading D
next_now=$(zc service list "$pool" --json | number next_sequence)
cursor_of() { zc reader list "$pool" --json | grep '"pid":'"$1", | number cursor; }
caught_up() { [ "$(cursor_of "$pid_d")" -ge "$next_now" ]; }
until_true "D catches up" caught_up
say "demo: D (pid $pid_d) joined before message $next_now"

kill -CONT "$pid_b" || fail "B is gone"
say "demo: B goes on"

# --- the end -------------------------------------------------------------------

wait "$feeder" || fail "the list of files"
end_of "the publisher" "$pid_pub"; pid_pub=''
end_of A "$pid_a"; pid_a=''
end_of B "$pid_b"; pid_b=''
end_of D "$pid_d"; pid_d=''
pid_c=''
kill -TERM "$pid_events"
wait "$pid_events"
pid_events=''

# compare WHO EXPECTED: lines of a subscriber that are not what sha256sum says
compare() { diff "$tmp/$1.sha" "$2" | grep -c '^[<>]'; }
from_d=$(wc -l <"$tmp/D.sha")
tail -n "$from_d" "$tmp/expected" >"$tmp/expected.D"
# A killed process may leave a half line.
grep -a -E '^\\?[0-9a-f]{64}  .' "$tmp/C.sha" | head -n -1 >"$tmp/C.whole"
mv "$tmp/C.whole" "$tmp/C.sha"
head -n "$(wc -l <"$tmp/C.sha")" "$tmp/expected" >"$tmp/expected.C"
mismatches=$(($(compare A "$tmp/expected") + $(compare B "$tmp/expected") +
	$(compare C "$tmp/expected.C") + $(compare D "$tmp/expected.D")))

# of WHO WORD: the number behind a word of a subscriber's last remark
of() { sed -n "s/.*$2 \([0-9]*\).*/\1/p" "$tmp/$1.err" | tail -n 1; }
gaps=0
copies=$(number copies <"$tmp/pub.json")
for who in A B D; do
	gaps=$((gaps + $(of $who gaps) + $(of $who lost) + $(of $who corrupt) + $(of $who broken)))
	copies=$((copies + $(of $who copies)))
done

zc pool check "$pool" --json >"$tmp/check"
check=$?
case $check in
0) verdict=clean ;;
3) verdict="DEFECTS: $(sed -n 's/.*"first_error":"\([^"]*\).*/\1/p' "$tmp/check")" ;;
*) verdict="failed" ;;
esac

published=$(number files <"$tmp/pub.json")
say
say "demo: report"
say "  files           $published, $(number bytes <"$tmp/pub.json") bytes in $(number seconds <"$tmp/pub.json") s"
say "  A               $(wc -l <"$tmp/A.sha") files verified"
say "  B, stopped      $(wc -l <"$tmp/B.sha") files verified"
say "  C, killed       $(wc -l <"$tmp/C.sha") files verified before its death"
say "  D, late         $from_d files verified, from message $(of D sequences) on"
say "  copies made     $copies"
say "  mismatches      $mismatches"
say "  gaps and losses $gaps"
say "  reclaimed       $came_back blocks, $came_back_bytes bytes from the dead"
say "  pool check      $verdict"

[ "$published" = "$files" ] || fail "$published of $files files were published"
[ "$copies" = 0 ] || fail "$copies copies"
[ "$mismatches" = 0 ] || fail "$mismatches mismatches"
[ "$gaps" = 0 ] || fail "$gaps gaps or losses"
[ "$from_d" -gt 0 ] || fail "D got nothing"
[ "$from_d" -lt "$files" ] || fail "D was no late joiner: it got all files"
[ "$came_back" -ge $hold ] || fail "$came_back blocks came back from the dead, who held $hold or more"
[ $check = 0 ] || fail "pool check: $verdict"
say "demo: OK"
