#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# run.sh - check the Spin models of the block protocol, and that their mutants are
# rejected. See README.md.
#
# Each model lists its variants in its header, one a line:
#
#   @variant NAME TIER EXPECT [-DNAME[=VALUE]...] [KEY=VALUE...]
#
#   TIER     quick: always; long: with --long only
#   EXPECT   pass: no error in the whole search
#            fail:REGEX: pan must report an error, and its line must match REGEX
#            ('.' stands for a blank)
#   KEY      depth=     search depth (100000)
#            mem=       MiB that pan may use (1024)
#            secs=      seconds of wall clock (120; long 1200)
#            opt=       gcc -O level (0: most of the time goes into gcc; 2 pays off
#                       from about 1e5 states on)
#            hash=      log2 of the hash table's slots (20)
#            bitstate=1 supertrace, never exhaustive
#            collapse=1 COLLAPSE compression: less memory, slower
#            bounded=1  it may end at one of these limits
#
# A search that ran into one of these limits is reported as "bounded"; it shows nothing
# of the rest, and has failed unless its line says so.
#
# Exit status: 0 all passed, 1 something failed, 2 usage, 77 tools missing.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 2
tmp=
child=
passed=0
failed=0
number=0

usage()
{
	cat <<-END
	usage: run.sh [--long] [MODEL[/VARIANT]...]
	       run.sh --list
	       run.sh --trail MODEL/VARIANT

	Without --long: the quick variants, under a minute on one core.
	--long also runs the large ones. --trail shows the shortest
	counterexample of a mutant, step by step.
	END
}

cleanup()
{
	[ -z "$child" ] || kill "$child" 2>/dev/null
	[ -z "$tmp" ] || rm -rf -- "$tmp"
}

# variants: print "MODEL NAME TIER EXPECT REST..." for each variant, in order
variants()
{
	local model file

	for model in "${models[@]}"; do
		file=$here/$model.pml
		sed -n "s/^ \* @variant  *\(.*\)\$/$model \1/p" "$file"
	done
}

# human N: 812 stays, 1234567 becomes 1.2e6
human()
{
	LC_ALL=C awk -v n="$1" 'BEGIN {
		if (n < 10000) { printf "%d", n; exit }
		s = sprintf("%.1e", n); sub(/e\+0*/, "e", s); printf "%s", s
	}'
}

# parse REST...: set defs and the limits
parse()
{
	local word

	defs=()
	depth=100000 mem=1024 opt=0 hash=20 bitstate=0 collapse=0 bounded=0
	if [ "$tier" = long ]; then secs=1200; else secs=120; fi
	for word in "$@"; do
		case $word in
		-D*)        defs+=("$word") ;;
		depth=*)    depth=${word#*=} ;;
		mem=*)      mem=${word#*=} ;;
		secs=*)     secs=${word#*=} ;;
		opt=*)      opt=${word#*=} ;;
		hash=*)     hash=${word#*=} ;;
		bitstate=*) bitstate=${word#*=} ;;
		collapse=*) collapse=${word#*=} ;;
		bounded=*)  bounded=${word#*=} ;;
		*)          return 1 ;;
		esac
	done
	cflags=("-O$opt" -w -DSAFETY -DNOFAIR "-DMEMLIM=$mem")
	[ "$bitstate" = 0 ] || cflags+=(-DBITSTATE)
	[ "$collapse" = 0 ] || cflags+=(-DCOLLAPSE)
}

