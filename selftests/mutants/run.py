#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
# run.sh: limit 14400
"""run.py - make each thing wrong that *.mutants names, and see that a test notices

Usage: selftests/mutants/run.py [--list|--fits] [WORD...]

--fits: only whether each still fits the code.

TAP on stdout: a point holds when the mutant is caught.  Works in build/mutants/, a copy
of the files that git knows; $ZC_MUTANTS_JOBS: make's -j (the processors).
"""
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
TREE = os.path.join(TOP, 'build', 'mutants')
POOLS = os.path.join('/dev/shm', f'zerocore-mutants-{os.getpid()}')
JOBS = os.environ.get('ZC_MUTANTS_JOBS', str(os.cpu_count()))
# However wrong the code is: a test that does not end has noticed, too.  At least this, and
# ten times as long as it takes when nothing is wrong; which must end at all.
LIMIT_S = 60
WHOLE_S = 3600


class Mutant:
    def __init__(self, head, path):
        self.name, self.file, self.function = head.split()
        self.where = f'{os.path.basename(path)}: {self.name}'
        self.hunks, self.tests = [], []

    def add(self, line):
        kind, text = line[0], line[1:]
        if kind == '-':
            if not self.hunks or self.hunks[-1][1]:
                self.hunks.append(([], []))
            self.hunks[-1][0].append(text)
        elif kind == '+':
            self.hunks[-1][1].append(text)
        elif kind == '=':
            self.tests.append(text.split())

    def apply(self, text):
        """The file with the mutation in it; a sentence when it does not fit."""
        start = re.search(rf'^(?:[a-z][^;\n]*[ *])?{self.function}\([^;]*?\)\n\{{$', text,
                          re.M | re.S)
        if not start:
            raise ValueError(f'{self.file} does not define {self.function}()')
        end = text.index('\n}\n', start.end())
        body = text[start.end():end]
        for old, new in self.hunks:
            was, now = ('\n'.join(part) for part in (old, new))
            if body.count('\n' + was + '\n') != 1 and not (body + '\n').count(was + '\n') == 1:
                raise ValueError(f'{self.function}() does not have, once:\n{was}')
            body = (body + '\n').replace(was + '\n', now + '\n' if new else '', 1)[:-1]
        return text[:start.end()] + body + text[end:]


def load():
    mutants = []
    for name in sorted(os.listdir(HERE)):
        if not name.endswith('.mutants'):
            continue
        path = os.path.join(HERE, name)
        with open(path, encoding='ascii') as file:
            for line in file.read().split('\n'):
                if line.startswith('@'):
                    mutants.append(Mutant(line[1:], path))
                elif line and line[0] in '-+=':
                    mutants[-1].add(line)
    return mutants


def command(test, limit_s=WHOLE_S):
    """What builds the test, and what runs it."""
    kind, name = test[0], test[1]
    if kind == 'unit':
        return 'build/tests/unit', ['build/tests/unit', '--tap=-', '--timeout', str(limit_s),
                                    '--filter', name]
    if kind == 'litmus':
        return 'build/tests/litmus', ['build/tests/litmus', name]
    if kind == 'model':
        return None, ['selftests/models/run.sh', name]
    if kind == 'conformance':
        path = f'build/tests/conformance/{name}'
    elif kind == 'crash':
        path = f'build/kill/tests/crash/{name}'
    else:
        raise ValueError(f'no kind of test is called {kind}')
    return path, [path] + test[2:]


def run(args, limit_s):
    env = dict(os.environ, ZEROCORE_DIR=POOLS)
    os.makedirs(POOLS, exist_ok=True)
    try:
        done = subprocess.run(args, cwd=TREE, env=env, timeout=limit_s, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors='replace',
                              start_new_session=True)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        return -1, str(late)
    finally:
        shutil.rmtree(POOLS, ignore_errors=True)


def build(targets):
    # What is wrong may leave a variable that nobody uses: that is no reason not to try it.
    return run(['make', '-s', f'-j{JOBS}', 'DEPS=no', 'WARN=-w'] + sorted(targets), 3600)


