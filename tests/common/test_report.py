"""index.html: complete in itself, every link arrives, every picture shows something, and text is text."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from common import plots, report
from common.paired import Comparison
from common.record import ChapterRecord, Fact, LessonRecord, Picture, load
from common.results import Row

NASTY = "<script>alert('a & b')</script>"
MACHINE = {"processor": "A Processor", "cores": 2, "system": "Linux", "python": "3.11", "packages": {"numpy": "2.0"}}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """All that a test asks of a page: its tags with attributes, its text, and whether tags nest."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.open, self.loose_tables = [], [], [], 0
        self.style, self.around_images, self.last = "", [], {}
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.last = dict(attrs)
        elif tag == "img":
            assert self.open[-1][0] == "a"
            self.around_images.append(self.last)
        self.loose_tables += tag == "table" and ("div", "scroll") not in self.open
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("class")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "style":
            self.style += data
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
        for name in ("src", "srcset", "data", "action", "poster"):
            assert attributes.get(name, "data:image/png;base64,").startswith("data:image/png;base64,")
        link = attributes.get("href", "#")
        assert link.startswith("#") or (out / link).is_file(), "every link leads into the page or to a picture below it"
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
    links = [link["href"] for link in page.all("a") if link["href"].startswith("#")]
    assert len(set(ids)) == len(ids)
    assert len(links) == 5 + 2 * 3  # two chapters, three lessons; three pictures, which open and close
    assert {link.removeprefix("#") for link in links} == set(ids)


def test_it_can_be_read_on_a_phone(page):
    (viewport,) = [meta for meta in page.all("meta") if meta.get("name") == "viewport"]
    assert "width=device-width" in viewport["content"]
    # A wide table scrolls in its own box instead of widening the page.
    assert page.all("table")
    assert page.loose_tables == 0
    # Words wrap there, so that at least the first number beside them is in sight.
    (narrow,) = re.findall(r"@media \(max-width: 40rem\) \{(.*?)\n\}", page.style, flags=re.DOTALL)
    assert "td.word { white-space: normal; }" in narrow


def styles(page):
    """What stands in braces behind each selector of the page's one style sheet, outside of @media."""
    sheet = re.sub(r"/\*.*?\*/|@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}", "", page.style, flags=re.DOTALL)
    return {selector.strip(): " ".join(rules.split()) for selector, rules in re.findall(r"([^{}]+)\{([^{}]*)\}", sheet)}


def test_a_picture_fits_the_width_and_opens_large_when_it_is_tapped(page):
    figures, rules = page.all("figure"), styles(page)
    assert len(figures) == len(page.all("img")) == 3
    links = [around["href"] for around in page.around_images]
    assert links == [f"#{figure['id']}" for figure in figures], "a tap on a picture makes its figure the target"
    assert "max-width: 100%; height: auto" in rules["figure img"]
    assert {"position: fixed", "inset: 0", "overflow: auto"} <= set(rules["figure:target"].strip(" ;").split("; "))
    assert rules["figure:target img"] == "max-width: none;"
    # Closed by a link that makes it the target no more, and leads to where it stands; else nothing of that is seen.
    closing = [link["href"] for link in page.all("a") if link.get("class") == "close"]
    assert closing == [link.removesuffix("-large") for link in links]
    assert rules["figure .close"] == "display: none;"
    assert "display: block" in rules["figure:target .close"]


