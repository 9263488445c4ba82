"""Upright patches, views and matches against scikit-image, known maps, and edges whose direction is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from skimage.color import rgb2gray
from skimage.transform import AffineTransform, warp
from sklearn.neighbors import NearestNeighbors

from ch05_cnn.drawings.keypoints import draw_patch
from ch05_cnn.keypoints import (
    DIRECTIONS,
    KINDS,
    PATCH,
    PHOTO,
    WIDEST,
    better_not_rotated,
    cut_patches,
    describe_by_pixels,
    describe_by_sift,
    find_keypoints,
    lesson,
    match_descriptors,
    orientation_histogram,
)
from ch05_cnn.sift.views import NOISE, SIDE, Keypoints, View, same_spot
from common import data
from common.console import Console
from common.data import Scale
from common.record import Fact, LessonRecord
from common.run import Run


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return rgb2gray(data.photo(PHOTO))[100:300, 100:300]


@pytest.fixture(scope="module")
def seen(photo) -> tuple[Keypoints, np.ndarray]:
    return find_keypoints(photo)


def ramp(angle: float, side: int = 121) -> np.ndarray:
    """A picture that gets brighter towards the angle, counter-clockwise from the right."""
    y, x = np.mgrid[:side, :side] - side // 2
    return 0.5 + 0.002 * (np.cos(angle) * x - np.sin(angle) * y)


def one(angle: float = 0.0, sigma: float = 2.0, place: tuple = (60.0, 60.0)) -> Keypoints:
    return Keypoints(np.array([place]), np.array([sigma]), np.array([angle]))


# --- patches ----------------------------------------------------------------------------------------------------------


def test_our_descriptors_are_scikit_image_s(photo, seen):
    """It measures from downwards on: its grid is ours, a quarter of a turn on, its directions are the same."""
    keypoints, theirs = seen
    ours = describe_by_sift(cut_patches(photo, keypoints, keypoints.angles))
    theirs = np.rot90(theirs.reshape(-1, 4, 4, 8), axes=(1, 2)).reshape(ours.shape)
    cosine = (ours * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    assert len(keypoints) > 100
    assert np.median(cosine) > 0.98
    assert keypoints.sigmas.max() <= WIDEST


def test_orientations_are_scikit_image_s_but_for_its_half_bar(photo, seen):
    keypoints, _ = seen
    histograms = np.array([orientation_histogram(p) for p in cut_patches(photo, keypoints, np.zeros(len(keypoints)))])
    peak, item = histograms.argmax(axis=1), np.arange(len(keypoints))
    before, at, after = (histograms[item, (peak + k) % DIRECTIONS] for k in (-1, 0, 1))
    peak = 10 * (peak + (before - after) / (2 * (before + after - 2 * at)))
    beyond = (np.degrees(keypoints.angles) - peak + 180) % 360 - 180
    assert np.median(beyond[np.abs(beyond) < 40]) == pytest.approx(5, abs=0.5)  # others have a second orientation
    assert np.mean(np.abs(beyond) < 40) > 0.7


@pytest.mark.parametrize("degrees", [0, 30, 90, 200, 315])
def test_a_patch_is_turned_until_its_angle_points_right(degrees):
    angle = np.radians(degrees)
    picture = ramp(angle)
    assert (
        orientation_histogram(cut_patches(picture, one(), np.zeros(1))[0]).argmax() == round(degrees / 10) % DIRECTIONS
    )
    turned = cut_patches(picture, one(angle), np.array([angle]))[0]
    assert_allclose(np.diff(turned, axis=0), 0, atol=1e-5)
    assert_allclose(np.diff(turned, axis=1), 0.002 * 2 * 3 / 4, atol=1e-5)  # σ = 2, 3σ a bin, 4 pixels a bin


def test_a_patch_without_a_turn_is_the_blurred_picture():
    from scipy.ndimage import gaussian_filter

    picture = np.random.default_rng(0).random((121, 121))
    sigma = 0.8 * 2 ** (5 / 3)
    cut = cut_patches(picture, one(sigma=sigma, place=(58.0, 63.0)), np.zeros(1))[0]
    smooth = gaussian_filter(picture, np.sqrt(sigma**2 - 0.25), mode="mirror")
    assert cut[PATCH // 2, PATCH // 2] == pytest.approx(smooth[58, 63], abs=1e-5)
    step = 0.75 * sigma
    inner = [(58 + step * (i - PATCH // 2), 63 + step * (j - PATCH // 2)) for i, j in [(3, 20), (9, 5)]]
    expected = [
        (1 - y % 1) * ((1 - x % 1) * smooth[int(y), int(x)] + x % 1 * smooth[int(y), int(x) + 1])
        + y % 1 * ((1 - x % 1) * smooth[int(y) + 1, int(x)] + x % 1 * smooth[int(y) + 1, int(x) + 1])
        for y, x in inner
    ]
    assert_allclose([cut[3, 20], cut[9, 5]], expected, atol=1e-5)


def test_pixels_forget_brightness_and_contrast():
    cut = np.random.default_rng(0).random((5, PATCH, PATCH)).astype(np.float32)
    v = describe_by_pixels(cut)
    assert_allclose(v.mean(axis=1), 0, atol=1e-6)
    assert_allclose(np.linalg.norm(v, axis=1), 1, atol=1e-5)
    assert_allclose(describe_by_pixels(0.3 * cut + 0.2), v, atol=1e-5)
    assert_array_equal(describe_by_pixels(np.full((1, PATCH, PATCH), 0.5, np.float32)), 0)


def test_the_descriptor_drawn_is_the_descriptor(photo, seen):
    keypoint = seen[0].take(7)
    patch, upright = (cut_patches(photo, keypoint, angles)[0] for angles in (np.zeros(1), keypoint.angles))
    numbers = describe_by_sift(upright[None])[0]
    figure = draw_patch(patch, upright, float(keypoint.angles[0]), orientation_histogram(patch), numbers)
    arrows = figure.axes[3].collections[0]
    expected = describe_by_sift(cut_patches(photo, seen[0].take(7), seen[0].angles[[7]]))[0]
    assert_allclose(np.hypot(arrows.U, arrows.V), expected, atol=1e-6)
    bars = [bar.get_height() for bar in figure.axes[1].patches]
    assert len(bars) == DIRECTIONS
    assert max(bars) == 1


# --- views ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [View(turn=70), View(aside=45), View(scale=0.7), View(turn=200, aside=20, scale=1.1)])
def test_a_view_is_scikit_image_s_warp(view):
    picture = np.pad(np.random.default_rng(0).random((40, 40)), 6).repeat(10, 0).repeat(10, 1)
    ours = view.of(picture, np.random.default_rng(0))
    matrix = view.matrix()[::-1, ::-1]  # (x, y)
    middle = (np.array(picture.shape) - 1) / 2 - matrix @ np.full(2, (SIDE - 1) / 2)
    transform = AffineTransform(matrix=np.block([[matrix, middle[:, None]], [np.zeros((1, 2)), np.ones((1, 1))]]))
    theirs = warp(picture, transform, output_shape=(SIDE, SIDE), order=1)
    assert np.median(np.abs(ours - theirs)) < 2 * NOISE


def test_a_view_from_aside_is_narrow_and_a_dark_one_dark(photo):
    large = np.tile(photo, (3, 3))
    rng = np.random.default_rng(0)
    seen = View(aside=60).in_photo(Keypoints(np.array([[0.0, 0.0], [0.0, 351.0]]), np.ones(2), np.zeros(2)), (600, 600))
    assert_allclose(np.diff(seen.places, axis=0), [[0, 702]])  # 351 pixels of the view are twice as many of the photo
    assert_allclose(seen.sigmas, np.sqrt(2))
    assert View(light=0.3).of(large, rng).mean() == pytest.approx(0.3 * View().of(large, rng).mean(), rel=0.02)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 360), st.floats(0, 50), st.floats(0.6, 1.5))
def test_a_spot_stays_the_spot(turn, aside, scale):
    """A keypoint brought into the view by the inverse map is the same spot; one beside it, or larger, is not."""
    view, rng = View(turn, aside, scale), np.random.default_rng(0)
    there = Keypoints(200 + 100 * rng.random((6, 2)), np.full(6, 3.0), np.zeros(6))
    matrix = view.matrix()
    here = (there.places - 255.5) @ np.linalg.inv(matrix).T + (SIDE - 1) / 2
    back = view.in_photo(Keypoints(here, there.sigmas / np.sqrt(np.linalg.det(matrix)), there.angles), (512, 512))
    assert_allclose(back.places, there.places)
    assert_array_equal(same_spot(back, there), cdist(there.places, there.places) <= 3)
    assert not np.diag(same_spot(Keypoints(back.places + 2.2, back.sigmas, back.angles), there)).any()
    assert not same_spot(Keypoints(back.places, 1.5 * back.sigmas, back.angles), there).any()


# --- matches and the lesson -------------------------------------------------------------------------------------------


def test_matches_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    a, b = (rng.random((n, 16)).astype(np.float32) for n in (30, 40))
    same = rng.random((30, 40)) < 0.5
    matches = match_descriptors(a, b, same)
    distance, to = NearestNeighbors(n_neighbors=2).fit(b).kneighbors(a)
    assert_array_equal(matches.to, to[:, 0])
    assert_allclose(matches.ratio, distance[:, 0] / distance[:, 1], rtol=1e-4)
    assert_array_equal(matches.right, same[np.arange(30), to[:, 0]])


def test_views_in_which_turning_costs_are_named():
    shares = {"rotated": (70.0, 95.0), "smaller": (97.0, 93.0), "darker": (91.0, 91.0)}
    facts = [
        Fact(f"correct matches, {view}, {name}", value + seed, "%", seed)
        for view, both in shares.items()
        for name, value in zip(("SIFT, not rotated", "SIFT"), both, strict=True)
        for seed in (0, 1)
    ]
    assert better_not_rotated(LessonRecord("", "", facts=facts), shares) == ["smaller"]


def test_what_the_lesson_says(tmp_path):
    run = Run("keypoints", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lesson(run)
    value = {(row.method, row.metric): row.value for row in run.record.rows}
    right = {name: value[name, "correct matches"] for name in KINDS}
    sure = {name: value[name, "correct among those that pass the ratio test"] for name in KINDS}
    assert right["SIFT"] > 90
    assert abs(right["SIFT"] - right["scikit-image's SIFT"]) < 3
    assert right["SIFT, not rotated"] < 80
    assert sure["SIFT"] > 90
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["keypoints, darker"] < 0.7 * facts["keypoints, rotated"]  # the detector's threshold is fixed
    assert {picture.name for picture in run.record.pictures} == {"found", "descriptor", "matches", "shares"}
    assert len({row.n for row in run.record.rows if row.metric == "correct matches"}) == 1
    assert Path(tmp_path / f"keypoints_{run.record.pictures[0].name}.png").stat().st_size > 500
