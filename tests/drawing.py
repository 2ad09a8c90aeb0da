"""Small pictures from small models: what the tests of the diffusion engine share."""

import json
import os
from functools import lru_cache
from unittest import mock

import pytest
import torch

from plitka.device.select import DeviceInfo
from plitka.diffusion.engine import DiffusionEngine
from plitka.engine.protocol import Job
from plitka.errors import ModelFileError
from plitka.request.drawing_settings import EngineDefaults, prompt_of, settings_for
from plitka.request.tile_request import parse_request
from plitka.tile.plan import make_plan
from plitka.weights.locate import find_files

PREVIEW, FINAL = 64, 128
CPU = DeviceInfo("cpu", "cpu", "CPU", 2**34, "float32")
SCHEDULER = "dpmpp_2m_karras"
# The LoRA's scale is the one that the manifest gives it.
DEFAULTS = EngineDefaults(lora_scale=0.75)
# Fewer granules than a request shows by default: a small picture takes less time than its plan.
LITTLE = {"width_mm": 80}
torch.set_num_threads(1)


def load_small_engine(folder, weights=None, sizes=(PREVIEW, FINAL), **environment):
    """The engine of a model folder, drawing small pictures."""
    with _using(folder, environment):
        return DiffusionEngine.load("sdxl", weights, preview_size=sizes[0], final_size=sizes[1])


def refusal(folder, *given, **environment):
    """What is said of a model folder that cannot be drawn with."""
    with pytest.raises(ModelFileError) as raised:
        load_small_engine(folder, *given, **environment)
    return str(raised.value)


def files_in(folder, **environment):
    """The files of a model folder, as the engine finds them."""
    with _using(folder, environment):
        return find_files("sdxl")


def _using(folder, environment):
    own = {"PLITKA_MODEL_DIR": str(folder), "PLITKA_BASE_MODEL": "", "PLITKA_ALLOW_BASE": ""}
    return mock.patch.dict(os.environ, own | environment)


def make_job(
    angle=0,
    seed=5,
    colors=(("red", 60), ("blue", 40)),
    defaults=DEFAULTS,
    dimensions=LITTLE,
    **overrides,
):
    document = {
        **dimensions,
        "colors": [{"name": name, "proportion": share} for name, share in colors],
        "angle": angle,
        "seed": seed,
        "overrides": {"num_inference_steps": 2, **overrides},
    }
    request = parse_request(json.dumps(document))
    plan = _plan(request.mix, request.laying_angle, request.layout, request.seed, request.scale)
    settings = settings_for(request, defaults)
    return Job(request, settings, prompt_of(request, settings), plan)


@lru_cache(maxsize=32)
def _plan(*arguments):
    """A plan that many pictures are drawn from: making it takes longer than a small picture of it."""
    plan = make_plan(*arguments)
    for shared in (plan.relief.facets, plan.granule_color):
        shared.flags.writeable = False
    return plan


def draw(engine, **request):
    """Preview and final picture of a request."""
    return list(engine.draw(make_job(**request)))


def images(drawings):
    return [drawing.image.tobytes() for drawing in drawings]
