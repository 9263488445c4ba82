"""Deep colorization: the features of a pixel, the dense network, and the joint bilateral filter."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import daisy
from sklearn.linear_model import LinearRegression
from torch import nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.colour.deep_colorization import (
    DAISY,
    PATCH,
    SEMANTIC,
    DenseRegressor,
    DescribedPixels,
    dense_network,
    joint_bilateral,
)
from ch07_applications.colour.lab_pictures import halved
from ch07_applications.colour.pixel_features import (
    GROUPS,
    RADIUS,
    PixelFeatures,
    class_scores,
    daisies,
    eight_bits,
    patches,
    rows_of,
)
from ch07_applications.tests.colour.small_runs import coloured_squares
from common.model_size import model_size
from common.train import Training


@pytest.fixture(scope="module")
def features():
    train = coloured_squares(60, side=16)
    return PixelFeatures.of(train.lightness, train.labels)


def test_the_papers_numbers():
    assert PATCH + DAISY + SEMANTIC == 128
    network = dense_network(128, 64)
    assert [layer.out_features for layer in network if isinstance(layer, nn.Linear)] == [64, 64, 64, 2]
    assert parameters_of(network) == 129 * 64 + 2 * 65 * 64 + 65 * 2


def test_a_patch_lies_around_its_pixel():
    lightness = np.random.default_rng(0).uniform(0, 100, (2, 16, 20)).astype(np.float32)
    found = patches(lightness)
    assert found.shape == (2, 8, 10, 49)
    assert np.array_equal(found[1, 3, 4].reshape(7, 7), lightness[1, 4:11, 6:13])  # around row 7, column 9
    assert np.array_equal(found[..., 24], lightness[:, 1::2, 1::2])


def test_a_mosaic_has_the_daisies_of_its_pictures():
    lightness = np.random.default_rng(1).uniform(0, 100, (5, 16, 20)).astype(np.float32)
    found = daisies(lightness)
    assert found.shape == (5, 8, 10, 32)
    margin = 3 * RADIUS
    padded = np.pad(lightness[2], margin, mode="symmetric")
    alone = daisy(padded, step=1, radius=RADIUS, rings=1, histograms=3, orientations=8, normalization="l2")
    inner = alone[margin - RADIUS :, margin - RADIUS :][1:16:2, 1:20:2]
    assert found[2] == pytest.approx(inner, abs=1e-4)


def test_scores_of_training_pictures_come_from_classifiers_that_have_not_seen_them(features):
    train = coloured_squares(60, side=16)
    seen = class_scores().fit(eight_bits(train.lightness), train.labels)
    own = np.maximum(seen.predict_log_proba(eight_bits(train.lightness)), -10)
    unseen = features.training["classes"][:, 0, 0]
    assert unseen.shape == (60, 2)
    right = [(scores.argmax(axis=1) == train.labels).mean() for scores in (own, unseen)]
    assert (
        right[0] > right[1] + 0.1
    )  # labels of these pictures are arbitrary: only training on these very pictures reveals them


def test_descriptions_of_other_sizes_and_of_pictures_of_one_colour(features):
    described = features.describe(np.full((2, 24, 16), 50.0, np.float32))
    rows = rows_of(described)
    assert rows.shape == (2, 12, 8, 49 + 32 + 2)
    assert np.isfinite(rows).all()
    assert np.array_equal(rows_of(described, GROUPS[:1]), described["patch"])
    with pytest.raises(ValueError, match="even, from 8 pixels; got \\(15, 16\\)"):
        features.describe(np.zeros((1, 15, 16), np.float32))


def training(epochs=30):
    return Training(epochs, 1e-2, 200, loss=nn.functional.mse_loss)


def test_the_dense_network_learns_what_no_line_can():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3000, 4)).astype(np.float32) * 7 + 3
    colours = 20 * np.stack([np.abs(rows[:, 0] - 3) / 7, np.sign(rows[:, 1] - 3)], axis=1).astype(np.float32)
    model = DenseRegressor(training(), hidden=32).fit(rows[:2500], colours[:2500])
    error = np.mean((model.predict(rows[2500:]) - colours[2500:]) ** 2)
    line = LinearRegression().fit(rows[:2500], colours[:2500])
    assert error < 0.3 * np.mean((line.predict(rows[2500:]) - colours[2500:]) ** 2)
    assert np.array_equal(
        model.predict(rows), DenseRegressor(training(), 32).fit(rows[:2500], colours[:2500]).predict(rows)
    )


def test_a_feature_that_never_changes_does_no_harm():
    rows = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    rows[:, 1] = 5
    model = DenseRegressor(training(1), hidden=8).fit(rows, rows[:, :2].copy())
    assert np.isfinite(model.predict(rows)).all()


def test_all_regressors_learn_from_the_same_pixels(features):
    train, seen = coloured_squares(60, side=16), []

    class Keeps(LinearRegression):
        def fit(self, X, y):
            seen.append((X.copy(), y))
            return super().fit(X, y)

    for groups in (GROUPS, GROUPS[:1]):
        DescribedPixels(Keeps(), features, groups, pixels=500).fit(train.lightness, train.chroma)
    assert np.array_equal(seen[0][1], seen[1][1])
    assert np.array_equal(seen[0][0][:, :49], seen[1][0])
    model = DescribedPixels(LinearRegression(), features).fit(train.lightness, train.chroma)
    found = model.predict(train.lightness[:4])
    assert found.shape == (4, 16, 16, 2)
    assert (
        np.abs(found - train.chroma[:4]).mean()
        < np.abs(train.chroma[:4] - halved(train.chroma).mean(axis=(0, 1, 2))).mean()
    )


def test_a_filter_of_a_constant_is_the_constant():
    lightness = np.random.default_rng(0).uniform(0, 100, (2, 9, 7))
    assert joint_bilateral(np.full((2, 9, 7, 2), 12.5), lightness) == pytest.approx(np.full((2, 9, 7, 2), 12.5))


def test_a_step_of_lightness_keeps_the_step_of_chroma_and_a_flat_picture_does_not():
    chroma = np.zeros((1, 10, 10, 2))
    chroma[:, :, 5:] = 40.0
    step = np.where(np.arange(10) < 5, 20.0, 80.0)[None, None].repeat(10, axis=1)
    assert joint_bilateral(chroma, step) == pytest.approx(chroma, abs=1e-6)
    blurred = joint_bilateral(chroma, np.full((1, 10, 10), 50.0))
    assert 5 < blurred[0, 5, 4, 0] < 20 < blurred[0, 5, 5, 0] < 35


def test_with_a_flat_guide_it_is_a_gaussian():
    chroma = np.random.default_rng(0).normal(size=(1, 24, 24, 2))
    found = joint_bilateral(chroma, np.zeros((1, 24, 24)), radius=6, sigma_space=2.0)
    wanted = gaussian_filter(chroma[0], 2.0, axes=(0, 1), radius=6)
    assert found[0, 6:-6, 6:-6] == pytest.approx(wanted[6:-6, 6:-6], abs=1e-8)


def test_guided_by_itself_it_is_the_bilateral_filter():
    grey = np.random.default_rng(0).uniform(0, 1, (16, 16))
    found = joint_bilateral(np.stack([grey, grey], axis=-1)[None], grey[None], 3, 1.5, 0.2)[0, ..., 0]
    wanted = cv2.bilateralFilter(grey.astype(np.float32), 7, 0.2, 1.5)
    assert found[3:-3, 3:-3] == pytest.approx(wanted[3:-3, 3:-3], abs=2e-2)


def test_chroma_and_lightness_must_be_of_the_same_pictures():
    with pytest.raises(ValueError, match="differ in size"):
        joint_bilateral(np.zeros((1, 8, 8, 2)), np.zeros((1, 8, 9)))


def test_a_regressor_s_size_is_what_it_keeps(features):
    train, sizes = coloured_squares(60, side=16), {}
    for regressor in (LinearRegression(), DenseRegressor(training(1), 16)):
        model = DescribedPixels(regressor, features, pixels=200).fit(train.lightness, train.chroma)
        sizes[type(regressor)] = model_size(model)
    assert sizes == {LinearRegression: 2 * 83 + 2, DenseRegressor: parameters_of(dense_network(83, 16))}
