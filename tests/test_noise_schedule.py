"""What a base model's scheduler configuration means is what every sampler does, or the model is refused."""

import inspect
import json
from itertools import product
from pathlib import Path

import diffusers
import pytest
import torch
from checkpoints import SDXL_SCHEDULER, edit_config
from drawing import files_in
from hypothesis import given
from hypothesis import strategies as st
from oracles import Oracle, sample
from thorough import examples, one_in

from plitka.diffusion.checkpoints.noise_schedule import (
    HONOURED,
    NEUTRAL,
    OF_ONE_SAMPLER,
    SCHEDULER_CLASSES,
    Statement,
    noise_schedule,
)
from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.diffusion.pipelines import Pipelines
from plitka.diffusion.schedulers import SCHEDULERS, base_scheduler, make_scheduler, suits
from plitka.errors import ModelFileError

MINI = json.loads(Path("model_files/mini/base/scheduler/scheduler_config.json").read_text())
V = {"prediction_type": "v_prediction"}
ZERO_SNR = V | {"rescale_betas_zero_snr": True}
MEANINGS = {"epsilon": {}, "v": V, "zero-SNR": ZERO_SNR}
# They end at the schedule's first level of noise, 0.03 of the spread.
STOPS_EARLY = ("ddim", "pndm")
SHAPE, SPREAD = (1, 4, 32, 32), 0.7
PICTURE = torch.linspace(-1, 1, 32).double().view(1, 1, 1, 32).expand(SHAPE)


def config_for(**changes):
    return base_scheduler(noise_schedule(SDXL_SCHEDULER | changes, "here"), "here").config


def alphas_cumprod(config):
    """The part of the picture that is left at each timestep, as the training had it."""
    betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000).double() ** 2
    kept = (1 - betas).cumprod(0)
    if config.get("rescale_betas_zero_snr"):
        root = kept.sqrt()
        kept = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return kept


def oracle(config, spread):
    return Oracle(alphas_cumprod(config), PICTURE, spread, config["prediction_type"])


# Honoured


@pytest.mark.each_value
@pytest.mark.parametrize("steps", [2, 12, 30, 100])
@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_model_that_knows_the_picture_gives_it_with_every_sampler(name, meaning, steps):
    config = config_for(**MEANINGS[meaning])
    if not suits(name, config):
        return
    found = sample(make_scheduler(name, config), oracle(config, 0), SHAPE, steps)
    assert (found - PICTURE).abs().max() < (0.2 if name in STOPS_EARLY else 1e-3)


def crowd(config, name, predict):
    """How far the middle of a crowd of pictures is off, and how wide it is, read with `config`."""
    found = sample(make_scheduler(name, config), predict, SHAPE, 12) - PICTURE
    return found.mean(dim=(0, 1, 2)).abs().mean().item(), found.std().item()


@pytest.mark.parametrize("meaning", MEANINGS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_levels_of_noise_are_those_of_the_training(name, meaning):
    """Another reading of the same model gives another crowd: colours run away, or contrast does."""
    right = config_for(**MEANINGS[meaning])
    if not suits(name, right):
        return
    off, width = crowd(right, name, oracle(right, SPREAD))
    assert off < 0.15
    assert 0.7 * SPREAD < width < 1.15 * SPREAD
    wrong = {**right, "prediction_type": "epsilon" if meaning != "epsilon" else "v_prediction"}
    off, width = crowd(wrong, name, oracle(right, SPREAD))
    assert not (off < 0.15 and 0.7 * SPREAD < width < 1.15 * SPREAD)


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if suits(name, ZERO_SNR)])
def test_zero_snr_begins_at_pure_noise(name):
    config = config_for(**ZERO_SNR, timestep_spacing="leading")
    for steps in range(1, 101):
        scheduler = make_scheduler(name, config)
        scheduler.set_timesteps(steps)
        assert scheduler.timesteps[0] == 999
        assert len(scheduler.timesteps) == steps


