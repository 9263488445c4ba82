"""index.html: complete in itself, every link arrives, every picture shows something, and text is text."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from common import plots, report
from common.errors import Problem
from common.paired import Comparison
from common.record import ChapterRecord, Fact, LessonRecord, Picture
from common.results import Row

NASTY = "<script>alert('a & b')</script>"
MACHINE = {"processor": "A Processor", "cores": 2, "system": "Linux", "python": "3.11", "packages": {"numpy": "2.0"}}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """All that a test asks of a page: its tags with attributes, its text, and whether tags nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.open, self.loose_tables = [], [], [], 0
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.loose_tables += tag == "table" and ("div", "scroll") not in self.open
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def row(lesson, method):
    return Row(lesson, method, "classical", "RMSE", 4.5, 4.0, 5.0, 98, unit="mpg", fit_seconds=0.5, parameters=1234)


def chapter(out, package, title, lessons):
    """A chapter's results and pictures, as a run leaves them."""
    folder = out / package
    made = ChapterRecord(package, title, {"preset": "smoke", "seeds": 1}, MACHINE)
    for name in lessons:
        figure, axis = plots.panels()
        axis.plot(np.arange(5.0))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}_curve.png").write_bytes(plots.png(figure))
        made.lessons[name] = LessonRecord(
            f"What is {name}?",
            "digest",
            rows=[row(name, "line"), row(name, "mean")],
            comparisons=[Comparison("line", "mean", "RMSE", -3.0, -4.0, -2.0, 0.0, "paired bootstrap", 98, "mpg")],
            facts=[Fact("slope", -7.66, "mpg")],
            notes=[f"{name}: 3 < 4. {NASTY}"],
            pictures=[Picture("curve", f"{name}_curve.png", 'A "curve" & <b>more</b>')],
            seconds=[1.25],
        )
    made.save(folder / "results.json")
    return made


@pytest.fixture
def out(tmp_path):
    chapter(tmp_path, "ch01_lines", "Lines", ["line", "ridge"])
    chapter(tmp_path, "ch02_bells", "Bells & whistles", ["line"])
    return tmp_path


@pytest.fixture
def page(out):
    path = report.write(out)
    assert path == out / "index.html"
    return Page(path.read_text(encoding="utf-8"))


def test_it_needs_no_other_file_and_no_network(page, out):
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,"))
    html = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", (out / "index.html").read_text(encoding="utf-8"))
    assert "://" not in html
    assert not re.search(r"url\(|@import", html)


def test_every_picture_shows_something(page):
    pictures = page.all("img")
    assert len(pictures) == 3
    for picture in pictures:
        head, encoded = picture["src"].split(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(encoded, validate=True)))
        assert image.format == "PNG"
        assert np.asarray(image.convert("L")).std() > 2
        assert picture["alt"] == 'A "curve" & <b>more</b>'


def test_every_link_arrives_and_every_id_is_one(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [link["href"] for link in page.all("a")]
    assert len(set(ids)) == len(ids)
    assert len(links) == 5  # two chapters, three lessons
    assert {link.removeprefix("#") for link in links} == set(ids)


def test_it_can_be_read_on_a_phone(page):
    (viewport,) = [meta for meta in page.all("meta") if meta.get("name") == "viewport"]
    assert "width=device-width" in viewport["content"]
    # A wide table scrolls in its own box instead of widening the page.
    assert page.all("table")
    assert page.loose_tables == 0


def test_it_says_its_language_and_encoding(page):
    assert page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta")


def test_text_is_text(page):
    assert NASTY in page.text
    assert 'A "curve" & <b>more</b>' in page.text
    assert "Bells & whistles" in page.text
    assert not page.all("b")


def test_what_was_measured_is_there(page):
    for words in ("4.50 ± 0.50", "RMSE ↓ (mpg)", "1,234", "line beats mean", "-7.660 mpg", "A Processor", "numpy 2.0"):
        assert words in page.text


def test_chapters_are_in_order_and_numbered(page):
    titles = re.findall(r"(\d\. (?:Lines|Bells & whistles))", page.text)
    assert titles == ["1. Lines", "2. Bells & whistles"] * 2  # in the contents, then as headings


def test_the_machine_is_named_once(page):
    assert page.text.count("Measured on A Processor") == 1


def test_a_chapter_that_has_not_run_yet_is_left_out(out):
    chapter(out, "ch03_empty", "Nothing yet", [])
    assert "Nothing yet" not in report.write(out).read_text(encoding="utf-8")


def test_a_picture_that_is_gone_is_one_line(out):
    (out / "ch01_lines" / "ridge_curve.png").unlink()
    with pytest.raises(Problem, match=r"ridge_curve.png: No such file.*run its chapter again"):
        report.write(out)


def test_damaged_results_are_one_line(out):
    (out / "ch02_bells" / "results.json").write_text("{")
    with pytest.raises(Problem, match=r"ch02_bells.*damaged"):
        report.write(out)
