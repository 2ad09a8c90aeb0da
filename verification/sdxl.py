"""Checks the engine `sdxl` on its real weights and writes one page about it: `make verify-sdxl`, or

    python -m verification.sdxl --out out/verify-sdxl [--no-fetch]

Needs a GPU, the customer's LoRA and embeddings in the model folder (`PLITKA_MODEL_DIR`), and the hub for
whatever else is not there yet; `--no-fetch` keeps away from it. Sizes and hashes that the manifest does not
know yet are written into it. Exit status 1 if anything on the page failed.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from plitka.engine import Engine
from plitka.engines import ENGINE_NAMES, device_of, load_engine, log_to_stderr
from plitka.generate import generate
from plitka.manifest import engine_models, model_dir
from plitka.models import verify
from plitka.monitor import ResourceMonitor
from plitka.request import parse_request
from verification.fetch import Download, complete_manifest, download_from_hub, fetch_models
from verification.page import Check, ScenarioReport, failures, write_page
from verification.scenarios import SCENARIOS, params_of

PAGE = "index.html"
COLOR_BENCHMARK = Path(__file__).resolve().parent.parent / "benchmarks" / "color.py"
# Lines of the colour benchmark's output that the page shows.
BENCHMARK_LINES = 60


def run(
    engine_name: str,
    out: Path,
    steps: int | None = None,
    download: Download | None = download_from_hub,
    color_benchmark: Path = COLOR_BENCHMARK,
) -> list[str]:
    """Fetch, check, draw and write the page; returns the names of what failed.

    `steps` replaces the denoising steps of the profile; without `download` nothing is fetched.
    """
    out.mkdir(parents=True, exist_ok=True)
    identity: dict[str, str] = {}
    scenarios: list[ScenarioReport] = []
    checks = list(_check_files(engine_name, download))
    if all(check.good for check in checks):
        try:
            with closing(load_engine(engine_name)) as engine:
                identity = engine.identity()
                checks.append(Check("adapters", True, _adapters(engine)))
                with ResourceMonitor(device_of(engine_name)) as monitor:
                    scenarios = [draw_scenario(name, engine, monitor, out, steps) for name in SCENARIOS]
        except Exception as error:
            checks.append(Check("loading", False, str(error)))
    if scenarios:
        checks.append(_run_color_benchmark(engine_name, color_benchmark))
    write_page(out / PAGE, identity, checks, scenarios)
    return failures(checks, scenarios)


def _check_files(engine_name: str, download: Download | None) -> Iterator[Check]:
    """Fetch what is missing, complete the manifest, hold every file to it."""
    folder = model_dir()
    try:
        models = engine_models(engine_name, folder)
        if download is not None:
            fetched = [str(path) for path in fetch_models(models, folder, download)]
            yield Check("fetched", True, "\n".join(fetched) or "everything was here")
        completed = complete_manifest(engine_name, folder)
        yield Check("written into the manifest", True, "\n".join(completed) or "it was complete")
        files = list(verify(engine_name, folder))
    except Exception as error:
        yield Check("files", False, str(error))
        return
    lines = [f"{file.state:8} {file.part}: {file.path} ({file.detail})" for file in files]
    yield Check("files", all(file.state in ("ok", "hub") for file in files), "\n".join(lines))


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
            path.write_bytes(result.data)
            report.pictures.append(path)
            report.metrics |= result.metrics
    except Exception as error:
        report.error = f"{type(error).__name__}: {error}"
    return report


def _run_color_benchmark(engine_name: str, script: Path) -> Check:
    """Run the colour benchmark on this engine, where the repository has one."""
    title = "colour benchmark"
    if not script.is_file():
        return Check(title, True, f"there is no {script.name}; the shares below are those of the scenarios")
    command = [sys.executable, str(script), "--engine", engine_name]
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
    arguments = parser.parse_args()
    log_to_stderr()
    download = None if arguments.no_fetch else download_from_hub
    failed = run(arguments.engine, arguments.out, arguments.steps, download)
    print(f"{arguments.out / PAGE}: {'failed: ' + '; '.join(failed) if failed else 'nothing failed'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
