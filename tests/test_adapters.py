"""Another LoRA per request: what it draws, and that nothing of it is left in what is drawn afterwards."""

import json
import shutil
from dataclasses import replace

import pytest
from adapter_lists import LORAS, SAID, entry, pack, write_adapters, write_list
from checkpoints import make_unet, write_embeddings
from drawing import FINAL, PREVIEW, images, load_small_engine, make_job
from hypothesis import given
from hypothesis import strategies as st
from interruptions import BreaksOff, Cancelled, out_of_memory
from lora_files import write_lora_kohya
from model_state import is_same, state_of
from tape import TapeRecorder
from thorough import examples, one_in

from plitka.diffusion import recordings
from plitka.diffusion.acceleration import Acceleration
from plitka.diffusion.engine import DiffusionEngine
from plitka.engine.render import RenderEngine
from plitka.errors import AdapterListError, ModelFileError, RequestError
from plitka.generation import generate
from plitka.request.drawing_settings import settings_for
from plitka.request.tile_request import parse_request

NAMES = tuple(LORAS)
OWN_SCALE = 0.75


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    """The list, beside its archives."""
    return write_adapters(tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="module")
def engine(model_folder, adapters):
    """An engine with every adapter; a test leaves it as it was."""
    return load_small_engine(model_folder, PLITKA_ADAPTERS=str(adapters))


@pytest.fixture(scope="module")
def straight(model_folder, adapters):
    """The models' state at each adapter and scale, in an engine where nothing is ever broken off."""
    engine = load_small_engine(model_folder, PLITKA_ADAPTERS=str(adapters))
    known = {}

    def state(name, scale):
        if (name, scale) not in known:
            engine.adapters.use(None, OWN_SCALE)
            engine.adapters.use(name, scale)
            known[name, scale] = state_of(engine)
        return known[name, scale]

    return state


def job_with(engine, adapter, **request):
    """A job of this adapter, with the engine's own defaults."""
    job = make_job(**request)
    named = replace(job.request, adapter=adapter)
    return replace(job, request=named, settings=settings_for(named, engine.defaults))


def draw(engine, adapter=None, **request):
    return list(engine.draw(job_with(engine, adapter, **request)))


# What it draws


@pytest.mark.long
@pytest.mark.each_value
@pytest.mark.parametrize("angle", [0, 45])
@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_draws_what_an_engine_with_its_archive_alone_draws(
    model_folder, adapters, engine, name, angle
):
    (archive,) = (path for path in adapters.parent.glob(f"{name}.*") if path.is_file())
    alone = load_small_engine(model_folder, archive, PLITKA_ALLOW_BASE="1")
    if "trigger" in SAID.get(name, {}):
        words = alone.adapters.words
        words[None] = replace(words[None], trigger=SAID[name]["trigger"])
    scale = SAID.get(name, {}).get("scale", OWN_SCALE)
    drawn = draw(engine, name, angle=angle)
    assert images(drawn) == images(draw(alone, lora_scale=scale, angle=angle))
    assert drawn[1].denoising.lora_scale == scale


@pytest.mark.long
def test_an_engine_with_a_list_draws_without_an_adapter_what_one_without_a_list_draws(model_folder, engine):
    plain = load_small_engine(model_folder)
    for request in ({}, {"angle": 90}, {"negative_prompt": "<w0> <s2>, blurry"}):
        assert images(draw(engine, **request)) == images(draw(plain, **request))
    assert engine.identity() == plain.identity()


def test_every_adapter_draws_another_picture(engine):
    pictures = [tuple(images(draw(engine, name))) for name in (None, *NAMES)]
    assert len(set(pictures)) == 1 + len(NAMES)


def test_the_prompt_has_the_adapters_own_words(engine):
    prompt = make_job().prompt
    begun = {name: engine.prompt_for(prompt, name).positive.partition(",")[0] for name in (None, *NAMES)}
    assert begun == {
        None: "ohwx_rubber_tile <s0><s1>",
        "kohya": "ohwx_rubber_tile <s0><s1>",
        "original": "winter_tile <s0><s1>",
        "diffusers": "ohwx_rubber_tile <w0><w1><w2>",
        "old-diffusers": "ohwx_rubber_tile ",
        "peft": "ohwx_rubber_tile <s0><s1>",
    }


