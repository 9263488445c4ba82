"""Frames at half the size, and windows that take their boxes along."""

import numpy as np
import pytest
import torch
from skimage.transform import downscale_local_mean

from ch06_detection.augmentation.frame_windows import FrameWindows
from ch06_detection.geometry.half_size import HalfSize, halve
from common.detector import Detector
from common.errors import Problem


def test_halving_is_the_mean_of_four():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 10, 3), dtype=np.uint8)
    expected = np.stack([downscale_local_mean(image, (2, 2, 1)) for image in images])
    assert halve(images).dtype == np.uint8
    assert np.abs(halve(images) - expected).max() <= 0.5


def test_an_odd_frame_is_a_problem():
    with pytest.raises(Problem, match="7×10"):
        halve(np.zeros((1, 7, 10, 3), np.uint8))


class Corner(Detector):
    """Finds one object in the corner, and remembers what it was shown. A pixel's proposals cost a second."""

    def fit(self, images, targets):
        self.shown = images.shape, targets
        return self

    def predict(self, images):
        said = {"boxes": torch.tensor([[0.0, 0, 4, 6]]), "labels": torch.ones(1).long(), "scores": torch.ones(1)}
        return [said for _ in images]

    def seconds_before(self, images):
        return 1000.0 + images.size

    def seconds_for_proposals(self, images):
        return float(images.size)


def test_seconds_are_those_of_frames_at_half_size():
    detector, images = HalfSize(Corner()), np.zeros((2, 20, 30, 3), np.uint8)
    assert detector.seconds_before(images) == 1000 + 2 * 10 * 15 * 3
    assert detector.seconds_for_proposals(images) == 2 * 10 * 15 * 3


def test_a_detector_sees_half_and_answers_in_whole_pixels():
    detector = HalfSize(Corner())
    target = {"boxes": torch.tensor([[2.0, 4, 8, 10]]), "labels": torch.tensor([1])}
    detector.fit(np.zeros((1, 20, 30, 3), np.uint8), [target])
    shape, (seen,) = detector.detector.shown
    assert shape == (1, 10, 15, 3)
    assert seen["boxes"].tolist() == [[1, 2, 4, 5]]
    assert target["boxes"].tolist() == [[2, 4, 8, 10]]
    assert detector.predict(np.zeros((1, 20, 30, 3), np.uint8))[0]["boxes"].tolist() == [[0, 0, 8, 12]]


def test_boxes_go_where_their_pixels_go():
    images, targets, rng = torch.zeros(40, 3, 80, 100), [], np.random.default_rng(0)
    for image in images:
        x, y = rng.integers(0, 85), rng.integers(0, 65)
        image[:, y : y + 15, x : x + 12] = 1
        targets.append({"boxes": torch.tensor([[x, y, x + 12, y + 15]]).float(), "labels": torch.tensor([1])})
    windows, found = FrameWindows((48, 64))(images, targets, torch.Generator().manual_seed(0))
    assert windows.shape == (40, 3, 48, 64)
    kept = 0
    for window, target in zip(windows, found, strict=True):
        rows, columns = ((window[0] > 0.5).any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        for box in target["boxes"]:
            kept += 1
            assert box.tolist() == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        if not len(target["boxes"]):  # its middle is outside
            assert len(rows) <= 8 or len(columns) <= 6
    assert 5 < kept < 40


def test_windows_of_frames_without_people():
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    _, found = FrameWindows((8, 8))(torch.zeros(3, 3, 20, 20), [nothing] * 3, torch.Generator())
    assert [target["boxes"].shape for target in found] == [(0, 4)] * 3
