#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# install.sh - what `make install` puts down is whole, enough to build programs
# against, and goes away again
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d) || exit 1
root=$tmp/root
pools=$(mktemp -d "${ZEROCORE_DIR:-/dev/shm}/zc-install.XXXXXX") || exit 1
trap 'rm -rf -- "$tmp" "$pools"' EXIT
export ZEROCORE_DIR=$pools
cc=${CC:-gcc}
number=0
failures=0

# check NAME COMMAND...: a point; what the command prints explains the failure
check()
{
	local name=$1

	shift
	number=$((number + 1))
	if "$@" >"$tmp/out" 2>&1; then
		echo "ok $number - install_$name"
	else
		echo "not ok $number - install_$name"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

# Blanks in the path would be a fault of the caller's PREFIX, not ours.
make_install() { make --no-print-directory install DESTDIR="$root" PREFIX=/usr "$@"; }

installed() { (cd "$root" && find . ! -type d -printf '%P\n' | LC_ALL=C sort); }

# What must be there, from what is in the tree.
expected()
{
	local page file version

	version=$(sed -n 's/^#define ZC_VERSION_[A-Z]* //p' include/zerocore/base.h | paste -sd.)
	{
		echo usr/bin/zerocore
		echo usr/lib/libzerocore.a
		echo usr/lib/libzerocore.so
		echo "usr/lib/libzerocore.so.${version%%.*}"
		echo "usr/lib/libzerocore.so.$version"
		echo usr/lib/pkgconfig/zerocore.pc
		for file in include/zerocore/*.h; do echo "usr/$file"; done
		for file in include/uapi/linux/zerocore*.h; do
			echo "usr/include/linux/${file##*/}"
		done
		find Documentation/man -name '*.[1-8]' 2>/dev/null | while IFS= read -r page; do
			echo "usr/share/man/man${page##*.}/${page##*/}"
		done
		[ -z "$(ls -A tools/completion 2>/dev/null)" ] ||
			echo usr/share/bash-completion/completions/zerocore
	} | LC_ALL=C sort
}

nothing_is_missing() { diff -u <(expected) <(installed); }
readable() { [ -z "$(find "$root/usr" -type f ! -perm -444 -o -type d ! -perm -555)" ]; }

