#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# cli.sh - the command zerocore: arguments, exit codes, JSON, real files there
# and back
# shellcheck disable=SC1091,SC2154,SC2086 # common.sh is there; rc and others come from it
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. selftests/cli/common.sh
svc=test/cli/data
pool=cli

# --- words -------------------------------------------------------------------

verbs='pool create|pool list|pool info|pool check|pool grow|pool shrink|pool remove|pool evict|pub|sub|blocks|service list|reader list|cleaner list|member list|top|events|clean'
good=0
IFS='|' read -r -a list <<<"$verbs"
for verb in "${list[@]}"; do
	read -r -a words <<<"$verb"
	run "${words[@]}" --help
	[ $rc = 0 ] && grep -q Examples "$tmp/out" && [ ! -s "$tmp/err" ] || good=1
done
for verb in pool service reader cleaner member bench ''; do
	run $verb --help
	[ $rc = 0 ] && grep -q Examples "$tmp/out" || good=1
done
run -h && cp "$tmp/out" "$tmp/help" && grep -q Examples "$tmp/help" || good=1
run help && cmp -s "$tmp/out" "$tmp/help" && [ ! -s "$tmp/err" ] || good=1
for verb in pool 'pool create' sub top bench; do
	run $verb --help && cp "$tmp/out" "$tmp/help"
	run $verb -h && cmp -s "$tmp/out" "$tmp/help" || good=1
	run help $verb && cmp -s "$tmp/out" "$tmp/help" || good=1
done
says 2 "try" help pool create more || good=1
point help_has_examples $good

good=0
for verb in --help --version 'sub --help' 'pool --help' help; do
	timeout $limit_s "$zc" $verb >/dev/full 2>"$tmp/err"
	[ $? = 1 ] && grep -q 'cannot write to stdout: No space' "$tmp/err" || good=1
done
point help_that_is_not_written_is_no_success $good

good=0
for verb in "${list[@]}"; do
	read -r -a words <<<"$verb"
	says 2 "unrecognized option.*--no-such" "${words[@]}" --no-such || good=1
done
says 2 "unrecognized option" --no-such || good=1
point unknown_flag_is_usage $good

good=0
says 2 "no command .nonsense" nonsense || good=1
says 2 "no .pool nonsense" pool nonsense || good=1
run; [ $rc = 2 ] && [ ! -s "$tmp/out" ] && [ -s "$tmp/err" ] || good=1
run pool; [ $rc = 2 ] && [ ! -s "$tmp/out" ] || good=1
point unknown_command_is_usage $good

good=0
for verb in "pool create" "pool info" "pool check" "pool remove" "pool evict" "pool evict $pool" \
	blocks top events clean "service list" pub sub "pub $pool" "sub $pool" "pub $pool a/b/c"; do
	read -r -a words <<<"$verb"
	says 2 "say " "${words[@]}" || good=1
done
says 2 "too many" sub $pool a/b/c d || good=1
says 2 "not both" top $pool --once --count 2 || good=1
says 2 "goes without" pub $pool a/b/c --stdin --files /etc || good=1
point missing_argument_is_usage $good

good=0
for size in 64X -1 1.5M '' K 99999999999T 18446744073709551616 '1 M' 0x10; do
	says 2 "no size" pool create $pool "--bytes=$size" || good=1
done
says 2 "from 1 to 65536" pool create $pool --max-holds 0 || good=1
says 1 "nowhere" sub nowhere a/b/c --timeout .5 || good=1
for time in 5x . .x -1 '' s 1e400 0x10 'for ever'; do
	says 2 "no duration" sub $pool a/b/c "--timeout=$time" || good=1
