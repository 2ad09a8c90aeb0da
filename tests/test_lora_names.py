"""The names that LoRA files have for the modules of SDXL: each is read as one module, the right one."""

import pytest
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from lora_layouts import TEXT, TEXT_2, UNET

from benchmarks.card.architecture import SDXL
from plitka.diffusion.adapters.lora_names import module_spellings

COMPONENTS = (UNET, TEXT, TEXT_2)


@pytest.fixture(scope="module")
def sdxl():
    return {component: SDXL.empty(component) for component in COMPONENTS}


def test_no_spelling_of_a_module_of_sdxl_is_that_of_another(sdxl):
    for component, model in sdxl.items():
        spellings = module_spellings(component, model)
        names = [name for name, module in model.named_modules() if hasattr(module, "weight")]
        own = set(spellings.values())
        assert {name for name in names if name in spellings} == own
        for name in own:
            assert spellings[name] == name
            assert spellings[name.replace(".", "_")] == name
    assert len(set(module_spellings(UNET, sdxl[UNET]).values())) == 794


def test_the_original_names_of_sdxls_modules_are_those_that_diffusers_converts(sdxl):
    """diffusers' converter of whole checkpoints, which the loader does not use, is the judge."""
    blocks = ("input_blocks", "middle_block", "output_blocks", "time_embed", "label_emb", "out")
    original = {
        spelling: name
        for spelling, name in module_spellings(UNET, sdxl[UNET]).items()
        if spelling.split(".")[0] in blocks
    }
    checkpoint = {
        f"model.diffusion_model.{spelling}.{kind}": f"{spelling}.{kind}"
        for spelling in original
        for kind in ("weight", "bias")
    }
    converted = convert_ldm_unet_checkpoint(checkpoint, sdxl[UNET].config)
    assert len(original) == 794
    assert {converted[f"{name}.weight"]: name for name in original.values()} == {
        f"{spelling}.weight": name for spelling, name in original.items()
    }