def noticed(test, limit_s=WHOLE_S):
    """Does this test fail, or does Spin reject the variant?"""
    code, out = run(command(test, limit_s)[1], limit_s)
    if test[0] == 'model':
        return code == 0 and re.search(r'^ok \d', out, re.M) is not None
    if test[0] == 'unit' and not re.search(r'^(not )?ok', out, re.M) and code == 0:
        raise ValueError(f'no test is called {test[1]}')
    return code != 0 or re.search(r'^not ok', out, re.M) is not None


def copy_tree():
    files = subprocess.run(['git', 'ls-files', '-z'], cwd=TOP, check=True,
                           stdout=subprocess.PIPE, text=True).stdout.split('\0')
    for name in filter(None, files):
        there = os.path.join(TREE, name)
        source = os.path.join(TOP, name)
        if not os.path.exists(source):
            continue
        os.makedirs(os.path.dirname(there), exist_ok=True)
        with open(source, 'rb') as file:
            wanted = file.read()
        # Only what differs: what was built last time is still good.
        if not os.path.exists(there) or open(there, 'rb').read() != wanted:
            shutil.copyfile(source, there)
            shutil.copymode(source, there)


def try_one(mutant, limits):
    """Who noticed; None: nobody."""
    path = os.path.join(TREE, mutant.file)
    with open(path, encoding='utf-8') as file:
        original = file.read()
    mutated = mutant.apply(original)
    try:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(mutated)
        for test in mutant.tests:
            target = command(test)[0]
            if target:
                code, out = build({target})
                if code:
                    raise ValueError(f'does not compile:\n{out[-2000:]}')
            if noticed(test, limits.get(tuple(test), WHOLE_S)):
                return ' '.join(test)
        return None
    finally:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(original)


def fits(mutants):
    failures = 0
    for number, m in enumerate(mutants, 1):
        ok = 'ok'
        try:
            with open(os.path.join(TOP, m.file), encoding='utf-8') as file:
                m.apply(file.read())
            for test in m.tests:
                command(test)
        except (ValueError, OSError) as error:
            print('# ' + str(error).replace('\n', '\n# '))
            ok, failures = 'not ok', failures + 1
        print(f'{ok} {number} - mutants_{m.name}_fits')
    print(f'1..{len(mutants)}')
    return 1 if failures else 0


def main():
    mutants = load()
    words = [a for a in sys.argv[1:] if not a.startswith('-')]
    if words:
        mutants = [m for m in mutants if any(w in m.name for w in words)]
    if '--list' in sys.argv:
        for m in mutants:
            print(f'{m.name:36} {m.file}:{m.function}()')
        return 0
    if '--fits' in sys.argv:
        return fits(mutants)
    if '-h' in sys.argv or '--help' in sys.argv or not mutants:
        print(__doc__ if mutants else 'run.py: no mutant has such a name', file=sys.stderr)
        return 2
    copy_tree()
    tests = {tuple(t) for m in mutants for t in m.tests if t[0] != 'model'}
    code, out = build({command(list(t))[0] for t in tests})
    if code:
        print(f'Bail out! the tree does not build\n{out[-4000:]}')
        return 1
    # Not because it fails anyway.
    failing, limits = set(), {}
    for test in sorted(tests):
        begin = time.monotonic()
        if noticed(list(test)):
            failing.add(test)
        limits[test] = max(LIMIT_S, 10 * int(time.monotonic() - begin))
    survivors = 0
    for number, m in enumerate(mutants, 1):
        try:
            bad = [t for t in m.tests if tuple(t) in failing]
            if bad:
                raise ValueError(f'fails without the mutant: {" ".join(bad[0])}')
            by = try_one(m, limits)
            why = 'nobody noticed: a test is missing'
        except ValueError as error:
            by, why = None, str(error)
        if by:
            print(f'# by {by}')
            print(f'ok {number} - mutants_{m.name}', flush=True)
        else:
            survivors += 1
            print('# ' + why.replace('\n', '\n# '))
            print(f'not ok {number} - mutants_{m.name}', flush=True)
    print(f'1..{len(mutants)}')
    return 1 if survivors else 0


sys.exit(main())
