"""The base model's weights as its files have them, read again after a LoRA has changed those in memory.

The files stay open, so that one that is deleted or replaced is still the one that was loaded. One that was
written to in place is not, and is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from safetensors import SafetensorError, safe_open

from plitka.diffusion.checkpoints.single_file import UNET
from plitka.diffusion.checkpoints.single_file_names import renamed_clip
from plitka.diffusion.checkpoints.weight_checks import CLIP_PREFIX
from plitka.diffusion.families.known import family_of
from plitka.errors import ModelFileError
from plitka.weights.files import in_one_line, stamp
from plitka.weights.locate import Location
from plitka.weights.model_folder import files_read
from plitka.weights.remedies import RESTART_REMEDY

# From a tensor of the file to tensors by the model's names.
Conversion = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class _Place:
    """Where a weight stands, and how the library renames or splits what stands there."""

    file: "_OpenFile"
    tensor: str
    convert: Conversion | None = None


class StoredWeights:
    """The weights of a base model, from its local files."""

    def __init__(self, base: Any, location: Location) -> None:
        """Open the files that the pipeline `base` was loaded from.

        Raises ModelFileError if one of them cannot be read or is not the file that was loaded.
        """
        self._files: list[_OpenFile] = []
        find = self._in_single_file if location.is_single_file else self._in_folder
        self._places = {
            (part, name.removeprefix(CLIP_PREFIX)): place
            for part in family_of(base).lora_targets
            for name, place in find(base, location, part)
        }

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether there is a weight of this part and name, the name without `text_model.`."""
        return key in self._places

    def check(self) -> None:
        """Raise ModelFileError if a file was written to since it was opened."""
        for file in self._files:
            file.check()

    def read(self, key: tuple[str, str]) -> torch.Tensor:
        """The weight of this part and name on the CPU, in the type of the file. Raises ModelFileError."""
        place = self._places[key]
        stored = place.file.read(place.tensor)
        if place.convert is None:
            return stored
        converted = place.convert({place.tensor: stored})
        return next(value for name, value in converted.items() if name.removeprefix(CLIP_PREFIX) == key[1])

    def _open(self, path: Path, location: Location) -> "_OpenFile":
        known = location.checked.get(path)
        file = next((file for file in self._files if file.path == path), None)
        if file is None:
            file = _OpenFile(path)
            self._files.append(file)
            if known and known.stamp != stamp(path):
                raise ModelFileError(path, "it was changed while it was being loaded", RESTART_REMEDY)
        return file

    def _in_folder(self, base: Any, location: Location, part: str) -> Iterator[tuple[str, _Place]]:
        for path in files_read(Path(location.path) / part, location.variant):
            file = self._open(path, location)
            yield from ((tensor, _Place(file, tensor)) for tensor in file.names)

    def _in_single_file(self, base: Any, location: Location, part: str) -> Iterator[tuple[str, _Place]]:
        path = Path(location.path)
        file, tensors = self._open(path, location), location.header(path).tensors
        model = getattr(base, part)
        if part == "unet":
            names = {name: name for name in tensors if name.startswith(UNET)}
            renamed: Mapping[str, str] = convert_ldm_unet_checkpoint(names, dict(model.config))
            yield from ((name, _Place(file, tensor)) for name, tensor in renamed.items())
            return
        encoder = next(one for one in family_of(base).text_encoders if one.name == part)
        convert = partial(renamed_clip, encoder, model)
        for tensor, entry in tensors.items():
            if tensor.startswith(encoder.prefix):
                for name in convert({tensor: torch.empty(entry["shape"], device="meta")}):
                    yield name, _Place(file, tensor, convert)


class _OpenFile:
    """A weight file that stays open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Not mapped: reading a mapped file that was cut short in the meantime would end the process.
            tensors: Any = safe_open(path, framework="pt", backend="pread")
            self._status = path.stat()
        except (OSError, SafetensorError) as error:
            raise ModelFileError(
                path, f"it cannot be read again ({in_one_line(error)})", RESTART_REMEDY
            ) from error
        self._tensors = tensors
        self.names: list[str] = tensors.keys()

    def check(self) -> None:
        """Raise ModelFileError if what lies under its name is this file with another content."""
        try:
            now = self.path.stat()
        except OSError:
            return
        then = self._status
        same_file = (now.st_dev, now.st_ino) == (then.st_dev, then.st_ino)
        if same_file and (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise ModelFileError(self.path, "it was written to after it was loaded", RESTART_REMEDY)

    def read(self, name: str) -> torch.Tensor:
        """A tensor on the CPU. Raises ModelFileError."""
        try:
            tensor: torch.Tensor = self._tensors.get_tensor(name)
        except SafetensorError as error:
            raise ModelFileError(self.path, f"it cannot be read again ({error})", RESTART_REMEDY) from error
        return tensor


def stored_weights(base: Any, location: Location) -> StoredWeights | None:
    """The weights of a pipeline in the files that it was loaded from; None where these are not known."""
    if location.is_local:
        return StoredWeights(base, location)
    # The hub's client keeps the files in folders of their own, which hold what their names say.
    folder = Path(str(base.unet.config.get("_name_or_path"))).parent
    if not (folder / "model_index.json").is_file():
        return None
    return StoredWeights(base, Location(str(folder), location.name, variant=location.variant))
