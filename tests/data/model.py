#!/usr/bin/env python3
"""A model of reading and recovery, written from the wire format and not from flatstream.

It damages a small stream of each kind of checksum in every way listed below, says what a scan must
report, and so makes the tables that tests/damage_test.c compares fls_recover_scan with.

    model.py            writes damage/<kind>.fls (the whole stream) and damage/<kind>.tsv
    model.py --check    compares them with what would be written; exit status 1 on a difference

Kinds of damage; N is a number of bytes, or of a bit (bit 0 is the lowest of the first byte):
    cut N        only the first N bytes are there
    flip N       bit N is inverted
    zeros N      N zero bytes follow the whole stream
    blank N      the bytes from N on are zero
    zeros-torn N, blank-torn N   the same, scanned with the flag by which a tail of zeros is torn

Columns: damage, first and last N with this result, intact frames, offset behind them, torn bytes,
payload bytes of the intact frames, end; then the error: its kind, the part of the frame, the
frame's index and offset, what was expected, what was found. "-" stands where nothing is said.
"""
import binascii
import functools
import pathlib
import re
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent / "damage"
SIZES = [5, 0, 100, 1, 8, 0]
LIMIT = 1 << 31
ZEROS_MAX = 40


def payload(size):
    return bytes((i * 131 + size * 7 + (i >> 8)) & 0xFF for i in range(size))


@functools.lru_cache(maxsize=None)
def xxh3(data):
    run = subprocess.run(["xxhsum", "-H3"], input=data, stdout=subprocess.PIPE, check=True)
    return int(re.search(rb"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", run.stdout).group(), 16)


WIDTH = {"none": 0, "crc16": 2, "crc32": 4, "xxh3": 8}
CALCULATE = {
    "none": lambda data: 0,
    "crc16": lambda data: binascii.crc_hqx(data, 0),
    "crc32": zlib.crc32,
    "xxh3": xxh3,
}


def frame(kind, data):
    checksum = CALCULATE[kind](data).to_bytes(WIDTH[kind], "little")
    return struct.pack("<I", len(data)) + checksum + data


def read_frame(kind, stream, at):
    """("end",), ("frame", length) or (error kind, part, expected, found)."""
    header = 4 + WIDTH[kind]
    there = len(stream) - at
    if there == 0:
        return ("end",)
    if there < header:
        return ("unexpected_end", "header", header, there)
    length = int.from_bytes(stream[at : at + 4], "little")
    if length > LIMIT:
        return ("invalid_frame", "header", LIMIT, length)
    if there - header < length:
        return ("unexpected_end", "payload", length, there - header)
    stored = int.from_bytes(stream[at + 4 : at + header], "little")
    calculated = CALCULATE[kind](stream[at + header : at + header + length])
    if stored != calculated:
        return ("checksum_mismatch", "payload", stored, calculated)
    return ("frame", length)


def scan(kind, stream):
    """The report: frames, good offset, torn bytes, payload bytes, end, and the error's six."""
    frames = at = payload_bytes = 0
    while True:
        outcome = read_frame(kind, stream, at)
        if outcome[0] == "end":
            return (frames, at, 0, payload_bytes, "clean") + ("-",) * 6
        if outcome[0] != "frame":
            break
        frames += 1
        at += 4 + WIDTH[kind] + outcome[1]
        payload_bytes += outcome[1]
    error, part, expected, found = outcome
    torn = error == "unexpected_end"
    tail = len(stream) - at if torn else 0
    end = "torn" if torn else "corrupt"
    return (frames, at, tail, payload_bytes, end, error, part, frames, at, expected, found)


def scan_zeros_torn(kind, stream):
    """As scan, but zero bytes from a frame's start to the end of the stream are a torn tail."""
    frames = at = payload_bytes = 0
    while True:
        if at < len(stream) and not any(stream[at:]):
            tail = len(stream) - at
            return (frames, at, tail, payload_bytes, "torn", "unexpected_end", "-", frames, at,
                    "-", tail)
        outcome = read_frame(kind, stream, at)
        if outcome[0] != "frame":
            return scan(kind, stream)
        frames += 1
        at += 4 + WIDTH[kind] + outcome[1]
        payload_bytes += outcome[1]


def flip(stream, bit):
    damaged = bytearray(stream)
    damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


def blank(stream, at):
    return stream[:at] + bytes(len(stream) - at)


def cases(stream):
    """(damage, scanner, count of N, function of N)"""
    size = len(stream)
    yield "cut", scan, size + 1, lambda n: stream[:n]
    yield "flip", scan, size * 8, lambda n: flip(stream, n)
    for name, scanner in (("", scan), ("-torn", scan_zeros_torn)):
        yield "zeros" + name, scanner, ZEROS_MAX, lambda n: stream + bytes(n)
        yield "blank" + name, scanner, size + 1, lambda n: blank(stream, n)


def table(kind, stream):
    rows = []
    for damage, scanner, count, function in cases(stream):
        for n in range(count):
            report = scanner(kind, function(n))
            if rows and rows[-1][0] == damage and rows[-1][3:] == report:
                rows[-1] = rows[-1][:2] + (n,) + report
            else:
                rows.append((damage, n, n) + report)
    head = "# damage\tfirst\tlast\tframes\tgood_offset\ttail_bytes\tpayload_bytes\tend"
    head += "\terror\tpart\tframe\toffset\texpected\tfound\n"
    return head + "".join("\t".join(map(str, row)) + "\n" for row in rows)


def main():
    files = {}
    for kind in WIDTH:
        stream = b"".join(frame(kind, payload(size)) for size in SIZES)
        files[f"{kind}.fls"] = stream
        files[f"{kind}.tsv"] = table(kind, stream).encode()
    if sys.argv[1:] == ["--check"]:
        different = [n for n, b in files.items() if (HERE / n).read_bytes() != b]
        if different:
            sys.exit(f"not as committed: {', '.join(different)}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        HERE.mkdir(exist_ok=True)
        for name, content in files.items():
            (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
