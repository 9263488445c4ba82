"""The lesson's search of one image, step by step, against the detector that searches many at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from ch06_detection.sliding_window import collect_windows, score_windows, search_windows, suppress, train_in_rounds
from common.data import Scale
from common.data.scenes import scenes
from common.hog_detection.dense_hog import Cells
from common.hog_detection.detector import HOGDetector


@pytest.fixture(scope="module")
def few():
    return scenes(Scale("smoke")).train.take(slice(12))


@pytest.fixture(scope="module")
def detector(few):
    cells = Cells(pixels=4, padding=3, norm="L2")
    return HOGDetector(cells, images=12, random=4, mined=5, negatives=40, rounds=2).fit(few.images, few.targets)


def test_a_score_is_the_scalar_product_of_template_and_window():
    rng = np.random.default_rng(0)
    blocks, template = (rng.normal(size=(*size, 4)).astype(np.float32) for size in ((7, 6), (3, 2)))
    scores = score_windows(blocks, template)
    assert scores.shape == (5, 5)
    for r, c in np.ndindex(5, 5):
        assert_allclose(scores[r, c], (blocks[r : r + 3, c : c + 2].astype(float) * template).sum(), rtol=1e-6)
    assert score_windows(blocks[:2], template).size == 0


def test_windows_and_detections_are_those_of_the_detector(detector, few):
    for image in few.images[:3]:
        levels = search_windows(detector, image)
        windows = collect_windows(levels, image.shape[:2], detector.floor)
        ours, theirs = (found["scores"].float().sort().values for found in (windows, detector.every_window(image)))
        ours, theirs = (some[some > detector.floor + 1e-3] for some in (ours, theirs))  # neither just below nor above
        assert len(ours) > 50
        assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
        kept, detections = suppress(windows, detector), detector.predict(image[None])[0]
        assert torch.equal(kept["labels"], detections["labels"])
        assert_close(kept["scores"].float(), detections["scores"], rtol=1e-4, atol=1e-4)
        assert_close(kept["boxes"].float(), detections["boxes"], rtol=1e-4, atol=1e-3)


def test_training_in_rounds_is_that_of_the_detector(detector, few):
    ours = replace(detector)
    rounds = train_in_rounds(ours, few.images, list(few.targets))
    assert len(rounds) == 3  # at random, and two rounds of hard negatives
    for own, theirs in zip(ours.coef_, detector.coef_, strict=True):
        assert_array_equal(own, theirs)
    assert ours.intercept_ == detector.intercept_
    assert rounds[0].before is None
    for turn in rounds[1:]:
        assert all((some > detector.floor - 1e-4).all() for some in turn.before)  # false alarms: they were found
        assert np.concatenate(turn.after).mean() < np.concatenate(turn.before).mean()
        for k, some in enumerate(turn.added):
            assert some.shape == (len(turn.before[k]), detector.coef_[k].size)
    assert_allclose(rounds[-1].after[0], rounds[-1].added[0] @ ours.coef_[0].ravel() + ours.intercept_[0])
