"""The wordings of a prompt that a request may choose by name: `prompts.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

COLORS_PLACE = "{colors}"
DEFAULT_TEMPLATE = "standard"


@dataclass(frozen=True)
class PromptTemplate:
    """One wording.

    Attributes:
        text: The prompt, `{colors}` in place of the mix, `<s0><s1>` in place of the learned tokens.
        purpose: What it is for, a sentence.
        measured: What an experiment showed of it, sentences.
    """

    text: str
    purpose: str
    measured: str

    def filled(self, colors: str) -> str:
        """The prompt for a mix in words, such as ``60% red, 40% blue``."""
        return self.text.replace(COLORS_PLACE, colors)


def _read() -> Mapping[str, PromptTemplate]:
    document = json.loads(resources.files("plitka.request").joinpath("prompts.json").read_bytes())
    return MappingProxyType(
        {
            name: PromptTemplate(entry["text"], entry["for"], entry["measured"])
            for name, entry in document.items()
        }
    )


# Read now, so that no request opens a file.
TEMPLATES: Mapping[str, PromptTemplate] = _read()
