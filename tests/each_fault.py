#!/usr/bin/env python3
"""Every call of a kind fails once, in a run of the command of its own, and what comes of each run is
looked at. usage: each_fault.py COMMAND FAULTS.so nomem|files|live|signals CASES

A case is a line: the files of the present folder that the run finds in its own, by commas (or -), a
tab, and the words. Paths of inputs begin with IN/."""

import concurrent.futures
import os
import shutil
import subprocess
import sys

command, library, kind, cases = sys.argv[1:5]
here = os.getcwd()
failures = 0


def fail(text):
    global failures
    failures += 1
    print("FAILED:", text, file=sys.stderr)


def tree(folder):
    """All that is in a folder: names and bytes."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = file.read()
    return found


class Run:
    def __init__(self, box, number, status):
        self.status = status
        self.files = tree(os.path.join(box, str(number)))
        with open(os.path.join(box, f"{number}.out"), "rb") as file:
            self.out = file.read()
        with open(os.path.join(box, f"{number}.err"), "rb") as file:
            self.err = file.read()

    def streams(self):
        """What was made, but indexes: their birth differs from run to run."""
        return {name: data for name, data in self.files.items() if not name.endswith(".idx")}


def run_all(box, words, kept, fault, how, goes_on):
    shutil.rmtree(box, ignore_errors=True)
    os.makedirs(os.path.join(box, "keep"))
    for name in kept:
        shutil.copy(name, os.path.join(box, "keep"))
    arguments = [word.replace("IN/", here + "/") for word in words]
    environment = dict(os.environ, LD_PRELOAD=library, FAULT=fault, FAULT_AS=how, FAULT_IN=box)
    if goes_on:
        environment["FAULT_ON"] = "1"
    ended = subprocess.run([command, *arguments], env=environment, stdin=subprocess.DEVNULL)
    if ended.returncode != 0:
        sys.exit(f"{words}: the runs could not be made: {ended.returncode}")
    with open(os.path.join(box, "ended"), encoding="ascii") as file:
        statuses = [int(line) for line in file]
    return [Run(box, number + 1, status) for number, status in enumerate(statuses)]


def left_behind(run):
    return [name for name in run.files
            if name.endswith(".lock") or ".replaced-" in name or name[-7:-6] == "."]


# Of a thread that found no memory, too.
WORDS = (b"memory", b"temporarily unavailable")


def check_nomem(box, words, kept):
    """Exit status 0 comes only with what comes when all is well, and what is said to have changed
    nothing has not."""
    before = {name: open(name, "rb").read() for name in kept}
    for goes_on in (False, True):
        *faulty, well = run_all(box, words, kept, "malloc", "12", goes_on)
        for number, run in enumerate(faulty, 1):
            what = f"allocation {number}{'+' if goes_on else ''} is refused: {' '.join(words)}: "
            what += f"exit {run.status}: {run.err[:200]!r}"
            said = any(word in run.err + run.out for word in WORDS)
            if run.status < 0 or run.status > 3:
                fail(what)
            elif run.status == 0 and (run.streams() != well.streams() or run.out != well.out):
                fail("another result, " + what)
            elif run.status not in (3, well.status):
                fail("not the system's exit status, " + what)
            elif run.status != 0 and run.status != well.status and not said:
                fail("no word of it, " + what)
            elif b"nothing was written" in run.err and run.files != before:
                fail("changed all the same, " + what)
            elif b'"kind":"io"' in run.out:
                fail("called a failure of the system's, " + what)
            if left_behind(run):
                fail(f"{left_behind(run)}, " + what)
        yield len(faulty)


FAULTS = (("write", "5"), ("write", "28"), ("write", "short"), ("fsync", "5"), ("rename", "5"),
          ("close", "5"), ("open", "5"), ("open", "28"), ("read", "5"))


def check_files(box, words, kept):
    """What is made is whole, or all is as it was."""
    before = {name: open(name, "rb").read() for name in kept}
    for fault, how in FAULTS:
        *faulty, well = run_all(box, words, kept, fault, how, False)
        for number, run in enumerate(faulty, 1):
            what = f"{fault} {number} fails ({how}): {' '.join(words)}: "
            what += f"exit {run.status}: {run.err[:200]!r}"
            if how == "short":
                if run.status != well.status or run.files != well.files:
                    fail("not what it would be, " + what)
            elif run.status == 3 and not run.err:
                fail("no word of it, " + what)
            elif run.status == 3 and run.files not in (before, well.files):
                fail(f"half made, {sorted(run.files)}, " + what)
            elif run.status != 3 and (run.status != well.status or run.files != well.files):
                fail(what)
        yield len(faulty)


def check_live(box, words, kept):
    """Of what is written as it comes the beginning may stay; but exit status 0 is for all of it, with
    the index that was asked for."""
    for fault, how in FAULTS:
        *faulty, well = run_all(box, words, kept, fault, how, False)
        for number, run in enumerate(faulty, 1):
            what = f"{fault} {number} fails ({how}): {' '.join(words)}: "
            what += f"exit {run.status}: {run.err[:200]!r}"
            if run.status == 0 and (run.streams() != well.streams() or
                                    run.files.keys() != well.files.keys()):
                fail("not all is there, " + what)
            elif run.status not in (0, 3) or (run.status == 3 and not run.err):
                fail(what)
        yield len(faulty)


SIGNALS = [(fault, how) for fault in ("malloc", "write", "fsync", "rename", "close")
           for how in ("signal 2", "signal 2 15")] + [("write", "signal 15"), ("write", "signal 1")]


def check_signals(box, words, kept):
    """A signal, or two, before any call: what is made is whole, or all is as it was; and the exit
    status says which."""
    before = {name: open(name, "rb").read() for name in kept}
    for fault, how in SIGNALS:
        *faulty, well = run_all(box, words, kept, fault, how, False)
        numbers = [int(number) for number in how.split()[1:]]
        ended = 128 + numbers[0] if len(numbers) == 1 else -numbers[1]
        for number, run in enumerate(faulty, 1):
            what = f"{how} before {fault} {number}: {' '.join(words)}: "
            what += f"exit {run.status}, {sorted(run.files)}: {run.err[:200]!r}"
            if run.status == -numbers[0]: # not caught yet, for there was nothing to be undone
                if run.files != before:
                    fail("changed, " + what)
            elif run.status == ended and len(numbers) > 1:
                if run.files != before and run.streams() != well.streams():
                    fail("half made, " + what)
            elif run.status == ended:
                if run.files != before:
                    fail("changed, " + what)
            elif run.status != well.status or run.streams() != well.streams():
                fail(what)
            if left_behind(run):
                fail(f"{left_behind(run)}, " + what)
        yield len(faulty)


check = {"nomem": check_nomem, "files": check_files, "live": check_live,
         "signals": check_signals}[kind]


def check_case(number, line):
    names, words = line.rstrip("\n").split("\t")
    kept = [] if names == "-" else names.split(",")
    return sum(check(os.path.join(here, f"box{number}"), words.split(), kept))


with open(cases, encoding="ascii") as lines, concurrent.futures.ThreadPoolExecutor(2) as two:
    runs = sum(two.map(check_case, *zip(*enumerate(lines))))
print(f"{runs} calls failed, {failures} failures")
if runs < 20:
    sys.exit("so few calls failed that this tests nothing")
sys.exit(failures > 0)
