#!/bin/sh
# Makes the FlatGeobuf test data with GDAL, which the tests themselves do not need:
#   stations.fgb          5,200 features, no index
#   stations-indexed.fgb  the first 300 of them, behind a spatial index
#   stations.geojson.gz   what GDAL itself reads from stations.fgb
#   layout.tsv            where the features begin, and how many there are
set -eu
cd "$(dirname "$0")"

if ! command -v ogr2ogr >/dev/null 2>&1; then
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends gdal-bin
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 make_stations.py 5200 >"$scratch/stations.json"
rm -f stations.fgb stations-indexed.fgb
ogr2ogr -f FlatGeobuf -nln stations -lco SPATIAL_INDEX=NO stations.fgb "$scratch/stations.json"
ogr2ogr -f FlatGeobuf -nln stations -limit 300 stations-indexed.fgb "$scratch/stations.json"
ogr2ogr -f GeoJSON "$scratch/stations.geojson" stations.fgb
gzip -9 -n -c "$scratch/stations.geojson" >stations.geojson.gz
python3 layout.py stations.fgb stations-indexed.fgb >layout.tsv
