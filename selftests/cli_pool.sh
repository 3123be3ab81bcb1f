#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# cli_pool.sh - the command zerocore: pools that are damaged, guarded, that grow, shrink,
# are placed, and are removed all at once
# shellcheck disable=SC1091,SC2154,SC2086 # common.sh is there; rc and others come from it
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. selftests/cli/common.sh

# --- a damaged pool -------------------------------------------------------------------

# The last bytes of the control file are the descriptors, 64 bytes a granule.  The
# last run is made longer than what is left: length - 1 is in bytes 1 to 3.
run pool create damaged --bytes 4M --segment 4M
control=$ZEROCORE_DIR/zerocore.damaged.pool
on_files=
if [ -e "$control" ]; then
	on_files=yes
	last=$(($(stat -c %s "$control") - (4 << 20) / 512 / 64 * 64))
	printf '\0\xff\x03\0\1\0\0\0' |
		dd "of=$control" bs=1 seek=$last conv=notrunc status=none
	run pool check damaged
	[ $rc = 3 ] && grep -q 'DEFECTS$' "$tmp/out" && grep -q 'defects, the first: ' "$tmp/out"
	point defects_have_their_exit_status $?
	truncate -s 100 "$control"
	good=0
	says 1 'pool damaged .*truncated' pool info damaged || good=1
	run pool list
	[ $rc = 0 ] && grep -q '^damaged .*truncated' "$tmp/out" || good=1
	point truncated_pool_is_named $good
else
	skip defects_have_their_exit_status "not on plain shared memory"
	skip truncated_pool_is_named "not on plain shared memory"
fi
run pool remove damaged
point damaged_pool_can_be_removed $rc

# --- who only looks -------------------------------------------------------------------

# A pool that goes with its last member, as one leaves it who was killed: all that looks
# leaves it as it is.
run pool create looked --bytes 1M --huge never
control=$ZEROCORE_DIR/zerocore.looked.pool
if [ "$on_files" ]; then
	printf '\1' | dd "of=$control" bs=1 seek=76 conv=notrunc status=none
	run pool info looked
	grep -q '^lives  *until its last member leaves' "$tmp/out"
	good=$?
	was=$(sha256sum "$control")
	for verb in "pool list" "pool info looked" "pool info looked --json" "blocks looked" \
		"blocks looked --verify" "service list looked" "reader list looked" \
		"cleaner list looked" "member list looked"; do
		run $verb
		[ $rc = 0 ] && [ "$(sha256sum "$control" 2>&1)" = "$was" ] && continue
		echo "# zerocore $verb"
		good=1
	done
	point looking_leaves_all_as_it_is $good
else
	skip looking_leaves_all_as_it_is "not on plain shared memory"
fi
run pool remove looked

# All that were attached are killed at once, and who only looks does not bury them.
run pool create left --bytes 1M --huge never
if [ "$on_files" ]; then
	mkfifo "$tmp/feed"
	"$zc" pub left test/cli/left --stdin <"$tmp/feed" >/dev/null 2>&1 &
	left=($!)
	exec 7>"$tmp/feed"
	start left sub left test/cli/left --print none
	left+=("$child")
	start cleaner clean left
	left+=("$child")
	children+=("${left[@]}")
	# attached STATE: all three are shown so, on each list
	attached()
	{
		local verb

		for verb in service reader cleaner member; do
			run $verb list left
			grep -qw "$1" "$tmp/out" || return 1
			run $verb list left --json
			grep -qE '"(writer|state)":"'"$1"'"' "$tmp/out" || return 1
		done
		[ "$(grep -c '"state":"'"$1"'"' "$tmp/out")" = 3 ]
	}
	until_true attached live
	good=$?
	# Stopped first: nobody is there who sees another die.
	kill -STOP "${left[@]}"
	# stopped: each thread of each is
	stopped()
	{
		local pid

		for pid in "${left[@]}"; do
			! sed 's/.*) //' "/proc/$pid/task/"*/stat | grep -qv ^T || return 1
		done
	}
	until_true stopped
	kill -KILL "${left[@]}"
	wait "${left[@]}" 2>/dev/null
	until_true attached silent || good=1
	for verb in service reader cleaner member; do
		run $verb list left
		! grep -qw live "$tmp/out" || good=1
	done
	run pool info left
	grep -q '^attached  *3 members (3 silent), 1 writers, 1 readers$' "$tmp/out" || good=1
	for verb in "pool list" "pool info left"; do
		run $verb --json
		grep -q '"members":3,"silent_members":3,' "$tmp/out" || good=1
	done
	run top left --once --interval 10ms --json
	grep -q '"writer":"silent"' "$tmp/out" && ! grep -q '"\(state\|writer\)":"live"' "$tmp/out" || good=1
	exec 7>&-
	# Who attaches buries them.
	run pool check left
	run member list left --json
	[ $rc = 0 ] && [ ! -s "$tmp/out" ] || good=1
	point the_killed_are_not_shown_as_live $good