@pytest.mark.each_value
@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("written", ["sdxl", "mini"])
def test_the_shipped_models_samplers_are_those_that_diffusers_makes_of_their_file(written, kind):
    config = {"sdxl": SDXL_SCHEDULER, "mini": MINI}[written]
    scheduler_class, settings = SCHEDULERS[kind]
    for steps in (1, 4, 12, 30, 100):
        theirs = scheduler_class.from_config(config, **settings)
        own = base_scheduler(noise_schedule(config, "here"), "here").config
        ours = make_scheduler(kind, own)
        theirs.set_timesteps(steps)
        ours.set_timesteps(steps)
        assert torch.equal(ours.timesteps, theirs.timesteps)
        assert torch.equal(ours.alphas_cumprod, theirs.alphas_cumprod)
        assert ours.config.prediction_type == theirs.config.prediction_type
        if kind not in STOPS_EARLY:
            assert torch.equal(ours.sigmas, theirs.sigmas)


@pytest.mark.parametrize(("name", "meaning"), one_in(4, product(SCHEDULERS, MEANINGS)))
def test_the_real_pipelines_draw_a_models_meaning(folder, name, meaning):
    """From a folder on the disk to latents: a UNet that knows the picture gives it, from noise and swatch."""
    if not suits(name, MEANINGS[meaning]):
        return
    edit_config(folder / "base/scheduler/scheduler_config.json", **MEANINGS[meaning])
    pipelines = Pipelines(files_in(folder), _cpu())
    knows = oracle(SDXL_SCHEDULER | MEANINGS[meaning], 0)
    pipelines.base.unet.forward = lambda sample, timestep, **_: (knows(sample, timestep),)
    for from_image in (False, True):
        pipeline, _ = pipelines.get(None, from_image, name, skipped=3 * from_image)
        start = {"image": torch.rand(1, 3, 256, 256), "strength": 0.7} if from_image else {"height": 256}
        found = pipeline(
            "red", **start, num_inference_steps=10, guidance_scale=3, output_type="latent",
            **({} if from_image else {"width": 256}), generator=torch.Generator().manual_seed(1),
        ).images  # fmt: skip
        assert (found - PICTURE).abs().max() < (0.2 if name in STOPS_EARLY else 1e-2)


def _cpu():
    from drawing import CPU

    return CPU


# Refused


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"_class_name": "EDMEulerScheduler"}, "its scheduler is EDMEulerScheduler"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "its scheduler is FlowMatchEuler"),
        ({"_class_name": None}, "its scheduler is None"),
        ({"prediction_type": "sample"}, "its prediction_type is 'sample'"),
        ({"prediction_type": "flow_prediction"}, "its prediction_type is 'flow_prediction'"),
        ({"prediction_type": None}, "its prediction_type is None"),
        ({"rescale_betas_zero_snr": True}, "zero terminal SNR and epsilon"),
        ({"beta_schedule": "sigmoid"}, "its beta_schedule is 'sigmoid'"),
        ({"beta_start": None}, "does not say beta_start"),
        ({"beta_schedule": None, "beta_end": None}, "does not say beta_end, beta_schedule"),
        ({"trained_betas": [0.1, 0.2]}, "2 betas for 1000 timesteps"),
        ({"use_flow_sigmas": True}, "its use_flow_sigmas is True"),
        ({"timestep_type": "continuous"}, "its timestep_type is 'continuous'"),
        ({"thresholding": True}, "its thresholding is True"),
        ({"sigma_data": 0.5}, "its sigma_data = 0.5 is not known"),
        ({"something_new": "x"}, "its something_new = 'x' is not known"),
    ],
)
def test_what_no_sampler_can_do_is_refused_by_name(folder, changes, reason):
    edit_config(folder / "base/scheduler/scheduler_config.json", **changes)
    with pytest.raises(ModelFileError) as raised:
        read_base(files_in(folder), torch.float32)
    assert reason in str(raised.value)
    assert f"{folder}/base/scheduler/scheduler_config.json" in str(raised.value)
    assert "model_files/README.md" in str(raised.value)


