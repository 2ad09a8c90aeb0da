import gc
import os
import signal
import sys

# Hundreds of programs are started: each of them would compile the package anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a shell starts in the background ignores Ctrl-C, and so would all programs that are started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before numpy, OpenCV and torch are loaded: several tests run at a time, so each of them, and each program
# that it starts, gets one thread.
for library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
    os.environ.setdefault(library, "1")

import shutil  # noqa: E402
from unittest import mock  # noqa: E402

import pytest  # noqa: E402
from card_bench import bench, bench_models, benchmarks, few_steps  # noqa: E402, F401
from cog_server import CogServer  # noqa: E402
from gateway_setup import behind, client, running_gateway  # noqa: E402, F401
from hypothesis import settings  # noqa: E402
from schedule import FileScheduling, length_rank  # noqa: E402
from thorough import FACTOR, THOROUGH, leave_pairs_out  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

# A busy machine is slow, not wrong. `make test` tries the same cases each time, so that it judges a change; a
# thorough run tries new ones.
settings.register_profile(
    "plitka", deadline=None, max_examples=12 * FACTOR if THOROUGH else 12, derandomize=not THOROUGH
)
settings.load_profile("plitka")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    leave_pairs_out(items)
    items.sort(key=lambda item: length_rank(item.path))


def pytest_collection_finish():
    """What is loaded now stays: no search for garbage need go through it, which takes a second each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return FileScheduling(config, log)


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A model folder for the engine `sdxl`, complete and small."""
    from checkpoints import write_model_folder

    return write_model_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def server_model_folder(tmp_path_factory):
    """The same for servers, which draw at 512 and 1024 pixels."""
    from checkpoints import QUICK_UNET_CHANNELS, QUICK_VAE_CHANNELS, write_model_folder

    folder = tmp_path_factory.mktemp("server-models")
    return write_model_folder(folder, vae_channels=QUICK_VAE_CHANNELS, unet_channels=QUICK_UNET_CHANNELS)


@pytest.fixture(scope="session")
def kandinsky_folder(tmp_path_factory):
    """A model folder with Kandinsky's prior, decoder and depth decoder in place of SDXL's models."""
    from kandinsky_checkpoints import write_kandinsky_folder

    return write_kandinsky_folder(tmp_path_factory.mktemp("kandinsky-models"))


@pytest.fixture(scope="session")
def sd15_folder(tmp_path_factory):
    """A model folder for the engine `sdxl` whose base model is one of Stable Diffusion 1.5."""
    from sd15_checkpoints import write_sd15_folder

    return write_sd15_folder(tmp_path_factory.mktemp("sd15"))


@pytest.fixture(scope="module")
def sd15(sd15_folder):
    """Its engine, drawing small pictures; a test leaves it as it was."""
    from drawing import load_small_engine

    return load_small_engine(sd15_folder)


@pytest.fixture
def spoilt(tmp_path, sd15_folder):
    """A copy of its folder that a test may spoil."""
    return shutil.copytree(sd15_folder, tmp_path / "sd15")


@pytest.fixture
def folder(tmp_path, model_folder):
    """A copy of the model folder, in use, that a test may spoil."""
    copy = shutil.copytree(model_folder, tmp_path / "models")
    with mock.patch.dict(os.environ, {"PLITKA_MODEL_DIR": str(copy)}):
        for name in ("PLITKA_BASE_MODEL", "PLITKA_ALLOW_BASE", "HF_HUB_OFFLINE"):
            os.environ.pop(name, None)
        yield copy


@pytest.fixture(scope="module")
def engine(model_folder):
    """The diffusion engine, drawing small pictures; a test leaves it as it was."""
    from drawing import load_small_engine

    return load_small_engine(model_folder)


@pytest.fixture
def fresh_engine(model_folder):
    """The same for a test that leaves it otherwise."""
    from drawing import load_small_engine

    return load_small_engine(model_folder)


@pytest.fixture(scope="module")
def undisturbed(engine):
    """The pictures at 45 degrees as they are when nothing breaks in."""
    from drawing import draw, images

    return images(draw(engine, angle=45))


