"""Load and long life: hundreds of predictions in a row, ControlNet switches, more requests at once than wait.

    python tests/soak.py [render] [sdxl] [switches] [burst] [--count N] [--state FILE]

Without names, all four. `render` and `sdxl` send predictions to the real server, the latter with a small
random checkpoint at two steps; `switches` loads a ControlNet anew for every picture; `burst` sends 20
requests at the same time, some more than the server's line has places. With --state, sections that are
finished are not run again. Prints JSON.
"""

import argparse
import gc
import json
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import local_http
import psutil
from cog_server import ANSWER_SECONDS, REQUEST, CogServer, field_of, pictures

SECTIONS = ("render", "sdxl", "switches", "burst")
ANGLES = (0, 45, 90, 135, 30)
QUALITIES = ("preview", "standard", "high")
CONTROLNET_ANGLES = (45, 90)
PREDICTIONS, SWITCHES, BURST = 300, 100, 20
# The part of a run that warms up: caches, thread pools, the allocator's arenas.
WARM_UP = 0.2


def request(number, **overrides):
    """The n-th request of a run: angles and qualities take turns, so that all pairs come."""
    document = REQUEST | {
        "angle": ANGLES[number % len(ANGLES)],
        "quality": QUALITIES[number % len(QUALITIES)],
        "seed": number,
        "overrides": overrides,
    }
    return {"params_json": json.dumps(document)}


def processes(server):
    """Plitka's own process with the page, Cog's server below it, and below that the worker that draws."""
    page = psutil.Process(server.process.pid)
    (cog,) = page.children()
    (worker,) = cog.children()
    return {"page": page, "server": cog, "worker": worker}


def predictions(server, count, **overrides):
    """So many predictions one after the other, and what they did to memory, files and time."""
    seconds, files, running = [], [], processes(server)
    resident = {name: [] for name in running}
    for number in range(count):
        start = time.perf_counter()
        shown = pictures(server.predict(**request(number, **overrides)))
        seconds.append(time.perf_counter() - start)
        assert field_of(shown[1], "seed") == str(number)
        files.append(len(server.output_files()))
        for name, process in running.items():
            resident[name].append(process.memory_info().rss)
    return {
        "predictions": count,
        **growth(resident),
        **drift(seconds),
        "files_after_a_prediction": max(files),
        "open_files": {name: process.num_fds() for name, process in running.items()},
        "threads": {name: process.num_threads() for name, process in running.items()},
    }


def growth(resident):
    """How much memory the last fifth of a run holds beyond the fifth after the warm-up, by medians."""
    figures = {}
    for name, series in resident.items():
        early, late = first_and_last(series)
        figures |= {
            f"{name}_rss_mib": round(late / 2**20, 1),
            f"{name}_rss_growth_percent": percent(late, early),
        }
    return figures


def drift(seconds):
    """How much longer the last fifth of the predictions took than the fifth after the warm-up."""
    early, late = first_and_last(seconds)
    return {
        "seconds_median": round(statistics.median(seconds), 3),
        "latency_drift_percent": percent(late, early),
    }


