import pytest
from cog_server import CogServer
from hypothesis import settings

# A busy machine is slow, not wrong.
settings.register_profile("plitka", deadline=None)
settings.load_profile("plitka")


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A model folder for the engine `sdxl`, complete and small."""
    from checkpoints import write_model_folder

    return write_model_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def render_server(tmp_path_factory):
    server = CogServer.start(tmp_path_factory.mktemp("render-server"), "render")
    server.wait_until_started()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sdxl_server(tmp_path_factory, model_folder):
    server = CogServer.start(tmp_path_factory.mktemp("sdxl-server"), "sdxl", PLITKA_MODEL_DIR=model_folder)
    server.wait_until_started()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The web page in a browser, to be opened."""
    from browser import chromium

    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page


@pytest.fixture
def served(page, render_server):
    """The web page as the server serves it; the browser must have nothing to complain of."""
    page.open(f"{render_server.url}/")
    yield page
    assert page.complaints() == []
