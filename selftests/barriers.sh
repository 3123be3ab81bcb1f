#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# barriers.sh - the barrier tags of the code and of memory-model.rst are the same
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
doc=Documentation/memory-model.rst
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

# none NAME < <(COMMAND): a point that holds when nothing comes in on stdin
none()
{
	number=$((number + 1))
	if [ -z "$(tee "$tmp/out")" ]; then
		echo "ok $number - barriers_$1"
	else
		echo "not ok $number - barriers_$1"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

tag='\[[A-Z][0-9]+\]'
grep -rHoE --include='*.[ch]' "$tag" lib kmod | sort -u >"$tmp/uses"	# FILE:TAG
cut -d: -f2 "$tmp/uses" | sort -u >"$tmp/code"

# A row of the table begins with "* - TAG" and ends where the next begins.
# rows: TAG FILE:FUNCTION, a line each side; and models: TAG MODEL/VARIANT
awk -v tag="$tag" '
	/^   \* - / { current = ""; if ($3 ~ tag) current = $3 }
	/^[^ ]/ { current = "" }
	current != "" {
		if ($1 == "*") print current, "row"
		line = $0
		while (match(line, /``[^`]+``/)) {
			print current, substr(line, RSTART + 2, RLENGTH - 4)
			line = substr(line, RSTART + RLENGTH)
		}
	}' "$doc" >"$tmp/rows"
awk '$2 == "row" { print $1 }' "$tmp/rows" | sort >"$tmp/documented"
grep -E ' (lib|kmod)/[a-z_/0-9]+\.[ch]:zc_[a-z0-9_]+$' "$tmp/rows" >"$tmp/sides"
grep -E ' [a-z_]+/[a-z_0-9]+$' "$tmp/rows" >"$tmp/models"

# Is there a definition (or a macro) of that function in that file?
sides_missing()
{
	local which side file function

	while read -r which side; do
		file=${side%%:*} function=${side##*:}
		if [ ! -e "$file" ]; then
			echo "$which: there is no $file"
		elif ! grep -qE "^([a-z].*[ *])?$function\(" "$file"; then
			echo "$which: $file does not define $function()"
		fi
	done <"$tmp/sides"
}

# Where a tag stands, the table must name a side.
files_missing()
{
	local file which

	while IFS=: read -r file which; do
		grep -qF "$which $file:" "$tmp/sides" ||
			echo "$which: its row names no function of $file"
	done <"$tmp/uses"
}

# Two ends, and at least one of them says so in the code.
one_sided()
{
	local which

	while IFS= read -r which; do
		[ "$(grep -cF "$which " "$tmp/sides")" -ge 2 ] ||
			echo "$which: its row names one side only"
	done <"$tmp/documented"
}

litmus_missing()
{
	local which name

	while IFS= read -r which; do
		name=$(tr -d '[]' <<<"$which" | tr '[:upper:]' '[:lower:]')
		grep -qsF "$which" selftests/litmus/"$name"_*.litmus selftests/litmus/x86/"$name"_*.litmus ||
			echo "$which: no litmus test"
	done <"$tmp/documented"
}

# A model's variant that leaves a rule out must be there and be expected to fail.
models_missing()
{
	local which model

	while read -r which model; do
		grep -qsE "^ \* @variant +${model#*/} +[a-z]+ +fail" \
			"selftests/models/${model%%/*}.pml" ||
			echo "$which: $model is no variant that fails"
	done <"$tmp/models"
}

none there_are_tags < <([ -s "$tmp/code" ] || echo "no tag in lib/")
none code_is_documented < <(comm -23 "$tmp/code" <(sort -u "$tmp/documented"))
none documented_is_code < <(comm -13 "$tmp/code" <(sort -u "$tmp/documented"))
none each_has_one_row < <(uniq -d "$tmp/documented")
none sides_exist < <(sides_missing)
none files_with_a_tag_are_sides < <(files_missing)
none each_has_two_sides < <(one_sided)
none each_has_a_litmus_test < <(litmus_missing)
none models_reject_it < <(models_missing)

echo "1..$number"
[ "$failures" = 0 ]
