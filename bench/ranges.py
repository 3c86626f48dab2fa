#!/usr/bin/env python3
"""The range of each figure over several runs of bench/run.py, as the same Markdown tables.

    bench/ranges.py RESULTS.md...

RESULTS.md is what a run leaves in its folder (--out), or any document with such tables in it: from
other days, from other machines. Where the runs agree as far as shown there is one number, else the
least and the greatest; in brackets the range of the ratios to the first row, each ratio taken within
its own run. Only tables and rows that all files have are printed.
"""
import re
import sys

CELL = re.compile(r"^([\d,.]+)(?: \(([\d,.]+)\))?$")


def tables(path):
    """{(first heading, other headings): {row: [cell]}}"""
    found, rows = {}, None
    with open(path, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|"):
                rows = None
            elif rows is None:
                rows = found.setdefault(tuple(cells), {})
            elif not set(cells[0]) <= set("-: "):
                rows[cells[0]] = cells[1:]
    return found


def number(text):
    return float(text.replace(",", ""))


def shown(value, digits):
    if digits is not None:
        return f"{value:.{digits}f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def spread(values, digits=None):
    least, most = shown(min(values), digits), shown(max(values), digits)
    return least if least == most else f"{least} to {most}"


def cell_range(cells):
    """None: not a figure in each of them."""
    parts = [CELL.match(cell) for cell in cells]
    if not all(parts):
        return None
    text = spread([number(part[1]) for part in parts])
    ratios = [number(part[2]) for part in parts if part[2]]
    return text + (f" ({spread(ratios, 2)})" if len(ratios) == len(parts) else "")


def print_table(heading, runs):
    sizes = [i for i, name in enumerate(heading[1:]) if re.match(r"^\d+ (B|KiB|MiB)$", name)]
    rows = [row for row in runs[0] if all(row in run for run in runs)]
    if not sizes or not rows:
        return
    print("| " + " | ".join([heading[0]] + [heading[1 + i] for i in sizes]) + " |")
    print("| --- |" + " ---: |" * len(sizes))
    for row in rows:
        cells = [cell_range([run[row][i] for run in runs]) or "-" for i in sizes]
        print(f"| {row} | " + " | ".join(cells) + " |")
    print()


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__.strip())
    runs = [tables(path) for path in sys.argv[1:]]
    print(f"Ranges over {len(runs)} runs.\n")
    for heading in runs[0]:
        if all(heading in run for run in runs):
            print_table(heading, [run[heading] for run in runs])


if __name__ == "__main__":
    main()
