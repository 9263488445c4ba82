"""The rivals and the lesson: settings are the best on validation digits, scores are sums over the right pixels."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from ch07_applications.reconstruction import pixel_rnn
from ch07_applications.reconstruction.bernoulli_mixture import BernoulliMixture
from ch07_applications.reconstruction.binarised_digits import BinarisedDigits, DigitSets, draw
from ch07_applications.reconstruction.context_coding import context_nats
from ch07_applications.reconstruction.digit_rivals import (
    MIXTURE,
    TREES,
    choose_template,
    code,
    draw_often,
    fit_mixture,
    fit_regressions,
)
from ch07_applications.reconstruction.pixel_rnn import (
    CNN,
    DIAGONAL,
    RECIPES,
    ROW,
    SMALL,
    Bottleneck,
    PixelNetwork,
    loss,
)
from ch07_applications.reconstruction.scored_digits import LOWER, NATS, SMALL_NATS, network_nats, score
from ch07_applications.reconstruction.validation_curve import ValidationCurve
from common.console import Console
from common.data import Scale
from common.method import Method
from common.record import LessonRecord
from common.run import Run
from common.train import History


def sets(n=120, size=(6, 6), kinds=3):
    """Digits of a few kinds, with much noise."""
    rng = np.random.default_rng(3)
    means = rng.random((kinds, *size), dtype=np.float32) ** 2
    greys = means[rng.integers(kinds, size=n)]
    parts = []
    for _ in range(2):
        drawn = draw(means[rng.integers(kinds, size=60)], rng)
        parts.append(BinarisedDigits(drawn, np.zeros(60, np.int64), np.arange(60)))
    return DigitSets(greys, *parts, 0.0)


def run(tmp_path):
    return Run("reconstruction/pixel_rnn", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))


def test_the_mixture_is_the_best_on_validation_digits():
    given = sets()
    images = draw_often(given.train, 2, 0)
    options = (1, 3, 60)
    nats = [BernoulliMixture(k, seed=0).fit(images).nats(given.validation.inputs).mean() for k in options]
    assert np.argmin(nats) == 1, "the options do not differ as they should"
    for order in (options, options[::-1]):
        assert fit_mixture(given, order, 0).components == 3


def test_the_template_has_the_shortest_code_of_validation_digits():
    given, options = sets(), (0, 3, 20)
    stream = np.concatenate([draw_often(given.train, 1, 0), given.validation.inputs])
    nats = [context_nats(stream, size)[-60:].sum() for size in options]
    expected = options[int(np.argmin(nats))]
    assert choose_template(given, options, 0) == choose_template(given, options[::-1], 0) == expected
    worst = options[int(np.argmax(nats))]
    assert worst != expected


def test_test_digits_are_coded_after_all_others_and_change_no_choice():
    given = sets()
    stream = np.concatenate([draw_often(given.train, 1, 0), given.validation.inputs, given.test.inputs])
    assert_allclose(code(given, given.test, 4, 0), context_nats(stream, 4)[-60:])
    other = given._replace(test=given.validation)
    assert choose_template(other, (0, 3, 20), 0) == choose_template(given, (0, 3, 20), 0)


def test_the_regressions_are_the_best_on_validation_digits():
    given = sets(60)
    decays, images = (0.0, 50.0), torch.from_numpy(given.validation.inputs).float()[:, None]
    alone = [fit_regressions(given, (decay,), 8, 0, loss) for decay in decays]
    nats = [loss(network(images), images).item() for network in alone]
    assert abs(nats[0] - nats[1]) > 0.1
    for order in (decays, decays[::-1]):
        best = fit_regressions(given, order, 8, 0, loss)
        assert loss(best(images), images).item() == pytest.approx(min(nats), rel=1e-5)


def test_every_binarisation_is_another():
    greys = np.full((5, 4, 4), 0.5, np.float32)
    first, second = np.split(draw_often(greys, 2, 0), 2)
    assert not np.array_equal(first, second)
    assert_array_equal(draw_often(greys, 2, 0)[:5], first)


def test_a_network_s_nats_are_its_loss_pixel_by_pixel_in_the_digits_order():
    torch.manual_seed(0)
    network, part = PixelNetwork(Bottleneck, 4, 1, (6, 6)), sets().test
    part = BinarisedDigits(np.tile(part.inputs, (4, 1, 1)), np.zeros(240, np.int64), np.arange(240))
    nats = network_nats(network, part)
    images = torch.from_numpy(part.inputs).float()[:, None]
    with torch.no_grad():
        assert_allclose(nats.sum(axis=(1, 2))[[0, 150, 239]], [
            loss(network(images[k : k + 1]), images[k : k + 1]).item() for k in (0, 150, 239)
        ], rtol=1e-5)  # fmt: skip


def test_the_lower_half_is_scored_given_the_upper_one(tmp_path):
    method, part = Method(run(tmp_path), "any", "deep"), sets().test
    nats = np.zeros((60, 6, 6), np.float32)
    nats[:, 2], nats[:, 3] = 1, 10
    score(method, part, nats, small=False)
    assert_array_equal(method.items[NATS].values, 66)
    assert_array_equal(method.items[LOWER].values, 60)
    score(method, part, nats, small=True)
    assert SMALL_NATS in method.items


def test_the_seconds_of_a_curve_are_without_those_of_measuring(monkeypatch):
    clock = iter([0.0, 5.0, 105.0, 108.0, 208.0])
    monkeypatch.setattr("ch07_applications.reconstruction.validation_curve.perf_counter", lambda: next(clock))
    scores = iter([7.0, 6.0])
    curve = ValidationCurve(lambda network: next(scores), since=next(clock))
    assert [curve(torch.nn.Identity()), curve(torch.nn.Identity())] == [-7.0, -6.0]
    assert (curve.seconds, curve.scores) == ([5.0, 8.0], [7.0, 6.0])


def test_a_curve_has_the_epochs_that_an_earlier_run_did(monkeypatch):
    monkeypatch.setattr("ch07_applications.reconstruction.validation_curve.perf_counter", lambda: 4.0)
    history = History(scores=[-9.0, -8.0, -7.0], epochs=3, rate=10.0)
    curve = ValidationCurve(lambda network: 7.0, since=1.0)
    curve(torch.nn.Identity())
    assert curve.complete(history, 20) is curve
    assert (curve.seconds, curve.scores) == ([2.0, 4.0, 7.0], [9.0, 8.0, 7.0])
    finished = ValidationCurve(lambda network: 0.0).complete(history, 20)
    assert (finished.seconds, finished.scores) == ([2.0, 4.0, 6.0], [9.0, 8.0, 7.0])
    assert finished.complete(history, 20).seconds == [2.0, 4.0, 6.0], "nothing is missing"


def test_training_keeps_the_best_weights_and_starts_from_the_mean_digit(tmp_path):
    lesson, given = run(tmp_path), sets(64)
    lesson.pick = lambda **values: values["lecture"]  # ten epochs, of 32 digits each
    network, curve = pixel_rnn.train(lesson, CNN + SMALL, given)
    measured = network_nats(network, given.validation).sum(axis=(1, 2)).mean()
    assert measured == pytest.approx(min(curve.scores), rel=1e-5)
    assert max(curve.scores) > min(curve.scores) + 0.1
    mean = torch.from_numpy(given.train).mean(dim=0).clamp(2e-3, 1 - 2e-3)
    assert torch.allclose(network.offsets[0].sigmoid(), mean, atol=0.3)


def test_the_recipes_are_of_the_paper_s_three_networks():
    layers = {name: recipe.layer.__name__ for name, recipe in RECIPES.items()}
    assert layers == {
        CNN: "Bottleneck", CNN + SMALL: "Bottleneck", ROW + SMALL: "RowLSTM", DIAGONAL + SMALL: "DiagonalBiLSTM",
    }  # fmt: skip


def test_the_lesson_scores_all_methods_on_the_same_digits(tmp_path):
    lesson = run(tmp_path)
    pixel_rnn.lesson(lesson)
    rows = {(row.method, row.metric): row for row in lesson.record.rows}
    for name in (MIXTURE, TREES, CNN):
        assert rows[name, NATS].n == rows[name, LOWER].n == 30
        assert 0 < rows[name, LOWER].value < rows[name, NATS].value
        assert (name + SMALL, SMALL_NATS) in rows
    assert len({tuple(method.items[NATS].ids) for method in lesson.methods.values() if NATS in method.items}) == 1
    facts = {fact.name: fact.value for fact in lesson.record.facts}
    assert 44 < facts["entropy of the binarisation, 28 × 28 test digits"] < 47
    assert {picture.name for picture in lesson.record.pictures} == {
        "samples", "completions", "curves", "skewing", "fields"
    }  # fmt: skip
