"""The model card of `mini`: what it is, how it was made, and the figures that were measured.

    python -m training.card FOLDER --figures FILE

FILE is what `benchmarks/mini.py --report` writes.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plitka.files.whole_files import write_whole
from training.checkpoints import has_checkpoint
from training.export import PROFILES

STEPS = PROFILES["standard"]["steps_final"]

TEXT = """---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
tags: [stable-diffusion-xl, lora, textual-inversion, controlnet]
---
# mini

A small model in SDXL's format, trained from nothing on pictures that Plitka draws itself. It runs the whole
diffusion path on a laptop and in tests. It is no substitute for SDXL.

- `base/`: the pipeline, which `StableDiffusionXLPipeline.from_pretrained` loads. Asked for stones it draws
  polished pebbles, else terrazzo. Latents have a quarter of a picture's side and eight channels.
- `tile_lora.safetensors` (PEFT layout, with `conv2`; alpha in `adapter_config.json`) and
  `tile_embeddings.safetensors` (`clip_l`, `clip_g`, for `<s0><s1>`): with both it draws pressed rubber crumb.
- `controlnet/`: one ControlNet for canny, softedge and lineart edges.

It predicts v and is meant to be used with a guidance scale of 2 in {steps} steps, with any of the samplers.
Half of its noise schedule (`strength` 0.5) leaves a swatch's colours visible.

Made by `make mini`; how is said in `training/`. No photographs, and no weights of others, went into it.

## Figures

Fixed mixes of one to four colours, 512 pixels, seed 7. "Guided" pictures start from the swatch at the
default colour guidance, before any correction; "text to image" and all below it know the mix from the prompt
alone. The error is that of the worst colour of a mix measured without the plan, in percentage points,
median (and largest). Texture distance and sharpness (`plitka/fidelity/texture.py`) compare with the swatch of
the same plan.

{table}

{others}

## How long it was trained

{start}

{training}

## Where it falls short

{shortcomings}
"""


def write_card(
    folder: Path, figures: Sequence[dict[str, Any]], work: Path, start: str, shortcomings: str
) -> None:
    """Write `README.md` beside the weights."""
    rows = ["| | error, pp | texture distance | sharpness | pictures |", "|---|---|---|---|---|"]
    others = []
    for figure in figures:
        name = figure["figure"]
        if "worst_error_pp_median" in figure:
            error = f"{figure['worst_error_pp_median']:.1f} ({figure['worst_error_pp_max']:.1f})"
            texture = f"{figure['texture_distance_median']:.2f} | {figure['relative_sharpness_median']:.2f}"
            rows.append(f"| {name} | {error} | {texture} | {figure['pictures']} |")
        elif "within_2_degrees" in figure:
            others.append(
                f"- {name}: within 2° in {figure['within_2_degrees']} of {figure['pictures']} pictures"
            )
        else:
            others.append(
                f"- {name}: {figure['seconds']:.0f} s on {figure['threads']} threads, "
                f"{figure['peak_rss_gb']:.1f} GB at the peak"
            )
    text = TEXT.format(
        steps=STEPS,
        table="\n".join(rows),
        others="\n".join(others),
        start=start,
        training="\n".join(_training(work)),
        shortcomings=shortcomings,
    )
    write_whole(folder / "README.md", text.encode())


def _training(work: Path) -> list[str]:
    """Steps and minutes of every stage, from the logs."""
    lines = ["| stage | steps | minutes |", "|---|---|---|"]
    for path in sorted(work.rglob("log.jsonl")):
        if has_checkpoint(path.parent):
            last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
            name = path.parent.relative_to(work).parts[0]
            lines.append(f"| {name} | {last['step']} | {last['minutes']:.0f} |")
    return lines


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/training"))
    parser.add_argument("--start", default="From nothing.", help="what the training went on from")
    parser.add_argument("--shortcomings", default="See the figures.")
    arguments = parser.parse_args()
    figures = json.loads(arguments.figures.read_text(encoding="utf-8"))
    write_card(arguments.folder, figures, arguments.work, arguments.start, arguments.shortcomings)


if __name__ == "__main__":
    main()
