"""The built pages as files: links lead somewhere, nothing foreign is loaded, pages are stamped."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(p for p in SITE.rglob("*.html") if not p.relative_to(SITE).parts[0].startswith("_"))
PAGES = [page for page in PAGES if page != SITE / "index.html"]
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src"}


class Page(HTMLParser):
    """Ids, links and loaded files of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(path.read_text(encoding="utf8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        held = dict(attrs)
        self.ids |= {held[name] for name in ("id", "name") if held.get(name)}
        if tag == "a" and held.get("href"):
            self.links.append(held["href"])
        if tag in LOADED and held.get(LOADED[tag]):
            self.loads.append(held[LOADED[tag]])


@pytest.fixture(scope="module")
def parsed() -> dict[Path, Page]:
    if not PAGES:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no built book; run `onebasin build` first")
        pytest.skip("there is no built book; run `onebasin build` first")
    return {path: Page(path) for path in PAGES}


def test_links_lead_somewhere(parsed: dict[Path, Page]) -> None:
    lost = []
    for path, page in parsed.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = parsed.get(target)
            gone = not target.exists() or (
                known and parts.fragment and parts.fragment not in known.ids
            )
            lost += [f"{path.relative_to(SITE)} -> {link}"] * bool(gone)
    assert not lost


def test_nothing_foreign_is_loaded(parsed: dict[Path, Page]) -> None:
    foreign = [
        f"{path.relative_to(SITE)}: {url}"
        for path, page in parsed.items()
        for url in page.loads
        if urlsplit(url).netloc
    ]
    assert not foreign


def test_every_page_is_stamped(parsed: dict[Path, Page]) -> None:
    import onebasin

    for path in parsed:
        text = path.read_text(encoding="utf8")
        assert (
            f"One Basin {onebasin.__version__}" in text and "commit " in text and "profile " in text
        ), path


def test_chapters_offer_their_files(parsed: dict[Path, Page]) -> None:
    chapters = [path for path in parsed if path.relative_to(SITE).parts[0] == "notebooks"]
    for path in chapters:
        files = {
            unquote(link).rsplit(".", 1)[-1] for link in parsed[path].links if "_sources" in link
        }
        assert files >= {"py", "ipynb"}, path


def test_plotly_is_loaded_only_where_it_is_used(parsed: dict[Path, Page]) -> None:
    for path, page in parsed.items():
        drawn = "plotly-graph-div" in path.read_text(encoding="utf8")
        assert drawn == any(url.split("?")[0].endswith("plotly.min.js") for url in page.loads), path
