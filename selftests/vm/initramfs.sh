#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# initramfs.sh - the file system of a guest, in one file
#
# Usage: selftests/vm/initramfs.sh OUT COMMAND [FILE[:WHERE]...]
#
#   COMMAND   a script or program, and its arguments: 'stress.sh 1000'.  It runs in
#             /vm, and its status is the guest's; `-`: a shell on the console
#   FILE      a file or folder that goes to WHERE, by default /vm/NAME.  zerocore.ko
#             is loaded before COMMAND runs
#
# What the tests of this tree take from the environment they find there, too.
#
# busybox, guest/init and guest/guest.sh are always there.  Programs bring their
# shared libraries along.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 2 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
out=$1 command=$2
shift 2
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
root=$tmp/root

# What it loads, all in one folder where the loader looks first.
add_libraries()
{
	local library

	while read -r library; do
		if [[ $library == */ld-linux* ]]; then
			[ -e "$root$library" ] || install -D "$library" "$root$library"
		elif [ ! -e "$root/lib/x86_64-linux-gnu/${library##*/}" ]; then
			install -D "$library" "$root/lib/x86_64-linux-gnu/${library##*/}"
		fi
	done < <(ldd "$1" 2>/dev/null | grep -oE '(=> )?/[^ ]+' | sed 's/^=> //')
}

add()
{
	local file=${1%%:*} where='' program

	[[ $1 != *:* ]] || where=${1#*:}
	where=$root${where:-/vm/${file##*/}}
	mkdir -p "${where%/*}"
	cp -rL -- "$file" "$where"
	# Debug information is most of a file, and the guest has to read it.
	[[ $where != *.ko ]] || strip --strip-debug "$where"
	while IFS= read -r program; do
		add_libraries "$program"
		strip --strip-debug "$program" 2>/dev/null || :
	done < <(find "$where" -type f -perm -u+x)
}

mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,tmp,root,etc,run,vm}
busybox=$(command -v busybox) || { echo 'initramfs.sh: busybox is missing' >&2; exit 1; }
cp "$busybox" "$root/bin/busybox"
add_libraries "$busybox"
"$busybox" --list-full | while IFS= read -r applet; do
	[ -e "$root/$applet" ] || ln -s /bin/busybox "$root/$applet"
done
cp "$here/guest/init" "$root/init"
gcc -std=gnu11 -Os -Wall -Wextra -Werror -static -o "$root/bin/leave" "$here/guest/leave.c"
cat >"$root/etc/passwd" <<-'PASSWD'
	root:x:0:0:root:/root:/bin/sh
	member:x:1000:1000:member:/tmp:/bin/sh
	outsider:x:1001:1001:outsider:/tmp:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/false
PASSWD
cat >"$root/etc/group" <<-'GROUP'
	root:x:0:
	zerocore:x:900:member
	member:x:1000:
	outsider:x:1001:
	nogroup:x:65534:
GROUP

add "$here/guest/guest.sh"
# The C library loads it by itself when a thread is cancelled.
unwinder=$(gcc -print-file-name=libgcc_s.so.1)
[ ! -e "$unwinder" ] || add "$unwinder:/lib/x86_64-linux-gnu/libgcc_s.so.1"
for file in "$@"; do
	add "$file"
done
if [ "$command" != - ]; then
	read -r program arguments <<<"$command"
	add "$program"
	echo "${program##*/} $arguments" >"$root/vm/.command"
fi
# How long, and with which seed: tests ask in there as they do here.
for name in ZC_TEST_LONG ZC_SEED ZC_STORM_KILLS ZC_FUZZ_CALLS ZC_STRESS_COUNT ZC_SOAK_MINUTES; do
	[ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
done >"$root/vm/.environment"

# Not compressed: to unpack it takes the guest longer than to be given it.
(cd "$root" && find . -mindepth 1 | cpio -o -H newc -R 0:0 --quiet) >"$tmp/out"
mv "$tmp/out" "$out"
