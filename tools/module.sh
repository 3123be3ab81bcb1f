#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# module.sh - build zerocore.ko beside the sources, not among them
#
# Usage: tools/module.sh [-k] [-o DIR] [KDIR [ARGUMENT...]]
#
#   KDIR       what the kernel's headers were built in: /lib/modules/V/build; by
#              default the running kernel's, else any that is installed, else 6.1's
#              out of the tests' cache
#   ARGUMENT   for the kernel's make: C=2
#   -k         with the KUnit suites in it; the kernel must have CONFIG_KUNIT
#   -o DIR     where it is built: build/module/RELEASE, with -k RELEASE-kunit
#
# The last line on stdout is the path of the module.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
top=$PWD
# A make that calls us, and its compiler, are not the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC CPPFLAGS CFLAGS LDFLAGS

usage() { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }

# The headers to build against when nobody says which.
any_kdir()
{
	local dir

	for dir in "/lib/modules/$(uname -r)/build" /lib/modules/*/build; do
		[ -e "$dir/Makefile" ] && { echo "$dir"; return; }
	done
	dir=$(selftests/vm/kernel.sh 6.1) || {
		echo 'module.sh: no headers of a kernel are installed; say KDIR=...' >&2
		return 1
	}
	echo "$dir/build"
}

out=
kunit=
while getopts ko: option; do
	case $option in
	k) kunit=yes ;;
	o) out=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
kdir=${1:-}
[ $# = 0 ] || shift
[ -n "$kdir" ] || kdir=$(any_kdir)
release=$(sed -n 's/^#define UTS_RELEASE "\(.*\)"/\1/p' \
	"$kdir/include/generated/utsrelease.h") || exit 1
out=${out:-build/module/$release${kunit:+-kunit}}
mkdir -p "$out"
out=$(cd "$out" && pwd)
exec 9>"$out/.lock"
flock 9

# Kbuild writes beside what it reads: give it a tree of links.
find "$out" -type l -delete
ln -s "$top/Kbuild" "$out/Kbuild"
find kmod lib/core include/uapi ${kunit:+selftests/kunit} -name '*.[ch]' ! -name '*.mod.c' |
while IFS= read -r file; do
	mkdir -p "$out/${file%/*}"
	ln -s "$top/$file" "$out/$file"
done
make -C "$kdir" M="$out" "-j$(nproc)" W=1 ${kunit:+ZC_KUNIT=1} "$@" modules 9>&-
echo "$out/zerocore.ko"
