"""What finds the mix on a photograph for the gateway, in a process of its own.

Standard input: a line of JSON with `corners` and `colors`, null or as in a call of `POST /match`, and
`palette`, the document of the gateway's; then the bytes of the file. Standard output: one JSON document, the
report or `{"problems": {field: words}}`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

from plitka.colors.palette import use_palette
from plitka.colors.palette_file import decode_palette
from plitka.errors import PhotographError, RequestError

# A photograph of the largest size takes three seconds; what takes so many has gone wrong.
CPU_SECONDS = 20
# The drawing comes first where both need the processor.
_NICE = 5


def answer_to(options: dict[str, Any], data: bytes) -> dict[str, Any]:
    """The report on a photograph, with its `size`, or what is wrong, by the names of the call's keys."""
    from plitka.match.photo import decode_photograph
    from plitka.match.recipe import match_photograph
    from plitka.match.report import report
    from plitka.request.photo_inputs import read_known_colors

    problems, known = {}, None
    try:
        known = read_known_colors(options["colors"]) if options["colors"] else None
    except RequestError as error:
        problems["colors"] = str(error)
    try:
        photo = decode_photograph(data)
        found = match_photograph(photo, colors=known, corners=options["corners"])
    except PhotographError as error:
        problems["photo"] = error.problem
    if problems:
        return {"problems": problems}
    height, width = photo.shape[:2]
    return {"size": [width, height], **report(found)}


def main() -> None:
    """Answer one call."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    import cv2

    cv2.setNumThreads(1)
    line, _, data = sys.stdin.buffer.read().partition(b"\n")
    options = json.loads(line)
    use_palette(decode_palette(json.dumps(options["palette"]).encode(), "palette"))
    json.dump(answer_to(options, data), sys.stdout)


if __name__ == "__main__":
    main()
