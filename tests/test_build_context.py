"""What the image is made of: the files that `.dockerignore` lets into the build, and nothing else."""

import ast
import re
import shutil
import tomllib
from functools import cache
from pathlib import Path

import local_http
import psutil
import pytest
from cog_server import CogServer, small_json
from docker.utils.build import PatternMatcher
from hypothesis import assume, given
from hypothesis import strategies as st
from thorough import examples

from plitka.server.page_palette import page_in_use
from plitka.server.schema_file import PREDICTOR_FILE, SCHEMA_FILE, TRAINER_FILE
from plitka.server.serve import PAGE, ROOT
from plitka.weights.qualities import WITHOUT_FEW_STEP

MAX_CONTEXT_BYTES = 45_000_000
TOP_FILES = {"cog.yaml", "requirements.lock", "LICENSE"}


def docker_matcher():
    """Docker's reading of our `.dockerignore`: what of a path is left out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return PatternMatcher([line for line in lines if line and not line.startswith("#")])


def build_context(root):
    """The files under `root` that Docker would get, without going through what `make` and git keep there."""
    matcher = docker_matcher()
    kept_out = {".git", ".venv", ".venv-release", ".mypy_cache", ".hypothesis", "out", "build"}
    assert all(matcher.matches(f"{name}/plitka/request/tile_request.py") for name in kept_out)
    tops = [path for path in root.iterdir() if path.name not in kept_out]
    paths = [path for top in tops for path in (top, *top.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(root)) for path in paths}
    # Docker always gets its own file, and never copies it into the image.
    return {name for name in names if not matcher.matches(name)} - {".dockerignore"}


@pytest.fixture(scope="module")
def context():
    return build_context(ROOT)


@cache
def files_of_the_repository():
    """The files that the image is made of."""
    paths = [
        path
        for path in (*(ROOT / "plitka").rglob("*.py"), *(ROOT / "model_files/mini").rglob("*"))
        if path.is_file()
    ]
    single = {
        PREDICTOR_FILE,
        TRAINER_FILE,
        "training/__init__.py",
        str(SCHEMA_FILE),
        "model_files/manifest.json",
        "model_files/README.md",
    }
    named = {str(path.relative_to(ROOT)) for path in paths} | package_data() | single | TOP_FILES
    return named | set(modules_behind(TRAINER_FILE))


def modules_behind(name):
    """The files of `training/` that a file imports, and those that they import."""
    found, left = set(), [name]
    while left:
        tree = ast.parse((ROOT / left.pop()).read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        files = {f"{each.replace('.', '/')}.py" for each in imported if (each or "").startswith("training.")}
        left += files - found
        found |= files
    return found


def package_data():
    """The package's own data, as a wheel of it holds them, but the mark for type checkers."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    return {
        str(file.relative_to(ROOT))
        for package, patterns in named.items()
        for pattern in patterns
        for file in ROOT.joinpath(*package.split(".")).glob(pattern)
        if file.name != "py.typed"
    }


def test_image_holds_what_predictions_and_trainings_need_and_nothing_else(context):
    # A build that has been broken off leaves its own files there.
    assert {name for name in context if not name.startswith(".cog/tmp/")} == files_of_the_repository()


def test_image_stays_thin(context):
    strange = [name for name in context if name.endswith((".safetensors", ".pyc", ".png", ".bin"))]
    assert strange
    assert all(name.startswith("model_files/mini/") for name in strange)
    assert sum((ROOT / name).stat().st_size for name in context) < MAX_CONTEXT_BYTES


@pytest.mark.long
def test_what_is_in_the_image_serves_the_page_and_refuses_ids_that_lead_elsewhere(context, tmp_path):
    for name in context:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    server = CogServer.start(tmp_path, "render")
    try:
        assert server.wait_until_started()["status"] == "READY"
        assert psutil.Process(server.process.pid).children()[0].cwd() == str(tmp_path)
        expected = page_in_use(PAGE.read_bytes(), qualities=WITHOUT_FEW_STEP, controlnets=())
        assert local_http.get(server.url).content == expected
        assert server.predict(params_json=small_json())["status"] == "succeeded"
        assert server.post({"colors": "black"}, id="../../x").status_code == 422
        assert local_http.post(f"{server.url}/shutdown").status_code == 404
    finally:
        server.stop()


