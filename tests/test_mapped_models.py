"""Models built around their mapped files, against the same models as their libraries load them."""

import json
import shutil
import threading

import pytest
import torch
import transformers
from checkpoints import write_controlnet
from diffusers import AutoencoderKL, ControlNetModel, ControlNetUnionModel, UNet2DConditionModel
from drawing import CPU, draw, files_in, images, load_small_engine
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from plitka.device.select import DeviceInfo
from plitka.diffusion.checkpoints import pretrained
from plitka.diffusion.checkpoints.mapped import read_mapped
from plitka.diffusion.checkpoints.read_ahead import start_device
from plitka.diffusion.checkpoints.to_device import DeviceCopier, _Block, copied
from plitka.diffusion.pipelines import Pipelines
from plitka.weights.locate import Location

# By folder: class, folder inside it, variant.
MODELS = {
    "unet": (UNet2DConditionModel, "base", "unet", "fp16"),
    "text encoder": (transformers.CLIPTextModel, "base", "text_encoder", "fp16"),
    "text encoder 2": (transformers.CLIPTextModelWithProjection, "base", "text_encoder_2", "fp16"),
    "vae": (AutoencoderKL, "vae", "", None),
    "controlnet": (ControlNetModel, "controlnet-lines", "", "fp16"),
    "union controlnet": (ControlNetUnionModel, "controlnet-union", "", None),
}


def weight_file(folder, name):
    _, model, part, variant = MODELS[name]
    (path,) = (folder / model / part).glob(f"*model{'.' + variant if variant else ''}.safetensors")
    return path


def mapped(folder, name, dtype=torch.float32):
    model_class, model, part, variant = MODELS[name]
    return read_mapped(model_class, Location(str(folder / model), model, variant=variant), dtype, part)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_the_one_that_its_library_loads(model_folder, name, dtype):
    model_class, folder, part, variant = MODELS[name]
    theirs = model_class.from_pretrained(model_folder / folder / part, variant=variant, dtype=dtype)
    ours = mapped(model_folder, name, dtype)
    assert ours is not None
    assert type(ours) is type(theirs)
    assert not ours.training
    assert ours.dtype == dtype
    for kind in ("named_parameters", "named_buffers"):
        one, other = dict(getattr(ours, kind)()), dict(getattr(theirs, kind)())
        assert list(one) == list(other)
        for key, value in other.items():
            assert torch.equal(one[key], value), key
            assert (one[key].dtype, one[key].device, one[key].requires_grad) == (
                value.dtype,
                value.device,
                value.requires_grad,
            )
    settings = [
        dict(model.config) if not part.startswith("text") else model.config.to_dict()
        for model in (ours, theirs)
    ]
    for one in settings:
        for said in ("_name_or_path", "dtype", "torch_dtype", "transformers_version"):
            one.pop(said, None)
    assert settings[0] == settings[1]


@pytest.mark.long
def test_an_engine_draws_the_same_with_models_as_the_libraries_load_them(model_folder, monkeypatch):
    def pictures():
        engine = load_small_engine(model_folder)
        return [images(draw(engine, angle=angle)) for angle in (0, 45, 90)]

    expected = pictures()
    monkeypatch.setattr(pretrained, "read_mapped", lambda *given: None)
    assert pictures() == expected


def test_a_usual_model_folder_needs_no_library_to_load_a_model(model_folder, monkeypatch):
    for model_class, *_ in MODELS.values():
        monkeypatch.setattr(
            model_class, "from_pretrained", lambda *given, **named: pytest.fail("by its library")
        )
    loaded = Pipelines(files_in(model_folder), CPU)
    loaded.get("softedge", False, "dpmpp_2m_karras")
    loaded.get("canny", False, "dpmpp_2m_karras")


def without_one(tensors):
    tensors.pop(max(tensors))


def with_one_more(tensors):
    tensors["one.more"] = torch.zeros(1)


