"""What `cog build` is told: its configuration, the pins. Docker itself is not here."""

import re

import jsonschema
import pytest
import yaml
from packaging.version import Version
from pins import pins

from plitka.choices import ENGINE_NAMES
from plitka.server.schema_file import PREDICTOR_CLASS, PREDICTOR_FILE, TRAINER_FILE, TRAINER_FUNCTION
from plitka.server.serve import ALLOCATOR, ROOT
from plitka.settings import ENGINE_VARIABLE

TEXT, TEXTS = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
# What Cog keeps for itself: a build stops at it.
REFUSED = (
    "(PATH|LD_LIBRARY_PATH|PYTHONPATH|VIRTUAL_ENV|PYTHONUNBUFFERED|LIBRARY_PATH|HF_ENDPOINT"
    "|HF_HUB_ENABLE_HF_TRANSFER)=|R8_|REPLICATE_|CUDA_|NVIDIA_|NV_|PGET_|KUBERNETES_"
)
# Cog validates cog.yaml with `additionalProperties: false`; `python_packages` is deprecated and left out.
COG_YAML_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["build", "run"],
    "properties": {
        "build": {
            "type": "object",
            "additionalProperties": False,
            "required": ["python_version"],
            "properties": {
                "cuda": TEXT,
                "cudnn": TEXT,
                "gpu": {"type": "boolean"},
                "pre_install": TEXTS,
                "python_requirements": TEXT,
                "python_version": TEXT,
                "run": TEXTS,
                "sdk_version": TEXT,
                "system_packages": TEXTS,
            },
        },
        "image": TEXT,
        "model": TEXT,
        "run": TEXT,
        "train": TEXT,
        "concurrency": {"type": "object"},
        "environment": {
            "type": "array",
            "items": {"type": "string", "pattern": rf"^(?!{REFUSED})[A-Z_]+=.+$"},
        },
        "weights": {"type": "array"},
    },
}


CUDA_PACKAGE = re.compile(r"(nvidia|cuda)-|triton$")


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "cog.yaml").read_text())


def environment_of(config):
    return dict(entry.split("=", 1) for entry in config["environment"])


def test_cog_yaml_is_what_the_current_cog_takes(config):
    jsonschema.validate(config, COG_YAML_SCHEMA)


def test_container_runs_the_predictor_with_the_production_engine(config):
    assert config["run"] == f"{PREDICTOR_FILE}:{PREDICTOR_CLASS}"
    assert config["train"] == f"{TRAINER_FILE}:{TRAINER_FUNCTION}"
    environment = environment_of(config)
    assert environment[ENGINE_VARIABLE] == "sdxl"
    assert environment[ENGINE_VARIABLE] in ENGINE_NAMES


def test_container_keeps_memory_as_the_server_does_that_the_tests_run_with(config):
    assert ALLOCATOR.items() <= environment_of(config).items()


def test_container_has_the_versions_that_the_tests_run_with(config):
    build = config["build"]
    requirements = pins(build["python_requirements"])
    assert Version(build["sdk_version"]) == requirements["cog"] == requirements["coglet"]
    # Cog derives CUDA from the torch pin only for versions of torch that it knows.
    assert build["gpu"] is True
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", build["cuda"])


def test_the_table_of_components_holds_what_the_lock_holds():
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.+) \|$", (ROOT / "docs/components.md").read_text(), re.MULTILINE
    )
    rows = [row for row in rows if row[0] not in ("package", "---")]
    assert {name: Version(version) for name, version, _ in rows} == pins("requirements.lock")
    for name, _, licence in rows:
        assert licence.strip(), name
        assert CUDA_PACKAGE.match(name) or "not stated" not in licence, name
