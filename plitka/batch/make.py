"""The whole way of a catalogue: what is there already, what is drawn now, and what is made of all of it."""

from __future__ import annotations

import datetime
import io
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from plitka.batch.contact_sheets import contact_sheets
from plitka.batch.folder import PICTURES, CatalogueFolder, is_of
from plitka.batch.index import (
    INDEX_CSV,
    INDEX_PARQUET,
    PROBLEMS_CSV,
    Entry,
    index_csv,
    index_parquet,
    problems_csv,
)
from plitka.batch.local_runner import usable_cores
from plitka.batch.pages import catalogue_pdf
from plitka.batch.plan import BadRow, Catalogue, Item
from plitka.batch.runner import Begun, Event, Finished, Runner, Task
from plitka.batch.thumbnails import thumbnails
from plitka.batch.web_catalogue import PAGE, catalogue_page
from plitka.errors import ContainerError
from plitka.files.whole_files import write_whole
from plitka.output.provenance_reader import provenance_in

PDF, SHEETS = "catalogue.pdf", "sheets"
_ANOTHER = (
    "the picture that came back says it is of another request, engine or palette: "
    "does another version or palette of Plitka draw there?"
)


@dataclass(frozen=True)
class Look:
    """How the catalogue presents itself.

    Attributes:
        title: On sheets, PDF and page.
        language: "en" or "ru".
        date: The day in the PDF.
    """

    title: str
    language: str
    date: datetime.date


def left_to_draw(catalogue: Catalogue, folder: CatalogueFolder, engine: str | None) -> list[Item]:
    """The items whose picture is not there, or is another one."""
    # Pillow lets other threads work while it decodes.
    with ThreadPoolExecutor(usable_cores()) as pool:
        done = pool.map(lambda item: folder.is_done(item, engine), catalogue.items)
        return [item for item, is_done in zip(catalogue.items, done, strict=True) if not is_done]


def draw(items: list[Item], folder: CatalogueFolder, runner: Runner) -> Generator[tuple[Event, Item | None]]:
    """Draw items; each event comes with its item, once its picture is in the folder.

    Raises:
        CatalogueError: The runner cannot go on.
        OSError: A picture cannot be written.
    """
    by_hash = {item.hash: item for item in items}
    tasks = [Task(item.hash, item.request.to_json(), folder.noted(item).get("prediction")) for item in items]
    with closing(runner.run(tasks)) as events:
        for event in events:
            item = by_hash.get(getattr(event, "hash", ""))
            if item is not None and isinstance(event, Begun):
                folder.note(item, {"prediction": event.prediction})
            if item is not None and isinstance(event, Finished) and event.data is not None:
                if not _is_asked_for(event, runner.engine):
                    yield replace(event, data=None, problem=_ANOTHER), item
                    continue
                noted = {"seconds": event.seconds, "cost": event.cost}
                known = {key: value for key, value in noted.items() if value is not None}
                folder.write(item, event.data, known)
            yield event, item


def _is_asked_for(event: Finished, engine: str | None) -> bool:
    try:
        return is_of(provenance_in(io.BytesIO(event.data or b"")), event.hash, engine)
    except ContainerError:
        return False


def finish(catalogue: Catalogue, folder: CatalogueFolder, failed: list[BadRow], look: Look) -> list[str]:
    """Write index, sheets, PDF and page of every picture that is there.

    Args:
        catalogue: What was to be made.
        folder: Where the pictures are.
        failed: Rows that could not be drawn.
        look: How it presents itself.

    Returns:
        The names of all files of the catalogue, by their paths in the folder.

    Raises:
        OSError: A file cannot be read or written.
    """
    entries = _entries(catalogue, folder)
    rows = [entry.row() for entry in entries]
    files = {INDEX_CSV: index_csv(rows), INDEX_PARQUET: index_parquet(rows)}
    if bad := sorted([*catalogue.bad, *failed], key=lambda row: row.line):
        files[PROBLEMS_CSV] = problems_csv(bad)
    if entries:
        files[PDF] = catalogue_pdf(entries, look.title, look.language, look.date)
        files[PAGE] = catalogue_page(entries, look.title, look.language)
    for name in (PROBLEMS_CSV, PDF, PAGE):
        if name not in files:
            (folder.path / name).unlink(missing_ok=True)
    sheets = _write_sheets(entries, folder.path / SHEETS, look)
    for name, data in files.items():
        write_whole(folder.path / name, data)
    return [*files, *sheets, *(f"{PICTURES}/{entry.item.file}" for entry in entries)]


def _entries(catalogue: Catalogue, folder: CatalogueFolder) -> list[Entry]:
    found = []
    for item in catalogue.items:
        if (record := folder.record_of(item, None)) is not None:
            found.append((item, record))
    small = thumbnails((folder.picture(item) for item, _ in found), len(found))
    with closing(small):
        return [
            Entry(item, record, folder.noted(item), each)
            for (item, record), each in zip(found, small, strict=True)
        ]


def _write_sheets(entries: list[Entry], folder: Path, look: Look) -> list[str]:
    """Write the contact sheets and remove those of a longer catalogue; their names."""
    folder.mkdir(exist_ok=True)
    names = []
    for number, data in enumerate(contact_sheets(entries, look.title, look.language), start=1):
        name = f"contact-{number:03}.jpg"
        write_whole(folder / name, data)
        names.append(name)
    for path in folder.glob("contact-[0-9][0-9][0-9]*.jpg"):
        if path.name not in names:
            path.unlink()
    return [f"{SHEETS}/{name}" for name in names]
