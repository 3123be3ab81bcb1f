#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# headers.sh - each public header compiles alone, as C11 and as C++, in gcc and clang
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

# try COMPILER LANGUAGE HEADER OPTION...
try()
{
	local compiler=$1 language=$2 header=$3 source=$tmp/alone.$2

	shift 3
	# Twice: the guard must hold.  What the compiler warns of, it warns the user of.
	printf '#include <%s>\n#include <%s>\nint zc_test_alone;\n' \
		"$header" "$header" >"$source"
	number=$((number + 1))
	if "$compiler" -x "$language" "$@" -pedantic-errors -Wall -Wextra -Wundef \
		-Wshadow -Wconversion -Werror -fsyntax-only "$source" 2>"$tmp/errors"; then
		echo "ok $number - header_compiles_alone $header $compiler"
	else
		echo "not ok $number - header_compiles_alone $header $compiler"
		sed 's/^/# /' "$tmp/errors"
		failures=$((failures + 1))
	fi
}

each()
{
	local header=$1

	shift
	try gcc c "$header" -std=c11 -Wstrict-prototypes "$@"
	try clang c "$header" -std=c11 -Wstrict-prototypes "$@"
	try g++ c++ "$header" -std=c++11 "$@"
	try clang++ c++ "$header" -std=c++11 "$@"
}

# A public header sees the folder that is installed and nothing else of the tree.
for file in include/zerocore/*.h; do
	each "${file#include/}" -Iinclude
done
for file in include/uapi/linux/zerocore*.h; do
	each "${file#include/uapi/}" -Iinclude/uapi
done

# zerocore.h brings them all.
for file in include/zerocore/*.h; do
	name=${file#include/}
	[ "$name" = zerocore/zerocore.h ] && continue
	number=$((number + 1))
	if grep -q "^#include <$name>" include/zerocore/zerocore.h; then
		echo "ok $number - header_is_brought_by_zerocore_h $name"
	else
		echo "not ok $number - header_is_brought_by_zerocore_h $name"
		failures=$((failures + 1))
	fi
done

echo "1..$number"
[ "$failures" = 0 ]
