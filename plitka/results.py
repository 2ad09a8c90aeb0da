"""A finished file of a request, and the seconds that were spent on it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from plitka.fidelity.color_lock import MeasuredPicture
from plitka.fidelity.measure import Fidelity
from plitka.files.whole_files import write_whole

# Before the number of a variant, which is 2 or more, in the name of its final picture.
VARIANT = "final_"


@dataclass(frozen=True)
class Result:
    """One finished file.

    Attributes:
        name: "preview", "final" or "colormap", in this order, then "final_2" and so on for each further
            variant, then the maps' names in the request's order, then "sheet" if the request has one.
        image: (height, width, 3) uint8 sRGB; usually 1024 x 1024 pixels, and half of that for the preview.
            Maps are no colours, and of other channels and depths; see `plitka.tile.maps.TileMap`. Of the
            sheet, the final picture, which stands on it.
        filename: `name` with the extension of its format.
        data: The bytes of the file, its provenance included.
        colors: The picture's colours as measured and, where needed, corrected; None for the colour map, which
            is exact by construction, and for maps and sheet. `fidelity` is the part that most callers want.
        metrics: What became known with this file, by the names of `plitka.output.metrics.METRICS`.
    """

    name: str
    image: NDArray[Any]
    filename: str
    data: bytes
    colors: MeasuredPicture | None
    metrics: dict[str, Any]

    @property
    def fidelity(self) -> Fidelity | None:
        """Requested and measured share of every colour of `image`; None for colour map, maps and sheet."""
        return self.colors.measured.fidelity if self.colors else None

    @property
    def seconds(self) -> float:
        """Seconds of work on this file."""
        if self.name.startswith(VARIANT):
            stages = self.metrics["variants"][-1]["timing"]
        else:
            stages = self.metrics.get(f"timing.{self.name}") or self.metrics["timing.maps"][self.name]
        return float(sum(stages.values()))

    def save(self, folder: Path | str) -> Path:
        """Write `data` as `filename` into a folder, which is made if it does not exist.

        A file of this name is replaced. After an error the folder contains no part of the new one.

        Returns:
            The path of the file.

        Raises:
            OSError: The folder or the file cannot be written.
        """
        path = Path(folder) / self.filename
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, self.data)
        return path


class Stopwatch:
    """Seconds of work here, by laps; between a `yield` and `resume` the time is the caller's."""

    def __init__(self) -> None:
        self.total = 0.0
        self._since = time.perf_counter()

    def lap(self) -> float:
        """End a stage: its seconds, which also go into `total`."""
        now = time.perf_counter()
        seconds, self._since = round(now - self._since, 4), now
        self.total = round(self.total + seconds, 4)
        return seconds

    def resume(self) -> None:
        """Start a stage now, whatever has passed since the last one."""
        self._since = time.perf_counter()
