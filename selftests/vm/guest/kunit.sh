#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# kunit.sh - what the module's KUnit suites found when it was loaded: kunit.sh [SUITE...]
#
# KUnit keeps the results of each suite, as KTAP: a level of indentation for the cases.
# Each case is a point, and one more says that the suite ran to its end.
# shellcheck disable=SC1091 # it is beside it in the guest
. ./guest.sh

results=/sys/kernel/debug/kunit

# cases SUITE: its cases as TAP, numbered anew and named by suite and case.  They are
# indented by four; what a case with parameters prints of each, by eight.
cases()
{
	awk -v suite="$1" '
		/^    1\.\.[0-9]+$/ { plan = substr($1, 4) + 0; next }
		/^    (not )?ok [0-9]+ / {
			seen++
			bad += /^    not/
			sub(/^ +/, "")
			sub(/ok [0-9]+ /, "ok " seen " - kunit_" suite "_")
			print
			next
		}
		/^(not )?ok [0-9]+ / { ended++; bad_suite = /^not/; next }
		{ sub(/^ +/, ""); sub(/^# */, ""); print "# " $0 }
		END {
			why = !seen || seen != plan ? "ran " seen + 0 " of " plan + 0 " cases" : \
				ended != 1 ? "has no result" : \
				bad_suite && !bad ? "failed, but none of its cases" : ""
			print (why ? "not ok " : "ok ") seen + 1 " - kunit_" suite "_ended" (why ? ": " why : "")
			print "1.." seen + 1
		}' "$results/zerocore_$1/results"
}

# one SUITE: was it there?
one()
{
	if [ -r "$results/zerocore_$1/results" ]; then
		prove cases "$1"
	else
		not_ok "kunit_$1_ended: there are no results of it"
	fi
}

if [ $# != 0 ]; then
	for suite in "$@"; do
		one "$suite"
	done
	done_testing
fi
suites='core reclaim reaper death pool member rights signal place'
for suite in $suites; do
	one "$suite"
done
# Whoever adds a suite says so above.
for folder in "$results"/zerocore_*; do
	suite=${folder##*/zerocore_}
	case " $suites * " in
	*" $suite "*) ;;
	*) not_ok "kunit_${suite}_is_known" ;;
	esac
done
done_testing
