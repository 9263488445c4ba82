"""The built book, in Chromium and from the disk: all loads, nothing is asked of a network, nothing is cut off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from book.site import build, missing
from common.adopt import ROOT, chapters

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
LACKING = [*missing(), *(["chromium"] if not CHROMIUM else []), *(["chromedriver"] if not DRIVER else [])]
pytestmark = [
    pytest.mark.skipif(bool(LACKING), reason=f"the book's browser test needs {', '.join(LACKING)}"),
    pytest.mark.xdist_group("book"),
]
WIDTHS = (1280, 390)
EVERY = 12  # of the pages of parts, which are many and alike, one in so many is opened
FAULTS = """
const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const blank = [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src);
const seen = [...document.querySelectorAll("math")].filter(m => m.checkVisibility());
const formulas = seen.filter(m => !m.getBoundingClientRect().width);
const alts = [...document.images].filter(i => !i.alt.trim()).map(i => i.src);
const faults = [wide > 1 ? `${wide} pixels too wide` : "", formulas.length ? "an empty formula" : ""];
return [...faults, ...blank, ...alts].filter(Boolean);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    build(ROOT, chapters(), folder / "site", folder / "work", say=lambda _: None)
    return folder / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.page_load_strategy = "normal"
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def wide(browser: Any, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def asked_elsewhere(browser: Any) -> list[str]:
    """What the browser asked of a network since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith(("file:", "data:", "chrome"))]


def opened(site: Path) -> list[Path]:
    """The pages that are opened: all but most of the parts."""
    pages = sorted(site.rglob("*.html"))
    parts = [page for page in pages if "A part of the course" in page.read_text(encoding="utf-8")]
    return [page for page in pages if page not in set(parts)] + parts[::EVERY]


def test_every_page_loads_and_fits(site: Path, browser: Any) -> None:
    faults = {}
    for page in opened(site):
        wide(browser, WIDTHS[0])
        browser.get(page.as_uri())
        found = []
        for width in WIDTHS:
            wide(browser, width)
            found += [f"{width}: {fault}" for fault in browser.execute_script(FAULTS)]
        found += [entry["message"] for entry in browser.get_log("browser")]
        if found := found + asked_elsewhere(browser):
            faults[page.relative_to(site).as_posix()] = found
    assert faults == {}


@pytest.mark.parametrize(
    ("words", "page"),
    [("hard negative mining", "ch06_detection/multibox.html"), ("Adam", "ch04_backprop/optimisers.html")],
)
def test_search_finds(site: Path, browser: Any, words: str, page: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
    links = "return [...document.querySelectorAll('#search-results li a')].map(a => a.href.split(/[?#]/)[0])"
    found = WebDriverWait(browser, 60).until(lambda b: b.execute_script(links))
    WebDriverWait(browser, 60).until(lambda b: (site / page).as_uri() in b.execute_script(links))
    assert found
    assert asked_elsewhere(browser) == []


def test_what_scrolls_is_reached_by_the_keyboard(site: Path, browser: Any) -> None:
    wide(browser, 390)
    browser.get((site / "ch01_regression" / "line.html").as_uri())
    assert browser.execute_script(
        "return [...document.querySelectorAll('pre, .table-wrapper')]"
        ".filter(b => b.scrollWidth > b.clientWidth && b.checkVisibility()).every(b => b.tabIndex === 0)"
    )


class Targets(HTMLParser):
    """The anchors of a page, and what it leads to or loads."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = dict(attributes)
        self.ids.add(known.get("id") or "")
        wanted = {"a": "href", "img": "src", "script": "src", "link": "href"}.get(tag)
        if wanted and (url := known.get(wanted)):
            self.links.append(url)


def test_no_link_is_broken(site: Path) -> None:
    pages = {}
    for path in site.rglob("*.html"):
        pages[path] = Targets()
        pages[path].feed(path.read_text(encoding="utf-8"))
    broken = {}
    for path, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            anchor = unquote(url.fragment)
            if not target.is_file() or (anchor and target in pages and anchor not in pages[target].ids):
                broken.setdefault(path.relative_to(site).as_posix(), []).append(link)
    assert broken == {}
