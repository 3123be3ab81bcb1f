#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# load.sh - load a module, and let the group zerocore use it, as the udev rule does
#
# Usage: tools/load.sh zerocore.ko [PARAMETER=VALUE...]
set -eu

[ $# -ge 1 ] || { sed -n 's/^# Usage: /usage: /p' "$0" >&2; exit 2; }
if [ "$(id -u)" != 0 ]; then
	echo 'load.sh: only root can load a module: sudo make insmod' >&2
	exit 1
fi
if [ -d /sys/module/zerocore ]; then
	echo 'load.sh: zerocore is loaded already: make rmmod first' >&2
	exit 1
fi
insmod "$@"
if getent group zerocore >/dev/null; then
	chgrp zerocore /dev/zerocore
	chmod 660 /dev/zerocore
else
	echo 'load.sh: there is no group zerocore, so only root can open /dev/zerocore' >&2
	echo 'load.sh: groupadd --system zerocore; usermod -aG zerocore USER' >&2
fi
ls -l /dev/zerocore
