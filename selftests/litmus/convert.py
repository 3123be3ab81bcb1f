#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
"""convert.py - litmus tests in C11 become a C program, or tests of the kernel's model

Usage: convert.py c FILE...        a table for stress.c, on stdout
       convert.py lkmm DIR FILE... DIR/NAME.litmus, for herd7 -conf linux-kernel.cfg

One text for all: what herd7 proves of C11 is what the processor is asked to do, by the
functions of lib/core/atomic.h, and what LKMM is asked about the kernel's half.

In C each test comes twice: as it is, and without what carries a tag ("// [R1]"): release
and acquire become relaxed, a fence one of the compiler only, and a compare-and-swap
a load and a store.
"""
import os
import re
import sys

ORDER = r'memory_order_(relaxed|acquire|release|seq_cst)'


class Litmus:
    def __init__(self, path):
        with open(path, encoding='ascii') as file:
            text = file.read()
        self.path = path
        self.name = re.match(r'C (\w+)\n', text).group(1)
        if os.path.basename(path) != self.name + '.litmus':
            sys.exit(f'{path}: it is called {self.name}')
        self.init = dict(re.findall(r'(\w+) = ([-\w]+);',
                                    re.search(r'^\{(.*)\}$', text, re.M).group(1)))
        self.threads = []
        self.expected = set()
        for params, comment, body in re.findall(
                r'^P\d \((.*?)\) \{([^\n]*)\n(.*?)^\}', text, re.S | re.M):
            # A statement a line.
            lines = re.sub(r',\n\s+', ', ', body).rstrip('\n').split('\n')
            self.threads.append((re.findall(r'\*(\w+)', params), params, comment, lines))
            self.expected |= set(re.findall(r'strong_explicit\(\w+, (\w+),', body))
        self.exists = re.search(r'^exists \((.*)\)$', text, re.M).group(1)
        if len(self.threads) != 2:
            sys.exit(f'{path}: not two threads')
        self.vars = []
        for names, _, _, _ in self.threads:
            self.vars += [n for n in names if n not in self.vars and n not in self.expected]

    def value(self, name):
        return self.init.get(name, '0')


def number(text):
    return text.replace('-', '(u64)-') + ('' if '-' in text else 'ULL')


def c_statement(t, line, weak, after_cas):
    """The line in terms of lib/core/atomic.h."""
    code, _, comment = line.partition(' //')
    weak = weak and re.search(r'\[[A-Z]\d\]', comment)
    var = {name: f'c[{i}].value' for i, name in enumerate(t.vars)}

    def store(m):
        order = 'relaxed' if weak else m.group(3)
        if order == 'seq_cst':
            return f'zc_exchange64(&{var[m.group(1)]}, {number(m.group(2))})'
        return f'zc_store_{order}(&{var[m.group(1)]}, {number(m.group(2))})'

    def load(m):
        order = 'relaxed' if weak else m.group(2)
        return f'zc_load_{order}(&{var[m.group(1)]})'

    def cas(m):
        expected = number(t.value(m.group(2)))
        name = 'weak_cas' if weak else 'strong_cas'
        return f'{name}(&{var[m.group(1)]}, {expected}, {number(m.group(3))})'

    def exchange(m):
        return f'zc_exchange64(&{var[m.group(1)]}, {number(m.group(2))})'

    fence = 'zc_fence_compiler()' if weak else \
        'zc_fence_after_cas()' if after_cas else 'zc_fence_full()'
    code = re.sub(rf'atomic_store_explicit\((\w+), (-?\w+), {ORDER}\)', store, code)
    code = re.sub(rf'atomic_load_explicit\((\w+), {ORDER}\)', load, code)
    code = re.sub(rf'atomic_compare_exchange_strong_explicit\((\w+), (\w+), (\w+), {ORDER}, {ORDER}\)',
                  cas, code)
    code = re.sub(rf'atomic_exchange_explicit\((\w+), (\w+), {ORDER}\)', exchange, code)
    code = re.sub(rf'atomic_thread_fence\({ORDER}\)', fence, code)
    code = re.sub(r'\*(\w+)\b', lambda m: f'*(volatile u64 *)&{var[m.group(1)]}', code)
    if 'atomic_' in code.replace('core/atomic', ''):
        sys.exit(f'{t.path}: not understood: {line}')
    code = code.replace('int old = ', '(void)')
    return re.sub(r'\b(?:int )?r(\d)\b', r'r[\1]', code)


