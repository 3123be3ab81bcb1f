#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# kernel.sh - a kernel to boot, and to build the module against
#
# Usage: selftests/vm/kernel.sh NAME      NAME: 6.1, 6.12, debug, kcsan, rt, gcov
#
# Prints the folder where it is, with
#
#   vmlinuz    what QEMU boots
#   build      what `make -C` takes to build a module
#   modules    the modules that it came with; those that we build have none
#
# 6.1 and 6.12 are Debian's cloud kernels, unpacked and not installed: that needs
# no root, writes no boot loader, and image and headers are of one version.
# debug is Debian's source of 6.12 with debug.config: every check that finds what
# a driver does wrong.  kcsan, rt and gcov have NAME.config on top of it.  They take
# minutes to build.  All are kept below
# ${XDG_CACHE_HOME:-~/.cache}/zerocore/kernels; the name of a folder has all that
# went into it, so that what is there is right.
#
# Exit status: 0 it is there, 1 it could not be built, 77 it cannot be had here.
# DEPS=no: takes what is there already, and fetches nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/zerocore/kernels
source_package=linux-source-6.12
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CC CPPFLAGS CFLAGS LDFLAGS
export LC_ALL=C

say() { echo "kernel.sh: $*" >&2; }

depends() { apt-cache depends "$1" 2>/dev/null | sed -n 's/^[ |]*Depends: //p'; }

version()
{
	apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Version: //p' | grep -m 1 .
}

