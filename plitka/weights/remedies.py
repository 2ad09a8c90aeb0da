"""What to do about weights that are missing or broken, for the end of an error."""

from pathlib import Path

from plitka.settings import ALLOW_BASE_VARIABLE, FEW_STEP_VARIABLE, PRIOR_MODEL_VARIABLE
from plitka.weights.manifest import ModelSource

RESTART_REMEDY = "Start the program again, with the files as they are now."

# As the end of a sentence.
NO_FEW_STEP = f"this engine has none, and its operator names one in {FEW_STEP_VARIABLE} or in the manifest"

# The shipped manifest names no repository for it: what its files there hash to is not known.
NO_PRIOR = (
    f"Set {PRIOR_MODEL_VARIABLE} to a hub id, such as "
    f"{PRIOR_MODEL_VARIABLE}=kandinsky-community/kandinsky-2-2-prior, or to a diffusers folder, such as "
    f"{PRIOR_MODEL_VARIABLE}=/weights/kandinsky-2-2-prior."
)


def adapter_remedy(folder: Path) -> str:
    """What to do about a LoRA or embeddings that are missing or broken."""
    return (
        f"Put the trained file into {folder} (see model_files/README.md), give it with --weights on the "
        "command line or setup(weights=…) in the container, "
        f"or set {ALLOW_BASE_VARIABLE}=1 to run without it."
    )


def how_to_get(source: ModelSource) -> str:
    """Where the files of a model come from."""
    if source.repo is None:
        return "See model_files/README.md."
    origin = f"{source.repo} at revision {source.revision or 'main'}"
    return f"Fetch {origin} into {source.folder}, as model_files/README.md says."


def how_to_complete(source: ModelSource | None, variable: str | None) -> str:
    """What to do about a file that is missing in a model's folder, which the manifest or a variable names."""
    if variable is not None:
        return f"{variable} names this folder: copy the file from where the model came from."
    return how_to_get(source) if source else "See model_files/README.md."
