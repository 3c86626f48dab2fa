#!/usr/bin/env python3
"""Finds where the features of FlatGeobuf files begin, from the format's published layout:

    8 bytes     magic: "fgb", major version 3, "fgb", patch level
    header      a FlatBuffer behind its own size (4 bytes, little-endian)
    index       a packed R-tree: 40 bytes a node, levels of ceil(n / node size) nodes down to one;
                none when the node size or the number of features is 0
    features    FlatBuffers, each behind its own size

Prints a table: file, offset of the first feature, features. It walks the features to the end of
the file and fails unless they are as many as the header says.

    layout.py FILE...
"""
import pathlib
import struct
import sys

# Fields of the table Header, by their number in its published schema.
FEATURES_COUNT, INDEX_NODE_SIZE = 8, 9


def scalar(buffer, field, code, default):
    """A scalar field of the root table."""
    (table,) = struct.unpack_from("<I", buffer, 0)
    (back,) = struct.unpack_from("<i", buffer, table)
    vtable = table - back
    (vtable_bytes,) = struct.unpack_from("<H", buffer, vtable)
    entry = 4 + 2 * field
    if entry >= vtable_bytes:
        return default
    (at,) = struct.unpack_from("<H", buffer, vtable + entry)
    return struct.unpack_from(code, buffer, table + at)[0] if at else default


def index_bytes(features, node_size):
    if node_size == 0 or features == 0:
        return 0
    level = nodes = features
    while level != 1:
        level = -(-level // node_size)
        nodes += level
    return nodes * 40


def layout(path):
    data = path.read_bytes()
    if data[:3] != b"fgb" or data[3] != 3 or data[4:7] != b"fgb":
        sys.exit(f"{path}: not FlatGeobuf 3")
    (header_bytes,) = struct.unpack_from("<I", data, 8)
    header = data[12 : 12 + header_bytes]
    features = scalar(header, FEATURES_COUNT, "<Q", 0)
    offset = 12 + header_bytes + index_bytes(features, scalar(header, INDEX_NODE_SIZE, "<H", 16))
    at, found = offset, 0
    while at < len(data):
        at += 4 + struct.unpack_from("<I", data, at)[0]
        found += 1
    if at != len(data) or found != features:
        sys.exit(f"{path}: {found} features up to {at}, not {features} up to {len(data)}")
    return offset, features


def main():
    print("# file\tfeatures_offset\tfeatures")
    for name in sys.argv[1:]:
        print(pathlib.Path(name).name, *layout(pathlib.Path(name)), sep="\t")


if __name__ == "__main__":
    main()
