"""Which worker of pytest-xdist runs which file: whole files, the longest first, some of them together.

A file's fixtures are made once a worker, and so are the session's: a server with models takes ten seconds to
start, a browser three.
"""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

# Run by one worker, for the server with models and the browser.
TOGETHER = (
    "test_server",
    "test_server_faults",
    "test_scenarios",
    "test_web_page",
    "test_web_page_access",
    "test_web_page_light",
    "test_web_page_live",
    "test_web_page_mistakes",
    "test_web_page_progress",
    "test_web_page_sales",
)
# What takes longest, longest first, so that no worker is left alone with one of them at the end.
LONGEST = (
    *TOGETHER,
    "test_terminal",
    "test_cancelling",
    "test_mini",
    "test_card_benchmark",
    "test_full_disk",
    "test_stuck_server",
    "test_server_end",
    "test_server_disks",
    "test_download",
    "test_swatch",
    "test_wheel",
    "test_training",
    "test_making_mini",
    "test_determinism",
    "test_soak",
    "test_lora_layouts",
    "test_controlnet_fit",
    "test_broken_weights",
    "test_cli_generate",
    "test_server_requests",
    "test_model_pictures",
    "test_fuzz",
    "test_gateway_limits",
    "test_gateway_properties",
    "test_out_of_memory",
    "test_hostile_pictures",
)


def length_rank(path) -> int:
    """The place of a test file in the order of their lengths."""
    name = PurePath(path).stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


class FileScheduling(LoadScopeScheduling):
    """A file at a time, and the files of `TOGETHER` as if they were one."""

    def _split_scope(self, nodeid):
        path = nodeid.partition("::")[0]
        return "together" if PurePath(path).stem in TOGETHER else path
