"""Models on a CPU in bfloat16, where an operator asks for it and the processor has it."""

import numpy as np
import torch
from drawing import draw, images, load_small_engine

from plitka.device.select import BFLOAT16_UNITS
from plitka.errors import DeviceError


def test_bfloat16_draws_nearly_the_same_picture_every_time_or_is_refused(engine, model_folder):
    if not any(torch.cpu.get_capabilities().get(unit) for unit in BFLOAT16_UNITS):
        try:
            load_small_engine(model_folder, PLITKA_CPU_BF16="1")
        except DeviceError as error:
            assert "PLITKA_CPU_BF16" in str(error)
            return
        raise AssertionError("a processor without bfloat16 imitates it")
    faster = load_small_engine(model_folder, PLITKA_CPU_BF16="1")
    assert faster.identity()["dtype"] == "bfloat16"
    pictures = draw(faster, angle=45)
    assert images(draw(faster, angle=45)) == images(pictures)
    for picture, exact in zip(pictures, draw(engine, angle=45), strict=True):
        off = picture.image.astype(float) - exact.image
        assert 0 < np.sqrt(np.mean(off * off)) < 8
