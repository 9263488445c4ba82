"""HOG against scikit-image on noise, ramps and photos, and against scikit-learn's idea of a transformer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data
from skimage.feature import hog
from skimage.transform import resize
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from common.features import hog as module
from common.features.hog import BLOCK_NORMS, HOG, cell_histograms

ATOL = 1e-6


def peer(images: np.ndarray, **parameters) -> np.ndarray:
    channel_axis = -1 if images.ndim == 4 else None
    return np.stack([hog(image, channel_axis=channel_axis, **parameters) for image in images])


def assert_agrees(images: np.ndarray, **parameters) -> None:
    assert_allclose(HOG(**parameters).fit_transform(images), peer(images, **parameters), rtol=0, atol=ATOL)


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 37, 50, 3), dtype=np.uint8)


# --- the same numbers as scikit-image ---------------------------------------------------------------------------------


@pytest.mark.parametrize("block_norm", BLOCK_NORMS)
@pytest.mark.parametrize("transform_sqrt", [False, True])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("scale", [1, np.float32(1 / 255), 1 / 255])
def test_agrees_for_every_norm_and_type(noise, block_norm, transform_sqrt, colour, scale):
    images = noise if colour else noise[..., 0]
    images = images if scale == 1 else images * scale
    assert images.dtype == np.dtype(np.uint8 if scale == 1 else type(scale))
    assert_agrees(images, block_norm=block_norm, transform_sqrt=transform_sqrt)


@pytest.mark.parametrize("pixels_per_cell", [(8, 8), (7, 5), (1, 1), (2, 3)])
@pytest.mark.parametrize("cells_per_block", [(3, 3), (2, 2), (1, 1), (4, 1)])
@pytest.mark.parametrize("orientations", [9, 1, 7, 8, 28])
def test_agrees_for_every_geometry(noise, pixels_per_cell, cells_per_block, orientations):
    assert_agrees(
        noise[:2, ..., 0],
        orientations=orientations,
        pixels_per_cell=pixels_per_cell,
        cells_per_block=cells_per_block,
    )


def test_default_parameters_are_those_of_scikit_image(noise):
    images = noise[..., 0]
    assert_allclose(HOG().fit_transform(images), [hog(image) for image in images], rtol=0, atol=ATOL)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
    levels=st.sampled_from(
        [1, 2, 3, 5, 256]
    ),  # few levels: many gradients at 0°, 45°, 90°, 135°, and many channels tie
    kind=st.sampled_from([np.uint8, np.int64, np.float32, np.float64, bool]),
    orientations=st.integers(1, 36),
    cell=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    block=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    block_norm=st.sampled_from(BLOCK_NORMS),
    transform_sqrt=st.booleans(),
)
@example(
    0, (1, 7, 9), None, 5, np.uint8, 33, (1, 1), (1, 1), "L1", True
)  # once wrong: 60° beside the edge 11·(180°/33)
def test_agrees_for_any_image(
    seed, shape, channels, levels, kind, orientations, cell, block, block_norm, transform_sqrt
):
    images = np.random.default_rng(seed).integers(0, levels, shape if channels is None else (*shape, channels))
    images = images / 255 if np.issubdtype(kind, np.floating) else images
    images = images.astype(kind)
    cell = tuple(map(min, cell, shape[1:]))
    block = tuple(min(b, side // c) for b, side, c in zip(block, shape[1:], cell, strict=True))
    assert_agrees(
        images,
        orientations=orientations,
        pixels_per_cell=cell,
        cells_per_block=block,
        block_norm=block_norm,
        transform_sqrt=transform_sqrt,
    )


@pytest.mark.parametrize("orientations", range(1, 37))
@pytest.mark.parametrize("kind", [np.uint8, np.float64])
def test_agrees_on_the_edges_of_bins(orientations, kind):
    """Ramps along small integers: 0°, 45°, 90° and 135° are edges of bins for 4, 8, 12 … orientations."""
    y, x = np.mgrid[:24, :24]
    slopes = [(a, b) for a in range(-3, 4) for b in range(-3, 4)]
    ramps = np.stack([a * y + b * x + 128 for a, b in slopes]).astype(kind)
    assert_agrees(ramps / 255 if kind is np.float64 else ramps, orientations=orientations)


def test_agrees_on_every_gradient_of_uint8():
    """3×3 images whose middle has each gradient (gx, gy) of a dense sample; their only cell is that pixel's."""
    gx, gy = (g.ravel() for g in np.mgrid[-255:256:6, -255:256:7])
    images = np.zeros((len(gx), 3, 3), np.uint8)
    images[:, 1, 0], images[:, 1, 2] = np.maximum(-gx, 0), np.maximum(gx, 0)
    images[:, 0, 1], images[:, 2, 1] = np.maximum(-gy, 0), np.maximum(gy, 0)
    assert_agrees(images, orientations=12, pixels_per_cell=(1, 1), cells_per_block=(3, 3))


