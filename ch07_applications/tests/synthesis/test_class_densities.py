"""Rival densities by class: each class's own, normalised, and causal; classifiers of bits choose on validation."""

from itertools import product

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC

from ch07_applications.reconstruction.binarised_digits import BinarisedDigits
from ch07_applications.reconstruction.boosted_pixels import BoostedPixels
from ch07_applications.synthesis import bit_classifiers
from ch07_applications.synthesis.bayes_rule import most_probable
from ch07_applications.synthesis.bit_classifiers import decide_by_mean, fit_classifier, rows_of
from ch07_applications.synthesis.class_densities import ClassMixtures, ClassTrees, fit_mixtures
from ch07_applications.synthesis.density_bench import score_density
from ch07_applications.synthesis.labelled_digits import CLASSES, LabelledSets, class_priors
from ch07_applications.tests.synthesis.small_runs import run_of


def every_image(size=(2, 3)):
    values = list(product([0, 1], repeat=size[0] * size[1]))
    return np.array(values, np.uint8).reshape(-1, *size)


def classes_of_bars(n=200, size=(2, 5), seed=0):
    """Grey digits: class y is bright at pixel y and dim elsewhere."""
    labels = np.arange(n) % CLASSES
    greys = np.full((n, size[0] * size[1]), 0.1, np.float32)
    greys[np.arange(n), labels] = 0.9
    return greys.reshape(n, *size), labels


def bars():
    greys, labels = classes_of_bars()
    images = (np.random.default_rng(1).random(greys.shape) < greys).astype(np.uint8)
    part = BinarisedDigits(images, labels, np.arange(len(labels)))
    return LabelledSets(greys, greys[None], labels, part, part, np.stack([images, images]), class_priors(labels))


def test_a_mixture_of_a_class_is_one_that_was_fitted_to_its_images_alone():
    sets = bars()
    images = sets.validation.inputs
    model = ClassMixtures(1, rounds=2).fit(images, sets.labels)
    nats = model.class_nats(images)
    means = (images[sets.labels == 3].reshape(20, -1).sum(axis=0) + 0.25) / 20.5
    flat = images.reshape(len(images), -1)
    expected = -(flat * np.log(means) + (1 - flat) * np.log(1 - means)).sum(axis=1)
    np.testing.assert_allclose(nats[:, 3], expected, rtol=1e-4)
    assert np.mean(most_probable(nats, sets.priors) == sets.labels) > 0.6


def test_a_class_with_too_few_images_for_its_mixture_is_refused():
    sets = bars()
    with pytest.raises(ValueError, match="components"):
        ClassMixtures(21).fit(sets.validation.inputs, sets.labels)


def test_mixtures_are_chosen_by_validation_digits_of_their_own_class():
    sets = bars()
    assert fit_mixtures(sets, (1, 20), 10, 0).components == 1  # twenty of each would copy their training digits


@pytest.fixture(scope="module")
def trees():
    greys, labels = classes_of_bars(1000)
    return ClassTrees(pixels=8000, trees=60).fit(greys, labels), bars()


def test_the_probabilities_of_all_images_of_a_class_sum_to_1_with_trees(trees):
    greys, labels = classes_of_bars(size=(2, 5))
    model = ClassTrees(pixels=2000, trees=10, leaves=8).fit(greys[:, :, :3], labels)
    nats = model.class_nats(every_image((2, 3)))
    np.testing.assert_allclose(np.exp(-nats).sum(axis=0), 1, atol=1e-6)


def test_trees_use_the_class(trees):
    model, sets = trees
    nats = model.class_nats(sets.test.inputs)
    assert np.mean(most_probable(nats, sets.priors) == sets.labels) > 0.5
    np.testing.assert_allclose(model.class_nats(sets.test.inputs, [7])[:, 0], nats[:, 7])