def with_another_shape(tensors):
    name = max(tensors)
    tensors[name] = torch.zeros(3, *tensors[name].shape)


DIFFERENCES = [without_one, with_one_more, with_another_shape]


@pytest.mark.parametrize("change", DIFFERENCES)
@pytest.mark.parametrize("name", MODELS)
def test_a_file_with_any_difference_is_left_to_the_library(folder, name, change):
    path = weight_file(folder, name)
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})
    assert mapped(folder, name) is None


@pytest.mark.parametrize("name", MODELS)
def test_a_configuration_that_asks_for_more_is_left_to_the_library(folder, name):
    path = weight_file(folder, name).parent / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "quantization_config": {"quant_method": "bitsandbytes"}}))
    assert mapped(folder, name) is None
    path.write_text("{")
    assert mapped(folder, name) is None


def test_positions_beside_a_text_encoder_are_passed_over(folder):
    path = weight_file(folder, "text encoder")
    save_file(
        {**load_file(path), "text_model.embeddings.position_ids": torch.arange(77)[None]},
        path,
        metadata={"format": "pt"},
    )
    assert mapped(folder, "text encoder") is not None


def test_a_folder_with_a_list_of_shards_is_left_to_the_library(folder):
    (weight_file(folder, "unet").parent / "diffusion_pytorch_model.safetensors.index.fp16.json").write_text(
        "{}"
    )
    assert mapped(folder, "unet") is None


def test_a_controlnet_under_the_name_of_another_kind_is_read_as_it_was(folder):
    shutil.rmtree(folder / "controlnet-lines")
    write_controlnet(folder / "controlnet-lines")
    assert mapped(folder, "controlnet") is not None


# On their way to the device


@given(
    shape=st.lists(st.integers(0, 9), max_size=4),
    dtype=st.sampled_from([torch.float16, torch.float32, torch.bfloat16, torch.float64, torch.int64]),
    size=st.sampled_from([8, 24, 64, 4096]),
    turned=st.booleans(),
)
def test_a_tensor_passes_through_blocks_of_any_size_unchanged(shape, dtype, size, turned):
    source = torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).mul(99).to(dtype)
    source = source.T if turned and source.ndim == 2 else source
    blocks = [_Block(torch.device("cpu"), size) for _ in range(2)]
    target = copied(source, blocks)
    assert target.dtype == source.dtype
    assert target.is_contiguous()
    assert target.data_ptr() != source.data_ptr() or not source.numel()
    assert torch.equal(target, source)


def test_a_model_that_was_moved_keeps_its_parameters_and_their_values():
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Conv2d(2, 2, 3))
    weights, values = list(model.parameters()), [weight.clone() for weight in model.parameters()]
    places = [weight.data_ptr() for weight in weights]
    with DeviceCopier("cpu") as copier:
        for weight in weights:
            copier._move(weight)
        copier.finish([model])
    assert all(one is other for one, other in zip(model.parameters(), weights, strict=True))
    assert all(weight.data_ptr() != place for weight, place in zip(weights, places, strict=True))
    assert all(torch.equal(weight, value) for weight, value in zip(weights, values, strict=True))
    assert all(weight.requires_grad for weight in weights)


def test_an_error_of_a_copy_reaches_the_caller(monkeypatch):
    model = torch.nn.Linear(2, 2)
    copier = DeviceCopier("cuda:0")
    with copier:
        monkeypatch.setattr(copier, "_move", lambda weight: 1 / 0)
        copier.start(model)
        with pytest.raises(ZeroDivisionError):
            copier.finish([model])


def test_a_gpu_that_does_not_start_is_left_for_its_first_use_to_report():
    before = set(threading.enumerate())
    # An error in a thread would be an error of this test.
    start_device(DeviceInfo("cuda", "cuda:99", "no GPU", 2**34, "float16"))
    for thread in set(threading.enumerate()) - before:
        assert not thread.daemon, "a thread that ends inside of torch ends the process with it"
        thread.join()
