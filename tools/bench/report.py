#!/usr/bin/env python3
# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# report.py - what `zerocore bench compare --output FILE` wrote, as one page
#
# Usage: tools/bench/report.py FILE REPORT.html [INSTRUCTIONS]
#
# INSTRUCTIONS: what `selftests/instructions.sh --print' wrote.
#
# Pictures are drawn by gnuplot, where it is there, as PNG and SVG files beside the
# page, and are in the page itself as well: it has no links that lead out of it.

import base64
import html
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import studies  # pylint: disable=wrong-import-position

STYLE = """body{font:14px sans-serif;max-width:72em;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;padding:2px 8px}
td.n{text-align:right;font-variant-numeric:tabular-nums}th{background:#eee}
tr.us{background:#e8f4e8;font-weight:bold}img{max-width:100%}
pre{background:#f4f4f4;padding:.6em;overflow:auto;font-size:11px}.bad{color:#b00}"""

US = "zerocore"
# One colour for each peer, the same in all pictures.
COLOURS = ("#555555", "#0a8f3c", "#1f77b4", "#ff7f0e", "#d62728", "#9467bd", "#8c564b", "#e377c2",
           "#17becf", "#bcbd22", "#000080", "#b8860b")


def read(path):
    machine, rows, apart = {}, [], []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["load"] == "machine":
                machine = row
            elif row.get("study"):
                apart.append(row)
            else:
                rows.append(row)
    return machine, rows, apart


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def time_text(ns):
    for unit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= unit:
            return f"{ns / unit:.3g} {name}"
    return f"{ns:.3g} ns"


def ratio_text(value):
    return "" if value is None else f"{value:.2f}"


def line_text(row):
    if row["probe_before_ns"] is None:
        return ""
    return f'{row["probe_before_ns"]:.0f} / {row["probe_after_ns"]:.0f} ns'


def cell_of(row):
    return (row["load"], row["size"], row["payload"], row["wait"], row["others"])


def good(rows, **want):
    return [r for r in rows if r["reps"] > 0 and all(r[k] == v for k, v in want.items())]


# --- pictures ---------------------------------------------------------------

def series(rows, x_of, y_of):
    """{peer: [(x, y)...]}, in the order of the file."""
    lines = {}
    for row in rows:
        x, y = x_of(row), y_of(row)
        if y is not None and y > 0:
            lines.setdefault(row["peer"], []).append((x, y))
    return {peer: sorted(points) for peer, points in lines.items()}


def colour(peer, peers):
    return COLOURS[list(peers).index(peer) % len(COLOURS)]


def draw(folder, name, title, axes, lines, scale, colours):
    """One picture as NAME.svg and NAME.png; returns the path without its end."""
    if not lines or not shutil.which("gnuplot"):
        return None
    base = os.path.join(folder, name)
    data = "".join(f"$d{i} << END\n" + "".join(f"{x:.9g} {y:.9g}\n" for x, y in points) + "END\n"
                   for i, points in enumerate(lines.values()))
    plot = ", ".join(f"$d{i} with linespoints lw {3 if peer == US else 1.5} pt {i + 4} ps 0.6 "
                     f"lc rgb '{colours[peer]}' "
                     f"dt {2 if peer == 'ring' else 1} title '{peer}'"
                     for i, peer in enumerate(lines))
    for end, terminal in (("svg", "svg size 900,520 dynamic background rgb 'white'"),
                          ("png", "pngcairo size 900,520")):
        script = (f"set terminal {terminal}\nset output '{base}.{end}'\nset title '{title}'\n"
                  f"set xlabel '{axes[0]}'\nset ylabel '{axes[1]}'\nset grid\n"
                  f"set key outside right noenhanced\n{scale}\n{data}plot {plot}\n")
        done = subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False)
        if done.returncode:
            print(f"report.py: gnuplot: {done.stderr.strip()}", file=sys.stderr)
            return None
    return base