def test_a_token_may_be_called_like_the_trigger(engine, monkeypatch):
    named = replace(engine.adapters.words[None], tokens=("ohwx_rubber_tile_0",), trigger="park_tile")
    monkeypatch.setattr(engine.adapters, "words", {None: named})
    assert engine.prompt_for(make_job().prompt).positive.startswith("park_tile ohwx_rubber_tile_0, ")


def test_two_are_kept_in_memory(engine):
    for name in ("kohya", "peft", "kohya", "original", None):
        engine.adapters.use(name, 0.5)
    assert engine.adapters.loaded == ("kohya", "original")
    engine.adapters.use(None, OWN_SCALE)


# What is left of it

STEP = st.tuples(
    st.sampled_from((None, *NAMES)),
    st.sampled_from([0.0, 0.3, OWN_SCALE, 2.0]),
    # Where it is broken off: at which operation, by what; not at all; or with its archive gone.
    st.tuples(st.integers(1, 400), st.sampled_from(["cancelled", "memory", "disk"]))
    | st.none()
    | st.just("gone"),
)
ERRORS = {"cancelled": Cancelled, "memory": out_of_memory, "disk": lambda: OSError(5, "input/output error")}


def take(engine, adapters, name, scale, trouble):
    """One request's change of the adapter, however it ends; True if it came to its end."""
    if trouble == "gone":
        return _without_archive(engine, adapters, name, scale)
    if trouble is None:
        engine.adapters.use(name, scale)
        return True
    operation, kind = trouble
    error = ERRORS[kind]()
    breaking = BreaksOff(error, operation, function=None)
    try:
        with breaking:
            engine.adapters.use(name, scale)
    except BaseException as raised:
        # Where a library's own code was interrupted, it raises an error of its own.
        assert raised is error or breaking.made >= operation
        return False
    return True


def _without_archive(engine, adapters, name, scale):
    archives = [path for path in adapters.parent.glob(f"{name}.*") if path.is_file()]
    for archive in archives:
        archive.rename(archive.with_name(f"{archive.name}-away"))
    try:
        engine.adapters.use(name, scale)
    except ModelFileError as error:
        assert "the file is missing" in str(error)
        return False
    finally:
        for archive in archives:
            archive.with_name(f"{archive.name}-away").rename(archive)
    return True


@pytest.mark.long
@examples(30)
@given(steps=st.lists(STEP, min_size=1, max_size=6))
def test_whatever_was_asked_for_or_broke_off_the_models_are_as_if_nothing_had_been(
    engine, adapters, straight, steps
):
    for name, scale, trouble in steps:
        if take(engine, adapters, name, scale, trouble):
            assert is_same(state_of(engine), straight(name, scale))
    engine.adapters.use(None, OWN_SCALE)
    assert is_same(state_of(engine), straight(None, OWN_SCALE))


def test_a_default_picture_is_the_same_after_any_adapter(engine):
    expected = images(draw(engine, angle=45))
    for name in NAMES:
        draw(engine, name, lora_scale=1.5)
        with BreaksOff(Cancelled(), 3), pytest.raises(Cancelled):
            draw(engine, NAMES[0] if name != NAMES[0] else NAMES[1])
        assert images(draw(engine, angle=45)) == expected


@pytest.mark.long
@pytest.mark.parametrize("product", one_in(2, [1, 5, -1]))
def test_out_of_memory_while_an_adapter_is_put_in_gives_the_same_picture(
    model_folder, adapters, engine, product
):
    expected, own = images(draw(engine, "kohya")), images(draw(engine))
    fresh = load_small_engine(model_folder, PLITKA_ADAPTERS=str(adapters))
    with BreaksOff(out_of_memory(), fresh.lora.modules if product == -1 else product):
        drawn = draw(fresh, "kohya")
    assert images(drawn) == expected
    assert len(drawn[0].denoising.retries) == 1
    assert drawn[0].denoising.offload == "models"
    assert images(draw(fresh)) == own


