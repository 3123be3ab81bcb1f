#!/usr/bin/env bash
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# syzkaller.sh - selftests/syzkaller/ describes the device as the headers do
#
# There is no syzkaller here: parse.awk in there stands for its compiler.  Each point
# has mutants that must fail it.
# shellcheck disable=SC2016 # dollars are those of awk and of syzkaller's names
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
if [ "$(uname -m)" != x86_64 ]; then
	echo "1..0 # SKIP the numbers of amd64 and arm64 are only known on x86-64"
	exit
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf -- "$tmp"' EXIT
export LC_ALL=C
number=0
failures=0

# Beside each copy, "said" is what parse.awk prints and "truth" what headers.awk does:
# lines that begin with their kind.  of FILE KIND FIELDS: of those of a kind
of() { awk -v kind="$2" "\$1 == kind { print $3 }" "$1"; }

includes() { of "$1/said" include '"#include <" $2 ">"'; }

description_is_sound() { sed -n 's/^error /line /p' "$1/said"; }

device_has_its_name()
{
	sed -n 's/^#define ZC_DEVICE_NAME[[:space:]]*"\(.*\)"$/"\/dev\/\1"/p' "$1/linux/zerocore.h" |
		diff - <(of "$1/said" device '$2')
}

# Name, constant, descriptor, direction and struct of each.
ioctls_are_those_of_the_header()
{
	local name way struct fd

	while read -r name way struct; do
		fd=fd_zc_pool
		grep -qw "case $name" kmod/device.c && fd=fd_zerocore
		case $way in
		_IOR) way=out ;;
		_IOW) way=in ;;
		_IOWR) way=inout ;;
		*) way= ;;
		esac
		echo "$name $name $fd $way- $struct"
	done < <(of "$1/truth" ioctl '$2, $3, $4') | sort |
		diff - <(of "$1/said" ioctl '$2, $3, $4, $5, $6' | sort)
}

# Names and order; struct$variant is a struct of C.
fields_are_those_of_the_header()
{
	local struct fields='$1 == "field" && $2 == struct { print $3 }'

	while read -r struct; do
		grep -q "^field ${struct%%\$*} " "$1/truth" || continue
		diff <(awk -v struct="${struct%%\$*}" "$fields" "$1/truth") \
			<(awk -v struct="$struct" "$fields" "$1/said") |
			sed "s/^/$struct: /"
	done < <(of "$1/said" field '$2' | uniq)
}

