#!/bin/sh
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# peers.sh - which libraries of peers this compiler finds
#
# Usage: tools/bench/peers.sh cflags|libs COMPILER...
#
# Links one call of each.  Prints -DPEER_NAME and include folders of those that are
# there, or what links them; a library that is not there is none of the words.
set -u

what=$1
shift
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
words=

# try NAME CFLAGS LIBS < PROGRAM
try()
{
	cat >"$tmp/try.c"
	# shellcheck disable=SC2086 # lists of words
	"$compiler" $rest $2 -o "$tmp/try" "$tmp/try.c" $3 2>/dev/null || return
	case $what in
	cflags) words="$words -DPEER_$1 $2" ;;
	libs) words="$words $3" ;;
	esac
}

compiler=$1
shift
rest=$*

try CK '' '' <<END
#include <ck_ring.h>
int main(void) { ck_ring_t ring; ck_ring_init(&ring, 16); return 0; }
END
try ZMQ '' -lzmq <<END
#include <zmq.h>
int main(void) { return zmq_ctx_new() == 0; }
END
try NNG '' -lnng <<END
#include <nng/nng.h>
int main(void) { return nng_version() == 0; }
END
try CYCLONE '' -lddsc <<END
#include <dds/dds.h>
int main(void) { return dds_create_domain(1, 0) < 0; }
END
# Its headers lie in a folder of their version.
for include in /usr/include/iceoryx/v2* /usr/local/include/iceoryx/v2*; do
	[ -d "$include" ] || continue
	try ICEORYX "-isystem $include" -liceoryx_binding_c <<-END
		#include <iceoryx_binding_c/runtime.h>
		int main(void) { iox_runtime_init("try"); return 0; }
	END
	break
done

# shellcheck disable=SC2086 # one blank between words
echo $words
