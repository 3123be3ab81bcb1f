#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
"""report.py - lines and branches of lib/ that ran, and whether the lists are true

Usage: selftests/coverage/report.py [--list|--summary] EXPORT.json LIST...

EXPORT: what `llvm-cov export` says.  --list: print what is not covered and not
listed, in the form of a list; --summary: a table by folder and file.  Otherwise TAP,
with the table as comments.

A list has lines

    FILE:FUNCTION | SOURCE LINE | WHAT | REASON

WHAT: `line' (it did not run), `true' or `false' (the branch on it that was not taken;
with a number when the line has several conditions, from 1: `true2').  By text and not
by number: other lines may move.  In lib/core what is not covered and not listed fails;
of lib so much of what is not listed must be covered.  What is listed and covered fails,
except where WHAT ends with `?': whether it is reached hangs on who comes first.  And
so does what is listed and not there any more.
"""
import collections
import json
import os
import re
import sys

# Of branches, in percent, as a whole and without those that are listed.  The library's
# part of the device has no device here: the machines of selftests/vm/ run it.
LEAST = {'lib': 90.0}
ELSEWHERE = 'lib/device'
# Every branch and every line, or it is listed.
WHOLE = ('lib/core',)

Gap = collections.namedtuple('Gap', 'where text what')
Branch = collections.namedtuple('Branch', 'line column')


class Source:
    def __init__(self, name):
        self.name = name
        self.lines, self.branches, self.functions = {}, {}, {}
        with open(name, encoding='utf-8') as file:
            self.text = file.read().split('\n')

    def function(self, line):
        """The name of the function or macro that the line is of."""
        for at in range(line, 0, -1):
            text = self.text[at - 1]
            found = re.match(r'(?:[a-z#][^;={]*[ *])?(\w+)\(', text)
            if found and not text.startswith((' ', '\t')):
                return found.group(1)
        return '-'

    def gap(self, line, what):
        text = ' '.join(self.text[line - 1].split()).replace('|', '!')
        return Gap(f'{self.name}:{self.function(line)}', text, what)

    def has(self, gap):
        """Is that line still in that function?"""
        return any(self.gap(line, gap.what) == gap for line in range(1, len(self.text) + 1))

    def gaps(self):
        """Pairs of a gap and its line."""
        for line, count in sorted(self.lines.items()):
            if not count:
                yield self.gap(line, 'line'), line
        on = collections.defaultdict(list)
        for branch in sorted(self.branches):
            on[branch.line].append(branch)
        for line, several in sorted(on.items()):
            if not self.lines.get(line, 1):
                continue
            for number, branch in enumerate(several, 1):
                for way, count in zip(('true', 'false'), self.branches[branch]):
                    if not count:
                        yield self.gap(line, way + (str(number) if len(several) > 1 else '')), line


def load(name):
    """By file: lines and branches.  Of an inline function each copy counts."""
    with open(name, encoding='ascii') as file:
        data = json.load(file)['data'][0]
    sources = {}

    def source(name):
        name = os.path.relpath(name)
        if name not in sources:
            sources[name] = Source(name)
        return sources[name]

    for function in data['functions']:
        names = function['filenames']
        own = source(names[0])
        # A region that lies in another wins: the innermost says whether a line ran.
        regions = sorted((r for r in function['regions'] if r[5] == 0 and r[7] in (0, 3)),
                         key=lambda r: (r[0], r[1], -r[2], -r[3]))
        ran = {}
        for region in regions:
            first, column, last, _, count = region[:5]
            if region[7] == 3:
                continue
            for line in range(first, last + 1):
                head = own.text[line - 1]
                # Not where the line begins before the region does.
                if line == first and head[:column - 1].strip():
                    continue
                if head.strip() in ('', '{', '}', '};') or head.strip().startswith(('/*', '*', '//')):
                    continue
                ran[line] = count
        for line, count in ran.items():
            own.lines[line] = own.lines.get(line, 0) + count
        for branch in function['branches']:
            first, column, _, _, true, false, file, expanded, _ = branch
            if names[file] != names[0]:
                continue
            key = Branch(first, column)
            was = own.branches.get(key, (0, 0))
            own.branches[key] = (was[0] + true, was[1] + false)
    return sources


