"""From a few-step model to any other picture and back: nothing of it is left."""

import pytest
from drawing import FINAL, PREVIEW, images, load_small_engine
from few_step_jobs import draw
from few_step_models import ADAPTERS, few_step_environment, write_few_step_lora
from hypothesis import given
from hypothesis import strategies as st
from interruptions import BreaksOff, Cancelled, out_of_memory
from model_state import is_same, state_of
from tape import TapeRecorder
from thorough import examples

from plitka.diffusion import recordings
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.generation import generate
from plitka.request.tile_request import parse_request


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    return write_few_step_lora(tmp_path_factory.mktemp("few-step") / "lightning.safetensors")


@pytest.fixture(scope="module")
def environment(tmp_path_factory, lora):
    return few_step_environment(tmp_path_factory.mktemp("adapters"), lora)


@pytest.fixture(scope="module")
def engine(model_folder, environment):
    """An engine with a few-step LoRA; a test leaves it as it was."""
    return load_small_engine(model_folder, **environment)


@pytest.fixture(scope="module")
def plain(model_folder, environment):
    """The same engine without a few-step model."""
    return load_small_engine(
        model_folder, **environment | {"PLITKA_FEW_STEP": "", "PLITKA_FEW_STEP_LORA": ""}
    )


@pytest.fixture(scope="module")
def straight(model_folder, environment, plain):
    """The models' state at each adapter, scale and quality, where nothing is ever broken off."""
    engine, known = load_small_engine(model_folder, **environment), {}

    def state(name, scale, is_fast):
        if (name, scale, is_fast) not in known:
            used = engine if is_fast else plain
            used.adapters.use(name, scale)
            used.adapters.use(name, scale, few_step=is_fast)
            known[name, scale, is_fast] = state_of(used)
        return known[name, scale, is_fast]

    return state


STEP = st.tuples(
    st.sampled_from((None, *ADAPTERS)),
    st.sampled_from([0.0, 0.75, 2.0]),
    st.booleans(),
    st.none() | st.tuples(st.integers(1, 900), st.sampled_from([Cancelled, out_of_memory])),
)


@pytest.mark.long
@examples(7)
@given(steps=st.lists(STEP, min_size=1, max_size=6))
def test_whatever_was_asked_for_or_broke_off_the_models_are_as_if_nothing_had_been(engine, straight, steps):
    for name, scale, is_fast, trouble in [*steps, (None, 0.75, False, None)]:
        if trouble is None:
            engine.adapters.use(name, scale, few_step=is_fast)
        else:
            operation, error = trouble
            breaking = BreaksOff(error(), operation, function=None)
            try:
                with breaking:
                    engine.adapters.use(name, scale, few_step=is_fast)
            except BaseException:
                assert breaking.made >= operation
                continue
        assert is_same(state_of(engine), straight(name, scale, is_fast))


REQUESTS = {
    "usual": {"quality": "standard"},
    "usual, joints": {"quality": "standard", "angle": 45, "lora_scale": 0.3},
    "fast": {},
    "fast, joints, from noise": {"angle": 90, "color_guidance": 0},
    "fast, another LoRA": {"adapter": "kohya"},
}


@pytest.fixture(scope="module")
def alone(model_folder, environment):
    """What each request draws in an engine that has drawn nothing else."""
    return {
        name: images(draw(load_small_engine(model_folder, **environment), **request))
        for name, request in REQUESTS.items()
    }


@pytest.mark.long
@examples(3)
@given(names=st.lists(st.sampled_from(list(REQUESTS)), min_size=3, max_size=6))
def test_each_request_draws_what_it_draws_alone(engine, alone, names):
    for name in names:
        assert images(draw(engine, **REQUESTS[name])) == alone[name]


@pytest.mark.long
def test_other_files_are_those_of_an_engine_without_a_few_step_model(engine, plain):
    document = {"colors": [{"name": "red"}], "seed": 3, "overrides": {"num_inference_steps": 2}}
    fast = parse_request(document | {"quality": "fast", "overrides": {}})
    drawn = {result.name: result.data for result in generate(fast, engine)}
    assert b"lightning lightning.safetensors sha256:" in drawn["final"]
    # Text stands in PNG files as it is, or packed.
    ours, theirs = (
        [result.data for result in generate(parse_request(document), one)] for one in (engine, plain)
    )
    assert ours == theirs


@pytest.mark.long
def test_recordings_stay_valid(model_folder, environment, engine, monkeypatch):
    monkeypatch.setattr(recordings, "CudaRecorder", lambda: TapeRecorder())
    for name, value in (environment | {"PLITKA_MODEL_DIR": str(model_folder)}).items():
        monkeypatch.setenv(name, value)
    recorded = DiffusionEngine.load(
        "sdxl", acceleration=Acceleration(graphs=True), preview_size=PREVIEW, final_size=FINAL
    )
    counts = []
    for request in (*REQUESTS.values(), *REQUESTS.values()):
        drawn = draw(recorded, **request)
        assert images(drawn) == images(draw(engine, **request))
        counts.append({one.model: one.recordings for one in drawn[1].denoising.recordings})
    # Guided or not are two shapes, and both are known after the first round.
    assert counts[-1] == counts[len(REQUESTS) - 1]
