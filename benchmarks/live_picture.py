"""How long the web page's live picture takes in a headless Chromium: to be poured, and to be coloured anew.

Needs `chromium` and `chromedriver`; measures `docs/web_examples.html` as it is.
"""

import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver

PAGE = Path(__file__).resolve().parents[1] / "docs/web_examples.html"
# A window in which the picture is nearly 400 CSS pixels wide.
WINDOW = (1130, 2000)
RATIOS = (1, 2)
REPEATS = 15
PATIENCE_SECONDS = 300
COLORS = ("TERCOT", "BEIGE", "BLACK", "WHITE", "BLUE", "DKGREEN", "YELLOW", "GRAY")
# Draws after a change and tells, in ms, when the first and the last picture were there and the longest slice.
MEASURE = """
const [mix, change, done] = arguments;
state.colors = mix.map(([id, units]) => ({ id, units, locked: false }));
Object.assign(state, change);
const isDone = async () => { while (live.isDrawing) await new Promise((go) => setTimeout(go, 1)); };
const draw = async () => {
  await isDone();
  const canvas = document.getElementById("live").getContext("2d");
  const [start, pictures, slices] = [performance.now(), [], []];
  let began = start;
  const [put, turn] = [canvas.putImageData, nextTurn];
  canvas.putImageData = (...given) => { put.apply(canvas, given); pictures.push(performance.now() - start); };
  nextTurn = async () => { slices.push(performance.now() - began); await turn(); began = performance.now(); };
  changed();
  await isDone();
  slices.push(performance.now() - began);
  [canvas.putImageData, nextTurn] = [put, turn];
  return [pictures[0], pictures[pictures.length - 1], Math.max(...slices)];
};
draw().then(done);
"""


def measure(browser: webdriver.Chrome, ratio: int) -> None:
    """Print the figures of one ratio of screen pixels to CSS pixels."""
    width, height = WINDOW
    metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(PAGE.as_uri())
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    changes: dict[str, list[tuple[Any, dict[str, Any]]]] = {
        "pour, surface": [
            (_mix(3, 0), {"layout": "surface", "random": False, "seed": str(i)}) for i in range(5)
        ],
        "pour, turned joints": [(_mix(3, 0), {"layout": "brick", "angle": 10 * i}) for i in range(5)],
        "colour, 2 colours": [(_mix(2, i), {}) for i in range(REPEATS)],
        "colour, 8 colours": [(_mix(8, i), {}) for i in range(REPEATS)],
    }
    for name, steps in changes.items():
        times = []
        for step in steps:
            before = _processor_ms(browser)
            drawn = browser.execute_async_script(MEASURE, *step)
            times.append([*drawn, _processor_ms(browser) - before])
        side = browser.execute_script("return live.whole.size")
        figures = map(statistics.median, zip(*times, strict=True))
        print(f"{name:<22}{side:>5}²" + "".join(f"{value:>11.0f}" for value in figures))


def _processor_ms(browser: webdriver.Chrome) -> float:
    """Processor time that the page's thread has used."""
    found = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return 1000 * float(next(entry["value"] for entry in found if entry["name"] == "TaskDuration"))


def _mix(count: int, step: int) -> list[tuple[str, int]]:
    """Colours and shares in tenths of a per cent, a little different in every step."""
    shares = [1000 // count] * count
    shares[0] += 1000 - sum(shares) + step
    shares[-1] -= step
    return list(zip(COLORS, shares, strict=False))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is not on the PATH")
    return found


def main() -> None:
    """Print a table of milliseconds."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-sandbox"):
        options.add_argument(argument)
    with tempfile.TemporaryDirectory() as folder:
        options.add_argument(f"--user-data-dir={folder}")
        options.binary_location = _program("chromium")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(_program("chromedriver")))
        browser.set_script_timeout(PATIENCE_SECONDS)
        try:
            print(f"{'ms':<28}{'first':>11}{'whole':>11}{'slice':>11}{'processor':>11}")
            for ratio in RATIOS:
                measure(browser, ratio)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
