"""A training from its request to its files: what `train.py` calls.

Input, captions and base model are checked in this order, each before the next costs anything; torch is
loaded only when all captions agree with their photographs.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plitka.errors import GpuMemoryError, ModelFileError, Problem, RequestError
from plitka.files.temporary_folders import named_when_full, own_folder
from plitka.files.whole_files import write_whole
from training.data_check import check_captions
from training.data_findings import CaptionError, DataCheck
from training.photo_archive import read_archive
from training.pictures import Picture
from training.training_request import TOKENS, TrainingRequest, checked
from training.weights_archive import pack

if TYPE_CHECKING:
    from training.adapter_trainer import AdapterTrainer
    from training.loop import Stage

TRAINED = "trained"
WEIGHTS, SHEET, REPORT = "trained_model.tar", "sheet.png", "report.json"
# Seconds between lines of progress.
LINE_SECONDS = 5.0
TRUST = "Correct them, or train all the same with trust_captions."
SMALLER = "Train with a smaller batch_size, resolution or rank"
# What fields of a request are called as inputs, where that is something else.
_INPUTS = {
    "batch": "batch_size",
    "rate": "learning_rate",
    "token_rate": "embedding_learning_rate",
    "trusted": "trust_captions",
}

Record = Callable[[str, Any], None]


def run_training(request: TrainingRequest, output: Path, record: Record) -> dict[str, Path]:
    """Train; returns the files in `output`: `weights`, `sheet` and `report`.

    `record` takes the names and values of metrics. Progress goes to standard output.

    Raises:
        RequestError: The inputs or the archive are not as they must be; with every problem.
        CaptionError: Captions disagree with their photographs, and are not trusted.
        ModelFileError, EngineError: The base model cannot be used.
        GpuMemoryError: The GPU's memory does not suffice.
        FolderError: The folder for temporary files is full.
    """
    with own_folder("plitka-training-") as folder:
        request, pictures = _read(request, folder)
        _say(f"{len(pictures)} photographs; base model {request.base_model}, seed {request.seed}")
        record("training.seed", str(request.seed))
        check = _check(pictures, request.trusted, record)
        pictures = [replace(picture, caption=request.caption(picture.caption)) for picture in pictures]
        with named_when_full(output):
            return _train(request, pictures, check, folder, output, record)


def _read(request: TrainingRequest, folder: Path) -> tuple[TrainingRequest, list[Picture]]:
    problems: list[Problem] = []
    pictures: list[Picture] = []
    try:
        request = checked(request)
    except RequestError as error:
        problems += error.problems
    try:
        pictures = read_archive(request.photographs, folder)
    except RequestError as error:
        problems += error.problems
    if problems:
        raise RequestError(problems)
    return request, pictures


def _check(pictures: list[Picture], trusted: bool, record: Record) -> DataCheck:
    start = time.monotonic()
    check = check_captions(pictures)
    for line in check.lines():
        _say(line)
    _say(f"captions checked in {time.monotonic() - start:.0f} s: {len(check.disagreements)} disagree")
    record("data_check", check.as_dict())
    if check.disagreements and not trusted:
        raise CaptionError(check, TRUST)
    return check


def _train(
    request: TrainingRequest,
    pictures: list[Picture],
    check: DataCheck,
    folder: Path,
    output: Path,
    record: Record,
) -> dict[str, Path]:
    from plitka.diffusion.gpu_errors import is_out_of_memory

    start = time.monotonic()
    progress = _Progress(request, record)
    try:
        base = _fit(request, pictures, folder, output / SHEET, progress)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise GpuMemoryError(f"the GPU's memory does not suffice. {SMALLER}.") from error
    finally:
        # This process trains again.
        _free_memory()
    pack(folder / TRAINED, output / WEIGHTS)
    report = _report(request, check, base, progress.loss, time.monotonic() - start)
    write_whole(output / REPORT, (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode())
    return {"weights": output / WEIGHTS, "sheet": output / SHEET, "report": output / REPORT}


def _fit(
    request: TrainingRequest, pictures: list[Picture], folder: Path, sheet: Path, progress: _Progress
) -> str:
    """Load the base model, train, draw the sheet; returns the base model's name."""
    from training.adapter_sheet import write_sample_sheet

    trainer, base = _load(request, pictures, folder)
    progress.start()
    trainer.train(progress)
    _say("drawing the sheet")
    write_sample_sheet(trainer, sheet)
    return base


