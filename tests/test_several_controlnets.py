"""ControlNets that a request lists: which are computed, at which steps, in what calls; what is refused."""

import json

import numpy as np
import pytest
import torch
from drawing import SCHEDULER, draw, images, make_job
from tape import TapeRecorder

from plitka.diffusion.recordings import Recordings
from plitka.diffusion.routing import control_problems
from plitka.diffusion.several_controlnets import SeveralControlNets
from plitka.errors import RequestError
from plitka.request.tile_request import parse_request
from plitka.tile.control_image import draw_control
from plitka.tile.plan import JOINT

STEPS = 4
WAYS = [0, 0.5]
CANNY, SOFTEDGE, DEPTH = {"kind": "canny"}, {"kind": "softedge"}, {"kind": "depth"}


def picture(engine, color_guidance=0, angle=90, **overrides):
    return draw(engine, angle=angle, color_guidance=color_guidance, num_inference_steps=STEPS, **overrides)


class Calls:
    """What a ControlNet is called with while it is watched."""

    def __init__(self, engine, kind):
        self.given = []
        model = engine.pipelines.get(kind, True, SCHEDULER)[1].model
        self.hook = model.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, model, given, options):
        self.given.append(options)

    def taken(self):
        self.hook.remove()
        return self.given


@pytest.mark.parametrize(("color_guidance", "angle", "kind"), [(0, 90, "canny"), (0.5, 45, "softedge")])
def test_one_alone_in_the_list_draws_what_the_angle_would(engine, color_guidance, angle, kind):
    drawn = picture(engine, color_guidance, angle, controlnets=[{"kind": kind}])
    usual = picture(engine, color_guidance, angle)
    assert images(drawn) == images(usual)
    assert [one.pipeline for one in drawn] == [one.pipeline for one in usual]


@pytest.mark.parametrize("color_guidance", WAYS)
@pytest.mark.parametrize("kinds", [("softedge",), ("canny", "softedge", "depth")])
def test_several_are_the_sum_that_diffusers_own_pipelines_draw(engine, monkeypatch, color_guidance, kinds):
    """Each of them in its own call, or the union's kinds in one: the residuals are added up."""
    added = []

    def watched(several, *inputs, controlnet_cond, conditioning_scale, **options):
        got = forward(
            several,
            *inputs,
            controlnet_cond=controlnet_cond,
            conditioning_scale=conditioning_scale,
            **options,
        )
        added.append((got, _alone(several, inputs, controlnet_cond, conditioning_scale, options)))
        return got

    forward = SeveralControlNets.forward
    monkeypatch.setattr(SeveralControlNets, "forward", watched)
    # A part of the steps, so that one alone takes this way too.
    entries = [{"kind": kind, "scale": 0.5, "end": 0.9} for kind in kinds]
    picture(engine, color_guidance, controlnets=entries)
    assert added
    for (down, middle), (expected, expected_middle) in filter(lambda pair: pair[1][0], added):
        for ours, theirs in zip([*down, middle], [*expected, expected_middle], strict=True):
            assert torch.equal(ours, theirs)


def _alone(several, inputs, pictures_given, scales, options):
    """The same residuals from the models themselves, called as diffusers' pipelines call them."""
    if not any(scales):
        return (), None
    union = [at for at, mode in enumerate(several.modes) if mode is not None]
    results = []
    for at, model in enumerate(several.nets):
        if several.modes[at] is None:
            results.append(
                model(*inputs, controlnet_cond=pictures_given[at], conditioning_scale=scales[at], **options)
            )
        elif at == union[0]:
            modes = [several.modes[one] for one in union]
            types = torch.zeros(model.config.num_control_type).scatter_(0, torch.tensor(modes), 1)
            results.append(
                model(
                    *inputs,
                    controlnet_cond=[pictures_given[one] for one in union],
                    control_type=types.reshape(1, -1).repeat(len(inputs[0]), 1),
                    control_type_idx=modes,
                    conditioning_scale=[scales[one] for one in union],
                    **options,
                )
            )
    down = [sum(parts[1:], parts[0]) for parts in zip(*(result[0] for result in results), strict=True)]
    return down, sum((result[1] for result in results[1:]), results[0][1])


@pytest.mark.parametrize("color_guidance", WAYS)
def test_outside_its_part_of_the_steps_a_controlnet_is_not_computed(engine, color_guidance):
    watched = Calls(engine, "canny")
    drawn = picture(engine, color_guidance, controlnet_start=0.25, controlnet_end=0.75)
    calls = watched.taken()
    run = [drawing.steps_run for drawing in drawn]
    # Of two steps that start from the swatch, both lie across an end of this part.
    guided = [2 if steps == STEPS else 0 for steps in run]
    assert len(calls) == sum(guided)
    (used,) = drawn[1].denoising.controls
    assert (used.kind, used.start, used.end, used.calls) == ("canny", 0.25, 0.75, guided[1])
    assert drawn[1].denoising.unet_calls == run[1]


def test_a_controlnet_that_guides_no_step_changes_nothing(engine):
    drawn = picture(engine, controlnets=[{**CANNY, "scale": 0}, {**SOFTEDGE, "start": 0.1, "end": 0.2}])
    assert images(drawn) == images(picture(engine, use_controlnet=False))
    assert [one.calls for one in drawn[1].denoising.controls] == [0, 0]


