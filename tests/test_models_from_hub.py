"""Base models from the hub: they get what the manifest has for their family; what is missing is named."""

import os
import shutil
import subprocess
import sys

import pytest
from checkpoints import edit_manifest
from small_hub import small_hub

# Reads base models as an engine does, in a program of its own: the hub's client reads its environment once.
READS_BASE = """
import os
import torch
from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.errors import ModelFileError
from plitka.weights.locate import find_files
for name in ("owner/base", "owner/none"):
    os.environ["PLITKA_BASE_MODEL"] = name
    try:
        files = find_files("sdxl")
        print(type(read_base(files, torch.float32)).__name__, files.models.base.folder, files.vae)
    except ModelFileError as error:
        print(error)
"""


def read_from_hub(folder, hub, home, script=READS_BASE, arguments=(), **environment):
    """The lines of a script that reads base models from a hub, and the files that the hub was asked for."""
    names = {"PLITKA_MODEL_DIR": folder, "PLITKA_BASE_MODEL": "owner/base", "HF_HOME": home, **environment}
    with small_hub(hub) as (address, asked):
        given = os.environ | {name: str(value) for name, value in names.items()} | {"HF_ENDPOINT": address}
        run = subprocess.run(
            [sys.executable, "-c", script, *arguments], env=given, capture_output=True, text=True, check=True
        )
    return run.stdout.splitlines(), asked


def write_on_hub(hub, base):
    """A base model as `owner/base`, under names without a variant."""
    shutil.copytree(base, hub / "owner/base")
    for path in (hub / "owner").rglob("*.fp16.safetensors"):
        path.rename(path.with_name(path.name.replace(".fp16", "")))


@pytest.mark.long
def test_one_from_the_hub_takes_what_the_manifest_has_for_its_family_and_one_that_is_not_there_is_named(
    folder, sd15_folder, tmp_path
):
    edit_manifest(folder, lambda models: models.update(families={"sd15": {"base": {"folder": "sd15-base"}}}))
    write_on_hub(tmp_path / "hub", sd15_folder / "base")
    (said, refused), asked = read_from_hub(folder, tmp_path / "hub", tmp_path / "home")
    assert said == "StableDiffusionPipeline sd15-base None"
    assert asked[0] == "owner/base/model_index.json"
    assert refused.startswith("owner/none: its model_index.json cannot be fetched from the hub: 404")
    assert "a folder or a .safetensors file here needs no hub" in refused


# The same for each prior in the line of arguments.
READS_PRIORS = """
import os, sys, torch
from plitka.diffusion.checkpoints.pretrained import read_base
from plitka.errors import ModelFileError
from plitka.weights.listing import verify
from plitka.weights.locate import find_files
for prior in sys.argv[1:]:
    os.environ["PLITKA_PRIOR_MODEL"] = prior
    print([(status.part, status.state, status.family) for status in verify("sdxl")])
    try:
        files = find_files("sdxl")
        base = read_base(files, torch.float32)
        print(type(base).__name__, files.base.name, files.prior.name, base.no_image.std() > 0)
    except ModelFileError as error:
        print(error)
"""


@pytest.mark.long
def test_decoder_and_prior_may_both_come_from_the_hub(folder, kandinsky_folder, tmp_path):
    """And a file that the prior lacks there is named."""
    entry = {"base": {"folder": "decoder"}, "prior": {"folder": "prior"}}
    edit_manifest(folder, lambda models: models.update(families={"kandinsky22": entry}))
    hub, priors = tmp_path / "hub", ["owner/prior", "owner/other"]
    write_on_hub(hub, kandinsky_folder / "decoder")
    for prior in priors:
        shutil.copytree(kandinsky_folder / "prior", hub / prior)
    (hub / "owner/other/image_encoder/config.json").unlink()
    said, asked = read_from_hub(folder, hub, tmp_path / "home", script=READS_PRIORS, arguments=priors)
    listed, read, _, refused = said
    assert listed == str([(part, "hub", "kandinsky22") for part in ("base", "prior")])
    assert read == "KandinskyPipeline owner/base owner/prior tensor(True)"
    assert refused.startswith("owner/other")
    assert "image_encoder/config.json" in refused
    assert asked[0] == "owner/base/model_index.json"
