"""A GPU that runs out of memory in the middle: the same picture a level further, or one clear error."""

import weakref

import pytest
from drawing import draw, images, load_small_engine
from interruptions import CALLS, BreaksOff, failing, out_of_memory, part_of
from thorough import one_in

from plitka.diffusion.checkpoints import read_controlnet
from plitka.diffusion.gpu_errors import is_out_of_memory
from plitka.errors import GpuMemoryError


@pytest.mark.each_value
@pytest.mark.parametrize("part", ["text_encoder_2", "unet", "vae.decoder"])
@pytest.mark.parametrize("angle", [0, 45])
def test_out_of_memory_falls_back_one_level_and_draws_the_same_picture(fresh_engine, part, angle):
    expected = images(draw(fresh_engine, angle=angle))
    with failing(part_of(fresh_engine, part), out_of_memory()):
        drawings = draw(fresh_engine, angle=angle)
    assert images(drawings) == expected
    assert drawings[0].denoising.offload == "models"
    assert drawings[0].denoising.retries == ("out of memory at offload 'none', again at 'models'",)
    assert fresh_engine.is_healthy()
    later = draw(fresh_engine, angle=angle)
    assert images(later) == expected
    assert (later[0].denoising.offload, later[0].denoising.retries) == ("models", ())


@pytest.mark.long
@pytest.mark.parametrize(("part", "call"), one_in(3, CALLS[::-1]))
def test_out_of_memory_at_any_call_gives_the_same_picture(model_folder, undisturbed, part, call):
    engine = load_small_engine(model_folder)
    with failing(part_of(engine, part), out_of_memory(), (call,)):
        drawings = draw(engine, angle=45)
    assert images(drawings) == undisturbed
    assert len(drawings[1].denoising.retries) == 1
    assert images(draw(engine, angle=45)) == undisturbed


@pytest.mark.long
@pytest.mark.parametrize("module", one_in(2, [1, 4, -1]))
def test_out_of_memory_while_the_lora_changes_its_scale_gives_the_same_picture(fresh_engine, module):
    expected = images(draw(fresh_engine, lora_scale=0.3))
    draw(fresh_engine)
    with BreaksOff(out_of_memory(), fresh_engine.lora.modules if module == -1 else module):
        drawings = draw(fresh_engine, lora_scale=0.3)
    assert images(drawings) == expected
    assert len(drawings[0].denoising.retries) == 1
    assert drawings[0].denoising.lora_scale == 0.3


@pytest.mark.long
def test_out_of_memory_while_the_lora_is_loaded_offloads_and_draws_the_same(model_folder):
    expected = images(draw(load_small_engine(model_folder)))
    with BreaksOff(out_of_memory(), 1):
        engine = load_small_engine(model_folder)
    assert engine.pipelines.offload_level == "models"
    assert images(draw(engine)) == expected


def test_out_of_memory_while_a_controlnet_loads_gives_the_same_picture(
    model_folder, monkeypatch, undisturbed
):
    engine = load_small_engine(model_folder)
    load, tries = read_controlnet.read_model, []

    def once(*given, **options):
        tries.append(1)
        if len(tries) == 1:
            raise out_of_memory()
        return load(*given, **options)

    monkeypatch.setattr(read_controlnet, "read_model", once)
    assert images(draw(engine, angle=45)) == undisturbed
    assert len(tries) == 2


@pytest.mark.long
def test_a_second_lack_of_memory_fails_with_numbers_and_the_next_request_goes_on(fresh_engine):
    expected = images(draw(fresh_engine))
    with failing(fresh_engine.pipelines.base.unet, out_of_memory(), calls=(1, 2)) as calls:
        with pytest.raises(GpuMemoryError) as raised:
            draw(fresh_engine)
        assert len(calls) == 2
    message = str(raised.value)
    assert "offload 'models'" in message
    assert "Tried to allocate 2.00 GiB" in message
    assert message.count("GiB") >= 4
    assert fresh_engine.is_healthy()
    assert images(draw(fresh_engine)) == expected


def test_at_the_last_level_a_lack_of_memory_fails_at_once(fresh_engine):
    while fresh_engine.pipelines.lower():
        pass
    with failing(fresh_engine.pipelines.base.unet, out_of_memory()) as calls:
        with pytest.raises(GpuMemoryError, match="models and VAE tiles"):
            draw(fresh_engine)
        assert len(calls) == 1


def test_the_failed_attempts_tensors_are_freed_before_the_retry(fresh_engine):
    seen = []

    def before(module, inputs):
        if not seen:
            seen.append(weakref.ref(inputs[0]))
            raise out_of_memory()
        seen.append(seen[0]() is None)

    fresh_engine.pipelines.base.unet.register_forward_pre_hook(before)
    draw(fresh_engine)
    assert seen[1] is True


def test_libraries_under_torch_run_out_of_memory_too():
    assert is_out_of_memory(out_of_memory())
    assert is_out_of_memory(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