def pictures(folder, rows, apart):
    """[(caption, path without its end)]"""
    by_size = "set logscale x 2\nset format x '%.0b %B'\nset xtics rotate by -30"
    found = []
    peers = list(dict.fromkeys(r["peer"] for r in rows))

    def add(caption, name, axes, lines, more=""):
        path = draw(folder, name, caption, axes, lines, "set logscale y\n" + more,
                    {peer: colour(peer, peers) for peer in lines})
        if path:
            found.append((caption, path))

    def add_study(caption, name, axes, lines, more="", colours=None):
        own = {label: COLOURS[(i + 1) % len(COLOURS)] for i, label in enumerate(lines)}
        path = draw(folder, name, caption, axes, lines, more, colours or own)
        if path:
            found.append((caption, path))

    for wait, word in (("busy", "busy"), ("block", "asleep")):
        for payload, part in (("touch", "ends"), ("whole", "whole")):
            some = good(rows, load="pingpong", wait=wait, payload=payload)
            add(f"One way, {word}, {part} written and read: p50", f"latency-{wait}-{payload}",
                ("bytes", "ns"), series(some, lambda r: r["size"], lambda r: r["p50_ns"]), by_size)
        some = good(rows, load="pingpong", wait=wait, payload="touch")
        size = min((r["size"] for r in some), default=0)
        lines = {r["peer"]: [(1 / (1 - part), ns) for part, ns in r["curve"] if part < 1]
                 for r in some if r["size"] == size}
        add(f"One way, {word}, {size_text(size)}: all samples", f"distribution-{wait}",
            ("of so many messages one is slower", "ns"), lines, "set logscale x 10")
    for payload, part in (("touch", "ends"), ("whole", "whole")):
        some = good(rows, load="stream", others=1, payload=payload)
        add(f"One to one, {part} written and read", f"throughput-{payload}", ("bytes", "GiB/s"),
            series(some, lambda r: r["size"], lambda r: r["gib_per_s"]), by_size)
    for load, name, axis in (("stream", "One to several", "readers"),
                             ("gather", "Several to one", "writers")):
        some = good(rows, load=load)
        for payload, size in sorted({(r["payload"], r["size"]) for r in some if r["others"] > 1}):
            part = good(some, payload=payload, size=size)
            add(f"{name}, {size_text(size)}, {payload}", f"{axis}-{size}-{payload}",
                (axis, "messages/s"),
                series(part, lambda r: r["others"], lambda r: r["msgs_per_s"]), "set logscale x 2")
    for size in sorted({r["size"] for r in good(rows, load="topics")}):
        some = good(rows, load="topics", size=size)
        lines = {r["peer"]: [(1 / (1 - part), ns) for part, ns in r["curve"] if part < 1] for r in some}
        add(f"200 topics, 2 readers each, 100 Hz, {size_text(size)}: from publishing to having it",
            f"topics-{size}", ("of so many messages one is slower", "ns"), lines, "set logscale x 10")
        path = bars(folder, f"topics-cpu-{size}", f"The same, {size_text(size)}: processor time of all",
                    "us a message that arrived",
                    {r["peer"]: r["cpu_message_ns"] / 1000 for r in some}, peers)
        if path:
            found.append((f"Processor time, {size_text(size)}", path))
    studies.pictures(add_study, apart)
    return found


def bars(folder, name, title, axis, values, peers):
    """A bar for each peer, as draw()."""
    lines = {peer: [(i - 0.4, 0), (i - 0.4, value), (i + 0.4, value), (i + 0.4, 0)]
             for i, (peer, value) in enumerate(values.items())}
    ticks = ", ".join(f'"{peer}" {i}' for i, peer in enumerate(values))
    return draw(folder, name, title, ("", axis), lines,
                f"unset logscale y\nset yrange [0:*]\nset xtics ({ticks}) rotate by -30 noenhanced",
                {peer: colour(peer, peers) for peer in lines})


# --- the page ---------------------------------------------------------------

def tail_ratio(row, rows):
    """p99.9 beside the bare ring's of the same cell; of fewer samples it says nothing."""
    ring = next((r for r in rows if r["peer"] == "ring" and r["reps"]), None)
    if ring is None or "p999_ns" not in ring or min(row["samples"], ring["samples"]) < 1000:
        return ""
    return f'{row["p999_ns"] / ring["p999_ns"]:.2f}'


