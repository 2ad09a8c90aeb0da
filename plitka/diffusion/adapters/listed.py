"""The adapters of the operator's list, checked against the base model and made ready at setup.

diffusers and transformers are imported when a function needs them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plitka.diffusion.adapters.prompt_budget import TRIGGER_WORD, check_prompt_room
from plitka.errors import AdapterListError, ModelFileError
from plitka.settings import adapters_path
from plitka.weights.adapter_list import ListedAdapter, opened_adapter, problem_of
from plitka.weights.find_adapters import Adapters

# LoRAs of the list that are kept in the machine's memory; the engine's own is always kept.
KEPT = 2

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora
    from plitka.diffusion.adapters.textual_inversion import Words
    from plitka.diffusion.checkpoints.stored_weights import StoredWeights


@dataclass
class ListedLoader:
    """Reads the adapters of a list for one base pipeline.

    Attributes:
        pipeline: The base pipeline; its weights are the base model's own whenever something is read.
        listed: The adapters by name.
        plain: The tokenizers as they are without any embeddings.
        stored: Where the weights are read again.
    """

    pipeline: Any
    listed: Mapping[str, ListedAdapter]
    plain: Mapping[str, Any]
    stored: StoredWeights | None
    _tokenizers: dict[tuple[str, ...], Mapping[str, Any]] = field(default_factory=dict)

    def read_all(self) -> tuple[dict[str, Words], OrderedDict[str, Lora]]:
        """The words of every adapter, and the last few LoRAs, each by name.

        Raises AdapterListError with the problem of each that does not fit the base model.
        """
        words: dict[str, Words] = {}
        loras: OrderedDict[str, Lora] = OrderedDict()
        problems = []
        for name, adapter in self.listed.items():
            try:
                with opened_adapter(adapter) as files:
                    words[name] = self._words(adapter, files)
                    loras[name] = self._lora(files)
            except ModelFileError as error:
                problems.append(problem_of(adapter, error))
            while len(loras) > KEPT:
                loras.popitem(last=False)
        if problems:
            raise AdapterListError(adapters_path() or "", problems)
        return words, loras

    def lora(self, name: str) -> Lora:
        """The LoRA of one adapter. Raises ModelFileError if its archive is not as it was listed."""
        with opened_adapter(self.listed[name]) as files:
            return self._lora(files)

    def _lora(self, files: Adapters) -> Lora:
        from plitka.diffusion.adapters.lora import load_lora

        assert files.lora is not None
        return load_lora(self.pipeline, files.lora.path, files.lora.header, self.stored, on_cpu=True)

    def _words(self, adapter: ListedAdapter, files: Adapters) -> Words:
        from plitka.diffusion.adapters.textual_inversion import Words, read_words

        trigger = adapter.trigger or TRIGGER_WORD
        if files.embeddings is None:
            words = Words((), trigger, self.plain, {})
        else:
            path, header = files.embeddings.path, files.embeddings.header
            words = read_words(
                self.pipeline, path, header, adapter.tokens, trigger, self.plain, self._tokenizers
            )
        where = files.embeddings.path if files.embeddings else adapter.archive
        check_prompt_room(str(where), len(words.tokens), words.count_tokens, trigger)
        return words
