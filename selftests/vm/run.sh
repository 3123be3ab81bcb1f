#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# run.sh - run a command in a virtual machine, and look at what its kernel said
#
# TAP of the command goes to stdout as it comes; everything else that it prints
# becomes a comment.  The run has failed when the guest did not come to its end
# within its time, when its status is not 0, or when the kernel's log has what a
# sound kernel does not say: warnings, bugs, lock order, leaks.
#
# Exit status: 0 all well, 1 failed, 2 usage, 77 there is no QEMU or no such kernel.
set -u

usage()
{
	cat <<-END
	usage: run.sh [-i] [-k KERNEL] [-m MEMORY] [-t SECONDS] [-n NODES] [-d DISK]
	              [-o FILE] [-c CMDLINE] [-l LOG] COMMAND [FILE[:WHERE]...]
	       COMMAND, FILE   see initramfs.sh
	       -k KERNEL       6.1, 6.12, or one that we build: debug, kcsan, rt, gcov
	       -m MEMORY       of the guest (1G)
	       -t SECONDS      that it may take (300)
	       -n NODES        NUMA nodes (1)
	       -d DISK         size of an empty NVMe disk, /dev/nvme0n1 (none)
	       -o FILE         where that disk is kept: what the guest wrote on it
	       -c CMDLINE      for the kernel, too: 'hugepages=64'
	       -l LOG          where the kernel's log is kept
	       -i              talk to the guest instead
	END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernel=6.12
memory=1G
limit_s=300
nodes=1
disk=
keep=
more=
log=
interactive=
while getopts ik:m:t:n:d:o:c:l:h option; do
	case $option in
	i) interactive=yes ;;
	k) kernel=$OPTARG ;;
	m) memory=$OPTARG ;;
	t) limit_s=$OPTARG ;;
	n) nodes=$OPTARG ;;
	d) disk=$OPTARG ;;
	o) keep=$OPTARG ;;
	c) more=$OPTARG ;;
	l) log=$OPTARG ;;
	h) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { usage >&2; exit 2; }

# What no sound kernel says.  Case matters: drivers are free to say "bug".
complaints='WARNING:|BUG:|BUG at|Oops|INFO: (possible|trying|task|rcu)|UBSAN:|general protection fault'
complaints+='|Kernel panic|soft lockup|detected stall|blocked for more than|suspicious RCU'
complaints+='|kmemleak: [0-9]+ new suspected|refcount_t:|ODEBUG:|Bad page'

tmp=$(mktemp -d) || exit 1
qemu=
# shellcheck disable=SC2317 # by a trap
cleanup()
{
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null
	rm -rf -- "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() { echo "# vm: $*"; failed=yes; }
failed=

"$here/../../tools/deps.sh" vm || exit 1
if ! command -v qemu-system-x86_64 >/dev/null; then
	echo 'run.sh: there is no qemu-system-x86_64' >&2
	exit 77
fi
folder=$("$here/kernel.sh" "$kernel") || exit
"$here/initramfs.sh" "$tmp/initramfs" "$@" || exit 1

# No KVM: many machines that run tests are guests themselves, and what the guest
# does must not depend on that.
machine=(qemu-system-x86_64 -accel "tcg,thread=multi" -cpu "max,la57=off" -smp 2 -m "$memory"
	-no-reboot -nic none -display none -monitor none
	-device "isa-debug-exit,iobase=0xf4,iosize=0x04"
	-kernel "$folder/vmlinuz" -initrd "$tmp/initramfs")
# A busy host must not look like a hanging guest.
append="console=ttyS0 panic=-1 panic_on_oops=1 mitigations=off"
append+=" rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 $more"

if [ "$nodes" -gt 1 ]; then
	# Processors of two nodes share no cache: the kernel would complain.
	machine+=(-smp "2,sockets=2")
	bytes=$(($(numfmt --from=iec "$memory") / nodes))
	for ((node = 0; node < nodes; node++)); do
		machine+=(-object "memory-backend-ram,id=m$node,size=$bytes")
		numa=node,nodeid=$node,memdev=m$node
		[ "$node" -gt 1 ] || numa+=,cpus=$node
		machine+=(-numa "$numa")
	done
fi
if [ -n "$disk" ]; then
	truncate -s "$disk" "$tmp/disk" || exit 1
	machine+=(-drive "file=$tmp/disk,format=raw,if=none,id=disk"
		-device "nvme,serial=zerocore,drive=disk")
fi

if [ -n "$interactive" ]; then
	"${machine[@]}" -serial mon:stdio -append "$append loglevel=4"
	[ $? = 1 ]
	exit
fi

# Two lines: the kernel's log and the command's output must not garble each other.
mkfifo "$tmp/tap" || exit 1
tee "$tmp/output" <"$tmp/tap" | sed -uE '
	s/\r//g
	/^guest: end /d
	/^(ok|not ok|1\.\.[0-9]+|Bail out!|#)/!s/^/# /' &
filter=$!
timeout --foreground -k 5 "$limit_s" "${machine[@]}" \
	-serial "file:$tmp/log" -serial file:/dev/stdout \
	-append "$append loglevel=7" </dev/null >"$tmp/tap" &
qemu=$!
wait "$qemu"
rc=$?
qemu=
wait "$filter"

# isa-debug-exit: 2 * status + 1.
end=$(sed -n 's/^guest: end \([0-9]*\).*/\1/p' "$tmp/output" | tail -n 1)
if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
	fail "the guest still ran after $limit_s s"
elif [ -z "$end" ]; then
	fail "the guest did not come to its end (QEMU's exit status $rc)"
elif [ "$end" != 0 ]; then
	fail "the guest ended with status $end"
elif [ "$rc" != 1 ]; then
	fail "the guest said that all is well, but QEMU's exit status is $rc"
fi
# KCSAN finds races of the kernel's own: those in which the module has no part go.
tr -d '\r' <"$tmp/log" | awk '
	/BUG: KCSAN:/ { report = 1; ours = 0; text = "" }
	!report { print; next }
	{ text = text $0 "\n"; ours = ours || /\[zerocore\]/ }
	/={40}/ { if (ours) printf "%s", text; report = 0 }
	END { if (report && ours) printf "%s", text }' >"$tmp/lines"
[ -z "$keep" ] || [ -z "$disk" ] || mv "$tmp/disk" "$keep"
if ! grep -q 'Linux version' "$tmp/lines"; then
	fail 'the kernel said nothing'
fi
if grep -nE "$complaints" "$tmp/lines" >"$tmp/found"; then
	fail 'the kernel complains:'
	head -n 5 "$tmp/found" | sed 's/^/# | /'
	fail 'around the first of these:'
	first=$(head -n 1 "$tmp/found" | cut -d: -f1)
	sed -n "$((first > 5 ? first - 5 : 1)),$((first + 40))p" "$tmp/lines" | sed 's/^/# | /'
elif [ -n "$failed" ]; then
	echo "# vm: the end of the kernel's log:"
	tail -n 20 "$tmp/lines" | sed 's/^/# | /'
fi
if [ -n "$log" ]; then
	mkdir -p "$(dirname "$log")" && cp "$tmp/lines" "$log"
fi
[ -z "$failed" ]
