#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# types.sh - programs of two languages and two compilers mean the same by a type; what a
# description says wrongly does not compile; who means another type is refused
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d /dev/shm/zc-types.XXXXXX) || exit 1
zc=${ZC_BUILD:-build}/bin/zerocore
lib=${ZC_BUILD:-build}/lib/libzerocore.so
pool=types
number=0
failures=0
writer=
reader=
mkdir "$tmp/pools"
export ZEROCORE_DIR=$tmp/pools LD_LIBRARY_PATH=${ZC_BUILD:-build}/lib

finish()
{
	[ -z "$writer" ] || kill "$writer" 2>/dev/null
	[ -z "$reader" ] || kill "$reader" 2>/dev/null
	rm -rf -- "$tmp"
}
trap finish EXIT

# point NAME STATUS [FILE]: a point that holds when the status is 0
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - types_$1"
	else
		echo "not ok $number - types_$1"
		[ -z "${3-}" ] || sed 's/^/# /' "$3"
		failures=$((failures + 1))
	fi
}

compilers='gcc clang g++ clang++'

# compile COMPILER OPTION...: as a careful user of the header would
compile()
{
	local compiler=$1 language

	shift
	language='-x c -std=c11 -Wstrict-prototypes'
	[ "${compiler%++}" = "$compiler" ] ||
		language='-x c++ -std=c++11 -Wold-style-cast'
	# shellcheck disable=SC2086 # several options
	"$compiler" $language -Iinclude -O1 -pedantic-errors -Wall -Wextra -Wundef -Wshadow \
		-Werror "$@"
}

for compiler in $compilers; do
	compile "$compiler" selftests/types/peer.c -o "$tmp/$compiler" -x none "$lib" 2>"$tmp/err"
	point "compiles $compiler" $? "$tmp/err"
	"$tmp/$compiler" shape >"$tmp/shape.$compiler" 2>"$tmp/err"
done
for compiler in clang g++ clang++; do
	diff "$tmp/shape.gcc" "$tmp/shape.$compiler" >"$tmp/err" && [ -s "$tmp/shape.gcc" ]
	point "same_shape_and_fingerprint $compiler" $? "$tmp/err"
done
compile g++ -DCHANGED selftests/types/peer.c -o "$tmp/changed" -x none "$lib" 2>"$tmp/err"
point another_type_compiles $? "$tmp/err"

# --- each other's messages -----------------------------------------------------------

"$zc" pool create $pool --bytes 8M >"$tmp/out" 2>&1
point pool_is_created $? "$tmp/out"

# write PROGRAM SERVICE NR: its messages are there when this returns
write()
{
	rm -f "$tmp/hold"
	mkfifo "$tmp/hold"
	"$tmp/$1" write $pool "$2" "$3" <"$tmp/hold" >"$tmp/written" 2>"$tmp/writer.err" &
	writer=$!
	exec 9>"$tmp/hold"
	while ! [ -s "$tmp/written" ] && kill -0 $writer 2>/dev/null; do
		read -rt 0.05 <> <(:) || :
	done
	[ -s "$tmp/written" ]
}

# written: lets the writer end
written()
{
	local status

	exec 9>&-
	wait "$writer"
	status=$?
	writer=
	return $status
}

