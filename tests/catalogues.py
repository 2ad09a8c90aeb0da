"""Catalogues as the tests make them: small tiles, few of them."""

import csv
import json

from small import SMALL

COMMON = ("-p", json.dumps(SMALL))
MIXES = ("60% black, 40% white", "30% red, 70% blue", "green", "50% navy, 50% #FFCC00", "10% pink, 90% grey")


def write_table(path, rows):
    """A CSV table of dictionaries."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def table_of(path, mixes=MIXES):
    return write_table(path, [{"colors": mix} for mix in mixes])


def index_of(folder):
    with (folder / "index.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