@pytest.fixture
def loaded(model_folder):
    """The pipelines alone."""
    from drawing import CPU, files_in

    from plitka.diffusion.pipelines import Pipelines

    return Pipelines(files_in(model_folder), CPU)


@pytest.fixture
def pipeline(model_folder):
    """The base model as diffusers loads it, for adapters to be put into."""
    import torch
    from diffusers import StableDiffusionXLPipeline

    return StableDiffusionXLPipeline.from_pretrained(
        model_folder / "base", variant="fp16", dtype=torch.float32
    )


@pytest.fixture(scope="module")
def few_crops():
    """Every stage of a training that loads the VAE normalises its latents again: here, over few pictures."""
    from training import vae

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "NORMALIZED_OVER", 4)
        yield


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """Run the command line in an empty folder, without an engine in the environment."""
    from plitka.cli.commands import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PLITKA_ENGINE", raising=False)

    def run(*arguments, stdin=None):
        return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)

    return run


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this checkout."""
    from wheels import build_wheel

    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def render_server(tmp_path_factory):
    # A temporary folder below the caller's own, which is not the folder that the server runs in.
    server = CogServer.start(tmp_path_factory.mktemp("render-server"), "render", TMPDIR="tmp")
    server.wait_until_started()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sdxl_server(tmp_path_factory, server_model_folder):
    """A server with models, a list of adapters and a few-step LoRA."""
    from adapter_lists import write_adapters
    from checkpoints import QUICK_UNET_CHANNELS
    from few_step_models import write_few_step_lora

    folder = tmp_path_factory.mktemp("sdxl-server")
    adapters = write_adapters(
        server_model_folder / "adapters", ("kohya", "diffusers", "peft"), QUICK_UNET_CHANNELS
    )
    lora = write_few_step_lora(server_model_folder / "lightning.safetensors", channels=QUICK_UNET_CHANNELS)
    server = CogServer.start(
        folder,
        "sdxl",
        PLITKA_MODEL_DIR=server_model_folder,
        PLITKA_ADAPTERS=adapters,
        PLITKA_FEW_STEP="lightning:2",
        PLITKA_FEW_STEP_LORA=lora,
    )
    server.wait_until_started()
    yield server
    server.stop()


@pytest.fixture
def usual_camera(monkeypatch):
    """Every seed's pictures are taken by the camera between all of them, as the page's live picture is."""
    from plitka.tile import lens
    from plitka.tile.camera import USUAL

    monkeypatch.setattr(lens, "camera_of", lambda seed: USUAL)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A browser with a page to be opened."""
    from browser import chromium

    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def page(request, browser):
    """The web page in a browser, to be opened.

    Its live picture is drawn where `few_pixels` is marked, with few pixels, or `every_pixel`; and the server
    draws small pictures, unless `usual_size` is.
    """
    from browser import FEW_PIXELS, NOT_DRAWN, SMALL_PICTURES

    def is_marked(mark):
        return request.node.get_closest_marker(mark) is not None

    scripts = {
        FEW_PIXELS: not is_marked("every_pixel"),
        NOT_DRAWN: not (is_marked("few_pixels") or is_marked("every_pixel")),
        SMALL_PICTURES: not is_marked("usual_size"),
    }
    with browser.beginning_with(*(source for source, is_wanted in scripts.items() if is_wanted)):
        yield browser


@pytest.fixture
def screen(page):
    """Sets the size of the window's inside in CSS pixels and how many screen pixels each is."""

    def set_to(width, height=2000, ratio=1):
        metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
        page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    yield set_to
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def served(page, render_server):
    """The web page as the server serves it; the browser's console must stay without errors."""
    page.open(f"{render_server.url}/")
    yield page
    assert page.console_errors() == []


@pytest.fixture
def served_once(request, page, render_server):
    """The same, opened once for all cases of a test, each of which begins where the one before has ended."""
    purpose = request.node.originalname
    if page.purpose != purpose:
        page.open(f"{render_server.url}/")
        page.purpose = purpose
    yield page
    assert page.console_errors() == []