@pytest.mark.parametrize("gy", [1e-17, -1e-17, 0.0])
def test_agrees_where_rounding_takes_an_angle_to_180_degrees(gy):
    image = np.zeros((1, 3, 3))
    image[0, 1, 2], image[0, 2, 1] = 1, gy
    assert_agrees(image, pixels_per_cell=(3, 3), cells_per_block=(1, 1))


def test_agrees_on_sixty_degrees_of_roots():
    """√3 and 1 meet at 60°, an edge of 9 bins, but for the rounding."""
    image = np.zeros((1, 3, 3), np.uint8)
    image[0, 1, 2], image[0, 2, 1] = 1, 3
    assert_agrees(image, pixels_per_cell=(3, 3), cells_per_block=(1, 1), transform_sqrt=True)


@pytest.mark.parametrize(
    "photo", [data.camera, data.astronaut, lambda: data.camera() / 255, lambda: data.astronaut() / 255]
)
@pytest.mark.parametrize("orientations", [8, 9])
@pytest.mark.parametrize("cells_per_block", [(2, 2), (3, 3)])
def test_agrees_on_photos(photo, orientations, cells_per_block):
    assert_agrees(photo()[None], orientations=orientations, cells_per_block=cells_per_block)


def test_agrees_on_a_resized_photo():
    """Interpolation leaves gradients of 1e-17, where a bin hangs on the last bit."""
    assert_agrees(resize(data.astronaut(), (131, 97))[None])


def test_flat_images_have_no_edges():
    assert_array_equal(HOG().fit_transform(np.full((2, 32, 32), 200, np.uint8)), 0)


def test_contrast_and_brightness_do_not_matter(noise):
    images = noise[..., 0] // 4
    expected = HOG().fit_transform(images)
    assert_allclose(HOG().fit_transform(2 * images + 20), expected, atol=1e-4)


# --- cells ------------------------------------------------------------------------------------------------------------


def test_a_cell_holds_the_mean_vote_of_its_pixels():
    image = np.zeros((1, 8, 16), np.uint8)
    image[0, :, 4:] = 10  # an upright edge in the left cell: gx = 10 in two columns, angle 0
    cells = cell_histograms(image)
    assert cells.shape == (1, 1, 2, 9)
    assert cells[0, 0, 0, 0] == pytest.approx(2 * 10 / 8)
    assert cells.sum() == cells[0, 0, 0, 0]


