"""Which worker of pytest-xdist runs which file: whole files, the longest first, some of them together.

A file's fixtures are made once a worker, and so are the session's: a server with models takes ten seconds to
start, a browser three. In one group with both, one worker would be left alone with it.
"""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

# Run by one worker, for the server with models.
WITH_MODELS = (
    "test_adapter_server",
    "test_server",
    "test_server_faults",
    "test_scenarios",
    "test_web_page",
    "test_web_page_progress",
    "test_web_page_shares",
)
# Run by another one, for a browser of their own: what draws most of all in it.
LIVE = ("test_web_page_live", "test_web_page_light", "test_web_page_states")
# By one, for the wheel.
WITH_WHEEL = ("test_wheel", "test_installed_types")
# What takes longest, longest first, so that no worker is left alone with one of them at the end.
LONGEST = (
    "with a browser",
    "with models",
    "live pictures",
    "test_recordings",
    "test_references",
    "test_mini",
    "test_terminal",
    "test_plan",
    "test_card_benchmark",
    "test_making_mini",
    "test_gateway_line",
    "test_training_server",
    "test_catalogue",
    "test_catalogue_ended",
    "test_catalogue_folder",
    "test_server_disks",
    "test_full_disk",
    "test_match_call",
    "test_download",
    "test_stuck_server",
    "test_server_end",
    "test_docs_examples",
    "test_training",
    "test_swatch",
    "test_cancelling",
    "test_adapters",
    "test_broken_weights",
    "test_hostile_pictures",
    "test_any_size",
    "test_out_of_memory",
    "test_default_request",
    "test_lora_layouts",
    "test_lora_names",
    "test_model_pictures",
    "test_maps",
    "test_gateway_limits",
    "test_realism",
    "test_noise_schedule",
    "test_seamless",
    "test_match",
    "test_signals",
    "test_guidance_interval",
    "test_operations",
    "test_photo_call",
    "test_determinism",
    "test_training_data",
    "test_training_captions",
    "test_build_context",
    "test_container",
    "test_examples",
    "test_cli_machine",
    "test_cli",
    "test_soak",
    "with the wheel",
    "test_catalogue_http",
    "test_offload",
    "test_fidelity",
    "test_controlnet_fit",
    "test_base_kind",
    "test_fuzz",
    "test_detail",
    "test_several_controlnets",
    "test_named_colors",
    "test_map_scale",
    "test_samplers",
    "test_models",
    "test_docs",
    "test_verification",
    "test_stored_weights",
    "test_translations",
)


def scope_of(path) -> str:
    """What a test file is run with: the name of its group, else its own."""
    name = PurePath(path).stem
    if name in WITH_MODELS:
        return "with models"
    if name in WITH_WHEEL:
        return "with the wheel"
    if name in LIVE:
        return "live pictures"
    return "with a browser" if name.startswith("test_web_page") else name


def length_rank(path) -> int:
    """The place of a test file in the order of their lengths."""
    scope = scope_of(path)
    return LONGEST.index(scope) if scope in LONGEST else len(LONGEST)


class FileScheduling(LoadScopeScheduling):
    """A file at a time, and the files of a group as if they were one."""

    def _split_scope(self, nodeid):
        return scope_of(nodeid.partition("::")[0])
