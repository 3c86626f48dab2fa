"""What is measured: groups of rows, each row a contestant in one of its modes."""
from typing import NamedTuple, Optional, Tuple


class Row(NamedTuple):
    """One line of a table. A program without a slash is one of this build's contestants."""
    title: str
    program: str
    mode: str
    read: Optional[str] = None  # pipe: the reader's mode
    file: Optional[Tuple[str, str]] = None  # read: who writes the file, if not this library
    base: Optional[str] = None  # layers: the title of the row that this one adds to
    where: str = "file"  # where it writes to: file, pipe, socket; or file-read; data: tests/data


class Group(NamedTuple):
    """One table. The first row is what the others are compared with."""
    kind: str
    title: str
    rows: Tuple[Row, ...]
    sizes: Tuple[int, ...]


STREAM_SIZES = (64, 256, 1024, 16 << 10, 1 << 20)
PIPE_SIZES = (64, 1024, 16 << 10, 1 << 20)
LAYER_SIZES = (64, 1024, 16 << 10, 1 << 20)
COPY_SIZES = (256, 1024, 2048, 4096, 8192, 16 << 10)
HANDOVER_SIZES = (64, 256, 1024, 16 << 10)
DISK_SIZES = (64 << 10,)
BLOB_SIZES = (4 << 10, 64 << 10, 1 << 20, 16 << 20)

FSTRM = ("fstrm", "buffered-256k")
CAPNP = ("capnp", "buffered-256k")
PROTOBUF = ("protobuf", "delimited-256k")


def write(title, *rows):
    return Group("write", title, rows, STREAM_SIZES)


def read(title, *rows):
    return Group("read", title, rows, STREAM_SIZES)


