"""What Cog calls to train: the inputs that `/trainings` takes, and nothing else.

Cog makes the OpenAPI schema by parsing this file, not by running it, so whatever stands inside `Input(...)`
is a literal.
"""

from functools import cache

from cog import BaseModel, Input, Path, current_scope

from plitka.engines import log_to_stderr
from plitka.server.caller_errors import told_to_callers
from plitka.server.output_folders import Workspace
from training.cog_training import run_training
from training.training_request import TrainingRequest


@cache
def workspace() -> Workspace:
    """Where the files of a training lie until the next one starts."""
    return Workspace()


class TrainingOutput(BaseModel):  # type: ignore[misc]  # cog ships no type information
    """The weights as the predictor's setup takes them, a sheet of samples, settings and the data check."""

    weights: Path
    sheet: Path
    report: Path


def train(
    photographs: Path = Input(  # noqa: B008  # Cog's way to say it
        description="A .zip of photographs with captions: 1.jpg and 1.txt, or all captions in metadata.jsonl",
        accept="application/zip",
    ),
    base_model: str = Input(
        default="",
        description="Which model of model_files/manifest.json is trained; empty is the operator's own",
    ),
    trigger: str = Input(
        default="ohwx_rubber_tile <s0><s1>",
        description="Put before captions that name neither <s0> nor <s1>; the predictor's own",
    ),
    steps: int = Input(default=1500, ge=1, le=20000, description="Steps of optimisation"),
    batch_size: int = Input(default=1, ge=1, le=16, description="Pictures in each step"),
    rank: int = Input(default=32, ge=1, le=128, description="Rank of the LoRA; its alpha is the same"),
    learning_rate: float = Input(
        default=1e-4, ge=1e-7, le=1e-2, description="How fast the LoRA learns (AdamW, cosine)"
    ),
    embedding_learning_rate: float = Input(
        default=5e-4, ge=1e-7, le=1e-1, description="How fast the words <s0> and <s1> learn"
    ),
    resolution: int = Input(
        default=1024, ge=64, le=1536, description="Pixels on a side of an example, a multiple of 32"
    ),
    seed: int = Input(
        default=-1,
        ge=-1,
        le=4294967295,
        description="The same seed gives the same weights; -1 is random",
    ),
    trust_captions: bool = Input(
        default=False,
        description="Train even if captions disagree with their photographs; they are listed all the same",
    ),
) -> TrainingOutput:
    """Train a LoRA and two learned words. Bad input is refused before the base model is loaded."""
    log_to_stderr()
    request = TrainingRequest(
        photographs=photographs,
        base_model=base_model,
        trigger=trigger,
        steps=steps,
        batch=batch_size,
        rank=rank,
        rate=learning_rate,
        token_rate=embedding_learning_rate,
        resolution=resolution,
        seed=seed,
        trusted=trust_captions,
    )
    with told_to_callers():
        files = run_training(request, workspace().new_folder(), current_scope().record_metric)
    return TrainingOutput(**{name: Path(file) for name, file in files.items()})
