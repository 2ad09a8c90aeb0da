"""LoRA files of every layout with a rank and an alpha of their own for each module, and what they mean.

What a file means is computed here from its own numbers, in double precision. Module names are taken from the
small models of `checkpoints.py`; the names that files have for them are spelled here, not by the code tested.
"""

import json
import math
from dataclasses import dataclass, field, replace

import torch
from checkpoints import WIDTH_G, WIDTH_L, make_unet, text_config
from hypothesis import strategies as st
from safetensors.torch import save_file
from single_file import unet_name
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

UNET, TEXT, TEXT_2 = "unet", "text_encoder", "text_encoder_2"
KOHYA = {UNET: "lora_unet_", TEXT: "lora_te1_", TEXT_2: "lora_te2_"}
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def _layers(model):
    """The weight's shape of every linear and convolution layer, by name, without `text_model.`."""
    return {
        name.removeprefix("text_model."): tuple(module.weight.shape)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


with torch.device("meta"):
    LAYERS = {
        UNET: _layers(make_unet()),
        TEXT: _layers(CLIPTextModel(text_config(WIDTH_L, 100))),
        TEXT_2: _layers(CLIPTextModelWithProjection(text_config(WIDTH_G, 100))),
    }


@dataclass(frozen=True)
class Change:
    """What a file says of one module. No alpha means the rank."""

    component: str
    module: str
    rank: int
    alpha: float | None
    dtype: torch.dtype
    tucker: bool = False
    seed: int = 0

    @property
    def shape(self):
        return LAYERS[self.component][self.module]

    def parts(self):
        """Tensors by `down`, `up` and perhaps `mid`."""
        random = torch.Generator().manual_seed(self.seed)

        def draw(*shape):
            return (torch.randn(shape, generator=random) * 0.3).to(self.dtype)

        out, inner, *kernel = self.shape
        ones = [1] * len(kernel)
        parts = {"down": draw(self.rank, inner, *(ones if self.tucker else kernel))}
        parts["up"] = draw(out, self.rank, *ones)
        if self.tucker:
            parts["mid"] = draw(self.rank, self.rank, *kernel)
        return parts

    def meaning(self, rooted=False):
        """The change of the weight, in double precision."""
        parts = {name: value.double() for name, value in self.parts().items()}
        up, down = parts["up"].flatten(1), parts["down"].flatten(1)
        if self.tucker:
            change = torch.einsum("or,rskl,si->oikl", up, parts["mid"], down)
        else:
            change = (up @ down).view(self.shape)
        if self.alpha is not None:
            change = change * self.alpha / (math.sqrt(self.rank) if rooted else self.rank)
        return change


@dataclass
class File:
    """A LoRA file in the making: tensors by name, texts in the header, a configuration beside it."""

    tensors: dict = field(default_factory=dict)
    header: dict = field(default_factory=dict)
    config: dict | None = None

    def write(self, folder):
        path, config = folder / "lora.safetensors", folder / "adapter_config.json"
        save_file({name: value.contiguous() for name, value in self.tensors.items()}, path, self.header)
        config.unlink(missing_ok=True)
        if self.config is not None:
            config.write_text(json.dumps(self.config))
        return path


# Names: of a module, and of its tensors' endings, in each layout.


def _with_text_model(change):
    return change.module if change.component == UNET else f"text_model.{change.module}"


def _full_text_name(change):
    return change.module if change.module == "text_projection" else _with_text_model(change)


def kohya(change):
    return KOHYA[change.component] + _full_text_name(change).replace(".", "_")


def kohya_original(change):
    if change.component != UNET:
        return kohya(change)
    name = unet_name(f"{change.module}.weight").removesuffix(".weight")
    return KOHYA[UNET] + name.replace(".", "_")


def diffusers(change):
    return f"{change.component}.{_full_text_name(change)}"


def bare_diffusers(change):
    return f"{change.component}.{change.module}"


def processor(change):
    """As diffusers' attention processors were saved; the endings begin with `_lora`."""
    stem, _, layer = change.module.removesuffix(".0").rpartition(".")
    if change.component == UNET:
        return f"{UNET}.{stem}.processor.{layer}"
    layer = {"q_proj": "to_q", "k_proj": "to_k", "v_proj": "to_v", "out_proj": "to_out"}[layer]
    return f"{change.component}.text_model.{stem}.{layer}"


def replicate(change):
    return processor(change).removeprefix(f"{UNET}.")


def peft(change):
    return f"base_model.model.{change.module}"


KOHYA_ENDINGS = {part: f".lora_{part}.weight" for part in ("down", "up", "mid")}
PEFT_ENDINGS = {"down": ".lora_A.weight", "up": ".lora_B.weight"}
OLD_ENDINGS = {"down": ".lora.down.weight", "up": ".lora.up.weight"}
OLD_TEXT_ENDINGS = {"down": ".lora_linear_layer.down.weight", "up": ".lora_linear_layer.up.weight"}
PROCESSOR_ENDINGS = {"down": "_lora.down.weight", "up": "_lora.up.weight"}


@dataclass(frozen=True)
class Layout:
    """How files of one kind are spelled, which modules they can change, and where their alphas stand."""

    spell: object
    endings: dict
    text_endings: dict | None = None
    components: tuple = (UNET, TEXT, TEXT_2)
    only: tuple = ()
    alphas: str = "tensors"

    def changes(self):
        """Draws one to six changes of different modules."""
        modules = [
            (component, module)
            for component in self.components
            for module in LAYERS[component]
            if not self.only or module.endswith(self.only)
        ]
        chosen = st.lists(st.sampled_from(modules), min_size=1, max_size=6, unique=True)
        return chosen.flatmap(lambda names: st.tuples(*(self._change(*name) for name in names)))

    def _change(self, component, module):
        number = st.floats(-3, 20, width=16).filter(bool) | st.integers(1, 64).map(float)
        alpha = {"tensors": st.none() | st.just(0.0) | number, "nowhere": st.none(), "config": number}
        kernel = LAYERS[component][module][2:]
        return st.builds(
            Change,
            st.just(component),
            st.just(module),
            rank=st.integers(1, 7),
            alpha=alpha[self.alphas],
            dtype=st.sampled_from(DTYPES),
            tucker=st.booleans() if kernel == (3, 3) and "mid" in self.endings else st.just(False),
            seed=st.integers(0, 99),
        )

    def file(self, changes, rooted=False):
        tensors = {}
        for change in changes:
            stem = self.spell(change)
            endings = self.endings if change.component == UNET else self.text_endings or self.endings
            tensors |= {stem + endings[part]: value for part, value in change.parts().items()}
            if change.alpha is not None and self.alphas == "tensors":
                tensors[f"{stem}.alpha"] = torch.tensor(change.alpha, dtype=torch.float32)
        return File(tensors)


@dataclass(frozen=True)
class PeftLayout(Layout):
    """PEFT's own files: alphas and ranks in the configuration beside it."""

    def file(self, changes, rooted=False):
        return replace(super().file(changes), config=peft_config(changes, rooted))


@dataclass(frozen=True)
class HeaderLayout(Layout):
    """diffusers' own files: PEFT's configuration of every model in the header."""

    def file(self, changes, rooted=False):
        metadata = {}
        for component in self.components:
            if own := [change for change in changes if change.component == component]:
                config = peft_config(own, rooted)
                metadata |= {f"{component}.{key}": value for key, value in config.items()}
        return replace(super().file(changes), header={"lora_adapter_metadata": json.dumps(metadata)})


def peft_config(changes, rooted=False):
    """The first module's rank and alpha for all, and patterns for those that differ."""
    rank, alpha = changes[0].rank, changes[0].alpha
    return {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": alpha,
        "rank_pattern": {f"^{change.module}": change.rank for change in changes if change.rank != rank},
        "alpha_pattern": {change.module: change.alpha for change in changes if change.alpha != alpha},
        "target_modules": [change.module for change in changes],
        "use_rslora": rooted,
        "bias": "none",
    }


UNET_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
ATTENTION = (*UNET_ATTENTION, "q_proj", "k_proj", "v_proj", "out_proj")
LAYOUTS = {
    "kohya": Layout(kohya, KOHYA_ENDINGS),
    "kohya, original names": Layout(kohya_original, KOHYA_ENDINGS),
    "diffusers": Layout(diffusers, PEFT_ENDINGS),
    "diffusers, text encoders of today": Layout(bare_diffusers, PEFT_ENDINGS),
    "diffusers, older": Layout(diffusers, OLD_ENDINGS, OLD_TEXT_ENDINGS),
    "diffusers, alphas in the header": HeaderLayout(bare_diffusers, PEFT_ENDINGS, alphas="config"),
    "attention processors": Layout(processor, PROCESSOR_ENDINGS, only=ATTENTION, alphas="nowhere"),
    "Replicate": Layout(
        replicate, PROCESSOR_ENDINGS, components=(UNET,), only=UNET_ATTENTION, alphas="nowhere"
    ),
    "PEFT": PeftLayout(peft, PEFT_ENDINGS, components=(UNET,), alphas="config"),
}
