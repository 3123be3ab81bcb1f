# SPDX-License-Identifier: MIT OR LGPL-2.1
#
# studies.py - the part of report.py's page that is not one cell for all peers: recovery,
# pools of different sizes, memory, pages, instructions

import html
import os

ROLES = (("reader", "a reader is killed"), ("writer", "a writer is killed"))
PARTS = {"dead_to_free": "from its provable death until all memory is acquirable",
         "kill_to_dead": "from the kill to its death, which is the kernel's work",
         "kill_to_free": "from the kill until all memory is acquirable",
         "kill_to_next": "from the kill until the other side goes on"}


def pick(rows, load, what=None, **want):
    return [r for r in rows if r["load"] == load and (what is None or r["what"] == what)
            and "failed" not in r and all(r.get(k) == v for k, v in want.items())]


def bytes_text(size):
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            value = size / unit
            return f"{value:.0f} {name}" if value == int(value) else f"{value:.1f} {name}"
    return f"{size:.0f} B"


def table(title, note, heads, lines, us=()):
    """Lines of cells; those whose number is in @us are the project's own."""
    if not lines:
        return ""
    out = [f"<h3>{html.escape(title)}</h3>\n"]
    if note:
        out.append(f"<p>{html.escape(note)}</p>\n")
    out.append("<table><tr>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads))
    for i, line in enumerate(lines):
        out.append(f'</tr>\n<tr{" class=us" if i in us else ""}>')
        out += [f"<td{' class=n' if k else ''}>{html.escape(str(cell))}</td>"
                for k, cell in enumerate(line)]
    out.append("</tr></table>\n")
    return "".join(out)


# --- pictures ---------------------------------------------------------------

def steps(curve):
    """A distribution as a line that rises where a sample is."""
    points, before = [], 0
    for part, ns in curve:
        ms = max(ns / 1e6, 1e-4)
        points += [(ms, before), (ms, part)]
        before = part
    return points


# The lines of a picture of recovery.
CURVES = (("#0a8f3c", "zerocore", "dead_to_free", "zerocore: death to all memory"),
          ("#7bc143", "zerocore", "kill_to_free", "zerocore: kill to all memory"),
          ("#1f77b4", "zerocore", "kill_to_next", "zerocore: kill to going on"),
          ("#d62728", "iceoryx", "kill_to_next", "iceoryx: kill to going on"))


def pictures(add, rows):
    """Calls add(caption, name, axes, lines, more, colours) for each."""
    for role, words in ROLES:
        lines, colours = {}, {}
        for colour, peer, what, label in CURVES:
            for row in pick(rows, "recovery", what, peer=peer, role=role):
                if row["curve"]:
                    lines[label] = steps(row["curve"])
                    colours[label] = colour
        never = sum(r["never"] for r in pick(rows, "recovery", "kill_to_next", role=role))
        more = "set logscale x 10\nset yrange [0:1.02]\nset key outside below"
        title = f"Recovery, 1 GiB pool: {words}"
        if never:
            title += f" ({never} never went on, see the table)"
        add(title, f"recovery-{role}", ("ms", "part of all kills"), lines, more, colours)
    by_size = "set logscale x 2\nset format x '%.0b %B'\nset xtics rotate by -30"
    some = pick(rows, "pools", "acquire")
    add("Acquire, commit and reclaim, against the size of the pool", "pools-acquire",
        ("bytes of the pool", "ns a block"),
        {"p50": [(r["pool_bytes"], r["p50_ns"]) for r in some],
         "p99": [(r["pool_bytes"], r["p99_ns"]) for r in some],
         "16 MiB pool, same rounds: p50": [(r["pool_bytes"], r["base_p50_ns"]) for r in some]}
        if some else {}, by_size + "\nset yrange [0:*]")
    lines = {}
    for size, key, unit, name in ((64, "msgs_per_s", 1e6, "64 B, M messages/s"),
                                  (4096, "gib_per_s", 1, "4 KiB whole, GiB/s")):
        some = pick(rows, "pools", "stream", size=size)
        if some:
            lines[name] = [(r["pool_bytes"], r[key] / unit) for r in some]
            lines[name + ": the bare ring"] = [(r["pool_bytes"], r["ring_" + key] / unit)
                                               for r in some]
    add("Throughput one to one, against the size of the pool", "pools-throughput",
        ("bytes of the pool", "M messages/s, GiB/s"), lines, by_size + "\nset yrange [0:*]")


# --- tables -----------------------------------------------------------------

def recovery_tables(rows, time_text):
    out = []
    for role, words in ROLES:
        some = pick(rows, "recovery", role=role)
        lines = []
        for r in some:
            times = [time_text(r[k]) if r["samples"] else "-"
                     for k in ("p50_ns", "p99_ns", "p999_ns", "max_ns")]
            if r["samples"] < 1000:
                times[2] = ""
            lines.append([f'{r["peer"]}: {PARTS[r["what"]]}', r["kills"], *times,
                          r["never"], r["restarts"], r["lost"], r["wrong"]])
        out.append(table(f"recovery: {words} with -9, pool of 1 GiB",
                         "A killed reader had stopped reading, and the writer, which loses "
                         "nothing, waited for it. A killed writer was in the middle of its "
                         "stream; one that stood by attaches in its place. Never: nobody went "
                         "on within 5 s; then the peer's daemon, and all that used it, were "
                         "killed and started again. Lost: what a new writer had sent and the "
                         "old reader did not get.",
                         ("from what to what", "kills", "p50", "p99", "p99.9", "max", "never",
                          "restarts", "lost", "wrong"), lines,
                         [i for i, r in enumerate(some) if r["peer"] == "zerocore"]))
        for r in some:
            if r.get("first_never"):
                out.append(f'<p class=bad>{html.escape(r["peer"])}, {role}, first time: '
                           f'{html.escape(r["first_never"])}</p>\n')
    return "".join(out)


def pools_table(rows, time_text):
    lines = []
    for size in sorted({r["pool_bytes"] for r in pick(rows, "pools")}):
        acquire = pick(rows, "pools", "acquire", pool_bytes=size)
        small = pick(rows, "pools", "stream", pool_bytes=size, size=64)
        large = pick(rows, "pools", "stream", pool_bytes=size, size=4096)
        line = [bytes_text(size)]
        line += ([time_text(acquire[0]["p50_ns"]), time_text(acquire[0]["p99_ns"]),
                  f'{acquire[0]["ratio_to_base"]:.2f}'] if acquire else ["", "", ""])
        line += ([f'{small[0]["msgs_per_s"] / 1e6:.2f}', f'{small[0]["ratio_to_ring"]:.2f}']
                 if small else ["", ""])
        line += ([f'{large[0]["gib_per_s"]:.2f}', f'{large[0]["ratio_to_ring"]:.2f}']
                 if large else ["", ""])
        line.append((acquire + small + large)[0]["pages"])
        lines.append(line)
    return table("pools: does the size matter?",
                 "Acquire, commit and reclaim of 64 B by one thread, beside a pool of 16 MiB in "
                 "the same rounds; streams one to one beside the bare ring.",
                 ("pool", "acquire p50", "p99", "× 16 MiB", "64 B, M msg/s", "× ring",
                  "4 KiB whole, GiB/s", "× ring", "pages"), lines)


def memory_tables(rows, time_text):
    lines, us = [], []
    for what, peer, text in (("attach", "zerocore", "attach, lazily mapped"),
                             ("attach", "kernel", "mmap of as much, lazily"),
                             ("attach_populated", "zerocore", "attach, and all of it populated"),
                             ("attach_populated", "kernel", "mmap of as much, MAP_POPULATE")):
        for r in pick(rows, "memory", what, peer=peer):
            if peer == "zerocore":
                us.append(len(lines))
            lines.append([f"{peer}: {text}", bytes_text(r["pool_bytes"]), r["samples"],
                          time_text(r["p50_ns"]), time_text(r["max_ns"])])
    out = [table("attach", "A new process each time. A pool is populated by madvise() over all "
                 "blocks, in pieces of a stripe.",
                 ("what", "pool", "times", "p50", "max"), lines, us)]
    some = pick(rows, "memory", "overhead")
    lines = []
    for r in some:
        if "pool_bytes" not in r:
            lines.append([f'{r["peer"]}, its own pools', "", "", "", "",
                          bytes_text(r["process_kib"] * 1024), bytes_text(r["daemon_kib"] * 1024)])
            continue
        lines.append([f'{r["peer"]}, {bytes_text(r["pool_bytes"])}',
                      time_text(r["create_ns"]), time_text(r["create_prefault_ns"]),
                      bytes_text(r["control_allocated_bytes"]),
                      f'{100 * r["control_allocated_bytes"] / r["pool_bytes"]:.1f} %',
                      bytes_text(r["process_kib"] * 1024), "none"])
    out.append(table("memory and start-up",
                     "Control memory is what is allocated beside the payloads: descriptors, rings, "
                     "readers. A process is what a reader's end adds to its resident memory.",
                     ("pool", "create", "create, prefaulted", "control memory", "of the pool",
                      "a process", "its daemon"), lines,
                     [i for i, r in enumerate(some) if r["peer"] == "zerocore"]))
    return "".join(out)


def pages_table(rows, time_text):
    some = [r for r in rows if r["load"] == "pages"]
    base = {r["peer"]: r for r in pick(rows, "pages", pages="small")}
    lines = []
    for r in some:
        if "failed" in r:
            lines.append([r["peer"], r["pages"], r["failed"], "", "", "", "", "", ""])
            continue
        small = base.get(r["peer"], r)
        lines.append([r["peer"], r["pages"], r["got"], bytes_text(r["huge_kib"] * 1024),
                      time_text(r["create_ns"]) if "create_ns" in r else "",
                      time_text(r["touch_ns"]), f'{r["touch_ns"] / small["touch_ns"]:.2f}',
                      time_text(r["read_ns"]), f'{r["read_ns"] / small["read_ns"]:.2f}'])
    size = bytes_text(some[0]["bytes"]) if some else ""
    return table(f"pages: first touch, and reads all over {size}",
                 "A pool's memory is allocated when it is created; its first touch clears small "
                 "pages, and maps them. Reads hang on each other, each of a line anywhere.",
                 ("memory", "pages asked for", "got", "in huge pages", "create",
                  "first touch of 4 KiB", "× small", "a read", "× small"), lines,
                 [i for i, r in enumerate(some) if r["peer"] == "zerocore"])


def instructions_table(path):
    """Of what selftests/instructions.sh --print wrote: lines `STEP READERS COUNT'."""
    if not path or not os.path.exists(path):
        return ""
    counts = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            words = line.split()
            if len(words) == 3 and not line.startswith("#") and not words[0].endswith(":"):
                counts[words[0], int(words[1])] = float(words[2])
    lines, before = [], None
    for readers in sorted({readers for _, readers in counts}):
        writer = counts["acquire", readers] + counts["commit", readers]
        added = "" if before is None else f"{(writer - before[1]) / (readers - before[0]):.1f}"
        lines.append([readers, f'{counts["acquire", readers]:.1f}',
                      f'{counts["commit", readers]:.1f}', f"{writer:.1f}", added,
                      f'{counts["poll", readers]:.1f}', f'{counts["release", readers]:.1f}'])
        before = readers, writer
    return table("instructions a message", "callgrind, 64 B, all in one thread; poll and release "
                 "are each reader's.",
                 ("readers", "acquire", "commit", "writer in all", "for each reader more", "poll",
                  "release"), lines)


def tables(rows, time_text, instructions):
    return (recovery_tables(rows, time_text) + pools_table(rows, time_text)
            + memory_tables(rows, time_text) + pages_table(rows, time_text)
            + instructions_table(instructions))
