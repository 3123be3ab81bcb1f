#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# arm64.sh - the tests, built for arm64, run by qemu-user; and both in one pool
#
# Finds what is laid out, called or computed in another way there.  Not reordering: the
# processor that executes it is this one.  Part of make check-long; make check-arm64.
# run.sh: limit 7200
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d /dev/shm/zc-arm64.XXXXXX) || exit 1
chmod 755 "$tmp"	# tests look at it as nobody, too
number=0
failures=0
started=()

finish()
{
	for pid in "${started[@]}"; do
		kill "$pid" 2>/dev/null
	done
	rm -rf -- "$tmp"
}
trap finish EXIT

# point NAME STATUS [FILE]: a point that holds when the status is 0
point()
{
	number=$((number + 1))
	if [ "$2" = 0 ]; then
		echo "ok $number - arm64_$1"
	else
		echo "not ok $number - arm64_$1"
		[ -z "${3-}" ] || tail -n 60 "$3" | sed 's/^/# /'
		failures=$((failures + 1))
	fi
}

if [ "$(uname -m)" = aarch64 ]; then
	echo '1..0 # SKIP this is one: make check'
	exit 0
fi
if ! command -v apt-get >/dev/null || ! tools/deps.sh arm64 >"$tmp/deps" 2>&1; then
	[ ! -s "$tmp/deps" ] || sed 's/^/# /' "$tmp/deps"
	echo '1..0 # SKIP packages are missing'
	exit 0
fi
(unset CC CPPFLAGS CFLAGS LDFLAGS; make -j2 arm64) >"$tmp/build" 2>&1
point builds $? "$tmp/build"
if [ "$failures" != 0 ]; then
	echo "1..$number"
	exit 1
fi
there=build/arm64

arm64() { qemu-aarch64-static -L $there/root "$@"; }

# What qemu-user 7.2 does not do as Linux does, and which cases need it.  They must
# fail: what passes after all is to be tested.
limits()
{
	cat <<-'END'
	# It answers /proc/self/stat itself, with a start that is not the one others see:
	# who loses his lock is not recognised, and nobody watches by a pidfd.
	library_copy_closed_leaves_the_other_alive
	daemonised_member_is_not_declared_dead
	daemonised_member_is_seen_to_die
	fault_of_pidfds_hides_no_death
	empty_maps_are_no_proof_of_death
	watch_is_no_output
	death_without_descriptors_leaves_none
	# madvise(MADV_WIPEONFORK) says 0 and does nothing.
	fork_child_may_not_use_the_pool
	fork_child_may_open_it_anew
	child_of_a_binding_process_starts_over
	child_without_a_page_is_refused
	inherited_by_a_child_refused
	# There is no mbind() and no move_pages().
	memory_is_on_the_node_that_was_asked_for
	new_segment_is_near_who_waits
	nodes_that_are_not_there_are_refused
	# It has a thread of its own in /proc/self/task.
	pool_closed_leaves_nothing_open
	# There are no seccomp filters, by which these forbid calls.
	slow_drop_oldest_without_membarrier_there
	wait_without_membarrier
	wait_without_membarrier_on_one_side
	wait_any_without_membarrier
	END
}
limits | grep -v '^#' | sort >"$tmp/limits"

