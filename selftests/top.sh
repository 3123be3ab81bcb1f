#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# top.sh - zerocore top: as text, as JSON, and on a terminal that script(1) makes
# shellcheck disable=SC1091,SC2034,SC2154,SC2086 # common.sh is there; rc and others come
# from it, and suite goes there
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
suite=top
. selftests/cli/common.sh
export TERM=xterm LC_ALL=C
unset LINES COLUMNS
pool=top
svc=test/top/data

json() { python3 -c "import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
$2" "$1"; }

"$zc" pool create $pool --bytes 4M --segment 4M >/dev/null || exit 1
start reader sub $pool $svc --print none
reader=$child
until_true reading reader
start cleaner clean $pool
cleaner=$child
until_true grep -qs cleaning "$tmp/cleaner.err"
mkfifo "$tmp/feed"
"$zc" pub $pool $svc --stdin --lag 20 --history 2 <"$tmp/feed" >"$tmp/pub.out" 2>"$tmp/pub.err" &
children+=($!)
exec 7>"$tmp/feed"
echo first >&7
has_come() { "$zc" service list $pool --json | grep -q '"writer":"live".*"next_sequence":'"$1"','; }
until_true has_come 2
writer=$("$zc" service list $pool --json | sed -n 's/.*"writer_pid":\([0-9]*\).*/\1/p')

# --- text ------------------------------------------------------------------------

# shows_all: what each frame of this pool has
shows_all()
{
	grep -qE "^pool $pool on [a-z]+ .* by $1\$" "$tmp/out" &&
		grep -qE '^memory +\[\|* *\] [0-9.]+ %: .* of 4 MiB used, .* the longest run ' "$tmp/out" &&
		grep -qE '^attached  3 members, 1 writer, 1 reader, 1 cleaner$' "$tmp/out" &&
		grep -qE '^pressure  ok, [0-9]+ %: 0 writers wait for memory$' "$tmp/out" &&
		grep -qE "^$svc +$writer zerocore .* block 2 " "$tmp/out" &&
		grep -qE "^$svc +$reader zerocore .* reliable " "$tmp/out" &&
		grep -qE "^ +0 +$cleaner .* live " "$tmp/out"
}
# On the device who looks is a member, too.
run pool info $pool
if grep -q '^backend  *shm' "$tmp/out"; then
	run member list $pool --json
	[ "$(wc -l <"$tmp/out")" = 3 ]
	good=$?
	# A heartbeat may be late, and is silent then.
	shown()
	{
		run top $pool --once --interval 10ms
		[ $rc = 0 ] && [ ! -s "$tmp/err" ] && shows_all index
	}
	until_true shown || good=1
	point once_shows_all $good
else
	skip once_shows_all "not on plain shared memory"
fi
run top $pool --interval 10ms --sort rate
[ $rc = 0 ] && [ "$(grep -c '^pool ' "$tmp/out")" = 1 ] && ! grep -q $'\e' "$tmp/out" &&
	grep -q 'by rate$' "$tmp/out"
point without_a_terminal_it_is_text $?
run top $pool --interval 10ms --count 3
[ $rc = 0 ] && [ "$(grep -c '^pool ' "$tmp/out")" = 3 ]
point frames_are_counted $?
# 4 lines of 72 slices, some of them in use.
run top $pool --once --interval 10ms
[ "$(grep -cE '^[.:c#~!?]{72}$' "$tmp/out")" = 4 ] && grep -qE '^[.:c#~!?]*[:c#][.:c#~!?]*$' "$tmp/out" &&
	grep -q '56.89 KiB each\|14.22 KiB each' "$tmp/out"
point map_shows_the_memory $?

# A pool of its second segment only, half of which is in use: the first is gone.
"$zc" pool create holes --bytes 1M --segment 1M --max 2M --ring 256 --huge never >/dev/null
head -c 14000 /dev/zero >"$tmp/file"
good=0
for name in first second; do
	start $name sub holes test/top/$name --hold 64 --print none
	until_true reading $name || good=1
	run pub holes test/top/$name --files "$tmp/file" --repeat 64 --timeout 0 --no-end
	[ $rc = 0 ] || good=1
	[ $name = second ] || run pool grow holes
done
{ kill -KILL "${children[-2]}" && wait "${children[-2]}"; } 2>/dev/null
run pool shrink holes
[ $rc = 0 ] && grep -q 'in 1 segments' "$tmp/out" || good=1
run top holes --once --interval 10ms
[ "$(grep -cE '^[.:c#~!?]{72}$' "$tmp/out")" = 4 ] &&
	[ "$(grep -cE '^[.:c#~!?]*#{3}[.:c#~!?]*$' "$tmp/out")" = 4 ] || good=1
{ kill -KILL "$child" && wait "$child"; } 2>/dev/null
run pool remove holes
point map_leaves_out_what_is_gone $good

# --- JSON -------------------------------------------------------------------------

if command -v python3 >/dev/null; then
	run top $pool --json --count 2 --interval 20ms
	[ $rc = 0 ] && json "$tmp/out" "
assert len(lines) == 2
for o in lines:
    assert o['interval_ns'] >= 20000000
    assert [s['writer_pid'] for s in o['services']] == [$writer]
    assert [r['pid'] for r in o['readers']] == [$reader]
    assert [c['pid'] for c in o['cleaners']] == [$cleaner]
    assert {$writer, $reader, $cleaner} <= {m['pid'] for m in o['members']}
    memory = o['memory']
    if memory['whole']:
        assert sum(memory[s + '_bytes'] for s in ('free', 'claimed', 'committed',
            'cleaning', 'orphaned')) == o['load']['bytes'] == 4 << 20
    assert o['services'][0]['messages_per_s'] == 0
" 2>>"$tmp/err"
	point json_has_all_rows $?
	run top $pool --json --once --interval 10ms
	cp "$tmp/out" "$tmp/once"
	run pool info $pool --json
	cat "$tmp/out" >>"$tmp/once"
	json "$tmp/once" "
top, info = lines[0], lines[1]['counters']
assert lines[1]['members'] >= 3
for rows in ('services', 'readers', 'cleaners', 'members'):
    speed = {'messages_per_s', 'bytes_per_s'} if rows in ('services', 'readers') else set()
    assert set(top[rows][0]) - speed == set(info[rows][0]), rows
for name in ('acquired', 'cancelled', 'dropped', 'disconnected', 'timeouts', 'wakes',
        'committed_bytes', 'used_bytes', 'wanted_bytes', 'quota_bytes'):
    assert name in info['services'][0], name
for name in ('received', 'lost', 'corrupt', 'sleeps', 'holds', 'lag'):
    assert name in info['readers'][0], name
" 2>>"$tmp/err"
	point pool_info_has_the_same_counters $?

	# What was published is what the rates come to.
	start rates top $pool --json --interval 10ms
	rates=$child
	until_true test -s "$tmp/rates.out"
	seq 1 50 >&7
	until_true grep -q '"next_sequence":52,' "$tmp/rates.out"
	good=$?
	kill -TERM "$rates"
	wait "$rates" || good=1
	cp "$tmp/rates.out" "$tmp/out"
	json "$tmp/out" "
sent = sum(o['services'][0]['messages_per_s'] * o['interval_ns'] / 1e9 for o in lines)
assert abs(sent - 50) < 0.1, sent
" 2>>"$tmp/err" || good=1
	point rates_add_up $good
	start rates top $pool --json --count 1000 --interval 10ms
	rates=$child
	until_true test -s "$tmp/rates.out"
	kill -INT "$rates"
	wait "$rates"
	[ $? = 1 ] && grep -q 'stopped by a signal after [0-9]* of 1000 frames' "$tmp/rates.err"
	point signal_before_the_count_is_told $?
else
	for name in json_has_all_rows pool_info_has_the_same_counters rates_add_up \
		signal_before_the_count_is_told; do
		skip $name "no python3"
	done
fi

# --- who waits ---------------------------------------------------------------------

kill -STOP "$reader"
seq 1 40 >&7
blocked()
{
	run top $pool --once --interval 10ms
	grep -qE "^$svc +$writer .* reader 0 " "$tmp/out" &&
		grep -qE '^pressure  ok, .*: 0 writers wait for memory; 1 for a reader$' "$tmp/out"
}
until_true blocked
good=$?
silent()
{
	run top $pool --once --interval 10ms
	grep -qE "^$svc +$reader .* silent " "$tmp/out" && grep -q '^attached .*(1 silent)' "$tmp/out"
}
until_true silent || good=1
kill -CONT "$reader"
until_true has_come 92 || good=1
point a_reader_at_its_limit_is_told $good

start slow sub $pool test/top/full --print none
slow=$child
until_true reading slow
kill -STOP "$slow"
head -c 500000 /dev/zero >"$tmp/large"
start full pub $pool test/top/full --files "$tmp/large" --repeat 0
full=$child
waits()
{
	run top $pool --once --interval 10ms
	grep -qE '^pressure  critical, [0-9]+ %: 1 writer waits for memory \(test/top/full\)' "$tmp/out" &&
		grep -qE "^test/top/full +$full .* room [0-9.]+ KiB " "$tmp/out"
}
until_true waits
point a_full_pool_is_told $?
{ kill -KILL "$slow" "$full" && wait "$slow" "$full"; } 2>/dev/null

# --- permission ---------------------------------------------------------------------

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -e "$ZEROCORE_DIR/zerocore.$pool.pool" ]; then
	cp "$zc" "$tmp/zerocore"
	chmod 755 "$tmp" "$ZEROCORE_DIR"
	as_nobody()
	{
		setpriv --reuid 65534 --regid 65534 --clear-groups \
			timeout $limit_s "$tmp/zerocore" "$@" >"$tmp/out" 2>"$tmp/err"
	}
	"$zc" pool create readable --bytes 2M --mode 0644 >/dev/null
	as_nobody top readable --once --interval 10ms && grep -q '^attached  0 members' "$tmp/out"
	good=$?
	as_nobody blocks readable || good=1
	as_nobody pool info readable && grep -q '^attached  *0 members' "$tmp/out" || good=1
	as_nobody pool check readable && good=1
	as_nobody top $pool --once && good=1
	grep -qi '^zerocore: .*permi' "$tmp/err" || good=1
	"$zc" pool remove readable
	point permission_to_read_is_enough $good