links_lead_on()
{
	local link

	for link in "$root"/usr/lib/libzerocore.so "$root"/usr/lib/libzerocore.so.0; do
		[[ $(readlink "$link") != /* ]] && [ -e "$link" ] || return 1
	done
}

# The flags as pkg-config gives them to whoever has it in /usr.
flags()
{
	PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root \
		PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
		pkg-config "$@" zerocore
}

version_agrees()
{
	[ "$(flags --modversion)" = "$("$root/usr/bin/zerocore" --version | grep -oE '[0-9]+(\.[0-9]+)+')" ]
}

prefix_can_move() { grep -qx "libdir=\${prefix}/lib" "$root/usr/lib/pkgconfig/zerocore.pc"; }

warn=(-std=c11 -Wall -Wextra -Wundef -Werror)

by_pkg_config()
{
	local name

	for name in "$@"; do
		# shellcheck disable=SC2046 # a list of words
		"$cc" "${warn[@]}" -o "$tmp/$name" "tools/examples/$name.c" \
			$(flags --cflags --libs) || return 1
	done
}

by_name_only()
{
	"$cc" "${warn[@]}" -I"$root/usr/include" -o "$tmp/$1.plain" "tools/examples/$1.c" \
		-L"$root/usr/lib" -lzerocore
}

# The archive, and what pkg-config --static adds; Debian has no archive of libisal.
static()
{
	"$cc" "${warn[@]}" -I"$root/usr/include" -o "$tmp/$1.static" \
		"tools/examples/$1.c" -L"$root/usr/lib" -Wl,-Bstatic -lzerocore -Wl,-Bdynamic -lisal
}

from_cxx()
{
	cat >"$tmp/main.cc" <<-'END'
		#include <zerocore/zerocore.h>
		int main() { return zc_strerror(ZC_OK) && zc_timestamp() ? 0 : 1; }
	END
	g++ -std=c++11 -Wall -Wextra -Werror -I"$root/usr/include" -o "$tmp/main" \
		"$tmp/main.cc" -L"$root/usr/lib" -lzerocore &&
		LD_LIBRARY_PATH=$root/usr/lib "$tmp/main"
}

needs_soname() { readelf -d "$tmp/publisher" | grep -qF '[libzerocore.so.0]'; }

# talk PUBLISHER SUBSCRIBER: what the one sends is what the other prints
talk()
{
	local pool=install-$BASHPID

	export LD_LIBRARY_PATH=$root/usr/lib
	"$root/usr/bin/zerocore" pool create "$pool" --bytes 16M || return 1
	"$tmp/$1" "$pool" one 'two words' three &&
		timeout 60 "$tmp/$2" "$pool" >"$tmp/said" &&
		diff - "$tmp/said" <<-'END'
			one
			two words
			three
		END
	local rc=$?
	"$root/usr/bin/zerocore" pool remove "$pool" && return $rc
}

completion_loads() { bash -n "$root/usr/share/bash-completion/completions/zerocore"; }
uninstalled() { [ -z "$(installed)" ] || { installed; return 1; }; }

check installs make_install
check nothing_is_missing_or_extra nothing_is_missing
check everybody_may_read readable
check links_lead_to_the_library links_lead_on
check command_needs_nothing_of_ours env -i "$root/usr/bin/zerocore" --version
check version_agrees version_agrees
check prefix_can_move prefix_can_move
check examples_build_by_pkg_config by_pkg_config publisher subscriber
check program_needs_the_soname needs_soname
check example_builds_by_name_only by_name_only publisher
check example_builds_static static subscriber
check cxx_program_builds from_cxx
check examples_talk talk publisher subscriber
check plain_and_static_talk talk publisher.plain subscriber.static
check completion_loads completion_loads
check installs_twice make_install
check uninstalls make --no-print-directory uninstall DESTDIR="$root" PREFIX=/usr
check nothing_is_left uninstalled

# DKMS as its version 3 does: what is installed is not installed again, and what is not in
# its tree cannot be removed.
mkdir "$tmp/fake"
cat >"$tmp/fake/dkms" <<-END
	#!/bin/sh
	case \$1 in
	install) [ -e "$tmp/in-tree" ] || echo built >>"$tmp/builds"; : >"$tmp/in-tree" ;;
	remove) [ -e "$tmp/in-tree" ] || exit 3; rm "$tmp/in-tree" ;;
	esac
END
printf '#!/bin/sh\nexit 0\n' >"$tmp/fake/getent"
chmod 755 "$tmp/fake/dkms" "$tmp/fake/getent"
make_module()
{
	PATH=$tmp/fake:$PATH make --no-print-directory "$1" DESTDIR= SRCDIR="$tmp/module/src" \
		UDEVDIR="$tmp/module/udev" MODLOADDIR="$tmp/module/load"
}
module_is_new() { make_module install-module && make_module install-module && [ "$(wc -l <"$tmp/builds")" = 2 ]; }
module_goes()
{
	rm -f "$tmp/in-tree"
	make_module uninstall-module && [ -z "$(find "$tmp/module" -type f)" ]
}
check module_is_built_anew module_is_new
check module_goes_without_dkms module_goes

lib=/usr/lib/x86_64-linux-gnu
check installs_elsewhere make_install LIBDIR=$lib
check library_is_elsewhere test -e "$root$lib/libzerocore.so"
check pkg_config_is_elsewhere grep -qx "libdir=\${prefix}/lib/x86_64-linux-gnu" \
	"$root$lib/pkgconfig/zerocore.pc"

echo "1..$number"
[ "$failures" = 0 ]
