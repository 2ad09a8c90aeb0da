"""The material of a tile as one file for 3-D programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from plitka.cli.failures import messages
from plitka.cli.report import print_lines
from plitka.cli.targets import PictureFile
from plitka.errors import Problem, RequestError, shown
from plitka.request.scale import LARGE_SIDE

if TYPE_CHECKING:
    from plitka.request.tile_request import TileRequest

ENDING = ".glb"


def material_target(out: Path, *, force: bool) -> PictureFile:
    """Where the material goes.

    Raises typer.BadParameter for another ending, FolderError where the file exists and `force` is not given.
    """
    if out.suffix.lower() != ENDING:
        raise typer.BadParameter(f"--out: {out} does not end in {ENDING}; a material is a binary glTF file")
    return PictureFile(out, force=force)


def draw_material(request: TileRequest, target: PictureFile, plane_mm: float) -> dict[str, Any]:
    """Draw and write the material of a request; returns the part about it of what `--json` prints.

    Raises RequestError where the request wants normals that glTF does not have, or too many pixels.
    """
    if problems := list(_problems(request)):
        raise RequestError(problems)
    if request.maps:
        print_lines(messages, "note: maps are part of the material and not written beside it", style="yellow")
    from plitka.engine.render import RenderEngine
    from plitka.output.gltf import write_material
    from plitka.output.provenance import provenance_of, provenance_texts
    from plitka.request.drawing_settings import prompt_of, settings_for
    from plitka.request.textures import as_texture
    from plitka.tile.maps import PlanMaps
    from plitka.tile.plan import plan_for

    request, problem = as_texture(request)
    if problem:
        note = f"note: the texture is not seamless, which takes {problem.allowed}"
        print_lines(messages, note, style="yellow")
    engine = RenderEngine()
    prompt = prompt_of(request, settings_for(request, engine.defaults))
    provenance = provenance_of(
        "material", request, prompt, engine.name, engine.identity(request.adapter, request.quality)
    )
    plan = plan_for(request)
    width, height = plan.canvas.width, plan.canvas.height
    data = write_material(PlanMaps(plan, width), plane_mm, provenance_texts(provenance))
    path = target.write(target.path.name, data)
    return {
        "file": {"name": "material", "path": str(path), "width": width, "height": height},
        "plane_mm": plane_mm,
        "texture_mm": list(plan.extent_mm),
        "seamless": plan.scale.seamless,
    }


def _problems(request: TileRequest) -> Iterator[Problem]:
    """What keeps a request from being drawn as a material."""
    scale = request.scale
    if scale.is_large:
        side = max(scale.width, scale.height)
        reason = f"makes a material of {scale.width} x {scale.height} pixels, which takes too much memory"
        field = "width" if side == scale.width else "height"
        yield Problem(field, str(side), reason, f"materials up to {LARGE_SIDE} x {LARGE_SIDE} pixels")
    if request.normal_convention != "opengl":
        field, reason = "overrides.normal_convention", "is not what glTF has"
        yield Problem(field, shown(request.normal_convention), reason, '"opengl"')


def material_line(report: dict[str, Any]) -> str:
    """The finished file in words."""
    plane, (width, height) = report["plane_mm"], report["texture_mm"]
    path = report["file"]["path"]
    return f"plane of {plane:g} mm, texture of {width:g} x {height:g} mm repeated  {path}"