done
says 2 "none of index" top $pool --sort size || good=1
says 2 "from 10ms" top $pool --interval 1us || good=1
says 2 "at least 1" top $pool --count 0 || good=1
says 2 "no number" sub $pool a/b/c --count=-1 || good=1
says 2 "at least 1" sub $pool a/b/c --count=0 || good=1
says 2 "none of block, drop, disconnect" pub $pool a/b/c --stdin --on-slow x || good=1
says 2 "none of try" pool create $pool --huge maybe || good=1
says 2 "no number" pool create $pool --numa near || good=1
says 2 "no number" pool evict $pool me || good=1
says 2 "not both" pool remove --all $pool || good=1
says 2 "write 0600" pool create $pool --mode 999 || good=1
says 2 "none of sequence" sub $pool a/b/c --print sequence,colour || good=1
[ -z "$(ls -A "$ZEROCORE_DIR")" ] || good=1
point bad_values_are_usage $good

good=0
for name in .hidden -x a/b ../x 'a b' '' "$(printf 'x%.0s' {1..49})"; do
	says 1 "a pool's name has" pool create -- "$name" || good=1
	says 1 "a pool's name has" pool info -- "$name" || good=1
done
[ -z "$(ls -A "$ZEROCORE_DIR")" ] || good=1
point bad_pool_name_is_refused $good

good=0
for verb in "pool info" "pool check" "pool remove" blocks top events clean "service list" \
	"reader list" "cleaner list" "member list"; do
	read -r -a words <<<"$verb"
	says 1 "nowhere" "${words[@]}" nowhere || good=1
	[ ! -s "$tmp/out" ] || good=1
done
# A letter is in any sentence.
for verb in "pool info" "pool check" top; do
	read -r -a words <<<"$verb"
	says 1 "pool n\>" "${words[@]}" n || good=1
done
says 1 nowhere sub nowhere a/b/c || good=1
says 1 nowhere pub nowhere a/b/c --files /etc/passwd || good=1
point missing_pool_is_named $good

run pool list >/dev/null
"$zc" pool list >/dev/full 2>"$tmp/err"
[ $? = 1 ] && grep -q 'cannot write to stdout' "$tmp/err"
point full_stdout_is_an_error $?

# A reader that cannot print takes nothing more from its publisher, and says why.
run pool create full --bytes 1M --huge never
good=$rc
for where in '>/dev/full' '>&-'; do
	rm -f "$tmp/a.err"
	# shellcheck disable=SC2016 # for the inner shell
	timeout $limit_s bash -c 'exec "$0" sub full a/b/c --print text --timeout '$wait_s" $where" "$zc" 2>"$tmp/a.err" &
	a=$!
	children+=("$a")
	until_true reading a || good=1
	seq 3 | "$zc" pub full a/b/c --stdin >"$tmp/out" 2>"$tmp/err" || good=1
	wait "$a"
	[ $? = 1 ] && grep -qE 'cannot write to stdout: (No space|Bad file)' "$tmp/a.err" || good=1
	grep -q 'no message' "$tmp/a.err" && good=1
done
run pool remove full
point reader_that_cannot_print_ends $good

# What is closed is not filled with a pool, over which the next sentence would go.
good=0
for closed in 'clean closed --once 2>&-' 'clean closed --once >&- 2>&-' \
	'events closed --count 1 --timeout 50ms >&- 2>&-' 'pool info closed >&- 2>&- <&-'; do
	run pool create closed --bytes 1M --huge never
	[ $rc = 0 ] || good=1
	# shellcheck disable=SC2016 # for the inner shell
	timeout $limit_s bash -c '"$0" '"$closed" "$zc" >"$tmp/out" </dev/null
	run pool check closed
	[ $rc = 0 ] && grep -q 'clean$' "$tmp/out" || { echo "# zerocore $closed"; good=1; }
	"$zc" pool info closed >&- 2>"$tmp/err"
	[ $? = 1 ] && grep -q 'cannot write to stdout' "$tmp/err" || good=1
	run pool remove closed
	[ $rc = 0 ] || good=1
done
point closed_streams_stay_closed $good

