"""Pose without a network: crops and mirrors, the mean pose, kernel ridge regression, how settings are chosen."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from ch07_applications.video.people import Studio
from ch07_applications.video.pose_rivals import BoxCrops, KernelRidge, MeanPose, fit_best, fit_structure, hog_rows
from ch07_applications.video.posed_people import MIRRORED, PosedPeople, frames_of
from ch07_applications.video.views import SIZE


@pytest.fixture(scope="module")
def people():
    return frames_of(Studio(side=64, frames=2).shoot(24))


@pytest.fixture(scope="module")
def crops(people):
    return BoxCrops.of(people)


def test_crops_know_the_way_back(people, crops):
    np.testing.assert_allclose(crops.in_pictures(crops.points), people.joints, atol=1e-3)
    assert crops.crops.shape == (48, SIZE, SIZE, 3)


def test_mirrors_have_left_for_right(crops):
    both = crops.with_mirrors()
    assert len(both.crops) == len(both.points) == len(both.seen) == len(both.views) == 96
    np.testing.assert_array_equal(both.crops[48:, :, ::-1], crops.crops)
    np.testing.assert_allclose(both.points[48:, MIRRORED, 0], SIZE - crops.points[..., 0], rtol=1e-6)
    np.testing.assert_array_equal(both.points[48:, MIRRORED, 1], crops.points[..., 1])


def test_the_mean_pose_is_of_joints_that_are_seen(crops):
    seen, points = crops.seen.copy(), crops.points.copy()
    seen[::2, 6], points[::2, 6] = False, 999
    found = MeanPose().fit(BoxCrops(crops.crops, points, seen, crops.views)).predict(crops.crops[:3])
    np.testing.assert_allclose(found[2, 6], points[1::2, 6].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(found[0, 7], points[:, 7].mean(axis=0), rtol=1e-5)


def test_kernel_ridge_is_its_equation(crops):
    """mean + k(x) (K + λ I)⁻¹ (Y − mean)."""
    model = KernelRidge(penalty=0.3, gamma=1.5).fit(crops)
    rows = hog_rows(crops.crops)
    kernel = rbf_kernel(rows.astype(float), gamma=1.5 / (2 * rows.var(axis=0).sum()))
    mean = model.mean.pose
    weights = np.linalg.solve(kernel + 0.3 * np.eye(len(rows)), (crops.points - mean).reshape(len(rows), -1))
    np.testing.assert_allclose(
        model.predict(crops.crops).reshape(len(rows), -1), kernel @ weights + mean.ravel(), atol=0.02
    )


def test_a_training_person_s_hidden_joints_change_nothing(crops):
    seen, points = crops.seen.copy(), crops.points.copy()
    seen[::4, 0] = False
    one = KernelRidge().fit(BoxCrops(crops.crops, points.copy(), seen, crops.views)).predict(crops.crops)
    points[::4, 0] = 1e4
    other = KernelRidge().fit(BoxCrops(crops.crops, points, seen, crops.views)).predict(crops.crops)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_settings_are_those_with_the_best_held_out_score(people, crops):
    class Fixed:
        def __init__(self, away):
            self.away = away

        def fit(self, part):
            self.count = len(part.crops)
            return self

        def predict(self, cropped):
            return crops.points + np.float32(self.away)

    model, best = fit_best(Fixed, [{"away": 9.0}, {"away": 0.0}, {"away": 5.0}], crops, slice(0, 8), people)
    assert best == {"away": 0.0}
    assert model.count == 48  # the best one has learned from all


def test_the_structure_s_weight_is_chosen_too(people, crops):
    model, best = fit_structure(crops, people.take(slice(0, 8)), 0, types=(1, 2), weights=(0.5, 1e-6))
    assert (model.types, model.weight) == (best["types"], best["weight"])
    assert best["weight"] == 0.5  # without the pixels it is no better than the mean


def test_nobody_s_crop_is_the_whole_picture(people):
    part = people.take(slice(0, 2))
    part = PosedPeople(part.images, part.joints, np.zeros((2, 4), np.float32), part.groups)
    np.testing.assert_array_equal(BoxCrops.of(part).crops, part.images)
    assert torch.equal(BoxCrops.of(part).views[0, :, :2], torch.eye(2))
