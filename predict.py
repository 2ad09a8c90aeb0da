"""What Cog calls: the inputs that the HTTP server and the web form show, and nothing else.

Cog makes the OpenAPI schema by parsing this file, not by running it, so whatever stands inside `Input(...)`
is a literal.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path as LocalPath
from typing import Any

from cog import BaseRunner, CancelationException, Input, Path, streaming

from plitka.device.monitor import ResourceMonitor
from plitka.engines import load_engine, log_to_stderr
from plitka.files.temporary_folders import named_when_full, own_folder
from plitka.files.whole_files import write_whole
from plitka.generation import generate
from plitka.match.photo_request import request_of_photo
from plitka.match.report import report
from plitka.output.metrics import request_metrics
from plitka.output.prediction_line import PredictionLine
from plitka.request.http_inputs import refuse_null
from plitka.request.tile_request import TileRequest, parse_inputs
from plitka.results import Result
from plitka.server.caller_errors import told_to_callers
from plitka.server.cog_folders import CogFolders
from plitka.server.malloc_trim import release_free_memory
from plitka.server.output_folders import Workspace, room_for
from plitka.settings import engine_name
from plitka.weights.download import download, is_address, local_path


class OptimizedPredictor(BaseRunner):  # type: ignore[misc]  # cog ships no type information
    """Draws a tile: preview, final picture and colour map, in this order, then the maps it is asked for."""

    def setup(self, weights: Path | None = None) -> None:
        """Load the engine that `PLITKA_ENGINE` names; `weights` is a folder, `.tar` or `.zip`, or its URL."""
        log_to_stderr()
        name = engine_name()
        self.workspace = Workspace()
        self.cog_folders = CogFolders()
        self.cog_folders.check()
        with fetched(weights) as local_weights:
            self.engine = load_engine(name, weights=local_weights)
        self.monitor = ResourceMonitor(self.engine.device)
        self.monitor.start_monitoring()

    def healthcheck(self) -> bool:
        """False after an error from which only a new process recovers, or if Cog cannot accept requests."""
        return self.engine.is_healthy() and self.cog_folders.is_usable()

    @streaming  # type: ignore[untyped-decorator]
    def run(
        self,
        params_json: str = Input(
            default="",
            description='The whole request as JSON: {"colors": [{"name": "black", "proportion": 60}, ...]}',
        ),
        colors: str = Input(
            default="60% black, 40% white",
            description="Colours and shares; used while params_json is empty, as are the fields below",
        ),
        angle: float = Input(
            default=0.0,
            description="Laying angle of the joints between tiles, degrees; 0 is one tile without joints",
        ),
        quality: str = Input(
            default="standard",
            choices=["preview", "standard", "high", "fast"],
            description="How many denoising steps the pictures get; fast takes a few-step model",
        ),
        seed: int = Input(
            default=-1,
            description="The same seed gives the same tile; -1 chooses a random one",
        ),
        photo: Path | None = Input(  # noqa: B008  # Cog's way to say it
            default=None,
            description="Photograph of a tile: its mix is found and drawn; colors may name what is in it",
            accept="image/jpeg,image/png,image/webp",
        ),
        adapter: str = Input(
            default="",
            description="Another LoRA, by its name in the operator's list; empty for the engine's own",
        ),
    ) -> Iterator[Path]:
        """Draw one tile. A bad request is refused here, before the first picture is begun."""
        self.line = PredictionLine()
        with told_to_callers(), self.line.failing():
            simple: dict[str, Any] = {
                "colors": colors,
                "angle": angle,
                "quality": quality,
                "seed": seed,
                "adapter": adapter,
            }
            request = self.read(photo, params_json, simple)
            self.line.quality = request.quality
            for notice in request.notices:
                print(f"note: {notice}", flush=True)
            self.record(request_metrics(request, self.engine))
            return self.write(generate(request, self.engine, self.monitor), room_for(request))

    def read(self, photo: object, params_json: str, simple: Mapping[str, Any]) -> TileRequest:
        """The request; what is found in its photograph, if it has one, is recorded. Raises RequestError."""
        refuse_null(params_json=params_json, **simple)
        # Cog passes on as text what it has not fetched; an empty text is a field that was left empty.
        # Callers without Cog may leave it out.
        if not isinstance(photo, LocalPath | str) or photo == "":
            return parse_inputs(params_json, **simple)
        request, found = request_of_photo(photo, params_json, **simple)
        self.record({"match": report(found)})
        return request

    def write(self, results: Generator[Result], room: int) -> Iterator[Path]:
        """Yield every file as it is finished, and record what became known with it; `room` is their bytes.

        The files of one prediction are swept when the next one starts; those of a cancelled one at once.
        """
        try:
            with told_to_callers(), self.line.ending(), closing(results):
                folder = self.workspace.new_folder(room)
                for result in results:
                    self.record(result.metrics)
                    file = folder / result.filename
                    write_whole(file, result.data)
                    yield Path(file)
        except (CancelationException, GeneratorExit):
            self.workspace.sweep()
            raise
        finally:
            self.cog_folders.sweep()
            release_free_memory()

    def record(self, metrics: Mapping[str, Any]) -> None:
        """Report to the caller, by the names of `plitka.output.metrics.METRICS`, and to the log."""
        self.line.note(metrics)
        for name, value in metrics.items():
            self.record_metric(name, value)


@contextmanager
def fetched(weights: Path | None) -> Iterator[LocalPath | None]:
    """The local path of `COG_WEIGHTS`; if it is a URL, a download that lives as long as the `with`."""
    given = "" if weights is None else str(weights)
    if not is_address(given):
        yield local_path(given)
        return
    # A folder that is removed: a download that breaks off leaves nothing that a later start could find.
    with own_folder("plitka-download-") as folder:
        archive = folder / "weights"
        with named_when_full(folder), archive.open("wb") as file:
            download(given, file)
        yield archive