# Each option that --help shows is in the manual.
good=0
for verb in "${list[@]}" bench; do
	read -r -a words <<<"$verb"
	case $verb in
	pool*) page=zerocore-pool ;;
	pub | sub | blocks | top | clean | bench) page=zerocore-$verb ;;
	*) page=zerocore ;;
	esac
	run "${words[@]}" --help
	options=$(grep -oE '^ +(-., )?--[a-z0-9-]+' "$tmp/out" | grep -oE -- '--.*')
	grep -qx -- --json <<<"$options" || { echo "# $verb: no options"; good=1; }
	while IFS= read -r option; do
		case $option in --help | --usage | --version | --json) continue ;; esac
		grep -q -- "Fl .*-${option#--}\>" "Documentation/man/$page.1" || {
			echo "# $page.1 lacks $option"
			good=1
		}
	done <<<"$options"
done
point manual_has_each_option $good

# --- pools -------------------------------------------------------------------

run pool create $pool --bytes 16M --segment 4M --json
[ $rc = 0 ] && grep -q '"bytes":16777216,' "$tmp/out" && grep -q '"segments":4,' "$tmp/out"
point pool_create $?
says 1 'exists' pool create $pool
point pool_exists_is_refused $?
run pool list
[ $rc = 0 ] && grep -q "^$pool  *16 MiB" "$tmp/out" && run pool list -q && [ "$(cat "$tmp/out")" = $pool ]
point pool_list $?
run pool info $pool
[ $rc = 0 ] && grep -q 'in 4 segments of 4 MiB' "$tmp/out"
point pool_info $?
run pool check $pool
[ $rc = 0 ] && grep -q 'clean$' "$tmp/out"
point pool_check_of_a_new_pool_is_clean $?

# --- files there and back ------------------------------------------------------

mkdir "$tmp/in" "$tmp/in/folder" "$tmp/copy"
for size in 0 1 63 64 65 511 512 513 4096 65536 300001 1000000; do
	head -c $size /dev/urandom >"$tmp/in/file-$size"
done
head -c 1000 /dev/urandom >"$tmp/in/with a blank"
head -c 1000 /dev/urandom >"$tmp/in/with\\backslash"
head -c 1000 /dev/urandom >"$tmp/in/"$'with\nnewline'
head -c 1000 /dev/urandom >"$tmp/in/"$'bad utf8 \xff\xc0'
head -c 1000 /dev/urandom >"$tmp/in/folder/not published"
ln -s file-1 "$tmp/in/link"
find "$tmp/in" -maxdepth 1 -type f -print0 | LC_ALL=C sort -z >"$tmp/names"
xargs -0 sha256sum <"$tmp/names" >"$tmp/expected"
files=$(tr -cd '\0' <"$tmp/names" | wc -c)

start a sub $pool $svc --sha256 --timeout $wait_s
a=$child
start b sub $pool $svc --output "$tmp/copy" --json --timeout $wait_s
b=$child
run pub $pool $svc --files "$tmp/in" --wait-readers 2 --timeout $wait_s --json
good=$rc
cp "$tmp/out" "$tmp/pub.json"
wait "$a" || good=1
wait "$b" || good=1
point files_arrive $good
diff "$tmp/expected" "$tmp/a.out" >"$tmp/out" 2>&1
point files_have_the_digests_of_sha256sum $?
good=0
while IFS= read -r -d '' name; do
	cmp -s "$name" "$tmp/copy/${name##*/}" || good=1
done <"$tmp/names"
[ "$(find "$tmp/copy" -type f -printf x | wc -c)" = "$files" ] || good=1
point files_are_saved_as_they_are $good
grep -q "\"files\":$files,.*\"copies\":0,\"skipped\":0," "$tmp/pub.json" &&
	tail -n 1 "$tmp/b.out" | grep -q '"type":"summary".*"copies":0,.*"whole":true'
point files_are_not_copied $?

start a sub $pool $svc --sha256 --timeout $wait_s
a=$child
until_true reading a
timeout $limit_s "$zc" pub $pool $svc --files-from - --null --repeat 3 --timeout $wait_s \
	--rate 1000 --progress <"$tmp/names" >"$tmp/out" 2>"$tmp/err"
