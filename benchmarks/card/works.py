"""What each part of the benchmark measures, by its name."""

from collections.abc import Callable
from functools import partial

from card import (
    baseline,
    catalogue,
    fast,
    fused,
    guidance,
    measures,
    memory,
    predictions,
    processes,
    recorded,
    startup,
    step,
    upsets,
)
from card.bench import Bench
from card.ways import PARTS
from card.ways import SECTIONS as PROCESSES

WORKS: dict[str, Callable[[Bench], None]] = {
    "baseline": baseline.run,
    "ours": predictions.run_ours,
    "compiled": predictions.run_compiled,
    "compiled-unet": predictions.run_compiled_unet,
    "controlnet": predictions.run_controlnet,
    "tuned-unet": partial(predictions.run_tuned_unet, figure=predictions.TUNED),
    "tuned-unet-again": predictions.run_tuned_unet_again,
    "first-controlnet": startup.run_first_controlnet,
    "upset-scale": upsets.run_scale,
    "upset-recording": upsets.run_spoilt,
    "recorded-controlnet": recorded.run_controlnet,
    "recorded-encode": recorded.run_encode,
    "recorded-decode": recorded.run_decode,
    "layout": predictions.run_layout,
    **{name: partial(processes.run_process, part=name) for name in PARTS},
    **{section: partial(processes.compare, section=section) for section in PROCESSES},
    "fused-kernels": fused.run_kernels,
    "fused": fused.run,
    "guidance-interval": guidance.run,
    "fast": fast.run,
    "setup": startup.run_setup,
    "lora": startup.run_lora,
    "vram": memory.run_vram,
    "vram-16": partial(memory.run_small_card, gibibytes=16),
    "vram-12": partial(memory.run_small_card, gibibytes=12),
    "offload": memory.run_offload,
    "preview": predictions.run_preview,
    "catalogue": catalogue.run,
    "measures": measures.run,
    "monitor": predictions.run_monitor,
    "profile": step.run_profile,
}
