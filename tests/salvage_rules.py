#!/usr/bin/env python3
"""What each rule of salvage saves: it is taken out, and the streams of salvage_wounds.py are salvaged
without it.

    salvage_rules.py FOLDER [--bytes N] [--places N] [--seeds N] [--sizes LIST]

Builds the command in FOLDER (a copy of the sources, in which one rule after the other is taken out),
damages streams of messages of each size (--sizes, "mixed" among them), in both manners, of both kinds
of checksum, and counts, beside the command with all rules: the messages that no damage touched and that
do not come out any more, those that were never written and do, those that were touched and do not come
out any more (a wrong length that was mended), and how much processor time it takes. Prints a Markdown
table. Takes minutes.
"""
import argparse
import os
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import salvage_wounds as wounds  # noqa: E402

WALK, SEARCH, SIEVE = ("src/journal/salvage_%s.c" % part for part in ("walk", "search", "sieve"))

# (rule, its place in docs/format.md, file, what stands there, what is put there)
RULES = [
    ("empty frames of zeros in order", "9.3", WALK,
     "return empty_is_zeros(walk) && zeros_in_order(walk);",
     "return empty_is_zeros(walk) && zeros_in_order(walk) && 0;"),
    ("the length is right", "9.4", WALK,
     "int leads = plausible && fls_salvage_leads(search, said);",
     "int leads = plausible && fls_salvage_leads(search, said) && 0;"),
    ("... unless it is doubtful", "9.4", WALK,
     "if (!leads || is_doubtful(walk, said)) {", "if (!leads || (0 && is_doubtful(walk, said))) {"),
    ("it is torn", "9.5", WALK,
     "else if (!plausible && is_torn(walk, header))",
     "else if (0 && !plausible && is_torn(walk, header))"),
    ("in step: the first of at most C within 16 C", "9.6", SEARCH,
     "for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i++) {",
     "for (int i = 1; i < FLS_SALVAGE_STEPS && found >= stop; i++) {"),
    ("in step: of at most M within 16 M", "9.6", SEARCH,
     "for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i++) {",
     "for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i += 2) {"),
    ("in step: of at most W", "9.6", SEARCH,
     "for (int i = 0; i < FLS_SALVAGE_STEPS && found >= stop; i++) {",
     "for (int i = 0; i + 1 < FLS_SALVAGE_STEPS && found >= stop; i++) {"),
    ("before it: of at most C", "9.7, 1", SEARCH,
     "found = find_further(search, &search->no_gap[0], from, found, &sought);",
     "(void)sought;"),
    ("before it: near the length's end, at most W", "9.7, 3", SEARCH,
     "found = find_large_near(search, from, found, said, close + 1, wide);", "(void)close;"),
    ("before it: near the length's end, over W", "9.7, 3", SEARCH,
     "found = find_large_near(search, from, found, said, wide + 1, search->limit);", "(void)wide;"),
    ("before it: of at most W, followed", "9.7, 4", SEARCH,
     "found = find_further(search, &search->no_gap[1], from, found, &sought);", "(void)sought;"),
    ("before it: not followed", "9.7, 4", SEARCH,
     "found = find_further(search, &search->no_gap[2], from, found, &sought);", "(void)sought;"),
    ("a gap that is one message", "9.7", SEARCH,
     "(said == 0 || off > search->bounds.small_bytes_max);", "(off || !off);"),
    ("a length alone is wrong", "9.8", WALK,
     "if (is_mended(walk, header, event.to))", "if (0 && is_mended(walk, header, event.to))"),
    ("clear", "9.2", SIEVE,
     "count += (size_t)fls_salvage_is_clear(search, stored);",
     "count += (size_t)(fls_salvage_is_clear(search, stored) | 1);"),
    ("surely hops, over W", "9.2", SEARCH,
     "(header.length <= search->bounds.wide_bytes_max || hops(search, end, 1)) &&",
     "(header.length <= search->bounds.wide_bytes_max || hops(search, end, 0)) &&"),
]


