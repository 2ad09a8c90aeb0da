"""`predict.py` as Cog loads it, and its predictor without Cog around it."""

import importlib.util

from cog_server import small_json

from plitka.engine.render import RenderEngine
from plitka.server.cog_folders import CogFolders
from plitka.server.output_folders import Workspace
from plitka.server.serve import ROOT

SPEC = importlib.util.spec_from_file_location("predict", ROOT / "predict.py")
predict = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(predict)

# What the web form sends beside `params_json`.
DEFAULTS = {"colors": "60% black, 40% white", "angle": 0.0, "quality": "standard", "seed": -1, "adapter": ""}


class LocalPredictor(predict.OptimizedPredictor):
    """The predictor, set up with the engine that needs no weights."""

    def __init__(self, parent):
        self.workspace, self.engine, self.monitor = Workspace(parent), RenderEngine(), None
        self.cog_folders = CogFolders(parent / "coglet")

    def record_metric(self, name, value):
        pass


def run(predictor):
    """The files of the standard request, drawn small."""
    return list(predictor.run(small_json(), **DEFAULTS))