for one in $compilers; do
	service=types/by/${one//+/x}
	write "$one" "$service" 3
	point "written $one" $? "$tmp/writer.err"
	for other in $compilers; do
		timeout 60 "$tmp/$other" read $pool "$service" 3 >"$tmp/out" 2>"$tmp/err"
		point "read $one by $other" $? "$tmp/err"
	done
	timeout 60 "$zc" sub $pool "$service" --history 16 --count 3 --print value \
		>"$tmp/value.$one" 2>"$tmp/err"
	good=$?
	[ "$one" = gcc ] || cmp -s "$tmp/value.gcc" "$tmp/value.$one" || good=1
	point "printed $one" $good "$tmp/value.$one"
	fingerprint=$(sed -n '1s/ .*//p' "$tmp/shape.$one")
	good=0
	"$zc" service list $pool >"$tmp/out" 2>&1
	grep -qE "^$service .* $fingerprint struct imu\$" "$tmp/out" || good=1
	"$zc" service list $pool --json >"$tmp/json" 2>&1
	grep "\"$service\"" "$tmp/json" |
		grep -q "\"type\":\"struct imu\",\"type_fingerprint\":\"$fingerprint\"" || good=1
	"$zc" top $pool --once --interval 10ms >>"$tmp/out" 2>&1
	grep -qE "^$service .* struct imu +$fingerprint *\$" "$tmp/out" || good=1
	"$zc" top $pool --json --count 1 --interval 10ms >"$tmp/json" 2>&1
	grep -q "\"type\":\"struct imu\",\"type_fingerprint\":\"$fingerprint\"" "$tmp/json" || good=1
	point "listed_with_its_type $one" $good "$tmp/out"
	timeout 60 "$tmp/changed" read $pool "$service" 1 >"$tmp/out" 2>"$tmp/err"
	[ $? = 1 ] && grep -q 'takes struct imu { .*f32 acc\[4\];.*(192 bytes)' "$tmp/err" &&
		grep -q 'writes struct imu { .*f32 acc\[3\];.*(192 bytes)' "$tmp/err"
	point "another_type_is_refused_with_both_shapes $one" $? "$tmp/err"
	written
	point "ended $one" $?
done

# --- what is printed -------------------------------------------------------------------

cat >"$tmp/want" <<'END'
{"imu":{"stamp":18446744073709551615,"acc":[0.1,-1.5e+30,0],"valid":true,"grade":"A","mode":"fast","at":[{"x":0.1,"y":0,"z":0},{"x":0,"y":0,"z":1e-300}],"frame":"base \"link\"","matrix":[[0,0,0],[0,0,-6]],"names":["left","righttt!"],"pair":{"a":-1,"b":-9223372036854775808},"wide":1,"longest":-2,"raw":[0,0,0,0,255],"either":"04030201","nothing":"NaN","least":"-Infinity"}}
END
head -n 1 "$tmp/value.gcc" | diff - "$tmp/want" >"$tmp/err"
point json_has_it_all $? "$tmp/err"
sed -n 2p "$tmp/value.gcc" | grep -q '"stamp":18446744073709551614,.*"mode":"MODE_OFF"'
point json_of_the_next_message $? "$tmp/value.gcc"
timeout 60 "$zc" sub $pool types/by/gcc --history 16 --count 1 --print value,sequence --json \
	>"$tmp/out" 2>"$tmp/err"
grep -q '"value":{"imu":{"stamp":18446744073709551615,' "$tmp/out"
point json_within_json $? "$tmp/out"
echo line | timeout 60 "$zc" pub $pool types/by/nobody --stdin --history 1 >"$tmp/out" 2>&1
timeout 60 "$zc" sub $pool types/by/nobody --history 1 --count 1 --print size,value --quiet \
	>"$tmp/out" 2>"$tmp/err"
[ "$(cat "$tmp/out")" = '5 -' ]
point untyped_prints_a_dash $? "$tmp/out"
good=0
"$zc" service list $pool >"$tmp/out" 2>&1
grep -qE '^types/by/nobody .* - +-$' "$tmp/out" || good=1
"$zc" service list $pool --json >"$tmp/json" 2>&1
grep '"types/by/nobody"' "$tmp/json" | grep -q '"type":"","type_fingerprint":""' || good=1
point untyped_is_listed_without_one $good "$tmp/out"

# --- a writer that comes later ------------------------------------------------------------

mkfifo "$tmp/reading"
"$tmp/gcc" read $pool types/by/later 3 >"$tmp/reading" 2>"$tmp/err" &
reader=$!
exec 8<"$tmp/reading"
read -r -t 60 -u 8
timeout 60 "$tmp/changed" write $pool types/by/later 0 </dev/null >"$tmp/out" 2>"$tmp/late"
[ $? = 1 ] && grep -q 'writes struct imu { .*f32 acc\[4\];.*reader 0.*takes struct imu { .*f32 acc\[3\];' "$tmp/late"
refused=$?
point later_writer_is_refused_with_both_shapes $refused "$tmp/late"
write clang++ types/by/later 3
wait "$reader"
point right_writer_serves_it $? "$tmp/err"
reader=
written
point right_writer_ends $?

# --- what does not compile ------------------------------------------------------------------

cat >"$tmp/wrong.h" <<'END'
#include <zerocore/zerocore.h>
struct in { int a; };
struct other { int a; };
ZC_TYPE(struct in, ZC_FIELD(i32, a));
ZC_TYPE(struct other, ZC_FIELD(i32, a));
struct s {
	int i; unsigned u; float f; double d; char c; signed char b; bool t; char text[8];
	float m[2][3]; char texts[2][4]; struct in in; struct in ins[2]; unsigned char bytes[8];
};
END
# refused FIELD: no compiler takes it; each takes the same description without it
refused()
{
	local compiler all=0

	{ cat "$tmp/wrong.h"; echo "ZC_TYPE(struct s, ZC_FIELD(i32, i), $1);"; } >"$tmp/wrong.c"
	for compiler in $compilers; do
		compile "$compiler" -fsyntax-only "$tmp/wrong.c" 2>"$tmp/err" || continue
		echo "$compiler takes it" >"$tmp/err"
		all=1
	done
	point "refused $1" $all "$tmp/err"
}
{ cat "$tmp/wrong.h"; echo "ZC_TYPE(struct s, ZC_FIELD(i32, i), ZC_NESTED(struct in, ins));"; } >"$tmp/right.c"
for compiler in $compilers; do
	compile "$compiler" -fsyntax-only "$tmp/right.c" 2>"$tmp/err"
	point "right_one_is_taken $compiler" $? "$tmp/err"
done
refused 'ZC_FIELD(i32, u)'
refused 'ZC_FIELD(u32, f)'
refused 'ZC_FIELD(f32, d)'
refused 'ZC_FIELD(i8, c)'
refused 'ZC_FIELD(char, b)'
refused 'ZC_FIELD(bool, c)'
refused 'ZC_FIELD(u8, t)'
refused 'ZC_FIELD(string, bytes)'
refused 'ZC_FIELD(f64, m)'
refused 'ZC_MATRIX(f64, m)'
refused 'ZC_STRINGS(m)'
refused 'ZC_NESTED(struct other, in)'
refused 'ZC_NESTED(struct other, ins)'
refused 'ZC_NESTED(struct in, i)'
refused 'ZC_FIELD(i32, nowhere)'
refused 'ZC_FIELD(quad, i)'

"$zc" pool remove $pool >"$tmp/out" 2>&1
point pool_is_removed $? "$tmp/out"
echo "1..$number"
[ "$failures" = 0 ]