# build MODEL EXTRA...: spin -a and gcc in $tmp/work
build()
{
	local model=$1
	shift

	rm -rf "$tmp/work"
	mkdir "$tmp/work" || return 1
	cp "$here"/*.pml "$tmp/work/" || return 1
	(
		cd "$tmp/work" || exit 1
		spin "${defs[@]}" -a "$model.pml" &&
			gcc "${cflags[@]}" "$@" -o pan pan.c
	) > "$tmp/build.log" 2>&1
}

# report ok|bad TEXT
report()
{
	number=$((number + 1))
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
		printf 'ok %d - %s\n' "$number" "$2"
	else
		failed=$((failed + 1))
		printf 'not ok %d - %s\n' "$number" "$2"
	fi
}

# one MODEL NAME TIER EXPECT REST...: check one variant
one()
{
	local model=$1 name=$2 tier=$3 expect=$4
	local log=$tmp/pan.log states how error errors
	local defs cflags depth mem secs opt hash bitstate collapse bounded
	shift 4

	if ! parse "$@"; then
		report bad "$model: $name (unknown word in its @variant line)"
		return
	fi
	if ! build "$model"; then
		report bad "$model: $name (does not build)"
		head -n 10 "$tmp/build.log" | sed 's/^/# /'
		return
	fi
	(
		cd "$tmp/work" || exit 1
		exec timeout -k 5 -s INT "$secs" ./pan -n "-m$depth" "-w$hash"
	) > "$log" 2>&1 &
	child=$!
	wait "$child"
	child=

	errors=$(sed -n 's/.*errors: \([0-9][0-9]*\).*/\1/p' "$log" | tail -n 1)
	states=$(LC_ALL=C sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log" | tail -n 1)
	error=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth [0-9]*)$/\1/p' "$log" | head -n 1)
	if [ -z "$errors" ] || [ -z "$states" ]; then
		report bad "$model: $name (pan did not finish)"
		tail -n 20 "$log" | sed 's/^/# /'
		return
	fi

	how=exhaustive
	if [ "$bitstate" != 0 ]; then
		how='bounded: bitstate'
	elif grep -q 'max search depth too small' "$log"; then
		how="bounded: depth $depth"
	elif grep -q -e 'MEMLIM' -e 'out of memory' "$log"; then
		how="bounded: $mem MiB"
	elif grep -q -e 'Search not completed' -e 'Interrupted' "$log"; then
		how="bounded: $secs s"
	fi
	states=$(human "$states")

	if [ "$expect" = pass ]; then
		if [ "$errors" = 0 ] && [ "$how" != exhaustive ] && [ "$bounded" = 0 ]; then
			report bad "$model: $name (not searched to its end: $states states, $how)"
		elif [ "$errors" = 0 ]; then
			report ok "$model: $name ($states states, $how)"
		else
			report bad "$model: $name ($error, $states states)"
		fi
	elif [ "$errors" = 0 ]; then
		report bad "$model: $name (a mutant that is not rejected, $states states, $how)"
	elif ! printf '%s\n' "$error" | grep -Eq -- "${expect#fail:}"; then
		report bad "$model: $name (rejected for another reason: $error)"
	else
		report ok "$model: $name (rejected: $error, $states states)"
	fi
}

# trail MODEL/VARIANT: find a short counterexample and replay it
trail()
{
	local model=${1%%/*} name=${1#*/} tier line
	local defs cflags depth mem secs opt hash bitstate collapse bounded
	local -a words

	models=("$model")
	line=$(variants | awk -v n="$name" '$2 == n')
	if [ -z "$line" ]; then
		echo "run.sh: no variant $1" >&2
		return 2
	fi
	read -r -a words <<< "$line"
	tier=${words[2]}
	parse "${words[@]:4}" || return 2
	build "$model" -DREACH || { cat "$tmp/build.log"; return 1; }
	(
		cd "$tmp/work" || exit 1
		timeout -k 5 -s INT "$secs" ./pan -n -i "-m$depth" "-w$hash" > "$tmp/pan.log" 2>&1
		if [ ! -f "$model.pml.trail" ]; then
			echo "run.sh: no error found"
			exit 0
		fi
		grep '^pan:' "$tmp/pan.log" | tail -n 1
		spin "${defs[@]}" -t -p -g "$model.pml"
	)
}

long=0
mode=check
selected=()
while [ $# -gt 0 ]; do
	case $1 in
	--long)    long=1 ;;
	--list)    mode=list ;;
	--trail)   mode=trail ;;
	-h|--help) usage; exit 0 ;;
	-*)        usage >&2; exit 2 ;;
	*)         selected+=("$1") ;;
	esac
	shift
done

models=()
for file in "$here"/*.pml; do
	models+=("$(basename "$file" .pml)")
done

if [ "$mode" = list ]; then
	variants
	exit 0
fi
for tool in spin gcc timeout; do
	if ! command -v "$tool" > /dev/null; then
		echo "1..0 # SKIP no $tool"
		echo "0 passed, 0 failed"
		exit 77
	fi
done

trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tmp=$(mktemp -d "${TMPDIR:-/tmp}/zc-models.XXXXXX") || exit 2

if [ "$mode" = trail ]; then
	[ ${#selected[@]} -eq 1 ] || { usage >&2; exit 2; }
	trail "${selected[0]}"
	exit
fi

wanted()
{
	local one

	[ ${#selected[@]} -gt 0 ] || return 0
	for one in "${selected[@]}"; do
		case $1/$2 in
		"$one"|"$one"/*) return 0 ;;
		esac
	done
	return 1
}

plan=()
while read -r line; do
	read -r -a words <<< "$line"
	[ "${#words[@]}" -ge 4 ] || { echo "run.sh: bad line: $line" >&2; exit 2; }
	[ "${words[2]}" = quick ] || [ "$long" = 1 ] || continue
	wanted "${words[0]}" "${words[1]}" || continue
	plan+=("$line")
done < <(variants)
if [ ${#plan[@]} -eq 0 ]; then
	echo "run.sh: nothing to run" >&2
	exit 2
fi

echo "1..${#plan[@]}"
for line in "${plan[@]}"; do
	read -r -a words <<< "$line"
	one "${words[@]}"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
