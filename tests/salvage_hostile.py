#!/usr/bin/env python3
"""Processor time of flatstream salvage for bytes that were made to cost much, of 8 and of 64 MiB.

    salvage_hostile.py FLATSTREAM [--mib SHORT LONG] [--kind KIND]... [--auto] [--runs N] [NAME]...

Each NAME (all, if none is given) is a kind of bytes; see STREAMS. Of each the median of the runs'
user and system time is printed for both lengths, and how many times as much the longer one takes.
Exit status 1 if that is more than 10 times for any; runs that take less than 50 ms do not count.
With --auto the kind of checksum is not given.
"""
import argparse
import pathlib
import random
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    import xxhash
except ImportError:
    xxhash = None

CALCULATE = {"crc32": (4, zlib.crc32)}
if xxhash:
    CALCULATE["xxh3"] = (8, xxhash.xxh3_64_intdigest)


class Maker:
    """Makes hostile bytes for one kind of checksum."""

    def __init__(self, kind, size, rng):
        self.width, self.checksum = CALCULATE[kind]
        self.header, self.size, self.rng = 4 + self.width, size, rng

    def frame(self, payload):
        return (struct.pack("<I", len(payload))
                + self.checksum(payload).to_bytes(self.width, "little") + payload)

    def words(self, length):
        return b"".join(struct.pack("<I", length()) for _ in range(self.size // 4))

    def short_words(self):
        return self.words(lambda: self.rng.randrange(1, 4000))

    def middling_words(self):
        return struct.pack("<I", 60000) * (self.size // 4)

    def large_words(self):
        return struct.pack("<I", 1 << 20) * (self.size // 4)

    def words_of_all_sizes(self):
        return self.words(lambda: int(2 ** self.rng.uniform(0, 26)))

    def zeros(self):
        return bytes(self.size)

    def ones(self):
        return struct.pack("<I", 1) * (self.size // 4)

    def noise(self):
        return self.rng.randbytes(self.size)

    def to_the_end(self):
        ends = range(self.size - self.header, self.header, -4)
        return b"".join(struct.pack("<I", end) for end in ends) + bytes(2 * self.header)

    def seconds(self, harm):
        """Small frames of which every second is damaged."""
        out = bytearray()
        while len(out) < self.size:
            out += self.frame(self.rng.randbytes(24))
            damaged = bytearray(self.frame(self.rng.randbytes(24)))
            harm(damaged, len(out))
            out += damaged
        return bytes(out)

    def damaged_payloads(self):
        def harm(frame, _):
            frame[-1] ^= 1
        return self.seconds(harm)

    def damaged_lengths(self):
        def harm(frame, _):
            frame[0] ^= 0x11
        return self.seconds(harm)

    def holes(self):
        def harm(frame, _):
            del frame[self.header + 3 : self.header + 5]
        return self.seconds(harm)

    def lengths_that_lead_far(self):
        """Each exactly onto a whole frame, up to 16 MiB behind."""
        pair = 2 * (self.header + 24)

        def harm(frame, at):
            left = max((self.size - at) // pair - 1, 1)
            pairs = self.rng.randrange(1, min(left, (16 << 20) // pair) + 1)
            struct.pack_into("<I", frame, 0, pairs * pair - self.header - pair // 2)
            frame[-1] ^= 1
        return self.seconds(harm)

    def traps(self):
        trap = b"\xff\xff\0\0" + bytes(range(1, self.width + 1))
        piece = self.frame(b"12345678") + trap
        return piece * (self.size // len(piece))

    def chain(self, least, most):
        out = bytearray()
        while len(out) < self.size:
            length = self.rng.randrange(least, most)
            out += struct.pack("<I", length) + self.rng.randbytes(length + self.width)
        return bytes(out)

    def short_chain(self):
        return self.chain(10, 2000)

    def long_chain(self):
        return self.chain(70000, 200000)

    def nest(self, depth, size):
        if depth == 0:
            return self.rng.randbytes(self.rng.randrange(10, 100))
        out = b""
        while len(out) < size:
            out += self.frame(self.nest(depth - 1, size // 10))
        return out

    def nested(self):
        """Streams in messages in messages, damaged on all levels."""
        out = bytearray()
        while len(out) < self.size:
            out += self.frame(self.nest(4, 200000))
        for at in range(1000, len(out), 5000):
            out[at] ^= 0x10
        return bytes(out)

    def another_kind(self):
        other = Maker([k for k in CALCULATE if CALCULATE[k][0] != self.width][0], 0, self.rng)
        out = bytearray()
        while len(out) < self.size:
            out += other.frame(self.rng.randbytes(self.rng.randrange(20, 2000)))
        return bytes(out)

    def large_ones(self):
        """Large messages, all of them damaged in their header, their payload, and shortened."""
        out = bytearray()
        while len(out) < self.size:
            frame = bytearray(self.frame(self.rng.randbytes(100000)))
            frame[self.rng.randrange(4)] ^= self.rng.randrange(1, 256)
            frame[5000] ^= 1
            del frame[6000 : 6000 + self.rng.randrange(1, 99)]
            out += frame
        return bytes(out)


STREAMS = ("short_words middling_words large_words words_of_all_sizes zeros ones noise to_the_end "
           "damaged_payloads damaged_lengths holes lengths_that_lead_far traps short_chain long_chain "
           "nested another_kind large_ones").split()


def seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if run.returncode not in (0, 1, 2):
        sys.exit("salvage_hostile: exit status %d of %s" % (run.returncode, command))
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(options, kind, name, mib):
    data = getattr(Maker(kind, int(mib * (1 << 20)), random.Random(1)), name)()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "hostile.fls"
        path.write_bytes(data)
        command = [options.flatstream, "salvage", path, "-o", "-"]
        if not options.auto:
            command += ["--checksum", kind]
        return statistics.median(seconds(command) for _ in range(options.runs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("flatstream")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--mib", nargs=2, type=float, default=[8, 64])
    parser.add_argument("--kind", action="append", choices=list(CALCULATE))
    parser.add_argument("--auto", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_intermixed_args()
    worst = 0
    for kind in options.kind or list(CALCULATE):
        for name in options.names or STREAMS:
            if name == "another_kind" and len(CALCULATE) < 2:
                continue
            short, long = (measure(options, kind, name, mib) for mib in options.mib)
            times = long / max(short, 0.05)
            worst = max(worst, times)
            print("%-5s %-22s %6.2f s %7.2f s, %4.1f times" % (kind, name, short, long, times),
                  flush=True)
    sys.exit(1 if worst > 10 * options.mib[1] / options.mib[0] / 8 else 0)


if __name__ == "__main__":
    main()
