"""Models that know the answer: what a perfectly trained UNet would predict from noisy latents."""

import torch


class Oracle:
    """The best prediction for latents that are `mean` plus independent normal noise of the width `spread`.

    With a spread of 0 that is one known picture, and any noise and any level lead to it. With more it is a
    crowd of them, which only the right levels of noise give back as wide as it was.
    """

    def __init__(self, alphas_cumprod, mean, spread=0.0, prediction="v_prediction"):
        self.alphas_cumprod = alphas_cumprod.double()
        self.mean, self.spread, self.prediction = mean, spread, prediction

    def __call__(self, noisy, timestep):
        """The prediction for latents that hold sqrt(a) of the picture and sqrt(1 - a) of noise."""
        kept = self.alphas_cumprod[round(float(timestep))].clamp(1e-12, 1 - 1e-12)
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        gain = self.spread**2 * signal / (kept * self.spread**2 + 1 - kept)
        picture = self.mean + gain * (noisy.double() - signal * self.mean)
        epsilon = (noisy.double() - signal * picture) / noise
        answer = epsilon if self.prediction == "epsilon" else signal * epsilon - noise * picture
        return answer.to(noisy.dtype)


def sample(scheduler, predict, shape, steps, seed=0):
    """What a sampler makes of noise: latents of `shape`."""
    random = torch.Generator().manual_seed(seed)
    scheduler.set_timesteps(steps)
    latents = torch.randn(shape, generator=random) * scheduler.init_noise_sigma
    takes_noise = "generator" in scheduler.step.__code__.co_varnames
    for timestep in scheduler.timesteps:
        prediction = predict(scheduler.scale_model_input(latents, timestep), timestep)
        more = {"generator": random} if takes_noise else {}
        latents = scheduler.step(prediction, timestep, latents, **more).prev_sample
    return latents
