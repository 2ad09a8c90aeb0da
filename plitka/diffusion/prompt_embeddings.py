"""How a prompt becomes what the pipelines are given: the embeddings of its words, for every variant."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from plitka.diffusion.families.family import Family
from plitka.request.prompt import Prompt


@torch.no_grad()
def prompt_embeddings(
    base: Any,
    family: Family,
    prompt: Prompt,
    device: torch.device,
    seed: int,
    on_step: Callable[[], object] = lambda: None,
) -> Mapping[str, torch.Tensor]:
    """Prompt and negative prompt by the names of the pipelines' arguments; `base` is ready to be called.

    `seed` is the request's, for a family whose first stage draws noise; `on_step` is called after each of its
    steps, and may end it by raising.
    """
    if family.embed is not None:
        return family.embed(base, prompt, device, seed, on_step)
    given = base.encode_prompt(
        prompt.positive,
        negative_prompt=prompt.negative,
        device=device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=True,
    )
    return dict(zip(family.embeddings, given, strict=True))
