"""Jobs for an engine with a few-step model, its pictures, and what it refuses."""

from dataclasses import replace

import pytest
from drawing import make_job

from plitka.errors import RequestError
from plitka.generation import generate
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request


def job_at(engine, quality="fast", adapter=None, **given):
    """A job with the engine's defaults; two steps where the quality is not fast."""
    job = make_job(**given)
    overrides = job.request.overrides
    if quality == "fast" and "num_inference_steps" not in given:
        overrides = overrides.model_copy(update={"num_inference_steps": None})
    request = replace(job.request, quality=quality, adapter=adapter, overrides=overrides)
    return replace(job, request=request, settings=settings_for(request, engine.defaults))


def draw(engine, quality="fast", adapter=None, **given):
    return list(engine.draw(job_at(engine, quality, adapter, **given)))


def refusal(engine, **document):
    with pytest.raises(RequestError) as raised:
        generate(parse_request({"colors": [{"name": "red"}], **document}), engine)
    return {problem.field: problem for problem in raised.value.problems}