def first_and_last(series):
    """Medians of the fifth after the warm-up, and of the last fifth."""
    fifth = max(1, len(series) // 5)
    warm = int(len(series) * WARM_UP)
    return statistics.median(series[warm : warm + fifth]), statistics.median(series[-fifth:])


def percent(late, early):
    return round(100 * (late / early - 1), 2)


def burst(server, count):
    """So many requests at the same moment: who is served, who is told to come again, and with which picture.

    A second burst asks again until it is served. Every picture is compared with the same request's of before.
    """
    undisturbed = [server.predict(**request(number))["output"] for number in range(count)]
    at_once = _at_once(count, lambda number: _post(server, number))
    patient = _at_once(count, lambda number: _post_until_served(server, number))
    figures = {"requests": count}
    for name, answers in (("at_once", at_once), ("until_served", patient)):
        served = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        full = [number for number, answer in enumerate(answers) if answer.status_code == 429]
        right = [
            number for number in served if is_own_answer(answers[number].json(), number, undisturbed[number])
        ]
        figures[name] = {
            "served": len(served),
            "full_429": len(full),
            "lost": count - len(served) - len(full),
            "wrong_picture": len(served) - len(right),
        }
    return figures


def _at_once(count, send):
    start = threading.Barrier(count)

    def wait_and_send(number):
        start.wait()
        return send(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(wait_and_send, range(count)))


def _post(server, number):
    return local_http.post(
        f"{server.url}/predictions", json={"input": request(number)}, timeout=ANSWER_SECONDS
    )


def _post_until_served(server, number):
    while (answer := _post(server, number)).status_code == 429:
        # As the answer says: callers that ask without a pause take the processor from the drawing.
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


def is_own_answer(prediction, number, expected):
    """True if an answer carries its own request's seed, and to the byte the undisturbed pictures."""
    if prediction["status"] != "succeeded" or prediction["output"] != expected:
        return False
    return all(field_of(picture, "seed") == str(number) for picture in pictures(prediction))


def switches(folder, count):
    """Draw so many pictures, each with a ControlNet that is not in memory; count the tensors that stay."""
    import torch
    from drawing import draw, images, load_small_engine

    engine = load_small_engine(folder)
    expected, samples, wrong = {}, [], 0
    for number in range(count):
        engine.pipelines.controlnets.evict_all()
        angle = CONTROLNET_ANGLES[number % len(CONTROLNET_ANGLES)]
        drawn = images(draw(engine, angle=angle))
        wrong += expected.setdefault(angle, drawn) != drawn
        gc.collect()
        tensors = [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
        samples.append(
            (len(tensors), sum(item.nbytes for item in tensors), psutil.Process().memory_info().rss)
        )
        del tensors
    # The two ControlNets differ in size, so the first round is compared with the last.
    first, last = samples[len(CONTROLNET_ANGLES) * 2 - 1], samples[-1 - count % len(CONTROLNET_ANGLES)]
    warm = samples[max(1, count // 5)]
    return {
        "switches": count,
        "wrong_pictures": wrong,
        "tensors": [first[0], last[0]],
        "tensor_bytes": [first[1], last[1]],
        "rss_growth_percent": percent(samples[-1][2], warm[2]),
    }


def with_server(engine, work, **environment):
    """Run some work against a server of its own; how many files that leaves after it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        server = CogServer.start(Path(folder), engine, **environment)
        try:
            assert server.wait_until_started()["status"] == "READY"
            figures = work(server)
        finally:
            server.stop()
        deadline = time.monotonic() + 10
        while any(server.temp.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return {**figures, "files_after_the_end": sum(1 for _ in server.temp.rglob("*"))}


def section(name, count, folder):
    """The figures of one section; `folder` is for a checkpoint, where it needs one."""
    if name == "burst":
        return with_server("render", lambda server: burst(server, count or BURST))
    if name == "render":
        return with_server("render", lambda server: predictions(server, count or PREDICTIONS))
    from checkpoints import write_model_folder

    models = write_model_folder(folder)
    if name == "switches":
        return switches(models, count or SWITCHES)
    return with_server(
        "sdxl",
        lambda server: predictions(server, count or PREDICTIONS, num_inference_steps=2),
        PLITKA_MODEL_DIR=models,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # argparse would hold an empty list against choices.
    parser.add_argument(
        "sections", nargs="*", metavar="section", help=f"of {', '.join(SECTIONS)}; all of them"
    )
    parser.add_argument(
        "--count", type=int, help="predictions, switches or requests; default 300, 100 and 20"
    )
    parser.add_argument("--state", type=Path, help="a file that keeps the figures of finished sections")
    arguments = parser.parse_args()
    if unknown := set(arguments.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    figures = json.loads(arguments.state.read_text()) if arguments.state and arguments.state.exists() else {}
    for name in arguments.sections or SECTIONS:
        if name in figures:
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            measured = section(name, arguments.count, Path(folder) / "models")
        figures[name] = {**measured, "seconds": round(time.perf_counter() - start)}
        if arguments.state:
            arguments.state.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