else
	skip the_killed_are_not_shown_as_live "not on plain shared memory"
fi
run pool remove left

# A heartbeat of before the machine was started is ahead of its clock.
rebooted=(unshare --fork --kill-child --time --monotonic 1000000)
run pool create ahead --bytes 1M --huge never
if [ "$on_files" ] && "${rebooted[@]}" true 2>/dev/null; then
	"${rebooted[@]}" "$zc" clean ahead >/dev/null 2>&1 &
	children+=($!)
	silent_one() { run member list ahead; grep -qw silent "$tmp/out"; }
	until_true silent_one
	good=$?
	kill -KILL "${children[-1]}"
	wait "${children[-1]}" 2>/dev/null
	run member list ahead
	! grep -qw live "$tmp/out" || good=1
	point heartbeats_of_before_the_start_are_not_live $good
else
	skip heartbeats_of_before_the_start_are_not_live "no clock of its own, or not on plain shared memory"
fi
run pool remove ahead

# Whoever owns a pool's file can cut it while somebody looks.  So that it happens in the
# middle of each look: holes, on a file system that is full.
looks_at_holes()
{
	mount -t tmpfs -o size=64M none "$ZEROCORE_DIR" || return 77
	for name in a cut z; do
		"$zc" pool create $name --bytes 1M --huge never >/dev/null || return 1
	done
	control=$ZEROCORE_DIR/zerocore.cut.pool
	fallocate -p -o 4096 -l $(($(stat -c %s "$control") - 4096)) "$control" || return 77
	cat /dev/zero >"$ZEROCORE_DIR/filler" 2>/dev/null
	run pool list
	[ $rc = 0 ] && [ "$(wc -l <"$tmp/out")" = 4 ] && grep -q '^a  *1 MiB' "$tmp/out" &&
		grep -q '^cut  *pool cut .*cut' "$tmp/out" && grep -q '^z  *1 MiB' "$tmp/out" || return 1
	run pool list --json
	[ $rc = 0 ] && [ "$(wc -l <"$tmp/out")" = 3 ] &&
		grep -q '"name":"cut","error":"pool cut .*cut' "$tmp/out" || return 1
	run pool info cut a
	[ $rc = 1 ] && grep -q '^pool  *a$' "$tmp/out" && grep -q '^zerocore: pool cut .*cut' "$tmp/err" || return 1
	for verb in blocks "service list" "reader list" "cleaner list" "member list" "top --once"; do
		says 1 'pool cut .*cut' $verb cut || return 1
	done
}
if [ "$(id -u)" = 0 ] && [ "$on_files" ]; then
	export -f looks_at_holes run says
	export zc tmp limit_s
	unshare -m bash -c looks_at_holes
	good=$?
else
	good=77
fi
if [ $good = 77 ]; then
	skip looking_survives_files_that_are_cut "needs root, mount, plain shared memory"
else
	point looking_survives_files_that_are_cut $good
fi

# --- guards, sizes, places ------------------------------------------------------------

run pool create guarded --bytes 1M --huge never --guard magic
[ $rc = 0 ] && grep -q '^guard  *magic' "$tmp/out"
good=$?
says 2 "none of off, magic, header, full" pool create never --guard some || good=1
seq 1 5 | timeout $limit_s "$zc" pub guarded test/cli/guard --stdin --history 5 --guard full >/dev/null 2>&1 || good=1
run service list guarded --json
grep -q '"guard": *"full"' "$tmp/out" || good=1
run blocks guarded --verify --json
[ $rc = 0 ] && grep -q '"guard": *"full", *"fault": *"none"' "$tmp/out" || good=1
run blocks guarded --corrupt --json
[ $rc = 0 ] && [ ! -s "$tmp/out" ] || good=1
run pool remove guarded
point guards_are_chosen_and_shown $good