else
	skip permission_to_read_is_enough "needs root, setpriv, plain shared memory"
fi

# --- the screen -----------------------------------------------------------------------

enter=$'\e[?1049h'
leave=$'\e[?1049l'

# screen NAME ARG...: top on a terminal of 132 by 40; keys by descriptor 8; what it wrote
# is in $tmp/NAME.tty, its pid in $tmp/NAME.pid, its terminal's modes before and after
# in $tmp/NAME.modes
screen()
{
	local name=$1

	shift
	rm -f "$tmp/keys" "$tmp/$name.pid"
	: >"$tmp/$name.modes"
	mkfifo "$tmp/keys"
	cat >"$tmp/inside" <<-END
		stty rows 40 cols 132
		stty -g >>"$tmp/$name.modes"
		sh -c 'echo \$\$ >"$tmp/$name.pid"; exec "\$@"' sh "$zc" top $*
		rc=\$?
		stty -g >>"$tmp/$name.modes"
		exit \$rc
	END
	timeout $limit_s script -q -e -f -c "exec sh '$tmp/inside'" "$tmp/$name.tty" <"$tmp/keys" >/dev/null 2>&1 &
	child=$!
	children+=("$child")
	exec 8>"$tmp/keys"
}
written() { grep -aoF -- "$2" "$tmp/$1.tty" 2>/dev/null | wc -l; }
# wrote NAME TEXT [TIMES]
wrote() { [ "$(written "$1" "$2")" -ge "${3:-1}" ]; }
# draws NAME TEXT [TIMES]: when all is drawn anew
draws() { printf '\f' >&8; wrote "$@"; }
# is_left NAME: the terminal is as it was
is_left()
{
	wrote "$1" "$leave" && [ "$(wc -l <"$tmp/$1.modes")" = 2 ] &&
		[ "$(sort -u "$tmp/$1.modes" | wc -l)" = 1 ]
}
show() { tail -c 3000 "$tmp/$1.tty" | tr '\e\r' '^ ' >"$tmp/out"; }