# The structs of the description in C, beside those of the headers.
structs_have_the_layout_of_c()
{
	{
		includes "$1"
		cat <<-'END'
			#include <stddef.h>
			#define SAME(s, c, f) \
			_Static_assert(offsetof(struct syz_##s, f) == offsetof(struct c, f) && \
				sizeof(((struct syz_##s *)0)->f) == sizeof(((struct c *)0)->f), #s "." #f);
			#define SIZE(s, c) \
			_Static_assert(sizeof(struct syz_##s) == sizeof(struct c), #s);
		END
		of "$1/said" field '$2, $3, $4, $5' | awk '
			function end() { if (last) printf "};\n%sSIZE(%s, %s)\n", same, last, c }
			$1 != last {
				end()
				last = c = $1
				sub(/\$.*/, "", c)
				same = ""
				print "struct syz_" last " {"
			}
			{
				print "\t" $3, $2 ($4 == "-" ? "" : $4) ";"
				same = same "SAME(" last ", " c ", " $2 ")\n"
			}
			END { end() }'
	} >"$1/layout.c"
	gcc -std=gnu11 -fdollars-in-identifiers -fsyntax-only -I"$1" "$1/layout.c" 2>"$1/errors" ||
		head -n 20 "$1/errors"
}

# numbers FOLDER HEADER: of the system calls, as that header has them
numbers()
{
	{
		echo "#include <$2>"
		sed -n 's/^const __NR_\(.*\)/@ \1 __NR_\1/p' "$1/said"
	} | gcc -E -P - | sed -n 's/^@ //p' | sort
}

# The .const as it must be.  But for the numbers of calls both machines have the same.
constants_have_the_values_of_c()
{
	{
		echo '#include <stdio.h>'
		includes "$1"
		of "$1/said" define '$0' | sed 's/^define/#define/'
		echo 'int main(void)'
		echo '{'
		of "$1/said" const '$2' | grep -v '^__NR_' | sort |
			sed 's/.*/\tprintf("%s = %llu\\n", "&", (unsigned long long)(&));/'
		echo '}'
	} >"$1/constants.c"
	gcc -std=gnu11 -I"$1" -o "$1/constants" "$1/constants.c" 2>"$1/errors" || {
		head -n 20 "$1/errors"
		return
	}
	{
		echo 'arches = amd64, arm64'
		"$1/constants"
		join <(numbers "$1" asm/unistd_64.h) <(numbers "$1" asm-generic/unistd.h) |
			sed 's/\(.*\) \(.*\) \(.*\)/__NR_\1 = amd64:\2, arm64:\3/'
	} | diff - <(grep -v '^#' "$1/dev_zerocore.txt.const")
}

flags_are_all_there()
{
	of "$1/truth" loose '"no comment of a field names " $2'
	# STRUCT FIELD SET, and SET CONST: they meet at the set.
	join -1 3 -2 1 -o 1.1,1.2,2.2 \
		<(of "$1/said" field '$2, $3, $6' | sed 's/\$[a-z]*//' | sort -k3) \
		<(of "$1/said" set '$2, $3' | sort) | sort -u |
		comm -13 - <(of "$1/truth" flag '$2, $3, $4' | sort -u)
}

# mmap$ZC_MAP_REGION... has the offset of that region; all regions are there.
regions_are_all_mapped()
{
	local variant offset region

	while read -r variant offset; do
		region=$(sed -n "s/^define $offset .*ZC_MAP_OFFSET(\([A-Z_]*\)).*/\1/p" "$1/said")
		echo "${region:-none}" >&3
		[[ $variant == "${region:-none}"* ]] || echo "mmap\$$variant maps ${region:-no region}"
	done < <(of "$1/said" map '$2, $3') 3>"$1/mapped"
	comm -23 <(of "$1/truth" region '$2' | sort) <(sort -u "$1/mapped") | sed 's/$/ is not mapped/'
}

# examine FOLDER POINT...: what speaks against each, in a file of that name
examine()
{
	local folder=$1 name

	shift
	awk -f selftests/syzkaller/parse.awk "$folder/dev_zerocore.txt" >"$folder/said" || exit 1
	awk -f selftests/syzkaller/headers.awk "$folder/linux/zerocore_layout.h" \
		"$folder/linux/zerocore.h" >"$folder/truth" || exit 1
	for name; do
		"$name" "$folder" >"$folder/$name" 2>&1
	done
}

# point NAME FILE: holds if that is empty
point()
{
	number=$((number + 1))
	if [ -s "$2" ]; then
		echo "not ok $number - syzkaller_$1"
		sed 's/^/# /' "$2"
		failures=$((failures + 1))
	else
		echo "ok $number - syzkaller_$1"
	fi
}

# files FOLDER: puts a copy of all that is compared there
files()
{
	mkdir "$1"
	cp -r include/uapi/linux selftests/syzkaller/dev_zerocore.* "$1"
}

files "$tmp/real"
points=(
	description_is_sound
	device_has_its_name
	ioctls_are_those_of_the_header
	fields_are_those_of_the_header
	structs_have_the_layout_of_c
	constants_have_the_values_of_c
	flags_are_all_there
	regions_are_all_mapped
)
examine "$tmp/real" "${points[@]}"
for name in "${points[@]}"; do
	point "$name" "$tmp/real/$name"
done

# mutant POINT FILE SCRIPT: after SCRIPT of sed on a copy of FILE, POINT must fail
mutant()
{
	local folder=$tmp/mutant

	files "$folder"
	sed -i "$3" "$folder/$2"
	if cmp -s "$folder/$2" "$tmp/real/$2"; then
		echo "nothing is changed" >"$tmp/survived"
	else
		examine "$folder" "$1"
		[ -s "$folder/$1" ] && : >"$tmp/survived" || echo "nobody sees it" >"$tmp/survived"
	fi
	point "mutant_fails $1: $3" "$tmp/survived"
	rm -rf -- "$folder"
}

text=dev_zerocore.txt
header=linux/zerocore.h
mutant description_is_sound $text '/^zc_ioc_open {/,/^}/s/int32/int33/'
mutant description_is_sound $text 's/flags\[zc_join_flags, int32]/flags[zc_join_flags]/'
mutant description_is_sound $text 's/cmd const\[ZC_IOC_STAT], /cmd const[ZC_IOC_STAT] /'
mutant description_is_sound $text 's/flags\[zc_create_flags, int32]/const[0, int32]/'
mutant description_is_sound $text 's/zc_cleaner\t(out)/zc_cleaner\t(in)/'
mutant description_is_sound $text '/^zc_ioc_list {/,/^}/s/^}//'
mutant description_is_sound $text 's/len len\[addr]/len len[address]/'
mutant device_has_its_name $header 's/"zerocore"/"zerocore0"/'
mutant ioctls_are_those_of_the_header $text '/^ioctl$ZC_IOC_NOTIFIED/d'
mutant ioctls_are_those_of_the_header $text 's/inout, zc_ioc_list/in, zc_ioc_list/'
mutant ioctls_are_those_of_the_header $text 's/ZC_IOC_UNLINK(fd fd_zerocore/ZC_IOC_UNLINK(fd fd_zc_pool/'
mutant ioctls_are_those_of_the_header $text 's/ptr\[in, zc_ioc_evict]/ptr[in, zc_ioc_notify]/'
mutant ioctls_are_those_of_the_header $header '/^#define ZC_IOC_NOTIFIED/s/.*/&\n#define ZC_IOC_NEXT _IO(ZC_IOC_MAGIC, 0x2e)/'
mutant fields_are_those_of_the_header $text '/^\tpadding/d'
mutant fields_are_those_of_the_header $header 's/^\t__u64\tpid_ns;/\t__u32\tpid_ns;\n\t__u32\tuser_ns;/'
mutant structs_have_the_layout_of_c $text 's/^\tstart_ticks\tint64/\tstart_ticks\tint32/'
mutant structs_have_the_layout_of_c $text '/^zc_ioc_evict {/,/^}/s/, 2]/, 3]/'
mutant structs_have_the_layout_of_c $header '/^struct zc_device_event {/,/^}/s/comm\[16]/comm[32]/'
mutant constants_have_the_values_of_c $text.const 's/^ZC_IOC_EVICT = 1/&1/'
mutant constants_have_the_values_of_c $text.const '/^ZC_JOIN_WRITE/d'
mutant constants_have_the_values_of_c $text.const 's/arm64:73/arm64:74/'
mutant constants_have_the_values_of_c $text 's/ZC_GRANULE_MIN, //'
mutant constants_have_the_values_of_c $text 's/ZC_GRANULE_MIN/ZC_GRANULE_LEAST/'
mutant constants_have_the_values_of_c $header 's/\(ZC_IOC_STAT.*\)0x22/\10x32/'
mutant flags_are_all_there $text 's/, ZC_JOIN_EVICTABLE//'
mutant flags_are_all_there $text 's/, ZC_SLOW_DISCONNECT//'
mutant flags_are_all_there $header 's/^#define ZC_NOTIFY_MESSAGES.*/&\n#define ZC_NOTIFY_MORE (1U << 2)/'
mutant flags_are_all_there $header 's/^#define ZC_UNLINK_ALL.*/&\n#define ZC_UNLINK_MINE (1U << 1)/'
mutant regions_are_all_mapped $text 's/^\(mmap$ZC_MAP_STAMPS.*\)ZC_STAMPS_OFFSET/\1ZC_LEASE_OFFSET/'
mutant regions_are_all_mapped $header 's/^\tZC_MAP_STAMPS.*/&\n\tZC_MAP_MORE\t= 6,/'

echo "1..$number"
[ "$failures" = 0 ]
