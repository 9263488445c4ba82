"""The course's own contents, and results that a test may change."""

from __future__ import annotations

import pytest

from book.contents import Contents
from book.names import Names
from book.results import Results
from common.adopt import ROOT, chapters


@pytest.fixture(scope="session")
def contents() -> Contents:
    return Contents(ROOT, chapters())


@pytest.fixture(scope="session")
def names(contents: Contents) -> Names:
    return Names(contents)


@pytest.fixture
def results(contents: Contents) -> Results:
    """Of chapter 1 as committed; nothing is stale, and no other chapter has results."""
    found = Results(contents.chapters[:1])
    found.stale = {"ch01_regression": {}}
    return found
