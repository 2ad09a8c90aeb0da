"""The operator's list of adapters: archives with a LoRA and embeddings that a request may name.

The file of `PLITKA_ADAPTERS`, JSON:

    {"version": 1, "adapters": {"winter": {"file": "winter.tar", "sha256": "…", "scale": 0.8}}}

model_files/README.md describes it. Needs no torch.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plitka.errors import AdapterListError, ModelFileError, remedied, shown
from plitka.operator_file import decode_json, read_bytes
from plitka.request.adapter import NAME, NAMES, NO_ADAPTER
from plitka.settings import ADAPTERS_VARIABLE, adapters_path
from plitka.weights.adapter_files import adapters_in
from plitka.weights.archive import opened_weights
from plitka.weights.files import WeightFile, check_weight_file, refuse_other_formats, stamp
from plitka.weights.find_adapters import Adapters
from plitka.weights.verify import FileState, FileStatus

VERSION = 1
MOST_ADAPTERS = 100
MOST_WORDS = 60
SCALES = (0.0, 2.0)
ARCHIVES = (".tar", ".zip")
REMEDY = "Put back the file that the list of adapters names, or correct the list and start again."
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_USUAL_TOKEN = re.compile(r"<s\d+>")
_KEYS = ("version", "adapters")
_ENTRY_KEYS = ("file", "sha256", "scale", "tokens", "trigger")


@dataclass(frozen=True)
class ListedAdapter:
    """An adapter as the list has it.

    Attributes:
        name: What requests call it.
        archive: Its `.tar` or `.zip`.
        sha256: That file's hash, lower-case hexadecimal.
        scale: Scale of its LoRA where a request names none, 0 to 2; None for that of the engine's own.
        tokens: What its vectors are called in a prompt; None for `<s0>`, `<s1>` and so on; empty where the
            archive has no embeddings.
        trigger: The word that stands before the tokens in the prompt; None for that of the engine's own.
    """

    name: str
    archive: Path
    sha256: str
    scale: float | None = None
    tokens: tuple[str, ...] | None = None
    trigger: str | None = None


def listed_adapters() -> dict[str, ListedAdapter]:
    """The adapters of the list that `PLITKA_ADAPTERS` names, by name, none of them opened.

    Raises AdapterListError with every problem of the list.
    """
    path = adapters_path()
    return {} if path is None else read_adapter_list(path)


def read_adapter_list(path: Path) -> dict[str, ListedAdapter]:
    """Read a list of adapters. Raises AdapterListError with every problem found."""
    document = decode_json(read_bytes(path, AdapterListError), path, AdapterListError)
    problems: list[str] = []
    adapters: dict[str, ListedAdapter] = {}
    for name, entry in _entries(document, problems).items():
        found = list(_problems_of(name, entry))
        problems += found
        if not found:
            adapters[name] = _adapter(name, entry, path.parent)
    if problems:
        raise AdapterListError(path, problems)
    return adapters


def check_archives(adapters: Mapping[str, ListedAdapter]) -> dict[str, Adapters]:
    """What is in every archive; the files themselves are gone again.

    Raises AdapterListError, with the problem of each, for archives that are missing, not as listed or broken.
    """
    found, problems = {}, []
    for adapter in adapters.values():
        try:
            with opened_adapter(adapter) as files:
                found[adapter.name] = files
        except ModelFileError as error:
            problems.append(problem_of(adapter, error))
    if problems:
        raise AdapterListError(adapters_path() or "", problems)
    return found


@contextmanager
def opened_adapter(adapter: ListedAdapter) -> Iterator[Adapters]:
    """The files of an adapter, unpacked for as long as they are needed.

    Raises ModelFileError if the archive is missing, is not the one that is listed, or does not have what the
    list says.
    """
    with remedied(REMEDY), _readable(adapter.archive):
        known = check_weight_file(adapter.archive, sha256=adapter.sha256)
    with remedied(REMEDY), opened_weights(adapter.archive) as folder:
        assert folder is not None
        given = adapters_in(folder)
        # Nothing else may have been put there between hashing and unpacking.
        with _readable(adapter.archive):
            if stamp(adapter.archive) != known.stamp:
                raise ModelFileError(adapter.archive, "it was changed while it was read")
        yield Adapters(_lora(adapter, given), _embeddings(adapter, given))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn an error of the system into a ModelFileError: setup lists it beside those of other adapters."""
    try:
        yield
    except OSError as error:
        raise ModelFileError(path, f"it cannot be read: {error.strerror}") from error


def verify_adapters(*, hashes: bool = True) -> Iterator[FileStatus]:
    """Look for the archives of the operator's list, if there is one; with `hashes` also at what is in them.

    Raises AdapterListError for a list that cannot be read.
    """
    for name, adapter in listed_adapters().items():
        part, path = f"adapter {name}", adapter.archive
        state: FileState
        try:
            with opened_adapter(adapter) if hashes else nullcontext():
                check_weight_file(path)
            state, detail = "ok", "sha256 as listed" if hashes else "there"
        except ModelFileError as error:
            state, detail = "broken" if path.exists() else "missing", error.problem
        yield FileStatus(part, str(path), state, detail, ADAPTERS_VARIABLE)


