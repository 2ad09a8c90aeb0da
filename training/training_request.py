"""What a training is asked for, checked before anything is unpacked or loaded."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from plitka.errors import Problem, RequestError, shown
from plitka.request.prompt import TRIGGER
from plitka.settings import BASE_MODEL_VARIABLE, ENGINE_VARIABLE, base_model, engine_name
from plitka.weights.manifest import load_manifest

TOKENS = ("<s0>", "<s1>")
LONGEST_TRIGGER = 80
# Latents are an eighth of the picture, and SDXL's UNet halves them twice; VAEs tile by 64.
RESOLUTION_STEP = 32
LARGEST_SEED = 2**32 - 1
RANDOM_SEED = -1


@dataclass(frozen=True)
class TrainingRequest:
    """A training.

    Attributes:
        photographs: The zip; a text is what Cog's server could not fetch.
        base_model: An entry of the manifest whose base model is trained.
        trigger: What stands before the mix in captions that do not say it themselves; names the tokens.
        steps, batch: Steps of optimisation, and pictures in each.
        rank: Of the LoRA.
        rate, token_rate: Learning rates of the LoRA and of the learned words.
        resolution: Pixels on a side.
        seed: 0 to 2**32 - 1.
        trusted: Whether captions count that disagree with their photographs.
    """

    photographs: Path | str | None
    base_model: str
    trigger: str
    steps: int
    batch: int
    rank: int
    rate: float
    token_rate: float
    resolution: int
    seed: int
    trusted: bool

    def caption(self, text: str) -> str:
        """A caption with the trigger before it, unless it names one of the tokens itself."""
        return text if any(token in text for token in TOKENS) else f"{self.trigger}, {text}"


def checked(request: TrainingRequest) -> TrainingRequest:
    """The request with its base model and its seed chosen.

    Ranges of numbers are those of the inputs in `train.py`, which Cog's server holds to. Raises RequestError
    with every problem.
    """
    problems = [*_of_trigger(request.trigger), *_of_resolution(request.resolution)]
    if not RANDOM_SEED <= request.seed <= LARGEST_SEED:
        allowed = f"0 to {LARGEST_SEED}, or {RANDOM_SEED} for a random one"
        problems.append(Problem("seed", shown(request.seed), "is out of range", allowed))
    name = _base_name(request.base_model, problems)
    if problems:
        raise RequestError(problems)
    seed = secrets.randbelow(LARGEST_SEED + 1) if request.seed == RANDOM_SEED else request.seed
    return TrainingRequest(**{**vars(request), "base_model": name, "seed": seed})


def _of_trigger(trigger: str) -> list[Problem]:
    allowed = f"up to {LONGEST_TRIGGER} printable characters with {''.join(TOKENS)} in it, such as {TRIGGER}"
    reasons = []
    if not all(token in trigger for token in TOKENS):
        reasons.append(f"does not name the tokens {' and '.join(TOKENS)}")
    if len(trigger) > LONGEST_TRIGGER:
        reasons.append(f"has {len(trigger)} characters")
    if not trigger.isprintable() or "%" in trigger or "," in trigger:
        reasons.append("has a comma, a per cent sign or a character that cannot be printed")
    return [Problem("trigger", shown(trigger), reason, allowed) for reason in reasons]


def _of_resolution(resolution: int) -> list[Problem]:
    if resolution % RESOLUTION_STEP == 0:
        return []
    allowed = f"multiples of {RESOLUTION_STEP}"
    return [Problem("resolution", shown(resolution), f"is no multiple of {RESOLUTION_STEP}", allowed)]


def _base_name(asked: str, problems: list[Problem]) -> str:
    """The manifest's entry whose base model is trained: never a path or an address from a request."""
    known = load_manifest().models
    name = asked or engine_name()
    allowed = f"{', '.join(known)}, or nothing for the operator's own"
    if name not in known:
        reason = (
            "is not in the manifest" if asked else f"is the engine ({ENGINE_VARIABLE}), and has no base model"
        )
        problems.append(Problem("base_model", shown(name), reason, allowed))
    elif asked and base_model():
        reason = f"cannot be chosen: the operator has set {BASE_MODEL_VARIABLE}"
        problems.append(Problem("base_model", shown(asked), reason, "nothing"))
    return name
