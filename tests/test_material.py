"""The glTF material: what a 3-D program and Khronos' own validator read in the file."""

import io
import json
import os
import shutil
import struct
import subprocess

import numpy as np
import pytest
from command_line import PARAMS
from PIL import Image
from small import SMALL

from plitka.output.gltf import write_material
from plitka.request.textures import as_texture
from plitka.request.tile_request import parse_request
from plitka.server.serve import ROOT
from plitka.tile.albedo import draw_albedo
from plitka.tile.maps import PlanMaps
from plitka.tile.plan import plan_for

SIZE = 256
VALIDATE = """
const validator = require("gltf-validator");
validator.validateBytes(new Uint8Array(require("fs").readFileSync(process.argv[1])))
  .then((report) => console.log(JSON.stringify(report.issues)));
"""
COMPONENTS = {5126: "<f4", 5123: "<u2"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@pytest.fixture(scope="module")
def maps():
    return PlanMaps(plan_for(parse_request(PARAMS)), SIZE)


@pytest.fixture(scope="module")
def material(maps):
    return write_material(maps, 1000, {"seed": "11"})


def parts(data):
    """The JSON and the binary part of a file, by its own lengths."""
    magic, version, length = struct.unpack_from("<4sII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert kind == b"JSON"
    binary_size, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0"
    assert 28 + size + binary_size == len(data)
    assert size % 4 == binary_size % 4 == 0
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def view(data, index):
    document, binary = parts(data)
    part = document["bufferViews"][index]
    return binary[part["byteOffset"] : part["byteOffset"] + part["byteLength"]]


def numbers(data, index):
    accessor = parts(data)[0]["accessors"][index]
    values = np.frombuffer(view(data, accessor["bufferView"]), COMPONENTS[accessor["componentType"]])
    values = values.reshape(accessor["count"], WIDTHS[accessor["type"]])
    assert accessor["min"] == values.min(0).tolist()
    assert accessor["max"] == values.max(0).tolist()
    return values


def texture(data, use):
    """The picture of a texture of the material."""
    document = parts(data)[0]
    image = document["images"][document["textures"][use["index"]]["source"]]
    return np.asarray(Image.open(io.BytesIO(view(data, image["bufferView"]))))


def plane(data):
    primitive = parts(data)[0]["meshes"][0]["primitives"][0]
    points = {name: numbers(data, index) for name, index in primitive["attributes"].items()}
    return points, numbers(data, primitive["indices"]).reshape(-1, 3)


@pytest.mark.parametrize("side", [1000, 94, 350.5])
def test_a_millimetre_of_the_texture_is_one_of_the_plane(maps, side):
    points, _ = plane(write_material(maps, side, {}))
    metres = np.ptp(points["POSITION"], axis=0)
    repeats = np.ptp(points["TEXCOORD_0"], axis=0)
    assert metres * 1000 == pytest.approx([side, 0, side], rel=1e-6)
    assert repeats * maps.plan.extent_mm == pytest.approx([side, side], rel=1e-6)


def test_plane_faces_up_and_its_tangents_fit_its_texture(material):
    points, triangles = plane(material)
    position, uv = points["POSITION"].astype(float), points["TEXCOORD_0"].astype(float)
    for a, b, c in triangles:
        one, other = position[b] - position[a], position[c] - position[a]
        assert np.cross(one, other)[1] > 0
        # Where u and v grow (Lengyel's tangent space).
        grow = np.linalg.solve(np.stack([uv[b] - uv[a], uv[c] - uv[a]]), np.stack([one, other]))
        tangent, up = points["TANGENT"][a], -grow[1]
        assert tangent[:3] @ grow[0] == pytest.approx(np.linalg.norm(grow[0]))
        bitangent = np.cross(points["NORMAL"][a], tangent[:3]) * tangent[3]
        # v counts down the picture, and green normals of OpenGL point up it.
        assert bitangent @ up == pytest.approx(np.linalg.norm(up))


def test_textures_are_the_maps_and_the_base_colour_is_unlit(material, maps):
    material_of = parts(material)[0]["materials"][0]
    base = material_of["pbrMetallicRoughness"]
    assert np.array_equal(texture(material, base["baseColorTexture"]), draw_albedo(maps))
    assert np.array_equal(texture(material, material_of["normalTexture"]), maps.draw("normal").image)
    packed = texture(material, material_of["occlusionTexture"])
    assert material_of["occlusionTexture"] == base["metallicRoughnessTexture"]
    assert np.array_equal(packed[..., 0], maps.draw("ao").image)
    assert np.array_equal(packed[..., 1], maps.draw("roughness").image)
    assert not packed[..., 2].any()
    assert base["metallicFactor"] == 0


def test_same_request_gives_the_same_bytes(material, maps):
    again = PlanMaps(plan_for(parse_request(PARAMS)), SIZE)
    assert write_material(again, 1000, {"seed": "11"}) == material


def test_khronos_validator_finds_nothing(material, tmp_path):
    node = shutil.which("node")
    has_validator = node and subprocess.run(
        [node, "-e", "require('gltf-validator')"], cwd=ROOT, capture_output=True, check=False
    )
    if not has_validator or has_validator.returncode:
        pytest.skip("needs node and gltf-validator: npm install --no-save gltf-validator")
    path = tmp_path / "tile.glb"
    path.write_bytes(material)
    run = subprocess.run(
        [node, "-e", VALIDATE, str(path)],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    issues = json.loads(run.stdout)
    assert issues["messages"] == []
    assert issues["numErrors"] == issues["numWarnings"] == 0


# The command

USUAL = json.dumps({name: value for name, value in json.loads(PARAMS).items() if name not in SMALL})


def test_command_writes_the_material_and_says_how_large_it_is(invoke, tmp_path):
    said = invoke("material", "-p", USUAL, "-o", "tile.glb", "--plane-mm", "500", "--json")
    assert said.exit_code == 0, said.output
    report = json.loads(said.stdout)
    assert (report["plane_mm"], report["seed"], report["seamless"]) == (500, "11", True)
    data = (tmp_path / report["file"]["path"]).read_bytes()
    document, _ = parts(data)
    drawn = parse_request(document["asset"]["extras"]["request"])
    assert drawn == as_texture(parse_request(USUAL))[0]
    assert report["texture_mm"] == [drawn.scale.width_mm, drawn.scale.height_mm]
    assert np.ptp(plane(data)[0]["TEXCOORD_0"], axis=0) * report["texture_mm"] == pytest.approx(500, rel=1e-6)
    refused = invoke("material", "-p", PARAMS, "-o", "tile.glb")
    assert (refused.exit_code, "--force" in refused.output) == (1, True)


def test_command_says_why_a_texture_is_not_seamless_and_what_would_make_it_so(invoke, tmp_path):
    params = json.dumps(json.loads(PARAMS) | {"angle": 30, "width": 256})
    said = invoke("material", "-p", params, "--json")
    assert said.exit_code == 0
    assert "note: the texture is not seamless, which takes an angle such as 0 or 90" in said.stderr
    report = json.loads(said.stdout)
    assert (report["seamless"], report["file"]["width"]) == (False, 256)
    asked = invoke("material", "-p", json.dumps(json.loads(params) | {"seamless": True}), "--force")
    assert asked.exit_code == 2
    assert "seamless: true has no width and height after which the joints" in asked.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (("-o", "tile.png"), "does not end in .glb"),
        (("--plane-mm", "0"), "--plane-mm"),
        (("--plane-mm", "wide"), "--plane-mm"),
    ],
)
def test_command_refuses_what_is_no_material(invoke, tmp_path, arguments, words):
    result = invoke("material", "-p", PARAMS, *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_normals_that_gltf_does_not_have(invoke, tmp_path):
    params = json.dumps(json.loads(PARAMS) | {"overrides": {"normal_convention": "directx"}})
    result = invoke("material", "-p", params)
    assert result.exit_code == 2
    assert 'overrides.normal_convention: "directx" is not what glTF has. Allowed: "opengl".' in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sides", [(8192, 8192), (4096, 8192)])
def test_command_refuses_a_material_that_takes_too_much_memory(invoke, tmp_path, sides):
    given = {"width": sides[0], "height": sides[1], "overrides": {"normal_convention": "directx"}}
    result = invoke("material", "-p", json.dumps(json.loads(PARAMS) | given))
    assert result.exit_code == 2
    said = " ".join(result.output.split())
    assert f"{'width' if sides[0] == 8192 else 'height'}: 8192 makes a material of {sides[0]} x 8192" in said
    assert "materials up to 4096 x 4096 pixels" in said
    # All problems at once.
    assert "overrides.normal_convention" in said
    assert list(tmp_path.iterdir()) == []