screen keys $pool
# What is drawn last.
until_true wrote keys ' q quit  p pause'
good=$?
wrote keys "$svc" || good=1
wrote keys "$enter" && wrote keys 'WRITER OF' && wrote keys 'READER OF' && wrote keys CLEANER || good=1
wrote keys "$writer" && wrote keys "$reader" && wrote keys "$leave" && good=1
show keys
point screen_shows_writers_and_readers $good
good=0
for look in 'p PAUSED' 's by rate' 's by lag' '+ every 2.0 s' '-- every 500.0 ms' \
	'h any key leaves it'; do
	printf %s "${look%% *}" >&8
	until_true draws keys "${look#* }" || { echo "# ${look%% *}: no '${look#* }'"; good=1; }
done
# Any key leads back.
times=$(written keys 'READER OF')
printf x >&8
until_true draws keys 'READER OF' $((times + 1)) || good=1
show keys
point screen_has_keys $good
tty=$(readlink "/proc/$(cat "$tmp/keys.pid")/fd/0")
stty -F "$tty" rows 6 cols 30
until_true draws keys 'the terminal is too small'
good=$?
times=$(written keys 'WRITER OF')
# The tables do not fit: what is below comes by scrolling.
stty -F "$tty" rows 12 cols 60
until_true draws keys 'WRITER OF' $((times + 1)) || good=1
times=$(written keys CLEANER)
printf '\e[6~\e[6~\e[6~' >&8
until_true draws keys CLEANER $((times + 1)) || good=1
times=$(written keys RECLAIMED)
printf '\eOC%.0s' {1..13} >&8
until_true draws keys RECLAIMED $((times + 1)) || good=1
show keys
point screen_fits_the_terminal $good
printf q >&8
wait "$child" && is_left keys
good=$?
show keys
point screen_is_left_by_q $good

