"""For a linear model the map is known: a square removes the sum of w · (x − fill) over its pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from torch import nn

from ch05_cnn.occlusion import (
    SIDE,
    compute_margins,
    correlate_maps,
    cover,
    crop_photo,
    make_masks,
    margin_maps,
    occlude_photos,
    predict_fall,
    remove_line,
)
from common.console import Console
from common.data import Images, Scale, photo, weights
from common.features.hog import HOG
from common.record import LessonRecord
from common.run import Run


class Linear:
    """A linear classifier of images, as much of one as a map needs."""

    def __init__(self, weights):
        self.weights = weights

    def decision_function(self, images):
        return images.reshape(len(images), -1).astype(float) @ self.weights


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), size=st.integers(1, 8), step=st.integers(1, 4), fill=st.sampled_from([0, 33, 255]))
def test_the_map_of_a_linear_model_is_known(seed, size, step, fill):
    rng = np.random.default_rng(seed)
    part = Images(rng.integers(0, 256, (3, 8, 8), dtype=np.uint8), np.array([0, 1, 0]))
    w = rng.normal(size=(64, 2))
    maps = margin_maps(Linear(w).decision_function, part, make_masks(8, size, step), fill)
    corners = range(0, 8 - size + 1, step)
    assert maps.shape == (3, len(corners), len(corners))
    for n, (image, label) in enumerate(zip(part.inputs.astype(float), part.answers, strict=True)):
        difference = (w[:, label] - w[:, 1 - label]).reshape(8, 8)
        for i, r in enumerate(corners):
            for j, c in enumerate(corners):
                here = np.s_[r : r + size, c : c + size]
                lost = (difference[here] * (image[here] - fill)).sum()
                assert maps[n, i, j] == pytest.approx((difference * image).sum() - lost)


@pytest.mark.parametrize("fill", [7, np.array([1, 2, 3], np.uint8)])
def test_copies_differ_in_the_square_only(fill):
    images = np.random.default_rng(0).integers(10, 256, (2, 6, 6, 3), dtype=np.uint8)
    masks = make_masks(6, 3, 3)
    copies = cover(images, masks, fill)
    assert copies.dtype == np.uint8
    copies = copies.reshape(2, 2, 2, 6, 6, 3)
    assert_array_equal(copies[1, 0, 1, :3, 3:], np.broadcast_to(fill, (3, 3, 3)))
    assert_array_equal(copies[1, 0, 1][~masks[0, 1]], images[1][~masks[0, 1]])


def test_a_square_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a square of 9 pixels does not fit into a picture of 8"):
        make_masks(8, 9, 1)
    assert make_masks(8, 8, 1).all()


def test_a_margin_is_positive_where_the_answer_is_right():
    scores, labels = np.random.default_rng(1).normal(size=(50, 4)), np.random.default_rng(2).integers(0, 4, 50)
    found = compute_margins(scores, labels)
    assert_array_equal(found > 0, scores.argmax(axis=1) == labels)
    assert_allclose(compute_margins(np.array([[3.0, 1.0, 2.5]]), np.array([0])), 0.5)


def test_agreement_is_numpys_correlation():
    a, b = np.random.default_rng(3).normal(size=(2, 4, 3, 5))
    expected = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    assert correlate_maps(a, b) == pytest.approx(np.mean(expected))
    flat = np.concatenate([a, np.ones((1, 3, 5))])
    assert correlate_maps(flat, np.concatenate([b, b[:1]])) == pytest.approx(np.mean(expected))


def test_without_the_line_in_a_third_map_the_correlation_is_the_partial_one():
    a, b, c = np.random.default_rng(5).normal(size=(3, 6, 3, 5))
    a, b = a + 2 * c, b - c
    expected = []
    for x, y, z in zip(a, b, c, strict=True):
        (_, xy, xz), (_, _, yz), _ = np.corrcoef([x.ravel(), y.ravel(), z.ravel()])
        expected.append((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
    assert correlate_maps(remove_line(a, c), remove_line(b, c)) == pytest.approx(np.mean(expected))
    assert_allclose(remove_line(3 * c + 1, c), 0, atol=1e-12)


def test_a_pipeline_can_be_asked():
    rng = np.random.default_rng(4)
    part = Images(rng.integers(0, 256, (30, 16, 16), dtype=np.uint8), rng.integers(0, 3, 30))
    model = make_pipeline(HOG(), LogisticRegression()).fit(part.inputs, part.answers)
    nothing = np.zeros((1, 1, 16, 16), bool)
    found = margin_maps(model.decision_function, part, nothing, 0)[:, 0, 0]
    assert_array_equal(found > 0, model.predict(part.inputs) == part.answers)


def test_the_forecast_is_exact_for_a_linear_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 2, SIDE, bias=False), nn.Flatten())
    picture, masks = crop_photo("coffee"), make_masks(SIDE, 80, 72)
    forecast = predict_fall(network, picture, 1, masks)
    for i, j in ((0, 0), (1, 2)):
        pixels = weights.imagenet_inputs(picture[None])
        with torch.no_grad():
            before = network(pixels)[0, 1]
            fall = before - network(pixels.masked_fill(torch.tensor(masks[i, j]), 0))[0, 1]
        assert forecast[i, j] == pytest.approx(float(fall), abs=1e-4)


def test_grey_is_what_the_network_takes_for_nothing():
    grey = np.broadcast_to(weights.imagenet_grey(), (1, 2, 2, 3))
    assert weights.imagenet_inputs(np.ascontiguousarray(grey)).abs().max() < 0.01


def test_the_photo_is_its_middle():
    picture = crop_photo("coffee")
    assert picture.shape == (224, 224, 3)
    middle = photo("coffee")[:, 100:500].astype(float)
    assert_allclose(picture.mean(axis=(0, 1)), middle.mean(axis=(0, 1)), atol=1)


class Corner(nn.Module):
    """Class 281 by the light of the upper left corner, class 5 by a constant: an answer that a square can change."""

    def __init__(self):
        super().__init__()
        self.constant = nn.Parameter(torch.tensor(1e-6))  # above the corner where a black square covers it

    def forward(self, x):
        scores = torch.zeros(len(x), 1000)
        scores[:, 281] = x[:, :, :16, :16].mean(dim=(1, 2, 3))
        scores[:, 5] = self.constant
        return scores


def test_places_where_the_class_is_another_one_are_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "mobilenet_v2_or_none", lambda scale, say: Corner())
    monkeypatch.setattr(weights, "imagenet_inputs", lambda images: torch.tensor(images).permute(0, 3, 1, 2) / 255.0)
    monkeypatch.setattr(weights, "imagenet_grey", lambda: np.zeros(3, np.uint8))
    run = Run("occlusion", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    occlude_photos(run)
    facts = {fact.name: fact.value for fact in run.record.facts}
    for name in ("cat", "coffee"):
        assert facts[f"{name}: squares, of 100, that change the class"] == 1  # only the first covers the corner
        assert facts[f"{name}: the class under the worst square is that of the whole photo"] == 0
    assert "one of 1 of 100" in run.record.pictures[0].caption
