"""Checks the engine `sdxl` on its real weights and writes one page about it: `make verify-sdxl`, or

    python -m verification.sdxl --out out/verify-sdxl [--no-fetch]

Needs a GPU, the customer's LoRA and embeddings in the model folder (`PLITKA_MODEL_DIR`), and the hub for
whatever else is not there yet (10 GB, less with `PLITKA_BASE_MODEL`); `--no-fetch` fetches nothing. GPU and
adapters are looked for first. Sizes and hashes that the manifest does not know yet are written into it. The
colour benchmark draws some 230 pictures, the experiments that Plitka ships some 190; broken off, both go on
from what is in the folder of the page.
Exit status 1 if anything on the page failed.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from plitka.choices import ENGINE_NAMES
from plitka.device.monitor import ResourceMonitor
from plitka.device.select import select_best_device
from plitka.engine.protocol import Engine
from plitka.engines import load_engine, log_to_stderr
from plitka.errors import DeviceError, ModelFileError, PlitkaError
from plitka.experiment.read_plan import read_plan
from plitka.experiment.run import run_experiment
from plitka.experiment.shipped import shipped_names, shipped_text
from plitka.experiment.tables import verdict_text
from plitka.files.whole_files import write_whole
from plitka.generation import generate
from plitka.request.tile_request import parse_request
from plitka.settings import base_model, model_dir
from plitka.weights.listing import verify
from plitka.weights.manifest import engine_models
from plitka.weights.verify import FileStatus
from verification.fetch import Download, FetchError, complete_manifest, download_from_hub, fetch_models
from verification.page import Check, ScenarioReport, failures, write_page
from verification.scenarios import SCENARIOS, params_of

PAGE = "index.html"
COLOR_BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "color.py"
# Lines of the colour benchmark's output that the page shows.
BENCHMARK_LINES = 60
# What no hub has.
ADAPTERS = ("lora", "embeddings")


def run(
    engine_name: str,
    out: Path,
    steps: int | None = None,
    download: Download | None = download_from_hub,
    color_benchmark: Path = COLOR_BENCHMARK,
    on_cpu: bool = False,
    experiments: Mapping[str, bytes] | None = None,
) -> list[str]:
    """Look for what is needed, fetch, check, draw and write the page; returns the names of what failed.

    `steps` replaces the denoising steps of the profile; without `download` nothing is fetched; `on_cpu` draws
    without a GPU too. `experiments` are plans by name; those that Plitka ships where None are given.
    """
    if experiments is None:
        experiments = {name: shipped_text(name) for name in shipped_names()}
    out.mkdir(parents=True, exist_ok=True)
    identity: dict[str, str] = {}
    scenarios: list[ScenarioReport] = []
    # Each only if everything before it held: what takes seconds first, the gigabytes after it.
    checks: list[Check] = []
    for step in (_check_device(on_cpu), check_files(engine_name, download)):
        if all(check.good for check in checks):
            checks += step
    if all(check.good for check in checks):
        try:
            with closing(load_engine(engine_name)) as engine:
                identity = engine.identity()
                checks.append(Check("adapters", True, _adapters(engine)))
                with ResourceMonitor(engine.device) as monitor:
                    for name in SCENARIOS:
                        print(f"scenario {name}", flush=True)
                        scenarios.append(draw_scenario(name, engine, monitor, out, steps))
                checks += [
                    draw_experiment(name, text, engine, out, steps) for name, text in experiments.items()
                ]
        # Whatever ends the loading is what the page is for.
        except Exception as error:
            checks.append(Check("loading", False, f"{type(error).__name__}: {error}"))
    if scenarios:
        checks.append(run_color_benchmark(engine_name, color_benchmark, out))
    write_page(out / PAGE, identity, checks, scenarios)
    for name, said in [
        *((check.name, check.said) for check in checks if not check.good),
        *((scenario.name, scenario.error) for scenario in scenarios if scenario.error),
    ]:
        print(f"{name}: {said}", file=sys.stderr)
    return failures(checks, scenarios)


def _check_device(on_cpu: bool) -> Iterator[Check]:
    """Insist on a GPU, since a CPU takes hours for what a GPU draws in seconds."""
    try:
        device = select_best_device()
    except DeviceError as error:
        yield Check("device", False, str(error))
        return
    said = f"{device.name}, {device.total_memory / 1e9:.1f} GB"
    if not device.is_gpu and not on_cpu:
        yield Check("device", False, f"{said}: torch sees no GPU here. Give one, or say --on-cpu.")
    else:
        yield Check("device", True, said)


def check_files(engine_name: str, download: Download | None) -> Iterator[Check]:
    """Look for the adapters, fetch what is missing, complete the manifest, hold every file to it."""
    folder = model_dir()
    try:
        models = engine_models(engine_name, folder)
        adapters = [file for file in verify(engine_name, folder, hashes=False) if file.part in ADAPTERS]
        if any(file.state != "ok" for file in adapters):
            yield Check("files", False, _listed(adapters))
            return
        if base_model():
            # That one is drawn with, and not the manifest's.
            models = models.model_copy(update={"base": models.base.model_copy(update={"files": []})})
        if download is not None:
            print(f"fetching what is not in {folder} yet", flush=True)
            fetched = [str(path) for path in fetch_models(models, folder, download)]
            yield Check("fetched", True, "\n".join(fetched) or "everything was here")
        completed = complete_manifest(engine_name, folder)
        yield Check("written into the manifest", True, "\n".join(completed) or "it was complete")
        files = list(verify(engine_name, folder))
    except (FetchError, ModelFileError, OSError) as error:
        yield Check("files", False, str(error))
        return
    yield Check("files", all(file.state in ("ok", "hub") for file in files), _listed(files))


def _listed(files: Iterable[FileStatus]) -> str:
    return "\n".join(f"{file.state:8} {file.part}: {file.path} ({file.detail})" for file in files)


def _adapters(engine: Engine) -> str:
    """What the LoRA and the embeddings did to the model; an engine without any says so."""
    lora, tokens = getattr(engine, "lora", None), getattr(engine, "tokens", ())
    changed = f"the LoRA changes {lora.modules} modules, scale {lora.scale:g}" if lora else "no LoRA"
    return f"{changed}; embeddings: {' '.join(tokens) or 'none'}"


def draw_scenario(
    name: str, engine: Engine, monitor: ResourceMonitor, out: Path, steps: int | None
) -> ScenarioReport:
    """Draw one scenario into a folder of its own; an error ends it and is reported."""
    report = ScenarioReport(name)
    folder = out / name
    folder.mkdir(exist_ok=True)
    overrides = {} if steps is None else {"num_inference_steps": steps}
    try:
        request = parse_request(json.dumps(params_of(name, **overrides)))
        for result in generate(request, engine, monitor):
            path = folder / result.filename
            write_whole(path, result.data)
            report.pictures.append(path)
            report.metrics |= result.metrics
    # Whatever it is, the other scenarios are still worth drawing, and the page says it.
    except Exception as error:
        report.error = f"{type(error).__name__}: {error}"
    return report


def draw_experiment(name: str, text: bytes, engine: Engine, out: Path, steps: int | None) -> Check:
    """Draw a plan into a folder of its own: what is best, and whether the seeds show it."""
    title, folder = f"experiment {name}", out / "experiments" / name
    print(f"{title}: cells, table, grids and report in {folder}", flush=True)
    settings = {} if steps is None else {"overrides.num_inference_steps": steps}
    try:
        plan, requests = read_plan(text, settings)
        outcome = run_experiment(plan, requests, engine, folder, text)
    except (PlitkaError, OSError) as error:
        return Check(title, False, f"{type(error).__name__}: {error}")
    said = [*map(verdict_text, outcome.verdicts), *map(str, outcome.files)]
    if outcome.failed:
        said.insert(0, f"{outcome.failed} of {len(outcome.cells)} cells could not be drawn")
    return Check(title, not outcome.failed, "\n".join(said))


def run_color_benchmark(engine_name: str, script: Path, out: Path) -> Check:
    """Run the colour benchmark on this engine, where the repository has one."""
    title = "colour benchmark"
    if not script.is_file():
        return Check(title, True, f"there is no {script.name}; the shares below are those of the scenarios")
    results = out / "color.jsonl"
    print(f"{title}: one line a picture in {results}", flush=True)
    command = [sys.executable, str(script), "--engine", engine_name, "--results", str(results)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (ended.stdout if ended.returncode == 0 else ended.stdout + ended.stderr).splitlines()
    return Check(title, ended.returncode == 0, "\n".join(lines[-BENCHMARK_LINES:]))


def main() -> None:
    """Check what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=Path("out/verify-sdxl"), help="folder for page and pictures"
    )
    parser.add_argument("--engine", choices=ENGINE_NAMES, default="sdxl")
    parser.add_argument("--steps", type=int, help="denoising steps, in place of the standard profile's")
    parser.add_argument("--no-fetch", action="store_true", help="take nothing from the hub")
    parser.add_argument("--on-cpu", action="store_true", help="draw without a GPU, for hours")
    arguments = parser.parse_args()
    log_to_stderr()
    download = None if arguments.no_fetch else download_from_hub
    failed = run(arguments.engine, arguments.out, arguments.steps, download, on_cpu=arguments.on_cpu)
    print(f"{arguments.out / PAGE}: {'failed: ' + '; '.join(failed) if failed else 'nothing failed'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
