"""Colour transfer: exact moments, the least change of all linear maps, and the distance of two Gaussians."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.linalg import sqrtm

from ch07_applications.style.colour_transfer import colour_distance, root, transfer_colours, transport


def covariance(seed: int, n: int = 3) -> np.ndarray:
    matrix = np.random.default_rng(seed).normal(size=(n, n + 2))
    return matrix @ matrix.T / (n + 2)


def picture(seed: int, size=(20, 30)) -> np.ndarray:
    """Colours that are well within 0 … 255, so that nothing is clipped."""
    rng = np.random.default_rng(seed)
    turn = rng.normal(size=(3, 3))
    return (127 + 10 * rng.normal(size=(*size, 3)) @ turn).round().clip(0, 255).astype(np.uint8)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_map_is_symmetric_positive_and_gives_the_style_s_covariance(seed):
    content, style = covariance(seed), covariance(seed + 1)
    turn = transport(content, style)
    assert_allclose(turn, turn.T, atol=1e-9)
    assert np.linalg.eigvalsh(turn).min() > 0
    assert_allclose(turn @ content @ turn, style, atol=1e-8)
    assert_allclose(transport(style, content) @ turn, np.eye(3), atol=1e-6)  # and back again


def test_roots_are_scipy_s():
    matrix = covariance(3)
    assert_allclose(root(matrix), sqrtm(matrix), atol=1e-10)
    assert_allclose(root(matrix, -0.5) @ root(matrix), np.eye(3), atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_no_other_linear_map_to_the_same_covariance_moves_colours_less(seed):
    content, style = covariance(seed), covariance(seed + 1)

    def cost(turn):  # E ‖T x − x‖² for x of covariance `content`
        return np.trace((turn - np.eye(3)) @ content @ (turn - np.eye(3)).T)

    least = cost(transport(content, style))
    for other in range(5):
        rotation = np.linalg.qr(np.random.default_rng(seed + other).normal(size=(3, 3)))[0]
        alternative = np.linalg.cholesky(style) @ rotation @ np.linalg.inv(np.linalg.cholesky(content))
        assert_allclose(alternative @ content @ alternative.T, style, atol=1e-8)
        assert least <= cost(alternative) + 1e-9
    half = sqrtm(content)
    assert least == pytest.approx(np.trace(content + style - 2 * sqrtm(half @ style @ half)).real, abs=1e-8)


def test_a_picture_gets_the_style_s_mean_and_covariance_and_keeps_its_own_with_its_own_style():
    content, style = picture(0), picture(1)
    moved = transfer_colours(content, style).reshape(-1, 3).astype(float)
    assert_allclose(moved.mean(0), style.reshape(-1, 3).mean(0), atol=0.1)
    assert_allclose(np.cov(moved.T), np.cov(style.reshape(-1, 3).T), atol=2.5)
    assert np.abs(transfer_colours(content, content).astype(int) - content).max() <= 1
    assert colour_distance(transfer_colours(content, style), style) < 0.5 < colour_distance(content, style)


def test_a_picture_of_one_colour_and_a_grey_one_have_no_variance_and_yet_a_result():
    flat = np.full((8, 8, 3), 90, np.uint8)
    moved = transfer_colours(flat, picture(0))
    assert_allclose(moved[0, 0], picture(0).reshape(-1, 3).mean(0), atol=1)
    assert (moved == moved[0, 0]).all()
    assert (transfer_colours(picture(0), flat) == 90).all()
    grey = picture(0)[..., :1].repeat(3, axis=2)
    assert np.isfinite(transfer_colours(grey, picture(1))).all()
    assert np.isfinite(colour_distance(grey, flat))


def test_the_distance_of_colours_is_that_of_gaussians():
    a, b = picture(2), picture(3)
    assert colour_distance(a, a) == pytest.approx(0, abs=1e-3)
    assert colour_distance(a, b) == pytest.approx(colour_distance(b, a))
    shifted = (a + 7).astype(np.uint8)  # a shift by 7 of each of three colours
    assert colour_distance(a, shifted) == pytest.approx(7 * 3**0.5, abs=1e-3)
    middle = a.astype(float).mean(axis=(0, 1))
    wide = 100 + 2 * (a.astype(int) - a.astype(int).min()) // 1
    if wide.max() <= 255:  # twice as wide: the covariance has four times the size
        spread = np.trace(np.cov(a.reshape(-1, 3).T))
        moved = wide.reshape(-1, 3).mean(0) - middle
        assert colour_distance(a, wide.astype(np.uint8)) == pytest.approx((spread + moved @ moved) ** 0.5, rel=1e-3)
