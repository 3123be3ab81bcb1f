#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# plots.sh - draw Documentation/plots/ from what `zerocore bench fragmentation` says
#
# Usage: tools/plots.sh            COUNT=n: blocks of each run, 1000000
#
# Samples are kept in build/plots/: what is there is drawn as it is, what is missing is
# measured first.
set -eu

cd "$(dirname "${BASH_SOURCE[0]}")/.."
zc=${ZEROCORE:-build/bin/zerocore}
count=${COUNT:-1000000}
samples=build/plots
out=Documentation/plots

command -v gnuplot >/dev/null || {
	echo "plots.sh: gnuplot is missing; install what Debian calls gnuplot-nox" >&2
	exit 1
}
mkdir -p "$samples" "$out"

# measure UTILISATION CLEANERS
measure()
{
	local file=$samples/fragmentation-$1-$2

	[ -e "$file.json" ] && return
	"$zc" bench fragmentation --json --count "$count" --utilisation "$1" \
		--cleaners "$2" >"$file.part"
	mv "$file.part" "$file.json"
}

# field NAME FILE: "op value" lines
field()
{
	sed -n "s/^{\"op\":\([0-9]*\),.*\"$1\":\([0-9.]*\).*/\1 \2/p" "$2"
}

for utilisation in 0.6 0.8; do
	for cleaners in 0 1; do
		measure "$utilisation" "$cleaners"
		file=$samples/fragmentation-$utilisation-$cleaners
		for name in share share_joined largest_bytes; do
			field "$name" "$file.json" >"$file.$name"
		done
	done
	gnuplot <<-END
		set terminal pngcairo size 1000,700 font "sans,11"
		set output "$out/fragmentation-$utilisation.png"
		set multiplot layout 2,1 title "1 GiB pool, $utilisation in use, sizes 64 B to 8 MiB"
		set format x "%.0s%c"
		set xlabel "blocks acquired and let go"
		set key bottom left
		set ylabel "% of the free memory"
		set yrange [0:100]
		set title "in runs of at least 1 MiB"
		base = "$samples/fragmentation-$utilisation-"
		plot base . "1.share" using 1:(100*\$2) with lines title "one cleaner", \
			base . "0.share" using 1:(100*\$2) with lines title "no cleaner, as they lie", \
			base . "0.share_joined" using 1:(100*\$2) with lines \
				title "no cleaner, as acquire joins them"
		set title "largest run that can be had"
		set ylabel "MiB"
		set yrange [1:256]
		set logscale y 2
		plot base . "1.largest_bytes" using 1:(\$2/1048576) with lines title "one cleaner", \
			base . "0.largest_bytes" using 1:(\$2/1048576) with lines title "no cleaner"
	END
	echo "$out/fragmentation-$utilisation.png"
done