def test_trees_without_a_class_that_matters_are_boosted_pixels():
    """All of one class: the same splits as the trees of reconstruction/pixel_rnn."""
    greys, _ = classes_of_bars()
    ours = ClassTrees(pixels=1500, trees=10, leaves=8).fit(greys, np.zeros(len(greys), np.int64))
    images = (greys > 0.5).astype(np.uint8)[:20]
    theirs = BoostedPixels(pixels=1500, trees=10, leaves=8).fit(greys).pixel_nats(images).sum(axis=(1, 2))
    np.testing.assert_allclose(ours.class_nats(images, [0])[:, 0], theirs, rtol=1e-6)


def test_samples_of_each_class_have_its_bright_pixel(trees):
    model, sets = trees
    mixtures = ClassMixtures(1).fit(sets.validation.inputs, sets.labels)
    labels = np.arange(300) % CLASSES
    for sampler in (model, mixtures):
        drawn = sampler.sample(labels, (2, 5), np.random.default_rng(0)).reshape(300, -1)
        assert drawn[np.arange(300), labels].mean() > 0.75
        assert drawn.mean() < 0.3


def test_grey_values_are_refused(trees):
    with pytest.raises(ValueError, match="0 or 1"):
        trees[0].class_nats(np.full((1, 2, 5), 7, np.uint8))


def test_a_density_is_scored_by_its_own_class_and_averages_over_drawings(tmp_path):
    run, sets = run_of("synthesis/pixelcnn", tmp_path), bars()
    first = np.full((200, CLASSES), 50.0)
    first[np.arange(200), sets.labels] = 40.0  # all right
    second = np.full((200, CLASSES), 50.0)
    second[:, 0] = 20.0  # all class 0, by more
    answers = iter([first, second])
    with run.method("any", kind="classical") as method:
        score_density(method, sets, lambda images: next(answers))
    values = {row.metric: row.value for row in run.record.rows}
    assert values["nats at 14 × 14"] == 40
    assert values["nats, class unknown"] == pytest.approx(40 + np.log(10) - np.log1p(9 * np.exp(-10)), abs=1e-6)
    assert values["accuracy"] == 100
    assert values["accuracy, several drawings"] == 10
    assert run.record.facts[0].value == pytest.approx(np.log(10), abs=1e-3)


@pytest.mark.parametrize("kind", ["bits", "HOG"])
def test_classifiers_are_fitted_to_every_drawing_with_its_label(kind):
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    greys = np.zeros((60, 14, 14), np.float32)
    greys[labels == 0, 3:5], greys[labels == 1, :, 6:8] = 0.9, 0.9
    part = BinarisedDigits((rng.random(greys.shape) < greys).astype(np.uint8), labels, np.arange(60))
    sets = LabelledSets(greys, greys[None], labels, part, part, part.inputs[None], np.array([0.5, 0.5]))
    model = fit_classifier(kind, sets, (1.0,), 3, 0)
    assert np.mean(model.predict(part.inputs) == labels) == 1
    assert model[-1].shape_fit_[0] == 180


def test_the_penalty_is_the_one_that_is_best_on_validation_digits(monkeypatch):
    class Fake(Pipeline):
        def __init__(self, penalty):
            self.penalty = penalty

        def fit(self, images, labels):
            return self

        def predict(self, images):
            return np.where(np.arange(len(images)) < self.penalty, bars().labels, -1)

    monkeypatch.setattr(bit_classifiers, "on_bits", Fake)
    assert fit_classifier("bits", bars(), (3, 9, 5), 1, 0).penalty == 9


def test_decision_values_are_averaged_over_drawings():
    sets = bars()
    model = bit_classifiers.on_bits(1.0).fit(sets.validation.inputs, sets.labels)
    other = 1 - sets.test.inputs
    got = decide_by_mean(model, np.stack([sets.test.inputs, other]))
    machine = SVC().fit(rows_of(sets.validation.inputs), sets.labels)
    expected = [machine.decision_function(rows_of(images)) for images in (sets.test.inputs, other)]
    np.testing.assert_allclose(got, np.mean(expected, axis=0))
