"""The loop that every stage shares: budget, learning rate, average, checkpoints, log, sample sheets."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from plitka.diffusion.progress import bar_options
from training.checkpoints import read_checkpoint, write_checkpoint

WARMUP_STEPS = 100
LOG_EVERY = 50


@dataclass(frozen=True)
class Budget:
    """How long a stage trains: `steps` or `minutes`, whichever ends first; `rate` is the learning rate."""

    steps: int
    minutes: float
    batch: int
    rate: float


@dataclass
class Stage:
    """What a stage trains and where it keeps it. `modules` are saved and restored with the optimisers.

    `precision` is what it calculates in, as in `training/precision.py`, for the log. Without
    `keeps_checkpoints` nothing is read or written but the log; without `has_bar` nothing is shown.
    """

    name: str
    folder: Path
    budget: Budget
    modules: Mapping[str, torch.nn.Module]
    optimizers: Mapping[str, torch.optim.Optimizer]
    averaged: Average | None = None
    precision: str = "no"
    checkpoint_minutes: float = 3.0
    keeps_checkpoints: bool = True
    has_bar: bool = True
    step: int = 0
    seconds: float = 0.0

    @property
    def progress(self) -> float:
        """The part of the budget that is used up, 0 to 1."""
        by_time = self.seconds / 60 / self.budget.minutes
        return min(1.0, max(self.step / self.budget.steps, by_time))


class Average:
    """Exponential moving average of a module's parameters, slower as training goes on."""

    def __init__(self, module: torch.nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.weights = [weight.detach().clone() for weight in module.parameters()]

    @torch.no_grad()
    def update(self, module: torch.nn.Module, step: int) -> None:
        """Take in the parameters after a step."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.weights, [weight.detach() for weight in module.parameters()], 1 - decay)

    @torch.no_grad()
    def sample_of(self, module: torch.nn.Module, fresh: Any) -> Any:
        """`fresh`, a new model like the module, with the averaged parameters, to draw samples with."""
        fresh.load_state_dict(module.state_dict())
        for weight, average in zip(fresh.parameters(), self.weights, strict=True):
            weight.copy_(average)
        return fresh.eval()


def run(
    stage: Stage,
    take_step: Callable[[Stage], Mapping[str, float]],
    show: Callable[[Path], None] | None = None,
) -> None:
    """Train until the budget is used up, from the last checkpoint if there is one.

    `take_step` does one step of optimisation, with the rate already set, and returns figures for the log;
    with `optimize`. `show` writes a sample sheet to the path it is given, at every checkpoint. Where
    several processes train together, the first one keeps the records.
    """
    stage.folder.mkdir(parents=True, exist_ok=True)
    if stage.keeps_checkpoints:
        _restore(stage)
    share_weights(stage.modules)
    leads = worker() == 0
    bar = tqdm(
        total=stage.budget.steps,
        initial=stage.step,
        disable=not (leads and stage.has_bar),
        **bar_options(stage.name),
    )
    figures: dict[str, float] = {}
    saved_at = stage.seconds
    while stage.progress < 1:
        start = time.perf_counter()
        _set_rate(stage)
        for name, value in take_step(stage).items():
            figures[name] = 0.98 * figures.get(name, value) + 0.02 * value
        stage.step += 1
        if stage.averaged is not None:
            stage.averaged.update(next(iter(stage.modules.values())), stage.step)
        stage.seconds = _of_first(stage.seconds + time.perf_counter() - start)
        bar.update()
        if leads and stage.step % LOG_EVERY == 0:
            _log(stage, figures)
        if leads and stage.keeps_checkpoints and stage.seconds - saved_at > 60 * stage.checkpoint_minutes:
            saved_at = stage.seconds
            _save(stage, show)
    bar.close()
    if leads:
        _log(stage, figures)
        if stage.keeps_checkpoints:
            _save(stage, show)
    _wait()


def optimize(
    loss: torch.Tensor, optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter]
) -> None:
    """One step down the gradient of `loss`, clipped to norm 1; a step that is not finite is left out.

    Where several processes train together, the gradient is the mean of theirs.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if distributed.is_initialized():
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        means = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
    if torch.isfinite(torch.nn.utils.clip_grad_norm_(parameters, 1.0)):
        optimizer.step()


def worker() -> int:
    """Number of this process among those that train together; 0 for the first, or for one alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def share_weights(modules: Mapping[str, torch.nn.Module]) -> None:
    """Give every process the first one's weights."""
    if distributed.is_initialized():
        for module in modules.values():
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)