good=$?
wait "$a" || good=1
cat "$tmp/expected" "$tmp/expected" "$tmp/expected" | cmp -s - "$tmp/a.out" || good=1
grep -q 'copies made in user space: 0' "$tmp/out" || good=1
grep -q 'messages/s.*GiB/s.*blocks in use' "$tmp/err" || good=1
point files_from_a_list_repeated $good

# Two paths that end alike, one of which comes again.
mkdir "$tmp/one" "$tmp/two" "$tmp/alike"
echo one >"$tmp/one/x"
echo two >"$tmp/two/x"
start a sub $pool $svc --output "$tmp/alike" --timeout $wait_s
a=$child
until_true reading a
run pub $pool $svc --files "$tmp/one/x" "$tmp/two/x" --repeat 2 --timeout $wait_s
good=$rc
wait "$a" || good=1
[ "$(ls "$tmp/alike")" = $'x\nx.2' ] && cmp -s "$tmp/one/x" "$tmp/alike/x" &&
	cmp -s "$tmp/two/x" "$tmp/alike/x.2" || good=1
point files_do_not_replace_each_other $good

# A message that is no file is named by its number, as a file may be.
mkdir "$tmp/numbered" "$tmp/mixed"
echo file >"$tmp/numbered/message-1"
echo raw | timeout $limit_s "$zc" pub $pool test/cli/mixed --stdin --history 9 >"$tmp/out" 2>"$tmp/err"
good=$?
run pub $pool test/cli/mixed --files "$tmp/numbered" --history 9 --timeout $wait_s
[ $rc = 0 ] || good=1
run sub $pool test/cli/mixed --history 9 --output "$tmp/mixed" --timeout $wait_s
[ $rc = 0 ] && [ "$(ls "$tmp/mixed")" = $'message-1\nmessage-1.2' ] && grep -qx raw "$tmp/mixed/message-1" &&
	grep -qx file "$tmp/mixed/message-1.2" || good=1
point messages_and_files_do_not_replace_each_other $good

# A file of /proc says that it has nothing, one of /sys that it has a page.
attribute=/sys/devices/system/cpu/possible
mkdir "$tmp/proc"
start a sub $pool $svc --output "$tmp/proc" --timeout $wait_s
a=$child
until_true reading a
seq 30000 >"$tmp/long"
run pub $pool $svc --files /proc/version /proc/self/environ $attribute "$tmp/long" --timeout $wait_s
good=$rc
wait "$a" && [ "$(cat "$tmp/proc/version")" = "$(cat /proc/version)" ] &&
	[ "$(cat "$tmp/proc/possible")" = "$(cat $attribute)" ] &&
	[ -s "$tmp/proc/environ" ] && cmp -s "$tmp/long" "$tmp/proc/long" || good=1
point files_are_read_to_their_end $good

head -c 5M /dev/zero >"$tmp/large"
start a sub $pool $svc --sha256 --timeout $wait_s
a=$child
until_true reading a
run pub $pool $svc --files "$tmp/large" /dev/null "$tmp/in/file-1" --timeout $wait_s
good=1
wait "$a" && [ $rc = 1 ] && grep -q '^zerocore: .*large skipped: ' "$tmp/err" &&
	grep -q '/dev/null skipped: not a regular file' "$tmp/err" &&
	[ "$(wc -l <"$tmp/a.out")" = 1 ] && good=0
point unfit_files_are_skipped $good

# What has vanished does not come again by being asked for for ever.
says 1 'none of the files could be published' pub $pool $svc --files /dev/null --repeat 0
point nothing_is_not_repeated $?

# --- lines, history, topics ------------------------------------------------------

printf 'one\n\nthree\nno newline' >"$tmp/lines"
timeout $limit_s "$zc" pub $pool test/cli/lines --stdin --end --history 10 <"$tmp/lines" >"$tmp/out"
good=$?
grep -q 'copies made in user space: 4' "$tmp/out" || good=1
run sub $pool test/cli/lines --history 10 --print text --timeout $wait_s --quiet
[ $rc = 0 ] && [ ! -s "$tmp/err" ] || good=1
{ cat "$tmp/lines"; echo; } | cmp -s - "$tmp/out" || good=1
point lines_reach_a_late_joiner $good

