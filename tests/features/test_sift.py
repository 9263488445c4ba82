"""Dense SIFT against OpenCV, loops over the paper's definition, and scikit-learn's idea of a transformer."""

from __future__ import annotations

from math import atan2, exp, floor, hypot, pi

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from common.features import sift as module
from common.features.sift import DenseSIFT, dense_descriptors, grid_positions


def opencv(image: np.ndarray, positions: np.ndarray, bin_size: float) -> np.ndarray:
    """OpenCV's descriptors of upright keypoints at (y, x). A bin is 1.5 diameters of a keypoint wide."""
    sift = cv2.SIFT_create(sigma=bin_size / 3)
    points = [cv2.KeyPoint(float(x), float(y), bin_size / 1.5, 0.0) for y, x in positions]
    kept, descriptors = sift.compute(image, points)
    assert len(kept) == len(points)
    return descriptors


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def by_the_book(image: np.ndarray, y0: float, x0: float, bin_size: float) -> np.ndarray:
    """§6.1, a pixel at a time: its vote goes to 2×2 spatial bins and 2 orientations, whose numbers may lie outside."""
    histograms = np.zeros((4, 4, 8))
    height, width = image.shape
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            gx, gy = image[y, x + 1] - image[y, x - 1], image[y - 1, x] - image[y + 1, x]  # gy: upwards
            v, u = (y - y0) / bin_size, (x - x0) / bin_size
            vote = hypot(gx, gy) * exp(-(u * u + v * v) / (2 * 2**2))
            row, column, orientation = v + 1.5, u + 1.5, atan2(gy, gx) % (2 * pi) * 8 / (2 * pi)
            for i in (floor(row), floor(row) + 1):
                for j in (floor(column), floor(column) + 1):
                    for k in (floor(orientation), floor(orientation) + 1):
                        if 0 <= i < 4 and 0 <= j < 4:
                            share = (1 - abs(row - i)) * (1 - abs(column - j)) * (1 - abs(orientation - k))
                            histograms[i, j, k % 8] += vote * share
    v = histograms.ravel()
    v = v / (np.linalg.norm(v) or 1)
    v = np.minimum(v, 0.2)
    return v / (np.linalg.norm(v) or 1)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 23, 30, 3), dtype=np.uint8)


# --- the same numbers as others ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bin_size", [3, 4, 4.8, 6, 8])
@pytest.mark.parametrize("photo", [data.camera, data.coins, data.moon])
def test_agrees_with_opencv_on_photos(photo, bin_size):
    image = photo()[:300, :300]
    ys, xs = np.arange(1, 299, 9), np.arange(2, 298, 8)  # patches stick out, too
    ours = dense_descriptors(image[None], ys, xs, bin_size)[0].reshape(-1, 128)
    theirs = opencv(image, [(y, x) for y in ys for x in xs], bin_size)
    alike = cosines(ours, theirs.astype(float))
    assert np.median(alike) >= 0.9999
    assert np.quantile(alike, 0.05) >= 0.98  # faint patches, which OpenCV's bytes round
    assert np.median(np.abs(512 * ours - theirs)) < 0.6


def test_the_defaults_are_opencv_at_the_same_scale():
    image = data.camera()[100:261, 100:261]  # odd sides: the grid lies on whole pixels, where OpenCV rounds to
    sift = DenseSIFT().fit(image[None])
    assert_array_equal(sift.positions_ % 1, 0)
    ours = sift.transform(image[None]).reshape(-1, 128)
    assert np.median(cosines(ours, opencv(image, sift.positions_, 4).astype(float))) >= 0.999
    points = [cv2.KeyPoint(float(x), float(y), 4 / 1.5, 0.0) for y, x in sift.positions_]
    out_of_the_box = cv2.SIFT_create().compute(image, points)[1].astype(float)  # which blurs to 1.6, not to 4/3
    assert np.median(cosines(ours, out_of_the_box)) >= 0.95


def test_agrees_with_opencv_on_digits():
    images = np.kron(load_digits().images[:20], np.ones((3, 3))).clip(0, 15).astype(np.uint8) * 16
    sift = DenseSIFT(step=4, bin_size=3).fit(images[:, :23, :23])  # on whole pixels again
    ours = sift.transform(images[:, :23, :23]).reshape(20, -1, 128)
    theirs = np.array([opencv(image, sift.positions_, 3) for image in images[:, :23, :23].copy()], float)
    shown = (np.linalg.norm(ours, axis=-1) > 0) & (np.linalg.norm(theirs, axis=-1) > 0)
    assert shown.mean() > 0.8
    assert np.median(cosines(ours[shown], theirs[shown])) >= 0.999


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 14), st.integers(1, 14)),
    levels=st.sampled_from([2, 3, 256]),  # few levels: many gradients along the 8 directions, and none at all
    y=st.floats(-5, 18),
    x=st.floats(-5, 18),
    bin_size=st.floats(0.7, 6),
)
def test_agrees_with_the_definition(seed, shape, levels, y, x, bin_size):
    image = np.random.default_rng(seed).integers(0, levels, shape).astype(float)
    ours = dense_descriptors(image[None], [y], [x], bin_size, sigma=0)
    expected = by_the_book(image, y, x, bin_size)
    assert_allclose(ours[0, 0, 0], expected, atol=2e-3 if 0 < np.linalg.norm(expected) < 1e-3 else 2e-5)


