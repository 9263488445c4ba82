"""Settings out of range, targets that are text, numbers that would wrap around or broadcast, and data of any size."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.linear_model import LinearRegression

from ch02_probabilistic.bayes import EvidenceRidge, posterior
from ch02_probabilistic.likelihood import gaussian_log_density
from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from ch02_probabilistic.prediction_intervals import contains
from ch02_probabilistic.robust import LaplaceRegressor, StudentTRegressor, losses, weighted_least_squares

X = np.random.default_rng(0).normal(size=(60, 3)) + 5
Y = X @ [1, 2, 3] + np.random.default_rng(1).standard_t(2, size=60)
MODELS = [LaplaceRegressor(), StudentTRegressor(), GaussianLinearModel(), EvidenceRidge(tol=1e-10)]
EACH_MODEL = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def test_infinitely_many_degrees_of_freedom_are_least_squares():
    peer, ours = LinearRegression().fit(X, Y), StudentTRegressor(np.inf).fit(X, Y)
    assert_allclose(ours.coef_, peer.coef_, rtol=1e-9)
    assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-9)
    assert_allclose(StudentTRegressor(1e12).fit(X, Y).coef_, peer.coef_, rtol=1e-6)
    assert np.abs(StudentTRegressor(3).fit(X, Y).coef_ - peer.coef_).max() > 1e-3
    r = np.linspace(-3, 3, 7)
    assert_allclose(losses(r, np.inf)["Student t, ν = inf"], r**2 / 2)


@pytest.mark.parametrize("nu", [0, 0.0, -1, -np.inf, np.nan, None, "3", True])
def test_degrees_of_freedom_out_of_range(nu):
    with pytest.raises(ValueError, match="degrees_of_freedom"):
        StudentTRegressor(nu).fit(X, Y)
    if isinstance(nu, float):
        with pytest.raises(ValueError, match="degrees_of_freedom"):
            losses(np.ones(2), nu)


@pytest.mark.parametrize("model", [LaplaceRegressor, StudentTRegressor, EvidenceRidge])
@pytest.mark.parametrize(("name", "value"), [("max_iter", 0), ("max_iter", 2.5), ("tol", -1.0), ("tol", np.nan)])
def test_iterations_and_tolerance_out_of_range(model, name, value):
    with pytest.raises(ValueError, match=name):
        model(**{name: value}).fit(X, Y)


@EACH_MODEL
@pytest.mark.parametrize("targets", [["1", "2"], np.array(["1", "2"], object), [b"1", b"2"], ["a", "b"]], ids=str)
def test_text_is_no_target(model, targets):
    with pytest.raises(ValueError, match="text"):
        model.fit([[1.0], [2.0]], targets)


@EACH_MODEL
@pytest.mark.parametrize("kind", [np.uint8, np.int8, bool])
def test_whole_targets_do_not_wrap(model, kind):
    whole = (np.abs(Y).round() % 2).astype(kind)
    assert_allclose(model.fit(X, whole).coef_, model.fit(X, whole.astype(float)).coef_)


def test_densities_of_bytes_do_not_wrap():
    assert_allclose(
        gaussian_log_density(np.uint8([1, 2]), np.uint8([5, 200]), np.uint8([200, 200])),
        stats.norm.logpdf([1, 2], [5, 200], np.sqrt(200)),
    )
    assert_allclose(losses(np.uint8([20]))["Gaussian: r² / 2"], [200])
    square = posterior(np.uint8([[200], [100]]), np.uint8([1, 2]), 1.0, 1.0)
    assert_allclose(square[1], [[1 / (1 + 200**2 + 100**2)]])


@pytest.mark.parametrize("mean", [np.zeros((3, 1)), np.zeros(2), np.zeros((2, 3))], ids=lambda mean: str(mean.shape))
def test_a_density_has_one_mean_or_one_each(mean):
    for parameters in ((mean, 1.0), (0.0, mean + 1)):
        with pytest.raises(ValueError, match=r"\(3,\)"):
            gaussian_log_density(np.ones(3), *parameters)


def test_shapes_that_would_broadcast():
    column = np.ones((4, 1))
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        weighted_least_squares(np.ones((4, 2)), column, np.ones(4))
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        posterior(np.ones((4, 2)), column, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"\(4, 1\)"):
        contains((np.zeros(4), np.ones(4)), column)
    for variances in ((0.0, 1.0), (1.0, -1.0), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="variance"):
            posterior(np.ones((4, 2)), np.ones(4), *variances)


@EACH_MODEL
@pytest.mark.parametrize("size", [1e160, 1e200, 1e300, 1e-160, 1e-200, 1e-300])
@pytest.mark.filterwarnings("ignore:values of the size")
def test_inputs_in_any_unit(model, size):
    assert_allclose(model.fit(X * size, Y).predict(X * size), model.fit(X, Y).predict(X), rtol=1e-9)


@EACH_MODEL
@pytest.mark.parametrize("size", [1e160, 1e200, 1e-100, 1e-160, 1e-200])
@pytest.mark.filterwarnings("ignore:values of the size")
def test_targets_in_any_unit(model, size):
    assert_allclose(model.fit(X, Y * size).predict(X) / size, model.fit(X, Y).predict(X), rtol=1e-6)


@pytest.mark.parametrize("model", MODELS[2:], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize(("inputs", "targets"), [(1e200, 1.0), (1e-200, 1.0), (1.0, 1e200), (1.0, 1e-200)])
def test_so_are_standard_deviations_and_a_variance_that_has_no_number_is_said(model, inputs, targets):
    plain = model.fit(X, Y).predict(X, return_std=True)[1]
    if targets != 1:
        with pytest.warns(UserWarning, match=r"size of .*e[+-]\d+.*variance"):
            model.fit(X * inputs, Y * targets)
    else:
        model.fit(X * inputs, Y * targets)
    assert_allclose(model.predict(X * inputs, return_std=True)[1] / targets, plain, rtol=1e-6)