run sub $pool test/cli/lines --history 10 --count 2 --print sequence,size --timeout $wait_s
[ $rc = 0 ] && [ "$(wc -l <"$tmp/out")" = 2 ] && grep -qE '^[0-9]+ [0-9]+$' "$tmp/out"
point count_ends_it $?
says 1 'no message within' sub $pool test/cli/nobody --timeout 50ms
point timeout_is_a_failure $?

timeout $limit_s "$zc" pub $pool test/cli/last --stdin --overwrite --history 3 \
	< <(seq 1 5000) >"$tmp/out" 2>"$tmp/err"
good=$?
run sub $pool test/cli/last --history 3 --count 3 --print text --timeout $wait_s
[ $rc = 0 ] && [ "$(cat "$tmp/out")" = $'4998\n4999\n5000' ] || good=1
point overwrite_keeps_the_last $good

# --- who holds what, deaths --------------------------------------------------------

start events events $pool --json
events=$child
until_true grep -qs watching "$tmp/events.err"
start holder sub $pool test/cli/held --hold 5 --print none
holder=$child
until_true reading holder
mkfifo "$tmp/feed"
"$zc" pub $pool test/cli/held --stdin <"$tmp/feed" >"$tmp/pub.out" 2>"$tmp/pub.err" &
pub=$!
children+=("$pub")
exec 7>"$tmp/feed"
seq 1 9 >&7
until_true grep -qs 'holding 5 blocks' "$tmp/holder.err"
# held_by PID NR: it holds so many blocks
held_by()
{
	run blocks $pool --json
	[ $rc = 0 ] && [ "$(grep -c '"held_by":[^]]*"pid":'"$1"'}' "$tmp/out")" = "$2" ]
}
until_true held_by "$holder" 5
point blocks_show_who_holds_them $?
run blocks $pool
grep -q "using.*test/cli/held.*($holder)" "$tmp/out"
point blocks_table $?
# While it is at a message it holds one more.
summary()
{
	run blocks $pool --summary
	[ $rc = 0 ] && grep -q '^held by readers  *5 ' "$tmp/out"
}
until_true summary
point blocks_summary $?
# On a slow machine a heartbeat may be late.
lists_show()
{
	run reader list $pool
	grep -qE "test/cli/held +[0-9]+ +$holder +reliable +live" "$tmp/out" && run member list $pool &&
		grep -qE " $holder +[0-9]+ +live" "$tmp/out" && run service list $pool &&
		grep -qE 'test/cli/held +live' "$tmp/out"
}
until_true lists_show
point lists_show_the_processes $?

says 1 'has a live writer' pub $pool test/cli/held --files "$tmp/in/file-1" --timeout $wait_s
point second_writer_is_refused $?

if command -v python3 >/dev/null; then
	good=0
	for verb in "pool info" "pool check" blocks "blocks --all" "blocks --summary" \
		"service list" "reader list" "member list"; do
		read -r -a words <<<"$verb"
		run "${words[@]}" $pool --json
		lines_are_json "$tmp/out" || { echo "# zerocore $verb"; good=1; }
	done
	run pool list --json
	lines_are_json "$tmp/out" || good=1
	lines_are_json "$tmp/pub.json" && lines_are_json "$tmp/b.out" || good=1
	point json_is_valid $good
else
	skip json_is_valid "no python3"
fi

{ kill -KILL "$holder" && wait "$holder"; } 2>/dev/null
died() { grep -qs "\"type\":3,.*\"pid\":$holder," "$tmp/events.out"; }
until_true died
good=$?
until_true held_by "$holder" 0 || good=1
seq 10 12 >&7
exec 7>&-
wait "$pub" || good=1
kill -TERM "$events"
wait "$events" || good=1
command -v python3 >/dev/null && { lines_are_json "$tmp/events.out" || good=1; }
point death_is_told_and_gives_back $good

# --- a full pool ---------------------------------------------------------------

