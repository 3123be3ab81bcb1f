#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# readme.sh - README.md and Documentation/ speak of what is there: examples, files,
# links, functions, models, options of make
# shellcheck disable=SC2016 # backquotes are those of the markup
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
		echo "ok $number - readme_$1"
	else
		echo "not ok $number - readme_$1"
		sed 's/^/# /' "$tmp/out"
		failures=$((failures + 1))
	fi
}

pages=(README.md)
for page in Documentation/*.rst Documentation/*.md; do
	[ -e "$page" ] && pages+=("$page")
done

# The block behind the line that is just "`FILE`:" must be that file.
examples()
{
	local file found=0

	while IFS= read -r file; do
		found=$((found + 1))
		awk -v want="\`$file\`:" '
			$0 == want { armed = 1; next }
			armed && /^```c$/ { inside = 1; armed = 0; next }
			inside && /^```$/ { exit }
			inside' README.md >"$tmp/block"
		[ -e "$file" ] || { echo "there is no $file"; continue; }
		diff "$tmp/block" "$file" >"$tmp/diff" && continue
		echo "README.md differs from $file:"
		cat "$tmp/diff"
	done < <(sed -n 's/^`\(tools\/examples\/.*\.c\)`:$/\1/p' README.md)
	[ "$found" = "$(find tools/examples -name '*.c' | wc -l)" ] ||
		echo "README.md shows $found of the programs in tools/examples/"
	[ "$found" = "$(grep -c '^```c$' README.md)" ] ||
		echo "a block of C in README.md is no file"
}

# What stands between backquotes and begins like a path of the tree.  Of
# FILE:FUNCTION the file; a folder by its slash; an asterisk is the shell's.
paths()
{
	local page path

	for page in "${pages[@]}"; do
		grep -oE '`+[^` ]+`+' "$page" | tr -d '`' |
			grep -E '^(\.ci|include|lib|kmod|tools|selftests|Documentation|LICENSES)/|^(README\.md|LICENSE|Makefile|Kbuild)$' |
			sed 's/:zc_.*//' | sort -u |
		while IFS= read -r path; do
			case $path in *NOUN*) continue ;; esac
			compgen -G "$path" >/dev/null || echo "$page names $path"
		done
	done
}

# Targets of [text](target) and `text <target>`_, as seen from the page's folder.
links()
{
	local page target file anchor

	for page in "${pages[@]}"; do
		{
			case $page in
			*.md) grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//' ;;
			*) tr '\n' ' ' <"$page" | grep -oE '`[^`<>]+<[^>`]+>`_' | sed 's/.*<//; s/>`_$//' ;;
			esac
		} | grep -vE '^[a-z]+:' | sort -u |
		while IFS= read -r target; do
			file=${target%%#*}
			[ -z "$file" ] || [ -e "$(dirname "$page")/$file" ] ||
				echo "$page links to $target"
			case $target in *#*) anchor=${target#*#} ;; *) continue ;; esac
			[ -z "$file" ] && file=$page || file=$(dirname "$page")/$file
			grep '^#' "$file" | sed 's/^#* *//' | tr '[:upper:] ' '[:lower:]-' |
				tr -cd 'a-z0-9_\n-' | grep -qx -- "$anchor" ||
				echo "$page links to $target: no such heading"
		done
	done
}

# zc_...() is a function that is there; those of the references are in one page.
functions()
{
	local page function

	for page in "${pages[@]}"; do
		[ "$page" != Documentation/references.md ] || continue
		grep -oE '\<zc_[a-z0-9_]+\(\)' "$page" | tr -d '()' | sort -u |
		while IFS= read -r function; do
			grep -rqE "\<$function\(" lib include || echo "$page names $function()"
		done
	done
}

# ZC_... is a constant, a type's macro, or a name of the references.
constants()
{
	local page constant

	for page in "${pages[@]}"; do
		[ "$page" != Documentation/references.md ] || continue
		grep -oE '\<ZC_[A-Z0-9_]+\>' "$page" | sort -u |
		while IFS= read -r constant; do
			[ "${constant%_}" = "$constant" ] || continue
			grep -rqw -- "$constant" lib include Makefile ||
				echo "$page names $constant"
		done
	done
}

# ``model/variant`` of a model is one of its variants.
variants()
{
	local page word

	for page in "${pages[@]}"; do
		grep -oE '``[a-z_]+/[a-z0-9_]+``' "$page" | tr -d '`' | sort -u |
		while IFS= read -r word; do
			[ -e "selftests/models/${word%%/*}.pml" ] || continue
			grep -qE "^ \* @variant +${word#*/} " "selftests/models/${word%%/*}.pml" ||
				echo "$page names $word"
		done
	done
}

# `make TARGET` is a target.
targets()
{
	local page target

	for page in "${pages[@]}"; do
		grep -oE '(`|^    )make [a-z0-9-]+' "$page" | sed 's/.*make //' | sort -u |
		while IFS= read -r target; do
			grep -qE "^$target:" Makefile || echo "$page names make $target"
		done
	done
}

# Every package that deps.sh may install has its reason in README.md, and no other.
packages()
{
	sed -n 's/^.*want="$want \(.*\)"$/\1/p' tools/deps.sh | tr ' ' '\n' | sort -u >"$tmp/wanted"
	sed -n '/^## Packages/,/^## /s/^|[^|]*| \([a-z0-9+, -]*\) |.*/\1/p' README.md |
		grep -vx package | tr -d ' ' | tr ',' '\n' | grep '[a-z]' | sort -u >"$tmp/explained"
	comm -23 "$tmp/wanted" "$tmp/explained" | sed 's/^/README.md does not explain /'
	comm -13 "$tmp/wanted" "$tmp/explained" | sed 's/^/deps.sh does not want /'
}

# Each page is found from the index.
orphans()
{
	local page

	for page in Documentation/*.rst Documentation/*.md; do
		[ "$page" = Documentation/index.rst ] || [ ! -e "$page" ] ||
			grep -qF "<${page##*/}>" Documentation/index.rst ||
			echo "index.rst does not link ${page##*/}"
	done
	for page in Documentation/man/*.[1-8]; do
		page=${page##*/}
		[ ! -e "Documentation/man/$page" ] ||
			grep -qF "${page%.*}(${page##*.})" Documentation/index.rst ||
			echo "index.rst does not name $page"
	done
}

# Sound reStructuredText, where docutils is there to say so.
markup()
{
	local page

	for page in Documentation/*.rst; do
		python3 - "$page" <<-'END' 2>&1
			import sys, docutils.core
			with open(sys.argv[1]) as page:
			    docutils.core.publish_string(page.read(), source_path=sys.argv[1],
			        writer_name="null", settings_overrides={"report_level": 2})
		END
	done
}

none examples_are_the_programs < <(examples)
none files_exist < <(paths)
none links_resolve < <(links)
none functions_exist < <(functions)
none constants_exist < <(constants)
none model_variants_exist < <(variants)
none targets_exist < <(targets)
none packages_are_explained < <(packages)
none pages_are_in_the_index < <(orphans)
if python3 -c 'import docutils' 2>/dev/null; then
	none markup_is_sound < <(markup)
else
	number=$((number + 1))
	echo "ok $number - readme_markup_is_sound # SKIP no docutils"
fi

echo "1..$number"
[ "$failures" = 0 ]