def test_each_has_its_own_part_and_kinds_of_a_union_share_a_call(engine):
    watched = Calls(engine, "canny")
    listed = [{**CANNY, "end": 0.5, "scale": 0.6}, {**DEPTH, "start": 0.25}, SOFTEDGE]
    final = picture(engine, controlnets=listed)[1]
    calls = watched.taken()[STEPS:]
    assert [call["control_type_idx"] for call in calls] == [[3], [3, 1], [1], [1]]
    assert [call["conditioning_scale"] for call in calls] == [[0.6], [0.6, 0.8], [0.8], [0.8]]
    assert [call["control_type"][0].nonzero().flatten().tolist() for call in calls] == [[3], [1, 3], [1], [1]]
    assert [(one.kind, one.calls) for one in final.denoising.controls] == [
        ("canny", 2), ("softedge", 4), ("depth", 3),
    ]  # fmt: skip
    assert final.controlnet == "controlnet-union + controlnet-lines"
    assert final.denoising.control == "canny + softedge + depth"
    json.dumps(final.denoising.as_dict())


def test_kinds_of_a_union_with_the_same_number_are_calls_of_their_own(engine):
    watched = Calls(engine, "canny")
    picture(engine, controlnets=[CANNY, {"kind": "lineart"}])
    assert [call["control_type_idx"] for call in watched.taken()] == [[3]] * (4 * STEPS)


@pytest.mark.long
def test_the_order_of_the_list_does_not_matter(engine):
    both = images(picture(engine, controlnets=[CANNY, SOFTEDGE]))
    assert images(picture(engine, controlnets=[SOFTEDGE, CANNY])) == both


def test_they_guide_a_surface_too_and_the_guidance_interval_halves_them(engine):
    watched = Calls(engine, "canny")
    drawn = draw(
        engine, angle=0, controlnets=[CANNY, DEPTH], color_guidance=0, guidance_interval=[9999, 10000]
    )
    calls = watched.taken()
    assert [drawing.denoising.control for drawing in drawn] == ["canny + depth"] * 2
    assert {len(call["control_type"]) for call in calls} == {1}


@pytest.mark.long
def test_offload_draws_the_same(fresh_engine):
    """Models wait in the machine's memory between uses."""
    listed = [CANNY, {**SOFTEDGE, "end": 0.5}, DEPTH]
    expected = images(picture(fresh_engine, controlnets=listed))
    fresh_engine.pipelines.lower()
    assert images(picture(fresh_engine, controlnets=listed)) == expected


@pytest.mark.long
def test_all_of_a_request_are_in_memory_together_and_an_evicted_one_leaves_no_pipeline(fresh_engine):
    pipelines = fresh_engine.pipelines
    pipelines.controlnets.kept = 1
    picture(fresh_engine, controlnets=[CANNY, SOFTEDGE])
    assert {one.key for one in pipelines.controlnets.loaded} == {"union", "lines"}
    pipelines.controlnets.evict_all()
    assert {key for key, _ in pipelines.variants} == {None}


@pytest.mark.long
def test_recorded_work_gives_the_same_pictures(fresh_engine):
    listed = [{**CANNY, "end": 0.5}, SOFTEDGE, DEPTH]
    expected = images(picture(fresh_engine, controlnets=listed))
    pipelines = fresh_engine.pipelines
    pipelines.controlnets.evict_all()
    pipelines.recordings = Recordings(TapeRecorder())
    pipelines.accelerate()
    for _ in range(2):
        drawn = picture(fresh_engine, controlnets=listed)
        assert images(drawn) == expected
    made = {one.model: one.recordings for one in drawn[1].denoising.recordings}
    # For each size, the union's two kinds together and the second alone; the plain one.
    assert (made["controlnet.union"], made["controlnet.lines"]) == (4, 2)


def test_a_kind_without_a_controlnet_is_refused_with_what_there_is(engine):
    job = make_job(controlnets=[CANNY, {"kind": "normal"}])
    with pytest.raises(RequestError) as raised:
        engine.check(job.request, job.prompt)
    (problem,) = raised.value.problems
    assert problem.field == "overrides.controlnets[1].kind"
    assert problem.allowed == '"canny", "softedge", "lineart" or "depth"'
    (problem,) = control_problems(make_job(controlnets=[CANNY]).request, ())
    assert problem.allowed == "a request without controlnets"


def test_the_request_in_a_picture_draws_the_same_list_again(engine):
    job = make_job(controlnets=[{"kind": "Canny", "scale": "0,6", "end": 0.6}, DEPTH])
    assert parse_request(job.request.to_json()) == job.request
    given = json.loads(job.request.to_json())["overrides"]["controlnets"]
    assert given == [{"kind": "canny", "scale": 0.6, "end": 0.6}, {"kind": "depth"}]


@pytest.mark.parametrize("seamless", [False, True])
def test_depth_is_white_where_it_is_near_and_black_in_joints(seamless):
    square = {"tile_mm": [50, 50], "width_mm": 100, "height_mm": 100}
    plan = make_job(angle=0, layout="grid", dimensions={**square, "seamless": seamless}).plan
    depth = draw_control(plan, "depth", 256)[..., 0]
    joint = plan.labels(256) == JOINT
    assert np.median(depth[joint]) < 30 < 120 < np.median(depth[~joint])
    assert depth.max() == 255


def test_normals_are_red_to_the_left_and_green_upwards():
    plan = make_job().plan
    depth, normal = (draw_control(plan, kind, 256).astype(int) for kind in ("depth", "normal"))
    rising_right = np.gradient(depth[..., 0].astype(float), axis=1)
    rising_down = np.gradient(depth[..., 0].astype(float), axis=0)
    inner = (slice(4, -4),) * 2
    steep = np.abs(rising_right[inner]) > 5
    assert (np.sign(normal[..., 0][inner] - 127.5) == np.sign(rising_right[inner]))[steep].mean() > 0.99
    steep = np.abs(rising_down[inner]) > 5
    assert (np.sign(normal[..., 1][inner] - 127.5) == np.sign(rising_down[inner]))[steep].mean() > 0.99
    assert normal[..., 2].min() >= 127
