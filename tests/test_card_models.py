"""The benchmark's models are SDXL's, and a copy of the repository needs no more than it names."""

import ast
import re
import sys

import pytest

from plitka.server.serve import ROOT
from plitka.settings import SHIPPED_MODEL_DIR
from plitka.weights.manifest import load_manifest

pytestmark = pytest.mark.usefixtures("benchmarks")
# https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0 and the models named in the manifest.
PARAMETERS = {
    "unet": 2_567_463_684,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
    "vae": 83_653_863,
}
PUBLISHED_FILES = {
    "unet": ("base", "unet/diffusion_pytorch_model.fp16.safetensors", 2),
    "text_encoder": ("base", "text_encoder/model.fp16.safetensors", 2),
    "text_encoder_2": ("base", "text_encoder_2/model.fp16.safetensors", 2),
    "vae": ("vae", "diffusion_pytorch_model.safetensors", 4),
    "union": ("union", "diffusion_pytorch_model.safetensors", 2),
}
# A safetensors file is its tensors and a header of about a hundred bytes for each.
LARGEST_HEADER = 300_000
# Packages by the names of their modules, where those differ.
PACKAGES = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "pydantic_core": "pydantic",
}
# Nobody imports it, but the libraries do where it is installed, and do not offload without it.
BEHIND = {"torch", "accelerate"}


def imported_by(path, seen):
    """The modules that a file and those of ours behind it import, by the first part of their names."""
    if path in seen:
        return set()
    seen.add(path)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            places = [folder / f"{name.replace('.', '/')}.py" for folder in (ROOT, ROOT / "benchmarks")]
            ours = [place for place in places if place.is_file()]
            found |= imported_by(ours[0], seen) if ours else {name.partition(".")[0]}
    return found


@pytest.mark.long
def test_a_copy_of_the_repository_needs_the_packages_that_the_benchmark_names_and_no_others():
    script = ROOT / "benchmarks" / "gpu.py"
    listed = re.search(
        r"what they need themselves: (.*?)\.", ast.get_docstring(ast.parse(script.read_text())), re.S
    )
    # Sheets, which need fpdf, are not made there, nothing is traced, and no hub is asked; Triton comes with
    # PyTorch for GPUs.
    left_out = {"plitka", "card", "fpdf", "opentelemetry", "huggingface_hub", "triton"}
    imported = imported_by(script, set()) - sys.stdlib_module_names - left_out
    assert {"torch", "coloraide"} < imported
    assert (
        set(re.split(r",\s+", listed[1])) | BEHIND == {PACKAGES.get(name, name) for name in imported} | BEHIND
    )


def parameters(model):
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("part", PARAMETERS)
def test_models_are_of_sdxls_size_to_the_parameter(part):
    from card.architecture import SDXL

    assert parameters(SDXL.empty(part)) == PARAMETERS[part]


@pytest.mark.parametrize("part", PUBLISHED_FILES)
def test_models_are_as_large_as_the_published_files(part):
    from card.architecture import SDXL

    source_name, path, bytes_each = PUBLISHED_FILES[part]
    models = load_manifest(SHIPPED_MODEL_DIR).models["sdxl"]
    sources = {"base": models.base, "vae": models.vae, **models.controlnets}
    size = next(spec.size for spec in sources[source_name].files if spec.path == path)
    assert 0 < size - bytes_each * parameters(SDXL.empty(part)) < LARGEST_HEADER


def test_the_lora_is_as_large_as_the_customers():
    from card.architecture import SDXL
    from card.weights import random_lora

    tensors = random_lora(SDXL, "cpu")
    assert sum(tensor.nbytes for tensor in tensors.values()) / 2**20 == pytest.approx(97, abs=1)
    assert {tensor.shape[0] for name, tensor in tensors.items() if "lora_A" in name} == {32}
    assert any("conv2.lora_B" in name for name in tensors)


@pytest.mark.long
def test_a_guided_step_at_1024_pixels_is_13_and_a_half_teraflop():
    from card.architecture import SDXL
    from card.step import count_step_flops

    assert count_step_flops(SDXL, 1024) / 1e12 == pytest.approx(13.5, abs=0.1)
