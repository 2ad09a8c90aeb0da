"""Photograph the web page for the documentation, in English and in Russian: `make pictures`.

    python tests/page_pictures.py [--out FOLDER] [--every-state]

Against a real server and in a real browser, as the tests see it. `--every-state` takes each state at two
sizes, light and dark, to be looked at; without it only the pictures that the pages show are written.
"""

import argparse
import base64
import contextlib
import io
import tempfile
from pathlib import Path

from browser import chromium
from cog_server import CogServer
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "docs/images"
LAPTOP, PHONE = (1366, 768), (390, 844)
JPEG = {"quality": 78, "optimize": True}
GAP = 24
PAPER = "#E9E4DC"
LANGUAGES = {"en": "", "ru": ".ru"}
ARRIVED = "return strip.results.length > 0 && strip.results[0].thumb !== ''"
CLOSE = "document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close()); scrollTo(0, 0);"


def screen(page, size, scheme="light"):
    """Set the size of the window's inside in pixels, without scroll bars, and a light or dark scheme."""
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def photograph(page):
    """What is on the screen, once the live picture is drawn."""
    page.script("if (!document.querySelector('dialog[open]')) document.activeElement.blur()")
    page.wait_for(lambda: page.script("return !live.isDrawing && !document.getAnimations().length"))
    png = page.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"]
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")


def prepare(page, url, language, size):
    """Draw two tiles, so that there is something to compare."""
    page.open(url, language)
    screen(page, size)
    for example in ("3", "1"):
        page.choose("#example", example)
        page.script("document.getElementById('send').click()")
        page.wait_for(lambda: page.script("return run !== null && run.isOver"))
        page.wait_for(lambda: page.script(ARRIVED))


def states(page):
    """The states of a page on which two tiles are drawn; each name is told while the page is in it."""
    page.script("return wantSamples().then(() => null)")
    page.script(CLOSE)
    yield "drawn"
    page.script("document.getElementById('strip').scrollIntoView()")
    yield "strip"
    page.script("document.getElementById('shares').scrollIntoView()")
    yield "result"
    page.script(CLOSE + "stageShows('live')")
    yield "form"
    page.script("typeShare(0, 30); document.getElementById('send').click()")
    yield "not-whole"
    page.script("document.getElementById('normalise').click(); step(-1); step(-1); openPicker(-1)")
    yield "picker"
    page.type("#filter", "антрацит")
    yield "filter"
    page.script(CLOSE + "saveRecipe(); openRecipes()")
    yield "recipes"
    page.script(CLOSE + "location.hash = 'mix=blak:50,red:x&angle=steep'; openLink()")
    yield "bad-link"
    page.script(CLOSE + "hideRecipeError(); way = 'beside'; return openCompare()")
    page.wait_for(lambda: page.find("#plate-1").get_property("complete"))
    yield "compare"
    page.script(CLOSE + "way = 'over'; return openCompare()")
    yield "compare-over"
    page.script(CLOSE + "document.querySelectorAll('details').forEach((place) => { place.open = true; })")
    page.script("document.getElementById('developers').scrollIntoView()")
    yield "developers"
    page.script("document.querySelectorAll('details').forEach((place) => { place.open = false; })")
    page.script(CLOSE + DRAWING)
    page.wait_for(lambda: page.script("return run.pictures.length === 1"))
    yield "drawing"
    page.script("window.goOn()")


# The stream of the server stops after its first picture, until `window.goOn()`.
DRAWING = """
const streamed = events;
events = async function* (...given) {
  for await (const event of streamed(...given)) {
    yield event;
    if (event.event === "output" && !window.goOn) await new Promise((go) => { window.goOn = go; });
  }
};
document.getElementById("send").click();
"""


def side_by_side(pictures):
    """Pictures of one height in a row, on paper."""
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) + 1)
    sheet = Image.new("RGB", (width, pictures[0].height + 2 * GAP), PAPER)
    left = GAP
    for picture in pictures:
        sheet.paste(picture, (left, GAP))
        left += picture.width + GAP
    return sheet


def pictures_for_the_pages(page, url, folder):
    """The few pictures that the pages show."""
    for language, ending in LANGUAGES.items():
        prepare(page, url, language, LAPTOP)
        taken = {state: photograph(page) for state in states(page) if state in ("drawn", "compare-over")}
        taken["drawn"].save(folder / f"page{ending}.jpg", **JPEG)
        taken["compare-over"].save(folder / f"page_compare{ending}.jpg", **JPEG)
        prepare(page, url, language, PHONE)
        phone = {}
        for state in states(page):
            screen(page, PHONE, "light" if state == "form" else "dark")
            phone[state] = photograph(page) if state in ("form", "picker", "drawing") else None
        shown = [picture for state in ("form", "picker", "drawing") if (picture := phone[state])]
        side_by_side(shown).save(folder / f"page_phone{ending}.jpg", **JPEG)


def every_state(page, url, folder):
    """Each state in Russian at both sizes, light and dark, as PNG files."""
    for size in (LAPTOP, PHONE):
        prepare(page, url, "ru", size)
        for state in states(page):
            for scheme in ("light", "dark"):
                screen(page, size, scheme)
                photograph(page).save(folder / f"{state}_{size[0]}_{scheme}.png")


@contextlib.contextmanager
def served():
    """A browser and the address of a server that draws without a model."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "server").mkdir()
        server = CogServer.start(Path(folder) / "server", "render")
        try:
            server.wait_until_started()
            with chromium(Path(folder) / "profile") as page:
                yield page, f"{server.url}/"
        finally:
            server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--every-state", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with served() as (page, url):
        (every_state if options.every_state else pictures_for_the_pages)(page, url, options.out)


if __name__ == "__main__":
    main()
