#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# module.sh - the module builds for each kernel without a word from the compiler (W=1),
# sparse (C=2) or checkpatch (--strict)
# run.sh: limit 3600
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

ok() { number=$((number + 1)); echo "ok $number - module_$1"; }
not_ok()
{
	number=$((number + 1))
	failures=$((failures + 1))
	echo "not ok $number - module_$1"
	[ -z "${2:-}" ] || sed 's/^/# /' "$2"
}
skip() { number=$((number + 1)); echo "ok $number - module_$1 # SKIP $2"; }

# The folder of a kernel, or why there is none.
kernel() { selftests/vm/kernel.sh "$1" 2>"$tmp/kernel.err"; }

# builds POINT ARGUMENT...: tools/module.sh, from nothing, and nobody says anything
builds()
{
	local point=$1 rc=0

	shift
	tools/module.sh -o "$tmp/out/$point" "$@" >"$tmp/out.log" 2>&1 || rc=$?
	grep -E '(warning|error|undefined|WARNING|ERROR)[:! ]' "$tmp/out.log" >"$tmp/said"
	if [ "$rc" != 0 ] || [ ! -s "$tmp/out/$point/zerocore.ko" ]; then
		not_ok "$point" "$tmp/out.log"
	elif [ -s "$tmp/said" ]; then
		not_ok "$point" "$tmp/said"
	else
		ok "$point"
	fi
}

# What checkpatch says of code that goes into the kernel's tree, and this does not.
for_in_tree_only=LINUX_VERSION_CODE,CONSTANT_COMPARISON
# _Static_assert; and __assign_str() has an argument less since 6.10.
for_us=CAMELCASE,MACRO_ARG_UNUSED

# What it says of FILE beside that.
checkpatch()
{
	local ignore=$for_in_tree_only,$for_us

	case $1 in
	# What it wants of macros, the macros of tracepoints cannot have.
	kmod/trace.h) ignore+=,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT ;;
	# Tables of a file system's, with a method of ours.
	kmod/compat.h|kmod/map.c|kmod/memory.c) ignore+=,CONST_STRUCT ;;
	# The barriers that are commented where they are used.
	lib/core/atomic.h) ignore+=,MEMORY_BARRIER ;;
	esac
	perl "$script" --no-tree --strict --quiet --no-summary --terse --show-types \
		--ignore "$ignore" -f "$1" 2>&1
}

sources()
{
	find kmod lib/core include/uapi selftests/kunit -name '*.[ch]' ! -name 'killpoint.*' | sort
}

if ! tools/deps.sh module vm >"$tmp/deps" 2>&1; then
	sed 's/^/# /' "$tmp/deps"
	echo '1..0 # SKIP packages are missing'
	exit 0
fi
for name in 6.1 6.12; do
	point=builds_for_${name/./_}_in_silence
	if folder=$(kernel "$name"); then
		builds "$point" "$folder/build" C=2
	else
		skip "$point" "$(tail -n 1 "$tmp/kernel.err")"
	fi
done
# What DKMS does with what it is given: dkms_builds KDIR
dkms_builds()
(
	kernel_source_dir=$1
	dkms_tree=$tmp/dkms
	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC CPPFLAGS CFLAGS LDFLAGS
	export kernel_source_dir dkms_tree
	make DEPS=no DESTDIR="$tmp/installed" install-module || return
	# shellcheck source=dkms.conf disable=SC1091
	. ./dkms.conf
	build=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build
	mkdir -p "$build"
	cp -r "$tmp/installed/usr/src/$PACKAGE_NAME-$PACKAGE_VERSION/." "$build/" || return
	# shellcheck disable=SC2154 # of dkms.conf
	eval "${MAKE[0]}" && [ -s "$build/${BUILT_MODULE_NAME[0]}.ko" ]
)
point=builds_by_dkms
if ! folder=$(kernel 6.12); then
	skip "$point" "$(tail -n 1 "$tmp/kernel.err")"
elif dkms_builds "$folder/build" >"$tmp/out.log" 2>&1; then
	ok "$point"
else
	not_ok "$point" "$tmp/out.log"
fi

point=sparse_finds_what_is_wrong
if folder=$(kernel 6.12); then
	# sparse that is not called finds nothing either.
	sources | cpio -pdm --quiet "$tmp/wrong"
	cp Kbuild "$tmp/wrong/"
	mkdir -p "$tmp/wrong/tools"
	cp tools/module.sh "$tmp/wrong/tools/"
	cp lib/core/killpoint.h "$tmp/wrong/lib/core/"
	echo 'int zc_wrong(int __user *p); int zc_wrong(int __user *p) { return *p; }' \
		>>"$tmp/wrong/kmod/main.c"
	if "$tmp/wrong/tools/module.sh" -o "$tmp/out/wrong" "$folder/build" C=2 2>&1 |
			grep -q 'warning: dereference of noderef'; then
		ok "$point"
	else
		not_ok "$point"
	fi
else
	skip "$point" "$(tail -n 1 "$tmp/kernel.err")"
fi

if folder=$(kernel debug); then
	builds builds_for_debug_in_silence "$folder/build"
	builds builds_with_its_suites_in_silence -k "$folder/build" C=2
	script=$folder/build/scripts/checkpatch.pl
	while IFS= read -r file; do
		checkpatch "$file"
	done < <(sources) >"$tmp/checkpatch"
	rm -f .checkpatch-camelcase.*
	if [ -s "$tmp/checkpatch" ]; then
		not_ok checkpatch_likes_it "$tmp/checkpatch"
	else
		ok checkpatch_likes_it
	fi
	printf '/* SPDX-License-Identifier: GPL-2.0 */\nint  x ;\n' >"$tmp/wrong.h"
	if [ -n "$(checkpatch "$tmp/wrong.h")" ]; then
		ok checkpatch_finds_what_is_wrong
	else
		not_ok checkpatch_finds_what_is_wrong
	fi
	rm -f .checkpatch-camelcase.*
else
	skip checkpatch_likes_it "$(tail -n 1 "$tmp/kernel.err")"
fi

echo "1..$number"
[ "$failures" = 0 ]
