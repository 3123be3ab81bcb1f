#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
"""findings.py - what a tool says of the sources, against what is justified

    selftests/static/findings.py TOOL        tidy, cppcheck, gcc, coccinelle

Says each finding that selftests/static/justified does not have, and each line of it that
no finding matches any more.  Findings are told by file, function and check, not by line.
"""
import bisect
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

JUSTIFIED = "selftests/static/justified"
PACKAGES = ["json-c", "libcrypto", "ncursesw"]
COMMON = ["-std=gnu11", "-O2", "-fno-strict-aliasing", "-Iinclude", "-Iinclude/uapi",
          "-D_GNU_SOURCE=", "-DZC_ANALYZED"]


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    return done.returncode, done.stdout


def sources(*patterns):
    return sorted(f for p in patterns for f in glob.glob(p))


LIB = sources("lib/*.c", "lib/core/*.c")
TOOLS = sources("tools/zerocore/*.c")
TESTS = sources(*("selftests/%s/*.c" % d for d in ("conformance", "crash", "soak", "device")))
KMOD = sources("kmod/*.c")


def flags(source):
    if source in LIB:
        return COMMON + ["-Ilib"]
    if source in TOOLS:
        cflags = run(["pkg-config", "--cflags"] + PACKAGES)[1].split()
        return COMMON + ["-Itools"] + [re.sub("^-I", "-isystem", f) for f in cflags]
    return COMMON + ["-Ilib"] + ["-Iselftests/" + d for d in
                                 ("conformance", "crash", "soak", "device")]


def functions(file, cache={}):
    """Where functions begin: lines that start one, and their names."""
    if file not in cache:
        starts, names = [0], ["-"]
        with open(file) as text:
            for number, line in enumerate(text, 1):
                found = re.match(r"[A-Za-z_][^;={]*?\b(\w+)\((?!\()", line)
                if found and not line.rstrip().endswith(";"):
                    starts.append(number)
                    names.append(found.group(1))
        cache[file] = starts, names
    return cache[file]


def finding(file, line, check):
    file = os.path.relpath(file)
    starts, names = functions(file)
    return (file, names[bisect.bisect_right(starts, int(line)) - 1], check), int(line)


def must(code, command, out):
    if code:
        sys.exit("%s: exit status %d\n%s" % (" ".join(command), code, out[-3000:]))


def all_of(files, command_of, pattern):
    """Every file by two at a time; (finding, line) of what matches."""
    def one(source):
        command = command_of(source)
        code, out = run(command)
        must(code, command, out)
        return [finding(*m) for m in re.findall(pattern, out, re.M)]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [f for found in pool.map(one, files) for f in found]


def tidy():
    return all_of(LIB + TOOLS, lambda source: [
        "clang-tidy", "--quiet", "--config-file=selftests/static/clang-tidy.yml", source, "--"
    ] + flags(source), r"^([^ :]+):(\d+):\d+: (?:warning|error): .*\[([^],]+)[^]]*\]$")


def gcc():
    return all_of(LIB + TOOLS + TESTS, lambda source: [
        "gcc", "-fanalyzer", "-fanalyzer-verbosity=0", "-fdiagnostics-plain-output", "-c",
        "-o", "/dev/null", source
    ] + flags(source), r"^([^ :]+):(\d+):\d+: warning: .*\[-W(analyzer-[^]]+)\]$")


def cppcheck():
    command = ["cppcheck", "-q", "-j2", "--enable=warning,performance,portability",
               "--inconclusive", "--std=c11", "--language=c", "--inline-suppr",
               "-D__x86_64__", "-D_GNU_SOURCE", "-Iinclude", "-Iinclude/uapi", "-Ilib",
               "-Itools", "-Iselftests/conformance", "--error-exitcode=0",
               "--template={file}:{line}: {id}"] + LIB + TOOLS + TESTS + KMOD
    code, out = run(command)
    must(code, command, out)
    return [finding(*m) for m in re.findall(r"^([^ :]+):(\d+): (\w+)$", out, re.M)]


def spatch(rule, files):
    command = ["spatch", "--very-quiet", "--all-includes", "-I", "include", "-I",
               "include/uapi", "-I", "lib", "--macro-file",
               "selftests/coccinelle/attributes.h", "--sp-file", rule] + files
    code, out = run(command)
    must(code, command, out)
    return re.findall(r"^([^ :]+\.[ch]):(\d+): (\w+)", out, re.M)


def coccinelle():
    wrong = "selftests/coccinelle/wrong.c"
    with open(wrong) as text:
        want = {(str(n), rule) for n, line in enumerate(text, 1)
                for rule in re.findall(r"; /\* (\w+) \*/", line) +
                re.findall(r"\) /\* (\w+) \*/", line)}
    found, said = [], set()
    for rule in sources("selftests/coccinelle/*.cocci"):
        files = LIB + TOOLS + ([] if rule.endswith("_record.cocci") else KMOD)
        said |= {m[1:] for m in spatch(rule, [wrong]) if m[0] == wrong}
        found += [finding(*m) for m in spatch(rule, files)]
    for line, rule in sorted(want ^ said):
        print("%s:%s: %s %s" % (wrong, line, rule,
                                "is not found" if (line, rule) in want else "is found"))
    return found


def justified(tool):
    """Lines below a reason, in blocks: TOOL FILE FUNCTION CHECK."""
    lines, reason = {}, False
    with open(JUSTIFIED) as text:
        for number, line in enumerate(text, 1):
            words = line.split()
            if not words:
                reason = False
            elif words[0] == "#":
                reason = True
            elif len(words) != 4 or not reason:
                sys.exit("%s:%d: a line is TOOL FILE FUNCTION CHECK, below its reason" %
                         (JUSTIFIED, number))
            elif words[0] == tool:
                lines[tuple(words[1:])] = number
    return lines


def main():
    tools = {"tidy": tidy, "gcc": gcc, "cppcheck": cppcheck, "coccinelle": coccinelle}
    if len(sys.argv) != 2 or sys.argv[1] not in tools:
        sys.exit(__doc__)
    tool = sys.argv[1]
    known = justified(tool)
    found = tools[tool]()
    for (file, function, check), line in sorted(set(found)):
        if (file, function, check) not in known:
            print("%s:%d: %s %s %s %s" % (file, line, tool, file, function, check))
    for key in sorted(set(known) - {f for f, _ in found}):
        print("%s:%d: no such finding any more: %s %s" %
              (JUSTIFIED, known[key], tool, " ".join(key)))


main()