def c_thread(t, i, weak):
    lines, after_cas = [], False
    for line in t.threads[i][3]:
        lines.append(c_statement(t, line, weak, after_cas))
        after_cas = 'compare_exchange' in line
    name = f'{t.name}_{"weak_" if weak else ""}{i}'
    return name, f'static void {name}(struct variable *c, u64 *r)\n{{\n' \
        '\t(void)r;\n' + '\n'.join(lines) + '\n}\n'


def c_exists(t):
    text = t.exists.replace('/\\', '&&').replace('\\/', '||')
    text = re.sub(r'(\d):r(\d)=(-?\w+)',
                  lambda m: f'r[{m.group(1)}][{m.group(2)}] == {number(m.group(3))}', text)
    for i, name in enumerate(t.vars):
        text = re.sub(rf'\b{name}=(\w+)', lambda m, i=i: f'c[{i}].value == {number(m.group(1))}',
                      text)
    return text


def to_c(files):
    out, table = ['/* Made by convert.py. */'], []
    for t in map(Litmus, files):
        if len(t.vars) > 4:
            sys.exit(f'{t.path}: more variables than struct litmus has')
        names = []
        for weak in (False, True):
            for i in (0, 1):
                name, text = c_thread(t, i, weak)
                names.append(name)
                out.append(text)
        out.append(f'static bool {t.name}_exists(const struct variable *c, u64 r[2][REGISTERS])\n'
                   f'{{\n\t(void)c;\n\t(void)r;\n\treturn {c_exists(t)};\n}}\n')
        init = ', '.join(number(t.value(v)) for v in t.vars)
        table.append(f'\t{{ "{t.name}", {{ {init} }}, {{ {names[0]}, {names[1]} }},\n'
                     f'\t  {{ {names[2]}, {names[3]} }}, {t.name}_exists }},')
    out.append('static const struct litmus litmus_table[] = {\n' + '\n'.join(table) + '\n};')
    print('\n'.join(out))


def lkmm_line(t, line):
    line = line.partition(' //')[0]

    def store(m):
        fn = {'relaxed': 'WRITE_ONCE(*{}, {})', 'release': 'smp_store_release({}, {})',
              'seq_cst': 'xchg({}, {})'}[m.group(3)]
        return fn.format(m.group(1), m.group(2))

    def load(m):
        fn = {'relaxed': 'READ_ONCE(*{})', 'acquire': 'smp_load_acquire({})'}[m.group(2)]
        return fn.format(m.group(1))

    def cas(m):
        old = t.value(m.group(3))
        call = f'cmpxchg({m.group(2)}, {old}, {m.group(4)})'
        return f'{m.group(1)}int was = {call};' + \
            (f'\n\tint {m.group(0).split()[1]} = (was == {old});' if 'int r' in m.group(0) else '')

    line = re.sub(rf'^(\s*)(?:int r\d = )?atomic_compare_exchange_strong_explicit'
                  rf'\((\w+), (\w+), (\w+), {ORDER}, {ORDER}\);', cas, line)
    line = re.sub(rf'atomic_store_explicit\((\w+), (-?\w+), {ORDER}\)', store, line)
    line = re.sub(rf'atomic_load_explicit\((\w+), {ORDER}\)', load, line)
    line = re.sub(rf'atomic_exchange_explicit\((\w+), (\w+), {ORDER}\)', r'xchg(\1, \2)', line)
    line = re.sub(rf'atomic_thread_fence\({ORDER}\)', 'smp_mb()', line)
    line = re.sub(r'(?<!\()\*(\w+) = (\w+);', r'WRITE_ONCE(*\1, \2);', line)
    return re.sub(r'= \*(\w+);', r'= READ_ONCE(*\1);', line)


def to_lkmm(folder, files):
    os.makedirs(folder, exist_ok=True)
    for t in map(Litmus, files):
        init = ' '.join(f'{v}={t.value(v)};' for v in t.vars if v in t.init)
        text = f'C {t.name}\n\n{{ {init} }}\n'
        for i, (names, _, _, lines) in enumerate(t.threads):
            params = ', '.join(f'int *{n}' for n in names if n not in t.expected)
            body = '\n'.join(lkmm_line(t, line) for line in lines)
            text += f'\nP{i}({params})\n{{\n{body}\n}}\n'
        text += f'\nexists ({t.exists})\n'
        with open(os.path.join(folder, t.name + '.litmus'), 'w', encoding='ascii') as file:
            file.write(text)


if len(sys.argv) > 2 and sys.argv[1] == 'c':
    to_c(sys.argv[2:])
elif len(sys.argv) > 3 and sys.argv[1] == 'lkmm':
    to_lkmm(sys.argv[2], sys.argv[3:])
else:
    sys.exit(__doc__)
