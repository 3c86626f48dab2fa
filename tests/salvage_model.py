#!/usr/bin/env python3
"""A model of salvage, written from the rules in docs/format.md (section 9) and not from flatstream:
simple, and as slow as the square of the stream where the rules allow it.

    salvage_model.py DRIVER [--full] [--kind KIND]...

DRIVER is tests/salvage_driver.c. A stream of 100 mixed messages is truncated at every length, and
every byte of it is overwritten (--full; otherwise a fixed sample of both); streams are damaged in
several places at random; and what is no stream at all is salvaged. Each time the driver's
fls_salvage_memory, fls_salvage_fd and fls_recover_scan must say exactly what the model says.
"""
import argparse
import binascii
import concurrent.futures
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "data"))
import model as reading  # noqa: E402  the model of reading and recovery

try:
    import xxhash

    def xxh3(data):
        return xxhash.xxh3_64_intdigest(data)
except ImportError:  # another Python than Debian's; slow, so the results are kept
    KEPT = {}

    def xxh3(data):
        if data not in KEPT:
            run = subprocess.run(["xxhsum", "-H3"], input=data, stdout=subprocess.PIPE, check=True)
            found = re.search(rb"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", run.stdout)
            KEPT[data] = int(found.group(), 16)
        return KEPT[data]


reading.CALCULATE["xxh3"] = xxh3


def sum8(data):
    return sum(data) & 0xFF


# kind: (width, function, does the test use the verifier with it?)
KINDS = {
    "none": (0, lambda data: 0, True),
    "crc16": (2, lambda data: binascii.crc_hqx(data, 0), True),
    "crc32": (4, zlib.crc32, False),
    "xxh3": (8, xxh3, False),
    "crc32+verifier": (4, zlib.crc32, True),
    "custom8": (1, sum8, True),
}
LIMIT = 1 << 31
BOUNDS = (0xFFF, 0xFFFF, 0xFFFFFF)


def verifier(payload):
    """What the driver's verifier accepts: the first byte says the length modulo 251."""
    return len(payload) > 0 and payload[0] == len(payload) % 251


