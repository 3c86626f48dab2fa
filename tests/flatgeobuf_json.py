#!/usr/bin/env python3
"""Compares a FlatGeobuf file's features as flatstream prints them with GDAL's own export of them.

    flatgeobuf_json.py HEADER.json FEATURES.jsonl STATIONS.geojson[.gz]

The features' `properties` are bytes: for each value present the column's number (2 bytes), then the
value, as the header's columns say. Everything must be equal: each property, and each coordinate.
"""
import gzip
import json
import struct
import sys

FIXED = {
    "Byte": "<b", "UByte": "<B", "Bool": "<?", "Short": "<h", "UShort": "<H", "Int": "<i",
    "UInt": "<I", "Long": "<q", "ULong": "<Q", "Float": "<f", "Double": "<d",
}
TEXTS = {"String", "Json", "DateTime"}


def decode(data, columns):
    """The properties that are present, by name."""
    properties, at = {}, 0
    while at < len(data):
        (number,) = struct.unpack_from("<H", data, at)
        at += 2
        kind = columns[number].get("type", "Byte")
        name = columns[number]["name"]
        if kind in FIXED:
            (properties[name],) = struct.unpack_from(FIXED[kind], data, at)
            at += struct.calcsize(FIXED[kind])
        elif kind in TEXTS:
            (length,) = struct.unpack_from("<I", data, at)
            properties[name] = data[at + 4 : at + 4 + length].decode()
            at += 4 + length
        else:
            sys.exit(f"column {name}: {kind} is not known")
    return properties


def coordinates(geometry, wanted):
    """The coordinates of a geometry as GeoJSON has them."""
    xy, z = geometry["xy"], geometry.get("z")
    points = [list(pair) + ([z[i]] if z else [])
              for i, pair in enumerate(zip(xy[::2], xy[1::2], strict=True))]
    ends = geometry.get("ends", [len(points)])
    parts = [points[a:b] for a, b in zip([0] + ends, ends)]
    kind = wanted["type"]
    if kind == "Point":
        return points[0]
    if kind in ("LineString", "MultiPoint"):
        return points
    if kind in ("Polygon", "MultiLineString"):
        return parts
    sys.exit(f"a {kind} is not expected")


def main():
    header = json.load(open(sys.argv[1], encoding="utf-8"))
    columns = header["columns"]
    names = [column["name"] for column in columns]
    opened = gzip.open if sys.argv[3].endswith(".gz") else open
    wanted = json.load(opened(sys.argv[3], "rt", encoding="utf-8"))["features"]
    values = compared = 0
    with open(sys.argv[2], encoding="utf-8") as lines:
        for number, (line, gdal) in enumerate(zip(lines, wanted, strict=True)):
            feature = json.loads(line)
            properties = decode(bytes(feature.get("properties", [])), columns)
            for name in names:
                ours = properties.get(name)
                theirs = gdal["properties"].get(name)
                if ours != theirs:
                    sys.exit(f"feature {number}: {name} is {ours!r}, by GDAL {theirs!r}")
                values += ours is not None
            unknown = set(gdal["properties"]) - set(names)
            if unknown:
                sys.exit(f"feature {number}: only GDAL has {unknown}")
            if gdal["geometry"] is None:
                if feature.get("geometry"):
                    sys.exit(f"feature {number}: only we have a geometry")
            elif coordinates(feature["geometry"], gdal["geometry"]) != gdal["geometry"]["coordinates"]:
                sys.exit(f"feature {number}: {feature['geometry']}, by GDAL {gdal['geometry']}")
            compared += 1
    if compared != header["features_count"] or values == 0:
        sys.exit(f"{compared} features and {values} values compared")
    print(f"{compared} features, {values} values: equal to GDAL's export")


if __name__ == "__main__":
    main()
