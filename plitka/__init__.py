"""Plitka Pro: pictures of pressed rubber tiles with exactly the colour mix that was asked for.

What stands in `__all__` is the public API; everything else may change between two releases. A name is loaded
when it is first used, so `import plitka` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "1.1.0"

__all__ = [
    "AdapterListError",
    "ColorFidelity",
    "DeviceError",
    "DrawingError",
    "Engine",
    "EngineError",
    "Fidelity",
    "FolderError",
    "GpuMemoryError",
    "ModelFileError",
    "NonFiniteImageError",
    "PaletteError",
    "PlitkaError",
    "Problem",
    "RequestError",
    "Result",
    "TilePlan",
    "TileRequest",
    "__version__",
    "generate",
    "load_engine",
    "parse_request",
    "plan_for",
]

if TYPE_CHECKING:
    from plitka.engine.protocol import Engine
    from plitka.engines import load_engine
    from plitka.errors import (
        AdapterListError,
        DeviceError,
        DrawingError,
        EngineError,
        FolderError,
        GpuMemoryError,
        ModelFileError,
        NonFiniteImageError,
        PaletteError,
        PlitkaError,
        Problem,
        RequestError,
    )
    from plitka.fidelity.measure import ColorFidelity, Fidelity
    from plitka.generation import generate
    from plitka.request.tile_request import TileRequest, parse_request
    from plitka.results import Result
    from plitka.tile.plan import TilePlan, plan_for
else:
    # Where each name is defined, unless it is an error. Type checkers do not see this part: for them an
    # attribute that is not imported above is a mistake.
    _MODULES = {
        "ColorFidelity": "plitka.fidelity.measure",
        "Engine": "plitka.engine.protocol",
        "Fidelity": "plitka.fidelity.measure",
        "Result": "plitka.results",
        "TilePlan": "plitka.tile.plan",
        "TileRequest": "plitka.request.tile_request",
        "generate": "plitka.generation",
        "load_engine": "plitka.engines",
        "parse_request": "plitka.request.tile_request",
        "plan_for": "plitka.tile.plan",
    }

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_MODULES.get(name, "plitka.errors")), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
