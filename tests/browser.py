"""Headless Chromium as a person at the web page: started once, driven by selenium."""

import contextlib
import json
import os
import shutil

import pytest
from cog_server import eventually
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait
from small import SMALL

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Where this is "required", as in the gate, a missing browser is a failure and no reason to skip.
REQUIRED = "PLITKA_TEST_BROWSER"
PATIENCE_SECONDS = 300
# The live picture and the samples of the granules, which nearly no test looks at, take a page's whole start,
# and the picture as long after each change. They are drawn in slices; the message before the next one never
# comes.
NOT_DRAWN = """
window.MessageChannel = function () {
  this.port1 = { close() {} };
  this.port2 = { postMessage() {} };
};
"""
# A screen of few pixels, as the page sees it.
FEW_PIXELS = "Object.defineProperty(window, 'devicePixelRatio', { get: () => 0.2 });"
# A size is written into predictions of which the page says none.
SMALL_PICTURES = f"""
const fetched = window.fetch;
window.fetch = (url, options) => {{
  const input = options && typeof options.body === "string" ? JSON.parse(options.body).input : null;
  if (!input || !input.params_json) return fetched(url, options);
  const params = JSON.parse(input.params_json), small = {json.dumps(SMALL)};
  if (Object.keys(small).some((key) => key in params)) return fetched(url, options);
  const sent = {{ ...input, params_json: JSON.stringify({{ ...params, ...small }}) }};
  const call = {{ ...JSON.parse(options.body), input: sent }};
  return fetched(url, {{ ...options, body: JSON.stringify(call) }});
}};
"""
# What the page keeps from one visit to the next, but for the language: to choose it takes half as long as the
# visit's start.
FORGET = """
try {
  localStorage.clear();
  localStorage.setItem("plitka-language", arguments[0]);
} catch { /* no page of ours */ }
"""
CLOSE_ALL = """
document.querySelectorAll("details").forEach((place) => { place.open = false; });
return document.documentElement.lang;
"""

# Samples of the granules take a second to draw and are the same on every visit: an earlier page's are kept.
SAMPLES_MADE = """
if (typeof samples === "undefined" || !samples.pictures.BLACK) return null;
return { id: samplesId(), pictures: samples.pictures };
"""
KEEP_SAMPLES = "keep([['samples', arguments[0]]]).then(() => arguments[1]());"
# A drawing is over with its last picture. Figures and the end of the stream come after it, what shows them is
# made anew, and then the page asks for the server's state.
SETTLED = "return run !== null && run.isOver && checking > arguments[0]"


@contextlib.contextmanager
def chromium(folder):
    """A browser with an empty profile in `folder`; skips the tests where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if not (program and driver):
        words = "no Chromium here: apt-get install chromium chromium-driver"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(words)
        pytest.skip(words)
    options = webdriver.ChromeOptions()
    options.binary_location = program
    options.add_argument(f"--user-data-dir={folder}")
    for argument in ("--headless=new", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    # Nothing beyond this machine is found, not even the browser's own addresses.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Chromium's socket lies in its temporary folder, and a socket's path has at most 107 characters.
    service = webdriver.ChromeService(driver, env=os.environ | {"TMPDIR": "/tmp"})
    browser = webdriver.Chrome(options=options, service=service)
    browser.set_script_timeout(PATIENCE_SECONDS)
    try:
        yield Page(browser)
    finally:
        browser.quit()


class Page:
    """The web page in a browser."""

    def __init__(self, browser):
        self.browser = browser
        # What the page has been opened for, where several tests may share it.
        self.purpose = None
        self._samples = None

    @contextlib.contextmanager
    def beginning_with(self, *sources):
        """Pages that are opened here begin with scripts."""
        added, removed = (f"Page.{name}ScriptToEvaluateOnNewDocument" for name in ("add", "remove"))
        begun = [self.browser.execute_cdp_cmd(added, {"source": source}) for source in sources]
        try:
            yield
        finally:
            for script in begun:
                self.browser.execute_cdp_cmd(removed, {"identifier": script["identifier"]})

    # So high that nothing is ever scrolled: a click while the page still moves would hit something else.
    def open(self, url, language="en", width=1280, height=3200, with_samples=True):
        self.purpose = None
        self.browser.set_window_size(width, height)
        self._samples = self.script(SAMPLES_MADE) or self._samples
        kept = {"origin": url, "storageTypes": "indexeddb"}
        self.browser.execute_cdp_cmd("Storage.clearDataForOrigin", kept)
        self.script(FORGET, language)
        self.browser.get(url)
        self.script(FORGET, language)
        spoken = self.script(CLOSE_ALL)
        if self._samples and with_samples:
            self.browser.execute_async_script(KEEP_SAMPLES, self._samples)
        if spoken != language:
            self.click(f"[data-language={language}]")

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def widths(self, selector):
        """Of pictures, in their own pixels; 0 until one is decoded."""
        widths = "return [...document.querySelectorAll(arguments[0])].map((image) => image.naturalWidth)"
        return self.script(widths, selector)

    def text(self, selector):
        while True:
            # What is made anew while it is read is read again.
            with contextlib.suppress(StaleElementReferenceException):
                return self.find(selector).text

    def click(self, selector):
        self.find(selector).click()

    def type(self, selector, text):
        """Replace what stands in a field and leave it."""
        element = self.find(selector)
        self.script("arguments[0].select()", element)
        element.send_keys(text, "\t")

    def choose(self, selector, value):
        Select(self.find(selector)).select_by_value(value)

    def script(self, code, *arguments):
        return self.browser.execute_script(code, *arguments)

    def wait_for(self, condition):
        return WebDriverWait(self.browser, PATIENCE_SECONDS, 0.05).until(lambda _: condition())

    def eventually(self, read, expected):
        """Read until it is what is expected: pictures are decoded and notes written after the next step."""
        eventually(read, expected)

    def developers(self):
        """Open what is for developers."""
        self.script(
            "document.querySelectorAll('details.developers').forEach((place) => { place.open = true; })"
        )

    def send(self):
        """Send the request and wait until nothing more is to come."""
        checks = self.script("return checking")
        self.click("#send")
        self.wait_for(lambda: self.script(SETTLED, checks))

    def send_in_vain(self):
        """Press the button where the page itself knows that there is nothing to send."""
        self.click("#send")
        assert self.script("return run === null || run.isOver")

    def code(self, form, target="cog"):
        """The text to copy in one of its forms."""
        self.developers()
        self.script("document.querySelector(`#targets [value=${arguments[0]}]`).click()", target)
        self.click(f"#tab-{form}")
        return self.script("return document.getElementById('code').textContent")

    def console_errors(self):
        """Errors in the browser's console since the last call."""
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
