"""The glossary: its terms are in order, each is defined in a sentence or two, and the lesson that it names uses it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from book.glossary import ENTRY
from common.readme import readmes
from tests.checkout import CHAPTERS, ROOT, lessons

GLOSSARY, TABLES = ROOT / "GLOSSARY.md", ROOT / "HOW_TO_READ_TABLES.md"
MOST = 320  # letters of a definition


@dataclass(frozen=True)
class Entry:
    """A term, its other names, its definition, and the file of the lesson that teaches it, as shown and as linked."""

    term: str
    names: tuple[str, ...]
    meaning: str
    shown: str
    link: str


def entries(text: str) -> list[Entry]:
    """Every line that is neither empty, nor a heading, nor above the first letter's. Raises ValueError for another."""
    found = []
    for line in text[text.index("\n## ") :].splitlines():
        if line and not line.startswith("## "):
            if not (match := ENTRY.fullmatch(line)):
                raise ValueError(f"no entry: {line}")
            also = match["also"].split(", ") if match["also"] else []
            found.append(Entry(match["term"], (match["term"], *also), match["meaning"], match["shown"], match["link"]))
    return found


ENTRIES = entries(GLOSSARY.read_text(encoding="utf-8"))
EACH = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.term)


def order(term: str) -> str:
    """What a term is sorted by: its words, without accents, signs and capitals."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", term) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[a-z0-9]+", plain.casefold()))


def disordered(terms: list[str]) -> list[str]:
    """The terms that do not come after the one before them, and so those that stand twice."""
    return [b for a, b in pairwise(terms) if not order(a) < order(b)]


def sentences(meaning: str) -> int:
    return len(re.findall(r"[.!?](?= [A-Z\d]|$)", meaning))


def uses(text: str, name: str) -> bool:
    """Whether the prose has the name, in the singular or plural. Links, marks and names of files do not count."""
    prose = re.sub(r"\]\([^)]*\)|<!--.*?-->|\S+\.py\b", " ", text)
    prose = " ".join(re.sub(r"[*`\\]", "", prose).split())
    words = r"[\s-]".join(map(re.escape, re.split(r"[\s-]", name)))
    return re.search(rf"(?<!\w){words}(?:s|es)?(?!\w)", prose, re.IGNORECASE) is not None


def texts(entry: Entry) -> str:
    """What the reader of the lesson reads: its file, and the page of its chapter or task."""
    file = ROOT / entry.link
    page = file.parent / "README.md"
    return file.read_text(encoding="utf-8") + (page.read_text(encoding="utf-8") if page.exists() else "")


def taught(link: str) -> bool:
    """Whether it is a lesson of its chapter's reading order, or a part that lies in a folder."""
    package, _, name = link.removesuffix(".py").partition("/")
    if package in CHAPTERS and "/" not in name:
        return name in lessons(package)
    return (ROOT / link).is_file() and "/tests/" not in link


def test_the_glossary_is_long_enough():
    assert len(ENTRIES) >= 110


def test_terms_are_in_alphabetical_order_and_none_stands_twice():
    assert disordered([entry.term for entry in ENTRIES]) == []


def test_terms_stand_under_their_letter():
    letter = ""
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            letter = line.removeprefix("## ")
        elif match := ENTRY.fullmatch(line):
            first = order(match["term"])[0].upper()
            assert letter == ("0–9" if first.isdigit() else first), match["term"]


@EACH
def test_a_definition_is_one_sentence_or_two(entry):
    assert entry.meaning.endswith(".")
    assert sentences(entry.meaning) <= 2
    assert len(entry.meaning) <= MOST


@EACH
def test_the_lesson_is_in_the_reading_order(entry):
    assert entry.link == f"{entry.shown}.py"
    assert taught(entry.link), f"{entry.link} is no lesson"


@EACH
def test_the_lesson_uses_the_term(entry):
    assert any(uses(texts(entry), name) for name in entry.names), f"{entry.link}, or its page, says no {entry.term}"


def test_what_is_wrong_would_be_seen():
    assert disordered(["anchor", "batch", "Adam"]) == ["Adam"]
    assert disordered(["R²", "R-CNN", "ridge", "ridge"]) != []
    assert sentences("A box. Or an anchor. It is 1.5 wide.") == 3
    assert not taught("ch01_regression/main.py")
    assert not taught("ch01_regression/no_lesson.py")
    assert not taught("common/no_part.py")
    assert uses("The *design\nmatrices* of [`line.py`](line.py)", "matrice")
    assert not uses("[`ridge.py`](ridge.py) and a ridgeline", "ridge")
    with pytest.raises(ValueError, match="no entry"):
        entries("# G\n\n## A\n\n**anchor**: a box.")


@pytest.mark.parametrize("page", [*readmes(), GLOSSARY], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_page_leads_to_the_glossary_and_to_how_tables_are_read(page: Path):
    """By links that resolve, as all links of the two pages do."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text(encoding="utf-8"))
    linked = {(page.parent / target).resolve() for target in targets}
    assert {GLOSSARY, TABLES} - {page} <= linked
    if page in (GLOSSARY, TABLES):
        assert [target for target in targets if not (page.parent / target).exists()] == []
