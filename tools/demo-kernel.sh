#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# demo-kernel.sh - the demo on /dev/zerocore, in a virtual machine
#
# Usage: tools/demo-kernel.sh KERNEL MODULE [FOLDER [MIB]]
#
#   KERNEL   6.1, 6.12 or debug
#   MODULE   zerocore.ko for it
#   FOLDER   whose shared objects are published: what the compiler links
#   MIB      how much of it, for the guest has it all in memory (64)
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 2 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
kernel=$1 module=$2
folder=${3:-/usr/lib/$(gcc -print-multiarch)}
most=$((${4:-64} << 20))
tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT

# The smaller first, so that there are many.
mkdir "$tmp/objects"
bytes=0
while IFS=$'\t' read -r -d '' size file; do
	[ $((bytes + size)) -le $most ] || break
	bytes=$((bytes + size))
	cp -- "$file" "$tmp/objects/"
done < <(find "$folder" -maxdepth 2 -type f -readable -name '*.so*' -size +3k -printf '%s\t%p\0' |
	sort -z -n)

# What the demo calls and busybox has in another way.
files=("$module" tools/demo.sh:/vm/tools/demo.sh build/bin/zerocore:/vm/build/bin/zerocore
	"$tmp/objects:/srv/objects")
for tool in bash awk cut date df diff find grep head mkfifo mktemp sed seq sha256sum sleep \
		sort tail timeout tr wc xargs; do
	path=$(command -v "$tool") || { echo "demo-kernel.sh: there is no $tool" >&2; exit 1; }
	files+=("$path:/vm/tools/bin/$tool")
done

echo "demo: $((bytes >> 20)) MiB of $folder go into a virtual machine with Linux $kernel"
selftests/vm/run.sh -k "$kernel" -m 2G -t 1200 'selftests/vm/guest/demo.sh /srv/objects' \
	"${files[@]}" | sed 's/^# //'