start slow sub $pool test/cli/full --print none
slow=$child
until_true reading slow
kill -STOP "$slow"
says 1 "no block of .* for" pub $pool test/cli/full --files "$tmp/in" --repeat 0 --timeout 200ms
point full_pool_is_told $?
says 1 "no block of .* for" pub $pool test/cli/full --files "$tmp/in" --timeout 0 --repeat 0
point full_pool_at_once $?
{ kill -KILL "$slow" && wait "$slow"; } 2>/dev/null
run pub $pool test/cli/full --files "$tmp/in" --timeout $wait_s
point death_makes_room $rc

# What a slow reader gets: --lag below what is published while it is stopped.
start a sub $pool test/cli/slow --print none --json --timeout $wait_s
a=$child
until_true reading a
kill -STOP "$a"
run pub $pool test/cli/slow --files "$tmp/in" --lag 4 --on-slow drop --timeout $wait_s --json
good=$rc
grep -q '"dropped":[1-9]' "$tmp/out" || good=1
kill -CONT "$a"
wait "$a" || good=1
grep -q '"type":"summary".*"gaps":0,"lost":[1-9].*"ended":true' "$tmp/a.out" || good=1
point slow_reader_loses_its_oldest $good
start a sub $pool test/cli/slow --print none --timeout $wait_s
a=$child
until_true reading a
kill -STOP "$a"
run pub $pool test/cli/slow --files "$tmp/in" --lag 4 --on-slow disconnect --timeout $wait_s --json
good=$rc
grep -q '"disconnected":1' "$tmp/out" || good=1
kill -CONT "$a"
wait "$a"
[ $? = 1 ] && grep -q '^zerocore: test/cli/slow: .' "$tmp/a.err" || good=1
point slow_reader_is_cut_off $good

start a sub $pool $svc --print none --timeout $wait_s
a=$child
start p pub $pool $svc --files "$tmp/in" --repeat 0 --wait-readers 1 --json
p=$child
until_true grep -qs 'reading' "$tmp/a.err"
moving() { timeout $limit_s "$zc" reader list $pool --json | grep "\"pid\":$a," | grep -qv '"received":0,'; }
until_true moving
kill -INT "$p"
wait "$p"
[ $? = 1 ] && grep -q 'stopped by a signal' "$tmp/p.err" && wait "$a"
point interrupt_ends_the_stream $?

# Input that does not end, and input that does not come: one signal ends both.
good=0
ended() { ! kill -0 "$1" 2>/dev/null; }
live_writer() { timeout $limit_s "$zc" service list $pool | grep -qE "test/cli/endless +live"; }
mkfifo "$tmp/endless"
exec 8<>"$tmp/endless"
printf half >&8
exec 9< <(exec yes)
for feed in "$tmp/endless" /dev/fd/9; do
	"$zc" pub $pool test/cli/endless --stdin --overwrite --history 3 \
		<"$feed" >"$tmp/out" 2>"$tmp/err" &
	p=$!
	children+=("$p")
	until_true live_writer || good=1
	kill -TERM "$p"
	until_true ended "$p" || kill -KILL "$p"
	wait "$p"
	[ $? = 1 ] && grep -q 'stopped by a signal' "$tmp/err" &&
		grep -q '^published' "$tmp/out" || good=1
done
exec 8>&- 9<&-
point interrupt_ends_the_lines $good

# --- permission -------------------------------------------------------------------

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	cp "$zc" "$tmp/zerocore"
	chmod 755 "$tmp" "$ZEROCORE_DIR"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		timeout $limit_s "$tmp/zerocore" pool info $pool >"$tmp/out" 2>"$tmp/err"
	[ $? = 1 ] && grep -qi '^zerocore: .*permi' "$tmp/err"
	point foreign_pool_is_refused $?
	setpriv --reuid 65534 --regid 65534 --clear-groups \
		timeout $limit_s "$tmp/zerocore" pool create other >"$tmp/out" 2>"$tmp/err"
	[ $? = 1 ] && grep -qi '^zerocore: .*permi' "$tmp/err"
	point foreign_folder_is_refused $?
