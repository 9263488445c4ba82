"""Every lesson once more, in this process, where the hook of conftest.py holds each call against its annotations."""

import importlib

import pytest

from tests.checkout import CHAPTERS, lessons

LESSONS = [(chapter, name) for chapter in CHAPTERS for name in lessons(chapter)]


@pytest.mark.parametrize(("chapter", "lesson"), LESSONS)
def test_a_lesson_keeps_to_its_annotations(chapter, lesson, tmp_path):
    main = importlib.import_module(f"{chapter}.main")
    assert main.CHAPTER.main(["--preset", "smoke", "--only", lesson, "--out", str(tmp_path)]) == 0
