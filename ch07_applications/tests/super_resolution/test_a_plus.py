"""A+: gradients, patches and their inverse, ridge regressions by scikit-learn, the estimator's manners, and gains."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge

from ch07_applications.super_resolution.a_plus import (
    WINDOW,
    APlus,
    Examples,
    averaged,
    cut,
    gradients,
    principal_axes,
    ridge_maps,
)
from ch07_applications.super_resolution.bicubic import enlarge
from ch07_applications.super_resolution.luma_chroma import enlarge_picture
from ch07_applications.super_resolution.picture_pairs import pairs_of
from common.data.photo_pack import photographs
from common.metrics.super_resolution import psnr


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def examples():
    return Examples.of([each.image for each in photographs().train[:3]], 2, (0.5,))


@pytest.fixture(scope="module")
def model(examples):
    return APlus(2, anchors=64, neighbours=512).fit(examples.inputs, examples.answers)


# --- Parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4])
def test_gradients_are_differences_a_low_resolution_pixel_apart(factor):
    middle = numbers(24, 28)
    found = gradients(middle, factor)
    inside = np.s_[factor:-factor, factor:-factor]
    left, right = middle[:, : -2 * factor][factor:-factor], middle[:, 2 * factor :][factor:-factor]
    above, below = middle[: -2 * factor][:, factor:-factor], middle[2 * factor :][:, factor:-factor]
    assert_allclose(found[0][inside], above - below, atol=1e-5)
    assert_allclose(found[1][inside], left - right, atol=1e-5)
    assert_allclose(found[2][inside], (above + below) / 2 - middle[inside], atol=1e-5)
    assert_allclose(found[3][inside], (left + right) / 2 - middle[inside], atol=1e-5)
    assert_allclose(gradients(np.full((24, 28), 9.0, np.float32), factor), 0, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4])
def test_patches_averaged_are_the_picture_again(factor):
    picture = numbers(factor * 7, factor * 5)
    patches = cut(picture[None], factor)
    assert patches.shape == (5 * 3, (WINDOW * factor) ** 2)
    assert_allclose(averaged(patches, factor, picture.shape), picture, rtol=1e-5)


def test_averages_are_means_over_all_patches_that_lie_there():
    """The averages equal those of a loop that adds every patch to its place."""
    factor, size = 2, (12, 10)
    patches = numbers(4 * 3, 36)
    total, count = np.zeros(size), np.zeros(size)
    for number, patch in enumerate(patches):
        row, column = divmod(number, 3)
        place = np.s_[factor * row : factor * row + 6, factor * column : factor * column + 6]
        total[place] += patch.reshape(6, 6)
        count[place] += 1
    assert_allclose(averaged(patches, factor, size), total / count, atol=1e-5)


def test_maps_are_scikit_learn_s_ridge_regressions_without_a_constant():
    x, y = numbers(5, 40, 6), numbers(5, 40, 9, seed=1)
    for found, one, other in zip(ridge_maps(x, y, 0.3), x, y, strict=True):
        assert_allclose(found.T, Ridge(0.3, fit_intercept=False).fit(one, other).coef_, atol=1e-4)


def test_axes_are_the_principal_components():
    features = numbers(200, 8) * np.arange(1, 9, dtype=np.float32)
    theirs = PCA(3).fit(features).components_
    assert_allclose(np.abs(principal_axes(features, 3).T), np.abs(theirs), atol=1e-4)


# --- The estimator ----------------------------------------------------------------------------------------------------


def test_each_patch_goes_to_the_anchor_of_largest_correlation_and_through_its_map(model):
    x = numbers(300, 32)
    likeness = np.abs(x @ model.anchors_.T)
    assert (model.nearest(x) == likeness.argmax(axis=1)).all()
    wanted = np.stack([each @ model.maps_[k] for each, k in zip(x, likeness.argmax(axis=1), strict=True)])
    assert_allclose(model.missing(x), wanted, rtol=1e-3, atol=1e-4)
    assert_allclose(model.missing(-x), -wanted, rtol=1e-3, atol=1e-4)  # a patch and its negative
    assert_allclose(model.missing(3 * x), 3 * wanted, rtol=1e-3, atol=1e-3)  # contrast passes through
    assert_allclose(np.linalg.norm(model.anchors_, axis=1), 1, rtol=1e-4)


def test_maps_are_fitted_to_the_patches_that_correlate_most(examples, model, monkeypatch):
    seen = {}
    monkeypatch.setattr(APlus, "_regress", lambda self, x, wanted: seen.update(x=x, wanted=wanted) or model.maps_)
    again = APlus(2, anchors=64, neighbours=512).fit(examples.inputs, examples.answers)
    assert_allclose(again.anchors_, model.anchors_)
    assert_allclose(np.linalg.norm(seen["x"], axis=1), 1, rtol=1e-4)
    nearest = np.argsort(-np.abs(seen["x"] @ model.anchors_[5]))[:512]
    wanted = Ridge(0.01, fit_intercept=False).fit(seen["x"][nearest], seen["wanted"][nearest]).coef_.T
    assert_allclose(model.maps_[5], wanted, atol=0.01 * np.abs(wanted).max())
    furthest = np.argsort(np.abs(seen["x"] @ model.anchors_[5]))[:512]
    other = Ridge(0.01, fit_intercept=False).fit(seen["x"][furthest], seen["wanted"][furthest]).coef_.T
    assert np.abs(other - wanted).max() > 0.1 * np.abs(wanted).max()


@pytest.mark.parametrize("factor", [2, 4])
def test_a_photograph_is_enlarged_better_than_by_bicubic(factor):
    examples = Examples.of([each.image for each in photographs().train[:4]], factor, (0.6,))
    model = APlus(factor, anchors=64, neighbours=512).fit(examples.inputs, examples.answers)
    pairs = pairs_of(photographs().train[4:6], factor)
    for low, high, found in zip(pairs.lumas, pairs.truths, model.predict(pairs.lumas), strict=True):
        ours, bicubic = (psnr(high, np.clip(each, 0, 255), factor) for each in (found, enlarge(low, factor)))
        assert ours > bicubic + 0.3


def test_it_is_an_estimator(model, examples):
    assert clone(model).get_params() == model.get_params()
    assert not hasattr(clone(model), "maps_")
    assert set(model.get_params()) == {"factor", "anchors", "neighbours", "penalty", "components", "random_state"}
    with pytest.raises(NotFittedError):
        APlus().predict([np.zeros((8, 8))])
    again = clone(model).fit(examples.inputs, examples.answers)
    low = [each[:20, :24] for each in examples.inputs[:1]]
    assert_allclose(again.predict(low)[0], model.predict(low)[0])
    other = clone(model).set_params(random_state=1).fit(examples.inputs, examples.answers)
    assert np.abs(other.predict(low)[0] - model.predict(low)[0]).max() > 0


def test_wrong_input_is_named(model, examples):
    low, high = examples.inputs, examples.answers
    for factor in (1, 3, 8):
        with pytest.raises(ValueError, match="the factor is 2 or 4"):
            APlus(factor).fit(low, high)
    with pytest.raises(ValueError, match="3 pictures in low resolution, but 2 in high"):
        APlus(2).fit(low, high[:2])
    with pytest.raises(ValueError, match="0 pictures in low resolution"):
        APlus(2).fit([], [])
    with pytest.raises(ValueError, match="the factor is 4, but"):
        APlus(4).fit(low, high)
    for wrong in (np.zeros((2, 9)), np.zeros((9, 9, 3)), np.array([["a"] * 4] * 4)):
        with pytest.raises(ValueError, match="a picture is luma"):
            model.predict([wrong])
    with pytest.raises(ValueError, match="no finite numbers"):
        model.predict([np.full((9, 9), np.nan)])


def test_flat_grey_and_colour_pictures_are_enlarged(model):
    flat = np.full((9, 8, 3), 90, np.uint8)
    assert (enlarge_picture(flat, model.enlarge) == 90).all()
    assert enlarge_picture(flat[..., 0], model.enlarge).shape == (18, 16)
    assert np.isfinite(model.enlarge(np.full((3, 3), 255.0))).all()


def test_pictures_of_one_colour_teach_nothing_and_break_nothing():
    flat = np.full((24, 24), 50.0)
    model = APlus(2, anchors=4, neighbours=8).fit([flat[::2, ::2]], [flat])
    assert_allclose(model.predict([flat[:6, :6]])[0], 50, atol=1e-2)