def test_a_table_that_is_wider_than_the_window_shows_that_it_can_be_moved(page):
    rules = styles(page)
    boxes = [attributes for attributes in page.all("div") if attributes.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table")) > 0
    assert all(box["tabindex"] == "0" for box in boxes), "with the arrow keys, too"
    assert "overflow-x: auto" in rules[".scroll"]
    layers = re.findall(
        r"linear-gradient\(to (\w+), var\(--(\w+)\).*?\) (\w+) / \S+ 100% no-repeat (\w+)", rules[".scroll"]
    )
    covers = [("right", "card", "left", "local"), ("left", "card", "right", "local")]  # move with the table
    shades = [("right", "shade", "left", "scroll"), ("left", "shade", "right", "scroll")]  # stay at the edges
    assert layers == covers + shades, "the covers lie above, so that a shade is seen only where the table goes on"
    painted = [s for s, r in rules.items() if "background" in r and re.search(r"\b(table|thead|tbody|tr|td|th)\b", s)]
    assert not painted, "a cell's own colour would hide the shade"


def test_a_picture_s_file_is_linked(page, out):
    links = [link["href"] for link in page.all("a") if not link["href"].startswith("#")]
    assert links == ["ch01_lines/line_curve.png", "ch01_lines/ridge_curve.png", "ch02_bells/line_curve.png"]
    for link, picture in zip(links, page.all("img"), strict=True):
        assert base64.b64decode(picture["src"].split(",")[1]) == (out / link).read_bytes()
    assert page.text.count("Open the picture “curve”") == len(links)


def test_lessons_of_a_folder_stand_together_in_the_contents(tmp_path):
    chapter(tmp_path, "ch07_tasks", "Tasks", ["look"])
    made = load(tmp_path / "ch07_tasks" / "results.json")
    for name in ("colour/fit", "colour/net", "style/net"):
        made.lessons[name] = replace(made.lessons["look"], title=f"What is {name}?")
    made.save(tmp_path / "ch07_tasks" / "results.json")
    page = Page(report.write(tmp_path).read_text(encoding="utf-8"))
    assert "look colour: fit · net style: net" in page.text
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {f"ch07_tasks-{name}" for name in ("look", "colour-fit", "colour-net", "style-net")} <= ids
    assert "What is colour/net? ch07_tasks/colour/net.py" in page.text


def test_every_lesson_s_file_stands_beside_its_heading(page):
    assert "What is ridge? ch01_lines/ridge.py" in page.text


def test_at_smoke_it_says_that_pictures_are_drafts(page, out):
    assert "the pictures are drafts" in page.text
    made = load(out / "ch01_lines" / "results.json")
    made.configuration["preset"] = "lecture"
    made.save(out / "ch01_lines" / "results.json")
    assert report.write(out).read_text(encoding="utf-8").count("drafts") == 1


def test_it_says_its_language_and_encoding(page):
    assert page.all("html") == [{"lang": "en"}]
    assert {"charset": "utf-8"} in page.all("meta")


def test_text_is_text(page):
    assert NASTY in page.text
    assert 'A "curve" & <b>more</b>' in page.text
    assert "Bells & whistles" in page.text
    assert not page.all("b")


def test_what_was_measured_is_there(page):
    for words in ("4.50 ± 0.50", "RMSE ↓ (mpg)", "1,234", "line beats mean", "−7.660 mpg", "A Processor", "numpy 2.0"):
        assert words in page.text


def test_chapters_are_in_order_and_numbered(page):
    titles = re.findall(r"(\d\. (?:Lines|Bells & whistles))", page.text)
    assert titles == ["1. Lines", "2. Bells & whistles"] * 2  # in the contents, then as headings


def test_the_machine_is_named_once(page):
    assert page.text.count("Measured on A Processor") == 1


def test_a_chapter_that_has_not_run_yet_is_left_out(out):
    chapter(out, "ch03_empty", "Nothing yet", [])
    assert "Nothing yet" not in report.write(out).read_text(encoding="utf-8")


def test_a_picture_that_is_gone_is_one_line_and_the_rest_is_there(out):
    (out / "ch01_lines" / "ridge_curve.png").unlink()
    said = []
    page = Page(report.write(out, said.append).read_text(encoding="utf-8"))
    (line,) = said
    assert "ridge_curve.png is left out of the page: No such file" in line
    assert len(page.all("img")) == 2
    assert 'A "curve" & <b>more</b>' in page.text


def test_a_picture_elsewhere_is_not_read(out):
    (out / "secret.png").write_bytes(b"secret")
    made = load(out / "ch01_lines" / "results.json")
    made.lessons["line"].pictures = [Picture("curve", "../secret.png", "Nothing.")]
    made.save(out / "ch01_lines" / "results.json")
    said = []
    assert base64.b64encode(b"secret").decode() not in report.write(out, said.append).read_text(encoding="utf-8")
    assert len(said) == 1


@pytest.mark.parametrize("content", ["{", "[]", '{"lessons": {}}', '{"name": "somebody else\'s", "results": [1]}'])
def test_damaged_and_foreign_results_are_skipped_with_one_line(out, content):
    (out / "ch02_bells" / "results.json").write_text(content)
    said = []
    page = Page(report.write(out, said.append).read_text(encoding="utf-8"))
    (line,) = said
    assert "ch02_bells" in line
    assert "delete" not in line
    assert "\n" not in line
    assert "1. Lines" in page.text
    assert "Bells" not in page.text
