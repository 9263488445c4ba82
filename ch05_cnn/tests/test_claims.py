"""What this chapter says of its numbers: claims are left to the verdicts."""

import pytest

from tests.checkout import lessons
from tests.claiming import captions_with_findings, claiming, judged, notes_without_numbers

CHAPTER = "ch05_cnn"
EACH_LESSON = pytest.mark.parametrize("lesson", lessons(CHAPTER))


@EACH_LESSON
def test_notes_state_numbers(lesson):
    assert notes_without_numbers(CHAPTER, lesson) == []


@EACH_LESSON
def test_captions_describe_what_is_drawn(lesson):
    assert captions_with_findings(CHAPTER, lesson) == []


@pytest.mark.parametrize("lesson", claiming(CHAPTER))
def test_claims_can_be_judged_of_what_the_lesson_measures(lesson, tmp_path, monkeypatch):
    for sentence, holds in judged(CHAPTER, lesson, tmp_path, monkeypatch):
        assert sentence.endswith(".")
        assert holds in (True, False)