class Salvage:
    """messages: (offset, length, payload); regions: (offset, bytes, mended, frame, status)."""

    def __init__(self, kind, stream, small=0xFFF, close=0xFFFF, wide=0xFFFFFF):
        self.width, self.function, self.verified = KINDS[kind]
        self.is_xxh3 = kind == "xxh3"
        self.s, self.end = stream, len(stream)
        self.header = 4 + self.width
        self.small, self.close, self.wide = small, close, wide
        self.middle = min(32 * close, wide)
        self.messages, self.regions = [], []
        self.walk()

    # --- the terms ---
    def length(self, o):
        return int.from_bytes(self.s[o : o + 4], "little")

    def stored(self, o):
        return int.from_bytes(self.s[o + 4 : o + self.header], "little")

    def next(self, o):
        return o + self.header + self.length(o)

    def plausible(self, o):
        return o + self.header <= self.end and self.length(o) <= LIMIT and self.next(o) <= self.end

    def zeros(self, o):
        """An empty frame of zero bytes proves nothing."""
        return self.s[o : o + self.header] == bytes(self.header)

    def proven(self, o):
        if not self.plausible(o) or self.zeros(o):
            return False
        payload = self.s[o + self.header : self.next(o)]
        if self.function(payload) != self.stored(o):
            return False
        return not self.verified or verifier(payload)

    def clear(self, o):
        """Under xxh3 a checksum with many zero bytes does not count where frames are looked for."""
        return self.proven(o) and not (self.is_xxh3 and self.s[o + 4 : o + 12].count(0) >= 5)

    def hops(self, o, longest):
        """Three plausible headers from o on, as far as the end."""
        for _ in range(3):
            if o == self.end:
                return True
            if not self.plausible(o) or self.length(o) > longest:
                return False
            o = self.next(o)
        return True

    def surely_hops(self, o):
        """And the end is reached, or a frame of at most W among them is proven, or none is so small."""
        frames = []
        while len(frames) < 3:
            if o == self.end:
                return True
            if not self.plausible(o):
                return False
            frames.append(o)
            o = self.next(o)
        small = [f for f in frames if self.length(f) <= self.wide]
        return o == self.end or not small or any(map(self.proven, small))

    def leads(self, o):
        return o == self.end or self.proven(o)

    def clear_within(self, o, shortest, longest, end):
        """A clear frame at o, of such a length, that ends at end or before."""
        return (self.plausible(o) and shortest <= self.length(o) <= longest and self.next(o) <= end
                and self.clear(o))

    def hops_within(self, o, end):
        """Three plausible headers from o on, or up to the end, none over W or leading beyond it."""
        for _ in range(3):
            if o == end:
                return True
            if not self.plausible(o) or self.length(o) > self.wide or self.next(o) > end:
                return False
            o = self.next(o)
        return True

    def holds_frames(self, start, end):
        return any(self.clear_within(o, 0, self.close, end) for o in range(start, end)) or any(
            self.clear_within(o, self.close + 1, self.wide, end)
            and self.hops_within(self.next(o), end) for o in range(start, end))

    def last_holds(self):
        """Does the message delivered last hold frames?"""
        if not self.messages:
            return False
        offset, length, _ = self.messages[-1]
        return self.holds_frames(offset + self.header, offset + self.header + length)

    def doubtful(self, p):
        return self.holds_frames(p + self.header, self.next(p)) and not self.last_holds()

    def in_step(self, o, longest):
        return (self.plausible(o) and self.length(o) <= longest
                and self.hops(self.next(o), self.wide) and self.clear(o))

    def find_in_step(self, start, stop, longest):
        return next((o for o in range(start, stop) if self.in_step(o, longest)), stop)

    def step(self, start):
        """The first frame in step from start on, a smaller one if there is one not too far."""
        for longest in (self.close, self.middle):
            stop = min(self.end, start + 16 * longest)
            found = self.find_in_step(start, stop, longest)
            if found < stop:
                return found
        return self.find_in_step(start, self.end, self.wide)

    def find(self, start, said):
        """Where the first frame from start on begins, behind damage."""
        found = self.step(start)

        def is_open():
            return (found - start > self.close
                    and (said is None or abs(found - said) > self.small))

        def first(candidates, shortest, longest, followed):
            return next((o for o in candidates if self.clear_within(o, shortest, longest, found)
                         and (not followed or self.followed(o, longest))), found)

        found = first(range(start, found), 0, self.close, False)
        if is_open() and said is not None:
            near = range(max(start, said - self.small), min(found, said + self.small + 1))
            found = first(near, self.close + 1, self.wide, True)
        if is_open() and said is not None:
            near = range(max(start, said - self.small), min(found, said + self.small + 1))
            found = first(near, self.wide + 1, LIMIT, True)
        if found - start > self.close:
            found = first(range(start, found), self.close + 1, self.wide, True)
        if is_open():
            found = first(range(start, found), self.close + 1,
                          min(self.wide, 16 * (self.close + 1)), False)
        return found

    def followed(self, o, longest):
        """Does a plausible header of such a length, or the end, follow the frame at o?"""
        end = self.next(o)
        if end != self.end and not (self.plausible(end) and self.length(end) <= longest):
            return False
        return self.length(o) <= self.wide or self.surely_hops(end)

    # --- the walk ---
    def in_order(self, o):
        if not self.plausible(o):
            return False
        if self.zeros(o) and self.function(b"") == 0:
            before, behind = self.s[:o], self.s[o:]
            zeros = len(before) - len(before.rstrip(b"\0")) + len(behind) - len(behind.lstrip(b"\0"))
            if zeros >= 512 or (self.verified and not verifier(b"")):
                return False
            while self.plausible(o) and self.zeros(o):
                o += self.header
            return o != self.end and self.leads(o)
        return self.proven(o)

    def status(self, o):
        """What a reader says; or why not, where it would not object."""
        if self.end - o < self.header:
            return "unexpected_end"
        if self.length(o) > LIMIT:
            return "invalid_frame"
        if not self.plausible(o):
            return "unexpected_end"
        if self.zeros(o) and self.function(b"") == 0:
            return "invalid_frame"
        payload = self.s[o + self.header : self.next(o)]
        return "checksum_mismatch" if self.function(payload) != self.stored(o) else "validation_failed"

    def mended(self, o, end):
        """Is the message at o, which ends at end then, whole but for its length?"""
        start = o + self.header
        if self.width < 4 or not start <= end <= start + min(self.wide, LIMIT):
            return False
        payload = self.s[start:end]
        return ((payload or self.stored(o)) and self.function(payload) == self.stored(o)
                and self.leads(end) and (not self.verified or verifier(payload)))

    def torn(self, o):
        """Is the message at o torn, though a frame may have been found behind o?"""
        if o + self.header > self.end:
            return False
        return (self.next(o) > self.end and self.length(o) <= min(self.close, LIMIT)
                and self.last_holds())

    def walk(self):
        o, lost_from, status = 0, None, None
        while True:
            good = o < self.end and self.in_order(o)
            end, mended = o, None
            if o < self.end and not good:
                leads = self.plausible(o) and self.leads(self.next(o))
                if leads and not self.doubtful(o):
                    end = self.next(o)
                else:
                    heeded = self.plausible(o) and not leads
                    end = self.find(o + 1, self.next(o) if heeded else None)
                    if self.mended(o, end):
                        mended = end
                    elif self.torn(o):
                        end = self.end
            if lost_from is not None and (good or mended or o == self.end):
                self.regions.append((lost_from, o - lost_from, 0, len(self.messages), status))
                lost_from = None
            if o == self.end:
                return
            if mended:
                self.regions.append((o, 4, 1, len(self.messages), self.status(o)))
            if good or mended:
                end = mended or self.next(o)
                self.messages.append((o, end - o - self.header, self.s[o + self.header : end]))
            elif lost_from is None:
                lost_from, status = o, self.status(o)
            o = end

    def lines(self):
        yield "messages %d" % len(self.messages)
        for offset, length, payload in self.messages:
            yield "m %d %d %d" % (offset, length, zlib.crc32(payload))
        for offset, count, mended, frame, status in self.regions:
            yield "r %d %d %d %d %s" % (offset, count, mended, frame, status)


