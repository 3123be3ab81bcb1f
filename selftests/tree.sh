#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# tree.sh - what must hold of the sources themselves: who may include whom,
# licences, sizes, and scripts that shellcheck likes
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
number=0
failures=0

# none NAME < <(COMMAND): a point that holds when nothing comes in on stdin
none()
{
	number=$((number + 1))
	if [ -z "$(tee "$tmp/out")" ]; then
		echo "ok $number - tree_$1"
	else
		echo "not ok $number - tree_$1"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

skip() { number=$((number + 1)); echo "ok $number - tree_$1 # SKIP $2"; }

# What belongs to the project: what git knows or would add, or all but build/.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
	git ls-files --cached --others --exclude-standard
else
	find . \( -path ./build -o -path ./.git \) -prune -o -type f -printf '%P\n'
fi | sort -u | while IFS= read -r file; do
	[ -e "$file" ] && printf '%s\n' "$file"
done >"$tmp/files"
grep -E '\.[ch]$' "$tmp/files" >"$tmp/c"
while IFS= read -r file; do
	case $(head -c 64 "$file" | head -n 1 | tr -d '\0') in
	'#!'*sh) printf '%s\n' "$file" ;;
	esac
done <"$tmp/files" >"$tmp/scripts"

top_level()
{
	cut -d/ -f1 "$tmp/files" | sort -u |
		grep -vE '^(\..*|Kbuild|dkms\.conf|Makefile|README\.md|LICENSES?)$' |
		grep -vxE 'kmod|lib|include|tools|selftests|Documentation'
}

