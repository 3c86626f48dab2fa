#!/usr/bin/env python3
"""Runs the contestants side by side and writes Markdown tables and SVG plots.

    bench/run.py --build build [--quick] [--only KIND] [--size BYTES] [--contestant NAME=PATH]
                 [--disk FOLDER] [--out FOLDER]

A contestant is a program `contestant write|read MODE PATH N SIZE` that prints
`bytes messages seconds cpu_seconds system_calls` (bench/README.md). Runs are interleaved: in each
round every contestant runs once, in turn, so that a slow moment of the machine falls on all. Quoted
is the median over the rounds; the spread is (largest - smallest) / median. Files are in memory, but
for the kinds disk and durable.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from groups import KINDS, all_groups
from report import NOTES, machine, plot, size_name, table

# A run moves about so many bytes, or makes so many system calls, whichever is less.
RUN_BYTES = 256 << 20
RUN_CALLS = 200_000
RUN_HANDOVERS = 500_000
RUN_SECONDS_MAX = 120
# To a disk: so much that it does not end in memory. Each run is long, and begins with a new file.
DISK_BYTES = 4 << 30
DISK_BYTES_QUICK = 512 << 20
DISK_ROUNDS = 5
DISK_REST_SECONDS = 4
ON_DISK = ("disk", "durable")
DURABLE_MESSAGES = 4000
CALL_A_MESSAGE = ("two", "writev", "simple", "vectored", "direct", "reference")


# Messages and schemas for the verifiers.
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data")


def messages_of(kind, row, size, scale):
    if kind == "disk":
        return (DISK_BYTES if scale == 1 else DISK_BYTES_QUICK) // size
    if kind == "durable":
        return int(DURABLE_MESSAGES * scale)
    count = max(8, int(RUN_BYTES * scale) // (size + 12))
    if kind == "handover":
        return min(count, int(RUN_HANDOVERS * scale))
    if row.mode.startswith("build-"):
        return min(count * 4, int(2_000_000 * scale))
    if row.mode in CALL_A_MESSAGE:
        count = min(count, int(RUN_CALLS * scale))
    return count


class Unavailable(Exception):
    """The contestant does not know this mode, or cannot run it here."""


class Bench:
    def __init__(self, arguments, folder):
        self.build = arguments.build
        self.rounds = 3 if arguments.quick else 9
        self.scale = 0.125 if arguments.quick else 1.0
        self.folder = folder
        self.left_out = set()
        self.disk = None
        self.fifo = os.path.join(folder, "pipe")
        os.mkfifo(self.fifo)

    def program(self, name):
        return name if "/" in name else os.path.join(self.build, "bench", name)

    def path(self, program="flatstream", mode="any"):
        return os.path.join(self.folder, f"{program.replace('/', '-')}-{mode}.bin")

    def run(self, way, program, mode, messages, size, path=None):
        return self.run_together([self.command(way, program, mode, path or self.path(), messages,
                                               size)])[0]

    def command(self, way, program, mode, path, messages, size):
        return [self.program(program), way, mode, path, str(messages), str(size)]

    def run_together(self, commands):
        """Runs them at the same time; when one fails, the others are ended."""
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    text=True) for command in commands]
        try:
            wait_for_all(running)
        finally:
            for process in running:
                if process.poll() is None:
                    process.kill()
        outputs = [process.communicate() for process in running]
        for command, process, output in zip(commands, running, outputs):
            if process.returncode == 2:
                raise Unavailable(" ".join(command[:3]))
        for command, process, output in zip(commands, running, outputs):
            if process.returncode > 0:  # not the one that was killed for another's failure
                raise SystemExit(f"{' '.join(command)}: {output[1].strip() or process.returncode}")
        return [figures(*output) for output in outputs]

    def run_pair(self, row, reader, messages, size):
        """Writer and reader at the two ends of a pipe or a loopback socket: both figures."""
        path = f"tcp:{20000 + os.getpid() % 10000}" if row.where == "socket" else self.fifo
        # The drain is told no number of messages.
        wanted = (0, 0) if reader[1] == "drain" else (messages, size)
        return self.run_together([
            self.command("read", *reader, path, *wanted),
            self.command("write", row.program, row.mode, path, messages, size)])

    def run_row(self, kind, row, messages, size):
        if kind == "pipe":
            return both_ends(*self.run_pair(row, (row.program, row.read), messages, size))
        if row.where in ("pipe", "socket"):
            return self.run_pair(row, ("raw", "drain"), messages, size)[1]
        if kind == "read" or row.where == "file-read":
            return self.run("read", row.program, row.mode, messages, size,
                            self.path(*writer_of(row)))
        path = DATA if row.where == "data" else None
        if kind in ON_DISK:
            path = os.path.join(self.disk, "stream.bin")
        return self.run("write", row.program, row.mode, messages, size, path)

    def prepare(self, kind, row, messages, size):
        """The file that a reader reads, anew each time: how fast one is read depends on which pages
        of memory it happens to have, by a factor of two."""
        if kind == "disk":
            rest()
        if kind != "read" and row.where != "file-read":
            return
        self.clear()
        self.run("write", *writer_of(row), messages, size, self.path(*writer_of(row)))

    def leave_out(self, what):
        if what not in self.left_out:
            print(f"left out: {what} cannot be run here", file=sys.stderr)
        self.left_out.add(what)

    def clear_disk(self):
        if self.disk and os.path.exists(os.path.join(self.disk, "stream.bin")):
            os.unlink(os.path.join(self.disk, "stream.bin"))

    def clear(self):
        for name in os.listdir(self.folder):
            if name != "pipe":
                os.unlink(os.path.join(self.folder, name))

    def group(self, group, size):
        """{row: summary} of one size."""
        rows = [row for row in group.rows if os.path.exists(self.program(row.program))]
        messages = {row: messages_of(group.kind, row, size, self.scale) for row in rows}
        if group.kind in ("write", "read"):  # all alike, as many as the dearest can
            messages = dict.fromkeys(rows, min(messages.values()))
        results = {row: [] for row in rows}
        to_disk = group.kind in ON_DISK
        for round_number in range(DISK_ROUNDS + 1 if to_disk else self.rounds + 1):
            if to_disk and round_number == 0:  # there is nothing to warm up
                continue
            for row in list(results):
                try:
                    self.prepare(group.kind, row, messages[row], size)
                    figure = self.run_row(group.kind, row, messages[row], size)
                except Unavailable as problem:
                    self.leave_out(str(problem))
                    del results[row]
                    continue
                finally:
                    self.clear_disk()
                if round_number > 0:  # the first warms up
                    results[row].append(figure)
        self.clear()
        return {row: summary(runs) for row, runs in results.items()}


def rest():
    """Each recording begins with an idle disk and an empty page cache, whose memory a virtual machine
    has had the time to give back: the run before would else leave the next one its pages."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    except OSError:  # not root: the pause must do
        pass
    time.sleep(DISK_REST_SECONDS)


