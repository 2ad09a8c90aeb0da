"""The recorded models of an engine: all of them together, to be reported and dropped.

torch frees a recording's memory with its graph; the pool that they share, with the last of them.
"""

from collections.abc import Callable
from typing import Any

from plitka.diffusion.cuda_graphs import CudaRecorder, Recorder
from plitka.diffusion.recorded_forward import NO_MEMORY, RecordedForward
from plitka.engine.protocol import ModelRecording


class Recordings:
    """Models whose work is recorded. `recorder` is what records.

    Attributes:
        variant: How the models compute at the moment, beside their inputs; empty for the usual way.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self._recorder = recorder or CudaRecorder()
        self._forwards: dict[str, RecordedForward] = {}
        self._off: str | None = None
        self.variant = ""

    @property
    def is_on(self) -> bool:
        """Whether models are recorded."""
        return self._off is None

    def record(self, name: str, model: Any) -> None:
        """From now on, record and replay the model's work; nothing if recording is off."""
        if self.is_on:
            model.forward = RecordedForward(
                name, model, self._recorder, self._run_out, variant=lambda: self.variant
            )
            self._forwards[name] = model.forward

    def record_controlnet(self, name: str, model: Any) -> None:
        """The same for a ControlNet: one recording for every scale."""
        self.record(name, model)
        if self.is_on:
            model.forward = ScaledAfterwards(model.forward)

    def forget(self, name: str) -> None:
        """Drop the recordings of a model that is evicted, which must not run again."""
        if name in self._forwards:
            self._forwards.pop(name).turn_off("evicted")

    def turn_off(self, reason: str) -> bool:
        """Drop every recording and make no more. True if there was one; its memory is free now."""
        had = any(recorded.recordings for recorded in self._forwards.values())
        self._off = self._off or reason
        for recorded in self._forwards.values():
            recorded.turn_off(reason)
        return had

    def report(self) -> tuple[ModelRecording, ...]:
        """What is recorded of each model."""
        return tuple(recorded.report() for recorded in self._forwards.values())

    def _run_out(self) -> None:
        self.turn_off(NO_MEMORY)


class ScaledAfterwards:
    """A ControlNet's `forward` that weighs its residuals when the model has run, not in it.

    The bytes are the same: weighing is the last thing that the model does, and a product with 1 is exact.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward = forward

    def __call__(self, *inputs: Any, conditioning_scale: Any = 1.0, **options: Any) -> Any:
        """The residuals of the down blocks, and that of the middle one."""
        # A union ControlNet may get a list, with a scale for each kind of edges.
        scales = conditioning_scale if isinstance(conditioning_scale, list) else [conditioning_scale]
        weighs_last = not options.get("guess_mode") and len(options.get("control_type_idx", scales)) == 1
        if options.get("return_dict", True) or not weighs_last:
            return self.forward(*inputs, conditioning_scale=conditioning_scale, **options)
        down, middle = self.forward(*inputs, conditioning_scale=1.0, **options)
        return [residual * scales[0] for residual in down], middle * scales[0]