# A licence on the first lines of every file, and the one of its folder.
licences()
{
	local file line want

	grep -vE '^(LICENSE|LICENSES/.*|README\.md|Documentation/.*\.md|Documentation/plots/.*\.png|selftests/fuzz/corpus/.*)$' \
		"$tmp/files" |
	while IFS= read -r file; do
		line=$(head -n 3 "$file" | grep -a SPDX-License-Identifier)
		case $file in
		kmod/*|selftests/kunit/*|Kbuild|dkms.conf) want='GPL-2.0' ;;
		include/uapi/*) want='GPL-2.0 WITH Linux-syscall-note OR MIT' ;;
		*) want='MIT OR LGPL-2.1' ;;
		esac
		[[ $line == *"$want"* ]] || echo "$file: '$want' is not on its first lines"
	done
}

# lists FOLDER: what the compiler says its objects were made of, or "- SOURCE" for one
# that was compiled nowhere.
lists()
{
	local source list found

	grep "^$1/.*\.c$" "$tmp/files" | while IFS= read -r source; do
		found=
		for list in build build/alt build/asan build/tsan build/kill build/fuzz; do
			list=$list/obj/${source%.c}.d
			[ ! -e "$list" ] || { echo "$list"; found=1; }
		done
		[ -n "$found" ] || echo "- $source"
	done
}

# includes NAME FOLDER ALLOWED: a point that holds when the objects of FOLDER were really
# made of what it may include, by the compiler's own lists.  Where nothing was compiled,
# nothing is known; where something was, all must have been.
includes()
{
	lists "$2" >"$tmp/lists"
	if grep -qv '^- ' "$tmp/lists"; then
		none "$1" < <(foreign "$3")
	else
		skip "$1" "nothing of $2 was compiled"
	fi
}

foreign()
{
	local allowed=$1

	sed -n 's/^- \(.*\)/\1 was not compiled/p' "$tmp/lists"
	# shellcheck disable=SC2016  # awk's dollars
	grep -v '^- ' "$tmp/lists" | xargs -r awk -v allowed="^($allowed)" '
		FNR == 1 {
			source = FILENAME
			sub(/^build\/([a-z]+\/)?obj\//, "", source)
			sub(/\.d$/, ".c", source)
			$1 = ""			# the object itself
		}
		/^[^ ]*:$/ { next }		# phony rules, one a header
		{
			for (i = 1; i <= NF; i++) {
				file = $i
				if (file !~ /^(lib|include|tools|selftests|kmod)\//)
					continue
				while (match(file, /[^\/]+\/\.\.\//))
					file = substr(file, 1, RSTART - 1) \
						substr(file, RSTART + RLENGTH)
				if (file !~ allowed)
					print source " includes " file
			}
		}' | sort -u
}

# Freestanding: the kernel compiles it, too, so what it calls is its own, or what
# a compiler may call anyway.
core_calls()
{
	local source

	grep -E '^lib/core/.*\.c$' "$tmp/files" | while IFS= read -r source; do
		[ -e "build/obj/${source%.c}.o" ] || echo "$source was not compiled"
		nm -uP "build/obj/${source%.c}.o" | cut -d' ' -f1 |
			grep -vxE 'zc_.*|mem(cpy|set|move|cmp)|_GLOBAL_OFFSET_TABLE_' |
			sed "s|^|$source calls |"
	done
}

source_includes() { xargs -r grep -nE '#[[:space:]]*include.*\.c[">]' /dev/null <"$tmp/c"; }

lengths()
{
	local file lines

	while IFS= read -r file; do
		lines=$(wc -l <"$file")
		[ "$lines" -le 640 ] || echo "$file: $lines lines; split it by noun"
	done < <(cat "$tmp/c" "$tmp/scripts")
}

unfinished()
{
	grep -v '^selftests/tree\.sh$' "$tmp/files" |
		xargs -r grep -nIE '\<(TODO|FIXME|XXX|TBD)\>' /dev/null
}

blanks()
{
	local file

	grep -E '\.([chS]|sh|pml|map|in|rst)$|^(Makefile|Kbuild|\.ci/run)$' "$tmp/files" |
	while IFS= read -r file; do
		grep -nE '[[:blank:]]+$|'$'\r' "$file" | sed "s|^|$file: blank at the end of line |"
		[ -z "$(tail -c 1 "$file" | tr -d '\n')" ] || echo "$file: no newline at its end"
	done
}

scripts_run()
{
	local file

	while IFS= read -r file; do
		[ -x "$file" ] || echo "$file: chmod +x"
	done <"$tmp/scripts"
}

manual_pages()
{
	grep -E '^Documentation/man/.*\.[1-8]$' "$tmp/files" |
		xargs -r mandoc -T lint -W warning | grep -vE 'STYLE:|missing date|cannot parse date'
}

none top_level_is_as_agreed < <(top_level)
none licences_are_on_each_file < <(licences)
includes core_includes_only_itself lib/core 'lib/core/|include/uapi/'
includes library_includes_no_tool_or_test lib 'lib/|include/'
includes tools_include_public_headers tools 'tools/|include/zerocore/'
includes conformance_includes_public_headers selftests/conformance \
	'selftests/conformance/|include/'
includes fuzz_includes_nothing_private_of_the_library selftests/fuzz \
	'selftests/fuzz/|include/|tools/zerocore/'
includes device_includes_public_headers selftests/device \
	'selftests/(device|conformance)/|include/'
none core_is_freestanding < <(core_calls)
none no_source_is_included < <(source_includes)
none files_are_short < <(lengths)
none nothing_is_left_unfinished < <(unfinished)
none no_blanks_at_line_ends < <(blanks)
none scripts_are_executable < <(scripts_run)
if command -v mandoc >/dev/null; then
	none manual_pages_are_sound < <(manual_pages)
else
	skip manual_pages_are_sound "no mandoc"
fi
# SC2317: takes what a trap calls for unreachable.  SC2015: `a && b || c` is meant.
while IFS= read -r script; do
	none "shellcheck_likes $script" < <(shellcheck -S info -e SC2317,SC2015 -- "$script" 2>&1)
done <"$tmp/scripts"

echo "1..$number"
[ "$failures" = 0 ]
