#!/usr/bin/env python3
"""Runs the contestants side by side and writes a Markdown table and SVG plots.

    bench/run.py --build build [--quick] [--only write|read] [--out FOLDER]

A contestant is a program `contestant write|read MODE PATH N SIZE` that prints
`bytes messages seconds cpu_seconds system_calls`. Runs are interleaved: in each round every
contestant runs once, in turn, so that a slow moment of the machine falls on all. Quoted is the
median over the rounds; the spread is (largest - smallest) / median. Files are in memory.
"""
import argparse
import os
import platform
import statistics
import subprocess
import sys
import time

# (row title, program, mode); the first of a group is what the others are compared with.
WRITE = [
    ("plain, buffered", [
        ("raw copy into 256 KiB, write", "raw", "copy"),
        ("flatstream batched", "flatstream", "batched"),
    ]),
    ("xxh3, buffered", [
        ("raw copy with XXH3", "raw", "copy-xxh3"),
        ("flatstream batched, xxh3", "flatstream", "batched-xxh3"),
    ]),
    ("crc32, buffered", [
        ("raw copy with CRC-32", "raw", "copy-crc32"),
        ("flatstream batched, crc32", "flatstream", "batched-crc32"),
    ]),
    ("a message at a time", [
        ("raw writev", "raw", "writev"),
        ("raw two writes", "raw", "two"),
        ("flatstream vectored", "flatstream", "vectored"),
        ("flatstream simple", "flatstream", "simple"),
    ]),
    ("100 messages a call", [
        ("raw writev of 100 by reference", "raw", "gather"),
        ("flatstream write_batch", "flatstream", "batch100"),
    ]),
]
READ = [
    ("plain", [
        ("raw parse of a 256 KiB buffer", "raw", "parse"),
        ("flatstream next", "flatstream", "next"),
        ("flatstream next_batch", "flatstream", "batch"),
        ("flatstream next, aligned to 8", "flatstream", "aligned"),
        ("raw mmap", "raw", "mmap"),
        ("flatstream mmap", "flatstream", "mmap"),
    ]),
    ("xxh3", [
        ("raw parse with XXH3", "raw", "parse-xxh3"),
        ("flatstream next, xxh3", "flatstream", "next-xxh3"),
        ("flatstream next_batch, xxh3", "flatstream", "batch-xxh3"),
    ]),
    ("crc32", [
        ("raw parse with CRC-32", "raw", "parse-crc32"),
        ("flatstream next, crc32", "flatstream", "next-crc32"),
    ]),
]
BLOB = [
    ("flatstream, vector by reference", "build_flatstream", "reference"),
    ("flatstream, vector copied", "build_flatstream", "copy"),
    ("Google's builder, then writev", "build_google", "copy"),
    ("flatcc, finalised, then writev", "build_flatcc", "copy"),
]
BUILD = [
    ("to a file in memory, overwritten", BLOB),
    ("through a pipe", BLOB),
    ("through a loopback socket", BLOB),
    ("building alone", [
        ("flatstream, vector by reference", "build_flatstream", "build-reference"),
        ("flatstream, vector copied", "build_flatstream", "build-copy"),
        ("Google's builder", "build_google", "build-copy"),
        ("flatcc, finalised", "build_flatcc", "build-copy"),
    ]),
    ("a small table, building alone", [
        ("flatstream", "build_flatstream", "build-small"),
        ("Google's builder", "build_google", "build-small"),
        ("flatcc, finalised", "build_flatcc", "build-small"),
    ]),
]
GROUPS = {"write": WRITE, "read": READ, "build": BUILD}
STREAM_SIZES = [64, 256, 1024, 16 * 1024, 1024 * 1024]
BLOB_SIZES = [4 * 1024, 64 * 1024, 1024 * 1024, 16 * 1024 * 1024]
# A run moves about so many bytes, or makes so many system calls, whichever is less.
RUN_BYTES = 256 << 20
RUN_CALLS = 200_000


