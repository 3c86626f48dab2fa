"""The results as Markdown tables and as SVG plots."""
import os
import platform
import re
import time
from xml.sax.saxutils import escape


def size_name(size):
    if size >= 1 << 20:
        return f"{size >> 20} MiB"
    return f"{size >> 10} KiB" if size >= 1024 and size % 1024 == 0 else f"{size} B"


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def calls(value):
    """A dash: none, or not counted."""
    return "-" if value == 0 else f"{value:.2g}" if value < 1 else f"{value:.0f}"


def cell(group, results, row, size):
    mine = results[row][size]
    rows = list(results)
    if group.kind == "handover":
        return " / ".join(number(mine[key]) for key in ("median", "ns", "p999"))
    if group.kind == "layers":
        base = next((other for other in rows if other.title == row.base), None)
        added = mine["ns"] - results[base][size]["ns"] if base else 0
        sign = "+" if added >= 0 else ""
        return number(mine["ns"]) + (f" ({sign}{number(added)})" if base else "")
    if group.kind == "disk":
        speed = size / mine["ns"]
        times = results[rows[0]][size]["ns"] / mine["ns"]
        return f"{speed:.2f}" + (f" ({times:.2f})" if row != rows[0] else "")
    if row == rows[0]:
        return number(mine["ns"])
    return f"{number(mine['ns'])} ({mine['ns'] / results[rows[0]][size]['ns']:.2f})"


# Said once, before a kind's first table.
NOTES = {
    "read": "Peers with a format of their own read what they wrote; all others read this library's "
            "files.",
    "pipe": "End to end: from the opening of the pipe until the reader has the last message. CPU "
            "is that of both ends.",
    "layers": "In brackets what a step adds to the one before it, an endpoint to the writer into "
              "memory.",
    "handover": "At the producer: median / mean / 99.9 % of single calls (the clock's cost, some "
                "20 ns, is in the last).",
    "disk": "GB/s (10^9 bytes of payload), fdatasync at the end included; in brackets how many "
            "times the first row's. CPU is seconds a GiB: user + system. What the kernel's own "
            "threads do, which write the page cache back, is not in it.",
    "durable": "To a file on a disk; the calls of the journal are its syncs. Three rounds.",
}


def disk_cpu(one, size):
    gibi = (1 << 30) / size / 1e9
    return f"{one['user'] * gibi:.2f} + {(one['cpu'] - one['user']) * gibi:.2f}"


def disk_table(group, results):
    """A kind of its own: rates, and CPU at each size."""
    sizes = group.sizes
    titles = [f"disk: {group.title}", *(f"{size_name(size)}, GB/s" for size in sizes),
              *(f"CPU at {size_name(size)}" for size in sizes), "spread"]
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " ---: |" * (len(titles) - 1)]
    for row, by_size in results.items():
        cells = [cell(group, results, row, size) for size in sizes]
        cells += [disk_cpu(by_size[size], size) for size in sizes]
        cells.append(f"{max(one['spread'] for one in by_size.values()) * 100:.0f} %")
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def table(group, results):
    """One group. results: {row: {size: summary}}"""
    if group.kind == "disk":
        return disk_table(group, results)
    size = group.sizes[0]
    first = size_name(size)
    paced = group.kind == "handover"  # its CPU is mostly waiting, and nobody counts its calls
    extra = ["spread"] if paced else [f"CPU at {first}", f"calls at {first}", "spread"]
    titles = [f"{group.kind}: {group.title}", *map(size_name, group.sizes), *extra]
    lines = ["| " + " | ".join(titles) + " |", "| --- |" + " ---: |" * (len(titles) - 1)]
    for row, by_size in results.items():
        cells = [cell(group, results, row, size) for size in group.sizes]
        if not paced:
            cells += [number(by_size[size]["cpu"]), calls(by_size[size]["calls"])]
        cells.append(f"{max(one['spread'] for one in by_size.values()) * 100:.0f} %")
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) >> 20
    return (f"{model}, {os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}, "
            f"{time.strftime('%Y-%m-%d')}")


# One colour a contestant, the same in every plot.
COLOURS = {"raw": "#9a9a9a", "fstrm": "#f28e2b", "capnp": "#59a14f", "protobuf": "#b07aa1",
           "build_google": "#f28e2b", "build_flatcc": "#59a14f"}
OURS, STRANGER = "#2f6db3", "#c9524f"
BAR, GAP, WIDTH, LETTER = 17, 34, 430, 6.7


def colour(row):
    return STRANGER if "/" in row.program else COLOURS.get(row.program, OURS)


def text(x, y, words, *attributes):
    more = "".join(" " + attribute for attribute in attributes)
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(words)}</text>'


def block(size, results, key, left, y):
    """The bars of one size, each scaled to the longest."""
    longest = max(by_size[size][key] for by_size in results.values())
    out = [text(10, y + 12, size_name(size), 'font-weight="bold"')]
    for row, by_size in results.items():
        y += BAR
        value = by_size[size][key]
        length = max(1, value / longest * WIDTH)
        out += [text(left - 8, y + 12, row.title, 'text-anchor="end"'),
                f'<rect x="{left}" y="{y + 2}" width="{length:.1f}" height="{BAR - 4}" '
                f'fill="{colour(row)}"/>', text(left + length + 6, y + 12, number(value))]
    return out


def plot(group, results, folder):
    """Horizontal bars of ns a message; of a hand-over, its median."""
    key = "median" if group.kind == "handover" else "ns"
    left = round(max(len(row.title) for row in results) * LETTER) + 28
    height = 40 + len(group.sizes) * ((len(results)) * BAR + GAP)
    width = left + WIDTH + 90
    title = f"{group.kind}: {group.title}"
    what = ("median " if key == "median" else "") + "ns a message; shorter is better"
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           text(10, 22, title, 'font-size="15"'),
           text(width - 10, 22, what, 'text-anchor="end"', 'fill="#666"')]
    y = 40
    for size in group.sizes:
        out += block(size, results, key, left, y)
        y += len(results) * BAR + GAP
    out.append("</svg>")
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") + ".svg"
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")