run pool create bursts --bytes 1M --max 2M --huge never
good=$rc
run pool grow bursts 3
[ $rc = 0 ] && grep -q 'in 7 segments' "$tmp/out" && grep -q 'grow to 8' "$tmp/out" || good=1
says 1 "1 of 2 segments were added, it has 8 now: .*max_bytes" pool grow bursts 2 || good=1
says 2 "NAME" pool grow || good=1
says 2 "no number" pool grow bursts some || good=1
says 1 "less than it begins with" pool create never --bytes 2M --max 1M || good=1
point pools_grow $good

run pool shrink bursts 6
good=$rc
grep -q 'in 2 segments' "$tmp/out" && grep -q 'grow to 8' "$tmp/out" || good=1
says 1 "1 of 2 segments were removed, it has 1 now: .*which it keeps" pool shrink bursts 2 || good=1
says 2 "NAME" pool shrink || good=1
says 2 "no number" pool shrink bursts some || good=1
says 2 "timeout" pool shrink bursts --timeout soon || good=1
run pool check bursts
[ $rc = 0 ] || good=1
run pool grow bursts
[ $rc = 0 ] && grep -q 'in 2 segments' "$tmp/out" || good=1
run pool remove bursts
point pools_shrink $good

run pool create placed --bytes 2M --numa 0 --huge never
good=$rc
says 1 "node 1022" pool create nowhere --numa 1022 || good=1
run pool create spread --bytes 2M --numa interleave --huge never
[ $rc = 0 ] || good=1
# Few machines have such pages.
run pool create large --huge gigantic --bytes 1G
if [ $rc = 0 ]; then
	run pool remove large
else
	grep -q '1 GiB' "$tmp/err" || good=1
fi
point pools_are_placed $good

# Whoever may only read a pool cannot receive on plain shared memory, and can on the device.
run pool create shown --bytes 1M --huge never --mode 0640
good=$rc
if [ "$on_files" ]; then
	grep -q 'neither publish nor receive' "$tmp/err" || good=1
else
	[ ! -s "$tmp/err" ] || good=1
fi
run pool remove shown
run pool create shown --bytes 1M --huge never --mode 0660
[ $rc = 0 ] && [ ! -s "$tmp/err" ] || good=1
run pool remove shown
point modes_that_let_others_look_are_told $good

# --- text of others -------------------------------------------------------------------

# What another process wrote, with the bytes that a terminal obeys: U+009B is one.
run pool create text --bytes 1M --huge never
name=$'c1 \xc2\x9b31m del \x7f esc \e[31m raw \x9b31m cut \xc3 e-acute \xc3\xa9'
obeyed=$'[\x01-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|[^\xc2\xc3\xbf]\x9b'
echo >"$tmp/$name"
timeout $limit_s "$zc" pub text test/cli/text --files "$tmp/$name" --history 2 >/dev/null 2>&1
run sub text test/cli/text --history 2 --count 1 --print name --timeout $wait_s
[ $rc = 0 ] && grep -qx $'.*/c1 ?31m del ? esc ?\\[31m raw ?31m cut ? e-acute \xc3\xa9' "$tmp/out" &&
	! LC_ALL=C grep -aqE "$obeyed" "$tmp/out"
good=$?
run sub text test/cli/text --history 2 --count 1 --json --timeout $wait_s
[ $rc = 0 ] && grep -q 'c1 \\u009b31m del \\u007f esc \\u001b\[31m' "$tmp/out" &&
	! LC_ALL=C grep -aqE "$obeyed" "$tmp/out" || good=1
# Sentences of the library, too, have words of others in them.
ZEROCORE_DIR=$'/nowhere\e[31m\xc2\x9b' timeout $limit_s "$zc" pool list >"$tmp/out" 2>"$tmp/err"
[ $? = 1 ] && grep -q '^zerocore: .*cannot use folder /nowhere?\[31m? ' "$tmp/err" || good=1
run pool remove text
point no_terminal_obeys_what_others_wrote $good

# --- the end ------------------------------------------------------------------------

run pool info placed
good=$rc
if grep -q '^backend  *shm' "$tmp/out"; then
	run pool remove --all --json
	[ $rc = 0 ] && grep -q '"removed":2' "$tmp/out" || good=1
	run pool remove --all
	[ $rc = 0 ] && grep -q '^0 pools removed' "$tmp/out" || good=1
	[ -z "$(ls -A "$ZEROCORE_DIR")" ] || good=1
else
	# The device has pools of others, too.
	for name in placed spread; do
		run pool remove $name
		[ $rc = 0 ] || good=1
	done
fi
point pool_remove_all_leaves_nothing $good

echo "1..$number"
[ "$failures" = 0 ]
