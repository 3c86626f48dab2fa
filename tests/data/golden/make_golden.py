#!/usr/bin/env python3
"""Makes the golden vectors: what the wire format says, written without flatstream.

The checksums come from elsewhere: CRC-32 from zlib, CRC-16/XMODEM from binascii.crc_hqx, XXH3-64
from the xxhsum command. tests/golden_test.c compares the library with what is written here.

    make_golden.py            writes the files beside this script
    make_golden.py --check    compares them with what would be written; exit status 1 on a difference

Files:
    <kind>.fls       the frames of the small sizes, one after another
    golden.tsv       kind, payload size, header bytes in hex, SHA-256 of the whole frame; and under
                     the size "all": the stream of all sizes in order, its length in place of the
                     header, its SHA-256
    known.tsv        kind, text, checksum value in hex
"""
import binascii
import hashlib
import pathlib
import re
import struct
import subprocess
import sys
import zlib

HERE = pathlib.Path(__file__).resolve().parent
SMALL = [0, 1, 3, 4, 7, 8, 1000]
LARGE = [65535, 65536, 65537, 1 << 20]
KNOWN_TEXTS = [b"123456789", b"abc", b""]


def payload(size):
    """Byte i is (i * 131 + size * 7 + (i >> 8)) mod 256."""
    return bytes((i * 131 + size * 7 + (i >> 8)) & 0xFF for i in range(size))


def xxh3(data):
    run = subprocess.run(["xxhsum", "-H3"], input=data, stdout=subprocess.PIPE, check=True)
    return int(re.search(rb"(?<![0-9a-f])[0-9a-f]{16}(?![0-9a-f])", run.stdout).group(), 16)


# kind: (width on the wire in bytes, function)
KINDS = {
    "none": (0, lambda data: 0),
    "crc16": (2, lambda data: binascii.crc_hqx(data, 0)),
    "crc32": (4, zlib.crc32),
    "xxh3": (8, xxh3),
}


def header(kind, data):
    width, function = KINDS[kind]
    return struct.pack("<I", len(data)) + function(data).to_bytes(width, "little")


def make():
    """Returns {file name: bytes}."""
    files = {}
    manifest = ["# kind\tsize\theader\tsha256"]
    known = ["# kind\ttext\tvalue"]
    for kind, (width, function) in KINDS.items():
        stream = b""
        for size in SMALL + LARGE:
            data = payload(size)
            head = header(kind, data)
            manifest.append(f"{kind}\t{size}\t{head.hex()}\t{hashlib.sha256(head + data).hexdigest()}")
            stream += head + data
            if size == SMALL[-1]:
                files[f"{kind}.fls"] = stream
        manifest.append(f"{kind}\tall\t{len(stream)}\t{hashlib.sha256(stream).hexdigest()}")
        for text in KNOWN_TEXTS:
            known.append(f"{kind}\t{text.decode()}\t{function(text):0{max(width * 2, 1)}x}")
    files["golden.tsv"] = ("\n".join(manifest) + "\n").encode()
    files["known.tsv"] = ("\n".join(known) + "\n").encode()
    return files


def main():
    files = make()
    if sys.argv[1:] == ["--check"]:
        different = [n for n, b in files.items() if (HERE / n).read_bytes() != b]
        if different:
            sys.exit(f"not as committed: {', '.join(different)}")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        for name, content in files.items():
            (HERE / name).write_bytes(content)


if __name__ == "__main__":
    main()