def size_name(size):
    if size >= 1 << 20:
        return f"{size >> 20} MiB"
    return f"{size >> 10} KiB" if size >= 1024 else f"{size} B"


def sizes_of(kind, title):
    if kind != "build":
        return STREAM_SIZES
    return [64] if title.startswith("a small table") else BLOB_SIZES


def messages_of(mode, size, scale):
    count = max(8, int(RUN_BYTES * scale) // (size + 12))
    if mode.startswith("build-"):
        return min(count * 4, int(2_000_000 * scale))
    if mode in ("two", "writev", "simple", "vectored", "reference"):
        count = min(count, int(RUN_CALLS * scale))
    return count


class Bench:
    def __init__(self, arguments):
        self.folder = arguments.build
        self.rounds = 3 if arguments.quick else 9
        self.scale = 0.25 if arguments.quick else 1.0
        self.path = os.path.join(arguments.memory, f"flatstream-bench-{os.getpid()}.fls")

    def program(self, name):
        return os.path.join(self.folder, "bench", name)

    def exists(self, row):
        return os.path.exists(self.program(row[1]))

    def run(self, kind, name, mode, messages, size, path=None):
        command = [self.program(name), kind, mode, path or self.path, str(messages), str(size)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return figures(done.stdout)

    def run_drained(self, name, mode, messages, size, title):
        """The writer's figures, with a raw reader at the other end of a pipe or socket."""
        tcp = "socket" in title
        path = f"tcp:{20000 + os.getpid() % 10000}" if tcp else "-"
        drain = subprocess.Popen([self.program("raw"), "read", "drain", path, "0", "0"],
                                 stdin=None if tcp else subprocess.PIPE,
                                 stdout=subprocess.DEVNULL)
        command = [self.program(name), "write", mode, path, str(messages), str(size)]
        writer = subprocess.run(command, stdout=subprocess.PIPE if tcp else drain.stdin,
                                stderr=None if tcp else subprocess.PIPE, text=True)
        if not tcp:
            drain.stdin.close()
        if drain.wait() != 0 or writer.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: failed")
        return figures(writer.stdout if tcp else writer.stderr)

    def run_row(self, kind, title, row, messages, size):
        if kind == "build" and title.startswith("through"):
            return self.run_drained(row[1], row[2], messages, size, title)
        return self.run("write" if kind == "build" else kind, row[1], row[2], messages, size)
    def prepare(self, mode, messages, size):
        """A file for readers, with the checksum that the mode ends in."""
        checksum = mode.split("-")[1] if "-" in mode else None
        writer = f"batched-{checksum}" if checksum else "batched"
        self.run("write", "flatstream", writer, messages, size)

    def group(self, kind, title, rows, size):
        rows = [row for row in rows if self.exists(row)]
        results = {row: [] for row in rows}
        # All rows of a group with calls to save move as many messages as the dearest one.
        messages = min(messages_of(row[2], size, self.scale) for row in rows)
        if kind == "read":
            self.prepare(rows[0][2], messages, size)
        for round_number in range(self.rounds + 1):
            for row in rows:
                run = self.run_row(kind, title, row, messages, size)
                if round_number > 0:  # the first warms up
                    results[row].append(run)
        return {row: summary(runs) for row, runs in results.items()}


def figures(line):
    """What a contestant printed, for one message."""
    numbers = [float(field) for field in line.split()]
    count, seconds, cpu, calls = numbers[1], numbers[2], numbers[3], numbers[4]
    return {"ns": seconds / count * 1e9, "cpu": cpu / count * 1e9, "calls": calls / count}


def summary(runs):
    ns = [run["ns"] for run in runs]
    median = statistics.median(ns)
    return {
        "ns": median,
        "spread": (max(ns) - min(ns)) / median,
        "cpu": statistics.median(run["cpu"] for run in runs),
        "calls": statistics.median(run["calls"] for run in runs),
    }


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def calls(value):
    return "0" if value == 0 else f"{value:.2g}" if value < 1 else f"{value:.0f}"


def table(kind, title, results):
    """One group as a table. results: {row: {size: summary}}"""
    sizes = sizes_of(kind, title)
    rows = list(results)
    lines = [f"| {kind}: {title} | " + " | ".join(map(size_name, sizes)) +
             f" | calls at {size_name(sizes[0])} | spread |",
             "| --- |" + " ---: |" * (len(sizes) + 2)]
    for row in rows:
        cells = []
        for size in sizes:
            ratio = results[row][size]["ns"] / results[rows[0]][size]["ns"]
            cells.append(number(results[row][size]["ns"]) +
                         ("" if row is rows[0] else f" ({ratio:.2f})"))
        spread = max(results[row][size]["spread"] for size in sizes)
        lines.append(f"| {row[0]} | " + " | ".join(cells) +
                     f" | {calls(results[row][sizes[0]]['calls'])} | {spread * 100:.0f} % |")
    return "\n".join(lines) + "\n"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) >> 20
    return (f"{model}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}, "
            f"{time.strftime('%Y-%m-%d')}")


COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#9c755f", "#bab0ac"]


def plot(title, sizes, results, path):
    """Horizontal bars of ns a message, one block a size, each scaled to its own longest."""
    rows = list(results)
    bar, gap, left, width = 16, 26, 260, 420
    height = 50 + len(sizes) * (len(rows) * bar + gap)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 110}" '
           f'height="{height}" font-family="sans-serif" font-size="12">',
           f'<rect width="100%" height="100%" fill="white"/>'
           f'<text x="10" y="20" font-size="15">{title}: ns a message (shorter is better)</text>']
    y = 40
    for size in sizes:
        longest = max(results[row][size]["ns"] for row in rows)
        out.append(f'<text x="10" y="{y + 12}" font-weight="bold">{size_name(size)}</text>')
        for colour, row in zip(COLOURS, rows):
            value = results[row][size]["ns"]
            length = max(1, value / longest * width)
            out.append(f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{row[0]}</text>'
                       f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{bar - 4}" '
                       f'fill="{colour}"/>'
                       f'<text x="{left + length + 5:.1f}" y="{y + 12}">{number(value)}</text>')
            y += bar
        y += gap
    out.append("</svg>")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr)


