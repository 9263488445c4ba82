"""The built book, in Chromium and from the disk: all loads, no network is asked, all can be read and reached."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from book.site import build, missing
from common.adopt import ROOT, chapters

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LACKING = [*missing(), *(name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None)]
LACKING += [] if CHROMIUM else ["chromium"]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"the book's browser test needs {', '.join(LACKING)}"),
    pytest.mark.xdist_group("book"),
]
WIDTHS = (1280, 390)
FAULTS = """() => {
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const blank = [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src);
const seen = [...document.querySelectorAll("math")].filter(m => m.checkVisibility());
const formulas = seen.filter(m => !m.getBoundingClientRect().width);
const alts = [...document.images].filter(i => !i.alt.trim()).map(i => i.src);
const faults = [wide > 1 ? `${wide} pixels too wide` : "", formulas.length ? "an empty formula" : ""];
return [...faults, ...blank, ...alts].filter(Boolean);
}"""
# Of each kind: the front page, a chapter, a task, lessons with code, formulas and claims, the glossary, a part.
KINDS = (
    "index",
    "ch01_regression/index",
    "ch07_applications/segmentation/index",
    "ch01_regression/line",
    "ch06_detection/multibox",
    "ch07_applications/classification/resnet",
    "glossary",
    "common/run",
)
RULES = ["color-contrast", "image-alt", "link-name", "scrollable-region-focusable", "heading-order"]
AXE = {"runOnly": {"type": "rule", "values": RULES}, "resultTypes": ["violations"]}
# All that a tap opens is opened. The shadows at the sides of wide tables hide from the checker what is behind the text.
OPEN = """() => {
for (const details of document.querySelectorAll("details")) details.open = true;
for (const table of document.querySelectorAll(".table-wrapper")) table.style.background = "none";
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    build(ROOT, chapters(), folder / "site", folder / "work", say=lambda _: None)
    return folder / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


class Tab:
    """A page of the browser, and what went wrong in it since it was last asked: errors, and requests to a network."""

    def __init__(self, browser: Any, **settings: Any) -> None:
        self.page = browser.new_page(**settings)
        self.heard: list[str] = []
        self.page.on("console", lambda line: self._said(line.type, line.text))
        self.page.on("pageerror", lambda error: self.heard.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def faults(self) -> list[str]:
        """What was heard, which is forgotten."""
        found, self.heard = self.heard, []
        return found

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.heard.append(text)

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.heard.append(f"asked of a network: {url}")


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    found = Tab(browser)
    yield found
    found.page.close()


def test_every_page_loads_and_fits(site: Path, tab: Tab) -> None:
    faults = {}
    for path in sorted(site.rglob("*.html")):
        tab.page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        tab.page.goto(path.as_uri())
        found = []
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 900})
            found += [f"{width}: {fault}" for fault in tab.page.evaluate(FAULTS)]
        if found := found + tab.faults():
            faults[path.relative_to(site).as_posix()] = found
    assert faults == {}


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_pages_can_be_read_and_reached(site: Path, browser: Any, width: int, theme: str) -> None:
    """By axe: contrast AA, alternatives of pictures, names of links, the keyboard, headings in order."""
    from axe_playwright_python.sync_playwright import Axe

    tab = Tab(browser, viewport={"width": width, "height": 900}, color_scheme=theme)
    faults = {}
    for name in KINDS:
        tab.page.goto((site / f"{name}.html").as_uri())
        tab.page.evaluate(OPEN)
        found = Axe().run(tab.page, options=AXE).response
        for rule in found["violations"]:
            faults[f"{name}: {rule['id']}"] = [node["html"][:200] for node in rule["nodes"][:5]]
        done = [rule["id"] for rule in found["passes"] + found["violations"]]
        assert "color-contrast" in done, f"{name}: not measured"
    tab.page.close()
    assert faults == {}


@pytest.mark.parametrize(
    ("words", "page"),
    [("hard negative mining", "ch06_detection/multibox.html"), ("Adam", "ch04_backprop/optimisers.html")],
)
def test_search_finds(site: Path, tab: Tab, words: str, page: str) -> None:
    tab.page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
    tab.page.wait_for_selector(f"#search-results li a[href*='{page}']", timeout=60_000)
    assert tab.faults() == []


def test_what_scrolls_is_reached_by_the_keyboard(site: Path, tab: Tab) -> None:
    tab.page.set_viewport_size({"width": 390, "height": 900})
    tab.page.goto((site / "ch01_regression" / "line.html").as_uri())
    assert tab.page.evaluate(
        "[...document.querySelectorAll('pre, .table-wrapper')]"
        ".filter(b => b.scrollWidth > b.clientWidth && b.checkVisibility()).every(b => b.tabIndex === 0)"
    )


class Targets(HTMLParser):
    """The anchors of a page, and what it leads to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self.ids.add(known.get("id") or "")
        wanted = {"a": "href", "img": "src", "script": "src", "link": "href"}.get(tag)
        if wanted and (url := known.get(wanted)):
            self.links.add(url)


def test_no_link_is_broken(site: Path) -> None:
    files = {path.relative_to(site).as_posix(): path for path in site.rglob("*") if path.is_file()}
    pages = {name: Targets() for name in files if name.endswith(".html")}
    for name, page in pages.items():
        page.feed(files[name].read_text(encoding="utf-8"))
    broken = {}
    for name, page in pages.items():
        for link in sorted(page.links):
            url = urlsplit(link)
            if url.scheme:
                continue
            beside = posixpath.join(posixpath.dirname(name), unquote(url.path))
            target, anchor = posixpath.normpath(beside) if url.path else name, unquote(url.fragment)
            if target not in files or (anchor and target in pages and anchor not in pages[target].ids):
                broken.setdefault(name, []).append(link)
    assert broken == {}
