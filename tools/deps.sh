#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# deps.sh - see to it that the packages that a target needs are there
#
# Usage: tools/deps.sh SET...      SET: build, clang, demo, bench, check, coverage,
#                          arm64, static, module, vm, gcov, plots
#
# Asks dpkg what is missing.  Nothing is: says nothing, touches nothing, needs
# no network and no root.  Something is: root installs it, anybody else gets
# the sentence that says how.  DEPS=no leaves all this out, for those who have
# the tools from elsewhere.
set -eu

[ "${DEPS:-yes}" != no ] || exit 0

# Metapackages, never a version: the distribution decides which one.
want=
for set in "$@"; do
	case $set in
	build)
		want="$want gcc libc6-dev pkg-config libisal-dev libjson-c-dev"
		want="$want libssl-dev libncurses-dev"
		;;
	clang)
		want="$want clang"
		;;
	demo)
		want="$want util-linux"
		;;
	bench)
		want="$want libck-dev libiceoryx-binding-c-dev iceoryx"
		want="$want cyclonedds-dev libzmq3-dev libnng-dev gnuplot-nox python3 valgrind"
		;;
	check)
		want="$want g++ clang libclang-rt-dev libcriterion-dev spin strace valgrind"
		want="$want mandoc shellcheck util-linux python3 liburing-dev"
		;;
	coverage)
		want="$want clang libclang-rt-dev llvm python3"
		;;
	arm64)
		# root.sh unpacks the libraries.
		want="$want gcc-aarch64-linux-gnu qemu-user-static pkg-config"
		;;
	static)
		want="$want clang-tidy cppcheck coccinelle python3"
		;;
	module)
		# Of the headers of a kernel, only the tools that they call.
		want="$want gcc libc6-dev libelf-dev libssl-dev pahole kmod sparse"
		;;
	vm)
		# kernel.sh unpacks kernels, and builds one.
		want="$want qemu-system-x86 busybox-static cpio zstd gcc libc6-dev"
		want="$want flex bison bc libelf-dev libssl-dev pahole kmod xz-utils perl"
		;;
	gcov)
		want="$want gcovr python3"
		;;
	plots)
		want="$want gnuplot-nox"
		;;
	*)
		echo "deps.sh: no set is called '$set': build, clang, demo, bench, check, coverage, arm64, static, module, vm, gcov, plots" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	# Not Debian: the names differ, so only look for what is run first.
	for tool in gcc pkg-config; do
		command -v "$tool" >/dev/null && continue
		echo "deps.sh: $tool is missing; install what Debian calls:$want" >&2
		exit 1
	done
	exit 0
fi

missing=
for package in $want; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	case "$status $missing " in
	installed*) ;;
	*" $package "*) ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "deps.sh: packages are missing; install them by:" >&2
	echo "  sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi

# What dpkg says by the screenful matters only where it went wrong.
echo "  APT     $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! {
	apt-get update
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
} </dev/null >"$log" 2>&1; then
	cat "$log" >&2
	echo "deps.sh: apt-get failed; install these by hand:$missing" >&2
	exit 1
fi