def measure(bench, kind, title, rows):
    results = {}
    for size in sizes_of(kind, title):
        progress(f"{kind}: {title}, {size_name(size)}")
        for row, value in bench.group(kind, title, rows, size).items():
            results.setdefault(row, {})[size] = value
    progress("")
    return results


def run_all(bench, arguments):
    """Yields the report piece by piece, and draws a plot for each group."""
    yield (f"Measured on {machine()}. Nanoseconds a message; medians of {bench.rounds} interleaved "
           "rounds after one to warm up; in brackets the ratio to the first row; spread is "
           "(largest - smallest) / median, the worst of the row.\n")
    for kind, groups in GROUPS.items():
        if arguments.only not in (None, kind):
            continue
        for title, rows in groups:
            results = measure(bench, kind, title, rows)
            name = f"{kind}-{title.replace(',', '').replace(' ', '-')}.svg"
            plot(f"{kind}, {title}", sizes_of(kind, title), results,
                 os.path.join(arguments.out, name))
            yield table(kind, title, results)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder")
    parser.add_argument("--memory", default="/dev/shm", help="a folder in memory, for the files")
    parser.add_argument("--out", default="build/bench-results", help="folder for table and plots")
    parser.add_argument("--only", choices=list(GROUPS))
    parser.add_argument("--quick", action="store_true", help="three rounds of a quarter the size")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    bench = Bench(arguments)
    try:
        with open(os.path.join(arguments.out, "results.md"), "w", encoding="utf-8") as file:
            for piece in run_all(bench, arguments):
                print(piece, flush=True)
                file.write(piece + "\n")
    finally:
        if os.path.exists(bench.path):
            os.unlink(bench.path)
    print(f"Tables and plots: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
