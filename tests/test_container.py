"""What `cog build` is given: its configuration, the pins, the build context. Docker itself is not here."""

import importlib.metadata
import importlib.util
import re
import shutil
from pathlib import Path

import httpx
import jsonschema
import psutil
import pytest
import yaml
from cog_server import CogServer
from docker.utils.build import exclude_paths

from plitka.engines import ENGINE_NAMES, ENGINE_VARIABLE
from plitka.schema import PREDICTOR_CLASS, PREDICTOR_FILE, SCHEMA_FILE
from plitka.serve import ALLOCATOR, PAGE, ROOT

MAX_CONTEXT_BYTES = 45_000_000

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


HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
CUDA_PACKAGE = re.compile(r"(nvidia|cuda)-|triton$")


def pins(name):
    """Package to version, in a requirements file that holds nothing but pins, their hashes and comments."""
    text = HASH.sub("", (ROOT / name).read_text())
    lines = [line.partition("#")[0].strip(" \\") for line in text.splitlines()]
    found = [re.fullmatch(r"([A-Za-z0-9_.-]+)==([0-9][0-9a-zA-Z.]*)", line) for line in lines if line]
    assert all(found), f"{name} has a line that is no pin"
    return {match[1]: match[2] for match in found}


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load((ROOT / "cog.yaml").read_text())


def environment_of(config):
    return dict(entry.split("=", 1) for entry in config["environment"])


def build_context(root):
    """The files under `root` that Docker would get, as Docker reads our `.dockerignore`."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    files = {name for name in exclude_paths(str(root), patterns) if (root / name).is_file()}
    # Always sent, and never copied into the image.
    return files - {".dockerignore"}


@pytest.fixture(scope="module")
def context():
    return build_context(ROOT)


def test_cog_yaml_is_what_the_current_cog_takes(config):
    jsonschema.validate(config, COG_YAML_SCHEMA)


def test_container_runs_the_predictor_with_the_production_engine(config):
    assert config["run"] == f"{PREDICTOR_FILE}:{PREDICTOR_CLASS}"
    environment = environment_of(config)
    assert environment[ENGINE_VARIABLE] == "sdxl"
    assert environment[ENGINE_VARIABLE] in ENGINE_NAMES


def test_container_keeps_memory_as_the_server_does_that_the_tests_run_with(config):
    assert ALLOCATOR.items() <= environment_of(config).items()


def test_container_has_the_versions_that_the_tests_run_with(config):
    build = config["build"]
    requirements = pins(build["python_requirements"])
    assert build["sdk_version"] == requirements["cog"] == requirements["coglet"]
    # Cog derives CUDA from the torch pin only for versions of torch that it knows.
    assert build["gpu"] is True
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", build["cuda"])


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements.lock"])
def test_installed_versions_are_the_pinned_ones(name):
    for package, pinned in pins(name).items():
        if CUDA_PACKAGE.match(package) and importlib.util.find_spec("triton") is None:
            continue  # what only PyTorch's CUDA build needs
        installed = importlib.metadata.version(package).partition("+")[0]
        assert installed == pinned, package


def normal(name):
    """A package's name as the index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_pin_and_a_hash_of_every_package():
    text = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    locked = pins("requirements.lock")
    assert len(entries) == len(locked) > 50
    assert all(HASH.search(entry) for entry in entries)
    assert {
        normal(name): version for name, version in pins("requirements.txt").items()
    }.items() <= locked.items()
    # No index, folder or address of whoever made it.
    assert not re.search(r"://|^-|--(index|extra|find|trusted)|file:", text, re.MULTILINE)


def test_the_table_of_components_holds_what_the_lock_holds():
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.+) \|$", (ROOT / "docs/components.md").read_text(), re.MULTILINE
    )
    rows = [row for row in rows if row[0] not in ("package", "---")]
    assert {name: version for name, version, _ in rows} == pins("requirements.lock")
    for name, _, licence in rows:
        assert licence.strip(), name
        assert CUDA_PACKAGE.match(name) or "not stated" not in licence, name


def test_every_dependency_of_the_package_is_pinned():
    pinned = {normal(name) for name in {**pins("requirements.txt"), **pins("requirements-dev.txt")}}
    for requirement in importlib.metadata.requires("plitka"):
        assert normal(re.match(r"[A-Za-z0-9_.-]+", requirement)[0]) in pinned, requirement


def test_image_holds_what_a_prediction_needs(context):
    needed = {PREDICTOR_FILE, "cog.yaml", "requirements.lock", str(SCHEMA_FILE), "model_files/manifest.json"}
    assert needed | {str(PAGE)} <= context
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "plitka").rglob("*.py")}
    data = {str(path.relative_to(ROOT)) for path in (ROOT / "plitka/data").iterdir() if path.is_file()}
    assert sources | data <= context


def test_image_holds_nothing_else_and_stays_thin(context):
    tops = {Path(name).parts[0] for name in context}
    allowed = {"plitka", "model_files", ".cog", "docs", PREDICTOR_FILE, "cog.yaml", "LICENSE"}
    assert tops <= allowed | {"requirements.txt", "requirements.lock"}
    assert [name for name in context if name.startswith("docs/")] == [str(PAGE)]
    strange = [name for name in context if name.endswith((".safetensors", ".pyc", ".png", ".bin"))]
    assert all(name.startswith("model_files/mini/") for name in strange)
    assert sum((ROOT / name).stat().st_size for name in context) < MAX_CONTEXT_BYTES


def test_what_is_in_the_image_serves_the_page_and_refuses_ids_that_lead_elsewhere(context, tmp_path):
    for name in context:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    server = CogServer.start(tmp_path, "render")
    try:
        assert server.wait_until_started()["status"] == "READY"
        assert psutil.Process(server.process.pid).children()[0].cwd() == str(tmp_path)
        assert httpx.get(server.url).text == (ROOT / PAGE).read_text()
        assert server.predict(colors="black")["status"] == "succeeded"
        assert server.post({"colors": "black"}, id="../../x").status_code == 422
        assert httpx.post(f"{server.url}/shutdown").status_code == 404
    finally:
        server.stop()


SECRETS = [
    ".env",
    ".netrc",
    "id_rsa",
    "credentials.json",
    "token.txt",
    ".git/config",
    ".ssh/id_ed25519",
    "key.pem",
]
SECRETS += [
    "plitka/.env",
    "plitka/data/.netrc",
    "plitka/key.pem",
    "model_files/.env",
    "tests/test_request.py",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_left_in_the_folder_stays_out_of_the_image(tmp_path, secret):
    for name in (secret, "plitka/palette.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert build_context(tmp_path) == {"plitka/palette.py"}


def test_weights_in_the_model_folder_stay_out_of_the_image(tmp_path):
    weights = ("model_files/lora.safetensors", "model_files/base/unet/model.safetensors", "weights/x.bin")
    kept = ("model_files/manifest.json", "plitka/palette.py", ".cog/tmp/build/requirements.txt")
    for name in (*weights, *kept, "plitka/__pycache__/palette.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert build_context(tmp_path) == set(kept)
