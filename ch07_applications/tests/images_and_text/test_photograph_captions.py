"""Captions of photographs: rows on photographs that are easily given apart, the reader's own, and what is missing."""

import numpy as np
import pytest
import torch

from ch07_applications.blocks.side_by_side import side_by_side
from ch07_applications.images_and_text import photograph_captions
from ch07_applications.images_and_text.photograph_captions import (
    FIXED,
    HUMAN,
    LEARNED,
    NEAREST,
    SHUFFLED,
    caption_photo,
    fixed_caption,
    photographs_to_learn,
    resized,
    sentences_of,
    study_photographs,
)
from ch07_applications.images_and_text.photograph_regions import PhotographSets
from ch07_applications.images_and_text.show_and_tell import train
from ch07_applications.tests.images_and_text.small_scenes import run_of
from ch07_applications.tests.images_and_text.test_photographs import WORDS, Colours, photographs
from common.metrics.cider import cider_d
from common.paper_claims import PaperClaims


def study(tmp_path, monkeypatch, photo=None):
    """The rows of a study of photographs in six colours; every training is as long as the lecture's."""
    run = run_of(tmp_path)
    run.photo = photo
    sets = PhotographSets(*(photographs(n, seed) for seed, n in enumerate((48, 12, 12))))
    monkeypatch.setattr(photograph_captions, "photographs_or_none", lambda run: sets)
    monkeypatch.setattr(photograph_captions, "mobilenet_v2_or_none", lambda scale, say: Colours())

    def longer(run, vectors, sentences, epochs, *, least, **network):
        return train(run, vectors, sentences, 60, least=least, fade=network["fade"], memory=network["memory"])

    found, works = photographs_to_learn(run, longer)
    study_photographs(run, PaperClaims(run), found, side_by_side(run, works))
    return run


def test_the_generator_learns_what_is_easy_and_another_photograph_s_vector_does_not_help(tmp_path, monkeypatch):
    run = study(tmp_path, monkeypatch)
    rows = {(row.method, row.metric): row.value for row in run.record.rows}
    assert {method for method, _ in rows} == {LEARNED, NEAREST, SHUFFLED, FIXED, HUMAN}
    assert rows[LEARNED, "BLEU-4"] > 90
    assert rows[LEARNED, "CIDEr-D"] > 2 * rows[SHUFFLED, "CIDEr-D"]
    assert rows[NEAREST, "CIDEr-D"] > 2 * rows[FIXED, "CIDEr-D"]
    counts = {fact.name: fact.value for fact in run.record.facts}
    assert counts[f"distinct captions, {FIXED}"] == 1
    assert counts[f"distinct captions, {LEARNED}"] == len(WORDS)


def test_the_reader_s_photograph_gets_a_caption_and_a_warning(tmp_path, monkeypatch):
    photo = np.zeros((90, 140, 3), np.uint8)
    photo[..., 2] = 200
    run = study(tmp_path, monkeypatch, photo)
    assert "boat" in run.record.notes[-1]  # blue
    assert "do not expect much" in run.record.notes[-1]
    assert [picture.name for picture in run.record.pictures] == ["photo"]


def test_without_the_data_a_photograph_gets_a_note(tmp_path, monkeypatch):
    run = run_of(tmp_path)
    run.photo = np.zeros((9, 9, 3), np.uint8)
    monkeypatch.setattr(photograph_captions, "photographs_or_none", lambda run: None)
    found, works = photographs_to_learn(run, train)
    assert works == {}
    study_photographs(run, PaperClaims(run), found, {})
    assert "gets no caption" in run.record.notes[0]
    assert run.record.rows == []


def test_a_photograph_is_stretched_to_a_square():
    photo = np.zeros((50, 200, 3), np.uint8)
    photo[:, 100:] = 255
    small = resized(photo)
    assert small.shape == (224, 224, 3)
    assert small[:, :100].max() == 0
    assert small[:, 124:].min() == 255


def test_the_fixed_caption_is_the_one_most_like_all():
    sentences = [[("a", "dog", "runs", "here")]] * 5 + [[("the", "old", "boat", "sinks")]]
    assert fixed_caption(sentences) == ("a", "dog", "runs", "here")
    references = sentences_of(photographs(6))
    assert fixed_caption(references) in [own[0] for own in references]
    assert cider_d([fixed_caption(references)] * 6, references).mean() >= 0


def test_captions_need_a_trunk_of_the_same_features(tmp_path, monkeypatch):
    run = run_of(tmp_path)
    run.photo = np.zeros((9, 9, 3), np.uint8)
    model = train(run, torch.zeros(4, 5).numpy(), [[("a", "dog")]] * 4, 1)
    monkeypatch.setattr(photograph_captions, "mobilenet_v2_or_none", lambda scale, say: Colours())
    with pytest.raises(Exception, match="5 numbers"):
        caption_photo(run, model)
