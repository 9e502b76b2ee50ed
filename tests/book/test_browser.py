"""Every page of the built book in headless Chromium, served and from disk.

Needs `_build/html` (from `onebasin build`) and Chromium. With CI=true both are obligatory.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if not path.relative_to(SITE).parts[0].startswith("_") and path != SITE / "index.html"
)
SCHEMES = ("http", "file")
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
PHONE = {"width": 400, "height": 800}
DESK = {"width": 1280, "height": 900}

# What a page looks like once it is drawn: formulas, pictures, text left raw.
LOOK = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  const prose = document.querySelector("article.bd-article, main")?.cloneNode(true);
  const other = "pre, code, script, style, mjx-container";
  prose?.querySelectorAll(other).forEach((part) => part.remove());
  return {
    formulas: document.querySelectorAll(".math").length,
    drawn: document.querySelectorAll(".math mjx-container").length,
    broken: document.querySelectorAll("mjx-merror").length,
    raw: (prose?.textContent.match(/\\$[^$\\n]+\\$|\\\\\\(|\\\\\\[|\\\\begin\\{/g) || []),
    pictures: [...document.querySelectorAll("img")].map((img) => ({
      source: img.getAttribute("src"), alt: img.getAttribute("alt") || "",
      inFigure: img.closest("figure") !== null, loaded: img.complete && img.naturalWidth > 0,
    })),
    plots: document.querySelectorAll(".plotly-graph-div").length,
    plotsDrawn: document.querySelectorAll(".plotly-graph-div .main-svg").length,
  };
}"""


def unavailable(reason: str) -> None:
    """Skip, or fail where the browser tests are obligatory."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (obligatory with CI=true)")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all pages."""
    if not PAGES:
        unavailable("there is no built book; run `onebasin build` first")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        unavailable("there is no Chromium on this machine; install the package chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed; install onebasin[test]")
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server that does not talk."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def bases() -> Iterator[dict[str, str]]:
    """Where the book begins, served on this machine and on disk."""
    handler = functools.partial(Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {"http": f"http://127.0.0.1:{server.server_port}/", "file": SITE.as_uri() + "/"}
        server.shutdown()


class Visit:
    """One page, with everything that went wrong while it loaded.

    Pages share a context, and with it the cache of scripts, unless one asks for options of its own.
    """

    shared: ClassVar[dict[Any, Any]] = {}

    def __init__(self, browser: Any, base: str, page: str, **options: Any) -> None:
        self.own = bool(options)
        if not self.own and browser not in self.shared:
            self.shared[browser] = browser.new_context(viewport=DESK)
        self.context = browser.new_context(**options) if self.own else self.shared[browser]
        self.tab, self.faults = self.context.new_page(), []
        self.tab.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        self.tab.on("console", self._console)
        self.tab.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.tab.on("requestfailed", lambda one: self.faults.append(f"failed: {one.url}"))
        self.tab.on("request", lambda one: self._request(one.url, base))
        self.tab.on("response", lambda one: self._response(one.url, one.status))
        self.tab.goto(base + page, wait_until="load")

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _request(self, url: str, base: str) -> None:
        if not url.startswith((base, "data:", "blob:")):
            self.faults.append(f"foreign request: {url}")

    def _response(self, url: str, status: int) -> None:
        if status >= 400:
            self.faults.append(f"status {status}: {url}")

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.tab.close()
        if self.own:
            self.context.close()


def test_there_is_a_book(browser: Any) -> None:
    """The parametrised tests below would pass over an empty folder without a word."""
    assert "book/index.html" in PAGES and "book/ledger.html" in PAGES and len(PAGES) > 10


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_page(browser: Any, bases: dict[str, str], page: str, scheme: str) -> None:
    with Visit(browser, bases[scheme], page) as visit:
        look = visit.tab.evaluate(LOOK)
        assert look["broken"] == 0, "a formula could not be set"
        assert look["formulas"] == look["drawn"] and not look["raw"]
        assert look["plotsDrawn"] >= look["plots"], "an interactive figure was not drawn"
        for picture in look["pictures"]:
            assert picture["loaded"] and picture["alt"].strip(), picture
            assert not picture["inFigure"] or len(picture["alt"]) >= 40, picture
        visit.tab.set_viewport_size(PHONE)
        width = visit.tab.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], f"scrolls sideways: {width} px"
        assert not visit.faults


@pytest.mark.parametrize("scheme", SCHEMES)
def test_search_finds_a_word(browser: Any, bases: dict[str, str], scheme: str) -> None:
    with Visit(browser, bases[scheme], "search.html?q=permutation") as visit:
        visit.tab.wait_for_selector("#search-results li a")
        found = visit.tab.locator("#search-results li a").count()
        assert found >= 3 and not visit.faults


def test_search_finds_nothing_for_nonsense(browser: Any, bases: dict[str, str]) -> None:
    with Visit(browser, bases["file"], "search.html?q=xqzzyv") as visit:
        visit.tab.wait_for_function(
            "document.querySelector('#search-results p')?.textContent.length > 20"
        )
        assert visit.tab.locator("#search-results li a").count() == 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_dark_mode_can_be_switched(browser: Any, bases: dict[str, str], scheme: str) -> None:
    with Visit(browser, bases[scheme], "book/notation.html", color_scheme="light") as visit:
        paper = "getComputedStyle(document.body).backgroundColor"
        shown = {}
        for _ in range(3):
            theme = visit.tab.evaluate("document.documentElement.dataset.theme")
            shown[theme] = visit.tab.evaluate(paper)
            visit.tab.locator(".theme-switch-button:visible").first.click()
        assert set(shown) >= {"light", "dark"} and shown["light"] != shown["dark"]
        assert not visit.faults


def test_dark_mode_follows_the_system(browser: Any, bases: dict[str, str]) -> None:
    with Visit(browser, bases["file"], "book/index.html", color_scheme="dark") as visit:
        assert visit.tab.evaluate("document.documentElement.dataset.theme") == "dark"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_ledger_can_be_filtered(browser: Any, bases: dict[str, str], scheme: str) -> None:
    with Visit(browser, bases[scheme], "book/ledger.html", viewport=PHONE) as visit:
        rows = visit.tab.locator(".ob-claim:visible")
        every = rows.count()
        visit.tab.fill(".ob-filter input[name=text]", "wm-coordinate")
        visit.tab.wait_for_function(
            "document.querySelectorAll('.ob-claim:not([hidden])').length < 5"
        )
        assert rows.count() >= 1
        visit.tab.fill(".ob-filter input[name=text]", "")
        visit.tab.select_option(".ob-filter select[name=part]", "II")
        assert rows.evaluate_all("found => found.every(row => row.dataset.part === 'II')")
        assert 0 < rows.count() < every
        visit.tab.select_option(".ob-filter select[name=part]", "")
        visit.tab.select_option(".ob-filter select[name=verdict]", "not run")
        assert 0 < rows.count() <= every
        assert not visit.faults


def test_the_first_page_leads_to_the_book(browser: Any, bases: dict[str, str]) -> None:
    with Visit(browser, bases["file"], "index.html") as visit:
        visit.tab.wait_for_url("**/book/index.html")
        assert not visit.faults
