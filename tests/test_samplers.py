"""From noise to pixels: every sampler by its name, and the decoding of what it leaves."""

import numpy as np
import pytest
import torch

from plitka.diffusion.schedulers import SCHEDULERS, make_scheduler
from plitka.errors import NonFiniteImageError


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_sampler_calls_the_unet_once_a_step_and_takes_its_noise_from_the_seed(
    loaded, monkeypatch, name
):
    calls = []
    monkeypatch.setattr(loaded.base.unet, "forward", _counting(loaded.base.unet.forward, calls))
    pictures = []
    for seed in (1, 1, 2):
        pipeline, _ = loaded.get(None, False, name)
        options = {
            "prompt": "red",
            "num_inference_steps": 4,
            "height": 64,
            "width": 64,
            "output_type": "latent",
        }
        pictures.append(pipeline(**options, generator=torch.Generator().manual_seed(seed)).images)
    assert len(calls) == 12
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


def _counting(forward, calls):
    def counted(*inputs, **options):
        calls.append(1)
        return forward(*inputs, **options)

    return counted


def test_the_default_sampler_has_karras_noise_levels(loaded):
    config = make_scheduler("dpmpp_2m_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "dpmsolver++")
    config = make_scheduler("dpmpp_sde_karras", loaded.base.scheduler.config).config
    assert (config.use_karras_sigmas, config.algorithm_type) == (True, "sde-dpmsolver++")
    assert not make_scheduler("ddim", loaded.base.scheduler.config).config.clip_sample


def test_every_picture_gets_a_fresh_sampler(loaded):
    first = loaded.get(None, False, "euler")[0].scheduler
    assert loaded.get(None, False, "euler")[0].scheduler is not first


# Decoding


def test_decoding_is_what_the_pipeline_itself_would_give(loaded):
    options = {"prompt": "red", "num_inference_steps": 1, "height": 64, "width": 64}
    runs = [
        loaded.base(**options, output_type=kind, generator=torch.Generator().manual_seed(1)).images
        for kind in ("latent", "np")
    ]
    assert np.array_equal(loaded.decode(runs[0]), np.rint(runs[1][0] * 255).astype(np.uint8))


def test_a_vae_with_latent_statistics_is_denormalised_as_the_pipeline_does(loaded):
    loaded.base.vae.register_to_config(latents_mean=[0.1, 0.2, 0.3, 0.4], latents_std=[1.0, 2.0, 3.0, 4.0])
    test_decoding_is_what_the_pipeline_itself_would_give(loaded)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_an_error_and_no_picture(loaded, value):
    with pytest.raises(NonFiniteImageError, match="latents"):
        loaded.decode(torch.full((1, 4, 8, 8), value))
    loaded.base.vae.decoder.conv_out.bias.data.fill_(value)
    with pytest.raises(NonFiniteImageError, match="VAE overflowed"):
        loaded.decode(torch.zeros(1, 4, 8, 8))