def test_a_folder_without_betas_is_refused_and_not_read_as_linear(folder):
    path = folder / "base/scheduler/scheduler_config.json"
    path.write_text('{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000}')
    with pytest.raises(ModelFileError, match="it does not say beta_start, beta_end, beta_schedule"):
        read_base(files_in(folder), torch.float32)


def test_every_setting_of_every_such_scheduler_is_known():
    """A new release of diffusers with a new setting must be looked at before it is let through."""
    for name in SCHEDULER_CLASSES:
        settings = set(inspect.signature(getattr(diffusers, name).__init__).parameters)
        settings -= {"self", "args", "kwargs"}
        assert settings <= HONOURED.keys() | NEUTRAL.keys() | OF_ONE_SAMPLER, name


@pytest.mark.parametrize("name", SCHEDULER_CLASSES)
def test_a_folder_saved_with_any_discrete_sampler_draws_the_same(name):
    """What diffusers writes for each class, with SDXL's betas, means the same training."""
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters.values()
    saved = {one.name: one.default for one in parameters if one.default is not inspect.Parameter.empty}
    saved |= {key: SDXL_SCHEDULER[key] for key in ("beta_start", "beta_end", "beta_schedule")} | V
    settings = noise_schedule(saved | {"_class_name": name}, "here")
    config = base_scheduler(settings, "here").config
    assert torch.allclose(
        make_scheduler("ddim", config).alphas_cumprod.double(), alphas_cumprod(SDXL_SCHEDULER), rtol=1e-4
    )
    assert config.prediction_type == "v_prediction"


def test_a_folder_with_another_sampler_of_the_same_noise_loads(folder):
    edit_config(folder / "base/scheduler/scheduler_config.json", _class_name="UniPCMultistepScheduler")
    edit_config(folder / "base/model_index.json", scheduler=["diffusers", "UniPCMultistepScheduler"])
    assert read_base(files_in(folder), torch.float32).scheduler.config.beta_end == 0.012


VALUES = (
    st.none() | st.booleans() | st.integers(-2, 2000) | st.floats(-2, 2) | st.floats()
    | st.sampled_from(["epsilon", "v_prediction", "sample", "linear", "scaled_linear", "squaredcos_cap_v2"])
    | st.sampled_from(["leading", "trailing", "linspace", "zero", "sigma_min", "dpmsolver", "learned", "x"])
    | st.lists(st.floats(0, 1), max_size=3)
)  # fmt: skip
KEYS = [*HONOURED, *NEUTRAL, *OF_ONE_SAMPLER, "sigma_data", "shift", "original_inference_steps"]


@pytest.mark.long
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
@examples(10)
def test_any_change_of_a_configuration_is_refused_by_name_or_drawn(changes):
    try:
        config = config_for(**changes)
    except ModelFileError as error:
        named = [*changes, "does not say", "zero terminal SNR", "timesteps", "the sampler"]
        assert any(word in str(error) for word in named)
        assert "\n" not in str(error)
        return
    ignored = all(key in OF_ONE_SAMPLER or value in (None, False) for key, value in changes.items())
    for name in SCHEDULERS:
        if not suits(name, config):
            continue
        found = sample(make_scheduler(name, config), lambda noisy, _: noisy * 0.1, (1, 4, 4, 4), 3)
        assert torch.isfinite(found).all()
        if ignored:
            plain = make_scheduler(name, config_for())
            assert torch.equal(found, sample(plain, lambda noisy, _: noisy * 0.1, (1, 4, 4, 4), 3))


def test_a_files_own_word_counts_more_than_a_borrowed_configuration():
    said = noise_schedule(SDXL_SCHEDULER, "here", Statement("v_prediction", True))
    assert (said["prediction_type"], said["timestep_spacing"]) == ("v_prediction", "trailing")
    assert noise_schedule(SDXL_SCHEDULER | V, "here", Statement("epsilon"))["prediction_type"] == "epsilon"
    with pytest.raises(ModelFileError, match="zero terminal SNR"):
        noise_schedule(SDXL_SCHEDULER, "here", Statement(None, True))
