"""The noise that a base model was trained with, by its scheduler configuration, and whether samplers suit it.

A sampler is chosen by the request, but the levels of noise and what the UNet predicts are the model's. Zero
terminal SNR: Lin et al. 2023, https://arxiv.org/abs/2305.08891. Nothing here needs torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from plitka.errors import ModelFileError, remedied

REMEDY = "Choose a model that predicts epsilon or v (see model_files/README.md)."
PREDICTIONS = ("epsilon", "v_prediction")
BETAS = ("beta_start", "beta_end", "beta_schedule")
# diffusers' samplers of models with one list of betas, but for two that need more libraries; any of them may
# stand in a model's folder.
SCHEDULER_CLASSES = (
    "DDIMScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "PNDMScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)


def _is_number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _is_beta(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value < 1


def _one_of(*allowed: Any) -> Callable[[Any], bool]:
    return lambda value: any(value is one or (value == one and type(value) is type(one)) for one in allowed)


# Passed on to every sampler that knows them, and what each may be.
HONOURED: Mapping[str, Callable[[Any], bool]] = MappingProxyType(
    {
        "num_train_timesteps": lambda value: type(value) is int and 200 <= value <= 100_000,
        "beta_start": _is_beta,
        "beta_end": _is_beta,
        "beta_schedule": _one_of("linear", "scaled_linear", "squaredcos_cap_v2"),
        "trained_betas": lambda value: (
            value is None or (isinstance(value, list) and bool(value) and all(map(_is_beta, value)))
        ),
        "prediction_type": _one_of(*PREDICTIONS),
        "rescale_betas_zero_snr": _one_of(True, False),
        "timestep_spacing": _one_of("leading", "trailing", "linspace"),
        "steps_offset": _one_of(0, 1),
        "sigma_min": lambda value: value is None or _is_number(1e-6, 1e6)(value),
        "sigma_max": lambda value: value is None or _is_number(1e-6, 1e6)(value),
        "final_sigmas_type": _one_of("zero", "sigma_min"),
        # Of few-step models: the steps of their training, of which some are taken, and a scale of it.
        "original_inference_steps": lambda value: type(value) is int and 8 <= value <= 1000,
        "timestep_scaling": _is_number(0.1, 1000),
    }
)
# What would change the meaning of the UNet's numbers, and the only values at which it does not.
NEUTRAL: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "thresholding": (False,),
        "timestep_type": ("discrete",),
        "use_dynamic_shifting": (False,),
        "use_flow_sigmas": (False, None),
        "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }
)
# Ways of one sampler to its picture: the request's choice of a sampler brings its own.
OF_ONE_SAMPLER = frozenset(
    {
        "algorithm_type",
        "clip_sample",
        "clip_sample_range",
        "disable_corrector",
        "dynamic_thresholding_ratio",
        "euler_at_final",
        "flow_shift",
        "interpolation_type",
        "lambda_min_clipped",
        "lower_order_final",
        "noise_sampler_seed",
        "predict_x0",
        "sample_max_value",
        "set_alpha_to_one",
        "shift_terminal",
        "skip_prk_steps",
        "solver_order",
        "solver_p",
        "solver_type",
        "time_shift_type",
        "use_beta_sigmas",
        "use_exponential_sigmas",
        "use_karras_sigmas",
        "use_lu_lambdas",
    }
)


@dataclass(frozen=True)
class Statement:
    """What a checkpoint file states about its training; None where it states nothing."""

    prediction_type: str | None = None
    zero_snr: bool | None = None


@remedied(REMEDY)
def noise_schedule(config: Mapping[str, Any], where: str, said: Statement | None = None) -> dict[str, Any]:
    """The settings that every sampler is made with, from a `scheduler_config.json`.

    `said` is what a checkpoint in one file states, which counts more than a configuration that belongs to
    another model. With zero terminal SNR the steps are "trailing", whatever the configuration says: the first
    step has to begin at pure noise. Raises ModelFileError, naming `where`, for what no sampler can honour.
    """
    said = said or Statement()
    _check_class(config, where)
    settings = {
        key: value
        for key, value in config.items()
        if key in HONOURED and not (key in BETAS and value is None)
    }
    if said.prediction_type is not None:
        settings["prediction_type"] = said.prediction_type
    if said.zero_snr is not None:
        settings["rescale_betas_zero_snr"] = said.zero_snr
    _check_settings(config, settings, where)
    if settings.get("rescale_betas_zero_snr"):
        if settings.get("prediction_type", "epsilon") == "epsilon":
            problem = "it says zero terminal SNR and epsilon prediction, and pure noise says nothing by that"
            raise ModelFileError(where, problem)
        settings["timestep_spacing"] = "trailing"
    return settings


def _check_class(config: Mapping[str, Any], where: str) -> None:
    name = config.get("_class_name")
    if name not in SCHEDULER_CLASSES:
        problem = (
            f"its scheduler is {str(name)[:60]}, whose noise is not known to be one the samplers take off"
        )
        raise ModelFileError(where, problem)


def _check_settings(config: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> None:
    for key, value in settings.items():
        if not HONOURED[key](value):
            raise ModelFileError(where, f"its {key} is {_shown(value)}, which no sampler here can do")
    for key, allowed in NEUTRAL.items():
        if key in config and not _one_of(*allowed)(config[key]):
            problem = f"its {key} is {_shown(config[key])}, which no sampler here can do"
            raise ModelFileError(where, problem)
    for key, value in config.items():
        known = key in HONOURED or key in NEUTRAL or key in OF_ONE_SAMPLER or key.startswith("_")
        if not known and value not in (None, False):
            raise ModelFileError(where, f"its {key} = {_shown(value)} is not known here")
    betas = config.get("trained_betas")
    missing = [key for key in BETAS if config.get(key) is None]
    if betas is None and missing:
        raise ModelFileError(where, f"it does not say {', '.join(missing)}: how much noise to expect")
    if betas is not None and len(betas) != settings.get("num_train_timesteps", 1000):
        problem = f"it has {len(betas)} betas for {settings.get('num_train_timesteps', 1000)} timesteps"
        raise ModelFileError(where, problem)


def _shown(value: Any) -> str:
    return repr(value)[:60]
