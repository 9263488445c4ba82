"""Which cars lessons fit and judge: the contaminated ones, the heaviest third, the first forty."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch02_probabilistic import bayes, contamination, likelihood, prediction_intervals, robust, why_gaussian
from ch02_probabilistic.contamination import LITRES, SHARE
from common.data import auto_mpg, diabetes
from tests.recorded_lesson import recorded


def test_robust_methods_are_fitted_to_contaminated_cars_and_judged_on_clean_ones(monkeypatch):
    found = recorded(contamination, monkeypatch)
    clean, test = (part.select("weight") for part in (auto_mpg(seed=0).train, auto_mpg(seed=0).test))
    reference = found.fitted["least squares, clean cars"][0].args[1]
    assert_array_equal(reference.targets, clean.targets)
    names = list(contamination.methods(found.run))
    assert {"Gaussian (least squares)", "Student t", "RANSAC"} <= set(names)
    first = found.fitted[names[0]][0].args[1].targets
    for name in names:
        part = found.fitted[name][0].args[1]
        wrong = part.targets != clean.targets
        assert wrong.sum() == round(SHARE * len(clean)) > 0
        assert_allclose(part.targets[wrong], LITRES / clean.targets[wrong])
        assert_array_equal(part.targets, first)  # the same wrong cars for all
    for calls in found.scored.values():
        assert_array_equal(calls[0].args[0].targets, test.targets)


def test_thirds_are_the_lightest_and_the_heaviest_test_cars(monkeypatch):
    found = recorded(prediction_intervals, monkeypatch)
    test = auto_mpg(seed=0).test
    weight = np.sort(test.select("weight").features[:, 0])
    names = list(prediction_intervals.METHODS)
    shares = {}
    for name in names:
        low, high = found.timed[name][0].answer
        hits = (low <= test.targets) & (test.targets <= high)
        for group in ("light third", "heavy third", "all"):
            row = next(r for r in found.run.record.rows if (r.method, r.metric) == (name, f"coverage, {group}"))
            if group != "all":
                assert abs(row.n - len(test) / 3) < 4
            heavy = test.select("weight").features[:, 0] >= weight[-row.n]
            light = test.select("weight").features[:, 0] <= weight[row.n - 1]
            members = light if group == "light third" else heavy
            assert members.sum() == row.n
            assert_allclose(row.value, 100 * hits[members].mean())
            shares[name, group] = row.value
    assert any(shares[name, "light third"] != shares[name, "heavy third"] for name in names)


@pytest.mark.parametrize("name", list(prediction_intervals.METHODS))
def test_an_interval_does_not_depend_on_the_other_test_cars(name):
    _, interval = prediction_intervals.METHODS[name]
    cars = auto_mpg(seed=0)
    alone, among = (interval(cars.train, X, 0.95) for X in (cars.test.features[:5], cars.test.features))
    for few, all_of_them in zip(alone, among, strict=True):
        assert_allclose(few, all_of_them[:5])


def test_bayes_learns_from_few_patients(monkeypatch):
    found = recorded(bayes, monkeypatch)
    few = diabetes(seed=0).train.take(slice(bayes.FEW))
    for calls in found.fitted.values():
        assert_array_equal(calls[0].args[1].ids, few.ids)
        assert_array_equal(calls[0].args[1].features, few.features)
    ours = found.run.methods["ridge, λ by evidence"].model[-1]
    assert_allclose(found.facts["λ = σ²/τ² by evidence"], ours.noise_variance_ / ours.prior_variance_)
    assert ours.noise_variance_ / ours.prior_variance_ != pytest.approx(1)


def test_the_likeliest_densities_are_of_training_cars(monkeypatch):
    found = recorded(likelihood, monkeypatch)
    train = auto_mpg(seed=0).train.targets
    mean, variance = found.run.methods["Gaussian, maximum likelihood"].model
    assert_allclose([mean, variance], [train.mean(), train.var()])
    for name in ("kernel density", "Gaussian mixture"):
        assert_array_equal(found.timed[name][0].args[1][:, 0], train)


def test_robust_regressions_learn_the_training_cars_as_they_are(monkeypatch):
    found = recorded(robust, monkeypatch)
    for calls in found.fitted.values():
        assert_array_equal(calls[0].args[1].targets, auto_mpg(seed=0).train.targets)


def test_residuals_are_judged_on_cars_that_nothing_was_fitted_to(monkeypatch):
    found = recorded(why_gaussian, monkeypatch)
    cars = auto_mpg(seed=0)
    fitted, held_out = why_gaussian.residuals(cars.train, cars.test)
    for name in ("Gaussian residuals", "Laplace residuals", "Student t residuals"):
        assert_allclose(found.timed[name][0].args[1], fitted)
    mean, spread = found.run.methods["Gaussian residuals"].model
    density = -0.5 * np.log(2 * np.pi * spread**2) - (held_out - mean) ** 2 / (2 * spread**2)
    assert_allclose(found.value("Gaussian residuals", "log density per car"), density.mean())
    assert {row.kind for row in found.run.record.rows} == {"classical"}  # scipy fits all three
