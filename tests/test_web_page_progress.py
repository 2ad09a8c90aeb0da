"""The web page while a tile is drawn: steps as the engines print them, and the preview large, in sight."""

import re

import pytest
from drawing import draw
from thorough import one_in

# A prediction that stays where a test puts it: nothing is sent and nothing ticks.
STILL = """
run = { ...newRun(), stage: "preview", begun: performance.now(), metrics: { engine: "sdxl" } };
isWaiting = true;
byId("waiting").hidden = false;
"""
# The answer's stream, cut off right before the event that repeats all of it; `window.held` is that rest.
WITHOUT_END = """
const fetched = window.fetch;
window.fetch = async (url, options = {}) => {
  const response = await fetched(url, options);
  if (options.method !== "PUT") return response;
  const reader = response.body.getReader();
  let text = "";
  const decoder = new TextDecoder();
  const body = new ReadableStream({
    async pull(pipe) {
      if (text.includes("event: completed")) return new Promise(() => {});
      const { value, done } = await reader.read();
      if (done) return new Promise(() => {});
      const before = text.length;
      text += decoder.decode(value, { stream: true });
      const end = text.indexOf("event: completed");
      const sent = end < 0 ? text.slice(before) : text.slice(before, end + "event: completed".length);
      pipe.enqueue(new TextEncoder().encode(sent));
    },
  });
  return new Response(body, { headers: response.headers });
};
"""


@pytest.fixture(scope="module")
def printed(model_folder):
    """What the diffusion engine prints while it draws a tile, in order."""
    import io
    from unittest import mock

    from drawing import load_small_engine

    stderr = io.StringIO()
    engine = load_small_engine(model_folder)
    # Every step a line, however fast this machine is.
    with mock.patch("sys.stderr", stderr), mock.patch("plitka.diffusion.progress.LOG_INTERVAL", 0.0):
        draw(engine, angle=45, num_inference_steps=8)
    return [line for line in re.split(r"[\r\n]+", stderr.getvalue()) if line.strip()]


def test_every_line_that_the_engine_prints_moves_the_count_of_steps(served, printed):
    served.script(STILL)
    counts = served.script(
        """
        return arguments[0].map((line) => {
          countSteps(`\\r${line}`);
          return [run.stage, run.steps.done, run.steps.all];
        });
        """,
        printed,
    )
    bars = [re.search(r"(\d+)/(\d+) \[", line) for line in printed]
    assert [count[1:] for count in counts] == [[int(bar[1]), int(bar[2])] for bar in bars]
    stages = [stage for stage, _, _ in counts]
    assert stages == sorted(stages, reverse=True)
    assert set(stages) == {"preview", "final"}
    done, whole = counts[-1][1:]
    assert done == whole > 1
    assert served.text("#stage-words") == f"Drawing the final picture: step {done} of {whole}"


def test_progress_never_goes_back_and_tells_the_time_that_is_left(served, printed):
    served.script(STILL + "run.expected = null; run.begun -= 20000")
    seen = served.script(
        """
        return arguments[0].map((line) => {
          countSteps(line.replace(/\\[[\\d:]+</, "[01:40<"));
          return [byId("progress").value, byId("remaining").textContent, run.steps.done];
        });
        """,
        printed,
    )
    values = [value for value, _, _ in seen]
    assert values == sorted(values)
    assert 0 < values[-1] < 1
    assert all(re.fullmatch(r"about [\d,]+ (s|min) left|almost done", left) for _, left, done in seen if done)
    assert seen[-1][1] == "almost done"


@pytest.mark.usual_size
def test_steps_move_while_the_server_draws_and_cancel_ends_it(page, sdxl_server):
    page.open(f"{sdxl_server.url}/")
    # They are drawn still when it is cancelled, however late that is.
    page.type("#variants", "8")
    page.click("#send")
    # A step is shown until the next picture is begun.
    page.wait_for(
        lambda: re.fullmatch(
            r"Drawing (the preview|final \d of 8): step \d+ of \d+", page.text("#stage-words")
        )
    )
    done, whole = page.script("return [run.steps.done, run.steps.all]")
    assert 0 < done <= whole
    page.click("#cancel")
    page.wait_for(lambda: page.script("return run.isOver"))
    assert page.text("#outcome") == "Cancelled."
    assert not page.find("#waiting").is_displayed()
    assert page.console_errors() == []


