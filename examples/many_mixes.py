"""Draw every mix of a table, with one engine that is loaded once.

    python examples/many_mixes.py examples/mixes.csv out/mixes

The table is CSV: a tile's name, its angle and seed, then a column for each colour (a name or a hex code) with
percentages; an empty field is none of that colour. Each tile gets a folder of its name with its three files,
and shares.csv the requested and the measured share of every colour. All rows are checked before any is drawn.
"""

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import plitka


def read_mixes(path: Path) -> dict[str, plitka.TileRequest]:
    """The requests of a table by the names of their tiles. Ends the program if a row has problems."""
    requests: dict[str, plitka.TileRequest] = {}
    problems = []
    # Spreadsheets write a byte order mark.
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if not {"tile", "angle", "seed"} <= set(rows.fieldnames or ()):
            sys.exit(f"{path}: the first line must name the columns tile, angle and seed, divided by commas")
        for row in rows:
            tile, angle, seed = (row.pop(key) for key in ("tile", "angle", "seed"))
            if tile in requests or re.fullmatch(r"\w[\w .-]*", tile) is None or None in row:
                problems.append(
                    f"line {rows.line_num}: needs a folder name of its own and a field per column"
                )
                continue
            colors = [
                {"hex" if color.startswith("#") else "name": color, "proportion": percent}
                for color, percent in row.items()
                if percent
            ]
            try:
                requests[tile] = plitka.parse_request({"colors": colors, "angle": angle, "seed": seed})
            except plitka.RequestError as error:
                problems += [f"{tile}: {problem}" for problem in error.problems]
    if problems:
        sys.exit("\n".join(problems))
    return requests


def draw(mixes: dict[str, plitka.TileRequest], folder: Path) -> Iterator[tuple[str, str, str, str]]:
    """Draw the tiles into folders; yields tile, colour, requested and measured percentage."""
    engine = plitka.load_engine("render")
    for tile, request in mixes.items():
        for result in plitka.generate(request, engine):
            result.save(folder / tile)
            if result.name == "final" and result.fidelity:
                for color in result.fidelity.colors:
                    yield tile, color.id, f"{100 * color.requested:.2f}", f"{100 * color.measured:.2f}"


def main(table: str, folder: str) -> None:
    """Draw the mixes of a table into a folder."""
    mixes = read_mixes(Path(table))
    Path(folder).mkdir(parents=True, exist_ok=True)
    with (Path(folder) / "shares.csv").open("w", encoding="utf-8", newline="") as file:
        shares = csv.writer(file, lineterminator="\n")
        shares.writerow(("tile", "color", "requested_percent", "measured_percent"))
        for row in draw(mixes, Path(folder)):
            shares.writerow(row)
            print(*row)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python examples/many_mixes.py TABLE.csv FOLDER")
    main(*sys.argv[1:])