def test_agrees_with_the_definition_in_groups_and_chunks(noise, monkeypatch):
    images = noise[..., 1].astype(float)
    ys, xs = np.linspace(-3, 26, 11), np.linspace(32, -4, 19)  # from right to left, for once
    whole = dense_descriptors(images, ys, xs, 2.5, sigma=0)
    assert_allclose(whole[4, 10, 3], by_the_book(images[4], ys[10], xs[3], 2.5), atol=1e-5)
    assert_allclose(whole[0, 5, 18], by_the_book(images[0], ys[5], xs[18], 2.5), atol=1e-5)
    for chunk, group in ((1, 1), (2 * 23 * 30, 3), (10**9, 100)):
        monkeypatch.setattr(module, "CHUNK", chunk)
        monkeypatch.setattr(module, "GROUP", group)
        assert_allclose(dense_descriptors(images, ys, xs, 2.5, sigma=0), whole, atol=1e-6)


# --- what it does and does not see ------------------------------------------------------------------------------------


def test_contrast_and_brightness_do_not_matter(noise):
    images = noise[..., 0].astype(float)
    expected = DenseSIFT().fit_transform(images)
    assert_allclose(DenseSIFT().fit_transform(images / 255), expected, atol=1e-5)
    assert_allclose(DenseSIFT().fit_transform(3 * images + 1000), expected, atol=1e-3)
    assert np.abs(DenseSIFT().fit_transform(255 - images) - expected).max() > 0.1  # dark on light is another edge


def test_flat_images_have_no_edges():
    colours = np.broadcast_to(np.array([200, 77, 31], np.uint8), (3, 40, 33, 3))
    for root in (False, True):
        assert_array_equal(DenseSIFT(root=root).fit_transform(colours), 0)


def test_a_quarter_turn_of_the_picture_turns_grid_bins_and_orientations(noise):
    image = noise[0, :, :, 0]
    sift = DenseSIFT(step=3, bin_size=2.5)
    upright = sift.fit_transform(image[None]).reshape(*sift.grid_, 4, 4, 8)
    turned = sift.fit_transform(np.rot90(image)[None]).reshape(*sift.grid_, 4, 4, 8)
    expected = np.roll(np.rot90(np.rot90(upright, axes=(0, 1)), axes=(2, 3)), 2, axis=-1)
    assert_allclose(turned, expected, atol=1e-5)


@pytest.mark.parametrize(("dy", "dx", "orientation"), [(0, 1, 0), (-1, 1, 1), (-1, 0, 2), (0, -1, 4), (1, 0, 6)])
def test_orientations_run_counter_clockwise(dy, dx, orientation):
    y, x = np.mgrid[:21, :21]
    ramp = 100.0 + 4 * (dy * y + dx * x)
    histograms = dense_descriptors(ramp[None], [10], [10], 4, sigma=0).reshape(16, 8)
    assert_array_equal(histograms.argmax(axis=1), orientation)
    assert_allclose(np.delete(histograms, orientation, axis=1), 0, atol=1e-5)


def test_descriptors_have_length_one_and_roots_are_hellinger(noise):
    images = noise[..., 2]
    plain, root = DenseSIFT().fit_transform(images), DenseSIFT(root=True).fit_transform(images)
    plain, root = plain.reshape(-1, 128), root.reshape(-1, 128)
    assert_allclose(np.linalg.norm(plain, axis=1), 1, atol=1e-5)
    assert plain.min() >= 0
    assert_allclose(root**2, plain / plain.sum(axis=1, keepdims=True), atol=1e-6)


def test_one_strong_edge_is_clipped():
    image = np.zeros((1, 33, 33))
    image[:, :, 17:] = 1000
    image[:, 9:12, 4:9] = 30
    v = dense_descriptors(image, [16], [16], 4, sigma=0)[0, 0, 0]
    loud = np.sort(v)[::-1]
    assert_allclose(loud[:2], loud[0], rtol=1e-5)  # the two brightest are equal: both were cut to 0.2


def test_colour_becomes_luma(noise):
    luma = noise @ np.array([0.299, 0.587, 0.114])
    assert_allclose(DenseSIFT().fit_transform(noise), DenseSIFT().fit_transform(luma), atol=1e-4)
    assert np.abs(luma - [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in noise]).max() < 0.51
    assert_allclose(
        DenseSIFT().fit_transform(noise[..., :2]), DenseSIFT().fit_transform(noise[..., :2].mean(-1)), atol=1e-4
    )
    assert_array_equal(DenseSIFT().fit_transform(noise[..., :1]), DenseSIFT().fit_transform(noise[..., 0]))


