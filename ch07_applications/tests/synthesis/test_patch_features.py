"""k-means features: against a loop over patches, and the properties of whitening and of triangle codes."""

import numpy as np
import pytest

from ch07_applications.synthesis.patch_features import SIDE, PatchFeatures, normalised


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (30, 5, 5)).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)


@pytest.fixture(scope="module")
def fitted(images):
    return PatchFeatures(centres=7, patches=500).fit(images)


def test_codes_are_those_of_a_loop_over_patches(images, fitted):
    image = images[3].astype(float)
    places = image.shape[0] - SIDE + 1
    sums = np.zeros((2, 2, 7))
    for top in range(places):
        for left in range(places):
            patch = normalised(image[top : top + SIDE, left : left + SIDE].reshape(1, -1))[0]
            away = np.linalg.norm((patch - fitted.mean_) @ fitted.whitening_ - fitted.centres_, axis=1)
            sums[int(top >= -(-places // 2)), int(left >= -(-places // 2))] += np.maximum(0, away.mean() - away)
    np.testing.assert_allclose(fitted.transform(images[3:4])[0], sums.reshape(-1), rtol=1e-3, atol=1e-3)


def test_some_codes_are_zero_and_none_is_negative(images, fitted):
    codes = fitted.transform(images)
    assert codes.shape == (30, 4 * 7)
    assert codes.min() >= 0
    assert np.isfinite(codes).all()


def test_brightness_and_contrast_hardly_matter(images, fitted):
    dim = (images // 2 + 60).astype(np.uint8)
    a, b = fitted.transform(images), fitted.transform(dim)
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.99


def test_whitened_patches_are_uncorrelated(images):
    features = PatchFeatures(centres=3, patches=4000, ridge=1e-9).fit(images)
    windows = np.lib.stride_tricks.sliding_window_view(images, (SIDE, SIDE), axis=(1, 2)).reshape(-1, SIDE**2)
    rows = (normalised(windows.astype(float)) - features.mean_) @ features.whitening_
    covariance = np.cov(rows, rowvar=False)
    kept = np.linalg.eigvalsh(covariance) > 0.5
    assert kept.sum() >= 8  # blocks of 2 × 2 equal pixels: few directions vary
    np.testing.assert_allclose(np.linalg.eigvalsh(covariance)[kept], 1, atol=0.35)


def test_images_smaller_than_a_patch_are_refused():
    with pytest.raises(ValueError, match="no patch"):
        PatchFeatures().fit(np.zeros((3, 5, 9), np.uint8))
