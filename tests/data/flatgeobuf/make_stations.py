#!/usr/bin/env python3
"""Writes GeoJSON of invented weather stations to standard output; always the same bytes.

    make_stations.py COUNT
"""
import datetime
import json
import sys

FIRST = ["North", "Upper", "Lower", "Old", "Great", "Saint-Élie", "Ober", "Nieder", "Côte", "Grå"]
SECOND = ["Ridge", "Harbour", "Moor", "Quay", "Forest", "Brücke", "Fjord", "Valley", "Mill", "Tarn"]


class Numbers:
    """A linear congruential generator: the same everywhere and for ever."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % bound


def station(index, numbers):
    opened = datetime.date(1950, 1, 1) + datetime.timedelta(days=numbers.below(27000))
    seen = datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=numbers.below(86400 * 365))
    properties = {
        "code": f"WS{index:05d}",
        "name": f"{FIRST[numbers.below(10)]} {SECOND[numbers.below(10)]} {numbers.below(90) + 10}",
        "elevation_m": (numbers.below(38000) - 300) / 10,
        "sensors": numbers.below(24) + 1,
        "readings": numbers.below(1 << 30) * 37 + 3000000000,
        "automatic": numbers.below(4) > 0,
        "opened": opened.isoformat(),
        "last_seen": seen.isoformat() + "Z",
        "mean_c": (numbers.below(4500) - 1500) / 100,
    }
    if index % 7 == 3:
        properties["remark"] = "calibrated " + "twice " * (index % 11) + "since the move"
    place = [numbers.below(36000000) / 100000 - 180, numbers.below(17000000) / 100000 - 85]
    place = [round(x, 5) for x in place]
    geometry = {"type": "Point", "coordinates": place}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def main():
    numbers = Numbers(20240229)
    features = [station(i, numbers) for i in range(int(sys.argv[1]))]
    json.dump({"type": "FeatureCollection", "name": "stations", "features": features}, sys.stdout)


if __name__ == "__main__":
    main()