SECRETS = [
    *(
        ".env",
        ".env.local",
        "prod.env",
        ".netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        ".pgpass",
        ".htpasswd",
    ),
    *(
        "id_rsa",
        "id_ed25519",
        "key.pem",
        "server.key",
        "cert.p12",
        "token",
        "token.txt",
        "hf_token",
        "secrets.json",
    ),
    *(
        "credentials",
        "credentials.json",
        "service-account.json",
        "kubeconfig",
        "terraform.tfstate",
        "secrets.toml",
    ),
    *(".aws/credentials", ".aws/config.json", ".ssh/id_rsa", ".ssh/known_hosts", ".docker/config.json"),
    *(
        ".config/gcloud/credentials.db",
        ".git/config",
        "backup/.ssh/id_rsa",
        "request.py/id_rsa",
        ".hidden/x.py",
    ),
    *(".palette.json.swp", "palette.json~", "#request.py#", "request.py.orig", "request.pyc", ".request.py"),
    *(
        "core",
        "core.1234",
        "dump.sql",
        "trace.log",
        "notes.ipynb",
        "customer.csv",
        "photo.jpg",
        "x.pt",
        "x.safetensors",
    ),
]
ANY_NAME = st.text("abcXYZ019._-~ #", min_size=1, max_size=12).filter(lambda name: name.strip(". "))
# What a name must look like to go in, by the folder that it lies in.
ADMITTED = re.compile(
    r"plitka/([^.][^.]*/)*[^./][^/]*\.(py|icc)|plitka/([^.]*/)*palette\.json"
    r"|model_files/mini/tile_[^/]*\.safetensors|\.cog/tmp/build[^/]*/[^/]*\.whl"
)


def admitted_folders():
    """Every folder of which something goes into the image, the top one as an empty name."""
    inside = files_of_the_repository()
    folders = {str(parent) + "/" for name in inside for parent in Path(name).parents}
    building = {".cog/tmp/", ".cog/tmp/build20261126120000.000000/"}
    return sorted(folders - {"./"} | building | {""})


@pytest.mark.parametrize("folder", admitted_folders())
def test_nothing_that_somebody_left_in_a_folder_goes_into_the_image(folder):
    matcher, known = docker_matcher(), files_of_the_repository() | build_files(folder)
    for secret in SECRETS:
        assert matcher.matches(folder + secret), folder + secret

    @examples(10)
    @given(st.lists(ANY_NAME, min_size=1, max_size=3).map("/".join))
    def leave(name):
        path = folder + name
        assume(path not in known and not ADMITTED.fullmatch(path))
        assert matcher.matches(path), path

    leave()


def build_files(folder):
    """What Cog itself writes into the folder of a build."""
    names = ("requirements.txt", "cog-0.23.1-py3-none-any.whl", "cog-ca-cert.crt")
    return {folder + name for name in names} if folder.startswith(".cog/tmp/build") else set()


def test_what_cog_writes_for_a_build_goes_in_and_code_of_new_packages_too():
    matcher = docker_matcher()
    for path in build_files(".cog/tmp/build20261126120000.000000/"):
        assert not matcher.matches(path), path
    # Cog itself refuses to build where this is left out.
    assert not matcher.matches(".cog")
    for path in (
        "plitka/new.py",
        "plitka/request/text.py",
        "plitka/colors/more/palette.json",
        "plitka/a/srgb.icc",
    ):
        assert not matcher.matches(path), path


def test_files_that_lie_about_stay_out_of_the_image(tmp_path):
    left = (
        "model_files/lora.safetensors",
        "model_files/base/unet/model.safetensors",
        "weights/x.bin",
        "x.py",
    )
    kept = ("model_files/manifest.json", "plitka/colors/palette.py", ".cog/tmp/build1/requirements.txt")
    for name in (*left, *kept, *SECRETS, *(f"plitka/output/{name}" for name in SECRETS), "tests/test_x.py"):
        if name not in ("request.py/id_rsa", "plitka/output/request.py/id_rsa"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    assert build_context(tmp_path) == set(kept)
