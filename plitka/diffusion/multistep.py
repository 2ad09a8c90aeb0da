"""Samplers that go on from several earlier predictions, where diffusers' own are wrong or need scipy.

Both may begin in the middle of the schedule, as a picture that starts from the plan's swatch does:
diffusers' `LMSDiscreteScheduler` and `PNDMScheduler` take the first step of such a picture for one that has
earlier ones, and leave noise in it.
"""

import math
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, PNDMScheduler
from diffusers.schedulers.scheduling_utils import SchedulerOutput

# Predictions that are used: the latest and those before it.
_LMS_ORDER = 4


class LinearMultistepScheduler(EulerDiscreteScheduler):  # type: ignore[misc]  # diffusers is untyped
    """The linear multi-step method over noise levels, Euler's for the first step of a picture.

    A polynomial through the last four derivatives is integrated to the next level: Adams-Bashforth's method
    for steps of any length (Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, III.5).
    """

    def set_timesteps(self, *given: Any, **named: Any) -> None:
        """Euler's; forgets what was predicted."""
        super().set_timesteps(*given, **named)
        self._derivatives: list[torch.Tensor] = []

    def step(
        self,
        model_output: torch.Tensor,
        timestep: float | torch.Tensor,
        sample: torch.Tensor,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """Latents at the next noise level, from those at this one and what the UNet predicts; any shape."""
        if self.step_index is None:
            self._init_step_index(timestep)
        level = float(self.sigmas[self.step_index])
        derivative = model_output
        if self.config.prediction_type == "v_prediction":
            # ε = √ᾱ v + √(1 - ᾱ) x, in which x is the sample scaled by √ᾱ = 1 / √(σ² + 1).
            derivative = model_output / math.sqrt(level**2 + 1) + sample * (level / (level**2 + 1))
        self._derivatives = [derivative, *self._derivatives[: _LMS_ORDER - 1]]
        levels = [float(self.sigmas[self.step_index - past]) for past in range(len(self._derivatives))]
        weights = _weights(levels, float(self.sigmas[self.step_index + 1]))
        for weight, past in zip(weights, self._derivatives, strict=True):
            sample = sample + weight * past
        self._step_index += 1
        return SchedulerOutput(prev_sample=sample) if return_dict else (sample,)


def _weights(levels: list[float], following: float) -> list[float]:
    """What each derivative counts for in the step to the level `following`, the latest first.

    Gauss' two points are exact for polynomials of up to the third degree, which four derivatives make.
    """
    middle, half = (levels[0] + following) / 2, (following - levels[0]) / 2
    points = (middle - half / math.sqrt(3), middle + half / math.sqrt(3))
    return [
        half
        * sum(
            math.prod((point - other) / (own - other) for other in levels if other != own) for point in points
        )
        for own in levels
    ]


class PseudoLinearScheduler(PNDMScheduler):  # type: ignore[misc]  # diffusers is untyped
    """The pseudo linear multi-step method (Liu et al. 2022, https://arxiv.org/abs/2202.09778).

    The second step of a picture is predicted twice, to correct the first. Each step goes to the schedule's
    next timestep, wherever that lies, and predictions are compared as noise, whatever the UNet predicts.

    Attributes:
        first: Where in the schedule the picture begins: how many steps are left out before.
    """

    first = 0

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """Timesteps of the schedule, with the second one after `first` twice."""
        super().set_timesteps(num_inference_steps, device)
        self._schedule = [int(timestep) for timestep in self._timesteps[::-1] if timestep >= 0]
        again = self._schedule[self.first + 1 : self.first + 2]
        timesteps = [*self._schedule[: self.first + 2], *again, *self._schedule[self.first + 2 :]]
        self.timesteps = torch.tensor(timesteps, dtype=torch.int64, device=device)
        self.num_inference_steps = len(self._schedule)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int | torch.Tensor,
        sample: torch.Tensor,
        return_dict: bool = True,
    ) -> SchedulerOutput | tuple[torch.Tensor]:
        """Latents at the next timestep, from those at this one and what the UNet predicts; any shape."""
        if self.config.prediction_type == "v_prediction":
            kept = self.alphas_cumprod[int(timestep)]
            model_output = kept**0.5 * model_output + (1 - kept) ** 0.5 * sample
        return self.step_plms(model_output, int(timestep), sample, return_dict)

    def _get_prev_sample(
        self, sample: torch.Tensor, timestep: int, prev_timestep: int, model_output: torch.Tensor
    ) -> torch.Tensor:
        """Formula 9 of the paper, from noise; where from and where to is read from the schedule."""
        place = self.first + max(self.counter - 1, 0)
        here = self.alphas_cumprod[self._schedule[place]]
        ends = place + 1 == len(self._schedule)
        there = self.final_alpha_cumprod if ends else self.alphas_cumprod[self._schedule[place + 1]]
        divisor = here * (1 - there) ** 0.5 + (here * (1 - here) * there) ** 0.5
        return (there / here) ** 0.5 * sample - (there - here) * model_output / divisor