def test_a_falling_ramp_votes_for_its_angle():
    y, x = np.mgrid[:10, :10]
    cells = cell_histograms((2 * x + 6 * y).astype(np.uint8)[None], orientations=18, pixels_per_cell=(10, 10))
    assert cells.argmax() == int(np.degrees(np.arctan2(6, 2)) // 10)


def test_opencv_sees_the_same_cells(noise):
    """OpenCV interpolates votes as the paper does and starts its bins elsewhere: alike, not equal."""
    photo = data.camera()
    ours = cell_histograms(photo[None], pixels_per_cell=(16, 16))[0]
    size = photo.shape[::-1]
    descriptor = cv2.HOGDescriptor(size, (16, 16), (16, 16), (16, 16), 9, 1, -1, cv2.HOGDescriptor_L2Hys, 1e9, False)
    theirs = descriptor.compute(photo).reshape(32, 32, 9).swapaxes(0, 1)  # OpenCV walks down the columns of blocks
    shown = np.linalg.norm(ours, axis=-1) > 1
    ours, theirs = (c[shown] / np.linalg.norm(c[shown], axis=-1, keepdims=True) for c in (ours, theirs))
    alike, shuffled = (ours * theirs).sum(-1).mean(), (ours * np.roll(theirs, 1, axis=0)).sum(-1).mean()
    assert alike > 0.9 > shuffled


# --- a scikit-learn transformer ---------------------------------------------------------------------------------------


@parametrize_with_checks([HOG(), HOG(orientations=4, pixels_per_cell=(1, 2), block_norm="L1-sqrt")])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_chunks_do_not_change_the_result(noise, monkeypatch):
    whole = HOG().fit_transform(noise)
    for pixels in (1, 2 * 37 * 50 * 3, 10**9):
        monkeypatch.setattr(module, "CHUNK", pixels)
        assert_array_equal(HOG().fit_transform(noise), whole)


def test_chunks_bound_the_memory(monkeypatch):
    sizes = []
    whole = module.cell_histograms
    monkeypatch.setattr(
        module, "cell_histograms", lambda images, *args: sizes.append(images.size) or whole(images, *args)
    )
    HOG().fit_transform(np.zeros((1000, 28, 28), np.uint8))
    assert sum(sizes) == 1000 * 28 * 28
    assert max(sizes) <= module.CHUNK


def test_descriptors_are_float32_and_named(noise):
    transformer = HOG().fit(noise)
    descriptors = transformer.transform(noise)
    assert descriptors.dtype == np.float32
    assert list(transformer.get_feature_names_out()) == [f"hog{i}" for i in range(descriptors.shape[1])]


def test_rows_are_square_images_else_images_one_pixel_high():
    images = load_digits().images[:5]
    parameters = {"pixels_per_cell": (4, 4), "cells_per_block": (2, 2)}
    stacked = HOG(**parameters).fit(images)
    expected = stacked.transform(images)
    rows = images.reshape(5, 64)
    assert_array_equal(HOG(**parameters).fit_transform(rows), expected)
    assert_array_equal(stacked.transform(rows), expected)
    assert_array_equal(HOG(**parameters).fit_transform(list(images)), expected)
    assert HOG().fit(rows[:, :60]).image_shape_ == (1, 60)


def test_image_shape_tells_what_a_row_is(noise):
    rows = noise.reshape(len(noise), -1)
    assert_array_equal(HOG(image_shape=[37, 50, 3]).fit_transform(rows), HOG().fit_transform(noise))
    with pytest.raises(ValueError, match=r"rows of 5550 pixels, which no image_shape=\(37, 50\)"):
        HOG(image_shape=(37, 50)).fit(rows)


def test_a_small_image_is_one_cell_and_one_block(noise):
    images = noise[:, :6, :20, 0]
    transformer = HOG().fit(images)
    assert transformer.pixels_per_cell_ == (6, 8)
    assert transformer.cells_per_block_ == (1, 2)
    expected = peer(images, pixels_per_cell=(6, 8), cells_per_block=(1, 2))
    assert_allclose(transformer.transform(images), expected, rtol=0, atol=ATOL)


@pytest.mark.parametrize("other", [(37, 49, 3), (50, 37, 3), (37, 50), (37, 50, 1)])
def test_refuses_images_of_another_shape(noise, other):
    with pytest.raises(ValueError, match=r"X has images of shape .*, but HOG is expecting \(37, 50, 3\)"):
        HOG().fit(noise).transform(np.zeros((2, *other), np.uint8))


@pytest.mark.parametrize("images", [np.zeros((2, 3, 4, 5, 6)), np.zeros((0, 8, 8)), np.full((1, 8, 8), np.nan)])
def test_refuses_what_is_no_stack_of_images(images):
    with pytest.raises(ValueError, match=r"dim 5|0 sample|NaN"):
        HOG().fit(images)


def test_refuses_the_root_of_negative_pixels(noise):
    with pytest.raises(ValueError, match="negative"):
        HOG(transform_sqrt=True).fit_transform(noise - 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("orientations", 0),
        ("orientations", 256),
        ("orientations", 9.0),
        ("pixels_per_cell", 8),
        ("pixels_per_cell", (8, 0)),
        ("pixels_per_cell", (8, 8, 8)),
        ("cells_per_block", (2.0, 2)),
        ("block_norm", "l2"),
        ("block_norm", None),
        ("transform_sqrt", "yes"),
        ("image_shape", (28,)),
        ("image_shape", 28),
    ],
)
def test_refuses_a_parameter_that_makes_no_sense(noise, name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of HOG must be .* Got .* instead\."):
        HOG(**{name: value}).fit(noise)


def test_digits_are_told_apart_in_a_pipeline():
    digits = load_digits()
    X_train, X_test, y_train, y_test = train_test_split(digits.images, digits.target, random_state=0)
    pipeline = make_pipeline(HOG(pixels_per_cell=(2, 2), cells_per_block=(2, 2)), LinearSVC(random_state=0))
    shuffled = make_pipeline(clone(pipeline[0]), LinearSVC(random_state=0))
    y_shuffled = np.random.default_rng(0).permutation(y_train)
    assert pipeline.fit(X_train, y_train).score(X_test, y_test) > 0.9
    assert shuffled.fit(X_train, y_shuffled).score(X_test, y_test) < 0.3


def test_grid_search_chooses_the_cell():
    digits = load_digits()
    search = GridSearchCV(
        make_pipeline(HOG(cells_per_block=(1, 1)), LinearSVC(random_state=0)),
        {"hog__pixels_per_cell": [(2, 2), (8, 8)]},
        cv=3,
    ).fit(digits.images[:600], digits.target[:600])
    assert search.best_params_ == {"hog__pixels_per_cell": (2, 2)}
