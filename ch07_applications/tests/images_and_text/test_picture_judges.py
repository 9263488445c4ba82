"""Judges: what counts as stated, R-precision of perfect and blind matchers, and a reader of real pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter
from torch.nn.functional import cross_entropy

from ch07_applications.images_and_text import picture_judges as module
from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS
from ch07_applications.images_and_text.picture_judges import (
    BINDING,
    CLASS,
    COLOUR,
    PRECISION,
    Judges,
    ReadBatches,
    Reader,
    judge,
    ranked_first,
    reading_loss,
    smooth,
    train_judges,
)
from ch07_applications.images_and_text.placed_scenes import CROP, crops_of
from ch07_applications.images_and_text.word_region_matching import pixels_of
from ch07_applications.tests.images_and_text.small_paintings import small_language, small_sets
from ch07_applications.tests.images_and_text.small_scenes import run_of


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def judges(reader=None):
    return Judges((reader or Reader()).eval(), *small_language())


def test_a_scene_counts_where_every_thing_is_as_stated(monkeypatch):
    part = small_sets().test
    truth = np.stack([part.labels, part.colours], axis=2)
    read = truth.copy()
    two, one = np.flatnonzero(part.labels[:, 1] >= 0)[:2], np.flatnonzero(part.labels[:, 1] < 0)[0]
    read[two[0], 1, 0] += 1  # the class of a second thing
    read[two[1], 0, 1] += 1  # the colour of a first thing
    read[one, 0] += 1  # both of an only thing
    monkeypatch.setattr(Judges, "read", lambda self, images, places: read)
    run = run_of(Path())
    with run.method("drawn", kind="deep") as method:
        judge(method, judges(), part.images, part)
    wrong = {name: set(np.flatnonzero(method.items[name].values == 0)) for name in (BINDING, CLASS, COLOUR)}
    assert wrong == {BINDING: {*two, one}, CLASS: {two[0], one}, COLOUR: {two[1], one}}
    assert set(method.items) == {BINDING, CLASS, COLOUR, PRECISION}


def test_pictures_and_scenes_are_as_many():
    run, part = run_of(Path()), small_sets().test
    with run.method("drawn", kind="deep") as method, pytest.raises(ValueError, match="47 pictures of 48"):
        judge(method, judges(), part.images[1:], part)


def test_what_is_read_belongs_to_its_scene_and_thing():
    part, reader = small_sets().test, judges()
    found = reader.read(part.images, part.places)
    assert found.shape == (len(part), 2, 2)
    assert (found[part.places < 0] == -1).all()
    for k in range(4):
        np.testing.assert_array_equal(reader.read(part.images[k : k + 1], part.places[k : k + 1])[0], found[k])
    assert found[..., 0].max() < len(NOUNS)
    assert found[..., 1].max() < len(COLOURS)


def matched(monkeypatch, scores, candidates=100):
    part = small_sets().test
    monkeypatch.setattr(module, "match_wholes", lambda sentences, wholes: torch.tensor(scores(len(part))))
    monkeypatch.setattr(module, "CANDIDATES", candidates)
    return ranked_first(*small_language(), part.images, part), part


def test_a_perfect_matcher_finds_all_and_one_that_scores_all_alike_finds_nothing(monkeypatch):
    assert matched(monkeypatch, np.eye)[0].all()
    assert not matched(monkeypatch, lambda n: np.ones((n, n)))[0].any()


def test_a_random_matcher_finds_one_of_as_many_as_there_are_candidates(monkeypatch):
    rng = np.random.default_rng(0)
    found = [matched(monkeypatch, lambda n: rng.random((n, n)), 8)[0].mean() for _ in range(60)]
    assert np.mean(found) == pytest.approx(1 / 8, abs=0.02)


def test_sentences_that_say_the_same_are_no_candidates(monkeypatch):
    meanings = small_sets().test.meanings
    assert len(set(meanings)) < len(meanings)
    found, _ = matched(monkeypatch, lambda n: (meanings[:, None] == meanings).astype(float))
    assert found.all()


def test_the_reader_s_loss_is_the_cross_entropy_of_class_and_of_colour():
    logits, answers = torch.randn(5, len(NOUNS) + len(COLOURS)), torch.stack([torch.arange(5), torch.arange(5)], 1)
    wanted = cross_entropy(logits[:, :10], answers[:, 0]) + cross_entropy(logits[:, 10:], answers[:, 1])
    torch.testing.assert_close(reading_loss(logits, answers), wanted)


def test_squares_are_moved_mirrored_and_smoothed_and_keep_their_answers():
    crops = torch.zeros(2, 3, CROP, CROP)
    crops[1, :, 8, 5], crops[1, :, 8, 12] = 9.0, 18.0
    batches, seen = ReadBatches(crops, torch.tensor([[1, 2], [3, 4]])), set()
    for seed in range(60):
        changed, answers = batches.batch(torch.tensor([1, 0]), torch.Generator().manual_seed(seed))
        assert answers.tolist() == [[3, 4], [1, 2]]
        assert (changed[1] == 0).all()
        smoothed = bool(changed.max() < 18)
        scale = 9 if smoothed else 1
        bright, dim = ((scale * changed[0, 1] - level).abs() < 1e-4 for level in (18, 9))
        (y, x), (_, other) = (each.nonzero().float().mean(dim=0).tolist() for each in (bright, dim))
        mirrored = x < other
        seen.add((smoothed, mirrored, y - 8, (15 - x if mirrored else x) - 12))
    assert {each[:2] for each in seen} == {(a, b) for a in (False, True) for b in (False, True)}
    assert {each[2:] for each in seen} == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}


def test_smoothing_is_the_mean_of_nine_pixels():
    crops = torch.randn(2, 3, 7, 5)
    wanted = uniform_filter(crops.numpy(), size=(1, 1, 3, 3), mode="nearest")
    np.testing.assert_allclose(smooth(crops), wanted, atol=1e-6)


def test_judges_learn_to_read_colours_of_all_pairs(tmp_path):
    sets, (_, vocabulary) = small_sets(), small_language()
    trained = train_judges(run_of(tmp_path), sets.judging, vocabulary, (5, 1))
    found = trained.read(sets.held_out.images, sets.held_out.places)
    there = sets.held_out.places >= 0
    assert (found[..., 1] == sets.held_out.colours)[there].mean() > 0.7
    assert (found[..., 0] == sets.held_out.labels)[there].mean() > 0.3
    logits = trained.reader(pixels_of(crops_of(sets.test.images, sets.test.places))[:3])
    assert logits.shape == (3, len(NOUNS) + len(COLOURS))
    assert len(trained.parameters()) > 20
