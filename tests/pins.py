"""Files that pin packages, as the tests read them."""

import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from plitka.server.serve import ROOT

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
# Where the image runs, as `make lock` has it.
CONTAINER = {
    "python_version": "3.11",
    "python_full_version": "3.11.0",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}


def pins(name, environment=None):
    """Package to version in a file that holds nothing but pins, for this machine unless another is named."""
    lines = [
        line.partition("#")[0].strip(" \\") for line in HASH.sub("", (ROOT / name).read_text()).split("\n")
    ]
    found = {}
    for requirement in (Requirement(line) for line in lines if line):
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        (pin,) = requirement.specifier
        assert pin.operator == "==" and "*" not in pin.version, f"{name}: {requirement} is no pin"
        package = canonicalize_name(requirement.name)
        assert package not in found, f"{name} pins {package} twice"
        assert requirement.url is None and not requirement.extras, f"{name}: {requirement}"
        found[package] = Version(pin.version)
    return found
