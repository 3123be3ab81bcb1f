# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# parse.awk - reads as much of syzkaller's language as dev_zerocore.txt uses, and
# refuses the rest
#
# Prints a line each:
#	error LINE: TEXT			include FILE
#	define NAME TEXT			device PATH
#	ioctl VARIANT CONST FD DIRECTION STRUCT
#	map VARIANT CONST, of the offset	const NAME, of all that are used
#	field STRUCT NAME TYPE DIMENSIONS SET	set NAME CONST

function bad(text)
{
	if (!failed)
		print "error", NR ": " text
	failed = 1
}

# The line becomes token[1..tokens]; at is the next.
function scan(line)
{
	tokens = 0
	at = 1
	while (line !~ /^[ \t]*$/ && line !~ /^[ \t]*#/) {
		sub(/^[ \t]+/, "", line)
		if (!match(line, /^("[^"]*"|[A-Za-z_][A-Za-z0-9_$]*|0x[0-9a-f]+|0|[1-9][0-9]*|[][(){}=,:])/)) {
			bad("\"" line "\" is no word")
			return
		}
		token[++tokens] = substr(line, 1, RLENGTH)
		line = substr(line, RLENGTH + 1)
	}
}

function peek() { return at <= tokens && !failed ? token[at] : "" }

function next_is(what)
{
	if (peek() != what)
		return 0
	at++
	return 1
}

function want(what) { if (!next_is(what)) bad("\"" what "\" is wanted at \"" peek() "\"") }

function name()
{
	if (peek() ~ /^[A-Za-z_]/)
		return token[at++]
	bad("a name is wanted at \"" peek() "\"")
}

# An integer, or a constant, which then is one that is used.
function value()
{
	if (peek() ~ /^[A-Za-z_]/)
		constant[peek()]
	else if (peek() !~ /^[0-9]/)
		bad("a value is wanted at \"" peek() "\"")
	return token[at++]
}

function range()
{
	value()
	if (next_is(":"))
		value()
}

function once(what, which)
{
	if ((what, which) in there)
		bad(what " " which " is there twice")
	there[what, which] = NR
}

function need(what, which) { if (!((what, which) in needed)) needed[what, which] = NR }

# What stands behind the comma is an integer type in memory, and not in a register.
function base(memory)
{
	if (!memory)
		return "__u64"
	want(",")
	if (peek() !~ /^int(8|16|32|64)$/)
		bad("an integer type is wanted at \"" peek() "\"")
	return "__u" substr(token[at++], 4)
}

# Sets t_*: what it is in C, and what it refers to.
function type(memory,   what, of)
{
	t_kind = what = name()
	t_dims = t_set = t_ref = t_dir = t_const = ""
	if (what ~ /^int(8|16|32|64|ptr)$/) {
		t_c = what == "intptr" ? "__u64" : "__u" substr(what, 4)
		if (next_is("[")) {
			t_const = peek()
			range()
			if (next_is(","))
				value()
			want("]")
		}
		return
	}
	if (memory && what ~ /^(vma|len|bytesize|ptr)$/)
		bad(what " in memory")
	if (what == "vma") {
		if (next_is("[")) {
			range()
			want("]")
		}
		return
	}
	if (what !~ /^(const|flags|len|bytesize|array|ptr|string)$/) {
		t_kind = "ref"
		t_ref = what
		t_c = "__u32"
		need("type", what)
		return
	}
	want("[")
	if (what == "const") {
		t_const = value()
		t_c = base(memory)
	} else if (what == "flags") {
		t_set = name()
		need("set", t_set)
		t_c = base(memory)
	} else if (what ~ /^(len|bytesize)$/) {
		need("argument", call SUBSEP name())
	} else if (what == "string") {
		if (peek() ~ /^"/)
			t_const = token[at++]
		else
			need("strings", name())
		t_c = "__u8"
		if (next_is(","))
			t_dims = "[" value() "]"
	} else if (what == "array") {
		type(1)
		of = t_dims
		t_dims = next_is(",") ? "[" value() "]" of : "[]" of
	} else {
		of = name()
		if (of !~ /^(in|out|inout)$/)
			bad("ptr has the direction " of)
		want(",")
		type(1)
		t_kind = "ptr"
		t_dir = of
	}
	want("]")
}

# What a call, or a struct of a call, takes of resources and makes.
function flows(ref, direction)
{
	if (direction != "out")
		takes[ref] = 1
	if (direction != "in")
		makes[ref] = 1
}

function a_call(of,   variant, n, ref, dir, con)
{
	variant = of
	if (!sub(/^[a-z]+\$/, "", variant))
		bad(of " has no variant")
	call = of
	sub(/\$.*/, "", of)
	once("call", call)
	constant["__NR_" of]
	while (peek() != ")" && !failed) {
		if (n++)
			want(",")
		once("argument", call SUBSEP name())
		type(0)
		ref[n] = t_ref; dir[n] = t_dir; con[n] = t_const
		if (t_kind == "ref")
			flows(t_ref, "in")
		else if (t_dir != "" && t_ref != "")
			passed[t_ref, t_dir]
	}
	want(")")
	if (at <= tokens) {
		ref[0] = name()
		need("type", ref[0])
		flows(ref[0], "out")
	}
	if (index(" openat/4 ioctl/2 ioctl/3 mmap/6 read/3 ppoll/5 ", " " of "/" n " ") == 0)
		bad(of "() with " n + 0 " arguments")
	sub(/\$.*/, "", ref[3])
	if (of == "ioctl")
		print "ioctl", variant, con[2], ref[1], dir[3] "-", ref[3] "-"
	else if (of == "openat")
		print "device", con[2]
	else if (of == "mmap")
		print "map", variant, con[6]
}

function a_field(   field, direction)
{
	field = name()
	once("field", inside SUBSEP field)
	type(1)
	if (next_is("(")) {
		direction = name()
		if (direction !~ /^(in|out|inout)$/)
			bad("a field has the direction " direction)
		want(")")
	}
	row[++rows] = inside " " field " " t_c " " (t_dims == "" ? "-" : t_dims) " " (t_set == "" ? "-" : t_set)
	row_ref[rows] = t_ref
	row_dir[rows] = direction
	row_of[rows] = inside
}

function a_set(of,   word, strings)
{
	strings = peek() ~ /^"/
	once(strings ? "strings" : "set", of)
	do {
		if (!strings) {
			word = value()
			print "set", of, word
			once("value", of SUBSEP word)
		} else if (token[at++] !~ /^"/) {
			bad("a string is wanted")
		}
	} while (next_is(","))
}

{ failed = 0 }

/^include </ {
	once("include", $2)
	if ($0 !~ /^include <[a-z_\/]+\.h>$/)
		bad("no include")
	print "include", substr($2, 2, length($2) - 2)
	next
}

/^define / {
	once("define", $2)
	defined[$2] = NR
	if (NF < 3)
		bad("no define")
	sub(/^define[ \t]+/, "")
	sub(/[ \t]+/, " ")
	print "define", $0
	next
}

/^meta / {
	once("meta", $2)
	if ($0 != "meta noextract" && $0 != "meta arches[\"amd64\", \"arm64\"]")
		bad("no meta")
	next
}

{
	scan($0)
	if (!tokens)
		next
	if (inside != "" && next_is("}"))
		inside = ""
	else if (inside != "")
		a_field()
	else {
		word = name()
		if (word == "resource") {
			word = name()
			once("type", word)
			resource[word]
			want("[")
			if (peek() != "int32" && peek() != "fd")
				bad("a resource of " peek())
			at++
			want("]")
			if (next_is(":"))
				do value(); while (next_is(","))
		} else if (next_is("(")) {
			a_call(word)
		} else if (next_is("=")) {
			a_set(word)
		} else {
			want("{")
			inside = word
			once("type", inside)
			struct[inside]
		}
	}
	if (at <= tokens)
		bad("what is \"" peek() "\"")
}

END {
	failed = 0
	if (inside != "")
		bad("struct " inside " does not end")
	for (i = 1; i <= rows; i++) {
		if (row_ref[i] in struct)
			print "error", there["type", row_ref[i]] ": is in another struct"
		print "field", row[i]
		split("in out inout", way, " ")
		for (w = 1; w <= 3; w++)
			if ((row_of[i], way[w]) in passed && row_ref[i] != "")
				flows(row_ref[i], row_dir[i] == "" ? way[w] : row_dir[i])
	}
	for (it in needed) {
		split(it, part, SUBSEP)
		if (!(it in there))
			print "error", needed[it] ": there is no " part[1] " " part[2]
	}
	for (it in there) {
		split(it, part, SUBSEP)
		if (part[1] ~ /^(type|set|strings)$/ && !(it in needed))
			print "error", there[it] ": nobody uses " part[1] " " part[2]
	}
	for (it in resource) {
		if (!(it in makes))
			print "error", there["type", it] ": no call makes " it
		if (!(it in takes))
			print "error", there["type", it] ": no call takes " it
	}
	for (it in defined)
		if (!(it in constant))
			print "error", defined[it] ": nobody uses " it
	for (it in constant)
		print "const", it
}