: >"$tmp/failed"
export ZC_TEST_SLOW=4
for program in "$there"/tests/conformance/test_*; do
	name=${program##*/}
	mkdir "$tmp/pools"
	ZEROCORE_DIR=$tmp/pools timeout -k 5 600 qemu-aarch64-static -L $there/root "$program" \
		>"$tmp/out" 2>&1
	planned=$(sed -n 's/^1\.\.//p' "$tmp/out")
	[ "${planned:-0}" -gt 0 ] &&
		[ "$planned" = "$(grep -cE '^(not )?ok [0-9]+ - ' "$tmp/out")" ] &&
		! sed -n 's/^not ok [0-9]* - //p' "$tmp/out" | tee -a "$tmp/failed" |
			grep -vxFf "$tmp/limits" | grep -q .
	point "$name" $? "$tmp/out"
	rm -rf -- "$tmp/pools"
done
if qemu-aarch64-static --version | grep -q 'version 7\.2\.'; then
	sort -u "$tmp/failed" | comm -13 - "$tmp/limits" >"$tmp/out"
	[ ! -s "$tmp/out" ]
	point what_cannot_work_fails $? "$tmp/out"
fi

arm64 $there/tests/unit >"$tmp/out" 2>&1 && grep -q '^ok 1 - ' "$tmp/out"
point unit $? "$tmp/out"
mkdir "$tmp/pools"
export ZEROCORE_DIR=$tmp/pools
arm64 $there/tests/soak/test_soak threads >"$tmp/out" 2>&1 && grep -q '^ok 1 - ' "$tmp/out"
point soak $? "$tmp/out"

# --- one pool, two processors ----------------------------------------------------------

zc_x86=build/bin/zerocore
zc_arm64() { arm64 $there/bin/zerocore "$@"; }

# lib/core/layout.c has every size and offset of shared memory, or does not compile; a
# user's types are described by the compiler.
gcc -Iinclude selftests/types/peer.c -o "$tmp/peer" build/lib/libzerocore.so &&
	aarch64-linux-gnu-gcc "--sysroot=$PWD/$there/root" -Iinclude selftests/types/peer.c \
		-o "$tmp/peer64" $there/lib/libzerocore.so -lisal &&
	LD_LIBRARY_PATH=build/lib "$tmp/peer" shape >"$tmp/shape" &&
	arm64 -E LD_LIBRARY_PATH=$there/lib "$tmp/peer64" shape >"$tmp/shape64" &&
	[ -s "$tmp/shape" ] && diff "$tmp/shape" "$tmp/shape64" >"$tmp/out" 2>&1
point same_shape_and_fingerprint $? "$tmp/out"

files=(lib/*.c /bin/sh)
sha256sum "${files[@]}" | sort >"$tmp/want"

# passes WRITER READER GUARD: files through a pool, with the digests of the reader
passes()
{
	local reader status

	"$1" pool create both --bytes 32M >"$tmp/out" 2>&1 || return
	timeout 120 bash -c "$(declare -f arm64 zc_arm64); there=$there; $2 sub both a/b/c --sha256" \
		>"$tmp/got" 2>"$tmp/err" &
	reader=$!
	started+=("$reader")
	"$1" pub both a/b/c --guard "$3" --wait-readers 1 --timeout 60s --files "${files[@]}" \
		>>"$tmp/out" 2>&1 || return
	wait $reader
	status=$?
	sort "$tmp/got" | diff - "$tmp/want" >>"$tmp/out" 2>&1 || return
	"$2" pool check both >>"$tmp/out" 2>&1 || return
	"$2" pool remove both >>"$tmp/out" 2>&1 || return
	return $status
}

for guard in off magic full; do
	passes $zc_x86 zc_arm64 $guard
	point "reads_what_x86_wrote $guard" $? "$tmp/out"
	"$zc_x86" pool remove both >/dev/null 2>&1
	passes zc_arm64 $zc_x86 $guard
	point "writes_what_x86_reads $guard" $? "$tmp/out"
	"$zc_x86" pool remove both >/dev/null 2>&1
done

# A member of the other kind that is killed is seen to die, and what it held comes back.
dies()
{
	local writer reader i

	zc_arm64 pool create both --bytes 8M >"$tmp/out" 2>&1 || return
	mkfifo "$tmp/lines"
	$zc_x86 pub both a/b/c --stdin --history 8 <"$tmp/lines" >>"$tmp/out" 2>&1 &
	writer=$!
	exec 9>"$tmp/lines"
	seq 8 >&9
	qemu-aarch64-static -L $there/root $there/bin/zerocore sub both a/b/c --history 8 \
		--hold 4 --print text >"$tmp/got" 2>>"$tmp/out" &
	reader=$!
	started+=("$writer" "$reader")
	for ((i = 0; i < 2000; i++)); do
		[ "$(grep -c . "$tmp/got")" = 8 ] && break
		read -rt 0.05 <> <(:) || :
	done
	$zc_x86 blocks both >>"$tmp/out" 2>&1
	kill -KILL $reader
	wait $reader 2>/dev/null
	for ((i = 0; i < 2000; i++)); do
		$zc_x86 reader list both --json >"$tmp/readers" 2>>"$tmp/out" || return
		[ -s "$tmp/readers" ] || break
		read -rt 0.05 <> <(:) || :
	done
	exec 9>&-
	wait $writer || return
	cat "$tmp/readers" >>"$tmp/out"
	[ "$(grep -c . "$tmp/got")" = 8 ] && [ ! -s "$tmp/readers" ] &&
		$zc_x86 pool check both >>"$tmp/out" 2>&1
}
dies
point member_of_the_other_kind_dies $? "$tmp/out"

echo "1..$number"
[ "$failures" = 0 ]