# The package of an image of Debian's: what the metapackages depend on today.
image_package()
{
	local series=${1//./\\.} meta

	for meta in "linux-image-$1-cloud-amd64" linux-image-cloud-amd64; do
		depends "$meta" | grep -m 1 "^linux-image-$series\.[0-9].*-cloud-amd64\$" && return
	done
	return 1
}

# Is it one that we build?
is_ours() { [[ $1 != 6.* ]]; }

# The configuration of one of ours: what stands later counts.
configs()
{
	echo "$here/debug.config"
	[ "$1" = debug ] || echo "$here/$1.config"
}

# The part of a folder's name that this tree decides.
config_key()
{
	local -a files

	mapfile -t files < <(configs "$1")
	{ echo 1; gcc --version | head -n 1; cat "${files[@]}"; } |
		sha256sum | cut -c 1-12
}

# The name of the folder: what it is made of.
folder_name()
{
	local package found

	if is_ours "$1"; then
		found=$(version "$source_package") || return 1
		echo "$1-$found-$(config_key "$1")"
	else
		package=$(image_package "$1") || return 1
		found=$(version "$package") || return 1
		echo "$1-$found"
	fi
}

# The newest that is there: for where the archive cannot be asked.
newest_name()
{
	local pattern="$1-*"

	! is_ours "$1" || pattern="$1-*-$(config_key "$1")"
	find "$cache" -mindepth 1 -maxdepth 1 -type d -name "$pattern" -printf '%f\n' |
		sort -V | tail -n 1 | grep .
}

# fetch PACKAGE...: its files, in the current folder
fetch()
{
	local package

	say "fetching $1 $(version "$1")"
	apt-get download "$@" >apt.log 2>&1 || { cat apt.log >&2; exit 77; }
	for package in *.deb; do
		dpkg-deb -x "$package" .
	done
	rm -rf -- *.deb apt.log usr/share/doc
}

# unpack_image NAME: one of Debian's, in the current folder
unpack_image()
{
	local image release headers
	local -a parts

	image=$(image_package "$1")
	release=${image#linux-image-}
	headers=linux-headers-$release
	mapfile -t parts < <(depends "$headers" | grep -E '^linux-(headers-.*-common|kbuild-.*)$')
	fetch "$image" "$headers" "${parts[@]}"
	mv "boot/vmlinuz-$release" vmlinuz
	rm -rf boot
	ln -s "lib/modules/$release" modules
	ln -s "usr/src/$headers" build
	# The headers name the place where they would have been installed.
	# shellcheck disable=SC2016 # for make to expand
	sed -i 's|^include /usr/src/|include $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../|' \
		build/Makefile
}

# Every line of the configuration, but those that a later one changes, must have come
# to hold in .config.
config_holds()
{
	local line lost=0

	while IFS= read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF -- "$line" .config && continue
			;;
		'# CONFIG_'*' is not set')
			line=${line#'# '}
			grep -q "^${line%% *}=" .config || continue
			;;
		*)
			continue
			;;
		esac
		echo "$name.config: this kernel does not take '$line'"
		lost=1
	done < <(cat "$@" | awk '
		/^CONFIG_/ { split($0, w, "="); last[w[1]] = $0; next }
		/^# CONFIG_.* is not set$/ { last[$2] = $0 }
		END { for (option in last) print last[option] }')
	[ "$lost" = 0 ]
}

# In the folder of the source; `build` beside it gets what modules need.
compile()
{
	local -a make=(nice -n 19 make "-j$(nproc)") files

	mapfile -t files < <(configs "$name")

	# shellcheck disable=SC2016 # for make to expand
	"${make[@]}" tinyconfig &&
		scripts/kconfig/merge_config.sh -m .config "${files[@]}" &&
		"${make[@]}" olddefconfig &&
		config_holds "${files[@]}" &&
		"${make[@]}" bzImage modules &&
		"${make[@]}" run-command KBUILD_RUN_COMMAND='$(srctree)/scripts/package/install-extmod-build ../build'
}

# In the current folder; the source goes when it is done.
build_ours()
{
	fetch "$source_package"
	mkdir source
	tar -xf usr/src/linux-source-*.tar.xz -C source --strip-components=1
	rm -rf usr
	say "building the $name kernel; that takes minutes, see $PWD/log"
	(cd source && compile) >log 2>&1 || { tail -n 30 log >&2; exit 1; }
	mv source/arch/x86/boot/bzImage vmlinuz
	mv source/.config config
	rm -rf source log
}

# make_folder NAME FOLDER: whole or not at all
make_folder()
{
	local name=$1 folder=$2 began_s=$SECONDS

	rm -rf -- "$cache/.$name"
	mkdir "$cache/.$name"
	cd "$cache/.$name"
	if is_ours "$name"; then
		build_ours
	else
		unpack_image "$name"
	fi
	cd "$cache"
	mv ".$name" "$folder"
	say "$name is ready after $((SECONDS - began_s)) s, in $folder"
	# What nobody asked for in a month goes.
	find "$cache" -mindepth 1 -maxdepth 1 -name "$name-*" -mtime +30 -exec rm -rf -- {} +
}

name=${1:-}
case $name in
6.1|6.12|debug|kcsan|rt|gcov) ;;
*) sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2 ;;
esac
if [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ]; then
	say 'knows where to get kernels for Debian on amd64 only'
	exit 77
fi
mkdir -p "$cache"

found=$(folder_name "$name") || found=
if [ -z "$found" ] || [ ! -d "$cache/$found" ]; then
	exec 9>"$cache/.$name.lock"
	flock -n 9 || { say "another process makes $name; waiting"; flock 9; }
	rc=77
	if [ "${DEPS:-yes}" != no ]; then
		# The lists of packages may be missing, or older than the archive.
		[ "$(id -u)" != 0 ] || apt-get update >/dev/null 2>&1 || :
		found=$(folder_name "$name") || found=
		if [ -n "$found" ] && [ -d "$cache/$found" ]; then
			rc=0
		elif [ -n "$found" ]; then
			# Not as a condition: it must end where a command fails.
			set +e
			(set -e; make_folder "$name" "$cache/$found")
			rc=$?
			set -e
		fi
	fi
	[ "$rc" = 0 ] || [ "$rc" = 77 ] || exit 1
	if [ "$rc" = 77 ]; then
		found=$(newest_name "$name") || { say "$name cannot be had here"; exit 77; }
		say "the archive cannot be asked; taking $found"
	fi
fi
touch "$cache/$found"
echo "$cache/$found"
