"""Alignment on photographs: regions by frozen maps, retrieval with several sentences, and the rival."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.images_and_text import photograph_rivals as rivals
from ch07_applications.images_and_text.alignments import train_on_photographs
from ch07_applications.images_and_text.photograph_regions import (
    DescribedPhotographs,
    FeatureNetwork,
    Photographs,
    PhotographSets,
    boxes_in,
    look_at,
    regions_of,
)
from ch07_applications.images_and_text.photograph_rivals import (
    CORRELATED,
    LEARNED,
    SHRUNK,
    UNSHRUNK,
    fit_correlation,
    found_both_ways,
    photographs_to_learn,
    study_shrinking,
    with_ridge,
)
from ch07_applications.images_and_text.retrieval import ranks_of
from ch07_applications.images_and_text.vocabulary import MARKS, UNKNOWN
from ch07_applications.tests.images_and_text.small_scenes import run_of
from common.data.flickr8k import CaptionedImages

WORDS = ("dog", "cat", "boat", "horse", "tree", "car")


class Colours(nn.Module):
    """A trunk that keeps colours: the mean of each square of 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.AvgPool2d(32)


def photographs(n: int, seed: int = 0) -> Photographs:
    """Photographs of six colours, each with its own word among others; five captions each."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(n) % len(WORDS)
    colours = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200], [200, 200, 0], [0, 200, 200], [200, 0, 200]])[kinds]
    images = np.clip(colours[:, None, None] + rng.normal(0, 20, (n, 224, 224, 3)), 0, 255).astype(np.uint8)
    captions = tuple((f"A {WORDS[kind]} there.", *(f"the {WORDS[kind]} runs {k}" for k in range(4))) for kind in kinds)
    part = CaptionedImages(images, captions, tuple(map(str, range(n))), np.arange(n))
    return look_at(part, Colours(), torch.device("cpu"))


def test_regions_are_the_means_of_their_boxes():
    maps = torch.rand(2, 5, 7, 7)
    pixels = nn.functional.interpolate(maps, scale_factor=32, mode="nearest")
    boxes = boxes_in(7, 7, 224).astype(int)
    expected = [pixels[:, :, top:bottom, left:right].mean(dim=(2, 3)) for left, top, right, bottom in boxes]
    torch.testing.assert_close(regions_of(maps), torch.stack(expected, dim=1))


def test_a_photograph_has_nine_windows_and_itself():
    made = photographs(2)
    assert made.regions.crops.shape == (2, 10, 3)
    assert made.regions.boxes[0, -1].tolist() == [0, 0, 224, 224]
    assert made.regions.places[0, -1].tolist() == [0.5, 0.5, 1, 1]
    assert made.regions.places[0, 4].tolist() == pytest.approx([0.5, 0.5, 3 / 7, 3 / 7])
    assert made.captions[1][0].words == ("a", "cat", "there")
    assert made.owners.tolist() == [0] * 5 + [1] * 5


def test_with_one_sentence_each_it_is_retrieval_among_pairs():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(30, 30)) + 1.5 * np.eye(30)
    for depth in (1, 3, 10):
        sentences, pictures = found_both_ways(scores, np.arange(30), depth)
        assert np.array_equal(sentences, 100.0 * (ranks_of(scores) < depth))
        assert np.array_equal(pictures, 100.0 * (ranks_of(scores.T) < depth))


def test_several_sentences_against_loops():
    rng = np.random.default_rng(1)
    owners = np.repeat(np.arange(12), [5, 4, 3] * 4)
    scores = rng.normal(size=(12, len(owners))).round(1) + 0.8 * (owners[None] == np.arange(12)[:, None])
    sentences, pictures = found_both_ways(scores, owners, 3)
    for k in range(12):
        best = max(scores[k, owners == k])
        assert sentences[k] == 100 * (sum(scores[k, owners != k] >= best) < 3)
        ahead = [sum(scores[j, s] >= scores[k, s] for j in range(12) if j != k) for s in np.flatnonzero(owners == k)]
        assert pictures[k] == pytest.approx(100 * np.mean(np.array(ahead) < 3))


def test_scores_that_are_all_alike_find_nothing():
    sentences, pictures = found_both_ways(np.zeros((20, 100)), np.repeat(np.arange(20), 5))
    assert not sentences.any()
    assert not pictures.any()


def test_the_network_of_features_sees_standardised_features_and_positions():
    features = 3 + 2 * torch.randn(200, 10, 6)
    torch.manual_seed(0)
    network = FeatureNetwork(features, 8).eval()
    places = torch.rand(200, 10, 4)
    looks = (features - features.mean(dim=(0, 1))) / features.std(dim=(0, 1))
    expected = torch.cat([looks, 2 * places - 1], dim=2) @ network.enter.weight.T + network.enter.bias
    torch.testing.assert_close(network(features, places), expected)


def test_a_fifth_of_the_words_is_left_out_in_training():
    made = photographs(60)
    vocabulary = made.vocabulary()
    batches = DescribedPhotographs.of(made, vocabulary)
    index, generator = torch.arange(60), torch.Generator().manual_seed(0)
    pairs, sentences = batches.batch(index, generator)
    again = torch.cat([batches.batch(index, generator)[0].numbers.flatten() for _ in range(40)])
    words = (again >= len(MARKS)).sum()
    left_out = (again == UNKNOWN).sum()
    assert (sentences != UNKNOWN).all()  # whole, to tell which are equal
    assert 0.17 < left_out / (left_out + words) < 0.23
    torch.testing.assert_close(pairs.crops, made.regions.crops)
    assert set(vocabulary.words) >= set(WORDS)


def test_words_of_few_captions_are_unknown():
    made = photographs(2)  # "a", "there": one caption of each photograph
    assert "there" not in made.vocabulary().words
    assert "runs" in made.vocabulary().words


def test_both_find_what_is_easy_to_tell(tmp_path):
    train, validation, test = photographs(90), photographs(18, 1), photographs(6, 2)
    model = train_on_photographs(run_of(tmp_path), train, 30)
    rival = fit_correlation(train, validation)
    for scores in (model.scores(test.regions, test.sentences), rival.scores(test)):
        found = found_both_ways(scores, test.owners, 1)
        assert np.mean(found) > 80


def test_the_same_seed_gives_the_same_model(tmp_path):
    train = photographs(30)
    first, second = (train_on_photographs(run_of(tmp_path), train, 2) for _ in range(2))
    assert np.array_equal(first.regions(train.regions), second.regions(train.regions))


def test_another_ridge_leaves_features_and_words_as_they_are():
    train, validation = photographs(60), photographs(12, 1)
    model = fit_correlation(train, validation)
    again, weak = with_ridge(model, train, model.cca.ridge), with_ridge(model, train, rivals.WEAK)
    np.testing.assert_allclose(again.scores(validation), model.scores(validation), atol=1e-8)
    assert weak.cca.ridge == rivals.WEAK
    assert weak.cca.correlations_[0] > model.cca.correlations_[0]  # a ridge shrinks them
    assert (weak.scale, weak.counter, weak.pooled) == (model.scale, model.counter, model.pooled)


def test_one_of_the_trainings_has_the_larger_weight_decay(tmp_path, monkeypatch):
    sets = PhotographSets(*(photographs(12, seed) for seed in range(3)))
    monkeypatch.setattr(rivals, "photographs_or_none", lambda run: sets)
    found, works = photographs_to_learn(
        run_of(tmp_path), lambda run, photographs, epochs, decay=0.01: (photographs, decay)
    )
    assert found is sets
    assert {name: work(None)[1] for name, work in works.items()} == {LEARNED: 0.01, SHRUNK: 1.0}
    assert all(work(None)[0] is sets.train for work in works.values())


def test_weight_decay_shrinks_weights(tmp_path):
    sizes = []
    for decay in (0.01, 50.0):
        model = train_on_photographs(run_of(tmp_path), photographs(60), 20, decay)
        sizes.append(float(model.network.words.embed.weight.detach().norm()))
    assert sizes[1] < 0.7 * sizes[0]


def test_what_shrinking_is_worth_is_not_asked_of_test_photographs(tmp_path, monkeypatch):
    sets = PhotographSets(*(photographs(n, seed) for seed, n in enumerate((60, 12, 18))))
    run, asked = run_of(tmp_path), []
    model, rival = train_on_photographs(run, sets.train, 1), fit_correlation(sets.train, sets.validation)
    monkeypatch.setattr(
        rivals, "scores_by", lambda model, part: asked.append(part) or np.zeros((len(part), 5 * len(part)))
    )
    study_shrinking(run, sets, {LEARNED: model, SHRUNK: model}, rival)
    assert [len(part) for part in asked] == [18, 18, 12, 12]  # as many training photographs as there are test ones
    assert [part is sets.validation for part in asked] == [False, False, True, True]
    assert np.array_equal(asked[0].regions.crops, sets.train.regions.crops[:18])
    facts = {fact.name: fact.value for fact in run.record.facts}
    names = [LEARNED, SHRUNK, CORRELATED, UNSHRUNK]
    assert list(facts) == [
        f"R@10, both ways, of {k} photographs: {n}" for k in ("training", "validation") for n in names
    ]
    weak = with_ridge(rival, sets.train, rivals.WEAK).scores(sets.validation)
    expected = np.mean(found_both_ways(weak, sets.validation.owners))
    assert facts[f"R@10, both ways, of validation photographs: {UNSHRUNK}"] == pytest.approx(expected)
