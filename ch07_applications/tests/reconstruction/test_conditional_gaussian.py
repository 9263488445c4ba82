"""The conditional expectation against its definition, and against sampled regression."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import Ridge

from ch07_applications.reconstruction.conditional_gaussian import ConditionalGaussian, clothes_with_holes, fill_clothes
from ch07_applications.reconstruction.holes import BANDS


def pictures(n=400, side=4):
    rng = np.random.default_rng(0)
    mixed = rng.normal(0, 20, (n, side * side)) @ rng.normal(0, 0.5, (side * side, side * side))
    return (mixed + 128).clip(0, 255).round().astype(np.uint8).reshape(n, side, side)


def test_the_expectation_is_that_of_the_inverse_covariance():
    """Let Λ = (Σ + λI)⁻¹ for λ → 0; then E[x_h | x_k] = μ_h − Λ_hh⁻¹ Λ_hk (x_k − μ_k): Bishop 2006, Eq. (2.97)."""
    data, hole = pictures(), np.zeros((4, 4), bool)
    hole[1:3, 1:4] = True
    filled = ConditionalGaussian(1e-6).fit(data).fill(data[5].astype(float), hole)
    flat, hidden = data.reshape(len(data), -1).astype(float), hole.ravel()
    precision, mean = np.linalg.inv(np.cov(flat.T)), flat.mean(axis=0)
    right = precision[np.ix_(hidden, ~hidden)] @ (flat[5] - mean)[~hidden]
    wanted = mean[hidden] - np.linalg.solve(precision[np.ix_(hidden, hidden)], right)
    assert_allclose(filled[hole], wanted, rtol=1e-5)
    assert (filled[~hole] == data[5][~hole]).all()


def test_it_is_ridge_regression_of_hidden_on_known_pixels():
    data, hole, penalty = pictures(), np.eye(4) > 0, 30.0
    flat, hidden = data.reshape(len(data), -1).astype(float), hole.ravel()
    ridge = Ridge(alpha=penalty * (len(data) - 1)).fit(flat[:, ~hidden], flat[:, hidden])
    filled = ConditionalGaussian(penalty).fit(data).fill(data[7].astype(float), hole)
    assert_allclose(filled[hole], ridge.predict(flat[7:8, ~hidden])[0], rtol=1e-6)


def test_hidden_values_make_no_difference():
    data, hole = pictures(), np.eye(4) > 0
    model, picture = ConditionalGaussian(10.0).fit(data), data[3].astype(float)
    assert (model.fill(np.where(hole, 1e6, picture), hole)[hole] == model.fill(picture, hole)[hole]).all()


def test_a_hole_of_another_size_is_refused():
    with pytest.raises(ValueError, match="16 pixels, not 25"):
        ConditionalGaussian(1.0).fit(pictures()).fill(np.zeros((5, 5)), np.eye(5) > 0)


def test_clothes_have_holes_of_every_band_and_are_filled_from_what_may_be_seen():
    data = np.random.default_rng(1).integers(0, 256, (60, 16, 16)).astype(np.uint8)
    part = clothes_with_holes(data[:12], 0)
    for band, hole in zip(part.bands, part.holes, strict=True):
        assert BANDS[band][0] <= hole.mean() <= BANDS[band][1]
    found = fill_clothes(ConditionalGaussian(10.0).fit(data), part)
    assert (found[~part.holes] == part.answers[~part.holes]).all()
    assert (found[..., 0] == found[..., 2]).all()
