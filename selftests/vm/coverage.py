#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
"""coverage.py - lines and branches of the module that ran, and whether the list is true

Usage: selftests/vm/coverage.py MISSING LIST GCOV.json.gz...

GCOV: what `gcov -b -j` says of each file and build; the same line of two builds counts
once, with what both ran.  LIST: what is not covered, and why, in the form of
selftests/coverage/*.uncovered; WHAT is `line' (it did not run), or `branch' and its
number on that line, from 1, as gcov has them, with `?' where it hangs on who comes first.
MISSING gets the rest in that form; the folder kmod/ beside it a page for each file, by
gcovr, where that is installed.

Counted are the lines of kmod/*.c and lib/core/*.c, with all branches that the compiler
made on them: a macro of the kernel's is where it is used, and `a && b' is as many as it
became.  Not counted are the kernel's headers, and ours, whose inline functions the unit
tests run (make coverage).
"""
import collections
import gzip
import json
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../coverage'))
from report import Gap, Source, percent, read_list  # noqa: E402

# Of branches, in percent, as a whole; what is listed stays in the count.  lib/core is only
# reported: as a part of the library all of it runs (make coverage).
LEAST = {'kmod': 85.0}
COUNTED = re.compile(r'(?:.*/)?((?:kmod|lib/core)/\w+\.c)$')


def add(a, b):
    """Two counts of a line's branches, side by side."""
    return [x + y for x, y in zip(a, b)]


def load(names):
    """By file: lines, and the branches of each."""
    sources = {}
    for name in names:
        with gzip.open(name, 'rt', encoding='utf-8') as file:
            data = json.load(file)
        for part in data['files']:
            found = COUNTED.match(part['file'])
            if not found:
                continue
            path = found.group(1)
            source = sources.setdefault(path, Source(path))
            branches = collections.defaultdict(list)
            lines = collections.Counter()
            for line in part['lines']:
                number = line['line_number']
                lines[number] += line['count']
                branches[number] += [branch['count'] for branch in line['branches']]
            for number, count in lines.items():
                source.lines[number] = source.lines.get(number, 0) + count
            for number, counts in branches.items():
                was = source.branches.get(number)
                if was and len(was) != len(counts):
                    sys.exit(f'{path}:{number}: two builds have not the same branches')
                source.branches[number] = add(was, counts) if was else counts
    return sources


def gaps(source):
    """Pairs of a gap and its line."""
    for number, count in sorted(source.lines.items()):
        if not count:
            yield source.gap(number, 'line'), number
            continue
        for at, taken in enumerate(source.branches.get(number, []), 1):
            if not taken:
                yield source.gap(number, f'branch {at}'), number


def numbers(sources):
    """Rows of name, lines that ran, lines, branches taken, branches: by file, by folder."""
    rows = collections.defaultdict(lambda: [0, 0, 0, 0])
    for path, source in sources.items():
        taken = [count for counts in source.branches.values() for count in counts]
        for name in (path, os.path.dirname(path)):
            row = rows[name]
            row[0] += sum(1 for count in source.lines.values() if count)
            row[1] += len(source.lines)
            row[2] += sum(1 for count in taken if count)
            row[3] += len(taken)
    return rows


def show(sources, folder):
    """Lines and branches for people.  Returns what went wrong, or None."""
    files = [{
        'file': path,
        'functions': [],
        'lines': [{
            'line_number': number,
            'count': count,
            'branches': [{'count': taken, 'fallthrough': False, 'throw': False}
                         for taken in source.branches.get(number, [])],
            'gcovr/excluded': False,
            'gcovr/noncode': False,
        } for number, count in sorted(source.lines.items())],
    } for path, source in sorted(sources.items())]
    os.makedirs(folder, exist_ok=True)
    trace = os.path.join(folder, 'trace.json')
    with open(trace, 'w', encoding='utf-8') as file:
        json.dump({'gcovr/format_version': '0.3', 'files': files}, file)
    done = subprocess.run(['gcovr', '--root', '.', '--add-tracefile', trace, '--html-details',
                           os.path.join(folder, 'index.html')],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        return done.stderr
    return None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sources = load(sys.argv[3:])
    listed, maybe = collections.defaultdict(list), set()
    for gap, where in read_list(sys.argv[2]):
        if gap.what.endswith('?'):
            gap = gap._replace(what=gap.what[:-1])
            maybe.add(gap)
        listed[gap].append(where)
    found = collections.defaultdict(list)
    for source in sources.values():
        for gap, number in gaps(source):
            found[gap].append(f'{source.name}:{number}')
    missing = [gap for gap in found for _ in found[gap][len(listed[gap]):]
               if os.path.dirname(gap.where) in LEAST]
    with open(sys.argv[1], 'w', encoding='utf-8') as file:
        file.writelines(' | '.join(gap) + ' | \n' for gap in missing)
    stale = [f'{where}: {gap.where}: {gap.text}: {gap.what}: covered, or not there'
             for gap in list(listed) if gap not in maybe
             for where in listed[gap][len(found[gap]):]]
    # What hangs on who comes first must be there all the same.
    stale += [f'{listed[gap][0]}: {gap.where}: {gap.text}: not there' for gap in maybe
              if gap.where.split(':')[0] not in sources or
              not any(gap == sources[gap.where.split(':')[0]].gap(number, gap.what)
                      for number in sources[gap.where.split(':')[0]].lines)]
    rows = numbers(sources)
    points = [('what_is_listed_is_not_covered', stale)]
    for name, least in LEAST.items():
        ran = percent(*rows[name][2:]) if rows[name][3] else 0.0
        points.append((f'branches_of_{name.replace("/", "_")}',
                       [f'{ran:.1f} % are fewer than {least} %'] if ran < least else []))
    if shutil.which('gcovr'):
        failed = show(sources, os.path.join(os.path.dirname(sys.argv[1]), 'kmod'))
        points.append(('page_of_each_file', failed.splitlines() if failed else []))
    for number, (name, why) in enumerate(points, 1):
        print(f'{"not " if why else ""}ok {number} - {name}')
        for line in why:
            print(f'# {line}')
    for name in sorted(rows):
        ran, lines, taken, branches = rows[name]
        print(f'# {name:28} {percent(ran, lines):5.1f} % of {lines:5} lines, '
              f'{percent(taken, branches):5.1f} % of {branches:5} branches')
    print(f'# {len(missing)} lines and branches are neither covered nor listed: {sys.argv[1]}')
    print(f'1..{len(points)}')
    return any(why for _, why in points)


if __name__ == '__main__':
    sys.exit(main())