def _of_first(seconds: float) -> float:
    """The first process's clock, so that all stop at the same step."""
    if not distributed.is_initialized():
        return seconds
    clock = torch.tensor([seconds], dtype=torch.float64)
    distributed.broadcast(clock, 0)
    return float(clock)


def _wait() -> None:
    if distributed.is_initialized():
        distributed.barrier()


def is_finished(folder: Path, budget: Budget) -> bool:
    """Whether a stage has used up a budget; a larger one than it was trained with lets it go on."""
    state = read_checkpoint(folder)
    return state is not None and bool(
        state["step"] >= budget.steps or state["seconds"] >= 60 * budget.minutes
    )


def keep(folder: Path, modules: Mapping[str, torch.nn.Module]) -> None:
    """Write modules as the result of a stage that trains nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    _save(Stage(folder.name, folder, Budget(0, 0, 0, 0), modules, {}), None)


def load_weights(folder: Path, modules: Mapping[str, torch.nn.Module]) -> None:
    """Give modules a stage's weights: of the first, the moving average if the stage kept one."""
    state = read_checkpoint(folder)
    if state is None:
        raise FileNotFoundError(f"{folder}: this stage has not been trained")
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    if state["average"] is not None and next(iter(state["modules"])) in modules:
        with torch.no_grad():
            first = modules[next(iter(state["modules"]))]
            for weight, average in zip(first.parameters(), state["average"], strict=True):
                weight.copy_(average)


def plain_attention(device: str) -> AbstractContextManager[None]:
    """Attention as plain matrix products on a CPU, whose fused kernel is slow backwards."""
    if device == "cpu":
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def _set_rate(stage: Stage) -> None:
    """Linear warm-up, of a tenth of a short training, then half a cosine down to a twentieth."""
    warmup_steps = max(1, min(WARMUP_STEPS, stage.budget.steps // 10))
    warmup = min(1.0, (stage.step + 1) / warmup_steps)
    factor = warmup * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * stage.progress)))
    for optimizer in stage.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = stage.budget.rate * factor * group.get("factor", 1.0)


def _log(stage: Stage, figures: Mapping[str, float]) -> None:
    line: dict[str, Any] = {"step": stage.step, "minutes": round(stage.seconds / 60, 2)}
    line |= {"precision": stage.precision}
    line |= {name: round(value, 5) for name, value in figures.items()}
    with (stage.folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def _save(stage: Stage, show: Callable[[Path], None] | None) -> None:
    state: dict[str, Any] = {
        "step": stage.step,
        "seconds": stage.seconds,
        "modules": {name: module.state_dict() for name, module in stage.modules.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in stage.optimizers.items()},
        "average": stage.averaged.weights if stage.averaged else None,
    }
    write_checkpoint(stage.folder, state)
    if show is not None:
        show(stage.folder / f"sheet-{stage.step:06d}.png")


def _restore(stage: Stage) -> None:
    state = read_checkpoint(stage.folder)
    if state is None:
        return
    stage.step, stage.seconds = state["step"], state["seconds"]
    for name, module in stage.modules.items():
        module.load_state_dict(state["modules"][name])
    for name, optimizer in stage.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    if stage.averaged is not None and state["average"] is not None:
        for weight, average in zip(stage.averaged.weights, state["average"], strict=True):
            weight.copy_(average)
