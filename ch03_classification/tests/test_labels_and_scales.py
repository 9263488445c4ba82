"""Labels that do not belong to the points, whole numbers that would wrap around, and columns of any size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from sklearn.linear_model import LogisticRegression as Reference

from ch03_classification.bernoulli import laplace_rule, log_loss
from ch03_classification.calibration import bin_of, calibration_error, fit_temperature, murphy, temper
from ch03_classification.logistic import LogisticRegression
from ch03_classification.logistic_line import design, gradient, mean_log_loss, newton_step, safe_learning_rate
from ch03_classification.neuron import Hebb, Perceptron, multiply_by_label
from ch03_classification.no_line import HiddenUnits, products
from ch03_classification.separable import descend, largest_margin, log_score
from ch03_classification.sigmoid import (
    clipped_line,
    fit_curve,
    log_sigmoid,
    logit,
    sigmoid,
    sigmoid_slope,
    staircase,
    two_gaussians,
)
from ch03_classification.softmax import Cost, SoftmaxRegression, log_softmax

RNG = np.random.default_rng
X = RNG(0).normal(size=(60, 3))
Y = (X[:, 0] + 0.7 * RNG(1).normal(size=60) > 0).astype(int)
x = X[:, 0]
THETA = np.array([0.3, -0.7])
BY_LABELS = {
    "fit_curve": lambda y: fit_curve(log_sigmoid, x, y),
    "two_gaussians": lambda y: np.hstack(two_gaussians(x, y)),
    "clipped_line": lambda y: clipped_line(x, y)(x),
    "staircase": lambda y: staircase(x, y)(x),
    "mean_log_loss": lambda y: mean_log_loss(THETA, design(x), y),
    "gradient": lambda y: gradient(THETA, design(x), y),
    "newton_step": lambda y: newton_step(THETA, design(x), y),
    "largest_margin": lambda y: largest_margin(X, y),
    "descend": lambda y: descend(X, y, 5).weights,
    "log_score": lambda y: log_score(LogisticRegression().fit(X, Y), X, y),
    "multiply_by_label": lambda y: multiply_by_label(X, y),
    "fit_temperature": lambda y: fit_temperature(np.column_stack([1 - sigmoid(x), sigmoid(x)]), y),
    "Cost": lambda y: Cost.of(X, y, 1.0).Y,
}
EACH = pytest.mark.parametrize("by_labels", BY_LABELS.values(), ids=BY_LABELS)


@EACH
@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64, bool])
def test_labels_of_any_whole_kind_are_the_same_labels(by_labels, kind):
    assert_array_equal(by_labels(Y.astype(kind)), by_labels(Y))


@EACH
def test_labels_of_another_shape_or_out_of_range(by_labels):
    for wrong in (Y[:, None], Y[None], Y[:1], Y[:-1]):
        with pytest.raises(ValueError, match="shape") as error:
            by_labels(wrong)
        assert str(wrong.shape) in str(error.value)
    with pytest.raises(ValueError, match="must lie in 0"):
        by_labels(Y - 1)
    if by_labels is not BY_LABELS["Cost"]:  # which has any number of classes
        with pytest.raises(ValueError, match="must lie in 0"):
            by_labels(2 * Y)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64, np.int8, np.int64, np.float32])
def test_functions_of_whole_numbers_do_not_wrap(kind):
    v = np.array([0, 1, 5, 100], kind)
    exact = v.astype(float)
    assert_allclose(sigmoid(v), special.expit(exact), rtol=1e-6)
    assert_allclose(sigmoid_slope(v), special.expit(exact) * special.expit(-exact), rtol=1e-6, atol=1e-40)
    assert_allclose(log_sigmoid(v), special.log_expit(exact), rtol=1e-6, atol=1e-40)
    assert_allclose(logit(v[:2]), special.logit(exact[:2]))
    assert_allclose(log_loss(v[:2], v[:2]), [0, 0])
    assert_allclose(log_loss(v[:2], np.array([1, 0], kind)), [np.inf, np.inf])
    assert_allclose(log_softmax(v[None]), special.log_softmax(exact)[None], rtol=1e-6)


def test_sigmoid_of_the_least_byte():
    assert_allclose(sigmoid(np.int8([-128])), special.expit([-128.0]))
    assert_allclose(sigmoid(np.array([False, True])), [0.5, special.expit(1)])


def test_counts_and_designs_of_bytes():
    assert_allclose(laplace_rule(np.uint8([255]), np.uint8([255])), 256 / 257)
    assert_allclose(products(np.uint8([[100, 200]])), [[100, 200, 20_000, 10_000, 40_000]])
    assert_allclose(
        safe_learning_rate(design(np.uint8([200, 100]))), safe_learning_rate(design(np.array([200.0, 100])))
    )


def test_calibration_wants_as_many_answers_as_confidences():
    confidence, right = np.array([0.2, 0.9, 0.6]), np.array([False, True, True])
    for wrong in (right[:, None], right[:1], right[:2]):
        for measure in (calibration_error, murphy):
            with pytest.raises(ValueError, match=r"\(3,\)"):
                measure(confidence, wrong)
    assert_allclose(calibration_error(confidence, right.astype(np.uint8)), calibration_error(confidence, right))
    for outside in (np.array([-0.1]), np.array([1.1]), np.array([np.nan])):
        with pytest.raises(ValueError, match=r"\[0, 1\]"):
            bin_of(outside)
    for temperature in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="temperature"):
            temper(np.array([[0.5, 0.5]]), temperature)


# --- Scales

SIZES = [1e160, 1e300, 1e-160, 1e-200, 1e-300]
MIXED = np.array([1e200, 1.0, 1e-200])


@pytest.mark.parametrize("size", [*SIZES, MIXED], ids=str)
@pytest.mark.parametrize("model", [LogisticRegression(0.0), SoftmaxRegression(0.0, tol=1e-6)], ids=repr)
@pytest.mark.filterwarnings("error")
def test_without_a_penalty_no_unit_matters(model, size):
    plain = model.fit(X, Y).predict_proba(X)
    assert_allclose(model.fit(X * size, Y).predict_proba(X * size), plain, rtol=1e-9)
    peer = Reference(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, Y).predict_proba(X)
    assert_allclose(plain, peer, rtol=1e-4)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("model", [LogisticRegression(), SoftmaxRegression()], ids=repr)
def test_a_penalty_that_counts_for_nothing_or_for_all_is_said(model, size):
    with pytest.warns(UserWarning, match=rf"size of .*e[{'+' if size > 1 else '-'}]\d+.*penalty"):
        model.fit(X * size, Y)
    free = Reference(C=np.inf, tol=1e-10, max_iter=10_000).fit(X, Y).predict_proba(X)
    nothing = np.tile(np.bincount(Y) / len(Y), (len(Y), 1))
    assert_allclose(model.predict_proba(X * size), free if size > 1 else nothing, rtol=1e-3)


@pytest.mark.parametrize("far", [1e160, 1e308])
def test_two_points_far_apart_are_told_apart(far):
    points = np.array([[0.0], [far]])
    with pytest.warns(UserWarning, match=f"{far:.1e}".replace("+", r"\+")):
        model = LogisticRegression().fit(points, [0, 1])
    assert model.coef_[0, 0] > 0
    assert_array_equal(model.predict(points), [0, 1])


def test_ordinary_columns_raise_no_warning_and_constant_ones_neither():
    columns = np.column_stack([X, np.full(60, 5.0), np.zeros(60), 1e6 * X[:, 0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression().fit(columns, Y)
        SoftmaxRegression().fit(columns[:, :5], Y)


@pytest.mark.parametrize("model", [Perceptron(), Perceptron(average=True), Hebb()], ids=repr)
def test_neurons_in_any_large_unit(model):
    apart = X + 3 * np.array([1, 0, 0]) * (2 * Y[:, None] - 1)
    for size in (1e160, 1e300):
        assert model.fit(apart * size, Y).score(apart * size, Y) == 1
    with pytest.warns(UserWarning, match=r"e-200"):
        (model if isinstance(model, Hebb) else Hebb()).fit(apart * 1e-200, Y)


def test_curves_in_any_unit():
    plain = fit_curve(log_sigmoid, x, Y)
    for size in SIZES:
        assert_allclose(fit_curve(log_sigmoid, x * size, Y) * [1, size], plain, rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "name", "values"),
    [
        (LogisticRegression, "max_iter", [0, -1, 1.5, None]),
        (LogisticRegression, "tol", [-1.0, np.nan, np.inf]),
        (LogisticRegression, "penalty", [-1.0, np.nan, np.inf]),
        (SoftmaxRegression, "penalty", [-1.0, np.nan, np.inf]),
        (SoftmaxRegression, "max_iter", [0, 2.5]),
        (SoftmaxRegression, "tol", [-1.0, np.nan]),
        (Perceptron, "max_epochs", [0, -3, 1.5]),
        (HiddenUnits, "hidden", [0, 1.5]),
        (HiddenUnits, "starts", [0]),
        (HiddenUnits, "max_iter", [0]),
        (HiddenUnits, "penalty", [-1.0, np.nan, np.inf]),
    ],
)
def test_settings_out_of_range(model, name, values):
    for value in values:
        with pytest.raises(ValueError, match=name):
            model(**{name: value}).fit(X, Y)
