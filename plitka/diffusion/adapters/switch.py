"""Which adapter is in the models: the engine's own LoRA and embeddings, or others of the operator's list.

Weights change where they are, so that recordings and compiled code stay valid: a LoRA is taken out, by which
every weight is read again from the base model's files, before another one is put in; the vectors of
embeddings are written over those of others, in a table that has room for the most. Whatever breaks a change
off, the next one does all of it again, and nothing is ever computed from weights that are not the base
model's own.

A few-step LoRA comes on top of the adapter's for the requests that are drawn with it, and its weights are
read again from the base model's files, and then the adapter's LoRA put in anew, before any other request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from plitka.diffusion.adapters.listed import KEPT
from plitka.diffusion.adapters.textual_inversion import Words
from plitka.diffusion.families.known import family_of

if TYPE_CHECKING:
    from plitka.diffusion.adapters.lora import Lora


class WordTable:
    """The rows of the text encoders for the vectors of embeddings, and the tokenizers that lead to them."""

    def __init__(self, pipeline: Any, plain: Mapping[str, Any], most: int) -> None:
        """Make room for `most` vectors after the words of the tokenizers `plain`; what is there stays."""
        self._pipeline = pipeline
        encoders = family_of(pipeline).text_encoders
        self._first = {encoder.name: len(plain[encoder.tokenizer]) for encoder in encoders}
        for encoder, first in self._first.items():
            model = getattr(pipeline, encoder)
            if len(model.get_input_embeddings().weight) < first + most:
                model.resize_token_embeddings(first + most, mean_resizing=False)
        self._now: Words | None = None

    def vectors(self, count: int) -> dict[str, torch.Tensor]:
        """The first `count` vectors that stand in the table, on the CPU."""
        return {name: self._rows(name, count).detach().to("cpu", copy=True) for name in self._first}

    @torch.no_grad()
    def put(self, words: Words) -> None:
        """Have the text encoders read these words; broken off, the next call does all of it again."""
        if words is self._now:
            return
        self._now = None
        for name, vectors in words.vectors.items():
            self._rows(name, len(vectors)).copy_(vectors)
        for name, tokenizer in words.tokenizers.items():
            setattr(self._pipeline, name, tokenizer)
        self._now = words

    def has(self, words: Words) -> bool:
        """Whether the text encoders read these words now."""
        return words is self._now

    def _rows(self, encoder: str, count: int) -> torch.Tensor:
        first = self._first[encoder]
        weight: torch.Tensor = getattr(self._pipeline, encoder).get_input_embeddings().weight
        return weight[first : first + count]


class AdapterSwitch:
    """Puts the adapter of a request into the models.

    Attributes:
        own: The engine's own LoRA; None without one.
        words: By the adapter's name, None for the engine's own: what its prompts say.
        few_step: The few-step LoRA with its scale; None without one.
    """

    def __init__(
        self,
        own: Lora | None,
        words: Mapping[str | None, Words],
        table: WordTable | None = None,
        load: Callable[[str], Lora] | None = None,
        loaded: Mapping[str, Lora] | None = None,
        kept: int = KEPT,
        few_step: tuple[Lora, float] | None = None,
    ) -> None:
        """`load` reads the LoRA of a name while the weights are the base model's own; `loaded` has been."""
        self.own = own
        self.words = words
        self.few_step = few_step
        self._table = table
        self._load = load
        self._kept = kept
        self._loaded: OrderedDict[str, Lora] = OrderedDict(loaded or {})
        self._forget_oldest()
        # Whose change is in the weights, and which adapter that is; no name while nothing is in them.
        self._lora = own
        self._name: tuple[str | None] | None = (None,)

    @property
    def lora(self) -> Lora | None:
        """The LoRA in the weights."""
        return self._lora

    @property
    def changes_weights(self) -> bool:
        """Whether a LoRA is in the weights, or may come in without an adapter's name."""
        return self._lora is not None or self.few_step is not None

    @property
    def loaded(self) -> tuple[str, ...]:
        """The adapters of the list whose LoRA is in memory, least recently used first."""
        return tuple(self._loaded)

    def use(self, name: str | None, scale: float, *, few_step: bool = False) -> None:
        """Bring the models to an adapter, None for the engine's own, and its LoRA to this scale.

        With `few_step` the few-step LoRA, where there is one, comes on top of it.
        Raises ModelFileError if its archive, or the base model's file, is not as it was when the engine was
        loaded; then, and if anything else breaks it off, the next call does it again from the beginning.
        """
        if self._is_as_wanted(name, scale, few_step):
            return
        self._take_off_few_step()
        if self._name != (name,):
            self._take_out()
            self._lora = self.own if name is None else self._lora_of(name)
            self._name = (name,)
        if self._table is not None:
            self._table.put(self.words[name])
        if self._lora is not None:
            self._lora.apply(scale)
        if few_step and self.few_step is not None:
            lora, full = self.few_step
            lora.add(full)

    def close(self) -> None:
        """Release every LoRA."""
        self._loaded.clear()
        self.own = self._lora = self.few_step = None

    def _is_as_wanted(self, name: str | None, scale: float, few_step: bool) -> bool:
        """Whether the few-step LoRA is in the weights, on top of just this."""
        if not few_step or self.few_step is None or self.few_step[0].scale != self.few_step[1]:
            return False
        is_scale = self._lora is None or self._lora.scale == scale
        is_words = self._table is None or self._table.has(self.words[name])
        return self._name == (name,) and is_scale and is_words

    def _take_off_few_step(self) -> None:
        """Bring the few-step LoRA's weights back to what the base model's files have; not the adapter's."""
        if self.few_step is None or self.few_step[0].scale == 0:
            return
        # Before, since a weight of both is the base model's own from here on.
        if self._lora is not None:
            self._lora.forget()
        self.few_step[0].apply(0.0)

    def _take_out(self) -> None:
        """Bring every weight back to what the base model's files have."""
        if self._lora is not None:
            self._lora.apply(0.0)
        self._lora, self._name = None, None

    def _lora_of(self, name: str) -> Lora:
        if name not in self._loaded:
            assert self._load is not None
            # What is kept goes only once this one is there: its archive may be gone.
            self._loaded[name] = self._load(name)
        self._loaded.move_to_end(name)
        self._forget_oldest()
        return self._loaded[name]

    def _forget_oldest(self) -> None:
        while len(self._loaded) > self._kept:
            self._loaded.popitem(last=False)