def _load(request: TrainingRequest, pictures: list[Picture], folder: Path) -> tuple[AdapterTrainer, str]:
    """The trainer, and the base model's name."""
    import torch
    from diffusers.utils import logging as diffusers_logging

    from plitka.diffusion.checkpoints.few_step import few_step_model
    from plitka.diffusion.checkpoints.pretrained import HOW_TO_GET_WEIGHTS, check_parts, read_base
    from plitka.diffusion.checkpoints.weight_checks import check_finite
    from plitka.diffusion.families.known import family_of
    from plitka.diffusion.families.sdxl import SDXL
    from plitka.errors import remedied
    from plitka.weights.locate import find_files
    from training.adapter_trainer import AdapterSettings, AdapterTrainer
    from training.loop import Budget

    diffusers_logging.disable_progress_bar()
    files = find_files(request.base_model)
    _say(f"loading {files.base.name}")
    pipeline = read_base(files, torch.float32)
    if (family := family_of(pipeline)) is not SDXL:
        problem = f"this is {family.title}, and what is trained here is for {SDXL.title}"
        raise ModelFileError(files.base.name, problem, "Choose another base model for the training.")
    if (few_step := few_step_model(files, pipeline, family, None)) is not None:
        problem = f"this is a few-step model ({few_step.kind}), and training would undo what it has learned"
        raise ModelFileError(files.base.name, problem, "Choose another base model for the training.")
    with remedied(HOW_TO_GET_WEIGHTS):
        check_parts(check_finite, pipeline, files)
    _check_lengths(pictures, pipeline)
    settings = AdapterSettings(
        output=folder / TRAINED,
        budget=Budget(request.steps, inf, request.batch, request.rate),
        rank=request.rank,
        resolution=request.resolution,
        seed=request.seed,
        token_factor=request.token_rate / request.rate,
        tokens=TOKENS,
        gradient_checkpointing=torch.cuda.is_available(),
        keeps_checkpoints=False,
    )
    try:
        return AdapterTrainer(pipeline, settings, pictures), files.base.name
    except ValueError as error:
        raise ModelFileError(files.base.name, f"it cannot be trained: {error}") from error


def _check_lengths(pictures: list[Picture], pipeline: Any) -> None:
    """Refuse captions that the text encoders would cut off. Raises RequestError."""
    from plitka.request.prompt import TOKEN_LIMIT

    problems = []
    for picture in pictures:
        text = picture.caption
        # Each learned word becomes one token once it is added.
        for token in TOKENS:
            text = text.replace(token, " a ")
        length = max(len(one(text)["input_ids"]) for one in (pipeline.tokenizer, pipeline.tokenizer_2))
        if length > TOKEN_LIMIT:
            reason = f"has a caption of {length} tokens"
            problems.append(Problem("photographs", picture.title, reason, f"at most {TOKEN_LIMIT}"))
    if problems:
        raise RequestError(problems)


class _Progress:
    """Says how far a training is: after the first step, every five seconds, and after the last."""

    def __init__(self, request: TrainingRequest, record: Record) -> None:
        self._steps, self._record = request.steps, record
        self.loss = inf
        self.start()

    def start(self) -> None:
        """Count seconds from now on."""
        self._start = self._said = time.monotonic()

    def __call__(self, stage: Stage, loss: float) -> None:
        self.loss = loss if self.loss == inf else 0.98 * self.loss + 0.02 * loss
        done, now = stage.step + 1, time.monotonic()
        if done not in (1, self._steps) and now - self._said < LINE_SECONDS:
            return
        self._said = now
        spent = now - self._start
        left = spent / done * (self._steps - done)
        _say(f"step {done} of {self._steps}: loss {self.loss:.4f}, {spent:.0f} s, {left:.0f} s left")
        self._record("training.step", done)
        self._record("training.loss", round(self.loss, 5))


def _report(
    request: TrainingRequest, check: DataCheck, base: str, loss: float, seconds: float
) -> dict[str, Any]:
    """What was trained, how, and what the data check found, JSON-ready."""
    asked = {_INPUTS.get(key, key): value for key, value in vars(request).items() if key != "photographs"}
    return {
        "base": base,
        **asked,
        "loss": round(loss, 5),
        "seconds": round(seconds, 1),
        "data_check": check.as_dict(),
    }


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _say(line: str) -> None:
    print(line, flush=True)