def read_list(name):
    with open(name, encoding='utf-8') as file:
        for number, line in enumerate(file.read().split('\n'), 1):
            if not line or line.startswith('#'):
                continue
            parts = [part.strip() for part in line.split(' | ')]
            if len(parts) != 4 or not parts[3]:
                sys.exit(f'{name}:{number}: not FILE:FUNCTION | SOURCE LINE | WHAT | REASON')
            yield Gap(*parts[:3]), f'{name}:{number}'


def percent(part, whole):
    return 100.0 * part / whole if whole else 100.0


def folder(name):
    return os.path.dirname(name)


class Table:
    def __init__(self, sources):
        self.rows = collections.defaultdict(lambda: [0, 0, 0, 0])
        self.listed = collections.Counter()
        for source in sources.values():
            counts = (sum(1 for c in source.lines.values() if c), len(source.lines),
                      sum(bool(t) + bool(f) for t, f in source.branches.values()),
                      2 * len(source.branches))
            whole = folder(source.name)
            if source.name.startswith(ELSEWHERE):
                whole = ELSEWHERE
            for name in (source.name, whole):
                for at, count in enumerate(counts):
                    self.rows[name][at] += count

    def leave_out(self, gap, count):
        if gap.what != 'line':
            self.listed[folder(gap.where.split(':')[0])] += count

    def branches(self, name):
        took, branches = self.rows[name][2:]
        return percent(took, branches - self.listed[name])

    def __str__(self):
        text = []
        for name in sorted(self.rows):
            ran, lines, took, branches = self.rows[name]
            text.append(f'{name:28} {percent(ran, lines):5.1f} % of {lines:5} lines, '
                        f'{percent(took, branches):5.1f} % of {branches:5} branches')
        return '\n'.join(text)


def main():
    words = sys.argv[1:]
    option = words.pop(0) if words and words[0].startswith('--') else ''
    if not words:
        sys.exit(__doc__)
    sources = {name: source for name, source in load(words[0]).items()
               if name.startswith('lib/') and name.endswith(('.c', '.h'))}
    listed = collections.defaultdict(list)
    maybe = set()
    for name in words[1:]:
        for gap, where in read_list(name):
            if gap.what.endswith('?'):
                gap = gap._replace(what=gap.what[:-1])
                maybe.add(gap)
            listed[gap].append(where)
    found = collections.defaultdict(list)
    for source in sources.values():
        for gap, line in source.gaps():
            found[gap].append(f'{source.name}:{line}')
    missing = [(gap, where) for gap in found for where in found[gap][len(listed[gap]):]]
    if option == '--list':
        for gap, _ in missing:
            if not gap.where.startswith(ELSEWHERE):
                print(' | '.join(gap) + ' | ')
        return 0
    if option == '--summary':
        print(Table(sources))
        return 0
    stale = [(gap, where) for gap in list(listed) if gap not in maybe
             for where in listed[gap][len(found[gap]):]]
    stale += [(gap, listed[gap][0]) for gap in maybe
              if gap.where.split(':')[0] not in sources or
              not sources[gap.where.split(':')[0]].has(gap)]
    table = Table(sources)
    for gap in listed:
        table.leave_out(gap, min(len(listed[gap]), len(found[gap])))
    points = [(f'what_is_not_covered_in_{name.replace("/", "_")}_is_listed', [
        f'{where}: {gap.text}: {gap.what}' for gap, where in missing
        if folder(gap.where.split(':')[0]) == name]) for name in WHOLE]
    points.append(('what_is_listed_is_not_covered', [
        f'{where}: {gap.where}: {gap.text}: {gap.what}: covered, or not there'
        for gap, where in stale]))
    for name, least in LEAST.items():
        points.append((f'branches_of_{name.replace("/", "_")}', [
            f'{table.branches(name):.1f} % without what is listed are fewer than {least} %'
        ] if table.branches(name) < least else []))
    for number, (name, why) in enumerate(points, 1):
        print(f'{"not " if why else ""}ok {number} - {name}')
        for line in why:
            print(f'# {line}')
    for line in str(table).split('\n'):
        print(f'# {line}')
    for name in LEAST:
        print(f'# {name}, without what is listed: {table.branches(name):.1f} % of branches')
    print(f'1..{len(points)}')
    return any(why for _, why in points)


if __name__ == '__main__':
    sys.exit(main())
