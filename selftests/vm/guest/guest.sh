# shellcheck shell=sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# guest.sh - what scripts in the guest share; read by `. ./guest.sh`.  check.sh, too,
# reports by it.
#
# A script reports points and ends with done_testing:
#
#   . ./guest.sh
#   check NAME COMMAND...     a point; what the command prints explains a failure
#   skip NAME WHY
#   prove PROGRAM...          a program that prints TAP: its points are ours
#   done_testing

points=0
failures=0
scratch=$(mktemp -d) || exit 1

ok() { points=$((points + 1)); echo "ok $points - $1"; }
skip() { points=$((points + 1)); echo "ok $points - $1 # SKIP $2"; }
not_ok()
{
	points=$((points + 1))
	failures=$((failures + 1))
	echo "not ok $points - $1"
}

check()
{
	name=$1
	shift
	if "$@" >"$scratch/check" 2>&1; then
		ok "$name"
	else
		not_ok "$name"
		sed 's/^/# /' "$scratch/check"
	fi
}

# Its points as they come, numbered anew; and one more when its plan is missing
# or broken, or its exit status is bad without a point that says why.
prove()
{
	echo "# $*"
	# What it printed last may lack its line end.
	{ "$@" 2>&1; printf '\nguest: status %s\n' "$?"; } |
	awk -v counts="$scratch/counts" -v at="$points" -v name="${1##*/}" '
		function say(text) { print text; fflush() }
		/^guest: status [0-9]+$/ { status = $3; next }
		/^1\.\.[0-9]+/ { plan = substr($1, 4) + 0; planned = 1
			at_skip = index(toupper($0), "# SKIP")
			if (plan) next
			if (at_skip) say("ok " (++at) " - " name " # SKIP" substr($0, at_skip + 6))
			else why = "planned nothing, and says no # SKIP"
			next }
		/^(not )?ok($|[ \t])/ { seen++
			bad += /^not/
			sub(/ok[ \t]*[0-9]*[ \t]*-?[ \t]*/, "ok " (++at) " - ")
			say($0); next }
		/^$/ { next }
		{ say(/^#/ ? $0 : "# " $0) }
		END {
			if (why) ;
			else if (!planned) why = "printed no plan"
			else if (plan != seen) why = "planned " plan ", reported " seen + 0
			else if (status && !bad) why = "ended"
			if (why) { say("not ok " (++at) " - " name " " why " (exit status " status ")"); bad++ }
			print at, bad + 0 >counts
		}'
	read -r points bad <"$scratch/counts"
	failures=$((failures + bad))
}

done_testing()
{
	rm -rf -- "$scratch"
	echo "1..$points"
	[ "$failures" = 0 ]
	exit
}

load_module()
{
	insmod /vm/zerocore.ko "$@" || return
	# As the udev rule does.
	chgrp zerocore /dev/zerocore && chmod 660 /dev/zerocore
}

# unload_module [SECONDS]: keeps trying for so long
unload_module()
{
	tries=${1:-0}
	until rmmod zerocore 2>/dev/null; do
		[ "$tries" -gt 0 ] || return 1
		tries=$((tries - 1))
		sleep 1
	done
}
