#!/usr/bin/env python3
"""A stream damaged in many places, and what flatstream salvage gets out of it.

    salvage_wounds.py FLATSTREAM FOLDER [--bytes N] [--places N] [--kind crc32|xxh3] [--seed N]
                      [--sizes mixed|BYTES] [--harsh] [--measure]

Makes a stream of messages in FOLDER, mixed or all of one size, overwrites bytes in it, zeroes
sectors, inserts and removes runs, and salvages it. With --harsh there are also single bytes changed
in payloads, lengths and checksums, lengths that lead onto the start of a later message, and runs of
up to 100,000 random bytes. Every message that no damage touched must come out, in order, and nothing
that was never written. With --measure the time is set beside that of `flatstream verify` on
the undamaged stream: the median of five runs of each, taken in turns, from the page cache.
"""
import argparse
import bisect
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import time
import zlib

try:
    import xxhash
except ImportError:
    xxhash = None

SIZES = [64] * 300 + [200] * 200 + [1000] * 250 + [4000] * 180 + [16000] * 62 + [70000] * 6 + [1 << 20] * 2
LARGE = 0xFFFF


class Stream:
    """The whole stream: its bytes, where each message's frame begins, and each payload's hash."""

    def __init__(self, kind, size, sizes, rng):
        self.kind = kind
        self.checksum = zlib.crc32 if kind == "crc32" else xxhash.xxh3_64_intdigest
        self.width = 4 if kind == "crc32" else 8
        self.pool = self.make_pool(rng)
        self.bytes = bytearray()
        self.starts = []
        self.lengths = []
        while len(self.bytes) < size:
            self.add(rng.choice(sizes), rng)
        self.starts.append(len(self.bytes))

    @staticmethod
    def make_pool(rng):
        """Like FlatBuffers: offsets and small numbers, zeros, texts, some noise."""
        parts = []
        for _ in range(100000):
            parts.append(rng.choice((struct.pack("<I", rng.randrange(300)), bytes(8), b"a text ",
                                     struct.pack("<d", rng.random()), rng.randbytes(12))))
        return b"".join(parts)

    def add(self, length, rng):
        number = len(self.starts)
        at = rng.randrange(len(self.pool) - 4096)
        body = self.pool[at : at + length - 16]
        if length > LARGE:
            body = rng.randbytes(length - 16)  # as a compressed image
        while len(body) < length - 16:
            body += self.pool[: length - 16 - len(body)]
        payload = struct.pack("<QQ", number, rng.getrandbits(40)) + body
        self.starts.append(len(self.bytes))
        self.lengths.append(length)
        self.bytes += struct.pack("<I", length)
        self.bytes += self.checksum(payload).to_bytes(self.width, "little") + payload

    def payload(self, number):
        at = self.starts[number] + 4 + self.width
        return memoryview(self.bytes)[at : at + self.lengths[number]]


def harm(stream, at, rng):
    """One of the harsher kinds of damage, at the message that lies at this offset."""
    number = bisect.bisect_right(stream.starts, at) - 1
    start, header = stream.starts[number], 4 + stream.width
    how = rng.randrange(6)
    if how == 0:
        at = start + rng.randrange(4)
    elif how == 1:
        at = start + 4 + rng.randrange(stream.width)
    elif how == 2:
        at = start + header + rng.randrange(stream.lengths[number])
    elif how == 3:  # the length leads some messages too far, the payload is damaged or not
        other = min(number + 1 + int(rng.expovariate(0.1)), len(stream.lengths))
        put = bytearray(stream.bytes[start : start + header + stream.lengths[number]])
        put[:4] = struct.pack("<I", stream.starts[other] - start - header)
        put[header + rng.randrange(stream.lengths[number])] ^= rng.randrange(2)
        return start, len(put), bytes(put)
    elif how == 4:
        put = rng.randbytes(rng.randrange(1, 4))
        return start, len(put), put
    else:
        put = rng.randbytes(int(10 ** rng.uniform(0, 5)))
        return at, len(put), put
    return at, 1, bytes([stream.bytes[at] ^ rng.randrange(1, 256)])


def choose_damage(stream, places, harsh, rng):
    """(at, bytes taken out, bytes put in), in order, not overlapping."""
    size, damage, free_from = len(stream.bytes), [], 0
    for at in sorted(rng.randrange(size) for _ in range(places)):
        how = rng.randrange(10 if harsh else 4)
        if how > 3:
            at, take, put = harm(stream, at, rng)
        elif how == 0:
            put = rng.randbytes(rng.randrange(1, 65))
            take = len(put)
        elif how == 1:
            take = rng.choice((512, 4096))
            at -= at % take
            put = bytes(take)
        elif how == 2:
            take, put = 0, rng.randbytes(rng.randrange(1, 300))
        else:
            take, put = rng.randrange(1, 300), b""
        if at >= free_from and at + take <= size:
            damage.append((at, take, put))
            free_from = at + take + 1
    return damage


def write_damaged(stream, damage, path):
    view = memoryview(stream.bytes)
    with open(path, "wb") as file:
        at = 0
        for place, take, put in damage:
            file.write(view[at:place])
            file.write(put)
            at = place + take
        file.write(view[at:])