def problem_of(adapter: ListedAdapter, error: ModelFileError) -> str:
    """A sentence without a stop that names the adapter."""
    hint = f" ({error.hint.rstrip('.')})" if error.hint else ""
    return f"adapters.{adapter.name}: {Path(error.path).name}: {error.problem}{hint}"


def _lora(adapter: ListedAdapter, given: Mapping[str, WeightFile]) -> WeightFile:
    if "LoRA" not in given:
        raise ModelFileError(adapter.archive, "it holds no LoRA")
    lora = given["LoRA"]
    refuse_other_formats(lora.path, lora.header.tensors if lora.header else {})
    return lora


def _embeddings(adapter: ListedAdapter, given: Mapping[str, WeightFile]) -> WeightFile | None:
    embeddings = given.get("embeddings")
    if embeddings is None and adapter.tokens != ():
        hint = 'If that is right, say so in the list: "tokens": [].'
        raise ModelFileError(adapter.archive, "it holds no embeddings", hint=hint)
    if embeddings is not None:
        if adapter.tokens == ():
            raise ModelFileError(adapter.archive, "it holds embeddings, and its tokens are none ([])")
        refuse_other_formats(embeddings.path, embeddings.header.tensors if embeddings.header else {})
    return embeddings


def _entries(document: Any, problems: list[str]) -> dict[str, Any]:
    if not isinstance(document, dict):
        problems.append(f"is not an object with the keys {', '.join(_KEYS)}")
        return {}
    problems += [
        f"{shown(key)}: is an unknown key; the keys are {', '.join(_KEYS)}"
        for key in document
        if key not in _KEYS
    ]
    if document.get("version") != VERSION or isinstance(document.get("version"), bool):
        problems.append(f"version: {shown(document.get('version'))} is not {VERSION}")
    listed = document.get("adapters")
    if not isinstance(listed, dict) or not 1 <= len(listed) <= MOST_ADAPTERS:
        said = f"has {len(listed)} entries" if isinstance(listed, dict) else "is not an object"
        problems.append(f"adapters: {said}; 1 to {MOST_ADAPTERS} names are allowed, each with its object")
        return {}
    return listed


def _problems_of(name: str, entry: Any) -> Iterator[str]:
    if NAME.fullmatch(name) is None:
        yield f"adapters: {shown(name)} is no name: {NAMES}"
        return
    if name == NO_ADAPTER:
        yield f"adapters: {shown(name)} is what metrics and metadata say where no adapter was named"
        return
    where = f"adapters.{name}"
    if not isinstance(entry, dict):
        yield f"{where}: is not an object with the keys {', '.join(_ENTRY_KEYS)}"
        return
    for key in entry:
        if key not in _ENTRY_KEYS:
            yield f"{where}: {shown(key)} is an unknown key; the keys are {', '.join(_ENTRY_KEYS)}"
    for key, (is_right, allowed) in _CHECKS.items():
        if not is_right(entry.get(key)):
            said = f"{shown(entry[key])} is not" if key in entry else "is missing, and must be"
            yield f"{where}.{key}: {said} {allowed}"
    if (trigger := entry.get("trigger")) and _is_trigger(trigger) and _names_token(trigger, entry):
        yield f"{where}.trigger: {shown(trigger)} names a token; the tokens follow it by themselves"


def _is_archive(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and value.lower().endswith(ARCHIVES)


def _is_scale(value: Any) -> bool:
    if value is None:
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and SCALES[0] <= value <= SCALES[1]


def _is_tokens(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(token, str) for token in value))


def _is_trigger(value: Any) -> bool:
    if value is None:
        return True
    is_text = isinstance(value, str) and value.isprintable() and value.strip() == value
    return is_text and 1 <= len(value) <= MOST_WORDS


def _names_token(trigger: str, entry: Mapping[str, Any]) -> bool:
    tokens = entry.get("tokens")
    if tokens is None:
        return _USUAL_TOKEN.search(trigger) is not None
    return _is_tokens(tokens) and any(token and token in trigger for token in tokens)


_CHECKS = {
    "file": (_is_archive, "the path of a .tar or .zip, absolute or from the folder of this list"),
    "sha256": (
        lambda value: isinstance(value, str) and _SHA256.fullmatch(value) is not None,
        "the sha256 of that file, 64 hexadecimal digits (sha256sum prints it)",
    ),
    "scale": (_is_scale, f"a number from {SCALES[0]:g} to {SCALES[1]:g}"),
    "tokens": (_is_tokens, "a list of texts, one for each vector"),
    "trigger": (_is_trigger, f"a text of 1 to {MOST_WORDS} characters in one line"),
}


def _adapter(name: str, entry: Mapping[str, Any], folder: Path) -> ListedAdapter:
    tokens = entry.get("tokens")
    return ListedAdapter(
        name=name,
        archive=folder / entry["file"],
        sha256=entry["sha256"].lower(),
        scale=entry.get("scale"),
        tokens=None if tokens is None else tuple(tokens),
        trigger=entry.get("trigger"),
    )
