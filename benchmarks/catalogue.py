"""A catalogue of 2,000 small tiles, killed by force again and again; and two processes against one.

    python benchmarks/catalogue.py [--tiles 2000] [--kills 5] [--speed-tiles 60] [--rounds 2] [--out FOLDER]

Prints how many tiles are lost or doubled after the last run, and what each process took of the processor.
On a machine that others use too, wall time says little: what two processes gain follows from the processor
time of the busiest one.
"""

import argparse
import csv
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from pathlib import Path

import psutil

from plitka.batch.folder import MARK
from plitka.batch.local_runner import LocalRunner
from plitka.batch.plan import request_hash
from plitka.batch.runner import Finished, Task
from plitka.colors.palette import PALETTE
from plitka.output.provenance_reader import read_provenance
from plitka.request.tile_request import parse_request

SMALL = {"width": 256, "height": 256, "width_mm": 42}
SHARES = (10, 25, 50, 75, 90)
# Seconds for processes to notice that their parent is gone.
ORPHAN_SECONDS = 30


def mixes() -> Iterator[tuple[str, str, int]]:
    """Two colours and the percentage of the first: 2,030 mixes."""
    return ((one, other, share) for one, other in combinations(PALETTE, 2) for share in SHARES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiles", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--speed-tiles", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="plitka-benchmark-") as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if asked.tiles:
            print(json.dumps(killed(folder, asked.tiles, asked.kills), indent=2))
    if asked.speed_tiles:
        print(json.dumps(speed(asked.speed_tiles, asked.rounds), indent=2))


def killed(folder: Path, tiles: int, kills: int) -> dict[str, object]:
    """Make a catalogue whose runs are killed at random, and count what is there in the end."""
    table, out = folder / "mixes.csv", folder / "out"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["colors", *SMALL])
        for one, other, share in islice(mixes(), tiles):
            rows.writerow([f"{share}% {one}, {100 - share}% {other}", *SMALL.values()])
    line = [sys.executable, "-m", "plitka", "catalogue", str(table), "-o", str(out), "--workers", "2"]
    line += ["--engine", "render"]
    since, killed_at = time.monotonic(), []
    for at in sorted(random.sample(range(1, tiles), kills)):
        killed_at.append(kill_at(line, out / "pictures", at))
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    return {"killed at": killed_at, "seconds": round(time.monotonic() - since), **counted(out, tiles)}


def kill_at(line: Sequence[str], pictures: Path, count: int) -> int:
    """Run the command and kill it by force once so many pictures are there; how many there are then."""
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        while not pictures.is_dir() or sum(1 for _ in pictures.iterdir()) < count:
            assert process.poll() is None, "it has ended before it was killed"
            time.sleep(0.1)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, ORPHAN_SECONDS)
    assert not alive, f"orphans: {alive}"
    return len(list(pictures.glob("*.png")))


def counted(out: Path, tiles: int) -> dict[str, int]:
    """What a catalogue has, by the pictures' own records and by its index."""
    with (out / "index.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    records = [read_provenance(path) for path in (out / "pictures").iterdir()]
    hashes = Counter(request_hash(parse_request(record.request)) for record in records)
    known = Counter(row["hash"] for row in rows)
    told = (json.loads(line) for line in (out / MARK).read_text().splitlines()[1:])
    drawn = Counter(each["hash"] for each in told if "seconds" in each)
    return {
        "tiles": tiles,
        "pictures": len(records),
        "rows": len(rows),
        "lost": tiles - len(known & hashes),
        "doubled": sum(count - 1 for count in (hashes | known).values()),
        "drawn more than once": sum(count - 1 for count in drawn.values()),
    }


def speed(tiles: int, rounds: int) -> dict[str, object]:
    """Draw the same tiles by one process and by two, in turn."""
    tasks = []
    for one, other, share in islice(mixes(), tiles):
        colors = [{"name": one, "proportion": share}, {"name": other, "proportion": 100 - share}]
        request = parse_request({"colors": colors, "seed": 1, **SMALL})
        tasks.append(Task(request_hash(request), request.to_json()))
    runs = [processor_seconds(tasks, workers) for _ in range(rounds) for workers in (1, 2)]
    best = {count: min(run["bound"] for run in runs if run["workers"] == count) for count in (1, 2)}
    return {"tiles": tiles, "runs": runs, "two by one": round(best[1] / best[2], 2)}


def processor_seconds(tasks: Sequence[Task], workers: int) -> dict[str, float]:
    """What each process of a run takes of the processor.

    `bound` is the wall time on two cores that nobody else uses: that of the busiest process, and at least
    half of what all of them take together.
    """
    own, since = psutil.Process(), time.monotonic()
    before = sum(own.cpu_times()[:2])
    taken: dict[int, float] = {}
    for event in LocalRunner("render", workers=workers).run(tasks):
        assert isinstance(event, Finished) and event.data is not None, event
        for child in own.children():
            taken[child.pid] = sum(child.cpu_times()[:2])
    parent = sum(own.cpu_times()[:2]) - before
    busiest = max(taken.values())
    return {
        "workers": workers,
        "wall": round(time.monotonic() - since, 2),
        "busiest": round(busiest, 2),
        "parent": round(parent, 2),
        "bound": round(max(busiest, (sum(taken.values()) + parent) / 2 if workers > 1 else 0), 2),
    }


if __name__ == "__main__":
    main()
