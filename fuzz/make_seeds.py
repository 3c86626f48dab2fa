#!/usr/bin/env python3
"""Makes the seed corpora fuzz/corpus/<target>/ of the framing targets.

The streams are put together here, from the format's rules, with Python's own CRCs and xxhsum for
XXH3: not by the library under test. Run it again after changing how a target reads its input.
"""
import binascii
import os
import random
import struct
import subprocess
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
NONE, CRC16, CRC32, XXH3 = range(4)


def xxh3(data):
    text = subprocess.run(["xxhsum", "-H3", "-"], input=data, capture_output=True, check=True).stdout
    return struct.pack("<Q", int(text.split()[-1], 16))  # "XXH3 (stdin) = <hexadecimal>"


def checksum(kind, data):
    if kind == CRC16:
        return struct.pack("<H", binascii.crc_hqx(data, 0))
    if kind == CRC32:
        return struct.pack("<I", zlib.crc32(data))
    return xxh3(data) if kind == XXH3 else b""


def frame(kind, data):
    return struct.pack("<I", len(data)) + checksum(kind, data) + data


def pattern(length):
    return bytes((i * 131 + length * 7) & 0xFF for i in range(length))


def streams(kind):
    """Named streams of this kind: whole, torn, damaged, zero-filled."""
    whole = b"".join(frame(kind, pattern(n)) for n in (5, 0, 64, 1, 300))
    yield "empty", b""
    yield "whole", whole
    yield "large", frame(kind, pattern(3)) + frame(kind, pattern(1500)) + frame(kind, pattern(9))
    yield "torn-header", whole + frame(kind, pattern(40))[:3]
    yield "torn-payload", whole + frame(kind, pattern(40))[:-7]
    yield "zeros", whole + bytes(50)
    yield "length", whole + struct.pack("<I", 0xFFFFFFF0) + bytes(20)
    damaged = bytearray(whole)
    damaged[4 + len(checksum(kind, b"")) + 2] ^= 0x10
    yield "damaged", bytes(damaged)


def put(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def main():
    chance = random.Random(1)
    names = ("none", "crc16", "crc32", "xxh3")
    for kind in range(4):
        for name, stream in streams(kind):
            label = f"{names[kind]}-{name}"
            put("recover_fuzz", label, bytes([kind]) + stream)
            put("frame_codec_fuzz", label, bytes([kind]) + struct.pack("<H", 4000) + stream)
            for variant in range(2):
                script = bytes(chance.randrange(256) for _ in range(24))
                fixed = chance.randrange(16) | 1
                head = struct.pack("<BBBHH", kind, fixed, chance.randrange(4), 4000,
                                   (8, 590)[variant])
                put("reader_fuzz", f"{label}-{variant}", head + script + stream)
    for number in range(24):
        put("round_trip_fuzz", f"choices-{number}",
            bytes(chance.randrange(256) for _ in range(40 + 25 * number)))


if __name__ == "__main__":
    main()