# --- streams to damage ---------------------------------------------------------------------------


def frame(kind, payload):
    width, function, _ = KINDS[kind]
    return struct.pack("<I", len(payload)) + function(payload).to_bytes(width, "little") + payload


def message(rng, size, fill=None):
    """Accepted by the verifier; much like a FlatBuffer: small numbers and zeros between others."""
    if size == 0:
        return b""
    body = bytearray()
    while len(body) < size:
        body += rng.choice((bytes(2), struct.pack("<I", rng.randrange(200)), rng.randbytes(3)))
    if fill is not None:
        body[8 : 8 + len(fill)] = fill
    body[0] = size % 251
    return bytes(body[:size])


def mixed_stream(kind, seed=1):
    """100 messages: empty ones, tiny ones, one of 5,000 bytes, streams inside messages, and equal
    ones whose frames have a power of two of bytes, so that a changed length leads to a boundary."""
    rng = random.Random(seed)
    header = 4 + KINDS[kind][0]
    inner = b"".join(frame(kind, message(rng, n)) for n in (9, 30, 1, 17))
    parts = []
    for i in range(100):
        if i % 25 == 10:
            parts.append(message(rng, 40 + len(inner), inner))
        elif 40 <= i < 48:
            parts.append(message(rng, 64 - header))
        elif i == 70:
            parts.append(message(rng, 5000))
        elif i == 71:
            parts.append(message(rng, 600, inner))
        elif i == 72:
            parts.append(message(rng, 8 + len(inner), inner))
        else:
            parts.append(message(rng, rng.choice((0, 1, 7, 7, 20, 64, 64, 300))))
    parts[-1] = message(rng, 33)
    return b"".join(frame(kind, part) for part in parts)


def cases(kind, full):
    """(what, stream, the bounds S, C and W)"""
    stream = mixed_stream(kind)
    rng = random.Random(kind)
    # A sample begins elsewhere for each kind; the steps are primes, so that it meets every field.
    first = list(KINDS).index(kind)
    for n in range(0, len(stream) + 1) if full else range(23 * first, len(stream) + 1, 149):
        yield "cut %d" % n, stream[:n], BOUNDS
    for n in range(0, len(stream)) if full else range(11 * first, len(stream), 67):
        values = {0, 0xFF, rng.randrange(256)} if full else {rng.choice((0, 0xFF, rng.randrange(256)))}
        for value in sorted(values):
            yield "byte %d is %d" % (n, value), stream[:n] + bytes([value]) + stream[n + 1 :], BOUNDS
    if kind == "xxh3":  # a frame that is proven, but not clear: in order, and behind damage
        strange = frame(kind, struct.pack("<Q", 0x1009DCDD3B))
        assert strange[4:12].count(0) == 5
        for before in (b"", frame(kind, b"before")):
            yield "strange", before + strange + frame(kind, b"behind"), BOUNDS
            yield "strange behind damage", before + b"?" * 30 + strange * 2 + before, BOUNDS
    for n in range(20000 if full else 600):
        yield ("random %d" % n,) + random_case(kind, random.Random(n))