def test_page_is_done_with_the_third_picture_and_does_not_wait_for_their_repetition(served):
    served.script(WITHOUT_END)
    served.click("#send")
    served.wait_for(lambda: served.script("return run !== null && run.isOver"))
    served.eventually(lambda: served.widths("#pictures img"), [128, 256, 256])
    assert served.text("#outcome").startswith("Done in ")
    assert served.find("#send").is_enabled()
    served.wait_for(lambda: served.all("[data-metric=total] dd"))
    assert len(served.all("#shares tbody")) == 2


# Hold the stream of the real server after its first picture, until `window.goOn()`.
HELD = """
const streamed = events;
events = async function* (...given) {
  for await (const event of streamed(...given)) {
    yield event;
    if (event.event === "output" && !window.goOn) await new Promise((go) => { window.goOn = go; });
  }
};
"""


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (390, 844)])
def test_preview_stands_large_in_sight_with_progress_and_cancel(page, render_server, screen, width, height):
    screen(width, height)
    page.open(f"{render_server.url}/")
    page.script(HELD)
    before = page.find("#live").rect
    page.click("#send")
    page.wait_for(lambda: page.script("return run.pictures.length === 1"))
    page.eventually(lambda: page.widths("#drawn"), [128])
    assert page.find("#drawn").rect == before
    for part in (0, 0.3):
        page.script("scrollTo(0, arguments[0] * document.documentElement.scrollHeight)", part)
        page.wait_for(lambda: page.script(IN_SIGHT, ["#drawn", "#progress", "#cancel", "#stage-words"]) == [])
    page.script("window.goOn()")
    page.wait_for(lambda: page.script("return run.isOver"))
    page.eventually(lambda: page.widths("#drawn"), [256])
    assert page.console_errors() == []


IN_SIGHT = """
return arguments[0].flatMap((selector) => [...document.querySelectorAll(selector)]).filter((node) => {
  const box = node.getBoundingClientRect();
  const isInside = box.top >= -0.5 && box.left >= -0.5
    && box.bottom <= innerHeight + 0.5 && box.right <= innerWidth + 0.5;
  return !node.checkVisibility() || !box.width || !isInside;
}).map((node) => node.id || node.outerHTML.slice(0, 60));
"""


@pytest.mark.few_pixels
@pytest.mark.parametrize(
    ("width", "height", "language"),
    one_in(3, [(1366, 768, "en"), (390, 844, "en"), (1366, 768, "ru"), (390, 844, "ru")]),
)
def test_recipe_live_picture_and_button_are_on_the_first_screen(
    page, render_server, screen, width, height, language
):
    screen(width, height)
    page.open(f"{render_server.url}/", language)
    page.wait_for(lambda: page.script("return !live.isDrawing"))
    wanted = [
        "#live",
        "#send",
        ".row .name",
        ".row .amount input",
        ".row input[type=range]",
        "#undo",
        "#example",
    ]
    if width > 1000:
        wanted += ["#add", "#dial", "#angle", "#layout", "#qualities", "#server-note"]
    assert page.script(IN_SIGHT, wanted) == []
    button, rows = page.find("#send").rect, [row.rect for row in page.all(".row")]
    if width < 1000:
        assert all(row["y"] + row["height"] <= button["y"] for row in rows)
    page.script("scrollTo(0, document.documentElement.scrollHeight / 3)")
    assert width > 1000 or page.script(IN_SIGHT, ["#send"]) == []


def test_place_in_line_is_told_until_the_drawing_begins(served):
    served.script(STILL + "run.stage = 'wait'; run.begun = null")
    served.script("taken('queue', { id: 'x', status: 'starting', queue: { position: 3, waiting: 4 } })")
    assert served.text("#stage-words") == "In line: place 3"
    assert served.text("#remaining") == ""
    served.script("taken('start', { id: 'x', status: 'processing' })")
    assert served.text("#stage-words") == "Drawing the preview"
