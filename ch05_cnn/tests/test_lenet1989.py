"""The lesson's counts and choices, on training digits; and its pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from ch05_cnn import lenet1989
from ch05_cnn.drawings.lenet1989 import draw_first_layer, draw_passes, draw_readings
from ch05_cnn.lenet.sixteen_pixels import shrink, shrink_ink_box
from ch05_cnn.lenet1989 import (
    LeNet1989,
    build_dense_rival,
    build_rivals,
    error_rate,
    read_digits,
    reduction_errors,
    share_to_reject,
)
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run
from common.seeding import build_seeded


class Says(nn.Module):
    """A network with given outputs."""

    def __init__(self, outputs: np.ndarray) -> None:
        super().__init__()
        self.outputs = nn.Parameter(torch.tensor(outputs, dtype=torch.float32))

    def forward(self, x):
        return self.outputs * 1


IMAGES = np.zeros((200, 16, 16), np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_rejected_is_what_counting_finds(seed):
    rng = np.random.default_rng(seed)
    o, labels = rng.normal(size=(200, 10)), rng.integers(10, size=200)
    o[np.arange(200), labels] += 3
    margins = np.diff(np.sort(o, axis=1)[:, -2:]).ravel()
    wrong = o.argmax(axis=1) != labels
    kept = [margins >= limit for limit in margins]
    most = max(those.sum() for those in kept if wrong[those].mean() <= 0.05)
    assert_allclose(share_to_reject(Says(o), IMAGES, labels, 0.05), 100 * (1 - most / 200))


def test_none_is_rejected_where_all_are_right_and_all_where_the_surest_are_wrong():
    labels = np.arange(200) % 10
    right = np.eye(10)[labels]
    assert share_to_reject(Says(right), IMAGES, labels) == 0
    assert share_to_reject(Says(right), IMAGES, (labels + 1) % 10) == 100


def test_errors_are_the_share_that_is_wrong():
    labels = np.arange(200) % 10
    assert error_rate(Says(np.eye(10)[np.where(np.arange(200) < 30, 0, labels)]), IMAGES, labels) == 100 * 27 / 200


def test_the_dense_rival_is_as_large():
    network = build_dense_rival()
    assert abs(sum(weights.numel() for weights in network.parameters()) - 9760) < 0.02 * 9760
    assert network(torch.zeros(3, 1, 16, 16)).shape == (3, 10)


def test_the_reduction_is_judged_on_digits_that_were_not_learned(monkeypatch):
    digits, seen = data.mnist(Scale("smoke")), []
    monkeypatch.setattr(
        lenet1989, "train_digit_by_digit", lambda images, labels, seed, passes: seen.append((images, labels))
    )
    monkeypatch.setattr(lenet1989, "error_rate", lambda network, images, labels: seen.append((images, labels)) or 1.0)
    assert set(reduction_errors(digits, 3, 1)) == {"whole image", "box of the ink"}
    train, validation = digits.split(0.2, 3)
    for reduce, (learned, asked) in zip((shrink, shrink_ink_box), (seen[:2], seen[2:]), strict=True):
        for part, (images, labels) in zip((train, validation), (learned, asked), strict=True):
            assert_array_equal(images, reduce(part.images))
            assert_array_equal(labels, part.labels)


def test_rivals_learn_from_training_digits_alone():
    run = Run("lenet1989", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console())
    part = data.mnist(Scale("smoke")).train.take(slice(300))
    for rival in build_rivals(run, shrink).values():
        search = rival.fit(part.images, part.labels)[-1]
        assert search.refit
        assert search.cv.get_n_splits() == 1
        rows = shrink(part.images).reshape(300, -1)
        assert_array_equal(rival.predict(part.images), search.best_estimator_.predict(rows))
        assert rival.score(part.images, part.labels) > 0.9


def test_digits_are_drawn_with_what_was_said():
    rng = np.random.default_rng(0)
    images, labels = rng.uniform(-1, 1, (60, 16, 16)).astype(np.float32), rng.integers(10, size=60)
    said = np.where(np.arange(60) % 4 == 0, (labels + 1) % 10, labels)
    rows = draw_readings(images, said, labels).axes
    right, wrong = np.flatnonzero(said == labels), np.flatnonzero(said != labels)
    assert [text.get_text() for text in rows[0].texts] == [f"{said[item]}" for item in right[:12]]
    told = [text.get_text() for row in rows[1:] for text in row.texts]
    assert told == [f"{said[item]}, is {labels[item]}" for item in wrong]
    for row, items in zip(rows, (right[:12], wrong[:12], wrong[12:]), strict=True):
        drawn = row.images[0].get_array()
        for place, item in enumerate(items):
            assert_allclose(drawn[:, 18 * place : 18 * place + 16], -images[item])


def test_curves_and_weights_are_drawn_as_they_are():
    curves = np.array([[20.0, 21.0], [5.0, 7.0], [1.0, 3.0]])
    drawn = [line.get_ydata() for line in draw_passes(curves, (0.14, 5.0)).axes[0].lines]
    assert_allclose(drawn[0], curves[:, 0])
    assert_allclose(drawn[1], [0.14] * 2)
    assert_allclose(drawn[2], curves[:, 1])
    assert_allclose(drawn[3], [5.0] * 2)
    network = build_seeded(LeNet1989, 0)
    parameters = network.H1.weight[:, 0].detach().numpy(), network.H1.bias.detach().numpy()
    weights, biases = (axis.images[0].get_array() for axis in draw_first_layer(*parameters).axes)
    assert_allclose(weights[:, 3 * 7 : 3 * 7 + 5], network.H1.weight[3, 0].detach())
    assert_allclose(biases[:, 3 * 10 : 3 * 10 + 8], network.H1.bias[3].detach())


def test_read_takes_what_the_lesson_makes():
    part = data.mnist(Scale("smoke")).test.take(slice(5))
    assert read_digits(build_seeded(LeNet1989, 0), shrink_ink_box(part.images)).shape == (5,)
    with pytest.raises(ValueError, match=r"expects images of 1×16×16"):
        read_digits(build_seeded(LeNet1989, 0), part.images.astype(np.float32))


def test_only_passes_are_timed(monkeypatch, tmp_path):
    """The errors after every pass, for the picture, do not affect training."""

    def slow_errors(network, images, labels):
        time.sleep(0.3)
        return 50.0

    def idle(x, labels, seed, passes, each_pass=lambda network: None):
        network = build_seeded(LeNet1989, seed)
        for _ in range(passes):
            each_pass(network)
        return network

    monkeypatch.setattr(lenet1989, "error_rate", slow_errors)
    monkeypatch.setattr(lenet1989, "train_digit_by_digit", idle)
    run = Run("lenet1989", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lenet1989.lesson(run)
    (row,) = [row for row in run.record.rows if row.method == "LeNet 1989"]
    assert 0 <= row.fit_seconds < 0.3  # two passes, four readings of 0.3 s
