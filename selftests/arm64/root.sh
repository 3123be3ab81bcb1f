#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# root.sh - Debian's libraries for arm64 in a folder, for the cross compiler and qemu-user
#
# Usage: selftests/arm64/root.sh FOLDER
#
# apt-get with lists of its own below FOLDER: it needs no root, and the machine's
# packages stay as they are.  Done when there is FOLDER/complete.
set -euo pipefail

[ $# = 1 ] || { echo 'usage: root.sh FOLDER' >&2; exit 2; }
packages=(libc6-dev libisal-dev libjson-c-dev libssl-dev libncurses-dev)
rm -rf -- "$1"
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial"
root=$(cd "$1" && pwd)
: >"$root/apt/status"
apt=(apt-get -o APT::Architecture=arm64 -o APT::Architectures::=arm64
	-o "Dir::State::lists=$root/apt/lists" -o "Dir::State::status=$root/apt/status"
	-o "Dir::Cache::archives=$root/apt/archives" -o Dir::Cache::pkgcache=
	-o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Debug::NoLocking=1)

if ! "${apt[@]}" update >"$root/apt/log" 2>&1 ||
	! "${apt[@]}" install -y --no-install-recommends --download-only "${packages[@]}" \
		>>"$root/apt/log" 2>&1; then
	tail -n 20 "$root/apt/log" >&2
	echo 'root.sh: apt-get has no packages for arm64; is there a network?' >&2
	exit 1
fi
for package in "$root"/apt/archives/*.deb; do
	dpkg-deb -x "$package" "$root"
done
# Links that begin at the root begin at this one.
find "$root" -lname '/*' -print0 | while IFS= read -r -d '' link; do
	ln -sfn "$root$(readlink "$link")" "$link"
done
rm -rf -- "$root/apt"
touch "$root/complete"
