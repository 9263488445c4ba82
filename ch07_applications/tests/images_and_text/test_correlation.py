"""Canonical correlation analysis against scikit-learn's and against its definition; the rivals that use it."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.correlation import RidgeCCA
from ch07_applications.images_and_text.correlation_rivals import fit_rival, hand_features, pooled, runs_of
from ch07_applications.tests.images_and_text.small_scenes import regioned
from common.model_size import model_size


def two_tables(n=400):
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n, 3))
    x = np.hstack([common @ rng.normal(size=(3, 4)) + 0.5 * rng.normal(size=(n, 4)), rng.normal(size=(n, 2))])
    y = np.hstack([common @ rng.normal(size=(3, 3)) + 0.5 * rng.normal(size=(n, 3)), rng.normal(size=(n, 2))])
    return x, y


def directions(model, x, y):
    return tuple((t - m) @ d for t, m, d in zip((x, y), model.means_, model.directions_, strict=True))


def test_correlations_are_those_of_scikit_learn():
    x, y = two_tables()
    ours = RidgeCCA(ridge=0, n_components=4).fit(x, y)
    a, b = CCA(n_components=4, max_iter=5000, tol=1e-10).fit_transform(x, y)
    wanted = [np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(4)]
    np.testing.assert_allclose(ours.correlations_, wanted, atol=2e-3)
    for mine, theirs in zip(directions(ours, x, y), (a, b), strict=True):
        for k in range(3):
            assert abs(np.corrcoef(mine[:, k], theirs[:, k])[0, 1]) > 0.999


def test_directions_have_unit_variance_are_uncorrelated_and_correlate_as_stated():
    x, y = two_tables()
    model = RidgeCCA(ridge=0, n_components=5).fit(x, y)
    a, b = directions(model, x, y)
    np.testing.assert_allclose(a.T @ a / len(a), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(b.T @ b / len(b), np.eye(5), atol=1e-6)
    np.testing.assert_allclose(a.T @ b / len(a), np.diag(model.correlations_), atol=1e-6)


def test_a_ridge_keeps_chance_from_correlating():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 40)), rng.normal(size=(50, 40))
    assert RidgeCCA(ridge=0).fit(x, y).correlations_[0] > 0.99
    assert RidgeCCA(ridge=1).fit(x, y).correlations_[0] < 0.9


def test_scores_are_cosines_and_find_the_partner():
    x, y = two_tables(60)
    model = RidgeCCA(ridge=1e-3, n_components=3).fit(x, y)
    scores = model.scores(x, y)
    assert np.abs(scores).max() <= 1 + 1e-9
    assert scores.diagonal().mean() > scores.mean() + 0.5
    with pytest.raises(ValueError, match="two tables"):
        model.fit(x, y[:-1])


def test_runs_of_words_stand_side_by_side():
    caption = Caption(("a", "red", "boot"), (-1, 0, 0))
    assert runs_of(caption, 2) == ["a", "red", "boot", "a red", "red boot"]


def test_hand_made_features_are_hog_colours_and_place():
    regions = regioned(6).regions
    features = hand_features(regions)
    assert features.shape[:2] == (6, 7)
    shares = features[..., -68:-4] ** 2
    np.testing.assert_allclose(shares.sum(axis=2), 1, rtol=1e-4)
    np.testing.assert_array_equal(features[..., -4:], regions.places.numpy())
    crop = regions.crops[2, 3].reshape(3, -1) // 64
    wanted = np.bincount((crop[0].long() * 16 + crop[1].long() * 4 + crop[2].long()).numpy(), minlength=64) / 1024
    np.testing.assert_allclose(shares[2, 3], wanted, atol=1e-6)


def test_pictures_are_pooled_whatever_the_order_of_regions():
    features = np.random.default_rng(0).normal(size=(3, 5, 4))
    np.testing.assert_allclose(pooled(features), pooled(features[:, ::-1]))
    assert pooled(features).shape == (3, 8)


def test_a_fitted_rival_finds_captions_and_leaves_out_unknown_words():
    scenes = regioned(60)
    model = fit_rival(hand_features, scenes, scenes)
    scores = model.scores(scenes)
    assert (scores.argmax(axis=1) == np.arange(60)).mean() > 0.5, "on what it has learned"
    kept = (*model.cca.means_, *model.cca.directions_, model.cca.correlations_)
    assert model_size(model) == sum(array.size for array in kept)
    strange = model.table([Caption(("zebra",), (-1,))])
    assert strange.sum() == 0