WRITE = (
    write("plain, buffered",
          Row("raw copy into 256 KiB, write", "raw", "copy"),
          Row("flatstream batched", "flatstream", "batched"),
          Row("flatstream batched, written behind", "flatstream", "behind"),
          Row("fstrm", "fstrm", "buffered"),
          Row("fstrm, 256 KiB stdio buffer", "fstrm", "buffered-256k"),
          Row("Cap'n Proto", "capnp", "buffered"),
          Row("Cap'n Proto, 256 KiB buffer", "capnp", "buffered-256k"),
          Row("Cap'n Proto, 256 KiB, by reference", "capnp", "reference-256k"),
          Row("protobuf delimited", "protobuf", "delimited"),
          Row("protobuf delimited, 256 KiB blocks", "protobuf", "delimited-256k")),
    write("xxh3, buffered",
          Row("raw copy with XXH3", "raw", "copy-xxh3"),
          Row("flatstream batched, xxh3", "flatstream", "batched-xxh3"),
          Row("flatstream batched, written behind, xxh3", "flatstream", "behind-xxh3")),
    write("crc32, buffered",
          Row("raw copy with CRC-32", "raw", "copy-crc32"),
          Row("flatstream batched, crc32", "flatstream", "batched-crc32"),
          Row("flatstream batched, written behind, crc32", "flatstream", "behind-crc32")),
    write("a message at a time",
          Row("raw writev", "raw", "writev"),
          Row("raw two writes", "raw", "two"),
          Row("flatstream vectored", "flatstream", "vectored"),
          Row("flatstream simple", "flatstream", "simple")),
    write("100 messages a call",
          Row("raw writev of 100 by reference", "raw", "gather"),
          Row("flatstream write_batch", "flatstream", "batch100"),
          Row("fstrm writev", "fstrm", "batch100")),
    Group("write", "100 messages a call, copied or by reference", (
        Row("every payload copied", "flatstream", "copy100"),
        Row("every payload by reference", "flatstream", "gather100"),
    ), COPY_SIZES),
)
READ = (
    read("plain",
         Row("raw parse of a 256 KiB buffer", "raw", "parse"),
         Row("flatstream next", "flatstream", "next"),
         Row("flatstream next_batch", "flatstream", "batch"),
         Row("flatstream next_batch, read ahead", "flatstream", "ahead"),
         Row("flatstream next_batch, mapped", "flatstream", "mmap"),
         Row("flatstream next, aligned to 8", "flatstream", "aligned"),
         Row("fstrm", "fstrm", "buffered", file=FSTRM),
         Row("fstrm, 256 KiB stdio buffer", "fstrm", "buffered-256k", file=FSTRM),
         Row("Cap'n Proto", "capnp", "buffered", file=CAPNP),
         Row("Cap'n Proto, 256 KiB buffer", "capnp", "buffered-256k", file=CAPNP),
         Row("protobuf delimited", "protobuf", "delimited", file=PROTOBUF),
         Row("protobuf delimited, 256 KiB blocks", "protobuf", "delimited-256k", file=PROTOBUF)),
    read("plain, mapped",
         Row("raw mmap", "raw", "mmap"),
         Row("flatstream mmap", "flatstream", "mmap"),
         Row("Cap'n Proto mmap", "capnp", "mmap", file=CAPNP)),
    read("xxh3",
         Row("raw parse with XXH3", "raw", "parse-xxh3"),
         Row("flatstream next, xxh3", "flatstream", "next-xxh3"),
         Row("flatstream next_batch, xxh3", "flatstream", "batch-xxh3"),
         Row("flatstream next_batch, read ahead, xxh3", "flatstream", "ahead-xxh3"),
         Row("flatstream next_batch, mapped, xxh3", "flatstream", "mmap-xxh3")),
    read("crc32",
         Row("raw parse with CRC-32", "raw", "parse-crc32"),
         Row("flatstream next, crc32", "flatstream", "next-crc32"),
         Row("flatstream next_batch, read ahead, crc32", "flatstream", "ahead-crc32"),
         Row("flatstream next_batch, mapped, crc32", "flatstream", "mmap-crc32")),
)
PIPE = (
    Group("pipe", "writer to reader", (
        Row("raw copy, parse", "raw", "copy", read="parse"),
        Row("flatstream batched, next", "flatstream", "batched", read="next"),
        Row("flatstream vectored, next", "flatstream", "vectored", read="next"),
        Row("fstrm", "fstrm", "buffered", read="buffered"),
        Row("fstrm, 256 KiB stdio buffer", "fstrm", "buffered-256k", read="buffered-256k"),
        Row("Cap'n Proto", "capnp", "buffered", read="buffered"),
        Row("Cap'n Proto, 256 KiB buffer", "capnp", "buffered-256k", read="buffered-256k"),
        Row("Cap'n Proto, 256 KiB, by reference", "capnp", "reference-256k", read="buffered-256k"),
        Row("protobuf delimited", "protobuf", "delimited", read="delimited"),
        Row("protobuf delimited, 256 KiB blocks", "protobuf", "delimited-256k",
            read="delimited-256k"),
    ), PIPE_SIZES),
)
MEMORY = "+ batched writer into memory"
LAYERS = (
    Group("layers", "what each step adds, with xxh3", (
        Row("memcpy", "layers", "memcpy"),
        Row("+ checksum", "layers", "checksum", base="memcpy"),
        Row("+ header encoded", "layers", "encode", base="+ checksum"),
        Row(MEMORY, "layers", "memory", base="+ header encoded"),
        Row("... into a file", "layers", "file", base=MEMORY),
        Row("... into a pipe, drained", "layers", "file", base=MEMORY, where="pipe"),
        Row("... into a socket, drained", "layers", "file", base=MEMORY, where="socket"),
        Row("... into a file by io_uring", "layers", "uring", base=MEMORY),
        Row("read back over mmap, checked", "flatstream", "mmap-xxh3", where="file-read"),
    ), LAYER_SIZES),
)


def handover(title, suffix):
    return Group("handover", title, (
        Row("flatstream async, copied", "handover_flatstream", "handover" + suffix),
        Row("fstrm I/O thread, copied", "fstrm", "handover" + suffix),
        Row("flatstream async, by reference", "handover_flatstream", "handover-reference" + suffix),
        Row("fstrm I/O thread, by reference", "fstrm", "handover-reference" + suffix),
    ), HANDOVER_SIZES)


