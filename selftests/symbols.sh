#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# symbols.sh - headers, symbol map and library name the same functions
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
lib=build/lib
so=$lib/libzerocore.so
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

# check NAME COMMAND...: a point; what the command prints explains the failure
check()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $number - symbols_$name"
	else
		echo "not ok $number - symbols_$name"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

# A declaration: ZC_API, a type, the name before the first parenthesis, which may
# be on another line.  Comments and the definitions of ZC_API itself are left out.
sed 's|/\*.*\*/||; /\/\*/,/\*\//d; /^[[:space:]]*#/d' include/zerocore/*.h |
	tr '\n' ' ' | tr ';' '\n' | sed -n 's/.*\<ZC_API\>\([^(]*\)(.*/\1/p' |
	grep -oE '[A-Za-z_0-9]+[[:space:]]*$' | tr -d ' \t' | sort >"$tmp/headers"
sed -n 's/^[[:space:]]*\(z[co][a-z]*_[a-z0-9_]*\);$/\1/p' lib/libzerocore.map | sort >"$tmp/map"
nm -D --defined-only --with-symbol-versions $so |
	awk '$2 != "A" { print $3 }' | sort >"$tmp/exported"
sed 's/$/@@ZEROCORE_0.1/' "$tmp/map" >"$tmp/versioned"

not_empty() { [ -s "$1" ]; }
soname() { readelf -d $so | grep SONAME | grep -qF '[libzerocore.so.0]'; }
nodelete() { readelf -d $so | grep FLAGS_1 | grep -qw NODELETE; }
links() { [ "$(readlink $so)" = libzerocore.so.0 ] && [ -e $so ]; }

needs_little()
{
	readelf -d $so | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		grep -vE '^(libc\.so\.|libisal\.so\.|ld-linux)' && return 1
	return 0
}

# What a program that links the archive could clash with.
archive_names_are_ours()
{
	nm -g --defined-only $lib/libzerocore.a | awk 'NF == 3 { print $3 }' |
		grep -vE '^_?_?(zc|zora)_' && return 1
	return 0
}

# A table of text relocations, or a stack that runs: neither belongs in a library.
no_text_relocations() { ! readelf -d $so | grep TEXTREL; }
stack_does_not_run() { readelf -lW $so | grep GNU_STACK | grep -qv RWE; }

check headers_declare_some not_empty "$tmp/headers"
check headers_and_map_agree diff -u "$tmp/headers" "$tmp/map"
check library_exports_what_the_map_lists diff -u "$tmp/versioned" "$tmp/exported"
check soname_is_there soname
check links_lead_to_the_library links
check library_stays_when_closed nodelete
check library_needs_libc_and_isal_only needs_little
check archive_names_are_ours archive_names_are_ours
check no_text_relocations no_text_relocations
check stack_does_not_run stack_does_not_run

echo "1..$number"
[ "$failures" = 0 ]
