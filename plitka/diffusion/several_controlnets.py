"""Several ControlNets that guide one picture, plain and union ones together, each in its part of the steps.

diffusers computes a ControlNet at every step, and multiplies what it gives by 0 outside of its part; here it
is left out there.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from diffusers import MultiControlNetModel


class SeveralControlNets(MultiControlNetModel):  # type: ignore[misc]  # diffusers is untyped
    """A ControlNet to diffusers' pipelines for plain ones; its residuals are the sum of all of theirs.

    Kinds of a union ControlNet are one call of it, but for those with the same number: it has one input for
    each.

    Attributes:
        modes: The number of each kind in its union ControlNet; None in a plain one.
        calls: How often each kind has been computed since `begin`.
    """

    def __init__(self, models: Sequence[torch.nn.Module], modes: Sequence[int | None]) -> None:
        # Not that of the class above, under which a model of several kinds would be registered as often.
        super(MultiControlNetModel, self).__init__()
        self._models = torch.nn.ModuleList(dict.fromkeys(models))
        self._places = [list(self._models).index(model) for model in models]
        self.modes = tuple(modes)
        self.begin()

    @property
    def nets(self) -> list[Any]:
        """A model for each kind; a union one may stand there several times."""
        return [self._models[place] for place in self._places]

    def begin(self) -> None:
        """Count from here."""
        self.calls = [0] * len(self.modes)

    def forward(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        controlnet_cond: Sequence[torch.Tensor],
        conditioning_scale: Sequence[float],
        **options: Any,
    ) -> tuple[list[torch.Tensor] | None, torch.Tensor | None]:
        """The residuals of the down blocks and of the middle one; None where nothing guides at this step.

        One control picture and one scale for each kind; a kind with a scale of 0 is not computed.
        """
        down: list[torch.Tensor] | None = None
        middle: torch.Tensor | None = None
        for members in self._runs(conditioning_scale):
            images = [controlnet_cond[at] for at in members]
            scales = [conditioning_scale[at] for at in members]
            modes = [mode for at in members if (mode := self.modes[at]) is not None]
            given: dict[str, Any] = {"controlnet_cond": images[0], "conditioning_scale": scales[0]}
            if modes:
                kinds = self.nets[members[0]].config.num_control_type
                chosen = encoder_hidden_states.new_zeros(len(sample), kinds)
                chosen[:, modes] = 1
                given = {"controlnet_cond": images, "control_type": chosen, "control_type_idx": modes}
                given["conditioning_scale"] = scales
            more, more_middle = self.nets[members[0]](
                sample, timestep, encoder_hidden_states=encoder_hidden_states, **given, **options
            )
            if down is None or middle is None:
                down, middle = list(more), more_middle
            else:
                down = [one + other for one, other in zip(down, more, strict=True)]
                middle = middle + more_middle
            for at in members:
                self.calls[at] += 1
        return down, middle

    def _runs(self, scales: Sequence[float]) -> Iterator[list[int]]:
        """The kinds of each call, by their places."""
        runs: list[list[int]] = []
        for at, (model, mode, scale) in enumerate(zip(self.nets, self.modes, scales, strict=True)):
            if scale == 0:
                continue
            for members in runs:
                of_same = mode is not None and self.nets[members[0]] is model
                if of_same and mode not in [self.modes[member] for member in members]:
                    members.append(at)
                    break
            else:
                runs.append([at])
        return iter(runs)