else
	skip foreign_pool_is_refused "needs root and setpriv"
	skip foreign_folder_is_refused "needs root and setpriv"
fi

# --- examples, completion ------------------------------------------------------------

good=0
timeout $limit_s "$examples/publisher" $pool hello world >"$tmp/out" 2>"$tmp/err" || good=1
timeout $limit_s "$examples/subscriber" $pool >"$tmp/out" 2>"$tmp/err" || good=1
[ "$(tr -d '\0' <"$tmp/out")" = $'hello\nworld' ] || good=1
timeout $limit_s "$examples/publisher" nowhere x 2>"$tmp/err" && good=1
grep -q '^publisher: .' "$tmp/err" || good=1
point examples_work $good

# completes WORD... : what completion offers for the last word
completes()
{
	# shellcheck disable=SC2016 # for the inner shell
	bash -c 'source tools/completion/zerocore.bash
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
		_zerocore; printf "%s\n" "${COMPREPLY[@]}"' bash "$zc" "$@"
}
good=0
[ "$(completes pu)" = pub ] || good=1
[ "$(completes pool cr)" = create ] || good=1
[ "$(completes pool create --pref)" = --prefault ] || good=1
[ "$(completes blocks cl)" = $pool ] || good=1
[ "$(completes sub $pool test/cli/la)" = test/cli/last ] || good=1
[ "$(completes pub $pool a/b/c --on-slow dr)" = drop ] || good=1
[ "$(completes top $pool --sort me)" = memory ] || good=1
[ "$(completes top $pool -s me)" = memory ] || good=1
[ "$(completes pool create --huge = ne)" = never ] || good=1
[ "$(completes pool create --huge=ne)" = --huge=never ] || good=1
[ -z "$(completes pool create --bytes = '')" ] || good=1
[ "$(completes pool info other cl)" = $pool ] || good=1
[ "$(completes help pool gr)" = grow ] || good=1
point completion $good

# --- the end ------------------------------------------------------------------------

run pool check $pool
[ $rc = 0 ] && grep -q 'at rest, clean' "$tmp/out"
point pool_is_clean_in_the_end $?

run clean $pool --once --quiet
[ $rc = 0 ] && grep -q '^cleaner 0: [0-9]* passes' "$tmp/out" && [ ! -s "$tmp/err" ]
good=$?
run clean $pool --once --json --threads 3
[ $rc = 0 ] && [ "$(grep -c '"free_bytes":[1-9]' "$tmp/out")" = 3 ] || good=1
says 2 "at least 1" clean $pool --threads 0 || good=1
says 2 "at most 8\|no number" clean $pool --threads 9 || good=1
point cleaner_ends_when_nothing_is_left $good

# listed COUNT: so many cleaners, all of $cleaner
listed()
{
	run cleaner list $pool --json
	[ "$(grep -c "\"pid\":$cleaner,.*\"state\":\"live\"" "$tmp/out")" = "$1" ] &&
		[ "$(wc -l <"$tmp/out")" = "$1" ]
}
start cleaner clean $pool --threads 2
cleaner=$child
until_true listed 2
good=$?
rows_of_two() { run cleaner list $pool; [ "$(grep -cE "^ +[01] +$cleaner +[0-9]+ zerocore +live " "$tmp/out")" = 2 ]; }
until_true rows_of_two || good=1
kill -TERM "$cleaner"
wait "$cleaner" || good=1
listed 0 || good=1
point cleaners_are_listed $good

good=0
says 1 "/dev/zerocore" pool evict $pool 0 || good=1
says 1 "0 to 1151" pool evict $pool 4000 || good=1
point eviction_needs_the_device $good

run pool remove $pool
good=$rc
says 1 "there is no pool $pool" pool info $pool || good=1
[ -z "$(ls -A "$ZEROCORE_DIR")" ] || good=1
point pool_remove_leaves_nothing $good

echo "1..$number"
[ "$failures" = 0 ]
