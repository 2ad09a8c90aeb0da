"""ControlNets: loaded when a request first needs one, the last few kept."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from plitka.choices import ControlKind
from plitka.device.select import DeviceInfo, manage_gpu_memory
from plitka.diffusion.several_controlnets import SeveralControlNets
from plitka.errors import ModelFileError
from plitka.weights.locate import EngineFiles, Location
from plitka.weights.manifest import ControlNetSource

# How many are kept at most; two cover every edge kind of the shipped manifest.
KEPT = 2
# A half-precision SDXL ControlNet, where the size of its files is not known.
TYPICAL_BYTES = 2_512_030_408


@dataclass(frozen=True)
class LoadedControlNet:
    """A ControlNet in memory: its key in the manifest, its diffusers class, its id for reports, the model.

    The key of several that guide together are their kinds.
    """

    key: str | tuple[ControlKind, ...]
    type: str
    name: str
    model: Any


class ControlNetCache:
    """The ControlNets of an engine, at most `kept` of them in memory, fewer if the GPU's memory is short.

    `on_evict(key)` is called before one is evicted, so that no other reference to it stays.
    """

    def __init__(
        self,
        files: EngineFiles,
        device_info: DeviceInfo,
        load: Callable[[ControlNetSource, Location], Any],
        on_evict: Callable[[str], None],
        kept: int = KEPT,
    ) -> None:
        self._files = files
        self._device_info = device_info
        self._load = load
        self._on_evict = on_evict
        self.kept = kept
        self._loaded: OrderedDict[str, LoadedControlNet] = OrderedDict()

    @property
    def loaded(self) -> tuple[LoadedControlNet, ...]:
        """What is in memory, least recently used first."""
        return tuple(self._loaded.values())

    @property
    def kinds(self) -> tuple[ControlKind, ...]:
        """The kinds of control images for which there is one."""
        return tuple(self._files.models.control)

    def get(self, kind: ControlKind, working_bytes: int) -> LoadedControlNet:
        """The ControlNet for a kind of control image.

        On a GPU, `working_bytes` are left free beside it if possible. Raises ModelFileError if there is none
        or it does not load.
        """
        return self.get_all((kind,), working_bytes)[0]

    def get_all(self, kinds: Sequence[ControlKind], working_bytes: int) -> list[LoadedControlNet]:
        """The same for several kinds, all of them in memory together, however few are kept otherwise."""
        keys = [self._key(kind) for kind in kinds]
        return [self._get(key, keys, working_bytes) for key in keys]

    def _key(self, kind: ControlKind) -> str:
        if kind not in self._files.models.control:
            raise ModelFileError(kind, "the manifest has no ControlNet for these edges", "Add one.")
        return self._files.models.control[kind].controlnet

    def _get(self, key: str, together: Sequence[str], working_bytes: int) -> LoadedControlNet:
        if key not in self._loaded:
            source, location = self._files.models.controlnets[key], self._files.controlnets[key]
            self._make_room(_weight_bytes(source, location) + working_bytes, together)
            loaded = LoadedControlNet(key, source.type, location.name, self._load(source, location))
            self._loaded[key] = loaded
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def together(self, kinds: tuple[ControlKind, ...], parts: Sequence[LoadedControlNet]) -> LoadedControlNet:
        """Several as one; `parts` are those of the kinds."""
        model = SeveralControlNets([part.model for part in parts], [self.mode(kind) for kind in kinds])
        name = " + ".join(dict.fromkeys(part.name for part in parts))
        return LoadedControlNet(kinds, "ControlNetModel", name, model)

    def uses(self, key: str | tuple[ControlKind, ...] | None, controlnet: str) -> bool:
        """Whether what has this key is a ControlNet, by its key in the manifest, or has it among others."""
        if not isinstance(key, tuple):
            return key == controlnet
        return any(self._files.models.control[kind].controlnet == controlnet for kind in key)

    def mode(self, kind: ControlKind) -> int | None:
        """The `control_mode` of a kind; None for a plain ControlNet."""
        return self._files.models.mode(kind)

    def evict_all(self) -> None:
        """Evict every ControlNet."""
        while self._loaded:
            self._evict(next(iter(self._loaded)))

    def _make_room(self, needed: int, together: Sequence[str]) -> None:
        """Evict what is not needed `together` with the next one, least recently used first."""
        for key in [key for key in self._loaded if key not in together]:
            if len(self._loaded) >= self.kept or self._is_short_of(needed):
                self._evict(key)

    def _evict(self, key: str) -> None:
        self._on_evict(key)
        del self._loaded[key]
        manage_gpu_memory(self._device_info, "clear")

    def _is_short_of(self, needed: int) -> bool:
        return self._device_info.is_gpu and usable_bytes(self._device_info) < needed


def usable_bytes(device_info: DeviceInfo) -> int:
    """Bytes that this process can still fill: free on the device, or cached by torch and not in use."""
    status = manage_gpu_memory(device_info, "check")
    return status.free + status.reserved - status.allocated


def _weight_bytes(source: ControlNetSource, location: Location) -> int:
    if location.is_local:
        return sum(file.stat().st_size for file in location.weight_files)
    return sum(file.size or 0 for file in source.files) or TYPICAL_BYTES
