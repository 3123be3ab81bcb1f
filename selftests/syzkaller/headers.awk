# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# headers.awk - reads of zerocore_layout.h and zerocore.h what the description must
# say, too
#
# Prints a line each:
#	ioctl NAME MACRO STRUCT		field STRUCT NAME	region NAME
#	flag STRUCT FIELD CONST: of fields that the kernel reads and whose comment
#				 begins with ZC_WORD_*, ZC_WORD or an enum
#	loose CONST: a bit that the comment of no field names

function wants(of, field, const)
{
	said[const]
	if (of in put)
		print "flag", of, field, const
}

/^#define[ \t]+ZC_[A-Z_]+[ \t]+\(1U(LL)? << / { bit[$2] = FILENAME }
/^#define[ \t]+ZC_IOC_[A-Z_]+[ \t]+_IO/ {
	of = $NF
	sub(/\)$/, "", of)
	sub(/\(.*/, "", $3)
	print "ioctl", $2, $3, ($3 == "_IO" ? "" : of) "-"
	if ($3 != "_IOR")
		put[of]
}

/^ \* struct zc_[a-z_]+ - / { of = $3; field = "" }
/^ \* @[a-z_]+: / {
	field = substr($2, 2, length($2) - 2)
	sub(/^ \* @[a-z_]+: /, "")
	text[of, field] = $0
	next
}
/^ \* *$/ || /^ \*\// { field = "" }
field != "" { text[of, field] = text[of, field] " " $0 }

/^enum zc_[a-z_]+ \{/ || /^struct zc_[a-z_]+ \{/ { what = $1; block = $2 }
/^}/ { what = "" }
what == "enum" && /^\tZC_/ { member[block] = member[block] " " $1 }
what == "struct" && /^\t__[us][0-9]+\t/ {
	sub(/[\[;].*/, "", $2)
	print "field", block, $2
}

END {
	for (it in text) {
		split(it, key, SUBSEP)
		words = text[it]
		if (match(words, /^ZC_[A-Z_]+\*/)) {
			prefix = substr(words, 1, RLENGTH - 1)
			for (b in bit)
				if (index(b, prefix) == 1 && words !~ "\\(not " b "\\)")
					wants(key[1], key[2], b)
		} else if (match(words, /^ZC_[A-Z_]+/)) {
			if (substr(words, 1, RLENGTH) in bit)
				wants(key[1], key[2], substr(words, 1, RLENGTH))
		} else if (match(words, /^enum zc_[a-z_]+/)) {
			n = split(member[substr(words, 6, RLENGTH - 5)], all, " ")
			for (i = 1; i <= n; i++)
				wants(key[1], key[2], all[i])
		}
	}
	n = split(member["zc_map_region"], all, " ")
	for (i = 1; i <= n; i++)
		print "region", all[i]
	for (b in bit)
		if (bit[b] ~ /zerocore\.h$/ && !(b in said))
			print "loose", b
}