def wait_for_all(running):
    """Until all have ended, or one has failed."""
    def too_long(*_):
        raise SystemExit(f"{' '.join(running[-1].args)}: runs for ever")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(RUN_SECONDS_MAX)
    while any([process.poll() is None for process in running]) and \
            not any(process.returncode for process in running):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
    signal.alarm(0)


def writer_of(row):
    """Who writes the file that this row reads: (program, mode)."""
    checksum = next((kind for kind in ("xxh3", "crc32") if row.mode.endswith(kind)), None)
    return row.file or ("flatstream", f"batched-{checksum}" if checksum else "batched")


def figures(line, more=""):
    """What a contestant printed, for one message."""
    numbers = [float(field) for field in line.split()]
    count, seconds, cpu, calls = max(numbers[1], 1), numbers[2], numbers[3], numbers[4]
    figure = {"ns": seconds / count * 1e9, "cpu": cpu / count * 1e9, "calls": calls / count}
    if len(numbers) > 5:
        figure["user"] = numbers[5] / count * 1e9
    extra = more.split()
    if len(extra) == 3:  # of a hand-over
        figure["median"], figure["p999"] = float(extra[0]), float(extra[1])
    return figure


def both_ends(reader, writer):
    """The two begin together, when the pipe is open; the reader ends last."""
    return {"ns": max(reader["ns"], writer["ns"]), "cpu": reader["cpu"] + writer["cpu"],
            "calls": reader["calls"] + writer["calls"]}


def summary(runs):
    ns = [run["ns"] for run in runs]
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return dict(medians, spread=(max(ns) - min(ns)) / medians["ns"])


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr)


def measure(bench, group):
    results = {}
    for size in group.sizes:
        progress(f"{group.kind}: {group.title}, {size_name(size)}")
        for row, value in bench.group(group, size).items():
            results.setdefault(row, {})[size] = value
    progress("")
    # A row that could not be measured at every size is in no table.
    return {row: sizes for row, sizes in results.items() if len(sizes) == len(group.sizes)}