good=0
for signal in INT TERM HUP QUIT; do
	screen "$signal" $pool --interval 1h
	until_true wrote $signal "$svc" || good=1
	kill -s $signal "$(cat "$tmp/$signal.pid")"
	wait "$child" && is_left $signal || { echo "# by $signal"; good=1; show $signal; }
done
point screen_is_left_by_signals $good

screen count $pool --interval 10ms --count 3
wait "$child" && is_left count && wrote count "$svc"
good=$?
show count
point screen_counts_frames $good

TERM=nonsense screen nameless $pool
wait "$child"
[ $? = 1 ] && wrote nameless 'no screen on a terminal "nonsense"' && ! wrote nameless "$enter"
good=$?
show nameless
point unknown_terminal_is_told $good

# Whoever owns a pool's file can cut it while somebody looks.
if [ -e "$ZEROCORE_DIR/zerocore.$pool.pool" ]; then
	"$zc" pool create cut --bytes 1M --huge never >/dev/null
	screen cut cut --interval 10ms
	until_true wrote cut 'pool cut on'
	truncate -s 4096 "$ZEROCORE_DIR/zerocore.cut.pool"
	wait "$child"
	[ $? = 1 ] && is_left cut && sed "s/.*\[?1049l//" "$tmp/cut.tty" | grep -qa "zerocore: pool cut .*cut"
	good=$?
	show cut
	"$zc" pool remove cut
	point screen_ends_when_the_file_is_cut $good
else
	skip screen_ends_when_the_file_is_cut "not on plain shared memory"
fi

# --- the end ----------------------------------------------------------------------------

start json top $pool --json --interval 10ms
json=$child
until_true test -s "$tmp/json.out"
screen gone $pool --interval 50ms
until_true wrote gone "$svc"
"$zc" pool remove $pool
wait "$child"
[ $? = 1 ] && is_left gone && sed "s/.*\[?1049l//" "$tmp/gone.tty" | grep -qa "zerocore: pool $pool was removed"
good=$?
show gone
point screen_ends_with_the_pool $good
wait "$json"
[ $? = 1 ] && grep -q "^zerocore: pool $pool was removed; its [0-9]* members go on" "$tmp/json.err"
point json_ends_with_the_pool $?
exec 7>&- 8>&-
{ kill -TERM "$reader" "$cleaner" && wait; } 2>/dev/null

echo "1..$number"
[ "$failures" = 0 ]
