"""What is stated about a LoRA beside its tensors: alpha and rank, and whether it is a plain LoRA at all.

PEFT describes an adapter in `adapter_config.json`; diffusers writes the same keys into the header of the
`.safetensors` file (`lora_adapter_metadata`), with the component's name in front. Of the keys some say how
strongly the pairs act, some are of no consequence for what they mean, and anything else must be neutral: DoRA
scales the result, PiSSA trains against base weights that it has changed, and so on.

kohya's scripts and LyCORIS write their settings into the header too (`ss_…`). Their own readers go by the
tensors alone, into which these programs put what the settings did (LyCORIS's `rs_lora` stands in the alpha,
DyLoRA is stored as plain pairs), except for the settings in `_KOHYA_ARGUMENTS`.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from plitka.diffusion.adapters.lora_names import COMPONENTS
from plitka.errors import ModelFileError, remedied

CONFIG_NAME = "adapter_config.json"
HEADER_KEY = "lora_adapter_metadata"
REMEDY = (
    "Save the LoRA as a plain one, without this setting (PEFT does it for some with "
    "`save_pretrained(…, path_initial_model_for_weight_conversion=…)`), or train it without."
)
AMBIGUITY_REMEDY = "Name every module in one pattern only."
MISMATCH_REMEDY = "Put the configuration there that was written together with this LoRA."
# What was trained, on what and how: it does not change what the pairs mean.
NO_CONSEQUENCE = {
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "target_modules",
    "task_type",
}
# Of alphas and ranks; more is a mistake.
LARGEST_NUMBER = 1e9
STRENGTH = {"r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora"}
# Ways to start training that leave the base weights as they are.
PLAIN_STARTS = {"gaussian", "eva", "orthogonal", "mica"}
# Settings of unmerged versions of kohya's scripts: the alpha over the rank's root, changed base weights.
_KOHYA_ARGUMENTS = ("rank_stabilized", "initialize")


class AdapterConfig:
    """How strongly a component's pairs act, as PEFT's configuration says."""

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        """Check the configuration that stands in `path`, its keys with `prefix` in front.

        Raises ModelFileError for a key that is not understood and not neutral.
        """
        self._path, self._prefix = path, prefix
        for key, value in values.items():
            if not _is_understood(key, value):
                problem = f"not a plain LoRA: {prefix + key!r} is {json.dumps(value)[:100]}"
                raise ModelFileError(path, problem, REMEDY)
        if not _is_number(values.get("lora_alpha")):
            raise self._error("lora_alpha", values.get("lora_alpha"), "a number")
        self._alpha = float(values["lora_alpha"])
        self._rank: int | None = values.get("r")
        if self._rank is not None and not (_is_number(self._rank) and self._rank >= 1):
            raise self._error("r", self._rank, "a whole number above 0")
        self._rooted = values.get("use_rslora") or False
        if not isinstance(self._rooted, bool):
            raise self._error("use_rslora", self._rooted, "true or false")
        self._ranks = self._patterns("rank_pattern", values.get("rank_pattern"))
        self._alphas = self._patterns("alpha_pattern", values.get("alpha_pattern"))

    def strength(self, names: Iterable[str], rank: int) -> float:
        """Alpha over the rank, or over its root (rsLoRA, https://arxiv.org/abs/2312.03732), of one module.

        Args:
            names: What the module is called, in the file and in the model.
            rank: The rank of its pair.

        Raises ModelFileError if the configuration says another rank, or two alphas.
        """
        names = tuple(names)
        ranks = _matching(self._ranks, names) or {self._rank or rank}
        if rank not in ranks:
            problem = f"it says rank {max(ranks):g} for {names[0]!r}, whose pair has rank {rank}"
            raise ModelFileError(self._path, problem, MISMATCH_REMEDY)
        alphas = _matching(self._alphas, names) or {self._alpha}
        if len(alphas) > 1:
            both = " and ".join(f"{alpha:g}" for alpha in sorted(alphas))
            problem = f"its '{self._prefix}alpha_pattern' says two alphas for {names[0]!r}, {both}"
            raise ModelFileError(self._path, problem, AMBIGUITY_REMEDY)
        return alphas.pop() / (math.sqrt(rank) if self._rooted else rank)

    def _patterns(self, key: str, patterns: Any) -> list[tuple[re.Pattern[str], float]]:
        """Compile as PEFT matches them: a module's name or the end of it."""
        if patterns is None:
            return []
        if not isinstance(patterns, dict) or not all(_is_number(value) for value in patterns.values()):
            raise self._error(key, patterns, "numbers by module")
        try:
            return [(re.compile(rf"(.*\.)?({name})$"), value) for name, value in patterns.items()]
        except re.error as error:
            raise self._error(key, patterns, f"patterns that can be read ({error})") from error

    def _error(self, key: str, value: Any, wanted: str) -> ModelFileError:
        shown = json.dumps(value)[:100]
        problem = f"{self._prefix + key!r} is {shown}, where it should be {wanted}"
        return ModelFileError(self._path, problem, MISMATCH_REMEDY)


@remedied(MISMATCH_REMEDY)
def read_adapter_configs(path: Path, header: Mapping[str, str]) -> dict[str, list[AdapterConfig]]:
    """Every configuration of a LoRA file's pairs, by component; an empty list where there is none.

    Args:
        path: The LoRA file; PEFT's configuration beside it is about the UNet.
        header: The texts in its header.

    Raises ModelFileError for a configuration that cannot be read or is not that of a plain LoRA.
    """
    _check_kohya_arguments(path, header)
    configs: dict[str, list[AdapterConfig]] = {component: [] for component in COMPONENTS}
    beside = path.parent / CONFIG_NAME
    if beside.is_file():
        try:
            text = beside.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelFileError(beside, f"it cannot be read ({error})") from error
        configs["unet"].append(AdapterConfig(beside, _json_object(beside, text, "configuration")))
    in_header = _json_object(path, header.get(HEADER_KEY) or "{}", f"'{HEADER_KEY}'")
    for component, values in _split(path, in_header).items():
        configs[component].append(AdapterConfig(path, values, f"{component}."))
    return configs


def _split(path: Path, metadata: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What diffusers wrote into one dictionary, by component."""
    parts: dict[str, dict[str, Any]] = {}
    for key, value in metadata.items():
        component, _, name = key.partition(".")
        if component not in COMPONENTS or not name:
            raise ModelFileError(path, f"its '{HEADER_KEY}' has the unknown key {key!r}")
        parts.setdefault(component, {})[name] = value
    return parts


def _json_object(path: Path, text: str, name: str) -> dict[str, Any]:
    """The JSON object in `text`, the part of the file that is called `name`. Raises ModelFileError."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"its {name} is no JSON ({error})") from error
    if not isinstance(values, dict):
        raise ModelFileError(path, f"its {name} is no JSON object")
    return values


def _check_kohya_arguments(path: Path, header: Mapping[str, str]) -> None:
    try:
        arguments = json.loads(header.get("ss_network_args") or "{}")
    except (ValueError, RecursionError):
        return  # other programs write other things there, and nothing else is read from it
    for key in _KOHYA_ARGUMENTS if isinstance(arguments, dict) else ():
        value = arguments.get(key)
        if not _is_neutral(value) and str(value).lower() not in ("false", "none"):
            shown = json.dumps(value)[:100]
            problem = f"not a plain LoRA: {key!r} in its 'ss_network_args' is {shown}"
            raise ModelFileError(path, problem, REMEDY)


def _is_understood(key: str, value: Any) -> bool:
    """Whether the pairs are a plain LoRA's with this setting, as far as this key goes."""
    if key in NO_CONSEQUENCE or key in STRENGTH:
        return True
    if key == "peft_type":
        return bool(value == "LORA")
    if key == "bias":
        return bool(value == "none")
    if key == "init_lora_weights":
        plain = isinstance(value, str) and value.lower() in PLAIN_STARTS
        return plain or value is None or isinstance(value, bool)
    return _is_neutral(value)


def _is_neutral(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _matching(patterns: list[tuple[re.Pattern[str], float]], names: Iterable[str]) -> set[float]:
    """What all patterns say. To PEFT the first that matches counts, but it sorts them when it saves."""
    return {value for name in names for pattern, value in patterns if pattern.match(name)}
