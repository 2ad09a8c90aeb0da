"""Small pictures from small models: what the tests of the diffusion engine share."""

import json
import os
from contextlib import contextmanager
from unittest import mock

import torch

from plitka.diffusion import DiffusionEngine
from plitka.engine import Job
from plitka.plan import plan_for
from plitka.profiles import profile_for
from plitka.prompt import build_prompt
from plitka.request import parse_request

PREVIEW, FINAL = 64, 128
torch.set_num_threads(1)


def load_small_engine(folder, weights=None, sizes=(PREVIEW, FINAL), **environment):
    """The engine of a model folder, drawing small pictures."""
    variables = {
        "PLITKA_MODEL_DIR": str(folder),
        "PLITKA_BASE_MODEL": "",
        "PLITKA_ALLOW_BASE": "",
        **environment,
    }
    with mock.patch.dict(os.environ, variables):
        return DiffusionEngine.load("sdxl", weights, preview_size=sizes[0], final_size=sizes[1])


def make_job(angle=0, seed=5, colors=(("red", 60), ("blue", 40)), **overrides):
    document = {
        "colors": [{"name": name, "proportion": share} for name, share in colors],
        "angle": angle,
        "seed": seed,
        "overrides": {"num_inference_steps": 2, **overrides},
    }
    request = parse_request(json.dumps(document))
    return Job(request, build_prompt(request), profile_for(request), plan_for(request))


def draw(engine, **request):
    """Preview and final picture of a request."""
    return list(engine.draw(make_job(**request)))


def images(drawings):
    return [drawing.image.tobytes() for drawing in drawings]


@contextmanager
def failing(module, error, calls=(1,)):
    """Within, the module raises `error` on its n-th call for every n in `calls`; yields the calls made."""
    made = []

    def before(*call):
        made.append(len(made) + 1)
        if made[-1] in calls:
            raise error

    hook = module.register_forward_pre_hook(before)
    try:
        yield made
    finally:
        hook.remove()


def out_of_memory():
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
