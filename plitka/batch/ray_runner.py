"""The runner on Ray Data: actors that load the engine once, on one machine or a cluster.

`ray.data.Dataset.map_batches` with a class makes actors, which live as long as the dataset is executed:
https://docs.ray.io/en/latest/data/transforming-data.html#stateful-transforms.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from plitka.batch.local_runner import usable_cores
from plitka.batch.runner import Event, Finished, Task
from plitka.errors import CatalogueError

# Pieces of the table at most: a piece is what an actor gets at a time, and what comes back together.
_PIECES = 1000


class RayRunner:
    """Draws with Ray Data.

    Args:
        engine: The engine's name.
        weights: A path that every machine of the cluster has.
        workers: Actors; None for one a core of this machine.
        address: Of a cluster, such as "auto"; None starts Ray on this machine, for this run.
        gpus: GPUs for each actor, 0 to 1.

    Raises:
        CatalogueError: Ray is not installed.
    """

    def __init__(
        self,
        engine: str,
        weights: Path | None = None,
        workers: int | None = None,
        address: str | None = None,
        gpus: float = 0,
    ) -> None:
        self.engine: str | None = engine
        self._arguments = (engine, str(weights.absolute()) if weights else None)
        self._workers = usable_cores() if workers is None else workers
        self._address, self._gpus = address, gpus
        try:
            import ray.data  # noqa: F401
        except ModuleNotFoundError as missing:
            raise CatalogueError(
                f"the runner ray needs the module '{missing.name}', which is missing; "
                "install it with: pip install --constraint constraints.txt --editable '.[ray]'"
            ) from missing

    def run(self, tasks: Iterable[Task]) -> Generator[Event]:
        """Yield what becomes of each task; see `Runner.run`."""
        import ray

        rows = [{"hash": task.hash, "request": task.request} for task in tasks]
        if not rows:
            return
        try:
            self._connect(ray)
            dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), _PIECES))
            drawn = dataset.map_batches(
                RayWorker,
                fn_constructor_args=self._arguments,
                batch_size=1,
                concurrency=min(self._workers, len(rows)),
                num_cpus=1,
                num_gpus=self._gpus or None,
            )
            for row in drawn.iter_rows():
                data, seconds = bytes(row["data"]), float(row["seconds"])
                yield Finished(row["hash"], data or None, seconds if data else None, row["problem"])
        except ray.exceptions.RayError as error:
            raise CatalogueError(f"Ray: {str(error).strip().splitlines()[-1]}") from error
        except ConnectionError as error:
            raise CatalogueError(f"Ray: {error}") from error
        finally:
            ray.shutdown()

    def _connect(self, ray: Any) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address is None:
            # Its parts in C++ write to the terminal by themselves.
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
            # One more than draw: reading rows takes none, but Ray keeps a core for it.
            options |= {"num_cpus": self._workers + 1, "include_dashboard": False}
        else:
            options["address"] = self._address
        ray.init(**options)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)


class RayWorker:
    """An actor: it has the engine, and draws batches of rows."""

    def __init__(self, engine: str, weights: str | None) -> None:
        from plitka.engines import load_engine

        self._engine = load_engine(engine, weights=Path(weights) if weights else None)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Draw rows of `hash` and `request`; gives `hash`, `data`, `seconds` and `problem`."""
        from plitka.batch.worker import draw_task

        pairs = zip(batch["hash"], batch["request"], strict=True)
        drawn = [draw_task(Task(str(name), str(request)), self._engine) for name, request in pairs]
        return {
            "hash": np.array([each.hash for each in drawn], dtype=object),
            "data": np.array([each.data or b"" for each in drawn], dtype=object),
            "seconds": np.array([each.seconds or 0.0 for each in drawn]),
            "problem": np.array([each.problem for each in drawn], dtype=object),
        }