@pytest.mark.long
def test_recordings_stay_valid(model_folder, adapters, engine, monkeypatch):
    monkeypatch.setattr(recordings, "CudaRecorder", lambda: TapeRecorder())
    monkeypatch.setenv("PLITKA_MODEL_DIR", str(model_folder))
    monkeypatch.setenv("PLITKA_ADAPTERS", str(adapters))
    recorded = DiffusionEngine.load(
        "sdxl", acceleration=Acceleration(graphs=True), preview_size=PREVIEW, final_size=FINAL
    )
    draw(recorded)
    before = {one.model: one for one in draw(recorded)[1].denoising.recordings}
    assert before["text_encoder"].recordings and before["unet"].recordings
    for name in ("diffusers", None, "old-diffusers", "kohya", None):
        drawn = draw(recorded, name)
        assert images(drawn) == images(draw(engine, name))
        assert {one.model: one for one in drawn[1].denoising.recordings} == before


@pytest.mark.long
def test_an_archive_that_has_changed_is_refused_and_the_engines_own_goes_on(model_folder, adapters, tmp_path):
    folder = shutil.copytree(adapters.parent, tmp_path / "adapters")
    engine = load_small_engine(model_folder, PLITKA_ADAPTERS=str(folder / adapters.name))
    expected, loaded = images(draw(engine)), engine.adapters.loaded
    for archive in folder.glob("*.*"):
        if archive.suffix in (".zip", ".tar"):
            archive.write_bytes(archive.read_bytes() + b" ")
    for name in set(NAMES) - set(loaded):
        with pytest.raises(ModelFileError, match="sha256") as raised:
            draw(engine, name)
        assert "the list of adapters" in str(raised.value)
        assert images(draw(engine)) == expected
    # What is in memory is what was listed.
    assert images(draw(engine, loaded[0])) != expected


# What is refused


@pytest.mark.parametrize(
    ("given_engine", "said"),
    [
        ("engine", "Allowed: kohya, original, diffusers"),
        ("render", "the render engine draws the plan without"),
    ],
)
def test_a_name_that_cannot_be_drawn_is_refused_before_anything_is_drawn(request, given_engine, said):
    drawing = RenderEngine() if given_engine == "render" else request.getfixturevalue("engine")
    document = {"colors": [{"name": "red"}], "adapter": "summer", "granule_mm": 0.5, "width_mm": 200}
    if given_engine == "render":
        document |= {"width": 8192, "overrides": {"color_lock": "always"}}
    with pytest.raises(RequestError, match="summer") as raised:
        generate(parse_request(json.dumps(document)), drawing)
    assert said in str(raised.value)
    # With what else is wrong.
    assert len(raised.value.problems) == 2


def test_without_a_list_no_name_is_known(model_folder):
    engine = load_small_engine(model_folder, PLITKA_ADAPTERS="")
    with pytest.raises(RequestError, match="this engine has no adapters"):
        generate(parse_request('{"colors": [{"name": "red"}], "adapter": "kohya"}'), engine)


def test_the_prompt_is_counted_with_the_adapters_words(engine):
    job = make_job(negative_prompt="<w0>" * 200)
    engine.check(replace(job.request, adapter="diffusers"), job.prompt)
    with pytest.raises(RequestError, match="tokens"):
        engine.check(job.request, job.prompt)


def test_an_adapter_for_another_base_model_stops_the_start_with_every_other(model_folder, adapters, tmp_path):

    files = {}
    for name, widths in (("wide", (48, 32)), ("long", (32, 48))):
        folder = tmp_path / name
        folder.mkdir()
        write_lora_kohya(folder / "lora.safetensors", make_unet())
        write_embeddings(folder / "words.safetensors", 2 if name == "wide" else 40, widths=widths)
        files[name] = pack(folder, tmp_path / f"{name}.zip")
    listed = {name: entry(path) for name, path in files.items()}
    listed["twice"] = {**listed["wide"], "tokens": ["<a>", "<a>"]}
    path = write_list(tmp_path, listed)
    with pytest.raises(AdapterListError) as raised:
        load_small_engine(model_folder, PLITKA_ADAPTERS=str(path))
    wide, long, twice = raised.value.problems
    assert wide.startswith("adapters.wide: words.safetensors: its shapes are")
    assert "adapters.long" in long and "40 vectors" in long
    assert "adapters.twice" in twice
