"""Gates against Python's own operators, the perceptron against its rule written out, the bound against an SVM."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Perceptron as Reference
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from ch03_classification.neuron import (
    Hebb,
    Perceptron,
    count_mistakes,
    mistake_bound,
    multiply_by_label,
    nuisance,
    one_pass,
)
from ch03_classification.threshold_logic.gates import (
    AND,
    NAND,
    NOT,
    OR,
    corners,
    count_computable,
    fires,
    half_adder,
    xor,
)
from common.data import breast_cancer


def clouds(seed: int, n: int = 60, m: int = 2, apart: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    return rng.normal(size=(n, m)) + apart * labels[:, None] * rng.choice([-1, 1], m), labels


@parametrize_with_checks([Hebb(), Perceptron(), Perceptron(average=True, shuffle=False)])
def test_is_a_scikit_learn_classifier(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


# --- Gates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "rule"),
    [(AND, lambda a, b: a and b), (OR, lambda a, b: a or b), (NAND, lambda a, b: not (a and b))],
)
def test_gates_are_pythons_operators(gate, rule):
    assert_array_equal(fires(corners(2), gate), [int(rule(a, b)) for a, b in corners(2)])


def test_not_is_not():
    assert_array_equal(fires(np.array([[0], [1]]), NOT), [1, 0])


def test_three_units_are_xor_and_four_add():
    a, b = corners(2).T
    assert_array_equal(xor(corners(2)), a ^ b)
    carry, digit = half_adder(corners(2)).T
    assert_array_equal(2 * carry + digit, a + b)


def separable_tables(inputs: int) -> int:
    """Truth tables for which a linear programme finds a weight and a threshold."""
    x = np.column_stack([corners(inputs), np.ones(2**inputs)])
    tables = product((-1, 1), repeat=2**inputs)
    bounds = [(None, None)] * x.shape[1]
    return sum(
        linprog(np.zeros(x.shape[1]), -np.array(table)[:, None] * x, -np.ones(len(x)), bounds=bounds).status == 0
        for table in tables
    )


@pytest.mark.parametrize(("inputs", "largest", "known"), [(1, 1, 4), (2, 1, 14), (3, 2, 104), (4, 3, 1882)])
def test_functions_of_one_unit(inputs, largest, known):
    """The counts of Muroga 1971; for few inputs a linear programme, which has no largest weight, agrees."""
    assert count_computable(inputs, largest) == known
    assert count_computable(inputs, largest + 1) == known
    if inputs <= 3:
        assert separable_tables(inputs) == known


# --- Rosenblatt's rule ------------------------------------------------------------------------------------------------


def written_out(Z, passes):
    """The rule, point by point: w after it, the mean of w over all points seen, the mistakes of each pass."""
    w, total, mistakes = np.zeros(Z.shape[1]), np.zeros(Z.shape[1]), []
    for _ in range(passes):
        mistakes.append(0)
        for z in Z:
            if w @ z <= 0:
                w = w + z
                mistakes[-1] += 1
            total = total + w
        if not mistakes[-1]:
            break
    return w, total / (len(mistakes) * len(Z)), mistakes


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), n=st.integers(2, 200), m=st.integers(1, 5), apart=st.floats(0, 8),
    passes=st.integers(1, 8),
)  # fmt: skip
def test_blocks_give_the_weights_of_the_rule_point_by_point(seed, n, m, apart, passes):
    X, y = clouds(seed, n, m, apart)
    w, mean, mistakes = written_out(multiply_by_label(X, y), passes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        last, average = (Perceptron(passes, shuffle=False, average=k).fit(X, y) for k in (False, True))
    assert last.mistakes_ == average.mistakes_ == mistakes
    assert last.n_iter_ == len(mistakes)
    assert_allclose(np.r_[last.coef_[0], last.intercept_], w, atol=1e-9)
    assert_allclose(np.r_[average.coef_[0], average.intercept_], mean, atol=1e-9)


@pytest.mark.parametrize("place", [0, 1, 63, 64, 65, 127, 128, 129])
def test_no_point_is_passed_over(place):
    Z = np.ones((130, 1))
    Z[place] = -1
    assert next(one_pass(Z, np.array([0.5]))) == place


def test_scikit_learns_perceptron_takes_the_same_way():
    X, y = clouds(1, 80, 3, 1.5)
    peer = Reference(shuffle=False, tol=None, max_iter=7, alpha=0.0).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="7 passes, none without a mistake"):
        ours = Perceptron(7, shuffle=False).fit(X, y)
    assert_allclose(ours.coef_, peer.coef_, rtol=1e-9)
    assert_allclose(ours.intercept_, peer.intercept_, rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_a_pass_without_mistakes_ends_it_and_the_training_points_are_right(seed):
    X, y = clouds(seed)
    model = Perceptron(random_state=seed).fit(X, y)
    assert model.mistakes_[-1] == 0
    assert min(model.mistakes_[:-1]) > 0
    assert model.score(X, y) == 1


def test_the_seed_gives_the_order():
    X, y = clouds(2, 200, 3)
    fits = [Perceptron(random_state=k).fit(X, y).coef_ for k in (0, 0, 1)]
    assert_array_equal(fits[0], fits[1])
    assert not np.allclose(fits[0], fits[2])


def test_one_pass_changes_w_in_place_and_says_where():
    Z, w = multiply_by_label(*clouds(3)), np.zeros(3)
    where = list(one_pass(Z, w))
    assert_allclose(w, Z[where].sum(axis=0))


def test_xor_has_a_mistake_in_every_pass_and_its_weights_stay_bounded():
    X = corners(2).astype(float)
    with pytest.warns(ConvergenceWarning):
        model = Perceptron(2000, random_state=0).fit(X, xor(corners(2)))
    assert min(model.mistakes_) > 0
    assert np.abs(np.r_[model.coef_[0], model.intercept_]).max() < 4  # Block and Levin 1970: bounded, however long


@pytest.mark.parametrize("model", [Hebb(), Perceptron()])
@pytest.mark.parametrize(("labels", "why"), [([0, 1, 2], "Only binary"), ([1, 1, 1], "only one class")])
def test_one_class_and_three_are_refused(model, labels, why):
    with pytest.raises(ValueError, match=why):
        model.fit(np.eye(3), labels)


# --- Novikoff's bound -------------------------------------------------------------------------------------------------


def svm_bound(Z):
    """(R/γ)² with γ = 1 / ‖w‖ of the hard-margin machine through 0: of z as class 1 and −z as class 0."""
    machine = SVC(kernel="linear", C=1e9, tol=1e-8).fit(np.vstack([Z, -Z]), np.r_[np.ones(len(Z)), np.zeros(len(Z))])
    return (Z**2).sum(axis=1).max() * (machine.coef_**2).sum()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("unit", [1.0, 1e3])
def test_the_bound_is_that_of_a_hard_margin_machine(seed, unit):
    Z = multiply_by_label(*clouds(seed, 40, 2, 8.0))
    assert_allclose(mistake_bound(unit * Z), svm_bound(Z), rtol=1e-3)


@pytest.mark.parametrize("labels", [xor(corners(2)), 1 - xor(corners(2))])
def test_no_bound_where_nothing_separates(labels):
    assert mistake_bound(multiply_by_label(corners(2).astype(float), labels)) == np.inf


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), gap=st.floats(0.05, 0.5))
def test_the_mistakes_stay_below_it(seed, gap):
    bound, counts = count_mistakes(gap, 60, np.random.default_rng(seed))
    assert len(counts) == 10
    assert 0 < max(counts) <= bound
    assert bound <= 3 / gap**2 * (1 + 1e-6)  # R² ≤ 3, and the gap is a margin


def test_the_tumours_are_separable():
    part = breast_cancer(seed=0).train
    Z = multiply_by_label(StandardScaler().fit_transform(part.features), part.labels)
    programme = linprog(np.zeros(Z.shape[1]), -Z, -np.ones(len(Z)), bounds=[(None, None)] * Z.shape[1])
    assert programme.status == 0
    assert mistake_bound(Z) < (Z**2).sum(axis=1).max() * (programme.x**2).sum() * (1 + 1e-6)


# --- Hebb -------------------------------------------------------------------------------------------------------------


def test_hebbs_weights_are_the_difference_of_the_classes_sums():
    X, y = clouds(4, 61)
    model = Hebb().fit(X, y)
    assert_allclose(model.coef_[0], X[y == 1].sum(axis=0) - X[y == 0].sum(axis=0))
    assert_allclose(model.intercept_, (y == 1).sum() - (y == 0).sum())


def test_hebb_classes_by_the_nearer_mean_where_both_are_as_far_from_0():
    X, y = make_blobs(200, centers=[[2, 1], [-2, -1]], random_state=0)
    X = np.vstack([X, -X])  # the means are exactly opposite
    y = np.r_[y, 1 - y]
    means = np.array([X[y == k].mean(axis=0) for k in (0, 1)])
    nearer = ((X[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert_array_equal(Hebb().fit(X, y).predict(X), nearer)


def test_a_nuisance_misleads_hebb_and_not_the_perceptron():
    X, y = nuisance(200, np.random.default_rng(0))
    assert Hebb().fit(X, y).score(X, y) < 0.8
    assert Perceptron(random_state=0).fit(X, y).score(X, y) == 1
    assert abs(np.corrcoef(X[:, 1], y)[0, 1]) < 0.2  # by itself, the second input says nothing