DISK = (
    Group("disk", "sustained recording, then fdatasync", (
        Row("raw copy into 256 KiB, write", "raw", "copy-synced"),
        Row("flatstream batched", "flatstream", "disk"),
        Row("flatstream by io_uring, O_DIRECT", "flatstream", "uring-direct"),
        Row("raw O_DIRECT, one write at a time", "raw", "direct"),
        Row("fstrm, 256 KiB stdio buffer", "fstrm", "buffered-256k-synced"),
        Row("Cap'n Proto, 256 KiB buffer", "capnp", "buffered-256k-synced"),
        Row("protobuf delimited, 256 KiB blocks", "protobuf", "delimited-256k-synced"),
    ), DISK_SIZES),
)
# Each message is on the device before its call returns.
DURABLE = (
    Group("durable", "each on the device before its call returns", (
        Row("raw write and fdatasync, one thread", "journal", "alone"),
        Row("journal, one thread", "journal", "each"),
        Row("journal, 8 threads", "journal", "group"),
    ), (256,)),
)
HANDOVER = (handover("as fast as it goes", ""), handover("paced", "-paced"))


def blobs(title, where):
    return Group("build", title, (
        Row("flatstream, vector by reference", "build_flatstream", "reference", where=where),
        Row("flatstream, vector copied", "build_flatstream", "copy", where=where),
        Row("Google's builder, then writev", "build_google", "copy", where=where),
        Row("flatcc, finalised, then writev", "build_flatcc", "copy", where=where),
    ), BLOB_SIZES)


BUILD = (
    blobs("to a file in memory, overwritten", "file"),
    blobs("through a pipe", "pipe"),
    blobs("through a loopback socket", "socket"),
    Group("build", "building alone", (
        Row("flatstream, vector by reference", "build_flatstream", "build-reference"),
        Row("flatstream, vector copied", "build_flatstream", "build-copy"),
        Row("Google's builder", "build_google", "build-copy"),
        Row("flatcc, finalised", "build_flatcc", "build-copy"),
    ), BLOB_SIZES),
    Group("build", "a small table, building alone", (
        Row("flatstream", "build_flatstream", "build-small"),
        Row("Google's builder", "build_google", "build-small"),
        Row("flatcc, finalised", "build_flatcc", "build-small"),
    ), (64,)),
    Group("build", "verifying a message by its schema", (
        Row("flatstream", "verify_flatstream", "build-verify", where="data"),
        Row("Google's reflective verifier", "verify_google", "build-verify", where="data"),
    ), (108, 1216)),
)
KINDS = ("write", "read", "pipe", "layers", "handover", "build", "disk", "durable")

# Where a contestant given by --contestant takes part: its modes (for a pipe, of both ends). One
# with a format of its own knows OWN alone, and reads what it has written itself.
OWN = "own"
JOINED = {
    ("write", "plain, buffered"): ("buffered", OWN),
    ("write", "xxh3, buffered"): ("buffered-xxh3",),
    ("write", "crc32, buffered"): ("crc32",),
    ("write", "a message at a time"): ("direct",),
    ("read", "plain"): ("buffered", OWN),
    ("read", "xxh3"): ("buffered-xxh3",),
    ("read", "crc32"): ("crc32",),
    ("pipe", "writer to reader"): ("buffered", OWN),
}


def joined_row(name, path, mode):
    if mode == OWN:
        return Row(f"{name}, its own format", path, OWN, read=OWN, file=(path, OWN))
    return Row(f"{name} {mode}", path, mode, read=mode)


def all_groups(contestants):
    """Every group; contestants: (name, path) of those that were given."""
    for group in WRITE + READ + PIPE + LAYERS + HANDOVER + BUILD + DISK + DURABLE:
        modes = JOINED.get((group.kind, group.title), ())
        joined = tuple(joined_row(name, path, mode) for name, path in contestants for mode in modes)
        yield group._replace(rows=group.rows + joined)