def cell_table(rows):
    load, size, payload, wait, others = cell_of(rows[0])
    rate = "msgs_per_s" in next((r for r in rows if r["reps"]), {})
    starts = load == "start"
    heads = (["M msg/s", "GiB/s", "a message"] if rate else
             ["first message", "writer's end", "reader's end, memory"] if starts else
             ["p50", "p99", "p99.9", "p99.9 × ring"])
    asleep = load == "topics"
    if asleep:
        heads += ["max", "CPU", "CPU a message", "× best peer's", "rate kept"]
    out = [f"<h3>{load}: {size_text(size)}, {payload}, {wait}"
           + (f", {others} others" if others > 1 else "") + "</h3><table><tr><th>peer</th>"]
    heads += ["× ring", "× best peer", "raw line", "placement", "reps", "dropped", "checked", "wrong"]
    out += [f"<th>{head}</th>" for head in heads]
    for r in rows:
        out.append(f'</tr>\n<tr{" class=us" if r["peer"] == US else ""}><td>{r["peer"]}</td>')
        if not r["reps"]:
            out.append(f'<td class=bad colspan={len(heads)}>{html.escape(r["failed"])}</td>')
            continue
        if rate:
            values = [f'{r["msgs_per_s"] / 1e6:.3f}', f'{r["gib_per_s"]:.2f}', time_text(r["value_ns"])]
        elif starts:
            values = [time_text(r["value_ns"]), time_text(r["open_ns"]),
                      f'{time_text(r["attach_ns"])}, {r["memory_kib"]:.0f} KiB']
        else:
            values = [time_text(r["p50_ns"]), time_text(r["p99_ns"]),
                      time_text(r["p999_ns"]) if r["samples"] >= 1000 else "",
                      tail_ratio(r, rows)]
        if asleep:
            values += [time_text(r["max_ns"]), f'{r["cpu_percent"]:.0f} %',
                       time_text(r["cpu_message_ns"]), ratio_text(r["cpu_ratio_to_best_peer"]),
                       f'{100 * r["rate_kept"]:.1f} %']
        values += [ratio_text(r["ratio_to_ring"]), ratio_text(r["ratio_to_best_peer"]),
                   line_text(r), r["placement"],
                   r["reps"], r["dropped"], r["checked"], r["wrong"]]
        out += [f"<td class=n>{value}</td>" for value in values]
    out.append("</tr></table>\n")
    return "".join(out)


def machine_table(machine):
    out = ["<table>"]
    for key in ("command", "date", "cpu", "processors", "memory", "kernel", "load_average",
                "huge_pages_shmem", "timer_ns", "reps", "budget_ms"):
        out.append(f"<tr><th>{key}</th><td>{html.escape(str(machine.get(key, '')))}</td></tr>\n")
    for peer, version in machine.get("peers", {}).items():
        title = machine["titles"].get(peer, peer)
        out.append(f"<tr><th>{peer}</th><td>{html.escape(title)}, {html.escape(version)}</td></tr>\n")
    for peer, why in machine.get("left_out", {}).items():
        out.append(f"<tr><th>{peer}</th><td>left out: {html.escape(why)}</td></tr>\n")
    return "".join(out) + "</table>\n"


def image(caption, base):
    with open(base + ".svg", "rb") as file:
        data = base64.b64encode(file.read()).decode()
    return (f"<figure><img alt='{html.escape(caption)}' src='data:image/svg+xml;base64,{data}'>"
            f"</figure>\n")


def page(machine, rows, apart, found, instructions):
    cells = {}
    for row in rows:
        cells.setdefault(cell_of(row), []).append(row)
    out = ["<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><title>ZeroCore beside its peers</title>\n"
           f"<style>{STYLE}</style>\n<h1>ZeroCore beside its peers</h1>\n",
           "<p>Every peer in turns, in processes of its own; every message checked. "
           "Ratios are medians of those of the same pass; below 1 is faster for times, above 1 for "
           "rates. The raw line is one cache line between the two processors, before and after.</p>\n",
           machine_table(machine), "<h2>Pictures</h2>\n"]
    out += [image(caption, base) for caption, base in found] or ["<p>gnuplot was not there.</p>\n"]
    out.append("<h2>Tables</h2>\n")
    out.append(studies.tables(apart, time_text, instructions))
    out += [cell_table(some) for some in cells.values()]
    out.append("<h2>Raw figures</h2>\n<details><summary>as JSON</summary><pre>")
    for row in [machine] + rows + apart:
        short = {key: value for key, value in row.items() if key != "curve"}
        out.append(html.escape(json.dumps(short)) + "\n")
    out.append("</pre></details>\n</html>\n")
    return "".join(out)


def main():
    if len(sys.argv) not in (3, 4):
        print("usage: report.py FILE REPORT.html [INSTRUCTIONS]", file=sys.stderr)
        return 2
    machine, rows, apart = read(sys.argv[1])
    folder = os.path.dirname(sys.argv[2]) or "."
    found = pictures(folder, rows, apart)
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write(page(machine, rows, apart, found, "".join(sys.argv[3:])))
    print(f"  report: {sys.argv[2]}, {len(rows) + len(apart)} figures, {len(found)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