def random_case(kind, rng):
    """A short stream, bounds so small that every rule is met, several places damaged."""
    header = 4 + KINDS[kind][0]
    inner = b"".join(frame(kind, message(rng, rng.choice((1, 5, 60)))) for _ in range(rng.randrange(4)))
    data, starts = bytearray(), []
    for _ in range(rng.randrange(1, 16)):
        size = rng.choice((0, 1, 5, 20, 60, 64 - header, 130, 250, 400))
        starts.append(len(data))
        data += frame(kind, message(rng, size, inner if size > len(inner) + 9 else None))
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = rng.randrange(max(len(data), 1))
        how = rng.randrange(9)
        if how == 0:
            data[at : at + 1] = rng.randbytes(1)
        elif how == 1:
            data[at : at + 1] = bytes(b ^ 1 << rng.randrange(8) for b in data[at : at + 1])
        elif how == 2:
            count = min(rng.choice((4, 16, 64)), len(data) - at)
            data[at : at + count] = bytes(count)
        elif how == 3:
            data[at:at] = rng.randbytes(rng.randrange(1, 20))
        elif how == 4:
            del data[at : at + rng.randrange(1, 20)]
        elif how == 5:
            del data[at + 1 :]
        elif how == 6:  # a length that leads onto another frame, or nearly
            at, to = sorted((rng.choice(starts), rng.choice(starts + [len(data)])))
            length = max(to - at - header + rng.choice((0, 0, 0, 1, -3)), 0)
            data[at : at + 4] = struct.pack("<I", length)
            hit = at + rng.randrange(4, 12)
            data[hit : hit + 1] = b"?"
        elif how == 7:  # a header
            at, count = rng.choice(starts), rng.randrange(1, header + 3)
            data[at : at + count] = rng.randbytes(count)
        else:
            data += bytes(rng.randrange(1, 60))
    bounds = sorted((rng.choice((5, 20, 50, 0xFFF)), rng.choice((10, 50, 100, 300, 0xFFFF)),
                     rng.choice((100, 200, 0xFFFFFF))))
    return bytes(data), tuple(bounds)


# --- beside the driver ---------------------------------------------------------------------------


class Driver:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, kind, stream, bounds):
        out = self.process.stdin
        out.write(b"%s %d %d %d %d\n" % (kind.encode(), *bounds, len(stream)))
        out.write(stream)
        out.flush()
        lines = []
        while True:
            line = self.process.stdout.readline().decode().rstrip("\n")
            if line == "end":
                return lines
            if not line:
                sys.exit("salvage_model: the driver ended")
            lines.append(line)


def recovered(kind, stream):
    frames, good, tail, payload, end = reading.scan(kind, stream)[:5]
    return "recover %d %d %d %d %s" % (frames, good, tail, payload, end)


def agree(model_line, line):
    return model_line == line or (model_line.endswith(" None") and line.startswith(model_line[:-4]))


def check(driver, kind, what, stream, bounds):
    said = driver.ask(kind, stream, bounds)
    expected = list(Salvage(kind, stream, *bounds).lines())
    if kind in reading.WIDTH:
        expected.append(recovered(kind, stream))
    if len(said) == len(expected) and all(map(agree, expected, said)):
        return
    with tempfile.NamedTemporaryFile(delete=False, suffix=".fls") as file:
        file.write(stream)
    for model_line, line in zip(expected + ["-"] * len(said), said + ["-"] * len(expected)):
        if not agree(model_line, line) and (model_line, line) != ("-", "-"):
            print("  model: %-40s flatstream: %s" % (model_line, line), file=sys.stderr)
    sys.exit("salvage_model: %s, %s, S, C, W %s: they differ; the stream is %s"
             % (kind, what, bounds, file.name))


def check_kind(path, kind, full):
    driver = Driver(path)
    count = 0
    for what, stream, bounds in cases(kind, full):
        check(driver, kind, what, stream, bounds)
        count += 1
    return "salvage_model: %s: %d cases agree" % (kind, count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--kind", action="append")
    options = parser.parse_args()
    kinds = options.kind or list(KINDS)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for line in pool.map(check_kind, [options.driver] * len(kinds), kinds,
                             [options.full] * len(kinds)):
            print(line)


if __name__ == "__main__":
    main()
