"""The index of a catalogue: a row for every picture, as CSV and as Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plitka.batch.folder import PICTURES
from plitka.batch.plan import BadRow, Item
from plitka.batch.thumbnails import Thumbnail
from plitka.errors import CatalogueError
from plitka.output.provenance import Provenance

INDEX_CSV, INDEX_PARQUET, PROBLEMS_CSV = "index.csv", "index.parquet", "problems.csv"
# Spreadsheets take a cell that begins with one of these for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Entry:
    """A picture that is there: what was asked for, what its record says, what it looks like in small."""

    item: Item
    record: Provenance
    noted: Mapping[str, Any]
    small: Thumbnail

    @property
    def recipe(self) -> str:
        """The mix as text that a request reads: ``60% BLACK, 40% WHITE``."""
        return ", ".join(f"{100 * color.share:.10g}% {color.id}" for color in self.item.request.mix)

    def row(self) -> dict[str, Any]:
        """The columns of the index, JSON-ready; a seed is text, as everywhere."""
        request, said = self.item.request, json.loads(self.record.measured)
        fidelity = said["fidelity"]
        colors = [
            {
                "color": each["id"],
                "requested": each["requested"],
                "measured": each["measured"],
                "delta_e00": each["delta_e"],
                "hex": each["hex"],
            }
            for each in fidelity["colors"]
        ]
        return {
            "line": self.item.line,
            "name": self.item.name,
            "file": f"{PICTURES}/{self.item.file}",
            "recipe": self.recipe,
            "seed": str(request.seed),
            "angle": request.angle,
            "quality": request.quality,
            "engine": self.record.engine,
            "width": self.small.width,
            "height": self.small.height,
            "colors": colors,
            "worst_error_pp": fidelity["worst_error_pp"],
            "worst_delta_e00": fidelity["worst_delta_e"],
            "corrected": said["correction"]["corrected"],
            "mean_hex": self.small.mean_hex,
            "seconds": self.noted.get("seconds"),
            "cost": self.noted.get("cost"),
            "hash": self.item.hash,
            "file_sha256": self.small.sha256,
            "request": self.record.request,
        }


def check_parquet() -> None:
    """Raise CatalogueError where what writes Parquet is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as missing:
        raise CatalogueError(
            f"the index needs the module '{missing.name}', which is missing; "
            "install it with: pip install --constraint constraints.txt --editable '.[catalogue]'"
        ) from missing


def index_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The index as a Parquet file; `colors` is a list of structures."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    color = {"color": pa.string(), "requested": pa.float64(), "measured": pa.float64()}
    color |= {"delta_e00": pa.float64(), "hex": pa.string()}
    text, number, whole = pa.string(), pa.float64(), pa.int64()
    schema = pa.schema(
        {
            **{"line": whole, "name": text, "file": text, "recipe": text, "seed": text, "angle": number},
            **{"quality": text, "engine": text, "width": whole, "height": whole},
            **{"colors": pa.list_(pa.struct(list(color.items()))), "worst_error_pp": number},
            **{"worst_delta_e00": number, "corrected": pa.bool_(), "mean_hex": text, "seconds": number},
            **{"cost": number, "hash": text, "file_sha256": text, "request": text},
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def index_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The index as CSV for spreadsheets: UTF-8 with a byte order mark, `colors` as JSON."""
    return _csv(
        list(rows[0]) if rows else [],
        [[json.dumps(value) if isinstance(value, list) else value for value in row.values()] for row in rows],
    )


def problems_csv(bad: Sequence[BadRow]) -> bytes:
    """Line, name and problems of every row without a picture, as CSV."""
    return _csv(["line", "name", "problems"], [[row.line, row.name, " ".join(row.problems)] for row in bad])


def _csv(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(titles)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