def touched(stream, damage):
    """The numbers of the messages whose frames some damage lies in."""
    numbers, number = set(), 0
    for place, take, put in damage:
        if len(put) == take:  # only what it changes
            changed = [i for i in range(take) if stream.bytes[place + i] != put[i]]
            if not changed:
                continue
            place, take = place + changed[0], changed[-1] + 1 - changed[0]
        while stream.starts[number + 1] <= place:
            number += 1
        other = number
        while stream.starts[other] < place + take or (stream.starts[other] < place and take == 0):
            numbers.add(other)
            other += 1
            if other + 1 == len(stream.starts):
                break
    return numbers


def hidden(stream, damage, numbers):
    """Messages that the rules give up (9.10): a damaged length leads exactly onto a frame, and the
    message before that is damaged too, so that the length seems to be right."""
    given_up = set()
    for place, take, put in damage:
        number = bisect.bisect_right(stream.starts, place) - 1
        if stream.starts[number] != place or take != len(put) or take < 4:
            continue
        end = place + 4 + stream.width + struct.unpack_from("<I", put)[0]
        other = bisect.bisect_left(stream.starts, end)
        if other < len(stream.starts) and stream.starts[other] == end and other - 1 in numbers:
            given_up.update(range(number + 1, other))
    return given_up - numbers


def check(stream, damage, path):
    """Everything untouched is there, once, in order; and what else is there was written so."""
    numbers = touched(stream, damage)
    given_up = hidden(stream, damage, numbers)
    lost_allowed = numbers | given_up
    data = path.read_bytes()
    at, expected, found = 0, 0, 0
    while at < len(data):
        length = struct.unpack_from("<I", data, at)[0]
        payload = data[at + 4 + stream.width : at + 4 + stream.width + length]
        number = struct.unpack_from("<Q", payload)[0] if length >= 8 else -1
        if not 0 <= number < len(stream.lengths) or payload != stream.payload(number):
            sys.exit("salvage_wounds: message %d of the salvaged was never written" % found)
        missing = [n for n in range(expected, number) if n not in lost_allowed]
        if missing or number < expected:
            sys.exit("salvage_wounds: message %d does not come out in its place"
                     % (missing[0] if missing else number))
        expected = number + 1
        found += 1
        at += 4 + stream.width + length
    missing = [n for n in range(expected, len(stream.lengths)) if n not in lost_allowed]
    if missing:
        sys.exit("salvage_wounds: message %d does not come out" % missing[0])
    return found, len(numbers), len(given_up)


def seconds(command):
    """Wall-clock and processor seconds."""
    before, began = os.times(), time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        subprocess.run(command, stdout=nowhere, stderr=nowhere, check=False)
    after = os.times()
    return (time.monotonic() - began, after.children_user - before.children_user +
            after.children_system - before.children_system)


def measure(flatstream, whole, damaged, kind, size):
    salvage, verify = [], []
    for _ in range(5):
        verify.append(seconds([flatstream, "verify", "-q", "--checksum", kind, whole]))
        salvage.append(seconds([flatstream, "salvage", "--checksum", kind, damaged, "-o", "-"]))
    for name, runs in (("verify", verify), ("salvage", salvage)):
        wall = statistics.median(run[0] for run in runs)
        print("  %-8s %.3f s (%.0f MB/s), %.3f s of the processor"
              % (name, wall, size / wall / 1e6, statistics.median(run[1] for run in runs)))
    ratio = [statistics.median(v[i] for v in verify) / statistics.median(s[i] for s in salvage)
             for i in (0, 1)]
    print("  salvage runs at %.2f of the rate of verify by the clock, %.2f by the processor"
          % tuple(ratio))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("flatstream")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--places", type=int, default=1000)
    parser.add_argument("--kind", choices=("crc32", "xxh3"), default="xxh3" if xxhash else "crc32")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", default="mixed")
    parser.add_argument("--harsh", action="store_true")
    parser.add_argument("--measure", action="store_true")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    sizes = SIZES if options.sizes == "mixed" else [int(options.sizes)]
    stream = Stream(options.kind, options.bytes, sizes, rng)
    damage = choose_damage(stream, options.places, options.harsh, rng)
    whole, damaged = options.folder / "whole.fls", options.folder / "damaged.fls"
    saved = options.folder / "saved.fls"
    saved.unlink(missing_ok=True)
    whole.write_bytes(stream.bytes)
    write_damaged(stream, damage, damaged)
    run = subprocess.run([options.flatstream, "salvage", damaged, "-o", saved, "--json"],
                         stdout=subprocess.PIPE, check=False)
    report = json.loads(run.stdout) if run.returncode == 1 else sys.exit("salvage_wounds: exit %d" % run.returncode)
    found, allowed, given_up = check(stream, damage, saved)
    if found != report["frames"] or report["checksum"] != options.kind or report["search_cut_short"]:
        sys.exit("salvage_wounds: the report is not right: %s" % {**report, "regions": "..."})
    print("salvage_wounds: %s, %d bytes, %d places: %d of %d messages, %d were touched, %d mended, "
          "%d given up; all others came out"
          % (options.kind, len(stream.bytes), len(damage), found, len(stream.lengths), allowed,
             report["mended"], given_up))
    saved.unlink()
    if options.measure:
        measure(options.flatstream, whole, damaged, options.kind, len(stream.bytes))


if __name__ == "__main__":
    main()
