"""Columns of any size, targets that are text, shapes that would broadcast; and squares that are squares."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression as Peer
from sklearn.linear_model import Ridge

from ch01_regression.basis import gaussian, piecewise
from ch01_regression.design_matrix import SOLVE, LinearRegression
from ch01_regression.line import cost, draw_squares, fit_line

X = np.random.default_rng(0).normal(size=(60, 3)) + 5
Y = X @ [1, 2, 3] + np.random.default_rng(1).normal(size=60)
SIZES = [1e160, 1e200, 1e300, 1e-160, 1e-200, 1e-300, np.array([1e200, 1.0, 1e-200])]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("solver", SOLVE)
@pytest.mark.filterwarnings("error")
def test_no_unit_is_too_large_or_too_small(solver, size):
    peer, ours = Peer().fit(X, Y), LinearRegression(solver=solver).fit(X * size, Y)
    assert_allclose(ours.coef_ * size, peer.coef_, rtol=1e-9)
    assert_allclose(ours.predict(X * size), peer.predict(X), rtol=1e-9)


@pytest.mark.parametrize("solver", SOLVE)
@pytest.mark.filterwarnings("error")
def test_a_penalty_keeps_its_unit(solver):
    """Beside a column of 1e200 it counts for nothing, beside one of 1e-200 for all: what is left is Ridge."""
    ours = LinearRegression(solver=solver, ridge=2.0).fit(X * SIZES[-1], Y)
    centred = X - X.mean(axis=0)
    free = centred[:, :1]
    off = lambda v: v - free @ np.linalg.lstsq(free, v)[0]  # noqa: E731
    peer = Ridge(2.0, fit_intercept=False).fit(off(centred[:, 1:2]), off(Y - Y.mean()))
    assert_allclose(ours.coef_[1], peer.coef_[0], rtol=1e-7)
    assert abs(ours.coef_[2] * 1e-200) < 1e-190


@pytest.mark.parametrize("size", [1e308, 1e200, 1e-200])
@pytest.mark.filterwarnings("error")
def test_targets_of_any_size(size):
    y = Y / np.abs(Y).max()
    assert_allclose(LinearRegression().fit(X, y * size).predict(X) / size, Peer().fit(X, y).predict(X), rtol=1e-7)


@pytest.mark.parametrize("size", [1e160, 1e300, 1e-160, 1e-300])
def test_lines_of_any_size(size):
    plain = fit_line(X[:, 0], Y)
    assert_allclose(np.array(fit_line(X[:, 0] * size, Y)) * [1, size], plain, rtol=1e-9)


@pytest.mark.parametrize("targets", [["1", "2"], np.array(["1", "2"], object), [b"1", b"2"], ["a", "b"]], ids=str)
def test_text_is_no_target(targets):
    with pytest.raises(ValueError, match="text"):
        LinearRegression().fit([[1.0], [2.0]], targets)


@pytest.mark.parametrize("ridge", [np.nan, np.inf])
def test_a_ridge_is_finite(ridge):
    with pytest.raises(ValueError, match="ridge"):
        LinearRegression(ridge=ridge).fit(X, Y)


def test_shapes_that_would_broadcast():
    x, y = np.arange(3.0), np.array([[1.0], [2.0], [4.0]])
    for wrong in (y, y[:2, 0], y.T):
        with pytest.raises(ValueError, match=r"\(3,\)") as error:
            fit_line(x, wrong)
        assert str(wrong.shape) in str(error.value)
        with pytest.raises(ValueError, match=r"\(3,\)"):
            cost(np.zeros(()), np.zeros(()), x, wrong)


def test_fewer_functions_than_none():
    for basis in (gaussian, piecewise):
        with pytest.raises(ValueError, match="whole number"):
            basis(np.zeros(3), -1)


def test_the_squares_of_the_first_picture_are_squares():
    """On the page a residual's square is as wide as it is high, and as high as the residual."""
    x, y, theta = np.array([2.0, 3.0, 4.5]), np.array([36.0, 18.0, 14.0]), (40.0, -5.0)
    figure = draw_squares(x, y, {"a guess": theta, "another": (30.0, 0.5)})
    figure.savefig(BytesIO(), format="png")  # lays it out
    axis = figure.axes[0]
    squares = axis.collections[0].get_paths()
    assert len(squares) == 3
    for path, residual in zip(squares, np.abs(y - theta[0] - theta[1] * x), strict=True):
        corners = axis.transData.transform(path.vertices[:4])
        width, height = np.ptp(corners, axis=0)
        assert_allclose(width, height, rtol=1e-6)
        assert_allclose(np.ptp(path.vertices[:4, 1]), residual)
