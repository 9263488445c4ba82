"""The comparison: counts of who is right, names that are shared, who learns from what and is scored once."""

from types import SimpleNamespace

import numpy as np
import pytest

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.classification import alexnet, comparison, googlenet, resnet, vgg
from ch07_applications.classification.cifar import FISHER, HOG, cifar
from ch07_applications.classification.comparison import (
    CONTENDERS,
    PAPERS,
    class_errors,
    commonest_mistake,
    ranking,
    right_by,
)
from common.console import Console
from common.data import Images, Scale
from common.image_classifier import ImageClassifier
from common.method import Method
from common.record import LessonRecord
from common.results import Row
from common.run import Run

LABELS = np.array([0, 0, 1, 2])
ANSWERS = {"a": np.array([0, 1, 1, 0]), "b": np.array([0, 1, 2, 0]), "c": np.array([0, 0, 1, 1])}


@pytest.fixture
def part():
    return Images(np.zeros((4, 2, 2, 3), np.uint8), LABELS)


def test_who_is_right(part):
    right = right_by(ANSWERS, part)
    assert right.tolist() == [[True, False, True, False], [True, False, False, False], [True, True, True, False]]


def test_errors_are_shares_of_each_class_s_own_items(part):
    np.testing.assert_allclose(class_errors(ANSWERS, part, 4), [[50, 0, 100, 0], [50, 100, 100, 0], [0, 0, 100, 0]])


def test_the_mean_error_over_items_is_the_mean_over_classes_by_their_size():
    rng = np.random.default_rng(0)
    part = Images(np.zeros((200, 2, 2, 3), np.uint8), rng.integers(5, size=200))
    answers = {"a": rng.integers(5, size=200)}
    by_class = class_errors(answers, part, 5)[0] @ np.bincount(part.labels) / 200
    assert by_class == pytest.approx(100 * np.mean(answers["a"] != part.labels))


def test_the_commonest_mistake_is_what_most_methods_predict():
    assert commonest_mistake(ANSWERS, np.array([3, 1])).tolist() == [0, 1]
    assert commonest_mistake(ANSWERS, np.array([], int)).tolist() == []


def test_the_ranking_is_by_mean_accuracy_over_all_seeds():
    names, values = list(CONTENDERS), [60.0, 72.0, 71.0, 74.0]
    record = LessonRecord("", "")
    for name, value in zip(names, values, strict=True):
        for seed, other in ((0, value - 9), (1, value + 9)):
            score = {"value": other, "low": other, "high": other, "n": 100, "seeds": (seed,), "parameters": 1}
            record.rows.append(Row("comparison", name, "deep", "accuracy", unit="%", higher_is_better=True, **score))
    assert ranking(record) == (
        f"By mean accuracy: {names[3]} 74.0 %, {names[1]} 72.0 %, {names[2]} 71.0 %, {names[0]} 60.0 %."
    )


def test_the_claims_of_the_papers_put_each_network_before_that_of_the_year_before():
    names = list(CONTENDERS)
    pairs = [(ours, against) for *_, ours, against in PAPERS]
    assert pairs == [
        (names[0], FISHER),
        (names[1], names[0]),
        (names[2], names[1]),
        (names[3], names[2]),
        (names[3], FISHER),
    ]


def test_the_networks_are_the_lessons_own_under_the_names_that_they_share():
    lessons = {
        alexnet: alexnet.SHARED,
        vgg: vgg.SHARED,
        googlenet: googlenet.SMALL_GOOGLENET,
        resnet: resnet.SMALL_RESNET,
    }
    assert [contender.shared for contender in CONTENDERS.values()] == list(lessons.values())
    for module, contender in zip(lessons, CONTENDERS.values(), strict=True):
        assert contender.build.__module__ == module.__name__
    assert len({contender.shared for contender in CONTENDERS.values()}) == 4


@pytest.fixture
def run(tmp_path):
    return Run("comparison", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True), device_name="cpu")


def test_networks_have_at_most_300_000_parameters_and_their_own_checkpoints(run):
    checkpoints = set()
    for contender in CONTENDERS.values():
        model = contender.build(run)
        assert parameters_of(model.build(3, 32)) <= 300_000
        if model.training.checkpoint:
            assert model.training.checkpoint not in checkpoints, "two trainings would go on from one checkpoint"
            checkpoints.add(model.training.checkpoint)


def test_all_learn_from_all_training_images_and_are_scored_once_on_the_test_images(run, monkeypatch):
    """A run with classifiers that only record: fits, their names, and scores."""
    fitted, scored, drawn = {}, [], {}

    def fit_shared(method, name, build, part):
        fitted[name] = part
        method.model, method.fit_seconds = SimpleNamespace(network_=None, parameters=list), 1.0
        return method.model

    def score(method, part):
        scored.append((method.name, part))
        rng = np.random.default_rng(len(scored))
        method.predictions = np.where(rng.random(len(part)) < 0.7, part.labels, rng.integers(10, size=len(part)))
        method.score_items("accuracy", 100.0 * (method.predictions == part.labels), part, unit="%")
        return method.predictions

    monkeypatch.setattr(Method, "fit_shared", fit_shared)
    monkeypatch.setattr(Method, "score", score)
    monkeypatch.setattr(comparison, "multiplications_of", lambda network, image: 2_000_000)
    monkeypatch.setattr(run, "figure", lambda name, draw, *args, caption: drawn.update({name: args}))
    monkeypatch.setattr(run, "figure_over_seeds", lambda name, draw, *args, caption: None)
    comparison.lesson(run)

    parts = cifar(run)
    assert [name for name, _ in scored] == [*CONTENDERS, FISHER, HOG]
    assert all(np.array_equal(part.images, parts.test.images) for _, part in scored)
    assert set(fitted) == {*(c.shared for c in CONTENDERS.values()), f"{FISHER}, cifar10", f"{HOG}, cifar10"}
    assert all(np.array_equal(part.images, parts.whole.images) for part in fitted.values())
    answers = {name: run.methods[name].predictions for name in CONTENDERS}
    right = right_by(answers, parts.test)
    _, _, alike, guesses, _ = drawn["agreement"]
    assert alike["all four right"].tolist() == np.flatnonzero(right.sum(axis=0) == 4)[:8].tolist()
    assert alike["all four wrong"].tolist() == np.flatnonzero(right.sum(axis=0) == 0)[:8].tolist()
    assert (guesses["all four right"] == parts.test.labels[alike["all four right"]]).all()
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["test images that all four of the networks classify correctly"] == 100 * np.mean(right.all(axis=0))
    assert facts["test images that none of the networks classify correctly"] == 100 * np.mean(~right.any(axis=0))
    assert len(run.pairs) == len(PAPERS)


def test_every_contender_is_an_estimator_of_images(run):
    assert all(isinstance(contender.build(run), ImageClassifier) for contender in CONTENDERS.values())