# --- the grid ---------------------------------------------------------------------------------------------------------


@given(length=st.integers(1, 600), step=st.floats(0.3, 40), bin_size=st.floats(0.5, 30))
def test_the_grid_is_even_centred_and_as_large_as_it_can_be(length, step, bin_size):
    positions = grid_positions(length, step, bin_size)
    assert_allclose(positions + positions[::-1], length - 1, atol=1e-6)
    assert_allclose(np.diff(positions), step, rtol=1e-6)
    border, room = -0.5, 1e-6 * (1 + length)  # the image begins half a pixel before the centre of its first
    if len(positions) > 1:
        assert positions[0] - border >= bin_size - room
    assert positions[0] - border - step / 2 <= max(bin_size, (length - step) / 2) + room


def test_small_images_have_a_grid_of_their_own():
    assert DenseSIFT().fit(np.zeros((1, 28, 28))).grid_ == (6, 6)
    sift = DenseSIFT().fit(np.zeros((1, 32, 5, 3)))
    assert sift.grid_ == (7, 1)
    assert_array_equal(sift.positions_, [(3.5 + 4 * i, 2) for i in range(7)])


def test_keypoints_go_row_by_row(noise):
    sift = DenseSIFT(step=3.5, bin_size=2).fit(noise)
    descriptors = sift.transform(noise).reshape(len(noise), *sift.grid_, 128)
    y, x = sift.positions_.reshape(*sift.grid_, 2)[2, 1]
    assert_allclose(descriptors[:, 2, 1], dense_descriptors(noise, [y], [x], 2)[:, 0, 0], atol=1e-6)


# --- a scikit-learn transformer ---------------------------------------------------------------------------------------


@parametrize_with_checks([DenseSIFT(), DenseSIFT(step=1.5, bin_size=1, sigma=0, root=True)])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_descriptors_are_float32_and_named(noise):
    sift = DenseSIFT().fit(noise)
    descriptors = sift.transform(noise)
    assert descriptors.dtype == np.float32
    assert descriptors.shape == (len(noise), sift.grid_[0] * sift.grid_[1] * 128)
    assert list(sift.get_feature_names_out()) == [f"densesift{i}" for i in range(descriptors.shape[1])]


def test_rows_are_images_too(noise):
    rows, expected = noise.reshape(len(noise), -1), DenseSIFT().fit_transform(noise)
    assert_array_equal(DenseSIFT(image_shape=(23, 30, 3)).fit_transform(rows), expected)
    square = noise[:, :23, :23, 0]
    assert_array_equal(DenseSIFT().fit_transform(square.reshape(5, -1)), DenseSIFT().fit_transform(square))
    with pytest.raises(ValueError, match=r"rows of 2070 pixels, which no image_shape=\(23, 30\)"):
        DenseSIFT(image_shape=(23, 30)).fit(rows)


@pytest.mark.parametrize("other", [(23, 29, 3), (30, 23, 3), (23, 30)])
def test_refuses_images_of_another_shape(noise, other):
    with pytest.raises(ValueError, match=r"X has images of shape .*, but DenseSIFT is expecting \(23, 30, 3\)"):
        DenseSIFT().fit(noise).transform(np.zeros((2, *other), np.uint8))


@pytest.mark.parametrize("images", [np.zeros((2, 3, 4, 5, 6)), np.zeros((0, 8, 8)), np.full((1, 8, 8), np.nan)])
def test_refuses_what_is_no_stack_of_images(images):
    with pytest.raises(ValueError, match=r"dim 5|0 sample|NaN"):
        DenseSIFT().fit(images)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step", 0),
        ("step", -4),
        ("step", "4"),
        ("step", np.nan),
        ("step", True),
        ("bin_size", 0.0),
        ("bin_size", None),
        ("bin_size", np.inf),
        ("sigma", -1),
        ("sigma", "auto"),
        ("root", 1),
        ("image_shape", (28,)),
        ("image_shape", (28, -28)),
    ],
)
def test_refuses_a_parameter_that_makes_no_sense(noise, name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of DenseSIFT must be .* Got .* instead\."):
        DenseSIFT(**{name: value}).fit(noise)


def test_digits_are_told_apart_in_a_pipeline():
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)
    pipeline = make_pipeline(DenseSIFT(step=4, bin_size=2, sigma=0), LinearSVC(random_state=0))
    shuffled = make_pipeline(clone(pipeline[0]), LinearSVC(random_state=0))
    y_shuffled = np.random.default_rng(0).permutation(y_train)
    assert pipeline.fit(X_train, y_train).score(X_test, y_test) > 0.97
    assert shuffled.fit(X_train, y_shuffled).score(X_test, y_test) < 0.3