def disk_note(bench):
    gigabytes = (DISK_BYTES if bench.scale == 1 else DISK_BYTES_QUICK) / (1 << 30)
    return (f"{gigabytes:g} GiB of payload into a new file on {file_system(bench.disk)}; medians "
            f"of {DISK_ROUNDS} rounds.")


def run_all(bench, groups, out):
    """Yields the report piece by piece, and draws a plot for each group."""
    yield (f"Measured on {machine()}. Nanoseconds a message; medians of {bench.rounds} interleaved "
           "rounds after one to warm up; in brackets the ratio to the first row; CPU in ns a "
           "message, user and system; spread is (largest - smallest) / median, the worst of the "
           "row.\n")
    kinds = set()
    for group in groups:
        if group.kind in ON_DISK and not bench.disk:
            continue
        results = measure(bench, group)
        if not results:
            continue
        if group.kind in NOTES and group.kind not in kinds:
            yield NOTES[group.kind] + "\n"
            if group.kind == "disk":
                yield disk_note(bench) + "\n"
        kinds.add(group.kind)
        plot(group, results, out)
        yield table(group, results)


def contestant(argument):
    name, equals, path = argument.partition("=")
    if not equals or not os.path.exists(path):
        raise argparse.ArgumentTypeError(f"{argument}: not NAME=PATH of a program")
    return name, os.path.abspath(path)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build", help="build folder")
    parser.add_argument("--memory", default="/dev/shm", help="a folder in memory, for the files")
    parser.add_argument("--out", default="build/bench-results", help="folder for tables and plots")
    parser.add_argument("--only", choices=KINDS, action="append", help="may be repeated")
    parser.add_argument("--contestant", type=contestant, action="append", default=[],
                        metavar="NAME=PATH", help="another contestant; may be repeated")
    parser.add_argument("--size", type=int, action="append", metavar="BYTES",
                        help="of those that a table has, only this; may be repeated")
    parser.add_argument("--disk", metavar="FOLDER", help="a folder on a disk, for the kind disk "
                        "(default: the build folder)")
    parser.add_argument("--quick", action="store_true", help="three rounds of an eighth the size")
    arguments = parser.parse_args()
    path = os.environ.get("FLATSTREAM_RS_CONTESTANT")
    if path:
        arguments.contestant.append(contestant(f"flatstream-rs={path}"))
    return arguments


def file_system(folder):
    """The type of the file system that a folder is on."""
    output = subprocess.run(["stat", "-f", "-c", "%T", folder], stdout=subprocess.PIPE, text=True,
                            check=True)
    return output.stdout.strip()


def disk_folder(arguments):
    """A new folder on the disk, or None, and why there is none."""
    where = arguments.disk or arguments.build
    wanted = (DISK_BYTES_QUICK if arguments.quick else DISK_BYTES) * 5 // 4
    free = os.statvfs(where).f_bavail * os.statvfs(where).f_frsize
    if arguments.quick and not (arguments.only and set(ON_DISK) & set(arguments.only)):
        problem = "it takes minutes; --only disk gives its short form"
    elif file_system(where) in ("tmpfs", "ramfs", "overlayfs"):
        problem = f"{where} is on {file_system(where)}; --disk names a folder on a disk"
    elif free < wanted:
        problem = f"{where} has {free >> 20} MiB free of {wanted >> 20}; --disk names another"
    else:
        return tempfile.mkdtemp(prefix="flatstream-bench-", dir=where)
    print(f"left out: the kinds disk and durable: {problem}", file=sys.stderr)
    return None


def chosen_groups(arguments):
    for group in all_groups(arguments.contestant):
        sizes = tuple(size for size in group.sizes if not arguments.size or size in arguments.size)
        if sizes and (not arguments.only or group.kind in arguments.only):
            yield group._replace(sizes=sizes)


def main():
    arguments = parse_arguments()
    os.makedirs(arguments.out, exist_ok=True)
    groups = list(chosen_groups(arguments))
    folder = tempfile.mkdtemp(prefix="flatstream-bench-", dir=arguments.memory)
    bench = None
    try:
        bench = Bench(arguments, folder)
        if any(group.kind in ON_DISK for group in groups):
            bench.disk = disk_folder(arguments)
        with open(os.path.join(arguments.out, "results.md"), "w", encoding="utf-8") as file:
            for piece in run_all(bench, groups, arguments.out):
                print(piece, flush=True)
                file.write(piece + "\n")
    finally:
        shutil.rmtree(folder)
        if bench and bench.disk:
            shutil.rmtree(bench.disk)
    print(f"Tables and plots: {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