def build(folder, rule):
    """The command without the rule (None: with all), in a file of its own."""
    source, out = folder / "source", folder / ("all" if rule is None else "without-%d" % RULES.index(rule))
    if rule:
        _, _, name, old, new = rule
        path = source / name
        before = path.read_text()
        if before.count(old) != 1:
            sys.exit("salvage_rules: %s has %r not once: say here where the rule is now" % (name, old))
        path.write_text(before.replace(old, new))
    subprocess.run(["cmake", "--build", folder / "build", "--target", "flatstream_command", "-j2"],
                   check=True, stdout=subprocess.DEVNULL)
    shutil.copy(folder / "build" / "flatstream", out)
    if rule:
        path.write_text(before)
    return out


def build_all(folder):
    shutil.copytree(HERE.parent, folder / "source", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("build*", ".git"))
    subprocess.run(["cmake", "-S", folder / "source", "-B", folder / "build",
                    "-DCMAKE_BUILD_TYPE=Release", "-DFLATSTREAM_TESTS=OFF"], check=True, stdout=subprocess.DEVNULL)
    return {None: build(folder, None), **{rule: build(folder, rule) for rule in RULES}}


def salvage(command, damaged, saved):
    """Processor seconds."""
    before = os.times()
    run = subprocess.run([command, "salvage", damaged, "-o", saved, "--replace"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = os.times()
    if run.returncode not in (0, 1):
        sys.exit("salvage_rules: exit %d" % run.returncode)
    return after.children_user - before.children_user + after.children_system - before.children_system


def numbers_in(stream, path):
    """The numbers of the messages that came out, and how many came that were never written."""
    data, at, numbers, false = path.read_bytes(), 0, set(), 0
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0]
        payload = data[at + 4 + stream.width : at + 4 + stream.width + length]
        number = struct.unpack_from("<Q", payload)[0] if length >= 8 else -1
        if 0 <= number < len(stream.lengths) and payload == stream.payload(number):
            numbers.add(number)
        else:
            false += 1
        at += 4 + stream.width + length
    return numbers, false


class Sum:
    def __init__(self):
        self.lost = self.false = self.touched_lost = 0
        self.times = []


def try_stream(commands, folder, stream, damage, sums):
    damaged, saved = folder / "damaged.fls", folder / "saved.fls"
    wounds.write_damaged(stream, damage, damaged)
    touched = wounds.touched(stream, damage)
    seconds = salvage(commands[None], damaged, saved)
    whole, false = numbers_in(stream, saved)
    for rule in RULES:
        time = salvage(commands[rule], damaged, saved)
        numbers, false_now = numbers_in(stream, saved)
        gone = whole - numbers
        sums[rule].lost += len(gone - touched) - len((numbers - whole) - touched)
        sums[rule].touched_lost += len(gone & touched) - len((numbers - whole) & touched)
        sums[rule].false += false_now - false
        sums[rule].times.append(time / max(seconds, 0.01))
    return len(stream.lengths), len(touched)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bytes", type=int, default=16 << 20)
    parser.add_argument("--places", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sizes", default="mixed,100,1000,16000,70000,200000,3000000")
    options = parser.parse_args()
    (options.folder / "source").mkdir(parents=True, exist_ok=True)
    commands = build_all(options.folder)
    sums, messages, touched, streams = {rule: Sum() for rule in RULES}, 0, 0, 0
    for size in options.sizes.split(","):
        for kind in ("crc32", "xxh3") if wounds.xxhash else ("crc32",):
            for seed in range(1, options.seeds + 1):
                rng = random.Random(seed)
                sizes = wounds.SIZES if size == "mixed" else [int(size)]
                long = options.bytes * (4 if size == "3000000" else 1)
                stream = wounds.Stream(kind, long, sizes, rng)
                for harsh in (False, True):
                    places = options.places if size in ("mixed", "100", "1000") else options.places // 8
                    damage = wounds.choose_damage(stream, places, harsh, rng)
                    more, harmed = try_stream(commands, options.folder, stream, damage, sums)
                    messages, touched, streams = messages + more, touched + harmed, streams + 1
        print("salvage_rules: %s done" % size, file=sys.stderr)
    print("%d streams, %d messages, %d of them touched.\n" % (streams, messages, touched))
    print("| without | format.md | untouched lost | touched lost | false | time, median (most) |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for rule in RULES:
        sum_ = sums[rule]
        print("| %s | %s | %d | %d | %d | %.2f (%.1f) |"
              % (rule[0], rule[1], sum_.lost, sum_.touched_lost, sum_.false,
                 statistics.median(sum_.times), max(sum_.times)))


if __name__ == "__main__":
    main()
